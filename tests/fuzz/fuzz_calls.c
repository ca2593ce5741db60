/* Sequences of calls on one client, and a server that knows the API. The input chooses the calls, and
   how the server answers each request: which texts of which lengths, how framed, what goes wrong.
   Where it says nothing (its end, zeros) all goes well, so that most inputs get far: fuzz_client.c has
   the port send any bytes, and hardly ever comes to a second step.

   An input: the buffer's size, FLAG_... (fuzz_run.h) and our own, the handler's call that stops and
   which requests are answered early, two bytes of connections that are refused, how many calls, two
   bytes for each; then the answers' choices in the order in which the server makes them. The checks are those of fuzz_client.c, and an answer
   that was cut never is a success. */
#include "tests/fuzz/fuzz_run.h"

#define ID "7f30"

enum {                                    /* flags in the place of others */
       OURS_RETRIES = FLAG_SKIP,          /* osb_extras.retries */
       OURS_ISOLATED = FLAG_SHORT_ID,     /* files are those of an isolated session */
       OURS_SMALL_SENDS = FLAG_BACKGROUND /* the port takes a few bytes at a time */
};

/* What a call is given and what it fills in: must live until it has ended. */
typedef struct call_data {
    osb_create_options create;
    osb_wait_options wait;
    osb_command command;
    osb_session_command session_command;
    osb_code code;
    osb_isolated_command isolated;
    osb_durable_options durable;
    osb_read_options read;
    osb_upload uploads[2];
    osb_egress_options egress;
    osb_pty_options pty_options;
    osb_vault_content vault;
    osb_handlers handlers;
    osb_info_handlers info_handlers;
    osb_pty_handlers pty_handlers;
    osb_vault_handlers vault_handlers;
    osb_capture capture;
    char captured[64];
    osb_sandbox_info info;
    osb_sandbox_page page;
    osb_snapshot snapshot;
    osb_snapshot_page snapshot_page;
    osb_pool pool;
    osb_command_state state;
    osb_file_info file;
    osb_code_context context;
    osb_str expires_at;
    uint64_t cursor, size;
    uint32_t revision;
} call_data;

/* The port comes first: it is what the server's functions get. */
typedef struct calls_run {
    client_run run;
    input answers; /* the choices that are left */
    unsigned refused, options[MOST_CALLS];
    size_t source_size;
    bool cut, typed; /* the last answer; something has been typed into the terminal */
    osb_egress egress;
    osb_pty pty;
    osb_execution execution; /* of the last run, for those that go on with it */
} calls_run;

/* ---- the server: texts ---------------------------------------------------------------------------*/

static void put_text(calls_run *r, record *out)
{
    unsigned choice = take_byte(&r->answers);
    unsigned i, size = choice < 128 ? choice : (choice - 120) * 8;
    if (choice == 255) {
        record_text(out, "null");
        return;
    }
    record_text(out, "\"");
    for (i = 0; i < size; i++) record_text(out, i % 13 == 12 ? "\\u00e4" : "t");
    record_text(out, "\"");
}

static const char *one_state(calls_run *r)
{
    static const char *const states[] = {"Running", "Ready",  "Pending",    "Paused",
                                         "Pausing", "Failed", "Terminated", ""};
    return states[take_byte(&r->answers) % 8u];
}

static void put_figure(calls_run *r, record *out)
{
    static const char *const figures[] = {"0", "1", "3", "-1", "5", "4294967296", "1e3", "null"};
    record_text(out, figures[take_byte(&r->answers) % 8u]);
}

/* JSON with places that the input fills: % a text, # a number, ? true or false, ^ a state. */
static void put_json(calls_run *r, record *out, const char *form)
{
    for (; *form != '\0'; form++) {
        if (*form == '%') put_text(r, out);
        else if (*form == '#') put_figure(r, out);
        else if (*form == '?')
            record_text(out, (take_byte(&r->answers) & 1u) != 0 ? "true" : "false");
        else if (*form == '^') record_text(out, one_state(r));
        else record_bytes(out, form, 1);
    }
}

