/* Durable runs, following and recovery over connections that break, on real sockets. */
#define LEAST_MEMORY 2048
#include "e2e.h"

/* Each connection of the fixture's client breaks after so many bytes; 0: none does. */
static const osb_port_ops *whole_ops;
static osb_port_ops cut_ops;
static size_t lifetime, lived;
static unsigned breaks;

static int cut_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    int io = (whole_ops->connect)(ctx, host, port, tls);
    if (io == 0) lived = 0;
    return io;
}

static int cut_recv(void *ctx, void *data, size_t size)
{
    int n;
    if (lifetime > 0 && lived == lifetime) {
        breaks++;
        return OSB_IO_FAILED;
    }
    if (lifetime > 0 && size > lifetime - lived) size = lifetime - lived;
    n = (whole_ops->recv)(ctx, data, size);
    if (n > 0) lived += (size_t)n;
    return n;
}

static int setup_cut_box(void **state)
{
    struct fixture *f;
    setup_client(state);
    f = (struct fixture *)*state;
    lifetime = breaks = 0;
    osb_client_close(&f->client);
    whole_ops = f->config.port.ops;
    cut_ops = *whole_ops;
    cut_ops.connect = cut_connect;
    cut_ops.recv = cut_recv;
    f->config.port.ops = &cut_ops;
    assert_int_equal(osb_client_init(&f->client, &f->config), OSB_OK);
    create_box(f, NULL, NULL);
    return 0;
}

static int teardown_cut_box(void **state)
{
    lifetime = 0;
    return teardown(state);
}

/* Lines 1, 2, 3 and so on; on stderr errors 1, 2, 3. */
struct lines {
    char line[2][32];
    size_t length[2];
    unsigned count[2];
};

static int on_output(void *user, osb_stream stream, const char *data, size_t size)
{
    struct lines *l = (struct lines *)user;
    int at = stream == OSB_STDERR;
    size_t i;
    for (i = 0; i < size; i++) {
        char expected[32];
        if (data[i] != '\n') {
            assert_true(l->length[at] < sizeof l->line[at] - 1);
            l->line[at][l->length[at]++] = data[i];
            continue;
        }
        l->line[at][l->length[at]] = '\0';
        snprintf(expected, sizeof expected, at ? "error %u" : "%u", ++l->count[at]);
        assert_string_equal(l->line[at], expected);
        l->length[at] = 0;
    }
    return 0;
}

static const osb_durable_options quick = {50, 20, 10};

static void run_over_many_connections(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_command command = {0};
    osb_handlers handlers = {0};
    struct lines l = {0};
    osb_execution run;
    command.command = "seq 1 10000; sleep 0.2; seq 10001 20000; exit 5";
    handlers.user = &l;
    handlers.on_output = on_output;
    lifetime = 5003;
    OK(f, osb_command_run_durable(&f->box, &command, &quick, &handlers, &run));
    assert_int_equal(l.count[0], 20000);
    assert_int_equal(run.stdout_bytes, 108894);
    assert_int_equal(run.exit_code.value, 5);
    assert_true(breaks >= 20);
}

static void follow_from_the_middle(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_command command = {0};
    osb_handlers handlers = {0};
    struct lines l = {0};
    osb_execution run;
    command.command = "seq 1 500; sleep 0.3; seq 501 1000; exit 6";
    command.background = true;
    OK(f, osb_command_run(&f->box, &command, NULL, &run));
    handlers.user = &l;
    handlers.on_output = on_output;
    run.stdout_bytes = 18; /* 1 to 9 are known */
    l.count[0] = 9;
    lifetime = 700;
    OK(f, osb_command_follow(&f->box, &quick, &handlers, &run));
    assert_int_equal(l.count[0], 1000);
    assert_int_equal(run.exit_code.value, 6);
    assert_true(breaks > 0);
}

static void recover_a_stream(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_command command = {0};
    osb_handlers handlers = {0};
    struct lines l = {0};
    osb_execution run;
    osb_status status;
    command.command = "seq 1 2000; echo error 1 >&2; sleep 0.2; echo 2001; exit 9";
    handlers.user = &l;
    handlers.on_output = on_output;
    lifetime = 3001;
    status = done(f, osb_command_run(&f->box, &command, &handlers, &run));
    assert_true(status == OSB_E_CLOSED || status == OSB_E_TRUNCATED);
    assert_in_range(l.count[0], 10, 1000);
    OK(f, osb_command_recover(&f->box, &quick, &handlers, &run));
    assert_int_equal(l.count[0], 2001);
    assert_int_equal(l.count[1], 1);
    assert_int_equal(run.exit_code.value, 9);
    assert_true(breaks > 2);
}

#define CUT_TEST(name) cmocka_unit_test_setup_teardown(name, setup_cut_box, teardown_cut_box)

static const struct CMUnitTest tests[] = {
    CUT_TEST(run_over_many_connections),
    CUT_TEST(follow_from_the_middle),
    CUT_TEST(recover_a_stream),
};

RUN_IN_ALL_VARIANTS(tests, NULL, NULL)
