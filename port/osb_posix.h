/* osb_posix.h - the port of opensandbox.h for POSIX sockets: Linux, BSD, macOS, lwIP, Zephyr, ESP-IDF

   Do this:
      #define OPENSANDBOX_IMPLEMENTATION
      #include "opensandbox.h"
      #include "port/osb_posix.h"
   in *one* C or C++ file; in every other one include both without the define. Then:

      osb_posix  tcp;
      osb_config config = {.port = osb_posix_port(&tcp)};
      osb_posix_config_from_env(&config);

   LICENSE: Apache-2.0, see the file LICENSE.

   FEATURES
      IPv4 and IPv6. Connects to all addresses of a name as RFC 8305 ("Happy Eyeballs") has it:
      families in turn, the next address after 250 ms or as soon as one has failed, the first that
      connects wins. No heap but getaddrinfo's own, no threads, no signals (SIGPIPE cannot occur).

   ONE FILE TO COPY
      So what it has in common with osb_win32.h (the race of the addresses) stands in both. What is
      mended in one is mended in the other.

   WHAT MAY BLOCK
      getaddrinfo, for hosts that are names: literal addresses go without it. Everything else
      returns at once, but `wait`, whose purpose it is. If your superloop must not stop for a
      name, set osb_posix.resolve to a resolver of your own.

   POLL MODE
      osb_posix_pollfds() turns osb_want() into what poll(2) takes; examples/poll_mode.c shows a
      whole loop. osb_posix_fd() is the bare socket for epoll, kqueue and the like.

   STRICT STANDARDS
      With -std=c99 (c11, c17) system headers show POSIX only if _POSIX_C_SOURCE is defined before
      the first of them. Compile with -D_POSIX_C_SOURCE=200809L, or include this file first: it
      defines the macro and includes opensandbox.h. With -std=gnu99 and in C++ there is nothing
      to do.

   SOCKETS WITHOUT POSIX
      Where there are BSD sockets, non-blocking, with poll() and getaddrinfo(), but not the rest of
      POSIX, define the first of these, and what else you need, in every file, before this one:
         OSB_POSIX_SOCKETS             no more of POSIX than these; must be given
         OSB_POSIX_NOW_MS()            milliseconds of a monotonic clock; must be given
         OSB_POSIX_UNIX_TIME()         seconds since 1970, or 0; default 0: unknown
         OSB_POSIX_RANDOM(data, size)  fills in random bytes, 0 if done; default: there are none
         OSB_POSIX_ERROR_TEXT(code)    what an errno means; default strerror(code)
         OSB_POSIX_NO_IPV6             there is no struct sockaddr_in6 (lwIP: found out by itself)
      The platform's own headers are then yours to include, before this one:
         lwIP, with an OS  "lwip/sockets.h" "lwip/netdb.h" "lwip/sys.h"; LWIP_DNS and LWIP_SOCKET 1
                           #define OSB_POSIX_NOW_MS() sys_now()
      For ESP-IDF and for Zephyr (with CONFIG_POSIX_API) all of this is done below, unless
      OSB_POSIX_SOCKETS is defined already.
*/
#ifndef OSB_POSIX_H
#define OSB_POSIX_H

#if !defined(_POSIX_C_SOURCE) && !defined(_XOPEN_SOURCE) && !defined(_GNU_SOURCE) &&               \
    !defined(_DEFAULT_SOURCE)
#ifdef __STRICT_ANSI__ /* otherwise the system shows everything by itself */
#define _POSIX_C_SOURCE 200809L
#endif
#endif
#if defined(__APPLE__) && !defined(_DARWIN_C_SOURCE)
#define _DARWIN_C_SOURCE /* SO_NOSIGPIPE */
#endif

#ifndef OPENSANDBOX_H
#include "opensandbox.h"
#endif

