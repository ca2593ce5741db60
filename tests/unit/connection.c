/* Connections: reuse, repetition, deadlines, a clock that wraps, cancelling. */
#include "tests/support/unit.h"

/* ---- reuse -----------------------------------------------------------------------------------*/

static void test_reused(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, "");
    bench_answer(&b, "");
    assert_int_equal(osb_server_health(&b.client), OSB_OK);
    b.port.now_ms += 19000;
    assert_int_equal(osb_server_health(&b.client), OSB_OK);
    assert_int_equal(b.port.connects, 1);
    bench_end(&b);
}

/* Idle for 20 s it is not used again. */
static void test_idle_for_too_long(void **state)
{
    uint32_t idle_ms;
    (void)state;
    for (idle_ms = 19999; idle_ms <= 20001; idle_ms++) {
        bool too_long = idle_ms >= 20000;
        bench b;
        bench_begin(&b, 1024);
        bench_lifecycle_answers(&b, "");
        if (too_long) bench_lifecycle(&b);
        bench_answer(&b, "");
        assert_int_equal(osb_server_health(&b.client), OSB_OK);
        b.port.now_ms += idle_ms;
        assert_int_equal(osb_server_health(&b.client), OSB_OK);
        assert_int_equal(b.port.closes, too_long);
        bench_end(&b);
    }
}

/* The clock's 32 bits run over between two calls. */
static void test_idle_while_the_clock_wraps(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    b.port.now_ms = 0xfffff000u;
    bench_lifecycle_answers(&b, "");
    bench_answer(&b, "");
    bench_lifecycle_answers(&b, "");
    assert_int_equal(osb_server_health(&b.client), OSB_OK);
    b.port.now_ms += 10000;
    assert_true(b.port.now_ms < 10000);
    assert_int_equal(osb_server_health(&b.client), OSB_OK);
    b.port.now_ms += 30000;
    assert_int_equal(osb_server_health(&b.client), OSB_OK);
    bench_end(&b);
}

/* The same host with another port, scheme or name is another origin. */
static void test_other_origins(void **state)
{
    static const char *const addresses[] = {"execd.example:44773", "https://execd.example:44772",
                                            "execd.example.net:44772", "execd.exampl:44772"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        osb__address a;
        char host[64];
        bench b;
        bench_begin(&b, 1024);
        bench_execd_answers(&b, "");
        assert_true(osb__parse_address(addresses[i], false, &a));
        memcpy(host, a.host, a.host_size);
        host[a.host_size] = '\0';
        script_connect(&b.port, host, a.port);
        b.port.steps[b.port.step_count - 1].tls = a.https;
        bench_answer(&b, "");
        assert_int_equal(osb_ping(&b.box), OSB_OK);
        strcpy(b.box.execd.address, addresses[i]);
        assert_int_equal(osb_ping(&b.box), OSB_OK);
        assert_int_equal(b.port.connects, 2);
        bench_end(&b);
    }
}

static void test_same_origin_in_other_letters(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, "");
    bench_answer(&b, "");
    assert_int_equal(osb_ping(&b.box), OSB_OK);
    strcpy(b.box.execd.address, "http://Execd.EXAMPLE:44772/x");
    assert_int_equal(osb_ping(&b.box), OSB_OK);
    bench_end(&b);
}

/* ---- repetition ------------------------------------------------------------------------------*/

/* A first call, then a second one on the same connection, which the server ends as `how` says
   after the request; `again`: the script has it once more. */
static osb_status repeat(script_kind how, bool again, osb_status (*call)(bench *b), bench *b)
{
    osb_status status;
    bench_begin(b, 1024);
    bench_lifecycle_answers(b, "");
    script_request(&b->port);
    script_add(&b->port, how, "", 0, 0);
    if (again) {
        bench_lifecycle_answers(b, "{\"id\":\"7f\"}");
    }
    assert_int_equal(osb_server_health(&b->client), OSB_OK);
    status = call(b);
    assert_int_equal(b->port.connects, again ? 2 : 1);
    return status;
}

static osb_status call_get(bench *b)
{
    static osb_sandbox_info info;
    return osb_lifecycle_get(&b->client, "7f", NULL, &info);
}

