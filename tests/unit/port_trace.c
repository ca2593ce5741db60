/* port/osb_trace.h: it shows the dialogue, the same one however the bytes are cut, and no secret. */
#include "tests/support/unit.h"
#include "port/osb_trace.h"

/* ---- a dialogue ------------------------------------------------------------------------------*/

/* A part of what goes one way. A secret's shows as "***". */
typedef struct part {
    char kind; /* P: plain, S: secret, 0: the end */
    const char *text;
} part;

#define REQUEST_HEAD                                                                               \
    {'P', "POST /v1/sandboxes HTTP/1.1\r\nHost: api.example\r\nOPEN-SANDBOX-API-KEY: "},           \
        {'S', "s3cret-api-key"}, {'P', "\r\nX-Other: api-key\r\nx-execd-access-token:"},           \
        {'S', "s3cret-execd"}, {'P', "\r\nOpenSandbox-Egress-Auth:  \t"}, {'S', "s3cret egress"},  \
        {'P', "\r\nOPENSANDBOX-SECURE-ACCESS : "}, {'S', "s3cret:access"},                         \
        {'P', "\r\nAuthorization: "}, {'S', "Bearer s3cret-bearer"}, {'P', "\r\n"},                \
        {'P', "Proxy-Authorization: "}, {'S', "Basic s3cret-basic=="}, {'P', "\r\nCookie: "},      \
        {'S', "a=s3cret-a; b=s3cret-b"}, {'P', "\r\n "}, {'S', "c=s3cret-folded"},                 \
    {                                                                                              \
        'P', "\r\nX-Mine: seen\r\n"                                                                \
    }

static const part request[] = {
    REQUEST_HEAD,
    {'P', "Content-Length: 000\r\n\r\n"}, /* the number is put in */
    {'P', "{\"image\":{\"uri\":\"python:3.12\",\"auth\":{\"username\":\"me\",\"password\":"},
    {'S', "\"s3cret-\\\"quoted\\\\\""},
    {'P', "}},\"volumes\":[{\"ossfs\":{\"bucket\":\"b\",\"accessKeyId\" : "},
    {'S', "\"s3cret-id\""},
    {'P', ",\n\"accessKeySecret\"\n:\n"},
    {'S', "\"s3cret-oss\""},
    {'P',
     "}}],\"credentials\":{\"add\":[{\"name\":\"gh\",\"source\":{\"type\":\"inline\",\"value\":"},
    {'S', "\"s3cret-\\u0022vault\""},
    {'P', "}},{\"name\":\"n\",\"source\":{\"value\": "},
    {'S', "12345678"},
    {'P', "}}]},\"pass\\u0077ord\":"},
    {'S', "\"s3cret-escaped-name\""},
    {'P', ",\"passwords\":\"shown\",\"password\" ,\"a\":\"password\",\"env\":"},
    {'S', "{\"A\":\"s3cret-env\",\"B\":[\"}\",{\"C\":\"s3cret-\\\"}\"}],\"n\":null}"},
    {'P', ",\"list\":[1],\"password\":"},
    {'S', "[\"s3cret-list\"]"},
    {'P', "}"},
    {0, NULL},
};

/* Without its lengths: those are put in. */
static const part answer[] = {
    {'P', "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nSet-Cookie: "},
    {'S', "sid=s3cret-session"},
    {'P', "\r\nContent-Length: 000\r\n\r\n"},
    {'P', "{\"endpoint\":\"execd.example\",\"headers\":{\"X-EXECD-ACCESS-TOKEN\":"},
    {'S', "\"s3cret-token\""},
    {'P', ",\"OPENSANDBOX-EGRESS-AUTH\":"},
    {'S', "\"s3cret-egress\""},
    {'P', "}}"},
    {0, NULL},
};

static void join(const part *parts, bool shown, struct text *out)
{
    for (; parts->kind != 0; parts++) {
        bool mark = shown && parts->kind == 'S';
        text_add(out, mark ? "***" : parts->text, mark ? 3 : strlen(parts->text));
    }
}

