/* port/osb_posix.h by itself: names and addresses, the race between them, and its answers. */
#include "e2e.h"

#include <arpa/inet.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- a port, and peers on loopback -----------------------------------------------------------*/

struct peer {
    int fd;
    uint16_t port;
};

static struct peer listen_on_loopback(int backlog)
{
    struct peer peer;
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer.fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(peer.fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(peer.fd, backlog), 0);
    assert_int_equal(getsockname(peer.fd, (struct sockaddr *)&address, &size), 0);
    peer.port = ntohs(address.sin_port);
    return peer;
}

static uint16_t closed_port(void)
{
    struct peer peer = listen_on_loopback(1);
    close(peer.fd);
    return peer.port;
}

/* What a resolver of the test's own answers: ports on loopback. */
struct answer {
    uint16_t ports[OSB_POSIX_ADDRESSES];
    int count;
    int not_yet; /* how many times it asks for time first */
    int asked;
};

static int answer_resolver(void *user, const char *host, uint16_t port,
                           osb_posix_address *addresses, size_t room)
{
    struct answer *answer = (struct answer *)user;
    int i;
    assert_string_equal(host, "sandbox.example");
    assert_int_equal(port, 80);
    assert_int_equal(room, OSB_POSIX_ADDRESSES);
    if (answer->asked++ < answer->not_yet) return OSB_IO_WANT_READ;
    for (i = 0; i < answer->count && i < (int)room; i++) {
        memset(&addresses[i], 0, sizeof addresses[i]);
        addresses[i].v4.sin_family = AF_INET;
        addresses[i].v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        addresses[i].v4.sin_port = htons(answer->ports[i]);
    }
    return answer->count;
}

/* Connects as the client does, waiting by the port's own `wait`. */
static int connect_to(osb_posix *tcp, const osb_port_ops *ops, const char *host, uint16_t port)
{
    int io, tries;
    for (tries = 0; tries < 200; tries++) {
        io = ops->connect(tcp, host, port, false);
        if (io != OSB_IO_WANT_READ && io != OSB_IO_WANT_WRITE) return io;
        ops->wait(tcp, io == OSB_IO_WANT_READ ? OSB_WANT_READ : OSB_WANT_WRITE, 5000);
    }
    fail_msg("it connects for ever");
    return OSB_IO_FAILED;
}

static int connect_by_name(osb_posix *tcp, struct answer *answer)
{
    osb_port port = osb_posix_port(tcp);
    tcp->resolve = answer_resolver;
    tcp->resolve_user = answer;
    return connect_to(tcp, port.ops, "sandbox.example", 80);
}

