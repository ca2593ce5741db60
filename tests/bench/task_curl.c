/* The tasks of task.h as a C programmer writes them with libcurl and cJSON: one easy handle, answers
   in a growing buffer, each event parsed to a tree. */
#define _POSIX_C_SOURCE 200809L
#define TASK_NO_STREAMS
#include "tests/bench/task.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>

typedef struct text {
    char *data;
    size_t size, room;
} text;

static CURL *curl;
static char base[64];
static uint64_t seen, seen_bytes;
static bool ended;

static void append(text *t, const char *data, size_t size)
{
    if (t->size + size + 1 > t->room) {
        t->room = (t->size + size + 1) * 2;
        t->data = realloc(t->data, t->room);
        must(t->data != NULL, "realloc");
    }
    memcpy(t->data + t->size, data, size);
    t->size += size;
    t->data[t->size] = '\0';
}

static size_t collect(char *data, size_t size, size_t count, void *user)
{
    append(user, data, size * count);
    return size * count;
}

static void open_curl(const task *t)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    curl = curl_easy_init();
    snprintf(base, sizeof base, "http://127.0.0.1:%u", t->port);
}

static void close_curl(void)
{
    curl_easy_cleanup(curl);
    curl_global_cleanup();
}

static void perform(const char *method, const char *path, const char *body,
                    size_t (*on_data)(char *, size_t, size_t, void *), void *user)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    char url[256];
    long status;
    snprintf(url, sizeof url, "%s%s", base, path);
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (body != NULL) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, user);
    must(curl_easy_perform(curl) == CURLE_OK, "curl_easy_perform");
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    must(status / 100 == 2, "not 2xx");
    curl_slist_free_all(headers);
}

/* A request with a JSON answer; the caller deletes the tree. */
static cJSON *ask(const char *method, const char *path, const char *body)
{
    text answer = {NULL, 0, 0};
    cJSON *json;
    perform(method, path, body, collect, &answer);
    json = answer.size > 0 ? cJSON_Parse(answer.data) : NULL;
    free(answer.data);
    return json;
}

static const char *member(const cJSON *json, const char *name)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, name);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static void on_event(const char *line)
{
    cJSON *json = cJSON_Parse(line);
    const char *type;
    must(json != NULL, "an event is not JSON");
    type = member(json, "type");
    if (strcmp(type, "stdout") == 0) {
        output_came();
        seen++;
        seen_bytes += strlen(member(json, "text"));
    } else if (strcmp(type, "execution_complete") == 0) {
        ended = true;
    }
    cJSON_Delete(json);
}

/* Takes the whole lines out of what has come so far. */
static size_t split(char *data, size_t size, size_t count, void *user)
{
    text *t = user;
    char *line, *end;
    append(t, data, size * count);
    for (line = t->data; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (line != end) on_event(line);
    }
    t->size -= (size_t)(line - t->data);
    memmove(t->data, line, t->size + 1);
    return size * count;
}

static void run_command(const char *prefix)
{
    text lines = {NULL, 0, 0};
    char path[128];
    cJSON *body = cJSON_CreateObject();
    char *json;
    cJSON_AddStringToObject(body, "command", "bench");
    json = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    snprintf(path, sizeof path, "%s/command", prefix);
    ended = false;
    perform("POST", path, json, split, &lines);
    must(ended, "the stream ended early");
    cJSON_free(json);
    free(lines.data);
}

static char *create_body(void)
{
    static const char *const entrypoint[] = {"tail", "-f", "/dev/null"};
    cJSON *body = cJSON_CreateObject(), *image = cJSON_AddObjectToObject(body, "image"), *limits;
    char *json;
    cJSON_AddStringToObject(image, "uri", "python:3.12");
    cJSON_AddItemToObject(body, "entrypoint", cJSON_CreateStringArray(entrypoint, 3));
    cJSON_AddNumberToObject(body, "timeout", 600);
    limits = cJSON_AddObjectToObject(body, "resourceLimits");
    cJSON_AddStringToObject(limits, "cpu", "1");
    cJSON_AddStringToObject(limits, "memory", "2Gi");
    json = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    return json;
}

