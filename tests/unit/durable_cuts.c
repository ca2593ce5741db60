/* Durable runs, following and recovery, on a server in memory whose connections break at any byte.

   DURABLE_FULL=1 tries every byte of 4 KB, and 2,000 offsets of 1 MB; else a sample of each. */
#include "tests/support/unit.h"

#define SMALL 4096u
#define LARGE (1024u * 1024u)
#define NEVER SIZE_MAX
#define ID "0a1b"

/* execd with one command, and the port to it. Its clock moves only while somebody waits. */
typedef struct execd {
    /* the command */
    unsigned char *output; /* stdout; in the log also stderr */
    size_t size, errors;   /* the last `errors` bytes of it are stderr */
    size_t step;           /* so much more of it there is at each look at the log */
    const char *end;       /* of a foreground stream */
    bool tmpdir_set;       /* files are in $TMPDIR, not in /tmp */
    bool no_range;
    unsigned unknown; /* so many looks, until it is known */
    int logs_status;  /* instead of 200 */
    int file_status;  /* of the first answer with a file, instead of 206 */
    bool killed;      /* it ends with a signal */
    unsigned silent;  /* looks at its state, until it has ended */
    /* the network */
    size_t cut_at, cut_every; /* bytes received in all, or on each connection; NEVER */
    bool refuse, clean;       /* no more connections; breaks look like good ends */
    bool flaky;               /* each other answer breaks off */
    uint32_t now_ms;
    bool open;
    size_t received, here;
    unsigned cuts, connects, requests, interrupts, starts;
    size_t there;
    struct text request, answer;
    size_t sent;
    /* what the client got */
    size_t out, err;
    bool wrong;
    unsigned inits, completes;
    size_t stop_at; /* the handler stops after so many bytes; 0: never */
} execd;

/* ---- what it answers ---------------------------------------------------------------------------*/

static void answers(execd *e, int status, const char *headers, const void *body, size_t size)
{
    text_print(&e->answer, "HTTP/1.1 %d X\r\n%sContent-Length: %lu\r\n\r\n", status, headers,
               (unsigned long)size);
    text_add(&e->answer, (const char *)body, size);
}

static void answers_text(execd *e, int status, const char *body)
{
    answers(e, status, "", body, strlen(body));
}

static void puts_chunk(execd *e, const char *event)
{
    text_print(&e->answer, "%lx\r\n%s\r\n", (unsigned long)strlen(event), event);
}

/* A foreground stream: one event for each line, stderr's last. */
static void streams_lines(execd *e)
{
    size_t at = 0;
    while (at < e->size) {
        const char *line = (const char *)e->output + at;
        size_t n = strcspn(line, "\n");
        char event[256];
        snprintf(event, sizeof event, "{\"type\":\"%s\",\"text\":\"%.*s\",\"timestamp\":101}\n\n",
                 at >= e->size - e->errors ? "stderr" : "stdout", (int)n, line);
        puts_chunk(e, event);
        at += n + 1;
    }
}

