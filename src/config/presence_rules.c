// SPDX-License-Identifier: MIT
/* presence_rules.c - the document as a list of rules, and what they say about a watcher. */
#include "config/presence_rules.h"
#include "base/timestamp.h"
#include "sip/field.h"
#include "xml/xml.h"

#include <stdlib.h>

#define NS_POLICY STR("urn:ietf:params:xml:ns:common-policy")
#define NS_PRES_RULES STR("urn:ietf:params:xml:ns:pres-rules")

enum { IDENTITY_MAX = 1024 }; /* bytes of a URI that is compared */

struct who {           /* <one>, <many> or <except>; the spellings are those of identity_print */
    struct str id;     /* empty: everybody, but see `domain` */
    struct str domain; /* empty: any */
    struct who *except;
    size_t n_except;
};

struct condition {
    enum { CONDITION_IDENTITY, CONDITION_SPHERE, CONDITION_VALIDITY, CONDITION_NEVER } kind;
    struct who *who; /* any of them; none: one without an identity */
    size_t n_who;
    struct str spheres; /* any of them; separated by blanks */
    struct period {
        uint64_t from_ms, until_ms;
    } * periods; /* any of them */
    size_t n_periods;
};

struct rule {
    enum watcher_handling handling;
    struct view_grants grants;
    struct condition *conditions; /* all of them */
    size_t n_conditions;
};

struct presence_rules {
    struct arena arena;
    struct rule *rules;
    size_t n_rules;
    bool ask_sphere;
    _Atomic(struct view *) views; /* those that were asked for */
};

struct rules_reader {
    struct presence_rules *p;
    struct diag *diag;
    struct str file;
    struct buf *why; /* of what makes it faulty */
};

static bool is_policy(const struct xml_node *n, const char *local)
{
    return xml_is(n, NS_POLICY, str_of(local));
}

static bool is_pres(const struct xml_node *n, const char *local)
{
    return xml_is(n, NS_PRES_RULES, str_of(local));
}

static void warn(const struct rules_reader *r, const struct xml_node *n, const char *what)
{
    diag_add(r->diag, DIAG_WARNING, (struct diag_place){ r->file, n->line }, "%.*s: %s",
             STR_FMT(n->name.local), what);
}

/* ---- identities ---- */

static void lower_print(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        buf_add_char(out, text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] + ('a' - 'A'))
                                                               : text.p[i]);
}

/* The one spelling of a URI that is compared: parameters, headers and a password are not part of
 * who somebody is. Its host is empty when it has none. */
static void identity_print(struct buf *out, struct str text, struct sip_uri *uri)
{
    if (sip_uri_parse(uri, text) || !uri->sip) {
        *uri = (struct sip_uri){ .scheme = STR_EMPTY };
        lower_print(out, text);
        return;
    }
    lower_print(out, uri->scheme);
    buf_add_char(out, ':');
    sip_uri_user_decode(out, uri->user);
    buf_add_char(out, '@');
    lower_print(out, uri->host);
    if (uri->port)
        buf_printf(out, ":%u", uri->port);
}

static int id_read(struct rules_reader *r, const struct xml_node *n, struct str id, struct str *out)
{
    char room[IDENTITY_MAX];
    struct sip_uri uri;
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    identity_print(&b, str_trim(id), &uri);
    if (b.error || b.n == 0)
        return xml_refuse(r->why, n, "not a URI", id);
    return arena_str(&r->p->arena, out, buf_str(&b));
}

static bool who_is(const struct who *w, struct str id, struct str domain)
{
    return w->id.n ? str_equal(w->id, id) : !w->domain.n || str_equal_nocase(w->domain, domain);
}

static bool who_matches(const struct who *w, struct str id, struct str domain)
{
    if (!who_is(w, id, domain))
        return false;
    for (size_t i = 0; i < w->n_except; i++)
        if (who_is(&w->except[i], id, domain))
            return false;
    return true;
}

