/* Request bodies from a source: their framing, sources that have nothing yet, end too early or fail,
   answers that come in mid-body, repeats on a new connection. */
#include "tests/support/unit.h"

static osb_request request_from(source *s)
{
    osb_request q = {0};
    q.method = "PUT";
    q.path = "/up";
    q.user = s;
    q.read_body = source_read;
    q.body_size = s->size;
    return q;
}

/* Sends it to the sandbox's execd, in either mode. */
static osb_status put(bench *b, const osb_request *q)
{
    uint16_t http_status = 0;
    osb_status status = osb_endpoint_request(&b->client, &b->box.execd, q, &http_status);
    status = bench_finish(b, status);
    if (status == OSB_OK) assert_int_equal(http_status, 200);
    return status;
}

#define HEAD "PUT" REST
#define REST " /up HTTP/1.1\r\nHost: execd.example:44772\r\nUser-Agent: t\r\n"
#define CHUNKED HEAD "Transfer-Encoding: chunked\r\n\r\n"
#define OK BENCH_EMPTY("200 OK")

/* These bytes go out for it. */
static void expect_put(const osb_request *q, const char *bytes)
{
    bench b;
    bench_begin(&b, 1024);
    bench_execd(&b);
    script_expect(&b.port, bytes);
    script_reply(&b.port, OK);
    assert_int_equal(put(&b, q), OSB_OK);
    bench_end(&b);
}

static void test_known_size(void **state)
{
    source s = source_of("0123456789", 25, 10);
    osb_request q = request_from(&s);
    (void)state;
    expect_put(&q, HEAD "Content-Length: 25\r\n\r\n0123456789012345678901234");
    assert_int_equal(s.asked, 3); /* not a fourth time for its end */
}

static void test_chunks(void **state)
{
    source s = source_of("0123456789", 25, 10);
    osb_request q = request_from(&s);
    (void)state;
    q.body_size_unknown = true;
    expect_put(&q, CHUNKED "000A\r\n0123456789\r\n000A\r\n0123456789\r\n0005\r\n01234\r\n"
                           "0000\r\n\r\n");
    assert_int_equal(s.asked, 4);
}

/* Without bytes there is nothing to ask for, and a GET says nothing about its length. */
static void test_no_bytes(void **state)
{
    source s = source_of("x", 0, 10);
    osb_request q = request_from(&s);
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd(&b);
    script_expect(&b.port, HEAD "Content-Length: 0\r\n\r\n");
    script_reply(&b.port, OK);
    script_expect(&b.port, CHUNKED "0000\r\n\r\n");
    script_reply(&b.port, OK);
    assert_int_equal(put(&b, &q), OSB_OK);
    assert_int_equal(s.asked, 0);
    q.body_size_unknown = true;
    assert_int_equal(put(&b, &q), OSB_OK);
    bench_end(&b);
}

/* A source that is asked again and again, through ports that take one byte at a time and say
   "later", in both modes: the same bytes. */
static void test_not_yet(void **state)
{
    unsigned turn;
    (void)state;
    for (turn = 0; turn < 8; turn++) {
        source s = source_of("abcdefg", 10, 3);
        osb_request q = request_from(&s);
        bench b;
        s.later = 1 + turn % 2 * 3;
        bench_begin(&b, 1024);
        b.config.poll_mode = turn / 2 % 2 != 0;
        bench_again(&b);
        b.port.later_always = b.config.poll_mode;
        b.port.send_limit = turn / 4;
        q.body_size_unknown = true;
        bench_execd(&b);
        script_expect(&b.port, CHUNKED "0003\r\nabc\r\n0003\r\ndef\r\n0003\r\ngab\r\n0001\r\nc\r\n"
                                       "0000\r\n\r\n");
        script_reply(&b.port, OK);
        assert_int_equal(put(&b, &q), OSB_OK);
        assert_int_equal(s.asked, 5 * (s.later + 1));
        bench_end(&b);
    }
}

/* What osb_want says of a source that has nothing: come again soon. */
static void test_not_yet_wants_time(void **state)
{
    source s = source_of("abc", 3, 3);
    osb_request q = request_from(&s);
    osb_wait wait;
    bench b;
    (void)state;
    s.later = 2;
    bench_begin_polling(&b, 1024);
    bench_execd_answers(&b, "");
    assert_int_equal(osb_endpoint_request(&b.client, &b.box.execd, &q, NULL), OSB_PENDING);
    assert_int_equal(s.asked, 1);
    osb_want(&b.client, &wait);
    assert_false(wait.now || wait.read || wait.write);
    assert_int_equal(wait.timeout_ms, 100);
    assert_int_equal(bench_finish(&b, OSB_PENDING), OSB_OK);
    bench_end(&b);
}

