/* A terminal whose connection is cut at each byte of the dialogue: no byte of output is lost or
   repeated. And the protocol's own example of a handshake. */
#include "tests/support/unit.h"

#define NEVER SIZE_MAX

/* The server of a terminal, in memory, and the port to it. */
typedef struct server {
    const char *accept;
    const unsigned char *random;
    size_t cut_at, received, sent; /* bytes received in all; of the answer */
    bool open, clean;
    unsigned connects;
    uint32_t now_ms;
    struct text request, answer, heard, output;
    unsigned long since;
} server;

static const char script[] = "The quick brown fox jumps over the lazy dog. 0123456789 ABCDEFGHIJ "
                             "Pack my box with five dozen liquor jugs. abcdefghijklmnopqrstuvwxyz";

static void sends(server *s, unsigned first, const void *data, size_t size)
{
    unsigned char head[4] = {0};
    head[0] = (unsigned char)first;
    head[1] = (unsigned char)(size < 126 ? size : 126);
    head[3] = (unsigned char)size;
    text_add(&s->answer, head, size < 126 ? 2 : 4);
    text_add(&s->answer, data, size);
}

/* Output from here on, in frames of several kinds, with pings between them. */
static void sends_output(server *s, size_t from)
{
    static const size_t ends[] = {20, 21, 60, 80, sizeof script - 1};
    size_t i;
    for (i = 0; i < 5; i++) {
        char part[200] = {1};
        size_t n = from < ends[i] ? ends[i] - from : 0, half = n / 2;
        memcpy(part + 1, script + from, n);
        from += n;
        sends(s, 0x02, part, half + 1);
        sends(s, 0x89, "are you there?", 14);
        sends(s, 0x80, part + 1 + half, n - half);
    }
}

/* What was missed comes again, from a little before. */
static void answers(server *s)
{
    const char *since = strstr(s->request.data, "since=");
    char replay[200] = {3};
    size_t from, known;
    s->since = since != NULL ? strtoul(since + 6, NULL, 10) : 0;
    assert_true(s->since == s->output.size);
    assert_true(s->connects == 1 || strstr(s->request.data, "takeover=1") != NULL);
    text_print(&s->answer, "HTTP/1.1 101 S\r\nSec-WebSocket-Accept: %s\r\n\r\n", s->accept);
    known = s->since;
    from = known > 3 ? known - 3 : 0;
    replay[8] = (char)from;
    memcpy(replay + 9, script + from, known - from);
    if (known > 0) sends(s, 0x82, replay, 9 + known - from);
    sends(s, 0x81, "{\"type\":\"connected\"}", 20);
    sends_output(s, known);
    sends(s, 0x81, "{\"type\":\"exit\",\"exit_code\":3}", 29);
    sends(s, 0x88, "\x03\xe8", 2);
}

static int server_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    server *s = (server *)ctx;
    (void)host;
    (void)port;
    assert_false(s->open || tls);
    s->open = true;
    s->connects++;
    s->sent = 0;
    text_clear(&s->request);
    text_clear(&s->answer);
    text_clear(&s->heard);
    return 0;
}

static int server_send(void *ctx, const void *data, size_t size)
{
    server *s = (server *)ctx;
    assert_true(s->open);
    if (s->answer.size > 0) {
        text_add(&s->heard, data, size);
        return (int)size;
    }
    text_add(&s->request, data, size);
    if (script_ends_with(&s->request, "\r\n\r\n")) answers(s);
    return (int)size;
}

static int server_recv(void *ctx, void *data, size_t size)
{
    server *s = (server *)ctx;
    size_t n = s->answer.size - s->sent;
    assert_true(s->open);
    if (s->received == s->cut_at) {
        s->cut_at = NEVER;
        return s->clean ? OSB_IO_CLOSED : OSB_IO_FAILED;
    }
    if (n > size) n = size;
    if (s->received < s->cut_at && n > s->cut_at - s->received) n = s->cut_at - s->received;
    if (n == 0) return OSB_IO_WANT_READ;
    memcpy(data, s->answer.data + s->sent, n);
    s->sent += n;
    s->received += n;
    return (int)n;
}

