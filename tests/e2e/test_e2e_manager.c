/* What a manager of sandboxes needs: snapshots, waiting, whole lists, diagnostics, pools; and
   isolated sessions. */
#define LEAST_MEMORY 2048
#include "e2e.h"

struct text {
    char text[8192];
    size_t size;
    unsigned calls;
};

static int add_data(void *user, const void *data, size_t size)
{
    struct text *all = (struct text *)user;
    size_t room = sizeof all->text - 1 - all->size;
    if (size > room) size = room;
    memcpy(all->text + all->size, data, size);
    all->size += size;
    all->text[all->size] = '\0';
    all->calls++;
    return 0;
}

static void add_view(struct text *all, osb_str view, const char *end)
{
    add_data(all, view.data, view.size);
    add_data(all, end, strlen(end));
}

static void run_shell(struct fixture *f, const char *text, struct outcome *o)
{
    run_text(f, text, o);
    if (o->run.exit_code.value != 0) fail_msg("%s: %s", text, o->err_text);
}

/* ---- snapshots -------------------------------------------------------------------------------*/

static const osb_wait_options soon = {5000, 20};

static void snapshot_and_back(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_create_options options;
    osb_sandbox_info info;
    osb_snapshot snapshot, again;
    osb_sandbox copy;
    struct outcome o;
    char data[16], id[OSB_ID_SIZE];
    size_t length;
    run_shell(f, "echo kept >file", &o);
    OK(f, osb_snapshot_create(&f->client, f->box.id, "my-snapshot", &snapshot));
    assert_true(osb_str_equal(snapshot.state, "Creating"));
    assert_true(osb_str_equal(snapshot.name, "my-snapshot"));
    assert_true(osb_str_equal(snapshot.sandbox_id, f->box.id));
    strcpy(id, snapshot.id);
    OK(f, osb_snapshot_wait(&f->client, id, &soon, &snapshot));
    assert_true(osb_str_equal(snapshot.state, "Ready"));
    OK(f, osb_snapshot_get(&f->client, id, &again));
    assert_string_equal(again.id, id);
    assert_non_null(again.created_at.data);

    memset(&options, 0, sizeof options);
    options.snapshot_id = id;
    OK(f, osb_sandbox_create(&f->client, &options, &copy));
    OK(f, osb_file_read_all(&copy, "file", data, sizeof data, &length));
    assert_memory_equal(data, "kept\n", 5);
    OK(f, osb_sandbox_get_info(&copy, NULL, &info));
    assert_true(osb_str_equal(info.snapshot_id, id));
    assert_null(info.image.data);
    OK(f, osb_sandbox_kill(&copy));

    OK(f, osb_snapshot_delete(&f->client, id));
    EXPECT(OSB_E_NOT_FOUND, f, osb_snapshot_get(&f->client, id, &again));
    EXPECT(OSB_E_NOT_FOUND, f, osb_snapshot_wait(&f->client, id, &soon, &again));
}

static void snapshot_fails(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_snapshot snapshot;
    char id[OSB_ID_SIZE];
    create_box(f, "devserver.snapshot-fail", "disk full");
    OK(f, osb_snapshot_create(&f->client, f->box.id, NULL, &snapshot));
    assert_null(snapshot.name.data);
    strcpy(id, snapshot.id);
    EXPECT(OSB_E_STATE, f, osb_snapshot_wait(&f->client, id, &soon, &snapshot));
    assert_true(osb_str_equal(osb_last_error(&f->client)->code, "Failed"));
    assert_non_null(strstr(error_text(f), "disk full"));
    OK(f, osb_snapshot_delete(&f->client, id));
}

static void snapshot_takes_too_long(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    const osb_wait_options short_time = {150, 50};
    osb_snapshot snapshot;
    char id[OSB_ID_SIZE];
    create_box(f, "devserver.snapshot-ms", "1500");
    OK(f, osb_snapshot_create(&f->client, f->box.id, NULL, &snapshot));
    strcpy(id, snapshot.id);
    EXPECT(OSB_E_NOT_READY, f, osb_snapshot_wait(&f->client, id, &short_time, &snapshot));
    assert_true(osb_str_equal(osb_last_error(&f->client)->code, "Creating"));
    EXPECT(OSB_E_API, f, osb_snapshot_delete(&f->client, id));
    assert_int_equal(osb_last_error(&f->client)->http_status, 409);
    OK(f, osb_snapshot_wait(&f->client, id, &soon, &snapshot));
    OK(f, osb_snapshot_delete(&f->client, id));
}