static void answers_start(execd *e)
{
    bool background = strstr(e->request.data, "\"background\":true") != NULL;
    e->starts++;
    text_print(&e->answer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    puts_chunk(e, "{\"type\":\"init\",\"text\":\"" ID "\",\"timestamp\":100}\n\n");
    if (!background) streams_lines(e);
    puts_chunk(e, background ? BENCH_DONE : e->end);
    text_print(&e->answer, "0\r\n\r\n");
    if (!background) e->there = e->size;
}

static void answers_log(execd *e)
{
    size_t cursor = (size_t)strtoul(strstr(e->request.data, "cursor=") + 7, NULL, 10);
    char header[64];
    e->there = e->there + e->step < e->size ? e->there + e->step : e->size;
    if (cursor > e->there) e->wrong = true;
    snprintf(header, sizeof header, "EXECD-COMMANDS-TAIL-CURSOR: %lu\r\n", (unsigned long)e->there);
    answers(e, 200, header, e->output + cursor, e->there - cursor);
}

static void answers_file(execd *e)
{
    const char *range = strstr(e->request.data, "\r\nRange: bytes=");
    bool err = strstr(e->request.data, ".stderr") != NULL;
    size_t from = range != NULL && !e->no_range ? (size_t)strtoul(range + 15, NULL, 10) : 0;
    const unsigned char *data = err ? e->output + e->size - e->errors : e->output;
    size_t size = err ? e->errors : e->size - e->errors;
    int status = e->file_status;
    e->file_status = 0;
    if (status != 0) answers_text(e, status, "not now");
    else if ((strstr(e->request.data, "TMPDIR") != NULL) != e->tmpdir_set)
        answers_text(e, 404, "{\"code\":\"FILE_NOT_FOUND\",\"message\":\"file not found\"}");
    else if (range != NULL && !e->no_range && from >= size) answers_text(e, 416, "invalid range");
    else answers(e, range != NULL && !e->no_range ? 206 : 200, "", data + from, size - from);
}

static void answers_state(execd *e, bool running)
{
    char state[100];
    snprintf(state, sizeof state,
             running ? "{\"id\":\"" ID "\",\"running\":true}"
                     : "{\"id\":\"" ID "\",\"running\":false,\"exit_code\":%d,\"error\":\"e\"}",
             e->killed ? -1 : 7);
    answers_text(e, 200, state);
}

static bool asks(const execd *e, const char *what)
{
    return strncmp(e->request.data, what, strlen(what)) == 0;
}

static void answer(execd *e)
{
    e->requests++;
    if (e->flaky && e->requests % 2 == 0) e->cut_at = e->received + 9;
    if (asks(e, "POST /command ")) {
        answers_start(e);
    } else if (asks(e, "DELETE /command?id=" ID)) {
        e->interrupts++;
        answers_text(e, 200, "");
    } else if (e->unknown > 0) {
        e->unknown--;
        answers_text(e, 400, "{\"code\":\"X\",\"message\":\"command not found\"}");
    } else if (asks(e, "GET /command/" ID "/logs") && e->logs_status != 0) {
        answers_text(e, e->logs_status, "refused");
    } else if (asks(e, "GET /command/" ID "/logs?cursor=")) {
        answers_log(e);
    } else if (asks(e, "GET /command/status/" ID)) {
        if (e->silent > 0) e->silent--;
        answers_state(e, e->there < e->size || e->silent > 0);
        if (e->there < e->size && e->step == 0) e->there = e->size; /* nobody reads its log */
    } else if (asks(e, "GET /files/download?path=")) {
        answers_file(e);
    } else {
        e->wrong = true;
        answers_text(e, 500, e->request.data);
    }
}

/* ---- the port ----------------------------------------------------------------------------------*/

static int execd_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    execd *e = (execd *)ctx;
    assert_string_equal(host, "execd.example");
    assert_int_equal(port, 44772);
    assert_false(tls || e->open);
    if (e->refuse) return OSB_IO_FAILED;
    e->open = true;
    e->connects++;
    e->here = 0;
    return 0;
}

static bool is_whole(const struct text *request)
{
    const char *end = strstr(request->data, "\r\n\r\n");
    const char *length = strstr(request->data, "\r\nContent-Length: ");
    size_t body = length != NULL ? (size_t)strtoul(length + 18, NULL, 10) : 0;
    return end != NULL && request->size == (size_t)(end + 4 - request->data) + body;
}

