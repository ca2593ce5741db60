/* What the public comments promise where it is easily broken: edges of time, of sizes, of NULL. */
#include "tests/support/unit.h"

/* ---- time ------------------------------------------------------------------------------------*/

/* A clock that moves each time somebody looks at it. */
static uint32_t claims_ticking_now(void *ctx)
{
    return ((script_port *)ctx)->now_ms++;
}

#define CLAIMS_PAUSING                                                                             \
    "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n"                                                \
    "{\"id\":\"7f\",\"status\":{\"state\":\"Pausing\"}}"

/* The pause between two questions ends between two looks at the clock: that is no time-out. */
static void test_pause_is_no_deadline(void **state)
{
    osb_wait_options options = {60000, 0};
    (void)state;
    for (options.interval_ms = 20; options.interval_ms < 24; options.interval_ms++) {
        osb_port_ops ops;
        osb_sandbox_info info;
        osb_status status;
        bench b;
        bench_begin_polling(&b, 2048);
        ops = *b.config.port.ops;
        ops.now_ms = claims_ticking_now;
        b.config.port.ops = &ops;
        bench_again(&b);
        bench_lifecycle_answers(&b, CLAIMS_PAUSING);
        bench_answer(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Paused\"}}");
        status = osb_lifecycle_wait(&b.client, "7f", "Paused", &options, &info);
        while (status == OSB_PENDING) status = osb_poll(&b.client);
        assert_int_equal(status, OSB_OK);
        bench_end(&b);
    }
}

/* ---- osb_cancel ------------------------------------------------------------------------------*/

typedef struct claims_check {
    bench b;
    unsigned calls;
    bool cancelled;
    bool cancel_first; /* the check itself cancels, before its call */
    bool fails;        /* what it makes of its call's failure: an error, or "not yet" */
} claims_check;

/* As checks are written: whatever is wrong, it is not ready yet. */
static osb_status claims_ask(void *user, osb_sandbox *box, osb_status last)
{
    claims_check *check = (claims_check *)user;
    osb_status status = last;
    if (check->calls++ == 0 && check->cancel_first) osb_cancel(box->client);
    if (last == OSB_PENDING) status = osb_ping(box);
    if (status == OSB_OK || status == OSB_PENDING || check->fails) return status;
    return OSB_PENDING;
}

/* Cancels when execd has got the request. */
static void claims_cancel_ping(script_port *p)
{
    claims_check *check = (claims_check *)p->watch_user;
    if (check->cancelled || check->cancel_first || strstr(p->log.data, "GET /ping") == NULL) return;
    check->cancelled = true;
    osb_cancel(&check->b.client);
}

static osb_status claims_create(claims_check *check, bool poll)
{
    osb_create_options options;
    osb_status status;
    bench *b = &check->b;
    memset(&options, 0, sizeof options);
    options.image = "i";
    options.ready.check = claims_ask;
    options.ready.user = check;
    if (poll) bench_begin_polling(b, 2048);
    else bench_begin(b, 2048);
    b->port.watch = claims_cancel_ping;
    b->port.watch_user = check;
    bench_lifecycle_answers(b, "{\"id\":\"7f\",\"status\":{\"state\":\"Running\"}}");
    bench_answer(b, "{\"endpoint\":\"execd.example:44772\"}");
    if (!check->cancel_first) {
        bench_execd(b);
        script_request(&b->port);
        bench_lifecycle(b);
    }
    bench_answer(b, "HTTP/1.1 204 No Content\r\n\r\n");
    status = bench_finish(b, osb_sandbox_create(&b->client, &options, &b->box));
    assert_non_null(strstr(b->port.log.data, "DELETE /v1/sandboxes/7f"));
    bench_end(b);
    return status;
}

/* Who cancels osb_sandbox_create while its check's own call is pending means osb_sandbox_create; and
   the sandbox is killed all the same. */
static void test_cancel_reaches_through_a_check(void **state)
{
    unsigned i;
    (void)state;
    for (i = 0; i < 8; i++) {
        claims_check check;
        memset(&check, 0, sizeof check);
        check.cancel_first = (i & 2u) != 0;
        check.fails = (i & 4u) != 0;
        assert_int_equal(claims_create(&check, (i & 1u) != 0), OSB_E_CANCELLED);
        assert_in_range(check.calls, 1, 2);
    }
}

