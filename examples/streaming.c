/* Shows what a command's stream consists of: its events, as they come.

      cc -I. examples/streaming.c -o streaming
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./streaming */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdio.h>

/* A view for printf's "%.*s". */
#define VIEW(view) (int)(view).size, (view).data

static int on_init(void *user, const osb_event *event)
{
    (void)user;
    printf("init      the execution is %.*s\n", VIEW(event->text));
    return 0;
}

/* One event is one line of output, without its line end. A line that is longer than the buffer
   comes in pieces: `more` says that another one follows. */
static int on_text(void *user, const osb_event *event)
{
    bool *inside_line = user;
    const char *stream = event->type == OSB_EVENT_STDERR ? "stderr    " : "stdout    ";
    printf("%s%.*s%s", *inside_line ? "" : stream, VIEW(event->text), event->more ? "" : "\n");
    *inside_line = event->more;
    return 0; /* anything else would end the call, and interrupt the command */
}

static int on_error(void *user, const osb_event *event)
{
    (void)user;
    printf("error     %.*s: %.*s\n", VIEW(event->key), VIEW(event->text));
    return 0;
}

static int on_complete(void *user, const osb_event *event)
{
    (void)user;
    printf("complete  after %lu ms\n", (unsigned long)event->execution_time_ms);
    return 0;
}

static int complain(const osb_client *client)
{
    char text[256];
    osb_error_text(client, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return 1;
}

/* Runs a command. That the call returns OSB_OK means that its outcome is known, not that it is a
   good one: the exit code tells. */
static int run(osb_sandbox *box, const char *text)
{
    bool inside_line = false;
    osb_execution outcome;
    osb_command command = {.command = text, .timeout_ms = 10000};
    osb_handlers handlers = {
        .user = &inside_line,
        .on_init = on_init,
        .on_stdout = on_text,
        .on_stderr = on_text,
        .on_error = on_error,
        .on_complete = on_complete,
    };
    printf("\n$ %s\n", text);
    if (osb_command_run(box, &command, &handlers, &outcome) < 0) return complain(box->client);
    if (outcome.exit_code.set) printf("exit code %d\n", (int)outcome.exit_code.value);
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
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ); /* live, also when the output is no terminal */
    osb_posix_config_from_env(&config);
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    if (osb_sandbox_create(&client, &options, &box) < 0) return complain(&client);
    failed = run(&box, "for i in 1 2 3; do echo line $i; sleep 0.3; done");
    if (!failed) failed = run(&box, "echo to stderr >&2; exit 3");
    if (osb_sandbox_kill(&box) < 0) failed = complain(&client);
    return failed;
}
