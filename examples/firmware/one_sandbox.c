/* A sandbox from a Cortex-M3 without an OS and without a heap: create, run, stream,
   write and read a file, kill.

   Built with FIRMWARE_TLS it speaks HTTPS, if the address begins with https://.
   Started with two arguments: the server's address, and the API key. */
#include "board.h"
#include "network.h"
#include "opensandbox.h"
#include "port/osb_lwip.h"
#ifdef FIRMWARE_TLS
#include "tls.h"
#endif

#define STREAM_BYTES 1048576u
#define FILE_BYTES 65536u

/* All that the library needs, beside the stack. */
static unsigned char memory[1024];
static osb_lwip tcp;
static osb_client client;
static osb_sandbox box;
#ifdef FIRMWARE_TLS
static struct tls_connection tls_connection;
#endif

static char domain[48];
static char api_key[48];

/* Lets the network work while a call waits; there is nothing else to do meanwhile. */
static void pump(void *user)
{
    (void)user;
    if (!network_poll()) board_sleep();
}

static int print_output(void *user, osb_stream stream, const char *data, size_t size)
{
    (void)user, (void)stream;
    for (size_t i = 0; i < size; i++) board_put(data[i]);
    return 0;
}

/* ---- the checksum of cksum(1) ----------------------------------------------------------------*/

struct sum {
    uint32_t crc;
    uint32_t size_bytes;
};

static void sum_byte(struct sum *sum, unsigned byte)
{
    sum->crc ^= (uint32_t)byte << 24;
    for (int bit = 0; bit < 8; bit++)
        sum->crc = (sum->crc << 1) ^ ((sum->crc >> 31) != 0 ? 0x04c11db7u : 0u);
}

static void sum_bytes(struct sum *sum, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) sum_byte(sum, bytes[i]);
    sum->size_bytes += size;
}

static int sum_output(void *user, osb_stream stream, const char *data, size_t size)
{
    struct sum *sum = user;
    if (stream != OSB_STDOUT) return print_output(NULL, stream, data, size);
    sum_bytes(sum, data, size);
    return 0;
}

static uint32_t sum_end(struct sum *sum)
{
    for (uint32_t size = sum->size_bytes; size != 0; size >>= 8) sum_byte(sum, size & 0xffu);
    return ~sum->crc;
}

/* ---- the steps -------------------------------------------------------------------------------*/

static int complain(const char *step)
{
    char text[200];
    osb_error_text(&client, text, sizeof text);
    print("%s: %s\n", step, text);
    return 1;
}

static int create(void)
{
    osb_create_options options = {.image = "python:3.12"};
    if (osb_sandbox_create(&client, &options, &box) < 0) return complain("create");
    print("created: %s\n", box.id);
    return 0;
}

static int run(const char *text, const osb_handlers *handlers)
{
    osb_command command = {.command = text, .timeout_ms = 60000};
    osb_execution outcome;
    if (osb_command_run(&box, &command, handlers, &outcome) < 0) return complain("run");
    if (outcome.exit_code.set && outcome.exit_code.value == 0) return 0;
    print("%s: exit code %d\n", text, outcome.exit_code.value);
    return 1;
}

static int run_command(void)
{
    osb_handlers handlers = {.on_output = print_output};
    return run("echo hello from the sandbox, $(uname -s)", &handlers);
}

/* Reads "CRC SIZE" as cksum prints it. */
static uint32_t first_number(const char *text)
{
    uint32_t number = 0;
    for (; *text >= '0' && *text <= '9'; text++) number = number * 10 + (uint32_t)(*text - '0');
    return number;
}

