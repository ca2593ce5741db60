/* What may happen to a TLS connection: it is cut at each stage of the handshake and at each record,
   ends without close_notify, comes byte by byte, waits at each call, or fails at each call of the
   inner port. Plain HTTP through the same port too. */
#include "proxy.h"

#define HEADER "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
#define LARGE 100000u

static struct server openssl, plain;
static struct proxy *proxy;

/* s_server sends these files as they are. */
static void write_documents(void)
{
    static const char sized[] = HEADER "Content-Length: 5\r\n\r\nhello";
    static const char until_close[] = HEADER "\r\nhello";
    struct text large = {NULL, 0, 0};
    unsigned i;
    write_file("sized", sized, sizeof sized - 1);
    write_file("until-close", until_close, sizeof until_close - 1);
    text_print(&large, HEADER "Content-Length: %u\r\n\r\n", LARGE);
    for (i = 0; i < LARGE / 10; i++) text_print(&large, "%09u\n", i);
    write_file("large", large.data, large.size);
    text_free(&large);
}

static int start_servers(void **state)
{
    (void)state;
    if (openssl.pid != 0) return 0;
    write_documents();
    openssl = start_openssl("good", "-HTTP", NULL);
    proxy = start_proxy(openssl.port);
    return 0;
}

static void stop_servers(void)
{
    stop_proxy(proxy);
    stop_server(&openssl);
    stop_server(&plain);
}

static void expect_hello(struct client *c, uint16_t port, const char *path, int line)
{
    expect_ok(c, fetch(c, "api.example.com", port, path), line);
    assert_int_equal(c->http_status, 200);
    assert_string_equal(c->body.data, "hello");
}
#define EXPECT_HELLO(c, port, path) expect_hello((c), (port), (path), __LINE__)

static void expect_large(struct client *c, uint16_t port)
{
    size_t i;
    EXPECT_OK(c, fetch(c, "api.example.com", port, "/large"));
    assert_int_equal(c->body.size, LARGE);
    for (i = 0; i < LARGE; i += 10) assert_int_equal(strtoul(c->body.data + i, NULL, 10), i / 10);
}

/* ---- the ordinary course ---------------------------------------------------------------------*/

static void test_documents(void **state)
{
    struct client *c = new_client();
    (void)state;
    open_client(c);
    EXPECT_HELLO(c, openssl.port, "/sized");
    EXPECT_HELLO(c, openssl.port, "/until-close");
    expect_large(c, openssl.port);
    free_client(c);
}

/* In poll mode it waits where there is something to wait for: it does not turn in circles. */
static void test_no_spinning(void **state)
{
    struct client *c = new_client();
    (void)state;
    open_client(c);
    EXPECT_HELLO(c, openssl.port, "/sized");
    if (poll_mode) assert_in_range(c->polls, 10, 60);
    free_client(c);
}

/* Byte by byte, with "try later" at every other call. */
static void test_drops(void **state)
{
    struct client *c = new_client();
    (void)state;
    c->later = true;
    c->limit = 1;
    open_client(c);
    EXPECT_HELLO(c, openssl.port, "/sized");
    if (!hasty) EXPECT_HELLO(c, openssl.port, "/until-close");
    c->limit = 1000;
    expect_large(c, openssl.port);
    free_client(c);
}

/* ---- cuts ------------------------------------------------------------------------------------*/

/* The records of an exchange that is not cut. */
static unsigned learn(struct client *c, const char *path, int direction, unsigned *sizes)
{
    unsigned count, i;
    proxy->record = -1;
    EXPECT_HELLO(c, proxy->server.port, path);
    /* The last record is close_notify; it may come after all that the client wanted. */
    for (i = 0; i < 2000 && proxy->seen[FROM_SERVER].head[0] != 21; i++) sleep_ms(5);
    osb_client_close(&c->client);
    count = proxy->seen[direction].record;
    assert_in_range(count, 3, PROXY_RECORDS - 1);
    for (i = 0; i < count; i++) sizes[i] = proxy->seen[direction].size[i];
    return count;
}

/* Each mode tries its half of the offsets. */
static unsigned first_offset(unsigned size)
{
    if (hasty) return size / 3;
    return poll_mode && !thorough ? 1 : 0;
}