/* id="..." or domain="...": RFC 4745 section 7.1. */
static int attributes_read(struct rules_reader *r, const struct xml_node *n, struct who *w)
{
    struct str id = STR_EMPTY, domain = STR_EMPTY;
    bool has_id = xml_attribute_find(n, STR("id"), &id);
    bool has_domain = xml_attribute_find(n, STR("domain"), &domain);

    if (n->n_attributes != (size_t)has_id + has_domain)
        return xml_refuse(r->why, n, "an attribute that is neither id nor domain", STR_EMPTY);
    if (has_id && (has_domain || is_policy(n, "many")))
        return xml_refuse(r->why, n, "id has no place here", STR_EMPTY);
    if (has_domain && is_policy(n, "one"))
        return xml_refuse(r->why, n, "domain has no place here", STR_EMPTY);
    if (!has_id && !has_domain && !is_policy(n, "many"))
        return xml_refuse(r->why, n, "names nobody", STR_EMPTY);
    if (has_domain && !str_trim(domain).n)
        return xml_refuse(r->why, n, "the domain is empty", STR_EMPTY);
    if (has_id)
        return id_read(r, n, id, &w->id);
    return arena_str(&r->p->arena, &w->domain, str_trim(domain));
}

/* What of it is not known may restrict it, so then it is nobody: *known. */
static int who_read(struct rules_reader *r, const struct xml_node *n, struct who *w, bool *known)
{
    int result = attributes_read(r, n, w);

    *known = true;
    for (const struct xml_node *e = xml_first(n); e && result == 0; e = xml_next(e)) {
        struct who except = { .id = STR_EMPTY };

        if (!is_policy(n, "many") || !is_policy(e, "except") || xml_first(e)) {
            warn(r, e, "not known here; what it is part of matches nobody");
            *known = false;
            continue;
        }
        result = attributes_read(r, e, &except);
        if (result == 0)
            result = ARRAY_GROW_IN(&r->p->arena, w->except, w->n_except);
        if (result == 0)
            w->except[w->n_except++] = except;
    }
    return result;
}

static int identity_read(struct rules_reader *r, const struct xml_node *n, struct condition *c)
{
    bool any = false;
    int result = 0;

    for (const struct xml_node *e = xml_first(n); e && result == 0; e = xml_next(e)) {
        struct who w = { .id = STR_EMPTY };
        bool known = false;

        any = true;
        if (is_policy(e, "one") || is_policy(e, "many"))
            result = who_read(r, e, &w, &known);
        else
            warn(r, e, "not known here; it matches nobody");
        if (result || !known)
            continue;
        result = ARRAY_GROW_IN(&r->p->arena, c->who, c->n_who);
        if (result == 0)
            c->who[c->n_who++] = w;
    }
    c->kind = any && !c->n_who ? CONDITION_NEVER : CONDITION_IDENTITY;
    return result;
}

/* ---- spheres ---- */

/* value="work home": RFC 4745 section 7.2. */
static int sphere_read(struct rules_reader *r, const struct xml_node *n, struct condition *c)
{
    struct str value;

    if (!xml_attribute_find(n, STR("value"), &value) || n->n_attributes > 1 || xml_first(n))
        return xml_refuse(r->why, n, "without a value, or with more than that", STR_EMPTY);
    c->kind = CONDITION_SPHERE;
    r->p->ask_sphere = true;
    return arena_str(&r->p->arena, &c->spheres, value);
}

/* ---- times ---- */

/* Without a zone nobody knows when it is. Years from 1970. */
static int time_read(struct rules_reader *r, const struct xml_node *n, uint64_t *ms)
{
    struct str text = str_trim(xml_text(n));
    struct timestamp t;

    if (!timestamp_parse(&t, text) || !t.zoned || t.ms < 0)
        return xml_refuse(r->why, n,
                          "not a date and time with its zone, as 2026-01-31T09:00:00Z:", text);
    *ms = (uint64_t)t.ms;
    return 0;
}

