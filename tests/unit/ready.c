/* The way to a sandbox that is ready: the caller's own test of it, in both modes, with and without a
   call of its own; states, time that runs out, ids. */
#include <stdint.h>

/* Whatever the library does after it has looked for a cancel, one may come just then. */
static uint8_t load_cancel(volatile uint8_t *byte);
#define OSB_ATOMIC_LOAD(byte) load_cancel((volatile uint8_t *)(uintptr_t)(byte))
#define OSB_ATOMIC_STORE(byte, value) (*(byte) = (uint8_t)(value))
#include "tests/support/unit.h"

static unsigned looks, cancel_behind;

static uint8_t load_cancel(volatile uint8_t *byte)
{
    uint8_t value = *byte;
    if (++looks == cancel_behind) *byte = OSB__CANCEL;
    return value;
}

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

/* Plays the test in blocking and in poll mode; there each I/O call says "later" once. */
static void in_both_modes(void (*test)(bench *b, check *c, osb_create_options *o))
{
    int poll_mode;
    for (poll_mode = 0; poll_mode < 2; poll_mode++) {
        osb_create_options o;
        check c = {0};
        bench b;
        begin(&b, &c, &o, poll_mode != 0);
        b.port.later_always = poll_mode != 0;
        test(&b, &c, &o);
        bench_end(&b);
    }
}

static void says_yes(bench *b, check *c, osb_create_options *o)
{
    assert_int_equal(create(b, o), OSB_OK);
    assert_int_equal(c->asked, 1);
    assert_int_equal(c->last[0], OSB_PENDING);
}

static void test_says_yes(void **state)
{
    (void)state;
    in_both_modes(says_yes);
}

static void says_not_yet(bench *b, check *c, osb_create_options *o)
{
    uint32_t start = b->port.now_ms;
    c->not_yet = 3;
    assert_int_equal(create(b, o), OSB_OK);
    assert_int_equal(c->asked, 4);
    assert_in_range(b->port.now_ms - start, 900, 1100);
}

static void test_says_not_yet(void **state)
{
    (void)state;
    in_both_modes(says_not_yet);
}

static void never_says_yes(bench *b, check *c, osb_create_options *o)
{
    c->not_yet = 1000;
    expect_kill(b);
    assert_int_equal(create(b, o), OSB_E_NOT_READY);
    assert_in_range(c->asked, 6, 8);
    assert_int_equal(osb_last_error(&b->client)->status, OSB_E_NOT_READY);
    assert_in_range(b->port.now_ms, 2500, 3300);
}

static void test_never_says_yes(void **state)
{
    (void)state;
    in_both_modes(never_says_yes);
}

/* The check is asked no more when no more than an interval is left, just as a ping. */
static void has_little_time(bench *b, check *c, osb_create_options *o)
{
    uint32_t start = b->port.now_ms;
    c->not_yet = 1000;
    o->ready.interval_ms = 1000;
    expect_kill(b);
    assert_int_equal(create(b, o), OSB_E_NOT_READY);
    assert_int_equal(c->asked, 2);
    assert_in_range(b->port.now_ms - start, 1000, 1900);
}

static void test_has_little_time(void **state)
{
    (void)state;
    in_both_modes(has_little_time);
}

/* Whatever status it ends with is the call's, even one that no version knows. */
static void says_no(bench *b, check *c, osb_create_options *o)
{
    char text[256];
    c->then = b->config.poll_mode ? OSB_E_API : (osb_status)-77;
    expect_kill(b);
    assert_int_equal(create(b, o), c->then);
    assert_int_equal(c->asked, 1);
    assert_int_equal(osb_last_error(&b->client)->status, c->then);
    assert_true(osb_error_text(&b->client, text, sizeof text) < sizeof text);
    assert_non_null(strstr(text, b->config.poll_mode ? "refused by the server" : "unknown status"));
}

static void test_says_no(void **state)
{
    (void)state;
    in_both_modes(says_no);
}

