/* port/osb_win32.h by itself: names and addresses, the race between them, its answers, its waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* What Windows says of WSAETIMEDOUT, which wine has no text for. */
#define TIMED_OUT                                                                                  \
    "A connection attempt failed because the connected party did not properly respond after a "    \
    "period of time, or established connection failed because connected host has failed to "       \
    "respond"

#include <winsock2.h>
#include <windows.h>
static DWORD system_text(DWORD code, char *text, DWORD size);
#undef FormatMessage
#undef FormatMessageA
#define FormatMessageA(flags, source, code, language, text, size, list)                            \
    system_text(code, text, size)
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_win32.h"
#undef FormatMessageA

static DWORD system_text(DWORD code, char *text, DWORD size)
{
    if (code == WSAETIMEDOUT) { /* as Windows does: all of it, or nothing */
        if (size < sizeof TIMED_OUT ". ") return 0;
        memcpy(text, TIMED_OUT ". ", sizeof TIMED_OUT ". ");
        return sizeof TIMED_OUT ". " - 1;
    }
    return (FormatMessageA)(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS |
                                FORMAT_MESSAGE_MAX_WIDTH_MASK,
                            NULL, code, 0, text, size, NULL);
}

/* ---- peers on loopback -----------------------------------------------------------------------*/

struct peer {
    SOCKET listener, accepted;
    uint16_t port;
};

static osb_win32_address loopback(int family, uint16_t port)
{
    osb_win32_address address;
    assert_true(osb__win32_literal(family == AF_INET6 ? "::1" : "127.0.0.1", &address));
    osb__win32_set_port(&address, port);
    return address;
}

