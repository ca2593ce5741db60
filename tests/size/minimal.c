/*
 * The least that does something: create a sandbox, run a command in it, kill it. Linked by
 * tools/size.py, with the OSB_NO_ macros listed there, and never run: the port is empty.
 */
#include "opensandbox.h"

static unsigned char memory[1024];
static const osb_port_ops port;
static osb_client client;
static osb_sandbox box;
static osb_execution run;

static int print(void *user, osb_stream stream, const char *data, size_t size)
{
    (void)user;
    (void)stream;
    (void)data;
    (void)size;
    return 0;
}

void _start(void);

void _start(void)
{
    static osb_config config;
    static const osb_create_options options = {.image = "python:3.12"};
    static const osb_command command = {.command = "echo hello"};
    static const osb_handlers output = {.on_output = print};

    config.port.ops = &port;
    config.memory = memory;
    config.memory_size = sizeof memory;
    if (osb_client_init(&client, &config) == OSB_OK &&
        osb_sandbox_create(&client, &options, &box) == OSB_OK) {
        (void)osb_command_run(&box, &command, &output, &run);
        (void)osb_sandbox_kill(&box);
    }
}
