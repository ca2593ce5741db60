/* Terminals: a full-screen program, pipes, connections that break, takeover. */
#define LEAST_MEMORY 2048
#include "e2e.h"

/* What a person at the terminal does: waits until the screen shows something, then acts. */
struct act {
    const char *shown;      /* behind what the act before waited for */
    const char *typed;      /* or */
    uint16_t columns, rows; /* or */
    const char *signal;
};

struct session {
    osb_pty pty;
    osb_pty_handlers handlers;
    osb_pty_options options;
    const struct act *acts; /* ends with one that waits for nothing */
    const char *typing;
    char *output, *errors;
    size_t size, errors_size, seen;
    unsigned connected;
    bool detach;
};

#define MOST (4u * 1024u * 1024u)

static void act_on(struct session *s)
{
    const char *found;
    while (s->acts->shown != NULL &&
           (found = strstr(s->output + s->seen, s->acts->shown)) != NULL) {
        s->seen = (size_t)(found - s->output) + strlen(s->acts->shown);
        if (s->acts->typed != NULL) s->typing = s->acts->typed;
        if (s->acts->columns > 0) osb_pty_resize(&s->pty, s->acts->columns, s->acts->rows);
        if (s->acts->signal != NULL) osb_pty_signal(&s->pty, s->acts->signal);
        s->acts++;
    }
}

static int on_output(void *user, osb_stream stream, const void *data, size_t size)
{
    struct session *s = (struct session *)user;
    char *to = stream == OSB_STDERR ? s->errors : s->output;
    size_t *length = stream == OSB_STDERR ? &s->errors_size : &s->size;
    assert_true(*length + size < MOST);
    memcpy(to + *length, data, size);
    *length += size;
    to[*length] = '\0';
    act_on(s);
    return 0;
}

static int on_connected(void *user)
{
    ((struct session *)user)->connected++;
    return 0;
}

static int read_input(void *user, void *data, size_t size)
{
    struct session *s = (struct session *)user;
    size_t n = s->typing != NULL ? strlen(s->typing) : 0;
    if (n == 0) return s->detach ? OSB_IO_CLOSED : OSB_IO_WANT_READ;
    if (n > size) n = size;
    memcpy(data, s->typing, n);
    s->typing += n;
    return (int)n;
}

static void init_session(struct session *s, const struct act *acts, const char *typing)
{
    static const struct act none = {NULL, NULL, 0, 0, NULL};
    memset(s, 0, sizeof *s);
    s->acts = acts != NULL ? acts : &none;
    s->typing = typing;
    s->output = (char *)calloc(1, MOST);
    s->errors = (char *)calloc(1, MOST);
    assert_non_null(s->output);
    assert_non_null(s->errors);
    s->handlers.user = s;
    s->handlers.on_output = on_output;
    s->handlers.on_connected = on_connected;
    s->handlers.read_input = read_input;
}

static void free_session(struct session *s)
{
    free(s->output);
    free(s->errors);
}

static osb_status attach(struct fixture *f, struct session *s)
{
    return osb_pty_attach(&f->box, &s->pty, &s->options, &s->handlers);
}

static void make_and_attach(struct fixture *f, struct session *s)
{
    OK(f, osb_pty_create(&f->box, "/tmp", NULL, &s->pty));
    OK(f, attach(f, s));
}

static void delete_terminal(struct fixture *f, struct session *s)
{
    OK(f, osb_pty_delete(&f->box, s->pty.id));
    EXPECT(OSB_E_NOT_FOUND, f, osb_pty_delete(&f->box, s->pty.id));
    free_session(s);
}

/* Paints its screen anew for each key and each change of size; q ends it. */
static const char screen_program[] =
    "cat >screen-$$.py <<'END'\n"
    "import curses, sys\n"
    "def main(screen):\n"
    "    keys = 0\n"
    "    screen.timeout(50)\n" /* a resize just before it reads would else wait for a key */
    "    while True:\n"
    "        screen.clear()\n"
    "        rows, columns = screen.getmaxyx()\n"
    "        screen.addstr(rows // 2, 3, 'size=%dx%d,keys=%d.' % (columns, rows, keys))\n"
    "        screen.addstr(rows - 1, columns - 8, 'corner')\n"
    "        screen.refresh()\n"
    "        key = -1\n"
    "        while key == -1: key = screen.getch()\n"
    "        if key == ord('q'): return\n"
    "        keys += key != curses.KEY_RESIZE\n"
    "curses.wrapper(main)\n"
    "sys.exit(5)\n"
    "END\n"
    "TERM=xterm python3 screen-$$.py; code=$?; rm screen-$$.py; echo le''ft $code; exit $((code + "
    "1))\n";

