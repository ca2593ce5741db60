/* execd's calls beside commands and files: sessions, code, metrics, isolated sessions. Included by
   calls.h. */
#ifndef TESTS_CALLS_EXECD_H
#define TESTS_CALLS_EXECD_H

static struct { /* must live until the call has ended */
    osb_session session;
    osb_session_command session_command;
    osb_code_context context;
    osb_code code;
    osb_metrics metrics;
    osb_isolation isolation;
    osb_isolated_options isolated;
    osb_isolated_session isolated_session;
    osb_isolated_info isolated_info;
    osb_isolated_handlers isolated_handlers;
    osb_isolated_command isolated_command;
    osb_bind binds[4];
} execd;

static osb_status scene_execution(scene *s, osb_status status)
{
    status = scene_wait(s, status);
    recorder_outputs(&s->r);
    recorder_execution(&s->r, &s->run);
    return status;
}

static osb_status call_command_wait(scene *s)
{
    const osb_wait_options *options = scene_wait_options(s);
    osb_status status = osb_command_wait(&s->box, scene_get(s, "id"), options, &s->state);
    status = scene_wait(s, status);
    if (status == OSB_OK) scene_show_state(s);
    return status;
}

static osb_status call_session_create(scene *s)
{
    osb_status status;
    memset(&execd, 0, sizeof execd);
    status = osb_session_create(&s->box, scene_get(s, "cwd"), &execd.session);
    status = scene_wait(s, status);
    recorder_line(&s->r, "session", execd.session.id, strlen(execd.session.id));
    return status;
}

static osb_status call_session_run(scene *s)
{
    osb_session_command *c = &execd.session_command;
    memset(&execd, 0, sizeof execd);
    c->command = scene_get(s, "command");
    c->cwd = scene_get(s, "cwd");
    c->timeout_ms = transcript_number(s->call, "timeout_ms");
    return scene_execution(s,
                           osb_session_run(&s->box, scene_get(s, "id"), c, &s->handlers, &s->run));
}

static osb_status call_session_delete(scene *s)
{
    return scene_wait(s, osb_session_delete(&s->box, scene_get(s, "id")));
}

static int recorder_on_context(void *user, const osb_code_context *context)
{
    recorder *r = (recorder *)user;
    recorder_line(r, "context", context->id, strlen(context->id));
    recorder_line(r, "language", context->language, strlen(context->language));
    recorder_view(r, "cwd", context->cwd);
    return recorder_answer(r, "context", false);
}

static osb_status call_code_context_create(scene *s)
{
    osb_status status;
    memset(&execd, 0, sizeof execd);
    status = osb_code_context_create(&s->box, scene_get(s, "language"), scene_get(s, "cwd"),
                                     &execd.context);
    status = scene_wait(s, status);
    if (status == OSB_OK) recorder_on_context(&s->r, &execd.context);
    return status;
}

static osb_status call_code_context_get(scene *s)
{
    osb_status status;
    memset(&execd, 0, sizeof execd);
    status = osb_code_context_get(&s->box, scene_get(s, "id"), &execd.context);
    status = scene_wait(s, status);
    if (status == OSB_OK) recorder_on_context(&s->r, &execd.context);
    return status;
}

static osb_status call_code_context_list(scene *s)
{
    return scene_wait(
        s, osb_code_context_list(&s->box, scene_get(s, "language"), recorder_on_context, &s->r));
}

static osb_status call_code_context_delete(scene *s)
{
    return scene_wait(s, osb_code_context_delete(&s->box, scene_get(s, "id")));
}

static osb_status call_code_context_delete_all(scene *s)
{
    return scene_wait(s, osb_code_context_delete_all(&s->box, scene_get(s, "language")));
}