/* Writes the body's size into both the dialogue and what is expected of its trace. */
static void put_length(struct text *dialogue, struct text *expected)
{
    char number[24];
    char *body = strstr(strstr(dialogue->data, "Content-Length: 000"), "\r\n\r\n") + 4;
    snprintf(number, sizeof number, "%03u", (unsigned)strlen(body));
    memcpy(strstr(dialogue->data, "Content-Length: 000") + 16, number, 3);
    memcpy(strstr(expected->data, "Content-Length: 000") + 16, number, 3);
}

/* ---- a port that takes and gives what the test says ------------------------------------------*/

typedef struct pipe_port {
    osb_trace trace;
    const char *in; /* what the next receive gives */
    size_t in_size;
    struct text seen; /* the trace: pieces of both directions */
    unsigned marks;
} pipe_port;

static int pipe_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    (void)ctx, (void)host, (void)port, (void)tls;
    return 0;
}

static int pipe_send(void *ctx, const void *data, size_t size)
{
    (void)ctx, (void)data;
    return (int)size;
}

static int pipe_recv(void *ctx, void *data, size_t size)
{
    const pipe_port *p = (const pipe_port *)ctx;
    assert_true(p->in_size <= size);
    memcpy(data, p->in, p->in_size);
    return (int)p->in_size;
}

static void pipe_close(void *ctx)
{
    (void)ctx;
}

static uint32_t pipe_now(void *ctx)
{
    (void)ctx;
    return 7;
}

static void pipe_see(void *user, const osb_trace_event *event)
{
    pipe_port *p = (pipe_port *)user;
    assert_int_equal(event->time_ms, 7);
    if (event->kind != OSB_TRACE_SENT && event->kind != OSB_TRACE_RECEIVED) return;
    assert_true(event->size > 0);
    if (event->hidden) p->marks++;
    if (event->hidden) assert_memory_equal(event->data, "***", 3);
    text_add(&p->seen, event->data, event->size);
}

static void pipe_begin(pipe_port *p)
{
    static const char *const more[] = {"env",
                                       "X-A-Name-That-Is-Longer-Than-What-Is-Compared-Of-It"};
    static const osb_port_ops ops = {pipe_connect, pipe_send, pipe_recv, pipe_close, pipe_now,
                                     NULL,         NULL,      NULL,      NULL,       false};
    osb_trace_options options;
    osb_port under;
    memset(&options, 0, sizeof options);
    memset(p, 0, sizeof *p);
    under.ops = &ops;
    under.ctx = p;
    options.user = p;
    options.on_event = pipe_see;
    options.secrets = more;
    options.secret_count = 2;
    text_clear(&p->seen);
    osb_trace_port(&p->trace, under, &options);
    assert_int_equal(p->trace.ops.connect(&p->trace, "h", 1, false), 0);
}

static void pipe_out(pipe_port *p, const char *data, size_t size)
{
    if (size > 0) assert_int_equal(p->trace.ops.send(&p->trace, data, size), size);
}

static void pipe_in(pipe_port *p, const char *data, size_t size)
{
    static char room[4096];
    if (size == 0) return;
    p->in = data;
    p->in_size = size;
    assert_int_equal(p->trace.ops.recv(&p->trace, room, sizeof room), size);
}

static void pipe_end(pipe_port *p)
{
    p->trace.ops.close(&p->trace);
    text_free(&p->seen);
}

/* The trace is what it should be, and nowhere in it is a secret. */
static void pipe_check(const pipe_port *p, const char *expected)
{
    assert_null(strstr(p->seen.data, "s3cret"));
    assert_null(strstr(p->seen.data, "12345678"));
    assert_string_equal(p->seen.data, expected);
}

typedef void (*transport)(pipe_port *p, const char *data, size_t size);

