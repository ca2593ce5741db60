/* Answers that break off at every offset, servers that are slow or silent, and calls of several
   steps of which one fails. */
#define OPENSANDBOX_IMPLEMENTATION
#include "port/osb_posix.h"

#include "tests/faults/cases.h"

#define INIT "{\"type\":\"init\",\"text\":\"c1\",\"timestamp\":1}\n\n"
#define HI "{\"type\":\"stdout\",\"text\":\"hi\",\"timestamp\":2}\n\n"
#define END "{\"type\":\"execution_complete\",\"execution_time\":3,\"timestamp\":4}\n\n"
#define OK_LINE "HTTP/1.1 200 OK\r\n"
#define GOOD OK_LINE "Content-Length: 11\r\n\r\n{\"id\":\"7f\"}"
#define CHUNKED_HEAD OK_LINE "Transfer-Encoding: chunked\r\n\r\n"

/* ---- every offset ----------------------------------------------------------------------------*/

typedef enum kind { WITH_BODY, WITH_UNTIL, WITH_STREAM } kind;

/* A good answer to a call. */
typedef struct answer {
    const call *call;
    kind kind;
    const char *text;
    const char *done; /* the call is over when this has come; NULL: the whole text */
    bool is_get;
} answer;

static const answer answers[] = {
    {&call_get, WITH_BODY, GOOD, NULL, true},
    {&call_get, WITH_BODY,
     CHUNKED_HEAD "5;x=y\r\n{\"id\"\r\n06\r\n:\"7f\"}\r\n0\r\nX-Trailer: a\r\n\r\n", NULL, true},
    {&call_get, WITH_UNTIL, OK_LINE "\r\n{\"id\":\"7f\",\"status\":{\"state\":\"Running\"}}", NULL,
     true},
    {&call_get, WITH_BODY,
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" GOOD, NULL,
     true},
    {&call_run, WITH_STREAM,
     CHUNKED_HEAD "2b\r\n" INIT "\r\n2d\r\n" HI "\r\n40\r\n" END "\r\n0\r\n\r\n",
     "\"timestamp\":4}", false},
    {&call_run, WITH_STREAM, OK_LINE "Content-Type: text/event-stream\r\n\r\n" INIT HI END,
     "\"timestamp\":4}", false},
    {&call_state, WITH_BODY,
     OK_LINE "Content-Length: "
             "60\r\n\r\n{\"id\":\"c1\",\"content\":\"ls\",\"running\":false,\"exit_code\":0    }",
     NULL, true},
    {&call_logs, WITH_BODY,
     OK_LINE
     "EXECD-COMMANDS-TAIL-CURSOR: 33\r\nContent-Length: 26\r\n\r\nabcdefghijklmnopqrstuvwxyz",
     NULL, true},
    {&call_kill, WITH_BODY,
     "HTTP/1.1 409 X\r\nContent-Length: 30\r\n\r\n{\"code\":\"C\",\"message\":\"no no\"}", NULL,
     false},
    {&call_kill, WITH_BODY, "HTTP/1.1 204 No Content\r\nX-Request-ID: 1\r\n\r\n", NULL, false},
    {&call_ping, WITH_BODY, OK_LINE "Content-Length: 0\r\n\r\n", NULL, true},
};

typedef struct region {
    const char *ids[3]; /* by FIN, RST, stall */
    osb_status status[3];
} region;

static const region head_region = {{"close-head", "reset-head", "stall-head"},
                                   {OSB_E_CLOSED, OSB_E_CLOSED, OSB_E_TIMEOUT}};
static const region body_regions[] = {
    {{"close-body", "reset-body", "stall-body"}, {OSB_E_CLOSED, OSB_E_CLOSED, OSB_E_TIMEOUT}},
    {{"close-until", "reset-until", "stall-body"}, {OSB_E_JSON, OSB_E_CLOSED, OSB_E_TIMEOUT}},
    {{"close-stream", "reset-stream", "stall-stream"},
     {OSB_E_TRUNCATED, OSB_E_TRUNCATED, OSB_E_TIMEOUT}}};
static const region ended_region = {{"close-ended", "reset-ended", "stall-ended"},
                                    {OSB_OK, OSB_OK, OSB_OK}};

