/* Calls of several requests: waiting for a state, pages, a run's end, the vault's other way. */
#include "tests/support/unit.h"

#define STATE(name) "{\"id\":\"a\",\"sandboxId\":\"b\",\"status\":{\"state\":\"" name "\"}}"

/* ---- waiting -----------------------------------------------------------------------------------*/

static osb_status wait_for_sandbox(bench *b, const osb_wait_options *options)
{
    osb_sandbox_info info;
    return osb_lifecycle_wait(&b->client, "a", "Paused", options, &info);
}

static osb_status wait_for_snapshot(bench *b, const osb_wait_options *options)
{
    osb_snapshot snapshot;
    return osb_snapshot_wait(&b->client, "a", options, &snapshot);
}

/* So many times the first state, then the second; how long that took goes to *took_ms. */
static osb_status wait_through(osb_status (*call)(bench *b, const osb_wait_options *options),
                               const char *first, unsigned times, const char *second,
                               const osb_wait_options *options, uint32_t *took_ms)
{
    osb_status status;
    unsigned i;
    bench b;
    bench_begin(&b, 2048);
    bench_lifecycle(&b);
    for (i = 0; i < times; i++) bench_answer(&b, first);
    if (second != NULL) bench_answer(&b, second);
    *took_ms = b.port.now_ms;
    status = call(&b, options);
    *took_ms = b.port.now_ms - *took_ms;
    if (status == OSB_E_NOT_READY || status == OSB_E_STATE)
        assert_true(osb_last_error(&b.client)->code.size > 3);
    bench_end(&b);
    return status;
}

static void test_waits(void **state)
{
    static const osb_wait_options quick = {5000, 2000}, none = {0, 0};
    uint32_t took;
    (void)state;
    assert_int_equal(
        wait_through(wait_for_sandbox, STATE("Pausing"), 3, STATE("Paused"), NULL, &took), OSB_OK);
    assert_in_range(took, 3000, 3100);
    assert_int_equal(
        wait_through(wait_for_sandbox, STATE("Pausing"), 1, STATE("Failed"), &none, &took),
        OSB_E_STATE);
    assert_int_equal(
        wait_through(wait_for_sandbox, STATE("Pausing"), 1, STATE("Terminated"), &none, &took),
        OSB_E_STATE);
    assert_int_equal(wait_through(wait_for_sandbox, STATE("Pausing"), 3, NULL, &quick, &took),
                     OSB_E_NOT_READY);
    assert_in_range(took, 4000, 4100);
    assert_int_equal(
        wait_through(wait_for_snapshot, STATE("Creating"), 2, STATE("Ready"), NULL, &took), OSB_OK);
    assert_int_equal(
        wait_through(wait_for_snapshot, STATE("Creating"), 2, STATE("Failed"), NULL, &took),
        OSB_E_STATE);
    assert_int_equal(wait_through(wait_for_snapshot, STATE("Creating"), 3, NULL, &quick, &took),
                     OSB_E_NOT_READY);
    assert_int_equal(
        wait_through(wait_for_snapshot, STATE("Creating"), 1, BENCH_EMPTY("404 None"), NULL, &took),
        OSB_E_NOT_FOUND);
}

/* Just after its start a command may be unknown: for a second, and not once it was known, nor beyond
   the caller's own time. */
static osb_status wait_for_command(unsigned unknown, const char *then, const char *at_last,
                                   const osb_wait_options *options)
{
    static const char none[] = BENCH_EMPTY("404 None");
    osb_command_state command;
    osb_status status;
    unsigned i;
    bench b;
    bench_begin(&b, 1024);
    bench_execd(&b);
    for (i = 0; i < unknown; i++) bench_answer(&b, none);
    if (then != NULL) bench_answer(&b, then);
    if (at_last != NULL) bench_answer(&b, at_last);
    status = osb_command_wait(&b.box, "0a1b", options, &command);
    bench_end(&b);
    return status;
}

static void test_unknown_commands(void **state)
{
    static const char running[] = "{\"running\":true}",
                      ended[] = "{\"running\":false,\"exit_code\":3}";
    static const osb_wait_options short_wait = {500, 400};
    (void)state;
    assert_int_equal(wait_for_command(0, ended, NULL, NULL), OSB_OK);
    assert_int_equal(wait_for_command(3, running, ended, NULL), OSB_OK);
    assert_int_equal(wait_for_command(11, NULL, NULL, NULL), OSB_E_NOT_FOUND);
    assert_int_equal(wait_for_command(2, NULL, NULL, &short_wait), OSB_E_NOT_FOUND);
    assert_int_equal(wait_for_command(0, running, BENCH_EMPTY("404 None"), NULL), OSB_E_NOT_FOUND);
}

