/* osb - the OpenSandbox command line. What its files share.

   main.c      reads the command line, calls a command
   table.c     the commands and their flags: help, manual and completion are made from it
   help.c      --help, the manual page, completion
   config.c    settings: flags, environment, file; the config commands
   link.c      the connection, signals, errors and exit codes
   text.c      memory, text, numbers, input and output
   value.c     documents: built, shown as table, JSON or YAML
   read.c      documents: read from JSON, YAML
   spec.c      documents that describe a policy, volumes, a vault
   pty.c       terminals
   shared.c    what several commands do alike
   sandbox.c, snapshot.c, diagnostics.c, pool.c, command.c, code.c, isolated.c, file.c, transfer.c,
   egress.c, vault.c                       the commands, a service each
   library.c   the implementation of opensandbox.h and its ports */
#ifndef OSB_TOOL_H
#define OSB_TOOL_H

#define _DEFAULT_SOURCE
#define OSB_ENDPOINT_SIZE 510
#define OSB_ENDPOINT_HEADERS_SIZE 510
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdarg.h>
#include <sys/types.h>
#ifdef OSB_TOOL_TLS
#include "port/osb_mbedtls.h"
#endif

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- exit codes of osb's own; otherwise the sandbox command's --------------------------------*/

enum {
    EXIT_FINE = 0,
    EXIT_NEGATIVE = 1, /* the answer is no: unhealthy, code that failed */
    EXIT_USAGE = 2,
    EXIT_TIMED_OUT = 124,
    EXIT_FAILED = 125,
    EXIT_CANNOT_RUN = 126,
    EXIT_INTERRUPTED = 130,
    EXIT_PIPE = 141,
    EXIT_TERMINATED = 143
};

/* ---- text.c ----------------------------------------------------------------------------------*/

/* Zeroed memory that lasts until forget() with a mark taken before; exits if there is none. */
void *keep(size_t size);
char *keep_text(const char *data, size_t size);
typedef struct mark {
    void *block;
    size_t used;
} mark;
mark memory_mark(void);
void forget(mark since);

/* A text that grows. data always has a NUL behind it once something was added. */
typedef struct text {
    char *data;
    size_t size;
    size_t room;
} text;
void add(text *to, const char *data, size_t size);
void add_char(text *to, char c);
void add_string(text *to, const char *string);
void add_number(text *to, uint64_t number, unsigned width); /* width: at least, with zeros */
/* %s a C string, %v an osb_str, %u an unsigned, %n a uint64_t, %% */
void add_format(text *to, const char *format, ...);
void add_format_list(text *to, const char *format, va_list list);
char *formatted(const char *format, ...);
/* Nothing that a server or a sandbox made up may steer the terminal: blanks for control characters. */
void make_plain(char *at, size_t size);
void clear(text *t); /* wipes and frees */

bool is_digits(const char *string);
bool same(const char *a, const char *b);
bool begins(const char *string, const char *with);
/* Decimal; false: not a number, or above max. */
bool read_number(const char *string, uint64_t max, uint64_t *number);
/* "90", "90s", "10m", "1h30m"; false: none of these, or more than fits. */
bool read_duration_ms(const char *string, uint32_t *ms);
/* RFC 3339 to seconds since 1970; 0: not a time. */
int64_t read_time(osb_str time);
void add_time(text *to, int64_t unix_s); /* the other way, UTC, from 1970 to 9999 */

/* Writes all; false: not possible, errno tells. */
bool write_all(int fd, const void *data, size_t size);
void print(const char *string); /* to stdout, through a buffer */
void print_data(const void *data, size_t size);
/* Writes what print left; false: stdout is broken, errno tells. */
bool flush_output(void);
/* Without the buffer, to stdout or stderr. Once it was not possible it is not tried again. */
bool write_output(int fd, const void *data, size_t size);
extern int output_error; /* the errno of that; 0: all is well */
/* "osb: ..." and a newline to stderr, on a line of its own. */
void complain(const char *format, ...);
/* Something to know, unless --quiet. */
void remark(const char *format, ...);
/* What closed standard files leave open goes to no other file: a socket would get the output. */
void fill_standard_files(void);
/* Reads a whole file, "-": stdin; false after a complaint. */
bool read_file(const char *path, text *content);
bool read_text(const char *path, text *content); /* the same; what holds a NUL is no text */
bool read_utf8(const char *path, text *content); /* the same, of what goes into JSON */

