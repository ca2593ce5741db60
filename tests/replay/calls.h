/* Makes the calls that transcripts name, and writes their outcome down. */
#ifndef TESTS_CALLS_H
#define TESTS_CALLS_H

#include "tests/replay/words.h"
#include "tests/support/recorder.h"

/* A request's body as a source: `most` bytes at once, before which it says "not now" if asked to. */
typedef struct scene_source {
    const char *body;
    size_t at, most;
    bool later, told;
} scene_source;

/* Everything that a call may need: in poll mode it must live until the call has ended. */
typedef struct scene {
    osb_client client;
    osb_sandbox box;
    osb_egress egress;
    script_port *port;
    const transcript_block *call;
    recorder r;
    const char *list[TRANSCRIPT_MOST], *other_list[TRANSCRIPT_MOST];
    transcript_pairs pairs[6];
    osb_create_options create;
    word_store words;
    osb_network_policy policy;
    osb_network_rule rules[4];
    osb_volume volumes[4];
    osb_host_volume host;
    osb_pvc_volume pvc;
    osb_ossfs_volume ossfs;
    transcript_pairs requests;
    osb_ready_options ready;
    osb_endpoint_options endpoint_options;
    osb_endpoint endpoint;
    osb_sandbox_filter filter;
    osb_pair tag;
    osb_command command;
    osb_request request;
    scene_source source;
    osb_handlers handlers;
    osb_info_handlers info_handlers;
    osb_sandbox_info info;
    osb_sandbox_page page;
    osb_execution run;
    osb_command_state state;
    osb_str text;
    uint64_t next;
    uint16_t http_status;
} scene;

static const char *scene_get(const scene *s, const char *name)
{
    return transcript_get(s->call, name);
}

static const char *scene_id(const scene *s)
{
    const char *id = scene_get(s, "id");
    return id != NULL ? id : s->box.id;
}

static const osb_pair *scene_pairs(scene *s, int slot, const char *name, size_t *count)
{
    const osb_pair *pairs = transcript_get_pairs(s->call, name, &s->pairs[slot]);
    *count = s->pairs[slot].count;
    return pairs;
}

static osb_status scene_wait(scene *s, osb_status status)
{
    return script_finish(s->port, &s->client, status);
}

static const osb_ready_options *scene_ready(scene *s)
{
    s->ready.timeout_ms = transcript_number(s->call, "ready_timeout_ms");
    s->ready.interval_ms = transcript_number(s->call, "interval_ms");
    s->ready.execd_port = (uint16_t)transcript_number(s->call, "execd_port");
    s->ready.skip_health_check = transcript_has(s->call, "skip_health_check");
    return &s->ready;
}

/* "rule action=allow target=x" as many times as there are rules. */
static const osb_network_rule *scene_rules(scene *s, size_t *count)
{
    const char *lines[TRANSCRIPT_MOST];
    size_t i, n = transcript_list(s->call, "rule", lines);
    for (i = 0; i < n; i++) {
        const words *w = words_parse(&s->words, lines[i]);
        s->rules[i].action = words_get(w, "action");
        s->rules[i].target = words_get(w, "target");
    }
    *count = n;
    return n > 0 ? s->rules : NULL;
}

static void scene_pvc(scene *s, const words *w)
{
    osb_pvc_volume *v = &s->pvc;
    v->claim_name = words_get(w, "pvc");
    v->storage_class = words_get(w, "storage_class");
    v->storage = words_get(w, "storage");
    v->access_modes = words_list(&s->words, w, "access_mode", &v->access_mode_count);
    v->must_exist = words_have(w, "must_exist");
    v->delete_on_sandbox_termination = words_have(w, "delete_on_sandbox_termination");
}

static void scene_ossfs(scene *s, const words *w)
{
    osb_ossfs_volume *v = &s->ossfs;
    v->bucket = words_get(w, "ossfs");
    v->endpoint = words_get(w, "endpoint");
    v->version = words_get(w, "version");
    v->options = words_list(&s->words, w, "option", &v->option_count);
    v->access_key_id = words_get(w, "access_key_id");
    v->access_key_secret = words_get(w, "access_key_secret");
}

