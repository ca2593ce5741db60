/* What goes wrong in practice, and what the library says about it.

   The first variant writes build/failures.md, a table of all of them for the README, with example
   names in place of this machine's ports. */
#include "e2e.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

static const char report_file[] = "build/failures.md";
static char report_draft[64]; /* two programs may be at it at a time */
static FILE *report;

/* ---- the report ------------------------------------------------------------------------------*/

/* What this run made up: a prefix, the characters that follow, and what the README shows. */
static const struct {
    const char *prefix, *rest, *shown;
} made_up[] = {
    {"127.0.0.1:", "0123456789", "localhost:8080"},
    {", request ", "0123456789abcdef", ", request 7f3a..."},
};

/* Writes a text with all that this run made up replaced. */
static void report_text(const char *text)
{
    size_t i;
    while (*text != '\0') {
        for (i = 0; i < 2 && strncmp(text, made_up[i].prefix, strlen(made_up[i].prefix)) != 0;) i++;
        if (i == 2) {
            fputc(*text++, report);
            continue;
        }
        fputs(made_up[i].shown, report);
        text += strlen(made_up[i].prefix);
        text += strspn(text, made_up[i].rest);
    }
}

static void report_line(const char *what, const char *status, const char *text)
{
    if (report == NULL) return;
    fprintf(report, "| %s | `%s` | `", what, status);
    report_text(text);
    fputs("` |\n", report);
}

static void open_report(void)
{
    mkdir("build", 0777);
    snprintf(report_draft, sizeof report_draft, "%s.%ld", report_file, (long)getpid());
    report = fopen(report_draft, "w");
    if (report == NULL) return;
    fputs("| what went wrong | status | `osb_error_text`, or the outcome |\n| --- | --- | --- |\n",
          report);
}

static void close_report(void)
{
    if (report == NULL) return;
    fclose(report);
    rename(report_draft, report_file);
    report = NULL;
}

/* Expects a call to fail like this, with a text that contains this, and reports the line. */
static void expect_failure(struct fixture *f, const char *what, osb_status status,
                           osb_status expected, const char *saying)
{
    const char *text = done(f, status) == OSB_OK ? "" : error_text(f);
    if (osb_last_error(&f->client)->status != expected || strstr(text, saying) == NULL)
        fail_msg("%s: not %s (%s) but %s: %s", what, osb_status_name(expected), saying,
                 osb_status_name(osb_last_error(&f->client)->status), text);
    report_line(what, osb_status_name(expected), text);
}

/* ---- no server, or not this one --------------------------------------------------------------*/

static int knows_no_name(void *user, const char *host, uint16_t port, osb_posix_address *addresses,
                         size_t room)
{
    (void)user, (void)host, (void)port, (void)addresses, (void)room;
    return 0;
}

static osb_status create(struct fixture *f, const char *hook, const char *value)
{
    static osb_create_options options;
    static osb_pair extension;
    memset(&options, 0, sizeof options);
    extension.name = hook;
    extension.value = value;
    options.image = "python:3.12";
    options.extensions = &extension;
    options.extension_count = hook != NULL ? 1 : 0;
    options.ready.timeout_ms = 700;
    return osb_sandbox_create(&f->client, &options, &f->box);
}

/* Once more, with what a test has changed in f->config. */
static void init_again(struct fixture *f)
{
    osb_client_close(&f->client);
    assert_int_equal(osb_client_init(&f->client, &f->config), OSB_OK);
}

static void wrong_domain_name(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    f->config.domain = "opensandbx.example";
    init_again(f);
    f->tcp.resolve = knows_no_name; /* no name server is asked by a test */
    expect_failure(f, "wrong domain name", create(f, NULL, NULL), OSB_E_CONNECT, "name not found");
}

/* A socket on a port of this machine that nobody else has. */
static int bound_socket(uint16_t *port)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* A port of this machine that nobody listens on. */
static uint16_t closed_port(void)
{
    uint16_t port;
    close(bound_socket(&port));
    return port;
}

static void nobody_listens(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    char domain[32];
    snprintf(domain, sizeof domain, "127.0.0.1:%u", (unsigned)closed_port());
    f->config.domain = domain;
    init_again(f);
    expect_failure(f, "nobody listens there", create(f, NULL, NULL), OSB_E_CONNECT,
                   "Connection refused");
    assert_false(osb_last_error(&f->client)->maybe_applied);
    assert_int_not_equal(osb_last_error(&f->client)->port_code, 0);
}

static void https_without_tls(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    f->config.https = true;
    init_again(f);
    expect_failure(f, "`https`, but the port has no TLS", create(f, NULL, NULL), OSB_E_NO_TLS,
                   "TLS");
}

static void wrong_api_key(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    f->config.api_key = "wrong";
    init_again(f);
    expect_failure(f, "wrong API key", create(f, NULL, NULL), OSB_E_AUTH, "HTTP 401");
    assert_true(osb_last_error(&f->client)->code.size > 0);
}

