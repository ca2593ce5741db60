/* osb_lwip.h - the port of opensandbox.h for lwIP's raw API (NO_SYS=1): no OS, no sockets, no heap

   Do this:
      #define OPENSANDBOX_IMPLEMENTATION
      #include "opensandbox.h"
      #include "port/osb_lwip.h"
   in *one* C or C++ file; in every other one include both without the define. Then:

      static void pump(void *netif)
      {
          my_driver_poll(netif);    (what the Ethernet has received goes to netif->input)
          sys_check_timeouts();
      }

      static osb_lwip tcp;
      osb_config config = {.port = osb_lwip_port(&tcp, pump, &netif)};

   LICENSE: Apache-2.0, see the file LICENSE.

   FEATURES
      Poll mode, and blocking mode by pumping the stack while a call waits. Names by lwIP's DNS
      client (LWIP_DNS), else literal addresses only. IPv4 and, with LWIP_IPV6, IPv6; one address
      of a name is tried. Received bytes stay in lwIP's pbufs, and its window stays closed for
      them, until the client takes them. lwIP 2.1 or later.

   WHERE IT RUNS
      Wherever the raw API may be called: in the superloop, which also calls sys_check_timeouts().
      Not from an interrupt, and not from inside one of lwIP's callbacks. With an OS (NO_SYS=0) use
      lwIP's sockets: see the top of port/osb_posix.h.

   POLL MODE
      Call what `pump` would call in each round of your loop, then osb_poll(). With a NULL pump
      there is no blocking mode at all, and osb_config.poll_mode need not be set.

   LWIPOPTS
      MEM_SIZE      what is sent and not acknowledged, by all connections; at least TCP_MSS + 100,
                    since lwIP takes a whole segment even for a short request
      PBUF_POOL_*   what is received and not taken yet; TCP_WND of each connection must fit
      MEMP_NUM_TCP_PCB  one for each client, and one more for connections that are ending
      LWIP_DNS      1, and dns_setserver() or DHCP; without it only literal addresses
*/
#ifndef OSB_LWIP_H
#define OSB_LWIP_H

#ifndef OPENSANDBOX_H
#include "opensandbox.h"
#endif
#include "lwip/opt.h"
#include "lwip/ip_addr.h"
#include "lwip/tcp.h"

#if !LWIP_TCP || !LWIP_CALLBACK_API
#error "osb_lwip.h: lwIP must be built with LWIP_TCP 1 and LWIP_CALLBACK_API 1."
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* One connection. Must not move while a client uses it, nor, with LWIP_DNS, go away within the
   seconds that a name look-up may take: make it static. */
typedef struct osb_lwip {
    /* Yours to set after osb_lwip_port(); NULL: none. See osb_port_ops for what they return. */
    int (*random)(void *user, void *data, size_t size);
    uint32_t (*unix_time)(void *user);
    void *user; /* for these and for pump */
    /* private */
    void (*pump)(void *user);
    struct tcp_pcb *pcb;   /* the connection; NULL: none */
    struct pbuf *received; /* what came and was not taken yet */
    const char *host;      /* the name that DNS was asked for; NULL: none */
    ip_addr_t address;
    uint8_t step;
    bool peer_closed;
    err_t code; /* of the last failure, and its text */
    const char *text;
} osb_lwip;

/* Initialises the context and makes a port of it. One for each client: clients cannot share.
   pump lets lwIP work: it hands received frames to the netif and calls sys_check_timeouts(); it
   may also sleep until the next interrupt, at most for a few milliseconds. Only blocking calls use
   it; NULL: poll mode only. Time is lwIP's own sys_now(). */
OSB_DEF osb_port osb_lwip_port(osb_lwip *tcp, void (*pump)(void *user), void *user);

#ifdef __cplusplus
}
#endif

#endif /* OSB_LWIP_H */

/* ==== implementation ==========================================================================*/

#ifdef OPENSANDBOX_IMPLEMENTATION
#ifndef OSB__LWIP_IMPLEMENTED
#define OSB__LWIP_IMPLEMENTED

