/* port/osb_proxy.h over a scripted port: what it asks, hears, refuses, and lets through. */
#include "tests/support/unit.h"
#include "port/osb_proxy.h"

#define ASK(authority) "CONNECT " authority " HTTP/1.1\r\nHost: " authority
#define ASK_API ASK("api.example:8080") "\r\n\r\n"
#define ASK_API_LOGIN ASK("api.example:8080") "\r\nProxy-Authorization: Basic dTpwOnc=\r\n\r\n"
#define STANDS "HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"

static const osb_proxy_options plain = {"proxy.example", NULL, NULL, NULL, 8888, false};

/* A client behind a proxy on a scripted port. */
typedef struct way {
    bench b;
    osb_proxy proxy;
} way;

static void way_begin(way *w, const osb_proxy_options *options)
{
    osb_port under;
    memset(&w->proxy, 0xa5, sizeof w->proxy);
    bench_begin(&w->b, 1024);
    under = w->b.config.port;
    w->b.config.port = osb_proxy_port(&w->proxy, under, options);
    bench_again(&w->b);
}

static void way_asks(way *w, const char *request, const char *answer)
{
    script_connect(&w->b.port, "proxy.example", 8888);
    script_expect(&w->b.port, request);
    if (answer != NULL) script_reply(&w->b.port, answer);
}

static osb_status health(way *w)
{
    return bench_finish(&w->b, osb_server_health(&w->b.client));
}

static void expect_text(way *w, const char *text, int32_t code)
{
    const osb_error *error = osb_last_error(&w->b.client);
    assert_non_null(error->port_text);
    assert_string_equal(error->port_text, text);
    assert_int_equal(error->port_code, code);
}

/* ---- the tunnel ------------------------------------------------------------------------------*/

/* How the bytes go, in one run. */
typedef struct manner {
    script_cut cut;
    size_t cut_at, later_at, send_limit;
    bool later_always, poll_mode;
} manner;

/* Two calls through one tunnel, then one through another; returns how many bytes were received, and
   how many I/O calls that took. */
static size_t play(const manner *m, size_t *calls)
{
    osb_sandbox_info info;
    size_t received;
    way w;
    way_begin(&w, &plain);
    w.b.config.poll_mode = m->poll_mode;
    bench_again(&w.b);
    way_asks(&w, ASK_API, STANDS);
    bench_answer(&w.b, "{\"id\":\"7f\",\"status\":{\"state\":\"Running\"}}");
    bench_answer(&w.b, "");
    way_asks(&w, ASK("execd.example:44772") "\r\n\r\n", "HTTP/1.0 200\r\n\r\n");
    bench_answer(&w.b, "");
    w.b.port.cut = m->cut;
    w.b.port.cut_at = m->cut_at;
    w.b.port.later_at = m->later_at;
    w.b.port.later_always = m->later_always;
    w.b.port.send_limit = m->send_limit;
    assert_int_equal(bench_finish(&w.b, osb_lifecycle_get(&w.b.client, "7f", NULL, &info)), OSB_OK);
    assert_true(osb_str_equal(info.id, "7f"));
    assert_int_equal(health(&w), OSB_OK);
    assert_int_equal(bench_finish(&w.b, osb_ping(&w.b.box)), OSB_OK);
    assert_int_equal(w.b.port.connects, 2);
    received = w.b.port.received;
    *calls = w.b.port.calls;
    bench_end(&w.b);
    return received;
}

static void test_every_manner(void **state)
{
    static const size_t limits[] = {0, 1, 7};
    size_t calls, unused, size, i, n;
    (void)state;
    for (i = 0; i < 6; i++) {
        manner m = {CUT_WHOLE, 0, SCRIPT_NEVER, 0, false, false};
        m.poll_mode = i % 2 == 1;
        m.send_limit = limits[i / 2];
        size = play(&m, &calls);
        assert_true(size > 200);
        for (n = 0; n < calls; n++) {
            m.later_at = n;
            play(&m, &unused);
        }
        m.later_at = SCRIPT_NEVER;
        m.cut = CUT_AT;
        for (m.cut_at = 1; m.cut_at < size; m.cut_at++) play(&m, &unused);
        m.cut = CUT_BYTES;
        play(&m, &unused);
        m.later_always = true;
        play(&m, &unused);
    }
}