/* A wait that has no time for another question does not ask it. */
static void test_no_time_to_ask_again(void **state)
{
    osb_wait_options wait = {1000, 1000};
    osb_command_state answer;
    uint32_t more_ms;
    (void)state;
    for (more_ms = 0; more_ms <= 1; more_ms++) {
        bench b;
        bench_begin(&b, 1024);
        wait.timeout_ms = 1000 + more_ms;
        bench_execd_answers(&b, BENCH_EMPTY("404 N"));
        if (more_ms > 0) bench_answer(&b, "{\"running\":false}");
        assert_int_equal(osb_command_wait(&b.box, "x", &wait, &answer),
                         more_ms > 0 ? OSB_OK : OSB_E_NOT_FOUND);
        bench_end(&b);
    }
}

/* ---- pages -------------------------------------------------------------------------------------*/

static int count_sandbox(void *user, const osb_sandbox_info *info)
{
    assert_int_equal(info->id.size, 1);
    ++*(unsigned *)user;
    return 0;
}

static void test_pages(void **state)
{
    osb_sandbox_filter filter = {0};
    osb_info_handlers handlers = {0};
    osb_sandbox_page page;
    unsigned count = 0;
    bench b;
    (void)state;
    filter.page = 3;
    filter.page_size = 2;
    handlers.user = &count;
    handlers.on_sandbox = count_sandbox;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, "{\"items\":[{\"id\":\"a\"},{\"id\":\"b\"}],"
                                "\"pagination\":{\"page\":3,\"hasNextPage\":true}}");
    bench_answer(&b, "{\"items\":[{\"id\":\"c\"}],\"pagination\":{\"page\":4}}");
    assert_int_equal(osb_lifecycle_list_all(&b.client, &filter, &handlers, &page), OSB_OK);
    assert_int_equal(count, 3);
    assert_int_equal(page.page, 4);
    assert_int_equal(filter.page, 3);
    assert_non_null(strstr(b.port.log.data, "page=4&pageSize=2"));
    /* there is no page behind the last one, whatever the server says */
    bench_answer(&b, "{\"items\":[],\"pagination\":{\"totalPages\":3,\"hasNextPage\":true}}");
    assert_int_equal(osb_lifecycle_list_all(&b.client, &filter, &handlers, &page), OSB_OK);
    bench_end(&b);
}

/* No page at all; and a header that means something only to WebSocket. */
static void test_no_page(void **state)
{
    osb_sandbox_page page;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, "HTTP/1.1 204 No Content\r\n"
                                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    assert_int_equal(osb_lifecycle_list(&b.client, NULL, NULL, &page), OSB_OK);
    assert_int_equal(page.total_items, 0);
    bench_end(&b);
}

static int count_snapshot(void *user, const osb_snapshot *snapshot)
{
    assert_int_equal(strlen(snapshot->id), 1);
    ++*(unsigned *)user;
    return 0;
}

static void test_snapshot_pages(void **state)
{
    osb_snapshot_filter filter = {0};
    osb_snapshot_page page;
    unsigned count = 0;
    bench b;
    (void)state;
    filter.name = "n";
    bench_begin(&b, 2048);
    bench_lifecycle_answers(&b, "{\"items\":[{\"id\":\"a\",\"sandboxId\":\"x\"}],"
                                "\"pagination\":{\"page\":1,\"hasNextPage\":true}}");
    bench_answer(&b, "{\"items\":[{\"id\":\"c\",\"sandboxId\":\"x\"}]}");
    assert_int_equal(osb_snapshot_list_all(&b.client, &filter, count_snapshot, &count, &page),
                     OSB_OK);
    assert_int_equal(count, 2);
    assert_non_null(strstr(b.port.log.data, "page=2"));
    bench_end(&b);
}

/* ---- runs --------------------------------------------------------------------------------------*/

/* A session's time-out is told by its failure's text; without a time it is execd's own. */
static void test_session_timeout(void **state)
{
    static const struct {
        const char *message;
        uint32_t timeout_ms;
        bool timed_out;
    } cases[] = {{"command timeout after 1s", 1000, true},
                 {"timeout after", 1000, true},
                 {"timeout afte", 1000, false},
                 {"no such thing at all", 1000, false},
                 {"command timeout after 24h0m0s", 0, true}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        osb_session_command command = {"x", NULL, 0};
        char stream[200];
        osb_execution run;
        bench b;
        command.timeout_ms = cases[i].timeout_ms;
        snprintf(stream, sizeof stream,
                 BENCH_INIT "{\"code\":\"RUNTIME_ERROR\",\"message\":\"%s\"}\n", cases[i].message);
        bench_begin(&b, 1024);
        bench_stream(&b, stream);
        assert_int_equal(osb_session_run(&b.box, "s", &command, NULL, &run), OSB_E_STREAM);
        assert_int_equal(run.timed_out, cases[i].timed_out);
        assert_false(run.exit_code.set);
        bench_end(&b);
    }
}

static int stop_event(void *user, const osb_event *event)
{
    (void)user;
    (void)event;
    return 1;
}