/* It asks the sandbox: refused, then 503, then 200. */
static void with_a_call(bench *b, check *c, osb_create_options *o)
{
    c->calls = true;
    bench_execd_refuses(b);
    bench_execd_answers(b, "HTTP/1.1 503 Not Yet\r\nContent-Length: 0\r\n\r\n");
    bench_answer(b, "");
    assert_int_equal(create(b, o), OSB_OK);
    assert_int_equal(c->http_status, 200);
    assert_true(c->asked >= 3);
    assert_non_null(strstr(b->port.log.data, "GET /ready HTTP/1.1\r\n"));
    assert_int_equal(osb_last_error(&b->client)->status, OSB_OK);
}

static void test_with_a_call(void **state)
{
    (void)state;
    in_both_modes(with_a_call);
}

/* Its call's failure is the error if it passes it on. */
static osb_status pass_on(void *user, osb_sandbox *box, osb_status last)
{
    if (last == OSB_PENDING)
        last = osb_endpoint_request(box->client, &box->execd, (osb_request *)user, NULL);
    return last;
}

static void passes_its_failure_on(bench *b, check *c, osb_create_options *o)
{
    osb_request request = {0};
    (void)c;
    o->ready.check = pass_on;
    o->ready.user = &request;
    bench_execd_refuses(b);
    bench_lifecycle_answers(b, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_int_equal(create(b, o), OSB_E_CONNECT);
    assert_int_equal(osb_last_error(&b->client)->status, OSB_E_CONNECT);
}

static void test_passes_its_failure_on(void **state)
{
    (void)state;
    in_both_modes(passes_its_failure_on);
}

/* It runs a command and stops it: the interrupt is sent, then the sandbox is killed, and the error is
   still the command's. */
typedef struct runner {
    osb_handlers handlers;
    osb_execution run;
    osb_status then;
} runner;

static int stop_at_once(void *user, const osb_event *event)
{
    (void)user;
    (void)event;
    return 1;
}

static osb_status run_and_stop(void *user, osb_sandbox *box, osb_status last)
{
    runner *r = (runner *)user;
    if (last != OSB_PENDING) return last;
    return osb_command_run(box, &bench_command, &r->handlers, &r->run);
}

static void stops_a_command(bench *b, check *c, osb_create_options *o)
{
    runner r = {0};
    (void)c;
    r.handlers.on_init = stop_at_once;
    o->ready.check = run_and_stop;
    o->ready.user = &r;
    bench_stream(b, BENCH_INIT);
    bench_execd_answers(b, "");
    bench_lifecycle_answers(b, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_int_equal(create(b, o), OSB_E_CANCELLED);
    assert_int_equal(osb_last_error(&b->client)->status, OSB_E_CANCELLED);
    assert_string_equal(osb_last_error(&b->client)->operation, "POST /command");
    assert_string_equal(r.run.id, "0a1b");
}

static void test_stops_a_command(void **state)
{
    (void)state;
    in_both_modes(stops_a_command);
}

/* A command that it stops has an error of its own, which outlives the interrupt. What the check
   makes of it counts: here that the sandbox is not ready, or something else. */
static osb_status stop_and_go_on(void *user, osb_sandbox *box, osb_status last)
{
    runner *r = (runner *)user;
    if (last == OSB_PENDING) last = osb_command_run(box, &bench_command, &r->handlers, &r->run);
    return last == OSB_E_CANCELLED ? r->then : last;
}

static void makes_its_own_of_a_stop(bench *b, osb_create_options *o, osb_status then,
                                    osb_status expected)
{
    runner r = {0};
    int i;
    r.handlers.on_init = stop_at_once;
    r.then = then;
    o->ready.check = stop_and_go_on;
    o->ready.user = &r;
    o->ready.timeout_ms = 400; /* one more time is tried */
    for (i = then == OSB_PENDING ? 0 : 1; i < 2; i++) {
        bench_stream(b, BENCH_INIT);
        bench_execd(b);
        bench_last_answer(b, "");
    }
    bench_lifecycle_answers(b, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_int_equal(create(b, o), expected);
    assert_int_equal(osb_last_error(&b->client)->status, expected);
}

static void stops_and_is_not_ready(bench *b, check *c, osb_create_options *o)
{
    (void)c;
    makes_its_own_of_a_stop(b, o, OSB_PENDING, OSB_E_NOT_READY);
}

static void stops_and_gives_up(bench *b, check *c, osb_create_options *o)
{
    (void)c;
    makes_its_own_of_a_stop(b, o, OSB_E_STATE, OSB_E_STATE);
}

static void test_makes_its_own_of_a_stop(void **state)
{
    (void)state;
    in_both_modes(stops_and_is_not_ready);
    in_both_modes(stops_and_gives_up);
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

/* A cancel is heard whenever it comes, behind whichever look for one. */
static osb_status never(void *user, osb_sandbox *box, osb_status last)
{
    unsigned *look = (unsigned *)user;
    (void)box;
    (void)last;
    if (cancel_behind != *look) looks = 0; /* asked for the first time */
    cancel_behind = *look;
    return OSB_PENDING;
}

static void test_cancel_at_any_time(void **state)
{
    unsigned look, poll_mode;
    (void)state;
    for (poll_mode = 0; poll_mode < 2; poll_mode++)
        for (look = 1; look < 20; look++) {
            osb_create_options o;
            check c = {0};
            bench b;
            begin(&b, &c, &o, poll_mode != 0);
            o.ready.check = never;
            o.ready.user = &look;
            expect_kill(&b);
            assert_int_equal(create(&b, &o), OSB_E_CANCELLED);
            assert_true(looks >= look);
            cancel_behind = 0;
            bench_end(&b);
        }
}

/* A check that gives up when its call has ended: the kill is begun at once, not when the time of that
   call would have been over. */
static osb_status ask_and_give_up(void *user, osb_sandbox *box, osb_status last)
{
    check *c = (check *)user;
    if (last != OSB_PENDING) return OSB_E_STATE;
    return osb_endpoint_request(box->client, &box->execd, &c->request, NULL);
}

static void test_kill_at_once(void **state)
{
    osb_create_options o;
    check c = {0};
    bench b;
    (void)state;
    begin(&b, &c, &o, true);
    o.ready.check = ask_and_give_up;
    bench_execd(&b);
    script_request(&b.port);
    script_pause(&b.port, 300);
    script_reply(&b.port, BENCH_EMPTY("200 OK"));
    bench_lifecycle_answers(&b, BENCH_EMPTY("204 N"));
    assert_int_equal(create(&b, &o), OSB_E_STATE);
    assert_in_range(b.port.now_ms, 1300, 1500);
    bench_end(&b);
}

/* A check that begins its call anew whenever that failed is not asked again after a cancel. */
static osb_status ask_until_ok(void *user, osb_sandbox *box, osb_status last)
{
    check *c = (check *)user;
    c->asked++;
    if (last == OSB_OK) return OSB_OK;
    return osb_endpoint_request(box->client, &box->execd, &c->request, NULL);
}

static void test_cancel_in_a_call(void **state)
{
    osb_create_options o;
    osb_status status;
    check c = {0};
    osb_wait wait;
    bench b;
    (void)state;
    begin(&b, &c, &o, true);
    o.ready.check = ask_until_ok;
    bench_execd(&b);
    script_request(&b.port);
    bench_lifecycle_answers(&b, "HTTP/1.1 204 No Content\r\n\r\n");
    status = osb_sandbox_create(&b.client, &o, &b.box);
    while (status == OSB_PENDING && b.port.at < 7) status = osb_poll(&b.client);
    assert_int_equal(c.asked, 1);
    osb_cancel(&b.client);
    assert_int_equal(osb_poll(&b.client), OSB_PENDING);
    osb_want(&b.client, &wait);
    assert_true(wait.now); /* the kill need not wait for anything */
    assert_int_equal(bench_finish(&b, OSB_PENDING), OSB_E_CANCELLED);
    assert_int_equal(osb_last_error(&b.client)->status, OSB_E_CANCELLED);
    assert_int_equal(c.asked, 1);
    bench_end(&b);
}

/* ---- a check whose call waits for a check of its own -------------------------------------------*/

/* The sandbox is ready when another one is, whose own check asks it. */
typedef struct pair_of_checks {
    osb_sandbox other;
    osb_ready_options ready; /* of the other */
    check inner;
    osb_status then; /* of the inner check */
    osb_status last; /* what the outer one was told */
    unsigned asked;
} pair_of_checks;

static osb_status ask_other(void *user, osb_sandbox *box, osb_status last)
{
    pair_of_checks *p = (pair_of_checks *)user;
    assert_string_equal(box->id, "6e");
    p->inner.asked++;
    if (last == OSB_PENDING) {
        last = osb_endpoint_request(box->client, &box->execd, &p->inner.request, NULL);
        if (last == OSB_PENDING) return OSB_PENDING;
    }
    return last == OSB_OK ? p->then : last;
}

static osb_status connect_other(void *user, osb_sandbox *box, osb_status last)
{
    pair_of_checks *p = (pair_of_checks *)user;
    assert_string_equal(box->id, "7f");
    p->asked++;
    if (last == OSB_PENDING) last = osb_sandbox_connect(box->client, "6e", &p->ready, &p->other);
    p->last = last;
    return last;
}

static void within(pair_of_checks *p, bench *b, osb_create_options *o)
{
    memset(p, 0, sizeof *p);
    p->ready.check = ask_other;
    p->ready.user = p;
    p->ready.timeout_ms = 1000;
    o->ready.check = connect_other;
    o->ready.user = p;
    bench_answer(b, "{\"id\":\"6e\",\"status\":{\"state\":\"Running\"}}");
    bench_answer(b, "{\"endpoint\":\"other.example:44772\"}");
    script_connect(&b->port, "other.example", 44772);
}

static void within_a_check(bench *b, check *c, osb_create_options *o)
{
    pair_of_checks p;
    (void)c;
    within(&p, b, o);
    bench_answer(b, "");
    assert_int_equal(create(b, o), OSB_OK);
    assert_int_equal(p.last, OSB_OK);
    assert_true(p.inner.asked > 0);
    assert_string_equal(b->box.execd.address, "execd.example:44772");
    assert_string_equal(p.other.execd.address, "other.example:44772");
}

static void fails_within_a_check(bench *b, check *c, osb_create_options *o)
{
    pair_of_checks p;
    (void)c;
    within(&p, b, o);
    p.then = OSB_E_STATE;
    bench_answer(b, "");
    expect_kill(b);
    assert_int_equal(create(b, o), OSB_E_STATE);
    assert_int_equal(p.last, OSB_E_STATE);
    assert_int_equal(osb_last_error(&b->client)->status, OSB_E_STATE);
}

static void test_within_a_check(void **state)
{
    size_t later_at;
    (void)state;
    in_both_modes(within_a_check);
    in_both_modes(fails_within_a_check);
    for (later_at = 0; later_at < 40; later_at++) { /* once, somewhere, it has to wait */
        osb_create_options o;
        check c = {0};
        bench b;
        begin(&b, &c, &o, true);
        b.port.later_at = later_at;
        fails_within_a_check(&b, &c, &o);
        bench_end(&b);
    }
}

/* A cancel ends them all: the request, both waits; neither check is asked again. */
static osb_client *cancelled_client;

static void cancel_at_request(script_port *port)
{
    if (port->at < port->step_count && port->steps[port->at].kind == SCRIPT_STALL)
        osb_cancel(cancelled_client);
}

static void cancelled_within_a_check(bench *b, check *c, osb_create_options *o)
{
    pair_of_checks p;
    (void)c;
    within(&p, b, o);
    b->port.steps[b->port.step_count - 1].kind = SCRIPT_STALL;
    expect_kill(b);
    cancelled_client = &b->client;
    b->port.watch = cancel_at_request;
    assert_int_equal(create(b, o), OSB_E_CANCELLED);
    assert_int_equal(osb_last_error(&b->client)->status, OSB_E_CANCELLED);
    assert_int_equal(p.inner.asked, 1);
    assert_int_equal(p.asked, 1);
}

static void test_cancelled_within_a_check(void **state)
{
    (void)state;
    in_both_modes(cancelled_within_a_check);
}

/* A port on which nobody reaches the sandbox. */
static int refuse_execd(void *ctx, const char *host, uint16_t port, bool tls)
{
    return port == 44772 ? OSB_IO_FAILED : script_connect_call(ctx, host, port, tls);
}

/* A check's own call is not sent again when the time to get ready would be over. */
static void retries_no_longer(bench *b, check *c, osb_create_options *o)
{
    osb_request request = {0};
    osb_extras extras = {0};
    uint32_t start = b->port.now_ms;
    (void)c;
    extras.retries = 20;
    extras.backoff_ms = extras.backoff_most_ms = 500;
    b->client.config.extras = &extras;
    o->ready.check = pass_on;
    o->ready.user = &request;
    o->ready.timeout_ms = 2000;
    b->ops.connect = refuse_execd;
    expect_kill(b);
    assert_int_equal(create(b, o), OSB_E_CONNECT);
    assert_in_range(b->port.now_ms - start, 1000, 2010);
}

static void test_retries_no_longer(void **state)
{
    (void)state;
    in_both_modes(retries_no_longer);
}

/* ---- states and time -------------------------------------------------------------------------*/

/* Each state that does not change by itself ends the wait at once; connect never kills. */
static void test_final_states(void **state)
{
    static const char *const states[] = {"Failed", "Terminated", "Stopping", "Paused"};
    char answer[100];
    size_t i;
    (void)state;
    for (i = 0; i < 4; i++) {
        bench b;
        bench_begin(&b, 1024);
        snprintf(answer, sizeof answer, "{\"id\":\"7f\",\"status\":{\"state\":\"%s\"}}", states[i]);
        bench_lifecycle_answers(&b, answer);
        assert_int_equal(osb_sandbox_connect(&b.client, "7f", NULL, &b.box), OSB_E_STATE);
        assert_true(osb_str_equal(osb_last_error(&b.client)->code, states[i]));
        assert_null(osb_last_error(&b.client)->message.data);
        assert_int_equal(osb_last_error(&b.client)->message.size, 0);
        assert_int_equal(b.port.now_ms, 1000);
        bench_end(&b);
    }
}

#define RUNNING "{\"id\":\"7f\",\"status\":{\"state\":\"Running\"}}"

/* An answer with no good id does not make the sandbox's own unknown: it is killed. */
static void test_lost_id(void **state)
{
    static const char *const answers[] = {"{\"id\":\"\",\"status\":{\"state\":\"Running\"}}", "[]",
                                          "{\"id\":\"a b\"}"};
    osb_create_options o = {0};
    size_t i;
    (void)state;
    o.image = "a";
    for (i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        bench b;
        bench_begin(&b, 1024);
        bench_lifecycle_answers(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Pending\"}}");
        bench_last_answer(&b, answers[i]);
        bench_lifecycle_answers(&b, "HTTP/1.1 204 No Content\r\n\r\n");
        assert_int_equal(osb_sandbox_create(&b.client, &o, &b.box), OSB_E_JSON);
        assert_string_equal(b.box.id, "7f");
        assert_non_null(strstr(b.port.log.data, "DELETE /v1/sandboxes/7f HTTP/1.1\r\n"));
        bench_end(&b);
    }
}

/* Whoever polls comes back when the time is long over: what is tried still gets no time to hang. */
static void test_polled_too_late(void **state)
{
    osb_ready_options ready = {0};
    bench b;
    (void)state;
    bench_begin_polling(&b, 1024);
    ready.timeout_ms = 5000;
    bench_lifecycle_answers(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Pending\"}}");
    bench_lifecycle(&b);
    script_request(&b.port);
    assert_int_equal(osb_sandbox_connect(&b.client, "7f", &ready, &b.box), OSB_PENDING);
    while (b.port.at < 3) assert_int_equal(osb_poll(&b.client), OSB_PENDING);
    assert_int_equal(osb_poll(&b.client), OSB_PENDING); /* asleep until the next try */
    b.port.now_ms += 100000;
    assert_int_equal(bench_finish(&b, OSB_PENDING), OSB_E_NOT_READY);
    assert_in_range(b.port.now_ms, 101000, 101010);
    bench_end(&b);
}

/* Another port than execd's own; no waiting at all. */
static void test_options(void **state)
{
    osb_ready_options ready = {0};
    bench b;
    (void)state;
    ready.execd_port = 8080;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, RUNNING);
    bench_answer(&b, "{\"endpoint\":\"execd.example:44772\"}");
    bench_execd_answers(&b, "");
    assert_int_equal(osb_sandbox_connect(&b.client, "7f", &ready, &b.box), OSB_OK);
    assert_non_null(strstr(b.port.log.data, "GET /v1/sandboxes/7f/endpoints/8080 HTTP/1.1\r\n"));
    bench_end(&b);

    ready.execd_port = 0;
    ready.skip_health_check = true;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, "{\"endpoint\":\"execd.example:44772\"}");
    assert_int_equal(osb_sandbox_connect(&b.client, "7f", &ready, &b.box), OSB_OK);
    assert_string_equal(b.box.execd.address, "execd.example:44772");
    bench_answer(&b, BENCH_EMPTY("404 None")); /* nobody waits for it to come into being */
    assert_int_equal(osb_sandbox_connect(&b.client, "7f", &ready, &b.box), OSB_E_NOT_FOUND);
    bench_end(&b);
}

/* Nothing behind the struct is written: it ends at its allocation's end. */
static void test_struct_alone(void **state)
{
    osb_sandbox *box = (osb_sandbox *)malloc(sizeof *box);
    bench b;
    (void)state;
    assert_non_null(box);
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, RUNNING);
    bench_answer(&b, "{\"endpoint\":\"execd.example:44772\"}");
    bench_execd_answers(&b, "");
    assert_int_equal(osb_sandbox_connect(&b.client, "7f", NULL, box), OSB_OK);
    assert_string_equal(box->id, "7f");
    assert_int_equal(box->execd.headers[0], '\0');
    bench_end(&b);
    free(box);
}

/* Without a time of the caller's it is 30 s: enough for a try after 29,999 ms, not after 30,000. */
static void test_default_time(void **state)
{
    uint32_t interval_ms;
    (void)state;
    for (interval_ms = 29999; interval_ms <= 30000; interval_ms++) {
        osb_create_options o = {0};
        bench b;
        o.image = "a";
        o.ready.interval_ms = interval_ms;
        bench_begin(&b, 1024);
        bench_lifecycle_answers(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Pending\"}}");
        if (interval_ms < 30000) {
            script_add(&b.port, SCRIPT_MAY_CONNECT, "api.example", 11, 8080);
            bench_answer(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Pending\"}}");
        }
        expect_kill(&b);
        assert_int_equal(create(&b, &o), OSB_E_NOT_READY);
        assert_in_range(b.port.now_ms, interval_ms < 30000 ? 30999 : 1000,
                        interval_ms < 30000 ? 31010 : 1010);
        bench_end(&b);
    }
}

/* An address that leads nowhere does not take longer to connect to than there is time. */
static void test_time_to_connect(void **state)
{
    osb_ready_options ready = {0};
    bench b;
    (void)state;
    ready.timeout_ms = 700;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, RUNNING);
    bench_answer(&b, "{\"endpoint\":\"execd.example:44772\"}");
    script_add(&b.port, SCRIPT_STALL, "execd.example", 13, 44772);
    assert_int_equal(osb_sandbox_connect(&b.client, "7f", &ready, &b.box), OSB_E_NOT_READY);
    assert_int_equal(osb_last_error(&b.client)->cause, OSB_E_TIMEOUT);
    assert_in_range(b.port.now_ms, 1700, 1710);
    bench_end(&b);
}

