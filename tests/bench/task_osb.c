/* The tasks of task.h with opensandbox.h. */
#define OPENSANDBOX_IMPLEMENTATION
#include "port/osb_posix.h"
#include "tests/bench/task.h"

#include <fcntl.h>
#include <sys/epoll.h>

#define TRANSFER_BUFFER 16384 /* libcurl has as much */

static unsigned char memory[65536];
static osb_posix tcp;
static osb_client client;
static osb_sandbox box;
static uint64_t seen, seen_bytes;

/* A client that works in so many bytes (or $TASK_MEMORY), and a sandbox whose execd has this address. */
static void open_client(const task *t, size_t memory_size, const char *path)
{
    const char *wanted = getenv("TASK_MEMORY");
    static char domain[32];
    osb_config config = {.memory = memory, .memory_size = memory_size};
    if (wanted != NULL) config.memory_size = strtoul(wanted, NULL, 10);
    must(config.memory_size <= sizeof memory, "TASK_MEMORY is too large");
    config.port = osb_posix_port(&tcp);
    snprintf(domain, sizeof domain, "127.0.0.1:%u", t->port);
    config.domain = domain;
    must(osb_client_init(&client, &config) == OSB_OK, "osb_client_init");
    box.client = &client;
    snprintf(box.execd.address, sizeof box.execd.address, "%s%s", domain, path);
}

static void good(osb_status status)
{
    char text[256];
    if (status == OSB_OK) return;
    osb_error_text(&client, text, sizeof text);
    must(false, text);
}

static int on_stdout(void *user, const osb_event *event)
{
    (void)user;
    output_came();
    seen += !event->more;
    seen_bytes += event->text.size;
    if (event->text.size > largest_piece) largest_piece = event->text.size;
    return 0;
}

static void run_command(void)
{
    osb_command command = {.command = "bench"};
    osb_handlers handlers = {.on_stdout = on_stdout};
    osb_execution run;
    good(osb_command_run(&box, &command, &handlers, &run));
}

static void close_client(void)
{
    working_bytes = osb_buffer_peak(&client);
    osb_client_close(&client);
}

static void quickstart(const task *t)
{
    osb_create_options options = {.image = "python:3.12"};
    open_client(t, 1024, "");
    good(osb_sandbox_create(&client, &options, &box));
    run_command();
    good(osb_sandbox_kill(&box));
    must(seen == 1, "output is lost");
    close_client();
}

static void commands(const task *t)
{
    char path[64];
    uint64_t i;
    snprintf(path, sizeof path, "/events/20/1/%u", (unsigned)t->second);
    open_client(t, 2048, path);
    for (i = 0; i < t->first; i++) run_command();
    must(seen == t->first, "output is lost");
    close_client();
}

static void run_stream(const task *t)
{
    char path[64];
    snprintf(path, sizeof path, "/events/%u/%llu/0", (unsigned)t->first,
             (unsigned long long)t->second);
    open_client(t, 4096, path);
    run_command();
    must(seen == t->second && seen_bytes == t->first * t->second, "output is lost");
    close_client();
}

static int on_sandbox(void *user, const osb_sandbox_info *info)
{
    (void)user;
    seen += osb_str_equal(info->state, "Running");
    return 0;
}

static void list(const task *t)
{
    osb_sandbox_filter filter = {.page = 0, .page_size = PAGE_SIZE};
    osb_info_handlers handlers = {.on_sandbox = on_sandbox};
    osb_sandbox_page page;
    open_client(t, 2048, "");
    do {
        filter.page++;
        good(osb_lifecycle_list(&client, &filter, &handlers, &page));
    } while (page.has_next_page);
    must(seen == LISTED, "sandboxes are lost");
    close_client();
}

static int write_out(void *user, const void *data, size_t size)
{
    return write(*(int *)user, data, size) != (ssize_t)size;
}

