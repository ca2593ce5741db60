/* A server on loopback that misbehaves as a script says, on real sockets, without a thread: it moves
   on only when it is stepped, which the client's port does while it waits. Each piece that it sends
   is therefore a read of its own for the client, and every run is the same.

   A script is a list of steps for one connection, NEXT begins the following connection's. Behind a
   script's end, and on connections without one, the server serves well: see server_serve(). */
#ifndef TESTS_FAULTS_SERVER_H
#define TESTS_FAULTS_SERVER_H

#include "tests/support/text.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

typedef enum step_kind {
    STEP_END,     /* from here on the server serves well */
    STEP_REQUEST, /* reads a whole request */
    STEP_PART,    /* reads `number` bytes of a request and nothing more */
    STEP_SEND,    /* sends text, `number` times over */
    STEP_ANSWER, /* sends a head with status `number`, and text as body, framed as `delivery` says */
    STEP_PAUSE,  /* lets `number` milliseconds of the client's clock pass */
    STEP_STALL,  /* does nothing any more */
    STEP_FIN,    /* ends its side of the connection */
    STEP_RST,    /* breaks the connection */
    STEP_LOOP,   /* goes back by `size` steps, `number` times */
    STEP_NEXT    /* what follows is for the next connection */
} step_kind;

typedef struct step {
    step_kind kind;
    const char *text;
    size_t size;
    uint32_t number;
} step;

#define REQUEST                                                                                    \
    {                                                                                              \
        STEP_REQUEST, NULL, 0, 0                                                                   \
    }
#define PART(bytes)                                                                                \
    {                                                                                              \
        STEP_PART, NULL, 0, bytes                                                                  \
    }
#define SEND(text)                                                                                 \
    {                                                                                              \
        STEP_SEND, text, sizeof(text) - 1, 1                                                       \
    }
#define REPEAT(text, times)                                                                        \
    {                                                                                              \
        STEP_SEND, text, sizeof(text) - 1, times                                                   \
    }
#define ANSWER(status, body)                                                                       \
    {                                                                                              \
        STEP_ANSWER, body, sizeof(body) - 1, status                                                \
    }
#define PAUSE(ms)                                                                                  \
    {                                                                                              \
        STEP_PAUSE, NULL, 0, ms                                                                    \
    }
#define STALL                                                                                      \
    {                                                                                              \
        STEP_STALL, NULL, 0, 0                                                                     \
    }
#define FIN                                                                                        \
    {                                                                                              \
        STEP_FIN, NULL, 0, 0                                                                       \
    }
#define RST                                                                                        \
    {                                                                                              \
        STEP_RST, NULL, 0, 0                                                                       \
    }
#define LOOP(back, times)                                                                          \
    {                                                                                              \
        STEP_LOOP, NULL, back, times                                                               \
    }
#define DONE                                                                                       \
    {                                                                                              \
        STEP_END, NULL, 0, 0                                                                       \
    }
#define NEXT                                                                                       \
    {                                                                                              \
        STEP_NEXT, NULL, 0, 0                                                                      \
    }

/* What happens to a request that a script does not take, instead of being served well. */
typedef struct route {
    const char *request; /* its beginning: method and path */
    unsigned from, to;   /* the how manieth such requests, beginning at 1 */
    step steps[4];
} route;

typedef enum cut_kind { CUT_NOT, CUT_BYTES, CUT_RANDOM, CUT_AT } cut_kind;
enum framing { BY_LENGTH, CHUNKED, UNTIL_CLOSE };

/* How the bytes of a script's answers go out. */
typedef struct delivery {
    cut_kind cut;
    size_t at;            /* CUT_AT: where */
    uint32_t seed;        /* CUT_RANDOM, and sizes of chunks */
    enum framing framing; /* of ANSWER */
    uint32_t drip_ms;     /* a pause behind each piece */
    step_kind ending;     /* after `limit` bytes: STEP_FIN, STEP_RST or STEP_STALL; 0: no limit */
    size_t limit;
} delivery;

