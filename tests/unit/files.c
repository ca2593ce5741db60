/* Files: what an upload puts on the wire, its sources, its check afterwards; reads that go on after a
   break. */
#include "tests/support/unit.h"

/* ---- uploads -----------------------------------------------------------------------------------*/

/* A source that gives `size` letters, `most` at once; before each of them it says "not now". */
typedef struct source {
    size_t size, at, most;
    bool later, told, stuck;
    int fails_with; /* at its end */
    unsigned rewound;
} source;

static int read_source(void *user, void *data, size_t size)
{
    source *s = (source *)user;
    size_t n = s->size - s->at, i;
    s->told = s->later && !s->told;
    if (s->told) return OSB_IO_WANT_READ;
    if (n == 0) return s->fails_with;
    if (n > s->most) n = s->most;
    if (n > size) n = size;
    for (i = 0; i < n; i++) ((char *)data)[i] = (char)('a' + (s->at + i) % 26);
    s->at += n;
    return (int)n;
}

static int rewind_source(void *user)
{
    source *s = (source *)user;
    s->rewound++;
    s->at = 0;
    return s->stuck;
}

static osb_upload upload_from(source *s, const char *path)
{
    osb_upload u = {0};
    u.path = path;
    u.read_body = read_source;
    u.rewind_body = rewind_source;
    u.user = s;
    u.body_size = s->size;
    return u;
}

/* The body of the last request in the log, without its chunks' framing. */
static void body_of(const bench *b, struct text *out)
{
    const char *at = b->port.log.data, *next, *head;
    size_t n;
    while ((next = strstr(at, "POST /files/upload HTTP/1.1\r\n")) != NULL) at = next + 1;
    head = at;
    at = strstr(at, "\r\n\r\n") + 4;
    text_clear(out);
    if (strstr(head, "Transfer-Encoding: chunked\r\n") == NULL) {
        text_print(out, "%s", at);
        return;
    }
    while ((n = strtoul(at, NULL, 16)) > 0) {
        text_add(out, at + 6, n);
        at += n + 8;
    }
}

#define PART "\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\nContent-Type: "

/* Adds the two parts of a file, as they must be. */
static void add_file(struct text *out, const char *boundary, const char *json, const char *data)
{
    text_print(out, "--%s" PART "application/json\r\n\r\n%s\r\n", boundary, "metadata", "metadata",
               json);
    text_print(out, "--%s" PART "application/octet-stream\r\n\r\n%s\r\n", boundary, "file", "file",
               data);
}

/* Whether what went out is these files, around the boundary that the head names. */
static void check_body(const bench *b, const char *const json[], const char *const data[],
                       size_t count)
{
    struct text got = {0}, expected = {0};
    const char *mark = strstr(b->port.log.data, "boundary=") + 9;
    char boundary[64] = "";
    size_t i;
    memcpy(boundary, mark, strcspn(mark, "\r"));
    assert_int_equal(strlen(boundary), 24);
    for (i = 0; i < count; i++) add_file(&expected, boundary, json[i], data[i]);
    text_print(&expected, "--%s--\r\n", boundary);
    body_of(b, &got);
    assert_string_equal(got.data, expected.data);
    text_free(&got);
    text_free(&expected);
}

static const char *const json_a[] = {"{\"path\":\"/a\",\"mode\":755}",
                                     "{\"path\":\"/b\",\"mode\":755}"};

static void test_write(void **state)
{
    static const char *const data[] = {"hello"}, *const nothing[] = {""};
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    bench_execd_answers(&b, "");
    assert_int_equal(osb_file_write(&b.box, "/a", "hello", 5), OSB_OK);
    check_body(&b, json_a, data, 1);
    bench_end(&b);
    bench_begin(&b, 2048);
    bench_execd_answers(&b, "");
    assert_int_equal(osb_file_write(&b.box, "/a", NULL, 0), OSB_OK);
    check_body(&b, json_a, nothing, 1);
    bench_end(&b);
}

static int give_random(void *ctx, void *data, size_t size)
{
    (void)ctx;
    memset(data, 0xab, size);
    return 0;
}

/* The boundary is the port's, if it can make one. */
static void test_boundary(void **state)
{
    static const char *const data[] = {"hello"};
    osb_port_ops ops;
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    ops = *b.config.port.ops;
    ops.random = give_random;
    b.config.port.ops = &ops;
    bench_again(&b);
    bench_execd_answers(&b, "");
    assert_int_equal(osb_file_write(&b.box, "/a", "hello", 5), OSB_OK);
    assert_non_null(strstr(b.port.log.data, "boundary=osb-----ABABABABABABABAB\r\n"));
    check_body(&b, json_a, data, 1);
    bench_end(&b);
}

/* Files from memory and from sources, of known and unknown size, in both modes, with sends of one
   byte and with sources that have nothing yet. */
static void test_sources(void **state)
{
    static const char *const data[] = {"abcdefghij", "hello"};
    unsigned turn;
    (void)state;
    for (turn = 0; turn < 16; turn++) {
        source s = {10, 0, 1 + turn % 4, false, false, false, 0, 0};
        osb_upload files[2];
        bench b;
        s.later = turn % 2 != 0;
        files[0] = upload_from(&s, "/a");
        files[0].body_size_unknown = turn / 2 % 2 != 0;
        memset(&files[1], 0, sizeof files[1]);
        files[1].path = "/b";
        files[1].body = "hello";
        files[1].body_size = 5;
        if (turn / 4 % 2 != 0) bench_begin_polling(&b, 2048);
        else bench_begin(&b, 2048);
        b.port.send_limit = turn / 8;
        bench_execd_answers(&b, "");
        assert_int_equal(bench_finish(&b, osb_file_upload(&b.box, files, 2, false)), OSB_OK);
        check_body(&b, json_a, data, 2);
        bench_end(&b);
    }
}

