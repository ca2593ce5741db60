/* What the images ask of a board: a clock, a console, an Ethernet controller, and four things that
   QEMU gives by semihosting, and that a product has of its own (see README.md). */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pbuf;

/* ---- of each board: lm3s6965evb.c, mps2_an386.c ----------------------------------------------*/

/* Starts the console and SysTick, for an interrupt each millisecond. */
void board_init(void);

/* Writes a character to the console. */
void board_put(char c);

/* Starts the Ethernet controller, and tells its MAC address. */
void ethernet_init(uint8_t mac[6]);

/* Sends a frame, whose payload begins with 2 bytes of padding. False: no room, try again later. */
bool ethernet_send(const struct pbuf *frame);

/* The next received frame, behind 2 bytes of padding; NULL: there is none, or no pbuf for it. */
struct pbuf *ethernet_receive(void);

/* ---- of all boards: startup.c ----------------------------------------------------------------*/

/* Milliseconds since the start; wraps. */
uint32_t board_ms(void);

/* Cycles of the processor's clock since the start; wraps. */
uint32_t board_cycles(void);

/* Sleeps until the next interrupt: for a millisecond at most. */
void board_sleep(void);

/* The most bytes of stack that were used so far: how far the paint of the start is gone. */
size_t board_stack_peak(void);

/* Writes text to the console. %s a string, %u %d %x a 32-bit number, %% a percent sign. */
void print(const char *format, ...);

/* ---- from QEMU: semihosting.c ----------------------------------------------------------------*/

/* The n-th argument after the image's name into text, with a NUL: instead of flash or EEPROM with
   the device's configuration. False: there is none, or no room. */
bool board_argument(unsigned n, char *text, size_t size);

/* Random bytes from the host: instead of the chip's generator. 0: done. */
int board_random(void *user, void *data, size_t size);

/* Seconds since 1970 from the host: instead of a clock with a battery, or SNTP. */
uint32_t board_unix_time(void *user);

/* Ends QEMU with an exit status from 0 to 255. */
void board_exit(int status);

#endif
