/* Commands in the foreground: output, exit codes, arguments, surroundings, and how they end. */
#include "e2e.h"

#include <pthread.h>
#include <unistd.h>

/* ---- output and exit codes -------------------------------------------------------------------*/

static void hello(void **state)
{
    struct outcome o;
    run_text((struct fixture *)*state, "echo hello", &o);
    assert_string_equal(o.out_text, "hello\n");
    assert_int_equal(o.err.length, 0);
    assert_int_equal(strlen(o.run.id), 32);
    assert_false(o.run.timed_out);
    assert_true(o.run.started_ms > 0);
    assert_true(o.run.last_ms >= o.run.started_ms);
    expect_exit_code(&o, 0);
}

static void both_streams(void **state)
{
    struct outcome o;
    run_text((struct fixture *)*state, "echo out; echo err >&2; echo out again; exit 3", &o);
    assert_string_equal(o.out_text, "out\nout again\n");
    assert_string_equal(o.err_text, "err\n");
    assert_true(osb_str_equal(o.run.error_name, "CommandExecError"));
    assert_true(osb_str_equal(o.run.error_value, "3"));
    expect_exit_code(&o, 3);
}

static void exit_codes(void **state)
{
    static const int codes[] = {0, 1, 2, 126, 255};
    size_t i;
    for (i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct outcome o;
        char text[32];
        snprintf(text, sizeof text, "exit %d", codes[i]);
        run_text((struct fixture *)*state, text, &o);
        expect_exit_code(&o, codes[i]);
    }
}

static void line_ends(void **state)
{
    struct outcome o;
    run_text((struct fixture *)*state, "printf '\\none\\n\\n\\ntwo \\n three'", &o);
    assert_string_equal(o.out_text, "\none\n\n\ntwo \n three\n");
}

static void unicode(void **state)
{
    struct outcome o;
    const char *text = "gr\xC3\xBC\xC3\x9F"
                       "e \xE4\xB8\x96\xE7\x95\x8C \xF0\x9F\x98\x80 <&>\\\"\x7F\n";
    osb_command command;
    osb_pair env;
    memset(&command, 0, sizeof command);
    env.name = "TEXT";
    env.value = text;
    command.command = "printf %s \"$TEXT\"";
    command.envs = &env;
    command.env_count = 1;
    run_command((struct fixture *)*state, &command, &o);
    assert_string_equal(o.out_text, text);
}

/* Sums up output of any length: a checksum instead of a copy. */
struct sum {
    uint32_t hash;
    size_t size;
    unsigned calls;
};

static int add_to_sum(void *user, osb_stream stream, const char *data, size_t size)
{
    struct sum *sum = (struct sum *)user;
    size_t i;
    assert_int_equal(stream, OSB_STDOUT);
    for (i = 0; i < size; i++) sum->hash = (sum->hash ^ (unsigned char)data[i]) * 16777619u;
    sum->size += size;
    sum->calls++;
    return 0;
}

static void line_longer_than_the_buffer(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct sum sum = {2166136261u, 0, 0}, expected = {2166136261u, 0, 0};
    osb_command command;
    osb_handlers handlers;
    osb_execution run;
    int i;
    memset(&command, 0, sizeof command);
    memset(&handlers, 0, sizeof handlers);
    command.command = "python3 -c 'print(\"\\u20ac1\\\\\" * 20000)'";
    handlers.user = &sum;
    handlers.on_output = add_to_sum;
    OK(f, osb_command_run(&f->box, &command, &handlers, &run));
    for (i = 0; i < 20000; i++)
        add_to_sum(&expected, OSB_STDOUT,
                   "\xE2\x82\xAC"
                   "1\\",
                   5);
    add_to_sum(&expected, OSB_STDOUT, "\n", 1);
    assert_int_equal(sum.size, expected.size);
    assert_int_equal(sum.hash, expected.hash);
    assert_true(sum.calls > 10);
}

