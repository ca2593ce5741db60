/* osb_trace.h - shows what goes over any port of opensandbox.h, without the secrets

   Do this:
      #define OPENSANDBOX_IMPLEMENTATION
      #include "opensandbox.h"
      #include "port/osb_posix.h"
      #include "port/osb_trace.h"
   in *one* C or C++ file; in every other one include them without the define. Then:

      osb_posix tcp;
      osb_trace trace;
      osb_trace_options show = {.on_event = print};
      osb_config config = {.port = osb_trace_port(&trace, osb_posix_port(&tcp), &show)};

   examples/trace.c is such a `print`. LICENSE: Apache-2.0, see the file LICENSE.

   WHAT IS SHOWN
      Each connect, each piece that was sent or received, and each end. One I/O call may come as
      several pieces; put together they are the dialogue, and the same one however it was cut.
      Nothing is stored: no heap, some 300 bytes of state. With OSB_NO_TRACE defined the port below
      is used as it is, and nothing of this file is left.

   WHAT IS HIDDEN
      In place of a secret stands "***": once for each (and once for each chunk of HTTP that it goes
      on in), whatever its length, and even if it came in pieces. Secret are the values of these
      headers, and of JSON members with these names (the text behind them, or all of the object or
      array), in requests and answers alike:
         OPEN-SANDBOX-API-KEY, X-EXECD-ACCESS-TOKEN, OPENSANDBOX-EGRESS-AUTH,
         OpenSandbox-Secure-Access, Authorization, Proxy-Authorization, Cookie, Set-Cookie;
         value (credentials in vault bodies), password (image logins), accessKeyId, accessKeySecret
         (OSSFS volumes);
      and of those in osb_trace_options.secrets: "env", say. What is no HTTP, TLS for instance, is
      hidden whole from its first byte to the connection's end: the trace belongs on top of TLS.
      After an upgrade (WebSocket: a terminal) what is sent is hidden, since people type passwords.

   WHAT IS NOT
      Text of commands and of their output, contents of files, environment variables, host names and
      signed addresses, and what a terminal shows.
*/
#ifndef OSB_TRACE_H
#define OSB_TRACE_H

#ifndef OPENSANDBOX_H
#include "opensandbox.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What a line of the trace is about. */
typedef enum osb_trace_kind {
    OSB_TRACE_CONNECT,   /* a connect begins; data: the host, without brackets; port, tls */
    OSB_TRACE_CONNECTED, /* the connection is there */
    OSB_TRACE_SENT,      /* data: the port below has taken these bytes */
    OSB_TRACE_RECEIVED,  /* data: these bytes came */
    OSB_TRACE_ENDED,     /* the peer has closed its side in good order */
    OSB_TRACE_FAILED,    /* connect, send or receive failed; data: the reason, if known; code */
    OSB_TRACE_CLOSE      /* the library leaves the connection */
} osb_trace_kind;

/* What happened. data lasts until the callback returns. */
typedef struct osb_trace_event {
    osb_trace_kind kind;
    uint32_t time_ms; /* of the port's clock */
    const char *data;
    size_t size;
    int32_t code;
    uint16_t port;
    bool tls;
    bool hidden; /* data is "***" in place of a secret */
} osb_trace_event;

/* Copied by osb_trace_port; what it points at must live as long as the port. */
typedef struct osb_trace_options {
    void *user;
    void (*on_event)(void *user, const osb_trace_event *event); /* no calls on the client */
    const char *const *secrets; /* further names of headers and JSON members that hold secrets */
    size_t secret_count;
} osb_trace_options;

/* Longer names are compared up to here. */
#define OSB__TRACE_NAME 48

/* private: one direction of the dialogue */
typedef struct osb__trace_side {
    uint8_t part, json, header, name_size, start_size;
    bool sent, hiding, secret, escaped, quoted;
    bool in_value, in_text, chunked, has_length, extension;
    uint16_t status;
    uint32_t depth;
    uint64_t left;
    char name[OSB__TRACE_NAME];
} osb__trace_side;

