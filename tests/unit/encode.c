/* Requests: the JSON of every option, queries, heads; and that every window position and every cut
   of the sends gives the same bytes. */
#include "tests/support/unit.h"

static char out[16384];

static void encode(const osb__field *table, const void *object)
{
    osb__writer w;
    memset(&w, 0, sizeof w);
    memset(out, 0, sizeof out);
    w.out = (unsigned char *)out;
    w.room = sizeof out - 1;
    osb__encode(&w, table, object);
    assert_int_equal(w.at, strlen(out));
}

static const char *const two[] = {"one", "t\"wo"};
static const osb_pair pairs[] = {{"a", "1"}, {"b\\", NULL}, {"", ""}, {NULL, "x"}};
static const osb_network_rule rules[] = {{"allow", "*.a.example"}, {"deny", "b.example"}};
static const osb_host_volume host_volume = {"/srv"};
static const osb_ossfs_volume ossfs = {"bucket", "oss.example", "2.0", two, 2, "id", "secret"};

/* Each option by itself, so that none can hide behind another one. */
static void test_nothing(void **state)
{
    osb_create_options o = {0};
    (void)state;
    encode(osb__create_fields, &o);
    assert_string_equal(out, "{}");
}

static void test_image(void **state)
{
    osb_create_options o = {0};
    (void)state;
    o.image = "python:3.12";
    encode(osb__create_fields, &o);
    assert_string_equal(out, "{\"image\":{\"uri\":\"python:3.12\"}}");
    o.image_username = "me";
    o.image_password = "pass\"word";
    encode(osb__create_fields, &o);
    assert_string_equal(out,
                        "{\"image\":{\"auth\":{\"username\":\"me\",\"password\":\"pass\\\"word\"},"
                        "\"uri\":\"python:3.12\"}}");
}

/* What misses its main member is for the server to refuse, and not left out. */
static void test_without_the_main_member(void **state)
{
    osb_create_options o = {0};
    osb_binding binding = {0};
    osb_isolated_options isolated = {0};
    (void)state;
    o.image_password = "secret";
    encode(osb__create_fields, &o);
    assert_string_equal(out, "{\"image\":{\"auth\":{\"password\":\"secret\"}}}");
    memset(&o, 0, sizeof o);
    o.snapshot_id = "9c";
    o.platform_arch = "arm64";
    encode(osb__create_fields, &o);
    assert_string_equal(out, "{\"snapshotId\":\"9c\",\"platform\":{\"arch\":\"arm64\"}}");
    binding.name = "b";
    binding.paths = two;
    binding.path_count = 1;
    binding.credential = "key";
    encode(osb__binding_fields, &binding);
    assert_string_equal(out, "{\"name\":\"b\",\"match\":{\"paths\":[\"one\"]},"
                             "\"auth\":{\"credential\":\"key\"}}");
    isolated.workspace_mode = "overlay";
    encode(osb__isolated_body_fields, &isolated);
    assert_string_equal(out, "{\"workspace\":{\"mode\":\"overlay\"}}");
}

/* A server shares its network with a session unless it is told not to. */
static void test_share_net(void **state)
{
    osb_isolated_options isolated = {0};
    (void)state;
    encode(osb__isolated_body_fields, &isolated);
    assert_string_equal(out, "{}");
    isolated.no_share_net = true;
    encode(osb__isolated_body_fields, &isolated);
    assert_string_equal(out, "{\"share_net\":false}");
    isolated.no_share_net = false;
    isolated.share_net = true;
    encode(osb__isolated_body_fields, &isolated);
    assert_string_equal(out, "{\"share_net\":true}");
}

/* Sizes are counted in 32 bits: what does not fit there is refused, not cut. */
static void test_too_large_to_count(void **state)
{
    osb__writer w;
    (void)state;
    if (sizeof(size_t) <= sizeof(uint32_t)) return;
    memset(&w, 0, sizeof w);
    osb__put(&w, "", UINT32_MAX);
    assert_false(w.large);
    osb__put(&w, "", 1);
    osb__put(&w, "", 1); /* it stays so */
    assert_true(w.large);
    memset(&w, 0, sizeof w);
    osb__put(&w, "", (size_t)UINT32_MAX + (sizeof(size_t) > sizeof(uint32_t)));
    assert_true(w.large);
}

