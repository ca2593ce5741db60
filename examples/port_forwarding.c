/* Starts a web server in the sandbox and reaches it from outside.

      cc -I. examples/port_forwarding.c -o port_forwarding
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./port_forwarding [PORT] */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdio.h>
#include <stdlib.h>

static int complain(const osb_client *client)
{
    char text[256];
    osb_error_text(client, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return 1;
}

static int print_data(void *user, const void *data, size_t size)
{
    (void)user;
    return fwrite(data, 1, size, stdout) != size;
}

/* The server takes a moment to come up. */
static int wait_for(osb_sandbox *box, const osb_endpoint *endpoint, const osb_request *request)
{
    struct timespec pause = {0, 100000000};
    uint16_t http_status = 0;
    osb_status status = OSB_OK;
    int tries;
    for (tries = 0; tries < 100; tries++) {
        status = osb_endpoint_request(box->client, endpoint, request, &http_status);
        if (status == OSB_OK && http_status == 200) return 0;
        nanosleep(&pause, NULL);
    }
    if (status < 0) return complain(box->client);
    fprintf(stderr, "the server in the sandbox is not ready: HTTP %u\n", (unsigned)http_status);
    return 1;
}

static int get(osb_sandbox *box, const osb_endpoint *endpoint, const char *path)
{
    osb_request ask = {.path = path}, show = {.path = path, .on_data = print_data};
    uint16_t http_status;
    if (wait_for(box, endpoint, &ask) != 0) return 1;
    if (osb_endpoint_request(box->client, endpoint, &show, &http_status) < 0)
        return complain(box->client);
    return http_status != 200;
}

static int demonstrate(osb_sandbox *box, uint16_t port)
{
    char text[160];
    osb_command serve = {.command = text, .background = true};
    osb_execution run;
    osb_endpoint endpoint;
    char url[256];
    snprintf(text, sizeof text,
             "mkdir site && echo hello from port %u >site/index.html && cd site &&"
             " exec python3 -m http.server %u",
             (unsigned)port, (unsigned)port);
    if (osb_command_run(box, &serve, NULL, &run) < 0) return complain(box->client);
    if (osb_sandbox_endpoint(box, port, NULL, &endpoint) < 0) return complain(box->client);
    osb_endpoint_url(&endpoint, url, sizeof url);
    printf("Access your server at: %s\n", url);
    return get(box, &endpoint, "/index.html");
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 8000;
    unsigned char ram[2048];
    osb_posix tcp;
    osb_client client;
    osb_sandbox box;
    osb_config config = {.port = osb_posix_port(&tcp), .memory = ram, .memory_size = sizeof ram};
    osb_create_options options = {.image = "python:3.12"};
    int failed;
    if (port < 1 || port > 65535) {
        fprintf(stderr, "usage: port_forwarding [PORT]\n");
        return 2;
    }
    osb_posix_config_from_env(&config);
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    if (osb_sandbox_create(&client, &options, &box) < 0) return complain(&client);
    failed = demonstrate(&box, (uint16_t)port);
    if (osb_sandbox_kill(&box) < 0) failed = complain(&client);
    return failed;
}
