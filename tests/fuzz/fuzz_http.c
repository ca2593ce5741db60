/* An answer's head and the framing of its body, in any pieces, for every kind of answer. */
#include "tests/fuzz/feed.h"

typedef struct http_run {
    const osb__op *op;
    size_t memory_size;
    bool head; /* the answer to a HEAD request: it has no body */
    record body;
} http_run;

static int on_data(void *user, const void *data, size_t size)
{
    CHECK(size > 0);
    record_bytes((record *)user, data, size);
    return 0;
}

/* What a body of known length or in chunks decodes to, done the plain way; false if not decodable.
   `end` gets the offset behind the body. */
static bool reference_chunks(const uint8_t *data, size_t size, record *out, size_t *end)
{
    size_t at = 0;
    for (;;) {
        uint64_t n = 0;
        unsigned digits = 0;
        while (at < size && osb__hex_digit(data[at]) < 16 && digits < 16) {
            n = n << 4 | osb__hex_digit(data[at++]);
            digits++;
        }
        while (at < size && data[at] != '\n') at++;
        if (at++ >= size || digits == 0) return false;
        if (n == 0) break;
        if (n > size - at || size - at - n < 2) return false;
        record_bytes(out, data + at, (size_t)n);
        at += (size_t)n + 2;
    }
    for (;;) { /* trailers */
        size_t from = at;
        while (at < size && data[at] != '\n') at++;
        if (at++ >= size) return false;
        if (at - from <= 2) break;
    }
    *end = at;
    return true;
}

/* Where the head of the answer proper ends, behind any 1xx ones; 0: nowhere. */
static size_t head_size(const uint8_t *data, size_t size)
{
    size_t at, line = 0, start = 0;
    for (at = 0; at < size; at++) {
        if (data[at] != '\n') continue;
        if (at == line || (at == line + 1 && data[line] == '\r')) {
            if (size - start < 12 || data[start + 9] != '1') return at + 1;
            start = at + 1;
        }
        line = at + 1;
    }
    return 0;
}

/* The body that the library handed out is the one that stands in the input. */
static void check_body(const osb_client *c, const feed *f, const record *body)
{
    size_t head = head_size(f->data, f->size), end = 0;
    record expected = {0};
    CHECK(head > 0);
    if (c->http.framing == OSB__CHUNKED) {
        CHECK(reference_chunks(f->data + head, f->size - head, &expected, &end));
        check_same(&expected, body, "the body is not what its chunks say");
    } else {
        CHECK(body->size <= f->size - head);
        CHECK(body->size == 0 || memcmp(body->data, f->data + head, body->size) == 0);
        if (c->http.framing == OSB__UNTIL_CLOSE) CHECK(body->size == f->size - head);
    }
    record_free(&expected);
}

static void receive(void *setup, feed *f, record *out)
{
    http_run *run = (http_run *)setup;
    osb_execution execution;
    osb_sandbox_info info;
    osb_request request;
    uint64_t cursor = 0;
    osb_client c;
    osb_status status;
    memset(&execution, 0, sizeof execution);
    memset(&info, 0, sizeof info);
    memset(&request, 0, sizeof request);
    request.method = run->head ? "HEAD" : NULL;
    feed_client(&c, f, run->memory_size);
    c.call.op = run->op;
    c.call.body = &request;
    c.call.on_data = on_data;
    c.call.user = &run->body;
    c.call.own = &execution;
    c.call.answer = run->op->answer != NULL ? (void *)&info : (void *)&cursor;
    if ((run->op->flags & OSB__EVENTS) != 0) c.call.answer = osb__alloc(&c, sizeof(osb_event));
    osb__begin_receiving(&c);
    status = feed_run(&c);
    record_outcome(out, &c, status);
    /* Of a stream's rest only so much is read as is there: whether that was all depends on the cuts. */
    if (!c.ended) record_number(out, "keep_alive", c.whole && c.http.keep_alive);
    record_number(out, "cursor", cursor);
    record_number(out, "date", c.date_s);
    if (run->head) CHECK(run->body.size == 0);
    if (status == OSB_OK && run->op->name == NULL && !run->head && c.http.status != 204 &&
        c.http.status != 304) {
        check_body(&c, f, &run->body);
        record_view(out, "body", (osb_str){run->body.data, run->body.size});
    }
    record_free(&run->body);
    free(c.buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const osb__op raw = {NULL, NULL, NULL, NULL, NULL, OSB__DATA};
    const osb__op *const ops[] = {&raw, &osb__op_logs, &osb__op_get, &osb__op_run, &osb__op_kill};
    http_run run;
    input in;
    unsigned which;
    uint32_t seed;
    in.data = data;
    in.size = size;
    memset(&run, 0, sizeof run);
    which = take_byte(&in);
    run.op = ops[which % 5u];
    run.head = which == 5;
    seed = take_byte(&in);
    run.memory_size = sizeof(osb_event) + 80 + 4 * (size_t)take_byte(&in);
    feed_every_way(seed, in.data, in.size, receive, &run);
    return 0;
}
