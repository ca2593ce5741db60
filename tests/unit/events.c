/* A stream's lines and events: SSE fields, errors with odd members, what ends a run and how. */
#include "tests/support/unit.h"

/* Runs a command whose stream is this, behind the init event. */
static osb_status run_stream(bench *b, const char *stream, osb_execution *run)
{
    static osb_handlers handlers;
    bench_begin(b, 1024);
    handlers = recorder_handlers(&b->r);
    bench_execd_answers(b, BENCH_STREAM BENCH_INIT);
    script_reply(&b->port, stream);
    script_close(&b->port);
    return bench_run(b, &handlers, run);
}

static void expect_malformed(const char *stream)
{
    osb_execution run;
    bench b;
    osb_status status = run_stream(&b, stream, &run);
    if (status != OSB_E_JSON) print_error("%s: %s\n", stream, osb_status_name(status));
    assert_int_equal(status, OSB_E_JSON);
    assert_false(run.ended);
    assert_false(run.exit_code.set);
    bench_end(&b);
}

static void expect_output(const char *stream, const char *output)
{
    osb_execution run;
    bench b;
    assert_int_equal(run_stream(&b, stream, &run), OSB_OK);
    assert_string_equal(b.r.output[0].data, output);
    assert_true(run.ended);
    bench_end(&b);
}

#define OUT(text) "{\"type\":\"stdout\",\"text\":\"" text "\"}"
#define END "{\"type\":\"execution_complete\"}\n\n"

static void test_data_lines(void **state)
{
    (void)state;
    expect_output("data: " OUT("a") "\n\n" END, "a\n");
    expect_output("data:" OUT("a") "\n\ndata:" OUT("b") "\n\n" END, "a\nb\n");
    expect_output("event: x\nid: 7\nretry: 9\ndata: " OUT("a") "\nid: 8\n\n" END, "a\n");
    expect_output("data:\n\n" OUT("a") "\n\n" END, "a\n");
    expect_output("data: \n\n" OUT("a") "\n\n" END, "a\n");
    expect_output("data\n\ndatax: 1\n\ndat: 2\n\nd\n\n: a comment\n\n" OUT("a") "\n\n" END, "a\n");
    expect_output("data:   \n\n\n\n" OUT("a") "  \t\n\n" END, "a\n");
    expect_output("data: {\"type\":\ndata: \"stdout\",\ndata: \"text\":\"a\"}\n\n" END, "a\n");
}

static void test_malformed_lines(void **state)
{
    (void)state;
    expect_malformed("data: {\"type\":\n\n" END);
    expect_malformed("data: {\"type\":\n" END);
    expect_malformed("data: {\n{\"type\":\"ping\"}\n\n" END);
    expect_malformed("{\"type\":\n\"ping\"}\n\n" END);
    expect_malformed(OUT("a") "x\n\n" END);
    expect_malformed(OUT("a") OUT("b") "\n\n" END);
    expect_malformed("data: " OUT("a") "x\n\n" END);
    expect_malformed("data: x\n\n" END);
    expect_malformed("<html>\n" END);
    expect_malformed("{\"type\":\"init\"}\n\n" END);
}

/* ---- errors ------------------------------------------------------------------------------------*/

/* A run that ends with this error event: its exit code, or none. */
static void expect_error(const char *error, bool set, int32_t code)
{
    char stream[256];
    osb_execution run;
    bench b;
    snprintf(stream, sizeof stream, "{\"type\":\"error\",\"error\":%s,\"timestamp\":120}\n\n",
             error);
    assert_int_equal(run_stream(&b, stream, &run), OSB_OK);
    assert_true(run.ended);
    assert_non_null(run.error_name.data);
    if (run.exit_code.set != set) print_error("%s\n", error);
    assert_int_equal(run.exit_code.set, set);
    if (set) assert_int_equal(run.exit_code.value, code);
    bench_end(&b);
}

