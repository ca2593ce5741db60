/* What the end-to-end suites share: a client of each kind, and a sandbox on the dev server.

   Every test runs once for each variant: blocking and poll mode, the least buffer and a roomy one,
   directly and through the server's proxy. A suite is a program that includes this file first;
   tools/with-devserver.sh tells it where the server is. */
#ifndef OSB_TESTS_E2E_H
#define OSB_TESTS_E2E_H

#define OPENSANDBOX_IMPLEMENTATION
#include "port/osb_posix.h"
#ifdef E2E_TLS /* the dev server speaks TLS */
#include "port/osb_mbedtls.h"
#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct variant {
    const char *name;
    bool poll_mode;
    bool use_server_proxy;
    size_t memory_size;
};

/* What is enough to create, run and kill; the other calls want 2 KB, and so their suites. */
#ifndef LEAST_MEMORY
#define LEAST_MEMORY 1024
#endif

static const struct variant variants[] = {
    {"blocking, least buffer", false, false, LEAST_MEMORY},
    {"poll mode, least buffer", true, false, LEAST_MEMORY},
    {"blocking, proxy, 4 KB", false, true, 4096},
    {"poll mode, proxy, 2 KB", true, true, 2048},
};

/* The variant that the tests run in at present. */
static const struct variant *variant;

/* A client with a connection of its own, and a sandbox if the test asked for one. */
struct fixture {
    osb_posix tcp; /* first: the port's context is the fixture */
    osb_port_ops ops;
#ifdef E2E_TLS
    osb_mbedtls tls;
    osb_mbedtls_options secure;
#endif
    unsigned connections; /* how many have been made */
    osb_config config;
    osb_client client;
    osb_sandbox box;
    bool has_box;
};

static inline void sleep_ms(long ms)
{
    struct timespec time;
    time.tv_sec = ms / 1000;
    time.tv_nsec = ms % 1000 * 1000000;
    nanosleep(&time, NULL);
}

/* ---- calls -----------------------------------------------------------------------------------*/

static inline void wait_for(const struct fixture *f)
{
    struct pollfd fds[OSB_POSIX_ADDRESSES];
    osb_wait wait;
    int timeout = -1;
    size_t count;
    osb_want(&f->client, &wait);
    count = osb_posix_pollfds(&f->tcp, &wait, fds, &timeout);
    poll(fds, (nfds_t)count, timeout);
}

/* A call's status, in poll mode after all the polling that it takes. */
static inline osb_status done(struct fixture *f, osb_status status)
{
    assert_true(variant->poll_mode || status != OSB_PENDING);
    while (status == OSB_PENDING) {
        wait_for(f);
        status = osb_poll(&f->client);
    }
    return status;
}

static inline const char *error_text(const struct fixture *f)
{
    static char text[1024];
    osb_error_text(&f->client, text, sizeof text);
    return text;
}

static inline void expect_status(struct fixture *f, osb_status status, osb_status expected,
                                 int line)
{
    status = done(f, status);
    if (status == expected) return;
    fail_msg("line %d: %s instead of %s: %s", line, osb_status_name(status),
             osb_status_name(expected), error_text(f));
}

/* Makes a call and expects a status of it. */
#define EXPECT(status, f, call) expect_status((f), (call), (status), __LINE__)
#define OK(f, call) EXPECT(OSB_OK, f, call)

/* ---- fixtures --------------------------------------------------------------------------------*/

static inline int counting_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    struct fixture *f = (struct fixture *)ctx;
    int io = osb__posix_connect(&f->tcp, host, port, tls);
    if (io == 0) f->connections++;
    return io;
}