static struct peer listen_on(int family)
{
    struct peer peer;
    osb_win32_address address = loopback(family, 0);
    int size = sizeof address;
    peer.accepted = INVALID_SOCKET;
    peer.listener = socket(family, SOCK_STREAM, 0);
    assert_true(peer.listener != INVALID_SOCKET);
    assert_int_equal(bind(peer.listener, &address.any,
                          family == AF_INET6 ? sizeof address.v6 : sizeof address.v4),
                     0);
    assert_int_equal(listen(peer.listener, 4), 0);
    assert_int_equal(getsockname(peer.listener, &address.any, &size), 0);
    peer.port = ntohs(family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
    return peer;
}

static void leave(struct peer *peer)
{
    if (peer->accepted != INVALID_SOCKET) closesocket(peer->accepted);
    closesocket(peer->listener);
}

static uint16_t closed_port(void)
{
    struct peer peer = listen_on(AF_INET);
    leave(&peer);
    return peer.port;
}

/* Connects as the client does, waiting by the port's own `wait`. */
static int connect_to(osb_win32 *tcp, osb_port port, const char *host, uint16_t number)
{
    int io, tries;
    for (tries = 0; tries < 2000; tries++) {
        io = port.ops->connect(tcp, host, number, false);
        if (io != OSB_IO_WANT_READ && io != OSB_IO_WANT_WRITE) return io;
        port.ops->wait(tcp, io == OSB_IO_WANT_READ ? OSB_WANT_READ : OSB_WANT_WRITE, 5000);
    }
    fail_msg("it connects for ever");
    return OSB_IO_FAILED;
}

/* A connection with both its ends at hand. */
static osb_port open_both(osb_win32 *tcp, struct peer *peer)
{
    osb_port port = osb_win32_port(tcp);
    *peer = listen_on(AF_INET);
    assert_int_equal(connect_to(tcp, port, "127.0.0.1", peer->port), 0);
    peer->accepted = accept(peer->listener, NULL, NULL);
    assert_true(peer->accepted != INVALID_SOCKET);
    return port;
}

static void expect_error(osb_port port, int32_t expected)
{
    int32_t code = 0;
    const char *text = port.ops->error(port.ctx, &code);
    assert_int_equal(code, expected);
    assert_non_null(text);
    assert_true(strlen(text) > 3);
    assert_null(strpbrk(text, "\r\n"));
}

/* What a resolver of the test's own answers: ports on loopback. */
struct answer {
    osb_win32_address addresses[OSB_WIN32_ADDRESSES];
    int count;
    int not_yet; /* how many times it asks for time first */
    int asked;
};

static int answer_resolver(void *user, const char *host, uint16_t port,
                           osb_win32_address *addresses, size_t room)
{
    struct answer *answer = (struct answer *)user;
    assert_string_equal(host, "sandbox.example");
    assert_int_equal(port, 80);
    assert_int_equal(room, OSB_WIN32_ADDRESSES);
    if (answer->asked++ < answer->not_yet) return OSB_IO_WANT_READ;
    memcpy(addresses, answer->addresses, sizeof answer->addresses);
    return answer->count;
}

static int connect_by_name(osb_win32 *tcp, struct answer *answer)
{
    osb_port port = osb_win32_port(tcp);
    tcp->resolve = answer_resolver;
    tcp->resolve_user = answer;
    return connect_to(tcp, port, "sandbox.example", 80);
}

/* ---- connect ---------------------------------------------------------------------------------*/

static void literal_addresses(void **state)
{
    static const int families[] = {AF_INET, AF_INET6};
    int i;
    (void)state;
    for (i = 0; i < 2; i++) {
        osb_win32 tcp;
        osb_port port = osb_win32_port(&tcp);
        struct peer peer;
        assert_true(osb_win32_socket(&tcp) == INVALID_SOCKET);
        peer = listen_on(families[i]);
        assert_int_equal(connect_to(&tcp, port, i == 0 ? "127.0.0.1" : "::1", peer.port), 0);
        assert_true(osb_win32_socket(&tcp) != INVALID_SOCKET);
        port.ops->close(&tcp);
        port.ops->close(&tcp);
        assert_true(osb_win32_socket(&tcp) == INVALID_SOCKET);
        leave(&peer);
    }
}

static void names(void **state)
{
    osb_win32 tcp;
    osb_port port = osb_win32_port(&tcp);
    struct peer peer = listen_on(AF_INET);
    int32_t code;
    (void)state;
    assert_int_equal(connect_to(&tcp, port, "localhost", peer.port), 0);
    port.ops->close(&tcp);
    assert_int_equal(connect_to(&tcp, port, "no such name.invalid", 80), OSB_IO_FAILED);
    expect_error(port, WSAHOST_NOT_FOUND);
    assert_string_equal(port.ops->error(&tcp, &code), "name not found");
    leave(&peer);
}

static void refused(void **state)
{
    osb_win32 tcp;
    osb_port port = osb_win32_port(&tcp);
    (void)state;
    assert_int_equal(connect_to(&tcp, port, "127.0.0.1", closed_port()), OSB_IO_FAILED);
    expect_error(port, WSAECONNREFUSED);
    assert_true(osb_win32_socket(&tcp) == INVALID_SOCKET);
}

/* The first address refuses, the second answers; the resolver needs time. */
static void next_address(void **state)
{
    struct answer answer;
    struct peer peer;
    osb_win32 tcp;
    osb_port port;
    (void)state;
    memset(&answer, 0, sizeof answer);
    port = osb_win32_port(&tcp);
    peer = listen_on(AF_INET6);
    answer.addresses[0] = loopback(AF_INET, closed_port());
    answer.addresses[1] = loopback(AF_INET6, peer.port);
    answer.count = 2;
    answer.not_yet = 3;
    assert_int_equal(connect_by_name(&tcp, &answer), 0);
    assert_int_equal(answer.asked, 4);
    assert_true(tcp.attempt[0] == INVALID_SOCKET && tcp.attempt[1] == INVALID_SOCKET);
    port.ops->close(&tcp);
    leave(&peer);
}

static void no_address_answers(void **state)
{
    struct answer answer;
    osb_win32 tcp;
    int i;
    (void)state;
    memset(&answer, 0, sizeof answer);
    osb_win32_port(&tcp);
    assert_int_equal(connect_by_name(&tcp, &answer), OSB_IO_FAILED);
    assert_int_equal(tcp.code, WSAHOST_NOT_FOUND);
    for (i = 0; i < OSB_WIN32_ADDRESSES; i++)
        answer.addresses[i] = loopback(AF_INET, closed_port());
    answer.count = OSB_WIN32_ADDRESSES;
    assert_int_equal(connect_by_name(&tcp, &answer), OSB_IO_FAILED);
    assert_int_equal(tcp.code, WSAECONNREFUSED);
}

/* As snprintf counts: what there would be, had it found room. */
static void more_addresses_than_room(void **state)
{
    struct answer answer;
    osb_win32 tcp;
    int i;
    (void)state;
    memset(&answer, 0, sizeof answer);
    for (i = 0; i < OSB_WIN32_ADDRESSES; i++)
        answer.addresses[i] = loopback(AF_INET, closed_port());
    answer.count = OSB_WIN32_ADDRESSES + 3;
    assert_int_equal(connect_by_name(&tcp, &answer), OSB_IO_FAILED);
    assert_int_equal(tcp.count, 0);
    assert_int_equal(tcp.code, WSAECONNREFUSED);
}

/* Where a host has an address of a family that this machine is not connected to, what is said is
   why the other failed. */
static void no_way_to_an_address(void **state)
{
    struct answer answer;
    osb_win32 tcp;
    int first;
    (void)state;
    for (first = 0; first < 2; first++) {
        memset(&answer, 0, sizeof answer);
        answer.addresses[first] = loopback(AF_INET, closed_port());
        answer.addresses[1 - first] = loopback(AF_INET, 80);
        answer.addresses[1 - first].v4.sin_addr.s_addr = htonl(0xe0000001u); /* a group's */
        answer.count = 2;
        assert_int_equal(connect_by_name(&tcp, &answer), OSB_IO_FAILED);
        assert_int_equal(tcp.code, WSAECONNREFUSED);
    }
}

/* select() itself may fail, here since what it is given is no socket. */
static void nothing_to_wait_with(void **state)
{
    osb_win32 tcp;
    osb_port port = osb_win32_port(&tcp);
    (void)state;
    tcp.connecting = true;
    tcp.count = tcp.next = 1;
    tcp.attempt[0] = socket(AF_INET, SOCK_STREAM, 0);
    closesocket(tcp.attempt[0]);
    assert_int_equal(port.ops->connect(&tcp, "127.0.0.1", 80, false), OSB_IO_FAILED);
    assert_int_equal(tcp.code, WSAENOTSOCK); /* wine has no text for it */
    assert_true(osb_win32_socket(&tcp) == INVALID_SOCKET);
}

/* IPv6 first, then in turn; more than there is room for are left out. */
static void families_in_turn(void **state)
{
    struct addrinfo list[OSB_WIN32_ADDRESSES + 2];
    osb_win32_address addresses[OSB_WIN32_ADDRESSES + 2];
    osb_win32 tcp;
    size_t i;
    (void)state;
    osb_win32_port(&tcp);
    memset(list, 0, sizeof list);
    for (i = 0; i < OSB_WIN32_ADDRESSES + 2; i++) {
        addresses[i] = loopback(i < 3 ? AF_INET6 : AF_INET, (uint16_t)i);
        list[i].ai_family = addresses[i].any.sa_family;
        list[i].ai_addr = &addresses[i].any;
        list[i].ai_addrlen = i < 3 ? sizeof addresses[i].v6 : sizeof addresses[i].v4;
        if (i > 0) list[i - 1].ai_next = &list[i];
    }
    assert_int_equal(osb__win32_interleave(&tcp, list), OSB_WIN32_ADDRESSES);
    assert_int_equal(tcp.address[0].any.sa_family, AF_INET6);
    assert_int_equal(tcp.address[1].any.sa_family, AF_INET);
    assert_int_equal(tcp.address[1].v4.sin_port, htons(3));
    assert_int_equal(tcp.address[2].any.sa_family, AF_INET6);
    assert_int_equal(tcp.address[4].v6.sin6_port, htons(2));
    assert_int_equal(tcp.address[6].any.sa_family, AF_INET);
    assert_int_equal(tcp.address[7].any.sa_family, AF_INET);
}

/* ---- send, receive ---------------------------------------------------------------------------*/

static void later_then_bytes_then_end(void **state)
{
    struct peer peer;
    osb_win32 tcp;
    osb_port port = open_both(&tcp, &peer);
    char bytes[8];
    (void)state;
    assert_int_equal(port.ops->recv(&tcp, bytes, sizeof bytes), OSB_IO_WANT_READ);
    assert_int_equal(send(peer.accepted, "hello", 5, 0), 5);
    port.ops->wait(&tcp, OSB_WANT_READ, 5000);
    assert_int_equal(port.ops->recv(&tcp, bytes, 3), 3);
    assert_int_equal(port.ops->recv(&tcp, bytes, 3), 2);
    shutdown(peer.accepted, SD_SEND);
    port.ops->wait(&tcp, OSB_WANT_READ, 5000);
    assert_int_equal(port.ops->recv(&tcp, bytes, 3), OSB_IO_CLOSED);
    assert_int_equal(port.ops->send(&tcp, "good", 4), 4);
    assert_int_equal(recv(peer.accepted, bytes, sizeof bytes, 0), 4);
    port.ops->close(&tcp);
    leave(&peer);
}

/* Wine 8 takes a reset off the socket by itself: recv() sees a good end, and only send() the reset. */
static bool under_wine(void)
{
    return GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version") != NULL;
}

static void broken_connection(void **state)
{
    struct peer peer;
    osb_win32 tcp;
    osb_port port = open_both(&tcp, &peer);
    char byte;
    int io, tries = 0;
    (void)state;
    assert_int_equal(port.ops->send(&tcp, "x", 1), 1);
    Sleep(50);
    closesocket(peer.accepted); /* with a byte unread: a reset */
    peer.accepted = INVALID_SOCKET;
    port.ops->wait(&tcp, OSB_WANT_READ, 5000);
    assert_int_equal(port.ops->recv(&tcp, &byte, 1), under_wine() ? OSB_IO_CLOSED : OSB_IO_FAILED);
    if (!under_wine()) expect_error(port, WSAECONNRESET);
    do io = port.ops->send(&tcp, "x", 1);
    while (io > 0 && tries++ < 100);
    assert_int_equal(io, OSB_IO_FAILED);
    expect_error(port, WSAECONNRESET);
    port.ops->close(&tcp);
    leave(&peer);
}

/* Sends until the other side must read first; not a byte is lost. */
static void full_pipe(void **state)
{
    static char bytes[65536];
    struct peer peer;
    osb_win32 tcp;
    osb_port port = open_both(&tcp, &peer);
    uint64_t sent = 0, received = 0;
    int io, laters = 0;
    (void)state;
    while (laters < 3) {
        io = port.ops->send(&tcp, bytes, sizeof bytes);
        if (io > 0) sent += (uint64_t)io;
        if (io > 0) continue;
        assert_int_equal(io, OSB_IO_WANT_WRITE);
        laters++;
        while (received < sent) {
            io = recv(peer.accepted, bytes, sizeof bytes, 0);
            assert_true(io > 0);
            received += (uint64_t)io;
        }
        port.ops->wait(&tcp, OSB_WANT_WRITE, 5000);
    }
    assert_true(sent == received);
    port.ops->close(&tcp);
    leave(&peer);
}

static void long_text(void **state)
{
    osb_win32 tcp;
    osb_port port = osb_win32_port(&tcp);
    int32_t code;
    (void)state;
    osb__win32_failed(&tcp, WSAETIMEDOUT);
    assert_non_null(port.ops->error(&tcp, &code));
    assert_string_equal(port.ops->error(&tcp, &code), TIMED_OUT);
    assert_int_equal(code, WSAETIMEDOUT);
}

/* ---- time, waiting, random -------------------------------------------------------------------*/

static uint32_t time_of_wait(osb_port port, unsigned want, uint32_t timeout_ms)
{
    uint32_t start = port.ops->now_ms(port.ctx);
    port.ops->wait(port.ctx, want, timeout_ms);
    return port.ops->now_ms(port.ctx) - start;
}

static void waiting(void **state)
{
    struct peer peer;
    osb_win32 tcp;
    osb_port port = open_both(&tcp, &peer);
    (void)state;
    assert_in_range(time_of_wait(port, OSB_WANT_READ, 120), 90, 5000);
    assert_in_range(time_of_wait(port, 0, 120), 90, 5000);
    assert_in_range(time_of_wait(port, OSB_WANT_WRITE, 5000), 0, 1000);
    assert_int_equal(send(peer.accepted, "x", 1, 0), 1);
    assert_in_range(time_of_wait(port, OSB_WANT_READ, 5000), 0, 1000);
    assert_in_range(time_of_wait(port, 0, 120), 90, 5000);
    port.ops->close(&tcp);
    assert_in_range(time_of_wait(port, OSB_WANT_READ, 120), 90, 5000);
    leave(&peer);
}

static void sets_for_select(void **state)
{
    osb_wait wait = {false, true, true, 70};
    fd_set readable, writable, failed;
    struct peer peer;
    osb_win32 tcp;
    osb_port port = osb_win32_port(&tcp);
    int timeout = -1;
    (void)state;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_ZERO(&failed);
    assert_int_equal(osb_win32_fd_sets(&tcp, &wait, &readable, &writable, &failed, &timeout), 0);
    assert_int_equal(timeout, 70);
    port = open_both(&tcp, &peer);
    timeout = 50;
    assert_int_equal(osb_win32_fd_sets(&tcp, &wait, &readable, &writable, &failed, &timeout), 1);
    assert_int_equal(timeout, 50);
    assert_int_equal(readable.fd_count, 1);
    assert_true(readable.fd_array[0] == osb_win32_socket(&tcp));
    assert_int_equal(writable.fd_count, 1);
    assert_int_equal(failed.fd_count, 0);
    wait.now = true;
    assert_int_equal(osb_win32_fd_sets(&tcp, &wait, &readable, &writable, &failed, &timeout), 1);
    assert_int_equal(timeout, 0);
    port.ops->close(&tcp);
    leave(&peer);
}

static void clocks_and_random(void **state)
{
    unsigned char a[64], b[64];
    osb_win32 tcp;
    osb_port port = osb_win32_port(&tcp);
    uint32_t first = port.ops->now_ms(&tcp);
    (void)state;
    Sleep(60);
    assert_in_range(port.ops->now_ms(&tcp) - first, 30, 5000);
    assert_true(port.ops->unix_time(&tcp) > 1760000000u);
    assert_int_equal(port.ops->random(&tcp, a, sizeof a), 0);
    assert_int_equal(port.ops->random(&tcp, b, sizeof b), 0);
    assert_true(memcmp(a, b, sizeof a) != 0);
}

/* A word that is mistyped does not make https http. */
static void protocol_from_the_environment(void **state)
{
    static const struct {
        const char *setting;
        bool https;
    } cases[] = {{"OPEN_SANDBOX_PROTOCOL=", false},
                 {"OPEN_SANDBOX_PROTOCOL=http", false},
                 {"OPEN_SANDBOX_PROTOCOL=https", true},
                 {"OPEN_SANDBOX_PROTOCOL=htps", true},
                 {"OPEN_SANDBOX_PROTOCOL=", false}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        osb_config config;
        memset(&config, 0, sizeof config);
        putenv(cases[i].setting);
        osb_win32_config_from_env(&config);
        assert_int_equal(config.https, cases[i].https);
    }
}

/* ---- a client --------------------------------------------------------------------------------*/

/* Against the local server, if the environment names one. */
static void create_run_kill(bool poll_mode)
{
    unsigned char memory[2048];
    char out[64];
    osb_create_options options;
    osb_command command;
    osb_handlers handlers;
    osb_capture capture;
    osb_execution run;
    osb_config config;
    osb_client client;
    osb_sandbox box;
    osb_win32 tcp;
    osb_status status;
    int step;
    memset(&options, 0, sizeof options);
    memset(&command, 0, sizeof command);
    memset(&handlers, 0, sizeof handlers);
    memset(&capture, 0, sizeof capture);
    memset(&config, 0, sizeof config);
    config.port = osb_win32_port(&tcp);
    config.memory = memory;
    config.memory_size = sizeof memory;
    config.poll_mode = poll_mode;
    osb_win32_config_from_env(&config);
    assert_non_null(config.domain);
    assert_non_null(config.api_key);
    capture.data = out;
    capture.size = sizeof out;
    handlers.capture_stdout = &capture;
    options.image = "python:3.12";
    command.command = "echo hello from windows; exit 7";
    assert_int_equal(osb_client_init(&client, &config), OSB_OK);
    for (step = 0; step < 3; step++) {
        if (step == 0) status = osb_sandbox_create(&client, &options, &box);
        else if (step == 1) status = osb_command_run(&box, &command, &handlers, &run);
        else status = osb_sandbox_kill(&box);
        while (status == OSB_PENDING) {
            osb_wait wait;
            osb_want(&client, &wait);
            if (!wait.now)
                osb__win32_wait(
                    &tcp, (wait.read ? OSB_WANT_READ : 0u) | (wait.write ? OSB_WANT_WRITE : 0u),
                    wait.timeout_ms);
            status = osb_poll(&client);
        }
        assert_int_equal(status, OSB_OK);
    }
    assert_string_equal(out, "hello from windows\n");
    assert_int_equal(run.exit_code.value, 7);
    osb_client_close(&client);
}

static void blocking_client(void **state)
{
    (void)state;
    create_run_kill(false);
}

static void polling_client(void **state)
{
    (void)state;
    create_run_kill(true);
}

static void refused_client(void **state)
{
    unsigned char memory[1024];
    char domain[32], text[256];
    osb_config config;
    osb_client client;
    osb_win32 tcp;
    (void)state;
    memset(&config, 0, sizeof config);
    config.port = osb_win32_port(&tcp);
    config.memory = memory;
    config.memory_size = sizeof memory;
    snprintf(domain, sizeof domain, "127.0.0.1:%u", closed_port());
    config.domain = domain;
    assert_int_equal(osb_client_init(&client, &config), OSB_OK);
    assert_int_equal(osb_server_health(&client), OSB_E_CONNECT);
    assert_int_equal(osb_last_error(&client)->port_code, WSAECONNREFUSED);
    osb_error_text(&client, text, sizeof text);
    assert_non_null(strstr(text, "cannot connect: "));
    osb_client_close(&client);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(literal_addresses),
        cmocka_unit_test(names),
        cmocka_unit_test(refused),
        cmocka_unit_test(next_address),
        cmocka_unit_test(no_address_answers),
        cmocka_unit_test(more_addresses_than_room),
        cmocka_unit_test(no_way_to_an_address),
        cmocka_unit_test(nothing_to_wait_with),
        cmocka_unit_test(families_in_turn),
        cmocka_unit_test(later_then_bytes_then_end),
        cmocka_unit_test(broken_connection),
        cmocka_unit_test(full_pipe),
        cmocka_unit_test(long_text),
        cmocka_unit_test(waiting),
        cmocka_unit_test(sets_for_select),
        cmocka_unit_test(clocks_and_random),
        cmocka_unit_test(protocol_from_the_environment),
        cmocka_unit_test(blocking_client),
        cmocka_unit_test(polling_client),
        cmocka_unit_test(refused_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
