/* --help, the manual page, and completion: all of it from the tables. */
#include "osb.h"
#include <string.h>
#include <unistd.h>

static void print_padded(const char *string, size_t width)
{
    size_t size = strlen(string);
    print(string);
    do print(" ");
    while (++size < width);
}

/* ---- --help ----------------------------------------------------------------------------------*/

static void print_flag(flag_id id, bool needed)
{
    const flag *f = &flags[id];
    text left = {0};
    if (f->letter != 0) {
        add_string(&left, "  -");
        add_char(&left, f->letter);
        add_string(&left, ", ");
    } else {
        add_string(&left, "      ");
    }
    add_format(&left, "--%s %s", f->name, f->placeholder == NULL ? "" : f->placeholder);
    print_padded(left.data, 36);
    print(f->help);
    if (f->kind == LIST || f->kind == PAIRS) print("; repeatable");
    print(needed ? "; needed\n" : "\n");
    clear(&left);
}

static void print_global_flags(void)
{
    int id;
    print("\nEverywhere:\n");
    for (id = 0; id <= LAST_GLOBAL_FLAG; id++) print_flag((flag_id)id, false);
}

static const char *output_names(const char *letters)
{
    text names = {0};
    for (; *letters != '\0'; letters++)
        add_format(&names, "%s%s", names.size > 0 ? "|" : "",
                   *letters == 't'   ? "table"
                   : *letters == 'j' ? "json"
                   : *letters == 'y' ? "yaml"
                                     : "raw");
    return names.data;
}

/* "ID -- CMD..." */
static void print_words(const command_row *c)
{
    const char *rest = strstr(c->words, "CMD...");
    if (*c->words == '\0') return;
    print(" ");
    if (rest == NULL) {
        print(c->words);
    } else {
        print_data(c->words, (size_t)(rest - c->words));
        print("-- ");
        print(rest);
    }
}

static int print_command_help(const command_row *c)
{
    size_t i;
    print("Usage: osb ");
    print(c->name);
    print(c->flags[0] != 0 ? " [FLAGS]" : "");
    print_words(c);
    print("\n\n");
    print(c->help);
    print("\n\nFlags:\n");
    for (i = 0; i < sizeof c->flags && c->flags[i] != 0; i++)
        print_flag(FLAG_AT(c, i), c->flags[i] >= NEEDS);
    print_padded("  -o, --output FORMAT", 36);
    print(output_names(c->outputs));
    print(c->outputs[1] != '\0' ? "; default the first\n" : "\n");
    print_global_flags();
    return EXIT_FINE;
}

/* The rest of a name that goes on after a path; NULL: it does not. */
static const char *rest_of(const char *name, const char *path)
{
    size_t size = strlen(path);
    if (!begins(name, path) || (size > 0 && name[size] != ' ')) return NULL;
    return name + size + (size > 0);
}

/* What stands right below a path: its commands and groups. */
static void print_below(const char *path)
{
    size_t i;
    print("Commands:\n");
    for (i = 0; i < command_count; i++) {
        const char *below = rest_of(commands[i].name, path);
        if (below == NULL || commands[i].help == NULL || strchr(below, ' ') != NULL) continue;
        print("  ");
        print_padded(below, 20);
        print(commands[i].help);
        print("\n");
    }
    for (i = 0; i < group_count; i++) {
        const char *below = rest_of(groups[i].name, path);
        if (below == NULL || strchr(below, ' ') != NULL) continue;
        print("  ");
        print_padded(below, 20);
        print(groups[i].help);
        print(": see osb ");
        print(groups[i].name);
        print(" --help\n");
    }
}

int print_help(const char *path)
{
    size_t i;
    for (i = 0; i < command_count; i++)
        if (same(commands[i].name, path)) return print_command_help(&commands[i]);
    print("Usage: osb ");
    print(path);
    print(*path == '\0' ? "COMMAND\n\n" : " COMMAND\n\n");
    if (*path == '\0')
        print("OpenSandbox from the command line. To begin with:\n"
              "  osb run python:3.12 -- python3 -c 'print(6 * 7)'\n\n");
    print_below(path);
    print_global_flags();
    if (*path == '\0')
        print("\nExit code: the sandbox command's. Of osb's own: 1 the answer is no, 2 wrong use,\n"
              "124 timed out, 125 osb or the server failed, 126 and 127 the command cannot\n"
              "be run, 130 interrupted (by SIGTERM: 143). stderr says which. 141: nobody reads\n"
              "the output any more.\n");
    return EXIT_FINE;
}

