/* What `make mutants` found untested: edges of times, sizes and of what servers may send. */
#include "tests/support/unit.h"

static void test_longest_number(void **state)
{
    unsigned char out[20];
    osb__writer w;
    (void)state;
    memset(&w, 0, sizeof w);
    w.out = out;
    w.room = sizeof out;
    osb__put_number(&w, UINT64_MAX);
    assert_int_equal(w.at, 20);
    assert_memory_equal(out, "18446744073709551615", 20);
}

/* What stands behind a number's end is none of its. */
static void test_number_ends_where_told(void **state)
{
    (void)state;
    assert_true(osb__json_is_number("1e", 1));
    assert_true(osb__json_is_number("1.5e", 3));
    assert_true(osb__json_is_number("1e5", 3));
    assert_false(osb__json_is_number("1e", 2));
    assert_false(osb__json_is_number("1.", 2));
    assert_false(osb__json_is_number("-", 1));
}

/* The line of a chunk's size must have one, also behind another chunk. */
static void test_chunk_without_a_size(void **state)
{
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "2\r\n{}\r\n\r\n\r\n");
    assert_int_equal(osb_server_health(&b.client), OSB_E_PROTOCOL);
    bench_end(&b);
}

/* ---- time ------------------------------------------------------------------------------------*/

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

/* A command whose time is up within the millisecond in which it began. */
static void test_killed_at_once(void **state)
{
    osb_command command = bench_command;
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    command.timeout_ms = 5;
    bench_stream(&b, BENCH_INIT
                 "{\"type\":\"error\",\"timestamp\":100,\"error\":{\"ename\":\"CommandExecError\","
                 "\"evalue\":\"-1\",\"traceback\":[]}}\n\n");
    assert_int_equal(osb_command_run(&b.box, &command, NULL, &run), OSB_OK);
    assert_int_equal(run.exit_code.value, -1);
    assert_true(run.timed_out);
    bench_end(&b);
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
        bench_execd_answers(&b, "HTTP/1.1 404 N\r\nContent-Length: 0\r\n\r\n");
        if (more_ms > 0) bench_answer(&b, "{\"running\":false}");
        assert_int_equal(osb_command_wait(&b.box, "x", &wait, &answer),
                         more_ms > 0 ? OSB_OK : OSB_E_NOT_FOUND);
        bench_end(&b);
    }
}

/* Only a session's run that was given a time can have used it up. */
static void test_session_without_a_time(void **state)
{
    static const char failure[] =
        "{\"code\":\"RUNTIME_ERROR\",\"message\":\"error running in session. timeout after 1s\"}";
    osb_session_command command = {"x", NULL, 0};
    (void)state;
    for (; command.timeout_ms <= 1000; command.timeout_ms += 1000) {
        osb_execution run;
        bench b;
        bench_begin(&b, 1024);
        bench_execd_answers(&b, BENCH_STREAM);
        script_reply(&b.port, BENCH_INIT);
        script_reply(&b.port, failure);
        script_close(&b.port);
        assert_int_equal(osb_session_run(&b.box, "5e01", &command, NULL, &run), OSB_E_STREAM);
        assert_int_equal(run.timed_out, command.timeout_ms > 0);
        bench_end(&b);
    }
}

/* ---- sources ---------------------------------------------------------------------------------*/

typedef struct greedy_source {
    const unsigned char *end; /* of the client's memory */
    size_t left;
} greedy_source;

/* Fills all the room that it is given. */
static int read_greedily(void *user, void *data, size_t size)
{
    greedy_source *source = (greedy_source *)user;
    size_t n = size < source->left ? size : source->left;
    assert_true(size <= (size_t)(source->end - (unsigned char *)data));
    memset(data, 'f', n);
    source->left -= n;
    return (int)n;
}

/* An upload keeps its place in the client's memory, and a source gets only what is left of it. */
static void test_room_of_a_source(void **state)
{
    int chunked;
    (void)state;
    for (chunked = 0; chunked < 2; chunked++) {
        osb_upload file = {0};
        greedy_source source = {NULL, 5000};
        bench b;
        bench_begin(&b, 1024);
        source.end = b.memory + 1024;
        file.path = "/a";
        file.user = &source;
        file.read_body = read_greedily;
        file.body_size = 5000;
        file.body_size_unknown = chunked != 0;
        bench_execd_answers(&b, "");
        assert_int_equal(osb_file_upload(&b.box, &file, 1, false), OSB_OK);
        assert_int_equal(source.left, 0);
        bench_end(&b);
    }
}

/* ---- behind a stream's last event ------------------------------------------------------------*/

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

/* What is wrong there changes nothing about the outcome. */
static void test_nonsense_behind_the_end(void **state)
{
    static char stream[512];
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    sprintf(stream, CHUNKED "%x\r\n%s\r\nzz\r\n", (unsigned)strlen(BENCH_INIT BENCH_DONE),
            BENCH_INIT BENCH_DONE);
    bench_execd_answers(&b, stream);
    assert_int_equal(bench_run(&b, NULL, &run), OSB_OK);
    assert_true(run.ended);
    bench_end(&b);
}

/* A server that goes on all the same is listened to for eight more receives. The last event ends
   with its "}". */
