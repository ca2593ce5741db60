/* Settings: flags, environment, file, defaults, in this order; and the config commands. */
#include "osb.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

settings config;
static const node *file; /* the settings file, if there is one */

static const char template[] = "# Settings of osb. Flags and environment variables count more.\n"
                               "\n"
                               "[connection]\n"
                               "# api_key = \"...\"\n"
                               "# domain = \"localhost:8080\"\n"
                               "# protocol = \"http\"\n"
                               "# request_timeout = 30\n"
                               "# use_server_proxy = false\n"
                               "\n"
                               "[output]\n"
                               "# color = true\n"
                               "\n"
                               "[defaults]\n"
                               "# image = \"python:3.12\"\n"
                               "# timeout = \"10m\" # or \"none\": until it is killed\n";

/* ---- the settings there are ------------------------------------------------------------------*/

typedef enum { ANY, PROTOCOL, SECONDS, TRUTH, LIFETIME } setting_kind;

typedef enum {
    API_KEY,
    DOMAIN,
    PROTOCOL_NAME,
    REQUEST_TIMEOUT,
    USE_SERVER_PROXY,
    COLOR,
    IMAGE,
    TTL_TEXT,
    SETTING_COUNT
} setting_id;

/* Where each comes from: a flag, else a variable, else the file. */
static const struct {
    const char *key, *variable;
    flag_id flag; /* F_HELP: none */
    setting_kind kind;
} rows[SETTING_COUNT] = {
    {"connection.api_key", "OPEN_SANDBOX_API_KEY", F_API_KEY, ANY},
    {"connection.domain", "OPEN_SANDBOX_DOMAIN", F_DOMAIN, ANY},
    {"connection.protocol", "OPEN_SANDBOX_PROTOCOL", F_PROTOCOL, PROTOCOL},
    {"connection.request_timeout", "OPEN_SANDBOX_REQUEST_TIMEOUT", F_REQUEST_TIMEOUT, SECONDS},
    {"connection.use_server_proxy", "OPEN_SANDBOX_USE_SERVER_PROXY", F_HELP, TRUTH},
    {"output.color", NULL, F_HELP, TRUTH},
    {"defaults.image", NULL, F_IMAGE, ANY},
    {"defaults.timeout", NULL, F_TTL, LIFETIME},
};

static setting_id find_row(const char *key)
{
    setting_id id = 0;
    while (id < SETTING_COUNT && !same(rows[id].key, key)) id++;
    return id;
}

/* 1 or 0; -1: neither. */
static int truth_of(const char *value)
{
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};
    size_t i;
    for (i = 0; i < COUNT(words); i++)
        if (strcasecmp(words[i], value) == 0) return (int)(i & 1);
    return -1;
}

static bool is_plain(const char *value)
{
    for (; *value != '\0'; value++)
        if ((unsigned char)*value < ' ' || *value == 127) return false;
    return true;
}

static bool refuse(const char *from, const char *value, const char *why)
{
    complain("%s is %s: %s", from, value, why);
    return false;
}

/* False after a complaint, which names where the value is from. */
static bool fits(setting_kind kind, const char *from, const char *value)
{
    uint64_t seconds;
    uint32_t ms;
    if (!is_plain(value)) { /* it may be a secret: not shown */
        complain("%s holds a control character, such as a line's end", from);
        return false;
    }
    switch (kind) {
    case PROTOCOL:
        return same(value, "http") || same(value, "https") ||
               refuse(from, value, "neither http nor https");
    case SECONDS:
        return (read_number(value, 2000000, &seconds) && seconds > 0) ||
               refuse(from, value, "not a number of seconds from 1 to 2000000");
    case TRUTH:
        return truth_of(value) >= 0 || refuse(from, value, "neither true nor false");
    case LIFETIME:
        return strcasecmp(value, "none") == 0 || read_duration_ms(value, &ms) ||
               refuse(from, value, "neither a time such as 90s, 10m, 1h30m, nor none");
    default:
        return true;
    }
}

/* ---- the file: sections with name = value ----------------------------------------------------*/

/* Takes the value off a line, quotes and comment apart; NULL: it is not closed, or empty, or there
   is something behind it. */
