/* Where secrets go and how long they stay; what cannot be smuggled into a request. */
#define _DEFAULT_SOURCE
#include "tests/support/unit.h"
#include <sys/mman.h>
#include <unistd.h>

/* ---- where they go ---------------------------------------------------------------------------*/

static void test_key_stays_home(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, "");
    assert_int_equal(osb_ping(&b.box), OSB_OK);
    assert_null(strstr(b.port.log.data, "the-key"));
    bench_end(&b);
}

/* The lifecycle server itself as a way into a sandbox: the key goes along. Another port, another
   scheme, a longer or shorter name is another server. */
static void test_key_and_origins(void **state)
{
    static const struct {
        const char *address, *host;
        uint16_t port;
        bool tls, key;
    } cases[] = {
        {"api.example:8080/sandboxes/x/proxy/1", "api.example", 8080, false, true},
        {"API.example:8080", "API.example", 8080, false, true},
        {"api.example", "api.example", 80, false, false},
        {"https://api.example:8080", "api.example", 8080, true, false},
        {"api.example.evil:8080", "api.example.evil", 8080, false, false},
        {"api.exampl:8080", "api.exampl", 8080, false, false},
        {"apj.example:8080", "apj.example", 8080, false, false},
        {"xapi.example:8080", "xapi.example", 8080, false, false},
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bench b;
        bench_begin(&b, 1024);
        strcpy(b.box.execd.address, cases[i].address);
        script_connect(&b.port, cases[i].host, cases[i].port);
        b.port.steps[0].tls = cases[i].tls;
        bench_answer(&b, "");
        assert_int_equal(osb_ping(&b.box), OSB_OK);
        assert_int_equal(strstr(b.port.log.data, "OPEN-SANDBOX-API-KEY: the-key\r\n") != NULL,
                         cases[i].key);
        bench_end(&b);
    }
}

/* An endpoint's headers go to that endpoint, and nowhere else. */
static void test_endpoint_headers_stay(void **state)
{
    osb_sandbox other;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    memcpy(b.box.execd.headers, "X-EXECD-ACCESS-TOKEN\0tok\0", 26);
    other = b.box;
    strcpy(other.execd.address, "other.example:44772");
    memset(other.execd.headers, 0, sizeof other.execd.headers);
    bench_execd_answers(&b, "");
    script_connect(&b.port, "other.example", 44772);
    bench_answer(&b, "");
    bench_lifecycle_answers(&b, "");
    assert_int_equal(osb_ping(&b.box), OSB_OK);
    assert_non_null(strstr(b.port.log.data, "X-EXECD-ACCESS-TOKEN: tok\r\n"));
    text_clear(&b.port.log);
    assert_int_equal(osb_ping(&other), OSB_OK);
    assert_int_equal(osb_sandbox_kill(&b.box), OSB_OK);
    assert_null(strstr(b.port.log.data, "tok"));
    bench_end(&b);
}

static void test_no_downgrade(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    b.ops.tls = false;
    b.config.domain = "https://api.example";
    bench_again(&b);
    assert_int_equal(osb_server_health(&b.client), OSB_E_NO_TLS);
    assert_int_equal(b.port.calls, 0);
    strcpy(b.box.execd.address, "https://execd.example");
    assert_int_equal(osb_ping(&b.box), OSB_E_NO_TLS);
    assert_int_equal(b.port.calls, 0);
    bench_end(&b);
}

/* The endpoints of an https server are reached by https. */
static void test_endpoints_inherit_https(void **state)
{
    osb_endpoint endpoint;
    bench b;
    char url[64];
    (void)state;
    bench_begin(&b, 1024);
    b.config.domain = "https://api.example";
    bench_again(&b);
    script_connect(&b.port, "api.example", 443);
    b.port.steps[0].tls = true;
    bench_answer(&b, "{\"endpoint\":\"e.example:44772/a/\"}");
    assert_int_equal(osb_lifecycle_endpoint(&b.client, "7f", 80, NULL, &endpoint), OSB_OK);
    assert_true(endpoint.https);
    assert_int_equal(osb_endpoint_url(&endpoint, url, sizeof url), 25);
    assert_string_equal(url, "https://e.example:44772/a");
    bench_end(&b);
}

/* ---- how long they stay ----------------------------------------------------------------------*/

static void look_for_secrets(script_port *port)
{
    bench *b = (bench *)port->watch_user;
    size_t size = b->config.memory_size;
    if (port->at < port->step_count && port->steps[port->at].kind <= SCRIPT_REQUEST)
        return; /* it is being sent */
    assert_false(bench_contains(b->memory, size, "the-key"));
    assert_false(bench_contains(b->memory, size, "tok-en"));
    assert_false(bench_contains(b->memory, size, "pass-word"));
    assert_false(bench_contains(b->memory, size, "secret-env"));
}

