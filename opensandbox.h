/* opensandbox.h - v0.1.0 - OpenSandbox for C: one header, no heap, no threads, kilobytes of RAM

   Do this:
      #define OPENSANDBOX_IMPLEMENTATION
      #include "opensandbox.h"
      #include "port/osb_posix.h"
   in *one* C or C++ file to create the implementation; in every other file include both without the
   define. The second is the port for POSIX sockets: for other machines see PORTS. Needs jsmn.h
   (Debian: libjsmn-dev) to build; build/dist/opensandbox.h, made by `make dist`, has it inside.

      unsigned char memory[2048];
      osb_posix     tcp;
      osb_client    client;
      osb_sandbox   box;
      osb_execution run;
      osb_config    config = {.port = osb_posix_port(&tcp), .memory = memory, .memory_size = sizeof memory,
                              .domain = "localhost:8080", .api_key = "your-key"};
      osb_create_options options = {.image = "python:3.12"};
      osb_command        command = {.command = "echo hello"};
      osb_handlers       output  = {.on_output = print};

      osb_client_init(&client, &config);
      osb_sandbox_create(&client, &options, &box);
      osb_command_run(&box, &command, &output, &run);
      osb_sandbox_kill(&box);

   examples/quickstart.c is the same as a whole program, which looks at what each call returns.

   LICENSE: Apache-2.0, see the end of this file.

   WHAT IT IS
      OpenSandbox runs untrusted code in remote sandboxes. A lifecycle server creates them; inside
      each one execd runs commands and code and moves files; an egress sidecar holds its network
      policy and a credential vault. This file is a client for all of them, with its own HTTP/1.1:
      it asks a *port* (a table of a few functions that you give it) for connect, send, receive and
      time, and needs nothing else from the machine. No heap, no static state, no stdio, no float.

   WHERE TO FIND IT
      The names, in the order in which this file declares them:

         osb_client_, osb_poll, osb_want,    the client, blocking or polled; what went wrong in its
         osb_last_error, osb_error_text      last call
         osb_lifecycle_, osb_snapshot_       sandboxes by id, for a manager of many; snapshots
         osb_diagnostics_, osb_pool_         what the server knows of a sandbox that went wrong; pools
         osb_sandbox_, osb_endpoint_         one sandbox to work with: create, connect, kill; its ports
         osb_command_, osb_session_          shell commands: live, in the background, durable; bash
                                             sessions
         osb_code_, osb_rows_feed            the code interpreter; SQL results row by row
         osb_file_, osb_directory_           files of any size
         osb_pty_                            terminals, over WebSocket
         osb_metrics_, osb_isolated_         what it uses; sessions isolated from each other
         osb_egress_, osb_vault_             what the sandbox may reach, and with which credentials

      Calls that hand out many things (lists, entries of a map, output, files' bytes) take a
      function of yours, a handler, and call it for each of them as they stream by. What it is
      given lasts until it returns; if it returns non-zero, the call ends with OSB_E_CANCELLED.

   THE TWO STRUCTS AND THE ONE BUFFER
      osb_client is one connection and one call at a time. Everything that it needs besides itself
      is the working buffer that you give it in osb_config: 1 KB is enough to create, run and kill
      with output of any length, 2 KB for every call; 2 to 4 KB are recommended. osb_sandbox is a
      sandbox's id and the way to its execd. Both are yours to place; they must not move while a
      call is pending. Clients share nothing: use one per thread, task or concurrent stream.

      What goes over the wire may be larger than the buffer. Headers stream past, lists are handed
      out one element at a time, long text comes in pieces ("more follows"), requests are written
      piece by piece. Only a single member of a JSON object must fit: if it does not, you get
      OSB_E_BUFFER, and osb_last_error() names the member and a buffer size that is enough.

      Inputs are C strings. Outputs are views (osb_str: pointer and size, and a NUL behind it for
      your convenience) into the working buffer, good until the next call on that client. What
      must outlive a call (ids, endpoints) is copied into your struct. A struct that a call takes
      or fills may be NULL only where the call's comment says so; a handler may always be: what it
      would be given passes by. Calls that write a text into an array of yours return its whole
      length without the NUL: size or more means that it was cut, and a size of 0 only counts it.

   BLOCKING MODE AND POLL MODE
      If the port has `wait`, every call blocks until it is done and returns its status. If it has
      none, or osb_config.poll_mode is set, the same call returns OSB_PENDING, and what you passed
      in (options, handlers, output structs: no compound literals) must live until the call has
      ended. Call osb_poll() until it returns something other than OSB_PENDING: that is the call's
      status. osb_want() tells what osb_poll() waits for (read, write, a time), so that you can
      sleep or use epoll. Each osb_poll() does a bounded amount of work.

      Another call while one is pending, or from inside a handler, gives OSB_E_BUSY and changes
      nothing; osb_poll() and osb_client_close() are not for handlers at all. Handlers end the
      call by returning non-zero: it ends with OSB_E_CANCELLED, and the remote command is
      interrupted too, unless osb_command.keep_running or background is set. osb_cancel() does
      the same from outside.

   ERRORS
      Every call returns an osb_status: 0 is good, OSB_PENDING is 1, errors are negative. Details
      stand in osb_last_error(); osb_error_text() makes one line of them. A response that ended
      early is never a success: a command's stream that ends without its last event gives
      OSB_E_TRUNCATED, not exit code 0. No call can hang: each phase has a deadline. After any
      error the client is usable again.

      A request on a reused connection that dies before any answer is sent again, once, but only
      if that cannot run anything twice. Otherwise the error says `maybe_applied`.

      Nothing else is repeated, unless osb_config.extras asks for retries: these cannot run
      anything twice either (but a DELETE that comes twice may say OSB_E_NOT_FOUND).
      osb_command_run_durable and osb_pty_attach go on over broken connections without losing or
      repeating a byte of output; osb_file_read can (osb_read_options.resumptions);
      osb_sandbox_find finds a sandbox whose create was cut off.

   SECURITY
      The API key goes only to the lifecycle server's origin, an endpoint's headers only to that
      endpoint (but see osb_egress_options.allow_execd_route). Redirects are refused. CR, LF and
      NUL cannot get into a request line or header. The request is wiped from the working buffer
      as soon as it is sent. https on a port without TLS is an error, never a downgrade.

   PORTS
      port/osb_posix.h is the port for POSIX sockets and those of lwIP, ESP-IDF and Zephyr,
      osb_win32.h for Winsock, osb_lwip.h for lwIP without an OS. Over any of them: osb_mbedtls.h
      for https, osb_proxy.h, osb_trace.h. A port of your own is a const osb_port_ops and a context
      of yours: examples/port_skeleton.c is the commented skeleton.

   CANCELLING FROM ELSEWHERE
      osb_cancel() sets one byte, and may be called from another thread or an interrupt. A blocking
      call notices it within 100 ms; in poll mode the next osb_poll() does, so wake your loop.

   LIMITS, HONESTLY
      One call at a time on a client. HTTP/1.1 only, no compression (no OpenSandbox server has
      any), no redirects. A text piece's size depends on the buffer and on how the network cuts
      the stream. Deadlines are at most 2^31-1 ms. Years 1970 to 2105 in renew, and no more than
      49 days since the lifecycle server's last answer. Text is handed out as the server sent it;
      lone surrogates in JSON become U+FFFD. An event whose text is larger than the buffer must
      name its type before its text (execd does). JSON may be nested 32 deep; of members that
      nobody asks for only the structure is checked. A request is written anew for each window,
      so that one of megabytes wants a buffer of more than 1 KB, or a body from a source. Without
      osb_port_ops.random the boundary of an upload and the keys of a WebSocket are made from the
      clock: give your port one if others may choose what you upload.
*/
#ifndef OPENSANDBOX_H
#define OPENSANDBOX_H

/* The version as text, and as 10000 * major + 100 * minor + patch for #if. */
#define OSB_VERSION "0.1.0"
#define OSB_VERSION_NUMBER 100

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- configuration macros: define them before the include, alike in every file ---------------

   Calls that you do not make cost no flash if the linker may drop them (-ffunction-sections,
   -fdata-sections, -Wl,--gc-sections). OSB_NO_... also leaves out what other calls do for them.

   OSB_STATIC                  make every public function static (with the implementation only)
   OSB_DEF                     or say yourself how public functions are declared
   OSB_NO_ADMIN                leave out what only a manager of sandboxes needs: osb_lifecycle_ but
                               for _kill and _endpoint, and osb_sandbox_resume, _find, _get_info,
                               _pause and _renew
   OSB_NO_CREATE_EXTRAS        leave out volumes, network policy, platform, image login and
                               resource requests of osb_create_options
   OSB_NO_BACKGROUND           leave out command status, logs, interrupt, wait, and what
                               OSB_NO_DURABLE leaves out
   OSB_NO_DURABLE              leave out osb_command_run_durable, _follow and _recover
   OSB_NO_RAW_REQUEST          leave out osb_endpoint_request
   OSB_NO_EXTRAS               leave out retries, the log hook and rewritten addresses
   OSB_NO_ERROR_TEXT           leave out osb_error_text and the status texts
   OSB_NO_SNAPSHOTS, OSB_NO_DIAGNOSTICS, OSB_NO_POOLS, OSB_NO_SESSIONS, OSB_NO_CODE,
   OSB_NO_FILES, OSB_NO_METRICS, OSB_NO_PTY, OSB_NO_ISOLATED, OSB_NO_EGRESS, OSB_NO_VAULT
                               leave out these services
   OSB_MEMCPY, OSB_MEMMOVE,    what to use instead of <string.h>'s: no more of the C library is
   OSB_MEMSET, OSB_MEMCMP      called, but without -ffreestanding gcc may make a strlen of a loop
   OSB_ATOMIC_LOAD(byte),      how osb_cancel's byte is read and written; default: the compiler's
   OSB_ATOMIC_STORE(byte, v)   atomics (gcc, clang), else a plain volatile access

   Sizes inside the structs. osb_client_init() notices when two files disagree about them. */
#ifndef OSB_ID_SIZE
#define OSB_ID_SIZE 64 /* a sandbox's or command's id with its NUL */
#endif
#ifndef OSB_LANGUAGE_SIZE
#define OSB_LANGUAGE_SIZE 16 /* a programming language's name with its NUL */
#endif
#ifndef OSB_ENDPOINT_SIZE
#define OSB_ENDPOINT_SIZE 192 /* an endpoint's address with its NUL */
#endif
#ifndef OSB_ENDPOINT_HEADERS_SIZE
#define OSB_ENDPOINT_HEADERS_SIZE 256 /* an endpoint's header names and values, NUL after each */
#endif
/* The structs of a list's elements, in which these are, have to stay below 512 bytes. */
#if OSB_ID_SIZE > 384 || OSB_LANGUAGE_SIZE > 64
#error "opensandbox.h: OSB_ID_SIZE is 384 at most, OSB_LANGUAGE_SIZE 64"
#endif
#if OSB_ENDPOINT_SIZE > 510 || OSB_ENDPOINT_HEADERS_SIZE > 510
#error "opensandbox.h: OSB_ENDPOINT_SIZE and OSB_ENDPOINT_HEADERS_SIZE are 510 at most"
#endif

#ifndef OSB_DEF
#if defined(OSB_STATIC) && (defined(__GNUC__) || defined(__clang__))
#define OSB_DEF static __attribute__((unused)) /* no program calls them all */
#elif defined(OSB_STATIC)
#define OSB_DEF static
#else
#define OSB_DEF extern
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- values ----------------------------------------------------------------------------------*/

/* A view of bytes that somebody else owns; text unless said otherwise. data is NULL if absent. */
typedef struct osb_str {
    const char *data;
    size_t size;
} osb_str;

/* Whether a view holds exactly this C string. */
OSB_DEF bool osb_str_equal(osb_str view, const char *text);

/* A name and a value: headers, environment, metadata. A NULL value is JSON null where the API
   knows null (metadata patch, env); elsewhere such a pair is left out. */
typedef struct osb_pair {
    const char *name;
    const char *value;
} osb_pair;

/* Numbers for which zero is a value and absence is another: uid, gid, exit codes. */
typedef struct osb_u32 {
    bool set;
    uint32_t value;
} osb_u32;

/* The same with a sign. */
typedef struct osb_i32 {
    bool set;
    int32_t value;
} osb_i32;

/* ---- status ----------------------------------------------------------------------------------*/

/* name, value, one line. "Any call" means each call that talks to a server. */
#define OSB_STATUS_LIST(X)                                                                         \
    X(OSB_OK, 0, "ok")                                                                             \
    /* Poll mode, any call and osb_poll: not done yet, call osb_poll again. */                     \
    X(OSB_PENDING, 1, "pending")                                                                   \
    /* Any call: what it needs is missing, or cannot be sent; error.message says which. */         \
    X(OSB_E_INVALID, -1, "invalid argument")                                                       \
    /* Any call: another is pending on this client, a handler is running, or its init failed. */   \
    X(OSB_E_BUSY, -2, "client is busy with another call")                                          \
    /* Any call: error.member does not fit into error.buffer; error.needed bytes would do. */      \
    X(OSB_E_BUFFER, -3, "buffer too small")                                                        \
    /* Any call with an https address: the port has no TLS. */                                     \
    X(OSB_E_NO_TLS, -4, "https needs a port with TLS")                                             \
    /* Any call: name not found, port closed, no route, TLS refused; see error.port_text. */       \
    X(OSB_E_CONNECT, -5, "cannot connect")                                                         \
    /* Any call: the connection broke, or was closed before the answer was whole. */               \
    X(OSB_E_CLOSED, -6, "connection closed before the answer was complete")                        \
    /* Any call: a deadline passed: connect, request, or silence on a stream. */                   \
    X(OSB_E_TIMEOUT, -7, "timed out")                                                              \
    /* Any call: a handler returned non-zero, or osb_cancel was called. */                         \
    X(OSB_E_CANCELLED, -8, "cancelled")                                                            \
    /* Any call: what came is not HTTP/1.1, or its framing is ambiguous. */                        \
    X(OSB_E_PROTOCOL, -9, "not valid HTTP")                                                        \
    /* Any call: a 3xx answer; error.message is its Location. Never followed. */                   \
    X(OSB_E_REDIRECT, -10, "redirect refused")                                                     \
    /* Any call with a JSON answer or events: not JSON, or not of the API's shape. */              \
    X(OSB_E_JSON, -11, "answer is not the JSON that the API promises")                             \
    /* Any call: 401 or 403: the API key or an endpoint's token is wrong or missing. */            \
    X(OSB_E_AUTH, -12, "not authorized")                                                           \
    /* Any call: 404: no such sandbox, command, route. */                                          \
    X(OSB_E_NOT_FOUND, -13, "not found")                                                           \
    /* Any call: another status that is not 2xx; see error.http_status and error.code. */          \
    X(OSB_E_API, -14, "refused by the server")                                                     \
    /* Any run of a command or code: execd reported a failure of its own inside the stream. */     \
    X(OSB_E_STREAM, -15, "execution failed in the server")                                         \
    /* Any run: the stream ended without its last event; the exit code is unknown. */              \
    X(OSB_E_TRUNCATED, -16, "stream ended before the execution's end")                             \
    /* osb_sandbox_create, _connect, _resume, ..._wait: error.cause is the last try's. */          \
    X(OSB_E_NOT_READY, -17, "not ready in time")                                                   \
    /* The same: Failed, Terminated, ...; error.code: the state. */                                \
    X(OSB_E_STATE, -18, "in a state that it does not leave")                                       \
    /* ..._renew: nobody knows the time: no Date from the server, no clock in the port. */         \
    X(OSB_E_CLOCK, -19, "no clock")                                                                \
    /* osb_file_upload: another size than was sent; osb_file_read: than before it broke off. */    \
    X(OSB_E_VERIFY, -20, "not what was sent")

typedef enum osb_status {
#define OSB__STATUS_ENUM(name, value, text) name = (value),
    OSB_STATUS_LIST(OSB__STATUS_ENUM)
#undef OSB__STATUS_ENUM
} osb_status;

/* The status as its name, e.g. "OSB_E_TIMEOUT". Static text. */
OSB_DEF const char *osb_status_name(osb_status status);

/* What went wrong in the last call. Views last until the next call on the client. */
typedef struct osb_error {
    osb_status status;
    osb_status cause;       /* OSB_E_NOT_READY: the last try's own status; else the status */
    const char *operation;  /* "POST /sandboxes/{id}/pause"; static text */
    osb_str target;         /* the host and port it was meant for, with no NUL behind it; an invalid
                               address as it is */
    uint16_t http_status;   /* 0: no answer came */
    bool maybe_applied;     /* the request went out, and no whole answer says what it did */
    bool message_cut;       /* message is only the beginning of what the server wrote */
    osb_str code;           /* server's code, e.g. "DOCKER::SANDBOX_NOT_FOUND", or the state */
    osb_str message;        /* server's message, or what the library has to say */
    osb_str request_id;     /* X-Request-ID of the answer */
    uint32_t retry_after_s; /* Retry-After in seconds; 0: none was sent */
    int32_t port_code;      /* the platform's own code: errno, a TLS code */
    const char *port_text;  /* and its text, from the port; NULL: none */
    const char *member;     /* OSB_E_BUFFER, OSB_E_JSON: the JSON member; NULL: none. Static text */
    const char *buffer;     /* OSB_E_BUFFER: which buffer or array is too small. Static text */
    size_t needed;          /* OSB_E_BUFFER: its size in bytes that would have been enough so far */
} osb_error;

/* ---- the port: what the library asks of the machine ------------------------------------------*/

/* Answers of connect, send and recv that are not a count of bytes. */
#define OSB_IO_WANT_READ (-1)  /* not now: ask again when the connection is readable */
#define OSB_IO_WANT_WRITE (-2) /* not now: ask again when the connection is writable */
#define OSB_IO_CLOSED (-3)     /* the peer closed its side in good order */
#define OSB_IO_FAILED (-4)     /* broken; `error` has the reason */
#define OSB_IO_AGAIN (-5)      /* not yet: ask again at once (a handshake that computes in parts) */

#define OSB_WANT_READ 1u  /* bits for `wait`: until readable, */
#define OSB_WANT_WRITE 2u /* until writable */

/* One connection at a time. No function but `wait` (and a name look-up in `connect`, if the
   platform has no other) may block. */
typedef struct osb_port_ops {
    /* Begins or continues a connect. Called again, with the same arguments, while it answers
       OSB_IO_WANT_... or OSB_IO_AGAIN; 0: connected. host is a name or a literal address without
       brackets. tls: wrap it in TLS and verify the host; only asked of ports whose `tls` is set. */
    int (*connect)(void *ctx, const char *host, uint16_t port, bool tls);
    /* Sends up to size bytes (1 or more); returns how many, or OSB_IO_.... After OSB_IO_WANT_...
       the same bytes come again. */
    int (*send)(void *ctx, const void *data, size_t size);
    /* Receives 1 to size bytes; returns how many, or OSB_IO_.... Never 0. */
    int (*recv)(void *ctx, void *data, size_t size);
    /* Ends the connection, whatever its state. Called also when there is none. */
    void (*close)(void *ctx);
    /* Milliseconds of a monotonic clock; may wrap. */
    uint32_t (*now_ms)(void *ctx);
    /* Blocks until the connection is ready for one of `want` (OSB_WANT_ bits; 0: just sleep) or
       timeout_ms have passed; may return early. NULL: the port is for poll mode only. */
    void (*wait)(void *ctx, unsigned want, uint32_t timeout_ms);
    /* The last failure: the platform's code into *code, and a text that lives as long as ctx or
       NULL. NULL: the port has nothing to tell. */
    const char *(*error)(void *ctx, int32_t *code);
    /* Fills data with random bytes; 0 on success. NULL: none; the boundaries of uploads, WebSocket's
       keys and the pauses between retries are made from the clock then. TLS over it may need it. */
    int (*random)(void *ctx, void *data, size_t size);
    /* Seconds since 1970, or 0 if unknown. NULL: no such clock. */
    uint32_t (*unix_time)(void *ctx);
    /* Whether connect can do TLS. */
    bool tls;
} osb_port_ops;

/* A port and what its functions get as ctx. */
typedef struct osb_port {
    const osb_port_ops *ops;
    void *ctx;
} osb_port;

/* ---- client ----------------------------------------------------------------------------------*/

/* A connection and the call that is under way on it. The struct itself stands at the end. */
typedef struct osb_client osb_client;

/* A sandbox to work with: see "sandbox: create, connect, use, kill". */
typedef struct osb_sandbox osb_sandbox;

#ifndef OSB_NO_EXTRAS
/* How much the log is told; see osb_extras. */
typedef enum osb_log_level {
    OSB_LOG_ERROR = 1, /* requests that failed */
    OSB_LOG_INFO,      /* each request */
    OSB_LOG_DEBUG      /* and each repeat of one */
} osb_log_level;

/* What the log tells of a request. No secrets: names and ids, no queries, headers or bodies. Views
   last until the hook returns. */
typedef struct osb_log_entry {
    osb_log_level level;
    const char *operation; /* "POST /sandboxes/{id}/pause"; static text */
    const char *id;        /* what stands in the operation's braces; NULL: nothing */
    osb_str target;        /* host[:port], with no NUL behind it */
    osb_status status;
    uint16_t http_status;                /* 0: no answer came */
    uint16_t attempt;                    /* 0: the first */
    uint32_t took_ms;                    /* with the time that connecting took */
    uint32_t pause_ms;                   /* OSB_LOG_DEBUG: it is sent again after this time */
    uint32_t sent_bytes, received_bytes; /* modulo 2^32 */
} osb_log_entry;

/* What a client does beside its calls. All of it is off by default. */
typedef struct osb_extras {
    /* How many times a request that failed is sent again, 255 at most: if the connection could not
       be made or broke before an answer came, if none came in time, or if it was 429, 502, 503 or
       504. A POST or PATCH only if no byte of it had been sent, or after 429: never one that may
       have had its effect. Uploads always: writing a file twice is writing it once. */
    uint32_t retries;
    const uint16_t *retry_statuses; /* other HTTP statuses than these four; default: NULL */
    size_t retry_status_count;
    uint32_t backoff_ms;      /* pause before the first repeat; doubled each time, a part of it
                                 random; default 500 */
    uint32_t backoff_most_ms; /* longest pause; a longer Retry-After ends it; default 30000 */
    /* One entry for each request, up to log_level. */
    osb_log_level log_level;
    void *user;
    void (*on_log)(void *user, const osb_log_entry *entry);
    /* Endpoints' addresses that are not reachable as they are: host[:port], and what to use. A host
       alone stands for all its ports; they stay where what to use has none. The first one counts. */
    const osb_pair *rewrites;
    size_t rewrite_count;
} osb_extras;

/* A log entry as a line: "POST /sandboxes/1f/pause at localhost:8080: HTTP 202, 13 ms, 210 bytes
   sent, 120 received". Writes at most size bytes with a NUL; returns the whole length. */
OSB_DEF size_t osb_log_text(const osb_log_entry *entry, char *out, size_t size);
#endif

/* Where the lifecycle server is and how to reach it. Copied by osb_client_init; what its
   pointers point at must live as long as the client. */
typedef struct osb_config {
    osb_port port;
    void *memory;        /* the working buffer: 1 KB or more */
    size_t memory_size;  /* its size in bytes */
    const char *domain;  /* host[:port], scheme and trailing /v1 allowed; default localhost:8080 */
    const char *api_key; /* sent to the domain's origin only; default: none */
    const osb_pair *headers; /* extra headers for every request to every server; default: none */
    size_t header_count;
    const char *user_agent;      /* default opensandbox.h/VERSION */
    uint32_t connect_timeout_ms; /* default 10000 */
    /* Send a request and get its whole answer, with what handlers take meanwhile; default 30000 */
    uint32_t request_timeout_ms;
    /* Instead of it where events or bytes stream (runs, logs, files, reports, your own requests):
       the server's longest silence; execd pings every 3 s; default 30000 */
    uint32_t idle_timeout_ms;
    bool https;            /* the protocol if the domain names none; default http */
    bool use_server_proxy; /* reach sandboxes through the lifecycle server; default false */
    bool poll_mode;        /* calls return OSB_PENDING even if the port can wait */
#ifndef OSB_NO_EXTRAS
    const osb_extras *extras; /* retries, log, other addresses; default: none */
#endif
} osb_config;

/* Prepares a client; no traffic. Returns OSB_E_INVALID if the port or the memory is missing or
   too small, or if a file was compiled with other sizes than the implementation; calls on the
   client then give OSB_E_BUSY, and osb_last_error() still has the reason. */
#define osb_client_init(client, config) osb_client_init_checked((client), (config), OSB__SIZES)
#define OSB__SIZES                                                                                 \
    ((uint32_t)sizeof(osb_client) * 0x9e3779b1u +                                                  \
     (uint32_t)sizeof(osb_create_options) * 0x85ebca77u + (uint32_t)OSB_ID_SIZE +                  \
     (uint32_t)OSB_LANGUAGE_SIZE * 511u + (uint32_t)OSB_ENDPOINT_SIZE * 261121u +                  \
     (uint32_t)OSB_ENDPOINT_HEADERS_SIZE * 133432831u)
OSB_DEF osb_status osb_client_init_checked(osb_client *client, const osb_config *config,
                                           uint32_t struct_sizes);

/* Ends a pending call (osb_poll then says OSB_E_CANCELLED) and the connection; wipes the working
   buffer. The client may be used again after osb_client_init. Not for handlers. */
OSB_DEF void osb_client_close(osb_client *client);

/* Poll mode: moves the pending call on by a bounded amount of work. OSB_PENDING: not done yet;
   anything else: the call's status. Without a pending call: the last call's status. */
OSB_DEF osb_status osb_poll(osb_client *client);

/* When to call osb_poll: at once if `now` is set, else as soon as one of the others is so. Without
   a pending call all are false or 0. */
typedef struct osb_wait {
    bool now;
    bool read;           /* the port's connection is readable */
    bool write;          /* it is writable */
    uint32_t timeout_ms; /* this time has passed */
} osb_wait;

/* Tells when to call osb_poll next. */
OSB_DEF void osb_want(const osb_client *client, osb_wait *wait);

/* Asks the pending call to end with OSB_E_CANCELLED; takes effect in the next osb_poll, or within
   100 ms in blocking mode. What the call then cleans up (it interrupts a command, kills a sandbox
   that is not ready) comes first; a second osb_cancel ends that. The only call that another thread
   or an interrupt may make. */
OSB_DEF void osb_cancel(osb_client *client);

/* Details of the last call that failed; valid until the next call on the client. */
OSB_DEF const osb_error *osb_last_error(const osb_client *client);

#ifndef OSB_NO_ERROR_TEXT
/* The last error as one line of text: "POST /sandboxes at localhost:8080: not authorized: HTTP 401:
   MISSING_API_KEY: ...". Writes at most size bytes with a NUL; returns the length of the whole
   line, so that a result >= size means that it was cut. */
OSB_DEF size_t osb_error_text(const osb_client *client, char *out, size_t size);
#endif

/* How many bytes of working buffer would have been enough for all calls so far: 1 KB is in any case
   the least, and where a text came in pieces it is all of the buffer. An error's text may want more. */
OSB_DEF size_t osb_buffer_peak(const osb_client *client);

/* ---- lifecycle: sandboxes by id --------------------------------------------------------------*/

/* A way into a sandbox: an address and the headers that go with each request to it. */
typedef struct osb_endpoint {
    char address[OSB_ENDPOINT_SIZE];         /* host[:port][/prefix], no scheme */
    char headers[OSB_ENDPOINT_HEADERS_SIZE]; /* name NUL value NUL ..., ends with an empty name */
    bool https;                              /* the protocol; else http */
} osb_endpoint;

/* Which address of a port is wanted. */
typedef struct osb_endpoint_options {
    uint32_t expires_unix_s; /* a signed address, good until then, never through the lifecycle
                                server; 0: not signed */
    bool use_server_proxy;   /* through the lifecycle server, whatever osb_config says */
    bool no_server_proxy;    /* directly, whatever osb_config says */
} osb_endpoint_options;

#if !defined(OSB_NO_CREATE_EXTRAS) || !defined(OSB_NO_EGRESS)
/* An outbound rule: action "allow" or "deny", target a host name, or "*.example.com" for all names
   below it, without itself. */
typedef struct osb_network_rule {
    const char *action;
    const char *target;
} osb_network_rule;

/* What a sandbox may reach. */
typedef struct osb_network_policy {
    const char *default_action; /* "allow" or "deny"; default: deny */
    const osb_network_rule *egress;
    size_t egress_count;
} osb_network_policy;
#endif

#ifndef OSB_NO_CREATE_EXTRAS

/* A directory of the machine that the sandbox runs on. */
typedef struct osb_host_volume {
    const char *path; /* absolute; which ones are allowed is up to the server */
} osb_host_volume;

/* A volume claim of Kubernetes, or a named volume of Docker. */
typedef struct osb_pvc_volume {
    const char *claim_name;
    const char *storage_class; /* this and the next two: if the claim is made for the sandbox */
    const char *storage;       /* "10Gi" */
    const char *const *access_modes; /* "ReadWriteOnce" */
    size_t access_mode_count;
    bool must_exist;                    /* do not make it if it is missing */
    bool delete_on_sandbox_termination; /* if it was made for the sandbox; Docker only */
} osb_pvc_volume;

/* A bucket of an object store. */
typedef struct osb_ossfs_volume {
    const char *bucket;
    const char *endpoint;
    const char *version; /* "1.0" or "2.0"; default: 2.0 */
    const char *const *options;
    size_t option_count;
    const char *access_key_id;
    const char *access_key_secret;
} osb_ossfs_volume;

/* Storage mounted into a sandbox: exactly one of host, pvc and ossfs. */
typedef struct osb_volume {
    const char *name;       /* one of its own: a-z, 0-9, -, 63 at most */
    const char *mount_path; /* where the sandbox sees it; absolute */
    const char *sub_path;   /* the part of it that is mounted; default: all */
    const osb_host_volume *host;
    const osb_pvc_volume *pvc;
    const osb_ossfs_volume *ossfs;
    bool read_only;
} osb_volume;
#endif

/* The caller's own test of readiness instead of execd's ping. The client is idle while it runs:
   it may make one call on it, but none that makes box ready anew (osb_lifecycle_resume does not).
   Returns OSB_OK (ready), OSB_PENDING (ask again) or an error, which ends the wait. In poll mode,
   when its call returned OSB_PENDING, it returns OSB_PENDING and is asked again with that call's
   outcome in `last`; `last` is OSB_PENDING otherwise. osb_cancel ends the check's call and the one
   that waits; then the check is not asked again. */
typedef osb_status (*osb_ready_check)(void *user, osb_sandbox *box, osb_status last);

/* How osb_sandbox_create, _connect and _resume wait until the sandbox is ready. */
typedef struct osb_ready_options {
    uint32_t timeout_ms;    /* from the answer to create or resume on; default 30000 */
    uint32_t interval_ms;   /* between two tries; default 200. If less is left, none follows */
    osb_ready_check check;  /* instead of GET {execd}/ping; default: ping */
    void *user;             /* for check */
    uint16_t execd_port;    /* default 44772 */
    bool skip_health_check; /* only resolve execd's endpoint: no waiting for Running, no ping */
} osb_ready_options;

/* What to create: an image or a snapshot, and how. Absent is NULL or 0. */
typedef struct osb_create_options {
    const char *image; /* "python:3.12"; this or snapshot_id (or a poolRef extension) */
    const char *snapshot_id;
    const char *const *entrypoint; /* default for an image {"tail", "-f", "/dev/null"} */
    size_t entrypoint_count;
    uint32_t ttl_s;        /* the sandbox ends by itself after this time; 60 or more; default 600 */
    bool no_expiry;        /* it lives until it is killed, if the server agrees; ttl_s is ignored */
    bool credential_proxy; /* let the egress sidecar inject credentials; needs network_policy */
    bool secure_access;    /* endpoints need headers that the server makes up; Kubernetes only */
    bool keep_on_failure;  /* osb_sandbox_create: do not kill a sandbox that did not get ready */
    const osb_pair *resource; /* default, but from a pool, {"cpu","1"}, {"memory","2Gi"} */
    size_t resource_count;
    const osb_pair *env; /* a NULL value is sent as null */
    size_t env_count;
    /* Labels as Kubernetes has them: values of up to 63 letters, digits, '.', '_' and '-'. One of your
       own making finds the sandbox again if the answer is lost: osb_sandbox_find. */
    const osb_pair *metadata;
    size_t metadata_count;
    const osb_pair *extensions;
    size_t extension_count;
#ifndef OSB_NO_CREATE_EXTRAS
    const char *image_username; /* for a private registry, with image_password */
    const char *image_password;
    const char *platform_os;   /* "linux", "windows"; with platform_arch */
    const char *platform_arch; /* "amd64", "arm64" */
    const osb_pair *resource_requests;
    size_t resource_request_count;
    const osb_network_policy *network_policy;
    const osb_volume *volumes;
    size_t volume_count;
#endif
    uint32_t create_timeout_ms; /* servers pull the image before they answer; default 300000 */
    osb_ready_options ready;    /* osb_sandbox_create only */
} osb_create_options;

/* One sandbox as the server describes it. Views; absent members have data NULL. Times are
   RFC 3339. States are open text: Pending, Running, Pausing, Paused, Resuming, Stopping,
   Terminated, Failed and others. */
typedef struct osb_sandbox_info {
    osb_str id;
    osb_str image;
    osb_str snapshot_id;
    osb_str platform_os;
    osb_str platform_arch;
    osb_str state;
    osb_str reason;
    osb_str message;
    osb_str last_transition_at;
    osb_str created_at;
    osb_str expires_at; /* absent: it does not expire */
} osb_sandbox_info;

/* An entry of one of an answer's maps or arrays, handed out as it arrives. */
typedef struct osb_entry {
    const char *member; /* "metadata", "extensions", "entrypoint"; static text */
    osb_str key;        /* empty in arrays */
    osb_str value;
} osb_entry;

/* Called while a description streams in: first each entry of its maps and arrays, then the
   sandbox that they belong to. Views last until the handler returns. Non-zero cancels. */
typedef struct osb_info_handlers {
    void *user;
    int (*on_entry)(void *user, const osb_entry *entry);
    int (*on_sandbox)(void *user, const osb_sandbox_info *info); /* lists only */
} osb_info_handlers;

/* Asks for the server's own health. GET /health (no /v1, no key needed) */
OSB_DEF osb_status osb_server_health(osb_client *client);

/* Ends a sandbox. DELETE /sandboxes/{id} */
OSB_DEF osb_status osb_lifecycle_kill(osb_client *client, const char *id);

/* The address of a port inside a sandbox, with the headers that it wants. options may be NULL.
   OSB_E_BUFFER: address or headers are longer than OSB_ENDPOINT_SIZE, OSB_ENDPOINT_HEADERS_SIZE.
   GET /sandboxes/{id}/endpoints/{port} */
OSB_DEF osb_status osb_lifecycle_endpoint(osb_client *client, const char *id, uint16_t port,
                                          const osb_endpoint_options *options,
                                          osb_endpoint *endpoint);

#ifndef OSB_NO_ADMIN
/* Creates a sandbox and returns as soon as the server answers: not ready yet, see
   osb_sandbox_create for that. handlers may be NULL. POST /sandboxes */
OSB_DEF osb_status osb_lifecycle_create(osb_client *client, const osb_create_options *options,
                                        const osb_info_handlers *handlers, osb_sandbox_info *info);

/* Describes a sandbox. handlers may be NULL. GET /sandboxes/{id} */
OSB_DEF osb_status osb_lifecycle_get(osb_client *client, const char *id,
                                     const osb_info_handlers *handlers, osb_sandbox_info *info);

/* Which sandboxes to list. */
typedef struct osb_sandbox_filter {
    uint32_t page;             /* 1 is the first; default 1 */
    uint32_t page_size;        /* 1 to 200; default: the server's, 20 */
    const char *const *states; /* any of these; default: all */
    size_t state_count;
    const osb_pair *metadata; /* all of these */
    size_t metadata_count;
} osb_sandbox_filter;

/* The page of a list: what on_sandbox gets, and at the end the page's own numbers. */
typedef struct osb_sandbox_page {
    uint32_t page;
    uint32_t page_size;
    uint32_t total_items;
    uint32_t total_pages;
    bool has_next_page;
    osb_sandbox_info item; /* the sandbox being handed out */
} osb_sandbox_page;

/* Lists one page of sandboxes, newest first, each through handlers->on_sandbox. filter may be
   NULL. However long the list, the buffer holds one sandbox at a time. GET /sandboxes */
OSB_DEF osb_status osb_lifecycle_list(osb_client *client, const osb_sandbox_filter *filter,
                                      const osb_info_handlers *handlers, osb_sandbox_page *page);

/* Stops a sandbox's processes and keeps its state. May go on after the answer (Pausing).
   POST /sandboxes/{id}/pause */
OSB_DEF osb_status osb_lifecycle_pause(osb_client *client, const char *id);

/* Lets a paused sandbox run again; not ready yet, see osb_sandbox_resume for that.
   POST /sandboxes/{id}/resume */
OSB_DEF osb_status osb_lifecycle_resume(osb_client *client, const char *id);

/* Sets the end of a sandbox to ttl_s from now (the server's now: its last Date header). The new
   end (RFC 3339) goes to expires_at, which may be NULL. POST /sandboxes/{id}/renew-expiration */
OSB_DEF osb_status osb_lifecycle_renew(osb_client *client, const char *id, uint32_t ttl_s,
                                       osb_str *expires_at);

/* Changes metadata: a value sets, a NULL value deletes. handlers and info may be NULL.
   PATCH /sandboxes/{id}/metadata */
OSB_DEF osb_status osb_lifecycle_patch_metadata(osb_client *client, const char *id,
                                                const osb_pair *metadata, size_t count,
                                                const osb_info_handlers *handlers,
                                                osb_sandbox_info *info);
#endif

/* ---- lifecycle: pages and waiting ------------------------------------------------------------*/

/* How the ..._wait calls wait. A question that fails (osb_extras.retries included) ends the wait. */
typedef struct osb_wait_options {
    uint32_t timeout_ms;  /* default 300000; then OSB_E_NOT_READY, error.code: the last state */
    uint32_t interval_ms; /* between two questions; default 1000. If less is left, none follows */
} osb_wait_options;

#ifndef OSB_NO_ADMIN
/* Lists all pages of sandboxes as one iteration: osb_lifecycle_list for each page from
   filter->page on. page ends as the last one. GET /sandboxes */
OSB_DEF osb_status osb_lifecycle_list_all(osb_client *client, const osb_sandbox_filter *filter,
                                          const osb_info_handlers *handlers,
                                          osb_sandbox_page *page);

/* Asks for a sandbox until its state is this one ("Paused", "Running"). OSB_E_STATE: it is Failed
   or Terminated instead; error.code is the state. OSB_E_NOT_FOUND: the server has it no more, as
   after a kill. options may be NULL. GET /sandboxes/{id} */
OSB_DEF osb_status osb_lifecycle_wait(osb_client *client, const char *id, const char *state,
                                      const osb_wait_options *options, osb_sandbox_info *info);
#endif

#ifndef OSB_NO_SNAPSHOTS
/* ---- lifecycle: snapshots --------------------------------------------------------------------*/

/* A snapshot as the server describes it. Views but for the id; absent ones have data NULL. Times are
   RFC 3339. States are open text: Creating, Ready, Failed, Deleting. */
typedef struct osb_snapshot {
    char id[OSB_ID_SIZE];
    osb_str sandbox_id;
    osb_str name;
    osb_str state;
    osb_str reason;
    osb_str message;
    osb_str last_transition_at;
    osb_str created_at;
} osb_snapshot;

/* Begins a snapshot of a running sandbox, which may pause meanwhile; name may be NULL. Not Ready yet:
   osb_snapshot_wait. To use it: osb_create_options.snapshot_id. POST /sandboxes/{id}/snapshots */
OSB_DEF osb_status osb_snapshot_create(osb_client *client, const char *sandbox_id, const char *name,
                                       osb_snapshot *snapshot);

/* Describes a snapshot. GET /snapshots/{id} */
OSB_DEF osb_status osb_snapshot_get(osb_client *client, const char *id, osb_snapshot *snapshot);

/* Ends a snapshot; 409 while it is Creating. DELETE /snapshots/{id} */
OSB_DEF osb_status osb_snapshot_delete(osb_client *client, const char *id);

/* Asks for a snapshot until it is Ready. OSB_E_STATE: it Failed. options may be NULL.
   GET /snapshots/{id} */
OSB_DEF osb_status osb_snapshot_wait(osb_client *client, const char *id,
                                     const osb_wait_options *options, osb_snapshot *snapshot);

/* Which snapshots to list. */
typedef struct osb_snapshot_filter {
    uint32_t page;      /* 1 is the first; default 1 */
    uint32_t page_size; /* 1 to 200; default: the server's, 20 */
    const char *sandbox_id;
    const char *name;          /* older servers ignore it: look at each one's own */
    const char *const *states; /* any of these; default: all */
    size_t state_count;
} osb_snapshot_filter;

/* The page of a list: what on_snapshot gets is item; at the end the page's own numbers. */
typedef struct osb_snapshot_page {
    uint32_t page;
    uint32_t page_size;
    uint32_t total_items;
    uint32_t total_pages;
    bool has_next_page;
    osb_snapshot item; /* the snapshot being handed out */
} osb_snapshot_page;

/* Lists one page of snapshots, or all pages from filter->page on, each snapshot through
   on_snapshot; non-zero from it cancels. filter may be NULL. GET /snapshots */
OSB_DEF osb_status osb_snapshot_list(osb_client *client, const osb_snapshot_filter *filter,
                                     int (*on_snapshot)(void *user, const osb_snapshot *snapshot),
                                     void *user, osb_snapshot_page *page);
OSB_DEF osb_status osb_snapshot_list_all(osb_client *client, const osb_snapshot_filter *filter,
                                         int (*on_snapshot)(void *user,
                                                            const osb_snapshot *snapshot),
                                         void *user, osb_snapshot_page *page);
#endif

#ifndef OSB_NO_DIAGNOSTICS
/* ---- lifecycle: diagnostics ------------------------------------------------------------------*/

/* What a diagnosis says of itself. Views. */
typedef struct osb_diagnosis {
    osb_str sandbox_id;
    osb_str kind;         /* "logs", "events" */
    osb_str scope;        /* as asked for */
    osb_str delivery;     /* "inline": on_data gets the text; "url": it is at content_url */
    osb_str content_type; /* of the text */
    osb_str content_url;
    osb_str expires_at;            /* of content_url; RFC 3339 */
    uint64_t content_length_bytes; /* of the text; 0: not told */
    bool truncated;                /* by the server */
} osb_diagnosis;

/* Called while a diagnosis streams in; any may be NULL. Non-zero cancels. */
typedef struct osb_diagnosis_handlers {
    void *user;
    int (*on_data)(void *user, const void *data, size_t size); /* the text, as it comes */
    int (*on_warning)(void *user, osb_str warning);
} osb_diagnosis_handlers;

/* A sandbox's logs or events of a scope ("container", "lifecycle"...; the server decides which ones
   there are). Servers without them answer 501. handlers may be NULL.
   GET /sandboxes/{id}/diagnostics/logs, GET /sandboxes/{id}/diagnostics/events */
OSB_DEF osb_status osb_diagnostics_logs(osb_client *client, const char *id, const char *scope,
                                        const osb_diagnosis_handlers *handlers,
                                        osb_diagnosis *diagnosis);
OSB_DEF osb_status osb_diagnostics_events(osb_client *client, const char *id, const char *scope,
                                          const osb_diagnosis_handlers *handlers,
                                          osb_diagnosis *diagnosis);

/* Which of the older diagnostics, in plain text. */
typedef enum osb_report {
    OSB_REPORT_LOGS,    /* GET /sandboxes/{id}/diagnostics/logs */
    OSB_REPORT_EVENTS,  /* GET /sandboxes/{id}/diagnostics/events */
    OSB_REPORT_INSPECT, /* GET /sandboxes/{id}/diagnostics/inspect */
    OSB_REPORT_SUMMARY  /* GET /sandboxes/{id}/diagnostics/summary */
} osb_report;

/* How much of a report is wanted. */
typedef struct osb_report_options {
    uint32_t tail;     /* logs, summary: lines from the end, up to 10000; default: the server's */
    const char *since; /* logs: only those of the last "10m", "1h" */
    uint32_t event_limit; /* events, summary: at most so many, up to 500; default: the server's */
} osb_report_options;

/* One of the older reports, as text, in pieces as it comes. options may be NULL. */
OSB_DEF osb_status osb_diagnostics_report(osb_client *client, const char *id, osb_report report,
                                          const osb_report_options *options,
                                          int (*on_data)(void *user, const void *data, size_t size),
                                          void *user);
#endif

#ifndef OSB_NO_POOLS
/* ---- lifecycle: pools of warm sandboxes (Kubernetes only: others answer 501) ------------------*/

/* How many sandboxes a pool has. */
typedef struct osb_pool_capacity {
    uint32_t buffer_max; /* sandboxes kept warm: at most and at least */
    uint32_t buffer_min;
    uint32_t pool_max; /* sandboxes in all: at most and at least */
    uint32_t pool_min;
} osb_pool_capacity;

/* What pool to make. */
typedef struct osb_pool_options {
    const char *name;          /* a Kubernetes name: a-z, 0-9, - */
    const char *template_json; /* a PodTemplateSpec as a JSON object, sent as it is */
    const osb_pool_capacity *capacity;
} osb_pool_options;

/* A pool as the server describes it. Views; to take a sandbox from it, give
   osb_create_options.extensions a "poolRef" with its name. */
typedef struct osb_pool {
    osb_str name;
    osb_str created_at;
    osb_str revision;
    osb_pool_capacity capacity;
    uint32_t total; /* sandboxes: in all, in use, and warm */
    uint32_t allocated;
    uint32_t available;
} osb_pool;

/* Makes a pool. POST /pools */
OSB_DEF osb_status osb_pool_create(osb_client *client, const osb_pool_options *options,
                                   osb_pool *pool);

/* Describes a pool. GET /pools/{name} */
OSB_DEF osb_status osb_pool_get(osb_client *client, const char *name, osb_pool *pool);

/* Lists all pools, each through on_pool; non-zero from it cancels. GET /pools */
OSB_DEF osb_status osb_pool_list(osb_client *client,
                                 int (*on_pool)(void *user, const osb_pool *pool), void *user);

/* Changes a pool's capacity. PUT /pools/{name} */
OSB_DEF osb_status osb_pool_update(osb_client *client, const char *name,
                                   const osb_pool_capacity *capacity, osb_pool *pool);

/* Ends a pool. DELETE /pools/{name} */
OSB_DEF osb_status osb_pool_delete(osb_client *client, const char *name);
#endif

/* ---- sandbox: create, connect, use, kill -----------------------------------------------------*/

/* A sandbox to work with. Must not move while a call on it is pending. For an execd whose address is
   known, zero it and fill in client and execd: the calls that need no id work. */
struct osb_sandbox {
    osb_client *client;
    char id[OSB_ID_SIZE];
    osb_endpoint execd;
    const char *isolated; /* an isolated session's id: file calls go there; default: NULL */
    /* private: the multi-step call that is under way */
    const osb_ready_options *ready;
    osb_sandbox *outer; /* whose ready check makes it; NULL: no one's */
    osb_str state, reason, message;
    uint32_t deadline_ms;
    uint8_t step;
    bool kill_on_failure, resuming;
};

/* Creates a sandbox, waits until it is Running, resolves execd's endpoint, and waits until execd
   answers (or ready.check says so). If that fails, the sandbox is killed again unless
   keep_on_failure is set; the error is the first one (should the kill fail too, ttl_s ends the
   sandbox). OSB_E_NOT_READY: not in ready.timeout_ms; the error tells the last try's failure and
   address. OSB_E_AUTH and OSB_E_STATE come at once.
   error.maybe_applied without an id in box: the server may have made it; see osb_sandbox_find.
   POST /sandboxes, GET /sandboxes/{id}, GET /sandboxes/{id}/endpoints/44772, GET {execd}/ping */
OSB_DEF osb_status osb_sandbox_create(osb_client *client, const osb_create_options *options,
                                      osb_sandbox *box);

/* Takes up an existing sandbox: waits until it is ready as osb_sandbox_create does, and never kills
   it. ready may be NULL, id may be box->id. GET /sandboxes/{id}, GET /sandboxes/{id}/endpoints/44772,
   GET {execd}/ping */
OSB_DEF osb_status osb_sandbox_connect(osb_client *client, const char *id,
                                       const osb_ready_options *ready, osb_sandbox *box);

#ifndef OSB_NO_ADMIN
/* Resumes a paused sandbox, resolves its endpoint anew, and waits until it is ready. ready may be
   NULL, id may be box->id: if the server refuses (409: it is not paused), box works as before.
   POST /sandboxes/{id}/resume, then as osb_sandbox_connect */
OSB_DEF osb_status osb_sandbox_resume(osb_client *client, const char *id,
                                      const osb_ready_options *ready, osb_sandbox *box);

/* Finds the newest sandbox with this metadata pair, e.g. one whose create lost its answer, and
   puts its id into box (then osb_sandbox_connect or _kill it). OSB_E_NOT_FOUND: there is none, or
   none yet: a server that pulls an image lists the sandbox afterwards. OSB_E_JSON: the server
   listed only sandboxes without the pair. GET /sandboxes?metadata=... */
OSB_DEF osb_status osb_sandbox_find(osb_client *client, const osb_pair *tag, osb_sandbox *box);

/* osb_lifecycle_get, _pause and _renew for a sandbox at hand. */
OSB_DEF osb_status osb_sandbox_get_info(osb_sandbox *box, const osb_info_handlers *handlers,
                                        osb_sandbox_info *info);
OSB_DEF osb_status osb_sandbox_pause(osb_sandbox *box);
OSB_DEF osb_status osb_sandbox_renew(osb_sandbox *box, uint32_t ttl_s, osb_str *expires_at);
#endif

/* osb_lifecycle_kill and _endpoint for a sandbox at hand. */
OSB_DEF osb_status osb_sandbox_kill(osb_sandbox *box);
OSB_DEF osb_status osb_sandbox_endpoint(osb_sandbox *box, uint16_t port,
                                        const osb_endpoint_options *options,
                                        osb_endpoint *endpoint);

/* An endpoint as a URL: "http://host:port/prefix". Writes at most size bytes with a NUL; returns
   the whole length. */
OSB_DEF size_t osb_endpoint_url(const osb_endpoint *endpoint, char *out, size_t size);

#if !defined(OSB_NO_RAW_REQUEST) || !defined(OSB_NO_FILES) || !defined(OSB_NO_PTY)
/* A request of your own to a port in a sandbox, e.g. a health check. */
typedef struct osb_request {
    const char *method;      /* default GET */
    const char *path;        /* begins with "/", percent-encoded by you; default "/" */
    const osb_pair *headers; /* beside the endpoint's own */
    size_t header_count;
    const void *body;   /* or read_body */
    uint64_t body_size; /* in bytes */
    void *user;
    int (*on_data)(void *user, const void *data, size_t size); /* the answer's body; may be NULL */
    /* The body from a source: puts up to size bytes into data and returns how many, 0 at the end,
       OSB_IO_WANT_READ (not now: ask me again soon), or anything else to end the call. */
    int (*read_body)(void *user, void *data, size_t size);
    /* Back to the source's start, for a repeat on a new connection; 0 if done. NULL: it cannot. */
    int (*rewind_body)(void *user);
    bool body_size_unknown; /* read_body until its end, sent in chunks; else body_size bytes */
} osb_request;
#endif

#ifndef OSB_NO_RAW_REQUEST

/* Sends it; *http_status, which may be NULL, gets the answer's status, no error whatever it is. The
   endpoint's headers are sent, the API key only if the endpoint is on the lifecycle server. A
   source that ends before body_size bytes gives OSB_E_INVALID and drops the connection. */
OSB_DEF osb_status osb_endpoint_request(osb_client *client, const osb_endpoint *endpoint,
                                        const osb_request *request, uint16_t *http_status);
#endif

/* ---- execd: commands -------------------------------------------------------------------------*/

/* What an event of an execution's stream says. */
typedef enum osb_event_type {
    OSB_EVENT_UNKNOWN = 0, /* a type that this version does not know */
    OSB_EVENT_INIT,        /* text: the execution's id */
    OSB_EVENT_STATUS,      /* text: a status of the kernel */
    OSB_EVENT_STDOUT,      /* text: output, see osb_handlers.on_output */
    OSB_EVENT_STDERR,      /* the same of stderr */
    OSB_EVENT_RESULT,      /* key: a MIME type, but "text" for text/plain; text: its value */
    OSB_EVENT_ERROR,       /* key: the error's name, text: its value, an exit code or a message */
    OSB_EVENT_COMPLETE,    /* execution_time_ms */
    OSB_EVENT_COUNT,       /* execution_count */
    OSB_EVENT_PING         /* every 3 s: the server is alive */
} osb_event_type;

/* One event of an execution's stream, or a piece of one. Views last until the handler returns. */
typedef struct osb_event {
    osb_event_type type;
    bool more;    /* text is only a piece: the next one, perhaps empty, follows as an event */
    osb_str text; /* never ends inside a UTF-8 character */
    osb_str key;  /* OSB_EVENT_RESULT: the MIME type; else the error's name */
    int64_t timestamp_ms;       /* since 1970, server's clock; 0: not come yet, as in a piece */
    uint64_t execution_time_ms; /* OSB_EVENT_COMPLETE */
    uint32_t execution_count;   /* OSB_EVENT_COUNT */
} osb_event;

/* Where output came from. */
typedef enum osb_stream { OSB_STDOUT = 1, OSB_STDERR = 2 } osb_stream;

/* An array of yours that collects output. Zero `length` and `more` before the call. */
typedef struct osb_capture {
    char *data;
    size_t size;
    size_t length; /* bytes in data; a NUL follows if there is room */
    bool more;     /* there was more than fitted */
} osb_capture;

/* What to do with a stream's events; any may be NULL. Non-zero ends the call with
   OSB_E_CANCELLED and interrupts the command. Order: on_event first, then the event's own. */
typedef struct osb_handlers {
    void *user;
    int (*on_event)(void *user, const osb_event *event); /* every event */
    int (*on_init)(void *user, const osb_event *event);
    int (*on_status)(void *user, const osb_event *event);
    int (*on_stdout)(void *user, const osb_event *event); /* as execd sends it: no line ends */
    int (*on_stderr)(void *user, const osb_event *event);
    int (*on_result)(void *user, const osb_event *event);
    int (*on_error)(void *user, const osb_event *event);
    int (*on_complete)(void *user, const osb_event *event);
    int (*on_count)(void *user, const osb_event *event);
    int (*on_ping)(void *user, const osb_event *event);
    /* A line of an error's traceback, or a piece of one; comes before its on_error. */
    int (*on_traceback)(void *user, osb_str line, bool more);
    /* Output as text again, with the line ends that execd takes off put back: what the command
       wrote, but for CRs, invalid UTF-8 (U+FFFD), and a last newline that may be too many. */
    int (*on_output)(void *user, osb_stream stream, const char *data, size_t size);
    osb_capture *capture_stdout; /* the same text, collected */
    osb_capture *capture_stderr;
} osb_handlers;

/* What became of an execution. */
typedef struct osb_execution {
    char id[OSB_ID_SIZE];
    osb_i32 exit_code;   /* set only if known; -1: killed by a signal, time-out among them */
    bool timed_out;      /* its time was over: timeout_ms, or one of execd's own */
    bool ended;          /* its last event came */
    osb_str error_name;  /* an error's name; empty if it has none, NULL if there was no error */
    osb_str error_value; /* and its value, or its last piece if it is larger than the buffer; views
                            until the next call */
    uint32_t execution_count;   /* code: how many runs its kernel has had; 0: not told */
    uint64_t execution_time_ms; /* as execd tells it; durable, followed: since the call began */
    int64_t started_ms;         /* since 1970, server's clock: of the init event */
    int64_t last_ms;            /* and of the last one */
    uint64_t stdout_bytes;      /* output so far, as on_output has it */
    uint64_t stderr_bytes;
} osb_execution;

/* A shell command. */
typedef struct osb_command {
    const char *command;     /* for the shell; or */
    const char *const *argv; /* program and arguments, NULL at the end: quoted for the shell */
    const char *cwd;         /* must exist; ~ and $VAR are expanded; default: execd's own */
    const osb_pair *envs;
    size_t env_count;
    uint32_t timeout_ms; /* execd kills it after this time; 0: never */
    osb_u32 uid, gid;    /* gid only with uid; default: that user's group */
    bool background;     /* return at once; see osb_command_status and _logs */
    bool keep_running;   /* do not interrupt it when the call is cancelled */
} osb_command;

/* Asks execd whether it is there. GET {execd}/ping */
OSB_DEF osb_status osb_ping(osb_sandbox *box);

/* Runs a command and hands out its events until its last one. OSB_OK means that the outcome is
   known, not that the command succeeded: see execution->exit_code. handlers may be NULL;
   execution may not. OSB_E_TRUNCATED: the stream ended too early; OSB_E_STREAM: execd failed.
   POST {execd}/command */
OSB_DEF osb_status osb_command_run(osb_sandbox *box, const osb_command *command,
                                   const osb_handlers *handlers, osb_execution *execution);

#ifndef OSB_NO_BACKGROUND
/* A command's state. Views; times are RFC 3339. */
typedef struct osb_command_state {
    osb_str id;
    bool running;
    osb_i32 exit_code; /* set once it has ended */
    osb_str error;
    osb_str content; /* the command's text, or its last piece if it is larger than the buffer */
    osb_str started_at;
    osb_str finished_at;
} osb_command_state;

/* State of a command, in the background or not. on_content, which may be NULL, gets the command's
   text in pieces. For a few milliseconds after a background start the answer may be 404
   (OSB_E_NOT_FOUND): ask again. GET {execd}/command/status/{id} */
OSB_DEF osb_status osb_command_status(osb_sandbox *box, const char *id,
                                      int (*on_content)(void *user, const void *data, size_t size),
                                      void *user, osb_command_state *state);

/* Output of a background command from byte `cursor` on, stdout and stderr as they came, byte for
   byte, up to what there is now. *next is the cursor for the next call, after an error too.
   GET {execd}/command/{id}/logs */
OSB_DEF osb_status osb_command_logs(osb_sandbox *box, const char *id, uint64_t cursor,
                                    int (*on_data)(void *user, const void *data, size_t size),
                                    void *user, uint64_t *next);

/* Interrupts a command: SIGTERM to its process group, after 3 s SIGKILL. OSB_E_API: it has ended, or
   it began in the background a few milliseconds ago: ask again. DELETE {execd}/command */
OSB_DEF osb_status osb_command_interrupt(osb_sandbox *box, const char *id);
#endif

/* Program and arguments (NULL at the end) as one shell word list. Writes at most size bytes with
   a NUL; returns the whole length. */
OSB_DEF size_t osb_shell_quote(const char *const *argv, char *out, size_t size);

#ifndef OSB_NO_BACKGROUND
/* Asks for a command's state until it has ended. options may be NULL.
   GET {execd}/command/status/{id} */
OSB_DEF osb_status osb_command_wait(osb_sandbox *box, const char *id,
                                    const osb_wait_options *options, osb_command_state *state);
#endif

#if !defined(OSB_NO_BACKGROUND) && !defined(OSB_NO_DURABLE)
/* How the three calls below go on when the network fails. */
typedef struct osb_durable_options {
    uint32_t interval_ms; /* between two looks at the log; default 500 */
    uint32_t retries;     /* failures in a row before it gives up; default 10 */
    uint32_t pause_ms;    /* after a failure, or a longer Retry-After of up to 30 s; default 1000 */
} osb_durable_options;

/* Runs a command to its end whatever happens to the connection: it starts in the background, and
   its log is read from where the last read ended, byte for byte. on_init, on_output, the captures
   (all output is stdout) and on_complete are called as by osb_command_run. After an error
   execution holds what osb_command_follow goes on from, also in another process. options and
   handlers may be NULL. POST {execd}/command, GET {execd}/command/{id}/logs,
   GET {execd}/command/status/{id} */
OSB_DEF osb_status osb_command_run_durable(osb_sandbox *box, const osb_command *command,
                                           const osb_durable_options *options,
                                           const osb_handlers *handlers, osb_execution *execution);

/* Follows a background command's log to its end: execution->id is the command's, and
   execution->stdout_bytes how much of its log is known already. Leaving early does not end the
   command. GET {execd}/command/{id}/logs, GET {execd}/command/status/{id} */
OSB_DEF osb_status osb_command_follow(osb_sandbox *box, const osb_durable_options *options,
                                      const osb_handlers *handlers, osb_execution *execution);

#ifndef OSB_NO_FILES
/* After osb_command_run was cut off: waits until the command has ended, and hands out the rest of
   its output, which execd keeps in files. execution is the one of that run. Exact as far as lines
   ended with LF and were UTF-8: what was lost in events cannot be counted.
   GET {execd}/command/status/{id}, GET {execd}/files/download */
OSB_DEF osb_status osb_command_recover(osb_sandbox *box, const osb_durable_options *options,
                                       const osb_handlers *handlers, osb_execution *execution);
#endif
#endif

#ifndef OSB_NO_SESSIONS
/* ---- execd: bash sessions --------------------------------------------------------------------*/

/* A shell whose working directory and exported variables last from one run to the next, but not from
   a run that says "exit"; functions, aliases and jobs never do. */
typedef struct osb_session {
    char id[OSB_ID_SIZE];
} osb_session;

/* A shell command for a session. */
typedef struct osb_session_command {
    const char *command;
    const char *cwd; /* the next run goes on there, too; default: where the last run ended */
    /* execd ends the shell after this time, but not what it has started: the run goes on as long as
       any of that may still write output. 0: after 24 hours */
    uint32_t timeout_ms;
} osb_session_command;

/* Begins a session; cwd, which is made if it is missing, may be NULL. POST {execd}/session */
OSB_DEF osb_status osb_session_create(osb_sandbox *box, const char *cwd, osb_session *session);

/* Runs a command in a session, as osb_command_run does; stderr comes as stdout, blank lines are
   lost, and leaving early ends the shell. A time-out is OSB_E_STREAM with execution->timed_out.
   POST {execd}/session/{id}/run */
OSB_DEF osb_status osb_session_run(osb_sandbox *box, const char *id,
                                   const osb_session_command *command, const osb_handlers *handlers,
                                   osb_execution *execution);

/* Ends a session. DELETE {execd}/session/{id} */
OSB_DEF osb_status osb_session_delete(osb_sandbox *box, const char *id);
#endif

#ifndef OSB_NO_CODE
/* ---- execd: code interpreter -----------------------------------------------------------------*/

/* Languages that execd's interpreter may know. */
#define OSB_LANGUAGE_PYTHON "python"
#define OSB_LANGUAGE_JAVA "java"
#define OSB_LANGUAGE_JAVASCRIPT "javascript"
#define OSB_LANGUAGE_TYPESCRIPT "typescript"
#define OSB_LANGUAGE_GO "go"
#define OSB_LANGUAGE_BASH "bash"
#define OSB_LANGUAGE_SQL "sql" /* results: see osb_rows */

/* Where code runs: variables last from one run to the next. */
typedef struct osb_code_context {
    char id[OSB_ID_SIZE];
    char language[OSB_LANGUAGE_SIZE];
    osb_str cwd; /* a view */
} osb_code_context;

/* Makes a context; cwd, which is made if it is missing, may be NULL. A language that the sandbox
   lacks can take execd minutes to find out: the call's time is osb_config.request_timeout_ms.
   POST {execd}/code/context */
OSB_DEF osb_status osb_code_context_create(osb_sandbox *box, const char *language, const char *cwd,
                                           osb_code_context *context);

/* Describes a context. GET {execd}/code/contexts/{id} */
OSB_DEF osb_status osb_code_context_get(osb_sandbox *box, const char *id,
                                        osb_code_context *context);

/* Lists the contexts of a language (NULL: of all), each through on_context; non-zero from it
   cancels. GET {execd}/code/contexts */
OSB_DEF osb_status osb_code_context_list(osb_sandbox *box, const char *language,
                                         int (*on_context)(void *user,
                                                           const osb_code_context *context),
                                         void *user);

/* Ends one context, or all of a language, which must be named.
   DELETE {execd}/code/contexts/{id}, DELETE {execd}/code/contexts */
OSB_DEF osb_status osb_code_context_delete(osb_sandbox *box, const char *id);
OSB_DEF osb_status osb_code_context_delete_all(osb_sandbox *box, const char *language);

/* Code, and where it runs: in a context, or in a language's own default context. */
typedef struct osb_code {
    const char *code;
    const osb_code_context *context; /* its id and its language */
    const char *language;            /* if there is no context; neither: a shell command */
    bool keep_running;               /* do not interrupt it when the call is cancelled */
} osb_code;

/* Runs code and hands out its events until the stream's end, as osb_command_run does; what is said
   behind OSB_EVENT_COMPLETE counts, too. Results come by MIME type, one after the other, in pieces if
   they are larger than the buffer; one that is not a text, as raw JSON. An exception is no failure of
   the call: on_error and execution->error_name tell. POST {execd}/code */
OSB_DEF osb_status osb_code_run(osb_sandbox *box, const osb_code *code,
                                const osb_handlers *handlers, osb_execution *execution);

/* Interrupts what runs in a context: its id, or execution->id. Code that has only begun (on_init) may
   go on: ask again. DELETE {execd}/code */
OSB_DEF osb_status osb_code_interrupt(osb_sandbox *box, const char *id);

/* Takes an SQL result apart, row by row. Zero it, set on_cell and an array for the largest cell,
   and feed it from on_result; the array's end, or a row's shape, cannot be missed. */
typedef struct osb_rows {
    void *user;
    /* A cell of row `row`, 0 being the names of the columns; data NULL: SQL NULL. Non-zero ends. */
    int (*on_cell)(void *user, uint32_t row, uint32_t column, osb_str value);
    char *data; /* yours: a cell's text is put together here */
    size_t size;
    size_t needed; /* OSB_E_BUFFER: the size that the cell would have needed */
    size_t length; /* private from here on */
    uint32_t row, column;
    uint16_t code, high;
    uint8_t state, digits, depth, part;
    bool is_key;
} osb_rows;

/* A piece of the result's text. OSB_E_JSON: no such table; OSB_E_BUFFER: a cell larger than
   rows->size; OSB_E_CANCELLED: on_cell said so. Needs no client. */
OSB_DEF osb_status osb_rows_feed(osb_rows *rows, const char *text, size_t size);
#endif

#ifndef OSB_NO_FILES
/* ---- execd: files and directories ------------------------------------------------------------*/

/* In all paths, which are UTF-8, execd expands ~, $VAR and ${VAR}. A mode has the digits that people
   write, as a decimal number: 644 or 755, not C's 0644. execd takes three: of 4755 it sets 755. With
   osb_sandbox.isolated set, these calls see the files of that isolated session. */

/* A file, directory or symbolic link. Views; times are RFC 3339. */
typedef struct osb_file_info {
    osb_str requested; /* osb_file_get_infos: the path that was asked for */
    osb_str path;
    osb_str type; /* "file", "directory", "symlink", "other"; older servers: absent */
    osb_str modified_at;
    osb_str created_at; /* on Linux: when its content or mode changed last (ctime) */
    osb_str owner;
    osb_str group;
    uint64_t size_bytes;
    uint32_t mode;
} osb_file_info;

/* Called for each file; the view lasts until it returns. Non-zero cancels. */
typedef int (*osb_on_file)(void *user, const osb_file_info *file);

/* Describes one file. OSB_E_NOT_FOUND: it is not there. GET {execd}/files/info */
OSB_DEF osb_status osb_file_get_info(osb_sandbox *box, const char *path, osb_file_info *info);

/* Describes many, each through on_file; one missing path fails the call. GET {execd}/files/info */
OSB_DEF osb_status osb_file_get_infos(osb_sandbox *box, const char *const *paths, size_t count,
                                      osb_on_file on_file, void *user);

/* Finds files below a directory whose name matches a glob; pattern NULL: all.
   GET {execd}/files/search */
OSB_DEF osb_status osb_file_search(osb_sandbox *box, const char *path, const char *pattern,
                                   osb_on_file on_file, void *user);

/* What to read of a file. */
typedef struct osb_read_options {
    uint64_t offset_bytes; /* from this byte on ... */
    uint64_t size_bytes;   /* ... so many; 0: to the end */
    uint64_t first_line;   /* or from this line on (1 is the first) ... */
    uint64_t line_count;  /* ... so many; joined by LF, without CRs before it or an LF at the end */
    uint32_t resumptions; /* of bytes: go on where the connection broke, so many times; if the
                             file's size has changed by then, OSB_E_VERIFY */
} osb_read_options;

/* Reads a file, in pieces as they come; *size_bytes, which may be NULL, gets how many bytes were
   handed out, after an error too. options may be NULL. Beyond the file's end there are 0 bytes. A
   directory breaks off: OSB_E_CLOSED. Of what has no size (/proc) only lines can be read: OSB_E_API.
   GET {execd}/files/download */
OSB_DEF osb_status osb_file_read(osb_sandbox *box, const char *path,
                                 const osb_read_options *options,
                                 int (*on_data)(void *user, const void *data, size_t size),
                                 void *user, uint64_t *size_bytes);

/* Reads a whole file into an array. OSB_E_BUFFER: error.needed bytes would have been enough, and
   data has the file's beginning.
   GET {execd}/files/download */
OSB_DEF osb_status osb_file_read_all(osb_sandbox *box, const char *path, void *data, size_t size,
                                     size_t *length);

/* A file to be written: its content from memory, or from a source as in osb_request. */
typedef struct osb_upload {
    const char *path; /* directories above it are made */
    const char *owner;
    const char *group;
    uint32_t mode; /* default 755 */
    const void *body;
    uint64_t body_size; /* in bytes */
    void *user;
    int (*read_body)(void *user, void *data, size_t size);
    int (*rewind_body)(void *user);
    bool body_size_unknown;
} osb_upload;

/* Writes a whole file from memory. POST {execd}/files/upload */
OSB_DEF osb_status osb_file_write(osb_sandbox *box, const char *path, const void *data,
                                  size_t size);

/* Writes files, in one request. verify: asks for each one's size afterwards; another one than was
   sent gives OSB_E_VERIFY. Not atomic: after an error some may have been written. If the sources
   can rewind, a stale connection is no error: the request is sent again, since writing a file twice
   is writing it once.
   POST {execd}/files/upload */
OSB_DEF osb_status osb_file_upload(osb_sandbox *box, const osb_upload *files, size_t count,
                                   bool verify);

/* A text to be replaced wherever it occurs in a file. */
typedef struct osb_replacement {
    const char *path;
    const char *old_text; /* not empty */
    const char *new_text;
} osb_replacement;

/* How often a text was replaced in a file. A view. */
typedef struct osb_replaced {
    osb_str path;
    uint64_t count;
} osb_replaced;

/* Replaces one text in each of these files; on_replaced, which may be NULL, gets how often.
   POST {execd}/files/replace */
OSB_DEF osb_status osb_file_replace(osb_sandbox *box, const osb_replacement *items, size_t count,
                                    int (*on_replaced)(void *user, const osb_replaced *replaced),
                                    void *user);

/* A file or directory to be moved. */
typedef struct osb_move {
    const char *from;
    const char *to; /* must not exist; directories above it are made */
} osb_move;

/* Moves or renames files and directories. POST {execd}/files/mv */
OSB_DEF osb_status osb_file_move(osb_sandbox *box, const osb_move *moves, size_t count);

/* Mode, owner and group of a file or directory; NULL or 0: left as it is. Owner and group are
   names. */
typedef struct osb_permission {
    const char *path;
    const char *owner;
    const char *group;
    uint32_t mode;
} osb_permission;

/* Changes mode, owner and group. POST {execd}/files/permissions */
OSB_DEF osb_status osb_file_set_permissions(osb_sandbox *box, const osb_permission *items,
                                            size_t count);

/* Deletes files, one or more; missing ones are no error. A directory is: OSB_E_API.
   DELETE {execd}/files */
OSB_DEF osb_status osb_file_delete(osb_sandbox *box, const char *const *paths, size_t count);

/* Makes directories, and those above them; default mode 755. POST {execd}/directories */
OSB_DEF osb_status osb_directory_create(osb_sandbox *box, const osb_permission *items,
                                        size_t count);

/* How deep to list a directory. */
typedef struct osb_list_options {
    osb_u32 depth;  /* levels; default 1: the directory's own entries */
    bool recursive; /* all levels */
} osb_list_options;

/* Lists a directory, each entry through on_file. options may be NULL. A server without this call
   answers 404. GET {execd}/directories/list */
OSB_DEF osb_status osb_directory_list(osb_sandbox *box, const char *path,
                                      const osb_list_options *options, osb_on_file on_file,
                                      void *user);

/* Deletes directories, one or more, with all that is in them; missing ones are no error.
   DELETE {execd}/directories */
OSB_DEF osb_status osb_directory_delete(osb_sandbox *box, const char *const *paths, size_t count);
#endif

#ifndef OSB_NO_PTY
/* ---- execd: terminals ------------------------------------------------------------------------*/

/* A terminal in the sandbox: a shell that lives until it exits or is deleted, whoever is attached.
   If it exits while nobody is, its exit code is lost, and whoever attaches next (osb_pty_attach, or
   a reconnection of it) starts a new one.
   To attach to one that another program made, zero it and copy the id in. */
typedef struct osb_pty {
    char id[OSB_ID_SIZE];
    uint64_t offset;     /* bytes of output so far: osb_pty_attach goes on from here */
    uint64_t lost_bytes; /* output that was no longer there to be replayed */
    osb_i32 exit_code;   /* the shell's, once it has exited */
    uint16_t close_code; /* how the server ended the connection; 4001: taken over; 0: it did not */
    bool connected;      /* osb_pty_attach has its connection */
    bool resized;        /* private from here on: what is to be sent */
    uint16_t columns, rows;
    const char *signal;
} osb_pty;

/* Makes a terminal; cwd, which is made if it is missing, and command (instead of bash) may be NULL.
   The shell starts with the first osb_pty_attach. POST {execd}/pty */
OSB_DEF osb_status osb_pty_create(osb_sandbox *box, const char *cwd, const char *command,
                                  osb_pty *pty);

/* A terminal as execd describes it. Views. */
typedef struct osb_pty_state {
    osb_str id;
    bool running;
    uint64_t output_bytes; /* in all */
} osb_pty_state;

/* Describes a terminal. GET {execd}/pty/{id} */
OSB_DEF osb_status osb_pty_get(osb_sandbox *box, const char *id, osb_pty_state *state);

/* Ends a terminal and what runs in it. DELETE {execd}/pty/{id} */
OSB_DEF osb_status osb_pty_delete(osb_sandbox *box, const char *id);

/* What to do with a terminal's output, and where its input comes from; any may be NULL. */
typedef struct osb_pty_handlers {
    void *user;
    /* Output, in pieces as they come. All of it is OSB_STDOUT, but in pipe mode. */
    int (*on_output)(void *user, osb_stream stream, const void *data, size_t size);
    int (*on_connected)(void *user);
    /* Input: puts up to size bytes for the shell's stdin into data and returns how many;
       0 or OSB_IO_WANT_READ: nothing now; OSB_IO_CLOSED: no more, detach; anything else:
       OSB_E_CANCELLED. Asked whenever the line is free: in poll mode by each osb_poll, in blocking
       mode every 100 ms. NULL: no input. */
    int (*read_input)(void *user, void *data, size_t size);
} osb_pty_handlers;

/* How to attach to a terminal. */
typedef struct osb_pty_options {
    uint32_t reconnections; /* when the connection breaks: go on where it broke, so many times */
    bool pipe;              /* no terminal: stdout and stderr apart, but all replayed is stdout */
    bool takeover;          /* whoever is attached loses the terminal; else 409 */
} osb_pty_options;

/* Attaches to a terminal, over WebSocket, until its shell exits (OSB_OK, pty->exit_code), input
   ends (OSB_OK; the shell stays), a handler returns non-zero (OSB_E_CANCELLED), or the server ends
   it (OSB_E_STREAM, pty->close_code). No byte of output is lost or repeated on its way: pty->offset
   counts them, over reconnections and calls. Input and signals that a connection had not taken whole
   when it broke go over the next one of the same call; what it had taken may be lost: execd does not
   say what it has got. What a shell writes in its last moments execd may not send: "sleep 0.3"
   before "exit" helps. When it leaves, a second at most goes by until the server has heard of it.
   options and handlers may be NULL. GET {execd}/pty/{id}/ws */
OSB_DEF osb_status osb_pty_attach(osb_sandbox *box, osb_pty *pty, const osb_pty_options *options,
                                  const osb_pty_handlers *handlers);

/* The terminal's size; a signal for what runs in it ("SIGINT", "SIGTERM", "SIGKILL", "SIGQUIT",
   "SIGHUP"; static text). Before osb_pty_attach, or while it is pending: from a handler or between
   two osb_poll. */
OSB_DEF void osb_pty_resize(osb_pty *pty, uint16_t columns, uint16_t rows);
OSB_DEF void osb_pty_signal(osb_pty *pty, const char *signal);
#endif

#ifndef OSB_NO_METRICS
/* ---- execd: metrics --------------------------------------------------------------------------*/

/* What a sandbox uses, as its kernel tells execd: in a container that is what its whole machine has and
   uses. Decimals are in thousandths: 1500 is 1.5. */
typedef struct osb_metrics {
    int64_t timestamp_ms; /* since 1970, server's clock */
    int64_t cpu_count_milli;
    int64_t cpu_used_pct_milli;
    int64_t mem_total_mib_milli;
    int64_t mem_used_mib_milli;
    osb_str error; /* osb_metrics_watch: the server could not tell; a view */
} osb_metrics;

/* Asks once; takes a second or more, since execd measures meanwhile. GET {execd}/metrics */
OSB_DEF osb_status osb_metrics_get(osb_sandbox *box, osb_metrics *metrics);

/* Asks on, about every 2 s, until on_metrics returns non-zero: that ends the call with
   OSB_E_CANCELLED. OSB_E_TRUNCATED: the server ended it. GET {execd}/metrics/watch */
OSB_DEF osb_status osb_metrics_watch(osb_sandbox *box,
                                     int (*on_metrics)(void *user, const osb_metrics *metrics),
                                     void *user);
#endif

#ifndef OSB_NO_ISOLATED
/* ---- execd: isolated sessions ----------------------------------------------------------------*/

/* What the sandbox can do to isolate. Views. */
typedef struct osb_isolation {
    bool available;
    bool setpriv_available; /* for osb_isolated_options.uid_mode */
    bool userns_available;  /* likewise */
    bool commit_supported;
    bool diff_supported;
    osb_str isolator; /* what isolates, and its version */
    osb_str version;
    osb_str message; /* for people, e.g. why it is not available */
} osb_isolation;

/* Asks what the sandbox can do to isolate. GET {execd}/v1/isolated/capabilities */
OSB_DEF osb_status osb_isolated_capabilities(osb_sandbox *box, osb_isolation *isolation);

/* A directory of the sandbox that a session sees. */
typedef struct osb_bind {
    const char *source;
    const char *dest; /* default: as source */
    bool readonly;
} osb_bind;

/* What an isolated session may see and change. */
typedef struct osb_isolated_options {
    const char *profile;               /* "strict" (default) or "balanced" */
    const char *workspace;             /* the directory to work in; required */
    const char *workspace_mode;        /* "rw", "overlay", "ro"; default: the server's */
    const char *const *extra_writable; /* more directories that may be changed */
    size_t extra_writable_count;
    const osb_bind *binds; /* more directories that it sees */
    size_t bind_count;
    bool share_net;    /* the sandbox's network; default: the server's (yes) */
    bool no_share_net; /* no network but loopback */
    /* Which of the sandbox's variables it sees: "allow": only env_keys; "deny": all but env_keys. */
    const char *env_mode;
    const char *const *env_keys;
    size_t env_key_count;
    osb_u32 uid, gid;
    const char *uid_mode;   /* "setpriv" or "userns" */
    osb_u32 idle_timeout_s; /* without a run it ends after this time; default: the server's */
} osb_isolated_options;

/* An isolated session, as made or listed. Times are RFC 3339. */
typedef struct osb_isolated_session {
    char id[OSB_ID_SIZE];
    osb_str status; /* "active", "dead", "destroyed"; views from here on */
    osb_str created_at;
    osb_str last_run_at;
    osb_i32 idle_remaining_s;
} osb_isolated_session;

/* Begins a session. For files in it, copy the osb_sandbox and set the copy's `isolated` to
   session->id. POST {execd}/v1/isolated/session */
OSB_DEF osb_status osb_isolated_create(osb_sandbox *box, const osb_isolated_options *options,
                                       osb_isolated_session *session);

/* Lists the sessions, each through on_session; non-zero from it cancels.
   GET {execd}/v1/isolated/sessions */
OSB_DEF osb_status osb_isolated_list(osb_sandbox *box,
                                     int (*on_session)(void *user,
                                                       const osb_isolated_session *session),
                                     void *user);

/* All that is known of a session. Views; times are RFC 3339; its arrays' entries are handed out. */
typedef struct osb_isolated_info {
    osb_str status;
    osb_str created_at;
    osb_str last_run_at;
    osb_str profile;
    osb_str workspace;
    osb_str workspace_mode;
    osb_str env_mode;
    osb_str uid_mode;
    osb_i32 idle_remaining_s;
    osb_i32 idle_timeout_s;
    osb_i32 uid, gid;
    bool share_net; /* true only where the server says so */
} osb_isolated_info;

/* A directory that a session sees. Views. */
typedef struct osb_bind_info {
    osb_str source;
    osb_str dest;
    bool readonly;
} osb_bind_info;

/* Called while a session's description streams in; any may be NULL. Non-zero cancels. */
typedef struct osb_isolated_handlers {
    void *user;
    int (*on_entry)(void *user, const osb_entry *entry); /* "extra_writable", "keys" */
    int (*on_bind)(void *user, const osb_bind_info *bind);
} osb_isolated_handlers;

/* Describes a session. handlers may be NULL. GET {execd}/v1/isolated/session/{id} */
OSB_DEF osb_status osb_isolated_get(osb_sandbox *box, const char *id,
                                    const osb_isolated_handlers *handlers, osb_isolated_info *info);

/* Ends a session. DELETE {execd}/v1/isolated/session/{id} */
OSB_DEF osb_status osb_isolated_delete(osb_sandbox *box, const char *id);

/* Code for an isolated session. */
typedef struct osb_isolated_command {
    const char *code;
    const osb_pair *envs;
    size_t env_count;
    uint32_t timeout_s; /* default: the server's */
} osb_isolated_command;

/* Runs code in a session, as osb_command_run does; stderr comes as stdout, blank lines and
   execution->id are lost, and leaving early interrupts the code. A time-out is an error without an
   exit code, and execution->timed_out. Silence is borne for timeout_s (default 300) and
   osb_config.idle_timeout_ms. POST {execd}/v1/isolated/session/{id}/run */
OSB_DEF osb_status osb_isolated_run(osb_sandbox *box, const char *id,
                                    const osb_isolated_command *command,
                                    const osb_handlers *handlers, osb_execution *execution);

/* What a session with an overlay has changed, as the server words it, in pieces; and: makes these
   changes in the workspace itself. A server that cannot says so: see osb_isolation.
   GET {execd}/v1/isolated/session/{id}/diff, POST {execd}/v1/isolated/session/{id}/commit */
OSB_DEF osb_status osb_isolated_diff(osb_sandbox *box, const char *id,
                                     int (*on_data)(void *user, const void *data, size_t size),
                                     void *user);
OSB_DEF osb_status osb_isolated_commit(osb_sandbox *box, const char *id,
                                       int (*on_data)(void *user, const void *data, size_t size),
                                       void *user);
#endif

#if !defined(OSB_NO_EGRESS) || !defined(OSB_NO_VAULT)
/* ---- egress: network policy ------------------------------------------------------------------*/

/* The way to a sandbox's egress sidecar. If its address is known, zero this and fill in client and
   endpoint. */
typedef struct osb_egress {
    osb_client *client;
    osb_endpoint endpoint;
    const osb_endpoint *execd; /* the sandbox's, which must outlive this. NULL: no such route */
    bool allow_execd_route;    /* see osb_egress_options */
    bool through_execd;        /* the route that is taken */
    uint16_t port;             /* the sidecar's, as osb_egress_options has it */
} osb_egress;

/* How to reach the sidecar. */
typedef struct osb_egress_options {
    uint16_t port; /* default 18080 */
    /* A sidecar refuses secrets over plain HTTP (426). With this, such a request is sent again by
       way of execd's own proxy, which reaches the sidecar from inside the sandbox. Execd, and
       whoever has taken it over, sees the secrets then, and the sidecar's headers. */
    bool allow_execd_route;
    osb_endpoint_options endpoint;
} osb_egress_options;

/* Resolves the sidecar's address with its headers. options may be NULL.
   GET /sandboxes/{id}/endpoints/18080 */
OSB_DEF osb_status osb_egress_connect(osb_sandbox *box, const osb_egress_options *options,
                                      osb_egress *egress);

#endif

#ifndef OSB_NO_EGRESS
/* Asks the sidecar whether it is ready; OSB_E_API with HTTP 503: not yet. GET {egress}/healthz */
OSB_DEF osb_status osb_egress_health(osb_egress *egress);

/* A policy and what became of it. Views. */
typedef struct osb_policy_status {
    osb_str status;
    osb_str mode; /* "deny_all", "allow_all", "enforcing" */
    osb_str enforcement_mode;
    osb_str reason;
    osb_str default_action;
} osb_policy_status;

/* A rule of the policy in force. Views. */
typedef struct osb_rule_info {
    osb_str action;
    osb_str target;
} osb_rule_info;

/* The policy in force, each rule through on_rule. status may be NULL here and below.
   GET {egress}/policy */
OSB_DEF osb_status osb_egress_get_policy(osb_egress *egress,
                                         int (*on_rule)(void *user, const osb_rule_info *rule),
                                         void *user, osb_policy_status *status);

/* Adds rules, before those there are; the first of two for one target counts.
   PATCH {egress}/policy */
OSB_DEF osb_status osb_egress_patch_policy(osb_egress *egress, const osb_network_rule *rules,
                                           size_t count, osb_policy_status *status);

/* Takes away the rules for these targets; a target without one is no error. One that the vault needs
   stays: 400. DELETE {egress}/policy */
OSB_DEF osb_status osb_egress_delete_rules(osb_egress *egress, const char *const *targets,
                                           size_t count, osb_policy_status *status);

/* Puts another policy in place, or the one that denies everything.
   PUT {egress}/policy, POST {egress}/policy */
OSB_DEF osb_status osb_egress_replace_policy(osb_egress *egress, const osb_network_policy *policy,
                                             osb_policy_status *status);
OSB_DEF osb_status osb_egress_reset_policy(osb_egress *egress, osb_policy_status *status);
#endif

#ifndef OSB_NO_VAULT
/* ---- egress: credential vault ----------------------------------------------------------------*/

/* Secrets that the sidecar puts into outbound requests; the sandbox never sees them, unless
   osb_egress_options.allow_execd_route sends them through it. The library wipes them from the
   working buffer as soon as they are sent. */
typedef struct osb_credential {
    const char *name;
    const char *value; /* for basic: user:password in base64 */
} osb_credential;

/* A placeholder in a request that is replaced by a credential. */
typedef struct osb_substitution {
    const char *credential;
    const char *placeholder;
    const char *const *in; /* "path", "query", "header", "body" */
    size_t in_count;
} osb_substitution;

/* Which requests get which credentials. Absent is NULL or 0: the server's defaults (https, 443,
   GET POST PUT PATCH DELETE, all paths). */
typedef struct osb_binding {
    const char *name;
    const char *const *hosts; /* required; each needs an allow rule in the policy */
    size_t host_count;
    const char *const *schemes;
    size_t scheme_count;
    const uint16_t *ports; /* 80, 443 */
    size_t port_count;
    const char *const *methods;
    size_t method_count;
    const char *const *paths;
    size_t path_count;
    const char *auth;        /* "bearer", "basic", "apiKey", "customHeaders", "passthrough" */
    const char *header_name; /* apiKey: the header's name */
    const char *credential;  /* bearer, basic, apiKey: the credential's name */
    const osb_pair *headers; /* customHeaders: header names, and credentials' names as values */
    size_t header_count;
    const osb_substitution *substitutions;
    size_t substitution_count;
} osb_binding;

/* What a vault is made with. */
typedef struct osb_vault_content {
    const osb_credential *credentials;
    size_t credential_count;
    const osb_binding *bindings;
    size_t binding_count;
} osb_vault_content;

/* Changes of the vault's credentials. */
typedef struct osb_credential_changes {
    const osb_credential *add;
    size_t add_count;
    const osb_credential *replace;
    size_t replace_count;
    const char *const *remove; /* names */
    size_t remove_count;
} osb_credential_changes;

/* Changes of the vault's bindings. */
typedef struct osb_binding_changes {
    const osb_binding *add;
    size_t add_count;
    const osb_binding *replace;
    size_t replace_count;
    const char *const *remove; /* names */
    size_t remove_count;
} osb_binding_changes;

/* Changes of a vault, all or nothing. */
typedef struct osb_vault_changes {
    osb_u32 expected_revision; /* another one in force: 409, and nothing is changed */
    const osb_credential_changes *credentials;
    const osb_binding_changes *bindings;
} osb_vault_changes;

/* What the sidecar tells of a credential or a binding: never the secret. Views. */
typedef struct osb_credential_info {
    osb_str name;
    osb_str source_type;
    uint32_t revision;
} osb_credential_info;

/* The same of a binding. */
typedef struct osb_binding_info {
    osb_str name;
    osb_str auth;
    osb_str header_name;
    uint32_t revision;
} osb_binding_info;

/* Called while the vault's description streams in; any may be NULL. Non-zero cancels. */
typedef struct osb_vault_handlers {
    void *user;
    /* An entry of a binding's "schemes", "ports", "hosts", "methods", "paths"; before on_binding */
    int (*on_entry)(void *user, const osb_entry *entry);
    int (*on_credential)(void *user, const osb_credential_info *credential);
    int (*on_binding)(void *user, const osb_binding_info *binding);
} osb_vault_handlers;

/* Makes the vault; 409 if there is one; 412 if the sandbox has no osb_create_options.credential_proxy,
   or it is not ready yet (see osb_egress_health). handlers and revision may be NULL, here and below.
   POST {egress}/credential-vault */
OSB_DEF osb_status osb_vault_create(osb_egress *egress, const osb_vault_content *content,
                                    const osb_vault_handlers *handlers, uint32_t *revision);

/* Describes the vault. GET {egress}/credential-vault */
OSB_DEF osb_status osb_vault_get(osb_egress *egress, const osb_vault_handlers *handlers,
                                 uint32_t *revision);

/* Changes the vault, all or nothing. PATCH {egress}/credential-vault */
OSB_DEF osb_status osb_vault_patch(osb_egress *egress, const osb_vault_changes *changes,
                                   const osb_vault_handlers *handlers, uint32_t *revision);

/* Ends the vault and what is in it. DELETE {egress}/credential-vault */
OSB_DEF osb_status osb_vault_delete(osb_egress *egress);

/* Lists only the credentials, or only the bindings.
   GET {egress}/credential-vault/credentials, GET {egress}/credential-vault/bindings */
OSB_DEF osb_status osb_vault_list_credentials(osb_egress *egress,
                                              const osb_vault_handlers *handlers,
                                              uint32_t *revision);
OSB_DEF osb_status osb_vault_list_bindings(osb_egress *egress, const osb_vault_handlers *handlers,
                                           uint32_t *revision);

/* Describes one credential, or one binding. GET {egress}/credential-vault/credentials/{name},
   GET {egress}/credential-vault/bindings/{name} */
OSB_DEF osb_status osb_vault_get_credential(osb_egress *egress, const char *name,
                                            osb_credential_info *credential);
OSB_DEF osb_status osb_vault_get_binding(osb_egress *egress, const char *name,
                                         const osb_vault_handlers *handlers,
                                         osb_binding_info *binding);
#endif

/* ---- private: here only so that the structs have a size --------------------------------------*/

#define OSB__LEVELS 6

typedef struct osb__json {
    uint8_t depth, state;
    uint8_t raw; /* the depth of a container that is handed out as it stands; 0: none */
    bool key, escaping, escaped, pair;
    const struct osb__field *field; /* what the value at hand is for; NULL: skip */
    void *base;                     /* the struct that the tables' offsets refer to */
    size_t value;                   /* where in the unit the text begins */
    size_t escape;   /* where in the unit the last escape begins; pair: perhaps as a second half */
    size_t dropped;  /* bytes of the unit that did not fit */
    size_t list;     /* where in the buffer an element's texts begin */
    uint32_t arrays; /* bit n: container n is an array */
    const struct osb__field *frame[OSB__LEVELS]; /* what each open container is for; NULL: skip */
} osb__json;

typedef struct osb__http {
    uint8_t framing, chunk, digits;
    bool keep_alive, cut, framing_header;
    uint16_t status; /* 0: its line has not come yet */
    uint64_t left;   /* of the body, or of the chunk */
} osb__http;

typedef struct osb__call {
    const struct osb__op *op;
    const osb_endpoint *endpoint; /* NULL: the lifecycle server */

    const char *id; /* {id} in the path */
    const void *query, *body;
    void *answer;
    const void *handlers;
    void *user;
    int (*on_data)(void *user, const void *data, size_t size);
    void *own; /* what the call keeps in mind; of a run, the execution */
    uint32_t timeout_ms;
    uint16_t port;   /* {port} in the path */
    uint8_t attempt; /* 0: the first */
    bool once;       /* the caller of this step repeats it by itself */
} osb__call;

/* The order is for flash: the shortest instructions of a Cortex-M reach the first 32 bytes one by one,
   and the first 32 words. So what is busy comes first, bytes before words. */
struct osb_client {
    uint8_t state;        /* OSB__IDLE to OSB__TALKING */
    uint8_t consumer;     /* OSB__TO_...: who gets the body */
    uint8_t line;         /* OSB__L_...: where in a line of a stream of events */
    bool answered, whole; /* the answer's head is complete; its body is, too */
    bool ended;           /* a stream's last event came */
    bool keep_error;      /* what happens now does not change the error */
    bool accepted;        /* the port took bytes of the request */
    bool again;           /* after the pause: the same exchange once more */
    bool typed, pieced;   /* the event at hand: its type came; part of its text is handed out */
    bool connecting;      /* there will be a connection */
    bool reused;          /* the exchange began on a connection that had been kept */
    bool source_used;     /* the body's source has been read from */
    uint8_t want;         /* OSB_WANT_ bits: what the port waits for */
    bool ready_now;       /* osb_poll need not wait */
    osb__json json;
    /* The buffer: [0, base) this call's structs, [base, kept) text that outputs point at,
       [unit, unit_end) the member at hand, [in, in_end) received and not looked at yet,
       [limit, ...) the origin's host, and behind it, pinned bytes in all, a failed call's texts.
       spare: what was left before limit when it was least. */
    unsigned char *buffer;
    size_t base, kept, unit, unit_end, in, in_end, limit;
    osb_status (*next)(osb_client *client, osb_status status); /* what follows; see osb__finish */
    uint32_t deadline_ms; /* of the phase at hand; the end of a pause */
    osb__call call;
    osb_sandbox *box; /* the one that is getting ready */
    osb__http http;
    uint64_t body_size, source_left;
    osb_error error;
    osb_config config;
    uint32_t request_size, sent, window_from, window_size; /* may wrap in a body from a source */
    uint32_t received;           /* bytes of the answer so far; may wrap */
    uint32_t date_s, date_at_ms; /* the lifecycle server's last Date, and when it came */
    uint32_t used_ms; /* when the connection was used last; during a request, when that began */
#ifndef OSB_NO_EXTRAS
    uint32_t began_ms; /* when the exchange did, connecting included */
#endif
    osb_sandbox *suspended; /* the one whose ready check makes the call at hand */
    size_t pinned, spare;
    uint8_t drained; /* receives since the last event, while the stream's end is not there */
    volatile uint8_t cancel; /* see OSB_ATOMIC_LOAD */
    bool alive;              /* there is a connection */
    bool carriage_return;    /* the last byte between events was one */
    bool origin_https;       /* of the connection, as origin_port */
    uint16_t origin_port;
};

#ifdef __cplusplus
}
#endif

#endif /* OPENSANDBOX_H */

/* ==== implementation ==========================================================================*/

#ifdef OPENSANDBOX_IMPLEMENTATION
#ifndef OSB__IMPLEMENTED
#define OSB__IMPLEMENTED

/* The chapters, each of which calls only what stands above it (but for the functions that the decoder
   hands to, declared at the head of json):

      text        the writer through a window, numbers, escapes, dates, UTF-8
      json        field tables, the encoder, the regions of the buffer, the decoder
      http        addresses, the request, the answer's head, the framing of bodies
      events      an execution's stream: its lines, its events, what the handlers get
      call        the engine: connect, send, receive, repeat, pause, errors, osb_poll
      lifecycle, execd, websocket, isolated sessions, egress
                  the API: tables, and short functions over the engine
      sandbox     the steps to a sandbox that is ready

   The way of a call: the public function describes an exchange (one request and its answer) in
   client->call, through osb__begin and its like, then calls osb__drive. That, or in poll mode
   osb_poll, calls osb__step until the call is done. osb__step does pieces of work (osb__work: connect,
   send, receive, pause) until the exchange is over, repeats it if that is called for (osb__repeats),
   and gives its status to osb__finish. There client->next, if it is set, turns the status into the
   call's own, or begins the next exchange. */

#if !defined(OSB_MEMCPY) || !defined(OSB_MEMMOVE) || !defined(OSB_MEMSET) || !defined(OSB_MEMCMP)
#include <string.h>
#endif
/* A builtin is a call of the same function, or less than a call where the bytes are few. With the
   plain names a freestanding compiler makes a call in each case. */
#if defined(__GNUC__) || defined(__clang__)
#define OSB__LIBC(name) __builtin_##name
#else
#define OSB__LIBC(name) name
#endif
#ifndef OSB_MEMCPY
#define OSB_MEMCPY OSB__LIBC(memcpy)
#endif
#ifndef OSB_MEMMOVE
#define OSB_MEMMOVE OSB__LIBC(memmove)
#endif
#ifndef OSB_MEMSET
#define OSB_MEMSET OSB__LIBC(memset)
#endif
#ifndef OSB_MEMCMP
#define OSB_MEMCMP OSB__LIBC(memcmp)
#endif

/* The one byte that another thread or an interrupt may write. */
#ifndef OSB_ATOMIC_LOAD
#if defined(__GNUC__) || defined(__clang__)
#define OSB_ATOMIC_LOAD(byte) __atomic_load_n((byte), __ATOMIC_RELAXED)
#define OSB_ATOMIC_STORE(byte, value) __atomic_store_n((byte), (uint8_t)(value), __ATOMIC_RELAXED)
#else
#define OSB_ATOMIC_LOAD(byte) (*(byte))
#define OSB_ATOMIC_STORE(byte, value) (*(byte) = (uint8_t)(value))
#endif
#endif

/* jsmn under private names and with our settings, whatever the including program does with jsmn
   itself, before or after this. */
#ifdef JSMN_H
#define OSB__HAD_JSMN
#undef JSMN_H
#endif
#ifdef JSMN_HEADER
#define OSB__HAD_JSMN_HEADER
#undef JSMN_HEADER
#endif
#ifdef JSMN_STATIC
#define OSB__HAD_JSMN_STATIC
#else
#define JSMN_STATIC
#endif
#ifdef JSMN_STRICT
#define OSB__HAD_JSMN_STRICT
#else
#define JSMN_STRICT
#endif
#ifdef JSMN_PARENT_LINKS
#define OSB__HAD_JSMN_PARENT_LINKS
#else
#define JSMN_PARENT_LINKS
#endif
#undef JSMN_API
#define jsmntype_t osb__jsmntype_t
#define jsmnerr osb__jsmnerr
#define jsmntok_t osb__jsmntok_t
#define jsmn_parser osb__jsmn_parser
#define jsmn_init osb__jsmn_init
#define jsmn_parse osb__jsmn_parse
#define jsmn_alloc_token osb__jsmn_alloc_token
#define jsmn_fill_token osb__jsmn_fill_token
#define jsmn_parse_primitive osb__jsmn_parse_primitive
#define jsmn_parse_string osb__jsmn_parse_string
#define JSMN_UNDEFINED OSB__JSMN_UNDEFINED
#define JSMN_OBJECT OSB__JSMN_OBJECT
#define JSMN_ARRAY OSB__JSMN_ARRAY
#define JSMN_STRING OSB__JSMN_STRING
#define JSMN_PRIMITIVE OSB__JSMN_PRIMITIVE
#define JSMN_ERROR_NOMEM OSB__JSMN_ERROR_NOMEM
#define JSMN_ERROR_INVAL OSB__JSMN_ERROR_INVAL
#define JSMN_ERROR_PART OSB__JSMN_ERROR_PART
#include <jsmn.h>
#undef jsmntype_t
#undef jsmnerr
#undef jsmntok_t
#undef jsmn_parser
#undef jsmn_init
#undef jsmn_parse
#undef jsmn_alloc_token
#undef jsmn_fill_token
#undef jsmn_parse_primitive
#undef jsmn_parse_string
#undef JSMN_UNDEFINED
#undef JSMN_OBJECT
#undef JSMN_ARRAY
#undef JSMN_STRING
#undef JSMN_PRIMITIVE
#undef JSMN_ERROR_NOMEM
#undef JSMN_ERROR_INVAL
#undef JSMN_ERROR_PART
#undef JSMN_API
#ifndef OSB__HAD_JSMN
#undef JSMN_H
#endif
#ifdef OSB__HAD_JSMN_HEADER
#define JSMN_HEADER
#endif
#ifndef OSB__HAD_JSMN_STATIC
#undef JSMN_STATIC
#endif
#ifndef OSB__HAD_JSMN_STRICT
#undef JSMN_STRICT
#endif
#ifndef OSB__HAD_JSMN_PARENT_LINKS
#undef JSMN_PARENT_LINKS
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What the library itself has to say of an error; nothing if error texts are left out. */
#ifdef OSB_NO_ERROR_TEXT
#define OSB__SAY(text) NULL
#else
#define OSB__SAY(text) (text)
#endif

/* Apart: never inlined, so that it takes no stack while its caller calls deeper ones, and is in
   flash once. Within: always inlined, so that the deepest path has a frame less. */
#if defined(__GNUC__) || defined(__clang__)
#define OSB__APART __attribute__((noinline))
#define OSB__WITHIN inline __attribute__((always_inline))
#else
#define OSB__APART
#define OSB__WITHIN
#endif

/* ==== text ====================================================================================*/

/* Writes through a window: of everything that is put, bytes [from, from + room) land in out.
   A window of no room counts. */
typedef struct osb__writer {
    unsigned char *out;
    uint32_t from, room, at;
    bool comma; /* the next JSON member needs one */
    bool bad;   /* something was put that must not go into a request head */
    bool large; /* more was put than can be counted */
} osb__writer;

static size_t osb__length(const char *text)
{
    size_t n = 0;
    if (text != NULL)
        while (text[n] != '\0') n++;
    return n;
}

static void osb__put(osb__writer *w, const void *data, size_t size)
{
    uint32_t at = w->at, n = (uint32_t)size, skip = 0;
#if SIZE_MAX > UINT32_MAX
    w->large = w->large || size > UINT32_MAX - at;
#endif
    w->at += n;
    if (n == 0 || w->at <= w->from) return;
    if (at < w->from) skip = w->from - at;
    at = at + skip - w->from;
    if (at >= w->room) return;
    n -= skip;
    if (n > w->room - at) n = w->room - at;
    OSB_MEMCPY(w->out + at, (const unsigned char *)data + skip, (size_t)n);
}

static OSB__APART void osb__put_char(osb__writer *w, char c)
{
    osb__put(w, &c, 1);
}

static void osb__put_text(osb__writer *w, const char *text)
{
    osb__put(w, text, osb__length(text));
}

/* A text for the caller, who may have less room than it needs; it is counted to its end. */
static void osb__text_begin(osb__writer *w, char *out, size_t size)
{
    OSB_MEMSET(w, 0, sizeof *w);
    w->out = (unsigned char *)out;
    w->room = (uint32_t)size;
}

/* Puts the NUL behind it, or in the last byte's place if it was cut; returns the whole length. */
static size_t osb__text_end(const osb__writer *w, size_t size)
{
    if (size > 0) w->out[w->at < size ? w->at : size - 1] = '\0';
    return (size_t)w->at;
}

/* Divides in limbs of 16 bits, since a 64-bit division would pull in a library function. */
static void osb__put_number(osb__writer *w, uint64_t value)
{
    char digits[20];
    uint32_t limb[4];
    size_t at = sizeof digits;
    unsigned i;
    for (i = 0; i < 4; i++) limb[i] = (uint32_t)(value >> (48 - 16 * i)) & 0xffffu;
    do {
        uint32_t rest = 0;
        for (i = 0; i < 4; i++) {
            uint32_t part = (rest << 16) | limb[i];
            limb[i] = part / 10u;
            rest = part % 10u;
        }
        digits[--at] = (char)('0' + rest);
    } while ((limb[0] | limb[1] | limb[2] | limb[3]) != 0);
    osb__put(w, digits + at, sizeof digits - at);
}

static const char osb__hex_digits[] = "0123456789ABCDEF";

static void osb__put_hex(osb__writer *w, unsigned byte)
{
    osb__put_char(w, osb__hex_digits[(byte >> 4) & 15u]);
    osb__put_char(w, osb__hex_digits[byte & 15u]);
}

/* The inside of a JSON string. */
static void osb__put_escaped(osb__writer *w, const char *text, size_t size)
{
    size_t i, from = 0;
    for (i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        osb__put(w, text + from, i - from);
        from = i + 1;
        if (c < 0x20) {
            osb__put_text(w, "\\u00");
            osb__put_hex(w, c);
        } else {
            osb__put_char(w, '\\');
            osb__put_char(w, text[i]);
        }
    }
    osb__put(w, text + from, size - from);
}

static void osb__put_string(osb__writer *w, const char *text)
{
    osb__put_char(w, '"');
    osb__put_escaped(w, text, osb__length(text));
    osb__put_char(w, '"');
}

/* Each argument in single quotes; quote is how a quote inside of one is written. */
static void osb__put_shell(osb__writer *w, const char *const *argv, bool json)
{
    const char *quote = json ? "'\\\\''" : "'\\''";
    size_t i;
    for (i = 0; argv[i] != NULL; i++) {
        const char *text = argv[i];
        osb__put_text(w, i == 0 ? "'" : " '");
        for (;;) {
            size_t n = 0;
            while (text[n] != '\0' && text[n] != '\'') n++;
            if (json) osb__put_escaped(w, text, n);
            else osb__put(w, text, n);
            if (text[n] == '\0') break;
            osb__put_text(w, quote);
            text += n + 1;
        }
        osb__put_char(w, '\'');
    }
}

static bool osb__is_digit(unsigned c)
{
    return c - '0' < 10u;
}

static bool osb__is_unreserved(unsigned c)
{
    return osb__is_digit(c) || (c | 0x20u) - 'a' < 26u || c == '-' || c == '.' || c == '_' ||
           c == '~';
}

/* percent is what stands for the percent sign: "%25" encodes what is encoded once more. */
static void osb__put_encoded(osb__writer *w, const char *text, const char *percent)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (osb__is_unreserved(c)) {
            osb__put_char(w, *text);
        } else {
            osb__put_text(w, percent);
            osb__put_hex(w, c);
        }
    }
}

/* Text of a request head; anything below `lowest`, or DEL, spoils the request. */
static void osb__put_head(osb__writer *w, const char *text, size_t size, unsigned lowest)
{
    size_t i;
    for (i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < lowest && c != '\t') || c == 0x7f || (c == '\t' && lowest > 0x20)) w->bad = true;
    }
    osb__put(w, text, size);
}

static unsigned osb__lower(unsigned c)
{
    return c - 'A' < 26u ? c + 0x20u : c;
}

static bool osb__equal_nocase(const char *a, const char *b, size_t size)
{
    size_t i;
    for (i = 0; i < size; i++)
        if (osb__lower((unsigned char)a[i]) != osb__lower((unsigned char)b[i])) return false;
    return true;
}

/* Whether size bytes are this C string, case ignored. */
static bool osb__is(const char *data, size_t size, const char *text)
{
    return osb__length(text) == size && osb__equal_nocase(data, text, size);
}

OSB_DEF bool osb_str_equal(osb_str view, const char *text)
{
    return view.data != NULL && osb__length(text) == view.size &&
           OSB_MEMCMP(view.data, text, view.size) == 0;
}

/* Whether this is one of so many words. */
static bool osb__is_one_of(osb_str view, const char *const *words, size_t count)
{
    while (count > 0)
        if (osb_str_equal(view, words[--count])) return true;
    return false;
}

#if !defined(OSB_NO_SESSIONS) || !defined(OSB_NO_ISOLATED)
static bool osb__contains(osb_str text, const char *part)
{
    size_t size = osb__length(part), i;
    for (i = 0; i + size <= text.size; i++)
        if (OSB_MEMCMP(text.data + i, part, size) == 0) return true;
    return false;
}
#endif

static osb_str osb__view(const char *text)
{
    osb_str view;
    view.data = text;
    view.size = osb__length(text);
    return view;
}

/* Digits only; false if there is none, something else, or more than 64 bits. */
static bool osb__number(const char *text, size_t size, uint64_t *value)
{
    size_t i;
    uint64_t sum = 0;
    for (i = 0; i < size; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit > 9 || sum > UINT64_MAX / 10u - (digit > UINT64_MAX % 10u)) return false;
        sum = sum * 10u + digit;
    }
    *value = sum;
    return size > 0;
}

/* A JSON integer between -2^63 and 2^63-1. */
static bool osb__integer(const char *text, size_t size, int64_t *value)
{
    uint64_t magnitude;
    bool negative = size > 0 && text[0] == '-';
    if (negative) {
        text++;
        size--;
    }
    if (!osb__number(text, size, &magnitude)) return false;
    if (magnitude > (uint64_t)INT64_MAX + (negative ? 1u : 0u)) return false;
    *value = negative ? -(int64_t)(magnitude - 1u) - 1 : (int64_t)magnitude;
    if (negative && magnitude == 0) *value = 0;
    return true;
}

static uint32_t osb__days_from_civil(uint32_t year, uint32_t month, uint32_t day)
{
    /* Years begin in March here, so that the leap day is the last of its year. */
    uint32_t y = month <= 2 ? year - 1 : year;
    uint32_t m = month <= 2 ? month + 9 : month - 3;
    return y * 365u + y / 4u - y / 100u + y / 400u + (m * 153u + 2u) / 5u + day - 1u - 719468u;
}

static uint32_t osb__two_digits(const char *text)
{
    unsigned tens = (unsigned char)text[0], ones = (unsigned char)text[1];
    if (tens == ' ') tens = '0';
    return osb__is_digit(tens) && osb__is_digit(ones) ? (tens - '0') * 10u + (ones - '0') : 100u;
}

/* "Mon, 15 Jun 2026 10:00:00 GMT" as seconds since 1970; 0 if it is not that. */
static uint32_t osb__http_date(const char *text, size_t size)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    uint32_t month = 0, day, year, hour, minute, second;
    if (size != 29) return 0;
    while (month < 12 && OSB_MEMCMP(text + 8, months + 3u * (size_t)month, 3) != 0) month++;
    day = osb__two_digits(text + 5);
    year = osb__two_digits(text + 12) * 100u + osb__two_digits(text + 14);
    hour = osb__two_digits(text + 17);
    minute = osb__two_digits(text + 20);
    second = osb__two_digits(text + 23);
    if (month == 12 || day < 1 || day > 31 || year < 1970 || year > 2105) return 0;
    if (osb__two_digits(text + 14) > 99u) return 0; /* the first two make the year too large */
    if (hour > 23 || minute > 59 || second > 60) return 0;
    return ((osb__days_from_civil(year, month + 1, day) * 24u + hour) * 60u + minute) * 60u +
           second;
}

#ifndef OSB_NO_ADMIN
static void osb__put_two(osb__writer *w, uint32_t value, const char *after)
{
    osb__put_char(w, (char)('0' + value / 10u));
    osb__put_char(w, (char)('0' + value % 10u));
    osb__put_text(w, after);
}

/* Seconds since 1970 as RFC 3339, e.g. 2026-06-15T12:00:00Z. */
static void osb__put_time(osb__writer *w, uint32_t unix_s)
{
    uint32_t days = unix_s / 86400u, rest = unix_s % 86400u, year = 1970, month = 1;
    while (osb__days_from_civil(year + 1, 1, 1) <= days) year++;
    while (month < 12 && osb__days_from_civil(year, month + 1, 1) <= days) month++;
    osb__put_number(w, year);
    osb__put_char(w, '-');
    osb__put_two(w, month, "-");
    osb__put_two(w, days - osb__days_from_civil(year, month, 1) + 1, "T");
    osb__put_two(w, rest / 3600u, ":");
    osb__put_two(w, rest / 60u % 60u, ":");
    osb__put_two(w, rest % 60u, "Z");
}
#endif

static size_t osb__put_utf8(unsigned char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (unsigned char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (unsigned char)(0xc0u | code >> 6);
        out[1] = (unsigned char)(0x80u | (code & 0x3fu));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (unsigned char)(0xe0u | code >> 12);
        out[1] = (unsigned char)(0x80u | (code >> 6 & 0x3fu));
        out[2] = (unsigned char)(0x80u | (code & 0x3fu));
        return 3;
    }
    out[0] = (unsigned char)(0xf0u | code >> 18);
    out[1] = (unsigned char)(0x80u | (code >> 12 & 0x3fu));
    out[2] = (unsigned char)(0x80u | (code >> 6 & 0x3fu));
    out[3] = (unsigned char)(0x80u | (code & 0x3fu));
    return 4;
}

static uint32_t osb__hex_digit(unsigned c)
{
    if (osb__is_digit(c)) return c - '0';
    c |= 0x20u;
    return c - 'a' < 6u ? c - 'a' + 10u : 16u;
}

static uint32_t osb__hex4(const unsigned char *text)
{
    return osb__hex_digit(text[0]) << 12 | osb__hex_digit(text[1]) << 8 |
           osb__hex_digit(text[2]) << 4 | osb__hex_digit(text[3]);
}

/* The character of a \u escape whose digits begin at s[*at]; takes a second escape in if the two
   are a surrogate pair. A surrogate without its other half is U+FFFD. */
static uint32_t osb__unescape_u(const unsigned char *s, size_t size, size_t *at)
{
    uint32_t code = osb__hex4(s + *at);
    *at += 4;
    if (code - 0xd800u >= 0x800u) return code;
    if (code < 0xdc00u && size - *at >= 6 && s[*at] == '\\' && s[*at + 1] == 'u') {
        uint32_t low = osb__hex4(s + *at + 2);
        if (low - 0xdc00u < 0x400u) {
            *at += 6;
            return 0x10000u + ((code - 0xd800u) << 10) + (low - 0xdc00u);
        }
    }
    return 0xfffdu;
}

/* Resolves the escapes of a JSON string in place, jsmn having checked them; returns the new size. */
static size_t osb__unescape(unsigned char *s, size_t size)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    size_t in = 0, out = 0, i;
    while (in < size) {
        unsigned char c = s[in++];
        if (c != '\\') {
            s[out++] = c;
            continue;
        }
        c = s[in++];
        if (c == 'u') {
            out += osb__put_utf8(s + out, osb__unescape_u(s, size, &in));
            continue;
        }
        for (i = 0; i < 5; i++)
            if (c == (unsigned char)from[i]) {
                c = (unsigned char)to[i];
                break;
            }
        s[out++] = c;
    }
    return out;
}

/* The size of text without an incomplete UTF-8 character at its end. */
static size_t osb__whole_characters(const unsigned char *text, size_t size)
{
    size_t back = 1;
    while (back <= 3 && back <= size) {
        unsigned char c = text[size - back];
        if (c < 0x80) return size;
        if (c >= 0xc0) {
            size_t need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
            return need > back ? size - back : size;
        }
        back++;
    }
    return size;
}

/* ==== json ====================================================================================*/

/* One member of a request or response: where it stands in the C struct, and how. The last one of a
   table says that it is the last. */
typedef struct osb__field {
    const char *name;
    const struct osb__field *sub; /* the members of an object */
    uint16_t offset;
    uint8_t kind;
    uint8_t half_size; /* of an array element, a char array: its size / 2 */
} osb__field;

#define OSB__AT(type, member) ((uint16_t)offsetof(type, member))
/* Does not compile for a struct that is too large. */
#define OSB__HALF(type) ((uint8_t)(sizeof(type) / 2 * sizeof(char[sizeof(type) <= 510 ? 1 : -1])))

enum {
    /* What requests are made of. */
    OSB__STRING = 1, /* const char * */
    OSB__FLAG,       /* bool: true, or absent */
    OSB__NOT,        /* bool: false, or absent */
    OSB__U32,        /* uint32_t; absent if 0 */
    OSB__CURSOR,     /* uint64_t; never absent */
    OSB__OPT_U32,    /* osb_u32 */
    OSB__STRINGS,    /* const char *const *, size_t */
    OSB__PAIRS,      /* const osb_pair *, size_t; NULL values left out */
    OSB__NULLABLE,   /* the same, NULL values as null */
    OSB__ARGV,       /* const char *const *, to NULL, quoted for the shell */
    OSB__COUNT,      /* uint64_t; absent if 0 */
    OSB__ALWAYS,     /* uint32_t; never absent */
    OSB__NUMBERS,    /* const uint16_t *, size_t */
    OSB__JSON,       /* const char *: JSON as it is */
    OSB__MODE,       /* uint32_t; 755 if 0 */
    OSB__INLINE,     /* the text "inline" */
    OSB__DENY,       /* const char *; "deny" if absent */
    OSB__GROUP,      /* an object out of members of the same struct; absent if all of them are */
    OSB__POINTER,    /* pointer to a struct */
    OSB__STRUCTS,    /* pointer to structs, size_t */
    OSB__KEYED, /* the same as an object, with each struct's first member, a text, as the key */
    /* What responses are made of. */
    OSB__VIEW,    /* osb_str */
    OSB__TEXT,    /* osb_str; handed out in pieces if it is larger than the buffer */
    OSB__CUT,     /* osb_str; only its beginning if it is larger than the buffer */
    OSB__COPY,    /* char array */
    OSB__BOOL,    /* bool */
    OSB__UINT,    /* uint32_t */
    OSB__U64,     /* uint64_t */
    OSB__I64,     /* int64_t */
    OSB__OPT_I32, /* osb_i32 */
    OSB__MILLI,   /* int64_t: a decimal in thousandths */
    OSB__TYPE,    /* osb_event_type */
    OSB__OBJECT,  /* members of the same struct */
    OSB__EITHER,  /* an object, an array of them, or text: then as OSB__CUT */
    OSB__LIST,    /* array of objects, each handed out through the same member of the struct */
    OSB__DICT,    /* object of objects: as OSB__LIST; the key goes to the struct's first member */
    OSB__MAP,     /* object of texts, each entry handed out */
    OSB__ARRAY,   /* array of texts, each one handed out */
    OSB__KIND = 0x3f,
    OSB__LAST = 0x40,    /* the end of its table */
    OSB__REQUIRED = 0x80 /* must be there; on a container: it has such members; on OSB__STRUCTS:
                            sent even if empty */
};

/* Whether any answer has an array or a map of objects. */
#if !defined(OSB_NO_ADMIN) || !defined(OSB_NO_SNAPSHOTS) || !defined(OSB_NO_POOLS) ||              \
    !defined(OSB_NO_CODE) || !defined(OSB_NO_FILES) || !defined(OSB_NO_ISOLATED) ||                \
    !defined(OSB_NO_EGRESS) || !defined(OSB_NO_VAULT)
#define OSB__LISTS 1
#else
#define OSB__LISTS 0
#endif

/* Whether any request has such an array. */
#if !defined(OSB_NO_CREATE_EXTRAS) || !defined(OSB_NO_FILES) || !defined(OSB_NO_ISOLATED) ||       \
    !defined(OSB_NO_EGRESS) || !defined(OSB_NO_VAULT)
#define OSB__ARRAYS 1
#else
#define OSB__ARRAYS 0
#endif

#ifndef OSB_NO_VAULT
#define OSB__ENCODE_LEVELS 5
#elif !defined(OSB_NO_CREATE_EXTRAS)
#define OSB__ENCODE_LEVELS 4
#else
#define OSB__ENCODE_LEVELS 2
#endif

typedef struct osb__frame {
    const osb__field *table, *next;
    const unsigned char *base;
    size_t left; /* elements of an array, this one among them; 0: not in an array */
    uint8_t half_step;
    bool keyed; /* the array is written as an object */
} osb__frame;

/* A pointer member, whatever it points at. */
static const void *osb__pointer(const unsigned char *member)
{
    const void *pointer;
    OSB_MEMCPY(&pointer, member, sizeof pointer);
    return pointer;
}

/* The count that stands behind a pointer member. */
static size_t osb__count(const unsigned char *member)
{
    size_t count;
    OSB_MEMCPY(&count, member + sizeof(void *), sizeof count);
    return osb__pointer(member) == NULL ? 0 : count;
}

static bool osb__present(const osb__field *field, const unsigned char *member)
{
    switch (field->kind & OSB__KIND) {
    case OSB__FLAG:
    case OSB__NOT:
        return *(const bool *)(const void *)member;
    case OSB__U32: {
        uint32_t value;
        OSB_MEMCPY(&value, member, sizeof value);
        return value != 0;
    }
    case OSB__COUNT: {
        uint64_t value;
        OSB_MEMCPY(&value, member, sizeof value);
        return value != 0;
    }
    case OSB__OPT_U32:
        return ((const osb_u32 *)(const void *)member)->set;
    case OSB__CURSOR:
    case OSB__ALWAYS:
    case OSB__MODE:
    case OSB__INLINE:
    case OSB__DENY:
        return true;
    case OSB__STRINGS:
    case OSB__PAIRS:
    case OSB__NULLABLE:
    case OSB__NUMBERS:
    case OSB__STRUCTS:
    case OSB__KEYED:
        return osb__count(member) > 0;
    default:
        return osb__pointer(member) != NULL;
    }
}

/* The table's member behind this one; NULL: there is none. */
static const osb__field *osb__following(const osb__field *field)
{
    return (field->kind & OSB__LAST) != 0 ? NULL : field + 1;
}

static bool osb__any_present(const osb__field *field, const unsigned char *base)
{
    while (field != NULL && !osb__present(field, base + field->offset))
        field = osb__following(field);
    return field != NULL;
}

/* Whether a member is sent. An object whose members stand in the same struct is, if any of them is
   there, or any of an object in it: what it lacks then, the server says. */
static bool osb__is_sent_member(const osb__field *field, const unsigned char *base)
{
    const osb__field *inner;
    if ((field->kind & OSB__KIND) != OSB__GROUP) return osb__present(field, base + field->offset);
    for (inner = field->sub; inner != NULL; inner = osb__following(inner))
        if ((inner->kind & OSB__KIND) == OSB__GROUP && osb__any_present(inner->sub, base))
            return true;
    return osb__any_present(field->sub, base);
}

static void osb__put_comma(osb__writer *w)
{
    if (w->comma) osb__put_char(w, ',');
    w->comma = true;
}

static void osb__encode_pairs(osb__writer *w, const osb_pair *pairs, size_t count, bool nullable)
{
    size_t i;
    osb__put_char(w, '{');
    w->comma = false;
    for (i = 0; i < count; i++) {
        if (pairs[i].name == NULL || (pairs[i].value == NULL && !nullable)) continue;
        osb__put_comma(w);
        osb__put_string(w, pairs[i].name);
        osb__put_char(w, ':');
        if (pairs[i].value != NULL) osb__put_string(w, pairs[i].value);
        else osb__put_text(w, "null");
    }
    osb__put_char(w, '}');
}

#ifndef OSB_NO_VAULT
/* At least one, since absent ones are not sent. */
static void osb__encode_numbers(osb__writer *w, const uint16_t *numbers, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++) {
        osb__put_char(w, i == 0 ? '[' : ',');
        osb__put_number(w, numbers[i]);
    }
    osb__put_char(w, ']');
}
#endif

static void osb__encode_strings(osb__writer *w, const char *const *texts, size_t count)
{
    size_t i;
    osb__put_char(w, '[');
    for (i = 0; i < count; i++) {
        if (i > 0) osb__put_char(w, ',');
        osb__put_string(w, texts[i]);
    }
    osb__put_char(w, ']');
}

static void osb__encode_value(osb__writer *w, const osb__field *field, const unsigned char *member)
{
    unsigned kind = field->kind & OSB__KIND;
    switch (kind) {
    case OSB__FLAG:
        osb__put_text(w, "true");
        break;
    case OSB__NOT:
        osb__put_text(w, "false");
        break;
    case OSB__U32:
    case OSB__ALWAYS:
    case OSB__MODE:
    case OSB__OPT_U32: {
        uint32_t value;
        if (kind == OSB__OPT_U32) member += offsetof(osb_u32, value);
        OSB_MEMCPY(&value, member, sizeof value);
        if (value == 0 && kind == OSB__MODE) value = 755;
        osb__put_number(w, value);
        break;
    }
    case OSB__CURSOR:
    case OSB__COUNT: {
        uint64_t value;
        OSB_MEMCPY(&value, member, sizeof value);
        osb__put_number(w, value);
        break;
    }
#ifndef OSB_NO_VAULT
    case OSB__NUMBERS:
        osb__encode_numbers(w, (const uint16_t *)osb__pointer(member), osb__count(member));
        break;
    case OSB__INLINE:
        osb__put_text(w, "\"inline\"");
        break;
#endif
#ifndef OSB_NO_POOLS
    case OSB__JSON:
        osb__put_text(w, (const char *)osb__pointer(member));
        break;
#endif
#if !defined(OSB_NO_CREATE_EXTRAS) || !defined(OSB_NO_EGRESS)
    case OSB__DENY: {
        const char *text = (const char *)osb__pointer(member);
        osb__put_string(w, text != NULL ? text : "deny");
        break;
    }
#endif
    case OSB__STRINGS:
        osb__encode_strings(w, (const char *const *)osb__pointer(member), osb__count(member));
        break;
    case OSB__PAIRS:
    case OSB__NULLABLE:
        osb__encode_pairs(w, (const osb_pair *)osb__pointer(member), osb__count(member),
                          kind == OSB__NULLABLE);
        break;
    case OSB__ARGV:
        osb__put_char(w, '"');
        osb__put_shell(w, (const char *const *)osb__pointer(member), true);
        osb__put_char(w, '"');
        break;
    default:
        osb__put_string(w, (const char *)osb__pointer(member));
        break;
    }
    w->comma = true;
}

/* Opens the object that is the frame's element. */
static void osb__encode_element(osb__writer *w, osb__frame *frame)
{
    if (OSB__ARRAYS && frame->keyed) {
        osb__put_string(w, (const char *)osb__pointer(frame->base));
        osb__put_char(w, ':');
    }
    osb__put_char(w, '{');
    w->comma = false;
    frame->next = frame->table;
}

/* Opens the object, or the array of objects, that a member stands for. */
static void osb__encode_open(osb__writer *w, osb__frame *frame, const osb__field *field,
                             const unsigned char *base)
{
    const unsigned char *member = base + field->offset;
    unsigned kind = field->kind & OSB__KIND;
    bool many = OSB__ARRAYS && (kind == OSB__STRUCTS || kind == OSB__KEYED);
    frame->table = field->sub;
    frame->left = 0;
    frame->half_step = field->half_size;
    frame->keyed = OSB__ARRAYS && kind == OSB__KEYED;
    frame->base = base;
    if (many || kind == OSB__POINTER) frame->base = (const unsigned char *)osb__pointer(member);
    if (many) {
        frame->left = osb__count(member);
        osb__put_char(w, frame->keyed ? '{' : '[');
    }
    osb__encode_element(w, frame);
}

/* Closes an object; true if another one of the same array has been opened. */
static bool osb__encode_close(osb__writer *w, osb__frame *frame)
{
    osb__put_char(w, '}');
    w->comma = true;
    if (!OSB__ARRAYS || frame->left == 0) return false;
    if (--frame->left == 0) {
        osb__put_char(w, frame->keyed ? '}' : ']');
        return false;
    }
    osb__put_char(w, ',');
    frame->base += (size_t)frame->half_step * 2u;
    osb__encode_element(w, frame);
    return true;
}

/* The frame's next member; NULL: there is none left. */
static const osb__field *osb__encode_next(osb__frame *frame)
{
    const osb__field *field = frame->next;
    if (field != NULL) frame->next = osb__following(field);
    return field;
}

/* Writes a struct as a JSON object. A table whose only member has no name is that member's value. */
static void osb__encode(osb__writer *w, const osb__field *table, const void *object)
{
    osb__field root = {"", NULL, 0, OSB__GROUP, 0};
    osb__frame stack[OSB__ENCODE_LEVELS], *top = stack;
    const unsigned char *base = (const unsigned char *)object;
    if (table->name[0] != '\0') {
        root.sub = table;
    } else if (table->sub != NULL && osb__present(table, base + table->offset)) {
        root = *table;
    } else { /* nothing of it is an object with members to be walked */
        if (table->sub != NULL)
            osb__put_text(w, (table->kind & OSB__KIND) == OSB__KEYED ? "{}" : "[]");
        else osb__encode_value(w, table, base + table->offset);
        return;
    }
    osb__encode_open(w, top, &root, base);
    for (;;) {
        const osb__field *field = osb__encode_next(top);
        if (field == NULL) {
            if (osb__encode_close(w, top)) continue;
            if (top == stack) return;
            top--;
        } else if (osb__is_sent_member(field, top->base)) {
            osb__put_comma(w);
            osb__put_string(w, field->name);
            osb__put_char(w, ':');
            if (field->sub == NULL) {
                osb__encode_value(w, field, top->base + field->offset);
            } else {
                osb__encode_open(w, top + 1, field, top->base);
                top++;
            }
        } else if ((field->kind & OSB__REQUIRED) != 0) {
            osb__put_comma(w);
            osb__put_string(w, field->name);
            osb__put_text(w, ":[]");
        }
    }
}

#ifndef OSB_NO_ADMIN
/* Pairs are a query within the query: its text is encoded once more. */
static void osb__put_query_pairs(osb__writer *w, const osb_pair *pairs, size_t count)
{
    const char *mark = "";
    size_t i;
    for (i = 0; i < count; i++) {
        if (pairs[i].name == NULL || pairs[i].value == NULL) continue;
        osb__put_text(w, mark);
        mark = "%26";
        osb__put_encoded(w, pairs[i].name, "%25");
        osb__put_text(w, "%3D");
        osb__put_encoded(w, pairs[i].value, "%25");
    }
}

#endif

/* The i-th value of a member. */
static void osb__put_query_value(osb__writer *w, const osb__field *field,
                                 const unsigned char *member, size_t i)
{
    switch (field->kind & OSB__KIND) {
    case OSB__STRINGS:
        osb__put_encoded(w, ((const char *const *)osb__pointer(member))[i], "%");
        break;
    case OSB__STRING:
        osb__put_encoded(w, (const char *)osb__pointer(member), "%");
        break;
#ifndef OSB_NO_ADMIN
    case OSB__PAIRS:
        osb__put_query_pairs(w, (const osb_pair *)osb__pointer(member), osb__count(member));
        break;
#endif
    default:
        osb__encode_value(w, field, member);
        break;
    }
}

/* A struct as a query. */
static void osb__put_query(osb__writer *w, const osb__field *field, const void *object)
{
    const char *mark = "?";
    size_t i;
    for (; field != NULL; field = osb__following(field)) {
        const unsigned char *member = (const unsigned char *)object + field->offset;
        size_t count = (field->kind & OSB__KIND) == OSB__STRINGS ? osb__count(member) : 1;
        if (!osb__present(field, member)) continue;
        for (i = 0; i < count; i++) {
            osb__put_text(w, mark);
            osb__put_text(w, field->name);
            osb__put_char(w, '=');
            mark = "&";
            osb__put_query_value(w, field, member, i);
        }
    }
}

/* The buffer's three regions: text that outputs point at, the unit (the member at hand), and what
   has been received; see osb_client. */

static OSB__APART osb_status osb__fail(osb_client *c, osb_status status, const char *message)
{
    if (c->keep_error) return status;
    c->error.status = c->error.cause = status;
    if (message != NULL) c->error.message = osb__view(message);
    return status;
}

static osb_status osb__too_big(osb_client *c, const char *buffer, const char *member, size_t needed)
{
    if (!c->keep_error) {
        c->error.buffer = buffer;
        c->error.member = member;
        c->error.needed = needed;
    }
    return osb__fail(c, OSB_E_BUFFER, NULL);
}

/* A handler asked for the end of the call. */
static osb_status osb__stopped(osb_client *c)
{
    if (c->error.status != OSB_OK) return c->error.status; /* the handler is our own and said why */
    return osb__fail(c, OSB_E_CANCELLED, OSB__SAY("ended by a handler"));
}

static osb_status osb__bad_json(osb_client *c, const char *message)
{
    if (c->json.field != NULL && !c->keep_error) c->error.member = c->json.field->name;
    return osb__fail(c, OSB_E_JSON, message);
}

static size_t osb__unit_size(const osb_client *c)
{
    return c->unit_end - c->unit;
}

static osb_status osb__malformed(osb_client *c)
{
    return osb__bad_json(c, OSB__SAY("malformed JSON"));
}

static osb_status osb__wrong_kind(osb_client *c)
{
    return osb__bad_json(c, OSB__SAY("a value of another kind than the API's"));
}

/* Moves n received bytes to the unit; nothing is copied while the two regions touch. */
static void osb__take(osb_client *c, size_t n)
{
    if (c->unit_end == c->unit) c->unit = c->unit_end = c->in;
    if (c->unit_end != c->in) OSB_MEMMOVE(c->buffer + c->unit_end, c->buffer + c->in, n);
    c->unit_end += n;
    c->in += n;
}

/* What stays free behind a unit: a byte to be received, and one for osb__json_overflow. */
#define OSB__SPARE 2u

/* For osb_buffer_peak: the unit has to fit behind what is kept, and so many bytes more. */
static void osb__must_fit(osb_client *c, size_t more)
{
    size_t end = c->kept + osb__unit_size(c) + OSB__SPARE + more;
    if (end > c->limit) end = c->limit;
    if (c->limit - end < c->spare) c->spare = c->limit - end;
}

static void osb__drop_unit(osb_client *c)
{
    c->unit_end = c->unit;
}

/* Keeps text of the unit for the outputs to point at, with a NUL behind it. The unit always has a
   byte more than its text: a quote, a line's end. */
static osb_str osb__keep(osb_client *c, const void *text, size_t size)
{
    osb_str view;
    OSB_MEMMOVE(c->buffer + c->kept, text, size);
    c->buffer[c->kept + size] = '\0';
    view.data = (const char *)c->buffer + c->kept;
    view.size = size;
    c->kept += size + 1;
    return view;
}

/* Room at the buffer's start that lives until the call's end, for structs. There always is some:
   see osb__place_origin. */
static void *osb__alloc(osb_client *c, size_t size)
{
    size_t at = c->base;
    at += (size_t)(0u - (uintptr_t)(c->buffer + at)) & (sizeof(uint64_t) - 1u);
    c->base = c->kept = c->unit = c->unit_end = c->in = c->in_end = at + size;
    OSB_MEMSET(c->buffer + at, 0, size);
    return c->buffer + at;
}

/* The decoder reads a stream of bytes and holds one member of an object (or one element of an
   array of texts) at a time: the unit. Containers are opened and closed as their brackets pass;
   what no table asks for passes unbuffered. jsmn checks the insides of the unit's tokens; their order is
   checked here, since jsmn does not. */
enum {
    OSB__J_VALUE,
    OSB__J_VALUE_OR_END,
    OSB__J_KEY,
    OSB__J_KEY_OR_END,
    OSB__J_COLON,
    OSB__J_NEXT,
    OSB__J_STRING,
    OSB__J_PRIMITIVE,
    OSB__J_DONE
};

/* Beside OSB_PENDING: an end of line outside of a string, in an event stream. */
#define OSB__END_OF_LINE ((osb_status)2)

enum { /* who gets the body */
       OSB__TO_NOBODY,
       OSB__TO_JSON,
       OSB__TO_EVENTS,
       OSB__TO_DATA,
       OSB__TO_ERROR, /* not known yet whether JSON or text */
       OSB__TO_ERROR_JSON,
       OSB__TO_ERROR_TEXT
};

/* What containers of a kind hand out; the layers below in this file define it. */
static osb_status osb__on_entry(osb_client *c, const osb__field *field, osb_str key, osb_str value);
static osb_status osb__hand_out(osb_client *c, const osb__field *field, osb_str key, osb_str value);
static osb_status osb__on_piece(osb_client *c, const osb__field *field, osb_str key, osb_str text);
static osb_status osb__on_event_end(osb_client *c);
static osb_status osb__event_entry(osb_client *c, unsigned kind, osb_str key, osb_str text,
                                   bool more);
static bool osb__in_event(const osb_client *c);
static osb_event_type osb__event_type(osb_client *c, const char *name, size_t size);

/* Prepares for one JSON value whose members go into base by a table; NULL: they are skipped. */
static void osb__json_begin(osb_client *c, const osb__field *root, void *base)
{
    OSB_MEMSET(&c->json, 0, offsetof(osb__json, frame)); /* a frame is set when it opens */
    c->json.frame[0] = c->json.field = root;
    c->json.base = base;
    osb__drop_unit(c);
}

static const osb__field *osb__json_frame(const osb__json *j)
{
    return j->depth < OSB__LEVELS ? j->frame[j->depth] : NULL;
}

static bool osb__json_in_array(const osb__json *j)
{
    return j->depth > 0 && (j->arrays >> (j->depth - 1) & 1u) != 0;
}

/* Machines on which eight bytes are looked at in the time of one. */
#if defined(__GNUC__) && defined(__BYTE_ORDER__) && UINTPTR_MAX > 0xffffffffu
#define OSB__WIDE (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
#else
#define OSB__WIDE 0
#endif

/* How many bytes at p are neither a quote, nor a backslash, nor a control character. */
static size_t osb__plain(const unsigned char *p, size_t size)
{
    size_t n = 0;
#if OSB__WIDE
    /* A byte of (x - 0x01...) & ~x has its top bit set if it was zero; a higher byte may have it set
       too then, so that the lowest one counts. */
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
    for (; size - n >= 8; n += 8) {
        uint64_t x, hit;
        OSB_MEMCPY(&x, p + n, 8);
        hit = (x - ones * 0x20u) | ((x ^ (ones * '"')) - ones) | ((x ^ (ones * '\\')) - ones);
        hit &= ~x & tops; /* all three are below 0x80 */
        if (hit != 0) return n + (size_t)__builtin_ctzll(hit) / 8u;
    }
#endif
    while (n < size && p[n] >= 0x20 && p[n] != '"' && p[n] != '\\') n++;
    return n;
}

/* Takes n bytes into the unit if they belong to something wanted, else passes over them. */
static void osb__json_pass(osb_client *c, size_t n)
{
    osb__json *j = &c->json;
    if (j->field == NULL && j->raw == 0) {
        c->in += n;
    } else if (j->dropped > 0) {
        if (j->dropped < SIZE_MAX / 2) j->dropped += n; /* never 0 again */
        c->in += n;
    } else {
        osb__take(c, n);
    }
}

/* Compares a key as it stands in the JSON with a member's name, which is plain ASCII. */
static bool osb__json_key_is(const unsigned char *key, size_t size, const char *name)
{
    size_t at = 0;
    for (; at < size; name++) {
        if (key[at] == (unsigned char)*name) { /* no key has a NUL */
            at++;
            continue;
        }
        if (*name == '\0' || key[at] != '\\' || size - at < 6 || key[at + 1] != 'u') return false;
        at += 2;
        if (osb__unescape_u(key, size, &at) != (unsigned char)*name) return false;
    }
    return *name == '\0';
}

/* Whether what is handed out of a container of this kind are its texts. */
static bool osb__is_of_texts(unsigned kind)
{
    return kind == OSB__MAP || kind == OSB__ARRAY;
}

/* Whether the keys of the open container are data, not names of members. */
static bool osb__json_has_keys(const osb__json *j)
{
    const osb__field *frame = j->frame[j->depth];
    if ((frame->kind & OSB__KIND) == OSB__MAP) return true;
    if (!OSB__LISTS || (frame->kind & OSB__KIND) != OSB__DICT) return false;
    return j->depth == 1; /* such an object is a whole answer; deeper it is an element of one */
}

/* What a table has for a key; NULL: nothing. */
static const osb__field *osb__json_find(const osb__field *field, const unsigned char *key,
                                        size_t size)
{
    for (; field != NULL; field = osb__following(field))
        if ((key[0] == (unsigned char)field->name[0] || key[0] == '\\') &&
            osb__json_key_is(key, size, field->name))
            return field;
    return NULL;
}

/* jsmn on a part of the unit: whether it is one value. */
static OSB__APART bool osb__json_check(const osb_client *c, size_t from, size_t to)
{
    osb__jsmn_parser parser;
    osb__jsmntok_t token;
    osb__jsmn_init(&parser);
    return osb__jsmn_parse(&parser, (const char *)c->buffer + c->unit + from, to - from, &token,
                           1) == 1;
}

/* A key that is data stays in the unit, as what it means and with a NUL for its last quote, until its
   value has been handed out, perhaps in pieces: see osb__json_entry_key. */
static osb_status osb__json_keep_key(osb_client *c)
{
    size_t size = osb__unit_size(c);
    unsigned char *key = c->buffer + c->unit + 1;
    if (c->json.dropped > 0) return OSB_OK;
    osb__must_fit(c, 1); /* its colon */
    if (c->json.escaped) {
        if (!osb__json_check(c, 0, size)) return osb__malformed(c);
        size = osb__unescape(key, size - 2) + 2;
        c->unit_end = c->unit + size;
    }
    key[size - 2] = '\0';
    return OSB_OK;
}

/* Such a key; from: where in the unit its value begins. */
static osb_str osb__json_entry_key(const osb_client *c, size_t from)
{
    osb_str key;
    key.data = (const char *)c->buffer + c->unit + 1;
    key.size = from - 3; /* but for a quote, the NUL and a colon */
    return key;
}

#define OSB__LONGEST_KEY 24u /* that a table has, quotes and all */

/* The key in the unit is complete: finds out what its value is for. */
static osb_status osb__json_key(osb_client *c)
{
    osb__json *j = &c->json;
    j->key = false;
    j->state = OSB__J_COLON;
    if (osb__json_has_keys(j)) return osb__json_keep_key(c);
    j->field = NULL;
    if (j->dropped > 0 && j->dropped <= OSB__LONGEST_KEY)
        return osb__too_big(c, "osb_config.memory", "a key", c->config.memory_size + j->dropped);
    if (j->dropped == 0)
        j->field =
            osb__json_find(osb__json_frame(j)->sub, c->buffer + c->unit + 1, osb__unit_size(c) - 2);
    if (j->field == NULL) {
        j->dropped = 0;
        osb__drop_unit(c);
    }
    return OSB_OK;
}

/* Where the digits at text[i] end; 0 if there is none. */
static size_t osb__skip_digits(const char *text, size_t size, size_t i)
{
    size_t from = i;
    while (i < size && osb__is_digit((unsigned char)text[i])) i++;
    return i > from ? i : 0;
}

/* -?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)? */
static bool osb__json_is_number(const char *text, size_t size)
{
    size_t from = size > 0 && text[0] == '-' ? 1 : 0, i = osb__skip_digits(text, size, from);
    if (i == 0 || (text[from] == '0' && i - from > 1)) return false;
    if (i < size && text[i] == '.') i = osb__skip_digits(text, size, i + 1);
    if (i < size && (text[i] | 0x20) == 'e') {
        i++;
        if (i < size && (text[i] == '+' || text[i] == '-')) i++;
        i = osb__skip_digits(text, size, i);
    }
    return i == size;
}

static bool osb__json_is_primitive(osb_str value)
{
    static const char *const words[] = {"null", "true", "false"};
    return osb__is_one_of(value, words, 3) || osb__json_is_number(value.data, value.size);
}

#ifndef OSB_NO_METRICS
/* A JSON number in thousandths, rounded toward zero; false if that needs more than 63 bits. */
static OSB__APART bool osb__milli(const char *text, size_t size, int64_t *value)
{
    uint64_t sum = 0;
    int32_t digits = 0, shown = 0, i32;
    size_t i = text[0] == '-' ? 1 : 0, end = i, at;
    bool down = false;
    while (end < size && (text[end] | 0x20) != 'e') end++;
    for (at = i; at < end && text[at] != '.'; at++) digits++;
    at = end + 1;
    if (at < size && (text[at] == '-' || text[at] == '+')) down = text[at++] == '-';
    for (; at < size; at++)
        if (shown < 10000) shown = shown * 10 + (text[at] - '0');
    digits += down ? 3 - shown : 3 + shown; /* of all the digits, this many count */
    for (i32 = 0; i32 < digits; i32++) {
        unsigned digit = 0;
        if (i < end && text[i] == '.') i++;
        if (i < end) digit = (unsigned)(unsigned char)text[i++] - '0';
        else if (sum == 0) break;
        if (sum > ((uint64_t)INT64_MAX - 9u) / 10u) return false;
        sum = sum * 10u + digit;
    }
    *value = text[0] == '-' ? -(int64_t)sum : (int64_t)sum;
    return true;
}
#endif

/* Text into a char array of the caller's; it must be fit to stand in a request again. */
static osb_status osb__json_copy(osb_client *c, char *out, const char *text, size_t size)
{
    size_t room = (size_t)c->json.field->half_size * 2u, i;
    if (size == 0 && (c->json.field->kind & OSB__REQUIRED) != 0) /* what is known already stays */
        return osb__bad_json(c, OSB__SAY("a member is missing"));
    for (i = 0; i < size; i++)
        if ((unsigned char)text[i] <= 0x20 || text[i] == 0x7f)
            return osb__bad_json(c, OSB__SAY("a control character in a text"));
    if (size + 1 > room)
        return osb__too_big(c, "a struct's array (OSB_..._SIZE)", c->json.field->name, size + 1);
    OSB_MEMCPY(out, text, size);
    out[size] = '\0';
    return OSB_OK;
}

/* Room that a text leaves for the members behind it. */
#define OSB__LATER 96u

static osb_status osb__json_text(osb_client *c, const osb__field *field, osb_str key,
                                 unsigned char *text, size_t size)
{
    unsigned char *out = (unsigned char *)c->json.base + field->offset;
    osb_str view;
    switch (field->kind & OSB__KIND) {
    case OSB__TEXT:
        /* As if it had not fitted; but a short one (an exit code) is of more use whole. */
        if (size >= OSB__LATER && c->limit - c->kept < size + OSB__LATER) {
            osb_status status;
            text[size] = '\0';
            view.data = (const char *)text;
            view.size = size;
            status = osb__on_piece(c, field, key, view);
            if (status != OSB_OK) return status;
            size = 0;
        }
        /* fall through */
    case OSB__VIEW:
    case OSB__CUT:
    case OSB__EITHER:
        if (c->consumer == OSB__TO_ERROR_JSON && osb__pointer(out) != NULL)
            return OSB_OK; /* one is enough */
        view = osb__keep(c, text, size);
        OSB_MEMCPY(out, &view, sizeof view);
        return OSB_OK;
    case OSB__COPY:
        return osb__json_copy(c, (char *)out, (const char *)text, size);
    case OSB__TYPE: {
        osb_event_type type = osb__event_type(c, (const char *)text, size);
        OSB_MEMCPY(out, &type, sizeof type);
        return OSB_OK;
    }
    case OSB__MAP:
    case OSB__ARRAY:
        text[size] = '\0';
        view.data = (const char *)text;
        view.size = size;
        return osb__on_entry(c, field, key, view);
    default:
        return osb__wrong_kind(c);
    }
}

static OSB__APART osb_status osb__json_primitive_value(osb_client *c, const char *text, size_t size)
{
    const osb__field *field = c->json.field;
    unsigned char *out = (unsigned char *)c->json.base + field->offset;
    unsigned kind = field->kind & OSB__KIND;
    bool yes = text[0] == 't', no = text[0] == 'f';
    int64_t number = 0;
    uint64_t big = 0;
    if (kind == OSB__BOOL && (yes || no)) {
        *(bool *)(void *)out = yes;
        return OSB_OK;
    }
    if (yes || no) return osb__wrong_kind(c);
    switch (kind) {
#ifndef OSB_NO_METRICS
    case OSB__MILLI:
        if (!osb__milli(text, size, &number)) break;
        OSB_MEMCPY(out, &number, sizeof number);
        return OSB_OK;
#endif
    case OSB__U64:
        if (!osb__number(text, size, &big)) break;
        OSB_MEMCPY(out, &big, sizeof big);
        return OSB_OK;
    case OSB__I64:
        if (!osb__integer(text, size, &number)) break;
        OSB_MEMCPY(out, &number, sizeof number);
        return OSB_OK;
    case OSB__UINT: {
        uint32_t value;
        if (!osb__number(text, size, &big) || big > UINT32_MAX) break;
        value = (uint32_t)big;
        OSB_MEMCPY(out, &value, sizeof value);
        return OSB_OK;
    }
    case OSB__OPT_I32: {
        osb_i32 *value = (osb_i32 *)(void *)out;
        if (!osb__integer(text, size, &number) || number < INT32_MIN || number > INT32_MAX) break;
        value->set = true;
        value->value = (int32_t)number;
        return OSB_OK;
    }
    default:
        return osb__wrong_kind(c);
    }
    return osb__bad_json(c, OSB__SAY("a number out of range, or not an integer"));
}

/* A value that is no container, without its quotes. */
static osb_status osb__json_scalar(osb_client *c, osb_str key, osb_str value, bool text)
{
    const osb__field *field = c->json.field;
    unsigned kind = field->kind & OSB__KIND;
    unsigned char *start = c->buffer + (size_t)((const unsigned char *)value.data - c->buffer);
    osb_status status = OSB_OK;
    osb__must_fit(c, kind == OSB__TEXT && value.size >= OSB__LATER ? OSB__LATER : 0);
    if (!text && (value.data[0] == 'n' || c->consumer == OSB__TO_ERROR_JSON)) {
        /* null is as good as absent */
    } else if (!text && !osb__is_of_texts(kind)) {
        status = osb__json_primitive_value(c, value.data, value.size);
    } else {
        if (c->json.escaped) value.size = osb__unescape(start, value.size);
        status = osb__json_text(c, field, key, start, value.size);
    }
    osb__drop_unit(c);
    return status;
}

/* The value in the unit is complete; size may count one byte behind the unit. */
static osb_status osb__json_value(osb_client *c, size_t size, bool text)
{
    osb__json *j = &c->json;
    size_t from = text ? j->value - 1 : j->value;
    osb_str key = {"", 0}, value;
    j->state = OSB__J_NEXT;
    if (j->field == NULL) return OSB_OK;
    if (j->dropped > 0)
        return osb__too_big(c, "osb_config.memory", j->field->name,
                            c->config.memory_size + j->dropped);
    value.data = (const char *)c->buffer + c->unit + j->value;
    value.size = size - 1 - j->value;
    /* A text without escapes has nothing that jsmn could find. */
    if (((!text || j->escaped) && !osb__json_check(c, from, size)) ||
        (!text && !osb__json_is_primitive(value)))
        return osb__malformed(c);
    if ((j->field->kind & OSB__KIND) == OSB__MAP) key = osb__json_entry_key(c, from);
    return osb__json_scalar(c, key, value, text);
}

/* Where in the unit its text may be cut: behind a whole character, and before an escape that may go
   on, or be the second half of a pair. */
static size_t osb__json_cut(const osb_client *c)
{
    const osb__json *j = &c->json;
    size_t size = osb__unit_size(c);
    if (j->escaped && size - j->escape < 12) return j->escape - (j->pair ? 6u : 0u);
    return j->value + osb__whole_characters(c->buffer + c->unit + j->value, size - j->value);
}

/* Hands out a container that belongs to an event, or the part of it that is there. */
static OSB__APART osb_status osb__json_raw(osb_client *c, bool more)
{
    osb__json *j = &c->json;
    unsigned char *text = c->buffer + c->unit + j->value, saved;
    size_t size = osb__unit_size(c), cut;
    osb_str view;
    osb_status status;
    cut = size - j->value;
    osb__must_fit(c, 0);
    if (more) cut = osb__whole_characters(text, cut);
    if (cut == 0) return osb__too_big(c, "osb_config.memory", "results", c->config.memory_size * 2);
    view.data = (const char *)text;
    view.size = cut;
    saved = text[cut];
    text[cut] = '\0';
    status = osb__event_entry(c, OSB__MAP, osb__json_entry_key(c, j->value), view, more);
    text[cut] = saved;
    OSB_MEMMOVE(c->buffer + c->unit + j->value, text + cut, size - j->value - cut);
    c->unit_end -= cut;
    if (!more) {
        j->raw = 0;
        osb__drop_unit(c);
    }
    return status;
}

/* The unit fills the buffer. If it is text that may be handed out in pieces, hands out the most of
   it that ends at the end of a character; else goes on counting how large it would have been. */
static OSB__APART osb_status osb__json_overflow(osb_client *c)
{
    osb__json *j = &c->json;
    unsigned char *unit = c->buffer + c->unit, saved;
    size_t size = osb__unit_size(c), cut;
    unsigned kind;
    bool pieces;
    osb_str key = {"", 0}, text;
    osb_status status;
    if (j->raw != 0) return osb__json_raw(c, true);
    kind = j->field->kind & OSB__KIND; /* only what is wanted fills anything */
    pieces = kind == OSB__TEXT || kind == OSB__CUT || kind == OSB__EITHER ||
             (osb__is_of_texts(kind) && osb__in_event(c));
    cut = pieces && j->state == OSB__J_STRING && !j->key ? osb__json_cut(c) : 0;
    if (cut <= j->value) {
        j->dropped += size;
        osb__drop_unit(c);
        return OSB_OK;
    }
    osb__must_fit(c, 0);
    saved = unit[cut];
    unit[cut] = '"';
    if (j->escaped && !osb__json_check(c, j->value - 1, cut + 1)) return osb__malformed(c);
    if (kind == OSB__MAP) key = osb__json_entry_key(c, j->value - 1);
    text.data = (const char *)unit + j->value;
    text.size = cut - j->value;
    if (j->escaped) text.size = osb__unescape(unit + j->value, text.size);
    unit[j->value + text.size] = '\0';
    status = osb__on_piece(c, j->field, key, text);
    if (j->field == NULL) { /* the rest is not wanted */
        osb__drop_unit(c);
        return status;
    }
    unit[cut] = saved;
    OSB_MEMMOVE(unit + j->value, unit + cut, size - cut);
    c->unit_end -= cut - j->value;
    j->escaped = cut < size && unit[j->value] == '\\';
    j->pair = j->pair && j->escaped;
    j->escape = j->value + (j->pair ? 6u : 0u);
    return status;
}

/* Whether a container of this sort may stand for the field; one that stands for an element of a
   list may not be an array again. */
static bool osb__json_fits(const osb__field *field, bool array, bool inside)
{
    switch (field->kind & OSB__KIND) {
    case OSB__LIST:
        return array != inside;
    case OSB__ARRAY:
        return array;
    case OSB__OBJECT:
    case OSB__MAP:
    case OSB__DICT:
        return !array;
    default:
        return (field->kind & OSB__KIND) == OSB__EITHER;
    }
}

/* One byte of structure passes. */
static void osb__json_byte(osb_client *c)
{
    if (c->json.raw != 0) osb__take(c, 1);
    else c->in++;
}

/* An element of a list begins: what was there of the last one goes. */
static osb_status osb__json_begin_item(osb_client *c, const osb__field *field)
{
    osb__json *j = &c->json;
    unsigned char *item = (unsigned char *)j->base + field->offset;
    osb_str key;
    c->kept = j->list;
    j->base = item; /* an element's table does not know where the element stands */
    OSB_MEMSET(item, 0, (size_t)field->half_size * 2u);
    if ((field->kind & OSB__KIND) != OSB__DICT) return OSB_OK;
    if (j->dropped > 0)
        return osb__too_big(c, "osb_config.memory", "a key", c->config.memory_size + j->dropped);
    key = osb__json_entry_key(c, osb__unit_size(c));
    key = osb__keep(c, key.data, key.size);
    OSB_MEMCPY(item, &key, sizeof key);
    return OSB_OK;
}

static osb_status osb__json_open(osb_client *c, bool array)
{
    osb__json *j = &c->json;
    const osb__field *field = j->field;
    unsigned kind = field != NULL ? field->kind & OSB__KIND : 0u;
    bool inside = j->depth > 0 && field != NULL && osb__json_frame(j) == field;
    osb_status status = OSB_OK;
    if (j->depth == 32) return osb__bad_json(c, OSB__SAY("nested too deeply"));
    if (inside && kind == OSB__MAP && osb__in_event(c)) {
        if (j->dropped > 0)
            return osb__too_big(c, "osb_config.memory", field->name,
                                c->config.memory_size + j->dropped);
        j->raw = (uint8_t)(j->depth + 1);
        j->value = osb__unit_size(c);
    }
    if (inside && osb__is_of_texts(kind)) field = NULL; /* only texts are wanted */
    if (field != NULL && !osb__json_fits(field, array, inside)) {
        if (c->consumer != OSB__TO_ERROR_JSON) return osb__wrong_kind(c);
        field = NULL;
    }
    if (OSB__LISTS && (kind == OSB__LIST || kind == OSB__DICT)) {
        if (inside) status = osb__json_begin_item(c, field);
        else j->list = c->kept;
    }
    if (j->raw == 0) osb__drop_unit(c);
    osb__json_byte(c);
    j->dropped = 0;
    j->depth++;
    if (j->depth < OSB__LEVELS) j->frame[j->depth] = field;
    j->arrays &= ~(UINT32_C(1) << (j->depth - 1));
    if (array) j->arrays |= UINT32_C(1) << (j->depth - 1);
    j->state = array ? OSB__J_VALUE_OR_END : OSB__J_KEY_OR_END;
    j->field = NULL;
    return status;
}

/* Whether all members that must be there were there. */
static osb_status osb__json_check_required(osb_client *c, const osb__field *object)
{
    static const char nothing[sizeof(int64_t)] = {0};
    const osb__field *field = object->sub;
    for (; field != NULL; field = osb__following(field)) {
        const unsigned char *out = (const unsigned char *)c->json.base + field->offset;
        unsigned kind = field->kind & OSB__KIND;
        size_t size = kind == OSB__COPY ? 1 : kind == OSB__I64 ? sizeof(int64_t) : sizeof(char *);
        if ((field->kind & OSB__REQUIRED) == 0 || OSB_MEMCMP(out, nothing, size) != 0) continue;
        c->json.field = field;
        return osb__bad_json(c, OSB__SAY("a member is missing"));
    }
    return OSB_OK;
}

static osb_status osb__json_close(osb_client *c, bool array)
{
    static const osb_str nothing = {NULL, 0};
    osb__json *j = &c->json;
    const osb__field *closed = osb__json_frame(j);
    osb_status status = OSB_OK;
    if (osb__json_in_array(j) != array) return osb__malformed(c);
    osb__json_byte(c);
    j->depth--;
    j->state = j->depth == 0 ? OSB__J_DONE : OSB__J_NEXT;
    if (j->raw != 0 && j->depth < j->raw) return osb__json_raw(c, false);
    j->field = closed;
    if (closed != NULL && !array) {
        unsigned kind = closed->kind & OSB__KIND;
        bool item = OSB__LISTS && (kind == OSB__LIST || kind == OSB__DICT) && j->depth > 0;
        if ((closed->kind & OSB__REQUIRED) != 0) status = osb__json_check_required(c, closed);
        if (status == OSB_OK && item) {
            status = osb__hand_out(c, closed, nothing, nothing);
            c->kept = j->list;
            j->base = (unsigned char *)j->base - closed->offset;
        }
    }
    if (status == OSB_OK && j->depth == 0 && osb__in_event(c)) status = osb__on_event_end(c);
    return status;
}

/* Whether the value at hand stands for a whole map or array of texts, not for an entry of one. */
static bool osb__json_is_outside(const osb__json *j)
{
    unsigned kind = j->field != NULL ? j->field->kind & OSB__KIND : 0u;
    return osb__is_of_texts(kind) && osb__json_frame(j) != j->field;
}

/* A value begins: what is it for, and where does it end? */
static osb_status osb__json_start(osb_client *c, unsigned char byte)
{
    osb__json *j = &c->json;
    if (osb__json_in_array(j)) j->field = osb__json_frame(j);
    if (byte == '{' || byte == '[') return osb__json_open(c, byte == '[');
    if (j->depth == 0) return osb__bad_json(c, OSB__SAY("not an object"));
    if (osb__json_is_outside(j) && byte != 'n') return osb__wrong_kind(c);
    j->state = OSB__J_PRIMITIVE;
    if (byte == '"') {
        osb__json_pass(c, 1);
        j->state = OSB__J_STRING;
    } else if (byte != '-' && !osb__is_digit(byte) && byte != 't' && byte != 'f' && byte != 'n') {
        return osb__malformed(c);
    }
    if (j->raw == 0) j->value = osb__unit_size(c);
    j->escaped = false;
    return OSB_OK;
}

/* Everything outside of strings and primitives; one byte. */
static osb_status osb__json_structure(osb_client *c)
{
    osb__json *j = &c->json;
    unsigned char byte = c->buffer[c->in];
    if (byte == '\n' || byte == '\r') {
        if (osb__in_event(c)) return OSB__END_OF_LINE;
        byte = ' ';
    }
    if (byte == ' ' || byte == '\t') {
        c->in++;
        return OSB_OK;
    }
    switch (j->state) {
    case OSB__J_KEY:
    case OSB__J_KEY_OR_END:
        if (byte == '"') {
            j->field = osb__json_frame(j);
            j->key = true;
            j->dropped = 0;
            j->state = OSB__J_STRING;
            osb__json_pass(c, 1);
            return OSB_OK;
        }
        break;
    case OSB__J_COLON:
        if (byte == ':') {
            osb__json_pass(c, 1);
            j->state = OSB__J_VALUE;
            return OSB_OK;
        }
        break;
    case OSB__J_NEXT:
        if (byte == ',') {
            osb__json_byte(c);
            j->state = osb__json_in_array(j) ? OSB__J_VALUE : OSB__J_KEY;
            return OSB_OK;
        }
        break;
    default: /* a value */
        if (byte != ']' || j->state != OSB__J_VALUE_OR_END) return osb__json_start(c, byte);
        break;
    }
    if ((byte == '}' && (j->state == OSB__J_KEY_OR_END || j->state == OSB__J_NEXT)) ||
        (byte == ']' && (j->state == OSB__J_VALUE_OR_END || j->state == OSB__J_NEXT)))
        return osb__json_close(c, byte == ']');
    return osb__malformed(c);
}

/* Notes where an escape begins, so that no piece ends inside one, or between the two halves of a
   surrogate pair. */
static void osb__json_escape(osb_client *c)
{
    osb__json *j = &c->json;
    size_t size = osb__unit_size(c);
    const unsigned char *last = c->buffer + c->unit + j->escape;
    j->pair = j->escaped && j->escape + 6 == size && last[1] == 'u' &&
              (osb__hex4(last + 2) & 0xfc00u) == 0xd800u;
    j->escape = size;
    j->escaped = true;
    j->escaping = true;
}

/* The closing quote has been passed. */
static osb_status osb__json_string_end(osb_client *c)
{
    osb__json *j = &c->json;
    if (!j->key) return osb__json_value(c, osb__unit_size(c), true);
    if (j->field != NULL) return osb__json_key(c);
    j->key = false;
    j->state = OSB__J_COLON;
    return OSB_OK;
}

static osb_status osb__json_string(osb_client *c, size_t end)
{
    osb__json *j = &c->json;
    unsigned char byte;
    size_t n = c->in;
    if (!j->escaping) n += osb__plain(c->buffer + n, end - n);
    if (n < end && c->buffer[n] == '"' && !j->escaping) {
        osb__json_pass(c, n + 1 - c->in);
        return osb__json_string_end(c);
    }
    osb__json_pass(c, n - c->in);
    if (n == end) return OSB_OK;
    byte = c->buffer[n];
    if (byte < 0x20) return osb__malformed(c);
    if (j->escaping) {
        j->escaping = false;
        osb__json_pass(c, 1);
        return OSB_OK;
    }
    osb__json_escape(c);
    osb__json_pass(c, 1);
    return OSB_OK;
}

static osb_status osb__json_primitive(osb_client *c, size_t end)
{
    size_t n = c->in;
    unsigned char saved;
    osb_status status;
    while (n < end && (osb__is_unreserved(c->buffer[n]) || c->buffer[n] == '+')) n++;
    osb__json_pass(c, n - c->in);
    if (c->in == end) return OSB_OK;
    /* jsmn takes a primitive as complete only if something follows it. */
    n = c->unit_end;
    saved = c->buffer[n];
    c->buffer[n] = ' ';
    status = osb__json_value(c, osb__unit_size(c) + 1, false);
    c->buffer[n] = saved;
    return status;
}

#if OSB__WIDE
/* Where the text without escapes, or the integer, that begins at text[from] ends; 0: it is neither,
   or its end is not there. */
static size_t osb__json_scalar_end(const unsigned char *text, size_t size, size_t from, bool quoted)
{
    size_t n = from;
    if (quoted) {
        n += osb__plain(text + n, size - n);
        return n < size && text[n] == '"' ? n : 0;
    }
    if (text[n] < '1' || text[n] > '9') return 0; /* zero and what is negative are rare */
    while (n < size && osb__is_digit(text[n])) n++;
    return n < size && (text[n] == ',' || text[n] == '}') ? n : 0;
}

/* Takes a member that has been received as a whole and has no white space and no escape, as most
   are, in one step instead of many. False: it is another one, and is still there. */
static bool osb__json_member(osb_client *c, size_t end, osb_status *status)
{
    static const osb_str no_key = {"", 0};
    osb__json *j = &c->json;
    const osb__field *frame = osb__json_frame(j), *field;
    unsigned char *text = c->buffer + c->in;
    size_t size = end - c->in, from, to;
    osb_str value;
    bool quoted;
    if ((j->state != OSB__J_KEY && j->state != OSB__J_KEY_OR_END) || text[0] != '"') return false;
    if (frame == NULL || osb__json_has_keys(j)) return false; /* what is raw has no frame either */
    from = 1 + osb__plain(text + 1, size - 1);
    if (size - from < 3 || text[from] != '"' || text[from + 1] != ':') return false;
    field = osb__json_find(frame->sub, text + 1, from - 1);
    from += 2;
    quoted = text[from] == '"';
    if (quoted) from++;
    to = osb__json_scalar_end(text, size, from, quoted);
    if (to == 0) return false;
    if (field != NULL && osb__is_of_texts(field->kind & OSB__KIND)) return false;
    j->state = OSB__J_NEXT;
    j->escaped = false;
    j->dropped = 0;
    j->field = field;
    value.data = (const char *)text + from;
    value.size = to - from;
    to += quoted;
    if (field == NULL) {
        c->in += to;
    } else {
        osb__take(c, to); /* where it is: the unit is empty */
        *status = osb__json_scalar(c, no_key, value, quoted);
    }
    if (to < size && text[to] == ',') { /* another member follows */
        c->in++;
        j->state = OSB__J_KEY;
    }
    return true;
}
#endif

/* Consumes received bytes up to end, or up to the end of the value, or of a line of events. */
static osb_status osb__json_feed(osb_client *c, size_t end)
{
    osb__json *j = &c->json;
    osb_status status = OSB_OK;
    while (c->in < end && status == OSB_OK && j->state != OSB__J_DONE) {
#if OSB__WIDE
        if (osb__json_member(c, end, &status)) continue;
#endif
        if (j->state == OSB__J_STRING) status = osb__json_string(c, end);
        else if (j->state == OSB__J_PRIMITIVE) status = osb__json_primitive(c, end);
        else status = osb__json_structure(c);
    }
    return status;
}

/* ==== http ====================================================================================*/

/* What an operation's answer is, and how it behaves. */
enum {
    OSB__EVENTS = 1,       /* a stream of events */
    OSB__DATA = 2,         /* bytes for on_data */
    OSB__LAST_ENDS = 4,    /* nothing follows a last event: the stream's end is not waited for */
    OSB__LINES = 8,        /* each output event is a line without its end */
    OSB__UNVERSIONED = 16, /* lifecycle, but not below /v1 */
    OSB__SOURCE = 32,      /* the body comes from an osb_request */
    OSB__RANGE = 128,      /* the query is an osb__read_query */
    OSB__TAIL = 256,       /* the answer's head tells the next cursor */
    OSB__EGRESS = 512,     /* to the sidecar; `own` is the osb_egress */
/* These are asked for in many places: 0 where they are left out. */
#ifndef OSB_NO_FILES
    OSB__FILES = 64, /* exists for the sandbox, and for each isolated session in it */
#else
    OSB__FILES = 0,
#endif
#ifndef OSB_NO_PTY
    OSB__UPGRADE = 1024 /* to WebSocket; `own` begins with an osb__dialogue */
#else
    OSB__UPGRADE = 0
#endif
};
#define OSB__STREAMS                                                                               \
    (OSB__EVENTS | OSB__DATA | OSB__SOURCE | OSB__UPGRADE) /* silence is limited, not the whole */

#ifndef OSB_NO_PTY
/* Who leads the dialogue on an upgraded connection. */
typedef struct osb__dialogue {
    osb_status (*talk)(osb_client *client);
} osb__dialogue;
#endif

#define OSB__PROOF 28u /* the size of a Sec-WebSocket-Accept */

/* What streams by for the caller: an entry of a map or array, or an item of a list, which stands in
   the call's answer. */
typedef struct osb__out {
    osb_client *client;
    const osb__field *field; /* the map, array or list */
    osb_entry entry;
} osb__out;

typedef struct osb__op {
    const char *name; /* method and path, as in the API's documents; NULL: an osb_request */
    const osb__field *query, *body, *answer;
    int (*hand_out)(const osb__out *out); /* to the caller's handler; returns what that returns */
    uint16_t flags;
} osb__op;

typedef struct osb__address {
    const char *host, *path; /* host without brackets; path without a slash at its end */
    const char *authority_end;
    size_t host_size, path_size;
    uint16_t port;
    bool https, bracketed;
} osb__address;

static bool osb__starts(const char *text, const char *with)
{
    size_t n = osb__length(with), i;
    for (i = 0; i < n; i++)
        if (osb__lower((unsigned char)text[i]) != (unsigned char)with[i]) return false;
    return true;
}

/* The digits behind a host's colon; returns what follows them, or NULL if they are no port. */
static const char *osb__parse_port(const char *text, uint16_t *port)
{
    uint32_t sum = 0;
    for (; osb__is_digit((unsigned char)*text); text++) {
        sum = sum * 10u + (uint32_t)(*text - '0');
        if (sum > 65535u) return NULL;
    }
    *port = (uint16_t)sum;
    return sum > 0 ? text : NULL;
}

/* The path before all others on a server; without slashes at its end, and with nothing in it that
   would have to be encoded. */
static bool osb__parse_base_path(const char *text, osb__address *a)
{
    size_t i;
    if (*text != '\0' && *text != '/') return false;
    a->path = text;
    a->path_size = osb__length(text);
    while (a->path_size > 0 && text[a->path_size - 1] == '/') a->path_size--;
    for (i = 0; i < a->path_size; i++)
        if ((unsigned char)text[i] <= 0x20 || (unsigned char)text[i] >= 0x7f) return false;
    return true;
}

/* host[:port][/path] with or without a scheme; https is what holds without one. */
static bool osb__parse_address(const char *text, bool https, osb__address *a)
{
    size_t n = 0;
    a->https = https;
    if (osb__starts(text, "http://")) {
        a->https = false;
        text += 7;
    } else if (osb__starts(text, "https://")) {
        a->https = true;
        text += 8;
    }
    a->bracketed = text[0] == '[';
    if (a->bracketed) text++;
    a->host = text;
    while (osb__is_unreserved((unsigned char)text[n]) ||
           (a->bracketed && (text[n] == ':' || text[n] == '%')))
        n++;
    a->host_size = n;
    text += n;
    if (n == 0 || (a->bracketed && *text++ != ']')) return false;
    a->port = a->https ? 443 : 80;
    if (*text == ':') text = osb__parse_port(text + 1, &a->port);
    a->authority_end = text;
    return text != NULL && osb__parse_base_path(text, a);
}

static bool osb__lifecycle_address(const osb_client *c, osb__address *a)
{
    const char *domain = c->config.domain;
    if (!osb__parse_address(domain, c->config.https, a)) return false;
    if (a->path_size >= 3 && OSB_MEMCMP(a->path + a->path_size - 3, "/v1", 3) == 0)
        a->path_size -= 3;
    return true;
}

#ifndef OSB_NO_EXTRAS
/* Behind the host, where ":port" stands if there is one. */
static const char *osb__host_end(const osb__address *a)
{
    return a->host + a->host_size + (a->bracketed ? 1 : 0);
}

/* Another host and port for an endpoint's, if the caller said so; the path stays. */
static bool osb__rewrite(const osb_client *c, osb__address *a)
{
    const osb_extras *extras = c->config.extras;
    const char *host = a->host - (a->bracketed ? 1 : 0);
    size_t size = (size_t)(a->authority_end - host), host_size = (size_t)(osb__host_end(a) - host);
    osb__address to;
    size_t i;
    for (i = 0; extras != NULL && i < extras->rewrite_count; i++) {
        const osb_pair *rewrite = &extras->rewrites[i];
        bool alone;
        if (rewrite->name == NULL || rewrite->value == NULL) continue;
        alone = osb__is(host, host_size, rewrite->name);
        if (!alone && !osb__is(host, size, rewrite->name)) continue;
        if (!osb__parse_address(rewrite->value, a->https, &to)) return false;
        if (alone && host_size < size && to.authority_end == osb__host_end(&to)) to.port = a->port;
        to.path = a->path;
        to.path_size = a->path_size;
        *a = to;
        break;
    }
    return true;
}
#endif

/* Where the call at hand goes. */
static bool osb__call_address(const osb_client *c, osb__address *a)
{
    const osb_endpoint *endpoint = c->call.endpoint;
    if (endpoint == NULL) return osb__lifecycle_address(c, a);
    if (!osb__parse_address(endpoint->address, endpoint->https, a)) return false;
#ifndef OSB_NO_EXTRAS
    return osb__rewrite(c, a);
#else
    return true;
#endif
}

static bool osb__same_origin(const osb__address *a, const osb__address *b)
{
    return a->https == b->https && a->port == b->port && a->host_size == b->host_size &&
           osb__equal_nocase(a->host, b->host, a->host_size);
}

static void osb__put_header(osb__writer *w, const char *name, const char *value)
{
    if (name == NULL || value == NULL || *name == '\0') return;
    osb__put_head(w, name, osb__length(name), 0x21);
    osb__put_text(w, ": ");
    osb__put_head(w, value, osb__length(value), 0x20);
    osb__put_text(w, "\r\n");
}

static void osb__put_headers(osb__writer *w, const osb_pair *headers, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++) osb__put_header(w, headers[i].name, headers[i].value);
}

#if !defined(OSB_NO_RAW_REQUEST) || !defined(OSB_NO_FILES) || !defined(OSB_NO_PTY)
#define OSB__SOURCES

/* The caller's, or the library's, request whose headers and body are not described by tables. */
static const osb_request *osb__request(const osb_client *c)
{
    const osb__op *op = c->call.op;
    if (op->name != NULL && (op->flags & OSB__SOURCE) == 0) return NULL;
    return (const osb_request *)c->call.body;
}

/* The source of the request's body, or NULL if the body is in memory. */
static const osb_request *osb__source(const osb_client *c)
{
    const osb_request *request = osb__request(c);
    return request != NULL && request->read_body != NULL ? request : NULL;
}
#endif

static void osb__put_body(const osb_client *c, osb__writer *w)
{
    const osb__call *call = &c->call;
#ifdef OSB__SOURCES
    const osb_request *request = osb__request(c);
    if (request != NULL && request->read_body == NULL)
        osb__put(w, request->body, (size_t)request->body_size);
#endif
    if (call->op->body != NULL) osb__encode(w, call->op->body, call->body);
}

#define OSB__UNKNOWN UINT64_MAX /* the size of a body that ends when its source does */

/* The method of the request: the first word of this text. */
static const char *osb__method(const osb_client *c)
{
#ifndef OSB_NO_RAW_REQUEST
    const osb_request *request = (const osb_request *)c->call.body;
    if (c->call.op->name == NULL) return request->method != NULL ? request->method : "GET";
#endif
    return c->call.op->name;
}

static bool osb__method_is(const osb_client *c, const char *name)
{
    const char *method = osb__method(c);
    size_t size = 0;
    while (method[size] != '\0' && method[size] != ' ') size++;
    return osb__is(method, size, name);
}

/* Whether the request changes nothing. */
static bool osb__is_safe(const osb_client *c)
{
    return osb__method_is(c, "GET") || osb__method_is(c, "HEAD");
}

/* Whether sending it twice has the effect of sending it once. */
static bool osb__is_idempotent(const osb_client *c)
{
    return osb__is_safe(c) || osb__method_is(c, "DELETE") || osb__method_is(c, "PUT") ||
           (c->call.op->flags & OSB__SOURCE) != 0; /* an upload writes whole files */
}

/* The path of an operation: its name's, with {...} replaced. */
static void osb__put_path(const osb_client *c, osb__writer *w)
{
    const char *text = c->call.op->name;
    bool first = true;
    while (*text != '/') text++;
    if ((c->call.op->flags & OSB__FILES) != 0 && c->call.id != NULL) {
        osb__put_text(w, "/v1/isolated/session/");
        osb__put_encoded(w, c->call.id, "%");
    }
    for (; *text != '\0'; text++) {
        if (*text != '{') {
            osb__put_char(w, *text);
            continue;
        }
        if (first) osb__put_encoded(w, c->call.id, "%");
        else osb__put_number(w, c->call.port);
        first = false;
        while (*text != '}') text++;
    }
    if (c->call.op->query != NULL) osb__put_query(w, c->call.op->query, c->call.query);
}

#if !defined(OSB_NO_EGRESS) || !defined(OSB_NO_VAULT)
#define OSB__SIDECAR

/* The sidecar's port inside the sandbox. */
static uint16_t osb__egress_port(uint16_t port)
{
    return port != 0 ? port : 18080;
}

/* The sidecar, if the request reaches it through the proxy of execd; else NULL. */
static const osb_egress *osb__behind(const osb_client *c)
{
    const osb_egress *egress = (const osb_egress *)c->call.own;
    return (c->call.op->flags & OSB__EGRESS) != 0 && egress->through_execd ? egress : NULL;
}
#endif

static OSB__APART void osb__put_request_line(const osb_client *c, osb__writer *w,
                                             const osb__address *a)
{
    const osb__op *op = c->call.op;
    const char *method = osb__method(c), *raw_path = NULL;
    size_t method_size = 0;
#ifndef OSB_NO_RAW_REQUEST
    if (op->name == NULL) {
        const osb_request *request = (const osb_request *)c->call.body;
        raw_path = request->path != NULL ? request->path : "/";
    }
#endif
    while (method[method_size] != '\0' && method[method_size] != ' ') method_size++;
    osb__put_head(w, method, method_size, 0x21);
    osb__put_char(w, ' ');
    osb__put(w, a->path, a->path_size);
#ifdef OSB__SIDECAR
    if (osb__behind(c) != NULL) {
        osb__put_text(w, "/proxy/");
        osb__put_number(w, osb__egress_port(osb__behind(c)->port));
    }
#endif
    if (c->call.endpoint == NULL && (op->flags & OSB__UNVERSIONED) == 0) osb__put_text(w, "/v1");
    if (raw_path != NULL) osb__put_head(w, raw_path, osb__length(raw_path), 0x21);
    else osb__put_path(c, w);
    osb__put_text(w, " HTTP/1.1\r\nHost: ");
    if (a->bracketed) osb__put_char(w, '[');
    osb__put(w, a->host, a->host_size);
    if (a->bracketed) osb__put_char(w, ']');
    if (a->port != (a->https ? 443 : 80)) {
        osb__put_char(w, ':');
        osb__put_number(w, a->port);
    }
    osb__put_text(w, "\r\n");
}

/* The header of an endpoint that comes after this one; NULL: the first. NULL at the end. */
static const char *osb__next_header(const osb_endpoint *endpoint, const char *name)
{
    if (name == NULL) {
        name = endpoint->headers;
    } else {
        name += osb__length(name) + 1;
        name += osb__length(name) + 1;
    }
    return *name != '\0' ? name : NULL;
}

/* The headers that go with each request to an endpoint, but for those that `but` has too. */
static void osb__put_endpoint_headers(osb__writer *w, const osb_endpoint *endpoint,
                                      const osb_endpoint *but)
{
    const char *name = NULL, *other;
    while ((name = osb__next_header(endpoint, name)) != NULL) {
        other = but != NULL ? osb__next_header(but, NULL) : NULL;
        while (other != NULL && !osb__is(other, osb__length(other), name))
            other = osb__next_header(but, other);
        if (other == NULL) osb__put_header(w, name, name + osb__length(name) + 1);
    }
}

#ifndef OSB_NO_FILES
/* What to read of a file: `from` and `size` go into the Range header, the rest into the query. */
typedef struct osb__read_query {
    const char *path;
    uint64_t first_line, line_count;
    uint64_t from, size; /* size 0: to the end */
    bool at_end;         /* of a 416: it said that the file ends at `from` */
} osb__read_query;

static void osb__put_range(osb__writer *w, const osb__read_query *query)
{
    if (query->from == 0 && query->size == 0) return;
    osb__put_text(w, "Range: bytes=");
    osb__put_number(w, query->from);
    osb__put_char(w, '-');
    /* A server does not know numbers of more than 63 bits: nor files. */
    if (query->size != 0 && query->size <= (uint64_t)INT64_MAX &&
        query->from <= (uint64_t)INT64_MAX - query->size)
        osb__put_number(w, query->from + query->size - 1);
    osb__put_text(w, "\r\n");
}
#endif

/* Whether nobody knows how large the request's body is. */
static bool osb__is_chunked(const osb_client *c)
{
#ifdef OSB__SOURCES
    return c->body_size == OSB__UNKNOWN;
#else
    (void)c;
    return false;
#endif
}

/* The whole request, through the writer's window. */
static void osb__put_request(const osb_client *c, osb__writer *w)
{
    const osb__call *call = &c->call;
    const osb_config *config = &c->config;
    osb__address to, home;
    if (!osb__call_address(c, &to) || !osb__lifecycle_address(c, &home)) {
        w->bad = true;
        return;
    }
    osb__put_request_line(c, w, &to);
    osb__put_header(w, "User-Agent", config->user_agent);
    if (osb__same_origin(&to, &home)) osb__put_header(w, "OPEN-SANDBOX-API-KEY", config->api_key);
    if (call->endpoint != NULL) osb__put_endpoint_headers(w, call->endpoint, NULL);
#ifdef OSB__SIDECAR
    if (osb__behind(c) != NULL)
        osb__put_endpoint_headers(w, &osb__behind(c)->endpoint, call->endpoint);
#endif
    osb__put_headers(w, config->headers, config->header_count);
#ifdef OSB__SOURCES
    if (osb__request(c) != NULL)
        osb__put_headers(w, osb__request(c)->headers, osb__request(c)->header_count);
#endif
#ifndef OSB_NO_FILES
    if ((call->op->flags & OSB__RANGE) != 0)
        osb__put_range(w, (const osb__read_query *)call->query);
#endif
    if (call->op->body != NULL) osb__put_header(w, "Content-Type", "application/json");
    if (osb__is_chunked(c)) {
        osb__put_header(w, "Transfer-Encoding", "chunked");
    } else if (c->body_size > 0 || !osb__is_safe(c)) {
        osb__put_text(w, "Content-Length: ");
        osb__put_number(w, c->body_size);
        osb__put_text(w, "\r\n");
    }
    osb__put_text(w, "\r\n");
    osb__put_body(c, w);
}

/* A dry run: the sizes of the request, and whether it may be sent at all. */
static osb_status osb__measure_request(osb_client *c)
{
    osb__writer w;
    OSB_MEMSET(&w, 0, sizeof w);
    osb__put_body(c, &w);
    c->body_size = w.at;
#ifdef OSB__SOURCES
    if (osb__source(c) != NULL)
        c->body_size = osb__source(c)->body_size_unknown ? OSB__UNKNOWN : osb__source(c)->body_size;
#endif
    OSB_MEMSET(&w, 0, sizeof w);
    osb__put_request(c, &w);
    c->request_size = w.at;
    if (w.bad)
        return osb__fail(c, OSB_E_INVALID, OSB__SAY("a control character or blank in the request"));
#if SIZE_MAX > UINT32_MAX
    if (w.large) return osb__fail(c, OSB_E_INVALID, OSB__SAY("a request of 4 GiB or more"));
#endif
    return OSB_OK;
}

/* Room that stays free behind a window, for an answer that comes while it is being sent. */
#define OSB__EARLY 64u

/* Puts the request's next window at the start of the buffer's free part. */
static osb_status osb__fill_window(osb_client *c)
{
    osb__writer w;
    OSB_MEMSET(&w, 0, sizeof w);
    w.out = c->buffer + c->base;
    w.from = c->window_from;
    w.room = (uint32_t)(c->limit - c->base - OSB__EARLY);
    osb__put_request(c, &w);
    c->window_size = c->request_size - c->window_from;
    if (c->window_size > w.room) c->window_size = w.room;
    return w.bad ? osb__fail(c, OSB_E_INVALID, OSB__SAY("the request changed under way")) : OSB_OK;
}

#ifdef OSB__SOURCES
/* A chunk's size stands before it in four digits, however small it is. */
static void osb__frame_chunk(unsigned char *chunk, size_t size)
{
    unsigned i;
    for (i = 0; i < 4; i++) chunk[i] = (unsigned char)osb__hex_digits[size >> (12 - 4 * i) & 15u];
    OSB_MEMCPY(chunk + 4, "\r\n", 2);
    OSB_MEMCPY(chunk + 6 + size, "\r\n", 2);
}

/* The next window comes from the body's source. OSB_PENDING: the source has nothing yet. */
static osb_status osb__fill_from_source(osb_client *c)
{
    const osb_request *request = osb__source(c);
    bool chunked = osb__is_chunked(c);
    size_t room = c->limit - c->base - OSB__EARLY, frame = chunked ? 8 : 0;
    unsigned char *out = c->buffer + c->base;
    int n;
    if (room > 0x7000u) room = 0x7000u;
    if (!chunked && room > c->source_left) room = (size_t)c->source_left;
    c->source_used = true;
    n = request->read_body(request->user, out + (chunked ? 6 : 0), room - frame);
    if (n == OSB_IO_WANT_READ) return OSB_PENDING;
    if (n < 0 || (size_t)n > room - frame) return osb__stopped(c);
    if (n == 0 && !request->body_size_unknown)
        return osb__fail(c, OSB_E_INVALID, OSB__SAY("body_size is too large"));
    if (chunked) osb__frame_chunk(out, (size_t)n);
    c->source_left = chunked && n == 0 ? 0 : chunked ? OSB__UNKNOWN : c->source_left - (uint64_t)n;
    c->window_from = c->sent;
    c->window_size = (uint32_t)((size_t)n + frame);
    c->request_size = c->sent + c->window_size;
    return OSB_OK;
}
#endif

enum { OSB__BY_LENGTH, OSB__CHUNKED, OSB__UNTIL_CLOSE };

enum { /* where in a chunked body */
       OSB__C_SIZE,
       OSB__C_SPACE,
       OSB__C_EXTENSION,
       OSB__C_TRAILER,
       OSB__C_TRAILER_REST,
       OSB__C_DATA,
       OSB__C_SIZE_LF, /* from here on one byte is right and all others are wrong */
       OSB__C_DATA_CR,
       OSB__C_DATA_LF,
       OSB__C_END_LF
};

static osb_status osb__bad_http(osb_client *c, const char *message)
{
    return osb__fail(c, OSB_E_PROTOCOL, message);
}

static osb_status osb__bad_chunk(osb_client *c)
{
    return osb__bad_http(c, OSB__SAY("malformed chunk"));
}

/* A byte of CR LF in a chunked body's framing. */
static osb_status osb__chunk_line_end(osb_client *c, unsigned char byte)
{
    static const char right[] = "\n\r\n\n";
    osb__http *h = &c->http;
    if (byte != (unsigned char)right[h->chunk - OSB__C_SIZE_LF]) return osb__bad_chunk(c);
    switch (h->chunk) {
    case OSB__C_SIZE_LF:
        h->chunk = h->left > 0 ? OSB__C_DATA : OSB__C_TRAILER;
        return OSB_PENDING;
    case OSB__C_DATA_CR:
        h->chunk = OSB__C_DATA_LF;
        return OSB_PENDING;
    case OSB__C_DATA_LF:
        h->chunk = OSB__C_SIZE;
        h->digits = 0;
        return OSB_PENDING;
    default:
        return OSB_OK;
    }
}

/* A byte of the line with a chunk's size. */
static osb_status osb__chunk_size(osb_client *c, unsigned char byte)
{
    osb__http *h = &c->http;
    if (h->chunk == OSB__C_SIZE && osb__hex_digit(byte) < 16) {
        h->left = h->left << 4 | osb__hex_digit(byte);
        return ++h->digits > 16 ? osb__bad_chunk(c) : OSB_PENDING;
    }
    if (h->digits == 0 || byte == '\n') return osb__bad_chunk(c);
    if (byte == '\r') {
        h->chunk = OSB__C_SIZE_LF;
    } else if (h->chunk != OSB__C_EXTENSION) {
        if (byte != ' ' && byte != '\t' && byte != ';') return osb__bad_chunk(c);
        h->chunk = byte == ';' ? OSB__C_EXTENSION : OSB__C_SPACE;
    }
    return OSB_PENDING;
}

/* One byte of a chunked body's framing. OSB_PENDING: go on; OSB_OK: that was the body's last. */
static osb_status osb__chunk(osb_client *c, unsigned char byte)
{
    osb__http *h = &c->http;
    if (h->chunk >= OSB__C_SIZE_LF) return osb__chunk_line_end(c, byte);
    if (h->chunk <= OSB__C_EXTENSION) return osb__chunk_size(c, byte);
    if (h->chunk == OSB__C_TRAILER) {
        if (byte == '\n') return osb__bad_chunk(c);
        h->chunk = byte == '\r' ? OSB__C_END_LF : OSB__C_TRAILER_REST;
    } else if (byte == '\n') {
        h->chunk = OSB__C_TRAILER;
    }
    return OSB_PENDING;
}

/* "HTTP/1.1 200 OK" */
static osb_status osb__status_line(osb_client *c, const char *line, size_t size)
{
    osb__http *h = &c->http;
    bool valid = size >= 12 && OSB_MEMCMP(line, "HTTP/1.", 7) == 0 &&
                 (line[7] == '0' || line[7] == '1') && line[8] == ' ' &&
                 (size == 12 || line[12] == ' ') && osb__is_digit((unsigned char)line[9]) &&
                 osb__two_digits(line + 10) < 100u && line[10] != ' ';
    if (!valid || line[9] == '0') return osb__bad_http(c, OSB__SAY("no HTTP/1.1 status line"));
    h->status = (uint16_t)((line[9] - '0') * 100 + (int)osb__two_digits(line + 10));
    h->keep_alive = line[7] == '1';
    h->framing = OSB__UNTIL_CLOSE;
    h->left = 0;
    return OSB_OK;
}

static osb_status osb__content_length(osb_client *c, const char *value, size_t size)
{
    osb__http *h = &c->http;
    uint64_t length;
    if (!osb__number(value, size, &length)) return osb__bad_http(c, OSB__SAY("malformed header"));
    if (h->framing == OSB__CHUNKED) return osb__bad_http(c, OSB__SAY("ambiguous framing"));
    if (h->framing == OSB__BY_LENGTH && h->left != length)
        return osb__bad_http(c, OSB__SAY("ambiguous framing"));
    h->framing = OSB__BY_LENGTH;
    h->left = length;
    return OSB_OK;
}

/* Whether a comma-separated list has this token. */
static bool osb__has_token(const char *list, size_t size, const char *token)
{
    while (size > 0) {
        size_t n = 0, end;
        while (n < size && list[n] != ',') n++;
        for (end = n; end > 0 && (list[end - 1] == ' ' || list[end - 1] == '\t'); end--) {
        }
        if (osb__is(list, end, token)) return true;
        if (n < size) n++;
        while (n < size && (list[n] == ' ' || list[n] == '\t')) n++;
        list += n;
        size -= n;
    }
    return false;
}

enum {
    OSB__H_LENGTH,
    OSB__H_ENCODING,
    OSB__H_CONNECTION,
    OSB__H_DATE,
    OSB__H_REQUEST_ID,
    OSB__H_RETRY_AFTER,
    OSB__H_LOCATION,
#ifndef OSB_NO_BACKGROUND
    OSB__H_CURSOR,
#endif
#ifndef OSB_NO_FILES
    OSB__H_RANGE,
#endif
#ifndef OSB_NO_PTY
    OSB__H_ACCEPT,
#endif
    OSB__H_COUNT
};

static const char *const osb__header_names[OSB__H_COUNT] = {
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Date",
    "X-Request-ID",
    "Retry-After",
    "Location",
#ifndef OSB_NO_BACKGROUND
    "EXECD-COMMANDS-TAIL-CURSOR",
#endif
#ifndef OSB_NO_FILES
    "Content-Range",
#endif
#ifndef OSB_NO_PTY
    "Sec-WebSocket-Accept",
#endif
};

/* The time by the lifecycle server's last Date, or else by the port; 0: unknown. */
static uint32_t osb__unix_time(const osb_client *c)
{
    const osb_port *port = &c->config.port;
    if (c->date_s != 0) return c->date_s + (port->ops->now_ms(port->ctx) - c->date_at_ms) / 1000u;
    return port->ops->unix_time != NULL ? port->ops->unix_time(port->ctx) : 0;
}

/* Headers that only matter when something went wrong. */
static void osb__error_header(osb_client *c, int header, const char *value, size_t size)
{
    uint64_t seconds;
    bool fits = size <= (c->limit - c->kept) / 4; /* the rest of the answer needs room too */
    if (c->http.status < 300 || c->keep_error) return;
    if (header == OSB__H_REQUEST_ID && c->error.request_id.data == NULL && fits)
        c->error.request_id = osb__keep(c, value, size);
    if (header == OSB__H_LOCATION && c->error.message.data == NULL) {
        c->error.message_cut = !fits;
        c->error.message = osb__keep(c, value, fits ? size : (c->limit - c->kept) / 4);
    }
    if (header == OSB__H_RETRY_AFTER) {
        uint32_t date_s = osb__http_date(value, size), now_s = osb__unix_time(c);
        if (osb__number(value, size, &seconds))
            c->error.retry_after_s = seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
        else if (now_s != 0 && date_s > now_s) c->error.retry_after_s = date_s - now_s;
    }
}

static osb_status osb__framing_header(osb_client *c, int header, const char *value, size_t size)
{
    osb__http *h = &c->http;
    if (header == OSB__H_LENGTH) return osb__content_length(c, value, size);
    if (!osb__is(value, size, "chunked"))
        return osb__bad_http(c, OSB__SAY("unknown Transfer-Encoding"));
    if (h->framing == OSB__BY_LENGTH) return osb__bad_http(c, OSB__SAY("ambiguous framing"));
    if (h->framing == OSB__CHUNKED) return osb__bad_http(c, OSB__SAY("ambiguous framing"));
    h->framing = OSB__CHUNKED;
    return OSB_OK;
}

#ifndef OSB_NO_FILES
/* "bytes 4-9/10": a part of a file begins where it was asked to. With a 416 a star stands in place of
   the part, and behind its slash how large the file is. */
static osb_status osb__content_range(osb_client *c, const char *value, size_t size)
{
    const osb__read_query *query = (const osb__read_query *)c->call.query;
    bool part = c->http.status == 206, as_asked;
    size_t at = part ? 6 : 8, n = at; /* behind "bytes ", or "bytes " and the star with its slash */
    uint64_t number;
    if ((c->call.op->flags & OSB__RANGE) == 0) return OSB_OK;
    while (n < size && value[n] != '-') n++;
    as_asked = osb__number(value + at, n - at, &number) && number == query->from;
    if (part && (n >= size || !as_asked))
        return osb__bad_http(c, OSB__SAY("another range than was asked for"));
    if (c->call.answer != NULL) ((osb__read_query *)c->call.answer)->at_end = !part && as_asked;
    return OSB_OK;
}
#endif

static osb_status osb__header(osb_client *c, int header, const char *value, size_t size)
{
    switch (header) {
    case OSB__H_LENGTH:
    case OSB__H_ENCODING:
        return osb__framing_header(c, header, value, size);
    case OSB__H_CONNECTION:
        if (osb__has_token(value, size, "close")) c->http.keep_alive = false;
        return OSB_OK;
    case OSB__H_DATE:
        if (c->call.endpoint == NULL && osb__http_date(value, size) != 0) {
            c->date_s = osb__http_date(value, size);
            c->date_at_ms = c->config.port.ops->now_ms(c->config.port.ctx);
        }
        return OSB_OK;
#ifndef OSB_NO_BACKGROUND
    case OSB__H_CURSOR:
        if ((c->call.op->flags & OSB__TAIL) != 0 &&
            !osb__number(value, size, (uint64_t *)c->call.answer))
            return osb__bad_http(c, OSB__SAY("malformed header"));
        return OSB_OK;
#endif
#ifndef OSB_NO_FILES
    case OSB__H_RANGE:
        return osb__content_range(c, value, size);
#endif
#ifndef OSB_NO_PTY
    case OSB__H_ACCEPT:
        if ((c->call.op->flags & OSB__UPGRADE) != 0 && size == OSB__PROOF)
            OSB_MEMCPY(c->call.answer, value, size);
        return OSB_OK;
#endif
    default:
        osb__error_header(c, header, value, size);
        return OSB_OK;
    }
}

static bool osb__is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* What stands behind a header's colon, without the white space around it. */
static osb_str osb__header_value(const char *text, size_t size)
{
    osb_str value;
    while (size > 0 && osb__is_blank(*text)) {
        text++;
        size--;
    }
    while (size > 0 && osb__is_blank(text[size - 1])) size--;
    value.data = text;
    value.size = size;
    return value;
}

/* One line of the head, without its end; cut: only its beginning is there. */
static OSB__APART osb_status osb__head_line(osb_client *c, const char *line, size_t size)
{
    osb__http *h = &c->http;
    osb_str value;
    size_t name = 0, i;
    int header = 0;
    for (i = 0; i < size; i++)
        if (line[i] == '\0' || line[i] == '\r')
            return osb__bad_http(c, OSB__SAY("malformed header"));
    if (h->status == 0) return osb__status_line(c, line, size);
    if (osb__is_blank(line[0])) /* a folded header's second line */
        return h->framing_header ? osb__bad_http(c, OSB__SAY("ambiguous framing")) : OSB_OK;
    while (name < size && line[name] != ':') name++;
    h->framing_header = false;
    if (name == size && h->cut) return OSB_OK;
    if (name == size || name == 0 || osb__is_blank(line[name - 1]))
        return osb__bad_http(c, OSB__SAY("malformed header"));
    while (header < OSB__H_COUNT && !osb__is(line, name, osb__header_names[header])) header++;
    h->framing_header = header <= OSB__H_CONNECTION;
    if (h->cut && header <= OSB__H_ENCODING) return osb__bad_http(c, OSB__SAY("ambiguous framing"));
    if (header == OSB__H_COUNT || h->cut) return OSB_OK;
    value = osb__header_value(line + name + 1, size - name - 1);
    return osb__header(c, header, value.data, value.size);
}

/* Takes received bytes up to the end of the line; true if that was among them. */
static bool osb__take_line(osb_client *c)
{
    size_t n = c->in;
    bool end;
    while (n < c->in_end && c->buffer[n] != '\n') n++;
    end = n < c->in_end;
    if (end) n++;
    if (c->http.cut) c->in = n;
    else osb__take(c, n - c->in);
    return end;
}

/* Consumes the received part of the head. OSB_PENDING: more is needed; OSB_OK: it is complete. */
static osb_status osb__head(osb_client *c)
{
    osb__http *h = &c->http;
    while (osb__take_line(c)) {
        const char *line = (const char *)c->buffer + c->unit;
        size_t size = osb__unit_size(c);
        osb_status status;
        if (!h->cut) size--;
        if (!h->cut && size > 0 && line[size - 1] == '\r') size--;
        if (size == 0) {
            osb__drop_unit(c);
            return h->status != 0 ? OSB_OK : osb__bad_http(c, OSB__SAY("no HTTP/1.1 status line"));
        }
        status = osb__head_line(c, line, size);
        h->cut = false;
        osb__drop_unit(c);
        if (status != OSB_OK) return status;
    }
    return OSB_PENDING;
}

/* A header line fills the buffer: only its name is of use now. */
static void osb__head_overflow(osb_client *c)
{
    c->http.cut = true;
    if (osb__unit_size(c) > 40) c->unit_end = c->unit + 40;
}

/* ==== events ==================================================================================*/

static const osb__field osb__failure_fields[] = {
    {"ename", NULL, OSB__AT(osb_event, key), OSB__VIEW, 0},
    {"evalue", NULL, OSB__AT(osb_event, text), OSB__TEXT, 0},
    {"traceback", NULL, 0, OSB__ARRAY | OSB__LAST, 0}};
static const osb__field osb__event_fields[] = {
    {"type", NULL, OSB__AT(osb_event, type), OSB__TYPE, 0},
    {"text", NULL, OSB__AT(osb_event, text), OSB__TEXT, 0},
    {"timestamp", NULL, OSB__AT(osb_event, timestamp_ms), OSB__I64, 0},
    {"execution_time", NULL, OSB__AT(osb_event, execution_time_ms), OSB__U64, 0},
    {"execution_count", NULL, OSB__AT(osb_event, execution_count), OSB__UINT, 0},
    {"error", osb__failure_fields, OSB__AT(osb_event, text), OSB__EITHER, 0},
    {"results", NULL, 0, OSB__MAP, 0},
    {"code", NULL, OSB__AT(osb_event, key), OSB__VIEW, 0}, /* these two: a failure of execd's own */
    {"message", NULL, OSB__AT(osb_event, text), OSB__CUT | OSB__LAST, 0}};
static const osb__field osb__event_root = {NULL, osb__event_fields, 0, OSB__OBJECT,
                                           OSB__HALF(osb_event)};

enum { /* where in a line */
       OSB__L_START,
       OSB__L_JSON, /* a line that is one event */
       OSB__L_NAME, /* "d", "da", "dat", "data": one state each */
       OSB__L_COLON = OSB__L_NAME + 3,
       OSB__L_SPACE,
       OSB__L_DATA,
       OSB__L_SKIP,
       OSB__L_BOM
};

static bool osb__in_event(const osb_client *c)
{
    return c->consumer == OSB__TO_EVENTS;
}

static osb_event_type osb__event_type(osb_client *c, const char *name, size_t size)
{
    static const char *const names[] = {"init",
                                        "status",
                                        "stdout",
                                        "stderr",
                                        "result",
                                        "error",
                                        "execution_complete",
                                        "execution_count",
                                        "ping"};
    unsigned i;
    c->typed = true;
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (osb__length(names[i]) == size && OSB_MEMCMP(names[i], name, size) == 0)
            return (osb_event_type)(i + 1);
    return OSB_EVENT_UNKNOWN;
}

static void osb__event_begin(osb_client *c)
{
    const osb__field *root = c->call.op->answer;
    void *event = c->json.base;
    if (root != NULL) {
        OSB_MEMSET(event, 0, (size_t)root->half_size * 2u);
    } else { /* a size that compilers know costs them a few stores */
        OSB_MEMSET(event, 0, sizeof(osb_event));
        root = &osb__event_root;
    }
    c->typed = c->pieced = false;
    c->kept = c->base;
    osb__json_begin(c, root, event);
}

static OSB__WITHIN void osb__capture(osb_capture *capture, const char *data, size_t size)
{
    size_t room;
    if (capture == NULL) return;
    room = capture->size - capture->length;
    if (size > room) {
        capture->more = true;
        size = room;
    }
    if (size == 0) return; /* data may be NULL */
    OSB_MEMCPY(capture->data + capture->length, data, size);
    capture->length += size;
    if (capture->length < capture->size) capture->data[capture->length] = '\0';
}

/* Counts output, and gives it to the handlers, if there are any; returns what they do. */
static int osb__output(osb_execution *run, const osb_handlers *h, bool err, const char *data,
                       size_t size)
{
    if (err) run->stderr_bytes += size;
    else run->stdout_bytes += size;
    if (h == NULL) return 0;
    osb__capture(err ? h->capture_stderr : h->capture_stdout, data, size);
    if (h->on_output == NULL) return 0;
    return h->on_output(h->user, err ? OSB_STDERR : OSB_STDOUT, data, size);
}

/* Output as the command wrote it: a line's end goes where the view's NUL stands. */
static OSB__APART osb_status osb__event_output(osb_client *c, const osb_event *event)
{
    char *end = (char *)c->buffer + (event->text.data - (const char *)c->buffer) + event->text.size;
    size_t size = event->text.size;
    bool blank_line = size == 1 && end[-1] == '\n' && !c->pieced;
    bool line = (c->call.op->flags & OSB__LINES) != 0 && !event->more && !blank_line;
    char saved = *end;
    int stop;
    if (line) {
        *end = '\n';
        size++;
    }
    stop = osb__output((osb_execution *)c->call.own, (const osb_handlers *)c->call.handlers,
                       event->type == OSB_EVENT_STDERR, event->text.data, size);
    *end = saved;
    return stop != 0 ? osb__stopped(c) : OSB_OK;
}

/* The handler for events of one type. */
static int (*osb__handler(const osb_handlers *h, osb_event_type type))(void *, const osb_event *)
{
    switch (type) {
    case OSB_EVENT_INIT:
        return h->on_init;
    case OSB_EVENT_STATUS:
        return h->on_status;
    case OSB_EVENT_STDOUT:
        return h->on_stdout;
    case OSB_EVENT_STDERR:
        return h->on_stderr;
    case OSB_EVENT_RESULT:
        return h->on_result;
    case OSB_EVENT_ERROR:
        return h->on_error;
    case OSB_EVENT_COMPLETE:
        return h->on_complete;
    case OSB_EVENT_COUNT:
        return h->on_count;
    case OSB_EVENT_PING:
        return h->on_ping;
    case OSB_EVENT_UNKNOWN:
    default:
        return NULL;
    }
}

/* Gives an event, or a piece of one, to the handlers. */
static osb_status osb__event_out(osb_client *c, const osb_event *event)
{
    const osb_handlers *h = (const osb_handlers *)c->call.handlers;
    int (*handler)(void *, const osb_event *) = h != NULL ? osb__handler(h, event->type) : NULL;
    if ((h != NULL && h->on_event != NULL && h->on_event(h->user, event) != 0) ||
        (handler != NULL && handler(h->user, event) != 0))
        return osb__stopped(c);
    if ((event->type == OSB_EVENT_STDOUT || event->type == OSB_EVENT_STDERR) &&
        event->text.data != NULL)
        return osb__event_output(c, event);
    return OSB_OK;
}

/* One text of an event's map or array. */
static OSB__APART osb_status osb__event_entry(osb_client *c, unsigned kind, osb_str key,
                                              osb_str text, bool more)
{
    const osb_handlers *h = (const osb_handlers *)c->call.handlers;
    osb_event piece;
    if (kind == OSB__ARRAY) {
        if (h != NULL && h->on_traceback != NULL && h->on_traceback(h->user, text, more) != 0)
            return osb__stopped(c);
        return OSB_OK;
    }
    OSB_MEMSET(&piece, 0, sizeof piece);
    piece.type = OSB_EVENT_RESULT;
    piece.more = more;
    piece.key = key;
    piece.text = text;
    if (!more) piece.timestamp_ms = ((const osb_event *)c->json.base)->timestamp_ms;
    return osb__event_out(c, &piece);
}

/* Keeps the beginning of a text that is larger than the buffer, and leaves room for what follows: in
   each case two bytes, without which nothing more could be received. */
static void osb__keep_beginning(osb_client *c, const osb__field *field, osb_str text)
{
    unsigned char *out = (unsigned char *)c->json.base + field->offset;
    size_t most = (c->limit - c->kept) / 2 - 1;
    osb_str view;
    c->json.field = NULL;
    if (c->consumer == OSB__TO_ERROR_JSON && osb__pointer(out) != NULL) return; /* one is enough */
    if (text.size > most) text.size = osb__whole_characters((const unsigned char *)text.data, most);
    view = osb__keep(c, text.data, text.size);
    OSB_MEMCPY(out, &view, sizeof view);
    c->error.message_cut = true;
}

/* A piece of a text that is larger than the buffer. */
static OSB__APART osb_status osb__on_piece(osb_client *c, const osb__field *field, osb_str key,
                                           osb_str text)
{
    unsigned kind = field->kind & OSB__KIND;
    osb_event *event = (osb_event *)c->json.base;
    osb_status status;
    if (kind == OSB__CUT || kind == OSB__EITHER) {
        osb__keep_beginning(c, field, text);
        return OSB_OK;
    }
    if (!osb__in_event(c)) {
        if (c->call.on_data != NULL && c->call.on_data(c->call.user, text.data, text.size) != 0)
            return osb__stopped(c);
        return OSB_OK;
    }
    if (kind != OSB__TEXT) return osb__event_entry(c, kind, key, text, true);
    if (!c->typed)
        return osb__too_big(c, "osb_config.memory", "text before its event's type",
                            c->config.memory_size * 2);
    event->text = text;
    event->more = c->pieced = true;
    status = osb__event_out(c, event);
    event->more = false;
    return status;
}

/* What the execution's summary takes from an event. */
static osb_status osb__event_summary(osb_client *c, const osb_event *event)
{
    osb_execution *run = (osb_execution *)c->call.own;
    int64_t code;
    if (event->type != OSB_EVENT_PING) run->last_ms = event->timestamp_ms;
    switch (event->type) {
    case OSB_EVENT_INIT:
        if (event->text.size >= sizeof run->id || c->pieced)
            return osb__too_big(c, "OSB_ID_SIZE", "text", event->text.size + 1);
        OSB_MEMCPY(run->id, event->text.data, event->text.size);
        run->id[event->text.size] = '\0';
        run->started_ms = event->timestamp_ms;
        break;
    case OSB_EVENT_COUNT:
        run->execution_count = event->execution_count;
        break;
    case OSB_EVENT_ERROR:
        run->error_name = event->key.data != NULL ? event->key : osb__view("");
        run->error_value = event->text;
        c->base = c->kept; /* later events must not overwrite it */
        if (!c->pieced && event->text.data != NULL && (c->call.op->flags & OSB__LAST_ENDS) != 0 &&
            osb__integer(event->text.data, event->text.size, &code) && code >= INT32_MIN &&
            code <= INT32_MAX) {
            run->exit_code.set = true;
            run->exit_code.value = (int32_t)code;
        }
        break;
    case OSB_EVENT_COMPLETE:
        run->execution_time_ms = event->execution_time_ms;
        break;
    default:
        break;
    }
    return OSB_OK;
}

/* The JSON object of an event is complete. */
static OSB__APART osb_status osb__on_event_end(osb_client *c)
{
    osb_event *event = (osb_event *)c->json.base;
    bool last = event->type == OSB_EVENT_COMPLETE || event->type == OSB_EVENT_ERROR;
    osb_status status;
    if (c->call.op->answer != NULL)
        return osb__hand_out(c, c->call.op->answer, osb__view(NULL), osb__view(NULL));
    if (!c->typed && event->key.data == NULL && event->text.data == NULL) return OSB_OK;
    if (!c->typed) { /* only failures have no type */
        c->ended = true;
        c->error.code = event->key;
        c->error.message = event->text;
        return osb__fail(c, OSB_E_STREAM, NULL);
    }
    if (event->type == OSB_EVENT_INIT && event->text.data == NULL)
        return osb__bad_json(c, OSB__SAY("malformed event"));
    status = osb__event_summary(c, event);
    if (status == OSB_OK && event->type != OSB_EVENT_RESULT) status = osb__event_out(c, event);
    if (last) ((osb_execution *)c->call.own)->ended = true;
    c->ended = last && (c->call.op->flags & OSB__LAST_ENDS) != 0;
    return status;
}

/* The end of a line outside of an event's JSON; a blank line ends an event of data lines. */
static osb_status osb__event_line_end(osb_client *c)
{
    bool blank = c->line == OSB__L_START;
    c->line = OSB__L_START;
    if (!blank || c->json.state == OSB__J_DONE) return OSB_OK;
    if (c->json.depth > 0) return osb__bad_json(c, OSB__SAY("malformed event"));
    c->json.state = OSB__J_DONE; /* it had no data */
    return OSB_OK;
}

/* The first byte of a line tells what it is. */
static osb_status osb__event_line_start(osb_client *c, unsigned char byte)
{
    if (byte == '<') return osb__bad_json(c, OSB__SAY("HTML instead of events"));
    if (byte != '{') {
        c->line = byte == 'd' ? OSB__L_NAME : OSB__L_SKIP;
        return OSB_OK;
    }
    if (c->json.depth > 0) return osb__bad_json(c, OSB__SAY("malformed event"));
    osb__event_begin(c);
    c->line = OSB__L_JSON;
    c->in--; /* the JSON layer takes it */
    return OSB_OK;
}

/* One byte outside of an event's JSON. */
static osb_status osb__event_line(osb_client *c, unsigned char byte)
{
    static const char name[] = "data";
    bool after_cr = c->carriage_return;
    c->carriage_return = byte == '\r';
    if (byte == '\n' && after_cr) return OSB_OK;
    if (byte == '\n' || byte == '\r') return osb__event_line_end(c);
    switch (c->line) {
    case OSB__L_BOM:
        if (byte == 0xef || byte == 0xbb || byte == 0xbf) return OSB_OK;
        return osb__event_line_start(c, byte);
    case OSB__L_START:
        return osb__event_line_start(c, byte);
    case OSB__L_SKIP:
        return OSB_OK;
    case OSB__L_JSON:
    case OSB__L_DATA: /* behind the object's end */
        return osb__is_blank((char)byte) ? OSB_OK : osb__bad_json(c, OSB__SAY("malformed event"));
    case OSB__L_COLON:
        c->line = byte == ':' ? OSB__L_SPACE : OSB__L_SKIP;
        if (byte == ':' && c->json.state == OSB__J_DONE) osb__event_begin(c);
        return OSB_OK;
    case OSB__L_SPACE:
        c->line = OSB__L_DATA;
        if (byte != ' ') c->in--;
        return OSB_OK;
    default: /* in the name */
        if (byte == (unsigned char)name[c->line - OSB__L_NAME + 1]) c->line++;
        else c->line = OSB__L_SKIP;
        return OSB_OK;
    }
}

/* Consumes received bytes of a stream of events up to end. */
static osb_status osb__events(osb_client *c, size_t end)
{
    osb_status status = OSB_OK;
    while (c->in < end && status == OSB_OK && !c->ended) {
        bool json =
            (c->line == OSB__L_JSON || c->line == OSB__L_DATA) && c->json.state != OSB__J_DONE;
        if (json) status = osb__json_feed(c, end);
        else status = osb__event_line(c, c->buffer[c->in++]);
        if (status != OSB__END_OF_LINE) continue;
        if (c->line == OSB__L_JSON) return osb__bad_json(c, OSB__SAY("malformed event"));
        status = osb__event_line(c, c->buffer[c->in++]);
    }
    if (c->ended) c->in = end;
    return status;
}

/* ==== call ====================================================================================*/

static const osb__field osb__detail_fields[] = {
    {"loc", NULL, 0, OSB__ARRAY, 0},
    {"msg", NULL, OSB__AT(osb_error, message), OSB__CUT | OSB__LAST, 0}};
static const osb__field osb__error_fields[] = {
    {"code", NULL, OSB__AT(osb_error, code), OSB__VIEW, 0},
    {"message", NULL, OSB__AT(osb_error, message), OSB__CUT, 0},
    {"error", NULL, OSB__AT(osb_error, message), OSB__EITHER, 0},
    {"detail", osb__detail_fields, OSB__AT(osb_error, message), OSB__EITHER | OSB__LAST, 0}};
static const osb__field osb__error_root = {NULL, osb__error_fields, 0, OSB__OBJECT, 0};

enum {
    OSB__IDLE,     /* no call is pending */
    OSB__STARTING, /* the exchange is described */
    OSB__CONNECTING,
    OSB__SENDING,
    OSB__RECEIVING,
    OSB__SLEEPING, /* a pause, up to deadline_ms */
    OSB__TALKING   /* WebSocket, after the upgrade */
};

#define OSB__REUSE_MS 20000u /* lifecycle servers close an idle connection at 30 s */

static osb_status osb__hand_out(osb_client *c, const osb__field *field, osb_str key, osb_str value)
{
    osb__out out;
    if (c->call.op->hand_out == NULL) return OSB_OK;
    out.client = c;
    out.field = field;
    out.entry.member = field->name;
    out.entry.key = key;
    out.entry.value = value;
    return c->call.op->hand_out(&out) != 0 ? osb__stopped(c) : OSB_OK;
}

static uint32_t osb__now(const osb_client *c)
{
    return c->config.port.ops->now_ms(c->config.port.ctx);
}

/* Milliseconds until a time on a clock that may wrap; 0: it has passed. */
static uint32_t osb__until(const osb_client *c, uint32_t time_ms)
{
    uint32_t left = time_ms - osb__now(c);
    return left > 0x7fffffffu ? 0 : left;
}

static OSB__APART uint32_t osb__default(uint32_t value, uint32_t otherwise)
{
    if (value == 0) value = otherwise;
    return value > 0x7fffffffu ? 0x7fffffffu : value;
}

/* How long the call at hand may take, or be silent. */
static uint32_t osb__timeout(const osb_client *c)
{
    if ((c->call.op->flags & OSB__STREAMS) != 0)
        return osb__default(c->call.timeout_ms, c->config.idle_timeout_ms);
    return osb__default(c->call.timeout_ms, c->config.request_timeout_ms);
}

/* Until when the call at hand may connect: a step with a time of its own has no more than that. */
static OSB__APART uint32_t osb__connect_until(const osb_client *c)
{
    uint32_t most = c->config.connect_timeout_ms, own = c->call.timeout_ms;
    return osb__now(c) + (own != 0 && own < most ? own : most);
}

/* Here and elsewhere in parentheses: connect, send, recv and close are macros on some systems. */
static void osb__disconnect(osb_client *c)
{
    (c->config.port.ops->close)(c->config.port.ctx);
    c->alive = c->connecting = false;
}

static void osb__port_error(osb_client *c)
{
    const osb_port_ops *ops = c->config.port.ops;
    if (c->keep_error || ops->error == NULL) return;
    c->error.port_text = ops->error(c->config.port.ctx, &c->error.port_code);
}

/* Whether a port's answer is to be asked for again. */
static bool osb__is_later(int io)
{
    return io == OSB_IO_WANT_READ || io == OSB_IO_WANT_WRITE || io == OSB_IO_AGAIN;
}

/* What the next poll waits for, from a port's answer. */
static void osb__want_io(osb_client *c, int io)
{
    if (io == OSB_IO_AGAIN) c->ready_now = true;
    else c->want = (uint8_t)(c->want | (io == OSB_IO_WANT_WRITE ? OSB_WANT_WRITE : OSB_WANT_READ));
}

#define OSB__LEAST_ROOM 512u   /* that the origin's host leaves of the buffer */
#define OSB__LEAST_WINDOW 256u /* of that, behind what a call has allocated */

/* Puts the origin's host at the buffer's end, before the pinned texts. */
static osb_status osb__place_origin(osb_client *c, const osb__address *a)
{
    size_t end = c->config.memory_size - c->pinned, room = c->base + OSB__LEAST_WINDOW;
    if (room < OSB__LEAST_ROOM) room = OSB__LEAST_ROOM;
    if (a->host_size + 1 + room > end)
        return osb__too_big(c, "osb_config.memory", NULL, a->host_size + 1 + room + c->pinned);
    c->limit = end - a->host_size - 1;
    OSB_MEMCPY(c->buffer + c->limit, a->host, a->host_size);
    c->buffer[end - 1] = '\0';
    c->origin_port = a->port;
    c->origin_https = a->https;
    if (room > OSB__LEAST_ROOM) osb__must_fit(c, room - c->base);
    return OSB_OK;
}

/* Whether that is where the connection goes, with room for a window. */
static bool osb__connected_to(const osb_client *c, const osb__address *a)
{
    size_t end = c->config.memory_size - c->pinned;
    return c->alive && c->base + OSB__LEAST_WINDOW <= c->limit && a->port == c->origin_port &&
           a->https == c->origin_https && end - c->limit == a->host_size + 1 &&
           osb__equal_nocase((const char *)c->buffer + c->limit, a->host, a->host_size);
}

/* The request's time, or on a stream the silence that is limited, begins. */
static OSB__APART void osb__set_deadline(osb_client *c)
{
    c->deadline_ms = osb__now(c) + osb__timeout(c);
}

static void osb__begin_sending(osb_client *c)
{
    c->state = OSB__SENDING;
    c->sent = c->window_from = c->window_size = 0;
    c->source_left = 0;
#ifdef OSB__SOURCES
    if (osb__source(c) != NULL) c->source_left = c->body_size;
#endif
    c->accepted = c->answered = false;
    c->used_ms = osb__now(c);
    osb__set_deadline(c);
}

/* Whether an idle connection is still good: used not long ago, not closed by the server meanwhile,
   and nothing has come on it that nobody asked for. */
static bool osb__is_fresh(const osb_client *c)
{
    const osb_port *port = &c->config.port;
    int io;
    if (osb__now(c) - c->used_ms >= OSB__REUSE_MS) return false;
    io = (port->ops->recv)(port->ctx, c->buffer + c->base, 1);
    return osb__is_later(io);
}

/* A sandbox's own address is often one that only its server can reach. */
static const char *osb__proxy_hint(const osb_client *c)
{
    if (c->call.endpoint == NULL || c->config.use_server_proxy) return NULL;
    return OSB__SAY("the sandbox's address may be out of reach: try use_server_proxy");
}

/* OSB_PENDING: waiting; OSB_OK: connected. */
static OSB__APART osb_status osb__connect(osb_client *c)
{
    const osb_port_ops *ops = c->config.port.ops;
    int io;
    if (!c->connecting) {
        osb__address a;
        osb_status status;
        if (!osb__call_address(c, &a))
            return osb__fail(c, OSB_E_INVALID, OSB__SAY("no valid address"));
        c->reused = osb__connected_to(c, &a) && osb__is_fresh(c);
        if (c->reused) {
            osb__begin_sending(c);
            return OSB_OK;
        }
        osb__disconnect(c);
        if (a.https && !ops->tls) return osb__fail(c, OSB_E_NO_TLS, NULL);
        status = osb__place_origin(c, &a);
        if (status != OSB_OK) return status;
        c->connecting = true;
    }
    io = (ops->connect)(c->config.port.ctx, (const char *)c->buffer + c->limit, c->origin_port,
                        c->origin_https);
    if (osb__is_later(io)) {
        osb__want_io(c, io);
        return OSB_PENDING;
    }
    if (io < 0) {
        osb__port_error(c);
        return osb__fail(c, OSB_E_CONNECT, c->origin_https ? NULL : osb__proxy_hint(c));
    }
    c->connecting = false;
    c->alive = true;
    osb__begin_sending(c);
    return OSB_OK;
}

/* Whether the whole request has been sent. */
static bool osb__is_sent(const osb_client *c)
{
    return c->sent == c->request_size && c->source_left == 0;
}

static void osb__begin_receiving(osb_client *c)
{
    OSB_MEMSET(&c->http, 0, sizeof c->http);
    OSB_MEMSET(&c->json, 0, sizeof c->json);
    c->kept = c->unit = c->unit_end = c->in = c->in_end = c->base;
    c->state = OSB__RECEIVING;
    c->consumer = OSB__TO_NOBODY;
    c->ended = false;
    c->drained = 0;
}

/* The window has been sent, or will never be: what stood in it may be secret. */
static void osb__wipe_window(osb_client *c)
{
    OSB_MEMSET(c->buffer + c->base, 0, c->limit - c->base);
}

/* A server may answer before it has the whole request (413, 401, or just 100). Sending blocks or
   fails then, so looks for such an answer. io is what `send` said. */
static OSB__APART osb_status osb__early_answer(osb_client *c, int io)
{
    const osb_port *port = &c->config.port;
    size_t at = c->limit - OSB__EARLY;
    int n;
    if (!c->accepted) n = OSB_IO_WANT_READ;
    else n = (port->ops->recv)(port->ctx, c->buffer + at, OSB__EARLY);
    if (n > 0) {
        OSB_MEMMOVE(c->buffer + c->base, c->buffer + at, (size_t)n);
        OSB_MEMSET(c->buffer + c->base + n, 0, c->limit - c->base - (size_t)n);
        osb__begin_receiving(c);
        c->received += (uint32_t)n;
        c->in_end = c->base + (size_t)n;
        return OSB_OK;
    }
    if (osb__is_later(io) && osb__is_later(n)) {
        osb__want_io(c, io);
        if (c->accepted) osb__want_io(c, n);
        return OSB_PENDING;
    }
    osb__wipe_window(c);
    if (n == OSB_IO_FAILED) osb__port_error(c);
    return osb__fail(c, OSB_E_CLOSED, NULL);
}

/* The window has been sent: fills the next one, or goes on to the answer. */
static osb_status osb__next_window(osb_client *c)
{
    osb__wipe_window(c);
    if (osb__is_sent(c)) {
        osb__begin_receiving(c);
        return OSB_OK;
    }
#ifdef OSB__SOURCES
    if (c->sent == c->request_size) return osb__fill_from_source(c);
#endif
    c->window_from = c->sent;
    return osb__fill_window(c);
}

static OSB__APART osb_status osb__send(osb_client *c)
{
    uint32_t offset;
    int io;
    if (c->sent == c->window_from + c->window_size) {
        osb_status status = osb__next_window(c);
        if (status != OSB_OK || c->state != OSB__SENDING) return status;
    }
    offset = c->sent - c->window_from;
    io = (c->config.port.ops->send)(c->config.port.ctx, c->buffer + c->base + offset,
                                    (size_t)(c->window_size - offset));
    if (io > 0) {
        c->sent += (uint32_t)io;
        c->accepted = true;
        return OSB_OK;
    }
    if (io < 0 && !osb__is_later(io)) osb__port_error(c);
    return osb__early_answer(c, io);
}

static osb_status osb__status_of(uint16_t http_status)
{
    if (http_status < 300) return OSB_OK;
    if (http_status < 400) return OSB_E_REDIRECT;
    if (http_status == 401 || http_status == 403) return OSB_E_AUTH;
    if (http_status == 404) return OSB_E_NOT_FOUND;
    return OSB_E_API;
}

/* The head is complete: who gets the body, and how long is it? OSB_OK: there is none. */
static osb_status osb__head_end(osb_client *c)
{
    osb__http *h = &c->http;
    const osb__op *op = c->call.op;
    uint16_t status = h->status;
#ifndef OSB_NO_PTY
    if (status == 101 && (op->flags & OSB__UPGRADE) != 0) {
        c->answered = true;
        c->state = OSB__TALKING;
        osb__set_deadline(c);
        return OSB_PENDING;
    }
#endif
    if (status == 101) return osb__bad_http(c, OSB__SAY("101 that nobody asked for"));
    if (status < 200) { /* the real answer is still to come */
        OSB_MEMSET(h, 0, sizeof *h);
        return OSB_PENDING;
    }
    c->answered = true;
    if (!c->keep_error) c->error.http_status = status;
    if (status < 300 && (op->flags & OSB__UPGRADE) != 0)
        return osb__bad_http(c, OSB__SAY("the server does not speak WebSocket"));
    if (op->name != NULL && status >= 400)
        c->consumer = c->keep_error ? OSB__TO_NOBODY : OSB__TO_ERROR;
    else if (op->name != NULL && status >= 300) c->consumer = OSB__TO_NOBODY;
    else if ((op->flags & OSB__EVENTS) != 0) c->consumer = OSB__TO_EVENTS;
    else if ((op->flags & OSB__DATA) != 0) c->consumer = OSB__TO_DATA;
    else if (op->answer != NULL) c->consumer = OSB__TO_JSON;
    if (c->consumer == OSB__TO_EVENTS) {
        osb__json_begin(c, &osb__event_root, c->call.answer);
        c->json.state = OSB__J_DONE;
        c->line = OSB__L_BOM;
        c->carriage_return = false;
    }
    if (c->consumer == OSB__TO_JSON) osb__json_begin(c, op->answer, c->call.answer);
    if (status == 204 || status == 304 || osb__method_is(c, "HEAD")) return OSB_OK;
    return h->framing == OSB__BY_LENGTH && h->left == 0 ? OSB_OK : OSB_PENDING;
}

/* An error's JSON goes on up to end, or (0) its unit fills the buffer. What is wrong with it does not
   matter. */
static osb_status osb__error_json(osb_client *c, size_t end)
{
    osb_status status;
    c->keep_error = true;
    status = end > 0 ? osb__json_feed(c, end) : osb__json_overflow(c);
    c->keep_error = false;
    if (status == OSB_OK) return OSB_OK;
    c->consumer = OSB__TO_NOBODY;
    osb__drop_unit(c);
    return OSB_OK;
}

/* An error's body: JSON, or text of which the beginning is kept. */
static osb_status osb__error_body(osb_client *c, size_t end)
{
    if (c->consumer == OSB__TO_ERROR) {
        unsigned char byte = c->buffer[c->in];
        if (byte <= 0x20) {
            c->in++;
            return OSB_OK;
        }
        c->consumer = byte == '{' ? OSB__TO_ERROR_JSON : OSB__TO_ERROR_TEXT;
        if (byte == '{') osb__json_begin(c, &osb__error_root, &c->error);
    }
    if (c->consumer == OSB__TO_ERROR_JSON) {
        if (c->json.state != OSB__J_DONE) return osb__error_json(c, end);
        c->in = end;
    } else if (osb__unit_size(c) + (end - c->in) > (c->limit - c->kept) / 2) {
        size_t room = (c->limit - c->kept) / 2 - osb__unit_size(c);
        osb__take(c, room < end - c->in ? room : end - c->in);
        c->error.message_cut = true;
        c->in = end;
    } else {
        osb__take(c, end - c->in);
    }
    return OSB_OK;
}

/* Gives body bytes up to end to whoever wants them. */
static OSB__APART osb_status osb__deliver(osb_client *c, size_t end)
{
    osb_status status = OSB_OK;
    while (c->in < end && status == OSB_OK) {
        switch (c->consumer) {
        case OSB__TO_JSON:
            status = c->json.state == OSB__J_DONE ? OSB_OK : osb__json_feed(c, end);
            if (c->json.state == OSB__J_DONE) c->in = end; /* only the first value counts */
            break;
        case OSB__TO_EVENTS:
            status = osb__events(c, end);
            if (c->ended) c->consumer = OSB__TO_NOBODY;
            break;
        case OSB__TO_DATA: {
            size_t from = c->in;
            c->in = end;
            if (c->call.on_data != NULL &&
                c->call.on_data(c->call.user, c->buffer + from, end - from) != 0)
                status = osb__stopped(c);
            break;
        }
        case OSB__TO_ERROR:
        case OSB__TO_ERROR_JSON:
        case OSB__TO_ERROR_TEXT:
            status = osb__error_body(c, end);
            break;
        default:
            c->in = end;
            break;
        }
    }
    return status;
}

/* The body came to its end in good order: is the answer whole, and what does it say? */
static osb_status osb__body_end(osb_client *c)
{
    osb_status status = osb__status_of(c->http.status);
    c->whole = true;
    if (c->http.status < 300 && c->consumer == OSB__TO_EVENTS) {
        if (c->call.op->answer == NULL && ((const osb_execution *)c->call.own)->ended)
            return OSB_OK;
        return osb__fail(c, OSB_E_TRUNCATED, NULL);
    }
    if (c->consumer == OSB__TO_JSON && c->json.state != OSB__J_DONE) {
        if (c->json.state != OSB__J_VALUE || c->json.depth > 0)
            return osb__bad_json(c, OSB__SAY("the JSON ends in its middle"));
        /* No body at all is as good as {}, but no answer to a question. */
        if ((c->json.field->kind & OSB__REQUIRED) != 0)
            return osb__json_check_required(c, c->json.field);
        if (osb__method(c)[0] == 'G' && c->http.status != 204)
            return osb__bad_json(c, OSB__SAY("no body"));
    }
    if (c->consumer == OSB__TO_ERROR_TEXT) {
        size_t size = osb__unit_size(c);
        const unsigned char *text = c->buffer + c->unit;
        while (text[size - 1] <= 0x20) size--; /* its first byte is none of these */
        c->error.message = osb__keep(c, text, osb__whole_characters(text, size));
        osb__drop_unit(c);
    }
    if (c->call.op->name == NULL || status == OSB_OK) return OSB_OK;
    return osb__fail(c, status, NULL);
}

/* Consumes what has been received of the body. OSB_PENDING: more is needed. */
static osb_status osb__body(osb_client *c)
{
    osb__http *h = &c->http;
    while (c->in < c->in_end) {
        osb_status status;
        size_t n = c->in_end - c->in;
        if (h->framing == OSB__CHUNKED && h->chunk != OSB__C_DATA) {
            status = osb__chunk(c, c->buffer[c->in++]);
            if (status != OSB_PENDING) return status;
            continue;
        }
        if (h->framing != OSB__UNTIL_CLOSE && n > h->left) n = (size_t)h->left;
        if (h->framing != OSB__UNTIL_CLOSE) h->left -= n;
        status = osb__deliver(c, c->in + n);
        if (status != OSB_OK) return status;
        if (h->framing == OSB__BY_LENGTH && h->left == 0) return OSB_OK;
        if (h->framing == OSB__CHUNKED && h->left == 0) h->chunk = OSB__C_DATA_CR;
    }
    return OSB_PENDING;
}

/* Makes room behind what has been received; false if the unit fills the buffer. */
static bool osb__make_room(osb_client *c)
{
    size_t size = osb__unit_size(c);
    if (c->unit > c->kept || size == 0) {
        OSB_MEMMOVE(c->buffer + c->kept, c->buffer + c->unit, size);
        c->unit = c->kept;
        c->unit_end = c->unit + size;
    }
    c->in = c->in_end = c->unit_end;
    return c->in_end + OSB__SPARE <= c->limit;
}

static osb_status osb__overflow(osb_client *c)
{
    if (c->consumer == OSB__TO_ERROR_JSON) return osb__error_json(c, 0);
    if (c->answered) return osb__json_overflow(c);
    osb__head_overflow(c);
    return OSB_OK;
}

/* The connection has no more bytes for us. */
static osb_status osb__receive_end(osb_client *c, int io)
{
    c->http.keep_alive = false;
    if (io == OSB_IO_FAILED) osb__port_error(c);
    if (c->ended) return OSB_OK;
    if (c->answered && c->http.framing == OSB__UNTIL_CLOSE && io == OSB_IO_CLOSED)
        return osb__body_end(c);
    if (c->consumer == OSB__TO_EVENTS) return osb__fail(c, OSB_E_TRUNCATED, NULL);
    return osb__fail(c, OSB_E_CLOSED, NULL);
}

/* Looks at what has been received. OSB_PENDING: more is needed; OSB_OK: the exchange is over. */
static osb_status osb__consume(osb_client *c)
{
    osb_status status;
    while (!c->answered) {
        status = osb__head(c);
        if (status != OSB_OK) return status;
        status = osb__head_end(c);
        if (c->answered && status == OSB_OK) return osb__body_end(c);
        if (status != OSB_PENDING) return status;
    }
    if (c->state == OSB__TALKING) return OSB_PENDING;
    status = osb__body(c);
    /* Whatever comes behind the last event, the outcome is known. */
    if (c->ended && status == OSB_E_PROTOCOL) return OSB_OK;
    return status == OSB_OK ? osb__body_end(c) : status;
}

/* One receive. OSB_PENDING: waiting; OSB_OK with the exchange over: the answer's own status. */
static OSB__APART osb_status osb__receive(osb_client *c, bool *over)
{
    const osb_port *port = &c->config.port;
    osb_status status = OSB_PENDING;
    int io;
    if (c->in < c->in_end) { /* came while the request was being sent */
        status = osb__consume(c);
        *over = status != OSB_PENDING;
        return *over ? status : OSB_OK;
    }
    if (!c->answered && c->http.status == 0 && osb__unit_size(c) == 0 && !osb__is_sent(c)) {
        if (c->source_used) return osb__bad_http(c, OSB__SAY("1xx in the middle of a body"));
        c->state = OSB__SENDING; /* that was only a 1xx: on with the window as it was */
        return osb__fill_window(c);
    }
    if (!osb__make_room(c)) {
        status = osb__overflow(c);
        *over = status != OSB_OK;
        return status;
    }
    io = (port->ops->recv)(port->ctx, c->buffer + c->in_end, c->limit - 1 - c->in_end);
    if (osb__is_later(io)) {
        osb__want_io(c, io);
        *over = c->ended; /* the rest of an ended stream is not waited for */
        return *over ? OSB_OK : OSB_PENDING;
    }
    *over = true;
    if (io <= 0) return osb__receive_end(c, io);
    c->in_end += (size_t)io;
    c->received += (uint32_t)io;
    status = osb__consume(c);
    if (c->ended && status == OSB_PENDING && c->drained++ == 8) return OSB_OK;
    *over = status != OSB_PENDING;
    return *over ? status : OSB_OK;
}

/* A text of the error: what the buffer began with, so many bytes, stands at its end now. */
static void osb__move_text(osb_client *c, osb_str *text, size_t size)
{
    size_t at = (size_t)((uintptr_t)text->data - (uintptr_t)c->buffer);
    unsigned char *moved;
    if (at >= c->config.memory_size) return; /* it is not in the buffer */
    if (at >= size) {
        *text = osb__view("");
        return;
    }
    moved = c->buffer + c->config.memory_size - size + at;
    if (text->size >= size - at) {
        text->size = osb__whole_characters(moved, size - at - 1);
        moved[text->size] = '\0';
        c->error.message_cut = true;
    }
    text->data = (const char *)moved;
}

/* Moves the error's texts to the buffer's end, where the calls that clean up cannot reach them. They
   are cut if they leave too little room for these. */
static void osb__pin_error(osb_client *c)
{
    osb_str port_text = osb__view(c->error.port_text);
    size_t origin = c->config.memory_size - c->limit, home = osb__length(c->config.domain) + 1;
    size_t size, most, i;
    if (c->keep_error) return;
    c->keep_error = true;
    if (port_text.size > 0 && port_text.size < (c->limit - c->kept) / 4)
        port_text = osb__keep(c, port_text.data, port_text.size); /* the port will forget it */
    if (home < origin) home = origin; /* a kill goes to the lifecycle server, whoever failed */
    home += OSB__LEAST_ROOM;
    most = home < c->config.memory_size ? c->config.memory_size - home : 0;
    size = c->kept < most ? c->kept : most;
    if (size > 0) {
        unsigned char *to = c->buffer + c->limit - size;
        OSB_MEMMOVE(to, c->buffer, size);
        for (i = 0; i < origin; i++) { /* the origin changes places with them */
            unsigned char last = to[size + origin - 1];
            OSB_MEMMOVE(to + 1, to, size + origin - 1);
            *to = last;
        }
        c->limit -= size;
        c->pinned = size;
    }
    osb__move_text(c, &c->error.code, size);
    osb__move_text(c, &c->error.message, size);
    osb__move_text(c, &c->error.request_id, size);
    osb__move_text(c, &port_text, size);
    c->error.port_text = port_text.data;
}

/* A new call begins: the texts of the last one's error go, the origin moves back to the end. */
static void osb__unpin_error(osb_client *c)
{
    size_t origin = c->config.memory_size - c->pinned - c->limit;
    if (c->pinned > 0) {
        OSB_MEMMOVE(c->buffer + c->limit + c->pinned, c->buffer + c->limit, origin);
        c->limit += c->pinned;
        c->pinned = 0;
    }
    c->keep_error = false;
}

/* Whether the request's body can be sent once more. */
static bool osb__rewind(osb_client *c)
{
#ifdef OSB__SOURCES
    const osb_request *source = osb__source(c);
    if (!c->source_used) return true;
    if (source->rewind_body == NULL || source->rewind_body(source->user) != 0) return false;
    c->source_used = false;
    (void)osb__measure_request(c); /* its size has grown with what the source gave */
#else
    (void)c;
#endif
    return true;
}

/* An exchange is over: keeps the connection or closes it. True: it is to be done once more, on a
   new connection, since the reused one died before any byte of an answer came. */
static bool osb__exchange_over(osb_client *c, osb_status status)
{
    bool silent = status == OSB_E_CLOSED && c->received == 0;
    bool open = !c->answered || (c->http.status < 300 && !c->ended && c->consumer <= OSB__TO_JSON);
    if (!c->keep_error && status != OSB_OK && c->accepted && open && !osb__is_safe(c))
        c->error.maybe_applied = true; /* also if it is done once more, whatever comes of that */
    if (c->state == OSB__SENDING) osb__wipe_window(c);
    /* A proxy may have become a tunnel by the request for an upgrade, whatever came of that. */
    if (c->whole && c->http.keep_alive && c->in == c->in_end && osb__is_sent(c) &&
        (c->call.op->flags & OSB__UPGRADE) == 0) {
        c->used_ms = osb__now(c);
    } else {
        osb__disconnect(c);
        c->deadline_ms = osb__connect_until(c);
        /* The next connection is a new one, so that this happens once. */
        if (silent && c->reused && (osb__is_idempotent(c) || !c->accepted) && osb__rewind(c)) {
            if (!c->keep_error) { /* what it died of says nothing about the next one's answer */
                c->error.status = c->error.cause = OSB_OK;
                c->error.port_text = NULL;
                c->error.port_code = 0;
            }
            c->state = OSB__CONNECTING;
            return true;
        }
    }
    return false;
}

static void osb__sleep(osb_client *c, uint32_t ms)
{
    c->state = OSB__SLEEPING;
    c->deadline_ms = osb__now(c) + ms;
}

/* What went wrong so far does not matter. */
static void osb__forget_error(osb_client *c)
{
    const char *operation = c->error.operation;
    OSB_MEMSET(&c->error, 0, sizeof c->error);
    c->error.operation = operation;
}

#if !defined(OSB_NO_EXTRAS) || !defined(OSB_NO_ADMIN) || !defined(OSB_NO_SNAPSHOTS) ||             \
    !defined(OSB_NO_BACKGROUND) || !defined(OSB_NO_FILES) || !defined(OSB_NO_VAULT) ||             \
    !defined(OSB_NO_PTY)
/* The exchange at hand once more, after a pause; what is allocated stays. */
static osb_status osb__again(osb_client *c, uint32_t pause_ms,
                             osb_status (*next)(osb_client *, osb_status))
{
    osb__forget_error(c);
    c->kept = c->unit = c->unit_end = c->in = c->in_end = c->base;
    c->call.attempt = 0;
    c->next = next;
    c->again = true;
    osb__sleep(c, pause_ms);
    return OSB_PENDING;
}

#endif

#ifndef OSB_NO_EXTRAS
static void osb__log(const osb_client *c, osb_log_level level, osb_status status, uint32_t pause_ms)
{
    const osb_extras *extras = c->config.extras;
    osb_log_entry entry;
    osb__address a;
    if (extras->on_log == NULL || level > extras->log_level) return;
    OSB_MEMSET(&entry, 0, sizeof entry);
    entry.level = level;
    entry.operation = c->call.op->name != NULL ? c->call.op->name : "request to a sandbox's port";
    entry.id = c->call.id;
    if (osb__call_address(c, &a)) {
        entry.target.data = a.host - (a.bracketed ? 1 : 0);
        entry.target.size = (size_t)(a.authority_end - entry.target.data);
    }
    entry.status = status;
    entry.http_status = c->answered ? c->http.status : 0;
    entry.attempt = c->call.attempt;
    entry.took_ms = osb__now(c) - c->began_ms;
    entry.pause_ms = pause_ms;
    entry.sent_bytes = c->sent;
    entry.received_bytes = c->received;
    extras->on_log(extras->user, &entry);
}

/* Whether a status may be another one soon. */
static bool osb__is_transient(const osb_extras *extras, uint16_t http_status)
{
    static const uint16_t usual[] = {429, 502, 503, 504};
    bool own = extras->retry_statuses != NULL;
    const uint16_t *statuses = own ? extras->retry_statuses : usual;
    size_t i = own ? extras->retry_status_count : sizeof usual / sizeof usual[0];
    while (i > 0)
        if (statuses[--i] == http_status) return true;
    return false;
}

/* Whether sending the request again cannot do its work twice, and may help. */
static bool osb__may_retry(osb_client *c, osb_status status)
{
    const osb_extras *extras = c->config.extras;
    uint16_t http = c->answered ? c->http.status : 0;
    bool unsent = status == OSB_E_CONNECT || (!c->accepted && http == 0);
    if (c->call.attempt >= extras->retries || c->call.attempt == UINT8_MAX) return false;
    if (c->call.once || c->keep_error) return false;
    if (http == 0 && status != OSB_E_CONNECT && status != OSB_E_CLOSED && status != OSB_E_TIMEOUT)
        return false;
    /* Of a request of one's own, what came of the answer has been handed out. */
    if (http != 0 &&
        (status == OSB_E_CANCELLED || c->call.op->name == NULL || !osb__is_transient(extras, http)))
        return false;
    return (unsent || http == 429 || osb__is_idempotent(c)) && osb__rewind(c);
}

/* How long to wait before the next attempt: by chance, a half to the whole of the doubled pause;
   UINT32_MAX: there is none. */
static uint32_t osb__backoff(const osb_client *c)
{
    const osb_extras *extras = c->config.extras;
    const osb_port *port = &c->config.port;
    uint32_t most = osb__default(extras->backoff_most_ms, 30000), half;
    uint32_t pause = osb__default(extras->backoff_ms, 500), chance = osb__now(c) * 2654435761u;
    uint8_t i;
    for (i = 0; i < c->call.attempt && pause < most; i++) pause *= 2;
    if (pause > most) pause = most;
    if (port->ops->random != NULL) (void)port->ops->random(port->ctx, &chance, sizeof chance);
    half = pause / 2;
    pause = half + chance % (half + 1);
    if (c->error.retry_after_s > most / 1000u) return UINT32_MAX;
    if (pause < c->error.retry_after_s * 1000u) pause = c->error.retry_after_s * 1000u;
    /* A ready check's call has no more time than the check. */
    if (c->suspended != NULL && osb__until(c, c->suspended->deadline_ms) <= pause)
        return UINT32_MAX;
    return pause;
}

/* An exchange has its status: tells the log, and whether it is to be done again after a pause. */
static OSB__APART bool osb__retry(osb_client *c, osb_status status)
{
    uint32_t pause_ms;
    uint8_t attempt = c->call.attempt;
    bool applied;
    if (c->config.extras == NULL) return false;
    if (status < 0 && osb__may_retry(c, status) && (pause_ms = osb__backoff(c)) != UINT32_MAX) {
        osb__log(c, OSB_LOG_DEBUG, status, pause_ms);
        applied = c->error.maybe_applied;
        (void)osb__again(c, pause_ms, c->next);
        c->error.maybe_applied = applied;
        c->call.attempt = (uint8_t)(attempt + 1u);
        return true;
    }
    osb__log(c, status < 0 ? OSB_LOG_ERROR : OSB_LOG_INFO, status, 0);
    return false;
}
#endif

/* The exchange or pause that the call waited for has its status. It is the call's own, unless `next`
   makes another one of it, or has begun what follows (OSB_PENDING). */
static OSB__APART osb_status osb__finish(osb_client *c, osb_status status)
{
    osb_status (*next)(osb_client *, osb_status) = c->next;
    c->next = NULL;
    if (next != NULL) status = next(c, status);
    if (status == OSB_PENDING) return status;
    c->state = OSB__IDLE;
    if (status == OSB_OK) OSB_MEMSET(&c->error, 0, sizeof c->error);
    return status;
}

/* Whether a text may stand as one segment of a path. */
static bool osb__is_segment(const char *text)
{
    size_t n = osb__length(text);
    return n > 0 && !(text[0] == '.' && (n == 1 || (n == 2 && text[1] == '.')));
}

/* Whether this is a view of an earlier call: it would be overwritten while the new call uses it. */
static bool osb__in_buffer(const osb_client *c, const char *text)
{
    return (uintptr_t)text - (uintptr_t)c->buffer < c->config.memory_size;
}

static osb_status osb__bad_address(osb_client *c, const char *address)
{
    if (!c->keep_error) c->error.target = osb__view(address);
    return osb__fail(c, OSB_E_INVALID, OSB__SAY("no valid address"));
}

/* Begins the exchange that `call` describes. */
static OSB__APART osb_status osb__start(osb_client *c)
{
    const osb__op *op = c->call.op;
    const char *hole = op->name;
    osb__address a;
    osb_status status;
    while (hole != NULL && *hole != '\0' && *hole != '{') hole++;
    if (((hole != NULL && *hole == '{') || c->call.id != NULL) && !osb__is_segment(c->call.id))
        return osb__fail(c, OSB_E_INVALID, OSB__SAY("no id, or one that is no path segment"));
    if (osb__in_buffer(c, c->call.id))
        return osb__fail(c, OSB_E_INVALID, OSB__SAY("an id that stands in the working buffer"));
    if (!osb__lifecycle_address(c, &a)) return osb__bad_address(c, c->config.domain);
    if (!osb__call_address(c, &a)) return osb__bad_address(c, c->call.endpoint->address);

    if (!c->keep_error) {
        c->error.target.data = a.host - (a.bracketed ? 1 : 0);
        c->error.target.size = (size_t)(a.authority_end - c->error.target.data);
    }
    status = osb__measure_request(c);
    if (status != OSB_OK) return status;
    c->accepted = c->answered = c->whole = c->connecting = c->source_used = false;
    c->received = c->sent = 0;
#ifndef OSB_NO_EXTRAS
    c->began_ms = osb__now(c);
#endif
    c->state = OSB__CONNECTING;
    c->deadline_ms = osb__connect_until(c);
    return OSB_OK;
}

static osb_status osb__timed_out(osb_client *c)
{
#ifdef OSB_NO_ERROR_TEXT
    return osb__fail(c, OSB_E_TIMEOUT, NULL);
#else
    static const char *const phase[] = {NULL, NULL, "while connecting", "while sending the request",
                                        "while waiting for the answer"};
    bool stream = c->answered && (c->call.op->flags & OSB__STREAMS) != 0;
    const char *hint = c->state == OSB__CONNECTING ? osb__proxy_hint(c) : NULL;
    if (hint == NULL) hint = stream ? "silence on the stream" : phase[c->state];
    return osb__fail(c, OSB_E_TIMEOUT, hint);
#endif
}

enum { OSB__CANCEL = 1, OSB__CANCEL_OUTER }; /* the second: of the call that asked a ready check */

/* One piece of work. *over is set if the exchange, or the pause, has ended with this status. */
static OSB__APART osb_status osb__work(osb_client *c, bool *over)
{
    if (OSB_ATOMIC_LOAD(&c->cancel) == OSB__CANCEL) {
        OSB_ATOMIC_STORE(&c->cancel, c->suspended != NULL ? OSB__CANCEL_OUTER : 0);
        return osb__fail(c, OSB_E_CANCELLED, OSB__SAY("ended by osb_cancel"));
    }
    switch (c->state) {
    case OSB__SLEEPING:
        if (osb__until(c, c->deadline_ms) > 0) return OSB_PENDING;
        *over = !c->again;
        if (c->again) c->state = OSB__STARTING;
        c->again = false;
        return OSB_OK;
    case OSB__STARTING:
        return osb__start(c);
    case OSB__CONNECTING:
        return osb__connect(c);
    case OSB__SENDING:
        return osb__send(c);
#ifndef OSB_NO_PTY
    case OSB__TALKING: {
        osb_status status = ((const osb__dialogue *)c->call.own)->talk(c);
        *over = c->ended;
        return status;
    }
#endif
    default:
        return osb__receive(c, over);
    }
}

/* Whether the exchange that has ended is done once more. */
static bool osb__repeats(osb_client *c, osb_status status)
{
    if (c->state <= OSB__STARTING || c->state == OSB__SLEEPING) return false;
    if (osb__exchange_over(c, status)) return true;
#ifndef OSB_NO_EXTRAS
    return osb__retry(c, status);
#else
    return false;
#endif
}

/* Bytes were sent, received or handed out: on a stream the silence that is limited begins anew. What
   the handlers took for it is none of the server's. */
static OSB__APART void osb__went_on(osb_client *c)
{
    if (c->state != OSB__SENDING && c->state != OSB__RECEIVING) return;
    if ((c->call.op->flags & OSB__STREAMS) != 0) osb__set_deadline(c);
}

/* Moves the pending call on until it has to wait or is done. Bounded: sixteen pieces of work. */
static osb_status osb__step(osb_client *c)
{
    unsigned work;
    c->ready_now = false;
    for (work = 0; work < 16; work++) {
        bool over = false;
        osb_status status;
        c->want = 0;
        status = osb__work(c, &over);
        if (!over && status == OSB_OK) osb__went_on(c);
        /* The deadline of a pause is its end, no time-out. */
        if (!over && status >= 0 && c->state > OSB__STARTING && c->state != OSB__SLEEPING &&
            osb__until(c, c->deadline_ms) == 0)
            status = osb__timed_out(c);
        if (!over && status == OSB_PENDING) return OSB_PENDING;
        if (!over && status == OSB_OK) continue;
        if (osb__repeats(c, status)) continue;
        status = osb__finish(c, status);
        if (status != OSB_PENDING) return status;
    }
    c->ready_now = true;
    return OSB_PENDING;
}

static osb_status osb__resume_suspended(osb_client *c, osb_status last);

/* Poll mode: if a ready check made the call that has ended, the call that waits for the check goes
   on; up to the one whose check made this call. */
static osb_status osb__settle(osb_client *c, osb_status status, const osb_sandbox *outer)
{
    while (status != OSB_PENDING && c->suspended != outer)
        status = osb__resume_suspended(c, status);
    return status;
}

#define OSB__SLICE_MS 100u /* how soon osb_cancel is noticed */

/* Blocking mode: to the call's end. Poll mode: the first step. */
static osb_status osb__drive(osb_client *c)
{
    const osb_sandbox *outer = c->suspended;
    for (;;) {
        osb_status status = osb__step(c);
        uint32_t left;
        if (c->config.poll_mode) return osb__settle(c, status, outer);
        if (status != OSB_PENDING) return status;
        if (c->ready_now) continue;
        left = osb__until(c, c->deadline_ms);
        c->config.port.ops->wait(c->config.port.ctx, c->want,
                                 left > OSB__SLICE_MS ? OSB__SLICE_MS : left);
    }
}

/* Clears the way for a call of this client, or for a further step of one. */
static osb__call *osb__prepare(osb_client *c, const osb__op *op)
{
    if (!c->keep_error) {
        OSB_MEMSET(&c->error, 0, sizeof c->error);
        c->error.operation = op->name != NULL ? op->name : "request to a sandbox's port";
    }
    OSB_MEMSET(&c->call, 0, sizeof c->call);
    c->call.op = op;
    c->again = c->answered = false;
    c->base = c->kept = c->unit = c->unit_end = c->in = c->in_end = 0;
    c->state = OSB__STARTING;
    return &c->call;
}

#if !defined(OSB_NO_FILES) || (!defined(OSB_NO_BACKGROUND) && !defined(OSB_NO_DURABLE))
/* A further step of a call, which keeps what is allocated. */
static osb__call *osb__then(osb_client *c, const osb__op *op)
{
    size_t base = c->base;
    (void)osb__prepare(c, op);
    c->base = c->kept = c->unit = c->unit_end = c->in = c->in_end = base;
    return &c->call;
}
#endif

/* Ends a public call that has not begun yet. */
static osb_status osb__refuse(osb_client *c, const char *message)
{
    c->state = OSB__IDLE;
    c->next = NULL;
    return osb__fail(c, OSB_E_INVALID, message);
}

#if !defined(OSB_NO_FILES) || !defined(OSB_NO_PTY) ||                                              \
    (!defined(OSB_NO_BACKGROUND) && !defined(OSB_NO_DURABLE))
/* Whether a call that allocates much fits into the buffer; if not, it is refused. */
static bool osb__has_room(osb_client *c, size_t size)
{
    size_t needed = c->base + size + OSB__LEAST_WINDOW;
    osb__must_fit(c, size + OSB__LEAST_WINDOW);
    if (needed <= c->limit) return true;
    c->state = OSB__IDLE;
    c->next = NULL;
    (void)osb__too_big(c, "osb_config.memory", NULL, c->config.memory_size + needed - c->limit);
    return false;
}
#endif

/* The call struct for a public call to fill in; NULL: the client is busy, or was not made. */
static osb__call *osb__begin(osb_client *c, const osb__op *op)
{
    if (c->state != OSB__IDLE || c->buffer == NULL) return NULL;
    osb__unpin_error(c);
    if (c->suspended == NULL) OSB_ATOMIC_STORE(&c->cancel, 0);
    c->next = NULL;
    return osb__prepare(c, op);
}

/* Makes a call, if there is one, that is described but for these two. The answer is cleared: the root
   of its table tells its size. */
static OSB__APART osb_status osb__ask(osb_client *c, osb__call *call, const char *id, void *answer)
{
    if (call == NULL) return OSB_E_BUSY;
    if (answer != NULL) OSB_MEMSET(answer, 0, (size_t)call->op->answer->half_size * 2u);
    call->id = id;
    call->answer = answer;
    return osb__drive(c);
}

/* A call to the lifecycle server that needs no more than an id. */
static OSB__APART osb_status osb__ask_server(osb_client *c, const osb__op *op, const char *id,
                                             void *answer)
{
    return osb__ask(c, osb__begin(c, op), id, answer);
}

OSB_DEF osb_status osb_client_init_checked(osb_client *client, const osb_config *config,
                                           uint32_t struct_sizes)
{
    const osb_port_ops *ops = config->port.ops;
    OSB_MEMSET(client, 0, sizeof *client);
    client->error.status = OSB_E_INVALID;
    if (struct_sizes != OSB__SIZES)
        return osb__fail(client, OSB_E_INVALID,
                         OSB__SAY("files were compiled with different OSB_..._SIZE"));
    if (ops == NULL || ops->connect == NULL || ops->send == NULL || ops->recv == NULL ||
        ops->close == NULL || ops->now_ms == NULL)
        return osb__fail(client, OSB_E_INVALID, OSB__SAY("the port lacks a function"));
    if (config->memory == NULL || config->memory_size < 1024)
        return osb__fail(client, OSB_E_INVALID,
                         OSB__SAY("osb_config.memory has less than 1024 bytes"));
    client->config = *config;
    client->buffer = (unsigned char *)config->memory;
    client->limit = client->spare = config->memory_size;
    if (config->domain == NULL) client->config.domain = "localhost:8080";
    if (config->user_agent == NULL) client->config.user_agent = "opensandbox.h/" OSB_VERSION;
    client->config.connect_timeout_ms = osb__default(config->connect_timeout_ms, 10000);
    client->config.request_timeout_ms = osb__default(config->request_timeout_ms, 30000);
    client->config.idle_timeout_ms = osb__default(config->idle_timeout_ms, 30000);
    client->config.poll_mode = config->poll_mode || ops->wait == NULL;
    client->error.status = OSB_OK;
    return OSB_OK;
}

OSB_DEF void osb_client_close(osb_client *client)
{
    if (client->buffer == NULL) return;
    osb__disconnect(client);
    if (client->state != OSB__IDLE) {
        osb__unpin_error(client);
        OSB_MEMSET(&client->error, 0, sizeof client->error);
        (void)osb__fail(client, OSB_E_CANCELLED, OSB__SAY("ended by osb_client_close"));
    }
    client->state = OSB__IDLE;
    client->next = NULL;
    client->suspended = NULL;
    OSB_MEMSET(client->buffer, 0, client->config.memory_size);
}

OSB_DEF osb_status osb_poll(osb_client *client)
{
    if (client->state == OSB__IDLE) return client->error.status;
    return osb__settle(client, osb__step(client), NULL);
}

OSB_DEF void osb_want(const osb_client *client, osb_wait *wait)
{
    OSB_MEMSET(wait, 0, sizeof *wait);
    if (client->state == OSB__IDLE) return;
    wait->now = client->ready_now || OSB_ATOMIC_LOAD(&client->cancel) == OSB__CANCEL;
    wait->read = (client->want & OSB_WANT_READ) != 0;
    wait->write = (client->want & OSB_WANT_WRITE) != 0;
    if (!wait->now) wait->timeout_ms = osb__until(client, client->deadline_ms);
    /* The port may want to try another address meanwhile, a body's source be ready again. */
    if ((client->state == OSB__CONNECTING || client->state == OSB__SENDING) &&
        wait->timeout_ms > OSB__SLICE_MS)
        wait->timeout_ms = OSB__SLICE_MS;
}

OSB_DEF void osb_cancel(osb_client *client)
{
    OSB_ATOMIC_STORE(&client->cancel, OSB__CANCEL);
}

OSB_DEF const osb_error *osb_last_error(const osb_client *client)
{
    return &client->error;
}

OSB_DEF size_t osb_buffer_peak(const osb_client *client)
{
    return client->config.memory_size - client->spare;
}

OSB_DEF const char *osb_status_name(osb_status status)
{
    switch (status) {
#define OSB__STATUS_NAME(name, value, text)                                                        \
    case name:                                                                                     \
        return #name;
        OSB_STATUS_LIST(OSB__STATUS_NAME)
#undef OSB__STATUS_NAME
    default:
        return "unknown osb_status";
    }
}

#if !defined(OSB_NO_ERROR_TEXT) || !defined(OSB_NO_EXTRAS)
/* A number of a line, if there is one. */
static void osb__put_count(osb__writer *w, const char *before, uint64_t value, const char *after)
{
    if (value == 0) return;
    osb__put_text(w, before);
    osb__put_number(w, value);
    osb__put_text(w, after);
}
#endif

#ifndef OSB_NO_ERROR_TEXT
static const char *osb__status_text(osb_status status)
{
    switch (status) {
#define OSB__STATUS_TEXT(name, value, text)                                                        \
    case name:                                                                                     \
        return text;
        OSB_STATUS_LIST(OSB__STATUS_TEXT)
#undef OSB__STATUS_TEXT
    default:
        return "unknown status";
    }
}

/* A part of the error's line, if there is something to say. */
static void osb__put_part(osb__writer *w, const char *before, osb_str text)
{
    if (text.size == 0) return;
    osb__put_text(w, before);
    osb__put(w, text.data, text.size);
}

/* A port without texts has its code at least. */
static void osb__put_port_code(osb__writer *w, int32_t code)
{
    osb__put_text(w, code < 0 ? ": port code -" : ": port code ");
    osb__put_number(w, code < 0 ? 0u - (uint32_t)code : (uint32_t)code);
}

OSB_DEF size_t osb_error_text(const osb_client *client, char *out, size_t size)
{
    const osb_error *e = &client->error;
    osb__writer w;
    osb__text_begin(&w, out, size);
    osb__put_part(&w, "", osb__view(e->operation));
    osb__put_part(&w, " at ", e->target);
    if (e->operation != NULL) osb__put_text(&w, ": ");
    osb__put_text(&w, osb__status_text(e->status));
    if (e->cause != e->status) osb__put_part(&w, ": ", osb__view(osb__status_text(e->cause)));
    osb__put_count(&w, ": HTTP ", e->http_status, "");
    osb__put_part(&w, ": ", e->code);
    osb__put_part(&w, ": ", e->message);
    if (e->message_cut) osb__put_text(&w, "...");
    osb__put_part(&w, ": ", osb__view(e->port_text));
    if (e->port_text == NULL && e->port_code != 0) osb__put_port_code(&w, e->port_code);
    osb__put_part(&w, ": member ", osb__view(e->member));
    osb__put_part(&w, ": ", osb__view(e->buffer));
    osb__put_count(&w, " needs ", e->needed, " bytes");
    osb__put_count(&w, ", retry after ", e->retry_after_s, " s");
    osb__put_part(&w, ", request ", e->request_id);
    if (e->maybe_applied) osb__put_text(&w, " (it may have had its effect)");
    (void)osb__text_end(&w, size);
    for (; size > 0 && *out != '\0'; out++) /* a server's text may have several lines */
        if ((unsigned char)*out < ' ') *out = ' ';
    return (size_t)w.at;
}
#endif

#ifndef OSB_NO_EXTRAS
OSB_DEF size_t osb_log_text(const osb_log_entry *entry, char *out, size_t size)
{
    const char *text = entry->operation, *id = entry->id;
    osb__writer w;
    osb__text_begin(&w, out, size);
    for (; *text != '\0'; text++) {
        if (*text != '{' || id == NULL) {
            osb__put_char(&w, *text);
            continue;
        }
        osb__put_encoded(&w, id, "%");
        id = NULL; /* {port} stays */
        while (*text != '}') text++;
    }
    osb__put_text(&w, " at ");
    osb__put(&w, entry->target.data, entry->target.size);
    osb__put_text(&w, ": ");
    osb__put_count(&w, "HTTP ", entry->http_status, ", ");
    if (entry->status != OSB_OK) {
        osb__put_text(&w, osb_status_name(entry->status));
        osb__put_text(&w, ", ");
    }
    osb__put_number(&w, entry->took_ms);
    osb__put_text(&w, " ms, ");
    osb__put_number(&w, entry->sent_bytes);
    osb__put_text(&w, " bytes sent, ");
    osb__put_number(&w, entry->received_bytes);
    osb__put_text(&w, " received");
    if (entry->level == OSB_LOG_DEBUG) {
        osb__put_text(&w, ", again in ");
        osb__put_number(&w, entry->pause_ms);
        osb__put_text(&w, " ms");
    }
    return osb__text_end(&w, size);
}
#endif

/* ==== lifecycle ===============================================================================*/

#if !defined(OSB_NO_CREATE_EXTRAS) || !defined(OSB_NO_EGRESS)
static const osb__field osb__network_rule_fields[] = {
    {"action", NULL, OSB__AT(osb_network_rule, action), OSB__STRING, 0},
    {"target", NULL, OSB__AT(osb_network_rule, target), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__network_policy_fields[] = {
    {"defaultAction", NULL, OSB__AT(osb_network_policy, default_action), OSB__DENY, 0},
    {"egress", osb__network_rule_fields, OSB__AT(osb_network_policy, egress),
     OSB__STRUCTS | OSB__LAST, OSB__HALF(osb_network_rule)}};
#endif
#ifndef OSB_NO_CREATE_EXTRAS
static const osb__field osb__image_auth_fields[] = {
    {"username", NULL, OSB__AT(osb_create_options, image_username), OSB__STRING, 0},
    {"password", NULL, OSB__AT(osb_create_options, image_password), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__platform_fields[] = {
    {"os", NULL, OSB__AT(osb_create_options, platform_os), OSB__STRING, 0},
    {"arch", NULL, OSB__AT(osb_create_options, platform_arch), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__host_volume_fields[] = {
    {"path", NULL, OSB__AT(osb_host_volume, path), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__pvc_volume_fields[] = {
    {"claimName", NULL, OSB__AT(osb_pvc_volume, claim_name), OSB__STRING, 0},
    {"createIfNotExists", NULL, OSB__AT(osb_pvc_volume, must_exist), OSB__NOT, 0},
    {"deleteOnSandboxTermination", NULL, OSB__AT(osb_pvc_volume, delete_on_sandbox_termination),
     OSB__FLAG, 0},
    {"storageClass", NULL, OSB__AT(osb_pvc_volume, storage_class), OSB__STRING, 0},
    {"storage", NULL, OSB__AT(osb_pvc_volume, storage), OSB__STRING, 0},
    {"accessModes", NULL, OSB__AT(osb_pvc_volume, access_modes), OSB__STRINGS | OSB__LAST, 0}};
static const osb__field osb__ossfs_volume_fields[] = {
    {"bucket", NULL, OSB__AT(osb_ossfs_volume, bucket), OSB__STRING, 0},
    {"endpoint", NULL, OSB__AT(osb_ossfs_volume, endpoint), OSB__STRING, 0},
    {"version", NULL, OSB__AT(osb_ossfs_volume, version), OSB__STRING, 0},
    {"options", NULL, OSB__AT(osb_ossfs_volume, options), OSB__STRINGS, 0},
    {"accessKeyId", NULL, OSB__AT(osb_ossfs_volume, access_key_id), OSB__STRING, 0},
    {"accessKeySecret", NULL, OSB__AT(osb_ossfs_volume, access_key_secret), OSB__STRING | OSB__LAST,
     0}};
static const osb__field osb__volume_fields[] = {
    {"name", NULL, OSB__AT(osb_volume, name), OSB__STRING, 0},
    {"host", osb__host_volume_fields, OSB__AT(osb_volume, host), OSB__POINTER, 0},
    {"pvc", osb__pvc_volume_fields, OSB__AT(osb_volume, pvc), OSB__POINTER, 0},
    {"ossfs", osb__ossfs_volume_fields, OSB__AT(osb_volume, ossfs), OSB__POINTER, 0},
    {"mountPath", NULL, OSB__AT(osb_volume, mount_path), OSB__STRING, 0},
    {"readOnly", NULL, OSB__AT(osb_volume, read_only), OSB__FLAG, 0},
    {"subPath", NULL, OSB__AT(osb_volume, sub_path), OSB__STRING | OSB__LAST, 0}};
#endif
static const osb__field osb__image_fields[] = {
#ifndef OSB_NO_CREATE_EXTRAS
    {"auth", osb__image_auth_fields, OSB__AT(osb_create_options, image_username), OSB__GROUP, 0},
#endif
    {"uri", NULL, OSB__AT(osb_create_options, image), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__credential_proxy_fields[] = {
    {"enabled", NULL, OSB__AT(osb_create_options, credential_proxy), OSB__FLAG | OSB__LAST, 0}};
static const osb__field osb__create_fields[] = {
    {"image", osb__image_fields, OSB__AT(osb_create_options, image), OSB__GROUP, 0},
    {"snapshotId", NULL, OSB__AT(osb_create_options, snapshot_id), OSB__STRING, 0},
    {"timeout", NULL, OSB__AT(osb_create_options, ttl_s), OSB__U32, 0},
    {"resourceLimits", NULL, OSB__AT(osb_create_options, resource), OSB__PAIRS, 0},
    {"env", NULL, OSB__AT(osb_create_options, env), OSB__NULLABLE, 0},
    {"metadata", NULL, OSB__AT(osb_create_options, metadata), OSB__PAIRS, 0},
    {"entrypoint", NULL, OSB__AT(osb_create_options, entrypoint), OSB__STRINGS, 0},
    {"secureAccess", NULL, OSB__AT(osb_create_options, secure_access), OSB__FLAG, 0},
    {"extensions", NULL, OSB__AT(osb_create_options, extensions), OSB__PAIRS, 0},
#ifndef OSB_NO_CREATE_EXTRAS
    {"platform", osb__platform_fields, OSB__AT(osb_create_options, platform_os), OSB__GROUP, 0},
    {"resourceRequests", NULL, OSB__AT(osb_create_options, resource_requests), OSB__PAIRS, 0},
    {"networkPolicy", osb__network_policy_fields, OSB__AT(osb_create_options, network_policy),
     OSB__POINTER, 0},
    {"volumes", osb__volume_fields, OSB__AT(osb_create_options, volumes), OSB__STRUCTS,
     OSB__HALF(osb_volume)},
#endif
    {"credentialProxy", osb__credential_proxy_fields, OSB__AT(osb_create_options, credential_proxy),
     OSB__FLAG | OSB__LAST, 0}};

/* What osb_sandbox_create and its like want to know of a sandbox. */
static const osb__field osb__box_status_fields[] = {
    {"state", NULL, OSB__AT(osb_sandbox, state), OSB__VIEW, 0},
    {"reason", NULL, OSB__AT(osb_sandbox, reason), OSB__VIEW, 0},
    {"message", NULL, OSB__AT(osb_sandbox, message), OSB__CUT | OSB__LAST, 0}};
static const osb__field osb__box_fields[] = {
    {"id", NULL, OSB__AT(osb_sandbox, id), OSB__COPY | OSB__REQUIRED, OSB_ID_SIZE / 2},
    {"status", osb__box_status_fields, 0, OSB__OBJECT | OSB__LAST, 0}};
static const osb__field osb__box_root = {NULL, osb__box_fields, 0, OSB__OBJECT | OSB__REQUIRED, 0};

static const osb__field osb__endpoint_fields[] = {
    {"endpoint", NULL, OSB__AT(osb_endpoint, address), OSB__COPY | OSB__REQUIRED,
     OSB_ENDPOINT_SIZE / 2},
    {"headers", NULL, OSB__AT(osb_endpoint, headers), OSB__MAP | OSB__LAST,
     OSB_ENDPOINT_HEADERS_SIZE / 2}};
static const osb__field osb__endpoint_root = {NULL, osb__endpoint_fields, 0,
                                              OSB__OBJECT | OSB__REQUIRED, 0};

/* use_server_proxy and expires, as they go into the query. */
typedef struct osb__endpoint_query {
    uint32_t expires;
    bool use_server_proxy;
} osb__endpoint_query;
static const osb__field osb__endpoint_query_fields[] = {
    {"use_server_proxy", NULL, OSB__AT(osb__endpoint_query, use_server_proxy), OSB__FLAG, 0},
    {"expires", NULL, OSB__AT(osb__endpoint_query, expires), OSB__U32 | OSB__LAST, 0}};

/* A header of an endpoint: appended to the array of names and values. */
static int osb__endpoint_header(const osb__out *out)
{
    osb_client *c = out->client;
    osb_str key = out->entry.key, value = out->entry.value;
    char *headers = (char *)c->json.base + out->field->offset;
    size_t room = (size_t)out->field->half_size * 2u, used = 0, i;
    for (i = 0; i < value.size; i++)
        if ((unsigned char)value.data[i] < 0x20 || value.data[i] == 0x7f)
            return osb__bad_json(c, OSB__SAY("a control character in a text"));
    for (i = 0; i < key.size; i++)
        if (!osb__is_unreserved((unsigned char)key.data[i]))
            return osb__bad_json(c, OSB__SAY("a control character in a text"));
    if (key.size == 0) return 0;
    while (headers[used] != '\0') {
        used += osb__length(headers + used) + 1;
        used += osb__length(headers + used) + 1;
    }
    if (used + key.size + value.size + 3 > room)
        return osb__too_big(c, "OSB_ENDPOINT_HEADERS_SIZE", "headers",
                            used + key.size + value.size + 3);
    OSB_MEMCPY(headers + used, key.data, key.size + 1);
    OSB_MEMCPY(headers + used + key.size + 1, value.data, value.size + 1);
    OSB_MEMSET((char *)c->buffer + (value.data - (const char *)c->buffer), 0, value.size);
    return 0;
}

static const osb__op osb__op_health = {"GET /health", NULL, NULL, NULL, NULL, OSB__UNVERSIONED};
static const osb__op osb__op_box_create = {"POST /sandboxes", NULL, osb__create_fields,
                                           &osb__box_root,    NULL, 0};
static const osb__op osb__op_box_get = {"GET /sandboxes/{id}", NULL, NULL, &osb__box_root, NULL, 0};
static const osb__op osb__op_kill = {"DELETE /sandboxes/{id}", NULL, NULL, NULL, NULL, 0};
static const osb__op osb__op_endpoint = {"GET /sandboxes/{id}/endpoints/{port}",
                                         osb__endpoint_query_fields,
                                         NULL,
                                         &osb__endpoint_root,
                                         osb__endpoint_header,
                                         0};

OSB_DEF osb_status osb_server_health(osb_client *client)
{
    return osb__ask_server(client, &osb__op_health, NULL, NULL);
}

/* The options with the SDKs' defaults in place, in the working buffer. */
static const osb_create_options *osb__create_defaults(osb_client *c,
                                                      const osb_create_options *given)
{
    static const char *const entrypoint[] = {"tail", "-f", "/dev/null"};
    static const osb_pair resource[] = {{"cpu", "1"}, {"memory", "2Gi"}};
    osb_create_options *o = (osb_create_options *)osb__alloc(c, sizeof *o);
    bool pool = false;
    size_t i;
    *o = *given;
    for (i = 0; i < o->extension_count; i++)
        if (osb_str_equal(osb__view(o->extensions[i].name), "poolRef")) pool = true;
    if (o->image != NULL && o->entrypoint_count == 0) {
        o->entrypoint = entrypoint;
        o->entrypoint_count = 3;
    }
    if (o->resource_count == 0 && !pool) {
        o->resource = resource;
        o->resource_count = 2;
    }
    o->ttl_s = o->no_expiry ? 0 : osb__default(o->ttl_s, 600);
    return o;
}

static void osb__start_create(osb_client *c, const osb__op *op, const osb_create_options *options,
                              void *answer, const osb_info_handlers *handlers)
{
    osb__call *call = osb__prepare(c, op);
    call->body = osb__create_defaults(c, options);
    call->answer = answer;
    call->handlers = handlers;
    call->timeout_ms = osb__default(options->create_timeout_ms, 300000);
}

OSB_DEF osb_status osb_lifecycle_kill(osb_client *client, const char *id)
{
    return osb__ask_server(client, &osb__op_kill, id, NULL);
}

static void osb__start_endpoint(osb_client *c, const char *id, uint16_t port,
                                const osb_endpoint_options *options, osb_endpoint *endpoint)
{
    osb__call *call = osb__prepare(c, &osb__op_endpoint);
    osb__endpoint_query *query = (osb__endpoint_query *)osb__alloc(c, sizeof *query);
    osb__address home;
    query->use_server_proxy = c->config.use_server_proxy;
    if (options != NULL) {
        query->expires = options->expires_unix_s;
        if (options->use_server_proxy) query->use_server_proxy = true;
        if (options->no_server_proxy || options->expires_unix_s != 0)
            query->use_server_proxy = false;
    }
    OSB_MEMSET(endpoint, 0, sizeof *endpoint);
    endpoint->https = osb__lifecycle_address(c, &home) && home.https;
    call->id = id;
    call->port = port;
    call->query = query;
    call->answer = endpoint;
}

OSB_DEF osb_status osb_lifecycle_endpoint(osb_client *client, const char *id, uint16_t port,
                                          const osb_endpoint_options *options,
                                          osb_endpoint *endpoint)
{
    if (osb__begin(client, &osb__op_endpoint) == NULL) return OSB_E_BUSY;
    osb__start_endpoint(client, id, port, options, endpoint);
    return osb__drive(client);
}

OSB_DEF size_t osb_endpoint_url(const osb_endpoint *endpoint, char *out, size_t size)
{
    osb__writer w;
    osb__address a;
    osb__text_begin(&w, out, size);
    if (osb__parse_address(endpoint->address, endpoint->https, &a)) {
        const char *host = a.host - (a.bracketed ? 1 : 0);
        osb__put_text(&w, a.https ? "https://" : "http://");
        osb__put(&w, host, (size_t)(a.authority_end - host));
        osb__put(&w, a.path, a.path_size);
    }
    return osb__text_end(&w, size);
}

/* Where in the request the error is: "body", "timeout" become the code "body.timeout". */
static void osb__error_location(osb_client *c, osb_str part)
{
    osb_str kept;
    if (c->error.message.data != NULL) return;
    kept = osb__keep(c, part.data, part.size);
    if (c->error.code.data == NULL) {
        c->error.code = kept;
    } else { /* it stands right behind the code: a dot joins them */
        c->buffer[(size_t)(kept.data - (const char *)c->buffer) - 1] = '.';
        c->error.code.size += 1 + kept.size;
    }
}

/* One text of a map or array that a table asks for. */
static osb_status osb__on_entry(osb_client *c, const osb__field *field, osb_str key, osb_str value)
{
    unsigned kind = field->kind & OSB__KIND;
    if (c->consumer == OSB__TO_ERROR_JSON) {
        osb__error_location(c, value);
        return OSB_OK;
    }
    if (osb__in_event(c)) return osb__event_entry(c, kind, key, value, false);
    return osb__hand_out(c, field, key, value);
}

#if !defined(OSB_NO_ADMIN) || !defined(OSB_NO_SNAPSHOTS)
/* What each page begins with, and what each filter begins with. */
typedef struct osb__page {
    uint32_t page, page_size, total_items, total_pages;
    bool has_next_page;
} osb__page;
typedef struct osb__paging {
    uint32_t page, page_size;
} osb__paging;
static const osb__field osb__pagination_fields[] = {
    {"page", NULL, OSB__AT(osb__page, page), OSB__UINT, 0},
    {"pageSize", NULL, OSB__AT(osb__page, page_size), OSB__UINT, 0},
    {"totalItems", NULL, OSB__AT(osb__page, total_items), OSB__UINT, 0},
    {"totalPages", NULL, OSB__AT(osb__page, total_pages), OSB__UINT, 0},
    {"hasNextPage", NULL, OSB__AT(osb__page, has_next_page), OSB__BOOL | OSB__LAST, 0}};
#endif

#ifndef OSB_NO_ADMIN
/* What a description hands out: the entries of its maps and arrays, and in a list the sandbox. */
static int osb__info_out(const osb__out *out)
{
    const osb__call *call = &out->client->call;
    const osb_info_handlers *handlers = (const osb_info_handlers *)call->handlers;
    if (handlers == NULL) return 0;
    if ((out->field->kind & OSB__KIND) == OSB__LIST) {
        const osb_sandbox_page *page = (const osb_sandbox_page *)call->answer;
        return handlers->on_sandbox == NULL ? 0 : handlers->on_sandbox(handlers->user, &page->item);
    }
    return handlers->on_entry == NULL ? 0 : handlers->on_entry(handlers->user, &out->entry);
}

static const osb__field osb__info_image_fields[] = {
    {"uri", NULL, OSB__AT(osb_sandbox_info, image), OSB__VIEW | OSB__LAST, 0}};
static const osb__field osb__info_platform_fields[] = {
    {"os", NULL, OSB__AT(osb_sandbox_info, platform_os), OSB__VIEW, 0},
    {"arch", NULL, OSB__AT(osb_sandbox_info, platform_arch), OSB__VIEW | OSB__LAST, 0}};
static const osb__field osb__info_status_fields[] = {
    {"state", NULL, OSB__AT(osb_sandbox_info, state), OSB__VIEW, 0},
    {"reason", NULL, OSB__AT(osb_sandbox_info, reason), OSB__VIEW, 0},
    {"message", NULL, OSB__AT(osb_sandbox_info, message), OSB__VIEW, 0},
    {"lastTransitionAt", NULL, OSB__AT(osb_sandbox_info, last_transition_at), OSB__VIEW | OSB__LAST,
     0}};
static const osb__field osb__info_fields[] = {
    {"id", NULL, OSB__AT(osb_sandbox_info, id), OSB__VIEW | OSB__REQUIRED, 0},
    {"image", osb__info_image_fields, 0, OSB__OBJECT, 0},
    {"snapshotId", NULL, OSB__AT(osb_sandbox_info, snapshot_id), OSB__VIEW, 0},
    {"platform", osb__info_platform_fields, 0, OSB__OBJECT, 0},
    {"status", osb__info_status_fields, 0, OSB__OBJECT, 0},
    {"metadata", NULL, 0, OSB__MAP, 0},
    {"extensions", NULL, 0, OSB__MAP, 0},
    {"entrypoint", NULL, 0, OSB__ARRAY, 0},
    {"createdAt", NULL, OSB__AT(osb_sandbox_info, created_at), OSB__VIEW, 0},
    {"expiresAt", NULL, OSB__AT(osb_sandbox_info, expires_at), OSB__VIEW | OSB__LAST, 0}};
static const osb__field osb__info_root = {NULL, osb__info_fields, 0, OSB__OBJECT | OSB__REQUIRED,
                                          OSB__HALF(osb_sandbox_info)};

static const osb__field osb__page_fields[] = {
    {"items", osb__info_fields, OSB__AT(osb_sandbox_page, item), OSB__LIST | OSB__REQUIRED,
     OSB__HALF(osb_sandbox_info)},
    {"pagination", osb__pagination_fields, 0, OSB__OBJECT | OSB__LAST, 0}};
static const osb__field osb__page_root = {NULL, osb__page_fields, 0, OSB__OBJECT,
                                          OSB__HALF(osb_sandbox_page)};

static const osb__field osb__filter_fields[] = {
    {"state", NULL, OSB__AT(osb_sandbox_filter, states), OSB__STRINGS, 0},
    {"metadata", NULL, OSB__AT(osb_sandbox_filter, metadata), OSB__PAIRS, 0},
    {"page", NULL, OSB__AT(osb_sandbox_filter, page), OSB__U32, 0},
    {"pageSize", NULL, OSB__AT(osb_sandbox_filter, page_size), OSB__U32 | OSB__LAST, 0}};

/* Body of a metadata patch: the map itself. */
typedef struct osb__patch {
    const osb_pair *metadata;
    size_t count;
} osb__patch;
static const osb__field osb__patch_fields[] = {
    {"", NULL, OSB__AT(osb__patch, metadata), OSB__NULLABLE | OSB__LAST, 0}};

typedef struct osb__renewal {
    const char *text;
    char expires_at[24];
} osb__renewal;
static const osb__field osb__renewal_fields[] = {
    {"expiresAt", NULL, OSB__AT(osb__renewal, text), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__renewed_fields[] = {{"expiresAt", NULL, 0, OSB__VIEW | OSB__LAST, 0}};
static const osb__field osb__renewed_root = {NULL, osb__renewed_fields, 0, OSB__OBJECT, 0};

static const osb__op osb__op_create = {"POST /sandboxes", NULL,          osb__create_fields,
                                       &osb__info_root,   osb__info_out, 0};
static const osb__op osb__op_get = {"GET /sandboxes/{id}", NULL,          NULL,
                                    &osb__info_root,       osb__info_out, 0};
static const osb__op osb__op_list = {"GET /sandboxes", osb__filter_fields, NULL,
                                     &osb__page_root,  osb__info_out,      0};
static const osb__op osb__op_pause = {"POST /sandboxes/{id}/pause", NULL, NULL, NULL, NULL, 0};
static const osb__op osb__op_resume = {"POST /sandboxes/{id}/resume", NULL, NULL, NULL, NULL, 0};
static const osb__op osb__op_renew = {"POST /sandboxes/{id}/renew-expiration",
                                      NULL,
                                      osb__renewal_fields,
                                      &osb__renewed_root,
                                      NULL,
                                      0};
static const osb__op osb__op_patch = {
    "PATCH /sandboxes/{id}/metadata", NULL, osb__patch_fields, &osb__info_root, osb__info_out, 0};

OSB_DEF osb_status osb_lifecycle_create(osb_client *client, const osb_create_options *options,
                                        const osb_info_handlers *handlers, osb_sandbox_info *info)
{
    if (osb__begin(client, &osb__op_create) == NULL) return OSB_E_BUSY;
    OSB_MEMSET(info, 0, sizeof *info);
    osb__start_create(client, &osb__op_create, options, info, handlers);
    return osb__drive(client);
}

OSB_DEF osb_status osb_lifecycle_get(osb_client *client, const char *id,
                                     const osb_info_handlers *handlers, osb_sandbox_info *info)
{
    osb__call *call = osb__begin(client, &osb__op_get);
    if (call != NULL) call->handlers = handlers;
    return osb__ask(client, call, id, info);
}

OSB_DEF osb_status osb_lifecycle_list(osb_client *client, const osb_sandbox_filter *filter,
                                      const osb_info_handlers *handlers, osb_sandbox_page *page)
{
    static const osb_sandbox_filter everything = {0, 0, NULL, 0, NULL, 0};
    osb__call *call = osb__begin(client, &osb__op_list);
    if (call == NULL) return OSB_E_BUSY;
    call->query = filter != NULL ? filter : &everything;
    call->handlers = handlers;
    return osb__ask(client, call, NULL, page);
}

OSB_DEF osb_status osb_lifecycle_pause(osb_client *client, const char *id)
{
    return osb__ask_server(client, &osb__op_pause, id, NULL);
}

OSB_DEF osb_status osb_lifecycle_resume(osb_client *client, const char *id)
{
    return osb__ask_server(client, &osb__op_resume, id, NULL);
}

/* The server has been asked for its time, if it was not known: renews. Id, ttl_s and expires_at are
   those of the call before, which stands in c->call still. */
static osb_status osb__renew_next(osb_client *c, osb_status status)
{
    const char *id = c->call.id;
    void *expires_at = c->call.user;
    uint32_t ttl_s = *(const uint32_t *)c->call.own, now = osb__unix_time(c);
    osb__renewal *body;
    osb__call *call;
    osb__writer w;
    if (status != OSB_OK) return status;
    call = osb__prepare(c, &osb__op_renew);
    if (now == 0) return osb__fail(c, OSB_E_CLOCK, NULL);
    if (ttl_s == 0 || now + ttl_s < now)
        return osb__fail(c, OSB_E_INVALID, OSB__SAY("ttl_s out of range"));
    body = (osb__renewal *)osb__alloc(c, sizeof *body);
    OSB_MEMSET(&w, 0, sizeof w);
    w.out = (unsigned char *)body->expires_at;
    w.room = sizeof body->expires_at - 1;
    osb__put_time(&w, now + ttl_s);
    body->text = body->expires_at;
    call->id = id;
    call->body = body;
    call->answer = expires_at != NULL ? expires_at : osb__alloc(c, sizeof(osb_str));
    return OSB_PENDING;
}

OSB_DEF osb_status osb_lifecycle_renew(osb_client *client, const char *id, uint32_t ttl_s,
                                       osb_str *expires_at)
{
    static const osb__op ask = {"GET /sandboxes/{id}", NULL, NULL, NULL, NULL, 0};
    osb__call *call = osb__begin(client, &ask);
    if (call == NULL) return OSB_E_BUSY;
    if (expires_at != NULL) OSB_MEMSET(expires_at, 0, sizeof *expires_at);
    call->id = id;
    call->user = expires_at;
    call->own = osb__alloc(client, sizeof ttl_s);
    *(uint32_t *)call->own = ttl_s;

    client->next = osb__renew_next;
    if (client->date_s != 0) osb__sleep(client, 0); /* the server need not be asked */
    return osb__drive(client);
}

OSB_DEF osb_status osb_lifecycle_patch_metadata(osb_client *client, const char *id,
                                                const osb_pair *metadata, size_t count,
                                                const osb_info_handlers *handlers,
                                                osb_sandbox_info *info)
{
    osb__call *call = osb__begin(client, &osb__op_patch);
    osb__patch *patch;
    if (call == NULL) return OSB_E_BUSY;
    patch = (osb__patch *)osb__alloc(client, sizeof *patch);
    if (info == NULL) info = (osb_sandbox_info *)osb__alloc(client, sizeof *info);
    patch->metadata = metadata;
    patch->count = count;
    call->body = patch;
    call->handlers = handlers;
    return osb__ask(client, call, id, info);
}
#endif

#if !defined(OSB_NO_ADMIN) || !defined(OSB_NO_SNAPSHOTS)
/* A page is done: on to the next one. The query is a filter of our own. */
static osb_status osb__pages_next(osb_client *c, osb_status status)
{
    osb__page *page = (osb__page *)c->call.answer;
    osb__paging *paging = (osb__paging *)c->call.own;
    if (status != OSB_OK || !page->has_next_page) return status;
    if (paging->page == 0) paging->page = 1;
    if (page->total_pages != 0 && paging->page >= page->total_pages) return status;
    page->has_next_page = false;
    paging->page++;
    return osb__again(c, 0, osb__pages_next);
}
#endif

#if !defined(OSB_NO_ADMIN) || !defined(OSB_NO_SNAPSHOTS) || !defined(OSB_NO_BACKGROUND)
/* What a ..._wait call keeps in mind. */
typedef struct osb__waiting {
    const char *state; /* waited for */
    uint32_t until_ms, interval_ms;
    uint32_t unknown_ms; /* how long a command has not been known to execd */
} osb__waiting;

static osb__waiting *osb__begin_waiting(osb_client *c, const char *state,
                                        const osb_wait_options *options)
{
    osb__waiting *waiting = (osb__waiting *)osb__alloc(c, sizeof *waiting);
    uint32_t timeout_ms = options != NULL ? options->timeout_ms : 0;
    waiting->state = state;
    waiting->until_ms = osb__now(c) + osb__default(timeout_ms, 300000);
    waiting->interval_ms = osb__default(options != NULL ? options->interval_ms : 0, 1000);
    c->call.own = waiting;
    return waiting;
}

/* Not there yet: asks again, or gives up. */
static osb_status osb__wait_on(osb_client *c, osb_str state,
                               osb_status (*next)(osb_client *, osb_status))
{
    const osb__waiting *waiting = (const osb__waiting *)c->call.own;
    if (osb__until(c, waiting->until_ms) > waiting->interval_ms)
        return osb__again(c, waiting->interval_ms, next);
    c->error.code = state;
    return osb__fail(c, OSB_E_NOT_READY, NULL);
}
#endif

#if !defined(OSB_NO_ADMIN) || !defined(OSB_NO_SNAPSHOTS)
static osb_status osb__bad_state(osb_client *c, osb_str state, osb_str message)
{
    c->error.code = state;
    c->error.message = message;
    return osb__fail(c, OSB_E_STATE, NULL);
}
#endif

#ifndef OSB_NO_ADMIN
OSB_DEF osb_status osb_lifecycle_list_all(osb_client *client, const osb_sandbox_filter *filter,
                                          const osb_info_handlers *handlers, osb_sandbox_page *page)
{
    osb__call *call = osb__begin(client, &osb__op_list);
    osb_sandbox_filter *own;
    if (call == NULL) return OSB_E_BUSY;
    own = (osb_sandbox_filter *)osb__alloc(client, sizeof *own);
    if (filter != NULL) *own = *filter;
    call->query = call->own = own;
    call->handlers = handlers;
    client->next = osb__pages_next;
    return osb__ask(client, call, NULL, page);
}

static osb_status osb__lifecycle_wait_next(osb_client *c, osb_status status)
{
    osb_sandbox_info *info = (osb_sandbox_info *)c->call.answer;
    osb_str state = info->state, message = info->message;
    if (status != OSB_OK || osb_str_equal(state, ((const osb__waiting *)c->call.own)->state))
        return status;
    if (osb_str_equal(state, "Failed") || osb_str_equal(state, "Terminated"))
        return osb__bad_state(c, state, message);
    OSB_MEMSET(info, 0, sizeof *info);
    return osb__wait_on(c, state, osb__lifecycle_wait_next);
}

OSB_DEF osb_status osb_lifecycle_wait(osb_client *client, const char *id, const char *state,
                                      const osb_wait_options *options, osb_sandbox_info *info)
{
    osb__call *call = osb__begin(client, &osb__op_get);
    if (call == NULL) return OSB_E_BUSY;
    OSB_MEMSET(info, 0, sizeof *info);
    if (state == NULL) return osb__refuse(client, OSB__SAY("no state to wait for"));
    (void)osb__begin_waiting(client, state, options);
    call->id = id;
    call->answer = info;
    client->next = osb__lifecycle_wait_next;
    return osb__drive(client);
}
#endif

#ifndef OSB_NO_SNAPSHOTS
static const osb__field osb__snapshot_status_fields[] = {
    {"state", NULL, OSB__AT(osb_snapshot, state), OSB__VIEW, 0},
    {"reason", NULL, OSB__AT(osb_snapshot, reason), OSB__VIEW, 0},
    {"message", NULL, OSB__AT(osb_snapshot, message), OSB__VIEW, 0},
    {"lastTransitionAt", NULL, OSB__AT(osb_snapshot, last_transition_at), OSB__VIEW | OSB__LAST,
     0}};
static const osb__field osb__snapshot_fields[] = {
    {"id", NULL, OSB__AT(osb_snapshot, id), OSB__COPY | OSB__REQUIRED, OSB_ID_SIZE / 2},
    {"sandboxId", NULL, OSB__AT(osb_snapshot, sandbox_id), OSB__VIEW, 0},
    {"name", NULL, OSB__AT(osb_snapshot, name), OSB__VIEW, 0},
    {"status", osb__snapshot_status_fields, 0, OSB__OBJECT, 0},
    {"createdAt", NULL, OSB__AT(osb_snapshot, created_at), OSB__VIEW | OSB__LAST, 0}};
static const osb__field osb__snapshot_root = {NULL, osb__snapshot_fields, 0,
                                              OSB__OBJECT | OSB__REQUIRED, OSB__HALF(osb_snapshot)};

typedef struct osb__name_body {
    const char *name;
} osb__name_body;
static const osb__field osb__name_body_fields[] = {
    {"name", NULL, OSB__AT(osb__name_body, name), OSB__STRING | OSB__LAST, 0}};

static const osb__field osb__snapshot_filter_fields[] = {
    {"sandboxId", NULL, OSB__AT(osb_snapshot_filter, sandbox_id), OSB__STRING, 0},
    {"name", NULL, OSB__AT(osb_snapshot_filter, name), OSB__STRING, 0},
    {"state", NULL, OSB__AT(osb_snapshot_filter, states), OSB__STRINGS, 0},
    {"page", NULL, OSB__AT(osb_snapshot_filter, page), OSB__U32, 0},
    {"pageSize", NULL, OSB__AT(osb_snapshot_filter, page_size), OSB__U32 | OSB__LAST, 0}};
static const osb__field osb__snapshot_page_fields[] = {
    {"items", osb__snapshot_fields, OSB__AT(osb_snapshot_page, item), OSB__LIST | OSB__REQUIRED,
     OSB__HALF(osb_snapshot)},
    {"pagination", osb__pagination_fields, 0, OSB__OBJECT | OSB__LAST, 0}};
static const osb__field osb__snapshot_page_root = {NULL, osb__snapshot_page_fields, 0, OSB__OBJECT,
                                                   0};

/* The filter of a list of our own, and who gets the snapshots. */
typedef struct osb__snapshot_list {
    osb_snapshot_filter filter;
    int (*on_snapshot)(void *user, const osb_snapshot *snapshot);
} osb__snapshot_list;

static int osb__snapshot_out(const osb__out *out)
{
    const osb__call *call = &out->client->call;
    const osb__snapshot_list *list = (const osb__snapshot_list *)call->own;
    const osb_snapshot_page *page = (const osb_snapshot_page *)call->answer;
    return list->on_snapshot == NULL ? 0 : list->on_snapshot(call->user, &page->item);
}

static const osb__op osb__op_snapshot_create = {
    "POST /sandboxes/{id}/snapshots", NULL, osb__name_body_fields, &osb__snapshot_root, NULL, 0};
static const osb__op osb__op_snapshot_get = {"GET /snapshots/{id}", NULL, NULL,
                                             &osb__snapshot_root,   NULL, 0};
static const osb__op osb__op_snapshot_list = {
    "GET /snapshots",         osb__snapshot_filter_fields, NULL,
    &osb__snapshot_page_root, osb__snapshot_out,           0};
static const osb__op osb__op_snapshot_delete = {
    "DELETE /snapshots/{id}", NULL, NULL, NULL, NULL, 0};

OSB_DEF osb_status osb_snapshot_create(osb_client *client, const char *sandbox_id, const char *name,
                                       osb_snapshot *snapshot)
{
    osb__call *call = osb__begin(client, &osb__op_snapshot_create);
    osb__name_body *body;
    if (call == NULL) return OSB_E_BUSY;
    body = (osb__name_body *)osb__alloc(client, sizeof *body);
    body->name = name;
    call->body = body;
    return osb__ask(client, call, sandbox_id, snapshot);
}

/* All but the id, which may be the one that is asked for. */
static void osb__clear_snapshot(osb_snapshot *snapshot)
{
    OSB_MEMSET((char *)snapshot + sizeof snapshot->id, 0, sizeof *snapshot - sizeof snapshot->id);
}

OSB_DEF osb_status osb_snapshot_get(osb_client *client, const char *id, osb_snapshot *snapshot)
{
    osb__call *call = osb__begin(client, &osb__op_snapshot_get);
    if (call == NULL) return OSB_E_BUSY;
    osb__clear_snapshot(snapshot);
    call->id = id;
    call->answer = snapshot;
    return osb__drive(client);
}

OSB_DEF osb_status osb_snapshot_delete(osb_client *client, const char *id)
{
    return osb__ask_server(client, &osb__op_snapshot_delete, id, NULL);
}

static osb_status osb__snapshot_wait_next(osb_client *c, osb_status status)
{
    osb_snapshot *snapshot = (osb_snapshot *)c->call.answer;
    osb_str state = snapshot->state, message = snapshot->message;
    if (status != OSB_OK || osb_str_equal(state, "Ready")) return status;
    if (osb_str_equal(state, "Failed")) return osb__bad_state(c, state, message);
    osb__clear_snapshot(snapshot);
    return osb__wait_on(c, state, osb__snapshot_wait_next);
}

OSB_DEF osb_status osb_snapshot_wait(osb_client *client, const char *id,
                                     const osb_wait_options *options, osb_snapshot *snapshot)
{
    osb__call *call = osb__begin(client, &osb__op_snapshot_get);
    if (call == NULL) return OSB_E_BUSY;
    (void)osb__begin_waiting(client, NULL, options);
    osb__clear_snapshot(snapshot);
    call->id = id;
    call->answer = snapshot;
    client->next = osb__snapshot_wait_next;
    return osb__drive(client);
}

static osb_status osb__start_snapshot_list(osb_client *c, const osb_snapshot_filter *filter,
                                           int (*on_snapshot)(void *, const osb_snapshot *),
                                           void *user, osb_snapshot_page *page, bool all)
{
    osb__call *call = osb__begin(c, &osb__op_snapshot_list);
    osb__snapshot_list *own;
    if (call == NULL) return OSB_E_BUSY;
    own = (osb__snapshot_list *)osb__alloc(c, sizeof *own);
    if (filter != NULL) own->filter = *filter;
    own->on_snapshot = on_snapshot;
    call->query = call->own = own;
    call->user = user;
    if (all) c->next = osb__pages_next;
    OSB_MEMSET(page, 0, sizeof *page); /* with the largest ids a table has no room for its size */
    call->answer = page;
    return osb__drive(c);
}

OSB_DEF osb_status osb_snapshot_list(osb_client *client, const osb_snapshot_filter *filter,
                                     int (*on_snapshot)(void *user, const osb_snapshot *snapshot),
                                     void *user, osb_snapshot_page *page)
{
    return osb__start_snapshot_list(client, filter, on_snapshot, user, page, false);
}

OSB_DEF osb_status osb_snapshot_list_all(osb_client *client, const osb_snapshot_filter *filter,
                                         int (*on_snapshot)(void *user,
                                                            const osb_snapshot *snapshot),
                                         void *user, osb_snapshot_page *page)
{
    return osb__start_snapshot_list(client, filter, on_snapshot, user, page, true);
}
#endif

#ifndef OSB_NO_DIAGNOSTICS
typedef struct osb__diagnosis {
    osb_diagnosis out;
    osb_str content;
} osb__diagnosis;
static const osb__field osb__diagnosis_fields[] = {
    {"sandboxId", NULL, OSB__AT(osb__diagnosis, out.sandbox_id), OSB__VIEW, 0},
    {"kind", NULL, OSB__AT(osb__diagnosis, out.kind), OSB__VIEW, 0},
    {"scope", NULL, OSB__AT(osb__diagnosis, out.scope), OSB__VIEW, 0},
    {"delivery", NULL, OSB__AT(osb__diagnosis, out.delivery), OSB__VIEW, 0},
    {"contentType", NULL, OSB__AT(osb__diagnosis, out.content_type), OSB__VIEW, 0},
    {"content", NULL, OSB__AT(osb__diagnosis, content), OSB__TEXT, 0},
    {"contentUrl", NULL, OSB__AT(osb__diagnosis, out.content_url), OSB__VIEW, 0},
    {"contentLength", NULL, OSB__AT(osb__diagnosis, out.content_length_bytes), OSB__U64, 0},
    {"expiresAt", NULL, OSB__AT(osb__diagnosis, out.expires_at), OSB__VIEW, 0},
    {"truncated", NULL, OSB__AT(osb__diagnosis, out.truncated), OSB__BOOL, 0},
    {"warnings", NULL, 0, OSB__ARRAY | OSB__LAST, 0}};
static const osb__field osb__diagnosis_root = {NULL, osb__diagnosis_fields, 0, OSB__OBJECT, 0};

static int osb__diagnosis_out(const osb__out *out)
{
    const osb_diagnosis_handlers *handlers =
        (const osb_diagnosis_handlers *)out->client->call.handlers;
    if (handlers == NULL || handlers->on_warning == NULL) return 0;
    return handlers->on_warning(handlers->user, out->entry.value);
}

typedef struct osb__scope_query {
    const char *scope;
} osb__scope_query;
static const osb__field osb__scope_query_fields[] = {
    {"scope", NULL, OSB__AT(osb__scope_query, scope), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__report_logs_fields[] = {
    {"tail", NULL, OSB__AT(osb_report_options, tail), OSB__U32, 0},
    {"since", NULL, OSB__AT(osb_report_options, since), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__report_events_fields[] = {
    {"limit", NULL, OSB__AT(osb_report_options, event_limit), OSB__U32 | OSB__LAST, 0}};
static const osb__field osb__report_summary_fields[] = {
    {"tail", NULL, OSB__AT(osb_report_options, tail), OSB__U32, 0},
    {"event_limit", NULL, OSB__AT(osb_report_options, event_limit), OSB__U32 | OSB__LAST, 0}};

static const osb__op osb__op_diagnostics_logs = {"GET /sandboxes/{id}/diagnostics/logs",
                                                 osb__scope_query_fields,
                                                 NULL,
                                                 &osb__diagnosis_root,
                                                 osb__diagnosis_out,
                                                 0};
static const osb__op osb__op_diagnostics_events = {"GET /sandboxes/{id}/diagnostics/events",
                                                   osb__scope_query_fields,
                                                   NULL,
                                                   &osb__diagnosis_root,
                                                   osb__diagnosis_out,
                                                   0};
static const osb__op osb__op_report_logs = {
    "GET /sandboxes/{id}/diagnostics/logs", osb__report_logs_fields, NULL, NULL, NULL, OSB__DATA};
static const osb__op osb__op_report_events = {"GET /sandboxes/{id}/diagnostics/events",
                                              osb__report_events_fields,
                                              NULL,
                                              NULL,
                                              NULL,
                                              OSB__DATA};
static const osb__op osb__op_report_inspect = {
    "GET /sandboxes/{id}/diagnostics/inspect", NULL, NULL, NULL, NULL, OSB__DATA};
static const osb__op osb__op_report_summary = {"GET /sandboxes/{id}/diagnostics/summary",
                                               osb__report_summary_fields,
                                               NULL,
                                               NULL,
                                               NULL,
                                               OSB__DATA};

/* The text's last piece goes the way of the others. */
static osb_status osb__diagnosis_next(osb_client *c, osb_status status)
{
    const osb__diagnosis *diagnosis = (const osb__diagnosis *)c->call.answer;
    *(osb_diagnosis *)c->call.own = diagnosis->out;
    if (status == OSB_OK && diagnosis->content.size > 0 && c->call.on_data != NULL &&
        c->call.on_data(c->call.user, diagnosis->content.data, diagnosis->content.size) != 0)
        return osb__stopped(c);
    return status;
}

static osb_status osb__diagnose(osb_client *c, const osb__op *op, const char *id, const char *scope,
                                const osb_diagnosis_handlers *handlers, osb_diagnosis *diagnosis)
{
    osb__call *call = osb__begin(c, op);
    osb__scope_query *query;
    if (call == NULL) return OSB_E_BUSY;
    OSB_MEMSET(diagnosis, 0, sizeof *diagnosis);
    if (scope == NULL) return osb__refuse(c, OSB__SAY("no scope"));
    query = (osb__scope_query *)osb__alloc(c, sizeof *query);
    query->scope = scope;
    call->id = id;
    call->query = query;
    call->answer = osb__alloc(c, sizeof(osb__diagnosis));
    call->own = diagnosis;
    call->handlers = handlers;
    if (handlers != NULL) {
        call->on_data = handlers->on_data;
        call->user = handlers->user;
    }
    c->next = osb__diagnosis_next;
    return osb__drive(c);
}

OSB_DEF osb_status osb_diagnostics_logs(osb_client *client, const char *id, const char *scope,
                                        const osb_diagnosis_handlers *handlers,
                                        osb_diagnosis *diagnosis)
{
    return osb__diagnose(client, &osb__op_diagnostics_logs, id, scope, handlers, diagnosis);
}

OSB_DEF osb_status osb_diagnostics_events(osb_client *client, const char *id, const char *scope,
                                          const osb_diagnosis_handlers *handlers,
                                          osb_diagnosis *diagnosis)
{
    return osb__diagnose(client, &osb__op_diagnostics_events, id, scope, handlers, diagnosis);
}

OSB_DEF osb_status osb_diagnostics_report(osb_client *client, const char *id, osb_report report,
                                          const osb_report_options *options,
                                          int (*on_data)(void *user, const void *data, size_t size),
                                          void *user)
{
    static const osb__op *const ops[] = {&osb__op_report_logs, &osb__op_report_events,
                                         &osb__op_report_inspect, &osb__op_report_summary};
    static const osb_report_options defaults = {0, NULL, 0};
    osb__call *call;
    if ((unsigned)report > OSB_REPORT_SUMMARY) report = OSB_REPORT_SUMMARY;
    call = osb__begin(client, ops[report]);
    if (call == NULL) return OSB_E_BUSY;
    call->id = id;
    call->query = options != NULL ? options : &defaults;
    call->on_data = on_data;
    call->user = user;
    return osb__drive(client);
}
#endif

#ifndef OSB_NO_POOLS
static const osb__field osb__capacity_body_fields[] = {
    {"bufferMax", NULL, OSB__AT(osb_pool_capacity, buffer_max), OSB__ALWAYS, 0},
    {"bufferMin", NULL, OSB__AT(osb_pool_capacity, buffer_min), OSB__ALWAYS, 0},
    {"poolMax", NULL, OSB__AT(osb_pool_capacity, pool_max), OSB__ALWAYS, 0},
    {"poolMin", NULL, OSB__AT(osb_pool_capacity, pool_min), OSB__ALWAYS | OSB__LAST, 0}};
static const osb__field osb__pool_body_fields[] = {
    {"name", NULL, OSB__AT(osb_pool_options, name), OSB__STRING, 0},
    {"template", NULL, OSB__AT(osb_pool_options, template_json), OSB__JSON, 0},
    {"capacitySpec", osb__capacity_body_fields, OSB__AT(osb_pool_options, capacity),
     OSB__POINTER | OSB__LAST, 0}};
static const osb__field osb__pool_update_fields[] = {{"capacitySpec", osb__capacity_body_fields,
                                                      OSB__AT(osb_pool_options, capacity),
                                                      OSB__POINTER | OSB__LAST, 0}};
static const osb__field osb__capacity_fields[] = {
    {"bufferMax", NULL, OSB__AT(osb_pool, capacity.buffer_max), OSB__UINT, 0},
    {"bufferMin", NULL, OSB__AT(osb_pool, capacity.buffer_min), OSB__UINT, 0},
    {"poolMax", NULL, OSB__AT(osb_pool, capacity.pool_max), OSB__UINT, 0},
    {"poolMin", NULL, OSB__AT(osb_pool, capacity.pool_min), OSB__UINT | OSB__LAST, 0}};
static const osb__field osb__pool_status_fields[] = {
    {"total", NULL, OSB__AT(osb_pool, total), OSB__UINT, 0},
    {"allocated", NULL, OSB__AT(osb_pool, allocated), OSB__UINT, 0},
    {"available", NULL, OSB__AT(osb_pool, available), OSB__UINT, 0},
    {"revision", NULL, OSB__AT(osb_pool, revision), OSB__VIEW | OSB__LAST, 0}};
static const osb__field osb__pool_fields[] = {
    {"name", NULL, OSB__AT(osb_pool, name), OSB__VIEW | OSB__REQUIRED, 0},
    {"capacitySpec", osb__capacity_fields, 0, OSB__OBJECT, 0},
    {"status", osb__pool_status_fields, 0, OSB__OBJECT, 0},
    {"createdAt", NULL, OSB__AT(osb_pool, created_at), OSB__VIEW | OSB__LAST, 0}};
static const osb__field osb__pool_root = {NULL, osb__pool_fields, 0, OSB__OBJECT | OSB__REQUIRED,
                                          OSB__HALF(osb_pool)};

typedef struct osb__pool_list {
    osb_pool item;
    int (*on_pool)(void *user, const osb_pool *pool);
} osb__pool_list;
static const osb__field osb__pool_list_fields[] = {
    {"items", osb__pool_fields, 0, OSB__LIST | OSB__REQUIRED | OSB__LAST, OSB__HALF(osb_pool)}};
static const osb__field osb__pool_list_root = {NULL, osb__pool_list_fields, 0, OSB__OBJECT, 0};

static int osb__pool_out(const osb__out *out)
{
    const osb__call *call = &out->client->call;
    const osb__pool_list *list = (const osb__pool_list *)call->answer;
    return list->on_pool == NULL ? 0 : list->on_pool(call->user, &list->item);
}

static const osb__op osb__op_pool_create = {"POST /pools",   NULL, osb__pool_body_fields,
                                            &osb__pool_root, NULL, 0};
static const osb__op osb__op_pool_get = {"GET /pools/{name}", NULL, NULL, &osb__pool_root, NULL, 0};
static const osb__op osb__op_pool_list = {"GET /pools",         NULL,          NULL,
                                          &osb__pool_list_root, osb__pool_out, 0};
static const osb__op osb__op_pool_update = {"PUT /pools/{name}", NULL, osb__pool_update_fields,
                                            &osb__pool_root,     NULL, 0};
static const osb__op osb__op_pool_delete = {"DELETE /pools/{name}", NULL, NULL, NULL, NULL, 0};

OSB_DEF osb_status osb_pool_create(osb_client *client, const osb_pool_options *options,
                                   osb_pool *pool)
{
    osb__call *call = osb__begin(client, &osb__op_pool_create);
    if (call != NULL) call->body = options;
    return osb__ask(client, call, NULL, pool);
}

OSB_DEF osb_status osb_pool_get(osb_client *client, const char *name, osb_pool *pool)
{
    return osb__ask_server(client, &osb__op_pool_get, name, pool);
}

OSB_DEF osb_status osb_pool_list(osb_client *client,
                                 int (*on_pool)(void *user, const osb_pool *pool), void *user)
{
    osb__call *call = osb__begin(client, &osb__op_pool_list);
    osb__pool_list *list;
    if (call == NULL) return OSB_E_BUSY;
    list = (osb__pool_list *)osb__alloc(client, sizeof *list);
    list->on_pool = on_pool;
    call->answer = list;
    call->user = user;
    return osb__drive(client);
}

OSB_DEF osb_status osb_pool_update(osb_client *client, const char *name,
                                   const osb_pool_capacity *capacity, osb_pool *pool)
{
    osb__call *call = osb__begin(client, &osb__op_pool_update);
    osb_pool_options *body;
    if (call == NULL) return OSB_E_BUSY;
    body = (osb_pool_options *)osb__alloc(client, sizeof *body);
    body->capacity = capacity;
    call->body = body;
    return osb__ask(client, call, name, pool);
}

OSB_DEF osb_status osb_pool_delete(osb_client *client, const char *name)
{
    return osb__ask_server(client, &osb__op_pool_delete, name, NULL);
}
#endif

/* ==== execd ===================================================================================*/

static const osb__field osb__command_fields[] = {
    {"command", NULL, OSB__AT(osb_command, command), OSB__STRING, 0},
    {"command", NULL, OSB__AT(osb_command, argv), OSB__ARGV, 0},
    {"cwd", NULL, OSB__AT(osb_command, cwd), OSB__STRING, 0},
    {"background", NULL, OSB__AT(osb_command, background), OSB__FLAG, 0},
    {"timeout", NULL, OSB__AT(osb_command, timeout_ms), OSB__U32, 0},
    {"uid", NULL, OSB__AT(osb_command, uid), OSB__OPT_U32, 0},
    {"gid", NULL, OSB__AT(osb_command, gid), OSB__OPT_U32, 0},
    {"envs", NULL, OSB__AT(osb_command, envs), OSB__PAIRS | OSB__LAST, 0}};

typedef struct osb__id_query {
    const char *id;
} osb__id_query;
static const osb__field osb__id_query_fields[] = {
    {"id", NULL, OSB__AT(osb__id_query, id), OSB__STRING | OSB__LAST, 0}};

static const osb__op osb__op_ping = {"GET /ping", NULL, NULL, NULL, NULL, 0};
static const osb__op osb__op_run = {"POST /command",
                                    NULL,
                                    osb__command_fields,
                                    NULL,
                                    NULL,
                                    OSB__EVENTS | OSB__LAST_ENDS | OSB__LINES};
static const osb__op osb__op_interrupt = {
    "DELETE /command", osb__id_query_fields, NULL, NULL, NULL, 0};

/* A call to a sandbox's execd; NULL: the client is busy. */
static osb__call *osb__begin_execd(osb_sandbox *box, const osb__op *op)
{
    osb__call *call = osb__begin(box->client, op);
    if (call != NULL) call->endpoint = &box->execd;
    return call;
}

/* A call to execd that needs no more than an id. */
static OSB__APART osb_status osb__ask_execd(osb_sandbox *box, const osb__op *op, const char *id,
                                            void *answer)
{
    return osb__ask(box->client, osb__begin_execd(box, op), id, answer);
}

OSB_DEF osb_status osb_ping(osb_sandbox *box)
{
    return osb__ask_execd(box, &osb__op_ping, NULL, NULL);
}

static void osb__start_interrupt(osb_client *c, const osb__op *op, const osb_endpoint *execd,
                                 const char *id)
{
    osb__call *call = osb__prepare(c, op);
    osb__id_query *query = (osb__id_query *)osb__alloc(c, sizeof *query);
    query->id = id;
    call->query = query;
    call->endpoint = execd;
}

#if !defined(OSB_NO_BACKGROUND) || !defined(OSB_NO_CODE)
/* The caller's own interrupt. */
static OSB__APART osb_status osb__interrupt(osb_sandbox *box, const osb__op *op, const char *id)
{
    if (osb__begin_execd(box, op) == NULL) return OSB_E_BUSY;
    if (!osb__is_segment(id)) return osb__refuse(box->client, OSB__SAY("no id"));
    osb__start_interrupt(box->client, op, &box->execd, id);
    return osb__drive(box->client);
}
#endif

/* A call whose answer is an execution's stream. */
static osb__call *osb__begin_run(osb_sandbox *box, const osb__op *op, const osb_handlers *handlers,
                                 osb_execution *execution)
{
    osb__call *call = osb__begin_execd(box, op);
    if (call == NULL) return NULL;
    OSB_MEMSET(execution, 0, sizeof *execution);
    call->handlers = handlers;
    call->own = execution;
    call->answer = osb__alloc(box->client, sizeof(osb_event));
    return call;
}

/* The interrupt is done, or failed: the call ends as it was going to. */
static osb_status osb__run_interrupted(osb_client *c, osb_status status)
{
    (void)status;
    return c->error.status;
}

/* execd lets commands and code run on when a client leaves, so cancelled ones are interrupted in a
   request of its own. */
static osb_status osb__interrupt_run(osb_client *c, const osb__op *op)
{
    osb_execution *run = (osb_execution *)c->call.own;
    const osb_endpoint *execd = c->call.endpoint;
    if (run->id[0] == '\0') return OSB_E_CANCELLED;
    OSB_MEMSET(&run->error_name, 0, sizeof run->error_name); /* the interrupt needs their place */
    OSB_MEMSET(&run->error_value, 0, sizeof run->error_value);
    osb__pin_error(c);
    osb__start_interrupt(c, op, execd, run->id);
    c->call.timeout_ms = 5000;
    c->next = osb__run_interrupted;
    return OSB_PENDING;
}

#if !defined(OSB_NO_CODE) || (!defined(OSB_NO_BACKGROUND) && !defined(OSB_NO_DURABLE))
/* What has only begun is not there to be interrupted yet: waits before it is. */
static OSB__APART osb_status osb__interrupt_begun(osb_client *c, const osb__op *op)
{
    osb_status status = osb__interrupt_run(c, op);
    if (status != OSB_PENDING) return status;
    osb__sleep(c, 100);
    c->again = true;
    return status;
}
#endif

/* A shell's stream that tells of no error means exit code 0. */
static osb_status osb__run_ended(osb_client *c, osb_status status)
{
    osb_execution *run = (osb_execution *)c->call.own;
    if (status == OSB_OK && !run->exit_code.set && run->error_name.data == NULL) {
        run->exit_code.set = true;
        run->exit_code.value = 0;
    }
    return status;
}

/* execd does not say why it killed a command: the time that it ran does. On a busy machine the init
   event comes a while after that time has begun. */
static bool osb__is_overdue(const osb_execution *run, uint32_t timeout_ms)
{
    uint32_t late_ms = timeout_ms / 2 < 1000 ? timeout_ms / 2 : 1000;
    uint64_t ran_ms = (uint64_t)run->last_ms - (uint64_t)run->started_ms;
    return timeout_ms > 0 && run->last_ms >= run->started_ms &&
           ran_ms + 10u + late_ms >= timeout_ms;
}

static osb_status osb__run_next(osb_client *c, osb_status status)
{
    const osb_command *command = (const osb_command *)c->call.body;
    osb_execution *run = (osb_execution *)c->call.own;
    bool killed = run->exit_code.set && run->exit_code.value == -1;
    if (!command->background) (void)osb__run_ended(c, status);
    if (killed && osb__is_overdue(run, command->timeout_ms)) run->timed_out = true;
    if (status != OSB_E_CANCELLED || command->keep_running || command->background) return status;
    return osb__interrupt_run(c, &osb__op_interrupt);
}

OSB_DEF osb_status osb_command_run(osb_sandbox *box, const osb_command *command,
                                   const osb_handlers *handlers, osb_execution *execution)
{
    osb__call *call = osb__begin_run(box, &osb__op_run, handlers, execution);
    if (call == NULL) return OSB_E_BUSY;
    if ((command->command == NULL) == (command->argv == NULL))
        return osb__refuse(box->client, OSB__SAY("osb_command needs one of command and argv"));
    call->body = command;
    box->client->next = osb__run_next;
    return osb__drive(box->client);
}

OSB_DEF size_t osb_shell_quote(const char *const *argv, char *out, size_t size)
{
    osb__writer w;
    osb__text_begin(&w, out, size);
    osb__put_shell(&w, argv, false);
    return osb__text_end(&w, size);
}

#ifndef OSB_NO_BACKGROUND
static const osb__field osb__command_state_fields[] = {
    {"id", NULL, OSB__AT(osb_command_state, id), OSB__VIEW, 0},
    {"content", NULL, OSB__AT(osb_command_state, content), OSB__TEXT, 0},
    {"running", NULL, OSB__AT(osb_command_state, running), OSB__BOOL, 0},
    {"exit_code", NULL, OSB__AT(osb_command_state, exit_code), OSB__OPT_I32, 0},
    {"error", NULL, OSB__AT(osb_command_state, error), OSB__VIEW, 0},
    {"started_at", NULL, OSB__AT(osb_command_state, started_at), OSB__VIEW, 0},
    {"finished_at", NULL, OSB__AT(osb_command_state, finished_at), OSB__VIEW | OSB__LAST, 0}};
static const osb__field osb__command_state_root = {NULL, osb__command_state_fields, 0, OSB__OBJECT,
                                                   OSB__HALF(osb_command_state)};

typedef struct osb__cursor_query {
    uint64_t cursor;
} osb__cursor_query;
static const osb__field osb__cursor_query_fields[] = {
    {"cursor", NULL, OSB__AT(osb__cursor_query, cursor), OSB__CURSOR | OSB__LAST, 0}};

static const osb__op osb__op_command_status = {"GET /command/status/{id}", NULL, NULL,
                                               &osb__command_state_root,   NULL, 0};
static const osb__op osb__op_logs = {
    "GET /command/{id}/logs", osb__cursor_query_fields, NULL, NULL, NULL, OSB__DATA | OSB__TAIL};

/* The state is complete: its last piece of the command's text goes the way of the others. */
static osb_status osb__command_status_next(osb_client *c, osb_status status)
{
    osb_command_state *state = (osb_command_state *)c->call.answer;
    if (status == OSB_OK && state->content.size > 0 && c->call.on_data != NULL &&
        c->call.on_data(c->call.user, state->content.data, state->content.size) != 0)
        return osb__stopped(c);
    return status;
}

OSB_DEF osb_status osb_command_status(osb_sandbox *box, const char *id,
                                      int (*on_content)(void *user, const void *data, size_t size),
                                      void *user, osb_command_state *state)
{
    osb__call *call = osb__begin_execd(box, &osb__op_command_status);
    if (call == NULL) return OSB_E_BUSY;
    call->on_data = on_content;
    call->user = user;
    box->client->next = osb__command_status_next;
    return osb__ask(box->client, call, id, state);
}

/* Output that is under way: its head tells the next cursor, which holds once all of it has come. If
   it does not, that is how much has come. */
typedef struct osb__logs {
    osb__cursor_query query;
    uint64_t told, *next;
    int (*on_data)(void *user, const void *data, size_t size);
    void *user;
} osb__logs;

static int osb__logs_data(void *user, const void *data, size_t size)
{
    osb__logs *logs = (osb__logs *)user;
    *logs->next += size;
    return logs->on_data == NULL ? 0 : logs->on_data(logs->user, data, size);
}

static osb_status osb__logs_next(osb_client *c, osb_status status)
{
    osb__logs *logs = (osb__logs *)c->call.user;
    if (status == OSB_OK && logs->told != logs->query.cursor) *logs->next = logs->told;
    return status;
}

OSB_DEF osb_status osb_command_logs(osb_sandbox *box, const char *id, uint64_t cursor,
                                    int (*on_data)(void *user, const void *data, size_t size),
                                    void *user, uint64_t *next)
{
    osb__call *call = osb__begin_execd(box, &osb__op_logs);
    osb__logs *logs;
    if (call == NULL) return OSB_E_BUSY;
    logs = (osb__logs *)osb__alloc(box->client, sizeof *logs);
    logs->query.cursor = logs->told = *next = cursor;
    logs->next = next;
    logs->on_data = on_data;
    logs->user = user;
    call->id = id;
    call->query = &logs->query;
    call->answer = &logs->told;
    call->on_data = osb__logs_data;
    call->user = logs;
    box->client->next = osb__logs_next;
    return osb__drive(box->client);
}

OSB_DEF osb_status osb_command_interrupt(osb_sandbox *box, const char *id)
{
    return osb__interrupt(box, &osb__op_interrupt, id);
}
#endif

#ifndef OSB_NO_BACKGROUND
/* Just after the start execd may not know the command yet. */
#define OSB__UNKNOWN_MS 1000u

static osb_status osb__command_wait_next(osb_client *c, osb_status status)
{
    osb_command_state *state = (osb_command_state *)c->call.answer;
    osb__waiting *waiting = (osb__waiting *)c->call.own;
    bool early = waiting->state == NULL && status == OSB_E_NOT_FOUND;
    if (early && osb__until(c, waiting->until_ms) > waiting->interval_ms &&
        waiting->unknown_ms < OSB__UNKNOWN_MS) {
        waiting->unknown_ms += 100;
        return osb__again(c, 100, osb__command_wait_next);
    }
    if (status != OSB_OK || !state->running) return status;
    waiting->state = "running"; /* it is known */
    OSB_MEMSET(state, 0, sizeof *state);
    return osb__wait_on(c, osb__view(waiting->state), osb__command_wait_next);
}

OSB_DEF osb_status osb_command_wait(osb_sandbox *box, const char *id,
                                    const osb_wait_options *options, osb_command_state *state)
{
    osb__call *call = osb__begin_execd(box, &osb__op_command_status);
    if (call == NULL) return OSB_E_BUSY;
    (void)osb__begin_waiting(box->client, NULL, options);
    box->client->next = osb__command_wait_next;
    return osb__ask(box->client, call, id, state);
}
#endif

#ifndef OSB_NO_SESSIONS
typedef struct osb__cwd_body {
    const char *cwd;
} osb__cwd_body;
static const osb__field osb__cwd_body_fields[] = {
    {"cwd", NULL, OSB__AT(osb__cwd_body, cwd), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__session_fields[] = {{"session_id", NULL, OSB__AT(osb_session, id),
                                                  OSB__COPY | OSB__REQUIRED | OSB__LAST,
                                                  OSB_ID_SIZE / 2}};
static const osb__field osb__session_root = {NULL, osb__session_fields, 0,
                                             OSB__OBJECT | OSB__REQUIRED, OSB__HALF(osb_session)};
static const osb__field osb__session_command_fields[] = {
    {"command", NULL, OSB__AT(osb_session_command, command), OSB__STRING, 0},
    {"cwd", NULL, OSB__AT(osb_session_command, cwd), OSB__STRING, 0},
    {"timeout", NULL, OSB__AT(osb_session_command, timeout_ms), OSB__U32 | OSB__LAST, 0}};

static const osb__op osb__op_session_create = {"POST /session",    NULL, osb__cwd_body_fields,
                                               &osb__session_root, NULL, 0};
static const osb__op osb__op_session_run = {"POST /session/{id}/run",
                                            NULL,
                                            osb__session_command_fields,
                                            NULL,
                                            NULL,
                                            OSB__EVENTS | OSB__LAST_ENDS | OSB__LINES};
static const osb__op osb__op_session_delete = {"DELETE /session/{id}", NULL, NULL, NULL, NULL, 0};

OSB_DEF osb_status osb_session_create(osb_sandbox *box, const char *cwd, osb_session *session)
{
    osb__call *call = osb__begin_execd(box, &osb__op_session_create);
    osb__cwd_body *body;
    if (call == NULL) return OSB_E_BUSY;
    body = (osb__cwd_body *)osb__alloc(box->client, sizeof *body);
    body->cwd = cwd;
    call->body = body;
    return osb__ask(box->client, call, NULL, session);
}

/* execd tells of a time-out in words only. */
static osb_status osb__session_run_next(osb_client *c, osb_status status)
{
    osb_execution *run = (osb_execution *)c->call.own;
    if (status == OSB_E_STREAM) run->timed_out = osb__contains(c->error.message, "timeout after");
    return osb__run_ended(c, status);
}

OSB_DEF osb_status osb_session_run(osb_sandbox *box, const char *id,
                                   const osb_session_command *command, const osb_handlers *handlers,
                                   osb_execution *execution)
{
    osb__call *call = osb__begin_run(box, &osb__op_session_run, handlers, execution);
    if (call == NULL) return OSB_E_BUSY;
    if (command->command == NULL) return osb__refuse(box->client, OSB__SAY("no command"));
    call->id = id;
    call->body = command;
    box->client->next = osb__session_run_next;
    return osb__drive(box->client);
}

OSB_DEF osb_status osb_session_delete(osb_sandbox *box, const char *id)
{
    return osb__ask_execd(box, &osb__op_session_delete, id, NULL);
}
#endif

#ifndef OSB_NO_CODE
typedef struct osb__language {
    const char *language;
    const char *cwd;
} osb__language;
static const osb__field osb__context_body_fields[] = {
    {"language", NULL, OSB__AT(osb__language, language), OSB__STRING, 0},
    {"cwd", NULL, OSB__AT(osb__language, cwd), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__language_query_fields[] = {
    {"language", NULL, OSB__AT(osb__language, language), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__context_fields[] = {
    {"id", NULL, OSB__AT(osb_code_context, id), OSB__COPY | OSB__REQUIRED, OSB_ID_SIZE / 2},
    {"language", NULL, OSB__AT(osb_code_context, language), OSB__COPY, OSB_LANGUAGE_SIZE / 2},
    {"cwd", NULL, OSB__AT(osb_code_context, cwd), OSB__VIEW | OSB__LAST, 0}};
static const osb__field osb__context_root = {
    NULL, osb__context_fields, 0, OSB__OBJECT | OSB__REQUIRED, OSB__HALF(osb_code_context)};

typedef struct osb__context_list {
    osb_code_context item;
    int (*on_context)(void *user, const osb_code_context *context);
} osb__context_list;
static const osb__field osb__context_list_root = {
    NULL, osb__context_fields, 0, OSB__LIST | OSB__REQUIRED, OSB__HALF(osb_code_context)};

static int osb__context_out(const osb__out *out)
{
    const osb__call *call = &out->client->call;
    const osb__context_list *list = (const osb__context_list *)call->answer;
    return list->on_context == NULL ? 0 : list->on_context(call->user, &list->item);
}

/* Code with its context flattened. */
typedef struct osb__code_body {
    const char *code, *id, *language;
    bool keep_running;
} osb__code_body;
static const osb__field osb__code_context_fields[] = {
    {"id", NULL, OSB__AT(osb__code_body, id), OSB__STRING, 0},
    {"language", NULL, OSB__AT(osb__code_body, language), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__code_body_fields[] = {
    {"context", osb__code_context_fields, OSB__AT(osb__code_body, language), OSB__GROUP, 0},
    {"code", NULL, OSB__AT(osb__code_body, code), OSB__STRING | OSB__LAST, 0}};

static const osb__op osb__op_context_create = {"POST /code/context", NULL, osb__context_body_fields,
                                               &osb__context_root,   NULL, 0};
static const osb__op osb__op_context_get = {"GET /code/contexts/{id}", NULL, NULL,
                                            &osb__context_root,        NULL, 0};
static const osb__op osb__op_context_list = {
    "GET /code/contexts",    osb__language_query_fields, NULL,
    &osb__context_list_root, osb__context_out,           0};
static const osb__op osb__op_context_delete = {
    "DELETE /code/contexts/{id}", NULL, NULL, NULL, NULL, 0};
static const osb__op osb__op_context_delete_all = {
    "DELETE /code/contexts", osb__language_query_fields, NULL, NULL, NULL, 0};
static const osb__op osb__op_code = {"POST /code", NULL, osb__code_body_fields,
                                     NULL,         NULL, OSB__EVENTS};
/* Code of no language is run as a command, and its stream is one of a command. */
static const osb__op osb__op_code_command = {
    "POST /code", NULL, osb__code_body_fields,
    NULL,         NULL, OSB__EVENTS | OSB__LAST_ENDS | OSB__LINES};
static const osb__op osb__op_code_interrupt = {
    "DELETE /code", osb__id_query_fields, NULL, NULL, NULL, 0};

static osb__language *osb__language_of(osb_client *c, const char *language, const char *cwd)
{
    osb__language *body = (osb__language *)osb__alloc(c, sizeof *body);
    body->language = language;
    body->cwd = cwd;
    return body;
}

OSB_DEF osb_status osb_code_context_create(osb_sandbox *box, const char *language, const char *cwd,
                                           osb_code_context *context)
{
    osb__call *call = osb__begin_execd(box, &osb__op_context_create);
    if (call == NULL) return OSB_E_BUSY;
    call->body = osb__language_of(box->client, language, cwd);
    return osb__ask(box->client, call, NULL, context);
}

OSB_DEF osb_status osb_code_context_get(osb_sandbox *box, const char *id, osb_code_context *context)
{
    osb__call *call = osb__begin_execd(box, &osb__op_context_get);
    if (call == NULL) return OSB_E_BUSY;
    OSB_MEMSET(context->language, 0, sizeof context->language);
    OSB_MEMSET(&context->cwd, 0, sizeof context->cwd);
    call->id = id;
    call->answer = context;
    return osb__drive(box->client);
}

OSB_DEF osb_status osb_code_context_list(osb_sandbox *box, const char *language,
                                         int (*on_context)(void *user,
                                                           const osb_code_context *context),
                                         void *user)
{
    osb__call *call = osb__begin_execd(box, &osb__op_context_list);
    osb__context_list *list;
    if (call == NULL) return OSB_E_BUSY;
    call->query = osb__language_of(box->client, language, NULL);
    list = (osb__context_list *)osb__alloc(box->client, sizeof *list);
    list->on_context = on_context;
    call->answer = list;
    call->user = user;
    return osb__drive(box->client);
}

OSB_DEF osb_status osb_code_context_delete(osb_sandbox *box, const char *id)
{
    return osb__ask_execd(box, &osb__op_context_delete, id, NULL);
}

OSB_DEF osb_status osb_code_context_delete_all(osb_sandbox *box, const char *language)
{
    osb__call *call = osb__begin_execd(box, &osb__op_context_delete_all);
    if (call == NULL) return OSB_E_BUSY;
    if (language == NULL) return osb__refuse(box->client, OSB__SAY("no language"));
    call->query = osb__language_of(box->client, language, NULL);
    return osb__drive(box->client);
}

/* A kernel's output and results may come behind the event that says it is complete, even seconds
   later: only the stream's own end is one. Code goes on without its client, as commands do. */
static osb_status osb__code_run_next(osb_client *c, osb_status status)
{
    const osb__code_body *body = (const osb__code_body *)c->call.body;
    if (body->language == NULL) status = osb__run_ended(c, status);
    else if (status != OSB_OK) ((osb_execution *)c->call.own)->ended = false;
    if (status != OSB_E_CANCELLED || body->keep_running) return status;
    return osb__interrupt_begun(c, &osb__op_code_interrupt);
}

OSB_DEF osb_status osb_code_run(osb_sandbox *box, const osb_code *code,
                                const osb_handlers *handlers, osb_execution *execution)
{
    osb__call *call = osb__begin_run(box, &osb__op_code, handlers, execution);
    osb__code_body *body;
    if (call == NULL) return OSB_E_BUSY;
    if (code->code == NULL) return osb__refuse(box->client, OSB__SAY("no code"));
    body = (osb__code_body *)osb__alloc(box->client, sizeof *body);
    body->code = code->code;
    body->language = code->language;
    body->keep_running = code->keep_running;
    if (code->context != NULL) {
        body->id = code->context->id;
        body->language = code->context->language;
    }
    if (body->language == NULL) call->op = &osb__op_code_command;
    else if (body->language[0] == '\0') /* execd would take it for a shell command */
        return osb__refuse(box->client, OSB__SAY("no language"));
    call->body = body;
    box->client->next = osb__code_run_next;
    return osb__drive(box->client);
}

OSB_DEF osb_status osb_code_interrupt(osb_sandbox *box, const char *id)
{
    return osb__interrupt(box, &osb__op_code_interrupt, id);
}

/* Where in the text of a table of rows. */
enum { OSB__R_OUTSIDE, OSB__R_LITERAL, OSB__R_STRING, OSB__R_ESCAPE, OSB__R_UNICODE };

static void osb__rows_put(osb_rows *r, const unsigned char *bytes, size_t size)
{
    size_t i;
    for (i = 0; i < size; i++, r->length++)
        if (r->length + 1 < r->size) r->data[r->length] = (char)bytes[i];
}

/* The first half of a surrogate pair that the second one does not follow. */
static void osb__rows_lone_half(osb_rows *r)
{
    static const unsigned char replacement[] = {0xef, 0xbf, 0xbd}; /* U+FFFD */
    if (r->high != 0) osb__rows_put(r, replacement, sizeof replacement);
    r->high = 0;
}

/* A text or a literal is complete. */
static osb_status osb__rows_token(osb_rows *r, bool text)
{
    osb_str value;
    bool cell = r->part != 0 && r->depth == r->part + 1u;
    value.data = r->data;
    value.size = r->length;
    r->length = 0;
    r->state = OSB__R_OUTSIDE;
    if (value.size >= r->size) {
        bool key = r->depth == 1 && r->is_key;
        if (key) r->part = 0;
        if (!cell && !(key && r->size < sizeof "columns")) return OSB_OK;
        r->needed = value.size + 1;
        return OSB_E_BUFFER;
    }
    r->data[value.size] = '\0';
    if (r->depth == 1 && r->is_key) {
        r->part = osb_str_equal(value, "columns") ? 1 : osb_str_equal(value, "rows") ? 2 : 0;
        return text ? OSB_OK : OSB_E_JSON;
    }
    if (!cell) return OSB_OK;
    if (!text && osb_str_equal(value, "null")) {
        value.data = NULL;
        value.size = 0;
    }
    if (r->on_cell != NULL && r->on_cell(r->user, r->row, r->column, value) != 0)
        return OSB_E_CANCELLED;
    r->column++;
    return OSB_OK;
}

/* A byte outside of texts. */
static osb_status osb__rows_structure(osb_rows *r, unsigned char byte)
{
    switch (byte) {
    case '{':
        if (r->depth != 0) return OSB_E_JSON;
        r->is_key = true;
        r->depth = 1;
        return OSB_OK;
    case '[':
        if (r->depth == 0 || r->depth > r->part + 0u) return OSB_E_JSON;
        r->depth++;
        r->column = 0;
        if (r->depth == 3) r->row++;
        return OSB_OK;
    case ']':
        if (r->depth < 2) return OSB_E_JSON;
        r->depth--;
        return OSB_OK;
    case '}':
        if (r->depth != 1) return OSB_E_JSON;
        r->depth = 0;
        return OSB_OK;
    case ':':
        r->is_key = false;
        return OSB_OK;
    case ',':
        r->is_key = r->depth == 1;
        return OSB_OK;
    case '"':
        r->state = OSB__R_STRING;
        return r->depth > 0 ? OSB_OK : OSB_E_JSON;
    default:
        if (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t') return OSB_OK;
        if (r->depth == 0 || byte < 0x20) return OSB_E_JSON;
        r->state = OSB__R_LITERAL;
        osb__rows_put(r, &byte, 1);
        return OSB_OK;
    }
}

/* A digit of \uXXXX; halves of a surrogate pair wait for each other. */
static osb_status osb__rows_unicode(osb_rows *r, unsigned char byte)
{
    unsigned char utf8[4];
    uint32_t digit = osb__hex_digit(byte), code;
    if (digit > 15) return OSB_E_JSON;
    r->code = (uint16_t)((uint32_t)r->code << 4 | digit);
    if (++r->digits < 4) return OSB_OK;
    r->state = OSB__R_STRING;
    code = r->code;
    if (code - 0xdc00u >= 0x400u) osb__rows_lone_half(r);
    if (code - 0xd800u < 0x400u) {
        r->high = r->code;
        return OSB_OK;
    }
    if (code - 0xdc00u < 0x400u)
        code = r->high != 0 ? 0x10000u + (((uint32_t)r->high - 0xd800u) << 10) + (code - 0xdc00u)
                            : 0xfffdu;
    r->high = 0;
    osb__rows_put(r, utf8, osb__put_utf8(utf8, code));
    return OSB_OK;
}

static osb_status osb__rows_escape(osb_rows *r, unsigned char byte)
{
    static const char from[] = "bfnrt\"\\/", to[] = "\b\f\n\r\t\"\\/";
    size_t i;
    r->state = OSB__R_STRING;
    if (byte == 'u') {
        r->state = OSB__R_UNICODE;
        r->code = r->digits = 0;
        return OSB_OK;
    }
    osb__rows_lone_half(r);
    for (i = 0; from[i] != '\0'; i++)
        if (byte == (unsigned char)from[i]) {
            osb__rows_put(r, (const unsigned char *)to + i, 1);
            return OSB_OK;
        }
    return OSB_E_JSON;
}

OSB_DEF osb_status osb_rows_feed(osb_rows *rows, const char *text, size_t size)
{
    osb_status status = OSB_OK;
    size_t i = 0;
    while (i < size && status == OSB_OK) {
        unsigned char byte = (unsigned char)text[i++];
        bool ends = byte == ',' || byte == ']' || byte == '}' || byte <= ' ';
        if (rows->state == OSB__R_STRING && byte != '\\') osb__rows_lone_half(rows);
        if (rows->state == OSB__R_LITERAL && ends) {
            status = osb__rows_token(rows, false);
            i--;
        } else if (rows->state == OSB__R_UNICODE) {
            status = osb__rows_unicode(rows, byte);
        } else if (rows->state == OSB__R_ESCAPE) {
            status = osb__rows_escape(rows, byte);
        } else if (rows->state == OSB__R_OUTSIDE) {
            status = osb__rows_structure(rows, byte);
        } else if (rows->state == OSB__R_STRING && byte == '"') {
            status = osb__rows_token(rows, true);
        } else if (rows->state == OSB__R_STRING && byte == '\\') {
            rows->state = OSB__R_ESCAPE;
        } else {
            osb__rows_put(rows, &byte, 1);
        }
    }
    return status;
}
#endif

#ifndef OSB_NO_FILES
/* Paths, as a query repeats them. */
typedef struct osb__paths {
    const char *const *paths;
    size_t count;
} osb__paths;
static const osb__field osb__paths_fields[] = {
    {"path", NULL, OSB__AT(osb__paths, paths), OSB__STRINGS | OSB__LAST, 0}};

static const osb__field osb__file_fields[] = {
    {"path", NULL, OSB__AT(osb_file_info, path), OSB__VIEW | OSB__REQUIRED, 0},
    {"type", NULL, OSB__AT(osb_file_info, type), OSB__VIEW, 0},
    {"size", NULL, OSB__AT(osb_file_info, size_bytes), OSB__U64, 0},
    {"modified_at", NULL, OSB__AT(osb_file_info, modified_at), OSB__VIEW, 0},
    {"created_at", NULL, OSB__AT(osb_file_info, created_at), OSB__VIEW, 0},
    {"owner", NULL, OSB__AT(osb_file_info, owner), OSB__VIEW, 0},
    {"group", NULL, OSB__AT(osb_file_info, group), OSB__VIEW, 0},
    {"mode", NULL, OSB__AT(osb_file_info, mode), OSB__UINT | OSB__LAST, 0}};

/* What file calls hand files out of; `query` is what they were asked for. */
typedef struct osb__file_list {
    osb_file_info item;
    osb_on_file on_file;
    osb_file_info *one; /* the only one that is wanted */
    bool found;
    osb__paths paths;
    const char *path, *pattern;
    osb_u32 depth;
} osb__file_list;
static const osb__field osb__file_map_root = {NULL, osb__file_fields, 0, OSB__DICT,
                                              OSB__HALF(osb_file_info)};
static const osb__field osb__file_list_root = {NULL, osb__file_fields, 0, OSB__LIST | OSB__REQUIRED,
                                               OSB__HALF(osb_file_info)};
static const osb__field osb__info_query_fields[] = {
    {"path", NULL, OSB__AT(osb__file_list, paths), OSB__STRINGS | OSB__LAST, 0}};
static const osb__field osb__search_query_fields[] = {
    {"path", NULL, OSB__AT(osb__file_list, path), OSB__STRING, 0},
    {"pattern", NULL, OSB__AT(osb__file_list, pattern), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__list_query_fields[] = {
    {"path", NULL, OSB__AT(osb__file_list, path), OSB__STRING, 0},
    {"depth", NULL, OSB__AT(osb__file_list, depth), OSB__OPT_U32 | OSB__LAST, 0}};

static int osb__file_out(const osb__out *out)
{
    osb_client *c = out->client;
    osb__file_list *list = (osb__file_list *)c->call.answer;
    if (list->one != NULL) {
        *list->one = list->item;
        list->found = true;
        c->json.list = c->kept; /* its texts stay */
        return 0;
    }
    return list->on_file == NULL ? 0 : list->on_file(c->call.user, &list->item);
}

/* Bodies that are bare arrays and maps of structs. */
typedef struct osb__items {
    const void *items;
    size_t count;
} osb__items;
static const osb__field osb__move_fields[] = {
    {"src", NULL, OSB__AT(osb_move, from), OSB__STRING, 0},
    {"dest", NULL, OSB__AT(osb_move, to), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__moves_body[] = {{"", osb__move_fields, OSB__AT(osb__items, items),
                                              OSB__STRUCTS | OSB__LAST, OSB__HALF(osb_move)}};
static const osb__field osb__permission_fields[] = {
    {"owner", NULL, OSB__AT(osb_permission, owner), OSB__STRING, 0},
    {"group", NULL, OSB__AT(osb_permission, group), OSB__STRING, 0},
    {"mode", NULL, OSB__AT(osb_permission, mode), OSB__ALWAYS | OSB__LAST, 0}};
static const osb__field osb__permissions_body[] = {
    {"", osb__permission_fields, OSB__AT(osb__items, items), OSB__KEYED | OSB__LAST,
     OSB__HALF(osb_permission)}};
static const osb__field osb__directory_fields[] = {
    {"owner", NULL, OSB__AT(osb_permission, owner), OSB__STRING, 0},
    {"group", NULL, OSB__AT(osb_permission, group), OSB__STRING, 0},
    {"mode", NULL, OSB__AT(osb_permission, mode), OSB__MODE | OSB__LAST, 0}};
static const osb__field osb__directories_body[] = {
    {"", osb__directory_fields, OSB__AT(osb__items, items), OSB__KEYED | OSB__LAST,
     OSB__HALF(osb_permission)}};
static const osb__field osb__replacement_fields[] = {
    {"old", NULL, OSB__AT(osb_replacement, old_text), OSB__STRING, 0},
    {"new", NULL, OSB__AT(osb_replacement, new_text), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__replacements_body[] = {
    {"", osb__replacement_fields, OSB__AT(osb__items, items), OSB__KEYED | OSB__LAST,
     OSB__HALF(osb_replacement)}};

typedef struct osb__replaced_list {
    osb_replaced item;
    int (*on_replaced)(void *user, const osb_replaced *replaced);
    bool verbose;
} osb__replaced_list;
static const osb__field osb__replaced_fields[] = {
    {"replacedCount", NULL, OSB__AT(osb_replaced, count), OSB__U64 | OSB__LAST, 0}};
static const osb__field osb__replaced_root = {NULL, osb__replaced_fields, 0, OSB__DICT,
                                              OSB__HALF(osb_replaced)};
static const osb__field osb__verbose_query_fields[] = {
    {"verbose", NULL, OSB__AT(osb__replaced_list, verbose), OSB__FLAG | OSB__LAST, 0}};

static int osb__replaced_out(const osb__out *out)
{
    const osb__call *call = &out->client->call;
    const osb__replaced_list *list = (const osb__replaced_list *)call->answer;
    return list->on_replaced == NULL ? 0 : list->on_replaced(call->user, &list->item);
}

static const osb__field osb__read_query_fields[] = {
    {"path", NULL, OSB__AT(osb__read_query, path), OSB__STRING, 0},
    {"offset", NULL, OSB__AT(osb__read_query, first_line), OSB__COUNT, 0},
    {"limit", NULL, OSB__AT(osb__read_query, line_count), OSB__COUNT | OSB__LAST, 0}};
static const osb__field osb__upload_fields[] = {
    {"path", NULL, OSB__AT(osb_upload, path), OSB__STRING, 0},
    {"owner", NULL, OSB__AT(osb_upload, owner), OSB__STRING, 0},
    {"group", NULL, OSB__AT(osb_upload, group), OSB__STRING, 0},
    {"mode", NULL, OSB__AT(osb_upload, mode), OSB__MODE | OSB__LAST, 0}};

static const osb__op osb__op_file_info = {"GET /files/info",   osb__info_query_fields, NULL,
                                          &osb__file_map_root, osb__file_out,          OSB__FILES};
static const osb__op osb__op_file_search = {
    "GET /files/search", osb__search_query_fields, NULL, &osb__file_list_root, osb__file_out,
    OSB__FILES};
static const osb__op osb__op_file_read = {"GET /files/download",
                                          osb__read_query_fields,
                                          NULL,
                                          NULL,
                                          NULL,
                                          OSB__DATA | OSB__FILES | OSB__RANGE};
static const osb__op osb__op_file_upload = {"POST /files/upload",    NULL, NULL, NULL, NULL,
                                            OSB__SOURCE | OSB__FILES};
static const osb__op osb__op_file_replace = {"POST /files/replace",  osb__verbose_query_fields,
                                             osb__replacements_body, &osb__replaced_root,
                                             osb__replaced_out,      OSB__FILES};
static const osb__op osb__op_file_move = {"POST /files/mv", NULL, osb__moves_body, NULL, NULL,
                                          OSB__FILES};
static const osb__op osb__op_file_permissions = {
    "POST /files/permissions", NULL, osb__permissions_body, NULL, NULL, OSB__FILES};
static const osb__op osb__op_file_delete = {"DELETE /files", osb__paths_fields, NULL, NULL, NULL,
                                            OSB__FILES};
static const osb__op osb__op_directory_create = {
    "POST /directories", NULL, osb__directories_body, NULL, NULL, OSB__FILES};
static const osb__op osb__op_directory_list = {
    "GET /directories/list", osb__list_query_fields, NULL,
    &osb__file_list_root,    osb__file_out,          OSB__FILES};
static const osb__op osb__op_directory_delete = {
    "DELETE /directories", osb__paths_fields, NULL, NULL, NULL, OSB__FILES};

/* A call for files: the sandbox's, or those of an isolated session. */
static osb__call *osb__begin_files(osb_sandbox *box, const osb__op *op)
{
    osb__call *call = osb__begin_execd(box, op);
    if (call != NULL) call->id = box->isolated;
    return call;
}

static osb__file_list *osb__begin_file_list(osb_sandbox *box, const osb__op *op,
                                            osb_on_file on_file, void *user)
{
    osb__call *call = osb__begin_files(box, op);
    osb__file_list *list;
    if (call == NULL) return NULL;
    list = (osb__file_list *)osb__alloc(box->client, sizeof *list);
    list->on_file = on_file;
    call->query = call->answer = list;
    call->user = user;
    return list;
}

static osb_status osb__file_info_next(osb_client *c, osb_status status)
{
    const osb__file_list *list = (const osb__file_list *)c->call.answer;
    if (status != OSB_OK || list->found) return status;
    return osb__fail(c, OSB_E_NOT_FOUND, OSB__SAY("the answer has no such file"));
}

OSB_DEF osb_status osb_file_get_info(osb_sandbox *box, const char *path, osb_file_info *info)
{
    osb__file_list *list = osb__begin_file_list(box, &osb__op_file_info, NULL, NULL);
    if (list == NULL) return OSB_E_BUSY;
    OSB_MEMSET(info, 0, sizeof *info);
    if (path == NULL) return osb__refuse(box->client, OSB__SAY("no path"));
    list->one = info;
    list->path = path;
    list->paths.paths = &list->path;
    list->paths.count = 1;
    box->client->next = osb__file_info_next;
    return osb__drive(box->client);
}

/* Whether each of the caller's structs of so many bytes has its first member, a path; and if the
   paths become the members of an object, no two the same. */
static bool osb__all_named(const void *items, size_t count, size_t step, bool keyed)
{
    const unsigned char *item = (const unsigned char *)items;
    size_t i, j;
    if (items == NULL) return count == 0;
    for (i = 0; i < count; i++) {
        osb_str path = osb__view((const char *)osb__pointer(item + i * step));
        if (path.data == NULL) return false;
        for (j = 0; j < i && keyed; j++)
            if (osb_str_equal(path, (const char *)osb__pointer(item + j * step))) return false;
    }
    return true;
}

static osb_status osb__refuse_paths(osb_client *c)
{
    return osb__refuse(c, OSB__SAY("no path, or one twice"));
}

OSB_DEF osb_status osb_file_get_infos(osb_sandbox *box, const char *const *paths, size_t count,
                                      osb_on_file on_file, void *user)
{
    osb__file_list *list = osb__begin_file_list(box, &osb__op_file_info, on_file, user);
    if (list == NULL) return OSB_E_BUSY;
    if (!osb__all_named(paths, count, sizeof *paths, false)) return osb__refuse_paths(box->client);
    list->paths.paths = paths;
    list->paths.count = count;
    return osb__drive(box->client);
}

OSB_DEF osb_status osb_file_search(osb_sandbox *box, const char *path, const char *pattern,
                                   osb_on_file on_file, void *user)
{
    osb__file_list *list = osb__begin_file_list(box, &osb__op_file_search, on_file, user);
    if (list == NULL) return OSB_E_BUSY;
    list->path = path;
    list->pattern = pattern;
    return osb__drive(box->client);
}

OSB_DEF osb_status osb_directory_list(osb_sandbox *box, const char *path,
                                      const osb_list_options *options, osb_on_file on_file,
                                      void *user)
{
    osb__file_list *list = osb__begin_file_list(box, &osb__op_directory_list, on_file, user);
    if (list == NULL) return OSB_E_BUSY;
    list->path = path;
    if (options != NULL) list->depth = options->depth;
    if (options != NULL && options->recursive) {
        list->depth.set = true;
        list->depth.value = 0x7fffffffu;
    }
    return osb__drive(box->client);
}

/* A read that is under way. */
typedef struct osb__read {
    osb__read_query query;
    osb_client *client;
    int (*on_data)(void *user, const void *data, size_t size);
    void *user;
    uint64_t *size_bytes; /* the caller's; may be NULL */
    uint64_t got, before; /* in all, and before this connection */
    uint64_t end;         /* where in the file the bodies end; 0: not known */
    uint32_t resumptions;
    bool limited;
    char *out; /* osb_file_read_all */
    size_t out_size;
    size_t *out_length;
} osb__read;

/* Whether these bytes were asked for: a server that ignores the range sends others, or more. */
static bool osb__read_fits(const osb__read *r, size_t size)
{
    bool ranged = r->query.from != 0 || r->query.size != 0;
    if (r->limited && size > r->query.size - (r->got - r->before)) return false;
    return !ranged || r->client->http.status == 206;
}

/* Whether this body ends where the first one did: a file that was written meanwhile may not. */
static bool osb__read_ends_alike(osb__read *r, size_t size)
{
    uint64_t end = r->query.from + (r->got - r->before) + size + r->client->http.left;
    if (r->client->http.framing != OSB__BY_LENGTH) return true;
    if (r->end == 0) r->end = end;
    return r->end == end;
}

static int osb__read_data(void *user, const void *data, size_t size)
{
    osb__read *r = (osb__read *)user;
    osb_client *c = r->client;
    if (!osb__read_fits(r, size)) {
        (void)osb__fail(c, OSB_E_PROTOCOL, OSB__SAY("the server ignored the range"));
        return 1;
    }
    if (!osb__read_ends_alike(r, size)) {
        (void)osb__fail(c, OSB_E_VERIFY, OSB__SAY("the file has another size than before"));
        return 1;
    }
    if (r->out_length != NULL) {
        size_t room = r->out_size - *r->out_length, n = size < room ? size : room;
        if (n > 0) OSB_MEMCPY(r->out + *r->out_length, data, n); /* out may be NULL */
        *r->out_length += n;
        if (n < size) {
            uint64_t needed =
                r->got + size + (c->http.framing == OSB__BY_LENGTH ? c->http.left : 0);
            (void)osb__too_big(c, "data", NULL, needed > SIZE_MAX ? SIZE_MAX : (size_t)needed);
            return 1;
        }
    } else if (r->on_data != NULL && r->on_data(r->user, data, size) != 0) {
        (void)osb__stopped(c);
        return 1;
    }
    r->got += size;
    if (r->size_bytes != NULL) *r->size_bytes = r->got;
    return 0;
}

/* The connection broke in mid-file: asks for the rest of it. */
static osb_status osb__read_next(osb_client *c, osb_status status)
{
    osb__read *r = (osb__read *)c->call.answer;
    uint64_t got = r->got - r->before;
    bool broken = status == OSB_E_CLOSED || status == OSB_E_TIMEOUT || status == OSB_E_CONNECT;
    if (status == OSB_E_API && c->http.status == 416 && (r->got == 0 || r->query.at_end))
        return OSB_OK; /* behind the end, or all had come before the break */
    if (!broken || r->resumptions == 0 || (c->answered && c->http.status >= 300)) return status;
    r->resumptions--;
    r->query.from += got;
    if (r->query.size != 0) r->query.size -= got;
    r->before = r->got;
    if (r->query.size == 0 && r->limited) return OSB_OK;
    return osb__again(c, got > 0 ? 0 : 200, osb__read_next);
}

static osb_status osb__start_read(osb_sandbox *box, const char *path,
                                  const osb_read_options *options, osb__read **read)
{
    osb_client *c = box->client;
    osb__call *call = osb__begin_files(box, &osb__op_file_read);
    osb__read *r;
    if (call == NULL) return OSB_E_BUSY;
    if (path == NULL) return osb__refuse(c, OSB__SAY("no path"));
    r = (osb__read *)osb__alloc(c, sizeof *r);
    r->client = c;
    r->query.path = path;
    if (options != NULL) {
        bool lines = options->first_line != 0 || options->line_count != 0;
        if (lines && (options->offset_bytes != 0 || options->size_bytes != 0))
            return osb__refuse(c, OSB__SAY("either bytes or lines"));
        r->query.from = options->offset_bytes;
        r->query.size = options->size_bytes;
        r->query.first_line = options->first_line;
        r->query.line_count = options->line_count;
        r->resumptions = lines ? 0 : options->resumptions;
        r->limited = options->size_bytes != 0;
    }
    call->query = call->answer = r;
    call->on_data = osb__read_data;
    call->user = r;
    c->next = osb__read_next;
    *read = r;
    return OSB_OK;
}

OSB_DEF osb_status osb_file_read(osb_sandbox *box, const char *path,
                                 const osb_read_options *options,
                                 int (*on_data)(void *user, const void *data, size_t size),
                                 void *user, uint64_t *size_bytes)
{
    osb__read *r = NULL;
    osb_status status = osb__start_read(box, path, options, &r);
    if (status != OSB_E_BUSY && size_bytes != NULL) *size_bytes = 0;
    if (status != OSB_OK) return status;
    r->on_data = on_data;
    r->user = user;
    r->size_bytes = size_bytes;
    return osb__drive(box->client);
}

OSB_DEF osb_status osb_file_read_all(osb_sandbox *box, const char *path, void *data, size_t size,
                                     size_t *length)
{
    osb__read *r = NULL;
    osb_status status = osb__start_read(box, path, NULL, &r);
    if (status != OSB_E_BUSY) *length = 0;
    if (status != OSB_OK) return status;
    r->out = (char *)data;
    r->out_size = size;
    r->out_length = length;
    return osb__drive(box->client);
}

/* An upload that is under way: a multipart body whose parts are made as they are sent. */
typedef struct osb__upload {
    osb_request request;
    osb_pair header;
    const osb_upload *files;
    size_t count, file;
    uint64_t left, counted; /* of this file's source; of the one source of unknown size */
    uint32_t at;            /* in this part's text */
    uint8_t part;
    bool verify;
    char content_type[30 + 24 + 1]; /* with the boundary at its end */
    osb_upload one;                 /* osb_file_write's */
    size_t end;                     /* of this struct in the working buffer */
} osb__upload;

enum { OSB__U_HEAD, OSB__U_DATA, OSB__U_TAIL };

#define OSB__BOUNDARY(u) ((u)->content_type + 30)

/* What a part of the body begins with, behind its boundary. */
static void osb__put_part_head(osb__writer *w, const char *name, const char *type)
{
    osb__put_text(w, "\r\nContent-Disposition: form-data; name=\"");
    osb__put_text(w, name);
    osb__put_text(w, "\"; filename=\"");
    osb__put_text(w, name);
    osb__put_text(w, "\"\r\n");
    osb__put_header(w, "Content-Type", type);
    osb__put_text(w, "\r\n");
}

/* What stands around a file's bytes. */
static void osb__put_upload_text(osb__writer *w, const osb__upload *u)
{
    if (u->part == OSB__U_HEAD) {
        osb__put_text(w, "--");
        osb__put_text(w, OSB__BOUNDARY(u));
        osb__put_part_head(w, "metadata", "application/json");
        osb__encode(w, osb__upload_fields, &u->files[u->file]);
        osb__put_text(w, "\r\n--");
        osb__put_text(w, OSB__BOUNDARY(u));
        osb__put_part_head(w, "file", "application/octet-stream");
        return;
    }
    osb__put_text(w, "\r\n");
    if (u->file + 1 < u->count) return;
    osb__put_text(w, "--");
    osb__put_text(w, OSB__BOUNDARY(u));
    osb__put_text(w, "--\r\n");
}

/* A file's bytes: how many went into out, or what its source said. */
static int osb__upload_data(osb__upload *u, unsigned char *out, size_t room)
{
    const osb_upload *file = &u->files[u->file];
    int n;
    if (!file->body_size_unknown && room > u->left) room = (size_t)u->left;
    if (room == 0) return 0;
    if (file->read_body == NULL) {
        OSB_MEMCPY(out, (const unsigned char *)file->body + (size_t)(file->body_size - u->left),
                   room);
        n = (int)room;
    } else {
        n = file->read_body(file->user, out, room);
        if (n > 0 && (size_t)n > room) return OSB_IO_FAILED;
    }
    if (n > 0 && file->body_size_unknown) u->counted += (uint64_t)n;
    else if (n > 0) u->left -= (uint64_t)n;
    return n;
}

static void osb__upload_begin_file(osb__upload *u, size_t file)
{
    u->file = file;
    u->part = OSB__U_HEAD;
    u->at = 0;
    if (file < u->count) u->left = u->files[file].body_size;
}

/* The read_body of an upload's request. */
static int osb__upload_read(void *user, void *data, size_t size)
{
    osb__upload *u = (osb__upload *)user;
    while (u->file < u->count) {
        osb__writer w;
        if (u->part == OSB__U_DATA) {
            int n = osb__upload_data(u, (unsigned char *)data, size);
            bool short_of = n == 0 && !u->files[u->file].body_size_unknown && u->left > 0;
            if (short_of)
                u->request.body_size_unknown = false; /* no end, though it goes in chunks */
            if (n != 0 || short_of) return n;
            u->part = OSB__U_TAIL;
            u->at = 0;
        }
        OSB_MEMSET(&w, 0, sizeof w);
        w.out = (unsigned char *)data;
        w.from = u->at;
        w.room = (uint32_t)size;
        osb__put_upload_text(&w, u);
        if (w.at > u->at) {
            uint32_t n = w.at - u->at;
            if (n > w.room) n = w.room;
            u->at += n;
            return (int)n;
        }
        if (u->part == OSB__U_HEAD) u->part = OSB__U_DATA;
        else osb__upload_begin_file(u, u->file + 1);
    }
    return 0;
}

static int osb__upload_rewind(void *user)
{
    osb__upload *u = (osb__upload *)user;
    size_t i;
    for (i = 0; i < u->count; i++) {
        const osb_upload *file = &u->files[i];
        if (file->read_body == NULL) continue;
        if (file->rewind_body == NULL || file->rewind_body(file->user) != 0) return 1;
    }
    u->counted = 0;
    osb__upload_begin_file(u, 0);
    return 0;
}

/* The size of the whole body; false if a source does not know its own. */
static bool osb__upload_size(osb__upload *u, uint64_t *size)
{
    osb__writer w;
    size_t i;
    *size = 0;
    for (i = 0; i < u->count; i++) {
        if (u->files[i].body_size_unknown) return false;
        OSB_MEMSET(&w, 0, sizeof w);
        u->file = i;
        u->part = OSB__U_HEAD;
        osb__put_upload_text(&w, u);
        u->part = OSB__U_TAIL;
        osb__put_upload_text(&w, u);
        *size += u->files[i].body_size + w.at;
    }
    return true;
}

/* No file may contain the boundary: it is as random as the port can make it. */
static void osb__make_boundary(osb_client *c, char *out)
{
    const osb_port *port = &c->config.port;
    unsigned char bytes[8];
    uint32_t seed = osb__now(c);
    osb__writer w;
    size_t i;
    for (i = 0; i < sizeof bytes; i++) {
        seed = seed * 1664525u + 1013904223u + (uint32_t)(uintptr_t)c;
        bytes[i] = (unsigned char)(seed >> 24);
    }
    if (port->ops->random != NULL) (void)port->ops->random(port->ctx, bytes, sizeof bytes);
    OSB_MEMSET(&w, 0, sizeof w);
    w.out = (unsigned char *)out;
    w.room = 24;
    osb__put_text(&w, "osb-----");
    for (i = 0; i < sizeof bytes; i++) osb__put_hex(&w, bytes[i]);
    out[24] = '\0';
}

/* Asks for the size of the next file that was written. */
static osb_status osb__upload_verify(osb_client *c, osb__upload *u);

static osb_status osb__upload_verified(osb_client *c, osb_status status)
{
    osb__upload *u = (osb__upload *)c->call.own;
    const osb__file_list *list = (const osb__file_list *)c->call.answer;
    const osb_upload *file = &u->files[u->file];
    uint64_t sent = file->body_size_unknown ? u->counted : file->body_size;
    if (status != OSB_OK) return status;
    if (!list->found || list->item.size_bytes != sent) {
        c->error.message = osb__view(OSB__SAY("the file has another size than was sent"));
        return osb__fail(c, OSB_E_VERIFY, NULL);
    }
    if (++u->file == u->count) return OSB_OK;
    return osb__upload_verify(c, u);
}

static osb_status osb__upload_verify(osb_client *c, osb__upload *u)
{
    const osb_endpoint *endpoint = c->call.endpoint;
    const char *session = c->call.id;
    osb__call *call;
    osb__file_list *list;
    c->base = u->end;
    call = osb__then(c, &osb__op_file_info);
    list = (osb__file_list *)osb__alloc(c, sizeof *list);
    list->one = &list->item;
    list->paths.paths = &u->files[u->file].path;
    list->paths.count = 1;
    call->endpoint = endpoint;
    call->id = session;
    call->own = u;
    call->query = call->answer = list;
    c->next = osb__upload_verified;
    return OSB_PENDING;
}

static osb_status osb__upload_next(osb_client *c, osb_status status)
{
    osb__upload *u = (osb__upload *)c->call.own;
    if (status != OSB_OK || !u->verify) return status;
    u->file = 0;
    return osb__upload_verify(c, u);
}

/* OSB_OK: *upload is there to be filled in. */
static osb_status osb__begin_upload(osb_sandbox *box, osb__upload **upload)
{
    osb__call *call = osb__begin_files(box, &osb__op_file_upload);
    osb__upload *u;
    if (call == NULL) return OSB_E_BUSY;
    if (!osb__has_room(box->client, sizeof *u + sizeof(osb__file_list))) return OSB_E_BUFFER;
    u = (osb__upload *)osb__alloc(box->client, sizeof *u);
    u->end = box->client->base;
    call->body = &u->request;
    call->own = u;
    *upload = u;
    return OSB_OK;
}

static osb_status osb__start_upload(osb_client *c, osb__upload *u, const osb_upload *files,
                                    size_t count)
{
    size_t i, unknown = 0;
    for (i = 0; i < count; i++) {
        if (files[i].path == NULL) return osb__refuse(c, OSB__SAY("no path"));
        if (files[i].read_body == NULL && files[i].body == NULL && files[i].body_size > 0)
            return osb__refuse(c, OSB__SAY("no body"));
        if (files[i].body_size_unknown && files[i].read_body == NULL)
            return osb__refuse(c, OSB__SAY("a body of unknown size needs read_body"));
        unknown += files[i].body_size_unknown;
    }
    if (count == 0) return osb__refuse(c, OSB__SAY("no files"));
    if (u->verify && unknown > 1)
        return osb__refuse(c, OSB__SAY("more than one file of unknown size to verify"));
    OSB_MEMCPY(u->content_type, "multipart/form-data; boundary=", 30);
    osb__make_boundary(c, OSB__BOUNDARY(u));
    u->header.name = "Content-Type";
    u->header.value = u->content_type;
    u->files = files;
    u->count = count;
    u->request.headers = &u->header;
    u->request.header_count = 1;
    u->request.read_body = osb__upload_read;
    u->request.rewind_body = osb__upload_rewind;
    u->request.user = u;
    u->request.body_size_unknown = !osb__upload_size(u, &u->request.body_size);
    osb__upload_begin_file(u, 0);
    c->next = osb__upload_next;
    return osb__drive(c);
}

OSB_DEF osb_status osb_file_upload(osb_sandbox *box, const osb_upload *files, size_t count,
                                   bool verify)
{
    osb__upload *u = NULL;
    osb_status status = osb__begin_upload(box, &u);
    if (status != OSB_OK) return status;
    u->verify = verify;
    return osb__start_upload(box->client, u, files, count);
}

OSB_DEF osb_status osb_file_write(osb_sandbox *box, const char *path, const void *data, size_t size)
{
    osb__upload *u = NULL;
    osb_status status = osb__begin_upload(box, &u);
    if (status != OSB_OK) return status;
    u->one.path = path;
    u->one.body = data;
    u->one.body_size = size;
    return osb__start_upload(box->client, u, &u->one, 1);
}

/* A call whose body is a bare array or map of the caller's structs. */
static osb_status osb__send_items(osb_sandbox *box, const osb__op *op, const void *items,
                                  size_t count)
{
    osb__call *call = osb__begin_files(box, op);
    osb__items *body;
    if (call == NULL) return OSB_E_BUSY;
    if (!osb__all_named(items, count, (size_t)op->body->half_size * 2u,
                        (op->body->kind & OSB__KIND) == OSB__KEYED))
        return osb__refuse_paths(box->client);
    body = (osb__items *)osb__alloc(box->client, sizeof *body);
    body->items = items;
    body->count = count;
    call->body = body;
    return osb__drive(box->client);
}

OSB_DEF osb_status osb_file_replace(osb_sandbox *box, const osb_replacement *items, size_t count,
                                    int (*on_replaced)(void *user, const osb_replaced *replaced),
                                    void *user)
{
    osb__call *call = osb__begin_files(box, &osb__op_file_replace);
    osb__replaced_list *list;
    osb__items *body;
    if (call == NULL) return OSB_E_BUSY;
    if (!osb__all_named(items, count, sizeof *items, true)) return osb__refuse_paths(box->client);
    body = (osb__items *)osb__alloc(box->client, sizeof *body);
    body->items = items;
    body->count = count;
    list = (osb__replaced_list *)osb__alloc(box->client, sizeof *list);
    list->on_replaced = on_replaced;
    list->verbose = on_replaced != NULL;
    call->body = body;
    call->query = call->answer = list;
    call->user = user;
    return osb__drive(box->client);
}

OSB_DEF osb_status osb_file_move(osb_sandbox *box, const osb_move *moves, size_t count)
{
    return osb__send_items(box, &osb__op_file_move, moves, count);
}

OSB_DEF osb_status osb_file_set_permissions(osb_sandbox *box, const osb_permission *items,
                                            size_t count)
{
    return osb__send_items(box, &osb__op_file_permissions, items, count);
}

OSB_DEF osb_status osb_directory_create(osb_sandbox *box, const osb_permission *items, size_t count)
{
    return osb__send_items(box, &osb__op_directory_create, items, count);
}

static osb_status osb__delete_paths(osb_sandbox *box, const osb__op *op, const char *const *paths,
                                    size_t count)
{
    osb__call *call = osb__begin_files(box, op);
    osb__paths *query;
    if (call == NULL) return OSB_E_BUSY;
    if (count == 0 || !osb__all_named(paths, count, sizeof *paths, false))
        return osb__refuse_paths(box->client);
    query = (osb__paths *)osb__alloc(box->client, sizeof *query);
    query->paths = paths;
    query->count = count;
    call->query = query;
    return osb__drive(box->client);
}

OSB_DEF osb_status osb_file_delete(osb_sandbox *box, const char *const *paths, size_t count)
{
    return osb__delete_paths(box, &osb__op_file_delete, paths, count);
}

OSB_DEF osb_status osb_directory_delete(osb_sandbox *box, const char *const *paths, size_t count)
{
    return osb__delete_paths(box, &osb__op_directory_delete, paths, count);
}
#endif

#if !defined(OSB_NO_BACKGROUND) && !defined(OSB_NO_DURABLE)
enum { /* what a durable run does next */
       OSB__D_START,
       OSB__D_LOG,
       OSB__D_STATUS,
       OSB__D_STDOUT,
       OSB__D_STDERR,
       OSB__D_DONE
};

/* A durable run, in the working buffer. */
typedef struct osb__durable {
    osb_client *client;
    const osb_endpoint *endpoint;
    const osb_command *command; /* NULL: it is followed, or recovered */
    const osb_handlers *handlers;
    osb_execution *run;
    osb_durable_options options;
    uint32_t failures, started_ms; /* failures: in a row */
    uint8_t step;
    bool known;   /* execd knew the command once */
    bool recover; /* for osb_command_recover: output comes from execd's files */
    bool in_tmp;  /* which are in /tmp */
    osb_command_state state;
    osb__cursor_query cursor;
#ifndef OSB_NO_FILES
    osb__read_query read;
    char path[OSB_ID_SIZE + 16];
#endif
} osb__durable;

static osb_status osb__durable_next(osb_client *c, osb_status status);

/* Output of the command, raw. */
static int osb__durable_data(void *user, const void *data, size_t size)
{
    osb__durable *d = (osb__durable *)user;
#ifndef OSB_NO_FILES
    if (d->recover && d->read.from != 0 && d->client->http.status != 206) {
        (void)osb__fail(d->client, OSB_E_PROTOCOL, OSB__SAY("the server ignored the range"));
        return 1;
    }
#endif
    d->failures = 0;
    return osb__output(d->run, d->handlers, d->step == OSB__D_STDERR, (const char *)data, size);
}

/* Gives the caller's handlers an event that execd did not send. */
static osb_status osb__durable_event(osb__durable *d, osb_event_type type, osb_str text)
{
    osb_event event;
    OSB_MEMSET(&event, 0, sizeof event);
    event.type = type;
    event.text = text;
    event.execution_time_ms = osb__now(d->client) - d->started_ms;
    d->run->execution_time_ms = event.execution_time_ms;
    d->client->call.handlers = d->handlers;
    /* It did no harm, and would be taken for the status of a handler's stop. */
    if (d->client->error.status != OSB_OK) osb__forget_error(d->client);
    return osb__event_out(d->client, &event);
}

#ifndef OSB_NO_FILES
/* Where execd keeps a command's output: $TMPDIR/ID.stdout, or if there is no such variable in /tmp. */
static void osb__durable_file(osb__durable *d, osb__call *call)
{
    bool err = d->step == OSB__D_STDERR;
    osb__writer w;
    OSB_MEMSET(&w, 0, sizeof w);
    w.out = (unsigned char *)d->path;
    w.room = sizeof d->path - 1;
    osb__put_text(&w, d->in_tmp ? "/tmp/" : "$TMPDIR/");
    osb__put_text(&w, d->run->id);
    osb__put_text(&w, err ? ".stderr" : ".stdout");
    d->path[w.at] = '\0';
    d->read.path = d->path;
    d->read.from = err ? d->run->stderr_bytes : d->run->stdout_bytes;
    call->query = &d->read;
}
#endif

/* Begins the exchange that comes next, after a pause. */
static osb_status osb__durable_step(osb_client *c, osb__durable *d, uint32_t pause_ms)
{
    static const osb__op *const ops[] = {&osb__op_run, &osb__op_logs, &osb__op_command_status,
#ifndef OSB_NO_FILES
                                         &osb__op_file_read, &osb__op_file_read
#endif
    };
    osb__call *call = osb__then(c, ops[d->step]);
    call->endpoint = d->endpoint;
    call->own = d;
    call->user = d;
    call->once = true;
    if (d->step == OSB__D_LOG) {
        d->cursor.cursor = d->run->stdout_bytes;
        call->id = d->run->id;
        call->query = &d->cursor;
        call->answer = &d->cursor; /* not needed: bytes are counted as they come */
        call->on_data = osb__durable_data;
    } else if (d->step == OSB__D_STATUS) {
        OSB_MEMSET(&d->state, 0, sizeof d->state);
        call->id = d->run->id;
        call->answer = &d->state;
    } else {
#ifndef OSB_NO_FILES
        osb__durable_file(d, call);
        call->on_data = osb__durable_data;
#endif
    }
    c->next = osb__durable_next;
    c->again = true;
    osb__sleep(c, pause_ms);
    return OSB_PENDING;
}

/* Whether a failure may be one of the network, or of a command that execd does not know yet. */
static OSB__APART bool osb__durable_transient(const osb_client *c, const osb__durable *d,
                                              osb_status status)
{
    uint16_t http = c->answered ? c->http.status : 0;
    if (status == OSB_E_CONNECT || status == OSB_E_CLOSED || status == OSB_E_TIMEOUT) return true;
    if (status == OSB_E_NOT_FOUND || (status == OSB_E_API && http == 400)) return !d->known;
    /* What the server's proxy says of a sandbox that does not answer; of a file execd says it. */
    if (http == 500 && status == OSB_E_API) return d->step <= OSB__D_STATUS;
    return status == OSB_E_API && (http == 429 || http == 502 || http == 503 || http == 504);
}

/* The command has ended: what became of it? */
static void osb__durable_outcome(osb__durable *d)
{
    osb_client *c = d->client;
    osb_execution *run = d->run;
    const osb_command *command = d->command;
    osb_str error = d->state.error;
    uint32_t ran_ms = osb__now(c) - d->started_ms;
    run->exit_code = d->state.exit_code;
    run->ended = true;
    run->error_name = osb__view(error.size > 0 ? "" : NULL);
    c->kept = c->base; /* of the state's texts only this one stays */
    run->error_value = error.size > 0 ? osb__keep(c, error.data, error.size) : osb__view(NULL);
    c->base = c->kept;
    osb__must_fit(c, OSB__LEAST_WINDOW);
    if (command != NULL && command->timeout_ms > 0 && run->exit_code.set &&
        run->exit_code.value == -1 && ran_ms >= command->timeout_ms)
        run->timed_out = true;
}

/* An exchange went well: what comes next? */
static osb_status osb__durable_go_on(osb_client *c, osb__durable *d)
{
    switch (d->step) {
    case OSB__D_LOG:
        d->known = true;
        d->step = d->run->ended ? OSB__D_DONE : OSB__D_STATUS;
        break;
    case OSB__D_STATUS:
        d->known = true;
        if (!d->state.running) osb__durable_outcome(d);
        if (d->recover && d->state.running) return osb__durable_step(c, d, d->options.interval_ms);
        d->step = d->recover ? OSB__D_STDOUT : OSB__D_LOG;
        if (d->state.running) return osb__durable_step(c, d, d->options.interval_ms);
        break;
    case OSB__D_STDOUT:
        d->step = OSB__D_STDERR;
        break;
    default:
        d->step = OSB__D_DONE;
        break;
    }
    if (d->step != OSB__D_DONE) return osb__durable_step(c, d, 0);
    return osb__durable_event(d, OSB_EVENT_COMPLETE, osb__view(NULL));
}

/* How long to leave the server alone after a failure: as long as it asks for, within reason. */
static uint32_t osb__durable_pause(const osb_client *c, const osb__durable *d)
{
    uint32_t pause_ms = d->known ? d->options.pause_ms : 100, after_s = c->error.retry_after_s;
    if (after_s > 30) after_s = 30;
    return pause_ms > after_s * 1000u ? pause_ms : after_s * 1000u;
}

static osb_status osb__durable_interrupt(osb_client *c, const osb__durable *d)
{
    c->call.own = d->run;
    return osb__interrupt_begun(c, &osb__op_interrupt);
}

static osb_status osb__durable_next(osb_client *c, osb_status status)
{
    osb__durable *d = (osb__durable *)c->call.own;
    bool file = d->step == OSB__D_STDOUT || d->step == OSB__D_STDERR;
    bool transient = osb__durable_transient(c, d, status);
    file = file && c->answered && status != OSB_E_CANCELLED;
    if (file && status == OSB_E_API && c->http.status == 416) status = OSB_OK; /* no more */
    if (file && !transient && status < 0 && c->http.status >= 400 && !d->in_tmp) {
        d->in_tmp = true;
        return osb__durable_step(c, d, 0);
    }
    if (status == OSB_OK) {
        d->failures = 0;
        return osb__durable_go_on(c, d);
    }
    if (transient && d->failures < d->options.retries) {
        d->failures++;
        return osb__durable_step(c, d, osb__durable_pause(c, d));
    }
    if (status != OSB_E_CANCELLED || d->command == NULL || d->command->keep_running) return status;
    return osb__durable_interrupt(c, d);
}

/* The command has started, in the background. */
static osb_status osb__durable_started(osb_client *c, osb_status status)
{
    osb_execution *run = (osb_execution *)c->call.own;
    osb__durable *d = (osb__durable *)c->call.user;
    bool broken = status == OSB_E_TRUNCATED || status == OSB_E_CLOSED || status == OSB_E_TIMEOUT;
    if (status == OSB_OK || (broken && run->id[0] != '\0')) {
        run->ended = false;
        run->stdout_bytes = run->stderr_bytes = 0; /* the log has all of it */
        d->step = OSB__D_LOG;
        status = osb__durable_event(d, OSB_EVENT_INIT, osb__view(run->id));
        if (status == OSB_OK) return osb__durable_step(c, d, 0);
    }
    if (status != OSB_E_CANCELLED || d->command->keep_running) return status;
    return osb__durable_interrupt(c, d);
}

static osb_status osb__begin_durable(osb_sandbox *box, const osb__op *op,
                                     const osb_durable_options *options,
                                     const osb_handlers *handlers, osb_execution *execution,
                                     osb__durable **durable)
{
    osb_client *c = box->client;
    osb__durable *d;
    if (osb__begin_execd(box, op) == NULL) return OSB_E_BUSY;
    if (!osb__has_room(c, sizeof *d + sizeof(osb_command) + sizeof(osb_event))) return OSB_E_BUFFER;
    d = (osb__durable *)osb__alloc(c, sizeof *d);
    if (options != NULL) d->options = *options;
    d->options.interval_ms = osb__default(d->options.interval_ms, 500);
    d->options.retries = osb__default(d->options.retries, 10);
    d->options.pause_ms = osb__default(d->options.pause_ms, 1000);
    d->client = c;
    d->endpoint = &box->execd;
    d->handlers = handlers;
    d->run = execution;
    d->started_ms = osb__now(c);
    *durable = d;
    return OSB_OK;
}

OSB_DEF osb_status osb_command_run_durable(osb_sandbox *box, const osb_command *command,
                                           const osb_durable_options *options,
                                           const osb_handlers *handlers, osb_execution *execution)
{
    osb_client *c = box->client;
    osb__durable *d = NULL;
    osb_command *background;
    osb_status status = osb__begin_durable(box, &osb__op_run, options, handlers, execution, &d);
    if (status != OSB_E_BUSY) OSB_MEMSET(execution, 0, sizeof *execution);
    if (status != OSB_OK) return status;
    if ((command->command == NULL) == (command->argv == NULL))
        return osb__refuse(c, OSB__SAY("osb_command needs one of command and argv"));
    d->command = command;
    background = (osb_command *)osb__alloc(c, sizeof *background);
    *background = *command;
    background->background = true;
    c->call.body = background;
    c->call.own = execution;
    c->call.user = d;
    c->call.answer = osb__alloc(c, sizeof(osb_event));
    c->next = osb__durable_started;
    return osb__drive(c);
}

/* Takes up a command that runs, or ran, somewhere. */
static osb_status osb__take_up(osb_sandbox *box, const osb_durable_options *options,
                               const osb_handlers *handlers, osb_execution *execution, bool recover)
{
    osb__durable *d = NULL;
    osb_status status =
        osb__begin_durable(box, &osb__op_command_status, options, handlers, execution, &d);
    if (status != OSB_OK) return status;
    OSB_MEMSET(&execution->exit_code, 0, sizeof execution->exit_code); /* of an earlier command */
    OSB_MEMSET(&execution->error_name, 0, sizeof execution->error_name);
    OSB_MEMSET(&execution->error_value, 0, sizeof execution->error_value);
    execution->ended = execution->timed_out = false;
    if (!osb__is_segment(execution->id)) return osb__refuse(box->client, OSB__SAY("no id"));
    d->recover = recover;
    d->step = recover ? OSB__D_STATUS : OSB__D_LOG;
    (void)osb__durable_step(box->client, d, 0);
    return osb__drive(box->client);
}

OSB_DEF osb_status osb_command_follow(osb_sandbox *box, const osb_durable_options *options,
                                      const osb_handlers *handlers, osb_execution *execution)
{
    return osb__take_up(box, options, handlers, execution, false);
}

#ifndef OSB_NO_FILES
OSB_DEF osb_status osb_command_recover(osb_sandbox *box, const osb_durable_options *options,
                                       const osb_handlers *handlers, osb_execution *execution)
{
    return osb__take_up(box, options, handlers, execution, true);
}
#endif
#endif

#ifndef OSB_NO_METRICS
static const osb__field osb__metrics_fields[] = {
    {"cpu_count", NULL, OSB__AT(osb_metrics, cpu_count_milli), OSB__MILLI, 0},
    {"cpu_used_pct", NULL, OSB__AT(osb_metrics, cpu_used_pct_milli), OSB__MILLI, 0},
    {"mem_total_mib", NULL, OSB__AT(osb_metrics, mem_total_mib_milli), OSB__MILLI, 0},
    {"mem_used_mib", NULL, OSB__AT(osb_metrics, mem_used_mib_milli), OSB__MILLI, 0},
    {"timestamp", NULL, OSB__AT(osb_metrics, timestamp_ms), OSB__I64 | OSB__REQUIRED, 0},
    {"error", NULL, OSB__AT(osb_metrics, error), OSB__CUT | OSB__LAST, 0}};
static const osb__field osb__metrics_root = {NULL, osb__metrics_fields, 0,
                                             OSB__OBJECT | OSB__REQUIRED, OSB__HALF(osb_metrics)};
/* A stream's line may be an error instead. */
static const osb__field osb__metrics_line = {NULL, osb__metrics_fields, 0, OSB__OBJECT,
                                             OSB__HALF(osb_metrics)};

typedef struct osb__metrics_watch {
    osb_metrics item;
    int (*on_metrics)(void *user, const osb_metrics *metrics);
} osb__metrics_watch;

static int osb__metrics_out(const osb__out *out)
{
    const osb__call *call = &out->client->call;
    const osb__metrics_watch *watch = (const osb__metrics_watch *)call->answer;
    return watch->on_metrics == NULL ? 0 : watch->on_metrics(call->user, &watch->item);
}

static const osb__op osb__op_metrics = {"GET /metrics", NULL, NULL, &osb__metrics_root, NULL, 0};
static const osb__op osb__op_metrics_watch = {
    "GET /metrics/watch", NULL, NULL, &osb__metrics_line, osb__metrics_out, OSB__EVENTS};

OSB_DEF osb_status osb_metrics_get(osb_sandbox *box, osb_metrics *metrics)
{
    return osb__ask_execd(box, &osb__op_metrics, NULL, metrics);
}

OSB_DEF osb_status osb_metrics_watch(osb_sandbox *box,
                                     int (*on_metrics)(void *user, const osb_metrics *metrics),
                                     void *user)
{
    osb__call *call = osb__begin_execd(box, &osb__op_metrics_watch);
    osb__metrics_watch *watch;
    if (call == NULL) return OSB_E_BUSY;
    watch = (osb__metrics_watch *)osb__alloc(box->client, sizeof *watch);
    watch->on_metrics = on_metrics;
    call->answer = watch;
    call->user = user;
    return osb__drive(box->client);
}
#endif

/* ==== websocket ===============================================================================*/

#ifndef OSB_NO_PTY
/* The terminal of osb_pty_attach: RFC 6455, with frames of any size in a buffer of any size. */

static uint32_t osb__rotate(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

/* SHA-1's block function, with a window of 16 words for its 80. */
static OSB__APART void osb__sha1_block(uint32_t h[5], uint32_t w[16])
{
    static const uint32_t k[4] = {0x5a827999u, 0x6ed9eba1u, 0x8f1bbcdcu, 0xca62c1d6u};
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f, next;
    unsigned i;
    for (i = 0; i < 80; i++) {
        uint32_t *word = &w[i & 15u];
        if (i >= 16)
            *word = osb__rotate(w[(i + 13) & 15u] ^ w[(i + 8) & 15u] ^ w[(i + 2) & 15u] ^ *word, 1);
        if (i < 20) f = (b & c) | (~b & d);
        else if (i < 40 || i >= 60) f = b ^ c ^ d;
        else f = (b & c) | (b & d) | (c & d);
        next = osb__rotate(a, 5) + f + e + k[i / 20] + *word;
        e = d;
        d = c;
        c = osb__rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

/* SHA-1 of a text of 56 to 119 bytes: two blocks. */
static OSB__APART void osb__sha1(const char *text, size_t size, unsigned char digest[20])
{
    uint32_t h[5] = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u}, w[16];
    size_t i, at;
    for (at = 0; at < 128; at += 64) {
        OSB_MEMSET(w, 0, sizeof w);
        for (i = at; i < at + 64; i++) {
            uint32_t byte = i < size ? (unsigned char)text[i] : i == size ? 0x80u : 0;
            w[(i - at) / 4] |= byte << (24 - 8 * (i & 3u));
        }
        if (at == 64) w[15] = (uint32_t)size * 8u;
        osb__sha1_block(h, w);
    }
    for (i = 0; i < 20; i++) digest[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i & 3u)));
}

static void osb__put_base64(osb__writer *w, const unsigned char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t i;
    for (i = 0; i < size; i += 3) {
        uint32_t bits = (uint32_t)data[i] << 16;
        if (i + 1 < size) bits |= (uint32_t)data[i + 1] << 8;
        if (i + 2 < size) bits |= data[i + 2];
        osb__put_char(w, digits[bits >> 18]);
        osb__put_char(w, digits[bits >> 12 & 63u]);
        osb__put(w, i + 1 < size ? &digits[bits >> 6 & 63u] : "=", 1);
        osb__put(w, i + 2 < size ? &digits[bits & 63u] : "=", 1);
    }
}

/* What the server says in text frames. */
typedef struct osb__pty_message {
    osb_str type, error, code;
    osb_i32 exit_code;
} osb__pty_message;
static const osb__field osb__pty_message_fields[] = {
    {"type", NULL, OSB__AT(osb__pty_message, type), OSB__VIEW, 0},
    {"error", NULL, OSB__AT(osb__pty_message, error), OSB__CUT, 0},
    {"code", NULL, OSB__AT(osb__pty_message, code), OSB__VIEW, 0},
    {"exit_code", NULL, OSB__AT(osb__pty_message, exit_code), OSB__OPT_I32 | OSB__LAST, 0}};
static const osb__field osb__pty_message_root = {NULL, osb__pty_message_fields, 0, OSB__OBJECT, 0};

typedef struct osb__pty_query {
    uint64_t since;
    osb_u32 pty;
    uint32_t takeover;
} osb__pty_query;
static const osb__field osb__pty_query_fields[] = {
    {"pty", NULL, OSB__AT(osb__pty_query, pty), OSB__OPT_U32, 0},
    {"since", NULL, OSB__AT(osb__pty_query, since), OSB__COUNT, 0},
    {"takeover", NULL, OSB__AT(osb__pty_query, takeover), OSB__U32 | OSB__LAST, 0}};

enum { /* opcodes */
       OSB__W_CONTINUATION = 0,
       OSB__W_TEXT = 1,
       OSB__W_BINARY = 2,
       OSB__W_CLOSE = 8,
       OSB__W_PING = 9,
       OSB__W_PONG = 10
};

#define OSB__W_PAYLOAD 120u /* of the frames that we send */
#define OSB__W_CONTROL 125u /* of a control frame, at most */
#define OSB__W_HEAD 6u      /* of a frame that is no larger than this: with its mask */

/* An attachment, in the working buffer. */
typedef struct osb__socket {
    osb__dialogue dialogue; /* first: the engine knows no more of it */
    osb_pty *pty;
    const osb_pty_handlers *handlers;
    osb_request request;
    osb_pair headers[4];
    osb__pty_query query;
    char key[25], proof[OSB__PROOF]; /* what we ask, and the answer to it */
    bool accepted;                   /* the server has proved that it speaks WebSocket */
    bool detached;                   /* the input has ended */
    bool pong, hang_up;              /* an answer to a ping, a Close: to be sent */
    bool closed, heard;              /* our Close has been made; the server's has come */
    uint32_t reconnections, seed;
    /* The frame that comes. */
    uint64_t left;         /* bytes of its payload that are still to come */
    uint64_t offset, skip; /* of a replay: where it begins, and how much of it is known already */
    uint8_t head[10], have, opcode;
    uint8_t message;            /* the opcode that its message began with; 0: none is under way */
    uint8_t kind, offset_bytes; /* of a binary message: its first byte; missing bytes of `offset` */
    uint8_t control_size;
    bool fin, in_frame, in_message;
    osb__pty_message text;
    unsigned char control[OSB__W_CONTROL];
    /* The frame that goes. */
    uint8_t out_at, out_size;
    unsigned char out[OSB__W_HEAD + OSB__W_CONTROL];
} osb__socket;

static OSB__APART void osb__socket_reset(osb__socket *s)
{
    s->accepted = s->pong = s->hang_up = s->closed = s->heard = s->fin = s->in_frame =
        s->in_message = false;
    s->have = s->message = s->out_at = s->out_size = s->control_size = 0;
    s->left = 0;
    s->proof[0] = '\0';
    s->pty->connected = false;
}

static void osb__socket_random(osb_client *c, unsigned char *out, size_t size)
{
    const osb_port *port = &c->config.port;
    osb__socket *s = (osb__socket *)c->call.own;
    size_t i;
    for (i = 0; i < size; i++) {
        s->seed = s->seed * 1664525u + 1013904223u + osb__now(c);
        out[i] = (unsigned char)(s->seed >> 24);
    }
    if (port->ops->random != NULL) (void)port->ops->random(port->ctx, out, size);
}

/* Completes the frame whose payload stands in `out`, behind the room for its head. */
static void osb__socket_frame(osb_client *c, unsigned opcode, size_t size)
{
    osb__socket *s = (osb__socket *)c->call.own;
    unsigned char *mask = s->out + 2;
    size_t i;
    s->out[0] = (unsigned char)(0x80u | opcode);
    s->out[1] = (unsigned char)(0x80u | size);
    osb__socket_random(c, mask, 4);
    for (i = 0; i < size; i++) s->out[OSB__W_HEAD + i] ^= mask[i & 3u];
    s->out_at = 0;
    s->out_size = (uint8_t)(OSB__W_HEAD + size);
}

/* So long the server may take to say that it has heard our Close; in blocking mode a slice less, so that
   the end of this time, up to which a poll may wait, is no time-out. */
#define OSB__CLOSE_MS 1000u

static void osb__socket_hang_up(osb_client *c)
{
    osb__socket *s = (osb__socket *)c->call.own;
    s->out[OSB__W_HEAD] = 1000 >> 8;
    s->out[OSB__W_HEAD + 1] = 1000 & 0xff;
    osb__socket_frame(c, OSB__W_CLOSE, 2);
    s->closed = true;
    c->deadline_ms = osb__now(c) + OSB__CLOSE_MS;
}

static size_t osb__put_resize(osb__writer *w, const osb_pty *pty)
{
    osb__put_text(w, "{\"type\":\"resize\",\"cols\":");
    osb__put_number(w, pty->columns);
    osb__put_text(w, ",\"rows\":");
    osb__put_number(w, pty->rows);
    osb__put_char(w, '}');
    return (size_t)w->at;
}

static size_t osb__put_signal(osb__writer *w, const osb_pty *pty)
{
    osb__put_text(w, "{\"type\":\"signal\",\"signal\":");
    osb__put_string(w, pty->signal);
    osb__put_char(w, '}');
    return (size_t)w->at;
}

/* What is to be sent next: answers first, then what the caller said between two polls, then input. */
static OSB__APART osb_status osb__socket_next_frame(osb_client *c)
{
    osb__socket *s = (osb__socket *)c->call.own;
    osb_pty *pty = s->pty;
    unsigned char *payload = s->out + OSB__W_HEAD;
    osb__writer w;
    int n;
    OSB_MEMSET(&w, 0, sizeof w);
    w.out = payload;
    w.room = OSB__W_PAYLOAD;
    if (s->pong) {
        s->pong = false;
        OSB_MEMCPY(payload, s->control, s->control_size);
        osb__socket_frame(c, OSB__W_PONG, s->control_size);
    } else if (s->hang_up && !s->closed) {
        osb__socket_hang_up(c);
    } else if (s->closed || !pty->connected) {
        return OSB_OK;
    } else if (pty->resized) {
        pty->resized = false;
        osb__socket_frame(c, OSB__W_TEXT, osb__put_resize(&w, pty));
    } else if (pty->signal != NULL) {
        size_t size = osb__put_signal(&w, pty);
        pty->signal = NULL;
        if (size > OSB__W_PAYLOAD) return osb__fail(c, OSB_E_INVALID, OSB__SAY("no such signal"));
        osb__socket_frame(c, OSB__W_TEXT, size);
    } else if (s->handlers != NULL && s->handlers->read_input != NULL) {
        payload[0] = 0; /* stdin */
        n = s->handlers->read_input(s->handlers->user, payload + 1, OSB__W_PAYLOAD - 1);
        if (n == OSB_IO_CLOSED) {
            s->detached = s->hang_up = true;
            osb__socket_hang_up(c); /* at once: a connection that breaks now has broken behind it */
        } else if (n > 0 && (size_t)n < OSB__W_PAYLOAD) {
            osb__socket_frame(c, OSB__W_BINARY, (size_t)n + 1);
        } else if (n != 0 && n != OSB_IO_WANT_READ) {
            return osb__stopped(c);
        }
    }
    return OSB_OK;
}

static osb_status osb__socket_broken(osb_client *c, int io)
{
    if (io == OSB_IO_FAILED) osb__port_error(c);
    return osb__fail(c, OSB_E_TRUNCATED, OSB__SAY("the terminal's connection broke"));
}

/* Sends what there is. The want that keeps it from that is added to the client's. */
static OSB__APART osb_status osb__socket_send(osb_client *c)
{
    const osb_port *port = &c->config.port;
    osb__socket *s = (osb__socket *)c->call.own;
    osb_status status;
    int io;
    if (s->out_at == s->out_size) {
        s->out_at = s->out_size = 0;
        status = osb__socket_next_frame(c);
        if (status != OSB_OK || s->out_size == 0) return status;
    }
    io = (port->ops->send)(port->ctx, s->out + s->out_at, (size_t)(s->out_size - s->out_at));
    if (io > 0) {
        s->out_at = (uint8_t)(s->out_at + io);
        if (s->out_at == s->out_size) OSB_MEMSET(s->out, 0, sizeof s->out); /* perhaps a password */
        return OSB_OK;
    }
    if (!osb__is_later(io)) return osb__socket_broken(c, io);
    osb__want_io(c, io);
    return OSB_PENDING;
}

/* The server's last frame: its code and reason. One that ends the call is answered if it can be. */
static OSB__APART osb_status osb__socket_closed(osb_client *c)
{
    const osb_port *port = &c->config.port;
    osb__socket *s = (osb__socket *)c->call.own;
    osb_pty *pty = s->pty;
    s->hang_up = s->heard = true;
    pty->close_code = 1005; /* it gave none */
    if (s->control_size >= 2)
        pty->close_code = (uint16_t)((unsigned)s->control[0] << 8 | s->control[1]);
    if (pty->exit_code.set || s->detached) return OSB_OK;
    if (s->out_at == s->out_size) {
        osb__socket_hang_up(c);
        (void)(port->ops->send)(port->ctx, s->out, s->out_size);
    }
    if (s->control_size > 2) {
        size_t size = osb__whole_characters(s->control + 2, s->control_size - 2u);
        c->kept = c->base;
        c->error.message = osb__keep(c, s->control + 2, size);
    }
    return osb__fail(c, OSB_E_STREAM, NULL);
}

/* A text frame's JSON is complete. */
static osb_status osb__socket_message(osb_client *c)
{
    osb__socket *s = (osb__socket *)c->call.own;
    osb__pty_message *text = &s->text;
    if (osb_str_equal(text->type, "connected")) {
        s->pty->connected = true;
        if (s->handlers != NULL && s->handlers->on_connected != NULL &&
            s->handlers->on_connected(s->handlers->user) != 0)
            return osb__stopped(c);
    } else if (osb_str_equal(text->type, "exit")) {
        s->pty->exit_code = text->exit_code;
    } else if (osb_str_equal(text->type, "error")) {
        c->error.code = text->code;
        c->error.message = text->error;
        return osb__fail(c, OSB_E_STREAM, NULL);
    }
    return OSB_OK;
}

/* Output: `skip` bytes of it have been there already. */
static osb_status osb__socket_output(osb_client *c, const unsigned char *data, size_t size)
{
    osb__socket *s = (osb__socket *)c->call.own;
    const osb_pty_handlers *handlers = s->handlers;
    osb_stream stream = s->kind == 2 ? OSB_STDERR : OSB_STDOUT;
    size_t seen = s->skip < size ? (size_t)s->skip : size;
    s->skip -= seen;
    if (size == seen) return OSB_OK;
    s->pty->offset += size - seen;
    if (handlers == NULL || handlers->on_output == NULL ||
        handlers->on_output(handlers->user, stream, data + seen, size - seen) == 0)
        return OSB_OK;
    return osb__stopped(c);
}

/* Where a replay begins is known: what is missing, and what is not wanted? */
static void osb__socket_replay(osb__socket *s)
{
    osb_pty *pty = s->pty;
    s->skip = 0;
    if (s->offset <= pty->offset) {
        s->skip = pty->offset - s->offset;
    } else {
        pty->lost_bytes += s->offset - pty->offset;
        pty->offset = s->offset;
    }
}

/* Bytes of a binary message: its kind, for a replay its offset, and output. */
static osb_status osb__socket_binary(osb_client *c, size_t end)
{
    osb__socket *s = (osb__socket *)c->call.own;
    size_t from;
    if (!s->in_message && c->in < end) {
        s->in_message = true;
        s->kind = c->buffer[c->in++];
        s->offset_bytes = s->kind == 3 ? 8 : 0;
        s->offset = 0;
        s->skip = 0;
        if (s->kind < 1 || s->kind > 3)
            return osb__bad_http(c, OSB__SAY("a terminal's frame of an unknown kind"));
    }
    while (s->offset_bytes > 0 && c->in < end) {
        s->offset = s->offset << 8 | c->buffer[c->in++];
        if (--s->offset_bytes == 0) osb__socket_replay(s);
    }
    from = c->in;
    c->in = end;
    return from < end ? osb__socket_output(c, c->buffer + from, end - from) : OSB_OK;
}

static osb_status osb__socket_text(osb_client *c, size_t end)
{
    osb__socket *s = (osb__socket *)c->call.own;
    osb_status status = OSB_OK;
    if (!s->in_message) {
        s->in_message = true;
        c->kept = c->base;
        OSB_MEMSET(&s->text, 0, sizeof s->text);
        osb__json_begin(c, &osb__pty_message_root, &s->text);
    }
    while (c->in < end && status == OSB_OK) {
        if (c->json.state == OSB__J_DONE) c->in = end;
        else status = osb__json_feed(c, end);
    }
    return status;
}

static osb_status osb__socket_payload(osb_client *c, size_t end)
{
    osb__socket *s = (osb__socket *)c->call.own;
    if (s->opcode == OSB__W_PONG) {
        c->in = end;
        return OSB_OK;
    }
    if (s->opcode >= OSB__W_CLOSE) {
        OSB_MEMCPY(s->control + s->control_size, c->buffer + c->in, end - c->in);
        s->control_size = (uint8_t)(s->control_size + (end - c->in));
        c->in = end;
        return OSB_OK;
    }
    return s->message == OSB__W_TEXT ? osb__socket_text(c, end) : osb__socket_binary(c, end);
}

/* A frame is complete. */
static osb_status osb__socket_frame_end(osb_client *c)
{
    osb__socket *s = (osb__socket *)c->call.own;
    s->have = 0;
    if (s->opcode == OSB__W_PING) s->pong = !s->closed;
    if (s->opcode == OSB__W_CLOSE) return osb__socket_closed(c);
    if (s->opcode >= OSB__W_CLOSE || !s->fin) return OSB_OK;
    if (s->message == OSB__W_BINARY) {
        s->message = 0;
        return OSB_OK;
    }
    s->message = 0;
    if (c->json.state != OSB__J_DONE) return osb__malformed(c);
    return osb__socket_message(c);
}

/* A frame's head is complete: is it one that may come now? */
static OSB__APART osb_status osb__socket_head(osb_client *c)
{
    osb__socket *s = (osb__socket *)c->call.own;
    unsigned opcode = s->head[0] & 15u, size = s->head[1], i;
    bool control = opcode >= OSB__W_CLOSE, fin = s->head[0] >= 0x80u, good;
    s->left = size;
    if (size >= 126) {
        s->left = 0;
        for (i = 2; i < s->have; i++) s->left = s->left << 8 | s->head[i];
    }
    good = (s->head[0] & 0x70u) == 0 && s->left <= (uint64_t)INT64_MAX;
    if (control) good = good && opcode <= OSB__W_PONG && fin && size <= OSB__W_CONTROL;
    else if (opcode == OSB__W_CONTINUATION) good = good && s->message != 0;
    else good = good && opcode <= OSB__W_BINARY && s->message == 0;
    if (!good) return osb__bad_http(c, OSB__SAY("not a WebSocket frame"));
    s->opcode = (uint8_t)opcode;
    if (control) {
        if (opcode == OSB__W_PONG) return OSB_OK;
        s->control_size = 0;
        s->pong = false; /* if it could not be sent yet, the last ping's is enough */
        return OSB_OK;
    }
    s->fin = fin;
    if (opcode != OSB__W_CONTINUATION) {
        s->message = (uint8_t)opcode;
        s->in_message = false;
    }
    return OSB_OK;
}

/* One byte of a frame's head; OSB_PENDING: there is more of it. */
static osb_status osb__socket_head_byte(osb_client *c, unsigned char byte)
{
    osb__socket *s = (osb__socket *)c->call.own;
    unsigned need;
    s->head[s->have++] = byte;
    if (s->have < 2) return OSB_PENDING;
    if (s->head[1] >= 0x80u) return osb__bad_http(c, OSB__SAY("a masked WebSocket frame"));
    need = s->head[1] == 127 ? 10 : s->head[1] == 126 ? 4 : 2;
    return s->have < need ? OSB_PENDING : osb__socket_head(c);
}

/* Consumes what has been received: up to the end of a frame, since that may want an answer. */
static OSB__APART osb_status osb__socket_consume(osb_client *c)
{
    osb__socket *s = (osb__socket *)c->call.own;
    osb_status status = OSB_PENDING;
    size_t n;
    while (!s->in_frame && status == OSB_PENDING) {
        if (c->in == c->in_end) return OSB_OK;
        status = osb__socket_head_byte(c, c->buffer[c->in++]);
        s->in_frame = status == OSB_OK;
    }
    if (status < 0) return status;
    n = c->in_end - c->in;
    if (n > s->left) n = (size_t)s->left;
    s->left -= n;
    status = osb__socket_payload(c, c->in + n); /* of an empty frame, too: it may be a message */
    if (status != OSB_OK || s->left > 0) return status;
    s->in_frame = false;
    return osb__socket_frame_end(c);
}

static OSB__APART osb_status osb__socket_receive(osb_client *c)
{
    const osb_port *port = &c->config.port;
    int io;
    if (!osb__make_room(c)) return osb__json_overflow(c);
    io = (port->ops->recv)(port->ctx, c->buffer + c->in_end, c->limit - 1 - c->in_end);
    if (io > 0) {
        c->in_end += (size_t)io;
        c->received += (uint32_t)io;
        return OSB_OK;
    }
    if (!osb__is_later(io)) return osb__socket_broken(c, io);
    osb__want_io(c, io);
    return OSB_PENDING;
}

/* Whether the server has proved that it speaks WebSocket. */
static OSB__APART bool osb__socket_is_accepted(const osb__socket *s)
{
    char text[24 + 36], expected[OSB__PROOF];
    unsigned char digest[20];
    osb__writer w;
    OSB_MEMCPY(text, s->key, 24);
    OSB_MEMCPY(text + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    osb__sha1(text, sizeof text, digest);
    OSB_MEMSET(&w, 0, sizeof w);
    w.out = (unsigned char *)expected;
    w.room = sizeof expected;
    osb__put_base64(&w, digest, sizeof digest);
    return OSB_MEMCMP(s->proof, expected, sizeof expected) == 0;
}

/* One piece of the dialogue. */
static osb_status osb__socket_step(osb_client *c)
{
    osb__socket *s = (osb__socket *)c->call.own;
    osb_status sent, status;
    s->accepted = s->accepted || osb__socket_is_accepted(s);
    if (!s->accepted) return osb__bad_http(c, OSB__SAY("no Sec-WebSocket-Accept, or a wrong one"));
    sent = osb__socket_send(c);
    /* Once we hang up, a failure to send is of no account. But to close a connection with unread bytes
       resets it, and what was sent is lost: so the server's own Close has to come first. */
    c->ended = s->hang_up && (sent < 0 || (s->closed && s->out_at == s->out_size && s->heard));
    if (c->ended) return OSB_OK;
    /* A connection that takes no more may hold what came before: how the shell ended, say. */
    if (sent < 0 && sent != OSB_E_TRUNCATED) return sent;
    if (sent < 0) c->error.status = OSB_OK; /* see osb__stopped */
    if (s->heard) {
        status = sent;
    } else {
        status = c->in < c->in_end ? osb__socket_consume(c) : osb__socket_receive(c);
        if (status == OSB_OK && !s->closed) osb__set_deadline(c);
    }
    if (s->closed && !s->heard &&
        (status == OSB_E_TRUNCATED || osb__until(c, c->deadline_ms) <= OSB__SLICE_MS)) {
        c->ended = true;
        return OSB_OK;
    }
    if (status != OSB_PENDING) return status;
    if (sent < 0) return osb__fail(c, sent, NULL);
    return sent == OSB_OK && s->out_size == 0 ? status : sent;
}

static const osb__field osb__pty_body_fields[] = {
    {"cwd", NULL, OSB__AT(osb_pair, name), OSB__STRING, 0},
    {"command", NULL, OSB__AT(osb_pair, value), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__pty_created_fields[] = {{"session_id", NULL, OSB__AT(osb_pty, id),
                                                      OSB__COPY | OSB__REQUIRED | OSB__LAST,
                                                      OSB_ID_SIZE / 2}};
static const osb__field osb__pty_created_root = {NULL, osb__pty_created_fields, 0,
                                                 OSB__OBJECT | OSB__REQUIRED, OSB__HALF(osb_pty)};
static const osb__field osb__pty_state_fields[] = {
    {"session_id", NULL, OSB__AT(osb_pty_state, id), OSB__VIEW, 0},
    {"running", NULL, OSB__AT(osb_pty_state, running), OSB__BOOL, 0},
    {"output_offset", NULL, OSB__AT(osb_pty_state, output_bytes), OSB__U64 | OSB__LAST, 0}};
static const osb__field osb__pty_state_root = {NULL, osb__pty_state_fields, 0, OSB__OBJECT,
                                               OSB__HALF(osb_pty_state)};

static const osb__op osb__op_pty_create = {
    "POST /pty", NULL, osb__pty_body_fields, &osb__pty_created_root, NULL, 0};
static const osb__op osb__op_pty_get = {"GET /pty/{id}", NULL, NULL, &osb__pty_state_root, NULL, 0};
static const osb__op osb__op_pty_delete = {"DELETE /pty/{id}", NULL, NULL, NULL, NULL, 0};
static const osb__op osb__op_pty_attach = {
    "GET /pty/{id}/ws", osb__pty_query_fields, NULL, NULL, NULL, OSB__UPGRADE | OSB__SOURCE};

OSB_DEF osb_status osb_pty_create(osb_sandbox *box, const char *cwd, const char *command,
                                  osb_pty *pty)
{
    osb__call *call = osb__begin_execd(box, &osb__op_pty_create);
    osb_pair *body;
    if (call == NULL) return OSB_E_BUSY;
    body = (osb_pair *)osb__alloc(box->client, sizeof *body);
    body->name = cwd;
    body->value = command;
    call->body = body;
    return osb__ask(box->client, call, NULL, pty);
}

OSB_DEF osb_status osb_pty_get(osb_sandbox *box, const char *id, osb_pty_state *state)
{
    return osb__ask_execd(box, &osb__op_pty_get, id, state);
}

OSB_DEF osb_status osb_pty_delete(osb_sandbox *box, const char *id)
{
    return osb__ask_execd(box, &osb__op_pty_delete, id, NULL);
}

OSB_DEF void osb_pty_resize(osb_pty *pty, uint16_t columns, uint16_t rows)
{
    pty->columns = columns;
    pty->rows = rows;
    pty->resized = true;
}

OSB_DEF void osb_pty_signal(osb_pty *pty, const char *signal)
{
    pty->signal = signal;
}

/* A new key for each connection. */
static void osb__socket_key(osb_client *c)
{
    osb__socket *s = (osb__socket *)c->call.own;
    unsigned char random[16];
    osb__writer w;
    osb__socket_random(c, random, sizeof random);
    OSB_MEMSET(&w, 0, sizeof w);
    w.out = (unsigned char *)s->key;
    w.room = 24;
    osb__put_base64(&w, random, sizeof random);
}

/* Whether a Close says that the server, or the sandbox behind its proxy, cannot go on just now. */
static bool osb__is_outage(uint16_t close_code)
{
    return close_code == 1001 || (close_code >= 1011 && close_code <= 1014);
}

/* Broken: attaches again, behind the last byte that came. */
static osb_status osb__pty_next(osb_client *c, osb_status status)
{
    osb__socket *s = (osb__socket *)c->call.own;
    bool broken = status == OSB_E_TRUNCATED || status == OSB_E_CLOSED || status == OSB_E_TIMEOUT ||
                  status == OSB_E_CONNECT ||
                  (status == OSB_E_STREAM && osb__is_outage(s->pty->close_code));
    uint8_t unsent = 0; /* the size of a frame that goes again: it has not got there whole */
    if (s->out_at < s->out_size && (s->out[0] & 15u) <= OSB__W_BINARY) unsent = s->out_size;
    s->pty->connected = false;
    if (!broken || s->pty->exit_code.set || s->reconnections == 0) {
        OSB_MEMSET(s->out, 0, sizeof s->out);
        return broken && s->pty->exit_code.set ? OSB_OK : status;
    }
    s->reconnections--;
    s->pty->close_code = 0;
    osb__socket_reset(s);
    s->out_size = unsent;
    osb__socket_key(c);
    if (s->pty->columns > 0) s->pty->resized = true; /* what was sent may not have got there */
    s->query.since = s->pty->offset;
    s->query.takeover = 1; /* the server may not know yet that we are gone */
    return osb__again(c, 200, osb__pty_next);
}

OSB_DEF osb_status osb_pty_attach(osb_sandbox *box, osb_pty *pty, const osb_pty_options *options,
                                  const osb_pty_handlers *handlers)
{
    /* OpenSandbox's ingress takes a capital "Upgrade" for a sign to use a proxy of its own, which loses
       the endpoint's headers, and makes a connection that breaks behind it an orderly Close. */
    static const osb_pair headers[] = {{"Upgrade", "websocket"},
                                       {"Connection", "upgrade"},
                                       {"Sec-WebSocket-Version", "13"},
                                       {"Sec-WebSocket-Key", NULL}};
    osb_client *c = box->client;
    osb__call *call = osb__begin_execd(box, &osb__op_pty_attach);
    osb__socket *s;
    if (call == NULL) return OSB_E_BUSY;
    if (!osb__has_room(c, sizeof *s)) return OSB_E_BUFFER;
    s = (osb__socket *)osb__alloc(c, sizeof *s);
    call->own = s;
    s->dialogue.talk = osb__socket_step;
    call->answer = s->proof;
    call->id = pty->id;
    call->body = &s->request;
    call->query = &s->query;
    call->timeout_ms = osb__default(c->config.idle_timeout_ms, 75000);
    if (call->timeout_ms < 75000) call->timeout_ms = 75000; /* the server pings every 30 s */
    s->pty = pty;
    s->handlers = handlers;
    s->seed = (uint32_t)(uintptr_t)s;
    s->query.since = pty->offset;
    if (options != NULL) {
        s->query.pty.set = options->pipe;
        s->query.takeover = options->takeover;
        s->reconnections = options->reconnections;
    }
    OSB_MEMSET(&pty->exit_code, 0, sizeof pty->exit_code);
    pty->close_code = 0;
    osb__socket_reset(s);
    osb__socket_key(c);
    OSB_MEMCPY(s->headers, headers, sizeof headers);
    s->headers[3].value = s->key;
    s->request.headers = s->headers;
    s->request.header_count = 4;
    c->next = osb__pty_next;
    return osb__drive(c);
}
#endif

/* ==== isolated sessions =======================================================================*/

#ifndef OSB_NO_ISOLATED
static const osb__field osb__isolation_fields[] = {
    {"available", NULL, OSB__AT(osb_isolation, available), OSB__BOOL, 0},
    {"isolator", NULL, OSB__AT(osb_isolation, isolator), OSB__VIEW, 0},
    {"version", NULL, OSB__AT(osb_isolation, version), OSB__VIEW, 0},
    {"message", NULL, OSB__AT(osb_isolation, message), OSB__VIEW, 0},
    {"setpriv_available", NULL, OSB__AT(osb_isolation, setpriv_available), OSB__BOOL, 0},
    {"userns_available", NULL, OSB__AT(osb_isolation, userns_available), OSB__BOOL, 0},
    {"commit_supported", NULL, OSB__AT(osb_isolation, commit_supported), OSB__BOOL, 0},
    {"diff_supported", NULL, OSB__AT(osb_isolation, diff_supported), OSB__BOOL | OSB__LAST, 0}};
static const osb__field osb__isolation_root = {NULL, osb__isolation_fields, 0, OSB__OBJECT,
                                               OSB__HALF(osb_isolation)};

static const osb__field osb__bind_fields[] = {
    {"source", NULL, OSB__AT(osb_bind, source), OSB__STRING, 0},
    {"dest", NULL, OSB__AT(osb_bind, dest), OSB__STRING, 0},
    {"readonly", NULL, OSB__AT(osb_bind, readonly), OSB__FLAG | OSB__LAST, 0}};
static const osb__field osb__workspace_fields[] = {
    {"path", NULL, OSB__AT(osb_isolated_options, workspace), OSB__STRING, 0},
    {"mode", NULL, OSB__AT(osb_isolated_options, workspace_mode), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__env_passthrough_fields[] = {
    {"mode", NULL, OSB__AT(osb_isolated_options, env_mode), OSB__STRING, 0},
    {"keys", NULL, OSB__AT(osb_isolated_options, env_keys), OSB__STRINGS | OSB__LAST, 0}};
static const osb__field osb__isolated_body_fields[] = {
    {"profile", NULL, OSB__AT(osb_isolated_options, profile), OSB__STRING, 0},
    {"workspace", osb__workspace_fields, OSB__AT(osb_isolated_options, workspace), OSB__GROUP, 0},
    {"extra_writable", NULL, OSB__AT(osb_isolated_options, extra_writable), OSB__STRINGS, 0},
    {"binds", osb__bind_fields, OSB__AT(osb_isolated_options, binds), OSB__STRUCTS,
     OSB__HALF(osb_bind)},
    {"share_net", NULL, OSB__AT(osb_isolated_options, share_net), OSB__FLAG, 0},
    {"share_net", NULL, OSB__AT(osb_isolated_options, no_share_net), OSB__NOT, 0},
    {"env_passthrough", osb__env_passthrough_fields, OSB__AT(osb_isolated_options, env_mode),
     OSB__GROUP, 0},
    {"uid", NULL, OSB__AT(osb_isolated_options, uid), OSB__OPT_U32, 0},
    {"gid", NULL, OSB__AT(osb_isolated_options, gid), OSB__OPT_U32, 0},
    {"uid_mode", NULL, OSB__AT(osb_isolated_options, uid_mode), OSB__STRING, 0},
    {"idle_timeout_seconds", NULL, OSB__AT(osb_isolated_options, idle_timeout_s),
     OSB__OPT_U32 | OSB__LAST, 0}};
static const osb__field osb__isolated_session_fields[] = {
    {"session_id", NULL, OSB__AT(osb_isolated_session, id), OSB__COPY | OSB__REQUIRED,
     OSB_ID_SIZE / 2},
    {"status", NULL, OSB__AT(osb_isolated_session, status), OSB__VIEW, 0},
    {"created_at", NULL, OSB__AT(osb_isolated_session, created_at), OSB__VIEW, 0},
    {"last_run_at", NULL, OSB__AT(osb_isolated_session, last_run_at), OSB__VIEW, 0},
    {"idle_remaining_seconds", NULL, OSB__AT(osb_isolated_session, idle_remaining_s),
     OSB__OPT_I32 | OSB__LAST, 0}};
static const osb__field osb__isolated_session_root = {NULL, osb__isolated_session_fields, 0,
                                                      OSB__OBJECT | OSB__REQUIRED,
                                                      OSB__HALF(osb_isolated_session)};

typedef struct osb__isolated_list {
    osb_isolated_session item;
    int (*on_session)(void *user, const osb_isolated_session *session);
} osb__isolated_list;
static const osb__field osb__isolated_list_fields[] = {{"sessions", osb__isolated_session_fields, 0,
                                                        OSB__LIST | OSB__REQUIRED | OSB__LAST,
                                                        OSB__HALF(osb_isolated_session)}};
static const osb__field osb__isolated_list_root = {NULL, osb__isolated_list_fields, 0, OSB__OBJECT,
                                                   0};

static int osb__isolated_out(const osb__out *out)
{
    const osb__call *call = &out->client->call;
    const osb__isolated_list *list = (const osb__isolated_list *)call->answer;
    return list->on_session == NULL ? 0 : list->on_session(call->user, &list->item);
}

/* A session's description, and the bind being handed out. */
typedef struct osb__isolated_state {
    osb_isolated_info info;
    osb_bind_info bind;
} osb__isolated_state;
static const osb__field osb__bind_info_fields[] = {
    {"source", NULL, OSB__AT(osb_bind_info, source), OSB__VIEW, 0},
    {"dest", NULL, OSB__AT(osb_bind_info, dest), OSB__VIEW, 0},
    {"readonly", NULL, OSB__AT(osb_bind_info, readonly), OSB__BOOL | OSB__LAST, 0}};
static const osb__field osb__workspace_info_fields[] = {
    {"path", NULL, OSB__AT(osb_isolated_info, workspace), OSB__VIEW, 0},
    {"mode", NULL, OSB__AT(osb_isolated_info, workspace_mode), OSB__VIEW | OSB__LAST, 0}};
static const osb__field osb__env_info_fields[] = {
    {"mode", NULL, OSB__AT(osb_isolated_info, env_mode), OSB__VIEW, 0},
    {"keys", NULL, 0, OSB__ARRAY | OSB__LAST, 0}};
static const osb__field osb__isolated_state_fields[] = {
    {"status", NULL, OSB__AT(osb_isolated_info, status), OSB__VIEW, 0},
    {"created_at", NULL, OSB__AT(osb_isolated_info, created_at), OSB__VIEW, 0},
    {"last_run_at", NULL, OSB__AT(osb_isolated_info, last_run_at), OSB__VIEW, 0},
    {"idle_remaining_seconds", NULL, OSB__AT(osb_isolated_info, idle_remaining_s), OSB__OPT_I32, 0},
    {"profile", NULL, OSB__AT(osb_isolated_info, profile), OSB__VIEW, 0},
    {"workspace", osb__workspace_info_fields, 0, OSB__OBJECT, 0},
    {"extra_writable", NULL, 0, OSB__ARRAY, 0},
    {"binds", osb__bind_info_fields, OSB__AT(osb__isolated_state, bind), OSB__LIST,
     OSB__HALF(osb_bind_info)},
    {"share_net", NULL, OSB__AT(osb_isolated_info, share_net), OSB__BOOL, 0},
    {"env_passthrough", osb__env_info_fields, 0, OSB__OBJECT, 0},
    {"uid", NULL, OSB__AT(osb_isolated_info, uid), OSB__OPT_I32, 0},
    {"gid", NULL, OSB__AT(osb_isolated_info, gid), OSB__OPT_I32, 0},
    {"uid_mode", NULL, OSB__AT(osb_isolated_info, uid_mode), OSB__VIEW, 0},
    {"idle_timeout_seconds", NULL, OSB__AT(osb_isolated_info, idle_timeout_s),
     OSB__OPT_I32 | OSB__LAST, 0}};
static const osb__field osb__isolated_state_root = {NULL, osb__isolated_state_fields, 0,
                                                    OSB__OBJECT, 0};

static int osb__isolated_state_out(const osb__out *out)
{
    const osb__call *call = &out->client->call;
    const osb_isolated_handlers *handlers = (const osb_isolated_handlers *)call->handlers;
    if (handlers == NULL) return 0;
    if ((out->field->kind & OSB__KIND) == OSB__LIST) {
        const osb__isolated_state *state = (const osb__isolated_state *)call->answer;
        return handlers->on_bind == NULL ? 0 : handlers->on_bind(handlers->user, &state->bind);
    }
    return handlers->on_entry == NULL ? 0 : handlers->on_entry(handlers->user, &out->entry);
}

static const osb__field osb__isolated_command_fields[] = {
    {"code", NULL, OSB__AT(osb_isolated_command, code), OSB__STRING, 0},
    {"envs", NULL, OSB__AT(osb_isolated_command, envs), OSB__PAIRS, 0},
    {"timeout_seconds", NULL, OSB__AT(osb_isolated_command, timeout_s), OSB__U32 | OSB__LAST, 0}};

static const osb__op osb__op_isolated_capabilities = {
    "GET /v1/isolated/capabilities", NULL, NULL, &osb__isolation_root, NULL, 0};
static const osb__op osb__op_isolated_create = {
    "POST /v1/isolated/session", NULL, osb__isolated_body_fields,
    &osb__isolated_session_root, NULL, 0};
static const osb__op osb__op_isolated_list = {
    "GET /v1/isolated/sessions", NULL, NULL, &osb__isolated_list_root, osb__isolated_out, 0};
static const osb__op osb__op_isolated_get = {
    "GET /v1/isolated/session/{id}", NULL, NULL, &osb__isolated_state_root,
    osb__isolated_state_out,         0};
static const osb__op osb__op_isolated_delete = {
    "DELETE /v1/isolated/session/{id}", NULL, NULL, NULL, NULL, 0};
static const osb__op osb__op_isolated_run = {
    "POST /v1/isolated/session/{id}/run",     NULL, osb__isolated_command_fields, NULL, NULL,
    OSB__EVENTS | OSB__LAST_ENDS | OSB__LINES};
static const osb__op osb__op_isolated_diff = {
    "GET /v1/isolated/session/{id}/diff", NULL, NULL, NULL, NULL, OSB__DATA};
static const osb__op osb__op_isolated_commit = {
    "POST /v1/isolated/session/{id}/commit", NULL, NULL, NULL, NULL, OSB__DATA};

OSB_DEF osb_status osb_isolated_capabilities(osb_sandbox *box, osb_isolation *isolation)
{
    return osb__ask_execd(box, &osb__op_isolated_capabilities, NULL, isolation);
}

OSB_DEF osb_status osb_isolated_create(osb_sandbox *box, const osb_isolated_options *options,
                                       osb_isolated_session *session)
{
    osb__call *call = osb__begin_execd(box, &osb__op_isolated_create);
    if (call == NULL) return OSB_E_BUSY;
    OSB_MEMSET(session, 0, sizeof *session);
    if (options->env_key_count > 0 && options->env_mode == NULL) /* they would be left out */
        return osb__refuse(box->client, OSB__SAY("env_keys without env_mode"));
    call->body = options;
    call->answer = session;
    return osb__drive(box->client);
}

OSB_DEF osb_status osb_isolated_list(osb_sandbox *box,
                                     int (*on_session)(void *user,
                                                       const osb_isolated_session *session),
                                     void *user)
{
    osb__call *call = osb__begin_execd(box, &osb__op_isolated_list);
    osb__isolated_list *list;
    if (call == NULL) return OSB_E_BUSY;
    list = (osb__isolated_list *)osb__alloc(box->client, sizeof *list);
    list->on_session = on_session;
    call->answer = list;
    call->user = user;
    return osb__drive(box->client);
}

static osb_status osb__isolated_get_next(osb_client *c, osb_status status)
{
    *(osb_isolated_info *)c->call.own = ((const osb__isolated_state *)c->call.answer)->info;
    return status;
}

OSB_DEF osb_status osb_isolated_get(osb_sandbox *box, const char *id,
                                    const osb_isolated_handlers *handlers, osb_isolated_info *info)
{
    osb__call *call = osb__begin_execd(box, &osb__op_isolated_get);
    if (call == NULL) return OSB_E_BUSY;
    OSB_MEMSET(info, 0, sizeof *info);
    call->id = id;
    call->handlers = handlers;
    call->answer = osb__alloc(box->client, sizeof(osb__isolated_state));
    call->own = info;
    box->client->next = osb__isolated_get_next;
    return osb__drive(box->client);
}

OSB_DEF osb_status osb_isolated_delete(osb_sandbox *box, const char *id)
{
    return osb__ask_execd(box, &osb__op_isolated_delete, id, NULL);
}

/* execd tells of a time-out in words only. */
static osb_status osb__isolated_run_next(osb_client *c, osb_status status)
{
    osb_execution *run = (osb_execution *)c->call.own;
    if (status == OSB_OK) run->timed_out = osb__contains(run->error_value, "deadline exceeded");
    return osb__run_ended(c, status);
}

OSB_DEF osb_status osb_isolated_run(osb_sandbox *box, const char *id,
                                    const osb_isolated_command *command,
                                    const osb_handlers *handlers, osb_execution *execution)
{
    osb__call *call = osb__begin_run(box, &osb__op_isolated_run, handlers, execution);
    uint32_t run_s;
    if (call == NULL) return OSB_E_BUSY;
    run_s = osb__default(command->timeout_s, 300);
    if (run_s > 2000000) run_s = 2000000;
    /* No pings come: while the code is silent, so is the server. */
    call->timeout_ms = run_s * 1000u + box->client->config.idle_timeout_ms;
    call->id = id;
    call->body = command;
    box->client->next = osb__isolated_run_next;
    return osb__drive(box->client);
}

static osb_status osb__isolated_data(osb_sandbox *box, const osb__op *op, const char *id,
                                     int (*on_data)(void *user, const void *data, size_t size),
                                     void *user)
{
    osb__call *call = osb__begin_execd(box, op);
    if (call == NULL) return OSB_E_BUSY;
    call->on_data = on_data;
    call->user = user;
    return osb__ask(box->client, call, id, NULL);
}

OSB_DEF osb_status osb_isolated_diff(osb_sandbox *box, const char *id,
                                     int (*on_data)(void *user, const void *data, size_t size),
                                     void *user)
{
    return osb__isolated_data(box, &osb__op_isolated_diff, id, on_data, user);
}

OSB_DEF osb_status osb_isolated_commit(osb_sandbox *box, const char *id,
                                       int (*on_data)(void *user, const void *data, size_t size),
                                       void *user)
{
    return osb__isolated_data(box, &osb__op_isolated_commit, id, on_data, user);
}
#endif

#ifndef OSB_NO_RAW_REQUEST
static bool osb__is_method(const char *text)
{
    size_t n = 0;
    while (osb__is_unreserved((unsigned char)text[n])) n++;
    return n > 0 && text[n] == '\0';
}

static osb_status osb__request_next(osb_client *c, osb_status status)
{
    if (c->call.answer != NULL) *(uint16_t *)c->call.answer = c->answered ? c->http.status : 0;
    return status;
}

OSB_DEF osb_status osb_endpoint_request(osb_client *client, const osb_endpoint *endpoint,
                                        const osb_request *request, uint16_t *http_status)
{
    static const osb__op raw = {NULL, NULL, NULL, NULL, NULL, OSB__DATA};
    osb__call *call = osb__begin(client, &raw);
    if (call == NULL) return OSB_E_BUSY;
    if (http_status != NULL) *http_status = 0;
    call->body = request;
    if (!osb__is_method(osb__method(client))) return osb__refuse(client, OSB__SAY("no method"));
    if (request->path != NULL && request->path[0] != '/')
        return osb__refuse(client, OSB__SAY("a path that does not begin with /"));
    if (request->read_body == NULL && request->body == NULL && request->body_size > 0)
        return osb__refuse(client, OSB__SAY("no body"));
    if (request->read_body == NULL && request->body_size > 0x7fffffffu)
        return osb__refuse(client, OSB__SAY("a body of 2 GiB or more needs read_body"));
    call->endpoint = endpoint;
    call->answer = http_status;
    call->on_data = request->on_data;
    call->user = request->user;
    client->next = osb__request_next;
    return osb__drive(client);
}
#endif

/* ==== egress ==================================================================================*/

#if !defined(OSB_NO_EGRESS) || !defined(OSB_NO_VAULT)
/* A call to the sidecar, on the way that is known to work. */
static osb__call *osb__begin_egress(osb_egress *egress, const osb__op *op)
{
    osb__call *call = osb__begin(egress->client, op);
    if (call == NULL) return NULL;
    call->endpoint = egress->through_execd ? egress->execd : &egress->endpoint;
    call->own = egress;
    return call;
}

OSB_DEF osb_status osb_egress_connect(osb_sandbox *box, const osb_egress_options *options,
                                      osb_egress *egress)
{
    osb_client *c = box->client;
    if (osb__begin(c, &osb__op_endpoint) == NULL) return OSB_E_BUSY;
    egress->client = c;
    egress->execd = &box->execd;
    egress->through_execd = false;
    egress->allow_execd_route = options != NULL && options->allow_execd_route;
    egress->port = options != NULL ? options->port : 0;
    osb__start_endpoint(c, box->id, osb__egress_port(egress->port),
                        options != NULL ? &options->endpoint : NULL, &egress->endpoint);
    return osb__drive(c);
}
#endif

#ifndef OSB_NO_EGRESS
static const osb__field osb__rule_info_fields[] = {
    {"action", NULL, OSB__AT(osb_rule_info, action), OSB__VIEW, 0},
    {"target", NULL, OSB__AT(osb_rule_info, target), OSB__VIEW | OSB__LAST, 0}};

/* A policy, and the rule being handed out. */
typedef struct osb__policy {
    osb_policy_status status;
    osb_rule_info rule;
    int (*on_rule)(void *user, const osb_rule_info *rule);
    osb_policy_status *out;
} osb__policy;
static const osb__field osb__policy_rules_fields[] = {
    {"defaultAction", NULL, OSB__AT(osb__policy, status.default_action), OSB__VIEW, 0},
    {"egress", osb__rule_info_fields, OSB__AT(osb__policy, rule), OSB__LIST | OSB__LAST,
     OSB__HALF(osb_rule_info)}};
static const osb__field osb__policy_fields[] = {
    {"status", NULL, OSB__AT(osb__policy, status.status), OSB__VIEW, 0},
    {"mode", NULL, OSB__AT(osb__policy, status.mode), OSB__VIEW, 0},
    {"enforcementMode", NULL, OSB__AT(osb__policy, status.enforcement_mode), OSB__VIEW, 0},
    {"reason", NULL, OSB__AT(osb__policy, status.reason), OSB__VIEW, 0},
    {"policy", osb__policy_rules_fields, 0, OSB__OBJECT | OSB__LAST, 0}};
static const osb__field osb__policy_root = {NULL, osb__policy_fields, 0, OSB__OBJECT, 0};

static int osb__rule_out(const osb__out *out)
{
    const osb__call *call = &out->client->call;
    const osb__policy *policy = (const osb__policy *)call->answer;
    return policy->on_rule == NULL ? 0 : policy->on_rule(call->user, &policy->rule);
}

typedef struct osb__rules {
    const void *items; /* osb_network_rule, or const char * */
    size_t count;
} osb__rules;
static const osb__field osb__rules_body[] = {{"", osb__network_rule_fields,
                                              OSB__AT(osb__rules, items), OSB__STRUCTS | OSB__LAST,
                                              OSB__HALF(osb_network_rule)}};
static const osb__field osb__targets_body[] = {
    {"", NULL, OSB__AT(osb__rules, items), OSB__STRINGS | OSB__LAST, 0}};

static const osb__op osb__op_egress_health = {"GET /healthz", NULL, NULL, NULL, NULL, OSB__EGRESS};
static const osb__op osb__op_policy_get = {"GET /policy",     NULL,          NULL,
                                           &osb__policy_root, osb__rule_out, OSB__EGRESS};
static const osb__op osb__op_policy_patch = {"PATCH /policy",   NULL, osb__rules_body,
                                             &osb__policy_root, NULL, OSB__EGRESS};
static const osb__op osb__op_policy_delete = {"DELETE /policy",  NULL, osb__targets_body,
                                              &osb__policy_root, NULL, OSB__EGRESS};
static const osb__op osb__op_policy_replace = {"PUT /policy",     NULL, osb__network_policy_fields,
                                               &osb__policy_root, NULL, OSB__EGRESS};
static const osb__op osb__op_policy_reset = {"POST /policy",    NULL, NULL,
                                             &osb__policy_root, NULL, OSB__EGRESS};

OSB_DEF osb_status osb_egress_health(osb_egress *egress)
{
    return osb__ask(egress->client, osb__begin_egress(egress, &osb__op_egress_health), NULL, NULL);
}

static osb_status osb__policy_next(osb_client *c, osb_status status)
{
    const osb__policy *policy = (const osb__policy *)c->call.answer;
    if (policy->out != NULL) *policy->out = policy->status;
    return status;
}

/* The answer to everything about the policy. */
static void osb__expect_policy(osb_client *c, osb_policy_status *status)
{
    osb__policy *policy = (osb__policy *)osb__alloc(c, sizeof *policy);
    policy->out = status;
    c->call.answer = policy;
    c->next = osb__policy_next;
}

OSB_DEF osb_status osb_egress_get_policy(osb_egress *egress,
                                         int (*on_rule)(void *user, const osb_rule_info *rule),
                                         void *user, osb_policy_status *status)
{
    osb__call *call = osb__begin_egress(egress, &osb__op_policy_get);
    if (call == NULL) return OSB_E_BUSY;
    osb__expect_policy(egress->client, status);
    ((osb__policy *)call->answer)->on_rule = on_rule;
    call->user = user;
    return osb__drive(egress->client);
}

static osb_status osb__send_rules(osb_egress *egress, const osb__op *op, const void *items,
                                  size_t count, osb_policy_status *status)
{
    osb__call *call = osb__begin_egress(egress, op);
    osb__rules *body;
    if (call == NULL) return OSB_E_BUSY;
    body = (osb__rules *)osb__alloc(egress->client, sizeof *body);
    body->items = items;
    body->count = count;
    call->body = body;
    osb__expect_policy(egress->client, status);
    return osb__drive(egress->client);
}

OSB_DEF osb_status osb_egress_patch_policy(osb_egress *egress, const osb_network_rule *rules,
                                           size_t count, osb_policy_status *status)
{
    return osb__send_rules(egress, &osb__op_policy_patch, rules, count, status);
}

OSB_DEF osb_status osb_egress_delete_rules(osb_egress *egress, const char *const *targets,
                                           size_t count, osb_policy_status *status)
{
    return osb__send_rules(egress, &osb__op_policy_delete, targets, count, status);
}

OSB_DEF osb_status osb_egress_replace_policy(osb_egress *egress, const osb_network_policy *policy,
                                             osb_policy_status *status)
{
    osb__call *call = osb__begin_egress(egress, &osb__op_policy_replace);
    if (call == NULL) return OSB_E_BUSY;
    call->body = policy;
    osb__expect_policy(egress->client, status);
    return osb__drive(egress->client);
}

OSB_DEF osb_status osb_egress_reset_policy(osb_egress *egress, osb_policy_status *status)
{
    if (osb__begin_egress(egress, &osb__op_policy_reset) == NULL) return OSB_E_BUSY;
    osb__expect_policy(egress->client, status);
    return osb__drive(egress->client);
}
#endif

#ifndef OSB_NO_VAULT
static const osb__field osb__source_fields[] = {
    {"type", NULL, 0, OSB__INLINE, 0},
    {"value", NULL, OSB__AT(osb_credential, value), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__credential_fields[] = {
    {"name", NULL, OSB__AT(osb_credential, name), OSB__STRING, 0},
    {"source", osb__source_fields, OSB__AT(osb_credential, value), OSB__GROUP | OSB__LAST, 0}};
static const osb__field osb__match_fields[] = {
    {"schemes", NULL, OSB__AT(osb_binding, schemes), OSB__STRINGS, 0},
    {"ports", NULL, OSB__AT(osb_binding, ports), OSB__NUMBERS, 0},
    {"hosts", NULL, OSB__AT(osb_binding, hosts), OSB__STRINGS, 0},
    {"methods", NULL, OSB__AT(osb_binding, methods), OSB__STRINGS, 0},
    {"paths", NULL, OSB__AT(osb_binding, paths), OSB__STRINGS | OSB__LAST, 0}};
static const osb__field osb__substitution_fields[] = {
    {"credential", NULL, OSB__AT(osb_substitution, credential), OSB__STRING, 0},
    {"placeholder", NULL, OSB__AT(osb_substitution, placeholder), OSB__STRING, 0},
    {"in", NULL, OSB__AT(osb_substitution, in), OSB__STRINGS | OSB__LAST, 0}};
static const osb__field osb__header_entry_fields[] = {
    {"name", NULL, OSB__AT(osb_pair, name), OSB__STRING, 0},
    {"credential", NULL, OSB__AT(osb_pair, value), OSB__STRING | OSB__LAST, 0}};
static const osb__field osb__auth_fields[] = {
    {"type", NULL, OSB__AT(osb_binding, auth), OSB__STRING, 0},
    {"name", NULL, OSB__AT(osb_binding, header_name), OSB__STRING, 0},
    {"credential", NULL, OSB__AT(osb_binding, credential), OSB__STRING, 0},
    {"headers", osb__header_entry_fields, OSB__AT(osb_binding, headers), OSB__STRUCTS,
     OSB__HALF(osb_pair)},
    {"substitutions", osb__substitution_fields, OSB__AT(osb_binding, substitutions),
     OSB__STRUCTS | OSB__LAST, OSB__HALF(osb_substitution)}};
static const osb__field osb__binding_fields[] = {
    {"name", NULL, OSB__AT(osb_binding, name), OSB__STRING, 0},
    {"match", osb__match_fields, OSB__AT(osb_binding, hosts), OSB__GROUP, 0},
    {"auth", osb__auth_fields, OSB__AT(osb_binding, auth), OSB__GROUP | OSB__LAST, 0}};
static const osb__field osb__vault_body_fields[] = {
    {"credentials", osb__credential_fields, OSB__AT(osb_vault_content, credentials),
     OSB__STRUCTS | OSB__REQUIRED, OSB__HALF(osb_credential)},
    {"bindings", osb__binding_fields, OSB__AT(osb_vault_content, bindings),
     OSB__STRUCTS | OSB__REQUIRED | OSB__LAST, OSB__HALF(osb_binding)}};
static const osb__field osb__credential_changes_fields[] = {
    {"add", osb__credential_fields, OSB__AT(osb_credential_changes, add), OSB__STRUCTS,
     OSB__HALF(osb_credential)},
    {"replace", osb__credential_fields, OSB__AT(osb_credential_changes, replace), OSB__STRUCTS,
     OSB__HALF(osb_credential)},
    {"delete", NULL, OSB__AT(osb_credential_changes, remove), OSB__STRINGS | OSB__LAST, 0}};
static const osb__field osb__binding_changes_fields[] = {
    {"add", osb__binding_fields, OSB__AT(osb_binding_changes, add), OSB__STRUCTS,
     OSB__HALF(osb_binding)},
    {"replace", osb__binding_fields, OSB__AT(osb_binding_changes, replace), OSB__STRUCTS,
     OSB__HALF(osb_binding)},
    {"delete", NULL, OSB__AT(osb_binding_changes, remove), OSB__STRINGS | OSB__LAST, 0}};
static const osb__field osb__vault_changes_fields[] = {
    {"expectedRevision", NULL, OSB__AT(osb_vault_changes, expected_revision), OSB__OPT_U32, 0},
    {"credentials", osb__credential_changes_fields, OSB__AT(osb_vault_changes, credentials),
     OSB__POINTER, 0},
    {"bindings", osb__binding_changes_fields, OSB__AT(osb_vault_changes, bindings),
     OSB__POINTER | OSB__LAST, 0}};

/* The vault's description, and what is being handed out of it. */
typedef struct osb__vault {
    uint32_t revision;
    osb_credential_info credential;
    osb_binding_info binding;
} osb__vault;
static const osb__field osb__credential_info_fields[] = {
    {"name", NULL, OSB__AT(osb_credential_info, name), OSB__VIEW | OSB__REQUIRED, 0},
    {"sourceType", NULL, OSB__AT(osb_credential_info, source_type), OSB__VIEW, 0},
    {"revision", NULL, OSB__AT(osb_credential_info, revision), OSB__UINT | OSB__LAST, 0}};
static const osb__field osb__match_info_fields[] = {{"schemes", NULL, 0, OSB__ARRAY, 0},
                                                    {"ports", NULL, 0, OSB__ARRAY, 0},
                                                    {"hosts", NULL, 0, OSB__ARRAY, 0},
                                                    {"methods", NULL, 0, OSB__ARRAY, 0},
                                                    {"paths", NULL, 0, OSB__ARRAY | OSB__LAST, 0}};
static const osb__field osb__auth_info_fields[] = {
    {"type", NULL, OSB__AT(osb_binding_info, auth), OSB__VIEW, 0},
    {"name", NULL, OSB__AT(osb_binding_info, header_name), OSB__VIEW | OSB__LAST, 0}};
static const osb__field osb__binding_info_fields[] = {
    {"name", NULL, OSB__AT(osb_binding_info, name), OSB__VIEW | OSB__REQUIRED, 0},
    {"revision", NULL, OSB__AT(osb_binding_info, revision), OSB__UINT, 0},
    {"match", osb__match_info_fields, 0, OSB__OBJECT, 0},
    {"auth", osb__auth_info_fields, 0, OSB__OBJECT | OSB__LAST, 0}};
static const osb__field osb__vault_fields[] = {
    {"revision", NULL, OSB__AT(osb__vault, revision), OSB__UINT, 0},
    {"credentials", osb__credential_info_fields, OSB__AT(osb__vault, credential),
     OSB__LIST | OSB__REQUIRED, OSB__HALF(osb_credential_info)},
    {"bindings", osb__binding_info_fields, OSB__AT(osb__vault, binding),
     OSB__LIST | OSB__REQUIRED | OSB__LAST, OSB__HALF(osb_binding_info)}};
static const osb__field osb__vault_root = {NULL, osb__vault_fields, 0, OSB__OBJECT, 0};
static const osb__field osb__credential_info_root = {NULL, osb__credential_info_fields, 0,
                                                     OSB__OBJECT | OSB__REQUIRED,
                                                     OSB__HALF(osb_credential_info)};
static const osb__field osb__binding_info_root = {
    NULL, osb__binding_info_fields, 0, OSB__OBJECT | OSB__REQUIRED, OSB__HALF(osb_binding_info)};

static int osb__vault_out(const osb__out *out)
{
    const osb__call *call = &out->client->call;
    const osb_vault_handlers *handlers = (const osb_vault_handlers *)call->handlers;
    const osb__vault *vault = (const osb__vault *)call->answer;
    if (handlers == NULL) return 0;
    if (out->field->sub == osb__credential_info_fields)
        return handlers->on_credential == NULL
                   ? 0
                   : handlers->on_credential(handlers->user, &vault->credential);
    if (out->field->sub == osb__binding_info_fields)
        return handlers->on_binding == NULL ? 0
                                            : handlers->on_binding(handlers->user, &vault->binding);
    return handlers->on_entry == NULL ? 0 : handlers->on_entry(handlers->user, &out->entry);
}

static const osb__op osb__op_vault_create = {"POST /credential-vault", NULL,
                                             osb__vault_body_fields,   &osb__vault_root,
                                             osb__vault_out,           OSB__EGRESS};
static const osb__op osb__op_vault_get = {"GET /credential-vault", NULL,           NULL,
                                          &osb__vault_root,        osb__vault_out, OSB__EGRESS};
static const osb__op osb__op_vault_patch = {
    "PATCH /credential-vault", NULL,           osb__vault_changes_fields,
    &osb__vault_root,          osb__vault_out, OSB__EGRESS};
static const osb__op osb__op_vault_delete = {
    "DELETE /credential-vault", NULL, NULL, NULL, NULL, OSB__EGRESS};
static const osb__op osb__op_vault_credentials = {
    "GET /credential-vault/credentials", NULL, NULL, &osb__vault_root, osb__vault_out, OSB__EGRESS};
static const osb__op osb__op_vault_bindings = {
    "GET /credential-vault/bindings", NULL, NULL, &osb__vault_root, osb__vault_out, OSB__EGRESS};
static const osb__op osb__op_vault_credential = {"GET /credential-vault/credentials/{name}",
                                                 NULL,
                                                 NULL,
                                                 &osb__credential_info_root,
                                                 NULL,
                                                 OSB__EGRESS};
static const osb__op osb__op_vault_binding = {"GET /credential-vault/bindings/{name}",
                                              NULL,
                                              NULL,
                                              &osb__binding_info_root,
                                              osb__vault_out,
                                              OSB__EGRESS};

#define OSB__UPGRADE_REQUIRED 426 /* secrets over plain HTTP, from elsewhere */

/* Refused since the way is not private: takes the one through execd, if the caller allows it. */
static osb_status osb__vault_next(osb_client *c, osb_status status)
{
    osb_egress *egress = (osb_egress *)c->call.own;
    if (status == OSB_E_API && c->http.status == OSB__UPGRADE_REQUIRED &&
        egress->allow_execd_route && egress->execd != NULL && !egress->through_execd) {
        egress->through_execd = true;
        c->call.endpoint = egress->execd;
        return osb__again(c, 0, osb__vault_next);
    }
    if (status == OSB_OK && c->call.user != NULL && c->call.answer != NULL)
        *(uint32_t *)c->call.user = ((const osb__vault *)c->call.answer)->revision;
    return status;
}

static osb_status osb__vault_call(osb_egress *egress, const osb__op *op, const void *body,
                                  const osb_vault_handlers *handlers, uint32_t *revision)
{
    osb__call *call = osb__begin_egress(egress, op);
    if (call == NULL) return OSB_E_BUSY;
    if (revision != NULL) *revision = 0;
    call->body = body;
    call->handlers = handlers;
    call->user = revision;
    if (op->answer != NULL) call->answer = osb__alloc(egress->client, sizeof(osb__vault));
    egress->client->next = osb__vault_next;
    return osb__drive(egress->client);
}

OSB_DEF osb_status osb_vault_create(osb_egress *egress, const osb_vault_content *content,
                                    const osb_vault_handlers *handlers, uint32_t *revision)
{
    return osb__vault_call(egress, &osb__op_vault_create, content, handlers, revision);
}

OSB_DEF osb_status osb_vault_get(osb_egress *egress, const osb_vault_handlers *handlers,
                                 uint32_t *revision)
{
    return osb__vault_call(egress, &osb__op_vault_get, NULL, handlers, revision);
}

OSB_DEF osb_status osb_vault_patch(osb_egress *egress, const osb_vault_changes *changes,
                                   const osb_vault_handlers *handlers, uint32_t *revision)
{
    return osb__vault_call(egress, &osb__op_vault_patch, changes, handlers, revision);
}

OSB_DEF osb_status osb_vault_delete(osb_egress *egress)
{
    return osb__vault_call(egress, &osb__op_vault_delete, NULL, NULL, NULL);
}

OSB_DEF osb_status osb_vault_list_credentials(osb_egress *egress,
                                              const osb_vault_handlers *handlers,
                                              uint32_t *revision)
{
    return osb__vault_call(egress, &osb__op_vault_credentials, NULL, handlers, revision);
}

OSB_DEF osb_status osb_vault_list_bindings(osb_egress *egress, const osb_vault_handlers *handlers,
                                           uint32_t *revision)
{
    return osb__vault_call(egress, &osb__op_vault_bindings, NULL, handlers, revision);
}

OSB_DEF osb_status osb_vault_get_credential(osb_egress *egress, const char *name,
                                            osb_credential_info *credential)
{
    return osb__ask(egress->client, osb__begin_egress(egress, &osb__op_vault_credential), name,
                    credential);
}

OSB_DEF osb_status osb_vault_get_binding(osb_egress *egress, const char *name,
                                         const osb_vault_handlers *handlers,
                                         osb_binding_info *binding)
{
    osb__call *call = osb__begin_egress(egress, &osb__op_vault_binding);
    if (call != NULL) call->handlers = handlers;
    return osb__ask(egress->client, call, name, binding);
}
#endif

/* ==== sandbox =================================================================================*/

enum { /* the steps to a sandbox that is ready */
       OSB__S_CREATE,
       OSB__S_RESUME,
       OSB__S_STATE,
       OSB__S_ENDPOINT,
       OSB__S_PING,
       OSB__S_CHECK,
       OSB__S_READY
};

static osb_status osb__ready_next(osb_client *c, osb_status status);

/* What is left of the time to get ready, as a time-out for one of its requests. */
static uint32_t osb__ready_left(const osb_client *c)
{
    uint32_t left = osb__until(c, c->box->deadline_ms);
    if (left == 0) left = 1;
    return left < c->config.request_timeout_ms ? left : c->config.request_timeout_ms;
}

/* Asks the caller whether the sandbox is ready; the client is the caller's while it answers. */
static osb_status osb__ask_check(osb_client *c, osb_status last)
{
    osb_sandbox *box = c->box;
    uint32_t interval_ms = osb__default(box->ready->interval_ms, 200);
    osb_status status = OSB_PENDING;
    bool cancelled;
    box->outer = c->suspended;
    c->suspended = box;
    c->state = OSB__IDLE;
    if (OSB_ATOMIC_LOAD(&c->cancel) != OSB__CANCEL_OUTER) /* else it might begin its call anew */
        status = box->ready->check(box->ready->user, box, last);
    if (c->state != OSB__IDLE) return OSB_PENDING; /* its call is pending: osb_poll comes back */
    c->suspended = box->outer;
    c->box = box;
    cancelled = OSB_ATOMIC_LOAD(&c->cancel) != 0;
    if (cancelled) OSB_ATOMIC_STORE(&c->cancel, c->suspended != NULL ? OSB__CANCEL_OUTER : 0);
    if (c->keep_error && c->error.status != status) { /* its call cleaned up; this one goes on */
        osb__unpin_error(c);
        osb__forget_error(c);
    }
    if (cancelled && status == OSB_PENDING)
        return osb__fail(c, OSB_E_CANCELLED, OSB__SAY("ended by osb_cancel"));
    if (status == OSB_PENDING && osb__until(c, box->deadline_ms) <= interval_ms)
        return osb__fail(c, OSB_E_NOT_READY, OSB__SAY("the ready check says not yet"));
    if (status == OSB_PENDING) {
        osb__sleep(c, interval_ms);
        c->next = osb__ready_next;
        return OSB_PENDING;
    }
    if (status != OSB_OK && c->error.status != status)
        return osb__fail(c, status, OSB__SAY("the ready check failed"));
    return status;
}

static osb_status osb__ready_step(osb_client *c)
{
    osb_sandbox *box = c->box;
    switch (box->step) {
    case OSB__S_STATE:
        osb__prepare(c, &osb__op_box_get)->id = box->id;
        c->call.answer = box;
        box->state = box->reason = box->message = osb__view(NULL);
        break;
    case OSB__S_ENDPOINT:
        osb__start_endpoint(c, box->id,
                            box->ready->execd_port != 0 ? box->ready->execd_port : 44772, NULL,
                            &box->execd);
        break;
    case OSB__S_PING:
        osb__prepare(c, &osb__op_ping)->endpoint = &box->execd;
        break;
    case OSB__S_CHECK:
        return osb__ask_check(c, OSB_PENDING);
    default:
        return OSB_OK;
    }
    c->call.timeout_ms = osb__ready_left(c);
    c->call.once = true;
    c->next = osb__ready_next;
    return OSB_PENDING;
}

/* The sandbox was killed since it did not get ready: the call ends as it was going to. */
static osb_status osb__ready_killed(osb_client *c, osb_status status)
{
    (void)status;
    return c->error.status;
}

static osb_status osb__ready_failed(osb_client *c, osb_status status)
{
    osb_sandbox *box = c->box;
    if (!box->kill_on_failure || box->id[0] == '\0') return status;
    osb__pin_error(c);
    osb__prepare(c, &osb__op_kill)->id = box->id;
    c->next = osb__ready_killed;
    return OSB_PENDING;
}

/* Whether a state is one that no waiting ends. */
static bool osb__is_final(const osb_sandbox *box)
{
    static const char *const ends[] = {"Failed", "Terminated", "Stopping", "Paused"};
    return osb__is_one_of(box->state, ends, box->resuming ? 3 : 4);
}

/* The state is known: on to the next step, or ask again, or give up. */
static osb_status osb__state_known(osb_client *c)
{
    osb_sandbox *box = c->box;
    if (osb_str_equal(box->state, "Running")) {
        box->step = OSB__S_ENDPOINT;
        return OSB_OK;
    }
    c->error.code = box->state;
    c->error.message = box->message.data != NULL ? box->message : box->reason;
    return osb__fail(c, osb__is_final(box) ? OSB_E_STATE : OSB_E_NOT_READY, NULL);
}

/* Failures that trying again does not mend. */
static bool osb__is_hopeless(const osb_client *c, osb_status status)
{
    switch (status) {
    case OSB_E_AUTH:
    case OSB_E_STATE:
    case OSB_E_CANCELLED:
    case OSB_E_INVALID:
    case OSB_E_NO_TLS:
    case OSB_E_REDIRECT:
    case OSB_E_BUFFER:
    case OSB_E_JSON:
        return true;
    case OSB_E_NOT_FOUND: /* an endpoint may still come into being, if the sandbox is known */
        return c->box->step == OSB__S_STATE || c->box->ready->skip_health_check;
    default:
        return false;
    }
}

/* A step went well: which one is next? But the sandbox's state may ask for the same one again. */
static osb_status osb__ready_advance(osb_client *c)
{
    osb_sandbox *box = c->box;
    const osb_ready_options *ready = box->ready;
    switch (box->step) {
    case OSB__S_CREATE:
    case OSB__S_RESUME: /* only now the time begins */
        box->deadline_ms = osb__now(c) + osb__default(ready->timeout_ms, 30000);
        box->step = ready->skip_health_check ? OSB__S_ENDPOINT : OSB__S_STATE;
        return ready->skip_health_check || box->resuming ? OSB_OK : osb__state_known(c);
    case OSB__S_STATE:
        return osb__state_known(c);
    case OSB__S_ENDPOINT:
        box->step = ready->check != NULL ? OSB__S_CHECK : OSB__S_PING;
        if (ready->skip_health_check) box->step = OSB__S_READY;
        return OSB_OK;
    default:
        box->step = OSB__S_READY;
        return OSB_OK;
    }
}

/* A step went wrong: tries it again after a pause, unless that is of no use or too late. */
static osb_status osb__ready_retry(osb_client *c, osb_status status)
{
    uint32_t interval = osb__default(c->box->ready->interval_ms, 200);
    if (osb__is_hopeless(c, status)) return osb__ready_failed(c, status);
    if (osb__until(c, c->box->deadline_ms) <= interval) { /* no time for a try that can succeed */
        c->error.status = OSB_E_NOT_READY;
        return osb__ready_failed(c, OSB_E_NOT_READY);
    }
    osb__sleep(c, interval);
    c->next = osb__ready_next;
    return OSB_PENDING;
}

/* One step's outcome, or the end of a pause, leads to the next step. */
static osb_status osb__ready_next(osb_client *c, osb_status status)
{
    bool slept = c->state == OSB__SLEEPING;
    if (status == OSB_OK && !slept) status = osb__ready_advance(c);
    else if (c->box->step <= OSB__S_RESUME || status == OSB_E_CANCELLED)
        return osb__ready_failed(c, status);
    if (status != OSB_OK) return osb__ready_retry(c, status);
    status = osb__ready_step(c);
    return status < 0 ? osb__ready_failed(c, status) : status;
}

/* The call that a ready check made has ended: asks the check again. */
static osb_status osb__resume_suspended(osb_client *c, osb_status last)
{
    osb_status status;
    c->box = c->suspended;
    c->suspended = c->box->outer;
    status = osb__ask_check(c, last);
    if (status == OSB_PENDING) return status;
    if (status == OSB_OK) OSB_MEMSET(&c->error, 0, sizeof c->error);
    else status = osb__ready_failed(c, status);
    c->ready_now = true; /* the kill has nothing to wait for */
    return status;
}

/* Prepares a sandbox for a call. id may be the sandbox's own: then the way to its execd stays until
   there is another one, for a call that fails before. */
static osb_status osb__box_init(osb_client *c, osb_sandbox *box, const char *id,
                                const osb_ready_options *ready)
{
    static const osb_ready_options defaults = {0, 0, NULL, NULL, 0, false};
    size_t size = osb__length(id);
    char *own = box->id, *rest = id == own ? (char *)&box->isolated : own + size;
    if (size >= sizeof box->id) {
        c->state = OSB__IDLE;
        return osb__too_big(c, "OSB_ID_SIZE", "id", size + 1);
    }
    if (id != NULL) OSB_MEMMOVE(own, id, size);
    OSB_MEMSET(rest, 0, (size_t)((char *)(box + 1) - rest));
    box->client = c;
    box->ready = ready != NULL ? ready : &defaults;
    box->deadline_ms = osb__now(c) + osb__default(box->ready->timeout_ms, 30000);
    c->box = box;
    return OSB_OK;
}

OSB_DEF osb_status osb_sandbox_create(osb_client *client, const osb_create_options *options,
                                      osb_sandbox *box)
{
    if (osb__begin(client, &osb__op_box_create) == NULL) return OSB_E_BUSY;
    (void)osb__box_init(client, box, NULL, &options->ready);
    box->kill_on_failure = !options->keep_on_failure;
    box->step = OSB__S_CREATE;
    osb__start_create(client, &osb__op_box_create, options, box, NULL);
    client->next = osb__ready_next;
    return osb__drive(client);
}

OSB_DEF osb_status osb_sandbox_connect(osb_client *client, const char *id,
                                       const osb_ready_options *ready, osb_sandbox *box)
{
    osb_status status;
    if (osb__begin(client, &osb__op_box_get) == NULL) return OSB_E_BUSY;
    status = osb__box_init(client, box, id, ready);
    if (status != OSB_OK) return status;
    box->step = box->ready->skip_health_check ? OSB__S_ENDPOINT : OSB__S_STATE;
    (void)osb__ready_step(client);
    return osb__drive(client);
}

#ifndef OSB_NO_ADMIN
OSB_DEF osb_status osb_sandbox_resume(osb_client *client, const char *id,
                                      const osb_ready_options *ready, osb_sandbox *box)
{
    osb__call *call = osb__begin(client, &osb__op_resume);
    osb_status status;
    if (call == NULL) return OSB_E_BUSY;
    status = osb__box_init(client, box, id, ready);
    if (status != OSB_OK) return status;
    box->step = OSB__S_RESUME;
    box->resuming = true;
    call->id = box->id;
    client->next = osb__ready_next;
    return osb__drive(client);
}

/* A sandbox of the list that the server found, and what it is compared with. */
typedef struct osb__found {
    char id[OSB_ID_SIZE];
    uint16_t tagged; /* it has the pair; no bool, so that OSB__HALF loses no byte */
} osb__found;
typedef struct osb__search {
    osb__found item;
    const osb_pair *tag;
    osb_sandbox *box;
} osb__search;

static const osb__field osb__found_item_fields[] = {
    {"id", NULL, OSB__AT(osb__found, id), OSB__COPY | OSB__REQUIRED, OSB_ID_SIZE / 2},
    {"metadata", NULL, 0, OSB__MAP | OSB__LAST, 0}};
static const osb__field osb__found_fields[] = {{"items", osb__found_item_fields, 0,
                                                OSB__LIST | OSB__REQUIRED | OSB__LAST,
                                                OSB__HALF(osb__found)}};
static const osb__field osb__found_root = {NULL, osb__found_fields, 0, OSB__OBJECT, 0};

/* Whoever looks for a sandbox may kill it: it is the newest that does have the pair, whatever else
   the server lists. */
static int osb__found_out(const osb__out *out)
{
    osb__search *search = (osb__search *)out->client->call.answer;
    osb__found *item = &search->item;
    char *id = search->box->id;
    if (out->field->sub == NULL)
        item->tagged |= osb_str_equal(out->entry.key, search->tag->name) &&
                        osb_str_equal(out->entry.value, search->tag->value);
    else if (item->tagged != 0 && id[0] == '\0') OSB_MEMCPY(id, item->id, sizeof item->id);
    return 0;
}

static osb_status osb__find_next(osb_client *c, osb_status status)
{
    const osb__search *search = (const osb__search *)c->call.answer;
    if (status != OSB_OK || search->box->id[0] != '\0') return status;
    if (search->item.id[0] != '\0') /* there may be one, but not in this answer */
        return osb__fail(c, OSB_E_JSON, OSB__SAY("sandboxes without this metadata"));
    return osb__fail(c, OSB_E_NOT_FOUND, OSB__SAY("no sandbox has this metadata"));
}

OSB_DEF osb_status osb_sandbox_find(osb_client *client, const osb_pair *tag, osb_sandbox *box)
{
    static const osb__op find = {"GET /sandboxes", osb__filter_fields, NULL,
                                 &osb__found_root, osb__found_out,     0};
    osb__call *call = osb__begin(client, &find);
    osb_sandbox_filter *filter;
    osb__search *search;
    if (call == NULL) return OSB_E_BUSY;
    (void)osb__box_init(client, box, NULL, NULL);
    if (tag == NULL || tag->name == NULL || tag->value == NULL) /* else it would be any sandbox */
        return osb__refuse(client, OSB__SAY("no metadata"));
    filter = (osb_sandbox_filter *)osb__alloc(client, sizeof *filter);
    filter->metadata = tag;
    filter->metadata_count = 1;
    filter->page_size = 1;
    search = (osb__search *)osb__alloc(client, sizeof *search);
    search->tag = tag;
    search->box = box;
    call->query = filter;
    call->answer = search;
    client->next = osb__find_next;
    return osb__drive(client);
}

OSB_DEF osb_status osb_sandbox_get_info(osb_sandbox *box, const osb_info_handlers *handlers,
                                        osb_sandbox_info *info)
{
    return osb_lifecycle_get(box->client, box->id, handlers, info);
}

OSB_DEF osb_status osb_sandbox_pause(osb_sandbox *box)
{
    return osb_lifecycle_pause(box->client, box->id);
}

OSB_DEF osb_status osb_sandbox_renew(osb_sandbox *box, uint32_t ttl_s, osb_str *expires_at)
{
    return osb_lifecycle_renew(box->client, box->id, ttl_s, expires_at);
}
#endif

OSB_DEF osb_status osb_sandbox_kill(osb_sandbox *box)
{
    return osb_lifecycle_kill(box->client, box->id);
}

OSB_DEF osb_status osb_sandbox_endpoint(osb_sandbox *box, uint16_t port,
                                        const osb_endpoint_options *options, osb_endpoint *endpoint)
{
    return osb_lifecycle_endpoint(box->client, box->id, port, options, endpoint);
}

#ifdef __cplusplus
}
#endif

#endif /* OSB__IMPLEMENTED */
#endif /* OPENSANDBOX_IMPLEMENTATION */

/*
   Copyright 2026 the opensandbox.h authors

   Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
   in compliance with the License. You may obtain a copy of the License in the file LICENSE of its
   repository or at http://www.apache.org/licenses/LICENSE-2.0. Unless required by applicable law or
   agreed to in writing, software distributed under the License is distributed on an "AS IS" BASIS,
   WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the License for the
   specific language governing permissions and limitations under the License.
*/
