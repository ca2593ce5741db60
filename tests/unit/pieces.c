/* Texts that are larger than the buffer: handed out in pieces, of which none ends inside a
   character or an escape, and which together are the text. */
#include "tests/support/unit.h"

/* Under valgrind not every place is looked at: it is thirty times slower. */
static size_t stride = 1;

/* An answer with a text in it, so many times, up to the connection's end. */
static void long_answer(bench *b, const char *before, const char *text, size_t times,
                        const char *after)
{
    script_request(&b->port);
    script_reply(&b->port, before);
    script_reply_times(&b->port, text, (uint32_t)times);
    script_reply(&b->port, after);
    script_close(&b->port);
}

static void begin(bench *b, size_t size, script_cut cut)
{
    bench_begin(b, size);
    b->port.cut = cut;
    b->port.seed = (uint32_t)size;
    bench_execd(b);
}

/* Runs a command with the recorder's handlers. */
static osb_status run_recorded(bench *b, osb_execution *run)
{
    static osb_handlers handlers;
    handlers = recorder_handlers(&b->r);
    return bench_run(b, &handlers, run);
}

/* The same with a stream that has a text in it, so many times. */
static osb_status run_long(bench *b, script_cut cut, const char *before, const char *text,
                           size_t times, const char *after, osb_execution *run)
{
    begin(b, 1024, cut);
    long_answer(b, before, text, times, after);
    return run_recorded(b, run);
}

#define STDOUT BENCH_STREAM BENCH_INIT "{\"type\":\"stdout\",\"text\":\""
#define STDOUT_ENDS "\",\"timestamp\":5}\n\n" BENCH_DONE

static struct text repeated(const char *text, size_t times)
{
    struct text t = {0};
    while (times-- > 0) text_add(&t, text, strlen(text));
    return t;
}

/* An escape or a long character at each place relative to the buffer's end. */
static void check_at_every_place(const char *json, const char *text, size_t text_size)
{
    static const script_cut cuts[] = {CUT_WHOLE, CUT_BYTES, CUT_RANDOM};
    size_t fill;
    for (fill = 700; fill < 1100; fill += stride) {
        struct text padding = repeated("p", fill), expected = {0};
        osb_execution run;
        bench b;
        text_add(&expected, padding.data, fill);
        text_add(&expected, text, text_size);
        text_add(&expected, padding.data, fill);
        begin(&b, 1024, cuts[fill % 3]);
        script_request(&b.port);
        script_reply(&b.port, STDOUT);
        script_reply(&b.port, padding.data);
        script_reply(&b.port, json);
        script_reply(&b.port, padding.data);
        script_reply(&b.port, STDOUT_ENDS);
        script_close(&b.port);
        assert_int_equal(run_recorded(&b, &run), OSB_OK);
        assert_int_equal(b.r.output[0].size, expected.size + 1);
        assert_memory_equal(b.r.output[0].data, expected.data, expected.size);
        bench_end(&b);
        text_free(&padding);
        text_free(&expected);
    }
}

static void test_plain(void **state)
{
    (void)state;
    check_at_every_place("x", "x", 1);
}

static void test_short_escape(void **state)
{
    (void)state;
    check_at_every_place("\\n\\\\\\\"", "\n\\\"", 3);
}

static void test_unicode_escape(void **state)
{
    (void)state;
    check_at_every_place("\\u00e4\\u20ac", "\xc3\xa4\xe2\x82\xac", 5);
}

static void test_surrogate_pair(void **state)
{
    (void)state;
    check_at_every_place("\\ud83d\\ude00", "\xf0\x9f\x98\x80", 4);
}

static void test_lone_surrogates(void **state)
{
    (void)state;
    check_at_every_place("\\ud83d\\ud83d\\ude00\\ude00", "\xef\xbf\xbd\xf0\x9f\x98\x80\xef\xbf\xbd",
                         10);
}

