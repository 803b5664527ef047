// SPDX-License-Identifier: MIT
/* [authorization] of extstate.conf: who may watch what. */
#include "config/conf_reader.h"
#include "config/presence_rules.h"
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

struct rule_parts {
    struct str first, resource, package; /* a WATCHER or a FILE */
};

static bool parts_read(struct rule_parts *p, struct str value)
{
    struct str rest = value;

    p->first = str_next(&rest, ',');
    p->resource = str_next(&rest, ',');
    p->package = str_next(&rest, ',');
    return p->first.n && !rest.p;
}

/* What a rule is about, behind what it begins with. */
static int resource_read(struct authorization_settings *a, struct authorization_rule *rule,
                         const struct rule_parts *p, struct buf *why)
{
    int result = pattern_read(&rule->resource, p->resource, why);

    return result ? result : arena_str(&a->arena, &rule->package, p->package);
}

static int rule_read(struct authorization_settings *a, struct authorization_rule *rule,
                     struct str value, struct buf *why)
{
    struct rule_parts p;
    int result;

    if (!parts_read(&p, value))
        return option_bad(why, "not WATCHER, RESOURCE, PACKAGE, of which the last two may be left "
                               "out");
    result = pattern_read(&rule->watcher, p.first, why);
    return result ? result : resource_read(a, rule, &p, why);
}

static void rule_fini(struct authorization_rule *rule)
{
    regex_destroy(rule->watcher);
    regex_destroy(rule->resource);
    presence_rules_destroy(rule->document);
}

/* Takes over what the rule has, unless there is a result already. */
static int rule_add(struct authorization_settings *a, struct authorization_rule *rule, int result)
{
    if (!result)
        result = ARRAY_GROW(a->rules, a->n_rules);
    if (result)
        rule_fini(rule);
    else
        a->rules[a->n_rules++] = *rule;
    if (!result && rule->document)
        a->ask_spheres |= presence_rules_ask_sphere(rule->document);
    return result;
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
    struct authorization_rule rule = { .handling = handling_named(str_of(o->name)) };

    (void)r;
    return rule_add(a, &rule, rule_read(a, &rule, e->value, why));
}

static void fingerprint_add(struct authorization_settings *a, struct str part)
{
    const struct conf_source sum = { .fingerprint = &a->fingerprint };

    conf_fingerprint(&sum, part);
}

/* 0 also when there is none: that has been told, and the rule blocks. */
static int document_read(struct reading *r, struct authorization_settings *a,
                         struct authorization_rule *rule, const struct conf_entry *e,
                         struct str file)
{
    struct str text = STR_EMPTY;
    struct buf path;
    int result;

    buf_init(&path, CONF_PATH_MAX);
    conf_path_print(&path, r->source->directory, file);
    result = path.error ? path.error : conf_load(&r->source->files, buf_str(&path), &text);
    if (result == 0)
        fingerprint_add(a, text);
    if (result == 0)
        result = presence_rules_parse(&rule->document, text, buf_str(&path), r->diag);
    if (result && result != -ENOMEM) {
        reading_fault(r, e, file,
                      result == PRESENCE_RULES_FAULTY ? STR("the document has a fault")
                      : result == -ENOENT             ? STR("there is no such file")
                                                      : str_of(conf_load_error(result)),
                      STR("its resources are blocked"));
        result = 0;
    }
    buf_fini(&path);
    str_free(&text);
    return result;
}

static int read_document(struct reading *r, const struct option *o, void *object,
                         const struct conf_entry *e, struct buf *why)
{
    struct authorization_settings *a = &((struct authorization_draft *)object)->a;
    struct authorization_rule rule = { .handling = WATCHER_BLOCK };
    struct rule_parts p;
    int result;

    (void)o;
    if (!parts_read(&p, e->value))
        return option_bad(why, "not FILE, RESOURCE, PACKAGE, of which the last two may be left "
                               "out");
    result = resource_read(a, &rule, &p, why);
    return rule_add(a, &rule, result ? result : document_read(r, a, &rule, e, p.first));
}

#define RULE(word, text)                                                            \
    .name = word, .type = OPTION_CUSTOM, .flags = OPTION_CLOSES, .read = read_rule, \
    .type_text = "WATCHER[, RESOURCE[, PACKAGE]], repeatable", .meaning = text