#ifndef OSB_POSIX_SOCKETS
#if defined(ESP_PLATFORM)
#define OSB_POSIX_SOCKETS
#include <esp_log.h>
#include <esp_random.h>
#include <time.h>
#define OSB_POSIX_NOW_MS() esp_log_timestamp()
#define OSB_POSIX_RANDOM(data, size) (esp_fill_random(data, size), 0)
#define OSB_POSIX_UNIX_TIME() (time(NULL) > 1600000000 ? time(NULL) : 0) /* or not set yet */
#elif defined(__ZEPHYR__)
#define OSB_POSIX_SOCKETS
#include <zephyr/kernel.h>
#include <zephyr/random/random.h>
#define OSB_POSIX_NOW_MS() k_uptime_get_32()
#ifdef CONFIG_CSPRNG_ENABLED /* the board has an entropy driver */
#define OSB_POSIX_RANDOM(data, size) sys_csrand_get(data, size)
#endif
#endif
#if defined(__ZEPHYR__) && defined(__has_include)
#if !__has_include(<arpa/inet.h>)
#error "osb_posix.h: Zephyr has POSIX's headers only with CONFIG_POSIX_API=y."
#endif
#endif
#ifdef OSB_POSIX_SOCKETS
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#ifdef ESP_PLATFORM
#include <sys/poll.h> /* there is no <poll.h> */
#else
#include <poll.h>
#endif
#include <sys/socket.h>
#include <unistd.h>
#endif
#endif

#ifndef OSB_POSIX_SOCKETS
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#elif !defined(OSB_POSIX_NOW_MS)
#error "osb_posix.h: OSB_POSIX_SOCKETS needs OSB_POSIX_NOW_MS() too."
#endif
#if defined(LWIP_IPV6) && !defined(OSB_POSIX_NO_IPV6)
#if !LWIP_IPV6
#define OSB_POSIX_NO_IPV6
#endif
#endif

#ifdef OSB_POSIX_SOCKETS
#if !defined(EAI_NONAME) || !defined(POLLOUT) || !defined(O_NONBLOCK)
#error "osb_posix.h: include the headers of your sockets, getaddrinfo and poll before it."
#endif
#elif !defined(EAI_NONAME) || !defined(CLOCK_MONOTONIC)
#error "osb_posix.h: the system headers hide POSIX. Compile with -D_POSIX_C_SOURCE=200809L or \
-std=gnu99, or include osb_posix.h before every other header."
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* How many addresses of a name are tried at most. */
#ifndef OSB_POSIX_ADDRESSES
#define OSB_POSIX_ADDRESSES 8
#endif

/* How long an address may take before the next one is tried beside it. */
#ifndef OSB_POSIX_NEXT_ADDRESS_MS
#define OSB_POSIX_NEXT_ADDRESS_MS 250
#endif

/* An address of either family: any.sa_family says which. */
typedef union osb_posix_address {
    struct sockaddr any;
    struct sockaddr_in v4;
#ifndef OSB_POSIX_NO_IPV6
    struct sockaddr_in6 v6;
#endif
} osb_posix_address;

/* A resolver: the addresses of a name, with the port, in the order in which they are to be tried.
   Returns how many (at most `room`; 0: there is no such name), or OSB_IO_WANT_READ if it does not
   know yet: then it is asked again after some 10 ms. */
typedef int (*osb_posix_resolver)(void *user, const char *host, uint16_t port,
                                  osb_posix_address *addresses, size_t room);

/* One connection. Must not move while a client uses it. */
typedef struct osb_posix {
    osb_posix_resolver resolve; /* yours to set after osb_posix_port(); NULL: getaddrinfo */
    void *resolve_user;         /* for resolve */
    /* private */
    int fd;                                         /* the connection; -1: none */
    int attempt[OSB_POSIX_ADDRESSES];               /* sockets that are connecting; -1: none */
    osb_posix_address address[OSB_POSIX_ADDRESSES]; /* the host's addresses */
    size_t count, next;                             /* of addresses; the next one to try */
    uint32_t tried_ms;                              /* when the last attempt began */
    bool connecting;
    bool held;    /* the end of what was sent may wait in the kernel */
    int32_t code; /* of the last failure, and its text */
    char text[120];
} osb_posix;

/* Initialises the context and makes a port of it. One for each client: clients cannot share. */
OSB_DEF osb_port osb_posix_port(osb_posix *tcp);

#ifndef OSB_POSIX_SOCKETS
/* Fills in `api_key` and `domain` from the environment, OPEN_SANDBOX_API_KEY and
   OPEN_SANDBOX_DOMAIN, where config has none, and sets `https` if OPEN_SANDBOX_PROTOCOL is set to
   anything but "http". The texts are the environment's own. */
OSB_DEF void osb_posix_config_from_env(osb_config *config);
#endif