static void test_exit_codes(void **state)
{
    (void)state;
    expect_error("{\"ename\":\"E\",\"evalue\":\"3\"}", true, 3);
    expect_error("{\"evalue\":\"-1\"}", true, -1);
    expect_error("\"2147483647\"", true, 2147483647);
    expect_error("{\"ename\":\"E\",\"evalue\":\"-2147483648\"}", true, INT32_MIN);
    expect_error("{\"ename\":\"E\",\"evalue\":\"2147483648\"}", false, 0);
    expect_error("{\"ename\":\"E\",\"evalue\":\"-2147483649\"}", false, 0);
    expect_error("{\"ename\":\"E\",\"evalue\":\"99999999999999999999\"}", false, 0);
    expect_error("{\"ename\":\"E\",\"evalue\":\"boom\"}", false, 0);
    expect_error("{\"ename\":\"E\",\"evalue\":\"\"}", false, 0);
    expect_error("{\"ename\":\"E\"}", false, 0);
    expect_error("{\"evalue\":\"boom\"}", false, 0);
    expect_error("{}", false, 0);
    expect_error("null", false, 0);
    expect_error("\"boom\"", false, 0);
}

/* A command that was killed (-1) was timed out if it ran for as long as it may: nearly, since execd's
   time for it begins before the init event does, on a busy machine by 200 ms and more. */
static void test_timed_out(void **state)
{
    static const struct {
        const char *at;
        uint32_t timeout_ms;
        bool timed_out;
        int32_t code;
    } cases[] = {{"1100", 1000, true, -1},   {"590", 1000, true, -1},
                 {"589", 1000, false, -1},   {"90", 1000, false, -1},
                 {"59090", 60000, true, -1}, {"59089", 60000, false, -1},
                 {"1100", 0, false, -1},     {"-9223372036854775808", 1000, false, -1},
                 {"1100", 1000, false, 1}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        osb_command limited = bench_command;
        char stream[200];
        osb_execution run;
        bench b;
        limited.timeout_ms = cases[i].timeout_ms;
        snprintf(stream, sizeof stream,
                 "{\"type\":\"error\",\"error\":{\"ename\":\"E\",\"evalue\":\"%d\"},"
                 "\"timestamp\":%s}\n\n",
                 (int)cases[i].code, cases[i].at);
        bench_begin(&b, 1024);
        bench_execd_answers(&b, BENCH_STREAM BENCH_INIT);
        script_reply(&b.port, stream);
        script_close(&b.port);
        assert_int_equal(osb_command_run(&b.box, &limited, NULL, &run), OSB_OK);
        assert_int_equal(run.exit_code.value, cases[i].code);
        assert_int_equal(run.timed_out, cases[i].timed_out);
        bench_end(&b);
    }
}

/* A command whose time is up within the millisecond in which it began. */
static void test_killed_at_once(void **state)
{
    osb_command command = bench_command;
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    command.timeout_ms = 5;
    bench_stream(&b, BENCH_INIT
                 "{\"type\":\"error\",\"timestamp\":100,\"error\":{\"ename\":\"CommandExecError\","
                 "\"evalue\":\"-1\",\"traceback\":[]}}\n\n");
    assert_int_equal(osb_command_run(&b.box, &command, NULL, &run), OSB_OK);
    assert_int_equal(run.exit_code.value, -1);
    assert_true(run.timed_out);
    bench_end(&b);
}

/* A session's run that was given no time has execd's own, of 24 hours, to use up. */
static void test_session_without_a_time(void **state)
{
    static const char failure[] =
        "{\"code\":\"RUNTIME_ERROR\",\"message\":\"error running in session. timeout after 1s\"}";
    osb_session_command command = {"x", NULL, 0};
    (void)state;
    for (; command.timeout_ms <= 1000; command.timeout_ms += 1000) {
        osb_execution run;
        bench b;
        bench_begin(&b, 1024);
        bench_execd_answers(&b, BENCH_STREAM);
        script_reply(&b.port, BENCH_INIT);
        script_reply(&b.port, failure);
        script_close(&b.port);
        assert_int_equal(osb_session_run(&b.box, "5e01", &command, NULL, &run), OSB_E_STREAM);
        assert_true(run.timed_out);
        bench_end(&b);
    }
}

static int stop(void *user, const osb_event *event)
{
    (void)user;
    (void)event;
    return 1;
}

/* A kernel gets the code after its init event: an interrupt that came before it would be lost, and
   the code would run on. */
static void test_code_stopped_at_init(void **state)
{
    static const osb_code code = {"while True: pass", NULL, "python", false};
    osb_handlers handlers = {0};
    osb_execution run;
    uint32_t began_ms;
    bench b;
    (void)state;
    handlers.on_init = stop;
    bench_begin(&b, 1024);
    bench_stream(&b, BENCH_INIT);
    bench_execd_answers(&b, BENCH_EMPTY("200 OK"));
    began_ms = b.port.now_ms;
    assert_int_equal(osb_code_run(&b.box, &code, &handlers, &run), OSB_E_CANCELLED);
    assert_non_null(strstr(b.port.log.data, "DELETE /code?id=0a1b"));
    assert_in_range(b.port.now_ms - began_ms, 100, 199);
    bench_end(&b);
}

