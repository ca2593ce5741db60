/* What calls fill in: zero where the answer does not tell, and nothing while the client is busy. */
#include "tests/support/unit.h"

static const osb_pair pair = {"a", "b"};

/* ---- zero ------------------------------------------------------------------------------------*/

/* The whole output is overwritten, then the server refuses the call. */
#define WIPED(type, begin, call)                                                                   \
    do {                                                                                           \
        static const type zero;                                                                    \
        type out;                                                                                  \
        bench b;                                                                                   \
        memset(&out, 0xee, sizeof out);                                                            \
        bench_begin(&b, 1024);                                                                     \
        begin(&b);                                                                                 \
        bench_answer(&b, BENCH_EMPTY("500 E"));                                                    \
        assert_int_equal(call, OSB_E_API);                                                         \
        assert_memory_equal(&out, &zero, sizeof out);                                              \
        bench_end(&b);                                                                             \
    } while (0)

static void test_zero_of_lifecycle(void **state)
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

static void test_zero_of_snapshots_and_pools(void **state)
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

static void test_zero_of_execd(void **state)
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
static void test_zero_but_the_id(void **state)
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

static void test_zero_of_egress(void **state)
{
    (void)state;
    WIPED(osb_policy_status, begin_egress, osb_egress_get_policy(egress_of(&b), NULL, NULL, &out));
    WIPED(osb_credential_info, begin_egress, osb_vault_get_credential(egress_of(&b), "x", &out));
    WIPED(osb_binding_info, begin_egress, osb_vault_get_binding(egress_of(&b), "x", NULL, &out));
}

/* What the library itself refuses leaves nothing of an earlier call either. */
static void test_zero_when_refused(void **state)
{
    static const osb_command no_command;
    static const osb_execution no_run;
    static const osb_diagnosis no_diagnosis;
    static const osb_file_info no_file;
    osb_read_options both = {0};
    osb_request request = {0};
    osb_diagnosis diagnosis;
    osb_execution run;
    osb_file_info file;
    uint64_t size_bytes = 7;
    uint16_t http_status = 7;
    size_t length = 7;
    bench b;
    (void)state;
    memset(&diagnosis, 0xee, sizeof diagnosis);
    memset(&run, 0xee, sizeof run);
    memset(&file, 0xee, sizeof file);
    both.offset_bytes = both.first_line = 1;
    request.path = "no/slash";
    bench_begin(&b, 2048);
    assert_int_equal(osb_diagnostics_logs(&b.client, "x", NULL, NULL, &diagnosis), OSB_E_INVALID);
    assert_int_equal(osb_command_run_durable(&b.box, &no_command, NULL, NULL, &run), OSB_E_INVALID);
    assert_int_equal(osb_file_get_info(&b.box, NULL, &file), OSB_E_INVALID);
    assert_int_equal(osb_file_read(&b.box, "/a", &both, NULL, NULL, &size_bytes), OSB_E_INVALID);
    assert_int_equal(osb_file_read_all(&b.box, NULL, &file, 0, &length), OSB_E_INVALID);
    assert_int_equal(osb_endpoint_request(&b.client, &b.box.execd, &request, &http_status),
                     OSB_E_INVALID);
    assert_memory_equal(&diagnosis, &no_diagnosis, sizeof diagnosis);
    assert_memory_equal(&run, &no_run, sizeof run);
    assert_memory_equal(&file, &no_file, sizeof file);
    assert_int_equal(size_bytes, 0);
    assert_int_equal(length, 0);
    assert_int_equal(http_status, 0);
    bench_end(&b);
}

/* ---- nothing while busy ----------------------------------------------------------------------*/

