/* Documents: built by the commands, shown as table, JSON or YAML. */
#include "osb.h"
#include <string.h>
#include <unistd.h>

/* ---- building --------------------------------------------------------------------------------*/

static node *put(node *parent, const char *key, node_kind kind)
{
    node *v = keep(sizeof *v);
    v->kind = kind;
    v->key = key;
    if (parent == NULL) return v;
    if (parent->last == NULL) parent->first = v;
    else parent->last->next = v;
    parent->last = v;
    return v;
}

node *put_map(node *parent, const char *key)
{
    return put(parent, key, V_MAP);
}

node *put_list(node *parent, const char *key)
{
    return put(parent, key, V_LIST);
}

node *put_null(node *parent, const char *key)
{
    return put(parent, key, V_NULL);
}

node *put_copy(node *parent, const char *key, const node *of)
{
    node *v = put(parent, key, of->kind);
    v->first = of->first;
    v->last = of->last;
    return v;
}

node *put_bool(node *parent, const char *key, bool truth)
{
    node *v = put(parent, key, V_BOOL);
    v->truth = truth;
    return v;
}

node *put_view(node *parent, const char *key, osb_str view)
{
    node *v = put(parent, key, view.data == NULL ? V_NULL : V_TEXT);
    if (view.data != NULL) v->text = keep_text(view.data, view.size);
    v->size = view.size;
    return v;
}

node *put_text(node *parent, const char *key, const char *string)
{
    osb_str view = {string, string == NULL ? 0 : strlen(string)};
    return put_view(parent, key, view);
}

node *put_number(node *parent, const char *key, uint64_t number)
{
    node *v = put(parent, key, V_NUMBER);
    v->text = formatted("%n", number);
    return v;
}

node *put_signed(node *parent, const char *key, int64_t number)
{
    node *v = put(parent, key, V_NUMBER);
    uint64_t size = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    v->text = formatted("%s%n", number < 0 ? "-" : "", size);
    return v;
}

node *put_milli(node *parent, const char *key, int64_t thousandths)
{
    node *v = put(parent, key, V_NUMBER);
    uint64_t size = thousandths < 0 ? 0 - (uint64_t)thousandths : (uint64_t)thousandths;
    text t = {0};
    if (thousandths < 0) add_char(&t, '-');
    add_number(&t, size / 1000, 1);
    add_char(&t, '.');
    add_number(&t, size % 1000, 3);
    while (t.data[t.size - 1] == '0' && t.data[t.size - 2] != '.') t.size--;
    v->text = keep_text(t.data, t.size);
    clear(&t);
    return v;
}

node *get(const node *map, const char *key)
{
    node *v;
    if (map == NULL || map->kind != V_MAP) return NULL;
    for (v = map->first; v != NULL; v = v->next)
        if (same(v->key, key)) return v;
    return NULL;
}

/* ---- JSON ------------------------------------------------------------------------------------*/

/* The size of the UTF-8 character at hand; 0: it is none. */
static size_t character(const char *at, size_t size)
{
    unsigned char c = (unsigned char)*at;
    size_t count = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0, i;
    if (count > size) return 0;
    for (i = 1; i < count; i++)
        if (((unsigned char)at[i] & 0xc0) != 0x80) return 0;
    if (count == 3 && c == 0xe0 && (unsigned char)at[1] < 0xa0) return 0;
    if (count == 3 && c == 0xed && (unsigned char)at[1] >= 0xa0) return 0;
    if (count == 4 && c == 0xf0 && (unsigned char)at[1] < 0x90) return 0;
    if (count == 4 && c == 0xf4 && (unsigned char)at[1] >= 0x90) return 0;
    return count;
}

bool is_utf8(const char *at)
{
    size_t size = strlen(at), step;
    for (; size > 0; at += step, size -= step) {
        step = character(at, size);
        if (step == 0) return false;
    }
    return true;
}

static void add_json_text(text *to, const char *at, size_t size)
{
    static const char hex[] = "0123456789abcdef";
    size_t step;
    add_char(to, '"');
    for (; size > 0; at += step, size -= step) {
        unsigned char c = (unsigned char)*at;
        step = character(at, size);
        if (step == 0) {
            add_string(to, "\xef\xbf\xbd"); /* U+FFFD */
            step = 1;
        } else if (c == '"' || c == '\\') {
            add_char(to, '\\');
            add_char(to, (char)c);
        } else if (c == '\n') {
            add_string(to, "\\n");
        } else if (c < ' ' || c == 127 || (c == 0xc2 && (unsigned char)at[1] < 0xa0)) {
            if (step == 2) c = (unsigned char)at[1];
            add_string(to, "\\u00");
            add_char(to, hex[c >> 4]);
            add_char(to, hex[c & 15]);
        } else if (step == 3 && memcmp(at, "\xe2\x80", 2) == 0 && (at[2] & 0x7e) == 0x28) {
            add_string(to, (at[2] & 1) != 0 ? "\\u2029" : "\\u2028"); /* YAML: a line's end */
        } else if (step == 3 && memcmp(at, "\xef\xbf", 2) == 0 && (unsigned char)at[2] >= 0xbe) {
            add_string(to, (at[2] & 1) != 0 ? "\\uffff" : "\\ufffe"); /* YAML has no such */
        } else {
            add(to, at, step);
        }
    }
    add_char(to, '"');
}

