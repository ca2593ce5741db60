/* Plays the rows of a table of faults: each one in every delivery and variant of the client, and
   checks after each what FAULTS.md says holds for all. */
#ifndef TESTS_FAULTS_CASES_H
#define TESTS_FAULTS_CASES_H

#include "tests/faults/client.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <cmocka.h>

/* One row: what the server does, and what the caller gets. */
typedef struct fault {
    const char *id;   /* its row in FAULTS.md */
    const call *call; /* NULL: both get and run */
    osb_status status;
    const char *says;     /* lines that the outcome must have; with a ! in front: must not have */
    bool kept;            /* a good call comes first, and the script begins on its connection */
    uint32_t idle_ms;     /* for so long after it */
    int32_t elapsed_ms;   /* what the call takes; -1: not looked at */
    int requests;         /* how many the server gets; 0: one; -1: not looked at */
    unsigned connections; /* how many are made, the next call's among them; 0: not looked at */
    const char *asks;     /* lines that the server's list of requests must have, or with a ! not */
    uint32_t drip_ms;     /* sent byte by byte, with a pause behind each one */
    bool large;           /* not cut byte by byte, and not at every offset */
    bool huge;            /* delivered whole, once in each mode */
    const route *routes;  /* for calls of several requests */
    step steps[12];
} fault;

/* ---- results ---------------------------------------------------------------------------------*/

typedef struct result {
    const char *id;
    unsigned long tried, survived, bytes, lost;
} result;

static result results[160];
static size_t result_count;
static unsigned shown; /* failures of the test at hand, of which only the first are printed */

SUPPORT void count_result(const char *id, bool survived, size_t bytes, size_t lost)
{
    size_t i = 0;
    while (i < result_count && strcmp(results[i].id, id) != 0) i++;
    if (i == result_count) results[result_count++].id = id;
    results[i].tried++;
    results[i].survived += survived;
    results[i].bytes += bytes;
    results[i].lost += lost;
}

/* Leaves the results for collect.py. */
SUPPORT void write_results(const char *program)
{
    char path[256];
    const char *name = strrchr(program, '/');
    FILE *file;
    size_t i;
    mkdir("build", 0777);
    mkdir("build/faults", 0777);
    snprintf(path, sizeof path, "build/faults/%s.tsv", name != NULL ? name + 1 : program);
    file = fopen(path, "w");
    if (file == NULL) return;
    for (i = 0; i < result_count; i++)
        fprintf(file, "%s\t%lu\t%lu\t%lu\t%lu\n", results[i].id, results[i].tried,
                results[i].survived, results[i].bytes, results[i].lost);
    fclose(file);
}

/* ---- how much is tried -----------------------------------------------------------------------*/

/* valgrind is slow: it gets a sample. FAULTS_FULL=1: everything. */
static enum { SAMPLE, USUAL, FULL } depth = USUAL;

static const char *now_playing = "";

static void on_alarm(int number)
{
    (void)number;
    fprintf(stderr, "no end of: %s\n", now_playing);
    abort();
}

SUPPORT void begin_program(const char *program)
{
    if (strstr(program, "/valgrind/") != NULL) depth = SAMPLE;
    if (getenv("FAULTS_FULL") != NULL) depth = FULL;
    signal(SIGALRM, on_alarm);
}

SUPPORT size_t open_files(void)
{
    DIR *files = opendir("/proc/self/fd");
    size_t count = 0;
    if (files == NULL) return 0;
    while (readdir(files) != NULL) count++;
    closedir(files);
    return count;
}

/* ---- one play --------------------------------------------------------------------------------*/

static const char *const cut_names[] = {"whole", "byte by byte", "random", "cut at"};
static const char *const framing_names[] = {"by length", "chunked", "until close"};

SUPPORT void show_failure(const fault *x, const call *c, const variant *v, const delivery *how,
                          const char *what, const struct text *outcome)
{
    size_t i;
    if (shown++ >= 5) return;
    fprintf(stderr, "%s, %s, %s, %s, %s at %lu seed %lu: %s\n", x->id, c->name, v->name,
            framing_names[how->framing], cut_names[how->cut], (unsigned long)how->at,
            (unsigned long)how->seed, what);
    for (i = 0; i < sizeof x->steps / sizeof x->steps[0]; i++)
        if (x->steps[i].text != NULL) fprintf(stderr, "  sends: %.160s\n", x->steps[i].text);
    if (outcome->size > 0) fprintf(stderr, "  outcome:\n%.2000s", outcome->data);
}

SUPPORT bool has_line(const struct text *outcome, const char *line, size_t size)
{
    const char *at = outcome->data;
    while (at != NULL && *at != '\0') {
        size_t n = strcspn(at, "\n");
        if (n == size && memcmp(at, line, n) == 0) return true;
        at += n + (at[n] == '\n');
    }
    return false;
}

/* Whether the outcome has all the lines that it must have and none that it must not have. */
SUPPORT bool says(const struct text *outcome, const char *lines)
{
    while (lines != NULL && *lines != '\0') {
        size_t n = strcspn(lines, "\n");
        bool not = *lines == '!';
        if (has_line(outcome, lines + not, n - not ) == not ) return false;
        lines += n + (lines[n] == '\n');
    }
    return true;
}

