/* A port whose other side is a small script out of the fuzzer's input: see play(). It has a clock of
   its own, which moves only while somebody waits, and it checks what no port should ever see. */
#ifndef TESTS_FUZZ_PORT_H
#define TESTS_FUZZ_PORT_H

#include "tests/fuzz/fuzz.h"

#define API_HOST "api.example"
#define API_PORT 8080
#define SECRET "k3y-0f-the-c1ient"

/* A script is a list of steps, of which the low four bits say what they are. PLAY_NEXT ends a
   connection's steps; what is not heard when the client closes is passed over. */
enum {
    PLAY_NEXT,
    PLAY_CLOSE,
    PLAY_BREAK,
    PLAY_PAUSE,      /* n: nothing to receive for 20 n ms; 255: for ever */
    PLAY_CONNECT,    /* n: takes 10 n ms; 255: is refused */
    PLAY_SEND_SOME,  /* n: the next send takes no more than n + 1 bytes */
    PLAY_SEND_LATER, /* n: no send for 10 n ms; 255: for ever */
    PLAY_SEND_FAILS,
    PLAY_REPLY,   /* n, n bytes */
    PLAY_REQUEST, /* waits until a whole request has come */
    PLAY_CHUNK,   /* n, n bytes: as one chunk of a body */
    PLAY_ANSWER,  /* s, n, n bytes: as a whole answer with one of some statuses */
    PLAY_CANCEL,  /* osb_cancel */
    PLAY_TICK,    /* n: 100 n ms pass at once */
    PLAY_TIMES,   /* t, n, n bytes: these bytes t % 32 times */
    PLAY_CHUNKED_HEAD
};

/* Whether the script has a part of the key. */
static inline bool knows_secret(input in)
{
    for (; in.size >= 3; in.size--, in.data++)
        if (memcmp(in.data, SECRET, 3) == 0) return true;
    return false;
}

#define FOR_EVER 0x40000000u

typedef struct fuzz_port {
    input script;
    osb_client *client;
    bool poll_mode, bytewise, good;
    bool knows_secret; /* the fuzzer has guessed the key: whether it leaks cannot be told */
    /* the connection */
    bool open, opening, ended, broken, told; /* told: the client knows that it has ended */
    char host[64];
    uint16_t port;
    uint32_t now, recv_at, send_at, connect_at;
    size_t send_most;
    record out; /* for the client to receive, from out_at on */
    size_t out_at;
    /* what the client sent */
    record request, again, sent;
    size_t head_size, request_size; /* of the request; 0: not known yet */
    bool request_whole, answered, must_repeat, disturbed;
    unsigned posts; /* requests of this call that may not be repeated and of which a byte came */
    unsigned steps, looks; /* looks: at the clock */
    unsigned requests;     /* so far, */
    uint32_t connects;     /* and before which of them a connection was made, as a checksum */
    /* Instead of the script: answers p->request, and whether a connection comes about. */
    void (*server)(struct fuzz_port *p);
    bool (*listens)(struct fuzz_port *p);
    unsigned early;   /* bit n: each request n modulo 4 is answered before its body has come */
    bool upgraded;    /* what is sent now are frames */
    bool small_sends; /* no more than a few bytes at a time */
} fuzz_port;

static inline bool passed(const fuzz_port *p, uint32_t time)
{
    return (int32_t)(time - p->now) <= 0;
}

static inline void count_step(fuzz_port *p)
{
    CHECK(++p->steps < 30000);
}

/* ---- the script --------------------------------------------------------------------------------*/

static inline void put_bytes(fuzz_port *p, input *in, size_t n, unsigned times)
{
    if (n > in->size) n = in->size;
    if (p != NULL)
        while (times-- > 0) record_bytes(&p->out, in->data, n);
    in->data += n;
    in->size -= n;
}

static inline void put_chunk(fuzz_port *p, input *in, size_t n)
{
    char head[16];
    if (n > in->size) n = in->size;
    (void)snprintf(head, sizeof head, "%x\r\n", (unsigned)n);
    if (p != NULL) record_text(&p->out, head);
    put_bytes(p, in, n, 1);
    if (p != NULL) record_text(&p->out, n > 0 ? "\r\n" : "\r\n\r\n");
}