static int execd_send(void *ctx, const void *data, size_t size)
{
    execd *e = (execd *)ctx;
    assert_true(e->open);
    if (e->sent == e->answer.size) {
        text_clear(&e->answer);
        e->sent = 0;
    }
    text_add(&e->request, data, size);
    if (is_whole(&e->request)) {
        answer(e);
        text_clear(&e->request);
    }
    return (int)size;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int execd_recv(void *ctx, void *data, size_t size)
{
    execd *e = (execd *)ctx;
    size_t n = least(size, e->answer.size - e->sent);
    assert_true(e->open);
    if (e->received < e->cut_at) n = least(n, e->cut_at - e->received);
    n = least(n, e->cut_every - e->here);
    if (e->received == e->cut_at || e->here == e->cut_every) {
        e->cuts++;
        e->cut_at = NEVER;
        return e->clean ? OSB_IO_CLOSED : OSB_IO_FAILED;
    }
    if (n == 0) return OSB_IO_WANT_READ;
    memcpy(data, e->answer.data + e->sent, n);
    e->sent += n;
    e->here += n;
    e->received += n;
    return (int)n;
}

static void execd_close(void *ctx)
{
    execd *e = (execd *)ctx;
    e->open = false;
    text_clear(&e->request);
    text_clear(&e->answer);
    e->sent = 0;
}

static uint32_t execd_now(void *ctx)
{
    return ((execd *)ctx)->now_ms;
}

static void execd_wait(void *ctx, unsigned want, uint32_t timeout_ms)
{
    execd *e = (execd *)ctx;
    (void)want;
    e->now_ms += timeout_ms > 0 ? timeout_ms : 1;
}

static const osb_port_ops execd_ops = {execd_connect, execd_send, execd_recv, execd_close,
                                       execd_now,     execd_wait, NULL,       NULL,
                                       NULL,          false};

/* ---- the client --------------------------------------------------------------------------------*/

typedef struct rig {
    execd e;
    unsigned char *memory;
    osb_config config;
    osb_client client;
    osb_sandbox box;
    osb_durable_options options;
    osb_handlers handlers;
    osb_execution run;
} rig;

static int on_output(void *user, osb_stream stream, const char *data, size_t size)
{
    execd *e = (execd *)user;
    size_t from = stream == OSB_STDERR ? e->size - e->errors + e->err : e->out;
    if (from + size > e->size || memcmp(e->output + from, data, size) != 0) e->wrong = true;
    if (stream == OSB_STDERR) e->err += size;
    else e->out += size;
    return e->stop_at > 0 && e->out >= e->stop_at;
}

static int on_init(void *user, const osb_event *event)
{
    if (!osb_str_equal(event->text, ID)) ((execd *)user)->wrong = true;
    ((execd *)user)->inits++;
    return 0;
}

static int on_complete(void *user, const osb_event *event)
{
    (void)event;
    ((execd *)user)->completes++;
    return 0;
}

/* Numbered lines, so that no part of them is like another. */
static void write_lines(unsigned char *out, size_t size)
{
    size_t at;
    for (at = 0; at < size; at += 16) {
        char line[17];
        snprintf(line, sizeof line, "%015lu\n", (unsigned long)(at / 16 * 104729u % 1000003u));
        memcpy(out + at, line, 16);
    }
}

static void begin(rig *r, size_t size, bool poll_mode)
{
    memset(r, 0, sizeof *r);
    r->e.output = (unsigned char *)malloc(size + 1);
    r->memory = (unsigned char *)malloc(2048);
    assert_non_null(r->e.output);
    assert_non_null(r->memory);
    write_lines(r->e.output, size);
    r->e.output[size] = '\0';
    r->e.size = size;
    r->e.step = size / 4 + 1;
    r->e.end = BENCH_DONE;
    r->e.cut_at = r->e.cut_every = NEVER;
    text_clear(&r->e.request);
    text_clear(&r->e.answer);
    r->config.port.ops = &execd_ops;
    r->config.port.ctx = &r->e;
    r->config.memory = r->memory;
    r->config.memory_size = 2048;
    r->config.poll_mode = poll_mode;
    assert_int_equal(osb_client_init(&r->client, &r->config), OSB_OK);
    r->box.client = &r->client;
    strcpy(r->box.execd.address, "execd.example:44772");
    strcpy(r->run.id, ID);
    r->handlers.user = &r->e;
    r->handlers.on_output = on_output;
    r->handlers.on_init = on_init;
    r->handlers.on_complete = on_complete;
}

static void end(rig *r)
{
    osb_client_close(&r->client);
    text_free(&r->e.request);
    text_free(&r->e.answer);
    free(r->e.output);
    free(r->memory);
}

static osb_status finish(rig *r, osb_status status)
{
    while (status == OSB_PENDING) {
        osb_wait wait;
        osb_want(&r->client, &wait);
        if (!wait.now && !wait.write) execd_wait(&r->e, 0, least(wait.timeout_ms, 100) & 0xffu);
        status = osb_poll(&r->client);
    }
    return status;
}

static const osb_command command = {"x", NULL,       NULL,       NULL,  0,
                                    0,   {false, 0}, {false, 0}, false, false};

static osb_status run_durable(rig *r)
{
    return finish(r,
                  osb_command_run_durable(&r->box, &command, &r->options, &r->handlers, &r->run));
}

static osb_status follow(rig *r)
{
    return finish(r, osb_command_follow(&r->box, &r->options, &r->handlers, &r->run));
}

static osb_status run_here(rig *r)
{
    return finish(r, osb_command_run(&r->box, &command, &r->handlers, &r->run));
}

static osb_status recover(rig *r)
{
    return finish(r, osb_command_recover(&r->box, &r->options, &r->handlers, &r->run));
}

static void assert_exact(rig *r)
{
    assert_false(r->e.wrong);
    assert_int_equal(r->e.out + r->e.err, r->e.size);
    assert_int_equal(r->run.stdout_bytes, r->e.out);
    assert_int_equal(r->run.stderr_bytes, r->e.err);
    assert_true(r->run.ended);
    assert_true(r->run.exit_code.set);
    assert_int_equal(r->run.exit_code.value, 7);
    assert_int_equal(r->e.completes, 1);
}

static bool full(void)
{
    return getenv("DURABLE_FULL") != NULL;
}

/* ---- a durable run, cut ------------------------------------------------------------------------*/

/* Cut once, at this byte of all that is received. Whether the command is known by then: if not, it
   was started, and nobody knows its id. */
static bool cut_run(size_t size, size_t at, bool clean)
{
    osb_status status;
    bool known;
    rig r;
    begin(&r, size, at % 2 != 0);
    r.e.cut_at = at;
    r.e.clean = clean;
    status = run_durable(&r);
    known = r.run.id[0] != '\0';
    assert_int_equal(r.e.starts, 1);
    assert_int_equal(r.e.cuts, 1);
    if (known) {
        assert_int_equal(status, OSB_OK);
        assert_exact(&r);
        assert_int_equal(r.e.inits, 1);
    } else {
        assert_true(status == OSB_E_CLOSED || status == OSB_E_TRUNCATED);
        assert_false(r.e.wrong);
        assert_int_equal(r.e.requests, 1);
    }
    end(&r);
    return known;
}

/* Everything that a run without a cut receives. */
static size_t whole_run(size_t size)
{
    size_t received;
    rig r;
    begin(&r, size, false);
    assert_int_equal(run_durable(&r), OSB_OK);
    assert_exact(&r);
    assert_int_equal(r.e.inits, 1);
    assert_int_equal(r.e.connects, 1);
    received = r.e.received;
    end(&r);
    return received;
}

static void test_cut_everywhere(void **state)
{
    size_t bytes = whole_run(SMALL), at, step = full() ? 1 : 37, runs = 0, unknown = 0;
    (void)state;
    for (at = 0; at < bytes; at += step, runs++)
        if (!cut_run(SMALL, at, runs % 3 == 0)) unknown = at;
    assert_in_range(unknown, 1, 150); /* only before the id has come */
    print_message("durable: 4 KB of output cut at %lu of %lu bytes received: exact\n",
                  (unsigned long)runs, (unsigned long)bytes);
}

static void test_cut_large(void **state)
{
    size_t bytes = whole_run(LARGE), count = full() ? 2000 : 12, i;
    script_port random = {0};
    (void)state;
    random.seed = 20261;
    for (i = 0; i < count; i++) {
        size_t at = ((size_t)script_random(&random) << 8 ^ script_random(&random)) % bytes;
        assert_true(cut_run(LARGE, at > 200 ? at : 200, i % 3 == 0));
    }
    print_message("durable: 1 MB of output cut at %lu offsets of %lu: exact\n",
                  (unsigned long)count, (unsigned long)bytes);
}

/* No connection lives longer than so many bytes. */
static void test_cut_again_and_again(void **state)
{
    static const size_t lengths[] = {160, 161, 177, 200, 300, 1000, 4000};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        rig r;
        begin(&r, 2 * SMALL, i % 2 != 0);
        r.e.cut_every = lengths[i];
        assert_int_equal(run_durable(&r), OSB_OK);
        assert_exact(&r);
        assert_true(r.e.cuts >= 2);
        end(&r);
    }
}

