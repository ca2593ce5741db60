/* What a call fills in is zero where the answer does not tell, whatever was there before. */
#include "tests/support/unit.h"

/* The whole output is overwritten, then the server refuses the call. */
#define WIPED(type, begin, call)                                                                   \
    do {                                                                                           \
        static const type zero;                                                                    \
        type out;                                                                                  \
        bench b;                                                                                   \
        memset(&out, 0xee, sizeof out);                                                            \
        bench_begin(&b, 1024);                                                                     \
        begin(&b);                                                                                 \
        bench_answer(&b, "HTTP/1.1 500 E\r\nContent-Length: 0\r\n\r\n");                           \
        assert_int_equal(call, OSB_E_API);                                                         \
        assert_memory_equal(&out, &zero, sizeof out);                                              \
        bench_end(&b);                                                                             \
    } while (0)

static const osb_pair pair = {"a", "b"};

static void test_lifecycle(void **state)
{
    osb_create_options options = {0};
    (void)state;
    options.image = "a";
    WIPED(osb_sandbox_info, bench_lifecycle, osb_lifecycle_create(&b.client, &options, NULL, &out));
    WIPED(osb_sandbox_info, bench_lifecycle, osb_lifecycle_get(&b.client, "x", NULL, &out));
    WIPED(osb_sandbox_page, bench_lifecycle, osb_lifecycle_list(&b.client, NULL, NULL, &out));
    WIPED(osb_sandbox_page, bench_lifecycle, osb_lifecycle_list_all(&b.client, NULL, NULL, &out));
    WIPED(osb_sandbox_info, bench_lifecycle,
          osb_lifecycle_patch_metadata(&b.client, "x", &pair, 1, NULL, &out));
    WIPED(osb_str, bench_lifecycle, osb_lifecycle_renew(&b.client, "x", 60, &out));
    WIPED(osb_endpoint, bench_lifecycle, osb_lifecycle_endpoint(&b.client, "x", 80, NULL, &out));
}

static void test_snapshots_and_pools(void **state)
{
    static const osb_pool_capacity capacity = {4, 3, 2, 1};
    static const osb_pool_options pool = {"x", "{}", &capacity};
    (void)state;
    WIPED(osb_snapshot, bench_lifecycle, osb_snapshot_create(&b.client, "x", "n", &out));
    WIPED(osb_snapshot_page, bench_lifecycle, osb_snapshot_list(&b.client, NULL, NULL, NULL, &out));
    WIPED(osb_diagnosis, bench_lifecycle,
          osb_diagnostics_logs(&b.client, "x", "container", NULL, &out));
    WIPED(osb_pool, bench_lifecycle, osb_pool_create(&b.client, &pool, &out));
    WIPED(osb_pool, bench_lifecycle, osb_pool_get(&b.client, "x", &out));
    WIPED(osb_pool, bench_lifecycle, osb_pool_update(&b.client, "x", &capacity, &out));
}

static void test_execd(void **state)
{
    static const osb_isolated_options options;
    (void)state;
    WIPED(osb_execution, bench_execd, bench_run(&b, NULL, &out));
    WIPED(osb_command_state, bench_execd, osb_command_status(&b.box, "x", NULL, NULL, &out));
    WIPED(osb_command_state, bench_execd, osb_command_wait(&b.box, "x", NULL, &out));
    WIPED(osb_session, bench_execd, osb_session_create(&b.box, NULL, &out));
    WIPED(osb_file_info, bench_execd, osb_file_get_info(&b.box, "/a", &out));
    WIPED(osb_metrics, bench_execd, osb_metrics_get(&b.box, &out));
    WIPED(osb_pty, bench_execd, osb_pty_create(&b.box, NULL, NULL, &out));
    WIPED(osb_pty_state, bench_execd, osb_pty_get(&b.box, "x", &out));
    WIPED(osb_isolation, bench_execd, osb_isolated_capabilities(&b.box, &out));
    WIPED(osb_isolated_session, bench_execd, osb_isolated_create(&b.box, &options, &out));
    WIPED(osb_isolated_info, bench_execd, osb_isolated_get(&b.box, "x", NULL, &out));
}

/* These may be asked with their own output's id, which stays. */
static void test_all_but_the_id(void **state)
{
    osb_snapshot snapshot;
    osb_code_context context;
    bench b;
    (void)state;
    memset(&snapshot, 0xee, sizeof snapshot);
    memset(&context, 0xee, sizeof context);
    strcpy(snapshot.id, "s-1");
    strcpy(context.id, "c-1");
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, "{\"id\":\"s-1\"}");
    bench_execd_answers(&b, "{\"id\":\"c-1\"}");
    assert_int_equal(osb_snapshot_get(&b.client, snapshot.id, &snapshot), OSB_OK);
    assert_string_equal(snapshot.id, "s-1");
    assert_null(snapshot.sandbox_id.data);
    assert_null(snapshot.name.data);
    assert_null(snapshot.state.data);
    assert_null(snapshot.created_at.data);
    assert_int_equal(osb_code_context_get(&b.box, context.id, &context), OSB_OK);
    assert_string_equal(context.id, "c-1");
    assert_null(context.cwd.data);
    assert_string_equal(context.language, "");
    bench_end(&b);
}

/* An egress sidecar at egress.example:18080. */
static osb_egress *egress_of(bench *b)
{
    static osb_egress egress;
    memset(&egress, 0, sizeof egress);
    egress.client = &b->client;
    strcpy(egress.endpoint.address, "egress.example:18080");
    return &egress;
}

static void begin_egress(bench *b)
{
    script_connect(&b->port, "egress.example", 18080);
}

static void test_egress(void **state)
{
    (void)state;
    WIPED(osb_policy_status, begin_egress, osb_egress_get_policy(egress_of(&b), NULL, NULL, &out));
    WIPED(osb_credential_info, begin_egress, osb_vault_get_credential(egress_of(&b), "x", &out));
    WIPED(osb_binding_info, begin_egress, osb_vault_get_binding(egress_of(&b), "x", NULL, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lifecycle), cmocka_unit_test(test_snapshots_and_pools),
        cmocka_unit_test(test_execd),     cmocka_unit_test(test_all_but_the_id),
        cmocka_unit_test(test_egress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
