/* Creates a sandbox with storage mounted into it: a directory of the host, a claim, a bucket.

      cc -I. examples/volumes.c -o volumes
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./volumes */
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

static int demonstrate(osb_sandbox *box)
{
    osb_sandbox_info info;
    if (osb_sandbox_get_info(box, NULL, &info) < 0) return complain(box->client);
    printf("%.*s, with three volumes\n", VIEW(info.state));
    return 0;
}

int main(void)
{
    unsigned char ram[2048];
    osb_posix tcp;
    osb_client client;
    osb_sandbox box;
    osb_config config = {.port = osb_posix_port(&tcp), .memory = ram, .memory_size = sizeof ram};
    osb_host_volume host = {.path = "/tmp/workspace"};
    osb_pvc_volume claim = {.claim_name = "models", .storage = "10Gi"};
    osb_ossfs_volume bucket = {
        .bucket = "bucket-a",
        .endpoint = "storage.example.com",
        .version = "2.0",
        .access_key_id = "the-id", /* yours, not from a constant */
        .access_key_secret = "the-secret",
    };
    osb_volume volumes[] = {
        {.name = "workspace", .mount_path = "/workspace", .host = &host},
        {.name = "models", .mount_path = "/models", .pvc = &claim, .read_only = true},
        {.name = "oss-data", .mount_path = "/mnt/oss", .sub_path = "prefix", .ossfs = &bucket},
    };
    osb_create_options options = {.image = "ubuntu", .volumes = volumes, .volume_count = 3};
    int failed;
    osb_posix_config_from_env(&config);
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    if (osb_sandbox_create(&client, &options, &box) < 0) return complain(&client);
    failed = demonstrate(&box);
    if (osb_sandbox_kill(&box) < 0) failed = complain(&client);
    return failed;
}
