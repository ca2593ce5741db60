/* Runs code in contexts, whose variables last from one run to the next.

      cc -I. examples/code_interpreter.c -o code_interpreter
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./code_interpreter */
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

static int print(void *user, osb_stream stream, const char *data, size_t size)
{
    (void)user;
    return fwrite(data, 1, size, stream == OSB_STDERR ? stderr : stdout) != size;
}

/* The value of the last expression, by MIME type. */
static int print_result(void *user, const osb_event *event)
{
    (void)user;
    if (osb_str_equal(event->key, "text")) printf("result: %.*s\n", VIEW(event->text));
    return 0;
}

static osb_status run(osb_sandbox *box, const osb_code_context *context, const char *text)
{
    /* Without a context: in the language's own one. */
    osb_code code = {.code = text, .context = context, .language = OSB_LANGUAGE_PYTHON};
    osb_handlers handlers = {.on_output = print, .on_result = print_result};
    osb_execution execution;
    return osb_code_run(box, &code, &handlers, &execution);
}

static int print_context(void *user, const osb_code_context *context)
{
    (void)user;
    printf("a context for %s\n", context->language);
    return 0;
}

static int demonstrate(osb_sandbox *box)
{
    osb_client *client = box->client;
    osb_code_context python;
    if (run(box, NULL, "x = 42") < 0) return complain(client);
    if (run(box, NULL, "result = x\nresult") < 0) return complain(client);
    if (osb_code_context_create(box, OSB_LANGUAGE_PYTHON, NULL, &python) < 0)
        return complain(client);
    if (run(box, &python, "x = 'another x'") < 0) return complain(client);
    if (run(box, &python, "print(x)") < 0) return complain(client);
    if (osb_code_context_list(box, OSB_LANGUAGE_PYTHON, print_context, NULL) < 0)
        return complain(client);
    if (osb_code_context_delete(box, python.id) < 0) return complain(client);
    return osb_code_context_delete_all(box, OSB_LANGUAGE_PYTHON) < 0 ? complain(client) : 0;
}

int main(void)
{
    unsigned char ram[2048];
    osb_posix tcp;
    osb_client client;
    osb_sandbox box;
    osb_config config = {.port = osb_posix_port(&tcp), .memory = ram, .memory_size = sizeof ram};
    const char *entrypoint[] = {"/opt/opensandbox/code-interpreter.sh"};
    osb_pair env[] = {{"PYTHON_VERSION", "3.11"}, {"NODE_VERSION", "20"}};
    osb_create_options options = {
        .image = "opensandbox/code-interpreter:v1.0.2",
        .entrypoint = entrypoint,
        .entrypoint_count = 1,
        .env = env,
        .env_count = 2,
        .ttl_s = 15 * 60,
    };
    int failed;
    osb_posix_config_from_env(&config);
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    if (osb_sandbox_create(&client, &options, &box) < 0) return complain(&client);
    failed = demonstrate(&box);
    if (osb_sandbox_kill(&box) < 0) failed = complain(&client);
    return failed;
}
