/* Repeats and the log, where time and what was sent already matter. */
#include "tests/support/unit.h"

typedef struct retry_bench {
    bench b;
    osb_extras extras;
    osb_log_entry entries[8];
    char lines[8][200];
    unsigned count;
} retry_bench;

static void on_log(void *user, const osb_log_entry *entry)
{
    retry_bench *r = (retry_bench *)user;
    assert_true(r->count < 8);
    osb_log_text(entry, r->lines[r->count], sizeof r->lines[0]);
    r->entries[r->count++] = *entry;
}

static void begin(retry_bench *r, bool poll_mode)
{
    memset(r, 0, sizeof *r);
    bench_begin(&r->b, 2048);
    r->extras.retries = 3;
    r->extras.log_level = OSB_LOG_DEBUG;
    r->extras.user = r;
    r->extras.on_log = on_log;
    r->b.config.extras = &r->extras;
    r->b.config.poll_mode = poll_mode;
    bench_again(&r->b);
}

static osb_status kill_box(retry_bench *r)
{
    return bench_finish(&r->b, osb_lifecycle_kill(&r->b.client, "7f"));
}

static void refuse_lifecycle(retry_bench *r)
{
    script_add(&r->b.port, SCRIPT_REFUSE, "api.example", 11, 8080);
}

/* The time is the request's own, whether its connection is kept, closed, or was never made. */
static void test_times(void **state)
{
    retry_bench r;
    (void)state;
    begin(&r, false);
    r.b.port.now_ms = 500000;
    refuse_lifecycle(&r);
    bench_lifecycle(&r.b);
    script_request(&r.b.port);
    script_pause(&r.b.port, 700);
    script_reply(&r.b.port, "HTTP/1.1 204 N\r\n\r\n");
    script_request(&r.b.port);
    script_pause(&r.b.port, 900);
    script_reply(&r.b.port, "HTTP/1.1 204 N\r\nConnection: close\r\n\r\n");
    assert_int_equal(kill_box(&r), OSB_OK);
    assert_int_equal(kill_box(&r), OSB_OK);
    assert_int_equal(r.count, 3);
    assert_int_equal(r.entries[0].took_ms, 0);
    assert_in_range(r.entries[1].took_ms, 700, 800);
    assert_in_range(r.entries[2].took_ms, 900, 1000);
    assert_int_equal(r.entries[0].sent_bytes, 0);
    assert_int_equal(r.entries[1].sent_bytes, r.entries[2].sent_bytes);
    assert_int_equal(r.entries[1].received_bytes, 18);
    assert_int_equal(r.entries[0].attempt, 0);
    assert_int_equal(r.entries[1].attempt, 1);
    assert_int_equal(r.entries[2].attempt, 0);
    bench_end(&r.b);
}

