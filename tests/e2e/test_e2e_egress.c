/* The egress sidecar: network policy and credential vault. */
#define LEAST_MEMORY 2048
#include "e2e.h"

/* ---- what is handed out ----------------------------------------------------------------------*/

struct text {
    char text[4096];
    unsigned calls;
};

static void add(struct text *all, const char *format, ...)
{
    size_t used = strlen(all->text);
    va_list args;
    va_start(args, format);
    vsnprintf(all->text + used, sizeof all->text - used, format, args);
    va_end(args);
    all->calls++;
}

/* A view for "%.*s". */
#define VIEW(view) (int)(view).size, (view).data

static int add_rule(void *user, const osb_rule_info *rule)
{
    add((struct text *)user, "%.*s %.*s\n", VIEW(rule->action), VIEW(rule->target));
    return 0;
}

static int add_entry(void *user, const osb_entry *entry)
{
    add((struct text *)user, "%s %.*s\n", entry->member, VIEW(entry->value));
    return 0;
}

static int add_credential(void *user, const osb_credential_info *credential)
{
    assert_true(osb_str_equal(credential->source_type, "inline"));
    add((struct text *)user, "credential %.*s %u\n", VIEW(credential->name),
        (unsigned)credential->revision);
    return 0;
}

static int add_binding(void *user, const osb_binding_info *binding)
{
    add((struct text *)user, "binding %.*s %.*s %.*s %u\n", VIEW(binding->name),
        VIEW(binding->auth), (int)binding->header_name.size,
        binding->header_name.data != NULL ? binding->header_name.data : "",
        (unsigned)binding->revision);
    return 0;
}

/* ---- a sandbox with a sidecar ----------------------------------------------------------------*/

/* Not by way of execd, whose proxy the dev server's direct addresses lead through. */
static const osb_egress_options around_execd = {.endpoint = {.use_server_proxy = true}};

static const osb_network_rule first_rules[] = {
    {"allow", "api.example.com"}, {"allow", "*.example.org"}, {"deny", "bad.example.com"}};

static void create_with_policy(struct fixture *f, const char *hook, osb_egress *egress)
{
    osb_network_policy policy = {"deny", first_rules, 3};
    osb_pair extension = {hook, "1"};
    osb_egress_options way = {.allow_execd_route = true};
    osb_create_options options = {.image = "python:3.12", .credential_proxy = true};
    options.network_policy = &policy;
    options.extensions = &extension;
    options.extension_count = hook != NULL ? 1 : 0;
    OK(f, osb_sandbox_create(&f->client, &options, &f->box));
    f->has_box = true;
    OK(f, osb_egress_connect(&f->box, &way, egress));
}

/* ---- policy ----------------------------------------------------------------------------------*/

static void expect_policy(struct fixture *f, osb_egress *egress, const char *mode,
                          const char *action, const char *rules)
{
    osb_policy_status status;
    struct text all = {"", 0};
    OK(f, osb_egress_get_policy(egress, add_rule, &all, &status));
    assert_true(osb_str_equal(status.mode, mode));
    assert_true(osb_str_equal(status.default_action, action));
    assert_true(osb_str_equal(status.enforcement_mode, "dns"));
    assert_string_equal(all.text, rules);
}

static void policy(void **state)
{
    static const osb_network_rule more[] = {{"deny", "api.example.com"}, {"allow", "new.example"}};
    static const char *const targets[] = {"bad.example.com", "*.example.org"};
    static const char *const unknown[] = {"nobody.example"};
    static const osb_network_policy open = {"allow", NULL, 0};
    struct fixture *f = (struct fixture *)*state;
    osb_policy_status status;
    osb_egress egress;
    create_with_policy(f, NULL, &egress);
    OK(f, osb_egress_health(&egress));
    expect_policy(f, &egress, "enforcing", "deny",
                  "allow api.example.com\nallow *.example.org\ndeny bad.example.com\n");
    OK(f, osb_egress_patch_policy(&egress, more, 2, &status));
    assert_true(osb_str_equal(status.status, "ok"));
    assert_true(osb_str_equal(status.mode, "enforcing"));
    expect_policy(f, &egress, "enforcing", "deny",
                  "deny api.example.com\nallow new.example\nallow *.example.org\n"
                  "deny bad.example.com\n");
    OK(f, osb_egress_delete_rules(&egress, targets, 2, NULL));
    expect_policy(f, &egress, "enforcing", "deny", "deny api.example.com\nallow new.example\n");
    OK(f, osb_egress_delete_rules(&egress, unknown, 1, &status));
    assert_true(osb_str_equal(status.reason, "no matching targets found"));
    OK(f, osb_egress_replace_policy(&egress, &open, &status));
    assert_true(osb_str_equal(status.mode, "allow_all"));
    expect_policy(f, &egress, "allow_all", "allow", "");
    OK(f, osb_egress_reset_policy(&egress, &status));
    assert_true(osb_str_equal(status.mode, "deny_all"));
    expect_policy(f, &egress, "deny_all", "deny", "");
}

