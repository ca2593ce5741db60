/* osb_win32.h - the port of opensandbox.h for Windows: Winsock 2, Windows 7 and later

   Do this:
      #define OPENSANDBOX_IMPLEMENTATION
      #include "opensandbox.h"
      #include "port/osb_win32.h"
   in *one* C or C++ file; in every other one include both without the define. Then:

      osb_win32  tcp;
      osb_config config = {.port = osb_win32_port(&tcp)};
      osb_win32_config_from_env(&config);

   Link with ws2_32 and bcrypt. LICENSE: Apache-2.0, see the file LICENSE.

   FEATURES
      IPv4 and IPv6. Connects to all addresses of a name as RFC 8305 ("Happy Eyeballs") has it:
      families in turn, the next address after 250 ms or as soon as one has failed, the first that
      connects wins. WSAStartup is called by osb_win32_port, and never undone. No heap but
      getaddrinfo's own, no threads, no windows, no messages.

   ONE FILE TO COPY
      So what it has in common with osb_posix.h (the race of the addresses) stands in both. What is
      mended in one is mended in the other.

   WHAT MAY BLOCK
      getaddrinfo, for hosts that are names: literal addresses go without it. Everything else
      returns at once, but `wait`, whose purpose it is. If your loop must not stop for a name, set
      osb_win32.resolve to a resolver of your own.

   POLL MODE
      osb_win32_fd_sets() turns osb_want() into what select() takes. osb_win32_socket() is the bare
      socket for WSAEventSelect, WSAPoll and the like.

   WINDOWS.H
      This file includes winsock2.h, which must come before windows.h: include it first, or define
      WIN32_LEAN_AND_MEAN where you include windows.h.
*/
#ifndef OSB_WIN32_H
#define OSB_WIN32_H

#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0601 /* inet_pton, GetTickCount64 */
#endif
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif

#ifndef OPENSANDBOX_H
#include "opensandbox.h"
#endif
#include <winsock2.h>
#include <ws2tcpip.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How many addresses of a name are tried at most. */
#ifndef OSB_WIN32_ADDRESSES
#define OSB_WIN32_ADDRESSES 8
#endif

/* How long an address may take before the next one is tried beside it. */
#ifndef OSB_WIN32_NEXT_ADDRESS_MS
#define OSB_WIN32_NEXT_ADDRESS_MS 250
#endif

/* An address of either family: any.sa_family says which. */
typedef union osb_win32_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} osb_win32_address;

/* A resolver: the addresses of a name, with the port, in the order in which they are to be tried.
   Returns how many (at most `room`; 0: there is no such name), or OSB_IO_WANT_READ if it does not
   know yet: then it is asked again after some 10 ms. */
typedef int (*osb_win32_resolver)(void *user, const char *host, uint16_t port,
                                  osb_win32_address *addresses, size_t room);

/* One connection. Must not move while a client uses it. */
typedef struct osb_win32 {
    osb_win32_resolver resolve; /* yours to set after osb_win32_port(); NULL: getaddrinfo */
    void *resolve_user;         /* for resolve */
    /* private */
    SOCKET connection;                              /* INVALID_SOCKET: none */
    SOCKET attempt[OSB_WIN32_ADDRESSES];            /* sockets that are connecting */
    osb_win32_address address[OSB_WIN32_ADDRESSES]; /* the host's addresses */
    size_t count, next;                             /* of addresses; the next one to try */
    uint32_t tried_ms;                              /* when the last attempt began */
    bool connecting;
    int32_t code;   /* of the last failure, and its text */
    char text[320]; /* Windows tells of a time-out in 184 */
} osb_win32;

/* Initialises the context and makes a port of it. One for each client: clients cannot share. */
OSB_DEF osb_port osb_win32_port(osb_win32 *tcp);

/* Fills in `api_key` and `domain` from the environment, OPEN_SANDBOX_API_KEY and
   OPEN_SANDBOX_DOMAIN, where config has none, and sets `https` if OPEN_SANDBOX_PROTOCOL is set to
   anything but "http". The texts are the environment's own. */
OSB_DEF void osb_win32_config_from_env(osb_config *config);

/* Poll mode: what osb_poll waits for, as select() takes it. Adds the sockets to the sets, returns
   how many (select() fails if there is none in all: sleep instead), and lowers *timeout_ms where
   the client wants to be called earlier. Begin with -1 in *timeout_ms (no limit) and go on with the
   next client: the result is the least of all. FD_SETSIZE limits how many clients fit. */
