/* A terminal's frames, in any pieces, over one connection or two; beside a plain decoder. */
#include "tests/fuzz/feed.h"

/* The answer to the key that comes of the port's random bytes. */
static const char upgraded[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "Sec-WebSocket-Accept: mVL6JKtNRC4tluIaFAW2hhMffgE=\r\n\r\n";
static const char typed[] = "ls -l; exit 3\n";

/* How an input is played, and what came of it. */
typedef struct wire {
    feed *f;
    size_t memory_size, first, head_at; /* bytes of the first connection; of the answer's head */
    unsigned reconnections, connects;
    uint32_t now;
    uint64_t since;
    bool open, sending, stops;
    record request, frames, output, errors, pongs, input;
    osb_pty pty;
    size_t input_at;
    unsigned closes;
} wire;

/* ---- the server --------------------------------------------------------------------------------*/

static int wire_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    wire *w = (wire *)ctx;
    CHECK(!w->open && !tls && port == 44772 && strcmp(host, "execd.example") == 0);
    w->open = true;
    w->connects++;
    w->head_at = w->closes = 0;
    /* What came behind a Close went unheard. */
    if (w->connects > 1 && w->f->at < w->first) w->f->at = w->first;
    record_free(&w->request);
    record_free(&w->frames);
    return 0;
}

/* What is typed comes in order; each ping is answered by its own bytes. */
static void take_frame(wire *w, unsigned opcode, const char *payload, size_t size)
{
    CHECK(w->closes == 0);
    if (opcode == 10) {
        record_number(&w->pongs, "pong", size);
        record_bytes(&w->pongs, payload, size);
    } else if (opcode == 8) {
        CHECK(size == 2 && memcmp(payload, "\x03\xe8", 2) == 0);
        w->closes++;
    } else if (opcode == 2) {
        CHECK(size > 1 && payload[0] == 0);
        record_bytes(&w->input, payload + 1, size - 1);
    } else {
        CHECK(opcode == 1 && memchr(payload, '{', size) == payload);
    }
}

/* Frames of the client: whole, small and masked. */
static void take_frames(wire *w)
{
    while (w->frames.size >= 2) {
        const unsigned char *frame = (const unsigned char *)w->frames.data;
        size_t size = frame[1] & 0x7fu, i;
        char payload[125];
        CHECK(frame[0] >= 0x80 && frame[1] >= 0x80 && size <= 125);
        if (w->frames.size < 6 + size) return;
        for (i = 0; i < size; i++) payload[i] = (char)(frame[6 + i] ^ frame[2 + i % 4]);
        take_frame(w, frame[0] & 0x7fu, payload, size);
        w->frames.size -= 6 + size;
        memmove(w->frames.data, w->frames.data + 6 + size, w->frames.size);
    }
}

static int wire_send(void *ctx, const void *data, size_t size)
{
    wire *w = (wire *)ctx;
    bool whole =
        w->request.size >= 4 && memcmp(w->request.data + w->request.size - 4, "\r\n\r\n", 4) == 0;
    CHECK(w->open && size > 0);
    if (!whole) {
        size = 1 + size / 2;
        record_bytes(&w->request, data, size);
        return (int)size;
    }
    record_bytes(&w->frames, data, size);
    take_frames(w);
    return (int)size;
}

static void check_request(const wire *w)
{
    char since[40];
    (void)snprintf(since, sizeof since, "since=%llu", (unsigned long long)w->pty.offset);
    CHECK(w->pty.offset == 0 || strstr(w->request.data, since) != NULL);
    CHECK(w->connects == 1 || strstr(w->request.data, "takeover=1") != NULL);
}

static int wire_recv(void *ctx, void *data, size_t size)
{
    wire *w = (wire *)ctx;
    size_t n = sizeof upgraded - 1 - w->head_at;
    CHECK(w->open && size > 0);
    if (n > 0) {
        if (w->head_at == 0) check_request(w);
        if (n > size) n = size;
        memcpy(data, upgraded + w->head_at, n);
        w->head_at += n;
        return (int)n;
    }
    if (w->connects == 1) {
        if (w->f->at == w->first) return OSB_IO_FAILED;
        if (size > w->first - w->f->at) size = w->first - w->f->at;
    }
    return feed_recv(w->f, data, size);
}

static void wire_close(void *ctx)
{
    ((wire *)ctx)->open = false;
}

static uint32_t wire_now(void *ctx)
{
    return ((wire *)ctx)->now;
}

static void wire_wait(void *ctx, unsigned want, uint32_t timeout_ms)
{
    (void)want;
    ((wire *)ctx)->now += timeout_ms;
}

static int wire_random(void *ctx, void *data, size_t size)
{
    size_t i;
    (void)ctx;
    for (i = 0; i < size; i++) ((unsigned char *)data)[i] = (unsigned char)(i % 16 * 0x11);
    return 0;
}

static const osb_port_ops wire_ops = {wire_connect, wire_send, wire_recv,   wire_close, wire_now,
                                      wire_wait,    NULL,      wire_random, NULL,       false};

/* ---- the client --------------------------------------------------------------------------------*/

static int on_output(void *user, osb_stream stream, const void *data, size_t size)
{
    wire *w = (wire *)user;
    CHECK(size > 0);
    record_bytes(stream == OSB_STDERR ? &w->errors : &w->output, data, size);
    return w->stops && w->output.size + w->errors.size > 20;
}

