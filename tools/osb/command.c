/* osb command ..., and what runs of all kinds share: output, interrupts, exit codes. */
#include "osb.h"
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- executions ------------------------------------------------------------------------------*/

static int on_output(void *user, osb_stream stream, const char *data, size_t size)
{
    (void)user;
    attend_signals();
    return write_output(stream == OSB_STDERR ? STDERR_FILENO : STDOUT_FILENO, data, size) ? 0 : 1;
}

static int on_init(void *user, const osb_event *event)
{
    outcome *o = user;
    (void)event;
    if (o->interrupt) interruptible(o->box, o->run.id, o->is_code);
    return 0;
}

/* execd tells the reason of an exit only here: "signal: killed". */
static int on_traceback(void *user, osb_str line, bool more)
{
    outcome *o = user;
    size_t size = line.size < sizeof o->why - 1 ? line.size : sizeof o->why - 1;
    if (o->is_code) {
        write_all(STDERR_FILENO, line.data, line.size);
        if (!more) write_all(STDERR_FILENO, "\n", 1);
    } else if (line.size > 8 && memcmp(line.data, "signal: ", 8) == 0) {
        memcpy(o->why, line.data, size);
        o->why[size] = '\0';
    }
    return 0;
}

void outcome_begin(outcome *o, osb_sandbox *box, uint32_t timeout_ms, osb_handlers *handlers)
{
    o->box = box;
    o->timeout_ms = timeout_ms;
    memset(handlers, 0, sizeof *handlers);
    handlers->user = o;
    handlers->on_init = on_init;
    handlers->on_output = on_output;
    handlers->on_traceback = on_traceback;
}

/* As a shell has it: 128 and the signal's number. */
static int signal_code(const char *why)
{
    static const struct {
        const char *text;
        int number;
    } signals[] = {{"hangup", 1},       {"interrupt", 2},  {"quit", 3},
                   {"aborted", 6},      {"killed", 9},     {"segmentation fault", 11},
                   {"broken pipe", 13}, {"terminated", 15}};
    size_t i;
    for (i = 0; i < COUNT(signals); i++)
        if (begins(why, "signal: ") && begins(why + 8, signals[i].text))
            return 128 + signals[i].number;
    return 128;
}

int code_of(int32_t code)
{
    return code != 0 && (code & 255) == 0 ? 255 : code & 255;
}

static int exit_code(outcome *o)
{
    const osb_execution *run = &o->run;
    if (run->timed_out) {
        complain("the command timed out after %ns", (uint64_t)o->timeout_ms / 1000);
        return EXIT_TIMED_OUT;
    }
    if (run->exit_code.set && run->exit_code.value >= 0) return code_of(run->exit_code.value);
    if (was_interrupted()) {
        complain("the command was interrupted");
        return interrupted_code();
    }
    if (run->exit_code.set) {
        complain("the command was ended by a signal%s%s", *o->why == '\0' ? "" : ": ",
                 *o->why == '\0' ? "" : o->why + 8);
        return signal_code(o->why);
    }
    complain("the command cannot be run: %v%s%v", run->error_name,
             run->error_name.size > 0 && run->error_value.size > 0 ? ": " : "", run->error_value);
    return EXIT_CANNOT_RUN;
}

int outcome_code(outcome *o, osb_status status)
{
    interruptible(NULL, NULL, false);
    if (status == OSB_E_STREAM && o->run.timed_out) status = OSB_OK;
    return status == OSB_OK ? exit_code(o) : failed(status);
}

/* The command runs on in the sandbox, and execd keeps its output. */
static bool is_cut(osb_status status)
{
    return status == OSB_E_TRUNCATED || status == OSB_E_CLOSED || status == OSB_E_TIMEOUT;
}

int run_in_sandbox(osb_sandbox *box, const osb_command *command)
{
    static outcome o;
    osb_handlers handlers;
    osb_status status;
    outcome_begin(&o, box, command->timeout_ms, &handlers);
    o.interrupt = true;
    status = osb_command_run(box, command, &handlers, &o.run);
    if (is_cut(status) && o.run.id[0] != '\0' && !was_interrupted()) {
        remark("the connection broke; going on");
        status = osb_command_recover(box, NULL, &handlers, &o.run);
    }
    return outcome_code(&o, status);
}

/* ---- run -------------------------------------------------------------------------------------*/

static int start_background(osb_sandbox *box, const osb_command *command)
{
    osb_execution run;
    node *answer = put_map(NULL, NULL);
    osb_status status = osb_command_run(box, command, NULL, &run);
    if (status != OSB_OK) return failed(status);
    put_text(answer, "execution_id", run.id);
    put_text(answer, "sandbox_id", box->id);
    put_text(answer, "mode", "background");
    return show_or_raw(answer, run.id);
}

int do_command_run(const args *a)
{
    osb_command command = {0};
    osb_sandbox box;
    osb_status status;
    command.background = has(a, F_BACKGROUND);
    if (command.background && !has(a, F_OUTPUT)) config.output = 't';
    if (!command.background && config.output != 'r')
        return usage(a, "-o %s goes with --background only", flag_text(a, F_OUTPUT));
    command.argv = a->rest;
    command.cwd = flag_text(a, F_WORKDIR);
    command.timeout_ms = flag_ms(a, F_TIME_LIMIT);
    command.env_count = flag_pairs(a, F_ENV, &command.envs);
    command.uid = flag_optional(a, F_UID);
    command.gid = flag_optional(a, F_GID);
    if (command.gid.set && !command.uid.set) return usage(a, "--gid goes with --uid only");
    status = connect_sandbox(a->words[0], &box);
    if (status != OSB_OK) return failed(status);
    return command.background ? start_background(&box, &command) : run_in_sandbox(&box, &command);
}

