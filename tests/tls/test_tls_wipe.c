/* Keys and sessions are wiped: no block of memory that is given back holds one, and the port's own
   struct is all zero in the end. Linked statically, with every free() going through this file. */
#include "tls.h"

#include <malloc.h>

#define HOST "api.example.com"

void __real_free(void *block);
void __wrap_free(void *block);

static struct needle {
    unsigned char data[64];
    size_t size;
    const char *what;
} needles[2];
static const char *found; /* what a block that was given back still held */
static size_t blocks;

/* Every free of this program and of mbedTLS. */
void __wrap_free(void *block)
{
    size_t i, size = block != NULL ? malloc_usable_size(block) : 0;
    for (i = 0; i < sizeof needles / sizeof *needles; i++)
        if (block != NULL && needles[i].size > 0 &&
            memmem(block, size, needles[i].data, needles[i].size) != NULL)
            found = needles[i].what;
    blocks++;
    __real_free(block);
}

static void look_for(size_t i, const char *what, const void *data, size_t size)
{
    assert_in_range(size, 16, sizeof needles[i].data);
    memcpy(needles[i].data, data, size);
    needles[i].size = size;
    needles[i].what = what;
}

static struct server openssl;

static int start_servers(void **state)
{
    (void)state;
    if (openssl.pid == 0) openssl = start_openssl("good", "-www", NULL);
    return 0;
}

static void stop_servers(void)
{
    stop_server(&openssl);
}

static void expect_zero(const void *data, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)data;
    size_t i;
    for (i = 0; i < size; i++) assert_int_equal(bytes[i], 0);
}

static int forget_needles(void **state)
{
    memset(needles, 0, sizeof needles);
    found = NULL;
    return free_clients(state);
}

/* The method itself: it finds what was not wiped. */
static void test_search(void **state)
{
    unsigned char *block = (unsigned char *)malloc(300);
    (void)state;
    look_for(0, "a text", "0123456789abcdef", 16);
    memset(block, 0, 300);
    memcpy(block + 200, "0123456789abcdef", 16);
    __wrap_free(block);
    assert_string_equal(found, "a text");
}

static void test_wiped(void **state)
{
    struct client *c = new_client();
    const mbedtls_mpi *secret;
    size_t before;
    (void)state;
    c->options.certificate_file = certificate("client.pem");
    c->options.key_file = certificate("client.key");
    open_client(c);
    assert_int_equal(fetch(c, HOST, openssl.port, "/"), OSB_OK);
    secret = &mbedtls_pk_ec(c->tls.key)->d;
    look_for(0, "the private key", secret->p, 32);
    look_for(1, "the session's master secret", c->tls.session.master, 48);
    before = blocks;
    hang_up(c);
    assert_int_equal(fetch(c, HOST, openssl.port, "/"), OSB_OK);
    assert_true(osb_mbedtls_resumed(&c->tls)); /* the same master secret again */
    hang_up(c);
    /* A session takes the place of another, and each is given back. */
    assert_int_equal(fetch(c, "127.0.0.1", openssl.port, "/"), OSB_OK);
    osb_client_close(&c->client);
    expect_zero(&c->tls.ssl, sizeof c->tls.ssl);
    osb_mbedtls_free(&c->tls);
    assert_true(blocks - before > 50);
    if (found != NULL) fail_msg("given back, but not wiped: %s", found);
    expect_zero(&c->tls, sizeof c->tls);
    open_client(c); /* for free_client */
    free_client(c);
}

/* A session in the struct is wiped when another one is imported over it. */
static void test_import_wipes(void **state)
{
    unsigned char session[4096];
    struct client *c = new_client();
    size_t size;
    (void)state;
    open_client(c);
    assert_int_equal(fetch(c, HOST, openssl.port, "/"), OSB_OK);
    size = osb_mbedtls_session_export(&c->tls, session, sizeof session);
    hang_up(c);
    assert_int_equal(fetch(c, "127.0.0.1", openssl.port, "/"), OSB_OK);
    look_for(0, "the session's master secret", c->tls.session.master, 48);
    assert_true(osb_mbedtls_session_import(&c->tls, session, size));
    assert_memory_not_equal(c->tls.session.master, needles[0].data, 48);
    hang_up(c);
    if (found != NULL) fail_msg("given back, but not wiped: %s", found);
    free_client(c);
}

#define WIPE_TEST(name) cmocka_unit_test_teardown(name, forget_needles)
static const struct CMUnitTest tests[] = {
    WIPE_TEST(test_search),
    WIPE_TEST(test_wiped),
    WIPE_TEST(test_import_wipes),
};
RUN_IN_BOTH_MODES(tests, start_servers, stop_servers)