/* Whatever calls fill in. */
typedef struct outputs {
    osb_sandbox_info info;
    osb_sandbox_page page;
    osb_snapshot snapshot;
    osb_snapshot_page snapshots;
    osb_diagnosis diagnosis;
    osb_pool pool;
    osb_endpoint endpoint;
    osb_str text;
    osb_execution run;
    osb_command_state state;
    osb_session session;
    osb_code_context context;
    osb_file_info file;
    osb_metrics metrics;
    osb_isolation isolation;
    osb_isolated_session isolated;
    osb_isolated_info isolated_info;
    osb_pty pty;
    osb_pty_state pty_state;
    osb_egress egress;
    osb_policy_status policy;
    osb_credential_info credential;
    osb_binding_info binding;
    uint64_t number;
    uint32_t revision;
    size_t size;
    uint16_t http_status;
} outputs;

#define BUSY(call) assert_int_equal((call), OSB_E_BUSY)

static const char *const paths[] = {"/a"};

static void busy_lifecycle(osb_client *c, outputs *o)
{
    static osb_create_options options;
    options.image = "a";
    BUSY(osb_server_health(c));
    BUSY(osb_lifecycle_create(c, &options, NULL, &o->info));
    BUSY(osb_lifecycle_get(c, "x", NULL, &o->info));
    BUSY(osb_lifecycle_list(c, NULL, NULL, &o->page));
    BUSY(osb_lifecycle_list_all(c, NULL, NULL, &o->page));
    BUSY(osb_lifecycle_wait(c, "x", "Running", NULL, &o->info));
    BUSY(osb_lifecycle_kill(c, "x"));
    BUSY(osb_lifecycle_pause(c, "x"));
    BUSY(osb_lifecycle_resume(c, "x"));
    BUSY(osb_lifecycle_renew(c, "x", 60, &o->text));
    BUSY(osb_lifecycle_patch_metadata(c, "x", &pair, 1, NULL, &o->info));
    BUSY(osb_lifecycle_endpoint(c, "x", 80, NULL, &o->endpoint));
}

static void busy_extras(osb_client *c, outputs *o)
{
    static const osb_pool_capacity capacity = {4, 3, 2, 1};
    static const osb_pool_options pool = {"x", "{}", &capacity};
    BUSY(osb_snapshot_create(c, "x", "n", &o->snapshot));
    BUSY(osb_snapshot_get(c, "x", &o->snapshot));
    BUSY(osb_snapshot_delete(c, "x"));
    BUSY(osb_snapshot_wait(c, "x", NULL, &o->snapshot));
    BUSY(osb_snapshot_list(c, NULL, NULL, NULL, &o->snapshots));
    BUSY(osb_snapshot_list_all(c, NULL, NULL, NULL, &o->snapshots));
    BUSY(osb_diagnostics_logs(c, "x", "container", NULL, &o->diagnosis));
    BUSY(osb_diagnostics_events(c, "x", "container", NULL, &o->diagnosis));
    BUSY(osb_diagnostics_report(c, "x", OSB_REPORT_SUMMARY, NULL, NULL, NULL));
    BUSY(osb_pool_create(c, &pool, &o->pool));
    BUSY(osb_pool_get(c, "x", &o->pool));
    BUSY(osb_pool_list(c, NULL, NULL));
    BUSY(osb_pool_update(c, "x", &capacity, &o->pool));
    BUSY(osb_pool_delete(c, "x"));
}

static void busy_sandbox(osb_sandbox *box, outputs *o)
{
    static osb_create_options options;
    osb_client *c = box->client;
    options.image = "a";
    BUSY(osb_sandbox_create(c, &options, box));
    BUSY(osb_sandbox_connect(c, "x", NULL, box));
    BUSY(osb_sandbox_resume(c, "x", NULL, box));
    BUSY(osb_sandbox_find(c, &pair, box));
    BUSY(osb_sandbox_get_info(box, NULL, &o->info));
    BUSY(osb_sandbox_pause(box));
    BUSY(osb_sandbox_renew(box, 60, &o->text));
    BUSY(osb_sandbox_kill(box));
    BUSY(osb_sandbox_endpoint(box, 80, NULL, &o->endpoint));
}

