/* Starts a command in the background, follows its output by cursor, and interrupts it.

   A command in the background needs no connection of its own: it goes on if this program ends or
   loses its network, and its log can be read on from any byte, as often as wanted. The log is the
   way to exact bytes, too.

      cc -I. examples/background.c -o background
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./background */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdio.h>

static int print(void *user, const void *data, size_t size)
{
    (void)user;
    return fwrite(data, 1, size, stdout) != size;
}

static int complain(const osb_client *client)
{
    char text[256];
    osb_error_text(client, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return 1;
}

static void sleep_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* Just after the start execd may not know the command yet. */
static osb_status get_state(osb_sandbox *box, const char *id, osb_command_state *state)
{
    osb_status status = osb_command_status(box, id, NULL, NULL, state);
    for (int tries = 0; status == OSB_E_NOT_FOUND && tries < 20; tries++) {
        sleep_ms(10);
        status = osb_command_status(box, id, NULL, NULL, state);
    }
    return status;
}

/* Prints the log until the command has ended, or until the cursor has reached `limit`. */
static osb_status follow(osb_sandbox *box, const char *id, uint64_t *cursor, uint64_t limit)
{
    for (;;) {
        osb_command_state state;
        osb_status status = get_state(box, id, &state);
        bool ended; /* known before the log is read: then nothing comes after it */
        if (status != OSB_OK) return status;
        ended = !state.running;
        status = osb_command_logs(box, id, *cursor, print, NULL, cursor);
        if (status != OSB_OK || ended || *cursor >= limit) return status;
        sleep_ms(100);
    }
}

static osb_status print_outcome(osb_sandbox *box, const char *id)
{
    osb_command_state state;
    osb_status status = get_state(box, id, &state);
    if (status != OSB_OK) return status;
    printf("running: %s\n", state.running ? "yes" : "no");
    if (state.exit_code.set) printf("exit code: %d\n", (int)state.exit_code.value);
    return OSB_OK;
}

static int demonstrate(osb_sandbox *box)
{
    osb_command command = {
        .command = "i=0; while :; do i=$((i + 1)); echo tick $i; sleep 0.2; done",
        .background = true,
    };
    osb_execution run;
    uint64_t cursor = 0;
    if (osb_command_run(box, &command, NULL, &run) < 0) return complain(box->client);
    printf("started %s\n", run.id);
    if (follow(box, run.id, &cursor, 40) < 0) return complain(box->client);
    printf("interrupted after %lu bytes of log\n", (unsigned long)cursor);
    if (osb_command_interrupt(box, run.id) < 0) return complain(box->client);
    if (follow(box, run.id, &cursor, UINT64_MAX) < 0) return complain(box->client);
    return print_outcome(box, run.id) < 0 ? complain(box->client) : 0;
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
