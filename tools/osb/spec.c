/* Documents that describe a network policy, volumes, a vault. A member that nobody knows is an
   error: a rule with a slip of the pen must not be lost in silence. */
#include "osb.h"
#include <stddef.h>
#include <string.h>

/* ---- members by table ------------------------------------------------------------------------*/

typedef enum {
    INTO_TEXT,
    INTO_BOOL,
    INTO_NOT,
    INTO_TEXTS,
    INTO_PORTS,
    INTO_U32,
    INTO_MAP,
    INTO_MAPS
} into;

/* A member of a document and where it goes: a struct's offset; lists have a size_t behind. */
typedef struct member {
    const char *name, *other_name; /* other_name: as Python writes it; may be NULL */
    into into;
    size_t offset, count_offset;
    const struct shape *shape; /* of INTO_MAP and INTO_MAPS */
} member;

typedef struct shape {
    const char *what;
    size_t size;
    const member *members;
    size_t count;
    /* what the table cannot say; NULL: nothing. Takes the members that it knows itself. */
    bool (*finish)(const char *path, const node *map, void *to);
    const char *also; /* names that `finish` reads, with spaces around them */
} shape;

static bool wrong(const char *path, const node *v, const char *what, const char *more)
{
    complain("%s:%u: %s%s", path, v->line, what, more);
    return false;
}

static bool fill(const char *path, const node *map, const shape *s, void *to);

static bool fill_texts(const char *path, const node *v, const char ***to, size_t *count)
{
    const node *item;
    const char **texts;
    size_t n = 0;
    if (v->kind != V_LIST) return wrong(path, v, v->key, " is not a list");
    for (item = v->first; item != NULL; item = item->next) n++;
    texts = keep((n + 1) * sizeof *texts);
    for (n = 0, item = v->first; item != NULL; item = item->next) {
        if (item->kind != V_TEXT) return wrong(path, item, v->key, " holds what is not a text");
        texts[n++] = item->text;
    }
    *to = texts;
    *count = n;
    return true;
}

static bool fill_ports(const char *path, const node *v, const uint16_t **to, size_t *count)
{
    const node *item;
    uint16_t *ports;
    uint64_t number;
    size_t n = 0;
    if (v->kind != V_LIST) return wrong(path, v, v->key, " is not a list");
    for (item = v->first; item != NULL; item = item->next) n++;
    ports = keep((n + 1) * sizeof *ports);
    for (n = 0, item = v->first; item != NULL; item = item->next) {
        if (item->kind != V_NUMBER || !read_number(item->text, 65535, &number))
            return wrong(path, item, v->key, " holds what is not a port");
        ports[n++] = (uint16_t)number;
    }
    *to = ports;
    *count = n;
    return true;
}

static bool fill_maps(const char *path, const node *v, const shape *s, void *to, size_t *count)
{
    const node *item;
    char *all;
    size_t n = 0;
    if (v->kind != V_LIST)
        return wrong(path, v, v->key == NULL ? s->what : v->key, " is not a list");
    for (item = v->first; item != NULL; item = item->next) n++;
    all = keep((n + 1) * s->size);
    for (n = 0, item = v->first; item != NULL; item = item->next)
        if (!fill(path, item, s, all + s->size * n++)) return false;
    memcpy(to, &all, sizeof all);
    *count = n;
    return true;
}

static bool fill_u32(const char *path, const node *v, osb_u32 *to)
{
    uint64_t number;
    if (v->kind != V_NUMBER || !read_number(v->text, UINT32_MAX, &number))
        return wrong(path, v, v->key, " is not a whole number");
    to->set = true;
    to->value = (uint32_t)number;
    return true;
}

static bool fill_member(const char *path, const node *v, const member *m, char *to)
{
    void *at = to + m->offset;
    size_t *count = (size_t *)(void *)(to + m->count_offset);
    void *inner;
    if (v->kind == V_NULL) return true;
    switch (m->into) {
    case INTO_TEXT:
        if (v->kind != V_TEXT && v->kind != V_NUMBER)
            return wrong(path, v, v->key, " is not a text");
        *(const char **)at = v->text;
        return true;
    case INTO_BOOL:
    case INTO_NOT:
        if (v->kind != V_BOOL) return wrong(path, v, v->key, " is neither true nor false");
        *(bool *)at = v->truth == (m->into == INTO_BOOL);
        return true;
    case INTO_TEXTS:
        return fill_texts(path, v, at, count);
    case INTO_PORTS:
        return fill_ports(path, v, at, count);
    case INTO_U32:
        return fill_u32(path, v, at);
    case INTO_MAPS:
        return fill_maps(path, v, m->shape, at, count);
    case INTO_MAP:
        inner = keep(m->shape->size);
        memcpy(at, &inner, sizeof inner);
        return fill(path, v, m->shape, inner);
    }
    return false;
}

