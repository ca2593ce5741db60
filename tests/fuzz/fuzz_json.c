/* The JSON decoder with the API's own tables: any bytes, in any pieces, in a buffer of any size.
   Beside the memory checks: the result may not depend on the cuts, and what is JSON may not be called
   malformed. */
#include "tests/fuzz/feed.h"

/* ---- a validator of JSON, as plain as can be ---------------------------------------------------*/

typedef struct json_text {
    const uint8_t *at, *end;
    unsigned depth;
} json_text;

static void skip_space(json_text *t)
{
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\t' || *t->at == '\n' || *t->at == '\r'))
        t->at++;
}

static bool valid_value(json_text *t);

static bool valid_string(json_text *t)
{
    if (t->at == t->end || *t->at++ != '"') return false;
    while (t->at < t->end && *t->at != '"') {
        if (*t->at < 0x20) return false;
        if (*t->at++ != '\\') continue;
        if (t->at == t->end || *t->at == '\0' || strchr("\"\\/bfnrtu", (char)*t->at) == NULL)
            return false;
        if (*t->at++ == 'u') {
            unsigned i;
            for (i = 0; i < 4; i++)
                if (t->at == t->end || osb__hex_digit(*t->at++) > 15) return false;
        }
    }
    return t->at++ < t->end;
}

/* Objects and arrays alike: elements between commas. */
static bool valid_container(json_text *t, uint8_t close)
{
    t->at++;
    if (++t->depth > 32) return false;
    skip_space(t);
    if (t->at < t->end && *t->at == close) {
        t->at++;
        t->depth--;
        return true;
    }
    while (t->at < t->end) {
        if (close == '}') {
            skip_space(t);
            if (!valid_string(t)) return false;
            skip_space(t);
            if (t->at == t->end || *t->at++ != ':') return false;
        }
        if (!valid_value(t)) return false;
        skip_space(t);
        if (t->at == t->end) return false;
        if (*t->at == close) {
            t->at++;
            t->depth--;
            return true;
        }
        if (*t->at++ != ',') return false;
    }
    return false;
}

static bool valid_value(json_text *t)
{
    size_t n = 0;
    skip_space(t);
    if (t->at == t->end) return false;
    if (*t->at == '"') return valid_string(t);
    if (*t->at == '{') return valid_container(t, '}');
    if (*t->at == '[') return valid_container(t, ']');
    while (t->at + n < t->end && strchr(" \t\r\n,]}", (char)t->at[n]) == NULL) n++;
    t->at += n;
    {
        osb_str value;
        value.data = (const char *)t->at - n;
        value.size = n;
        return osb__json_is_primitive(value);
    }
}

static bool valid_object(const uint8_t *data, size_t size)
{
    json_text t;
    t.at = data;
    t.end = data + size;
    t.depth = 0;
    skip_space(&t);
    return t.at < t.end && *t.at == '{' && valid_value(&t);
}

/* ---- showing a struct by its table -------------------------------------------------------------*/

typedef struct table_run {
    const osb__field *root;
    size_t struct_size, memory_size;
    record *out, text; /* text: of a member that came in pieces */
    osb_client *client;
    bool utf8;
} table_run;

static void record_field(table_run *run, const osb__field *field, const unsigned char *member);

static void record_table(table_run *run, const osb__field *field, const unsigned char *base)
{
    for (; field != NULL; field = osb__following(field))
        record_field(run, field, base + field->offset);
}

static void record_field(table_run *run, const osb__field *field, const unsigned char *member)
{
    osb_str view;
    uint64_t number;
    switch (field->kind & OSB__KIND) {
    case OSB__VIEW:
    case OSB__TEXT:
    case OSB__CUT:
    case OSB__EITHER:
        memcpy(&view, member, sizeof view);
        check_view(run->client, view);
        if ((field->kind & OSB__KIND) != OSB__TEXT) record_view(run->out, field->name, view);
        else if (view.data != NULL) record_bytes(&run->text, view.data, view.size);
        break;
    case OSB__COPY:
        CHECK(memchr(member, 0, (size_t)field->half_size * 2) != NULL);
        record_text(run->out, (const char *)member);
        break;
    case OSB__BOOL:
        record_number(run->out, field->name, *(const bool *)(const void *)member);
        break;
    case OSB__UINT: {
        uint32_t value;
        memcpy(&value, member, sizeof value);
        record_number(run->out, field->name, value);
        break;
    }
    case OSB__U64:
    case OSB__I64:
    case OSB__MILLI:
        memcpy(&number, member, sizeof number);
        record_number(run->out, field->name, number);
        break;
    case OSB__OPT_I32: {
        osb_i32 value;
        memcpy(&value, member, sizeof value);
        if (value.set) record_number(run->out, field->name, (uint32_t)value.value);
        break;
    }
    case OSB__OBJECT:
        record_table(run, field->sub, member - field->offset);
        break;
    default:
        break;
    }
}

