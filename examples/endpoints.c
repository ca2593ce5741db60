/* Asks how a port inside the sandbox is reached from outside: as host and port, and as a URL.

      cc -I. examples/endpoints.c -o endpoints
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./endpoints */
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

static int demonstrate(osb_sandbox *box)
{
    osb_endpoint_options proxied = {.use_server_proxy = true};
    osb_endpoint endpoint;
    const char *header;
    char url[256];
    if (osb_sandbox_endpoint(box, 44772, NULL, &endpoint) < 0) return complain(box->client);
    printf("endpoint: %s\n", endpoint.address);
    osb_endpoint_url(&endpoint, url, sizeof url);
    printf("URL: %s\n", url);
    for (header = endpoint.headers; *header != '\0'; header += strlen(header) + 1) {
        printf("send along: %s\n", header);
        header += strlen(header) + 1; /* its value, which may be secret */
    }
    if (osb_sandbox_endpoint(box, 44772, &proxied, &endpoint) < 0) return complain(box->client);
    osb_endpoint_url(&endpoint, url, sizeof url);
    printf("through the server: %s\n", url);
    return 0;
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
