/* A CONNECT proxy on loopback, on real sockets, without a thread: it moves on only when it is
   stepped. Whatever name it is asked for, it connects to 127.0.0.1: so the names that the tests use
   exist for the proxy only. One tunnel at a time; what it sends to the client is cut as asked, each
   piece in a step of its own. */
#ifndef TESTS_PORTS_CONNECT_PROXY_H
#define TESTS_PORTS_CONNECT_PROXY_H

#include "tests/support/text.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct connect_proxy {
    int listener, client, target; /* sockets; -1: none */
    uint16_t port;
    /* how it behaves */
    const char *login;   /* the header's value that it wants; NULL: none */
    const char *refusal; /* this answer instead of a tunnel; NULL: none */
    size_t cut_at;       /* no piece for the client crosses this offset of all that it gets */
    bool bytes;          /* nor is any larger than a byte */
    /* what became of it */
    struct text head;      /* of the last request */
    struct text to_client; /* not sent yet */
    struct text to_target;
    bool open; /* the tunnel stands */
    size_t sent;
    unsigned tunnels;
} connect_proxy;

SUPPORT void connect_proxy_must(bool good, const char *what)
{
    if (good) return;
    perror(what);
    abort();
}

SUPPORT struct sockaddr_in connect_proxy_loopback(uint16_t port)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

SUPPORT void connect_proxy_open(connect_proxy *p)
{
    struct sockaddr_in address = connect_proxy_loopback(0);
    socklen_t size = sizeof address;
    memset(p, 0, sizeof *p);
    p->client = p->target = -1;
    p->listener = socket(AF_INET, SOCK_STREAM, 0);
    connect_proxy_must(bind(p->listener, (struct sockaddr *)&address, size) == 0, "bind");
    connect_proxy_must(listen(p->listener, 4) == 0, "listen");
    connect_proxy_must(fcntl(p->listener, F_SETFL, O_NONBLOCK) == 0, "fcntl");
    connect_proxy_must(getsockname(p->listener, (struct sockaddr *)&address, &size) == 0, "name");
    p->port = ntohs(address.sin_port);
}

SUPPORT void connect_proxy_hang_up(connect_proxy *p)
{
    if (p->client >= 0) close(p->client);
    if (p->target >= 0) close(p->target);
    p->client = p->target = -1;
    p->open = false;
    text_clear(&p->to_client);
    text_clear(&p->to_target);
}

SUPPORT void connect_proxy_close(connect_proxy *p)
{
    connect_proxy_hang_up(p);
    close(p->listener);
    text_free(&p->head);
    text_free(&p->to_client);
    text_free(&p->to_target);
}

SUPPORT void connect_proxy_nonblocking(int fd)
{
    int on = 1;
    connect_proxy_must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0, "fcntl");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* The port in "CONNECT host:port HTTP/1.1"; 0: that is not what it says. */
SUPPORT uint16_t connect_proxy_target(const connect_proxy *p)
{
    const char *end = strstr(p->head.data, " HTTP/1.1\r\n"), *colon = end;
    if (end == NULL || strncmp(p->head.data, "CONNECT ", 8) != 0) return 0;
    while (colon > p->head.data && *colon != ':') colon--;
    return (uint16_t)strtoul(colon + 1, NULL, 10);
}

SUPPORT const char *connect_proxy_answer(connect_proxy *p)
{
    uint16_t port = connect_proxy_target(p);
    struct sockaddr_in address = connect_proxy_loopback(port);
    const char *login = strstr(p->head.data, "\r\nProxy-Authorization: ");
    if (p->refusal != NULL) return p->refusal;
    if (port == 0) return "HTTP/1.1 400 Bad Request\r\n\r\n";
    if (p->login != NULL && (login == NULL || strncmp(login + 23, p->login, strlen(p->login)) != 0))
        return "HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\nWho are you?";
    p->target = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(p->target, (struct sockaddr *)&address, sizeof address) != 0)
        return "HTTP/1.1 502 Bad Gateway\r\n\r\n";
    connect_proxy_nonblocking(p->target);
    p->tunnels++;
    p->open = true;
    return "HTTP/1.1 200 Connection established\r\nProxy-Agent: test\r\n\r\n";
}

/* Reads the head to its end, and takes what is behind it for the tunnel. */
SUPPORT void connect_proxy_hear(connect_proxy *p)
{
    const char *end, *answer;
    text_add(&p->head, p->to_target.data, p->to_target.size);
    text_clear(&p->to_target);
    end = strstr(p->head.data, "\r\n\r\n");
    if (end == NULL) return;
    end += 4;
    text_add(&p->to_target, end, p->head.size - (size_t)(end - p->head.data));
    answer = connect_proxy_answer(p);
    text_add(&p->to_client, answer, strlen(answer));
}

/* 1: something came; 0: nothing; -1: the connection has ended. */
SUPPORT int connect_proxy_read(int fd, struct text *to)
{
    char bytes[4096];
    ssize_t n = fd >= 0 ? recv(fd, bytes, sizeof bytes, 0) : -1;
    if (n > 0) text_add(to, bytes, (size_t)n);
    if (n > 0) return 1;
    return n == 0 || (fd >= 0 && errno != EAGAIN) ? -1 : 0;
}

SUPPORT bool connect_proxy_send(int fd, struct text *from, size_t most)
{
    size_t size = from->size < most ? from->size : most;
    ssize_t n = fd >= 0 && size > 0 ? send(fd, from->data, size, MSG_NOSIGNAL) : 0;
    if (n <= 0) return false;
    memmove(from->data, from->data + n, from->size - (size_t)n + 1);
    from->size -= (size_t)n;
    return true;
}

/* How many bytes the next piece for the client has at most. */
SUPPORT size_t connect_proxy_piece(const connect_proxy *p)
{
    if (p->bytes) return 1;
    return p->sent < p->cut_at ? p->cut_at - p->sent : SIZE_MAX;
}

SUPPORT bool connect_proxy_accept(connect_proxy *p)
{
    int fd = accept(p->listener, NULL, NULL);
    if (fd < 0) return false;
    connect_proxy_hang_up(p);
    p->client = fd;
    connect_proxy_nonblocking(fd);
    text_clear(&p->head);
    return true;
}

/* Moves bytes one way or the other; false: there was nothing to do. */
SUPPORT bool connect_proxy_step(connect_proxy *p)
{
    int came;
    size_t before = p->to_client.size;
    if (connect_proxy_accept(p)) return true;
    if (connect_proxy_send(p->client, &p->to_client, connect_proxy_piece(p))) {
        p->sent += before - p->to_client.size;
        return true;
    }
    came = connect_proxy_read(p->client, &p->to_target);
    if (came > 0 && !p->open) connect_proxy_hear(p);
    if (came < 0) connect_proxy_hang_up(p);
    if (came != 0) return true;
    if (connect_proxy_send(p->target, &p->to_target, SIZE_MAX)) return true;
    came = connect_proxy_read(p->target, &p->to_client);
    if (came < 0) connect_proxy_hang_up(p);
    return came != 0;
}

#endif