/* An isolated session's run tells of its end in a text and an error; no event has its id. */
static void test_isolated_errors(void **state)
{
    static const struct {
        const char *name, *value;
        uint32_t timeout_s;
        bool exit_code, timed_out;
    } cases[] = {{"ExitError", "3", 1, true, false},
                 {"RuntimeError", "context deadline exceeded", 1, false, true},
                 {"RuntimeError", "context deadline exceeded", 0, false, true}, /* execd's own */
                 {"RuntimeError", "session process has exited", 1, false, false}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        osb_isolated_command command = {"x", NULL, 0, 0};
        char stream[300];
        osb_execution run;
        bench b;
        command.timeout_s = cases[i].timeout_s;
        snprintf(stream, sizeof stream,
                 OUT("a") "\n\n{\"type\":\"error\",\"text\":\"command: %s\",\"timestamp\":9,"
                          "\"error\":{\"ename\":\"%s\",\"evalue\":\"%s\",\"traceback\":null}}"
                          "\n\n",
                 cases[i].value, cases[i].name, cases[i].value);
        bench_begin(&b, 1024);
        bench_stream(&b, stream);
        assert_int_equal(osb_isolated_run(&b.box, "is1", &command, NULL, &run), OSB_OK);
        assert_true(run.ended);
        assert_true(osb_str_equal(run.error_name, cases[i].name));
        assert_true(osb_str_equal(run.error_value, cases[i].value));
        assert_int_equal(run.exit_code.set, cases[i].exit_code);
        assert_int_equal(run.timed_out, cases[i].timed_out);
        bench_end(&b);
    }
}

static void test_long_id(void **state)
{
    char stream[4096];
    size_t n;
    (void)state;
    for (n = 1; n < 2000; n += n < 60 || n > 70 ? 7 : 1) {
        osb_execution run;
        osb_status status;
        bench b;
        bench_begin(&b, 1024);
        bench_execd(&b);
        snprintf(stream, sizeof stream, "{\"type\":\"init\",\"text\":\"%0*d\"}\n\n" END, (int)n, 1);
        bench_answer(&b, BENCH_STREAM);
        script_reply(&b.port, stream);
        script_close(&b.port);
        status = bench_run(&b, NULL, &run);
        if (n < OSB_ID_SIZE) {
            assert_int_equal(status, OSB_OK);
            assert_int_equal(strlen(run.id), n);
        } else {
            assert_int_equal(status, OSB_E_BUFFER);
            assert_string_equal(osb_last_error(&b.client)->buffer, "OSB_ID_SIZE");
            if (n < 600) assert_int_equal(osb_last_error(&b.client)->needed, n + 1);
        }
        bench_end(&b);
    }
}

/* ---- handlers that stop ------------------------------------------------------------------------*/

static int stop_event(void *user, const osb_event *event)
{
    (void)event;
    return ++*(unsigned *)user != 0;
}

static int stop_output(void *user, osb_stream stream, const char *data, size_t size)
{
    (void)stream;
    (void)data;
    (void)size;
    return ++*(unsigned *)user != 0;
}

/* Only a command in the foreground whose id is known is interrupted. */
static void check_stop(const osb_command *what, osb_handlers *handlers, const char *stream,
                       bool interrupted)
{
    unsigned calls = 0;
    osb_execution run;
    bench b;
    bench_begin(&b, 1024);
    handlers->user = &calls;
    bench_execd_answers(&b, stream);
    script_close(&b.port);
    if (interrupted) {
        bench_execd_answers(&b, "");
    }
    assert_int_equal(osb_command_run(&b.box, what, handlers, &run), OSB_E_CANCELLED);
    assert_int_equal(calls, 1);
    assert_false(run.exit_code.set);
    bench_end(&b);
}