/* ---- the server: bodies --------------------------------------------------------------------------*/

/* A run: its id first, then what the input says, until it ends. */
static void put_events(calls_run *r, record *out)
{
    static const char *const events[] = {
        "{\"type\":\"execution_complete\",\"execution_time\":#,\"timestamp\":#}\n\n",
        "{\"type\":\"stdout\",\"text\":%,\"timestamp\":#}\n\n",
        "{\"type\":\"stderr\",\"text\":%}\n\n",
        "{\"type\":\"result\",\"results\":{\"text\":%,\"image/png\":%}}\n\n",
        "{\"type\":\"error\",\"error\":{\"ename\":%,\"evalue\":%,\"traceback\":[%,%]}}\n\n",
        "{\"type\":\"ping\",\"text\":%}\n\ndata: {\"type\":\"status\",\"text\":%}\n\n",
        "{\"type\":\"execution_count\",\"execution_count\":#}\n\n"};
    unsigned kind = 1;
    record_text(out, "{\"type\":\"init\",\"text\":\"" ID "\",\"timestamp\":1}\n\n");
    while (kind > 0) {
        kind = take_byte(&r->answers) & 7u;
        if (kind == 7) return; /* too early */
        put_json(r, out, events[kind]);
    }
}

static uint64_t number_behind(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10);
}

/* A file's or log's bytes from here on; how many, says the input. */
static unsigned put_bytes_from(calls_run *r, record *out, uint64_t from)
{
    unsigned i, size = take_byte(&r->answers) * 4;
    for (i = 0; i < size; i++) record_text(out, (from + i) % 60 == 59 ? "\n" : "b");
    return size;
}

static void put_frame(record *out, unsigned first, const char *payload, size_t size)
{
    unsigned char head[4];
    head[0] = (unsigned char)first;
    head[1] = (unsigned char)(size < 126 ? size : 126);
    head[2] = (unsigned char)(size >> 8);
    head[3] = (unsigned char)size;
    record_bytes(out, head, size < 126 ? 2 : 4);
    record_bytes(out, payload, size);
}

static void put_replay(record *out, uint64_t from)
{
    char payload[14] = "\3";
    int i;
    for (i = 0; i < 8; i++) payload[1 + i] = (char)(from >> (56 - 8 * i));
    memcpy(payload + 9, "again", 5);
    put_frame(out, 0x82, payload, sizeof payload);
}

/* A terminal's frames, until its shell exits. */
static void put_frames(calls_run *r, record *out, uint64_t since)
{
    static const char connected[] =
        "{\"type\":\"connected\",\"session_id\":\"p\",\"mode\":\"pty\"}";
    static const char ended[] = "{\"type\":\"exit\",\"exit_code\":3}";
    char payload[300] = "\1";
    unsigned kind = 1;
    memset(payload + 1, 'o', sizeof payload - 1);
    put_frame(out, 0x81, connected, sizeof connected - 1);
    while (kind > 0) {
        kind = take_byte(&r->answers) & 7u;
        if (kind == 0) put_frame(out, 0x81, ended, sizeof ended - 1);
        if (kind == 1) put_frame(out, 0x82, payload, 1 + take_byte(&r->answers));
        if (kind == 2) put_frame(out, 0x89, "ping", 4);
        if (kind == 3) put_replay(out, since + take_byte(&r->answers));
        if (kind == 4) put_frame(out, 0x02, payload, 20);
        if (kind == 5) put_frame(out, 0x80, payload, 20);
        if (kind == 6) put_frame(out, 0x88, "\x0f\xa1", 2);
        if (kind == 7) return;
    }
}

/* ---- the server: answers -------------------------------------------------------------------------*/

typedef enum kind { JSON, EVENTS, FILE_BYTES, LOG_BYTES, FRAMES } kind;

