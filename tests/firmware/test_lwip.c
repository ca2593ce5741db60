/* port/osb_lwip.h against servers in the same lwIP, over its loopback interface. Time is a counter
   that the pump moves on, so that nothing depends on this machine's speed. */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_lwip.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/stats.h"
#include "lwip/timeouts.h"
#include "lwip/udp.h"
#include "lwip/priv/tcp_priv.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define SERVER_PORT 8080
#define PATIENCE 100000

/* ---- the machine: a clock, the pump ----------------------------------------------------------*/

static uint32_t clock_ms = 0xfffff000u; /* wraps in the middle of the tests */

u32_t sys_now(void)
{
    return clock_ms;
}

static void pump(void *user)
{
    (void)user;
    clock_ms++;
    netif_poll_all();
    sys_check_timeouts();
}

/* ---- a server --------------------------------------------------------------------------------*/

static struct server {
    struct tcp_pcb *listener, *pcb;
    const char *answer; /* sent as room comes up; NULL: what is received goes back */
    size_t answer_size, answered;
    size_t received;
    uint32_t sum; /* of what was received */
    bool close_after, reset_after, deaf;
} server;

static uint32_t add_to_sum(uint32_t sum, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) sum = (sum ^ bytes[i]) * 16777619u;
    return sum;
}

static void server_send(void)
{
    size_t left = server.answer_size - server.answered;
    if (server.answer == NULL || server.pcb == NULL) return;
    if (left > tcp_sndbuf(server.pcb)) left = tcp_sndbuf(server.pcb);
    if (left > 0 && tcp_write(server.pcb, server.answer + server.answered, (u16_t)left, 0) == 0)
        server.answered += left;
    tcp_output(server.pcb);
    if (server.answered < server.answer_size || !server.close_after) return;
    tcp_close(server.pcb);
    server.pcb = NULL;
}

static err_t server_on_sent(void *arg, struct tcp_pcb *pcb, u16_t size)
{
    (void)arg, (void)pcb, (void)size;
    server_send();
    return ERR_OK;
}

static err_t server_on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t code)
{
    (void)arg, (void)code;
    if (data == NULL) { /* the client has closed */
        if (server.pcb == pcb) server.pcb = NULL;
        tcp_arg(pcb, NULL);
        tcp_recv(pcb, NULL);
        tcp_err(pcb, NULL);
        tcp_sent(pcb, NULL);
        return tcp_close(pcb);
    }
    if (server.deaf) return ERR_MEM;
    for (struct pbuf *p = data; p != NULL; p = p->next)
        server.sum = add_to_sum(server.sum, p->payload, p->len);
    server.received += data->tot_len;
    tcp_recved(pcb, data->tot_len);
    pbuf_free(data);
    if (server.reset_after) {
        server.pcb = NULL;
        tcp_abort(pcb);
        return ERR_ABRT;
    }
    return ERR_OK;
}

static void server_on_error(void *arg, err_t code)
{
    (void)arg, (void)code;
    server.pcb = NULL;
}

static err_t server_on_accept(void *arg, struct tcp_pcb *pcb, err_t code)
{
    (void)arg, (void)code;
    server.pcb = pcb;
    tcp_recv(pcb, server_on_received);
    tcp_sent(pcb, server_on_sent);
    tcp_err(pcb, server_on_error);
    server_send();
    return ERR_OK;
}

/* ---- a DNS server: answers when it is told to -------------------------------------------------*/

static struct dns {
    struct udp_pcb *pcb;
    struct pbuf *question;
    u16_t port;
} dns;

static void dns_on_question(void *arg, struct udp_pcb *pcb, struct pbuf *question,
                            const ip_addr_t *from, u16_t port)
{
    (void)arg, (void)pcb, (void)from;
    if (dns.question != NULL) pbuf_free(dns.question);
    dns.question = question;
    dns.port = port;
}

/* Answers the last question with 127.0.0.1, or that there is no such name. */
static void dns_answer(bool found)
{
    static const unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1};
    ip_addr_t to;
    struct pbuf *answer;
    unsigned char *head;
    IP_ADDR4(&to, 127, 0, 0, 1);
    assert_non_null(dns.question);
    answer = pbuf_alloc(PBUF_TRANSPORT,
                        (u16_t)(dns.question->tot_len + (found ? sizeof record : 0)), PBUF_RAM);
    head = answer->payload;
    pbuf_copy_partial(dns.question, head, dns.question->tot_len, 0);
    if (found) memcpy(head + dns.question->tot_len, record, sizeof record);
    head[2] |= 0x80;
    head[3] = found ? 0 : 3;
    head[7] = found ? 1 : 0;
    udp_sendto(dns.pcb, answer, &to, dns.port);
    pbuf_free(answer);
    pbuf_free(dns.question);
    dns.question = NULL;
}