/* The sidecar's errors are plain text. */
static void policy_errors(void **state)
{
    static const osb_network_rule wrong[] = {{"maybe", "api.example.com"}};
    struct fixture *f = (struct fixture *)*state;
    osb_egress egress, stranger;
    osb_policy_status status;
    create_with_policy(f, NULL, &egress);
    EXPECT(OSB_E_API, f, osb_egress_patch_policy(&egress, wrong, 1, &status));
    assert_int_equal(osb_last_error(&f->client)->http_status, 400);
    assert_non_null(strstr(error_text(f), "unsupported action \"maybe\""));
    EXPECT(OSB_E_API, f, osb_egress_patch_policy(&egress, wrong, 0, &status));
    assert_non_null(strstr(error_text(f), "empty array"));
    OK(f, osb_egress_connect(&f->box, &around_execd, &stranger));
    memset(stranger.endpoint.headers, 0, sizeof stranger.endpoint.headers);
    EXPECT(OSB_E_AUTH, f, osb_egress_get_policy(&stranger, NULL, NULL, &status));
    assert_non_null(strstr(error_text(f), "unauthorized"));
}

/* A request of one's own to the sidecar, and the status that it is refused with. */
static void expect_refused(struct fixture *f, osb_egress *egress, uint16_t expected,
                           const char *method, const char *path, const char *body)
{
    osb_request request = {.method = method, .path = path, .body = body};
    uint16_t http_status;
    request.body_size = strlen(body);
    OK(f, osb_endpoint_request(&f->client, &egress->endpoint, &request, &http_status));
    assert_int_equal(http_status, expected);
}

/* Nothing may follow the body's value, and an empty name is none. */
static void strict_sidecar(void **state)
{
    static const osb_vault_content nothing = {NULL, 0, NULL, 0};
    struct fixture *f = (struct fixture *)*state;
    osb_egress egress;
    create_with_policy(f, NULL, &egress);
    expect_refused(f, &egress, 400, "PATCH", "/policy",
                   "[{\"action\":\"deny\",\"target\":\"x.example\"}] y");
    expect_refused(f, &egress, 400, "DELETE", "/policy", "[\"bad.example.com\"] y");
    expect_refused(f, &egress, 400, "DELETE", "/policy", "null");
    expect_policy(f, &egress, "enforcing", "deny",
                  "allow api.example.com\nallow *.example.org\ndeny bad.example.com\n");
    OK(f, osb_vault_create(&egress, &nothing, NULL, NULL));
    expect_refused(f, &egress, 404, "GET", "/credential-vault/credentials/", "");
    expect_refused(f, &egress, 404, "GET", "/credential-vault/bindings/", "");
}

static void hundreds_of_rules(void **state)
{
    static char names[300][64];
    static osb_network_rule rules[300];
    struct fixture *f = (struct fixture *)*state;
    osb_policy_status status;
    osb_egress egress;
    struct text all = {"", 0};
    size_t i;
    for (i = 0; i < 300; i++) {
        snprintf(names[i], sizeof names[i], "host-number-%03u.some.long.domain.example",
                 (unsigned)i);
        rules[i].action = "allow";
        rules[i].target = names[i];
    }
    create_with_policy(f, NULL, &egress);
    OK(f, osb_egress_patch_policy(&egress, rules, 300, &status));
    OK(f, osb_egress_get_policy(&egress, add_rule, &all, &status));
    assert_int_equal(all.calls, 303);
}

