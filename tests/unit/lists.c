/* What streams by and is handed out: to nobody, to handlers that may be missing, to one that says
   stop. Each call that hands out is here with an answer that has something to hand out. */
#include "tests/support/unit.h"

enum { NOBODY, NONE, STOP }; /* no handlers; handlers without functions; each function stops */

static unsigned called;

static int stop(void)
{
    called++;
    return 1;
}

/* ---- functions that stop -----------------------------------------------------------------------*/

#define STOPS(name, type)                                                                          \
    static int name(void *user, const type *item)                                                  \
    {                                                                                              \
        (void)user;                                                                                \
        (void)item;                                                                                \
        return stop();                                                                             \
    }
STOPS(on_entry, osb_entry)
STOPS(on_sandbox, osb_sandbox_info)
STOPS(on_snapshot, osb_snapshot)
STOPS(on_pool, osb_pool)
STOPS(on_context, osb_code_context)
STOPS(on_file, osb_file_info)
STOPS(on_replaced, osb_replaced)
STOPS(on_metrics, osb_metrics)
STOPS(on_session, osb_isolated_session)
STOPS(on_bind, osb_bind_info)
STOPS(on_rule, osb_rule_info)
STOPS(on_credential, osb_credential_info)
STOPS(on_binding, osb_binding_info)

static int on_data(void *user, const void *data, size_t size)
{
    (void)user;
    (void)data;
    assert_true(size > 0);
    return stop();
}

static int on_warning(void *user, osb_str warning)
{
    (void)user;
    assert_true(osb_str_equal(warning, "w"));
    return stop();
}

/* ---- calls -------------------------------------------------------------------------------------*/

static osb_status list_sandboxes(bench *b, int who)
{
    osb_info_handlers handlers = {0};
    osb_sandbox_page page;
    if (who == STOP) handlers.on_sandbox = on_sandbox;
    return osb_lifecycle_list_all(&b->client, NULL, who == NOBODY ? NULL : &handlers, &page);
}

static osb_status get_sandbox(bench *b, int who)
{
    osb_info_handlers handlers = {0};
    osb_sandbox_info info;
    if (who == STOP) handlers.on_entry = on_entry;
    return osb_lifecycle_get(&b->client, "x", who == NOBODY ? NULL : &handlers, &info);
}

static osb_status list_snapshots(bench *b, int who)
{
    osb_snapshot_page page;
    return osb_snapshot_list(&b->client, NULL, who == STOP ? on_snapshot : NULL, NULL, &page);
}

static osb_status list_all_snapshots(bench *b, int who)
{
    osb_snapshot_page page;
    return osb_snapshot_list_all(&b->client, NULL, who == STOP ? on_snapshot : NULL, NULL, &page);
}

static osb_status diagnose_text(bench *b, int who)
{
    osb_diagnosis_handlers handlers = {0};
    osb_diagnosis diagnosis;
    if (who == STOP) handlers.on_data = on_data;
    return osb_diagnostics_logs(&b->client, "x", "s", who == NOBODY ? NULL : &handlers, &diagnosis);
}

static osb_status diagnose_warnings(bench *b, int who)
{
    osb_diagnosis_handlers handlers = {0};
    osb_diagnosis diagnosis;
    if (who == STOP) handlers.on_warning = on_warning;
    return osb_diagnostics_events(&b->client, "x", "s", who == NOBODY ? NULL : &handlers,
                                  &diagnosis);
}

static osb_status report(bench *b, int who)
{
    return osb_diagnostics_report(&b->client, "x", who == NONE ? (osb_report)99 : OSB_REPORT_LOGS,
                                  NULL, who == STOP ? on_data : NULL, NULL);
}

static osb_status list_pools(bench *b, int who)
{
    return osb_pool_list(&b->client, who == STOP ? on_pool : NULL, NULL);
}

static osb_status list_contexts(bench *b, int who)
{
    return osb_code_context_list(&b->box, NULL, who == STOP ? on_context : NULL, NULL);
}

