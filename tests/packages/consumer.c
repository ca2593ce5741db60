/* A program as a user of a package writes it: two files, one of which has the implementation (not
   if PACKAGE_HAS_IMPLEMENTATION says that the package compiled it). Exit status 0: it works. */
#ifndef PACKAGE_HAS_IMPLEMENTATION
#define OPENSANDBOX_IMPLEMENTATION
#endif
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdio.h>

const char *version_of_the_other_file(void);

/* Nobody listens on port 1: a whole call up to the port, and its error. */
int main(void)
{
    unsigned char ram[2048];
    char text[256];
    osb_posix tcp;
    osb_client client;
    osb_config config = {.port = osb_posix_port(&tcp), .memory = ram, .memory_size = sizeof ram};
    osb_status status;
    config.domain = "127.0.0.1:1";
    status = osb_client_init(&client, &config);
    if (status == OSB_OK) status = osb_server_health(&client);
    osb_error_text(&client, text, sizeof text);
    printf("%s %s: %s\n", OSB_VERSION, version_of_the_other_file(), text);
    osb_client_close(&client);
    return status != OSB_E_CONNECT;
}
