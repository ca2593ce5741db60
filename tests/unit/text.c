/* The lowest layer: the windowed writer, numbers, escapes, encodings, dates, shell words. */
#define _POSIX_C_SOURCE 200809L
#include "tests/support/unit.h"
#include <time.h>

/* What a function puts, as a C string. */
static char out[8192];

static osb__writer all(void)
{
    osb__writer w;
    memset(&w, 0, sizeof w);
    memset(out, 0, sizeof out);
    w.out = (unsigned char *)out;
    w.room = sizeof out - 1;
    return w;
}

static void test_numbers(void **state)
{
    static const uint64_t values[] = {0,
                                      1,
                                      9,
                                      10,
                                      99,
                                      65535,
                                      65536,
                                      655360, /* one limb is left after the first digit */
                                      42949672960u,
                                      2814749767106560u,
                                      99999999,
                                      4294967295u,
                                      4294967296u,
                                      UINT64_MAX,
                                      INT64_MAX,
                                      1000000000000000000u};
    size_t i;
    char expected[32];
    (void)state;
    for (i = 0; i < sizeof values / sizeof values[0]; i++) {
        osb__writer w = all();
        osb__put_number(&w, values[i]);
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)values[i]);
        assert_string_equal(out, expected);
    }
}

static void test_numbers_of_every_size(void **state)
{
    uint64_t value = 1;
    char expected[32];
    (void)state;
    do {
        osb__writer w = all();
        osb__put_number(&w, value);
        snprintf(expected, sizeof expected, "%llu", (unsigned long long)value);
        assert_string_equal(out, expected);
        value = value * 3u + 1u;
    } while (value < UINT64_MAX / 4u);
}

/* Into exactly the room that it needs. */
static void test_longest_number(void **state)
{
    unsigned char digits[20];
    osb__writer w;
    (void)state;
    memset(&w, 0, sizeof w);
    w.out = digits;
    w.room = sizeof digits;
    osb__put_number(&w, UINT64_MAX);
    assert_int_equal(w.at, 20);
    assert_memory_equal(digits, "18446744073709551615", 20);
}

static void read_number(const char *text, bool good, uint64_t expected)
{
    uint64_t value = 77;
    assert_int_equal(osb__number(text, strlen(text), &value), good);
    if (good) assert_true(value == expected);
}

static void test_read_numbers(void **state)
{
    (void)state;
    read_number("0", true, 0);
    read_number("007", true, 7);
    read_number("18446744073709551615", true, UINT64_MAX);
    read_number("18446744073709551616", false, 0);
    read_number("18446744073709551620", false, 0);
    read_number("99999999999999999999", false, 0);
    read_number("", false, 0);
    read_number("-1", false, 0);
    read_number("+1", false, 0);
    read_number(" 1", false, 0);
    read_number("1 ", false, 0);
    read_number("1a", false, 0);
    read_number("0x1", false, 0);
}

static void read_integer(const char *text, bool good, int64_t expected)
{
    int64_t value = 77;
    assert_int_equal(osb__integer(text, strlen(text), &value), good);
    if (good) assert_true(value == expected);
}

static void test_read_integers(void **state)
{
    (void)state;
    read_integer("0", true, 0);
    read_integer("-0", true, 0);
    read_integer("-1", true, -1);
    read_integer("9223372036854775807", true, INT64_MAX);
    read_integer("9223372036854775808", false, 0);
    read_integer("-9223372036854775808", true, INT64_MIN);
    read_integer("-9223372036854775809", false, 0);
    read_integer("-", false, 0);
    read_integer("--1", false, 0);
    read_integer("", false, 0);
    read_integer("1.0", false, 0);
}

