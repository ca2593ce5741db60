/* Answers: what each kind of member takes and refuses, what is skipped, what is handed out. The
   working buffer ends at its allocation's end, so that a byte read or written behind it is seen. */
#include "tests/support/unit.h"

/* Gets a sandbox whose answer is this; the outcome stands in b->r afterwards. */
static osb_status get(bench *b, size_t size, const char *json, osb_sandbox_info *info)
{
    osb_info_handlers handlers;
    osb_status status;
    bench_begin(b, size);
    handlers = recorder_info_handlers(&b->r);
    bench_lifecycle_answers(b, json);
    status = osb_lifecycle_get(&b->client, "7f", &handlers, info);
    return status;
}

static void expect_id(const char *json, const char *id)
{
    osb_sandbox_info info;
    bench b;
    assert_int_equal(get(&b, 1024, json, &info), OSB_OK);
    assert_true(osb_str_equal(info.id, id));
    bench_end(&b);
}

static void expect_bad(const char *json)
{
    osb_sandbox_info info;
    bench b;
    osb_status status = get(&b, 1024, json, &info);
    if (status != OSB_E_JSON) print_error("%s: %s\n", json, osb_status_name(status));
    assert_int_equal(status, OSB_E_JSON);
    assert_int_equal(osb_last_error(&b.client)->status, OSB_E_JSON);
    assert_non_null(osb_last_error(&b.client)->message.data);
    bench_end(&b);
}