static char *toml_value(const char *at)
{
    text t = {0};
    char *kept, quote = *at;
    add_string(&t, "");
    if (quote != '"' && quote != '\'') {
        size_t size = strcspn(at, "#\r\n");
        while (size > 0 && strchr(" \t", at[size - 1]) != NULL) size--;
        return size == 0 ? NULL : keep_text(at, size);
    }
    for (at++; *at != quote; at++) {
        if (*at == '\0' || *at == '\n') return NULL;
        if (*at == '\\' && quote == '"') {
            at++;
            if (*at != '"' && *at != '\\') return NULL;
        }
        add_char(&t, *at);
    }
    at += 1 + strspn(at + 1, " \t\r");
    kept = *at == '\0' || *at == '\n' || *at == '#' ? keep_text(t.data, t.size) : NULL;
    clear(&t);
    return kept;
}

static node *wrong_line(const char *path, unsigned line, const char *why)
{
    complain("%s:%u: %s", path, line, why);
    return NULL;
}

/* The file as a map from "section.name". NULL after a complaint. */
static node *read_settings(const char *path, const char *content)
{
    node *all = put_map(NULL, NULL);
    const char *section = "", *key, *at, *next;
    unsigned line = 0;
    for (at = content; *at != '\0'; at = next) {
        size_t size = strcspn(at, "\n"), name;
        char *value;
        next = at + size + (at[size] == '\n');
        line++;
        at += strspn(at, " \t\r");
        if (*at == '\n' || *at == '\0' || *at == '#') continue;
        name = strcspn(at, *at == '[' ? "]\n" : " \t=\n");
        if (strcspn(at, " \t\"'") < name)
            return wrong_line(path, line, "a name is written without blanks and quotes here");
        if (*at == '[' && at[name] == ']') {
            section = keep_text(at + 1, name - 1);
            continue;
        }
        value = (char *)(uintptr_t)at + name + strspn(at + name, " \t");
        if (*at == '[' || *value != '=')
            return wrong_line(path, line, "neither [section] nor name = value");
        value = toml_value(value + 1 + strspn(value + 1, " \t"));
        if (value == NULL)
            return wrong_line(path, line, "the value is empty, or its quotes are wrong");
        key = formatted("%s.%s", section, keep_text(at, name));
        if (get(all, key) != NULL)
            return wrong_line(path, line, formatted("%s stands here twice", key));
        put_text(all, key, value)->line = line;
    }
    return all;
}

/* ---- which one counts ------------------------------------------------------------------------*/

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

bool is_terminal(int fd)
{
    const char *kind = environment("TERM");
    return isatty(fd) && (kind == NULL || !same(kind, "dumb"));
}

/* The value that counts, NULL: none. An empty one in the environment or the file is none. False
   after a complaint. */
static bool choose(const args *a, setting_id id, const char **value)
{
    const node *there = get(file, rows[id].key);
    const char *from = rows[id].variable;
    *value = flag_text(a, rows[id].flag);
    if (*value != NULL && rows[id].flag != F_HELP)
        return fits(rows[id].kind, formatted("--%s", flags[rows[id].flag].name), *value);
    *value = from != NULL ? environment(from) : NULL;
    if (*value == NULL && there != NULL && *there->text != '\0') {
        *value = there->text;
        from = formatted("%s:%u: %s", config.path, there->line, rows[id].key);
    }
    return *value == NULL || fits(rows[id].kind, from, *value);
}

static bool choose_all(const args *a)
{
    const char *values[SETTING_COUNT];
    uint64_t seconds = 30;
    setting_id id;
    for (id = 0; id < SETTING_COUNT; id++)
        if (!choose(a, id, &values[id])) return false;
    config.api_key = values[API_KEY];
    config.domain = values[DOMAIN];
    config.protocol = values[PROTOCOL_NAME] == NULL ? "http" : values[PROTOCOL_NAME];
    config.image = values[IMAGE];
    config.ttl = values[TTL_TEXT];
    if (values[REQUEST_TIMEOUT] != NULL) read_number(values[REQUEST_TIMEOUT], 2000000, &seconds);
    config.request_timeout_s = (uint32_t)seconds;
    config.use_server_proxy =
        !has(a, F_NO_PROXY) && (has(a, F_USE_PROXY) || (values[USE_SERVER_PROXY] != NULL &&
                                                        truth_of(values[USE_SERVER_PROXY]) == 1));
    config.color = (values[COLOR] == NULL || truth_of(values[COLOR]) == 1) && !has(a, F_NO_COLOR) &&
                   environment("NO_COLOR") == NULL && is_terminal(STDOUT_FILENO);
    config.ca_file = flag_text(a, F_CA_FILE);
    if (config.ca_file != NULL && access(config.ca_file, R_OK) != 0) {
        complain("cannot read %s: %s", config.ca_file, strerror(errno));
        return false;
    }
    return true;
}