/* Poll mode: what osb_poll waits for, as poll(2) takes it. Writes up to OSB_POSIX_ADDRESSES
   entries to fds (several only while a connection is being set up), returns how many, and lowers
   *timeout_ms where the client wants to be called earlier. Begin with -1 in *timeout_ms (no limit)
   and go on with the next client: the result is the least of all. */
OSB_DEF size_t osb_posix_pollfds(const osb_posix *tcp, const osb_wait *wait, struct pollfd *fds,
                                 int *timeout_ms);

/* The socket for an event loop of your own; -1: none. It changes when the client connects anew:
   ask after each osb_poll. While it connects this is the latest attempt's, and osb_poll must be
   called every OSB_POSIX_NEXT_ADDRESS_MS, so that further addresses get their turn. */
OSB_DEF int osb_posix_fd(const osb_posix *tcp);

#ifdef __cplusplus
}
#endif

#endif /* OSB_POSIX_H */

/* ==== implementation ==========================================================================*/

#ifdef OPENSANDBOX_IMPLEMENTATION
#ifndef OSB__POSIX_IMPLEMENTED
#define OSB__POSIX_IMPLEMENTED

#include <errno.h>
#include <limits.h>
#include <string.h>
#ifndef OSB_POSIX_SOCKETS
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/random.h>
#endif
#endif

/* What POSIX has, and other systems with sockets have in other ways. */
#ifdef OSB_POSIX_SOCKETS
#ifndef OSB_POSIX_UNIX_TIME
#define OSB_POSIX_UNIX_TIME() 0u
#endif
#ifndef OSB_POSIX_RANDOM
#define OSB_POSIX_RANDOM(data, size) ((void)(data), (void)(size), -1)
#endif
#ifndef OSB_POSIX_ERROR_TEXT
#define OSB_POSIX_ERROR_TEXT(code) strerror(code)
#endif
#endif

#ifdef MSG_NOSIGNAL
#define OSB__POSIX_SEND_FLAGS MSG_NOSIGNAL
#else
#define OSB__POSIX_SEND_FLAGS 0 /* SO_NOSIGPIPE is set instead */
#endif

/* Linux: the end of a large piece may wait for the next one, so that both go out in whole segments;
   no longer than until the answer is asked for, or what is before it has arrived. */
#if defined(__linux__) && defined(MSG_MORE) && !defined(OSB_POSIX_SOCKETS)
#define OSB__POSIX_MORE MSG_MORE
#else
#define OSB__POSIX_MORE 0
#endif
#define OSB__POSIX_LARGE_BYTES 4096u /* several segments but on loopback */

#define OSB__POSIX_RESOLVE_MS 10u /* between two questions to a resolver that needs time */

#ifdef __cplusplus
extern "C" {
#endif

/* ---- time ------------------------------------------------------------------------------------*/

#ifdef OSB_POSIX_SOCKETS
static uint32_t osb__posix_now_ms(void *ctx)
{
    (void)ctx;
    return OSB_POSIX_NOW_MS();
}

static uint32_t osb__posix_unix_time(void *ctx)
{
    (void)ctx;
    return (uint32_t)OSB_POSIX_UNIX_TIME();
}
#else
static uint32_t osb__posix_now_ms(void *ctx)
{
    struct timespec now;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)now.tv_sec * 1000u + (uint32_t)(now.tv_nsec / 1000000);
}

static uint32_t osb__posix_unix_time(void *ctx)
{
    (void)ctx;
    return (uint32_t)time(NULL);
}
#endif

/* ---- errors ----------------------------------------------------------------------------------*/

/* Appends to the error's text; what does not fit is left out. */
static void osb__posix_say(osb_posix *tcp, const char *text)
{
    size_t used = strlen(tcp->text), size = strlen(text);
    if (size > sizeof tcp->text - 1 - used) size = sizeof tcp->text - 1 - used;
    memcpy(tcp->text + used, text, size);
    tcp->text[used + size] = '\0';
}

#ifdef OSB_POSIX_SOCKETS
static const char *osb__posix_error_text(int code, char *text, size_t size)
{
    (void)text, (void)size;
    return OSB_POSIX_ERROR_TEXT(code);
}
#else
/* strerror_r comes in two kinds: GNU's returns the text, POSIX's fills the array. */
static const char *osb__posix_error_text(int code, char *text, size_t size)
{
#if defined(__GLIBC__) && defined(_GNU_SOURCE)
    return strerror_r(code, text, size);
#else
    return strerror_r(code, text, size) == 0 ? text : "unknown error";
#endif
}
#endif

