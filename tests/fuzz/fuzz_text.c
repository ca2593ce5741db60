/* The text layer against plain second implementations: writer windows, escapes, numbers, dates,
   percent-encoding, shell quotes, addresses. */
#include "tests/fuzz/fuzz.h"

#include <time.h>

/* ---- writing through windows -------------------------------------------------------------------*/

typedef struct request_texts {
    char *text[10];
    osb_pair pairs[2];
    const char *argv[3];
    osb_command command;
    osb_create_options create;
    osb_request raw;
    osb_endpoint endpoint;
} request_texts;

static void take_request(request_texts *r, input *in)
{
    char **t = r->text;
    size_t i;
    memset(r, 0, sizeof *r);
    for (i = 0; i < 10; i++) t[i] = take_text(in);
    r->pairs[0].name = t[0];
    r->pairs[0].value = t[1];
    r->pairs[1].name = t[2];
    r->argv[0] = t[3];
    r->argv[1] = t[4];
    r->command.argv = r->argv;
    r->command.cwd = t[5];
    r->command.envs = r->create.env = r->create.metadata = r->raw.headers = r->pairs;
    r->command.env_count = r->create.env_count = r->create.metadata_count = 2;
    r->raw.header_count = 2;
    r->create.image = t[6];
    r->create.entrypoint = r->argv;
    r->create.entrypoint_count = 2;
    r->raw.path = t[7];
    r->raw.method = t[8];
    r->raw.body = t[9];
    r->raw.body_size = strlen(t[9]);
    memcpy(r->endpoint.address, "host:1/p", sizeof "host:1/p");
    memcpy(r->endpoint.headers, "X-Token\0value\0", 15);
}

static void choose_call(osb__call *call, const request_texts *r, unsigned kind)
{
    static const osb__op raw = {NULL, NULL, NULL, NULL, NULL, OSB__DATA};
    memset(call, 0, sizeof *call);
    call->op = kind == 0 ? &osb__op_run : kind == 1 ? &osb__op_box_create : &raw;
    call->endpoint = kind == 1 ? NULL : &r->endpoint;
    call->body = kind == 0   ? (const void *)&r->command
                 : kind == 1 ? (const void *)&r->create
                             : (const void *)&r->raw;
}

/* Writes the window of `room` bytes from `from` on into a block of just that size. */
static void write_window(const osb_client *c, uint32_t from, uint32_t room, record *out)
{
    osb__writer w;
    uint32_t n = c->request_size - from < room ? c->request_size - from : room;
    memset(&w, 0, sizeof w);
    w.out = (unsigned char *)exactly(room);
    w.from = from;
    w.room = room;
    osb__put_request(c, &w);
    CHECK(w.at == c->request_size);
    record_bytes(out, w.out, n);
    free(w.out);
}

/* The whole request, and windows of it. Each window costs a pass over the whole: of the thousands
   that a long request in small windows has, only some are looked at. */
#define MOST_WINDOWS 64u

static void check_windows(const osb_client *c, uint32_t room)
{
    record whole = {0};
    uint32_t from, step = room;
    const char *end;
    while (c->request_size / step > MOST_WINDOWS) step *= 2;
    write_window(c, 0, c->request_size, &whole);
    for (from = 0; from < c->request_size; from += step) {
        record piece = {0};
        write_window(c, from, room, &piece);
        CHECK(memcmp(piece.data, whole.data + from, piece.size) == 0);
        record_free(&piece);
    }
    end = strstr(whole.data, "\r\n\r\n");
    CHECK(end != NULL && whole.size == (size_t)(end + 4 - whole.data) + c->body_size);
    record_free(&whole);
}

static void fuzz_windows(input *in)
{
    osb_client c;
    request_texts texts;
    uint32_t room = take_byte(in) % 64u + 1;
    unsigned kind = take_byte(in) % 3u;
    size_t i;
    memset(&c, 0, sizeof c);
    take_request(&texts, in);
    choose_call(&c.call, &texts, kind);
    c.config.domain = "api.example";
    c.config.user_agent = "fuzz";
    if (osb__measure_request(&c) == OSB_OK) check_windows(&c, room);
    for (i = 0; i < 10; i++) free(texts.text[i]);
}

