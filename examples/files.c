/* Writes, reads, finds and deletes files.

      cc -I. examples/files.c -o files
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./files */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdio.h>

static int complain(const osb_client *client)
{
    char text[256];
    osb_error_text(client, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return 1;
}

/* A view for printf's "%.*s". */
#define VIEW(view) (int)(view).size, (view).data

static int print_file(void *user, const osb_file_info *file)
{
    (void)user;
    printf("found %.*s, %lu bytes, mode %u\n", VIEW(file->path), (unsigned long)file->size_bytes,
           (unsigned)file->mode);
    return 0; /* anything else would end the call */
}

/* A file is handed out in pieces, however large it is. Non-zero would end the call. */
static int print_data(void *user, const void *data, size_t size)
{
    (void)user;
    return fwrite(data, 1, size, stdout) != size;
}

static int read_parts(osb_sandbox *box, const char *path)
{
    osb_read_options bytes = {.offset_bytes = 6, .size_bytes = 5};
    osb_read_options lines = {.first_line = 2, .line_count = 1};
    printf("content: ");
    if (osb_file_read(box, path, NULL, print_data, NULL, NULL) < 0) return complain(box->client);
    printf("bytes 6 to 10: ");
    if (osb_file_read(box, path, &bytes, print_data, NULL, NULL) < 0) return complain(box->client);
    printf("\nline 2: ");
    if (osb_file_read(box, path, &lines, print_data, NULL, NULL) < 0) return complain(box->client);
    printf("\n");
    return 0;
}

static int demonstrate(osb_sandbox *box)
{
    osb_permission directory = {.path = "demo", .mode = 755};
    osb_upload files[] = {
        {.path = "demo/hello.txt", .body = "Hello World\nand all\n", .body_size = 20, .mode = 644},
        {.path = "demo/script.sh", .body = "echo run\n", .body_size = 9, .mode = 755},
    };
    osb_replacement change = {"demo/hello.txt", "World", "files"};
    osb_move move = {"demo/hello.txt", "demo/moved.txt"};
    const char *moved = "demo/moved.txt", *demo = "demo";
    osb_client *client = box->client;
    if (osb_directory_create(box, &directory, 1) < 0) return complain(client);
    if (osb_file_upload(box, files, 2, true) < 0) return complain(client);
    if (read_parts(box, "demo/hello.txt") != 0) return 1;
    if (osb_file_replace(box, &change, 1, NULL, NULL) < 0) return complain(client);
    if (osb_file_move(box, &move, 1) < 0) return complain(client);
    if (osb_file_search(box, "demo", "*.txt", print_file, NULL) < 0) return complain(client);
    if (osb_directory_list(box, "demo", NULL, print_file, NULL) < 0) return complain(client);
    if (osb_file_delete(box, &moved, 1) < 0) return complain(client);
    return osb_directory_delete(box, &demo, 1) < 0 ? complain(client) : 0;
}

int main(void)
{
    unsigned char ram[2048];
    osb_posix tcp;
    osb_client client;
    osb_sandbox box;
    osb_config config = {.port = osb_posix_port(&tcp), .memory = ram, .memory_size = sizeof ram};
    osb_create_options options = {.image = "python:3.12"};
    int failed;
    osb_posix_config_from_env(&config);
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    if (osb_sandbox_create(&client, &options, &box) < 0) return complain(&client);
    failed = demonstrate(&box);
    if (osb_sandbox_kill(&box) < 0) failed = complain(&client);
    return failed;
}