static void test_json_escapes(void **state)
{
    osb__writer w = all();
    unsigned c;
    (void)state;
    osb__put_escaped(&w, "a\"b\\c\n\x01\x1f\x7f/\xc3\xa4", 12);
    assert_string_equal(out, "a\\\"b\\\\c\\u000A\\u0001\\u001F\x7f/\xc3\xa4");
    for (c = 0; c < 0x20; c++) {
        char byte = (char)c, expected[8];
        w = all();
        osb__put_escaped(&w, &byte, 1);
        snprintf(expected, sizeof expected, "\\u%04X", c);
        assert_string_equal(out, expected);
    }
}

static void test_last_letter(void **state)
{
    (void)state;
    assert_int_equal(osb__lower('A'), 'a');
    assert_int_equal(osb__lower('Z'), 'z');
    assert_int_equal(osb__lower('Z' + 1), 'Z' + 1);
    assert_int_equal(osb__lower('A' - 1), 'A' - 1);
}

static void test_percent_encoding(void **state)
{
    unsigned c;
    (void)state;
    for (c = 1; c < 256; c++) {
        char text[2], expected[8];
        osb__writer w = all();
        text[0] = (char)c;
        text[1] = '\0';
        osb__put_encoded(&w, text, "%");
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
            strchr("-._~", (int)c) != NULL)
            snprintf(expected, sizeof expected, "%c", (char)c);
        else snprintf(expected, sizeof expected, "%%%02X", c);
        assert_string_equal(out, expected);
    }
}

static void test_encoding_twice(void **state)
{
    osb__writer w = all();
    (void)state;
    osb__put_encoded(&w, "a b%", "%25");
    assert_string_equal(out, "a%2520b%2525");
}

/* Puts a bit of everything. */
static void put_sample(osb__writer *w)
{
    osb__put_text(w, "begin ");
    osb__put_number(w, 1234567890123456789u);
    osb__put_string(w, "text \"with\" \\ and \n");
    osb__put_encoded(w, "a/b c", "%");
    osb__put_hex(w, 0xa5);
    osb__put(w, "", 0);
    osb__put_text(w, " end");
}

/* Each window shows the same bytes, whatever its place and size; none is written beside it. */
static void test_every_window(void **state)
{
    osb__writer w = all();
    static char whole[512];
    uint32_t size, from, room, i;
    (void)state;
    put_sample(&w);
    size = w.at;
    memcpy(whole, out, sizeof whole);
    assert_int_equal(strlen(whole), size);
    for (from = 0; from <= size + 1; from++)
        for (room = 0; room <= size + 2; room++) {
            unsigned char window[512];
            memset(window, 0xee, sizeof window);
            memset(&w, 0, sizeof w);
            w.out = window + 8;
            w.from = from;
            w.room = room;
            put_sample(&w);
            assert_int_equal(w.at, size);
            for (i = 0; i < room; i++)
                assert_int_equal(window[8 + i],
                                 from + i < size ? (unsigned char)whole[from + i] : 0xee);
            assert_int_equal(window[7], 0xee);
            assert_int_equal(window[8 + room], 0xee);
        }
}

/* The C library's own calendar, of UTC. */
static void check_date(time_t when)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm t;
    char text[40];
    osb__writer w = all();
    assert_non_null(gmtime_r(&when, &t));
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &t);
    osb__put_time(&w, (uint32_t)when);
    assert_string_equal(out, text);
    snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[t.tm_wday], t.tm_mday,
             months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
    assert_int_equal(osb__http_date(text, strlen(text)), (uint32_t)when);
}

static void test_dates(void **state)
{
    time_t when;
    (void)state;
    check_date(1);
    check_date(951782399); /* 2000-02-28T23:59:59Z */
    check_date(951782400);
    check_date(951868800);
    check_date(1709164800); /* 2024-02-29 */
    check_date(1781524800);
    check_date(4107542399); /* 2100-02-28T23:59:59Z: no leap year */
    check_date(4107542400);
    check_date(4291747199); /* 2105 is the last year */
    for (when = 86399; when < 4291747200; when += 86400 * 7 + 1) check_date(when);
    for (when = 1800000000; when < 1800000000 + 86400 * 1500; when += 86399) check_date(when);
}

