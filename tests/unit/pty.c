/* Terminals over WebSocket: the handshake, frames of every kind cut anywhere, what is sent, how it
   ends, replays and reconnections. */
#include "tests/support/unit.h"

/* The scripted port's random bytes are 00 11 22 33 and so on: the key and the mask are known. */
#define UPGRADED                                                                                   \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Accept: mVL6JKtNRC4tluIaFAW2hhMffgE=\r\n\r\n"
#define REQUEST(query)                                                                             \
    "GET /pty/p1/ws" query " HTTP/1.1\r\nHost: execd.example:44772\r\nUser-Agent: t\r\n"           \
    "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"                   \
    "Sec-WebSocket-Key: ABEiM0RVZneImaq7zN3u/w==\r\n\r\n"

enum { TEXT = 0x81, BINARY = 0x82, CLOSE = 0x88, PING = 0x89, PONG = 0x8a };

#define MOST 24

/* A terminal, its script, and what came of it. */
typedef struct terminal {
    bench b;
    osb_pty pty;
    osb_pty_options options;
    osb_pty_handlers handlers;
    struct text wire[MOST]; /* the script's bytes */
    unsigned used;
    struct text output, errors;
    const char *input; /* then OSB_IO_CLOSED */
    int input_says;    /* instead, if it is not 0 */
    bool no_input;     /* or always 0 bytes */
    unsigned asked;    /* for input */
    unsigned connected;
    bool stop_connected, stop_output;
    uint32_t takes_ms; /* for each output */
} terminal;

static int on_connected(void *user)
{
    terminal *t = (terminal *)user;
    t->connected++;
    return t->stop_connected;
}

static int on_output(void *user, osb_stream stream, const void *data, size_t size)
{
    terminal *t = (terminal *)user;
    assert_true(size > 0);
    text_add(stream == OSB_STDERR ? &t->errors : &t->output, data, size);
    t->b.port.now_ms += t->takes_ms;
    return t->stop_output;
}

static int read_input(void *user, void *data, size_t size)
{
    terminal *t = (terminal *)user;
    size_t n;
    assert_true(size > 0);
    t->asked++;
    if (t->no_input) return 0;
    if (t->input_says != 0) return t->input_says;
    if (t->input == NULL) return OSB_IO_WANT_READ;
    n = strlen(t->input);
    if (n == 0) return OSB_IO_CLOSED;
    if (n > size) n = size;
    memcpy(data, t->input, n);
    t->input += n;
    return (int)n;
}

static void says(terminal *t, script_kind kind, const void *data, size_t size)
{
    struct text *wire = &t->wire[t->used++];
    assert_true(t->used <= MOST);
    text_add(wire, data, size);
    script_add(&t->b.port, kind, wire->data, wire->size, 1);
}

/* The server sends a frame. */
static void sends(terminal *t, unsigned first, const void *data, size_t size)
{
    unsigned char head[10] = {0};
    struct text frame = {0};
    size_t n = 2;
    head[0] = (unsigned char)first;
    head[1] = (unsigned char)(size < 126 ? size : size < 65536 ? 126 : 127);
    if (size >= 126) {
        n = size < 65536 ? 4 : 10;
        head[n - 1] = (unsigned char)size;
        head[n - 2] = (unsigned char)(size >> 8);
        if (n == 10) head[7] = (unsigned char)(size >> 16);
    }
    text_add(&frame, (const char *)head, n);
    text_add(&frame, data, size);
    says(t, SCRIPT_REPLY, frame.data, frame.size);
    text_free(&frame);
}

static void sends_text(terminal *t, const char *json)
{
    sends(t, TEXT, json, strlen(json));
}

/* The client must send a frame, masked. */
static void hears(terminal *t, unsigned first, const void *data, size_t size)
{
    unsigned char frame[140] = {0};
    size_t i;
    frame[0] = (unsigned char)first;
    frame[1] = (unsigned char)(0x80u | size);
    for (i = 0; i < 4; i++) frame[2 + i] = (unsigned char)(i * 0x11);
    for (i = 0; i < size; i++)
        frame[6 + i] = (unsigned char)(((const unsigned char *)data)[i] ^ (i % 4 * 0x11));
    says(t, SCRIPT_EXPECT, frame, size + 6);
}

static void hears_text(terminal *t, const char *json)
{
    hears(t, TEXT, json, strlen(json));
}

static void hears_close(terminal *t)
{
    hears(t, CLOSE, "\x03\xe8", 2);
}

/* The shell exits. */
static void sends_exit(terminal *t, unsigned code)
{
    char json[64];
    snprintf(json, sizeof json, "{\"type\":\"exit\",\"exit_code\":%u}", code);
    sends_text(t, json);
}

/* The server closes, and is answered. */
static void closes(terminal *t)
{
    sends(t, CLOSE, "\x03\xe8", 2);
    hears_close(t);
}

/* Ways to play a script: cuts, modes, "later" at each call. */
#define WAYS 6u

static void begin(terminal *t, unsigned way, const char *request)
{
    static const script_cut cuts[] = {CUT_WHOLE, CUT_BYTES, CUT_RANDOM};
    memset(t, 0, sizeof *t);
    if (way % 2 != 0) bench_begin_polling(&t->b, 2048);
    else bench_begin(&t->b, 2048);
    t->b.port.cut = cuts[way / 2 % 3];
    t->b.port.later_always = way % 2 != 0;
    strcpy(t->pty.id, "p1");
    t->handlers.user = t;
    t->handlers.on_connected = on_connected;
    t->handlers.on_output = on_output;
    t->handlers.read_input = read_input;
    text_clear(&t->output);
    text_clear(&t->errors);
    bench_execd(&t->b);
    script_expect(&t->b.port, request);
    script_reply(&t->b.port, UPGRADED);
}

static void begin_connected(terminal *t, unsigned way)
{
    begin(t, way, REQUEST(""));
    sends_text(t, "{\"type\":\"connected\",\"session_id\":\"p1\",\"mode\":\"pty\"}");
}