struct snapshots {
    char ids[8][OSB_ID_SIZE];
    unsigned count, stop_at;
};

static int add_snapshot(void *user, const osb_snapshot *snapshot)
{
    struct snapshots *all = (struct snapshots *)user;
    strcpy(all->ids[all->count++], snapshot->id);
    return all->count == all->stop_at;
}

static void lists_of_snapshots(void **state)
{
    static const char *const ready[] = {"Ready"}, *const creating[] = {"Creating", "Failed"};
    struct fixture *f = (struct fixture *)*state;
    osb_snapshot_filter filter = {.page_size = 2, .sandbox_id = f->box.id};
    osb_snapshot_page page;
    struct snapshots all;
    unsigned i;
    for (i = 0; i < 5; i++) {
        osb_snapshot snapshot;
        char name[16], id[OSB_ID_SIZE];
        snprintf(name, sizeof name, "number-%u", i % 3);
        OK(f, osb_snapshot_create(&f->client, f->box.id, name, &snapshot));
        strcpy(id, snapshot.id);
        OK(f, osb_snapshot_wait(&f->client, id, &soon, &snapshot));
    }
    memset(&all, 0, sizeof all);
    OK(f, osb_snapshot_list(&f->client, &filter, add_snapshot, &all, &page));
    assert_int_equal(all.count, 2);
    assert_int_equal(page.total_items, 5);
    assert_int_equal(page.total_pages, 3);
    assert_true(page.has_next_page);
    memset(&all, 0, sizeof all);
    filter.states = ready;
    filter.state_count = 1;
    OK(f, osb_snapshot_list_all(&f->client, &filter, add_snapshot, &all, &page));
    assert_int_equal(all.count, 5);
    assert_int_equal(page.page, 3);
    assert_false(page.has_next_page);
    memset(&all, 0, sizeof all);
    filter.page = 2;
    OK(f, osb_snapshot_list_all(&f->client, &filter, add_snapshot, &all, &page));
    assert_int_equal(all.count, 3);
    memset(&all, 0, sizeof all);
    filter.page = 0;
    filter.name = "number-1";
    OK(f, osb_snapshot_list_all(&f->client, &filter, add_snapshot, &all, &page));
    assert_int_equal(all.count, 2);
    memset(&all, 0, sizeof all);
    filter.name = NULL;
    filter.states = creating;
    filter.state_count = 2;
    OK(f, osb_snapshot_list_all(&f->client, &filter, add_snapshot, &all, &page));
    assert_int_equal(all.count, 0);
    filter.state_count = 0;
    all.stop_at = 3; /* on the second page */
    EXPECT(OSB_E_CANCELLED, f,
           osb_snapshot_list_all(&f->client, &filter, add_snapshot, &all, &page));
    assert_int_equal(all.count, 3);
    memset(&all, 0, sizeof all);
    OK(f, osb_snapshot_list_all(&f->client, &filter, add_snapshot, &all, &page));
    for (i = 0; i < all.count; i++) OK(f, osb_snapshot_delete(&f->client, all.ids[i]));
}

/* ---- waiting and whole lists -----------------------------------------------------------------*/

static void wait_for_states(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    const osb_wait_options short_time = {100, 30};
    osb_sandbox_info info;
    create_box(f, "devserver.transition-ms", "250");
    OK(f, osb_sandbox_pause(&f->box));
    EXPECT(OSB_E_NOT_READY, f,
           osb_lifecycle_wait(&f->client, f->box.id, "Paused", &short_time, &info));
    assert_true(osb_str_equal(osb_last_error(&f->client)->code, "Pausing"));
    OK(f, osb_lifecycle_wait(&f->client, f->box.id, "Paused", &soon, &info));
    assert_true(osb_str_equal(info.state, "Paused"));
    OK(f, osb_lifecycle_resume(&f->client, f->box.id));
    OK(f, osb_lifecycle_wait(&f->client, f->box.id, "Running", &soon, &info));
    EXPECT(OSB_E_NOT_FOUND, f, osb_lifecycle_wait(&f->client, "nobody", "Running", &soon, &info));
}

