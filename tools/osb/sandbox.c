/* osb run, osb sandbox ..., osb server ... */
#include "osb.h"
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

/* ---- descriptions ----------------------------------------------------------------------------*/

/* What the official command line calls it. metadata and entrypoint were put together before. */
static node *put_sandbox(node *parent, const osb_sandbox_info *info, const node *metadata,
                         const node *entrypoint)
{
    node *v = put_map(parent, NULL), *part;
    put_view(v, "id", info->id);
    put_status(v, info->state, info->reason, info->message, info->last_transition_at);
    put_copy(v, "entrypoint", entrypoint);
    put_view(v, "expires_at", info->expires_at);
    put_view(v, "created_at", info->created_at);
    if (info->image.data == NULL) {
        put_null(v, "image");
    } else {
        part = put_map(v, "image");
        put_view(part, "image", info->image);
        put_null(part, "auth");
    }
    put_view(v, "snapshot_id", info->snapshot_id);
    if (info->platform_os.data == NULL) {
        put_null(v, "platform");
    } else {
        part = put_map(v, "platform");
        put_view(part, "os", info->platform_os);
        put_view(part, "arch", info->platform_arch);
    }
    put_copy(v, "metadata", metadata);
    return v;
}

/* Gathers a description's entries until its sandbox comes. */
typedef struct gathering {
    node *list, *metadata, *entrypoint;
} gathering;

static void gather_anew(gathering *g)
{
    g->metadata = put_map(NULL, NULL);
    g->entrypoint = put_list(NULL, NULL);
}

static int on_entry(void *user, const osb_entry *entry)
{
    gathering *g = user;
    if (same(entry->member, "metadata"))
        put_view(g->metadata, keep_text(entry->key.data, entry->key.size), entry->value);
    if (same(entry->member, "entrypoint")) put_view(g->entrypoint, NULL, entry->value);
    return 0;
}

static int on_sandbox(void *user, const osb_sandbox_info *info)
{
    gathering *g = user;
    put_sandbox(g->list, info, g->metadata, g->entrypoint);
    gather_anew(g);
    return 0;
}

static void gather(gathering *g, osb_info_handlers *handlers, node *list)
{
    memset(handlers, 0, sizeof *handlers);
    g->list = list;
    gather_anew(g);
    handlers->user = g;
    handlers->on_entry = on_entry;
    if (list != NULL) handlers->on_sandbox = on_sandbox;
}

/* ---- create ----------------------------------------------------------------------------------*/

static bool fill_lifetime(const args *a, osb_create_options *options)
{
    uint32_t ms;
    if (config.ttl == NULL) return true;
    if (strcasecmp(config.ttl, "none") == 0) {
        options->no_expiry = true;
        return true;
    }
    if (!read_duration_ms(config.ttl, &ms)) return false;
    options->ttl_s = ms / 1000;
    if (options->ttl_s < 60) {
        usage(a, "--timeout %s: a sandbox lives at least 60s", config.ttl);
        return false;
    }
    return true;
}

static bool fill_policy(const args *a, osb_create_options *options)
{
    osb_network_policy *policy = keep(sizeof *policy);
    const char *const *hosts;
    size_t count = flag_list(a, F_ALLOW, &hosts), i;
    osb_network_rule *rules = keep((count + 1) * sizeof *rules);
    if (count > 0 && has(a, F_POLICY_FILE)) {
        usage(a, "--allow or --network-policy-file, not both");
        return false;
    }
    if (has(a, F_CREDENTIAL_PROXY) && count == 0 && !has(a, F_POLICY_FILE)) {
        usage(a, "--credential-proxy needs --network-policy-file or --allow");
        return false;
    }
    if (has(a, F_POLICY_FILE)) {
        if (!read_policy(flag_text(a, F_POLICY_FILE), policy)) return false;
        options->network_policy = policy;
    }
    if (count == 0) return true;
    for (i = 0; i < count; i++) {
        rules[i].action = "allow";
        rules[i].target = hosts[i];
    }
    policy->default_action = "deny";
    policy->egress = rules;
    policy->egress_count = count;
    options->network_policy = policy;
    return true;
}

