/* osb egress ... */
#include "osb.h"

osb_status connect_egress(const args *a, bool secrets, osb_egress **egress)
{
    static osb_sandbox box;
    static osb_egress one;
    osb_egress_options options = {0};
    osb_status status = connect_sandbox(a->words[0], &box);
    options.allow_execd_route = secrets;
    *egress = &one;
    return status == OSB_OK ? osb_egress_connect(&box, &options, &one) : status;
}

static int on_rule(void *user, const osb_rule_info *rule)
{
    node *v = put_map(user, NULL);
    put_view(v, "action", rule->action);
    put_view(v, "target", rule->target);
    return 0;
}

static void put_policy_status(node *answer, const osb_policy_status *policy)
{
    put_view(answer, "status", policy->status);
    put_view(answer, "mode", policy->mode);
    put_view(answer, "enforcement_mode", policy->enforcement_mode);
    put_view(answer, "reason", policy->reason);
}

int do_egress_get(const args *a)
{
    osb_egress *egress;
    osb_policy_status policy;
    node *answer = put_map(NULL, NULL), *rules = put_list(NULL, NULL);
    osb_status status = connect_egress(a, false, &egress);
    if (status == OSB_OK) status = osb_egress_get_policy(egress, on_rule, rules, &policy);
    if (status != OSB_OK) return failed(status);
    put_view(answer, "default_action", policy.default_action);
    put_copy(answer, "egress", rules);
    put_policy_status(answer, &policy);
    return show(answer, "");
}

static int show_change(const args *a, osb_status status, const char *key, const node *what,
                       const osb_policy_status *policy)
{
    node *answer = put_map(NULL, NULL);
    if (status != OSB_OK) return failed(status);
    put_text(answer, "sandbox_id", a->words[0]);
    if (key != NULL) put_copy(answer, key, what);
    put_policy_status(answer, policy);
    return show(answer, "");
}

int do_egress_patch(const args *a)
{
    osb_egress *egress;
    osb_policy_status policy;
    const char *const *given;
    size_t count = flag_list(a, F_RULE, &given), i;
    osb_network_rule *rules = keep((count + 1) * sizeof *rules);
    node *list = put_list(NULL, NULL), *v;
    osb_status status;
    for (i = 0; i < count; i++) {
        if (!read_rule(given[i], &rules[i]))
            return usage(a, "--rule %s is neither allow=TARGET nor deny=TARGET", given[i]);
        v = put_map(list, NULL);
        put_text(v, "action", rules[i].action);
        put_text(v, "target", rules[i].target);
    }
    status = connect_egress(a, false, &egress);
    if (status == OSB_OK) status = osb_egress_patch_policy(egress, rules, count, &policy);
    return show_change(a, status, "patched_rules", list, &policy);
}

int do_egress_delete(const args *a)
{
    osb_egress *egress;
    osb_policy_status policy;
    const char *const *targets;
    size_t count = flag_list(a, F_TARGET, &targets), i;
    node *list = put_list(NULL, NULL);
    osb_status status;
    for (i = 0; i < count; i++) put_text(list, NULL, targets[i]);
    status = connect_egress(a, false, &egress);
    if (status == OSB_OK) status = osb_egress_delete_rules(egress, targets, count, &policy);
    return show_change(a, status, "deleted_targets", list, &policy);
}

int do_egress_replace(const args *a)
{
    osb_egress *egress;
    osb_network_policy wanted = {0};
    osb_policy_status policy;
    osb_status status;
    if (!read_policy(flag_text(a, F_FILE), &wanted)) return EXIT_USAGE;
    status = connect_egress(a, false, &egress);
    if (status == OSB_OK) status = osb_egress_replace_policy(egress, &wanted, &policy);
    return show_change(a, status, NULL, NULL, &policy);
}

int do_egress_reset(const args *a)
{
    osb_egress *egress;
    osb_policy_status policy;
    osb_status status = connect_egress(a, false, &egress);
    if (status == OSB_OK) status = osb_egress_reset_policy(egress, &policy);
    return show_change(a, status, NULL, NULL, &policy);
}

int do_egress_health(const args *a)
{
    osb_egress *egress;
    node *answer = put_map(NULL, NULL);
    osb_status status = connect_egress(a, false, &egress);
    bool healthy;
    if (status != OSB_OK) return failed(status);
    status = osb_egress_health(egress);
    healthy = status == OSB_OK;
    if (!healthy) {
        int code = failed(status);
        if (osb_last_error(client)->http_status != 503) return code;
    }
    put_text(answer, "sandbox_id", a->words[0]);
    put_bool(answer, "healthy", healthy);
    show(answer, "");
    return healthy ? EXIT_FINE : EXIT_NEGATIVE;
}
