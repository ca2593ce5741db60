/* Files and directories, in the sandbox and in an isolated session of it. */
#define LEAST_MEMORY 2048
#include "e2e.h"

#include <unistd.h>

/* ---- what is handed out ----------------------------------------------------------------------*/

struct content {
    char text[4096];
    uint64_t size;
    uint32_t hash;
    unsigned calls;
};

static void empty(struct content *content)
{
    memset(content, 0, sizeof *content);
    content->hash = 2166136261u;
}

static int add_content(void *user, const void *data, size_t size)
{
    struct content *content = (struct content *)user;
    const unsigned char *bytes = (const unsigned char *)data;
    size_t i;
    for (i = 0; i < size; i++) {
        if (content->size < sizeof content->text - 1) content->text[content->size] = (char)bytes[i];
        content->hash = (content->hash ^ bytes[i]) * 16777619u;
        content->size++;
    }
    content->calls++;
    return 0;
}

/* The names and sizes of files, in the order in which they came: "a 1\n". */
static int add_file(void *user, const osb_file_info *file)
{
    struct content *content = (struct content *)user;
    const char *name = file->path.data + file->path.size;
    char line[512];
    while (name > file->path.data && name[-1] != '/') name--;
    snprintf(line, sizeof line, "%s %s %lu\n", name,
             osb_str_equal(file->type, "directory") ? "directory" : "file",
             osb_str_equal(file->type, "directory") ? 0 : (unsigned long)file->size_bytes);
    return add_content(content, line, strlen(line));
}

/* Reads a file that fits and compares it. */
static void expect_content(struct fixture *f, const osb_sandbox *box, const char *path,
                           const char *text)
{
    osb_sandbox here = *box;
    char data[256];
    size_t length;
    OK(f, osb_file_read_all(&here, path, data, sizeof data, &length));
    assert_int_equal(length, strlen(text));
    assert_memory_equal(data, text, length);
}

static void run_shell(struct fixture *f, const char *text, struct outcome *o)
{
    run_text(f, text, o);
    if (o->run.exit_code.value != 0) fail_msg("%s: %s", text, o->err_text);
}

/* ---- reading and writing ---------------------------------------------------------------------*/

static void write_and_read(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_file_info info;
    OK(f, osb_file_write(&f->box, "new/dir/hello.txt", "Hello World", 11));
    expect_content(f, &f->box, "new/dir/hello.txt", "Hello World");
    OK(f, osb_file_write(&f->box, "new/dir/hello.txt", "Hi", 2));
    expect_content(f, &f->box, "new/dir/hello.txt", "Hi");
    OK(f, osb_file_get_info(&f->box, "new/dir/hello.txt", &info));
    assert_true(osb_str_equal(info.requested, "new/dir/hello.txt"));
    assert_true(osb_str_equal(info.type, "file"));
    assert_true(info.path.size > info.requested.size);
    assert_true(info.owner.size > 0 && info.group.size > 0);
    assert_true(info.modified_at.size > 0 && info.created_at.size > 0);
    assert_int_equal(info.size_bytes, 2);
    assert_int_equal(info.mode, 755);
}

static void empty_file(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_read_options from_10 = {.offset_bytes = 10};
    osb_file_info info;
    uint64_t size = 99;
    OK(f, osb_file_write(&f->box, "empty", NULL, 0));
    OK(f, osb_file_get_info(&f->box, "empty", &info));
    assert_int_equal(info.size_bytes, 0);
    expect_content(f, &f->box, "empty", "");
    OK(f, osb_file_read(&f->box, "empty", &from_10, add_content, NULL, &size));
    assert_int_equal(size, 0);
}

static void all_bytes(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    unsigned char bytes[256], back[256];
    size_t i, length;
    for (i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)i;
    OK(f, osb_file_write(&f->box, "bytes", bytes, sizeof bytes));
    OK(f, osb_file_read_all(&f->box, "bytes", back, sizeof back, &length));
    assert_int_equal(length, sizeof back);
    assert_memory_equal(bytes, back, sizeof bytes);
}

