/* Sandboxes: create, list, describe, change, pause, find, reach, and the checks of readiness. */
#include "e2e.h"

/* ---- create and connect ----------------------------------------------------------------------*/

static void kill_ends_it(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_sandbox_info info;
    OK(f, osb_sandbox_kill(&f->box));
    EXPECT(OSB_E_NOT_FOUND, f, osb_sandbox_get_info(&f->box, NULL, &info));
    EXPECT(OSB_E_NOT_FOUND, f, osb_sandbox_kill(&f->box));
    f->has_box = false;
}

static void running_after_a_while(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_sandbox_info info;
    create_box(f, "devserver.pending-ms", "600");
    OK(f, osb_sandbox_get_info(&f->box, NULL, &info));
    assert_true(osb_str_equal(info.state, "Running"));
}

static void execd_comes_up_late(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    create_box(f, "devserver.execd-down-ms", "600");
    OK(f, osb_ping(&f->box));
}

static void connect_to_an_existing_one(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_sandbox same;
    osb_execution run;
    osb_command command;
    memset(&command, 0, sizeof command);
    command.command = "exit 4";
    OK(f, osb_sandbox_connect(&f->client, f->box.id, NULL, &same));
    assert_string_equal(same.id, f->box.id);
    OK(f, osb_command_run(&same, &command, NULL, &run));
    assert_int_equal(run.exit_code.value, 4);
    EXPECT(OSB_E_NOT_FOUND, f, osb_sandbox_connect(&f->client, "no-such-id", NULL, &same));
    OK(f, osb_ping(&f->box)); /* a failed connect kills nothing */
}

static void create_without_waiting(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_create_options options;
    osb_sandbox_info info;
    char id[OSB_ID_SIZE];
    memset(&options, 0, sizeof options);
    options.image = "python:3.12";
    options.no_expiry = true;
    OK(f, osb_lifecycle_create(&f->client, &options, NULL, &info));
    assert_non_null(info.id.data);
    assert_null(info.expires_at.data);
    assert_true(info.id.size < sizeof id);
    memcpy(id, info.id.data, info.id.size + 1);
    OK(f, osb_lifecycle_kill(&f->client, id));
}

static void everything_that_create_can_say(void **state)
{
    static const char *const entrypoint[] = {"sleep", "infinity"};
    static const osb_pair env[] = {{"A", "1"}, {"B", NULL}};
    static const osb_pair metadata[] = {{"team", "a"}, {"quote", "x-1"}};
    static const osb_pair resource[] = {{"cpu", "500m"}, {"memory", "512Mi"}};
    struct fixture *f = (struct fixture *)*state;
    osb_create_options options;
    struct outcome o;
    memset(&options, 0, sizeof options);
    options.image = "python:3.12";
    options.entrypoint = entrypoint;
    options.entrypoint_count = 2;
    options.env = env;
    options.env_count = 2;
    options.metadata = metadata;
    options.metadata_count = 2;
    options.resource = resource;
    options.resource_count = 2;
    options.ttl_s = 61;
    OK(f, osb_sandbox_create(&f->client, &options, &f->box));
    f->has_box = true;
    run_text(f, "echo $A", &o);
    assert_string_equal(o.out_text, "1\n");
}

static void validation_error(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_create_options options;
    osb_sandbox box;
    memset(&options, 0, sizeof options);
    options.image = "python:3.12";
    options.ttl_s = 5;
    EXPECT(OSB_E_API, f, osb_sandbox_create(&f->client, &options, &box));
    assert_int_equal(osb_last_error(&f->client)->http_status, 422);
    assert_non_null(strstr(error_text(f), "greater than or equal to 60"));
}

/* ---- readiness -------------------------------------------------------------------------------*/

struct check {
    struct fixture *f;
    unsigned asked;
    unsigned pings_begun;
    bool ping_again;
};