/* Sends (or receives) it cut at every offset, byte by byte, and in pieces of every size. */
static void split_everywhere(transport way, const struct text *dialogue, const char *expected,
                             unsigned marks)
{
    size_t cut, at;
    for (cut = 0; cut <= dialogue->size; cut++) {
        pipe_port p;
        pipe_begin(&p);
        way(&p, dialogue->data, cut);
        way(&p, dialogue->data + cut, dialogue->size - cut);
        assert_int_equal(p.marks, marks);
        pipe_check(&p, expected);
        pipe_end(&p);
    }
    for (cut = 1; cut < 70; cut++) {
        pipe_port p;
        pipe_begin(&p);
        for (at = 0; at < dialogue->size; at += cut)
            way(&p, dialogue->data + at, dialogue->size - at < cut ? dialogue->size - at : cut);
        assert_int_equal(p.marks, marks);
        pipe_check(&p, expected);
        pipe_end(&p);
    }
}

static unsigned secrets_in(const part *parts)
{
    unsigned count = 0;
    for (; parts->kind != 0; parts++)
        if (parts->kind == 'S') count++;
    return count;
}

/* Two of them one after the other on one connection. */
static void check_dialogue(transport way, const part *parts)
{
    struct text once = {NULL, 0, 0}, dialogue = {NULL, 0, 0}, expected = {NULL, 0, 0};
    struct text shown = {NULL, 0, 0};
    join(parts, false, &once);
    join(parts, true, &shown);
    put_length(&once, &shown);
    text_add(&dialogue, once.data, once.size);
    text_add(&dialogue, once.data, once.size);
    text_add(&expected, shown.data, shown.size);
    text_add(&expected, shown.data, shown.size);
    split_everywhere(way, &dialogue, expected.data, 2 * secrets_in(parts));
    text_free(&once);
    text_free(&shown);
    text_free(&dialogue);
    text_free(&expected);
}

static void test_requests_at_every_split(void **state)
{
    (void)state;
    check_dialogue(pipe_out, request);
}

static void test_answers_at_every_split(void **state)
{
    (void)state;
    check_dialogue(pipe_in, answer);
}

/* A body in chunks of every size: a name or a secret may go on in the next chunk. The secrets are
   the only Qs. */
