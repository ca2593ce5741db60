/* port/osb_posix.h over lwIP's own sockets, with its thread, against a server on them: what Zephyr,
   ESP-IDF and lwIP with an OS have instead of POSIX. */
#include "lwip/sockets.h"
#include "lwip/netdb.h"
#include "lwip/sys.h"
#include "lwip/tcpip.h"

/* Left out by the configuration for Linux: it means the system's, whose headers clash with lwIP's. */
#define htons(x) lwip_htons(x)

#define OSB_POSIX_SOCKETS
#define OSB_POSIX_NOW_MS() sys_now()
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define SERVER_PORT 8080
#define OK "HTTP/1.1 200 OK\r\nContent-Length: "

static sys_sem_t ready;

/* Answers each connection's requests, one read being one request, until the client closes. */
static void serve(void *unused)
{
    static const char answer[] = OK "20\r\n\r\n{\"status\":\"healthy\"}";
    struct sockaddr_in here;
    char request[1000];
    int listener = lwip_socket(AF_INET, SOCK_STREAM, 0);
    (void)unused;
    memset(&here, 0, sizeof here);
    here.sin_family = AF_INET;
    here.sin_port = lwip_htons(SERVER_PORT);
    here.sin_addr.s_addr = lwip_htonl(INADDR_LOOPBACK);
    lwip_bind(listener, (struct sockaddr *)&here, sizeof here);
    lwip_listen(listener, 1);
    sys_sem_signal(&ready);
    for (;;) {
        int client = lwip_accept(listener, NULL, NULL);
        while (lwip_recv(client, request, sizeof request, 0) > 0)
            lwip_send(client, answer, sizeof answer - 1, 0);
        lwip_close(client);
    }
}

static void started(void *unused)
{
    (void)unused;
    sys_sem_signal(&ready);
}

static int set_up(void **state)
{
    (void)state;
    if (sys_sem_new(&ready, 0) != ERR_OK) return -1;
    tcpip_init(started, NULL);
    sys_sem_wait(&ready);
    sys_thread_new("server", serve, NULL, 0, 0);
    sys_sem_wait(&ready);
    return 0;
}

static osb_posix tcp;
static osb_client client;
static unsigned char memory[1024];

static void make_client(const char *domain, bool poll_mode)
{
    osb_config config = {.memory = memory, .memory_size = sizeof memory};
    config.port = osb_posix_port(&tcp);
    config.domain = domain;
    config.poll_mode = poll_mode;
    assert_int_equal(osb_client_init(&client, &config), OSB_OK);
}

static void a_client_blocks(void **state)
{
    (void)state;
    make_client("127.0.0.1:8080", false);
    for (int i = 0; i < 3; i++) assert_int_equal(osb_server_health(&client), OSB_OK);
    osb_client_close(&client);
}

static void a_client_polls(void **state)
{
    osb_status status;
    (void)state;
    make_client("127.0.0.1:8080", true);
    status = osb_server_health(&client);
    while (status == OSB_PENDING) {
        struct pollfd fds[OSB_POSIX_ADDRESSES];
        osb_wait wait;
        int timeout_ms = -1;
        size_t count;
        osb_want(&client, &wait);
        count = osb_posix_pollfds(&tcp, &wait, fds, &timeout_ms);
        poll(fds, (nfds_t)count, timeout_ms);
        status = osb_poll(&client);
    }
    assert_int_equal(status, OSB_OK);
    osb_client_close(&client);
}

static void a_closed_port_is_refused(void **state)
{
    (void)state;
    make_client("127.0.0.1:8081", false);
    assert_int_equal(osb_server_health(&client), OSB_E_CONNECT);
    assert_int_not_equal(osb_last_error(&client)->port_code, 0);
    assert_non_null(osb_last_error(&client)->port_text);
    osb_client_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_blocks),
        cmocka_unit_test(a_client_polls),
        cmocka_unit_test(a_closed_port_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
