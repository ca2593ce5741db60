/* A vault's secrets leave nothing behind: not in the client, not in its buffer, not on the stack,
   whatever becomes of the call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"

/* What lies on a dead part of the stack may be looked at here. */
#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif
#ifndef VALGRIND_MAKE_MEM_DEFINED
#define VALGRIND_MAKE_MEM_DEFINED(at, size) ((void)0)
#endif
#if defined(__clang__)
#define UNCHECKED __attribute__((noinline, no_sanitize("memory", "address", "undefined")))
#else
#define UNCHECKED __attribute__((noinline))
#endif

/* ---- the secret, and how it is looked for ----------------------------------------------------*/

/* Blocks of six characters, each of them its own: of whatever eleven there are, some are MARK. */
#define BLOCKS 600
#define MARK "zQ0"
static char secret[6 * BLOCKS + 1];

static void make_secret(void)
{
    unsigned i;
    for (i = 0; i < BLOCKS; i++) snprintf(secret + 6 * i, 7, "zQ0%03x", i);
}

/* What the calls may use of the stack, sanitizers' share included, and what is kept free above. */
#define STACK_SIZE 65536
#define MARGIN 2048

UNCHECKED static bool has_mark(const volatile unsigned char *at, size_t size)
{
    size_t i;
    for (i = 0; i + 3 <= size; i++)
        if (at[i] == MARK[0] && at[i + 1] == MARK[1] && at[i + 2] == MARK[2]) return true;
    return false;
}

/* The same place on the stack for all three: painted, used by a call, and looked at. */
UNCHECKED static void paint_stack(void)
{
    unsigned char area[STACK_SIZE];
    volatile unsigned char *volatile at = area;
    size_t i;
    for (i = 0; i < sizeof area; i++) at[i] = 0xa5;
}

UNCHECKED static bool stack_has_mark(void)
{
    unsigned char area[STACK_SIZE];
    volatile unsigned char *volatile at = area;
    VALGRIND_MAKE_MEM_DEFINED(area, sizeof area);
    return has_mark(at, sizeof area);
}

typedef struct attempt attempt;

UNCHECKED static osb_status below(osb_status (*call)(attempt *a), attempt *a)
{
    volatile unsigned char margin[MARGIN];
    osb_status status;
    margin[0] = 1;
    status = call(a);
    if (margin[0] != 1) abort(); /* it is here until then */
    return status;
}

/* ---- a port that can fail at each of its calls ------------------------------------------------*/

typedef enum fault {
    NONE,
    FAILS,    /* this call fails, and so do all that follow */
    CLOSES,   /* the same, in good order */
    STALLS,   /* this call and all that follow say "try later" */
    EARLY,    /* sends say it from then on: the answer is there before the request is */
    CANCELS,  /* osb_cancel is called from within */
    GIVEN_UP, /* poll mode: the client is closed after it */
    FAULTS
} fault;

struct attempt {
    osb_client client;
    osb_egress egress;
    osb_endpoint execd;
    unsigned char *memory;
    size_t memory_size;
    /* the port */
    osb_port_ops ops;
    const char *answer, *next_answer;
    size_t answered, sent;
    uint32_t now_ms;
    unsigned calls, at; /* port calls so far; which one goes wrong */
    fault fault;
    bool marked; /* the secret was among what was sent */
};

/* 1: goes on as if nothing were; else what the port's call returns. */
static int step(attempt *a, int later)
{
    a->now_ms++;
    if (a->calls++ < a->at || a->fault == NONE) return 1;
    if (a->fault == FAILS) return OSB_IO_FAILED;
    if (a->fault == CLOSES) return OSB_IO_CLOSED;
    if (a->fault == STALLS) return later;
    if (a->fault == CANCELS) osb_cancel(&a->client);
    return 1;
}

static int port_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    attempt *a = (attempt *)ctx;
    int io = step(a, OSB_IO_WANT_WRITE);
    (void)host;
    (void)port;
    (void)tls;
    a->answered = 0;
    return io == 1 ? 0 : io == OSB_IO_CLOSED ? OSB_IO_FAILED : io;
}

static int port_send(void *ctx, const void *data, size_t size)
{
    attempt *a = (attempt *)ctx;
    int io = step(a, OSB_IO_WANT_WRITE);
    if (io != 1) return io == OSB_IO_CLOSED ? OSB_IO_FAILED : io;
    if (a->fault == EARLY && a->calls > a->at && a->sent > 0) return OSB_IO_WANT_WRITE;
    if (size > 300) size = 300; /* windows are cut, too */
    a->marked = a->marked || has_mark((const unsigned char *)data, size);
    a->sent += size;
    return (int)size;
}

