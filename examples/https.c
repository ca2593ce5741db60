/* The quickstart over HTTPS: the server's certificate is verified, against the system's authorities
   or those of SSL_CERT_FILE.
      cc -I. examples/https.c -o https -lmbedtls -lmbedx509 -lmbedcrypto
      OPEN_SANDBOX_PROTOCOL=https OPEN_SANDBOX_DOMAIN=api.example.com OPEN_SANDBOX_API_KEY=... ./https */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include "port/osb_mbedtls.h"
#include <stdio.h>

static int print(void *user, osb_stream stream, const char *data, size_t size)
{
    return fwrite(data, 1, size, stream == OSB_STDERR ? stderr : user) != size;
}

static int complain(const osb_client *client)
{
    char text[512]; /* says what is wrong with a certificate, too */
    osb_error_text(client, text, sizeof text);
    fputs(text, stderr);
    fputc('\n', stderr);
    return 1;
}

static int run(osb_client *client)
{
    osb_sandbox box;
    osb_execution run = {.ended = false};
    osb_create_options options = {.image = "python:3.12"};
    osb_command command = {.command = "echo hello from the sandbox; uname -sr"};
    osb_handlers output = {.user = stdout, .on_output = print};
    if (osb_sandbox_create(client, &options, &box) < 0) return complain(client);
    if (osb_command_run(&box, &command, &output, &run) < 0) complain(client);
    return osb_sandbox_kill(&box) < 0 ? complain(client) : !run.ended;
}

int main(void)
{
    unsigned char ram[2048];
    osb_posix tcp;
    osb_mbedtls tls;
    osb_client client;
    osb_config config = {.memory = ram, .memory_size = sizeof ram};
    osb_mbedtls_options secure = {.ca = NULL}; /* the defaults are strict */
    int failed;
    osb_mbedtls_options_from_env(&secure);
    osb_posix_config_from_env(&config);
    config.port = osb_mbedtls_port(&tls, osb_posix_port(&tcp), &secure);
    failed = osb_client_init(&client, &config) < 0 ? complain(&client) : run(&client);
    osb_client_close(&client);
    osb_mbedtls_free(&tls);
    return failed;
}
