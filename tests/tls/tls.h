/* What the TLS suites share: servers (OpenSSL's s_server and nginx) as child processes on loopback,
   and a client over an inner port that can be made to misbehave. A suite includes this file first.

   The certificates are made by certificates.sh; CERTIFICATES is their directory. */
#ifndef OSB_TESTS_TLS_H
#define OSB_TESTS_TLS_H

#define _GNU_SOURCE
#define OPENSANDBOX_IMPLEMENTATION
#include "port/osb_posix.h"
#include "port/osb_mbedtls.h"

#include "tests/support/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#ifndef CERTIFICATES
#define CERTIFICATES "build/tls"
#endif

/* Valgrind makes everything thirty times slower: a program in a directory of that name tries less.
   TLS_FULL tries everything. */
static bool thorough, hasty;

SUPPORT void choose_pace(const char *program)
{
    thorough = getenv("TLS_FULL") != NULL;
    hasty = !thorough && strstr(program, "/valgrind/") != NULL;
}

/* Whether the tests run in poll mode at present. */
static bool poll_mode;

/* ---- files -----------------------------------------------------------------------------------*/

static char scratch[200]; /* this program's directory; gone at its end */

SUPPORT bool make_scratch(void)
{
    const char *parent = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%s/osb-tls-XXXXXX", parent != NULL ? parent : "/tmp");
    return mkdtemp(scratch) != NULL;
}

SUPPORT const char *in_scratch(const char *name)
{
    static char path[4][256];
    static unsigned turn;
    char *to = path[turn++ % 4];
    snprintf(to, sizeof path[0], "%s/%s", scratch, name);
    return to;
}

/* The path of a certificate or key, absolute: the servers have directories of their own. */
SUPPORT const char *certificate(const char *name)
{
    static char path[8][PATH_MAX + 64];
    static char directory[PATH_MAX];
    static unsigned turn;
    char *to = path[turn++ % 8];
    if (directory[0] == '\0' && realpath(CERTIFICATES, directory) == NULL) abort();
    snprintf(to, sizeof path[0], "%s/%s", directory, name);
    return to;
}

SUPPORT void write_file(const char *name, const char *data, size_t size)
{
    FILE *file = fopen(in_scratch(name), "wb");
    if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) abort();
}

/* A whole file, with a NUL behind it; the caller frees it. */
SUPPORT char *read_file(const char *path, size_t *size)
{
    struct text all = {NULL, 0, 0};
    char piece[4096];
    size_t n;
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail_msg("%s is not there: run `make test`, which makes it", path);
    while ((n = fread(piece, 1, sizeof piece, file)) > 0) text_add(&all, piece, n);
    fclose(file);
    text_add(&all, "", 0);
    if (size != NULL) *size = all.size;
    return all.data;
}

/* ---- servers ---------------------------------------------------------------------------------*/

struct server {
    pid_t pid;
    uint16_t port;
};

#define SERVER_ARGUMENTS 40

/* fork(), but for a child that ends with this program, however that ends. */
SUPPORT pid_t fork_for_me(void)
{
    pid_t me = getpid(), pid = fork();
    if (pid != 0) return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != me) _exit(1); /* it has ended already */
    return pid;
}

