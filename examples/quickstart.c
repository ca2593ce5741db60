/* Creates a sandbox, runs a command in it with live output, kills it.
      cc -I. examples/quickstart.c -o quickstart
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./quickstart */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdio.h>

static int print(void *user, osb_stream stream, const char *data, size_t size)
{
    return fwrite(data, 1, size, stream == OSB_STDERR ? stderr : user) != size;
}

static int complain(const osb_client *client)
{
    char text[256];
    osb_error_text(client, text, sizeof text);
    fputs(text, stderr);
    fputc('\n', stderr);
    return 1;
}

int main(void)
{
    unsigned char ram[2048];
    osb_posix tcp;
    osb_client client;
    osb_sandbox box;
    osb_execution run = {.ended = false};
    osb_config config = {.port = osb_posix_port(&tcp), .memory = ram, .memory_size = sizeof ram};
    osb_create_options options = {.image = "python:3.12"};
    osb_command command = {.command = "echo hello from the sandbox; uname -sr"};
    osb_handlers output = {.user = stdout, .on_output = print};
    osb_posix_config_from_env(&config);
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    if (osb_sandbox_create(&client, &options, &box) < 0) return complain(&client);
    if (osb_command_run(&box, &command, &output, &run) < 0) complain(&client);
    return osb_sandbox_kill(&box) < 0 ? complain(&client) : !run.ended;
}
