/* Finds a sandbox whose creation lost its answer, so that none is left behind.

   Each sandbox is created with a tag of its own in its metadata. If the request went out and no
   whole answer came (error.maybe_applied), the server may have made it: the tag finds it. Here the
   port loses the first answer on purpose.

      cc -I. examples/orphan.c -o orphan
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./orphan */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int complain(const osb_client *client)
{
    char text[256];
    osb_error_text(client, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return 1;
}

/* Loses the first answer: the connection breaks when it comes. */
static const osb_port_ops *whole;
static int lost;

static int lose_first(void *ctx, void *data, size_t size)
{
    int n = whole->recv(ctx, data, size);
    if (n <= 0 || lost++ > 0) return n;
    return OSB_IO_FAILED;
}

/* A server that is still at work, pulling an image, lists the sandbox only afterwards. */
static osb_status find(osb_client *client, const osb_pair *tag, osb_sandbox *box)
{
    osb_status status;
    int seconds = 60;
    do status = osb_sandbox_find(client, tag, box);
    while (status == OSB_E_NOT_FOUND && seconds-- > 0 && sleep(1) == 0);
    return status;
}

/* Creates a sandbox, or takes up the one that was made. */
static osb_status create(osb_client *client, const osb_pair *tag, osb_sandbox *box)
{
    osb_create_options options = {.image = "python:3.12", .metadata = tag, .metadata_count = 1};
    osb_status status = osb_sandbox_create(client, &options, box);
    if (status == OSB_OK || !osb_last_error(client)->maybe_applied) return status;
    complain(client);
    status = find(client, tag, box);
    if (status != OSB_OK) return status; /* OSB_E_NOT_FOUND: most likely it was not made */
    printf("found %s by its tag\n", box->id);
    return osb_sandbox_connect(client, box->id, NULL, box);
}

int main(void)
{
    unsigned char ram[2048];
    char value[64]; /* unique: in earnest a UUID */
    osb_posix tcp;
    osb_client client;
    osb_sandbox box;
    osb_port_ops ops;
    osb_pair tag = {"attempt", value};
    osb_config config = {.port = osb_posix_port(&tcp), .memory = ram, .memory_size = sizeof ram};
    int failed = 0;
    snprintf(value, sizeof value, "%lx-%lx", (unsigned long)time(NULL), (unsigned long)clock());
    whole = config.port.ops;
    ops = *whole;
    ops.recv = lose_first;
    config.port.ops = &ops;
    osb_posix_config_from_env(&config);
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    if (create(&client, &tag, &box) < 0) return complain(&client);
    if (osb_ping(&box) < 0) failed = complain(&client);
    if (osb_sandbox_kill(&box) < 0) failed = complain(&client);
    return failed;
}