static void test_chunks(void **state)
{
    static const char body[] =
        "{\"endpoint\":\"execd.example\",\"headers\":{\"X-EXECD-ACCESS-TOKEN\":"
        "\"QQQQQQQQQ\",\"a\":\"b\",\"Authorization\" : \"QQ QQQ\"}}";
    size_t size, at;
    (void)state;
    for (size = 1; size < sizeof body; size++) {
        struct text whole = {NULL, 0, 0};
        pipe_port p;
        text_print(&whole, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (at = 0; at < sizeof body - 1; at += size) {
            size_t n = sizeof body - 1 - at < size ? sizeof body - 1 - at : size;
            text_print(&whole, at == 0 ? "%lX;x=\"y\r\n" : "00%lx\r\n", (unsigned long)n);
            text_add(&whole, body + at, n);
            text_add(&whole, "\r\n", 2);
        }
        text_print(&whole, "0\r\nSet-Cookie: QQQ\r\nA: b\r\n\r\n");
        text_print(&whole, "HTTP/1.1 200 OK\r\nSet-Cookie: QQQQ\r\n\r\n");
        pipe_begin(&p);
        for (at = 0; at < whole.size; at++) pipe_in(&p, whole.data + at, 1);
        assert_null(strchr(p.seen.data, 'Q'));
        assert_non_null(strstr(p.seen.data, "0\r\nSet-Cookie: ***\r\nA: b\r\n\r\nHTTP/1.1 200"));
        assert_true(p.marks >= 4);
        pipe_end(&p);
        text_free(&whole);
    }
}

/* ---- what is shown of this and that ----------------------------------------------------------*/

/* Sends and receives texts in turn; the trace of all of it. */
static void expect_shown(const char *const *texts, const char *expected)
{
    pipe_port p;
    unsigned i;
    pipe_begin(&p);
    for (i = 0; texts[i] != NULL; i++) {
        if (i % 2 == 0) pipe_out(&p, texts[i], strlen(texts[i]));
        else pipe_in(&p, texts[i], strlen(texts[i]));
    }
    pipe_check(&p, expected);
    pipe_end(&p);
}

#define GET "GET / HTTP/1.1\r\n\r\n"
#define OK_COOKIE "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nCookie: "

static void test_answers_without_a_body(void **state)
{
    static const struct {
        const char *request, *answer;
    } cases[] = {
        {GET, "HTTP/1.1 204 No\r\n\r\n"},
        {GET, "HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n"},
        {GET, "HTTP/1.1 103 Hints\r\nContent-Length: 9\r\n\r\n"},
        {"HEAD / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"},
        {"CONNECT h:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"},
        {"CONNECT h:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno"},
        {GET, "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nok"},
        {GET, "\r\n\nHTTP/1.0 200\nContent-Length:2\n\nok"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *texts[5] = {NULL, NULL, GET, OK_COOKIE "s3cret\r\n\r\n", NULL};
        char expected[512];
        texts[0] = cases[i].request;
        texts[1] = cases[i].answer;
        snprintf(expected, sizeof expected, "%s%s" GET OK_COOKIE "***\r\n\r\n", cases[i].request,
                 cases[i].answer);
        expect_shown(texts, expected);
    }
}

/* A body that ends with the connection. */
static void test_endless_body(void **state)
{
    static const char *const texts[] = {
        GET, "HTTP/1.1 200 OK\r\n\r\n{\"value\":\"s3cret\",\"b\":1}\nCookie: shown\n", NULL};
    (void)state;
    expect_shown(texts, GET "HTTP/1.1 200 OK\r\n\r\n{\"value\":***,\"b\":1}\nCookie: shown\n");
}

/* After an upgrade there is no HTTP: what is typed is hidden, what comes is shown as it is. */
static void test_upgraded(void **state)
{
    static const char *const texts[] = {GET, "HTTP/1.1 101 Up\r\n\r\n\x81\x05hello",
                                        "\x81\x85HELLO", "\x88", NULL};
    (void)state;
    expect_shown(texts, GET "HTTP/1.1 101 Up\r\n\r\n\x81\x05hello***\x88");
}

/* What is no HTTP is hidden from there on, as TLS would be. */
static void test_no_http(void **state)
{
    static const char *const sent[] = {"\x16\x03\x01", "get / HTTP/1.1", "GET\x01/", "{}"};
    static const char *const received[] = {"HTTP/2 200\r\n", "HTTP/1.x 200 OK", "HTTP/1.1-200",
                                           "HTTP/1.1 2x0",   "SSH-2.0",         "\x15\x03"};
    static const char *const chunks[] = {"x\r\n", "5\r\nabcdeX", "-1\r\n"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof sent / sizeof sent[0] + sizeof received / sizeof received[0]; i++) {
        bool out = i < sizeof sent / sizeof sent[0];
        const char *text = out ? sent[i] : received[i - sizeof sent / sizeof sent[0]];
        pipe_port p;
        pipe_begin(&p);
        if (out) pipe_out(&p, text, strlen(text));
        else pipe_in(&p, text, strlen(text));
        if (out) pipe_out(&p, "\r\n\r\ns3cret", 10);
        else pipe_in(&p, "\r\n\r\ns3cret", 10);
        assert_int_equal(p.marks, 1);
        assert_null(strstr(p.seen.data, "s3cret"));
        assert_string_equal(p.seen.data + p.seen.size - 3, "***");
        pipe_end(&p);
    }
    for (i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        pipe_port p;
        pipe_begin(&p);
        pipe_in(&p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 47);
        pipe_in(&p, chunks[i], strlen(chunks[i]));
        pipe_in(&p, "\r\ns3cret", 8);
        assert_null(strstr(p.seen.data, "s3cret"));
        pipe_end(&p);
    }
}

/* The next connection begins anew. */
static void test_next_connection(void **state)
{
    pipe_port p;
    (void)state;
    pipe_begin(&p);
    pipe_out(&p, "\x16", 1);
    pipe_in(&p, "HTTP/1.1 200 OK\r\n\r\n{\"password\":\"s3cret", 37);
    p.trace.ops.close(&p.trace);
    assert_int_equal(p.trace.ops.connect(&p.trace, "h", 1, false), 0);
    pipe_out(&p, GET, sizeof GET - 1);
    pipe_in(&p, "HTTP/1.1 200 OK\r\n\r\nshown", 24);
    pipe_check(&p,
               "***HTTP/1.1 200 OK\r\n\r\n{\"password\":***" GET "HTTP/1.1 200 OK\r\n\r\nshown");
    pipe_end(&p);
}

/* Names that are longer than what is compared, or nearly so. */
static void test_long_names(void **state)
{
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\n"
        "X-A-Name-That-Is-Longer-Than-What-Is-Compared-Of-It: s3cret\r\n"
        "X-A-Name-That-Is-Longer-Than-What-Is-Compared-Of: s3cret\r\n"
        "X-A-Name-That-Is-Longer-Than-What-Is-Compared-O: shown\r\n"
        "X-A-Name-That-Is-Longer-Than-What-Is-Compared-oF-Those: s3cret\r\n"
        "X-B-Name-That-Is-Longer-Than-What-Is-Compared-Of-It: shown\r\n"
        "Passwor: shown\r\nPasswordd: shown\r\n\r\n",
        NULL};
    (void)state;
    expect_shown(texts, "GET / HTTP/1.1\r\n"
                        "X-A-Name-That-Is-Longer-Than-What-Is-Compared-Of-It: ***\r\n"
                        "X-A-Name-That-Is-Longer-Than-What-Is-Compared-Of: ***\r\n"
                        "X-A-Name-That-Is-Longer-Than-What-Is-Compared-O: shown\r\n"
                        "X-A-Name-That-Is-Longer-Than-What-Is-Compared-oF-Those: ***\r\n"
                        "X-B-Name-That-Is-Longer-Than-What-Is-Compared-Of-It: shown\r\n"
                        "Passwor: shown\r\nPasswordd: shown\r\n\r\n");
}

/* ---- a client --------------------------------------------------------------------------------*/

typedef struct watched {
    bench b;
    osb_trace trace;
    struct text lines;
    bool new_line;
} watched;

/* One line for each event that is no data; data as it is. */
static void watch(void *user, const osb_trace_event *event)
{
    static const char *const names[] = {"connect", "connected", "sent", "received",
                                        "ended",   "failed",    "close"};
    watched *w = (watched *)user;
    if (event->kind == OSB_TRACE_SENT || event->kind == OSB_TRACE_RECEIVED) {
        text_add(&w->lines, event->data, event->size);
        return;
    }
    text_print(&w->lines, "[%s %.*s %u %d %ld at %lu]\n", names[event->kind], (int)event->size,
               event->size > 0 ? event->data : "", event->port, event->tls, (long)event->code,
               (unsigned long)event->time_ms);
}

static void watched_begin(watched *w)
{
    osb_trace_options options;
    osb_port under;
    memset(&options, 0, sizeof options);
    memset(&w->lines, 0, sizeof w->lines);
    text_clear(&w->lines);
    bench_begin(&w->b, 1024);
    under = w->b.config.port;
    options.user = w;
    options.on_event = watch;
    w->b.config.port = osb_trace_port(&w->trace, under, &options);
    bench_again(&w->b);
}

static void watched_end(watched *w)
{
    bench_end(&w->b);
    text_free(&w->lines);
}

static void test_a_whole_call(void **state)
{
    watched w;
    (void)state;
    watched_begin(&w);
    bench_lifecycle(&w.b);
    bench_answer(&w.b, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_int_equal(osb_lifecycle_kill(&w.b.client, "7f"), OSB_OK);
    w.b.port.now_ms += 5;
    osb_client_close(&w.b.client);
    assert_string_equal(w.lines.data, "[connect api.example 8080 0 0 at 1000]\n"
                                      "[connected  0 0 0 at 1000]\n"
                                      "DELETE /v1/sandboxes/7f HTTP/1.1\r\n"
                                      "Host: api.example:8080\r\n"
                                      "User-Agent: t\r\n"
                                      "OPEN-SANDBOX-API-KEY: ***\r\n"
                                      "Content-Length: 0\r\n"
                                      "\r\n"
                                      "HTTP/1.1 204 No Content\r\n\r\n"
                                      "[close  0 0 0 at 1005]\n");
    watched_end(&w);
}

static void test_failures(void **state)
{
    static const char *const expected[] = {
        "[connect api.example 8080 1 0 at 1000]\n[failed scripted failure 0 0 42 at 1000]\n",
        "[ended  0 0 0 at 1000]\n[close  0 0 0 at 1000]\n",
        "[failed scripted failure 0 0 42 at 1000]\n[close  0 0 0 at 1000]\n",
    };
    int i;
    (void)state;
    for (i = 0; i < 3; i++) {
        watched w;
        watched_begin(&w);
        w.b.config.https = i == 0;
        bench_again(&w.b);
        if (i == 0) {
            script_add(&w.b.port, SCRIPT_REFUSE, "api.example", 11, 8080);
            w.b.port.steps[0].tls = true;
        } else {
            bench_lifecycle(&w.b);
            script_request(&w.b.port);
            script_add(&w.b.port, i == 1 ? SCRIPT_CLOSE : SCRIPT_RESET, "", 0, 0);
        }
        assert_true(osb_server_health(&w.b.client) < 0);
        assert_non_null(strstr(w.lines.data, expected[i]));
        watched_end(&w);
    }
}

/* A connect that takes its time is told once; one that is given up is told to be closed. */
static void test_slow_connect(void **state)
{
    watched w;
    (void)state;
    watched_begin(&w);
    script_add(&w.b.port, SCRIPT_STALL, "api.example", 11, 8080);
    assert_int_equal(osb_server_health(&w.b.client), OSB_E_TIMEOUT);
    assert_string_equal(w.lines.data,
                        "[connect api.example 8080 0 0 at 1000]\n[close  0 0 0 at 11000]\n");
    watched_end(&w);
}

/* Creates and runs with secrets in every place, sent in pieces of every size, with every kind of
   hesitation: the trace is always the same, and none of them is in it. */
static void test_a_client_in_every_manner(void **state)
{
    static const osb_pair header = {"Authorization", "Bearer s3cret-mine"};
    struct text first = {NULL, 0, 0};
    size_t manner;
    (void)state;
    for (manner = 0; manner < 130; manner++) {
        osb_create_options options;
        osb_ossfs_volume store;
        osb_volume volume;
        osb_sandbox box;
        watched w;
        memset(&options, 0, sizeof options);
        memset(&store, 0, sizeof store);
        memset(&volume, 0, sizeof volume);
        store.bucket = "b";
        store.access_key_id = "s3cret-id";
        store.access_key_secret = "s3cret-oss";
        volume.name = "v";
        volume.mount_path = "/m";
        volume.ossfs = &store;
        options.image = "a:1";
        options.image_username = "me";
        options.image_password = "s3cret-password";
        options.volumes = &volume;
        options.volume_count = 1;
        watched_begin(&w);
        w.b.config.headers = &header;
        w.b.config.header_count = 1;
        w.b.config.api_key = "s3cret-key";
        w.b.config.poll_mode = manner % 2 == 1;
        bench_again(&w.b);
        w.b.port.send_limit = manner / 2;
        w.b.port.cut = manner > 64 ? CUT_BYTES : CUT_WHOLE;
        w.b.port.later_always = manner % 3 == 1;
        bench_lifecycle(&w.b);
        bench_answer(&w.b, "{\"id\":\"7f\",\"status\":{\"state\":\"Running\"}}");
        bench_answer(&w.b, "{\"endpoint\":\"execd.example:44772\",\"headers\":"
                           "{\"X-EXECD-ACCESS-TOKEN\":\"s3cret-token\"}}");
        bench_execd(&w.b);
        bench_answer(&w.b, "");
        assert_int_equal(bench_finish(&w.b, osb_sandbox_create(&w.b.client, &options, &box)),
                         OSB_OK);
        assert_non_null(strstr(w.b.port.log.data, "s3cret-oss"));
        assert_non_null(strstr(w.b.port.log.data, "X-EXECD-ACCESS-TOKEN: s3cret-token"));
        assert_null(strstr(w.lines.data, "s3cret"));
        assert_non_null(strstr(w.lines.data, "\"accessKeySecret\":***"));
        assert_non_null(strstr(w.lines.data, "X-EXECD-ACCESS-TOKEN: ***\r\n"));
        if (manner == 0) text_add(&first, w.lines.data, w.lines.size);
        else assert_string_equal(w.lines.data, first.data);
        watched_end(&w);
    }
    text_free(&first);
}

static void test_no_callback(void **state)
{
    watched w;
    (void)state;
    watched_begin(&w);
    w.trace.options.on_event = NULL;
    bench_lifecycle(&w.b);
    bench_answer(&w.b, "");
    assert_int_equal(osb_server_health(&w.b.client), OSB_OK);
    assert_int_equal(w.lines.size, 0);
    watched_end(&w);
}

static int sequence(void *ctx, void *data, size_t size)
{
    (void)ctx;
    memset(data, 'r', size);
    return 0;
}

/* The port has what the port below has, and nothing else. */
static void test_the_port_below(void **state)
{
    osb_trace_options options;
    osb_port_ops ops;
    osb_port under;
    osb_trace trace;
    char bytes[3] = "";
    bench b;
    (void)state;
    memset(&options, 0, sizeof options);
    bench_begin(&b, 1024);
    under = b.config.port;
    ops = *under.ops;
    ops.random = sequence;
    under.ops = &ops;
    b.port.unix_time = 17;
    osb_trace_port(&trace, under, &options);
    assert_true(trace.ops.tls);
    assert_int_equal(trace.ops.unix_time(&trace), 17);
    assert_int_equal(trace.ops.random(&trace, bytes, 2), 0);
    assert_string_equal(bytes, "rr");
    ops.random = NULL;
    ops.unix_time = NULL;
    ops.wait = NULL;
    ops.error = NULL;
    ops.tls = false;
    b.config.port = osb_trace_port(&trace, under, &options);
    assert_false(trace.ops.tls);
    assert_null(trace.ops.random);
    assert_null(trace.ops.unix_time);
    assert_null(trace.ops.wait);
    assert_null(trace.ops.error);
    bench_again(&b);
    script_add(&b.port, SCRIPT_REFUSE, "api.example", 11, 8080);
    assert_int_equal(bench_finish(&b, osb_server_health(&b.client)), OSB_E_CONNECT);
    bench_end(&b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_at_every_split),
        cmocka_unit_test(test_answers_at_every_split),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_answers_without_a_body),
        cmocka_unit_test(test_endless_body),
        cmocka_unit_test(test_upgraded),
        cmocka_unit_test(test_no_http),
        cmocka_unit_test(test_next_connection),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_a_whole_call),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_slow_connect),
        cmocka_unit_test(test_a_client_in_every_manner),
        cmocka_unit_test(test_no_callback),
        cmocka_unit_test(test_the_port_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