static void quickstart(const task *t)
{
    char path[256], id[64];
    char *body = create_body();
    cJSON *json;
    bool running;
    open_curl(t);
    json = ask("POST", "/v1/sandboxes", body);
    snprintf(id, sizeof id, "%s", member(json, "id"));
    cJSON_Delete(json);
    cJSON_free(body);
    do {
        snprintf(path, sizeof path, "/v1/sandboxes/%s", id);
        json = ask("GET", path, NULL);
        running = strcmp(member(cJSON_GetObjectItemCaseSensitive(json, "status"), "state"),
                         "Running") == 0;
        cJSON_Delete(json);
    } while (!running);
    snprintf(path, sizeof path, "/v1/sandboxes/%s/endpoints/44772", id);
    json = ask("GET", path, NULL);
    must(member(json, "endpoint")[0] != '\0', "no endpoint");
    cJSON_Delete(json);
    cJSON_Delete(ask("GET", "/ping", NULL));
    run_command("");
    snprintf(path, sizeof path, "/v1/sandboxes/%s", id);
    cJSON_Delete(ask("DELETE", path, NULL));
    must(seen == 1, "output is lost");
    close_curl();
}

static void commands(const task *t)
{
    char path[64];
    uint64_t i;
    open_curl(t);
    snprintf(path, sizeof path, "/events/20/1/%u", (unsigned)t->second);
    for (i = 0; i < t->first; i++) run_command(path);
    must(seen == t->first, "output is lost");
    close_curl();
}

static void run_stream(const task *t)
{
    char path[64];
    open_curl(t);
    snprintf(path, sizeof path, "/events/%u/%llu/0", (unsigned)t->first,
             (unsigned long long)t->second);
    run_command(path);
    must(seen == t->second && seen_bytes == t->first * t->second, "output is lost");
    close_curl();
}

static void list(const task *t)
{
    unsigned page = 0;
    bool more = true;
    open_curl(t);
    while (more) {
        char path[64];
        const cJSON *item;
        cJSON *json;
        snprintf(path, sizeof path, "/v1/sandboxes?page=%u&pageSize=%u", ++page, PAGE_SIZE);
        json = ask("GET", path, NULL);
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(json, "items"))
        {
            const cJSON *status = cJSON_GetObjectItemCaseSensitive(item, "status");
            seen += strcmp(member(status, "state"), "Running") == 0;
        }
        more = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(
            cJSON_GetObjectItemCaseSensitive(json, "pagination"), "hasNextPage"));
        cJSON_Delete(json);
    }
    must(seen == LISTED, "sandboxes are lost");
    close_curl();
}

static size_t write_out(char *data, size_t size, size_t count, void *user)
{
    seen_bytes += size * count;
    return fwrite(data, size, count, user) * size;
}

static void download(const task *t)
{
    char path[64];
    FILE *sink = fopen("/dev/null", "w");
    open_curl(t);
    snprintf(path, sizeof path, "/files/download?path=/%llu", (unsigned long long)t->first);
    perform("GET", path, NULL, write_out, sink);
    must(seen_bytes == t->first, "bytes are lost");
    fclose(sink);
    close_curl();
}

static void upload(const task *t)
{
    char url[128];
    curl_mime *form;
    curl_mimepart *part;
    open_curl(t);
    form = curl_mime_init(curl);
    part = curl_mime_addpart(form);
    curl_mime_name(part, "metadata");
    curl_mime_data(part, "{\"path\":\"/upload\"}", CURL_ZERO_TERMINATED);
    curl_mime_filename(part, "metadata");
    curl_mime_type(part, "application/json");
    part = curl_mime_addpart(form);
    curl_mime_name(part, "file");
    must(curl_mime_filedata(part, t->file) == CURLE_OK, t->file);
    snprintf(url, sizeof url, "%s/files/upload", base);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_MIMEPOST, form);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 16384L); /* as ours; curl itself has 64 KB */
    must(curl_easy_perform(curl) == CURLE_OK, "curl_easy_perform");
    curl_mime_free(form);
    close_curl();
}