/* The next offset in a record that is tried: all of its head, then a sample, then its end. */
static unsigned next_offset(unsigned offset, unsigned size)
{
    static unsigned turn;
    if (hasty) return size;
    if (thorough) return offset + 1;
    if (offset < 5 || offset + 3 >= size) return offset + 2;
    offset += 2 + turn++ % 97;
    return offset < size - 2 ? offset : size - (poll_mode ? 1u : 2u);
}

/* Whether the proxy came to the place: a signature may be a byte or two shorter this time. */
static bool was_there(struct client *c, osb_status status, unsigned offset, unsigned size)
{
    if (proxy->was_cut) return true;
    if (status != OSB_OK) fail_msg("%s", error_text(c));
    assert_in_range(offset, size - 4, size - 1);
    return false;
}

/* One exchange with a cut. `whole`: the answer is complete nevertheless. */
static void try_cut(const char *path, int direction, unsigned record, unsigned offset,
                    unsigned size, bool whole)
{
    struct client *c = new_client();
    osb_status status;
    open_client(c);
    proxy->direction = direction;
    proxy->record = (int)record;
    proxy->offset = offset;
    proxy->how = (record + offset) % 2 == 0 ? CUT_CLOSE : CUT_RESET;
    /* A reset may overtake what was sent before it. */
    if (whole) proxy->how = CUT_CLOSE;
    status = fetch(c, "api.example.com", proxy->server.port, path);
    if (!whole && !was_there(c, status, offset, size)) whole = true;
    if (whole != (status == OSB_OK))
        fail_msg("%s, cut in direction %d before byte %u of record %u: %s", path, direction, offset,
                 record, status == OSB_OK ? "accepted" : error_text(c));
    if (!whole) {
        if (status != OSB_E_CONNECT && status != OSB_E_CLOSED) fail_msg("%s", error_text(c));
        if (port_text(c)[0] == '\0') fail_msg("no reason: %s", error_text(c));
    }
    proxy->record = -1;
    EXPECT_HELLO(c, proxy->server.port, path);
    free_client(c);
}

static void cut_everywhere(const char *path, int direction, bool whole_without_notify)
{
    struct client *c = new_client();
    unsigned sizes[PROXY_RECORDS], count, record, offset;
    open_client(c);
    count = learn(c, path, direction, sizes);
    free_client(c);
    for (record = 0; record < count; record++)
        for (offset = first_offset(sizes[record]); offset < sizes[record];
             offset = next_offset(offset, sizes[record])) {
            /* The server's last record is its close_notify; the client's, which ends things too,
               may be lost. */
            bool last = record == count - 1;
            if (last && direction == FROM_CLIENT) break;
            try_cut(path, direction, record, offset, sizes[record], last && whole_without_notify);
        }
}

static void test_cuts_from_server(void **state)
{
    (void)state;
    if (hasty && poll_mode) return;
    cut_everywhere("/sized", FROM_SERVER, true);
}

/* Here the end is the end of the connection, and must be shown to be one. */
static void test_cuts_until_close(void **state)
{
    (void)state;
    if (hasty && !poll_mode) return;
    cut_everywhere("/until-close", FROM_SERVER, false);
}

static void test_cuts_from_client(void **state)
{
    (void)state;
    if (hasty && !poll_mode) return;
    cut_everywhere("/sized", FROM_CLIENT, false);
}

/* What is said of it. */
static void test_truncation(void **state)
{
    struct client *c = new_client();
    unsigned sizes[PROXY_RECORDS], count;
    (void)state;
    c->options.no_session_resumption = true;
    open_client(c);
    count = learn(c, "/until-close", FROM_SERVER, sizes);
    hang_up(c);
    proxy->direction = FROM_SERVER;
    proxy->how = CUT_CLOSE;
    proxy->record = (int)count - 1;
    proxy->offset = 0;
    assert_int_equal(fetch(c, "api.example.com", proxy->server.port, "/until-close"), OSB_E_CLOSED);
    EXPECT_TEXT(error_text(c), "connection closed without close_notify");
    proxy->record = 1;
    proxy->offset = 5;
    EXPECT_REFUSAL(c, fetch(c, "api.example.com", proxy->server.port, "/sized"),
                   "connection closed in the TLS handshake");
    proxy->how = CUT_RESET;
    EXPECT_REFUSAL(c, fetch(c, "api.example.com", proxy->server.port, "/sized"),
                   "in the TLS handshake: Connection reset by peer");
    assert_int_equal(osb_last_error(&c->client)->port_code, ECONNRESET);
    proxy->record = -1;
    free_client(c);
}

