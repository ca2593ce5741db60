/* osb shell, osb pty ..., osb run --tty: a terminal in the sandbox on this terminal. */
#include "osb.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define RECONNECTIONS 20

/* ---- this side's terminal --------------------------------------------------------------------*/

static struct termios before;
static volatile sig_atomic_t raw;

static void make_raw(void)
{
    struct termios now;
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &before) != 0) return;
    now = before;
    now.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    now.c_oflag &= ~(tcflag_t)OPOST;
    now.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    now.c_cflag = (now.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    now.c_cc[VMIN] = 1;
    now.c_cc[VTIME] = 0;
    raw = true; /* first: a signal may come in between */
    tcsetattr(STDIN_FILENO, TCSANOW, &now);
}

static void make_normal(void)
{
    if (raw) tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
    raw = false;
}

/* Not TCSADRAIN: the terminal may be one that takes no more. */
void restore_terminal(void)
{
    if (raw) tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static void on_deadly(int number)
{
    restore_terminal();
    raise(number); /* is its default again, and held back until this returns */
}

/* What would end osb at once does so behind on_deadly. */
static void catch_deadly(void)
{
    static const int harmless[] = {SIGCHLD, SIGCONT, SIGURG, SIGTSTP, SIGTTIN, SIGTTOU};
    struct sigaction deadly = {0}, now;
    int number;
    size_t i;
    deadly.sa_handler = on_deadly;
    deadly.sa_flags = (int)SA_RESETHAND;
    for (number = 1; number <= SIGRTMAX; number++) {
        for (i = 0; i < COUNT(harmless) && harmless[i] != number; i++) {
        }
        if (i == COUNT(harmless) && sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_DFL)
            sigaction(number, &deadly, NULL);
    }
}

static volatile sig_atomic_t size_changed;

static void on_size(int number)
{
    (void)number;
    size_changed = 1;
}

static void follow_size(osb_pty *pty)
{
    struct winsize size;
    size_changed = 0;
    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        osb_pty_resize(pty, size.ws_col, size.ws_row);
}

/* ---- attached --------------------------------------------------------------------------------*/

typedef struct terminal {
    osb_pty pty;
    bool at_line_start, tilde; /* for "~." behind a line's end */
    bool detached;
    bool pipe;          /* no terminal in the sandbox either: stdout and stderr apart */
    const char *at_end; /* what tells that a pipe has ended; NULL: leave then */
} terminal;

static int on_output(void *user, osb_stream stream, const void *data, size_t size)
{
    if (stream == OSB_STDERR) return write_all(STDERR_FILENO, data, size) ? 0 : 1;
    return write_data(user, data, size);
}

/* Whether a byte is to be held back, as it may begin the "~." that leaves. */
static bool is_escape(terminal *t, char c)
{
    bool first = t->at_line_start;
    t->at_line_start = c == '\r' || c == '\n';
    if (t->tilde) {
        t->tilde = false;
        t->detached = c == '.';
        return t->detached;
    }
    t->tilde = raw && first && c == '~';
    return t->tilde;
}

/* Takes the escapes out; room for a tilde that turned out to be none was left in front. */
static int take_typed(terminal *t, const char *typed, size_t count, char *data)
{
    size_t i, size = 0;
    for (i = 0; i < count && !t->detached; i++) {
        bool held = t->tilde;
        if (is_escape(t, typed[i])) continue;
        if (held) data[size++] = '~';
        data[size++] = typed[i];
    }
    if (t->detached && size == 0) return OSB_IO_CLOSED;
    return size == 0 ? OSB_IO_WANT_READ : (int)size;
}

/* Tells the shell, once, that there is no more. */
static int end_input(terminal *t, void *data)
{
    size_t size = strlen(t->at_end);
    memcpy(data, t->at_end, size);
    t->at_end = "";
    watch_input(false);
    return size == 0 ? OSB_IO_WANT_READ : (int)size;
}

static int read_input(void *user, void *data, size_t size)
{
    terminal *t = user;
    struct pollfd input = {STDIN_FILENO, POLLIN, 0};
    char typed[1024];
    ssize_t n;
    if (size_changed) follow_size(&t->pty);
    if (t->detached) return OSB_IO_CLOSED;
    if (size < 8 || poll(&input, 1, 0) <= 0) return OSB_IO_WANT_READ;
    n = read(STDIN_FILENO, typed, size / 2 < sizeof typed ? size / 2 : sizeof typed);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return OSB_IO_WANT_READ;
    if (n > 0) return take_typed(t, typed, (size_t)n, data);
    if (raw || t->at_end == NULL) return OSB_IO_CLOSED;
    return end_input(t, data);
}

static int finish(terminal *t, osb_status status)
{
    if (status == OSB_E_STREAM && t->pty.close_code == 4001) {
        complain("somebody else has taken the terminal over");
        return EXIT_FAILED;
    }
    if (status != OSB_OK) return failed(status);
    if (t->detached || !t->pty.exit_code.set) return EXIT_FINE;
    if (t->pty.exit_code.value >= 0) return code_of(t->pty.exit_code.value);
    complain("the shell was ended by a signal");
    return 128;
}

static int attach(osb_sandbox *box, terminal *t, bool takeover)
{
    struct sigaction size = {0};
    osb_pty_options options = {0};
    osb_pty_handlers handlers = {0};
    osb_status status;
    options.reconnections = RECONNECTIONS;
    options.takeover = takeover;
    options.pipe = t->pipe;
    handlers.user = t;
    handlers.on_output = on_output;
    handlers.read_input = read_input;
    size.sa_handler = on_size;
    sigaction(SIGWINCH, &size, NULL);
    t->at_line_start = true;
    follow_size(&t->pty);
    flush_output();
    catch_deadly();
    make_raw();
    watch_input(true);
    status = osb_pty_attach(box, &t->pty, &options, &handlers);
    watch_input(false);
    make_normal();
    if (t->pty.lost_bytes > 0) remark("%n bytes of output are lost", t->pty.lost_bytes);
    return finish(t, status);
}

static int use_terminal(osb_sandbox *box, const char *cwd, const char *command, bool *detached)
{
    static terminal t;
    osb_status status = osb_pty_create(box, cwd, command, &t.pty);
    int code;
    if (status != OSB_OK) return failed(status);
    t.pipe = !isatty(STDIN_FILENO) && command == NULL;
    t.at_end = t.pipe ? "exit\n" : "\004";
    code = attach(box, &t, false);
    *detached = t.detached;
    if (t.detached) {
        remark("left; to come back: osb pty attach %s %s", box->id, t.pty.id);
    } else {
        hide_interrupts();
        osb_pty_delete(box, t.pty.id); /* an exited one may be gone already */
    }
    return code;
}

/* For osb run --tty. */
int run_on_terminal(osb_sandbox *box, const osb_command *command, bool *detached)
{
    return use_terminal(box, command->cwd, quoted_words(command->argv), detached);
}

/* ---- commands --------------------------------------------------------------------------------*/

int do_shell(const args *a)
{
    osb_sandbox box;
    bool detached;
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status != OSB_OK) return failed(status);
    return use_terminal(&box, flag_text(a, F_WORKDIR), a->word_count > 1 ? a->words[1] : NULL,
                        &detached);
}