static const char *default_path(void)
{
    const char *home = environment("HOME");
    return home == NULL ? NULL : formatted("%s/.opensandbox/config.toml", home);
}

/* Otherwise it may be there, and hold what counts. */
static bool is_missing(void)
{
    return errno == ENOENT || errno == ENOTDIR;
}

/* A file that is not there is no error, unless it was asked for. */
bool load_settings(const args *a)
{
    text content = {0};
    const char *command = a->command->name;
    config.quiet = has(a, F_QUIET);
    config.verbose = has(a, F_VERBOSE);
    config.path = has(a, F_CONFIG) ? flag_text(a, F_CONFIG) : default_path();
    if (same(command, "config init") || same(command, "config set")) return true; /* they mend it */
    if (config.path != NULL && (access(config.path, F_OK) == 0 || !is_missing())) {
        if (!read_text(config.path, &content)) return false;
        file = read_settings(config.path, content.data);
        clear(&content);
        if (file == NULL) return false;
    } else if (has(a, F_CONFIG) && !same(command, "config show")) {
        complain("there is no %s: see osb config init", config.path);
        return false;
    }
    return choose_all(a);
}

/* ---- commands --------------------------------------------------------------------------------*/

/* Replaces a file whole, or not at all. It may hold the API key: nobody else may read it. What is
   no plain file, such as a link, stays what it is. */
static bool replace_file(const char *path, const char *data, size_t size)
{
    struct stat about;
    bool plain = lstat(path, &about) != 0 || S_ISREG(about.st_mode), done, made;
    const char *target = plain ? formatted("%s.%n.new", path, (uint64_t)getpid()) : path;
    int fd = -1;
    if (make_parents(path, 0700))
        fd = open(target, O_WRONLY | O_CREAT | (plain ? O_EXCL : O_TRUNC) | O_CLOEXEC, 0600);
    made = plain && fd >= 0;
    done = fd >= 0 && write_all(fd, data, size) && (!plain || fsync(fd) == 0);
    if (fd >= 0 && close(fd) != 0) done = false;
    done = done && (!plain || rename(target, path) == 0);
    if (!done) {
        complain("cannot write %s: %s", path, strerror(errno));
        if (made) unlink(target);
    }
    return done;
}

static bool have_path(void)
{
    if (config.path == NULL) complain("no HOME in the environment: say --config FILE");
    return config.path != NULL;
}

int do_config_init(const args *a)
{
    if (!have_path()) return EXIT_FAILED;
    if (access(config.path, F_OK) == 0 && !has(a, F_FORCE)) {
        complain("there is a %s already: --force overwrites it", config.path);
        return EXIT_FAILED;
    }
    if (!replace_file(config.path, template, sizeof template - 1)) return EXIT_FAILED;
    return show_done("Config file created: %s", config.path);
}

/* All but the first and last two characters. */
static const char *masked(const char *secret)
{
    size_t size = secret == NULL ? 0 : strlen(secret), i;
    char *copy;
    if (secret == NULL) return NULL;
    copy = keep_text(secret, size);
    for (i = size > 4 ? 2 : 0; i < (size > 4 ? size - 2 : size); i++) copy[i] = '*';
    return copy;
}

/* What nobody knows may be a slip of the pen. Here only: another program may know it. */
static void remark_unknown(void)
{
    const node *v;
    for (v = file == NULL ? NULL : file->first; v != NULL; v = v->next)
        if (find_row(v->key) == SETTING_COUNT)
            remark("%s:%u: osb knows no %s", config.path, v->line, v->key);
}

int do_config_show(const args *a)
{
    node *answer = put_map(NULL, NULL);
    (void)a;
    remark_unknown();
    put_text(answer, "api_key", masked(config.api_key));
    put_text(answer, "domain", config.domain);
    put_text(answer, "protocol", config.protocol);
    put_number(answer, "request_timeout", config.request_timeout_s);
    put_bool(answer, "use_server_proxy", config.use_server_proxy);
    put_bool(answer, "color", config.color);
    put_text(answer, "default_image", config.image);
    put_text(answer, "default_timeout", config.ttl);
    put_text(answer, "config_path", config.path);
    put_bool(answer, "config_file_exists", config.path != NULL && access(config.path, F_OK) == 0);
    return show(answer, "");
}

