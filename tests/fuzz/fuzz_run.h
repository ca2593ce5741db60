/* A whole client over the port of fuzz_port.h, and what its handlers get: what fuzz_client.c and
   fuzz_calls.c share. */
#ifndef TESTS_FUZZ_RUN_H
#define TESTS_FUZZ_RUN_H

#include "tests/fuzz/fuzz_port.h"

#define MOST_CALLS 6

typedef enum run_mode { RUN_BLOCKING, RUN_POLL, RUN_BYTEWISE, RUN_MODES } run_mode;

typedef struct client_run {
    fuzz_port port;
    osb_client client;
    unsigned char *block, *memory;
    size_t memory_size;
    osb_sandbox box;
    unsigned stop_at, handler_calls, check_calls;
    record log, text, logs[MOST_CALLS];
    uint32_t connects[MOST_CALLS]; /* at the end of each call: twice the port's checksum of the */
                                   /* connections so far, plus one if there is one */
    bool disturbed[MOST_CALLS];    /* the clock leapt, a deadline passed, or somebody cancelled */
    unsigned call_count, calls[MOST_CALLS], flags;
    size_t source_left;
    const osb_extras *extras;
} client_run;

enum {                       /* in flags */
       FLAG_PROXY = 1,       /* execd is reached through the lifecycle server */
       FLAG_CHECK = 2,       /* a ready check of our own */
       FLAG_KEEP = 4,        /* keep_running, keep_on_failure */
       FLAG_ODD_ADDRESS = 8, /* the buffer begins at an odd address */
       FLAG_SKIP = 16,       /* skip_health_check */
       FLAG_SHORT_ID = 32,   /* an id that is no path segment */
       FLAG_WRAP = 64,       /* the clock is about to wrap */
       FLAG_BACKGROUND = 128
};

static inline void log_view(client_run *run, const char *name, osb_str view)
{
    check_view(&run->client, view);
    record_view(&run->log, name, view);
}

/* ---- handlers ------------------------------------------------------------------------------------*/

/* A handler is being called: another call must be refused, and it may be time to say stop. */
static inline int handled(client_run *run)
{
    CHECK(osb_ping(&run->box) == OSB_E_BUSY);
    CHECK(run->stop_at == 0 || run->handler_calls < run->stop_at);
    return ++run->handler_calls == run->stop_at;
}

static inline int on_event(void *user, const osb_event *event)
{
    client_run *run = (client_run *)user;
    if (event->text.data != NULL) record_bytes(&run->text, event->text.data, event->text.size);
    if (event->more) return 0;
    check_view(&run->client, event->text);
    record_number(&run->log, "event", (uint64_t)event->type);
    record_view(&run->log, "text", (osb_str){run->text.data, run->text.size});
    record_free(&run->text);
    log_view(run, "key", event->key);
    return handled(run);
}

static inline int on_traceback(void *user, osb_str line, bool more)
{
    client_run *run = (client_run *)user;
    record_bytes(&run->log, line.data, line.size);
    if (!more) check_view(&run->client, line);
    return 0;
}

static inline int on_output(void *user, osb_stream stream, const char *data, size_t size)
{
    client_run *run = (client_run *)user;
    (void)stream;
    record_bytes(&run->log, data, size);
    return 0;
}

static inline int on_data(void *user, const void *data, size_t size)
{
    client_run *run = (client_run *)user;
    CHECK(size > 0 && osb_ping(&run->box) == OSB_E_BUSY);
    record_bytes(&run->log, data, size);
    return 0;
}

static inline void log_info(client_run *run, const osb_sandbox_info *info)
{
    log_view(run, "id", info->id);
    log_view(run, "image", info->image);
    log_view(run, "snapshot", info->snapshot_id);
    log_view(run, "state", info->state);
    log_view(run, "reason", info->reason);
    log_view(run, "message", info->message);
    log_view(run, "created", info->created_at);
    log_view(run, "expires", info->expires_at);
}

static inline int on_entry(void *user, const osb_entry *entry)
{
    client_run *run = (client_run *)user;
    record_text(&run->log, entry->member);
    log_view(run, " key", entry->key);
    log_view(run, "value", entry->value);
    return handled(run);
}

