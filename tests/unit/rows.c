/* SQL results, taken apart row by row: cut anywhere, malformed, with cells that do not fit. */
#include "tests/support/unit.h"

/* What came of a result: a line for each cell. */
typedef struct table {
    struct text lines;
    unsigned stop_after; /* so many cells; 0: never */
    unsigned cells;
} table;

static int on_cell(void *user, uint32_t row, uint32_t column, osb_str value)
{
    table *t = (table *)user;
    text_print(&t->lines, "%lu,%lu ", (unsigned long)row, (unsigned long)column);
    if (value.data == NULL) text_print(&t->lines, "NULL");
    else text_add(&t->lines, value.data, value.size);
    text_print(&t->lines, "\n");
    if (value.data != NULL) assert_int_equal(value.data[value.size], '\0');
    return ++t->cells == t->stop_after;
}

/* Feeds a result in pieces of `piece` bytes into a cell of exactly `size` bytes. */
static osb_status feed(table *t, const char *json, size_t piece, size_t size, size_t *needed)
{
    osb_rows rows = {0};
    osb_status status = OSB_OK;
    size_t at, end = strlen(json);
    text_clear(&t->lines);
    t->cells = 0;
    rows.user = t;
    rows.on_cell = on_cell;
    rows.data = (char *)malloc(size > 0 ? size : 1);
    rows.size = size;
    for (at = 0; at < end && status == OSB_OK; at += piece)
        status = osb_rows_feed(&rows, json + at, end - at < piece ? end - at : piece);
    if (needed != NULL) *needed = rows.needed;
    free(rows.data);
    return status;
}

/* The outcome, whatever the pieces. */
static void expect(const char *json, osb_status status, const char *lines)
{
    size_t piece;
    table t = {{0}, 0, 0};
    for (piece = 1; piece <= strlen(json) + 1; piece++) {
        osb_status got = feed(&t, json, piece, 64, NULL);
        if (got != status) print_error("%s: %s\n", json, osb_status_name(got));
        assert_int_equal(got, status);
        assert_string_equal(t.lines.data, lines);
    }
    text_free(&t.lines);
}

static void test_cells(void **state)
{
    (void)state;
    expect("{\"columns\":[\"a\",\"b\"],\"rows\":[[1,\"x\"],[null,\"\"]]}", OSB_OK,
           "0,0 a\n0,1 b\n1,0 1\n1,1 x\n2,0 NULL\n2,1 \n");
    expect(" { \"columns\" : [ \"a\" ] , \"rows\" : [ [ -1.5e3\t] ,\n\r[ true ] ] } ", OSB_OK,
           "0,0 a\n1,0 -1.5e3\n2,0 true\n");
    expect("{\"columns\":[],\"rows\":[]}", OSB_OK, "");
    expect("{\"columns\":[\"null\",null],\"rows\":[[\"null\"]]}", OSB_OK,
           "0,0 null\n0,1 NULL\n1,0 null\n");
    expect("{\"took\":12,\"note\":\"rows\",\"columns\":[\"a\"]}", OSB_OK, "0,0 a\n");
}

static void test_escapes(void **state)
{
    (void)state;
    expect("{\"columns\":[\"\\b\\f\\n\\r\\t\\\"\\\\\\/\"]}", OSB_OK, "0,0 \b\f\n\r\t\"\\/\n");
    expect("{\"columns\":[\"\\u0041\\u00e4\\u20AC\\ud83d\\ude00\"]}", OSB_OK,
           "0,0 A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\n");
    expect("{\"columns\":[\"\\ude00\"]}", OSB_OK, "0,0 \xef\xbf\xbd\n");
    expect("{\"columns\":[\"\xf0\x9f\x98\x80\"]}", OSB_OK, "0,0 \xf0\x9f\x98\x80\n");
    expect("{\"\\u0063olumns\":[\"a\"]}", OSB_OK, "0,0 a\n");
}

/* The first half of a pair without the second is U+FFFD, whatever follows. */
static void test_lone_halves(void **state)
{
    (void)state;
    expect("{\"columns\":[\"\\ud83dx\"]}", OSB_OK, "0,0 \xef\xbf\xbdx\n");
    expect("{\"columns\":[\"\\ud83d\"]}", OSB_OK, "0,0 \xef\xbf\xbd\n");
    expect("{\"columns\":[\"\\udc00\\ude00\"]}", OSB_OK, "0,0 \xef\xbf\xbd\xef\xbf\xbd\n");
    expect("{\"columns\":[\"\\udbff\\udfff\"]}", OSB_OK, "0,0 \xf4\x8f\xbf\xbf\n");
    expect("{\"columns\":[\"\\ud83d\",\"\\ude00\"]}", OSB_OK,
           "0,0 \xef\xbf\xbd\n0,1 \xef\xbf\xbd\n");
    expect("{\"columns\":[\"\\ud83d\\n\\ude00\"]}", OSB_OK, "0,0 \xef\xbf\xbd\n\xef\xbf\xbd\n");
    expect("{\"columns\":[\"\\ud83d\\ud83d\\ude00\"]}", OSB_OK,
           "0,0 \xef\xbf\xbd\xf0\x9f\x98\x80\n");
    expect("{\"columns\":[\"\\ud83d\\u0041\"]}", OSB_OK,
           "0,0 \xef\xbf\xbd"
           "A\n");
}