/* Numbers and truth values as they are, all else in quotes. What is a text stays one for others that
   read the file, as a key that is all digits, and for TOML a number has no zeros before it. */
static void add_toml(text *to, setting_kind kind, const char *name, const char *value)
{
    uint64_t number;
    bool bare = kind >= SECONDS &&
                (same(value, "true") || same(value, "false") ||
                 (read_number(value, INT64_MAX, &number) && (*value != '0' || value[1] == '\0')));
    add_format(to, "%s = ", name);
    if (!bare) add_char(to, '"');
    for (; *value != '\0'; value++) {
        if (!bare && (*value == '"' || *value == '\\')) add_char(to, '\\');
        add_char(to, *value);
    }
    add_string(to, bare ? "\n" : "\"\n");
}

/* Whether a line, a comment or none, sets this name. */
static bool sets(const char *line, const char *name, bool comment)
{
    if ((*line == '#') != comment) return false;
    line += strspn(line, "# \t");
    if (!begins(line, name)) return false;
    line += strlen(name);
    return line[strspn(line, " \t")] == '=';
}

static const char *line_after(const char *at)
{
    at += strcspn(at, "\n");
    return at + (*at == '\n');
}

/* The line that sets a name; NULL: there is none, and *end is where its section ends, NULL: it is
   not there either. */
static const char *find_line(const char *content, const char *section, const char *name,
                             bool comment, const char **end)
{
    bool inside = false;
    const char *at, *line;
    *end = NULL;
    for (at = content; *at != '\0'; at = line_after(at)) {
        line = at + strspn(at, " \t");
        if (*line == '[') inside = begins(line + 1, section) && line[1 + strlen(section)] == ']';
        else if (inside && sets(line, name, comment)) return at;
        if (inside && strchr("\r\n", *line) == NULL) *end = line_after(at);
    }
    return NULL;
}

/* The content with section.name set: in the line that has it, else in one where it is a comment,
   else at the section's end. */
static void set_in(text *to, const char *content, const char *section, const char *name,
                   setting_kind kind, const char *value)
{
    const char *end, *at = find_line(content, section, name, false, &end), *rest;
    if (at == NULL) at = find_line(content, section, name, true, &end);
    if (at != NULL) rest = line_after(at);
    else at = rest = end != NULL ? end : content + strlen(content);
    add(to, content, (size_t)(at - content));
    if (to->size > 0 && to->data[to->size - 1] != '\n') add_char(to, '\n');
    if (at == rest && end == NULL) add_format(to, "\n[%s]\n", section);
    add_toml(to, kind, name, value);
    add_string(to, rest);
}

/* Reads the file, which must be a good one; the exit code. */
static int read_own(text *content)
{
    if (!have_path()) return EXIT_FAILED;
    if (access(config.path, F_OK) != 0) {
        complain("there is no %s: run osb config init first", config.path);
        return EXIT_FAILED;
    }
    if (!read_text(config.path, content)) return EXIT_FAILED;
    return read_settings(config.path, content->data) == NULL ? EXIT_USAGE : EXIT_FINE;
}

int do_config_set(const args *a)
{
    const char *key = a->words[0], *value = a->words[1], *dot = strchr(key, '.');
    setting_id id = find_row(key);
    text old = {0}, changed = {0}, names = {0};
    int code;
    bool done;
    if (id == SETTING_COUNT) {
        for (id = 0; id < SETTING_COUNT; id++) add_format(&names, " %s", rows[id].key);
        return usage(a, "there is no %s, but:%s", key, names.data);
    }
    if (*value != '\0' && !fits(rows[id].kind, key, value)) return EXIT_USAGE;
    code = read_own(&old);
    if (code != EXIT_FINE) return code;
    set_in(&changed, old.data, keep_text(key, (size_t)(dot - key)), dot + 1, rows[id].kind, value);
    done = replace_file(config.path, changed.data, changed.size);
    clear(&old);
    clear(&changed);
    if (!done) return EXIT_FAILED;
    return show_done("Set %s = %s", key, id == API_KEY ? masked(value) : value);
}