static void test_no_dates(void **state)
{
    static const char *const bad[] = {"",
                                      "Mon, 15 Jun 2026 10:00:00",
                                      "Mon, 15 Jux 2026 10:00:00 GMT",
                                      "Mon, 00 Jun 2026 10:00:00 GMT",
                                      "Mon, 32 Jun 2026 10:00:00 GMT",
                                      "Mon, 15 Jun 1969 10:00:00 GMT",
                                      "Mon, 15 Jun 2106 10:00:00 GMT",
                                      "Mon, 15 Jun 2026 24:00:00 GMT",
                                      "Mon, 15 Jun 2026 10:60:00 GMT",
                                      "Mon, 15 Jun 2026 10:00:61 GMT",
                                      "Mon, x5 Jun 2026 10:00:00 GMT",
                                      "Mon, 1x Jun 2026 10:00:00 GMT",
                                      "Mon, 15 Jun x026 10:00:00 GMT",
                                      "Mon, 15 Jun 20x6 10:00:00 GMT",
                                      "Mon, 15 Jun 202x 10:00:00 GMT",
                                      "Monday, 15-Jun-26 10:00:00 GMT",
                                      "1781517600"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(osb__http_date(bad[i], strlen(bad[i])), 0);
    assert_int_equal(osb__http_date("Mon,  5 Jan 2026 10:00:00 GMT", 29), 1767607200);
}

/* Encodes, decodes again in another way. */
static void check_utf8(uint32_t code)
{
    unsigned char b[4] = {0};
    size_t n = osb__put_utf8(b, code), i;
    uint32_t back = n == 1 ? b[0] : b[0] & (0x7fu >> n);
    for (i = 1; i < n; i++) {
        assert_int_equal(b[i] & 0xc0, 0x80);
        back = back << 6 | (b[i] & 0x3fu);
    }
    assert_int_equal(back, code);
    assert_int_equal(n, code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);
}

static void test_utf8(void **state)
{
    uint32_t code;
    (void)state;
    for (code = 0; code < 0x110000; code += code < 0x1000 ? 1 : 37) check_utf8(code);
    check_utf8(0xffff);
    check_utf8(0x10000);
    check_utf8(0x10ffff);
}

static void test_whole_characters(void **state)
{
    static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z";
    static const size_t whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof whole / sizeof whole[0]; i++)
        assert_int_equal(osb__whole_characters((const unsigned char *)text, i), whole[i]);
    /* What is no UTF-8 is not held back for ever. */
    assert_int_equal(osb__whole_characters((const unsigned char *)"\x80\x80\x80\x80", 4), 4);
    assert_int_equal(osb__whole_characters((const unsigned char *)"ab\xff", 3) >= 2, 1);
}

static void unescape(const char *from, const char *to, size_t size)
{
    char *s = strdup(from);
    size_t n = osb__unescape((unsigned char *)s, strlen(s));
    assert_int_equal(n, size);
    assert_memory_equal(s, to, size);
    free(s);
}

static void test_unescape(void **state)
{
    (void)state;
    unescape("", "", 0);
    unescape("plain", "plain", 5);
    unescape("\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t", 8);
    unescape("\\u0041\\u00e4\\u20AC", "A\xc3\xa4\xe2\x82\xac", 6);
    unescape("\\u0000", "\0", 1);
    unescape("\\ud83d\\ude00", "\xf0\x9f\x98\x80", 4);
    unescape("\\uDBFF\\uDFFF", "\xf4\x8f\xbf\xbf", 4);
    unescape("\\ud83d", "\xef\xbf\xbd", 3);
    unescape("\\ude00", "\xef\xbf\xbd", 3);
    unescape("\\ud83dx", "\xef\xbf\xbdx", 4);
    unescape("\\ud83d\\n", "\xef\xbf\xbd\n", 4);
    unescape("\\ude00\\ud83d", "\xef\xbf\xbd\xef\xbf\xbd", 6);
    unescape("\\ud83d\\ud83d\\ude00", "\xef\xbf\xbd\xf0\x9f\x98\x80", 7);
    unescape("\\ud83d\\u0041",
             "\xef\xbf\xbd"
             "A",
             4);
}