#include "lwip/def.h"
#include "lwip/dns.h"
#include "lwip/pbuf.h"
#include "lwip/sys.h"
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* osb_lwip.step: how far a connection has come. */
enum {
    OSB__LWIP_IDLE,
    OSB__LWIP_RESOLVING,
    OSB__LWIP_RESOLVED,
    OSB__LWIP_CONNECTING,
    OSB__LWIP_CONNECTED,
    OSB__LWIP_FAILED
};

/* ---- time ------------------------------------------------------------------------------------*/

static uint32_t osb__lwip_now_ms(void *ctx)
{
    (void)ctx;
    return sys_now();
}

static uint32_t osb__lwip_unix_time(void *ctx)
{
    const osb_lwip *tcp = (const osb_lwip *)ctx;
    return tcp->unix_time != NULL ? tcp->unix_time(tcp->user) : 0;
}

/* ---- errors ----------------------------------------------------------------------------------*/

/* lwIP has texts of its own only in its debug builds. */
static const char *osb__lwip_error_text(err_t code)
{
    switch (code) {
    case ERR_MEM:
        return "lwIP is out of memory";
    case ERR_RTE:
        return "no route: is the interface up, and has it an address?";
    case ERR_USE:
        return "no local port is free";
    case ERR_RST:
        return "connection reset";
    case ERR_ABRT:
        return "connection given up: no answer";
    default:
        return "lwIP error";
    }
}

static int osb__lwip_failed(osb_lwip *tcp, err_t code, const char *text)
{
    tcp->step = OSB__LWIP_FAILED;
    tcp->code = code;
    tcp->text = text;
    return OSB_IO_FAILED;
}

static const char *osb__lwip_error(void *ctx, int32_t *code)
{
    const osb_lwip *tcp = (const osb_lwip *)ctx;
    *code = tcp->code;
    return tcp->text;
}

/* ---- lwIP's callbacks: they only take notes --------------------------------------------------*/

static err_t osb__lwip_on_connected(void *arg, struct tcp_pcb *pcb, err_t code)
{
    osb_lwip *tcp = (osb_lwip *)arg;
    (void)pcb, (void)code; /* always ERR_OK: failures go to osb__lwip_on_error */
    tcp->step = OSB__LWIP_CONNECTED;
    return ERR_OK;
}

static err_t osb__lwip_on_received(void *arg, struct tcp_pcb *pcb, struct pbuf *data, err_t code)
{
    osb_lwip *tcp = (osb_lwip *)arg;
    (void)pcb, (void)code;
    if (data == NULL) {
        tcp->peer_closed = true;
        return ERR_OK;
    }
    if (tcp->received == NULL) {
        tcp->received = data;
        return ERR_OK;
    }
    if ((uint32_t)tcp->received->tot_len + data->tot_len > 0xffffu)
        return ERR_MEM; /* only with window scaling; lwIP keeps it and asks again */
    pbuf_cat(tcp->received, data);
    return ERR_OK;
}

/* The pcb is gone already when this is called. */
static void osb__lwip_on_error(void *arg, err_t code)
{
    osb_lwip *tcp = (osb_lwip *)arg;
    bool refused = code == ERR_RST && tcp->step == OSB__LWIP_CONNECTING;
    tcp->pcb = NULL;
    osb__lwip_failed(tcp, code, refused ? "connection refused" : osb__lwip_error_text(code));
}

/* ---- names -----------------------------------------------------------------------------------*/

#if LWIP_DNS
/* The answer may be to a look-up that was given up long ago: then it is for another name, or comes
   when nobody waits. The name may be spelt as another client, which asked first, has spelt it. */
static void osb__lwip_on_name(const char *name, const ip_addr_t *address, void *arg)
{
    osb_lwip *tcp = (osb_lwip *)arg;
    if (tcp->step != OSB__LWIP_RESOLVING || tcp->host == NULL || lwip_stricmp(tcp->host, name) != 0)
        return;
    if (address == NULL) {
        osb__lwip_failed(tcp, ERR_VAL, "name not found, or no answer from the DNS server");
        return;
    }
    ip_addr_copy(tcp->address, *address);
    tcp->step = OSB__LWIP_RESOLVED;
}

