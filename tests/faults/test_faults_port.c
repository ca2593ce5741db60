/* Port torture: a fixed scenario on a port without sockets, over and over, and each time another of
   its I/O calls fails, in every way in which a port can fail. */
#define OPENSANDBOX_IMPLEMENTATION
#include "port/osb_posix.h"

#include "tests/faults/cases.h"

/* ---- a port with a good server behind it -----------------------------------------------------*/

typedef enum failure {
    NONE,
    WANT_ONCE,
    WANT_OTHER,
    AGAIN,
    WANT,
    CLOSED,
    FAILED,
    SHORT,
    FAILURES
} failure;

static const char *const failure_rows[] = {
    "",          "port-want-once", "port-want-other", "port-again",
    "port-want", "port-closed",    "port-failed",     "port-short"};

typedef struct desk {
    struct text request, reply;
    size_t given;
    bool connected;
    bool byte_by_byte; /* each transfer is of one byte, without any failure */
    failure failure;
    unsigned long calls, fail_at; /* which I/O call fails */
    bool failing;                 /* it has, and the connection has not been closed since */
    unsigned only;                /* OSB_WANT_...: nothing else is ready the next time */
} desk;

static desk d;

#define EVENTS                                                                                     \
    "{\"type\":\"init\",\"text\":\"c1\",\"timestamp\":1}\n\n"                                      \
    "{\"type\":\"stdout\",\"text\":\"one\",\"timestamp\":2}\n\n"                                   \
    "{\"type\":\"stderr\",\"text\":\"two\",\"timestamp\":3}\n\n"                                   \
    "{\"type\":\"error\",\"error\":{\"ename\":\"CommandExecError\",\"evalue\":\"3\","              \
    "\"traceback\":[\"exit status 3\"]},\"timestamp\":4}\n\n"
#define BOX "{\"id\":\"made\",\"status\":{\"state\":\"Running\"},\"metadata\":{\"a\":\"b\"}}"

static const struct {
    const char *request, *body;
} good_answers[] = {
    {"POST /v1/sandboxes", "{\"id\":\"made\",\"status\":{\"state\":\"Pending\"}}"},
    {"GET /v1/sandboxes/made/endpoints",
     "{\"endpoint\":\"127.0.0.1:80/execd\",\"headers\":{\"X-T\":\"t\"}}"},
    {"GET /v1/sandboxes/made", BOX},
    {"GET /v1/sandboxes", "{\"items\":[" BOX "," BOX "],\"pagination\":{\"page\":1}}"},
    {"POST /execd/command", EVENTS},
    {"GET /execd/command/status",
     "{\"id\":\"c1\",\"content\":\"echo\",\"running\":false,\"exit_code\":3}"},
    {"GET /execd/command/c1/logs", "one\ntwo\n"},
    {"GET /execd/ping", ""},
    {"DELETE /v1/sandboxes/7f", ""},
    {"DELETE /v1/sandboxes/made", ""},
};

static void desk_answer(void)
{
    const char *end = d.request.size > 0 ? strstr(d.request.data, "\r\n\r\n") : NULL;
    const char *length = end != NULL ? strstr(d.request.data, "\r\nContent-Length: ") : NULL, *body;
    size_t i = 0;
    if (end == NULL) return;
    if (length != NULL && length < end &&
        d.request.size - (size_t)(end + 4 - d.request.data) < strtoul(length + 18, NULL, 10))
        return;
    while (strncmp(d.request.data, good_answers[i].request, strlen(good_answers[i].request)) != 0)
        if (++i == sizeof good_answers / sizeof good_answers[0]) abort();
    body = good_answers[i].body;
    text_clear(&d.request);
    text_print(&d.reply,
               "HTTP/1.1 200 OK\r\nEXECD-COMMANDS-TAIL-CURSOR: 8\r\nContent-Length: %lu\r\n\r\n%s",
               (unsigned long)strlen(body), body);
}

/* Whether this I/O call fails, and how. 0: it does not. */
static int desk_fails(int want)
{
    bool now = ++d.calls == d.fail_at;
    if (now && d.failure == WANT_ONCE) return want;
    if (now && d.failure == AGAIN) return OSB_IO_AGAIN;
    if (now && d.failure == WANT_OTHER) {
        d.only = want == OSB_IO_WANT_READ ? OSB_WANT_WRITE : OSB_WANT_READ;
        return want == OSB_IO_WANT_READ ? OSB_IO_WANT_WRITE : OSB_IO_WANT_READ;
    }
    if (now) d.failing = true;
    if (!d.failing) return 0;
    switch (d.failure) {
    case WANT:
        return want;
    case CLOSED:
        return OSB_IO_CLOSED;
    case FAILED:
        return OSB_IO_FAILED;
    default:
        return 0;
    }
}

