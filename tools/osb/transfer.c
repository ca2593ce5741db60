/* Uploads and downloads: progress, directories, going on where an earlier try ended. */
#include "osb.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PIECE ((uint64_t)8 << 20) /* a larger file is sent in pieces of this size */
#define BLOCK ((uint64_t)1 << 20) /* and goes on at a multiple of this one */
#define TRIES 5
#define BATCH 32 /* small files in one request */

/* ---- progress --------------------------------------------------------------------------------*/

static struct {
    const char *name;
    uint64_t total, done, before; /* before: already there when it began */
    uint64_t began_ms, shown_ms;
    bool on;
} progress;

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* "12.3 MB" */
static void add_size(text *to, uint64_t size)
{
    static const char *const units[] = {" B", " kB", " MB", " GB", " TB"};
    size_t unit = 0;
    uint64_t tenths = size * 10;
    for (; tenths >= 10000 && unit + 1 < COUNT(units); unit++) tenths /= 1000;
    add_number(to, tenths / 10, 1);
    if (unit > 0) {
        add_char(to, '.');
        add_number(to, tenths % 10, 1);
    }
    add_string(to, units[unit]);
}

/* A text's end: what of it stays on one line of the terminal, where a longer one would scroll. */
static const char *fitting(const char *line)
{
    struct winsize size;
    size_t width = width_of(line);
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return line;
    for (; width >= size.ws_col; line++) width -= (line[1] & 0xc0) != 0x80;
    return line;
}

static void show_progress(void)
{
    uint64_t passed = now_ms() - progress.began_ms;
    uint64_t rate = passed == 0 ? 0 : (progress.done - progress.before) * 1000 / passed;
    uint64_t left = rate == 0 ? 0 : (progress.total - progress.done) / rate;
    uint64_t percent = progress.total == 0 ? 100 : progress.done * 100 / progress.total;
    text line = {0}, shown = {0};
    add_format(&line, "%s  %n%%  ", progress.name, percent);
    make_plain(line.data, line.size);
    add_size(&line, progress.done);
    add_string(&line, "  ");
    add_size(&line, rate);
    add_format(&line, "/s  %n:", left / 60);
    add_number(&line, left % 60, 2);
    add_string(&line, " left");
    add_format(&shown, "\r%s\033[K", fitting(line.data));
    write_all(STDERR_FILENO, shown.data, shown.size);
    clear(&line);
    clear(&shown);
}

static void progress_begin(const char *name, uint64_t total, uint64_t done)
{
    progress.name = name;
    progress.total = total;
    progress.done = progress.before = done;
    progress.began_ms = progress.shown_ms = now_ms();
    progress.on = !config.quiet && is_terminal(STDERR_FILENO);
}

static void progress_to(uint64_t done)
{
    progress.done = done > progress.total ? progress.total : done;
    if (!progress.on || now_ms() - progress.shown_ms < 100) return;
    progress.shown_ms = now_ms();
    show_progress();
}

static void progress_end(void)
{
    if (progress.on) {
        show_progress();
        write_all(STDERR_FILENO, "\n", 1);
    }
    progress.on = false;
}

/* ---- both ways -------------------------------------------------------------------------------*/

static int local_failure(const char *verb, const char *path)
{
    complain("cannot %s %s: %s", verb, path, strerror(errno));
    return EXIT_FAILED;
}

/* Whether another try makes sense, after a pause that grows. */
static bool worth_a_try(osb_status status, unsigned tries)
{
    struct timespec pause = {0, 0};
    if (tries >= TRIES || was_interrupted()) return false;
    if (status != OSB_E_CLOSED && status != OSB_E_CONNECT && status != OSB_E_TIMEOUT &&
        status != OSB_E_VERIFY)
        return false;
    pause.tv_sec = tries;
    pause.tv_nsec = 200000000;
    nanosleep(&pause, NULL);
    attend_signals();
    return !was_interrupted();
}

static char *joined(const char *directory, const char *name)
{
    size_t size = strlen(directory);
    return formatted("%s%s%s", directory, size > 0 && directory[size - 1] == '/' ? "" : "/", name);
}