static const struct option authorization_options[] = {
    { "default", OPTION_WORD, AT(authorization_draft, otherwise), .fallback = "allow",
      .flags = OPTION_CLOSES, .words = handlings,
      .meaning = "What becomes of a watcher whom no rule names." },
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
    { "presence_rules", OPTION_CUSTOM, .flags = OPTION_CLOSES, .read = read_document,
      .type_text = "FILE[, RESOURCE[, PACKAGE]], repeatable",
      .meaning = "A presence authorization document (RFC 5025), relative to the configuration "
                 "directory: it decides about every watcher of these resources, and blocks whom "
                 "none of its rules grants anything. Tried in the order of the file, like the "
                 "other rules. One that cannot be read or has a fault blocks everybody; at a "
                 "reload, [authorization] stays as it was." },
};

const struct schema authorization_schema = {
    .file = "extstate.conf",
    .section = "[authorization]",
    .kind = "[authorization]",
    .meaning =
        "Who may watch what. A reload applies changed rules to running subscriptions. A line "
        "that cannot be used never opens anything: at the start, one of a rule blocks "
        "whatever it may be about, `default` is `block`, and a line, or a section, whose "
        "name only resembles ours blocks everybody from there on; a reload leaves the "
        "section as it was.",
    OPTIONS(authorization_options),
    .ignored = "",
    .object_size = sizeof(struct authorization_draft),
    .closed = true,
    .closes = true,
};

static struct authorization_settings *authorization_ref(struct authorization_settings *a)
{
    atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
    return a;
}