static void test_goes_on_behind_the_end(void **state)
{
    osb_execution run;
    size_t ended_at;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, BENCH_STREAM BENCH_INIT BENCH_DONE);
    ended_at = strlen(BENCH_STREAM BENCH_INIT BENCH_DONE) - strlen("\n\n");
    script_reply_times(&b.port, "\n", 1000);
    b.port.cut = CUT_BYTES;
    assert_int_equal(bench_run(&b, NULL, &run), OSB_OK);
    assert_int_equal(b.port.received, ended_at + 8);
    bench_end(&b);
}

/* ---- texts -----------------------------------------------------------------------------------*/

/* The longest name of a language that fits, and one more. */
static void test_longest_language(void **state)
{
    osb_code_context context;
    bench b;
    (void)state;
    assert_int_equal(OSB_LANGUAGE_SIZE, 16);
    bench_begin(&b, 1024);
    bench_execd_answers(&b, "{\"id\":\"c-1\",\"language\":\"123456789012345\"}");
    bench_answer(&b, "{\"id\":\"c-1\",\"language\":\"1234567890123456\"}");
    assert_int_equal(osb_code_context_get(&b.box, "c-1", &context), OSB_OK);
    assert_string_equal(context.language, "123456789012345");
    assert_int_equal(osb_code_context_get(&b.box, "c-1", &context), OSB_E_BUFFER);
    assert_string_equal(osb_last_error(&b.client)->member, "language");
    assert_int_equal(osb_last_error(&b.client)->needed, 17);
    bench_end(&b);
}

/* The same of an endpoint's address. */
static void test_longest_address(void **state)
{
    char body[512];
    int size;
    (void)state;
    for (size = OSB_ENDPOINT_SIZE - 1; size <= OSB_ENDPOINT_SIZE; size++) {
        bool fits = size < OSB_ENDPOINT_SIZE;
        osb_endpoint endpoint;
        bench b;
        bench_begin(&b, 1024);
        sprintf(body, "{\"endpoint\":\"a.example/%0*d\"}", size - 10, 0);
        bench_lifecycle_answers(&b, body);
        assert_int_equal(osb_lifecycle_endpoint(&b.client, "x", 80, NULL, &endpoint),
                         fits ? OSB_OK : OSB_E_BUFFER);
        if (fits) assert_int_equal(strlen(endpoint.address), size);
        else assert_int_equal(osb_last_error(&b.client)->needed, OSB_ENDPOINT_SIZE + 1);
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

static char cell_text[64];

static int keep_cell(void *user, uint32_t row, uint32_t column, osb_str value)
{
    (void)user;
    assert_int_equal(row + column, 0);
    memcpy(cell_text, value.data, value.size + 1);
    return 0;
}

/* The last pair of surrogates, and the halves at the ends of their ranges alone. */
static void test_last_surrogates(void **state)
{
    static const char json[] = "{\"columns\":[\"\\udbff\\udfff,\\ud800,\\udc00,\\udbff,\\udfff\"]}";
    osb_rows rows;
    char cell[64];
    (void)state;
    memset(&rows, 0, sizeof rows);
    rows.on_cell = keep_cell;
    rows.data = cell;
    rows.size = sizeof cell;
    assert_int_equal(osb_rows_feed(&rows, json, strlen(json)), OSB_OK);
    assert_string_equal(cell_text, "\xf4\x8f\xbf\xbf,\xef\xbf\xbd,\xef\xbf\xbd,\xef\xbf\xbd,"
                                   "\xef\xbf\xbd");
}

/* ---- an error's text right behind the client's memory ----------------------------------------*/

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
    osb_port_ops ops;
    bench b;
    (void)state;
    memset(beside.text, 'e', sizeof beside.text - 1);
    bench_begin(&b, 1024);
    ops = *b.config.port.ops;
    ops.error = text_beside;
    b.config.port.ops = &ops;
    b.config.memory = beside.memory;
    b.config.memory_size = sizeof beside.memory;
    bench_again(&b);
    options.image = "a";
    options.ready.timeout_ms = 1;
    bench_lifecycle_answers(&b, "{\"id\":\"7f\",\"status\":{\"state\":\"Running\"}}");
    script_close(&b.port);
    script_add(&b.port, SCRIPT_REFUSE, "api.example", 11, 8080);
    script_add(&b.port, SCRIPT_REFUSE, "api.example", 11, 8080);
    assert_int_equal(osb_sandbox_create(&b.client, &options, &b.box), OSB_E_NOT_READY);
    assert_ptr_equal(osb_last_error(&b.client)->port_text, beside.text);
    bench_end(&b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longest_number),
        cmocka_unit_test(test_number_ends_where_told),
        cmocka_unit_test(test_chunk_without_a_size),
        cmocka_unit_test(test_slow_sending),
        cmocka_unit_test(test_silence_in_an_answer),
        cmocka_unit_test(test_killed_at_once),
        cmocka_unit_test(test_no_time_to_ask_again),
        cmocka_unit_test(test_session_without_a_time),
        cmocka_unit_test(test_room_of_a_source),
        cmocka_unit_test(test_nonsense_behind_the_end),
        cmocka_unit_test(test_goes_on_behind_the_end),
        cmocka_unit_test(test_longest_language),
        cmocka_unit_test(test_longest_address),
        cmocka_unit_test(test_room_behind_a_cut_message),
        cmocka_unit_test(test_last_surrogates),
        cmocka_unit_test(test_port_text_behind_the_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
