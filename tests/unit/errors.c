/* What an error tells, and that it outlives the call's own clean-up; the client's own checks. */
#include "tests/support/unit.h"

/* ---- the error's text ------------------------------------------------------------------------*/

static void expect_line(const bench *b, const char *line)
{
    char out[512], cut[20];
    size_t size = osb_error_text(&b->client, out, sizeof out);
    assert_string_equal(out, line);
    assert_int_equal(size, strlen(line));
    assert_int_equal(osb_error_text(&b->client, cut, sizeof cut), size);
    assert_memory_equal(cut, line, sizeof cut - 1);
    assert_int_equal(cut[sizeof cut - 1], '\0');
    assert_int_equal(osb_error_text(&b->client, NULL, 0), size);
}

static void test_error_lines(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(
        &b, "HTTP/1.1 401 Unauthorized\r\nX-Request-ID: r-1\r\nRetry-After: 3\r\n"
            "Content-Length: 45\r\n\r\n{\"code\":\"MISSING_API_KEY\",\"message\":\"no key\"}");
    assert_int_equal(osb_lifecycle_kill(&b.client, "7f"), OSB_E_AUTH);
    expect_line(&b, "DELETE /sandboxes/{id} at api.example:8080: not authorized: HTTP 401: "
                    "MISSING_API_KEY: no key, retry after 3 s, request r-1");
    bench_end(&b);
}

/* The text is one line whatever the server wrote, and tells the cause behind the status. */
static void test_lines_and_causes(void **state)
{
    osb_ready_options ready = {0};
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, "HTTP/1.1 500 E\r\nContent-Length: 5\r\n\r\na\nb\tc");
    assert_int_equal(osb_server_health(&b.client), OSB_E_API);
    expect_line(&b, "GET /health at api.example:8080: refused by the server: HTTP 500: a b c");
    ready.timeout_ms = 1;
    bench_answer(&b, BENCH_EMPTY("500 E"));
    assert_int_equal(osb_sandbox_connect(&b.client, "7f", &ready, &b.box), OSB_E_NOT_READY);
    expect_line(&b, "GET /sandboxes/{id} at api.example:8080: not ready in time: refused by "
                    "the server: HTTP 500");
    bench_end(&b);
}

static void test_no_error(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, BENCH_EMPTY("500 E"));
    bench_answer(&b, "");
    assert_int_equal(osb_server_health(&b.client), OSB_E_API);
    assert_int_equal(osb_last_error(&b.client)->http_status, 500);
    assert_int_equal(osb_server_health(&b.client), OSB_OK);
    assert_int_equal(osb_last_error(&b.client)->status, OSB_OK);
    assert_int_equal(osb_last_error(&b.client)->http_status, 0);
    assert_null(osb_last_error(&b.client)->message.data);
    bench_end(&b);
}

/* Each status has a text of its own. */
static void test_status_texts(void **state)
{
    char seen[64][64], out[64];
    size_t count = 0, i;
    osb_client c;
    (void)state;
    memset(&c, 0, sizeof c);
#define SHOW(name, value, text)                                                                    \
    c.error.status = c.error.cause = name;                                                         \
    assert_int_equal(osb_error_text(&c, out, sizeof out), strlen(text));                           \
    assert_string_equal(out, text);                                                                \
    for (i = 0; i < count; i++) assert_string_not_equal(seen[i], out);                             \
    strcpy(seen[count++], out);
    OSB_STATUS_LIST(SHOW)
#undef SHOW
    assert_int_equal(count, 22);
}

static void test_cut_message(void **state)
{
    char text[200];
    osb_client c;
    (void)state;
    memset(&c, 0, sizeof c);
    c.error.status = c.error.cause = OSB_E_API;
    c.error.message = osb__view("the beginning");
    (void)osb_error_text(&c, text, sizeof text);
    assert_null(strstr(text, "..."));
    c.error.message_cut = true;
    (void)osb_error_text(&c, text, sizeof text);
    assert_non_null(strstr(text, "the beginning..."));
}

/* Whoever reads the text must know that the request may not simply be sent again. */
static void test_effect(void **state)
{
    char text[200];
    osb_client c;
    (void)state;
    memset(&c, 0, sizeof c);
    c.error.status = c.error.cause = OSB_E_CLOSED;
    (void)osb_error_text(&c, text, sizeof text);
    assert_null(strstr(text, "may have had its effect"));
    c.error.maybe_applied = true;
    (void)osb_error_text(&c, text, sizeof text);
    assert_non_null(strstr(text, " (it may have had its effect)"));
}

