/*
 * Everything that opensandbox.h offers, linked into a program that is never run: tools/size.py
 * measures it, and complains if a public function is missing here. The table is volatile, so the
 * compiler must take every function in it to be called.
 */
#include "opensandbox.h"

typedef void (*any_function)(void);

#define CALL(function) ((any_function)(function))

static any_function volatile const calls[] = {
    CALL(osb_str_equal),
    CALL(osb_status_name),

    CALL(osb_client_init_checked),
    CALL(osb_client_close),
    CALL(osb_poll),
    CALL(osb_want),
    CALL(osb_cancel),
    CALL(osb_last_error),
    CALL(osb_error_text),
    CALL(osb_buffer_peak),

    CALL(osb_server_health),
    CALL(osb_lifecycle_create),
    CALL(osb_lifecycle_kill),
    CALL(osb_lifecycle_endpoint),
    CALL(osb_lifecycle_get),
    CALL(osb_lifecycle_list),
    CALL(osb_lifecycle_pause),
    CALL(osb_lifecycle_resume),
    CALL(osb_lifecycle_renew),
    CALL(osb_lifecycle_patch_metadata),

    CALL(osb_sandbox_create),
    CALL(osb_sandbox_connect),
    CALL(osb_sandbox_resume),
    CALL(osb_sandbox_find),
    CALL(osb_sandbox_get_info),
    CALL(osb_sandbox_pause),
    CALL(osb_sandbox_renew),
    CALL(osb_sandbox_kill),
    CALL(osb_sandbox_endpoint),
    CALL(osb_endpoint_url),
    CALL(osb_endpoint_request),

    CALL(osb_ping),
    CALL(osb_command_run),
    CALL(osb_command_status),
    CALL(osb_command_logs),
    CALL(osb_command_interrupt),
    CALL(osb_shell_quote),
};

void _start(void);

void _start(void)
{
    size_t i = 0;
    for (i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        calls[i]();
    }
}