/* How many of the stream's events have come with the first bytes of an answer. */
static size_t events_in(const char *text, size_t size)
{
    size_t events = 0, i;
    for (i = 0; i < size; i++) events += text[i] == '}';
    return events;
}

/* How many events were handed out. */
static size_t events_out(const struct text *outcome)
{
    const char *at = outcome->data;
    size_t events = 0;
    while (at != NULL && (at = strstr(at, "event ")) != NULL) {
        events++;
        at++;
    }
    return events;
}

static const char *behind_head(const char *text)
{
    return strstr(text, "\r\n\r\n") + 4;
}

/* The answer itself, behind those that are only interim. */
static const char *final_head(const char *text)
{
    while (strncmp(text, "HTTP/1.1 1", 10) == 0) text = behind_head(text);
    return text;
}

static size_t head_size(const char *text)
{
    return (size_t)(behind_head(final_head(text)) - text);
}

static const region *region_of(const answer *a, size_t at)
{
    const char *done = a->done != NULL ? strstr(a->text, a->done) + strlen(a->done) : NULL;
    if (at < head_size(a->text)) return &head_region;
    if (done != NULL && a->text + at >= done) return &ended_region;
    return &body_regions[a->kind];
}

/* Lines that the outcome must have when the answer breaks off here. */
static void expect_lines(const answer *a, size_t at, unsigned way, char *lines, size_t size)
{
    size_t head = head_size(a->text);
    const region *where = region_of(a, at);
    snprintf(lines, size, "%s\n%s%s", osb_status_name(where->status[way]),
             a->is_get || where != &head_region ? "!maybe_applied" : "maybe_applied",
             way == 1 && where != &ended_region ? "\nport 104 Connection reset by peer" : "");
    if (a->call == &call_logs && at > head)
        snprintf(lines + strlen(lines), size - strlen(lines), "\ndata %.*s", (int)(at - head),
                 a->text + head);
    if (where != &head_region && where != &ended_region)
        snprintf(lines + strlen(lines), size - strlen(lines), "\nhttp_status %.3s",
                 final_head(a->text) + 9);
}

/* One answer that breaks off at one offset in one way. */
static bool break_off(server *s, const answer *a, size_t at, unsigned way, const variant *v)
{
    static const step_kind ways[] = {STEP_FIN, STEP_RST, STEP_STALL};
    static struct text outcome;
    const region *where = region_of(a, at);
    char lines[256];
    delivery how;
    fault x;
    bool good;
    memset(&how, 0, sizeof how);
    memset(&x, 0, sizeof x);
    how.ending = ways[way];
    how.limit = at;
    how.at = at;
    expect_lines(a, at, way, lines, sizeof lines);
    x.id = where->ids[way];
    x.status = where->status[way];
    x.says = lines;
    x.elapsed_ms = x.status == OSB_E_TIMEOUT ? 30000 : 0;
    x.steps[0].kind = STEP_REQUEST;
    x.steps[1].kind = STEP_SEND;
    x.steps[1].text = a->text;
    x.steps[1].size = strlen(a->text);
    x.steps[1].number = 1;
    x.steps[2].kind = STEP_STALL;
    good = play(s, &x, a->call, v, &how, &outcome);
    if (good && a->kind == WITH_STREAM && events_out(&outcome) != events_in(a->text, at)) {
        show_failure(&x, a->call, v, &how, "an event is lost", &outcome);
        good = false;
    }
    count_result(x.id, good, outcome.size, 0);
    if (first_clock_ms != CLOCK_MS) count_result("clock-wrap", good, outcome.size, 0);
    return good;
}

static bool break_off_everywhere(server *s, const answer *a, const variant *v, size_t first,
                                 size_t by)
{
    size_t size = strlen(a->text), at;
    bool good = true;
    unsigned way;
    for (at = first; at < size; at += by)
        for (way = 0; way < 3; way++) {
            first_clock_ms = (at + way) % 2 == 0 ? CLOCK_MS : CLOCK_THAT_WRAPS_MS;
            good = break_off(s, a, at, way, v) && good;
        }
    first_clock_ms = CLOCK_MS;
    return good;
}

