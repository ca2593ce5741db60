/* Which servers are let in and which are not, and what is said of the others: certificates, names,
   dates, key strengths, versions and ciphers, with s_server and with nginx. */
#include "tls.h"

/* ---- certificates ----------------------------------------------------------------------------*/

struct trial {
    const char *certificate; /* the server's */
    const char *host;        /* which the client means */
    const char *reason;      /* why it refuses; NULL: it does not */
    bool weak;               /* let in by allow_weak_server_cert_key_lengths */
};

static const struct trial trials[] = {
    {"good", "api.example.com", NULL, true},
    {"good", "API.Example.COM", NULL, true},
    {"good", "127.0.0.1", NULL, true},
    {"good", "other.example.com", "name does not match other.example.com", false},
    {"good", "example.com", "name does not match example.com", false},
    {"good-rsa", "api.example.com", NULL, true},
#if MBEDTLS_VERSION_MAJOR < 3 /* 3 has no hash that servers sign with on that curve */
    {"good-224", "api.example.com", NULL, true},
#endif
    {"good", "api.example.com.", NULL, true}, /* a whole name, as DNS has it */
    {"good", "api.example.com..", "name does not match api.example.com..", false},
    {"address-as-name", "127.0.0.1.", "name does not match 127.0.0.1.", false},
    {"wildcard", "api.example.com", NULL, true},
    {"wildcard", "www.api.example.com", "name does not match www.api.example.com", false},
    {"wildcard", "example.com", "name does not match example.com", false},
    {"address", "127.0.0.1", NULL, true},
    {"address", "api.example.com", "name does not match api.example.com", false},
    {"name-only", "api.example.com", NULL, true},
    {"name-only", "127.0.0.1", "name does not match 127.0.0.1", false},
    {"address-as-name", "127.0.0.1", "name does not match 127.0.0.1", false},
    {"wrong-name", "api.example.com", "name does not match api.example.com", false},
    {"wrong-name", "127.0.0.1", "name does not match 127.0.0.1", false},
    {"expired", "api.example.com", "certificate expired on 2020-01-01", false},
    {"future", "api.example.com", "certificate is not valid before 2090-01-02", false},
    {"unknown", "api.example.com", "unknown authority", false},
    {"self-signed", "api.example.com", "unknown authority (self-signed certificate)", false},
    {"rsa-1024", "api.example.com", "certificate's key is too weak: 1024 bits", true},
    {"sha1", "api.example.com", "certificate is signed with a weak hash", true},
    {"for-clients", "api.example.com", "certificate is not one for servers", false},
    {"chain", "api.example.com", NULL, true},
    {"chain-missing", "api.example.com", "unknown authority", false},
    {"chain-expired", "api.example.com", "certificate expired on 2020-01-01", false},
    {"chain-weak-rsa", "api.example.com", "certificate's key is too weak: 1024 bits", true},
    {"chain-weak-ec", "api.example.com", "certificate's key is too weak: 192 bits", true},
    {"chain-no-authority", "api.example.com", "unknown authority", false},
};
#define TRIALS (sizeof trials / sizeof *trials)

static struct server openssl[TRIALS], nginx;
static uint16_t nginx_ports[TRIALS];

/* A server for each certificate, not for each trial. */
static size_t first_with(const char *name)
{
    size_t i = 0;
    while (strcmp(trials[i].certificate, name) != 0) i++;
    return i;
}

static int start_servers(void **state)
{
    struct nginx_server servers[TRIALS];
    uint16_t ports[TRIALS];
    size_t i, count = 0;
    (void)state;
    if (nginx.pid != 0) return 0;
    for (i = 0; i < TRIALS; i++) {
        if (first_with(trials[i].certificate) != i) continue;
        openssl[i] = start_openssl(trials[i].certificate, "-www", WEAK, NULL);
        servers[count].certificate = trials[i].certificate;
        servers[count++].settings = NULL;
    }
    nginx = start_nginx(servers, count, ports);
    count = 0;
    for (i = 0; i < TRIALS; i++) {
        size_t first = first_with(trials[i].certificate);
        openssl[i].port = openssl[first].port;
        nginx_ports[i] = first == i ? ports[count++] : nginx_ports[first];
    }
    return 0;
}

static void stop_servers(void)
{
    size_t i;
    for (i = 0; i < TRIALS; i++) stop_server(&openssl[i]);
    stop_server(&nginx);
}

