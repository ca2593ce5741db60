/* Keeps a sandbox alive during a long stream: a second client renews it.

   A client makes one call at a time, and the stream is one. So a second client, with a buffer and a
   connection of its own, renews the sandbox, here from the stream's handler: execd pings every 3 s,
   and that is an event too, so that a silent command is covered.

      cc -I. examples/renew.c -o renew
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./renew */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdio.h>
#include <time.h>

#define TTL_S 60u
#define RENEW_EACH_S 1 /* for show; in earnest a third of TTL_S */

/* What the stream's handlers need. */
struct keeper {
    osb_client client;
    const char *id;
    time_t next;
    unsigned renewals;
};

static int complain(const osb_client *client)
{
    char text[256];
    osb_error_text(client, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return 1;
}

static int on_event(void *user, const osb_event *event)
{
    struct keeper *k = (struct keeper *)user;
    osb_str expires_at;
    (void)event;
    if (time(NULL) < k->next) return 0;
    k->next = time(NULL) + RENEW_EACH_S;
    if (osb_lifecycle_renew(&k->client, k->id, TTL_S, &expires_at) < 0) complain(&k->client);
    else printf("renewed until %.*s\n", (int)expires_at.size, expires_at.data);
    k->renewals++;
    return 0; /* a renewal that failed is tried again; the stream goes on */
}

static int print(void *user, osb_stream stream, const char *data, size_t size)
{
    (void)user;
    (void)stream;
    return fwrite(data, 1, size, stdout) != size;
}

static int stream(osb_sandbox *box, struct keeper *k)
{
    osb_command command = {.command = "for i in 1 2 3 4 5; do echo line $i; sleep 0.5; done"};
    osb_handlers handlers = {.user = k, .on_event = on_event, .on_output = print};
    osb_execution run;
    if (osb_command_run(box, &command, &handlers, &run) < 0) return complain(box->client);
    return k->renewals > 0 ? 0 : 1;
}

int main(void)
{
    unsigned char ram[2048], more_ram[2048];
    osb_posix tcp, more_tcp;
    osb_client client;
    osb_sandbox box;
    struct keeper keeper = {.next = 0};
    osb_config config = {.port = osb_posix_port(&tcp), .memory = ram, .memory_size = sizeof ram};
    osb_create_options options = {.image = "python:3.12", .ttl_s = TTL_S};
    int failed;
    osb_posix_config_from_env(&config);
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    config.port = osb_posix_port(&more_tcp);
    config.memory = more_ram;
    if (osb_client_init(&keeper.client, &config) < 0) return complain(&keeper.client);
    if (osb_sandbox_create(&client, &options, &box) < 0) return complain(&client);
    keeper.id = box.id;
    failed = stream(&box, &keeper);
    if (osb_sandbox_kill(&box) < 0) failed = complain(&client);
    osb_client_close(&keeper.client);
    return failed;
}
