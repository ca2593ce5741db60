/* port/osb_proxy.h over real sockets, through a CONNECT proxy on loopback. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include "port/osb_proxy.h"
#include "tests/faults/server.h"
#include "tests/ports/connect_proxy.h"

/* ---- a client, a proxy and a server, in one thread -------------------------------------------*/

static server origin;
static connect_proxy between;
static uint32_t origin_clock_ms;
static const osb_port_ops *posix;

/* The two step while the client waits. */
static void step_both(void *ctx, unsigned want, uint32_t timeout_ms)
{
    if (connect_proxy_step(&between) || server_step(&origin)) return;
    posix->wait(ctx, want, timeout_ms < 1 ? timeout_ms : 1);
}

typedef struct scene {
    osb_posix tcp;
    osb_port_ops ops;
    osb_proxy proxy;
    osb_client client;
    osb_sandbox box;
    char domain[48];
    unsigned char memory[1024];
    char out[64];
    osb_capture capture;
} scene;

static void scene_begin(scene *s, osb_proxy_options options, bool poll_mode)
{
    osb_config config;
    osb_port under;
    memset(s, 0, sizeof *s);
    memset(&config, 0, sizeof config);
    connect_proxy_open(&between);
    server_open(&origin, &origin_clock_ms);
    under = osb_posix_port(&s->tcp);
    posix = under.ops;
    s->ops = *posix;
    s->ops.wait = step_both;
    under.ops = &s->ops;
    if (options.host == NULL) options.host = "127.0.0.1";
    if (options.port == 0) options.port = between.port;
    snprintf(s->domain, sizeof s->domain, "known-to-the-proxy.example:%u", origin.port);
    config.port = osb_proxy_port(&s->proxy, under, &options);
    config.memory = s->memory;
    config.memory_size = sizeof s->memory;
    config.domain = s->domain;
    config.api_key = "the-key";
    config.poll_mode = poll_mode;
    assert_int_equal(osb_client_init(&s->client, &config), OSB_OK);
    s->capture.data = s->out;
    s->capture.size = sizeof s->out;
}

static void scene_end(scene *s)
{
    osb_client_close(&s->client);
    connect_proxy_close(&between);
    server_close(&origin);
}

static osb_status finish(scene *s, osb_status status)
{
    while (status == OSB_PENDING) {
        osb_wait wait;
        osb_want(&s->client, &wait);
        if (!wait.now)
            step_both(&s->tcp,
                      (wait.read ? OSB_WANT_READ : 0u) | (wait.write ? OSB_WANT_WRITE : 0u),
                      wait.timeout_ms);
        status = osb_poll(&s->client);
    }
    return status;
}

static void expect_failure(scene *s, osb_status status, const char *why)
{
    char text[160];
    assert_int_equal(finish(s, status), OSB_E_CONNECT);
    snprintf(text, sizeof text, "proxy 127.0.0.1:%u: %s", s->proxy.options.port, why);
    assert_string_equal(osb_last_error(&s->client)->port_text, text);
}

/* ---- tests -----------------------------------------------------------------------------------*/

/* A call through the proxy, its answer cut at one place; returns how long all of it was. */
static size_t get_once(size_t cut_at, bool bytes, bool poll_mode)
{
    static const osb_proxy_options options;
    osb_sandbox_info info;
    size_t sent;
    scene s;
    scene_begin(&s, options, poll_mode);
    between.cut_at = cut_at;
    between.bytes = bytes;
    assert_int_equal(finish(&s, osb_lifecycle_get(&s.client, "7f", NULL, &info)), OSB_OK);
    assert_true(osb_str_equal(info.id, "7f"));
    assert_int_equal(finish(&s, osb_lifecycle_get(&s.client, "80", NULL, &info)), OSB_OK);
    assert_true(osb_str_equal(info.id, "80"));
    assert_int_equal(between.tunnels, 1);
    sent = between.sent;
    scene_end(&s);
    return sent;
}

static void split_at_every_offset(void **state)
{
    int mode;
    (void)state;
    for (mode = 0; mode < 2; mode++) {
        size_t size = get_once(0, false, mode == 1), at;
        for (at = 1; at < size; at++) assert_int_equal(get_once(at, false, mode == 1), size);
        assert_int_equal(get_once(0, true, mode == 1), size);
    }
}