static size_t desk_size(size_t size)
{
    return d.byte_by_byte || (d.failing && d.failure == SHORT) ? 1 : size;
}

static int desk_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    int io = desk_fails(OSB_IO_WANT_WRITE);
    (void)ctx;
    if (strcmp(host, "127.0.0.1") != 0 || port != 80 || tls) abort();
    d.connected = io == 0;
    return io;
}

static int desk_send(void *ctx, const void *data, size_t size)
{
    int io = desk_fails(OSB_IO_WANT_WRITE);
    (void)ctx;
    if (!d.connected || size == 0) abort();
    if (io != 0) return io;
    size = desk_size(size);
    text_add(&d.request, data, size);
    desk_answer();
    return (int)size;
}

static int desk_recv(void *ctx, void *data, size_t size)
{
    int io = desk_fails(OSB_IO_WANT_READ);
    (void)ctx;
    if (!d.connected || size == 0) abort();
    if (io != 0) return io;
    if (d.given == d.reply.size) return OSB_IO_WANT_READ;
    if (size > d.reply.size - d.given) size = d.reply.size - d.given;
    size = desk_size(size);
    memcpy(data, d.reply.data + d.given, size);
    d.given += size;
    return (int)size;
}

static void desk_close(void *ctx)
{
    (void)ctx;
    d.connected = d.failing = false;
    d.given = 0;
    text_clear(&d.request);
    text_clear(&d.reply);
}

static const char *desk_error(void *ctx, int32_t *code)
{
    (void)ctx;
    *code = d.failing && d.failure == FAILED ? 77 : 0;
    return *code != 0 ? "torture" : NULL;
}

/* Time passes only if nothing can be done. */
static void desk_wait(void *ctx, unsigned want, uint32_t timeout_ms)
{
    fixture *f = (fixture *)ctx;
    bool stuck = d.failing && d.failure == WANT;
    bool readable = (want & OSB_WANT_READ) != 0 && d.given < d.reply.size;
    bool ready = d.only != 0 ? (want & d.only) != 0 : readable || (want & OSB_WANT_WRITE) != 0;
    d.only = 0;
    if (!stuck && ready) return;
    f->clock_ms += timeout_ms > 0 ? timeout_ms : 1;
    f->waited_ms += timeout_ms;
    if (f->waited_ms > HANG_MS) abort();
}

/* ---- the scenario ----------------------------------------------------------------------------*/

static const call *const scenario[] = {&call_create, &call_run,  &call_state,
                                       &call_logs,   &call_list, &call_kill};
#define CALLS (sizeof scenario / sizeof scenario[0])

typedef struct outcome {
    osb_status status[CALLS], cause[CALLS];
    int32_t port_code[CALLS];
    struct text lines[CALLS];
} outcome;

static void open_desk(fixture *f, const variant *v)
{
    static server nobody;
    nobody.port = 80;
    fixture_open(f, &nobody, v);
    f->ops.connect = desk_connect;
    f->ops.send = desk_send;
    f->ops.recv = desk_recv;
    f->ops.close = desk_close;
    f->ops.error = desk_error;
    f->wait = desk_wait;
    f->ops.wait = v->poll_mode ? NULL : desk_wait;
    if (osb_client_init(&f->client, &f->config) != OSB_OK) abort();
    desk_close(NULL);
}

static void close_desk(fixture *f)
{
    osb_client_close(&f->client);
    recorder_clear(&f->record);
    free(f->memory);
    text_free(&d.request);
    text_free(&d.reply);
}

/* All calls of the scenario; what one does not get done is put right for those behind it. */
static void play_scenario(fixture *f, outcome *o)
{
    size_t i;
    for (i = 0; i < CALLS; i++) {
        memset(f->box.id, 0, sizeof f->box.id);
        recorder_clear(&f->record);
        f->handlers = recorder_handlers(&f->record);
        strcpy(f->box.id, "made");
        strcpy(f->box.execd.address, "127.0.0.1:80/execd");
        o->status[i] = fixture_call(f, scenario[i]);
        o->cause[i] = osb_last_error(&f->client)->cause;
        o->port_code[i] = osb_last_error(&f->client)->port_code;
        text_clear(&o->lines[i]);
        text_add(&o->lines[i], f->record.lines.data, f->record.lines.size);
        if (f->record.misuse.size > 0) abort();
    }
}