/* ---- vault -----------------------------------------------------------------------------------*/

static const char *const api_hosts[] = {"api.example.com"};

/* All there is to say of a binding. */
static void say_everything(osb_binding *binding)
{
    static const char *const schemes[] = {"https"}, *const methods[] = {"GET", "POST"};
    static const char *const paths[] = {"/v1/*", "/v2/*"};
    static const uint16_t ports[] = {443, 80};
    binding->schemes = schemes;
    binding->scheme_count = 1;
    binding->ports = ports;
    binding->port_count = 2;
    binding->methods = methods;
    binding->method_count = 2;
    binding->paths = paths;
    binding->path_count = 2;
}

static void vault(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_credential secret = {"token", "s3cret \"quoted\" \xE2\x82\xAC"}, other = {"more", "v"};
    osb_binding binding = {.name = "b",
                           .hosts = api_hosts,
                           .host_count = 1,
                           .auth = "apiKey",
                           .header_name = "x-api-key",
                           .credential = "token"};
    osb_vault_content content = {&secret, 1, &binding, 1};
    osb_credential_changes add_one = {.add = &other, .add_count = 1};
    osb_vault_changes changes = {.expected_revision = {true, 1}, .credentials = &add_one};
    struct text all = {"", 0};
    osb_vault_handlers handlers = {&all, add_entry, add_credential, add_binding};
    osb_credential_info credential;
    osb_binding_info info;
    osb_egress egress;
    uint32_t revision;
    create_with_policy(f, NULL, &egress);
    say_everything(&binding);
    EXPECT(OSB_E_NOT_FOUND, f, osb_vault_get(&egress, NULL, &revision));
    OK(f, osb_vault_create(&egress, &content, &handlers, &revision));
    assert_int_equal(revision, 1);
    assert_string_equal(all.text, "credential token 1\nschemes https\nports 443\nports 80\n"
                                  "hosts api.example.com\nmethods GET\nmethods POST\npaths /v1/*\n"
                                  "paths /v2/*\nbinding b apiKey X-Api-Key 1\n");
    EXPECT(OSB_E_API, f, osb_vault_create(&egress, &content, NULL, &revision));
    assert_int_equal(osb_last_error(&f->client)->http_status, 409);

    memset(&all, 0, sizeof all);
    OK(f, osb_vault_patch(&egress, &changes, &handlers, &revision));
    assert_int_equal(revision, 2);
    assert_memory_equal(all.text, "credential more 2\ncredential token 1\n", 37);
    EXPECT(OSB_E_API, f, osb_vault_patch(&egress, &changes, NULL, &revision));
    assert_int_equal(osb_last_error(&f->client)->http_status, 409);
    assert_non_null(strstr(error_text(f), "expectedRevision 1 does not match"));

    memset(&all, 0, sizeof all);
    OK(f, osb_vault_list_credentials(&egress, &handlers, &revision));
    assert_string_equal(all.text, "credential more 2\ncredential token 1\n");
    assert_int_equal(revision, 2);
    OK(f, osb_vault_get_credential(&egress, "token", &credential));
    assert_true(osb_str_equal(credential.name, "token"));
    assert_int_equal(credential.revision, 1);
    memset(&all, 0, sizeof all);
    OK(f, osb_vault_get_binding(&egress, "b", &handlers, &info));
    assert_true(osb_str_equal(info.auth, "apiKey"));
    assert_true(osb_str_equal(info.header_name, "X-Api-Key"));
    assert_int_equal(all.calls, 8); /* its entries */
    EXPECT(OSB_E_NOT_FOUND, f, osb_vault_get_credential(&egress, "none", &credential));

    OK(f, osb_vault_delete(&egress));
    EXPECT(OSB_E_NOT_FOUND, f, osb_vault_delete(&egress));
}

