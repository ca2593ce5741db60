/* Runs a command to its end whatever happens to the network.

   The command starts in the background, and its log is read by cursor over as many connections as it
   takes: no byte is lost, none comes twice. If even that fails, `run` says how to go on later, with
   osb_command_follow, also from another process: all it takes is the sandbox's id, the command's, and
   how many bytes are known.

      cc -I. examples/durable.c -o durable
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./durable */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdio.h>

static int print(void *user, osb_stream stream, const char *data, size_t size)
{
    (void)user;
    (void)stream; /* one log has both */
    fwrite(data, 1, size, stdout);
    return fflush(stdout);
}

static int complain(const osb_client *client)
{
    char text[256];
    osb_error_text(client, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return 1;
}

static int demonstrate(osb_sandbox *box)
{
    osb_command command = {.command = "for i in 1 2 3; do echo step $i; sleep 0.3; done; exit 4"};
    osb_durable_options patient = {.interval_ms = 200, .retries = 100, .pause_ms = 3000};
    osb_handlers handlers = {.on_output = print};
    osb_execution run;
    if (osb_command_run_durable(box, &command, &patient, &handlers, &run) < 0) {
        if (run.id[0] != '\0')
            fprintf(stderr, "go on with osb_command_follow: %s, from byte %lu\n", run.id,
                    (unsigned long)run.stdout_bytes);
        return complain(box->client);
    }
    if (run.exit_code.set) printf("exit code %d ", (int)run.exit_code.value);
    printf("after %lu bytes\n", (unsigned long)run.stdout_bytes);
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
