/* Code interpreter, bash sessions and metrics. */
#define LEAST_MEMORY 2048
#include "e2e.h"

/* ---- what a run hands out --------------------------------------------------------------------*/

/* The results of a run by MIME type, each as "type: text\n", and its traceback. */
struct results {
    char text[2048], traceback[2048];
    char init[OSB_ID_SIZE];
    size_t bytes; /* of all results */
    uint32_t hash;
    unsigned results, errors;
    bool inside, inside_line;
};

static void append(char *text, size_t size, osb_str more)
{
    size_t used = strlen(text);
    if (more.size > size - 1 - used) more.size = size - 1 - used;
    memcpy(text + used, more.data, more.size);
    text[used + more.size] = '\0';
}

static int add_init(void *user, const osb_event *event)
{
    struct results *all = (struct results *)user;
    append(all->init, sizeof all->init, event->text);
    return 0;
}

static int add_result(void *user, const osb_event *event)
{
    static const osb_str colon = {": ", 2}, end = {"\n", 1};
    struct results *all = (struct results *)user;
    size_t i;
    if (!all->inside) {
        append(all->text, sizeof all->text, event->key);
        append(all->text, sizeof all->text, colon);
    }
    append(all->text, sizeof all->text, event->text);
    for (i = 0; i < event->text.size; i++)
        all->hash = (all->hash ^ (unsigned char)event->text.data[i]) * 16777619u;
    all->bytes += event->text.size;
    all->inside = event->more;
    if (event->more) return 0;
    append(all->text, sizeof all->text, end);
    all->results++;
    return 0;
}

static int add_traceback(void *user, osb_str line, bool more)
{
    static const osb_str end = {"\n", 1};
    struct results *all = (struct results *)user;
    assert_int_equal(all->errors, 0); /* the traceback comes before its error */
    append(all->traceback, sizeof all->traceback, line);
    if (!more) append(all->traceback, sizeof all->traceback, end);
    return 0;
}

static int add_error(void *user, const osb_event *event)
{
    struct results *all = (struct results *)user;
    if (!event->more) all->errors++;
    return 0;
}

static void init_handlers(osb_handlers *handlers, struct results *all, struct outcome *o)
{
    memset(handlers, 0, sizeof *handlers);
    memset(all, 0, sizeof *all);
    all->hash = 2166136261u;
    init_outcome(o, handlers);
    handlers->user = all;
    handlers->on_init = add_init;
    handlers->on_result = add_result;
    handlers->on_traceback = add_traceback;
    handlers->on_error = add_error;
}

static void run_code(struct fixture *f, const osb_code_context *context, const char *text,
                     struct results *all, struct outcome *o)
{
    osb_code code = {.code = text, .context = context};
    osb_handlers handlers;
    if (context == NULL) code.language = OSB_LANGUAGE_PYTHON;
    init_handlers(&handlers, all, o);
    OK(f, osb_code_run(&f->box, &code, &handlers, &o->run));
    assert_true(o->run.ended);
}

/* ---- running code ----------------------------------------------------------------------------*/

static void state_lasts(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_code_context python;
    struct results all;
    struct outcome o;
    OK(f, osb_code_context_create(&f->box, OSB_LANGUAGE_PYTHON, NULL, &python));
    assert_string_equal(python.language, "python");
    run_code(f, &python, "x = 41\nprint('first')", &all, &o);
    assert_string_equal(o.out_text, "first\n");
    assert_int_equal(all.results, 0);
    run_code(f, &python, "x += 1\nx", &all, &o);
    assert_string_equal(all.text, "text: 42\n");
    assert_int_equal(o.run.execution_count, 2);
    assert_string_equal(all.init, o.run.id);
    assert_null(o.run.error_name.data);
    OK(f, osb_code_context_delete(&f->box, python.id));
}