static void wait_for_a_command(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_command command = {.command = "sleep 0.4; exit 4", .background = true};
    const osb_wait_options short_time = {100, 30};
    osb_command_state ended;
    osb_execution run;
    OK(f, osb_command_run(&f->box, &command, NULL, &run));
    EXPECT(OSB_E_NOT_READY, f, osb_command_wait(&f->box, run.id, &short_time, &ended));
    OK(f, osb_command_wait(&f->box, run.id, &soon, &ended));
    assert_false(ended.running);
    assert_int_equal(ended.exit_code.value, 4);
}

static int count_sandbox(void *user, const osb_sandbox_info *info)
{
    assert_true(info->id.size > 0);
    ++*(unsigned *)user;
    return 0;
}

static void all_sandboxes(void **state)
{
    static const osb_pair tag = {"suite", "manager"};
    struct fixture *f = (struct fixture *)*state;
    osb_sandbox_filter filter = {.page_size = 2, .metadata = &tag, .metadata_count = 1};
    osb_create_options options = {.image = "a", .metadata = &tag, .metadata_count = 1};
    unsigned count = 0, i;
    osb_info_handlers handlers = {&count, NULL, count_sandbox};
    osb_sandbox_page page;
    osb_sandbox boxes[5];
    for (i = 0; i < 5; i++) OK(f, osb_sandbox_create(&f->client, &options, &boxes[i]));
    OK(f, osb_lifecycle_list_all(&f->client, &filter, &handlers, &page));
    assert_int_equal(count, 5);
    assert_int_equal(page.page, 3);
    assert_int_equal(page.total_items, 5);
    for (i = 0; i < 5; i++) OK(f, osb_lifecycle_kill(&f->client, boxes[i].id));
    count = 0;
    OK(f, osb_lifecycle_list_all(&f->client, &filter, &handlers, &page));
    assert_int_equal(count, 0);
    assert_int_equal(page.total_pages, 0);
}

static void everything_by_id(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_sandbox_info info;
    osb_str end;
    OK(f, osb_server_health(&f->client));
    OK(f, osb_lifecycle_pause(&f->client, f->box.id));
    OK(f, osb_lifecycle_resume(&f->client, f->box.id));
    OK(f, osb_lifecycle_renew(&f->client, f->box.id, 3600, &end));
    assert_true(end.size >= 20);
    OK(f, osb_lifecycle_kill(&f->client, f->box.id));
    EXPECT(OSB_E_NOT_FOUND, f, osb_lifecycle_get(&f->client, f->box.id, NULL, &info));
}

/* Keys below opensandbox.io/ are the server's own; it says so, and so does the error. */
static void reserved_metadata(void **state)
{
    static const osb_pair reserved = {"opensandbox.io/id", "mine"};
    struct fixture *f = (struct fixture *)*state;
    osb_create_options options = {.image = "a", .metadata = &reserved, .metadata_count = 1};
    osb_sandbox box;
    EXPECT(OSB_E_API, f, osb_sandbox_create(&f->client, &options, &box));
    assert_int_equal(osb_last_error(&f->client)->http_status, 400);
    assert_non_null(strstr(error_text(f), "opensandbox.io/"));
    assert_non_null(strstr(error_text(f), "reserved"));
}

static void no_expiry(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_create_options options = {.image = "a", .no_expiry = true};
    osb_sandbox_info info;
    osb_str end;
    OK(f, osb_sandbox_create(&f->client, &options, &f->box));
    f->has_box = true;
    OK(f, osb_sandbox_get_info(&f->box, NULL, &info));
    assert_null(info.expires_at.data);
    EXPECT(OSB_E_API, f, osb_sandbox_renew(&f->box, 600, &end));
    assert_int_equal(osb_last_error(&f->client)->http_status, 409);
}

/* ---- diagnostics -----------------------------------------------------------------------------*/