static void test_scalars(void **state)
{
    osb_create_options o = {0};
    (void)state;
    o.snapshot_id = "9c";
    o.ttl_s = 4294967295u;
    encode(osb__create_fields, &o);
    assert_string_equal(out, "{\"snapshotId\":\"9c\",\"timeout\":4294967295}");
    memset(&o, 0, sizeof o);
    o.secure_access = true;
    encode(osb__create_fields, &o);
    assert_string_equal(out, "{\"secureAccess\":true}");
    memset(&o, 0, sizeof o);
    o.credential_proxy = true;
    encode(osb__create_fields, &o);
    assert_string_equal(out, "{\"credentialProxy\":{\"enabled\":true}}");
}

static void test_entrypoint(void **state)
{
    osb_create_options o = {0};
    (void)state;
    o.entrypoint = two;
    o.entrypoint_count = 2;
    encode(osb__create_fields, &o);
    assert_string_equal(out, "{\"entrypoint\":[\"one\",\"t\\\"wo\"]}");
}

static void test_maps(void **state)
{
    osb_create_options o = {0};
    (void)state;
    o.env = o.metadata = o.resource = o.extensions = o.resource_requests = pairs;
    o.env_count = o.metadata_count = o.resource_count = 4;
    o.extension_count = 2;
    o.resource_request_count = 1;
    encode(osb__create_fields, &o);
    assert_string_equal(out, "{\"resourceLimits\":{\"a\":\"1\",\"\":\"\"},"
                             "\"env\":{\"a\":\"1\",\"b\\\\\":null,\"\":\"\"},"
                             "\"metadata\":{\"a\":\"1\",\"\":\"\"},\"extensions\":{\"a\":\"1\"},"
                             "\"resourceRequests\":{\"a\":\"1\"}}");
}

static void test_platform(void **state)
{
    osb_create_options o = {0};
    (void)state;
    o.platform_os = "linux";
    o.platform_arch = "arm64";
    encode(osb__create_fields, &o);
    assert_string_equal(out, "{\"platform\":{\"os\":\"linux\",\"arch\":\"arm64\"}}");
}

/* One that says nothing of the rest denies it: the API's description has an empty policy allow all. */
static void test_network_policy(void **state)
{
    osb_network_policy policy = {0};
    osb_create_options o = {0};
    (void)state;
    o.network_policy = &policy;
    encode(osb__create_fields, &o);
    assert_string_equal(out, "{\"networkPolicy\":{\"defaultAction\":\"deny\"}}");
    policy.default_action = "allow";
    encode(osb__create_fields, &o);
    assert_string_equal(out, "{\"networkPolicy\":{\"defaultAction\":\"allow\"}}");
    policy.default_action = "deny";
    policy.egress = rules;
    policy.egress_count = 2;
    encode(osb__create_fields, &o);
    assert_string_equal(out, "{\"networkPolicy\":{\"defaultAction\":\"deny\",\"egress\":["
                             "{\"action\":\"allow\",\"target\":\"*.a.example\"},"
                             "{\"action\":\"deny\",\"target\":\"b.example\"}]}}");
}

static void test_volumes(void **state)
{
    osb_pvc_volume pvc = {0};
    osb_volume volumes[3];
    osb_create_options o = {0};
    (void)state;
    memset(volumes, 0, sizeof volumes);
    pvc.claim_name = "c";
    pvc.storage_class = "fast";
    pvc.storage = "10Gi";
    pvc.access_modes = two;
    pvc.access_mode_count = 1;
    pvc.must_exist = pvc.delete_on_sandbox_termination = true;
    volumes[0].name = "h";
    volumes[0].mount_path = "/h";
    volumes[0].host = &host_volume;
    volumes[0].read_only = true;
    volumes[1].name = "p";
    volumes[1].pvc = &pvc;
    volumes[1].sub_path = "sub";
    volumes[2].ossfs = &ossfs;
    o.volumes = volumes;
    o.volume_count = 3;
    encode(osb__create_fields, &o);
    assert_string_equal(
        out, "{\"volumes\":[{\"name\":\"h\",\"host\":{\"path\":\"/srv\"},\"mountPath\":\"/h\","
             "\"readOnly\":true},{\"name\":\"p\",\"pvc\":{\"claimName\":\"c\","
             "\"createIfNotExists\":false,\"deleteOnSandboxTermination\":true,"
             "\"storageClass\":\"fast\",\"storage\":\"10Gi\",\"accessModes\":[\"one\"]},"
             "\"subPath\":\"sub\"},{\"ossfs\":{\"bucket\":\"bucket\",\"endpoint\":\"oss.example\","
             "\"version\":\"2.0\",\"options\":[\"one\",\"t\\\"wo\"],\"accessKeyId\":\"id\","
             "\"accessKeySecret\":\"secret\"}}]}");
}

