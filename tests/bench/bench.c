/* What the library costs. Prints one JSON object; tools/bench.py runs this and makes a table.

       bench PORT                     everything, against the canned server at that port
       bench instructions WHAT SIZE COUNT    COUNT events and nothing else, for callgrind;
                                      WHAT: library or jsmn

   "Library" is a client on a port that hands out a stream from memory: no sockets, so that the cost
   is the library's own. "jsmn" is jsmn_parse on the same events, compiled with the same flags;
   "memcpy" copies them. */
#define OPENSANDBOX_IMPLEMENTATION
#include "port/osb_posix.h"
#include "tests/bench/stream.h"

#include <stdio.h>

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

#define MEMORY 4096
#define TRIES 20
#define EVENT_BYTES 20000000u /* of events for each measurement */
#define COMMANDS 1000u

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void must(bool good, const char *what)
{
    if (good) return;
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

/* ---- a port that plays a stream from memory --------------------------------------------------*/

typedef struct player {
    const stream *stream;
    uint64_t events; /* whole blocks of them */
    uint64_t at, size;
} player;

static int player_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    player *p = (player *)ctx;
    (void)host;
    (void)port;
    (void)tls;
    p->at = 0;
    return 0;
}

static int player_send(void *ctx, const void *data, size_t size)
{
    (void)ctx;
    (void)data;
    return (int)size;
}

static int player_recv(void *ctx, void *data, size_t size)
{
    player *p = (player *)ctx;
    const stream *s = p->stream;
    uint64_t events = p->events * s->chunk_size;
    const char *from = s->first;
    size_t skip = (size_t)p->at, end = s->first_size;
    if (p->at >= s->first_size + events + s->last_size) {
        from = STREAM_END;
        skip = (size_t)(p->at - s->first_size - events - s->last_size);
        end = sizeof STREAM_END - 1;
    } else if (p->at >= s->first_size + events) {
        from = s->last;
        skip = (size_t)(p->at - s->first_size - events);
        end = s->last_size;
    } else if (p->at >= s->first_size) {
        uint64_t left = events - (p->at - s->first_size);
        from = s->block;
        skip = (size_t)((p->at - s->first_size) % s->block_size);
        end = left < s->block_size - skip ? skip + (size_t)left : s->block_size;
    }
    if (size > end - skip) size = end - skip;
    memcpy(data, from + skip, size);
    p->at += size;
    return (int)size;
}

static void player_close(void *ctx)
{
    (void)ctx;
}

static uint32_t player_now(void *ctx)
{
    (void)ctx;
    return 1;
}

static void player_wait(void *ctx, unsigned want, uint32_t timeout_ms)
{
    (void)ctx;
    (void)want;
    (void)timeout_ms;
}

static const osb_port_ops player_ops = {player_connect, player_send, player_recv, player_close,
                                        player_now,     player_wait, NULL,        NULL,
                                        NULL,           false};

/* ---- the library -----------------------------------------------------------------------------*/

typedef struct counter {
    uint64_t events, bytes;
} counter;

static int count_event(void *user, const osb_event *event)
{
    counter *c = (counter *)user;
    c->events += !event->more;
    c->bytes += event->text.size;
    return 0;
}

static void open_client(osb_client *client, osb_sandbox *box, osb_port port, const char *address)
{
    static unsigned char memory[MEMORY];
    osb_config config;
    memset(&config, 0, sizeof config);
    memset(box, 0, sizeof *box);
    config.port = port;
    config.memory = memory;
    config.memory_size = sizeof memory;
    must(osb_client_init(client, &config) == OSB_OK, "osb_client_init");
    box->client = client;
    snprintf(box->execd.address, sizeof box->execd.address, "%s", address);
}

/* Runs a command whose stream must have so many events of so many bytes of text. */
static void run_command(osb_sandbox *box, uint64_t events, size_t text_size)
{
    osb_command command;
    osb_handlers handlers;
    osb_execution run;
    counter seen = {0, 0};
    memset(&command, 0, sizeof command);
    memset(&handlers, 0, sizeof handlers);
    command.command = "bench";
    handlers.user = &seen;
    handlers.on_stdout = count_event;
    must(osb_command_run(box, &command, &handlers, &run) == OSB_OK, "osb_command_run");
    must(seen.events == events && seen.bytes == events * text_size, "events are lost");
}

