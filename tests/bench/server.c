/* A canned server for measuring: answers as fast as the machine can, so that the client is the
   limit. One thread, epoll, loopback.

       server          prints its port and serves until its standard input ends

   POST /events/SIZE/COUNT/LINGER/command   COUNT stdout events with SIZE bytes of text each; the
                                            last chunk comes LINGER ms after the last event
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

typedef struct connection {
    int fd; /* 0: none */
    char in[4096];
    size_t in_size;
    const stream *stream; /* being sent; NULL: none */
    uint64_t at, size;    /* of the stream's bytes, the end not among them */
    uint64_t events_left;
    uint64_t linger_ms, end_ms; /* when the last chunk is due; 0: not yet */
} connection;

static connection connections[CONNECTIONS];
static stream streams[SIZES];
static size_t stream_sizes[SIZES];
static int poller;
static uint64_t lingering;

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

static int close_streams(void)
{
    size_t i;
    for (i = 0; i < SIZES; i++) stream_close(&streams[i]);
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

/* ---- streams ---------------------------------------------------------------------------------*/

/* The stream's bytes from c->at on, as pieces that need no copying. */
static int pieces(const connection *c, struct iovec *piece, int most)
{
    const stream *s = c->stream;
    uint64_t at = c->at, events = c->size - s->first_size - s->last_size;
    int count = 0;
    while (at < c->size && count < most) {
        const char *from = s->first;
        size_t skip = (size_t)at, size = s->first_size;
        if (at >= s->first_size + events) {
            from = s->last;
            skip = (size_t)(at - s->first_size - events);
            size = s->last_size;
        } else if (at >= s->first_size) {
            uint64_t left = events - (at - s->first_size);
            from = s->block;
            skip = (size_t)((at - s->first_size) % s->block_size);
            size = left < s->block_size - skip ? skip + (size_t)left : s->block_size;
        }
        piece[count].iov_base = (void *)(uintptr_t)(from + skip);
        piece[count++].iov_len = size - skip;
        at += size - skip;
    }
    return count;
}

static void end_stream(connection *c)
{
    c->stream = NULL;
    must(send(c->fd, STREAM_END, sizeof STREAM_END - 1, MSG_NOSIGNAL) > 0 || errno == ECONNRESET ||
             errno == EPIPE,
         "send");
}

/* Sends as much as the socket takes; false: the client has gone. */
static bool send_stream(connection *c)
{
    struct iovec piece[16];
    while (c->at < c->size) {
        ssize_t n = writev(c->fd, piece, pieces(c, piece, 16));
        if (n < 0 && errno == EAGAIN) {
            want(c, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
            return true;
        }
        if (n < 0) return false;
        c->at += (uint64_t)n;
    }
    want(c, EPOLLIN | EPOLLRDHUP);
    if (c->linger_ms == 0) {
        end_stream(c);
    } else {
        c->end_ms = now_ms() + c->linger_ms;
        lingering++;
    }
    return true;
}

static bool begin_stream(connection *c, size_t text_size, uint64_t events, uint64_t linger_ms)
{
    c->stream = stream_of(text_size);
    c->at = 0;
    c->size = c->stream->first_size + events * c->stream->chunk_size + c->stream->last_size;
    c->linger_ms = linger_ms;
    c->end_ms = 0;
    return send_stream(c);
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
static size_t request_size(const connection *c)
{
    const char *end = (const char *)memmem(c->in, c->in_size, "\r\n\r\n", 4), *length;
    size_t size;
    if (end == NULL) return 0;
    size = (size_t)(end + 4 - c->in);
    length = (const char *)memmem(c->in, size, "Content-Length: ", 16);
    if (length != NULL) size += strtoul(length + 16, NULL, 10);
    return size <= c->in_size ? size : 0;
}

static bool answer(connection *c)
{
    static const char nothing[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    unsigned long text_size, events, linger_ms;
    if (sscanf(c->in, "POST /events/%lu/%lu/%lu/", &text_size, &events, &linger_ms) == 3)
        return begin_stream(c, text_size, events, linger_ms);
    return send(c->fd, nothing, sizeof nothing - 1, MSG_NOSIGNAL) == sizeof nothing - 1;
}

/* False: the client has gone. */
static bool receive(connection *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_size, sizeof c->in - 1 - c->in_size, 0);
    size_t size;
    if (n < 0 && errno == EAGAIN) return true;
    if (n <= 0) return false;
    c->in_size += (size_t)n;
    c->in[c->in_size] = '\0';
    while (c->stream == NULL && (size = request_size(c)) > 0) {
        if (!answer(c)) return false;
        memmove(c->in, c->in + size, c->in_size - size);
        c->in_size -= size;
    }
    return true;
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
    if ((event->events & EPOLLOUT) != 0 && c->stream != NULL) stays = send_stream(c);
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
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

int main(void)
{
    struct epoll_event events[256];
    int listener, count, i;
    poller = epoll_create1(0);
    listener = open_listener();
    watch(listener, LISTENER);
    watch(STDIN_FILENO, INPUT);
    for (;;) {
        count = epoll_wait(poller, events, 256, lingering > 0 ? 10 : -1);
        for (i = 0; i < count; i++) {
            if (events[i].data.u32 == INPUT) return close_streams();
            if (events[i].data.u32 == LISTENER) accept_all(listener);
            else serve(&events[i]);
        }
        if (lingering > 0) end_lingering();
    }
}
