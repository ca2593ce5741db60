/* Runs that outlive their connections: the log is read by cursor until the command has ended; which
   failures are borne and which end the call, and what the caller then knows. */
#include "tests/support/unit.h"

#define LOG(cursor, text)                                                                          \
    "HTTP/1.1 200 OK\r\nEXECD-COMMANDS-TAIL-CURSOR: " cursor "\r\nConnection: close\r\n\r\n" text
#define FILE_OF(text) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" text
#define ENDED "{\"running\":false,\"exit_code\":0}"

/* An execution of the command that bench_stream begins, so much of whose output is known. */
static osb_execution known(uint64_t stdout_bytes)
{
    osb_execution run;
    memset(&run, 0, sizeof run);
    strcpy(run.id, "0a1b");
    run.stdout_bytes = stdout_bytes;
    return run;
}

static unsigned count_of(const bench *b, const char *what)
{
    const char *at = b->port.log.data;
    unsigned n = 0;
    while (at != NULL && (at = strstr(at, what)) != NULL) {
        n++;
        at += strlen(what);
    }
    return n;
}

/* Output in two parts, with a connection that breaks in between; the exit code comes from the state. */
static void test_run(void **state)
{
    osb_durable_options options = {0};
    osb_handlers handlers;
    osb_execution run;
    uint32_t began_ms;
    char complete[40];
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    began_ms = b.port.now_ms;
    handlers = recorder_handlers(&b.r);
    options.interval_ms = 100;
    bench_stream(&b, BENCH_INIT BENCH_DONE);
    bench_execd(&b);
    bench_last_answer(&b, LOG("5", "hello"));
    bench_execd_refuses(&b);
    bench_execd_answers(&b, "{\"running\":true}");
    bench_last_answer(&b, LOG("12", " world\n"));
    bench_execd_answers(&b, "{\"running\":false,\"exit_code\":3}");
    bench_last_answer(&b, LOG("12", ""));
    assert_int_equal(osb_command_run_durable(&b.box, &bench_command, &options, &handlers, &run),
                     OSB_OK);
    assert_string_equal(b.r.output[0].data, "hello world\n");
    assert_true(run.ended && run.exit_code.set);
    assert_int_equal(run.exit_code.value, 3);
    assert_int_equal(run.stdout_bytes, 12);
    assert_non_null(strstr(b.port.log.data, "GET /command/0a1b/logs?cursor=5 HTTP/1.1\r\n"));
    assert_true(b.port.now_ms - began_ms >= 1100);
    snprintf(complete, sizeof complete, "event complete +%lu\n",
             (unsigned long)(b.port.now_ms - began_ms));
    assert_non_null(strstr(b.r.lines.data, complete));
    assert_int_equal(run.execution_time_ms, b.port.now_ms - began_ms); /* not the start's */
    bench_end(&b);
}

/* Followed by its id; without handlers; given up after so many failures one behind the other. */
static void test_follow(void **state)
{
    osb_durable_options options = {0};
    osb_execution run = known(0);
    bench b;
    int i;
    (void)state;
    bench_begin(&b, 2048);
    run.id[0] = '\0';
    assert_int_equal(osb_command_follow(&b.box, NULL, NULL, &run), OSB_E_INVALID);
    run = known(0);
    bench_execd(&b);
    bench_last_answer(&b, LOG("5", "hello"));
    bench_execd_answers(&b, "{\"running\":false,\"exit_code\":0}");
    bench_last_answer(&b, LOG("5", ""));
    assert_int_equal(osb_command_follow(&b.box, NULL, NULL, &run), OSB_OK);
    assert_int_equal(run.stdout_bytes, 5);
    options.retries = 3;
    for (i = 0; i < 4; i++) bench_execd_refuses(&b);
    assert_int_equal(osb_command_follow(&b.box, &options, NULL, &run), OSB_E_CONNECT);
    bench_end(&b);
}

