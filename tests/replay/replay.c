/* Replays every transcript in tests/transcripts: whole, byte by byte, split at every offset, with
   "try later" at each I/O call, with small sends, in blocking and poll mode, with three sizes of the
   working buffer, aligned or not. The outcome must always be the one in the transcript.

   By default the full product is sampled; REPLAY_FULL=1 plays all of it, REPLAY_QUICK=1 a smaller
   sample, as under valgrind. REPLAY_PRINT=1 shows the outcomes instead of comparing them with the
   transcript; REPLAY_ONLY=name plays one. REPLAY_PEAKS=1 shows how much of the buffer each call that
   ends well needed. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "tests/replay/calls.h"

/* One way to play a transcript. */
typedef struct variant {
    script_cut cut;
    size_t cut_at, later_at, send_limit;
    bool later_always, poll_mode, unaligned;
    unsigned size; /* index of the buffer's size */
    uint32_t seed;
} variant;

static bool full, printing, quick, measuring;
static unsigned long replays;

static void describe(const variant *v, size_t size)
{
    print_error("cut %d at %lu, later at %ld%s, sends of %lu, %s mode, %lu bytes%s, seed %lu\n",
                v->cut, (unsigned long)v->cut_at, (long)v->later_at,
                v->later_always ? " always" : "", (unsigned long)v->send_limit,
                v->poll_mode ? "poll" : "blocking", (unsigned long)size,
                v->unaligned ? " unaligned" : "", (unsigned long)v->seed);
}

static void set_up_port(script_port *port, const variant *v)
{
    script_rewind(port);
    port->cut = v->cut;
    port->cut_at = v->cut_at;
    port->later_at = v->later_at;
    port->later_always = v->later_always;
    port->send_limit = v->send_limit;
    port->seed = v->seed;
}

static void set_up_client(scene *s, const transcript *t, const variant *v, void *memory,
                          size_t size)
{
    const transcript_block *block = &t->config;
    osb_config config = {0};
    config.port = script_as_port(s->port);
    config.memory = memory;
    config.memory_size = size;
    config.domain = transcript_get(block, "domain");
    config.api_key = transcript_get(block, "api_key");
    config.user_agent = "t";
    config.https = transcript_has(block, "https");
    config.use_server_proxy = transcript_has(block, "use_server_proxy");
    config.headers = transcript_get_pairs(block, "header", &s->pairs[5]);
    config.header_count = s->pairs[5].count;
    config.connect_timeout_ms = transcript_number(block, "connect_timeout_ms");
    config.request_timeout_ms = transcript_number(block, "request_timeout_ms");
    config.idle_timeout_ms = transcript_number(block, "idle_timeout_ms");
    config.poll_mode = v->poll_mode;
    s->port->unix_time = transcript_number(block, "unix_time");
    assert_int_equal(osb_client_init(&s->client, &config), OSB_OK);
}

static void set_up_endpoint(osb_endpoint *endpoint, const transcript_block *block,
                            const char *address, const char *header, transcript_pairs *pairs)
{
    const char *value = transcript_get(block, address);
    size_t i, used = 0;
    snprintf(endpoint->address, sizeof endpoint->address, "%s", value != NULL ? value : "");
    endpoint->https = transcript_has(block, "https");
    transcript_get_pairs(block, header, pairs);
    for (i = 0; i < pairs->count; i++) {
        used += (size_t)sprintf(endpoint->headers + used, "%s", pairs->pair[i].name) + 1;
        used += (size_t)sprintf(endpoint->headers + used, "%s", pairs->pair[i].value) + 1;
    }
}

static void set_up_box(scene *s, const transcript *t)
{
    const char *id = transcript_get(&t->box, "id"), *isolated = transcript_get(&t->box, "isolated");
    s->box.client = &s->client;
    snprintf(s->box.id, sizeof s->box.id, "%s", id != NULL ? id : "");
    s->box.isolated = isolated;
    set_up_endpoint(&s->box.execd, &t->box, "execd", "header", &s->pairs[4]);
    s->egress.client = &s->client;
    s->egress.execd = &s->box.execd;
    s->egress.allow_execd_route = transcript_has(&t->box, "allow_execd_route");
    set_up_endpoint(&s->egress.endpoint, &t->box, "egress", "egress_header", &s->pairs[4]);
}