static osb_status call_code_run(scene *s)
{
    osb_code *c = &execd.code;
    memset(&execd, 0, sizeof execd);
    c->code = scene_get(s, "code");
    c->language = scene_get(s, "language");
    c->keep_running = transcript_has(s->call, "keep_running");
    if (transcript_has(s->call, "context")) {
        snprintf(execd.context.id, sizeof execd.context.id, "%s", scene_get(s, "context"));
        snprintf(execd.context.language, sizeof execd.context.language, "%s",
                 transcript_has(s->call, "context_language") ? scene_get(s, "context_language")
                                                             : "python");
        c->context = &execd.context;
    }
    return scene_execution(s, osb_code_run(&s->box, c, &s->handlers, &s->run));
}

static osb_status call_code_interrupt(scene *s)
{
    return scene_wait(s, osb_code_interrupt(&s->box, scene_get(s, "id")));
}

static int recorder_on_metrics(void *user, const osb_metrics *m)
{
    recorder *r = (recorder *)user;
    text_print(&r->lines, "metrics @%lld cpu %lld used %lld mem %lld used %lld\n",
               (long long)m->timestamp_ms, (long long)m->cpu_count_milli,
               (long long)m->cpu_used_pct_milli, (long long)m->mem_total_mib_milli,
               (long long)m->mem_used_mib_milli);
    recorder_view(r, "error", m->error);
    return recorder_answer(r, m->error.data != NULL ? "error" : "metrics", false);
}

static osb_status call_metrics_get(scene *s)
{
    osb_status status;
    memset(&execd, 0, sizeof execd);
    status = scene_wait(s, osb_metrics_get(&s->box, &execd.metrics));
    if (status == OSB_OK) recorder_on_metrics(&s->r, &execd.metrics);
    return status;
}

static osb_status call_metrics_watch(scene *s)
{
    return scene_wait(s, osb_metrics_watch(&s->box, recorder_on_metrics, &s->r));
}

static osb_status call_isolated_capabilities(scene *s)
{
    const osb_isolation *i = &execd.isolation;
    osb_status status;
    memset(&execd, 0, sizeof execd);
    status = scene_wait(s, osb_isolated_capabilities(&s->box, &execd.isolation));
    if (status != OSB_OK) return status;
    text_print(&s->r.lines, "available %d setpriv %d userns %d commit %d diff %d\n", i->available,
               i->setpriv_available, i->userns_available, i->commit_supported, i->diff_supported);
    recorder_view(&s->r, "isolator", i->isolator);
    recorder_view(&s->r, "version", i->version);
    recorder_view(&s->r, "message", i->message);
    return status;
}

/* "bind source=/a dest=/b readonly" as many times as there are binds. */
static void scene_binds(scene *s)
{
    const char *lines[TRANSCRIPT_MOST];
    size_t i, n = transcript_list(s->call, "bind", lines);
    for (i = 0; i < n; i++) {
        const words *w = words_parse(&s->words, lines[i]);
        execd.binds[i].source = words_get(w, "source");
        execd.binds[i].dest = words_get(w, "dest");
        execd.binds[i].readonly = words_have(w, "readonly");
    }
    execd.isolated.binds = n > 0 ? execd.binds : NULL;
    execd.isolated.bind_count = n;
}

static void recorder_number(recorder *r, const char *name, osb_i32 number)
{
    if (number.set) text_print(&r->lines, "%s %ld\n", name, (long)number.value);
}

static int recorder_on_isolated_session(void *user, const osb_isolated_session *session)
{
    recorder *r = (recorder *)user;
    recorder_line(r, "session", session->id, strlen(session->id));
    recorder_view(r, "status", session->status);
    recorder_view(r, "created_at", session->created_at);
    recorder_view(r, "last_run_at", session->last_run_at);
    recorder_number(r, "idle_remaining", session->idle_remaining_s);
    return recorder_answer(r, "session", false);
}

