/* osb pool ... */
#include "osb.h"

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
    return show(put_pool(NULL, pool), "");
}

static void fill_capacity(const args *a, osb_pool_capacity *capacity)
{
    capacity->buffer_max = flag_number(a, F_BUFFER_MAX, 0);
    capacity->buffer_min = flag_number(a, F_BUFFER_MIN, 0);
    capacity->pool_max = flag_number(a, F_POOL_MAX, 0);
    capacity->pool_min = flag_number(a, F_POOL_MIN, 0);
}

int do_pool_create(const args *a)
{
    osb_pool_options options = {0};
    osb_pool_capacity capacity;
    osb_pool pool;
    osb_status status;
    node *template;
    text json = {0};
    fill_capacity(a, &capacity);
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
    fill_capacity(a, &capacity);
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
    return show(answer, "name total allocated available created_at");
}

int do_pool_delete(const args *a)
{
    return call_for_each(a, osb_pool_delete, "name", "deleted");
}
