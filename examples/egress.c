/* Looks at a sandbox's outbound policy and changes it while the sandbox runs.

      cc -I. examples/egress.c -o egress
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./egress */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdio.h>

static int complain(const osb_client *client)
{
    char text[256];
    osb_error_text(client, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return 1;
}

/* A view for printf's "%.*s". */
#define VIEW(view) (int)(view).size, (view).data

static int print_rule(void *user, const osb_rule_info *rule)
{
    (void)user;
    printf("    %.*s %.*s\n", VIEW(rule->action), VIEW(rule->target));
    return 0;
}

static osb_status print_policy(osb_egress *egress, const char *when)
{
    osb_policy_status policy;
    osb_status status;
    printf("%s:\n", when);
    status = osb_egress_get_policy(egress, print_rule, NULL, &policy);
    if (status == OSB_OK)
        printf("    %.*s the rest (%.*s)\n", VIEW(policy.default_action), VIEW(policy.mode));
    return status;
}

static int demonstrate(osb_sandbox *box)
{
    osb_network_rule rules[] = {{"allow", "www.example.com"}, {"deny", "packages.example.org"}};
    const char *target = "packages.example.org";
    osb_client *client = box->client;
    osb_egress egress;
    if (osb_egress_connect(box, NULL, &egress) < 0) return complain(client);
    if (osb_egress_health(&egress) < 0) return complain(client);
    if (print_policy(&egress, "at first") < 0) return complain(client);
    if (osb_egress_patch_policy(&egress, rules, 2, NULL) < 0) return complain(client);
    if (print_policy(&egress, "with two more rules") < 0) return complain(client);
    if (osb_egress_delete_rules(&egress, &target, 1, NULL) < 0) return complain(client);
    if (print_policy(&egress, "without one of them") < 0) return complain(client);
    return 0;
}

int main(void)
{
    unsigned char ram[2048];
    osb_posix tcp;
    osb_client client;
    osb_sandbox box;
    osb_config config = {.port = osb_posix_port(&tcp), .memory = ram, .memory_size = sizeof ram};
    osb_network_rule rules[] = {{"allow", "api.example.com"}};
    osb_network_policy policy = {.default_action = "deny", .egress = rules, .egress_count = 1};
    osb_create_options options = {.image = "python:3.12", .network_policy = &policy};
    int failed;
    osb_posix_config_from_env(&config);
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    if (osb_sandbox_create(&client, &options, &box) < 0) return complain(&client);
    failed = demonstrate(&box);
    if (osb_sandbox_kill(&box) < 0) failed = complain(&client);
    return failed;
}