static void compare(const transcript *t, const scene *s, const variant *v,
                    const struct text *expected)
{
    size_t size = s->client.config.memory_size;
    if (s->r.misuse.size > 0) {
        describe(v, size);
        print_error("%s: %s: %s\n", t->name, s->call->name, s->r.misuse.data);
        fail();
    }
    if (strcmp(s->r.lines.data, expected->data) == 0) return;
    describe(v, size);
    print_error("%s: outcome of %s:\n%sinstead of:\n%s", t->name, s->call->name, s->r.lines.data,
                expected->data);
    if (t->port.misuse.size > 0) print_error("%s\n", t->port.misuse.data);
    fail();
}

static void print_outcome(const scene *s)
{
    const char *line = s->r.lines.data;
    fprintf(stderr, "call %s\n", s->call->name);
    while (*line != '\0') {
        size_t n = strcspn(line, "\n");
        fprintf(stderr, "= %.*s\n", (int)n, line);
        line += n + 1;
    }
}

static void print_peak(scene *s, const struct text *expected)
{
    size_t size = expected->size, end = sizeof "OSB_OK\n" - 1;
    if (size >= end && strcmp(expected->data + size - end, "OSB_OK\n") == 0)
        fprintf(stderr, "peak %s %lu\n", s->call->name, (unsigned long)osb_buffer_peak(&s->client));
    s->client.spare = s->client.config.memory_size;
}

/* Plays the transcript once; returns how many I/O calls that took. */
static size_t replay(transcript *t, const variant *v)
{
    static scene s;
    size_t i, calls, size = t->sizes[v->size];
    unsigned char *block = (unsigned char *)malloc(size + (v->unaligned ? 1 : 0));
    const char *complaint;
    assert_non_null(block);
    memset(&s, 0, sizeof s);
    s.port = &t->port;
    set_up_port(s.port, v);
    set_up_client(&s, t, v, block + (v->unaligned ? 1 : 0), size);
    set_up_box(&s, t);
    for (i = 0; i < t->call_count; i++) {
        recorder_clear(&s.r);
        scene_make_call(&s, &t->calls[i]);
        if (printing) print_outcome(&s);
        else compare(t, &s, v, &t->calls[i].expected);
        if (measuring) print_peak(&s, &t->calls[i].expected);
    }
    osb_client_close(&s.client);
    calls = s.port->calls;
    complaint = script_complaint(s.port);
    if (complaint != NULL) {
        describe(v, size);
        print_error("%s: %s\n", t->name, complaint);
        if (!printing) fail();
    }
    recorder_clear(&s.r);
    free(block);
    replays++;
    return calls;
}

static variant plain(void)
{
    variant v = {0};
    v.later_at = SCRIPT_NEVER;
    v.seed = 1;
    return v;
}

/* The environments that every way of cutting meets: mode, buffer, alignment. */
#define ENVIRONMENTS 12u

static void set_environment(variant *v, unsigned number)
{
    v->poll_mode = number % 2 != 0;
    v->size = number / 2 % 3;
    v->unaligned = number / 6 % 2 != 0;
}

static void replay_in_all(transcript *t, const variant *v)
{
    unsigned i;
    for (i = 0; i < ENVIRONMENTS; i++) {
        variant now = *v;
        set_environment(&now, i);
        replay(t, &now);
    }
}

/* The same, or where it must be quick four of them, others for each transcript: in both modes, aligned
   and not. */
static void replay_in_most(transcript *t, const variant *v)
{
    unsigned i;
    if (!quick) {
        replay_in_all(t, v);
        return;
    }
    for (i = 0; i < 4; i++) {
        variant now = *v;
        set_environment(&now, (unsigned)(t->response_bytes + i * 5) % ENVIRONMENTS);
        replay(t, &now);
    }
}

