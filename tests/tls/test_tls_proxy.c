/* TLS over port/osb_proxy.h: the tunnel carries nothing but ciphertext, what is refused on either
   side is told as what it is. */
#include "tls.h"

#include "port/osb_proxy.h"
#include "tests/ports/connect_proxy.h"

static struct server nginx;
static uint16_t nginx_port;

static int start_servers(void **state)
{
    (void)state;
    static const struct nginx_server servers[] = {{"good", NULL}};
    if (nginx.pid == 0) nginx = start_nginx(servers, 1, &nginx_port);
    return 0;
}

static void stop_servers(void)
{
    stop_server(&nginx);
}

/* ---- a proxy in a process of its own ---------------------------------------------------------*/

enum { CLEAN = 0, SAW_PLAIN_TEXT = 9 };

/* Whether what goes to the server could be read here. */
static bool reads_anything(const connect_proxy *p)
{
    return p->open && p->to_target.size > 4 &&
           (memmem(p->to_target.data, p->to_target.size, "GET ", 4) != NULL ||
            memmem(p->to_target.data, p->to_target.size, "HTTP/1.1", 8) != NULL);
}

static void serve(connect_proxy *p)
{
    for (;;) {
        if (!connect_proxy_step(p)) sleep_ms(1);
        if (reads_anything(p)) _exit(SAW_PLAIN_TEXT);
        if (p->head.size > 0 && strstr(p->head.data, "CONNECT end.example") != NULL) _exit(CLEAN);
    }
}

struct way {
    struct client *c;
    osb_proxy proxy;
    connect_proxy server;
    pid_t pid;
};

/* A client behind a proxy that behaves as w->server says. */
static void open_way(struct way *w)
{
    osb_proxy_options to;
    osb_port inner;
    memset(&to, 0, sizeof to);
    w->pid = fork_for_me();
    if (w->pid == 0) serve(&w->server);
    w->c = new_client();
    open_client(w->c); /* then all of it again, with the proxy between */
    osb_mbedtls_free(&w->c->tls);
    inner.ops = &w->c->ops;
    inner.ctx = w->c;
    to.host = "proxy.example.com";
    to.port = w->server.port;
    to.username = "user";
    to.password = "pass";
    w->c->config.port =
        osb_mbedtls_port(&w->c->tls, osb_proxy_port(&w->proxy, inner, &to), &w->c->options);
    assert_int_equal(osb_client_init(&w->c->client, &w->c->config), OSB_OK);
}

/* Ends the proxy, which says what it has seen. */
static void close_way(struct way *w)
{
    int status = 0;
    hang_up(w->c);
    assert_int_equal(fetch_by(w->c, false, "end.example", 1, "/"), OSB_E_CONNECT);
    assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CLEAN);
    free_client(w->c);
    connect_proxy_close(&w->server);
}

static void begin_way(struct way *w)
{
    memset(w, 0, sizeof *w);
    connect_proxy_open(&w->server);
    w->server.login = "Basic dXNlcjpwYXNz\r\n";
}

/* ---- tests -----------------------------------------------------------------------------------*/

static void expect_document(struct way *w)
{
    EXPECT_OK(w->c, fetch(w->c, "api.example.com", nginx_port, "/"));
    assert_int_equal(w->c->http_status, 200);
    EXPECT_TEXT(w->c->body.data, "name=api.example.com");
}

/* The server sees the name that was asked for, though only the proxy has resolved it. */
static void test_https(void **state)
{
    int bytes;
    (void)state;
    for (bytes = 0; bytes < (hasty ? 1 : 2); bytes++) {
        struct way w;
        begin_way(&w);
        w.server.bytes = bytes == 1;
        open_way(&w);
        expect_document(&w);
        expect_document(&w);
        hang_up(w.c);
        expect_document(&w);
        close_way(&w);
    }
}

/* The stream to the client cut in the proxy's answer, at its end, and in the handshake. */
static void test_splits(void **state)
{
    size_t step = thorough ? 1 : 13, at;
    (void)state;
    for (at = 1; at < (hasty ? 14u : 160u); at += step) {
        struct way w;
        begin_way(&w);
        w.server.cut_at = at;
        open_way(&w);
        expect_document(&w);
        close_way(&w);
    }
}

/* A proxy cannot pass itself, or another server, off as the one that was asked for. */
static void test_wrong_name(void **state)
{
    struct way w;
    (void)state;
    begin_way(&w);
    open_way(&w);
    EXPECT_REFUSAL(w.c, fetch(w.c, "other.example.com", nginx_port, "/"),
                   "name does not match other.example.com");
    expect_document(&w);
    close_way(&w);
}

static void test_refused_by_the_proxy(void **state)
{
    struct way w;
    (void)state;
    begin_way(&w);
    w.server.refusal = "HTTP/1.1 403 Forbidden\r\n\r\n";
    open_way(&w);
    EXPECT_REFUSAL(w.c, fetch(w.c, "api.example.com", nginx_port, "/"),
                   ": forbids this host or port: HTTP 403");
    EXPECT_TEXT(port_text(w.c), "proxy proxy.example.com:");
    assert_int_equal(osb_last_error(&w.c->client)->port_code, 403);
    close_way(&w);
}

/* Each byte of the handshake comes on its own, and every other call says "try later". */
static void test_hesitant(void **state)
{
    struct way w;
    (void)state;
    begin_way(&w);
    open_way(&w);
    w.c->later = true;
    w.c->limit = 7;
    expect_document(&w);
    close_way(&w);
}

static const struct CMUnitTest tests[] = {
    TLS_TEST(test_https),      TLS_TEST(test_splits),
    TLS_TEST(test_wrong_name), TLS_TEST(test_refused_by_the_proxy),
    TLS_TEST(test_hesitant),
};
RUN_IN_BOTH_MODES(tests, start_servers, stop_servers)
