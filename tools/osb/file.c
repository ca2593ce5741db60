/* osb file ... */
#include "osb.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESUMPTIONS 5

/* False after a complaint. 0644 is 644 here: the digits are what counts. */
static bool read_mode(const args *a, uint32_t *mode)
{
    const char *word = flag_text(a, F_MODE);
    uint64_t number = 0;
    if (word == NULL) return true;
    if (word[strspn(word, "01234567")] != '\0' || !read_number(word, 7777, &number)) {
        usage(a, "--mode %s is not a mode such as 644 or 755", word);
        return false;
    }
    if (number == 0) {
        usage(a, "--mode %s: for OpenSandbox no mode is the usual one; run chmod in the sandbox",
              word);
        return false;
    }
    if (number > 777) { /* setuid, setgid and sticky would be lost without a word */
        usage(a, "--mode %s: OpenSandbox sets three digits; run chmod in the sandbox", word);
        return false;
    }
    *mode = (uint32_t)number;
    return true;
}

static bool read_rights(const args *a, rights *to)
{
    to->owner = flag_text(a, F_OWNER);
    to->group = flag_text(a, F_GROUP);
    return read_mode(a, &to->mode);
}

/* True for latin-1; *wrong for what is not known. */
static bool is_latin(const args *a, bool *wrong)
{
    static const char *const names[] = {"utf-8", "utf8", "ascii", "latin-1", "iso-8859-1"};
    const char *name = flag_text(a, F_ENCODING);
    size_t i = 0;
    *wrong = false;
    if (name == NULL) return false;
    while (i < COUNT(names) && !same(names[i], name)) i++;
    *wrong = i == COUNT(names);
    if (*wrong) usage(a, "--encoding %s is neither utf-8 nor latin-1", name);
    return i >= 3;
}

/* ---- content ---------------------------------------------------------------------------------*/

static int write_latin(void *user, const void *data, size_t size)
{
    const unsigned char *at = data;
    text utf8 = {0};
    int ended;
    for (; size > 0; size--, at++) {
        if (*at >= 0x80) add_char(&utf8, (char)(0xc0 | *at >> 6));
        add_char(&utf8, (char)(*at >= 0x80 ? 0x80 | (*at & 63) : *at));
    }
    ended = write_data(user, utf8.data, utf8.size);
    clear(&utf8);
    return ended;
}

/* To stdout. */
static int print_file(const args *a, bool latin)
{
    osb_sandbox box;
    osb_read_options options = {0};
    osb_status status = connect_sandbox(a->words[0], &box);
    options.resumptions = RESUMPTIONS;
    if (status == OSB_OK)
        status = osb_file_read(&box, a->words[1], &options, latin ? write_latin : write_data, NULL,
                               NULL);
    return status == OSB_OK ? EXIT_FINE : failed(status);
}

int do_file_cat(const args *a)
{
    bool wrong, latin = is_latin(a, &wrong);
    return wrong ? EXIT_USAGE : print_file(a, latin);
}

/* UTF-8 to latin-1, in place; false: there is a character that it does not have. */
static bool to_latin(text *t)
{
    size_t from, to = 0;
    for (from = 0; from < t->size; from++) {
        unsigned char c = (unsigned char)t->data[from];
        if (c >= 0x80) {
            if ((c != 0xc2 && c != 0xc3) || from + 1 == t->size) return false;
            c = (unsigned char)(c << 6 | ((unsigned char)t->data[++from] & 63));
        }
        t->data[to++] = (char)c;
    }
    t->size = to;
    return true;
}

/* Polls, so that a signal cannot come just before a read that does not end. */
static int read_source(void *user, void *data, size_t size)
{
    struct pollfd source = {*(int *)user, POLLIN, 0};
    ssize_t n;
    do {
        while (poll(&source, 1, 100) <= 0) {
            attend_signals();
            if (was_interrupted()) return -100;
        }
        n = read(source.fd, data, size > 65536 ? 65536 : size);
    } while (n < 0 &&
             (errno == EINTR || errno == EAGAIN)); /* another reader may have been faster */
    if (n < 0) complain("cannot read: %s", strerror(errno));
    return n < 0 ? -100 : (int)n;
}

static int finish_write(const char *path, osb_status status)
{
    if (status != OSB_OK && was_interrupted()) return say_interrupted();
    if (status == OSB_E_CANCELLED) return EXIT_FAILED; /* read_source said why */
    if (status != OSB_OK) return failed(status);
    return show_done("Written: %s", path);
}