static void output_longer_than_the_capture(void **state)
{
    struct outcome o;
    run_text((struct fixture *)*state, "seq 1 5000; echo end >&2", &o);
    assert_true(o.out.more);
    assert_true(o.out.length <= sizeof o.out_text);
    assert_memory_equal(o.out_text, "1\n2\n3\n4\n", 8);
    assert_string_equal(o.err_text, "end\n");
}

/* ---- events ----------------------------------------------------------------------------------*/

struct seen {
    char types[64]; /* a letter for each event, in their order */
    unsigned inits, pings, completes, outputs, errors;
};

static int see_event(void *user, const osb_event *event)
{
    static const char letters[] = "uiSoeRECNp";
    struct seen *seen = (struct seen *)user;
    size_t n = strlen(seen->types);
    if (n < sizeof seen->types - 1) seen->types[n] = letters[event->type];
    return 0;
}

static int see_init(void *user, const osb_event *event)
{
    assert_int_equal(event->text.size, 32);
    assert_int_equal(event->text.data[32], '\0');
    ((struct seen *)user)->inits++;
    return 0;
}

static int see_ping(void *user, const osb_event *event)
{
    assert_true(event->timestamp_ms > 0);
    ((struct seen *)user)->pings++;
    return 0;
}

static int see_complete(void *user, const osb_event *event)
{
    assert_true(event->execution_time_ms >= 400);
    ((struct seen *)user)->completes++;
    return 0;
}

static int see_stdout(void *user, const osb_event *event)
{
    assert_true(osb_str_equal(event->text, "x"));
    ((struct seen *)user)->outputs++;
    return 0;
}

static void events_in_order(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct seen seen;
    osb_command command;
    osb_handlers handlers;
    osb_execution run;
    create_box(f, "devserver.ping-ms", "100");
    memset(&seen, 0, sizeof seen);
    memset(&command, 0, sizeof command);
    memset(&handlers, 0, sizeof handlers);
    command.command = "echo x; sleep 0.5";
    handlers.user = &seen;
    handlers.on_event = see_event;
    handlers.on_init = see_init;
    handlers.on_ping = see_ping;
    handlers.on_stdout = see_stdout;
    handlers.on_complete = see_complete;
    OK(f, osb_command_run(&f->box, &command, &handlers, &run));
    assert_memory_equal(seen.types, "ip", 2);
    assert_int_equal(seen.inits, 1);
    assert_int_equal(seen.outputs, 1);
    assert_true(seen.pings >= 4);
    assert_int_equal(seen.completes, 1);
    assert_true(run.execution_time_ms >= 400);
}

static int call_inside(void *user, const osb_event *event)
{
    struct fixture *f = (struct fixture *)user;
    (void)event;
    assert_int_equal(osb_ping(&f->box), OSB_E_BUSY);
    return 0;
}

static void busy_inside_a_handler(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_command command;
    osb_handlers handlers;
    osb_execution run;
    memset(&command, 0, sizeof command);
    memset(&handlers, 0, sizeof handlers);
    command.command = "echo x";
    handlers.user = f;
    handlers.on_stdout = call_inside;
    OK(f, osb_command_run(&f->box, &command, &handlers, &run));
    assert_int_equal(run.exit_code.value, 0);
}

/* ---- arguments and surroundings --------------------------------------------------------------*/

static void nasty_arguments(void **state)
{
    static const char *const argv[] = {
        "printf",       "<%s>",      "a b",    "'",   "''",     "\"",   "$HOME",
        "`id`",         "\\",        "*",      "",    "\n",     "\t",   "!",
        "-n",           "a;b|c&d>e", "#",      "~",   "{1,2}",  "\x01", "%s",
        "\xE2\x82\xAC", "$(id)",     "a'b\"c", "\\n", "[a-z]*", NULL,
    };
    struct outcome o;
    osb_command command;
    char expected[512] = "";
    size_t i;
    memset(&command, 0, sizeof command);
    command.argv = argv;
    run_command((struct fixture *)*state, &command, &o);
    for (i = 2; argv[i] != NULL; i++) {
        strcat(expected, "<");
        strcat(expected, argv[i]);
        strcat(expected, ">");
    }
    strcat(expected, "\n"); /* whether the last line has an end cannot be known */
    assert_string_equal(o.out_text, expected);
    assert_string_equal(o.err_text, "");
}