/* What the shell makes of quoted words, one a line. */
static void check_shell(const char *const *argv)
{
    char quoted[2048], got[4096] = "", expected[4096] = "", *script;
    FILE *pipe;
    size_t n = osb_shell_quote(argv, quoted, sizeof quoted), i;
    assert_int_equal(n, strlen(quoted));
#ifdef _WIN32
    return; /* its shell is another one */
#endif
    script = (char *)malloc(n + 64);
    sprintf(script, "printf '<%%s>' %s", quoted);
    pipe = popen(script, "r");
    assert_non_null(pipe);
    n = fread(got, 1, sizeof got - 1, pipe);
    got[n] = '\0';
    assert_int_equal(pclose(pipe), 0);
    for (i = 0; argv[i] != NULL; i++) sprintf(expected + strlen(expected), "<%s>", argv[i]);
    assert_string_equal(got, expected);
    free(script);
}

static void test_shell_words(void **state)
{
    static const char *const one[] = {"a", NULL};
    static const char *const odd[] = {
        "",     "a b",     "it's",     "''", "'",    "\"x\" $HOME `id` \\ *",
        "a\nb", "-n",      "\xc3\xa4", "!!", "$'x'", "~",
        "#",    "a;b|c&d", NULL};
    char small[5];
    size_t i;
    (void)state;
    check_shell(one);
    check_shell(odd);
    for (i = 0; i <= 4; i++) { /* nothing is written behind as many bytes as there are */
        static const char *const word[] = {"a", NULL};
        char room[6] = "#####";
        assert_int_equal(osb_shell_quote(word, room, i), 3);
        assert_string_equal(room + i, &"#####"[i]);
        assert_memory_equal(room, "'a'", i == 0 ? 0 : i - 1);
        assert_int_equal(room[i == 0 ? 5 : i - 1], '\0');
    }
    assert_int_equal(osb_shell_quote(odd + 1, small, sizeof small),
                     osb_shell_quote(odd + 1, NULL, 0));
    assert_string_equal(small, "'a b");
}

static void check_address(const char *text, bool https, const char *host, unsigned port,
                          const char *path)
{
    osb__address a;
    bool good = osb__parse_address(text, https, &a);
    if (host == NULL) {
        assert_false(good);
        return;
    }
    assert_true(good);
    assert_int_equal(a.host_size, strlen(host));
    assert_memory_equal(a.host, host, a.host_size);
    assert_int_equal(a.port, port);
    assert_int_equal(a.path_size, strlen(path));
    assert_memory_equal(a.path, path, a.path_size);
}