static void try_server(const struct trial *t, uint16_t port, bool weak)
{
    struct client *c = new_client();
    osb_status status;
    c->options.allow_weak_server_cert_key_lengths = weak;
    open_client(c);
    status = fetch(c, t->host, port, "/");
    if (t->reason == NULL || (weak && t->weak)) {
        if (status != OSB_OK) fail_msg("%s for %s: %s", t->certificate, t->host, error_text(c));
        assert_int_equal(c->http_status, 200);
    } else {
        if (status == OSB_OK) fail_msg("%s for %s: accepted", t->certificate, t->host);
        assert_int_equal(status, OSB_E_CONNECT);
        assert_string_equal(port_text(c), t->reason);
        assert_int_equal(osb_last_error(&c->client)->port_code,
                         MBEDTLS_ERR_X509_CERT_VERIFY_FAILED);
    }
    free_client(c);
}

static void test_certificates_openssl(void **state)
{
    size_t i;
    (void)state;
    if (hasty && poll_mode) return;
    for (i = 0; i < TRIALS; i++) try_server(&trials[i], openssl[i].port, false);
}

static void test_certificates_nginx(void **state)
{
    size_t i;
    (void)state;
    if (hasty && !poll_mode) return;
    for (i = 0; i < TRIALS; i++) try_server(&trials[i], nginx_ports[i], false);
}

static void test_weak_certificates(void **state)
{
    size_t i;
    (void)state;
    for (i = 0; i < TRIALS; i++) {
        if (hasty && (poll_mode || trials[i].reason == NULL || !trials[i].weak)) continue;
        try_server(&trials[i], openssl[i].port, true);
    }
}

/* Everything that is wrong is said. */
static void test_several_reasons(void **state)
{
    struct client *c = new_client();
    uint16_t port = openssl[first_with("expired")].port;
    (void)state;
    c->options.ca_file = certificate("other-ca.pem");
    open_client(c);
    EXPECT_REFUSAL(c, fetch(c, "www.example.com", port, "/"),
                   "unknown authority, certificate expired on 2020-01-01, name does not match "
                   "www.example.com");
    EXPECT_TEXT(error_text(c), "unknown authority, certificate expired");
    free_client(c);
}

/* After a refusal the same client can go on with another server. */
static void test_next_call(void **state)
{
    struct client *c = new_client();
    (void)state;
    open_client(c);
    EXPECT_REFUSAL(c, fetch(c, "api.example.com", openssl[first_with("expired")].port, "/"),
                   "expired");
    EXPECT_OK(c, fetch(c, "api.example.com", openssl[0].port, "/"));
    EXPECT_REFUSAL(c, fetch(c, "api.example.com", openssl[first_with("unknown")].port, "/"),
                   "unknown authority");
    EXPECT_OK(c, fetch(c, "api.example.com", nginx_ports[0], "/"));
    free_client(c);
}

/* ---- dates by the inner port's clock ---------------------------------------------------------*/

#define IN_2001 1000000000u
#define IN_2100 4102444800u

static void test_dates_by_the_port(void **state)
{
    struct client *c = new_client();
    uint16_t port = openssl[0].port;
    (void)state;
    open_client(c);
    c->time_s = IN_2100;
    EXPECT_REFUSAL(c, fetch(c, "api.example.com", port, "/"), "certificate expired on 20");
    c->time_s = IN_2001;
    EXPECT_REFUSAL(c, fetch(c, "api.example.com", port, "/"), "certificate is not valid before 20");
    c->time_s = (uint32_t)time(NULL);
    EXPECT_OK(c, fetch(c, "api.example.com", port, "/"));
    free_client(c);
}

static uint32_t seconds(int year, int month, int day, int hour, int minute, int second)
{
    mbedtls_x509_time t;
    t.year = year;
    t.mon = month;
    t.day = day;
    t.hour = hour;
    t.min = minute;
    t.sec = second;
    return osb__mbedtls_seconds(&t);
}

/* Compared with the C library's own calendar, each day of it. */
static void test_calendar(void **state)
{
    time_t day;
    (void)state;
    if (hasty) return;
    for (day = 0; day < 49673; day++) {
        time_t at = day * 86400 + 86399 - day % 7;
        struct tm tm;
        gmtime_r(&at, &tm);
        assert_int_equal(
            seconds(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec),
            at);
    }
    assert_int_equal(seconds(1969, 12, 31, 23, 59, 59), 0);
    assert_int_equal(seconds(2106, 1, 1, 0, 0, 0), 0xffffffffu);
    assert_int_equal(seconds(9999, 12, 31, 23, 59, 59), 0xffffffffu);
}