static int read_input(void *user, void *data, size_t size)
{
    wire *w = (wire *)user;
    size_t n = sizeof typed - 1 - w->input_at;
    CHECK(size > 0);
    if (n == 0) return OSB_IO_WANT_READ;
    if (n > 3) n = 3;
    memcpy(data, typed + w->input_at, n);
    w->input_at += n;
    return (int)n;
}

static osb_status attach(wire *w, record *out)
{
    osb_pty_handlers handlers = {0};
    osb_pty_options options = {0};
    osb_config config = {0};
    osb_client client;
    osb_sandbox box;
    osb_status status;
    memset(&box, 0, sizeof box);
    config.port.ops = &wire_ops;
    config.port.ctx = w;
    config.memory = exactly(w->memory_size);
    config.memory_size = w->memory_size;
    CHECK(osb_client_init(&client, &config) == OSB_OK);
    box.client = &client;
    strcpy(box.execd.address, "execd.example:44772");
    strcpy(w->pty.id, "p");
    handlers.user = w;
    handlers.on_output = on_output;
    handlers.read_input = read_input;
    options.reconnections = w->reconnections;
    w->pty.offset = w->since;
    status = osb_pty_attach(&box, &w->pty, &options, &handlers);
    CHECK(status != OSB_PENDING && status != OSB_E_BUSY && !w->pty.connected);
    record_outcome(out, &client, status);
    CHECK(w->pty.offset == w->since + w->pty.lost_bytes + w->output.size + w->errors.size);
    CHECK(w->input.size <= w->input_at &&
          memcmp(typed, w->input.data != NULL ? w->input.data : "", w->input.size) == 0);
    osb_client_close(&client);
    CHECK(!w->open);
    free(config.memory);
    return status;
}

/* ---- the plain decoder -------------------------------------------------------------------------*/

/* What a connection's frames without text and replays come to; false if there is such a thing, or
   something that is no frame, or no whole one. */
static bool reference(const uint8_t *data, size_t size, record *output, record *errors)
{
    unsigned kind = 0;
    bool within = false;
    while (size >= 2) {
        unsigned opcode = data[0] & 15u;
        size_t head = data[1] == 127 ? 10 : data[1] == 126 ? 4 : 2, n = data[1], i;
        if ((data[0] & 0x70u) != 0 || data[1] > 127 || size < head) return false;
        if (head > 2) n = 0;
        for (i = 2; i < head; i++) n = n << 8 | data[i];
        if (n > size - head) return false;
        if (opcode >= 8 && (opcode > 10 || data[0] < 0x80 || n > 125)) return false;
        if (opcode == 8) return size == head + n;
        if (opcode < 8) {
            size_t from = head;
            if (opcode == 1 || opcode > 2 || (opcode == 0) != within) return false;
            if (opcode == 2) kind = 0;
            within = data[0] < 0x80;
            if (kind == 0 && n > 0) kind = data[from++];
            if (kind > 2 || (kind == 0 && from > head)) return false;
            record_bytes(kind == 2 ? errors : output, data + from, head + n - from);
        }
        data += head + n;
        size -= head + n;
    }
    return size == 0;
}

static void check_reference(const wire *w, osb_status status)
{
    record output = {0}, errors = {0};
    if (w->connects == 1 && w->reconnections == 0 && !w->stops &&
        reference(w->f->data, w->first, &output, &errors)) {
        CHECK(status == OSB_E_TRUNCATED || status == OSB_E_STREAM);
        check_same(&output, &w->output, "other output than the plain decoder's");
        check_same(&errors, &w->errors, "other errors than the plain decoder's");
    }
    record_free(&output);
    record_free(&errors);
}

static void run(void *setup, feed *f, record *out)
{
    wire w = *(const wire *)setup;
    osb_status status;
    w.f = f;
    status = attach(&w, out);
    check_reference(&w, status);
    record_number(out, "offset", w.pty.offset);
    record_number(out, "lost", w.pty.lost_bytes);
    record_number(out, "closed", w.pty.close_code);
    record_number(out, "exit", w.pty.exit_code.set ? (uint32_t)w.pty.exit_code.value : 999u);
    record_number(out, "connects", w.connects);
    if (!w.stops) { /* which piece crosses the limit depends on the cuts */
        record_bytes(out, w.output.data, w.output.size);
        record_bytes(out, w.errors.data, w.errors.size);
        record_bytes(out, w.pongs.data, w.pongs.size);
    } else {
        record_free(out);
    }
    record_free(&w.request);
    record_free(&w.frames);
    record_free(&w.output);
    record_free(&w.errors);
    record_free(&w.pongs);
    record_free(&w.input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input in = {data, size};
    wire w = {0};
    unsigned flags = take_byte(&in);
    uint32_t seed = take_byte(&in);
    size_t first = take_byte(&in);
    w.now = 1000;
    w.memory_size = 1536 + 64 * (flags & 15u);
    w.reconnections = flags >> 4 & 1u;
    w.since = (flags & 32u) != 0 ? 10 : 0;
    w.stops = (flags & 64u) != 0;
    w.first = in.size;
    if (w.reconnections > 0 && first < in.size) w.first = first;
    feed_every_way(seed, in.data, in.size, run, &w);
    return 0;
}