static bool fill_platform(const args *a, osb_create_options *options)
{
    const char *platform = flag_text(a, F_PLATFORM), *slash;
    if (platform == NULL) return true;
    slash = strchr(platform, '/');
    if (slash == NULL || slash == platform || slash[1] == '\0') {
        usage(a, "--platform %s is not OS/ARCH", platform);
        return false;
    }
    options->platform_os = keep_text(platform, (size_t)(slash - platform));
    options->platform_arch = slash + 1;
    return true;
}

static bool fill_create_options(const args *a, osb_create_options *options)
{
    options->image_username = flag_text(a, F_IMAGE_USER);
    options->image_password = flag_text(a, F_IMAGE_PASSWORD);
    if ((options->image_username == NULL) != (options->image_password == NULL)) {
        usage(a, "--image-auth-username and --image-auth-password go together");
        return false;
    }
    options->env_count = flag_pairs(a, F_ENV, &options->env);
    options->metadata_count = flag_pairs(a, F_METADATA, &options->metadata);
    options->extension_count = flag_pairs(a, F_EXTENSION, &options->extensions);
    options->resource_count = flag_pairs(a, F_RESOURCE, &options->resource);
    options->entrypoint_count = flag_list(a, F_ENTRYPOINT, &options->entrypoint);
    options->credential_proxy = has(a, F_CREDENTIAL_PROXY);
    options->secure_access = has(a, F_SECURE_ACCESS);
    options->ready.skip_health_check = has(a, F_SKIP_HEALTH);
    options->ready.timeout_ms = flag_ms(a, F_READY_TIMEOUT);
    if (has(a, F_REQUEST_TIMEOUT)) options->create_timeout_ms = config.request_timeout_s * 1000;
    if (has(a, F_VOLUMES_FILE) &&
        !read_volumes(flag_text(a, F_VOLUMES_FILE), &options->volumes, &options->volume_count))
        return false;
    return fill_policy(a, options) && fill_platform(a, options);
}

static const char *lifetime_text(void)
{
    if (config.ttl == NULL) return "sdk-default";
    return strcasecmp(config.ttl, "none") == 0 ? "manual-cleanup" : config.ttl;
}

int do_sandbox_create(const args *a)
{
    osb_create_options options = {0};
    osb_sandbox box = {0};
    osb_status status;
    node *answer = put_map(NULL, NULL);
    if (a->word_count > 0 && has(a, F_IMAGE)) return usage(a, "IMAGE or --image, not both");
    options.snapshot_id = flag_text(a, F_SNAPSHOT);
    options.image = a->word_count > 0 ? a->words[0] : config.image;
    if (options.snapshot_id != NULL && (a->word_count > 0 || has(a, F_IMAGE)))
        return usage(a, "an image or --snapshot, not both");
    if (options.snapshot_id != NULL) options.image = NULL;
    if (options.image == NULL && options.snapshot_id == NULL && !has(a, F_EXTENSION))
        return usage(a, "no image: give --image, or set defaults.image in the settings");
    if (!fill_create_options(a, &options) || !fill_lifetime(a, &options)) return EXIT_USAGE;
    status = connect_server();
    if (status == OSB_OK) status = osb_sandbox_create(client, &options, &box);
    if (status != OSB_OK) return failed(status);
    put_text(answer, "id", box.id);
    if (options.image == NULL) put_text(answer, "snapshot_id", options.snapshot_id);
    else put_text(answer, "image", options.image);
    put_text(answer, "status", "created");
    put_text(answer, "timeout", lifetime_text());
    return show_or_raw(answer, box.id);
}

/* ---- run -------------------------------------------------------------------------------------*/

/* The sandbox outlives its command by a minute, even if osb does not live to kill it. Without a
   time limit it is renewed while osb waits for the command. */
