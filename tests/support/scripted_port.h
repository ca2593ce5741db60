/* A port that plays a script instead of using a network.

   A script is a list of steps: expect a connect, expect the bytes of a request, reply, pause, close,
   reset. The port answers each I/O call as the current step says, cuts what it hands out as asked,
   answers "try later" where asked, and has a clock of its own, which moves only while somebody
   waits. Whatever the client does that no port may be asked to do, and every byte that it sends and
   the script does not expect, is noted in `misuse`: a test that uses the port ends with
   script_end(), which tells whether there was any. */
#ifndef TESTS_SCRIPTED_PORT_H
#define TESTS_SCRIPTED_PORT_H

#include "opensandbox.h"
#include "tests/support/text.h"

typedef enum script_kind {
    SCRIPT_CONNECT,     /* a connect to data:number, which comes about */
    SCRIPT_MAY_CONNECT, /* the same, or the connection before is used again */
    SCRIPT_REFUSE,      /* a connect that fails */
    SCRIPT_STALL,       /* a connect that never comes about */
    SCRIPT_EXPECT,      /* exactly these bytes from the client */
    SCRIPT_REQUEST,     /* any one request, whose body is as long as its head says, or chunked */
    SCRIPT_REPLY,       /* these bytes for the client, so many times */
    SCRIPT_PAUSE,       /* nothing happens for so many milliseconds */
    SCRIPT_CLOSE,       /* the server closes the connection in good order */
    SCRIPT_RESET        /* the connection breaks */
} script_kind;

typedef struct script_step {
    script_kind kind;
    const char *data;
    size_t size;
    uint32_t number; /* port, repetitions, milliseconds */
    bool tls;
} script_step;

typedef enum script_cut { CUT_WHOLE, CUT_BYTES, CUT_AT, CUT_RANDOM } script_cut;

#define SCRIPT_NEVER ((size_t)-1)

typedef struct script_port {
    script_step *steps;
    size_t step_count;
    /* how to play it */
    script_cut cut;
    size_t cut_at;      /* CUT_AT: no receive crosses this offset of all that is received */
    size_t send_limit;  /* most bytes that one send takes; 0: any number */
    size_t later_at;    /* this I/O call says "try later"; SCRIPT_NEVER: none */
    bool later_always;  /* each I/O call says it once */
    uint32_t seed;      /* CUT_RANDOM */
    uint32_t unix_time; /* of the platform's clock; 0: it has none */
    void (*watch)(struct script_port *port); /* called before each I/O call */
    void *watch_user;
    /* where it is */
    size_t at, done; /* step, and how much of it */
    bool open, opening, send_failed, recv_ended;
    uint32_t now_ms, pause_until;
    bool pausing;
    bool told_later[3]; /* connect, send, recv: the last one was an injected "try later" */
    bool come_again;    /* one of them was: there is nothing to wait for */
    bool at_once;       /* the last call answered OSB_IO_AGAIN */
    unsigned wanted;    /* what the last "try later" said to wait for; a send's holds on */
    size_t calls, received, connects, closes;
    struct text again; /* what a send that was told to come later must bring again */
    bool must_repeat;
    struct text request; /* the request at hand */
    size_t request_size; /* its whole size; 0: its head has not ended yet */
    struct text log;     /* all that was sent */
    struct text misuse;
} script_port;

/* ---- writing a script ------------------------------------------------------------------------*/

SUPPORT void script_begin(script_port *p)
{
    memset(p, 0, sizeof *p);
    p->later_at = SCRIPT_NEVER;
    p->now_ms = 1000;
    text_clear(&p->log);
    text_clear(&p->request);
    text_clear(&p->again);
}

SUPPORT void script_add(script_port *p, script_kind kind, const char *data, size_t size,
                        uint32_t number)
{
    script_step *step;
    if ((p->step_count & (p->step_count + 1)) == 0) { /* room for one less than a power of two */
        size_t room = (p->step_count + 1) * 2;
        p->steps = (script_step *)realloc(p->steps, room * sizeof *p->steps);
        if (p->steps == NULL) abort();
    }
    step = &p->steps[p->step_count++];
    memset(step, 0, sizeof *step);
    step->kind = kind;
    step->data = data;
    step->size = size;
    step->number = number;
}