/* One connection. Must not move while a client uses it. */
typedef struct osb_trace {
    /* private */
    osb_port under;
    osb_port_ops ops;
    osb_trace_options options;
    osb__trace_side out, in;
    char method; /* the first letter of the last request's */
    bool connecting, open;
} osb_trace;

/* Initialises the context and makes a port of it. `under` is used by it alone from
   now on. */
OSB_DEF osb_port osb_trace_port(osb_trace *trace, osb_port under, const osb_trace_options *options);

#ifdef __cplusplus
}
#endif

#endif /* OSB_TRACE_H */

/* ==== implementation ==========================================================================*/

#ifdef OPENSANDBOX_IMPLEMENTATION
#ifndef OSB__TRACE_IMPLEMENTED
#define OSB__TRACE_IMPLEMENTED

#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef OSB_NO_TRACE

OSB_DEF osb_port osb_trace_port(osb_trace *trace, osb_port under, const osb_trace_options *options)
{
    (void)trace;
    (void)options;
    return under;
}

#else

/* ---- names -----------------------------------------------------------------------------------*/

/* In small letters. */
static const char *const osb__trace_names[] = {
    "open-sandbox-api-key",
    "x-execd-access-token",
    "opensandbox-egress-auth",
    "opensandbox-secure-access",
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "value",
    "password",
    "accesskeyid",
    "accesskeysecret",
};

static char osb__trace_lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* Whether the name that has been read is this one, up to the length that is kept. */
static bool osb__trace_is(const osb__trace_side *s, const char *name)
{
    uint8_t i;
    for (i = 0; i < s->name_size; i++)
        if (name[i] == '\0' || osb__trace_lower(name[i]) != s->name[i]) return false;
    return i == OSB__TRACE_NAME || name[i] == '\0';
}

static bool osb__trace_is_secret(const osb_trace *t, const osb__trace_side *s)
{
    size_t i;
    for (i = 0; i < sizeof osb__trace_names / sizeof osb__trace_names[0]; i++)
        if (osb__trace_is(s, osb__trace_names[i])) return true;
    for (i = 0; i < t->options.secret_count; i++)
        if (osb__trace_is(s, t->options.secrets[i])) return true;
    return false;
}

static void osb__trace_name(osb__trace_side *s, char c)
{
    if (s->name_size < OSB__TRACE_NAME) s->name[s->name_size++] = osb__trace_lower(c);
}

/* ---- JSON ------------------------------------------------------------------------------------*/

enum {
    OSB__TRACE_OUTSIDE, /* of texts */
    OSB__TRACE_TEXT,
    OSB__TRACE_ESCAPE,
    OSB__TRACE_COLON, /* behind a text that is a secret's name if a colon follows */
    OSB__TRACE_VALUE, /* before a secret */
    OSB__TRACE_SECRET
};

static bool osb__trace_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A byte of a secret: false if it stands behind the secret's end. */
static bool osb__trace_hide(osb__trace_side *s, char c)
{
    if (s->quoted) {
        if (s->escaped) s->escaped = false;
        else if (c == '\\') s->escaped = true;
        else if (c == '"') s->quoted = false;
        if (!s->quoted && s->depth == 0) s->json = OSB__TRACE_OUTSIDE;
        return true;
    }
    if (c == '"') s->quoted = true;
    else if (c == '{' || c == '[') s->depth++;
    else if (s->depth > 0 && (c == '}' || c == ']')) {
        if (--s->depth == 0) s->json = OSB__TRACE_OUTSIDE;
    } else if (s->depth == 0 && (c == ',' || c == '}' || c == ']' || osb__trace_is_space(c))) {
        s->json = OSB__TRACE_OUTSIDE;
        return false;
    }
    return true;
}

/* A byte of a text that may be a name. A name with escapes is taken for a secret's. */
static void osb__trace_text(const osb_trace *t, osb__trace_side *s, char c)
{
    if (c == '\\') {
        s->json = OSB__TRACE_ESCAPE;
        s->escaped = true;
    } else if (c == '"') {
        bool secret = s->escaped || osb__trace_is_secret(t, s);
        s->json = secret ? OSB__TRACE_COLON : OSB__TRACE_OUTSIDE;
    } else {
        osb__trace_name(s, c);
    }
}