/* Pairs of <from> and <until>: RFC 4745 section 7.3. */
static int validity_read(struct rules_reader *r, const struct xml_node *n, struct condition *c)
{
    int result = 0;

    c->kind = CONDITION_VALIDITY;
    for (const struct xml_node *e = xml_first(n); e && result == 0; e = xml_next(e)) {
        struct period p;

        if (!is_policy(e, "from"))
            return xml_refuse(r->why, e, "not a from", STR_EMPTY);
        result = time_read(r, e, &p.from_ms);
        if (result)
            return result;
        e = xml_next(e);
        if (!e || !is_policy(e, "until"))
            return xml_refuse(r->why, n, "a from without its until", STR_EMPTY);
        result = time_read(r, e, &p.until_ms);
        if (result == 0)
            result = ARRAY_GROW_IN(&r->p->arena, c->periods, c->n_periods);
        if (result == 0)
            c->periods[c->n_periods++] = p;
    }
    return result;
}

/* ---- rules ---- */

static int conditions_read(struct rules_reader *r, const struct xml_node *n, struct rule *rule)
{
    int result = 0;

    for (const struct xml_node *e = xml_first(n); e && result == 0; e = xml_next(e)) {
        struct condition c = { .kind = CONDITION_NEVER };

        if (is_policy(e, "identity"))
            result = identity_read(r, e, &c);
        else if (is_policy(e, "validity"))
            result = validity_read(r, e, &c);
        else if (is_policy(e, "sphere"))
            result = sphere_read(r, e, &c);
        else
            warn(r, e, "a condition that is not known; this rule never applies");
        if (result == 0)
            result = ARRAY_GROW_IN(&r->p->arena, rule->conditions, rule->n_conditions);
        if (result == 0)
            rule->conditions[rule->n_conditions++] = c;
    }
    return result;
}

static int actions_read(struct rules_reader *r, const struct xml_node *n, struct rule *rule)
{
    for (const struct xml_node *e = xml_first(n); e; e = xml_next(e)) {
        struct str word = str_trim(xml_text(e));
        int handling;

        if (!is_pres(e, "sub-handling")) {
            warn(r, e, "an action that is not known; it is ignored");
            continue;
        }
        handling = str_equal(word, STR("allow"))          ? WATCHER_ALLOW
                   : str_equal(word, STR("polite-block")) ? WATCHER_POLITE_BLOCK
                   : str_equal(word, STR("confirm"))      ? WATCHER_CONFIRM
                   : str_equal(word, STR("block"))        ? WATCHER_BLOCK
                                                          : -1;
        if (handling < 0)
            return xml_refuse(r->why, e, "not one of allow, polite-block, confirm, block:", word);
        if (handling > (int)rule->handling)
            rule->handling = (enum watcher_handling)handling;
    }
    return 0;
}

/* xs:boolean. */
static int truth_read(struct rules_reader *r, const struct xml_node *e, bool *out)
{
    struct str word = str_trim(xml_text(e));

    *out = str_equal(word, STR("true")) || str_equal(word, STR("1"));
    if (*out || str_equal(word, STR("false")) || str_equal(word, STR("0")))
        return 0;
    return xml_refuse(r->why, e, "neither true nor false:", word);
}

/* The members of a set: RFC 5025 section 3.3.1. */
static int set_read(struct rules_reader *r, const struct xml_node *n, const char *all,
                    struct view_set *set)
{
    static const struct {
        const char *name;
        enum view_identifier by;
    } identifiers[] = {
        { "class", VIEW_CLASS },
        { "occurrence-id", VIEW_OCCURRENCE_ID },
        { "deviceID", VIEW_DEVICE_ID },
        { "service-uri", VIEW_SERVICE_URI },
        { "service-uri-scheme", VIEW_SERVICE_URI_SCHEME },
    };
    int result = 0;

    for (const struct xml_node *e = xml_first(n); e && result == 0; e = xml_next(e)) {
        size_t i = 0;

        while (i < ARRAY_LEN(identifiers) && !is_pres(e, identifiers[i].name))
            i++;
        if (is_pres(e, all)) {
            set->all = true;
        } else if (i == ARRAY_LEN(identifiers)) {
            warn(r, e, "not known here; it grants nothing");
        } else {
            result = ARRAY_GROW_IN(&r->p->arena, set->members, set->n_members);
            if (result == 0)
                result = arena_str(&r->p->arena, &set->members[set->n_members].value,
                                   str_trim(xml_text(e)));
            if (result == 0)
                set->members[set->n_members++].by = identifiers[i].by;
        }
    }
    return result;
}

