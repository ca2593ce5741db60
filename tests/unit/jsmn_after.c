/* jsmn as it comes, included after the library. */
#define JSMN_CASE_AFTER
#include "tests/support/jsmn_case.h"