static void working_directory(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct outcome o;
    osb_command command;
    memset(&command, 0, sizeof command);
    command.command = "pwd";
    command.cwd = "/usr/lib";
    run_command(f, &command, &o);
    assert_string_equal(o.out_text, "/usr/lib\n");
    command.cwd = "/no/such/directory";
    EXPECT(OSB_E_API, f, osb_command_run(&f->box, &command, NULL, &o.run));
    assert_int_equal(osb_last_error(&f->client)->http_status, 400);
    assert_non_null(strstr(error_text(f), "/no/such/directory"));
}

static void environment(void **state)
{
    static const osb_pair envs[] = {{"ONE", "1"}, {"NASTY", "a\"b\\c $HOME \n'"}, {"EMPTY", ""}};
    struct outcome o;
    osb_command command;
    memset(&command, 0, sizeof command);
    command.command = "printf '<%s>' \"$ONE\" \"$NASTY\" \"${EMPTY-unset}\"";
    command.envs = envs;
    command.env_count = 3;
    run_command((struct fixture *)*state, &command, &o);
    assert_string_equal(o.out_text, "<1><a\"b\\c $HOME \n'><>\n");
}

static void users_and_groups(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct outcome o;
    osb_command command;
    memset(&command, 0, sizeof command);
    command.command = "id -u";
    if (getuid() == 0) { /* nobody else's server may change to any user, not even to itself */
        command.uid.set = true;
        run_command(f, &command, &o);
        assert_string_equal(o.out_text, "0\n");
        command.uid.value = 65534;
        run_command(f, &command, &o);
        assert_string_equal(o.out_text, "65534\n");
        command.uid.set = false;
    }
    command.gid.set = true;
    EXPECT(OSB_E_API, f, osb_command_run(&f->box, &command, NULL, &o.run));
    assert_int_equal(osb_last_error(&f->client)->http_status, 400);
}

static void command_or_argv(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_command command;
    osb_execution run;
    memset(&command, 0, sizeof command);
    EXPECT(OSB_E_INVALID, f, osb_command_run(&f->box, &command, NULL, &run));
}

/* ---- how a command ends ----------------------------------------------------------------------*/

static void timed_out(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct outcome o;
    osb_command command;
    memset(&command, 0, sizeof command);
    command.command = "echo before; sleep 20";
    command.timeout_ms = 500;
    run_command(f, &command, &o);
    assert_string_equal(o.out_text, "before\n");
    assert_true(o.run.timed_out);
    expect_exit_code(&o, -1);
}

static void killed_by_a_signal(void **state)
{
    struct outcome o;
    run_text((struct fixture *)*state, "kill -9 $$", &o);
    assert_false(o.run.timed_out);
    expect_exit_code(&o, -1);
}

static void command_not_found(void **state)
{
    struct outcome o;
    run_text((struct fixture *)*state, "no-such-command-at-all", &o);
    expect_exit_code(&o, 127);
    assert_non_null(strstr(o.err_text, "not found"));
}

/* ---- cancelling ------------------------------------------------------------------------------*/

static int stop_at_once(void *user, const osb_event *event)
{
    (void)user;
    (void)event;
    return 1;
}

