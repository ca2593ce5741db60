/* What the settings of the TLS port do: authorities, our own certificate, pins, small records,
   sessions that are resumed, exported and imported, settings that are shared, and those that
   cannot be read. */
#define OSB_MBEDTLS_SYSTEM_CA "/no/such/bundle", "build/tls/ca.pem"
#include "proxy.h"

#define HOST "api.example.com"

/* nginx's servers. */
enum { TICKETS, SAME_TICKETS, SESSION_IDS, ASKS_CERTIFICATE, NGINX_SERVERS };

static struct server nginx, openssl;
static uint16_t ports[NGINX_SERVERS];

static int start_servers(void **state)
{
    struct nginx_server servers[NGINX_SERVERS];
    char asks[PATH_MAX * 2];
    (void)state;
    if (nginx.pid != 0) return 0;
    write_file("ticket.key",
               "0123456789012345678901234567890123456789012345678901234567890123"
               "4567890123456789",
               80);
    memset(servers, 0, sizeof servers);
    servers[TICKETS].certificate = "good";
    servers[TICKETS].settings = "ssl_session_ticket_key ticket.key;";
    servers[SAME_TICKETS] = servers[TICKETS];
    servers[SESSION_IDS].certificate = "good";
    servers[SESSION_IDS].settings = "ssl_session_tickets off; ssl_session_cache shared:x:1m;";
    servers[ASKS_CERTIFICATE].certificate = "good";
    snprintf(asks, sizeof asks, "ssl_verify_client on; ssl_client_certificate \"%s\";",
             certificate("ca.pem"));
    servers[ASKS_CERTIFICATE].settings = asks;
    nginx = start_nginx(servers, NGINX_SERVERS, ports);
    openssl = start_openssl("good", "-www", NULL);
    return 0;
}

static void stop_servers(void)
{
    stop_server(&nginx);
    stop_server(&openssl);
}

/* Gets a page on a new connection and expects a part of it. */
static void expect_page(struct client *c, const char *host, uint16_t port, const char *part,
                        int line)
{
    hang_up(c);
    expect_ok(c, fetch(c, host, port, "/"), line);
    expect_text(c->body.data, part, line);
}
#define EXPECT_PAGE(c, host, port, part) expect_page((c), (host), (port), (part), __LINE__)

/* A client whose settings cannot be read. */
static void expect_bad_setting(struct client *c, const char *reason, int line)
{
    int32_t code;
    open_client(c);
    expect_refusal(c, fetch(c, HOST, ports[TICKETS], "/"), reason, line);
    assert_int_equal(osb_mbedtls_prepare(&c->tls), OSB_IO_FAILED);
    assert_string_equal(c->config.port.ops->error(c->config.port.ctx, &code), port_text(c));
    free_client(c);
}
#define EXPECT_BAD_SETTING(c, reason) expect_bad_setting((c), (reason), __LINE__)

/* ---- what the server sees --------------------------------------------------------------------*/

static void test_name_and_protocol(void **state)
{
    struct client *c = new_client();
    (void)state;
    open_client(c);
    EXPECT_PAGE(c, HOST, ports[TICKETS], "alpn=http/1.1 name=api.example.com client=");
    EXPECT_PAGE(c, "127.0.0.1", ports[TICKETS], "alpn=http/1.1 name= client=");
    EXPECT_TEXT(c->body.data, "protocol=TLSv1.");
    free_client(c);
}

/* ---- authorities -----------------------------------------------------------------------------*/

static void test_authority_from_memory(void **state)
{
    size_t size;
    char *pem = read_file(certificate("ca.pem"), NULL);
    char *der = read_file(certificate("ca.der"), &size);
    struct client *c = new_client();
    (void)state;
    c->options.ca_file = NULL;
    c->options.ca = pem;
    open_client(c);
    EXPECT_PAGE(c, HOST, ports[TICKETS], "protocol=");
    free_client(c);
    c = new_client();
    c->options.ca_file = certificate("other-ca.pem"); /* both are trusted */
    c->options.ca = der;
    c->options.ca_size = size;
    open_client(c);
    EXPECT_PAGE(c, HOST, ports[TICKETS], "protocol=");
    free_client(c);
    free(pem);
    free(der);
}

