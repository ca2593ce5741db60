/* Gives the sandbox the use of a secret without the secret: the egress sidecar puts it into the
   requests that a binding describes.

      cc -I. examples/credential_vault.c -o credential_vault
      OPEN_SANDBOX_DOMAIN=localhost:8080 OPEN_SANDBOX_API_KEY=... ./credential_vault */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"
#include "port/osb_posix.h"
#include <stdio.h>

/* A view for printf's "%.*s". */
#define VIEW(view) (int)(view).size, (view).data

static int complain(const osb_client *client)
{
    char text[256];
    osb_error_text(client, text, sizeof text);
    fprintf(stderr, "%s\n", text);
    return 1;
}

static int print_credential(void *user, const osb_credential_info *credential)
{
    (void)user;
    printf("credential %.*s\n", VIEW(credential->name)); /* its value never comes back */
    return 0;
}

static int print_binding(void *user, const osb_binding_info *binding)
{
    (void)user;
    printf("binding %.*s: %.*s in %.*s\n", VIEW(binding->name), VIEW(binding->auth),
           VIEW(binding->header_name));
    return 0;
}

static int demonstrate(osb_sandbox *box)
{
    const char *hosts[] = {"api.example.com"}, *paths[] = {"/v1/*"}, *schemes[] = {"https"};
    uint16_t ports[] = {443};
    osb_credential token = {"api-token", "<token>"}, newer = {"api-token", "<newer token>"};
    osb_binding binding = {
        .name = "api-token",
        .hosts = hosts,
        .host_count = 1,
        .schemes = schemes,
        .scheme_count = 1,
        .ports = ports,
        .port_count = 1,
        .paths = paths,
        .path_count = 1,
        .auth = "apiKey",
        .header_name = "x-api-key",
        .credential = "api-token",
    };
    osb_vault_content content = {&token, 1, &binding, 1};
    osb_credential_changes replace = {.replace = &newer, .replace_count = 1};
    osb_vault_changes changes = {.credentials = &replace};
    osb_vault_handlers handlers = {.on_credential = print_credential, .on_binding = print_binding};
    osb_egress_options way = {.allow_execd_route = true}; /* if plain HTTP is refused (426) */
    osb_client *client = box->client;
    osb_egress egress;
    uint32_t revision;
    if (osb_egress_connect(box, &way, &egress) < 0) return complain(client);
    if (osb_vault_create(&egress, &content, &handlers, &revision) < 0) return complain(client);
    changes.expected_revision.set = true; /* unless somebody else has changed it meanwhile */
    changes.expected_revision.value = revision;
    if (osb_vault_patch(&egress, &changes, NULL, &revision) < 0) return complain(client);
    printf("revision %u\n", (unsigned)revision);
    return osb_vault_delete(&egress) < 0 ? complain(client) : 0;
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
    osb_create_options options = {
        .image = "python:3.12",
        .network_policy = &policy,
        .credential_proxy = true,
    };
    int failed;
    osb_posix_config_from_env(&config);
    if (osb_client_init(&client, &config) < 0) return complain(&client);
    if (osb_sandbox_create(&client, &options, &box) < 0) return complain(&client);
    failed = demonstrate(&box);
    if (osb_sandbox_kill(&box) < 0) failed = complain(&client);
    return failed;
}
