/* The configuration macros that a program may define: here all that go together at once, each with
   another value than its default. What they leave out, and those of which each needs a program of its
   own, tests/cross/matrix.sh compiles. */
#include <stddef.h>
#include <stdint.h>

/* ---- what a platform without <string.h> and without the compiler's atomics brings -------------- */

typedef struct platform {
    unsigned copies, moves, sets, comparisons, loads, stores;
    uint8_t pretended; /* what a load says instead of the byte; 0: the byte */
} platform;
static platform platform_use;

static void *own_move(void *to, const void *from, size_t size)
{
    unsigned char *out = (unsigned char *)to;
    const unsigned char *in = (const unsigned char *)from;
    size_t i;
    platform_use.moves++;
    if ((uintptr_t)out <= (uintptr_t)in)
        for (i = 0; i < size; i++) out[i] = in[i];
    else
        for (i = size; i > 0; i--) out[i - 1] = in[i - 1];
    return to;
}

static void *own_copy(void *to, const void *from, size_t size)
{
    size_t i;
    platform_use.copies++;
    for (i = 0; i < size; i++) ((unsigned char *)to)[i] = ((const unsigned char *)from)[i];
    return to;
}

static void *own_set(void *to, int value, size_t size)
{
    size_t i;
    platform_use.sets++;
    for (i = 0; i < size; i++) ((unsigned char *)to)[i] = (unsigned char)value;
    return to;
}

static int own_compare(const void *a, const void *b, size_t size)
{
    const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;
    platform_use.comparisons++;
    for (; size > 0; size--, x++, y++)
        if (*x != *y) return *x < *y ? -1 : 1;
    return 0;
}

static uint8_t own_load(const volatile uint8_t *byte)
{
    platform_use.loads++;
    return platform_use.pretended != 0 ? platform_use.pretended : *byte;
}

static void own_store(volatile uint8_t *byte, uint8_t value)
{
    platform_use.stores++;
    *byte = value;
}

#define OSB_MEMCPY own_copy
#define OSB_MEMMOVE own_move
#define OSB_MEMSET own_set
#define OSB_MEMCMP own_compare
#define OSB_ATOMIC_LOAD(byte) own_load(byte)
#define OSB_ATOMIC_STORE(byte, value) own_store((byte), (uint8_t)(value))
#define OSB_STATIC
#define OSB_ID_SIZE 40
#define OSB_LANGUAGE_SIZE 24
#define OSB_ENDPOINT_SIZE 300
#define OSB_ENDPOINT_HEADERS_SIZE 120
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#ifdef _STRING_H /* glibc's, musl's, newlib's */
#error "opensandbox.h includes <string.h> though nothing of it is needed"
#endif

#include "tests/support/unit.h"

/* ---- tests ------------------------------------------------------------------------------------- */

static void test_memory_functions(void **state)
{
    osb_handlers handlers;
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    memset(&platform_use, 0, sizeof platform_use);
    handlers = recorder_handlers(&b.r);
    bench_stream(&b, BENCH_INIT "{\"type\":\"stdout\",\"text\":\"a\\u00e4\"}\n\n" BENCH_DONE);
    assert_int_equal(bench_run(&b, &handlers, &run), OSB_OK);
    assert_string_equal(run.id, "0a1b");
    assert_string_equal(b.r.output[0].data, "a\xc3\xa4\n");
    assert_true(platform_use.copies > 0 && platform_use.moves > 0 && platform_use.sets > 0 &&
                platform_use.comparisons > 0);
    bench_end(&b);
}

/* osb_cancel writes through the one, and the pending call reads through the other. */
static void test_atomics(void **state)
{
    bench b;
    (void)state;
    bench_begin_polling(&b, 1024);
    bench_execd(&b);
    script_request(&b.port);
    assert_int_equal(osb_ping(&b.box), OSB_PENDING);
    memset(&platform_use, 0, sizeof platform_use);
    osb_cancel(&b.client);
    assert_int_equal(platform_use.stores, 1);
    assert_int_equal(osb_poll(&b.client), OSB_E_CANCELLED);
    assert_true(platform_use.loads > 0);
    b.port.at = b.port.step_count;

    bench_execd(&b);
    script_request(&b.port);
    assert_int_equal(osb_ping(&b.box), OSB_PENDING);
    platform_use.pretended = 1;
    assert_int_equal(osb_poll(&b.client), OSB_E_CANCELLED);
    platform_use.pretended = 0;
    b.port.at = b.port.step_count;
    bench_end(&b);
}

/* An answer with a text that just fits into its array in a struct, with what else stands there; and
   one that is a byte longer. */
static void check_size(const char *before, const char *after, size_t array, size_t others,
                       osb_status (*call)(bench *b), const char *buffer)
{
    size_t more, n = strlen(before);
    for (more = 0; more < 2; more++) {
        size_t size = array - others + more;
        char json[600];
        bench b;
        bench_begin(&b, 1024);
        strcpy(json, before);
        memset(json + n, 'a', size);
        strcpy(json + n + size, after);
        bench_lifecycle_answers(&b, json);
        assert_int_equal(call(&b), more > 0 ? OSB_E_BUFFER : OSB_OK);
        if (more > 0) {
            assert_string_equal(osb_last_error(&b.client)->buffer, buffer);
            assert_int_equal(osb_last_error(&b.client)->needed, array + 1);
        }
        bench_end(&b);
    }
}

static osb_status get_snapshot(bench *b)
{
    osb_snapshot snapshot;
    assert_int_equal(sizeof snapshot.id, 40);
    return osb_snapshot_get(&b->client, "x", &snapshot);
}

static osb_status get_context(bench *b)
{
    osb_code_context context;
    assert_int_equal(sizeof context.language, 24);
    strcpy(b->box.execd.address, "api.example:8080");
    return osb_code_context_get(&b->box, "x", &context);
}

static osb_status get_endpoint(bench *b)
{
    osb_endpoint endpoint;
    assert_int_equal(sizeof endpoint.address, 300);
    assert_int_equal(sizeof endpoint.headers, 120);
    return osb_lifecycle_endpoint(&b->client, "x", 80, NULL, &endpoint);
}

static void test_sizes(void **state)
{
    static const char array[] = "a struct's array (OSB_..._SIZE)";
    (void)state;
    check_size("{\"sandboxId\":\"b\",\"id\":\"", "\"}", 40, 1, get_snapshot, array);
    check_size("{\"id\":\"c\",\"language\":\"", "\"}", 24, 1, get_context, array);
    check_size("{\"endpoint\":\"", "\"}", 300, 1, get_endpoint, array);
    /* a name of one byte, its NUL, the value's, and the list's end */
    check_size("{\"endpoint\":\"h\",\"headers\":{\"x\":\"", "\"}}", 120, 4, get_endpoint,
               "OSB_ENDPOINT_HEADERS_SIZE");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory_functions),
                                       cmocka_unit_test(test_atomics),
                                       cmocka_unit_test(test_sizes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