static osb_status list_directory(bench *b, int who)
{
    osb_list_options options = {{false, 0}, false};
    return osb_directory_list(&b->box, "/a", who == NONE ? &options : NULL,
                              who == STOP ? on_file : NULL, NULL);
}

static osb_status get_infos(bench *b, int who)
{
    static const char *const paths[] = {"/a"};
    return osb_file_get_infos(&b->box, paths, 1, who == STOP ? on_file : NULL, NULL);
}

static osb_status read_file(bench *b, int who)
{
    return osb_file_read(&b->box, "/a", NULL, who == STOP ? on_data : NULL, NULL, NULL);
}

static osb_status replace(bench *b, int who)
{
    static const osb_replacement replacement = {"/a", "b", "c"};
    return osb_file_replace(&b->box, &replacement, 1, who == STOP ? on_replaced : NULL, NULL);
}

static osb_status watch_metrics(bench *b, int who)
{
    return osb_metrics_watch(&b->box, who == STOP ? on_metrics : NULL, NULL);
}

static osb_status list_sessions(bench *b, int who)
{
    return osb_isolated_list(&b->box, who == STOP ? on_session : NULL, NULL);
}

static osb_status get_session(bench *b, int who)
{
    osb_isolated_handlers handlers = {0};
    osb_isolated_info info;
    if (who == STOP) handlers.on_entry = on_entry;
    return osb_isolated_get(&b->box, "x", who == NOBODY ? NULL : &handlers, &info);
}

static osb_status get_binds(bench *b, int who)
{
    osb_isolated_handlers handlers = {0};
    osb_isolated_info info;
    if (who == STOP) handlers.on_bind = on_bind;
    return osb_isolated_get(&b->box, "x", who == NOBODY ? NULL : &handlers, &info);
}

static osb_status diff(bench *b, int who)
{
    return osb_isolated_diff(&b->box, "x", who == STOP ? on_data : NULL, NULL);
}

static osb_status command_logs(bench *b, int who)
{
    uint64_t next;
    return osb_command_logs(&b->box, "x", 0, who == STOP ? on_data : NULL, NULL, &next);
}

static osb_status raw_request(bench *b, int who)
{
    static osb_request request;
    request.on_data = who == STOP ? on_data : NULL;
    return osb_endpoint_request(&b->client, &b->box.execd, &request, NULL);
}

static osb_egress egress_of(bench *b)
{
    osb_egress egress;
    memset(&egress, 0, sizeof egress);
    egress.client = &b->client;
    egress.endpoint = b->box.execd;
    egress.execd = &b->box.execd;
    return egress;
}

static osb_status get_policy(bench *b, int who)
{
    osb_egress egress = egress_of(b);
    osb_policy_status status;
    return osb_egress_get_policy(&egress, who == STOP ? on_rule : NULL, NULL,
                                 who == NOBODY ? NULL : &status);
}

static osb_status get_vault(bench *b, int who, osb_vault_handlers handlers)
{
    osb_egress egress = egress_of(b);
    osb_vault_handlers none = {0};
    uint32_t revision;
    if (who == STOP) none = handlers;
    return osb_vault_get(&egress, who == NOBODY ? NULL : &none, who == NOBODY ? NULL : &revision);
}

static osb_status get_credentials(bench *b, int who)
{
    osb_vault_handlers handlers = {0};
    handlers.on_credential = on_credential;
    return get_vault(b, who, handlers);
}

static osb_status get_bindings(bench *b, int who)
{
    osb_vault_handlers handlers = {0};
    handlers.on_binding = on_binding;
    return get_vault(b, who, handlers);
}

static osb_status get_vault_entries(bench *b, int who)
{
    osb_vault_handlers handlers = {0};
    handlers.on_entry = on_entry;
    return get_vault(b, who, handlers);
}

/* ---- all of them -------------------------------------------------------------------------------*/

