/* Lists the running sandboxes, page by page as one iteration, and acts on one by its id.

      cc -I. examples/manager.c -o manager
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./manager */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdio.h>

static int complain(const osb_client *client)
{
    char text[256];
    osb_error_text(client, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return 1;
}

/* A view for printf's "%.*s". */
#define VIEW(view) (int)(view).size, (view).data

struct found {
    unsigned count;
    bool mine;
    const char *id;
};

static int on_sandbox(void *user, const osb_sandbox_info *info)
{
    struct found *found = user;
    found->count++;
    if (osb_str_equal(info->id, found->id)) found->mine = true;
    printf("found sandbox: %.*s, %.*s\n", VIEW(info->id), VIEW(info->state));
    return 0;
}

static int demonstrate(osb_sandbox *box)
{
    const char *states[] = {"Running"};
    osb_pair tag = {"project", "demo"};
    osb_sandbox_filter filter = {.states = states, .state_count = 1, .page_size = 10};
    struct found found = {0, false, box->id};
    osb_info_handlers handlers = {.user = &found, .on_sandbox = on_sandbox};
    osb_sandbox_page page;
    osb_client *client = box->client;
    if (osb_server_health(client) < 0) return complain(client);
    if (osb_lifecycle_patch_metadata(client, box->id, &tag, 1, NULL, NULL) < 0)
        return complain(client);
    filter.metadata = &tag;
    filter.metadata_count = 1;
    if (osb_lifecycle_list_all(client, &filter, &handlers, &page) < 0) return complain(client);
    printf("%u in all, ours is %s them\n", found.count, found.mine ? "among" : "not among");
    if (osb_lifecycle_renew(client, box->id, 3600, NULL) < 0) return complain(client);
    if (osb_lifecycle_pause(client, box->id) < 0) return complain(client);
    return osb_lifecycle_resume(client, box->id) < 0 ? complain(client) : 0;
}

int main(void)
{
    unsigned char ram[2048];
    osb_posix tcp;
    osb_client client;
    osb_sandbox box;
    osb_config config = {.port = osb_posix_port(&tcp), .memory = ram, .memory_size = sizeof ram};
    osb_create_options options = {.image = "python:3.12"};
    int failed;
    osb_posix_config_from_env(&config);
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    if (osb_sandbox_create(&client, &options, &box) < 0) return complain(&client);
    failed = demonstrate(&box);
    if (osb_sandbox_kill(&box) < 0) failed = complain(&client);
    return failed;
}