/* ---- value.c, read.c -------------------------------------------------------------------------*/

typedef enum { V_NULL, V_BOOL, V_NUMBER, V_TEXT, V_LIST, V_MAP } node_kind;

typedef struct node {
    node_kind kind;
    unsigned line; /* in the file that it was read from */
    bool truth;
    const char *key;  /* in a map */
    const char *text; /* of a number or text */
    size_t size;      /* of it: a text may hold NULs */
    struct node *first, *last, *next;
} node;

/* parent may be NULL; key too. Each returns the new value. Texts are copied. */
node *put_map(node *parent, const char *key);
node *put_list(node *parent, const char *key);
node *put_view(node *parent, const char *key, osb_str view);       /* without data: null */
node *put_text(node *parent, const char *key, const char *string); /* NULL: null */
node *put_number(node *parent, const char *key, uint64_t number);
node *put_signed(node *parent, const char *key, int64_t number);
node *put_milli(node *parent, const char *key, int64_t thousandths);
node *put_bool(node *parent, const char *key, bool truth);
node *put_null(node *parent, const char *key);
node *put_copy(node *parent, const char *key, const node *of); /* shares what is in it */
node *get(const node *map, const char *key);
/* What is not can go nowhere in JSON: servers make U+FFFD of it. */
bool is_utf8(const char *at);
size_t width_of(const char *string); /* how many characters a UTF-8 text has */
#define NOT_UTF8 "not UTF-8, as OpenSandbox wants it"

/* Writes a document as -o says; columns, for tables: "id state=status.state image". A map with a
   list "items" is shown as that list. Returns EXIT_FINE. */
int show(const node *document, const char *columns);
/* {"status": "ok", "message": ...} or, in a table, the message. Returns EXIT_FINE. */
int show_done(const char *format, ...);
void add_json(text *to, const node *v, int indent); /* indent -1: on one line */
void add_yaml(text *to, const node *v, int indent);

/* Reads a document, JSON or simple YAML; NULL after a complaint that names file and line. */
node *read_document(const char *path);
node *parse_document(const char *path, char *content);

/* ---- the command line: table.c, main.c, help.c -----------------------------------------------*/

