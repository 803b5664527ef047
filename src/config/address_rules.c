// SPDX-License-Identifier: MIT
/* Lists of addresses that are permitted or denied: of acl objects and endpoints in pjsip.conf, and
 * the named ones of acl.conf. */
#include "config/pjsip.h"

/* ---- asking ---- */

static bool rules_permit(const struct address_rule *rules, size_t n, const struct addr *a)
{
    bool permit = true;

    for (size_t i = 0; i < n; i++)
        if (addr_net_contains(&rules[i].net, a) != rules[i].negated)
            permit = rules[i].permit;
    return permit;
}

bool address_rules_permit(const struct settings *s, const struct address_rules *r,
                          const struct addr *a)
{
    if (!rules_permit(r->rules, r->n_rules, a))
        return false;
    for (size_t i = 0; i < r->n_names; i++) {
        const struct address_rules *named;
        size_t index;

        if (!settings_id_find(s, SETTINGS_NAMED_RULES, r->names[i], &index))
            return false;
        named = &s->named_rules[index];
        if (!rules_permit(named->rules, named->n_rules, a))
            return false;
    }
    return true;
}

/* ---- reading ---- */

static int rule_add(struct reading *r, struct address_rules *rules, const struct address_rule *rule)
{
    int result = ARRAY_GROW_IN(r->arena, rules->rules, rules->n_rules);

    if (result == 0)
        rules->rules[rules->n_rules++] = *rule;
    return result;
}

/* What was to be denied and cannot be read: everything is, so that a slip opens nothing. */
static int deny_all(struct reading *r, struct address_rules *rules)
{
    struct address_rule all = { .permit = false };
    int result = 0;

    for (size_t i = 0; i < 2 && result == 0; i++) {
        if (addr_net_parse(&all.net, i ? STR("::/0") : STR("0.0.0.0/0")))
            return -EINVAL;
        result = rule_add(r, rules, &all);
    }
    return result;
}

static int rules_read(struct reading *r, struct address_rules *rules, const struct conf_entry *e,
                      bool permit)
{
    struct str rest = e->value;

    while (rest.n) {
        struct str part = str_next(&rest, ','), text = part;
        struct address_rule rule = { .permit = permit };
        int result;

        if (part.n == 0)
            continue;
        rule.negated = text.p[0] == '!';
        text = str_trim(str_sub(text, rule.negated, text.n));
        if (addr_net_parse(&rule.net, text) == 0) {
            result = rule_add(r, rules, &rule);
        } else {
            reading_fault(r, e, part,
                          STR("not an address or network (192.0.2.1, 192.0.2.0/24, 2001:db8::/32)"),
                          permit ? STR("it is left out") : STR("everything is denied instead"));
            result = permit ? 0 : deny_all(r, rules);
        }
        if (result)
            return result;
    }
    return 0;
}

int permit_read(struct reading *r, const struct option *o, void *object, const struct conf_entry *e,
                struct buf *why)
{
    (void)why;
    return rules_read(r, (void *)((char *)object + o->at), e, true);
}

int deny_read(struct reading *r, const struct option *o, void *object, const struct conf_entry *e,
              struct buf *why)
{
    (void)why;
    return rules_read(r, (void *)((char *)object + o->at), e, false);
}

/* ---- acl objects ---- */

static const struct option acl_options[] = {
    ADDRESS_RULES("", acl_settings, source, "a request comes from"),
    ADDRESS_RULES("contact_", acl_settings, contact,
                  "its Contact, first Record-Route or Path names"),
};

const struct schema acl_schema = {
    .file = "pjsip.conf",
    .section = "type = acl",
    .kind = "acl",
    .meaning = "From where anybody may send requests: what is denied by one of these sections is "
               "answered 403. The last line that matches decides; what none matches is permitted.",
    OPTIONS(acl_options),
    .object_size = sizeof(struct acl_settings),
    .ignored = "",
};