static void no_api_key(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    f->config.api_key = NULL;
    init_again(f);
    expect_failure(f, "no API key", create(f, NULL, NULL), OSB_E_AUTH, "MISSING_API_KEY");
}

/* A web server that has a page for everybody, as a process of its own; ends with one answer. */
static pid_t start_web_server(uint16_t *port)
{
    static const char page[] =
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 22\r\n\r\n"
        "<html>Welcome!</html>\n";
    int listener = bound_socket(port);
    pid_t child;
    assert_int_equal(listen(listener, 1), 0);
    child = fork();
    if (child == 0) {
        char request[4096];
        int fd = accept(listener, NULL, NULL);
        bool served = recv(fd, request, sizeof request, 0) > 0 &&
                      send(fd, page, sizeof page - 1, 0) == (ssize_t)sizeof page - 1;
        while (recv(fd, request, sizeof request, 0) > 0) {
        }
        _exit(served ? 0 : 1);
    }
    close(listener);
    return child;
}

static void another_web_server(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    char domain[32];
    uint16_t port;
    pid_t server = start_web_server(&port);
    snprintf(domain, sizeof domain, "127.0.0.1:%u", (unsigned)port);
    f->config.domain = domain;
    init_again(f);
    expect_failure(f, "the domain is another web server's: HTML instead of JSON",
                   create(f, NULL, NULL), OSB_E_JSON, "not an object");
    osb_client_close(&f->client);
    assert_int_equal(waitpid(server, NULL, 0), server);
}

static void html_instead_of_json(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    expect_failure(f, "a gateway's error page instead of JSON",
                   create(f, "devserver.create-answer", "html"), OSB_E_API, "HTTP 50");
}

static void server_overloaded(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    expect_failure(f, "the server has too much to do", create(f, "devserver.create-answer", "503"),
                   OSB_E_API, "HTTP 503");
}

static void answer_lost(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_sandbox_page page;
    expect_failure(f, "the connection breaks before create is answered",
                   create(f, "devserver.create-answer", "reset"), OSB_E_CLOSED, "");
    assert_true(osb_last_error(&f->client)->maybe_applied);
    OK(f, osb_lifecycle_list(&f->client, NULL, NULL, &page));
}

/* ---- sandboxes -------------------------------------------------------------------------------*/

static void sandbox_fails(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    expect_failure(f, "the sandbox fails", create(f, "devserver.fail", "image pull failed"),
                   OSB_E_STATE, "image pull failed");
    assert_true(osb_str_equal(osb_last_error(&f->client)->code, "Failed"));
}

static void sandbox_never_runs(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    expect_failure(f, "the sandbox does not get ready", create(f, "devserver.never-ready", "1"),
                   OSB_E_NOT_READY, "Pending");
}

static void execd_is_down(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    expect_failure(f, "execd does not get ready", create(f, "devserver.execd-down-ms", "60000"),
                   OSB_E_NOT_READY, "502");
    assert_int_equal(osb_last_error(&f->client)->cause, OSB_E_API);
}

static void execd_refuses_the_token(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    expect_failure(f, "execd refuses the token", create(f, "devserver.execd-answer", "401"),
                   OSB_E_AUTH, "HTTP 401");
}

static void no_such_sandbox(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_sandbox box;
    expect_failure(f, "no such sandbox", osb_sandbox_connect(&f->client, "none", NULL, &box),
                   OSB_E_NOT_FOUND, "SANDBOX_NOT_FOUND");
}

/* ---- commands --------------------------------------------------------------------------------*/

static void command_exits_3(void **state)
{
    struct outcome o;
    run_text((struct fixture *)*state, "exit 3", &o);
    expect_exit_code(&o, 3);
    report_line("the command exits with 3", "OSB_OK", "execution.exit_code is 3");
}

static void command_not_found(void **state)
{
    struct outcome o;
    run_text((struct fixture *)*state, "no-such-command", &o);
    expect_exit_code(&o, 127);
    assert_non_null(strstr(o.err_text, "not found"));
    report_line("the command is not found", "OSB_OK",
                "execution.exit_code is 127, stderr says why");
}

static void command_takes_too_long(void **state)
{
    struct outcome o;
    osb_command command;
    memset(&command, 0, sizeof command);
    command.command = "sleep 10";
    command.timeout_ms = 300;
    run_command((struct fixture *)*state, &command, &o);
    expect_exit_code(&o, -1);
    assert_true(o.run.timed_out);
    report_line("the command outlives its `timeout_ms`", "OSB_OK",
                "execution.timed_out is set, exit_code is -1");
}

static void no_such_directory(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_command command;
    osb_execution run;
    memset(&command, 0, sizeof command);
    command.command = "pwd";
    command.cwd = "/no/such/directory";
    expect_failure(f, "the command's directory does not exist",
                   osb_command_run(&f->box, &command, NULL, &run), OSB_E_API, "/no/such/directory");
}

/* ---- streams ---------------------------------------------------------------------------------*/

