/* The board's Ethernet as lwIP's one interface. */
#ifndef NETWORK_H
#define NETWORK_H

#include <stdbool.h>

/* Starts lwIP and the interface, with the address below or, with LWIP_DHCP, one from the network. */
void network_init(void);

/* Whether the interface has an address. */
bool network_ready(void);

/* Lets lwIP work: handles received frames and timers. False: there was no frame. */
bool network_poll(void);

/* The interface's address as text. */
const char *network_address(void);

#endif