static int osb__lwip_resolve(osb_lwip *tcp, const char *host)
{
    err_t code = dns_gethostbyname(host, &tcp->address, osb__lwip_on_name, tcp);
    if (code == ERR_MEM) return OSB_IO_WANT_READ; /* all look-ups are in use: once more, later */
    if (code == ERR_OK) tcp->step = OSB__LWIP_RESOLVED;
    if (code == ERR_OK) return 0;
    if (code == ERR_VAL) return osb__lwip_failed(tcp, code, "lwIP knows no DNS server");
    if (code != ERR_INPROGRESS) return osb__lwip_failed(tcp, code, "not a host name");
    tcp->host = host;
    tcp->step = OSB__LWIP_RESOLVING;
    return OSB_IO_WANT_READ;
}
#else
static int osb__lwip_resolve(osb_lwip *tcp, const char *host)
{
    if (ipaddr_aton(host, &tcp->address) == 0)
        return osb__lwip_failed(tcp, ERR_VAL, "not an address, and lwIP is built without LWIP_DNS");
    tcp->step = OSB__LWIP_RESOLVED;
    return 0;
}
#endif

/* ---- connect and close -----------------------------------------------------------------------*/

/* Ends the connection for lwIP too. What it still has to say and to hear goes on without us; then
   its pcb is the first to be taken back if another connection needs one. */
static void osb__lwip_drop_pcb(osb_lwip *tcp)
{
    struct tcp_pcb *pcb = tcp->pcb;
    tcp->pcb = NULL;
    if (pcb == NULL) return;
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_err(pcb, NULL);
    tcp_setprio(pcb, TCP_PRIO_MIN);
    if (tcp_close(pcb) != ERR_OK) tcp_abort(pcb);
}

static void osb__lwip_close(void *ctx)
{
    osb_lwip *tcp = (osb_lwip *)ctx;
    osb__lwip_drop_pcb(tcp);
    if (tcp->received != NULL) pbuf_free(tcp->received);
    tcp->received = NULL;
    tcp->host = NULL;
    tcp->peer_closed = false;
    tcp->step = OSB__LWIP_IDLE;
}

static int osb__lwip_begin_connect(osb_lwip *tcp, uint16_t port)
{
    err_t code;
    tcp->pcb = tcp_new_ip_type(IP_GET_TYPE(&tcp->address));
    if (tcp->pcb == NULL)
        return osb__lwip_failed(tcp, ERR_MEM, "lwIP has no connection left (MEMP_NUM_TCP_PCB)");
    tcp_arg(tcp->pcb, tcp);
    tcp_recv(tcp->pcb, osb__lwip_on_received);
    tcp_err(tcp->pcb, osb__lwip_on_error);
    tcp_nagle_disable(tcp->pcb);
    tcp->step = OSB__LWIP_CONNECTING;
    code = tcp_connect(tcp->pcb, &tcp->address, port, osb__lwip_on_connected);
    if (code == ERR_OK) return OSB_IO_WANT_WRITE;
    osb__lwip_drop_pcb(tcp);
    return osb__lwip_failed(tcp, code, osb__lwip_error_text(code));
}

/* The step that comes next, if it can be done by now. */
static int osb__lwip_go_on(osb_lwip *tcp, uint16_t port)
{
    switch (tcp->step) {
    case OSB__LWIP_RESOLVING:
        return OSB_IO_WANT_READ;
    case OSB__LWIP_RESOLVED:
        return osb__lwip_begin_connect(tcp, port);
    case OSB__LWIP_CONNECTING:
        return OSB_IO_WANT_WRITE;
    case OSB__LWIP_CONNECTED:
        return 0;
    default:
        return OSB_IO_FAILED;
    }
}

static int osb__lwip_connect(void *ctx, const char *host, uint16_t port, bool tls)
{
    osb_lwip *tcp = (osb_lwip *)ctx;
    int io = 0;
    (void)tls; /* never asked for: osb_port_ops.tls is false */
    if (tcp->step == OSB__LWIP_IDLE) {
        tcp->code = ERR_OK;
        tcp->text = NULL;
        io = osb__lwip_resolve(tcp, host);
    }
    if (io == 0) io = osb__lwip_go_on(tcp, port);
    if (io == OSB_IO_FAILED) tcp->step = OSB__LWIP_IDLE; /* the next one begins anew */
    return io;
}

/* ---- send, receive, wait ---------------------------------------------------------------------*/

