/* What a client does beside its calls: repeats, a log, other addresses. */
#include "tests/support/unit.h"

/* A client with extras, and what was logged. */
typedef struct extra_bench {
    bench b;
    osb_extras extras;
    osb_log_level levels[32];
    uint32_t pauses[32];
    struct text lines;
    unsigned count;
} extra_bench;

static void on_log(void *user, const osb_log_entry *entry)
{
    extra_bench *e = (extra_bench *)user;
    char line[200];
    assert_true(osb_log_text(entry, line, sizeof line) < sizeof line);
    assert_int_equal(osb_log_text(entry, NULL, 0), strlen(line));
    text_add(&e->lines, line, strlen(line));
    text_add(&e->lines, "\n", 1);
    e->levels[e->count % 32] = entry->level;
    e->pauses[e->count++ % 32] = entry->pause_ms;
}

static void begin(extra_bench *e, uint32_t retries, bool poll_mode)
{
    memset(e, 0, sizeof *e);
    text_clear(&e->lines);
    bench_begin(&e->b, 1024);
    e->extras.retries = retries;
    e->extras.log_level = OSB_LOG_DEBUG;
    e->extras.user = e;
    e->extras.on_log = on_log;
    e->b.config.extras = &e->extras;
    e->b.config.poll_mode = poll_mode;
    bench_again(&e->b);
}

static void end(extra_bench *e)
{
    bench_end(&e->b);
    text_free(&e->lines);
}

static osb_status kill_box(extra_bench *e)
{
    return bench_finish(&e->b, osb_lifecycle_kill(&e->b.client, "7f"));
}

static osb_status pause_box(extra_bench *e)
{
    return bench_finish(&e->b, osb_lifecycle_pause(&e->b.client, "7f"));
}

static void refuse(extra_bench *e)
{
    script_add(&e->b.port, SCRIPT_REFUSE, "api.example", 11, 8080);
}

static void answer(extra_bench *e, const char *status)
{
    char text[128];
    snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n", status);
    bench_answer(&e->b, text);
}

/* ---- repeats -----------------------------------------------------------------------------------*/

/* Each failure that may pass by itself, one after the other; in both modes. */
static void test_repeated(void **state)
{
    int poll_mode;
    (void)state;
    for (poll_mode = 0; poll_mode < 2; poll_mode++) {
        extra_bench e;
        begin(&e, 8, poll_mode != 0);
        refuse(&e);
        bench_lifecycle(&e.b);
        answer(&e, "429 T");
        answer(&e, "502 B");
        answer(&e, "503 U");
        answer(&e, "504 G");
        script_request(&e.b.port);
        script_close(&e.b.port);
        bench_lifecycle(&e.b);
        script_request(&e.b.port);
        script_close(&e.b.port);
        bench_lifecycle(&e.b);
        answer(&e, "204 N");
        assert_int_equal(kill_box(&e), OSB_OK);
        assert_int_equal(osb_last_error(&e.b.client)->status, OSB_OK);
        end(&e);
    }
}

/* Not more often than allowed, and nothing that asking again does not mend. */
static void test_not_repeated(void **state)
{
    static const char *const answers[] = {"400 B", "401 U", "404 N", "500 E", "501 N", "302 F"};
    extra_bench e;
    size_t i;
    (void)state;
    begin(&e, 2, false);
    for (i = 0; i < 3; i++) refuse(&e);
    assert_int_equal(kill_box(&e), OSB_E_CONNECT);
    end(&e);
    for (i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        begin(&e, 2, false);
        bench_lifecycle(&e.b);
        answer(&e, answers[i]);
        assert_true(kill_box(&e) < 0);
        end(&e);
    }
    begin(&e, 2, false);
    bench_lifecycle_answers(&e.b, "HTTP/9.9 what\r\n\r\n");
    assert_int_equal(kill_box(&e), OSB_E_PROTOCOL);
    end(&e);
}

/* What may have had its effect is not done again; what was refused or never sent is. */
static void test_posts(void **state)
{
    extra_bench e;
    (void)state;
    begin(&e, 3, false);
    refuse(&e);
    bench_lifecycle(&e.b);
    answer(&e, "429 T");
    answer(&e, "202 A");
    assert_int_equal(pause_box(&e), OSB_OK);
    end(&e);
    begin(&e, 3, false);
    bench_lifecycle(&e.b);
    answer(&e, "503 U");
    assert_int_equal(pause_box(&e), OSB_E_API);
    end(&e);
    begin(&e, 3, false);
    bench_lifecycle(&e.b);
    script_request(&e.b.port);
    script_close(&e.b.port);
    assert_int_equal(pause_box(&e), OSB_E_CLOSED);
    assert_true(osb_last_error(&e.b.client)->maybe_applied);
    end(&e);
}

/* Pauses double up to the longest, and are between half and all of that. */
static void test_pauses(void **state)
{
    static const uint32_t whole[] = {100, 200, 400, 800, 1000, 1000};
    int with_random;
    (void)state;
    for (with_random = 0; with_random < 2; with_random++) {
        osb_port_ops ops;
        extra_bench e;
        size_t i;
        begin(&e, 6, false);
        ops = *e.b.config.port.ops;
        if (!with_random) ops.random = NULL;
        e.b.config.port.ops = &ops;
        bench_again(&e.b);
        e.extras.backoff_ms = 100;
        e.extras.backoff_most_ms = 1000;
        for (i = 0; i < 7; i++) refuse(&e);
        assert_int_equal(kill_box(&e), OSB_E_CONNECT);
        assert_int_equal(e.count, 7);
        for (i = 0; i < 6; i++) assert_in_range(e.pauses[i], whole[i] / 2, whole[i]);
        end(&e);
    }
}

