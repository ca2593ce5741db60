/* Stops code that would run for ever, and goes on in the same context.

      cc -I. examples/code_interrupt.c -o code_interrupt
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./code_interrupt */
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

/* Non-zero from a handler ends the call, and interrupts the code. From elsewhere, another thread or
   an interrupt, osb_cancel(client) does the same; and whoever knows the context, on a client of its
   own, osb_code_interrupt(box, context.id). */
static int stop_at_third_line(void *user, const osb_event *event)
{
    unsigned *lines = user;
    printf("%.*s", VIEW(event->text));
    return ++*lines == 3;
}

static int print_result(void *user, const osb_event *event)
{
    (void)user;
    printf("still there: %.*s\n", VIEW(event->text));
    return 0;
}

static int demonstrate(osb_sandbox *box)
{
    unsigned lines = 0;
    osb_code_context python;
    osb_code endless = {.code = "import time\nn = 0\n"
                                "while True:\n"
                                "    n += 1\n"
                                "    print('round', n, flush=True)\n"
                                "    time.sleep(0.2)",
                        .context = &python};
    osb_code after = {.code = "n >= 3", .context = &python};
    osb_handlers stop = {.user = &lines, .on_stdout = stop_at_third_line};
    osb_handlers show = {.on_result = print_result};
    struct timespec moment = {0, 500000000}; /* the interrupt takes its time */
    osb_execution run;
    osb_status status;
    if (osb_code_context_create(box, OSB_LANGUAGE_PYTHON, NULL, &python) < 0)
        return complain(box->client);
    status = osb_code_run(box, &endless, &stop, &run);
    if (status != OSB_E_CANCELLED) return complain(box->client);
    printf("stopped: %s\n", osb_status_name(status));
    nanosleep(&moment, NULL);
    return osb_code_run(box, &after, &show, &run) < 0 ? complain(box->client) : 0;
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