/* What jsmn, even strict, takes for JSON, and more that is none. */
static void test_no_json(void **state)
{
    static const char *const bad[] = {
        "{\"id\":}",
        "{\"id\"}",
        "{\"id\",\"a\"}",
        "{\"id\":\"a\",}",
        "{\"id\":\"a\",,}",
        "{,\"id\":\"a\"}",
        "{,}",
        "{]",
        "[}",
        "{\"id\":\"a\",\"x\":{\"y\"]}",
        "{\"id\":\"a\" \"x\":1}",
        "{\"id\" \"a\"}",
        "{\"id\"::\"a\"}",
        "{\"id\":\"a\":\"b\"}",
        "{\"id\":\"a\"",
        "{\"id\":\"a",
        "{\"id\":\"a\"]",
        "{\"id\":\"a\",\"x\":[1,2}",
        "{\"id\":\"a\",\"x\":[1 2]}",
        "{\"id\":\"a\",\"x\":[,1]}",
        "{\"id\":\"a\",\"x\":[1,]}",
        "{\"id\":\"a\",\"x\":[\"k\":1]}",
        "{\"id\":\"a\",\"x\":{1:2}}",
        "{\"id\":\"a\",\"x\":{null:2}}",
        "{\"id\":\"a\",\"metadata\":{\"k\" \"v\"}}",
        "{\"id\":\"a\",\"entrypoint\":[\"k\" \"v\"]}",
        "{\"id\":\"a\",\"entrypoint\":[\"k\",]}",
        "{\"id\":\"a\",\"entrypoint\":[01]}",
        "{\"id\":\"a\",\"entrypoint\":[+1]}",
        "{\"id\":\"a\",\"metadata\":{\"k\":tru}}",
        "{\"id\":\"a\",\"metadata\":{\"k\":nul}}",
        "{\"id\":\"a\",\"metadata\":{\"k\":1.}}",
        "{\"id\":\"a\",\"metadata\":{\"k\":.1}}",
        "{\"id\":\"a\",\"metadata\":{\"k\":-}}",
        "{\"id\":\"a\",\"metadata\":{\"k\":1e}}",
        "{\"id\":\"a\",\"metadata\":{\"k\":1-2}}",
        "{\"id\":\"a\",\"metadata\":{\"k\":0x1}}",
        "{\"id\":nulL}",
        "{\"id\":\"\\x\"}",
        "{\"id\":\"\\u12\"}",
        "{\"id\":\"\\u12g4\"}",
        "{\"id\":\"a\nb\"}",
        "{\"id\":\"a\x01\"}",
        "{\"id\":\"a\"}}x{\"",
        "[]",
        "[{\"id\":\"a\"}]",
        "null",
        "7",
        "\"id\"",
        "id",
        "'id'",
        "<",
        "{\"id\":'a'}",
        "{id:\"a\"}",
        "/* */{\"id\":\"a\"}",
        "\xef\xbb\xbf[",
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (strcmp(bad[i], "{\"id\":\"a\"}}x{\"") != 0) expect_bad(bad[i]);
    expect_id("{\"id\":\"a\"}}x{\"", "a"); /* what follows the first value does not count */
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

static void test_nul_in_json(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"id\":\"a\0b\"}";
    osb_sandbox_info info;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle(&b);
    script_request(&b.port);
    script_add(&b.port, SCRIPT_REPLY, answer, sizeof answer - 1, 1);
    assert_int_equal(osb_lifecycle_get(&b.client, "7f", NULL, &info), OSB_E_JSON);
    bench_end(&b);
}

/* In what nobody asks for, the grammar of texts and numbers is not looked at, but brackets are. */
static void test_skipped(void **state)
{
    (void)state;
    expect_id("{\"x\":{\"a\":[1,2,{\"b\":null}],\"c\":\"}]\\\"\"},\"id\":\"a\"}", "a");
    expect_id("{\"x\":[[[[[[[[[[]]]]]]]]]],\"id\":\"a\"}", "a");
    expect_id("{\"x\":-1.5e-7,\"y\":true,\"z\":false,\"n\":null,\"id\":\"a\"}", "a");
    expect_id("{\"status\":{\"x\":{\"state\":\"no\"},\"state\":\"s\"},\"id\":\"a\"}", "a");
    expect_id("{\"\":\"\",\"i\":\"1\",\"idx\":\"2\",\"ID\":\"3\",\"id\":\"a\"}", "a");
    expect_bad("{\"x\":[}],\"id\":\"a\"}");
    expect_bad("{\"x\":{\"a\":1]},\"id\":\"a\"}");
}

static void test_keys_with_escapes(void **state)
{
    (void)state;
    expect_id("{\"\\u0069\\u0064\":\"a\"}", "a");
    expect_id("{\"i\\u0064\":\"a\"}", "a");
    expect_bad("{\"\\u0069\\u0065\":\"a\"}");
    expect_id("{\"\\u0069\\n\":1,\"i\\n\":2,\"i\\u006\":3,\"i\\nxxxx\":4,\"id\":\"a\"}", "a");
    expect_bad("{\"i\\\\u0064\":\"a\"}");
    expect_bad("{\"\\n0069d\":\"a\"}");
    expect_bad("{\"id\\u0000\":\"a\"}");
}

static void test_twice(void **state)
{
    (void)state;
    expect_id("{\"id\":\"a\",\"id\":\"b\"}", "b");
    expect_id("{\"id\":\"a\",\"id\":null}", "a");
    expect_id("{\"metadata\":null,\"entrypoint\":null,\"image\":null,\"id\":\"a\"}", "a");
}

static void test_depth(void **state)
{
    char json[256] = "{\"x\":";
    int i;
    (void)state;
    for (i = 0; i < 30; i++) strcat(json, "[");
    for (i = 0; i < 30; i++) strcat(json, "]");
    strcat(json, ",\"id\":\"a\"}");
    expect_id(json, "a");
    memmove(json + 45, json + 35, strlen(json + 35) + 1);
    memset(json + 35, '[', 10);
    expect_bad(json);
}

/* A value of another kind than the API's. In arrays and maps of texts numbers are texts too. */
static void test_other_kinds(void **state)
{
    osb_sandbox_info info;
    bench b;
    (void)state;
    expect_bad("{\"id\":true}");
    expect_bad("{\"id\":false}");
    expect_bad("{\"id\":1}");
    expect_bad("{\"id\":[]}");
    expect_bad("{\"id\":{}}");
    expect_bad("{\"id\":\"a\",\"image\":\"b\"}");
    expect_bad("{\"id\":\"a\",\"image\":[]}");
    expect_bad("{\"id\":\"a\",\"metadata\":[]}");
    expect_bad("{\"id\":\"a\",\"entrypoint\":{}}");
    assert_int_equal(get(&b, 1024,
                         "{\"id\":\"a\",\"entrypoint\":[\"x\",1.5,true,null,[\"y\"],{\"z\":1}],"
                         "\"metadata\":{\"k\":-2,\"n\":null}}",
                         &info),
                     OSB_OK);
    assert_string_equal(b.r.lines.data, "entry entrypoint x\nentry entrypoint 1.5\n"
                                        "entry entrypoint true\nentry metadata [k] -2\n");
    bench_end(&b);
}

/* A handler says stop: nothing more is handed out. Handlers may be missing. */
static int stop_entry(void *user, const osb_entry *entry)
{
    (void)entry;
    ++*(unsigned *)user;
    return 1;
}

static void test_handlers(void **state)
{
    static const char json[] =
        "{\"items\":[{\"id\":\"a\",\"metadata\":{\"k\":\"1\",\"l\":\"2\"}}]}";
    osb_info_handlers handlers = {0};
    osb_sandbox_page page;
    unsigned calls = 0;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, json);
    bench_answer(&b, json);
    assert_int_equal(osb_lifecycle_list(&b.client, NULL, &handlers, &page), OSB_OK);
    handlers.on_entry = stop_entry;
    handlers.user = &calls;
    assert_int_equal(osb_lifecycle_list(&b.client, NULL, &handlers, &page), OSB_E_CANCELLED);
    assert_int_equal(calls, 1);
    bench_end(&b);
}

/* Members in each order: none depends on what came before. */
static void test_order(void **state)
{
    static const char *const members[] = {"\"id\":\"7f\"", "\"status\":{\"state\":\"S\"}",
                                          "\"createdAt\":\"C\"", "\"metadata\":{\"k\":\"v\"}"};
    unsigned turn;
    (void)state;
    for (turn = 0; turn < 256; turn++) {
        unsigned a = turn & 3, m = turn >> 2 & 3, n = turn >> 4 & 3, d = turn >> 6;
        osb_sandbox_info info;
        char json[256];
        bench b;
        if (a == m || a == n || a == d || m == n || m == d || n == d) continue;
        snprintf(json, sizeof json, "{%s,%s,%s,%s}", members[a], members[m], members[n],
                 members[d]);
        assert_int_equal(get(&b, 1024, json, &info), OSB_OK);
        assert_true(osb_str_equal(info.id, "7f"));
        assert_true(osb_str_equal(info.state, "S"));
        assert_true(osb_str_equal(info.created_at, "C"));
        assert_string_equal(b.r.lines.data, "entry metadata [k] v\n");
        bench_end(&b);
    }
}

static void test_absent_and_null(void **state)
{
    osb_sandbox_info info;
    bench b;
    (void)state;
    memset(&info, 0xee, sizeof info);
    assert_int_equal(
        get(&b, 1024, "{\"id\":\"7f\",\"image\":null,\"status\":{\"state\":null}}", &info), OSB_OK);
    assert_null(info.image.data);
    assert_null(info.state.data);
    assert_null(info.expires_at.data);
    assert_int_equal(info.platform_os.size, 0);
    bench_end(&b);
    assert_int_equal(get(&b, 1024, "{\"id\":\"7f\",\"status\":{\"state\":\"\"}}", &info), OSB_OK);
    assert_non_null(info.state.data);
    assert_int_equal(info.state.size, 0);
    bench_end(&b);
}

static osb_status page_of(const char *member, const char *value, osb_sandbox_page *page)
{
    char json[256];
    osb_status status;
    bench b;
    bench_begin(&b, 1024);
    bench_lifecycle(&b);
    snprintf(json, sizeof json, "{\"items\":[],\"pagination\":{\"%s\":%s}}", member, value);
    bench_answer(&b, json);
    status = osb_lifecycle_list(&b.client, NULL, NULL, page);
    if (status == OSB_E_JSON) assert_string_equal(osb_last_error(&b.client)->member, member);
    bench_end(&b);
    return status;
}

static void test_unsigned_range(void **state)
{
    static const char *const bad[] = {
        "4294967296", "-1", "1.0", "1e3", "\"1\"", "true", "[]", "{}", "99999999999999999999999"};
    osb_sandbox_page page;
    size_t i;
    (void)state;
    assert_int_equal(page_of("totalItems", "4294967295", &page), OSB_OK);
    assert_int_equal(page.total_items, 4294967295u);
    assert_int_equal(page_of("totalItems", "0", &page), OSB_OK);
    assert_int_equal(page_of("totalItems", "null", &page), OSB_OK);
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(page_of("totalItems", bad[i], &page), OSB_E_JSON);
    assert_int_equal(page_of("hasNextPage", "true", &page), OSB_OK);
    assert_true(page.has_next_page);
    assert_int_equal(page_of("hasNextPage", "false", &page), OSB_OK);
    assert_false(page.has_next_page);
    assert_int_equal(page_of("hasNextPage", "1", &page), OSB_E_JSON);
    assert_int_equal(page_of("hasNextPage", "\"true\"", &page), OSB_E_JSON);
}

static osb_status exit_code_of(const char *value, osb_command_state *result)
{
    char json[256];
    osb_status status;
    bench b;
    bench_begin(&b, 1024);
    bench_execd(&b);
    snprintf(json, sizeof json, "{\"running\":false,\"exit_code\":%s}", value);
    bench_answer(&b, json);
    status = osb_command_status(&b.box, "0a", NULL, NULL, result);
    bench_end(&b);
    return status;
}

static void test_signed_range(void **state)
{
    osb_command_state s;
    (void)state;
    assert_int_equal(exit_code_of("-2147483648", &s), OSB_OK);
    assert_true(s.exit_code.set);
    assert_int_equal(s.exit_code.value, INT32_MIN);
    assert_int_equal(exit_code_of("2147483647", &s), OSB_OK);
    assert_int_equal(s.exit_code.value, INT32_MAX);
    assert_int_equal(exit_code_of("0", &s), OSB_OK);
    assert_true(s.exit_code.set);
    assert_int_equal(exit_code_of("null", &s), OSB_OK);
    assert_false(s.exit_code.set);
    assert_int_equal(exit_code_of("2147483648", &s), OSB_E_JSON);
    assert_int_equal(exit_code_of("-2147483649", &s), OSB_E_JSON);
    assert_int_equal(exit_code_of("0.5", &s), OSB_E_JSON);
    assert_int_equal(exit_code_of("-", &s), OSB_E_JSON);
}

#ifndef OSB_NO_METRICS
static void milli(const char *text, bool good, int64_t expected)
{
    int64_t value = 77;
    assert_int_equal(osb__milli(text, strlen(text), &value), good);
    if (good && value != expected) print_error("%s: %lld\n", text, (long long)value);
    if (good) assert_true(value == expected);
}

static void test_decimals(void **state)
{
    (void)state;
    milli("0", true, 0);
    milli("1", true, 1000);
    milli("-1", true, -1000);
    milli("0.5", true, 500);
    milli("12.3456", true, 12345);
    milli("-12.3456", true, -12345);
    milli("0.0009", true, 0);
    milli("1e3", true, 1000000);
    milli("1.5e2", true, 150000);
    milli("1.5E+2", true, 150000);
    milli("1500e-2", true, 15000);
    milli("0.000000000123e12", true, 123000);
    milli("123000000000000e-12", true, 123000);
    milli("1e-3", true, 1);
    milli("1e-4", true, 0);
    milli("123456789e-300", true, 0);
    milli("0e99999999999", true, 0);
    milli("1e99999999999", false, 0);
    milli("1e-99999999999", true, 0);
    milli("9223372036854775.807", false, 0); /* within ten thousandths of the limit: refused */
    milli("9223372036854774.0", true, 9223372036854774000);
    milli("99999999999999999999", false, 0);
    milli("100.0000000000000000000000000001", true, 100000);
}

/* As members of an answer, which only a later version of the API's tables has. */
static const osb__field decimal_fields[] = {{"n", NULL, 0, OSB__MILLI | OSB__LAST, 0}};
static const osb__field decimal_root = {NULL, decimal_fields, 0, OSB__OBJECT, 0};

static osb_status get_decimal(const char *json, int64_t *value)
{
    static const osb__op op = {"GET /decimal", NULL, NULL, &decimal_root, NULL, 0};
    osb_status status;
    bench b;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, json);
    osb__begin(&b.client, &op)->answer = value;
    status = osb__drive(&b.client);
    bench_end(&b);
    return status;
}

