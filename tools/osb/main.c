/* Reads the command line, calls the command. */
#include "osb.h"
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* ---- flags that were given -------------------------------------------------------------------*/

const char *flag_text(const args *a, flag_id id)
{
    size_t i;
    for (i = a->given_count; i > 0; i--)
        if (a->given[i - 1].id == id) return a->given[i - 1].value;
    return NULL;
}

bool has(const args *a, flag_id id)
{
    return flag_text(a, id) != NULL;
}

uint32_t flag_number(const args *a, flag_id id, uint32_t otherwise)
{
    const char *value = flag_text(a, id);
    uint64_t number = otherwise;
    if (value != NULL) read_number(value, UINT32_MAX, &number);
    return (uint32_t)number;
}

osb_u32 flag_optional(const args *a, flag_id id)
{
    osb_u32 number = {has(a, id), flag_number(a, id, 0)};
    return number;
}

uint32_t flag_ms(const args *a, flag_id id)
{
    const char *value = flag_text(a, id);
    uint32_t ms = 0;
    if (value != NULL) read_duration_ms(value, &ms);
    return ms;
}

size_t flag_list(const args *a, flag_id id, const char *const **list)
{
    const char **all = keep((a->given_count + 1) * sizeof *all);
    size_t i, count = 0;
    for (i = 0; i < a->given_count; i++)
        if (a->given[i].id == id) all[count++] = a->given[i].value;
    *list = count > 0 ? all : NULL;
    return count;
}

size_t flag_pairs(const args *a, flag_id id, const osb_pair **pairs)
{
    const char *const *list;
    size_t count = flag_list(a, id, &list), i;
    osb_pair *all = keep((count + 1) * sizeof *all);
    for (i = 0; i < count; i++) {
        const char *equals = strchr(list[i], '=');
        all[i].name = keep_text(list[i], (size_t)(equals - list[i]));
        all[i].value = equals + 1;
    }
    *pairs = count > 0 ? all : NULL;
    return count;
}

/* ---- wrong use -------------------------------------------------------------------------------*/

static int usage_list(const char *path, const char *message, va_list list)
{
    text line = {0};
    add_format_list(&line, message, list);
    complain("%s%s%s; see osb%s%s --help", path, *path == '\0' ? "" : ": ", line.data,
             *path == '\0' ? "" : " ", path);
    clear(&line);
    return EXIT_USAGE;
}

int usage(const args *a, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    usage_list(a->command->name, format, list);
    va_end(list);
    return EXIT_USAGE;
}

static bool wrong(const char *path, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    usage_list(path, format, list);
    va_end(list);
    return false;
}

/* ---- reading ---------------------------------------------------------------------------------*/

typedef struct reader {
    args *a;
    text path; /* the command's name as far as it is known */
    char **next;
} reader;

static bool takes(const command_row *c, flag_id id)
{
    size_t i;
    if (id <= F_HELP) return true;
    if (c == NULL) return false;
    if (id == F_OUTPUT) return true;
    for (i = 0; i < sizeof c->flags && c->flags[i] != 0; i++)
        if (FLAG_AT(c, i) == id) return true;
    return false;
}

static bool value_fits(const reader *r, const flag *f, const char *value)
{
    uint64_t number;
    uint32_t ms;
    const char *path = r->path.data;
    switch (f->kind) {
    case NUMBER:
        return read_number(value, UINT32_MAX, &number) ||
               wrong(path, "--%s %s is not a number%s", f->name, value,
                     is_digits(value) ? " up to 4294967295" : "");
    case TTL:
        if (strcasecmp(value, "none") == 0) return true;
        /* fall through */
    case DURATION:
        return (read_duration_ms(value, &ms) &&
                (ms > 0 || f == &flags[F_TIME_LIMIT] || f == &flags[F_IDLE_TIMEOUT])) ||
               wrong(path, "--%s %s is not a time such as 90s, 10m, 1h30m (1111h at most)", f->name,
                     value);
    case PAIRS:
        return (strchr(value, '=') != NULL && *value != '=') ||
               wrong(path, "--%s %s is not %s", f->name, value, f->placeholder);
    case CHOICE:
        return same(value, "http") || same(value, "https") ||
               wrong(path, "--%s %s is not %s", f->name, value, f->placeholder);
    default:
        return true;
    }
}

/* Everybody on the machine can read a command line: a secret does not stay in it. */
static const char *hidden(const char *value)
{
    size_t size = strlen(value);
    char *copy = keep_text(value, size);
    memset((char *)(uintptr_t)value, '*', size); /* argv's own texts may be written */
    return copy;
}

