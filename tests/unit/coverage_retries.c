/* Repeats at their edges: never sent, timed out, from a source, of calls that repeat themselves. */
#include "tests/support/unit.h"

#define EMPTY(status) "HTTP/1.1 " status "\r\nContent-Length: 0\r\n\r\n"

typedef struct retry_bench {
    bench b;
    osb_extras extras;
    unsigned logged, rewound;
    uint32_t pause_ms; /* of the last repeat */
    size_t given;      /* bytes of the source so far */
    bool rewind_fails;
} retry_bench;

static void on_log(void *user, const osb_log_entry *entry)
{
    retry_bench *r = (retry_bench *)user;
    r->logged++;
    if (entry->level == OSB_LOG_DEBUG) r->pause_ms = entry->pause_ms;
}

static void begin(retry_bench *r, uint32_t retries)
{
    memset(r, 0, sizeof *r);
    bench_begin(&r->b, 2048);
    r->extras.retries = retries;
    r->extras.log_level = OSB_LOG_DEBUG;
    r->extras.user = r;
    r->extras.on_log = on_log;
    r->b.config.extras = &r->extras;
    bench_again(&r->b);
}

/* A connection that breaks before a byte of a POST is out has done no harm: it is sent again. */
static void test_never_sent(void **state)
{
    retry_bench r;
    (void)state;
    begin(&r, 1);
    bench_lifecycle(&r.b);
    script_reset(&r.b.port);
    bench_lifecycle_answers(&r.b, EMPTY("202 A"));
    assert_int_equal(osb_lifecycle_pause(&r.b.client, "7f"), OSB_OK);
    assert_int_equal(r.logged, 2);
    bench_end(&r.b);
}

/* Silence: a call that may be done twice is, another one is not. */
static void test_silence(void **state)
{
    retry_bench r;
    (void)state;
    begin(&r, 1);
    r.b.config.request_timeout_ms = 1000;
    bench_again(&r.b);
    bench_lifecycle(&r.b);
    script_request(&r.b.port);
    script_pause(&r.b.port, 2000);
    bench_lifecycle_answers(&r.b, EMPTY("204 N"));
    assert_int_equal(osb_lifecycle_kill(&r.b.client, "7f"), OSB_OK);
    osb_client_close(&r.b.client);
    bench_again(&r.b);
    bench_lifecycle(&r.b);
    script_request(&r.b.port);
    script_pause(&r.b.port, 2000);
    assert_int_equal(osb_lifecycle_pause(&r.b.client, "7f"), OSB_E_TIMEOUT);
    assert_true(osb_last_error(&r.b.client)->maybe_applied);
    bench_end(&r.b);
}

/* Retry-After as a date: the server's clock counts; one that is over is no reason to wait. */
static void test_retry_at(void **state)
{
    static const struct {
        const char *answer;
        uint32_t least_ms, most_ms;
    } cases[] = {{"HTTP/1.1 503 U\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                  "Retry-After: Sun, 06 Nov 1994 08:49:45 GMT\r\nContent-Length: 0\r\n\r\n",
                  8000, 8000},
                 {"HTTP/1.1 503 U\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                  "Retry-After: Sun, 06 Nov 1994 08:49:30 GMT\r\nContent-Length: 0\r\n\r\n",
                  50, 100},
                 {"HTTP/1.1 503 U\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", 50, 100}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        retry_bench r;
        begin(&r, 1);
        r.extras.backoff_ms = 100;
        bench_lifecycle_answers(&r.b, cases[i].answer);
        bench_answer(&r.b, EMPTY("204 N"));
        assert_int_equal(osb_lifecycle_kill(&r.b.client, "7f"), OSB_OK);
        assert_in_range(r.pause_ms, cases[i].least_ms, cases[i].most_ms);
        bench_end(&r.b);
    }
}

/* ---- sources -----------------------------------------------------------------------------------*/

static int read_body(void *user, void *data, size_t size)
{
    retry_bench *r = (retry_bench *)user;
    size_t n = 4 - r->given < size ? 4 - r->given : size;
    memcpy(data, "body" + r->given, n);
    r->given += n;
    return (int)n;
}