static void diagnostics_inline(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct text all = {"", 0, 0};
    osb_diagnosis_handlers handlers = {&all, add_data, NULL};
    osb_diagnosis diagnosis;
    struct outcome o;
    unsigned i;
    create_box(f, "devserver.diagnostics", "inline");
    for (i = 0; i < 60; i++) run_shell(f, ": one of many commands, to fill the log", &o);
    run_shell(f, ": \"quoted\" \\ and \xE2\x82\xAC", &o);
    OK(f, osb_diagnostics_logs(&f->client, f->box.id, "container", &handlers, &diagnosis));
    assert_true(osb_str_equal(diagnosis.sandbox_id, f->box.id));
    assert_true(osb_str_equal(diagnosis.kind, "logs"));
    assert_true(osb_str_equal(diagnosis.scope, "container"));
    assert_true(osb_str_equal(diagnosis.delivery, "inline"));
    assert_true(osb_str_equal(diagnosis.content_type, "text/plain; charset=utf-8"));
    assert_null(diagnosis.content_url.data);
    assert_int_equal(diagnosis.content_length_bytes, all.size);
    assert_true(all.size > 4096);
    assert_non_null(strstr(all.text, "ran: : \"quoted\" \\ and \xE2\x82\xAC\n"));
    memset(&all, 0, sizeof all);
    OK(f, osb_diagnostics_events(&f->client, f->box.id, "lifecycle", &handlers, &diagnosis));
    assert_true(osb_str_equal(diagnosis.kind, "events"));
    assert_non_null(strstr(all.text, "Running"));
}

static void diagnostics_elsewhere(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct text all = {"", 0, 0};
    osb_diagnosis_handlers handlers = {&all, add_data, NULL};
    osb_diagnosis diagnosis;
    create_box(f, "devserver.diagnostics", "url");
    OK(f, osb_diagnostics_logs(&f->client, f->box.id, "container", &handlers, &diagnosis));
    assert_true(osb_str_equal(diagnosis.delivery, "url"));
    assert_memory_equal(diagnosis.content_url.data, "http://", 7);
    assert_non_null(diagnosis.expires_at.data);
    assert_int_equal(all.calls, 0);
}

static void diagnostics_not_there(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_diagnosis diagnosis;
    EXPECT(OSB_E_API, f,
           osb_diagnostics_logs(&f->client, f->box.id, "container", NULL, &diagnosis));
    assert_int_equal(osb_last_error(&f->client)->http_status, 501);
    assert_true(osb_str_equal(osb_last_error(&f->client)->code, "DIAGNOSTICS_NOT_IMPLEMENTED"));
}

static void reports(void **state)
{
    static const struct {
        osb_report report;
        const char *text;
    } cases[] = {{OSB_REPORT_LOGS, "ran: echo 2\n"},
                 {OSB_REPORT_EVENTS, "Running"},
                 {OSB_REPORT_INSPECT, "Image:"},
                 {OSB_REPORT_SUMMARY, "INSPECT\n"}};
    struct fixture *f = (struct fixture *)*state;
    osb_report_options tail = {.tail = 1, .since = "10m"};
    struct text all;
    struct outcome o;
    size_t i;
    run_shell(f, "echo 1", &o);
    run_shell(f, "echo 2", &o);
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(&all, 0, sizeof all);
        OK(f, osb_diagnostics_report(&f->client, f->box.id, cases[i].report, NULL, add_data, &all));
        assert_non_null(strstr(all.text, cases[i].text));
    }
    memset(&all, 0, sizeof all);
    OK(f, osb_diagnostics_report(&f->client, f->box.id, OSB_REPORT_LOGS, &tail, add_data, &all));
    assert_null(strstr(all.text, "echo 1"));
    assert_non_null(strstr(all.text, "echo 2"));
    tail.since = "yesterday";
    EXPECT(OSB_E_API, f,
           osb_diagnostics_report(&f->client, f->box.id, OSB_REPORT_LOGS, &tail, add_data, &all));
    EXPECT(OSB_E_NOT_FOUND, f,
           osb_diagnostics_report(&f->client, "none", OSB_REPORT_LOGS, NULL, add_data, &all));
}

/* ---- pools -----------------------------------------------------------------------------------*/

static int add_pool(void *user, const osb_pool *pool)
{
    add_view((struct text *)user, pool->name, "\n");
    return 0;
}