SUPPORT void script_connect(script_port *p, const char *host, uint16_t port)
{
    script_add(p, SCRIPT_CONNECT, host, strlen(host), port);
}

SUPPORT void script_expect(script_port *p, const char *request)
{
    script_add(p, SCRIPT_EXPECT, request, strlen(request), 1);
}

SUPPORT void script_request(script_port *p)
{
    script_add(p, SCRIPT_REQUEST, "", 0, 0);
}

SUPPORT void script_reply(script_port *p, const char *response)
{
    script_add(p, SCRIPT_REPLY, response, strlen(response), 1);
}

SUPPORT void script_reply_times(script_port *p, const char *data, uint32_t times)
{
    script_add(p, SCRIPT_REPLY, data, strlen(data), times);
}

SUPPORT void script_pause(script_port *p, uint32_t ms)
{
    script_add(p, SCRIPT_PAUSE, "", 0, ms);
}

SUPPORT void script_close(script_port *p)
{
    script_add(p, SCRIPT_CLOSE, "", 0, 0);
}

SUPPORT void script_reset(script_port *p)
{
    script_add(p, SCRIPT_RESET, "", 0, 0);
}

/* ---- playing it ------------------------------------------------------------------------------*/

/* Notes what is wrong; only the first thing matters. */
SUPPORT void script_misuse(script_port *p, const char *what, const void *detail, size_t size)
{
    if (p->misuse.size > 0) return;
    text_print(&p->misuse, "step %lu, I/O call %lu: %s", (unsigned long)p->at,
               (unsigned long)p->calls, what);
    text_escaped(&p->misuse, detail, size < 600 ? size : 600);
}

SUPPORT uint32_t script_random(script_port *p)
{
    p->seed = p->seed * 1664525u + 1013904223u;
    return p->seed >> 8;
}

/* The current step; one past the script's end it is an endless silence. */
SUPPORT const script_step *script_step_now(script_port *p)
{
    static const script_step silence = {SCRIPT_PAUSE, "", 0, 0x7fffffffu, false};
    while (p->at < p->step_count) {
        const script_step *step = &p->steps[p->at];
        if (step->kind != SCRIPT_PAUSE) return step;
        if (!p->pausing) {
            p->pausing = true;
            p->pause_until = p->now_ms + step->number;
        }
        if ((int32_t)(p->pause_until - p->now_ms) > 0) return step;
        p->pausing = false;
        p->at++;
    }
    return &silence;
}

SUPPORT void script_next(script_port *p)
{
    p->at++;
    p->done = 0;
}

enum { SCRIPT_IN_CONNECT, SCRIPT_IN_SEND, SCRIPT_IN_RECV };

/* Whether this I/O call is one that says "try later"; then which way. */
SUPPORT int script_later(script_port *p, int which)
{
    bool later;
    if (p->watch != NULL) p->watch(p);
    p->at_once = false;
    if (which != SCRIPT_IN_RECV || !p->must_repeat) p->wanted = 0;
    later = p->calls++ == p->later_at;
    if (p->later_always) later = !p->told_later[which];
    p->told_later[which] = later;
    if (p->calls > 50000000u) abort(); /* somebody turns in a circle, and no time passes */
    if (!later) return 0;
    p->at_once = p->calls % 3 == 2;
    if (p->at_once) return OSB_IO_AGAIN;
    p->come_again = true;
    p->wanted |= p->calls % 3 == 0 ? OSB_WANT_READ : OSB_WANT_WRITE;
    return p->calls % 3 == 0 ? OSB_IO_WANT_READ : OSB_IO_WANT_WRITE;
}

SUPPORT int script_want(script_port *p, unsigned want)
{
    p->wanted |= want;
    return want == OSB_WANT_READ ? OSB_IO_WANT_READ : OSB_IO_WANT_WRITE;
}

