/* Documents: read from JSON, and from the YAML that people write by hand: block maps and lists,
   JSON inside, quoted and plain scalars, "|" texts, comments. No anchors, tags, folded texts. */
#include "osb.h"
#include <string.h>

#define DEPTH 32
#define DIGITS "0123456789"

typedef struct source {
    const char *path;
    char *at, *line_start;
    unsigned line, depth;
    bool broken;
} source;

static node *broken(source *s, const char *what)
{
    if (!s->broken) complain("%s:%u: %s", s->path, s->line, what);
    s->broken = true;
    return NULL;
}

/* Between tokens. Stops at the end of the line if `within_line`. */
static void skip(source *s, bool within_line)
{
    for (;; s->at++) {
        if (*s->at == '#' && (s->at == s->line_start || strchr(" \t", s->at[-1]) != NULL))
            s->at += strcspn(s->at, "\n");
        if (*s->at == '\n' && !within_line) {
            s->line++;
            s->line_start = s->at + 1;
        } else if (*s->at != ' ' && *s->at != '\r' && *s->at != '\t') {
            return;
        }
    }
}

static int column(const source *s)
{
    return (int)(s->at - s->line_start);
}

/* As JSON has it: 0644 is none, and readers of YAML do not agree which one it is. */
static bool is_number(const char *word)
{
    const char *at = word + (*word == '-');
    size_t whole = strspn(at, DIGITS), size = whole;
    if (whole == 0 || (*at == '0' && whole > 1)) return false;
    if (at[size] == '.') {
        size_t fraction = strspn(at + size + 1, DIGITS);
        if (fraction == 0) return false;
        size += 1 + fraction;
    }
    if ((at[size] | 32) == 'e') {
        at += size + 1;
        at += *at == '+' || *at == '-';
        size = strspn(at, DIGITS);
        if (size == 0) return false;
    }
    return at[size] == '\0';
}

static node *scalar(node *parent, const char *key, const char *word)
{
    if (*word == '\0' || same(word, "null") || same(word, "~")) return put_null(parent, key);
    if (same(word, "true") || same(word, "false")) return put_bool(parent, key, *word == 't');
    if (is_number(word)) {
        node *v = put_null(parent, key);
        v->kind = V_NUMBER;
        v->text = word;
        return v;
    }
    return put_text(parent, key, word);
}

/* ---- quoted ----------------------------------------------------------------------------------*/

static long hex_digits(const char *at, int count)
{
    long number = 0;
    for (; count > 0; count--, at++) {
        static const char all[] = "0123456789abcdef";
        const char *digit = *at == '\0' ? NULL : strchr(all, *at | 32);
        if (digit == NULL) return -1;
        number = number * 16 + (digit - all);
    }
    return number;
}

