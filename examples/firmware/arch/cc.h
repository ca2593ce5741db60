/* What lwIP asks of the compiler. */
#ifndef ARCH_CC_H
#define ARCH_CC_H

#include "board.h"

/* For DNS and DHCP transaction numbers, and for the first local port. */
static inline uint32_t lwip_random(void)
{
    uint32_t number = 0;
    board_random(NULL, &number, sizeof number);
    return number;
}
#define LWIP_RAND() lwip_random()

#define LWIP_NOASSERT 1

#endif