/* "volume name=data mount_path=/data host=/srv", or pvc=claim, or ossfs=bucket. */
static void scene_volumes(scene *s)
{
    const char *lines[TRANSCRIPT_MOST];
    size_t i, n = transcript_list(s->call, "volume", lines);
    for (i = 0; i < n; i++) {
        const words *w = words_parse(&s->words, lines[i]);
        osb_volume *v = &s->volumes[i];
        v->name = words_get(w, "name");
        v->mount_path = words_get(w, "mount_path");
        v->sub_path = words_get(w, "sub_path");
        v->read_only = words_have(w, "read_only");
        s->host.path = words_have(w, "host") ? words_get(w, "host") : s->host.path;
        if (words_have(w, "host")) v->host = &s->host;
        if (words_have(w, "pvc")) scene_pvc(s, w);
        if (words_have(w, "pvc")) v->pvc = &s->pvc;
        if (words_have(w, "ossfs")) scene_ossfs(s, w);
        if (words_have(w, "ossfs")) v->ossfs = &s->ossfs;
    }
    s->create.volumes = n > 0 ? s->volumes : NULL;
    s->create.volume_count = n;
}

/* What OSB_NO_CREATE_EXTRAS leaves out. */
static void scene_create_extras(scene *s)
{
    osb_create_options *o = &s->create;
    o->image_username = scene_get(s, "image_username");
    o->image_password = scene_get(s, "image_password");
    o->platform_os = scene_get(s, "platform_os");
    o->platform_arch = scene_get(s, "platform_arch");
    o->resource_requests = transcript_get_pairs(s->call, "resource_request", &s->requests);
    o->resource_request_count = s->requests.count;
    s->policy.default_action = scene_get(s, "default_action");
    s->policy.egress = scene_rules(s, &s->policy.egress_count);
    if (s->policy.egress != NULL || s->policy.default_action != NULL)
        o->network_policy = &s->policy;
    scene_volumes(s);
}

static const osb_create_options *scene_create_options(scene *s)
{
    osb_create_options *o = &s->create;
    o->image = scene_get(s, "image");
    o->snapshot_id = scene_get(s, "snapshot_id");
    o->entrypoint_count = transcript_list(s->call, "entrypoint", s->list);
    o->entrypoint = o->entrypoint_count > 0 ? s->list : NULL;
    o->ttl_s = transcript_number(s->call, "ttl_s");
    o->no_expiry = transcript_has(s->call, "no_expiry");
    o->credential_proxy = transcript_has(s->call, "credential_proxy");
    o->secure_access = transcript_has(s->call, "secure_access");
    o->keep_on_failure = transcript_has(s->call, "keep_on_failure");
    o->resource = scene_pairs(s, 0, "resource", &o->resource_count);
    o->env = scene_pairs(s, 1, "env", &o->env_count);
    o->metadata = scene_pairs(s, 2, "metadata", &o->metadata_count);
    o->extensions = scene_pairs(s, 3, "extension", &o->extension_count);
    o->create_timeout_ms = transcript_number(s->call, "create_timeout_ms");
    scene_create_extras(s);
    o->ready = *scene_ready(s);
    return o;
}

static void scene_show_box(scene *s)
{
    recorder_line(&s->r, "box", s->box.id, strlen(s->box.id));
    recorder_endpoint(&s->r, &s->box.execd);
}

static osb_status call_sandbox_create(scene *s)
{
    osb_status status = osb_sandbox_create(&s->client, scene_create_options(s), &s->box);
    status = scene_wait(s, status);
    scene_show_box(s);
    return status;
}

static osb_status call_sandbox_connect(scene *s)
{
    osb_status status = osb_sandbox_connect(&s->client, scene_id(s), scene_ready(s), &s->box);
    status = scene_wait(s, status);
    scene_show_box(s);
    return status;
}

static osb_status call_sandbox_resume(scene *s)
{
    osb_status status = osb_sandbox_resume(&s->client, scene_id(s), scene_ready(s), &s->box);
    status = scene_wait(s, status);
    scene_show_box(s);
    return status;
}

static osb_status call_sandbox_find(scene *s)
{
    size_t count;
    osb_status status;
    const osb_pair *tag = scene_pairs(s, 0, "metadata", &count);
    status = scene_wait(s, osb_sandbox_find(&s->client, tag, &s->box));
    recorder_line(&s->r, "box", s->box.id, strlen(s->box.id));
    return status;
}

static osb_status call_sandbox_kill(scene *s)
{
    return scene_wait(s, osb_sandbox_kill(&s->box));
}

static osb_status call_server_health(scene *s)
{
    return scene_wait(s, osb_server_health(&s->client));
}

static osb_status call_lifecycle_kill(scene *s)
{
    return scene_wait(s, osb_lifecycle_kill(&s->client, scene_id(s)));
}

static osb_status call_lifecycle_pause(scene *s)
{
    return scene_wait(s, osb_lifecycle_pause(&s->client, scene_id(s)));
}

static osb_status call_lifecycle_resume(scene *s)
{
    return scene_wait(s, osb_lifecycle_resume(&s->client, scene_id(s)));
}