static void test_lone_surrogate_then_text(void **state)
{
    (void)state;
    check_at_every_place("\\ud83dx\\ud83d\\n", "\xef\xbf\xbdx\xef\xbf\xbd\n", 8);
    check_at_every_place("\\udc00\\ude00", "\xef\xbf\xbd\xef\xbf\xbd", 6);
}

static void test_long_characters(void **state)
{
    (void)state;
    check_at_every_place("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
                         "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9);
}

/* Nothing but escapes, from end to end. */
static void test_only_escapes(void **state)
{
    static const char *const escapes[] = {"\\n", "\\u00e4", "\\ud83d\\ude00", "\\\\", "\\ud83d"};
    static const char *const texts[] = {"\n", "\xc3\xa4", "\xf0\x9f\x98\x80", "\\", "\xef\xbf\xbd"};
    size_t kind;
    (void)state;
    for (kind = 0; kind < 5; kind++) {
        struct text expected = repeated(texts[kind], 2000);
        osb_execution run;
        bench b;
        begin(&b, 1024 + kind, CUT_RANDOM);
        long_answer(&b, STDOUT, escapes[kind], 2000, STDOUT_ENDS);
        assert_int_equal(run_recorded(&b, &run), OSB_OK);
        assert_memory_equal(b.r.output[0].data, expected.data, expected.size);
        assert_int_equal(b.r.output[0].size, expected.size + 1);
        bench_end(&b);
        text_free(&expected);
    }
}

typedef struct counter {
    uint64_t bytes, pieces, lines;
    size_t longest;
    bool wrong;
} counter;

static int count_output(void *user, osb_stream stream, const char *data, size_t size)
{
    counter *c = (counter *)user;
    size_t i;
    for (i = 0; i < size; i++) {
        if (data[i] == '\n') c->lines++;
        else if (data[i] != (char)('0' + c->bytes % 10)) c->wrong = true;
        if (data[i] != '\n') c->bytes++;
    }
    if (stream != OSB_STDOUT) c->wrong = true;
    if (size > c->longest) c->longest = size;
    c->pieces++;
    return 0;
}

/* A line of 10 MB through 1 KB: each byte, in order, once. */
static void test_ten_megabytes(void **state)
{
    osb_handlers handlers = {0};
    counter c = {0};
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    handlers.user = &c;
    handlers.on_output = count_output;
    bench_execd(&b);
    long_answer(&b, STDOUT, "0123456789", 1000000, STDOUT_ENDS);
    assert_int_equal(bench_run(&b, &handlers, &run), OSB_OK);
    assert_true(c.bytes == 10000000u);
    assert_int_equal(c.lines, 1);
    assert_false(c.wrong);
    assert_true(c.longest > 300 && c.longest < 1024);
    assert_int_equal(run.exit_code.value, 0);
    bench_end(&b);
}

static int last_more = -1;
static unsigned pieces_seen;

static int note_more(void *user, const osb_event *event)
{
    (void)user;
    last_more = event->more;
    pieces_seen++;
    if (event->more) assert_true(event->text.size > 0);
    if (event->more) assert_int_equal(event->timestamp_ms, 0);
    return 0;
}

/* Each piece but the last says that more follows. */
static void test_more_flags(void **state)
{
    uint32_t size;
    (void)state;
    for (size = 1; size < 3000; size += 97) {
        osb_handlers handlers = {0};
        osb_execution run;
        bench b;
        bench_begin(&b, 1024);
        handlers.on_stdout = note_more;
        bench_execd(&b);
        long_answer(&b, STDOUT, "x", size, "\"}\n\n" BENCH_DONE);
        last_more = -1;
        pieces_seen = 0;
        assert_int_equal(bench_run(&b, &handlers, &run), OSB_OK);
        assert_int_equal(last_more, 0);
        assert_int_equal(pieces_seen > 1, size > 1000 ? 1 : pieces_seen > 1);
        bench_end(&b);
    }
}

/* What tools/docs/memory.md says: a buffer of the text's size, 160 bytes and the host's name. */
static void test_room_for_one_piece(void **state)
{
    uint32_t size;
    (void)state;
    for (size = 1000; size < 5000; size += 333) {
        osb_handlers handlers = {0};
        osb_execution run;
        bench b;
        bench_begin(&b, size + 160u + (uint32_t)strlen("execd.example:44772"));
        handlers.on_stdout = note_more;
        bench_execd(&b);
        long_answer(&b, STDOUT, "x", size, "\",\"timestamp\":1790000000000}\n\n" BENCH_DONE);
        pieces_seen = 0;
        assert_int_equal(bench_run(&b, &handlers, &run), OSB_OK);
        assert_int_equal(pieces_seen, 1);
        bench_end(&b);
    }
}

/* A line whose only text is a newline is one newline, but not if it is the rest of a longer one. */
static void test_newline_at_a_piece_end(void **state)
{
    static const char after[] = "\\n\"}\n\n{\"type\":\"stdout\",\"text\":\"\\n\"}\n\n" BENCH_DONE;
    size_t fill;
    (void)state;
    for (fill = 800; fill < 1100; fill += stride) {
        osb_execution run;
        bench b;
        assert_int_equal(run_long(&b, CUT_WHOLE, STDOUT, "p", fill, after, &run), OSB_OK);
        assert_int_equal(b.r.output[0].size, fill + 3);
        assert_memory_equal(b.r.output[0].data + fill, "\n\n\n", 3);
        bench_end(&b);
    }
}

/* An exit code is handed out whole, however little room the error's name leaves for it. */
static void test_exit_code_behind_a_long_name(void **state)
{
    static const char after[] = "\",\"evalue\":\"3\",\"traceback\":[\"exit status 3\"]}}\n\n";
    size_t fill;
    (void)state;
    for (fill = 600; fill < 890; fill++) {
        osb_execution run;
        bench b;
        assert_int_equal(run_long(&b, CUT_WHOLE,
                                  BENCH_STREAM BENCH_INIT
                                  "{\"type\":\"error\",\"timestamp\":3,\"error\":{\"ename\":\"",
                                  "n", fill, after, &run),
                         OSB_OK);
        assert_true(run.exit_code.set);
        assert_int_equal(run.exit_code.value, 3);
        bench_end(&b);
    }
}

/* A text before its event's type cannot be handed out; the error says what would do. */
static void test_text_before_type(void **state)
{
    osb_execution run;
    size_t needed = 1024;
    osb_status status;
    bench b;
    (void)state;
    for (;;) {
        size_t more;
        begin(&b, needed, CUT_WHOLE);
        long_answer(&b, BENCH_STREAM BENCH_INIT "{\"text\":\"", "x", 3000,
                    "\",\"type\":\"stdout\"}\n\n" BENCH_DONE);
        status = run_recorded(&b, &run);
        if (status != OSB_E_BUFFER) break;
        more = osb_last_error(&b.client)->needed;
        assert_true(more > needed && more < 100000);
        needed = more;
        b.port.at = b.port.step_count; /* the rest was not read */
        bench_end(&b);
    }
    assert_int_equal(status, OSB_OK);
    assert_true(needed > 1024);
    assert_int_equal(b.r.output[0].size, 3001);
    bench_end(&b);
}

/* A line as the recorder writes it. */
static void expected_line(struct text *line, const char *begin, const char *data, size_t size)
{
    recorder r;
    memset(&r, 0, sizeof r);
    text_print(&r.lines, "%s", begin);
    recorder_text(&r, data, size);
    text_add(line, r.lines.data, r.lines.size);
    text_add(line, "\n", 1);
    recorder_clear(&r);
}

/* A text of each length, with more members behind it: all of it arrives, wherever it stands. */
static void check_each_length(const char *before, const char *after, const char *line_begin)
{
    size_t n;
    for (n = 1; n<1300; n += n> 700 && n < 1100 ? 1 : 37) {
        struct text padding = repeated("p", n), line = {0};
        osb_execution run;
        script_cut cut = n % 2 == 0 ? CUT_WHOLE : CUT_RANDOM;
        bench b;
        if (run_long(&b, cut, before, "p", n, after, &run) != OSB_OK) {
            print_error("%s%lu: %s\n", before, (unsigned long)n, osb_last_error(&b.client)->member);
            fail();
        }
        expected_line(&line, line_begin, padding.data, n);
        if (strstr(b.r.lines.data, line.data) == NULL) print_error("%s\n", b.r.lines.data);
        assert_non_null(strstr(b.r.lines.data, line.data));
        bench_end(&b);
        text_free(&padding);
        text_free(&line);
    }
}

static void test_each_length(void **state)
{
    (void)state;
    check_each_length(BENCH_STREAM BENCH_INIT "{\"type\":\"stderr\",\"text\":\"",
                      "\",\"timestamp\":1700000000000,\"execution_count\":4000000000}\n" BENCH_DONE,
                      "event stderr @1700000000000 #4000000000 ");
    check_each_length(BENCH_STREAM BENCH_INIT
                      "{\"type\":\"error\",\"error\":{\"ename\":\"E\",\"evalue\":\"",
                      "\",\"traceback\":[\"a\",\"b\"]},\"timestamp\":1700000000000}\n",
                      "event error @1700000000000 [E] ");
    check_each_length(
        BENCH_STREAM BENCH_INIT "{\"type\":\"error\",\"error\":{\"ename\":\"E\",\"traceback\":[\"",
        "\"],\"evalue\":\"a value of some size\"},\"timestamp\":1700000000000}\n", "traceback ");
    check_each_length(BENCH_STREAM BENCH_INIT "{\"type\":\"result\",\"results\":{\"text/plain\":\"",
                      "\",\"text/html\":\"x\"},\"timestamp\":1700000000000}\n" BENCH_DONE,
                      "event result [text/plain] ");
}

/* A text of n bytes in an event, whose handler says stop at its first piece, or at the whole. */
static int stop_event(void *user, const osb_event *event)
{
    (void)event;
    ++*(unsigned *)user;
    return 1;
}

static int stop_output(void *user, osb_stream stream, const char *data, size_t size)
{
    (void)stream;
    (void)data;
    (void)size;
    ++*(unsigned *)user;
    return 1;
}

static int stop_traceback(void *user, osb_str line, bool more)
{
    (void)line;
    (void)more;
    ++*(unsigned *)user;
    return 1;
}

/* One call of a handler, and the rest of the stream is not read; the command is interrupted. */
static void check_stopped(osb_handlers *handlers, const char *before, size_t n, const char *after)
{
    unsigned calls = 0;
    osb_execution run;
    bench b;
    bench_begin(&b, 1024);
    bench_execd(&b);
    bench_answer(&b, BENCH_STREAM BENCH_INIT);
    script_reply(&b.port, before);
    script_reply_times(&b.port, "p", (uint32_t)n);
    script_reply(&b.port, after);
    script_close(&b.port);
    bench_execd_answers(&b, "");
    handlers->user = &calls;
    assert_int_equal(bench_run(&b, handlers, &run), OSB_E_CANCELLED);
    assert_int_equal(calls, 1);
    assert_int_equal(osb_last_error(&b.client)->status, OSB_E_CANCELLED);
    assert_non_null(strstr(b.port.log.data, "DELETE /command?id=0a1b HTTP/1.1\r\n"));
    bench_end(&b);
}

static void test_stopped_in_each_handler(void **state)
{
    size_t n;
    (void)state;
    for (n = 1; n < 1500; n += n < 600 ? 299 : 7 * stride) {
        osb_handlers out = {0}, err = {0}, result = {0}, error = {0}, output = {0}, trace = {0};
        out.on_stdout = err.on_stderr = result.on_result = error.on_error = stop_event;
        output.on_output = stop_output;
        trace.on_traceback = stop_traceback;
        check_stopped(&out, "{\"type\":\"stdout\",\"text\":\"", n, "\"}\n\n" BENCH_DONE);
        check_stopped(&err, "{\"type\":\"stderr\",\"text\":\"", n, "\"}\n\n" BENCH_DONE);
        check_stopped(&output, "{\"type\":\"stdout\",\"text\":\"", n, "\"}\n\n" BENCH_DONE);
        check_stopped(&result, "{\"type\":\"result\",\"results\":{\"text/plain\":\"", n,
                      "\",\"a\":\"b\"}}\n\n" BENCH_DONE);
        check_stopped(&error, "{\"type\":\"error\",\"error\":{\"ename\":\"E\",\"evalue\":\"", n,
                      "\"}}\n\n");
        check_stopped(&trace, "{\"type\":\"error\",\"error\":{\"traceback\":[\"", n,
                      "\",\"b\"]}}\n\n");
    }
}

static int stop_data(void *user, const void *data, size_t size)
{
    (void)data;
    assert_true(size > 0);
    ++*(unsigned *)user;
    return 1;
}

/* The same with a command's text in its state. */
static void test_stopped_in_a_state(void **state)
{
    size_t n;
    (void)state;
    for (n = 1; n < 1500; n += n < 600 ? 299 : 7 * stride) {
        osb_command_state command;
        unsigned calls = 0;
        bench b;
        bench_begin(&b, 1024);
        bench_execd(&b);
        long_answer(&b, BENCH_STREAM "{\"running\":true,\"content\":\"", "p", n,
                    "\",\"id\":\"0a1b\"}");
        assert_int_equal(osb_command_status(&b.box, "0a1b", stop_data, &calls, &command),
                         OSB_E_CANCELLED);
        assert_int_equal(calls, 1);
        bench_end(&b);
    }
}

/* Nobody wants the text: its last piece is in the state. */
static void test_unwanted_content(void **state)
{
    size_t n;
    (void)state;
    for (n = 1; n < 3000; n += 333) {
        osb_command_state command;
        bench b;
        bench_begin(&b, 1024);
        bench_execd(&b);
        long_answer(&b, BENCH_STREAM "{\"running\":true,\"content\":\"", "p", n,
                    "\",\"id\":\"0a1b\"}");
        assert_int_equal(osb_command_status(&b.box, "0a1b", NULL, NULL, &command), OSB_OK);
        assert_true(command.running && osb_str_equal(command.id, "0a1b"));
        bench_end(&b);
    }
}

/* A result's MIME type of each length: it is handed out, or the error names the member. */
static void test_long_keys(void **state)
{
    size_t n;
    (void)state;
    for (n = 600; n < 1100; n += stride) {
        struct text key = repeated("k", n);
        osb_execution run;
        osb_status status;
        bench b;
        status = run_long(&b, n % 2 == 0 ? CUT_BYTES : CUT_WHOLE,
                          BENCH_STREAM BENCH_INIT "{\"type\":\"result\",\"results\":{\"", "k", n,
                          "\"  : \"value\"}}\n\n" BENCH_DONE, &run);
        if (status == OSB_OK) {
            assert_non_null(strstr(b.r.lines.data, key.data));
        } else {
            assert_int_equal(status, OSB_E_BUFFER);
            assert_string_equal(osb_last_error(&b.client)->member, "results");
            assert_true(osb_last_error(&b.client)->needed > 1024);
            b.port.at = b.port.step_count;
        }
        assert_int_equal(status, n < 700 ? OSB_OK : n > 1000 ? OSB_E_BUFFER : status);
        bench_end(&b);
        text_free(&key);
    }
}

/* A number larger than the buffer where a text is wanted. */
static void test_endless_number(void **state)
{
    osb_execution run;
    bench b;
    (void)state;
    assert_int_equal(run_long(&b, CUT_RANDOM,
                              BENCH_STREAM BENCH_INIT "{\"type\":\"stdout\",\"text\":", "1", 3000,
                              "}\n\n" BENCH_DONE, &run),
                     OSB_E_BUFFER);
    assert_string_equal(osb_last_error(&b.client)->member, "text");
    bench_end(&b);
}

/* An event's error as a text instead of an object: its beginning is kept. */
static void test_error_as_long_text(void **state)
{
    osb_execution run;
    size_t i;
    bench b;
    (void)state;
    assert_int_equal(run_long(&b, CUT_WHOLE,
                              BENCH_STREAM BENCH_INIT "{\"type\":\"error\",\"error\":\"", "w", 3000,
                              "\"}\n\n", &run),
                     OSB_OK);
    assert_true(run.error_value.size > 200 && run.error_value.size < 600);
    for (i = 0; i < run.error_value.size; i++) assert_int_equal(run.error_value.data[i], 'w');
    assert_false(run.exit_code.set);
    bench_end(&b);
}

/* Captures take what fits and say that there was more. */
static void test_capture_limits(void **state)
{
    static const char *const expected[] = {"",      "a",      "ab",       "ab\n",
                                           "ab\nc", "ab\ncd", "ab\ncd\n", "ab\ncd\n"};
    size_t size;
    (void)state;
    for (size = 0; size < 8; size++) {
        osb_handlers handlers = {0};
        osb_capture capture = {0};
        osb_execution run;
        char data[9];
        bench b;
        memset(data, 'z', sizeof data);
        capture.data = data;
        capture.size = size;
        handlers.capture_stdout = &capture;
        bench_begin(&b, 1024);
        bench_stream(&b, BENCH_INIT "{\"type\":\"stdout\",\"text\":\"ab\"}\n\n"
                                    "{\"type\":\"stdout\",\"text\":\"cd\"}\n\n" BENCH_DONE);
        assert_int_equal(bench_run(&b, &handlers, &run), OSB_OK);
        assert_int_equal(capture.length, strlen(expected[size]));
        assert_memory_equal(data, expected[size], capture.length);
        assert_int_equal(capture.more, size < 6);
        if (size > 6) assert_int_equal(data[6], '\0');
        assert_int_equal(data[size > 6 ? 7 : size], 'z');
        bench_end(&b);
    }
}

/* A key of which each piece has to be told. */
#define ODD_KEY "t\\\"e\\\\x\\/\\u0074\\nm\\u00e4"
#define ODD_NAME "t\"e\\x/t\nm\xc3\xa4"

typedef struct odd_result {
    struct text whole;
    unsigned pieces, wrong; /* wrong: their key was another one, or ended without a NUL */
} odd_result;

static int add_odd_piece(void *user, const osb_event *event)
{
    odd_result *seen = (odd_result *)user;
    seen->pieces++;
    if (!osb_str_equal(event->key, ODD_NAME) || event->key.data[event->key.size] != '\0')
        seen->wrong++;
    text_add(&seen->whole, event->text.data, event->text.size);
    return 0;
}

/* A result with this key, and a value that is `part` so many times. */
static osb_status run_odd_result(const char *key, const char *open, const char *part, size_t times,
                                 const char *close, script_cut cut, odd_result *seen)
{
    osb_handlers handlers = {0};
    osb_execution run;
    osb_status status;
    struct text before = {0}, after = {0};
    bench b;
    memset(seen, 0, sizeof *seen);
    text_clear(&seen->whole);
    text_print(&before, BENCH_STREAM BENCH_INIT "{\"type\":\"result\",\"results\":{\"%s\" : %s",
               key, open);
    text_print(&after, "%s}}\n\n" BENCH_DONE, close);
    begin(&b, 1024, cut);
    long_answer(&b, before.data, part, times, after.data);
    handlers.user = seen;
    handlers.on_result = add_odd_piece;
    status = bench_run(&b, &handlers, &run);
    b.port.at = b.port.step_count;
    bench_end(&b);
    text_free(&before);
    text_free(&after);
    return status;
}

/* A key with escapes is told as what it means, with each piece of its value. */
static void test_odd_keys(void **state)
{
    static const struct {
        const char *open, *part, *close, *open_out, *part_out, *close_out;
    } cases[] = {{"\"", "ab\\n\\u00e4c", "\"", "",
                  "ab\n\xc3\xa4"
                  "c",
                  ""},
                 {"{\"x\":[", "\"a\\n\",", "1]}", "{\"x\":[", "\"a\\n\",", "1]}"},
                 {"[", "1,", "2]", "[", "1,", "2]"}};
    static const size_t times[] = {1, 20, 2000};
    size_t i, n, cut;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0] * 6; i++) {
        struct text expected = {0};
        odd_result seen;
        n = i / 2 % 3;
        cut = i % 2;
        text_print(&expected, "%s", cases[i / 6].open_out);
        while (expected.size <
               strlen(cases[i / 6].open_out) + times[n] * strlen(cases[i / 6].part_out))
            text_print(&expected, "%s", cases[i / 6].part_out);
        text_print(&expected, "%s", cases[i / 6].close_out);
        assert_int_equal(run_odd_result(ODD_KEY, cases[i / 6].open, cases[i / 6].part, times[n],
                                        cases[i / 6].close, cut == 0 ? CUT_WHOLE : CUT_BYTES,
                                        &seen),
                         OSB_OK);
        assert_string_equal(seen.whole.data, expected.data);
        assert_true(times[n] < 2000 ? seen.pieces == 1 : seen.pieces > 4);
        assert_int_equal(seen.wrong, 0);
        text_free(&expected);
        text_free(&seen.whole);
    }
}