/* ---- addresses -------------------------------------------------------------------------------*/

static void test_address_texts(void **state)
{
    static const char *const texts[] = {"1.2.3.4",
                                        "0.0.0.0",
                                        "255.255.255.255",
                                        "1.2.3",
                                        "1.2.3.4.5",
                                        "1.2.3.256",
                                        "1.2.3.",
                                        "",
                                        "a.b.c.d",
                                        "1.2.3.4a",
                                        "1..3.4",
                                        "api.example.com",
                                        "::",
                                        "::1",
                                        "1::",
                                        "fe80::1",
                                        "2001:db8:0:1:2:3:4:5",
                                        "2001:DB8::aBcD",
                                        "1:2:3:4:5:6:7",
                                        "1:2:3:4:5:6:7:8:9",
                                        "1:2:3:4:5:6:7::",
                                        "::2:3:4:5:6:7:8",
                                        "1::8::9",
                                        ":1::",
                                        "1:",
                                        ":",
                                        ":::",
                                        "12345::",
                                        "g::",
                                        "::ffff:1.2.3.4",
                                        "64:ff9b::1.2.3.4",
                                        "1:2:3:4:5:6:1.2.3.4",
                                        "::1.2.3",
                                        "1:2:3:4:5:6:7:1.2.3.4",
                                        "1:2:3:4:5:6:7:",
                                        "::1:"};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof texts / sizeof *texts; i++) {
        unsigned char ours[16], theirs[16];
        size_t size = osb__mbedtls_literal(texts[i], ours), expected = 0;
        if (inet_pton(AF_INET, texts[i], theirs) == 1) expected = 4;
        else if (inet_pton(AF_INET6, texts[i], theirs) == 1) expected = 16;
        if (size != expected) fail_msg("%s: %u bytes", texts[i], (unsigned)size);
        assert_memory_equal(ours, theirs, expected);
    }
}

static void test_zone(void **state)
{
    unsigned char ours[16], theirs[16];
    (void)state;
    inet_pton(AF_INET6, "fe80::1:2", theirs);
    assert_int_equal(osb__mbedtls_literal("fe80::1:2%eth0", ours), 16);
    assert_memory_equal(ours, theirs, 16);
}

/* The name "1234" has the bytes of 49.50.51.52, and is not that address. */
static void test_name_like_address(void **state)
{
    static const unsigned char loopback[] = {127, 0, 0, 1};
    mbedtls_x509_crt crt;
    (void)state;
    mbedtls_x509_crt_init(&crt);
    assert_int_equal(mbedtls_x509_crt_parse_file(&crt, certificate("name-like-address.pem")), 0);
    assert_false(osb__mbedtls_has_address(&crt, (const unsigned char *)"1234", 4));
    assert_true(osb__mbedtls_has_address(&crt, loopback, 4));
    mbedtls_x509_crt_free(&crt);
}

static void test_ipv6(void **state)
{
    struct server good = start_openssl("good", "-6", "-accept", "[::1]:0", "-www", NULL);
    struct server address = start_openssl("address", "-6", "-accept", "[::1]:0", "-www", NULL);
    struct client *c = new_client();
    (void)state;
    open_client(c);
    EXPECT_OK(c, fetch(c, "[::1]", good.port, "/"));
    EXPECT_REFUSAL(c, fetch(c, "[::1]", address.port, "/"), "name does not match ::1");
    free_client(c);
    stop_server(&good);
    stop_server(&address);
}

/* ---- versions, ciphers, curves, hashes -------------------------------------------------------*/

static void expect_no_handshake(const char *name, const char *option, const char *value,
                                const char *ciphers, const char *reason)
{
    struct server server = start_openssl(name, "-www", option, value, "-cipher", ciphers, NULL);
    struct client *c = new_client();
    open_client(c);
    EXPECT_REFUSAL(c, fetch(c, "api.example.com", server.port, "/"), reason);
    free_client(c);
    stop_server(&server);
}

