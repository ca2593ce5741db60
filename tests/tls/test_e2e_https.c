/* A sandbox's whole life over HTTPS: the dev server, execd and the server's proxy, all behind TLS. */
#define E2E_TLS
#include "tests/e2e/e2e.h"

static void test_output(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct outcome o;
    run_text(f, "echo hello; echo oops >&2; exit 3", &o);
    assert_string_equal(o.out_text, "hello\n");
    assert_string_equal(o.err_text, "oops\n");
    expect_exit_code(&o, 3);
    run_text(f, "seq 1000", &o);
    assert_int_equal(o.out.length, 3893);
    expect_exit_code(&o, 0);
}

/* The lifecycle server and execd have one certificate, and the session of each is kept apart. */
static void test_two_origins(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    unsigned i;
    for (i = 0; i < 3; i++) {
        OK(f, osb_server_health(&f->client));
        OK(f, osb_ping(&f->box));
    }
}

/* A stream that breaks off is no end in good order, also behind TLS. */
static void expect_truncated(struct fixture *f, const char *hook)
{
    osb_command command;
    osb_execution run;
    create_box(f, hook, "100");
    memset(&command, 0, sizeof command);
    memset(&run, 0, sizeof run);
    command.command = "seq 1000";
    EXPECT(OSB_E_TRUNCATED, f, osb_command_run(&f->box, &command, NULL, &run));
    assert_false(run.exit_code.set);
    OK(f, osb_ping(&f->box));
}

static void test_stream_cut(void **state)
{
    expect_truncated((struct fixture *)*state, "devserver.stream-cut");
}

static void test_stream_reset(void **state)
{
    expect_truncated((struct fixture *)*state, "devserver.stream-reset");
}

static void test_wrong_authority(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_port inner = f->tls.inner;
    f->secure.ca_file = "build/tls/other-ca.pem";
    osb_mbedtls_free(&f->tls);
    osb_mbedtls_port(&f->tls, inner, &f->secure);
    EXPECT(OSB_E_CONNECT, f, osb_server_health(&f->client));
    assert_non_null(strstr(error_text(f), "unknown authority"));
}

/* http to a server that speaks TLS. */
static void test_without_tls(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    f->client.config.https = false;
    EXPECT(OSB_E_CLOSED, f, osb_server_health(&f->client));
    f->client.config.https = true;
    OK(f, osb_server_health(&f->client));
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(test_output),
    BOX_TEST(test_two_origins),
    CLIENT_TEST(test_stream_cut),
    CLIENT_TEST(test_stream_reset),
    CLIENT_TEST(test_wrong_authority),
    CLIENT_TEST(test_without_tls),
};
RUN_IN_ALL_VARIANTS(tests, NULL, NULL)