/* Ready when a ping has succeeded for the third time; in either mode. */
static osb_status third_ping(void *user, osb_sandbox *box, osb_status last)
{
    struct check *check = (struct check *)user;
    if (last == OSB_PENDING) {
        check->pings_begun++;
        last = osb_ping(box);
        if (last == OSB_PENDING) return OSB_PENDING;
    }
    assert_int_equal(last, OSB_OK);
    return ++check->asked == 3 ? OSB_OK : OSB_PENDING;
}

static void custom_check(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct check check = {f, 0, 0, false};
    osb_create_options options;
    memset(&options, 0, sizeof options);
    options.image = "python:3.12";
    options.ready.check = third_ping;
    options.ready.user = &check;
    options.ready.interval_ms = 50;
    OK(f, osb_sandbox_create(&f->client, &options, &f->box));
    f->has_box = true;
    assert_int_equal(check.asked, 3);
    assert_int_equal(check.pings_begun, 3);
}

static osb_status never(void *user, osb_sandbox *box, osb_status last)
{
    (void)box;
    (void)last;
    ++*(unsigned *)user;
    return OSB_PENDING;
}

static void custom_check_that_is_never_content(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    unsigned asked = 0;
    osb_create_options options;
    osb_sandbox_page page;
    memset(&options, 0, sizeof options);
    options.image = "python:3.12";
    options.ready.check = never;
    options.ready.user = &asked;
    options.ready.interval_ms = 50;
    options.ready.timeout_ms = 400;
    EXPECT(OSB_E_NOT_READY, f, osb_sandbox_create(&f->client, &options, &f->box));
    assert_in_range(asked, 4, 9);
    OK(f, osb_lifecycle_list(&f->client, NULL, NULL, &page));
    assert_int_equal(page.total_items, 0); /* it has been killed again */
}

static osb_status refuse(void *user, osb_sandbox *box, osb_status last)
{
    (void)user;
    (void)box;
    (void)last;
    return OSB_E_STREAM;
}

static void custom_check_that_fails(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_create_options options;
    memset(&options, 0, sizeof options);
    options.image = "python:3.12";
    options.ready.check = refuse;
    options.keep_on_failure = true;
    EXPECT(OSB_E_STREAM, f, osb_sandbox_create(&f->client, &options, &f->box));
    f->has_box = true; /* kept: the teardown kills it */
    assert_int_not_equal(f->box.id[0], '\0');
    OK(f, osb_ping(&f->box));
}

/* ---- describe and change ---------------------------------------------------------------------*/

/* Entries as text, "member:key=value;" each. */
struct entries {
    char text[512];
};

static int add_entry(void *user, const osb_entry *entry)
{
    struct entries *entries = (struct entries *)user;
    size_t used = strlen(entries->text);
    snprintf(entries->text + used, sizeof entries->text - used, "%s:%.*s=%.*s;", entry->member,
             (int)entry->key.size, entry->key.size > 0 ? entry->key.data : "",
             (int)entry->value.size, entry->value.data);
    return 0;
}

static void create_tagged(struct fixture *f, const char *name, const char *value, osb_sandbox *box)
{
    osb_create_options options;
    osb_pair tag;
    tag.name = name;
    tag.value = value;
    memset(&options, 0, sizeof options);
    options.image = "python:3.12";
    options.metadata = &tag;
    options.metadata_count = 1;
    OK(f, osb_sandbox_create(&f->client, &options, box));
}

static void describe(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct entries entries = {""};
    osb_info_handlers handlers = {&entries, add_entry, NULL};
    osb_sandbox_info info;
    create_tagged(f, "team", "a", &f->box);
    f->has_box = true;
    OK(f, osb_sandbox_get_info(&f->box, &handlers, &info));
    assert_true(osb_str_equal(info.id, f->box.id));
    assert_true(osb_str_equal(info.image, "python:3.12"));
    assert_true(osb_str_equal(info.state, "Running"));
    assert_non_null(info.created_at.data);
    assert_non_null(info.expires_at.data);
    assert_null(info.snapshot_id.data);
    assert_non_null(strstr(entries.text, "metadata:team=a;"));
    assert_non_null(strstr(entries.text, "entrypoint:=tail;entrypoint:=-f;entrypoint:=/dev/null;"));
}