static void add_line(text *to, int indent)
{
    add_char(to, '\n');
    for (; indent > 0; indent--) add_string(to, "  ");
}

static void add_scalar(text *to, const node *v)
{
    if (v->kind == V_NULL) add_string(to, "null");
    else if (v->kind == V_BOOL) add_string(to, v->truth ? "true" : "false");
    else add_string(to, v->text);
}

void add_json(text *to, const node *v, int indent)
{
    int below = indent < 0 ? indent : indent + 1;
    const node *child;
    if (v->kind == V_TEXT) {
        add_json_text(to, v->text, v->size);
        return;
    }
    if (v->kind != V_LIST && v->kind != V_MAP) {
        add_scalar(to, v);
        return;
    }
    add_char(to, v->kind == V_LIST ? '[' : '{');
    for (child = v->first; child != NULL; child = child->next) {
        if (indent >= 0) add_line(to, below);
        if (v->kind == V_MAP) {
            add_json_text(to, child->key, strlen(child->key));
            add_string(to, ": ");
        }
        add_json(to, child, below);
        if (child->next != NULL) add_string(to, indent >= 0 ? "," : ", ");
    }
    if (indent >= 0 && v->first != NULL) add_line(to, indent);
    add_char(to, v->kind == V_LIST ? ']' : '}');
}

/* ---- YAML ------------------------------------------------------------------------------------*/

/* Whether a text would be read as something else, or not at all, without quotes. */
static bool needs_quotes(const char *string, size_t size)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "~"};
    size_t i;
    text low = {0};
    bool is_word = false;
    if (size == 0 || strchr(" -?:,[]{}#&*!|>'\"%@`=+.0123456789<\t", *string) != NULL) return true;
    for (i = 0; i < size; i++) {
        unsigned char c = (unsigned char)string[i];
        if (c < ' ' || c >= 127) return true;
        if (c == ':' && (string[i + 1] == ' ' || string[i + 1] == '\0')) return true;
        if (c == '#' && string[i - 1] == ' ') return true;
        add_char(&low, (char)(c >= 'A' && c <= 'Z' ? c + 32 : c));
    }
    for (i = 0; i < COUNT(words); i++) is_word = is_word || same(low.data, words[i]);
    clear(&low);
    return is_word || string[size - 1] == ' ';
}

/* A value behind "key:" or "- ". */
static void add_yaml_inner(text *to, const node *v, int indent, bool in_list)
{
    bool nested = v->kind == V_LIST || v->kind == V_MAP;
    if (!nested) {
        add_char(to, ' ');
        if (v->kind == V_TEXT && needs_quotes(v->text, v->size))
            add_json_text(to, v->text, v->size);
        else add_scalar(to, v);
        add_char(to, '\n');
    } else if (v->first == NULL) {
        add_string(to, v->kind == V_LIST ? " []\n" : " {}\n");
    } else if (in_list && v->kind == V_MAP) {
        add_char(to, ' ');
        add_yaml(to, v, -indent - 1);
    } else {
        add_char(to, '\n');
        add_yaml(to, v, v->kind == V_LIST && !in_list ? indent : indent + 1);
    }
}

/* A negative indent: the first line's is already there. */
void add_yaml(text *to, const node *v, int indent)
{
    bool first = indent < 0;
    const node *child;
    int level = first ? -indent : indent, i;
    if (v->kind != V_LIST && v->kind != V_MAP) {
        add_scalar(to, v);
        add_char(to, '\n');
        return;
    }
    if (v->first == NULL) add_string(to, v->kind == V_LIST ? "[]\n" : "{}\n");
    for (child = v->first; child != NULL; child = child->next) {
        for (i = first ? level : 0; i < level; i++) add_string(to, "  ");
        first = false;
        if (v->kind == V_MAP) {
            if (needs_quotes(child->key, strlen(child->key)))
                add_json_text(to, child->key, strlen(child->key));
            else add_string(to, child->key);
            add_char(to, ':');
        } else {
            add_char(to, '-');
        }
        add_yaml_inner(to, child, level, v->kind == V_LIST);
    }
}

/* ---- tables ----------------------------------------------------------------------------------*/

size_t width_of(const char *string)
{
    size_t width = 0;
    for (; *string != '\0'; string++) width += ((unsigned char)*string & 0xc0) != 0x80;
    return width;
}

static void print_spaces(size_t count)
{
    for (; count > 0; count--) print(" ");
}

static char *cell_text(const node *v)
{
    text t = {0};
    char *kept;
    if (v == NULL || v->kind == V_NULL || (v->kind == V_TEXT && *v->text == '\0'))
        add_string(&t, "-");
    else if (v->kind == V_LIST || v->kind == V_MAP) add_json(&t, v, -1);
    else add_scalar(&t, v);
    make_plain(t.data, t.size);
    kept = keep_text(t.data, t.size);
    clear(&t);
    return kept;
}