/* ---- how else it goes --------------------------------------------------------------------------*/

static void test_follow(void **state)
{
    rig r;
    (void)state;
    begin(&r, SMALL, false);
    r.e.out = 1000;
    r.run.stdout_bytes = 1000;
    r.options.interval_ms = 250;
    assert_int_equal(follow(&r), OSB_OK);
    assert_exact(&r);
    assert_int_equal(r.e.starts, 0);
    assert_int_equal(r.e.inits, 0);
    assert_in_range(r.e.now_ms, 700, 1000); /* three looks found it running */
    assert_true(osb_str_equal(r.run.error_value, "e"));
    end(&r);
}

/* What went wrong holds what it takes to go on, even by another client. */
static void test_follow_after_failure(void **state)
{
    rig r;
    (void)state;
    begin(&r, SMALL, false);
    r.options.retries = 1;
    r.options.pause_ms = 10;
    r.e.cut_at = 2000;
    r.e.logs_status = 0;
    r.e.stop_at = 1500;
    assert_int_equal(run_durable(&r), OSB_E_CANCELLED);
    assert_false(r.run.ended);
    assert_int_equal(r.e.interrupts, 1);
    r.e.stop_at = 0;
    assert_int_equal(osb_client_init(&r.client, &r.config), OSB_OK);
    r.e.open = false;
    assert_int_equal(follow(&r), OSB_OK);
    assert_exact(&r);
    end(&r);
}

