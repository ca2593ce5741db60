/* osb_proxy.h - a port of opensandbox.h through an HTTP proxy: CONNECT, over any other port

   Do this:
      #define OPENSANDBOX_IMPLEMENTATION
      #include "opensandbox.h"
      #include "port/osb_posix.h"
      #include "port/osb_proxy.h"
   in *one* C or C++ file; in every other one include them without the define. Then:

      osb_posix tcp;
      osb_proxy proxy;
      osb_proxy_options to = {.host = "proxy.example.com", .port = 3128};
      osb_config config = {.port = osb_proxy_port(&proxy, osb_posix_port(&tcp), &to)};

   LICENSE: Apache-2.0, see the file LICENSE.

   WHAT IT DOES
      Each connection goes to the proxy, which is asked to connect it on ("CONNECT host:port"); the
      proxy looks the name up. From its answer on the bytes pass untouched: the answer is read byte by
      byte, so that none that belongs to the tunnel is lost. No heap; works in both modes.

   TLS
      Stack the TLS port on top of this one, osb_mbedtls over osb_proxy over osb_posix: then the proxy
      sees host names and ciphertext, and no key or token. With plain http it sees everything. If the
      proxy itself speaks TLS, put a TLS port below as well and set osb_proxy_options.https.

   ERRORS
      What the proxy refuses is OSB_E_CONNECT; error.port_text names the proxy and says why, and
      error.port_code is the proxy's HTTP status, or the code of the port below.
*/
#ifndef OSB_PROXY_H
#define OSB_PROXY_H

#ifndef OPENSANDBOX_H
#include "opensandbox.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Copied by osb_proxy_port; the texts must live as long as the port. */
typedef struct osb_proxy_options {
    const char *host;     /* the proxy's name or literal address, without brackets */
    const char *username; /* Basic login; default: none */
    const char *password; /* default: empty */
    const char *no_proxy; /* reached directly: "localhost,example.com" covers api.example.com too;
                             "*": everything; default: nothing */
    uint16_t port;        /* default 3128 */
    bool https;           /* speak TLS with the proxy: the port below must have TLS */
} osb_proxy_options;

/* One connection. Must not move while a client uses it. */
typedef struct osb_proxy {
    /* private */
    osb_port under;
    osb_port_ops ops;
    osb_proxy_options options;
    uint8_t state;
    bool status_line, carriage_return;
    uint16_t status, line_size, head_size;
    uint32_t sent; /* of the request */
    int32_t code;  /* of the last failure, and its text; empty: ask the port below */
    char text[160];
} osb_proxy;

/* Initialises the context and makes a port of it. `under` is used by it alone from
   now on. What is missing in `options`, or cannot be sent, is told by the first connect. */
OSB_DEF osb_port osb_proxy_port(osb_proxy *proxy, osb_port under, const osb_proxy_options *options);

#ifdef __cplusplus
}
#endif

#endif /* OSB_PROXY_H */

/* ==== implementation ==========================================================================*/

#ifdef OPENSANDBOX_IMPLEMENTATION
#ifndef OSB__PROXY_IMPLEMENTED
#define OSB__PROXY_IMPLEMENTED

#include <string.h>

#define OSB__PROXY_MOST_HEAD 16384u /* of the proxy's answer */
#define OSB__PROXY_PIECE 64u        /* of the request, on the stack */