OSB_DEF size_t osb_win32_fd_sets(const osb_win32 *tcp, const osb_wait *wait, fd_set *readable,
                                 fd_set *writable, fd_set *failed, int *timeout_ms);

/* The socket for an event loop of your own; INVALID_SOCKET: none. It changes when the client
   connects anew: ask after each osb_poll. While it connects this is the latest attempt's, and
   osb_poll must be called every OSB_WIN32_NEXT_ADDRESS_MS, so that further addresses get their
   turn. */
OSB_DEF SOCKET osb_win32_socket(const osb_win32 *tcp);

#ifdef __cplusplus
}
#endif

#endif /* OSB_WIN32_H */

/* ==== implementation ==========================================================================*/

#ifdef OPENSANDBOX_IMPLEMENTATION
#ifndef OSB__WIN32_IMPLEMENTED
#define OSB__WIN32_IMPLEMENTED

#include <windows.h>
#include <bcrypt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define OSB__WIN32_RESOLVE_MS 10u /* between two questions to a resolver that needs time */

#ifdef __cplusplus
extern "C" {
#endif

/* ---- time ------------------------------------------------------------------------------------*/

static uint32_t osb__win32_now_ms(void *ctx)
{
    (void)ctx;
    return (uint32_t)GetTickCount64();
}

static uint32_t osb__win32_unix_time(void *ctx)
{
    FILETIME time;
    uint64_t tenths; /* of microseconds, since 1601 */
    (void)ctx;
    GetSystemTimeAsFileTime(&time);
    tenths = (uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime;
    return (uint32_t)(tenths / 10000000u - 11644473600u);
}

/* ---- errors ----------------------------------------------------------------------------------*/

/* Keeps Winsock's code and its text, without its line end, for the error report. */
static int osb__win32_failed(osb_win32 *tcp, int code)
{
    DWORD size = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
                                    FORMAT_MESSAGE_MAX_WIDTH_MASK,
                                NULL, (DWORD)code, 0, tcp->text, sizeof tcp->text, NULL);
    while (size > 0 && (tcp->text[size - 1] == ' ' || tcp->text[size - 1] == '.')) size--;
    tcp->text[size] = '\0';
    tcp->code = code;
    return OSB_IO_FAILED;
}

/* An attempt has failed. That there is no way to an address, as where this machine has one family
   only, is no news beside another one's failure. */
static void osb__win32_attempt_failed(osb_win32 *tcp, int code)
{
    bool no_way = code == WSAENETUNREACH || code == WSAEADDRNOTAVAIL || code == WSAEAFNOSUPPORT;
    if (!no_way || tcp->code == 0) osb__win32_failed(tcp, code);
}

static int osb__win32_name_not_found(osb_win32 *tcp, int code)
{
    strcpy(tcp->text, "name not found");
    tcp->code = code;
    return OSB_IO_FAILED;
}

static const char *osb__win32_error(void *ctx, int32_t *code)
{
    const osb_win32 *tcp = (const osb_win32 *)ctx;
    *code = tcp->code;
    return tcp->text[0] != '\0' ? tcp->text : NULL;
}

/* ---- names -----------------------------------------------------------------------------------*/

static void osb__win32_set_port(osb_win32_address *address, uint16_t port)
{
    if (address->any.sa_family == AF_INET6) address->v6.sin6_port = htons(port);
    else address->v4.sin_port = htons(port);
}

static bool osb__win32_literal(const char *host, osb_win32_address *address)
{
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, host, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        return true;
    }
    if (inet_pton(AF_INET6, host, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        return true;
    }
    return false;
}

/* The n-th address in a list that is (not) of a family; NULL: there are fewer. */
static const struct addrinfo *osb__win32_nth(const struct addrinfo *list, int family,
                                             bool of_family, size_t n)
{
    for (; list != NULL; list = list->ai_next) {
        bool fits = list->ai_addrlen <= sizeof(osb_win32_address);
        if (fits && (list->ai_family == family) == of_family && n-- == 0) return list;
    }
    return NULL;
}

/* Copies a list of addresses, the families in turn, the list's first one first. */
static size_t osb__win32_interleave(osb_win32 *tcp, const struct addrinfo *list)
{
    size_t count = 0, n;
    for (n = 0; n < 2 * OSB_WIN32_ADDRESSES && count < OSB_WIN32_ADDRESSES; n++) {
        const struct addrinfo *a = osb__win32_nth(list, list->ai_family, n % 2 == 0, n / 2);
        if (a != NULL) memcpy(&tcp->address[count++], a->ai_addr, a->ai_addrlen);
    }
    return count;
}

static int osb__win32_look_up(osb_win32 *tcp, const char *host, uint16_t port)
{
    struct addrinfo hints, *list = NULL;
    size_t i;
    int code;
    memset(&hints, 0, sizeof hints);
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    code = getaddrinfo(host, NULL, &hints, &list);
    if (code == WSAHOST_NOT_FOUND || code == WSANO_DATA)
        return osb__win32_name_not_found(tcp, code);
    if (code != 0) return osb__win32_failed(tcp, code);
    tcp->count = osb__win32_interleave(tcp, list);
    freeaddrinfo(list);
    for (i = 0; i < tcp->count; i++) osb__win32_set_port(&tcp->address[i], port);
    return tcp->count > 0 ? 0 : osb__win32_name_not_found(tcp, WSANO_DATA);
}

/* Finds the host's addresses. 0: they stand in tcp->address. */
static int osb__win32_resolve(osb_win32 *tcp, const char *host, uint16_t port)
{
    int count;
    if (osb__win32_literal(host, &tcp->address[0])) {
        osb__win32_set_port(&tcp->address[0], port);
        tcp->count = 1;
        return 0;
    }
    if (tcp->resolve == NULL) return osb__win32_look_up(tcp, host, port);
    count = tcp->resolve(tcp->resolve_user, host, port, tcp->address, OSB_WIN32_ADDRESSES);
    if (count == OSB_IO_WANT_READ || count == OSB_IO_WANT_WRITE) return count;
    if (count <= 0) return osb__win32_name_not_found(tcp, WSAHOST_NOT_FOUND);
    tcp->count = count < OSB_WIN32_ADDRESSES ? (size_t)count : OSB_WIN32_ADDRESSES;
    return 0;
}

/* ---- connect ---------------------------------------------------------------------------------*/

static void osb__win32_close_socket(SOCKET *s)
{
    if (*s != INVALID_SOCKET) closesocket(*s);
    *s = INVALID_SOCKET;
}

static void osb__win32_close_attempts(osb_win32 *tcp)
{
    size_t i;
    for (i = 0; i < OSB_WIN32_ADDRESSES; i++) osb__win32_close_socket(&tcp->attempt[i]);
    tcp->count = tcp->next = 0;
    tcp->connecting = false;
}

static void osb__win32_close(void *ctx)
{
    osb_win32 *tcp = (osb_win32 *)ctx;
    osb__win32_close_attempts(tcp);
    osb__win32_close_socket(&tcp->connection);
}

/* False: the socket cannot be made what it must be: non-blocking. */
static bool osb__win32_prepare_socket(SOCKET s)
{
    BOOL on = TRUE;
    u_long non_blocking = 1;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (const char *)&on, sizeof on);
    SetHandleInformation((HANDLE)s, HANDLE_FLAG_INHERIT, 0);
    return ioctlsocket(s, (long)FIONBIO, &non_blocking) == 0;
}

