/* Shows what an error tells: the status, the server's code and message, the request's id.

      cc -I. examples/error_handling.c -o error_handling
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./error_handling */
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

static void explain(const osb_client *client)
{
    const osb_error *error = osb_last_error(client);
    switch (error->status) {
    case OSB_E_NOT_READY:
        printf("not ready in time: %.*s\n", VIEW(error->message));
        break;
    case OSB_E_NOT_FOUND:
        printf("not found: [%.*s] %.*s\n", VIEW(error->code), VIEW(error->message));
        break;
    case OSB_E_AUTH:
        printf("the API key is wrong or missing\n");
        break;
    case OSB_E_API:
        printf("refused: HTTP %u: %.*s\n", (unsigned)error->http_status, VIEW(error->message));
        break;
    default:
        printf("%s while calling %s\n", osb_status_name(error->status), error->operation);
        break;
    }
    if (error->request_id.size > 0)
        printf("    to be found in the server's log by its request id\n");
    if (error->retry_after_s > 0) printf("    try again in %u s\n", (unsigned)error->retry_after_s);
    if (error->maybe_applied) printf("    it may have had its effect\n");
}

/* That a command failed is no error of the call. */
static void run(osb_sandbox *box, const osb_command *command)
{
    osb_execution outcome;
    if (osb_command_run(box, command, NULL, &outcome) < 0) explain(box->client);
    else if (outcome.timed_out) printf("timed out\n");
    else if (outcome.exit_code.set) printf("exit code %d\n", (int)outcome.exit_code.value);
}

static int demonstrate(osb_sandbox *box)
{
    osb_command fails = {.command = "exit 3"}, lasts = {.command = "sleep 9", .timeout_ms = 300};
    osb_command nowhere = {.command = "pwd", .cwd = "/no/such/directory"};
    osb_sandbox_info info;
    run(box, &fails);
    run(box, &lasts);
    run(box, &nowhere);
    if (osb_lifecycle_get(box->client, "nobody", NULL, &info) < 0) explain(box->client);
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
