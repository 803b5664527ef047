// SPDX-License-Identifier: MIT
/* One REGISTER: RFC 3261 section 10.3, steps 6 to 8. What is to happen is worked out first, with
 * all memory that it takes; then nothing can fail. */
#include "registrar/contacts_internal.h"

#include <stdlib.h>

enum { LISTED_MAX = 32768 }; /* bytes of Contacts in an answer, which has to fit into a datagram */

struct plan {
    struct contacts *t;
    struct registration *r;
    const struct aor_settings *aor;
    struct aor *a;          /* NULL: it has no contacts, and gets none */
    struct entry **entries; /* of each of r->contacts: the one there is, or a new one */
    size_t n_new, n_removed;
    struct entry **displaced;
    size_t n_displaced;
};

static struct sip_uri_key key_of(const struct contact *c)
{
    struct sip_uri_key key;
    struct sip_uri uri;

    BUG_UNLESS(sip_uri_parse(&uri, c->uri) == 0);
    sip_uri_key_init(&key, &uri);
    return key;
}

/* Who says which telephone it is, and which of its flows, has that in the place of the other one,
 * whatever the URI (RFC 5626 section 6): a browser's is another one each time that a page is
 * loaded. What a telephone behind a NAT calls itself others may, too, behind another one. One that
 * moves goes on with its Call-ID, mostly. */
static bool is_same(const struct contact *a, const struct contact *b, bool same_uri)
{
    if (a->outbound.n && b->outbound.n)
        return str_equal(a->outbound, b->outbound);
    return same_uri &&
           (!a->rewritten || !b->rewritten || addr_equal_host(&a->flow.remote, &b->flow.remote) ||
            str_equal(a->call_id, b->call_id));
}

/* One binding may equal two that do not equal each other: it is only found for the first. */
static void bound_find(struct plan *p, struct entry *e)
{
    const struct registration *r = p->r;
    struct sip_uri_key key = key_of(e->contact);

    for (size_t i = 0; i < r->n && !e->marked; i++) {
        if (p->entries[i] ||
            !is_same(e->contact, r->contacts[i], sip_uri_keys_equal(&key, &r->keys[i])))
            continue;
        p->entries[i] = e;
        e->marked = true;
    }
}

/* Step 7. The same request once more, whose answer was lost with a former process, is no old one:
 * its binding is as it has it. */
static bool is_old(const struct registration *r, const struct entry *e, bool removal)
{
    const struct contact *c = e->contact;

    return str_equal(r->call_id, c->call_id) &&
           (r->cseq < c->cseq || (removal && r->cseq == c->cseq));
}

/* More than there can be, whichever of them are bound already and whatever goes. */
static bool is_far_over(const struct plan *p)
{
    size_t gone = p->a ? p->a->n_registered : 0, bound = 0;

    for (size_t i = 0; i < p->r->n; i++)
        bound += p->r->contacts[i]->expires_s > 0;
    return bound > p->aor->max_contacts + gone;
}

static int plan_removal_of_all(const struct plan *p)
{
    if (p->a)
        LIST_FOREACH (it, &p->a->entries)
            if (!entry_at(it)->contact->is_static && is_old(p->r, entry_at(it), true))
                return REGISTER_OLD;
    return 0;
}

/* Which bindings there are already. */
static int plan_bindings(struct plan *p)
{
    if (p->a)
        LIST_FOREACH (it, &p->a->entries) {
            entry_at(it)->marked = false;
            if (!entry_at(it)->contact->is_static)
                bound_find(p, entry_at(it));
        }
    for (size_t i = 0; i < p->r->n; i++) {
        bool removal = !p->r->contacts[i]->expires_s;
        const struct entry *e = p->entries[i];

        p->n_new += !e && !removal;
        p->n_removed += e && removal;
        if (e && is_old(p->r, e, removal))
            return REGISTER_OLD;
    }
    return 0;
}

/* Who goes first: with remove_unavailable those that do not answer, then those that would expire
 * first. */
static bool goes_before(const struct plan *p, const struct entry *e, const struct entry *than)
{
    bool gone = p->aor->remove_unavailable && e->reach == CONTACT_UNREACHED;
    bool other_gone = p->aor->remove_unavailable && than->reach == CONTACT_UNREACHED;

    if (gone != other_gone)
        return gone;
    return e->contact->expires_wall_ms < than->contact->expires_wall_ms;
}

static bool may_be_displaced(const struct plan *p, const struct entry *e)
{
    return !e->marked && !e->contact->is_static &&
           (p->aor->remove_existing ||
            (p->aor->remove_unavailable && e->reach == CONTACT_UNREACHED));
}

