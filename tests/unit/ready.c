/* The caller's own test of readiness, in both modes, with and without a call of its own. */
#include "tests/support/unit.h"

typedef struct check {
    unsigned asked;
    unsigned not_yet;    /* so often it says "ask me again" */
    osb_status then;     /* and then this */
    osb_status last[16]; /* what it was told each time */
    bool calls;          /* it asks the sandbox itself */
    uint16_t http_status;
    osb_request request;
} check;

static osb_status ask(void *user, osb_sandbox *box, osb_status last)
{
    check *c = (check *)user;
    osb_status status = last;
    c->last[c->asked++ % 16] = last;
    assert_string_equal(box->id, "7f");
    if (c->calls && last == OSB_PENDING) {
        c->request.path = "/ready";
        status = osb_endpoint_request(box->client, &box->execd, &c->request, &c->http_status);
        if (status == OSB_PENDING) return OSB_PENDING;
    }
    if (c->calls && status != OSB_OK) return OSB_PENDING; /* whatever it was: again */
    if (c->calls && c->http_status != 200) return OSB_PENDING;
    if (c->not_yet > 0) {
        c->not_yet--;
        return OSB_PENDING;
    }
    return c->then;
}

static void begin(bench *b, check *c, osb_create_options *o, bool poll_mode)
{
    memset(o, 0, sizeof *o);
    o->image = "a";
    o->ready.check = ask;
    o->ready.user = c;
    o->ready.timeout_ms = 2000;
    o->ready.interval_ms = 300;
    bench_begin(b, 1024);
    b->config.poll_mode = poll_mode;
    bench_again(b);
    bench_lifecycle_answers(b, "{\"id\":\"7f\",\"status\":{\"state\":\"Running\"}}");
    bench_answer(b, "{\"endpoint\":\"execd.example:44772\"}");
}

static void expect_kill(bench *b)
{
    script_add(&b->port, SCRIPT_MAY_CONNECT, "api.example", 11, 8080);
    bench_answer(b, "HTTP/1.1 204 No Content\r\n\r\n");
}

static osb_status create(bench *b, const osb_create_options *o)
{
    return bench_finish(b, osb_sandbox_create(&b->client, o, &b->box));
}

static void test_says_yes(void **state)
{
    int poll_mode;
    (void)state;
    for (poll_mode = 0; poll_mode < 2; poll_mode++) {
        osb_create_options o;
        check c = {0};
        bench b;
        begin(&b, &c, &o, poll_mode != 0);
        assert_int_equal(create(&b, &o), OSB_OK);
        assert_int_equal(c.asked, 1);
        assert_int_equal(c.last[0], OSB_PENDING);
        bench_end(&b);
    }
}

static void test_says_not_yet(void **state)
{
    int poll_mode;
    (void)state;
    for (poll_mode = 0; poll_mode < 2; poll_mode++) {
        osb_create_options o;
        check c = {0};
        uint32_t start;
        bench b;
        c.not_yet = 3;
        begin(&b, &c, &o, poll_mode != 0);
        start = b.port.now_ms;
        assert_int_equal(create(&b, &o), OSB_OK);
        assert_int_equal(c.asked, 4);
        assert_in_range(b.port.now_ms - start, 900, 1100);
        bench_end(&b);
    }
}

static void test_never_says_yes(void **state)
{
    int poll_mode;
    (void)state;
    for (poll_mode = 0; poll_mode < 2; poll_mode++) {
        osb_create_options o;
        check c = {0};
        bench b;
        c.not_yet = 1000;
        begin(&b, &c, &o, poll_mode != 0);
        expect_kill(&b);
        assert_int_equal(create(&b, &o), OSB_E_NOT_READY);
        assert_in_range(c.asked, 6, 8);
        assert_int_equal(osb_last_error(&b.client)->status, OSB_E_NOT_READY);
        assert_in_range(b.port.now_ms, 2500, 3300);
        bench_end(&b);
    }
}

static void test_says_no(void **state)
{
    int poll_mode;
    (void)state;
    for (poll_mode = 0; poll_mode < 2; poll_mode++) {
        osb_create_options o;
        check c = {0};
        bench b;
        c.then = OSB_E_API;
        begin(&b, &c, &o, poll_mode != 0);
        expect_kill(&b);
        assert_int_equal(create(&b, &o), OSB_E_API);
        assert_int_equal(c.asked, 1);
        assert_int_equal(osb_last_error(&b.client)->status, OSB_E_API);
        bench_end(&b);
    }
}

/* It asks the sandbox: refused, then 503, then 200. */
static void test_with_a_call(void **state)
{
    int poll_mode;
    (void)state;
    for (poll_mode = 0; poll_mode < 2; poll_mode++) {
        osb_create_options o;
        check c = {0};
        bench b;
        c.calls = true;
        begin(&b, &c, &o, poll_mode != 0);
        b.port.later_always = poll_mode != 0;
        script_add(&b.port, SCRIPT_REFUSE, "execd.example", 13, 44772);
        bench_execd_answers(&b, "HTTP/1.1 503 Not Yet\r\nContent-Length: 0\r\n\r\n");
        bench_answer(&b, "");
        assert_int_equal(create(&b, &o), OSB_OK);
        assert_int_equal(c.http_status, 200);
        assert_true(c.asked >= 3);
        assert_non_null(strstr(b.port.log.data, "GET /ready HTTP/1.1\r\n"));
        assert_int_equal(osb_last_error(&b.client)->status, OSB_OK);
        bench_end(&b);
    }
}

/* Its call's failure is the error if it passes it on. */
static osb_status pass_on(void *user, osb_sandbox *box, osb_status last)
{
    if (last == OSB_PENDING)
        last = osb_endpoint_request(box->client, &box->execd, (osb_request *)user, NULL);
    return last;
}

static void test_passes_its_failure_on(void **state)
{
    int poll_mode;
    (void)state;
    for (poll_mode = 0; poll_mode < 2; poll_mode++) {
        osb_create_options o;
        osb_request request = {0};
        check c = {0};
        bench b;
        begin(&b, &c, &o, poll_mode != 0);
        b.port.later_always = poll_mode != 0;
        o.ready.check = pass_on;
        o.ready.user = &request;
        script_add(&b.port, SCRIPT_REFUSE, "execd.example", 13, 44772);
        bench_lifecycle_answers(&b, "HTTP/1.1 204 No Content\r\n\r\n");
        assert_int_equal(create(&b, &o), OSB_E_CONNECT);
        assert_int_equal(osb_last_error(&b.client)->status, OSB_E_CONNECT);
        bench_end(&b);
    }
}

/* A cancel ends the wait; the sandbox is killed. */
static void test_cancel(void **state)
{
    osb_create_options o;
    osb_status status;
    check c = {0};
    bench b;
    (void)state;
    c.not_yet = 1000;
    begin(&b, &c, &o, true);
    expect_kill(&b);
    status = osb_sandbox_create(&b.client, &o, &b.box);
    while (status == OSB_PENDING && c.asked == 0) status = osb_poll(&b.client);
    assert_int_equal(status, OSB_PENDING);
    osb_cancel(&b.client);
    assert_int_equal(bench_finish(&b, OSB_PENDING), OSB_E_CANCELLED);
    assert_int_equal(osb_last_error(&b.client)->status, OSB_E_CANCELLED);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_yes),       cmocka_unit_test(test_says_not_yet),
        cmocka_unit_test(test_never_says_yes), cmocka_unit_test(test_says_no),
        cmocka_unit_test(test_with_a_call),    cmocka_unit_test(test_passes_its_failure_on),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