static void patch_metadata(void **state)
{
    static const osb_pair patch[] = {{"env", "prod"}, {"team", NULL}};
    struct fixture *f = (struct fixture *)*state;
    struct entries entries = {""};
    osb_info_handlers handlers = {&entries, add_entry, NULL};
    osb_sandbox_info info;
    create_tagged(f, "team", "a", &f->box);
    f->has_box = true;
    OK(f, osb_lifecycle_patch_metadata(&f->client, f->box.id, patch, 2, &handlers, &info));
    assert_non_null(strstr(entries.text, "metadata:env=prod;"));
    assert_null(strstr(entries.text, "team"));
}

static void renew(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_sandbox_info info;
    osb_str expires_at;
    char before[40], after[40];
    OK(f, osb_sandbox_get_info(&f->box, NULL, &info));
    snprintf(before, sizeof before, "%s", info.expires_at.data);
    OK(f, osb_sandbox_renew(&f->box, 7200, &expires_at));
    snprintf(after, sizeof after, "%s", expires_at.data);
    assert_true(strcmp(before, after) < 0); /* RFC 3339 sorts as text */
    OK(f, osb_sandbox_get_info(&f->box, NULL, &info));
    assert_memory_equal(info.expires_at.data, after, 19);
}

/* Without any Date header seen before, the server must be asked for its time first. */
static void renew_on_a_fresh_client(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_str expires_at;
    osb_client_close(&f->client);
    assert_int_equal(osb_client_init(&f->client, &f->config), OSB_OK);
    OK(f, osb_lifecycle_renew(&f->client, f->box.id, 3600, &expires_at));
    assert_non_null(expires_at.data);
}

static void pause_and_resume(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_sandbox_info info;
    struct outcome o;
    OK(f, osb_sandbox_pause(&f->box));
    OK(f, osb_sandbox_get_info(&f->box, NULL, &info));
    assert_true(osb_str_equal(info.state, "Paused"));
    EXPECT(OSB_E_API, f, osb_sandbox_pause(&f->box));
    OK(f, osb_sandbox_resume(&f->client, f->box.id, NULL, &f->box));
    run_text(f, "echo awake", &o);
    assert_string_equal(o.out_text, "awake\n");
}

static void pause_and_resume_take_time(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_sandbox_info info;
    create_box(f, "devserver.transition-ms", "400");
    OK(f, osb_sandbox_pause(&f->box));
    OK(f, osb_sandbox_get_info(&f->box, NULL, &info));
    assert_true(osb_str_equal(info.state, "Pausing"));
    do {
        sleep_ms(50);
        OK(f, osb_sandbox_get_info(&f->box, NULL, &info));
    } while (!osb_str_equal(info.state, "Paused"));
    OK(f, osb_sandbox_resume(&f->client, f->box.id, NULL, &f->box));
    OK(f, osb_ping(&f->box));
}

/* ---- list and find ---------------------------------------------------------------------------*/

struct listing {
    char ids[8][OSB_ID_SIZE];
    size_t count;
};

static int add_id(void *user, const osb_sandbox_info *info)
{
    struct listing *listing = (struct listing *)user;
    assert_true(listing->count < 8);
    snprintf(listing->ids[listing->count++], OSB_ID_SIZE, "%s", info->id.data);
    assert_non_null(info->state.data);
    return 0;
}

static void list(struct fixture *f, const osb_sandbox_filter *filter, struct listing *listing,
                 osb_sandbox_page *page)
{
    osb_info_handlers handlers = {listing, NULL, add_id};
    memset(listing, 0, sizeof *listing);
    OK(f, osb_lifecycle_list(&f->client, filter, &handlers, page));
}

enum { BOXES = 5 };

