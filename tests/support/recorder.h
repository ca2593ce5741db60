/* Writes down as text what a call hands out, one line for each thing, so that two outcomes can be
   compared as text: whole texts, however they were cut into pieces. Checks on the way what holds
   for each piece; what is wrong is noted in `misuse`. */
#ifndef TESTS_RECORDER_H
#define TESTS_RECORDER_H

#include "opensandbox.h"
#include "tests/support/text.h"

typedef struct recorder {
    struct text lines;
    struct text misuse;
    struct text piece;     /* of the event at hand */
    struct text trace;     /* of the traceback line at hand: comes between an event's pieces */
    struct text key;       /* of the event at hand */
    struct text output[2]; /* on_output's */
    struct text data;      /* on_data's and on_content's */
    char captured[2][8192];
    osb_capture capture[2];
    osb_event_type type;   /* of the event that on_event saw last */
    bool unclaimed;        /* and its own handler has not seen it yet */
    const char *cancel_on; /* name of the event, "data" or "entry" whose handler says stop */
    bool cancelled;        /* it has said so */
} recorder;

SUPPORT void recorder_wrong(recorder *r, const char *what)
{
    if (r->misuse.size == 0) text_print(&r->misuse, "%s", what);
    if (r->misuse.size == 0) text_add(&r->misuse, "?", 1);
}

SUPPORT const char *recorder_event_name(osb_event_type type)
{
    static const char *const names[] = {"unknown", "init",  "status",   "stdout", "stderr",
                                        "result",  "error", "complete", "count",  "ping"};
    return names[type];
}

/* Long text by its beginning, its size and a hash (FNV-1a). */
SUPPORT void recorder_text(recorder *r, const char *data, size_t size)
{
    uint32_t hash = 2166136261u;
    size_t i;
    if (size <= 400) {
        text_escaped(&r->lines, data, size);
        return;
    }
    for (i = 0; i < size; i++) hash = (hash ^ (unsigned char)data[i]) * 16777619u;
    text_escaped(&r->lines, data, 60);
    text_print(&r->lines, "... (%lu bytes, hash %08lx)", (unsigned long)size, (unsigned long)hash);
}

SUPPORT void recorder_line(recorder *r, const char *name, const char *data, size_t size)
{
    text_print(&r->lines, "%s", name);
    if (size > 0) text_add(&r->lines, " ", 1);
    recorder_text(r, data, size);
    text_add(&r->lines, "\n", 1);
}

SUPPORT void recorder_view(recorder *r, const char *name, osb_str view)
{
    if (view.data == NULL) return;
    recorder_line(r, name, view.data, view.size);
    if (view.data[view.size] != '\0') recorder_wrong(r, "no NUL behind a view");
}

/* A piece must not begin or end inside a character; the test data is valid UTF-8. */
SUPPORT void recorder_check_piece(recorder *r, osb_str text)
{
    size_t back = 0;
    const unsigned char *bytes = (const unsigned char *)text.data;
    if (text.size == 0) return;
    if ((bytes[0] & 0xc0u) == 0x80u) recorder_wrong(r, "a piece begins inside a character");
    while (back < text.size && back < 4 && (bytes[text.size - 1 - back] & 0xc0u) == 0x80u) back++;
    if (back < text.size) {
        unsigned char lead = bytes[text.size - 1 - back];
        size_t need = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : 0;
        if (back != need) recorder_wrong(r, "a piece ends inside a character");
    }
}

/* Whether the handler of this event is the one that says stop. */
SUPPORT int recorder_answer(recorder *r, const char *name, bool more)
{
    if (r->cancelled) recorder_wrong(r, "a handler is called after one has said stop");
    if (more || r->cancel_on == NULL || strcmp(r->cancel_on, name) != 0) return 0;
    r->cancelled = true;
    return 1;
}