SUPPORT void script_check_connect(script_port *p, const script_step *step, const char *host,
                                  uint16_t port, bool tls)
{
    if (strcmp(step->data, host) == 0 && step->number == port && step->tls == tls) return;
    script_misuse(p, "connect to another origin than expected: ", host, strlen(host));
}

SUPPORT int script_connect_call(void *ctx, const char *host, uint16_t port, bool tls)
{
    script_port *p = (script_port *)ctx;
    const script_step *step = script_step_now(p);
    int later = script_later(p, SCRIPT_IN_CONNECT);
    if (p->open) script_misuse(p, "connect without close to ", host, strlen(host));
    if (step->kind > SCRIPT_STALL) {
        script_misuse(p, "unexpected connect to ", host, strlen(host));
        return OSB_IO_FAILED;
    }
    script_check_connect(p, step, host, port, tls);
    p->opening = true;
    if (later != 0) return later;
    if (step->kind == SCRIPT_STALL) return script_want(p, OSB_WANT_WRITE);
    p->opening = false;
    p->wanted = 0;
    script_next(p);
    if (step->kind == SCRIPT_REFUSE) return OSB_IO_FAILED;
    p->open = true;
    p->send_failed = p->recv_ended = p->must_repeat = false;
    p->connects++;
    return 0;
}

/* The size of a request whose head has just ended; SCRIPT_NEVER: until its last chunk. */
SUPPORT size_t script_request_size(const struct text *head)
{
    const char *length = strstr(head->data, "\r\nContent-Length: ");
    if (strstr(head->data, "\r\nTransfer-Encoding: chunked\r\n") != NULL) return SCRIPT_NEVER;
    return head->size + (length != NULL ? (size_t)strtoul(length + 18, NULL, 10) : 0);
}

SUPPORT bool script_ends_with(const struct text *text, const char *end)
{
    size_t n = strlen(end);
    return text->size >= n && memcmp(text->data + text->size - n, end, n) == 0;
}

/* Bytes of a request that may be anything. */
SUPPORT size_t script_take_request(script_port *p, const char *data, size_t size)
{
    struct text *request = &p->request;
    size_t n = 0;
    if (p->done++ == 0) {
        text_clear(request);
        p->request_size = 0;
    }
    while (n < size && (n == 0 || request->size != p->request_size)) {
        text_add(request, data + n++, 1);
        if (p->request_size == 0 && script_ends_with(request, "\r\n\r\n"))
            p->request_size = script_request_size(request);
        else if (p->request_size == SCRIPT_NEVER && script_ends_with(request, "\r\n0000\r\n\r\n"))
            p->request_size = request->size;
    }
    if (request->size == p->request_size) script_next(p);
    return n;
}

SUPPORT size_t script_take_expected(script_port *p, const script_step *step, const char *data,
                                    size_t size)
{
    size_t n = step->size - p->done;
    if (n > size) n = size;
    if (memcmp(step->data + p->done, data, n) != 0) {
        size_t same = 0;
        while (step->data[p->done + same] == data[same]) same++;
        script_misuse(p, "other bytes than expected, from here on: ", data + same, size - same);
    }
    p->done += n;
    if (p->done == step->size) script_next(p);
    return n;
}

SUPPORT void script_check_send(script_port *p, const void *data, size_t size)
{
    if (size == 0) script_misuse(p, "send of nothing", "", 0);
    if (!p->open) script_misuse(p, "send without a connection", "", 0);
    if (p->send_failed) script_misuse(p, "send after a send that failed", "", 0);
    if (p->must_repeat && (size != p->again.size || memcmp(p->again.data, data, size) != 0))
        script_misuse(p, "send was told to come again, and brings something else: ", data, size);
    p->must_repeat = false;
}

SUPPORT int script_send_later(script_port *p, int later, const void *data, size_t size)
{
    text_clear(&p->again);
    text_add(&p->again, data, size);
    p->must_repeat = true;
    return later;
}