/* However long the server takes to resume it: the time begins with the answer. */
static void test_time_after_resume(void **state)
{
    osb_ready_options ready = {0};
    bench b;
    (void)state;
    ready.timeout_ms = 5000;
    bench_begin(&b, 1024);
    bench_lifecycle(&b);
    script_request(&b.port);
    script_add(&b.port, SCRIPT_PAUSE, NULL, 0, 6000);
    script_reply(&b.port, BENCH_EMPTY("202 Accepted"));
    bench_answer(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Resuming\"}}");
    bench_answer(&b, RUNNING);
    bench_answer(&b, "{\"endpoint\":\"execd.example:44772\"}");
    bench_execd_answers(&b, "");
    assert_int_equal(osb_sandbox_resume(&b.client, "7f", &ready, &b.box), OSB_OK);
    bench_end(&b);
}

/* Who does not want to wait gets the address of a sandbox that is not Running yet. */
static void test_create_without_waiting(void **state)
{
    osb_create_options o = {0};
    bench b;
    (void)state;
    o.image = "a";
    o.ready.skip_health_check = true;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Pending\"}}");
    bench_answer(&b, "{\"endpoint\":\"execd.example:44772\"}");
    assert_int_equal(osb_sandbox_create(&b.client, &o, &b.box), OSB_OK);
    assert_string_equal(b.box.execd.address, "execd.example:44772");
    bench_end(&b);
}