static void fill_run(const args *a, osb_create_options *options, osb_command *command)
{
    options->image = a->words[0];
    command->argv = a->rest;
    command->cwd = flag_text(a, F_WORKDIR);
    command->timeout_ms = flag_ms(a, F_TIME_LIMIT);
    if (command->timeout_ms / 1000 + 60 > LIFETIME_S)
        options->ttl_s = command->timeout_ms / 1000 + 60;
}

int do_run(const args *a)
{
    osb_create_options options = {0};
    osb_command command = {0};
    osb_sandbox box = {0};
    osb_status status;
    bool detached = false;
    int code;
    if (has(a, F_TTY) && has(a, F_TIME_LIMIT)) return usage(a, "--timeout or --tty, not both");
    fill_run(a, &options, &command);
    if (!fill_create_options(a, &options)) return EXIT_USAGE;
    status = connect_server();
    if (status == OSB_OK) status = osb_sandbox_create(client, &options, &box);
    if (status != OSB_OK) return failed(status);
    if (command.timeout_ms == 0) keep_alive(&box);
    code =
        has(a, F_TTY) ? run_on_terminal(&box, &command, &detached) : run_in_sandbox(&box, &command);
    keep_alive(NULL);
    hide_interrupts();
    if (has(a, F_KEEP) || detached) {
        remark("the sandbox is kept: %s", box.id);
        return code;
    }
    status = osb_sandbox_kill(&box);
    if (status != OSB_OK && status != OSB_E_NOT_FOUND) {
        failed(status);
        complain("the sandbox %s is left behind", box.id);
        return code != EXIT_FINE ? code : EXIT_FAILED;
    }
    return code;
}

/* ---- list, get, kill -------------------------------------------------------------------------*/

static bool fill_filter(const args *a, osb_sandbox_filter *filter)
{
    static const char *const known[] = {"Pending",  "Running",    "Pausing", "Paused", "Resuming",
                                        "Stopping", "Terminated", "Failed",  NULL};
    filter->metadata_count = flag_pairs(a, F_METADATA, &filter->metadata);
    return flag_states(a, known, &filter->states, &filter->state_count) &&
           flag_pages(a, &filter->page, &filter->page_size);
}

int do_sandbox_list(const args *a)
{
    osb_sandbox_filter filter = {0};
    osb_sandbox_page p;
    osb_info_handlers handlers;
    gathering g;
    osb_status status;
    node *answer = put_map(NULL, NULL), *items = put_list(answer, "items");
    if (!fill_filter(a, &filter)) return EXIT_USAGE;
    gather(&g, &handlers, items);
    status = connect_server();
    if (status == OSB_OK)
        status = (has(a, F_ALL) ? osb_lifecycle_list_all : osb_lifecycle_list)(client, &filter,
                                                                               &handlers, &p);
    if (status != OSB_OK) return failed(status);
    return show_page(
        answer, &(page_numbers){p.page, p.page_size, p.total_items, p.total_pages, p.has_next_page},
        "id status=status.state image=image.image created_at expires_at");
}

int do_sandbox_get(const args *a)
{
    osb_info_handlers handlers;
    osb_sandbox_info info;
    gathering g;
    osb_status status = connect_server();
    gather(&g, &handlers, NULL);
    if (status == OSB_OK) status = osb_lifecycle_get(client, a->words[0], &handlers, &info);
    if (status != OSB_OK) return failed(status);
    return show(put_sandbox(NULL, &info, g.metadata, g.entrypoint), "");
}

int do_sandbox_kill(const args *a)
{
    return call_for_each(a, osb_lifecycle_kill, "sandbox_id", "terminated");
}

/* ---- pause, resume, renew --------------------------------------------------------------------*/

int do_sandbox_pause(const args *a)
{
    osb_sandbox_info info;
    osb_status status = connect_server();
    if (status == OSB_OK) status = osb_lifecycle_pause(client, a->words[0]);
    if (status == OSB_OK && has(a, F_WAIT))
        status = osb_lifecycle_wait(client, a->words[0], "Paused", NULL, &info);
    if (status != OSB_OK) return failed(status);
    return show_done("Sandbox paused: %s", a->words[0]);
}

