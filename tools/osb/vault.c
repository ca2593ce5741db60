/* osb credential-vault ... */
#include "osb.h"

/* A vault's description, as it streams in. A binding's entries come before it. */
typedef struct gathering {
    node *credentials, *bindings, *match;
} gathering;

static void put_credential(node *v, const osb_credential_info *credential)
{
    put_view(v, "name", credential->name);
    put_view(v, "source_type", credential->source_type);
    put_number(v, "revision", credential->revision);
}

static int on_credential(void *user, const osb_credential_info *credential)
{
    gathering *g = user;
    put_credential(put_map(g->credentials, NULL), credential);
    return 0;
}

static node *match_list(node *match, const char *name)
{
    node *list = get(match, name);
    return list != NULL ? list : put_list(match, name);
}

static int on_entry(void *user, const osb_entry *entry)
{
    gathering *g = user;
    node *v = put_view(match_list(g->match, entry->member), NULL, entry->value);
    uint64_t port;
    if (same(entry->member, "ports") && *v->text != '0' && read_number(v->text, 65535, &port))
        v->kind = V_NUMBER;
    return 0;
}

static void put_binding(node *v, const osb_binding_info *binding, const node *match)
{
    node *auth;
    put_view(v, "name", binding->name);
    put_number(v, "revision", binding->revision);
    put_copy(v, "match", match);
    auth = put_map(v, "auth");
    put_view(auth, "type", binding->auth);
    put_view(auth, "name", binding->header_name);
}

static int on_binding(void *user, const osb_binding_info *binding)
{
    gathering *g = user;
    put_binding(put_map(g->bindings, NULL), binding, g->match);
    g->match = put_map(NULL, NULL);
    return 0;
}

static void gather(gathering *g, osb_vault_handlers *handlers)
{
    g->credentials = put_list(NULL, NULL);
    g->bindings = put_list(NULL, NULL);
    g->match = put_map(NULL, NULL);
    handlers->user = g;
    handlers->on_entry = on_entry;
    handlers->on_credential = on_credential;
    handlers->on_binding = on_binding;
}

static int show_vault(osb_status status, uint32_t revision, const gathering *g)
{
    node *answer = put_map(NULL, NULL);
    if (status != OSB_OK) return failed(status);
    put_number(answer, "revision", revision);
    put_copy(answer, "credentials", g->credentials);
    put_copy(answer, "bindings", g->bindings);
    return show(answer, "");
}

int do_vault_create(const args *a)
{
    osb_egress *egress;
    osb_vault_content content = {0};
    osb_vault_handlers handlers;
    gathering g;
    uint32_t revision = 0;
    osb_status status;
    if (!read_vault(flag_text(a, F_FILE), &content)) return EXIT_USAGE;
    gather(&g, &handlers);
    status = connect_egress(a, true, &egress);
    if (status == OSB_OK) status = osb_vault_create(egress, &content, &handlers, &revision);
    return show_vault(status, revision, &g);
}

int do_vault_patch(const args *a)
{
    osb_egress *egress;
    osb_vault_changes changes = {{false, 0}, NULL, NULL};
    osb_vault_handlers handlers;
    gathering g;
    uint32_t revision = 0;
    osb_status status;
    if (!read_vault_changes(flag_text(a, F_FILE), &changes)) return EXIT_USAGE;
    gather(&g, &handlers);
    status = connect_egress(a, true, &egress);
    if (status == OSB_OK) status = osb_vault_patch(egress, &changes, &handlers, &revision);
    return show_vault(status, revision, &g);
}

typedef osb_status ask(osb_egress *egress, const osb_vault_handlers *handlers, uint32_t *revision);

static osb_status gather_from(const args *a, ask *call, gathering *g, uint32_t *revision)
{
    osb_egress *egress;
    osb_vault_handlers handlers;
    osb_status status = connect_egress(a, true, &egress);
    gather(g, &handlers);
    return status == OSB_OK ? call(egress, &handlers, revision) : status;
}

int do_vault_get(const args *a)
{
    gathering g;
    uint32_t revision = 0;
    osb_status status = gather_from(a, osb_vault_get, &g, &revision);
    return show_vault(status, revision, &g);
}

int do_vault_delete(const args *a)
{
    osb_egress *egress;
    node *answer = put_map(NULL, NULL);
    osb_status status = connect_egress(a, true, &egress);
    if (status == OSB_OK) status = osb_vault_delete(egress);
    if (status != OSB_OK) return failed(status);
    put_text(answer, "sandbox_id", a->words[0]);
    put_text(answer, "status", "deleted");
    return show(answer, "");
}

int do_credential_list(const args *a)
{
    gathering g;
    uint32_t revision = 0;
    osb_status status = gather_from(a, osb_vault_list_credentials, &g, &revision);
    return status == OSB_OK ? show(g.credentials, "name source_type revision") : failed(status);
}

int do_credential_get(const args *a)
{
    osb_egress *egress;
    osb_credential_info credential;
    node *answer = put_map(NULL, NULL);
    osb_status status = connect_egress(a, true, &egress);
    if (status == OSB_OK) status = osb_vault_get_credential(egress, a->words[1], &credential);
    if (status != OSB_OK) return failed(status);
    put_credential(answer, &credential);
    return show(answer, "");
}

int do_binding_list(const args *a)
{
    gathering g;
    uint32_t revision = 0;
    osb_status status = gather_from(a, osb_vault_list_bindings, &g, &revision);
    return status == OSB_OK ? show(g.bindings, "name revision hosts=match.hosts auth=auth.type")
                            : failed(status);
}

int do_binding_get(const args *a)
{
    osb_egress *egress;
    osb_vault_handlers handlers;
    osb_binding_info binding;
    gathering g;
    node *answer = put_map(NULL, NULL);
    osb_status status = connect_egress(a, true, &egress);
    gather(&g, &handlers);
    handlers.on_binding = NULL;
    if (status == OSB_OK) status = osb_vault_get_binding(egress, a->words[1], &handlers, &binding);
    if (status != OSB_OK) return failed(status);
    put_binding(answer, &binding, g.match);
    return show(answer, "");
}