static void test_decimal_members(void **state)
{
    int64_t value = 0;
    (void)state;
    assert_int_equal(get_decimal("{\"n\":-1.5e2}", &value), OSB_OK);
    assert_int_equal(value, -150000);
    assert_int_equal(get_decimal("{\"n\":null}", &value), OSB_OK);
    assert_int_equal(value, -150000);
    assert_int_equal(get_decimal("{\"n\":1e30}", &value), OSB_E_JSON);
    assert_int_equal(get_decimal("{\"n\":\"1\"}", &value), OSB_E_JSON);
    assert_int_equal(get_decimal("{\"n\":true}", &value), OSB_E_JSON);
    assert_int_equal(get_decimal("{\"n\":1.}", &value), OSB_E_JSON);
}
#endif

static void number(const char *text, bool good)
{
    assert_int_equal(osb__json_is_number(text, strlen(text)), good);
}

static void test_number_grammar(void **state)
{
    static const char *const good[] = {"0", "-0", "10", "1.5", "-1.50", "1e1", "1E+1", "0.1e-10"};
    static const char *const bad[] = {"",     "-",   "01",  "-01",  "1.",   ".1",
                                      "1e",   "1e+", "1d5", "+1",   "1a",   "0x1",
                                      "1.e1", "NaN", "--1", "1..2", "1e1.5"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof good / sizeof good[0]; i++) number(good[i], true);
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) number(bad[i], false);
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