static void test_what_is_interrupted(void **state)
{
    osb_command background = bench_command, kept = bench_command;
    osb_handlers first = {0}, output = {0};
    (void)state;
    background.background = true;
    kept.keep_running = true;
    first.on_event = stop_event;
    output.on_output = stop_output;
    check_stop(&bench_command, &first, BENCH_STREAM BENCH_INIT BENCH_DONE, true);
    check_stop(&background, &first, BENCH_STREAM BENCH_INIT BENCH_DONE, false);
    check_stop(&kept, &first, BENCH_STREAM BENCH_INIT BENCH_DONE, false);
    check_stop(&bench_command, &first, BENCH_STREAM "{\"type\":\"ping\"}\n\n" BENCH_INIT BENCH_DONE,
               false);
    check_stop(&bench_command, &output, BENCH_STREAM BENCH_INIT OUT("a") "\n\n" BENCH_DONE, true);
    check_stop(&bench_command, &output, BENCH_STREAM BENCH_INIT OUT("") "\n\n" BENCH_DONE, true);
}

/* Every handler by itself, and none: the stream is read to its end. */
static int count_event(void *user, const osb_event *event)
{
    (void)event;
    ++*(unsigned *)user;
    return 0;
}

static void test_one_handler_each(void **state)
{
    static const char stream[] =
        BENCH_STREAM BENCH_INIT "{\"type\":\"status\",\"text\":\"idle\"}\n" OUT(
            "a") "\n{\"type\":\"stderr\",\"text\":\"b\"}\n"
                 "{\"type\":\"stdout\"}\n{\"type\":\"result\",\"results\":{\"a/b\":\"c\"}}\n"
                 "{\"type\":\"execution_count\",\"execution_count\":7}\n{\"type\":\"ping\"}\n"
                 "{\"type\":\"news\",\"text\":\"x\"}\n{}\n" BENCH_DONE;
    unsigned i, calls;
    (void)state;
    for (i = 0; i < 10; i++) {
        osb_handlers h = {0};
        osb_execution run;
        bench b;
        calls = 0;
        h.user = &calls;
        if (i == 0) h.on_event = count_event;
        if (i == 1) h.on_init = count_event;
        if (i == 2) h.on_status = count_event;
        if (i == 3) h.on_stdout = count_event;
        if (i == 4) h.on_stderr = count_event;
        if (i == 5) h.on_result = count_event;
        if (i == 6) h.on_count = count_event;
        if (i == 7) h.on_ping = count_event;
        if (i == 8) h.on_complete = count_event;
        bench_begin(&b, 1024);
        bench_execd_answers(&b, stream);
        script_close(&b.port);
        assert_int_equal(bench_run(&b, i < 9 ? &h : NULL, &run), OSB_OK);
        assert_int_equal(run.execution_count, 7);
        assert_int_equal(calls, i == 0 ? 10 : i == 3 ? 2 : i < 9 ? 1 : 0);
        bench_end(&b);
    }
}

/* A result that is no text is handed out as it stands; with nobody who listens it passes. */
static int add_result(void *user, const osb_event *event)
{
    struct text *out = (struct text *)user;
    if (out->size == 0) {
        text_add(out, event->key.data, event->key.size);
        text_add(out, " ", 1);
    }
    text_add(out, event->text.data, event->text.size);
    return 0;
}

static osb_status run_result(const char *key, size_t key_size, const char *value, struct text *out)
{
    osb_handlers handlers = {0};
    osb_execution run;
    osb_status status;
    struct text line = {0};
    bench b;
    size_t i;
    text_clear(out);
    text_print(&line, BENCH_INIT "{\"type\":\"result\",\"results\":{\"");
    for (i = 0; i < key_size; i++) text_add(&line, key, strlen(key));
    text_print(&line, "\":%s}}\n\n" BENCH_DONE, value);
    bench_begin(&b, 1024);
    bench_stream(&b, line.data);
    handlers.user = out;
    handlers.on_result = add_result;
    status = bench_run(&b, &handlers, &run);
    if (status == OSB_E_BUFFER) {
        assert_string_equal(osb_last_error(&b.client)->member, "results");
        assert_true(osb_last_error(&b.client)->needed > 1024);
    }
    bench_end(&b);
    text_free(&line);
    return status;
}

