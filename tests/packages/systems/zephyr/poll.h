/* Up to 3.6 Zephyr's poll() counts in int, and there is no nfds_t. */
#include_next <poll.h>
#pragma GCC poison nfds_t