#define SERVER_PEERS 8
#define SERVER_PIECE 65536u

/* One connection, as the server sees it. */
typedef struct peer {
    int fd; /* -1: none */
    const step *first, *at;
    bool entered;  /* the step at hand has been begun */
    bool finished; /* FIN has been sent: what comes is not looked at */
    struct text in, out;
    size_t out_sent;
    uint32_t resume_ms; /* end of a pause */
    bool pausing;
    size_t received, sent;
    uint32_t loops;
} peer;

typedef struct server {
    int listener;
    uint16_t port;
    const uint32_t *clock_ms;
    const step *script; /* for the next connection; NULL: none */
    const route *routes;
    unsigned route_hits[8];
    delivery how;
    size_t sent; /* by the script */
    size_t accepted;
    uint32_t random;
    struct text requests; /* one line for each */
    unsigned request_count;
    peer peers[SERVER_PEERS];
    peer *newest;
} server;

SUPPORT void server_must(bool good, const char *what)
{
    if (good) return;
    perror(what);
    abort();
}

SUPPORT uint32_t server_random(server *s)
{
    s->random = s->random * 1664525u + 1013904223u;
    return s->random >> 8;
}

SUPPORT void server_open(server *s, const uint32_t *clock_ms)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int small = 4096; /* so that a client soon has to wait until its request is read */
    size_t i;
    memset(s, 0, sizeof *s);
    memset(&address, 0, sizeof address);
    for (i = 0; i < SERVER_PEERS; i++) s->peers[i].fd = -1;
    s->clock_ms = clock_ms;
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    server_must(s->listener >= 0, "socket");
    setsockopt(s->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    server_must(bind(s->listener, (struct sockaddr *)&address, size) == 0, "bind");
    server_must(listen(s->listener, 16) == 0, "listen");
    server_must(fcntl(s->listener, F_SETFL, O_NONBLOCK) == 0, "fcntl");
    server_must(getsockname(s->listener, (struct sockaddr *)&address, &size) == 0, "getsockname");
    s->port = ntohs(address.sin_port);
}

/* ---- one connection --------------------------------------------------------------------------*/

/* Closing with a linger time of 0 sends an RST, and leaves no socket behind to wait. */
SUPPORT void peer_reset(peer *p)
{
    struct linger now = {1, 0};
    if (p->fd < 0) return;
    setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(p->fd);
    p->fd = -1;
}

SUPPORT void peer_free(peer *p)
{
    peer_reset(p);
    text_free(&p->in);
    text_free(&p->out);
}

/* Reads what there is, up to `most` bytes in all; true if something came. */
SUPPORT bool peer_read(peer *p, size_t most)
{
    char bytes[4096];
    size_t room = most > p->in.size ? most - p->in.size : 0;
    ssize_t n;
    if (room > sizeof bytes) room = sizeof bytes;
    n = room > 0 ? recv(p->fd, bytes, room, 0) : -1;
    if (n <= 0) return false;
    text_add(&p->in, bytes, (size_t)n);
    p->received += (size_t)n;
    return true;
}

/* The size of the whole request that has come; 0: not yet whole. */
SUPPORT size_t peer_request_size(const peer *p)
{
    const char *end = p->in.size > 0 ? strstr(p->in.data, "\r\n\r\n") : NULL, *length;
    size_t size;
    if (end == NULL) return 0;
    size = (size_t)(end + 4 - p->in.data);
    length = strstr(p->in.data, "\r\nContent-Length: ");
    if (length != NULL && length < end) size += strtoul(length + 18, NULL, 10);
    return p->in.size >= size ? size : 0;
}

/* Takes a whole request off; its first line goes to the list. */
SUPPORT bool peer_take_request(server *s, peer *p)
{
    size_t size = peer_request_size(p);
    const char *end;
    if (size == 0) return false;
    end = strstr(p->in.data, " HTTP/1.1\r\n");
    if (end == NULL) abort();
    text_add(&s->requests, p->in.data, (size_t)(end - p->in.data));
    text_add(&s->requests, "\n", 1);
    s->request_count++;
    memmove(p->in.data, p->in.data + size, p->in.size - size + 1);
    p->in.size -= size;
    return true;
}