static void full_screen_program(void **state)
{
    static const struct act acts[] = {
        {"size=100x30,keys=0.", NULL, 120, 40, NULL},
        {"size=120x40,keys=0.", "a", 0, 0, NULL},
        {"size=120x40,keys=1.", "b", 0, 0, NULL},
        {"size=120x40,keys=2.", NULL, 66, 20, NULL},
        {"size=66x20,keys=2.", "q", 0, 0, NULL},
        {"left 5", NULL, 0, 0, NULL},
        {NULL, NULL, 0, 0, NULL},
    };
    struct fixture *f = (struct fixture *)*state;
    struct session s;
    init_session(&s, acts, screen_program);
    OK(f, osb_pty_create(&f->box, "/tmp", NULL, &s.pty));
    osb_pty_resize(&s.pty, 100, 30);
    OK(f, attach(f, &s));
    assert_null(s.acts->shown);
    assert_true(s.pty.exit_code.set);
    assert_int_equal(s.pty.exit_code.value, 6);
    assert_int_equal(s.pty.offset, s.size);
    delete_terminal(f, &s);
}

/* ---- connections that break ------------------------------------------------------------------*/

/* Each connection breaks after so many bytes. */
static const osb_port_ops *whole_ops;
static size_t lifetime, lived, breaks;

static int short_lived_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    int io = (whole_ops->connect)(ctx, host, port, tls);
    if (io == 0) lived = 0;
    return io;
}

static int short_lived_recv(void *ctx, void *data, size_t size)
{
    int n;
    if (lived == lifetime) {
        breaks++;
        return OSB_IO_FAILED;
    }
    if (size > lifetime - lived) size = lifetime - lived;
    n = (whole_ops->recv)(ctx, data, size);
    if (n > 0) lived += (size_t)n;
    return n;
}

static void shorten_connections(struct fixture *f, osb_port_ops *ops, size_t bytes)
{
    osb_client_close(&f->client);
    whole_ops = f->config.port.ops;
    *ops = *whole_ops;
    ops->connect = short_lived_connect;
    ops->recv = short_lived_recv;
    f->config.port.ops = ops;
    lifetime = bytes;
    breaks = 0;
    assert_int_equal(osb_client_init(&f->client, &f->config), OSB_OK);
}

static void lengthen_connections(struct fixture *f)
{
    osb_client_close(&f->client);
    f->config.port.ops = whole_ops;
    assert_int_equal(osb_client_init(&f->client, &f->config), OSB_OK);
}

/* All numbers, each once. */
static void expect_numbers(const char *from, unsigned last)
{
    unsigned i;
    for (i = 1; i <= last; i++) {
        char line[16];
        size_t n = (size_t)snprintf(line, sizeof line, "%u\r\n", i);
        if (strncmp(from, line, n) != 0) fail_msg("no %u, but %.20s", i, from);
        from += n;
    }
    assert_memory_equal(from, "the end\r\n", 9);
}

/* It exits only when told to: exited while nobody is attached, it would be started anew. */
static void reconnections_in_mid_output(void **state)
{
    static const struct act acts[] = {{"the end\r\n", "exit 4\n", 0, 0, NULL},
                                      {NULL, NULL, 0, 0, NULL}};
    struct fixture *f = (struct fixture *)*state;
    static osb_port_ops ops;
    struct session s;
    const char *begin;
    init_session(&s, acts, "echo be''gin; seq 1 20000; echo the e''nd\n");
    OK(f, osb_pty_create(&f->box, "/tmp", NULL, &s.pty));
    s.options.reconnections = 100;
    shorten_connections(f, &ops, 9001);
    OK(f, attach(f, &s));
    lengthen_connections(f);
    begin = strstr(s.output, "begin\r\n");
    assert_non_null(begin);
    expect_numbers(begin + 7, 20000);
    assert_int_equal(s.pty.exit_code.value, 4);
    assert_int_equal(s.pty.lost_bytes, 0);
    assert_int_equal(s.pty.offset, s.size);
    assert_true(breaks >= 12);
    delete_terminal(f, &s);
}