/* ---- escapes -----------------------------------------------------------------------------------*/

static unsigned hex_value(const char *digits)
{
    char text[5];
    memcpy(text, digits, 4);
    text[4] = '\0';
    return (unsigned)strtoul(text, NULL, 16);
}

static void put_code(record *out, uint32_t code)
{
    unsigned char utf8[4];
    record_bytes(out, utf8, osb__put_utf8(utf8, code));
}

/* The plain way to resolve escapes, of a string that jsmn has let pass. */
static void reference_unescape(const char *s, size_t size, record *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    size_t i = 0;
    while (i < size) {
        const char *known;
        unsigned high, low;
        if (s[i] != '\\') {
            record_bytes(out, s + i++, 1);
            continue;
        }
        known = strchr(from, s[i + 1]);
        if (s[i + 1] != 'u') {
            record_bytes(out, known != NULL ? to + (known - from) : s + i + 1, 1);
            i += 2;
            continue;
        }
        high = hex_value(s + i + 2);
        i += 6;
        low = 0;
        if (high >= 0xd800 && high < 0xdc00 && size - i >= 6 && s[i] == '\\' && s[i + 1] == 'u')
            low = hex_value(s + i + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            put_code(out, 0x10000u + ((high & 0x3ffu) << 10 | (low & 0x3ffu)));
            i += 6;
        } else {
            put_code(out, high >= 0xd800 && high < 0xe000 ? 0xfffdu : high);
        }
    }
}

static void fuzz_unescape(input *in)
{
    osb__jsmn_parser parser;
    osb__jsmntok_t token[1];
    record expected = {0}, quoted = {0};
    record_text(&quoted, "[\"");
    record_bytes(&quoted, in->data, in->size);
    record_text(&quoted, "\"]");
    osb__jsmn_init(&parser);
    if (osb__jsmn_parse(&parser, quoted.data + 1, quoted.size - 2, token, 1) == 1 &&
        token[0].type == OSB__JSMN_STRING && (size_t)token[0].end == quoted.size - 3) {
        unsigned char *text = (unsigned char *)exactly(in->size);
        size_t size;
        if (in->size > 0) memcpy(text, in->data, in->size);
        size = osb__unescape(text, in->size);
        reference_unescape((const char *)in->data, in->size, &expected);
        CHECK(size == expected.size && (size == 0 || memcmp(text, expected.data, size) == 0));
        if (is_utf8(in->data, in->size)) CHECK(is_utf8(text, size));
        free(text);
    }
    record_free(&expected);
    record_free(&quoted);
}

/* What is escaped and resolved again is what it was. */
static void fuzz_escape(input *in)
{
    osb__writer w;
    size_t room = in->size * 6 + 1, size;
    unsigned char *text = (unsigned char *)exactly(room);
    memset(&w, 0, sizeof w);
    w.out = text;
    w.room = (uint32_t)room;
    osb__put_escaped(&w, (const char *)in->data, in->size);
    CHECK(w.at < room && osb__plain(text, w.at) <= w.at);
    size = osb__unescape(text, w.at);
    CHECK(size == in->size && (size == 0 || memcmp(text, in->data, size) == 0));
    free(text);
}

/* ---- numbers -----------------------------------------------------------------------------------*/

static bool reference_number(const char *text, size_t size, uint64_t *value)
{
    size_t i;
    *value = 0;
    for (i = 0; i < size; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit > 9) return false;
        if (__builtin_mul_overflow(*value, (uint64_t)10, value)) return false;
        if (__builtin_add_overflow(*value, (uint64_t)digit, value)) return false;
    }
    return size > 0;
}

static void fuzz_numbers(input *in)
{
    uint64_t number = take_u64(in), parsed, expected;
    int64_t integer;
    char text[24], *digits = take_text(in);
    size_t size = strlen(digits);
    osb__writer w;
    number >>= number & 63u;
    memset(&w, 0, sizeof w);
    w.out = (unsigned char *)text;
    w.room = sizeof text;
    osb__put_number(&w, number);
    CHECK(osb__number(text, w.at, &parsed) && parsed == number);
    CHECK(osb__number(digits, size, &parsed) == reference_number(digits, size, &expected));
    if (reference_number(digits, size, &expected)) CHECK(parsed == expected);
    if (osb__integer(digits, size, &integer)) {
        char again[24];
        const char *shown = digits[0] == '-' ? digits + 1 : digits;
        while (*shown == '0' && shown[1] != '\0') shown++;
        (void)snprintf(again, sizeof again, "%lld", (long long)integer);
        CHECK(strcmp(again[0] == '-' ? again + 1 : again, shown) == 0);
    }
    free(digits);
}

