/* Arguments of a call that describe a struct: one line of a transcript with words "name=value", or
   "name" alone, with spaces between them. What is parsed lives until the next call. */
#ifndef TESTS_WORDS_H
#define TESTS_WORDS_H

#include "tests/replay/transcript.h"

#define WORDS_MOST 16

typedef struct words {
    const char *name[WORDS_MOST], *value[WORDS_MOST];
    size_t count;
    char text[512];
} words;

typedef struct word_store {
    words line[24];
    const char *list[64]; /* of words with the same name */
    size_t line_count, list_count;
} word_store;

SUPPORT const words *words_parse(word_store *store, const char *text)
{
    words *w = &store->line[store->line_count++];
    char *at = w->text, *equal;
    if (store->line_count > sizeof store->line / sizeof store->line[0]) abort();
    if (strlen(text) >= sizeof w->text) abort();
    strcpy(w->text, text);
    while (*at != '\0') {
        char *end = at + strcspn(at, " ");
        bool last = *end == '\0';
        *end = '\0';
        equal = strchr(at, '=');
        if (w->count == WORDS_MOST) abort();
        w->name[w->count] = at;
        w->value[w->count++] = equal != NULL ? equal + 1 : "";
        if (equal != NULL) *equal = '\0';
        at = last ? end : end + 1;
    }
    return w;
}

/* The word's value; NULL: there is no such word. */
SUPPORT const char *words_get(const words *w, const char *name)
{
    size_t i;
    for (i = 0; i < w->count; i++)
        if (strcmp(w->name[i], name) == 0) return w->value[i];
    return NULL;
}

SUPPORT bool words_have(const words *w, const char *name)
{
    return words_get(w, name) != NULL;
}

SUPPORT uint32_t words_number(const words *w, const char *name)
{
    const char *value = words_get(w, name);
    return value != NULL ? (uint32_t)strtoul(value, NULL, 10) : 0;
}

/* The values of all words of a name; NULL if there is none. */
SUPPORT const char *const *words_list(word_store *store, const words *w, const char *name,
                                      size_t *count)
{
    const char **list = &store->list[store->list_count];
    size_t i;
    for (*count = 0, i = 0; i < w->count; i++) {
        if (strcmp(w->name[i], name) != 0) continue;
        if (store->list_count == sizeof store->list / sizeof store->list[0]) abort();
        list[(*count)++] = w->value[i];
        store->list_count++;
    }
    return *count > 0 ? list : NULL;
}

#endif