/* A server's own certificate is an authority for that server. */
static void test_certificate_as_authority(void **state)
{
    struct server server = start_openssl("self-signed", "-www", NULL);
    struct client *c = new_client();
    (void)state;
    c->options.ca_file = certificate("self-signed.pem");
    open_client(c);
    EXPECT_PAGE(c, HOST, server.port, "TLSv1.");
    EXPECT_REFUSAL(c, fetch(c, HOST, ports[TICKETS], "/"), "unknown authority");
    free_client(c);
    stop_server(&server);
}

static void test_authorities_in_files(void **state)
{
    struct client *c = new_client();
    (void)state;
    c->options.ca_file = NULL;
    c->options.ca_directory = certificate("authorities");
    open_client(c);
    EXPECT_PAGE(c, HOST, ports[TICKETS], "protocol=");
    free_client(c);
    c = new_client();
    c->options.ca_file = certificate("damaged.pem"); /* of its two one is good */
    open_client(c);
    EXPECT_PAGE(c, HOST, ports[TICKETS], "protocol=");
    free_client(c);
    c = new_client();
    c->options.ca_file = certificate("other-ca.pem");
    open_client(c);
    EXPECT_REFUSAL(c, fetch(c, HOST, ports[TICKETS], "/"), "unknown authority");
    free_client(c);
}

/* Without any setting it is the system's: in this program, one that OSB_MBEDTLS_SYSTEM_CA names. */
static void test_authorities_of_the_system(void **state)
{
    struct client *c = new_client();
    osb_port inner;
    (void)state;
    inner.ops = &c->ops;
    inner.ctx = c;
    open_client(c);
    c->config.port = osb_mbedtls_port(&c->tls, inner, NULL);
    EXPECT_PAGE(c, HOST, ports[TICKETS], "protocol=");
    free_client(c);
}

static void test_environment(void **state)
{
    osb_mbedtls_options options;
    (void)state;
    memset(&options, 0, sizeof options);
    setenv("SSL_CERT_FILE", "", 1);
    unsetenv("SSL_CERT_DIR");
    osb_mbedtls_options_from_env(&options);
    assert_null(options.ca_file);
    assert_null(options.ca_directory);
    setenv("SSL_CERT_FILE", "/a/file", 1);
    setenv("SSL_CERT_DIR", "/a/directory", 1);
    options.ca_file = "mine";
    osb_mbedtls_options_from_env(&options);
    assert_string_equal(options.ca_file, "mine");
    assert_null(options.ca_directory);
    options.ca_file = NULL;
    osb_mbedtls_options_from_env(&options);
    assert_string_equal(options.ca_file, "/a/file");
    assert_string_equal(options.ca_directory, "/a/directory");
}

static void test_bad_authorities(void **state)
{
    char *damaged = read_file(certificate("damaged.pem"), NULL);
    struct client *c = new_client();
    (void)state;
    c->options.ca_file = "/no/such/file";
    EXPECT_BAD_SETTING(c, "ca_file /no/such/file: ");
    c = new_client();
    c->options.ca_directory = "/no/such/directory";
    EXPECT_BAD_SETTING(c, "ca_directory /no/such/directory: ");
    c = new_client();
    c->options.ca_file = NULL;
    mkdir(in_scratch("empty"), 0700);
    c->options.ca_directory = in_scratch("empty");
    EXPECT_BAD_SETTING(c, "ca_directory has no certificate in it");
    c = new_client();
    c->options.ca = damaged;
    EXPECT_BAD_SETTING(c, "ca: some of its certificates are damaged");
    c = new_client();
    c->options.ca = "nonsense";
    EXPECT_BAD_SETTING(c, "ca: ");
    free(damaged);
}

static void test_no_random(void **state)
{
    struct client *c = new_client();
    (void)state;
    c->no_random = true;
    EXPECT_BAD_SETTING(c, "no random numbers");
}

/* ---- our own certificate ---------------------------------------------------------------------*/

static void use_certificate(struct client *c, const char *pem, const char *key)
{
    c->options.certificate_file = pem != NULL ? certificate(pem) : NULL;
    c->options.key_file = key != NULL ? certificate(key) : NULL;
}

