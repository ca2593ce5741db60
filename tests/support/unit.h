/* What every unit suite begins with: the library itself, cmocka, a client on a scripted port. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "tests/support/scripted_port.h"
#include "tests/support/recorder.h"

/* A client with its port, its memory (exactly so large that a byte more is noticed), and a sandbox
   whose execd is at execd.example:44772. */
typedef struct bench {
    script_port port;
    osb_port_ops ops; /* the port's, for a test to change */
    osb_config config;
    osb_client client;
    osb_sandbox box;
    recorder r;
    unsigned char *memory;
} bench;

SUPPORT void bench_begin(bench *b, size_t size)
{
    memset(b, 0, sizeof *b);
    script_begin(&b->port);
    b->memory = (unsigned char *)malloc(size);
    assert_non_null(b->memory);
    b->config.port = script_as_port(&b->port);
    b->ops = *b->config.port.ops;
    b->config.port.ops = &b->ops;
    b->config.memory = b->memory;
    b->config.memory_size = size;
    b->config.domain = "api.example:8080";
    b->config.api_key = "the-key";
    b->config.user_agent = "t";
    assert_int_equal(osb_client_init(&b->client, &b->config), OSB_OK);
    b->box.client = &b->client;
    strcpy(b->box.id, "7f30");
    strcpy(b->box.execd.address, "execd.example:44772");
}

/* After a change of b->config. */
SUPPORT void bench_again(bench *b)
{
    osb_client_close(&b->client);
    assert_int_equal(osb_client_init(&b->client, &b->config), OSB_OK);
}

/* The same in poll mode. */
SUPPORT void bench_begin_polling(bench *b, size_t size)
{
    bench_begin(b, size);
    b->config.poll_mode = true;
    bench_again(b);
}

/* Ends it all; fails if the client did what no port may be asked to do, or too little. */
SUPPORT void bench_end(bench *b)
{
    const char *complaint;
    osb_client_close(&b->client);
    complaint = script_complaint(&b->port);
    if (complaint != NULL) print_error("%s\n", complaint);
    if (b->r.misuse.size > 0) print_error("%s\n", b->r.misuse.data);
    assert_null(complaint);
    assert_int_equal(b->r.misuse.size, 0);
    recorder_clear(&b->r);
    script_free(&b->port);
    free(b->memory);
}

SUPPORT osb_status bench_finish(bench *b, osb_status status)
{
    return script_finish(&b->port, &b->client, status);
}

/* A whole answer without a body. */
#define BENCH_EMPTY(status) "HTTP/1.1 " status "\r\nContent-Length: 0\r\n\r\n"

/* The script of an exchange whose request does not matter; the answer is 200 with this body, or
   a whole answer if it begins with HTTP. */
SUPPORT void bench_answer(bench *b, const char *body)
{
    static char answers[16][65536];
    static unsigned turn;
    char *answer = answers[turn++ % 16];
    if (strncmp(body, "HTTP", 4) == 0) snprintf(answer, sizeof answers[0], "%s", body);
    else
        snprintf(answer, sizeof answers[0], "HTTP/1.1 200 OK\r\nContent-Length: %lu\r\n\r\n%s",
                 (unsigned long)strlen(body), body);
    script_request(&b->port);
    script_reply(&b->port, answer);
}

SUPPORT void bench_lifecycle(bench *b)
{
    script_connect(&b->port, "api.example", 8080);
}

SUPPORT void bench_execd(bench *b)
{
    script_connect(&b->port, "execd.example", 44772);
}

/* A connection that does not come about. */
SUPPORT void bench_lifecycle_refuses(bench *b)
{
    script_add(&b->port, SCRIPT_REFUSE, "api.example", 11, 8080);
}

SUPPORT void bench_execd_refuses(bench *b)
{
    script_add(&b->port, SCRIPT_REFUSE, "execd.example", 13, 44772);
}

/* A connection and an exchange on it. */
SUPPORT void bench_lifecycle_answers(bench *b, const char *body)
{
    bench_lifecycle(b);
    bench_answer(b, body);
}

SUPPORT void bench_execd_answers(bench *b, const char *body)
{
    bench_execd(b);
    bench_answer(b, body);
}

/* An answer that is the last one on its connection. */
SUPPORT void bench_last_answer(bench *b, const char *answer)
{
    bench_answer(b, answer);
    script_close(&b->port);
}

/* The beginning of a stream of events that ends with the connection. */
#define BENCH_STREAM "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define BENCH_INIT "{\"type\":\"init\",\"text\":\"0a1b\",\"timestamp\":100}\n\n"
#define BENCH_DONE "{\"type\":\"execution_complete\",\"timestamp\":110}\n\n"

/* The script of a run whose stream is this, up to the connection's end. */
SUPPORT void bench_stream(bench *b, const char *events)
{
    bench_execd_answers(b, BENCH_STREAM);
    script_reply(&b->port, events);
    script_close(&b->port);
}

/* A command, whichever. */
SUPPORT const osb_command bench_command = {"x", NULL,       NULL,       NULL,  0,
                                           0,   {false, 0}, {false, 0}, false, false};

/* Runs it; in poll mode it may come back pending. */
SUPPORT osb_status bench_run(bench *b, const osb_handlers *handlers, osb_execution *run)
{
    return osb_command_run(&b->box, &bench_command, handlers, run);
}

/* A body's source: the bytes of `text`, over and over. */
typedef struct source {
    const char *text;
    size_t size, at;  /* all that it has, and where it is */
    size_t most;      /* bytes that it gives at once */
    unsigned later;   /* before each of them it says so often: not now */
    unsigned told;    /* so often it has said so */
    int fails_with;   /* at its end: 0, or this */
    unsigned asked;   /* calls of source_read */
    unsigned rewound; /* calls of source_rewind */
    bool stuck;       /* it cannot be rewound */
} source;

SUPPORT source source_of(const char *text, size_t size, size_t most)
{
    source s = {0};
    s.text = text;
    s.size = size;
    s.most = most;
    return s;
}

SUPPORT int source_read(void *user, void *data, size_t size)
{
    source *s = (source *)user;
    size_t n = s->size - s->at, i;
    s->asked++;
    if (s->told < s->later) {
        s->told++;
        return OSB_IO_WANT_READ;
    }
    s->told = 0;
    if (n == 0) return s->fails_with;
    if (n > s->most) n = s->most;
    if (n > size) n = size;
    for (i = 0; i < n; i++) ((char *)data)[i] = s->text[(s->at + i) % strlen(s->text)];
    s->at += n;
    return (int)n;
}

SUPPORT int source_rewind(void *user)
{
    source *s = (source *)user;
    s->rewound++;
    s->at = 0;
    return s->stuck;
}

/* One that claims to have given more than was asked for. */
SUPPORT int source_read_too_much(void *user, void *data, size_t size)
{
    (void)user;
    (void)data;
    return (int)size + 1;
}

/* Whether bytes stand anywhere in memory. */
SUPPORT bool bench_contains(const void *memory, size_t size, const char *what)
{
    size_t n = strlen(what), i;
    for (i = 0; i + n <= size; i++)
        if (memcmp((const char *)memory + i, what, n) == 0) return true;
    return false;
}

#endif