/* A handler that stops it interrupts the command, unless it is to go on, or was only followed. */
static void test_stop(void **state)
{
    osb_command lasting = command;
    rig r;
    (void)state;
    lasting.keep_running = true;
    begin(&r, SMALL, true);
    r.e.stop_at = 1;
    assert_int_equal(
        finish(&r, osb_command_run_durable(&r.box, &lasting, NULL, &r.handlers, &r.run)),
        OSB_E_CANCELLED);
    assert_int_equal(r.e.interrupts, 0);
    end(&r);
    begin(&r, SMALL, false);
    r.e.stop_at = 1;
    assert_int_equal(follow(&r), OSB_E_CANCELLED);
    assert_int_equal(r.e.interrupts, 0);
    end(&r);
}

/* Cancelled in the pause between two looks. */
static void test_cancel(void **state)
{
    osb_status status;
    unsigned polls;
    rig r;
    (void)state;
    begin(&r, SMALL, true);
    status = osb_command_run_durable(&r.box, &command, NULL, &r.handlers, &r.run);
    for (polls = 0; polls < 200 && status == OSB_PENDING; polls++) {
        osb_wait wait;
        osb_want(&r.client, &wait);
        if (!wait.now && !wait.read && !wait.write) break;
        status = osb_poll(&r.client);
    }
    assert_int_equal(status, OSB_PENDING);
    assert_true(r.e.out > 0);
    osb_cancel(&r.client);
    assert_int_equal(finish(&r, osb_poll(&r.client)), OSB_E_CANCELLED);
    assert_int_equal(r.e.interrupts, 1);
    end(&r);
}

static void test_retries_exhausted(void **state)
{
    rig r;
    (void)state;
    begin(&r, SMALL, false);
    r.options.retries = 3;
    r.options.pause_ms = 2000;
    r.e.unknown = 0;
    r.run.stdout_bytes = 16;
    r.e.logs_status = 503;
    assert_int_equal(follow(&r), OSB_E_API);
    assert_int_equal(osb_last_error(&r.client)->http_status, 503);
    assert_int_equal(r.e.requests, 4);
    end(&r);
    begin(&r, SMALL, false);
    r.e.refuse = true;
    assert_int_equal(follow(&r), OSB_E_CONNECT);
    assert_int_equal(osb_last_error(&r.client)->status, OSB_E_CONNECT);
    end(&r);
    begin(&r, SMALL, false);
    r.e.logs_status = 501; /* it will not get better */
    assert_int_equal(follow(&r), OSB_E_API);
    assert_int_equal(r.e.requests, 1);
    end(&r);
}

/* Failures count in a row: an answer begins a new one, even if the command says nothing. */
static void test_failures_in_a_row(void **state)
{
    rig r;
    (void)state;
    begin(&r, SMALL, false);
    r.options.retries = 1;
    r.e.flaky = true;
    r.e.silent = 30;
    assert_int_equal(follow(&r), OSB_OK);
    assert_exact(&r);
    assert_true(r.e.cuts >= 30);
    end(&r);
}

/* Just after its start execd may not know it. */
static void test_unknown(void **state)
{
    rig r;
    (void)state;
    begin(&r, SMALL, false);
    r.e.unknown = 3;
    assert_int_equal(run_durable(&r), OSB_OK);
    assert_exact(&r);
    end(&r);
    begin(&r, SMALL, false);
    r.e.unknown = 1000;
    assert_int_equal(follow(&r), OSB_E_API);
    assert_int_equal(r.e.requests, 11);
    assert_in_range(r.e.now_ms, 1000, 1300);
    end(&r);
}

static void test_refused_here(void **state)
{
    static const char *const argv[] = {"a", NULL};
    osb_command both = command, neither = command;
    rig r;
    (void)state;
    begin(&r, 16, false);
    both.argv = argv;
    neither.command = NULL;
    assert_int_equal(osb_command_run_durable(&r.box, &both, NULL, NULL, &r.run), OSB_E_INVALID);
    assert_int_equal(osb_command_run_durable(&r.box, &neither, NULL, NULL, &r.run), OSB_E_INVALID);
    r.run.id[0] = '\0';
    assert_int_equal(osb_command_follow(&r.box, NULL, NULL, &r.run), OSB_E_INVALID);
    strcpy(r.run.id, "..");
    assert_int_equal(osb_command_recover(&r.box, NULL, NULL, &r.run), OSB_E_INVALID);
    assert_int_equal(r.e.connects, 0);
    end(&r);
}