/* The last pair there is, and the halves at the ends of their ranges alone. */
static void test_last_halves(void **state)
{
    (void)state;
    expect("{\"columns\":[\"\\udbff\\udfff,\\ud800,\\udc00,\\udbff,\\udfff\"]}", OSB_OK,
           "0,0 \xf4\x8f\xbf\xbf,\xef\xbf\xbd,\xef\xbf\xbd,\xef\xbf\xbd,\xef\xbf\xbd\n");
}

static void test_no_table(void **state)
{
    static const char *const bad[] = {"[1]",
                                      "\"a\"",
                                      "1",
                                      "x",
                                      "]",
                                      "}",
                                      "{{",
                                      "{\"columns\":{",
                                      "{\"columns\":[[",
                                      "{\"rows\":[[[",
                                      "{\"rows\":[}",
                                      "{]",
                                      "{columns:[]}",
                                      "{1:2}",
                                      "{\"a\":\"\\x\"}",
                                      "{\"a\":\"\\u00g0\"}",
                                      "{\"a\":\x01",
                                      "{\"other\":[[1]]}"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) expect(bad[i], OSB_E_JSON, "");
}

/* A cell that does not fit says what would do; other texts may be of any size, but names must be
   told apart. */
static void test_large_cells(void **state)
{
    size_t size, needed;
    table t = {{0}, 0, 0};
    (void)state;
    for (size = 0; size < 20; size++) {
        osb_status status = feed(&t, "{\"columns\":[\"0123456789\"]}", 3, size, &needed);
        assert_int_equal(status, size < 11 ? OSB_E_BUFFER : OSB_OK);
        if (size < 11) assert_int_equal(needed, size < 8 ? 8 : 11);
    }
    assert_int_equal(feed(&t, "{\"rows\":[[1]]}", 3, 5, &needed), OSB_OK);
    assert_int_equal(feed(&t,
                          "{\"rows\":\"a long text\",\"a long name\":\"a long text\","
                          "\"columns\":[\"a\"]}",
                          100, 8, NULL),
                     OSB_OK);
    assert_string_equal(t.lines.data, "0,0 a\n");
    text_free(&t.lines);
}

static void test_stopped(void **state)
{
    table t = {{0}, 2, 0};
    (void)state;
    assert_int_equal(feed(&t, "{\"columns\":[\"a\",\"b\",\"c\"]}", 100, 64, NULL), OSB_E_CANCELLED);
    assert_string_equal(t.lines.data, "0,0 a\n0,1 b\n");
    text_free(&t.lines);
}

/* Without on_cell a result is only checked. */
static void test_no_handler(void **state)
{
    static const char json[] = "{\"columns\":[\"a\"],\"rows\":[[1]]}";
    osb_rows rows = {0};
    char cell[16];
    (void)state;
    rows.data = cell;
    rows.size = sizeof cell;
    assert_int_equal(osb_rows_feed(&rows, json, strlen(json)), OSB_OK);
    assert_int_equal(osb_rows_feed(&rows, "{\"rows\":1]", 10), OSB_E_JSON);
}

static osb_status fed;

static int feed_result(void *user, const osb_event *event)
{
    if (osb_str_equal(event->key, "text/plain"))
        fed = osb_rows_feed((osb_rows *)user, event->text.data, event->text.size);
    return fed != OSB_OK;
}

/* A result of 20,000 rows, as it comes through a buffer of 1 KB. */
static void test_from_a_stream(void **state)
{
    static char events[600000];
    osb_code code = {"SELECT", NULL, OSB_LANGUAGE_SQL, false};
    osb_handlers handlers = {0};
    osb_rows rows = {0};
    osb_execution run;
    char cell[32];
    size_t used;
    bench b;
    int i;
    (void)state;
    rows.data = cell;
    rows.size = sizeof cell;
    handlers.user = &rows;
    handlers.on_result = feed_result;
    used = (size_t)sprintf(events, "%s%s", BENCH_STREAM BENCH_INIT,
                           "{\"type\":\"result\",\"results\":{\"text/plain\":\""
                           "{\\\"columns\\\":[\\\"n\\\"],\\\"rows\\\":[");
    for (i = 0; i < 20000; i++)
        used += (size_t)sprintf(events + used, "%s[\\\"row %d\\\"]", i > 0 ? "," : "", i);
    sprintf(events + used, "%s", "]}\"},\"timestamp\":1}\n\n" BENCH_DONE);
    bench_begin(&b, 1024);
    bench_execd(&b);
    script_request(&b.port);
    script_reply(&b.port, events);
    script_close(&b.port);
    fed = OSB_OK;
    assert_int_equal(osb_code_run(&b.box, &code, &handlers, &run), OSB_OK);
    assert_int_equal(fed, OSB_OK);
    assert_int_equal(rows.row, 20000);
    assert_int_equal(rows.depth, 0);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells),         cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_lone_halves),   cmocka_unit_test(test_last_halves),
        cmocka_unit_test(test_no_table),      cmocka_unit_test(test_large_cells),
        cmocka_unit_test(test_stopped),       cmocka_unit_test(test_no_handler),
        cmocka_unit_test(test_from_a_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