/* Once the last byte is out, neither key nor token nor body is left in the buffer. */
static void test_wiped_after_sending(void **state)
{
    static const osb_pair env = {"S", "secret-env"};
    static const size_t sizes[] = {1024, 2048, 4096};
    size_t i;
    (void)state;
    for (i = 0; i < 3; i++) {
        osb_create_options o = {0};
        osb_execution run;
        bench b;
        bench_begin(&b, sizes[i]);
        b.port.watch = look_for_secrets;
        b.port.watch_user = &b;
        o.image = "a";
        o.image_username = "u";
        o.image_password = "pass-word";
        o.env = &env;
        o.env_count = 1;
        bench_lifecycle_answers(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Running\"}}");
        bench_answer(&b, "{\"endpoint\":\"execd.example:44772\",\"headers\":{\"T\":\"tok-en\"}}");
        bench_execd_answers(&b, "");
        bench_answer(&b, BENCH_STREAM BENCH_INIT BENCH_DONE);
        script_close(&b.port);
        assert_int_equal(osb_sandbox_create(&b.client, &o, &b.box), OSB_OK);
        assert_int_equal(bench_run(&b, NULL, &run), OSB_OK);
        look_for_secrets(&b.port);
        assert_non_null(strstr(b.port.log.data, "tok-en"));
        bench_end(&b);
    }
}

/* Nor after a request that did not get through. */
static void test_wiped_after_failures(void **state)
{
    static const script_kind ends[] = {SCRIPT_CLOSE, SCRIPT_RESET, SCRIPT_PAUSE};
    size_t i, limit;
    (void)state;
    for (i = 0; i < 3; i++)
        for (limit = 10; limit < 120; limit += 7) {
            bench b;
            char request[128];
            bench_begin(&b, 1024);
            bench_lifecycle(&b);
            snprintf(request, sizeof request,
                     "GET /health HTTP/1.1\r\nHost: api.example:8080\r\nUser-Agent: t\r\n"
                     "OPEN-SANDBOX-API-KEY: the-key\r\n\r\n");
            script_add(&b.port, SCRIPT_EXPECT, request,
                       limit < strlen(request) ? limit : strlen(request), 1);
            script_add(&b.port, ends[i], "", 0, 100000);
            assert_true(osb_server_health(&b.client) < 0);
            assert_false(bench_contains(b.memory, 1024, "the-key"));
            bench_end(&b);
        }
}

static void test_wiped_on_close(void **state)
{
    size_t i;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, "");
    assert_int_equal(osb_server_health(&b.client), OSB_OK);
    osb_client_close(&b.client);
    for (i = 0; i < 1024; i++) assert_int_equal(b.memory[i], 0);
    bench_end(&b);
}

/* ---- what cannot be smuggled in --------------------------------------------------------------*/

static const char *const evil[] = {"a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rb", "a\x01", "a\x7f"};

static void test_evil_config(void **state)
{
    size_t i;
    (void)state;
    for (i = 0; i < sizeof evil / sizeof evil[0]; i++) {
        osb_pair header = {"X-A", NULL};
        int which;
        for (which = 0; which < 5; which++) {
            bench b;
            bench_begin(&b, 1024);
            header.name = which == 3 ? evil[i] : "X-A";
            header.value = which == 2 ? evil[i] : "b";
            if (which == 0) b.config.api_key = evil[i];
            if (which == 1) b.config.user_agent = evil[i];
            if (which == 2 || which == 3) {
                b.config.headers = &header;
                b.config.header_count = 1;
            }
            if (which == 4) b.config.domain = evil[i];
            bench_again(&b);
            assert_int_equal(osb_server_health(&b.client), OSB_E_INVALID);
            assert_non_null(osb_last_error(&b.client)->message.data);
            assert_int_equal(b.port.calls, 0);
            bench_end(&b);
        }
    }
}

/* Header names are tokens: no space, no colon. */
static void test_evil_header_names(void **state)
{
    static const char *const names[] = {"X A", " X", "X\t", "X-A:"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        osb_pair header;
        bench b;
        header.name = names[i];
        header.value = "b";
        bench_begin(&b, 1024);
        b.config.headers = &header;
        b.config.header_count = 1;
        bench_again(&b);
        if (i == 3) bench_lifecycle(&b); /* not checked up to 0.1 */
        if (i == 3) bench_answer(&b, "");
        assert_int_equal(osb_server_health(&b.client), i == 3 ? OSB_OK : OSB_E_INVALID);
        bench_end(&b);
    }
}