static void download(const task *t)
{
    char path[32];
    int sink = open("/dev/null", O_WRONLY);
    uint64_t size;
    snprintf(path, sizeof path, "/%llu", (unsigned long long)t->first);
    open_client(t, TRANSFER_BUFFER, "");
    good(osb_file_read(&box, path, NULL, write_out, &sink, &size));
    must(size == t->first, "bytes are lost");
    close(sink);
    close_client();
}

static int read_in(void *user, void *data, size_t size)
{
    return (int)read(*(int *)user, data, size);
}

static void upload(const task *t)
{
    int source = open(t->file, O_RDONLY);
    osb_upload file = {.path = "/upload", .user = &source, .read_body = read_in};
    must(source >= 0, t->file);
    file.body_size = t->first;
    open_client(t, TRANSFER_BUFFER, "");
    good(osb_file_upload(&box, &file, 1, false));
    close(source);
    close_client();
}

/* ---- many streams at once, one thread --------------------------------------------------------*/

typedef struct one_stream {
    unsigned char memory[2048];
    osb_posix tcp;
    osb_client client;
    osb_sandbox box;
    osb_execution run;
    int fd; /* what epoll knows */
    uint32_t watched;
} one_stream;

/* Tells epoll what this stream waits for. */
static void watch(int poller, one_stream *s)
{
    struct epoll_event event;
    osb_wait wait;
    int fd = osb_posix_fd(&s->tcp);
    osb_want(&s->client, &wait);
    event.data.ptr = s;
    event.events = (wait.read ? (uint32_t)EPOLLIN : 0) | (wait.write ? (uint32_t)EPOLLOUT : 0);
    if (fd == s->fd && event.events == s->watched) return;
    must(epoll_ctl(poller, fd == s->fd ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0,
         "epoll_ctl");
    s->fd = fd;
    s->watched = event.events;
}

static void start_stream(one_stream *s, const char *path, const osb_command *command,
                         const osb_handlers *handlers)
{
    osb_config config = {.memory = s->memory, .memory_size = sizeof s->memory, .poll_mode = true};
    config.port = osb_posix_port(&s->tcp);
    s->fd = -1;
    must(osb_client_init(&s->client, &config) == OSB_OK, "osb_client_init");
    s->box.client = &s->client;
    snprintf(s->box.execd.address, sizeof s->box.execd.address, "%s", path);
    must(osb_command_run(&s->box, command, handlers, &s->run) == OSB_PENDING, "osb_command_run");
}

/* False: the stream has ended. */
static bool advance(int poller, one_stream *s)
{
    osb_wait wait;
    osb_status status;
    do {
        status = osb_poll(&s->client);
        osb_want(&s->client, &wait);
    } while (status == OSB_PENDING && wait.now);
    if (status == OSB_PENDING) {
        watch(poller, s);
        return true;
    }
    must(status == OSB_OK && s->run.ended, osb_status_name(status));
    osb_client_close(&s->client);
    return false;
}

static void streams(const task *t)
{
    static const osb_command command = {.command = "bench"};
    static const osb_handlers handlers = {.on_stdout = on_stdout};
    uint64_t count = t->first, left = count, i;
    one_stream *all = calloc((size_t)count, sizeof *all);
    struct epoll_event events[64];
    int poller = epoll_create1(0), ready;
    char path[64];
    must(all != NULL && poller >= 0, "calloc");
    snprintf(path, sizeof path, "127.0.0.1:%u/events/97/%llu/0", t->port,
             (unsigned long long)t->second);
    for (i = 0; i < count; i++) start_stream(&all[i], path, &command, &handlers);
    for (i = 0; i < count; i++) left -= !advance(poller, &all[i]);
    while (left > 0) {
        ready = epoll_wait(poller, events, 64, 5000);
        must(ready > 0, "nothing has come for 5 s");
        while (ready-- > 0) left -= !advance(poller, (one_stream *)events[ready].data.ptr);
    }
    must(seen == count * t->second, "output is lost");
    free(all);
    close(poller);
}