int do_sandbox_resume(const args *a)
{
    osb_ready_options ready = {0};
    osb_sandbox box;
    osb_status status = connect_server();
    ready.skip_health_check = has(a, F_SKIP_HEALTH);
    ready.timeout_ms = flag_ms(a, F_RESUME_TIMEOUT);
    if (status == OSB_OK) status = osb_sandbox_resume(client, a->words[0], &ready, &box);
    if (status != OSB_OK) return failed(status);
    return show_done("Sandbox resumed: %s", a->words[0]);
}

int do_sandbox_renew(const args *a)
{
    node *answer = put_map(NULL, NULL);
    osb_str expires_at;
    osb_status status = connect_server();
    if (status == OSB_OK)
        status =
            osb_lifecycle_renew(client, a->words[0], flag_ms(a, F_NEW_TTL) / 1000, &expires_at);
    if (status != OSB_OK) return failed(status);
    put_text(answer, "sandbox_id", a->words[0]);
    put_view(answer, "expires_at", expires_at);
    return show(answer, "");
}

/* ---- endpoint, health, metadata --------------------------------------------------------------*/

static void put_endpoint(node *answer, const osb_endpoint *endpoint)
{
    const char *at = endpoint->headers;
    node *headers;
    put_text(answer, "endpoint", endpoint->address);
    headers = put_map(answer, "headers");
    while (*at != '\0') {
        const char *value = at + strlen(at) + 1;
        put_text(headers, at, value);
        at = value + strlen(value) + 1;
    }
}

int do_sandbox_endpoint(const args *a)
{
    static osb_endpoint endpoint;
    static char url[OSB_ENDPOINT_SIZE + 16];
    osb_endpoint_options options = {0};
    node *answer = put_map(NULL, NULL);
    uint32_t port = flag_number(a, F_PORT, 0);
    osb_status status;
    if (port == 0 || port > 65535) return usage(a, "--port is not from 1 to 65535");
    if (has(a, F_SIGNED))
        options.expires_unix_s = (uint32_t)time(NULL) + flag_ms(a, F_SIGNED) / 1000;
    status = connect_server();
    if (status == OSB_OK)
        status = osb_lifecycle_endpoint(client, a->words[0], (uint16_t)port, &options, &endpoint);
    if (status != OSB_OK) return failed(status);
    osb_endpoint_url(&endpoint, url, sizeof url);
    put_endpoint(answer, &endpoint);
    return show_or_raw(answer, url);
}

/* An answer that is no is an answer; but who may not ask gets none, nor does who has no authorities
   to check it with. */
static bool is_no(osb_status status)
{
    const char *why = osb_last_error(client)->port_text;
    if (why != NULL && begins(why, "ca_")) return false;
    return status == OSB_E_CONNECT || status == OSB_E_CLOSED || status == OSB_E_API ||
           status == OSB_E_TIMEOUT || status == OSB_E_NOT_FOUND;
}

static int show_health(osb_status status, const char *what, const char *id)
{
    node *answer = put_map(NULL, NULL);
    bool healthy = status == OSB_OK;
    if (!healthy && !is_no(status)) return failed(status);
    if (!healthy) failed(status);
    if (config.output == 't') {
        if (healthy) show_done("%s %s is healthy", what, id);
    } else {
        put_text(answer, same(what, "Server") ? "domain" : "sandbox_id", id);
        put_bool(answer, "healthy", healthy);
        show(answer, "");
    }
    return healthy ? EXIT_FINE : EXIT_NEGATIVE;
}

int do_sandbox_health(const args *a)
{
    osb_sandbox box;
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = osb_ping(&box);
    else if (status != OSB_E_NOT_FOUND) return failed(status);
    return show_health(status, "Sandbox", a->words[0]);
}

