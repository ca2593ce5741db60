#include "network.h"
#include "board.h"
#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/timeouts.h"
#include <string.h>

static struct netif interface;

/* lwIP's clock. */
u32_t sys_now(void)
{
    return board_ms();
}

static err_t send_frame(struct netif *netif, struct pbuf *frame)
{
    (void)netif;
    return ethernet_send(frame) ? ERR_OK : ERR_MEM;
}

static err_t start_interface(struct netif *netif)
{
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->mtu = 1500;
    netif->hwaddr_len = ETH_HWADDR_LEN;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    netif->output = etharp_output;
    netif->linkoutput = send_frame;
    ethernet_init(netif->hwaddr);
    return ERR_OK;
}

/* The static address is one of QEMU's user network: change it for yours. */
void network_init(void)
{
    ip4_addr_t address, mask, gateway;
    IP4_ADDR(&address, 10, 0, 2, 15);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 10, 0, 2, 2);
    if (LWIP_DHCP) ip4_addr_set_zero(&address);
    lwip_init();
    netif_add(&interface, &address, &mask, &gateway, NULL, start_interface, netif_input);
    netif_set_default(&interface);
    netif_set_up(&interface);
    netif_set_link_up(&interface);
#if LWIP_DHCP
    dhcp_start(&interface);
#endif
}

bool network_ready(void)
{
    return !ip4_addr_isany(netif_ip4_addr(&interface));
}

bool network_poll(void)
{
    bool any = false;
    for (;;) {
        struct pbuf *frame = ethernet_receive();
        if (frame == NULL) break;
        any = true;
        if (interface.input(frame, &interface) != ERR_OK) pbuf_free(frame);
    }
    sys_check_timeouts();
    return any;
}

const char *network_address(void)
{
    return ip4addr_ntoa(netif_ip4_addr(&interface));
}
