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

/* ---- the file: sections with name = value ----------------------------------------------------*/

/* Takes the value off a line, quotes and comment apart; NULL: it is not closed, or empty. */
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
    kept = keep_text(t.data, t.size);
    clear(&t);
    return kept;
}

/* The file as a map from "section.name". NULL after a complaint. */
static node *read_settings(const char *path, char *content)
{
    node *all = put_map(NULL, NULL);
    const char *section = "";
    unsigned line = 0;
    char *at, *next;
    for (at = content; *at != '\0'; at = next) {
        size_t size = strcspn(at, "\n"), name;
        char *value;
        next = at + size + (at[size] == '\n');
        line++;
        at += strspn(at, " \t\r");
        if (*at == '\n' || *at == '\0' || *at == '#') continue;
        name = strcspn(at, *at == '[' ? "]\n" : " \t=\n");
        if (*at == '[' && at[name] == ']') {
            section = keep_text(at + 1, name - 1);
            continue;
        }
        value = at + name + strspn(at + name, " \t");
        if (*at == '[' || *value != '=') {
            complain("%s:%u: neither [section] nor name = value", path, line);
            return NULL;
        }
        value = toml_value(value + 1 + strspn(value + 1, " \t"));
        if (value == NULL) {
            complain("%s:%u: the value is empty, or its quotes are wrong", path, line);
            return NULL;
        }
        put_text(all, formatted("%s.%s", section, keep_text(at, name)), value);
    }
    return all;
}

static const char *setting(const node *file, const char *key)
{
    const node *v = get(file, key);
    return v == NULL ? NULL : v->text;
}

/* ---- which one counts ------------------------------------------------------------------------*/

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : NULL;
}

static const char *choose(const args *a, flag_id id, const char *variable, const node *file,
                          const char *key)
{
    const char *value = flag_text(a, id);
    if (value == NULL && variable != NULL) value = environment(variable);
    return value != NULL ? value : setting(file, key);
}

/* True, false, or -1 after a complaint. */
static int read_bool(const char *name, const char *value)
{
    static const char *const words[] = {"false", "true", "0", "1", "no", "yes", "off", "on"};
    size_t i;
    for (i = 0; i < COUNT(words); i++)
        if (strcasecmp(words[i], value) == 0) return (int)(i & 1);
    complain("%s is %s: neither true nor false", name, value);
    return -1;
}

static bool choose_proxy(const args *a, const node *file)
{
    static const char key[] = "connection.use_server_proxy";
    static const char variable[] = "OPEN_SANDBOX_USE_SERVER_PROXY";
    const char *value = environment(variable);
    int truth;
    if (has(a, F_USE_PROXY) || has(a, F_NO_PROXY)) {
        config.use_server_proxy = has(a, F_USE_PROXY);
        return true;
    }
    truth = value != NULL                ? read_bool(variable, value)
            : setting(file, key) != NULL ? read_bool(key, setting(file, key))
                                         : 0;
    config.use_server_proxy = truth == 1;
    return truth >= 0;
}

static bool choose_color(const args *a, const node *file)
{
    const char *value = setting(file, "output.color");
    int truth = value == NULL ? 1 : read_bool("output.color", value);
    config.color = truth == 1 && !has(a, F_NO_COLOR) && environment("NO_COLOR") == NULL &&
                   isatty(STDOUT_FILENO);
    return truth >= 0;
}

static bool choose_timeout(const args *a, const node *file)
{
    const char *value = choose(a, F_REQUEST_TIMEOUT, "OPEN_SANDBOX_REQUEST_TIMEOUT", file,
                               "connection.request_timeout");
    uint64_t seconds = 30;
    if (value != NULL && (!read_number(value, 2000000, &seconds) || seconds == 0)) {
        complain("the request timeout is %s: not a number of seconds from 1 to 2000000", value);
        return false;
    }
    config.request_timeout_s = (uint32_t)seconds;
    return true;
}

static const char *default_path(void)
{
    const char *home = environment("HOME");
    return home == NULL ? NULL : formatted("%s/.opensandbox/config.toml", home);
}

static bool choose_all(const args *a, const node *file)
{
    config.api_key = choose(a, F_API_KEY, "OPEN_SANDBOX_API_KEY", file, "connection.api_key");
    config.domain = choose(a, F_DOMAIN, "OPEN_SANDBOX_DOMAIN", file, "connection.domain");
    config.protocol = choose(a, F_PROTOCOL, "OPEN_SANDBOX_PROTOCOL", file, "connection.protocol");
    config.image = choose(a, F_IMAGE, NULL, file, "defaults.image");
    config.ttl = choose(a, F_TTL, NULL, file, "defaults.timeout");
    config.ca_file = flag_text(a, F_CA_FILE);
    if (config.ca_file != NULL && access(config.ca_file, R_OK) != 0) {
        complain("cannot read %s: %s", config.ca_file, strerror(errno));
        return false;
    }
    if (config.protocol == NULL) config.protocol = "http";
    if (!same(config.protocol, "http") && !same(config.protocol, "https")) {
        complain("the protocol is %s: neither http nor https", config.protocol);
        return false;
    }
    return choose_proxy(a, file) && choose_color(a, file) && choose_timeout(a, file);
}