/* 10,000 sandboxes, each with a map of ten entries, through 1 KB. */
static void test_long_list(void **state)
{
    static const char item[] =
        "{\"id\":\"7f\",\"metadata\":{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\",\"d\":\"4\",\"e\":\"5\","
        "\"f\":\"6\",\"g\":\"7\",\"h\":\"8\",\"i\":\"9\",\"j\":\"10\"},\"status\":{\"state\":\"R\"}"
        "},";
    char head[128];
    osb_sandbox_page page;
    osb_info_handlers handlers;
    bench b;
    size_t lines = 0, i;
    (void)state;
    bench_begin(&b, 1024);
    handlers = recorder_info_handlers(&b.r);
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %lu\r\n\r\n{\"items\":[",
             10000ul * (sizeof item - 1) + 10 + 45);
    bench_lifecycle(&b);
    script_request(&b.port);
    script_reply(&b.port, head);
    script_reply_times(&b.port, item, 10000);
    script_reply(&b.port, "{\"id\":\"last\"}],\"pagination\":{\"totalItems\":9}}");
    assert_int_equal(osb_lifecycle_list(&b.client, NULL, &handlers, &page), OSB_OK);
    for (i = 0; i < b.r.lines.size; i++) lines += b.r.lines.data[i] == '\n';
    assert_int_equal(lines, 10000 * (10 + 3) + 2);
    assert_non_null(strstr(b.r.lines.data, "sandbox\nid last\n"));
    assert_int_equal(page.total_items, 9);
    assert_true(osb_buffer_peak(&b.client) < 1024);
    bench_end(&b);
}

/* A map of 500 entries whose names and values are escaped. */
static void test_large_map(void **state)
{
    struct text json = {0};
    osb_sandbox_info info;
    bench b;
    unsigned i;
    char line[64];
    (void)state;
    text_print(&json, "{\"metadata\":{");
    for (i = 0; i < 500; i++)
        text_print(&json, "%s\"k\\u002d%u\":\"v\\n%u\"", i == 0 ? "" : ",", i, i);
    text_print(&json, "},\"id\":\"7f\"}");
    assert_int_equal(get(&b, 1024, json.data, &info), OSB_OK);
    snprintf(line, sizeof line, "entry metadata [k-499] v$n499\n");
    assert_non_null(strstr(b.r.lines.data, line));
    text_free(&json);
    bench_end(&b);
}

