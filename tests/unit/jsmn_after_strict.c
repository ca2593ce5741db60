/* jsmn strict and with parent links, included after the library. */
#define JSMN_STRICT
#define JSMN_CASE_STRICT
#define JSMN_PARENT_LINKS
#define JSMN_CASE_AFTER
#include "tests/support/jsmn_case.h"