/* It is marked then. NULL: all that are left have to stay. */
static struct entry *displaced_choose(const struct plan *p)
{
    struct entry *first = NULL;

    LIST_FOREACH (it, &p->a->entries) {
        struct entry *e = entry_at(it);

        if (may_be_displaced(p, e) && (!first || goes_before(p, e, first)))
            first = e;
    }
    if (first)
        first->marked = true;
    return first;
}

/* 0, REGISTER_FULL or -ENOMEM. A refresh is fine, however many there may be now. */
static int plan_displaced(struct plan *p)
{
    size_t n = (p->a ? p->a->n_registered : 0) + p->n_new - p->n_removed;
    size_t too_many = n > p->aor->max_contacts ? n - p->aor->max_contacts : 0;

    if (!too_many || !p->n_new)
        return 0;
    if (!p->a || too_many > p->a->n_registered)
        return REGISTER_FULL;
    p->displaced = calloc(too_many, sizeof(struct entry *));
    if (!p->displaced)
        return -ENOMEM;
    while (p->n_displaced < too_many) {
        struct entry *e = displaced_choose(p);

        if (!e)
            return REGISTER_FULL;
        p->displaced[p->n_displaced++] = e;
    }
    return 0;
}

static size_t listed_size(const struct contact *c)
{
    return c->uri.n + c->outbound.n + 64;
}

/* Whoever adds must be able to see what there is. */
static bool can_be_listed(const struct plan *p)
{
    size_t size = 0;

    if (p->a)
        LIST_FOREACH (it, &p->a->entries)
            size += listed_size(entry_at(it)->contact);
    for (size_t i = 0; i < p->r->n; i++)
        size += listed_size(p->r->contacts[i]);
    return !p->n_new || size <= LISTED_MAX;
}

static int plan_memory(struct plan *p)
{
    struct registration *r = p->r;

    r->bound = calloc((p->a ? p->a->n_registered : 0) + p->n_new + 1, sizeof(*r->bound));
    if (!r->bound)
        return -ENOMEM;
    if (!p->n_new)
        return 0;
    for (size_t i = 0; i < r->n; i++) {
        if (p->entries[i] || !r->contacts[i]->expires_s)
            continue;
        p->entries[i] = entry_create(p->t);
        if (!p->entries[i])
            return -ENOMEM;
    }
    return aor_get(p->t, r->aor, &p->a);
}

/* 0, a register_outcome or -ENOMEM. */
static int plan_make(struct plan *p)
{
    struct contacts *t = p->t;
    int r;

    p->aor = t->settings->registrar.enabled ? settings_aor(t->settings, p->r->aor) : NULL;
    if (!p->aor || !p->aor->max_contacts)
        return REGISTER_NO_AOR;
    p->a = aor_find(t, p->r->aor);
    p->entries = calloc(p->r->n + 1, sizeof(struct entry *));
    if (!p->entries)
        return -ENOMEM;
    if (is_far_over(p))
        return REGISTER_FULL;
    r = p->r->all ? plan_removal_of_all(p) : plan_bindings(p);
    if (r)
        return r;
    r = plan_displaced(p);
    if (r)
        return r;
    if (!can_be_listed(p))
        return REGISTER_FULL;
    if (p->n_new && keep_fails(&t->cfg.keep))
        return REGISTER_UNKEPT;
    return plan_memory(p);
}

static void plan_fini(struct plan *p, bool done)
{
    for (size_t i = 0; i < p->r->n && p->entries && !done; i++)
        if (p->entries[i] && !p->entries[i]->aor)
            free(p->entries[i]);
    free(p->entries);
    free(p->displaced);
}

/* ---- carrying it out ---- */

static void removed(struct plan *p, struct entry *e)
{
    log_info(p->t->cfg.log, "registrar.removed", KV("aor", p->r->aor),
             KV("contact", e->contact->uri), KV("endpoint", p->r->endpoint));
    p->t->counters.removed++;
    entry_end(e);
}

static void displaced(struct plan *p, struct entry *e)
{
    log_info(p->t->cfg.log, "registrar.displaced", KV("aor", p->r->aor),
             KV("contact", e->contact->uri), KV("endpoint", e->contact->endpoint));
    p->t->counters.displaced++;
    entry_end(e);
}

/* That it does not answer is known of where it was. */
static void rebind(struct entry *e, struct contact *c)
{
    bool silent = e->reach == CONTACT_UNREACHED && !str_equal(e->contact->target, c->target);

    if (silent)
        silence_forget(e);
    entry_rejoin(e, c);
    if (silent)
        silence_keep(e);
}