static void test_addresses(void **state)
{
    (void)state;
    check_address("localhost", false, "localhost", 80, "");
    check_address("localhost", true, "localhost", 443, "");
    check_address("http://localhost", true, "localhost", 80, "");
    check_address("HTTPS://Host.Example:8443/a/b//", false, "Host.Example", 8443, "/a/b");
    check_address("10.0.0.5:44772/proxy/44772", false, "10.0.0.5", 44772, "/proxy/44772");
    check_address("[::1]:80", false, "::1", 80, "");
    check_address("[2001:db8::7]/x", true, "2001:db8::7", 443, "/x");
    check_address("[fe80::1%25eth0]:80", false, "fe80::1%25eth0", 80, "");
    check_address("a:65535", false, "a", 65535, "");
    check_address("", false, NULL, 0, NULL);
    check_address("http://", false, NULL, 0, NULL);
    check_address(":80", false, NULL, 0, NULL);
    check_address("a:", false, NULL, 0, NULL);
    check_address("a:0", false, NULL, 0, NULL);
    check_address("a:65536", false, NULL, 0, NULL);
    check_address("a:99999999999999999999", false, NULL, 0, NULL);
    check_address("a:80x", false, NULL, 0, NULL);
    check_address("a b", false, NULL, 0, NULL);
    check_address("a/b c", false, NULL, 0, NULL);
    check_address("a\r\nX: y", false, NULL, 0, NULL);
    check_address("a/\r\nX: y", false, NULL, 0, NULL);
    check_address("user@a", false, NULL, 0, NULL);
    check_address("user:pw@a", false, NULL, 0, NULL);
    check_address("[::1", false, NULL, 0, NULL);
    check_address("[::1]x", false, NULL, 0, NULL);
    check_address("ftp://a", false, NULL, 0, NULL);
    check_address("a?x", false, NULL, 0, NULL);
    check_address("a/\x7f", false, NULL, 0, NULL);
    check_address("a/\xc3\xa4", false, NULL, 0, NULL);
    check_address("a#x", false, NULL, 0, NULL);
    check_address("\xc3\xa4.example", false, NULL, 0, NULL);
}

static void test_views(void **state)
{
    osb_str view = {NULL, 0};
    (void)state;
    assert_false(osb_str_equal(view, ""));
    view.data = "abc";
    assert_true(osb_str_equal(view, ""));
    view.size = 2;
    assert_true(osb_str_equal(view, "ab"));
    assert_false(osb_str_equal(view, "ac"));
    assert_false(osb_str_equal(view, "abc"));
}

static void check_url(const char *address, bool https, const char *url)
{
    osb_endpoint endpoint = {0};
    char whole[64], cut[12];
    strcpy(endpoint.address, address);
    endpoint.https = https;
    assert_int_equal(osb_endpoint_url(&endpoint, NULL, 0), strlen(url));
    assert_int_equal(osb_endpoint_url(&endpoint, whole, sizeof whole), strlen(url));
    assert_string_equal(whole, url);
    assert_int_equal(osb_endpoint_url(&endpoint, cut, sizeof cut), strlen(url));
    assert_int_equal(strlen(cut), strlen(url) < 11 ? strlen(url) : 11);
    assert_memory_equal(cut, url, strlen(cut));
}

static void test_urls(void **state)
{
    (void)state;
    check_url("a.example:8080/p/", false, "http://a.example:8080/p");
    check_url("a.example", true, "https://a.example");
    check_url("http://a", true, "http://a");
    check_url("[::1]:80/x", false, "http://[::1]:80/x");
    check_url("a b", false, ""); /* no address: nothing */
}

static void test_status_names(void **state)
{
    (void)state;
#define CHECK_NAME(name, value, text) assert_string_equal(osb_status_name(name), #name);
    OSB_STATUS_LIST(CHECK_NAME)
#undef CHECK_NAME
    assert_string_equal(osb_status_name((osb_status)-99), "unknown osb_status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),        cmocka_unit_test(test_numbers_of_every_size),
        cmocka_unit_test(test_longest_number), cmocka_unit_test(test_read_numbers),
        cmocka_unit_test(test_read_integers),  cmocka_unit_test(test_json_escapes),
        cmocka_unit_test(test_last_letter),    cmocka_unit_test(test_percent_encoding),
        cmocka_unit_test(test_encoding_twice), cmocka_unit_test(test_every_window),
        cmocka_unit_test(test_dates),          cmocka_unit_test(test_no_dates),
        cmocka_unit_test(test_utf8),           cmocka_unit_test(test_whole_characters),
        cmocka_unit_test(test_unescape),       cmocka_unit_test(test_shell_words),
        cmocka_unit_test(test_addresses),      cmocka_unit_test(test_urls),
        cmocka_unit_test(test_views),          cmocka_unit_test(test_status_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