static osb_status call_kill(bench *b)
{
    return osb_lifecycle_kill(&b->client, "7f");
}

static osb_status call_pause(bench *b)
{
    return osb_lifecycle_pause(&b->client, "7f");
}

static osb_status call_patch(bench *b)
{
    static const osb_pair pair = {"a", "b"};
    return osb_lifecycle_patch_metadata(&b->client, "7f", &pair, 1, NULL, NULL);
}

static osb_status call_create(bench *b)
{
    static osb_create_options o;
    static osb_sandbox_info info;
    o.image = "a";
    return osb_lifecycle_create(&b->client, &o, NULL, &info);
}

static void test_repeated(void **state)
{
    bench b;
    (void)state;
    assert_int_equal(repeat(SCRIPT_CLOSE, true, call_get, &b), OSB_OK);
    bench_end(&b);
    assert_int_equal(repeat(SCRIPT_RESET, true, call_get, &b), OSB_OK);
    bench_end(&b);
    assert_int_equal(repeat(SCRIPT_CLOSE, true, call_kill, &b), OSB_OK);
    bench_end(&b);
}

static void test_never_repeated(void **state)
{
    static osb_status (*const calls[])(bench * b) = {call_pause, call_create};
    size_t i;
    bench b;
    (void)state;
    for (i = 0; i < 2; i++) {
        assert_int_equal(repeat(SCRIPT_CLOSE, false, calls[i], &b), OSB_E_CLOSED);
        assert_true(osb_last_error(&b.client)->maybe_applied);
        bench_end(&b);
        assert_int_equal(repeat(SCRIPT_RESET, false, calls[i], &b), OSB_E_CLOSED);
        assert_true(osb_last_error(&b.client)->maybe_applied);
        bench_end(&b);
    }
}

/* A patch may be repeated or not, but nobody may be told that it had no effect. */
static void test_patch_is_not_lost(void **state)
{
    bench b;
    osb_status status = repeat(SCRIPT_CLOSE, false, call_patch, &b);
    (void)state;
    assert_int_equal(status, OSB_E_CLOSED);
    assert_true(osb_last_error(&b.client)->maybe_applied);
    bench_end(&b);
}

/* What broke the first connection is no part of what the second one's answer says. */
static void test_refused_after_repetition(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, "");
    script_request(&b.port);
    script_reset(&b.port);
    bench_lifecycle_answers(&b, BENCH_EMPTY("404 E"));
    assert_int_equal(osb_server_health(&b.client), OSB_OK);
    assert_int_equal(call_kill(&b), OSB_E_NOT_FOUND);
    assert_null(osb_last_error(&b.client)->port_text);
    assert_int_equal(osb_last_error(&b.client)->port_code, 0);
    bench_end(&b);
}

/* A handler ends the second one as it would have ended the first one. */
static int stop_at_entry(void *user, const osb_entry *entry)
{
    (void)user;
    (void)entry;
    return 1;
}

static void test_stopped_after_repetition(void **state)
{
    osb_info_handlers handlers = {0};
    osb_sandbox_info info;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    handlers.on_entry = stop_at_entry;
    bench_lifecycle_answers(&b, "");
    script_request(&b.port);
    script_close(&b.port);
    bench_lifecycle_answers(&b, "{\"id\":\"7f\",\"metadata\":{\"k\":\"v\"}}");
    assert_int_equal(osb_server_health(&b.client), OSB_OK);
    assert_int_equal(osb_lifecycle_get(&b.client, "7f", &handlers, &info), OSB_E_CANCELLED);
    assert_int_equal(osb_last_error(&b.client)->status, OSB_E_CANCELLED);
    bench_end(&b);
}

/* That the first one may have done its work is still to be said if the second one does not get there. */
static void test_repetition_fails(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, "");
    script_request(&b.port);
    script_close(&b.port);
    bench_lifecycle(&b);
    script_reset(&b.port);
    bench_lifecycle_refuses(&b);
    assert_int_equal(osb_server_health(&b.client), OSB_OK);
    assert_int_equal(call_kill(&b), OSB_E_CLOSED);
    assert_true(osb_last_error(&b.client)->maybe_applied);
    assert_int_equal(call_kill(&b), OSB_E_CONNECT);
    assert_false(osb_last_error(&b.client)->maybe_applied);
    bench_end(&b);
}