static inline int on_sandbox(void *user, const osb_sandbox_info *info)
{
    log_info((client_run *)user, info);
    return handled((client_run *)user);
}

/* Asks execd; in poll mode its answer comes with the next question. */
static inline osb_status ready_check(void *user, osb_sandbox *box, osb_status last)
{
    client_run *run = (client_run *)user;
    osb_status status = last != OSB_PENDING ? last : osb_ping(box);
    run->check_calls++;
    CHECK(run->check_calls < 1000);
    return status == OSB_OK ? OSB_OK : OSB_PENDING;
}

static inline int read_body(void *user, void *data, size_t size)
{
    client_run *run = (client_run *)user;
    size_t n = run->source_left < size ? run->source_left : size;
    memset(data, 'b', n);
    run->source_left -= n;
    return (int)n;
}

/* ---- one call, in one of the modes ---------------------------------------------------------------*/

static inline osb_status finish(client_run *run, osb_status status)
{
    while (status == OSB_PENDING) {
        osb_wait wait;
        CHECK(run->port.poll_mode);
        CHECK(osb_ping(&run->box) == OSB_E_BUSY);
        osb_want(&run->client, &wait);
        if (!wait.now)
            port_wait(&run->port,
                      (wait.read ? OSB_WANT_READ : 0) | (wait.write ? OSB_WANT_WRITE : 0),
                      wait.timeout_ms);
        count_step(&run->port);
        status = osb_poll(&run->client);
    }
    return status;
}

static inline void log_error(client_run *run, osb_status status)
{
    const osb_error *e = osb_last_error(&run->client);
    char *line = (char *)exactly(40);
    CHECK(osb_error_text(&run->client, line, 40) >= strlen(line));
    free(line);
    record_number(&run->log, osb_status_name(status), e->http_status);
    if (status == OSB_OK) return;
    CHECK(status < 0 && e->status == status && e->operation != NULL);
    record_text(&run->log, e->operation);
    if (e->target.data != NULL) record_bytes(&run->log, e->target.data, e->target.size);
    log_view(run, " code", e->code);
    log_view(run, "message", e->message);
    log_view(run, "request_id", e->request_id);
    record_number(&run->log, "cause", (uint32_t)-e->cause);
    record_number(&run->log, "flags", (e->maybe_applied ? 1u : 0u) + (e->message_cut ? 2u : 0u));
    record_number(&run->log, "port", (uint32_t)e->port_code);
    record_number(&run->log, "retry", e->retry_after_s);
    record_number(&run->log, "needed", e->needed);
    CHECK(status != OSB_E_BUFFER || e->needed > 0);
}

/* The key has no business in the buffer once the request is out. */
static inline void check_wiped(const client_run *run)
{
    const size_t size = sizeof SECRET - 1;
    size_t i;
    if (run->port.knows_secret) return;
    for (i = 0; i + size <= run->memory_size; i++)
        CHECK(run->memory[i] != SECRET[0] || memcmp(run->memory + i, SECRET, size) != 0);
}

/* ---- one run -------------------------------------------------------------------------------------*/

static inline void set_box(client_run *run, osb_sandbox *box)
{
    static const char headers[] = "X-Token\0t0ken\0";
    const char *address = (run->flags & FLAG_PROXY) != 0
                              ? "api.example:8080/sandboxes/7f30/proxy/44772"
                              : "exec.example:44772";
    memset(box, 0, sizeof *box);
    box->client = &run->client;
    (void)snprintf(box->id, sizeof box->id, "7f30");
    (void)snprintf(box->execd.address, sizeof box->execd.address, "%s", address);
    memcpy(box->execd.headers, headers, sizeof headers);
}

