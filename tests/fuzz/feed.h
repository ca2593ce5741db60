/* Feeds one answer's bytes to a client in the middle of its call, cut in pieces as asked: for the
   targets that look at one layer of the parser. */
#ifndef TESTS_FUZZ_FEED_H
#define TESTS_FUZZ_FEED_H

#include "tests/fuzz/fuzz.h"

typedef struct feed {
    const uint8_t *data;
    size_t size, at;
    uint32_t seed;
    size_t most; /* bytes in a piece; 0: by chance */
} feed;

/* The ways of cutting that have to come to the same. */
enum { FEED_WHOLE, FEED_BYTES, FEED_CHANCE, FEED_WAYS };

static inline int feed_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    (void)ctx;
    (void)host;
    (void)port;
    (void)tls;
    return OSB_IO_FAILED;
}

static inline int feed_send(void *ctx, const void *data, size_t size)
{
    (void)ctx;
    (void)data;
    return (int)size;
}

static inline int feed_recv(void *ctx, void *data, size_t size)
{
    static const char junk[] = "a\":\"";
    feed *f = (feed *)ctx;
    size_t n = f->size - f->at;
    CHECK(size > 0);
    memset(data, 0xa5, size); /* all of it is writable */
    if (n == 0) return OSB_IO_CLOSED;
    f->seed = f->seed * 1664525u + 1013904223u;
    if (n > size) n = size;
    if (f->most > 0 && n > f->most) n = f->most;
    if (f->most == 0) n = 1 + (f->seed >> 16) % n;
    memcpy(data, f->data + f->at, n);
    /* What is not said to be received looks as if a member went on. */
    memcpy((char *)data + n, junk, size - n < sizeof junk - 1 ? size - n : sizeof junk - 1);
    f->at += n;
    return (int)n;
}

static inline void feed_close(void *ctx)
{
    (void)ctx;
}

static inline uint32_t feed_now(void *ctx)
{
    (void)ctx;
    return 1000;
}

static const osb_port_ops feed_ops = {feed_connect, feed_send, feed_recv, feed_close, feed_now,
                                      NULL,         NULL,      NULL,      NULL,       false};

/* A client that has sent its request and now waits for the answer. The buffer may be smaller than
   what osb_client_init allows; its first `base` bytes are the caller's structs. */
static inline void feed_client(osb_client *c, feed *f, size_t memory_size)
{
    memset(c, 0, sizeof *c);
    c->config.port.ops = &feed_ops;
    c->config.port.ctx = f;
    c->config.domain = "api.example";
    c->config.idle_timeout_ms = c->config.request_timeout_ms = 1000;
    c->config.memory = c->buffer = (unsigned char *)exactly(memory_size);
    c->config.memory_size = c->limit = memory_size;
    memset(c->buffer, 0x5a, memory_size);
}

static inline void feed_way(feed *f, unsigned way, uint32_t seed, const uint8_t *data, size_t size)
{
    memset(f, 0, sizeof *f);
    f->data = data;
    f->size = size;
    f->seed = seed;
    f->most = way == FEED_WHOLE ? (size_t)-1 : way == FEED_BYTES ? 1 : 0;
}

/* Receives until the exchange is over. */
static inline osb_status feed_run(osb_client *c)
{
    const feed *f = (const feed *)c->config.port.ctx;
    size_t steps, most = 4 * f->size + 100;
    for (steps = 0; steps < most; steps++) {
        bool over = false;
        osb_status status = osb__receive(c, &over);
        CHECK(c->in <= c->in_end && c->in_end < c->config.memory_size);
        CHECK(c->base <= c->kept && c->unit <= c->unit_end && c->unit_end <= c->in);
        if (over || status < 0) return status;
        CHECK(status != OSB_PENDING);
    }
    fuzz_fail(__FILE__, __LINE__, "the client does not come to an end");
    return OSB_OK;
}

/* The status and what the error says, in so far as it may not depend on the cuts. */
static inline void record_outcome(record *r, const osb_client *c, osb_status status)
{
    const osb_error *e = &c->error;
    record_text(r, osb_status_name(status));
    record_number(r, " http", e->http_status);
    if (status == OSB_OK) return;
    record_view(r, "code", e->code);
    record_view(r, "message", e->message);
    record_view(r, "request_id", e->request_id);
    record_number(r, "retry_after", e->retry_after_s);
    if (e->message_cut) record_text(r, "message_cut\n");
    if (e->member != NULL) record_text(r, e->member);
    if (e->buffer != NULL) record_text(r, e->buffer);
    record_number(r, "needed", e->needed);
    check_view(c, e->code);
    check_view(c, e->message);
    check_view(c, e->request_id);
}

/* Runs one input in every way of cutting and compares what came of it. */
static inline void feed_every_way(uint32_t seed, const uint8_t *data, size_t size,
                                  void (*run)(void *setup, feed *f, record *out), void *setup)
{
    record first = {0};
    unsigned way;
    for (way = 0; way < FEED_WAYS; way++) {
        record other = {0};
        feed f;
        feed_way(&f, way, seed, data, size);
        run(setup, &f, way == 0 ? &first : &other);
        if (way > 0) check_same(&first, &other, "the result depends on how the bytes were cut");
        record_free(&other);
    }
    record_free(&first);
}

#endif