static void test_every_offset(void **state)
{
    const answer *a = (const answer *)*state;
    uint32_t no_clock = 0;
    size_t files = open_files(), i;
    bool good = true;
    server s;
    shown = 0;
    server_open(&s, &no_clock);
    for (i = 0; i < VARIANTS; i++) {
        if (depth == SAMPLE && i > 1) break;
        good = break_off_everywhere(&s, a, &variants[i], depth == USUAL ? i / 2 : i,
                                    depth == FULL    ? 1
                                    : depth == USUAL ? VARIANTS / 2
                                                     : 23) &&
               good;
    }
    server_close(&s);
    assert_true(good);
    assert_int_equal(open_files(), files);
}

/* ---- connecting ------------------------------------------------------------------------------*/

static bool connect_fault(server *s, const char *id, osb_status status, const char *lines,
                          uint64_t elapsed_ms, const variant *v, void (*mend)(server *s))
{
    static fixture f;
    bool good;
    fixture_open(&f, s, v);
    good = fixture_call(&f, &call_get) == status && says(&f.record.lines, lines) &&
           f.waited_ms == elapsed_ms;
    if (!good) fprintf(stderr, "%s: %s", id, f.record.lines.data);
    mend(s);
    good = fixture_works(&f, "next") && good;
    good = fixture_close_all(&f) == 0 && good;
    count_result(id, good, 0, 0);
    return good;
}

static void listen_again(server *s)
{
    struct sockaddr_in address;
    int on = 1;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(s->port);
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    server_must(bind(s->listener, (struct sockaddr *)&address, sizeof address) == 0, "bind");
    server_must(listen(s->listener, 16) == 0, "listen");
    server_must(fcntl(s->listener, F_SETFL, O_NONBLOCK) == 0, "fcntl");
}

static void test_refused(void **state)
{
    uint32_t no_clock = 0;
    server s;
    size_t i;
    bool good = true;
    (void)state;
    for (i = 0; i < VARIANTS; i++) {
        server_open(&s, &no_clock);
        close(s.listener);
        s.listener = -1;
        good = connect_fault(&s, "refused", OSB_E_CONNECT,
                             "port 111 Connection refused\n!maybe_applied", 0, &variants[i],
                             listen_again) &&
               good;
        server_close(&s);
    }
    assert_true(good);
}

static int filler[4];

/* Fills the queue of connections that nobody accepts. */
static void fill_queue(server *s)
{
    struct sockaddr_in address;
    size_t i;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(s->port);
    server_must(listen(s->listener, 0) == 0, "listen");
    for (i = 0; i < 4; i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM, 0);
        server_must(fcntl(filler[i], F_SETFL, O_NONBLOCK) == 0, "fcntl");
        (void)connect(filler[i], (struct sockaddr *)&address, sizeof address);
    }
}

static void empty_queue(server *s)
{
    size_t i;
    int fd;
    for (i = 0; i < 4; i++) close(filler[i]);
    while ((fd = accept(s->listener, NULL, NULL)) >= 0) close(fd);
    server_must(listen(s->listener, 16) == 0, "listen");
}

/* While the queue is full the server must not accept: it is not stepped. */
static void wait_only(void *ctx, unsigned want, uint32_t timeout_ms)
{
    fixture *f = (fixture *)ctx;
    if (fixture_ready(f, want, -1, 0)) return;
    f->clock_ms += timeout_ms;
    f->waited_ms += timeout_ms;
}

static void test_connect_stall(void **state)
{
    static fixture f;
    uint32_t no_clock = 0;
    server s;
    bool good;
    (void)state;
    server_open(&s, &no_clock);
    fill_queue(&s);
    fixture_open(&f, &s, &variants[0]);
    f.ops.wait = wait_only;
    good = fixture_call(&f, &call_get) == OSB_E_TIMEOUT && f.waited_ms == 10000;
    empty_queue(&s);
    f.ops.wait = fixture_wait;
    good = fixture_works(&f, "next") && good;
    good = fixture_close_all(&f) == 0 && good;
    server_close(&s);
    count_result("connect-stall", good, 0, 0);
    assert_true(good);
}

/* ---- OSB_E_BUFFER's promise ------------------------------------------------------------------*/

