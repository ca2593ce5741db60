/* Runs that outlive their connections: the log is read by cursor until the command has ended. */
#include "tests/support/unit.h"

#define LOG(cursor, text)                                                                          \
    "HTTP/1.1 200 OK\r\nEXECD-COMMANDS-TAIL-CURSOR: " cursor "\r\nConnection: close\r\n\r\n" text

/* Output in two parts, with a connection that breaks in between; the exit code comes from the state. */
static void test_run(void **state)
{
    osb_durable_options options = {0};
    osb_handlers handlers;
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    handlers = recorder_handlers(&b.r);
    options.interval_ms = 100;
    bench_stream(&b, BENCH_INIT BENCH_DONE);
    bench_execd_answers(&b, LOG("5", "hello"));
    script_close(&b.port);
    script_add(&b.port, SCRIPT_REFUSE, "execd.example", 13, 44772);
    bench_execd_answers(&b, "{\"running\":true}");
    bench_answer(&b, LOG("12", " world\n"));
    script_close(&b.port);
    bench_execd_answers(&b, "{\"running\":false,\"exit_code\":3}");
    bench_answer(&b, LOG("12", ""));
    script_close(&b.port);
    assert_int_equal(osb_command_run_durable(&b.box, &bench_command, &options, &handlers, &run),
                     OSB_OK);
    assert_string_equal(b.r.output[0].data, "hello world\n");
    assert_true(run.ended && run.exit_code.set);
    assert_int_equal(run.exit_code.value, 3);
    assert_int_equal(run.stdout_bytes, 12);
    assert_non_null(strstr(b.port.log.data, "GET /command/0a1b/logs?cursor=5 HTTP/1.1\r\n"));
    bench_end(&b);
}

#define NOT_THERE "HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n"
#define FILE_OF(text) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" text

/* Recovered: its state first, then stdout and stderr apart, from the files that execd keeps, wherever
   these are. */
static void test_recover(void **state)
{
    osb_handlers handlers;
    osb_execution run;
    bench b;
    (void)state;
    memset(&run, 0, sizeof run);
    strcpy(run.id, "0a1b");
    bench_begin(&b, 2048);
    handlers = recorder_handlers(&b.r);
    bench_execd_answers(&b, "{\"running\":false,\"exit_code\":-1}");
    bench_answer(&b, NOT_THERE);
    bench_answer(&b, FILE_OF("out"));
    script_close(&b.port);
    bench_execd_answers(&b, FILE_OF("err"));
    script_close(&b.port);
    assert_int_equal(osb_command_recover(&b.box, NULL, &handlers, &run), OSB_OK);
    assert_string_equal(b.r.output[0].data, "out");
    assert_string_equal(b.r.output[1].data, "err");
    assert_int_equal(run.exit_code.value, -1);
    assert_int_equal(run.stdout_bytes, 3);
    assert_int_equal(run.stderr_bytes, 3);
    bench_end(&b);
}

/* Followed by its id; without handlers; given up after so many failures one behind the other. */
static void test_follow(void **state)
{
    osb_durable_options options = {0};
    osb_execution run;
    bench b;
    int i;
    (void)state;
    memset(&run, 0, sizeof run);
    bench_begin(&b, 2048);
    assert_int_equal(osb_command_follow(&b.box, NULL, NULL, &run), OSB_E_INVALID);
    strcpy(run.id, "0a1b");
    bench_execd_answers(&b, LOG("5", "hello"));
    script_close(&b.port);
    bench_execd_answers(&b, "{\"running\":false,\"exit_code\":0}");
    bench_answer(&b, LOG("5", ""));
    script_close(&b.port);
    assert_int_equal(osb_command_follow(&b.box, NULL, NULL, &run), OSB_OK);
    assert_int_equal(run.stdout_bytes, 5);
    options.retries = 3;
    for (i = 0; i < 4; i++) script_add(&b.port, SCRIPT_REFUSE, "execd.example", 13, 44772);
    assert_int_equal(osb_command_follow(&b.box, &options, NULL, &run), OSB_E_CONNECT);
    bench_end(&b);
}

/* A handler's stop interrupts the command. */
static void test_stopped(void **state)
{
    osb_handlers handlers;
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    handlers = recorder_handlers(&b.r);
    b.r.cancel_on = "init";
    bench_stream(&b, BENCH_INIT BENCH_DONE);
    bench_execd_answers(&b, "");
    assert_int_equal(osb_command_run_durable(&b.box, &bench_command, NULL, &handlers, &run),
                     OSB_E_CANCELLED);
    assert_non_null(strstr(b.port.log.data, "DELETE /command?id=0a1b HTTP/1.1\r\n"));
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_recover),
        cmocka_unit_test(test_follow),
        cmocka_unit_test(test_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