static void default_contexts(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_code shell = {.code = "v=7", .language = OSB_LANGUAGE_BASH};
    osb_code command = {.code = "echo ${v:-unset}"};
    struct results all;
    struct outcome o;
    osb_handlers handlers;
    run_code(f, NULL, "y = 'kept'", &all, &o);
    run_code(f, NULL, "y", &all, &o);
    assert_string_equal(all.text, "text: 'kept'\n");
    init_handlers(&handlers, &all, &o);
    OK(f, osb_code_run(&f->box, &shell, &handlers, &o.run));
    shell.code = "echo $v; echo err >&2";
    init_handlers(&handlers, &all, &o);
    OK(f, osb_code_run(&f->box, &shell, &handlers, &o.run));
    assert_memory_equal(o.out_text, "7\n", 2);
    init_handlers(&handlers, &all, &o);
    OK(f, osb_code_run(&f->box, &command, &handlers, &o.run)); /* no language: a shell command */
    assert_string_equal(o.out_text, "unset\n");
    expect_exit_code(&o, 0);
    command.code = "exit 3";
    init_handlers(&handlers, &all, &o);
    OK(f, osb_code_run(&f->box, &command, &handlers, &o.run));
    expect_exit_code(&o, 3);
}

/* Each MIME type of one result; what is not a text comes as JSON as it stands. */
static void mime_types(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct results all;
    struct outcome o;
    run_code(f, NULL,
             "class R:\n"
             "    def __repr__(self): return 'R \\u20ac'\n"
             "    def _repr_html_(self): return '<b class=\"x\">&amp;</b>'\n"
             "    def _repr_json_(self): return {'a': [1, {'b': None}], 'c': 'd \"e\" \\u20ac'}\n"
             "R()",
             &all, &o);
    assert_int_equal(all.results, 3);
    assert_non_null(strstr(all.text, "text: R \xE2\x82\xAC\n"));
    assert_non_null(strstr(all.text, "text/html: <b class=\"x\">&amp;</b>\n"));
    assert_non_null(strstr(all.text, "application/json: {\"a\":[1,{\"b\":null}],\"c\":\"d "));
}

/* 5 MB of picture, 6,666,668 characters in base64, through a buffer of 2 KB. */
static void large_picture(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct results all;
    struct outcome o;
    uint32_t hash = 2166136261u;
    size_t i;
    if (variant->use_server_proxy) skip(); /* once for each mode is enough */
    run_code(f, NULL,
             "class P:\n"
             "    def __repr__(self): return ''\n"
             "    def _repr_png_(self): return b'\\x89PNG\\r\\n\\x1a\\n' + bytes(4999993)\n"
             "P()",
             &all, &o);
    assert_int_equal(all.results, 2);
    assert_int_equal(all.bytes, 6666668);
    for (i = 0; i < 6666668; i++) {
        static const char head[] = "iVBORw0KGgoA";
        char c = i < 12 ? head[i] : 'A';
        hash = (hash ^ (unsigned char)c) * 16777619u;
    }
    assert_memory_equal(all.text, "image/png: iVBORw0KGgoAAAAA", 26);
    assert_int_equal(all.hash, hash);
}

static void exceptions(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct results all;
    struct outcome o;
    run_code(f, NULL, "def g():\n    return 1 / 0\nprint('before')\ng()", &all, &o);
    assert_string_equal(o.out_text, "before\n");
    assert_true(osb_str_equal(o.run.error_name, "ZeroDivisionError"));
    assert_true(osb_str_equal(o.run.error_value, "division by zero"));
    assert_int_equal(all.errors, 1);
    assert_non_null(strstr(all.traceback, "line 2, in g"));
    assert_non_null(strstr(all.traceback, "ZeroDivisionError: division by zero"));
    assert_false(o.run.exit_code.set);
    run_code(f, NULL, "raise ValueError('v' * 3000)", &all, &o);
    assert_true(osb_str_equal(o.run.error_name, "ValueError"));
    assert_int_equal(o.run.error_value.data[o.run.error_value.size - 1], 'v');
}

static int stop_at_output(void *user, osb_stream stream, const char *data, size_t size)
{
    (void)user;
    (void)stream;
    (void)data;
    (void)size;
    return 1;
}

