/* Feeds files to a fuzz target, for compilers and fuzzers that have no driver of their own.

       program                every file in FUZZ_DIRECTORY whose name begins with the target's; TAP
       program FILE...        these files
       program < FILE         under AFL++: what it gives, again and again in one process */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST (1u << 20)

static size_t read_all(FILE *file, uint8_t *data)
{
    size_t size = fread(data, 1, MOST, file);
    if (ferror(file)) abort();
    return size;
}

static void feed_file(const char *path)
{
    /* A copy of exactly the right size, so that a sanitizer sees what is read behind it. */
    uint8_t *data = (uint8_t *)malloc(MOST), *copy;
    FILE *file = fopen(path, "rb");
    size_t size;
    if (file == NULL || data == NULL) {
        perror(path);
        exit(2);
    }
    size = read_all(file, data);
    fclose(file);
    copy = (uint8_t *)malloc(size > 0 ? size : 1);
    if (copy == NULL) exit(2);
    memcpy(copy, data, size);
    free(data);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

#ifdef __AFL_HAVE_MANUAL_CONTROL
__AFL_FUZZ_INIT();

static int feed_afl(void)
{
    const uint8_t *data = __AFL_FUZZ_TESTCASE_BUF;
    while (__AFL_LOOP(10000)) {
        size_t size = (size_t)__AFL_FUZZ_TESTCASE_LEN;
        uint8_t *copy = (uint8_t *)malloc(size > 0 ? size : 1);
        if (copy == NULL) return 2;
        memcpy(copy, data, size);
        (void)LLVMFuzzerTestOneInput(copy, size);
        free(copy);
    }
    return 0;
}
#endif

#ifdef FUZZ_DIRECTORY
static int feed_directory(void)
{
    DIR *directory = opendir(FUZZ_DIRECTORY);
    const struct dirent *entry;
    unsigned count = 0;
    char path[512];
    if (directory == NULL) {
        perror(FUZZ_DIRECTORY);
        return 2;
    }
    while ((entry = readdir(directory)) != NULL) {
        if (strncmp(entry->d_name, FUZZ_TARGET "-", strlen(FUZZ_TARGET "-")) != 0) continue;
        (void)snprintf(path, sizeof path, "%s/%s", FUZZ_DIRECTORY, entry->d_name);
        printf("# %s\n", path);
        fflush(stdout);
        feed_file(path);
        printf("ok %u - %s\n", ++count, entry->d_name);
        fflush(stdout);
    }
    closedir(directory);
    printf("1..%u\n", count);
    return 0;
}
#endif

int main(int argc, char **argv)
{
    int i;
    for (i = 1; i < argc; i++) feed_file(argv[i]);
    if (argc > 1) return 0;
#ifdef __AFL_HAVE_MANUAL_CONTROL
    return feed_afl();
#elif defined(FUZZ_DIRECTORY)
    return feed_directory();
#else
    return 2;
#endif
}