static void busy_execd(osb_sandbox *box, outputs *o)
{
    static const osb_session_command command = {"a", NULL, 0};
    static osb_request request;
    static osb_code code;
    BUSY(osb_endpoint_request(box->client, &box->execd, &request, &o->http_status));
    BUSY(osb_ping(box));
    BUSY(osb_command_run(box, &bench_command, NULL, &o->run));
    BUSY(osb_command_run_durable(box, &bench_command, NULL, NULL, &o->run));
    BUSY(osb_command_follow(box, NULL, NULL, &o->run));
    BUSY(osb_command_recover(box, NULL, NULL, &o->run));
    BUSY(osb_command_status(box, "x", NULL, NULL, &o->state));
    BUSY(osb_command_wait(box, "x", NULL, &o->state));
    BUSY(osb_command_logs(box, "x", 0, NULL, NULL, &o->number));
    BUSY(osb_command_interrupt(box, "x"));
    BUSY(osb_session_create(box, NULL, &o->session));
    BUSY(osb_session_run(box, "x", &command, NULL, &o->run));
    BUSY(osb_session_delete(box, "x"));
    BUSY(osb_code_context_create(box, "python", NULL, &o->context));
    BUSY(osb_code_context_get(box, "x", &o->context));
    BUSY(osb_code_context_list(box, NULL, NULL, NULL));
    BUSY(osb_code_context_delete(box, "x"));
    BUSY(osb_code_context_delete_all(box, "python"));
    BUSY(osb_code_run(box, &code, NULL, &o->run));
    BUSY(osb_code_interrupt(box, "x"));
    BUSY(osb_metrics_get(box, &o->metrics));
    BUSY(osb_metrics_watch(box, NULL, NULL));
}

static void busy_files(osb_sandbox *box, outputs *o)
{
    static const osb_replacement replacement = {"/a", "b", "c"};
    static const osb_permission permission = {"/a", NULL, NULL, 644};
    static const osb_move move = {"/a", "/b"};
    static osb_upload upload;
    char data[4] = "";
    BUSY(osb_file_get_info(box, "/a", &o->file));
    BUSY(osb_file_get_infos(box, paths, 1, NULL, NULL));
    BUSY(osb_file_search(box, "/a", NULL, NULL, NULL));
    BUSY(osb_file_read(box, "/a", NULL, NULL, NULL, &o->number));
    BUSY(osb_file_read_all(box, "/a", data, sizeof data, &o->size));
    BUSY(osb_file_write(box, "/a", "b", 1));
    BUSY(osb_file_upload(box, &upload, 1, false));
    BUSY(osb_file_replace(box, &replacement, 1, NULL, NULL));
    BUSY(osb_file_move(box, &move, 1));
    BUSY(osb_file_set_permissions(box, &permission, 1));
    BUSY(osb_file_delete(box, paths, 1));
    BUSY(osb_directory_create(box, &permission, 1));
    BUSY(osb_directory_list(box, "/a", NULL, NULL, NULL));
    BUSY(osb_directory_delete(box, paths, 1));
}

static void busy_pty(osb_sandbox *box, outputs *o)
{
    BUSY(osb_pty_create(box, NULL, NULL, &o->pty));
    BUSY(osb_pty_get(box, "x", &o->pty_state));
    BUSY(osb_pty_delete(box, "x"));
    BUSY(osb_pty_attach(box, &o->pty, NULL, NULL));
}

static void busy_isolated(osb_sandbox *box, outputs *o)
{
    static const osb_isolated_command command = {"a", NULL, 0, 0};
    static osb_isolated_options options;
    BUSY(osb_isolated_capabilities(box, &o->isolation));
    BUSY(osb_isolated_create(box, &options, &o->isolated));
    BUSY(osb_isolated_list(box, NULL, NULL));
    BUSY(osb_isolated_get(box, "x", NULL, &o->isolated_info));
    BUSY(osb_isolated_delete(box, "x"));
    BUSY(osb_isolated_run(box, "x", &command, NULL, &o->run));
    BUSY(osb_isolated_diff(box, "x", NULL, NULL));
    BUSY(osb_isolated_commit(box, "x", NULL, NULL));
}

