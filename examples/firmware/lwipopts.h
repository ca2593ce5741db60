/* lwIP for one TCP client or two, without an OS, in as little RAM as goes well: 4 segments of 536
   bytes on their way to us. With 1460 bytes and 4 segments the same costs 8 KB more and is hardly
   faster near by; give TCP_WND what your network's delay asks for (window = bytes/s * seconds). */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#ifndef CLIENTS
#define CLIENTS 1 /* connections at once */
#endif

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0

#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ICMP 1
#define LWIP_RAW 0
#define IP_REASSEMBLY 0
#define IP_FRAG 0
#define ARP_TABLE_SIZE 4
#define ARP_QUEUEING 0

/* Image 2 gets its address by DHCP. DNS is for servers that have a name; both need UDP. */
#ifndef LWIP_DHCP
#define LWIP_DHCP 0
#endif
#define DHCP_DOES_ARP_CHECK 0
#ifndef LWIP_DNS
#define LWIP_DNS 0
#endif
#define DNS_MAX_SERVERS 1
#define LWIP_UDP (LWIP_DHCP || LWIP_DNS)

#define LWIP_TCP 1
#define TCP_MSS 536
#define TCP_WND (4 * TCP_MSS)
#define TCP_SND_BUF (2 * TCP_MSS)
#define TCP_SND_QUEUELEN 6
#define TCP_QUEUE_OOSEQ 0
#define MEMP_NUM_TCP_PCB (CLIENTS + 1)
#define MEMP_NUM_TCP_PCB_LISTEN 1
#define MEMP_NUM_TCP_SEG (CLIENTS * TCP_SND_QUEUELEN)
#define MEMP_NUM_PBUF 2

#define MEM_ALIGNMENT 4
#define MEM_SIZE (CLIENTS * 1400)
#define PBUF_POOL_SIZE (CLIENTS * 4 + 2)
#define PBUF_POOL_BUFSIZE 600
#define ETH_PAD_SIZE 2 /* puts the IP header on a word boundary */

#define LWIP_STATS 0

#endif
