/* A text that grows: what the tests write their results into. Always ends with a NUL. */
#ifndef TESTS_TEXT_H
#define TESTS_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not every suite uses every function of a header. */
#define SUPPORT static __attribute__((unused))

struct text {
    char *data;
    size_t size, room;
};

SUPPORT void text_add(struct text *t, const void *data, size_t size)
{
    if (t->size + size + 1 > t->room) {
        t->room = (t->size + size + 1) * 2;
        t->data = (char *)realloc(t->data, t->room);
        if (t->data == NULL) abort();
    }
    if (size > 0) memcpy(t->data + t->size, data, size);
    t->size += size;
    t->data[t->size] = '\0';
}

SUPPORT __attribute__((format(printf, 2, 3))) void text_print(struct text *t, const char *format,
                                                              ...)
{
    char line[1024];
    va_list arguments;
    int size;
    va_start(arguments, format);
    size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    text_add(t, line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1);
}

/* Bytes in the transcripts' notation: printable ASCII as it is, the rest as $n, $r, $t, $xHH. */
SUPPORT void text_escaped(struct text *t, const void *data, size_t size)
{
    const unsigned char *bytes = (const unsigned char *)data;
    size_t i;
    for (i = 0; i < size; i++) {
        unsigned char c = bytes[i];
        if (c == '$') text_add(t, "$$", 2);
        else if (c == '\n') text_add(t, "$n", 2);
        else if (c == '\r') text_add(t, "$r", 2);
        else if (c == '\t') text_add(t, "$t", 2);
        else if (c < 0x20 || c >= 0x7f) text_print(t, "$x%02X", c);
        else text_add(t, bytes + i, 1);
    }
}

SUPPORT void text_clear(struct text *t)
{
    t->size = 0;
    text_add(t, "", 0);
}

SUPPORT void text_free(struct text *t)
{
    free(t->data);
    memset(t, 0, sizeof *t);
}

#endif