/* An earlier command's outcome goes, whatever becomes of this one; the id and the count stay. */
static void test_follow_another(void **state)
{
    static const char *const answers[] = {BENCH_EMPTY("401 U"), LOG("5", "")};
    size_t i;
    (void)state;
    for (i = 0; i < 2; i++) {
        osb_execution run = known(5);
        bench b;
        run.exit_code.set = run.timed_out = run.ended = true;
        run.exit_code.value = -1;
        run.error_name = run.error_value = osb__view("earlier");
        bench_begin(&b, 2048);
        bench_execd(&b);
        bench_last_answer(&b, answers[i]);
        if (i > 0) {
            bench_execd_answers(&b, "{\"running\":false,\"exit_code\":0}");
            bench_last_answer(&b, LOG("5", ""));
        }
        assert_int_equal(osb_command_follow(&b.box, NULL, NULL, &run), i > 0 ? OSB_OK : OSB_E_AUTH);
        assert_int_equal(run.exit_code.set, i > 0);
        assert_int_equal(run.exit_code.value, 0);
        assert_int_equal(run.ended, i > 0);
        assert_false(run.timed_out);
        assert_null(run.error_name.data);
        assert_null(run.error_value.data);
        assert_int_equal(run.stdout_bytes, 5);
        bench_end(&b);
    }
}

/* That there was an error is told as a run tells it: by a name, be it an empty one. */
static void test_follow_error(void **state)
{
    osb_execution run = known(0);
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    bench_execd(&b);
    bench_last_answer(&b, LOG("0", ""));
    bench_execd_answers(&b, "{\"running\":false,\"exit_code\":3,\"error\":\"exit status 3\"}");
    bench_last_answer(&b, LOG("0", ""));
    assert_int_equal(osb_command_follow(&b.box, NULL, NULL, &run), OSB_OK);
    assert_int_equal(run.exit_code.value, 3);
    assert_true(osb_str_equal(run.error_name, ""));
    assert_true(osb_str_equal(run.error_value, "exit status 3"));
    bench_end(&b);
}

/* ---- failures ----------------------------------------------------------------------------------*/

/* The server is overloaded, or its proxy has lost the sandbox (500), the connection stalls or breaks:
   all of that passes. */
static void test_borne(void **state)
{
    static const char *const answers[] = {BENCH_EMPTY("429 T"), BENCH_EMPTY("500 E"),
                                          BENCH_EMPTY("502 B"), BENCH_EMPTY("503 U"),
                                          BENCH_EMPTY("504 G")};
    osb_execution run = known(0);
    osb_handlers handlers;
    bench b;
    size_t i;
    (void)state;
    bench_begin(&b, 2048);
    b.config.connect_timeout_ms = 1000;
    bench_again(&b);
    handlers = recorder_handlers(&b.r);
    bench_execd(&b);
    for (i = 0; i < sizeof answers / sizeof answers[0]; i++) bench_answer(&b, answers[i]);
    script_request(&b.port);
    script_close(&b.port);
    script_add(&b.port, SCRIPT_STALL, "execd.example", 13, 44772);
    bench_execd(&b);
    bench_last_answer(&b, LOG("2", "ok"));
    bench_execd_answers(&b, ENDED);
    bench_last_answer(&b, LOG("2", ""));
    assert_int_equal(osb_command_follow(&b.box, NULL, &handlers, &run), OSB_OK);
    assert_string_equal(b.r.output[0].data, "ok");
    assert_true(run.ended);
    assert_int_equal(count_of(&b, "GET /command/0a1b/logs"), 8);
    bench_end(&b);
}

/* A server that says when to come back is not asked before, but for half a minute at most; nor sooner
   than without its saying so. */
