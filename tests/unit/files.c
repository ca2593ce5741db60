/* Files: what an upload puts on the wire, its sources, its check afterwards; reads that go on after a
   break. */
#include "tests/support/unit.h"

/* ---- uploads -----------------------------------------------------------------------------------*/

#define LETTERS "abcdefghijklmnopqrstuvwxyz"

static osb_upload upload_from(source *s, const char *path)
{
    osb_upload u = {0};
    u.path = path;
    u.read_body = source_read;
    u.rewind_body = source_rewind;
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
        text_add(out, at, strlen(at));
        return;
    }
    while ((n = strtoul(at, NULL, 16)) > 0) {
        text_add(out, at + 6, n);
        at += n + 8;
    }
}

/* Adds a part, as it must be. */
static void add_part(struct text *out, const char *boundary, const char *name, const char *type,
                     const char *data)
{
    text_print(out, "--%s\r\nContent-Disposition: form-data; name=\"%s\"; filename=\"%s\"\r\n",
               boundary, name, name);
    text_print(out, "Content-Type: application/%s\r\n\r\n", type);
    text_add(out, data, strlen(data));
    text_add(out, "\r\n", 2);
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
    for (i = 0; i < count; i++) {
        add_part(&expected, boundary, "metadata", "json", json[i]);
        add_part(&expected, boundary, "file", "octet-stream", data[i]);
    }
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

/* Texts around the file that are larger than the buffer's free part. */
static void test_long_path(void **state)
{
    char path[1500], json[1600];
    const char *texts[1];
    static const char *const data[] = {"hello"};
    bench b;
    (void)state;
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = '\0';
    snprintf(json, sizeof json, "{\"path\":\"%s\",\"mode\":755}", path);
    texts[0] = json;
    bench_begin(&b, 1200);
    bench_execd_answers(&b, "");
    assert_int_equal(osb_file_write(&b.box, path, "hello", 5), OSB_OK);
    check_body(&b, texts, data, 1);
    bench_end(&b);
}

/* A file that is larger than the buffer. */
static void test_large_file(void **state)
{
    static char data[20000];
    const char *texts[] = {data};
    bench b;
    (void)state;
    memset(data, 'd', sizeof data - 1);
    bench_begin(&b, 1200);
    bench_execd_answers(&b, "");
    assert_int_equal(osb_file_write(&b.box, "/a", data, sizeof data - 1), OSB_OK);
    check_body(&b, json_a, texts, 1);
    bench_end(&b);
}

/* A port that can make nothing random. */
static void test_poor_boundary(void **state)
{
    static const char *const data[] = {"hello"};
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    b.ops.random = NULL;
    bench_execd_answers(&b, "");
    assert_int_equal(osb_file_write(&b.box, "/a", "hello", 5), OSB_OK);
    check_body(&b, json_a, data, 1);
    bench_end(&b);
}

/* The boundary is the port's, if it can make one. */
static void test_boundary(void **state)
{
    static const char *const data[] = {"hello"};
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    b.ops.random = give_random;
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
        source s = source_of(LETTERS, 10, 1 + turn % 4);
        osb_upload files[2];
        bench b;
        s.later = turn % 2;
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

typedef struct greedy_source {
    const unsigned char *end; /* of the client's memory */
    size_t left;
} greedy_source;

/* Fills all the room that it is given. */
static int read_greedily(void *user, void *data, size_t size)
{
    greedy_source *s = (greedy_source *)user;
    size_t n = size < s->left ? size : s->left;
    assert_true(size <= (size_t)(s->end - (unsigned char *)data));
    memset(data, 'f', n);
    s->left -= n;
    return (int)n;
}

/* An upload keeps its place in the client's memory, and a source gets only what is left of it. */
static void test_room_of_a_source(void **state)
{
    int chunked;
    (void)state;
    for (chunked = 0; chunked < 2; chunked++) {
        osb_upload file = {0};
        greedy_source s = {NULL, 5000};
        bench b;
        bench_begin(&b, 1024);
        s.end = b.memory + 1024;
        file.path = "/a";
        file.user = &s;
        file.read_body = read_greedily;
        file.body_size = 5000;
        file.body_size_unknown = chunked != 0;
        bench_execd_answers(&b, "");
        assert_int_equal(osb_file_upload(&b.box, &file, 1, false), OSB_OK);
        assert_int_equal(s.left, 0);
        bench_end(&b);
    }
}

/* A source that has less than it says, fails, or claims to have given more than was asked for. */
static void test_bad_sources(void **state)
{
    source s = source_of(LETTERS, 10, 100), endless = source_of(LETTERS, 10, 3);
    osb_upload files[2];
    (void)state;
    files[0] = upload_from(&s, "/a");
    files[0].body_size = 11;
    expect_broken(files, 1, OSB_E_INVALID);
    s.at = 0;
    s.fails_with = OSB_IO_FAILED;
    expect_broken(files, 1, OSB_E_CANCELLED);
    files[0].read_body = source_read_too_much;
    expect_broken(files, 1, OSB_E_CANCELLED);

    s.at = 0; /* the same where the body goes in chunks, since another file's size is unknown */
    s.fails_with = 0;
    files[0] = upload_from(&s, "/a");
    files[0].body_size = 11;
    files[1] = upload_from(&endless, "/b");
    files[1].body_size_unknown = true;
    expect_broken(files, 2, OSB_E_INVALID);
}

/* A buffer that a long host leaves no room in for an upload. */
static void test_no_room(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    b.client.limit = 300;
    assert_int_equal(osb_file_write(&b.box, "/a", "b", 1), OSB_E_BUFFER);
    assert_true(osb_last_error(&b.client)->needed > 2048);
    b.client.limit = 2048;
    bench_execd_answers(&b, "");
    assert_int_equal(osb_file_write(&b.box, "/a", "b", 1), OSB_OK);
    bench_end(&b);
}

static void test_refused_uploads(void **state)
{
    source s = source_of(LETTERS, 10, 100);
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
    files[1].body = "x"; /* how much of it? */
    assert_int_equal(osb_file_upload(&b.box, files, 2, false), OSB_E_INVALID);
    assert_non_null(osb_last_error(&b.client)->message.data);
    assert_int_equal(b.port.calls, 0);
    bench_end(&b);
}

/* An upload on a kept connection that died: to write a whole file twice is to write it once, so that
   it is sent again if all its sources can begin again. */
static osb_status repeat(osb_upload *files, size_t count, bool again)
{
    static const char *const data[] = {"abcdefghij", "abcdefghij", "hello"};
    static const char *const json[] = {"{\"path\":\"/a\",\"mode\":755}",
                                       "{\"path\":\"/b\",\"mode\":755}",
                                       "{\"path\":\"/c\",\"mode\":755}"};
    osb_status status;
    bench b;
    bench_begin(&b, 2048);
    bench_execd_answers(&b, "");
    script_request(&b.port);
    script_close(&b.port);
    if (again) bench_execd_answers(&b, "");
    assert_int_equal(osb_ping(&b.box), OSB_OK);
    status = osb_file_upload(&b.box, files, count, false);
    if (status == OSB_OK) check_body(&b, json, data, count);
    else assert_true(osb_last_error(&b.client)->maybe_applied);
    bench_end(&b);
    return status;
}

static void test_repeated(void **state)
{
    source s[2] = {source_of(LETTERS, 10, 3), source_of(LETTERS, 10, 3)};
    osb_upload files[3];
    (void)state;
    files[0] = upload_from(&s[0], "/a");
    files[1] = upload_from(&s[1], "/b");
    memset(&files[2], 0, sizeof files[2]);
    files[2].path = "/c";
    files[2].body = "hello";
    files[2].body_size = 5;
    assert_int_equal(repeat(files, 3, true), OSB_OK);
    assert_int_equal(s[1].rewound, 1);
    s[0].at = s[1].at = 0;
    files[0].body_size_unknown = true;
    assert_int_equal(repeat(files, 3, true), OSB_OK);
    s[0].at = s[1].at = 0;
    s[1].stuck = true;
    assert_int_equal(repeat(files, 3, false), OSB_E_CLOSED);
    s[0].at = s[1].at = 0;
    files[0].rewind_body = NULL;
    assert_int_equal(repeat(files, 3, false), OSB_E_CLOSED);
}

/* The connection is dead before the first byte: nothing was asked of a source yet. */
static void test_unsent(void **state)
{
    static const char *const data[] = {"abcdefghij", "abcdefghij"};
    source s = source_of(LETTERS, 10, 3);
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
    source s = source_of(LETTERS, 10, 3);
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
    expect_verified(BENCH_EMPTY("404 None"), NULL, OSB_E_NOT_FOUND);
}

/* What is counted of a source of unknown size is what was sent the last time. */
static void test_verify_repeated(void **state)
{
    source s = source_of(LETTERS, 10, 3);
    osb_upload file = upload_from(&s, "/a");
    bench b;
    (void)state;
    file.body_size_unknown = true;
    bench_begin(&b, 2048);
    bench_execd_answers(&b, "");
    script_request(&b.port);
    script_close(&b.port);
    bench_execd_answers(&b, "");
    bench_answer(&b, "{\"/a\":{\"path\":\"/a\",\"size\":10}}");
    assert_int_equal(osb_ping(&b.box), OSB_OK);
    assert_int_equal(osb_file_upload(&b.box, &file, 1, true), OSB_OK);
    assert_int_equal(s.rewound, 1);
    bench_end(&b);
}

/* ---- reads -------------------------------------------------------------------------------------*/

static int collect(void *user, const void *data, size_t size)
{
    text_add((struct text *)user, data, size);
    return 0;
}

/* Reads with these options; the script has what happens. */
static osb_status read_with(bench *b, const osb_read_options *options, const char *expected)
{
    struct text got = {0};
    uint64_t size = 99;
    osb_status status;
    text_clear(&got);
    status = bench_finish(b, osb_file_read(&b->box, "/a", options, collect, &got, &size));
    assert_string_equal(got.data, expected);
    assert_int_equal(size, strlen(expected));
    text_free(&got);
    return status;
}

#define TEN "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
#define PARTIAL(size) "HTTP/1.1 206 Partial\r\nContent-Length: " size "\r\n\r\n"
/* After each kind of break it goes on where it was: at once if something had come, else after a
   pause. */
static void test_resumed(void **state)
{
    osb_read_options options = {0, 0, 0, 0, 3};
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    b.config.idle_timeout_ms = 5000;
    bench_again(&b);
    bench_execd_answers(&b, TEN "abc");
    script_reset(&b.port);
    bench_execd_answers(&b, PARTIAL("7") "de");
    script_pause(&b.port, 6000);
    script_reply(&b.port, "x");
    bench_execd_refuses(&b);
    bench_execd_answers(&b, PARTIAL("5") "fghij");
    assert_int_equal(read_with(&b, &options, "abcdefghij"), OSB_OK);
    assert_in_range(b.port.now_ms, 6200, 6299); /* pauses only where nothing came */
    assert_non_null(strstr(b.port.log.data, "Range: bytes=3-\r\n"));
    assert_non_null(strstr(b.port.log.data, "Range: bytes=5-\r\n"));
    bench_end(&b);
}

/* Not for ever, not after an answer that is no success, and not with other bytes than asked for. */
static void test_not_resumed(void **state)
{
    osb_read_options options = {0, 0, 0, 0, 1};
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, TEN "abc");
    script_close(&b.port);
    bench_execd_answers(&b, PARTIAL("7") "de");
    script_close(&b.port);
    assert_int_equal(read_with(&b, &options, "abcde"), OSB_E_CLOSED);
    bench_end(&b);

    options.resumptions = 2;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, TEN "abc");
    script_close(&b.port);
    bench_execd_answers(&b, "HTTP/1.1 500 E\r\nContent-Length: 9\r\n\r\nabc");
    script_close(&b.port);
    assert_int_equal(read_with(&b, &options, "abc"), OSB_E_CLOSED);
    bench_end(&b);

    bench_begin(&b, 1024);
    bench_execd_answers(&b, TEN "abc");
    script_close(&b.port);
    bench_execd_answers(&b, TEN "abcdefghij");
    assert_int_equal(read_with(&b, &options, "abc"), OSB_E_PROTOCOL);
    bench_end(&b);

    bench_begin(&b, 1024);
    bench_execd_answers(&b, TEN "abc");
    script_close(&b.port);
    bench_execd_answers(&b, BENCH_EMPTY("416 Range"));
    assert_int_equal(read_with(&b, &options, "abc"), OSB_E_API);
    bench_end(&b);
}

