/*
 * All of the C library that the core may call. The targets' compilers see this header in the place
 * of their own <string.h>, so a call of anything else does not even compile.
 */
#ifndef OSB_FREESTANDING_STRING_H
#define OSB_FREESTANDING_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#endif