static void test_retry_after(void **state)
{
    static const struct {
        const char *answer;
        uint32_t at_least_ms, at_most_ms;
    } cases[] = {
        {"HTTP/1.1 503 U\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 7000, 7500},
        {"HTTP/1.1 429 T\r\nRetry-After: 86400\r\nContent-Length: 0\r\n\r\n", 30000, 30500},
        {"HTTP/1.1 503 U\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", 2000, 2500},
        {BENCH_EMPTY("503 U"), 2000, 2500}};
    static const osb_durable_options options = {0, 0, 2000};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        osb_execution run = known(0);
        uint32_t began_ms;
        bench b;
        bench_begin(&b, 2048);
        began_ms = b.port.now_ms;
        bench_execd(&b);
        bench_last_answer(&b, LOG("0", ""));
        bench_execd_answers(&b, cases[i].answer);
        if (cases[i].at_least_ms > 20000) bench_execd(&b); /* that one has become stale */
        bench_answer(&b, ENDED);
        bench_last_answer(&b, LOG("2", "ok"));
        assert_int_equal(osb_command_follow(&b.box, &options, NULL, &run), OSB_OK);
        assert_int_equal(run.stdout_bytes, 2);
        assert_in_range(b.port.now_ms - began_ms, cases[i].at_least_ms, cases[i].at_most_ms);
        bench_end(&b);
    }
}

/* Output that comes counts as progress: failures are counted in a row only. */
static void test_failures_in_a_row(void **state)
{
    osb_durable_options options = {0};
    osb_execution run = known(0);
    bench b;
    int i;
    (void)state;
    options.retries = 1;
    bench_begin(&b, 2048);
    bench_execd(&b);
    for (i = 0; i < 2; i++) {
        bench_answer(&b, BENCH_EMPTY("503 U"));
        bench_last_answer(&b, i == 0 ? LOG("1", "a") : LOG("2", "b"));
        bench_execd_answers(&b, i == 0 ? "{\"running\":true}" : ENDED);
    }
    bench_last_answer(&b, LOG("2", ""));
    assert_int_equal(osb_command_follow(&b.box, &options, NULL, &run), OSB_OK);
    assert_int_equal(run.stdout_bytes, 2);
    assert_true(run.exit_code.set);
    bench_end(&b);
}

/* A command that execd does not know yet may appear: it is asked for again, soon. */
static void test_not_known_yet(void **state)
{
    osb_execution run = known(0);
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    bench_execd_answers(&b, BENCH_EMPTY("404 N"));
    bench_answer(&b, BENCH_EMPTY("400 B"));
    bench_last_answer(&b, LOG("2", "ok"));
    bench_execd_answers(&b, ENDED);
    bench_last_answer(&b, LOG("2", ""));
    assert_int_equal(osb_command_follow(&b.box, NULL, NULL, &run), OSB_OK);
    assert_int_equal(run.stdout_bytes, 2);
    assert_true(b.port.now_ms < 1000 + 500);
    bench_end(&b);
}

/* What asking again does not mend ends the call; the caller keeps where to go on from. */
static void test_not_borne(void **state)
{
    static const struct {
        const char *answer;
        osb_status status;
    } cases[] = {{BENCH_EMPTY("404 N"), OSB_E_NOT_FOUND},
                 {BENCH_EMPTY("400 B"), OSB_E_API},
                 {BENCH_EMPTY("401 U"), OSB_E_AUTH},
                 {BENCH_EMPTY("501 N"), OSB_E_API},
                 {"HTTP/1.1 500 E\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", OSB_E_PROTOCOL},
                 {"HTTP/9.9 what\r\n\r\n", OSB_E_PROTOCOL}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        osb_execution run = known(0);
        bench b;
        bench_begin(&b, 2048);
        bench_execd(&b);
        bench_last_answer(&b, LOG("5", "hello"));
        bench_execd_answers(&b, cases[i].answer);
        assert_int_equal(osb_command_follow(&b.box, NULL, NULL, &run), cases[i].status);
        assert_int_equal(run.stdout_bytes, 5);
        assert_false(run.ended);
        bench_end(&b);
    }
}