/* name, letter, long name, placeholder (NULL: a switch), how it is read, help */
#define FLAGS(X)                                                                                   \
    X(API_KEY, 0, "api-key", "KEY", TEXT, "API key")                                               \
    X(DOMAIN, 0, "domain", "HOST", TEXT, "the server: host[:port]; default localhost:8080")        \
    X(PROTOCOL, 0, "protocol", "http|https", CHOICE, "protocol; default http")                     \
    X(REQUEST_TIMEOUT, 0, "request-timeout", "SECONDS", NUMBER, "time limit; 30, to create 300")   \
    X(USE_PROXY, 0, "use-server-proxy", NULL, SWITCH, "reach sandboxes through the server")        \
    X(NO_PROXY, 0, "no-use-server-proxy", NULL, SWITCH, "reach sandboxes directly")                \
    X(CONFIG, 0, "config", "FILE", TEXT, "settings; default ~/.opensandbox/config.toml")           \
    X(CA_FILE, 0, "ca-file", "FILE", TEXT, "authorities to trust, PEM; default the system's")      \
    X(VERBOSE, 'v', "verbose", NULL, SWITCH, "show each request on stderr")                        \
    X(QUIET, 'q', "quiet", NULL, SWITCH, "no progress, no remarks")                                \
    X(NO_COLOR, 0, "no-color", NULL, SWITCH, "no colours")                                         \
    X(VERSION, 0, "version", NULL, SWITCH, "print the version")                                    \
    X(HELP, 'h', "help", NULL, SWITCH, "print help")                                               \
    X(OUTPUT, 'o', "output", "FORMAT", TEXT, "output format")                                      \
    X(IMAGE, 'i', "image", "IMAGE", TEXT, "image, such as python:3.12; default defaults.image")    \
    X(SNAPSHOT, 0, "snapshot", "ID", TEXT, "a snapshot in place of an image")                      \
    X(IMAGE_USER, 0, "image-auth-username", "NAME", TEXT, "login at a private registry")           \
    X(IMAGE_PASSWORD, 0, "image-auth-password", "SECRET", TEXT, "and its password or token")       \
    X(TTL, 't', "timeout", "TIME", TTL, "lifetime: 90s, 10m, 1h30m; none: until it is killed")     \
    X(ENV, 'e', "env", "NAME=VALUE", PAIRS, "environment variable")                                \
    X(METADATA, 'm', "metadata", "KEY=VALUE", PAIRS, "metadata")                                   \
    X(EXTENSION, 0, "extension", "KEY=VALUE", PAIRS, "extension parameter")                        \
    X(RESOURCE, 0, "resource", "NAME=AMOUNT", PAIRS, "resource limit: cpu=1, memory=2Gi")          \
    X(ENTRYPOINT, 0, "entrypoint", "WORD", LIST, "a word of the entrypoint")                       \
    X(POLICY_FILE, 0, "network-policy-file", "FILE", TEXT, "network policy, JSON or YAML")         \
    X(ALLOW, 0, "allow", "HOST", LIST, "may be reached; nothing else may")                         \
    X(CREDENTIAL_PROXY, 0, "credential-proxy", NULL, SWITCH, "for a vault; needs a policy")        \
    X(VOLUMES_FILE, 0, "volumes-file", "FILE", TEXT, "volumes, a list in JSON or YAML")            \
    X(PLATFORM, 0, "platform", "OS/ARCH", TEXT, "linux/amd64, linux/arm64, ...")                   \
    X(SECURE_ACCESS, 0, "secure-access", NULL, SWITCH, "endpoints need headers of their own")      \
    X(SKIP_HEALTH, 0, "skip-health-check", NULL, SWITCH, "do not wait until it is ready")          \
    X(READY_TIMEOUT, 0, "ready-timeout", "TIME", DURATION, "wait for readiness at most; 30s")      \
    X(STATE, 's', "state", "STATE", LIST, "only those in this state")                              \
    X(PAGE, 0, "page", "N", NUMBER, "page number, from 1")                                         \
    X(PAGE_SIZE, 0, "page-size", "N", NUMBER, "items on a page")                                   \
    X(ALL, 0, "all", NULL, SWITCH, "all pages")                                                    \
    X(RESUME_TIMEOUT, 0, "resume-timeout", "TIME", DURATION, "wait for readiness at most; 30s")    \
    X(NEW_TTL, 't', "timeout", "TIME", DURATION, "new lifetime from now on: 30m, 2h")              \
    X(PORT, 'p', "port", "PORT", NUMBER, "port in the sandbox")                                    \
    X(SIGNED, 0, "signed", "TIME", DURATION, "a signed address, good for so long")                 \
    X(WATCH, 0, "watch", NULL, SWITCH, "go on until interrupted")                                  \
    X(UNSET, 0, "unset", "KEY", LIST, "metadata to delete")                                        \
    X(WAIT, 0, "wait", NULL, SWITCH, "wait until it has come about")                               \
    X(NAME, 0, "name", "NAME", TEXT, "name")                                                       \
    X(SANDBOX, 0, "sandbox", "ID", TEXT, "only those of this sandbox")                             \
    X(KEEP, 0, "keep", NULL, SWITCH, "do not kill the sandbox at the end; its id goes to stderr")  \
    X(BACKGROUND, 'd', "background", NULL, SWITCH, "run in the background")                        \
    X(WORKDIR, 'w', "workdir", "DIR", TEXT, "working directory")                                   \
    X(TIME_LIMIT, 't', "timeout", "TIME", DURATION, "the command's time limit: 30s, 5m")           \
    X(UID, 0, "uid", "N", NUMBER, "user id to run as")                                             \
    X(GID, 0, "gid", "N", NUMBER, "group id, with --uid")                                          \
    X(CURSOR, 0, "cursor", "N", NUMBER, "only what came after this byte")                          \
    X(FOLLOW, 'f', "follow", NULL, SWITCH, "go on until the command has ended")                    \
    X(LANGUAGE, 'l', "language", "NAME", TEXT,                                                     \
      "python, javascript, typescript, java, go, bash, sql")                                       \
    X(CONTEXT, 0, "context", "ID", TEXT, "the context to run in")                                  \
    X(CODE, 'c', "code", "CODE", TEXT, "the code; default: FILE, or stdin")                        \
    X(ENCODING, 0, "encoding", "NAME", TEXT, "utf-8 (bytes as they are) or latin-1")               \
    X(CONTENT, 'c', "content", "TEXT", TEXT, "the content; default: FILE, or stdin")               \
    X(MODE, 0, "mode", "MODE", TEXT, "permissions, such as 644")                                   \
    X(OWNER, 0, "owner", "NAME", TEXT, "owner")                                                    \
    X(GROUP, 0, "group", "NAME", TEXT, "group")                                                    \
    X(RECURSIVE, 'r', "recursive", NULL, SWITCH, "a directory with all that is in it")             \
    X(PATTERN, 'p', "pattern", "GLOB", TEXT, "what names look like, such as *.py")                 \
    X(OLD, 0, "old", "TEXT", TEXT, "text to replace")                                              \
    X(NEW, 0, "new", "TEXT", TEXT, "what to put in its place")                                     \
    X(RULE, 0, "rule", "ACTION=TARGET", LIST, "allow=pypi.org, deny=*.example.com")                \
    X(TARGET, 0, "target", "HOST", LIST, "whose rules to take away")                               \
    X(FILE, 0, "file", "FILE", TEXT, "JSON or YAML; -: stdin")                                     \
    X(SCOPE, 's', "scope", "SCOPE", TEXT, "container, lifecycle, runtime, ...")                    \
    X(TAIL, 'n', "tail", "N", NUMBER, "lines from the end")                                        \
    X(SINCE, 's', "since", "TIME", TEXT, "only what is newer: 10m, 1h")                            \
    X(LIMIT, 'l', "limit", "N", NUMBER, "events at most")                                          \
    X(EVENT_LIMIT, 0, "event-limit", "N", NUMBER, "events at most")                                \
    X(BUFFER_MAX, 0, "buffer-max", "N", NUMBER, "sandboxes kept warm at most")                     \
    X(BUFFER_MIN, 0, "buffer-min", "N", NUMBER, "and at least")                                    \
    X(POOL_MAX, 0, "pool-max", "N", NUMBER, "sandboxes in all at most")                            \
    X(POOL_MIN, 0, "pool-min", "N", NUMBER, "and at least")                                        \
    X(TEMPLATE, 0, "template-file", "FILE", TEXT, "pod template, a JSON object")                   \
    X(PROFILE, 0, "profile", "NAME", TEXT, "strict or balanced")                                   \
    X(WORKSPACE, 0, "workspace", "DIR", TEXT, "directory to work in")                              \
    X(WORKSPACE_MODE, 0, "workspace-mode", "MODE", TEXT, "rw, overlay or ro")                      \
    X(WRITABLE, 0, "writable", "DIR", LIST, "another writable directory")                          \
    X(BIND, 0, "bind", "FROM[:TO][:ro]", LIST, "a directory to show inside")                       \
    X(SHARE_NET, 0, "share-net", NULL, SWITCH, "use the sandbox's network")                        \
    X(NO_SHARE_NET, 0, "no-share-net", NULL, SWITCH, "use no network but loopback")                \
    X(IDLE_TIMEOUT, 0, "idle-timeout", "TIME", DURATION, "end it after so long idle; 0: never")    \
    X(TTY, 0, "tty", NULL, SWITCH, "on this terminal, as osb shell does")                          \
    X(TAKEOVER, 0, "takeover", NULL, SWITCH, "take the terminal from whoever is attached")         \
    X(FORCE, 0, "force", NULL, SWITCH, "overwrite")