/* The hint at the server's proxy is for addresses out of reach, not for certificates. */
static void test_hint(void **state)
{
    int https;
    (void)state;
    for (https = 0; https < 2; https++) {
        char text[300];
        bench b;
        bench_begin(&b, 1024);
        b.box.execd.https = https != 0;
        bench_execd_refuses(&b);
        b.port.steps[0].tls = https != 0;
        assert_int_equal(osb_ping(&b.box), OSB_E_CONNECT);
        osb_error_text(&b.client, text, sizeof text);
        assert_non_null(strstr(text, "scripted failure"));
        assert_true((strstr(text, "use_server_proxy") == NULL) == (https != 0));
        bench_end(&b);
    }
}

/* Only a stream's silence is called that. */
static void test_silence_in_an_answer(void **state)
{
    char line[256];
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{");
    bench_execd_answers(&b, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" BENCH_INIT);
    assert_int_equal(osb_server_health(&b.client), OSB_E_TIMEOUT);
    osb_error_text(&b.client, line, sizeof line);
    assert_non_null(strstr(line, "while waiting for the answer"));
    assert_int_equal(bench_run(&b, NULL, &run), OSB_E_TIMEOUT);
    osb_error_text(&b.client, line, sizeof line);
    assert_non_null(strstr(line, "silence on the stream"));
    bench_end(&b);
}

/* Nothing of one error is left in the next one. */
static void test_errors_do_not_mix(void **state)
{
    const osb_error *e;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(
        &b, "HTTP/1.1 503 E\r\nRetry-After: 9\r\nX-Request-ID: a\r\nContent-Length: 24\r\n\r\n"
            "{\"code\":\"A\",\"message\":1.}");
    bench_lifecycle_refuses(&b);
    assert_int_equal(osb_server_health(&b.client), OSB_E_API);
    b.port.now_ms += 60000;
    assert_int_equal(osb_server_health(&b.client), OSB_E_CONNECT);
    e = osb_last_error(&b.client);
    assert_int_equal(e->http_status, 0);
    assert_int_equal(e->retry_after_s, 0);
    assert_null(e->code.data);
    assert_null(e->request_id.data);
    assert_null(e->member);
    assert_int_equal(e->port_code, 42);
    assert_string_equal(e->port_text, "scripted failure");
    bench_end(&b);
}

/* ---- it outlives the clean-up ----------------------------------------------------------------*/

static osb_create_options plain_create(void)
{
    osb_create_options o = {0};
    o.image = "a";
    return o;
}

/* Create fails after the sandbox is there: kill follows, with an answer of its own. */
static void check_kill_after(const char *failure, osb_status expected, const char *code,
                             const char *message, const char *kill_answer)
{
    osb_create_options o = plain_create();
    const osb_error *e;
    bench b;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Running\"}}");
    bench_answer(&b, failure);
    script_add(&b.port, SCRIPT_MAY_CONNECT, "api.example", 11, 8080);
    bench_answer(&b, kill_answer);
    assert_int_equal(osb_sandbox_create(&b.client, &o, &b.box), expected);
    e = osb_last_error(&b.client);
    assert_int_equal(e->status, expected);
    assert_string_equal(e->operation, "GET /sandboxes/{id}/endpoints/{port}");
    assert_int_equal(e->target.size, strlen("api.example:8080"));
    assert_memory_equal(e->target.data, "api.example:8080", e->target.size);
    if (code != NULL) assert_true(osb_str_equal(e->code, code));
    if (message != NULL) assert_true(osb_str_equal(e->message, message));
    assert_string_equal(b.box.id, "7f");
    bench_end(&b);
}

static void test_kill_after_failed_create(void **state)
{
    static const char *const kills[] = {
        "HTTP/1.1 204 No Content\r\n\r\n",
        ("HTTP/1.1 500 E\r\nContent-Length: 32\r\nX-Request-ID: other\r\n\r\n"
         "{\"code\":\"OTHER\",\"message\":\"oops\"}"),
        "HTTP/1.1 404 E\r\nContent-Length: 4\r\n\r\ngone",
        "HTTP/1.1 302 E\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof kills / sizeof kills[0]; i++) {
        check_kill_after("HTTP/1.1 403 E\r\nX-Request-ID: r\r\nContent-Length: 34\r\n\r\n"
                         "{\"code\":\"FORBID\",\"message\":\"no way\"}",
                         OSB_E_AUTH, "FORBID", NULL, kills[i]);
        check_kill_after("HTTP/1.1 401 E\r\nContent-Length: 7\r\n\r\nno key!", OSB_E_AUTH, NULL,
                         "no key!", kills[i]);
        check_kill_after("{\"endpoint\":\"a b\"}", OSB_E_JSON, NULL, NULL, kills[i]);
    }
}

/* The clean-up itself cannot be done: the error is still the first one. */
static void test_kill_fails(void **state)
{
    static const script_kind how[] = {SCRIPT_REFUSE, SCRIPT_STALL};
    size_t i;
    (void)state;
    for (i = 0; i < 2; i++) {
        osb_create_options o = plain_create();
        bench b;
        bench_begin(&b, 1024);
        bench_lifecycle_answers(
            &b, "{\"id\":\"7f\",\"status\":{\"state\":\"Failed\",\"message\":\"crashed\"}}");
        script_close(&b.port);
        script_add(&b.port, how[i], "api.example", 11, 8080);
        assert_int_equal(osb_sandbox_create(&b.client, &o, &b.box), OSB_E_STATE);
        assert_true(osb_str_equal(osb_last_error(&b.client)->code, "Failed"));
        assert_true(osb_str_equal(osb_last_error(&b.client)->message, "crashed"));
        assert_null(osb_last_error(&b.client)->port_text);
        bench_end(&b);
    }
}

/* A port's own text is kept if it leaves room for the rest; a longer one stays where the port has
   it. */
static const char *explain_at_length(void *ctx, int32_t *code)
{
    *code = 7;
    return (const char *)((script_port *)ctx)->watch_user;
}

/* Of a port that knows no texts the error's line has the code. */
static const char *only_a_code(void *ctx, int32_t *code)
{
    *code = *(const int32_t *)((script_port *)ctx)->watch_user;
    return NULL;
}

static void test_port_code(void **state)
{
    static const struct {
        int32_t code;
        const char *text;
    } cases[] = {
        {113, "GET /health at api.example:8080: cannot connect: port code 113"},
        {-5, "GET /health at api.example:8080: cannot connect: port code -5"},
        {INT32_MIN, "GET /health at api.example:8080: cannot connect: port code -2147483648"},
        {0, "GET /health at api.example:8080: cannot connect"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int32_t code = cases[i].code;
        char text[128];
        bench b;
        bench_begin(&b, 1024);
        b.ops.error = only_a_code;
        b.port.watch_user = &code;
        bench_lifecycle_refuses(&b);
        assert_int_equal(osb_server_health(&b.client), OSB_E_CONNECT);
        (void)osb_error_text(&b.client, text, sizeof text);
        assert_string_equal(text, cases[i].text);
        bench_end(&b);
    }
}

static void test_long_port_text(void **state)
{
    char text[600];
    size_t size;
    (void)state;
    for (size = 0; size < 500; size += 29) {
        osb_create_options o = plain_create();
        bench b;
        bench_begin(&b, 1024);
        b.ops.error = explain_at_length;
        b.port.watch_user = text;
        memset(text, 'e', size);
        text[size] = '\0';
        o.ready.timeout_ms = 1;
        bench_lifecycle_answers(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Running\"}}");
        script_close(&b.port);
        bench_lifecycle_refuses(&b);
        bench_lifecycle_refuses(&b);
        assert_int_equal(osb_sandbox_create(&b.client, &o, &b.box), OSB_E_NOT_READY);
        assert_int_equal(osb_last_error(&b.client)->cause, OSB_E_CONNECT);
        assert_int_equal(osb_last_error(&b.client)->port_code, 7);
        assert_string_equal(osb_last_error(&b.client)->port_text, text);
        if (size > 0 && size < 200)
            assert_ptr_not_equal(osb_last_error(&b.client)->port_text, text);
        bench_end(&b);
    }
}

/* An error text of half the buffer outlives it too, or what fits of it, but never half overwritten. */
static void check_long_text_and_kill(size_t memory, size_t size)
{
    osb_create_options o = plain_create();
    struct text answer = {0};
    const osb_error *e;
    size_t i;
    bench b;
    bench_begin(&b, memory);
    text_print(&answer, "HTTP/1.1 403 E\r\n\r\n{\"message\":\"");
    for (i = 0; i < size; i++) text_add(&answer, "m", 1);
    text_print(&answer, "\"}");
    bench_lifecycle_answers(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Running\"}}");
    bench_last_answer(&b, answer.data);
    bench_lifecycle_answers(&b, "");
    assert_int_equal(osb_sandbox_create(&b.client, &o, &b.box), OSB_E_AUTH);
    e = osb_last_error(&b.client);
    assert_true(e->message.size <= size);
    if (size + 600 < memory) assert_int_equal(e->message.size, size);
    if (size >= 400) assert_true(e->message.size >= 400);
    assert_int_equal(e->message_cut, e->message.size < size);
    for (i = 0; i < e->message.size; i++) assert_int_equal(e->message.data[i], 'm');
    assert_int_equal(e->message.data[e->message.size], '\0');
    text_free(&answer);
    bench_end(&b);
}

/* The state of a sandbox that failed is said in any case, and why as far as there is room. */
static void check_long_reason_and_kill(const char *character, size_t size)
{
    osb_create_options o = plain_create();
    struct text answer = {0};
    const osb_error *e;
    char text[1000];
    size_t from;
    bench b;
    bench_begin(&b, 1024);
    text_print(&answer, "{\"id\":\"7f\",\"status\":{\"state\":\"Failed\",\"message\":\"");
    from = answer.size;
    while (answer.size < size) text_add(&answer, character, strlen(character));
    text_print(&answer, "\"}}");
    bench_lifecycle_answers(&b, answer.data);
    script_add(&b.port, SCRIPT_MAY_CONNECT, "api.example", 11, 8080);
    bench_answer(&b, BENCH_EMPTY("204 N"));
    assert_int_equal(osb_sandbox_create(&b.client, &o, &b.box), OSB_E_STATE);
    e = osb_last_error(&b.client);
    assert_true(osb_str_equal(e->code, "Failed"));
    assert_true(e->message.size >= 250 && from + e->message.size + 3 <= answer.size);
    assert_int_equal(e->message_cut, from + e->message.size + 3 < answer.size);
    assert_int_equal(e->message.size % strlen(character), 0); /* none is split */
    assert_memory_equal(e->message.data, answer.data + from, e->message.size);
    assert_in_range(e->message.data + e->message.size - (char *)b.memory, 0, 1023);
    if (e->message_cut) /* no room is left, but for the rest of a character */
        assert_in_range(e->message.data + e->message.size - (char *)b.memory,
                        1024 - strlen(character), 1023);
    assert_int_equal(e->message.data[e->message.size], '\0');
    assert_true(osb_error_text(&b.client, text, sizeof text) < sizeof text);
    assert_int_equal(strstr(text, "...") != NULL, e->message_cut);
    text_free(&answer);
    bench_end(&b);
}

static void test_long_reason_and_kill(void **state)
{
    size_t size;
    (void)state;
    for (size = 310; size < 700; size++) {
        check_long_reason_and_kill("\xe2\x82\xac", size);
        check_long_reason_and_kill("m", size);
    }
}

/* A server's path that fills half the buffer leaves the texts no room; the sandbox is killed. */
static void test_long_domain_and_kill(void **state)
{
    osb_create_options o = plain_create();
    char domain[700];
    bench b;
    (void)state;
    memset(domain, 'p', sizeof domain);
    memcpy(domain, "api.example:8080/", 17);
    domain[sizeof domain - 1] = '\0';
    bench_begin(&b, 1024);
    b.config.domain = domain;
    bench_again(&b);
    bench_lifecycle_answers(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Failed\"}}");
    bench_answer(&b, BENCH_EMPTY("204 N"));
    assert_int_equal(osb_sandbox_create(&b.client, &o, &b.box), OSB_E_STATE);
    assert_int_equal(osb_last_error(&b.client)->code.size, 0);
    assert_non_null(strstr(b.port.log.data, "/v1/sandboxes/7f HTTP"));
    bench_end(&b);
}

/* Of two texts the second goes first, wherever it begins. */
static void test_long_code_and_kill(void **state)
{
    size_t size, i;
    (void)state;
    for (size = 200; size < 700; size++) {
        osb_create_options o = plain_create();
        struct text answer = {0};
        const osb_error *e;
        bench b;
        bench_begin(&b, 1024);
        text_print(&answer, "HTTP/1.1 403 E\r\n\r\n{\"code\":\"");
        for (i = 0; i < size; i++) text_add(&answer, "c", 1);
        text_print(&answer, "\",\"message\":\"mm\"}");
        bench_lifecycle_answers(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Running\"}}");
        bench_last_answer(&b, answer.data);
        bench_lifecycle_answers(&b, "");
        assert_int_equal(osb_sandbox_create(&b.client, &o, &b.box), OSB_E_AUTH);
        e = osb_last_error(&b.client);
        assert_true(e->code.size >= 200 && e->code.size <= size && e->message.size <= 2);
        if (e->message.size == 2) assert_false(e->message_cut);
        if (e->code.size < size || e->message.size == 1) assert_true(e->message_cut);
        if (e->message.size > 0) assert_int_equal(e->code.size, size);
        for (i = 0; i < e->code.size; i++) assert_int_equal(e->code.data[i], 'c');
        assert_int_equal(e->code.data[e->code.size], '\0');
        assert_int_equal(e->message.data[e->message.size], '\0');
        text_free(&answer);
        bench_end(&b);
    }
}

static void test_long_json_and_kill(void **state)
{
    size_t memory, size;
    (void)state;
    for (memory = 1024; memory <= 4096; memory *= 2)
        for (size = 1; size < memory + 500; size += 31) check_long_text_and_kill(memory, size);
}

static void test_long_text_and_kill(void **state)
{
    size_t size;
    (void)state;
    for (size = 1; size < 1500; size += 13) {
        osb_create_options o = plain_create();
        struct text answer = {0};
        const osb_error *e;
        size_t i;
        bench b;
        bench_begin(&b, 1024);
        text_print(&answer, "HTTP/1.1 403 E\r\nContent-Length: %lu\r\n\r\n", (unsigned long)size);
        for (i = 0; i < size; i++) text_add(&answer, "m", 1);
        bench_lifecycle_answers(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Running\"}}");
        bench_answer(&b, answer.data);
        bench_answer(
            &b,
            "HTTP/1.1 500 E\r\nContent-Length: 29\r\n\r\n{\"code\":\"OTHER\",\"message\":\"x\"}");
        assert_int_equal(osb_sandbox_create(&b.client, &o, &b.box), OSB_E_AUTH);
        e = osb_last_error(&b.client);
        assert_true(e->message.size <= size);
        if (size < 300) assert_int_equal(e->message.size, size);
        for (i = 0; i < e->message.size; i++) assert_int_equal(e->message.data[i], 'm');
        text_free(&answer);
        bench_end(&b);
    }
}

/* However long the text is, the kill has room, and the names stay whole: also where the lifecycle
   server has a longer name than the sandbox whose answer the text is, or a shorter one. */
static void check_text_and_names(const char *domain, const char *sandbox, size_t size)
{
    osb_create_options o = plain_create();
    struct text answer = {0}, endpoint = {0};
    size_t i;
    bench b;
    bench_begin(&b, 1024);
    b.config.domain = domain;
    bench_again(&b);
    text_print(&answer, "HTTP/1.1 403 E\r\n\r\n{\"message\":\"");
    for (i = 0; i < size; i++) text_add(&answer, "m", 1);
    text_print(&answer, "\"}");
    text_print(&endpoint, "{\"endpoint\":\"%s:1\"}", sandbox);
    script_connect(&b.port, domain, 80);
    bench_answer(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Running\"}}");
    bench_answer(&b, endpoint.data);
    script_connect(&b.port, sandbox, 1);
    bench_last_answer(&b, answer.data);
    script_connect(&b.port, domain, 80);
    bench_answer(&b, "");
    assert_int_equal(osb_sandbox_create(&b.client, &o, &b.box), OSB_E_AUTH);
    text_free(&answer);
    text_free(&endpoint);
    bench_end(&b);
}

static void test_long_text_and_long_name(void **state)
{
    static const char name[] = "a-long-name-of-a-server.example";
    size_t size;
    (void)state;
    for (size = 0; size < 600; size += size < 400 ? 40 : 1) {
        check_text_and_names(name, "e", size);
        check_text_and_names("l", name, size);
    }
}

static struct {
    unsigned char memory[1024];
    char text[600]; /* too long to be kept */
} beside;

static const char *text_beside(void *ctx, int32_t *code)
{
    (void)ctx;
    *code = 7;
    return beside.text;
}

/* It is the port's, and stays where it is while the client makes room for its own texts. */
static void test_port_text_behind_the_memory(void **state)
{
    osb_create_options options = {0};
    bench b;
    (void)state;
    memset(beside.text, 'e', sizeof beside.text - 1);
    bench_begin(&b, 1024);
    b.ops.error = text_beside;
    b.config.memory = beside.memory;
    b.config.memory_size = sizeof beside.memory;
    bench_again(&b);
    options.image = "a";
    options.ready.timeout_ms = 1;
    bench_lifecycle_answers(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Running\"}}");
    script_close(&b.port);
    bench_lifecycle_refuses(&b);
    bench_lifecycle_refuses(&b);
    assert_int_equal(osb_sandbox_create(&b.client, &options, &b.box), OSB_E_NOT_READY);
    assert_ptr_equal(osb_last_error(&b.client)->port_text, beside.text);
    bench_end(&b);
}

/* The same with the interrupt that follows a cancelled run: here it is the handler's end. */
static int stop(void *user, const osb_event *event)
{
    (void)user;
    return event->type == OSB_EVENT_STDOUT;
}

static void test_interrupt_after_cancel(void **state)
{
    osb_handlers handlers = {0};
    osb_execution run;
    const osb_error *e;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    handlers.on_event = stop;
    bench_execd_answers(&b, BENCH_STREAM BENCH_INIT "{\"type\":\"stdout\",\"text\":\"x\"}\n\n");
    bench_execd_answers(
        &b, "HTTP/1.1 500 E\r\nContent-Length: 30\r\n\r\n{\"code\":\"OTHER\",\"message\":\"xx\"}");
    assert_int_equal(bench_run(&b, &handlers, &run), OSB_E_CANCELLED);
    e = osb_last_error(&b.client);
    assert_string_equal(e->operation, "POST /command");
    assert_int_equal(e->http_status, 200);
    assert_null(e->code.data);
    assert_string_equal(run.id, "0a1b");
    assert_false(run.exit_code.set);
    bench_end(&b);
}

/* ---- a large error body ----------------------------------------------------------------------*/

static void test_error_body_of_4_kb(void **state)
{
    static const size_t sizes[] = {1024, 2048, 9000};
    size_t i;
    int json;
    (void)state;
    for (i = 0; i < 3; i++)
        for (json = 0; json < 2; json++) {
            const osb_error *e;
            size_t n;
            bench b;
            bench_begin(&b, sizes[i]);
            bench_lifecycle(&b);
            script_request(&b.port);
            script_reply(&b.port, "HTTP/1.1 500 E\r\nTransfer-Encoding: chunked\r\n\r\n");
            if (json) script_reply(&b.port, "17\r\n{\"code\":\"A\",\"message\":\"\r\n");
            script_reply_times(&b.port, "4\r\n\xe2\x82\xac.\r\n", 1024);
            script_reply(&b.port, json ? "2\r\n\"}\r\n0\r\n\r\n" : "0\r\n\r\n");
            bench_answer(&b, "");
            assert_int_equal(osb_server_health(&b.client), OSB_E_API);
            e = osb_last_error(&b.client);
            if (json) assert_true(osb_str_equal(e->code, "A"));
            assert_int_equal(e->message_cut, sizes[i] < 9000);
            assert_true(e->message.size > sizes[i] / 3);
            if (e->message.size % 4 == 1 || e->message.size % 4 == 2)
                print_error("%lu bytes, json %d: %lu\n", (unsigned long)sizes[i], json,
                            (unsigned long)e->message.size);
            assert_int_equal(e->message.size % 4 == 1 || e->message.size % 4 == 2, 0); /* whole */
            for (n = 0; n + 4 <= e->message.size; n += 4)
                assert_memory_equal(e->message.data + n, "\xe2\x82\xac.", 4);
            assert_int_equal(osb_server_health(&b.client), OSB_OK);
            bench_end(&b);
        }
}

/* A message that all but fills the buffer, and another one behind it: the first one counts, and the
   call ends at once. */
static void test_two_long_messages(void **state)
{
    static const char *const second[] = {"\"bbbb\"", "{\"msg\":\"bbbb\"}",
                                         "{\"loc\":[\"b\",\"c\"]}", "[\"b\"],7"};
    static char filler[1100];
    size_t n, i;
    (void)state;
    memset(filler, 'a', sizeof filler);
    for (n = 900; n < 1024; n++)
        for (i = 0; i < 4; i++) {
            char body[1300];
            const osb_error *e;
            bench b;
            bench_begin(&b, 1024);
            bench_lifecycle(&b);
            snprintf(body, sizeof body, "HTTP/1.1 500 E\r\n\r\n{\"detail\":[\"%.*s\",%s]}", (int)n,
                     filler, second[i]);
            bench_answer(&b, body);
            script_close(&b.port);
            assert_int_equal(osb_server_health(&b.client), OSB_E_API);
            assert_int_equal(b.port.now_ms, 1000);
            e = osb_last_error(&b.client);
            assert_true(e->message.size <= n && e->message.size > 400);
            assert_int_equal(e->message_cut, e->message.size < n);
            assert_memory_equal(e->message.data, filler, e->message.size);
            bench_end(&b);
        }
}

/* The status of an answer is the call's, whatever is wrong with the text in it. */
static void test_spoiled_message(void **state)
{
    size_t n;
    (void)state;
    for (n = 0; n < 3000; n += 50) {
        struct text answer = {0};
        size_t i;
        bench b;
        bench_begin(&b, 1024);
        text_print(&answer, "HTTP/1.1 401 E\r\n\r\n{\"code\":\"A\",\"message\":\"\\q");
        for (i = 0; i < n; i++) text_add(&answer, "m", 1);
        text_print(&answer, "\"}");
        bench_lifecycle(&b);
        bench_last_answer(&b, answer.data);
        assert_int_equal(osb_server_health(&b.client), OSB_E_AUTH);
        assert_int_equal(osb_last_error(&b.client)->status, OSB_E_AUTH);
        assert_true(osb_str_equal(osb_last_error(&b.client)->code, "A"));
        assert_null(osb_last_error(&b.client)->message.data);
        assert_null(osb_last_error(&b.client)->member);
        text_free(&answer);
        bench_end(&b);
    }
}

/* What is kept of a message that is too large leaves room for what follows it, also beside another
   text that is kept. */
static void test_room_behind_a_cut_message(void **state)
{
    char answer[4096];
    const osb_error *e;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    sprintf(answer,
            "HTTP/1.1 500 E\r\nX-Request-ID: %0100d\r\nConnection: close\r\n\r\n"
            "{\"message\":\"%02000d\",\"code\":\"%0100d\"}",
            0, 0, 0);
    bench_lifecycle_answers(&b, answer);
    script_close(&b.port);
    assert_int_equal(osb_server_health(&b.client), OSB_E_API);
    e = osb_last_error(&b.client);
    assert_int_equal(e->request_id.size, 100);
    assert_true(e->message_cut);
    assert_in_range(e->message.size, 400, (1024 - 100) / 2 - 1);
    assert_int_equal(e->code.size, 100);
    bench_end(&b);
}

/* From 300 on an answer is an error, and its headers are kept. */
static void test_first_error_status(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, "HTTP/1.1 300 E\r\nX-Request-ID: a\r\nContent-Length: 0\r\n\r\n");
    assert_int_equal(osb_server_health(&b.client), OSB_E_REDIRECT);
    assert_true(osb_str_equal(osb_last_error(&b.client)->request_id, "a"));
    bench_end(&b);
}

/* ---- the client's own checks -----------------------------------------------------------------*/

static void test_init(void **state)
{
    osb_client client;
    osb_config config;
    osb_port_ops ops;
    bench b;
    int i;
    (void)state;
    bench_begin(&b, 1024);
    config = b.config;
    config.memory_size = 1023;
    assert_int_equal(osb_client_init(&client, &config), OSB_E_INVALID);
    assert_int_equal(osb_last_error(&client)->status, OSB_E_INVALID);
    config = b.config;
    config.memory = NULL;
    assert_int_equal(osb_client_init(&client, &config), OSB_E_INVALID);
    config = b.config;
    config.port.ops = NULL;
    assert_int_equal(osb_client_init(&client, &config), OSB_E_INVALID);
    for (i = 0; i < 5; i++) {
        config = b.config;
        ops = *config.port.ops;
        if (i == 0) ops.connect = NULL;
        if (i == 1) ops.send = NULL;
        if (i == 2) ops.recv = NULL;
        if (i == 3) ops.close = NULL;
        if (i == 4) ops.now_ms = NULL;
        config.port.ops = &ops;
        assert_int_equal(osb_client_init(&client, &config), OSB_E_INVALID);
    }
    assert_int_equal(osb_client_init_checked(&client, &b.config, 1), OSB_E_INVALID);
    bench_end(&b);
}

/* Whoever did not look at what osb_client_init said finds it in the calls' error. */
static void test_calls_after_a_failed_init(void **state)
{
    static const osb_create_options options = {.image = "a"};
    osb_client client;
    osb_config config;
    osb_sandbox_page page;
    osb_execution run;
    osb_sandbox box;
    osb_wait want;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    config = b.config;
    config.memory_size = 1023;
    assert_int_equal(osb_client_init(&client, &config), OSB_E_INVALID);
    assert_int_equal(osb_server_health(&client), OSB_E_BUSY);
    assert_int_equal(osb_sandbox_create(&client, &options, &box), OSB_E_BUSY);
    assert_int_equal(osb_lifecycle_list_all(&client, NULL, NULL, &page), OSB_E_BUSY);
    box = b.box;
    box.client = &client;
    assert_int_equal(osb_command_run(&box, &bench_command, NULL, &run), OSB_E_BUSY);
    assert_int_equal(osb_poll(&client), OSB_E_INVALID);
    osb_want(&client, &want);
    osb_cancel(&client);
    assert_non_null(strstr(osb_last_error(&client)->message.data, "1024"));
    osb_client_close(&client);
    assert_int_equal(b.port.connects, 0);
    bench_end(&b);
}

static void test_arguments(void **state)
{
    static const char *const argv[] = {"a", NULL};
    osb_command both = {0}, none = {0};
    osb_request request = {0};
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    both.command = "a";
    both.argv = argv;
    assert_int_equal(osb_command_run(&b.box, &both, NULL, &run), OSB_E_INVALID);
    assert_int_equal(osb_command_run(&b.box, &none, NULL, &run), OSB_E_INVALID);
    request.body = "x";
    request.body_size = 0x80000000u;
    assert_int_equal(osb_endpoint_request(&b.client, &b.box.execd, &request, NULL), OSB_E_INVALID);
    b.config.domain = "not a domain";
    bench_again(&b);
    assert_int_equal(osb_server_health(&b.client), OSB_E_INVALID);
    assert_true(osb_str_equal(osb_last_error(&b.client)->target, "not a domain"));
    b.config.domain = "";
    bench_again(&b);
    assert_int_equal(osb_server_health(&b.client), OSB_E_INVALID);
    assert_int_equal(osb_ping(&b.box), OSB_E_INVALID); /* who may have the API key is not known */
    assert_true(osb_str_equal(osb_last_error(&b.client)->message, "no valid address"));
    assert_int_equal(osb_lifecycle_endpoint(&b.client, "7f", 80, NULL, &b.box.execd),
                     OSB_E_INVALID);
    b.config.domain = "api.example";
    bench_again(&b);
    strcpy(b.box.execd.address, "no port:x");
    assert_int_equal(osb_ping(&b.box), OSB_E_INVALID);
    assert_true(osb_str_equal(osb_last_error(&b.client)->target, "no port:x"));
    assert_int_equal(b.port.calls, 0);
    bench_end(&b);
}

/* What renew finds out before it renews. */
static void test_renew(void **state)
{
    osb_str until = {"x", 1};
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, BENCH_EMPTY("404 E"));
    assert_int_equal(osb_lifecycle_renew(&b.client, "7f", 60, &until), OSB_E_NOT_FOUND);
    assert_string_equal(osb_last_error(&b.client)->operation, "GET /sandboxes/{id}");
    assert_null(until.data);
    bench_answer(&b, "HTTP/1.1 200 OK\r\nDate: Thu, 31 Dec 2105 23:00:00 GMT\r\n"
                     "Content-Length: 0\r\n\r\n");
    assert_int_equal(osb_lifecycle_renew(&b.client, "7f", 0, &until), OSB_E_INVALID);
    assert_int_equal(osb_lifecycle_renew(&b.client, "7f", 0xffffffffu, &until), OSB_E_INVALID);
    assert_string_equal(osb_last_error(&b.client)->operation,
                        "POST /sandboxes/{id}/renew-expiration");
    bench_answer(&b, ""); /* an answer without a body says nothing of the new end */
    assert_int_equal(osb_lifecycle_renew(&b.client, "7f", 60, &until), OSB_OK);
    assert_null(until.data);
    bench_end(&b);
}