/* A file that is not there is no error, unless it was asked for. */
bool load_settings(const args *a)
{
    text content = {0};
    const node *file = NULL;
    bool is_config = begins(a->command->name, "config ");
    config.quiet = has(a, F_QUIET);
    config.verbose = has(a, F_VERBOSE);
    config.path = has(a, F_CONFIG) ? flag_text(a, F_CONFIG) : default_path();
    if (config.path != NULL && access(config.path, F_OK) == 0) {
        if (!read_file(config.path, &content)) return false;
        file = read_settings(config.path, content.data);
        clear(&content);
        if (file == NULL && !is_config) return false;
    } else if (has(a, F_CONFIG) && !is_config) {
        complain("there is no %s: see osb config init", config.path);
        return false;
    }
    return choose_all(a, file);
}

/* ---- commands --------------------------------------------------------------------------------*/

/* Makes the directories above a path. */
static void make_directories(const char *path)
{
    const char *at;
    for (at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/'))
        mkdir(keep_text(path, (size_t)(at - path)), 0700);
}

/* Replaces a file whole, or not at all. It may hold the API key: nobody else may read it. */
static bool replace_file(const char *path, const char *data, size_t size)
{
    const char *beside = formatted("%s.new", path);
    int fd;
    bool done;
    make_directories(path);
    fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    done = fd >= 0 && write_all(fd, data, size) && fsync(fd) == 0;
    if (fd >= 0 && close(fd) != 0) done = false;
    done = done && rename(beside, path) == 0;
    if (!done) {
        complain("cannot write %s: %s", path, strerror(errno));
        unlink(beside);
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

int do_config_show(const args *a)
{
    node *answer = put_map(NULL, NULL);
    (void)a;
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

/* Numbers and truth values as they are, all else in quotes. */
static void add_toml(text *to, const char *name, const char *value)
{
    uint64_t number;
    bool bare =
        same(value, "true") || same(value, "false") || read_number(value, INT64_MAX, &number);
    add_format(to, "%s = ", name);
    if (!bare) add_char(to, '"');
    for (; *value != '\0'; value++) {
        if (!bare && (*value == '"' || *value == '\\')) add_char(to, '\\');
        add_char(to, *value);
    }
    add_string(to, bare ? "\n" : "\"\n");
}

/* Whether a line, perhaps commented out, sets this name. */
static bool sets(const char *line, const char *name)
{
    line += strspn(line, "# \t");
    if (!begins(line, name)) return false;
    line += strlen(name);
    return line[strspn(line, " \t")] == '=';
}

/* The content with section.name set: in the line that has it, else at the section's end. */
static void set_in(text *to, const char *content, const char *section, const char *name,
                   const char *value)
{
    const char *header = formatted("[%s]", section), *at, *next;
    bool inside = false, done = false;
    for (at = content; *at != '\0'; at = next) {
        size_t size = strcspn(at, "\n");
        next = at + size + (at[size] == '\n');
        if (*at == '[') {
            if (inside && !done) add_toml(to, name, value);
            done = done || inside;
            inside = begins(at, header);
        }
        if (inside && !done && sets(at, name)) {
            add_toml(to, name, value);
            done = true;
            continue;
        }
        add(to, at, size);
        add_char(to, '\n');
    }
    if (done) return;
    if (!inside) add_format(to, "\n%s\n", header);
    add_toml(to, name, value);
}

int do_config_set(const args *a)
{
    static const char *const known[] = {
        "connection.api_key",
        "connection.domain",
        "connection.protocol",
        "connection.request_timeout",
        "connection.use_server_proxy",
        "output.color",
        "defaults.image",
        "defaults.timeout",
    };
    const char *key = a->words[0], *dot = strchr(key, '.');
    text old = {0}, changed = {0};
    size_t i = 0;
    bool done;
    while (i < COUNT(known) && !same(known[i], key)) i++;
    if (i == COUNT(known))
        return usage(a,
                     "there is no %s, but connection.api_key, .domain, .protocol, "
                     ".request_timeout, .use_server_proxy, output.color, defaults.image, "
                     ".timeout",
                     key);
    if (strpbrk(a->words[1], "\r\n") != NULL) return usage(a, "a value is one line");
    if (!have_path()) return EXIT_FAILED;
    if (access(config.path, F_OK) != 0) {
        complain("there is no %s: run osb config init first", config.path);
        return EXIT_FAILED;
    }
    if (!read_file(config.path, &old)) return EXIT_FAILED;
    set_in(&changed, old.data, keep_text(key, (size_t)(dot - key)), dot + 1, a->words[1]);
    done = replace_file(config.path, changed.data, changed.size);
    clear(&old);
    clear(&changed);
    if (!done) return EXIT_FAILED;
    return show_done("Set %s = %s", key, same(key, known[0]) ? masked(a->words[1]) : a->words[1]);
}
