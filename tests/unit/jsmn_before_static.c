/* jsmn static, included before the library. */
#define JSMN_STATIC
#define JSMN_CASE_STATIC
#include <jsmn.h>
#include "tests/support/jsmn_case.h"