static osb_status run_long(struct fixture *f, osb_execution *run)
{
    static osb_command command;
    command.command = "i=0; while [ $i -lt 200 ]; do i=$((i + 1)); echo line $i; sleep 0.02; done";
    return osb_command_run(&f->box, &command, NULL, run);
}

static void expect_unknown_end(const osb_execution *run)
{
    assert_false(run->ended);
    assert_false(run->exit_code.set);
}

static void stream_ends_early(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_execution run;
    create_box(f, "devserver.stream-cut", "700");
    expect_failure(f, "the stream ends before the command has", run_long(f, &run), OSB_E_TRUNCATED,
                   "");
    expect_unknown_end(&run);
    OK(f, osb_ping(&f->box));
}

static void stream_breaks(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_execution run;
    create_box(f, "devserver.stream-reset", "700");
    expect_failure(f, "the stream's connection breaks", run_long(f, &run), OSB_E_TRUNCATED, "");
    expect_unknown_end(&run);
    OK(f, osb_ping(&f->box));
}

static void stream_falls_silent(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_execution run;
    f->config.idle_timeout_ms = 500;
    init_again(f);
    create_box(f, "devserver.stream-stall", "700");
    expect_failure(f, "the stream falls silent", run_long(f, &run), OSB_E_TIMEOUT, "silence");
    expect_unknown_end(&run);
}

/* A server of its own, to be killed. */
struct server {
    pid_t pid;
    char domain[64];
};

static void read_domain(struct server *server, const char *file)
{
    char url[64] = "";
    int tries;
    for (tries = 0; tries < 400 && strlen(url) == 0; tries++) {
        FILE *in = fopen(file, "r");
        if (in != NULL) {
            if (fgets(url, sizeof url, in) == NULL) url[0] = '\0';
            fclose(in);
        }
        sleep_ms(25);
    }
    assert_memory_equal(url, "http://", 7);
    snprintf(server->domain, sizeof server->domain, "%.*s", (int)strcspn(url + 7, "\n"), url + 7);
}

static void start_server(struct server *server)
{
    char file[] = "/tmp/osb-e2e-XXXXXX";
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    close(fd);
    server->pid = fork();
    if (server->pid == 0) {
        execlp("python3", "python3", "tools/devserver", "--port", "0", "--no-api-key",
               "--ready-file", file, "--exit-with-parent", (char *)NULL);
        _exit(127);
    }
    read_domain(server, file);
    unlink(file);
}

static int kill_server(void *user, const osb_event *event)
{
    const struct server *server = (const struct server *)user;
    (void)event;
    kill(server->pid, SIGKILL);
    return 0;
}

static void server_dies(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct server server;
    osb_command command;
    osb_handlers handlers;
    osb_execution run;
    memset(&command, 0, sizeof command);
    memset(&handlers, 0, sizeof handlers);
    start_server(&server);
    f->config.domain = server.domain;
    f->config.idle_timeout_ms = 5000;
    init_again(f);
    create_box(f, NULL, NULL);
    f->has_box = false;
    command.command = "echo x; sleep 3";
    handlers.user = &server;
    handlers.on_stdout = kill_server;
    expect_failure(f, "the server dies while the command runs",
                   osb_command_run(&f->box, &command, &handlers, &run), OSB_E_TRUNCATED, "");
    expect_unknown_end(&run);
    waitpid(server.pid, NULL, 0);
    expect_failure(f, "the next call, on the dead server", osb_ping(&f->box), OSB_E_CONNECT,
                   "refused");
}

static const struct CMUnitTest tests[] = {
    CLIENT_TEST(wrong_domain_name),
    CLIENT_TEST(nobody_listens),
    CLIENT_TEST(https_without_tls),
    CLIENT_TEST(wrong_api_key),
    CLIENT_TEST(no_api_key),
    CLIENT_TEST(another_web_server),
    CLIENT_TEST(html_instead_of_json),
    CLIENT_TEST(server_overloaded),
    CLIENT_TEST(answer_lost),
    CLIENT_TEST(sandbox_fails),
    CLIENT_TEST(sandbox_never_runs),
    CLIENT_TEST(execd_is_down),
    CLIENT_TEST(execd_refuses_the_token),
    CLIENT_TEST(no_such_sandbox),
    BOX_TEST(command_exits_3),
    BOX_TEST(command_not_found),
    BOX_TEST(command_takes_too_long),
    BOX_TEST(no_such_directory),
    CLIENT_TEST(stream_ends_early),
    CLIENT_TEST(stream_breaks),
    CLIENT_TEST(stream_falls_silent),
    CLIENT_TEST(server_dies),
};

static int open_report_once(void **state)
{
    (void)state;
    if (variant == variants) open_report();
    return 0;
}

static int close_report_at_the_end(void **state)
{
    (void)state;
    close_report();
    return 0;
}

RUN_IN_ALL_VARIANTS(tests, open_report_once, close_report_at_the_end)