/* Who polls a call that somebody else has closed under it must not take it for done. */
static void test_closed_call_is_no_success(void **state)
{
    char line[80];
    bench b;
    (void)state;
    bench_begin_polling(&b, 2048);
    bench_execd(&b);
    script_request(&b.port);
    assert_int_equal(osb_ping(&b.box), OSB_PENDING);
    while (b.port.log.size == 0) assert_int_equal(osb_poll(&b.client), OSB_PENDING);
    osb_client_close(&b.client);
    assert_int_equal(osb_poll(&b.client), OSB_E_CANCELLED);
    (void)osb_error_text(&b.client, line, sizeof line);
    assert_string_equal(line, "cancelled: ended by osb_client_close");
    bench_end(&b);
}

/* ---- views -----------------------------------------------------------------------------------*/

typedef struct claims_pieces {
    unsigned pieces;
    bool bare; /* a text or a key had no NUL behind it */
} claims_pieces;

static int claims_on_event(void *user, const osb_event *event)
{
    claims_pieces *seen = (claims_pieces *)user;
    seen->pieces += event->more;
    if (event->text.data != NULL && event->text.data[event->text.size] != '\0') seen->bare = true;
    if (event->key.data != NULL && event->key.data[event->key.size] != '\0') seen->bare = true;
    return 0;
}

static int claims_on_traceback(void *user, osb_str line, bool more)
{
    claims_pieces *seen = (claims_pieces *)user;
    seen->pieces += more;
    if (line.data[line.size] != '\0') seen->bare = true;
    return 0;
}

/* A NUL stands behind a piece of a text, too. */
static void test_pieces_have_their_nul(void **state)
{
    static const char *const around[][2] = {
        {"{\"type\":\"stdout\",\"text\":\"", "\"}\n\n"},
        {"{\"type\":\"result\",\"results\":{\"text/plain\":\"", "\"}}\n\n"},
        {"{\"type\":\"result\",\"results\":{\"text/json\":[\"", "\"]}}\n\n"},
        {"{\"type\":\"error\",\"error\":{\"traceback\":[\"", "\"]}}\n\n"},
        {"{\"type\":\"error\",\"error\":{\"evalue\":\"", "\"}}\n\n"},
    };
    size_t i, size;
    (void)state;
    for (i = 0; i < sizeof around / sizeof around[0]; i++) {
        for (size = 700; size < 2100; size += 7) {
            claims_pieces seen = {0, false};
            struct text stream;
            osb_handlers handlers;
            osb_execution run;
            bench b;
            size_t n;
            memset(&handlers, 0, sizeof handlers);
            handlers.user = &seen;
            handlers.on_event = claims_on_event;
            handlers.on_traceback = claims_on_traceback;
            memset(&stream, 0, sizeof stream);
            text_print(&stream, "%s", around[i][0]);
            for (n = 0; n < size; n++) text_print(&stream, "%s", n % 9 == 0 ? "\\n" : "x");
            text_print(&stream, "%s" BENCH_DONE, around[i][1]);
            bench_begin(&b, 1024);
            bench_stream(&b, stream.data);
            assert_int_equal(bench_run(&b, &handlers, &run), OSB_OK);
            assert_false(seen.bare);
            if (size > 1024) assert_int_not_equal(seen.pieces, 0);
            bench_end(&b);
            text_free(&stream);
        }
    }
}

/* ---- runs ------------------------------------------------------------------------------------*/

/* Output is counted also if nobody wants it: osb_command_recover begins behind it. */
static void test_output_is_counted_without_handlers(void **state)
{
    static const osb_handlers nothing;
    unsigned i;
    (void)state;
    for (i = 0; i < 2; i++) {
        osb_execution run;
        bench b;
        bench_begin(&b, 2048);
        bench_stream(&b, "{\"type\":\"stdout\",\"text\":\"abc\"}\n\n"
                         "{\"type\":\"stderr\",\"text\":\"d\"}\n\n" BENCH_DONE);
        assert_int_equal(bench_run(&b, i == 0 ? &nothing : NULL, &run), OSB_OK);
        assert_int_equal(run.stdout_bytes, 4);
        assert_int_equal(run.stderr_bytes, 2);
        bench_end(&b);
    }
}

static int claims_on_result(void *user, const osb_event *event)
{
    *(int64_t *)user = event->timestamp_ms;
    return 0;
}

