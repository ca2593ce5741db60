/* osb isolated ... */
#include "osb.h"
#include <string.h>

int do_isolated_info(const args *a)
{
    osb_sandbox box;
    osb_isolation isolation;
    node *v = put_map(NULL, NULL);
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = osb_isolated_capabilities(&box, &isolation);
    if (status != OSB_OK) return failed(status);
    put_bool(v, "available", isolation.available);
    put_view(v, "isolator", isolation.isolator);
    put_view(v, "version", isolation.version);
    put_bool(v, "setpriv_available", isolation.setpriv_available);
    put_bool(v, "userns_available", isolation.userns_available);
    put_bool(v, "commit_supported", isolation.commit_supported);
    put_bool(v, "diff_supported", isolation.diff_supported);
    put_view(v, "message", isolation.message);
    return show(v, "");
}

/* FROM[:TO][:ro] */
static osb_bind read_bind(const char *word)
{
    osb_bind bind = {0};
    size_t size = strlen(word), from;
    if (size > 3 && same(word + size - 3, ":ro")) {
        bind.readonly = true;
        size -= 3;
    }
    word = keep_text(word, size);
    from = strcspn(word, ":");
    bind.source = keep_text(word, from);
    if (word[from] == ':') bind.dest = word + from + 1;
    return bind;
}

/* "/data:r0" must not become a writable directory of that name. */
static bool is_place(const char *dest)
{
    return *dest != '\0' && strchr(dest, ':') == NULL;
}

int do_isolated_create(const args *a)
{
    osb_sandbox box;
    osb_isolated_options options = {0};
    osb_isolated_session session;
    const char *const *words;
    size_t count = flag_list(a, F_BIND, &words), i;
    osb_bind *binds = keep((count + 1) * sizeof *binds);
    node *answer = put_map(NULL, NULL);
    osb_status status;
    for (i = 0; i < count; i++) {
        binds[i] = read_bind(words[i]);
        if (*binds[i].source == '\0' || (binds[i].dest != NULL && !is_place(binds[i].dest)))
            return usage(a, "--bind %s is not FROM[:TO][:ro]", words[i]);
    }
    options.binds = binds;
    options.bind_count = count;
    options.profile = flag_text(a, F_PROFILE);
    options.workspace = flag_text(a, F_WORKSPACE);
    options.workspace_mode = flag_text(a, F_WORKSPACE_MODE);
    options.extra_writable_count = flag_list(a, F_WRITABLE, &options.extra_writable);
    options.share_net = has(a, F_SHARE_NET);
    options.no_share_net = has(a, F_NO_SHARE_NET);
    options.uid = flag_optional(a, F_UID);
    options.gid = flag_optional(a, F_GID);
    options.idle_timeout_s.set = has(a, F_IDLE_TIMEOUT);
    options.idle_timeout_s.value = flag_ms(a, F_IDLE_TIMEOUT) / 1000;
    status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = osb_isolated_create(&box, &options, &session);
    if (status != OSB_OK) return failed(status);
    put_text(answer, "sandbox_id", box.id);
    put_text(answer, "session_id", session.id);
    put_view(answer, "created_at", session.created_at);
    return show_or_raw(answer, session.id);
}

static int on_session(void *user, const osb_isolated_session *session)
{
    node *v = put_map(user, NULL);
    put_text(v, "session_id", session->id);
    put_view(v, "status", session->status);
    put_view(v, "created_at", session->created_at);
    put_view(v, "last_run_at", session->last_run_at);
    if (session->idle_remaining_s.set)
        put_signed(v, "idle_remaining_s", session->idle_remaining_s.value);
    return 0;
}

int do_isolated_list(const args *a)
{
    osb_sandbox box;
    node *list = put_list(NULL, NULL);
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = osb_isolated_list(&box, on_session, list);
    if (status != OSB_OK) return failed(status);
    return show(list, "session_id status created_at last_run_at");
}

static int on_bind(void *user, const osb_bind_info *bind)
{
    node *v = put_map(user, NULL);
    put_view(v, "source", bind->source);
    put_view(v, "dest", bind->dest);
    put_bool(v, "readonly", bind->readonly);
    return 0;
}

int do_isolated_get(const args *a)
{
    osb_sandbox box;
    osb_isolated_info info;
    node *answer = put_map(NULL, NULL), *binds = put_list(NULL, NULL);
    osb_isolated_handlers handlers = {binds, NULL, on_bind};
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = osb_isolated_get(&box, a->words[1], &handlers, &info);
    if (status != OSB_OK) return failed(status);
    put_text(answer, "session_id", a->words[1]);
    put_view(answer, "status", info.status);
    put_view(answer, "created_at", info.created_at);
    put_view(answer, "last_run_at", info.last_run_at);
    put_view(answer, "profile", info.profile);
    put_view(answer, "workspace", info.workspace);
    put_view(answer, "workspace_mode", info.workspace_mode);
    put_bool(answer, "share_net", info.share_net);
    put_copy(answer, "binds", binds);
    if (info.idle_timeout_s.set) put_signed(answer, "idle_timeout_s", info.idle_timeout_s.value);
    if (info.idle_remaining_s.set)
        put_signed(answer, "idle_remaining_s", info.idle_remaining_s.value);
    return show(answer, "");
}

int do_isolated_run(const args *a)
{
    static outcome o;
    osb_sandbox box;
    osb_handlers handlers;
    osb_isolated_command command = {0};
    osb_status status;
    command.code = script_of(a->rest);
    command.env_count = flag_pairs(a, F_ENV, &command.envs);
    command.timeout_s = (flag_ms(a, F_TIME_LIMIT) + 999) / 1000;
    status = connect_sandbox(a->words[0], &box);
    if (status != OSB_OK) return failed(status);
    outcome_begin(&o, &box, flag_ms(a, F_TIME_LIMIT), &handlers);
    status = osb_isolated_run(&box, a->words[1], &command, &handlers, &o.run);
    return outcome_code(&o, status);
}

typedef osb_status changes(osb_sandbox *box, const char *id,
                           int (*on_data)(void *user, const void *data, size_t size), void *user);

static int print_changes(const args *a, changes *of)
{
    osb_sandbox box;
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = of(&box, a->words[1], write_data, NULL);
    return status == OSB_OK ? EXIT_FINE : failed(status);
}

int do_isolated_diff(const args *a)
{
    return print_changes(a, osb_isolated_diff);
}

int do_isolated_commit(const args *a)
{
    return print_changes(a, osb_isolated_commit);
}

int do_isolated_delete(const args *a)
{
    return call_in_sandbox(a, osb_isolated_delete, "Deleted session");
}
