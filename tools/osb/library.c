/* The implementation of opensandbox.h and its ports. */
#define OPENSANDBOX_IMPLEMENTATION
#include "osb.h"