/* The size that the error names is enough. */
static void test_needed_is_enough(void **state)
{
    static fixture f;
    static const step script[] = {REQUEST,
                                  SEND(OK_LINE "\r\n{\"id\":\"7f\",\"createdAt\":\""),
                                  REPEAT("0123456789", 700),
                                  SEND("\"}"),
                                  FIN,
                                  DONE};
    variant v = {"needed", false, 1024};
    uint32_t no_clock = 0;
    server s;
    osb_status status;
    (void)state;
    server_open(&s, &no_clock);
    do {
        fixture_open(&f, &s, &v);
        s.script = script;
        status = fixture_call(&f, &call_get);
        v.memory_size = osb_last_error(&f.client)->needed;
        fixture_close_all(&f);
        if (v.memory_size < 1024) break;
        assert_int_equal(status, OSB_E_BUFFER);
        v.name = "twice";
    } while (v.memory_size < 9000);
    server_close(&s);
    count_result("json-large", status == OSB_OK, 7000, 0);
    assert_int_equal(status, OSB_OK);
}

/* ---- slow servers, and calls of several steps ------------------------------------------------*/

#define LAST_ROUTE                                                                                 \
    {                                                                                              \
        NULL, 0, 0,                                                                                \
        {                                                                                          \
            STALL                                                                                  \
        }                                                                                          \
    }
#define EACH 1, UINT32_MAX
#define ONCE 1, 1
#define POST "POST /v1/sandboxes"
#define STATE_OF "GET /v1/sandboxes/made"
#define ENDPOINT_OF "GET /v1/sandboxes/made/endpoints"
#define PING "GET /execd/ping"
#define KILL "DELETE /v1/sandboxes/made"
#define MADE(state)                                                                                \
    ANSWER(202, "{\"id\":\"made\",\"status\":{\"state\":\"" state "\",\"message\":\"because\"}}")
#define HALF_MADE                                                                                  \
    "HTTP/1.1 202 Accepted\r\nContent-Length: "                                                    \
    "45\r\n\r\n{\"status\":{\"state\":\"Pending\"},\"id\":\"ma"
#define STATE(state)                                                                               \
    ANSWER(200, "{\"id\":\"made\",\"status\":{\"state\":\"" state "\",\"message\":\"because\"}}")
#define ROUTES(name, ...) static const route name[] = {__VA_ARGS__, LAST_ROUTE}

ROUTES(state_500, {POST, EACH, {MADE("Pending")}}, {STATE_OF, EACH, {ANSWER(500, "oops")}});
ROUTES(state_500_once, {POST, EACH, {MADE("Pending")}}, {STATE_OF, ONCE, {ANSWER(500, "oops")}});
ROUTES(state_fin_once, {POST, EACH, {MADE("Pending")}}, {STATE_OF, ONCE, {FIN, STALL}});
ROUTES(endpoint_500_once, {ENDPOINT_OF, ONCE, {ANSWER(500, "oops")}});
ROUTES(endpoint_404_once,
       {ENDPOINT_OF, ONCE, {ANSWER(404, "{\"code\":\"KUBERNETES::POD_IP_NOT_AVAILABLE\"}")}});
ROUTES(endpoint_rst_once, {ENDPOINT_OF, ONCE, {RST}});
ROUTES(ping_502_once, {PING, ONCE, {ANSWER(502, "Bad Gateway")}});
ROUTES(ping_fin_once, {PING, ONCE, {FIN, STALL}});
ROUTES(ping_garbage_once, {PING, ONCE, {SEND("garbage\r\n"), FIN, STALL}});
ROUTES(state_401, {POST, EACH, {MADE("Pending")}},
       {STATE_OF, EACH, {ANSWER(401, "{\"code\":\"C\",\"message\":\"who?\"}")}});
ROUTES(state_failed, {POST, EACH, {MADE("Pending")}}, {STATE_OF, EACH, {STATE("Failed")}});
ROUTES(state_terminated, {POST, EACH, {MADE("Terminated")}});
ROUTES(kill_500, {POST, EACH, {MADE("Failed")}},
       {KILL, EACH, {ANSWER(500, "{\"code\":\"K\",\"message\":\"kill\"}")}});
ROUTES(kill_fin, {POST, EACH, {MADE("Failed")}}, {KILL, EACH, {FIN, STALL}});
ROUTES(kill_stall, {POST, EACH, {MADE("Failed")}}, {KILL, EACH, {STALL}});
ROUTES(ping_502, {PING, EACH, {ANSWER(502, "Bad Gateway")}});
ROUTES(ping_stall, {PING, EACH, {STALL}});
ROUTES(ping_refused, {ENDPOINT_OF, EACH, {ANSWER(200, "{\"endpoint\":\"127.0.0.1:1\"}")}});