/* Begins an attempt at the next address. False: it has failed already. */
static bool osb__win32_begin_attempt(osb_win32 *tcp)
{
    const osb_win32_address *address = &tcp->address[tcp->next];
    SOCKET *s = &tcp->attempt[tcp->next];
    int size = address->any.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
    tcp->next++;
    tcp->tried_ms = osb__win32_now_ms(tcp);
    *s = socket(address->any.sa_family, SOCK_STREAM, 0);
    if (*s != INVALID_SOCKET && osb__win32_prepare_socket(*s)) {
        if (connect(*s, &address->any, size) == 0) return true;
        if (WSAGetLastError() == WSAEWOULDBLOCK) return true;
    }
    osb__win32_attempt_failed(tcp, WSAGetLastError());
    osb__win32_close_socket(s);
    return false;
}

/* FD_SET without the warnings that the system's macro gives. */
static void osb__win32_add(fd_set *set, SOCKET s)
{
    if (set->fd_count < FD_SETSIZE) set->fd_array[set->fd_count++] = s;
}

static void osb__win32_clear(fd_set *set)
{
    set->fd_count = 0;
}

/* Looks after an attempt. 0: connected; OSB_IO_WANT_WRITE: not yet; OSB_IO_FAILED: it is over.
   That an attempt has failed is told by the third set only. */