/* Lets the server do on its own what it does between two calls. */
SUPPORT void idle(fixture *f, uint32_t ms)
{
    while (server_step(f->server)) {
    }
    f->clock_ms += ms;
}

SUPPORT void begin_script(fixture *f, const fault *x, const delivery *how)
{
    server *s = f->server;
    bool warm = !x->kept || fixture_works(f, "warm");
    if (!warm) fprintf(stderr, "%s: the first call does not work\n", x->id);
    text_clear(&s->requests);
    s->request_count = 0;
    s->how = *how;
    s->random = how->seed;
    s->routes = x->routes;
    if (x->routes == NULL) s->script = x->steps;
    if (x->kept && s->newest != NULL) {
        s->newest->first = server_next_script(s);
        peer_begin(s->newest, s->newest->first);
    }
    if (x->kept) idle(f, x->idle_ms);
}

/* What is wrong with the call's outcome; NULL: nothing. */
SUPPORT const char *judge(const fixture *f, const fault *x, const call *c, osb_status status)
{
    const struct text *lines = &f->record.lines;
    unsigned requests = x->requests == 0 ? 1 : (unsigned)x->requests;
    if (status != x->status) return osb_status_name(x->status);
    if (!says(lines, x->says)) return x->says;
    if (status == OSB_OK && c == &call_get && !has_line(lines, "id 7f", 5)) return "the id is lost";
    if (f->record.misuse.size > 0) return f->record.misuse.data;
    if (x->elapsed_ms >= 0 && f->waited_ms != (uint64_t)x->elapsed_ms) return "takes another time";
    if (!says(&f->server->requests, x->asks)) return x->asks;
    if (f->tcp.fd >= 0 && !f->client.alive) return "a connection of no use stays open";
    if (x->requests >= 0 && f->server->request_count != requests)
        return "another number of requests";
    return NULL;
}

/* Plays a fault once; the outcome is left in `outcome`. True: all is as it must be. */
SUPPORT bool play(server *s, const fault *x, const call *c, const variant *v, const delivery *how,
                  struct text *outcome)
{
    static fixture f;
    const char *wrong;
    static char note[80];
    size_t connections;
    now_playing = x->id;
    alarm(60);
    fixture_open(&f, s, v);
    begin_script(&f, x, how);
    wrong = judge(&f, x, c, fixture_call(&f, c));
    text_clear(outcome);
    text_add(outcome, f.record.lines.data, f.record.lines.size);
    idle(&f, 0);
    s->how.ending = STEP_END;
    s->routes = NULL;
    if (!fixture_works(&f, "next") && wrong == NULL) {
        snprintf(note, sizeof note, "the next call does not work: %s",
                 osb_status_name(osb_last_error(&f.client)->status));
        wrong = note;
    }
    connections = s->accepted;
    if (x->connections != 0 && connections != x->connections && wrong == NULL)
        wrong = "another number of connections";
    if (fixture_close_all(&f) != 0 && wrong == NULL) wrong = "a connection is left open";
    alarm(0);
    if (wrong != NULL) show_failure(x, c, v, how, wrong, outcome);
    return wrong == NULL;
}

/* Plays a fault in one delivery and compares the outcome with that of the whole one. */
SUPPORT bool play_again(server *s, const char *id, const fault *x, const call *c, const variant *v,
                        const delivery *how, const struct text *reference)
{
    static struct text outcome;
    bool good = play(s, x, c, v, how, &outcome);
    bool same =
        outcome.size == reference->size && memcmp(outcome.data, reference->data, outcome.size) == 0;
    size_t lost = same || outcome.size >= reference->size ? 0 : reference->size - outcome.size;
    if (good && !same) {
        show_failure(x, c, v, how, "another outcome than when it came whole", &outcome);
        fprintf(stderr, "  whole:\n%.2000s", reference->data);
    }
    count_result(id, good && same, outcome.size, lost);
    return good && same;
}

SUPPORT bool has_answer(const fault *x)
{
    size_t i, n = sizeof x->steps / sizeof x->steps[0];
    for (i = 0; i < n; i++)
        if (x->steps[i].kind == STEP_ANSWER) return true;
    return false;
}

/* All cuts of one framing in one variant but those at every offset. */
SUPPORT bool play_cuts(server *s, const fault *x, const call *c, const variant *v,
                       enum framing framing, const struct text *reference)
{
    static const unsigned random_cuts[] = {1, 3, 12};
    bool good = true;
    unsigned i;
    delivery how;
    memset(&how, 0, sizeof how);
    how.framing = framing;
    how.seed = 1;
    if (framing != BY_LENGTH) good = play_again(s, x->id, x, c, v, &how, reference) && good;
    how.cut = CUT_BYTES;
    if (!x->large) good = play_again(s, "split-bytes", x, c, v, &how, reference) && good;
    how.cut = CUT_RANDOM;
    for (i = 0; i < random_cuts[depth]; i++) {
        how.seed = 7919u * i + 17u;
        good = play_again(s, "split-random", x, c, v, &how, reference) && good;
    }
    return good;
}