/* ---- the port under test ----------------------------------------------------------------------*/

static osb_lwip tcp;
static osb_port port;

static int connect_to(const char *host, uint16_t number)
{
    int io = OSB_IO_WANT_READ;
    for (int i = 0; i < PATIENCE && (io == OSB_IO_WANT_READ || io == OSB_IO_WANT_WRITE); i++) {
        io = (port.ops->connect)(port.ctx, host, number, false);
        if (io != 0) port.ops->wait(port.ctx, OSB_WANT_READ | OSB_WANT_WRITE, 1);
    }
    return io;
}

static const char *error_text(int32_t *code)
{
    return port.ops->error(port.ctx, code);
}

/* Receives until something else than bytes comes; returns that. */
static int receive_all(size_t piece, size_t *size, uint32_t *sum)
{
    char data[2000];
    *size = 0;
    *sum = 0;
    for (int i = 0; i < PATIENCE; i++) {
        int io = (port.ops->recv)(port.ctx, data, piece);
        if (io == OSB_IO_WANT_READ) {
            port.ops->wait(port.ctx, OSB_WANT_READ, 1000);
            continue;
        }
        if (io <= 0) return io;
        assert_true((size_t)io <= piece);
        *sum = add_to_sum(*sum, data, (size_t)io);
        *size += (size_t)io;
    }
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    memset(&server, 0, sizeof server);
    server.listener = tcp_new();
    tcp_bind(server.listener, IP_ADDR_ANY, SERVER_PORT);
    server.listener = tcp_listen(server.listener);
    tcp_accept(server.listener, server_on_accept);
    port = osb_lwip_port(&tcp, pump, NULL);
    return 0;
}

static void settle(int milliseconds)
{
    for (int i = 0; i < milliseconds; i++) pump(NULL);
}

/* Nothing may be left in lwIP's pools. */
static int tear_down(void **state)
{
    (void)state;
    (port.ops->close)(port.ctx);
    if (server.pcb != NULL) tcp_abort(server.pcb);
    tcp_close(server.listener);
    settle(2 * TCP_MSL + 1000);
    if (dns.question != NULL) pbuf_free(dns.question);
    dns.question = NULL;
    if (tcp_active_pcbs != NULL || tcp_tw_pcbs != NULL) return 1;
    if (lwip_stats.memp[MEMP_PBUF_POOL]->used != 0 || lwip_stats.memp[MEMP_PBUF]->used != 0)
        return 2;
    return lwip_stats.mem.used == 0 ? 0 : 3;
}

/* ---- tests -----------------------------------------------------------------------------------*/

static char big[100000];

static void sends_and_receives_every_byte(void **state)
{
    static const size_t pieces[] = {1, 7, 536, 2000};
    uint32_t sum;
    size_t size, sent = 0;
    (void)state;
    for (size_t n = 0; n < sizeof pieces / sizeof *pieces; n++) {
        server.answer = big;
        server.answer_size = pieces[n] == 1 ? 5000 : sizeof big;
        server.answered = server.received = sent = 0;
        server.sum = 0;
        server.close_after = true;
        assert_int_equal(connect_to("127.0.0.1", SERVER_PORT), 0);
        assert_int_equal(receive_all(pieces[n], &size, &sum), OSB_IO_CLOSED);
        assert_int_equal(size, server.answer_size);
        assert_int_equal(sum, add_to_sum(0, big, server.answer_size));
        (port.ops->close)(port.ctx);
    }
    server.answer = NULL;
    assert_int_equal(connect_to("127.0.0.1", SERVER_PORT), 0);
    for (int i = 0; i < PATIENCE && sent < sizeof big; i++) {
        int io = (port.ops->send)(port.ctx, big + sent, sizeof big - sent);
        if (io == OSB_IO_WANT_WRITE) port.ops->wait(port.ctx, OSB_WANT_WRITE, 1000);
        else assert_true(io > 0);
        if (io > 0) sent += (size_t)io;
    }
    settle(1000);
    assert_int_equal(server.received, sizeof big);
    assert_int_equal(server.sum, add_to_sum(0, big, sizeof big));
}

static void a_closed_port_is_refused(void **state)
{
    int32_t code;
    (void)state;
    assert_int_equal(connect_to("127.0.0.1", SERVER_PORT + 1), OSB_IO_FAILED);
    assert_string_equal(error_text(&code), "connection refused");
    assert_int_equal(code, ERR_RST);
    assert_int_equal(connect_to("127.0.0.1", SERVER_PORT), 0); /* usable again, without a close */
    assert_null(error_text(&code));
}