static void test_never(void **state)
{
    source s = source_of("abc", 3, 3);
    osb_request q = request_from(&s);
    bench b;
    (void)state;
    s.later = 1000000;
    bench_begin(&b, 1024);
    bench_execd(&b);
    script_request(&b.port);
    assert_int_equal(put(&b, &q), OSB_E_TIMEOUT);
    assert_in_range(b.port.now_ms, 31000, 31200);
    assert_true(osb_last_error(&b.client)->maybe_applied);
    b.port.at = b.port.step_count;
    bench_end(&b);
}

/* ---- sources that fail -----------------------------------------------------------------------*/

/* The request breaks off with this status; the next call has a connection of its own. */
static void breaks_off(osb_request *q, osb_status status)
{
    bench b;
    bench_begin(&b, 1024);
    bench_execd(&b);
    script_add(&b.port, SCRIPT_REQUEST, "", 0, 0);
    assert_int_equal(put(&b, q), status);
    assert_int_equal(osb_last_error(&b.client)->status, status);
    assert_non_null(osb_last_error(&b.client)->message.data);
    assert_int_equal(b.port.closes, 1);
    b.port.at = b.port.step_count;
    bench_execd_answers(&b, "");
    assert_int_equal(osb_ping(&b.box), OSB_OK);
    bench_end(&b);
}

static void test_too_short(void **state)
{
    source s = source_of("0123456789", 25, 10);
    osb_request q = request_from(&s);
    (void)state;
    q.body_size = 26;
    breaks_off(&q, OSB_E_INVALID);
}

/* What it has beyond body_size is not asked for. */
static void test_too_long(void **state)
{
    source s = source_of("0123456789", 1000, 10);
    osb_request q = request_from(&s);
    (void)state;
    q.body_size = 12;
    expect_put(&q, HEAD "Content-Length: 12\r\n\r\n012345678901");
    assert_int_equal(s.at, 12);
}

static void test_says_stop(void **state)
{
    static const int answers[] = {OSB_IO_WANT_WRITE, OSB_IO_CLOSED, OSB_IO_FAILED, -77};
    size_t i;
    osb_request q;
    (void)state;
    for (i = 0; i < 4; i++) {
        source s = source_of("0123456789", 25, 10);
        q = request_from(&s);
        s.fails_with = answers[i];
        q.body_size = 26;
        breaks_off(&q, OSB_E_CANCELLED);
        s.at = 0;
        q.body_size_unknown = true;
        breaks_off(&q, OSB_E_CANCELLED);
    }
    q.read_body = source_read_too_much;
    breaks_off(&q, OSB_E_CANCELLED);
}

/* ---- sizes -----------------------------------------------------------------------------------*/

/* Takes the framing off a chunked body; returns what it carries. */
static size_t unchunk(const char *body, char *out)
{
    size_t n, total = 0;
    do {
        n = strtoul(body, NULL, 16);
        assert_memory_equal(body + 4, "\r\n", 2);
        memcpy(out + total, body + 6, n);
        assert_memory_equal(body + 6 + n, "\r\n", 2);
        body += n + 8;
        total += n;
    } while (n > 0);
    return total;
}

/* However large the body and the buffer, what arrives is what the source gave. */
static void test_large(void **state)
{
    static const size_t buffers[] = {1024, 2048, 65536, 200000};
    static char arrived[300000];
    size_t i, n;
    (void)state;
    for (i = 0; i < 8; i++) {
        source s = source_of("The quick brown fox. ", sizeof arrived, sizeof arrived);
        osb_request q = request_from(&s);
        const char *body;
        bench b;
        q.body_size_unknown = i % 2 != 0;
        bench_begin(&b, buffers[i / 2]);
        bench_execd_answers(&b, "");
        assert_int_equal(put(&b, &q), OSB_OK);
        body = strstr(b.port.log.data, "\r\n\r\n") + 4;
        if (q.body_size_unknown) assert_int_equal(unchunk(body, arrived), sizeof arrived);
        else memcpy(arrived, body, sizeof arrived);
        for (n = 0; n < sizeof arrived; n++)
            if (arrived[n] != s.text[n % strlen(s.text)]) break;
        assert_int_equal(n, sizeof arrived);
        bench_end(&b);
    }
}

/* ---- answers in mid-body -----------------------------------------------------------------------*/

/* The server takes `taken` bytes of the request, and answers. */
static void answer_early(bench *b, size_t taken, const char *answer)
{
    static char request[4096];
    size_t n =
        (size_t)snprintf(request, sizeof request, "%s", HEAD "Content-Length: 10000\r\n\r\n");
    assert_true(taken < sizeof request);
    while (n < taken) request[n++] = 'a';
    bench_begin(b, 1024);
    bench_execd(b);
    script_add(&b->port, SCRIPT_EXPECT, request, taken, 1);
    script_reply(&b->port, answer);
}

