/* The lifecycle server's calls beside the sandboxes' own: pages, waits, snapshots, diagnostics, pools.
   Included by calls.h. */
#ifndef TESTS_CALLS_LIFECYCLE_H
#define TESTS_CALLS_LIFECYCLE_H

static struct { /* must live until the call has ended */
    osb_wait_options wait;
    osb_snapshot snapshot;
    osb_snapshot_filter filter;
    osb_snapshot_page page;
    osb_diagnosis diagnosis;
    osb_diagnosis_handlers handlers;
    osb_report_options report;
    osb_pool_capacity capacity;
    osb_pool_options pool_options;
    osb_pool pool;
} lifecycle;

static const osb_wait_options *scene_wait_options(scene *s)
{
    memset(&lifecycle, 0, sizeof lifecycle);
    lifecycle.wait.timeout_ms = transcript_number(s->call, "timeout_ms");
    lifecycle.wait.interval_ms = transcript_number(s->call, "interval_ms");
    return &lifecycle.wait;
}

static osb_status call_lifecycle_list_all(scene *s)
{
    const osb_sandbox_filter *filter = scene_filter(s);
    osb_status status = osb_lifecycle_list_all(&s->client, filter, &s->info_handlers, &s->page);
    status = scene_wait(s, status);
    scene_show_page(s);
    return status;
}

static osb_status call_lifecycle_wait(scene *s)
{
    const osb_wait_options *options = scene_wait_options(s);
    osb_status status =
        osb_lifecycle_wait(&s->client, scene_id(s), scene_get(s, "state"), options, &s->info);
    status = scene_wait(s, status);
    if (status == OSB_OK) recorder_info(&s->r, &s->info);
    return status;
}

static int recorder_on_snapshot(void *user, const osb_snapshot *snapshot)
{
    recorder *r = (recorder *)user;
    recorder_line(r, "snapshot", snapshot->id, strlen(snapshot->id));
    recorder_view(r, "sandbox_id", snapshot->sandbox_id);
    recorder_view(r, "name", snapshot->name);
    recorder_view(r, "state", snapshot->state);
    recorder_view(r, "reason", snapshot->reason);
    recorder_view(r, "message", snapshot->message);
    recorder_view(r, "last_transition_at", snapshot->last_transition_at);
    recorder_view(r, "created_at", snapshot->created_at);
    return recorder_answer(r, "snapshot", false);
}

static osb_snapshot *scene_empty_snapshot(void)
{
    memset(&lifecycle, 0, sizeof lifecycle);
    return &lifecycle.snapshot;
}

static osb_status scene_snapshot(scene *s, osb_status status)
{
    status = scene_wait(s, status);
    if (status == OSB_OK) recorder_on_snapshot(&s->r, &lifecycle.snapshot);
    return status;
}

static osb_status call_snapshot_create(scene *s)
{
    return scene_snapshot(
        s, osb_snapshot_create(&s->client, scene_id(s), scene_get(s, "name"), &lifecycle.snapshot));
}

static osb_status call_snapshot_get(scene *s)
{
    osb_snapshot *out = scene_empty_snapshot();
    return scene_snapshot(s, osb_snapshot_get(&s->client, scene_id(s), out));
}

static osb_status call_snapshot_wait(scene *s)
{
    const osb_wait_options *options = scene_wait_options(s);
    return scene_snapshot(s,
                          osb_snapshot_wait(&s->client, scene_id(s), options, &lifecycle.snapshot));
}

static osb_status call_snapshot_delete(scene *s)
{
    return scene_wait(s, osb_snapshot_delete(&s->client, scene_id(s)));
}

static const osb_snapshot_filter *scene_snapshot_filter(scene *s)
{
    osb_snapshot_filter *f = &lifecycle.filter;
    memset(&lifecycle, 0, sizeof lifecycle);
    f->page = transcript_number(s->call, "page");
    f->page_size = transcript_number(s->call, "page_size");
    f->sandbox_id = scene_get(s, "sandbox_id");
    f->name = scene_get(s, "name");
    f->state_count = transcript_list(s->call, "state", s->list);
    f->states = s->list;
    return f;
}

static osb_status scene_snapshot_page(scene *s, osb_status status)
{
    const osb_snapshot_page *page = &lifecycle.page;
    status = scene_wait(s, status);
    text_print(&s->r.lines, "page %lu size %lu items %lu pages %lu%s\n", (unsigned long)page->page,
               (unsigned long)page->page_size, (unsigned long)page->total_items,
               (unsigned long)page->total_pages, page->has_next_page ? " next" : "");
    return status;
}

static osb_status call_snapshot_list(scene *s)
{
    const osb_snapshot_filter *filter = scene_snapshot_filter(s);
    return scene_snapshot_page(
        s, osb_snapshot_list(&s->client, filter, recorder_on_snapshot, &s->r, &lifecycle.page));
}

static osb_status call_snapshot_list_all(scene *s)
{
    const osb_snapshot_filter *filter = scene_snapshot_filter(s);
    return scene_snapshot_page(
        s, osb_snapshot_list_all(&s->client, filter, recorder_on_snapshot, &s->r, &lifecycle.page));
}

static int recorder_on_warning(void *user, osb_str warning)
{
    recorder_view((recorder *)user, "warning", warning);
    return recorder_answer((recorder *)user, "warning", false);
}