static void add_utf8(text *to, long c)
{
    if (c < 0x80) {
        add_char(to, (char)c);
        return;
    }
    if (c < 0x800) {
        add_char(to, (char)(0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            add_char(to, (char)(0xe0 | c >> 12));
        } else {
            add_char(to, (char)(0xf0 | c >> 18));
            add_char(to, (char)(0x80 | (c >> 12 & 63)));
        }
        add_char(to, (char)(0x80 | (c >> 6 & 63)));
    }
    add_char(to, (char)(0x80 | (c & 63)));
}

static bool add_escape(source *s, text *to)
{
    static const char from[] = "nrtbf\"\\/", into[] = "\n\r\t\b\f\"\\/";
    const char *known = *s->at == '\0' ? NULL : strchr(from, *s->at);
    long c, low;
    if (known != NULL) {
        add_char(to, into[known - from]);
        s->at++;
        return true;
    }
    c = *s->at == 'u' ? hex_digits(s->at + 1, 4) : -1;
    if (c <= 0) return false;
    s->at += 5;
    if (c >= 0xd800 && c < 0xdc00 && s->at[0] == '\\' && s->at[1] == 'u') {
        low = hex_digits(s->at + 2, 4);
        if (low < 0xdc00 || low > 0xdfff) return false;
        s->at += 6;
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    } else if (c >= 0xd800 && c < 0xe000) {
        return false;
    }
    add_utf8(to, c);
    return true;
}

static char *quoted(source *s)
{
    char quote = *s->at++, *kept;
    text t = {0};
    add_string(&t, "");
    while (*s->at != quote || (quote == '\'' && s->at[1] == quote)) {
        if (*s->at == '\0' || *s->at == '\n') {
            broken(s, "a quote is not closed");
            return NULL;
        }
        if (quote == '\'' && *s->at == quote) {
            add_char(&t, quote);
            s->at += 2;
        } else if (quote == '"' && *s->at == '\\') {
            s->at++;
            if (!add_escape(s, &t)) {
                broken(s, "an escape that is none behind \\");
                return NULL;
            }
        } else {
            add_char(&t, *s->at++);
        }
    }
    s->at++;
    kept = keep_text(t.data, t.size);
    clear(&t);
    return kept;
}

/* ---- JSON ------------------------------------------------------------------------------------*/

static node *flow(source *s, node *parent, const char *key);

static char *flow_word(source *s)
{
    size_t size = strcspn(s->at, ",:]}[{\n#\"");
    char *word;
    while (size > 0 && strchr(" \t\r", s->at[size - 1]) != NULL) size--;
    word = keep_text(s->at, size);
    s->at += size;
    return word;
}

static bool flow_member(source *s, node *map)
{
    bool is_quoted = *s->at == '"' || *s->at == '\'';
    char *key = is_quoted ? quoted(s) : flow_word(s);
    if (s->broken) return false;
    if (get(map, key) != NULL) return broken(s, formatted("'%s' stands here twice", key)) != NULL;
    skip(s, false);
    if ((*key == '\0' && !is_quoted) || *s->at != ':')
        return broken(s, "expected \"name\": here") != NULL;
    s->at++;
    return flow(s, map, key) != NULL;
}

static node *flow_container(source *s, node *parent, const char *key)
{
    bool map = *s->at++ == '{';
    char end = map ? '}' : ']';
    node *v = map ? put_map(parent, key) : put_list(parent, key);
    v->line = s->line;
    if (++s->depth > DEPTH) return broken(s, "nested too deep");
    for (;;) {
        skip(s, false);
        if (*s->at == end && v->first == NULL) break;
        if (!(map ? flow_member(s, v) : flow(s, v, NULL) != NULL)) return NULL;
        skip(s, false);
        if (*s->at == end) break;
        if (*s->at != ',') return broken(s, map ? "expected , or } here" : "expected , or ] here");
        s->at++;
    }
    s->at++;
    s->depth--;
    return v;
}

static node *flow(source *s, node *parent, const char *key)
{
    bool is_quoted;
    char *word;
    node *v;
    skip(s, false);
    if (*s->at == '{' || *s->at == '[') return flow_container(s, parent, key);
    is_quoted = *s->at == '"' || *s->at == '\'';
    word = is_quoted ? quoted(s) : flow_word(s);
    if (word == NULL) return NULL;
    if (!is_quoted && *word == '\0') return broken(s, "a value is missing here");
    v = is_quoted ? put_text(parent, key, word) : scalar(parent, key, word);
    v->line = s->line;
    return v;
}

/* ---- YAML blocks -----------------------------------------------------------------------------*/

static node *block(source *s, node *parent, const char *key, int above, bool same_line);

/* The size of a "name:" at hand, blanks before the colon included if there are no quotes; 0: it is
   none. */
static size_t key_size(const source *s)
{
    char quote = *s->at;
    size_t size = 0;
    if (quote == '"' || quote == '\'') {
        for (size = 1; s->at[size] != quote || (quote == '\'' && s->at[size + 1] == quote);
             size++) {
            if (s->at[size] == '\0' || s->at[size] == '\n') return 0;
            if (s->at[size] == (quote == '"' ? '\\' : quote) && s->at[size + 1] != '\0') size++;
        }
        size++;
        return s->at[size + strspn(s->at + size, " \t")] == ':' ? size : 0;
    }
    for (; s->at[size] != '\0' && s->at[size] != '\n'; size++)
        if (s->at[size] == ':' && (s->at[size + 1] == '\0' || strchr(" \t\r\n", s->at[size + 1])))
            return size;
    return 0;
}

static bool starts_item(const source *s)
{
    return *s->at == '-' && (s->at[1] == '\0' || strchr(" \r\n", s->at[1]) != NULL);
}

static node *block_list(source *s, node *parent, const char *key)
{
    int mine = column(s);
    node *list = put_list(parent, key);
    list->line = s->line;
    while (!s->broken && *s->at != '\0' && column(s) == mine && starts_item(s)) {
        s->at++;
        block(s, list, NULL, mine, false);
        skip(s, false);
    }
    return list;
}

static node *block_map(source *s, node *parent, const char *key)
{
    int mine = column(s);
    node *map = put_map(parent, key);
    map->line = s->line;
    while (!s->broken && *s->at != '\0' && column(s) == mine) {
        size_t size = key_size(s);
        char *name;
        if (size == 0) return broken(s, "expected \"name:\" here");
        if (*s->at == '"' || *s->at == '\'') {
            name = quoted(s);
            if (name == NULL) return NULL;
        } else {
            name = keep_text(s->at, size);
            while (strchr(" \t", name[size - 1]) != NULL) name[--size] = '\0';
            s->at += size;
        }
        if (get(map, name) != NULL) return broken(s, formatted("'%s' stands here twice", name));
        s->at += strspn(s->at, " \t") + 1;
        block(s, map, name, mine, true);
        skip(s, false);
    }
    return map;
}

/* Behind "|": the lines that are indented more than what is above. */
static node *literal(source *s, node *parent, const char *key, int above)
{
    text t = {0};
    node *v;
    bool strip = s->at[1] == '-';
    int indent = -1;
    s->at += strip ? 2 : 1;
    skip(s, true);
    if (*s->at != '\n' && *s->at != '\0')
        return broken(s, "behind | only - and a line's end are understood");
    add_string(&t, "");
    while (*s->at == '\n') {
        char *line = s->at + 1;
        size_t spaces = strspn(line, " "), size = strcspn(line, "\r\n");
        if (spaces < size && (int)spaces <= above) break;
        if (spaces < size && indent < 0) indent = (int)spaces;
        if (*line == '\0') break;
        if (indent >= 0 && spaces < size && (int)spaces < indent) break;
        if (indent >= 0 && size > (size_t)indent) add(&t, line + indent, size - (size_t)indent);
        add_char(&t, '\n');
        s->line++;
        s->line_start = line;
        s->at = line + strcspn(line, "\n");
    }
    while (t.size > (strip ? 0u : 1u) && t.data[t.size - 1] == '\n' &&
           (strip || t.data[t.size - 2] == '\n'))
        t.data[--t.size] = '\0';
    v = put_text(parent, key, t.data);
    clear(&t);
    return v;
}

static node *plain(source *s, node *parent, const char *key)
{
    size_t size = 0;
    char *word;
    while (s->at[size] != '\0' && s->at[size] != '\n' &&
           !(s->at[size] == '#' && size > 0 && strchr(" \t", s->at[size - 1]) != NULL))
        size++;
    while (size > 0 && strchr(" \t\r", s->at[size - 1]) != NULL) size--;
    word = keep_text(s->at, size);
    s->at += size;
    return scalar(parent, key, word);
}

/* A value, which must stand further right than what is above it; a list that is a map's value may
   stand just below its name. */
static node *block(source *s, node *parent, const char *key, int above, bool is_member)
{
    unsigned line = s->line;
    node *v;
    bool same_line;
    if (++s->depth > DEPTH) return broken(s, "nested too deep");
    skip(s, false);
    same_line = s->line == line && parent != NULL;
    if (memchr(s->line_start, '\t', strspn(s->line_start, " \t")) != NULL && !same_line)
        return broken(s, "a tab in the indentation: use spaces");
    if (*s->at == '\0' ||
        (column(s) <= above && !(is_member && column(s) == above && starts_item(s))))
        v = put_null(parent, key);
    else if (strchr("{[", *s->at) != NULL) v = flow(s, parent, key);
    else if (strchr("&*!>%@`", *s->at) != NULL)
        v = broken(s, "anchors, tags and folded texts are not understood: quote it");
    else if (*s->at == '|') v = literal(s, parent, key, above);
    else if (starts_item(s) && !(is_member && same_line)) v = block_list(s, parent, key);
    else if (key_size(s) > 0 && is_member && same_line) v = broken(s, "two names on one line");
    else if (key_size(s) > 0) v = block_map(s, parent, key);
    else if (*s->at == '"' || *s->at == '\'') v = flow(s, parent, key);
    else v = plain(s, parent, key);
    s->depth--;
    if (v == NULL || s->broken) return NULL;
    if (v->line == 0) v->line = line;
    return v;
}

node *parse_document(const char *path, char *content)
{
    source s = {0};
    node *v;
    s.path = path;
    s.line = 1;
    if (begins(content, "\xef\xbb\xbf")) content += 3;
    s.at = s.line_start = content;
    skip(&s, false);
    if (column(&s) == 0 && begins(s.at, "---") && strchr(" \t\r\n", s.at[3]) != NULL) s.at += 3;
    v = block(&s, NULL, NULL, -1, false);
    if (v == NULL) return NULL;
    skip(&s, false);
    if (*s.at != '\0') return broken(&s, "something is left over here");
    return v;
}

node *read_document(const char *path)
{
    text content = {0};
    node *v;
    if (!read_utf8(path, &content)) return NULL;
    v = parse_document(same(path, "-") ? "stdin" : path, content.data);
    clear(&content);
    return v;
}