SUPPORT void recorder_event_line(recorder *r, const osb_event *event)
{
    text_print(&r->lines, "event %s", recorder_event_name(event->type));
    if (event->timestamp_ms != 0) text_print(&r->lines, " @%lld", (long long)event->timestamp_ms);
    if (event->execution_time_ms != 0)
        text_print(&r->lines, " +%llu", (unsigned long long)event->execution_time_ms);
    if (event->execution_count != 0)
        text_print(&r->lines, " #%lu", (unsigned long)event->execution_count);
    if (r->key.size > 0) {
        text_add(&r->lines, " [", 2);
        text_escaped(&r->lines, r->key.data, r->key.size);
        text_add(&r->lines, "]", 1);
    }
    if (r->piece.size > 0) text_add(&r->lines, " ", 1);
    recorder_text(r, r->piece.data, r->piece.size);
    text_add(&r->lines, "\n", 1);
    text_clear(&r->piece);
    text_clear(&r->key);
}

SUPPORT int recorder_on_event(void *user, const osb_event *event)
{
    recorder *r = (recorder *)user;
    if (r->unclaimed && r->type != OSB_EVENT_UNKNOWN)
        recorder_wrong(r, "an event's own handler was not called");
    r->type = event->type;
    r->unclaimed = true;
    recorder_check_piece(r, event->text);
    if (event->text.size > 0) text_add(&r->piece, event->text.data, event->text.size);
    if (event->more && event->text.size == 0) recorder_wrong(r, "an empty piece");
    if (event->text.data != NULL && event->text.data[event->text.size] != '\0')
        recorder_wrong(r, "no NUL behind an event's text");
    if (event->key.data != NULL && event->key.data[event->key.size] != '\0')
        recorder_wrong(r, "no NUL behind an event's key");
    if (event->more) return 0;
    if (event->key.size > 0) text_add(&r->key, event->key.data, event->key.size);
    recorder_event_line(r, event);
    return recorder_answer(r, recorder_event_name(event->type), event->more);
}

/* The event's own handler comes right after on_event. */
SUPPORT int recorder_own(recorder *r, const osb_event *event, osb_event_type type)
{
    if (!r->unclaimed || event->type != type || r->type != type)
        recorder_wrong(r, "an event's own handler was called at the wrong time");
    r->unclaimed = false;
    return 0;
}

SUPPORT int recorder_on_init(void *user, const osb_event *e)
{
    return recorder_own((recorder *)user, e, OSB_EVENT_INIT);
}

SUPPORT int recorder_on_status(void *user, const osb_event *e)
{
    return recorder_own((recorder *)user, e, OSB_EVENT_STATUS);
}

SUPPORT int recorder_on_stdout(void *user, const osb_event *e)
{
    return recorder_own((recorder *)user, e, OSB_EVENT_STDOUT);
}

SUPPORT int recorder_on_stderr(void *user, const osb_event *e)
{
    return recorder_own((recorder *)user, e, OSB_EVENT_STDERR);
}

SUPPORT int recorder_on_result(void *user, const osb_event *e)
{
    return recorder_own((recorder *)user, e, OSB_EVENT_RESULT);
}

SUPPORT int recorder_on_error(void *user, const osb_event *e)
{
    return recorder_own((recorder *)user, e, OSB_EVENT_ERROR);
}

SUPPORT int recorder_on_complete(void *user, const osb_event *e)
{
    return recorder_own((recorder *)user, e, OSB_EVENT_COMPLETE);
}

SUPPORT int recorder_on_count(void *user, const osb_event *e)
{
    return recorder_own((recorder *)user, e, OSB_EVENT_COUNT);
}

SUPPORT int recorder_on_ping(void *user, const osb_event *e)
{
    return recorder_own((recorder *)user, e, OSB_EVENT_PING);
}

SUPPORT int recorder_on_traceback(void *user, osb_str line, bool more)
{
    recorder *r = (recorder *)user;
    recorder_check_piece(r, line);
    text_add(&r->trace, line.data, line.size);
    if (more) return 0;
    recorder_line(r, "traceback", r->trace.data, r->trace.size);
    text_clear(&r->trace);
    return recorder_answer(r, "traceback", more);
}