static osb_status scene_diagnosis(scene *s, osb_status status)
{
    const osb_diagnosis *d = &lifecycle.diagnosis;
    status = scene_wait(s, status);
    recorder_line(&s->r, "data", s->r.data.data, s->r.data.size);
    if (status != OSB_OK) return status;
    recorder_view(&s->r, "sandbox_id", d->sandbox_id);
    recorder_view(&s->r, "kind", d->kind);
    recorder_view(&s->r, "scope", d->scope);
    recorder_view(&s->r, "delivery", d->delivery);
    recorder_view(&s->r, "content_type", d->content_type);
    recorder_view(&s->r, "content_url", d->content_url);
    recorder_view(&s->r, "expires_at", d->expires_at);
    text_print(&s->r.lines, "length %llu%s\n", (unsigned long long)d->content_length_bytes,
               d->truncated ? " truncated" : "");
    return status;
}

static const osb_diagnosis_handlers *scene_diagnosis_handlers(scene *s)
{
    memset(&lifecycle, 0, sizeof lifecycle);
    lifecycle.handlers.user = &s->r;
    lifecycle.handlers.on_data = recorder_on_data;
    lifecycle.handlers.on_warning = recorder_on_warning;
    return &lifecycle.handlers;
}

static osb_status call_diagnostics_logs(scene *s)
{
    const osb_diagnosis_handlers *handlers = scene_diagnosis_handlers(s);
    return scene_diagnosis(s, osb_diagnostics_logs(&s->client, scene_id(s), scene_get(s, "scope"),
                                                   handlers, &lifecycle.diagnosis));
}

static osb_status call_diagnostics_events(scene *s)
{
    const osb_diagnosis_handlers *handlers = scene_diagnosis_handlers(s);
    return scene_diagnosis(s, osb_diagnostics_events(&s->client, scene_id(s), scene_get(s, "scope"),
                                                     handlers, &lifecycle.diagnosis));
}

static osb_status call_diagnostics_report(scene *s)
{
    static const char *const names[] = {"logs", "events", "inspect", "summary"};
    int report = 0;
    osb_status status;
    memset(&lifecycle, 0, sizeof lifecycle);
    while (strcmp(names[report], scene_get(s, "report")) != 0) report++;
    lifecycle.report.tail = transcript_number(s->call, "tail");
    lifecycle.report.since = scene_get(s, "since");
    lifecycle.report.event_limit = transcript_number(s->call, "event_limit");
    status = osb_diagnostics_report(&s->client, scene_id(s), (osb_report)report, &lifecycle.report,
                                    recorder_on_data, &s->r);
    status = scene_wait(s, status);
    recorder_line(&s->r, "data", s->r.data.data, s->r.data.size);
    return status;
}

static int recorder_on_pool(void *user, const osb_pool *pool)
{
    recorder *r = (recorder *)user;
    recorder_view(r, "pool", pool->name);
    recorder_view(r, "created_at", pool->created_at);
    recorder_view(r, "revision", pool->revision);
    text_print(&r->lines, "buffer %lu %lu pool %lu %lu\n", (unsigned long)pool->capacity.buffer_min,
               (unsigned long)pool->capacity.buffer_max, (unsigned long)pool->capacity.pool_min,
               (unsigned long)pool->capacity.pool_max);
    text_print(&r->lines, "total %lu allocated %lu available %lu\n", (unsigned long)pool->total,
               (unsigned long)pool->allocated, (unsigned long)pool->available);
    return recorder_answer(r, "pool", false);
}

static osb_status scene_pool(scene *s, osb_status status)
{
    status = scene_wait(s, status);
    if (status == OSB_OK) recorder_on_pool(&s->r, &lifecycle.pool);
    return status;
}

static const osb_pool_capacity *scene_capacity(scene *s)
{
    osb_pool_capacity *c = &lifecycle.capacity;
    memset(&lifecycle, 0, sizeof lifecycle);
    c->buffer_max = transcript_number(s->call, "buffer_max");
    c->buffer_min = transcript_number(s->call, "buffer_min");
    c->pool_max = transcript_number(s->call, "pool_max");
    c->pool_min = transcript_number(s->call, "pool_min");
    return c;
}

static osb_status call_pool_create(scene *s)
{
    osb_pool_options *o = &lifecycle.pool_options;
    const osb_pool_capacity *capacity = scene_capacity(s);
    o->name = scene_get(s, "name");
    o->template_json = scene_get(s, "template");
    o->capacity = capacity;
    return scene_pool(s, osb_pool_create(&s->client, o, &lifecycle.pool));
}

static osb_status call_pool_get(scene *s)
{
    return scene_pool(s, osb_pool_get(&s->client, scene_get(s, "name"), &lifecycle.pool));
}

static osb_status call_pool_update(scene *s)
{
    const osb_pool_capacity *capacity = scene_capacity(s);
    return scene_pool(s,
                      osb_pool_update(&s->client, scene_get(s, "name"), capacity, &lifecycle.pool));
}

static osb_status call_pool_list(scene *s)
{
    return scene_wait(s, osb_pool_list(&s->client, recorder_on_pool, &s->r));
}

static osb_status call_pool_delete(scene *s)
{
    return scene_wait(s, osb_pool_delete(&s->client, scene_get(s, "name")));
}

#endif