int do_pty_create(const args *a)
{
    osb_sandbox box;
    osb_pty pty;
    node *answer = put_map(NULL, NULL);
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK)
        status = osb_pty_create(&box, flag_text(a, F_WORKDIR),
                                a->word_count > 1 ? a->words[1] : NULL, &pty);
    if (status != OSB_OK) return failed(status);
    put_text(answer, "sandbox_id", box.id);
    put_text(answer, "session_id", pty.id);
    return show_or_raw(answer, pty.id);
}

int do_pty_get(const args *a)
{
    osb_sandbox box;
    osb_pty_state state;
    node *answer = put_map(NULL, NULL);
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = osb_pty_get(&box, a->words[1], &state);
    if (status != OSB_OK) return failed(status);
    put_view(answer, "session_id", state.id);
    put_bool(answer, "running", state.running);
    put_number(answer, "output_bytes", state.output_bytes);
    return show(answer, "");
}

int do_pty_attach(const args *a)
{
    static terminal t;
    osb_sandbox box;
    osb_status status;
    if (strlen(a->words[1]) >= sizeof t.pty.id)
        return usage(a, "%s is too long for an id", a->words[1]);
    memcpy(t.pty.id, a->words[1], strlen(a->words[1]));
    status = connect_sandbox(a->words[0], &box);
    return status == OSB_OK ? attach(&box, &t, has(a, F_TAKEOVER)) : failed(status);
}

int do_pty_delete(const args *a)
{
    return call_in_sandbox(a, osb_pty_delete, "Deleted terminal");
}