static osb_status call_isolated_create(scene *s)
{
    osb_isolated_options *o = &execd.isolated;
    osb_status status;
    memset(&execd, 0, sizeof execd);
    o->profile = scene_get(s, "profile");
    o->workspace = scene_get(s, "workspace");
    o->workspace_mode = scene_get(s, "workspace_mode");
    o->extra_writable_count = transcript_list(s->call, "extra_writable", s->list);
    o->extra_writable = s->list;
    o->share_net = transcript_has(s->call, "share_net");
    o->env_mode = scene_get(s, "env_mode");
    o->env_key_count = transcript_list(s->call, "env_key", s->other_list);
    o->env_keys = s->other_list;
    o->uid = scene_optional(s, "uid");
    o->gid = scene_optional(s, "gid");
    o->uid_mode = scene_get(s, "uid_mode");
    o->idle_timeout_s = scene_optional(s, "idle_timeout_s");
    scene_binds(s);
    status = osb_isolated_create(&s->box, o, &execd.isolated_session);
    status = scene_wait(s, status);
    if (status == OSB_OK) recorder_on_isolated_session(&s->r, &execd.isolated_session);
    return status;
}

static osb_status call_isolated_list(scene *s)
{
    return scene_wait(s, osb_isolated_list(&s->box, recorder_on_isolated_session, &s->r));
}

static int recorder_on_bind(void *user, const osb_bind_info *bind)
{
    recorder *r = (recorder *)user;
    recorder_view(r, bind->readonly ? "bind readonly" : "bind", bind->source);
    recorder_view(r, "to", bind->dest);
    return recorder_answer(r, "bind", false);
}

static osb_status call_isolated_get(scene *s)
{
    osb_isolated_handlers *h = &execd.isolated_handlers;
    const osb_isolated_info *i = &execd.isolated_info;
    osb_status status;
    memset(&execd, 0, sizeof execd);
    h->user = &s->r;
    h->on_entry = recorder_on_entry;
    h->on_bind = recorder_on_bind;
    status = osb_isolated_get(&s->box, scene_get(s, "id"), h, &execd.isolated_info);
    status = scene_wait(s, status);
    if (status != OSB_OK) return status;
    recorder_view(&s->r, "status", i->status);
    recorder_view(&s->r, "created_at", i->created_at);
    recorder_view(&s->r, "last_run_at", i->last_run_at);
    recorder_view(&s->r, "profile", i->profile);
    recorder_view(&s->r, "workspace", i->workspace);
    recorder_view(&s->r, "workspace_mode", i->workspace_mode);
    recorder_view(&s->r, "env_mode", i->env_mode);
    recorder_view(&s->r, "uid_mode", i->uid_mode);
    recorder_number(&s->r, "idle_remaining", i->idle_remaining_s);
    recorder_number(&s->r, "idle_timeout", i->idle_timeout_s);
    recorder_number(&s->r, "uid", i->uid);
    recorder_number(&s->r, "gid", i->gid);
    if (i->share_net) text_print(&s->r.lines, "share_net\n");
    return status;
}

static osb_status call_isolated_delete(scene *s)
{
    return scene_wait(s, osb_isolated_delete(&s->box, scene_get(s, "id")));
}

static osb_status call_isolated_run(scene *s)
{
    osb_isolated_command *c = &execd.isolated_command;
    memset(&execd, 0, sizeof execd);
    c->code = scene_get(s, "code");
    c->envs = scene_pairs(s, 0, "env", &c->env_count);
    c->timeout_s = transcript_number(s->call, "timeout_s");
    return scene_execution(s,
                           osb_isolated_run(&s->box, scene_get(s, "id"), c, &s->handlers, &s->run));
}

static osb_status call_isolated_diff(scene *s)
{
    osb_status status = osb_isolated_diff(&s->box, scene_get(s, "id"), recorder_on_data, &s->r);
    status = scene_wait(s, status);
    recorder_line(&s->r, "data", s->r.data.data, s->r.data.size);
    return status;
}

static osb_status call_isolated_commit(scene *s)
{
    osb_status status = osb_isolated_commit(&s->box, scene_get(s, "id"), recorder_on_data, &s->r);
    status = scene_wait(s, status);
    recorder_line(&s->r, "data", s->r.data.data, s->r.data.size);
    return status;
}

#endif
