/* Decides for itself when a sandbox is ready, instead of a ping to execd: here when its port 80 has
   an address.

      cc -I. examples/custom_health_check.c -o custom_health_check
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./custom_health_check */
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

/* Called again and again while osb_sandbox_create waits. It may make one call; in poll mode the next
   time brings that call's outcome in `last`. */
static osb_status custom_health_check(void *user, osb_sandbox *box, osb_status last)
{
    osb_endpoint endpoint;
    unsigned *asked = user;
    osb_status status;
    (void)last;
    ++*asked;
    status = osb_sandbox_endpoint(box, 80, NULL, &endpoint);
    if (status == OSB_OK || status == OSB_E_AUTH) return status; /* ready, or no use to go on */
    return OSB_PENDING;
}

static int demonstrate(osb_sandbox *box, unsigned asked)
{
    printf("ready: %s, asked %s\n", box->id, asked > 0 ? "at least once" : "never");
    return 0;
}

int main(void)
{
    unsigned char ram[2048];
    osb_posix tcp;
    osb_client client;
    osb_sandbox box;
    osb_config config = {.port = osb_posix_port(&tcp), .memory = ram, .memory_size = sizeof ram};
    unsigned asked = 0;
    osb_create_options options = {
        .image = "nginx:latest",
        .ready = {.check = custom_health_check, .user = &asked, .timeout_ms = 60000},
    };
    int failed;
    osb_posix_config_from_env(&config);
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    if (osb_sandbox_create(&client, &options, &box) < 0) return complain(&client);
    failed = demonstrate(&box, asked);
    if (osb_sandbox_kill(&box) < 0) failed = complain(&client);
    return failed;
}
