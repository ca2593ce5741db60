/* Shows what goes over the wire, line by line, with the secrets hidden.

      cc -I. examples/trace.c -o trace
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./trace */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include "port/osb_trace.h"
#include <stdio.h>

struct printer {
    uint32_t start_ms;
    osb_trace_kind last; /* of the line at hand */
    bool in_line;
};

static void end_line(struct printer *p)
{
    if (p->in_line) putchar('\n');
    p->in_line = false;
}

/* Bytes that came in pieces make one line again: "0.012 > GET /ping HTTP/1.1". */
static void print_bytes(struct printer *p, const osb_trace_event *event)
{
    size_t i;
    if (event->kind != p->last) end_line(p);
    p->last = event->kind;
    for (i = 0; i < event->size; i++) {
        uint32_t ms = event->time_ms - p->start_ms;
        if (!p->in_line)
            printf("%u.%03u %c ", (unsigned)(ms / 1000), (unsigned)(ms % 1000),
                   event->kind == OSB_TRACE_SENT ? '>' : '<');
        p->in_line = true;
        if (event->data[i] == '\n') end_line(p);
        else if (event->data[i] != '\r') putchar(event->data[i]);
    }
}

static void print_event(void *user, const osb_trace_event *event)
{
    static const char *const what[] = {"connect to", "connected", "",        "",
                                       "peer ended", "failed:",   "close it"};
    struct printer *p = user;
    if (event->kind == OSB_TRACE_SENT || event->kind == OSB_TRACE_RECEIVED) {
        print_bytes(p, event);
        return;
    }
    end_line(p);
    if (p->start_ms == 0) p->start_ms = event->time_ms;
    printf("--- %s %.*s\n", what[event->kind], (int)event->size, event->size ? event->data : "");
}

static int complain(const osb_client *client)
{
    char text[256];
    osb_error_text(client, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return 1;
}

static int demonstrate(osb_client *client)
{
    osb_create_options options = {.image = "python:3.12"};
    osb_command command = {.command = "echo hello"};
    osb_execution run;
    osb_sandbox box;
    int failed = 0;
    if (osb_sandbox_create(client, &options, &box) < 0) return complain(client);
    if (osb_command_run(&box, &command, NULL, &run) < 0) failed = complain(client);
    return osb_sandbox_kill(&box) < 0 ? complain(client) : failed;
}

int main(void)
{
    unsigned char ram[2048];
    struct printer printer = {.start_ms = 0};
    osb_posix tcp;
    osb_trace trace;
    osb_trace_options show = {.user = &printer, .on_event = print_event};
    osb_config config = {.port = osb_trace_port(&trace, osb_posix_port(&tcp), &show),
                         .memory = ram,
                         .memory_size = sizeof ram};
    osb_client client;
    int failed;
    osb_posix_config_from_env(&config);
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    failed = demonstrate(&client);
    osb_client_close(&client);
    return failed;
}