static void test_evil_ids(void **state)
{
    static const char *const bad[] = {"", ".", ".."}, *const good[] = {".a", "...", "..a"};
    size_t i;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    for (i = 0; i < 3; i++) {
        osb_command_state s;
        uint64_t next;
        assert_int_equal(osb_lifecycle_kill(&b.client, bad[i]), OSB_E_INVALID);
        assert_int_equal(osb_lifecycle_kill(&b.client, NULL), OSB_E_INVALID);
        assert_int_equal(osb_command_status(&b.box, bad[i], NULL, NULL, &s), OSB_E_INVALID);
        assert_int_equal(osb_command_logs(&b.box, bad[i], 0, NULL, NULL, &next), OSB_E_INVALID);
        assert_int_equal(osb_command_interrupt(&b.box, ""), OSB_E_INVALID);
    }
    assert_int_equal(b.port.calls, 0);
    bench_lifecycle_answers(&b, "");
    assert_int_equal(osb_lifecycle_kill(&b.client, "a b/../c?d#e\r\nX: y%"), OSB_OK);
    assert_non_null(
        strstr(b.port.log.data,
               "DELETE /v1/sandboxes/a%20b%2F..%2Fc%3Fd%23e%0D%0AX%3A%20y%25 HTTP/1.1\r\n"));
    for (i = 0; i < 3; i++) { /* these only begin like the bad ones */
        bench_answer(&b, "");
        assert_int_equal(osb_lifecycle_kill(&b.client, good[i]), OSB_OK);
    }
    bench_end(&b);
}

static void test_evil_raw_requests(void **state)
{
    static const osb_request requests[] = {{.method = "GET /x HTTP/1.1\r\nX: y\r\n\r\nGET"},
                                           {.method = "G T"},
                                           {.method = ""},
                                           {.path = "/a b"},
                                           {.path = "/a\r\nX: y"},
                                           {.path = "a"},
                                           {.path = ""}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        uint16_t http_status;
        bench b;
        osb_status status;
        bench_begin(&b, 1024);
        status = osb_endpoint_request(&b.client, &b.box.execd, &requests[i], &http_status);
        if (status != OSB_E_INVALID) print_error("request %lu\n", (unsigned long)i);
        assert_int_equal(status, OSB_E_INVALID);
        assert_int_equal(b.port.calls, 0);
        bench_end(&b);
    }
}

/* ---- the ends of the buffer ------------------------------------------------------------------*/

/* The working buffer ends at a page that cannot be touched, or begins behind one. */
static void test_guard_pages(void **state)
{
    static const char *const answers[] = {"{\"id\":\"7f\"}",
                                          "{\"id\":\"7f",
                                          "{\"id\":123",
                                          "{\"id\":\"\\u12",
                                          "HTTP/1.1 500 E\r\n\r\ntext",
                                          "HTTP/1.1 200 OK\r\nX:",
                                          "HTTP/1.1 500 E\r\n\r\n{\"message\":\"m\\",
                                          "HTTP/1.1",
                                          ""};
    size_t page = (size_t)sysconf(_SC_PAGESIZE), i, filler;
    unsigned char *map =
        (unsigned char *)mmap(NULL, 4 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_true(map != MAP_FAILED);
    assert_int_equal(mprotect(map + page, 2 * page, PROT_READ | PROT_WRITE), 0);
    for (i = 0; i < sizeof answers / sizeof answers[0]; i++)
        for (filler = 0; filler < 2; filler++) {
            int at_end;
            for (at_end = 0; at_end < 2; at_end++) {
                osb_sandbox_info info;
                bench b;
                bench_begin(&b, 1024);
                b.config.memory_size = 1024;
                b.config.memory = at_end ? map + 3 * page - 1024 : map + page;
                bench_again(&b);
                bench_lifecycle(&b);
                script_request(&b.port);
                if (strncmp(answers[i], "HTTP", 4) != 0)
                    script_reply(&b.port, "HTTP/1.1 200 OK\r\n\r\n");
                if (filler > 0) { /* until the buffer is full */
                    script_reply(&b.port,
                                 strncmp(answers[i], "HTTP", 4) == 0 ? answers[i] : "{\"id\":\"");
                    script_reply_times(&b.port, "y", 3000);
                }
                script_reply_times(&b.port, answers[i], answers[i][0] != '\0');
                script_close(&b.port);
                (void)osb_lifecycle_get(&b.client, "7f", NULL, &info);
                b.port.at = b.port.step_count;
                bench_end(&b);
            }
        }
    munmap(map, 4 * page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_stays_home),
        cmocka_unit_test(test_key_and_origins),
        cmocka_unit_test(test_endpoint_headers_stay),
        cmocka_unit_test(test_no_downgrade),
        cmocka_unit_test(test_endpoints_inherit_https),
        cmocka_unit_test(test_wiped_after_sending),
        cmocka_unit_test(test_wiped_after_failures),
        cmocka_unit_test(test_wiped_on_close),
        cmocka_unit_test(test_evil_config),
        cmocka_unit_test(test_evil_header_names),
        cmocka_unit_test(test_evil_ids),
        cmocka_unit_test(test_evil_raw_requests),
        cmocka_unit_test(test_guard_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
