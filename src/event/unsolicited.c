// SPDX-License-Identifier: MIT
/* Who is told of which mailboxes unasked. Source: RFC 3842 for the body; NOTIFY without a
 * subscription is what Asterisk does, and telephones expect. */
#include "event/event_internal.h"

#include <stdlib.h>

enum { REPAIR_MS = 1000 };

unsigned notifier_home(struct str endpoint, unsigned workers)
{
    return str_part(endpoint, workers);
}

struct str addressee_id(const struct addressee *a)
{
    return (struct str){ a->id, a->id_n };
}

/* ---- mailboxes ---- */

static bool box_is(const struct map_node *node, const void *key)
{
    const struct box *box = CONTAINER_OF(node, const struct box, node);

    return str_equal((struct str){ box->name, box->name_n }, *(const struct str *)key);
}

static struct box *box_find(const struct notifier *n, struct str name)
{
    const struct map *boxes = &n->unsolicited.boxes;
    struct map_node *node = map_find(boxes, map_hash(boxes, name), box_is, &name);

    return node ? CONTAINER_OF(node, struct box, node) : NULL;
}

/* With one more reference; NULL: no memory. */
static struct box *box_get(struct notifier *n, struct str name)
{
    struct map *boxes = &n->unsolicited.boxes;
    struct box *box = box_find(n, name);

    if (!box) {
        box = malloc(sizeof(*box) + name.n);
        if (!box)
            return NULL;
        *box = (struct box){ .name_n = name.n };
        memcpy(box->name, name.p, name.n);
        list_init(&box->members);
        map_add(boxes, &box->node, map_hash(boxes, name));
    }
    box->refs++;
    return box;
}

static void box_settle(struct notifier *n, struct box *box)
{
    if (box->refs || box->known)
        return;
    map_remove(&n->unsolicited.boxes, &box->node);
    free(box);
}

void box_unref(struct notifier *n, struct box *box)
{
    if (!box)
        return;
    box->refs--;
    box_settle(n, box);
}

void notifier_mailbox(struct notifier *n, struct str mailbox, bool exists, uint32_t new_count,
                      uint32_t old_count)
{
    struct box *box = exists ? box_get(n, mailbox) : box_find(n, mailbox);

    if (!box) {
        if (exists)
            log_error(n->cfg.log, "unsolicited.mailbox", KV("mailbox", mailbox), KV_ERR(-ENOMEM));
        return;
    }
    box->known = exists;
    box->new_count = new_count;
    box->old_count = old_count;
    LIST_FOREACH (it, &box->members)
        LIST_FOREACH (notice, &CONTAINER_OF(it, struct member, of_box)->addressee->notices)
            notice_attend(CONTAINER_OF(notice, struct notice, of_addressee), false);
    if (exists)
        box->refs--;
    box_settle(n, box);
}

/* ---- what there is to tell ---- */

static bool solicitation_covers(const struct notifier *n, const struct solicitation *s,
                                const struct box *box)
{
    const struct mailbox_group *group = s->group.n
                                            ? settings_mailbox_group(n->settings, s->group)
                                            : settings_endpoint_group(n->settings, s->endpoint);

    return group && mailboxes_have(group->mailboxes, (struct str){ box->name, box->name_n });
}

static bool is_solicited(const struct addressee *a, const struct box *box)
{
    LIST_FOREACH (it, &a->solicitations)
        if (solicitation_covers(a->notifier, CONTAINER_OF(it, struct solicitation, link), box))
            return true;
    return false;
}

unsigned notice_solicited(const struct notice *t)
{
    const struct addressee *a = t->addressee;
    unsigned solicited = 0;

    for (size_t i = 0; i < a->n_members; i++)
        solicited += (!t->box || t->box == a->members[i].box) && is_solicited(a, a->members[i].box);
    return solicited;
}