static void test_own_certificate(void **state)
{
    char *pem = read_file(certificate("client.pem"), NULL);
    char *key = read_file(certificate("client-encrypted.key"), NULL);
    struct client *c = new_client();
    (void)state;
    use_certificate(c, "client.pem", "client.key");
    open_client(c);
    EXPECT_PAGE(c, HOST, ports[ASKS_CERTIFICATE], "client=CN=client cipher");
    EXPECT_PAGE(c, HOST, ports[TICKETS], "client= cipher");
    free_client(c);
    c = new_client();
    c->options.certificate = pem;
    c->options.key = key;
    c->options.key_password = "secret";
    open_client(c);
    EXPECT_PAGE(c, HOST, ports[ASKS_CERTIFICATE], "client=CN=client cipher");
    free_client(c);
    free(pem);
    free(key);
}

/* nginx tells by HTTP that it wants a certificate, s_server by an alert. */
static void test_certificate_missing_or_wrong(void **state)
{
    struct server asks = start_openssl("good", "-www", "-Verify", "1", "-verify_return_error",
                                       "-CAfile", certificate("ca.pem"), NULL);
    unsigned i;
    (void)state;
    for (i = 0; i < 2; i++) {
        struct client *c = new_client();
        osb_status status;
        if (i == 1) use_certificate(c, "wrong-client.pem", "wrong-client.key");
        open_client(c);
        EXPECT_OK(c, fetch(c, HOST, ports[ASKS_CERTIFICATE], "/"));
        assert_int_equal(c->http_status, 400);
        /* With TLS 1.3 the handshake is over for us before the server has looked. */
        status = fetch(c, HOST, asks.port, "/");
        assert_true(status == OSB_E_CONNECT || status == OSB_E_CLOSED);
        EXPECT_TEXT(port_text(c), "the server refuses");
        if (status == OSB_E_CONNECT)
            EXPECT_TEXT(port_text(c), i == 0 ? "a certificate is missing" : "unknown authority");
        free_client(c);
    }
    stop_server(&asks);
}

static void test_bad_certificate(void **state)
{
    static const struct {
        const char *pem, *key, *password, *reason;
    } bad[] = {
        {"client.pem", NULL, NULL, "there is a certificate, but no key"},
        {NULL, "client.key", NULL, "there is a key, but no certificate"},
        {"client.pem", "wrong-client.key", NULL, "key is not the certificate's"},
        {"client.pem", "client-encrypted.key", NULL, "key /"},
        {"client.pem", "client-encrypted.key", "wrong", "key /"},
        {"client.pem", "client.pem", NULL, "key /"},
        {"client.key", "client.key", NULL, "certificate /"},
        {"damaged.pem", "client.key", NULL, "certificate: a part of it is damaged"},
    };
    size_t i;
    (void)state;
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct client *c = new_client();
        use_certificate(c, bad[i].pem, bad[i].key);
        c->options.key_password = bad[i].password;
        EXPECT_BAD_SETTING(c, bad[i].reason);
    }
}

/* ---- pins ------------------------------------------------------------------------------------*/

static void test_pins(void **state)
{
    unsigned char pins[3][32];
    size_t size;
    char *right = read_file(certificate("good.pin"), &size);
    struct client *c = new_client();
    (void)state;
    assert_int_equal(size, 32);
    memset(pins, 7, sizeof pins);
    memcpy(pins[2], right, 32);
    c->options.pins = (const unsigned char(*)[32])pins;
    c->options.pin_count = 3;
    open_client(c);
    EXPECT_PAGE(c, HOST, ports[TICKETS], "protocol=");
    free_client(c);
    c = new_client();
    c->options.pins = (const unsigned char(*)[32])pins;
    c->options.pin_count = 2;
    open_client(c);
    EXPECT_REFUSAL(c, fetch(c, HOST, ports[TICKETS], "/"), "key is none of the pinned ones");
    free_client(c);
    c = new_client(); /* a pin does not stand for the other checks */
    c->options.ca_file = certificate("other-ca.pem");
    c->options.pins = (const unsigned char(*)[32])pins;
    c->options.pin_count = 3;
    open_client(c);
    EXPECT_REFUSAL(c, fetch(c, HOST, ports[TICKETS], "/"), "unknown authority");
    free_client(c);
    free(right);
}

/* ---- small records ---------------------------------------------------------------------------*/