static void byte_ranges(void **state)
{
    static const struct {
        uint64_t offset, size;
        const char *text;
    } cases[] = {
        {0, 0, "0123456789"}, {0, 3, "012"},    {3, 4, "3456"}, {7, 100, "789"},
        {9, 1, "9"},          {4, 0, "456789"}, {10, 0, ""},    {11, 5, ""},
    };
    struct fixture *f = (struct fixture *)*state;
    size_t i;
    OK(f, osb_file_write(&f->box, "ten", "0123456789", 10));
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        osb_read_options options = {.offset_bytes = cases[i].offset, .size_bytes = cases[i].size};
        struct content content;
        uint64_t size;
        empty(&content);
        OK(f, osb_file_read(&f->box, "ten", &options, add_content, &content, &size));
        assert_string_equal(content.text, cases[i].text);
        assert_int_equal(size, strlen(cases[i].text));
    }
}

static void lines(void **state)
{
    static const struct {
        uint64_t first, count;
        const char *text;
    } cases[] = {
        {1, 1, "one"},  {2, 2, "two\nthree"}, {3, 0, "three\nfour"},
        {4, 9, "four"}, {9, 1, ""},           {0, 2, "one\ntwo"},
    };
    struct fixture *f = (struct fixture *)*state;
    size_t i;
    OK(f, osb_file_write(&f->box, "lines", "one\ntwo\r\nthree\nfour\n", 20));
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        osb_read_options options = {.first_line = cases[i].first, .line_count = cases[i].count};
        struct content content;
        uint64_t size;
        empty(&content);
        OK(f, osb_file_read(&f->box, "lines", &options, add_content, &content, &size));
        assert_string_equal(content.text, cases[i].text);
        assert_int_equal(size, strlen(cases[i].text));
    }
}

static void names(void **state)
{
    static const char *const paths[] = {
        ("gr\xC3\xBC\xC3\x9F"
         "e/\xE4\xB8\x96\xE7\x95\x8C.txt"),
        "with space & more?.txt",
        "a+b=c;d%41#e",
        "quote\"back\\slash'",
        "new\nline\ttab",
        "\xF0\x9F\x98\x80",
    };
    struct fixture *f = (struct fixture *)*state;
    struct content content;
    size_t i;
    for (i = 0; i < sizeof paths / sizeof *paths; i++) {
        osb_file_info info;
        OK(f, osb_file_write(&f->box, paths[i], paths[i], strlen(paths[i])));
        expect_content(f, &f->box, paths[i], paths[i]);
        OK(f, osb_file_get_info(&f->box, paths[i], &info));
        assert_true(osb_str_equal(info.requested, paths[i]));
        assert_int_equal(info.size_bytes, strlen(paths[i]));
    }
    empty(&content);
    OK(f, osb_directory_list(&f->box,
                             "gr\xC3\xBC\xC3\x9F"
                             "e",
                             NULL, add_file, &content));
    assert_string_equal(content.text, "\xE4\xB8\x96\xE7\x95\x8C.txt file 18\n");
}

static void missing_files(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    const char *paths[] = {"there", "not-there"};
    osb_file_info info;
    struct content content;
    char data[8];
    size_t length = 1;
    uint64_t size = 1;
    empty(&content);
    OK(f, osb_file_write(&f->box, "there", "x", 1));
    EXPECT(OSB_E_NOT_FOUND, f, osb_file_get_info(&f->box, "not-there", &info));
    assert_true(osb_str_equal(osb_last_error(&f->client)->code, "FILE_NOT_FOUND"));
    EXPECT(OSB_E_NOT_FOUND, f, osb_file_get_infos(&f->box, paths, 2, add_file, &content));
    EXPECT(OSB_E_NOT_FOUND, f,
           osb_file_read(&f->box, "not-there", NULL, add_content, &content, &size));
    assert_int_equal(size, 0);
    EXPECT(OSB_E_NOT_FOUND, f, osb_file_read_all(&f->box, "not-there", data, 8, &length));
    EXPECT(OSB_E_NOT_FOUND, f, osb_file_read_all(&f->box, "$1", data, 8, &length)); /* = "" */
    EXPECT(OSB_E_NOT_FOUND, f, osb_file_search(&f->box, "not-there", NULL, add_file, &content));
    EXPECT(OSB_E_NOT_FOUND, f, osb_directory_list(&f->box, "not-there", NULL, add_file, &content));
    assert_int_equal(content.calls, 0);
    OK(f, osb_file_delete(&f->box, paths + 1, 1));
    OK(f, osb_directory_delete(&f->box, paths + 1, 1));
}