static inline void put_answer(fuzz_port *p, input *in, unsigned status, size_t n)
{
    static const char *const statuses[] = {"200", "204", "404", "401", "500", "302", "422", "202"};
    char head[64];
    if (n > in->size) n = in->size;
    (void)snprintf(head, sizeof head, "HTTP/1.1 %s X\r\nContent-Length: %u\r\n\r\n",
                   statuses[status % 8u], (unsigned)n);
    if (p != NULL) record_text(&p->out, head);
    put_bytes(p, in, n, 1);
}

/* Takes one step with what belongs to it; p is NULL if it only is to be passed over. */
static inline void play(fuzz_port *p, input *in)
{
    unsigned kind = take_byte(in) & 15u, n = 0, first = 0;
    if (kind == PLAY_ANSWER || kind == PLAY_TIMES) first = take_byte(in);
    if (kind != PLAY_NEXT && kind != PLAY_CLOSE && kind != PLAY_BREAK && kind != PLAY_SEND_FAILS &&
        kind != PLAY_REQUEST && kind != PLAY_CANCEL && kind != PLAY_CHUNKED_HEAD)
        n = take_byte(in);
    if (kind == PLAY_REPLY) put_bytes(p, in, n, 1);
    if (kind == PLAY_TIMES) put_bytes(p, in, n, first % 32u);
    if (kind == PLAY_CHUNK) put_chunk(p, in, n);
    if (kind == PLAY_ANSWER) put_answer(p, in, first, n);
    if (p == NULL) return;
    if (kind == PLAY_CHUNKED_HEAD)
        record_text(&p->out, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    if (kind == PLAY_CLOSE || kind == PLAY_BREAK) p->ended = true;
    if (kind == PLAY_BREAK) p->broken = true;
    if (kind == PLAY_PAUSE) p->recv_at = p->now + (n == 255 ? FOR_EVER : n * 20u);
    if (kind == PLAY_CONNECT) p->connect_at = p->now + (n == 255 ? FOR_EVER : n * 10u);
    if (kind == PLAY_SEND_LATER) p->send_at = p->now + (n == 255 ? FOR_EVER : n * 10u);
    if (kind == PLAY_SEND_SOME) p->send_most = n + 1;
    if (kind == PLAY_CANCEL) osb_cancel(p->client);
    if (kind == PLAY_TICK) p->now += n * 100u;
    if (kind == PLAY_CANCEL || kind == PLAY_TICK) p->disturbed = true;
}

static inline unsigned next_kind(const fuzz_port *p)
{
    return p->script.size > 0 ? p->script.data[0] & 15u : (unsigned)PLAY_NEXT;
}

static inline bool one_of(unsigned kind, unsigned kinds)
{
    return (kinds >> kind & 1u) != 0;
}

/* Steps that are for nobody in particular. */
#define ANYBODY (1u << PLAY_CANCEL | 1u << PLAY_TICK)

/* Plays on until there is something to receive, or something to wait for. */
static inline void play_for_recv(fuzz_port *p)
{
    const unsigned stop = 1u << PLAY_NEXT;
    while (p->out_at == p->out.size && !p->ended && passed(p, p->recv_at)) {
        unsigned kind = next_kind(p);
        if (one_of(kind, stop) || (kind == PLAY_REQUEST && !p->request_whole)) return;
        record_free(&p->out);
        p->out_at = 0;
        if (kind == PLAY_REQUEST) p->request_whole = false;
        play(p, &p->script);
    }
}

static inline void play_for_send(fuzz_port *p)
{
    const unsigned ours = ANYBODY | 1u << PLAY_SEND_SOME | 1u << PLAY_SEND_LATER;
    while (p->send_most == 0 && passed(p, p->send_at) && one_of(next_kind(p), ours))
        play(p, &p->script);
}

static inline void play_for_connect(fuzz_port *p)
{
    while (passed(p, p->connect_at) && one_of(next_kind(p), ANYBODY | 1u << PLAY_CONNECT))
        play(p, &p->script);
}

/* ---- what the client sends ---------------------------------------------------------------------*/

static inline bool ends_with(const record *r, const char *end)
{
    size_t n = strlen(end);
    return r->size >= n && memcmp(r->data + r->size - n, end, n) == 0;
}

/* Whether the byte that has just come was the request's last. */
static inline bool whole_request(fuzz_port *p)
{
    const record *r = &p->request;
    if (p->head_size == 0 && ends_with(r, "\r\n\r\n")) {
        const char *length = strstr(r->data, "\r\nContent-Length: ");
        p->head_size = p->request_size = r->size;
        if (length != NULL) p->request_size += (size_t)strtoul(length + 18, NULL, 10);
        if (strstr(r->data, "\r\nTransfer-Encoding: chunked") != NULL) p->request_size = 0;
    }
    if (p->head_size == 0) return false;
    if (p->request_size == 0) return ends_with(r, "\r\n0000\r\n\r\n");
    return r->size == p->request_size;
}

static inline void good_answer(fuzz_port *p)
{
    static const char box[] = "{\"id\":\"7f30\",\"status\":{\"state\":\"Running\"}}";
    static const char run[] = "{\"type\":\"init\",\"text\":\"0a1b\"}\n\n"
                              "{\"type\":\"stdout\",\"text\":\"hi\"}\n\n"
                              "{\"type\":\"execution_complete\"}\n\n";
    input in;
    in.data = (const uint8_t *)(p->request.data[0] == 'G' ? box : run);
    in.size = strlen((const char *)in.data);
    put_answer(p, &in, 0, in.size);
}

static inline void request_begins(fuzz_port *p, char first)
{
    CHECK(strchr("GHPD", first) != NULL);
    if (first == 'P') CHECK(++p->posts == 1 || p->server != NULL);
    p->requests++;
    p->request_whole = p->answered = false;
    p->head_size = p->request_size = 0;
}

static inline void request_ends(fuzz_port *p)
{
    p->request_whole = true;
    if (!p->knows_secret && strstr(p->request.data, SECRET) != NULL)
        CHECK(strcmp(p->host, API_HOST) == 0 && p->port == API_PORT);
    if (p->good) good_answer(p);
    else if (p->server != NULL && !p->answered) p->server(p);
    record_free(&p->request);
}

/* A server need not wait for the body. How much of it is still sent then depends on the pieces. */
static inline void answer_early(fuzz_port *p)
{
    if (p->good || p->head_size != p->request.size || (p->early >> p->requests % 4u & 1u) == 0)
        return;
    p->answered = p->disturbed = true;
    p->server(p);
}

static inline void take_sent(fuzz_port *p, const char *data, size_t size)
{
    size_t i;
    for (i = 0; i < size && !p->upgraded; i++) {
        if (p->request.size == 0) request_begins(p, data[i]);
        record_bytes(&p->request, data + i, 1);
        if (whole_request(p)) request_ends(p);
        else if (p->head_size > 0) answer_early(p);
    }
    record_bytes(&p->sent, data, size);
}

/* ---- the port's functions ----------------------------------------------------------------------*/

static inline int port_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    fuzz_port *p = (fuzz_port *)ctx;
    count_step(p);
    CHECK(!p->open && !tls && strlen(host) < sizeof p->host);
    if (p->opening) CHECK(strcmp(host, p->host) == 0 && port == p->port);
    else p->connects = p->connects * 31 + p->requests + 1;
    if (!p->opening && !p->good && p->server != NULL && !p->listens(p)) return OSB_IO_FAILED;
    (void)snprintf(p->host, sizeof p->host, "%s", host);
    p->port = port;
    p->opening = true;
    if (!p->good) {
        play_for_connect(p);
        if (p->script.size == 0 && p->server == NULL) return OSB_IO_FAILED;
        if (p->connect_at - p->now == FOR_EVER) return OSB_IO_FAILED;
        if (!passed(p, p->connect_at)) return OSB_IO_WANT_WRITE;
    }
    p->opening = false;
    p->open = true;
    return 0;
}

