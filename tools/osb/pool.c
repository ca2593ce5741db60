/* osb pool ... */
#include "osb.h"
#include <string.h>

static node *put_pool(node *parent, const osb_pool *p)
{
    node *v = put_map(parent, NULL), *part;
    put_view(v, "name", p->name);
    put_view(v, "created_at", p->created_at);
    put_view(v, "revision", p->revision);
    part = put_map(v, "capacity");
    put_number(part, "buffer_max", p->capacity.buffer_max);
    put_number(part, "buffer_min", p->capacity.buffer_min);
    put_number(part, "pool_max", p->capacity.pool_max);
    put_number(part, "pool_min", p->capacity.pool_min);
    put_number(v, "total", p->total);
    put_number(v, "allocated", p->allocated);
    put_number(v, "available", p->available);
    return v;
}

static int show_pool(osb_status status, const osb_pool *pool)
{
    if (status != OSB_OK) return failed(status);
    show(put_pool(NULL, pool), "");
    return EXIT_FINE;
}

/* The whole capacity is sent, so all of it must be given. */
static bool fill_capacity(const args *a, osb_pool_capacity *capacity)
{
    static const flag_id needed[] = {F_BUFFER_MAX, F_BUFFER_MIN, F_POOL_MAX, F_POOL_MIN};
    uint32_t *const to[] = {&capacity->buffer_max, &capacity->buffer_min, &capacity->pool_max,
                            &capacity->pool_min};
    size_t i;
    for (i = 0; i < COUNT(needed); i++) {
        if (!has(a, needed[i])) {
            usage(a, "--%s is missing", flags[needed[i]].name);
            return false;
        }
        *to[i] = flag_number(a, needed[i], 0);
    }
    return true;
}

int do_pool_create(const args *a)
{
    osb_pool_options options = {0};
    osb_pool_capacity capacity;
    osb_pool pool;
    osb_status status;
    node *template;
    text json = {0};
    if (!has(a, F_TEMPLATE)) return usage(a, "--template-file is missing");
    if (!fill_capacity(a, &capacity)) return EXIT_USAGE;
    template = read_document(flag_text(a, F_TEMPLATE));
    if (template == NULL) return EXIT_USAGE;
    if (template->kind != V_MAP) return usage(a, "--template-file: not a map");
    add_json(&json, template, -1);
    options.name = a->words[0];
    options.template_json = json.data;
    options.capacity = &capacity;
    status = connect_server();
    if (status == OSB_OK) status = osb_pool_create(client, &options, &pool);
    return show_pool(status, &pool);
}

int do_pool_get(const args *a)
{
    osb_pool pool;
    osb_status status = connect_server();
    if (status == OSB_OK) status = osb_pool_get(client, a->words[0], &pool);
    return show_pool(status, &pool);
}

int do_pool_update(const args *a)
{
    osb_pool_capacity capacity;
    osb_pool pool;
    osb_status status;
    if (!fill_capacity(a, &capacity)) return EXIT_USAGE;
    status = connect_server();
    if (status == OSB_OK) status = osb_pool_update(client, a->words[0], &capacity, &pool);
    return show_pool(status, &pool);
}

static int on_pool(void *user, const osb_pool *pool)
{
    put_pool(user, pool);
    return 0;
}

int do_pool_list(const args *a)
{
    node *answer = put_map(NULL, NULL), *items = put_list(answer, "items");
    osb_status status = connect_server();
    (void)a;
    if (status == OSB_OK) status = osb_pool_list(client, on_pool, items);
    if (status != OSB_OK) return failed(status);
    show(answer, "name total allocated available created_at");
    return EXIT_FINE;
}

int do_pool_delete(const args *a)
{
    node *rows = put_list(NULL, NULL), *row;
    int code = EXIT_FINE;
    size_t i;
    osb_status status = connect_server();
    if (status != OSB_OK) return failed(status);
    for (i = 0; i < a->word_count && !was_interrupted(); i++) {
        status = osb_pool_delete(client, a->words[i]);
        if (status != OSB_OK) {
            code = failed(status);
            continue;
        }
        row = put_map(rows, NULL);
        put_text(row, "name", a->words[i]);
        put_text(row, "status", "deleted");
    }
    if (rows->first != NULL) show(rows, "name status");
    return code;
}