/* Five sandboxes; two of them are of team "b & c". */
static void list_with_filters(void **state)
{
    static const char *const paused[] = {"Paused", "Pausing"};
    static const osb_pair team[] = {{"team", "b-c.d_e"}};
    struct fixture *f = (struct fixture *)*state;
    osb_sandbox boxes[BOXES];
    osb_sandbox_filter filter;
    osb_sandbox_page page;
    struct listing listing;
    int i;
    for (i = 0; i < BOXES; i++) {
        create_tagged(f, "team", i % 2 == 1 ? "b-c.d_e" : "a", &boxes[i]);
        sleep_ms(2); /* "newest first" needs times that differ */
    }
    list(f, NULL, &listing, &page);
    assert_int_equal(listing.count, BOXES);
    assert_int_equal(page.total_items, BOXES);
    for (i = 0; i < BOXES; i++) assert_string_equal(listing.ids[i], boxes[BOXES - 1 - i].id);

    memset(&filter, 0, sizeof filter);
    filter.page = 2;
    filter.page_size = 2;
    list(f, &filter, &listing, &page);
    assert_int_equal(listing.count, 2);
    assert_string_equal(listing.ids[0], boxes[2].id);
    assert_int_equal(page.total_pages, 3);
    assert_true(page.has_next_page);
    filter.page = 3;
    list(f, &filter, &listing, &page);
    assert_int_equal(listing.count, 1);
    assert_false(page.has_next_page);

    memset(&filter, 0, sizeof filter);
    filter.metadata = team;
    filter.metadata_count = 1;
    list(f, &filter, &listing, &page);
    assert_int_equal(listing.count, 2);
    assert_string_equal(listing.ids[1], boxes[1].id);

    OK(f, osb_sandbox_pause(&boxes[4]));
    memset(&filter, 0, sizeof filter);
    filter.states = paused;
    filter.state_count = 2;
    list(f, &filter, &listing, &page);
    assert_int_equal(listing.count, 1);
    assert_string_equal(listing.ids[0], boxes[4].id);
    for (i = 0; i < BOXES; i++) OK(f, osb_sandbox_kill(&boxes[i]));
}

static int stop_listing(void *user, const osb_sandbox_info *info)
{
    (void)info;
    return ++*(int *)user == 1;
}

static void handler_stops_a_list(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    int seen = 0;
    osb_info_handlers handlers = {&seen, NULL, stop_listing};
    osb_sandbox second;
    osb_sandbox_page page;
    create_tagged(f, "n", "2", &second);
    EXPECT(OSB_E_CANCELLED, f, osb_lifecycle_list(&f->client, NULL, &handlers, &page));
    assert_int_equal(seen, 1);
    OK(f, osb_sandbox_kill(&second));
}

/* The server makes a sandbox, and its answer is lost: with a tag it can be found again. */
static void find_after_a_lost_answer(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    static const osb_pair tag = {"request", "8d1f3c"};
    static const osb_pair drop = {"devserver.create-answer", "drop"};
    osb_create_options options;
    memset(&options, 0, sizeof options);
    options.image = "python:3.12";
    options.metadata = &tag;
    options.metadata_count = 1;
    options.extensions = &drop;
    options.extension_count = 1;
    EXPECT(OSB_E_CLOSED, f, osb_sandbox_create(&f->client, &options, &f->box));
    assert_true(osb_last_error(&f->client)->maybe_applied);
    assert_int_equal(f->box.id[0], '\0');
    OK(f, osb_sandbox_find(&f->client, &tag, &f->box));
    f->has_box = true;
    OK(f, osb_sandbox_connect(&f->client, f->box.id, NULL, &f->box));
    OK(f, osb_ping(&f->box));
}

static void find_nothing(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    static const osb_pair tag = {"request", "none"};
    osb_sandbox box;
    EXPECT(OSB_E_NOT_FOUND, f, osb_sandbox_find(&f->client, &tag, &box));
}