static osb_status attach(terminal *t)
{
    return bench_finish(&t->b, osb_pty_attach(&t->b.box, &t->pty, &t->options, &t->handlers));
}

static void end(terminal *t)
{
    size_t i;
    bench_end(&t->b);
    for (i = 0; i < MOST; i++) text_free(&t->wire[i]);
    text_free(&t->output);
    text_free(&t->errors);
}

/* ---- how it goes -------------------------------------------------------------------------------*/

static void test_exit(void **state)
{
    unsigned way;
    (void)state;
    for (way = 0; way < WAYS; way++) {
        terminal t;
        begin_connected(&t, way);
        sends(&t, BINARY, "\x01hello ", 7);
        sends(&t, BINARY, "\x01", 1);
        sends(&t, BINARY, "\x02oops", 5);
        sends(&t, BINARY, "\x01world", 6);
        sends_exit(&t, 3);
        closes(&t);
        assert_int_equal(attach(&t), OSB_OK);
        assert_string_equal(t.output.data, "hello world");
        assert_string_equal(t.errors.data, "oops");
        assert_true(t.pty.exit_code.set);
        assert_int_equal(t.pty.exit_code.value, 3);
        assert_int_equal(t.pty.offset, 15);
        assert_int_equal(t.pty.close_code, 1000);
        assert_int_equal(t.connected, 1);
        assert_false(t.pty.connected);
        end(&t);
    }
}

/* What the struct says of an earlier connection, which was ended in its middle, does not count. */
static void test_not_connected_yet(void **state)
{
    terminal t;
    (void)state;
    begin(&t, 0, REQUEST(""));
    t.pty.connected = true;
    t.input = "x";
    closes(&t);
    assert_int_equal(attach(&t), OSB_E_STREAM);
    end(&t);
}

/* Input in frames of a limited size; its end detaches, and the shell stays. */
static void test_input(void **state)
{
    unsigned way;
    (void)state;
    for (way = 0; way < WAYS; way++) {
        char line[300], first[121] = {0}, second[121] = {0}, third[64] = {0};
        terminal t;
        memset(line, 'i', sizeof line);
        line[sizeof line - 1] = '\0';
        memset(first + 1, 'i', 119);
        memset(second + 1, 'i', 119);
        memset(third + 1, 'i', 61);
        begin_connected(&t, way);
        t.input = line;
        hears(&t, BINARY, first, 120);
        hears(&t, BINARY, second, 120);
        hears(&t, BINARY, third, 62);
        hears_close(&t);
        assert_int_equal(attach(&t), OSB_OK);
        assert_false(t.pty.exit_code.set);
        end(&t);
    }
}

/* A handler that has none is asked again, and nothing is sent for it. */
static void test_no_input(void **state)
{
    unsigned way;
    (void)state;
    for (way = 0; way < WAYS; way++) {
        terminal t;
        begin_connected(&t, way);
        t.no_input = true;
        sends(&t, BINARY, "\x01hi", 3);
        sends_exit(&t, 3);
        script_close(&t.b.port);
        assert_int_equal(attach(&t), OSB_OK);
        assert_true(t.asked > 1);
        assert_string_equal(t.output.data, "hi");
        assert_int_equal(t.pty.exit_code.value, 3);
        end(&t);
    }
}

static void test_resize_and_signal(void **state)
{
    unsigned way;
    (void)state;
    for (way = 0; way < WAYS; way++) {
        terminal t;
        begin_connected(&t, way);
        osb_pty_resize(&t.pty, 80, 24);
        osb_pty_signal(&t.pty, "SIGINT");
        hears_text(&t, "{\"type\":\"resize\",\"cols\":80,\"rows\":24}");
        hears_text(&t, "{\"type\":\"signal\",\"signal\":\"SIGINT\"}");
        sends_exit(&t, 0);
        sends(&t, CLOSE, "", 0);
        hears_close(&t);
        assert_int_equal(attach(&t), OSB_OK);
        assert_int_equal(t.pty.close_code, 1005);
        end(&t);
    }
}

static void test_no_such_signal(void **state)
{
    char name[200];
    terminal t;
    (void)state;
    memset(name, 'S', sizeof name);
    name[sizeof name - 1] = '\0';
    begin_connected(&t, 0);
    osb_pty_signal(&t.pty, name);
    assert_int_equal(attach(&t), OSB_E_INVALID);
    end(&t);
}

/* Pings are answered, also in the middle of a message. */
static void test_pings(void **state)
{
    unsigned way;
    (void)state;
    for (way = 0; way < WAYS; way++) {
        static char most[125];
        terminal t;
        memset(most, 'p', sizeof most);
        begin_connected(&t, way);
        sends(&t, PING, "abc", 3);
        hears(&t, PONG, "abc", 3);
        sends(&t, PONG, "unasked", 7);
        sends(&t, 0x02,
              "\x01"
              "one",
              4); /* a message in three frames */
        sends(&t, PING, most, sizeof most);
        hears(&t, PONG, most, sizeof most);
        sends(&t, 0x00, "", 0);
        sends(&t, 0x80, "two", 3);
        sends(&t, 0x01, "{\"type\":", 8);
        sends(&t, PING, "", 0);
        hears(&t, PONG, "", 0);
        sends(&t, 0x80, "\"exit\",\"exit_code\":0} ", 22);
        closes(&t);
        assert_int_equal(attach(&t), OSB_OK);
        assert_string_equal(t.output.data, "onetwo");
        end(&t);
    }
}

