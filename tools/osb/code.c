/* osb code ... */
#include "osb.h"
#include <string.h>
#include <unistd.h>

/* ---- run -------------------------------------------------------------------------------------*/

/* What a run gave, for -o json; otherwise it is printed as it comes. */
typedef struct gathered {
    outcome o;
    text output[2], result, value;
    node *results, *traceback;
    text line;
} gathered;

static int gather_output(void *user, osb_stream stream, const char *data, size_t size)
{
    gathered *g = user;
    add(&g->output[stream == OSB_STDERR], data, size);
    return 0;
}

static int gather_result(void *user, const osb_event *event)
{
    gathered *g = user;
    const char *key;
    osb_str whole;
    add(&g->result, event->text.data, event->text.size);
    if (event->more) return 0;
    whole.data = g->result.data;
    whole.size = g->result.size;
    key = keep_text(event->key.data, event->key.size);
    /* a type that is there already is another result's */
    if (g->results->first == NULL || get(g->results->last, key) != NULL) put_map(g->results, NULL);
    put_view(g->results->last, key, whole);
    g->result.size = 0;
    return 0;
}

static int gather_traceback(void *user, osb_str line, bool more)
{
    gathered *g = user;
    osb_str whole;
    add(&g->line, line.data, line.size);
    if (more) return 0;
    whole.data = g->line.data;
    whole.size = g->line.size;
    put_view(g->traceback, NULL, whole);
    g->line.size = 0;
    return 0;
}

static int gather_error(void *user, const osb_event *event)
{
    gathered *g = user;
    add(&g->value, event->text.data, event->text.size);
    return 0;
}

/* The result as text, as an interpreter shows it; pictures and the like want -o json. */
static int print_result(void *user, const osb_event *event)
{
    if (!osb_str_equal(event->key, "text") && !osb_str_equal(event->key, "text/plain")) {
        if (!event->more) remark("a result of type %v is not shown: see -o json", event->key);
        return 0;
    }
    if (write_data(user, event->text.data, event->text.size) != 0) return 1;
    return event->more ? 0 : write_data(user, "\n", 1);
}

static void show_gathered(gathered *g)
{
    const osb_execution *run = &g->o.run;
    node *v = put_map(NULL, NULL), *error;
    put_text(v, "id", run->id);
    put_number(v, "execution_count", run->execution_count);
    put_view(v, "stdout", (osb_str){g->output[0].data, g->output[0].size});
    put_view(v, "stderr", (osb_str){g->output[1].data, g->output[1].size});
    put_copy(v, "result", g->results);
    if (run->error_name.data == NULL) {
        put_null(v, "error");
    } else {
        error = put_map(v, "error");
        put_view(error, "name", run->error_name);
        put_view(error, "value", (osb_str){g->value.data, g->value.size});
        put_copy(error, "traceback", g->traceback);
    }
    put_number(v, "execution_time_in_millis", run->execution_time_ms);
    show(v, "");
}

static bool read_code(const args *a, text *code)
{
    const char *given = flag_text(a, F_CODE);
    if (given != NULL) {
        add_string(code, given);
        return true;
    }
    return read_utf8(a->word_count > 1 ? a->words[1] : "-", code);
}

static int finish_code(gathered *g, osb_status status)
{
    const osb_execution *run = &g->o.run;
    interruptible(NULL, NULL, false);
    if (status != OSB_OK) return failed(status);
    if (config.output == 'j') show_gathered(g);
    if (run->error_name.data == NULL) return EXIT_FINE;
    if (was_interrupted()) return say_interrupted();
    complain("%v: %v", run->error_name, run->error_value);
    return EXIT_NEGATIVE;
}

int do_code_run(const args *a)
{
    static gathered g;
    osb_sandbox box;
    osb_code code = {0};
    osb_code_context context = {0};
    osb_handlers handlers;
    osb_status status;
    text source = {0};
    if (has(a, F_CODE) && a->word_count > 1) return usage(a, "--code or a file, not both");
    if (has(a, F_CONTEXT) && strlen(flag_text(a, F_CONTEXT)) >= sizeof context.id)
        return usage(a, "--context %s is too long for an id", flag_text(a, F_CONTEXT));
    if (!read_code(a, &source)) return EXIT_FAILED;
    code.code = source.data;
    code.language = has(a, F_LANGUAGE) ? flag_text(a, F_LANGUAGE) : OSB_LANGUAGE_PYTHON;
    g.results = put_list(NULL, NULL);
    g.traceback = put_list(NULL, NULL);
    outcome_begin(&g.o, &box, 0, &handlers);
    g.o.is_code = g.o.interrupt = true;
    handlers.on_result = print_result;
    if (config.output == 'j') {
        handlers.on_output = gather_output;
        handlers.on_result = gather_result;
        handlers.on_traceback = gather_traceback;
        handlers.on_error = gather_error;
        add_string(&g.output[0], "");
        add_string(&g.output[1], "");
        add_string(&g.value, "");
        add_string(&g.result, "");
    }
    status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK && has(a, F_CONTEXT)) {
        status = osb_code_context_get(&box, flag_text(a, F_CONTEXT), &context);
        code.context = &context;
    }
    if (status == OSB_OK) status = osb_code_run(&box, &code, &handlers, &g.o.run);
    return finish_code(&g, status);
}

int do_code_interrupt(const args *a)
{
    return call_in_sandbox(a, osb_code_interrupt, "Interrupted");
}

/* ---- contexts --------------------------------------------------------------------------------*/

static int put_context(void *user, const osb_code_context *context)
{
    node *v = put_map(user, NULL);
    put_text(v, "id", context->id);
    put_text(v, "language", context->language);
    put_view(v, "cwd", context->cwd);
    return 0;
}

static int show_context(osb_status status, const osb_code_context *context)
{
    node *list = put_list(NULL, NULL);
    if (status != OSB_OK) return failed(status);
    put_context(list, context);
    return show_or_raw(list->first, context->id);
}

int do_context_create(const args *a)
{
    osb_sandbox box;
    osb_code_context context;
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK)
        status = osb_code_context_create(&box, flag_text(a, F_LANGUAGE), flag_text(a, F_WORKDIR),
                                         &context);
    return show_context(status, &context);
}

int do_context_get(const args *a)
{
    osb_sandbox box;
    osb_code_context context;
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = osb_code_context_get(&box, a->words[1], &context);
    return show_context(status, &context);
}

int do_context_list(const args *a)
{
    osb_sandbox box;
    node *list = put_list(NULL, NULL);
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK)
        status = osb_code_context_list(&box, flag_text(a, F_LANGUAGE), put_context, list);
    if (status != OSB_OK) return failed(status);
    return show(list, "id language cwd");
}

int do_context_delete(const args *a)
{
    osb_sandbox box;
    osb_status status;
    if ((a->word_count > 1) == has(a, F_LANGUAGE))
        return usage(a, "give either CONTEXT or --language");
    status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK)
        status = has(a, F_LANGUAGE) ? osb_code_context_delete_all(&box, flag_text(a, F_LANGUAGE))
                                    : osb_code_context_delete(&box, a->words[1]);
    if (status != OSB_OK) return failed(status);
    return show_done("Deleted context: %s",
                     has(a, F_LANGUAGE) ? flag_text(a, F_LANGUAGE) : a->words[1]);
}
