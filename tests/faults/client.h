/* A client in front of the server that misbehaves: the real port for POSIX sockets, but for its
   clock, which moves only while the client waits and neither side has anything to do, and its
   `wait`, which steps the server. An hour of silence takes no time, and a call that would hang is
   noticed at once. */
#ifndef TESTS_FAULTS_CLIENT_H
#define TESTS_FAULTS_CLIENT_H

#include "tests/faults/server.h"
#include "tests/support/recorder.h"

/* How a client is set up. */
typedef struct variant {
    const char *name;
    bool poll_mode;
    size_t memory_size;
} variant;

static const variant variants[] = {
    {"blocking, 1 KB", false, 1024}, {"poll mode, 1 KB", true, 1024},
    {"blocking, 2 KB", false, 2048}, {"poll mode, 2 KB", true, 2048},
    {"blocking, 4 KB", false, 4096}, {"poll mode, 4 KB", true, 4096},
};
#define VARIANTS (sizeof variants / sizeof variants[0])

/* A client, its port and clock, and what its calls need to live as long as they do. */
typedef struct fixture {
    osb_posix tcp; /* first: the port's context is the fixture */
    osb_port_ops ops;
    const osb_port_ops *posix;
    void (*wait)(void *ctx, unsigned want, uint32_t timeout_ms); /* in poll mode, too */
    uint32_t clock_ms;
    uint64_t waited_ms;    /* since the call began */
    size_t received, sent; /* on the connection at hand */
    bool saw_end;          /* it has ended for the client */
    unsigned connects;
    int send_buffer; /* of new connections; 0: the system's */
    server *server;
    const variant *variant;
    unsigned char *memory;
    char domain[40];
    osb_config config;
    osb_client client;
    osb_sandbox box;
    /* calls */
    struct recorder record;
    osb_handlers handlers;
    osb_info_handlers info_handlers;
    osb_sandbox_info info;
    osb_sandbox_page page;
    osb_execution run;
    osb_command_state state;
    osb_create_options create;
    osb_pair big[16];
    uint64_t cursor;
    uint16_t http_status;
    uint64_t tally_events, tally_bytes; /* of run_tally */
    uint32_t tally_hash;
} fixture;

/* What the clocks of the next clients show at first. */
#define CLOCK_MS 5u
#define CLOCK_THAT_WRAPS_MS (UINT32_MAX - 10000u)
static uint32_t first_clock_ms = CLOCK_MS;

#define HANG_MS (4u * 3600u * 1000u) /* no call here may take as long */

/* ---- port ------------------------------------------------------------------------------------*/

SUPPORT int fixture_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    fixture *f = (fixture *)ctx;
    bool again = f->tcp.connecting;
    int io = f->posix->connect(&f->tcp, host, port, tls);
    if (!again) {
        f->connects++;
        f->received = f->sent = 0;
        f->saw_end = false;
    }
    if (io == 0 && f->send_buffer > 0)
        setsockopt(f->tcp.fd, SOL_SOCKET, SO_SNDBUF, &f->send_buffer, sizeof f->send_buffer);
    return io;
}

SUPPORT int fixture_send(void *ctx, const void *data, size_t size)
{
    fixture *f = (fixture *)ctx;
    int io = f->posix->send(&f->tcp, data, size);
    if (io > 0) f->sent += (size_t)io;
    return io;
}

SUPPORT int fixture_recv(void *ctx, void *data, size_t size)
{
    fixture *f = (fixture *)ctx;
    int io = f->posix->recv(&f->tcp, data, size);
    if (io > 0) f->received += (size_t)io;
    if (io == OSB_IO_CLOSED || io == OSB_IO_FAILED) f->saw_end = true;
    return io;
}

SUPPORT void fixture_close(void *ctx)
{
    fixture *f = (fixture *)ctx;
    f->posix->close(&f->tcp);
}

SUPPORT uint32_t fixture_now(void *ctx)
{
    return ((fixture *)ctx)->clock_ms;
}

