/* A thousand sandboxes' output at once, in one thread: epoll, and 2 KB of buffer for each.

   Creates the sandboxes, runs a command that prints many lines in all of them at the same time, and
   kills them. Tells what that took: memory, CPU time, and how fairly the streams took turns.

      cc -O2 -I. examples/thousand.c -o thousand
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./thousand [STREAMS [LINES]] */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>

struct job {
    osb_client client;
    osb_sandbox box;
    osb_posix tcp;
    osb_handlers handlers;
    osb_execution run;
    osb_status status;      /* of the call at hand */
    bool queued;            /* in again[] */
    uint32_t due_ms;        /* poll it then, if not before */
    uint32_t last_us;       /* its last line came */
    uint32_t gap_us;        /* the longest time without one */
    uint32_t end_us, lines; /* when it was through, with how many */
    unsigned char ram[2048];
};

typedef osb_status call(struct job *job);

static struct job *jobs, **again; /* again: those that can go on at once */
static struct epoll_event *ready; /* room for all: each has its turn before one has its second */
static unsigned streams = 10, lines = 100, pending, again_count;
static char command_text[128];
static osb_create_options options;
static osb_command command;
static int poller;

static uint32_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)now.tv_sec * 1000000u + (uint32_t)(now.tv_nsec / 1000);
}

/* ---- the loop --------------------------------------------------------------------------------*/

/* Asks for one notice of each socket that the job waits for. A socket that it has opened since the
   last time is not known yet. */
static void arm(struct job *job)
{
    struct pollfd fds[OSB_POSIX_ADDRESSES];
    struct epoll_event event = {.data.ptr = job};
    osb_wait wait;
    int timeout_ms = -1;
    size_t count;
    osb_want(&job->client, &wait);
    if (wait.now) {
        if (!job->queued) again[again_count++] = job;
        job->queued = true;
        return;
    }
    count = osb_posix_pollfds(&job->tcp, &wait, fds, &timeout_ms);
    job->due_ms = now_us() / 1000 + (uint32_t)timeout_ms;
    while (count-- > 0) {
        event.events = EPOLLONESHOT | ((fds[count].events & POLLIN) ? EPOLLIN : 0u) |
                       ((fds[count].events & POLLOUT) ? EPOLLOUT : 0u);
        if (epoll_ctl(poller, EPOLL_CTL_MOD, fds[count].fd, &event) != 0)
            epoll_ctl(poller, EPOLL_CTL_ADD, fds[count].fd, &event);
    }
}

/* A call of the job has answered. */
static void go_on(struct job *job, osb_status status)
{
    char text[256];
    job->status = status;
    if (status == OSB_PENDING) {
        arm(job);
        return;
    }
    job->end_us = now_us();
    pending--;
    if (status == OSB_OK) return;
    osb_error_text(&job->client, text, sizeof text);
    fprintf(stderr, "%s\n", text);
}

static void poll_again(void)
{
    unsigned i, count = again_count;
    again_count = 0; /* it is filled anew from its beginning, never faster than it is read */
    for (i = 0; i < count; i++) {
        struct job *job = again[i];
        job->queued = false;
        if (job->status == OSB_PENDING) go_on(job, osb_poll(&job->client));
    }
}

/* Those whose time has come without a notice: deadlines, pauses, further addresses. */
static void poll_due(void)
{
    uint32_t now_ms = now_us() / 1000;
    unsigned i;
    for (i = 0; i < streams; i++)
        if (jobs[i].status == OSB_PENDING && !jobs[i].queued &&
            (int32_t)(now_ms - jobs[i].due_ms) >= 0)
            go_on(&jobs[i], osb_poll(&jobs[i].client));
}

/* The same call on all sandboxes at once, until it has ended on each. False: on one it failed. */
static bool on_all(call *begin)
{
    uint32_t looked_ms = now_us() / 1000;
    unsigned i, good = 0;
    pending = streams;
    for (i = 0; i < streams; i++) go_on(&jobs[i], begin(&jobs[i]));
    while (pending > 0) {
        int count = epoll_wait(poller, ready, (int)streams, again_count > 0 ? 0 : 20), n;
        poll_again();
        for (n = 0; n < count; n++) {
            struct job *job = ready[n].data.ptr;
            if (job->status == OSB_PENDING) go_on(job, osb_poll(&job->client));
        }
        if (now_us() / 1000 - looked_ms < 20) continue;
        poll_due();
        looked_ms = now_us() / 1000;
    }
    for (i = 0; i < streams; i++) good += jobs[i].status == OSB_OK;
    return good == streams;
}