/* A file of /proc has no size that execd could promise. */
static void file_without_a_size(void **state)
{
    static const osb_read_options first = {.first_line = 1, .line_count = 1};
    struct fixture *f = (struct fixture *)*state;
    struct content content;
    uint64_t size = 1;
    empty(&content);
    EXPECT(OSB_E_API, f,
           osb_file_read(&f->box, "/proc/self/status", NULL, add_content, &content, &size));
    assert_non_null(strstr(error_text(f), "can't seek"));
    assert_int_equal(size, 0);
    OK(f, osb_file_read(&f->box, "/proc/self/status", &first, add_content, &content, &size));
    assert_memory_equal(content.text, "Name:", 5);
}

/* A directory is answered with a promise of endless bytes, and none of them. */
static void download_of_a_directory(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    const osb_permission directory = {.path = "dir"};
    struct content content;
    osb_read_options again = {.resumptions = 3};
    uint64_t size = 1;
    empty(&content);
    OK(f, osb_directory_create(&f->box, &directory, 1));
    EXPECT(OSB_E_CLOSED, f, osb_file_read(&f->box, "dir", NULL, add_content, &content, &size));
    assert_int_equal(size, 0);
    EXPECT(OSB_E_CLOSED, f, osb_file_read(&f->box, "dir", &again, add_content, &content, &size));
    assert_int_equal(content.size, 0);
    OK(f, osb_ping(&f->box));
}

static void array_too_small(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    char data[8];
    size_t length = 0;
    OK(f, osb_file_write(&f->box, "ten", "0123456789", 10));
    EXPECT(OSB_E_BUFFER, f, osb_file_read_all(&f->box, "ten", data, sizeof data, &length));
    assert_int_equal(osb_last_error(&f->client)->needed, 10);
}

static int stop_after_the_first(void *user, const void *data, size_t size)
{
    (void)data;
    (void)size;
    return ++*(unsigned *)user > 0;
}

static void reader_stops(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct outcome o;
    unsigned calls = 0;
    uint64_t size;
    run_shell(f, "head -c 1000000 /dev/zero >zeros", &o);
    EXPECT(OSB_E_CANCELLED, f,
           osb_file_read(&f->box, "zeros", NULL, stop_after_the_first, &calls, &size));
    assert_int_equal(calls, 1);
    assert_true(size < 10000);
    OK(f, osb_ping(&f->box));
}

/* ---- large files -----------------------------------------------------------------------------*/

/* A pattern of any length, as a source that starts over. */
struct pattern {
    uint64_t at, size;
    unsigned rewinds;
};

static int read_pattern(void *user, void *data, size_t size)
{
    struct pattern *pattern = (struct pattern *)user;
    size_t i;
    if (size > pattern->size - pattern->at) size = (size_t)(pattern->size - pattern->at);
    for (i = 0; i < size; i++)
        ((unsigned char *)data)[i] = (unsigned char)((pattern->at + i) * 2654435761u >> 13);
    pattern->at += size;
    return (int)size;
}

static int rewind_pattern(void *user)
{
    struct pattern *pattern = (struct pattern *)user;
    pattern->at = 0;
    pattern->rewinds++;
    return 0;
}