/* An answer that began well and broke off does not say that nothing was done; one that refuses does. */
static void test_broken_answers(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle(&b);
    bench_last_answer(&b, "HTTP/1.1 202 A\r\nContent-Length: 9\r\n\r\n{");
    bench_lifecycle(&b);
    bench_last_answer(&b, "HTTP/1.1 409 E\r\nContent-Length: 9\r\n\r\n{");
    assert_int_equal(call_pause(&b), OSB_E_CLOSED);
    assert_true(osb_last_error(&b.client)->maybe_applied);
    assert_int_equal(call_pause(&b), OSB_E_CLOSED);
    assert_false(osb_last_error(&b.client)->maybe_applied);
    bench_end(&b);
}

/* On a new connection nothing is repeated. */
static void test_new_connection(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle(&b);
    script_request(&b.port);
    script_close(&b.port);
    assert_int_equal(call_get(&b), OSB_E_CLOSED);
    assert_false(osb_last_error(&b.client)->maybe_applied);
    bench_end(&b);
}

/* PUT may be done twice, POST not; of a dead connection's own answers the reason is told. */
static osb_status call_put(bench *b)
{
    static osb_request request;
    request.method = "PUT";
    return osb_endpoint_request(&b->client, &b->box.execd, &request, NULL);
}

static void test_put_is_repeated(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, "");
    script_request(&b.port);
    script_close(&b.port);
    bench_execd_answers(&b, "");
    assert_int_equal(osb_ping(&b.box), OSB_OK);
    assert_int_equal(call_put(&b), OSB_OK);
    bench_end(&b);
}

/* A method of one letter is one too. */
static void test_short_method(void **state)
{
    osb_request request = {0};
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, "");
    request.method = "M";
    request.path = "/a";
    assert_int_equal(osb_endpoint_request(&b.client, &b.box.execd, &request, NULL), OSB_OK);
    assert_int_equal(memcmp(b.port.log.data, "M /a HTTP/1.1\r\n", 15), 0);
    bench_end(&b);
}

/* ---- a port and a caller that break the rules ---------------------------------------------------*/

static int send_nothing(void *ctx, const void *data, size_t size)
{
    (void)ctx;
    (void)data;
    (void)size;
    return 0;
}

/* A send of 0 bytes is none that could be told from "later": the connection is given up. */
static void test_port_that_sends_nothing(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    b.ops.send = send_nothing;
    bench_lifecycle(&b);
    assert_int_equal(osb_server_health(&b.client), OSB_E_CLOSED);
    assert_int_equal(b.port.closes, 1);
    bench_end(&b);
}

/* A port without `error` has nothing to tell. */
static void test_port_without_error(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    b.ops.error = NULL;
    bench_lifecycle_refuses(&b);
    assert_int_equal(osb_server_health(&b.client), OSB_E_CONNECT);
    assert_null(osb_last_error(&b.client)->port_text);
    bench_end(&b);
}

/* An address that is changed under a call's feet, at whichever I/O call: an error, nothing worse. */
typedef struct spoiler {
    char *text;
    size_t at;
} spoiler;

static void spoil(script_port *port)
{
    spoiler *s = (spoiler *)port->watch_user;
    if (port->calls == s->at) strcpy(s->text, "no address");
}

static osb_status spoil_at(size_t at, bool domain, const osb_command *command)
{
    char name[] = "api.example:8080";
    osb_execution run;
    osb_status status;
    spoiler s;
    bench b;
    bench_begin(&b, 1024);
    b.config.domain = name;
    bench_again(&b);
    s.text = domain ? name : b.box.execd.address;
    s.at = at;
    b.port.watch = spoil;
    b.port.watch_user = &s;
    bench_execd_answers(&b, "");
    script_request(&b.port);
    script_close(&b.port);
    bench_execd_answers(&b, "");
    bench_answer(&b, BENCH_STREAM BENCH_INIT BENCH_DONE);
    script_close(&b.port);
    status = osb_ping(&b.box);
    if (status == OSB_OK) status = osb_ping(&b.box);
    if (status == OSB_OK) status = osb_command_run(&b.box, command, NULL, &run);
    if (status == OSB_E_INVALID) b.port.at = b.port.step_count;
    bench_end(&b);
    return status;
}