static const route running[] = {
    {"POST /execd/command",
     1,
     9,
     {ANSWER(200, "{\"type\":\"init\",\"text\":\"0a1b\"}\n\n"
                  "{\"type\":\"stdout\",\"text\":\"hello\"}\n\n"
                  "{\"type\":\"execution_complete\",\"execution_time\":7}\n\n"),
      DONE}},
    {NULL, 0, 0, {DONE}},
};

/* All of it, with a login. The endpoint is another origin: it gets a tunnel of its own. */
static void create_run_kill(void **state)
{
    int mode;
    (void)state;
    for (mode = 0; mode < 2; mode++) {
        osb_proxy_options options = {NULL, "user", "pass", NULL, 0, false};
        osb_create_options create;
        osb_command command;
        osb_handlers handlers;
        osb_execution run;
        scene s;
        memset(&create, 0, sizeof create);
        memset(&command, 0, sizeof command);
        memset(&handlers, 0, sizeof handlers);
        scene_begin(&s, options, mode == 1);
        between.login = "Basic dXNlcjpwYXNz\r\n";
        origin.routes = running;
        create.image = "a:1";
        command.command = "echo hello";
        handlers.capture_stdout = &s.capture;
        assert_int_equal(finish(&s, osb_sandbox_create(&s.client, &create, &s.box)), OSB_OK);
        assert_string_equal(s.box.id, "made");
        assert_int_equal(finish(&s, osb_command_run(&s.box, &command, &handlers, &run)), OSB_OK);
        assert_string_equal(s.out, "hello\n");
        assert_int_equal(run.exit_code.value, 0);
        assert_true(run.exit_code.set);
        assert_int_equal(finish(&s, osb_sandbox_kill(&s.box)), OSB_OK);
        assert_int_equal(between.tunnels, 3);
        scene_end(&s);
    }
}

static void wrong_login(void **state)
{
    osb_proxy_options options = {NULL, "user", "word", NULL, 0, false};
    scene s;
    (void)state;
    scene_begin(&s, options, false);
    between.login = "Basic dXNlcjpwYXNz\r\n";
    expect_failure(&s, osb_server_health(&s.client), "refuses this login: HTTP 407");
    between.login = "Basic dXNlcjp3b3Jk\r\n";
    assert_int_equal(osb_server_health(&s.client), OSB_OK);
    scene_end(&s);
}

static void no_login(void **state)
{
    static const osb_proxy_options options;
    scene s;
    (void)state;
    scene_begin(&s, options, true);
    between.login = "Basic dXNlcjpwYXNz\r\n";
    expect_failure(&s, osb_server_health(&s.client), "wants a login: HTTP 407");
    scene_end(&s);
}

/* The proxy is there, the server is not. */
static void server_away(void **state)
{
    static const osb_proxy_options options;
    scene s;
    (void)state;
    scene_begin(&s, options, false);
    server_close(&origin);
    expect_failure(&s, osb_server_health(&s.client), "cannot reach the host: HTTP 502");
    server_open(&origin, &origin_clock_ms);
    scene_end(&s);
}

/* The server is there, the proxy is not. */
static void proxy_away(void **state)
{
    static const osb_proxy_options options;
    scene s;
    (void)state;
    scene_begin(&s, options, false);
    connect_proxy_close(&between);
    expect_failure(&s, osb_server_health(&s.client), "Connection refused");
    connect_proxy_open(&between);
    scene_end(&s);
}

static void past_the_proxy(void **state)
{
    osb_proxy_options options = {NULL, NULL, NULL, "127.0.0.1", 0, false};
    osb_ready_options ready;
    scene s;
    (void)state;
    memset(&ready, 0, sizeof ready);
    scene_begin(&s, options, false);
    assert_int_equal(osb_sandbox_connect(&s.client, "7f", &ready, &s.box), OSB_OK);
    assert_int_equal(osb_ping(&s.box), OSB_OK);
    assert_int_equal(between.tunnels, 1);
    scene_end(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(split_at_every_offset), cmocka_unit_test(create_run_kill),
        cmocka_unit_test(wrong_login),           cmocka_unit_test(no_login),
        cmocka_unit_test(server_away),           cmocka_unit_test(proxy_away),
        cmocka_unit_test(past_the_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
