/* A canned server for measuring: answers as fast as the machine can, so that the client is the
   limit. One thread, epoll, loopback.

       server [PACE_MS]   prints its port and serves until its standard input ends

   POST /events/SIZE/COUNT/LINGER/command   COUNT stdout events with SIZE bytes of text each; the
                                            last chunk comes LINGER ms after the last event
   POST /command                            the same with one event of 20 bytes; with "seq N" in the
                                            command N events of 50 bytes, 1 KB each PACE_MS
                                            if that is given
   GET /files/download?path=/SIZE           SIZE bytes
   POST /files/upload                       takes any number of bytes (Content-Length)
   POST, GET, DELETE /v1/sandboxes...       a sandbox that runs, whose execd is this server (below
                                            /events/1/2/3 if its id is bench_events_1_2_3); lists of
                                            10,000, pageSize of them at a time
   anything else                            200 without a body */
#define _GNU_SOURCE
#include "tests/bench/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 4096
#define SIZES 8
#define LISTED 10000u
#define PAGES 64
#define BLOCK (1u << 20)
#define TURN (4u << 20) /* after so many bytes other connections have their turn */
#define PACED_TURN 1024u

/* An answer being sent: first, then body bytes that go round and round in block, then last. */
typedef struct reply {
    const char *first, *block, *last;
    size_t first_size, block_size, last_size;
    uint64_t body;
} reply;

typedef struct connection {
    int fd; /* 0: none */
    char in[8192];
    size_t in_size;
    bool busy; /* reply is being sent, or its end is due */
    reply reply;
    uint64_t at;
    char head[256];             /* what reply.first points at, if it is made up */
    char tail[5];               /* the last bytes of an upload in chunks, */
    bool in_chunks;             /* whose end only its last chunk tells */
    uint64_t dropped;           /* bytes of an upload that are still to come */
    uint64_t linger_ms, end_ms; /* of a stream: when the last chunk is due; 0: not yet */
    bool is_stream;
    bool paced; /* a stream of which a little is sent each pace_ms */
} connection;

static connection connections[CONNECTIONS];
static stream streams[SIZES];
static size_t stream_sizes[SIZES];
static char *pages[PAGES]; /* of lists, by their number */
static unsigned long page_sizes[PAGES];
static char block[BLOCK];
static int poller;
static unsigned own_port;
static uint64_t lingering, pace_ms;

static void must(bool good, const char *what)
{
    if (good) return;
    perror(what);
    exit(1);
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static const stream *stream_of(size_t text_size)
{
    size_t i;
    for (i = 0; i < SIZES && streams[i].block != NULL; i++)
        if (stream_sizes[i] == text_size) return &streams[i];
    must(i < SIZES, "another size of event");
    stream_open(&streams[i], text_size);
    stream_sizes[i] = text_size;
    return &streams[i];
}

static int close_all(void)
{
    size_t i;
    for (i = 0; i < SIZES; i++) stream_close(&streams[i]);
    for (i = 0; i < PAGES; i++) free(pages[i]);
    return 0;
}

static void leave(connection *c)
{
    if (c->end_ms != 0) lingering--;
    close(c->fd);
    c->fd = 0;
}

static void want(const connection *c, uint32_t events)
{
    struct epoll_event event;
    event.events = events;
    event.data.u32 = (uint32_t)(c - connections);
    must(epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event) == 0, "epoll_ctl");
}

/* ---- replies ---------------------------------------------------------------------------------*/

/* The reply's bytes from c->at on, as pieces that need no copying. */
static int pieces(const connection *c, struct iovec *piece, int most)
{
    const reply *r = &c->reply;
    uint64_t at = c->at, size = r->first_size + r->body + r->last_size;
    int count = 0;
    while (at < size && count < most) {
        const char *from = r->first;
        size_t skip = (size_t)at, end = r->first_size;
        if (at >= r->first_size + r->body) {
            from = r->last;
            skip = (size_t)(at - r->first_size - r->body);
            end = r->last_size;
        } else if (at >= r->first_size) {
            uint64_t left = r->body - (at - r->first_size);
            from = r->block;
            skip = (size_t)((at - r->first_size) % r->block_size);
            end = left < r->block_size - skip ? skip + (size_t)left : r->block_size;
        }
        piece[count].iov_base = (void *)(uintptr_t)(from + skip);
        piece[count++].iov_len = end - skip;
        at += end - skip;
    }
    return count;
}

static void end_stream(connection *c)
{
    ssize_t n = send(c->fd, STREAM_END, sizeof STREAM_END - 1, MSG_NOSIGNAL);
    c->busy = n < 0 && errno == EAGAIN;
    if (!c->busy) return;
    c->end_ms = now_ms() + 10; /* the client has much to read yet */
    lingering++;
}