SUPPORT const char *fixture_error(void *ctx, int32_t *code)
{
    fixture *f = (fixture *)ctx;
    return f->posix->error(&f->tcp, code);
}

/* Whether the client's connection is ready for one of `want`; the second socket, if there is one,
   counts as well when it is readable. */
SUPPORT bool fixture_ready(const fixture *f, unsigned want, int second, int patience_ms)
{
    struct pollfd fds[OSB_POSIX_ADDRESSES + 1];
    osb_wait wait;
    size_t count;
    int timeout = patience_ms;
    memset(&wait, 0, sizeof wait);
    wait.read = (want & OSB_WANT_READ) != 0;
    wait.write = (want & OSB_WANT_WRITE) != 0;
    wait.timeout_ms = (uint32_t)patience_ms;
    count = osb_posix_pollfds(&f->tcp, &wait, fds, &timeout);
    if (second >= 0) {
        fds[count].fd = second;
        fds[count].events = POLLIN;
        fds[count++].revents = 0;
    }
    return count > 0 && poll(fds, (nfds_t)count, patience_ms) > 0;
}

#define PATIENCE_MS 300 /* for what is on its way on a busy machine */

/* Bytes or an end may be on their way between the two: then the clock has to stand still. True: they
   have come. */
SUPPORT bool fixture_arrives(const fixture *f, unsigned want)
{
    const peer *p = f->server->newest;
    bool ended;
    if (f->tcp.connecting) return fixture_ready(f, want, f->server->listener, PATIENCE_MS);
    if (p == NULL || f->tcp.fd < 0) return false;
    if (peer_is_reading(p) && (f->sent > p->received || (want & OSB_WANT_WRITE) != 0))
        return fixture_ready(f, want, p->fd, PATIENCE_MS);
    ended = (p->finished || p->fd < 0) && !f->saw_end;
    return (ended || p->sent > f->received) && want != 0 && fixture_ready(f, want, -1, PATIENCE_MS);
}

SUPPORT void fixture_wait(void *ctx, unsigned want, uint32_t timeout_ms)
{
    fixture *f = (fixture *)ctx;
    uint32_t ms;
    if (server_step(f->server)) return;
    if (fixture_ready(f, want, -1, 0) || fixture_arrives(f, want)) return;
    ms = server_pause_ms(f->server, timeout_ms);
    f->clock_ms += ms;
    f->waited_ms += ms;
    if (f->waited_ms <= HANG_MS) return;
    fprintf(stderr, "a call hangs\n");
    abort();
}

/* ---- set-up ----------------------------------------------------------------------------------*/

SUPPORT void fixture_open(fixture *f, server *s, const variant *v)
{
    memset(f, 0, sizeof *f);
    f->server = s;
    f->variant = v;
    f->posix = osb_posix_port(&f->tcp).ops;
    f->ops = *f->posix;
    f->ops.connect = fixture_connect;
    f->ops.send = fixture_send;
    f->ops.recv = fixture_recv;
    f->ops.close = fixture_close;
    f->ops.now_ms = fixture_now;
    f->wait = fixture_wait;
    f->ops.wait = v->poll_mode ? NULL : f->wait;
    f->ops.error = fixture_error;
    f->memory = (unsigned char *)malloc(v->memory_size);
    f->clock_ms = first_clock_ms;
    s->clock_ms = &f->clock_ms;
    snprintf(f->domain, sizeof f->domain, "127.0.0.1:%u", s->port);
    f->config.port.ops = &f->ops;
    f->config.port.ctx = f;
    f->config.memory = f->memory;
    f->config.memory_size = v->memory_size;
    f->config.domain = f->domain;
    f->config.api_key = "secret";
    f->handlers = recorder_handlers(&f->record);
    f->info_handlers = recorder_info_handlers(&f->record);
    f->box.client = &f->client;
    strcpy(f->box.id, "7f");
    snprintf(f->box.execd.address, sizeof f->box.execd.address, "127.0.0.1:%u/execd", s->port);
    if (osb_client_init(&f->client, &f->config) != OSB_OK) abort();
}

