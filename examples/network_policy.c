/* Creates a sandbox that may reach two hosts, and nothing else.

      cc -I. examples/network_policy.c -o network_policy
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./network_policy */
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
    printf("%.*s %.*s\n", VIEW(rule->action), VIEW(rule->target));
    return 0;
}

/* The sidecar that enforces the policy tells what is in force. */
static int demonstrate(osb_sandbox *box)
{
    osb_egress egress;
    osb_policy_status policy;
    if (osb_egress_connect(box, NULL, &egress) < 0) return complain(box->client);
    if (osb_egress_get_policy(&egress, print_rule, NULL, &policy) < 0) return complain(box->client);
    printf("%.*s everything else\n", VIEW(policy.default_action));
    return 0;
}

int main(void)
{
    unsigned char ram[2048];
    osb_posix tcp;
    osb_client client;
    osb_sandbox box;
    osb_config config = {.port = osb_posix_port(&tcp), .memory = ram, .memory_size = sizeof ram};
    osb_network_rule rules[] = {
        {"allow", "packages.example.net"},
        {"allow", "api.packages.example.net"},
    };
    osb_network_policy policy = {.default_action = "deny", .egress = rules, .egress_count = 2};
    osb_create_options options = {.image = "python:3.12", .network_policy = &policy};
    int failed;
    osb_posix_config_from_env(&config);
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    if (osb_sandbox_create(&client, &options, &box) < 0) return complain(&client);
    failed = demonstrate(&box);
    if (osb_sandbox_kill(&box) < 0) failed = complain(&client);
    return failed;
}