/* A name on this machine, or what goes over the wire as it is. */
static bool may_be_bytes(flag_id id)
{
    return flags[id].kind == SWITCH || same(flags[id].placeholder, "FILE") || id == F_CONTENT ||
           id == F_PATTERN;
}

static bool give(reader *r, flag_id id, const char *value)
{
    given_flag *g = &r->a->given[r->a->given_count];
    if (*value == '\0' && id <= F_CA_FILE && flags[id].kind != SWITCH)
        return wrong(r->path.data, "--%s is empty", flags[id].name);
    if (!may_be_bytes(id) && !is_utf8(value))
        return wrong(r->path.data, "--%s is " NOT_UTF8, flags[id].name);
    if (!value_fits(r, &flags[id], value)) return false;
    if (flags[id].kind == SWITCH && has(r->a, id)) return true; /* or -qqq... would not fit */
    g->id = id;
    g->value = id == F_API_KEY || id == F_IMAGE_PASSWORD ? hidden(value) : value;
    r->a->given_count++;
    return true;
}

/* --name, --name=value, --name value */
static bool read_long(reader *r, const char *word)
{
    size_t size = strcspn(word, "=");
    int id;
    for (id = 0; id < FLAG_COUNT; id++) {
        const flag *f = &flags[id];
        if (strlen(f->name) != size || strncmp(f->name, word, size) != 0) continue;
        if (!takes(r->a->command, (flag_id)id)) continue;
        if (f->kind == SWITCH && word[size] == '=')
            return wrong(r->path.data, "--%s takes no value", f->name);
        if (f->kind == SWITCH) return give(r, (flag_id)id, "");
        if (word[size] == '=') return give(r, (flag_id)id, word + size + 1);
        if (*r->next == NULL) return wrong(r->path.data, "--%s wants %s", f->name, f->placeholder);
        return give(r, (flag_id)id, *r->next++);
    }
    return wrong(r->path.data, "there is no --%s", keep_text(word, size));
}

/* -x, -xVALUE, -x VALUE, -xyz */
static bool read_short(reader *r, const char *word)
{
    for (; *word != '\0'; word++) {
        int id = 0;
        while (id < FLAG_COUNT && (flags[id].letter != *word || !takes(r->a->command, (flag_id)id)))
            id++;
        if (id == FLAG_COUNT) return wrong(r->path.data, "there is no -%s", keep_text(word, 1));
        if (flags[id].kind == SWITCH) {
            give(r, (flag_id)id, "");
            continue;
        }
        if (word[1] != '\0') return give(r, (flag_id)id, word + 1);
        if (*r->next == NULL)
            return wrong(r->path.data, "-%s wants %s", word, flags[id].placeholder);
        return give(r, (flag_id)id, *r->next++);
    }
    return true;
}

static bool is_prefix(const char *path)
{
    size_t i, size = strlen(path);
    for (i = 0; i < command_count; i++)
        if (begins(commands[i].name, path) && commands[i].name[size] == ' ') return true;
    return false;
}

/* Another word of the command's name. */
static bool read_name(reader *r, const char *word)
{
    size_t i;
    text longer = {0};
    add_format(&longer, "%s%s%s", r->path.data, r->path.size > 0 ? " " : "", word);
    for (i = 0; i < command_count; i++)
        if (same(commands[i].name, longer.data)) r->a->command = &commands[i];
    if (r->a->command == NULL && !is_prefix(longer.data))
        return wrong(r->path.data, "there is no command '%s'", longer.data);
    clear(&r->path);
    r->path = longer;
    return true;
}

/* What a command takes: how many words, and whether a command for the sandbox follows. */
typedef struct wanted {
    size_t least, most;
    bool rest;
} wanted;

static wanted words_of(const command_row *c)
{
    wanted w = {0, 0, false};
    const char *at = c->words;
    while (*at != '\0') {
        size_t size = strcspn(at, " ");
        if (begins(at, "CMD")) {
            w.rest = true;
        } else {
            w.most = size > 3 && begins(at + size - 3, "...") ? SIZE_MAX : w.most + 1;
            if (*at != '[') w.least++;
        }
        at += size + (at[size] == ' ');
    }
    return w;
}

static bool read_words(reader *r)
{
    args *a = r->a;
    wanted w = {0, 0, false};
    while (*r->next != NULL) {
        const char *word = *r->next++;
        if (a->command != NULL) w = words_of(a->command);
        if (same(word, "--") && a->command != NULL && !same(a->command->name, "__complete")) {
            if (w.rest) break;
            while (*r->next != NULL) a->words[a->word_count++] = *r->next++;
        } else if (a->command != NULL && same(a->command->name, "__complete")) {
            a->words[a->word_count++] = word;
        } else if (begins(word, "--") && word[2] != '\0') {
            if (!read_long(r, word + 2)) return false;
        } else if (*word == '-' && word[1] != '\0') {
            if (!read_short(r, word + 1)) return false;
        } else if (a->command == NULL) {
            if (!read_name(r, word)) return false;
        } else if (w.rest && a->word_count == w.most) {
            r->next--;
            break;
        } else {
            a->words[a->word_count++] = word;
        }
    }
    if (w.rest) a->rest = (const char *const *)r->next;
    return true;
}