/* Seconds that the library takes for a stream from memory. */
static double play(const stream *s, uint64_t events, size_t text_size)
{
    osb_client client;
    osb_sandbox box;
    player p = {s, events, 0, 0};
    osb_port port = {&player_ops, &p};
    double start;
    open_client(&client, &box, port, "memory:1");
    start = now_s();
    run_command(&box, events, text_size);
    start = now_s() - start;
    osb_client_close(&client);
    return start;
}

/* Seconds that jsmn takes for the same events. */
static double parse(const stream *s, uint64_t events)
{
    static jsmntok_t tokens[16];
    double start = now_s();
    uint64_t i;
    for (i = 0; i < events; i++) {
        jsmn_parser parser;
        jsmn_init(&parser);
        must(jsmn_parse(&parser, s->event, s->event_size, tokens, 16) == 7, "jsmn_parse");
        __asm__ volatile("" : : "r"(tokens) : "memory"); /* every event is parsed */
    }
    return now_s() - start;
}

/* Seconds that copying the same events takes: the least that any library can do. */
static double copy(const stream *s, uint64_t events)
{
    static char target[sizeof s->event];
    double start = now_s();
    uint64_t i;
    for (i = 0; i < events; i++) {
        memcpy(target, s->event, s->event_size);
        __asm__ volatile("" : : "r"(target) : "memory");
    }
    return now_s() - start;
}

/* ---- sockets ---------------------------------------------------------------------------------*/

/* Seconds for so many commands, one after the other, on one client. */
static double run_over_sockets(const char *address, unsigned commands, uint64_t events,
                               size_t text_size)
{
    osb_client client;
    osb_sandbox box;
    osb_posix tcp;
    double start;
    unsigned i;
    open_client(&client, &box, osb_posix_port(&tcp), address);
    start = now_s();
    for (i = 0; i < commands; i++) run_command(&box, events, text_size);
    start = now_s() - start;
    osb_client_close(&client);
    return start;
}

