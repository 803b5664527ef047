// SPDX-License-Identifier: MIT
/* The reference manual of the configuration files, from the tables they are read by. */
#include "config/schema.h"

static void print_range(struct buf *out, const struct option *o, const char *what)
{
    if (o->max == UINT32_MAX && o->min == 0)
        buf_printf(out, "%s", what);
    else if (o->max == UINT32_MAX)
        buf_printf(out, "%s, at least %u", what, o->min);
    else
        buf_printf(out, "%s, %u to %u", what, o->min, o->max);
}

static void print_type(struct buf *out, const struct option *o)
{
    switch (o->type) {
    case OPTION_BOOL:
        buf_add(out, STR("yes or no"));
        break;
    case OPTION_U32:
        print_range(out, o, "number");
        break;
    case OPTION_DURATION:
        print_range(out, o, "seconds");
        break;
    case OPTION_STR:
        buf_add(out, STR("text"));
        if (o->max)
            buf_printf(out, ", at most %u bytes", o->max);
        break;
    case OPTION_LIST:
        buf_add(out, o->flags & OPTION_REPLACES ? STR("list in one line") : STR("list"));
        break;
    case OPTION_URI:
        buf_add(out, STR("SIP URI"));
        break;
    case OPTION_URI_LIST:
        buf_add(out, STR("list of SIP URIs"));
        break;
    case OPTION_USER:
        buf_printf(out, "user part, escaped where it needs that, at most %u bytes", o->max);
        break;
    case OPTION_HOST:
        buf_add(out, STR("host name or address"));
        break;
    case OPTION_ADDR:
        buf_add(out, STR("address[:port]"));
        break;
    case OPTION_WORD:
        buf_add(out, STR("one of "));
        words_print(out, o->words);
        break;
    case OPTION_WORDS:
        buf_add(out, STR("list of "));
        words_print(out, o->words);
        break;
    case OPTION_NETS:
        buf_add(out, STR("list of networks"));
        break;
    case OPTION_CUSTOM:
        buf_add(out, str_of(o->type_text));
        break;
    }
}

/* A vertical bar would end the table's cell. */
static void print_cell(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '|')
            buf_add_char(out, '\\');
        buf_add_char(out, text.p[i]);
    }
}

static void print_option(struct buf *out, const struct option *o)
{
    buf_printf(out, "| `%s` | ", o->name);
    print_type(out, o);
    buf_add(out, STR(" | "));
    if (o->flags & OPTION_REQUIRED)
        buf_add(out, STR("required"));
    else if (o->fallback && o->fallback[0])
        buf_printf(out, "`%s`", o->fallback);
    buf_add(out, STR(" | "));
    print_cell(out, str_of(o->meaning));
    if (o->flags & OPTION_UNSERVED)
        buf_add(out, STR(" No effect yet."));
    buf_add(out, STR(" |\n"));
}

static void print_ignored(struct buf *out, const char *names)
{
    struct str rest = str_of(names);
    bool first = true;

    if (rest.n == 0)
        return;
    buf_add(out, STR("\nAccepted without effect: "));
    while (rest.n) {
        struct str name = str_next(&rest, ' ');

        if (name.n)
            buf_printf(out, "%s`%.*s`", first ? "" : ", ", STR_FMT(name));
        first = false;
    }
    buf_add(out, STR(".\n"));
}

void schema_print(struct buf *out, const struct schema *schema)
{
    buf_printf(out, "\n### %s: `%s`\n\n%s\n", schema->file, schema->section, schema->meaning);
    buf_add(out, STR("\n| Option | Type | Default | Meaning |\n|---|---|---|---|\n"));
    for (size_t i = 0; i < schema->n_options; i++)
        print_option(out, &schema->options[i]);
    print_ignored(out, schema->ignored);
}

void settings_print_reference(struct buf *out)
{
    static const struct schema *const schemas[] = {
        &general_schema,
        &compatibility_schema,
        &plugins_schema,
        &authorization_schema,
        &compositor_schema,
        &source_schema,
        &dialog_info_schema,
        &http_schema,
        &journal_schema,
        &registrar_schema,
        &global_schema,
        &system_schema,
        &transport_schema,
        &endpoint_schema,
        &aor_schema,
        &auth_schema,
        &identify_schema,
        &acl_schema,
        &publish_schema,
        &asterisk_publication_schema,
        &inbound_publication_schema,
        &resource_list_schema,
        &domain_alias_schema,
        &named_rules_schema,
        &manager_schema,
        &manager_user_schema,
    };

    buf_add(out, STR("## Options by file and section\n\n"
                     "Names of options are read in any case. A scalar that is repeated keeps its "
                     "last value, a list grows\n"
                     "with each line. yes, true, y, t, 1 and on mean yes.\n"));
    for (size_t i = 0; i < ARRAY_LEN(schemas); i++)
        schema_print(out, schemas[i]);
}