/* While the server takes no input, its output is read on, pings among it; the last one is answered. */
static void test_ping_behind_input(void **state)
{
    unsigned way;
    (void)state;
    for (way = 0; way < WAYS; way++) {
        terminal t;
        begin_connected(&t, way);
        t.input = "x";
        sends(&t, BINARY, "\x01one", 4);
        sends(&t, PING, "a", 1);
        sends(&t, BINARY, "\x01two", 4);
        sends(&t, PING, "bc", 2);
        sends(&t, PONG, "unasked", 7);
        sends(&t, BINARY, "\x01three", 6);
        hears(&t, BINARY, "\0x", 2);
        hears(&t, PONG, "bc", 2);
        hears_close(&t);
        sends(&t, CLOSE, "\x03\xe8", 2);
        assert_int_equal(attach(&t), OSB_OK);
        assert_string_equal(t.output.data, "onetwothree");
        end(&t);
    }
}

/* What there is of a ping so far is not taken for the one that is still to be answered. */
static void test_ping_in_two(void **state)
{
    unsigned way;
    (void)state;
    for (way = 0; way < WAYS; way++) {
        terminal t;
        begin_connected(&t, way);
        t.no_input = true;
        osb_pty_resize(&t.pty, 80, 24);
        sends(&t, BINARY, "\x01one", 4);
        sends(&t, PING, "a", 1);
        says(&t, SCRIPT_REPLY,
             "\x89\x02"
             "b",
             3);
        hears_text(&t, "{\"type\":\"resize\",\"cols\":80,\"rows\":24}");
        says(&t, SCRIPT_REPLY, "c", 1);
        hears(&t, PONG, "bc", 2);
        sends_exit(&t, 0);
        closes(&t);
        assert_int_equal(attach(&t), OSB_OK);
        end(&t);
    }
}

/* A message of several frames whose first one has only its kind. */
static void test_kind_alone(void **state)
{
    unsigned way;
    (void)state;
    for (way = 0; way < WAYS; way++) {
        terminal t;
        begin_connected(&t, way);
        sends(&t, 0x02, "\x01", 1);
        sends(&t, 0x00, "", 0);
        sends(&t, 0x80, "ok", 2);
        sends_exit(&t, 3);
        script_close(&t.b.port);
        assert_int_equal(attach(&t), OSB_OK);
        assert_string_equal(t.output.data, "ok");
        end(&t);
    }
}

/* Frames larger than the buffer, whose length takes two bytes or eight. */
static void test_large_frames(void **state)
{
    static char data[70000];
    unsigned way;
    (void)state;
    memset(data, 'd', sizeof data);
    data[0] = 1;
    for (way = 0; way < WAYS; way++) {
        terminal t;
        begin_connected(&t, way);
        sends(&t, BINARY, data, 126);
        sends(&t, BINARY, data, 3000);
        sends(&t, BINARY, data, sizeof data);
        sends_exit(&t, 0);
        closes(&t);
        assert_int_equal(attach(&t), OSB_OK);
        assert_int_equal(t.output.size, 125 + 2999 + sizeof data - 1);
        assert_int_equal(t.pty.offset, t.output.size);
        end(&t);
    }
}

/* ---- how it ends -------------------------------------------------------------------------------*/

/* The server's reason has room, however much of the buffer the message before took. */
static void test_closed_behind_a_large_message(void **state)
{
    char reason[124] = "\x0f\xa1", json[2048];
    int size, fitted = 0;
    (void)state;
    memset(reason + 2, 'r', 121);
    for (size = 900; size < 1900; size++) {
        terminal t;
        osb_status status;
        begin_connected(&t, 0);
        snprintf(json, sizeof json, "{\"type\":\"new\",\"code\":\"%*d\"}", size, 7);
        sends_text(&t, json);
        sends(&t, CLOSE, reason, 123);
        hears_close(&t);
        status = attach(&t);
        if (status == OSB_E_STREAM) {
            fitted++;
            assert_true(osb_str_equal(osb_last_error(&t.b.client)->message, reason + 2));
        } else {
            assert_int_equal(status, OSB_E_BUFFER);
            t.b.port.at = t.b.port.step_count; /* no Close is read or sent */
        }
        end(&t);
    }
    assert_in_range(fitted, 10, 990);
}

static void test_closed(void **state)
{
    terminal t;
    (void)state;
    begin_connected(&t, 0);
    sends(&t, CLOSE, "\x0f\xa1taken over", 12);
    hears_close(&t);
    assert_int_equal(attach(&t), OSB_E_STREAM);
    assert_int_equal(t.pty.close_code, 4001);
    assert_true(osb_str_equal(osb_last_error(&t.b.client)->message, "taken over"));
    end(&t);
    begin_connected(&t, 0);
    closes(&t);
    assert_int_equal(attach(&t), OSB_E_STREAM);
    assert_int_equal(t.pty.close_code, 1000);
    end(&t);
    begin_connected(&t, 0);
    sends(&t, CLOSE, "\x0f\xa1!", 3); /* the shortest reason */
    hears_close(&t);
    assert_int_equal(attach(&t), OSB_E_STREAM);
    assert_true(osb_str_equal(osb_last_error(&t.b.client)->message, "!"));
    end(&t);
    begin_connected(&t, 0);
    sends(&t, CLOSE, "\x03", 1); /* half a code is none */
    hears_close(&t);
    assert_int_equal(attach(&t), OSB_E_STREAM);
    assert_int_equal(t.pty.close_code, 1005);
    end(&t);
}

/* A connection closed with bytes unread takes what was just typed with it: the server's Close comes
   first, and with it the output before it; but not for ever. */
