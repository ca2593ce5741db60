/* port/osb_posix.h over lwIP's sockets, which are macros: only compiled, for a Cortex-M. */
#include "lwip/sockets.h"
#include "lwip/netdb.h"
#include "lwip/sys.h"

#define OSB_POSIX_SOCKETS
#define OSB_POSIX_NOW_MS() sys_now()
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include "port/osb_proxy.h"
#include "port/osb_trace.h"