static inline void begin(client_run *run, run_mode mode, size_t memory_size, input script)
{
    size_t odd = (run->flags & FLAG_ODD_ADDRESS) != 0 ? 1 + memory_size % 7 : 0;
    osb_config config;
    run->memory_size = memory_size;
    run->block = (unsigned char *)exactly(memory_size + odd);
    run->memory = run->block + odd;
    run->port.script = script;
    run->port.knows_secret = knows_secret(script);
    run->port.client = &run->client;
    run->port.poll_mode = mode == RUN_POLL;
    run->port.bytewise = mode == RUN_BYTEWISE;
    run->port.now = (run->flags & FLAG_WRAP) != 0 ? 0xfffffc00u : 1000;
    run->port.recv_at = run->port.send_at = run->port.connect_at = run->port.now;
    memset(&config, 0, sizeof config);
    config.port.ops = &fuzz_ops;
    config.port.ctx = &run->port;
    config.memory = run->memory;
    config.memory_size = memory_size;
    config.domain = "http://" API_HOST ":8080/v1";
    config.api_key = SECRET;
    config.connect_timeout_ms = 500;
    config.request_timeout_ms = 2000;
    config.idle_timeout_ms = 1500;
    config.use_server_proxy = (run->flags & FLAG_PROXY) != 0;
    config.extras = run->extras;
    config.poll_mode = mode == RUN_POLL;
    CHECK(osb_client_init(&run->client, &config) == OSB_OK);
    set_box(run, &run->box);
}

/* ---- around a call -------------------------------------------------------------------------------*/

static inline void log_execution(client_run *run, const osb_execution *e)
{
    CHECK(memchr(e->id, '\0', sizeof e->id) != NULL);
    record_text(&run->log, e->id);
    record_number(&run->log, " exit", e->exit_code.set ? (uint32_t)e->exit_code.value : 1000u);
    record_number(&run->log, "ended", e->ended);
    log_view(run, "error", e->error_name);
    log_view(run, "value", e->error_value);
}

static inline void begin_call(client_run *run)
{
    run->port.posts = run->port.steps = run->port.looks = 0;
    run->handler_calls = run->check_calls = 0;
}

/* Its outputs have been logged: what it sent, and the state that it leaves behind. */
static inline void end_call(client_run *run, unsigned number, osb_status status)
{
    record_number(&run->log, "time", run->port.now);
    record_bytes(&run->log, run->port.sent.data, run->port.sent.size);
    record_free(&run->port.sent);
    record_free(&run->text);
    check_wiped(run);
    run->connects[number] = run->port.connects * 2 + (run->port.open ? 1 : 0);
    if (status == OSB_E_TIMEOUT) run->port.disturbed = true;
    run->disturbed[number] = run->port.disturbed;
    run->logs[number] = run->log;
    memset(&run->log, 0, sizeof run->log);
}

/* From now on the server is a good one, and the connection that there was is closed. */
static inline void good_exchange(client_run *run)
{
    osb_sandbox box;
    osb_sandbox_info info;
    osb_command command;
    osb_execution execution;
    memset(&command, 0, sizeof command);
    command.command = "echo hi";
    run->port.good = run->port.ended = true;
    record_free(&run->port.out);
    run->port.out_at = 0;
    run->port.recv_at = run->port.send_at = run->port.now;
    run->port.posts = run->port.steps = run->port.looks = 0;
    run->stop_at = 0;
    set_box(run, &box);
    CHECK(finish(run, osb_lifecycle_get(&run->client, "7f30", NULL, &info)) == OSB_OK);
    CHECK(osb_str_equal(info.id, "7f30") && osb_str_equal(info.state, "Running"));
    CHECK(finish(run, osb_command_run(&box, &command, NULL, &execution)) == OSB_OK);
    CHECK(execution.exit_code.set && execution.exit_code.value == 0);
    CHECK(strcmp(execution.id, "0a1b") == 0);
}

static inline void end(client_run *run)
{
    size_t i;
    osb_client_close(&run->client);
    for (i = 0; i < run->memory_size; i++) CHECK(run->memory[i] == 0);
    free(run->block);
    fuzz_port_free(&run->port);
    record_free(&run->log);
    record_free(&run->text);
}

/* Compares call by call. Bytewise, two things may be otherwise, and from there on everything: a
   connection is kept or not depending on how much of an answer's rest has come already, and at the
   moment of a cancel, a deadline, or a leap of the clock, fewer bytes have been looked at. */
static inline void compare(const client_run *a, const client_run *b, bool bytewise)
{
    unsigned i;
    for (i = 0; i < a->call_count; i++) {
        if (bytewise && (a->connects[i] != b->connects[i] || a->disturbed[i] || b->disturbed[i]))
            return;
        check_same(&a->logs[i], &b->logs[i], "the modes come to different results");
    }
}

#endif