static inline int port_send(void *ctx, const void *data, size_t size)
{
    fuzz_port *p = (fuzz_port *)ctx;
    count_step(p);
    CHECK(p->open && size > 0 && !p->told);
    if (p->must_repeat) CHECK(size == p->again.size && memcmp(data, p->again.data, size) == 0);
    record_free(&p->again);
    p->must_repeat = false;
    if (!p->good) {
        play_for_send(p);
        if (p->broken || next_kind(p) == PLAY_SEND_FAILS) {
            p->broken = p->ended = true; /* what has come before may still be received */
            return OSB_IO_FAILED;
        }
        if (!passed(p, p->send_at)) {
            record_bytes(&p->again, data, size);
            p->must_repeat = true;
            return OSB_IO_WANT_WRITE;
        }
        if (p->small_sends) p->send_most = 50;
        if (p->send_most > 0 && size > p->send_most) size = p->send_most;
        p->send_most = 0;
    }
    take_sent(p, (const char *)data, size);
    return (int)size;
}

static inline int port_recv(void *ctx, void *data, size_t size)
{
    fuzz_port *p = (fuzz_port *)ctx;
    size_t n;
    count_step(p);
    CHECK(p->open && size > 0 && !p->told);
    memset(data, 0xa5, size);
    if (!p->good) play_for_recv(p);
    if (!passed(p, p->recv_at)) return OSB_IO_WANT_READ;
    n = p->out.size - p->out_at;
    if (n == 0 && p->ended) {
        p->told = true;
        return p->broken ? OSB_IO_FAILED : OSB_IO_CLOSED;
    }
    if (n == 0) return OSB_IO_WANT_READ;
    if (n > size) n = size;
    if (p->bytewise) n = 1;
    memcpy(data, p->out.data + p->out_at, n);
    p->out_at += n;
    p->steps--; /* only what does not get on counts */
    return (int)n;
}