/* Keeps errno and its text for the error report. */
static int osb__posix_failed(osb_posix *tcp, int code)
{
    char text[80];
    tcp->code = code;
    tcp->text[0] = '\0';
    osb__posix_say(tcp, osb__posix_error_text(code, text, sizeof text));
    return OSB_IO_FAILED;
}

/* An attempt has failed. That there is no way to an address, as where this machine has one family
   only, is no news beside another one's failure. */
static void osb__posix_attempt_failed(osb_posix *tcp, int code)
{
    bool no_way = code == ENETUNREACH || code == EADDRNOTAVAIL || code == EAFNOSUPPORT;
    if (!no_way || tcp->code == 0) osb__posix_failed(tcp, code);
}

static const char *osb__posix_error(void *ctx, int32_t *code)
{
    const osb_posix *tcp = (const osb_posix *)ctx;
    *code = tcp->code;
    return tcp->text[0] != '\0' ? tcp->text : NULL;
}

/* ---- names -----------------------------------------------------------------------------------*/

static void osb__posix_set_port(osb_posix_address *address, uint16_t port)
{
#ifndef OSB_POSIX_NO_IPV6
    if (address->any.sa_family == AF_INET6) address->v6.sin6_port = htons(port);
    else
#endif
        address->v4.sin_port = htons(port);
}

static bool osb__posix_literal(const char *host, osb_posix_address *address)
{
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, host, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        return true;
    }
#ifndef OSB_POSIX_NO_IPV6
    if (inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        return true;
    }
#endif
    return false;
}

/* The n-th address in a list that is (not) of a family; NULL: there are fewer. */
static const struct addrinfo *osb__posix_nth(const struct addrinfo *list, int family,
                                             bool of_family, size_t n)
{
    for (; list != NULL; list = list->ai_next) {
        bool fits = list->ai_addrlen <= sizeof(osb_posix_address);
        if (fits && (list->ai_family == family) == of_family && n-- == 0) return list;
    }
    return NULL;
}

/* Copies a list of addresses, the families in turn, the list's first one first. */
static size_t osb__posix_interleave(osb_posix *tcp, const struct addrinfo *list)
{
    size_t count = 0, n;
    for (n = 0; n < 2 * OSB_POSIX_ADDRESSES && count < OSB_POSIX_ADDRESSES; n++) {
        const struct addrinfo *a = osb__posix_nth(list, list->ai_family, n % 2 == 0, n / 2);
        if (a != NULL) memcpy(&tcp->address[count++], a->ai_addr, a->ai_addrlen);
    }
    return count;
}

static int osb__posix_name_not_found(osb_posix *tcp, int code, const char *why)
{
    tcp->code = code;
    tcp->text[0] = '\0';
    osb__posix_say(tcp, "name not found");
    if (why != NULL) osb__posix_say(tcp, ": ");
    if (why != NULL) osb__posix_say(tcp, why);
    return OSB_IO_FAILED;
}

/* What getaddrinfo's errors mean; NULL: the system has no texts for them. */
static const char *osb__posix_look_up_error(int code)
{
#if defined(OSB_POSIX_SOCKETS) && !defined(__ZEPHYR__)
    (void)code;
    return NULL;
#else
    return gai_strerror(code);
#endif
}

static int osb__posix_look_up(osb_posix *tcp, const char *host, uint16_t port)
{
    struct addrinfo hints, *list = NULL;
    size_t i;
    int code;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    code = getaddrinfo(host, NULL, &hints, &list);
#ifdef EAI_SYSTEM
    if (code == EAI_SYSTEM) return osb__posix_failed(tcp, errno);
#endif
    if (code != 0) return osb__posix_name_not_found(tcp, code, osb__posix_look_up_error(code));
    tcp->count = osb__posix_interleave(tcp, list);
    freeaddrinfo(list);
    for (i = 0; i < tcp->count; i++) osb__posix_set_port(&tcp->address[i], port);
    return tcp->count > 0 ? 0 : osb__posix_name_not_found(tcp, EAI_FAMILY, NULL);
}