static void test_detached(void **state)
{
    unsigned way;
    (void)state;
    for (way = 0; way < WAYS; way++) {
        terminal t;
        begin_connected(&t, way);
        t.input = "x";
        hears(&t, BINARY, "\0x", 2);
        hears_close(&t);
        sends(&t, BINARY, "\x01last", 5);
        sends(&t, PING, "?", 1); /* a Close has nothing behind it */
        script_pause(&t.b.port, 300);
        sends(&t, BINARY, "\x01 words", 7);
        sends(&t, CLOSE, "\x03\xe8", 2);
        assert_int_equal(attach(&t), OSB_OK);
        assert_string_equal(t.output.data, "last words");
        assert_int_equal(t.pty.offset, 10);
        end(&t);
    }
    for (way = 0; way < WAYS; way++) {
        terminal t;
        begin_connected(&t, way);
        t.input = "";
        hears_close(&t);
        script_pause(&t.b.port, 9000);
        assert_int_equal(attach(&t), OSB_OK);
        assert_in_range(t.b.port.now_ms, 1800, 2010); /* a second at most, in either mode */
        end(&t);
        begin_connected(&t, way);
        t.input = "";
        hears_close(&t);
        script_reset(&t.b.port);
        assert_int_equal(attach(&t), OSB_OK);
        end(&t);
        begin_connected(&t, way); /* not even that can be sent */
        t.input = "";
        script_reset(&t.b.port);
        assert_int_equal(attach(&t), OSB_OK);
        end(&t);
    }
}

/* The server's Close comes while half of a frame is out: nothing can be sent behind that. */
static void test_closed_in_a_frame(void **state)
{
    unsigned way;
    (void)state;
    for (way = 0; way < WAYS; way++) {
        terminal t;
        begin_connected(&t, way);
        t.input = "x";
        says(&t, SCRIPT_EXPECT, "\x82\x82", 2);
        sends(&t, CLOSE, "\x0f\xa1", 2);
        assert_int_equal(attach(&t), OSB_E_STREAM);
        assert_int_equal(t.pty.close_code, 4001);
        end(&t);
        begin_connected(&t, way); /* the same behind the shell's end: the frame, then our Close */
        t.input = "x";
        says(&t, SCRIPT_EXPECT, "\x82\x82", 2);
        sends_exit(&t, 3);
        sends(&t, CLOSE, "\x03\xe8", 2);
        says(&t, SCRIPT_EXPECT, "\x00\x11\x22\x33\x00\x69", 6);
        hears_close(&t);
        assert_int_equal(attach(&t), OSB_OK);
        assert_int_equal(t.pty.exit_code.value, 3);
        end(&t);
    }
}

static void expect_end(const char *json, osb_status status)
{
    unsigned way;
    for (way = 0; way < WAYS; way++) {
        osb_status got;
        terminal t;
        begin_connected(&t, way);
        sends_text(&t, json);
        got = attach(&t);
        if (got != status) print_error("%s: %s\n", json, osb_status_name(got));
        assert_int_equal(got, status);
        end(&t);
    }
}

static void test_messages(void **state)
{
    (void)state;
    expect_end("{\"type\":\"error\",\"error\":\"e\",\"code\":\"C\"}", OSB_E_STREAM);
    expect_end("{\"type\":", OSB_E_JSON);
    expect_end("{\"type\":1}", OSB_E_JSON);
    expect_end("", OSB_E_JSON);
    expect_end("x", OSB_E_JSON);
}

/* A text that is larger than the buffer: of an error the beginning is told, a code has to fit. */
static void test_large_messages(void **state)
{
    static const char *const members[] = {"error", "code"};
    unsigned way;
    (void)state;
    for (way = 0; way < 2 * WAYS; way++) {
        bool cut = way < WAYS;
        struct text json = {0};
        const osb_error *e;
        terminal t;
        int i;
        text_print(&json, "{\"type\":\"error\",\"%s\":\"", members[cut ? 0 : 1]);
        for (i = 0; i < 500; i++) text_add(&json, "0123456789", 10);
        text_print(&json, "\"}");
        begin_connected(&t, way % WAYS);
        sends_text(&t, json.data);
        assert_int_equal(attach(&t), cut ? OSB_E_STREAM : OSB_E_BUFFER);
        e = osb_last_error(&t.b.client);
        assert_int_equal(e->message_cut, cut);
        if (cut) assert_memory_equal(e->message.data, "0123456789012", 13);
        else assert_in_range(e->needed, 5000, 8000);
        end(&t);
        text_free(&json);
    }
}

static void test_unknown_message(void **state)
{
    terminal t;
    (void)state;
    begin_connected(&t, 0);
    sends_text(&t, "{\"type\":\"pong\"} and more");
    sends_exit(&t, 0);
    closes(&t);
    assert_int_equal(attach(&t), OSB_OK);
    end(&t);
}

/* Each message takes the buffer anew: all of them together are larger. */
static void test_many_messages(void **state)
{
    char json[400];
    terminal t;
    int i;
    (void)state;
    begin_connected(&t, 0);
    snprintf(json, sizeof json, "{\"type\":\"news\",\"code\":\"%0300d\"}", 0);
    for (i = 0; i < 18; i++) sends_text(&t, json);
    sends_exit(&t, 0);
    closes(&t);
    assert_int_equal(attach(&t), OSB_OK);
    end(&t);
}

/* What is no frame, or none that may come now. */
static void test_bad_frames(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } bad[] = {
        {"\xc2\x02\x01"
         "a",
         4}, /* reserved bits */
        {"\x40\x02\x01"
         "a",
         4},
        {"\x82\x82"
         "mask\x01"
         "a",
         8}, /* masked */
        {"\x83\x01"
         "a",
         3}, /* unknown opcodes */
        {"\x8b\x01"
         "a",
         3},
        {"\x80\x01"
         "a",
         3}, /* nothing to be continued */
        {"\x02\x02\x01"
         "a\x82\x02\x01"
         "b",
         8}, /* a message within a message */
        {"\x09\x01"
         "a",
         3},                                /* a control frame in pieces */
        {"\x89\x7e\x00\x7e", 4},            /* a control frame of 126 bytes */
        {"\x82\x7f\x80\0\0\0\0\0\0\0", 10}, /* a length of 2^63 */
        {"\x82\x02\x04"
         "a",
         4}, /* unknown kinds of output */
        {"\x82\x02\x00"
         "a",
         4},
    };
    unsigned way;
    size_t i;
    (void)state;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
        for (way = 0; way < WAYS; way++) {
            terminal t;
            osb_status status;
            begin_connected(&t, way);
            says(&t, SCRIPT_REPLY, bad[i].bytes, bad[i].size);
            status = attach(&t);
            if (status != OSB_E_PROTOCOL) print_error("frame %lu\n", (unsigned long)i);
            assert_int_equal(status, OSB_E_PROTOCOL);
            end(&t);
        }
}

