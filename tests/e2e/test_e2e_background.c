/* Commands in the background: state, log, interrupt. */
#include "e2e.h"

/* Starts a command in the background. */
static void start(struct fixture *f, const char *text, osb_execution *run)
{
    osb_command command;
    memset(&command, 0, sizeof command);
    command.command = text;
    command.background = true;
    OK(f, osb_command_run(&f->box, &command, NULL, run));
    assert_true(run->ended); /* the stream, not the command */
    assert_false(run->exit_code.set);
}

/* Execd may not know a command just after its start. */
static void get_state(struct fixture *f, const char *id, osb_command_state *state)
{
    osb_status status;
    int tries = 0;
    do {
        if (tries > 0) sleep_ms(10);
        status = done(f, osb_command_status(&f->box, id, NULL, NULL, state));
    } while (status == OSB_E_NOT_FOUND && tries++ < 50);
    OK(f, status);
}

static void wait_until_ended(struct fixture *f, const char *id, osb_command_state *state)
{
    get_state(f, id, state);
    while (state->running) {
        sleep_ms(20);
        get_state(f, id, state);
    }
}

struct log {
    char text[4096];
    size_t size;
    unsigned calls;
};

static int add_to_log(void *user, const void *data, size_t size)
{
    struct log *log = (struct log *)user;
    assert_true(log->size + size < sizeof log->text);
    memcpy(log->text + log->size, data, size);
    log->size += size;
    log->text[log->size] = '\0';
    log->calls++;
    return 0;
}

static void state_while_running_and_after(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_command_state now;
    osb_execution run;
    start(f, "sleep 0.4; exit 7", &run);
    get_state(f, run.id, &now);
    assert_true(now.running);
    assert_false(now.exit_code.set);
    assert_true(osb_str_equal(now.id, run.id));
    assert_true(osb_str_equal(now.content, "sleep 0.4; exit 7"));
    assert_non_null(now.started_at.data);
    assert_null(now.finished_at.data);
    wait_until_ended(f, run.id, &now);
    assert_true(now.exit_code.set);
    assert_int_equal(now.exit_code.value, 7);
    assert_non_null(now.finished_at.data);
}

static void state_of_a_command_in_the_foreground(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_command_state after;
    struct outcome o;
    run_text(f, "exit 5", &o);
    get_state(f, o.run.id, &after);
    assert_false(after.running);
    assert_int_equal(after.exit_code.value, 5);
}

static void state_of_an_unknown_command(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_command_state now;
    EXPECT(OSB_E_NOT_FOUND, f, osb_command_status(&f->box, "0123456789abcdef", NULL, NULL, &now));
}

/* A command's text may be longer than the buffer: it comes in pieces. */
static void text_longer_than_the_buffer(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_command_state now;
    osb_execution run;
    struct log log;
    char text[3000];
    memset(text, 'x', sizeof text);
    memcpy(text, "true # ", 7);
    text[sizeof text - 1] = '\0';
    start(f, text, &run);
    wait_until_ended(f, run.id, &now);
    memset(&log, 0, sizeof log);
    OK(f, osb_command_status(&f->box, run.id, add_to_log, &log, &now));
    assert_int_equal(log.size, sizeof text - 1);
    assert_string_equal(log.text, text);
    assert_int_equal(now.exit_code.value, 0);
}

static void log_by_cursor(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_command_state now;
    osb_execution run;
    struct log log;
    uint64_t cursor = 0, again = 0;
    memset(&log, 0, sizeof log);
    start(f, "for i in 1 2 3; do echo out $i; echo err $i >&2; sleep 0.1; done", &run);
    do {
        get_state(f, run.id, &now);
        OK(f, osb_command_logs(&f->box, run.id, cursor, add_to_log, &log, &cursor));
        sleep_ms(30);
    } while (now.running);
    assert_string_equal(log.text, "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n");
    assert_int_equal(cursor, log.size);
    OK(f, osb_command_logs(&f->box, run.id, cursor, add_to_log, &log, &again));
    assert_int_equal(again, cursor);
    memset(&log, 0, sizeof log);
    OK(f, osb_command_logs(&f->box, run.id, 24, add_to_log, &log, &again));
    assert_string_equal(log.text, "out 3\nerr 3\n");
}

struct bytes {
    size_t at;
    bool wrong;
};

static int compare_bytes(void *user, const void *data, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)data;
    struct bytes *expected = (struct bytes *)user;
    size_t i;
    for (i = 0; i < size; i++, expected->at++)
        if (bytes[i] != (expected->at & 0xff)) expected->wrong = true;
    return 0;
}

static void log_of_binary_bytes(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_command_state now;
    osb_execution run;
    struct bytes expected = {0, false};
    uint64_t next = 0;
    start(f, "python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 1024)'", &run);
    wait_until_ended(f, run.id, &now);
    OK(f, osb_command_logs(&f->box, run.id, 0, compare_bytes, &expected, &next));
    assert_int_equal(expected.at, 262144);
    assert_int_equal(next, 262144);
    assert_false(expected.wrong);
}

static int stop_at_once(void *user, const void *data, size_t size)
{
    (void)user;
    (void)data;
    (void)size;
    return 1;
}

/* Reading a log is not running a command: ending it interrupts nothing. */
static void log_reader_stops(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_command_state now;
    osb_execution run;
    uint64_t next = 0;
    start(f, "echo x; sleep 0.6; exit 9", &run);
    sleep_ms(200);
    EXPECT(OSB_E_CANCELLED, f, osb_command_logs(&f->box, run.id, 0, stop_at_once, NULL, &next));
    wait_until_ended(f, run.id, &now);
    assert_int_equal(now.exit_code.value, 9);
}

static void interrupt(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_command_state now;
    osb_execution run;
    start(f, "sleep 20", &run);
    get_state(f, run.id, &now);
    OK(f, osb_command_interrupt(&f->box, run.id));
    wait_until_ended(f, run.id, &now);
    assert_int_equal(now.exit_code.value, -1);
    EXPECT(OSB_E_API, f, osb_command_interrupt(&f->box, run.id));
    assert_int_equal(osb_last_error(&f->client)->http_status, 500);
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(state_while_running_and_after),
    BOX_TEST(state_of_a_command_in_the_foreground),
    BOX_TEST(state_of_an_unknown_command),
    BOX_TEST(text_longer_than_the_buffer),
    BOX_TEST(log_by_cursor),
    BOX_TEST(log_of_binary_bytes),
    BOX_TEST(log_reader_stops),
    BOX_TEST(interrupt),
};

RUN_IN_ALL_VARIANTS(tests, NULL, NULL)