/* Finds the host's addresses. 0: they stand in tcp->address. */
static int osb__posix_resolve(osb_posix *tcp, const char *host, uint16_t port)
{
    int count;
    if (osb__posix_literal(host, &tcp->address[0])) {
        osb__posix_set_port(&tcp->address[0], port);
        tcp->count = 1;
        return 0;
    }
    if (tcp->resolve == NULL) return osb__posix_look_up(tcp, host, port);
    count = tcp->resolve(tcp->resolve_user, host, port, tcp->address, OSB_POSIX_ADDRESSES);
    if (count == OSB_IO_WANT_READ || count == OSB_IO_WANT_WRITE) return count;
    if (count <= 0) return osb__posix_name_not_found(tcp, EAI_NONAME, NULL);
    tcp->count = count < OSB_POSIX_ADDRESSES ? (size_t)count : OSB_POSIX_ADDRESSES;
    return 0;
}

/* ---- connect ---------------------------------------------------------------------------------*/

static void osb__posix_close_socket(int *fd)
{
    if (*fd >= 0) close(*fd); /* not again after EINTR: the number may be somebody else's by then */
    *fd = -1;
}

static void osb__posix_close_attempts(osb_posix *tcp)
{
    size_t i;
    for (i = 0; i < OSB_POSIX_ADDRESSES; i++) osb__posix_close_socket(&tcp->attempt[i]);
    tcp->count = tcp->next = 0;
    tcp->connecting = false;
}

static void osb__posix_close(void *ctx)
{
    osb_posix *tcp = (osb_posix *)ctx;
    osb__posix_close_attempts(tcp);
    osb__posix_close_socket(&tcp->fd);
}

/* False: the socket cannot be made what it must be: non-blocking. */
static bool osb__posix_prepare_socket(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
#ifdef SO_NOSIGPIPE
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
#ifndef OSB_POSIX_SOCKETS
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1) return false;
#endif
    return fcntl(fd, F_SETFL, O_NONBLOCK) != -1;
}

/* Begins an attempt at the next address. False: it has failed already. */
static bool osb__posix_begin_attempt(osb_posix *tcp)
{
    const osb_posix_address *address = &tcp->address[tcp->next];
    int *fd = &tcp->attempt[tcp->next];
    socklen_t size = sizeof address->v4;
#ifndef OSB_POSIX_NO_IPV6
    if (address->any.sa_family == AF_INET6) size = sizeof address->v6;
#endif
    tcp->next++;
    tcp->tried_ms = osb__posix_now_ms(tcp);
    *fd = socket(address->any.sa_family, SOCK_STREAM, 0);
    if (*fd >= 0 && osb__posix_prepare_socket(*fd)) {
        if (connect(*fd, &address->any, size) == 0) return true;
        if (errno == EINPROGRESS || errno == EINTR)
            return true; /* EINTR: it goes on all the same */
    }
    osb__posix_attempt_failed(tcp, errno);
    osb__posix_close_socket(fd);
    return false;
}

/* Looks after an attempt. 0: connected; OSB_IO_WANT_WRITE: not yet; OSB_IO_FAILED: it is over. */
static int osb__posix_check_attempt(osb_posix *tcp, int *fd)
{
    struct pollfd ready;
    int code = 0, count;
    socklen_t size = sizeof code;
    ready.fd = *fd;
    ready.events = POLLOUT;
    ready.revents = 0;
    count = poll(&ready, 1, 0);
    if (count == 0 || (count < 0 && errno == EINTR)) return OSB_IO_WANT_WRITE;
    if (count < 0 || getsockopt(*fd, SOL_SOCKET, SO_ERROR, &code, &size) != 0) code = errno;
    if (code == 0) return 0;
    osb__posix_close_socket(fd);
    osb__posix_attempt_failed(tcp, code);
    return OSB_IO_FAILED;
}

/* Looks after all attempts: 0: one has connected and is tcp->fd now, the others are gone.
   OSB_IO_FAILED: one has failed since the last look. OSB_IO_WANT_WRITE: nothing new. */
static int osb__posix_check_attempts(osb_posix *tcp, size_t *pending)
{
    int result = OSB_IO_WANT_WRITE;
    size_t i;
    *pending = 0;
    for (i = 0; i < tcp->next; i++) {
        int io;
        if (tcp->attempt[i] < 0) continue;
        io = osb__posix_check_attempt(tcp, &tcp->attempt[i]);
        if (io == 0) {
            tcp->fd = tcp->attempt[i];
            tcp->attempt[i] = -1;
            osb__posix_close_attempts(tcp);
            return 0;
        }
        if (io == OSB_IO_WANT_WRITE) ++*pending;
        else result = io;
    }
    return result;
}