/* A member that does not fit: the error says how large the buffer must be, and that is enough. */
static void check_needed(const char *before, const char *after, size_t long_size)
{
    osb_sandbox_info info;
    struct text json = {0};
    size_t needed, i;
    char line[80], text[300];
    bench b;
    text_print(&json, "%s", before);
    for (i = 0; i < long_size; i++) text_add(&json, "x", 1);
    text_print(&json, "%s", after);
    assert_int_equal(get(&b, 1024, json.data, &info), OSB_E_BUFFER);
    assert_non_null(osb_last_error(&b.client)->member);
    assert_non_null(osb_last_error(&b.client)->buffer);
    needed = osb_last_error(&b.client)->needed;
    assert_true(needed > long_size && needed < long_size + 2048);
    snprintf(line, sizeof line, ": %s needs %lu bytes", osb_last_error(&b.client)->buffer,
             (unsigned long)needed);
    (void)osb_error_text(&b.client, text, sizeof text);
    assert_non_null(strstr(text, line));
    bench_end(&b);
    if (get(&b, needed, json.data, &info) != OSB_OK) {
        print_error("%s...%s needs %lu, then %lu\n", before, after, (unsigned long)needed,
                    (unsigned long)osb_last_error(&b.client)->needed);
        fail();
    }
    bench_end(&b);
    text_free(&json);
}

static void test_needed(void **state)
{
    (void)state;
    check_needed("{\"id\":\"7f\",\"status\":{\"message\":\"", "\"}}", 1500);
    check_needed("{\"id\":\"7f\",\"status\":{\"message\":\"", "\"},\"createdAt\":\"2026\"}", 20000);
    check_needed("{\"id\":\"7f\",\"metadata\":{\"k\":\"", "\"}}", 3000);
    check_needed("{\"id\":\"7f\",\"metadata\":{\"", "\":\"v\"}}", 3000);
    check_needed("{\"id\":\"7f\",\"entrypoint\":[\"", "\"]}", 3000);
    check_needed("{\"id\":\"", "\"}", 1100);
    check_needed(
        "{\"id\":\"7f\",\"status\":{\"state\":\"0123456789\",\"reason\":\"0123456789\",\"message\":"
        "\"",
        "\"},\"createdAt\":\"2026-06-15T10:00:00Z\",\"expiresAt\":\"2026-06-15T10:00:00Z\"}", 990);
}

/* Nor does a member get lost whose name found no room behind what is kept. */
static void test_no_room_for_a_name(void **state)
{
    size_t size;
    (void)state;
    for (size = 960; size < 1010; size++) {
        int bytes;
        for (bytes = 0; bytes < 2; bytes++) {
            osb_sandbox_info info;
            osb_status status;
            struct text json = {0};
            bench b;
            size_t i, needed;
            text_print(&json, "{\"id\":\"7f\",\"status\":{\"reason\":\"");
            for (i = 0; i < size; i++) text_add(&json, "x", 1);
            text_print(&json, "\"},\"createdAt\":\"2026\"}");
            bench_begin(&b, 1024);
            if (bytes != 0) b.port.cut = CUT_BYTES;
            bench_lifecycle_answers(&b, json.data);
            status = osb_lifecycle_get(&b.client, "7f", NULL, &info);
            needed = osb_last_error(&b.client)->needed;
            if (status == OSB_OK) assert_true(osb_str_equal(info.created_at, "2026"));
            else assert_int_equal(status, OSB_E_BUFFER);
            b.port.at = b.port.step_count;
            bench_end(&b);
            if (status != OSB_OK) {
                assert_int_equal(get(&b, needed, json.data, &info), OSB_OK);
                bench_end(&b);
            }
            text_free(&json);
        }
    }
}

/* Nor is it taken for one that fits, if it is so large that its bytes can hardly be counted. */
static void count_far(script_port *port)
{
    osb__json *j = &((osb_client *)port->watch_user)->json;
    if (j->dropped > 0 && j->dropped < 2000) j->dropped = SIZE_MAX - 20;
}

static void test_endless_member(void **state)
{
    osb_sandbox_info info;
    struct text json = {0};
    size_t i;
    bench b;
    (void)state;
    text_print(&json, "{\"id\":\"");
    for (i = 0; i < 1500; i++) text_add(&json, "x", 1);
    text_print(&json, "\"}");
    bench_begin(&b, 1024);
    b.port.cut = CUT_BYTES;
    b.port.watch = count_far;
    b.port.watch_user = &b.client;
    bench_lifecycle_answers(&b, json.data);
    assert_int_equal(osb_lifecycle_get(&b.client, "7f", NULL, &info), OSB_E_BUFFER);
    assert_string_equal(osb_last_error(&b.client)->member, "id");
    text_free(&json);
    bench_end(&b);
}

