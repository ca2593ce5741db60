/* The commands and their flags. Help, the manual and completion are made from these tables. */
#include "osb.h"

const flag flags[FLAG_COUNT] = {
#define FLAG_ROW(id, letter, name, placeholder, kind, help) {name, placeholder, help, letter, kind},
    FLAGS(FLAG_ROW)
#undef FLAG_ROW
};

const group groups[] = {
    {"sandbox", "create, list, change and end sandboxes"},
    {"snapshot", "snapshots of sandboxes"},
    {"command", "commands in a sandbox"},
    {"command session", "shells that keep their directory and variables"},
    {"pty", "terminals that stay when one leaves"},
    {"code", "code in a sandbox, with a code interpreter's image"},
    {"code context", "where code runs: its variables last from one run to the next"},
    {"file", "files and directories in a sandbox"},
    {"isolated", "isolated sessions in a sandbox"},
    {"egress", "what a sandbox may reach"},
    {"credential-vault", "secrets that a sandbox uses without seeing them"},
    {"credential-vault credential", "the vault's credentials"},
    {"credential-vault binding", "the vault's bindings"},
    {"diagnostics", "a sandbox's logs and events, from the server"},
    {"devops", "older diagnostics, as plain text"},
    {"pool", "pools of warm sandboxes"},
    {"server", "the server itself"},
    {"config", "the settings file"},
};
const size_t group_count = COUNT(groups);

#define CREATE_FLAGS                                                                               \
    F_ENV, F_METADATA, F_EXTENSION, F_RESOURCE, F_ENTRYPOINT, F_POLICY_FILE, F_ALLOW,              \
        F_CREDENTIAL_PROXY, F_VOLUMES_FILE, F_PLATFORM, F_SECURE_ACCESS, F_IMAGE_USER,             \
        F_IMAGE_PASSWORD, F_READY_TIMEOUT

/* The whole capacity is sent, so all of it must be given. */
#define CAPACITY_FLAGS                                                                             \
    NEEDS | F_BUFFER_MAX, NEEDS | F_BUFFER_MIN, NEEDS | F_POOL_MAX, NEEDS | F_POOL_MIN

