/* Shows what a run of code has to say, as it comes: output, results, errors with their traceback.

      cc -I. examples/code_streaming.c -o code_streaming
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./code_streaming */
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

static int on_stdout(void *user, const osb_event *event)
{
    (void)user;
    printf("[OUT] %.*s", VIEW(event->text));
    return 0;
}

/* One call for each MIME type; `more` says that the next piece of a large one follows. */
static int on_result(void *user, const osb_event *event)
{
    (void)user;
    printf("[RESULT] %.*s: %.*s\n", VIEW(event->key), VIEW(event->text));
    return 0;
}

static int on_error(void *user, const osb_event *event)
{
    (void)user;
    printf("[ERROR] %.*s: %.*s\n", VIEW(event->key), VIEW(event->text));
    return 0;
}

static int on_complete(void *user, const osb_event *event)
{
    (void)user;
    printf("[DONE] after %s\n", event->execution_time_ms < 60000 ? "a while" : "a long while");
    return 0;
}

static int run(osb_sandbox *box, const char *text)
{
    osb_code code = {.code = text, .language = OSB_LANGUAGE_PYTHON};
    osb_handlers handlers = {
        .on_stdout = on_stdout,
        .on_result = on_result,
        .on_error = on_error,
        .on_complete = on_complete,
    };
    osb_execution execution;
    return osb_code_run(box, &code, &handlers, &execution) < 0 ? complain(box->client) : 0;
}

static int demonstrate(osb_sandbox *box)
{
    int failed = run(box, "import time\n"
                          "for i in range(3): print(i, flush=True); time.sleep(0.2)\n"
                          "i * 14");
    return failed != 0 ? failed : run(box, "1 / 0");
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
    failed = demonstrate(&box);
    if (osb_sandbox_kill(&box) < 0) failed = complain(&client);
    return failed;
}