/* The stream that starts the command breaks: that does harm only before its id has come. */
static void test_start_breaks(void **state)
{
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    bench_stream(&b, BENCH_INIT);
    bench_execd(&b);
    bench_last_answer(&b, LOG("2", "ok"));
    bench_execd_answers(&b, ENDED);
    bench_last_answer(&b, LOG("2", ""));
    assert_int_equal(osb_command_run_durable(&b.box, &bench_command, NULL, NULL, &run), OSB_OK);
    assert_string_equal(run.id, "0a1b");
    assert_int_equal(run.stdout_bytes, 2);
    bench_end(&b);

    bench_begin(&b, 2048);
    bench_stream(&b, "");
    assert_int_equal(osb_command_run_durable(&b.box, &bench_command, NULL, NULL, &run),
                     OSB_E_TRUNCATED);
    assert_string_equal(run.id, "");
    bench_end(&b);

    bench_begin(&b, 2048);
    bench_execd_answers(&b, BENCH_EMPTY("400 B"));
    assert_int_equal(osb_command_run_durable(&b.box, &bench_command, NULL, NULL, &run), OSB_E_API);
    bench_end(&b);
}

/* The same where the connection breaks in bad order, or says no more. */
static void test_start_stalls(void **state)
{
    int stalls;
    (void)state;
    for (stalls = 0; stalls < 2; stalls++) {
        osb_execution run;
        bench b;
        bench_begin(&b, 2048);
        b.config.idle_timeout_ms = 2000;
        bench_again(&b);
        bench_execd_answers(&b, BENCH_STREAM);
        script_reply(&b.port, BENCH_INIT);
        if (stalls) script_pause(&b.port, 3000);
        else script_reset(&b.port);
        bench_execd(&b);
        bench_last_answer(&b, LOG("2", "ok"));
        bench_execd_answers(&b, ENDED);
        bench_last_answer(&b, LOG("2", ""));
        assert_int_equal(osb_command_run_durable(&b.box, &bench_command, NULL, NULL, &run), OSB_OK);
        assert_int_equal(run.stdout_bytes, 2);
        bench_end(&b);
    }
}

/* Timed out: killed, and not before its time was up. */
static void test_timed_out(void **state)
{
    static const struct {
        const char *ended;
        uint32_t timeout_ms, ran_ms;
        bool timed_out;
    } cases[] = {{"{\"running\":false,\"exit_code\":-1}", 5000, 6000, true},
                 {"{\"running\":false,\"exit_code\":-1}", 5000, 100, false},
                 {"{\"running\":false,\"exit_code\":-1}", 0, 6000, false},
                 {"{\"running\":false,\"exit_code\":3}", 5000, 6000, false},
                 {"{\"running\":false}", 5000, 6000, false}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        osb_command command = bench_command;
        osb_execution run;
        bench b;
        command.timeout_ms = cases[i].timeout_ms;
        bench_begin(&b, 2048);
        bench_execd_answers(&b, BENCH_STREAM);
        script_reply(&b.port, BENCH_INIT);
        script_pause(&b.port, cases[i].ran_ms);
        script_reply(&b.port, BENCH_DONE);
        script_close(&b.port);
        bench_execd(&b);
        bench_last_answer(&b, LOG("0", ""));
        bench_execd_answers(&b, cases[i].ended);
        bench_last_answer(&b, LOG("0", ""));
        assert_int_equal(osb_command_run_durable(&b.box, &command, NULL, NULL, &run), OSB_OK);
        assert_true(run.ended);
        assert_int_equal(run.timed_out, cases[i].timed_out);
        bench_end(&b);
    }
}

/* ---- stopped by the caller ---------------------------------------------------------------------*/

static int stop_output(void *user, osb_stream stream, const char *data, size_t size)
{
    (void)stream, (void)data;
    *(size_t *)user += size;
    return 1;
}

/* A stop interrupts the command, unless it shall go on, or was only followed. */
static void test_stop_output(void **state)
{
    int keep_running;
    (void)state;
    for (keep_running = 0; keep_running < 2; keep_running++) {
        osb_command command = bench_command;
        osb_handlers handlers = {0};
        osb_execution run;
        size_t seen = 0;
        bench b;
        command.keep_running = keep_running != 0;
        handlers.user = &seen;
        handlers.on_output = stop_output;
        bench_begin(&b, 2048);
        bench_stream(&b, BENCH_INIT BENCH_DONE);
        bench_execd(&b);
        bench_answer(&b, LOG("5", "hello"));
        if (!keep_running) bench_execd_answers(&b, "");
        assert_int_equal(osb_command_run_durable(&b.box, &command, NULL, &handlers, &run),
                         OSB_E_CANCELLED);
        assert_int_equal(seen, 5);
        assert_int_equal(run.stdout_bytes, 5);
        assert_int_equal(count_of(&b, "DELETE /command?id=0a1b"), !keep_running);
        bench_end(&b);
    }
}