/* The five kinds of authentication, and substitutions. */
static void kinds_of_authentication(void **state)
{
    static const char *const paths[5][1] = {{"/a/*"}, {"/b/*"}, {"/c/*"}, {"/d/*"}, {"/e/*"}};
    static const char *const kinds[] = {"bearer", "basic", "apiKey", "customHeaders",
                                        "passthrough"};
    static const osb_pair headers[] = {{"X-One", "one"}, {"X-Two", "two"}};
    static const char *const in[] = {"path", "query", "header", "body"};
    static const osb_substitution substitutions[] = {{"one", "{{ONE}}", in, 4},
                                                     {"two", "{{TWO}}", in + 2, 1}};
    static const osb_credential credentials[] = {{"one", "dXNlcjpwYXNz"}, {"two", "2"}};
    struct fixture *f = (struct fixture *)*state;
    osb_binding bindings[5];
    osb_vault_content content = {credentials, 2, bindings, 5};
    struct text all = {"", 0};
    osb_vault_handlers handlers = {&all, NULL, NULL, add_binding};
    osb_egress egress;
    size_t i;
    memset(bindings, 0, sizeof bindings);
    for (i = 0; i < 5; i++) {
        bindings[i].name = kinds[i];
        bindings[i].hosts = api_hosts;
        bindings[i].host_count = 1;
        bindings[i].paths = paths[i];
        bindings[i].path_count = 1;
        bindings[i].auth = kinds[i];
        if (i < 3) bindings[i].credential = "one";
    }
    bindings[2].header_name = "X-Key";
    bindings[3].headers = headers;
    bindings[3].header_count = 2;
    bindings[4].substitutions = substitutions;
    bindings[4].substitution_count = 2;
    create_with_policy(f, NULL, &egress);
    OK(f, osb_vault_create(&egress, &content, &handlers, NULL));
    assert_string_equal(all.text, "binding apiKey apiKey X-Key 1\nbinding basic basic  1\n"
                                  "binding bearer bearer  1\n"
                                  "binding customHeaders customHeaders  1\n"
                                  "binding passthrough passthrough  1\n");
}

static void changes_of_all_kinds(void **state)
{
    static const osb_credential first[] = {{"a", "1"}, {"b", "2"}, {"c", "3"}};
    static const osb_credential replacement = {"b", "22"}, fourth = {"d", "4"};
    static const char *const gone[] = {"c"}, *const old[] = {"old"};
    struct fixture *f = (struct fixture *)*state;
    osb_binding one = {
        .name = "one", .hosts = api_hosts, .host_count = 1, .auth = "bearer", .credential = "a"};
    osb_binding new_one = one, another = one;
    osb_binding bindings[2];
    osb_vault_content content = {first, 3, bindings, 2};
    osb_credential_changes credentials = {&fourth, 1, &replacement, 1, gone, 1};
    osb_binding_changes changed = {.remove = old, .remove_count = 1};
    osb_vault_changes changes = {.credentials = &credentials, .bindings = &changed};
    struct text all = {"", 0};
    osb_vault_handlers handlers = {&all, NULL, add_credential, add_binding};
    static const char *const org[] = {"sub.example.org"}, *const wild[] = {"*.example.org"};
    osb_egress egress;
    uint32_t revision;
    bindings[0] = bindings[1] = one;
    bindings[1].name = "old";
    bindings[1].hosts = org;
    new_one.auth = "basic";
    new_one.credential = "d";
    another.name = "two";
    another.hosts = wild;
    changed.replace = &new_one;
    changed.add = &another;
    changed.replace_count = changed.add_count = 1;
    create_with_policy(f, NULL, &egress);
    OK(f, osb_vault_create(&egress, &content, NULL, &revision));
    OK(f, osb_vault_patch(&egress, &changes, &handlers, &revision));
    assert_int_equal(revision, 2);
    assert_string_equal(all.text, "credential a 1\ncredential b 2\ncredential d 2\n"
                                  "binding one basic  2\nbinding two bearer  2\n");
    memset(&all, 0, sizeof all);
    OK(f, osb_vault_list_bindings(&egress, &handlers, &revision));
    assert_string_equal(all.text, "binding one basic  2\nbinding two bearer  2\n");
    EXPECT(OSB_E_API, f, osb_vault_patch(&egress, &changes, NULL, &revision)); /* all or nothing */
    OK(f, osb_vault_get(&egress, NULL, &revision));
    assert_int_equal(revision, 2);
}