#define BOX                                                                                        \
    "{\"id\":\"" ID "\",\"status\":{\"state\":\"^\",\"reason\":%,\"message\":%},"                  \
    "\"metadata\":{\"team\":\"a&b\",\"k\":%},\"image\":{\"uri\":%},\"createdAt\":%,\"expiresAt\":" \
    "%}"
#define PAGINATION "\"pagination\":{\"page\":#,\"totalItems\":#,\"hasNextPage\":?}"
#define SNAPSHOT                                                                                   \
    "{\"id\":\"9c\",\"sandboxId\":%,\"name\":%,\"status\":{\"state\":\"^\",\"message\":%}}"
#define POOL                                                                                       \
    "{\"name\":%,\"capacitySpec\":{\"bufferMax\":#,\"poolMax\":#},\"status\":{\"total\":#}}"

/* What is asked for; the first line that fits counts. A request through the lifecycle server has its
   own path behind "/sandboxes/". */
static const struct route {
    const char *method, *path;
    kind kind;
    const char *form;
} routes[] = {
    {"", "/command/status/", JSON,
     "{\"id\":%,\"content\":%,\"running\":?,\"exit_code\":#,\"error\":%,\"started_at\":%}"},
    {"GET", "/logs?", LOG_BYTES, ""},
    {"GET", "/logs ", LOG_BYTES, ""},
    {"POST", "/command ", EVENTS, ""},
    {"POST", "/code ", EVENTS, ""},
    {"POST", "/run ", EVENTS, ""},
    {"", "/code/context", JSON, "{\"id\":\"" ID "\",\"language\":\"python\",\"cwd\":%}"},
    {"GET", "/files/download", FILE_BYTES, ""},
    {"GET", "/files/info", JSON, "{\"/a\":{\"path\":\"/a\",\"size\":#,\"owner\":%,\"mode\":644}}"},
    {"GET", "/directories/list", JSON, "[{\"path\":%,\"size\":#},{\"path\":%,\"owner\":%}]"},
    {"GET", "/ws", FRAMES, ""},
    {"", "/pty", JSON, "{\"session_id\":\"" ID "\",\"running\":?,\"output_offset\":#}"},
    {"", "/credential-vault", JSON,
     "{\"revision\":#,\"credentials\":[{\"name\":%,\"revision\":#}],\"bindings\":[{\"name\":%,"
     "\"match\":{\"hosts\":[%,%]},\"auth\":{\"type\":%}}]}"},
    {"", "/v1/isolated/session", JSON, "{\"session_id\":\"" ID "\",\"status\":%,\"created_at\":%}"},
    {"", "/session", JSON, "{\"session_id\":\"" ID "\"}"},
    {"GET", "/endpoints/", JSON, "{\"endpoint\":\"exec.example:44772\",\"headers\":{\"X-T\":%}}"},
    {"GET", "/snapshots?", JSON, "{\"items\":[" SNAPSHOT "," SNAPSHOT "]," PAGINATION "}"},
    {"GET", "/snapshots ", JSON, "{\"items\":[" SNAPSHOT "," SNAPSHOT "]," PAGINATION "}"},
    {"", "/snapshots", JSON, SNAPSHOT},
    {"GET", "/pools ", JSON, "{\"items\":[" POOL "," POOL "]}"},
    {"", "/pools", JSON, POOL},
    {"GET", "/sandboxes?", JSON, "{\"items\":[" BOX "," BOX "]," PAGINATION "}"},
    {"GET", "/sandboxes ", JSON, "{\"items\":[" BOX "," BOX "]," PAGINATION "}"},
    {"", "/proxy/", JSON, ""},
    {"", "/sandboxes", JSON, BOX},
    {"", "", JSON, ""}};

static const struct route *find_route(const char *request)
{
    const struct route *route = routes;
    const char *end = strstr(request, "\r\n");
    for (;; route++) {
        const char *path = strstr(request, route->path);
        size_t size = strlen(route->method);
        if (path != NULL && path < end && strncmp(request, route->method, size) == 0) return route;
    }
}