/* lwIP takes all of it or nothing, and needs memory for a copy: it is offered less, until there is
   enough. */
static int osb__lwip_send(void *ctx, const void *data, size_t size)
{
    osb_lwip *tcp = (osb_lwip *)ctx;
    err_t code = ERR_MEM;
    if (tcp->pcb == NULL) return OSB_IO_FAILED;
    if (size > tcp_sndbuf(tcp->pcb)) size = tcp_sndbuf(tcp->pcb);
    for (; size > 0; size /= 2) {
        code = tcp_write(tcp->pcb, data, (u16_t)size, TCP_WRITE_FLAG_COPY);
        if (code != ERR_MEM) break;
    }
    if (code == ERR_OK) code = tcp_output(tcp->pcb);
    else if (code == ERR_MEM) size = 0;
    if (code != ERR_OK && code != ERR_MEM)
        return osb__lwip_failed(tcp, code, osb__lwip_error_text(code));
    return size > 0 ? (int)size : OSB_IO_WANT_WRITE;
}

static int osb__lwip_take(osb_lwip *tcp, void *data, size_t size)
{
    u16_t n = tcp->received->tot_len;
    if (n > 0x7fff) n = 0x7fff; /* an int may have 16 bits */
    if (size < n) n = (u16_t)size;
    pbuf_copy_partial(tcp->received, data, n, 0);
    tcp->received = pbuf_free_header(tcp->received, n);
    if (tcp->pcb != NULL) tcp_recved(tcp->pcb, n);
    return (int)n;
}

static int osb__lwip_recv(void *ctx, void *data, size_t size)
{
    osb_lwip *tcp = (osb_lwip *)ctx;
    if (tcp->received != NULL) return osb__lwip_take(tcp, data, size);
    if (tcp->peer_closed) return OSB_IO_CLOSED;
    return tcp->pcb != NULL ? OSB_IO_WANT_READ : OSB_IO_FAILED;
}

static bool osb__lwip_ready(const osb_lwip *tcp, unsigned want)
{
    if (tcp->step == OSB__LWIP_RESOLVING || tcp->step == OSB__LWIP_CONNECTING) return false;
    if (tcp->pcb == NULL) return true;
    if ((want & OSB_WANT_READ) != 0 && (tcp->received != NULL || tcp->peer_closed)) return true;
    return (want & OSB_WANT_WRITE) != 0 && tcp_sndbuf(tcp->pcb) > 0;
}

static void osb__lwip_wait(void *ctx, unsigned want, uint32_t timeout_ms)
{
    const osb_lwip *tcp = (const osb_lwip *)ctx;
    uint32_t from_ms = sys_now();
    do tcp->pump(tcp->user);
    while (sys_now() - from_ms < timeout_ms && (want == 0 || !osb__lwip_ready(tcp, want)));
}

/* ---- random ----------------------------------------------------------------------------------*/

static int osb__lwip_random(void *ctx, void *data, size_t size)
{
    const osb_lwip *tcp = (const osb_lwip *)ctx;
    return tcp->random != NULL ? tcp->random(tcp->user, data, size) : -1;
}

/* ---- public ----------------------------------------------------------------------------------*/

OSB_DEF osb_port osb_lwip_port(osb_lwip *tcp, void (*pump)(void *user), void *user)
{
    static const osb_port_ops blocking = {
        osb__lwip_connect, osb__lwip_send,  osb__lwip_recv,   osb__lwip_close,     osb__lwip_now_ms,
        osb__lwip_wait,    osb__lwip_error, osb__lwip_random, osb__lwip_unix_time, false,
    };
    static const osb_port_ops polled = {
        osb__lwip_connect,   osb__lwip_send, osb__lwip_recv,  osb__lwip_close,
        osb__lwip_now_ms,    NULL,           osb__lwip_error, osb__lwip_random,
        osb__lwip_unix_time, false,
    };
    osb_port port;
    memset(tcp, 0, sizeof *tcp);
    tcp->pump = pump;
    tcp->user = user;
    port.ops = pump != NULL ? &blocking : &polled;
    port.ctx = tcp;
    return port;
}

#ifdef __cplusplus
}
#endif

#endif /* OSB__LWIP_IMPLEMENTED */
#endif /* OPENSANDBOX_IMPLEMENTATION */