/* execd writes the time before the results. */
static void test_results_have_their_time(void **state)
{
    osb_handlers handlers;
    osb_execution run;
    int64_t timestamp_ms = 0;
    bench b;
    (void)state;
    memset(&handlers, 0, sizeof handlers);
    handlers.user = &timestamp_ms;
    handlers.on_result = claims_on_result;
    bench_begin(&b, 2048);
    bench_stream(
        &b, "{\"type\":\"result\",\"timestamp\":123,\"results\":{\"text\":\"a\"}}\n\n" BENCH_DONE);
    assert_int_equal(bench_run(&b, &handlers, &run), OSB_OK);
    assert_int_equal(timestamp_ms, 123);
    bench_end(&b);
}

/* The answer's head tells the next cursor; if the output behind it is cut, that is too far. */
static void test_cut_logs_go_on_where_they_were_cut(void **state)
{
    uint64_t next = 77;
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    bench_execd_answers(&b, "HTTP/1.1 200 OK\r\nEXECD-COMMANDS-TAIL-CURSOR: 110\r\n"
                            "Content-Length: 100\r\n\r\nabc");
    script_close(&b.port);
    assert_int_equal(osb_command_logs(&b.box, "1", 10, NULL, NULL, &next), OSB_E_CLOSED);
    assert_int_equal(next, 13);
    bench_execd_answers(&b, "HTTP/1.1 404 Not Found\r\nEXECD-COMMANDS-TAIL-CURSOR: 200\r\n"
                            "Content-Length: 3\r\n\r\nabc");
    assert_int_equal(osb_command_logs(&b.box, "1", 13, NULL, NULL, &next), OSB_E_NOT_FOUND);
    assert_int_equal(next, 13);
    bench_answer(&b, "HTTP/1.1 200 OK\r\nEXECD-COMMANDS-TAIL-CURSOR: 16\r\n"
                     "Content-Length: 3\r\n\r\ndef");
    assert_int_equal(osb_command_logs(&b.box, "1", 13, NULL, NULL, &next), OSB_OK);
    assert_int_equal(next, 16);
    bench_end(&b);
}

/* ---- sizes -----------------------------------------------------------------------------------*/

/* So many bytes as no file has are all that it has: not a range that the server refuses, which would
   look like 0 bytes behind the end. */