/* Many files in one request: from memory and from sources, of known and unknown length. */
static void many_at_once(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct pattern known = {0, 300000, 0}, unknown = {0, 200001, 0}, expected;
    const char *paths[] = {"up/one", "up/known", "up/unknown", "up/none"};
    osb_upload files[] = {
        {.path = "up/one", .mode = 644, .body = "1", .body_size = 1},
        {.path = "up/known",
         .mode = 600,
         .user = &known,
         .read_body = read_pattern,
         .rewind_body = rewind_pattern,
         .body_size = 300000},
        {.path = "up/unknown",
         .user = &unknown,
         .read_body = read_pattern,
         .body_size_unknown = true},
        {.path = "up/none", .mode = 400},
    };
    struct content content, reference;
    unsigned char bytes[512];
    uint64_t size;
    int n;
    OK(f, osb_file_upload(&f->box, files, 4, true));
    empty(&content);
    OK(f, osb_file_get_infos(&f->box, paths, 4, add_file, &content));
    assert_string_equal(content.text,
                        "known file 300000\nnone file 0\none file 1\nunknown file 200001\n");
    empty(&content);
    OK(f, osb_file_read(&f->box, "up/unknown", NULL, add_content, &content, &size));
    assert_int_equal(size, 200001);
    empty(&reference);
    memset(&expected, 0, sizeof expected);
    expected.size = 200001;
    while ((n = read_pattern(&expected, bytes, sizeof bytes)) > 0)
        add_content(&reference, bytes, (size_t)n);
    assert_int_equal(content.hash, reference.hash);
}

static void modes_and_owners(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_upload file = {.path = "owned", .mode = 640, .body = "x", .body_size = 1};
    osb_permission changes[2] = {{.path = "owned", .mode = 755}, {.path = "other", .mode = 444}};
    osb_file_info info;
    char owner[64], group[64];
    OK(f, osb_file_write(&f->box, "other", "y", 1));
    OK(f, osb_file_get_info(&f->box, "other", &info));
    snprintf(owner, sizeof owner, "%s", info.owner.data);
    snprintf(group, sizeof group, "%s", info.group.data);
    file.owner = owner;
    file.group = group;
    OK(f, osb_file_upload(&f->box, &file, 1, false));
    OK(f, osb_file_get_info(&f->box, "owned", &info));
    assert_int_equal(info.mode, 640);
    assert_true(osb_str_equal(info.owner, owner));
    changes[0].owner = owner;
    changes[1].group = group;
    OK(f, osb_file_set_permissions(&f->box, changes, 2));
    OK(f, osb_file_get_info(&f->box, "owned", &info));
    assert_int_equal(info.mode, 755);
    OK(f, osb_file_get_info(&f->box, "other", &info));
    assert_int_equal(info.mode, 444);
    changes[0].owner = "nobody-of-this-name";
    EXPECT(OSB_E_API, f, osb_file_set_permissions(&f->box, changes, 1));
    assert_int_equal(osb_last_error(&f->client)->http_status, 500);
    changes[0].owner = NULL;
    changes[0].mode = 789;
    EXPECT(OSB_E_API, f, osb_file_set_permissions(&f->box, changes, 1));
}

/* 5 GiB, all of them a hole but the last bytes: sizes and offsets beyond 32 bits. */
static void five_gigabytes(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    const uint64_t size = UINT64_C(5368709120);
    osb_read_options last = {.offset_bytes = size - 3};
    osb_read_options middle = {.offset_bytes = size - 10, .size_bytes = 9};
    osb_file_info info;
    struct content content;
    struct outcome o;
    uint64_t got;
    run_shell(f, "truncate -s 5368709117 big && printf end >>big", &o);
    OK(f, osb_file_get_info(&f->box, "big", &info));
    assert_true(info.size_bytes == size);
    empty(&content);
    OK(f, osb_file_read(&f->box, "big", &last, add_content, &content, &got));
    assert_string_equal(content.text, "end");
    empty(&content);
    OK(f, osb_file_read(&f->box, "big", &middle, add_content, &content, &got));
    assert_memory_equal(content.text, "\0\0\0\0\0\0\0en", 9);
    assert_int_equal(got, 9);
}

/* ---- broken downloads ------------------------------------------------------------------------*/

