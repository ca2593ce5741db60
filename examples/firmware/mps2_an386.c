/* Arm MPS2 with the AN386 image: Cortex-M4, 4 MB of RAM for code and 4 MB for data, LAN9118. The
   Ethernet controller is polled; its FIFO holds 10 KB, and drops what comes when it is full: keep
   the connections' TCP_WND together below that. */
#include "board.h"
#include "lwip/pbuf.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define CLOCK_HZ 25000000u
#define SYSTICK_CTRL REGISTER(0xe000e010u)
#define SYSTICK_LOAD REGISTER(0xe000e014u)
#define SYSTICK_VAL REGISTER(0xe000e018u)

#define UART_DATA REGISTER(0x40004000u)
#define UART_STATE REGISTER(0x40004004u)
#define UART_CTRL REGISTER(0x40004008u)
#define UART_BAUDDIV REGISTER(0x40004010u)

#define LAN_RX_DATA REGISTER(0x40200000u)
#define LAN_TX_DATA REGISTER(0x40200020u)
#define LAN_RX_STATUS REGISTER(0x40200040u)
#define LAN_RX_STATUS_PEEK REGISTER(0x40200044u)
#define LAN_RX_CFG REGISTER(0x4020006cu)
#define LAN_TX_CFG REGISTER(0x40200070u)
#define LAN_HW_CFG REGISTER(0x40200074u)
#define LAN_RX_FIFO_INF REGISTER(0x4020007cu)
#define LAN_MAC_CMD REGISTER(0x402000a4u)
#define LAN_MAC_DATA REGISTER(0x402000a8u)

enum { MAC_CR = 1, MAC_ADDRH = 2, MAC_ADDRL = 3 };
#define MAC_BUSY (1u << 31)
#define MAC_READ (1u << 30)
#define MAC_CR_ON ((1u << 2) | (1u << 3) | (1u << 20)) /* receive, transmit, full duplex */
#define HW_CFG_RESET 1u
#define TX_CFG_ON 2u
#define PADDING_BYTES 2u /* what pbufs have before the frame */
#define CRC_BYTES 4u

void board_init(void)
{
    UART_BAUDDIV = 16;
    UART_CTRL = 1; /* transmit */
    SYSTICK_LOAD = CLOCK_HZ / 1000 - 1;
    SYSTICK_VAL = 0;
    SYSTICK_CTRL = 7; /* count the processor's clock, interrupt at zero */
}

void board_put(char c)
{
    while ((UART_STATE & 1u) != 0) {
    }
    UART_DATA = (unsigned char)c;
}

static uint32_t read_mac(uint32_t number)
{
    LAN_MAC_CMD = MAC_BUSY | MAC_READ | number;
    while ((LAN_MAC_CMD & MAC_BUSY) != 0) {
    }
    return LAN_MAC_DATA;
}

static void write_mac(uint32_t number, uint32_t value)
{
    LAN_MAC_DATA = value;
    LAN_MAC_CMD = MAC_BUSY | number;
    while ((LAN_MAC_CMD & MAC_BUSY) != 0) {
    }
}

void ethernet_init(uint8_t mac[6])
{
    uint32_t low, high;
    LAN_HW_CFG = HW_CFG_RESET;
    while ((LAN_HW_CFG & HW_CFG_RESET) != 0) {
    }
    low = read_mac(MAC_ADDRL);
    high = read_mac(MAC_ADDRH);
    for (unsigned i = 0; i < 4; i++) mac[i] = (uint8_t)(low >> (8 * i));
    for (unsigned i = 0; i < 2; i++) mac[4 + i] = (uint8_t)(high >> (8 * i));
    LAN_RX_CFG = PADDING_BYTES << 8;
    LAN_TX_CFG = TX_CFG_ON;
    write_mac(MAC_ADDRL, low);
    write_mac(MAC_ADDRH, high);
    write_mac(MAC_CR, MAC_CR_ON);
}

/* The FIFO takes two command words, then the pbuf as it is: it passes over the padding. */
bool ethernet_send(const struct pbuf *frame)
{
    uint32_t length = frame->tot_len - PADDING_BYTES, word = 0;
    unsigned at = 0;
    LAN_TX_DATA = PADDING_BYTES << 16 | 1u << 13 | 1u << 12 | length; /* first and last segment */
    LAN_TX_DATA = length;
    for (const struct pbuf *p = frame; p != NULL; p = p->next) {
        const uint8_t *data = p->payload;
        for (unsigned i = 0; i < p->len; i++) {
            word |= (uint32_t)data[i] << (8 * (at++ % 4));
            if (at % 4 != 0) continue;
            LAN_TX_DATA = word;
            word = 0;
        }
    }
    if (at % 4 != 0) LAN_TX_DATA = word;
    return true;
}

struct pbuf *ethernet_receive(void)
{
    struct pbuf *frame;
    uint32_t length, word = 0;
    unsigned at = 0;
    if ((LAN_RX_FIFO_INF >> 16 & 0xffu) == 0) return NULL;
    length = LAN_RX_STATUS_PEEK >> 16 & 0x3fffu; /* with the CRC, without the padding */
    frame = pbuf_alloc(PBUF_RAW, (u16_t)(PADDING_BYTES + length - CRC_BYTES), PBUF_POOL);
    if (frame == NULL) return NULL;
    (void)LAN_RX_STATUS;
    for (const struct pbuf *p = frame; p != NULL; p = p->next) {
        uint8_t *data = p->payload;
        for (unsigned i = 0; i < p->len; i++, at++) {
            if (at % 4 == 0) word = LAN_RX_DATA;
            data[i] = (uint8_t)(word >> (8 * (at % 4)));
        }
    }
    for (at = (at + 3) / 4; at < (PADDING_BYTES + length + 3) / 4; at++) (void)LAN_RX_DATA;
    return frame;
}