static void pools(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_pool_capacity capacity = {3, 1, 10, 0}, larger = {4, 2, 20, 1};
    osb_pool_options options = {"warm", "{\"spec\":{\"containers\":[]}}", &capacity};
    osb_pair reference = {"poolRef", "warm"};
    osb_create_options create = {.extensions = &reference, .extension_count = 1};
    struct text all = {"", 0, 0};
    osb_pool pool;
    OK(f, osb_pool_create(&f->client, &options, &pool));
    assert_true(osb_str_equal(pool.name, "warm"));
    assert_int_equal(pool.capacity.buffer_max, 3);
    assert_int_equal(pool.capacity.pool_max, 10);
    assert_int_equal(pool.available, 3);
    EXPECT(OSB_E_API, f, osb_pool_create(&f->client, &options, &pool));
    assert_int_equal(osb_last_error(&f->client)->http_status, 409);
    OK(f, osb_sandbox_create(&f->client, &create, &f->box));
    f->has_box = true;
    OK(f, osb_pool_get(&f->client, "warm", &pool));
    assert_int_equal(pool.allocated, 1);
    OK(f, osb_pool_update(&f->client, "warm", &larger, &pool));
    assert_int_equal(pool.capacity.buffer_min, 2);
    options.name = "other";
    OK(f, osb_pool_create(&f->client, &options, &pool));
    OK(f, osb_pool_list(&f->client, add_pool, &all));
    assert_string_equal(all.text, "other\nwarm\n");
    OK(f, osb_pool_delete(&f->client, "other"));
    OK(f, osb_pool_delete(&f->client, "warm"));
    EXPECT(OSB_E_NOT_FOUND, f, osb_pool_get(&f->client, "warm", &pool));
    options.name = "Not A Name";
    EXPECT(OSB_E_API, f, osb_pool_create(&f->client, &options, &pool));
    assert_int_equal(osb_last_error(&f->client)->http_status, 422);
}

/* ---- isolated sessions -----------------------------------------------------------------------*/

static int add_entry(void *user, const osb_entry *entry)
{
    add_data(user, entry->member, strlen(entry->member));
    add_data(user, " ", 1);
    add_view((struct text *)user, entry->value, "\n");
    return 0;
}

static int add_bind(void *user, const osb_bind_info *bind)
{
    add_view((struct text *)user, bind->source, bind->readonly ? " ro\n" : " rw\n");
    return 0;
}

static int add_session(void *user, const osb_isolated_session *session)
{
    add_data(user, session->id, strlen(session->id));
    add_view((struct text *)user, session->status, "\n");
    return 0;
}

static void isolated_session(void **state)
{
    static const char *const writable[] = {"/var/tmp"}, *const hidden[] = {"SECRET_*", "X"};
    static const osb_bind binds[] = {{"/usr", NULL, true}, {"/tmp", "/mnt", false}};
    static const osb_pair env = {"GIVEN", "value"};
    struct fixture *f = (struct fixture *)*state;
    osb_isolated_options options = {.profile = "balanced",
                                    .workspace = "work",
                                    .workspace_mode = "rw",
                                    .extra_writable = writable,
                                    .extra_writable_count = 1,
                                    .binds = binds,
                                    .bind_count = 2,
                                    .share_net = true,
                                    .env_mode = "deny",
                                    .env_keys = hidden,
                                    .env_key_count = 2,
                                    .idle_timeout_s = {true, 77}};
    osb_isolated_command command = {
        .code = "echo $GIVEN ${PWD##*/}; exit 5", .envs = &env, .env_count = 1, .timeout_s = 10};
    struct text all = {"", 0, 0};
    osb_isolated_handlers handlers = {&all, add_entry, add_bind};
    osb_handlers output = {0};
    osb_isolated_session session;
    osb_isolated_info info;
    osb_isolation can;
    struct outcome o;
    OK(f, osb_isolated_capabilities(&f->box, &can));
    assert_true(can.available);
    assert_true(can.isolator.size > 0);
    OK(f, osb_isolated_create(&f->box, &options, &session));
    init_outcome(&o, &output);
    OK(f, osb_isolated_run(&f->box, session.id, &command, &output, &o.run));
    assert_string_equal(o.out_text, "value work\n");
    expect_exit_code(&o, 5);
    OK(f, osb_isolated_get(&f->box, session.id, &handlers, &info));
    assert_non_null(strstr(all.text, "extra_writable /var/tmp\n"));
    assert_non_null(strstr(all.text, "keys SECRET_*\nkeys X\n"));
    assert_non_null(strstr(all.text, "/usr ro\n/tmp rw\n"));
    assert_true(osb_str_equal(info.profile, "balanced"));
    assert_true(osb_str_equal(info.env_mode, "deny"));
    assert_true(osb_str_equal(info.status, "active"));
    assert_true(info.share_net);
    assert_int_equal(info.idle_timeout_s.value, 77);
    assert_false(info.uid.set);
    memset(&all, 0, sizeof all);
    OK(f, osb_isolated_list(&f->box, add_session, &all));
    assert_memory_equal(all.text, session.id, strlen(session.id));
    EXPECT(OSB_E_API, f, osb_isolated_diff(&f->box, session.id, add_data, &all));
    assert_int_equal(osb_last_error(&f->client)->http_status, 503);
    EXPECT(OSB_E_API, f, osb_isolated_commit(&f->box, session.id, add_data, &all));
    OK(f, osb_isolated_delete(&f->box, session.id));
    EXPECT(OSB_E_NOT_FOUND, f, osb_isolated_get(&f->box, session.id, NULL, &info));
    options.profile = "lax";
    EXPECT(OSB_E_API, f, osb_isolated_create(&f->box, &options, &session));
    assert_non_null(strstr(error_text(f), "profile"));
}