#define IN_CHUNKS "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
/* Where only the server's close, or a last chunk, tells the end: all had come when the connection
   broke, and the server has no more. But less than there was is another file. */
static void test_broken_at_the_end(void **state)
{
    static const struct {
        const char *range;
        osb_status status;
    } cases[] = {{"Content-Range: bytes */3\r\n", OSB_OK},
                 {"Content-Range: bytes */2\r\n", OSB_E_API},
                 {"Content-Range: bytes */33\r\n", OSB_E_API},
                 {"Content-Range: bytes *\r\n", OSB_E_API},
                 {"Content-Range: bytes */\r\n", OSB_E_API},
                 {"Content-Range: \r\n", OSB_E_API},
                 {"", OSB_E_API}};
    static const osb_read_options options = {0, 0, 0, 0, 1};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char answer[200];
        bench b;
        snprintf(answer, sizeof answer, "HTTP/1.1 416 Range\r\n%sContent-Length: 4\r\n\r\nnone",
                 cases[i].range);
        bench_begin(&b, 1024);
        bench_execd_answers(&b, IN_CHUNKS "3\r\nabc\r\n");
        script_close(&b.port);
        bench_execd_answers(&b, answer);
        assert_int_equal(read_with(&b, &options, "abc"), cases[i].status);
        assert_non_null(strstr(b.port.log.data, "Range: bytes=3-\r\n"));
        bench_end(&b);
    }
}