/* clang-format off */
const command_row commands[] = {
    {"run", "IMAGE CMD...", "r", "create a sandbox, run a command in it, kill it",
     do_run, {F_KEEP, F_TTY, F_WORKDIR, F_TIME_LIMIT, CREATE_FLAGS}},

    {"sandbox create", "[IMAGE]", "tjyr", "create a sandbox; -o raw prints its id only",
     do_sandbox_create, {F_IMAGE, F_SNAPSHOT, F_TTL, F_SKIP_HEALTH, CREATE_FLAGS}},
    {"sandbox list", "", "tjy", "list sandboxes, newest first",
     do_sandbox_list, {F_STATE, F_METADATA, F_PAGE, F_PAGE_SIZE, F_ALL}},
    {"sandbox get", "ID", "tjy", "describe a sandbox", do_sandbox_get, {0}},
    {"sandbox kill", "ID...", "tjy", "end sandboxes", do_sandbox_kill, {0}},
    {"sandbox pause", "ID", "tjy", "stop a sandbox's processes and keep its state",
     do_sandbox_pause, {F_WAIT}},
    {"sandbox resume", "ID", "tjy", "let a paused sandbox run again",
     do_sandbox_resume, {F_SKIP_HEALTH, F_RESUME_TIMEOUT}},
    {"sandbox renew", "ID", "tjy", "set when a sandbox ends",
     do_sandbox_renew, {NEEDS | F_NEW_TTL}},
    {"sandbox endpoint", "ID", "tjyr", "the address of a port; -o raw prints it as a URL",
     do_sandbox_endpoint, {NEEDS | F_PORT, F_SIGNED}},
    {"sandbox health", "ID", "tjy", "is the sandbox there; exit code 1: it is not",
     do_sandbox_health, {0}},
    {"sandbox metrics", "ID", "tjyr", "what a sandbox uses", do_sandbox_metrics, {F_WATCH}},
    {"sandbox metadata", "ID [KEY=VALUE]...", "tjy", "show or change metadata",
     do_sandbox_metadata, {F_UNSET}},

    {"snapshot create", "SANDBOX", "tjyr", "take a snapshot; -o raw prints its id only",
     do_snapshot_create, {F_NAME, F_WAIT}},
    {"snapshot list", "", "tjy", "list snapshots",
     do_snapshot_list, {F_SANDBOX, F_NAME, F_STATE, F_PAGE, F_PAGE_SIZE, F_ALL}},
    {"snapshot get", "ID", "tjy", "describe a snapshot", do_snapshot_get, {F_WAIT}},
    {"snapshot delete", "ID...", "tjy", "delete snapshots", do_snapshot_delete, {0}},

    {"command run", "ID CMD...", "rtjy", "run a command; its exit code is osb's",
     do_command_run, {F_BACKGROUND, F_WORKDIR, F_TIME_LIMIT, F_ENV, F_UID, F_GID}},
    {"command status", "ID EXECUTION", "tjy", "is a command running, and how did it end",
     do_command_status, {F_WAIT}},
    {"command logs", "ID EXECUTION", "rtjy", "output of a background command",
     do_command_logs, {F_CURSOR, F_FOLLOW}},
    {"command interrupt", "ID EXECUTION", "tjy", "end a running command",
     do_command_interrupt, {0}},
    {"command session create", "ID", "tjyr", "begin a session; -o raw prints its id only",
     do_session_create, {F_WORKDIR}},
    {"command session run", "ID SESSION CMD...", "r", "run a command in a session",
     do_session_run, {F_WORKDIR, F_TIME_LIMIT}},
    {"command session delete", "ID SESSION", "tjy", "end a session", do_session_delete, {0}},

    {"shell", "ID [COMMAND]", "r", "a terminal in the sandbox; Enter ~ . leaves it running",
     do_shell, {F_WORKDIR}},
    {"pty create", "ID [COMMAND]", "tjyr", "make a terminal; -o raw prints its id only",
     do_pty_create, {F_WORKDIR}},
    {"pty attach", "ID PTY", "r", "use a terminal; Enter ~ . leaves it running",
     do_pty_attach, {F_TAKEOVER}},
    {"pty get", "ID PTY", "tjy", "describe a terminal", do_pty_get, {0}},
    {"pty delete", "ID PTY", "tjy", "end a terminal and what runs in it", do_pty_delete, {0}},

    {"code run", "ID [FILE]", "rj", "run code; exit code 1: it failed",
     do_code_run, {F_LANGUAGE, F_CONTEXT, F_CODE}},
    {"code interrupt", "ID CONTEXT", "tjy", "interrupt what runs in a context",
     do_code_interrupt, {0}},
    {"code context create", "ID", "tjyr", "make a context; -o raw prints its id only",
     do_context_create, {NEEDS | F_LANGUAGE, F_WORKDIR}},
    {"code context list", "ID", "tjy", "list contexts", do_context_list, {F_LANGUAGE}},
    {"code context get", "ID CONTEXT", "tjy", "describe a context", do_context_get, {0}},
    {"code context delete", "ID [CONTEXT]", "tjy", "end a context, or all of a language",
     do_context_delete, {F_LANGUAGE}},

    {"file cat", "ID PATH", "r", "print a file", do_file_cat, {F_ENCODING}},
    {"file write", "ID PATH [FILE]", "tjy", "write a file from FILE, -c, or stdin (-)",
     do_file_write, {F_CONTENT, F_ENCODING, F_MODE, F_OWNER, F_GROUP}},
    {"file upload", "ID LOCAL REMOTE", "tjy", "upload a file or directory; goes on where it ended",
     do_file_upload, {F_RECURSIVE, F_MODE, F_OWNER, F_GROUP}},
    {"file download", "ID REMOTE LOCAL", "tjy",
     "download a file or directory; goes on where it ended", do_file_download, {F_RECURSIVE}},
    {"file ls", "ID PATH", "tjy", "list a directory", do_file_ls, {F_RECURSIVE}},
    {"file info", "ID PATH...", "tjy", "describe files", do_file_info, {0}},
    {"file search", "ID PATH", "tjy", "find files by name",
     do_file_search, {NEEDS | F_PATTERN}},
    {"file replace", "ID PATH", "tjy", "replace a text in a file",
     do_file_replace, {NEEDS | F_OLD, NEEDS | F_NEW}},
    {"file mv", "ID FROM TO", "tjy", "move or rename", do_file_mv, {0}},
    {"file chmod", "ID PATH", "tjy", "change mode, owner and group",
     do_file_chmod, {F_MODE, F_OWNER, F_GROUP}},
    {"file rm", "ID PATH...", "tjy", "delete files", do_file_rm, {0}},
    {"file mkdir", "ID PATH...", "tjy", "make directories",
     do_file_mkdir, {F_MODE, F_OWNER, F_GROUP}},
    {"file rmdir", "ID PATH...", "tjy", "delete directories with all that is in them",
     do_file_rmdir, {0}},

    {"isolated info", "ID", "tjy", "what the sandbox can do to isolate", do_isolated_info, {0}},
    {"isolated create", "ID", "tjyr", "begin a session; -o raw prints its id only",
     do_isolated_create, {F_PROFILE, NEEDS | F_WORKSPACE, F_WORKSPACE_MODE, F_WRITABLE, F_BIND,
     F_SHARE_NET, F_NO_SHARE_NET, F_UID, F_GID, F_IDLE_TIMEOUT}},
    {"isolated list", "ID", "tjy", "list sessions", do_isolated_list, {0}},
    {"isolated get", "ID SESSION", "tjy", "describe a session", do_isolated_get, {0}},
    {"isolated run", "ID SESSION CMD...", "r", "run a command in a session",
     do_isolated_run, {F_TIME_LIMIT, F_ENV}},
    {"isolated diff", "ID SESSION", "r", "what an overlay has changed", do_isolated_diff, {0}},
    {"isolated commit", "ID SESSION", "r", "make an overlay's changes lasting",
     do_isolated_commit, {0}},
    {"isolated delete", "ID SESSION", "tjy", "end a session", do_isolated_delete, {0}},

    {"egress get", "ID", "tjy", "the policy in force", do_egress_get, {0}},
    {"egress patch", "ID", "tjy", "add rules, before those there are",
     do_egress_patch, {NEEDS | F_RULE}},
    {"egress delete", "ID", "tjy", "take rules away", do_egress_delete, {NEEDS | F_TARGET}},
    {"egress replace", "ID", "tjy", "put another policy in place",
     do_egress_replace, {NEEDS | F_FILE}},
    {"egress reset", "ID", "tjy", "deny everything", do_egress_reset, {0}},
    {"egress health", "ID", "tjy", "is the sidecar ready; exit code 1: it is not",
     do_egress_health, {0}},

    {"credential-vault create", "ID", "tjy", "make the vault",
     do_vault_create, {NEEDS | F_FILE}},
    {"credential-vault get", "ID", "tjy", "describe the vault, without secrets", do_vault_get, {0}},
    {"credential-vault patch", "ID", "tjy", "change the vault, all or nothing",
     do_vault_patch, {NEEDS | F_FILE}},
    {"credential-vault delete", "ID", "tjy", "empty and end the vault", do_vault_delete, {0}},
    {"credential-vault credential list", "ID", "tjy", "list credentials", do_credential_list, {0}},
    {"credential-vault credential get", "ID NAME", "tjy", "describe a credential",
     do_credential_get, {0}},
    {"credential-vault binding list", "ID", "tjy", "list bindings", do_binding_list, {0}},
    {"credential-vault binding get", "ID NAME", "tjy", "describe a binding", do_binding_get, {0}},

    {"diagnostics logs", "ID", "rtjy", "a scope's logs",
     do_diagnostics_logs, {NEEDS | F_SCOPE}},
    {"diagnostics events", "ID", "rtjy", "a scope's events",
     do_diagnostics_events, {NEEDS | F_SCOPE}},

    {"devops logs", "ID", "r", "logs (older servers)", do_devops_logs, {F_TAIL, F_SINCE}},
    {"devops inspect", "ID", "r", "the container in detail", do_devops_inspect, {0}},
    {"devops events", "ID", "r", "events (older servers)", do_devops_events, {F_LIMIT}},
    {"devops summary", "ID", "r", "all of these", do_devops_summary, {F_TAIL, F_EVENT_LIMIT}},

    {"pool create", "NAME", "tjy", "make a pool",
     do_pool_create, {NEEDS | F_TEMPLATE, CAPACITY_FLAGS}},
    {"pool list", "", "tjy", "list pools", do_pool_list, {0}},
    {"pool get", "NAME", "tjy", "describe a pool", do_pool_get, {0}},
    {"pool update", "NAME", "tjy", "change a pool's capacity",
     do_pool_update, {CAPACITY_FLAGS}},
    {"pool delete", "NAME...", "tjy", "end pools", do_pool_delete, {0}},

    {"server health", "", "tjy", "is the server there; exit code 1: it is not",
     do_server_health, {0}},

    {"config init", "", "tjy", "write a settings file to fill in", do_config_init, {F_FORCE}},
    {"config show", "", "tjy", "the settings in force", do_config_show, {0}},
    {"config set", "KEY VALUE", "tjy", "change the settings file: connection.domain ...",
     do_config_set, {0}},

    {"completion", "SHELL", "r", "a script for bash, zsh or fish", do_completion, {0}},
    {"man", "", "r", "the manual page, for man -l -", do_manual, {0}},
    /* What the completion scripts call. */
    {"__complete", "[WORD]...", "r", NULL, do_complete, {0}},
};
/* clang-format on */
const size_t command_count = COUNT(commands);