int do_server_health(const args *a)
{
    osb_status status = connect_server();
    (void)a;
    if (status != OSB_OK) return failed(status);
    return show_health(osb_server_health(client), "Server",
                       config.domain == NULL ? "localhost:8080" : config.domain);
}

/* KEY=VALUE sets, --unset KEY deletes; neither: shows. */
int do_sandbox_metadata(const args *a)
{
    const char *const *unset;
    size_t deleted = flag_list(a, F_UNSET, &unset), set = a->word_count - 1, i;
    osb_pair *pairs = keep((deleted + set + 1) * sizeof *pairs);
    osb_info_handlers handlers;
    osb_sandbox_info info;
    gathering g;
    osb_status status;
    for (i = 0; i < set; i++) {
        const char *word = a->words[i + 1], *equals = strchr(word, '=');
        if (equals == NULL || equals == word) return usage(a, "%s is not KEY=VALUE", word);
        pairs[i].name = keep_text(word, (size_t)(equals - word));
        pairs[i].value = equals + 1;
    }
    for (i = 0; i < deleted; i++) pairs[set + i].name = unset[i];
    gather(&g, &handlers, NULL);
    status = connect_server();
    if (status == OSB_OK)
        status = set + deleted > 0 ? osb_lifecycle_patch_metadata(client, a->words[0], pairs,
                                                                  set + deleted, &handlers, &info)
                                   : osb_lifecycle_get(client, a->words[0], &handlers, &info);
    if (status != OSB_OK) return failed(status);
    return show(g.metadata, "");
}

/* ---- metrics ---------------------------------------------------------------------------------*/

static node *put_metrics(const osb_metrics *m)
{
    node *v = put_map(NULL, NULL);
    put_milli(v, "cpu_count", m->cpu_count_milli);
    put_milli(v, "cpu_used_percentage", m->cpu_used_pct_milli);
    put_milli(v, "memory_total_in_mib", m->mem_total_mib_milli);
    put_milli(v, "memory_used_in_mib", m->mem_used_mib_milli);
    put_signed(v, "timestamp", m->timestamp_ms);
    return v;
}

/* "[2026-06-12T10:00:00Z] cpu=1.25% cores=4.0 mem=123.4/2048.0MiB" */
static void add_metrics_line(text *to, const osb_metrics *m)
{
    add_char(to, '[');
    add_time(to, m->timestamp_ms / 1000);
    add_format(to, "] cpu=%s%% cores=%s mem=%s/%sMiB\n",
               put_milli(NULL, NULL, m->cpu_used_pct_milli)->text,
               put_milli(NULL, NULL, m->cpu_count_milli)->text,
               put_milli(NULL, NULL, m->mem_used_mib_milli)->text,
               put_milli(NULL, NULL, m->mem_total_mib_milli)->text);
}

static int on_metrics(void *user, const osb_metrics *m)
{
    mark before = memory_mark();
    text line = {0};
    int ended;
    if (m->error.data != NULL && m->error.size > 0) {
        complain("the sandbox cannot tell: %v", m->error);
        return 0;
    }
    if (config.output == 'j') {
        add_json(&line, put_metrics(m), -1);
        add_char(&line, '\n');
    } else if (config.output == 'y') {
        add_string(&line, "---\n");
        add_yaml(&line, put_metrics(m), 0);
    } else {
        add_metrics_line(&line, m);
    }
    ended = write_data(user, line.data, line.size);
    clear(&line);
    forget(before);
    return ended;
}

int do_sandbox_metrics(const args *a)
{
    osb_sandbox box;
    osb_metrics metrics;
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK && has(a, F_WATCH)) {
        status = osb_metrics_watch(&box, on_metrics, NULL);
        if (status == OSB_E_CANCELLED && was_interrupted() && output_error == 0) return EXIT_FINE;
    } else if (status == OSB_OK) {
        status = osb_metrics_get(&box, &metrics);
    }
    if (status != OSB_OK) return failed(status);
    if (config.output == 'r') on_metrics(NULL, &metrics);
    else show(put_metrics(&metrics), "");
    return EXIT_FINE;
}