/* Where the sidecar wants no secrets over plain HTTP, they go by way of execd: if allowed. */
static void way_through_execd(void **state)
{
    static const osb_credential secret = {"token", "value"};
    static const osb_vault_content content = {&secret, 1, NULL, 0};
    struct fixture *f = (struct fixture *)*state;
    osb_vault_changes none = {{false, 0}, NULL, NULL};
    osb_egress egress, direct;
    uint32_t revision;
    create_with_policy(f, "devserver.private-vault", &egress);
    OK(f, osb_egress_connect(&f->box, &around_execd, &direct));
    egress = direct;
    egress.allow_execd_route = true;
    EXPECT(OSB_E_API, f, osb_vault_create(&direct, &content, NULL, &revision));
    assert_int_equal(osb_last_error(&f->client)->http_status, 426);
    assert_false(direct.through_execd);
    EXPECT(OSB_E_NOT_FOUND, f, osb_vault_get(&egress, NULL, &revision));
    OK(f, osb_vault_create(&egress, &content, NULL, &revision));
    assert_true(egress.through_execd);
    assert_int_equal(revision, 1);
    OK(f, osb_vault_patch(&egress, &none, NULL, &revision));
    assert_int_equal(revision, 2);
    OK(f, osb_egress_health(&egress));
    EXPECT(OSB_E_API, f, osb_vault_delete(&direct));
    OK(f, osb_vault_delete(&egress));
}

static void sandbox_without_a_sidecar(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_egress egress;
    osb_policy_status status;
    osb_status found = done(f, osb_egress_connect(&f->box, NULL, &egress));
    if (found == OSB_OK) found = done(f, osb_egress_get_policy(&egress, NULL, NULL, &status));
    assert_true(found < 0);
}

/* A sandbox and a sidecar of which nothing is known but their addresses and tokens. */
static void known_addresses(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_egress egress, known;
    osb_execution run;
    osb_command command = {.command = "exit 3"};
    osb_sandbox box;
    create_with_policy(f, NULL, &egress);
    memset(&known, 0, sizeof known);
    known.client = &f->client;
    known.endpoint = egress.endpoint;
    expect_policy(f, &known, "enforcing", "deny",
                  "allow api.example.com\nallow *.example.org\ndeny bad.example.com\n");
    memset(&box, 0, sizeof box);
    box.client = &f->client;
    box.execd = f->box.execd;
    OK(f, osb_command_run(&box, &command, NULL, &run));
    assert_int_equal(run.exit_code.value, 3);
    EXPECT(OSB_E_INVALID, f, osb_sandbox_kill(&box));
}

/* Without a credential proxy the vault says so, before anything else. */
static void vault_without_a_proxy(void **state)
{
    static const osb_credential secret = {"token", "value"};
    static const osb_vault_content content = {&secret, 1, NULL, 0};
    struct fixture *f = (struct fixture *)*state;
    osb_network_policy policy = {"deny", first_rules, 3};
    osb_create_options options = {.image = "python:3.12"};
    osb_egress egress;
    options.network_policy = &policy;
    OK(f, osb_sandbox_create(&f->client, &options, &f->box));
    f->has_box = true;
    OK(f, osb_egress_connect(&f->box, NULL, &egress));
    EXPECT(OSB_E_API, f, osb_vault_create(&egress, &content, NULL, NULL));
    assert_int_equal(osb_last_error(&f->client)->http_status, 412);
}

static const struct CMUnitTest tests[] = {
    CLIENT_TEST(policy),
    CLIENT_TEST(policy_errors),
    CLIENT_TEST(strict_sidecar),
    CLIENT_TEST(hundreds_of_rules),
    CLIENT_TEST(vault),
    CLIENT_TEST(kinds_of_authentication),
    CLIENT_TEST(changes_of_all_kinds),
    CLIENT_TEST(way_through_execd),
    BOX_TEST(sandbox_without_a_sidecar),
    CLIENT_TEST(vault_without_a_proxy),
    CLIENT_TEST(known_addresses),
};

RUN_IN_ALL_VARIANTS(tests, NULL, NULL)