/* 1 MB of lines, which the sandbox keeps in a file too, to tell its checksum. */
static int stream(void)
{
    char answer[40] = "";
    struct sum sum = {.crc = 0};
    osb_handlers summing = {.user = &sum, .on_output = sum_output};
    osb_capture capture = {.data = answer, .size = sizeof answer};
    osb_handlers capturing = {.capture_stdout = &capture};
    uint32_t from_ms = board_ms(), crc;
    if (run("seq -f %063.0f 16384 | tee lines", &summing) != 0) return 1;
    crc = sum_end(&sum);
    print("streamed: %u bytes in %u ms, checksum %u\n", sum.size_bytes, board_ms() - from_ms, crc);
    if (run("cksum < lines", &capturing) != 0) return 1;
    print("sandbox's own checksum: %s", answer);
    if (sum.size_bytes == STREAM_BYTES && crc == first_number(answer)) return 0;
    print("stream: the checksums or sizes differ\n");
    return 1;
}

/* A file's content, made up as it is sent: a log or a picture in a real device. */
struct source {
    struct sum sum;
    uint32_t random;
};

static int begin_file(void *user)
{
    struct source *source = user;
    *source = (struct source){.random = 1};
    return 0;
}

static int make_bytes(void *user, void *data, size_t size)
{
    struct source *source = user;
    uint8_t *bytes = data;
    if (size > FILE_BYTES - source->sum.size_bytes) size = FILE_BYTES - source->sum.size_bytes;
    for (size_t i = 0; i < size; i++) {
        source->random = source->random * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(source->random >> 24);
    }
    sum_bytes(&source->sum, data, size);
    return (int)size;
}

static int sum_data(void *user, const void *data, size_t size)
{
    sum_bytes(user, data, size);
    return 0;
}

/* Writes a file, has the server say how large it is, and reads it back. */
static int use_file(void)
{
    struct source source;
    struct sum sum = {.crc = 0};
    osb_upload file = {
        .path = "data/log.bin",
        .body_size = FILE_BYTES,
        .user = &source,
        .read_body = make_bytes,
        .rewind_body = begin_file,
    };
    uint32_t written, read;
    begin_file(&source);
    if (osb_file_upload(&box, &file, 1, true) < 0) return complain("write");
    if (osb_file_read(&box, file.path, NULL, sum_data, &sum, NULL) < 0) return complain("read");
    written = sum_end(&source.sum);
    read = sum_end(&sum);
    print("file: wrote and read %u bytes, checksums %u %u\n", sum.size_bytes, written, read);
    if (sum.size_bytes == FILE_BYTES && written == read) return 0;
    print("file: the checksums or sizes differ\n");
    return 1;
}

static int kill(void)
{
    if (osb_sandbox_kill(&box) < 0) return complain("kill");
    print("killed\n");
    return 0;
}

static osb_port make_port(void)
{
    osb_port port = osb_lwip_port(&tcp, pump, NULL);
    tcp.random = board_random;
    tcp.unix_time = board_unix_time;
#ifdef FIRMWARE_TLS
    tls_init();
    port = tls_over(&tls_connection, port, NULL);
#endif
    return port;
}

static int connect(void)
{
    osb_config config = {
        .port = make_port(),
        .memory = memory,
        .memory_size = sizeof memory,
        .domain = domain,
        .api_key = api_key,
        .use_server_proxy = true, /* the sandboxes' own ports are out of a guest's reach */
    };
    return osb_client_init(&client, &config) < 0 ? complain("init") : 0;
}

static int use_sandbox(void)
{
    int failed;
    if (create() != 0) return 1;
    failed = run_command();
    if (failed == 0) failed = stream();
    if (failed == 0) failed = use_file();
    return kill() != 0 || failed;
}

int main(void)
{
    int failed;
    board_init();
    network_init();
    print("LM3S6965, lwIP, address %s\n", network_address());
    if (!board_argument(0, domain, sizeof domain) || !board_argument(1, api_key, sizeof api_key)) {
        print("arguments: ADDRESS API_KEY\n");
        return 2;
    }
    failed = connect() != 0 || use_sandbox() != 0;
    print("measured stack_peak_bytes %u\n", board_stack_peak());
    print("measured buffer_peak_bytes %u\n", osb_buffer_peak(&client));
#ifdef FIRMWARE_TLS
    tls_report();
#endif
    print("%s\n", failed ? "FAILED" : "all steps done");
    return failed;
}