static int user_input_read(struct rules_reader *r, const struct xml_node *e, struct view_grants *g)
{
    static const char *const words[] = { [VIEW_USER_INPUT_FALSE] = "false",
                                         [VIEW_USER_INPUT_BARE] = "bare",
                                         [VIEW_USER_INPUT_THRESHOLDS] = "thresholds",
                                         [VIEW_USER_INPUT_FULL] = "full" };
    struct str word = str_trim(xml_text(e));

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_equal(word, str_of(words[i]))) {
            if (i > g->user_input)
                g->user_input = (enum view_user_input)i;
            return 0;
        }
    return xml_refuse(r->why, e, "not one of false, bare, thresholds, full:", word);
}

static int unknown_attribute_read(struct rules_reader *r, const struct xml_node *e,
                                  struct view_grants *g)
{
    struct view_name name;
    bool granted;
    int result = truth_read(r, e, &granted);

    if (result)
        return result;
    if (!xml_attribute_find(e, STR("name"), &name.name) ||
        !xml_attribute_find(e, STR("ns"), &name.namespace))
        return xml_refuse(r->why, e, "without name or ns", STR_EMPTY);
    if (!granted)
        return 0;
    result = ARRAY_GROW_IN(&r->p->arena, g->others, g->n_others);
    if (result == 0)
        result = arena_str(&r->p->arena, &name.name, str_trim(name.name));
    if (result == 0)
        result = arena_str(&r->p->arena, &name.namespace, str_trim(name.namespace));
    if (result == 0)
        g->others[g->n_others++] = name;
    return result;
}

/* The booleans of RFC 5025 section 3.3.2. */
static int attribute_read(struct rules_reader *r, const struct xml_node *e, struct view_grants *g)
{
    static const struct {
        const char *name;
        enum view_attribute attribute;
    } attributes[] = {
        { "provide-activities", VIEW_ACTIVITIES },   { "provide-class", VIEW_CLASSES },
        { "provide-deviceID", VIEW_DEVICE_IDS },     { "provide-mood", VIEW_MOOD },
        { "provide-place-is", VIEW_PLACE_IS },       { "provide-place-type", VIEW_PLACE_TYPE },
        { "provide-privacy", VIEW_PRIVACY },         { "provide-relationship", VIEW_RELATIONSHIP },
        { "provide-sphere", VIEW_SPHERE },           { "provide-status-icon", VIEW_STATUS_ICON },
        { "provide-time-offset", VIEW_TIME_OFFSET }, { "provide-note", VIEW_NOTE },
    };

    for (size_t i = 0; i < ARRAY_LEN(attributes); i++)
        if (is_pres(e, attributes[i].name)) {
            bool granted;
            int result = truth_read(r, e, &granted);

            if (result == 0 && granted)
                g->attributes |= attributes[i].attribute;
            return result;
        }
    warn(r, e, "a transformation that is not known; it is ignored");
    return 0;
}

static int transformation_read(struct rules_reader *r, const struct xml_node *e,
                               struct view_grants *g)
{
    if (is_pres(e, "provide-devices"))
        return set_read(r, e, "all-devices", &g->devices);
    if (is_pres(e, "provide-persons"))
        return set_read(r, e, "all-persons", &g->persons);
    if (is_pres(e, "provide-services"))
        return set_read(r, e, "all-services", &g->services);
    if (is_pres(e, "provide-user-input"))
        return user_input_read(r, e, g);
    if (is_pres(e, "provide-unknown-attribute"))
        return unknown_attribute_read(r, e, g);
    if (!is_pres(e, "provide-all-attributes"))
        return attribute_read(r, e, g);
    if (str_trim(xml_text(e)).n) /* it is empty, by the schema */
        return truth_read(r, e, &g->all_attributes);
    g->all_attributes = true;
    return 0;
}

static int transformations_read(struct rules_reader *r, const struct xml_node *n,
                                struct view_grants *g)
{
    int result = 0;