static void test_small_records(void **state)
{
    static const uint16_t sizes[] = {512, 1024, 2048, 4096};
    struct proxy *proxy = start_proxy(openssl.port);
    size_t i;
    unsigned record;
    (void)state;
    for (i = 0; i < 4; i++) {
        struct client *c = new_client();
        unsigned largest = 0;
        c->options.max_fragment_size = sizes[i];
        open_client(c);
        if (sizes[i] == 512 && MBEDTLS_VERSION_NUMBER < 0x03060300) { /* a certificate is larger */
            EXPECT_REFUSAL(c, fetch(c, HOST, proxy->server.port, "/"), "larger max_fragment_size");
            free_client(c);
            continue;
        }
        EXPECT_PAGE(c, HOST, proxy->server.port, "TLSv1.");
        for (record = 0; record < proxy->seen[FROM_SERVER].record; record++)
            if (proxy->seen[FROM_SERVER].size[record] > largest)
                largest = proxy->seen[FROM_SERVER].size[record];
        assert_in_range(largest, 500, sizes[i] + 5u + 24u);
        free_client(c);
    }
    stop_proxy(proxy);
}

static void test_bad_record_size(void **state)
{
    struct client *c = new_client();
    (void)state;
    c->options.max_fragment_size = 1000;
    EXPECT_BAD_SETTING(c, "max_fragment_size is not 512, 1024, 2048 or 4096");
}

/* ---- sessions --------------------------------------------------------------------------------*/

#define NEW "reused=. "
#define REUSED "reused=r "

static void test_resumption_nginx(void **state)
{
    unsigned i;
    (void)state;
    for (i = 0; i < 2; i++) {
        struct client *c = new_client();
        open_client(c);
        EXPECT_PAGE(c, HOST, ports[i == 0 ? TICKETS : SESSION_IDS], NEW);
        assert_false(osb_mbedtls_resumed(&c->tls));
        EXPECT_PAGE(c, HOST, ports[i == 0 ? TICKETS : SESSION_IDS], REUSED);
        assert_true(osb_mbedtls_resumed(&c->tls));
        EXPECT_PAGE(c, HOST, ports[i == 0 ? TICKETS : SESSION_IDS], REUSED);
        free_client(c);
    }
}

/* s_server keeps count: the second connection, and only that, was a hit. */
static void test_resumption_openssl(void **state)
{
    unsigned i;
    (void)state;
    for (i = 0; i < 2; i++) {
        struct server server = start_openssl("good", "-www", i == 0 ? "-no_ticket" : NULL, NULL);
        struct client *c = new_client();
        open_client(c);
        EXPECT_PAGE(c, HOST, server.port, "   0 session cache hits");
        EXPECT_TEXT(c->body.data, "New, TLSv1.");
        EXPECT_PAGE(c, HOST, server.port, "   1 session cache hits");
        EXPECT_TEXT(c->body.data, "Reused, TLSv1.");
        free_client(c);
        stop_server(&server);
    }
}

static void test_no_resumption(void **state)
{
    struct client *c = new_client();
    unsigned char session[4096];
    (void)state;
    c->options.no_session_resumption = true;
    open_client(c);
    EXPECT_PAGE(c, HOST, ports[TICKETS], NEW);
    assert_int_equal(osb_mbedtls_session_export(&c->tls, session, sizeof session), 0);
    EXPECT_PAGE(c, HOST, ports[TICKETS], NEW);
    free_client(c);
}

/* A session is good for one host and one port only, even where the server would take it. */
static void test_session_of_another_origin(void **state)
{
    struct client *c = new_client();
    (void)state;
    open_client(c);
    EXPECT_PAGE(c, HOST, ports[TICKETS], NEW);
    EXPECT_PAGE(c, "127.0.0.1", ports[TICKETS], NEW);
    EXPECT_PAGE(c, HOST, ports[TICKETS], NEW);
    EXPECT_PAGE(c, HOST, ports[SAME_TICKETS], NEW);
    EXPECT_PAGE(c, HOST, ports[SAME_TICKETS], REUSED);
    free_client(c);
}

/* The server has been started anew and knows nothing of the session. */
static void test_session_forgotten(void **state)
{
    struct server server = start_openssl("good", "-www", NULL);
    struct proxy *proxy = start_proxy(server.port);
    struct client *c = new_client();
    (void)state;
    open_client(c);
    EXPECT_PAGE(c, HOST, proxy->server.port, "New, TLSv1.");
    stop_server(&server);
    server = start_openssl("good", "-www", NULL);
    proxy->target = server.port;
    EXPECT_PAGE(c, HOST, proxy->server.port, "New, TLSv1.");
    EXPECT_PAGE(c, HOST, proxy->server.port, "Reused, TLSv1.");
    free_client(c);
    stop_proxy(proxy);
    stop_server(&server);
}