/* Which port the connection has gone to. */
static uint16_t connected_port(const osb_posix *tcp)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;
    assert_int_equal(getpeername(osb_posix_fd(tcp), (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

static int open_files(void)
{
    int count = 0, fd;
    for (fd = 0; fd < 256; fd++)
        if (fcntl(fd, F_GETFD) != -1) count++;
    return count;
}

static void close_and_expect_files(osb_posix *tcp, int expected)
{
    osb__posix_close(tcp);
    assert_int_equal(osb_posix_fd(tcp), -1);
    assert_int_equal(open_files(), expected);
}

/* ---- tests -----------------------------------------------------------------------------------*/

static void literal_addresses(void **state)
{
    struct peer peer = listen_on_loopback(4);
    int before = open_files();
    osb_posix tcp;
    osb_port port = osb_posix_port(&tcp);
    (void)state;
    assert_int_equal(osb_posix_fd(&tcp), -1);
    assert_int_equal(connect_to(&tcp, port.ops, "127.0.0.1", peer.port), 0);
    assert_int_equal(connected_port(&tcp), peer.port);
    close_and_expect_files(&tcp, before);
    close(peer.fd);
}

static void version_6(void **state)
{
    struct sockaddr_in6 address;
    socklen_t size = sizeof address;
    osb_posix tcp;
    osb_port port = osb_posix_port(&tcp);
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    (void)state;
    memset(&address, 0, sizeof address);
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0) skip();
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(connect_to(&tcp, port.ops, "::1", ntohs(address.sin6_port)), 0);
    osb__posix_close(&tcp);
    close(fd);
}

static void name_of_this_machine(void **state)
{
    struct peer peer = listen_on_loopback(1);
    osb_posix tcp;
    osb_port port = osb_posix_port(&tcp);
    (void)state;
    assert_int_equal(connect_to(&tcp, port.ops, "localhost", peer.port), 0);
    assert_int_equal(connected_port(&tcp), peer.port);
    osb__posix_close(&tcp);
    close(peer.fd);
}

static void refused(void **state)
{
    int before = open_files();
    int32_t code = 0;
    osb_posix tcp;
    osb_port port = osb_posix_port(&tcp);
    (void)state;
    assert_int_equal(connect_to(&tcp, port.ops, "127.0.0.1", closed_port()), OSB_IO_FAILED);
    assert_string_equal(port.ops->error(&tcp, &code), "Connection refused");
    assert_int_equal(code, ECONNREFUSED);
    assert_int_equal(open_files(), before);
}

static void name_not_found(void **state)
{
    struct answer answer = {{0}, 0, 0, 0};
    int32_t code = 0;
    osb_posix tcp;
    (void)state;
    assert_int_equal(connect_by_name(&tcp, &answer), OSB_IO_FAILED);
    assert_string_equal(osb__posix_error(&tcp, &code), "name not found");
    assert_int_equal(code, EAI_NONAME);
}

/* As snprintf counts: what there would be, had it found room. */
static void more_addresses_than_room(void **state)
{
    struct answer answer = {{0}, OSB_POSIX_ADDRESSES + 3, 0, 0};
    int before = open_files();
    osb_posix tcp;
    size_t i;
    (void)state;
    for (i = 0; i < OSB_POSIX_ADDRESSES; i++) answer.ports[i] = closed_port();
    assert_int_equal(connect_by_name(&tcp, &answer), OSB_IO_FAILED);
    assert_int_equal(tcp.code, ECONNREFUSED);
    close_and_expect_files(&tcp, before);
}

static int two_ways(void *user, const char *host, uint16_t port, osb_posix_address *addresses,
                    size_t room)
{
    static const char *const hosts[] = {"127.0.0.1", "224.0.0.1"}; /* nothing connects to groups */
    const bool *swapped = (const bool *)user;
    size_t i;
    (void)host, (void)port, (void)room;
    for (i = 0; i < 2; i++) {
        osb__posix_literal(hosts[i], &addresses[*swapped ? 1 - i : i]);
        osb__posix_set_port(&addresses[*swapped ? 1 - i : i], closed_port());
    }
    return 2;
}

/* Where a host has an address of a family that this machine is not connected to, what is said is
   why the other failed. */
static void no_way_to_an_address(void **state)
{
    bool swapped = false;
    int tries;
    (void)state;
    for (tries = 0; tries < 2; tries++, swapped = true) {
        osb_posix tcp;
        osb_port port = osb_posix_port(&tcp);
        tcp.resolve = two_ways;
        tcp.resolve_user = &swapped;
        assert_int_equal(connect_to(&tcp, port.ops, "sandbox.example", 80), OSB_IO_FAILED);
        assert_int_equal(tcp.code, ECONNREFUSED);
    }
}

static void next_address_after_a_failure(void **state)
{
    struct peer peer = listen_on_loopback(1);
    int before = open_files();
    struct answer answer = {{0}, 3, 0, 0};
    uint32_t begin = osb__posix_now_ms(NULL);
    osb_posix tcp;
    (void)state;
    answer.ports[0] = closed_port();
    answer.ports[1] = closed_port();
    answer.ports[2] = peer.port;
    assert_int_equal(connect_by_name(&tcp, &answer), 0);
    assert_int_equal(connected_port(&tcp), peer.port);
    assert_true(osb__posix_now_ms(NULL) - begin < OSB_POSIX_NEXT_ADDRESS_MS);
    close_and_expect_files(&tcp, before);
    close(peer.fd);
}

/* A listener whose queue is full lets further connects hang, as a host that is away does. */
static struct peer hanging_peer(int *queue, int size)
{
    struct peer peer = listen_on_loopback(0);
    struct sockaddr_in address;
    int i;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(peer.port);
    for (i = 0; i < size; i++) {
        queue[i] = socket(AF_INET, SOCK_STREAM, 0);
        fcntl(queue[i], F_SETFL, O_NONBLOCK);
        (void)connect(queue[i], (struct sockaddr *)&address, sizeof address);
    }
    sleep_ms(50);
    return peer;
}

enum { QUEUE = 4 };

static void close_hanging_peer(struct peer *peer, const int *queue)
{
    int i;
    for (i = 0; i < QUEUE; i++) close(queue[i]);
    close(peer->fd);
}

static void next_address_beside_one_that_hangs(void **state)
{
    int queue[QUEUE], before;
    struct peer hanging = hanging_peer(queue, QUEUE), peer = listen_on_loopback(1);
    struct answer answer = {{0}, 2, 0, 0};
    uint32_t begin = osb__posix_now_ms(NULL), took;
    osb_posix tcp;
    (void)state;
    before = open_files();
    answer.ports[0] = hanging.port;
    answer.ports[1] = peer.port;
    assert_int_equal(connect_by_name(&tcp, &answer), 0);
    took = osb__posix_now_ms(NULL) - begin;
    assert_int_equal(connected_port(&tcp), peer.port);
    assert_in_range(took, OSB_POSIX_NEXT_ADDRESS_MS, 4 * OSB_POSIX_NEXT_ADDRESS_MS);
    assert_int_equal(open_files(), before + 1); /* the attempt that lost is closed */
    close_and_expect_files(&tcp, before);
    close(peer.fd);
    close_hanging_peer(&hanging, queue);
}

/* While it connects, poll(2) must watch every attempt, and wake up for the next one. */
static void pollfds_while_connecting(void **state)
{
    int queue[QUEUE], timeout = -1;
    struct peer hanging = hanging_peer(queue, QUEUE);
    struct answer answer = {{0}, 2, 0, 0};
    struct pollfd fds[OSB_POSIX_ADDRESSES];
    osb_wait wait = {false, false, true, 10000};
    osb_posix tcp;
    osb_port port = osb_posix_port(&tcp);
    (void)state;
    answer.ports[0] = answer.ports[1] = hanging.port;
    tcp.resolve = answer_resolver;
    tcp.resolve_user = &answer;
    assert_int_equal(port.ops->connect(&tcp, "sandbox.example", 80, false), OSB_IO_WANT_WRITE);
    assert_int_equal(osb_posix_pollfds(&tcp, &wait, fds, &timeout), 1);
    assert_in_range(timeout, 1, OSB_POSIX_NEXT_ADDRESS_MS);
    sleep_ms(OSB_POSIX_NEXT_ADDRESS_MS);
    assert_int_equal(port.ops->connect(&tcp, "sandbox.example", 80, false), OSB_IO_WANT_WRITE);
    timeout = -1;
    assert_int_equal(osb_posix_pollfds(&tcp, &wait, fds, &timeout), 2);
    assert_int_equal(timeout, 10000);
    assert_int_equal(osb_posix_fd(&tcp), fds[1].fd);
    osb__posix_close(&tcp);
    close_hanging_peer(&hanging, queue);
}

/* poll(2) itself may fail, here since it is given more files than a process may have (but not under
   valgrind, which keeps that limit to itself). */
static void nothing_to_wait_with(void **state)
{
    int queue[QUEUE], before = open_files();
    struct peer hanging = hanging_peer(queue, QUEUE);
    struct rlimit limit, none;
    struct pollfd one = {-1, 0, 0};
    osb_posix tcp;
    osb_port port = osb_posix_port(&tcp);
    bool fails;
    int io;
    (void)state;
    io = port.ops->connect(&tcp, "127.0.0.1", hanging.port, false);
    assert_int_equal(io, OSB_IO_WANT_WRITE);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    fails = poll(&one, 1, 0) < 0;
    io = port.ops->connect(&tcp, "127.0.0.1", hanging.port, false);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    close_hanging_peer(&hanging, queue);
    assert_int_equal(io, fails ? OSB_IO_FAILED : OSB_IO_WANT_WRITE);
    assert_int_equal(tcp.code, fails ? EINVAL : 0);
    close_and_expect_files(&tcp, before);
}

static void resolver_that_needs_time(void **state)
{
    struct peer peer = listen_on_loopback(1);
    struct answer answer = {{0}, 1, 3, 0};
    osb_posix tcp;
    (void)state;
    answer.ports[0] = peer.port;
    assert_int_equal(connect_by_name(&tcp, &answer), 0);
    assert_int_equal(answer.asked, 4);
    osb__posix_close(&tcp);
    close(peer.fd);
}

/* The families take turns, the list's first one first. */
static void families_in_turn(void **state)
{
    static const int families[] = {AF_INET6, AF_INET6, AF_INET6, AF_INET, AF_INET6, AF_INET};
    static const unsigned char order[] = {0, 3, 1, 5, 2, 4};
    struct addrinfo list[6];
    osb_posix_address address[6];
    osb_posix tcp;
    size_t i;
    (void)state;
    osb_posix_port(&tcp);
    memset(list, 0, sizeof list);
    memset(address, 0, sizeof address);
    for (i = 0; i < 6; i++) {
        address[i].any.sa_family = (sa_family_t)families[i];
        osb__posix_set_port(&address[i], (uint16_t)i);
        list[i].ai_family = families[i];
        list[i].ai_addr = &address[i].any;
        list[i].ai_addrlen = families[i] == AF_INET ? sizeof address[i].v4 : sizeof address[i].v6;
        list[i].ai_next = i < 5 ? &list[i + 1] : NULL;
    }
    assert_int_equal(osb__posix_interleave(&tcp, list), 6);
    for (i = 0; i < 6; i++) assert_int_equal(ntohs(tcp.address[i].v4.sin_port), order[i]);
}

static void send_and_receive(void **state)
{
    struct peer peer = listen_on_loopback(1);
    static char data[65536];
    size_t sent = 0;
    char answer[8];
    osb_posix tcp;
    osb_port port = osb_posix_port(&tcp);
    int other, io;
    (void)state;
    assert_int_equal(connect_to(&tcp, port.ops, "127.0.0.1", peer.port), 0);
    other = accept(peer.fd, NULL, NULL);
    assert_int_equal(port.ops->recv(&tcp, answer, sizeof answer), OSB_IO_WANT_READ);
    assert_int_equal(send(other, "hello", 5, 0), 5);
    port.ops->wait(&tcp, OSB_WANT_READ, 5000);
    assert_int_equal(port.ops->recv(&tcp, answer, sizeof answer), 5);
    assert_memory_equal(answer, "hello", 5);
    do {
        io = port.ops->send(&tcp, data, sizeof data);
        if (io > 0) sent += (size_t)io;
    } while (io > 0);
    assert_int_equal(io, OSB_IO_WANT_WRITE);
    assert_true(sent > sizeof data);
    shutdown(other, SHUT_WR);
    port.ops->wait(&tcp, OSB_WANT_READ, 5000);
    assert_int_equal(port.ops->recv(&tcp, answer, sizeof answer), OSB_IO_CLOSED);
    close(other); /* with data unread: the peer sends a reset */
    sleep_ms(50);
    while ((io = port.ops->send(&tcp, data, sizeof data)) > 0) {
    }
    assert_int_equal(io, OSB_IO_FAILED); /* and no SIGPIPE */
    osb__posix_close(&tcp);
    close(peer.fd);
}

/* How much of `size` bytes comes in time: what the kernel holds back comes after 200 ms. */
static size_t come_at_once(int fd, size_t size)
{
    static char data[5000];
    struct pollfd ready;
    size_t came = 0;
    ready.fd = fd;
    ready.events = POLLIN;
    while (came < size && poll(&ready, 1, 50) == 1) {
        ssize_t n = read(fd, data, sizeof data);
        assert_true(n > 0);
        came += (size_t)n;
    }
    return came;
}

/* The port may gather large pieces into whole segments, but not once there is nothing more to send. */
static void nothing_is_held_back(void **state)
{
    static const char data[5000];
    struct peer peer = listen_on_loopback(1);
    char answer[1];
    osb_posix tcp;
    osb_port port = osb_posix_port(&tcp);
    int fd;
    (void)state;
    assert_int_equal(connect_to(&tcp, port.ops, "127.0.0.1", peer.port), 0);
    fd = accept(peer.fd, NULL, NULL);
    assert_int_equal(port.ops->send(&tcp, data, sizeof data), sizeof data);
    assert_int_equal(port.ops->recv(&tcp, answer, sizeof answer), OSB_IO_WANT_READ);
    assert_int_equal(come_at_once(fd, sizeof data), sizeof data);
    assert_int_equal(port.ops->send(&tcp, data, sizeof data), sizeof data);
    port.ops->wait(&tcp, 0, 1); /* as while the body's source has nothing */
    assert_int_equal(come_at_once(fd, sizeof data), sizeof data);
    osb__posix_close(&tcp);
    close(fd);
    close(peer.fd);
}

static void waiting(void **state)
{
    osb_posix tcp;
    osb_port port = osb_posix_port(&tcp);
    uint32_t begin = port.ops->now_ms(&tcp), took;
    (void)state;
    port.ops->wait(&tcp, 0, 50);
    took = port.ops->now_ms(&tcp) - begin;
    assert_in_range(took, 49, 1000);
}

static void clocks_and_random_bytes(void **state)
{
    unsigned char a[64] = {0}, b[64] = {0};
    osb_posix tcp;
    osb_port port = osb_posix_port(&tcp);
    (void)state;
    assert_true(port.ops->unix_time(&tcp) > 1700000000u);
    assert_int_equal(port.ops->random(&tcp, a, sizeof a), 0);
    assert_int_equal(port.ops->random(&tcp, b, sizeof b), 0);
    assert_memory_not_equal(a, b, sizeof a);
}

static void configuration_from_the_environment(void **state)
{
    osb_config config;
    (void)state;
    memset(&config, 0, sizeof config);
    setenv("OPEN_SANDBOX_API_KEY", "", 1);
    setenv("OPEN_SANDBOX_DOMAIN", "sandbox.example:8080", 1);
    osb_posix_config_from_env(&config);
    assert_null(config.api_key);
    assert_string_equal(config.domain, "sandbox.example:8080");
    setenv("OPEN_SANDBOX_API_KEY", "key", 1);
    config.domain = "mine";
    osb_posix_config_from_env(&config);
    assert_string_equal(config.api_key, "key");
    assert_string_equal(config.domain, "mine");
}

/* A word that is mistyped does not make https http. */
static void protocol_from_the_environment(void **state)
{
    static const struct {
        const char *protocol;
        bool https;
    } cases[] = {{"", false}, {"http", false}, {"https", true}, {"HTTPS", true}, {"htps", true}};
    size_t i;
    (void)state;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        osb_config config;
        memset(&config, 0, sizeof config);
        setenv("OPEN_SANDBOX_PROTOCOL", cases[i].protocol, 1);
        osb_posix_config_from_env(&config);
        assert_int_equal(config.https, cases[i].https);
    }
    unsetenv("OPEN_SANDBOX_PROTOCOL");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(literal_addresses),
        cmocka_unit_test(version_6),
        cmocka_unit_test(name_of_this_machine),
        cmocka_unit_test(refused),
        cmocka_unit_test(name_not_found),
        cmocka_unit_test(more_addresses_than_room),
        cmocka_unit_test(no_way_to_an_address),
        cmocka_unit_test(next_address_after_a_failure),
        cmocka_unit_test(next_address_beside_one_that_hangs),
        cmocka_unit_test(pollfds_while_connecting),
        cmocka_unit_test(nothing_to_wait_with),
        cmocka_unit_test(resolver_that_needs_time),
        cmocka_unit_test(families_in_turn),
        cmocka_unit_test(send_and_receive),
        cmocka_unit_test(nothing_is_held_back),
        cmocka_unit_test(waiting),
        cmocka_unit_test(clocks_and_random_bytes),
        cmocka_unit_test(configuration_from_the_environment),
        cmocka_unit_test(protocol_from_the_environment),
    };
    variant = variants;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