/* That a part began where it was asked to does not say that the file ends there. */
static void test_broken_part_and_a_bare_416(void **state)
{
    static const osb_read_options options = {2, 0, 0, 0, 1};
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-9/10\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    script_close(&b.port);
    bench_execd_answers(&b, BENCH_EMPTY("416 Range"));
    assert_int_equal(read_with(&b, &options, "abc"), OSB_E_API);
    bench_end(&b);
}

/* A file that has no more was not read by one whose request cannot be sent. */
static void test_read_after_the_end(void **state)
{
    static const osb_read_options rest = {4, 0, 0, 0, 0};
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, BENCH_EMPTY("416 Range"));
    assert_int_equal(read_with(&b, &rest, ""), OSB_OK);
    b.box.execd.address[0] = '\0';
    assert_int_equal(read_with(&b, &rest, ""), OSB_E_INVALID);
    bench_end(&b);
}

/* An answer that says so has to be whole, and a cancel is one. */
static void test_read_behind_the_end_broken(void **state)
{
    static const osb_read_options rest = {4, 0, 0, 0, 0};
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, "HTTP/1.1 416 Range\r\nContent-Length: 9\r\n\r\nabc");
    script_close(&b.port);
    assert_int_equal(read_with(&b, &rest, ""), OSB_E_CLOSED);
    bench_end(&b);

    bench_begin_polling(&b, 1024);
    bench_execd_answers(&b, "HTTP/1.1 416 Range\r\nContent-Length: 9\r\n\r\nabc");
    script_pause(&b.port, 1000);
    assert_int_equal(osb_file_read(&b.box, "/a", &rest, NULL, NULL, NULL), OSB_PENDING);
    osb_cancel(&b.client);
    assert_int_equal(osb_poll(&b.client), OSB_E_CANCELLED);
    bench_end(&b);
}