static void resumed_downloads(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_read_options options = {.resumptions = 3};
    struct pattern pattern = {0, 10000, 0};
    osb_upload file = {
        .path = "f", .user = &pattern, .read_body = read_pattern, .body_size = 10000};
    struct content content, whole;
    unsigned char bytes[10000];
    uint64_t size;
    create_box(f, "devserver.download-cut", "3000");
    OK(f, osb_file_upload(&f->box, &file, 1, true));
    pattern.at = 0;
    read_pattern(&pattern, bytes, sizeof bytes);
    empty(&whole);
    add_content(&whole, bytes, sizeof bytes);

    empty(&content);
    OK(f, osb_file_read(&f->box, "f", &options, add_content, &content, &size));
    assert_int_equal(size, 10000);
    assert_int_equal(content.hash, whole.hash);

    options.resumptions = 2; /* one too few: what came is handed out and counted */
    empty(&content);
    EXPECT(OSB_E_CLOSED, f, osb_file_read(&f->box, "f", &options, add_content, &content, &size));
    assert_int_equal(size, 9000);
    assert_memory_equal(content.text, bytes, sizeof content.text - 1);

    options.offset_bytes = 100; /* a range goes on within itself */
    options.size_bytes = 5000;
    empty(&content);
    empty(&whole);
    add_content(&whole, bytes + 100, 5000);
    OK(f, osb_file_read(&f->box, "f", &options, add_content, &content, &size));
    assert_int_equal(size, 5000);
    assert_int_equal(content.hash, whole.hash);

    options.offset_bytes = size; /* and by the caller, with what was counted */
    options.size_bytes = 0;
    OK(f, osb_file_read(&f->box, "f", &options, add_content, &content, &size));
    assert_int_equal(size, 5000);
}

/* ---- changing --------------------------------------------------------------------------------*/

static int add_replaced(void *user, const osb_replaced *replaced)
{
    char line[256];
    snprintf(line, sizeof line, "%s %lu\n", replaced->path.data, (unsigned long)replaced->count);
    return add_content(user, line, strlen(line));
}

static void replace(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    const osb_replacement changes[] = {{"a", "o", "<\"\n\xE2\x82\xAC>"}, {"b", "zz", ""}};
    const osb_replacement nothing = {"a", "", "x"}, absent = {"c", "x", "y"};
    struct content content;
    OK(f, osb_file_write(&f->box, "a", "foo boo", 7));
    OK(f, osb_file_write(&f->box, "b", "fuzz", 4));
    empty(&content);
    OK(f, osb_file_replace(&f->box, changes, 2, add_replaced, &content));
    assert_string_equal(content.text, "a 4\nb 1\n");
    expect_content(f, &f->box, "b", "fu");
    empty(&content);
    OK(f, osb_file_replace(&f->box, changes, 2, add_replaced, &content));
    assert_string_equal(content.text, "a 0\nb 0\n");
    OK(f, osb_file_replace(&f->box, changes, 1, NULL, NULL));
    expect_content(f, &f->box, "a",
                   "f<\"\n\xE2\x82\xAC><\"\n\xE2\x82\xAC> b<\"\n\xE2\x82\xAC><\"\n\xE2\x82\xAC>");
    EXPECT(OSB_E_API, f, osb_file_replace(&f->box, &nothing, 1, NULL, NULL));
    assert_int_equal(osb_last_error(&f->client)->http_status, 400);
    EXPECT(OSB_E_NOT_FOUND, f, osb_file_replace(&f->box, &absent, 1, NULL, NULL));
}

static void move(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    const osb_move moves[] = {{"a", "deep/er/a"}, {"b", "c"}};
    const osb_move onto = {"c", "deep/er/a"}, absent = {"nothing", "x"};
    osb_file_info info;
    OK(f, osb_file_write(&f->box, "a", "A", 1));
    OK(f, osb_file_write(&f->box, "b", "B", 1));
    OK(f, osb_file_move(&f->box, moves, 2));
    expect_content(f, &f->box, "deep/er/a", "A");
    EXPECT(OSB_E_NOT_FOUND, f, osb_file_get_info(&f->box, "b", &info));
    EXPECT(OSB_E_API, f, osb_file_move(&f->box, &onto, 1));
    assert_int_equal(osb_last_error(&f->client)->http_status, 500);
    assert_non_null(strstr(error_text(f), "already exists"));
    expect_content(f, &f->box, "deep/er/a", "A"); /* nothing is lost */
    expect_content(f, &f->box, "c", "B");
    EXPECT(OSB_E_NOT_FOUND, f, osb_file_move(&f->box, &absent, 1));
}