static void test_handlers_stop(void **state)
{
    terminal t;
    (void)state;
    begin_connected(&t, 0);
    t.stop_connected = true;
    assert_int_equal(attach(&t), OSB_E_CANCELLED);
    end(&t);
    begin_connected(&t, 0);
    t.stop_output = true;
    sends(&t, BINARY, "\x01hello", 6);
    assert_int_equal(attach(&t), OSB_E_CANCELLED);
    end(&t);
    begin_connected(&t, 0);
    t.input_says = OSB_IO_FAILED;
    assert_int_equal(attach(&t), OSB_E_CANCELLED);
    end(&t);
    begin_connected(&t, 0);
    t.input_says = 1000; /* more than there was room for */
    assert_int_equal(attach(&t), OSB_E_CANCELLED);
    end(&t);
}

/* Without handlers, or with none of them set. */
static void test_no_handlers(void **state)
{
    int none;
    (void)state;
    for (none = 0; none < 2; none++) {
        osb_pty_handlers empty = {0};
        terminal t;
        begin_connected(&t, 0);
        sends(&t, BINARY, "\x01hello", 6);
        sends_exit(&t, 7);
        closes(&t);
        assert_int_equal(osb_pty_attach(&t.b.box, &t.pty, NULL, none ? NULL : &empty), OSB_OK);
        assert_int_equal(t.pty.exit_code.value, 7);
        assert_int_equal(t.pty.offset, 5);
        end(&t);
    }
}

/* ---- the handshake -----------------------------------------------------------------------------*/

static osb_status shake(const char *answer, bool random)
{
    osb_status status;
    terminal t;
    begin(&t, 0, REQUEST(""));
    t.b.port.step_count = 1;
    script_request(&t.b.port);
    script_reply(&t.b.port, answer);
    script_close(&t.b.port);
    if (!random) t.b.ops.random = NULL;
    status = attach(&t);
    end(&t);
    return status;
}

static void test_handshake(void **state)
{
    (void)state;
    assert_int_equal(shake("HTTP/1.1 101 S\r\n\r\n", true), OSB_E_PROTOCOL);
    assert_int_equal(shake("HTTP/1.1 101 S\r\nSec-WebSocket-Accept: x\r\n\r\n", true),
                     OSB_E_PROTOCOL);
    assert_int_equal(shake("HTTP/1.1 101 S\r\nSec-WebSocket-Accept: "
                           "mVL6JKtNRC4tluIaFAW2hhMffgA=\r\n\r\n",
                           true),
                     OSB_E_PROTOCOL);
    assert_int_equal(shake(UPGRADED, false), OSB_E_PROTOCOL); /* another key was asked with */
    assert_int_equal(shake(BENCH_EMPTY("200 OK"), true), OSB_E_PROTOCOL);
    assert_int_equal(shake(BENCH_EMPTY("409 C"), true), OSB_E_API);
    assert_int_equal(shake(BENCH_EMPTY("404 N"), true), OSB_E_NOT_FOUND);
    assert_int_equal(shake("HTTP/1.1 101 S\r\nSec-WebS", true), OSB_E_CLOSED);
}

/* What was refused leaves no connection behind: a proxy on the way may be a tunnel by now. */
static void test_refused_connection(void **state)
{
    osb_pty_state description;
    terminal t;
    (void)state;
    begin(&t, 0, REQUEST(""));
    t.b.port.step_count = 1;
    bench_answer(&t.b, BENCH_EMPTY("409 C"));
    assert_int_equal(attach(&t), OSB_E_API);
    bench_execd_answers(&t.b, "{\"session_id\":\"p1\"}");
    assert_int_equal(osb_pty_get(&t.b.box, "p1", &description), OSB_OK);
    assert_int_equal(t.b.port.connects, 2);
    end(&t);
}

static void test_options(void **state)
{
    terminal t;
    (void)state;
    begin(&t, 0, REQUEST("?pty=0&since=5&takeover=1"));
    t.options.pipe = t.options.takeover = true;
    t.pty.offset = 5;
    sends_exit(&t, 0);
    closes(&t);
    assert_int_equal(attach(&t), OSB_OK);
    end(&t);
}

static void test_small_buffer(void **state)
{
    terminal t;
    size_t needed;
    (void)state;
    begin_connected(&t, 0);
    t.b.client.limit = 300; /* as a long host would leave it */
    assert_int_equal(osb_pty_attach(&t.b.box, &t.pty, NULL, NULL), OSB_E_BUFFER);
    needed = osb_last_error(&t.b.client)->needed;
    assert_true(needed > 2048);
    t.b.port.at = t.b.port.step_count;
    end(&t);
}

/* ---- replays and reconnections -----------------------------------------------------------------*/

/* What comes again has its offset before it: what is known is not handed out twice, what is gone is
   counted. */
static void test_replay(void **state)
{
    unsigned way;
    (void)state;
    for (way = 0; way < WAYS; way++) {
        terminal t;
        begin(&t, way, REQUEST("?since=10"));
        t.pty.offset = 10;
        sends_text(&t, "{\"type\":\"connected\"}");
        sends(&t, BINARY,
              "\x03\0\0\0\0\0\0\0\x08"
              "89ab",
              13); /* two bytes are known */
        sends(&t, BINARY,
              "\x03\0\0\0\0\0\0\0\x00"
              "0123",
              13); /* all are */
        sends(&t, BINARY,
              "\x03\0\0\0\0\0\0\0\x0f"
              "fg",
              11); /* three are missing */
        sends(&t, BINARY, "\x01h", 2);
        sends_exit(&t, 0);
        closes(&t);
        assert_int_equal(attach(&t), OSB_OK);
        assert_string_equal(t.output.data, "abfgh");
        assert_int_equal(t.pty.offset, 18);
        assert_int_equal(t.pty.lost_bytes, 3);
        end(&t);
    }
}