static void osb__trace_begin_text(osb__trace_side *s)
{
    s->json = OSB__TRACE_TEXT;
    s->name_size = 0;
    s->escaped = false;
}

/* A byte of a body; true: it belongs to a secret. */
static bool osb__trace_json(const osb_trace *t, osb__trace_side *s, char c)
{
    switch (s->json) {
    case OSB__TRACE_TEXT:
        osb__trace_text(t, s, c);
        return false;
    case OSB__TRACE_ESCAPE:
        s->json = OSB__TRACE_TEXT;
        return false;
    case OSB__TRACE_COLON:
        if (osb__trace_is_space(c)) return false;
        s->json = OSB__TRACE_OUTSIDE;
        if (c == ':') s->json = OSB__TRACE_VALUE;
        else if (c == '"') osb__trace_begin_text(s);
        return false;
    case OSB__TRACE_VALUE:
        if (osb__trace_is_space(c)) return false;
        s->json = OSB__TRACE_SECRET;
        s->escaped = s->quoted = false;
        s->depth = 0;
        return osb__trace_hide(s, c);
    case OSB__TRACE_SECRET:
        return osb__trace_hide(s, c);
    default:
        if (c == '"') osb__trace_begin_text(s);
        return false;
    }
}

/* ---- HTTP ------------------------------------------------------------------------------------*/

enum {
    OSB__TRACE_START, /* request line, status line */
    OSB__TRACE_HEADERS,
    OSB__TRACE_BODY,
    OSB__TRACE_CHUNK_SIZE,
    OSB__TRACE_CHUNK,
    OSB__TRACE_CHUNK_END,
    OSB__TRACE_TRAILERS,
    OSB__TRACE_UPGRADED, /* no HTTP any more, as both wanted */
    OSB__TRACE_LOST      /* no HTTP: nobody knows where a secret might be */
};

enum { OSB__TRACE_OTHER, OSB__TRACE_LENGTH, OSB__TRACE_CODING };

#define OSB__TRACE_ENDLESS UINT64_MAX

static void osb__trace_begin_line(osb__trace_side *s)
{
    s->name_size = 0;
    s->in_value = false;
}

static void osb__trace_begin_message(osb__trace_side *s)
{
    bool sent = s->sent, hiding = s->hiding;
    memset(s, 0, sizeof *s);
    s->sent = sent;
    s->hiding = hiding;
}

static void osb__trace_begin_body(osb__trace_side *s, uint8_t part, uint64_t left)
{
    s->part = part;
    s->left = left;
    if (part == OSB__TRACE_BODY && left == 0) osb__trace_begin_message(s);
}

/* Whether an answer with this status has no body, whatever its headers say. */
static bool osb__trace_has_no_body(const osb_trace *t, uint16_t status)
{
    if (status / 100 == 1 || status == 204 || status == 304) return true;
    return t->method == 'H' || (t->method == 'C' && status / 100 == 2); /* HEAD, CONNECT */
}

static void osb__trace_head_end(osb_trace *t, osb__trace_side *s)
{
    if (!s->sent && s->status == 101) {
        t->in.part = t->out.part = OSB__TRACE_UPGRADED;
        t->in.hiding = t->out.hiding = false;
    } else if (!s->sent && osb__trace_has_no_body(t, s->status)) {
        osb__trace_begin_message(s);
    } else if (s->chunked) {
        osb__trace_begin_body(s, OSB__TRACE_CHUNK_SIZE, 0);
    } else if (s->has_length || s->sent) {
        osb__trace_begin_body(s, OSB__TRACE_BODY, s->left);
    } else {
        osb__trace_begin_body(s, OSB__TRACE_BODY, OSB__TRACE_ENDLESS);
    }
}

