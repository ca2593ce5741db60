/* Only the declarations of jsmn, included after the library. */
#define JSMN_HEADER
#define JSMN_CASE_AFTER
#include "tests/support/jsmn_case.h"
