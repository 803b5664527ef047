// SPDX-License-Identifier: MIT
/* [authorization] of extstate.conf: who may watch what. */
#include "config/conf_reader.h"
#include "config/schema.h"
#include "state/watcher.h"

#include <stdlib.h>

struct authorization_draft {
    struct authorization_settings a;
    uint32_t otherwise;
};

static const struct option_word handlings[] = {
    { "allow", WATCHER_ALLOW },
    { "polite-block", WATCHER_POLITE_BLOCK },
    { "confirm", WATCHER_CONFIRM },
    { "block", WATCHER_BLOCK },
    { NULL, 0 },
};

static int pattern_read(struct regex **out, struct str pattern, struct buf *why)
{
    int r = pattern.n ? regex_create(out, pattern, true, why) : 0;

    return r == -EINVAL ? OPTION_BAD : r;
}

static int rule_read(struct reading *r, struct authorization_rule *rule, struct str value,
                     struct buf *why)
{
    struct str rest = value, watcher = str_next(&rest, ','), resource = str_next(&rest, ','),
               package = str_next(&rest, ',');
    int result;

    if (!watcher.n || rest.p)
        return option_bad(why, "not WATCHER, RESOURCE, PACKAGE, of which the last two may be left "
                               "out");
    result = pattern_read(&rule->watcher, watcher, why);
    if (result)
        return result;
    result = pattern_read(&rule->resource, resource, why);
    return result ? result : arena_str(r->arena, &rule->package, package);
}

static void rule_fini(struct authorization_rule *rule)
{
    regex_destroy(rule->watcher);
    regex_destroy(rule->resource);
}

static enum watcher_handling handling_named(struct str name)
{
    for (const struct option_word *w = handlings; w->name; w++)
        if (str_equal(str_of(w->name), name))
            return (enum watcher_handling)w->value;
    return WATCHER_BLOCK;
}

/* The option's name is what becomes of the watcher. */
static int read_rule(struct reading *r, const struct option *o, void *object,
                     const struct conf_entry *e, struct buf *why)
{
    struct authorization_settings *a = &((struct authorization_draft *)object)->a;
    struct authorization_rule rule = { .handling = handling_named(str_of(o->name)), .at = e->at };
    int result = rule_read(r, &rule, e->value, why);

    if (!result)
        result = reading_place(r, e->at, &rule.at);
    if (!result)
        result = ARRAY_GROW(a->rules, a->n_rules);
    if (result)
        rule_fini(&rule);
    else
        a->rules[a->n_rules++] = rule;
    return result;
}

#define RULE(word, text)                                    \
    .name = word, .type = OPTION_CUSTOM, .read = read_rule, \
    .type_text = "WATCHER[, RESOURCE[, PACKAGE]], repeatable", .meaning = text

static const struct option authorization_options[] = {
    { "default", OPTION_WORD, AT(authorization_draft, otherwise), .fallback = "allow",
      .words = handlings, .meaning = "What becomes of a watcher whom no rule names." },
    { "confirm_timeout", OPTION_DURATION, AT(authorization_draft, a.give_up_s), .fallback = "86400",
      .min = 1, .max = UINT32_MAX,
      .meaning =
          "How long a watcher is kept waiting to be confirmed; then it is told to give up." },
    { RULE("allow",
           "Shows the resource. WATCHER is a regular expression (any case, not anchored) for "
           "the endpoint's id or the URI of the watcher's From, RESOURCE one for "
           "`extension@context`. Rules of all four kinds are tried in the order of the file, "
           "and the first that matches decides. Who watches (`presence.winfo`) is shown to the "
           "resource's owner alone, unless a rule that names that PACKAGE says something else.") },
    { RULE("polite-block", "Shows a resource that is always unavailable.") },
    { RULE("confirm", "Keeps the watcher pending until a reload brings a rule that allows it.") },
    { RULE("block", "Refuses the watcher with 403.") },
};

const struct schema authorization_schema = {
    .file = "extstate.conf",
    .section = "[authorization]",
    .kind = "[authorization]",
    .meaning = "Who may watch what. A reload applies changed rules to running subscriptions.",
    OPTIONS(authorization_options),
    .ignored = "",
    .object_size = sizeof(struct authorization_draft),
    .closed = true,
};

int authorization_conf_read(struct reading *r, struct settings *s, const struct conf *conf)
{
    struct authorization_draft d;
    struct schema_use use;
    int result = schema_use_init(r, &use, &authorization_schema);

    if (result)
        goto out;
    memcpy(&d, use.defaults, sizeof(d));
    result = schema_apply_sections(r, &use, &d, conf, STR("authorization"));
    d.a.otherwise = (enum watcher_handling)d.otherwise;
    s->authorization = d.a; /* what there is of it is freed with the settings */
out:
    schema_use_fini(&use);
    return result;
}

void authorization_fini(struct authorization_settings *a)
{
    for (size_t i = 0; i < a->n_rules; i++)
        rule_fini(&a->rules[i]);
    free(a->rules);
}

/* ---- deciding ---- */

static bool rule_matches(const struct authorization_rule *rule, const struct watcher_question *q,
                         struct str resource)
{
    if (rule->package.n ? !str_equal_nocase(rule->package, q->package)
                        : winfo_watched(q->package).n > 0)
        return false;
    if (rule->resource && !regex_matches(rule->resource, resource, NULL))
        return false;
    return regex_matches(rule->watcher, q->endpoint, NULL) ||
           regex_matches(rule->watcher, q->uri, NULL);
}

/* RFC 3857 section 4.6: who watches is the business of who is watched. */
static enum watcher_handling unruled(const struct settings *s, const struct watcher_question *q)
{
    const struct endpoint_settings *e;

    if (!winfo_watched(q->package).n)
        return s->authorization.otherwise;
    e = settings_endpoint(s, q->endpoint);
    return e && settings_owns(e, q->extension) ? WATCHER_ALLOW : WATCHER_BLOCK;
}

enum watcher_handling settings_authorize(const struct settings *s, const struct watcher_question *q)
{
    const struct authorization_settings *a = &s->authorization;
    struct buf resource;
    char room[512];

    if (!a->n_rules)
        return unruled(s, q);
    buf_init_on(&resource, room, sizeof(room));
    buf_add(&resource, q->extension);
    buf_add_char(&resource, '@');
    buf_add(&resource, q->context);
    if (resource.error)
        return WATCHER_BLOCK;
    for (size_t i = 0; i < a->n_rules; i++)
        if (rule_matches(&a->rules[i], q, buf_str(&resource)))
            return a->rules[i].handling;
    return unruled(s, q);
}