    for (const struct xml_node *e = xml_first(n); e && result == 0; e = xml_next(e))
        result = transformation_read(r, e, g);
    return result;
}

static int rule_read(struct rules_reader *r, const struct xml_node *n)
{
    struct rule rule = { .handling = WATCHER_BLOCK };
    int result = 0;

    for (const struct xml_node *e = xml_first(n); e && result == 0; e = xml_next(e)) {
        if (is_policy(e, "conditions"))
            result = conditions_read(r, e, &rule);
        else if (is_policy(e, "actions"))
            result = actions_read(r, e, &rule);
        else if (is_policy(e, "transformations"))
            result = transformations_read(r, e, &rule.grants);
        else
            result = xml_refuse(r->why, e, "has no place in a rule", STR_EMPTY);
    }
    if (result)
        return result;
    result = ARRAY_GROW_IN(&r->p->arena, r->p->rules, r->p->n_rules);
    if (result == 0)
        r->p->rules[r->p->n_rules++] = rule;
    return result;
}

/* ---- the document ---- */

static int ruleset_read(struct rules_reader *r, const struct xml_node *root)
{
    int result = 0;

    if (!is_policy(root, "ruleset"))
        return xml_refuse(r->why, root, "not a ruleset of common-policy", STR_EMPTY);
    for (const struct xml_node *e = xml_first(root); e && result == 0; e = xml_next(e))
        result =
            is_policy(e, "rule") ? rule_read(r, e) : xml_refuse(r->why, e, "not a rule", STR_EMPTY);
    return result;
}

/* The reason begins with "line 3": that is where it is. */
static void tell_fault(const struct rules_reader *r)
{
    struct str reason = buf_str(r->why);
    uint64_t line = 0;

    if (str_starts(reason, STR("line "))) {
        struct cursor c = cursor_on(str_sub(reason, 5, reason.n));

        if (str_to_u64(&line, cursor_token(&c)) || line > UINT32_MAX)
            line = 0;
        else
            reason = str_sub(cursor_rest(&c), 1, cursor_rest(&c).n);
    }
    diag_add(r->diag, DIAG_ERROR, (struct diag_place){ r->file, (unsigned)line }, "%.*s",
             STR_FMT(str_trim(reason)));
}

int presence_rules_parse(struct presence_rules **out, struct str text, struct str file,
                         struct diag *diag)
{
    struct rules_reader r = { .diag = diag, .file = file };
    struct xml_tree tree = { .root = NULL };
    struct buf why;
    int result = -ENOMEM;

    buf_init(&why, 1024);
    r.why = &why;
    r.p = calloc(1, sizeof(*r.p));
    if (!r.p)
        goto out;
    r.p->arena.block_size = 1024;
    result = xml_text_check(text, &why);
    if (result == 0)
        result = xml_tree_parse(&tree, text, &why);
    if (result == 0)
        result = ruleset_read(&r, tree.root);
    if (result > 0) {
        tell_fault(&r);
        result = PRESENCE_RULES_FAULTY;
    }
    if (result == 0) {
        *out = r.p;
        r.p = NULL;
    }
out:
    xml_tree_fini(&tree);
    presence_rules_destroy(r.p);
    buf_fini(&why);
    return result;
}

void presence_rules_destroy(struct presence_rules *p)
{
    if (!p)
        return;
    view_list_fini(&p->views);
    arena_fini(&p->arena);
    free(p);
}

/* ---- deciding ---- */

/* From the first moment on, up to the last (RFC 4745 section 7.3). */
static bool is_valid(const struct condition *c, uint64_t wall_ms)
{
    for (size_t i = 0; i < c->n_periods; i++)
        if (wall_ms >= c->periods[i].from_ms && wall_ms < c->periods[i].until_ms)
            return true;
    return false;
}

static bool is_among(const struct condition *c, struct str id, struct str domain)
{
    if (!id.n)
        return !c->n_who; /* RFC 5025 section 3.1.1.2 */
    for (size_t i = 0; i < c->n_who; i++)
        if (who_matches(&c->who[i], id, domain))
            return true;
    return false;
}

