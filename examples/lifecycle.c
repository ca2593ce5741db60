/* Describes a sandbox, pauses and resumes it, renews its time; connects to it as another program
   would.

      cc -I. examples/lifecycle.c -o lifecycle
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./lifecycle */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdio.h>

/* A view for printf's "%.*s". */
#define VIEW(view) (int)(view).size, (view).data

static int complain(const osb_client *client)
{
    char text[256];
    osb_error_text(client, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return 1;
}

/* Whoever knows the id can take the sandbox up. */
static osb_status connect_by_id(osb_client *client, const char *id)
{
    osb_sandbox connected;
    osb_status status = osb_sandbox_connect(client, id, NULL, &connected);
    if (status == OSB_OK) printf("connected again\n");
    return status;
}

static int demonstrate(osb_sandbox *box)
{
    osb_client *client = box->client;
    osb_sandbox_info info;
    osb_str expires_at;
    if (osb_sandbox_get_info(box, NULL, &info) < 0) return complain(client);
    printf("state:   %.*s\n", VIEW(info.state));
    printf("created: %.*s\n", VIEW(info.created_at));
    if (osb_sandbox_pause(box) < 0) return complain(client);
    if (osb_lifecycle_wait(client, box->id, "Paused", NULL, &info) < 0) return complain(client);
    printf("state:   %.*s\n", VIEW(info.state));
    if (osb_sandbox_resume(client, box->id, NULL, box) < 0) return complain(client);
    if (osb_sandbox_renew(box, 30 * 60, &expires_at) < 0) return complain(client);
    printf("expires: %.*s\n", VIEW(expires_at));
    return connect_by_id(client, box->id) < 0 ? complain(client) : 0;
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