/* What does not fit, but nobody asks for, is no error. */
static void test_large_and_unwanted(void **state)
{
    struct text json = {0};
    osb_sandbox_info info;
    bench b;
    int i;
    (void)state;
    text_print(&json, "{\"x\":\"");
    for (i = 0; i < 5000; i++) text_add(&json, "\\u00e4", 6);
    text_print(&json, "\",\"");
    for (i = 0; i < 5000; i++) text_add(&json, "y", 1);
    text_print(&json, "\":[1,2],\"id\":\"7f\"}");
    assert_int_equal(get(&b, 1024, json.data, &info), OSB_OK);
    text_free(&json);
    bench_end(&b);
}

/* Ids and addresses are copied into structs of fixed size. */
static void test_struct_arrays(void **state)
{
    struct text json = {0};
    osb_sandbox box;
    osb_create_options o = {0};
    bench b;
    int i;
    (void)state;
    text_print(&json, "{\"status\":{\"state\":\"Running\"},\"id\":\"");
    for (i = 0; i < OSB_ID_SIZE; i++) text_add(&json, "a", 1);
    text_print(&json, "\"}");
    o.image = "a";
    o.keep_on_failure = true;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, json.data);
    assert_int_equal(osb_sandbox_create(&b.client, &o, &box), OSB_E_BUFFER);
    assert_string_equal(osb_last_error(&b.client)->member, "id");
    assert_int_equal(osb_last_error(&b.client)->needed, OSB_ID_SIZE + 1);
    bench_end(&b);
    text_free(&json);
}

/* What goes into a request again may have no control character. */
static void test_control_characters(void **state)
{
    static const char *const ids[] = {"a\\u0000", "a\\r\\n", "a b", "a\x7f", "\\u007f"};
    static const char *const headers[] = {"\"A\":\"1\\r\"", "\"A\":\"\x7f\"", "\"A\":\"\\u0000\"",
                                          "\"A B\":\"1\"",  "\"A:\":\"1\"",   "\"A\\n\":\"1\""};
    osb_create_options o = {0};
    osb_endpoint endpoint;
    char json[100];
    size_t i;
    bench b;
    (void)state;
    o.image = "a";
    for (i = 0; i < 5; i++) {
        bench_begin(&b, 1024);
        bench_lifecycle(&b);
        snprintf(json, sizeof json, "{\"id\":\"%s\"}", ids[i]);
        bench_answer(&b, json);
        assert_int_equal(osb_sandbox_create(&b.client, &o, &b.box), OSB_E_JSON);
        assert_string_equal(b.box.id, "");
        bench_end(&b);
    }
    for (i = 0; i < 6; i++) {
        bench_begin(&b, 1024);
        bench_lifecycle(&b);
        snprintf(json, sizeof json, "{\"endpoint\":\"a\",\"headers\":{%s}}", headers[i]);
        bench_answer(&b, json);
        assert_int_equal(osb_lifecycle_endpoint(&b.client, "7f", 80, NULL, &endpoint), OSB_E_JSON);
        bench_end(&b);
    }
}

/* A header without a name is none. */
static void test_nameless_header(void **state)
{
    osb_endpoint endpoint;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(
        &b, "{\"endpoint\":\"a\",\"headers\":{\"\":\"1\",\"B\":\"a\\tb\",\"C\":\"\"}}");
    assert_int_equal(osb_lifecycle_endpoint(&b.client, "7f", 80, NULL, &endpoint), OSB_E_JSON);
    bench_end(&b);
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b,
                            "{\"endpoint\":\"a\",\"headers\":{\"\":\"1\",\"B\":\"2\",\"C\":\"\"}}");
    assert_int_equal(osb_lifecycle_endpoint(&b.client, "7f", 80, NULL, &endpoint), OSB_OK);
    assert_memory_equal(endpoint.headers, "B\0002\0C\0\0\0", 8);
    bench_end(&b);
}

static void test_endpoint_headers(void **state)
{
    struct text json = {0};
    osb_endpoint endpoint;
    bench b;
    int i;
    (void)state;
    text_print(&json, "{\"endpoint\":\"a.example\",\"headers\":{\"A\":\"1\",\"B\":\"");
    for (i = 0; i < OSB_ENDPOINT_HEADERS_SIZE; i++) text_add(&json, "b", 1);
    text_print(&json, "\"}}");
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, json.data);
    assert_int_equal(osb_lifecycle_endpoint(&b.client, "7f", 80, NULL, &endpoint), OSB_E_BUFFER);
    /* A NUL 1 NUL B NUL b... NUL NUL */
    assert_int_equal(osb_last_error(&b.client)->needed, OSB_ENDPOINT_HEADERS_SIZE + 8);
    bench_end(&b);
    text_free(&json);
}

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

/* An empty text is one where it need not be there, and none where it must. */
static void test_empty_texts(void **state)
{
    osb_code_context context;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, "{\"id\":\"c-1\",\"language\":\"\"}");
    bench_answer(&b, "{\"id\":\"\",\"language\":\"python\"}");
    assert_int_equal(osb_code_context_get(&b.box, "c-1", &context), OSB_OK);
    assert_string_equal(context.language, "");
    assert_int_equal(osb_code_context_get(&b.box, "c-1", &context), OSB_E_JSON);
    assert_string_equal(osb_last_error(&b.client)->member, "id");
    bench_end(&b);
}