static const member *find(const shape *s, const char *name)
{
    size_t i;
    for (i = 0; i < s->count; i++) {
        const member *m = &s->members[i];
        if (same(m->name, name) || (m->other_name != NULL && same(m->other_name, name))) return m;
    }
    return NULL;
}

static bool unknown(const char *path, const node *v, const shape *s)
{
    text names = {0};
    size_t i;
    for (i = 0; i < s->count; i++) add_format(&names, " %s", s->members[i].name);
    if (s->also != NULL) add_string(&names, s->also);
    complain("%s:%u: %s has no '%s', but:%s", path, v->line, s->what, v->key, names.data);
    clear(&names);
    return false;
}

static bool fill(const char *path, const node *map, const shape *s, void *to)
{
    const node *v;
    if (map->kind != V_MAP) return wrong(path, map, s->what, " is not a map");
    for (v = map->first; v != NULL; v = v->next) {
        const member *m = find(s, v->key);
        if (m == NULL) {
            if (s->also != NULL && strstr(s->also, formatted(" %s ", v->key)) != NULL) continue;
            return unknown(path, v, s);
        }
        if (!fill_member(path, v, m, to)) return false;
    }
    return s->finish == NULL || s->finish(path, map, to);
}

#define TEXT_MEMBER(type, name, other, field)                                                      \
    {                                                                                              \
        name, other, INTO_TEXT, offsetof(type, field), 0, NULL                                     \
    }
#define BOOL_MEMBER(type, name, other, into, field)                                                \
    {                                                                                              \
        name, other, into, offsetof(type, field), 0, NULL                                          \
    }
#define LIST_MEMBER(type, name, other, into, field, count, shape)                                  \
    {                                                                                              \
        name, other, into, offsetof(type, field), offsetof(type, count), shape                     \
    }
#define MAP_MEMBER(type, name, field, shape)                                                       \
    {                                                                                              \
        name, NULL, INTO_MAP, offsetof(type, field), 0, shape                                      \
    }
#define SHAPE(what, type, members, finish, also)                                                   \
    {                                                                                              \
        what, sizeof(type), members, COUNT(members), finish, also                                  \
    }

/* ---- network policy --------------------------------------------------------------------------*/

static bool finish_rule(const char *path, const node *map, void *to)
{
    const osb_network_rule *rule = to;
    if (rule->target == NULL) return wrong(path, map, "a rule without a target", "");
    if (rule->action == NULL) return wrong(path, map, "a rule without an action", "");
    if (!same(rule->action, "allow") && !same(rule->action, "deny"))
        return wrong(path, map, "a rule's action is neither allow nor deny: ", rule->action);
    return true;
}

static const member rule_members[] = {
    TEXT_MEMBER(osb_network_rule, "action", NULL, action),
    TEXT_MEMBER(osb_network_rule, "target", NULL, target),
};
static const shape rule_shape = SHAPE("a rule", osb_network_rule, rule_members, finish_rule, NULL);

static bool finish_policy(const char *path, const node *map, void *to)
{
    const osb_network_policy *policy = to;
    const char *action = policy->default_action;
    if (action != NULL && !same(action, "allow") && !same(action, "deny"))
        return wrong(path, map, "defaultAction is neither allow nor deny: ", action);
    return true;
}

static const member policy_members[] = {
    TEXT_MEMBER(osb_network_policy, "defaultAction", "default_action", default_action),
    LIST_MEMBER(osb_network_policy, "egress", NULL, INTO_MAPS, egress, egress_count, &rule_shape),
};
static const shape policy_shape =
    SHAPE("a policy", osb_network_policy, policy_members, finish_policy, NULL);

bool read_policy(const char *path, osb_network_policy *policy)
{
    const node *document = read_document(path);
    return document != NULL && fill(path, document, &policy_shape, policy);
}

bool read_rule(const char *rule, osb_network_rule *to)
{
    const char *equals = strchr(rule, '=');
    if (equals == NULL || equals[1] == '\0') return false;
    to->action = keep_text(rule, (size_t)(equals - rule));
    to->target = equals + 1;
    return same(to->action, "allow") || same(to->action, "deny");
}

/* ---- volumes ---------------------------------------------------------------------------------*/

static const member host_members[] = {TEXT_MEMBER(osb_host_volume, "path", NULL, path)};
static const shape host_shape = SHAPE("host", osb_host_volume, host_members, NULL, NULL);