/* Left, and attached to again by another call: from where the first one ended. */
static void detach_and_return(void **state)
{
    static const struct act acts[] = {{"the end\r\n", "exit 7\n", 0, 0, NULL},
                                      {NULL, NULL, 0, 0, NULL}};
    struct fixture *f = (struct fixture *)*state;
    osb_pty_state described;
    struct session s;
    const char *begin;
    init_session(&s, acts, "echo be''gin; sleep 2; seq 1 5000; echo the e''nd\n");
    s.detach = true;
    make_and_attach(f, &s);
    assert_false(s.pty.exit_code.set);
    OK(f, osb_pty_get(&f->box, s.pty.id, &described));
    assert_true(described.running);
    s.detach = false;
    s.options.takeover = true; /* the server may not have noticed yet that nobody is there */
    OK(f, attach(f, &s));
    begin = strstr(s.output, "begin\r\n");
    assert_non_null(begin);
    expect_numbers(begin + 7, 5000);
    assert_int_equal(s.pty.exit_code.value, 7);
    assert_int_equal(s.pty.offset, s.size);
    delete_terminal(f, &s);
}

/* ---- who has it, and how it ends -------------------------------------------------------------*/

static void takeover(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    const struct variant *own = variant;
    struct variant polling = *variant;
    struct fixture *other;
    struct session first, second;
    osb_status status;
    void *place;
    polling.poll_mode = true;
    variant = &polling;
    setup_client(&place);
    variant = own;
    other = (struct fixture *)place;
    other->box = f->box;
    other->box.client = &other->client;
    init_session(&first, NULL, NULL);
    init_session(&second, NULL, "exit 3\n");
    OK(f, osb_pty_create(&f->box, NULL, NULL, &first.pty));
    second.pty = first.pty;
    status = attach(other, &first);
    while (status == OSB_PENDING && first.connected == 0) {
        wait_for(other);
        status = osb_poll(&other->client);
    }
    assert_int_equal(status, OSB_PENDING);
    EXPECT(OSB_E_API, f, attach(f, &second));
    assert_int_equal(osb_last_error(&f->client)->http_status, 409);
    second.options.takeover = true;
    OK(f, attach(f, &second));
    assert_int_equal(second.pty.exit_code.value, 3);
    while (status == OSB_PENDING) {
        wait_for(other);
        status = osb_poll(&other->client);
    }
    assert_int_equal(status, OSB_E_STREAM);
    assert_int_equal(first.pty.close_code, 4001);
    teardown(&place);
    free_session(&first);
    delete_terminal(f, &second);
}

static void pipes(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct session s;
    init_session(&s, NULL, "echo out; echo err >&2; sleep 0.3; exit 9\n");
    s.options.pipe = true;
    make_and_attach(f, &s);
    assert_string_equal(s.output, "out\n");
    assert_string_equal(s.errors, "err\n");
    assert_int_equal(s.pty.exit_code.value, 9);
    delete_terminal(f, &s);
}

static void signals(void **state)
{
    static const struct act acts[] = {{"ready", NULL, 0, 0, "SIGKILL"}, {NULL, NULL, 0, 0, NULL}};
    struct fixture *f = (struct fixture *)*state;
    struct session s;
    init_session(&s, acts, "echo rea''dy; read answer; exit 0\n");
    make_and_attach(f, &s);
    assert_true(s.pty.exit_code.set);
    assert_int_not_equal(s.pty.exit_code.value, 0);
    delete_terminal(f, &s);
}

/* The ingress has two ways for an upgrade, of which one loses the headers that execd wants. */
static void through_the_gateway(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_create_options options;
    struct session s;
    memset(&options, 0, sizeof options);
    options.image = "python:3.12";
    options.secure_access = true;
    OK(f, osb_sandbox_create(&f->client, &options, &f->box));
    f->has_box = true;
    init_session(&s, NULL, "exit 5\n");
    make_and_attach(f, &s);
    assert_int_equal(s.pty.exit_code.value, 5);
    delete_terminal(f, &s);
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(full_screen_program),
    BOX_TEST(reconnections_in_mid_output),
    BOX_TEST(detach_and_return),
    BOX_TEST(takeover),
    BOX_TEST(pipes),
    BOX_TEST(signals),
    CLIENT_TEST(through_the_gateway),
};

RUN_IN_ALL_VARIANTS(tests, NULL, NULL)