static void test_address_spoiled(void **state)
{
    static char text[3000];
    osb_command large = bench_command;
    unsigned failed = 0;
    size_t at;
    (void)state;
    memset(text, 'x', sizeof text - 1);
    large.command = text;
    for (at = 0; at < 40; at++) {
        osb_status status = spoil_at(at / 2, at % 2 != 0, &large);
        assert_true(status == OSB_OK || status == OSB_E_INVALID || status == OSB_E_CLOSED);
        if (status == OSB_E_INVALID) failed++;
    }
    assert_true(failed > 10);
}

/* ---- deadlines -------------------------------------------------------------------------------*/

static void check_deadline(bench *b, osb_status status, uint32_t begin, uint32_t least,
                           uint32_t most)
{
    assert_int_equal(status, OSB_E_TIMEOUT);
    assert_in_range(b->port.now_ms - begin, least, most);
    bench_end(b);
}

static void test_connect_deadline(void **state)
{
    static const uint32_t begins[] = {0, 1000, 0xffffff00u, 0x7ffffff0u, 0xffffe000u};
    size_t i;
    (void)state;
    for (i = 0; i < 5; i++) {
        bench b;
        bench_begin(&b, 1024);
        b.config.connect_timeout_ms = 3000;
        b.config.poll_mode = i % 2 != 0;
        bench_again(&b);
        b.port.now_ms = begins[i];
        script_add(&b.port, SCRIPT_STALL, "api.example", 11, 8080);
        check_deadline(&b, bench_finish(&b, osb_server_health(&b.client)), begins[i], 3000, 3200);
    }
}

static void test_request_deadline(void **state)
{
    static const uint32_t begins[] = {0, 0xffffff00u, 0x7ffffff0u, 0xffffe000u};
    size_t i;
    (void)state;
    for (i = 0; i < 4; i++) {
        bench b;
        bench_begin(&b, 1024);
        b.config.request_timeout_ms = 5000;
        b.config.poll_mode = i % 2 != 0;
        bench_again(&b);
        b.port.now_ms = begins[i];
        bench_lifecycle(&b);
        script_request(&b.port);
        check_deadline(&b, bench_finish(&b, osb_server_health(&b.client)), begins[i], 5000, 5200);
    }
}

/* A request that cannot be sent. */
static void test_send_deadline(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    b.config.request_timeout_ms = 5000;
    bench_again(&b);
    bench_lifecycle(&b);
    script_pause(&b.port, 100000);
    check_deadline(&b, osb_server_health(&b.client), 1000, 5000, 5200);
}

/* Each I/O call takes its time. */
static void slow_port(script_port *port)
{
    port->now_ms += 100;
}

/* A call has its time for all of it; a stream is given it again with each byte that moves. */
static void test_slow_sending(void **state)
{
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    b.config.request_timeout_ms = 450;
    bench_again(&b);
    b.port.watch = slow_port;
    b.port.send_limit = 10;
    bench_lifecycle_answers(&b, "");
    assert_int_equal(osb_server_health(&b.client), OSB_E_TIMEOUT);
    bench_end(&b);

    bench_begin(&b, 1024);
    b.config.request_timeout_ms = 450;
    bench_again(&b);
    b.port.watch = slow_port;
    b.port.send_limit = 10;
    bench_stream(&b, BENCH_INIT BENCH_DONE);
    assert_int_equal(bench_run(&b, NULL, &run), OSB_OK);
    bench_end(&b);
}

/* A byte each second does not keep a request alive, but it does keep a stream alive. */
static void dribble(bench *b, const char *answer)
{
    static char bytes[512][2];
    size_t i;
    script_request(&b->port);
    for (i = 0; answer[i] != '\0'; i++) {
        bytes[i][0] = answer[i];
        script_pause(&b->port, 1000);
        script_reply(&b->port, bytes[i]);
    }
}

static void test_dribbling_request(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle(&b);
    dribble(&b, BENCH_EMPTY("200 OK"));
    assert_int_equal(osb_server_health(&b.client), OSB_E_TIMEOUT);
    assert_in_range(b.port.now_ms, 31000, 31200);
    bench_end(&b);
}

