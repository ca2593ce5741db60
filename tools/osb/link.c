/* The connection to the server, signals, errors and exit codes. */
#include "osb.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXECD_PORT 44772

/* ---- connections -----------------------------------------------------------------------------*/

/* The main one has a large buffer, for the speed of transfers. */
static struct link {
    osb_posix tcp;
#ifdef OSB_TOOL_TLS
    osb_mbedtls tls;
#endif
    osb_port port;
    osb_port_ops ops;
    osb_client client;
    unsigned char *memory;
    size_t size;
} first, second;
static unsigned char first_memory[65536], second_memory[4096];

osb_client *const client = &first.client;

static void renew_in_time(void);

static volatile sig_atomic_t signals, last_signal;
static int attended;
static bool watching;

/* A name server that is dead holds a connect for seconds, and no signal gets it out of there. Before
   anything is connected nothing is to be cleaned up: a signal leaves at once. */
static volatile sig_atomic_t nothing_begun;

static int connect_first(void *ctx, const char *host, uint16_t port, bool tls)
{
    static bool begun;
    int io;
    nothing_begun = !begun;
    io = first.port.ops->connect(ctx, host, port, tls);
    nothing_begun = false;
    if (io == 0) begun = true;
    return io;
}

void watch_input(bool on)
{
    watching = on;
}

/* As the port's own wait, but stdin ends it too: what is typed must not wait, unless what was typed
   before it cannot go. */
static void wait_with_input(unsigned want, uint32_t timeout_ms)
{
    struct pollfd fds[2];
    fds[0].fd = osb_posix_fd(&first.tcp);
    fds[0].events =
        (short)((want & OSB_WANT_READ ? POLLIN : 0) | (want & OSB_WANT_WRITE ? POLLOUT : 0));
    fds[1].fd = STDIN_FILENO;
    fds[1].events = POLLIN;
    poll(fds, 2, (int)timeout_ms);
}

static void wait_attentively(void *ctx, unsigned want, uint32_t timeout_ms)
{
    if (watching && (want & OSB_WANT_WRITE) == 0) wait_with_input(want, timeout_ms);
    else first.port.ops->wait(ctx, want, timeout_ms);
    attend_signals();
    renew_in_time();
}

/* On the second connection: a signal ends its call, so that the next Ctrl-C leaves at once. */
static void wait_impatiently(void *ctx, unsigned want, uint32_t timeout_ms)
{
    second.port.ops->wait(ctx, want, timeout_ms);
    if (attended < signals) osb_cancel(&second.client);
}

static void on_log(void *user, const osb_log_entry *entry)
{
    char line[512];
    (void)user;
    osb_log_text(entry, line, sizeof line);
    complain("%s", line);
}

static osb_status open_link(struct link *l)
{
    static const osb_extras verbose = {.log_level = OSB_LOG_DEBUG, .on_log = on_log};
    osb_config c = {0};
#ifdef OSB_TOOL_TLS
    osb_mbedtls_free(&l->tls); /* the second one is opened again and again */
#endif
    l->port = osb_posix_port(&l->tcp);
#ifdef OSB_TOOL_TLS
    {
        osb_mbedtls_options secure = {0};
        if (l == &second) secure.share = &first.tls; /* reads no authorities of its own */
        secure.ca_file = config.ca_file;
        if (config.ca_file == NULL) osb_mbedtls_options_from_env(&secure);
        l->port = osb_mbedtls_port(&l->tls, l->port, &secure);
    }
#endif
    l->ops = *l->port.ops;
    l->ops.wait = l == &first ? wait_attentively : wait_impatiently;
    if (l == &first) l->ops.connect = connect_first;
    c.port.ops = &l->ops;
    c.port.ctx = l->port.ctx;
    c.memory = l->memory;
    c.memory_size = l->size;
    c.domain = config.domain;
    c.api_key = config.api_key;
    c.https = same(config.protocol, "https");
    c.use_server_proxy = config.use_server_proxy;
    c.request_timeout_ms = config.request_timeout_s * 1000;
    if (l == &second) c.connect_timeout_ms = c.request_timeout_ms = 5000; /* the first one waits */
    if (config.verbose) c.extras = &verbose;
    c.user_agent = "osb/" OSB_VERSION " opensandbox.h";
    return osb_client_init(&l->client, &c);
}

/* ---- signals ---------------------------------------------------------------------------------*/

static struct {
    osb_sandbox *box;
    const char *id;
    bool is_code, asked;
} running;

static void on_signal(int number)
{
    static const char message[] = "osb: interrupted\n";
    last_signal = number;
    if (++signals < 4 && !nothing_begun) return;
    restore_terminal();
    if (signals >= 4) _exit(128 + number); /* nothing else helped */
    if (write(STDERR_FILENO, message, sizeof message - 1) < 0) _exit(EXIT_FAILED);
    _exit(interrupted_code());
}

/* What is ignored stays so: by nohup, by a shell for what runs in its background. */
static void catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction catch = {0}, ignore = {0}, now;
    size_t i;
    catch.sa_handler = on_signal;
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, NULL);
    for (i = 0; i < COUNT(numbers); i++)
        if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaction(numbers[i], &catch, NULL);
}

void interruptible(osb_sandbox *box, const char *execution_id, bool is_code)
{
    running.box = box;
    running.id = execution_id;
    running.is_code = is_code;
    running.asked = false;
}

/* The same sandbox on a connection of its own: the first one is in the middle of a stream. */
static bool open_second(const osb_sandbox *box, osb_sandbox *aside)
{
    second.memory = second_memory;
    second.size = sizeof second_memory;
    *aside = *box;
    aside->client = &second.client;
    return open_link(&second) == OSB_OK;
}