/* ---- what the jobs do ------------------------------------------------------------------------*/

static osb_status create(struct job *job)
{
    return osb_sandbox_create(&job->client, &options, &job->box);
}

static osb_status run(struct job *job)
{
    job->last_us = now_us();
    return osb_command_run(&job->box, &command, &job->handlers, &job->run);
}

static osb_status kill_it(struct job *job)
{
    return osb_sandbox_kill(&job->box);
}

static int count_line(void *user, const osb_event *event)
{
    struct job *job = user;
    uint32_t now = now_us();
    if (now - job->last_us > job->gap_us) job->gap_us = now - job->last_us;
    job->last_us = now;
    if (!event->more) job->lines++;
    return 0;
}

static bool init(struct job *job)
{
    osb_config config = {.port = osb_posix_port(&job->tcp),
                         .memory = job->ram,
                         .memory_size = sizeof job->ram,
                         .poll_mode = true};
    osb_posix_config_from_env(&config);
    job->handlers.user = job;
    job->handlers.on_stdout = count_line;
    return osb_client_init(&job->client, &config) == OSB_OK;
}

/* ---- what it took ----------------------------------------------------------------------------*/

static double cpu_s(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* The most memory that the process had at a time. */
static long peak_kb(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[128];
    long kb = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0) kb = strtol(line + 6, NULL, 10);
    if (file != NULL) fclose(file);
    return kb;
}

static bool report(uint32_t start_us, double cpu)
{
    uint32_t fastest = UINT32_MAX, slowest = 0, gap = 0;
    double count = 0;
    unsigned i, whole = 0;
    for (i = 0; i < streams; i++) {
        uint32_t time = jobs[i].end_us - start_us;
        if (time < fastest) fastest = time;
        if (time > slowest) slowest = time;
        if (jobs[i].gap_us > gap) gap = jobs[i].gap_us;
        count += jobs[i].lines;
        whole += jobs[i].lines == lines;
    }
    printf("%u streams, %.0f lines in %.3f s, %u streams whole\n", streams, count, slowest / 1e6,
           whole);
    printf("memory: %zu bytes a stream, %ld KB the whole process\n", sizeof(struct job), peak_kb());
    printf("CPU: %.2f us a line\n", cpu * 1e6 / count);
    printf("fairness: slowest / fastest %.3f, longest gap of any stream %.1f ms\n",
           (double)slowest / fastest, gap / 1e3);
    return whole == streams;
}

/* As many files as the system lets us have open. */
static void allow_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv)
{
    uint32_t start_us;
    double cpu;
    bool good = true;
    unsigned i;
    if (argc > 1) streams = (unsigned)strtoul(argv[1], NULL, 10);
    if (argc > 2) lines = (unsigned)strtoul(argv[2], NULL, 10);
    if (streams == 0 || lines == 0) {
        fprintf(stderr, "usage: thousand [STREAMS [LINES]]\n");
        return 2;
    }
    jobs = calloc(streams, sizeof *jobs);
    again = calloc(streams, sizeof *again);
    ready = calloc(streams, sizeof *ready);
    poller = epoll_create1(0);
    if (jobs == NULL || again == NULL || ready == NULL || poller < 0) {
        perror("thousand");
        return 2;
    }
    allow_files();
    options.image = "python:3.12";
    command.command = command_text;
    snprintf(command_text, sizeof command_text,
             "seq %u | sed 's/$/ the quick brown fox jumps over the lazy dog/'", lines);
    for (i = 0; i < streams; i++) good = init(&jobs[i]) && good;
    good = good && on_all(create);
    start_us = now_us();
    cpu = cpu_s();
    if (good) good = on_all(run) && report(start_us, cpu_s() - cpu);
    return on_all(kill_it) && good ? 0 : 1;
}