static void put_head(record *head, const char *status)
{
    record_text(head, "HTTP/1.1 ");
    record_text(head, status);
    record_text(head, " X\r\nDate: Mon, 15 Jun 2026 10:00:00 GMT\r\nX-Request-ID: r-1\r\n");
}

static void put_line(record *head, const char *form, uint64_t one, uint64_t two)
{
    char line[120];
    (void)snprintf(line, sizeof line, form, (unsigned long long)one, (unsigned long long)two);
    record_text(head, line);
}

/* An answer as the API has it. */
static void put_good(calls_run *r, const char *request, record *head, record *body)
{
    const struct route *route = find_route(request);
    if (route->kind == FILE_BYTES && strstr(request, "\r\nRange: ") != NULL) {
        uint64_t from = number_behind(request, "\r\nRange: bytes=");
        const char *dash = strchr(strstr(request, "\r\nRange: "), '-');
        uint64_t last = strtoull(dash + 1, NULL, 10);
        unsigned size = put_bytes_from(r, body, from);
        /* How much is handed out before it is refused depends on the pieces. */
        if (last != 0 && from + size > last + 1) r->run.port.disturbed = true;
        put_head(head, size > 0 ? "206" : "416");
        put_line(head, "Content-Range: bytes %llu-%llu/*\r\n", from, from + size - 1);
        return;
    }
    put_head(head, route->kind == FRAMES ? "101" : "200");
    if (route->kind == FILE_BYTES) (void)put_bytes_from(r, body, 0);
    if (route->kind == LOG_BYTES) {
        uint64_t from = number_behind(request, "cursor=");
        put_line(head, "EXECD-COMMANDS-TAIL-CURSOR: %llu\r\n", from + put_bytes_from(r, body, from),
                 0);
    }
    if (route->kind == EVENTS) put_events(r, body);
    if (route->kind == JSON) put_json(r, body, route->form);
    if (route->kind != FRAMES) return;
    record_text(head, "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Accept: mVL6JKtNRC4tluIaFAW2hhMffgE=\r\n");
    put_frames(r, body, number_behind(request, "since="));
    r->run.port.upgraded = true;
}

static void put_refusal(calls_run *r, const char *status, record *head, record *body)
{
    put_head(head, status);
    if ((take_byte(&r->answers) & 1u) != 0) record_text(head, "Retry-After: 1\r\n");
    if (strcmp(status, "302") == 0) record_text(head, "Location: http://other.example/\r\n");
    if (strcmp(status, "204") != 0) put_json(r, body, "{\"code\":%,\"message\":%}");
}

enum { BY_LENGTH, BY_CHUNKS, BY_CLOSE, LENGTH_AND_CLOSE };

/* Head and body as one, framed as chosen. */
static void put_framed(calls_run *r, unsigned framing, record *out, const record *body)
{
    size_t at, most;
    if (framing == BY_LENGTH || framing == LENGTH_AND_CLOSE)
        put_line(out, "Content-Length: %llu\r\n", body->size, 0);
    if (framing == BY_CHUNKS) record_text(out, "Transfer-Encoding: chunked\r\n");
    if (framing >= BY_CLOSE) record_text(out, "Connection: close\r\n");
    record_text(out, "\r\n");
    most = framing == BY_CHUNKS ? 200 - take_byte(&r->answers) % 200 : body->size;
    for (at = 0; at < body->size; at += most) {
        size_t n = body->size - at < most ? body->size - at : most;
        if (framing == BY_CHUNKS) put_line(out, "%llx\r\n", n, 0);
        record_bytes(out, body->data + at, n);
        if (framing == BY_CHUNKS) record_text(out, "\r\n");
    }
    if (framing == BY_CHUNKS) record_text(out, "0\r\n\r\n");
}

enum {
    SPOIL_CUT,
    SPOIL_BREAK,
    SPOIL_BYTE,
    SPOIL_MORE,
    SPOIL_STALE,
    SPOIL_INTERIM,
    SPOIL_CANCEL,
    SPOIL_PAUSE
};