static void test_reconnections(void **state)
{
    static const script_kind breaks[] = {SCRIPT_CLOSE, SCRIPT_RESET, SCRIPT_PAUSE};
    size_t i;
    (void)state;
    for (i = 0; i < 3; i++) {
        terminal t;
        begin_connected(&t, 0);
        t.options.reconnections = 2;
        sends(&t, BINARY, "\x01hello", 6);
        script_add(&t.b.port, breaks[i], "", 0, 80000);
        if (breaks[i] == SCRIPT_PAUSE) script_reply(&t.b.port, "too late");
        bench_execd_refuses(&t.b);
        bench_execd(&t.b);
        script_expect(&t.b.port, REQUEST("?since=5&takeover=1"));
        script_reply(&t.b.port, UPGRADED);
        sends_text(&t, "{\"type\":\"connected\"}");
        sends(&t, BINARY, "\x03\0\0\0\0\0\0\0\x05!", 10);
        sends_exit(&t, 0);
        closes(&t);
        assert_int_equal(attach(&t), OSB_OK);
        assert_string_equal(t.output.data, "hello!");
        assert_int_equal(t.connected, 2);
        end(&t);
    }
}

/* A server that proxies says by a Close that it, or the sandbox behind it, is out of reach; others end
   the call. */
static void test_outage(void **state)
{
    static const struct {
        unsigned code;
        bool again;
    } cases[] = {{1000, false}, {1001, true}, {1002, false}, {1008, false}, {1010, false},
                 {1011, true},  {1014, true}, {1015, false}, {4001, false}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char code[2];
        terminal t;
        code[0] = (unsigned char)(cases[i].code >> 8);
        code[1] = (unsigned char)(cases[i].code & 0xff);
        begin_connected(&t, 0);
        t.options.reconnections = 1;
        sends(&t, BINARY, "\x01one", 4);
        sends(&t, CLOSE, code, 2);
        hears_close(&t);
        if (cases[i].again) {
            bench_execd(&t.b);
            script_expect(&t.b.port, REQUEST("?since=3&takeover=1"));
            script_reply(&t.b.port, UPGRADED);
            sends_text(&t, "{\"type\":\"connected\"}");
            sends(&t, BINARY, "\x01two", 4);
            sends_exit(&t, 0);
            script_close(&t.b.port);
        }
        assert_int_equal(attach(&t), cases[i].again ? OSB_OK : OSB_E_STREAM);
        assert_string_equal(t.output.data, cases[i].again ? "onetwo" : "one");
        assert_int_equal(t.pty.close_code, cases[i].again ? 0 : cases[i].code);
        end(&t);
    }
}

/* What was sent into a connection that broke may not have got there: the size is told again. */
static void test_resize_again(void **state)
{
    terminal t;
    (void)state;
    begin_connected(&t, 0);
    t.options.reconnections = 1;
    osb_pty_resize(&t.pty, 80, 24);
    hears_text(&t, "{\"type\":\"resize\",\"cols\":80,\"rows\":24}");
    script_reset(&t.b.port);
    bench_execd(&t.b);
    script_expect(&t.b.port, REQUEST("?takeover=1"));
    script_reply(&t.b.port, UPGRADED);
    sends_text(&t, "{\"type\":\"connected\"}");
    hears_text(&t, "{\"type\":\"resize\",\"cols\":80,\"rows\":24}");
    sends_exit(&t, 0);
    closes(&t);
    assert_int_equal(attach(&t), OSB_OK);
    end(&t);
}

/* Input, and then none for now. */
static int read_input_once(void *user, void *data, size_t size)
{
    terminal *t = (terminal *)user;
    if (t->input != NULL && *t->input == '\0') t->input = NULL;
    return read_input(user, data, size);
}

/* Input of which a connection that broke had not taken the last byte goes over the next one, once. What
   it had taken may have got there, and does not go twice; an answer to a ping belongs to its
   connection. */
static void test_input_again(void **state)
{
    static const struct {
        const char *input, *taken;
        size_t taken_size;
        bool again;
    } cases[] = {{"x", "", 0, true},
                 {"x", "\x82", 1, true},
                 {"x", "\x82\x82\x00\x11\x22\x33\x00", 7, true},
                 {"x", "\x82\x82\x00\x11\x22\x33\x00\x69", 8, false},
                 {NULL, "\x8a", 1, false}};
    size_t i, refusals;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0] * WAYS; i++) {
        size_t n = i / WAYS;
        terminal t;
        begin_connected(&t, (unsigned)(i % WAYS));
        t.options.reconnections = 3;
        t.handlers.read_input = read_input_once;
        t.input = cases[n].input;
        if (t.input == NULL) sends(&t, PING, "p", 1);
        if (cases[n].taken_size > 0) says(&t, SCRIPT_EXPECT, cases[n].taken, cases[n].taken_size);
        script_reset(&t.b.port);
        for (refusals = 0; refusals < 2; refusals++) bench_execd_refuses(&t.b);
        bench_execd(&t.b);
        script_expect(&t.b.port, REQUEST("?takeover=1"));
        script_reply(&t.b.port, UPGRADED);
        if (cases[n].again) hears(&t, BINARY, "\0x", 2);
        sends_text(&t, "{\"type\":\"connected\"}");
        sends_exit(&t, 0);
        closes(&t);
        assert_int_equal(attach(&t), OSB_OK);
        end(&t);
    }
}