#define VAULT                                                                                      \
    "{\"revision\":1,\"credentials\":[{\"name\":\"c\"}],\"bindings\":[{\"match\":{\"hosts\":"      \
    "[\"h\"]},\"name\":\"b\"}]}"
#define SESSION                                                                                    \
    "{\"extra_writable\":[\"/a\"],\"binds\":[{\"source\":\"/b\"}],\"status\":\"active\"}"

static const struct {
    const char *name;
    osb_status (*call)(bench *b, int who);
    bool execd;
    const char *answer;
} cases[] = {
    {"sandboxes", list_sandboxes, false, "{\"items\":[{\"id\":\"a\"}]}"},
    {"sandbox", get_sandbox, false, "{\"id\":\"a\",\"metadata\":{\"k\":\"v\"}}"},
    {"snapshots", list_snapshots, false, "{\"items\":[{\"id\":\"a\",\"sandboxId\":\"b\"}]}"},
    {"all snapshots", list_all_snapshots, false,
     "{\"items\":[{\"id\":\"a\",\"sandboxId\":\"b\"}]}"},
    {"diagnosis", diagnose_text, false, "{\"content\":\"text\"}"},
    {"warnings", diagnose_warnings, false, "{\"warnings\":[\"w\"]}"},
    {"report", report, false, "text"},
    {"pools", list_pools, false, "{\"items\":[{\"metadata\":{\"name\":\"p\"},\"name\":\"p\"}]}"},
    {"contexts", list_contexts, true, "[{\"id\":\"a\",\"language\":\"python\"}]"},
    {"directory", list_directory, true, "[{\"path\":\"/a\"}]"},
    {"infos", get_infos, true, "{\"/a\":{\"path\":\"/a\"}}"},
    {"read", read_file, true, "text"},
    {"replaced", replace, true, "{\"/a\":{\"replacedCount\":1}}"},
    {"sessions", list_sessions, true, "{\"sessions\":[{\"session_id\":\"a\"}]}"},
    {"session", get_session, true, SESSION},
    {"binds", get_binds, true, SESSION},
    {"diff", diff, true, "text"},
    {"logs", command_logs, true, "text"},
    {"request", raw_request, true, "text"},
    {"policy", get_policy, true,
     "{\"policy\":{\"egress\":[{\"action\":\"allow\",\"target\":\"a\"}]}}"},
    {"credentials", get_credentials, true, VAULT},
    {"bindings", get_bindings, true, VAULT},
    {"entries", get_vault_entries, true, VAULT},
};

static void test_handed_out(void **state)
{
    size_t i;
    int who;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (who = NOBODY; who <= STOP; who++) {
            osb_status status;
            bench b;
            called = 0;
            bench_begin(&b, 2048);
            if (cases[i].execd) bench_execd_answers(&b, cases[i].answer);
            else bench_lifecycle_answers(&b, cases[i].answer);
            status = cases[i].call(&b, who);
            if (status != (who == STOP ? OSB_E_CANCELLED : OSB_OK))
                print_error("%s, %d: %s\n", cases[i].name, who, osb_status_name(status));
            assert_int_equal(status, who == STOP ? OSB_E_CANCELLED : OSB_OK);
            assert_int_equal(called, who == STOP ? 1 : 0);
            bench_end(&b);
        }
}

/* The same with a stream that ends only when somebody says so, or breaks. */
static void test_metrics_watch(void **state)
{
    int who;
    (void)state;
    for (who = NOBODY; who <= STOP; who++) {
        bench b;
        called = 0;
        bench_begin(&b, 1024);
        bench_execd_answers(&b, BENCH_STREAM "data: {\"cpu_count\":1,\"timestamp\":5}\n\n");
        script_close(&b.port);
        assert_int_equal(watch_metrics(&b, who), who == STOP ? OSB_E_CANCELLED : OSB_E_TRUNCATED);
        assert_int_equal(called, who == STOP ? 1 : 0);
        bench_end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handed_out),
        cmocka_unit_test(test_metrics_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