/* Calls the port itself until it does not say "try later". */
static int reach(way *w, const char *host, uint16_t port)
{
    const osb_port *p = &w->b.config.port;
    int io;
    do io = p->ops->connect(p->ctx, host, port, false);
    while (io == OSB_IO_WANT_READ || io == OSB_IO_WANT_WRITE || io == OSB_IO_AGAIN);
    return io;
}

/* A server that speaks first: not a byte of it is lost, wherever the stream is cut. */
static void test_bytes_behind_the_head(void **state)
{
    static const char reply[] = STANDS "220 hello\r\n";
    size_t cut;
    (void)state;
    for (cut = 1; cut < sizeof reply - 1; cut++) {
        char heard[32] = "";
        size_t size = 0;
        way w;
        way_begin(&w, &plain);
        way_asks(&w, ASK("mail.example:25") "\r\n\r\n", reply);
        w.b.port.cut = CUT_AT;
        w.b.port.cut_at = cut;
        assert_int_equal(reach(&w, "mail.example", 25), 0);
        while (size < 11) {
            int io = w.proxy.ops.recv(&w.proxy, heard + size, sizeof heard - 1 - size);
            assert_true(io > 0);
            size += (size_t)io;
        }
        assert_string_equal(heard, "220 hello\r\n");
        assert_int_equal(w.proxy.ops.recv(&w.proxy, heard, 1), OSB_IO_WANT_READ);
        bench_end(&w.b);
    }
}

static void test_interim_answers(void **state)
{
    way w;
    (void)state;
    way_begin(&w, &plain);
    way_asks(&w, ASK_API, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\nA: b\n\n" STANDS);
    bench_answer(&w.b, "");
    assert_int_equal(health(&w), OSB_OK);
    bench_end(&w.b);
}

/* All of 2xx is a yes; the head's size counts for each connection anew; a connect without a close
   before it begins from the beginning. */
static void test_each_connect_anew(void **state)
{
    static const char *const statuses[] = {"200", "204", "250", "299"};
    static char heads[4][9000];
    size_t i;
    way w;
    (void)state;
    way_begin(&w, &plain);
    for (i = 0; i < 4; i++) {
        memset(heads[i], 'x', sizeof heads[i]);
        memcpy(heads[i], "HTTP/1.1 ", 9);
        memcpy(heads[i] + 9, statuses[i], 3);
        heads[i][12] = ' ';
        memcpy(heads[i] + sizeof heads[i] - 4, "\r\n\r\n", 4);
        way_asks(&w, ASK("h:80") "\r\n\r\n", NULL);
        script_add(&w.b.port, SCRIPT_REPLY, heads[i], sizeof heads[i], 1);
    }
    for (i = 0; i < 4; i++) assert_int_equal(reach(&w, "h", 80), 0);
    assert_int_equal(w.b.port.connects, 4);
    bench_end(&w.b);
}

/* A length in the answer to CONNECT has no meaning: what follows is the tunnel's. */
static void test_a_length_is_ignored(void **state)
{
    way w;
    (void)state;
    way_begin(&w, &plain);
    way_asks(&w, ASK_API,
             "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");
    bench_answer(&w.b, "");
    assert_int_equal(health(&w), OSB_OK);
    bench_end(&w.b);
}

static void test_ipv6(void **state)
{
    osb_proxy_options options = plain;
    way w;
    (void)state;
    options.host = "2001:db8::5";
    way_begin(&w, &options);
    w.b.config.domain = "[2001:db8::1]:8080";
    bench_again(&w.b);
    script_connect(&w.b.port, "2001:db8::5", 8888);
    script_expect(&w.b.port, ASK("[2001:db8::1]:8080") "\r\n\r\n");
    script_reply(&w.b.port, "HTTP/1.1 502 Bad Gateway\r\n\r\n");
    assert_int_equal(health(&w), OSB_E_CONNECT);
    expect_text(&w, "proxy [2001:db8::5]:8888: cannot reach the host: HTTP 502", 502);
    bench_end(&w.b);
}

static void test_ports(void **state)
{
    static const uint16_t ports[] = {1, 9, 10, 443, 8080, 10000, 65535};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        char request[128];
        way w;
        way_begin(&w, &plain);
        snprintf(request, sizeof request, "CONNECT h:%u HTTP/1.1\r\nHost: h:%u\r\n\r\n", ports[i],
                 ports[i]);
        way_asks(&w, request, STANDS);
        assert_int_equal(reach(&w, "h", ports[i]), 0);
        bench_end(&w.b);
    }
}