/* An option struct with everything in it, for the tests of windows and cuts. */
static osb_create_options everything(void)
{
    static osb_network_policy policy;
    static osb_volume volumes[2];
    osb_create_options o = {0};
    policy.egress = rules;
    policy.egress_count = 2;
    volumes[0].name = "v0";
    volumes[0].host = &host_volume;
    volumes[1].name = "v1";
    volumes[1].ossfs = &ossfs;
    o.image = "a";
    o.image_username = "u";
    o.image_password = "p";
    o.entrypoint = two;
    o.entrypoint_count = 2;
    o.env = o.metadata = o.resource = pairs;
    o.env_count = o.metadata_count = o.resource_count = 4;
    o.network_policy = &policy;
    o.volumes = volumes;
    o.volume_count = 2;
    return o;
}

static void test_every_window(void **state)
{
    osb_create_options o = everything();
    static char whole[sizeof out];
    size_t size, from, room;
    (void)state;
    encode(osb__create_fields, &o);
    memcpy(whole, out, sizeof whole);
    size = strlen(whole);
    for (from = 0; from < size; from++)
        for (room = 0; room < 40; room++) {
            osb__writer w;
            size_t n = size - from < room ? size - from : room;
            memset(&w, 0, sizeof w);
            memset(out, 0x55, 64);
            w.out = (unsigned char *)out;
            w.from = (uint32_t)from;
            w.room = (uint32_t)room;
            osb__encode(&w, osb__create_fields, &o);
            assert_int_equal(w.at, size);
            assert_memory_equal(out, whole + from, n);
            assert_int_equal(out[n], 0x55);
        }
}

/* What is sent does not depend on the buffer, nor on how much each send takes. */
static void sent(size_t memory, size_t limit, bool later, struct text *log)
{
    static osb_sandbox_info info;
    osb_create_options o = everything();
    bench b;
    bench_begin(&b, memory);
    b.port.send_limit = limit;
    b.port.later_always = later;
    bench_lifecycle_answers(&b, "{\"id\":\"7f\"}");
    assert_int_equal(osb_lifecycle_create(&b.client, &o, NULL, &info), OSB_OK);
    text_add(log, b.port.log.data, b.port.log.size);
    bench_end(&b);
}

static void test_every_cut_of_sends(void **state)
{
    struct text whole = {0};
    size_t limit;
    (void)state;
    sent(4096, 0, false, &whole);
    assert_non_null(strstr(whole.data, "\r\n\r\n{\"image\":{\"auth\":"));
    for (limit = 1; limit < whole.size; limit += 1 + limit / 7) {
        struct text cut = {0};
        sent(limit % 2 == 0 ? 1024 : 2048, limit, limit % 3 == 0, &cut);
        assert_string_equal(cut.data, whole.data);
        text_free(&cut);
    }
    text_free(&whole);
}

/* A command of 100 KB goes through a buffer of 1 KB. */
static void test_large_request(void **state)
{
    static char command[100001];
    osb_command c = {0};
    osb_execution run;
    bench b;
    const char *body;
    (void)state;
    memset(command, '"', sizeof command - 1);
    c.command = command;
    bench_begin(&b, 1024);
    bench_stream(&b, BENCH_INIT BENCH_DONE);
    assert_int_equal(osb_command_run(&b.box, &c, NULL, &run), OSB_OK);
    assert_non_null(strstr(b.port.log.data, "\r\nContent-Length: 200014\r\n"));
    body = strstr(b.port.log.data, "\r\n\r\n") + 4;
    assert_int_equal(strlen(body), 200014);
    assert_int_equal(strspn(body + 12, "\\\""), 200001);
    bench_end(&b);
}

static void check_query(const osb_sandbox_filter *filter, const char *expected)
{
    osb_sandbox_page page;
    struct text line = {0};
    bench b;
    bench_begin(&b, 1024);
    bench_lifecycle_answers(&b, "{\"items\":[],\"pagination\":{}}");
    assert_int_equal(osb_lifecycle_list(&b.client, filter, NULL, &page), OSB_OK);
    text_print(&line, "GET /v1/sandboxes%s HTTP/1.1\r\n", expected);
    assert_memory_equal(b.port.log.data, line.data, line.size);
    text_free(&line);
    bench_end(&b);
}

