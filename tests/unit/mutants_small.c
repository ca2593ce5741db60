/* What `make mutants` found untested: edges of single comparisons and constants. */
#include "tests/support/unit.h"

static void test_last_letter(void **state)
{
    (void)state;
    assert_int_equal(osb__lower('A'), 'a');
    assert_int_equal(osb__lower('Z'), 'z');
    assert_int_equal(osb__lower('Z' + 1), 'Z' + 1);
    assert_int_equal(osb__lower('A' - 1), 'A' - 1);
}

/* A connection that has been idle for exactly the time that is too long is not used again. */
static void test_idle_for_exactly_too_long(void **state)
{
    uint32_t idle_ms;
    (void)state;
    for (idle_ms = 19999; idle_ms <= 20000; idle_ms++) {
        bench b;
        bench_begin(&b, 1024);
        bench_lifecycle(&b);
        bench_answer(&b, "");
        if (idle_ms == 20000) bench_lifecycle(&b);
        bench_answer(&b, "");
        assert_int_equal(osb_server_health(&b.client), OSB_OK);
        b.port.now_ms += idle_ms;
        assert_int_equal(osb_server_health(&b.client), OSB_OK);
        bench_end(&b);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_last_letter),
        cmocka_unit_test(test_idle_for_exactly_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