/* What may go wrong with an answer on its way; it is the last of out. */
static void spoil(calls_run *r, record *out)
{
    fuzz_port *p = &r->run.port;
    unsigned what = take_byte(&r->answers) & 7u;
    size_t at = out->size * take_byte(&r->answers) / 256;
    if (what == SPOIL_BYTE) out->data[at] = (char)take_byte(&r->answers);
    if (what == SPOIL_MORE) record_text(out, "more than was promised");
    if (what == SPOIL_INTERIM) record_text(&p->out, "HTTP/1.1 100 Continue\r\n\r\n");
    if (what == SPOIL_PAUSE) p->recv_at = p->now + (uint32_t)at * 20;
    if (what == SPOIL_CUT || what == SPOIL_BREAK) {
        out->size = at;
        r->cut = true;
    }
    if (what <= SPOIL_BREAK || what == SPOIL_STALE) p->ended = true;
    if (what == SPOIL_BREAK) p->broken = true;
    if (what != SPOIL_CANCEL) return;
    osb_cancel(p->client);
    p->disturbed = true;
}

/* A whole request has come. */
static void serve(fuzz_port *p)
{
    static const char *const refusals[] = {"404", "401", "500", "503", "429", "204", "426", "302"};
    calls_run *r = (calls_run *)p;
    unsigned choice = take_byte(&r->answers), framing = choice & 3u, status = choice >> 2 & 15u;
    record answer, body;
    memset(&answer, 0, sizeof answer);
    memset(&body, 0, sizeof body);
    if (status < 8) put_good(r, p->request.data, &answer, &body);
    else put_refusal(r, refusals[status - 8], &answer, &body);
    if (p->upgraded) {
        record_text(&answer, "\r\n");
        record_bytes(&answer, body.data, body.size);
    } else {
        put_framed(r, framing, &answer, &body);
        if (framing >= BY_CLOSE) p->ended = true;
    }
    r->cut = false;
    if (choice >> 6 == 3) spoil(r, &answer);
    if (framing == BY_CLOSE || p->upgraded) r->cut = false; /* nobody can tell */
    record_bytes(&p->out, answer.data, answer.size);
    record_free(&answer);
    record_free(&body);
}

static bool listens(fuzz_port *p)
{
    calls_run *r = (calls_run *)p;
    unsigned refused = r->refused & 1u;
    r->refused >>= 1;
    return refused == 0;
}

/* ---- handlers ------------------------------------------------------------------------------------*/

static int on_snapshot(void *user, const osb_snapshot *snapshot)
{
    log_view((client_run *)user, "snapshot", snapshot->name);
    return handled((client_run *)user);
}

static int on_pool(void *user, const osb_pool *pool)
{
    log_view((client_run *)user, "pool", pool->name);
    return handled((client_run *)user);
}

static int on_file(void *user, const osb_file_info *file)
{
    log_view((client_run *)user, "file", file->path);
    return handled((client_run *)user);
}

static int on_credential(void *user, const osb_credential_info *credential)
{
    log_view((client_run *)user, "credential", credential->name);
    return handled((client_run *)user);
}

static int on_binding(void *user, const osb_binding_info *binding)
{
    log_view((client_run *)user, "binding", binding->name);
    return handled((client_run *)user);
}

static int on_terminal(void *user, osb_stream stream, const void *data, size_t size)
{
    (void)stream;
    return on_data(user, data, size);
}

static int read_input(void *user, void *data, size_t size)
{
    calls_run *r = (calls_run *)user;
    if (r->typed || size < 3) return OSB_IO_WANT_READ;
    memcpy(data, "ls\n", 3);
    r->typed = true;
    return 3;
}

static int rewind_body(void *user)
{
    calls_run *r = (calls_run *)user;
    r->run.source_left = r->source_size;
    return 0;
}

/* ---- the calls -----------------------------------------------------------------------------------*/

static const osb_pair some_pairs[] = {{"team", "a&b"}, {"empty", NULL}};
static const osb_credential some_secrets[] = {{"token", "s3cret"}};