/* What one run leaves behind the next one finds, until `exit`. */
static void isolated_runs(void **state)
{
    static const struct {
        const char *code, *output;
        osb_i32 exit_code;
        bool timed_out;
    } runs[] = {{"kept=1; cd /; f() { echo called; }", "", {true, 0}, false},
                {"echo $kept; pwd; f; echo err >&2; printf end",
                 "1\n/\ncalled\nerr\nend\n",
                 {true, 0},
                 false},
                {"(exit 7)", "", {true, 7}, false},
                {"read -r line; echo \"$line\"", "echo \n", {true, 0}, false},
                {"echo before; sleep 20", "before\n", {false, 0}, true}};
    struct fixture *f = (struct fixture *)*state;
    osb_isolated_options options = {.workspace = "work", .no_share_net = true};
    osb_isolated_session session;
    osb_isolated_info info;
    size_t i;
    OK(f, osb_isolated_create(&f->box, &options, &session));
    for (i = 0; i < sizeof runs / sizeof *runs; i++) {
        osb_isolated_command command = {.code = runs[i].code, .timeout_s = 1};
        osb_handlers output = {0};
        struct outcome o;
        init_outcome(&o, &output);
        OK(f, osb_isolated_run(&f->box, session.id, &command, &output, &o.run));
        assert_string_equal(o.out_text, runs[i].output);
        assert_int_equal(o.run.exit_code.set, runs[i].exit_code.set);
        assert_int_equal(o.run.exit_code.value, runs[i].exit_code.value);
        assert_int_equal(o.run.timed_out, runs[i].timed_out);
    }
    OK(f, osb_isolated_get(&f->box, session.id, NULL, &info));
    assert_false(info.share_net);
    OK(f, osb_isolated_delete(&f->box, session.id));
}

static void isolation_not_there(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_isolated_options options = {.workspace = "work"};
    osb_isolated_session session;
    osb_isolation can;
    create_box(f, "devserver.no-isolation", "1");
    OK(f, osb_isolated_capabilities(&f->box, &can));
    assert_false(can.available);
    assert_true(can.message.size > 0);
    EXPECT(OSB_E_API, f, osb_isolated_create(&f->box, &options, &session));
    assert_int_equal(osb_last_error(&f->client)->http_status, 503);
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(snapshot_and_back),
    CLIENT_TEST(snapshot_fails),
    CLIENT_TEST(snapshot_takes_too_long),
    BOX_TEST(lists_of_snapshots),
    CLIENT_TEST(wait_for_states),
    BOX_TEST(wait_for_a_command),
    CLIENT_TEST(all_sandboxes),
    BOX_TEST(everything_by_id),
    CLIENT_TEST(reserved_metadata),
    CLIENT_TEST(no_expiry),
    CLIENT_TEST(diagnostics_inline),
    CLIENT_TEST(diagnostics_elsewhere),
    BOX_TEST(diagnostics_not_there),
    BOX_TEST(reports),
    CLIENT_TEST(pools),
    BOX_TEST(isolated_session),
    BOX_TEST(isolated_runs),
    CLIENT_TEST(isolation_not_there),
};

RUN_IN_ALL_VARIANTS(tests, NULL, NULL)