static const char *color_of(const char *state)
{
    static const char *const colors[][2] = {
        {"Running", "32"}, {"Ready", "32"},      {"Pending", "33"}, {"Creating", "33"},
        {"Paused", "34"},  {"Terminated", "90"}, {"Failed", "31"},
    };
    size_t i;
    for (i = 0; i < COUNT(colors); i++)
        if (same(colors[i][0], state)) return colors[i][1];
    return NULL;
}

static void print_cell(const char *cell)
{
    const char *color = config.color ? color_of(cell) : NULL;
    if (color != NULL) {
        print("\033[");
        print(color);
        print("m");
    }
    print(cell);
    if (color != NULL) print("\033[0m");
}

typedef struct column {
    const char *name, *path;
    size_t width;
} column;

/* "id state=status.state" */
static size_t read_columns(const char *spec, column *columns, size_t room)
{
    size_t count = 0;
    while (*spec != '\0' && count < room) {
        size_t size = strcspn(spec, " "), name = strcspn(spec, " =");
        columns[count].name = keep_text(spec, name);
        columns[count].path =
            name < size ? keep_text(spec + name + 1, size - name - 1) : columns[count].name;
        columns[count].width = width_of(columns[count].name);
        count++;
        spec += size + (spec[size] == ' ');
    }
    return count;
}

static const node *follow(const node *v, const char *path)
{
    while (v != NULL) {
        size_t size = strcspn(path, ".");
        v = get(v, keep_text(path, size));
        if (path[size] == '\0') return v;
        path += size + 1;
    }
    return NULL;
}

static void print_header(const column *columns, size_t count)
{
    size_t i;
    const char *at;
    for (i = 0; i < count; i++) {
        for (at = columns[i].name; *at != '\0'; at++) {
            char c = *at >= 'a' && *at <= 'z' ? (char)(*at - 32) : *at == '_' ? ' ' : *at;
            print_data(&c, 1);
        }
        if (i + 1 < count) print_spaces(columns[i].width - width_of(columns[i].name) + 2);
    }
    print("\n");
}

static void print_rows(const node *list, const char *spec)
{
    column columns[12];
    size_t count = read_columns(spec, columns, COUNT(columns)), i, cells = 0, at = 0;
    const node *row;
    char **cell;
    for (row = list->first; row != NULL; row = row->next) cells += count;
    cell = keep((cells + 1) * sizeof *cell);
    for (row = list->first; row != NULL; row = row->next) {
        for (i = 0; i < count; i++, at++) {
            cell[at] = cell_text(row->kind == V_MAP ? follow(row, columns[i].path) : row);
            if (width_of(cell[at]) > columns[i].width) columns[i].width = width_of(cell[at]);
        }
    }
    print_header(columns, count);
    for (at = 0; at < cells; at++) {
        i = at % count;
        print_cell(cell[at]);
        if (i + 1 < count) print_spaces(columns[i].width - width_of(cell[at]) + 2);
        else print("\n");
    }
}

static size_t pairs_width(const node *map, size_t before)
{
    size_t width = 0, own;
    const node *v;
    for (v = map->first; v != NULL; v = v->next) {
        own = before + width_of(v->key);
        if (v->kind == V_MAP && v->first != NULL) own = pairs_width(v, own + 1);
        if (own > width) width = own;
    }
    return width;
}

/* Maps inside come as "status.state". */
static void print_pairs(const node *map, const char *before, size_t width)
{
    const node *v;
    for (v = map->first; v != NULL; v = v->next) {
        char *name = formatted("%s%s", before, v->key);
        if (v->kind == V_MAP && v->first != NULL) {
            print_pairs(v, formatted("%s.", name), width);
            continue;
        }
        make_plain(name, strlen(name));
        print(name);
        print_spaces(width - width_of(name) + 2);
        print_cell(cell_text(v));
        print("\n");
    }
}

int show(const node *document, const char *columns)
{
    text t = {0};
    const node *items = get(document, "items");
    if (config.output == 'j') {
        add_json(&t, document, 0);
        add_char(&t, '\n');
    } else if (config.output == 'y') {
        add_yaml(&t, document, 0);
    } else if (document->kind == V_LIST) {
        print_rows(document, columns);
    } else if (items != NULL && items->kind == V_LIST) {
        print_rows(items, columns);
    } else {
        print_pairs(document, "", pairs_width(document, 0));
    }
    print_data(t.data, t.size);
    clear(&t);
    return EXIT_FINE;
}

int show_done(const char *format, ...)
{
    text message = {0};
    node *answer;
    va_list list;
    va_start(list, format);
    add_format_list(&message, format, list);
    va_end(list);
    if (config.output == 'j' || config.output == 'y') {
        answer = put_map(NULL, NULL);
        put_text(answer, "status", "ok");
        put_text(answer, "message", message.data);
        show(answer, "");
    } else {
        print(message.data);
        print("\n");
    }
    clear(&message);
    return EXIT_FINE;
}
