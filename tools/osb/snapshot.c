/* osb snapshot ... */
#include "osb.h"

static node *put_snapshot(node *parent, const osb_snapshot *s)
{
    node *v = put_map(parent, NULL);
    put_text(v, "id", s->id);
    put_view(v, "sandbox_id", s->sandbox_id);
    put_view(v, "name", s->name);
    put_status(v, s->state, s->reason, s->message, s->last_transition_at);
    put_view(v, "created_at", s->created_at);
    return v;
}

static int show_snapshot(const osb_snapshot *snapshot)
{
    return show_or_raw(put_snapshot(NULL, snapshot), snapshot->id);
}

int do_snapshot_create(const args *a)
{
    osb_snapshot snapshot;
    osb_status status = connect_server();
    if (status == OSB_OK)
        status = osb_snapshot_create(client, a->words[0], flag_text(a, F_NAME), &snapshot);
    if (status == OSB_OK && has(a, F_WAIT)) {
        const char *id = formatted("%s", snapshot.id);
        status = osb_snapshot_wait(client, id, NULL, &snapshot);
        if (status != OSB_OK) remark("the snapshot is %s", id);
    }
    return status == OSB_OK ? show_snapshot(&snapshot) : failed(status);
}

int do_snapshot_get(const args *a)
{
    osb_snapshot snapshot;
    osb_status status = connect_server();
    if (status == OSB_OK)
        status = has(a, F_WAIT) ? osb_snapshot_wait(client, a->words[0], NULL, &snapshot)
                                : osb_snapshot_get(client, a->words[0], &snapshot);
    return status == OSB_OK ? show_snapshot(&snapshot) : failed(status);
}

static int on_snapshot(void *user, const osb_snapshot *snapshot)
{
    put_snapshot(user, snapshot);
    return 0;
}

static bool fill_filter(const args *a, osb_snapshot_filter *filter)
{
    static const char *const known[] = {"Creating", "Ready", "Failed", "Deleting", NULL};
    filter->sandbox_id = flag_text(a, F_SANDBOX);
    filter->name = flag_text(a, F_NAME);
    return flag_states(a, known, &filter->states, &filter->state_count) &&
           flag_pages(a, &filter->page, &filter->page_size);
}

int do_snapshot_list(const args *a)
{
    osb_snapshot_filter filter = {0};
    osb_snapshot_page p;
    osb_status status;
    node *answer = put_map(NULL, NULL), *items = put_list(answer, "items");
    if (!fill_filter(a, &filter)) return EXIT_USAGE;
    status = connect_server();
    if (status == OSB_OK)
        status = (has(a, F_ALL) ? osb_snapshot_list_all
                                : osb_snapshot_list)(client, &filter, on_snapshot, items, &p);
    if (status != OSB_OK) return failed(status);
    return show_page(
        answer, &(page_numbers){p.page, p.page_size, p.total_items, p.total_pages, p.has_next_page},
        "id status=status.state sandbox_id name created_at");
}

int do_snapshot_delete(const args *a)
{
    return call_for_each(a, osb_snapshot_delete, "snapshot_id", "deleted");
}