static void prepare_uploads(calls_run *r, call_data *d, unsigned option)
{
    r->source_size = (option >> 3) * 64;
    r->run.source_left = (option & 1u) != 0 ? r->source_size : r->source_size / 2;
    d->uploads[0].path = "/a";
    d->uploads[0].body = "hello";
    d->uploads[0].body_size = 5;
    d->uploads[1].path = "/b";
    d->uploads[1].user = r;
    d->uploads[1].read_body = read_body;
    d->uploads[1].rewind_body = (option & 2u) != 0 ? rewind_body : NULL;
    d->uploads[1].body_size = r->source_size;
    d->uploads[1].body_size_unknown = (option & 4u) != 0;
}

static void prepare_handlers(calls_run *r, call_data *d)
{
    d->handlers.user = d->info_handlers.user = d->vault_handlers.user = d->pty_handlers.user = r;
    d->handlers.on_event = on_event;
    d->handlers.on_traceback = on_traceback;
    d->handlers.on_output = on_output;
    d->capture.data = d->captured;
    d->capture.size = sizeof d->captured;
    d->handlers.capture_stdout = &d->capture;
    d->info_handlers.on_entry = d->vault_handlers.on_entry = on_entry;
    d->info_handlers.on_sandbox = on_sandbox;
    d->vault_handlers.on_credential = on_credential;
    d->vault_handlers.on_binding = on_binding;
    d->pty_handlers.on_output = on_terminal;
    d->pty_handlers.read_input = read_input;
}

static void prepare(calls_run *r, call_data *d, unsigned option)
{
    osb_ready_options *ready = &d->create.ready;
    memset(d, 0, sizeof *d);
    prepare_handlers(r, d);
    prepare_uploads(r, d, option);
    d->create.image = "python:3.12";
    d->create.metadata = d->command.envs = some_pairs;
    d->create.metadata_count = d->command.env_count = 2;
    d->create.create_timeout_ms = 2000;
    d->create.keep_on_failure = d->command.keep_running = (r->run.flags & FLAG_KEEP) != 0;
    ready->timeout_ms = d->wait.timeout_ms = 3000;
    ready->user = r;
    ready->check = (r->run.flags & FLAG_CHECK) != 0 ? ready_check : NULL;
    d->command.command = d->session_command.command = d->isolated.code = d->code.code = "echo hi";
    d->command.timeout_ms = 1000;
    d->command.background = (option & 1u) != 0;
    d->code.language = "python";
    d->durable.retries = option & 3u;
    d->read.offset_bytes = option >> 4;
    d->read.size_bytes = (option & 4u) != 0 ? 300 : 0;
    d->read.resumptions = d->pty_options.reconnections = option & 3u;
    d->pty_options.takeover = (option & 4u) != 0;
    d->vault.credentials = some_secrets;
    d->vault.credential_count = 1;
    d->egress.allow_execd_route = (option & 1u) != 0;
    (void)snprintf(r->pty.id, sizeof r->pty.id, ID);
    (void)snprintf(r->execution.id, sizeof r->execution.id, ID);
    r->typed = (option & 8u) != 0;
}

enum {
    OF_LIFECYCLE = 16,
    OF_RUNS = 12,
    OF_EXECD = 12,
    ALL_CALLS = OF_LIFECYCLE + OF_RUNS + OF_EXECD
};