#define CREATE(row, expected, lines, list, with)                                                   \
    {                                                                                              \
        .id = row, .call = &call_create, .status = expected, .says = lines, .asks = list,          \
        .requests = -1, .elapsed_ms = -1, .large = true, .routes = with                            \
    }

static const fault slow[] = {
    {.id = "no-answer-close",
     .call = &call_get,
     .status = OSB_E_CLOSED,
     .says = "!maybe_applied",
     .steps = {REQUEST, FIN, STALL}},
    {.id = "no-answer-close",
     .call = &call_run,
     .status = OSB_E_CLOSED,
     .says = "maybe_applied",
     .steps = {REQUEST, FIN, STALL}},
    {.id = "no-answer-reset",
     .call = &call_get,
     .status = OSB_E_CLOSED,
     .says = "!maybe_applied",
     .steps = {REQUEST, RST}},
    {.id = "no-answer-reset",
     .call = &call_run,
     .status = OSB_E_CLOSED,
     .says = "maybe_applied",
     .steps = {REQUEST, RST}},
    {.id = "no-read-stall",
     .call = &call_create_big,
     .status = OSB_E_TIMEOUT,
     .says = "maybe_applied",
     .requests = -1,
     .elapsed_ms = 300000,
     .steps = {STALL}},
    {.id = "drip-request",
     .call = &call_get,
     .status = OSB_E_TIMEOUT,
     .drip_ms = 5000,
     .elapsed_ms = 30000,
     .steps = {REQUEST, SEND(GOOD)}},
    {.id = "drip-under",
     .call = &call_run,
     .says = "event stdout @2 hi\nexit_code 0",
     .drip_ms = 29999,
     .elapsed_ms = -1,
     .steps = {REQUEST,
               SEND(CHUNKED_HEAD "2b\r\n" INIT "\r\n2d\r\n" HI "\r\n40\r\n" END "\r\n0\r\n\r\n")}},
    {.id = "drip-under",
     .call = &call_logs,
     .says = "data abc\ncursor 10",
     .drip_ms = 29999,
     .elapsed_ms = -1,
     .steps = {REQUEST,
               SEND(OK_LINE "EXECD-COMMANDS-TAIL-CURSOR: 10\r\nContent-Length: 3\r\n\r\nabc")}},
    {.id = "drip-over",
     .call = &call_run,
     .status = OSB_E_TIMEOUT,
     .says = "event stdout @2 hi\nnot ended",
     .elapsed_ms = 30000,
     .steps = {REQUEST, SEND(OK_LINE "\r\n" INIT HI), PAUSE(30001), SEND(END), STALL}},
    {.id = "drip-over",
     .call = &call_logs,
     .status = OSB_E_TIMEOUT,
     .says = "data ab",
     .elapsed_ms = 30000,
     .steps = {REQUEST, SEND(OK_LINE "Content-Length: 3\r\n\r\nab"), PAUSE(30001), SEND("c"),
               STALL}},
    {.id = "drip-1xx",
     .call = &call_get,
     .status = OSB_E_TIMEOUT,
     .elapsed_ms = 30000,
     .steps = {REQUEST, SEND("HTTP/1.1 100 Continue\r\n\r\n"), PAUSE(5000), LOOP(2, 1000000)}},

    {.id = "create-lost",
     .call = &call_create,
     .status = OSB_E_CLOSED,
     .says = "maybe_applied\nid",
     .asks = POST,
     .steps = {REQUEST, FIN, STALL}},
    {.id = "create-lost",
     .call = &call_create,
     .status = OSB_E_CLOSED,
     .says = "maybe_applied\nid",
     .asks = POST,
     .kept = true,
     .steps = {REQUEST, RST}},
    {.id = "create-lost",
     .call = &call_create,
     .status = OSB_E_CLOSED,
     .says = "maybe_applied\nid\nhttp_status 202",
     .asks = POST,
     .steps = {REQUEST, SEND(HALF_MADE), FIN}},
    {.id = "create-lost",
     .call = &call_create,
     .status = OSB_E_CLOSED,
     .says = "maybe_applied\nid\nhttp_status 202",
     .asks = POST,
     .steps = {REQUEST, SEND(HALF_MADE), RST}},
    CREATE("create-5xx", OSB_E_NOT_READY, "cause OSB_E_API\nhttp_status 500\nmessage oops", KILL,
           state_500),
    CREATE("create-once", OSB_OK, "id made\nexecd 127.0.0.1:/execd", "!" KILL, state_500_once),
    CREATE("create-once", OSB_OK, "id made\nexecd 127.0.0.1:/execd", "!" KILL, state_fin_once),
    CREATE("create-once", OSB_OK, "id made\nexecd 127.0.0.1:/execd", "!" KILL, endpoint_500_once),
    CREATE("create-once", OSB_OK, "id made\nexecd 127.0.0.1:/execd", "!" KILL, endpoint_404_once),
    CREATE("create-once", OSB_OK, "id made\nexecd 127.0.0.1:/execd", "!" KILL, endpoint_rst_once),
    CREATE("create-once", OSB_OK, "id made\nexecd 127.0.0.1:/execd", "!" KILL, ping_502_once),
    CREATE("create-once", OSB_OK, "id made\nexecd 127.0.0.1:/execd", "!" KILL, ping_fin_once),
    CREATE("create-once", OSB_OK, "id made\nexecd 127.0.0.1:/execd", "!" KILL, ping_garbage_once),
    CREATE("create-401", OSB_E_AUTH, "code C\nmessage who?\nhttp_status 401", KILL, state_401),
    CREATE("create-failed", OSB_E_STATE, "code Failed\nmessage because", KILL, state_failed),
    CREATE("create-failed", OSB_E_STATE, "code Terminated\nmessage because", KILL,
           state_terminated),
    CREATE("create-kill-fails", OSB_E_STATE, "code Failed\nmessage because", KILL, kill_500),
    CREATE("create-kill-fails", OSB_E_STATE, "code Failed\nmessage because", KILL, kill_fin),
    CREATE("create-kill-fails", OSB_E_STATE, "code Failed\nmessage because", KILL, kill_stall),
    CREATE("create-no-ping", OSB_E_NOT_READY, "cause OSB_E_API\nhttp_status 502", KILL, ping_502),
    CREATE("create-no-ping", OSB_E_NOT_READY, "cause OSB_E_TIMEOUT", KILL, ping_stall),
    CREATE("create-no-ping", OSB_E_NOT_READY, "cause OSB_E_CONNECT\nport 111 Connection refused",
           KILL, ping_refused),
};