static const member pvc_members[] = {
    TEXT_MEMBER(osb_pvc_volume, "claimName", "claim_name", claim_name),
    TEXT_MEMBER(osb_pvc_volume, "storageClass", "storage_class", storage_class),
    TEXT_MEMBER(osb_pvc_volume, "storage", NULL, storage),
    LIST_MEMBER(osb_pvc_volume, "accessModes", "access_modes", INTO_TEXTS, access_modes,
                access_mode_count, NULL),
    BOOL_MEMBER(osb_pvc_volume, "createIfNotExists", "create_if_not_exists", INTO_NOT, must_exist),
    BOOL_MEMBER(osb_pvc_volume, "deleteOnSandboxTermination", "delete_on_sandbox_termination",
                INTO_BOOL, delete_on_sandbox_termination),
};
static const shape pvc_shape = SHAPE("pvc", osb_pvc_volume, pvc_members, NULL, NULL);

static const member ossfs_members[] = {
    TEXT_MEMBER(osb_ossfs_volume, "bucket", NULL, bucket),
    TEXT_MEMBER(osb_ossfs_volume, "endpoint", NULL, endpoint),
    TEXT_MEMBER(osb_ossfs_volume, "version", NULL, version),
    LIST_MEMBER(osb_ossfs_volume, "options", NULL, INTO_TEXTS, options, option_count, NULL),
    TEXT_MEMBER(osb_ossfs_volume, "accessKeyId", "access_key_id", access_key_id),
    TEXT_MEMBER(osb_ossfs_volume, "accessKeySecret", "access_key_secret", access_key_secret),
};
static const shape ossfs_shape = SHAPE("ossfs", osb_ossfs_volume, ossfs_members, NULL, NULL);

static bool finish_volume(const char *path, const node *map, void *to)
{
    const osb_volume *v = to;
    if (v->name == NULL) return wrong(path, map, "a volume without a name", "");
    if (v->mount_path == NULL) return wrong(path, map, "a volume without a mountPath: ", v->name);
    if ((v->host != NULL) + (v->pvc != NULL) + (v->ossfs != NULL) != 1)
        return wrong(path, map, "not exactly one of host, pvc and ossfs in the volume ", v->name);
    return true;
}

static const member volume_members[] = {
    TEXT_MEMBER(osb_volume, "name", NULL, name),
    TEXT_MEMBER(osb_volume, "mountPath", "mount_path", mount_path),
    TEXT_MEMBER(osb_volume, "subPath", "sub_path", sub_path),
    MAP_MEMBER(osb_volume, "host", host, &host_shape),
    MAP_MEMBER(osb_volume, "pvc", pvc, &pvc_shape),
    MAP_MEMBER(osb_volume, "ossfs", ossfs, &ossfs_shape),
    BOOL_MEMBER(osb_volume, "readOnly", "read_only", INTO_BOOL, read_only),
};
static const shape volume_shape =
    SHAPE("a volume", osb_volume, volume_members, finish_volume, NULL);

bool read_volumes(const char *path, const osb_volume **volumes, size_t *count)
{
    const node *document = read_document(path);
    if (document == NULL) return false;
    if (document->kind != V_LIST) return wrong(path, document, "not a list of volumes", "");
    return fill_maps(path, document, &volume_shape, (void *)volumes, count);
}

/* ---- the vault -------------------------------------------------------------------------------*/

/* "source": {"type": "inline", "value": ...} */
static bool finish_credential(const char *path, const node *map, void *to)
{
    osb_credential *c = to;
    const node *source = get(map, "source"), *type = get(source, "type");
    const node *value = source != NULL ? get(source, "value") : get(map, "value");
    if (c->name == NULL) return wrong(path, map, "a credential without a name", "");
    if (type != NULL && (type->kind != V_TEXT || !same(type->text, "inline")))
        return wrong(path, type, "a source's type is not inline", "");
    if (value == NULL || (value->kind != V_TEXT && value->kind != V_NUMBER))
        return wrong(path, map, "no text in source.value of the credential ", c->name);
    c->value = value->text;
    return true;
}

static const member credential_members[] = {TEXT_MEMBER(osb_credential, "name", NULL, name)};
static const shape credential_shape =
    SHAPE("a credential", osb_credential, credential_members, finish_credential, " source value ");

static const member match_members[] = {
    LIST_MEMBER(osb_binding, "hosts", NULL, INTO_TEXTS, hosts, host_count, NULL),
    LIST_MEMBER(osb_binding, "schemes", NULL, INTO_TEXTS, schemes, scheme_count, NULL),
    LIST_MEMBER(osb_binding, "ports", NULL, INTO_PORTS, ports, port_count, NULL),
    LIST_MEMBER(osb_binding, "methods", NULL, INTO_TEXTS, methods, method_count, NULL),
    LIST_MEMBER(osb_binding, "paths", NULL, INTO_TEXTS, paths, path_count, NULL),
};
static const shape match_shape = SHAPE("match", osb_binding, match_members, NULL, NULL);

static const member header_members[] = {
    TEXT_MEMBER(osb_pair, "name", NULL, name),
    TEXT_MEMBER(osb_pair, "credential", NULL, value),
};
static const shape header_shape = SHAPE("a header", osb_pair, header_members, NULL, NULL);