static mode_t mode_bits(uint32_t digits)
{
    return (mode_t)((digits / 100 % 10) << 6 | (digits / 10 % 10) << 3 | digits % 10);
}

static uint32_t mode_digits(mode_t bits)
{
    return (uint32_t)((bits >> 6 & 7) * 100 + (bits >> 3 & 7) * 10 + (bits & 7));
}

/* Of cksum(1). */
static uint32_t crc_byte(uint32_t crc, unsigned byte)
{
    static uint32_t table[256];
    uint32_t i, bit;
    if (table[1] == 0)
        for (i = 0; i < 256; i++)
            for (table[i] = i << 24, bit = 0; bit < 8; bit++)
                table[i] = table[i] << 1 ^ ((table[i] >> 31) != 0 ? 0x04c11db7u : 0);
    return crc << 8 ^ table[(crc >> 24 ^ byte) & 255];
}

/* execd makes $NAME, ${NAME}, $1 of a path what they stand for, and there is no way to write a $ that
   stays: what has such a name would be taken for another. */
bool is_expanded(const char *path)
{
    static const char behind[] = "{*#$@!?-_0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (path = strchr(path, '$'); path != NULL; path = strchr(path + 1, '$'))
        if (path[1] != '\0' && strchr(behind, path[1]) != NULL) return true;
    return false;
}

int refuse_expanded(const char *verb, const char *path)
{
    complain("cannot %s %s: the $ in its name would be read as a variable; rename it, or use an "
             "archive",
             verb, path);
    return EXIT_FAILED;
}

osb_permission permission_of(const char *path, const rights *wanted)
{
    osb_permission p = {0};
    p.path = path;
    p.owner = wanted->owner;
    p.group = wanted->group;
    p.mode = wanted->mode;
    return p;
}

/* ---- download --------------------------------------------------------------------------------*/

typedef struct incoming {
    int fd;
    uint64_t done;
    bool broken;
} incoming;

static int take(void *user, const void *data, size_t size)
{
    incoming *in = user;
    attend_signals();
    in->broken = !write_all(in->fd, data, size);
    if (in->broken) return 1;
    in->done += size;
    progress_to(in->done);
    return 0;
}

static void set_time(int fd, int64_t unix_s)
{
    struct timespec times[2];
    times[0].tv_sec = times[1].tv_sec = (time_t)unix_s;
    times[0].tv_nsec = times[1].tv_nsec = 0;
    futimens(fd, times);
}

/* Where it is collected: beside the target, under a name that says of what it is a part, so that no
   file of somebody else's is taken for it. */
static char *part_of(const char *local, uint64_t size, int64_t modified)
{
    const char *slash = strrchr(local, '/'), *name = slash == NULL ? local : slash + 1, *at;
    uint32_t sum = 0;
    if (strlen(name) <= 200) return formatted("%s.%n-%n.part", local, size, (uint64_t)modified);
    for (at = name; *at != '\0'; at++) sum = crc_byte(sum, (unsigned char)*at);
    return formatted("%sosb-%n.%n-%n.part", keep_text(local, (size_t)(name - local)), (uint64_t)sum,
                     size, (uint64_t)modified);
}

/* Whether it is a part, and nobody else's by now: another osb may have given it its last name. */
static bool is_part(int fd, const char *part, uint64_t size, struct stat *about)
{
    struct stat there;
    bool fits =
        fstat(fd, about) == 0 && S_ISREG(about->st_mode) && (uint64_t)about->st_size <= size;
    errno = EEXIST;
    return fits && lstat(part, &there) == 0 && there.st_ino == about->st_ino;
}

/* Opens it for this osb alone. What an earlier try left bears the remote file's time; otherwise it
   begins anew. False after a complaint: what stands there stays. */