static void delete_files_and_directories(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    const char *files[] = {"d/a", "d/b", "d/nothing"}, *directory = "d";
    struct content content;
    OK(f, osb_file_write(&f->box, "d/a", "a", 1));
    OK(f, osb_file_write(&f->box, "d/b", "b", 1));
    OK(f, osb_file_write(&f->box, "d/c/c", "c", 1));
    OK(f, osb_file_delete(&f->box, files, 3));
    EXPECT(OSB_E_API, f, osb_file_delete(&f->box, &directory, 1)); /* not a file */
    empty(&content);
    OK(f, osb_directory_list(&f->box, "d", NULL, add_file, &content));
    assert_string_equal(content.text, "c directory 0\n");
    OK(f, osb_directory_delete(&f->box, &directory, 1));
    EXPECT(OSB_E_NOT_FOUND, f, osb_directory_list(&f->box, "d", NULL, add_file, &content));
}

/* ---- looking around --------------------------------------------------------------------------*/

static void list_directories(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_list_options options = {.depth = {true, 2}};
    struct content content;
    osb_permission directories[] = {{.path = "t/x/y"}, {.path = "t/z", .mode = 700}};
    osb_file_info info;
    OK(f, osb_directory_create(&f->box, directories, 2));
    OK(f, osb_file_get_info(&f->box, "t/z", &info));
    assert_int_equal(info.mode, 700);
    assert_true(osb_str_equal(info.type, "directory"));
    OK(f, osb_file_write(&f->box, "t/x/y/file", "123", 3));
    empty(&content);
    OK(f, osb_directory_list(&f->box, "t", NULL, add_file, &content));
    assert_string_equal(content.text, "x directory 0\nz directory 0\n");
    empty(&content);
    OK(f, osb_directory_list(&f->box, "t", &options, add_file, &content));
    assert_string_equal(content.text, "x directory 0\ny directory 0\nz directory 0\n");
    options.recursive = true;
    empty(&content);
    OK(f, osb_directory_list(&f->box, "t", &options, add_file, &content));
    assert_string_equal(content.text, "x directory 0\ny directory 0\nfile file 3\nz directory 0\n");
    memset(&options, 0, sizeof options);
    options.depth.set = true; /* 0 levels */
    empty(&content);
    OK(f, osb_directory_list(&f->box, "t", &options, add_file, &content));
    assert_int_equal(content.calls, 0);
    EXPECT(OSB_E_API, f, osb_directory_list(&f->box, "t/x/y/file", NULL, add_file, &content));
}

static void search(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct content content;
    OK(f, osb_file_write(&f->box, "s/a.txt", "1", 1));
    OK(f, osb_file_write(&f->box, "s/deep/b.txt", "12", 2));
    OK(f, osb_file_write(&f->box, "s/deep/c.log", "123", 3));
    empty(&content);
    OK(f, osb_file_search(&f->box, "s", "*.txt", add_file, &content));
    assert_string_equal(content.text, "a.txt file 1\nb.txt file 2\n");
    empty(&content);
    OK(f, osb_file_search(&f->box, "s", NULL, add_file, &content));
    assert_string_equal(content.text, "a.txt file 1\nb.txt file 2\nc.log file 3\n");
    empty(&content);
    OK(f, osb_file_search(&f->box, "s", "*.c", add_file, &content));
    assert_int_equal(content.calls, 0);
}

