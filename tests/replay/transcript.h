/* Reads transcripts: exchanges between the library and a server, with the call that leads to them
   and its outcome. The format, line by line:

     # a comment
     config              what follows, indented, goes into osb_config
       domain api.example:8080
     box                 what follows describes the sandbox that execd's calls use
       id 7f
       execd host:port   its execd; header name=value: goes with each request
       egress host:port  its egress sidecar; egress_header name=value; allow_execd_route
       isolated id       the isolated session whose files are meant
     call command_run    a call, by its name without osb_, and its arguments
       command echo hi
     connect host:port   the port is asked for this connection; also
                         "connect? host:port"  the connection before may serve as well
                         "connect host:port tls|refused|stalls"
     > text              what the client must send
     < text              what the server sends
     <# text             the same, as one chunk of a chunked body; "<#" alone is the last chunk
     pause 500           then nothing happens for so many milliseconds
     close, reset        the server closes in good order, or breaks the connection
     = text              a line of the call's outcome; see tests/support/recorder.h
     sizes 2048 4096     the buffer sizes that the transcript holds for; default 1024 2048 4096

   Lines of a head end with CR LF by themselves: those up to and with the first empty `>` or `<`
   line. After it, a body's lines are taken as they are. A new head begins at each "call" or change
   of direction, unless the body's last line was cut short by "<+", which goes on with the body.
   In a head, "Content-Length: @" is the size of the body that follows.
   In any text: $n LF, $r CR, $t tab, $$ dollar, $xHH a byte, $(text*N) repeats it. */
#ifndef TESTS_TRANSCRIPT_H
#define TESTS_TRANSCRIPT_H

#include "tests/support/scripted_port.h"

typedef struct transcript_line {
    char *name, *value;
} transcript_line;

typedef struct transcript_block { /* a word and its indented lines */
    char *name;
    transcript_line *lines;
    size_t count;
    struct text expected; /* of a call */
} transcript_block;

typedef struct transcript {
    char *name;
    script_port port;
    transcript_block config, box;
    transcript_block *calls;
    size_t call_count;
    size_t sizes[3];
    size_t response_bytes;
    /* while it is read */
    transcript_block *block;
    struct text bytes, body; /* head of the message at hand, and its body */
    char direction;          /* '>', '<', or 0 */
    bool in_body;
    unsigned line;
} transcript;

SUPPORT void transcript_fail(const transcript *t, const char *why)
{
    fprintf(stderr, "%s:%u: %s\n", t->name, t->line, why);
    exit(2);
}