/* Who does not want to wait is not made to by resume either. */
static void test_resume_without_waiting(void **state)
{
    osb_ready_options ready = {0};
    bench b;
    (void)state;
    ready.skip_health_check = true;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, BENCH_EMPTY("202 Accepted"));
    bench_answer(&b, "{\"endpoint\":\"execd.example:44772\"}");
    assert_int_equal(osb_sandbox_resume(&b.client, "7f", &ready, &b.box), OSB_OK);
    assert_string_equal(b.box.execd.address, "execd.example:44772");
    bench_end(&b);
}

/* ---- ids ---------------------------------------------------------------------------------------*/

/* An id that does not fit is not cut; the sandbox stays as it was, and the client is usable. */
static void test_long_ids(void **state)
{
    char id[OSB_ID_SIZE + 1];
    osb_sandbox before;
    bench b;
    (void)state;
    memset(id, 'a', sizeof id);
    id[OSB_ID_SIZE] = '\0';
    bench_begin(&b, 1024);
    before = b.box;
    assert_int_equal(osb_sandbox_connect(&b.client, id, NULL, &b.box), OSB_E_BUFFER);
    assert_string_equal(osb_last_error(&b.client)->buffer, "OSB_ID_SIZE");
    assert_int_equal(osb_last_error(&b.client)->needed, OSB_ID_SIZE + 1);
    assert_int_equal(osb_sandbox_resume(&b.client, id, NULL, &b.box), OSB_E_BUFFER);
    assert_memory_equal(&before, &b.box, sizeof before);
    id[OSB_ID_SIZE - 1] = '\0';
    bench_lifecycle_answers(&b, BENCH_EMPTY("404 None"));
    assert_int_equal(osb_sandbox_connect(&b.client, id, NULL, &b.box), OSB_E_NOT_FOUND);
    assert_string_equal(b.box.id, id);
    bench_end(&b);
}