/* ---- the manual page -------------------------------------------------------------------------*/

static void print_roff(const char *string)
{
    if (*string == '.' || *string == '\'') print("\\&");
    for (; *string != '\0'; string++) {
        if (*string == '-' || *string == '\\') print("\\");
        print_data(string, 1);
    }
}

static void print_roff_flag(flag_id id, bool needed)
{
    const flag *f = &flags[id];
    print(".TP\n\\fB");
    if (f->letter != 0) {
        print("\\-");
        print_data(&f->letter, 1);
        print("\\fR, \\fB");
    }
    print("\\-\\-");
    print_roff(f->name);
    print("\\fR");
    if (f->placeholder != NULL) {
        print(" \\fI");
        print_roff(f->placeholder);
        print("\\fR");
    }
    print("\n");
    print_roff(f->help);
    if (f->kind == LIST || f->kind == PAIRS) print("; repeatable");
    print(needed ? "; needed\n" : "\n");
}

static void print_roff_command(const command_row *c)
{
    size_t i;
    print(".SS osb ");
    print_roff(c->name);
    print_words(c);
    print("\n");
    print_roff(c->help);
    print(". Output: ");
    print(output_names(c->outputs));
    print(".\n");
    for (i = 0; i < sizeof c->flags && c->flags[i] != 0; i++)
        print_roff_flag(FLAG_AT(c, i), c->flags[i] >= NEEDS);
}

int do_manual(const args *a)
{
    size_t i;
    int id;
    (void)a;
    print(".TH OSB 1 \"\" \"opensandbox.h " OSB_VERSION "\" \"User Commands\"\n"
          ".SH NAME\nosb \\- OpenSandbox from the command line\n"
          ".SH SYNOPSIS\n.B osb\n[\\fIFLAGS\\fR] \\fICOMMAND\\fR [\\fIFLAGS\\fR] [\\fIWORDS\\fR]\n"
          ".SH DESCRIPTION\nCreates sandboxes, runs commands and code in them, moves files, and "
          "whatever else OpenSandbox can do.\nNothing but the answer goes to stdout.\n"
          "In paths the sandbox replaces ~, $NAME and ${NAME}.\n"
          ".SH GLOBAL FLAGS\n");
    for (id = 0; id <= F_OUTPUT; id++) print_roff_flag((flag_id)id, false);
    print(".SH COMMANDS\n");
    for (i = 0; i < command_count; i++)
        if (commands[i].help != NULL) print_roff_command(&commands[i]);
    print(".SH EXIT STATUS\nThat of the sandbox command, if one was run. Of osb's own:\n"
          ".TP\n1\nthe answer is no\n.TP\n2\nwrong use\n.TP\n124\ntimed out\n"
          ".TP\n125\nosb or the server failed\n.TP\n126, 127\nthe command cannot be run\n"
          ".TP\n130\ninterrupted\n.TP\n141\nnobody reads the output any more\n"
          ".TP\n143\ninterrupted by SIGTERM\n"
          ".PP\nThe first Ctrl\\-C interrupts the command in the sandbox, the second one leaves.\n"
          ".SH ENVIRONMENT\nOPEN_SANDBOX_API_KEY, OPEN_SANDBOX_DOMAIN, OPEN_SANDBOX_PROTOCOL, "
          "OPEN_SANDBOX_REQUEST_TIMEOUT, OPEN_SANDBOX_USE_SERVER_PROXY: as the flags, which "
          "count more.\nSSL_CERT_FILE, SSL_CERT_DIR: authorities to trust.\nNO_COLOR: no "
          "colours.\n"
          ".SH FILES\n~/.opensandbox/config.toml: the settings file, see \\fBosb config init\\fR. "
          "Flags and environment count more.\n");
    return EXIT_FINE;
}

/* ---- completion ------------------------------------------------------------------------------*/