/* Passes over what the client does not hear any more. */
static inline void port_close(void *ctx)
{
    fuzz_port *p = (fuzz_port *)ctx;
    bool next = false;
    if (p->open || p->opening) {
        while (p->script.size > 0 && !next) {
            next = next_kind(p) == PLAY_NEXT;
            play(NULL, &p->script);
        }
    }
    record_free(&p->out);
    record_free(&p->request);
    record_free(&p->again);
    p->out_at = p->send_most = 0;
    p->open = p->opening = p->ended = p->broken = p->told = false;
    p->request_whole = p->must_repeat = p->upgraded = false;
    p->recv_at = p->send_at = p->connect_at = p->now;
}

static inline uint32_t port_now(void *ctx)
{
    fuzz_port *p = (fuzz_port *)ctx;
    CHECK(++p->looks < 1000000); /* a loop that does not even ask the port */
    return p->now;
}

/* Lets at most timeout_ms pass; less if `time` comes before. */
static inline uint32_t until(const fuzz_port *p, uint32_t time, uint32_t timeout_ms)
{
    if (passed(p, time)) return timeout_ms;
    return time - p->now < timeout_ms ? time - p->now : timeout_ms;
}

static inline void port_wait(void *ctx, unsigned want, uint32_t timeout_ms)
{
    fuzz_port *p = (fuzz_port *)ctx;
    count_step(p);
    CHECK(timeout_ms < 0x80000000u);
    if (p->client->cancel != 0) return; /* whoever cancels also wakes */
    if (p->open && (want & OSB_WANT_READ) != 0) {
        if (!p->good) play_for_recv(p);
        if (passed(p, p->recv_at) && (p->out_at < p->out.size || p->ended)) return;
        timeout_ms = until(p, p->recv_at, timeout_ms);
    }
    if ((want & OSB_WANT_WRITE) != 0) {
        if (p->open && passed(p, p->send_at)) return;
        if (p->opening && passed(p, p->connect_at)) return;
        timeout_ms = until(p, p->opening ? p->connect_at : p->send_at, timeout_ms);
    }
    p->now += timeout_ms;
}

static inline const char *port_error(void *ctx, int32_t *code)
{
    (void)ctx;
    *code = 7;
    return "fuzzed";
}

/* As fuzz_websocket.c has it: the answer to the key is known then. */
static inline int port_random(void *ctx, void *data, size_t size)
{
    size_t i;
    (void)ctx;
    for (i = 0; i < size; i++) ((unsigned char *)data)[i] = (unsigned char)(i % 16 * 0x11);
    return 0;
}

static const osb_port_ops fuzz_ops = {port_connect, port_send,  port_recv,   port_close, port_now,
                                      port_wait,    port_error, port_random, NULL,       false};

static inline void fuzz_port_free(fuzz_port *p)
{
    record_free(&p->out);
    record_free(&p->request);
    record_free(&p->again);
    record_free(&p->sent);
}

#endif