#ifndef OSB_NO_METRICS
/* Thousandths of a decimal of few digits, by long division of an exact fraction. */
static void fuzz_milli(input *in)
{
    int64_t value, whole = (int32_t)take_u32(in);
    unsigned part = take_byte(in) % 100u, shift = take_byte(in) % 3u;
    char text[40];
    if (whole == 0) return;
    (void)snprintf(text, sizeof text, "%lld.%02ue%u", (long long)whole, part, shift);
    CHECK(osb__milli(text, strlen(text), &value));
    while (shift-- > 0) part *= 10u, whole *= 10;
    CHECK(value == whole * 1000 + (whole < 0 ? -1 : 1) * (int64_t)part * 10);
}

static void fuzz_any_milli(input *in)
{
    char *text = take_text(in);
    int64_t value;
    if (osb__json_is_number(text, strlen(text))) (void)osb__milli(text, strlen(text), &value);
    free(text);
}
#endif

/* ---- dates -------------------------------------------------------------------------------------*/

static void fuzz_dates(input *in)
{
    uint32_t seconds = take_u32(in);
    time_t moment = (time_t)seconds;
    struct tm *civil = gmtime(&moment);
    char http[40], rfc3339[40], text[40];
    CHECK(civil != NULL);
    (void)strftime(http, sizeof http, "%a, %d %b %Y %H:%M:%S GMT", civil);
    if (civil->tm_year <= 205) CHECK(osb__http_date(http, strlen(http)) == seconds);
#ifndef OSB_NO_ADMIN
    {
        osb__writer w;
        (void)strftime(rfc3339, sizeof rfc3339, "%Y-%m-%dT%H:%M:%SZ", civil);
        memset(&w, 0, sizeof w);
        w.out = (unsigned char *)text;
        w.room = sizeof text;
        osb__put_time(&w, seconds);
        CHECK(w.at == strlen(rfc3339) && memcmp(text, rfc3339, w.at) == 0);
    }
#else
    (void)rfc3339;
    (void)text;
#endif
}

/* Anything in a date's place: what is taken for a date has digits where they belong. */
static void fuzz_any_date(input *in)
{
    static const unsigned digit_at[] = {6, 12, 13, 14, 15, 18, 21, 24};
    char *text = (char *)exactly(in->size);
    size_t i;
    if (in->size > 0) memcpy(text, in->data, in->size);
    if (osb__http_date(text, in->size) != 0) {
        CHECK(in->size == 29);
        for (i = 0; i < sizeof digit_at / sizeof digit_at[0]; i++)
            CHECK(osb__is_digit((unsigned char)text[digit_at[i]]) || text[digit_at[i]] == ' ');
    }
    free(text);
}

/* ---- encodings ---------------------------------------------------------------------------------*/

static void fuzz_percent(input *in)
{
    char *text = take_text(in), *out = (char *)exactly(strlen(text) * 3);
    size_t i, n = 0;
    osb__writer w;
    memset(&w, 0, sizeof w);
    w.out = (unsigned char *)out;
    w.room = (uint32_t)strlen(text) * 3u;
    osb__put_encoded(&w, text, "%");
    for (i = 0; i < w.at; n++) {
        unsigned char c = (unsigned char)out[i++];
        CHECK(osb__is_unreserved(c) || c == '%');
        if (c == '%') {
            char hex[3] = {out[i], out[i + 1], '\0'};
            c = (unsigned char)strtoul(hex, NULL, 16);
            i += 2;
        }
        CHECK(c == (unsigned char)text[n]);
    }
    CHECK(text[n] == '\0');
    free(text);
    free(out);
}

