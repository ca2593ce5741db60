/* lwIP on this machine, for the tests of its ports: with SOCKETS its sockets and a thread, else the
   raw API alone. Nothing leaves the loopback interface. */
#ifndef LWIPOPTS_H
#define LWIPOPTS_H

#ifdef SOCKETS
#define NO_SYS 0
#define LWIP_SOCKET 1
#define LWIP_COMPAT_SOCKETS 1
#define LWIP_NETCONN 1
#define TCPIP_MBOX_SIZE 16
#define DEFAULT_TCP_RECVMBOX_SIZE 16
#define DEFAULT_ACCEPTMBOX_SIZE 4
#define LWIP_TCPIP_CORE_LOCKING 1
/* Debian's lwIP leaves these to its configuration, for Linux's struct sockaddr; here it is lwIP's. */
#define IP4ADDR_SOCKADDR_SET_LEN(address) (address)->sin_len = sizeof *(address)
#define IPADDR_SOCKADDR_GET_LEN(address) (address)->sa.sa_len
#else
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#endif

#define LWIP_IPV4 1
#ifndef LWIP_IPV6
#define LWIP_IPV6 0
#endif
#define LWIP_HAVE_LOOPIF 1
#define LWIP_NETIF_LOOPBACK 1
#define LWIP_DNS 1
#define DNS_TABLE_SIZE 2
#define DNS_LOCAL_HOSTLIST 0
#define LWIP_UDP 1
#define LWIP_TCP 1
#define TCP_MSS 536
#define TCP_WND (4 * TCP_MSS)
#define TCP_SND_BUF (2 * TCP_MSS)
#define MEMP_NUM_TCP_PCB 3
#define MEM_ALIGNMENT 8
#define MEM_SIZE 8000
#define PBUF_POOL_SIZE 16
#define LWIP_STATS 1 /* tells what is left in the pools */
#define MEM_STATS 1
#define MEMP_STATS 1

#endif
