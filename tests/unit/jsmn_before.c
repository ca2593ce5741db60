/* jsmn as it comes, included before the library. */
#include <jsmn.h>
#include "tests/support/jsmn_case.h"