static void a_reset_comes_after_what_was_received(void **state)
{
    uint32_t sum;
    size_t size;
    int32_t code;
    (void)state;
    server.answer = "the last words";
    server.answer_size = 14;
    server.reset_after = true;
    assert_int_equal(connect_to("127.0.0.1", SERVER_PORT), 0);
    settle(10);
    assert_int_equal((port.ops->send)(port.ctx, "x", 1), 1);
    settle(10);
    assert_int_equal(receive_all(100, &size, &sum), OSB_IO_FAILED);
    assert_int_equal(size, 14);
    assert_string_equal(error_text(&code), "connection reset");
    assert_int_equal((port.ops->send)(port.ctx, "x", 1), OSB_IO_FAILED);
}

/* The window and lwIP's memory fill up, and nothing is lost when the server listens again. */
static void a_deaf_server_makes_it_wait(void **state)
{
    size_t sent = 0;
    int io = 0;
    (void)state;
    server.deaf = true;
    assert_int_equal(connect_to("127.0.0.1", SERVER_PORT), 0);
    for (int i = 0; i < 1000 && io != OSB_IO_WANT_WRITE; i++) {
        io = (port.ops->send)(port.ctx, big + sent, 300);
        if (io > 0) sent += (size_t)io;
    }
    assert_int_equal(io, OSB_IO_WANT_WRITE);
    assert_true(sent > 0 && sent < sizeof big);
    server.deaf = false;
    settle(10000);
    assert_int_equal(server.received, sent);
    assert_int_equal(server.sum, add_to_sum(0, big, sent));
    assert_true((port.ops->send)(port.ctx, big, 300) > 0);
}

static void no_connection_left(void **state)
{
    struct tcp_pcb *others[MEMP_NUM_TCP_PCB];
    int32_t code;
    (void)state;
    for (int i = 0; i < MEMP_NUM_TCP_PCB; i++) others[i] = tcp_new();
    assert_int_equal(connect_to("127.0.0.1", SERVER_PORT), OSB_IO_FAILED);
    assert_string_equal(error_text(&code), "lwIP has no connection left (MEMP_NUM_TCP_PCB)");
    for (int i = 0; i < MEMP_NUM_TCP_PCB; i++) tcp_abort(others[i]);
}

static void names_are_looked_up(void **state)
{
    int32_t code;
    (void)state;
    assert_int_equal((port.ops->connect)(port.ctx, "api.example.com", SERVER_PORT, false),
                     OSB_IO_WANT_READ);
    settle(5);
    assert_int_equal((port.ops->connect)(port.ctx, "api.example.com", SERVER_PORT, false),
                     OSB_IO_WANT_READ);
    dns_answer(true);
    assert_int_equal(connect_to("api.example.com", SERVER_PORT), 0);
    (port.ops->close)(port.ctx);

    assert_int_equal((port.ops->connect)(port.ctx, "no.example.com", SERVER_PORT, false),
                     OSB_IO_WANT_READ);
    settle(5);
    dns_answer(false);
    assert_int_equal(connect_to("no.example.com", SERVER_PORT), OSB_IO_FAILED);
    assert_string_equal(error_text(&code), "name not found, or no answer from the DNS server");
    (port.ops->close)(port.ctx);
    assert_int_equal(connect_to("", SERVER_PORT), OSB_IO_FAILED);
    assert_string_equal(error_text(&code), "not a host name");
}

/* lwIP asks once for names that differ in their letters' case only, and tells both by the first. */
static void one_answer_to_two_spellings(void **state)
{
    static osb_lwip other;
    osb_port beside = osb_lwip_port(&other, pump, NULL);
    (void)state;
    assert_int_equal((port.ops->connect)(port.ctx, "twice.example.com", SERVER_PORT, false),
                     OSB_IO_WANT_READ);
    assert_int_equal((beside.ops->connect)(beside.ctx, "Twice.Example.com", SERVER_PORT, false),
                     OSB_IO_WANT_READ);
    settle(5);
    dns_answer(true);
    settle(5);
    assert_int_equal(tcp.step, OSB__LWIP_RESOLVED);
    assert_int_equal(other.step, OSB__LWIP_RESOLVED);
    (beside.ops->close)(beside.ctx);
}

static void a_dns_server_that_does_not_answer(void **state)
{
    int32_t code;
    (void)state;
    assert_int_equal(connect_to("silent.example.com", SERVER_PORT), OSB_IO_FAILED);
    assert_string_equal(error_text(&code), "name not found, or no answer from the DNS server");
}

/* The answer to a look-up that was given up changes nothing, whatever goes on meanwhile. */
static void a_late_answer_is_ignored(void **state)
{
    (void)state;
    (port.ops->connect)(port.ctx, "late.example.com", SERVER_PORT, false);
    settle(5);
    (port.ops->close)(port.ctx);
    dns_answer(true);
    settle(5);
    assert_int_equal(tcp.step, OSB__LWIP_IDLE);

    (port.ops->connect)(port.ctx, "later.example.com", SERVER_PORT, false);
    settle(5);
    (port.ops->close)(port.ctx);
    assert_int_equal((port.ops->connect)(port.ctx, "other.example.com", SERVER_PORT, false),
                     OSB_IO_WANT_READ);
    osb__lwip_on_name("later.example.com", NULL, &tcp);
    assert_int_equal(tcp.step, OSB__LWIP_RESOLVING);
    settle(5);
    dns_answer(true);
    assert_int_equal(connect_to("other.example.com", SERVER_PORT), 0);
    osb__lwip_on_name("other.example.com", NULL, &tcp);
    assert_int_equal(tcp.step, OSB__LWIP_CONNECTED);
}