SUPPORT int recorder_on_output(void *user, osb_stream stream, const char *data, size_t size)
{
    recorder *r = (recorder *)user;
    text_add(&r->output[stream - 1], data, size);
    return 0;
}

SUPPORT int recorder_on_data(void *user, const void *data, size_t size)
{
    recorder *r = (recorder *)user;
    if (size == 0) recorder_wrong(r, "on_data without data");
    text_add(&r->data, data, size);
    return recorder_answer(r, "data", false);
}

SUPPORT osb_handlers recorder_handlers(recorder *r)
{
    osb_handlers h;
    int i;
    memset(&h, 0, sizeof h);
    for (i = 0; i < 2; i++) {
        r->capture[i].data = r->captured[i];
        r->capture[i].size = sizeof r->captured[i];
    }
    h.user = r;
    h.on_event = recorder_on_event;
    h.on_init = recorder_on_init;
    h.on_status = recorder_on_status;
    h.on_stdout = recorder_on_stdout;
    h.on_stderr = recorder_on_stderr;
    h.on_result = recorder_on_result;
    h.on_error = recorder_on_error;
    h.on_complete = recorder_on_complete;
    h.on_count = recorder_on_count;
    h.on_ping = recorder_on_ping;
    h.on_traceback = recorder_on_traceback;
    h.on_output = recorder_on_output;
    h.capture_stdout = &r->capture[0];
    h.capture_stderr = &r->capture[1];
    return h;
}

SUPPORT void recorder_info(recorder *r, const osb_sandbox_info *info)
{
    recorder_view(r, "id", info->id);
    recorder_view(r, "image", info->image);
    recorder_view(r, "snapshot_id", info->snapshot_id);
    recorder_view(r, "platform_os", info->platform_os);
    recorder_view(r, "platform_arch", info->platform_arch);
    recorder_view(r, "state", info->state);
    recorder_view(r, "reason", info->reason);
    recorder_view(r, "message", info->message);
    recorder_view(r, "last_transition_at", info->last_transition_at);
    recorder_view(r, "created_at", info->created_at);
    recorder_view(r, "expires_at", info->expires_at);
}

SUPPORT int recorder_on_entry(void *user, const osb_entry *entry)
{
    recorder *r = (recorder *)user;
    text_print(&r->lines, "entry %s", entry->member);
    if (entry->key.size > 0) {
        text_add(&r->lines, " [", 2);
        text_escaped(&r->lines, entry->key.data, entry->key.size);
        text_add(&r->lines, "]", 1);
    }
    recorder_view(r, "", entry->value);
    return recorder_answer(r, "entry", false);
}

SUPPORT int recorder_on_sandbox(void *user, const osb_sandbox_info *info)
{
    recorder *r = (recorder *)user;
    text_print(&r->lines, "sandbox\n");
    recorder_info(r, info);
    return recorder_answer(r, "sandbox", false);
}

SUPPORT osb_info_handlers recorder_info_handlers(recorder *r)
{
    osb_info_handlers h;
    memset(&h, 0, sizeof h);
    h.user = r;
    h.on_entry = recorder_on_entry;
    h.on_sandbox = recorder_on_sandbox;
    return h;
}

SUPPORT void recorder_endpoint(recorder *r, const osb_endpoint *endpoint)
{
    const char *name = endpoint->headers;
    recorder_line(r, endpoint->https ? "https address" : "address", endpoint->address,
                  strlen(endpoint->address));
    while (*name != '\0') {
        const char *value = name + strlen(name) + 1;
        text_print(&r->lines, "header %s", name);
        recorder_line(r, "", value, strlen(value));
        name = value + strlen(value) + 1;
    }
}