static void test_stop_init(void **state)
{
    uint32_t began_ms;
    int keep_running;
    (void)state;
    for (keep_running = 0; keep_running < 2; keep_running++) {
        osb_command command = bench_command;
        osb_handlers handlers;
        osb_execution run;
        bench b;
        command.keep_running = keep_running != 0;
        bench_begin(&b, 2048);
        handlers = recorder_handlers(&b.r);
        b.r.cancel_on = "init";
        bench_stream(&b, BENCH_INIT BENCH_DONE);
        if (!keep_running) bench_execd_answers(&b, "");
        began_ms = b.port.now_ms;
        assert_int_equal(osb_command_run_durable(&b.box, &command, NULL, &handlers, &run),
                         OSB_E_CANCELLED);
        assert_string_equal(run.id, "0a1b");
        assert_int_equal(count_of(&b, "DELETE /command?id=0a1b"), !keep_running);
        /* Before that, execd would not know the command yet: it would run on. */
        assert_int_equal(b.port.now_ms - began_ms >= 100, !keep_running);
        bench_end(&b);
    }
}

/* The stop counts, and what went wrong before it without doing harm does not: a start that broke off, a
   file that has no more. */
static void test_stop_after_failure(void **state)
{
    osb_handlers handlers;
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    handlers = recorder_handlers(&b.r);
    b.r.cancel_on = "init";
    bench_stream(&b, BENCH_INIT);
    bench_execd_answers(&b, "");
    assert_int_equal(osb_command_run_durable(&b.box, &bench_command, NULL, &handlers, &run),
                     OSB_E_CANCELLED);
    assert_int_equal(count_of(&b, "DELETE /command?id=0a1b"), 1);
    bench_end(&b);

    run = known(6);
    run.stderr_bytes = 2;
    bench_begin(&b, 2048);
    handlers = recorder_handlers(&b.r);
    b.r.cancel_on = "complete";
    bench_execd_answers(&b, ENDED);
    bench_answer(&b, BENCH_EMPTY("416 R"));
    bench_answer(&b, BENCH_EMPTY("416 R"));
    assert_int_equal(osb_command_recover(&b.box, NULL, &handlers, &run), OSB_E_CANCELLED);
    assert_int_equal(osb_last_error(&b.client)->http_status, 0);
    assert_true(run.ended);
    bench_end(&b);
}

/* Cancels once a command's id has come. */
static void cancel_started(script_port *p)
{
    bench *b = (bench *)p->watch_user;
    if (b->port.received < sizeof BENCH_STREAM BENCH_INIT - 1) return;
    osb_cancel(&b->client);
    p->watch = NULL;
}

/* Cancelled while it starts: a command that is known to run does not run on. */
static void test_cancel_start(void **state)
{
    int keep_running;
    (void)state;
    for (keep_running = 0; keep_running < 2; keep_running++) {
        osb_command command = bench_command;
        osb_execution run;
        bench b;
        command.keep_running = keep_running != 0;
        bench_begin(&b, 2048);
        b.port.watch = cancel_started;
        b.port.watch_user = &b;
        b.port.cut = CUT_BYTES;
        bench_stream(&b, BENCH_INIT BENCH_DONE);
        if (!keep_running) bench_execd_answers(&b, "");
        assert_int_equal(osb_command_run_durable(&b.box, &command, NULL, NULL, &run),
                         OSB_E_CANCELLED);
        assert_string_equal(run.id, "0a1b");
        assert_int_equal(count_of(&b, "DELETE /command?id=0a1b"), !keep_running);
        bench_end(&b);
    }
}