static void test_old_versions(void **state)
{
    (void)state;
    expect_no_handshake("good", "-tls1_1", "-no_ticket", "ALL:@SECLEVEL=0", "");
    expect_no_handshake("good", "-tls1", "-no_ticket", "ALL:@SECLEVEL=0", "");
#if !defined(MBEDTLS_SSL_PROTO_TLS1_3) || MBEDTLS_VERSION_NUMBER < 0x03060100
    expect_no_handshake("good", "-tls1_3", "-no_ticket", "ALL",
                        "the server refuses: protocol version");
#endif
}

/* No forward secrecy, no authenticated encryption, or neither. */
static void test_weak_ciphers(void **state)
{
    static const char *const ciphers[] = {"AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256",
                                          "DHE-RSA-AES128-GCM-SHA256", "AES128-SHA"};
    size_t i;
    char list[100];
    (void)state;
    for (i = 0; i < sizeof ciphers / sizeof *ciphers; i++) {
        snprintf(list, sizeof list, "%s:@SECLEVEL=0", ciphers[i]);
        expect_no_handshake("good-rsa", "-no_ticket", "-no_tls1_3", list,
                            "the server refuses: handshake failure");
    }
}

static void test_weak_curve(void **state)
{
    (void)state;
    expect_no_handshake("good-rsa", "-named_curve", "P-192", "ALL:@SECLEVEL=0",
                        "the server refuses: handshake failure");
    expect_no_handshake("ec-192", "-groups", "prime192v1:P-256", "ALL:@SECLEVEL=0",
                        "the server refuses: handshake failure");
}

static void test_weak_hash_in_handshake(void **state)
{
    (void)state;
    expect_no_handshake("good-rsa", "-sigalgs", "RSA+SHA1", "ALL:@SECLEVEL=0", "");
}

/* A server that answers whatever is said to it with these bytes. */
static struct server start_canned(const unsigned char *data, size_t size)
{
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
        char hello[1024];
        int peer = accept(fd, NULL, NULL);
        if (recv(peer, hello, sizeof hello, 0) > 0) send(peer, data, size, 0);
        while (recv(peer, hello, sizeof hello, 0) > 0) {
        }
        _exit(0);
    }
    close(fd);
    return server;
}

static void expect_canned(const unsigned char *data, size_t size, const char *reason)
{
    struct server server = start_canned(data, size);
    struct client *c = new_client();
    open_client(c);
    EXPECT_REFUSAL(c, fetch(c, "api.example.com", server.port, "/"), reason);
    free_client(c);
    stop_server(&server);
}

/* A ServerHello of TLS 1.1 with a cipher of TLS 1.2: no real server sends that. */
static void test_downgrade(void **state)
{
    unsigned char hello[5 + 4 + 38] = {22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2};
    (void)state;
    hello[5 + 4 + 2 + 32] = 0;        /* no session */
    hello[5 + 4 + 2 + 32 + 1] = 0xc0; /* ECDHE-ECDSA-AES128-GCM-SHA256 */
    hello[5 + 4 + 2 + 32 + 2] = 0x2b;
    expect_canned(hello, sizeof hello, "the server speaks no TLS 1.2");
}

static void test_no_tls_at_all(void **state)
{
    static const char http[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    static const unsigned char warning[] = {21, 3, 3, 0, 2, 2, 90};
    (void)state;
    expect_canned((const unsigned char *)http, sizeof http - 1, "the server does not speak TLS");
    expect_canned(warning, sizeof warning, "the server refuses: alert 90");
}

static const struct CMUnitTest tests[] = {
    TLS_TEST(test_certificates_openssl),
    TLS_TEST(test_certificates_nginx),
    TLS_TEST(test_weak_certificates),
    TLS_TEST(test_several_reasons),
    TLS_TEST(test_next_call),
    TLS_TEST(test_dates_by_the_port),
    TLS_TEST(test_calendar),
    TLS_TEST(test_address_texts),
    TLS_TEST(test_zone),
    TLS_TEST(test_name_like_address),
    TLS_TEST(test_ipv6),
    TLS_TEST(test_old_versions),
    TLS_TEST(test_weak_ciphers),
    TLS_TEST(test_weak_curve),
    TLS_TEST(test_weak_hash_in_handshake),
    TLS_TEST(test_downgrade),
    TLS_TEST(test_no_tls_at_all),
};
RUN_IN_BOTH_MODES(tests, start_servers, stop_servers)