/* The name of the nth word that a command takes; the last one may come again. */
static const char *word_name(const command_row *c, size_t n)
{
    const char *at = c->words;
    for (; n > 0 && strchr(at, ' ') != NULL; n--) at = strchr(at, ' ') + 1;
    at += *at == '[';
    return keep_text(at, strcspn(at, " .]"));
}

/* Those whose paths go in the address, where bytes can be told: so what has an odd name is not lost. */
static bool takes_any_path(const command_row *c)
{
    static const char *const names[] = {"file cat",    "file download", "file info", "file ls",
                                        "file search", "file rm",       "file rmdir"};
    size_t i;
    for (i = 0; i < COUNT(names); i++)
        if (same(c->name, names[i])) return true;
    return false;
}

static bool check_utf8(const args *a)
{
    const command_row *c = a->command;
    const char *const *word;
    size_t i;
    for (i = 0; i < a->word_count && c->help != NULL && !takes_any_path(c); i++) {
        const char *name = word_name(c, i);
        if (!is_utf8(a->words[i]) && !same(name, "LOCAL") && !same(name, "FILE"))
            return wrong(c->name, "%s is " NOT_UTF8, name);
    }
    for (word = a->rest; word != NULL && *word != NULL; word++)
        if (!is_utf8(*word)) return wrong(c->name, "a word of the command is " NOT_UTF8);
    return true;
}

static bool check_words(const args *a)
{
    const command_row *c = a->command;
    wanted w = words_of(c);
    size_t i;
    if (a->word_count < w.least)
        return wrong(c->name, "%s is missing", word_name(c, a->word_count));
    if (a->word_count > w.most) return wrong(c->name, "'%s' is too much", a->words[w.most]);
    if (w.rest && (a->rest == NULL || *a->rest == NULL))
        return wrong(c->name, "the command is missing: ... -- CMD");
    for (i = 0; i < a->word_count && c->help != NULL; i++)
        if (*a->words[i] == '\0' && !same(word_name(c, i), "VALUE"))
            return wrong(c->name, "%s is empty", word_name(c, i));
    for (i = 0; i < sizeof c->flags && c->flags[i] != 0; i++)
        if (c->flags[i] >= NEEDS && !has(a, FLAG_AT(c, i)))
            return wrong(c->name, "--%s is missing", flags[FLAG_AT(c, i)].name);
    return true;
}

static bool check_output(const args *a)
{
    static const char *const names[] = {"table", "json", "yaml", "raw"};
    const char *allowed = a->command->outputs, *wish = flag_text(a, F_OUTPUT);
    text there_are = {0};
    size_t i;
    config.output = *allowed;
    if (wish == NULL) return true;
    for (i = 0; i < COUNT(names); i++) {
        if (strchr(allowed, *names[i]) == NULL) continue;
        config.output = *names[i];
        if (strcasecmp(wish, names[i]) == 0) return true;
        add_format(&there_are, " %s", names[i]);
    }
    return wrong(a->command->name, "-o %s is not among:%s", wish, there_are.data);
}

static int finish(int code)
{
    if (flush_output()) return code;
    if (output_error == EINTR) return interrupted_code();
    if (output_error == EPIPE) return EXIT_PIPE;
    complain("cannot write the output: %s", strerror(output_error));
    return EXIT_FAILED;
}

static int run_command(reader *r)
{
    args *a = r->a;
    if (!read_words(r)) return EXIT_USAGE;
    if (has(a, F_HELP)) return print_help(r->path.data);
    if (has(a, F_VERSION)) {
        print("osb " OSB_VERSION "\n");
        return EXIT_FINE;
    }
    if (a->command == NULL) return print_help(r->path.data);
    if (!check_words(a) || !check_utf8(a) || !check_output(a)) return EXIT_USAGE;
    if (!load_settings(a)) return EXIT_USAGE;
    return a->command->run(a);
}

int main(int argc, char **argv)
{
    args a = {0};
    reader r = {0};
    fill_standard_files();
    a.words = keep(((size_t)argc + 1) * sizeof *a.words);
    a.given = keep(((size_t)argc + FLAG_COUNT) * sizeof *a.given); /* each switch once */
    r.a = &a;
    r.next = argv + (argc > 0);
    add_string(&r.path, "");
    return finish(run_command(&r));
}