static int port_recv(void *ctx, void *data, size_t size)
{
    attempt *a = (attempt *)ctx;
    size_t left = strlen(a->answer) - a->answered;
    int io = step(a, OSB_IO_WANT_READ);
    if (io != 1) return io;
    if (size > 100) size = 100;
    if (size > left) size = left;
    memcpy(data, a->answer + a->answered, size);
    a->answered += size;
    if (left > 0 && size == left && a->next_answer != NULL) {
        a->answer = a->next_answer;
        a->answered = 0;
        a->next_answer = NULL;
    }
    return size > 0 ? (int)size : OSB_IO_WANT_READ;
}

static void port_close(void *ctx)
{
    (void)ctx;
}

static uint32_t port_now_ms(void *ctx)
{
    return ((attempt *)ctx)->now_ms;
}

static void port_wait(void *ctx, unsigned want, uint32_t timeout_ms)
{
    (void)want;
    ((attempt *)ctx)->now_ms += timeout_ms > 0 ? timeout_ms : 1;
}

/* ---- an attempt ------------------------------------------------------------------------------*/

#define CREATED                                                                                    \
    "HTTP/1.1 201 Created\r\nContent-Length: 92\r\n\r\n"                                           \
    "{\"revision\":1,\"credentials\":[{\"name\":\"t\",\"sourceType\":\"inline\",\"revision\":1}]," \
    "\"bindings\":[]}"
#define REFUSED                                                                                    \
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nblanked\n"
#define NOT_THIS_WAY "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 3\r\n\r\nno\n"

static void begin(attempt *a, size_t memory_size, const char *answer)
{
    osb_config config;
    memset(a, 0, sizeof *a);
    memset(&config, 0, sizeof config);
    a->answer = answer;
    a->memory_size = memory_size;
    a->memory = (unsigned char *)malloc(memory_size);
    assert_non_null(a->memory);
    memset(a->memory, 0xa5, memory_size);
    a->ops.connect = port_connect;
    a->ops.send = port_send;
    a->ops.recv = port_recv;
    a->ops.close = port_close;
    a->ops.now_ms = port_now_ms;
    a->ops.wait = port_wait;
    config.port.ops = &a->ops;
    config.port.ctx = a;
    config.memory = a->memory;
    config.memory_size = memory_size;
    config.domain = "api.example:8080";
    config.poll_mode = true;
    assert_int_equal(osb_client_init(&a->client, &config), OSB_OK);
    a->egress.client = &a->client;
    a->egress.execd = &a->execd;
    strcpy(a->egress.endpoint.address, "egress.example:18080");
    strcpy(a->execd.address, "execd.example:44772");
}

static int stop_at_credential(void *user, const osb_credential_info *credential)
{
    (void)credential;
    return *(const bool *)user;
}

static const osb_credential credentials[] = {{"first", "zQ0fff"}, {"t", secret}};

static osb_status create_vault(attempt *a)
{
    osb_vault_content content = {credentials, 2, NULL, 0};
    osb_status status = osb_vault_create(&a->egress, &content, NULL, NULL);
    while (status == OSB_PENDING) {
        osb_wait wait;
        osb_want(&a->client, &wait);
        if (!wait.now) port_wait(a, 0, wait.timeout_ms);
        status = osb_poll(&a->client);
        if (a->fault == GIVEN_UP && a->calls > a->at) {
            osb_client_close(&a->client);
            return OSB_E_CANCELLED;
        }
    }
    return status;
}

static osb_status patch_vault(attempt *a)
{
    osb_credential_changes changed = {credentials, 1, credentials + 1, 1, NULL, 0};
    osb_vault_changes changes = {{true, 1}, &changed, NULL};
    bool stop = true;
    osb_vault_handlers handlers = {&stop, NULL, stop_at_credential, NULL};
    osb_status status = osb_vault_patch(&a->egress, &changes, &handlers, NULL);
    while (status == OSB_PENDING) {
        port_wait(a, 0, 1);
        status = osb_poll(&a->client);
    }
    return status;
}

static osb_status blocking_create(attempt *a)
{
    osb_vault_content content = {credentials, 2, NULL, 0};
    a->client.config.poll_mode = false;
    return osb_vault_create(&a->egress, &content, NULL, NULL);
}

static bool looking;

