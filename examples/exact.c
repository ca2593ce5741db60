/* 100 MB of a command's output, byte for byte, in 4 KB of buffer.

   1. UTF-8 text, its lines ended by LF, put together again from the events of a stream.
   2. Random bytes, read from the log of a command in the background.

   Both are written to a file in the sandbox first, whose checksum `cksum` computes there; the same
   checksum is computed here from what arrives.

      cc -O2 -I. examples/exact.c -o exact
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./exact [MEGABYTES] */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- the checksum of POSIX cksum: a CRC-32 that the size goes into as well -------------------*/

struct sum {
    uint32_t crc;
    uint64_t size;
};

static uint32_t crc_table[256];

static void init_crc_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i << 24;
        for (int bit = 0; bit < 8; bit++) crc = crc << 1 ^ (crc >> 31 ? 0x04C11DB7u : 0);
        crc_table[i] = crc;
    }
}

static uint32_t crc_byte(uint32_t crc, unsigned byte)
{
    return crc << 8 ^ crc_table[(crc >> 24 ^ byte) & 0xff];
}

static int add(void *user, const void *data, size_t size)
{
    struct sum *sum = user;
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) sum->crc = crc_byte(sum->crc, bytes[i]);
    sum->size += size;
    return 0;
}

static int add_output(void *user, osb_stream stream, const char *data, size_t size)
{
    return stream == OSB_STDOUT ? add(user, data, size) : 0;
}

static void finish(struct sum *sum)
{
    for (uint64_t size = sum->size; size > 0; size >>= 8)
        sum->crc = crc_byte(sum->crc, size & 0xff);
    sum->crc = ~sum->crc;
}

/* ---- in the sandbox --------------------------------------------------------------------------*/

/* Lines of 0 to 199 words, up to 5.6 KB: more than the buffer. A word has characters of one to four
   bytes, 28 in all; some must be escaped in JSON. */
static const char write_text[] =
    "awk -v size=$SIZE 'BEGIN {"
    "  for (i = 1; i < 200; i++) line[i] = line[i - 1] \"Gr\303\274\303\237e, "
    "\344\270\226\347\225\214! \360\237\230\200 \\\"\\\\<&>\\t\";"
    "  for (n = 0; size > 0; n = (n + 7) % 200) { print line[n]; size -= 28 * n + 1 }"
    "}' >data; cksum <data";

static const char write_bytes[] = "head -c $SIZE /dev/urandom >data; cksum <data";

static int complain(const osb_client *client)
{
    char text[256];
    osb_error_text(client, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return 1;
}

/* Writes the file, and returns what cksum says of it; a size of 0 if that went wrong. */
static struct sum write_file(osb_sandbox *box, const char *script, const char *size)
{
    char line[64] = "";
    unsigned long crc = 0;
    unsigned long long bytes = 0;
    osb_pair env = {"SIZE", size};
    osb_capture capture = {.data = line, .size = sizeof line};
    osb_command command = {.command = script, .envs = &env, .env_count = 1};
    osb_handlers handlers = {.capture_stdout = &capture};
    osb_execution run;
    if (osb_command_run(box, &command, &handlers, &run) < 0) complain(box->client);
    else if (sscanf(line, "%lu %llu", &crc, &bytes) != 2) fprintf(stderr, "no cksum: %s\n", line);
    return (struct sum){.crc = (uint32_t)crc, .size = bytes};
}

/* 1: the events of a stream. */
static osb_status read_stream(osb_sandbox *box, struct sum *sum)
{
    osb_command command = {.command = "cat data"};
    osb_handlers handlers = {.user = sum, .on_output = add_output};
    osb_execution run;
    return osb_command_run(box, &command, &handlers, &run);
}

/* 2: a log. It is read while it grows, and once more after the command has ended. */
static osb_status read_log(osb_sandbox *box, struct sum *sum)
{
    osb_command command = {.command = "cat data", .background = true};
    osb_command_state state = {.running = true};
    osb_execution run;
    uint64_t cursor = 0;
    osb_status status = osb_command_run(box, &command, NULL, &run);
    while (status == OSB_OK && state.running) {
        status = osb_command_status(box, run.id, NULL, NULL, &state);
        if (status == OSB_E_NOT_FOUND) status = OSB_OK; /* execd does not know it yet */
        if (status == OSB_OK) status = osb_command_logs(box, run.id, cursor, add, sum, &cursor);
    }
    return status;
}

/* ---- here ------------------------------------------------------------------------------------*/

typedef osb_status (*reader)(osb_sandbox *box, struct sum *sum);

/* Has a file written in the sandbox, reads it, and compares. */
static int check(osb_sandbox *box, const char *what, const char *script, const char *size,
                 reader read)
{
    struct sum there = write_file(box, script, size), here = {0, 0};
    struct timespec begin, end;
    if (there.size == 0) return 1;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    if (read(box, &here) < 0) return complain(box->client);
    finish(&here);
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%s: %llu bytes, checksum %08lx, expected %08lx: %s, %.1f s\n", what,
           (unsigned long long)here.size, (unsigned long)here.crc, (unsigned long)there.crc,
           here.crc == there.crc && here.size == there.size ? "exact" : "WRONG",
           difftime(end.tv_sec, begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
    return here.crc != there.crc || here.size != there.size;
}

/* Linux tells the most memory that this process has ever had. */
static void print_peak_memory(void)
{
    char line[128];
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0) printf("peak resident memory: %s", line + 6);
    if (status != NULL) fclose(status);
}

int main(int argc, char **argv)
{
    unsigned char ram[4096];
    char size[32];
    int megabytes = argc > 1 ? atoi(argv[1]) : 100;
    osb_posix tcp;
    osb_client client;
    osb_sandbox box;
    osb_config config = {.port = osb_posix_port(&tcp), .memory = ram, .memory_size = sizeof ram};
    osb_create_options options = {.image = "python:3.12"};
    int failed;
    if (megabytes < 1) {
        fprintf(stderr, "usage: exact [MEGABYTES]\n");
        return 2;
    }
    snprintf(size, sizeof size, "%d000000", megabytes);
    init_crc_table();
    osb_posix_config_from_env(&config);
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    if (osb_sandbox_create(&client, &options, &box) < 0) return complain(&client);
    failed = check(&box, "text from a stream", write_text, size, read_stream);
    failed |= check(&box, "bytes from a log", write_bytes, size, read_log);
    if (osb_sandbox_kill(&box) < 0) failed = complain(&client);
    printf("working buffer: %u bytes\n", (unsigned)sizeof ram);
    print_peak_memory();
    return failed;
}