/* In all environments, or in one after the other; of very many turns only some, spread evenly. */
static void replay_in_some(transcript *t, const variant *v, size_t turn, size_t turns)
{
    size_t most = quick ? 6 : v->cut == CUT_BYTES ? 60 : 1500;
    variant now = *v;
    if (full) most = v->cut == CUT_BYTES ? 500 : turns;
    if (turns > most && turn * most / turns == (turn + 1) * most / turns) return;
    if (full) {
        replay_in_all(t, v);
        return;
    }
    set_environment(&now, (unsigned)(turn * 7 % ENVIRONMENTS));
    replay(t, &now);
}

static void replay_cuts(transcript *t)
{
    variant v = plain();
    size_t at;
    v.cut = CUT_AT;
    for (at = 1; at < t->response_bytes; at++) {
        v.cut_at = at;
        replay_in_some(t, &v, at, t->response_bytes);
    }
}

/* "Try later" once, at each I/O call in turn. */
static void replay_later(transcript *t, script_cut cut, size_t send_limit)
{
    variant v = plain();
    size_t at, calls;
    v.cut = cut;
    v.send_limit = send_limit;
    calls = replay(t, &v);
    for (at = 0; at < calls; at++) {
        v.later_at = at;
        replay_in_some(t, &v, at, calls);
    }
}

static void replay_random(transcript *t)
{
    static const size_t limits[] = {0, 1, 7, 100};
    uint32_t seed, count = full ? 2000 : quick ? 3 : 100;
    for (seed = 1; seed <= count; seed++) {
        variant v = plain();
        v.cut = CUT_RANDOM;
        v.seed = seed * 7919u;
        v.send_limit = limits[seed % 4];
        v.later_always = seed % 3 == 0;
        set_environment(&v, seed % ENVIRONMENTS);
        replay(t, &v);
    }
}

static void test_transcript(void **state)
{
    transcript t;
    variant v = plain();
    transcript_read(&t, (const char *)*state);
    if (t.call_count == 0) transcript_fail(&t, "no call");
    if (measuring) v.size = 2;
    if (printing || measuring) {
        replay(&t, &v);
        transcript_free(&t);
        return;
    }
    replay_in_all(&t, &v);
    v.cut = CUT_BYTES;
    replay_in_most(&t, &v);
    v.later_always = true;
    v.send_limit = 1;
    replay_in_most(&t, &v);
    replay_cuts(&t);
    replay_later(&t, CUT_WHOLE, 0);
    replay_later(&t, CUT_WHOLE, 13);
    if (!quick) replay_later(&t, CUT_BYTES, 0);
    replay_random(&t);
    transcript_free(&t);
}

static int is_transcript(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    const char *only = getenv("REPLAY_ONLY");
    if (dot == NULL || strcmp(dot, ".txt") != 0) return 0;
    return only == NULL || strncmp(entry->d_name, only, strlen(only)) == 0;
}

/* One test for each file. */
static int run_directory(const char *directory)
{
    struct dirent **names;
    int count = scandir(directory, &names, is_transcript, alphasort), i, failed;
    struct CMUnitTest *tests;
    if (count <= 0) {
        fprintf(stderr, "%s has no transcripts\n", directory);
        return 2;
    }
    tests = (struct CMUnitTest *)calloc((size_t)count, sizeof *tests);
    if (tests == NULL) abort();
    for (i = 0; i < count; i++) {
        struct text path = {0};
        text_print(&path, "%s/%s", directory, names[i]->d_name);
        tests[i].name = names[i]->d_name;
        tests[i].test_func = test_transcript;
        tests[i].initial_state = path.data;
    }
    failed = _cmocka_run_group_tests("transcripts", tests, (size_t)count, NULL, NULL);
    printf("# %d transcripts, replayed %lu times\n", count, replays);
    for (i = 0; i < count; i++) {
        free(tests[i].initial_state);
        free(names[i]);
    }
    free(names);
    free(tests);
    return failed;
}

int main(int argc, char **argv)
{
    (void)argc;
    full = getenv("REPLAY_FULL") != NULL;
    printing = getenv("REPLAY_PRINT") != NULL;
    measuring = getenv("REPLAY_PEAKS") != NULL;
    /* Valgrind takes thirty times as long, an emulator ten times. */
    quick = strstr(argv[0], "valgrind") != NULL || getenv("REPLAY_QUICK") != NULL;
    return run_directory("tests/transcripts");
}