static const member auth_members[] = {
    TEXT_MEMBER(osb_binding, "type", NULL, auth),
    TEXT_MEMBER(osb_binding, "name", NULL, header_name),
    TEXT_MEMBER(osb_binding, "credential", NULL, credential),
    LIST_MEMBER(osb_binding, "headers", NULL, INTO_MAPS, headers, header_count, &header_shape),
};
static const shape auth_shape = SHAPE("auth", osb_binding, auth_members, NULL, NULL);

static const member substitution_members[] = {
    TEXT_MEMBER(osb_substitution, "credential", NULL, credential),
    TEXT_MEMBER(osb_substitution, "placeholder", NULL, placeholder),
    LIST_MEMBER(osb_substitution, "in", NULL, INTO_TEXTS, in, in_count, NULL),
};
static const shape substitution_shape =
    SHAPE("a substitution", osb_substitution, substitution_members, NULL, NULL);

/* "match" and "auth" are maps in the file, and members of one struct here. */
static bool finish_binding(const char *path, const node *map, void *to)
{
    const osb_binding *b = to;
    const node *match = get(map, "match"), *auth = get(map, "auth");
    if (b->name == NULL) return wrong(path, map, "a binding without a name", "");
    if (match == NULL) return wrong(path, map, "no match in the binding ", b->name);
    if (!fill(path, match, &match_shape, to)) return false;
    if (b->host_count == 0) return wrong(path, match, "no hosts in the match of ", b->name);
    return auth == NULL || fill(path, auth, &auth_shape, to);
}

static const member binding_members[] = {
    TEXT_MEMBER(osb_binding, "name", NULL, name),
    LIST_MEMBER(osb_binding, "substitutions", NULL, INTO_MAPS, substitutions, substitution_count,
                &substitution_shape),
};
static const shape binding_shape =
    SHAPE("a binding", osb_binding, binding_members, finish_binding, " match auth ");

static const member vault_members[] = {
    LIST_MEMBER(osb_vault_content, "credentials", NULL, INTO_MAPS, credentials, credential_count,
                &credential_shape),
    LIST_MEMBER(osb_vault_content, "bindings", NULL, INTO_MAPS, bindings, binding_count,
                &binding_shape),
};
static const shape vault_shape = SHAPE("a vault", osb_vault_content, vault_members, NULL, NULL);

static const member credential_change_members[] = {
    LIST_MEMBER(osb_credential_changes, "add", NULL, INTO_MAPS, add, add_count, &credential_shape),
    LIST_MEMBER(osb_credential_changes, "replace", NULL, INTO_MAPS, replace, replace_count,
                &credential_shape),
    LIST_MEMBER(osb_credential_changes, "delete", NULL, INTO_TEXTS, remove, remove_count, NULL),
};
static const shape credential_changes_shape =
    SHAPE("credentials", osb_credential_changes, credential_change_members, NULL, NULL);

static const member binding_change_members[] = {
    LIST_MEMBER(osb_binding_changes, "add", NULL, INTO_MAPS, add, add_count, &binding_shape),
    LIST_MEMBER(osb_binding_changes, "replace", NULL, INTO_MAPS, replace, replace_count,
                &binding_shape),
    LIST_MEMBER(osb_binding_changes, "delete", NULL, INTO_TEXTS, remove, remove_count, NULL),
};
static const shape binding_changes_shape =
    SHAPE("bindings", osb_binding_changes, binding_change_members, NULL, NULL);

static const member change_members[] = {
    {"expectedRevision", "expected_revision", INTO_U32,
     offsetof(osb_vault_changes, expected_revision), 0, NULL},
    MAP_MEMBER(osb_vault_changes, "credentials", credentials, &credential_changes_shape),
    MAP_MEMBER(osb_vault_changes, "bindings", bindings, &binding_changes_shape),
};
static const shape changes_shape =
    SHAPE("a change of the vault", osb_vault_changes, change_members, NULL, NULL);

bool read_vault(const char *path, osb_vault_content *content)
{
    const node *document = read_document(path);
    if (document == NULL) return false;
    if (document->kind == V_MAP && get(document, "credentials") == NULL)
        return wrong(path, document, "no credentials", "");
    if (document->kind == V_MAP && get(document, "bindings") == NULL)
        return wrong(path, document, "no bindings", "");
    return fill(path, document, &vault_shape, content);
}

bool read_vault_changes(const char *path, osb_vault_changes *changes)
{
    const node *document = read_document(path);
    if (document == NULL || !fill(path, document, &changes_shape, changes)) return false;
    if (changes->credentials == NULL && changes->bindings == NULL)
        return wrong(path, document, "neither credentials nor bindings", "");
    return true;
}