static void test_broken(void **state)
{
    terminal t;
    (void)state;
    begin_connected(&t, 0);
    script_reset(&t.b.port);
    assert_int_equal(attach(&t), OSB_E_TRUNCATED);
    assert_int_equal(osb_last_error(&t.b.client)->port_code, 42);
    end(&t);
    begin_connected(&t, 0);
    script_pause(&t.b.port, 80000);
    assert_int_equal(attach(&t), OSB_E_TIMEOUT);
    assert_in_range(t.b.port.now_ms, 76000, 76200);
    end(&t);
    begin_connected(&t, 0);
    sends_exit(&t, 2);
    script_close(&t.b.port);
    assert_int_equal(attach(&t), OSB_OK);
    assert_int_equal(t.pty.exit_code.value, 2);
    end(&t);
    begin_connected(&t, 0); /* it breaks while something is to be sent: perhaps a password */
    t.input = "secret";
    script_reset(&t.b.port);
    assert_int_equal(attach(&t), OSB_E_TRUNCATED);
    assert_false(bench_contains(t.b.memory, t.b.config.memory_size, "bGPrtV")); /* masked */
    end(&t);
    begin_connected(&t, 0); /* or while the answer to a close is */
    sends(&t, CLOSE, "\x03\xe8", 2);
    script_reset(&t.b.port);
    assert_int_equal(attach(&t), OSB_E_STREAM);
    end(&t);
}

/* Once the terminal is connected, no byte can be sent any more; what comes still would. */
static terminal *mute;

static int send_until_connected(void *ctx, const void *data, size_t size)
{
    return mute->connected > 0 ? OSB_IO_FAILED : script_send_call(ctx, data, size);
}

static void test_broken_one_way(void **state)
{
    terminal t;
    (void)state;
    begin_connected(&t, 0);
    mute = &t;
    t.b.ops.send = send_until_connected;
    t.input = "x";
    assert_int_equal(attach(&t), OSB_E_TRUNCATED);
    assert_int_equal(t.b.port.now_ms, 1000);
    end(&t);
}

/* What came before that is heard all the same. */
static void test_exit_behind_input(void **state)
{
    terminal t;
    (void)state;
    begin_connected(&t, 0);
    sends(&t, BINARY, "\001end", 4);
    sends_exit(&t, 7);
    sends(&t, CLOSE, "\x03\xe8", 2);
    script_reset(&t.b.port);
    mute = &t;
    t.b.ops.send = send_until_connected;
    t.input = "typed ahead";
    assert_int_equal(attach(&t), OSB_OK);
    assert_string_equal(t.output.data, "end");
    assert_true(t.pty.exit_code.set);
    assert_int_equal(t.pty.exit_code.value, 7);
    end(&t);
    begin_connected(&t, 0); /* or at least why it ends */
    sends(&t, CLOSE, "\x0f\xa1taken over", 12);
    t.b.ops.send = send_until_connected;
    t.input = "x";
    assert_int_equal(attach(&t), OSB_E_STREAM);
    assert_int_equal(t.pty.close_code, 4001);
    end(&t);
}

/* Nor is that taken for the end of a handler that says stop: nothing is attached again. */
static void test_stopped_behind_input(void **state)
{
    terminal t;
    (void)state;
    begin_connected(&t, 0);
    sends(&t, BINARY, "\001end", 4);
    mute = &t;
    t.b.ops.send = send_until_connected;
    t.input = "typed ahead";
    t.stop_output = true;
    t.options.reconnections = 1;
    assert_int_equal(attach(&t), OSB_E_CANCELLED);
    assert_int_equal(osb_last_error(&t.b.client)->status, OSB_E_CANCELLED);
    end(&t);
}

/* ---- a port without chance ---------------------------------------------------------------------*/

/* Whether of so many texts of so many bytes each bit is 0 somewhere and 1 somewhere, and no byte is
   the same in all of them. */
static bool all_vary(const unsigned char *bytes, size_t count, size_t size)
{
    unsigned some = 0, all = 0xff;
    size_t i, differ = 0;
    for (i = 0; i < count * size; i++) {
        some |= bytes[i];
        all &= bytes[i];
    }
    for (i = 0; i < size; i++) {
        size_t j = 1;
        while (j < count && bytes[j * size + i] == bytes[i]) j++;
        differ += j < count;
    }
    return some == 0xff && all == 0 && differ == size;
}

/* Each key is 16 bytes in base64, another one than the last. */
static void test_keys_without_chance(void **state)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char bytes[10 * 16];
    char keys[10][25];
    terminal t;
    size_t i, j, at = 0;
    (void)state;
    begin(&t, 0, REQUEST(""));
    t.b.port.step_count = 0;
    t.b.ops.random = NULL;
    t.options.reconnections = 9;
    for (i = 0; i < 10; i++) {
        bench_execd(&t.b);
        script_request(&t.b.port);
        script_close(&t.b.port);
    }
    assert_int_equal(attach(&t), OSB_E_CLOSED);
    for (i = 0; i < 10; i++) {
        const char *key = t.b.port.log.data;
        for (j = 0; j <= i; j++) key = strstr(key, "Sec-WebSocket-Key: ") + 19;
        memcpy(keys[i], key, 24);
        assert_memory_equal(key + 22, "==\r\n", 4);
        for (j = 0; j < 16; j++) { /* six bits of four digits make three bytes */
            size_t bit = j * 8;
            unsigned two = 64u * (unsigned)(strchr(digits, key[bit / 6]) - digits);
            if (key[bit / 6 + 1] != '=')
                two += (unsigned)(strchr(digits, key[bit / 6 + 1]) - digits);
            bytes[at++] = (unsigned char)(two >> (4 - bit % 6));
        }
        for (j = 0; j < i; j++) assert_true(memcmp(keys[i], keys[j], 24) != 0);
    }
    assert_true(all_vary(bytes, 10, 16));
    end(&t);
}

/* What the shell is sent is masked, each time otherwise. The key is known, so that there is a shell. */
static struct text frames;