/* The longest address of an endpoint that fits, and one more. */
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

/* What an answer does not say is not what stood in the struct before. */
static void test_new_context(void **state)
{
    osb_code_context context;
    bench b;
    (void)state;
    memset(&context, 'x', sizeof context);
    bench_begin(&b, 1024);
    bench_execd_answers(&b, "{\"id\":\"c-1\"}");
    assert_int_equal(osb_code_context_create(&b.box, "python", NULL, &context), OSB_OK);
    assert_string_equal(context.id, "c-1");
    assert_string_equal(context.language, "");
    bench_end(&b);
}

/* ---- the peak: what a buffer of that size does ---------------------------------------------- */

/* On a sandbox whose host's name is so long that it counts. */
#define LONG_HOST                                                                                  \
    "a-host-whose-name-is-as-long-as-names-of-gateways-are.region-7.sandboxes.example.example"

static osb_status peak_get(bench *b)
{
    osb_sandbox_info info;
    return osb_lifecycle_get(&b->client, "7f", NULL, &info);
}

static osb_status peak_files(bench *b)
{
    const char *path = "x";
    return osb_file_get_infos(&b->box, &path, 1, NULL, NULL);
}

static osb_status peak_pool(bench *b)
{
    osb_pool pool;
    return osb_pool_get(&b->client, "x", &pool);
}

/* In pieces it would do with less, but who had the text whole wants it so again. */
static osb_status peak_command(bench *b)
{
    osb_command_state command;
    osb_status status = osb_command_status(&b->box, "x", NULL, NULL, &command);
    if (status == OSB_OK) assert_int_equal(command.content.size, 1500);
    return status;
}

/* Makes the call in a buffer of this size; the peak goes to *peak. */
static osb_status peak_of(osb_status (*call)(bench *b), const char *json, size_t size,
                          script_cut cut, size_t *peak)
{
    osb_status status;
    bench b;
    bench_begin(&b, size);
    b.port.cut = cut;
    b.config.domain = LONG_HOST;
    strcpy(b.box.execd.address, LONG_HOST);
    bench_again(&b);
    script_connect(&b.port, LONG_HOST, 80);
    bench_answer(&b, json);
    status = call(&b);
    *peak = osb_buffer_peak(&b.client);
    bench_end(&b);
    return status;
}

/* Whoever takes the peak of a trial for memory_size gets the same, however the network cuts it; and
   not much less would do. Keys that nobody asks for do not count. */
static void test_peak(void **state)
{
    static const struct {
        osb_status (*call)(bench *b);
        const char *before, *after;
        bool counts, escaped;
    } cases[] = {
        {peak_get, "{\"id\":\"7f\",\"metadata\":{\"", "\":\"v\"}}", true, true},
        {peak_get, "{\"id\":\"7f\",\"image\":{\"uri\":\"", "\"}}", true, true},
        {peak_get, "{\"id\":\"7f\",\"status\":{\"message\":\"", "\"}}", true, false},
        {peak_get, "{\"id\":\"7f\",\"metadata\":{\"k\":\"", "\"}}", true, false},
        {peak_get, "{\"id\":\"7f\",\"metadata\":{\"", "\":\"v\"}}", true, false},
        {peak_get, "{\"id\":\"7f\",\"metadata\":{\"", "\":null}}", true, false},
        {peak_get, "{\"image\":{\"uri\":\"", "\"},\"id\":\"7f\"}", true, false},
        {peak_get, "{\"id\":\"7f\",\"", "\":\"v\"}", false, false},
        {peak_get, "{\"id\":\"7f\",\"", "\":1}", false, false},
        {peak_files, "{\"", "\":{\"path\":\"p\",\"size\":7}}", true, false},
        {peak_pool, "{\"name\":\"", "\",\"capacitySpec\":{\"bufferMax\":12345}}", true, false},
        {peak_command, "{\"content\":\"", "\",\"running\":true}", true, false},
    };
    size_t i, n, cut, trial, peak, ignored;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text json = {0};
        text_print(&json, "%s", cases[i].before);
        if (cases[i].escaped)
            for (n = 0; n < 250; n++) text_print(&json, "%s", "\\u0061");
        else
            for (n = 0; n < 1500; n++) text_add(&json, "x", 1);
        text_print(&json, "%s", cases[i].after);
        for (trial = 0; trial < 2; trial++) {
            static const script_cut cuts[] = {CUT_WHOLE, CUT_BYTES};
            if (peak_of(cases[i].call, json.data, 8192, cuts[trial], &peak) != OSB_OK)
                fail_msg("case %lu in 8192", (unsigned long)i);
            if (!cases[i].counts) assert_true(peak < 1024);
            if (peak < 1024) peak = 1024;
            for (cut = 0; cut < 2; cut++) {
                osb_status status = peak_of(cases[i].call, json.data, peak, cuts[cut], &ignored);
                if (status != OSB_OK)
                    print_error("case %lu in %lu: %s\n", (unsigned long)i, (unsigned long)peak,
                                osb_status_name(status));
                assert_int_equal(status, OSB_OK);
            }
            if (cases[i].counts && cases[i].call != peak_command)
                assert_int_equal(peak_of(cases[i].call, json.data, peak - 32, CUT_BYTES, &ignored),
                                 OSB_E_BUFFER);
        }
        text_free(&json);
    }
}

