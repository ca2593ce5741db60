/* What the debugger's host, here QEMU, does for the firmware: a breakpoint with a request's number
   in r0 and its argument in r1. A product has no debugger attached: replace this file. */
#include "board.h"

enum {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_READ = 0x06,
    SYS_TIME = 0x11,
    SYS_GET_CMDLINE = 0x15,
    SYS_EXIT_EXTENDED = 0x20
};

static uint32_t ask_host(uint32_t request, const void *argument)
{
    register uint32_t r0 __asm__("r0") = request;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static uint32_t address_of(const void *data)
{
    return (uint32_t)(uintptr_t)data;
}

/* Copies the n-th word of a line. */
static bool copy_word(const char *line, unsigned n, char *text, size_t size)
{
    size_t length = 0;
    for (; n > 0 && *line != '\0'; line++)
        if (*line == ' ') n--;
    while (line[length] != '\0' && line[length] != ' ') length++;
    if (n > 0 || length == 0 || length >= size) return false;
    for (size_t i = 0; i < length; i++) text[i] = line[i];
    text[length] = '\0';
    return true;
}

bool board_argument(unsigned n, char *text, size_t size)
{
    char line[160];
    uint32_t block[2] = {address_of(line), sizeof line};
    return ask_host(SYS_GET_CMDLINE, block) == 0 && copy_word(line, n + 1, text, size);
}

int board_random(void *user, void *data, size_t size)
{
    static const char name[] = "/dev/urandom";
    uint32_t open[3] = {address_of(name), 1 /* "rb" */, sizeof name - 1};
    uint32_t file = ask_host(SYS_OPEN, open);
    uint32_t read[3] = {file, address_of(data), size};
    uint32_t missing;
    (void)user;
    if (file == UINT32_MAX) return -1;
    missing = ask_host(SYS_READ, read);
    ask_host(SYS_CLOSE, &file);
    return missing == 0 ? 0 : -1;
}

uint32_t board_unix_time(void *user)
{
    (void)user;
    return ask_host(SYS_TIME, NULL);
}

void board_exit(int status)
{
    uint32_t block[2] = {0x20026 /* the application ended */, (uint32_t)status};
    ask_host(SYS_EXIT_EXTENDED, block);
    for (;;) {
    }
}
