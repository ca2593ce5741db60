/* What the fuzz targets share. Each target is one file with LLVMFuzzerTestOneInput; libFuzzer, AFL++
   or files_main.c feeds it. A broken promise of the library ends the program: see CHECK. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
    ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, "broken promise: " #condition))

static inline void fuzz_fail(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

/* A block of exactly this size, so that the sanitizer sees the first byte beside it. */
static inline void *exactly(size_t size)
{
    void *block = calloc(size > 0 ? size : 1, 1);
    if (block == NULL) abort();
    return block;
}

/* ---- input -----------------------------------------------------------------------------------*/

/* What is left of the fuzzer's input. Past its end there are zeros. */
typedef struct input {
    const uint8_t *data;
    size_t size;
} input;

static inline unsigned take_byte(input *in)
{
    unsigned byte = 0;
    if (in->size == 0) return 0;
    byte = *in->data++;
    in->size--;
    return byte;
}

static inline uint32_t take_u32(input *in)
{
    uint32_t value = 0;
    int i;
    for (i = 0; i < 4; i++) value = value << 8 | take_byte(in);
    return value;
}

static inline uint64_t take_u64(input *in)
{
    uint64_t high = take_u32(in);
    return high << 32 | take_u32(in);
}

/* The next bytes up to a zero byte (or the end) as a C string of its own, to be freed. */
static inline char *take_text(input *in)
{
    size_t n = 0;
    char *text;
    while (n < in->size && in->data[n] != 0) n++;
    text = (char *)exactly(n + 1);
    if (n > 0) memcpy(text, in->data, n);
    text[n] = '\0';
    in->data += n;
    in->size -= n;
    (void)take_byte(in);
    return text;
}

/* ---- a growing text, for what happened ---------------------------------------------------------*/

typedef struct record {
    char *data;
    size_t size, room;
} record;

static inline void record_bytes(record *r, const void *data, size_t size)
{
    if (r->size + size + 1 > r->room) {
        r->room = (r->size + size + 1) * 2;
        r->data = (char *)realloc(r->data, r->room);
        if (r->data == NULL) abort();
    }
    if (size > 0) memcpy(r->data + r->size, data, size);
    r->size += size;
    r->data[r->size] = '\0';
}

static inline void record_text(record *r, const char *text)
{
    record_bytes(r, text, strlen(text));
}

static inline void record_number(record *r, const char *name, uint64_t value)
{
    char line[96];
    (void)snprintf(line, sizeof line, "%s %llu\n", name, (unsigned long long)value);
    record_text(r, line);
}

static inline void record_view(record *r, const char *name, osb_str view)
{
    if (view.data == NULL) return;
    record_text(r, name);
    record_text(r, " ");
    record_bytes(r, view.data, view.size);
    record_text(r, "\n");
}

static inline bool record_equal(const record *a, const record *b)
{
    return a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0);
}

static inline void record_free(record *r)
{
    free(r->data);
    memset(r, 0, sizeof *r);
}

/* Two runs that must have come to the same; shows both if they have not. */
static inline void check_same(const record *a, const record *b, const char *what)
{
    if (record_equal(a, b)) return;
    fprintf(stderr, "--- one\n%s\n--- other\n%s\n", a->size > 0 ? a->data : "",
            b->size > 0 ? b->data : "");
    fuzz_fail(__FILE__, __LINE__, what);
}

/* A view of an answer lies in the working buffer, with a NUL behind it, or is a literal. */
static inline void check_view(const osb_client *c, osb_str view)
{
    const char *low = (const char *)c->buffer, *high = low + c->config.memory_size;
    if (view.data == NULL) {
        CHECK(view.size == 0);
    } else if (view.data >= low && view.data < high) {
        CHECK(view.size < (size_t)(high - view.data));
        CHECK(view.data[view.size] == '\0');
    } else {
        CHECK(strlen(view.data) == view.size);
    }
}

/* ---- UTF-8 -----------------------------------------------------------------------------------*/

/* The size of the character that begins here; 0 if none does. */
static inline size_t utf8_character(const unsigned char *s, size_t size)
{
    size_t need = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4, i;
    if (need == 0 || need > size || s[0] > 0xf4) return 0;
    for (i = 1; i < need; i++)
        if ((s[i] & 0xc0u) != 0x80u) return 0;
    return need;
}

static inline bool is_utf8(const void *text, size_t size)
{
    const unsigned char *s = (const unsigned char *)text;
    while (size > 0) {
        size_t n = utf8_character(s, size);
        if (n == 0) return false;
        s += n;
        size -= n;
    }
    return true;
}

#endif