/* From a file or a pipe, as it comes. */
static int write_stream(const args *a, osb_sandbox *box, osb_upload *upload)
{
    const char *from = a->word_count > 2 ? a->words[2] : "-";
    struct stat about;
    int fd = same(from, "-") ? STDIN_FILENO : open(from, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &about) != 0 || S_ISDIR(about.st_mode)) {
        complain("cannot read %s: %s", from, fd < 0 ? strerror(errno) : "it is a directory");
        return EXIT_FAILED;
    }
    if (isatty(fd)) remark("reading what you type; Ctrl-D ends it");
    upload->user = &fd;
    upload->read_body = read_source;
    upload->body_size_unknown = true;
    return finish_write(a->words[1], osb_file_upload(box, upload, 1, false));
}

static int write_text(const args *a, osb_sandbox *box, osb_upload *upload, text *content,
                      bool latin)
{
    if (latin && !to_latin(content)) {
        complain("the content has a character that latin-1 does not have");
        return EXIT_FAILED;
    }
    upload->body = content->data;
    upload->body_size = content->size;
    return finish_write(a->words[1], osb_file_upload(box, upload, 1, true));
}

int do_file_write(const args *a)
{
    osb_sandbox box;
    osb_upload upload = {0};
    rights wanted = {0};
    text content = {0};
    bool wrong, latin = is_latin(a, &wrong);
    osb_status status;
    if (wrong || !read_rights(a, &wanted)) return EXIT_USAGE;
    if (has(a, F_CONTENT) && a->word_count > 2) return usage(a, "--content or a file, not both");
    upload.path = a->words[1];
    upload.owner = wanted.owner;
    upload.group = wanted.group;
    upload.mode = wanted.mode;
    add_string(&content, has(a, F_CONTENT) ? flag_text(a, F_CONTENT) : "");
    if (!has(a, F_CONTENT) && latin && !read_file(a->word_count > 2 ? a->words[2] : "-", &content))
        return EXIT_FAILED;
    status = connect_sandbox(a->words[0], &box);
    if (status != OSB_OK) return failed(status);
    if (!has(a, F_CONTENT) && !latin) return write_stream(a, &box, &upload);
    return write_text(a, &box, &upload, &content, latin);
}

/* ---- upload, download ------------------------------------------------------------------------*/

static const char *base_name(const char *path)
{
    size_t size = strlen(path), start;
    while (size > 1 && path[size - 1] == '/') size--;
    for (start = size; start > 0 && path[start - 1] != '/'; start--) continue;
    return keep_text(path + start, size - start);
}

static bool ends_with_slash(const char *path)
{
    return *path != '\0' && path[strlen(path) - 1] == '/';
}

int do_file_upload(const args *a)
{
    osb_sandbox box;
    rights wanted = {0};
    struct stat about;
    const char *local = a->words[1], *remote = a->words[2];
    osb_status status;
    int code;
    if (!read_rights(a, &wanted)) return EXIT_USAGE;
    if (stat(local, &about) != 0) {
        complain("cannot read %s: %s", local, strerror(errno));
        return EXIT_FAILED;
    }
    if (S_ISDIR(about.st_mode) && !has(a, F_RECURSIVE))
        return usage(a, "%s is a directory: say --recursive", local);
    if (!S_ISDIR(about.st_mode) && ends_with_slash(remote)) {
        if (is_expanded(base_name(local))) return refuse_expanded("upload", local);
        remote = formatted("%s%s", remote, base_name(local));
    }
    status = connect_sandbox(a->words[0], &box);
    if (status != OSB_OK) return failed(status);
    code = S_ISDIR(about.st_mode) ? upload_directory(&box, local, remote, &wanted)
                                  : upload_file(&box, local, remote, &wanted);
    if (code == EXIT_FINE) show_done("Uploaded: %s -> %s", local, remote);
    return code;
}

static bool is_directory(const osb_file_info *info)
{
    return osb_str_equal(info->type, "directory");
}

static int download(const args *a, osb_sandbox *box, const char *local, const osb_file_info *info)
{
    const char *remote = a->words[1];
    struct stat about;
    if (is_directory(info) && !has(a, F_RECURSIVE))
        return usage(a, "%s is a directory: say --recursive", remote);
    if (is_directory(info)) return download_directory(box, local, remote);
    if (ends_with_slash(local) || (stat(local, &about) == 0 && S_ISDIR(about.st_mode)))
        local = formatted("%s%s%s", local, ends_with_slash(local) ? "" : "/", base_name(remote));
    return download_file(box, local, info);
}

int do_file_download(const args *a)
{
    osb_sandbox box;
    osb_file_info info;
    const char *local = a->words[2];
    osb_status status;
    int code;
    if (same(local, "-")) return print_file(a, false);
    status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = osb_file_get_info(&box, a->words[1], &info);
    if (status != OSB_OK) return failed(status);
    code = download(a, &box, local, &info);
    if (code == EXIT_FINE) show_done("Downloaded: %s -> %s", a->words[1], local);
    return code;
}

