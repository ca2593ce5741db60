/* jsmn static, included after the library. */
#define JSMN_STATIC
#define JSMN_CASE_STATIC
#define JSMN_CASE_AFTER
#include "tests/support/jsmn_case.h"
