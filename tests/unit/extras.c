/* What a client does beside its calls: repeats, a log, other addresses. */
#include "tests/support/unit.h"

/* A client with extras, and what was logged. */
typedef struct extra_bench {
    bench b;
    osb_extras extras;
    osb_log_entry entries[16];
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
    assert_true(e->count < sizeof e->entries / sizeof e->entries[0]);
    e->entries[e->count++] = *entry;
}

static void begin(extra_bench *e, uint32_t retries, bool poll_mode)
{
    memset(e, 0, sizeof *e);
    text_clear(&e->lines);
    bench_begin(&e->b, 2048);
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

/* ---- repeats -----------------------------------------------------------------------------------*/

/* Each failure that may pass by itself, one after the other; in both modes. */
static void test_repeated(void **state)
{
    int poll_mode;
    (void)state;
    for (poll_mode = 0; poll_mode < 2; poll_mode++) {
        extra_bench e;
        begin(&e, 8, poll_mode != 0);
        bench_lifecycle_refuses(&e.b);
        bench_lifecycle_answers(&e.b, BENCH_EMPTY("429 T"));
        bench_answer(&e.b, BENCH_EMPTY("502 B"));
        bench_answer(&e.b, BENCH_EMPTY("503 U"));
        bench_answer(&e.b, BENCH_EMPTY("504 G"));
        script_request(&e.b.port);
        script_close(&e.b.port);
        bench_lifecycle(&e.b);
        script_request(&e.b.port);
        script_close(&e.b.port);
        bench_lifecycle_answers(&e.b, BENCH_EMPTY("204 N"));
        assert_int_equal(kill_box(&e), OSB_OK);
        assert_int_equal(osb_last_error(&e.b.client)->status, OSB_OK);
        end(&e);
    }
}

/* Not more often than allowed, and nothing that asking again does not mend. */
static void test_not_repeated(void **state)
{
    static const char *const answers[] = {BENCH_EMPTY("400 B"), BENCH_EMPTY("401 U"),
                                          BENCH_EMPTY("404 N"), BENCH_EMPTY("500 E"),
                                          BENCH_EMPTY("501 N"), BENCH_EMPTY("302 F")};
    extra_bench e;
    size_t i;
    (void)state;
    begin(&e, 2, false);
    for (i = 0; i < 3; i++) bench_lifecycle_refuses(&e.b);
    assert_int_equal(kill_box(&e), OSB_E_CONNECT);
    end(&e);
    for (i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        begin(&e, 2, false);
        bench_lifecycle_answers(&e.b, answers[i]);
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
    bench_lifecycle_refuses(&e.b);
    bench_lifecycle_answers(&e.b, BENCH_EMPTY("429 T"));
    bench_answer(&e.b, BENCH_EMPTY("202 A"));
    assert_int_equal(pause_box(&e), OSB_OK);
    end(&e);
    begin(&e, 3, false);
    bench_lifecycle_answers(&e.b, BENCH_EMPTY("503 U"));
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

/* The caller says which statuses pass by themselves; what may be sent twice stays the same. */
static void test_statuses(void **state)
{
    static const uint16_t statuses[] = {500, 408};
    extra_bench e;
    (void)state;
    begin(&e, 3, false);
    e.extras.retry_statuses = statuses;
    e.extras.retry_status_count = 2;
    bench_lifecycle_answers(&e.b, BENCH_EMPTY("500 E"));
    bench_answer(&e.b, BENCH_EMPTY("408 T"));
    bench_answer(&e.b, BENCH_EMPTY("503 U"));
    assert_int_equal(kill_box(&e), OSB_E_API);
    bench_answer(&e.b, BENCH_EMPTY("500 E"));
    assert_int_equal(pause_box(&e), OSB_E_API);
    bench_answer(&e.b, BENCH_EMPTY("429 T"));
    assert_int_equal(pause_box(&e), OSB_E_API);
    end(&e);
}

/* A connection that breaks before a byte of a POST is out has done no harm: it is sent again. */
static void test_never_sent(void **state)
{
    extra_bench e;
    (void)state;
    begin(&e, 1, false);
    bench_lifecycle(&e.b);
    script_reset(&e.b.port);
    bench_lifecycle_answers(&e.b, BENCH_EMPTY("202 A"));
    assert_int_equal(osb_lifecycle_pause(&e.b.client, "7f"), OSB_OK);
    assert_int_equal(e.count, 2);
    end(&e);
}

/* The next request, of a new client, gets no answer within its time. */
static void falls_silent(extra_bench *e)
{
    bench_again(&e->b);
    bench_lifecycle(&e->b);
    script_request(&e->b.port);
    script_pause(&e->b.port, 2000);
}

/* Silence: a call that may be done twice is, another one is not. */
static void test_silence(void **state)
{
    extra_bench e;
    (void)state;
    begin(&e, 1, false);
    e.b.config.request_timeout_ms = 1000;
    falls_silent(&e);
    bench_lifecycle_answers(&e.b, BENCH_EMPTY("204 N"));
    assert_int_equal(osb_lifecycle_kill(&e.b.client, "7f"), OSB_OK);
    falls_silent(&e);
    assert_int_equal(osb_lifecycle_pause(&e.b.client, "7f"), OSB_E_TIMEOUT);
    assert_true(osb_last_error(&e.b.client)->maybe_applied);
    end(&e);
}

/* The first attempt may have done its work, though the last one found nobody. */
static void test_silence_and_refusal(void **state)
{
    extra_bench e;
    (void)state;
    begin(&e, 1, false);
    e.b.config.request_timeout_ms = 1000;
    falls_silent(&e);
    bench_lifecycle_refuses(&e.b);
    assert_int_equal(osb_lifecycle_kill(&e.b.client, "7f"), OSB_E_CONNECT);
    assert_true(osb_last_error(&e.b.client)->maybe_applied);
    end(&e);
}

/* Even for one who asks for more there is an end. */
static void test_most_repeats(void **state)
{
    extra_bench e;
    unsigned i;
    (void)state;
    begin(&e, 3, false);
    e.extras.retries = 100000;
    e.extras.backoff_ms = e.extras.backoff_most_ms = 1;
    e.extras.on_log = NULL;
    for (i = 0; i < 256; i++) bench_lifecycle_refuses(&e.b);
    assert_int_equal(kill_box(&e), OSB_E_CONNECT);
    end(&e);
}

/* Pauses double up to the longest, and are between half and all of that. */
static void test_pauses(void **state)
{
    static const uint32_t whole[] = {100, 200, 400, 800, 1000, 1000};
    int with_random;
    (void)state;
    for (with_random = 0; with_random < 2; with_random++) {
        extra_bench e;
        size_t i;
        begin(&e, 6, false);
        if (!with_random) e.b.ops.random = NULL;
        e.extras.backoff_ms = 100;
        e.extras.backoff_most_ms = 1000;
        for (i = 0; i < 7; i++) bench_lifecycle_refuses(&e.b);
        assert_int_equal(kill_box(&e), OSB_E_CONNECT);
        assert_int_equal(e.count, 7);
        for (i = 0; i < 6; i++) assert_in_range(e.entries[i].pause_ms, whole[i] / 2, whole[i]);
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
    bench_answer(&e.b, BENCH_EMPTY("204 N"));
    assert_int_equal(kill_box(&e), OSB_OK);
    assert_int_equal(e.entries[0].pause_ms, 7000);
    assert_in_range(e.b.port.now_ms, 8000, 8200);
    end(&e);
    begin(&e, 1, false);
    bench_lifecycle_answers(&e.b, "HTTP/1.1 503 U\r\nRetry-After: 31\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(kill_box(&e), OSB_E_API);
    assert_int_equal(osb_last_error(&e.b.client)->retry_after_s, 31);
    end(&e);
    begin(&e, 1, false);
    e.extras.backoff_most_ms = 1000000;
    bench_lifecycle_answers(&e.b,
                            "HTTP/1.1 503 U\r\nRetry-After: 1001\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(kill_box(&e), OSB_E_API);
    end(&e);
}

/* Retry-After as a date: the server's clock counts; one that is over is no reason to wait. */
static void test_retry_after_date(void **state)
{
    static const struct {
        const char *answer;
        uint32_t least_ms, most_ms;
    } cases[] = {{"HTTP/1.1 503 U\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                  "Retry-After: Sun, 06 Nov 1994 08:49:45 GMT\r\nContent-Length: 0\r\n\r\n",
                  8000, 8000},
                 {"HTTP/1.1 503 U\r\nDate: Mon, 15 Jun 2026 10:00:00 GMT\r\n"
                  "Retry-After: Mon, 15 Jun 2026 10:00:09 GMT\r\nContent-Length: 0\r\n\r\n",
                  9000, 9000},
                 {"HTTP/1.1 503 U\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
                  "Retry-After: Sun, 06 Nov 1994 08:49:30 GMT\r\nContent-Length: 0\r\n\r\n",
                  50, 100},
                 {"HTTP/1.1 503 U\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", 50, 100}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        extra_bench e;
        begin(&e, 1, false);
        e.extras.backoff_ms = 100;
        bench_lifecycle_answers(&e.b, cases[i].answer);
        bench_answer(&e.b, BENCH_EMPTY("204 N"));
        assert_int_equal(osb_lifecycle_kill(&e.b.client, "7f"), OSB_OK);
        assert_in_range(e.entries[0].pause_ms, cases[i].least_ms, cases[i].most_ms);
        end(&e);
    }
}

/* In the pause nothing but the time is waited for; a cancel ends it. */
static void test_cancel_in_pause(void **state)
{
    osb_status status;
    osb_wait wait;
    extra_bench e;
    (void)state;
    begin(&e, 3, true);
    e.extras.backoff_ms = 4000;
    bench_lifecycle_refuses(&e.b);
    status = osb_lifecycle_kill(&e.b.client, "7f");
    while (status == OSB_PENDING && e.count == 0) status = osb_poll(&e.b.client);
    assert_int_equal(status, OSB_PENDING);
    osb_want(&e.b.client, &wait);
    assert_false(wait.now || wait.read || wait.write);
    assert_in_range(wait.timeout_ms, 1900, 4000);
    osb_cancel(&e.b.client);
    assert_int_equal(bench_finish(&e.b, osb_poll(&e.b.client)), OSB_E_CANCELLED);
    assert_int_equal(e.b.port.now_ms, 1000);
    end(&e);
}

/* Nor is it lost while an error's body comes of which the request would be sent again. */
static void test_cancel_in_refusal(void **state)
{
    extra_bench e;
    (void)state;
    begin(&e, 3, true);
    bench_lifecycle_answers(&e.b, "HTTP/1.1 503 U\r\nContent-Length: 10\r\n\r\nabc");
    script_pause(&e.b.port, 1000);
    assert_int_equal(osb_lifecycle_kill(&e.b.client, "7f"), OSB_PENDING);
    assert_int_equal(osb_last_error(&e.b.client)->http_status, 503);
    osb_cancel(&e.b.client);
    assert_int_equal(bench_finish(&e.b, OSB_PENDING), OSB_E_CANCELLED);
    assert_int_equal(osb_last_error(&e.b.client)->status, OSB_E_CANCELLED);
    assert_int_equal(e.count, 1);
    end(&e);
}

/* ---- sources -----------------------------------------------------------------------------------*/

/* Sends a body from a source on connections that break, but the last of several. */
static void send_source(const char *method, source *s, bool can_rewind, unsigned attempts)
{
    bool repeated = attempts > 1;
    osb_request request = {0};
    uint16_t http_status = 0;
    extra_bench e;
    unsigned i;
    begin(&e, 3, false);
    request.method = method;
    request.user = s;
    request.read_body = source_read;
    request.body_size = s->size;
    if (can_rewind) request.rewind_body = source_rewind;
    for (i = 0; i < attempts; i++) {
        bench_execd(&e.b);
        script_request(&e.b.port);
        if (repeated && i + 1 == attempts) script_reply(&e.b.port, "HTTP/1.1 204 N\r\n\r\n");
        else script_close(&e.b.port);
    }
    assert_int_equal(osb_endpoint_request(&e.b.client, &e.b.box.execd, &request, &http_status),
                     repeated ? OSB_OK : OSB_E_CLOSED);
    assert_int_equal(http_status, repeated ? 204 : 0);
    assert_int_equal(e.count, attempts);
    end(&e);
}

/* A source goes back to its start; where it cannot, the first failure stands. */
static void test_sources(void **state)
{
    source s = source_of("hello", 5, 5);
    (void)state;
    send_source("PUT", &s, true, 3);
    assert_int_equal(s.rewound, 2);
    s = source_of("hello", 5, 5);
    send_source("PUT", &s, false, 1);
    assert_int_equal(s.rewound, 0);
    s = source_of("hello", 5, 5);
    send_source("POST", &s, true, 1);
    assert_int_equal(s.rewound, 0);
    s = source_of("hello", 5, 5);
    s.stuck = true;
    send_source("PUT", &s, true, 1);
    assert_int_equal(s.rewound, 1);
}

/* A source that has been read from is forgotten with its call: what fails afterwards has none. */
static void test_call_after_source(void **state)
{
    extra_bench e;
    (void)state;
    begin(&e, 1, false);
    bench_execd_answers(&e.b, BENCH_EMPTY("200 OK"));
    script_close(&e.b.port);
    bench_execd_refuses(&e.b);
    bench_execd_answers(&e.b, "");
    assert_int_equal(osb_file_write(&e.b.box, "/a", "hello", 5), OSB_OK);
    assert_int_equal(osb_ping(&e.b.box), OSB_OK);
    end(&e);
}

/* ---- calls that go on by themselves ------------------------------------------------------------*/

/* A durable run counts its failures itself: retries do not come on top. */
static void test_durable(void **state)
{
    osb_durable_options options = {0};
    osb_execution run;
    extra_bench e;
    (void)state;
    memset(&run, 0, sizeof run);
    strcpy(run.id, "0a1b");
    options.retries = 1;
    begin(&e, 5, false);
    bench_execd_answers(&e.b, BENCH_EMPTY("503 U"));
    bench_answer(&e.b, BENCH_EMPTY("503 U"));
    assert_int_equal(osb_command_follow(&e.b.box, &options, NULL, &run), OSB_E_API);
    assert_int_equal(e.count, 2);
    end(&e);
}

/* Each question of a wait has repeats of its own, and so has each page of a list. */
static void test_waits_and_pages(void **state)
{
    osb_info_handlers handlers = {0};
    osb_sandbox_page page;
    osb_snapshot snapshot;
    extra_bench e;
    int i;
    (void)state;
    begin(&e, 1, false);
    for (i = 0; i < 3; i++) {
        bench_lifecycle_refuses(&e.b);
        bench_lifecycle(&e.b);
        bench_last_answer(&e.b, i < 2 ? "{\"id\":\"s\",\"status\":{\"state\":\"Creating\"}}"
                                      : "{\"id\":\"s\",\"status\":{\"state\":\"Ready\"}}");
    }
    assert_int_equal(osb_snapshot_wait(&e.b.client, "s", NULL, &snapshot), OSB_OK);
    assert_int_equal(e.count, 6);
    for (i = 0; i < 6; i++) assert_int_equal(e.entries[i].attempt, i % 2);
    e.count = 0;
    for (i = 1; i <= 3; i++) {
        bench_lifecycle_answers(&e.b, BENCH_EMPTY("503 U"));
        bench_last_answer(&e.b, i < 3 ? "{\"items\":[],\"pagination\":{\"hasNextPage\":true}}"
                                      : "{\"items\":[],\"pagination\":{\"page\":3}}");
    }
    assert_int_equal(osb_lifecycle_list_all(&e.b.client, NULL, &handlers, &page), OSB_OK);
    assert_int_equal(page.page, 3);
    end(&e);
}

/* The interrupt that follows a stop is tried once: the caller wants to leave. */
static void test_interrupt(void **state)
{
    osb_handlers handlers;
    osb_execution run;
    extra_bench e;
    (void)state;
    begin(&e, 5, false);
    handlers = recorder_handlers(&e.b.r);
    e.b.r.cancel_on = "init";
    bench_execd_answers(&e.b, BENCH_STREAM);
    script_reply(&e.b.port, BENCH_INIT);
    bench_execd_refuses(&e.b);
    assert_int_equal(bench_run(&e.b, &handlers, &run), OSB_E_CANCELLED);
    assert_int_equal(e.count, 2);
    assert_int_equal(e.entries[1].pause_ms, 0);
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
    bench_lifecycle_refuses(&e.b);
    bench_lifecycle_answers(&e.b, BENCH_EMPTY("404 N"));
    assert_int_equal(kill_box(&e), OSB_E_NOT_FOUND);
    assert_int_equal(e.count, 2);
    assert_int_equal(e.entries[0].level, OSB_LOG_DEBUG);
    assert_int_equal(e.entries[1].level, OSB_LOG_ERROR);
    assert_non_null(
        strstr(e.lines.data, "DELETE /sandboxes/7f at api.example:8080: OSB_E_CONNECT, "));
    assert_non_null(strstr(e.lines.data, " ms, 0 bytes sent, 0 received, again in "));
    assert_non_null(strstr(e.lines.data, "HTTP 404, OSB_E_NOT_FOUND, "));
    end(&e);
}

/* What was never a request is not logged as one. */
static void test_no_request(void **state)
{
    extra_bench e;
    (void)state;
    begin(&e, 1, false);
    assert_int_equal(osb_lifecycle_kill(&e.b.client, ".."), OSB_E_INVALID);
    assert_int_equal(e.count, 0);
    end(&e);
}

/* Less is logged at a lower level, and nothing without on_log. */
static void test_levels(void **state)
{
    extra_bench e;
    (void)state;
    begin(&e, 1, false);
    e.extras.log_level = OSB_LOG_ERROR;
    bench_lifecycle_refuses(&e.b);
    bench_lifecycle_answers(&e.b, BENCH_EMPTY("204 N"));
    bench_answer(&e.b, BENCH_EMPTY("404 N"));
    assert_int_equal(kill_box(&e), OSB_OK);
    assert_int_equal(e.count, 0);
    assert_int_equal(kill_box(&e), OSB_E_NOT_FOUND);
    assert_int_equal(e.count, 1);
    e.extras.on_log = NULL;
    bench_answer(&e.b, BENCH_EMPTY("404 N"));
    assert_int_equal(kill_box(&e), OSB_E_NOT_FOUND);
    assert_int_equal(e.count, 1);
    end(&e);
}

/* The time is the request's own, whether its connection is kept, closed, or was never made. */
static void test_times(void **state)
{
    extra_bench e;
    (void)state;
    begin(&e, 3, false);
    e.b.port.now_ms = 500000;
    bench_lifecycle_refuses(&e.b);
    bench_lifecycle(&e.b);
    script_request(&e.b.port);
    script_pause(&e.b.port, 700);
    script_reply(&e.b.port, "HTTP/1.1 204 N\r\n\r\n");
    script_request(&e.b.port);
    script_pause(&e.b.port, 900);
    script_reply(&e.b.port, "HTTP/1.1 204 N\r\nConnection: close\r\n\r\n");
    assert_int_equal(kill_box(&e), OSB_OK);
    assert_int_equal(kill_box(&e), OSB_OK);
    assert_int_equal(e.count, 3);
    assert_int_equal(e.entries[0].took_ms, 0);
    assert_in_range(e.entries[1].took_ms, 700, 800);
    assert_in_range(e.entries[2].took_ms, 900, 1000);
    assert_int_equal(e.entries[0].sent_bytes, 0);
    assert_int_equal(e.entries[1].sent_bytes, e.entries[2].sent_bytes);
    assert_int_equal(e.entries[1].received_bytes, 18);
    assert_int_equal(e.entries[0].attempt, 0);
    assert_int_equal(e.entries[1].attempt, 1);
    assert_int_equal(e.entries[2].attempt, 0);
    end(&e);
}

/* What was sent by the attempt before is not counted again. */
static void test_refused_after_sent(void **state)
{
    extra_bench e;
    (void)state;
    begin(&e, 1, false);
    bench_lifecycle_answers(&e.b,
                            "HTTP/1.1 503 U\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    bench_lifecycle_refuses(&e.b);
    assert_int_equal(kill_box(&e), OSB_E_CONNECT);
    assert_true(e.entries[0].sent_bytes > 50);
    assert_int_equal(e.entries[1].sent_bytes, 0);
    assert_int_equal(e.entries[1].received_bytes, 0);
    assert_int_equal(e.entries[1].took_ms, 0);
    end(&e);
}

/* Queries, keys and bodies stay out of the log. */
static void test_no_secrets(void **state)
{
    static const osb_pair tag = {"owner", "secret-tag"};
    const char *line;
    osb_sandbox found;
    unsigned i;
    extra_bench e;
    (void)state;
    begin(&e, 3, false);
    bench_lifecycle_answers(&e.b, "HTTP/1.1 503 U\r\nX-Echo: the-key\r\nContent-Length: 0\r\n\r\n");
    bench_answer(&e.b, "{\"items\":[],\"pagination\":{}}");
    assert_int_equal(osb_sandbox_find(&e.b.client, &tag, &found), OSB_E_NOT_FOUND);
    assert_int_equal(e.count, 2);
    line = e.lines.data;
    for (i = 0; i < e.count; i++) {
        line = strstr(line, "GET /sandboxes at api.example:8080: HTTP ");
        assert_non_null(line);
        line = strchr(line, '\n');
    }
    assert_null(strstr(e.lines.data, "the-key"));
    assert_null(strstr(e.lines.data, "secret-tag"));
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

/* What it is called is not lost with the first attempt. */
static void test_raw_request_repeated(void **state)
{
    osb_request request = {0};
    char text[200];
    extra_bench e;
    (void)state;
    begin(&e, 1, false);
    bench_execd_refuses(&e.b);
    bench_execd_refuses(&e.b);
    assert_int_equal(osb_endpoint_request(&e.b.client, &e.b.box.execd, &request, NULL),
                     OSB_E_CONNECT);
    osb_error_text(&e.b.client, text, sizeof text);
    assert_ptr_equal(strstr(text, "request to a sandbox's port at execd.example:44772: "), text);
    end(&e);
}

/* What has been handed out is not handed out again, and a handler's stop is one. */
static int count_data(void *user, const void *data, size_t size)
{
    unsigned *left = (unsigned *)user;
    (void)data;
    (void)size;
    return --*left == 0;
}

static void ask_overloaded(unsigned pieces, osb_status expected)
{
    osb_request request = {0};
    uint16_t http_status;
    extra_bench e;
    begin(&e, 3, false);
    request.on_data = count_data;
    request.user = &pieces;
    bench_execd_answers(&e.b, "HTTP/1.1 503 U\r\nContent-Length: 10\r\n\r\nabc");
    script_close(&e.b.port);
    assert_int_equal(osb_endpoint_request(&e.b.client, &e.b.box.execd, &request, &http_status),
                     expected);
    assert_int_equal(http_status, 503);
    end(&e);
}

static void test_raw_request_handed_out(void **state)
{
    (void)state;
    ask_overloaded(1, OSB_E_CANCELLED);
    ask_overloaded(2, OSB_E_CLOSED);
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

/* A host alone stands for all its ports, which nobody knows beforehand: they stay, unless the other
   address has one. */
static void test_rewritten_hosts(void **state)
{
    static const osb_pair rewrites[] = {{"one.example:81", "first.example"},
                                        {"ONE.example", "two.example"},
                                        {"[fe80::1]", "https://[::1]"},
                                        {"gone.example", "gate.example:99"}};
    static const struct {
        const char *address, *host;
        uint16_t port;
        bool tls;
    } cases[] = {{"one.example:41234/p", "two.example", 41234, false},
                 {"one.example:81", "first.example", 80, false},
                 {"one.example", "two.example", 80, false},
                 {"more.one.example:7", "more.one.example", 7, false},
                 {"[fe80::1]:41234", "::1", 41234, true},
                 {"[fe80::1]", "::1", 443, true},
                 {"gone.example:41234", "gate.example", 99, false}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        extra_bench e;
        begin(&e, 0, false);
        e.extras.rewrites = rewrites;
        e.extras.rewrite_count = 4;
        strcpy(e.b.box.execd.address, cases[i].address);
        script_connect(&e.b.port, cases[i].host, cases[i].port);
        e.b.port.steps[e.b.port.step_count - 1].tls = cases[i].tls;
        bench_answer(&e.b, "");
        assert_int_equal(osb_ping(&e.b.box), OSB_OK);
        end(&e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_not_repeated),
        cmocka_unit_test(test_posts),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_never_sent),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_silence_and_refusal),
        cmocka_unit_test(test_most_repeats),
        cmocka_unit_test(test_pauses),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_retry_after_date),
        cmocka_unit_test(test_cancel_in_pause),
        cmocka_unit_test(test_cancel_in_refusal),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_call_after_source),
        cmocka_unit_test(test_durable),
        cmocka_unit_test(test_waits_and_pages),
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_log),
        cmocka_unit_test(test_no_request),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_refused_after_sent),
        cmocka_unit_test(test_no_secrets),
        cmocka_unit_test(test_raw_request),
        cmocka_unit_test(test_raw_request_repeated),
        cmocka_unit_test(test_raw_request_handed_out),
        cmocka_unit_test(test_two_braces),
        cmocka_unit_test(test_log_text),
        cmocka_unit_test(test_rewrites),
        cmocka_unit_test(test_rewritten_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