static void test_stop_following(void **state)
{
    osb_execution run = known(0);
    osb_handlers handlers = {0};
    size_t seen = 0;
    bench b;
    (void)state;
    handlers.user = &seen;
    handlers.on_output = stop_output;
    bench_begin(&b, 2048);
    bench_execd(&b);
    bench_answer(&b, LOG("5", "hello"));
    assert_int_equal(osb_command_follow(&b.box, NULL, &handlers, &run), OSB_E_CANCELLED);
    assert_int_equal(run.stdout_bytes, 5);
    assert_int_equal(count_of(&b, "DELETE"), 0);
    bench_end(&b);
}

/* A state whose texts leave no room for the next request; the buffer is exactly as large as it is. */
static void test_large_state(void **state)
{
    size_t size, largest = 0;
    (void)state;
    for (size = 1; size < 700; size++) {
        char error[700], answer[800];
        osb_execution run = known(0);
        osb_status status;
        bench b;
        memset(error, 'e', size);
        error[size] = '\0';
        snprintf(answer, sizeof answer, "{\"running\":false,\"exit_code\":1,\"error\":\"%s\"}",
                 error);
        bench_begin(&b, 1024);
        bench_execd_answers(&b, "");
        bench_answer(&b, answer);
        bench_answer(&b, "");
        status = osb_command_follow(&b.box, NULL, NULL, &run);
        if (status == OSB_OK) {
            assert_string_equal(run.error_value.data, error);
            largest = size;
        } else {
            assert_int_equal(status, OSB_E_BUFFER);
            b.port.at = b.port.step_count; /* there was no such request */
        }
        bench_end(&b);
    }
    assert_in_range(largest, 100, 600);
}