/* An exported session. */
static size_t export_session(struct client *c, unsigned char *session, size_t size)
{
    size_t needed;
    open_client(c);
    assert_int_equal(osb_mbedtls_session_export(&c->tls, session, size), 0);
    EXPECT_PAGE(c, HOST, ports[TICKETS], NEW);
    needed = osb_mbedtls_session_export(&c->tls, session, size);
    assert_in_range(needed, 100, size);
    free_client(c);
    return needed;
}

static void test_export_and_import(void **state)
{
    unsigned char session[4096], small[4096];
    size_t size = export_session(new_client(), session, sizeof session), i;
    struct client *c = new_client();
    (void)state;
    open_client(c);
    /* Damaged or cut: refused, and nothing happens. */
    for (i = 0; i < size; i += hasty ? 50 : 7)
        assert_false(osb_mbedtls_session_import(&c->tls, session, i));
    for (i = 0; i < 5; i++) {
        session[i] ^= 1;
        assert_false(osb_mbedtls_session_import(&c->tls, session, size));
        session[i] ^= 1;
    }
    EXPECT_PAGE(c, HOST, ports[TICKETS], NEW);
    free_client(c);
    c = new_client();
    open_client(c);
    assert_true(osb_mbedtls_session_import(&c->tls, session, size));
    /* Too little room: it says how much it takes, and writes nothing. */
    memset(small, 0x55, sizeof small);
    assert_int_equal(osb_mbedtls_session_export(&c->tls, small, size - 1), size);
    for (i = 0; i < sizeof small; i++) assert_int_equal(small[i], 0x55);
    assert_int_equal(osb_mbedtls_session_export(&c->tls, small, size), size);
    assert_memory_equal(small, session, size);
    EXPECT_PAGE(c, HOST, ports[TICKETS], REUSED);
    assert_true(osb_mbedtls_resumed(&c->tls));
    EXPECT_PAGE(c, HOST, ports[TICKETS], REUSED);
    free_client(c);
}

/* A session does not get round a setting that is stricter than when it was made, and does not
   take an identity along. */
static void test_import_with_other_settings(void **state)
{
    unsigned char session[4096], pin[1][32];
    size_t size = export_session(new_client(), session, sizeof session);
    struct client *c = new_client();
    (void)state;
    memset(pin, 7, sizeof pin);
    c->options.pins = (const unsigned char(*)[32])pin;
    c->options.pin_count = 1;
    open_client(c);
    assert_true(osb_mbedtls_session_import(&c->tls, session, size));
    EXPECT_REFUSAL(c, fetch(c, HOST, ports[TICKETS], "/"), "key is none of the pinned ones");
    free_client(c);
    c = new_client();
    c->options.ca_file = certificate("other-ca.pem");
    open_client(c);
    assert_true(osb_mbedtls_session_import(&c->tls, session, size));
    EXPECT_REFUSAL(c, fetch(c, HOST, ports[TICKETS], "/"), "unknown authority");
    free_client(c);
    c = new_client();
    use_certificate(c, "client.pem", "client.key");
    open_client(c);
    assert_true(osb_mbedtls_session_import(&c->tls, session, size));
    EXPECT_PAGE(c, HOST, ports[TICKETS], NEW);
    free_client(c);
    c = new_client();
    c->options.allow_weak_server_cert_key_lengths = true;
    size = export_session(c, session, sizeof session);
    c = new_client();
    open_client(c);
    assert_true(osb_mbedtls_session_import(&c->tls, session, size));
    EXPECT_PAGE(c, HOST, ports[TICKETS], NEW);
    free_client(c);
}

/* A session does not outlive the certificates of its chain. */
static void test_session_of_expired_certificate(void **state)
{
    struct client *c = new_client();
    (void)state;
    open_client(c);
    c->time_s = (uint32_t)time(NULL);
    EXPECT_PAGE(c, HOST, ports[TICKETS], NEW);
    EXPECT_PAGE(c, HOST, ports[TICKETS], REUSED);
    c->time_s = 4102444800u; /* the year 2100 */
    hang_up(c);
    EXPECT_REFUSAL(c, fetch(c, HOST, ports[TICKETS], "/"), "certificate expired on ");
    c->time_s = (uint32_t)time(NULL);
    EXPECT_PAGE(c, HOST, ports[TICKETS], NEW);
    free_client(c);
}