/* An id that stands in the working buffer would be overwritten by the request. */
static void test_id_in_the_buffer(void **state)
{
    osb_sandbox_info info;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, "{\"id\":\"7f\"}");
    assert_int_equal(osb_lifecycle_get(&b.client, "7f", NULL, &info), OSB_OK);
    assert_int_equal(osb_lifecycle_kill(&b.client, info.id.data), OSB_E_INVALID);
    assert_non_null(osb_last_error(&b.client)->message.data);
    bench_end(&b);
}

/* Without a domain it is the local one. */
static void test_default_domain(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    b.config.domain = NULL;
    bench_again(&b);
    script_connect(&b.port, "localhost", 8080);
    bench_answer(&b, "");
    assert_int_equal(osb_server_health(&b.client), OSB_OK);
    bench_end(&b);
}

/* A host name that leaves no room in the buffer. */
static void test_long_host(void **state)
{
    static char domain[2000];
    size_t needed;
    bench b;
    (void)state;
    memset(domain, 'a', 700);
    bench_begin(&b, 1024);
    b.config.domain = domain;
    bench_again(&b);
    assert_int_equal(osb_server_health(&b.client), OSB_E_BUFFER);
    needed = osb_last_error(&b.client)->needed;
    bench_end(&b);
    bench_begin(&b, needed);
    b.config.domain = domain;
    bench_again(&b);
    script_connect(&b.port, domain, 80);
    bench_answer(&b, "");
    assert_int_equal(osb_server_health(&b.client), OSB_OK);
    bench_end(&b);
}