static void test_read_of_huge_sizes(void **state)
{
    static const struct {
        uint64_t offset, size;
        const char *range;
    } cases[] = {
        {5, UINT64_MAX, "\r\nRange: bytes=5-\r\n"},
        {0, UINT64_MAX, "\r\nRange: bytes=0-\r\n"},
        {5, INT64_MAX - 4, "\r\nRange: bytes=5-\r\n"},
        {5, INT64_MAX - 5, "\r\nRange: bytes=5-9223372036854775806\r\n"},
        {UINT64_MAX, 2, "\r\nRange: bytes=18446744073709551615-\r\n"},
        {5, 1, "\r\nRange: bytes=5-5\r\n"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        osb_read_options options;
        uint64_t size = 0;
        bench b;
        memset(&options, 0, sizeof options);
        options.offset_bytes = cases[i].offset;
        options.size_bytes = cases[i].size;
        bench_begin(&b, 2048);
        bench_execd_answers(&b, "HTTP/1.1 206 OK\r\nContent-Length: 1\r\n\r\na");
        assert_int_equal(osb_file_read(&b.box, "/a", &options, NULL, NULL, &size), OSB_OK);
        assert_int_equal(size, 1);
        assert_non_null(strstr(b.port.log.data, cases[i].range));
        bench_end(&b);
    }
}

/* No array at all is one of no bytes: to ask for the size, or whether there is output. */
static void test_arrays_of_no_bytes(void **state)
{
    osb_capture capture = {NULL, 0, 0, false};
    osb_handlers handlers;
    osb_execution run;
    size_t length = 9;
    bench b;
    (void)state;
    memset(&handlers, 0, sizeof handlers);
    handlers.capture_stdout = &capture;
    bench_begin(&b, 2048);
    bench_execd_answers(&b, "abc");
    assert_int_equal(osb_file_read_all(&b.box, "/a", NULL, 0, &length), OSB_E_BUFFER);
    assert_int_equal(osb_last_error(&b.client)->needed, 3);
    assert_int_equal(length, 0);
    bench_stream(&b, "{\"type\":\"stdout\",\"text\":\"abc\"}\n\n" BENCH_DONE);
    assert_int_equal(bench_run(&b, &handlers, &run), OSB_OK);
    assert_true(capture.more);
    bench_end(&b);
}

/* ---- NULL ------------------------------------------------------------------------------------*/

/* "A NULL value ...: elsewhere such a pair is left out." */
static void test_pairs_without_a_value(void **state)
{
    static const osb_pair metadata[] = {{"a", NULL}, {"b", "1"}, {NULL, "2"}, {"c", ""}};
    static const osb_pair rewrites[] = {{"execd.example:44772", NULL}, {NULL, "x"}};
    osb_sandbox_filter filter;
    osb_sandbox_page page;
    osb_extras extras;
    bench b;
    (void)state;
    memset(&filter, 0, sizeof filter);
    filter.metadata = metadata;
    filter.metadata_count = 4;
    memset(&extras, 0, sizeof extras);
    extras.rewrites = rewrites;
    extras.rewrite_count = 2;
    bench_begin(&b, 2048);
    b.config.extras = &extras;
    bench_again(&b);
    bench_lifecycle_answers(&b, "{\"items\":[]}");
    assert_int_equal(osb_lifecycle_list(&b.client, &filter, NULL, &page), OSB_OK);
    assert_non_null(
        strstr(b.port.log.data, "GET /v1/sandboxes?metadata=b%3D1%26c%3D HTTP/1.1\r\n"));
    bench_execd_answers(&b, "");
    assert_int_equal(osb_ping(&b.box), OSB_OK);
    bench_end(&b);
}

/* Without a pair osb_sandbox_find would find somebody else's sandbox, for its caller to kill. */
static void test_find_without_metadata(void **state)
{
    static const osb_pair tags[] = {{NULL, "1"}, {"a", NULL}, {NULL, NULL}};
    size_t i;
    (void)state;
    for (i = 0; i < 4; i++) {
        osb_sandbox box;
        bench b;
        bench_begin(&b, 2048);
        assert_int_equal(osb_sandbox_find(&b.client, i < 3 ? &tags[i] : NULL, &box), OSB_E_INVALID);
        assert_string_equal(box.id, "");
        assert_int_equal(b.port.connects, 0);
        bench_end(&b);
    }
}

#define CLAIMS_REFUSED(call) assert_int_equal((call), OSB_E_INVALID)

/* An argument that is missing is told of, before anything is sent. */
static void test_missing_arguments(void **state)
{
    static const char *const paths[] = {"/a", NULL};
    osb_replacement texts[2];
    osb_request request;
    osb_upload upload;
    uint16_t http_status;
    bench b;
    (void)state;
    memset(texts, 0, sizeof texts);
    memset(&request, 0, sizeof request);
    request.body_size = 5;
    memset(&upload, 0, sizeof upload);
    upload.path = "/a";
    upload.body_size = 5;
    texts[0].path = "/a";
    bench_begin(&b, 2048);
    CLAIMS_REFUSED(osb_file_get_infos(&b.box, paths, 2, NULL, NULL));
    CLAIMS_REFUSED(osb_file_get_infos(&b.box, NULL, 1, NULL, NULL));
    CLAIMS_REFUSED(osb_file_delete(&b.box, paths, 2));
    CLAIMS_REFUSED(osb_directory_delete(&b.box, paths, 2));
    CLAIMS_REFUSED(osb_directory_delete(&b.box, NULL, 1));
    CLAIMS_REFUSED(osb_file_move(&b.box, NULL, 1));
    CLAIMS_REFUSED(osb_file_replace(&b.box, texts, 2, NULL, NULL));
    CLAIMS_REFUSED(osb_file_upload(&b.box, &upload, 1, false));
    CLAIMS_REFUSED(osb_file_write(&b.box, "/a", NULL, 5));
    CLAIMS_REFUSED(osb_endpoint_request(&b.client, &b.box.execd, &request, &http_status));
    assert_int_equal(b.port.connects, 0);
    bench_end(&b);
}

/* Keys of variables to be kept from a session must not be lost for want of a mode. */
static void test_env_keys_need_a_mode(void **state)
{
    static const char *const keys[] = {"SECRET"};
    osb_isolated_options options;
    osb_isolated_session session;
    bench b;
    (void)state;
    memset(&options, 0, sizeof options);
    bench_begin(&b, 2048);
    options.workspace = "/w";
    options.env_keys = keys;
    options.env_key_count = 1;
    CLAIMS_REFUSED(osb_isolated_create(&b.box, &options, &session));
    options.env_mode = "deny";
    bench_execd_answers(&b, "{\"session_id\":\"s\"}");
    assert_int_equal(osb_isolated_create(&b.box, &options, &session), OSB_OK);
    assert_non_null(
        strstr(b.port.log.data, "\"env_passthrough\":{\"mode\":\"deny\",\"keys\":[\"SECRET\"]}"));
    bench_end(&b);
}

static void test_longest_session_id(void **state)
{
    osb_isolated_options options;
    osb_isolated_session session;
    char id[OSB_ID_SIZE], answer[OSB_ID_SIZE + 20];
    bench b;
    (void)state;
    memset(&options, 0, sizeof options);
    memset(id, 'a', sizeof id);
    id[OSB_ID_SIZE - 1] = '\0';
    sprintf(answer, "{\"session_id\":\"%s\"}", id);
    bench_begin(&b, 2048);
    options.workspace = "/w";
    bench_execd_answers(&b, answer);
    assert_int_equal(osb_isolated_create(&b.box, &options, &session), OSB_OK);
    assert_string_equal(session.id, id);
    bench_end(&b);
}

/* They are the members of an object: a server would take the last one only. */
static void test_paths_that_come_twice(void **state)
{
    static const osb_replacement texts[] = {{"/a", "x", "y"}, {"/b", "x", "y"}, {"/a", "1", "2"}};
    static const osb_permission modes[] = {{"/a", "x", NULL, 0}, {"/a", NULL, NULL, 644}};
    static const osb_move moves[] = {{"/a", "/b"}, {"/a", "/c"}};
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    CLAIMS_REFUSED(osb_file_replace(&b.box, texts, 3, NULL, NULL));
    CLAIMS_REFUSED(osb_file_set_permissions(&b.box, modes, 2));
    CLAIMS_REFUSED(osb_directory_create(&b.box, modes, 2));
    bench_execd_answers(&b, "{}");
    assert_int_equal(osb_file_replace(&b.box, texts, 2, NULL, NULL), OSB_OK);
    bench_answer(&b, "{}");
    assert_int_equal(osb_file_move(&b.box, moves, 2), OSB_OK); /* execd says what is wrong */
    bench_end(&b);
}

/* ---- files that were compiled otherwise -------------------------------------------------------*/

#define CLAIMS_INIT(name)                                                                          \
    static osb_status name(bench *b)                                                               \
    {                                                                                              \
        osb_client client;                                                                         \
        return osb_client_init(&client, &b->config);                                               \
    }

CLAIMS_INIT(claims_init)
#undef OSB_LANGUAGE_SIZE
#define OSB_LANGUAGE_SIZE 20
CLAIMS_INIT(claims_init_other_language)
#undef OSB_LANGUAGE_SIZE
#define OSB_LANGUAGE_SIZE 16
#undef OSB_ID_SIZE
#define OSB_ID_SIZE 65
CLAIMS_INIT(claims_init_other_id)
#undef OSB_ID_SIZE
#define OSB_ID_SIZE 64
#undef OSB_ENDPOINT_SIZE
#undef OSB_ENDPOINT_HEADERS_SIZE
#define OSB_ENDPOINT_SIZE 256
#define OSB_ENDPOINT_HEADERS_SIZE 192
CLAIMS_INIT(claims_init_other_endpoint)

/* "osb_client_init() notices when two files disagree about them": also where the client's own size is
   the same. */
static void test_other_sizes_are_noticed(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 2048);
    assert_int_equal(claims_init(&b), OSB_OK);
    assert_int_equal(claims_init_other_language(&b), OSB_E_INVALID);
    assert_int_equal(claims_init_other_id(&b), OSB_E_INVALID);
    assert_int_equal(claims_init_other_endpoint(&b), OSB_E_INVALID);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pause_is_no_deadline),
        cmocka_unit_test(test_cancel_reaches_through_a_check),
        cmocka_unit_test(test_closed_call_is_no_success),
        cmocka_unit_test(test_pieces_have_their_nul),
        cmocka_unit_test(test_output_is_counted_without_handlers),
        cmocka_unit_test(test_results_have_their_time),
        cmocka_unit_test(test_cut_logs_go_on_where_they_were_cut),
        cmocka_unit_test(test_read_of_huge_sizes),
        cmocka_unit_test(test_arrays_of_no_bytes),
        cmocka_unit_test(test_pairs_without_a_value),
        cmocka_unit_test(test_find_without_metadata),
        cmocka_unit_test(test_missing_arguments),
        cmocka_unit_test(test_env_keys_need_a_mode),
        cmocka_unit_test(test_longest_session_id),
        cmocka_unit_test(test_paths_that_come_twice),
        cmocka_unit_test(test_other_sizes_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