/* Ending the call interrupts what runs, and the context is there for the next. */
static void cancel_interrupts(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_handlers handlers = {.on_output = stop_at_output};
    osb_code endless = {.code = "import time\nz = 'still here'\nprint('go', flush=True)\n"
                                "while True: time.sleep(0.1)"};
    osb_code_context python;
    struct results all;
    struct outcome o;
    OK(f, osb_code_context_create(&f->box, OSB_LANGUAGE_PYTHON, NULL, &python));
    endless.context = &python;
    EXPECT(OSB_E_CANCELLED, f, osb_code_run(&f->box, &endless, &handlers, &o.run));
    sleep_ms(300);
    run_code(f, &python, "z", &all, &o);
    assert_string_equal(all.text, "text: 'still here'\n");
}

static void interrupt(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_handlers handlers = {.on_output = stop_at_output};
    osb_code endless = {.code = "import time\nprint('go', flush=True)\n"
                                "while True: time.sleep(0.1)",
                        .keep_running = true};
    osb_code next = {.code = "'free'"};
    osb_code_context python;
    struct results all;
    struct outcome o;
    OK(f, osb_code_context_create(&f->box, OSB_LANGUAGE_PYTHON, NULL, &python));
    endless.context = next.context = &python;
    EXPECT(OSB_E_CANCELLED, f, osb_code_run(&f->box, &endless, &handlers, &o.run));
    EXPECT(OSB_E_STREAM, f, osb_code_run(&f->box, &next, NULL, &o.run));
    assert_non_null(strstr(error_text(f), "busy"));
    OK(f, osb_code_interrupt(&f->box, python.id));
    sleep_ms(300);
    run_code(f, &python, "'free'", &all, &o);
    assert_string_equal(all.text, "text: 'free'\n");
}

static void unknown_context(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_code_context context = {"no-such-context", "python", {NULL, 0}};
    osb_code code = {.code = "1", .context = &context};
    osb_execution run;
    EXPECT(OSB_E_API, f, osb_code_run(&f->box, &code, NULL, &run));
    assert_int_equal(osb_last_error(&f->client)->http_status, 500);
    assert_non_null(strstr(error_text(f), "context not found"));
    EXPECT(OSB_E_NOT_FOUND, f, osb_code_context_get(&f->box, context.id, &context));
    EXPECT(OSB_E_NOT_FOUND, f, osb_code_context_delete(&f->box, "no-such-context"));
}

/* ---- contexts --------------------------------------------------------------------------------*/

struct contexts {
    char text[512];
    unsigned count;
};

static int add_context(void *user, const osb_code_context *context)
{
    struct contexts *all = (struct contexts *)user;
    strcat(all->text, context->language);
    strcat(all->text, " ");
    assert_int_equal(strlen(context->id), 36);
    all->count++;
    return 0;
}

static void contexts_by_language(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_code_context python, other, bash, back;
    struct contexts all;
    struct results results;
    struct outcome o;
    OK(f, osb_code_context_create(&f->box, OSB_LANGUAGE_PYTHON, "some/where", &python));
    assert_true(osb_str_equal(python.cwd, "some/where"));
    OK(f, osb_code_context_create(&f->box, OSB_LANGUAGE_PYTHON, NULL, &other));
    OK(f, osb_code_context_create(&f->box, OSB_LANGUAGE_BASH, NULL, &bash));
    run_code(f, &python, "import os; os.getcwd().endswith('/some/where')", &results, &o);
    assert_string_equal(results.text, "text: True\n");
    OK(f, osb_code_context_get(&f->box, bash.id, &back));
    assert_string_equal(back.id, bash.id);
    assert_string_equal(back.language, "bash");
    memset(&all, 0, sizeof all);
    OK(f, osb_code_context_list(&f->box, NULL, add_context, &all));
    assert_int_equal(all.count, 3);
    memset(&all, 0, sizeof all);
    OK(f, osb_code_context_list(&f->box, OSB_LANGUAGE_BASH, add_context, &all));
    assert_string_equal(all.text, "bash ");
    OK(f, osb_code_context_delete(&f->box, python.id));
    OK(f, osb_code_context_delete_all(&f->box, OSB_LANGUAGE_PYTHON));
    memset(&all, 0, sizeof all);
    OK(f, osb_code_context_list(&f->box, NULL, add_context, &all));
    assert_string_equal(all.text, "bash ");
}

/* ---- bash sessions ---------------------------------------------------------------------------*/