static bool osb__trace_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Whether a start line can go on like this. */
static bool osb__trace_take_start(osb_trace *t, osb__trace_side *s, char c)
{
    static const char version[] = "HTTP/1.";
    uint8_t at = s->start_size;
    if (at < 12) s->start_size++;
    if (s->sent) {
        if (at == 0) t->method = c;
        return at == 0 ? c >= 'A' && c <= 'Z' : (unsigned char)c >= ' ';
    }
    if (at < sizeof version - 1) return c == version[at];
    if (at == 7) return osb__trace_is_digit(c);
    if (at == 8) return c == ' ';
    if (at == 12) return true;
    s->status = (uint16_t)(s->status * 10 + (c - '0'));
    return osb__trace_is_digit(c);
}

/* A byte of the start line; empty lines before it are allowed. */
static bool osb__trace_start(osb_trace *t, osb__trace_side *s, char c)
{
    if (c == '\r') return false;
    if (c == '\n') {
        if (s->start_size == 0) return false;
        s->part = OSB__TRACE_HEADERS;
        osb__trace_begin_line(s);
        return false;
    }
    if (osb__trace_take_start(t, s, c)) return false;
    s->part = OSB__TRACE_LOST;
    return true;
}

static void osb__trace_name_end(const osb_trace *t, osb__trace_side *s)
{
    s->in_value = true;
    s->in_text = false;
    s->secret = osb__trace_is_secret(t, s);
    s->header = OSB__TRACE_OTHER;
    if (osb__trace_is(s, "content-length")) {
        s->header = OSB__TRACE_LENGTH;
        s->left = 0;
    }
    if (osb__trace_is(s, "transfer-encoding")) s->header = OSB__TRACE_CODING;
}

/* A byte of a header's value; true: it belongs to a secret. */
static bool osb__trace_value(osb__trace_side *s, char c)
{
    if (!s->in_text && (c == ' ' || c == '\t')) return false;
    s->in_text = true;
    if (s->part == OSB__TRACE_TRAILERS) return s->secret;
    if (s->header == OSB__TRACE_CODING) s->chunked = true;
    if (s->header == OSB__TRACE_LENGTH) {
        s->has_length = true;
        s->left = osb__trace_is_digit(c) ? s->left * 10 + (uint64_t)(c - '0') : 0;
    }
    return s->secret;
}

/* A byte of the headers; true: it belongs to a secret. */
static bool osb__trace_headers(osb_trace *t, osb__trace_side *s, char c)
{
    if (c == '\r') return false;
    if (c == '\n') {
        bool end = !s->in_value && s->name_size == 0;
        if (end && s->part == OSB__TRACE_TRAILERS) osb__trace_begin_message(s);
        else if (end) osb__trace_head_end(t, s);
        else osb__trace_begin_line(s);
        return false;
    }
    if (s->in_value) return osb__trace_value(s, c);
    if (s->name_size == 0 && (c == ' ' || c == '\t')) { /* the header before goes on */
        s->in_value = true;
        return false;
    }
    if (c == ':') osb__trace_name_end(t, s);
    else if (c != ' ' && c != '\t') osb__trace_name(s, c);
    return false;
}