static bool same_lines(const struct text *a, const struct text *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

static bool is_one_of(osb_status status, const osb_status *list, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++)
        if (list[i] == status) return true;
    return false;
}

/* Whether a call may end like this after its n-th I/O call has failed in this way. */
static bool may_fail(const outcome *o, size_t i, failure how)
{
    static const osb_status broken[] = {OSB_E_CONNECT, OSB_E_CLOSED, OSB_E_TRUNCATED,
                                        OSB_E_NOT_READY};
    if (how == WANT)
        return o->status[i] == OSB_E_TIMEOUT ||
               (o->status[i] == OSB_E_NOT_READY && o->cause[i] == OSB_E_TIMEOUT);
    if (how == CLOSED) return is_one_of(o->status[i], broken, 4);
    return how == FAILED && is_one_of(o->status[i], broken, 4) && o->port_code[i] == 77;
}

/* What is wrong with an outcome; NULL: nothing. */
static const char *judge_outcome(const outcome *o, const outcome *reference, failure how)
{
    size_t i, failed = 0;
    for (i = 0; i < CALLS; i++) {
        bool same = same_lines(&o->lines[i], &reference->lines[i]);
        if (o->status[i] == OSB_OK && !same) return "a good outcome is not the same";
        if (o->status[i] == OSB_OK) continue;
        failed++;
        if (!may_fail(o, i, how)) return osb_status_name(o->status[i]);
    }
    return failed > 1 ? "more than one call failed" : NULL;
}

static bool torture(const variant *v, failure how, unsigned long at, bool bytes,
                    const outcome *reference)
{
    static fixture f;
    static outcome o;
    const char *wrong;
    memset(&d, 0, sizeof d);
    d.failure = how;
    d.fail_at = at;
    d.byte_by_byte = bytes;
    alarm(60);
    open_desk(&f, v);
    play_scenario(&f, &o);
    wrong = judge_outcome(&o, reference, how);
    d.failure = NONE;
    d.failing = false;
    play_scenario(&f, &o);
    if (wrong == NULL && judge_outcome(&o, reference, NONE) != NULL)
        wrong = "the scenario does not work afterwards";
    close_desk(&f);
    alarm(0);
    if (wrong != NULL && shown++ < 5)
        fprintf(stderr, "%s, %s%s, I/O call %lu: %s\n", failure_rows[how], v->name,
                bytes ? ", byte by byte" : "", at, wrong);
    count_result(failure_rows[how], wrong == NULL, 0, 0);
    return wrong == NULL;
}

/* The scenario without a failure; returns how many I/O calls it makes. */
static unsigned long play_reference(const variant *v, bool bytes, outcome *reference)
{
    static fixture f;
    size_t i;
    memset(&d, 0, sizeof d);
    d.byte_by_byte = bytes;
    open_desk(&f, v);
    play_scenario(&f, reference);
    close_desk(&f);
    for (i = 0; i < CALLS; i++)
        assert_string_equal(osb_status_name(reference->status[i]), "OSB_OK");
    return d.calls;
}

static bool torture_all(const variant *v, failure how, bool bytes, unsigned long by)
{
    static outcome reference;
    unsigned long calls = play_reference(v, bytes, &reference), at;
    bool good = true;
    for (at = 1; at <= calls; at += by) good = torture(v, how, at, bytes, &reference) && good;
    return good;
}

static void test_failure(void **state)
{
    static const unsigned long steps[][2] = {{7, 397}, {1, 11}, {1, 1}};
    failure how = *(const failure *)*state;
    size_t i;
    bool good = true;
    shown = 0;
    for (i = 0; i < (depth == SAMPLE ? 2 : VARIANTS); i++) {
        good = torture_all(&variants[i], how, false, steps[depth][0]) && good;
        good = torture_all(&variants[i], how, true, steps[depth][1]) && good;
    }
    assert_true(good);
}

int main(int count, char **arguments)
{
    static failure failures[FAILURES];
    static struct CMUnitTest tests[FAILURES];
    int failed;
    size_t i;
    (void)count;
    begin_program(arguments[0]);
    for (i = WANT_ONCE; i < FAILURES; i++) {
        failures[i] = (failure)i;
        tests[i - 1].name = failure_rows[i];
        tests[i - 1].test_func = test_failure;
        tests[i - 1].initial_state = &failures[i];
    }
    failed = _cmocka_run_group_tests("faults_port", tests, FAILURES - 1, NULL, NULL);
    if (depth != SAMPLE) write_results(arguments[0]);
    return failed;
}
