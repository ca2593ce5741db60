/* The skeleton of a port: what opensandbox.h asks of a machine, function by function.

   Copy it, and replace each body by your stack's own call. As it stands there is no network at
   all: a "server" in memory answers each request with the next of its canned answers, a few bytes
   at a time. So it runs anywhere, and shows what the library says and hears.

      cc -I. examples/port_skeleton.c -o port_skeleton && ./port_skeleton */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include <stdio.h>

/* ---- the machine that this port is for: replace it by yours ----------------------------------*/

#define OK "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

/* What an OpenSandbox answers when a sandbox is created, used and killed. */
static const char *const answers[] = {
    /* POST /sandboxes */
    OK "Content-Length: 42\r\n\r\n"
       "{\"id\":\"7f01\",\"status\":{\"state\":\"Running\"}}",
    /* GET /sandboxes/{id}/endpoints/44772: where execd is */
    OK "Content-Length: 28\r\n\r\n"
       "{\"endpoint\":\"execd.example\"}",
    /* GET /ping, from execd */
    OK "Content-Length: 0\r\n\r\n",
    /* POST /command: a stream of events */
    CHUNKED "23\r\n{\"type\":\"init\",\"text\":\"0a1b2c3d\"}\n\n\r\n"
            "37\r\n{\"type\":\"stdout\",\"text\":\"hello from a canned answer\"}\n\n\r\n"
            "32\r\n{\"type\":\"execution_complete\",\"execution_time\":7}\n\n\r\n"
            "0\r\n\r\n",
    /* DELETE /sandboxes/{id} */
    "HTTP/1.1 204 No Content\r\n\r\n",
};

/* Everything that your port needs to know about its one connection. */
struct machine {
    const char *answer; /* what is still to be received */
    unsigned next;      /* the next answer */
    bool sending;       /* a request is on its way */
    bool hesitate;      /* "not now" every other time */
    uint32_t clock_ms;
};

/* ---- the port --------------------------------------------------------------------------------*/

/* Begins or continues a connect; must not block. A real one: on the first call look up `host`
   (a name or a literal address), open a socket or pcb, start the connect, return
   OSB_IO_WANT_WRITE; on later ones look whether it is through: 0, or OSB_IO_FAILED.
   `tls` is never true if osb_port_ops.tls is false. */
static int machine_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    struct machine *m = ctx;
    (void)tls;
    m->hesitate = !m->hesitate;
    if (m->hesitate) return OSB_IO_WANT_WRITE;
    m->sending = false;
    printf("\n--- connected to %s, port %u\n", host, (unsigned)port);
    return 0;
}

/* Sends some of the bytes and returns how many; none at all is not 0 but OSB_IO_WANT_WRITE. The
   same bytes come again then, as TLS wants it. A broken connection is OSB_IO_FAILED. */
static int machine_send(void *ctx, const void *data, size_t size)
{
    struct machine *m = ctx;
    size_t some = size < 64 ? size : 64;
    if (!m->sending) printf("\n--- request\n");
    m->sending = true;
    fwrite(data, 1, some, stdout);
    return (int)some;
}

/* Receives some bytes, at least one; none at all is OSB_IO_WANT_READ, and never 0. The end of what
   the peer has to say is OSB_IO_CLOSED: not the same as OSB_IO_FAILED, a broken connection. */
static int machine_recv(void *ctx, void *data, size_t size)
{
    struct machine *m = ctx;
    size_t left, some;
    if (m->sending) m->answer = answers[m->next++];
    m->sending = false;
    left = strlen(m->answer);
    if (left == 0) return OSB_IO_WANT_READ;
    some = size < 16 ? size : 16;
    if (some > left) some = left;
    memcpy(data, m->answer, some);
    m->answer += some;
    return (int)some;
}

/* Ends the connection, whatever its state; also called when there is none. */
static void machine_close(void *ctx)
{
    struct machine *m = ctx;
    m->answer = "";
}

/* A millisecond counter that never runs backwards; it may wrap. A SysTick counter will do. */
static uint32_t machine_now_ms(void *ctx)
{
    struct machine *m = ctx;
    return m->clock_ms;
}

/* Sleeps until the connection is ready or the time is over; an RTOS gives up the CPU here. Leave
   it out (NULL) if nothing may block: then every call works in poll mode. */
static void machine_wait(void *ctx, unsigned want, uint32_t timeout_ms)
{
    struct machine *m = ctx;
    (void)want;
    m->clock_ms += timeout_ms;
}

/* Why connect, send or recv said OSB_IO_FAILED: goes into the error report. May be NULL. */
static const char *machine_error(void *ctx, int32_t *code)
{
    (void)ctx;
    *code = 0;
    return "no error is possible in memory";
}

static const osb_port_ops machine_ops = {
    .connect = machine_connect,
    .send = machine_send,
    .recv = machine_recv,
    .close = machine_close,
    .now_ms = machine_now_ms,
    .wait = machine_wait,
    .error = machine_error,
    .random = NULL,    /* TLS, uploads and WebSocket are the better for it */
    .unix_time = NULL, /* without it renewals go by the server's clock */
    .tls = false,
};

/* ---- the port at work ------------------------------------------------------------------------*/

static int print(void *user, osb_stream stream, const char *data, size_t size)
{
    (void)user, (void)stream;
    printf("\n--- output: %.*s", (int)size, data);
    return 0;
}

static int complain(const osb_client *client)
{
    char text[256];
    osb_error_text(client, text, sizeof text);
    printf("%s\n", text);
    return 1;
}

int main(void)
{
    unsigned char ram[1024];
    struct machine machine = {.answer = ""};
    osb_config config = {
        .port = {.ops = &machine_ops, .ctx = &machine},
        .memory = ram,
        .memory_size = sizeof ram,
        .domain = "opensandbox.example",
        .api_key = "a-key",
    };
    osb_create_options options = {.image = "python:3.12"};
    osb_command command = {.command = "echo hello"};
    osb_handlers output = {.on_output = print};
    osb_client client;
    osb_sandbox box;
    osb_execution run;
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    if (osb_sandbox_create(&client, &options, &box) < 0) return complain(&client);
    if (osb_command_run(&box, &command, &output, &run) < 0) return complain(&client);
    if (osb_sandbox_kill(&box) < 0) return complain(&client);
    printf("\nexit code %d, %u bytes of buffer used\n", (int)run.exit_code.value,
           (unsigned)osb_buffer_peak(&client));
    return 0;
}