static void test_raw_results(void **state)
{
    struct text out = {0};
    size_t n;
    (void)state;
    assert_int_equal(run_result("a/b", 1, "{\"x\":[1,\"\\u00e4\"]}", &out), OSB_OK);
    assert_string_equal(out.data, "a/b {\"x\":[1,\"\\u00e4\"]}");
    assert_int_equal(run_result("a/b", 1, "[]", &out), OSB_OK);
    assert_string_equal(out.data, "a/b []");
    assert_int_equal(run_result("\\x", 1, "{\"x\":1}", &out), OSB_E_JSON);
    assert_int_equal(run_result("a/b", 1, "{\"x\":}", &out), OSB_E_JSON);
    for (n = 1; n < 1300; n += n < 700 ? 211 : 1) {
        osb_status status = run_result("k", n, "{\"x\":\"\xe2\x82\xac\xe2\x82\xac\"}", &out);
        assert_int_equal(status, n < 600 ? OSB_OK : n > 1000 ? OSB_E_BUFFER : status);
        assert_true(status == OSB_OK || status == OSB_E_BUFFER);
        if (status != OSB_OK) continue;
        assert_int_equal(out.size, n + 1 + strlen("{\"x\":\"\xe2\x82\xac\xe2\x82\xac\"}"));
        assert_string_equal(out.data + n + 1, "{\"x\":\"\xe2\x82\xac\xe2\x82\xac\"}");
    }
    text_free(&out);
}

/* Failures without a type, of which each member is enough; tracebacks that nobody wants. */
static void test_odd_failures(void **state)
{
    osb_handlers none = {0};
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_stream(&b, BENCH_INIT "{\"message\":\"m\"}\n\n");
    assert_int_equal(bench_run(&b, NULL, &run), OSB_E_STREAM);
    assert_true(osb_str_equal(osb_last_error(&b.client)->message, "m"));
    bench_stream(&b, BENCH_INIT "{\"code\":\"c\"}\n\n");
    assert_int_equal(bench_run(&b, NULL, &run), OSB_E_STREAM);
    assert_true(osb_str_equal(osb_last_error(&b.client)->code, "c"));
    bench_stream(
        &b, BENCH_INIT
        "{\"type\":\"error\",\"error\":{\"traceback\":[\"a\",\"b\"],\"evalue\":\"2\"}}\n\n");
    assert_int_equal(bench_run(&b, NULL, &run), OSB_OK);
    bench_stream(
        &b, BENCH_INIT
        "{\"type\":\"error\",\"error\":{\"traceback\":[\"a\",\"b\"],\"evalue\":\"2\"}}\n\n");
    assert_int_equal(bench_run(&b, &none, &run), OSB_OK);
    assert_int_equal(run.exit_code.value, 2);
    bench_end(&b);
}

/* ---- behind a stream's last event ------------------------------------------------------------*/

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

/* What is wrong there changes nothing about the outcome. */
static void test_nonsense_behind_the_end(void **state)
{
    static char stream[512];
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    sprintf(stream, CHUNKED "%x\r\n%s\r\nzz\r\n", (unsigned)strlen(BENCH_INIT BENCH_DONE),
            BENCH_INIT BENCH_DONE);
    bench_execd_answers(&b, stream);
    assert_int_equal(bench_run(&b, NULL, &run), OSB_OK);
    assert_true(run.ended);
    bench_end(&b);
}

/* A server that goes on all the same is listened to for eight more receives. The last event ends
   with its "}". */
static void test_goes_on_behind_the_end(void **state)
{
    osb_execution run;
    size_t ended_at;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, BENCH_STREAM BENCH_INIT BENCH_DONE);
    ended_at = strlen(BENCH_STREAM BENCH_INIT BENCH_DONE) - strlen("\n\n");
    script_reply_times(&b.port, "\n", 1000);
    b.port.cut = CUT_BYTES;
    assert_int_equal(bench_run(&b, NULL, &run), OSB_OK);
    assert_int_equal(b.port.received, ended_at + 8);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_lines),
        cmocka_unit_test(test_malformed_lines),
        cmocka_unit_test(test_exit_codes),
        cmocka_unit_test(test_timed_out),
        cmocka_unit_test(test_killed_at_once),
        cmocka_unit_test(test_session_without_a_time),
        cmocka_unit_test(test_code_stopped_at_init),
        cmocka_unit_test(test_isolated_errors),
        cmocka_unit_test(test_long_id),
        cmocka_unit_test(test_what_is_interrupted),
        cmocka_unit_test(test_one_handler_each),
        cmocka_unit_test(test_raw_results),
        cmocka_unit_test(test_odd_failures),
        cmocka_unit_test(test_nonsense_behind_the_end),
        cmocka_unit_test(test_goes_on_behind_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