static osb_status call_lifecycle(calls_run *r, unsigned which, call_data *d)
{
    osb_client *c = &r->run.client;
    osb_sandbox *box = &r->run.box;
    switch (which) {
    case 0:
        return osb_lifecycle_get(c, ID, &d->info_handlers, &d->info);
    case 1:
        return osb_lifecycle_list(c, NULL, &d->info_handlers, &d->page);
    case 2:
        return osb_snapshot_get(c, ID, &d->snapshot);
    case 3:
        return osb_pool_list(c, on_pool, r);
    case 4:
        return osb_sandbox_create(c, &d->create, box);
    case 5:
        return osb_sandbox_connect(c, ID, &d->create.ready, box);
    case 6:
        return osb_sandbox_resume(c, ID, &d->create.ready, box);
    case 7:
        return osb_lifecycle_wait(c, ID, "Paused", &d->wait, &d->info);
    case 8:
        return osb_lifecycle_list_all(c, NULL, &d->info_handlers, &d->page);
    case 9:
        return osb_snapshot_wait(c, ID, &d->wait, &d->snapshot);
    case 10:
        return osb_snapshot_list_all(c, NULL, on_snapshot, r, &d->snapshot_page);
    case 11:
        return osb_sandbox_find(c, some_pairs, box);
    case 12:
        return osb_lifecycle_renew(c, ID, 600, &d->expires_at);
    case 13:
        return osb_snapshot_create(c, ID, "name", &d->snapshot);
    case 14:
        return osb_pool_get(c, "warm", &d->pool);
    default:
        return osb_sandbox_kill(box);
    }
}

static osb_status call_runs(calls_run *r, unsigned which, call_data *d)
{
    osb_sandbox *box = &r->run.box;
    osb_execution *run = &r->execution;
    switch (which) {
    case 0:
        return osb_command_status(box, ID, on_data, r, &d->state);
    case 1:
        return osb_command_logs(box, ID, 5, on_data, r, &d->cursor);
    case 2:
        return osb_command_run(box, &d->command, &d->handlers, run);
    case 3:
        return osb_command_wait(box, ID, &d->wait, &d->state);
    case 4:
        return osb_command_run_durable(box, &d->command, &d->durable, &d->handlers, run);
    case 5:
        return osb_command_follow(box, &d->durable, &d->handlers, run);
    case 6:
        return osb_command_recover(box, &d->durable, &d->handlers, run);
    case 7:
        return osb_session_run(box, ID, &d->session_command, &d->handlers, run);
    case 8:
        return osb_code_run(box, &d->code, &d->handlers, run);
    case 9:
        return osb_isolated_run(box, ID, &d->isolated, &d->handlers, run);
    case 10:
        return osb_code_context_create(box, "python", NULL, &d->context);
    default:
        return osb_ping(box);
    }
}

static osb_status call_execd(calls_run *r, unsigned which, call_data *d)
{
    osb_sandbox *box = &r->run.box;
    switch (which) {
    case 0:
        return osb_file_get_info(box, "/a", &d->file);
    case 1:
        return osb_vault_get(&r->egress, &d->vault_handlers, &d->revision);
    case 2:
        return osb_file_read(box, "/a", &d->read, on_data, r, &d->size);
    case 3:
        return osb_file_write(box, "/a", "hello", 5);
    case 4:
        return osb_file_upload(box, d->uploads, 2, false);
    case 5:
        return osb_file_upload(box, d->uploads, 2, true);
    case 6:
        return osb_pty_create(box, NULL, NULL, &r->pty);
    case 7:
    case 8:
        return osb_pty_attach(box, &r->pty, &d->pty_options, &d->pty_handlers);
    case 9:
        return osb_egress_connect(box, &d->egress, &r->egress);
    case 10:
        return osb_vault_create(&r->egress, &d->vault, &d->vault_handlers, &d->revision);
    default:
        return osb_directory_list(box, "/", NULL, on_file, r);
    }
}

static osb_status call(calls_run *r, unsigned which, call_data *d)
{
    if (which < OF_LIFECYCLE) return call_lifecycle(r, which, d);
    which -= OF_LIFECYCLE;
    if (which < OF_RUNS) return call_runs(r, which, d);
    return call_execd(r, which - OF_RUNS, d);
}

/* Whether a call is one request, of which it wants the whole answer. */
static bool wants_all(unsigned which)
{
    return which <= 3 || which - OF_LIFECYCLE <= 1 || which - OF_LIFECYCLE - OF_RUNS <= 1;
}

/* ---- one call, in one of the modes ---------------------------------------------------------------*/