/* Returns how many connections are left open, which should be none. */
SUPPORT size_t fixture_close_all(fixture *f)
{
    osb_client_close(&f->client);
    recorder_clear(&f->record);
    free(f->memory);
    return server_left_open(f->server);
}

/* In poll mode: polls until the call has ended. */
SUPPORT osb_status fixture_finish(fixture *f, osb_status status)
{
    while (status == OSB_PENDING) {
        osb_wait wait;
        osb_want(&f->client, &wait);
        if (!wait.now)
            f->wait(f, (wait.read ? OSB_WANT_READ : 0u) | (wait.write ? OSB_WANT_WRITE : 0u),
                    wait.timeout_ms);
        status = osb_poll(&f->client);
    }
    return status;
}

/* ---- calls -----------------------------------------------------------------------------------*/

/* A call, and how its outcome is written down. */
typedef struct call {
    const char *name;
    osb_status (*start)(fixture *f);
    void (*tell)(fixture *f, osb_status status);
} call;

static osb_status start_get(fixture *f)
{
    return osb_lifecycle_get(&f->client, "7f", &f->info_handlers, &f->info);
}

static void tell_get(fixture *f, osb_status status)
{
    if (status == OSB_OK) recorder_info(&f->record, &f->info);
}

static osb_status start_list(fixture *f)
{
    return osb_lifecycle_list(&f->client, NULL, &f->info_handlers, &f->page);
}

static void tell_list(fixture *f, osb_status status)
{
    if (status != OSB_OK) return;
    text_print(&f->record.lines, "page %lu %lu %lu %lu %d\n", (unsigned long)f->page.page,
               (unsigned long)f->page.page_size, (unsigned long)f->page.total_items,
               (unsigned long)f->page.total_pages, f->page.has_next_page);
}

static osb_status start_run(fixture *f)
{
    static const osb_command command = {"echo", NULL,       NULL,       NULL,  0,
                                        0,      {false, 0}, {false, 0}, false, false};
    return osb_command_run(&f->box, &command, &f->handlers, &f->run);
}

static void tell_run(fixture *f, osb_status status)
{
    (void)status;
    recorder_outputs(&f->record);
    recorder_execution(&f->record, &f->run);
}

static int tally(void *user, const osb_event *event)
{
    fixture *f = (fixture *)user;
    size_t i;
    if (!event->more) f->tally_events++;
    f->tally_bytes += event->text.size;
    for (i = 0; i < event->text.size; i++)
        f->tally_hash = f->tally_hash * 31u + (unsigned char)event->text.data[i];
    return 0;
}

/* As run, but the output is only counted and hashed: for streams that are large. */
static osb_status start_run_tally(fixture *f)
{
    memset(&f->handlers, 0, sizeof f->handlers);
    f->handlers.user = f;
    f->handlers.on_stdout = tally;
    f->handlers.on_ping = tally;
    f->tally_events = f->tally_bytes = 0;
    f->tally_hash = 0;
    return start_run(f);
}

static void tell_run_tally(fixture *f, osb_status status)
{
    (void)status;
    text_print(&f->record.lines, "events %llu bytes %llu hash %08lx\n",
               (unsigned long long)f->tally_events, (unsigned long long)f->tally_bytes,
               (unsigned long)f->tally_hash);
}

static osb_status start_state(fixture *f)
{
    return osb_command_status(&f->box, "c1", recorder_on_data, &f->record, &f->state);
}