static void test_queries(void **state)
{
    static const osb_pair tags[] = {{"a.b/c", "x y"}, {"d&=", "%+"}, {"n", NULL}};
    static const char *const states[] = {"Running", "a&b"};
    osb_sandbox_filter f = {0};
    (void)state;
    check_query(NULL, "");
    check_query(&f, "");
    f.page = 3;
    f.page_size = 200;
    check_query(&f, "?page=3&pageSize=200");
    f.states = states;
    f.state_count = 2;
    check_query(&f, "?state=Running&state=a%26b&page=3&pageSize=200");
    memset(&f, 0, sizeof f);
    f.metadata = tags;
    f.metadata_count = 3;
    check_query(&f, "?metadata=a.b%252Fc%3Dx%2520y%26d%2526%253D%3D%2525%252B");
}

/* The caller's own headers: those without a name or value are none; a tab may stand in a value. */
static void test_extra_headers(void **state)
{
    static const osb_pair headers[] = {
        {"X-A", "a\tb"}, {NULL, "x"}, {"X-B", NULL}, {"", "x"}, {"X-C", ""}};
    bench b;
    (void)state;
    bench_begin(&b, 1024);
    b.config.headers = headers;
    b.config.header_count = 5;
    b.config.api_key = NULL;
    bench_again(&b);
    bench_lifecycle(&b);
    script_expect(&b.port, "GET /health HTTP/1.1\r\nHost: api.example:8080\r\nUser-Agent: t\r\n"
                           "X-A: a\tb\r\nX-C: \r\n\r\n");
    script_reply(&b.port, "HTTP/1.1 204 No Content\r\n\r\n");
    assert_int_equal(osb_server_health(&b.client), OSB_OK);
    bench_end(&b);
}

/* A domain may have a path, of which a /v1 at the end is the API's own. */
static void test_domain_paths(void **state)
{
    static const char *const domains[][2] = {
        {"a/p", "/p/v1"}, {"a/p/v1", "/p/v1"},  {"a/v1/", "/v1"},  {"a/v2", "/v2/v1"},
        {"a/1", "/1/v1"}, {"a/xv1", "/xv1/v1"}, {"a/~b", "/~b/v1"}};
    char line[64];
    size_t i;
    (void)state;
    for (i = 0; i < sizeof domains / sizeof domains[0]; i++) {
        bench b;
        bench_begin(&b, 1024);
        b.config.domain = domains[i][0];
        bench_again(&b);
        script_connect(&b.port, "a", 80);
        bench_answer(&b, "");
        assert_int_equal(osb_lifecycle_kill(&b.client, "7f"), OSB_OK);
        snprintf(line, sizeof line, "DELETE %s/sandboxes/7f HTTP/1.1\r\n", domains[i][1]);
        assert_memory_equal(b.port.log.data, line, strlen(line));
        bench_end(&b);
    }
}

static void test_host_header(void **state)
{
    static const char *const domains[][2] = {{"api.example", "Host: api.example\r\n"},
                                             {"api.example:80", "Host: api.example\r\n"},
                                             {"api.example:8080", "Host: api.example:8080\r\n"},
                                             {"https://api.example:443", "Host: api.example\r\n"},
                                             {"https://api.example:80", "Host: api.example:80\r\n"},
                                             {"[::1]:81", "Host: [::1]:81\r\n"}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof domains / sizeof domains[0]; i++) {
        osb__address a;
        bench b;
        char host[64];
        bench_begin(&b, 1024);
        b.config.domain = domains[i][0];
        bench_again(&b);
        assert_true(osb__parse_address(domains[i][0], false, &a));
        memcpy(host, a.host, a.host_size);
        host[a.host_size] = '\0';
        script_connect(&b.port, host, a.port);
        b.port.steps[0].tls = a.https;
        bench_answer(&b, "");
        assert_int_equal(osb_server_health(&b.client), OSB_OK);
        assert_non_null(strstr(b.port.log.data, domains[i][1]));
        bench_end(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_image),
        cmocka_unit_test(test_without_the_main_member),
        cmocka_unit_test(test_share_net),
        cmocka_unit_test(test_too_large_to_count),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_entrypoint),
        cmocka_unit_test(test_maps),
        cmocka_unit_test(test_platform),
        cmocka_unit_test(test_network_policy),
        cmocka_unit_test(test_volumes),
        cmocka_unit_test(test_every_window),
        cmocka_unit_test(test_every_cut_of_sends),
        cmocka_unit_test(test_large_request),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_extra_headers),
        cmocka_unit_test(test_domain_paths),
        cmocka_unit_test(test_host_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