void authorization_unref(struct authorization_settings *a)
{
    if (!a || atomic_fetch_sub_explicit(&a->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < a->n_rules; i++)
        rule_fini(&a->rules[i]);
    free(a->rules);
    arena_fini(&a->arena);
    free(a);
}

/* ---- what cannot be used must not open what it was to close ---- */

static int part_read(struct regex **out, struct str pattern)
{
    char room[1];
    struct buf why;
    int result;

    buf_init_on(&why, room, sizeof(room));
    result = pattern_read(out, pattern, &why);
    return result == OPTION_BAD ? 0 : result; /* NULL: any */
}

/* Whom the line may be about is blocked: the parts of it that can be read say who is not. */
static int line_close(struct authorization_draft *d, const struct option *o,
                      const struct conf_entry *e)
{
    struct authorization_rule rule = { .handling = WATCHER_BLOCK };
    struct rule_parts p;
    int result = 0;

    if (o && o->type == OPTION_WORD) {
        d->otherwise = WATCHER_BLOCK;
        return 0;
    }
    rule.everything = !o || !parts_read(&p, e->value);
    if (!rule.everything) {
        if (o->read == read_rule)
            result = part_read(&rule.watcher, p.first);
        if (result == 0)
            result = part_read(&rule.resource, p.resource);
        if (result == 0)
            result = arena_str(&d->a.arena, &rule.package, p.package);
    }
    return rule_add(&d->a, &rule, result);
}

static int line_read(struct reading *r, const struct schema_use *use, struct authorization_draft *d,
                     const struct conf_entry *e)
{
    const struct option *o = schema_option(use, e->name);
    size_t n_rules = d->a.n_rules;
    unsigned faults = r->faults;
    int result;

    fingerprint_add(&d->a, e->name);
    fingerprint_add(&d->a, e->value);
    result = schema_apply(r, use, d, e);

    if (result || r->faults == faults || d->a.n_rules > n_rules ||
        (o && !(o->flags & OPTION_CLOSES)))
        return result;
    return line_close(d, o, e);
}

bool authorization_conf_is_meant(const struct conf_section *s)
{
    static const char *const name[] = { "authorization" };

    return !s->is_template && !str_equal_nocase(s->name, STR("authorization")) &&
           !compositor_conf_is(s) && nearest_name(s->name, name, 1);
}

static int section_read(struct reading *r, const struct schema_use *use,
                        struct authorization_draft *d, const struct conf_section *s)
{
    struct authorization_rule all = { .handling = WATCHER_BLOCK, .everything = true };
    int result = 0;

    if (authorization_conf_is_meant(s)) {
        r->faults++;
        reading_tell(r, DIAG_ERROR, s->at,
                     "unknown section [%.*s]; %s; did you mean "
                     "[authorization]?",
                     STR_FMT(s->name), reading_closed(r));
        return rule_add(&d->a, &all, 0);
    }
    if (s->is_template || !str_equal_nocase(s->name, STR("authorization")))
        return 0;
    for (size_t i = 0; result == 0 && i < s->n_entries; i++)
        result = line_read(r, use, d, &s->entries[i]);
    return result;
}

/* One bad line or document, and at a reload all stays as it was. */
int authorization_conf_read(struct reading *r, struct settings *s, const struct conf *conf)
{
    struct authorization_draft *d = calloc(1, sizeof(*d));
    struct schema_use use;
    int result;

    if (!d)
        return -ENOMEM;
    result = schema_use_init(r, &use, &authorization_schema);
    if (result == 0) {
        memcpy(d, use.defaults, sizeof(*d));
        d->a.arena.block_size = 1024;
        r->faults = 0;
        r->former = r->source->former;
        for (size_t i = 0; result == 0 && i < conf->n_sections; i++)
            result = section_read(r, &use, d, &conf->sections[i]);
    }
    d->a.otherwise = (enum watcher_handling)d->otherwise;
    atomic_init(&d->a.refs, 1);
    s->authorization = &d->a; /* the draft begins with it */
    if (result == 0 && r->former && r->faults) {
        s->authorization = authorization_ref(r->source->former->authorization);
        authorization_unref(&d->a);
    }
    r->former = false;
    schema_use_fini(&use);
    return result;
}

/* ---- deciding ---- */

static bool rule_matches(const struct authorization_rule *rule, const struct watcher_question *q,
                         struct str resource)
{
    if (rule->everything)
        return true;
    if (rule->package.n ? !str_equal_nocase(rule->package, q->package)
                        : winfo_watched(q->package).n > 0)
        return false;
    if (rule->resource && !regex_matches(rule->resource, resource, NULL))
        return false;
    return !rule->watcher || regex_matches(rule->watcher, q->endpoint, NULL) ||
           regex_matches(rule->watcher, q->uri, NULL);
}

/* Who is served as anybody has no identity: RFC 5025 section 3.1.1.1. */
static enum watcher_handling rule_decide(const struct authorization_rule *rule,
                                         const struct watcher_question *q, struct view **view)
{
    struct presence_question asked = { .uri = q->uri, .wall_ms = q->wall_ms };

    if (!rule->document)
        return rule->handling;
    if (str_equal(q->endpoint, STR("anonymous")))
        asked.uri = STR_EMPTY;
    /* Of other packages no part can be taken out: their watchers see all or nothing. Nor do they
     * have spheres. */
    if (!str_equal_nocase(q->package, STR("presence")))
        return presence_rules_decide(rule->document, &asked, NULL);
    asked.sphere = q->sphere;
    return presence_rules_decide(rule->document, &asked, view);
}

/* RFC 3857 section 4.6: who watches is the business of who is watched. */
static enum watcher_handling unruled(const struct settings *s, const struct watcher_question *q)
{
    const struct mailbox_group *own;
    const struct endpoint_settings *e;
    bool owns;

    if (!winfo_watched(q->package).n)
        return s->authorization->otherwise;
    e = settings_endpoint(s, q->endpoint);
    own = settings_endpoint_group(s, q->endpoint);
    owns = e && (settings_owns(e, q->extension) || (own && str_equal(own->name, q->extension)));
    return owns ? WATCHER_ALLOW : WATCHER_BLOCK;
}

/* What patterns cannot be compared with they do not allow. */
static bool may_watch(const struct endpoint_settings *e, struct str resource)
{
    bool limit_hit = false;

    if (!e || (e->watch_allow && !regex_matches(e->watch_allow, resource, NULL)))
        return false;
    return !e->watch_deny || (!regex_matches(e->watch_deny, resource, &limit_hit) && !limit_hit);
}

enum watcher_handling settings_authorize(const struct settings *s, const struct watcher_question *q,
                                         struct view **view)
{
    const struct authorization_settings *a = s->authorization;
    struct buf resource;
    char room[512];

    if (!a->n_rules && !s->limits_watching)
        return unruled(s, q);
    buf_init_on(&resource, room, sizeof(room));
    buf_add(&resource, q->extension);
    buf_add_char(&resource, '@');
    buf_add(&resource, q->context);
    if (resource.error)
        return WATCHER_BLOCK;
    if (s->limits_watching && !may_watch(settings_endpoint(s, q->endpoint), buf_str(&resource)))
        return WATCHER_BLOCK;
    for (size_t i = 0; i < a->n_rules; i++)
        if (rule_matches(&a->rules[i], q, buf_str(&resource)))
            return rule_decide(&a->rules[i], q, view);
    return unruled(s, q);
}

uint64_t settings_authorization_next_ms(const struct settings *s, uint64_t wall_ms)
{
    const struct authorization_settings *a = s->authorization;
    uint64_t next = UINT64_MAX;

    for (size_t i = 0; i < a->n_rules; i++) {
        uint64_t own = a->rules[i].document ? presence_rules_next_ms(a->rules[i].document, wall_ms)
                                            : UINT64_MAX;

        if (own < next)
            next = own;
    }
    return next;
}