static osb_status call_lifecycle_endpoint(scene *s)
{
    osb_endpoint_options *o = &s->endpoint_options;
    osb_status status;
    o->expires_unix_s = transcript_number(s->call, "expires_unix_s");
    o->use_server_proxy = transcript_has(s->call, "use_server_proxy");
    o->no_server_proxy = transcript_has(s->call, "no_server_proxy");
    status = osb_lifecycle_endpoint(&s->client, scene_id(s),
                                    (uint16_t)transcript_number(s->call, "port"), o, &s->endpoint);
    status = scene_wait(s, status);
    recorder_endpoint(&s->r, &s->endpoint);
    return status;
}

static osb_status call_lifecycle_create(scene *s)
{
    osb_status status =
        osb_lifecycle_create(&s->client, scene_create_options(s), &s->info_handlers, &s->info);
    status = scene_wait(s, status);
    if (status == OSB_OK) recorder_info(&s->r, &s->info);
    return status;
}

static osb_status call_lifecycle_get(scene *s)
{
    osb_status status = osb_lifecycle_get(&s->client, scene_id(s), &s->info_handlers, &s->info);
    status = scene_wait(s, status);
    if (status == OSB_OK) recorder_info(&s->r, &s->info);
    return status;
}

static const osb_sandbox_filter *scene_filter(scene *s)
{
    osb_sandbox_filter *f = &s->filter;
    f->state_count = transcript_list(s->call, "state", s->list);
    f->states = s->list;
    f->metadata = scene_pairs(s, 0, "metadata", &f->metadata_count);
    f->page = transcript_number(s->call, "page");
    f->page_size = transcript_number(s->call, "page_size");
    return f;
}

static void scene_show_page(scene *s)
{
    text_print(&s->r.lines, "page %lu size %lu items %lu pages %lu%s\n",
               (unsigned long)s->page.page, (unsigned long)s->page.page_size,
               (unsigned long)s->page.total_items, (unsigned long)s->page.total_pages,
               s->page.has_next_page ? " next" : "");
}

static osb_status call_lifecycle_list(scene *s)
{
    const osb_sandbox_filter *filter = scene_filter(s);
    osb_status status = osb_lifecycle_list(&s->client, filter, &s->info_handlers, &s->page);
    status = scene_wait(s, status);
    scene_show_page(s);
    return status;
}

static osb_status call_lifecycle_renew(scene *s)
{
    osb_str *out = transcript_has(s->call, "no_answer") ? NULL : &s->text;
    osb_status status =
        osb_lifecycle_renew(&s->client, scene_id(s), transcript_number(s->call, "ttl_s"), out);
    status = scene_wait(s, status);
    if (status == OSB_OK && out != NULL) recorder_view(&s->r, "expires_at", *out);
    return status;
}

static osb_status call_lifecycle_patch_metadata(scene *s)
{
    size_t count;
    const osb_pair *pairs = scene_pairs(s, 0, "metadata", &count);
    bool quiet = transcript_has(s->call, "no_answer");
    osb_status status =
        osb_lifecycle_patch_metadata(&s->client, scene_id(s), pairs, count,
                                     quiet ? NULL : &s->info_handlers, quiet ? NULL : &s->info);
    status = scene_wait(s, status);
    if (status == OSB_OK && !quiet) recorder_info(&s->r, &s->info);
    return status;
}

static osb_status call_ping(scene *s)
{
    return scene_wait(s, osb_ping(&s->box));
}

static osb_u32 scene_optional(const scene *s, const char *name)
{
    osb_u32 value;
    value.set = transcript_has(s->call, name);
    value.value = transcript_number(s->call, name);
    return value;
}

static osb_status call_command_run(scene *s)
{
    osb_command *c = &s->command;
    osb_status status;
    c->command = scene_get(s, "command");
    if (transcript_list(s->call, "argv", s->list) > 0) c->argv = s->list;
    c->cwd = scene_get(s, "cwd");
    c->envs = scene_pairs(s, 0, "env", &c->env_count);
    c->timeout_ms = transcript_number(s->call, "timeout_ms");
    c->uid = scene_optional(s, "uid");
    c->gid = scene_optional(s, "gid");
    c->background = transcript_has(s->call, "background");
    c->keep_running = transcript_has(s->call, "keep_running");
    status = osb_command_run(&s->box, c, &s->handlers, &s->run);
    status = scene_wait(s, status);
    recorder_outputs(&s->r);
    recorder_execution(&s->r, &s->run);
    return status;
}