/* ---- what is sent ----------------------------------------------------------------------------*/

SUPPORT void peer_put_chunks(server *s, peer *p, const char *body, size_t size)
{
    while (size > 0) {
        size_t n = 1 + server_random(s) % 40u;
        if (n > size) n = size;
        text_print(&p->out, server_random(s) % 2u ? "%lx\r\n" : "00%lX\r\n", (unsigned long)n);
        text_add(&p->out, body, n);
        text_add(&p->out, "\r\n", 2);
        body += n;
        size -= n;
    }
    text_print(&p->out, "0\r\n\r\n");
}

SUPPORT void peer_put_answer(server *s, peer *p, uint32_t status, const char *body, size_t size)
{
    text_print(&p->out, "HTTP/1.1 %lu X\r\n", (unsigned long)status);
    switch (s->how.framing) {
    case BY_LENGTH:
        text_print(&p->out, "Content-Length: %lu\r\n\r\n", (unsigned long)size);
        text_add(&p->out, body, size);
        break;
    case CHUNKED:
        text_print(&p->out, "Transfer-Encoding: chunked\r\n\r\n");
        peer_put_chunks(s, p, body, size);
        break;
    case UNTIL_CLOSE:
        text_print(&p->out, "Connection: close\r\n\r\n");
        text_add(&p->out, body, size);
        break;
    }
}

SUPPORT size_t server_piece(server *s, size_t left)
{
    size_t n = left < SERVER_PIECE ? left : SERVER_PIECE;
    if (s->how.cut == CUT_BYTES) n = 1;
    if (s->how.cut == CUT_RANDOM) n = 1 + server_random(s) % (left > 16384 ? 8192u : 48u);
    if (s->how.cut == CUT_AT && s->sent < s->how.at && n > s->how.at - s->sent)
        n = s->how.at - s->sent;
    if (s->how.ending != STEP_END && n > s->how.limit - s->sent) n = s->how.limit - s->sent;
    return n < left ? n : left;
}

/* Sends a piece of what is to be sent. */
SUPPORT bool peer_send(server *s, peer *p)
{
    size_t n = server_piece(s, p->out.size - p->out_sent);
    ssize_t done = n > 0 ? send(p->fd, p->out.data + p->out_sent, n, MSG_NOSIGNAL) : 0;
    if (done <= 0) return false;
    p->out_sent += (size_t)done;
    p->sent += (size_t)done;
    s->sent += (size_t)done;
    if (s->how.drip_ms > 0) {
        p->pausing = true;
        p->resume_ms = *s->clock_ms + s->how.drip_ms;
    }
    return true;
}

/* ---- a script --------------------------------------------------------------------------------*/

static const step stalled[] = {STALL};
static const step reset_now[] = {RST};
static const step finish_now[] = {FIN, STALL};

SUPPORT void peer_begin(peer *p, const step *at)
{
    p->at = at;
    p->entered = false;
}

/* The answer has reached its limit: it breaks off as it is to. */
SUPPORT void peer_break_off(server *s, peer *p)
{
    peer_begin(p, s->how.ending == STEP_FIN   ? finish_now
                  : s->how.ending == STEP_RST ? reset_now
                                              : stalled);
    s->how.ending = STEP_END;
}

SUPPORT void peer_enter(server *s, peer *p)
{
    uint32_t i;
    p->entered = true;
    p->out_sent = 0;
    text_clear(&p->out);
    if (p->at->kind == STEP_SEND)
        for (i = 0; i < p->at->number; i++) text_add(&p->out, p->at->text, p->at->size);
    if (p->at->kind == STEP_ANSWER) peer_put_answer(s, p, p->at->number, p->at->text, p->at->size);
    if (p->at->kind == STEP_PAUSE) {
        p->pausing = true;
        p->resume_ms = *s->clock_ms + p->at->number;
    }
}