static void tell_state(fixture *f, osb_status status)
{
    if (status != OSB_OK) return;
    recorder_view(&f->record, "id", f->state.id);
    text_print(&f->record.lines, "running %d\n", f->state.running);
    if (f->state.exit_code.set)
        text_print(&f->record.lines, "exit_code %ld\n", (long)f->state.exit_code.value);
    recorder_view(&f->record, "error", f->state.error);
    recorder_view(&f->record, "started_at", f->state.started_at);
    recorder_view(&f->record, "finished_at", f->state.finished_at);
    recorder_line(&f->record, "content", f->record.data.data, f->record.data.size);
}

static osb_status start_logs(fixture *f)
{
    return osb_command_logs(&f->box, "c1", 7, recorder_on_data, &f->record, &f->cursor);
}

static void tell_data(fixture *f, osb_status status)
{
    (void)status;
    recorder_line(&f->record, "data", f->record.data.data, f->record.data.size);
    text_print(&f->record.lines, "cursor %llu\n", (unsigned long long)f->cursor);
}

static osb_status start_raw(fixture *f)
{
    static osb_request request;
    request.user = &f->record;
    request.on_data = recorder_on_data;
    return osb_endpoint_request(&f->client, &f->box.execd, &request, &f->http_status);
}

static void tell_raw(fixture *f, osb_status status)
{
    tell_data(f, status);
    text_print(&f->record.lines, "status %u\n", f->http_status);
}

static osb_status start_ping(fixture *f)
{
    return osb_ping(&f->box);
}

static osb_status start_kill(fixture *f)
{
    return osb_lifecycle_kill(&f->client, "7f");
}

static void tell_nothing(fixture *f, osb_status status)
{
    (void)f;
    (void)status;
}

static osb_status start_create(fixture *f)
{
    f->create.image = "a:1";
    return osb_sandbox_create(&f->client, &f->create, &f->box);
}

/* A request that does not fit into the sockets' buffers. */
static osb_status start_create_big(fixture *f)
{
    static char value[4096];
    size_t i;
    memset(value, 'v', sizeof value - 1);
    for (i = 0; i < 16; i++) {
        f->big[i].name = "name";
        f->big[i].value = value;
    }
    f->create.env = f->big;
    f->create.env_count = 16;
    f->send_buffer = 4096;
    return start_create(f);
}

static void tell_create(fixture *f, osb_status status)
{
    char port[8];
    char *at;
    (void)status;
    recorder_line(&f->record, "id", f->box.id, strlen(f->box.id));
    snprintf(port, sizeof port, "%u", f->server->port);
    at = strstr(f->box.execd.address, port); /* it differs from run to run */
    if (at != NULL) memmove(at, at + strlen(port), strlen(at + strlen(port)) + 1);
    recorder_line(&f->record, "execd", f->box.execd.address, strlen(f->box.execd.address));
}

static const call call_get = {"get", start_get, tell_get};
static const call call_list = {"list", start_list, tell_list};
static const call call_run = {"run", start_run, tell_run};
static const call call_run_tally = {"run", start_run_tally, tell_run_tally};
static const call call_state = {"state", start_state, tell_state};
static const call call_logs = {"logs", start_logs, tell_data};
static const call call_raw = {"raw", start_raw, tell_raw};
static const call call_ping = {"ping", start_ping, tell_nothing};
static const call call_kill = {"kill", start_kill, tell_nothing};
static const call call_create = {"create", start_create, tell_create};
static const call call_create_big = {"create", start_create_big, tell_create};

/* Makes a call to its end and writes its outcome down in f->record.lines. */
SUPPORT osb_status fixture_call(fixture *f, const call *c)
{
    osb_status status;
    f->waited_ms = 0;
    status = fixture_finish(f, c->start(f));
    recorder_status(&f->record, &f->client, status);
    c->tell(f, status);
    return status;
}

/* A call of the simplest kind, to see whether the client works; the answer has to be its own. */
static bool fixture_works(fixture *f, const char *id)
{
    osb_status status = fixture_finish(f, osb_lifecycle_get(&f->client, id, NULL, &f->info));
    return status == OSB_OK && osb_str_equal(f->info.id, id);
}

#endif
