/* A program that uses jsmn itself, configured in its own way, and the library too: each must go on
   as if the other one were not there. The file that includes this has included jsmn.h before, or
   defines JSMN_CASE_AFTER so that it is included after the library. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* What none of it needs only takes time to compile. */
#define OSB_NO_ADMIN
#define OSB_NO_CREATE_EXTRAS
#define OSB_NO_BACKGROUND
#define OSB_NO_RAW_REQUEST
#define OSB_NO_ERROR_TEXT
#define OSB_NO_SNAPSHOTS
#define OSB_NO_DIAGNOSTICS
#define OSB_NO_POOLS
#define OSB_NO_SESSIONS
#define OSB_NO_CODE
#define OSB_NO_FILES
#define OSB_NO_METRICS
#define OSB_NO_PTY
#define OSB_NO_ISOLATED
#define OSB_NO_EGRESS
#define OSB_NO_VAULT
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#ifdef JSMN_CASE_AFTER
#include <jsmn.h>
#endif
#include "tests/support/scripted_port.h"

#ifdef JSMN_PARENT_LINKS
#define CASE_TOKEN_INTS 5
#else
#define CASE_TOKEN_INTS 4
#endif

/* The program's own settings are still the ones that it chose. */
static void test_own_settings(void **state)
{
    (void)state;
    assert_int_equal(sizeof(jsmntok_t), CASE_TOKEN_INTS * sizeof(int));
#ifdef JSMN_CASE_STRICT
#ifndef JSMN_STRICT
    fail();
#endif
#elif defined(JSMN_STRICT)
    fail();
#endif
#ifdef JSMN_CASE_STATIC
#ifndef JSMN_STATIC
    fail();
#endif
#elif defined(JSMN_STATIC)
    fail();
#endif
}

#ifndef JSMN_HEADER
static void test_own_parser(void **state)
{
    static const char json[] = "{\"a\":[1,\"b\"]}";
    jsmn_parser parser;
    jsmntok_t tokens[8];
    (void)state;
    jsmn_init(&parser);
    assert_int_equal(jsmn_parse(&parser, json, sizeof json - 1, tokens, 8), 5);
    assert_int_equal(tokens[0].type, JSMN_OBJECT);
    assert_int_equal(tokens[2].type, JSMN_ARRAY);
    assert_int_equal(tokens[2].size, 2);
    assert_int_equal(tokens[4].type, JSMN_STRING);
}
#endif

static void begin(osb_client *client, script_port *port)
{
    static unsigned char memory[1024];
    osb_config config = {0};
    script_begin(port);
    config.port = script_as_port(port);
    config.memory = memory;
    config.memory_size = sizeof memory;
    assert_int_equal(osb_client_init(client, &config), OSB_OK);
}

static void test_library(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 49\r\n\r\n"
                                 "{\"endpoint\":\"a.example\",\"headers\":{\"A\":\"\\u0062\"}}";
    osb_endpoint endpoint;
    osb_client client;
    script_port port;
    (void)state;
    begin(&client, &port);
    script_connect(&port, "localhost", 8080);
    script_request(&port);
    script_reply(&port, answer);
    assert_int_equal(osb_lifecycle_endpoint(&client, "7f", 80, NULL, &endpoint), OSB_OK);
    assert_string_equal(endpoint.address, "a.example");
    assert_memory_equal(endpoint.headers, "A\0b\0", 5);
    osb_client_close(&client);
    assert_null(script_complaint(&port));
    script_free(&port);
}

/* Without the texts of errors it is the status that tells. */
static void test_time_out(void **state)
{
    osb_endpoint endpoint;
    osb_client client;
    script_port port;
    (void)state;
    begin(&client, &port);
    script_add(&port, SCRIPT_STALL, "localhost", 9, 8080);
    assert_int_equal(osb_lifecycle_endpoint(&client, "7f", 80, NULL, &endpoint), OSB_E_TIMEOUT);
    assert_int_equal(osb_last_error(&client)->message.size, 0);
    osb_client_close(&client);
    assert_null(script_complaint(&port));
    script_free(&port);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_settings),
#ifndef JSMN_HEADER
        cmocka_unit_test(test_own_parser),
#endif
        cmocka_unit_test(test_library),
        cmocka_unit_test(test_time_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
