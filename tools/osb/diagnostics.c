/* osb diagnostics ..., osb devops ... */
#include "osb.h"

typedef struct gathered {
    text content;
    node *warnings;
} gathered;

static int on_data(void *user, const void *data, size_t size)
{
    gathered *g = user;
    if (config.output == 'r') return write_data(user, data, size);
    add(&g->content, data, size);
    return 0;
}

static int on_warning(void *user, osb_str warning)
{
    gathered *g = user;
    put_view(g->warnings, NULL, warning);
    if (config.output == 'r') remark("%v", warning);
    return 0;
}

static node *put_diagnosis(const osb_diagnosis *d, gathered *g)
{
    node *v = put_map(NULL, NULL);
    put_view(v, "sandbox_id", d->sandbox_id);
    put_view(v, "kind", d->kind);
    put_view(v, "scope", d->scope);
    put_view(v, "delivery", d->delivery);
    put_view(v, "content_type", d->content_type);
    put_bool(v, "truncated", d->truncated);
    if (osb_str_equal(d->delivery, "inline"))
        put_view(v, "content", (osb_str){g->content.data, g->content.size});
    else put_null(v, "content");
    put_view(v, "content_url", d->content_url);
    put_number(v, "content_length", d->content_length_bytes);
    put_view(v, "expires_at", d->expires_at);
    put_copy(v, "warnings", g->warnings);
    return v;
}

typedef osb_status diagnose(osb_client *client, const char *id, const char *scope,
                            const osb_diagnosis_handlers *handlers, osb_diagnosis *diagnosis);

static int show_diagnosis(const args *a, diagnose *ask)
{
    gathered g = {{0}, put_list(NULL, NULL)};
    osb_diagnosis_handlers handlers = {&g, on_data, on_warning};
    osb_diagnosis d;
    osb_status status;
    add_string(&g.content, "");
    status = connect_server();
    if (status == OSB_OK) status = ask(client, a->words[0], flag_text(a, F_SCOPE), &handlers, &d);
    if (status != OSB_OK) return failed(status);
    if (config.output != 'r') {
        show(put_diagnosis(&d, &g), "");
    } else if (d.content_url.data != NULL) {
        print_data(d.content_url.data, d.content_url.size);
        print("\n");
    }
    if (d.truncated) remark("the server gave only a part of it");
    return EXIT_FINE;
}

int do_diagnostics_logs(const args *a)
{
    return show_diagnosis(a, osb_diagnostics_logs);
}

int do_diagnostics_events(const args *a)
{
    return show_diagnosis(a, osb_diagnostics_events);
}

/* ---- devops ----------------------------------------------------------------------------------*/

static int show_report(const args *a, osb_report report, uint32_t tail, uint32_t events)
{
    osb_report_options options = {0};
    osb_status status = connect_server();
    options.tail = tail > 0 ? flag_number(a, F_TAIL, tail) : 0;
    options.since = flag_text(a, F_SINCE);
    options.event_limit = events;
    if (status == OSB_OK)
        status = osb_diagnostics_report(client, a->words[0], report, &options, write_data, NULL);
    return status == OSB_OK ? EXIT_FINE : failed(status);
}

int do_devops_logs(const args *a)
{
    remark("osb devops logs is deprecated: use osb diagnostics logs");
    return show_report(a, OSB_REPORT_LOGS, 100, 0);
}

int do_devops_inspect(const args *a)
{
    return show_report(a, OSB_REPORT_INSPECT, 0, 0);
}

int do_devops_events(const args *a)
{
    remark("osb devops events is deprecated: use osb diagnostics events");
    return show_report(a, OSB_REPORT_EVENTS, 0, flag_number(a, F_LIMIT, 50));
}

int do_devops_summary(const args *a)
{
    return show_report(a, OSB_REPORT_SUMMARY, 50, flag_number(a, F_EVENT_LIMIT, 20));
}