/* A source that has less than it says, fails, or claims to have given more than was asked for. */
static int read_too_much(void *user, void *data, size_t size)
{
    (void)user;
    (void)data;
    return (int)size + 1;
}

static void expect_broken(osb_upload *files, size_t count, osb_status status)
{
    bench b;
    bench_begin(&b, 2048);
    bench_execd(&b);
    script_request(&b.port);
    assert_int_equal(osb_file_upload(&b.box, files, count, false), status);
    assert_int_equal(b.port.closes, 1);
    assert_true(osb_last_error(&b.client)->maybe_applied);
    b.port.at = b.port.step_count;
    bench_end(&b);
}

static void test_bad_sources(void **state)
{
    source s = {10, 0, 100, false, false, false, 0, 0},
           endless = {10, 0, 3, false, false, false, 0, 0};
    osb_upload files[2];
    (void)state;
    files[0] = upload_from(&s, "/a");
    files[0].body_size = 11;
    expect_broken(files, 1, OSB_E_INVALID);
    s.at = 0;
    s.fails_with = OSB_IO_FAILED;
    expect_broken(files, 1, OSB_E_CANCELLED);
    files[0].read_body = read_too_much;
    expect_broken(files, 1, OSB_E_CANCELLED);

    s.at = 0; /* the same where the body goes in chunks, since another file's size is unknown */
    s.fails_with = 0;
    files[0] = upload_from(&s, "/a");
    files[0].body_size = 11;
    files[1] = upload_from(&endless, "/b");
    files[1].body_size_unknown = true;
    expect_broken(files, 2, OSB_E_INVALID);
}

static void test_refused_uploads(void **state)
{
    source s = {10, 0, 100, false, false, false, 0, 0};
    osb_upload files[2];
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    assert_int_equal(osb_file_write(&b.box, NULL, "a", 1), OSB_E_INVALID);
    files[0] = files[1] = upload_from(&s, "/a");
    assert_int_equal(osb_file_upload(&b.box, files, 0, false), OSB_E_INVALID);
    files[0].body_size_unknown = files[1].body_size_unknown = true;
    assert_int_equal(osb_file_upload(&b.box, files, 2, true), OSB_E_INVALID);
    files[1].read_body = NULL;
    assert_int_equal(osb_file_upload(&b.box, files, 2, false), OSB_E_INVALID);
    assert_non_null(osb_last_error(&b.client)->message.data);
    assert_int_equal(b.port.calls, 0);
    bench_end(&b);
}

/* A kept connection that dies is replaced only if all sources can begin again, and an upload is no
   request that may be done twice: only if nothing of it went out. */
static void test_repeated(void **state)
{
    static const char *const data[] = {"abcdefghij", "abcdefghij"};
    source s = {10, 0, 3, false, false, false, 0, 0};
    osb_upload files[2];
    bench b;
    (void)state;
    files[0] = upload_from(&s, "/a");
    bench_begin(&b, 2048);
    bench_execd_answers(&b, "");
    script_close(&b.port);
    bench_execd_answers(&b, "");
    assert_int_equal(osb_ping(&b.box), OSB_OK);
    assert_int_equal(osb_file_upload(&b.box, files, 1, false), OSB_OK);
    check_body(&b, json_a, data, 1);
    bench_end(&b);
}

/* ---- verify ------------------------------------------------------------------------------------*/

static void expect_verified(const char *first, const char *second, osb_status status)
{
    source s = {10, 0, 3, false, false, false, 0, 0};
    osb_upload files[2];
    bench b;
    files[0] = upload_from(&s, "/a");
    files[0].body_size_unknown = true;
    memset(&files[1], 0, sizeof files[1]);
    files[1].path = "/b";
    files[1].body = "hello";
    files[1].body_size = 5;
    bench_begin(&b, 2048);
    bench_execd_answers(&b, "");
    bench_answer(&b, first);
    if (second != NULL) bench_answer(&b, second);
    assert_int_equal(osb_file_upload(&b.box, files, 2, true), status);
    assert_non_null(strstr(b.port.log.data, "GET /files/info?path=%2Fa HTTP/1.1\r\n"));
    if (status != OSB_OK) assert_int_equal(osb_last_error(&b.client)->status, status);
    bench_end(&b);
}

static void test_verify(void **state)
{
    (void)state;
    expect_verified("{\"/a\":{\"path\":\"/a\",\"size\":10}}",
                    "{\"/b\":{\"path\":\"/b\",\"size\":5}}", OSB_OK);
    expect_verified("{\"/a\":{\"path\":\"/a\",\"size\":10}}",
                    "{\"/b\":{\"path\":\"/b\",\"size\":6}}", OSB_E_VERIFY);
    expect_verified("{\"/a\":{\"path\":\"/a\",\"size\":9}}", NULL, OSB_E_VERIFY);
    expect_verified("{}", NULL, OSB_E_VERIFY);
    expect_verified("HTTP/1.1 404 None\r\nContent-Length: 0\r\n\r\n", NULL, OSB_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),           cmocka_unit_test(test_boundary),
        cmocka_unit_test(test_sources),         cmocka_unit_test(test_bad_sources),
        cmocka_unit_test(test_refused_uploads), cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
