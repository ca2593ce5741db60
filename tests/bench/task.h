/* What the measured clients share: the tasks' names, their arguments, and the report.

       CLIENT PORT quickstart                    create a sandbox, run a command, kill it
       CLIENT PORT commands COUNT LINGER_MS      commands, one after the other
       CLIENT PORT stream TEXT_BYTES EVENTS      one command with so many events of output
       CLIENT PORT list                          10,000 sandboxes, 200 a page
       CLIENT PORT download BYTES                to /dev/null
       CLIENT PORT upload BYTES FILE             that file, which has so many bytes
       CLIENT PORT streams COUNT EVENTS          so many at once, in one thread

   Each prints one JSON object: seconds, CPU seconds and peak memory of the process, and for a stream
   when its first output came. */
#ifndef TESTS_BENCH_TASK_H
#define TESTS_BENCH_TASK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define LISTED 10000u
#define PAGE_SIZE 200u

typedef struct task {
    unsigned port;
    uint64_t first, second; /* the task's own numbers */
    const char *file;
} task;

/* Each client's own. */
static void quickstart(const task *t);
static void commands(const task *t);
static void run_stream(const task *t);
static void list(const task *t);
static void download(const task *t);
static void upload(const task *t);
#ifndef TASK_NO_STREAMS
static void streams(const task *t);
#endif

static size_t largest_piece;  /* of output, in bytes */
static size_t working_bytes;  /* of memory of one's own that the task needed, if the client knows */
static double first_output_s; /* when the first output of any command came */

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void must(bool good, const char *what)
{
    if (good) return;
    fprintf(stderr, "task: %s\n", what);
    exit(1);
}

static void output_came(void)
{
    if (first_output_s == 0) first_output_s = now_s();
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* Not ru_maxrss: that one begins with what the process was before it became this program. */
static long peak_kb(void)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[128];
    long kb = 0;
    must(file != NULL, "/proc/self/status");
    while (fgets(line, sizeof line, file) != NULL) (void)sscanf(line, "VmHWM: %ld", &kb);
    fclose(file);
    return kb;
}

static void report(double start_s)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    printf("{\"wall_s\": %.6f, \"cpu_s\": %.6f, \"peak_kb\": %ld, \"first_output_s\": %.6f, "
           "\"working_bytes\": %zu, \"largest_piece\": %zu}\n",
           now_s() - start_s, seconds(used.ru_utime) + seconds(used.ru_stime), peak_kb(),
           first_output_s > 0 ? first_output_s - start_s : 0, working_bytes, largest_piece);
}

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        void (*run)(const task *t);
    } tasks[] = {
        {"quickstart", quickstart}, {"commands", commands}, {"stream", run_stream}, {"list", list},
        {"download", download},     {"upload", upload},
#ifndef TASK_NO_STREAMS
        {"streams", streams},
#endif
    };
    task t = {0, 0, 0, NULL};
    double start = now_s();
    size_t i;
    must(count >= 3, "usage: CLIENT PORT TASK [NUMBER...]");
    t.port = (unsigned)strtoul(arguments[1], NULL, 10);
    if (count > 3) t.first = strtoull(arguments[3], NULL, 10);
    if (count > 4) t.second = strtoull(arguments[4], NULL, 10);
    if (count > 4) t.file = arguments[4];
    for (i = 0; i < sizeof tasks / sizeof tasks[0]; i++) {
        if (strcmp(arguments[2], tasks[i].name) != 0) continue;
        tasks[i].run(&t);
        report(start);
        return 0;
    }
    must(false, "no such task");
    return 1;
}

#endif