/* ---- endpoints -------------------------------------------------------------------------------*/

struct body {
    char text[512];
    size_t size;
};

static int add_to_body(void *user, const void *data, size_t size)
{
    struct body *body = (struct body *)user;
    assert_true(body->size + size < sizeof body->text);
    memcpy(body->text + body->size, data, size);
    body->size += size;
    body->text[body->size] = '\0';
    return 0;
}

/* A web server on a free port of the sandbox; returns the port. */
static uint16_t start_web_server(struct fixture *f)
{
    static const char script[] = "import http.server, os, threading\n"
                                 "server = http.server.HTTPServer((\"127.0.0.1\", 0), "
                                 "http.server.SimpleHTTPRequestHandler)\n"
                                 "open(\"port.tmp\", \"w\").write(str(server.server_port))\n"
                                 "os.rename(\"port.tmp\", \"port\")\n"
                                 "server.serve_forever()\n";
    static const osb_pair env = {"SCRIPT", script};
    osb_command command;
    osb_execution run;
    struct outcome o;
    memset(&command, 0, sizeof command);
    command.command = "echo served > hello.txt; exec python3 -c \"$SCRIPT\"";
    command.envs = &env;
    command.env_count = 1;
    command.background = true;
    OK(f, osb_command_run(&f->box, &command, NULL, &run));
    run_text(f, "until [ -e port ]; do sleep 0.02; done; cat port", &o);
    return (uint16_t)atoi(o.out_text);
}

static void get_hello(struct fixture *f, const osb_endpoint *endpoint)
{
    osb_request request;
    struct body body;
    uint16_t http_status = 0;
    memset(&request, 0, sizeof request);
    memset(&body, 0, sizeof body);
    request.path = "/hello.txt";
    request.user = &body;
    request.on_data = add_to_body;
    OK(f, osb_endpoint_request(&f->client, endpoint, &request, &http_status));
    assert_int_equal(http_status, 200);
    assert_string_equal(body.text, "served\n");
}

static void request_to_a_web_server(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_endpoint_options options;
    osb_endpoint endpoint;
    osb_request request;
    uint16_t port = start_web_server(f), http_status = 0;
    OK(f, osb_sandbox_endpoint(&f->box, port, NULL, &endpoint));
    get_hello(f, &endpoint);
    memset(&request, 0, sizeof request);
    request.path = "/missing";
    OK(f, osb_endpoint_request(&f->client, &endpoint, &request, &http_status));
    assert_int_equal(http_status, 404);
    request.method = "POST";
    request.body = "data";
    request.body_size = 4;
    OK(f, osb_endpoint_request(&f->client, &endpoint, &request, &http_status));
    assert_int_equal(http_status, 501);

    memset(&options, 0, sizeof options);
    options.use_server_proxy = true;
    OK(f, osb_sandbox_endpoint(&f->box, port, &options, &endpoint));
    assert_non_null(strstr(endpoint.address, "/sandboxes/"));
    get_hello(f, &endpoint);
    options.use_server_proxy = false;
    options.no_server_proxy = true;
    OK(f, osb_sandbox_endpoint(&f->box, port, &options, &endpoint));
    assert_null(strstr(endpoint.address, "/sandboxes/"));
    get_hello(f, &endpoint);
    memset(&options, 0, sizeof options);
    options.expires_unix_s = (uint32_t)time(NULL) + 60;
    OK(f, osb_sandbox_endpoint(&f->box, port, &options, &endpoint));
    assert_non_null(strstr(endpoint.address, "/gateway/"));
    assert_int_equal(endpoint.headers[0], '\0');
    get_hello(f, &endpoint);
}

static void endpoint_as_url(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_endpoint endpoint;
    char url[256];
    size_t size;
    OK(f, osb_sandbox_endpoint(&f->box, 8080, NULL, &endpoint));
    size = osb_endpoint_url(&endpoint, url, sizeof url);
    assert_int_equal(size, strlen(url));
    assert_memory_equal(url, "http://", 7);
    assert_string_equal(url + 7, endpoint.address);
    assert_int_equal(osb_endpoint_url(&endpoint, url, 8), size);
    assert_string_equal(url, "http://");
}