static uint32_t osb__posix_until_next_address(const osb_posix *tcp)
{
    uint32_t elapsed = osb__posix_now_ms(NULL) - tcp->tried_ms;
    return elapsed < OSB_POSIX_NEXT_ADDRESS_MS ? OSB_POSIX_NEXT_ADDRESS_MS - elapsed : 0;
}

static int osb__posix_race(osb_posix *tcp)
{
    for (;;) {
        size_t pending;
        int io = osb__posix_check_attempts(tcp, &pending);
        if (io == 0) return 0;
        if (tcp->next == tcp->count) {
            if (pending > 0) return OSB_IO_WANT_WRITE;
            osb__posix_close_attempts(tcp); /* tcp->code tells of the last one's failure */
            return OSB_IO_FAILED;
        }
        if (pending > 0 && io != OSB_IO_FAILED && osb__posix_until_next_address(tcp) > 0)
            return OSB_IO_WANT_WRITE;
        while (!osb__posix_begin_attempt(tcp) && tcp->next < tcp->count) {
        }
    }
}

static int osb__posix_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    osb_posix *tcp = (osb_posix *)ctx;
    int io;
    (void)tls; /* never asked for: osb_port_ops.tls is false */
    if (!tcp->connecting) {
        osb__posix_close(tcp);
        tcp->code = 0;
        tcp->text[0] = '\0';
        tcp->connecting = true;
    }
    if (tcp->count == 0) {
        io = osb__posix_resolve(tcp, host, port);
        if (io == OSB_IO_FAILED) tcp->connecting = false;
        if (io != 0) return io;
    }
    return osb__posix_race(tcp);
}

/* ---- send, receive, wait ---------------------------------------------------------------------*/

static size_t osb__posix_at_most_int(size_t size)
{
    return size < INT_MAX ? size : INT_MAX;
}

static int osb__posix_send(void *ctx, const void *data, size_t size)
{
    osb_posix *tcp = (osb_posix *)ctx;
    int more = size >= OSB__POSIX_LARGE_BYTES ? OSB__POSIX_MORE : 0;
    ssize_t n;
    do n = send(tcp->fd, data, osb__posix_at_most_int(size), OSB__POSIX_SEND_FLAGS | more);
    while (n < 0 && errno == EINTR);
    tcp->held = more != 0;
    if (n >= 0) return (int)n;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return OSB_IO_WANT_WRITE;
    return osb__posix_failed(tcp, errno);
}