/* Nor those above the server's own. */
static void test_session_of_expired_chain(void **state)
{
    struct server server = start_openssl("chain-short", "-www", NULL);
    struct client *c = new_client();
    (void)state;
    open_client(c);
    c->time_s = (uint32_t)time(NULL);
    EXPECT_PAGE(c, HOST, server.port, "New, TLSv1.");
    EXPECT_PAGE(c, HOST, server.port, "Reused, TLSv1.");
    c->time_s += 1001u * 86400u; /* the middle one has 1000 days, the others have 3650 */
    hang_up(c);
    EXPECT_REFUSAL(c, fetch(c, HOST, server.port, "/"), "certificate expired on ");
    free_client(c);
    stop_server(&server);
}

/* ---- shared settings -------------------------------------------------------------------------*/

static void test_shared_settings(void **state)
{
    unsigned char pin[1][32];
    struct client *first = new_client(), *second = new_client();
    (void)state;
    memset(pin, 7, sizeof pin);
    first->options.pins = (const unsigned char(*)[32])pin;
    first->options.pin_count = 1;
    second->options.ca_file = "/no/such/file"; /* is not read */
    second->options.share = &first->tls;
    open_client(first);
    open_client(second);
    EXPECT_REFUSAL(second, fetch(second, HOST, ports[TICKETS], "/"), "none of the pinned");
    free_client(second);
    free_client(first);
    first = new_client();
    second = new_client();
    second->options.share = &first->tls;
    open_client(first);
    open_client(second);
    EXPECT_PAGE(second, HOST, ports[TICKETS], NEW);
    EXPECT_PAGE(first, HOST, ports[TICKETS], NEW); /* sessions are not shared */
    EXPECT_PAGE(second, HOST, ports[TICKETS], REUSED);
    free_client(second);
    EXPECT_PAGE(first, HOST, ports[TICKETS], REUSED);
    free_client(first);
    first = new_client();
    second = new_client();
    first->options.ca_file = "/no/such/file";
    second->options.share = &first->tls;
    open_client(first);
    open_client(second);
    EXPECT_REFUSAL(second, fetch(second, HOST, ports[TICKETS], "/"), "ca_file /no/such/file");
    free_client(second);
    free_client(first);
}

/* A port that never connected, and one that is freed twice. */
static void test_give_back(void **state)
{
    struct client *c = new_client();
    (void)state;
    open_client(c);
    assert_int_equal(osb_mbedtls_prepare(&c->tls), 0);
    assert_int_equal(osb_mbedtls_prepare(&c->tls), 0);
    osb_client_close(&c->client);
    osb_mbedtls_free(&c->tls);
    osb_mbedtls_free(&c->tls);
    open_client(c);
    free_client(c);
}

static const struct CMUnitTest tests[] = {
    TLS_TEST(test_name_and_protocol),
    TLS_TEST(test_authority_from_memory),
    TLS_TEST(test_certificate_as_authority),
    TLS_TEST(test_authorities_in_files),
    TLS_TEST(test_authorities_of_the_system),
    TLS_TEST(test_environment),
    TLS_TEST(test_bad_authorities),
    TLS_TEST(test_no_random),
    TLS_TEST(test_own_certificate),
    TLS_TEST(test_certificate_missing_or_wrong),
    TLS_TEST(test_bad_certificate),
    TLS_TEST(test_pins),
    TLS_TEST(test_small_records),
    TLS_TEST(test_bad_record_size),
    TLS_TEST(test_resumption_nginx),
    TLS_TEST(test_resumption_openssl),
    TLS_TEST(test_no_resumption),
    TLS_TEST(test_session_of_another_origin),
    TLS_TEST(test_session_forgotten),
    TLS_TEST(test_export_and_import),
    TLS_TEST(test_import_with_other_settings),
    TLS_TEST(test_session_of_expired_certificate),
    TLS_TEST(test_session_of_expired_chain),
    TLS_TEST(test_shared_settings),
    TLS_TEST(test_give_back),
};
RUN_IN_BOTH_MODES(tests, start_servers, stop_servers)