/* A sandbox may be connected to by its own id. */
static void test_own_id(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, RUNNING);
    bench_answer(&b, "{\"endpoint\":\"execd.example:44772\"}");
    bench_execd_answers(&b, "");
    assert_int_equal(osb_sandbox_connect(&b.client, b.box.id, NULL, &b.box), OSB_OK);
    assert_non_null(strstr(b.port.log.data, "GET /v1/sandboxes/7f30 HTTP/1.1\r\n"));
    bench_end(&b);
}

/* A sandbox that was not paused, say, works on after a resume that is refused. */
static void test_own_id_refused(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    b.box.isolated = "of-a-session";
    bench_lifecycle_answers(&b, BENCH_EMPTY("409 Not Paused"));
    bench_execd_answers(&b, "");
    bench_lifecycle_answers(&b, BENCH_EMPTY("404 Gone"));
    assert_int_equal(osb_sandbox_resume(&b.client, b.box.id, NULL, &b.box), OSB_E_API);
    assert_string_equal(b.box.id, "7f30");
    assert_null(b.box.isolated);
    assert_int_equal(osb_ping(&b.box), OSB_OK);
    assert_int_equal(osb_sandbox_connect(&b.client, "7f30", NULL, &b.box), OSB_E_NOT_FOUND);
    assert_string_equal(b.box.execd.address, ""); /* of whatever sandbox it was */
    bench_end(&b);
}