static void test_ranges(void **state)
{
    static const osb_read_options first = {0, 4, 0, 0, 2}, rest = {4, 0, 0, 0, 0};
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, PARTIAL("4") "abcd");
    bench_answer(&b, PARTIAL("6") "efghij");
    bench_answer(&b, BENCH_EMPTY("416 Range"));
    assert_int_equal(read_with(&b, &first, "abcd"), OSB_OK);
    assert_int_equal(read_with(&b, &rest, "efghij"), OSB_OK);
    assert_int_equal(read_with(&b, &rest, ""), OSB_OK); /* behind the end */
    assert_non_null(strstr(b.port.log.data, "Range: bytes=0-3\r\n"));
    assert_non_null(strstr(b.port.log.data, "Range: bytes=4-\r\n"));
    bench_end(&b);

    bench_begin(&b, 1024); /* all bytes of the range came before the break: there is no rest */
    bench_execd_answers(&b, PARTIAL("5") "abcd");
    script_close(&b.port);
    assert_int_equal(read_with(&b, &first, "abcd"), OSB_OK);
    bench_end(&b);

    bench_begin(&b, 1024); /* half of it */
    bench_execd_answers(&b, PARTIAL("4") "ab");
    script_close(&b.port);
    bench_execd_answers(&b, PARTIAL("2") "cd");
    assert_int_equal(read_with(&b, &first, "abcd"), OSB_OK);
    assert_non_null(strstr(b.port.log.data, "Range: bytes=2-3\r\n"));
    bench_end(&b);
}

