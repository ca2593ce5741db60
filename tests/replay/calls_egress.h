/* The egress sidecar's calls: network policy and credential vault. Included by calls.h. */
#ifndef TESTS_CALLS_EGRESS_H
#define TESTS_CALLS_EGRESS_H

#define VAULT_MOST 6

static struct { /* must live until the call has ended */
    osb_egress_options options;
    osb_policy_status status;
    osb_credential credentials[VAULT_MOST];
    osb_binding bindings[VAULT_MOST];
    osb_pair headers[VAULT_MOST][4];
    osb_substitution substitutions[VAULT_MOST][4];
    uint16_t ports[VAULT_MOST][4];
    size_t credential_count, binding_count, substitution_count;
    osb_vault_content content;
    osb_credential_changes credential_changes;
    osb_binding_changes binding_changes;
    osb_vault_changes changes;
    osb_vault_handlers handlers;
    osb_credential_info credential;
    osb_binding_info binding;
    uint32_t revision;
} egress;

static osb_status call_egress_connect(scene *s)
{
    osb_status status;
    memset(&egress, 0, sizeof egress);
    egress.options.port = (uint16_t)transcript_number(s->call, "port");
    egress.options.allow_execd_route = transcript_has(s->call, "allow_execd_route");
    egress.options.endpoint.use_server_proxy = transcript_has(s->call, "use_server_proxy");
    status = osb_egress_connect(&s->box, &egress.options, &s->egress);
    status = scene_wait(s, status);
    if (status == OSB_OK) recorder_endpoint(&s->r, &s->egress.endpoint);
    return status;
}

static osb_status call_egress_health(scene *s)
{
    return scene_wait(s, osb_egress_health(&s->egress));
}

static int recorder_on_rule(void *user, const osb_rule_info *rule)
{
    recorder *r = (recorder *)user;
    recorder_view(r, "rule", rule->action);
    recorder_view(r, "target", rule->target);
    return recorder_answer(r, "rule", false);
}

static osb_status scene_policy(scene *s, osb_status status)
{
    const osb_policy_status *p = &egress.status;
    status = scene_wait(s, status);
    if (status != OSB_OK) return status;
    recorder_view(&s->r, "status", p->status);
    recorder_view(&s->r, "mode", p->mode);
    recorder_view(&s->r, "enforcement_mode", p->enforcement_mode);
    recorder_view(&s->r, "reason", p->reason);
    recorder_view(&s->r, "default_action", p->default_action);
    return status;
}

/* Where a policy's status goes, if it is asked for. */
static osb_policy_status *scene_policy_status(scene *s)
{
    memset(&egress, 0, sizeof egress);
    return transcript_has(s->call, "no_answer") ? NULL : &egress.status;
}

static osb_status call_egress_get_policy(scene *s)
{
    osb_policy_status *out = scene_policy_status(s);
    return scene_policy(s, osb_egress_get_policy(&s->egress, recorder_on_rule, &s->r, out));
}

static osb_status call_egress_patch_policy(scene *s)
{
    size_t count;
    const osb_network_rule *rules = scene_rules(s, &count);
    osb_policy_status *out = scene_policy_status(s);
    return scene_policy(s, osb_egress_patch_policy(&s->egress, rules, count, out));
}

static osb_status call_egress_delete_rules(scene *s)
{
    size_t count = transcript_list(s->call, "target", s->list);
    osb_policy_status *out = scene_policy_status(s);
    return scene_policy(s, osb_egress_delete_rules(&s->egress, s->list, count, out));
}

static osb_status call_egress_replace_policy(scene *s)
{
    osb_policy_status *out = scene_policy_status(s);
    s->policy.default_action = scene_get(s, "default_action");
    s->policy.egress = scene_rules(s, &s->policy.egress_count);
    return scene_policy(s, osb_egress_replace_policy(&s->egress, &s->policy, out));
}

static osb_status call_egress_reset_policy(scene *s)
{
    osb_policy_status *out = scene_policy_status(s);
    return scene_policy(s, osb_egress_reset_policy(&s->egress, out));
}

