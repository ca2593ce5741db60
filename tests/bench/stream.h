/* The stream of events that both the canned server and the benchmark's own port play: an init event,
   stdout events of one size, and the last event; each in a chunk of its own, as execd sends them. */
#ifndef TESTS_BENCH_STREAM_H
#define TESTS_BENCH_STREAM_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_BLOCK 65536u

typedef struct stream {
    char event[8192]; /* one stdout event's JSON */
    size_t event_size;
    char *block; /* many of them, chunked */
    size_t block_size, block_events, chunk_size;
    char first[256], last[256];
    size_t first_size, last_size;
} stream;

static size_t stream_chunk(char *out, size_t room, const char *json)
{
    return (size_t)snprintf(out, room, "%zx\r\n%s\n\n\r\n", strlen(json) + 2, json);
}

/* text_size: of each stdout event's text. */
static void stream_open(stream *s, size_t text_size)
{
    static const char line[] = "The quick brown fox jumps over the lazy dog, and 0123456789 more. ";
    char text[4096], chunk[9000];
    size_t i;
    if (text_size >= sizeof text) abort();
    for (i = 0; i < text_size; i++) text[i] = line[i % (sizeof line - 1)];
    text[text_size] = '\0';
    s->event_size =
        (size_t)snprintf(s->event, sizeof s->event,
                         "{\"type\":\"stdout\",\"text\":\"%s\",\"timestamp\":1781517600123}", text);
    s->chunk_size = stream_chunk(chunk, sizeof chunk, s->event);
    s->block_events = STREAM_BLOCK / s->chunk_size;
    s->block_size = s->block_events * s->chunk_size;
    s->block = (char *)malloc(s->block_size);
    if (s->block == NULL) abort();
    for (i = 0; i < s->block_events; i++)
        memcpy(s->block + i * s->chunk_size, chunk, s->chunk_size);
    s->first_size = (size_t)snprintf(s->first, sizeof s->first,
                                     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                     "Transfer-Encoding: chunked\r\n\r\n");
    s->first_size +=
        stream_chunk(s->first + s->first_size, sizeof s->first - s->first_size,
                     "{\"type\":\"init\",\"text\":\"0a1b2c3d4e5f\",\"timestamp\":1781517600000}");
    s->last_size = stream_chunk(
        s->last, sizeof s->last,
        "{\"type\":\"execution_complete\",\"execution_time\":12,\"timestamp\":1781517600999}");
}

static void stream_close(stream *s)
{
    free(s->block);
}

#define STREAM_END "0\r\n\r\n"

#endif