/* A part that begins elsewhere, or one that does not say where. */
static void test_another_range(void **state)
{
    static const char *const bad[] = {
        "bytes 0-3/10", "bytes 40-43/50", "bytes */10", "bytes 4", "bytes", "", "bytes x-7/10"};
    static const osb_read_options part = {4, 4, 0, 0, 1};
    char answer[200];
    size_t i;
    bench b;
    (void)state;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bench_begin(&b, 1024);
        snprintf(answer, sizeof answer,
                 "HTTP/1.1 206 P\r\nContent-Range: %s\r\nContent-Length: 4\r\n\r\nabcd", bad[i]);
        bench_execd_answers(&b, answer);
        assert_int_equal(read_with(&b, &part, ""), OSB_E_PROTOCOL);
        bench_end(&b);
    }
    bench_begin(&b, 1024);
    bench_execd_answers(
        &b, "HTTP/1.1 206 P\r\ncontent-range:  bytes 4-7/* \r\nContent-Length: 4\r\n\r\n"
            "abcd");
    assert_int_equal(read_with(&b, &part, "abcd"), OSB_OK);
    bench_answer(&b, "HTTP/1.1 200 OK\r\nContent-Range: x\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(osb_ping(&b.box), OSB_OK); /* it means nothing to other calls */
    bench_end(&b);
}

/* A server that sends more than the range: no byte behind it is handed out. */
static void test_more_than_asked(void **state)
{
    static const osb_read_options first = {0, 4, 0, 0, 2};
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, PARTIAL("9") "abcdef");
    assert_int_equal(read_with(&b, &first, ""), OSB_E_PROTOCOL);
    bench_end(&b);

    bench_begin(&b, 1024);
    bench_execd_answers(&b, PARTIAL("4") "abc");
    script_close(&b.port);
    bench_execd_answers(&b, PARTIAL("2") "de");
    assert_int_equal(read_with(&b, &first, "abc"), OSB_E_PROTOCOL);
    bench_end(&b);
}