/* How a flag is read. PAIRS and LIST may be given many times. */
typedef enum { SWITCH, TEXT, CHOICE, NUMBER, DURATION, TTL, LIST, PAIRS } flag_kind;

typedef enum {
#define FLAG_ID(id, letter, name, placeholder, kind, help) F_##id,
    FLAGS(FLAG_ID)
#undef FLAG_ID
        FLAG_COUNT
} flag_id;
#define LAST_GLOBAL_FLAG F_HELP

typedef struct flag {
    const char *name, *placeholder, *help;
    char letter;
    flag_kind kind;
} flag;
extern const flag flags[FLAG_COUNT];

typedef struct given_flag {
    flag_id id;
    const char *value;
} given_flag;

/* A command line, taken apart. */
typedef struct args {
    const struct command_row *command;
    const char **words; /* its own, without the command's name; NULL at the end */
    size_t word_count;
    const char *const *rest; /* CMD...: NULL at the end; NULL: none */
    given_flag *given;
    size_t given_count;
} args;

bool has(const args *a, flag_id id);
const char *flag_text(const args *a, flag_id id); /* the last one; NULL: not given */
uint32_t flag_number(const args *a, flag_id id, uint32_t otherwise);
uint32_t flag_ms(const args *a, flag_id id);
osb_u32 flag_optional(const args *a, flag_id id);
size_t flag_list(const args *a, flag_id id, const char *const **list);
size_t flag_pairs(const args *a, flag_id id, const osb_pair **pairs);

