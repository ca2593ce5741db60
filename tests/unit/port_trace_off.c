/* With OSB_NO_TRACE the port below is used as it is. */
#define OSB_NO_TRACE
#include "tests/support/unit.h"
#include "port/osb_trace.h"

static void test_the_port_below_itself(void **state)
{
    osb_trace_options options;
    osb_trace trace;
    osb_port port;
    bench b;
    (void)state;
    memset(&options, 0, sizeof options);
    bench_begin(&b, 1024);
    port = osb_trace_port(&trace, b.config.port, &options);
    assert_true(port.ops == b.config.port.ops);
    assert_true(port.ctx == b.config.port.ctx);
    bench_end(&b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_port_below_itself)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