static void test_refused_reads(void **state)
{
    static const osb_read_options bad[] = {
        {1, 0, 1, 0, 0}, {0, 1, 1, 0, 0}, {1, 0, 0, 1, 0}, {0, 1, 0, 1, 0}};
    static const osb_replacement nameless = {NULL, "a", "b"};
    static const osb_permission no_path = {NULL, NULL, NULL, 0};
    char data[4];
    size_t i, length;
    uint64_t size;
    osb_file_info info;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    for (i = 0; i < 4; i++)
        assert_int_equal(osb_file_read(&b.box, "/a", &bad[i], NULL, NULL, &size), OSB_E_INVALID);
    assert_int_equal(osb_file_read(&b.box, NULL, NULL, NULL, NULL, NULL), OSB_E_INVALID);
    assert_int_equal(osb_file_read_all(&b.box, NULL, data, sizeof data, &length), OSB_E_INVALID);
    assert_int_equal(osb_file_get_info(&b.box, NULL, &info), OSB_E_INVALID);
    assert_int_equal(osb_file_delete(&b.box, NULL, 0), OSB_E_INVALID);
    assert_int_equal(osb_directory_delete(&b.box, NULL, 0), OSB_E_INVALID);
    assert_int_equal(osb_file_replace(&b.box, &nameless, 1, NULL, NULL), OSB_E_INVALID);
    assert_int_equal(osb_directory_create(&b.box, &no_path, 1), OSB_E_INVALID);
    assert_int_equal(b.port.calls, 0);
    bench_end(&b);
}

/* An array that is too small gets the beginning, and the error says what would do, as far as the
   server has told. */
static void test_read_all(void **state)
{
    char data[8];
    size_t length, size;
    bench b;
    (void)state;
    for (size = 0; size <= 8; size++) {
        bench_begin(&b, 1024);
        bench_execd_answers(&b, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef");
        length = 99;
        memset(data, 'z', sizeof data);
        assert_int_equal(osb_file_read_all(&b.box, "/a", data, size, &length),
                         size < 6 ? OSB_E_BUFFER : OSB_OK);
        if (size < 6) assert_int_equal(osb_last_error(&b.client)->needed, 6);
        assert_int_equal(length, size < 6 ? size : 6);
        assert_memory_equal(data, "abcdef", length);
        if (length < 8) assert_int_equal(data[length], 'z');
        bench_end(&b);
    }
    bench_begin(&b, 1024);
    bench_execd_answers(&b, "HTTP/1.1 200 OK\r\n\r\nabcdef");
    script_close(&b.port);
    assert_int_equal(osb_file_read_all(&b.box, "/a", data, 2, &length), OSB_E_BUFFER);
    assert_true(osb_last_error(&b.client)->needed >= 3);
    bench_end(&b);
}

/* ---- descriptions --------------------------------------------------------------------------------*/

static osb_status get_info(const char *json, size_t size, osb_file_info *info, bench *b)
{
    bench_begin(b, size);
    bench_execd_answers(b, json);
    return osb_file_get_info(&b->box, "/a", info);
}

/* The path that was asked for is the key; its texts outlive the answer's rest. */
static void test_info(void **state)
{
    static const char *const bad[] = {"{\"\\x\":{\"path\":\"/a\"}}", "{\"/a\":[]}", "{\"/a\":1}",
                                      "[]", "{\"/a\":{\"path\":1}}"};
    osb_file_info info;
    size_t i;
    bench b;
    (void)state;
    assert_int_equal(get_info("{\"/\\u0061\":{\"path\":\"/b\",\"owner\":\"o\",\"x\":{\"y\":[1]}},"
                              "\"z\":null}",
                              1024, &info, &b),
                     OSB_OK);
    assert_true(osb_str_equal(info.requested, "/a"));
    assert_true(osb_str_equal(info.path, "/b"));
    assert_true(osb_str_equal(info.owner, "o"));
    bench_end(&b);
    assert_int_equal(get_info("{}", 1024, &info, &b), OSB_E_NOT_FOUND);
    bench_end(&b);
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        osb_status status = get_info(bad[i], 1024, &info, &b);
        if (status != OSB_E_JSON) print_error("%s: %s\n", bad[i], osb_status_name(status));
        assert_int_equal(status, OSB_E_JSON);
        bench_end(&b);
    }
}