/* Of the state's texts only the error takes room from the rest of the log. */
static void test_state_texts(void **state)
{
    osb_execution run = known(0);
    char long_text[345], answer[1300];
    bench b;
    (void)state;
    memset(long_text, 't', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    snprintf(
        answer, sizeof answer,
        "{\"id\":\"%s\",\"running\":false,\"exit_code\":1,\"error\":\"bad\",\"started_at\":\"%s\"}",
        long_text, long_text);
    bench_begin(&b, 1024);
    bench_execd_answers(&b, "");
    bench_answer(&b, answer);
    bench_answer(&b, "the end");
    assert_int_equal(osb_command_follow(&b.box, NULL, NULL, &run), OSB_OK);
    assert_int_equal(run.stdout_bytes, 7);
    assert_string_equal(run.error_value.data, "bad");
    bench_end(&b);
}

/* ---- recovered ---------------------------------------------------------------------------------*/

/* Recovered: its state first, then stdout and stderr apart, from the files that execd keeps, wherever
   these are. */
static void test_recover(void **state)
{
    osb_handlers handlers;
    osb_execution run = known(0);
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    handlers = recorder_handlers(&b.r);
    bench_execd_answers(&b, "{\"running\":false,\"exit_code\":-1}");
    bench_answer(&b, BENCH_EMPTY("404 None"));
    bench_last_answer(&b, FILE_OF("out"));
    bench_execd(&b);
    bench_last_answer(&b, FILE_OF("err"));
    assert_int_equal(osb_command_recover(&b.box, NULL, &handlers, &run), OSB_OK);
    assert_string_equal(b.r.output[0].data, "out");
    assert_string_equal(b.r.output[1].data, "err");
    assert_int_equal(run.exit_code.value, -1);
    assert_int_equal(run.stdout_bytes, 3);
    assert_int_equal(run.stderr_bytes, 3);
    bench_end(&b);
}

/* The rest behind what is known, once the command has ended; it is captured only. */
static void test_recover_rest(void **state)
{
    osb_execution run = known(3);
    osb_handlers handlers = {0};
    osb_capture out = {0};
    char memory[16];
    bench b;
    (void)state;
    out.data = memory;
    out.size = sizeof memory;
    handlers.capture_stdout = &out;
    bench_begin(&b, 2048);
    bench_execd_answers(&b, "{\"running\":true}");
    bench_answer(&b, ENDED);
    bench_answer(&b, "HTTP/1.1 206 P\r\nContent-Range: bytes 3-5/6\r\n"
                     "Content-Length: 3\r\n\r\ndef");
    bench_last_answer(&b, FILE_OF(""));
    assert_int_equal(osb_command_recover(&b.box, NULL, &handlers, &run), OSB_OK);
    assert_int_equal(run.stdout_bytes, 6);
    assert_int_equal(out.length, 3);
    assert_memory_equal(memory, "def", 3);
    assert_int_equal(count_of(&b, "Range: bytes=3-"), 1);
    bench_end(&b);
}

/* Nothing was missing: the server has no such range. */
static void test_recover_nothing(void **state)
{
    osb_execution run = known(6);
    bench b;
    (void)state;
    run.stderr_bytes = 2;
    bench_begin(&b, 2048);
    bench_execd_answers(&b, ENDED);
    bench_answer(&b, BENCH_EMPTY("416 R"));
    bench_answer(&b, BENCH_EMPTY("416 R"));
    assert_int_equal(osb_command_recover(&b.box, NULL, NULL, &run), OSB_OK);
    assert_true(run.ended);
    assert_int_equal(run.stdout_bytes, 6);
    assert_int_equal(run.stderr_bytes, 2);
    bench_end(&b);
}

/* A server that sends the whole file would make the output come twice. */
static void test_recover_ignored_range(void **state)
{
    osb_execution run = known(3);
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    bench_execd_answers(&b, ENDED);
    bench_answer(&b, FILE_OF("abcdef"));
    assert_int_equal(osb_command_recover(&b.box, NULL, NULL, &run), OSB_E_PROTOCOL);
    assert_string_equal(osb_last_error(&b.client)->message.data, "the server ignored the range");
    assert_int_equal(run.stdout_bytes, 3);
    bench_end(&b);
}

/* The files are nowhere: the outcome is known nevertheless. */
static void test_recover_no_files(void **state)
{
    osb_execution run = known(3);
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    bench_execd_answers(&b, "{\"running\":false,\"exit_code\":4}");
    bench_answer(&b, BENCH_EMPTY("404 N"));
    bench_answer(&b, BENCH_EMPTY("404 N"));
    assert_int_equal(osb_command_recover(&b.box, NULL, NULL, &run), OSB_E_NOT_FOUND);
    assert_int_equal(run.exit_code.value, 4);
    assert_int_equal(count_of(&b, "TMPDIR"), 1);
    assert_int_equal(count_of(&b, "tmp"), 1);
    bench_end(&b);
}

/* A connection that breaks between a file's bytes: the rest is asked for. */
static void test_recover_broken(void **state)
{
    osb_execution run = known(0);
    osb_handlers handlers;
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    handlers = recorder_handlers(&b.r);
    bench_execd_answers(&b, ENDED);
    bench_answer(&b, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    script_close(&b.port);
    bench_execd_answers(&b, "HTTP/1.1 206 P\r\nContent-Range: bytes 3-5/6\r\n"
                            "Content-Length: 3\r\n\r\ndef");
    bench_last_answer(&b, FILE_OF(""));
    assert_int_equal(osb_command_recover(&b.box, NULL, &handlers, &run), OSB_OK);
    assert_string_equal(b.r.output[0].data, "abcdef");
    bench_end(&b);

    run = known(3); /* so is one that breaks while the server says that there is no more */
    bench_begin(&b, 2048);
    handlers = recorder_handlers(&b.r);
    bench_execd_answers(&b, ENDED);
    bench_answer(&b, "HTTP/1.1 416 R\r\nContent-Length: 9\r\n\r\nabc");
    script_close(&b.port);
    bench_execd_answers(&b, "HTTP/1.1 206 P\r\nContent-Range: bytes 3-5/6\r\n"
                            "Content-Length: 3\r\n\r\ndef");
    bench_last_answer(&b, FILE_OF(""));
    assert_int_equal(osb_command_recover(&b.box, NULL, &handlers, &run), OSB_OK);
    assert_string_equal(b.r.output[0].data, "def");
    bench_end(&b);

    run = known(0); /* what does not speak HTTP is not asked for another file */
    bench_begin(&b, 2048);
    bench_execd_answers(&b, ENDED);
    bench_answer(&b, "HTTP/9 200 OK\r\n\r\n");
    assert_int_equal(osb_command_recover(&b.box, NULL, NULL, &run), OSB_E_PROTOCOL);
    bench_end(&b);
}

/* Cancels in an answer that is no success. */
static void cancel_refused(script_port *p)
{
    bench *b = (bench *)p->watch_user;
    if (!b->client.answered || b->client.http.status < 400) return;
    osb_cancel(&b->client);
    p->watch = NULL;
}

/* Neither a file that is elsewhere nor one that has no more makes a cancelled call go on. */
static void test_recover_cancelled(void **state)
{
    static const char *const answers[] = {"HTTP/1.1 404 N\r\nContent-Length: 5\r\n\r\nabcde",
                                          "HTTP/1.1 416 R\r\nContent-Length: 5\r\n\r\nabcde"};
    size_t i;
    (void)state;
    for (i = 0; i < 2; i++) {
        osb_execution run = known(3);
        bench b;
        bench_begin(&b, 2048);
        b.port.watch = cancel_refused;
        b.port.watch_user = &b;
        b.port.cut = CUT_BYTES;
        bench_execd_answers(&b, ENDED);
        bench_answer(&b, answers[i]);
        assert_int_equal(osb_command_recover(&b.box, NULL, NULL, &run), OSB_E_CANCELLED);
        bench_end(&b);
    }
}

/* ---- refused -----------------------------------------------------------------------------------*/

static void test_refused(void **state)
{
    static const char *const argv[] = {"x", NULL};
    osb_command command = bench_command;
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    command.argv = argv;
    assert_int_equal(osb_command_run_durable(&b.box, &command, NULL, NULL, &run), OSB_E_INVALID);
    command.command = NULL;
    command.argv = NULL;
    assert_int_equal(osb_command_run_durable(&b.box, &command, NULL, NULL, &run), OSB_E_INVALID);
    run = known(0);
    strcpy(run.id, "..");
    assert_int_equal(osb_command_recover(&b.box, NULL, NULL, &run), OSB_E_INVALID);
    assert_string_equal(osb_last_error(&b.client)->message.data, "no id");
    bench_end(&b);
}

/* What a start has to say beside the id, where nobody listens. */
static void test_start_talks(void **state)
{
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    bench_stream(&b, BENCH_INIT "{\"type\":\"stdout\",\"text\":\"a\"}\n\n{\"type\":\"ping\"}\n\n"
                                "{\"type\":\"result\",\"results\":{\"text/plain\":\"4\"}}\n\n"
                                "{\"type\":\"error\",\"error\":{\"traceback\":[\"t\"]}}\n\n");
    bench_execd(&b);
    bench_last_answer(&b, LOG("2", "ok"));
    bench_execd_answers(&b, ENDED);
    bench_last_answer(&b, LOG("2", ""));
    assert_int_equal(osb_command_run_durable(&b.box, &bench_command, NULL, NULL, &run), OSB_OK);
    assert_int_equal(run.stdout_bytes, 2);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_follow),
        cmocka_unit_test(test_follow_another),
        cmocka_unit_test(test_follow_error),
        cmocka_unit_test(test_borne),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_failures_in_a_row),
        cmocka_unit_test(test_not_known_yet),
        cmocka_unit_test(test_not_borne),
        cmocka_unit_test(test_start_breaks),
        cmocka_unit_test(test_start_stalls),
        cmocka_unit_test(test_timed_out),
        cmocka_unit_test(test_stop_output),
        cmocka_unit_test(test_stop_init),
        cmocka_unit_test(test_stop_after_failure),
        cmocka_unit_test(test_cancel_start),
        cmocka_unit_test(test_stop_following),
        cmocka_unit_test(test_large_state),
        cmocka_unit_test(test_state_texts),
        cmocka_unit_test(test_recover),
        cmocka_unit_test(test_recover_rest),
        cmocka_unit_test(test_recover_nothing),
        cmocka_unit_test(test_recover_ignored_range),
        cmocka_unit_test(test_recover_no_files),
        cmocka_unit_test(test_recover_broken),
        cmocka_unit_test(test_recover_cancelled),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_start_talks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