#ifdef __cplusplus
extern "C" {
#endif

enum {
    OSB__PROXY_IDLE,
    OSB__PROXY_REACHING,
    OSB__PROXY_ASKING,
    OSB__PROXY_HEARING,
    OSB__PROXY_OPEN
};

static bool osb__proxy_is_later(int io)
{
    return io == OSB_IO_WANT_READ || io == OSB_IO_WANT_WRITE || io == OSB_IO_AGAIN;
}

/* ---- errors ----------------------------------------------------------------------------------*/

/* Appends at most so many bytes to the error's text; what does not fit is left out. */
static void osb__proxy_say_some(osb_proxy *p, const char *text, size_t most)
{
    size_t used = strlen(p->text), size = strlen(text);
    if (size > most) size = most;
    if (size > sizeof p->text - 1 - used) size = sizeof p->text - 1 - used;
    memcpy(p->text + used, text, size);
    p->text[used + size] = '\0';
}

static void osb__proxy_say(osb_proxy *p, const char *text)
{
    osb__proxy_say_some(p, text, sizeof p->text);
}

static void osb__proxy_say_number(osb_proxy *p, uint16_t number)
{
    char digits[6];
    size_t at = sizeof digits - 1;
    digits[at] = '\0';
    do digits[--at] = (char)('0' + number % 10);
    while ((number = (uint16_t)(number / 10)) != 0);
    osb__proxy_say(p, digits + at);
}

/* Begins the error's text, which is empty, with where the proxy is. */
static void osb__proxy_say_origin(osb_proxy *p)
{
    const char *host = p->options.host != NULL ? p->options.host : "";
    bool brackets = strchr(host, ':') != NULL;
    osb__proxy_say(p, brackets ? "proxy [" : "proxy ");
    osb__proxy_say_some(p, host, 64); /* what is wrong must find room behind it */
    osb__proxy_say(p, brackets ? "]:" : ":");
    osb__proxy_say_number(p, p->options.port);
    osb__proxy_say(p, ": ");
}

/* Gives the connection up, for a reason of this port's own or of the port below. */
static int osb__proxy_give_up(osb_proxy *p, int32_t code, const char *why)
{
    p->code = code;
    osb__proxy_say_origin(p);
    osb__proxy_say(p, why);
    (p->under.ops->close)(p->under.ctx);
    p->state = OSB__PROXY_IDLE;
    return OSB_IO_FAILED;
}

static const char *osb__proxy_under_error(const osb_proxy *p, int32_t *code)
{
    *code = 0;
    return p->under.ops->error != NULL ? p->under.ops->error(p->under.ctx, code) : NULL;
}

/* The port below has failed, or the proxy has left, before the tunnel stood. */
static int osb__proxy_broken(osb_proxy *p, int io)
{
    int32_t code = 0;
    const char *why = "closed the connection before it answered";
    if (io != OSB_IO_CLOSED) why = osb__proxy_under_error(p, &code);
    return osb__proxy_give_up(p, code, why != NULL ? why : "cannot connect");
}

static const char *osb__proxy_refusal(const osb_proxy *p)
{
    switch (p->status) {
    case 400:
        return "does not understand CONNECT: HTTP 400";
    case 401:
    case 403:
        return "forbids this host or port: HTTP ";
    case 404:
        return "does not know this host: HTTP 404";
    case 405:
    case 501:
        return "does not do CONNECT: HTTP ";
    case 407:
        return p->options.username != NULL ? "refuses this login: HTTP 407"
                                           : "wants a login: HTTP 407";
    case 502:
        return "cannot reach the host: HTTP 502";
    case 429:
    case 503:
        return "has too much to do: HTTP ";
    case 504:
        return "gets no answer from the host: HTTP 504";
    default:
        return "refuses: HTTP ";
    }
}

static int osb__proxy_refused(osb_proxy *p)
{
    const char *why = osb__proxy_refusal(p);
    osb__proxy_give_up(p, p->status, why);
    if (why[strlen(why) - 1] == ' ') osb__proxy_say_number(p, p->status);
    return OSB_IO_FAILED;
}

static const char *osb__proxy_error(void *ctx, int32_t *code)
{
    const osb_proxy *p = (const osb_proxy *)ctx;
    if (p->text[0] == '\0') return osb__proxy_under_error(p, code);
    *code = p->code;
    return p->text;
}

/* ---- the request -----------------------------------------------------------------------------*/

/* Keeps the bytes [from, from + room) of what is written. */
typedef struct osb__proxy_window {
    char *data;
    uint32_t from, room, at;
} osb__proxy_window;

static void osb__proxy_put(osb__proxy_window *w, char c)
{
    if (w->at >= w->from && w->at - w->from < w->room) w->data[w->at - w->from] = c;
    w->at++;
}

static void osb__proxy_put_text(osb__proxy_window *w, const char *text)
{
    while (*text != '\0') osb__proxy_put(w, *text++);
}

/* host:port, an IPv6 address in brackets. */
static void osb__proxy_put_authority(osb__proxy_window *w, const char *host, uint16_t port)
{
    bool brackets = strchr(host, ':') != NULL;
    uint16_t unit = 10000;
    if (brackets) osb__proxy_put(w, '[');
    osb__proxy_put_text(w, host);
    if (brackets) osb__proxy_put(w, ']');
    osb__proxy_put(w, ':');
    while (unit > 1 && unit > port) unit = (uint16_t)(unit / 10);
    for (; unit > 0; unit = (uint16_t)(unit / 10))
        osb__proxy_put(w, (char)('0' + port / unit % 10));
}

static const char osb__proxy_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* username:password in Base64. */
static void osb__proxy_put_login(osb__proxy_window *w, const char *username, const char *password)
{
    size_t user_size = strlen(username), size = user_size + 1 + strlen(password), i, bit;
    for (i = 0; i < size; i += 3) {
        uint32_t group = 0;
        for (bit = i; bit < i + 3; bit++) {
            char c = '\0';
            if (bit < user_size) c = username[bit];
            else if (bit == user_size) c = ':';
            else if (bit < size) c = password[bit - user_size - 1];
            group = group << 8 | (unsigned char)c;
        }
        for (bit = 0; bit < 4; bit++) {
            char digit = osb__proxy_digits[group >> (18 - 6 * bit) & 63];
            osb__proxy_put(w, (char)(i + bit <= size ? digit : '='));
        }
    }
}

static void osb__proxy_put_request(const osb_proxy *p, osb__proxy_window *w, const char *host,
                                   uint16_t port)
{
    osb__proxy_put_text(w, "CONNECT ");
    osb__proxy_put_authority(w, host, port);
    osb__proxy_put_text(w, " HTTP/1.1\r\nHost: ");
    osb__proxy_put_authority(w, host, port);
    if (p->options.username != NULL) {
        osb__proxy_put_text(w, "\r\nProxy-Authorization: Basic ");
        osb__proxy_put_login(w, p->options.username,
                             p->options.password != NULL ? p->options.password : "");
    }
    osb__proxy_put_text(w, "\r\n\r\n");
}

/* Sends the request. 0: it is sent. */
static int osb__proxy_ask(osb_proxy *p, const char *host, uint16_t port)
{
    for (;;) {
        char piece[OSB__PROXY_PIECE];
        osb__proxy_window w;
        int io;
        w.data = piece;
        w.from = p->sent;
        w.room = sizeof piece;
        w.at = 0;
        osb__proxy_put_request(p, &w, host, port);
        if (p->sent == w.at) return 0;
        io = (p->under.ops->send)(p->under.ctx, piece,
                                  w.at - w.from < w.room ? w.at - w.from : w.room);
        memset(piece, 0, sizeof piece);
        if (osb__proxy_is_later(io)) return io;
        if (io < 0) return osb__proxy_broken(p, io);
        p->sent += (uint32_t)io;
    }
}

/* ---- the answer ------------------------------------------------------------------------------*/

static void osb__proxy_begin_head(osb_proxy *p)
{
    p->status_line = true;
    p->carriage_return = false;
    p->status = 0;
    p->line_size = 0;
}

static bool osb__proxy_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whether a byte of the status line can stand where it does: "HTTP/1.1 200 ...". */
static bool osb__proxy_take_status(osb_proxy *p, char c)
{
    static const char version[] = "HTTP/1.";
    uint16_t at = p->line_size;
    if (at < sizeof version - 1) return c == version[at];
    if (at == 7) return osb__proxy_is_digit(c);
    if (at == 8 || at == 12) return c == ' ';
    if (at > 12) return true;
    p->status = (uint16_t)(p->status * 10 + (c - '0'));
    return osb__proxy_is_digit(c);
}

/* 0: the head has ended; OSB_PENDING: it goes on; negative: this is no head. */
static int osb__proxy_take(osb_proxy *p, char c)
{
    if (p->carriage_return && c != '\n') return OSB_IO_FAILED;
    p->carriage_return = c == '\r';
    if (c == '\r') return OSB_PENDING;
    if (c != '\n') {
        if (p->status_line && !osb__proxy_take_status(p, c)) return OSB_IO_FAILED;
        p->line_size++;
        return OSB_PENDING;
    }
    if (p->status_line && p->line_size < 12) return OSB_IO_FAILED;
    if (!p->status_line && p->line_size == 0) return 0;
    p->status_line = false;
    p->line_size = 0;
    return OSB_PENDING;
}

/* Reads the answer's head and not a byte more. 0: the tunnel stands. */
static int osb__proxy_hear(osb_proxy *p)
{
    for (;;) {
        char c = '\0';
        int io = (p->under.ops->recv)(p->under.ctx, &c, 1);
        if (osb__proxy_is_later(io)) return io;
        if (io < 0) return osb__proxy_broken(p, io);
        if (++p->head_size > OSB__PROXY_MOST_HEAD)
            return osb__proxy_give_up(p, 0, "answer's head is larger than 16 KB");
        io = osb__proxy_take(p, c);
        if (io == OSB_PENDING) continue;
        if (io < 0) return osb__proxy_give_up(p, 0, "does not speak HTTP/1.1");
        if (p->status / 100 == 2) return 0;
        if (p->status / 100 != 1 || p->status == 101) return osb__proxy_refused(p);
        osb__proxy_begin_head(p); /* the real answer is still to come */
    }
}

/* ---- connect ---------------------------------------------------------------------------------*/

static char osb__proxy_lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* The size of a name without the point that a whole one may end with. */
static size_t osb__proxy_name_size(const char *name, size_t size)
{
    return size > 0 && name[size - 1] == '.' ? size - 1 : size;
}

/* Whether a name of size bytes is the host or a domain that it is in. */
static bool osb__proxy_covers(const char *name, size_t size, const char *host)
{
    size_t host_size = osb__proxy_name_size(host, strlen(host)), i;
    if (size == 1 && name[0] == '*') return true;
    size = osb__proxy_name_size(name, size);
    if (size > 0 && name[0] == '.') {
        name++;
        size--;
    }
    if (size == 0 || size > host_size) return false;
    if (size < host_size && host[host_size - size - 1] != '.') return false;
    for (i = 0; i < size; i++)
        if (osb__proxy_lower(name[i]) != osb__proxy_lower(host[host_size - size + i])) return false;
    return true;
}

static bool osb__proxy_goes_past(const osb_proxy *p, const char *host)
{
    const char *at = p->options.no_proxy;
    while (at != NULL && *at != '\0') {
        size_t size = strcspn(at, ", ");
        if (osb__proxy_covers(at, size, host)) return true;
        at += size;
        at += strspn(at, ", ");
    }
    return false;
}

/* A host that could end the request's line early, or is not there. */
static bool osb__proxy_is_bad_host(const char *host)
{
    if (host == NULL || *host == '\0') return true;
    for (; *host != '\0'; host++)
        if ((unsigned char)*host <= ' ' || *host == '\x7f') return true;
    return false;
}

static int osb__proxy_begin(osb_proxy *p, const char *host)
{
    p->text[0] = '\0';
    if (osb__proxy_is_bad_host(p->options.host))
        return osb__proxy_give_up(p, 0, "osb_proxy_options.host is no host name");
    if (p->options.https && !p->under.ops->tls)
        return osb__proxy_give_up(p, 0, "osb_proxy_options.https needs a port with TLS below");
    if (p->options.username != NULL && strchr(p->options.username, ':') != NULL)
        return osb__proxy_give_up(p, 0, "osb_proxy_options.username has a ':'");
    if (osb__proxy_is_bad_host(host))
        return osb__proxy_give_up(p, 0, "no valid host name to ask for");
    (p->under.ops->close)(p->under.ctx);
    p->sent = 0;
    p->head_size = 0;
    osb__proxy_begin_head(p);
    p->state = OSB__PROXY_REACHING;
    return 0;
}

/* Connects to the proxy. 0: it is there. */
static int osb__proxy_reach(osb_proxy *p)
{
    int io =
        (p->under.ops->connect)(p->under.ctx, p->options.host, p->options.port, p->options.https);
    return io == 0 || osb__proxy_is_later(io) ? io : osb__proxy_broken(p, io);
}

static int osb__proxy_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    osb_proxy *p = (osb_proxy *)ctx;
    int io = 0;
    (void)tls; /* never asked for: osb_port_ops.tls is false */
    if (p->state == OSB__PROXY_OPEN) p->state = OSB__PROXY_IDLE;
    if (p->state == OSB__PROXY_IDLE && osb__proxy_goes_past(p, host)) {
        p->text[0] = '\0';
        return (p->under.ops->connect)(p->under.ctx, host, port, false);
    }
    if (p->state == OSB__PROXY_IDLE) io = osb__proxy_begin(p, host);
    if (io == 0 && p->state == OSB__PROXY_REACHING) {
        io = osb__proxy_reach(p);
        if (io == 0) p->state = OSB__PROXY_ASKING;
    }
    if (io == 0 && p->state == OSB__PROXY_ASKING) {
        io = osb__proxy_ask(p, host, port);
        if (io == 0) p->state = OSB__PROXY_HEARING;
    }
    if (io == 0 && p->state == OSB__PROXY_HEARING) {
        io = osb__proxy_hear(p);
        if (io == 0) p->state = OSB__PROXY_OPEN;
    }
    return io;
}

