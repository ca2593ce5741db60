/* A whole client over a fuzzed port. The input says how the port answers connect, send and recv, in
   which pieces, with which delays and failures, through a few calls in a row; see fuzz_port.h.

   Each input is run in blocking mode, in poll mode, and with one byte in each receive: statuses,
   errors, outputs and what the handlers get must be the same. No call may hang. Whatever happened, a
   good exchange afterwards must succeed. */
#include "tests/fuzz/fuzz_run.h"

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

static void log_outputs(client_run *run, call_data *d, osb_status status)
{
    log_execution(run, &d->execution);
    record_number(&run->log, "timed out", d->execution.timed_out);
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

static void one_call(client_run *run, unsigned number)
{
    call_data data;
    osb_status status;
    prepare(run, &data);
    begin_call(run);
    status = finish(run, call(run, run->calls[number], &data));
    CHECK(osb_poll(&run->client) == status);
    log_error(run, status);
    log_outputs(run, &data, status);
    end_call(run, number, status);
}

/* ---- one run -------------------------------------------------------------------------------------*/

static void run_all(client_run *run, run_mode mode, input in)
{
    size_t memory_size = 1024 + 12 * (size_t)take_byte(&in);
    unsigned i;
    memset(run, 0, sizeof *run);
    run->flags = take_byte(&in);
    run->stop_at = take_byte(&in);
    if (run->stop_at > 16) run->stop_at = 0;
    (void)take_byte(&in);
    run->call_count = 1 + take_byte(&in) % 4;
    for (i = 0; i < run->call_count; i++) run->calls[i] = take_byte(&in) & 15u;
    begin(run, mode, memory_size, in);
    for (i = 0; i < run->call_count; i++) one_call(run, i);
    good_exchange(run);
    end(run);
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