typedef struct command_row {
    const char *name;    /* "sandbox create" */
    const char *words;   /* "ID PATH...", [OPTIONAL]; "CMD..." is what follows -- */
    const char *outputs; /* letters of table, json, yaml, raw; the first is the default */
    const char *help;
    int (*run)(const args *a);
    unsigned char flags[24]; /* flag ids, NEEDS if it does not go without; 0 at the end */
} command_row;
#define NEEDS 128u
#define FLAG_AT(row, i) ((flag_id)((row)->flags[i] & ~NEEDS))

typedef struct group {
    const char *name;
    const char *help;
} group;
extern const command_row commands[];
extern const size_t command_count;
extern const group groups[];
extern const size_t group_count;

int print_help(const char *path);
int usage(const args *a, const char *format, ...); /* one line and where to look; EXIT_USAGE */

/* ---- config.c --------------------------------------------------------------------------------*/

typedef struct settings {
    const char *api_key, *domain, *protocol, *image, *ttl, *path, *ca_file;
    uint32_t request_timeout_s;
    bool use_server_proxy, color, verbose, quiet;
    char output; /* t, j, y, r */
} settings;
extern settings config;

/* False after a complaint. */
bool load_settings(const args *a);
/* A terminal that knows colours, and can write a line anew. */
bool is_terminal(int fd);

/* ---- link.c ----------------------------------------------------------------------------------*/

/* A connection. The first is opened by connect_server(), others where two calls overlap. */
extern osb_client *const client;
osb_status connect_server(void);
/* A sandbox's execd, without asking whether it is ready. Exits if the id cannot be one. */
osb_status connect_sandbox(const char *id, osb_sandbox *box);

/* Complains about a call that failed; returns the exit code. */
int failed(osb_status status);

/* While an execution runs, the first Ctrl-C interrupts it; the second one, or the first at any
   other time, ends the call at hand. */
void interruptible(osb_sandbox *box, const char *execution_id, bool is_code);
void attend_signals(void); /* from handlers that may be called without a pause */
bool was_interrupted(void);
bool is_leaving(void); /* interrupted twice */
int interrupted_code(void);
int say_interrupted(void);  /* complains; returns the code */
void hide_interrupts(void); /* for cleaning up: forget what came so far */

/* A sandbox made without a lifetime lives for so long. */
#define LIFETIME_S 600u
#ifndef RENEW_EVERY_S
#define RENEW_EVERY_S 240u
#endif
/* From now on the sandbox is renewed while calls go on; NULL: no longer. */
void keep_alive(const osb_sandbox *box);

/* While it is on, waiting for the server ends when there is something to read on stdin. */
void watch_input(bool on);

/* For a signal's handler that leaves: what osb shell has changed. */
void restore_terminal(void);

/* Handlers that write to stdout. */
int write_data(void *user, const void *data, size_t size);

/* ---- spec.c ----------------------------------------------------------------------------------*/

/* Each reads a document into structs that last; false after a complaint. */
bool read_policy(const char *path, osb_network_policy *policy);
bool read_volumes(const char *path, const osb_volume **volumes, size_t *count);
bool read_vault(const char *path, osb_vault_content *content);
bool read_vault_changes(const char *path, osb_vault_changes *changes);
bool read_rule(const char *rule, osb_network_rule *to);

/* ---- shared.c: what several commands do alike ------------------------------------------------*/

/* --state, as the server writes those that it knows (NULL at the end); --page, --page-size. False
   after a complaint. */
bool flag_states(const args *a, const char *const *known, const char *const **states,
                 size_t *count);
bool flag_pages(const args *a, uint32_t *page, uint32_t *page_size);

/* For each word, whatever becomes of the others; shows rows of {key: word, "status": done}. */
int call_for_each(const args *a, osb_status (*call)(osb_client *client, const char *word),
                  const char *key, const char *done);
/* In the sandbox that the first word names, for what the second one names. */
int call_in_sandbox(const args *a, osb_status (*call)(osb_sandbox *box, const char *id),
                    const char *done);

void put_status(node *parent, osb_str state, osb_str reason, osb_str message, osb_str since);

/* A list's page: its numbers. */
typedef struct page_numbers {
    uint32_t page, page_size, total_items, total_pages;
    bool has_next_page;
} page_numbers;
int show_page(node *answer, const page_numbers *p, const char *columns);