SUPPORT char *transcript_copy(const char *data, size_t size)
{
    char *copy = (char *)malloc(size + 1);
    if (copy == NULL) abort();
    memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

/* $(text*N); returns what follows it. */
SUPPORT const char *transcript_repeat(transcript *t, struct text *out, const char *from)
{
    const char *star = strchr(from, '*'), *end = strchr(from, ')');
    unsigned long n;
    if (star == NULL || end == NULL || end < star) transcript_fail(t, "bad $(");
    for (n = strtoul(star + 1, NULL, 10); n > 0; n--) text_add(out, from, (size_t)(star - from));
    return end + 1;
}

SUPPORT void transcript_unescape(transcript *t, struct text *out, const char *from)
{
    while (*from != '\0') {
        char c = *from++, hex[3] = {0, 0, 0};
        if (c == '$') {
            c = *from++;
            if (c == '(') {
                from = transcript_repeat(t, out, from);
                continue;
            }
            if (c == 'n') c = '\n';
            else if (c == 'r') c = '\r';
            else if (c == 't') c = '\t';
            else if (c == 'x') {
                hex[0] = *from++;
                hex[1] = *from++;
                c = (char)strtoul(hex, NULL, 16);
            } else if (c != '$') transcript_fail(t, "bad $ escape");
        }
        text_add(out, &c, 1);
    }
}

/* The message at hand is complete: it becomes a step of the script. */
SUPPORT void transcript_flush(transcript *t)
{
    char *at;
    struct text whole = {0};
    if (t->direction == 0) return;
    at = t->bytes.size > 0 ? strstr(t->bytes.data, ": @\r\n") : NULL;
    if (at != NULL) {
        at += 2;
        text_add(&whole, t->bytes.data, (size_t)(at - t->bytes.data));
        text_print(&whole, "%lu", (unsigned long)t->body.size);
        text_add(&whole, at + 1, t->bytes.size - (size_t)(at + 1 - t->bytes.data));
    } else {
        text_add(&whole, t->bytes.data, t->bytes.size);
    }
    text_add(&whole, t->body.data, t->body.size);
    if (t->direction == '<') t->response_bytes += whole.size;
    if (whole.size > 0)
        script_add(&t->port, t->direction == '<' ? SCRIPT_REPLY : SCRIPT_EXPECT, whole.data,
                   whole.size, 1);
    text_clear(&t->bytes);
    text_clear(&t->body);
    t->direction = 0;
}

SUPPORT void transcript_chunk(transcript *t, const char *from)
{
    struct text data = {0};
    text_clear(&data);
    transcript_unescape(t, &data, from);
    text_print(&t->body, "%lx\r\n", (unsigned long)data.size);
    text_add(&t->body, data.data, data.size);
    text_add(&t->body, "\r\n", 2);
    text_free(&data);
}

/* A line that begins with > or <. */
SUPPORT void transcript_wire(transcript *t, const char *line)
{
    char direction = *line++;
    bool on = *line == '+', chunk = *line == '#';
    if (t->direction != direction) {
        transcript_flush(t);
        t->in_body = on || chunk;
    }
    t->direction = direction;
    if (on || chunk) line++;
    if (*line == ' ') line++;
    if (chunk) {
        transcript_chunk(t, line);
    } else if (t->in_body) {
        transcript_unescape(t, &t->body, line);
    } else {
        transcript_unescape(t, &t->bytes, line);
        text_add(&t->bytes, "\r\n", 2);
        t->in_body = *line == '\0';
    }
}

SUPPORT void transcript_connect(transcript *t, const char *word, char *to)
{
    char *colon = strrchr(to, ':'), *how;
    script_kind kind = word[7] == '?' ? SCRIPT_MAY_CONNECT : SCRIPT_CONNECT;
    if (colon == NULL) transcript_fail(t, "connect without a port");
    how = strchr(colon, ' ');
    if (how != NULL && strcmp(how, " refused") == 0) kind = SCRIPT_REFUSE;
    if (how != NULL && strcmp(how, " stalls") == 0) kind = SCRIPT_STALL;
    to = transcript_copy(to, (size_t)(colon - to));
    script_add(&t->port, kind, to, strlen(to), (uint32_t)strtoul(colon + 1, NULL, 10));
    t->port.steps[t->port.step_count - 1].tls = how != NULL && strcmp(how, " tls") == 0;
}

SUPPORT void transcript_argument(transcript *t, char *line)
{
    transcript_block *block = t->block;
    char *space = strchr(line, ' ');
    struct text value = {0};
    transcript_line *entry;
    if (block == NULL) transcript_fail(t, "an indented line belongs to nothing");
    block->lines =
        (transcript_line *)realloc(block->lines, (block->count + 1) * sizeof *block->lines);
    if (block->lines == NULL) abort();
    entry = &block->lines[block->count++];
    text_clear(&value);
    if (space != NULL) {
        *space = '\0';
        transcript_unescape(t, &value, space + 1);
    }
    entry->name = transcript_copy(line, strlen(line));
    entry->value = value.data;
}

SUPPORT void transcript_call(transcript *t, const char *name)
{
    t->calls = (transcript_block *)realloc(t->calls, (t->call_count + 1) * sizeof *t->calls);
    if (t->calls == NULL) abort();
    t->block = &t->calls[t->call_count++];
    memset(t->block, 0, sizeof *t->block);
    t->block->name = transcript_copy(name, strlen(name));
    text_clear(&t->block->expected);
}

SUPPORT void transcript_sizes(transcript *t, const char *numbers)
{
    char *end = NULL;
    size_t i;
    for (i = 0; i < 3; i++) {
        size_t size = strtoul(numbers, &end, 10);
        t->sizes[i] = size != 0 || i == 0 ? size : t->sizes[i - 1];
        numbers = end;
    }
}

/* A line that begins with a word. */
SUPPORT void transcript_word(transcript *t, char *line)
{
    char *rest = strchr(line, ' ');
    if (rest != NULL) *rest++ = '\0';
    else rest = line + strlen(line);
    transcript_flush(t);
    if (strcmp(line, "config") == 0) t->block = &t->config;
    else if (strcmp(line, "box") == 0) t->block = &t->box;
    else if (strcmp(line, "call") == 0) transcript_call(t, rest);
    else if (strncmp(line, "connect", 7) == 0) transcript_connect(t, line, rest);
    else if (strcmp(line, "pause") == 0)
        script_add(&t->port, SCRIPT_PAUSE, "", 0, (uint32_t)strtoul(rest, NULL, 10));
    else if (strcmp(line, "close") == 0) script_close(&t->port);
    else if (strcmp(line, "reset") == 0) script_reset(&t->port);
    else if (strcmp(line, "sizes") == 0) transcript_sizes(t, rest);
    else transcript_fail(t, "unknown word");
}

SUPPORT void transcript_add(transcript *t, char *line)
{
    if (line[0] == '#' || line[0] == '\0') return;
    if (line[0] == '>' || line[0] == '<') {
        transcript_wire(t, line);
    } else if (line[0] == '=') {
        if (t->call_count == 0) transcript_fail(t, "an outcome before any call");
        line += line[1] == ' ' ? 2 : 1;
        text_add(&t->calls[t->call_count - 1].expected, line, strlen(line));
        text_add(&t->calls[t->call_count - 1].expected, "\n", 1);
    } else if (line[0] == ' ') {
        transcript_argument(t, line + strspn(line, " "));
    } else {
        transcript_word(t, line);
    }
}

/* Reads a file; exits if it is not a transcript, since then the test itself is wrong. */
SUPPORT void transcript_read(transcript *t, const char *path)
{
    static char line[65536];
    FILE *file = fopen(path, "r");
    memset(t, 0, sizeof *t);
    script_begin(&t->port);
    transcript_sizes(t, "1024 2048 4096");
    t->name = transcript_copy(path, strlen(path));
    if (file == NULL) transcript_fail(t, "cannot be read");
    while (fgets(line, sizeof line, file) != NULL) {
        t->line++;
        line[strcspn(line, "\n")] = '\0';
        transcript_add(t, line);
    }
    fclose(file);
    transcript_flush(t);
}

SUPPORT const char *transcript_get(const transcript_block *block, const char *name)
{
    size_t i;
    for (i = 0; i < block->count; i++)
        if (strcmp(block->lines[i].name, name) == 0) return block->lines[i].value;
    return NULL;
}

SUPPORT uint32_t transcript_number(const transcript_block *block, const char *name)
{
    const char *value = transcript_get(block, name);
    return value != NULL ? (uint32_t)strtoul(value, NULL, 10) : 0;
}

SUPPORT bool transcript_has(const transcript_block *block, const char *name)
{
    return transcript_get(block, name) != NULL;
}

#define TRANSCRIPT_MOST 32

/* All values of a name, as strings. */
SUPPORT size_t transcript_list(const transcript_block *block, const char *name,
                               const char *out[TRANSCRIPT_MOST])
{
    size_t i, n = 0;
    for (i = 0; i < block->count && n + 1 < TRANSCRIPT_MOST; i++)
        if (strcmp(block->lines[i].name, name) == 0) out[n++] = block->lines[i].value;
    out[n] = NULL;
    return n;
}

typedef struct transcript_pairs {
    osb_pair pair[TRANSCRIPT_MOST];
    char text[4096];
    size_t count;
} transcript_pairs;

/* All values of a name, as "key=value", or "key" whose value is NULL. */
SUPPORT const osb_pair *transcript_get_pairs(const transcript_block *block, const char *name,
                                             transcript_pairs *pairs)
{
    size_t i, used = 0;
    pairs->count = 0;
    for (i = 0; i < block->count; i++) {
        const char *value = block->lines[i].value;
        char *copy = pairs->text + used, *equal;
        if (strcmp(block->lines[i].name, name) != 0) continue;
        used += strlen(value) + 1;
        if (used > sizeof pairs->text || pairs->count == TRANSCRIPT_MOST) abort();
        memcpy(copy, value, strlen(value) + 1);
        equal = strchr(copy, '=');
        if (equal != NULL) *equal = '\0';
        pairs->pair[pairs->count].name = copy;
        pairs->pair[pairs->count++].value = equal != NULL ? equal + 1 : NULL;
    }
    return pairs->count > 0 ? pairs->pair : NULL;
}

SUPPORT void transcript_free_block(transcript_block *block)
{
    size_t i;
    for (i = 0; i < block->count; i++) {
        free(block->lines[i].name);
        free(block->lines[i].value);
    }
    free(block->lines);
    free(block->name);
    text_free(&block->expected);
}

SUPPORT void transcript_free(transcript *t)
{
    size_t i;
    for (i = 0; i < t->call_count; i++) transcript_free_block(&t->calls[i]);
    for (i = 0; i < t->port.step_count; i++)
        if (t->port.steps[i].size > 0) free((void *)(uintptr_t)t->port.steps[i].data);
    transcript_free_block(&t->config);
    transcript_free_block(&t->box);
    free(t->calls);
    free(t->name);
    text_free(&t->bytes);
    text_free(&t->body);
    script_free(&t->port);
}

#endif