static int random_key(void *ctx, void *data, size_t size)
{
    return size == 16 ? script_random_call(ctx, data, size) : -1;
}

static int send_frames(void *ctx, const void *data, size_t size)
{
    if (mute->connected == 0) return script_send_call(ctx, data, size);
    text_add(&frames, data, size);
    return (int)size;
}

static void test_masks_without_chance(void **state)
{
    unsigned char masks[20 * 4];
    terminal t;
    size_t i, j;
    (void)state;
    begin_connected(&t, 0);
    mute = &t;
    t.b.ops.random = random_key;
    t.b.ops.send = send_frames;
    text_clear(&frames);
    t.no_input = true;
    for (i = 0; i < 20; i++) sends(&t, PING, "ping", 4);
    sends_exit(&t, 0);
    sends(&t, CLOSE, "\x03\xe8", 2);
    assert_int_equal(attach(&t), OSB_OK);
    assert_int_equal(frames.size, 20 * (6 + 4) + 6 + 2);
    for (i = 0; i < 20; i++) {
        const unsigned char *frame = (const unsigned char *)frames.data + i * 10;
        assert_int_equal(frame[0], PONG);
        assert_int_equal(frame[1], 0x84);
        memcpy(masks + i * 4, frame + 2, 4);
        for (j = 0; j < 4; j++) assert_int_equal(frame[6 + j] ^ frame[2 + j], "ping"[j]);
        for (j = 0; j < i; j++) assert_true(memcmp(masks + i * 4, masks + j * 4, 4) != 0);
    }
    assert_true(all_vary(masks, 20, 4));
    text_free(&frames);
    end(&t);
}

/* The server pings every 30 s: silence ends it after 75 s, or later if the caller says so. */
static void test_silence(void **state)
{
    static const struct {
        uint32_t timeout_ms, silence_ms;
        osb_status status;
    } cases[] = {{1000, 70000, OSB_OK},
                 {1000, 80000, OSB_E_TIMEOUT},
                 {120000, 110000, OSB_OK},
                 {120000, 130000, OSB_E_TIMEOUT}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        terminal t;
        begin_connected(&t, 0);
        t.b.config.idle_timeout_ms = cases[i].timeout_ms;
        bench_again(&t.b);
        script_pause(&t.b.port, cases[i].silence_ms);
        if (cases[i].status == OSB_OK) {
            sends_exit(&t, 3);
            script_close(&t.b.port);
        }
        assert_int_equal(attach(&t), cases[i].status);
        assert_int_equal(t.pty.exit_code.set, cases[i].status == OSB_OK);
        end(&t);
    }
}

/* It begins anew with the answer to the handshake, and what the handlers take is none of it. */
static void test_no_silence(void **state)
{
    terminal t;
    script_step answer;
    (void)state;
    begin(&t, 0, REQUEST(""));
    answer = t.b.port.steps[--t.b.port.step_count];
    script_pause(&t.b.port, 60000);
    script_add(&t.b.port, answer.kind, answer.data, answer.size, answer.number);
    script_pause(&t.b.port, 60000);
    sends_text(&t, "{\"type\":\"connected\",\"session_id\":\"p1\",\"mode\":\"pty\"}");
    t.takes_ms = 80000;
    sends(&t, BINARY, "\001slow", 5);
    script_pause(&t.b.port, 60000);
    sends_exit(&t, 3);
    script_close(&t.b.port);
    assert_int_equal(attach(&t), OSB_OK);
    assert_string_equal(t.output.data, "slow");
    end(&t);
}

/* ---- the other calls ---------------------------------------------------------------------------*/

static void test_calls(void **state)
{
    osb_pty_state description;
    osb_pty pty;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    bench_execd_answers(&b, "{\"session_id\":\"p1\"}");
    bench_answer(&b, "{\"session_id\":\"p1\",\"running\":true,\"output_offset\":7}");
    bench_answer(&b, "");
    assert_int_equal(osb_pty_create(&b.box, "/tmp", NULL, &pty), OSB_OK);
    assert_string_equal(pty.id, "p1");
    assert_non_null(strstr(b.port.log.data, "\r\n\r\n{\"cwd\":\"/tmp\"}"));
    assert_int_equal(osb_pty_get(&b.box, pty.id, &description), OSB_OK);
    assert_true(description.running);
    assert_int_equal(description.output_bytes, 7);
    assert_int_equal(osb_pty_delete(&b.box, pty.id), OSB_OK);
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit),
        cmocka_unit_test(test_keys_without_chance),
        cmocka_unit_test(test_masks_without_chance),
        cmocka_unit_test(test_not_connected_yet),
        cmocka_unit_test(test_input),
        cmocka_unit_test(test_no_input),
        cmocka_unit_test(test_resize_and_signal),
        cmocka_unit_test(test_no_such_signal),
        cmocka_unit_test(test_pings),
        cmocka_unit_test(test_ping_behind_input),
        cmocka_unit_test(test_ping_in_two),
        cmocka_unit_test(test_kind_alone),
        cmocka_unit_test(test_large_frames),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_closed_behind_a_large_message),
        cmocka_unit_test(test_detached),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_closed_in_a_frame),
        cmocka_unit_test(test_large_messages),
        cmocka_unit_test(test_unknown_message),
        cmocka_unit_test(test_many_messages),
        cmocka_unit_test(test_bad_frames),
        cmocka_unit_test(test_handlers_stop),
        cmocka_unit_test(test_no_handlers),
        cmocka_unit_test(test_handshake),
        cmocka_unit_test(test_refused_connection),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_small_buffer),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_reconnections),
        cmocka_unit_test(test_outage),
        cmocka_unit_test(test_resize_again),
        cmocka_unit_test(test_input_again),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_broken_one_way),
        cmocka_unit_test(test_exit_behind_input),
        cmocka_unit_test(test_stopped_behind_input),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_no_silence),
        cmocka_unit_test(test_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
