/* Runs a command and writes to fd 3 what it took: microseconds of wall and of CPU time, KB of peak
   memory. A small static program, since a child's peak begins with that of who starts it. */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static long long us(struct timeval time)
{
    return (long long)time.tv_sec * 1000000 + time.tv_usec;
}

int main(int argc, char **argv)
{
    struct rusage used;
    long long begin = now_us();
    int status = 0;
    pid_t child = argc > 1 ? fork() : -1;
    if (child == 0) {
        close(3);
        execvp(argv[1], argv + 1);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &used) < 0) return 125;
    dprintf(3, "%lld %lld %ld\n", now_us() - begin, us(used.ru_utime) + us(used.ru_stime),
            used.ru_maxrss);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
