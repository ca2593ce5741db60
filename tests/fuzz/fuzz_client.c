/* A whole client over a fuzzed port. The input says how the port answers connect, send and recv, in
   which pieces, with which delays and failures, through a few calls in a row; see fuzz_port.h.

   Each input is run in blocking mode, in poll mode, and with one byte in each receive: statuses,
   errors, outputs and what the handlers get must be the same. No call may hang. Whatever happened, a
   good exchange afterwards must succeed. */
#include "tests/fuzz/fuzz_port.h"

#define MOST_CALLS 4

typedef enum run_mode { RUN_BLOCKING, RUN_POLL, RUN_BYTEWISE, RUN_MODES } run_mode;

typedef struct client_run {
    fuzz_port port;
    osb_client client;
    unsigned char *block, *memory;
    size_t memory_size;
    osb_sandbox box;
    unsigned stop_at, handler_calls, check_calls;
    record log, text, logs[MOST_CALLS];
    unsigned connects[MOST_CALLS]; /* at the end of each call: twice the connections so far, */
                                   /* plus one if there is one */
    bool disturbed[MOST_CALLS];    /* the clock leapt, a deadline passed, or somebody cancelled */
    unsigned call_count, calls[MOST_CALLS], flags;
    size_t source_left;
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

/* ---- what a view may point at -------------------------------------------------------------------*/

static void check_view(const client_run *run, osb_str view)
{
    const char *low = (const char *)run->memory, *high = low + run->memory_size;
    if (view.data == NULL) {
        CHECK(view.size == 0);
    } else if (view.data >= low && view.data < high) {
        CHECK(view.size < (size_t)(high - view.data));
        CHECK(view.data[view.size] == '\0');
    } else {
        CHECK(strlen(view.data) == view.size);
    }
}

static void log_view(client_run *run, const char *name, osb_str view)
{
    check_view(run, view);
    record_view(&run->log, name, view);
}

/* ---- handlers ------------------------------------------------------------------------------------*/

/* A handler is being called: another call must be refused, and it may be time to say stop. */
static int handled(client_run *run)
{
    CHECK(osb_ping(&run->box) == OSB_E_BUSY);
    CHECK(run->stop_at == 0 || run->handler_calls < run->stop_at);
    return ++run->handler_calls == run->stop_at;
}

static int on_event(void *user, const osb_event *event)
{
    client_run *run = (client_run *)user;
    if (event->text.data != NULL) record_bytes(&run->text, event->text.data, event->text.size);
    if (event->more) return 0;
    check_view(run, event->text);
    record_number(&run->log, "event", (uint64_t)event->type);
    record_view(&run->log, "text", (osb_str){run->text.data, run->text.size});
    record_free(&run->text);
    log_view(run, "key", event->key);
    return handled(run);
}

static int on_traceback(void *user, osb_str line, bool more)
{
    client_run *run = (client_run *)user;
    record_bytes(&run->log, line.data, line.size);
    if (!more) check_view(run, line);
    return 0;
}

static int on_output(void *user, osb_stream stream, const char *data, size_t size)
{
    client_run *run = (client_run *)user;
    (void)stream;
    record_bytes(&run->log, data, size);
    return 0;
}

static int on_data(void *user, const void *data, size_t size)
{
    client_run *run = (client_run *)user;
    CHECK(size > 0 && osb_ping(&run->box) == OSB_E_BUSY);
    record_bytes(&run->log, data, size);
    return 0;
}

static void log_info(client_run *run, const osb_sandbox_info *info)
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

static int on_entry(void *user, const osb_entry *entry)
{
    client_run *run = (client_run *)user;
    record_text(&run->log, entry->member);
    log_view(run, " key", entry->key);
    log_view(run, "value", entry->value);
    return handled(run);
}

static int on_sandbox(void *user, const osb_sandbox_info *info)
{
    log_info((client_run *)user, info);
    return handled((client_run *)user);
}

/* Asks execd; in poll mode its answer comes with the next question. */
static osb_status ready_check(void *user, osb_sandbox *box, osb_status last)
{
    client_run *run = (client_run *)user;
    osb_status status = last != OSB_PENDING ? last : osb_ping(box);
    run->check_calls++;
    CHECK(run->check_calls < 1000);
    return status == OSB_OK ? OSB_OK : OSB_PENDING;
}

static int read_body(void *user, void *data, size_t size)
{
    client_run *run = (client_run *)user;
    size_t n = run->source_left < size ? run->source_left : size;
    memset(data, 'b', n);
    run->source_left -= n;
    return (int)n;
}

/* ---- the calls -----------------------------------------------------------------------------------*/

/* What a call is given and what it fills in: must live until it has ended. */
typedef struct call_data {
    osb_create_options create;
    osb_command command;
    osb_handlers handlers;
    osb_info_handlers info_handlers;
    osb_execution execution;
    osb_sandbox_info info;
    osb_sandbox_page page;
    osb_sandbox_filter filter;
    osb_command_state state;
    osb_endpoint endpoint;
    osb_request request;
    osb_str expires_at;
    uint64_t cursor;
    uint16_t http_status;
} call_data;

static const osb_pair some_pairs[] = {{"team", "a&b"}, {"empty", NULL}, {"x", "\"\\\n"}};
static const char *const some_states[] = {"Running", "Paused"};

static void prepare(client_run *run, call_data *d)
{
    osb_ready_options *ready = &d->create.ready;
    memset(d, 0, sizeof *d);
    d->create.image = "python:3.12";
    d->create.metadata = d->create.env = d->command.envs = some_pairs;
    d->create.metadata_count = d->create.env_count = d->command.env_count = 3;
    d->create.create_timeout_ms = 2000;
    d->create.keep_on_failure = d->command.keep_running = (run->flags & FLAG_KEEP) != 0;
    ready->timeout_ms = 3000;
    ready->user = run;
    ready->check = (run->flags & FLAG_CHECK) != 0 ? ready_check : NULL;
    ready->skip_health_check = (run->flags & FLAG_SKIP) != 0;
    d->command.command = "echo hi; exit 3";
    d->command.timeout_ms = 1000;
    d->command.background = (run->flags & FLAG_BACKGROUND) != 0;
    d->handlers.user = d->info_handlers.user = d->request.user = run;
    d->handlers.on_event = on_event;
    d->handlers.on_traceback = on_traceback;
    d->handlers.on_output = on_output;
    d->info_handlers.on_entry = on_entry;
    d->info_handlers.on_sandbox = on_sandbox;
    d->filter.states = some_states;
    d->filter.state_count = 2;
    d->filter.metadata = some_pairs;
    d->filter.metadata_count = 1;
    d->request.on_data = on_data;
    d->request.headers = some_pairs;
    d->request.header_count = 1;
}

static osb_status request(client_run *run, call_data *d)
{
    unsigned kind = run->flags >> 4 & 3u;
    d->request.method = kind == 0 ? "GET" : kind == 1 ? "HEAD" : "POST";
    if (kind >= 2) {
        run->source_left = 3000;
        d->request.read_body = read_body;
        d->request.body_size = 3000;
        d->request.body_size_unknown = kind == 3;
    }
    return osb_endpoint_request(&run->client, &run->box.execd, &d->request, &d->http_status);
}

static osb_status call(client_run *run, unsigned which, call_data *d)
{
    osb_client *c = &run->client;
    osb_sandbox *box = &run->box;
    const char *id = (run->flags & FLAG_SHORT_ID) != 0 ? ".." : "7f30";
    switch (which) {
    case 0:
        return osb_sandbox_create(c, &d->create, box);
    case 1:
        return osb_command_run(box, &d->command, &d->handlers, &d->execution);
    case 2:
        return osb_lifecycle_list(c, &d->filter, &d->info_handlers, &d->page);
    case 3:
        return osb_command_logs(box, id, 5, on_data, run, &d->cursor);
    case 4:
        return osb_command_status(box, id, on_data, run, &d->state);
    case 5:
        return osb_command_interrupt(box, id);
    case 6:
        return osb_lifecycle_get(c, id, &d->info_handlers, &d->info);
    case 7:
        return osb_lifecycle_renew(c, id, 600, &d->expires_at);
    case 8:
        return osb_lifecycle_patch_metadata(c, id, some_pairs, 3, &d->info_handlers, &d->info);
    case 9:
        return osb_lifecycle_endpoint(c, id, 8000, NULL, &d->endpoint);
    case 10:
        return request(run, d);
    case 11:
        return osb_sandbox_connect(c, id, &d->create.ready, box);
    case 12:
        return osb_sandbox_resume(c, id, &d->create.ready, box);
    case 13:
        return osb_sandbox_find(c, &some_pairs[0], box);
    case 14:
        return osb_lifecycle_create(c, &d->create, &d->info_handlers, &d->info);
    default:
        return osb_sandbox_kill(box);
    }
}

/* ---- one call, in one of the modes ---------------------------------------------------------------*/

static osb_status finish(client_run *run, osb_status status)
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

static void log_error(client_run *run, osb_status status)
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

static void log_outputs(client_run *run, call_data *d, osb_status status)
{
    osb_execution *e = &d->execution;
    CHECK(memchr(e->id, '\0', sizeof e->id) != NULL);
    record_text(&run->log, e->id);
    record_number(&run->log, " exit", e->exit_code.set ? (uint32_t)e->exit_code.value : 1000u);
    record_number(&run->log, "ended", (e->ended ? 1u : 0u) + (e->timed_out ? 2u : 0u));
    log_view(run, "error", e->error_name);
    log_view(run, "value", e->error_value);
    record_number(&run->log, "cursor", d->cursor);
    record_number(&run->log, "http", d->http_status);
    record_number(&run->log, "page", d->page.total_items);
    if (status != OSB_OK) return;
    log_info(run, &d->info);
    log_view(run, "state", d->state.id);
    log_view(run, "content", d->state.content);
    log_view(run, "expires", d->expires_at);
    record_text(&run->log, d->endpoint.address);
    record_text(&run->log, run->box.id);
    record_text(&run->log, run->box.execd.address);
}

/* The key has no business in the buffer once the request is out. */
static void check_wiped(const client_run *run)
{
    const size_t size = sizeof SECRET - 1;
    size_t i;
    if (run->port.knows_secret) return;
    for (i = 0; i + size <= run->memory_size; i++)
        CHECK(run->memory[i] != SECRET[0] || memcmp(run->memory + i, SECRET, size) != 0);
}

static void one_call(client_run *run, unsigned number)
{
    call_data data;
    osb_status status;
    prepare(run, &data);
    run->port.posts = run->port.steps = run->port.looks = 0;
    run->handler_calls = run->check_calls = 0;
    status = finish(run, call(run, run->calls[number], &data));
    CHECK(osb_poll(&run->client) == status);
    log_error(run, status);
    log_outputs(run, &data, status);
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

/* ---- one run -------------------------------------------------------------------------------------*/

static void set_box(client_run *run, osb_sandbox *box)
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

static void begin(client_run *run, run_mode mode, size_t memory_size, input script)
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
    config.poll_mode = mode == RUN_POLL;
    CHECK(osb_client_init(&run->client, &config) == OSB_OK);
    set_box(run, &run->box);
}

/* From now on the server is a good one, and the connection that there was is closed. */
static void good_exchange(client_run *run)
{
    osb_sandbox box;
    call_data data;
    run->port.good = run->port.ended = true;
    record_free(&run->port.out);
    run->port.out_at = 0;
    run->port.recv_at = run->port.send_at = run->port.now;
    run->port.posts = run->port.steps = run->port.looks = 0;
    run->stop_at = 0;
    set_box(run, &box);
    prepare(run, &data);
    CHECK(finish(run, osb_lifecycle_get(&run->client, "7f30", NULL, &data.info)) == OSB_OK);
    CHECK(osb_str_equal(data.info.id, "7f30") && osb_str_equal(data.info.state, "Running"));
    data.command.background = false;
    CHECK(finish(run, osb_command_run(&box, &data.command, NULL, &data.execution)) == OSB_OK);
    CHECK(data.execution.exit_code.set && data.execution.exit_code.value == 0);
    CHECK(strcmp(data.execution.id, "0a1b") == 0);
}

static void end(client_run *run)
{
    size_t i;
    osb_client_close(&run->client);
    for (i = 0; i < run->memory_size; i++) CHECK(run->memory[i] == 0);
    free(run->block);
    fuzz_port_free(&run->port);
    record_free(&run->log);
    record_free(&run->text);
}

static void run_all(client_run *run, run_mode mode, input in)
{
    size_t memory_size = 1024 + 12 * (size_t)take_byte(&in);
    unsigned i;
    memset(run, 0, sizeof *run);
    run->flags = take_byte(&in);
    run->stop_at = take_byte(&in);
    if (run->stop_at > 16) run->stop_at = 0;
    (void)take_byte(&in);
    run->call_count = 1 + take_byte(&in) % MOST_CALLS;
    for (i = 0; i < run->call_count; i++) run->calls[i] = take_byte(&in) & 15u;
    begin(run, mode, memory_size, in);
    for (i = 0; i < run->call_count; i++) one_call(run, i);
    good_exchange(run);
    end(run);
}

/* Compares call by call. Bytewise, two things may be otherwise, and from there on everything: a
   connection is kept or not depending on how much of an answer's rest has come already, and at the
   moment of a cancel, a deadline, or a leap of the clock, fewer bytes have been looked at. */
static void compare(const client_run *a, const client_run *b, bool bytewise)
{
    unsigned i;
    for (i = 0; i < a->call_count; i++) {
        if (bytewise && (a->connects[i] != b->connects[i] || a->disturbed[i] || b->disturbed[i]))
            return;
        check_same(&a->logs[i], &b->logs[i], "the modes come to different results");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static client_run runs[RUN_MODES];
    unsigned mode, i;
    input in;
    in.data = data;
    in.size = size;
    for (mode = 0; mode < RUN_MODES; mode++) run_all(&runs[mode], (run_mode)mode, in);
    compare(&runs[RUN_BLOCKING], &runs[RUN_POLL], false);
    if (runs[0].stop_at == 0) compare(&runs[RUN_BLOCKING], &runs[RUN_BYTEWISE], true);
    for (mode = 0; mode < RUN_MODES; mode++)
        for (i = 0; i < MOST_CALLS; i++) record_free(&runs[mode].logs[i]);
    return 0;
}
