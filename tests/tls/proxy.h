/* A proxy on loopback that cuts connections: after so many bytes of this or that TLS record, in
   either direction, in good order or with a reset; or falls silent, or damages a byte. It is a process of its own, and
   is told what to do through memory that both share. */
#ifndef OSB_TESTS_TLS_PROXY_H
#define OSB_TESTS_TLS_PROXY_H

#include "tls.h"

#include <sys/mman.h>

#define PROXY_RECORDS 64

enum { FROM_SERVER, FROM_CLIENT };
enum { CUT_CLOSE, CUT_RESET, CUT_SILENCE, CUT_DAMAGE };

/* What a direction's bytes are: records, each with a head of five bytes. */
struct direction {
    unsigned record;              /* the one at hand */
    unsigned offset;              /* bytes of it that have passed */
    unsigned char head[5];        /* its head */
    unsigned size[PROXY_RECORDS]; /* of each record with its head, once that has passed */
};

struct proxy {
    struct server server;
    uint16_t target; /* the real server's port */
    /* where to cut: before this byte of this record; record < 0: never */
    int direction, how, record;
    unsigned offset;
    /* what the last connection came to */
    volatile unsigned connections;
    volatile bool was_cut;
    struct direction seen[2];
};

/* How many of the bytes may pass; fewer: here is the cut. */
SUPPORT size_t proxy_pass(struct proxy *p, int which, unsigned char *data, size_t size)
{
    struct direction *d = &p->seen[which];
    size_t i;
    for (i = 0; i < size; i++) {
        if (which == p->direction && (int)d->record == p->record && d->offset == p->offset) {
            if (p->how != CUT_DAMAGE) return i;
            data[i] ^= 0x10;
            p->was_cut = true;
        }
        if (d->record == PROXY_RECORDS) continue;
        if (d->offset < 5) d->head[d->offset] = data[i];
        d->offset++;
        if (d->offset == 5) d->size[d->record] = 5u + ((unsigned)d->head[3] << 8 | d->head[4]);
        if (d->offset < 5 || d->offset < d->size[d->record]) continue;
        d->record++;
        d->offset = 0;
    }
    return size;
}

SUPPORT void proxy_send(int fd, const unsigned char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n <= 0) return;
        data += n;
        size -= (size_t)n;
    }
}

/* Moves what has come from one side to the other. False: that was the end. */
SUPPORT bool proxy_move(struct proxy *p, int which, int from, int to)
{
    unsigned char data[4096];
    ssize_t n = recv(from, data, sizeof data, 0);
    size_t passed;
    if (n <= 0) return false;
    passed = proxy_pass(p, which, data, (size_t)n);
    if (passed < (size_t)n) p->was_cut = true;
    proxy_send(to, data, passed);
    return passed == (size_t)n;
}

/* The connection ends as it was told to. */
SUPPORT void proxy_cut(struct proxy *p, int client)
{
    struct linger now = {1, 0};
    char data[256];
    if (p->how == CUT_RESET) setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    if (p->how == CUT_CLOSE) shutdown(client, SHUT_WR);
    if (p->how == CUT_RESET) return;
    while (recv(client, data, sizeof data, 0) > 0) {
    } /* no reset by unread bytes */
}

SUPPORT void proxy_serve(struct proxy *p, int client)
{
    struct sockaddr_in address;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    bool open = true;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(p->target);
    memset(p->seen, 0, sizeof p->seen);
    p->was_cut = false;
    p->connections++;
    if (connect(server, (struct sockaddr *)&address, sizeof address) != 0) _exit(1);
    while (open) {
        struct pollfd fds[2] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
        poll(fds, 2, -1);
        if (fds[1].revents != 0) open = proxy_move(p, FROM_SERVER, server, client);
        if (open && fds[0].revents != 0) open = proxy_move(p, FROM_CLIENT, client, server);
    }
    if (p->was_cut && p->how != CUT_DAMAGE) proxy_cut(p, client);
    close(client);
    close(server);
}

/* A proxy before the server on this port. */
SUPPORT struct proxy *start_proxy(uint16_t target)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    struct proxy *p = (struct proxy *)mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE,
                                           MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 20), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    p->target = target;
    p->record = -1;
    p->server.port = ntohs(address.sin_port);
    p->server.pid = fork_for_me();
    if (p->server.pid == 0) {
        for (;;) proxy_serve(p, accept(fd, NULL, NULL));
    }
    close(fd);
    return p;
}

SUPPORT void stop_proxy(struct proxy *p)
{
    stop_server(&p->server);
    munmap(p, sizeof *p);
}

#endif