/* A key of each length: it fits, or the error says what would do. */
static void test_long_keys(void **state)
{
    size_t n;
    (void)state;
    for (n = 1; n < 1400; n += n < 700 ? 97 : 7) {
        struct text json = {0};
        osb_file_info info;
        osb_status status;
        size_t i, needed;
        bench b;
        text_print(&json, "{\"");
        for (i = 0; i < n; i++) text_add(&json, "k", 1);
        text_print(&json, "\":{\"path\":\"/a\"}}");
        status = get_info(json.data, 1024, &info, &b);
        needed = osb_last_error(&b.client)->needed;
        bench_end(&b);
        assert_int_equal(status, n < 600 ? OSB_OK : n > 1000 ? OSB_E_BUFFER : status);
        if (status == OSB_OK) assert_int_equal(info.requested.size, n);
        else {
            assert_int_equal(status, OSB_E_BUFFER);
            assert_true(needed > 1024 && needed < 3000);
        }
        text_free(&json);
    }
}

/* ---- what is sent ------------------------------------------------------------------------------*/

/* Nothing to do is still sent as what it is. */
static void test_empty_bodies(void **state)
{
    static const char *const none[] = {NULL};
    osb_egress egress;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    memset(&egress, 0, sizeof egress);
    egress.client = &b.client;
    egress.endpoint = b.box.execd;
    bench_execd(&b);
    bench_answer(&b, "");
    bench_answer(&b, "");
    bench_answer(&b, "{}");
    bench_answer(&b, "{}");
    assert_int_equal(osb_file_move(&b.box, NULL, 0), OSB_OK);
    assert_non_null(strstr(b.port.log.data, "Content-Length: 2\r\n\r\n[]"));
    assert_int_equal(osb_file_set_permissions(&b.box, NULL, 0), OSB_OK);
    assert_non_null(strstr(b.port.log.data, "Content-Length: 2\r\n\r\n{}"));
    text_clear(&b.port.log);
    assert_int_equal(osb_egress_delete_rules(&egress, none, 0, NULL), OSB_OK);
    assert_non_null(strstr(b.port.log.data, "Content-Length: 2\r\n\r\n[]"));
    text_clear(&b.port.log);
    assert_int_equal(osb_egress_patch_policy(&egress, NULL, 0, NULL), OSB_OK);
    assert_non_null(strstr(b.port.log.data, "Content-Length: 2\r\n\r\n[]"));
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_long_path),
        cmocka_unit_test(test_large_file),
        cmocka_unit_test(test_poor_boundary),
        cmocka_unit_test(test_boundary),
        cmocka_unit_test(test_sources),
        cmocka_unit_test(test_room_of_a_source),
        cmocka_unit_test(test_bad_sources),
        cmocka_unit_test(test_refused_uploads),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_repeated),
        cmocka_unit_test(test_unsent),
        cmocka_unit_test(test_verify),
        cmocka_unit_test(test_verify_repeated),
        cmocka_unit_test(test_resumed),
        cmocka_unit_test(test_not_resumed),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_broken_at_the_end),
        cmocka_unit_test(test_broken_part_and_a_bare_416),
        cmocka_unit_test(test_read_after_the_end),
        cmocka_unit_test(test_read_behind_the_end_broken),
        cmocka_unit_test(test_another_range),
        cmocka_unit_test(test_more_than_asked),
        cmocka_unit_test(test_refused_reads),
        cmocka_unit_test(test_read_all),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_long_keys),
        cmocka_unit_test(test_empty_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
