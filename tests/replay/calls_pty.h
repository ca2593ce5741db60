/* execd's calls for terminals. Included by calls.h. */
#ifndef TESTS_CALLS_PTY_H
#define TESTS_CALLS_PTY_H

static struct { /* must live until the call has ended */
    osb_pty pty;
    osb_pty_state state;
    osb_pty_options options;
    osb_pty_handlers handlers;
    const char *input;
    bool detach;
} terminal;

static osb_status call_pty_create(scene *s)
{
    osb_status status;
    memset(&terminal, 0, sizeof terminal);
    status = osb_pty_create(&s->box, scene_get(s, "cwd"), scene_get(s, "command"), &terminal.pty);
    status = scene_wait(s, status);
    recorder_line(&s->r, "pty", terminal.pty.id, strlen(terminal.pty.id));
    return status;
}

static osb_status call_pty_get(scene *s)
{
    osb_status status;
    memset(&terminal, 0, sizeof terminal);
    status = scene_wait(s, osb_pty_get(&s->box, scene_get(s, "id"), &terminal.state));
    if (status != OSB_OK) return status;
    recorder_view(&s->r, "pty", terminal.state.id);
    text_print(&s->r.lines, "running %d output %llu\n", terminal.state.running,
               (unsigned long long)terminal.state.output_bytes);
    return status;
}

static osb_status call_pty_delete(scene *s)
{
    return scene_wait(s, osb_pty_delete(&s->box, scene_get(s, "id")));
}

static int terminal_on_output(void *user, osb_stream stream, const void *data, size_t size)
{
    recorder *r = (recorder *)user;
    if (size == 0) recorder_wrong(r, "output without data");
    text_add(&r->output[stream == OSB_STDERR], data, size);
    return recorder_answer(r, "output", false);
}

static int terminal_on_connected(void *user)
{
    text_print(&((recorder *)user)->lines, "connected\n");
    return recorder_answer((recorder *)user, "connected", false);
}

/* The input at once; then nothing, or the end. */
static int terminal_read_input(void *user, void *data, size_t size)
{
    size_t n = terminal.input != NULL ? strlen(terminal.input) : 0;
    (void)user;
    if (n == 0) return terminal.detach ? OSB_IO_CLOSED : OSB_IO_WANT_READ;
    if (n > size) n = size;
    memcpy(data, terminal.input, n);
    terminal.input += n;
    return (int)n;
}

static void scene_terminal(scene *s)
{
    osb_pty *pty = &terminal.pty;
    memset(&terminal, 0, sizeof terminal);
    snprintf(pty->id, sizeof pty->id, "%s", scene_get(s, "id"));
    pty->offset = scene_number64(s, "offset");
    terminal.options.reconnections = transcript_number(s->call, "reconnections");
    terminal.options.pipe = transcript_has(s->call, "pipe");
    terminal.options.takeover = transcript_has(s->call, "takeover");
    terminal.input = scene_get(s, "input");
    terminal.detach = transcript_has(s->call, "detach");
    terminal.handlers.user = &s->r;
    terminal.handlers.on_output = terminal_on_output;
    terminal.handlers.on_connected = terminal_on_connected;
    if (terminal.input != NULL || terminal.detach)
        terminal.handlers.read_input = terminal_read_input;
    if (transcript_has(s->call, "columns"))
        osb_pty_resize(pty, (uint16_t)transcript_number(s->call, "columns"),
                       (uint16_t)transcript_number(s->call, "rows"));
    if (transcript_has(s->call, "signal")) osb_pty_signal(pty, scene_get(s, "signal"));
}

static osb_status call_pty_attach(scene *s)
{
    const osb_pty *pty = &terminal.pty;
    osb_status status;
    scene_terminal(s);
    status = osb_pty_attach(&s->box, &terminal.pty, &terminal.options, &terminal.handlers);
    status = scene_wait(s, status);
    recorder_line(&s->r, "output", s->r.output[0].data, s->r.output[0].size);
    if (s->r.output[1].size > 0)
        recorder_line(&s->r, "error output", s->r.output[1].data, s->r.output[1].size);
    text_print(&s->r.lines, "offset %llu lost %llu close %u\n", (unsigned long long)pty->offset,
               (unsigned long long)pty->lost_bytes, pty->close_code);
    recorder_number(&s->r, "exit_code", pty->exit_code);
    return status;
}

#endif
