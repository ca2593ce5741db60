/* Configures the connection (time limits, headers, the way to sandboxes) and the sandbox (resources,
   environment, metadata, time to live).

      cc -I. examples/configuration.c -o configuration
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./configuration */
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

static int print(void *user, osb_stream stream, const char *data, size_t size)
{
    (void)user;
    return fwrite(data, 1, size, stream == OSB_STDERR ? stderr : stdout) != size;
}

static int demonstrate(osb_sandbox *box)
{
    osb_command command = {.command = "echo PYTHONPATH is $PYTHONPATH"};
    osb_handlers output = {.on_output = print};
    osb_execution run;
    if (osb_command_run(box, &command, &output, &run) < 0) return complain(box->client);
    printf("%lu bytes of buffer would have been enough\n",
           (unsigned long)osb_buffer_peak(box->client));
    return 0;
}

int main(void)
{
    unsigned char ram[2048];
    osb_posix tcp;
    osb_client client;
    osb_sandbox box;
    osb_config config = {.port = osb_posix_port(&tcp), .memory = ram, .memory_size = sizeof ram};
    osb_pair header = {"X-Custom-Header", "value"}; /* goes along with every request */
    osb_pair resource[] = {{"cpu", "2"}, {"memory", "4Gi"}};
    osb_pair env = {"PYTHONPATH", "/app"}, metadata = {"project", "demo"};
    const char *entrypoint[] = {"tail", "-f", "/dev/null"};
    osb_create_options options = {
        .image = "python:3.11",
        .ttl_s = 30 * 60,
        .entrypoint = entrypoint,
        .entrypoint_count = 3,
        .resource = resource,
        .resource_count = 2,
        .env = &env,
        .env_count = 1,
        .metadata = &metadata,
        .metadata_count = 1,
        .create_timeout_ms = 120000,
        .ready = {.timeout_ms = 60000, .interval_ms = 500},
    };
    int failed;
    osb_posix_config_from_env(&config);
    config.headers = &header;
    config.header_count = 1;
    config.connect_timeout_ms = 5000;
    config.request_timeout_ms = 60000;
    config.idle_timeout_ms = 60000;
    config.use_server_proxy = true; /* sandboxes are reached through the lifecycle server */
    /* config.domain = "api.example.com"; config.https = true; config.api_key = ...;
       here all three come from the environment. */
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    if (osb_sandbox_create(&client, &options, &box) < 0) return complain(&client);
    failed = demonstrate(&box);
    if (osb_sandbox_kill(&box) < 0) failed = complain(&client);
    return failed;
}
