/* Two sandboxes at once in one loop, without threads: poll mode.

   A call returns OSB_PENDING at once; osb_poll() moves it on when its connection is ready. What a
   call was given must live until it has ended: here it stands in a struct, one for each sandbox.

      cc -I. examples/poll_mode.c -o poll_mode
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./poll_mode */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdio.h>

enum { JOBS = 2 };

enum step { CREATE, RUN, KILL, DONE };

struct job {
    const char *name;
    enum step step;
    bool failed;
    unsigned char ram[2048];
    osb_posix tcp;
    osb_client client;
    osb_create_options options;
    osb_command command;
    osb_handlers handlers;
    osb_sandbox box;
    osb_execution run;
};

static int print_line(void *user, const osb_event *event)
{
    const struct job *job = user;
    printf("%s: %.*s\n", job->name, (int)event->text.size, event->text.data);
    return 0;
}

static void init(struct job *job, const char *name, const char *command)
{
    osb_config config = {
        .port = osb_posix_port(&job->tcp),
        .memory = job->ram,
        .memory_size = sizeof job->ram,
        .poll_mode = true,
    };
    osb_posix_config_from_env(&config);
    job->name = name;
    job->options.image = "python:3.12";
    job->command.command = command;
    job->handlers.user = job;
    job->handlers.on_stdout = print_line;
    osb_client_init(&job->client, &config); /* if it fails, so does the first call, and says why */
}

/* Begins the call of the step that the job is at. */
static osb_status begin(struct job *job)
{
    switch (job->step) {
    case CREATE:
        return osb_sandbox_create(&job->client, &job->options, &job->box);
    case RUN:
        return osb_command_run(&job->box, &job->command, &job->handlers, &job->run);
    case KILL:
        return osb_sandbox_kill(&job->box);
    case DONE:
        break;
    }
    return OSB_OK;
}

/* The step's call has ended: which step comes next? */
static void end(struct job *job, osb_status status)
{
    char text[256];
    if (status < 0) {
        osb_error_text(&job->client, text, sizeof text);
        fprintf(stderr, "%s: %s\n", job->name, text);
        job->failed = true;
    }
    if (status < 0 && job->step == CREATE) job->step = DONE; /* there is nothing to kill */
    else job->step = (enum step)(job->step + 1);
}

/* Moves a job on as far as it can go without waiting. */
static void advance(struct job *job)
{
    osb_status status = osb_poll(&job->client);
    while (status != OSB_PENDING && job->step != DONE) {
        end(job, status);
        status = begin(job);
    }
}

/* Sleeps until one of the jobs can go on. */
static void wait_for_any(struct job *jobs)
{
    struct pollfd fds[JOBS * OSB_POSIX_ADDRESSES];
    size_t count = 0;
    int timeout_ms = -1, i;
    for (i = 0; i < JOBS; i++) {
        osb_wait wait;
        if (jobs[i].step == DONE) continue;
        osb_want(&jobs[i].client, &wait);
        count += osb_posix_pollfds(&jobs[i].tcp, &wait, fds + count, &timeout_ms);
    }
    if (timeout_ms != -1) poll(fds, (nfds_t)count, timeout_ms); /* -1: every job is done */
}

static bool all_done(const struct job *jobs)
{
    int i = 0;
    while (i < JOBS && jobs[i].step == DONE) i++;
    return i == JOBS;
}

int main(void)
{
    static struct job jobs[JOBS];
    int i;
    init(&jobs[0], "tick", "for i in 1 2 3 4; do echo tick $i; sleep 0.25; done");
    init(&jobs[1], "tock", "sleep 0.1; for i in 1 2 3 4; do echo tock $i; sleep 0.25; done");
    for (i = 0; i < JOBS; i++) begin(&jobs[i]); /* osb_poll tells what becomes of it */
    while (!all_done(jobs)) {
        wait_for_any(jobs);
        for (i = 0; i < JOBS; i++) advance(&jobs[i]);
    }
    return jobs[0].failed || jobs[1].failed;
}