/* ---- what files there are --------------------------------------------------------------------*/

static int put_file(void *user, const osb_file_info *file)
{
    node *v = put_map(user, NULL);
    put_view(v, "path", file->requested.data != NULL ? file->requested : file->path);
    put_view(v, "entry_type", file->type);
    put_number(v, "mode", file->mode);
    put_view(v, "owner", file->owner);
    put_view(v, "group", file->group);
    put_number(v, "size", file->size_bytes);
    put_view(v, "modified_at", file->modified_at);
    put_view(v, "created_at", file->created_at);
    return 0;
}

static int show_files(osb_status status, const node *list, const char *columns)
{
    if (status != OSB_OK) return failed(status);
    if (list->first == NULL && config.output == 't') remark("no files found");
    else show(list, columns);
    return EXIT_FINE;
}

int do_file_info(const args *a)
{
    osb_sandbox box;
    node *list = put_list(NULL, NULL);
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK)
        status = osb_file_get_infos(&box, a->words + 1, a->word_count - 1, put_file, list);
    return show_files(status, list, "path size mode owner group created_at modified_at");
}

int do_file_search(const args *a)
{
    osb_sandbox box;
    node *list = put_list(NULL, NULL);
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK)
        status = osb_file_search(&box, a->words[1], flag_text(a, F_PATTERN), put_file, list);
    return show_files(status, list, "path size owner");
}

int do_file_ls(const args *a)
{
    osb_sandbox box;
    osb_list_options options = {{false, 0}, false};
    node *list = put_list(NULL, NULL);
    osb_status status = connect_sandbox(a->words[0], &box);
    options.recursive = has(a, F_RECURSIVE);
    if (status == OSB_OK) status = osb_directory_list(&box, a->words[1], &options, put_file, list);
    return show_files(status, list, "path type=entry_type size mode owner modified_at");
}

/* ---- changes ---------------------------------------------------------------------------------*/

static int show_paths(osb_status status, const args *a, const char *what)
{
    node *rows = put_list(NULL, NULL), *row;
    size_t i;
    if (status != OSB_OK) return failed(status);
    for (i = 1; i < a->word_count; i++) {
        row = put_map(rows, NULL);
        put_text(row, "path", a->words[i]);
        put_text(row, "status", what);
    }
    return show(rows, "path status");
}

int do_file_rm(const args *a)
{
    osb_sandbox box;
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = osb_file_delete(&box, a->words + 1, a->word_count - 1);
    return show_paths(status, a, "deleted");
}

int do_file_rmdir(const args *a)
{
    osb_sandbox box;
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = osb_directory_delete(&box, a->words + 1, a->word_count - 1);
    return show_paths(status, a, "removed");
}

int do_file_mkdir(const args *a)
{
    osb_sandbox box;
    size_t count = a->word_count - 1, i;
    osb_permission *items = keep((count + 1) * sizeof *items);
    rights wanted = {0};
    osb_status status;
    if (!read_rights(a, &wanted)) return EXIT_USAGE;
    for (i = 0; i < count; i++) items[i] = permission_of(a->words[i + 1], &wanted);
    status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = osb_directory_create(&box, items, count);
    return show_paths(status, a, "created");
}

int do_file_mv(const args *a)
{
    osb_sandbox box;
    osb_move move = {a->words[1], a->words[2]};
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = osb_file_move(&box, &move, 1);
    if (status != OSB_OK) return failed(status);
    return show_done("Moved: %s -> %s", move.from, move.to);
}

int do_file_chmod(const args *a)
{
    osb_sandbox box;
    osb_permission item;
    rights wanted = {0};
    osb_status status;
    if (!has(a, F_MODE) && !has(a, F_OWNER) && !has(a, F_GROUP))
        return usage(a, "--mode is missing");
    if (!read_rights(a, &wanted)) return EXIT_USAGE;
    item = permission_of(a->words[1], &wanted);
    status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = osb_file_set_permissions(&box, &item, 1);
    if (status != OSB_OK) return failed(status);
    return show_done("Permissions set: %s", item.path);
}

static int on_replaced(void *user, const osb_replaced *replaced)
{
    *(uint64_t *)user += replaced->count;
    return 0;
}

int do_file_replace(const args *a)
{
    osb_sandbox box;
    osb_replacement item = {a->words[1], flag_text(a, F_OLD), flag_text(a, F_NEW)};
    uint64_t count = 0;
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = osb_file_replace(&box, &item, 1, on_replaced, &count);
    if (status != OSB_OK) return failed(status);
    return show_done("Replaced in: %s (%n times)", item.path, count);
}