static void test_dribbling_stream(void **state)
{
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd(&b);
    dribble(&b, BENCH_STREAM BENCH_INIT BENCH_DONE);
    script_close(&b.port);
    assert_int_equal(bench_run(&b, NULL, &run), OSB_OK);
    assert_true(b.port.now_ms > 100000);
    bench_end(&b);
}

static void test_idle_deadline(void **state)
{
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    b.config.idle_timeout_ms = 7000;
    bench_again(&b);
    b.port.now_ms = 0xfffff000u;
    bench_execd_answers(&b, BENCH_STREAM BENCH_INIT);
    check_deadline(&b, bench_run(&b, NULL, &run), 0xfffff000u, 7000, 7200);
}

/* What the handlers take is no silence of the server: neither behind a receive nor behind a piece of a
   text that fills the buffer. */
static int slow_output(void *user, osb_stream stream, const char *data, size_t size)
{
    (void)stream;
    (void)data;
    (void)size;
    ((script_port *)user)->now_ms += 31000;
    return 0;
}

static void test_slow_handler(void **state)
{
    static char text[3000];
    osb_handlers handlers = {0};
    osb_execution run;
    bench b;
    (void)state;
    memset(text, 'x', sizeof text - 1);
    bench_begin(&b, 1024);
    handlers.on_output = slow_output;
    handlers.user = &b.port;
    bench_execd_answers(&b, BENCH_STREAM BENCH_INIT "{\"type\":\"stdout\",\"text\":\"a\"}\n\n");
    script_pause(&b.port, 29000);
    script_reply(&b.port, "{\"type\":\"stdout\",\"text\":\"");
    script_reply(&b.port, text);
    script_pause(&b.port, 29000);
    script_reply(&b.port, "\"}\n\n" BENCH_DONE);
    assert_int_equal(bench_run(&b, &handlers, &run), OSB_OK);
    bench_end(&b);
}

/* The answer of an earlier request is none to one that did not go out. */
static void test_no_answer_yet(void **state)
{
    osb_pair header = {"X", "a\nb"};
    osb_request request = {0};
    uint16_t http_status;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, "hello");
    assert_int_equal(osb_endpoint_request(&b.client, &b.box.execd, &request, &http_status), OSB_OK);
    assert_int_equal(http_status, 200);
    request.headers = &header;
    request.header_count = 1;
    assert_int_equal(osb_endpoint_request(&b.client, &b.box.execd, &request, &http_status),
                     OSB_E_INVALID);
    assert_int_equal(http_status, 0);
    bench_end(&b);
}

/* Whoever polls comes back hours later, or the machine slept: the deadline has passed all the same. */
static void test_deadline_long_ago(void **state)
{
    static const uint32_t pauses[] = {30001, 100000, 10000000u, 2000000000u};
    size_t i;
    (void)state;
    for (i = 0; i < 4; i++) {
        bench b;
        bench_begin_polling(&b, 1024);
        bench_lifecycle(&b);
        script_request(&b.port);
        assert_int_equal(osb_server_health(&b.client), OSB_PENDING);
        b.port.now_ms += pauses[i];
        assert_int_equal(osb_poll(&b.client), OSB_E_TIMEOUT);
        bench_end(&b);
    }
}

