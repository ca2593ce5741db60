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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