static void run_in(struct fixture *f, const char *id, const osb_session_command *command,
                   struct outcome *o)
{
    osb_handlers handlers = {0};
    init_outcome(o, &handlers);
    OK(f, osb_session_run(&f->box, id, command, &handlers, &o->run));
}

static void session(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_session_command first = {.command = "export A=5; mkdir -p sub; cd sub; false"};
    osb_session_command second = {.command = "echo $A ${PWD##*/}; echo err >&2"};
    osb_session_command elsewhere = {.command = "echo ${PWD}", .cwd = "/tmp"};
    osb_session bash;
    struct outcome o;
    OK(f, osb_session_create(&f->box, "made/for/it", &bash));
    run_in(f, bash.id, &first, &o);
    expect_exit_code(&o, 1);
    run_in(f, bash.id, &second, &o);
    expect_exit_code(&o, 0);
    assert_string_equal(o.out_text, "5 sub\nerr\n");
    run_in(f, bash.id, &elsewhere, &o);
    assert_string_equal(o.out_text, "/tmp\n");
    elsewhere.cwd = NULL;
    run_in(f, bash.id, &elsewhere, &o);
    assert_string_equal(o.out_text, "/tmp\n"); /* it stays there */
    OK(f, osb_session_delete(&f->box, bash.id));
    EXPECT(OSB_E_NOT_FOUND, f, osb_session_delete(&f->box, bash.id));
    EXPECT(OSB_E_API, f, osb_session_run(&f->box, bash.id, &second, NULL, &o.run));
    assert_int_equal(osb_last_error(&f->client)->http_status, 500);
}

static void session_times_out(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_session_command endless = {.command = "echo begun; while :; do sleep 0.1; done",
                                   .timeout_ms = 300};
    osb_session_command after = {.command = "echo again"};
    osb_handlers handlers = {0};
    osb_session bash;
    struct outcome o;
    OK(f, osb_session_create(&f->box, NULL, &bash));
    init_outcome(&o, &handlers);
    EXPECT(OSB_E_STREAM, f, osb_session_run(&f->box, bash.id, &endless, &handlers, &o.run));
    assert_true(o.run.timed_out);
    assert_false(o.run.exit_code.set);
    assert_string_equal(o.out_text, "begun\n");
    run_in(f, bash.id, &after, &o);
    assert_string_equal(o.out_text, "again\n");
}

/* ---- metrics ---------------------------------------------------------------------------------*/

static void metrics(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_metrics now;
    OK(f, osb_metrics_get(&f->box, &now));
    assert_true(now.timestamp_ms > INT64_C(1600000000000));
    assert_true(now.cpu_count_milli >= 1000);
    assert_true(now.cpu_used_pct_milli >= 0 && now.cpu_used_pct_milli <= 100000);
    assert_true(now.mem_total_mib_milli > now.mem_used_mib_milli);
    assert_true(now.mem_used_mib_milli > 0);
    assert_null(now.error.data);
}

struct watched {
    int64_t last_ms;
    unsigned times, wanted;
};

static int watch(void *user, const osb_metrics *now)
{
    struct watched *watched = (struct watched *)user;
    assert_true(now->timestamp_ms > watched->last_ms);
    assert_true(now->mem_total_mib_milli > 0);
    watched->last_ms = now->timestamp_ms;
    return ++watched->times == watched->wanted;
}

static void watch_metrics(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct watched watched = {0, 0, 2};
    EXPECT(OSB_E_CANCELLED, f, osb_metrics_watch(&f->box, watch, &watched));
    assert_int_equal(watched.times, 2);
    OK(f, osb_ping(&f->box));
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(state_lasts),   BOX_TEST(default_contexts),  BOX_TEST(mime_types),
    BOX_TEST(large_picture), BOX_TEST(exceptions),        BOX_TEST(cancel_interrupts),
    BOX_TEST(interrupt),     BOX_TEST(unknown_context),   BOX_TEST(contexts_by_language),
    BOX_TEST(session),       BOX_TEST(session_times_out), BOX_TEST(metrics),
    BOX_TEST(watch_metrics),
};

RUN_IN_ALL_VARIANTS(tests, NULL, NULL)
