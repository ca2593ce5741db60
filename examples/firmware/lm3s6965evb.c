/* Stellaris LM3S6965 evaluation board: Cortex-M3, 256 KB flash, 64 KB SRAM, Ethernet on the chip.
   The Ethernet controller is polled: frames wait in its FIFO until there is a pbuf for them. */
#include "board.h"
#include "lwip/pbuf.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

#define CLOCK_HZ 12500000u /* after reset */
#define SYSTICK_CTRL REGISTER(0xe000e010u)
#define SYSTICK_LOAD REGISTER(0xe000e014u)
#define SYSTICK_VAL REGISTER(0xe000e018u)
#define CLOCK_GATES REGISTER(0x400fe108u)
#define ETHERNET_GATES ((1u << 28) | (1u << 30)) /* MAC and PHY */
#define UART_DATA REGISTER(0x4000c000u)

#define MAC_RCTL REGISTER(0x40048008u)
#define MAC_TCTL REGISTER(0x4004800cu)
#define MAC_DATA REGISTER(0x40048010u)
#define MAC_IA0 REGISTER(0x40048014u)
#define MAC_IA1 REGISTER(0x40048018u)
#define MAC_IM REGISTER(0x40048004u)
#define MAC_NP REGISTER(0x40048034u) /* received frames in the FIFO */
#define MAC_TR REGISTER(0x40048038u)
#define RCTL_ON 0x01u
#define TCTL_ON 0x17u /* transmit, pad, append a CRC, full duplex */

#define HEADER_BYTES 14u
#define CRC_BYTES 4u

void board_init(void)
{
    SYSTICK_LOAD = CLOCK_HZ / 1000 - 1;
    SYSTICK_VAL = 0;
    SYSTICK_CTRL = 7; /* count the processor's clock, interrupt at zero */
}

void board_put(char c)
{
    UART_DATA = (unsigned char)c;
}

void ethernet_init(uint8_t mac[6])
{
    CLOCK_GATES |= ETHERNET_GATES;
    MAC_IM = 0;
    for (unsigned i = 0; i < 4; i++) mac[i] = (uint8_t)(MAC_IA0 >> (8 * i));
    for (unsigned i = 0; i < 2; i++) mac[4 + i] = (uint8_t)(MAC_IA1 >> (8 * i));
    MAC_TCTL = TCTL_ON;
    MAC_RCTL = RCTL_ON;
}

/* The FIFO takes words: first the length without the header, in 2 bytes, where the pbuf has its
   padding; then the frame. */
bool ethernet_send(const struct pbuf *frame)
{
    uint32_t word = 0;
    unsigned at = 0;
    if ((MAC_TR & 1u) != 0) return false;
    for (const struct pbuf *p = frame; p != NULL; p = p->next) {
        const uint8_t *data = p->payload;
        for (unsigned i = 0; i < p->len; i++) {
            word |= (uint32_t)data[i] << (8 * (at++ % 4));
            if (at == 4) word = (word & 0xffff0000u) | (frame->tot_len - 2u - HEADER_BYTES);
            if (at % 4 != 0) continue;
            MAC_DATA = word;
            word = 0;
        }
    }
    if (at % 4 != 0) MAC_DATA = word;
    MAC_TR = 1;
    return true;
}

/* The FIFO gives words: first a length in 2 bytes, which counts itself and the CRC; it becomes the
   pbuf's padding. */
static void read_frame(const struct pbuf *frame, uint32_t word, unsigned length)
{
    unsigned at = 0;
    for (const struct pbuf *p = frame; p != NULL; p = p->next) {
        uint8_t *data = p->payload;
        for (unsigned i = 0; i < p->len; i++, at++) {
            if (at > 0 && at % 4 == 0) word = MAC_DATA;
            data[i] = (uint8_t)(word >> (8 * (at % 4)));
        }
    }
    for (at = (at + 3) / 4; at < (length + 3) / 4; at++) (void)MAC_DATA;
}

/* The first word has to be read before it is known how large a pbuf it takes: it waits here. */
struct pbuf *ethernet_receive(void)
{
    static uint32_t first_word;
    struct pbuf *frame;
    unsigned length;
    if (first_word == 0 && (MAC_NP & 0x3fu) == 0) return NULL;
    if (first_word == 0) first_word = MAC_DATA;
    length = first_word & 0xffffu;
    frame = pbuf_alloc(PBUF_RAW, (u16_t)(length - CRC_BYTES), PBUF_POOL);
    if (frame == NULL) return NULL;
    read_frame(frame, first_word, length);
    first_word = 0;
    return frame;
}
