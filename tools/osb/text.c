/* Memory, text, numbers, input and output: no stdio, which would be a sixth of the program. */
#include "osb.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- memory ----------------------------------------------------------------------------------*/

typedef struct block {
    struct block *before;
    size_t size, used;
} block;
static block *newest;

static void out_of_memory(void)
{
    static const char line[] = "osb: out of memory\n";
    write_all(STDERR_FILENO, line, sizeof line - 1);
    _exit(EXIT_FAILED);
}

void *keep(size_t size)
{
    char *at;
    size = (size + 15) & ~(size_t)15;
    if (newest == NULL || newest->size - newest->used < size) {
        size_t room = size > 4000 ? size : 4000;
        block *b = malloc(sizeof *b + room);
        if (b == NULL) out_of_memory();
        b->before = newest;
        b->size = room;
        b->used = 0;
        newest = b;
    }
    at = (char *)(newest + 1) + newest->used;
    newest->used += size;
    memset(at, 0, size);
    return at;
}

char *keep_text(const char *data, size_t size)
{
    char *copy = keep(size + 1);
    if (size > 0) memcpy(copy, data, size);
    return copy;
}

mark memory_mark(void)
{
    mark here = {newest, newest == NULL ? 0 : newest->used};
    return here;
}

void forget(mark since)
{
    while (newest != since.block) {
        block *before = newest->before;
        free(newest);
        newest = before;
    }
    if (newest != NULL) newest->used = since.used;
}

/* ---- text ------------------------------------------------------------------------------------*/

void add(text *to, const char *data, size_t size)
{
    if (to->room - to->size < size + 1) {
        size_t room = to->size + size + 1;
        char *larger;
        room += room / 2 + 64;
        larger = realloc(to->data, room);
        if (larger == NULL) out_of_memory();
        to->data = larger;
        to->room = room;
    }
    if (size > 0) memcpy(to->data + to->size, data, size);
    to->size += size;
    to->data[to->size] = '\0';
}

void add_char(text *to, char c)
{
    add(to, &c, 1);
}

void add_string(text *to, const char *string)
{
    add(to, string, strlen(string));
}

void add_number(text *to, uint64_t number, unsigned width)
{
    char digits[20];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0 || sizeof digits - at < width);
    add(to, digits + at, sizeof digits - at);
}

void add_format_list(text *to, const char *format, va_list list)
{
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            add_char(to, *format);
            continue;
        }
        format++;
        if (*format == 's') {
            add_string(to, va_arg(list, const char *));
        } else if (*format == 'v') {
            osb_str view = va_arg(list, osb_str);
            add(to, view.data, view.size);
        } else if (*format == 'u') {
            add_number(to, va_arg(list, unsigned), 1);
        } else if (*format == 'n') {
            add_number(to, va_arg(list, uint64_t), 1);
        } else {
            add_char(to, *format);
        }
    }
}

void add_format(text *to, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    add_format_list(to, format, list);
    va_end(list);
}

char *formatted(const char *format, ...)
{
    text t = {0};
    char *kept;
    va_list list;
    va_start(list, format);
    add_format_list(&t, format, list);
    va_end(list);
    kept = keep_text(t.data, t.size);
    free(t.data);
    return kept;
}

void make_plain(char *at, size_t size)
{
    for (; size > 0; at++, size--) {
        unsigned char c = (unsigned char)*at;
        if (c < ' ' || c == 127) *at = ' ';
        else if (c == 0xc2 && size > 1 && (unsigned char)at[1] < 0xa0) at[1] = (char)0xa0;
    }
}

void clear(text *t)
{
    volatile char *at = t->data;
    size_t i;
    for (i = 0; i < t->size; i++) at[i] = 0;
    free(t->data);
    memset(t, 0, sizeof *t);
}

/* ---- reading numbers and times ---------------------------------------------------------------*/

bool same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

bool begins(const char *string, const char *with)
{
    return strncmp(string, with, strlen(with)) == 0;
}

bool is_digits(const char *string)
{
    return *string != '\0' && string[strspn(string, "0123456789")] == '\0';
}

bool read_number(const char *string, uint64_t max, uint64_t *number)
{
    uint64_t n = 0;
    if (!is_digits(string)) return false;
    for (; *string != '\0'; string++) {
        unsigned digit = (unsigned)(*string - '0');
        if (n > (max - digit) / 10) return false;
        n = n * 10 + digit;
    }
    *number = n;
    return true;
}

bool read_duration_ms(const char *string, uint32_t *ms)
{
    static const struct {
        char unit;
        unsigned seconds;
    } units[] = {{'h', 3600}, {'m', 60}, {'s', 1}};
    uint64_t total = 0, number;
    size_t unit = 0;
    if (read_number(string, 4000000, &number)) {
        *ms = (uint32_t)(number * 1000);
        return true;
    }
    while (*string != '\0') {
        size_t digits = strspn(string, "0123456789"), i;
        if (digits == 0 || digits > 7) return false;
        for (number = 0, i = 0; i < digits; i++) number = number * 10 + (unsigned)(string[i] - '0');
        while (unit < COUNT(units) && units[unit].unit != string[digits]) unit++;
        if (unit == COUNT(units)) return false;
        total += number * units[unit++].seconds;
        string += digits + 1;
    }
    *ms = (uint32_t)(total * 1000);
    return total > 0 && total <= 4000000;
}