/* Memory of exactly the size that is tested, so that the sanitizers see what lies beyond. */
static inline void init_client(struct fixture *f)
{
    osb_port port = osb_posix_port(&f->tcp);
    f->ops = *port.ops;
    f->ops.connect = counting_connect;
    port.ops = &f->ops;
    f->config.port = port;
#ifdef E2E_TLS
    osb_mbedtls_options_from_env(&f->secure);
    f->config.port = osb_mbedtls_port(&f->tls, port, &f->secure);
#endif
    f->config.memory_size = variant->memory_size;
    f->config.memory = malloc(f->config.memory_size);
    f->config.poll_mode = variant->poll_mode;
    f->config.use_server_proxy = variant->use_server_proxy;
    osb_posix_config_from_env(&f->config);
    if (f->config.domain == NULL) fail_msg("run me by tools/with-devserver.sh");
    assert_int_equal(osb_client_init(&f->client, &f->config), OSB_OK);
}

static inline int setup_client(void **state)
{
    struct fixture *f = (struct fixture *)calloc(1, sizeof *f);
    *state = f;
    init_client(f);
    return 0;
}

/* Creates the fixture's sandbox; with a test hook of the dev server, if there is one. */
static inline void create_box(struct fixture *f, const char *hook, const char *value)
{
    osb_create_options options;
    osb_pair extension;
    memset(&options, 0, sizeof options);
    extension.name = hook;
    extension.value = value;
    options.image = "python:3.12";
    options.extensions = &extension;
    options.extension_count = hook != NULL ? 1 : 0;
    OK(f, osb_sandbox_create(&f->client, &options, &f->box));
    f->has_box = true;
}

static inline int setup_box(void **state)
{
    setup_client(state);
    create_box((struct fixture *)*state, NULL, NULL);
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_status status = OSB_OK;
    if (f->has_box) status = done(f, osb_sandbox_kill(&f->box));
    osb_client_close(&f->client);
#ifdef E2E_TLS
    osb_mbedtls_free(&f->tls);
#endif
    free(f->config.memory);
    free(f);
    return status == OSB_OK || status == OSB_E_NOT_FOUND ? 0 : -1;
}

/* ---- commands --------------------------------------------------------------------------------*/

/* What a command wrote and how it ended. */
struct outcome {
    osb_execution run;
    osb_capture out, err;
    char out_text[8192], err_text[8192];
};

static inline void init_outcome(struct outcome *o, osb_handlers *handlers)
{
    memset(o, 0, sizeof *o);
    o->out.data = o->out_text;
    o->out.size = sizeof o->out_text;
    o->err.data = o->err_text;
    o->err.size = sizeof o->err_text;
    handlers->capture_stdout = &o->out;
    handlers->capture_stderr = &o->err;
}

static inline void run_command(struct fixture *f, const osb_command *command, struct outcome *o)
{
    osb_handlers handlers;
    memset(&handlers, 0, sizeof handlers);
    init_outcome(o, &handlers);
    OK(f, osb_command_run(&f->box, command, &handlers, &o->run));
    assert_true(o->run.ended);
}

static inline void run_text(struct fixture *f, const char *text, struct outcome *o)
{
    osb_command command;
    memset(&command, 0, sizeof command);
    command.command = text;
    run_command(f, &command, o);
}

static inline void expect_exit_code(const struct outcome *o, int code)
{
    assert_true(o->run.exit_code.set);
    assert_int_equal(o->run.exit_code.value, code);
}

/* ---- suites ----------------------------------------------------------------------------------*/

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, setup_client, teardown)
#define BOX_TEST(name) cmocka_unit_test_setup_teardown(name, setup_box, teardown)

/* Runs a suite's tests in every variant; a program's whole main. `before` and `after` may be NULL. */
#define RUN_IN_ALL_VARIANTS(tests, before, after)                                                  \
    int main(void)                                                                                 \
    {                                                                                              \
        int failed = 0;                                                                            \
        for (variant = variants; variant < variants + sizeof variants / sizeof *variants;          \
             variant++)                                                                            \
            failed += cmocka_run_group_tests_name(variant->name, tests, before, after);            \
        return failed;                                                                             \
    }

#endif