/* Cuts the pieces behind so many bytes. */
static int limit(struct iovec *piece, int count, uint64_t most)
{
    int i;
    for (i = 0; i < count && most > 0; i++) {
        if (piece[i].iov_len > most) piece[i].iov_len = (size_t)most;
        most -= piece[i].iov_len;
    }
    return i;
}

/* Sends as much as the socket takes; false: the client has gone. */
static bool send_reply(connection *c)
{
    struct iovec piece[16];
    bool waited = c->at > 0;
    uint64_t turn = c->at + (c->paced ? PACED_TURN : TURN);
    int count;
    while ((count = pieces(c, piece, 16)) > 0) {
        ssize_t n = -1;
        if (c->at < turn) n = writev(c->fd, piece, limit(piece, count, turn - c->at));
        if (c->at >= turn || (n < 0 && errno == EAGAIN)) {
            if (!c->paced) want(c, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
            return true;
        }
        if (n < 0) return false;
        c->at += (uint64_t)n;
    }
    if (waited && !c->paced) want(c, EPOLLIN | EPOLLRDHUP);
    c->paced = false;
    if (!c->is_stream) {
        c->busy = false;
    } else if (c->linger_ms == 0) {
        end_stream(c);
    } else {
        c->end_ms = now_ms() + c->linger_ms;
        lingering++;
    }
    return true;
}

static bool begin(connection *c)
{
    c->busy = true;
    c->at = 0;
    c->end_ms = 0;
    return send_reply(c);
}

static bool begin_stream(connection *c, size_t text_size, uint64_t events, uint64_t linger_ms)
{
    const stream *s = stream_of(text_size);
    reply r = {s->first,
               s->block,
               s->last,
               s->first_size,
               s->block_size,
               s->last_size,
               events * s->chunk_size};
    c->reply = r;
    c->is_stream = true;
    c->linger_ms = linger_ms;
    return begin(c);
}

static bool begin_body(connection *c, const char *status, const char *body, size_t block_size,
                       uint64_t size)
{
    reply r = {c->head, body, "", 0, block_size, 0, size};
    r.first_size = (size_t)snprintf(c->head, sizeof c->head,
                                    "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                                    "Content-Length: %llu\r\n\r\n",
                                    status, (unsigned long long)size);
    c->reply = r;
    c->is_stream = false;
    return begin(c);
}

static bool begin_text(connection *c, const char *status, const char *text)
{
    return begin_body(c, status, text, strlen(text) + 1, strlen(text));
}

static void end_lingering(void)
{
    uint64_t now = now_ms();
    size_t i;
    for (i = 0; i < CONNECTIONS && lingering > 0; i++) {
        connection *c = &connections[i];
        if (c->fd == 0 || c->end_ms == 0 || c->end_ms > now) continue;
        c->end_ms = 0;
        lingering--;
        end_stream(c);
    }
}

/* ---- requests --------------------------------------------------------------------------------*/

/* The size of a whole request at the beginning of what has come; 0: it is not whole. */
static size_t request_size(const connection *c, uint64_t *body)
{
    const char *end = (const char *)memmem(c->in, c->in_size, "\r\n\r\n", 4), *length;
    size_t size;
    if (end == NULL) return 0;
    size = (size_t)(end + 4 - c->in);
    length = strcasestr(c->in, "\r\nContent-Length: ");
    *body = length != NULL && length < end ? strtoull(length + 18, NULL, 10) : 0;
    if (strncmp(c->in, "POST /files/upload", 18) == 0) return size;
    return size + *body <= c->in_size ? size + (size_t)*body : 0;
}

#define SANDBOX                                                                                    \
    "{\"id\":\"%08x-5d1f-4c55-b9a0-2f60b5a3c001\",\"image\":{\"uri\":\"python:3.12\"},\"status\":" \
    "{\"state\":\"Running\",\"reason\":\"CONTAINER_RUNNING\",\"message\":\"Sandbox container is "  \
    "running\",\"lastTransitionAt\":\"2026-06-15T10:00:05Z\"},\"metadata\":{\"owner\":\"bench\","  \
    "\"number\":\"%u\"},\"entrypoint\":[\"tail\",\"-f\",\"/dev/null\"],\"createdAt\":"             \
    "\"2026-06-15T10:00:00Z\",\"expiresAt\":\"2026-06-15T10:10:00Z\"}"

/* Page number `page` of size `size`, made when it is asked for the first time. */
static const char *page_of(unsigned long page, unsigned long size)
{
    unsigned i, first = (unsigned)((page - 1) * size), count = (unsigned)size;
    char *at;
    must(page > 0 && page < PAGES && size > 0 && first < LISTED, "a page that is not there");
    if (pages[page] != NULL && page_sizes[page] == size) return pages[page];
    if (first + count > LISTED) count = LISTED - first;
    free(pages[page]);
    at = pages[page] = (char *)malloc(512u * (count + 1u));
    must(at != NULL, "malloc");
    page_sizes[page] = size;
    at += sprintf(at, "{\"items\":[");
    for (i = first; i < first + count; i++)
        at += sprintf(at, SANDBOX "%s", i, i, i + 1 < first + count ? "," : "");
    sprintf(at,
            "],\"pagination\":{\"page\":%lu,\"pageSize\":%lu,\"totalItems\":%u,\"totalPages\":%lu,"
            "\"hasNextPage\":%s}}",
            page, size, LISTED, (LISTED + size - 1) / size,
            first + count < LISTED ? "true" : "false");
    return pages[page];
}

static bool answer_list(connection *c)
{
    const char *page = strstr(c->in, "page="), *size = strstr(c->in, "pageSize=");
    return begin_text(c, "200 OK",
                      page_of(page != NULL ? strtoul(page + 5, NULL, 10) : 1,
                              size != NULL ? strtoul(size + 9, NULL, 10) : 20));
}

static bool answer_lifecycle(connection *c)
{
    static char text[512];
    const char *rest = strstr(c->in, "/sandboxes") + 10;
    unsigned long size, events, linger_ms;
    if (c->in[0] == 'D') return begin_text(c, "204 No Content", "");
    if (c->in[0] == 'G' && (*rest == '?' || *rest == ' ')) return answer_list(c);
    if (sscanf(rest, "/bench_events_%lu_%lu_%lu/endpoints/", &size, &events, &linger_ms) == 3)
        snprintf(text, sizeof text,
                 "{\"endpoint\":\"127.0.0.1:%u/events/%lu/%lu/%lu\",\"headers\":{}}", own_port,
                 size, events, linger_ms);
    else if (strstr(rest, "/endpoints/") != NULL)
        snprintf(text, sizeof text, "{\"endpoint\":\"127.0.0.1:%u\",\"headers\":{}}", own_port);
    else snprintf(text, sizeof text, SANDBOX, 1u, 1u);
    return begin_text(c, c->in[0] == 'P' ? "202 Accepted" : "200 OK", text);
}

static bool answer_command(connection *c, const char *rest)
{
    const char *count = (const char *)memmem(rest, c->in_size - (size_t)(rest - c->in), "seq ", 4);
    if (count == NULL) return begin_stream(c, 20, 1, 0);
    c->paced = pace_ms > 0;
    return begin_stream(c, 50, strtoull(count + 4, NULL, 10), 0);
}

static bool answer(connection *c)
{
    unsigned long text_size, events, linger_ms;
    unsigned long long size;
    char *line = strstr(c->in, "\r\n");
    *line = '\0';
    if (sscanf(c->in, "POST /events/%lu/%lu/%lu/", &text_size, &events, &linger_ms) == 3)
        return begin_stream(c, text_size, events, linger_ms);
    if (strncmp(c->in, "POST /command ", 14) == 0) return answer_command(c, line + 1);
    if (sscanf(c->in, "GET /files/download?path=%%2F%llu", &size) == 1 ||
        sscanf(c->in, "GET /files/download?path=/%llu", &size) == 1)
        return begin_body(c, "200 OK", block, sizeof block, size);
    if (strstr(c->in, "/v1/sandboxes") != NULL) return answer_lifecycle(c);
    return begin_text(c, "200 OK", "");
}

/* Notes the last bytes of an upload in chunks; those of the last chunk end it. */
static void drop_chunks(connection *c, const char *data, size_t size)
{
    size_t tail = sizeof c->tail, fresh = size < tail ? size : tail;
    memmove(c->tail, c->tail + fresh, tail - fresh);
    memcpy(c->tail + tail - fresh, data + size - fresh, fresh);
    if (memcmp(c->tail, STREAM_END, tail) == 0) c->dropped = 0;
}

/* Bytes of an upload: false when the client has gone. */
static bool drop(connection *c)
{
    static char rest[BLOCK];
    while (c->dropped > 0) {
        size_t size = c->dropped < sizeof rest ? (size_t)c->dropped : sizeof rest;
        ssize_t n = recv(c->fd, rest, size, 0);
        if (n < 0 && errno == EAGAIN) return true;
        if (n <= 0) return false;
        if (c->in_chunks) drop_chunks(c, rest, (size_t)n);
        else c->dropped -= (uint64_t)n;
    }
    return begin_text(c, "200 OK", "");
}

static bool begin_drop(connection *c, const char *data, size_t size, uint64_t body)
{
    c->in_chunks = strcasestr(c->in, "\r\nTransfer-Encoding: chunked") != NULL;
    memset(c->tail, 0, sizeof c->tail);
    if (strstr(c->in, "100-continue") != NULL)
        send(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL);
    c->dropped = c->in_chunks ? UINT64_MAX : body - size;
    if (c->in_chunks && size > 0) drop_chunks(c, data, size);
    return drop(c);
}

/* Answers the requests that have come whole. False: the client has gone. */
static bool answer_all(connection *c)
{
    uint64_t body;
    size_t size;
    while (!c->busy && c->dropped == 0 && (size = request_size(c, &body)) > 0) {
        if (strncmp(c->in, "POST /files/upload", 18) == 0) {
            size_t here = c->in_size - size;
            bool chunks = strcasestr(c->in, "\r\nTransfer-Encoding: chunked") != NULL;
            if (!chunks && here > body) here = (size_t)body;
            if (!begin_drop(c, c->in + size, here, body)) return false;
            size += here;
        } else if (!answer(c)) {
            return false;
        }
        memmove(c->in, c->in + size, c->in_size - size);
        c->in_size -= size;
        c->in[c->in_size] = '\0';
    }
    return true;
}

/* False: the client has gone. */
static bool receive(connection *c)
{
    ssize_t n;
    if (c->dropped > 0) return drop(c);
    n = recv(c->fd, c->in + c->in_size, sizeof c->in - 1 - c->in_size, 0);
    if (n < 0 && errno == EAGAIN) return true;
    if (n <= 0) return false;
    c->in_size += (size_t)n;
    c->in[c->in_size] = '\0';
    return answer_all(c);
}

/* The next little of each paced stream, when it is time. */
static void go_on_with_paced(void)
{
    static uint64_t due_ms;
    uint64_t now = now_ms();
    size_t i;
    if (pace_ms == 0 || now < due_ms) return;
    due_ms = now + pace_ms;
    for (i = 0; i < CONNECTIONS; i++) {
        connection *c = &connections[i];
        if (c->fd != 0 && c->paced && !(send_reply(c) && answer_all(c))) leave(c);
    }
}

static void accept_all(int listener)
{
    struct epoll_event event;
    int fd, on = 1;
    uint32_t i = 0;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        while (i < CONNECTIONS && connections[i].fd != 0) i++;
        must(i < CONNECTIONS, "too many connections");
        memset(&connections[i], 0, sizeof connections[i]);
        connections[i].fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        event.events = EPOLLIN | EPOLLRDHUP;
        event.data.u32 = i;
        must(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
    }
}

static void serve(const struct epoll_event *event)
{
    connection *c = &connections[event->data.u32];
    bool stays = true;
    if (c->fd == 0) return;
    if ((event->events & EPOLLOUT) != 0 && c->busy && c->end_ms == 0)
        stays = send_reply(c) && answer_all(c);
    if (stays && (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        stays = receive(c);
    if (!stays) leave(c);
}

/* ---- main ------------------------------------------------------------------------------------*/

#define LISTENER UINT32_MAX
#define INPUT (UINT32_MAX - 1)

static void watch(int fd, uint32_t name)
{
    struct epoll_event event;
    event.events = EPOLLIN;
    event.data.u32 = name;
    must(epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

static int open_listener(void)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    must(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0, "bind");
    must(listen(fd, 1024) == 0, "listen");
    must(getsockname(fd, (struct sockaddr *)&address, &size) == 0, "getsockname");
    own_port = ntohs(address.sin_port);
    printf("%u\n", own_port);
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    struct epoll_event events[256];
    int listener, count, i;
    memset(block, 'x', sizeof block);
    if (argc > 1) pace_ms = strtoull(argv[1], NULL, 10);
    poller = epoll_create1(0);
    listener = open_listener();
    watch(listener, LISTENER);
    watch(STDIN_FILENO, INPUT);
    for (;;) {
        count = epoll_wait(poller, events, 256, pace_ms > 0 ? 2 : lingering > 0 ? 10 : -1);
        for (i = 0; i < count; i++) {
            if (events[i].data.u32 == INPUT) return close_all();
            if (events[i].data.u32 == LISTENER) accept_all(listener);
            else serve(&events[i]);
        }
        if (lingering > 0) end_lingering();
        go_on_with_paced();
    }
}