/* ---- what passes through ---------------------------------------------------------------------*/

static int osb__proxy_send(void *ctx, const void *data, size_t size)
{
    const osb_proxy *p = (const osb_proxy *)ctx;
    return (p->under.ops->send)(p->under.ctx, data, size);
}

static int osb__proxy_recv(void *ctx, void *data, size_t size)
{
    const osb_proxy *p = (const osb_proxy *)ctx;
    return (p->under.ops->recv)(p->under.ctx, data, size);
}

static void osb__proxy_close(void *ctx)
{
    osb_proxy *p = (osb_proxy *)ctx;
    p->state = OSB__PROXY_IDLE;
    (p->under.ops->close)(p->under.ctx);
}

static uint32_t osb__proxy_now_ms(void *ctx)
{
    const osb_proxy *p = (const osb_proxy *)ctx;
    return p->under.ops->now_ms(p->under.ctx);
}

static void osb__proxy_wait(void *ctx, unsigned want, uint32_t timeout_ms)
{
    const osb_proxy *p = (const osb_proxy *)ctx;
    p->under.ops->wait(p->under.ctx, want, timeout_ms);
}

static int osb__proxy_random(void *ctx, void *data, size_t size)
{
    const osb_proxy *p = (const osb_proxy *)ctx;
    return p->under.ops->random(p->under.ctx, data, size);
}