static void test_default_port(void **state)
{
    osb_proxy_options options = {"proxy.example", NULL, NULL, NULL, 0, false};
    way w;
    (void)state;
    way_begin(&w, &options);
    script_connect(&w.b.port, "proxy.example", 3128);
    script_expect(&w.b.port, ASK_API);
    script_reply(&w.b.port, STANDS);
    bench_answer(&w.b, "");
    assert_int_equal(health(&w), OSB_OK);
    bench_end(&w.b);
}

static void test_tls_to_the_proxy(void **state)
{
    osb_proxy_options options = plain;
    way w;
    (void)state;
    options.https = true;
    way_begin(&w, &options);
    way_asks(&w, ASK_API, STANDS);
    w.b.port.steps[0].tls = true;
    bench_answer(&w.b, "");
    assert_int_equal(health(&w), OSB_OK);
    bench_end(&w.b);
}

/* https needs TLS on top of the tunnel: never sent in the clear. */
static void test_https_without_tls_on_top(void **state)
{
    way w;
    (void)state;
    way_begin(&w, &plain);
    w.b.config.https = true;
    bench_again(&w.b);
    assert_int_equal(health(&w), OSB_E_NO_TLS);
    bench_end(&w.b);
}

/* ---- login -----------------------------------------------------------------------------------*/