/* Cancelled code is interrupted as a command is, unless it is to be kept. */
static void test_cancelled_code(void **state)
{
    int keep;
    (void)state;
    for (keep = 0; keep < 2; keep++) {
        osb_handlers handlers = {0};
        osb_code code = {0};
        osb_execution run;
        bench b;
        handlers.on_init = stop_event;
        code.code = "1";
        code.keep_running = keep != 0;
        code.language = keep != 0 ? NULL : "python";
        bench_begin(&b, 1024);
        bench_stream(&b, BENCH_INIT);
        if (keep == 0) bench_execd_answers(&b, "");
        assert_int_equal(osb_code_run(&b.box, &code, &handlers, &run), OSB_E_CANCELLED);
        assert_string_equal(run.id, "0a1b");
        bench_end(&b);
    }
}

/* To execd, code without a language is a shell command: a context of which only the id is known is
   not sent. */
static void test_context_without_language(void **state)
{
    static const osb_code_context context = {"c-1", "", {NULL, 0}};
    osb_code code = {0};
    osb_execution run;
    bench b;
    (void)state;
    code.code = "print(1)";
    code.context = &context;
    bench_begin(&b, 1024);
    assert_int_equal(osb_code_run(&b.box, &code, NULL, &run), OSB_E_INVALID);
    assert_string_equal(osb_last_error(&b.client)->message.data, "no language");
    code.context = NULL;
    code.language = "";
    assert_int_equal(osb_code_run(&b.box, &code, NULL, &run), OSB_E_INVALID);
    bench_end(&b);
}

/* ---- the sidecar -------------------------------------------------------------------------------*/

#define REFUSED "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n"

static void connect_egress(bench *b, const osb_egress_options *options, osb_egress *egress)
{
    bench_lifecycle_answers(
        b, "{\"endpoint\":\"egress.example:18080\",\"headers\":{\"X-A\":\"1\",\"X-B\":\"2\"}}");
    assert_int_equal(osb_egress_connect(&b->box, options, egress), OSB_OK);
}

/* 426 is answered by the way through execd, once, if the caller allows it; the sidecar's headers go
   along but for those that execd's own requests have. */
static void test_vault_route(void **state)
{
    int allowed;
    (void)state;
    for (allowed = 0; allowed < 2; allowed++) {
        osb_egress_options options = {0};
        osb_egress egress;
        uint32_t revision = 7;
        bench b;
        options.allow_execd_route = allowed != 0;
        options.port = 9000;
        bench_begin(&b, 1024);
        memcpy(b.box.execd.headers,
               "x-a\0"
               "3\0",
               6);
        connect_egress(&b, &options, &egress);
        assert_non_null(strstr(b.port.log.data, "/endpoints/9000 HTTP/1.1\r\n"));
        script_connect(&b.port, "egress.example", 18080);
        bench_answer(&b, REFUSED);
        if (allowed) {
            bench_execd(&b);
            script_expect(&b.port, "GET /proxy/9000/credential-vault HTTP/1.1\r\n"
                                   "Host: execd.example:44772\r\nUser-Agent: t\r\nx-a: 3\r\n"
                                   "X-B: 2\r\n\r\n");
            script_reply(&b.port, REFUSED);
        }
        assert_int_equal(osb_vault_get(&egress, NULL, &revision), OSB_E_API);
        assert_int_equal(osb_last_error(&b.client)->http_status, 426);
        assert_int_equal(egress.through_execd, allowed != 0);
        assert_int_equal(revision, 0);
        bench_end(&b);
    }
}

/* Who fills in an address without an execd has no way through one: the secrets go nowhere else. */
static void test_no_vault_route(void **state)
{
    static const osb_credential credential = {"a", "the-secret"};
    osb_vault_content content = {0};
    osb_egress egress;
    bench b;
    (void)state;
    content.credentials = &credential;
    content.credential_count = 1;
    memset(&egress, 0, sizeof egress);
    strcpy(egress.endpoint.address, "egress.example:18080");
    egress.allow_execd_route = true;
    bench_begin(&b, 1024);
    egress.client = &b.client;
    script_connect(&b.port, "egress.example", 18080);
    bench_answer(&b, REFUSED);
    assert_int_equal(osb_vault_create(&egress, &content, NULL, NULL), OSB_E_API);
    assert_false(egress.through_execd);
    bench_end(&b);
}

static void test_egress_defaults(void **state)
{
    osb_egress egress;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    connect_egress(&b, NULL, &egress);
    assert_non_null(strstr(b.port.log.data, "/endpoints/18080 HTTP/1.1\r\n"));
    assert_false(egress.allow_execd_route);
    script_connect(&b.port, "egress.example", 18080);
    bench_answer(&b, "{\"revision\":3,\"credentials\":[]}");
    assert_int_equal(osb_vault_list_credentials(&egress, NULL, NULL), OSB_OK);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_unknown_commands),
        cmocka_unit_test(test_no_time_to_ask_again),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_no_page),
        cmocka_unit_test(test_snapshot_pages),
        cmocka_unit_test(test_session_timeout),
        cmocka_unit_test(test_cancelled_code),
        cmocka_unit_test(test_context_without_language),
        cmocka_unit_test(test_vault_route),
        cmocka_unit_test(test_no_vault_route),
        cmocka_unit_test(test_egress_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