/* "credential name=a value=b", or another word than credential; returns how many there are. */
static size_t scene_credentials(scene *s, const char *word, const osb_credential **out)
{
    const char *lines[TRANSCRIPT_MOST];
    size_t i, n = transcript_list(s->call, word, lines);
    *out = n > 0 ? &egress.credentials[egress.credential_count] : NULL;
    for (i = 0; i < n; i++) {
        const words *w = words_parse(&s->words, lines[i]);
        osb_credential *c = &egress.credentials[egress.credential_count++];
        c->name = words_get(w, "name");
        c->value = words_get(w, "value");
    }
    return n;
}

/* headers: "header=name:credential" as many times as there are. */
static void scene_binding_headers(scene *s, const words *w, osb_binding *b, osb_pair *headers)
{
    size_t i;
    const char *const *list = words_list(&s->words, w, "header", &b->header_count);
    for (i = 0; i < b->header_count; i++) {
        char *copy = (char *)(uintptr_t)list[i], *colon = strchr(copy, ':');
        *colon = '\0';
        headers[i].name = copy;
        headers[i].value = colon + 1;
    }
    if (b->header_count > 0) b->headers = headers;
}

/* "substitution binding=name credential=a placeholder=b in=path in=query" for each one. */
static void scene_substitutions(scene *s, osb_binding *b, osb_substitution *substitutions)
{
    const char *lines[TRANSCRIPT_MOST];
    size_t i, n = transcript_list(s->call, "substitution", lines);
    for (i = 0; i < n; i++) {
        const words *w = words_parse(&s->words, lines[i]);
        osb_substitution *one = &substitutions[b->substitution_count];
        if (strcmp(words_get(w, "binding"), b->name) != 0) continue;
        one->credential = words_get(w, "credential");
        one->placeholder = words_get(w, "placeholder");
        one->in = words_list(&s->words, w, "in", &one->in_count);
        b->substitution_count++;
    }
    if (b->substitution_count > 0) b->substitutions = substitutions;
}

static void scene_binding(scene *s, const words *w, size_t number)
{
    osb_binding *b = &egress.bindings[number];
    const char *const *ports;
    size_t i;
    b->name = words_get(w, "name");
    b->hosts = words_list(&s->words, w, "host", &b->host_count);
    b->schemes = words_list(&s->words, w, "scheme", &b->scheme_count);
    b->methods = words_list(&s->words, w, "method", &b->method_count);
    b->paths = words_list(&s->words, w, "path", &b->path_count);
    ports = words_list(&s->words, w, "port", &b->port_count);
    for (i = 0; i < b->port_count; i++) egress.ports[number][i] = (uint16_t)atoi(ports[i]);
    if (b->port_count > 0) b->ports = egress.ports[number];
    b->auth = words_get(w, "auth");
    b->header_name = words_get(w, "header_name");
    b->credential = words_get(w, "credential");
    scene_binding_headers(s, w, b, egress.headers[number]);
    scene_substitutions(s, b, egress.substitutions[number]);
}

/* "binding name=a host=b auth=bearer credential=c", or another word than binding. */
static size_t scene_bindings(scene *s, const char *word, const osb_binding **out)
{
    const char *lines[TRANSCRIPT_MOST];
    size_t i, n = transcript_list(s->call, word, lines);
    *out = n > 0 ? &egress.bindings[egress.binding_count] : NULL;
    for (i = 0; i < n; i++)
        scene_binding(s, words_parse(&s->words, lines[i]), egress.binding_count++);
    return n;
}

static int recorder_on_credential(void *user, const osb_credential_info *credential)
{
    recorder *r = (recorder *)user;
    recorder_view(r, "credential", credential->name);
    recorder_view(r, "source_type", credential->source_type);
    text_print(&r->lines, "revision %lu\n", (unsigned long)credential->revision);
    return recorder_answer(r, "credential", false);
}