/* TCP_NODELAY is set already; to set it again sends what waits. */
static void osb__posix_flush(osb_posix *tcp)
{
    const int on = 1;
    if (!tcp->held) return;
    tcp->held = false;
    setsockopt(tcp->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static int osb__posix_recv(void *ctx, void *data, size_t size)
{
    osb_posix *tcp = (osb_posix *)ctx;
    ssize_t n;
    osb__posix_flush(tcp);
    do n = recv(tcp->fd, data, osb__posix_at_most_int(size), 0);
    while (n < 0 && errno == EINTR);
    if (n > 0) return (int)n;
    if (n == 0) return OSB_IO_CLOSED;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return OSB_IO_WANT_READ;
    return osb__posix_failed(tcp, errno);
}

static void osb__posix_wait(void *ctx, unsigned want, uint32_t timeout_ms)
{
    osb_posix *tcp = (osb_posix *)ctx;
    struct pollfd fds[OSB_POSIX_ADDRESSES];
    osb_wait wait;
    uint8_t count; /* fits whatever type a system counts them in; Zephyr's is no nfds_t */
    int timeout = -1;
    wait.now = false;
    wait.read = (want & OSB_WANT_READ) != 0;
    wait.write = (want & OSB_WANT_WRITE) != 0;
    wait.timeout_ms = timeout_ms;
    if (!wait.write) osb__posix_flush(tcp);
    count = (uint8_t)osb_posix_pollfds(tcp, &wait, fds, &timeout);
    poll(fds, count, timeout); /* a signal ends it early, as is allowed */
}

/* ---- random ----------------------------------------------------------------------------------*/

#ifdef OSB_POSIX_SOCKETS
static int osb__posix_random(void *ctx, void *data, size_t size)
{
    (void)ctx;
    return OSB_POSIX_RANDOM(data, size);
}
#else
#ifdef __linux__
static ssize_t osb__posix_some_random(unsigned char *data, size_t size)
{
    return getrandom(data, size, 0);
}
#else
static ssize_t osb__posix_some_random(unsigned char *data, size_t size)
{
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, data, size) : -1;
    osb__posix_close_socket(&fd);
    return n;
}
#endif

static int osb__posix_random(void *ctx, void *data, size_t size)
{
    unsigned char *to = (unsigned char *)data;
    (void)ctx;
    while (size > 0) {
        ssize_t n = osb__posix_some_random(to, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        to += n;
        size -= (size_t)n;
    }
    return 0;
}
#endif

/* ---- public ----------------------------------------------------------------------------------*/

OSB_DEF osb_port osb_posix_port(osb_posix *tcp)
{
    static const osb_port_ops ops = {
        osb__posix_connect,   osb__posix_send, osb__posix_recv,  osb__posix_close,
        osb__posix_now_ms,    osb__posix_wait, osb__posix_error, osb__posix_random,
        osb__posix_unix_time, false,
    };
    osb_port port;
    size_t i;
    memset(tcp, 0, sizeof *tcp);
    tcp->fd = -1;
    for (i = 0; i < OSB_POSIX_ADDRESSES; i++) tcp->attempt[i] = -1;
    port.ops = &ops;
    port.ctx = tcp;
    return port;
}

#ifndef OSB_POSIX_SOCKETS
static void osb__posix_from_env(const char **setting, const char *name)
{
    const char *value = getenv(name);
    if (*setting == NULL && value != NULL && value[0] != '\0') *setting = value;
}

OSB_DEF void osb_posix_config_from_env(osb_config *config)
{
    const char *protocol = NULL;
    osb__posix_from_env(&config->api_key, "OPEN_SANDBOX_API_KEY");
    osb__posix_from_env(&config->domain, "OPEN_SANDBOX_DOMAIN");
    osb__posix_from_env(&protocol, "OPEN_SANDBOX_PROTOCOL");
    if (protocol != NULL && strcmp(protocol, "http") != 0) config->https = true;
}
#endif

OSB_DEF int osb_posix_fd(const osb_posix *tcp)
{
    size_t i;
    if (tcp->fd >= 0) return tcp->fd;
    for (i = tcp->next; i > 0; i--)
        if (tcp->attempt[i - 1] >= 0) return tcp->attempt[i - 1];
    return -1;
}

static void osb__posix_add_pollfd(struct pollfd *fds, size_t *count, int fd, bool read, bool write)
{
    if (fd < 0) return;
    fds[*count].fd = fd;
    fds[*count].events = (short)((read ? POLLIN : 0) | (write ? POLLOUT : 0));
    fds[*count].revents = 0;
    ++*count;
}

static void osb__posix_lower(int *timeout_ms, uint32_t limit_ms)
{
    int limit = limit_ms < INT_MAX ? (int)limit_ms : INT_MAX;
    if (*timeout_ms < 0 || *timeout_ms > limit) *timeout_ms = limit;
}

OSB_DEF size_t osb_posix_pollfds(const osb_posix *tcp, const osb_wait *wait, struct pollfd *fds,
                                 int *timeout_ms)
{
    size_t count = 0, i;
    osb__posix_lower(timeout_ms, wait->now ? 0 : wait->timeout_ms);
    if (!wait->read && !wait->write) return 0;
    osb__posix_add_pollfd(fds, &count, tcp->fd, wait->read, wait->write);
    if (!tcp->connecting) return count;
    for (i = 0; i < tcp->next; i++)
        osb__posix_add_pollfd(fds, &count, tcp->attempt[i], false, true);
    if (tcp->count == 0) osb__posix_lower(timeout_ms, OSB__POSIX_RESOLVE_MS);
    else if (tcp->next < tcp->count)
        osb__posix_lower(timeout_ms, osb__posix_until_next_address(tcp));
    return count;
}

#ifdef __cplusplus
}
#endif

#endif /* OSB__POSIX_IMPLEMENTED */
#endif /* OPENSANDBOX_IMPLEMENTATION */