/* A server that falls silent in the handshake. */
static void test_silence(void **state)
{
    struct client *c = new_client();
    (void)state;
    c->config.connect_timeout_ms = 200;
    open_client(c);
    proxy->direction = FROM_SERVER;
    proxy->how = CUT_SILENCE;
    proxy->record = 0;
    proxy->offset = 7;
    assert_int_equal(fetch(c, "api.example.com", proxy->server.port, "/sized"), OSB_E_TIMEOUT);
    EXPECT_TEXT(error_text(c), "timed out");
    proxy->record = -1;
    free_client(c);
}

/* One exchange in which a byte of the server's is changed on the way. */
static void try_damage(unsigned record, unsigned offset, unsigned size)
{
    struct client *c = new_client();
    osb_status status;
    c->config.connect_timeout_ms = c->config.request_timeout_ms = hasty ? 5000 : 1000;
    open_client(c);
    proxy->direction = FROM_SERVER;
    proxy->how = CUT_DAMAGE;
    proxy->record = (int)record;
    proxy->offset = offset;
    status = fetch(c, "api.example.com", proxy->server.port, "/sized");
    /* A size that became larger is waited for in vain. */
    if (was_there(c, status, offset, size) && status != OSB_E_CONNECT && status != OSB_E_CLOSED &&
        status != OSB_E_TIMEOUT)
        fail_msg("byte %u of record %u: %s", offset, record, error_text(c));
    if (proxy->was_cut) assert_int_equal(c->body.size, 0);
    proxy->record = -1;
    free_client(c);
}

static void test_damage(void **state)
{
    struct client *c = new_client();
    unsigned sizes[PROXY_RECORDS], count, record, offset;
    (void)state;
    open_client(c);
    count = learn(c, "/sized", FROM_SERVER, sizes);
    free_client(c);
    if (hasty && poll_mode) return;
    for (record = 0; record + 1 < count; record++)
        for (offset = first_offset(sizes[record]); offset < sizes[record];
             offset = next_offset(offset, sizes[record]))
            if (offset < 3 || offset > 8) try_damage(record, offset, sizes[record]);
}

/* ---- failures of the inner port --------------------------------------------------------------*/

/* Each call of the inner port fails in turn, in each way in which one can. */
static void test_inner_failures(void **state)
{
    static const int ways[] = {OSB_IO_FAILED, OSB_IO_CLOSED};
    unsigned at, count, way;
    struct client *c = new_client();
    (void)state;
    open_client(c);
    EXPECT_HELLO(c, openssl.port, "/sized");
    count = c->calls;
    free_client(c);
    assert_in_range(count, 10, 200);
    for (way = 0; way < 2; way++)
        for (at = 1; at <= count; at += hasty ? 11 : 1) {
            osb_status status;
            c = new_client();
            open_client(c);
            c->fail_at = at;
            c->fail_how = ways[way];
            status = fetch(c, "api.example.com", openssl.port, "/sized");
            if (status == OSB_OK) assert_string_equal(c->body.data, "hello");
            else if (status != OSB_E_CONNECT && status != OSB_E_CLOSED)
                fail_msg("%s", error_text(c));
            c->fail_at = 0;
            EXPECT_HELLO(c, openssl.port, "/sized");
            free_client(c);
        }
}

static int send_fails(void *ctx, const void *data, size_t size)
{
    (void)ctx, (void)data, (void)size;
    return OSB_IO_FAILED;
}