static void bound(struct plan *p, struct entry *e, struct contact *c)
{
    struct contacts *t = p->t;
    const struct contact *former = e->contact;
    uint64_t now_ms = clock_wall_ms(t->cfg.clock);

    c->registered_wall_ms = now_ms;
    c->expires_wall_ms = now_ms + UINT64_C(1000) * c->expires_s;
    c->id = former ? former->id : ++t->last_id;
    contact_ref(c);
    if (former) {
        rebind(e, c);
    } else {
        entry_join(e, p->a, c);
        e->born = t->last_change;
        log_info(t->cfg.log, "registrar.added", KV("aor", c->aor), KV("contact", c->uri),
                 KV("endpoint", c->endpoint), KV_U("expires_s", c->expires_s));
    }
    e->changed = t->last_change;
    t->counters.added += !former;
    t->counters.refreshed += former != NULL;
    entry_expire_in(e, UINT64_C(1000) * c->expires_s);
    entry_keep(e);
    entry_tell(e, former);
    contact_unref(former);
}

/* Somebody else's by the same name the client would take for its own, and refresh when that ends.
 */
static bool is_overshadowed(const struct plan *p, const struct entry *e)
{
    const struct registration *r = p->r;
    struct sip_uri_key key;

    if (!r->n || e->changed == p->t->last_change)
        return false;
    key = key_of(e->contact);
    for (size_t i = 0; i < r->n; i++)
        if (r->contacts[i]->expires_s && sip_uri_keys_equal(&key, &r->keys[i]))
            return true;
    return false;
}

static void list_bound(struct plan *p)
{
    struct registration *r = p->r;

    if (!p->a)
        return;
    LIST_FOREACH (it, &p->a->entries) {
        const struct entry *e = entry_at(it);

        if (!e->contact->is_static && !is_overshadowed(p, e))
            r->bound[r->n_bound++] = (struct bound){ contact_ref(e->contact), entry_left_s(e) };
    }
}

static void plan_carry_out(struct plan *p)
{
    struct registration *r = p->r;

    p->t->last_change++;
    if (r->all && p->a)
        LIST_FOREACH_SAFE (it, &p->a->entries)
            if (!entry_at(it)->contact->is_static)
                removed(p, entry_at(it));
    for (size_t i = 0; i < p->n_displaced; i++)
        displaced(p, p->displaced[i]);
    for (size_t i = 0; i < r->n; i++) {
        struct entry *e = p->entries[i];

        BUG_UNLESS(e || !r->contacts[i]->expires_s);
        if (e && r->contacts[i]->expires_s)
            bound(p, e, r->contacts[i]);
        else if (e)
            removed(p, e);
    }
    list_bound(p);
    if (p->n_new)
        r->change = p->t->last_change;
    if (p->a)
        aor_tidy(p->t, p->a);
}

static void cause_begin(struct contacts *t, const struct registration *r, struct buf *room)
{
    buf_add(room, STR("register:"));
    buf_add(room, r->endpoint);
    state_cause_begin(t->cfg.core, room->error ? STATE_CAUSE_REGISTRATION : buf_str(room));
}

int contacts_apply(struct contacts *t, struct registration *r)
{
    struct plan p = { .t = t, .r = r };
    bool was = aor_is_reached(aor_find(t, r->aor));
    char room[128];
    struct buf cause;

    r->result = plan_make(&p);
    if (r->result == 0) {
        buf_init_on(&cause, room, sizeof(room));
        cause_begin(t, r, &cause);
        plan_carry_out(&p);
        aor_told_reached(t, r->aor, was);
        state_cause_end(t->cfg.core);
    }
    plan_fini(&p, r->result == 0);
    return r->result;
}

void contacts_withdraw(struct contacts *t, const struct registration *r)
{
    struct aor *a = r->change ? aor_find(t, r->aor) : NULL;
    bool was = aor_is_reached(a);

    if (!a)
        return;
    LIST_FOREACH_SAFE (it, &a->entries) {
        struct entry *e = entry_at(it);

        if (e->born == r->change && e->changed == r->change) {
            log_error(t->cfg.log, "registrar.not_kept", KV("aor", r->aor),
                      KV("contact", e->contact->uri));
            t->counters.removed++;
            entry_end(e);
        }
    }
    aor_tidy(t, a);
    state_cause_begin(t->cfg.core, STATE_CAUSE_REGISTRATION);
    aor_told_reached(t, r->aor, was);
    state_cause_end(t->cfg.core);
}