/* -o raw: a line that scripts use, such as an id; otherwise the whole. Returns EXIT_FINE. */
int show_or_raw(const node *answer, const char *raw);

/* ---- what commands share otherwise -----------------------------------------------------------*/

/* The sidecar of the sandbox that is the first word, until the next call. Secrets go in the clear
   over http, and the sidecar refuses them then: they take execd's own way to it. */
osb_status connect_egress(const args *a, bool secrets, osb_egress **egress);
/* The words as a line for a shell. */
const char *quoted_words(const char *const *words);
/* One word is a script; several are a program and its arguments. */
const char *script_of(const char *const *words);
int run_in_sandbox(osb_sandbox *box, const osb_command *command);
int run_on_terminal(osb_sandbox *box, const osb_command *command, bool *detached);
/* Output and outcome of an execution: handlers for the call, and its exit code afterwards. */
typedef struct outcome {
    osb_sandbox *box;
    osb_execution run;
    uint32_t timeout_ms;
    bool is_code, interrupt;
    char why[160];
} outcome;
void outcome_begin(outcome *o, osb_sandbox *box, uint32_t timeout_ms, osb_handlers *handlers);
int outcome_code(outcome *o, osb_status status);
/* A command's exit code as osb's own, which has eight bits: a failure stays one. */
int code_of(int32_t code);

/* ---- transfer.c ------------------------------------------------------------------------------*/

/* Who a new file belongs to, and what may be done with it. */
typedef struct rights {
    const char *owner, *group;
    uint32_t mode; /* 644; 0: the local file's own, or the server's default */
} rights;

/* Each returns an exit code, and complains itself. */
int upload_file(osb_sandbox *box, const char *local, const char *remote, const rights *wanted);
int upload_directory(osb_sandbox *box, const char *local, const char *remote, const rights *wanted);
int download_file(osb_sandbox *box, const char *local, const osb_file_info *remote);
int download_directory(osb_sandbox *box, const char *local, const char *remote);
/* Makes the directories above a path; false: errno tells. */
bool make_parents(const char *path, mode_t mode);
bool is_expanded(const char *path);
int refuse_expanded(const char *verb, const char *path); /* complains; EXIT_FAILED */
osb_permission permission_of(const char *path, const rights *wanted);

/* clang-format off */
#define COMMANDS(X)                                                                                \
    X(run) X(sandbox_create) X(sandbox_list) X(sandbox_get) X(sandbox_kill) X(sandbox_pause)       \
    X(sandbox_resume) X(sandbox_renew) X(sandbox_endpoint) X(sandbox_health) X(sandbox_metrics)    \
    X(sandbox_metadata) X(snapshot_create) X(snapshot_list) X(snapshot_get) X(snapshot_delete)     \
    X(command_run) X(command_status) X(command_logs) X(command_interrupt) X(session_create)        \
    X(session_run) X(session_delete) X(code_run) X(code_interrupt) X(context_create)               \
    X(context_list) X(context_get) X(context_delete) X(file_cat) X(file_write) X(file_upload)      \
    X(file_download) X(file_rm) X(file_mv) X(file_mkdir) X(file_rmdir) X(file_search) X(file_ls)   \
    X(file_info) X(file_chmod) X(file_replace) X(egress_get) X(egress_patch) X(egress_delete)      \
    X(egress_replace) X(egress_reset) X(egress_health) X(vault_create) X(vault_get)                \
    X(vault_patch) X(vault_delete) X(credential_list) X(credential_get) X(binding_list)            \
    X(binding_get) X(diagnostics_logs) X(diagnostics_events) X(devops_logs) X(devops_inspect)      \
    X(devops_events) X(devops_summary) X(pool_create) X(pool_list) X(pool_get) X(pool_update)      \
    X(pool_delete) X(isolated_create) X(isolated_list) X(isolated_get) X(isolated_run)             \
    X(isolated_diff) X(isolated_commit) X(isolated_delete) X(isolated_info) X(shell) X(pty_create) \
    X(pty_get) X(pty_attach) X(pty_delete) X(config_init) X(config_show) X(config_set)             \
    X(server_health) X(completion) X(complete) X(manual)
/* clang-format on */
#define COMMAND_DECLARATION(name) int do_##name(const args *a);
COMMANDS(COMMAND_DECLARATION)
#undef COMMAND_DECLARATION

#endif