static void busy_egress(osb_sandbox *box, outputs *o)
{
    static const osb_network_rule rule = {"allow", "a.example"};
    static osb_network_policy policy;
    static osb_vault_content content;
    static osb_vault_changes changes;
    osb_egress egress;
    memset(&egress, 0, sizeof egress);
    egress.client = box->client;
    BUSY(osb_egress_connect(box, NULL, &o->egress));
    BUSY(osb_egress_health(&egress));
    BUSY(osb_egress_get_policy(&egress, NULL, NULL, &o->policy));
    BUSY(osb_egress_patch_policy(&egress, &rule, 1, &o->policy));
    BUSY(osb_egress_delete_rules(&egress, paths, 1, &o->policy));
    BUSY(osb_egress_replace_policy(&egress, &policy, &o->policy));
    BUSY(osb_egress_reset_policy(&egress, &o->policy));
    BUSY(osb_vault_create(&egress, &content, NULL, &o->revision));
    BUSY(osb_vault_get(&egress, NULL, &o->revision));
    BUSY(osb_vault_patch(&egress, &changes, NULL, &o->revision));
    BUSY(osb_vault_delete(&egress));
    BUSY(osb_vault_list_credentials(&egress, NULL, &o->revision));
    BUSY(osb_vault_list_bindings(&egress, NULL, &o->revision));
    BUSY(osb_vault_get_credential(&egress, "x", &o->credential));
    BUSY(osb_vault_get_binding(&egress, "x", NULL, &o->binding));
}

/* Every call there is says so, and changes nothing: neither the client nor what it was to fill in. */
static void all_busy(bench *b)
{
    static outputs untouched, given;
    unsigned char before[sizeof b->client];
    osb_sandbox box = b->box;
    memset(&untouched, 0x5a, sizeof untouched);
    given = untouched;
    memcpy(before, &b->client, sizeof before);
    busy_lifecycle(&b->client, &given);
    busy_extras(&b->client, &given);
    busy_sandbox(&box, &given);
    busy_execd(&box, &given);
    busy_files(&box, &given);
    busy_pty(&box, &given);
    busy_isolated(&box, &given);
    busy_egress(&box, &given);
    assert_memory_equal(&untouched, &given, sizeof given);
    assert_memory_equal(&box, &b->box, sizeof box);
    assert_memory_equal(before, &b->client, sizeof before);
}

static int busy_handler(void *user, const osb_event *event)
{
    (void)event;
    all_busy((bench *)user);
    return 0;
}

static void test_busy_in_a_handler(void **state)
{
    osb_handlers handlers = {0};
    osb_execution run;
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    handlers.user = &b;
    handlers.on_event = busy_handler;
    bench_stream(&b, BENCH_INIT BENCH_DONE);
    assert_int_equal(bench_run(&b, &handlers, &run), OSB_OK);
    assert_string_equal(run.id, "0a1b");
    bench_end(&b);
}

static void test_busy_while_pending(void **state)
{
    osb_execution run;
    osb_status status;
    bench b;
    (void)state;
    bench_begin_polling(&b, 1024);
    b.port.later_always = true;
    bench_stream(&b, BENCH_INIT BENCH_DONE);
    status = bench_run(&b, NULL, &run);
    while (status == OSB_PENDING) {
        all_busy(&b);
        status = osb_poll(&b.client);
    }
    assert_int_equal(status, OSB_OK);
    assert_int_equal(osb_poll(&b.client), OSB_OK); /* the last call's status */
    bench_end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zero_of_lifecycle),
        cmocka_unit_test(test_zero_of_snapshots_and_pools),
        cmocka_unit_test(test_zero_of_execd),
        cmocka_unit_test(test_zero_but_the_id),
        cmocka_unit_test(test_zero_of_egress),
        cmocka_unit_test(test_zero_when_refused),
        cmocka_unit_test(test_busy_in_a_handler),
        cmocka_unit_test(test_busy_while_pending),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