/* Such a sandbox is reached through a gateway, which wants a header. */
static void secured_endpoints(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_create_options options;
    osb_endpoint endpoint;
    struct outcome o;
    memset(&options, 0, sizeof options);
    options.image = "python:3.12";
    options.secure_access = true;
    OK(f, osb_sandbox_create(&f->client, &options, &f->box));
    f->has_box = true;
    run_text(f, "echo secured", &o);
    assert_string_equal(o.out_text, "secured\n");
    OK(f, osb_sandbox_endpoint(&f->box, start_web_server(f), NULL, &endpoint));
    get_hello(f, &endpoint);
}

static void health(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    unsigned before;
    OK(f, osb_server_health(&f->client));
    before = f->connections;
    OK(f, osb_server_health(&f->client));
    OK(f, osb_server_health(&f->client));
    assert_int_equal(f->connections, before);
}

/* "localhost" is tried as ::1 first where there is one: nobody listens there. */
static void domain_spellings(void **state)
{
    static const char *const patterns[] = {"%s", "http://%s", "http://%s/", "%s/v1",
                                           "http://%s/v1/"};
    struct fixture *f = (struct fixture *)*state;
    const char *domain = f->config.domain, *port = strchr(domain, ':');
    static char spelling[96]; /* the client needs it to its end */
    osb_sandbox_page page;
    size_t i;
    f->config.domain = spelling;
    for (i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        snprintf(spelling, sizeof spelling, patterns[i], domain);
        osb_client_close(&f->client);
        assert_int_equal(osb_client_init(&f->client, &f->config), OSB_OK);
        OK(f, osb_lifecycle_list(&f->client, NULL, NULL, &page));
        OK(f, osb_server_health(&f->client));
    }
    assert_non_null(port);
    snprintf(spelling, sizeof spelling, "localhost%s", port);
    osb_client_close(&f->client);
    assert_int_equal(osb_client_init(&f->client, &f->config), OSB_OK);
    create_box(f, NULL, NULL);
    OK(f, osb_ping(&f->box));
}

static void buffer_peak(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct outcome o;
    run_text(f, "echo x", &o);
    assert_in_range(osb_buffer_peak(&f->client), 1, 1023);
    run_text(f, "python3 -c 'print(\"x\" * 10000)'", &o);
    assert_in_range(osb_buffer_peak(&f->client), 1, variant->memory_size);
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(kill_ends_it),
    CLIENT_TEST(running_after_a_while),
    CLIENT_TEST(execd_comes_up_late),
    BOX_TEST(connect_to_an_existing_one),
    CLIENT_TEST(create_without_waiting),
    CLIENT_TEST(everything_that_create_can_say),
    CLIENT_TEST(validation_error),
    CLIENT_TEST(custom_check),
    CLIENT_TEST(custom_check_that_is_never_content),
    CLIENT_TEST(custom_check_that_fails),
    CLIENT_TEST(describe),
    CLIENT_TEST(patch_metadata),
    BOX_TEST(renew),
    BOX_TEST(renew_on_a_fresh_client),
    BOX_TEST(pause_and_resume),
    CLIENT_TEST(pause_and_resume_take_time),
    CLIENT_TEST(list_with_filters),
    BOX_TEST(handler_stops_a_list),
    CLIENT_TEST(find_after_a_lost_answer),
    CLIENT_TEST(find_nothing),
    BOX_TEST(request_to_a_web_server),
    BOX_TEST(endpoint_as_url),
    CLIENT_TEST(secured_endpoints),
    CLIENT_TEST(health),
    CLIENT_TEST(domain_spellings),
    BOX_TEST(buffer_peak),
};

RUN_IN_ALL_VARIANTS(tests, NULL, NULL)