static void test_login(void **state)
{
    static const char *const logins[][3] = {
        {"Aladdin", "open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
        {"a", NULL, "YTo="},
        {"", "", "Og=="},
        {"ab", "", "YWI6"},
        {"u", "p:w", "dTpwOnc="},
        {"\xc3\xa4", "\xff\xfe>?", "w6Q6//4+Pw=="},
    };
    size_t i, limit;
    (void)state;
    for (i = 0; i < sizeof logins / sizeof logins[0]; i++) {
        for (limit = 0; limit < 9; limit++) {
            osb_proxy_options options = plain;
            char request[256];
            way w;
            options.username = logins[i][0];
            options.password = logins[i][1];
            way_begin(&w, &options);
            snprintf(request, sizeof request, "%s\r\nProxy-Authorization: Basic %s\r\n\r\n",
                     ASK("api.example:8080"), logins[i][2]);
            way_asks(&w, request, STANDS);
            bench_answer(&w.b, "");
            w.b.port.send_limit = limit;
            assert_int_equal(health(&w), OSB_OK);
            bench_end(&w.b);
        }
    }
}

/* The login goes to the proxy only, not through the tunnel; the API key the other way round. */
static void test_who_gets_which_secret(void **state)
{
    osb_proxy_options options = plain;
    const char *key, *login, *tunnel;
    way w;
    (void)state;
    options.username = "u";
    options.password = "p:w";
    way_begin(&w, &options);
    way_asks(&w, ASK_API_LOGIN, STANDS);
    bench_answer(&w.b, "");
    assert_int_equal(bench_finish(&w.b, osb_lifecycle_kill(&w.b.client, "7f")), OSB_OK);
    tunnel = strstr(w.b.port.log.data, "\r\n\r\n");
    key = strstr(w.b.port.log.data, "the-key");
    login = strstr(w.b.port.log.data, "dTpwOnc=");
    assert_true(key > tunnel);
    assert_true(login < tunnel);
    assert_null(strstr(tunnel, "dTpwOnc="));
    bench_end(&w.b);
}

/* ---- what goes wrong -------------------------------------------------------------------------*/

static void test_refusals(void **state)
{
    static const struct {
        uint16_t status;
        const char *text;
    } refusals[] = {
        {400, "does not understand CONNECT: HTTP 400"},
        {401, "forbids this host or port: HTTP 401"},
        {403, "forbids this host or port: HTTP 403"},
        {404, "does not know this host: HTTP 404"},
        {405, "does not do CONNECT: HTTP 405"},
        {501, "does not do CONNECT: HTTP 501"},
        {407, "wants a login: HTTP 407"},
        {429, "has too much to do: HTTP 429"},
        {502, "cannot reach the host: HTTP 502"},
        {503, "has too much to do: HTTP 503"},
        {504, "gets no answer from the host: HTTP 504"},
        {302, "refuses: HTTP 302"},
        {101, "refuses: HTTP 101"},
        {999, "refuses: HTTP 999"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        char answer[128], text[160];
        way w;
        way_begin(&w, &plain);
        snprintf(answer, sizeof answer, "HTTP/1.1 %u No\r\nContent-Length: 2\r\n\r\nno",
                 refusals[i].status);
        way_asks(&w, ASK_API, answer);
        way_asks(&w, ASK_API, STANDS);
        bench_answer(&w.b, "");
        assert_int_equal(health(&w), OSB_E_CONNECT);
        snprintf(text, sizeof text, "proxy proxy.example:8888: %s", refusals[i].text);
        expect_text(&w, text, refusals[i].status);
        assert_int_equal(osb_last_error(&w.b.client)->http_status, 0);
        assert_int_equal(health(&w), OSB_OK);
        assert_null(osb_last_error(&w.b.client)->port_text);
        bench_end(&w.b);
    }
}

static void test_refused_login(void **state)
{
    osb_proxy_options options = plain;
    way w;
    (void)state;
    options.username = "u";
    options.password = "p:w";
    way_begin(&w, &options);
    way_asks(&w, ASK_API_LOGIN, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    assert_int_equal(health(&w), OSB_E_CONNECT);
    expect_text(&w, "proxy proxy.example:8888: refuses this login: HTTP 407", 407);
    bench_end(&w.b);
}

static void test_no_http(void **state)
{
    static const char *const answers[] = {
        "SSH-2.0-x\r\n",
        "HTTP/2 200\r\n",
        "HTTP/1.x 200 OK\r\n",
        "HTTP/1.1  200 OK\r\n",
        "HTTP/1.1 20 OK\r\n",
        "HTTP/1.1 20\r\n",
        "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1 200-OK\r\n",
        "\r\nHTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 O\rK\r\n",
        "HTTP/1.1 200 OK\r\r\n\n",
        "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
        "\n",
        "HTTP/1.1 2:0 OK\r\n",
        "HTTP/1.1 /00 OK\r\n",
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        way w;
        way_begin(&w, &plain);
        way_asks(&w, ASK_API, answers[i]);
        assert_int_equal(health(&w), OSB_E_CONNECT);
        expect_text(&w, "proxy proxy.example:8888: does not speak HTTP/1.1", 0);
        bench_end(&w.b);
    }
}

/* 16 KB of head are enough for every proxy, and more are no proxy's. */
static void test_endless_head(void **state)
{
    static char head[16384 + 1];
    size_t fits, size;
    (void)state;
    for (fits = 0; fits < 2; fits++) {
        way w;
        size = sizeof head - fits;
        memset(head, 'x', size);
        memcpy(head, "HTTP/1.1 200 ", 13);
        memcpy(head + size - 4, "\r\n\r\n", 4);
        way_begin(&w, &plain);
        way_asks(&w, ASK_API, NULL);
        script_add(&w.b.port, SCRIPT_REPLY, head, size, 1);
        if (fits) bench_answer(&w.b, "");
        assert_int_equal(health(&w), fits ? OSB_OK : OSB_E_CONNECT);
        if (!fits)
            expect_text(&w, "proxy proxy.example:8888: answer's head is larger than 16 KB", 0);
        bench_end(&w.b);
    }
}

/* The connection ends at each byte of the proxy's answer. */
static void test_cut_answers(void **state)
{
    size_t size;
    int reset;
    (void)state;
    for (reset = 0; reset < 2; reset++) {
        for (size = 0; size < sizeof STANDS - 1; size++) {
            way w;
            way_begin(&w, &plain);
            way_asks(&w, ASK_API, NULL);
            if (size > 0) script_add(&w.b.port, SCRIPT_REPLY, STANDS, size, 1);
            if (reset) script_reset(&w.b.port);
            else script_close(&w.b.port);
            assert_int_equal(health(&w), OSB_E_CONNECT);
            if (reset) expect_text(&w, "proxy proxy.example:8888: scripted failure", 42);
            else
                expect_text(
                    &w, "proxy proxy.example:8888: closed the connection before it answered", 0);
            bench_end(&w.b);
        }
    }
}

static void test_no_proxy_there(void **state)
{
    way w;
    (void)state;
    way_begin(&w, &plain);
    script_add(&w.b.port, SCRIPT_REFUSE, "proxy.example", 13, 8888);
    assert_int_equal(health(&w), OSB_E_CONNECT);
    expect_text(&w, "proxy proxy.example:8888: scripted failure", 42);
    bench_end(&w.b);
}

static void test_proxy_leaves_while_asked(void **state)
{
    way w;
    (void)state;
    way_begin(&w, &plain);
    way_asks(&w, "CONNECT ", NULL);
    script_reset(&w.b.port);
    assert_int_equal(health(&w), OSB_E_CONNECT);
    expect_text(&w, "proxy proxy.example:8888: scripted failure", 42);
    bench_end(&w.b);
}

/* Behind the handshake an error is the port's below, as it is. */
static void test_tunnel_breaks(void **state)
{
    way w;
    (void)state;
    way_begin(&w, &plain);
    way_asks(&w, ASK_API, STANDS);
    script_request(&w.b.port);
    script_reset(&w.b.port);
    assert_int_equal(health(&w), OSB_E_CLOSED);
    expect_text(&w, "scripted failure", 42);
    bench_end(&w.b);
}

static void test_silent_proxy(void **state)
{
    way w;
    (void)state;
    way_begin(&w, &plain);
    w.b.config.connect_timeout_ms = 700;
    bench_again(&w.b);
    way_asks(&w, ASK_API, "HTTP/1.1 2");
    script_pause(&w.b.port, 100000);
    way_asks(&w, ASK_API, STANDS);
    bench_answer(&w.b, "");
    assert_int_equal(health(&w), OSB_E_TIMEOUT);
    assert_int_equal(health(&w), OSB_OK);
    bench_end(&w.b);
}

/* ---- options ---------------------------------------------------------------------------------*/

static void test_bad_options(void **state)
{
    static const struct {
        osb_proxy_options options;
        const char *text;
    } bad[] = {
        {{NULL, NULL, NULL, NULL, 1, false}, "proxy :1: osb_proxy_options.host is no host name"},
        {{"", NULL, NULL, NULL, 1, false}, "proxy :1: osb_proxy_options.host is no host name"},
        {{"a b", NULL, NULL, NULL, 1, false},
         "proxy a b:1: osb_proxy_options.host is no host name"},
        {{"a", "u:v", NULL, NULL, 1, false}, "proxy a:1: osb_proxy_options.username has a ':'"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        way w;
        way_begin(&w, &bad[i].options);
        assert_int_equal(health(&w), OSB_E_CONNECT);
        expect_text(&w, bad[i].text, 0);
        bench_end(&w.b);
    }
}

static void test_bad_hosts(void **state)
{
    static const char *const hosts[] = {"", "a\r\nX: y", "a b", "a\x7f", "\n"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        int32_t code = 1;
        way w;
        way_begin(&w, &plain);
        assert_int_equal(reach(&w, hosts[i], 80), OSB_IO_FAILED);
        assert_string_equal(w.proxy.ops.error(&w.proxy, &code),
                            "proxy proxy.example:8888: no valid host name to ask for");
        assert_int_equal(code, 0);
        bench_end(&w.b);
    }
}

/* A port below that has the least that a port may have. */
static void test_least_port_below(void **state)
{
    osb_port_ops least;
    osb_port under;
    osb_proxy_options options = plain;
    bench b;
    osb_proxy proxy;
    int32_t code = 1;
    (void)state;
    bench_begin(&b, 1024);
    under = b.config.port;
    least = *under.ops;
    least.wait = NULL;
    least.error = NULL;
    least.random = NULL;
    least.unix_time = NULL;
    least.tls = false;
    under.ops = &least;
    options.https = true;
    b.config.port = osb_proxy_port(&proxy, under, &options);
    assert_null(proxy.ops.wait);
    assert_null(proxy.ops.random);
    assert_null(proxy.ops.unix_time);
    bench_again(&b);
    assert_int_equal(bench_finish(&b, osb_server_health(&b.client)), OSB_E_CONNECT);
    assert_string_equal(
        osb_last_error(&b.client)->port_text,
        "proxy proxy.example:8888: osb_proxy_options.https needs a port with TLS below");
    assert_int_equal(proxy.code, 0);
    proxy.options.https = false;
    script_add(&b.port, SCRIPT_REFUSE, "proxy.example", 13, 8888);
    assert_int_equal(bench_finish(&b, osb_server_health(&b.client)), OSB_E_CONNECT);
    assert_string_equal(osb_last_error(&b.client)->port_text,
                        "proxy proxy.example:8888: cannot connect");
    script_connect(&b.port, "proxy.example", 8888);
    script_expect(&b.port, ASK_API);
    script_reply(&b.port, STANDS);
    script_request(&b.port);
    script_reset(&b.port);
    assert_int_equal(bench_finish(&b, osb_server_health(&b.client)), OSB_E_CLOSED);
    assert_null(proxy.ops.error(&proxy, &code));
    assert_int_equal(code, 0);
    bench_end(&b);
}

static void test_no_proxy(void **state)
{
    static const struct {
        const char *list, *host;
        bool direct;
    } cases[] = {
        {"*", "api.example", true},
        {"api.example", "api.example", true},
        {"API.Example", "aPI.example", true},
        {"example", "api.example", true},
        {".example", "api.example", true},
        {".api.example", "api.example", true},
        {"other, ,api.example", "api.example", true},
        {"other,example ", "api.example", true},
        {"127.0.0.1", "127.0.0.1", true},
        {"::1", "::1", true},
        {"example", "api.example.", true},
        {"api.example.,x", "api.example", true},
        {".example.", "API.example.", true},
        {"pi.example", "api.example", false},
        {"pi.example", "api.example.", false},
        {"..", "api.example.", false},
        {"x.api.example", "api.example", false},
        {"api.exampl", "api.example", false},
        {".", "api.example", false},
        {"", "api.example", false},
        {"a*", "api.example", false},
        {"api.example.com", "api.example", false},
        {"api[example", "api{example", false},
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        osb_proxy_options options = plain;
        way w;
        options.no_proxy = cases[i].list;
        way_begin(&w, &options);
        if (cases[i].direct) {
            script_connect(&w.b.port, cases[i].host, 80);
        } else {
            script_connect(&w.b.port, "proxy.example", 8888);
            script_request(&w.b.port);
            script_reply(&w.b.port, STANDS);
        }
        w.b.port.later_always = true;
        assert_int_equal(reach(&w, cases[i].host, 80), 0);
        bench_end(&w.b);
    }
}

/* A failed direct connection is told without the proxy's name, even after a refusal. */
static void test_direct_failure(void **state)
{
    osb_proxy_options options = plain;
    way w;
    (void)state;
    options.no_proxy = "execd.example";
    way_begin(&w, &options);
    way_asks(&w, ASK_API, "HTTP/1.1 403 No\r\n\r\n");
    script_add(&w.b.port, SCRIPT_REFUSE, "execd.example", 13, 44772);
    assert_int_equal(health(&w), OSB_E_CONNECT);
    assert_int_equal(bench_finish(&w.b, osb_ping(&w.b.box)), OSB_E_CONNECT);
    expect_text(&w, "scripted failure", 42);
    bench_end(&w.b);
}

static void test_platform_clock(void **state)
{
    way w;
    (void)state;
    way_begin(&w, &plain);
    w.b.port.unix_time = 1700000000u;
    assert_int_equal(w.proxy.ops.unix_time(&w.proxy), 1700000000u);
    bench_end(&w.b);
}

static int sequence(void *ctx, void *data, size_t size)
{
    (void)ctx;
    memset(data, 'r', size);
    return 0;
}

static void test_random_passes(void **state)
{
    osb_port_ops ops;
    osb_port under;
    osb_proxy proxy;
    char bytes[3] = "";
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    under = b.config.port;
    ops = *under.ops;
    ops.random = sequence;
    under.ops = &ops;
    osb_proxy_port(&proxy, under, &plain);
    assert_int_equal(proxy.ops.random(&proxy, bytes, 2), 0);
    assert_string_equal(bytes, "rr");
    bench_end(&b);
}

/* Of a long host the error shows the beginning, and all of what is wrong; a long text from the port
   below is cut. */
static void test_long_texts(void **state)
{
    osb_proxy_options options = plain;
    char host[400], text[512];
    way w;
    (void)state;
    memset(host, 'h', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    options.host = host;
    way_begin(&w, &options);
    script_connect(&w.b.port, host, 8888);
    script_expect(&w.b.port, ASK_API);
    script_reply(&w.b.port, "HTTP/1.1 418 Teapot\r\n\r\n");
    assert_int_equal(health(&w), OSB_E_CONNECT);
    host[64] = '\0';
    snprintf(text, sizeof text, "proxy %s:8888: refuses: HTTP 418", host);
    expect_text(&w, text, 418);
    host[64] = 'h';
    osb__proxy_give_up(&w.proxy, 1, host);
    assert_int_equal(strlen(w.proxy.text), sizeof w.proxy.text - 1);
    bench_end(&w.b);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_manner),
        cmocka_unit_test(test_bytes_behind_the_head),
        cmocka_unit_test(test_interim_answers),
        cmocka_unit_test(test_each_connect_anew),
        cmocka_unit_test(test_a_length_is_ignored),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_default_port),
        cmocka_unit_test(test_tls_to_the_proxy),
        cmocka_unit_test(test_https_without_tls_on_top),
        cmocka_unit_test(test_login),
        cmocka_unit_test(test_who_gets_which_secret),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_refused_login),
        cmocka_unit_test(test_no_http),
        cmocka_unit_test(test_endless_head),
        cmocka_unit_test(test_cut_answers),
        cmocka_unit_test(test_no_proxy_there),
        cmocka_unit_test(test_proxy_leaves_while_asked),
        cmocka_unit_test(test_tunnel_breaks),
        cmocka_unit_test(test_silent_proxy),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_bad_hosts),
        cmocka_unit_test(test_least_port_below),
        cmocka_unit_test(test_no_proxy),
        cmocka_unit_test(test_direct_failure),
        cmocka_unit_test(test_platform_clock),
        cmocka_unit_test(test_random_passes),
        cmocka_unit_test(test_long_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