static int64_t days_before(int64_t year, int64_t month)
{
    static const short days[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t y = month > 2 ? year : year - 1;
    return 365 * (year - 1970) + (y / 4 - y / 100 + y / 400) -
           (1969 / 4 - 1969 / 100 + 1969 / 400) + days[month - 1];
}

static int64_t digits_at(osb_str s, size_t at, size_t count)
{
    int64_t n = 0;
    for (; count > 0; count--, at++) {
        if (at >= s.size || s.data[at] < '0' || s.data[at] > '9') return -1;
        n = n * 10 + (s.data[at] - '0');
    }
    return n;
}

int64_t read_time(osb_str s)
{
    int64_t year = digits_at(s, 0, 4), month = digits_at(s, 5, 2), day = digits_at(s, 8, 2);
    int64_t hour = digits_at(s, 11, 2), minute = digits_at(s, 14, 2), second = digits_at(s, 17, 2);
    int64_t offset = 0;
    size_t at = 19;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || hour < 0 || minute < 0 || second < 0)
        return 0;
    while (at < s.size && (s.data[at] == '.' || (s.data[at] >= '0' && s.data[at] <= '9'))) at++;
    if (at < s.size && (s.data[at] == '+' || s.data[at] == '-')) {
        offset = digits_at(s, at + 1, 2) * 3600 + digits_at(s, at + 4, 2) * 60;
        if (s.data[at] == '-') offset = -offset;
    }
    return ((days_before(year, month) + day - 1) * 24 + hour) * 3600 + minute * 60 + second -
           offset;
}

void add_time(text *to, int64_t unix_s)
{
    int64_t days, second, year = 1970, month = 12;
    if (unix_s < 0) unix_s = 0;
    if (unix_s > 253402300799) unix_s = 253402300799; /* the end of 9999 */
    days = unix_s / 86400;
    second = unix_s % 86400;
    while (days_before(year + 1, 1) <= days) year++;
    while (days_before(year, month) > days) month--;
    add_number(to, (uint64_t)year, 4);
    add_char(to, '-');
    add_number(to, (uint64_t)month, 2);
    add_char(to, '-');
    add_number(to, (uint64_t)(days - days_before(year, month) + 1), 2);
    add_char(to, 'T');
    add_number(to, (uint64_t)(second / 3600), 2);
    add_char(to, ':');
    add_number(to, (uint64_t)(second / 60 % 60), 2);
    add_char(to, ':');
    add_number(to, (uint64_t)(second % 60), 2);
    add_char(to, 'Z');
}

/* ---- input and output ------------------------------------------------------------------------*/

bool write_all(int fd, const void *data, size_t size)
{
    const char *at = data;
    while (size > 0) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd wait = {fd, POLLOUT, 0};
            if (poll(&wait, 1, 1000) >= 0 || errno != EINTR) continue;
        }
        if (n < 0 && errno == EINTR) { /* the reader may have stopped */
            attend_signals();
            if (!is_leaving()) continue;
            errno = EINTR;
        }
        if (n < 0) return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

static text output;
int output_error;

void print_data(const void *data, size_t size)
{
    add(&output, data, size);
}

void print(const char *string)
{
    print_data(string, strlen(string));
}

bool write_output(int fd, const void *data, size_t size)
{
    if (output_error == 0 && !write_all(fd, data, size)) output_error = errno;
    errno = output_error;
    return output_error == 0;
}

bool flush_output(void)
{
    size_t size = output.size;
    output.size = 0;
    return write_output(STDOUT_FILENO, output.data, size);
}

void fill_standard_files(void)
{
    int fd;
    for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0) open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_WRONLY);
}

static void complain_list(const char *format, va_list list)
{
    text line = {0};
    add_string(&line, "osb: ");
    add_format_list(&line, format, list);
    make_plain(line.data, line.size);
    add_char(&line, '\n');
    flush_output();
    write_all(STDERR_FILENO, line.data, line.size);
    free(line.data);
}

void complain(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    complain_list(format, list);
    va_end(list);
}

void remark(const char *format, ...)
{
    va_list list;
    if (config.quiet) return;
    va_start(list, format);
    complain_list(format, list);
    va_end(list);
}

/* What whoever shares it has made non-blocking has to be waited for. */
static ssize_t read_some(int fd, void *data, size_t size)
{
    struct pollfd ready = {fd, POLLIN, 0};
    ssize_t n;
    while ((n = read(fd, data, size)) < 0 && errno == EAGAIN) poll(&ready, 1, 1000);
    return n;
}

bool read_file(const char *path, text *content)
{
    int fd = same(path, "-") ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    char piece[4096];
    ssize_t n = -1;
    if (fd >= 0) {
        add(content, "", 0);
        while ((n = read_some(fd, piece, sizeof piece)) > 0) add(content, piece, (size_t)n);
        memset(piece, 0, sizeof piece);
    }
    if (n < 0) complain("cannot read %s: %s", fd == STDIN_FILENO ? "stdin" : path, strerror(errno));
    if (fd > STDIN_FILENO) close(fd);
    return n == 0;
}

bool read_text(const char *path, text *content)
{
    if (!read_file(path, content)) return false;
    if (strlen(content->data) == content->size) return true;
    complain("%s: holds a NUL byte: this is no text", same(path, "-") ? "stdin" : path);
    return false;
}

bool read_utf8(const char *path, text *content)
{
    if (!read_text(path, content)) return false;
    if (is_utf8(content->data)) return true;
    complain("%s is " NOT_UTF8, same(path, "-") ? "stdin" : path);
    return false;
}

#ifdef OSB_TOOL_TLS
/* For mbedTLS: see mbedtls_config.h. */
int join_path(char *to, size_t size, const char *format, ...)
{
    text t = {0};
    size_t length;
    va_list list;
    va_start(list, format);
    add_format_list(&t, format, list);
    va_end(list);
    length = t.size;
    if (length < size) memcpy(to, t.data, length + 1);
    clear(&t);
    return (int)length;
}
#endif