/* Eight kilobytes of headers, a kill: in 1 KB. */
static void test_kill_in_1_kb(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle(&b);
    script_request(&b.port);
    script_reply(&b.port, "HTTP/1.1 204 No Content\r\n");
    script_reply_times(&b.port,
                       "X-Header-Of-Some-Proxy: 0123456789012345678901234567890123456789\r\n", 128);
    script_reply(&b.port, "\r\n");
    bench_answer(&b, "");
    assert_int_equal(osb_sandbox_kill(&b.box), OSB_OK);
    assert_int_equal(osb_server_health(&b.client), OSB_OK);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_lines),
        cmocka_unit_test(test_lines_and_causes),
        cmocka_unit_test(test_no_error),
        cmocka_unit_test(test_status_texts),
        cmocka_unit_test(test_cut_message),
        cmocka_unit_test(test_effect),
        cmocka_unit_test(test_hint),
        cmocka_unit_test(test_silence_in_an_answer),
        cmocka_unit_test(test_errors_do_not_mix),
        cmocka_unit_test(test_kill_after_failed_create),
        cmocka_unit_test(test_kill_fails),
        cmocka_unit_test(test_port_code),
        cmocka_unit_test(test_long_port_text),
        cmocka_unit_test(test_long_text_and_kill),
        cmocka_unit_test(test_long_json_and_kill),
        cmocka_unit_test(test_long_reason_and_kill),
        cmocka_unit_test(test_long_domain_and_kill),
        cmocka_unit_test(test_long_code_and_kill),
        cmocka_unit_test(test_long_text_and_long_name),
        cmocka_unit_test(test_port_text_behind_the_memory),
        cmocka_unit_test(test_interrupt_after_cancel),
        cmocka_unit_test(test_error_body_of_4_kb),
        cmocka_unit_test(test_two_long_messages),
        cmocka_unit_test(test_spoiled_message),
        cmocka_unit_test(test_room_behind_a_cut_message),
        cmocka_unit_test(test_init),
        cmocka_unit_test(test_calls_after_a_failed_init),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_id_in_the_buffer),
        cmocka_unit_test(test_default_domain),
        cmocka_unit_test(test_renew),
        cmocka_unit_test(test_long_host),
        cmocka_unit_test(test_first_error_status),
        cmocka_unit_test(test_kill_in_1_kb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
