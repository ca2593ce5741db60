/* What several commands do alike. */
#include "osb.h"
#include <string.h>
#include <strings.h>

/* ---- flags -----------------------------------------------------------------------------------*/

static const char *known_state(const args *a, const char *const *known, const char *word)
{
    text names = {0};
    size_t i;
    for (i = 0; known[i] != NULL; i++) {
        if (strcasecmp(known[i], word) == 0) return known[i];
        add_format(&names, "%s%s", i == 0 ? "" : known[i + 1] == NULL ? " or " : ", ", known[i]);
    }
    usage(a, "--state %s is not %s", word, names.data);
    return NULL;
}

bool flag_states(const args *a, const char *const *known, const char *const **states, size_t *count)
{
    const char *const *given;
    size_t i;
    const char **all;
    *count = flag_list(a, F_STATE, &given);
    *states = all = keep((*count + 1) * sizeof *all);
    for (i = 0; i < *count; i++) {
        all[i] = known_state(a, known, given[i]);
        if (all[i] == NULL) return false;
    }
    return true;
}

bool flag_pages(const args *a, uint32_t *page, uint32_t *page_size)
{
    *page = flag_number(a, F_PAGE, 0);
    *page_size = flag_number(a, F_PAGE_SIZE, 0);
    if ((!has(a, F_PAGE) || *page > 0) && (!has(a, F_PAGE_SIZE) || *page_size > 0)) return true;
    usage(a, "pages and their sizes begin with 1");
    return false;
}

/* ---- calls -----------------------------------------------------------------------------------*/

int call_for_each(const args *a, osb_status (*call)(osb_client *client, const char *word),
                  const char *key, const char *done)
{
    node *rows = put_list(NULL, NULL), *row;
    int code = EXIT_FINE;
    size_t i;
    osb_status status = connect_server();
    if (status != OSB_OK) return failed(status);
    for (i = 0; i < a->word_count && !was_interrupted(); i++) {
        status = call(client, a->words[i]);
        if (status != OSB_OK) {
            code = failed(status);
            continue;
        }
        row = put_map(rows, NULL);
        put_text(row, key, a->words[i]);
        put_text(row, "status", done);
    }
    if (code == EXIT_FINE && i < a->word_count) code = say_interrupted();
    if (rows->first != NULL) show(rows, formatted("%s status", key));
    return code;
}

int call_in_sandbox(const args *a, osb_status (*call)(osb_sandbox *box, const char *id),
                    const char *done)
{
    osb_sandbox box;
    osb_status status = connect_sandbox(a->words[0], &box);
    if (status == OSB_OK) status = call(&box, a->words[1]);
    return status == OSB_OK ? show_done("%s: %s", done, a->words[1]) : failed(status);
}

/* ---- documents -------------------------------------------------------------------------------*/

void put_status(node *parent, osb_str state, osb_str reason, osb_str message, osb_str since)
{
    node *status = put_map(parent, "status");
    put_view(status, "state", state);
    put_view(status, "reason", reason);
    put_view(status, "message", message);
    put_view(status, "last_transition_at", since);
}

int show_page(node *answer, const page_numbers *p, const char *columns)
{
    node *numbers = put_map(answer, "pagination");
    put_number(numbers, "page", p->page);
    put_number(numbers, "page_size", p->page_size);
    put_number(numbers, "total_items", p->total_items);
    put_number(numbers, "total_pages", p->total_pages);
    put_bool(numbers, "has_next_page", p->has_next_page);
    show(answer, columns);
    if (config.output == 't' && p->has_next_page)
        remark("this was page %u of %u: --page %u, or --all", (unsigned)p->page,
               (unsigned)p->total_pages, (unsigned)p->page + 1);
    return EXIT_FINE;
}

int show_or_raw(const node *answer, const char *raw)
{
    if (config.output != 'r') return show(answer, "");
    print(raw);
    print("\n");
    return EXIT_FINE;
}