/* However many files there are, the buffer holds one. */
static void hundreds_of_entries(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    struct content content;
    struct outcome o;
    run_shell(f, "mkdir many && cd many && seq -f %0180.0f 1 300 | xargs touch", &o);
    empty(&content);
    OK(f, osb_directory_list(&f->box, "many", NULL, add_file, &content));
    assert_int_equal(content.calls, 300);
    empty(&content);
    OK(f, osb_file_search(&f->box, "many", "*5", add_file, &content));
    assert_int_equal(content.calls, 30);
}

static int stop_at_once(void *user, const osb_file_info *file)
{
    (void)file;
    ++*(unsigned *)user;
    return 1;
}

static void lister_stops(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    unsigned calls = 0;
    OK(f, osb_file_write(&f->box, "l/a", "1", 1));
    OK(f, osb_file_write(&f->box, "l/b", "1", 1));
    EXPECT(OSB_E_CANCELLED, f, osb_directory_list(&f->box, "l", NULL, stop_at_once, &calls));
    EXPECT(OSB_E_CANCELLED, f, osb_file_search(&f->box, "l", NULL, stop_at_once, &calls));
    assert_int_equal(calls, 2);
}

/* ---- in an isolated session ------------------------------------------------------------------*/

static void in_an_isolated_session(void **state)
{
    struct fixture *f = (struct fixture *)*state;
    osb_isolated_options options = {.workspace = "work"};
    const osb_replacement change = {"work/f", "x", "yy"};
    const osb_move to = {"work/f", "work/g"};
    const osb_permission mode = {.path = "work/g", .mode = 600}, directory = {.path = "work/d"};
    const char *file = "work/g", *gone = "work/d";
    osb_isolated_session session;
    struct content content;
    osb_file_info info;
    osb_sandbox inside;
    OK(f, osb_isolated_create(&f->box, &options, &session));
    inside = f->box;
    inside.isolated = session.id;
    OK(f, osb_file_write(&inside, "work/f", "x", 1));
    OK(f, osb_file_replace(&inside, &change, 1, NULL, NULL));
    OK(f, osb_file_move(&inside, &to, 1));
    OK(f, osb_file_set_permissions(&inside, &mode, 1));
    OK(f, osb_file_get_info(&inside, "work/g", &info));
    assert_int_equal(info.mode, 600);
    expect_content(f, &inside, "work/g", "yy");
    OK(f, osb_directory_create(&inside, &directory, 1));
    empty(&content);
    OK(f, osb_directory_list(&inside, "work", NULL, add_file, &content));
    assert_string_equal(content.text, "d directory 0\ng file 2\n");
    empty(&content);
    OK(f, osb_file_search(&inside, "work", "g", add_file, &content));
    assert_string_equal(content.text, "g file 2\n");
    OK(f, osb_file_delete(&inside, &file, 1));
    OK(f, osb_directory_delete(&inside, &gone, 1));
    OK(f, osb_isolated_delete(&f->box, session.id));
    EXPECT(OSB_E_NOT_FOUND, f, osb_file_get_info(&inside, "work", &info));
    assert_true(osb_str_equal(osb_last_error(&f->client)->code, "CONTEXT_NOT_FOUND"));
}

static const struct CMUnitTest tests[] = {
    BOX_TEST(write_and_read),
    BOX_TEST(empty_file),
    BOX_TEST(all_bytes),
    BOX_TEST(byte_ranges),
    BOX_TEST(lines),
    BOX_TEST(names),
    BOX_TEST(missing_files),
    BOX_TEST(file_without_a_size),
    BOX_TEST(download_of_a_directory),
    BOX_TEST(array_too_small),
    BOX_TEST(reader_stops),
    BOX_TEST(many_at_once),
    BOX_TEST(modes_and_owners),
    BOX_TEST(five_gigabytes),
    CLIENT_TEST(resumed_downloads),
    BOX_TEST(replace),
    BOX_TEST(move),
    BOX_TEST(delete_files_and_directories),
    BOX_TEST(list_directories),
    BOX_TEST(search),
    BOX_TEST(hundreds_of_entries),
    BOX_TEST(lister_stops),
    BOX_TEST(in_an_isolated_session),
};

RUN_IN_ALL_VARIANTS(tests, NULL, NULL)