SUPPORT int script_send_call(void *ctx, const void *data, size_t size)
{
    script_port *p = (script_port *)ctx;
    const script_step *step = script_step_now(p);
    int later = script_later(p, SCRIPT_IN_SEND);
    size_t n = size;
    script_check_send(p, data, size);
    if (!p->open) return OSB_IO_FAILED;
    if (later != 0) return script_send_later(p, later, data, size);
    if (step->kind == SCRIPT_MAY_CONNECT) {
        script_next(p);
        step = script_step_now(p);
    }
    if (step->kind == SCRIPT_REPLY || step->kind == SCRIPT_PAUSE)
        return script_send_later(p, script_want(p, OSB_WANT_WRITE), data, size);
    if (step->kind == SCRIPT_CLOSE || step->kind == SCRIPT_RESET) {
        p->send_failed = true;
        return OSB_IO_FAILED;
    }
    if (p->send_limit > 0 && n > p->send_limit) n = p->send_limit;
    if (step->kind == SCRIPT_REQUEST) {
        n = script_take_request(p, (const char *)data, n);
    } else if (step->kind == SCRIPT_EXPECT) {
        n = script_take_expected(p, step, (const char *)data, n);
    } else {
        script_misuse(p, "unexpected bytes: ", data, size);
        return OSB_IO_FAILED;
    }
    text_add(&p->log, data, n);
    p->wanted = 0;
    return (int)n;
}

/* How many of the bytes that are there this receive hands out. */
SUPPORT size_t script_cut_now(script_port *p, size_t there)
{
    if (p->cut == CUT_BYTES) return 1;
    if (p->cut == CUT_RANDOM) return 1 + script_random(p) % there;
    if (p->cut == CUT_AT && p->received < p->cut_at && there > p->cut_at - p->received)
        return p->cut_at - p->received;
    return there;
}

/* Copies from a step's bytes, which repeat. */
SUPPORT void script_copy(const script_step *step, size_t from, char *out, size_t size)
{
    while (size > 0) {
        size_t at = from % step->size, n = step->size - at;
        if (n > size) n = size;
        memcpy(out, step->data + at, n);
        out += n;
        from += n;
        size -= n;
    }
}

SUPPORT int script_recv_call(void *ctx, void *data, size_t size)
{
    script_port *p = (script_port *)ctx;
    const script_step *step = script_step_now(p);
    int later = script_later(p, SCRIPT_IN_RECV);
    size_t n;
    if (size == 0) script_misuse(p, "receive into nothing", "", 0);
    if (!p->open) script_misuse(p, "receive without a connection", "", 0);
    if (p->recv_ended) script_misuse(p, "receive after the connection's end", "", 0);
    if (!p->open || size == 0) return OSB_IO_FAILED;
    if (later != 0) return later;
    if (step->kind == SCRIPT_CLOSE || step->kind == SCRIPT_RESET) {
        p->recv_ended = true;
        return step->kind == SCRIPT_CLOSE ? OSB_IO_CLOSED : OSB_IO_FAILED;
    }
    if (step->kind != SCRIPT_REPLY) return script_want(p, OSB_WANT_READ);
    n = step->size * step->number - p->done;
    if (n > size) n = size;
    n = script_cut_now(p, n);
    script_copy(step, p->done, (char *)data, n);
    p->wanted = 0;
    p->received += n;
    p->done += n;
    if (p->done == step->size * step->number) script_next(p);
    return (int)n;
}

/* The client leaves: what else the server had to say on this connection goes unheard. */
SUPPORT void script_close_call(void *ctx)
{
    script_port *p = (script_port *)ctx;
    bool was_open = p->open;
    if (p->opening) script_next(p);
    if (was_open) p->closes++;
    p->open = p->opening = p->must_repeat = false;
    p->wanted = 0;
    if (!was_open) return;
    if (p->done > 0) script_next(p);
    while (p->at < p->step_count && p->steps[p->at].kind >= SCRIPT_REPLY) script_next(p);
    p->pausing = false;
}