/* Starts a program that ends with this one; its output goes to a file in the scratch directory. */
SUPPORT pid_t start_program(const char *const *arguments, const char *log)
{
    pid_t pid = fork_for_me();
    int out;
    if (pid != 0) return pid;
    out = open(in_scratch(log), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(open("/dev/null", O_RDONLY), 0);
    dup2(out, 1);
    dup2(out, 2);
    setenv("PATH", "/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin:/bin", 1); /* nginx's */
    if (chdir(scratch) == 0) execvp(arguments[0], (char *const *)arguments);
    _exit(127);
}

SUPPORT void stop_server(struct server *server)
{
    if (server->pid <= 0) return;
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
}

SUPPORT void sleep_ms(long ms)
{
    struct timespec time;
    time.tv_sec = ms / 1000;
    time.tv_nsec = ms % 1000 * 1000000;
    nanosleep(&time, NULL);
}

/* s_server says which port it got. */
SUPPORT uint16_t port_in_log(pid_t pid, const char *log)
{
    unsigned tries;
    for (tries = 0; tries < 2000; tries++) {
        char line[256];
        unsigned port = 0;
        FILE *file = fopen(in_scratch(log), "r");
        while (file != NULL && fgets(line, sizeof line, file) != NULL)
            if (strncmp(line, "ACCEPT", 6) == 0 && strchr(line, '\n') != NULL)
                sscanf(strrchr(line, ':') + 1, "%u", &port);
        if (file != NULL) fclose(file);
        if (port != 0) return (uint16_t)port;
        if (waitpid(pid, NULL, WNOHANG) != 0) break;
        sleep_ms(5);
    }
    fail_msg("s_server does not listen: %s", read_file(in_scratch(log), NULL));
    return 0;
}

/* Starts s_server with a certificate, and options that end with NULL. Weak keys and old versions
   are allowed on its side, so that it is the client which must refuse them. */
SUPPORT struct server start_openssl(const char *name, ...)
{
    static unsigned count;
    struct server server;
    char pem[64], key[64], log[64];
    const char *arguments[SERVER_ARGUMENTS] = {"openssl", "s_server", "-accept", "127.0.0.1:0"};
    size_t n = 4;
    va_list options;
    snprintf(pem, sizeof pem, "%s.pem", name);
    snprintf(key, sizeof key, "%s.key", name);
    snprintf(log, sizeof log, "openssl-%u.log", count++);
    arguments[n++] = "-cert";
    arguments[n++] = certificate(pem);
    arguments[n++] = "-cert_chain";
    arguments[n++] = arguments[5];
    arguments[n++] = "-key";
    arguments[n++] = certificate(key);
    va_start(options, name);
    while ((arguments[n] = va_arg(options, const char *)) != NULL) n++;
    va_end(options);
    server.pid = start_program(arguments, log);
    server.port = port_in_log(server.pid, log);
    return server;
}

#define WEAK "-cipher", "ALL:@SECLEVEL=0"

/* Ports that nobody listens on; a hundred at a time, so that none comes twice. */
SUPPORT void free_ports(uint16_t *ports, size_t count)
{
    int fds[100];
    size_t i;
    for (i = 0; i < count; i++) {
        struct sockaddr_in address;
        socklen_t size = sizeof address;
        memset(&address, 0, sizeof address);
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(bind(fds[i], (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(getsockname(fds[i], (struct sockaddr *)&address, &size), 0);
        ports[i] = ntohs(address.sin_port);
    }
    for (i = 0; i < count; i++) close(fds[i]);
}

static const char nginx_head[] =
    "daemon off; master_process off; pid nginx.pid; error_log nginx.error;\n"
    "worker_rlimit_nofile 1024;\n"
    "events { worker_connections 512; }\n"
    "http {\n"
    "  access_log off; keepalive_timeout 60s;\n"
    "  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n"
    "  uwsgi_temp_path uwsgi; scgi_temp_path scgi;\n"
    "  ssl_ciphers ALL:@SECLEVEL=0;\n";

/* What each server of nginx answers: its own view of the connection. */
static const char nginx_answer[] = "return 200 \"reused=$ssl_session_reused protocol=$ssl_protocol "
                                   "alpn=$ssl_alpn_protocol name=$ssl_server_name "
                                   "client=$ssl_client_s_dn cipher=$ssl_cipher\";";

/* A server of nginx: its certificate, and further settings. */
struct nginx_server {
    const char *certificate;
    const char *settings; /* NULL: none */
};

SUPPORT void nginx_config(const struct nginx_server *servers, size_t count, const uint16_t *ports)
{
    struct text config = {NULL, 0, 0};
    size_t i;
    text_add(&config, nginx_head, sizeof nginx_head - 1);
    for (i = 0; i < count; i++) {
        char pem[64], key[64];
        snprintf(pem, sizeof pem, "%s.pem", servers[i].certificate);
        snprintf(key, sizeof key, "%s.key", servers[i].certificate);
        text_print(&config, "server { listen 127.0.0.1:%u ssl; %s\n", ports[i],
                   servers[i].settings != NULL ? servers[i].settings : "");
        text_print(&config, "ssl_certificate \"%s\"; ssl_certificate_key \"%s\";\n",
                   certificate(pem), certificate(key));
        text_print(&config, "location / { default_type text/plain; %s } }\n", nginx_answer);
    }
    text_add(&config, "}\n", 2);
    write_file("nginx.conf", config.data, config.size);
    text_free(&config);
}

/* Whether nginx listens; it writes the file when it does. */
SUPPORT bool nginx_is_up(const struct server *server)
{
    unsigned tries;
    for (tries = 0; tries < 2000; tries++) {
        struct stat status;
        if (stat(in_scratch("nginx.pid"), &status) == 0 && status.st_size > 0) return true;
        if (waitpid(server->pid, NULL, WNOHANG) != 0) return false;
        sleep_ms(5);
    }
    return false;
}

/* Starts nginx; ports[i] is where its i-th server listens. Somebody else may take a port first:
   then it is tried again with others. */
SUPPORT struct server start_nginx(const struct nginx_server *servers, size_t count, uint16_t *ports)
{
    struct server server;
    unsigned tries;
    for (tries = 0; tries < 5; tries++) {
        const char *arguments[] = {"nginx", "-p", scratch, "-c", "nginx.conf", NULL};
        free_ports(ports, count);
        nginx_config(servers, count, ports);
        unlink(in_scratch("nginx.pid"));
        server.port = ports[0];
        server.pid = start_program(arguments, "nginx.log");
        if (nginx_is_up(&server)) return server;
        stop_server(&server);
    }
    fail_msg("nginx does not start: %s", read_file(in_scratch("nginx.log"), NULL));
    return server;
}

/* ---- client ----------------------------------------------------------------------------------*/

struct client {
    osb_posix tcp; /* first: the inner port's context is the client */
    osb_port_ops ops;
    int limit;        /* bytes of a send or receive; 0: any */
    bool later;       /* every other call says "try later" */
    unsigned fail_at; /* this send or receive fails; 0: none */
    int fail_how;     /* and in this way */
    unsigned calls;   /* of send and recv */
    bool told_later;
    uint32_t time_s; /* the inner port's clock; 0: it knows none */
    bool no_random;
    osb_mbedtls_options options;
    osb_mbedtls tls;
    osb_config config;
    osb_client client;
    unsigned char memory[4096];
    osb_endpoint endpoint; /* the error's texts point into it */
    osb_request request;
    struct text body; /* of the last answer */
    uint16_t http_status;
    unsigned polls; /* in the last call */
};

/* Every name is this machine. */
static int to_loopback(void *user, const char *host, uint16_t port, osb_posix_address *addresses,
                       size_t room)
{
    (void)user, (void)host, (void)room;
    memset(addresses, 0, sizeof *addresses);
    addresses->v4.sin_family = AF_INET;
    addresses->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    addresses->v4.sin_port = htons(port);
    return 1;
}

/* Whether this call of the inner port is one that misbehaves, and how; 0: it is not. */
static int misbehave(struct client *c, int later)
{
    c->calls++;
    if (c->calls == c->fail_at) return c->fail_how;
    if (!c->later) return 0;
    c->told_later = !c->told_later;
    if (!c->told_later) return 0;
    return c->calls % 8 == 1 ? OSB_IO_AGAIN : later;
}

static int inner_send(void *ctx, const void *data, size_t size)
{
    struct client *c = (struct client *)ctx;
    int io = misbehave(c, OSB_IO_WANT_WRITE);
    if (io != 0) return io;
    if (c->limit > 0 && size > (size_t)c->limit) size = (size_t)c->limit;
    return osb__posix_send(ctx, data, size);
}

static int inner_recv(void *ctx, void *data, size_t size)
{
    struct client *c = (struct client *)ctx;
    int io = misbehave(c, OSB_IO_WANT_READ);
    if (io != 0) return io;
    if (c->limit > 0 && size > (size_t)c->limit) size = (size_t)c->limit;
    return osb__posix_recv(ctx, data, size);
}

/* The real wait sleeps on a socket that has nothing: "try later" was ours. */
static void inner_wait(void *ctx, unsigned want, uint32_t timeout_ms)
{
    const struct client *c = (const struct client *)ctx;
    osb__posix_wait(ctx, want, c->later ? 0 : timeout_ms);
}

static uint32_t inner_unix_time(void *ctx)
{
    return ((const struct client *)ctx)->time_s;
}

static int inner_random(void *ctx, void *data, size_t size)
{
    return ((const struct client *)ctx)->no_random ? -1 : osb__posix_random(ctx, data, size);
}

/* Clients of a test that failed, whose connections would keep the servers busy. */
static struct client *living[8];

SUPPORT void note_client(const struct client *old, struct client *now)
{
    size_t i = 0;
    while (i < sizeof living / sizeof *living && living[i] != old) i++;
    if (i < sizeof living / sizeof *living) living[i] = now;
}

/* A client that trusts the tests' authority. Its settings may be changed until open_client. */
SUPPORT struct client *new_client(void)
{
    struct client *c = (struct client *)calloc(1, sizeof *c);
    osb_port inner = osb_posix_port(&c->tcp);
    if (c == NULL) abort();
    note_client(NULL, c);
    c->ops = *inner.ops;
    c->ops.send = inner_send;
    c->ops.recv = inner_recv;
    c->ops.wait = inner_wait;
    c->ops.unix_time = inner_unix_time;
    c->ops.random = inner_random;
    c->tcp.resolve = to_loopback;
    c->options.ca_file = certificate("ca.pem");
    c->config.memory = c->memory;
    c->config.memory_size = sizeof c->memory;
    c->config.connect_timeout_ms = c->config.request_timeout_ms = 20000;
    return c;
}

SUPPORT void open_client(struct client *c)
{
    osb_port inner;
    inner.ops = &c->ops;
    inner.ctx = c;
    c->config.port = osb_mbedtls_port(&c->tls, inner, &c->options);
    c->config.poll_mode = poll_mode;
    assert_int_equal(osb_client_init(&c->client, &c->config), OSB_OK);
}

/* Ends the connection, so that the next call makes a new one. */
SUPPORT void hang_up(struct client *c)
{
    osb_client_close(&c->client);
    assert_int_equal(osb_client_init(&c->client, &c->config), OSB_OK);
}

SUPPORT void free_client(struct client *c)
{
    note_client(c, NULL);
    osb_client_close(&c->client);
    osb_mbedtls_free(&c->tls);
    text_free(&c->body);
    free(c);
}

SUPPORT const char *error_text(const struct client *c)
{
    static char text[512];
    osb_error_text(&c->client, text, sizeof text);
    return text;
}

SUPPORT const char *port_text(const struct client *c)
{
    const char *text = osb_last_error(&c->client)->port_text;
    return text != NULL ? text : "";
}

static int keep_body(void *user, const void *data, size_t size)
{
    text_add((struct text *)user, data, size);
    return 0;
}

/* In poll mode all the polling that a call takes. */
SUPPORT osb_status done(struct client *c, osb_status status)
{
    assert_true(poll_mode || status != OSB_PENDING);
    c->polls = 0;
    while (status == OSB_PENDING) {
        struct pollfd fds[OSB_POSIX_ADDRESSES];
        osb_wait wait;
        int timeout = -1;
        size_t count;
        osb_want(&c->client, &wait);
        count = osb_posix_pollfds(&c->tcp, &wait, fds, &timeout);
        if (!wait.now && !c->later) poll(fds, (nfds_t)count, timeout);
        c->polls++;
        status = osb_poll(&c->client);
    }
    return status;
}

/* Gets a document by HTTPS, or by HTTP. */
SUPPORT osb_status fetch_by(struct client *c, bool https, const char *host, uint16_t port,
                            const char *path)
{
    memset(&c->endpoint, 0, sizeof c->endpoint);
    memset(&c->request, 0, sizeof c->request);
    snprintf(c->endpoint.address, sizeof c->endpoint.address, "%s:%u", host, port);
    c->endpoint.https = https;
    c->request.path = path;
    c->request.user = &c->body;
    c->request.on_data = keep_body;
    text_clear(&c->body);
    c->http_status = 0;
    c->calls = 0;
    return done(c, osb_endpoint_request(&c->client, &c->endpoint, &c->request, &c->http_status));
}

SUPPORT osb_status fetch(struct client *c, const char *host, uint16_t port, const char *path)
{
    return fetch_by(c, true, host, port, path);
}

SUPPORT void expect_text(const char *text, const char *part, int line)
{
    if (strstr(text, part) == NULL) fail_msg("line %d: no '%s' in: %s", line, part, text);
}
#define EXPECT_TEXT(text, part) expect_text((text), (part), __LINE__)

SUPPORT void expect_ok(struct client *c, osb_status status, int line)
{
    if (status != OSB_OK) fail_msg("line %d: %s", line, error_text(c));
}
#define EXPECT_OK(c, call) expect_ok((c), (call), __LINE__)

/* A connection that must not come about, and the reason that must be given. */
SUPPORT void expect_refusal(struct client *c, osb_status status, const char *reason, int line)
{
    if (status == OSB_OK) fail_msg("line %d: accepted, instead of: %s", line, reason);
    if (status != OSB_E_CONNECT) fail_msg("line %d: %s", line, error_text(c));
    expect_text(port_text(c), reason, line);
}
#define EXPECT_REFUSAL(c, call, reason) expect_refusal((c), (call), (reason), __LINE__)

/* ---- suites ----------------------------------------------------------------------------------*/

SUPPORT void remove_scratch(void)
{
    const char *arguments[] = {"rm", "-rf", scratch, NULL};
    pid_t pid = fork();
    if (pid == 0) execvp(arguments[0], (char *const *)arguments);
    waitpid(pid, NULL, 0);
}

static int free_clients(void **state)
{
    size_t i;
    (void)state;
    for (i = 0; i < sizeof living / sizeof *living; i++)
        if (living[i] != NULL) free_client(living[i]);
    return 0;
}

#define TLS_TEST(name) cmocka_unit_test_teardown(name, free_clients)

/* Runs a suite's tests in blocking and in poll mode; a program's whole main. `before` is called
   before each mode, `after` at the very end. */
#define RUN_IN_BOTH_MODES(tests, before, after)                                                    \
    int main(int count, char **arguments)                                                          \
    {                                                                                              \
        int failed;                                                                                \
        (void)count;                                                                               \
        choose_pace(arguments[0]);                                                                 \
        setvbuf(stdout, NULL, _IOLBF, 0); /* whoever reads may stop at the first failure */        \
        if (!make_scratch()) return 1;                                                             \
        failed = cmocka_run_group_tests_name("blocking", tests, before, NULL);                     \
        poll_mode = true;                                                                          \
        failed += cmocka_run_group_tests_name("poll mode", tests, before, NULL);                   \
        after();                                                                                   \
        remove_scratch();                                                                          \
        return failed;                                                                             \
    }

#endif