/* The same rows once more on a clock that wraps while they are played. */
static void test_slow_while_the_clock_wraps(void **state)
{
    uint32_t no_clock = 0;
    server s;
    size_t i;
    bool good = true;
    (void)state;
    shown = 0;
    server_open(&s, &no_clock);
    first_clock_ms = CLOCK_THAT_WRAPS_MS;
    for (i = 0; i < sizeof slow / sizeof slow[0]; i++) {
        bool survived = play_fault(&s, &slow[i]);
        count_result("clock-wrap", survived, 0, 0);
        good = survived && good;
    }
    first_clock_ms = CLOCK_MS;
    server_close(&s);
    assert_true(good);
}

#define TEST(function, name, state)                                                                \
    {                                                                                              \
        name, function, NULL, NULL, state                                                          \
    }

int main(int count, char **arguments)
{
    static group groups[MOST_GROUPS];
    static struct CMUnitTest tests[MOST_GROUPS];
    static const struct CMUnitTest single[] = {
        TEST(test_refused, "refused", NULL),
        TEST(test_connect_stall, "connect-stall", NULL),
        TEST(test_needed_is_enough, "needed is enough", NULL),
        TEST(test_slow_while_the_clock_wraps, "clock-wrap", NULL),
    };
    size_t used = 0, i;
    int failed;
    (void)count;
    begin_program(arguments[0]);
    for (i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        tests[used].name = answers[i].call->name;
        tests[used].test_func = test_every_offset;
        tests[used++].initial_state = (void *)(uintptr_t)&answers[i];
    }
    used = add_groups(slow, sizeof slow / sizeof slow[0], groups, tests, used);
    memcpy(tests + used, single, sizeof single);
    used += sizeof single / sizeof single[0];
    failed = _cmocka_run_group_tests("faults_broken", tests, used, NULL, NULL);
    if (depth != SAMPLE) write_results(arguments[0]);
    return failed;
}