static void scene_show_state(scene *s)
{
    const osb_command_state *state = &s->state;
    recorder_view(&s->r, "id", state->id);
    text_print(&s->r.lines, "running %d\n", state->running);
    if (state->exit_code.set)
        text_print(&s->r.lines, "exit_code %ld\n", (long)state->exit_code.value);
    recorder_view(&s->r, "error", state->error);
    recorder_view(&s->r, "started_at", state->started_at);
    recorder_view(&s->r, "finished_at", state->finished_at);
}

static osb_status call_command_status(scene *s)
{
    bool quiet = transcript_has(s->call, "no_content");
    osb_status status = osb_command_status(&s->box, scene_get(s, "id"),
                                           quiet ? NULL : recorder_on_data, &s->r, &s->state);
    status = scene_wait(s, status);
    if (status != OSB_OK) return status;
    scene_show_state(s);
    recorder_line(&s->r, "content", s->r.data.data, s->r.data.size);
    return status;
}

static osb_status call_command_logs(scene *s)
{
    osb_status status =
        osb_command_logs(&s->box, scene_get(s, "id"), transcript_number(s->call, "cursor"),
                         recorder_on_data, &s->r, &s->next);
    status = scene_wait(s, status);
    recorder_line(&s->r, "data", s->r.data.data, s->r.data.size);
    text_print(&s->r.lines, "next %llu\n", (unsigned long long)s->next);
    return status;
}

static osb_status call_command_interrupt(scene *s)
{
    return scene_wait(s, osb_command_interrupt(&s->box, scene_get(s, "id")));
}

/* The request's `user` serves its handlers too: it is the scene. */
static int scene_read_body(void *user, void *data, size_t size)
{
    scene_source *source = &((scene *)user)->source;
    size_t n = strlen(source->body + source->at);
    source->told = source->later && !source->told;
    if (source->told) return OSB_IO_WANT_READ;
    if (n > source->most) n = source->most;
    if (n > size) n = size;
    memcpy(data, source->body + source->at, n);
    source->at += n;
    return (int)n;
}

static int scene_rewind_body(void *user)
{
    ((scene *)user)->source.at = 0;
    return 0;
}

static int scene_on_data(void *user, const void *data, size_t size)
{
    return recorder_on_data(&((scene *)user)->r, data, size);
}

/* The body comes from memory, or with `source` from a source of as many bytes at once. */
static void scene_body(scene *s, osb_request *q)
{
    const char *body = scene_get(s, "body");
    q->body_size = body != NULL ? strlen(body) : 0;
    if (!transcript_has(s->call, "source")) {
        q->body = body;
        return;
    }
    s->source.body = body;
    s->source.most = transcript_number(s->call, "source");
    s->source.later = transcript_has(s->call, "source_later");
    if (transcript_has(s->call, "body_size"))
        q->body_size = transcript_number(s->call, "body_size");
    q->body_size_unknown = transcript_has(s->call, "chunked");
    q->read_body = scene_read_body;
    if (transcript_has(s->call, "rewind")) q->rewind_body = scene_rewind_body;
}

static osb_status call_endpoint_request(scene *s)
{
    osb_request *q = &s->request;
    osb_status status;
    q->method = scene_get(s, "method");
    q->path = scene_get(s, "path");
    q->headers = scene_pairs(s, 0, "header", &q->header_count);
    scene_body(s, q);
    q->user = s;
    q->on_data = scene_on_data;
    status = osb_endpoint_request(&s->client, &s->box.execd, q, &s->http_status);
    status = scene_wait(s, status);
    recorder_line(&s->r, "data", s->r.data.data, s->r.data.size);
    text_print(&s->r.lines, "answer %u\n", s->http_status);
    return status;
}

#include "tests/replay/calls_lifecycle.h"

#include "tests/replay/calls_execd.h"

#include "tests/replay/calls_files.h"

#include "tests/replay/calls_egress.h"

#include "tests/replay/calls_pty.h"

typedef struct scene_call {
    const char *name;
    osb_status (*make)(scene *s);
} scene_call;

