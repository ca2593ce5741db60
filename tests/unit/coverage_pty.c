/* Terminals at their edges: input that is not there yet, silence that is borne, empty frames. */
#include "tests/support/unit.h"

/* The scripted port's random bytes are 00 11 22 33 and so on: the key and the mask are known. */
#define UPGRADED                                                                                   \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Accept: mVL6JKtNRC4tluIaFAW2hhMffgE=\r\n\r\n"
#define CONNECTED "\x81\x14{\"type\":\"connected\"}"
#define EXITED "\x81\x1d{\"type\":\"exit\",\"exit_code\":3}"

typedef struct terminal {
    bench b;
    osb_pty pty;
    osb_pty_handlers handlers;
    struct text output;
    unsigned asked; /* for input */
} terminal;

static int on_output(void *user, osb_stream stream, const void *data, size_t size)
{
    terminal *t = (terminal *)user;
    assert_int_equal(stream, OSB_STDOUT);
    assert_true(size > 0);
    text_add(&t->output, data, size);
    return 0;
}

static int no_input(void *user, void *data, size_t size)
{
    terminal *t = (terminal *)user;
    (void)data;
    assert_true(size > 0);
    t->asked++;
    return 0;
}

static void begin(terminal *t, uint32_t idle_timeout_ms)
{
    memset(t, 0, sizeof *t);
    bench_begin(&t->b, 2048);
    t->b.config.idle_timeout_ms = idle_timeout_ms;
    bench_again(&t->b);
    strcpy(t->pty.id, "p1");
    t->handlers.user = t;
    t->handlers.on_output = on_output;
    t->handlers.read_input = no_input;
    text_clear(&t->output);
    bench_execd(&t->b);
    script_request(&t->b.port);
    script_reply(&t->b.port, UPGRADED);
    script_reply(&t->b.port, CONNECTED);
}

static osb_status attach(terminal *t)
{
    return osb_pty_attach(&t->b.box, &t->pty, NULL, &t->handlers);
}

static void end(terminal *t)
{
    bench_end(&t->b);
    text_free(&t->output);
}

/* A handler that has no input is asked again, and nothing is sent for it. */
static void test_no_input(void **state)
{
    terminal t;
    (void)state;
    begin(&t, 0);
    script_reply(&t.b.port, "\x82\x03\x01hi");
    script_reply(&t.b.port, EXITED);
    script_close(&t.b.port);
    assert_int_equal(attach(&t), OSB_OK);
    assert_true(t.asked > 1);
    assert_string_equal(t.output.data, "hi");
    assert_int_equal(t.pty.exit_code.value, 3);
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
        begin(&t, cases[i].timeout_ms);
        script_pause(&t.b.port, cases[i].silence_ms);
        if (cases[i].status == OSB_OK) {
            script_reply(&t.b.port, EXITED);
            script_close(&t.b.port);
        }
        assert_int_equal(attach(&t), cases[i].status);
        assert_int_equal(t.pty.exit_code.set, cases[i].status == OSB_OK);
        end(&t);
    }
}

/* A frame of two parts whose first one has only its kind. */
static void test_kind_alone(void **state)
{
    terminal t;
    (void)state;
    begin(&t, 0);
    script_reply(&t.b.port, "\x02\x01\x01");
    script_add(&t.b.port, SCRIPT_REPLY, "\x00\x00", 2, 1); /* a part with nothing in it */
    script_reply(&t.b.port, "\x80\x02ok");
    script_reply(&t.b.port, EXITED);
    script_close(&t.b.port);
    assert_int_equal(attach(&t), OSB_OK);
    assert_string_equal(t.output.data, "ok");
    end(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_input),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_kind_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