/* What was sent by the attempt before is not counted again. */
static void test_refused_after_sent(void **state)
{
    retry_bench r;
    (void)state;
    begin(&r, false);
    r.extras.retries = 1;
    bench_lifecycle_answers(&r.b,
                            "HTTP/1.1 503 U\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    refuse_lifecycle(&r);
    assert_int_equal(kill_box(&r), OSB_E_CONNECT);
    assert_true(r.entries[0].sent_bytes > 50);
    assert_int_equal(r.entries[1].sent_bytes, 0);
    assert_int_equal(r.entries[1].received_bytes, 0);
    assert_int_equal(r.entries[1].took_ms, 0);
    bench_end(&r.b);
}

/* Retry-After as a date counts from the server's own. */
static void test_retry_after_date(void **state)
{
    retry_bench r;
    (void)state;
    begin(&r, false);
    bench_lifecycle_answers(&r.b, "HTTP/1.1 503 U\r\nDate: Mon, 15 Jun 2026 10:00:00 GMT\r\n"
                                  "Retry-After: Mon, 15 Jun 2026 10:00:09 GMT\r\n"
                                  "Content-Length: 0\r\n\r\n");
    bench_answer(&r.b, "HTTP/1.1 204 N\r\n\r\n");
    assert_int_equal(kill_box(&r), OSB_OK);
    assert_int_equal(r.entries[0].pause_ms, 9000);
    bench_end(&r.b);
}

/* ---- bodies from a source ----------------------------------------------------------------------*/

typedef struct source {
    size_t at;
    unsigned rewound;
} source;

static int read_body(void *user, void *data, size_t size)
{
    source *s = (source *)user;
    size_t n = 5 - s->at < size ? 5 - s->at : size;
    memcpy(data, "hello" + s->at, n);
    s->at += n;
    return (int)n;
}

static int rewind_body(void *user)
{
    ((source *)user)->at = 0;
    ((source *)user)->rewound++;
    return 0;
}

static void send_source(const char *method, bool can_rewind, unsigned attempts)
{
    osb_request request = {0};
    uint16_t http_status = 0;
    source s = {0, 0};
    retry_bench r;
    unsigned i;
    begin(&r, false);
    request.method = method;
    request.user = &s;
    request.read_body = read_body;
    request.body_size = 5;
    if (can_rewind) request.rewind_body = rewind_body;
    bench_execd(&r.b);
    for (i = 0; i < attempts; i++) {
        if (i > 0) bench_execd(&r.b);
        script_request(&r.b.port);
        if (i + 1 < attempts || attempts == 1) script_close(&r.b.port);
        else script_reply(&r.b.port, "HTTP/1.1 204 N\r\n\r\n");
    }
    assert_int_equal(osb_endpoint_request(&r.b.client, &r.b.box.execd, &request, &http_status),
                     attempts > 1 ? OSB_OK : OSB_E_CLOSED);
    assert_int_equal(s.rewound, attempts - 1);
    assert_int_equal(r.count, attempts);
    bench_end(&r.b);
}

static void test_sources(void **state)
{
    (void)state;
    send_source("PUT", true, 3);
    send_source("PUT", false, 1);
    send_source("POST", true, 1);
}

/* ---- pauses ------------------------------------------------------------------------------------*/

/* In the pause nothing but the time is waited for; a cancel ends it. */
static void test_cancel_in_pause(void **state)
{
    osb_status status;
    osb_wait wait;
    retry_bench r;
    (void)state;
    begin(&r, true);
    r.extras.backoff_ms = 4000;
    refuse_lifecycle(&r);
    status = osb_lifecycle_kill(&r.b.client, "7f");
    while (status == OSB_PENDING && r.count == 0) status = osb_poll(&r.b.client);
    assert_int_equal(status, OSB_PENDING);
    osb_want(&r.b.client, &wait);
    assert_false(wait.now || wait.read || wait.write);
    assert_in_range(wait.timeout_ms, 1900, 4000);
    osb_cancel(&r.b.client);
    assert_int_equal(bench_finish(&r.b, osb_poll(&r.b.client)), OSB_E_CANCELLED);
    assert_int_equal(r.b.port.now_ms, 1000);
    bench_end(&r.b);
}

/* Even for one who asks for more there is an end. */
static void test_most_repeats(void **state)
{
    retry_bench r;
    unsigned i;
    (void)state;
    begin(&r, false);
    r.extras.retries = 100000;
    r.extras.backoff_ms = r.extras.backoff_most_ms = 1;
    r.extras.on_log = NULL;
    for (i = 0; i < 256; i++) refuse_lifecycle(&r);
    assert_int_equal(kill_box(&r), OSB_E_CONNECT);
    bench_end(&r.b);
}

/* ---- what is said ------------------------------------------------------------------------------*/

/* Queries, keys and bodies stay out of the log. */
static void test_no_secrets(void **state)
{
    static const osb_pair tag = {"owner", "secret-tag"};
    osb_sandbox found;
    unsigned i;
    retry_bench r;
    (void)state;
    begin(&r, false);
    bench_lifecycle_answers(&r.b, "HTTP/1.1 503 U\r\nX-Echo: the-key\r\nContent-Length: 0\r\n\r\n");
    bench_answer(&r.b, "{\"items\":[],\"pagination\":{}}");
    assert_int_equal(osb_sandbox_find(&r.b.client, &tag, &found), OSB_E_NOT_FOUND);
    assert_int_equal(r.count, 2);
    for (i = 0; i < r.count; i++) {
        assert_non_null(strstr(r.lines[i], "GET /sandboxes at api.example:8080: HTTP "));
        assert_null(strstr(r.lines[i], "the-key"));
        assert_null(strstr(r.lines[i], "secret-tag"));
    }
    bench_end(&r.b);
}

/* The hint at the server's proxy is for addresses out of reach, not for certificates. */
static void test_hint(void **state)
{
    int https;
    (void)state;
    for (https = 0; https < 2; https++) {
        char text[300];
        retry_bench r;
        begin(&r, false);
        r.extras.retries = 0;
        r.b.box.execd.https = https != 0;
        script_add(&r.b.port, SCRIPT_REFUSE, "execd.example", 13, 44772);
        r.b.port.steps[0].tls = https != 0;
        assert_int_equal(osb_ping(&r.b.box), OSB_E_CONNECT);
        osb_error_text(&r.b.client, text, sizeof text);
        assert_non_null(strstr(text, "scripted failure"));
        assert_true((strstr(text, "use_server_proxy") == NULL) == (https != 0));
        bench_end(&r.b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_refused_after_sent),
        cmocka_unit_test(test_retry_after_date),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_cancel_in_pause),
        cmocka_unit_test(test_most_repeats),
        cmocka_unit_test(test_no_secrets),
        cmocka_unit_test(test_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