/* What is no escape is none, in a key, or in a piece of a text. */
static void test_odd_escapes(void **state)
{
    odd_result seen;
    size_t n;
    (void)state;
    for (n = 1; n <= 3000; n += 2999) {
        assert_int_equal(run_odd_result("a\\q", "\"", "x", n, "\"", CUT_WHOLE, &seen), OSB_E_JSON);
        text_free(&seen.whole);
        assert_int_equal(run_odd_result("a\\u00g0", "[", "1,", n, "1]", CUT_WHOLE, &seen),
                         OSB_E_JSON);
        text_free(&seen.whole);
        assert_int_equal(run_odd_result("a", "\"\\q", "x", n, "\"", CUT_WHOLE, &seen), OSB_E_JSON);
        text_free(&seen.whole);
        assert_int_equal(run_odd_result(ODD_KEY, "\"", "x", n, "\\q\"", CUT_WHOLE, &seen),
                         OSB_E_JSON);
        assert_int_equal(seen.wrong, 0);
        text_free(&seen.whole);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_short_escape),
        cmocka_unit_test(test_unicode_escape),
        cmocka_unit_test(test_surrogate_pair),
        cmocka_unit_test(test_lone_surrogates),
        cmocka_unit_test(test_lone_surrogate_then_text),
        cmocka_unit_test(test_long_characters),
        cmocka_unit_test(test_only_escapes),
        cmocka_unit_test(test_ten_megabytes),
        cmocka_unit_test(test_more_flags),
        cmocka_unit_test(test_room_for_one_piece),
        cmocka_unit_test(test_newline_at_a_piece_end),
        cmocka_unit_test(test_exit_code_behind_a_long_name),
        cmocka_unit_test(test_text_before_type),
        cmocka_unit_test(test_each_length),
        cmocka_unit_test(test_stopped_in_each_handler),
        cmocka_unit_test(test_stopped_in_a_state),
        cmocka_unit_test(test_unwanted_content),
        cmocka_unit_test(test_long_keys),
        cmocka_unit_test(test_odd_keys),
        cmocka_unit_test(test_odd_escapes),
        cmocka_unit_test(test_endless_number),
        cmocka_unit_test(test_error_as_long_text),
        cmocka_unit_test(test_capture_limits),
    };
    if (argc > 0 && strstr(argv[0], "valgrind") != NULL) stride = 11;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