static const scene_call scene_calls[] = {
    {"sandbox_create", call_sandbox_create},
    {"sandbox_connect", call_sandbox_connect},
    {"sandbox_resume", call_sandbox_resume},
    {"sandbox_find", call_sandbox_find},
    {"sandbox_kill", call_sandbox_kill},
    {"server_health", call_server_health},
    {"lifecycle_create", call_lifecycle_create},
    {"lifecycle_get", call_lifecycle_get},
    {"lifecycle_list", call_lifecycle_list},
    {"lifecycle_kill", call_lifecycle_kill},
    {"lifecycle_pause", call_lifecycle_pause},
    {"lifecycle_resume", call_lifecycle_resume},
    {"lifecycle_renew", call_lifecycle_renew},
    {"lifecycle_endpoint", call_lifecycle_endpoint},
    {"lifecycle_patch_metadata", call_lifecycle_patch_metadata},
    {"ping", call_ping},
    {"command_run", call_command_run},
    {"command_status", call_command_status},
    {"command_logs", call_command_logs},
    {"command_interrupt", call_command_interrupt},
    {"endpoint_request", call_endpoint_request},
    {"lifecycle_list_all", call_lifecycle_list_all},
    {"lifecycle_wait", call_lifecycle_wait},
    {"snapshot_create", call_snapshot_create},
    {"snapshot_get", call_snapshot_get},
    {"snapshot_wait", call_snapshot_wait},
    {"snapshot_delete", call_snapshot_delete},
    {"snapshot_list", call_snapshot_list},
    {"snapshot_list_all", call_snapshot_list_all},
    {"diagnostics_logs", call_diagnostics_logs},
    {"diagnostics_events", call_diagnostics_events},
    {"diagnostics_report", call_diagnostics_report},
    {"pool_create", call_pool_create},
    {"pool_get", call_pool_get},
    {"pool_update", call_pool_update},
    {"pool_list", call_pool_list},
    {"pool_delete", call_pool_delete},
    {"command_wait", call_command_wait},
    {"session_create", call_session_create},
    {"session_run", call_session_run},
    {"session_delete", call_session_delete},
    {"code_context_create", call_code_context_create},
    {"code_context_get", call_code_context_get},
    {"code_context_list", call_code_context_list},
    {"code_context_delete", call_code_context_delete},
    {"code_context_delete_all", call_code_context_delete_all},
    {"code_run", call_code_run},
    {"code_interrupt", call_code_interrupt},
    {"metrics_get", call_metrics_get},
    {"metrics_watch", call_metrics_watch},
    {"isolated_capabilities", call_isolated_capabilities},
    {"isolated_create", call_isolated_create},
    {"isolated_list", call_isolated_list},
    {"isolated_get", call_isolated_get},
    {"isolated_delete", call_isolated_delete},
    {"isolated_run", call_isolated_run},
    {"isolated_diff", call_isolated_diff},
    {"isolated_commit", call_isolated_commit},
    {"file_get_info", call_file_get_info},
    {"file_get_infos", call_file_get_infos},
    {"file_search", call_file_search},
    {"file_read", call_file_read},
    {"file_read_all", call_file_read_all},
    {"file_write", call_file_write},
    {"file_upload", call_file_upload},
    {"file_replace", call_file_replace},
    {"file_move", call_file_move},
    {"file_set_permissions", call_file_set_permissions},
    {"file_delete", call_file_delete},
    {"directory_create", call_directory_create},
    {"directory_list", call_directory_list},
    {"directory_delete", call_directory_delete},
    {"pty_create", call_pty_create},
    {"pty_get", call_pty_get},
    {"pty_delete", call_pty_delete},
    {"pty_attach", call_pty_attach},
    {"egress_connect", call_egress_connect},
    {"egress_health", call_egress_health},
    {"egress_get_policy", call_egress_get_policy},
    {"egress_patch_policy", call_egress_patch_policy},
    {"egress_delete_rules", call_egress_delete_rules},
    {"egress_replace_policy", call_egress_replace_policy},
    {"egress_reset_policy", call_egress_reset_policy},
    {"vault_create", call_vault_create},
    {"vault_get", call_vault_get},
    {"vault_patch", call_vault_patch},
    {"vault_delete", call_vault_delete},
    {"vault_list_credentials", call_vault_list_credentials},
    {"vault_list_bindings", call_vault_list_bindings},
    {"vault_get_credential", call_vault_get_credential},
    {"vault_get_binding", call_vault_get_binding},
};

/* Makes one call; its outcome, with the status last, stands in s->r.lines afterwards. */
static void scene_make_call(scene *s, const transcript_block *call)
{
    size_t i, count = sizeof scene_calls / sizeof scene_calls[0];
    memset(&s->create, 0, (size_t)((char *)(s + 1) - (char *)&s->create));
    s->call = call;
    text_clear(&s->r.lines);
    s->handlers = recorder_handlers(&s->r);
    s->info_handlers = recorder_info_handlers(&s->r);
    s->r.cancel_on = scene_get(s, "cancel_on");
    for (i = 0; i < count; i++)
        if (strcmp(call->name, scene_calls[i].name) == 0) break;
    if (i == count) {
        fprintf(stderr, "no call %s\n", call->name);
        exit(2);
    }
    recorder_status(&s->r, &s->client, scene_calls[i].make(s));
}

#endif