static bool interrupt_running(void)
{
    osb_sandbox box;
    osb_status status;
    running.asked = true;
    if (!open_second(running.box, &box)) return false;
    remark("interrupted; once more to leave");
    status = running.is_code ? osb_code_interrupt(&box, running.id)
                             : osb_command_interrupt(&box, running.id);
    osb_client_close(&second.client);
    return status == OSB_OK;
}

void attend_signals(void)
{
    while (attended < signals) {
        attended++;
        if (running.box != NULL && *running.id != '\0' && !running.asked && last_signal == SIGINT &&
            interrupt_running())
            continue;
        osb_cancel(client);
    }
}

bool was_interrupted(void)
{
    return signals > 0;
}

bool is_leaving(void)
{
    return signals > 1;
}

int interrupted_code(void)
{
    return last_signal == SIGTERM ? EXIT_TERMINATED : EXIT_INTERRUPTED;
}

int say_interrupted(void)
{
    complain("interrupted");
    return interrupted_code();
}

void hide_interrupts(void)
{
    attended = signals;
    running.box = NULL;
}

/* ---- lifetime --------------------------------------------------------------------------------*/

static const osb_sandbox *lasting;
static uint32_t renewed_ms;

void keep_alive(const osb_sandbox *box)
{
    lasting = box;
    renewed_ms = first.ops.now_ms(first.port.ctx);
}

static void renew_in_time(void)
{
    uint32_t now_ms = first.ops.now_ms(first.port.ctx);
    osb_sandbox box;
    if (lasting == NULL || now_ms - renewed_ms < RENEW_EVERY_S * 1000u) return;
    renewed_ms = now_ms;
    if (!open_second(lasting, &box)) return;
    if (osb_sandbox_renew(&box, LIFETIME_S, NULL) != OSB_OK)
        remark("the sandbox could not be renewed; it may end before its command does");
    osb_client_close(&second.client);
}

/* ---- calls -----------------------------------------------------------------------------------*/

osb_status connect_server(void)
{
    static bool open;
    osb_status status = OSB_OK;
    if (open) return OSB_OK;
    first.memory = first_memory;
    first.size = sizeof first_memory;
    catch_signals();
    status = open_link(&first);
    open = status == OSB_OK;
    return status;
}

/* Not osb_sandbox_connect: it waits for a sandbox that is not there. */
osb_status connect_sandbox(const char *id, osb_sandbox *box)
{
    osb_status status = connect_server();
    memset(box, 0, sizeof *box);
    box->client = client;
    if (strlen(id) >= sizeof box->id) {
        complain("%s is too long for a sandbox's id", id);
        exit(EXIT_USAGE);
    }
    memcpy(box->id, id, strlen(id));
    if (status != OSB_OK) return status;
    return osb_lifecycle_endpoint(client, id, EXECD_PORT, NULL, &box->execd);
}

/* The server is not to blame for a file of authorities that is none, nor for a clock that is not set. */
static const char *connect_advice(const char *why)
{
    static const char *const known[][2] = {
        {"unknown authority", "; --ca-file FILE says whom to trust"},
        {"certificate expired", "; or is this machine's clock wrong?"},
        {"certificate is not valid before", "; or is this machine's clock wrong?"},
    };
    size_t i;
    if (why != NULL && begins(why, "ca_")) return "; it must be a file of certificates, PEM or DER";
    for (i = 0; why != NULL && i < COUNT(known); i++)
        if (strstr(why, known[i][0]) != NULL) return known[i][1];
    return config.domain == NULL ? "; set OPEN_SANDBOX_DOMAIN or give --domain, or start a server"
                                 : "; check --domain and --protocol, and that the server is there";
}

/* What to do about it. */
static const char *advice(const osb_error *error)
{
    switch (error->status) {
    case OSB_E_AUTH:
        return config.api_key == NULL ? "; set OPEN_SANDBOX_API_KEY or give --api-key"
                                      : "; check the API key";
    case OSB_E_CONNECT:
        return connect_advice(error->port_text);
    case OSB_E_INVALID:
        return config.domain != NULL && osb_str_equal(error->message, "no valid address")
                   ? formatted(" in --domain %s", config.domain)
                   : "";
    case OSB_E_NO_TLS:
        return "; this osb was built without TLS";
    case OSB_E_NOT_FOUND:
        return strstr(error->operation, "/sandboxes/") != NULL
                   ? "; see osb sandbox list for what there is"
                   : "";
    case OSB_E_TIMEOUT:
        return "; a larger --request-timeout may help";
    case OSB_E_NOT_READY:
        return "; a larger --ready-timeout may help";
    case OSB_E_CLOSED:
        if (error->http_status != 0) return "";
        /* fall through */
    case OSB_E_PROTOCOL:
    case OSB_E_JSON:
        return "; is this an OpenSandbox server, and the --protocol right?";
    default:
        return "";
    }
}

int failed(osb_status status)
{
    char line[1024];
    if (status == OSB_E_CANCELLED && output_error != 0 && output_error != EINTR)
        return EXIT_FAILED; /* main() says why */
    if ((status == OSB_E_CANCELLED && was_interrupted()) || attended < signals)
        return say_interrupted();
    osb_error_text(client, line, sizeof line);
    complain("%s%s", line, advice(osb_last_error(client)));
    if (status == OSB_E_INVALID) return EXIT_USAGE;
    return status == OSB_E_TIMEOUT || status == OSB_E_NOT_READY ? EXIT_TIMED_OUT : EXIT_FAILED;
}

int write_data(void *user, const void *data, size_t size)
{
    (void)user;
    attend_signals();
    return write_output(STDOUT_FILENO, data, size) ? 0 : 1;
}