/* ---- status, logs, interrupt -----------------------------------------------------------------*/

static int add_content(void *user, const void *data, size_t size)
{
    add(user, data, size);
    return 0;
}

/* Just after the start execd may not know it yet. */
static osb_status ask_status(osb_sandbox *box, const char *id, text *content,
                             osb_command_state *state)
{
    const struct timespec pause = {0, 50000000};
    osb_status status;
    int tries;
    for (tries = 0;; tries++) {
        content->size = 0;
        status = osb_command_status(box, id, add_content, content, state);
        if (status != OSB_E_NOT_FOUND || tries == 4 || was_interrupted()) return status;
        nanosleep(&pause, NULL);
    }
}

int do_command_status(const args *a)
{
    static const osb_wait_options wait = {0x7fffffff, 500};
    osb_sandbox box;
    osb_command_state state;
    text content = {0};
    node *answer = put_map(NULL, NULL);
    osb_status status = connect_sandbox(a->words[0], &box);
    add_string(&content, "");
    if (status == OSB_OK) status = ask_status(&box, a->words[1], &content, &state);
    if (status == OSB_OK && has(a, F_WAIT) && state.running)
        status = osb_command_wait(&box, a->words[1], &wait, &state);
    if (status != OSB_OK) return failed(status);
    put_view(answer, "id", state.id);
    put_text(answer, "content", content.data);
    put_bool(answer, "running", state.running);
    if (state.exit_code.set) put_signed(answer, "exit_code", state.exit_code.value);
    else put_null(answer, "exit_code");
    put_view(answer, "error", state.error);
    put_view(answer, "started_at", state.started_at);
    put_view(answer, "finished_at", state.finished_at);
    return show(answer, "");
}

/* Prints what comes until the command has ended, over broken connections too. */
static int follow_logs(osb_sandbox *box, const char *id, uint64_t cursor)
{
    static const osb_durable_options often = {200, 10, 1000};
    static outcome o;
    osb_handlers handlers;
    if (strlen(id) >= sizeof o.run.id) {
        complain("%s is too long for an execution's id", id);
        return EXIT_USAGE;
    }
    outcome_begin(&o, box, 0, &handlers);
    memcpy(o.run.id, id, strlen(id));
    o.run.stdout_bytes = cursor;
    return outcome_code(&o, osb_command_follow(box, &often, &handlers, &o.run));
}

int do_command_logs(const args *a)
{
    osb_sandbox box;
    text content = {0};
    node *answer = put_map(NULL, NULL);
    uint64_t cursor = flag_number(a, F_CURSOR, 0);
    osb_status status;
    if (has(a, F_FOLLOW) && config.output != 'r') return usage(a, "--follow goes with -o raw only");
    status = connect_sandbox(a->words[0], &box);
    if (status != OSB_OK) return failed(status);
    if (has(a, F_FOLLOW)) return follow_logs(&box, a->words[1], cursor);
    add_string(&content, "");
    status = config.output == 'r'
                 ? osb_command_logs(&box, a->words[1], cursor, write_data, NULL, &cursor)
                 : osb_command_logs(&box, a->words[1], cursor, add_content, &content, &cursor);
    if (status != OSB_OK) return failed(status);
    put_view(answer, "content", (osb_str){content.data, content.size});
    put_number(answer, "cursor", cursor);
    if (config.output != 'r') show(answer, "");
    return EXIT_FINE;
}

int do_command_interrupt(const args *a)
{
    return call_in_sandbox(a, osb_command_interrupt, "Interrupted");
}

/* ---- sessions --------------------------------------------------------------------------------*/

int do_session_create(const args *a)
{
    osb_sandbox box;
    osb_session session;
    node *answer = put_map(NULL, NULL);
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = osb_session_create(&box, flag_text(a, F_WORKDIR), &session);
    if (status != OSB_OK) return failed(status);
    put_text(answer, "sandbox_id", box.id);
    put_text(answer, "session_id", session.id);
    put_text(answer, "working_directory", flag_text(a, F_WORKDIR));
    return show_or_raw(answer, session.id);
}

const char *quoted_words(const char *const *words)
{
    size_t size = osb_shell_quote(words, NULL, 0) + 1;
    char *line = keep(size);
    osb_shell_quote(words, line, size);
    return line;
}

const char *script_of(const char *const *words)
{
    return words[1] == NULL ? words[0] : quoted_words(words);
}

int do_session_run(const args *a)
{
    static outcome o;
    osb_sandbox box;
    osb_handlers handlers;
    osb_session_command command = {0};
    osb_status status;
    command.command = script_of(a->rest);
    command.cwd = flag_text(a, F_WORKDIR);
    command.timeout_ms = flag_ms(a, F_TIME_LIMIT);
    status = connect_sandbox(a->words[0], &box);
    if (status != OSB_OK) return failed(status);
    outcome_begin(&o, &box, command.timeout_ms, &handlers);
    status = osb_session_run(&box, a->words[1], &command, &handlers, &o.run);
    return outcome_code(&o, status);
}

int do_session_delete(const args *a)
{
    return call_in_sandbox(a, osb_session_delete, "Deleted session");
}