SUPPORT void peer_finish(peer *p)
{
    shutdown(p->fd, SHUT_WR);
    p->finished = true;
}

/* Sends on. True: something happened. */
SUPPORT bool peer_step_send(server *s, peer *p)
{
    if (s->how.ending != STEP_END && s->sent == s->how.limit) {
        peer_break_off(s, p);
        return true;
    }
    if (p->out_sent < p->out.size) return peer_send(s, p);
    if (p->at->kind == STEP_ANSWER && s->how.framing == UNTIL_CLOSE) peer_finish(p);
    peer_begin(p, p->at + 1);
    return true;
}

SUPPORT bool peer_pausing(const server *s, peer *p)
{
    if (p->pausing && (int32_t)(*s->clock_ms - p->resume_ms) >= 0) p->pausing = false;
    return p->pausing;
}

/* Behind a script's end: the default behaviour. */
static bool server_serve(server *s, peer *p);

/* Moves one connection on by one piece of work; false: there is nothing to do. */
SUPPORT bool peer_step(server *s, peer *p)
{
    if (peer_pausing(s, p)) return false;
    if (p->at == NULL || p->at->kind == STEP_END || p->at->kind == STEP_NEXT)
        return server_serve(s, p);
    if (!p->entered) peer_enter(s, p);
    switch (p->at->kind) {
    case STEP_REQUEST:
        if (!peer_take_request(s, p)) return peer_read(p, SIZE_MAX);
        break;
    case STEP_PART:
        if (p->in.size < p->at->number) return peer_read(p, p->at->number);
        break;
    case STEP_SEND:
    case STEP_ANSWER:
        return peer_step_send(s, p);
    case STEP_STALL:
        return false;
    case STEP_FIN:
        peer_finish(p);
        break;
    case STEP_RST:
        peer_reset(p);
        return true;
    case STEP_LOOP:
        if (p->loops++ < p->at->number) {
            peer_begin(p, p->at - p->at->size);
            return true;
        }
        break;
    default: /* STEP_PAUSE: it is over */
        break;
    }
    peer_begin(p, p->at + 1);
    return true;
}

/* ---- the server ------------------------------------------------------------------------------*/

/* A route that is meant for this request, if there is one. */
SUPPORT const step *server_route(server *s, const char *request)
{
    const route *r = s->routes;
    size_t i;
    for (i = 0; r != NULL && r[i].request != NULL; i++) {
        if (strncmp(request, r[i].request, strlen(r[i].request)) != 0) continue;
        if (++s->route_hits[i] >= r[i].from && s->route_hits[i] <= r[i].to) return r[i].steps;
    }
    return NULL;
}

/* The body of a good answer to a request. */
SUPPORT void server_good_body(const server *s, const char *request, struct text *body)
{
    const char *id = strstr(request, "/sandboxes/");
    if (strstr(request, "/endpoints/") != NULL) {
        text_print(body, "{\"endpoint\":\"127.0.0.1:%u/execd\"}", s->port);
    } else if (id != NULL) {
        id += strlen("/sandboxes/");
        text_print(body, "{\"id\":\"%.*s\",\"status\":{\"state\":\"Running\"}}",
                   (int)strcspn(id, "/? \n"), id);
    } else if (strncmp(request, "POST", 4) == 0) {
        text_print(body, "{\"id\":\"made\",\"status\":{\"state\":\"Running\"}}");
    }
}

/* Serves well: answers each request as OpenSandbox would. */
static bool server_serve(server *s, peer *p)
{
    const char *request;
    const step *steps;
    struct text body = {NULL, 0, 0};
    size_t line = s->requests.size;
    if (p->finished) return false;
    if (!peer_take_request(s, p)) return peer_read(p, SIZE_MAX);
    request = s->requests.data + line;
    steps = server_route(s, request);
    if (steps != NULL) {
        p->first = steps;
        peer_begin(p, steps);
        return true;
    }
    text_clear(&body);
    server_good_body(s, request, &body);
    text_clear(&p->out);
    text_print(&p->out, "HTTP/1.1 200 OK\r\nContent-Length: %lu\r\n\r\n%s",
               (unsigned long)body.size, body.data);
    server_must(send(p->fd, p->out.data, p->out.size, MSG_NOSIGNAL) == (ssize_t)p->out.size,
                "send");
    p->sent += p->out.size;
    text_free(&body);
    return true;
}