static bool open_part(incoming *in, const char *part, uint64_t size, int64_t modified)
{
    struct stat about;
    in->fd = open(part, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (in->fd >= 0 && flock(in->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        complain("cannot write %s: another osb does", part);
    } else if (in->fd < 0 || !is_part(in->fd, part, size, &about)) {
        local_failure("write", part);
    } else {
        if (modified != 0 && (int64_t)about.st_mtime == modified)
            in->done = (uint64_t)about.st_size;
        if (in->done > 0 || ftruncate(in->fd, 0) == 0) return true;
        local_failure("write", part);
    }
    if (in->fd >= 0) close(in->fd);
    return false;
}

static bool already_there(const char *local, uint64_t size, int64_t modified)
{
    struct stat about;
    return modified != 0 && stat(local, &about) == 0 && S_ISREG(about.st_mode) &&
           (int64_t)about.st_mtime == modified && (uint64_t)about.st_size == size;
}

/* Directories that were made, the last one first: each gets its mode when all is in it;
   its owner may go on. */
typedef struct made {
    const char *path;
    uint32_t mode;
    struct made *before;
} made;

/* It may be there already, and stays as it is, but not as a file. */
static bool make_directory(const char *path, uint32_t mode, made **last)
{
    struct stat about;
    if (mkdir(path, mode == 0 ? 0777 : 0700) == 0) {
        made *m = keep(sizeof *m);
        m->path = path;
        m->mode = mode;
        m->before = *last;
        *last = m;
        return true;
    }
    if (errno != EEXIST) return false;
    if (stat(path, &about) == 0 && S_ISDIR(about.st_mode)) return true;
    errno = EEXIST;
    return false;
}

static int give_modes(const made *m)
{
    int code = EXIT_FINE;
    for (; m != NULL; m = m->before)
        if (m->mode != 0 && chmod(m->path, mode_bits(m->mode) | 0700) != 0)
            code = local_failure("change the mode of", m->path);
    return code;
}

bool make_parents(const char *path, mode_t mode)
{
    const char *at;
    for (at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/'))
        if (mkdir(keep_text(path, (size_t)(at - path)), mode) != 0 && errno != EEXIST) return false;
    return true;
}

/* Reads on until all is there; each try goes on where the last one broke. */
static osb_status fetch(osb_sandbox *box, const char *remote, incoming *in, uint64_t size)
{
    osb_read_options options = {0};
    osb_status status = OSB_OK;
    unsigned tries = 0;
    while (in->done < size) {
        options.offset_bytes = in->done;
        options.size_bytes = size - in->done;
        status = osb_file_read(box, remote, &options, take, in, NULL);
        if (status == OSB_OK || in->broken || !worth_a_try(status, ++tries)) break;
    }
    return status;
}

/* Into what is there and is no plain file, such as a pipe or a link: it stays what it is. */
static int download_into(osb_sandbox *box, const char *local, const char *remote, uint64_t size)
{
    incoming in = {-1, 0, false};
    osb_status status;
    in.fd = open(local, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (in.fd < 0) return local_failure("write", local);
    status = fetch(box, remote, &in, size);
    if (in.broken) local_failure("write", local);
    if (close(in.fd) != 0 && !in.broken) return local_failure("write", local);
    if (in.broken) return EXIT_FAILED;
    return status == OSB_OK ? EXIT_FINE : failed(status);
}

static int finish_download(const incoming *in, const char *part, const char *local, uint64_t size,
                           int64_t modified, uint32_t mode, osb_status status)
{
    bool whole = status == OSB_OK && in->done == size;
    if (whole) fchmod(in->fd, mode_bits(mode));
    if (modified != 0) set_time(in->fd, modified);
    if (in->broken) local_failure("write", part);
    if (!whole && (in->done == 0 || status == OSB_OK)) unlink(part); /* of no use to another try */
    if (close(in->fd) != 0 && !in->broken) return local_failure("write", part);
    if (in->broken) return EXIT_FAILED;
    if (whole) return rename(part, local) == 0 ? EXIT_FINE : local_failure("write", local);
    if (status == OSB_OK) {
        complain("%s has changed while it was read: run the same again", local);
        return EXIT_FAILED;
    }
    if (in->done > 0) remark("%s holds what came so far: the same again goes on from there", part);
    return failed(status);
}

int download_file(osb_sandbox *box, const char *local, const osb_file_info *info)
{
    /* info is good until the next call */
    const char *remote = keep_text(info->path.data, info->path.size);
    uint64_t size = info->size_bytes;
    int64_t modified = read_time(info->modified_at);
    uint32_t mode = info->mode;
    char *part = part_of(local, size, modified);
    incoming in = {-1, 0, false};
    struct stat about;
    osb_status status;
    bool there = lstat(local, &about) == 0;
    if (there && S_ISDIR(about.st_mode)) {
        errno = EISDIR;
        return local_failure("write", local);
    }
    if (there && !S_ISREG(about.st_mode)) return download_into(box, local, remote, size);
    if (already_there(local, size, modified)) return EXIT_FINE;
    if (!make_parents(local, 0777)) return local_failure("make the directories above", local);
    if (!open_part(&in, part, size, modified)) return EXIT_FAILED;
    if (in.done > 0) remark("going on from byte %n", in.done);
    progress_begin(local, size, in.done);
    status = fetch(box, remote, &in, size);
    progress_end();
    return finish_download(&in, part, local, size, modified, mode, status);
}

/* ---- download of directories -----------------------------------------------------------------*/

typedef struct entry {
    osb_file_info info;
    struct entry *next;
} entry;

typedef struct listing {
    entry *first, **end;
} listing;

static osb_str kept_view(osb_str view)
{
    osb_str copy = {NULL, 0};
    if (view.data == NULL) return copy;
    copy.data = keep_text(view.data, view.size);
    copy.size = view.size;
    return copy;
}

static int on_listed(void *user, const osb_file_info *info)
{
    listing *l = user;
    entry *e = keep(sizeof *e);
    e->info = *info;
    e->info.path = kept_view(info->path);
    e->info.type = kept_view(info->type);
    e->info.modified_at = kept_view(info->modified_at);
    *l->end = e;
    l->end = &e->next;
    return 0;
}

/* The part of a path below root. NULL if it is not below: a sandbox must not choose where we
   write. */
static const char *below(const char *root, const char *path)
{
    size_t size = strlen(root);
    const char *at;
    while (size > 0 && root[size - 1] == '/') size--;
    if (strncmp(path, root, size) != 0 || path[size] != '/') return NULL;
    path += size + 1;
    for (at = path; at != NULL && *at != '\0';) {
        size_t part = strcspn(at, "/");
        if (part == 0 || (part == 1 && *at == '.') || (part == 2 && begins(at, ".."))) return NULL;
        at += part;
        if (*at == '/') at++;
    }
    return *path == '\0' ? NULL : path;
}

static int download_entry(osb_sandbox *box, const char *local, const char *root, const entry *e,
                          made **last)
{
    const char *name = below(root, e->info.path.data);
    char *target;
    if (name == NULL || strlen(e->info.path.data) != e->info.path.size) {
        complain("%v is not in %s: left out", e->info.path, root);
        return EXIT_FAILED;
    }
    if (is_expanded(e->info.path.data)) return refuse_expanded("download", e->info.path.data);
    target = joined(local, name);
    if (osb_str_equal(e->info.type, "directory")) {
        return make_directory(target, e->info.mode, last) ? EXIT_FINE
                                                          : local_failure("make", target);
    }
    if (e->info.type.data != NULL && !osb_str_equal(e->info.type, "file")) {
        remark("%v is a %v: left out", e->info.path, e->info.type);
        return EXIT_FINE;
    }
    return download_file(box, target, &e->info);
}

int download_directory(osb_sandbox *box, const char *local, const char *remote)
{
    osb_list_options options = {{false, 0}, true};
    osb_file_info info;
    listing found = {NULL, NULL};
    made *last = NULL;
    uint32_t mode;
    const char *root;
    const entry *e;
    int code = EXIT_FINE, one;
    osb_status status = osb_file_get_info(box, remote, &info);
    if (status != OSB_OK) return failed(status);
    root = keep_text(info.path.data, info.path.size);
    mode = info.mode;
    found.end = &found.first;
    status = osb_directory_list(box, root, &options, on_listed, &found);
    if (status != OSB_OK) return failed(status);
    if (!make_parents(local, 0777) || !make_directory(local, mode, &last))
        return local_failure("make", local);
    for (e = found.first; e != NULL && !was_interrupted(); e = e->next) {
        one = download_entry(box, local, root, e, &last);
        if (one != EXIT_FINE) code = one;
    }
    one = give_modes(last);
    if (one != EXIT_FINE) code = one;
    return e != NULL && code == EXIT_FINE ? say_interrupted() : code;
}

/* ---- upload ----------------------------------------------------------------------------------*/

/* A file, or a piece of one, on its way. */
typedef struct outgoing {
    const char *path;
    int fd;
    uint64_t from, size, done;
} outgoing;

static void close_outgoing(outgoing *out)
{
    if (out->fd >= 0) close(out->fd);
    out->fd = -1;
}

/* False after a complaint: before anything is sent that others go with. A file of /proc says that it
   is empty, and is not. */
static bool open_outgoing(outgoing *out)
{
    char first;
    out->fd = open(out->path, O_RDONLY | O_CLOEXEC);
    if (out->fd < 0) {
        local_failure("read", out->path);
    } else if (out->size == 0 && pread(out->fd, &first, 1, 0) > 0) {
        complain("%s does not tell its size: osb file write takes it", out->path);
        close_outgoing(out);
    }
    return out->fd >= 0;
}

static int give(void *user, void *data, size_t size)
{
    outgoing *out = user;
    uint64_t left = out->size - out->done;
    ssize_t n;
    attend_signals();
    if (left == 0) return 0;
    if (size > 65536) size = 65536;
    n = pread(out->fd, data, left < size ? (size_t)left : size, (off_t)(out->from + out->done));
    if (n < 0) local_failure("read", out->path);
    if (n == 0) complain("%s is shorter than it was said to be", out->path);
    if (n <= 0) return -100;
    out->done += (uint64_t)n;
    progress_to(progress.done + (uint64_t)n);
    return (int)n;
}

static int give_again(void *user)
{
    outgoing *out = user;
    progress.done -= out->done;
    out->done = 0;
    return 0;
}

/* If give() ended it, it has said why. */
static int upload_failed(osb_status status)
{
    return status == OSB_E_CANCELLED && !was_interrupted() ? EXIT_FAILED : failed(status);
}

static void fill_upload(osb_upload *upload, outgoing *out, const char *remote, const rights *wanted,
                        mode_t mode)
{
    memset(upload, 0, sizeof *upload);
    upload->path = remote;
    upload->owner = wanted->owner;
    upload->group = wanted->group;
    upload->mode = wanted->mode != 0 ? wanted->mode : mode_digits(mode);
    upload->body_size = out->size;
    upload->user = out;
    upload->read_body = give;
    upload->rewind_body = give_again;
}

/* Sends, again if the connection breaks. */
static osb_status send_files(osb_sandbox *box, const osb_upload *uploads, size_t count)
{
    osb_status status;
    unsigned tries = 0;
    size_t i;
    do {
        for (i = 0; i < count; i++) give_again(uploads[i].user);
        status = osb_file_upload(box, uploads, count, true);
    } while (status != OSB_OK && worth_a_try(status, ++tries));
    return status;
}

static int upload_small(osb_sandbox *box, const char *local, const char *remote,
                        const rights *wanted, const struct stat *about)
{
    outgoing out = {local, -1, 0, (uint64_t)about->st_size, 0};
    osb_upload upload;
    osb_status status;
    if (!open_outgoing(&out)) return EXIT_FAILED;
    fill_upload(&upload, &out, remote, wanted, about->st_mode);
    progress_begin(local, out.size, 0);
    status = send_files(box, &upload, 1);
    progress_end();
    close_outgoing(&out);
    return status == OSB_OK ? EXIT_FINE : upload_failed(status);
}

/* ---- upload in pieces: what has arrived stays --------------------------------------------------*/

/* The API writes whole files only. So a large one goes in pieces, which dd in the sandbox puts where
   they belong in a file beside the target; its size says where to go on. A dd of an earlier try that
   still runs does no harm: it writes the same bytes to the same place. */
typedef struct large {
    osb_sandbox *box;
    outgoing out;
    char *collected; /* its absolute path in the sandbox */
    uint64_t size;
} large;

static bool run_shell(osb_sandbox *box, const char *script, const char *one, const char *two,
                      char *answer, size_t size, osb_status *status)
{
    const char *argv[] = {"sh", "-c", script, "sh", one, two, NULL};
    osb_command command = {0};
    osb_capture out = {answer, size, 0, false};
    osb_handlers handlers = {0};
    osb_execution run;
    command.argv = argv;
    handlers.capture_stdout = &out;
    *status = osb_command_run(box, &command, &handlers, &run);
    answer[out.length < size ? out.length : size - 1] = '\0';
    return *status == OSB_OK && run.exit_code.set && run.exit_code.value == 0;
}

/* Finds out what is there; makes the file if there is none. */
static osb_status find_collected(large *l, const char *remote, uint64_t *there)
{
    osb_file_info info;
    osb_status status = osb_file_get_info(l->box, remote, &info);
    if (status == OSB_E_NOT_FOUND) {
        status = osb_file_write(l->box, remote, "", 0);
        if (status == OSB_OK) status = osb_file_get_info(l->box, remote, &info);
    }
    if (status != OSB_OK) return status;
    *there = info.size_bytes < l->size ? info.size_bytes / BLOCK * BLOCK : info.size_bytes;
    if (l->collected == NULL) l->collected = keep_text(info.path.data, info.path.size);
    return OSB_OK;
}

static osb_status send_piece(large *l, uint64_t from)
{
    static const rights plain = {NULL, NULL, 600};
    osb_upload upload;
    osb_status status;
    char answer[8], *piece = formatted("%s.piece-%n", l->collected, from);
    l->out.from = from;
    l->out.done = 0;
    l->out.size = l->size - from < PIECE ? l->size - from : PIECE;
    fill_upload(&upload, &l->out, piece, &plain, 0);
    progress_to(from);
    status = osb_file_upload(l->box, &upload, 1, true);
    if (status != OSB_OK) return status;
    if (run_shell(l->box,
                  formatted("dd if=\"$1\" of=\"$2\" bs=1048576 seek=%n conv=notrunc 2>/dev/null && "
                            "rm -f \"$1\"",
                            from / BLOCK),
                  piece, l->collected, answer, sizeof answer, &status))
        return OSB_OK;
    return status == OSB_OK ? OSB_E_VERIFY : status;
}

static osb_status send_pieces(large *l, const char *remote)
{
    uint64_t there = 0;
    uint64_t before;
    unsigned tries = 0, in_vain = 0;
    osb_status status = find_collected(l, remote, &there);
    if (status == OSB_OK && there > 0) remark("going on from byte %n", there);
    progress_begin(l->out.path, l->size, there);
    while (status == OSB_OK && there < l->size) {
        before = there;
        status = send_piece(l, there);
        if (status != OSB_OK && !worth_a_try(status, ++tries)) break;
        status = find_collected(l, remote, &there);
        if (status == OSB_OK && there <= before && ++in_vain == TRIES) status = OSB_E_VERIFY;
    }
    if (status == OSB_OK) progress_to(l->size);
    progress_end();
    return status;
}

/* ---- the checksum of cksum(1) ----------------------------------------------------------------*/

static bool checksum(const char *path, uint64_t size, uint32_t *sum)
{
    static unsigned char data[16384];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    uint32_t crc = 0;
    uint64_t count = 0;
    ssize_t n = -1, i;
    while (fd >= 0 && (n = read(fd, data, sizeof data)) > 0) {
        for (i = 0; i < n; i++) crc = crc_byte(crc, data[i]);
        count += (uint64_t)n;
    }
    if (fd >= 0) close(fd);
    if (n != 0 || count != size) return false;
    for (; count > 0; count >>= 8) crc = crc_byte(crc, (unsigned)(count & 255));
    *sum = ~crc;
    return true;
}

/* What is there now must be what is here. Where there is no cksum, the size must do. */
static bool is_equal(large *l, osb_status *status)
{
    char answer[64];
    uint32_t sum;
    uint64_t there;
    if (!run_shell(l->box, "cksum <\"$1\"", l->collected, NULL, answer, sizeof answer, status))
        return *status == OSB_OK;
    answer[strcspn(answer, " \t")] = '\0';
    return checksum(l->out.path, l->size, &sum) && read_number(answer, UINT32_MAX, &there) &&
           there == sum;
}

static bool is_remote_directory(osb_sandbox *box, const char *remote)
{
    osb_file_info info;
    return osb_file_get_info(box, remote, &info) == OSB_OK && osb_str_equal(info.type, "directory");
}

static int upload_large(osb_sandbox *box, const char *local, const char *remote,
                        const rights *wanted, const struct stat *about)
{
    large l = {0};
    osb_permission permission;
    osb_status status;
    char *beside =
        formatted("%s.%n-%n.part", remote, (uint64_t)about->st_size, (uint64_t)about->st_mtime);
    char answer[8], *target;
    l.box = box;
    l.out.path = local;
    l.size = l.out.size = (uint64_t)about->st_size;
    if (is_remote_directory(box, remote)) {
        complain("cannot upload %s: %s is a directory", local, remote);
        return EXIT_FAILED;
    }
    if (!open_outgoing(&l.out)) return EXIT_FAILED;
    status = send_pieces(&l, beside);
    close_outgoing(&l.out);
    if (status != OSB_OK) {
        remark("what has arrived is kept: the same again goes on from there");
        if (status != OSB_E_VERIFY) return upload_failed(status);
        complain("what arrived of %s is not what was sent: is the sandbox's disk full?", local);
        return EXIT_FAILED;
    }
    if (!is_equal(&l, &status)) {
        if (status != OSB_OK) return failed(status);
        run_shell(box, "rm -f \"$1\" \"$1\".piece-*", l.collected, NULL, answer, sizeof answer,
                  &status);
        complain("%s has changed while it was sent: run the same again", local);
        return EXIT_FAILED;
    }
    target = keep_text(l.collected, strlen(l.collected) - (strlen(beside) - strlen(remote)));
    permission = permission_of(l.collected, wanted);
    if (permission.mode == 0) permission.mode = mode_digits(about->st_mode);
    status = osb_file_set_permissions(box, &permission, 1);
    if (status == OSB_OK &&
        !run_shell(box, "[ ! -d \"$2\" ] && mv -f \"$1\" \"$2\" && rm -f \"$1\".piece-*",
                   l.collected, target, answer, sizeof answer, &status)) {
        if (status == OSB_OK) complain("cannot rename %s to %s", l.collected, target);
        if (status == OSB_OK) return EXIT_FAILED;
    }
    return status == OSB_OK ? EXIT_FINE : failed(status);
}

/* False after a complaint. */
static bool can_be_named(const char *local, const char *remote)
{
    if (is_utf8(remote)) return true;
    complain("cannot upload %s: its name is " NOT_UTF8 "; rename it, or send it in an archive",
             local);
    return false;
}

int upload_file(osb_sandbox *box, const char *local, const char *remote, const rights *wanted)
{
    struct stat about;
    if (!can_be_named(local, remote)) return EXIT_FAILED;
    if (stat(local, &about) != 0) return local_failure("read", local);
    if (!S_ISREG(about.st_mode)) {
        complain("%s is not a file: osb file write takes pipes", local);
        return EXIT_FAILED;
    }
    return ((uint64_t)about.st_size > PIECE ? upload_large : upload_small)(box, local, remote,
                                                                           wanted, &about);
}

/* ---- upload of directories -------------------------------------------------------------------*/

/* Small files wait until there are enough for a request. */
typedef struct batch {
    osb_sandbox *box;
    const rights *rights;
    osb_upload uploads[BATCH];
    outgoing out[BATCH];
    size_t count;
    uint64_t size;
    int code;
} batch;

static void send_batch(batch *b)
{
    size_t i;
    osb_status status;
    if (b->count == 0 || was_interrupted()) return;
    progress_begin(b->out[b->count - 1].path, b->size, 0);
    status = send_files(b->box, b->uploads, b->count);
    progress_end();
    for (i = 0; i < b->count; i++) close_outgoing(&b->out[i]);
    b->count = 0;
    b->size = 0;
    if (status != OSB_OK) b->code = upload_failed(status);
}

static void add_to_batch(batch *b, const char *local, const char *remote, const struct stat *about)
{
    outgoing *out = &b->out[b->count];
    if ((uint64_t)about->st_size > PIECE) {
        int code = upload_large(b->box, local, remote, b->rights, about);
        if (code != EXIT_FINE) b->code = code;
        return;
    }
    memset(out, 0, sizeof *out);
    out->path = local;
    out->size = (uint64_t)about->st_size;
    if (!open_outgoing(out)) {
        b->code = EXIT_FAILED;
        return;
    }
    fill_upload(&b->uploads[b->count], out, remote, b->rights, about->st_mode);
    b->count++;
    b->size += out->size;
    if (b->count == BATCH || b->size > PIECE) send_batch(b);
}

static void make_remote(batch *b, const char *remote, mode_t mode)
{
    osb_permission item = permission_of(remote, b->rights);
    osb_status status;
    item.mode = mode_digits(mode | 0700);
    status = osb_directory_create(b->box, &item, 1);
    if (status != OSB_OK) b->code = failed(status);
}

/* Directories that are still to be read, as a list: no recursion, however deep they are. */
typedef struct pending {
    char *local, *remote;
    struct pending *next;
} pending;

static void add_entry(batch *b, pending *directory, const char *name, pending **rest)
{
    char *local = joined(directory->local, name), *remote = joined(directory->remote, name);
    struct stat about;
    pending *p;
    if (!can_be_named(local, remote)) {
        b->code = EXIT_FAILED;
    } else if (is_expanded(name)) {
        b->code = refuse_expanded("upload", local);
    } else if (stat(local, &about) != 0) {
        b->code = local_failure("read", local);
    } else if (S_ISREG(about.st_mode)) {
        add_to_batch(b, local, remote, &about);
    } else if (S_ISDIR(about.st_mode) && lstat(local, &about) == 0 && S_ISDIR(about.st_mode)) {
        p = keep(sizeof *p);
        p->local = local;
        p->remote = remote;
        p->next = *rest;
        *rest = p;
    } else {
        remark("%s is no file: left out", local);
    }
}

/* NULL: there is no more, or, with errno, it cannot be read. */
static struct dirent *next_entry(DIR *d)
{
    errno = 0;
    return readdir(d);
}

static void read_directory(batch *b, pending *directory, pending **rest)
{
    struct stat about;
    struct dirent *e = NULL;
    DIR *d = opendir(directory->local);
    if (d == NULL || stat(directory->local, &about) != 0) {
        b->code = local_failure("read", directory->local);
        if (d != NULL) closedir(d);
        return;
    }
    make_remote(b, directory->remote, about.st_mode);
    while (!was_interrupted() && (e = next_entry(d)) != NULL)
        if (!same(e->d_name, ".") && !same(e->d_name, ".."))
            add_entry(b, directory, e->d_name, rest);
    if (!was_interrupted() && e == NULL && errno != 0)
        b->code = local_failure("read", directory->local);
    closedir(d);
}

int upload_directory(osb_sandbox *box, const char *local, const char *remote, const rights *wanted)
{
    batch *b = keep(sizeof *b);
    pending first = {NULL, NULL, NULL}, *rest = &first, *directory;
    b->box = box;
    b->rights = wanted;
    first.local = keep_text(local, strlen(local));
    first.remote = keep_text(remote, strlen(remote));
    while (rest != NULL && !was_interrupted()) {
        directory = rest;
        rest = rest->next;
        read_directory(b, directory, &rest);
    }
    send_batch(b);
    return was_interrupted() && b->code == EXIT_FINE ? say_interrupted() : b->code;
}