SUPPORT void recorder_execution(recorder *r, const osb_execution *run)
{
    recorder_line(r, "execution", run->id, strlen(run->id));
    if (run->exit_code.set) text_print(&r->lines, "exit_code %ld\n", (long)run->exit_code.value);
    if (run->timed_out) text_print(&r->lines, "timed_out\n");
    if (!run->ended) text_print(&r->lines, "not ended\n");
    recorder_view(r, "error_name", run->error_name);
    recorder_view(r, "error_value", run->error_value);
    if (run->execution_count != 0)
        text_print(&r->lines, "execution_count %lu\n", (unsigned long)run->execution_count);
    if (run->execution_time_ms != 0)
        text_print(&r->lines, "execution_time %llu\n", (unsigned long long)run->execution_time_ms);
    text_print(&r->lines, "times %lld %lld\n", (long long)run->started_ms, (long long)run->last_ms);
}

/* Output rebuilt as text, which the captures must have too. */
SUPPORT void recorder_outputs(recorder *r)
{
    static const char *const names[] = {"stdout_text", "stderr_text"};
    int i;
    for (i = 0; i < 2; i++) {
        const osb_capture *c = &r->capture[i];
        size_t kept =
            r->output[i].size < sizeof r->captured[i] ? r->output[i].size : sizeof r->captured[i];
        if (r->output[i].size > 0) recorder_line(r, names[i], r->output[i].data, r->output[i].size);
        if (c->length != kept || c->more != (r->output[i].size > kept) ||
            (kept > 0 && memcmp(c->data, r->output[i].data, kept) != 0))
            recorder_wrong(r, "a capture has something else than on_output");
    }
}

/* The library's own words are not part of an outcome: they stand outside of the working buffer. */
SUPPORT void recorder_message(recorder *r, osb_str message, const void *memory, size_t size)
{
    const char *low = (const char *)memory;
    if (message.data == NULL) return;
    if (message.data >= low && message.data < low + size) recorder_view(r, "message", message);
    else text_print(&r->lines, "message of the library\n");
}

SUPPORT void recorder_error(recorder *r, const osb_client *client)
{
    const osb_error *e = osb_last_error(client);
    text_print(&r->lines, "operation %s\n", e->operation != NULL ? e->operation : "none");
    if (e->cause != e->status) text_print(&r->lines, "cause %s\n", osb_status_name(e->cause));
    if (e->target.data != NULL) recorder_line(r, "target", e->target.data, e->target.size);
    if (e->http_status != 0) text_print(&r->lines, "http_status %u\n", e->http_status);
    recorder_view(r, "code", e->code);
    recorder_message(r, e->message, client->config.memory, client->config.memory_size);
    if (e->message_cut) text_print(&r->lines, "message_cut\n");
    recorder_view(r, "request_id", e->request_id);
    if (e->retry_after_s != 0)
        text_print(&r->lines, "retry_after %lu\n", (unsigned long)e->retry_after_s);
    if (e->maybe_applied) text_print(&r->lines, "maybe_applied\n");
    if (e->port_text != NULL)
        text_print(&r->lines, "port %ld %s\n", (long)e->port_code, e->port_text);
    if (e->member != NULL) text_print(&r->lines, "member %s\n", e->member);
    if (e->buffer != NULL) text_print(&r->lines, "buffer %s\n", e->buffer);
    if ((e->needed != 0) != (e->status == OSB_E_BUFFER))
        recorder_wrong(r, "needed without OSB_E_BUFFER");
}

SUPPORT void recorder_status(recorder *r, const osb_client *client, osb_status status)
{
    text_print(&r->lines, "%s\n", osb_status_name(status));
    if (status != OSB_OK && osb_last_error(client)->status != status)
        recorder_wrong(r, "the error's status is not the call's");
    if (status != OSB_OK) recorder_error(r, client);
}

SUPPORT void recorder_clear(recorder *r)
{
    text_free(&r->lines);
    text_free(&r->misuse);
    text_free(&r->piece);
    text_free(&r->trace);
    text_free(&r->key);
    text_free(&r->output[0]);
    text_free(&r->output[1]);
    text_free(&r->data);
    memset(r, 0, sizeof *r);
}

#endif