static int rewind_body(void *user)
{
    retry_bench *r = (retry_bench *)user;
    r->rewound++;
    r->given = 0;
    return r->rewind_fails;
}

/* A source goes back to its start; where it cannot, the first failure stands. */
static void test_source(void **state)
{
    int way; /* 0: it can, 1: it fails, 2: it has no way to */
    (void)state;
    for (way = 0; way < 3; way++) {
        osb_request request = {0};
        uint16_t http = 0;
        retry_bench r;
        osb_status status;
        begin(&r, 1);
        r.rewind_fails = way == 1;
        request.method = "PUT";
        request.user = &r;
        request.read_body = read_body;
        request.body_size = 4;
        if (way != 2) request.rewind_body = rewind_body;
        bench_execd(&r.b);
        script_request(&r.b.port);
        script_close(&r.b.port);
        if (way == 0) bench_execd_answers(&r.b, "");
        status = osb_endpoint_request(&r.b.client, &r.b.box.execd, &request, &http);
        assert_int_equal(status, way == 0 ? OSB_OK : OSB_E_CLOSED);
        assert_int_equal(http, way == 0 ? 200 : 0);
        assert_int_equal(r.rewound, way != 2);
        bench_end(&r.b);
    }
}

/* ---- calls that go on by themselves ------------------------------------------------------------*/

/* A durable run counts its failures itself: retries do not come on top. */
static void test_durable(void **state)
{
    osb_durable_options options = {0};
    osb_execution run;
    retry_bench r;
    (void)state;
    memset(&run, 0, sizeof run);
    strcpy(run.id, "0a1b");
    options.retries = 1;
    begin(&r, 5);
    bench_execd_answers(&r.b, EMPTY("503 U"));
    bench_answer(&r.b, EMPTY("503 U"));
    assert_int_equal(osb_command_follow(&r.b.box, &options, NULL, &run), OSB_E_API);
    assert_int_equal(r.logged, 2);
    bench_end(&r.b);
}

/* The interrupt that follows a stop is tried once: the caller wants to leave. */
static void test_interrupt(void **state)
{
    osb_handlers handlers;
    osb_execution run;
    retry_bench r;
    (void)state;
    begin(&r, 5);
    handlers = recorder_handlers(&r.b.r);
    r.b.r.cancel_on = "init";
    bench_execd_answers(&r.b, BENCH_STREAM);
    script_reply(&r.b.port, BENCH_INIT);
    script_add(&r.b.port, SCRIPT_REFUSE, "execd.example", 13, 44772);
    assert_int_equal(bench_run(&r.b, &handlers, &run), OSB_E_CANCELLED);
    assert_int_equal(r.logged, 2);
    assert_int_equal(r.pause_ms, 0);
    bench_end(&r.b);
}

/* ---- log ---------------------------------------------------------------------------------------*/

/* The text of an entry that names no id, in a buffer of any size. */
static void test_log_text(void **state)
{
    static const char whole[] = "GET /sandboxes/{id} at a: 5 ms, 6 bytes sent, 7 received";
    osb_log_entry entry = {0};
    char text[80];
    size_t size;
    (void)state;
    entry.level = OSB_LOG_INFO;
    entry.operation = "GET /sandboxes/{id}";
    entry.target.data = "a";
    entry.target.size = 1;
    entry.took_ms = 5;
    entry.sent_bytes = 6;
    entry.received_bytes = 7;
    for (size = 1; size < sizeof text; size++) {
        size_t fits = size - 1 < sizeof whole - 1 ? size - 1 : sizeof whole - 1;
        memset(text, '#', sizeof text);
        assert_int_equal(osb_log_text(&entry, text, size), sizeof whole - 1);
        assert_memory_equal(text, whole, fits);
        assert_int_equal(text[fits], '\0');
        assert_int_equal(text[size], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_sent), cmocka_unit_test(test_silence),
        cmocka_unit_test(test_retry_at),   cmocka_unit_test(test_source),
        cmocka_unit_test(test_durable),    cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_log_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