/* Counts stop at what a message-summary can carry. */
static uint32_t count_add(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

int notice_sum(const struct notice *t, struct es_message_count *out)
{
    const struct addressee *a = t->addressee;
    bool any = false;

    *out = (struct es_message_count){ .given = true };
    for (size_t i = 0; i < a->n_members; i++) {
        const struct box *box = a->members[i].box;

        if ((t->box && t->box != box) || is_solicited(a, box))
            continue;
        if (!box->known) /* it will be soon: half a sum is no state that ever was */
            return NOTICE_NOTHING;
        out->new_count = count_add(out->new_count, box->new_count);
        out->old_count = count_add(out->old_count, box->old_count);
        any = true;
    }
    return any ? 0 : NOTICE_NOTHING;
}

/* ---- endpoints ---- */

static bool addressee_is(const struct map_node *node, const void *key)
{
    return str_equal(addressee_id(CONTAINER_OF(node, const struct addressee, node)),
                     *(const struct str *)key);
}

static struct addressee *addressee_find(const struct notifier *n, struct str id)
{
    const struct map *all = &n->unsolicited.addressees;
    struct map_node *node = map_find(all, map_hash(all, id), addressee_is, &id);

    return node ? CONTAINER_OF(node, struct addressee, node) : NULL;
}

/* Their endpoint has begun, or ceased, to be told. */
static void solicitations_adopt(struct addressee *a)
{
    LIST_FOREACH_SAFE (it, &a->notifier->unsolicited.orphans) {
        if (!str_equal(CONTAINER_OF(it, struct solicitation, link)->endpoint, addressee_id(a)))
            continue;
        list_remove(it);
        list_append(&a->solicitations, it);
    }
}

static struct addressee *addressee_get(struct notifier *n, struct str id)
{
    struct map *all = &n->unsolicited.addressees;
    struct addressee *a = addressee_find(n, id);

    if (a)
        return a;
    a = malloc(sizeof(*a) + id.n);
    if (!a)
        return NULL;
    *a = (struct addressee){ .notifier = n, .id_n = id.n };
    memcpy(a->id, id.p, id.n);
    list_init(&a->notices);
    list_init(&a->solicitations);
    map_add(all, &a->node, map_hash(all, id));
    solicitations_adopt(a);
    return a;
}

static void members_free(struct notifier *n, struct member *members, size_t n_members)
{
    for (size_t i = 0; i < n_members; i++) {
        list_remove(&members[i].of_box);
        box_unref(n, members[i].box);
    }
    free(members);
}

static void addressee_destroy(struct addressee *a)
{
    struct notifier *n = a->notifier;

    LIST_FOREACH_SAFE (it, &a->notices)
        notice_destroy(CONTAINER_OF(it, struct notice, of_addressee));
    members_free(n, a->members, a->n_members);
    body_profile_unref(a->profile);
    list_splice(&n->unsolicited.orphans, &a->solicitations);
    map_remove(&n->unsolicited.addressees, &a->node);
    free(a);
}

/* A mailbox that is named twice counts once. */
static int members_renew(struct addressee *a, struct str list)
{
    struct notifier *n = a->notifier;
    struct member *members, *former = a->members;
    size_t most = 0, n_members = 0, n_former = a->n_members;
    struct str rest = list, name;

    while (mailbox_next(&rest, &name))
        most++;
    members = calloc(most + 1, sizeof(*members));
    if (!members)
        return -ENOMEM;
    while (mailbox_next(&list, &name)) {
        struct box *box = box_get(n, name);
        struct member *m = &members[n_members];
        bool twice = false;

        if (!box) {
            members_free(n, members, n_members);
            return -ENOMEM;
        }
        for (size_t i = 0; i < n_members; i++)
            twice = twice || members[i].box == box;
        if (twice) {
            box_unref(n, box);
            continue;
        }
        *m = (struct member){ .box = box, .addressee = a };
        list_init(&m->of_box);
        list_append(&box->members, &m->of_box);
        n_members++;
    }
    a->members = members;
    a->n_members = n_members;
    members_free(n, former, n_former);
    return 0;
}

static bool is_same(const struct contact *a, const struct contact *b)
{
    if (a->is_static || b->is_static)
        return a->is_static && b->is_static && str_equal(a->uri, b->uri);
    return a->id == b->id;
}

static struct notice *notice_find(const struct addressee *a, const struct contact *contact,
                                  const struct box *box)
{
    LIST_FOREACH (it, &a->notices) {
        struct notice *t = CONTAINER_OF(it, struct notice, of_addressee);

        if (t->box == box && is_same(t->request.contact, contact))
            return t;
    }
    return NULL;
}

/* One that is in several AORs is told by the way of the first. */
static int notice_renew(struct addressee *a, const struct contact *contact, struct box *box,
                        bool quiet)
{
    uint32_t generation = a->notifier->generation;
    struct notice *t = notice_find(a, contact, box);

    if (!t) {
        t = notice_create(a, contact, box, quiet);
        if (!t)
            return -ENOMEM;
    } else if (t->generation != generation) {
        notice_contact_set(t, contact);
    }
    t->generation = generation;
    return 0;
}

/* By a protocol in which we go to others. */
static bool is_reached(struct str contact)
{
    enum net_protocol protocol;
    struct sip_uri uri;

    return contact.n <= EVENT_URI_MAX && sip_uri_parse(&uri, contact) == 0 &&
           txn_uri_protocol(&protocol, &uri) == 0 && protocol <= NET_TLS;
}

bool unsolicited_reaches(const struct settings *s, const struct endpoint_settings *e)
{
    for (size_t i = 0; i < e->n_aors; i++) {
        const struct aor_settings *aor = settings_aor(s, e->aors[i]);

        if (aor && aor->max_contacts && s->registrar.enabled)
            return true;
        for (size_t k = 0; aor && k < aor->n_contacts; k++)
            if (is_reached(aor->contacts[k]))
                return true;
    }
    return false;
}

static int contact_renew(struct addressee *a, const struct endpoint_settings *e,
                         const struct contact *contact, bool quiet)
{
    int r = 0;

    if (e->aggregate_mwi)
        return notice_renew(a, contact, NULL, quiet);
    for (size_t i = 0; i < a->n_members && !r; i++)
        r = notice_renew(a, contact, a->members[i].box, quiet);
    return r;
}

static int static_renew(struct addressee *a, const struct endpoint_settings *e, struct str aor,
                        struct str uri, bool quiet)
{
    struct contact *contact;
    int r = is_reached(uri) ? contact_create_static(&contact, 0, aor, uri, e->id) : -EBADMSG;

    if (r == -EBADMSG) {
        log_warn(a->notifier->cfg.log, "unsolicited.contact_not_served",
                 KV("endpoint", addressee_id(a)), KV("contact", uri));
        return 0;
    }
    if (r)
        return r;
    r = contact_renew(a, e, contact, quiet);
    contact_unref(contact);
    return r;
}

static bool has_aor(const struct endpoint_settings *e, struct str aor)
{
    for (size_t i = 0; i < e->n_aors; i++)
        if (str_equal(e->aors[i], aor))
            return true;
    return false;
}

/* The table of contacts drops by itself what it has to, but does not know who had an AOR before. */
static int registered_renew(struct addressee *a, const struct endpoint_settings *e)
{
    const struct settings *s = a->notifier->settings;
    int r = 0;

    LIST_FOREACH_SAFE (it, &a->notices) {
        const struct notice *t = CONTAINER_OF(it, struct notice, of_addressee);
        const struct contact *c = t->request.contact;

        if (!c->is_static && t->generation != a->notifier->generation && !r && has_aor(e, c->aor) &&
            contact_is_configured(c, s))
            r = contact_renew(a, e, c, false);
    }
    return r;
}

/* What is not configured any more is told nothing, not even an end: there is none in this. */
static int notices_renew(struct addressee *a, const struct endpoint_settings *e, bool quiet)
{
    const struct settings *s = a->notifier->settings;
    int r = 0;

    for (size_t i = 0; i < e->n_aors; i++) {
        const struct aor_settings *aor = settings_aor(s, e->aors[i]);

        for (size_t k = 0; aor && k < aor->n_contacts && !r; k++)
            r = static_renew(a, e, aor->id, aor->contacts[k], quiet);
    }
    if (!r)
        r = registered_renew(a, e);
    if (r)
        return r;
    LIST_FOREACH_SAFE (it, &a->notices) {
        struct notice *t = CONTAINER_OF(it, struct notice, of_addressee);

        if (t->generation == a->notifier->generation)
            notice_attend(t, true);
        else
            notice_destroy(t);
    }
    return 0;
}

static int addressee_renew(struct notifier *n, const struct endpoint_settings *e, bool quiet)
{
    const struct es_subscriber who = { .size = sizeof(who),
                                       .package = ES_TEXT("message-summary"),
                                       .endpoint = es_text_from(e->id) };
    struct addressee *a = addressee_get(n, e->id);
    const struct body_profile *profile;
    int r = -ENOMEM;

    if (!a)
        return r;
    a->generation = n->generation;
    r = body_choose(n->cfg.bodies, &who, STR("application/simple-message-summary"),
                    body_flags_of(n->settings, e, STR_EMPTY), &profile);
    BUG_UNLESS(r <= 0); /* it is built in */
    if (!r)
        body_profile_replace(&a->profile, profile);
    if (!r)
        r = members_renew(a, e->mailboxes);
    return r ? r : notices_renew(a, e, quiet);
}

int unsolicited_configure(struct notifier *n, bool quiet)
{
    const struct settings *s = n->settings;
    int r = 0;

    for (size_t i = 0; i < s->n_endpoints && !r; i++) {
        const struct endpoint_settings *e = &s->endpoints[i];

        if (e->mailboxes.n && notifier_home(e->id, n->cfg.workers) == n->cfg.worker)
            r = addressee_renew(n, e, quiet);
    }
    if (r) {
        log_error(n->cfg.log, "unsolicited.settings", KV_ERR(r));
        timer_start(n->cfg.wheel, &n->unsolicited.repair, REPAIR_MS);
        return r;
    }
    MAP_FOREACH_SAFE (node, &n->unsolicited.addressees) {
        struct addressee *a = CONTAINER_OF(node, struct addressee, node);

        if (a->generation != n->generation)
            addressee_destroy(a);
    }
    return 0;
}

void unsolicited_retry(struct notifier *n)
{
    MAP_FOREACH (node, &n->unsolicited.addressees) {
        struct addressee *a = CONTAINER_OF(node, struct addressee, node);

        LIST_FOREACH (it, &a->notices) {
            struct notice *t = CONTAINER_OF(it, struct notice, of_addressee);

            if (t->state != NOTICE_IDLE)
                notice_attend(t, true);
        }
    }
}

void unsolicited_settings_set(struct notifier *n)
{
    n->unsolicited.requests.settings = n->settings;
    n->unsolicited.reloaded = true;
    MAP_FOREACH (node, &n->unsolicited.addressees)
        LIST_FOREACH (it, &CONTAINER_OF(node, struct addressee, node)->notices)
            notice_recall(CONTAINER_OF(it, struct notice, of_addressee));
}

static void on_repair(struct timer *t)
{
    (void)unsolicited_configure(CONTAINER_OF(t, struct notifier, unsolicited.repair), false);
}

/* ---- contacts that register ---- */

/* Those that were there before this process are told as static ones are. */
static bool is_fresh(const struct notifier *n, const struct contact *c)
{
    return c->registered_wall_ms >= n->unsolicited.begun_wall_ms;
}

static int registered_add(struct addressee *a, const struct contact *contact, struct box *box)
{
    struct notifier *n = a->notifier;
    bool quiet = n->settings->global.mwi_disable_initial_unsolicited && !n->unsolicited.reloaded;
    struct notice *t = notice_create(a, contact, box, quiet);

    if (!t)
        return -ENOMEM;
    t->generation = n->generation;
    if (is_fresh(n, contact))
        notice_registered(t);
    else
        notice_attend(t, false);
    return 0;
}

static void registered_refresh(struct notice *t, const struct contact *now)
{
    const struct contact *former = t->request.contact;

    if (now == former)
        return;
    if (t->state != NOTICE_SENDING || !contact_same_way(now, former)) /* else it is being told */
        notice_registered(t);
    notice_contact_set(t, now);
}

static int registered_set(struct addressee *a, const struct contact *contact, struct box *box)
{
    struct notice *t = notice_find(a, contact, box);

    if (!t)
        return registered_add(a, contact, box);
    registered_refresh(t, contact);
    return 0;
}

static void registered_drop(struct addressee *a, const struct contact *contact)
{
    LIST_FOREACH_SAFE (it, &a->notices) {
        struct notice *t = CONTAINER_OF(it, struct notice, of_addressee);

        if (is_same(t->request.contact, contact))
            notice_destroy(t);
    }
}

int notifier_registered(struct notifier *n, struct str endpoint, const struct contact *now,
                        const struct contact *former)
{
    const struct endpoint_settings *e = settings_endpoint(n->settings, endpoint);
    struct addressee *a;
    int r = 0;

    if (now && !n->stopping && timer_running(&n->unsolicited.repair))
        r = unsolicited_configure(n, false);
    a = addressee_find(n, endpoint);
    if (r || !a)
        return r;
    if (!now)
        registered_drop(a, former);
    if (!now || n->stopping || !e || !has_aor(e, now->aor))
        return 0;
    if (e->aggregate_mwi)
        return registered_set(a, now, NULL);
    for (size_t i = 0; i < a->n_members && !r; i++)
        r = registered_set(a, now, a->members[i].box);
    return r;
}

/* ---- subscriptions that tell the same ---- */

/* Of what it tells nothing is told unasked; of the rest it may be another sum now. */
void notifier_solicit(struct notifier *n, struct solicitation *s)
{
    struct addressee *a = addressee_find(n, s->endpoint);

    list_init(&s->link);
    list_append(a ? &a->solicitations : &n->unsolicited.orphans, &s->link);
    if (!a)
        return;
    LIST_FOREACH (it, &a->notices)
        notice_attend(CONTAINER_OF(it, struct notice, of_addressee), false);
}

static bool notice_is_covered(const struct notice *t, const struct solicitation *s)
{
    const struct addressee *a = t->addressee;

    for (size_t i = 0; i < a->n_members; i++)
        if ((!t->box || t->box == a->members[i].box) &&
            solicitation_covers(a->notifier, s, a->members[i].box))
            return true;
    return false;
}

/* What the telephone shows now is what the subscription said last: it is told afresh. */
void notifier_unsolicit(struct notifier *n, struct solicitation *s)
{
    struct addressee *a = addressee_find(n, s->endpoint);

    list_remove(&s->link);
    if (!a)
        return;
    LIST_FOREACH (it, &a->notices) {
        struct notice *t = CONTAINER_OF(it, struct notice, of_addressee);

        if (!notice_is_covered(t, s))
            continue;
        t->is_told = t->quiet = false;
        notice_attend(t, false);
    }
}

/* ---- listings ---- */

static struct notice_view view_of(const struct notifier *n, const struct notice *t)
{
    struct notice_view v = { .endpoint = addressee_id(t->addressee),
                             .contact = t->request.contact->uri,
                             .state = notice_state_name(t),
                             .last_status = t->last_status,
                             .cseq = t->request.cseq,
                             .failures = t->failures };

    if (t->box)
        v.mailbox = (struct str){ t->box->name, t->box->name_n };
    if (t->state == NOTICE_WAITING)
        v.retry_s = (uint32_t)(timer_left_ms(n->cfg.wheel, &t->timer) / 1000) + 1;
    return v;
}

void notifier_notices_each(const struct notifier *n,
                           void (*each)(void *ctx, const struct notice_view *v), void *ctx)
{
    MAP_FOREACH (node, &n->unsolicited.addressees) {
        const struct addressee *a = CONTAINER_OF(node, const struct addressee, node);

        LIST_FOREACH (it, &a->notices) {
            struct notice_view v = view_of(n, CONTAINER_OF(it, const struct notice, of_addressee));

            each(ctx, &v);
        }
    }
}

/* ---- the port of its requests is the notifier's ---- */

static void on_resolve(void *ctx, const struct dns_question *q, uint64_t question)
{
    const struct notifier_port *port = &((struct notifier *)ctx)->cfg.port;

    port->resolve(port->ctx, q, question);
}

static int on_route(void *ctx, struct str transport_id, enum net_protocol protocol,
                    const struct addr *remote, struct flow *out)
{
    const struct notifier_port *port = &((struct notifier *)ctx)->cfg.port;

    return port->route(port->ctx, transport_id, protocol, remote, out);
}

static int on_route_from(void *ctx, enum net_protocol protocol, const struct addr *local,
                         const struct addr *remote, struct flow *out)
{
    const struct notifier_port *port = &((struct notifier *)ctx)->cfg.port;

    return port->route_from(port->ctx, protocol, local, remote, out);
}

static struct str on_transport(void *ctx, uint32_t transport)
{
    return notifier_transport_id(ctx, transport);
}

void notifier_resolved(struct notifier *n, uint64_t question, const struct dns_targets *found)
{
    if (!contact_requests_resolved(&n->unsolicited.requests, question, found))
        seek_resolved(n, question, found);
}

/* ---- life ---- */

void unsolicited_init(struct notifier *n)
{
    struct unsolicited *u = &n->unsolicited;

    u->requests = (struct contact_requests){
        .txn = n->cfg.txn,
        .wheel = n->cfg.wheel,
        .rng = n->cfg.rng,
        .log = n->cfg.log,
        .port = { n, on_resolve, on_route, on_route_from, on_transport },
        .settings = n->settings,
    };
    u->begun_wall_ms = clock_wall_ms(n->cfg.clock);
    list_init(&u->due);
    list_init(&u->orphans);
    timer_init(&u->turn, notices_turn);
    timer_init(&u->repair, on_repair);
}

void unsolicited_stop(struct notifier *n)
{
    timer_stop(n->cfg.wheel, &n->unsolicited.repair);
    MAP_FOREACH (node, &n->unsolicited.addressees)
        LIST_FOREACH (it, &CONTAINER_OF(node, struct addressee, node)->notices)
            notice_rest(CONTAINER_OF(it, struct notice, of_addressee));
}

void unsolicited_fini(struct notifier *n)
{
    struct unsolicited *u = &n->unsolicited;

    if (u->addressees.buckets)
        MAP_FOREACH_SAFE (node, &u->addressees)
            addressee_destroy(CONTAINER_OF(node, struct addressee, node));
    if (u->boxes.buckets)
        MAP_FOREACH_SAFE (node, &u->boxes) {
            map_remove(&u->boxes, node);
            free(CONTAINER_OF(node, struct box, node));
        }
    LIST_FOREACH_SAFE (it, &u->orphans)
        list_remove(it); /* their subscriptions have them */
    timer_stop(n->cfg.wheel, &u->turn);
    timer_stop(n->cfg.wheel, &u->repair);
    map_fini(&u->addressees);
    map_fini(&u->boxes);
    contact_requests_fini(&u->requests);
}