/* An entry of a map or array, or an element of a list, as it is handed out. */
static int hand_out(const osb__out *out)
{
    table_run *run = (table_run *)out->client->call.user;
    unsigned kind = out->field->kind & OSB__KIND;
    record_text(run->out, out->field->name != NULL ? out->field->name : "item");
    if (kind == OSB__LIST || kind == OSB__DICT) {
        record_table(run, out->field->sub, (const unsigned char *)out->client->json.base);
        return 0;
    }
    check_view(run->client, out->entry.key);
    check_view(run->client, out->entry.value);
    record_view(run->out, " [", out->entry.key);
    record_view(run->out, "] ", out->entry.value);
    return 0;
}

static int on_data(void *user, const void *data, size_t size)
{
    table_run *run = (table_run *)user;
    CHECK(size > 0);
    if (run->utf8) CHECK(is_utf8(data, size));
    record_bytes(&run->text, data, size);
    return 0;
}

/* ---- one run -----------------------------------------------------------------------------------*/

static void decode(void *setup, feed *f, record *out)
{
    osb__op op = {"GET /", NULL, NULL, NULL, hand_out, 0};
    table_run *run = (table_run *)setup;
    bool error = run->root == &osb__error_root;
    unsigned char *answer = (unsigned char *)exactly(run->struct_size);
    osb_client c;
    osb_status status;
    memset(answer, 0, run->struct_size);
    feed_client(&c, f, run->memory_size);
    if (run->root == &osb__endpoint_root) op.hand_out = osb__op_endpoint.hand_out;
    if (run->root == &osb__found_root) op.hand_out = NULL;
    c.call.op = &op;
    c.call.answer = answer;
    c.call.on_data = on_data;
    c.call.user = run;
    osb__begin_receiving(&c);
    c.answered = true;
    c.http.framing = OSB__UNTIL_CLOSE;
    c.http.status = error ? 400 : 200;
    c.consumer = error ? OSB__TO_ERROR : OSB__TO_JSON;
    if (!error) osb__json_begin(&c, run->root, answer);
    run->out = out;
    run->client = &c;
    status = feed_run(&c);
    record_outcome(out, &c, status);
    if (status == OSB_OK && (run->root->kind & OSB__KIND) == OSB__OBJECT)
        record_table(run, run->root->sub, answer);
    record_view(out, "text", (osb_str){run->text.data, run->text.size});
    if (!error && valid_object(f->data, f->size))
        CHECK(c.error.message.data == NULL || !osb_str_equal(c.error.message, "malformed JSON"));
    record_free(&run->text);
    free(c.buffer);
    free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        const osb__field *root;
        size_t size;
    } answers[] = {
        {&osb__info_root, sizeof(osb_sandbox_info)},
        {&osb__page_root, sizeof(osb_sandbox_page)},
        {&osb__box_root, sizeof(osb_sandbox)},
        {&osb__endpoint_root, sizeof(osb_endpoint)},
        {&osb__command_state_root, sizeof(osb_command_state)},
        {&osb__renewed_root, sizeof(osb_str)},
        {&osb__found_root, sizeof(osb_sandbox)},
        {&osb__error_root, sizeof(osb_error)},
        {&osb__snapshot_page_root, sizeof(osb_snapshot_page)},
        {&osb__diagnosis_root, sizeof(osb__diagnosis)},
        {&osb__pool_list_root, sizeof(osb__pool_list)},
        {&osb__context_root, sizeof(osb_code_context)},
        {&osb__context_list_root, sizeof(osb__context_list)},
        {&osb__file_map_root, sizeof(osb__file_list)},
        {&osb__file_list_root, sizeof(osb__file_list)},
        {&osb__replaced_root, sizeof(osb__replaced_list)},
        {&osb__metrics_root, sizeof(osb_metrics)},
        {&osb__isolated_list_root, sizeof(osb__isolated_list)},
        {&osb__isolated_state_root, sizeof(osb__isolated_state)},
        {&osb__policy_root, sizeof(osb__policy)},
        {&osb__vault_root, sizeof(osb__vault)},
        {&osb__binding_info_root, sizeof(osb_binding_info)},
    };
    table_run run;
    input in;
    unsigned which;
    uint32_t seed;
    in.data = data;
    in.size = size;
    memset(&run, 0, sizeof run);
    which = take_byte(&in) % (unsigned)(sizeof answers / sizeof answers[0]);
    seed = take_byte(&in);
    run.root = answers[which].root;
    run.struct_size = answers[which].size;
    run.memory_size = 64 + 8 * (size_t)take_byte(&in);
    run.utf8 = is_utf8(in.data, in.size);
    feed_every_way(seed, in.data, in.size, decode, &run);
    return 0;
}
