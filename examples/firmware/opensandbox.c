/* The library and its ports, once for the whole image. */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_lwip.h"
#ifdef FIRMWARE_TLS
#include "port/osb_mbedtls.h"
#endif