static bool is_in_sphere(const struct condition *c, struct str sphere)
{
    struct str rest = c->spheres;

    while (sphere.n && rest.p)
        if (str_equal_nocase(str_next(&rest, ' '), sphere))
            return true;
    return false;
}

static bool rule_applies(const struct rule *rule, struct str id, struct str domain,
                         const struct presence_question *q)
{
    for (size_t i = 0; i < rule->n_conditions; i++) {
        const struct condition *c = &rule->conditions[i];

        if (c->kind == CONDITION_NEVER ||
            (c->kind == CONDITION_IDENTITY && !is_among(c, id, domain)) ||
            (c->kind == CONDITION_SPHERE && !is_in_sphere(c, q->sphere)) ||
            (c->kind == CONDITION_VALIDITY && !is_valid(c, q->wall_ms)))
            return false;
    }
    return true;
}

struct asker {
    struct str id, domain;
    const struct presence_question *question;
};

/* The most generous handling of the rules that apply, and whether they grant everything together:
 * most watchers need no view, and so no memory. */
static enum watcher_handling handle(const struct presence_rules *p, const struct asker *a,
                                    bool *everything)
{
    enum watcher_handling most = WATCHER_BLOCK;
    struct view_grants whole = { .attributes = 0 };

    for (size_t i = 0; i < p->n_rules; i++) {
        const struct rule *rule = &p->rules[i];

        if (!rule_applies(rule, a->id, a->domain, a->question))
            continue;
        whole.devices.all |= rule->grants.devices.all;
        whole.persons.all |= rule->grants.persons.all;
        whole.services.all |= rule->grants.services.all;
        whole.all_attributes |= rule->grants.all_attributes;
        if (rule->handling > most)
            most = rule->handling;
    }
    *everything = view_grants_all(&whole);
    return most;
}

/* What the rules that apply grant together; NULL without memory. */
static struct view *grant(const struct presence_rules *p, const struct asker *a)
{
    struct arena arena = { .block_size = 512 };
    struct view_grants grants = { .attributes = 0 };
    struct view *view = NULL;
    int result = 0;

    for (size_t i = 0; i < p->n_rules && result == 0; i++)
        if (rule_applies(&p->rules[i], a->id, a->domain, a->question))
            result = view_grants_add(&arena, &grants, &p->rules[i].grants);
    if (result == 0) /* only the list changes */
        view = view_ref(view_intern(&((struct presence_rules *)p)->views, &grants));
    arena_fini(&arena);
    return view;
}

enum watcher_handling presence_rules_decide(const struct presence_rules *p,
                                            const struct presence_question *q, struct view **view)
{
    struct asker asker = { .question = q };
    enum watcher_handling most;
    char room[IDENTITY_MAX];
    struct sip_uri parsed;
    struct view *made;
    bool everything;
    struct buf id;

    buf_init_on(&id, room, sizeof(room));
    identity_print(&id, q->uri, &parsed);
    if (id.error)
        return WATCHER_BLOCK;
    asker.id = buf_str(&id);
    asker.domain = parsed.host;
    most = handle(p, &asker, &everything);
    if (most != WATCHER_ALLOW || everything)
        return most;
    if (!view)
        return WATCHER_POLITE_BLOCK;
    made = grant(p, &asker);
    if (!made)
        return WATCHER_UNDECIDED;
    *view = made;
    return WATCHER_ALLOW;
}

bool presence_rules_ask_sphere(const struct presence_rules *p)
{
    return p->ask_sphere;
}

uint64_t presence_rules_next_ms(const struct presence_rules *p, uint64_t wall_ms)
{
    uint64_t next = UINT64_MAX;

    for (size_t i = 0; i < p->n_rules; i++)
        for (size_t k = 0; k < p->rules[i].n_conditions; k++) {
            const struct condition *c = &p->rules[i].conditions[k];

            for (size_t m = 0; m < c->n_periods; m++) {
                uint64_t from = c->periods[m].from_ms, until = c->periods[m].until_ms;

                if (from > wall_ms && from < next)
                    next = from;
                if (until > wall_ms && until < next)
                    next = until;
            }
        }
    return next;
}