/* Cancels a command that would write a file a little later, and says whether it came to be. */
static bool cancelled_command_went_on(struct fixture *f, bool keep_running)
{
    struct outcome o;
    osb_command command;
    osb_handlers handlers;
    osb_execution run;
    memset(&command, 0, sizeof command);
    memset(&handlers, 0, sizeof handlers);
    command.command = "rm -f marker; echo go; sleep 0.7; touch marker";
    command.keep_running = keep_running;
    handlers.on_stdout = stop_at_once;
    EXPECT(OSB_E_CANCELLED, f, osb_command_run(&f->box, &command, &handlers, &run));
    assert_false(run.ended);
    assert_false(run.exit_code.set);
    run_text(f, "sleep 1.2; test -e marker", &o);
    return o.run.exit_code.value == 0;
}

static void cancelled_by_a_handler(void **state)
{
    assert_false(cancelled_command_went_on((struct fixture *)*state, false));
}

static void cancelled_but_kept_running(void **state)
{
    assert_true(cancelled_command_went_on((struct fixture *)*state, true));
}

static void *cancel_soon(void *client)
{
    sleep_ms(300);
    osb_cancel((osb_client *)client);
    return NULL;
}

/* In poll mode osb_cancel takes effect in the next osb_poll, which something else must bring
   about: here the pings of the stream do. The interrupt may take execd 3 s. */
static void cancelled_by_another_thread(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_command_state after;
    osb_command command;
    osb_execution run;
    pthread_t thread;
    uint32_t begin;
    create_box(f, "devserver.ping-ms", "100");
    memset(&command, 0, sizeof command);
    command.command = "sleep 20";
    begin = osb__posix_now_ms(NULL);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &f->client), 0);
    EXPECT(OSB_E_CANCELLED, f, osb_command_run(&f->box, &command, NULL, &run));
    pthread_join(thread, NULL);
    assert_true(osb__posix_now_ms(NULL) - begin < 5000);
    OK(f, osb_command_status(&f->box, run.id, NULL, NULL, &after));
    assert_false(after.running);
}

/* ---- connections -----------------------------------------------------------------------------*/

static void connection_is_reused(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    unsigned before;
    OK(f, osb_ping(&f->box));
    before = f->connections;
    OK(f, osb_ping(&f->box));
    OK(f, osb_ping(&f->box));
    OK(f, osb_ping(&f->box));
    assert_int_equal(f->connections, before);
}

/* If the end of the stream is there with its last event, the connection is kept, else it is closed:
   chance decides which. The next command must not see the difference. */
static void commands_one_after_another(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    int i;
    create_box(f, "devserver.linger-ms", "0");
    for (i = 0; i < 20; i++) {
        struct outcome o;
        char text[48], expected[48];
        snprintf(text, sizeof text, "echo run %d; exit %d", i, i);
        snprintf(expected, sizeof expected, "run %d\n", i);
        run_text(f, text, &o);
        assert_string_equal(o.out_text, expected);
        expect_exit_code(&o, i);
    }
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(hello),
    BOX_TEST(both_streams),
    BOX_TEST(exit_codes),
    BOX_TEST(line_ends),
    BOX_TEST(unicode),
    BOX_TEST(line_longer_than_the_buffer),
    BOX_TEST(output_longer_than_the_capture),
    CLIENT_TEST(events_in_order),
    BOX_TEST(busy_inside_a_handler),
    BOX_TEST(nasty_arguments),
    BOX_TEST(working_directory),
    BOX_TEST(environment),
    BOX_TEST(users_and_groups),
    BOX_TEST(command_or_argv),
    BOX_TEST(timed_out),
    BOX_TEST(killed_by_a_signal),
    BOX_TEST(command_not_found),
    BOX_TEST(cancelled_by_a_handler),
    BOX_TEST(cancelled_but_kept_running),
    CLIENT_TEST(cancelled_by_another_thread),
    BOX_TEST(connection_is_reused),
    CLIENT_TEST(commands_one_after_another),
};

RUN_IN_ALL_VARIANTS(tests, NULL, NULL)
