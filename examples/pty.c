/* An interactive terminal in a sandbox: what you type goes to its shell, what it shows to you.

   Your terminal is made raw, so that each key, also Ctrl-C, goes to the sandbox. One poll(2) waits for
   your keys and for the client (poll mode, osb_posix_pollfds). A change of your window's size is
   passed on. A connection that breaks is made again, and nothing of the output is lost. `exit` ends
   it; so does the end of the input, if that is no terminal.

      cc -I. examples/pty.c -o pty
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./pty */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>

static volatile sig_atomic_t window_changed = 1;

static void on_window_change(int signal_number)
{
    (void)signal_number;
    window_changed = 1;
}

static int print(void *user, osb_stream stream, const void *data, size_t size)
{
    (void)user;
    (void)stream;
    fwrite(data, 1, size, stdout);
    return fflush(stdout);
}

/* What can be read without waiting. */
static int read_keys(void *user, void *data, size_t size)
{
    struct pollfd keys = {.fd = 0, .events = POLLIN};
    ssize_t n;
    (void)user;
    if (poll(&keys, 1, 0) <= 0) return OSB_IO_WANT_READ;
    n = read(0, data, size);
    return n > 0 ? (int)n : OSB_IO_CLOSED;
}

static int complain(const osb_client *client)
{
    char text[256];
    osb_error_text(client, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return 1;
}

/* A call to its end; meanwhile also keys and the window are looked after. */
static osb_status finish(osb_posix *tcp, osb_client *client, osb_pty *pty, osb_status status)
{
    while (status == OSB_PENDING) {
        struct pollfd fds[OSB_POSIX_ADDRESSES + 1] = {{.fd = 0, .events = POLLIN}};
        struct winsize size;
        osb_wait wait;
        int timeout_ms = -1; /* no limit but the client's */
        size_t count;
        if (window_changed && ioctl(0, TIOCGWINSZ, &size) == 0)
            osb_pty_resize(pty, size.ws_col, size.ws_row);
        window_changed = 0;
        osb_want(client, &wait);
        count = osb_posix_pollfds(tcp, &wait, fds + 1, &timeout_ms);
        if (!pty->connected) fds[0].fd = -1; /* nobody would read the keys */
        poll(fds, (nfds_t)count + 1, timeout_ms);
        status = osb_poll(client);
    }
    return status;
}

static int run_terminal(osb_posix *tcp, osb_client *client, osb_sandbox *box)
{
    osb_pty pty = {.id = ""};
    osb_pty_handlers handlers = {.on_output = print, .read_input = read_keys};
    osb_pty_options options = {.reconnections = 20};
    osb_status status = finish(tcp, client, &pty, osb_pty_create(box, NULL, NULL, &pty));
    window_changed = 1;
    if (status == OSB_OK)
        status = finish(tcp, client, &pty, osb_pty_attach(box, &pty, &options, &handlers));
    if (status < 0) return complain(client);
    return pty.exit_code.set ? (int)pty.exit_code.value : 0;
}

int main(void)
{
    unsigned char ram[4096];
    osb_posix tcp;
    osb_client client;
    osb_sandbox box;
    osb_pty none = {.id = ""};
    struct termios before, raw;
    bool is_terminal = tcgetattr(0, &before) == 0;
    osb_config config = {
        .port = osb_posix_port(&tcp), .memory = ram, .memory_size = sizeof ram, .poll_mode = true};
    osb_create_options options = {.image = "python:3.12"};
    int result;
    osb_posix_config_from_env(&config);
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    if (finish(&tcp, &client, &none, osb_sandbox_create(&client, &options, &box)) < 0)
        return complain(&client);
    signal(SIGWINCH, on_window_change);
    if (is_terminal) {
        raw = before;
        cfmakeraw(&raw);
        tcsetattr(0, TCSADRAIN, &raw);
    }
    result = run_terminal(&tcp, &client, &box);
    if (is_terminal) tcsetattr(0, TCSADRAIN, &before);
    if (finish(&tcp, &client, &none, osb_sandbox_kill(&box)) < 0) result = complain(&client);
    return result;
}