/* The next connection's part of the script. */
SUPPORT const step *server_next_script(server *s)
{
    const step *script = s->script, *at = script;
    if (script == NULL) return NULL;
    while (at->kind != STEP_END && at->kind != STEP_NEXT) at++;
    s->script = at->kind == STEP_NEXT ? at + 1 : NULL;
    return script;
}

/* A place for one more connection: a free one, or that of one which the client has left. */
SUPPORT peer *server_place(server *s)
{
    size_t i;
    char byte;
    for (i = 0; i < SERVER_PEERS; i++) {
        peer *p = &s->peers[i];
        if (p->fd >= 0 && recv(p->fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN) continue;
        peer_free(p);
        memset(p, 0, sizeof *p);
        return p;
    }
    abort();
}

SUPPORT bool server_accept(server *s)
{
    int fd = accept(s->listener, NULL, NULL), on = 1;
    if (fd < 0) return false;
    s->accepted++;
    s->newest = server_place(s);
    s->newest->fd = fd;
    s->newest->first = s->newest->at = server_next_script(s);
    server_must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0, "fcntl");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return true;
}

/* Moves each connection on by one piece of work; false: there was nothing to do. */
SUPPORT bool server_step(server *s)
{
    bool worked = server_accept(s);
    size_t i;
    for (i = 0; i < SERVER_PEERS; i++)
        if (s->peers[i].fd >= 0 && peer_step(s, &s->peers[i])) worked = true;
    return worked;
}

/* How long the server is going to do nothing by itself. */
SUPPORT uint32_t server_pause_ms(const server *s, uint32_t most)
{
    size_t i;
    for (i = 0; i < SERVER_PEERS; i++) {
        const peer *p = &s->peers[i];
        uint32_t left = p->resume_ms - *s->clock_ms;
        if (p->fd >= 0 && p->pausing && left < most) most = left;
    }
    return most;
}

/* Whether the client has ended this connection. */
SUPPORT bool peer_sees_end(peer *p)
{
    struct pollfd ready;
    char bytes[4096];
    ready.fd = p->fd;
    ready.events = POLLIN;
    while (poll(&ready, 1, 2000) > 0) {
        ssize_t n = recv(p->fd, bytes, sizeof bytes, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) return true;
    }
    return false;
}

/* Whether a peer takes what the client sends. */
SUPPORT bool peer_is_reading(const peer *p)
{
    if (p->fd < 0 || p->finished) return false;
    return p->at == NULL || p->at->kind == STEP_END || p->at->kind == STEP_NEXT ||
           p->at->kind == STEP_REQUEST || p->at->kind == STEP_PART;
}

/* The client has been closed: how many of its connections are still open? Forgets them all. */
SUPPORT size_t server_left_open(server *s)
{
    size_t open = 0, i;
    while (server_accept(s)) {
    }
    for (i = 0; i < SERVER_PEERS; i++) {
        if (s->peers[i].fd >= 0 && !peer_sees_end(&s->peers[i])) open++;
        peer_free(&s->peers[i]);
        memset(&s->peers[i], 0, sizeof s->peers[i]);
        s->peers[i].fd = -1;
    }
    s->newest = NULL;
    s->script = NULL;
    s->routes = NULL;
    s->sent = s->accepted = 0;
    s->request_count = 0;
    text_clear(&s->requests);
    memset(s->route_hits, 0, sizeof s->route_hits);
    memset(&s->how, 0, sizeof s->how);
    return open;
}

SUPPORT void server_close(server *s)
{
    server_left_open(s);
    close(s->listener);
    text_free(&s->requests);
}

#endif