/* Reads one word as a POSIX shell does; only what is in single quotes or behind a backslash. */
static const char *shell_word(const char *s, record *word)
{
    bool quoted = false;
    for (; *s != '\0' && (quoted || *s != ' '); s++) {
        if (*s == '\'') quoted = !quoted;
        else if (quoted) record_bytes(word, s, 1);
        else if (*s == '\\') record_bytes(word, ++s, 1);
        else fuzz_fail(__FILE__, __LINE__, "a character outside of quotes");
    }
    CHECK(!quoted);
    return *s == ' ' ? s + 1 : s;
}

static void fuzz_shell(input *in)
{
    size_t room = take_byte(in), i;
    char *first = take_text(in), *second = take_text(in), *out, *cut = (char *)exactly(room);
    const char *argv[3], *s;
    size_t size;
    argv[0] = first;
    argv[1] = second;
    argv[2] = NULL;
    size = osb_shell_quote(argv, NULL, 0);
    CHECK(osb_shell_quote(argv, cut, room) == size);
    out = (char *)exactly(size + 1);
    CHECK(osb_shell_quote(argv, out, size + 1) == size && strlen(out) == size);
    if (room > 0) CHECK(strncmp(out, cut, room - 1) == 0 && strlen(cut) < room);
    for (s = out, i = 0; i < 2; i++) {
        record word = {0};
        s = shell_word(s, &word);
        CHECK(word.size == strlen(argv[i]) &&
              memcmp(word.data != NULL ? word.data : "", argv[i], word.size) == 0);
        record_free(&word);
    }
    CHECK(*s == '\0');
    free(first);
    free(second);
    free(out);
    free(cut);
}

static void fuzz_characters(input *in)
{
    unsigned char *text = (unsigned char *)exactly(in->size);
    size_t whole, i;
    if (in->size > 0) memcpy(text, in->data, in->size);
    whole = osb__whole_characters(text, in->size);
    CHECK(whole <= in->size && in->size - whole <= 3);
    for (i = 0; i <= in->size && i <= 4;
         i++) /* whatever valid text is cut to, valid text is left */
        if (is_utf8(text, in->size) && osb__whole_characters(text, in->size - i) <= in->size - i)
            CHECK(is_utf8(text, osb__whole_characters(text, in->size - i)));
    for (i = 0; i < in->size; i++) CHECK(osb__plain(text + i, in->size - i) <= in->size - i);
    whole = osb__plain(text, in->size);
    for (i = 0; i < whole; i++) CHECK(text[i] >= 0x20 && text[i] != '"' && text[i] != '\\');
    if (whole < in->size) CHECK(text[whole] < 0x20 || text[whole] == '"' || text[whole] == '\\');
    free(text);
}

/* ---- addresses ---------------------------------------------------------------------------------*/

static void fuzz_address(input *in)
{
    size_t room = take_byte(in), size, used = 0;
    char *text = take_text(in), *out = (char *)exactly(room);
    osb__address a;
    osb_endpoint endpoint;
    if (osb__parse_address(text, false, &a)) {
        CHECK(a.host_size > 0 && a.port > 0);
        CHECK(a.host >= text && a.path + a.path_size <= text + strlen(text));
        CHECK(a.host + a.host_size <= a.path);
        CHECK(memchr(a.host, '@', a.host_size) == NULL && memchr(a.host, '/', a.host_size) == NULL);
        CHECK(osb__same_origin(&a, &a));
    }
    memset(&endpoint, 0, sizeof endpoint);
    used = strlen(text) < sizeof endpoint.address ? strlen(text) : sizeof endpoint.address - 1;
    memcpy(endpoint.address, text, used);
    size = osb_endpoint_url(&endpoint, out, room);
    if (room > 0) CHECK(strlen(out) == (size < room ? size : room - 1));
    free(text);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const parts[])(input *) = {
        fuzz_windows,  fuzz_unescape,  fuzz_escape, fuzz_numbers,    fuzz_dates,
        fuzz_any_date, fuzz_percent,   fuzz_shell,  fuzz_characters, fuzz_address,
#ifndef OSB_NO_METRICS
        fuzz_milli,    fuzz_any_milli,
#endif
    };
    input in;
    in.data = data;
    in.size = size;
    parts[take_byte(&in) % (sizeof parts / sizeof parts[0])](&in);
    return 0;
}