static int recorder_on_binding(void *user, const osb_binding_info *binding)
{
    recorder *r = (recorder *)user;
    recorder_view(r, "binding", binding->name);
    recorder_view(r, "auth", binding->auth);
    recorder_view(r, "header_name", binding->header_name);
    text_print(&r->lines, "revision %lu\n", (unsigned long)binding->revision);
    return recorder_answer(r, "binding", false);
}

static const osb_vault_handlers *scene_vault(scene *s)
{
    memset(&egress, 0, sizeof egress);
    egress.handlers.user = &s->r;
    egress.handlers.on_entry = recorder_on_entry;
    egress.handlers.on_credential = recorder_on_credential;
    egress.handlers.on_binding = recorder_on_binding;
    return transcript_has(s->call, "no_answer") ? NULL : &egress.handlers;
}

static osb_status scene_revision(scene *s, osb_status status)
{
    status = scene_wait(s, status);
    text_print(&s->r.lines, "vault revision %lu\n", (unsigned long)egress.revision);
    return status;
}

static osb_status call_vault_create(scene *s)
{
    const osb_vault_handlers *handlers = scene_vault(s);
    osb_vault_content *c = &egress.content;
    c->credential_count = scene_credentials(s, "credential", &c->credentials);
    c->binding_count = scene_bindings(s, "binding", &c->bindings);
    return scene_revision(s, osb_vault_create(&s->egress, c, handlers, &egress.revision));
}

static osb_status call_vault_get(scene *s)
{
    const osb_vault_handlers *handlers = scene_vault(s);
    return scene_revision(s, osb_vault_get(&s->egress, handlers, &egress.revision));
}

static osb_status call_vault_patch(scene *s)
{
    const osb_vault_handlers *handlers = scene_vault(s);
    osb_credential_changes *c = &egress.credential_changes;
    osb_binding_changes *b = &egress.binding_changes;
    egress.changes.expected_revision = scene_optional(s, "expected_revision");
    c->add_count = scene_credentials(s, "add_credential", &c->add);
    c->replace_count = scene_credentials(s, "replace_credential", &c->replace);
    c->remove_count = transcript_list(s->call, "remove_credential", s->list);
    c->remove = s->list;
    b->add_count = scene_bindings(s, "add_binding", &b->add);
    b->replace_count = scene_bindings(s, "replace_binding", &b->replace);
    b->remove_count = transcript_list(s->call, "remove_binding", s->other_list);
    b->remove = s->other_list;
    if (c->add_count + c->replace_count + c->remove_count > 0) egress.changes.credentials = c;
    if (b->add_count + b->replace_count + b->remove_count > 0) egress.changes.bindings = b;
    return scene_revision(s,
                          osb_vault_patch(&s->egress, &egress.changes, handlers, &egress.revision));
}

static osb_status call_vault_delete(scene *s)
{
    return scene_wait(s, osb_vault_delete(&s->egress));
}

static osb_status call_vault_list_credentials(scene *s)
{
    const osb_vault_handlers *handlers = scene_vault(s);
    return scene_revision(s, osb_vault_list_credentials(&s->egress, handlers, &egress.revision));
}

static osb_status call_vault_list_bindings(scene *s)
{
    const osb_vault_handlers *handlers = scene_vault(s);
    return scene_revision(s, osb_vault_list_bindings(&s->egress, handlers, &egress.revision));
}

static osb_status call_vault_get_credential(scene *s)
{
    osb_status status;
    memset(&egress, 0, sizeof egress);
    status = osb_vault_get_credential(&s->egress, scene_get(s, "name"), &egress.credential);
    status = scene_wait(s, status);
    if (status == OSB_OK) recorder_on_credential(&s->r, &egress.credential);
    return status;
}

static osb_status call_vault_get_binding(scene *s)
{
    const osb_vault_handlers *handlers = scene_vault(s);
    osb_status status =
        osb_vault_get_binding(&s->egress, scene_get(s, "name"), handlers, &egress.binding);
    status = scene_wait(s, status);
    if (status == OSB_OK) recorder_on_binding(&s->r, &egress.binding);
    return status;
}

#endif
