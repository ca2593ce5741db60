/* The sizes of the caller's structs, as sizes of symbols, so that nm reads them from an object. */
#include "opensandbox.h"

char osb_sizeof_client[sizeof(osb_client)];
char osb_sizeof_sandbox[sizeof(osb_sandbox)];