SUPPORT uint32_t script_now_call(void *ctx)
{
    return ((script_port *)ctx)->now_ms;
}

/* Lets the time pass until something happens that is waited for, or until it is over. */
SUPPORT void script_wait_call(void *ctx, unsigned want, uint32_t timeout_ms)
{
    script_port *p = (script_port *)ctx;
    const script_step *step = script_step_now(p);
    if (p->at_once) script_misuse(p, "waits, though the port said: at once", "", 0);
    if ((want & p->wanted) != p->wanted)
        script_misuse(p, "waits for something else than the port said", "", 0);
    p->wanted = 0;
    if (p->come_again && want != 0) {
        p->come_again = false;
        return;
    }
    if ((want & OSB_WANT_READ) != 0 && step->kind >= SCRIPT_REPLY && step->kind != SCRIPT_PAUSE)
        return;
    if ((want & OSB_WANT_WRITE) != 0 && step->kind != SCRIPT_STALL && step->kind < SCRIPT_REPLY)
        return;
    if (step->kind == SCRIPT_PAUSE && p->pausing && want != 0 &&
        timeout_ms > p->pause_until - p->now_ms)
        timeout_ms = p->pause_until - p->now_ms;
    p->now_ms += timeout_ms > 0 ? timeout_ms : 1;
}

SUPPORT const char *script_error_call(void *ctx, int32_t *code)
{
    (void)ctx;
    *code = 42;
    return "scripted failure";
}

/* The same each time, so that transcripts can have what comes of it: 00 11 22 ... */
SUPPORT int script_random_call(void *ctx, void *data, size_t size)
{
    size_t i;
    (void)ctx;
    for (i = 0; i < size; i++) ((unsigned char *)data)[i] = (unsigned char)(i % 16 * 0x11);
    return 0;
}

SUPPORT uint32_t script_unix_time_call(void *ctx)
{
    return ((script_port *)ctx)->unix_time;
}

SUPPORT osb_port script_as_port(script_port *p)
{
    static const osb_port_ops ops = {script_connect_call,   script_send_call,
                                     script_recv_call,      script_close_call,
                                     script_now_call,       script_wait_call,
                                     script_error_call,     script_random_call,
                                     script_unix_time_call, true};
    osb_port port;
    port.ops = &ops;
    port.ctx = p;
    return port;
}

/* Poll mode: polls until the call is done, and lets the time pass as osb_want says. */
SUPPORT osb_status script_finish(script_port *p, osb_client *client, osb_status status)
{
    while (status == OSB_PENDING) {
        osb_wait wait;
        osb_want(client, &wait);
        if (!wait.now)
            script_wait_call(p,
                             (wait.read ? OSB_WANT_READ : 0u) | (wait.write ? OSB_WANT_WRITE : 0u),
                             wait.timeout_ms);
        status = osb_poll(client);
    }
    return status;
}

/* Begins again, with nothing played. */
SUPPORT void script_rewind(script_port *p)
{
    script_port fresh;
    script_begin(&fresh);
    fresh.steps = p->steps;
    fresh.step_count = p->step_count;
    text_free(&p->again);
    text_free(&p->request);
    text_free(&p->log);
    text_free(&p->misuse);
    *p = fresh;
}

/* The script is over: NULL, or what was wrong. */
SUPPORT const char *script_complaint(script_port *p)
{
    if (p->open) script_misuse(p, "the connection was left open", "", 0);
    if (p->at < p->step_count && p->steps[p->at].kind == SCRIPT_MAY_CONNECT) p->at++;
    if (p->at < p->step_count) script_misuse(p, "the script was not played to its end", "", 0);
    return p->misuse.size > 0 ? p->misuse.data : NULL;
}

SUPPORT void script_free(script_port *p)
{
    script_rewind(p);
    text_free(&p->again);
    text_free(&p->request);
    text_free(&p->log);
    free(p->steps);
}

#endif