void address_names_check(struct pjsip_reader *p, const struct conf_section *s, const char *kind,
                         const struct address_rules *r)
{
    size_t index;

    for (size_t i = 0; i < r->n_names; i++)
        if (!settings_id_find(p->s, SETTINGS_NAMED_RULES, r->names[i], &index))
            reading_tell(p->r, DIAG_WARNING, s->at,
                         "%s [%.*s]: acl.conf has no [%.*s], so everything is denied; define it or "
                         "correct the name",
                         kind, STR_FMT(s->name), STR_FMT(r->names[i]));
}

void acl_settle(struct pjsip_reader *p, void *acl, const struct conf_section *s)
{
    const struct acl_settings *a = acl;

    address_names_check(p, s, "acl", &a->source);
    address_names_check(p, s, "acl", &a->contact);
}

int acl_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    acl_settle(p, draft, s);
    return pjsip_keep(p, PJSIP_ACL, s, draft);
}

/* Asterisk goes on without the section, which opens what it closed. */
int acl_refused(struct pjsip_reader *p, void *draft, const struct conf_section *s)
{
    struct acl_settings *a = draft;
    size_t index;
    int result;

    if (settings_id_find(p->s, PJSIP_ACL, s->name, &index))
        return 0;
    *a = (struct acl_settings){ .source = { .rules = NULL } };
    result = deny_all(p->r, &a->source);
    if (result)
        return result;
    reading_tell(p->r, DIAG_WARNING, s->at,
                 "acl [%.*s] is discarded, so everything is denied; correct or remove it",
                 STR_FMT(s->name));
    return pjsip_keep(p, PJSIP_ACL, s, a);
}

/* ---- acl.conf ---- */

static const struct option named_options[] = {
    { "permit", OPTION_CUSTOM, .read = permit_read, .type_text = "list of addresses and networks",
      .meaning = "Permitted. `!` in front means all others." },
    { "deny", OPTION_CUSTOM, .read = deny_read, .type_text = "list of addresses and networks",
      .meaning = "Denied, likewise." },
};

const struct schema named_rules_schema = {
    .file = "acl.conf",
    .section = "any section",
    .kind = "acl",
    .meaning = "Addresses under a name, for `acl` and `contact_acl`. The file need not exist.",
    OPTIONS(named_options),
    .object_size = sizeof(struct address_rules),
    .ignored = "",
};

static int named_keep(struct reading *r, struct settings *s, struct str name,
                      const struct address_rules *rules)
{
    size_t index = s->n_named_rules;
    struct str id;
    int result = arena_str(r->arena, &id, name);

    if (result == 0)
        result = ARRAY_GROW_IN(r->arena, s->named_rules, s->n_named_rules);
    if (result == 0)
        result = settings_id_add(s, SETTINGS_NAMED_RULES, id, index);
    if (result == 0)
        s->named_rules[s->n_named_rules++] = *rules;
    return result;
}

/* At a reload a section with a fault stays closed: there is nobody who has it from before. */
int named_rules_read(struct reading *r, struct settings *s, const struct conf *conf)
{
    struct schema_use use;
    int result = schema_use_init(r, &use, &named_rules_schema);
    size_t index;

    for (size_t i = 0; i < conf->n_sections && result == 0; i++) {
        const struct conf_section *section = &conf->sections[i];
        struct address_rules rules;

        if (section->is_template)
            continue;
        if (settings_id_find(s, SETTINGS_NAMED_RULES, section->name, &index)) {
            reading_tell(r, DIAG_ERROR, section->at,
                         "[%.*s] is defined again; the first stays, remove one",
                         STR_FMT(section->name));
            continue;
        }
        result = schema_read(r, &use, &rules, section);
        if (result == SCHEMA_REFUSED)
            result = 0; /* told; a name that is not there denies */
        else if (result == 0)
            result = named_keep(r, s, section->name, &rules);
    }
    schema_use_fini(&use);
    return result;
}
