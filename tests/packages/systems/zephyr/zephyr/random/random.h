/* Zephyr declares this always, and has it only where the board has an entropy driver. */
#ifndef TEST_ZEPHYR_RANDOM_H
#define TEST_ZEPHYR_RANDOM_H

#include <stddef.h>

int sys_csrand_get(void *data, size_t size);

#endif
