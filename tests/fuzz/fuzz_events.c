/* The stream of events: lines, SSE fields and JSON in any pieces, with all the handlers. What the
   handlers get may depend on the cuts in no other way than a long text's division into pieces. */
#include "tests/fuzz/feed.h"

typedef struct event_run {
    size_t memory_size;
    unsigned stop_at; /* the handler call that says stop; 0: none */
    bool utf8, lines;
    osb_client *client;
    record *out, text, output[2];
    unsigned calls;
    osb_event_type own;
} event_run;

/* Pieces of one event are put together again. */
static void add_piece(event_run *run, osb_str text, bool more)
{
    if (text.data == NULL) return;
    if (run->utf8) CHECK(is_utf8(text.data, text.size));
    if (more) CHECK(text.size > 0);
    else check_view(run->client, text);
    record_bytes(&run->text, text.data, text.size);
}

static void whole_text(event_run *run, const char *name)
{
    record_text(run->out, name);
    if (run->text.data != NULL) record_bytes(run->out, run->text.data, run->text.size);
    record_text(run->out, "\n");
    record_free(&run->text);
}

static int stop(event_run *run)
{
    CHECK(run->stop_at == 0 || run->calls < run->stop_at);
    return ++run->calls == run->stop_at;
}

static int on_event(void *user, const osb_event *event)
{
    event_run *run = (event_run *)user;
    add_piece(run, event->text, event->more);
    run->own = event->type;
    if (event->more) return 0;
    record_number(run->out, "event", (uint64_t)event->type);
    record_number(run->out, "at", (uint64_t)event->timestamp_ms);
    record_number(run->out, "took", event->execution_time_ms);
    record_number(run->out, "count", event->execution_count);
    check_view(run->client, event->key);
    record_view(run->out, "key", event->key);
    whole_text(run, "text ");
    return stop(run);
}

static int on_own(event_run *run, const osb_event *event, osb_event_type type)
{
    CHECK(event->type == type && run->own == type);
    run->own = OSB_EVENT_UNKNOWN;
    return 0;
}

#define OWN_HANDLER(name, type)                                                                    \
    static int name(void *user, const osb_event *event)                                            \
    {                                                                                              \
        return on_own((event_run *)user, event, type);                                             \
    }
OWN_HANDLER(on_init, OSB_EVENT_INIT)
OWN_HANDLER(on_status, OSB_EVENT_STATUS)
OWN_HANDLER(on_stdout, OSB_EVENT_STDOUT)
OWN_HANDLER(on_stderr, OSB_EVENT_STDERR)
OWN_HANDLER(on_result, OSB_EVENT_RESULT)
OWN_HANDLER(on_error, OSB_EVENT_ERROR)
OWN_HANDLER(on_complete, OSB_EVENT_COMPLETE)
OWN_HANDLER(on_count, OSB_EVENT_COUNT)
OWN_HANDLER(on_ping, OSB_EVENT_PING)

static int on_traceback(void *user, osb_str line, bool more)
{
    event_run *run = (event_run *)user;
    add_piece(run, line, more);
    if (more) return 0;
    whole_text(run, "traceback ");
    return stop(run);
}

static int on_output(void *user, osb_stream stream, const char *data, size_t size)
{
    event_run *run = (event_run *)user;
    CHECK(stream == OSB_STDOUT || stream == OSB_STDERR);
    record_bytes(&run->output[stream - 1], data, size);
    return 0;
}

static osb_handlers all_handlers(event_run *run)
{
    osb_handlers h;
    memset(&h, 0, sizeof h);
    h.user = run;
    h.on_event = on_event;
    h.on_init = on_init;
    h.on_status = on_status;
    h.on_stdout = on_stdout;
    h.on_stderr = on_stderr;
    h.on_result = on_result;
    h.on_error = on_error;
    h.on_complete = on_complete;
    h.on_count = on_count;
    h.on_ping = on_ping;
    h.on_traceback = on_traceback;
    h.on_output = on_output;
    return h;
}

static void record_execution(event_run *run, const osb_execution *e)
{
    CHECK(memchr(e->id, '\0', sizeof e->id) != NULL);
    record_text(run->out, e->id);
    record_number(run->out, " exit", e->exit_code.set ? (uint32_t)e->exit_code.value : 1000u);
    record_number(run->out, "ended", e->ended);
    check_view(run->client, e->error_name);
    check_view(run->client, e->error_value);
    record_view(run->out, "error", e->error_name);
    record_number(run->out, "count", e->execution_count);
    record_number(run->out, "took", e->execution_time_ms);
    record_number(run->out, "started", (uint64_t)e->started_ms);
    record_number(run->out, "last", (uint64_t)e->last_ms);
}

/* A capture has the beginning of what on_output got. */
static void check_capture(const osb_capture *capture, const record *output)
{
    CHECK(capture->length == (output->size < capture->size ? output->size : capture->size));
    CHECK(capture->more == (output->size > capture->size));
    if (capture->length > 0) CHECK(memcmp(capture->data, output->data, capture->length) == 0);
}

static void run_events(void *setup, feed *f, record *out)
{
    static const osb__op ends = {"POST /", NULL, NULL,
                                 NULL,     NULL, OSB__EVENTS | OSB__LAST_ENDS | OSB__LINES};
    static const osb__op plain = {"POST /", NULL, NULL, NULL, NULL, OSB__EVENTS};
    event_run *run = (event_run *)setup;
    osb_handlers handlers = all_handlers(run);
    osb_capture capture[2];
    osb_execution execution;
    osb_client c;
    osb_status status;
    int i;
    memset(&execution, 0, sizeof execution);
    memset(capture, 0, sizeof capture);
    for (i = 0; i < 2; i++) {
        capture[i].size = 16u << i;
        capture[i].data = (char *)exactly(capture[i].size);
    }
    handlers.capture_stdout = &capture[0];
    handlers.capture_stderr = &capture[1];
    feed_client(&c, f, run->memory_size);
    c.call.op = run->lines ? &ends : &plain;
    c.call.handlers = &handlers;
    c.call.own = &execution;
    c.call.answer = osb__alloc(&c, sizeof(osb_event));
    osb__begin_receiving(&c);
    c.http.framing = OSB__UNTIL_CLOSE;
    c.http.status = 200;
    CHECK(osb__head_end(&c) == OSB_PENDING);
    c.http.framing = OSB__UNTIL_CLOSE;
    run->out = out;
    run->client = &c;
    run->calls = 0;
    run->own = OSB_EVENT_UNKNOWN;
    status = feed_run(&c);
    whole_text(run, "rest ");
    record_outcome(out, &c, status);
    record_execution(run, &execution);
    for (i = 0; i < 2; i++) {
        check_capture(&capture[i], &run->output[i]);
        record_bytes(out, run->output[i].data, run->output[i].size);
        record_free(&run->output[i]);
        free(capture[i].data);
    }
    free(c.buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    event_run run;
    input in;
    uint32_t seed;
    in.data = data;
    in.size = size;
    memset(&run, 0, sizeof run);
    seed = take_byte(&in);
    run.lines = seed % 2 == 0;
    run.stop_at = seed % 5 == 4 ? seed / 5 : 0;
    run.memory_size = sizeof(osb_event) + 160 + 4 * (size_t)take_byte(&in);
    run.utf8 = is_utf8(in.data, in.size);
    feed_every_way(seed, in.data, in.size, run_events, &run);
    return 0;
}