static int connect_plainly(unsigned port)
{
    struct sockaddr_in address;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)port);
    must(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* Seconds for the same with a client that does nothing: reads into a buffer, looks for the end. */
static double read_plainly(unsigned port, unsigned commands, uint64_t events, size_t text_size)
{
    static char buffer[65536];
    char request[128];
    double start;
    int fd = connect_plainly(port);
    unsigned i;
    snprintf(request, sizeof request, "POST /events/%zu/%llu/0/command HTTP/1.1\r\n\r\n", text_size,
             (unsigned long long)events);
    start = now_s();
    for (i = 0; i < commands; i++) {
        ssize_t n;
        must(send(fd, request, strlen(request), 0) > 0, "send");
        do n = recv(fd, buffer, sizeof buffer, 0);
        while (n >= 5 && memcmp(buffer + n - 5, STREAM_END, 5) != 0);
        must(n >= 5, "recv");
    }
    start = now_s() - start;
    close(fd);
    return start;
}

/* ---- what is measured ------------------------------------------------------------------------*/

static double least(double a, double b)
{
    return a < b ? a : b;
}

static void measure_events(unsigned port, size_t text_size, bool last)
{
    char address[64];
    stream s;
    uint64_t events;
    double library = 1e9, jsmn = 1e9, copied = 1e9, sockets = 1e9, ceiling = 1e9;
    unsigned i;
    stream_open(&s, text_size);
    events = EVENT_BYTES / s.event_size;
    snprintf(address, sizeof address, "127.0.0.1:%u/events/%zu/%llu/0", port, text_size,
             (unsigned long long)events);
    for (i = 0; i < TRIES; i++) {
        library = least(library, play(&s, events, text_size));
        jsmn = least(jsmn, parse(&s, events));
        copied = least(copied, copy(&s, events));
        sockets = least(sockets, run_over_sockets(address, 1, events, text_size));
        ceiling = least(ceiling, read_plainly(port, 1, events, text_size));
    }
    printf(
        "  {\"text_bytes\": %zu, \"event_bytes\": %zu, \"library_ns\": %.1f, \"jsmn_ns\": %.1f,\n"
        "   \"memcpy_ns\": %.1f, \"sockets_ns\": %.1f, \"ceiling_ns\": %.1f}%s\n",
        text_size, s.event_size, library * 1e9 / (double)events, jsmn * 1e9 / (double)events,
        copied * 1e9 / (double)events, sockets * 1e9 / (double)events,
        ceiling * 1e9 / (double)events, last ? "" : ",");
    stream_close(&s);
}

static void measure_commands(unsigned port)
{
    char prompt[64], slow[64];
    double kept = 1e9, ceiling = 1e9, lingering;
    unsigned i;
    snprintf(prompt, sizeof prompt, "127.0.0.1:%u/events/20/1/0", port);
    snprintf(slow, sizeof slow, "127.0.0.1:%u/events/20/1/1000", port);
    for (i = 0; i < TRIES; i++) {
        kept = least(kept, run_over_sockets(prompt, COMMANDS, 1, 20));
        ceiling = least(ceiling, read_plainly(port, COMMANDS, 1, 20));
    }
    lingering = run_over_sockets(slow, COMMANDS, 1, 20);
    printf(" \"commands\": {\"count\": %u, \"kept_us\": %.1f, \"ceiling_us\": %.1f, "
           "\"lingering_us\": %.1f}",
           COMMANDS, kept * 1e6 / COMMANDS, ceiling * 1e6 / COMMANDS, lingering * 1e6 / COMMANDS);
}

/* What the server can do: seconds that a client takes which only receives, or only sends. */
static double transfer_plainly(unsigned port, bool upload, uint64_t size)
{
    static char buffer[65536];
    char request[160];
    uint64_t left = size;
    double start = now_s();
    int fd = connect_plainly(port);
    ssize_t n;
    snprintf(request, sizeof request, "%s%llu%s%llu\r\n\r\n",
             upload ? "POST /files/upload?" : "GET /files/download?path=/",
             (unsigned long long)size,
             " HTTP/1.1\r\nContent-Length: ", upload ? (unsigned long long)size : 0ull);
    must(send(fd, request, strlen(request), 0) > 0, "send");
    while (upload && left > 0) {
        n = send(fd, buffer, left < sizeof buffer ? (size_t)left : sizeof buffer, 0);
        must(n > 0, "send");
        left -= (uint64_t)n;
    }
    if (upload) must(recv(fd, buffer, sizeof buffer, 0) > 0, "recv");
    while (left > 0) { /* the head counts too, to a few bytes */
        n = recv(fd, buffer, sizeof buffer, 0);
        must(n > 0, "recv");
        left -= left < (uint64_t)n ? left : (uint64_t)n;
    }
    close(fd);
    return now_s() - start;
}

static void measure_transfers(unsigned port)
{
    double down = 1e9, up = 1e9;
    unsigned i;
    for (i = 0; i < 3; i++) {
        down = least(down, transfer_plainly(port, false, 1000000000u));
        up = least(up, transfer_plainly(port, true, 1000000000u));
    }
    printf(",\n \"ceilings\": {\"download_mb_per_s\": %.0f, \"upload_mb_per_s\": %.0f}",
           1000 / down, 1000 / up);
}

/* For callgrind: only the events. */
static int only_events(const char *what, size_t text_size, uint64_t events)
{
    stream s;
    stream_open(&s, text_size);
    if (strcmp(what, "jsmn") == 0) (void)parse(&s, events);
    else (void)play(&s, events, text_size);
    stream_close(&s);
    return 0;
}

int main(int count, char **arguments)
{
    static const size_t sizes[] = {20, 97, 3947}; /* the last two: events of 150 and 4,000 bytes */
    unsigned port;
    size_t i;
    if (count == 5 && strcmp(arguments[1], "instructions") == 0)
        return only_events(arguments[2], strtoul(arguments[3], NULL, 10),
                           strtoul(arguments[4], NULL, 10));
    must(count == 2, "usage: bench PORT");
    port = (unsigned)strtoul(arguments[1], NULL, 10);
    printf("{\"memory_bytes\": %d, \"events\": [\n", MEMORY);
    for (i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        measure_events(port, sizes[i], i + 1 == sizeof sizes / sizeof sizes[0]);
    printf(" ],\n");
    measure_commands(port);
    measure_transfers(port);
    printf("}\n");
    return 0;
}