/* A server may answer and leave before it has heard all: what it said is not lost. */
static void test_answer_before_a_failed_send(void **state)
{
    static const char request[] = "GET /sized HTTP/1.0\r\n\r\n";
    struct client *c = new_client();
    struct text got = {NULL, 0, 0};
    char data[7];
    const osb_port *port = &c->config.port;
    int io;
    (void)state;
    open_client(c);
    while ((io = port->ops->connect(port->ctx, "127.0.0.1", openssl.port, true)) != 0) {
        assert_true(io == OSB_IO_AGAIN || io == OSB_IO_WANT_READ || io == OSB_IO_WANT_WRITE);
        port->ops->wait(port->ctx, OSB_WANT_READ, 10);
    }
    io = (port->ops->send)(port->ctx, request, sizeof request - 1);
    assert_int_equal(io, sizeof request - 1);
    port->ops->wait(port->ctx, OSB_WANT_READ, 10000);
    c->ops.send = send_fails;
    assert_int_equal((port->ops->send)(port->ctx, "x", 1), OSB_IO_FAILED);
    while ((io = (port->ops->recv)(port->ctx, data, sizeof data)) != OSB_IO_CLOSED) {
        assert_true(io > 0 || io == OSB_IO_AGAIN || io == OSB_IO_WANT_READ);
        if (io > 0) text_add(&got, data, (size_t)io);
        else port->ops->wait(port->ctx, OSB_WANT_READ, 1000);
    }
    assert_non_null(strstr(got.data, "\r\n\r\nhello"));
    assert_int_equal((port->ops->send)(port->ctx, "x", 1), OSB_IO_FAILED);
    port->ops->close(port->ctx);
    text_free(&got);
    free_client(c);
}

static void test_connection_refused(void **state)
{
    struct client *c = new_client();
    uint16_t port;
    (void)state;
    free_ports(&port, 1);
    open_client(c);
    EXPECT_REFUSAL(c, fetch(c, "api.example.com", port, "/"), "Connection refused");
    assert_int_equal(osb_last_error(&c->client)->port_code, ECONNREFUSED);
    free_client(c);
}

/* ---- without TLS -----------------------------------------------------------------------------*/

/* A server of one answer without TLS. */
static struct server start_plain(void)
{
    static const char answer[] = HEADER "Content-Length: 5\r\nConnection: close\r\n\r\nhello";
    struct sockaddr_in address;
    socklen_t length = sizeof address;
    struct server server;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    server.port = ntohs(address.sin_port);
    server.pid = fork_for_me();
    if (server.pid == 0) {
        for (;;) {
            char request[1024];
            int peer = accept(fd, NULL, NULL);
            if (recv(peer, request, sizeof request, 0) > 0)
                send(peer, answer, sizeof answer - 1, MSG_NOSIGNAL);
            close(peer);
        }
    }
    close(fd);
    return server;
}

/* Also where the settings for TLS are of no use, and between two connections with TLS. */
static void test_plain_http(void **state)
{
    struct client *c = new_client();
    (void)state;
    if (plain.pid == 0) plain = start_plain();
    c->later = true;
    c->limit = 3;
    c->options.ca_file = "/no/such/file";
    open_client(c);
    EXPECT_OK(c, fetch_by(c, false, "api.example.com", plain.port, "/"));
    assert_string_equal(c->body.data, "hello");
    EXPECT_REFUSAL(c, fetch(c, "api.example.com", openssl.port, "/sized"), "ca_file /no/such/file");
    EXPECT_OK(c, fetch_by(c, false, "api.example.com", plain.port, "/"));
    free_client(c);
    c = new_client();
    open_client(c);
    EXPECT_HELLO(c, openssl.port, "/sized");
    EXPECT_OK(c, fetch_by(c, false, "api.example.com", plain.port, "/"));
    EXPECT_HELLO(c, openssl.port, "/sized");
    hang_up(c);
    c->fail_at = 1;
    c->fail_how = OSB_IO_FAILED;
    assert_int_equal(fetch_by(c, false, "api.example.com", plain.port, "/"), OSB_E_CLOSED);
    free_client(c);
}

static const struct CMUnitTest tests[] = {
    TLS_TEST(test_documents),
    TLS_TEST(test_no_spinning),
    TLS_TEST(test_drops),
    TLS_TEST(test_cuts_from_server),
    TLS_TEST(test_cuts_until_close),
    TLS_TEST(test_cuts_from_client),
    TLS_TEST(test_truncation),
    TLS_TEST(test_silence),
    TLS_TEST(test_damage),
    TLS_TEST(test_inner_failures),
    TLS_TEST(test_answer_before_a_failed_send),
    TLS_TEST(test_connection_refused),
    TLS_TEST(test_plain_http),
};
RUN_IN_BOTH_MODES(tests, start_servers, stop_servers)
