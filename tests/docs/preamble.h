/* What the fragments of C in the documents take for granted. */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include "port/osb_mbedtls.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern osb_client client;
extern osb_sandbox box;
extern osb_execution run;
extern osb_status status;
extern osb_config config;
extern osb_posix tcp;
extern unsigned char memory[2048];
extern int print(void *user, osb_stream stream, const char *data, size_t size);
