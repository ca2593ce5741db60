#include "opensandbox.h"

const char *version_of_the_other_file(void);

const char *version_of_the_other_file(void)
{
    return osb_status_name(OSB_E_CONNECT);
}