static void server_close(void *ctx)
{
    ((server *)ctx)->open = false;
}

static uint32_t server_now(void *ctx)
{
    return ((server *)ctx)->now_ms;
}

static void server_wait(void *ctx, unsigned want, uint32_t timeout_ms)
{
    (void)want;
    ((server *)ctx)->now_ms += timeout_ms > 0 ? timeout_ms : 1;
}

static int server_random(void *ctx, void *data, size_t size)
{
    memcpy(data, ((server *)ctx)->random, size);
    return 0;
}

static const osb_port_ops server_ops = {server_connect, server_send, server_recv, server_close,
                                        server_now,     server_wait, NULL,        server_random,
                                        NULL,           false};

static int on_output(void *user, osb_stream stream, const void *data, size_t size)
{
    assert_int_equal(stream, OSB_STDOUT);
    text_add(&((server *)user)->output, data, size);
    return 0;
}

/* The example of RFC 6455, section 1.3: a key and its answer. */
static const unsigned char sample[] = "the sample nonce";
#define SAMPLE_KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define SAMPLE_ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static osb_status attach(server *s, const char *accept, size_t cut_at, uint32_t reconnections,
                         osb_pty *pty)
{
    static unsigned char memory[2048];
    osb_pty_options options = {0};
    osb_pty_handlers handlers = {0};
    osb_config config = {0};
    osb_client client;
    osb_sandbox box;
    osb_status status;
    memset(s, 0, sizeof *s);
    memset(pty, 0, sizeof *pty);
    memset(&box, 0, sizeof box);
    s->accept = accept;
    s->random = sample;
    s->cut_at = cut_at;
    s->clean = cut_at % 2 != 0;
    text_clear(&s->output);
    config.port.ops = &server_ops;
    config.port.ctx = s;
    config.memory = memory;
    config.memory_size = sizeof memory;
    assert_int_equal(osb_client_init(&client, &config), OSB_OK);
    box.client = &client;
    strcpy(box.execd.address, "execd.example:44772");
    strcpy(pty->id, "p1");
    options.reconnections = reconnections;
    handlers.user = s;
    handlers.on_output = on_output;
    status = osb_pty_attach(&box, pty, &options, &handlers);
    osb_client_close(&client);
    return status;
}

static void end(server *s)
{
    text_free(&s->request);
    text_free(&s->answer);
    text_free(&s->heard);
    text_free(&s->output);
}

static void test_sample_key(void **state)
{
    osb_pty pty;
    server s;
    (void)state;
    assert_int_equal(attach(&s, SAMPLE_ACCEPT, NEVER, 0, &pty), OSB_OK);
    assert_non_null(strstr(s.request.data, "\r\nSec-WebSocket-Key: " SAMPLE_KEY "\r\n"));
    assert_int_equal(s.heard.size, 5 * (6 + 14) + 8); /* five pongs and a close */
    end(&s);
    assert_int_equal(attach(&s, "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=", NEVER, 0, &pty), OSB_E_PROTOCOL);
    assert_int_equal(s.output.size, 0);
    end(&s);
}

static void test_cut_everywhere(void **state)
{
    size_t at, bytes;
    osb_pty pty;
    server s;
    (void)state;
    assert_int_equal(attach(&s, SAMPLE_ACCEPT, NEVER, 1, &pty), OSB_OK);
    bytes = s.received;
    end(&s);
    for (at = 0; at < bytes; at++) {
        osb_status status = attach(&s, SAMPLE_ACCEPT, at, 1, &pty);
        if (status != OSB_OK) print_error("cut at %lu\n", (unsigned long)at);
        assert_int_equal(status, OSB_OK);
        assert_string_equal(s.output.data, script);
        assert_int_equal(pty.offset, sizeof script - 1);
        assert_int_equal(pty.lost_bytes, 0);
        assert_int_equal(pty.exit_code.value, 3);
        end(&s);
    }
    print_message("terminal: cut at %lu bytes of a dialogue: exact\n", (unsigned long)bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample_key),
        cmocka_unit_test(test_cut_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