static void wait_ends_in_time(void **state)
{
    uint32_t from_ms;
    (void)state;
    assert_int_equal(connect_to("127.0.0.1", SERVER_PORT), 0);
    from_ms = clock_ms;
    port.ops->wait(port.ctx, OSB_WANT_READ, 100);
    assert_int_equal(clock_ms - from_ms, 100);
    from_ms = clock_ms;
    port.ops->wait(port.ctx, 0, 50);
    assert_int_equal(clock_ms - from_ms, 50);
    from_ms = clock_ms;
    port.ops->wait(port.ctx, OSB_WANT_WRITE, 100);
    assert_int_equal(clock_ms - from_ms, 1);
    server.answer = "x";
    server.answer_size = 1;
    server_send();
    from_ms = clock_ms;
    port.ops->wait(port.ctx, OSB_WANT_READ, 1000);
    assert_true(clock_ms - from_ms < 100);
}

static int seven(void *user, void *data, size_t size)
{
    (void)user;
    memset(data, 7, size);
    return 0;
}

static uint32_t noon(void *user)
{
    (void)user;
    return 43200;
}

static void random_and_time_are_the_boards(void **state)
{
    unsigned char byte = 0;
    (void)state;
    assert_int_not_equal(port.ops->random(port.ctx, &byte, 1), 0);
    assert_int_equal(port.ops->unix_time(port.ctx), 0);
    tcp.random = seven;
    tcp.unix_time = noon;
    assert_int_equal(port.ops->random(port.ctx, &byte, 1), 0);
    assert_int_equal(byte, 7);
    assert_int_equal(port.ops->unix_time(port.ctx), 43200);
    assert_null(osb_lwip_port(&tcp, NULL, NULL).ops->wait);
}

/* ---- a whole client --------------------------------------------------------------------------*/

static const char healthy[] =
    "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"status\":\"healthy\"}";

static osb_client client;
static unsigned char memory[1024];

static void make_client(bool poll_mode)
{
    osb_config config = {.memory = memory, .memory_size = sizeof memory};
    config.port = port;
    config.domain = "127.0.0.1:8080";
    config.poll_mode = poll_mode;
    server.answer = healthy;
    server.answer_size = sizeof healthy - 1;
    assert_int_equal(osb_client_init(&client, &config), OSB_OK);
}

static void a_client_blocks(void **state)
{
    (void)state;
    make_client(false);
    assert_int_equal(osb_server_health(&client), OSB_OK);
    osb_client_close(&client);
}

static void a_client_polls(void **state)
{
    osb_status status;
    (void)state;
    make_client(true);
    status = osb_server_health(&client);
    for (int i = 0; i < PATIENCE && status == OSB_PENDING; i++) {
        pump(NULL);
        status = osb_poll(&client);
    }
    assert_int_equal(status, OSB_OK);
    osb_client_close(&client);
}

static void a_client_says_why(void **state)
{
    char text[200];
    (void)state;
    make_client(false);
    tcp_close(server.listener);
    assert_int_equal(osb_server_health(&client), OSB_E_CONNECT);
    osb_error_text(&client, text, sizeof text);
    assert_non_null(strstr(text, "connection refused"));
    server.listener = tcp_new();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(sends_and_receives_every_byte),
        TEST(a_closed_port_is_refused),
        TEST(a_reset_comes_after_what_was_received),
        TEST(a_deaf_server_makes_it_wait),
        TEST(no_connection_left),
        TEST(names_are_looked_up),
        TEST(one_answer_to_two_spellings),
        TEST(a_dns_server_that_does_not_answer),
        TEST(a_late_answer_is_ignored),
        TEST(wait_ends_in_time),
        TEST(random_and_time_are_the_boards),
        TEST(a_client_blocks),
        TEST(a_client_polls),
        TEST(a_client_says_why),
    };
    ip_addr_t here;
    lwip_init();
    IP_ADDR4(&here, 127, 0, 0, 1);
    dns_setserver(0, &here);
    dns.pcb = udp_new();
    udp_bind(dns.pcb, IP_ADDR_ANY, 53);
    udp_recv(dns.pcb, dns_on_question, NULL);
    for (size_t i = 0; i < sizeof big; i++) big[i] = (char)(i * 2654435761u >> 13);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