/* What the server asks for counts, unless that is too long. */
static void test_retry_after(void **state)
{
    extra_bench e;
    (void)state;
    begin(&e, 1, false);
    bench_lifecycle_answers(&e.b, "HTTP/1.1 503 U\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n");
    answer(&e, "204 N");
    assert_int_equal(kill_box(&e), OSB_OK);
    assert_int_equal(e.pauses[0], 7000);
    assert_in_range(e.b.port.now_ms, 8000, 8200);
    end(&e);
    begin(&e, 1, false);
    bench_lifecycle_answers(&e.b, "HTTP/1.1 503 U\r\nRetry-After: 31\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(kill_box(&e), OSB_E_API);
    assert_int_equal(osb_last_error(&e.b.client)->retry_after_s, 31);
    end(&e);
}

/* ---- log ---------------------------------------------------------------------------------------*/

static void test_log(void **state)
{
    extra_bench e;
    (void)state;
    begin(&e, 1, false);
    e.b.config.api_key = NULL;
    bench_again(&e.b);
    refuse(&e);
    bench_lifecycle(&e.b);
    answer(&e, "404 N");
    assert_int_equal(kill_box(&e), OSB_E_NOT_FOUND);
    assert_int_equal(e.count, 2);
    assert_int_equal(e.levels[0], OSB_LOG_DEBUG);
    assert_int_equal(e.levels[1], OSB_LOG_ERROR);
    assert_non_null(
        strstr(e.lines.data, "DELETE /sandboxes/7f at api.example:8080: OSB_E_CONNECT, "));
    assert_non_null(strstr(e.lines.data, " ms, 0 bytes sent, 0 received, again in "));
    assert_non_null(strstr(e.lines.data, "HTTP 404, OSB_E_NOT_FOUND, "));
    end(&e);
}

/* Less is logged at a lower level, and nothing without on_log. */
static void test_levels(void **state)
{
    extra_bench e;
    (void)state;
    begin(&e, 1, false);
    e.extras.log_level = OSB_LOG_ERROR;
    refuse(&e);
    bench_lifecycle(&e.b);
    answer(&e, "204 N");
    answer(&e, "404 N");
    assert_int_equal(kill_box(&e), OSB_OK);
    assert_int_equal(e.count, 0);
    assert_int_equal(kill_box(&e), OSB_E_NOT_FOUND);
    assert_int_equal(e.count, 1);
    e.extras.on_log = NULL;
    answer(&e, "404 N");
    assert_int_equal(kill_box(&e), OSB_E_NOT_FOUND);
    assert_int_equal(e.count, 1);
    end(&e);
}

/* A request of the caller's own has no path in its entry. */
static void test_raw_request(void **state)
{
    osb_request request = {0};
    extra_bench e;
    (void)state;
    begin(&e, 0, false);
    strcpy(e.b.box.execd.address, "[::1]:8081/x");
    script_connect(&e.b.port, "::1", 8081);
    bench_answer(&e.b, "");
    assert_int_equal(osb_endpoint_request(&e.b.client, &e.b.box.execd, &request, NULL), OSB_OK);
    assert_int_equal(e.count, 1);
    assert_non_null(strstr(e.lines.data, " at [::1]:8081: HTTP 200, "));
    end(&e);
}

/* ---- other addresses ---------------------------------------------------------------------------*/

static void test_rewrites(void **state)
{
    static const osb_pair rewrites[] = {{"other.example", "wrong.example"},
                                        {"EXECD.example:44772", "gate.example:1234"},
                                        {"[::1]:8081", "https://six.example"},
                                        {"bad.example", "not an address"}};
    extra_bench e;
    (void)state;
    begin(&e, 0, false);
    e.extras.rewrites = rewrites;
    e.extras.rewrite_count = 4;
    strcpy(e.b.box.execd.address, "execd.example:44772/p");
    script_connect(&e.b.port, "gate.example", 1234);
    script_expect(&e.b.port,
                  "GET /p/ping HTTP/1.1\r\nHost: gate.example:1234\r\nUser-Agent: t\r\n\r\n");
    script_reply(&e.b.port, "HTTP/1.1 204 N\r\n\r\n");
    assert_int_equal(osb_ping(&e.b.box), OSB_OK);
    strcpy(e.b.box.execd.address, "[::1]:8081");
    script_connect(&e.b.port, "six.example", 443);
    e.b.port.steps[e.b.port.step_count - 1].tls = true;
    bench_answer(&e.b, "");
    assert_int_equal(osb_ping(&e.b.box), OSB_OK);
    strcpy(e.b.box.execd.address, "bad.example");
    assert_int_equal(osb_ping(&e.b.box), OSB_E_INVALID);
    end(&e);
}

/* An operation may have more than one thing in braces; the id is the first. */
static void test_two_braces(void **state)
{
    osb_log_entry entry;
    char line[200];
    (void)state;
    memset(&entry, 0, sizeof entry);
    entry.operation = "GET /sandboxes/{id}/endpoints/{port}";
    entry.id = "1f";
    osb_log_text(&entry, line, sizeof line);
    assert_non_null(strstr(line, "GET /sandboxes/1f/endpoints/{port} at "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeated),    cmocka_unit_test(test_not_repeated),
        cmocka_unit_test(test_posts),       cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_retry_after), cmocka_unit_test(test_log),
        cmocka_unit_test(test_levels),      cmocka_unit_test(test_raw_request),
        cmocka_unit_test(test_two_braces),  cmocka_unit_test(test_rewrites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