/* A terminal needs much of the buffer, and so does a host's long name: of the terminal, or of the
   server that was talked to just before. */
#define LONGEST_HOST LONG_HOST "." LONG_HOST

static osb_status attach_peak(bool first, size_t size, size_t *peak)
{
    osb_status status;
    osb_pty pty;
    bench b;
    memset(&pty, 0, sizeof pty);
    strcpy(pty.id, "x");
    bench_begin(&b, size);
    b.config.domain = LONGEST_HOST;
    bench_again(&b);
    if (first) {
        script_connect(&b.port, LONGEST_HOST, 80);
        bench_answer(&b, "{}");
        assert_int_equal(osb_server_health(&b.client), OSB_OK);
    } else {
        strcpy(b.box.execd.address, LONGEST_HOST);
    }
    script_connect(&b.port, first ? "execd.example" : LONGEST_HOST, first ? 44772 : 80);
    bench_answer(&b, BENCH_EMPTY("404 N"));
    status = osb_pty_attach(&b.box, &pty, NULL, NULL);
    *peak = osb_buffer_peak(&b.client);
    if (status == OSB_E_BUFFER) b.port.at = b.port.step_count;
    bench_end(&b);
    return status;
}

static void test_peak_of_a_terminal(void **state)
{
    size_t peak, ignored;
    unsigned first;
    (void)state;
    for (first = 0; first < 2; first++) {
        assert_int_equal(attach_peak(first != 0, 8192, &peak), OSB_E_NOT_FOUND);
        if (sizeof(void *) < 8) continue; /* it is the least that there is, or less */
        assert_true(peak > 1024);
        assert_int_equal(attach_peak(first != 0, peak, &ignored), OSB_E_NOT_FOUND);
        assert_int_equal(attach_peak(first != 0, peak - 8, &ignored), OSB_E_BUFFER);
    }
}

/* What comes in pieces takes all of any buffer. What does not, takes what it has. */
static void test_peak_of_pieces(void **state)
{
    static const struct {
        const char *before, *part, *after;
        size_t times;
        bool pieces;
    } cases[] = {{"\"type\":\"stdout\",\"text\":\"", "x", "\"", 300, false},
                 {"\"type\":\"stdout\",\"text\":\"", "x", "\"", 3000, true},
                 {"\"type\":\"result\",\"results\":{\"a\":[", "1,", "1]}", 150, false},
                 {"\"type\":\"result\",\"results\":{\"a\":[", "1,", "1]}", 1500, true}};
    size_t i, n;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text stream = {0};
        osb_execution run;
        size_t peak;
        bench b;
        text_print(&stream, BENCH_INIT "{%s", cases[i].before);
        for (n = 0; n < cases[i].times; n++) text_print(&stream, "%s", cases[i].part);
        text_print(&stream, "%s}\n\n" BENCH_DONE, cases[i].after);
        bench_begin(&b, 1024);
        bench_stream(&b, stream.data);
        assert_int_equal(bench_run(&b, NULL, &run), OSB_OK);
        peak = osb_buffer_peak(&b.client);
        if (cases[i].pieces) assert_int_equal(peak, 1024);
        else assert_in_range(peak, 300 + sizeof "execd.example", 600);
        bench_end(&b);
        text_free(&stream);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_json),
        cmocka_unit_test(test_chunk_without_a_size),
        cmocka_unit_test(test_nul_in_json),
        cmocka_unit_test(test_skipped),
        cmocka_unit_test(test_keys_with_escapes),
        cmocka_unit_test(test_twice),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_handlers),
        cmocka_unit_test(test_other_kinds),
        cmocka_unit_test(test_absent_and_null),
        cmocka_unit_test(test_unsigned_range),
        cmocka_unit_test(test_signed_range),
#ifndef OSB_NO_METRICS
        cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_decimal_members),
#endif
        cmocka_unit_test(test_number_grammar),
        cmocka_unit_test(test_number_ends_where_told),
        cmocka_unit_test(test_long_list),
        cmocka_unit_test(test_large_map),
        cmocka_unit_test(test_needed),
        cmocka_unit_test(test_no_room_for_a_name),
        cmocka_unit_test(test_endless_member),
        cmocka_unit_test(test_large_and_unwanted),
        cmocka_unit_test(test_struct_arrays),
        cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_nameless_header),
        cmocka_unit_test(test_endpoint_headers),
        cmocka_unit_test(test_longest_language),
        cmocka_unit_test(test_empty_texts),
        cmocka_unit_test(test_new_context),
        cmocka_unit_test(test_longest_address),
        cmocka_unit_test(test_peak),
        cmocka_unit_test(test_peak_of_pieces),
        cmocka_unit_test(test_peak_of_a_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
