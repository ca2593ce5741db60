/* As much of cmocka as the unit and replay suites use, in one header: for machines for which there is
   no cmocka package, and for MSan, which wants every function to be compiled its way. TAP output. */
#ifndef TESTS_CROSS_CMOCKA_H
#define TESTS_CROSS_CMOCKA_H

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

struct CMUnitTest {
    const char *name;
    void (*test_func)(void **state);
    int (*setup_func)(void **state);
    int (*teardown_func)(void **state);
    void *initial_state;
};

static jmp_buf cmocka_leave;

static inline void cmocka_check(int holds, const char *file, int line, const char *what)
{
    if (holds) return;
    printf("# %s:%d: %s\n", file, line, what);
    longjmp(cmocka_leave, 1);
}

static inline void cmocka_check_text(int equal, const char *a, const char *b, const char *file,
                                     int line)
{
    if (!equal) printf("# \"%s\" != \"%s\"\n", a, b);
    cmocka_check(equal, file, line, "texts differ");
}

static inline void cmocka_check_number(long long a, long long b, const char *file, int line)
{
    if (a != b) printf("# %lld != %lld\n", a, b);
    cmocka_check(a == b, file, line, "numbers differ");
}

#define assert_true(c) cmocka_check((c) ? 1 : 0, __FILE__, __LINE__, #c)
#define assert_false(c) cmocka_check((c) ? 0 : 1, __FILE__, __LINE__, "not " #c)
#define assert_non_null(p) cmocka_check((p) != NULL, __FILE__, __LINE__, #p " is NULL")
#define assert_null(p) cmocka_check((p) == NULL, __FILE__, __LINE__, #p " is not NULL")
#define assert_ptr_equal(a, b) cmocka_check((a) == (b), __FILE__, __LINE__, #a " != " #b)
#define assert_ptr_not_equal(a, b) cmocka_check((a) != (b), __FILE__, __LINE__, #a " == " #b)
#define assert_string_not_equal(a, b)                                                              \
    cmocka_check(strcmp(a, b) != 0, __FILE__, __LINE__, #a " equals " #b)
#define assert_int_equal(a, b)                                                                     \
    cmocka_check_number((long long)(a), (long long)(b), __FILE__, __LINE__)
#define assert_int_not_equal(a, b)                                                                 \
    cmocka_check((long long)(a) != (long long)(b), __FILE__, __LINE__, #a " == " #b)
#define assert_in_range(v, low, high)                                                              \
    cmocka_check((v) >= (low) && (v) <= (high), __FILE__, __LINE__, #v " is out of range")
#define assert_string_equal(a, b) cmocka_check_text(strcmp(a, b) == 0, a, b, __FILE__, __LINE__)
#define assert_memory_equal(a, b, size)                                                            \
    cmocka_check(memcmp(a, b, size) == 0, __FILE__, __LINE__, #a " differs from " #b)
#define fail() cmocka_check(0, __FILE__, __LINE__, "failed")
#define fail_msg(...) (printf("# " __VA_ARGS__), cmocka_check(0, __FILE__, __LINE__, "failed"))
#define print_error(...) ((void)fprintf(stderr, __VA_ARGS__))
#define print_message(...) ((void)fprintf(stdout, __VA_ARGS__))

#define cmocka_name(text) #text
#define cmocka_unit_test(function)                                                                 \
    {                                                                                              \
        cmocka_name(function), function, NULL, NULL, NULL                                          \
    }

static inline int _cmocka_run_group_tests(const char *name, const struct CMUnitTest *tests,
                                          size_t count, int (*setup)(void **),
                                          int (*teardown)(void **))
{
    volatile int failed = 0;
    volatile size_t i;
    (void)name;
    (void)setup;
    (void)teardown;
    printf("1..%lu\n", (unsigned long)count);
    for (i = 0; i < count; i++) {
        void *state = tests[i].initial_state;
        int left = setjmp(cmocka_leave);
        if (left == 0) tests[i].test_func(&state);
        else failed++;
        printf("%s %lu - %s\n", left == 0 ? "ok" : "not ok", (unsigned long)i + 1, tests[i].name);
        fflush(stdout);
    }
    return failed;
}

#define cmocka_run_group_tests(tests, setup, teardown)                                             \
    _cmocka_run_group_tests(#tests, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)

#endif