/* execd does not say why it killed a command: the time that it ran does. */
static void test_timed_out(void **state)
{
    static const uint32_t looks[] = {1, 4};
    osb_command limited = command;
    size_t i;
    (void)state;
    limited.timeout_ms = 1500;
    for (i = 0; i < 2; i++) {
        rig r;
        begin(&r, 16, false);
        r.e.killed = true;
        r.e.step = 16;
        r.e.silent = looks[i] + 1;
        assert_int_equal(osb_command_run_durable(&r.box, &limited, NULL, NULL, &r.run), OSB_OK);
        assert_int_equal(r.run.exit_code.value, -1);
        assert_int_equal(r.run.timed_out, i == 1);
        end(&r);
    }
}

/* ---- recovery ----------------------------------------------------------------------------------*/

/* A foreground stream, cut at this byte, and its recovery, cut too. */
static size_t cut_and_recover(size_t at, size_t again, bool tmpdir_set)
{
    osb_status status;
    rig r;
    begin(&r, SMALL, at % 2 != 0);
    r.e.errors = SMALL / 4;
    r.e.step = 0;
    r.e.end = "{\"type\":\"error\",\"error\":{\"ename\":\"CommandExecError\",\"evalue\":\"7\"},"
              "\"timestamp\":102}\n\n";
    r.e.tmpdir_set = tmpdir_set;
    r.e.cut_at = at;
    r.e.clean = at % 3 == 0;
    status = run_here(&r);
    if (status != OSB_OK && r.run.id[0] != '\0') {
        r.options.pause_ms = 10;
        if (again != NEVER) r.e.cut_at = r.e.received + again;
        status = recover(&r);
        assert_int_equal(status, OSB_OK);
        assert_exact(&r);
    }
    if (r.run.id[0] == '\0') assert_int_equal(r.e.out, 0);
    at = r.e.received;
    end(&r);
    return at;
}

static void test_recover(void **state)
{
    size_t bytes = cut_and_recover(NEVER, NEVER, true), at, step = full() ? 1 : 41, runs = 0;
    (void)state;
    for (at = 0; at < bytes; at += step, runs++)
        cut_and_recover(at, runs % 2 == 0 ? NEVER : runs * 7 % 1500, runs % 4 < 2);
    print_message("recovery: a stream of %lu bytes cut at %lu of them: exact\n",
                  (unsigned long)bytes, (unsigned long)runs);
}

/* A server that is busy for a moment says nothing of where the files are. */
static void test_recover_busy(void **state)
{
    rig r;
    (void)state;
    begin(&r, SMALL, false);
    r.e.there = SMALL;
    r.e.tmpdir_set = true;
    r.e.file_status = 503;
    assert_int_equal(recover(&r), OSB_OK);
    assert_exact(&r);
    end(&r);
}

/* A server that does not know ranges would repeat what is known. */
static void test_recover_without_ranges(void **state)
{
    rig r;
    (void)state;
    begin(&r, SMALL, false);
    r.e.there = SMALL;
    r.e.no_range = true;
    r.e.tmpdir_set = true;
    r.run.stdout_bytes = r.e.out = 32;
    assert_int_equal(recover(&r), OSB_E_PROTOCOL);
    assert_int_equal(r.e.out, 32);
    assert_int_equal(r.e.interrupts, 0);
    end(&r);
}

/* It still runs: its end is waited for. */
static void test_recover_running(void **state)
{
    rig r;
    (void)state;
    begin(&r, SMALL, false);
    r.e.step = 0;
    r.options.interval_ms = 5000;
    assert_int_equal(recover(&r), OSB_OK);
    assert_exact(&r);
    assert_in_range(r.e.now_ms, 5000, 5200);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_cut_large),
        cmocka_unit_test(test_cut_again_and_again),
        cmocka_unit_test(test_follow),
        cmocka_unit_test(test_follow_after_failure),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_retries_exhausted),
        cmocka_unit_test(test_failures_in_a_row),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_refused_here),
        cmocka_unit_test(test_timed_out),
        cmocka_unit_test(test_recover),
        cmocka_unit_test(test_recover_busy),
        cmocka_unit_test(test_recover_without_ranges),
        cmocka_unit_test(test_recover_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
