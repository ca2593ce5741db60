/* osb snapshot ... */
#include "osb.h"
#include <strings.h>

static node *put_snapshot(node *parent, const osb_snapshot *s)
{
    node *v = put_map(parent, NULL), *status;
    put_text(v, "id", s->id);
    put_view(v, "sandbox_id", s->sandbox_id);
    put_view(v, "name", s->name);
    status = put_map(v, "status");
    put_view(status, "state", s->state);
    put_view(status, "reason", s->reason);
    put_view(status, "message", s->message);
    put_view(status, "last_transition_at", s->last_transition_at);
    put_view(v, "created_at", s->created_at);
    return v;
}

static int show_snapshot(const osb_snapshot *snapshot)
{
    if (config.output == 'r') {
        print(snapshot->id);
        print("\n");
    } else {
        show(put_snapshot(NULL, snapshot), "");
    }
    return EXIT_FINE;
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

static bool fill_states(const args *a, osb_snapshot_filter *filter)
{
    static const char *const known[] = {"Creating", "Ready", "Failed", "Deleting"};
    const char *const *wanted;
    size_t count = flag_list(a, F_STATE, &wanted), i, k;
    const char **states = keep((count + 1) * sizeof *states);
    for (i = 0; i < count; i++) {
        for (k = 0; k < COUNT(known); k++)
            if (strcasecmp(known[k], wanted[i]) == 0) states[i] = known[k];
        if (states[i] != NULL) continue;
        usage(a, "--state %s is not Creating, Ready, Failed or Deleting", wanted[i]);
        return false;
    }
    filter->states = states;
    filter->state_count = count;
    return true;
}

int do_snapshot_list(const args *a)
{
    osb_snapshot_filter filter = {0};
    osb_snapshot_page page;
    osb_status status;
    node *answer = put_map(NULL, NULL), *items = put_list(answer, "items"), *numbers;
    filter.page = flag_number(a, F_PAGE, 0);
    filter.page_size = flag_number(a, F_PAGE_SIZE, 0);
    filter.sandbox_id = flag_text(a, F_SANDBOX);
    filter.name = flag_text(a, F_NAME);
    if (!fill_states(a, &filter)) return EXIT_USAGE;
    status = connect_server();
    if (status == OSB_OK)
        status = (has(a, F_ALL) ? osb_snapshot_list_all
                                : osb_snapshot_list)(client, &filter, on_snapshot, items, &page);
    if (status != OSB_OK) return failed(status);
    numbers = put_map(answer, "pagination");
    put_number(numbers, "page", page.page);
    put_number(numbers, "page_size", page.page_size);
    put_number(numbers, "total_items", page.total_items);
    put_number(numbers, "total_pages", page.total_pages);
    put_bool(numbers, "has_next_page", page.has_next_page);
    show(answer, "id status=status.state sandbox_id name created_at");
    return EXIT_FINE;
}

int do_snapshot_delete(const args *a)
{
    node *rows = put_list(NULL, NULL), *row;
    int code = EXIT_FINE;
    size_t i;
    osb_status status = connect_server();
    if (status != OSB_OK) return failed(status);
    for (i = 0; i < a->word_count && !was_interrupted(); i++) {
        status = osb_snapshot_delete(client, a->words[i]);
        if (status != OSB_OK) {
            code = failed(status);
            continue;
        }
        row = put_map(rows, NULL);
        put_text(row, "snapshot_id", a->words[i]);
        put_text(row, "status", "deleted");
    }
    if (rows->first != NULL) show(rows, "snapshot_id status");
    return code;
}