/* What find finds is one sandbox or none, or it failed. */
static void test_find(void **state)
{
    static const osb_pair tag = {"a", "b"};
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, BENCH_EMPTY("401 No"));
    bench_answer(&b, "{\"items\":[]}");
    bench_answer(&b, "{\"items\":[{\"id\":\"7f\",\"metadata\":{\"a\":\"b\"}}]}");
    assert_int_equal(osb_sandbox_find(&b.client, &tag, &b.box), OSB_E_AUTH);
    assert_int_equal(osb_sandbox_find(&b.client, &tag, &b.box), OSB_E_NOT_FOUND);
    assert_string_equal(b.box.id, "");
    assert_int_equal(osb_sandbox_find(&b.client, &tag, &b.box), OSB_OK);
    assert_string_equal(b.box.id, "7f");
    bench_end(&b);
}

/* A server that ignores what it was asked for does not make find find another sandbox than the
   newest with the pair: whoever looks for it may kill it. */
static void test_find_strangers(void **state)
{
    static const struct {
        const char *items;
        osb_status status;
        const char *id;
    } cases[] = {
        /* more than one of them: the first is the newest */
        {"{\"id\":\"7f\",\"metadata\":{\"a\":\"b\"}},{\"metadata\":{\"c\":\"d\",\"a\":\"b\"},"
         "\"id\":\"6e\"}",
         OSB_OK, "7f"},
        /* among others */
        {"{\"id\":\"1\"},{\"id\":\"2\",\"metadata\":{\"a\":\"c\"}},"
         "{\"metadata\":{\"c\":\"d\",\"a\":\"b\"},\"id\":\"3\"},{\"id\":\"4\",\"metadata\":{\"x\":"
         "\"b\"}}",
         OSB_OK, "3"},
        /* only others */
        {"{\"id\":\"1\"}", OSB_E_JSON, ""},
        {"{\"id\":\"1\",\"metadata\":{\"a\":\"bb\",\"aa\":\"b\",\"b\":\"a\"}}", OSB_E_JSON, ""},
        /* nobody */
        {"{\"metadata\":{\"a\":\"b\"}}", OSB_E_JSON, ""},
    };
    static const osb_pair tag = {"a", "b"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char answer[400];
        bench b;
        bench_begin(&b, 1024);
        snprintf(answer, sizeof answer, "{\"items\":[%s],\"pagination\":{}}", cases[i].items);
        bench_lifecycle_answers(&b, answer);
        assert_int_equal(osb_sandbox_find(&b.client, &tag, &b.box), cases[i].status);
        assert_string_equal(b.box.id, cases[i].id);
        bench_end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_says_yes),
        cmocka_unit_test(test_says_not_yet),
        cmocka_unit_test(test_never_says_yes),
        cmocka_unit_test(test_has_little_time),
        cmocka_unit_test(test_says_no),
        cmocka_unit_test(test_with_a_call),
        cmocka_unit_test(test_passes_its_failure_on),
        cmocka_unit_test(test_stops_a_command),
        cmocka_unit_test(test_makes_its_own_of_a_stop),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancel_at_any_time),
        cmocka_unit_test(test_kill_at_once),
        cmocka_unit_test(test_cancel_in_a_call),
        cmocka_unit_test(test_within_a_check),
        cmocka_unit_test(test_cancelled_within_a_check),
        cmocka_unit_test(test_retries_no_longer),
        cmocka_unit_test(test_final_states),
        cmocka_unit_test(test_lost_id),
        cmocka_unit_test(test_polled_too_late),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_default_time),
        cmocka_unit_test(test_time_to_connect),
        cmocka_unit_test(test_time_after_resume),
        cmocka_unit_test(test_create_without_waiting),
        cmocka_unit_test(test_resume_without_waiting),
        cmocka_unit_test(test_struct_alone),
        cmocka_unit_test(test_long_ids),
        cmocka_unit_test(test_own_id),
        cmocka_unit_test(test_own_id_refused),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_find_strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
