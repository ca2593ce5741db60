/* What the public comments promise where it is easily broken: edges of time, of sizes, of NULL. */
#include "tests/support/unit.h"

/* ---- time ------------------------------------------------------------------------------------*/

/* A clock that moves each time somebody looks at it. */
static uint32_t claims_ticking_now(void *ctx)
{
    return ((script_port *)ctx)->now_ms++;
}

#define CLAIMS_PAUSING                                                                             \
    "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n"                                                \
    "{\"id\":\"7f\",\"status\":{\"state\":\"Pausing\"}}"

/* The pause between two questions ends between two looks at the clock: that is no time-out. */
static void test_pause_is_no_deadline(void **state)
{
    osb_wait_options options = {60000, 0};
    (void)state;
    for (options.interval_ms = 20; options.interval_ms < 24; options.interval_ms++) {
        osb_port_ops ops;
        osb_sandbox_info info;
        osb_status status;
        bench b;
        bench_begin_polling(&b, 2048);
        ops = *b.config.port.ops;
        ops.now_ms = claims_ticking_now;
        b.config.port.ops = &ops;
        bench_again(&b);
        bench_lifecycle_answers(&b, CLAIMS_PAUSING);
        bench_answer(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Paused\"}}");
        status = osb_lifecycle_wait(&b.client, "7f", "Paused", &options, &info);
        while (status == OSB_PENDING) status = osb_poll(&b.client);
        assert_int_equal(status, OSB_OK);
        bench_end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pause_is_no_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
