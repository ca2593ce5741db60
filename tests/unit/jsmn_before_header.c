/* Only the declarations of jsmn, included before the library. */
#define JSMN_HEADER
#include <jsmn.h>
#include "tests/support/jsmn_case.h"