static int osb__win32_check_attempt(osb_win32 *tcp, SOCKET *s)
{
    struct timeval none = {0, 0};
    fd_set writable, failed;
    int code = 0, size = sizeof code, count;
    osb__win32_clear(&writable);
    osb__win32_clear(&failed);
    osb__win32_add(&writable, *s);
    osb__win32_add(&failed, *s);
    count = select(0, NULL, &writable, &failed, &none);
    if (count == 0) return OSB_IO_WANT_WRITE;
    if (count < 0 || getsockopt(*s, SOL_SOCKET, SO_ERROR, (char *)&code, &size) != 0)
        code = WSAGetLastError();
    if (code == 0 && failed.fd_count == 0) return 0;
    osb__win32_close_socket(s);
    osb__win32_attempt_failed(tcp, code != 0 ? code : WSAECONNREFUSED);
    return OSB_IO_FAILED;
}

/* Looks after all attempts: 0: one has connected and is tcp->connection now, the others are gone.
   OSB_IO_FAILED: one has failed since the last look. OSB_IO_WANT_WRITE: nothing new. */
static int osb__win32_check_attempts(osb_win32 *tcp, size_t *pending)
{
    int result = OSB_IO_WANT_WRITE;
    size_t i;
    *pending = 0;
    for (i = 0; i < tcp->next; i++) {
        int io;
        if (tcp->attempt[i] == INVALID_SOCKET) continue;
        io = osb__win32_check_attempt(tcp, &tcp->attempt[i]);
        if (io == 0) {
            tcp->connection = tcp->attempt[i];
            tcp->attempt[i] = INVALID_SOCKET;
            osb__win32_close_attempts(tcp);
            return 0;
        }
        if (io == OSB_IO_WANT_WRITE) ++*pending;
        else result = io;
    }
    return result;
}

static uint32_t osb__win32_until_next_address(const osb_win32 *tcp)
{
    uint32_t elapsed = osb__win32_now_ms(NULL) - tcp->tried_ms;
    return elapsed < OSB_WIN32_NEXT_ADDRESS_MS ? OSB_WIN32_NEXT_ADDRESS_MS - elapsed : 0;
}

static int osb__win32_race(osb_win32 *tcp)
{
    for (;;) {
        size_t pending;
        int io = osb__win32_check_attempts(tcp, &pending);
        if (io == 0) return 0;
        if (tcp->next == tcp->count) {
            if (pending > 0) return OSB_IO_WANT_WRITE;
            osb__win32_close_attempts(tcp); /* tcp->code tells of the last one's failure */
            return OSB_IO_FAILED;
        }
        if (pending > 0 && io != OSB_IO_FAILED && osb__win32_until_next_address(tcp) > 0)
            return OSB_IO_WANT_WRITE;
        while (!osb__win32_begin_attempt(tcp) && tcp->next < tcp->count) {
        }
    }
}

static int osb__win32_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    osb_win32 *tcp = (osb_win32 *)ctx;
    int io;
    (void)tls; /* never asked for: osb_port_ops.tls is false */
    if (!tcp->connecting) {
        osb__win32_close(tcp);
        tcp->code = 0;
        tcp->text[0] = '\0';
        tcp->connecting = true;
    }
    if (tcp->count == 0) {
        io = osb__win32_resolve(tcp, host, port);
        if (io == OSB_IO_FAILED) tcp->connecting = false;
        if (io != 0) return io;
    }
    return osb__win32_race(tcp);
}

/* ---- send, receive, wait ---------------------------------------------------------------------*/

static int osb__win32_at_most_int(size_t size)
{
    return size < INT_MAX ? (int)size : INT_MAX;
}

static int osb__win32_send(void *ctx, const void *data, size_t size)
{
    osb_win32 *tcp = (osb_win32 *)ctx;
    int n = send(tcp->connection, (const char *)data, osb__win32_at_most_int(size), 0);
    if (n >= 0) return n;
    if (WSAGetLastError() == WSAEWOULDBLOCK) return OSB_IO_WANT_WRITE;
    return osb__win32_failed(tcp, WSAGetLastError());
}

static int osb__win32_recv(void *ctx, void *data, size_t size)
{
    osb_win32 *tcp = (osb_win32 *)ctx;
    int n = recv(tcp->connection, (char *)data, osb__win32_at_most_int(size), 0);
    if (n > 0) return n;
    if (n == 0) return OSB_IO_CLOSED;
    if (WSAGetLastError() == WSAEWOULDBLOCK) return OSB_IO_WANT_READ;
    return osb__win32_failed(tcp, WSAGetLastError());
}