/* Deadlines are cut at 2^31 - 1 ms, not wrapped. */
static void test_huge_timeouts(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    b.config.request_timeout_ms = b.config.connect_timeout_ms = 0xffffffffu;
    b.config.poll_mode = true;
    bench_again(&b);
    bench_lifecycle(&b);
    script_request(&b.port);
    script_pause(&b.port, 1000000000u);
    script_reply(&b.port, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_int_equal(bench_finish(&b, osb_server_health(&b.client)), OSB_OK);
    bench_end(&b);
}

static void test_create_has_its_own(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle(&b);
    script_request(&b.port);
    script_pause(&b.port, 250000);
    script_reply(&b.port, "HTTP/1.1 202 Accepted\r\nContent-Length: 11\r\n\r\n{\"id\":\"7f\"}");
    assert_int_equal(call_create(&b), OSB_OK);
    bench_end(&b);
}

/* ---- cancelling ------------------------------------------------------------------------------*/

static void cancel_now(script_port *port)
{
    bench *b = (bench *)port->watch_user;
    if (port->calls == 4) osb_cancel(&b->client);
}

static void test_cancel_while_blocking(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    b.port.watch = cancel_now;
    b.port.watch_user = &b;
    b.port.cut = CUT_BYTES;
    bench_lifecycle_answers(&b, "");
    assert_int_equal(osb_server_health(&b.client), OSB_E_CANCELLED);
    b.port.watch = NULL;
    bench_lifecycle_answers(&b, "");
    assert_int_equal(osb_server_health(&b.client), OSB_OK);
    bench_end(&b);
}

/* A cancel that comes while nothing is pending is about nothing. */
static void test_cancel_too_early(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    osb_cancel(&b.client);
    bench_lifecycle_answers(&b, "");
    assert_int_equal(osb_server_health(&b.client), OSB_OK);
    bench_end(&b);
}

/* A cancelled run interrupts the command, on a deadline of 5 s of its own. */
static void test_cancelled_run(void **state)
{
    osb_execution run;
    osb_wait wait;
    bench b;
    (void)state;
    bench_begin_polling(&b, 1024);
    bench_execd_answers(&b, BENCH_STREAM BENCH_INIT);
    bench_execd(&b);
    script_expect(&b.port, "DELETE /command?id=0a1b HTTP/1.1\r\nHost: execd.example:44772\r\n"
                           "User-Agent: t\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(bench_run(&b, NULL, &run), OSB_PENDING);
    while (osb_poll(&b.client) == OSB_PENDING) {
        osb_want(&b.client, &wait);
        if (!wait.now && wait.read) break;
    }
    osb_cancel(&b.client);
    osb_want(&b.client, &wait);
    assert_true(wait.now);
    assert_int_equal(bench_finish(&b, OSB_PENDING), OSB_E_CANCELLED);
    assert_in_range(b.port.now_ms, 6000, 6200);
    assert_int_equal(osb_last_error(&b.client)->status, OSB_E_CANCELLED);
    assert_string_equal(osb_last_error(&b.client)->operation, "POST /command");
    bench_end(&b);
}

/* Nor does the interrupt take longer than that to connect. */
static void test_cancelled_run_stalls(void **state)
{
    osb_execution run;
    bench b;
    (void)state;
    bench_begin_polling(&b, 1024);
    bench_execd_answers(&b, BENCH_STREAM BENCH_INIT);
    script_add(&b.port, SCRIPT_STALL, "execd.example", 13, 44772);
    assert_int_equal(bench_run(&b, NULL, &run), OSB_PENDING);
    while (run.id[0] == '\0') assert_int_equal(osb_poll(&b.client), OSB_PENDING);
    osb_cancel(&b.client);
    assert_int_equal(bench_finish(&b, OSB_PENDING), OSB_E_CANCELLED);
    assert_in_range(b.port.now_ms, 6000, 6200);
    bench_end(&b);
}

static void test_close_while_pending(void **state)
{
    osb_execution run;
    bench b;
    (void)state;
    bench_begin_polling(&b, 1024);
    b.port.later_always = true;
    bench_execd_answers(&b, BENCH_STREAM BENCH_INIT BENCH_DONE);
    assert_int_equal(bench_run(&b, NULL, &run), OSB_PENDING);
    assert_int_equal(osb_poll(&b.client), OSB_PENDING);
    osb_client_close(&b.client);
    assert_false(b.port.open);
    b.port.at = b.port.step_count;
    bench_end(&b);
}

/* Of a client that waits for nothing, or has never been set up. */
static void test_idle_client(void **state)
{
    osb_client none;
    osb_config nothing = {0};
    osb_wait wait;
    bench b;
    (void)state;
    assert_int_equal(osb_client_init(&none, &nothing), OSB_E_INVALID);
    osb_client_close(&none);
    bench_begin_polling(&b, 1024);
    memset(&wait, 0x5a, sizeof wait);
    osb_want(&b.client, &wait);
    assert_false(wait.now || wait.read || wait.write);
    assert_int_equal(wait.timeout_ms, 0);
    bench_end(&b);
}

/* Nor of one whose call has ended, though its stream's end has not come, or somebody cancels it too
   late: a loop that went by that would never rest. */
static void test_want_after_the_end(void **state)
{
    osb_execution run;
    osb_wait wait;
    bench b;
    (void)state;
    bench_begin_polling(&b, 1024);
    bench_execd_answers(&b, BENCH_STREAM BENCH_INIT BENCH_DONE);
    assert_int_equal(bench_finish(&b, bench_run(&b, NULL, &run)), OSB_OK);
    osb_want(&b.client, &wait);
    assert_false(wait.now || wait.read || wait.write);
    osb_cancel(&b.client);
    osb_want(&b.client, &wait);
    assert_false(wait.now || wait.read || wait.write);
    assert_int_equal(wait.timeout_ms, 0);
    bench_end(&b);
}

/* A port without `wait` is for poll mode only. */
static void test_port_without_wait(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    b.ops.wait = NULL;
    b.ops.error = NULL;
    b.ops.unix_time = NULL;
    bench_again(&b);
    b.port.later_always = true;
    bench_lifecycle_answers(&b, "");
    assert_int_equal(osb_server_health(&b.client), OSB_PENDING);
    assert_int_equal(bench_finish(&b, OSB_PENDING), OSB_OK);
    bench_end(&b);
}

/* However much there is to read, one poll does a bounded amount of work. */
static void test_bounded_polls(void **state)
{
    osb_execution run;
    size_t polls = 0, most = 0;
    bench b;
    (void)state;
    bench_begin_polling(&b, 1024);
    bench_execd(&b);
    script_request(&b.port);
    script_reply(&b.port, BENCH_STREAM BENCH_INIT);
    script_reply_times(&b.port, "{\"type\":\"stdout\",\"text\":\"0123456789\"}\n\n", 10000);
    script_reply(&b.port, BENCH_DONE);
    script_close(&b.port);
    if (bench_run(&b, NULL, &run) == OSB_PENDING) {
        osb_status status;
        do {
            size_t before = b.port.calls;
            status = osb_poll(&b.client);
            if (b.port.calls - before > most) most = b.port.calls - before;
            polls++;
        } while (status == OSB_PENDING);
        assert_int_equal(status, OSB_OK);
    }
    assert_true(most <= 32);
    assert_true(polls > 10);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reused),
        cmocka_unit_test(test_idle_for_too_long),
        cmocka_unit_test(test_idle_while_the_clock_wraps),
        cmocka_unit_test(test_other_origins),
        cmocka_unit_test(test_same_origin_in_other_letters),
        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_never_repeated),
        cmocka_unit_test(test_patch_is_not_lost),
        cmocka_unit_test(test_refused_after_repetition),
        cmocka_unit_test(test_stopped_after_repetition),
        cmocka_unit_test(test_repetition_fails),
        cmocka_unit_test(test_broken_answers),
        cmocka_unit_test(test_new_connection),
        cmocka_unit_test(test_put_is_repeated),
        cmocka_unit_test(test_short_method),
        cmocka_unit_test(test_port_that_sends_nothing),
        cmocka_unit_test(test_port_without_error),
        cmocka_unit_test(test_address_spoiled),
        cmocka_unit_test(test_connect_deadline),
        cmocka_unit_test(test_request_deadline),
        cmocka_unit_test(test_send_deadline),
        cmocka_unit_test(test_slow_sending),
        cmocka_unit_test(test_dribbling_request),
        cmocka_unit_test(test_dribbling_stream),
        cmocka_unit_test(test_idle_deadline),
        cmocka_unit_test(test_slow_handler),
        cmocka_unit_test(test_no_answer_yet),
        cmocka_unit_test(test_deadline_long_ago),
        cmocka_unit_test(test_huge_timeouts),
        cmocka_unit_test(test_create_has_its_own),
        cmocka_unit_test(test_cancel_while_blocking),
        cmocka_unit_test(test_cancel_too_early),
        cmocka_unit_test(test_cancelled_run),
        cmocka_unit_test(test_cancelled_run_stalls),
        cmocka_unit_test(test_close_while_pending),
        cmocka_unit_test(test_idle_client),
        cmocka_unit_test(test_want_after_the_end),
        cmocka_unit_test(test_port_without_wait),
        cmocka_unit_test(test_bounded_polls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