/* Cut once, at every offset; the variants take turns, or in a full run all of them do it. */
SUPPORT bool play_offsets(server *s, const fault *x, const call *c, size_t total, size_t memory,
                          const struct text *reference)
{
    static const size_t steps[] = {61, 3, 1};
    bool good = true;
    delivery how;
    memset(&how, 0, sizeof how);
    how.cut = CUT_AT;
    how.seed = 1;
    for (how.at = 1; how.at < total; how.at += steps[depth]) {
        size_t i;
        for (i = 0; i < VARIANTS; i++)
            if (variants[i].memory_size == memory && (depth == FULL || i % 2 == how.at % 2))
                good = play_again(s, "split-two", x, c, &variants[i], &how, reference) && good;
    }
    return good;
}

/* How many bytes a script sends, about 40 of them for a head that the server makes up. */
SUPPORT size_t script_bytes(const fault *x)
{
    size_t total = 0, i;
    for (i = 0; i < sizeof x->steps / sizeof x->steps[0]; i++) {
        const step *at = &x->steps[i];
        if (at->kind == STEP_SEND) total += at->size * at->number;
        if (at->kind == STEP_ANSWER) total += at->size + 40;
    }
    return total;
}

/* A row with one buffer size, in both modes and all deliveries. */
SUPPORT bool play_size(server *s, const fault *x, const call *c, size_t first)
{
    static struct text reference;
    const variant *v = &variants[first];
    enum framing framing, last = has_answer(x) ? UNTIL_CLOSE : BY_LENGTH;
    bool good;
    size_t i;
    delivery whole;
    memset(&whole, 0, sizeof whole);
    whole.seed = 1;
    whole.cut = x->drip_ms > 0 ? CUT_BYTES : CUT_NOT;
    whole.drip_ms = x->drip_ms;
    good = play(s, x, c, v, &whole, &reference);
    count_result(x->id, good, reference.size, 0);
    if (!good) return false;
    good = play_again(s, x->id, x, c, v + 1, &whole, &reference);
    if (x->drip_ms > 0 || x->huge) return good;
    for (i = 0; i < (depth == SAMPLE ? 1 : 2); i++)
        for (framing = BY_LENGTH; framing <= last; framing++)
            good = play_cuts(s, x, c, v + i, framing, &reference) && good;
    if (!x->large && first == 0)
        good = play_offsets(s, x, c, script_bytes(x), v->memory_size, &reference) && good;
    return good;
}

SUPPORT bool play_fault(server *s, const fault *x)
{
    const call *calls[2];
    size_t count = 1, i, first;
    bool good = true;
    calls[0] = x->call != NULL ? x->call : &call_get;
    if (x->call == NULL) calls[count++] = &call_run;
    if (x->huge && depth == SAMPLE) return true;
    for (i = 0; i < count; i++)
        for (first = 0; first < (depth == SAMPLE || x->huge ? 2u : VARIANTS); first += 2)
            good = play_size(s, x, calls[i], first) && good;
    return good;
}

/* ---- tests -----------------------------------------------------------------------------------*/

/* Rows of one id: one test. */
typedef struct group {
    const fault *first;
    size_t count;
} group;

static void test_group(void **state)
{
    const group *g = (const group *)*state;
    size_t files = open_files(), i;
    bool good = true;
    uint32_t no_clock = 0;
    server s;
    shown = 0;
    server_open(&s, &no_clock);
    for (i = 0; i < g->count; i++) good = play_fault(&s, g->first + i) && good;
    server_close(&s);
    assert_true(good);
    assert_int_equal(open_files(), files);
}

/* Makes a test of each id of a table, behind those that are there; returns how many there are. */
SUPPORT size_t add_groups(const fault *faults, size_t count, group *groups,
                          struct CMUnitTest *tests, size_t used)
{
    size_t i;
    for (i = 0; i < count; i++) {
        if (i > 0 && strcmp(faults[i].id, faults[i - 1].id) == 0) {
            groups[used - 1].count++;
            continue;
        }
        groups[used].first = &faults[i];
        groups[used].count = 1;
        memset(&tests[used], 0, sizeof tests[used]);
        tests[used].name = faults[i].id;
        tests[used].test_func = test_group;
        tests[used].initial_state = &groups[used];
        used++;
    }
    return used;
}

#define MOST_GROUPS 160

/* A whole program: the tests of a table, and the results left behind. */
SUPPORT int run_table(const char *program, const char *name, const fault *faults, size_t count)
{
    static group groups[MOST_GROUPS];
    static struct CMUnitTest tests[MOST_GROUPS];
    size_t used;
    int failed;
    begin_program(program);
    used = add_groups(faults, count, groups, tests, 0);
    failed = _cmocka_run_group_tests(name, tests, used, NULL, NULL);
    if (depth != SAMPLE) write_results(program);
    return failed;
}

#endif