static void osb__win32_wait(void *ctx, unsigned want, uint32_t timeout_ms)
{
    const osb_win32 *tcp = (const osb_win32 *)ctx;
    fd_set readable, writable, failed;
    struct timeval time;
    osb_wait wait;
    int timeout = -1;
    wait.now = false;
    wait.read = (want & OSB_WANT_READ) != 0;
    wait.write = (want & OSB_WANT_WRITE) != 0;
    wait.timeout_ms = timeout_ms;
    osb__win32_clear(&readable);
    osb__win32_clear(&writable);
    osb__win32_clear(&failed);
    if (osb_win32_fd_sets(tcp, &wait, &readable, &writable, &failed, &timeout) == 0) {
        Sleep((DWORD)timeout);
        return;
    }
    time.tv_sec = timeout / 1000;
    time.tv_usec = timeout % 1000 * 1000;
    select(0, &readable, &writable, &failed, &time);
}

/* ---- random ----------------------------------------------------------------------------------*/

static int osb__win32_random(void *ctx, void *data, size_t size)
{
    unsigned char *to = (unsigned char *)data;
    (void)ctx;
    while (size > 0) {
        ULONG some = (ULONG)osb__win32_at_most_int(size);
        if (BCryptGenRandom(NULL, to, some, BCRYPT_USE_SYSTEM_PREFERRED_RNG) != 0) return -1;
        to += some;
        size -= some;
    }
    return 0;
}

/* ---- public ----------------------------------------------------------------------------------*/

OSB_DEF osb_port osb_win32_port(osb_win32 *tcp)
{
    static const osb_port_ops ops = {
        osb__win32_connect,   osb__win32_send, osb__win32_recv,  osb__win32_close,
        osb__win32_now_ms,    osb__win32_wait, osb__win32_error, osb__win32_random,
        osb__win32_unix_time, false,
    };
    WSADATA data;
    osb_port port;
    size_t i;
    WSAStartup(MAKEWORD(2, 2), &data); /* if it fails, so does each connect, with a reason */
    memset(tcp, 0, sizeof *tcp);
    tcp->connection = INVALID_SOCKET;
    for (i = 0; i < OSB_WIN32_ADDRESSES; i++) tcp->attempt[i] = INVALID_SOCKET;
    port.ops = &ops;
    port.ctx = tcp;
    return port;
}

static void osb__win32_from_env(const char **setting, const char *name)
{
    const char *value = getenv(name);
    if (*setting == NULL && value != NULL && value[0] != '\0') *setting = value;
}

OSB_DEF void osb_win32_config_from_env(osb_config *config)
{
    const char *protocol = NULL;
    osb__win32_from_env(&config->api_key, "OPEN_SANDBOX_API_KEY");
    osb__win32_from_env(&config->domain, "OPEN_SANDBOX_DOMAIN");
    osb__win32_from_env(&protocol, "OPEN_SANDBOX_PROTOCOL");
    if (protocol != NULL && strcmp(protocol, "http") != 0) config->https = true;
}

OSB_DEF SOCKET osb_win32_socket(const osb_win32 *tcp)
{
    size_t i;
    if (tcp->connection != INVALID_SOCKET) return tcp->connection;
    for (i = tcp->next; i > 0; i--)
        if (tcp->attempt[i - 1] != INVALID_SOCKET) return tcp->attempt[i - 1];
    return INVALID_SOCKET;
}

static void osb__win32_lower(int *timeout_ms, uint32_t limit_ms)
{
    int limit = limit_ms < INT_MAX ? (int)limit_ms : INT_MAX;
    if (*timeout_ms < 0 || *timeout_ms > limit) *timeout_ms = limit;
}

OSB_DEF size_t osb_win32_fd_sets(const osb_win32 *tcp, const osb_wait *wait, fd_set *readable,
                                 fd_set *writable, fd_set *failed, int *timeout_ms)
{
    size_t count = 0, i;
    osb__win32_lower(timeout_ms, wait->now ? 0 : wait->timeout_ms);
    if (!wait->read && !wait->write) return 0;
    if (tcp->connection != INVALID_SOCKET) {
        if (wait->read) osb__win32_add(readable, tcp->connection);
        if (wait->write) osb__win32_add(writable, tcp->connection);
        count++;
    }
    if (!tcp->connecting) return count;
    for (i = 0; i < tcp->next; i++) {
        if (tcp->attempt[i] == INVALID_SOCKET) continue;
        osb__win32_add(writable, tcp->attempt[i]);
        osb__win32_add(failed, tcp->attempt[i]);
        count++;
    }
    if (tcp->count == 0) osb__win32_lower(timeout_ms, OSB__WIN32_RESOLVE_MS);
    else if (tcp->next < tcp->count)
        osb__win32_lower(timeout_ms, osb__win32_until_next_address(tcp));
    return count;
}

#ifdef __cplusplus
}
#endif

#endif /* OSB__WIN32_IMPLEMENTED */
#endif /* OPENSANDBOX_IMPLEMENTATION */
