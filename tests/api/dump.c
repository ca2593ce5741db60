/* Prints opensandbox.h's tables as JSON: each operation with its query, body and answer, and what
   all operations share. tools/api.py finds the operations and the kinds of members in the header
   and writes them to api_tables.h. */
#define OPENSANDBOX_IMPLEMENTATION
#include "opensandbox.h"

#include <stdio.h>

typedef struct named_op {
    const char *symbol;
    osb__op op;
} named_op;

typedef struct named_kind {
    const char *name;
    unsigned kind;
} named_kind;

typedef struct named_table {
    const char *symbol;
    const osb__field *table;
} named_table;

#include "api_tables.h"

static const char *kind_name(unsigned kind)
{
    size_t i;
    for (i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].kind == kind) return kinds[i].name;
    return "none";
}

static void print_table(const osb__field *field);

static void print_field(const osb__field *field)
{
    printf("{\"id\":\"%p\",\"name\":\"%s\",\"kind\":\"%s\"", (const void *)field,
           field->name != NULL ? field->name : "", kind_name(field->kind & OSB__KIND));
    if (field->sub != NULL) {
        printf(",\"sub\":");
        print_table(field->sub);
    }
    printf("}");
}

static void print_table(const osb__field *field)
{
    const char *comma = "";
    printf("[");
    for (; field != NULL; field = osb__following(field)) {
        printf("%s", comma);
        print_field(field);
        comma = ",";
    }
    printf("]");
}

static void print_flag(const char *name, unsigned flag)
{
    printf(",\"%s\":%s", name, flag != 0 ? "true" : "false");
}

static void print_op(const named_op *named)
{
    const osb__op *op = &named->op;
    printf("{\"symbol\":\"%s\",\"name\":\"%s\"", named->symbol, op->name);
    print_flag("events", op->flags & OSB__EVENTS);
    print_flag("data", op->flags & OSB__DATA);
    print_flag("files", op->flags & OSB__FILES);
    printf(",\"query\":");
    print_table(op->query);
    printf(",\"body\":");
    print_table(op->body);
    printf(",\"answer\":");
    if (op->answer != NULL) print_field(op->answer);
    else printf("null");
    printf("}");
}

int main(void)
{
    size_t i;
    printf("{\"errors\":");
    print_field(&osb__error_root);
    printf(",\n\"events\":");
    print_field(&osb__event_root);
    printf(",\n\"messages\":");
    print_field(&osb__pty_message_root);
    printf(",\n\"tables\":{");
    for (i = 0; i < sizeof tables / sizeof tables[0]; i++)
        printf("%s\"%s\":\"%p\"", i > 0 ? "," : "", tables[i].symbol,
               (const void *)tables[i].table);
    printf("},\n\"multipart\":");
    print_table(osb__upload_fields);
    printf(",\n\"operations\":[");
    for (i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (ops[i].op.name == NULL) continue; /* a request of the caller's own */
        printf("%s\n", i > 0 ? "," : "");
        print_op(&ops[i]);
    }
    printf("]}\n");
    return 0;
}