static void log_outputs(calls_run *r, call_data *d, osb_status status)
{
    client_run *run = &r->run;
    log_execution(run, &r->execution);
    record_number(&run->log, "bytes", r->execution.stdout_bytes + r->execution.stderr_bytes);
    CHECK(d->capture.length <= d->capture.size);
    record_bytes(&run->log, d->captured, d->capture.length);
    record_number(&run->log, "cursor", d->cursor);
    record_number(&run->log, "size", d->size);
    record_number(&run->log, "offset", r->pty.offset);
    if (status != OSB_OK) return;
    log_info(run, &d->info);
    log_view(run, "state", d->state.id);
    log_view(run, "content", d->state.content);
    log_view(run, "error", d->state.error);
    log_view(run, "started", d->state.started_at);
    log_view(run, "expires", d->expires_at);
    log_view(run, "snapshot", d->snapshot.name);
    log_view(run, "message", d->snapshot.message);
    log_view(run, "pool", d->pool.name);
    log_view(run, "owner", d->file.owner);
    log_view(run, "cwd", d->context.cwd);
    record_number(&run->log, "revision", d->revision);
    record_text(&run->log, run->box.id);
    record_text(&run->log, run->box.execd.address);
}

static void one_call(calls_run *r, unsigned number)
{
    client_run *run = &r->run;
    unsigned which = run->calls[number];
    osb_str none = {NULL, 0};
    call_data data;
    osb_status status;
    prepare(r, &data, r->options[number]);
    begin_call(run);
    r->cut = false;
    r->execution.error_name = r->execution.error_value = none; /* views of an earlier call */
    status = finish(run, call(r, which, &data));
    CHECK(osb_poll(&run->client) == status);
    CHECK(!(r->cut && wants_all(which) && status == OSB_OK));
    log_error(run, status);
    log_outputs(r, &data, status);
    end_call(run, number, status);
}

/* ---- one run -------------------------------------------------------------------------------------*/

static void run_all(calls_run *r, run_mode mode, input in)
{
    static const osb_extras retries = {.retries = 2, .backoff_ms = 10};
    static const input nothing = {NULL, 0};
    client_run *run = &r->run;
    size_t memory_size = 1024 + 12 * (size_t)take_byte(&in);
    unsigned i, early;
    memset(r, 0, sizeof *r);
    run->flags = take_byte(&in);
    run->extras = (run->flags & OURS_RETRIES) != 0 ? &retries : NULL;
    early = take_byte(&in);
    run->stop_at = early & 15u;
    r->refused = take_byte(&in) << 8;
    r->refused |= take_byte(&in);
    run->call_count = 1 + take_byte(&in) % MOST_CALLS;
    for (i = 0; i < run->call_count; i++) {
        run->calls[i] = take_byte(&in) % ALL_CALLS;
        r->options[i] = take_byte(&in);
    }
    begin(run, mode, memory_size, nothing);
    run->port.server = serve;
    run->port.listens = listens;
    run->port.early = early >> 4;
    r->answers = in;
    r->egress.client = &run->client;
    r->egress.endpoint = run->box.execd;
    r->egress.execd = &run->box.execd;
    r->egress.allow_execd_route = true;
    if ((run->flags & OURS_ISOLATED) != 0) run->box.isolated = "is1";
    run->port.small_sends = (run->flags & OURS_SMALL_SENDS) != 0;
    for (i = 0; i < run->call_count; i++) one_call(r, i);
    good_exchange(run);
    end(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static calls_run runs[RUN_MODES];
    const client_run *blocking = &runs[RUN_BLOCKING].run;
    unsigned mode, i;
    input in;
    in.data = data;
    in.size = size;
    for (mode = 0; mode < RUN_MODES; mode++) run_all(&runs[mode], (run_mode)mode, in);
    compare(blocking, &runs[RUN_POLL].run, false);
    if (blocking->stop_at == 0) compare(blocking, &runs[RUN_BYTEWISE].run, true);
    for (mode = 0; mode < RUN_MODES; mode++)
        for (i = 0; i < MOST_CALLS; i++) record_free(&runs[mode].run.logs[i]);
    return 0;
}
