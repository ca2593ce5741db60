/* The implementation, for build systems that compile a library apart from the program (Arduino,
   PlatformIO, ESP-IDF, Zephyr). A program does not define OPENSANDBOX_IMPLEMENTATION there.
   OSB_PACKAGE_PORT names the port's header that is compiled with it, if any. */
#ifdef OSB_PACKAGE_PORT
#include OSB_PACKAGE_PORT
#endif
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#ifdef OSB_PACKAGE_PORT
#include OSB_PACKAGE_PORT
#endif