/* Makes a call and looks for what it has left behind. */
static osb_status try_it(attempt *a, osb_status (*call)(attempt *a))
{
    osb_status status;
    paint_stack();
    status = below(call, a);
    if (!looking) return status;
    if (stack_has_mark()) fail_msg("on the stack: port call %u, fault %d", a->at, (int)a->fault);
    if (has_mark(a->memory, a->memory_size))
        fail_msg("in the buffer: port call %u, fault %d, %s", a->at, (int)a->fault,
                 osb_status_name(status));
    if (has_mark((const unsigned char *)&a->client, sizeof a->client)) fail_msg("in the client");
    return status;
}

static void end(attempt *a)
{
    osb_client_close(&a->client);
    free(a->memory);
}

/* ---- tests -----------------------------------------------------------------------------------*/

static osb_status leave_it(attempt *a)
{
    volatile char copy[64];
    size_t i;
    (void)a;
    for (i = 0; i < sizeof copy; i++) copy[i] = secret[i];
    return copy[1] == MARK[1] ? OSB_OK : OSB_E_INVALID;
}

/* The search finds what there is. */
static void test_the_search(void **state)
{
    (void)state;
    paint_stack();
    assert_false(stack_has_mark());
    assert_int_equal(below(leave_it, NULL), OSB_OK);
    assert_true(stack_has_mark());
    assert_true(has_mark((const unsigned char *)secret + 1, 11));
}

static const size_t sizes[] = {1024, 2048, 4096, 16384};

static void test_success(void **state)
{
    size_t i;
    (void)state;
    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        attempt a;
        begin(&a, sizes[i], CREATED);
        assert_int_equal(try_it(&a, create_vault), OSB_OK);
        assert_true(a.marked);
        assert_true(a.sent > sizeof secret);
        end(&a);
        begin(&a, sizes[i], CREATED);
        assert_int_equal(try_it(&a, blocking_create), OSB_OK);
        end(&a);
    }
}

static void test_refused(void **state)
{
    attempt a;
    (void)state;
    begin(&a, 2048, REFUSED);
    assert_int_equal(try_it(&a, create_vault), OSB_E_API);
    assert_true(a.marked);
    end(&a);
}

static void test_by_way_of_execd(void **state)
{
    attempt a;
    (void)state;
    begin(&a, 2048, NOT_THIS_WAY);
    assert_int_equal(try_it(&a, create_vault), OSB_E_API);
    end(&a);
    begin(&a, 2048, NOT_THIS_WAY);
    a.next_answer = CREATED;
    a.egress.allow_execd_route = true;
    assert_int_equal(try_it(&a, create_vault), OSB_OK);
    assert_true(a.sent > 2 * sizeof secret);
    end(&a);
}

static void test_handler_stops(void **state)
{
    attempt a;
    (void)state;
    begin(&a, 2048, CREATED);
    assert_int_equal(try_it(&a, patch_vault), OSB_E_CANCELLED);
    assert_true(a.marked);
    end(&a);
}

/* Each fault at each call of the port, in both modes. */
static void test_each_fault_everywhere(void **state)
{
    int kind;
    size_t i;
    unsigned at, tried = 0;
    (void)state;
    for (i = 0; i < 3; i++)
        for (kind = FAILS; kind < FAULTS; kind++)
            for (at = 0;; at++) {
                bool polling = at % 2 == 0 || kind == GIVEN_UP;
                osb_status status;
                unsigned calls;
                attempt a;
                begin(&a, sizes[i], NOT_THIS_WAY);
                a.next_answer = CREATED;
                a.egress.allow_execd_route = true;
                a.fault = (fault)kind;
                a.at = at;
                status = try_it(&a, polling ? create_vault : blocking_create);
                calls = a.calls;
                end(&a);
                tried++;
                if (calls <= at) break; /* it was over before */
                if (status == OSB_OK && kind != CANCELS && kind != EARLY)
                    fail_msg("no fault at %u", at);
            }
    assert_in_range(tried, 300, 100000);
}

/* A function of another library that is called for the first time is looked up first, and the
   linker then saves all registers on the stack, whatever still stands in them. So all calls are
   made once before. */
static void test_everything_once(void **state)
{
    test_success(state);
    test_refused(state);
    test_by_way_of_execd(state);
    test_handler_stops(state);
    test_each_fault_everywhere(state);
    looking = true;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_once),
        cmocka_unit_test(test_the_search),
        cmocka_unit_test(test_success),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_by_way_of_execd),
        cmocka_unit_test(test_handler_stops),
        cmocka_unit_test(test_each_fault_everywhere),
    };
    make_secret();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
