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

    CALL(osb_lifecycle_list_all),
    CALL(osb_lifecycle_wait),
    CALL(osb_snapshot_create),
    CALL(osb_snapshot_get),
    CALL(osb_snapshot_delete),
    CALL(osb_snapshot_wait),
    CALL(osb_snapshot_list),
    CALL(osb_snapshot_list_all),
    CALL(osb_diagnostics_logs),
    CALL(osb_diagnostics_events),
    CALL(osb_diagnostics_report),
#ifndef OSB_NO_POOLS
    CALL(osb_pool_create),
    CALL(osb_pool_get),
    CALL(osb_pool_list),
    CALL(osb_pool_update),
    CALL(osb_pool_delete),
#endif
    CALL(osb_command_wait),
    CALL(osb_session_create),
    CALL(osb_session_run),
    CALL(osb_session_delete),
    CALL(osb_code_context_create),
    CALL(osb_code_context_get),
    CALL(osb_code_context_list),
    CALL(osb_code_context_delete),
    CALL(osb_code_context_delete_all),
    CALL(osb_code_run),
    CALL(osb_code_interrupt),
    CALL(osb_rows_feed),
    CALL(osb_file_get_info),
    CALL(osb_file_get_infos),
    CALL(osb_file_search),
    CALL(osb_file_read),
    CALL(osb_file_read_all),
    CALL(osb_file_write),
    CALL(osb_file_upload),
    CALL(osb_file_replace),
    CALL(osb_file_move),
    CALL(osb_file_set_permissions),
    CALL(osb_file_delete),
    CALL(osb_directory_create),
    CALL(osb_directory_list),
    CALL(osb_directory_delete),
    CALL(osb_metrics_get),
    CALL(osb_metrics_watch),
    CALL(osb_isolated_capabilities),
    CALL(osb_isolated_create),
    CALL(osb_isolated_list),
    CALL(osb_isolated_get),
    CALL(osb_isolated_delete),
    CALL(osb_isolated_run),
    CALL(osb_isolated_diff),
    CALL(osb_isolated_commit),
    CALL(osb_egress_connect),
    CALL(osb_egress_health),
    CALL(osb_egress_get_policy),
    CALL(osb_egress_patch_policy),
    CALL(osb_egress_delete_rules),
    CALL(osb_egress_replace_policy),
    CALL(osb_egress_reset_policy),
    CALL(osb_vault_create),
    CALL(osb_vault_get),
    CALL(osb_vault_patch),
    CALL(osb_vault_delete),
    CALL(osb_vault_list_credentials),
    CALL(osb_vault_list_bindings),
    CALL(osb_vault_get_credential),
    CALL(osb_vault_get_binding),
#ifndef OSB_NO_PTY
    CALL(osb_pty_create),
    CALL(osb_pty_get),
    CALL(osb_pty_delete),
    CALL(osb_pty_attach),
    CALL(osb_pty_resize),
    CALL(osb_pty_signal),
#endif
#ifndef OSB_NO_EXTRAS
    CALL(osb_log_text),
#endif
#ifndef OSB_NO_DURABLE
    CALL(osb_command_run_durable),
    CALL(osb_command_follow),
    CALL(osb_command_recover),
#endif
};

void _start(void);

void _start(void)
{
    size_t i = 0;
    for (i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        calls[i]();
    }
}
