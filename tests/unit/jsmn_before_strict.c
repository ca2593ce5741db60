/* jsmn strict and with parent links, included before the library. */
#define JSMN_STRICT
#define JSMN_CASE_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>
#include "tests/support/jsmn_case.h"