static void test_early_answer(void **state)
{
    uint16_t http_status = 0;
    size_t taken;
    (void)state;
    for (taken = 1; taken < 3000; taken += 97) {
        source s = source_of("a", 10000, 700);
        osb_request q = request_from(&s);
        bench b;
        answer_early(&b, taken, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
        assert_int_equal(osb_endpoint_request(&b.client, &b.box.execd, &q, &http_status), OSB_OK);
        assert_int_equal(http_status, 413);
        assert_int_equal(b.port.closes, 1); /* the request's rest would be taken for a new one */
        assert_true(s.at < s.size);
        bench_end(&b);
    }
}

/* 100 in mid-body would have to be told apart from an answer, while the source's bytes stand where
   it is read into: it is an error. Before the source's first byte it is passed over. */
static void test_interim_answer(void **state)
{
    source s = source_of("a", 10000, 700);
    osb_request q = request_from(&s);
    bench b;
    (void)state;
    answer_early(&b, 500, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(put(&b, &q), OSB_E_PROTOCOL);
    bench_end(&b);

    s = source_of("a", 10000, 700);
    answer_early(&b, 20, "HTTP/1.1 100 Continue\r\n\r\n");
    script_add(&b.port, SCRIPT_EXPECT, &(HEAD "Content-Length: 10000\r\n\r\n")[20],
               sizeof HEAD "Content-Length: 10000\r\n\r\n" - 21, 1);
    script_reply(&b.port, OK);
    assert_int_equal(put(&b, &q), OSB_OK);
    assert_int_equal(b.port.closes, 1);
    bench_end(&b);
}

/* ---- repeats -----------------------------------------------------------------------------------*/

/* A kept connection that the server closes when the request has come; then perhaps another one. */
static osb_status repeat(bench *b, const osb_request *q, const char *request, bool again)
{
    osb_status status;
    bench_begin(b, 1024);
    bench_execd_answers(b, "");
    script_expect(&b->port, request);
    script_close(&b->port);
    if (again) {
        bench_execd(b);
        script_expect(&b->port, request);
        script_reply(&b->port, OK);
    }
    assert_int_equal(osb_ping(&b->box), OSB_OK);
    status = put(b, q);
    assert_int_equal(b->port.connects, again ? 2 : 1);
    bench_end(b);
    return status;
}

#define WHOLE HEAD "Content-Length: 10\r\n\r\nabcabcabca"
#define IN_CHUNKS CHUNKED "0007\r\nabcabca\r\n0003\r\nbca\r\n0000\r\n\r\n"

static void test_rewound(void **state)
{
    source s = source_of("abc", 10, 7);
    osb_request q = request_from(&s);
    bench b;
    (void)state;
    q.rewind_body = source_rewind;
    assert_int_equal(repeat(&b, &q, WHOLE, true), OSB_OK);
    assert_int_equal(s.rewound, 1);
    q.body_size_unknown = true;
    s.at = 0;
    assert_int_equal(repeat(&b, &q, IN_CHUNKS, true), OSB_OK);
    assert_int_equal(s.rewound, 2);
}

static void test_not_rewound(void **state)
{
    source s = source_of("abc", 10, 7);
    osb_request q = request_from(&s);
    bench b;
    (void)state;
    assert_int_equal(repeat(&b, &q, WHOLE, false), OSB_E_CLOSED); /* it has no rewind_body */
    assert_true(b.client.error.maybe_applied);
    q.rewind_body = source_rewind;
    s.stuck = true;
    s.at = 0;
    assert_int_equal(repeat(&b, &q, WHOLE, false), OSB_E_CLOSED);
    assert_int_equal(s.rewound, 1);
    q.method = "POST"; /* perhaps it has been done: not asked */
    s.at = 0;
    assert_int_equal(repeat(&b, &q, "POST" REST "Content-Length: 10\r\n\r\nabcabcabca", false),
                     OSB_E_CLOSED);
    assert_int_equal(s.rewound, 1);
}

/* The connection was dead before the first byte: nothing was asked of the source yet. */
static void test_unsent(void **state)
{
    source s = source_of("abc", 10, 7);
    osb_request q = request_from(&s);
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, "");
    script_reset(&b.port);
    bench_execd(&b);
    script_expect(&b.port, WHOLE);
    script_reply(&b.port, OK);
    assert_int_equal(osb_ping(&b.box), OSB_OK);
    assert_int_equal(put(&b, &q), OSB_OK);
    assert_int_equal(s.rewound, 0);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_size),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_no_bytes),
        cmocka_unit_test(test_not_yet),
        cmocka_unit_test(test_not_yet_wants_time),
        cmocka_unit_test(test_never),
        cmocka_unit_test(test_too_short),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_says_stop),
        cmocka_unit_test(test_large),
        cmocka_unit_test(test_early_answer),
        cmocka_unit_test(test_interim_answer),
        cmocka_unit_test(test_rewound),
        cmocka_unit_test(test_not_rewound),
        cmocka_unit_test(test_unsent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