static int osb__trace_hex(char c)
{
    if (osb__trace_is_digit(c)) return c - '0';
    c = osb__trace_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A byte of a chunk's size; true: it is none. */
static bool osb__trace_chunk_size(osb__trace_side *s, char c)
{
    if (c == '\n') {
        s->part = s->left > 0 ? OSB__TRACE_CHUNK : OSB__TRACE_TRAILERS;
        s->extension = false;
        if (s->left == 0) osb__trace_begin_line(s);
        return false;
    }
    if (c == ';' || c == ' ' || c == '\t') s->extension = true;
    if (s->extension || c == '\r') return false;
    if (osb__trace_hex(c) < 0) {
        s->part = OSB__TRACE_LOST;
        return true;
    }
    s->left = s->left * 16 + (uint64_t)osb__trace_hex(c);
    return false;
}

/* A byte of a body or chunk; true: it belongs to a secret. */
static bool osb__trace_body(const osb_trace *t, osb__trace_side *s, char c)
{
    bool hide = osb__trace_json(t, s, c);
    if (s->left == OSB__TRACE_ENDLESS || --s->left > 0) return hide;
    if (s->part == OSB__TRACE_CHUNK) s->part = OSB__TRACE_CHUNK_END;
    else osb__trace_begin_message(s);
    return hide;
}

/* A byte of the dialogue; true: it is not to be shown. */
static bool osb__trace_take(osb_trace *t, osb__trace_side *s, char c)
{
    switch (s->part) {
    case OSB__TRACE_START:
        return osb__trace_start(t, s, c);
    case OSB__TRACE_HEADERS:
    case OSB__TRACE_TRAILERS:
        return osb__trace_headers(t, s, c);
    case OSB__TRACE_BODY:
    case OSB__TRACE_CHUNK:
        return osb__trace_body(t, s, c);
    case OSB__TRACE_CHUNK_SIZE:
        return osb__trace_chunk_size(s, c);
    case OSB__TRACE_CHUNK_END:
        if (c == '\n') s->part = OSB__TRACE_CHUNK_SIZE;
        else if (c != '\r') s->part = OSB__TRACE_LOST;
        return s->part == OSB__TRACE_LOST;
    case OSB__TRACE_UPGRADED:
        return s->sent;
    default:
        return true;
    }
}

/* ---- events ----------------------------------------------------------------------------------*/

static void osb__trace_tell(osb_trace *t, osb_trace_event *event, osb_trace_kind kind)
{
    event->kind = kind;
    event->time_ms = t->under.ops->now_ms(t->under.ctx);
    if (t->options.on_event != NULL) t->options.on_event(t->options.user, event);
}

static void osb__trace_simple(osb_trace *t, osb_trace_kind kind)
{
    osb_trace_event event;
    memset(&event, 0, sizeof event);
    osb__trace_tell(t, &event, kind);
}

static void osb__trace_failed(osb_trace *t)
{
    osb_trace_event event;
    memset(&event, 0, sizeof event);
    if (t->under.ops->error != NULL) event.data = t->under.ops->error(t->under.ctx, &event.code);
    if (event.data != NULL) event.size = strlen(event.data);
    osb__trace_tell(t, &event, OSB_TRACE_FAILED);
}

static void osb__trace_piece(osb_trace *t, const osb__trace_side *s, const char *data, size_t size,
                             bool hidden)
{
    osb_trace_event event;
    if (size == 0) return;
    memset(&event, 0, sizeof event);
    event.data = hidden ? "***" : data;
    event.size = hidden ? 3 : size;
    event.hidden = hidden;
    osb__trace_tell(t, &event, s->sent ? OSB_TRACE_SENT : OSB_TRACE_RECEIVED);
}

/* Shows bytes that went one way; of a secret only its beginning, as a mark. */
static void osb__trace_show(osb_trace *t, osb__trace_side *s, const char *data, size_t size)
{
    size_t shown = 0, i;
    for (i = 0; i < size; i++) {
        bool hide = osb__trace_take(t, s, data[i]);
        if (hide && !s->hiding) {
            osb__trace_piece(t, s, data + shown, i - shown, false);
            osb__trace_piece(t, s, data + i, 1, true);
        }
        if (hide) shown = i + 1;
        s->hiding = hide;
    }
    osb__trace_piece(t, s, data + shown, size - shown, false);
}

static void osb__trace_io_failed(osb_trace *t, int io)
{
    if (io == OSB_IO_CLOSED) osb__trace_simple(t, OSB_TRACE_ENDED);
    if (io == OSB_IO_FAILED) osb__trace_failed(t);
}

/* ---- the port --------------------------------------------------------------------------------*/

static void osb__trace_begin(osb_trace *t, const char *host, uint16_t port, bool tls)
{
    osb_trace_event event;
    memset(&t->out, 0, sizeof t->out);
    memset(&t->in, 0, sizeof t->in);
    t->out.sent = true;
    t->method = '\0';
    t->connecting = true;
    memset(&event, 0, sizeof event);
    event.data = host;
    event.size = strlen(host);
    event.port = port;
    event.tls = tls;
    osb__trace_tell(t, &event, OSB_TRACE_CONNECT);
}

static int osb__trace_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    osb_trace *t = (osb_trace *)ctx;
    int io;
    if (!t->connecting) osb__trace_begin(t, host, port, tls);
    io = (t->under.ops->connect)(t->under.ctx, host, port, tls);
    if (io == OSB_IO_WANT_READ || io == OSB_IO_WANT_WRITE || io == OSB_IO_AGAIN) return io;
    t->connecting = false;
    t->open = io == 0;
    if (io == 0) osb__trace_simple(t, OSB_TRACE_CONNECTED);
    osb__trace_io_failed(t, io);
    return io;
}