int do_completion(const args *a)
{
    static const char *const scripts[][2] = {
        {"bash", "_osb() {\n"
                 "    local IFS=$'\\n'\n"
                 "    COMPREPLY=($(osb __complete -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" "
                 "2>/dev/null | cut -f1))\n"
                 "}\n"
                 "complete -o default -F _osb osb\n"},
        {"zsh", "#compdef osb\n"
                "_osb() {\n"
                "    local -a found\n"
                "    found=(${(f)\"$(osb __complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null | "
                "sed 's/:/\\\\:/g; s/\\t/:/')\"})\n"
                "    if (( $#found )); then _describe osb found; else _files; fi\n"
                "}\n"
                "if [ \"$funcstack[1]\" = _osb ]; then _osb \"$@\"; else compdef _osb osb; fi\n"},
        {"fish", "function __osb_complete\n"
                 "    set -l words (commandline -opc) (commandline -ct)\n"
                 "    osb __complete -- $words[2..-1] 2>/dev/null\n"
                 "end\n"
                 "complete -c osb -a '(__osb_complete)'\n"},
    };
    size_t i;
    for (i = 0; i < COUNT(scripts); i++) {
        if (!same(a->words[0], scripts[i][0])) continue;
        print(scripts[i][1]);
        return EXIT_FINE;
    }
    return usage(a, "%s is not bash, zsh or fish", a->words[0]);
}

static void offer(const char *before, const char *word, const char *help, const char *begin)
{
    text whole = {0};
    add_format(&whole, "%s%s", before, word);
    if (begins(whole.data, begin)) {
        print(whole.data);
        print("\t");
        print(help);
        print("\n");
    }
    clear(&whole);
}

/* The next word of each name that goes on after a path; a group once. */
static void offer_names(const char *path, const char *begin)
{
    const char *last = "";
    size_t i, g;
    for (i = 0; i < command_count; i++) {
        const char *below = rest_of(commands[i].name, path), *word, *help = commands[i].help;
        if (below == NULL || help == NULL) continue;
        word = keep_text(below, strcspn(below, " "));
        if (same(word, last)) continue;
        last = word;
        for (g = 0; g < group_count; g++) {
            const char *name = rest_of(groups[g].name, path);
            if (name != NULL && same(name, word)) help = groups[g].help;
        }
        offer("", word, help, begin);
    }
}

static void offer_flags(const command_row *c, const char *begin)
{
    size_t i;
    int id;
    for (i = 0; c != NULL && i < sizeof c->flags && c->flags[i] != 0; i++)
        offer("--", flags[FLAG_AT(c, i)].name, flags[FLAG_AT(c, i)].help, begin);
    for (id = 0; id <= F_OUTPUT; id++) offer("--", flags[id].name, flags[id].help, begin);
}

/* Not an id that a shell would read as something else: it goes onto the command line as it is. */
static int offer_sandbox(void *user, const osb_sandbox_info *info)
{
    static const char harmless[] =
        "-._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    char *id = keep_text(info->id.data, info->id.size);
    char *image = keep_text(info->image.data, info->image.size);
    make_plain(image, info->image.size);
    if (*id == '-' || id[strspn(id, harmless)] != '\0') return 0;
    offer("", id, image, user);
    return 0;
}

static void offer_sandboxes(const char *begin)
{
    osb_info_handlers handlers = {keep_text(begin, strlen(begin)), NULL, offer_sandbox};
    osb_sandbox_page page;
    config.request_timeout_s = 2;
    if (connect_server() == OSB_OK) osb_lifecycle_list(client, NULL, &handlers, &page);
}

/* The command line so far; its last word is the one to complete. Answers "WORD\thelp" lines. */
int do_complete(const args *a)
{
    static const char *const outputs[] = {"table", "json", "yaml", "raw"};
    size_t count = a->word_count, i, k, words = 0;
    const char *begin, *before = "";
    const command_row *c = NULL;
    text path = {0};
    if (count > 0 && same(a->words[0], "--")) {
        a = memcpy(keep(sizeof *a), a, sizeof *a);
        ((args *)a)->words++;
        count--;
    }
    add_string(&path, "");
    begin = count > 0 ? a->words[count - 1] : "";
    for (i = 0; i + 1 < count; i++) {
        before = a->words[i];
        if (same(before, "--")) return EXIT_FINE;
        if (*before == '-') continue;
        if (c != NULL) {
            words++;
            continue;
        }
        add_format(&path, "%s%s", path.size > 0 ? " " : "", before);
        for (k = 0; k < command_count; k++)
            if (same(commands[k].name, path.data)) c = &commands[k];
    }
    if (same(before, "-o") || same(before, "--output")) {
        for (i = 0; c != NULL && i < COUNT(outputs); i++)
            if (strchr(c->outputs, *outputs[i]) != NULL) offer("", outputs[i], "", begin);
    } else if (*begin == '-') {
        offer_flags(c, begin);
    } else if (c == NULL) {
        offer_names(path.data, begin);
    } else if (words == 0 && begins(c->words, "ID") && !begins(c->name, "snapshot")) {
        offer_sandboxes(begin);
    }
    return EXIT_FINE;
}