static uint32_t osb__proxy_unix_time(void *ctx)
{
    const osb_proxy *p = (const osb_proxy *)ctx;
    return p->under.ops->unix_time(p->under.ctx);
}

OSB_DEF osb_port osb_proxy_port(osb_proxy *proxy, osb_port under, const osb_proxy_options *options)
{
    osb_port port;
    memset(proxy, 0, sizeof *proxy);
    proxy->under = under;
    proxy->options = *options;
    if (proxy->options.port == 0) proxy->options.port = 3128;
    proxy->ops.connect = osb__proxy_connect;
    proxy->ops.send = osb__proxy_send;
    proxy->ops.recv = osb__proxy_recv;
    proxy->ops.close = osb__proxy_close;
    proxy->ops.now_ms = osb__proxy_now_ms;
    proxy->ops.error = osb__proxy_error;
    if (under.ops->wait != NULL) proxy->ops.wait = osb__proxy_wait;
    if (under.ops->random != NULL) proxy->ops.random = osb__proxy_random;
    if (under.ops->unix_time != NULL) proxy->ops.unix_time = osb__proxy_unix_time;
    port.ops = &proxy->ops;
    port.ctx = proxy;
    return port;
}

#ifdef __cplusplus
}
#endif

#endif /* OSB__PROXY_IMPLEMENTED */
#endif /* OPENSANDBOX_IMPLEMENTATION */