static int osb__trace_send(void *ctx, const void *data, size_t size)
{
    osb_trace *t = (osb_trace *)ctx;
    int io = (t->under.ops->send)(t->under.ctx, data, size);
    if (io > 0) osb__trace_show(t, &t->out, (const char *)data, (size_t)io);
    osb__trace_io_failed(t, io);
    return io;
}

static int osb__trace_recv(void *ctx, void *data, size_t size)
{
    osb_trace *t = (osb_trace *)ctx;
    int io = (t->under.ops->recv)(t->under.ctx, data, size);
    if (io > 0) osb__trace_show(t, &t->in, (const char *)data, (size_t)io);
    osb__trace_io_failed(t, io);
    return io;
}

static void osb__trace_close(void *ctx)
{
    osb_trace *t = (osb_trace *)ctx;
    (t->under.ops->close)(t->under.ctx);
    if (t->open || t->connecting) osb__trace_simple(t, OSB_TRACE_CLOSE);
    t->open = t->connecting = false;
}

static uint32_t osb__trace_now_ms(void *ctx)
{
    const osb_trace *t = (const osb_trace *)ctx;
    return t->under.ops->now_ms(t->under.ctx);
}

static void osb__trace_wait(void *ctx, unsigned want, uint32_t timeout_ms)
{
    const osb_trace *t = (const osb_trace *)ctx;
    t->under.ops->wait(t->under.ctx, want, timeout_ms);
}

static const char *osb__trace_error(void *ctx, int32_t *code)
{
    const osb_trace *t = (const osb_trace *)ctx;
    return t->under.ops->error(t->under.ctx, code);
}

static int osb__trace_random(void *ctx, void *data, size_t size)
{
    const osb_trace *t = (const osb_trace *)ctx;
    return t->under.ops->random(t->under.ctx, data, size);
}

static uint32_t osb__trace_unix_time(void *ctx)
{
    const osb_trace *t = (const osb_trace *)ctx;
    return t->under.ops->unix_time(t->under.ctx);
}

OSB_DEF osb_port osb_trace_port(osb_trace *trace, osb_port under, const osb_trace_options *options)
{
    osb_port port;
    memset(trace, 0, sizeof *trace);
    trace->under = under;
    trace->options = *options;
    trace->ops.connect = osb__trace_connect;
    trace->ops.send = osb__trace_send;
    trace->ops.recv = osb__trace_recv;
    trace->ops.close = osb__trace_close;
    trace->ops.now_ms = osb__trace_now_ms;
    trace->ops.tls = under.ops->tls;
    if (under.ops->wait != NULL) trace->ops.wait = osb__trace_wait;
    if (under.ops->error != NULL) trace->ops.error = osb__trace_error;
    if (under.ops->random != NULL) trace->ops.random = osb__trace_random;
    if (under.ops->unix_time != NULL) trace->ops.unix_time = osb__trace_unix_time;
    port.ops = &trace->ops;
    port.ctx = trace;
    return port;
}

#endif /* OSB_NO_TRACE */

#ifdef __cplusplus
}
#endif

#endif /* OSB__TRACE_IMPLEMENTED */
#endif /* OPENSANDBOX_IMPLEMENTATION */
