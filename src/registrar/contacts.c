// SPDX-License-Identifier: MIT
#include "registrar/contacts_internal.h"

#include "loop/inbox.h"

#include <stdlib.h>

enum { REPAIR_MS = 1000 };

/* ---- AORs ---- */

static bool aor_is(const struct map_node *node, const void *id)
{
    return str_equal(aor_id(CONTAINER_OF(node, const struct aor, node)), *(const struct str *)id);
}

struct aor *aor_find(const struct contacts *t, struct str id)
{
    struct map_node *node = map_find(&t->aors_by_id, map_hash(&t->aors_by_id, id), aor_is, &id);

    return node ? CONTAINER_OF(node, struct aor, node) : NULL;
}

int aor_get(struct contacts *t, struct str id, struct aor **out)
{
    struct aor *a = aor_find(t, id);

    if (!a) {
        a = malloc(sizeof(*a) + id.n);
        if (!a)
            return -ENOMEM;
        *a = (struct aor){ .id_n = id.n };
        memcpy(a->id, id.p, id.n);
        list_init(&a->entries);
        list_init(&a->link);
        list_append(&t->aors, &a->link);
        map_add(&t->aors_by_id, &a->node, map_hash(&t->aors_by_id, id));
        tally_add(&t->heap, a);
    }
    *out = a;
    return 0;
}

void aor_tidy(struct contacts *t, struct aor *a)
{
    if (!list_empty(&a->entries))
        return;
    map_remove(&t->aors_by_id, &a->node);
    list_remove(&a->link);
    tally_remove(&t->heap, a);
    free(a);
}

bool aor_is_reached(const struct aor *a)
{
    if (a)
        LIST_FOREACH (it, &a->entries)
            if (entry_at(it)->reach != CONTACT_UNREACHED)
                return true;
    return false;
}

/* ---- devices ---- */

enum device_state contacts_device_default(const struct contacts *t,
                                          const struct endpoint_settings *e)
{
    if (!t->settings->registrar.enabled)
        return settings_endpoint_reachable(t->settings, e) ? DEVICE_NOT_INUSE : DEVICE_UNAVAILABLE;
    for (size_t i = 0; i < e->n_aors; i++)
        if (aor_is_reached(aor_find(t, e->aors[i])))
            return DEVICE_NOT_INUSE;
    return DEVICE_UNAVAILABLE;
}

static void device_tell(struct contacts *t, const struct endpoint_settings *e)
{
    struct buf name;
    int r;

    buf_init(&name, SIZE_MAX / 2);
    buf_add(&name, STR("PJSIP/"));
    buf_add(&name, e->id);
    r = name.error;
    if (!r)
        r = state_device_default_set(t->cfg.core, buf_str(&name), contacts_device_default(t, e));
    if (r < 0) {
        log_error(t->cfg.log, "registrar.device", KV("endpoint", e->id), KV_ERR(r));
        contacts_repair(t);
    }
    buf_fini(&name);
}

void contacts_repair(struct contacts *t)
{
    if (!timer_running(&t->repair))
        timer_start(t->cfg.wheel, &t->repair, REPAIR_MS);
}

static void on_repair(struct timer *timer)
{
    struct contacts *t = CONTAINER_OF(timer, struct contacts, repair);

    for (size_t i = 0; i < t->n_members; i++)
        device_tell(t, t->members[i].endpoint);
    phones_tell_again(t);
}

/* The first of those that have it, or where it would be. */
static size_t members_from(const struct contacts *t, struct str aor)
{
    size_t from = 0, to = t->n_members;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (str_compare(t->members[middle].aor, aor) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void endpoint_tell(const struct contacts *t, const struct endpoint_settings *e,
                          bool reachable)
{
    if (t->cfg.port.endpoint)
        t->cfg.port.endpoint(t->cfg.port.ctx, e->id, reachable);
}

/* By another AOR than this one. */
static bool is_reached_otherwise(const struct contacts *t, const struct endpoint_settings *e,
                                 struct str id)
{
    for (size_t i = 0; i < e->n_aors; i++)
        if (!str_equal(e->aors[i], id) && aor_is_reached(aor_find(t, e->aors[i])))
            return true;
    return false;
}

void aor_told_reached(struct contacts *t, struct str id, bool was)
{
    const struct endpoint_settings *last = NULL;

    if (aor_is_reached(aor_find(t, id)) == was)
        return;
    for (size_t i = members_from(t, id); i < t->n_members && str_equal(t->members[i].aor, id);
         i++) {
        const struct endpoint_settings *e = t->members[i].endpoint;

        device_tell(t, e);
        if (e != last && !is_reached_otherwise(t, e, id))
            endpoint_tell(t, e, !was);
        last = e;
    }
}

void contacts_endpoints_each(const struct contacts *t, struct str aor,
                             void (*each)(void *ctx, const struct endpoint_settings *e), void *ctx)
{
    for (size_t i = members_from(t, aor); i < t->n_members && str_equal(t->members[i].aor, aor);
         i++)
        each(ctx, t->members[i].endpoint);
}

static int by_aor(const void *x, const void *y)
{
    const struct membership *a = x, *b = y;
    int order = str_compare(a->aor, b->aor);

    return order ? order : (a->endpoint > b->endpoint) - (a->endpoint < b->endpoint);
}

/* 0 or -ENOMEM. */
static int members_set(struct contacts *t, const struct settings *s)
{
    struct membership *members;
    size_t n = 0;

    for (size_t i = 0; i < s->n_endpoints && s->registrar.enabled; i++)
        n += s->endpoints[i].n_aors;
    members = calloc(n + 1, sizeof(*members));
    if (!members)
        return -ENOMEM;
    n = 0;
    for (size_t i = 0; i < s->n_endpoints && s->registrar.enabled; i++)
        for (size_t k = 0; k < s->endpoints[i].n_aors; k++)
            members[n++] = (struct membership){ s->endpoints[i].aors[k], &s->endpoints[i] };
    qsort(members, n, sizeof(*members), by_aor);
    free(t->members);
    t->members = members;
    t->n_members = n;
    return 0;
}

/* ---- entries ---- */

static bool entry_has_id(const struct map_node *node, const void *id)
{
    return CONTAINER_OF(node, const struct entry, node)->contact->id == *(const uint64_t *)id;
}

/* Nobody has asked for its end. */
static void entry_lapse(struct entry *e, const char *event, uint64_t *counter)
{
    struct contacts *t = e->table;
    struct aor *a = e->aor;
    bool was = aor_is_reached(a);
    const struct contact *c = contact_ref(e->contact);

    log_info(t->cfg.log, event, KV("aor", aor_id(a)), KV("contact", c->uri),
             KV("endpoint", c->endpoint));
    ++*counter;
    state_cause_begin(t->cfg.core, STATE_CAUSE_REGISTRATION);
    entry_end(e);
    aor_tidy(t, a);
    aor_told_reached(t, c->aor, was);
    state_cause_end(t->cfg.core);
    contact_unref(c);
}

static void on_expiry(struct timer *timer)
{
    struct entry *e = CONTAINER_OF(timer, struct entry, expiry);

    entry_lapse(e, "registrar.expired", &e->table->counters.expired);
}

static bool entry_has_connection(const struct map_node *node, const void *connection)
{
    return CONTAINER_OF(node, const struct entry, of_connection)->contact->flow.connection ==
           *(const uint32_t *)connection;
}

void contacts_connections_lost(struct contacts *t, const uint32_t *connections, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = map_hash_u64(&t->tied, connections[i]);
        struct map_node *node;

        while ((node = map_find(&t->tied, hash, entry_has_connection, &connections[i])))
            entry_lapse(CONTAINER_OF(node, struct entry, of_connection), "registrar.disconnected",
                        &t->counters.disconnected);
    }
}

static void entry_untie(struct entry *e)
{
    if (e->is_tied)
        map_remove(&e->table->tied, &e->of_connection);
    e->is_tied = false;
}

static void entry_tie(struct entry *e)
{
    struct map *tied = &e->table->tied;

    entry_untie(e);
    e->is_tied = contact_is_tied(e->contact);
    if (e->is_tied)
        map_add(tied, &e->of_connection, map_hash_u64(tied, e->contact->flow.connection));
}

struct entry *entry_create(struct contacts *t)
{
    struct entry *e = malloc(sizeof(*e));

    if (!e)
        return NULL;
    *e = (struct entry){ .table = t };
    list_init(&e->of_aor);
    timer_init(&e->expiry, on_expiry);
    return e;
}

void entry_join(struct entry *e, struct aor *a, const struct contact *c)
{
    struct contacts *t = e->table;

    e->aor = a;
    e->contact = c;
    a->n_registered += !c->is_static;
    t->counters.registered += !c->is_static;
    t->counters.fixed += c->is_static;
    list_append(&a->entries, &e->of_aor);
    map_add(&t->ids, &e->node, map_hash_u64(&t->ids, c->id));
    entry_tie(e);
    tally_add(&t->heap, e);
    tally_add(&t->heap, c);
}

void entry_rejoin(struct entry *e, const struct contact *c)
{
    tally_remove(&e->table->heap, e->contact);
    tally_add(&e->table->heap, c);
    e->contact = c;
    entry_tie(e);
}

void entry_expire_in(struct entry *e, uint64_t left_ms)
{
    timer_start(e->table->cfg.wheel, &e->expiry, left_ms);
}

/* What was accepted must not get lost for want of memory. */
void entry_keep(struct entry *e)
{
    struct contacts *t = e->table;
    size_t size = contact_record_size(e->contact);
    struct buf b;

    if (!t->cfg.keep.put || e->contact->is_static)
        return;
    buf_init_on(&b, inbox_message_alloc(t->cfg.log, size), size);
    contact_record_print(e->contact, &b);
    BUG_UNLESS(b.error == 0);
    keep_put(&t->cfg.keep, &(struct keep_record){ .table = KEEP_CONTACT,
                                                  .number = e->contact->id,
                                                  .bytes = buf_str(&b) });
    free(b.p);
}

/* Out of the table. */
static void entry_leave(struct entry *e)
{
    struct contacts *t = e->table;
    bool is_static = e->contact->is_static;

    timer_stop(t->cfg.wheel, &e->expiry);
    list_remove(&e->of_aor);
    map_remove(&t->ids, &e->node);
    tally_remove(&t->heap, e);
    tally_remove(&t->heap, e->contact);
    entry_untie(e);
    e->aor->n_registered -= !is_static;
    t->counters.registered -= !is_static;
    t->counters.fixed -= is_static;
    t->counters.unreached -= e->reach == CONTACT_UNREACHED;
}

void entry_tell(struct entry *e, const struct contact *former)
{
    const struct contacts_port *port = &e->table->cfg.port;

    e->told = true;
    if (port->changed)
        port->changed(port->ctx, e->contact, former);
    if (former && (e->dialogs || e->dialogs_expected) &&
        !str_equal(former->endpoint, e->contact->endpoint)) {
        phone_tell(e->table, former->endpoint);
        phone_tell(e->table, e->contact->endpoint);
    }
}

void entry_end(struct entry *e)
{
    struct contacts *t = e->table;

    if (e->reach == CONTACT_UNREACHED)
        silence_forget(e);
    entry_leave(e);
    if (!e->contact->is_static)
        keep_forget(&t->cfg.keep, KEEP_CONTACT, e->contact->id);
    if (e->told && t->cfg.port.changed)
        t->cfg.port.changed(t->cfg.port.ctx, NULL, e->contact);
    if (e->dialogs || e->dialogs_expected)
        phone_tell(t, e->contact->endpoint);
    event_state_unref(e->dialogs);
    contact_unref(e->contact);
    free(e);
}

uint32_t entry_left_s(const struct entry *e)
{
    uint64_t left_ms = timer_left_ms(e->table->cfg.wheel, &e->expiry);
    uint32_t granted_s = e->contact->expires_s;

    if (e->contact->is_static)
        return 0;
    left_ms = left_ms > WHEEL_TICK_MS ? left_ms - WHEEL_TICK_MS : 1; /* so late the wheel may be */
    left_ms = (left_ms + 999) / 1000;
    return left_ms < granted_s ? (uint32_t)left_ms : granted_s;
}

/* ---- a configuration ---- */

static void contact_drop(struct entry *e)
{
    const struct contact *c = e->contact;

    log_info(e->table->cfg.log, "registrar.unconfigured", KV("aor", c->aor), KV("contact", c->uri));
    e->table->counters.removed += !c->is_static;
    entry_end(e);
}

static void drop_unconfigured(struct contacts *t, const struct settings *s)
{
    LIST_FOREACH_SAFE (link, &t->aors) {
        struct aor *a = aor_at(link);

        LIST_FOREACH_SAFE (it, &a->entries)
            if (!contact_is_configured(entry_at(it)->contact, s))
                contact_drop(entry_at(it));
        aor_tidy(t, a);
    }
}

static struct entry *static_find(const struct aor *a, struct str uri)
{
    LIST_FOREACH (it, &a->entries)
        if (entry_at(it)->contact->is_static && str_equal(entry_at(it)->contact->uri, uri))
            return entry_at(it);
    return NULL;
}

/* The first of those that have it. */
static struct str endpoint_of(const struct contacts *t, struct str aor)
{
    size_t i = members_from(t, aor);

    return i < t->n_members && str_equal(t->members[i].aor, aor) ? t->members[i].endpoint->id
                                                                 : STR_EMPTY;
}

/* 0, -EBADMSG or -ENOMEM. */
static int static_create(struct contacts *t, struct str aor, struct str uri, struct contact **out)
{
    int r = contact_create_static(out, ++t->last_id, aor, uri, endpoint_of(t, aor));

    if (r == -EBADMSG)
        log_warn(t->cfg.log, "registrar.contact", KV("aor", aor), KV("contact", uri));
    return r;
}

/* Another endpoint may be the first now. 0 or -ENOMEM. */
static int static_again(struct contacts *t, struct entry *e)
{
    const struct contact *former = e->contact;
    struct contact what, *now;

    if (str_equal(former->endpoint, endpoint_of(t, former->aor)))
        return 0;
    memcpy(&what, former, sizeof(what));
    what.endpoint = endpoint_of(t, former->aor);
    if (contact_create(&now, &what))
        return -ENOMEM;
    entry_rejoin(e, now);
    if (e->told)
        entry_tell(e, former);
    contact_unref(former);
    return 0;
}

/* 0 or -ENOMEM. */
static int static_add(struct contacts *t, struct str aor, struct str uri)
{
    struct contact *c = NULL;
    struct entry *e;
    struct aor *a;
    int r = aor_get(t, aor, &a);

    if (r)
        return r;
    e = static_find(a, uri);
    if (e)
        return static_again(t, e);
    e = entry_create(t);
    r = e ? static_create(t, aor, uri, &c) : -ENOMEM;
    if (r) {
        free(e);
        aor_tidy(t, a);
        return r == -EBADMSG ? 0 : r;
    }
    entry_join(e, a, c);
    return 0;
}

static int statics_add(struct contacts *t, const struct settings *s)
{
    int r = 0;

    for (size_t i = 0; i < s->n_aors && s->registrar.enabled; i++)
        for (size_t k = 0; k < s->aors[i].n_contacts && !r; k++)
            r = static_add(t, s->aors[i].id, s->aors[i].contacts[k]);
    return r;
}

static void tell_new(struct contacts *t)
{
    LIST_FOREACH (link, &t->aors)
        LIST_FOREACH (it, &aor_at(link)->entries)
            if (!entry_at(it)->told)
                entry_tell(entry_at(it), NULL);
}

/* For each endpoint of the new settings; NULL: no memory. */
static bool *reached_before(const struct contacts *t, const struct settings *settings)
{
    bool *reached = calloc(settings->n_endpoints + 1, sizeof(*reached));

    for (size_t i = 0; reached && t->begun && i < settings->n_endpoints; i++) {
        const struct endpoint_settings *e =
            settings_endpoint(t->settings, settings->endpoints[i].id);

        reached[i] = e && contacts_device_default(t, e) != DEVICE_UNAVAILABLE;
    }
    return reached;
}

static void endpoints_tell(const struct contacts *t, const bool *reached)
{
    for (size_t i = 0; i < t->settings->n_endpoints; i++) {
        const struct endpoint_settings *e = &t->settings->endpoints[i];
        bool now = contacts_device_default(t, e) != DEVICE_UNAVAILABLE;

        if (now != reached[i])
            endpoint_tell(t, e, now);
    }
}

static int configure(struct contacts *t, const struct settings *settings)
{
    const struct settings *former = t->settings;
    bool phones_owed = timer_running(&t->repair);
    int r = members_set(t, settings);

    if (r)
        return r;
    t->settings = settings_ref(settings);
    settings_unref(former);
    timer_stop(t->cfg.wheel, &t->repair); /* all defaults are set anew */
    drop_unconfigured(t, settings);
    r = statics_add(t, settings);
    if (!r)
        silences_apply(t);
    if (!r && !t->begun)
        phones_expect(t);
    else if (phones_owed)
        phones_tell_again(t);
    t->begun |= !r;
    tell_new(t);
    return r;
}

int contacts_configure(struct contacts *t, const struct settings *settings)
{
    bool *reached = reached_before(t, settings), begun = t->begun;
    int r = reached ? configure(t, settings) : -ENOMEM;

    if (!r && begun)
        endpoints_tell(t, reached);
    free(reached);
    return r;
}

/* ---- reach ---- */

struct entry *entry_find(const struct contacts *t, uint64_t id)
{
    struct map_node *node = map_find(&t->ids, map_hash_u64(&t->ids, id), entry_has_id, &id);

    return node ? CONTAINER_OF(node, struct entry, node) : NULL;
}

void entry_reach(struct entry *e, enum contact_reach reach)
{
    uint64_t *unreached = &e->table->counters.unreached;

    *unreached -= e->reach == CONTACT_UNREACHED;
    *unreached += reach == CONTACT_UNREACHED;
    e->reach = reach;
}

void contacts_reach_set(struct contacts *t, uint64_t id, enum contact_reach reach, uint32_t rtt_ms)
{
    struct entry *e = entry_find(t, id);
    bool was;

    if (!e || e->reach == reach)
        return;
    was = aor_is_reached(e->aor);
    if (reach == CONTACT_UNREACHED)
        silence_keep(e);
    else if (e->reach == CONTACT_UNREACHED)
        silence_forget(e);
    entry_reach(e, reach);
    state_cause_begin(t->cfg.core, STATE_CAUSE_REGISTRATION);
    aor_told_reached(t, e->contact->aor, was);
    if (e->dialogs)
        phone_tell(t, e->contact->endpoint);
    if (t->cfg.port.reached)
        t->cfg.port.reached(t->cfg.port.ctx, e->contact, reach, rtt_ms);
    state_cause_end(t->cfg.core);
}

/* ---- what survives ---- */

int contact_record_check(const struct keep_record *record)
{
    struct contact c;

    if (record->table == KEEP_SILENT_CONTACT)
        return silence_record_check(record);
    return contact_record_parse(&c, record->bytes);
}

/* What is left of its time by the wall clock; one that was set back does not make it longer. */
static uint64_t left_ms_of(const struct contacts *t, const struct contact *c)
{
    uint64_t now_ms = clock_wall_ms(t->cfg.clock), granted_ms = UINT64_C(1000) * c->expires_s;
    uint64_t left_ms = c->expires_wall_ms > now_ms ? c->expires_wall_ms - now_ms : 0;

    return left_ms < granted_ms ? left_ms : granted_ms;
}

int contacts_restore(struct contacts *t, const struct keep_record *record)
{
    struct contact kept, *c = NULL;
    struct entry *e = NULL;
    struct aor *a;
    uint64_t left_ms;
    int r;

    if (record->table == KEEP_SILENT_CONTACT)
        return silence_restore(t, record);
    r = contact_record_parse(&kept, record->bytes);
    if (r || entry_find(t, record->number))
        return -EBADMSG;
    if (record->number > t->last_id)
        t->last_id = record->number;
    left_ms = left_ms_of(t, &kept);
    if (!left_ms) {
        log_info(t->cfg.log, "registrar.expired", KV("aor", kept.aor), KV("contact", kept.uri),
                 KV("endpoint", kept.endpoint));
        t->counters.expired++;
        keep_forget(&t->cfg.keep, KEEP_CONTACT, record->number);
        return 0;
    }
    r = aor_get(t, kept.aor, &a);
    if (r)
        return r;
    kept.id = record->number;
    e = entry_create(t);
    r = e ? contact_create(&c, &kept) : -ENOMEM;
    if (r) {
        free(e);
        aor_tidy(t, a);
        return r;
    }
    entry_join(e, a, c);
    entry_expire_in(e, left_ms);
    return 0;
}

static void entry_keep_whole(struct entry *e)
{
    entry_keep(e);
    if (e->reach == CONTACT_UNREACHED)
        silence_keep(e);
}

void contacts_keep_all(struct contacts *t)
{
    LIST_FOREACH (link, &t->aors)
        LIST_FOREACH (it, &aor_at(link)->entries)
            entry_keep_whole(entry_at(it));
}

/* ---- listings ---- */

void contacts_each(const struct contacts *t, void (*each)(void *ctx, const struct contact_view *v),
                   void *ctx)
{
    LIST_FOREACH (link, &t->aors) {
        LIST_FOREACH (it, &aor_at(link)->entries) {
            const struct entry *e = entry_at(it);

            each(ctx, &(struct contact_view){ e->contact, e->reach, entry_left_s(e) });
        }
    }
}

void contacts_counters_get(const struct contacts *t, struct contact_counters *out)
{
    *out = t->counters;
    out->bytes =
        t->heap.bytes + map_bytes(&t->aors_by_id) + map_bytes(&t->ids) + map_bytes(&t->tied);
}

/* ---- life ---- */

int contacts_create(struct contacts **out, const struct contacts_config *cfg)
{
    struct contacts *t = calloc(1, sizeof(*t));
    struct rng own; /* what has keys of ours only does not shift the numbers of a scenario */
    int r;

    if (!t)
        return -ENOMEM;
    t->cfg = *cfg;
    t->last_id = cfg->incarnation << 32;
    list_init(&t->aors);
    list_init(&t->silences);
    timer_init(&t->repair, on_repair);
    rng_init_system(&own);
    r = map_init(&t->aors_by_id, &own);
    r = r ? r : map_init(&t->ids, &own);
    r = r ? r : map_init(&t->tied, &own);
    if (r)
        contacts_destroy(t);
    else
        *out = t;
    return r;
}

void contacts_destroy(struct contacts *t)
{
    if (!t)
        return;
    timer_stop(t->cfg.wheel, &t->repair);
    silences_drop(t);
    LIST_FOREACH_SAFE (link, &t->aors) {
        struct aor *a = aor_at(link);

        LIST_FOREACH_SAFE (it, &a->entries) {
            struct entry *e = entry_at(it);

            entry_leave(e);
            event_state_unref(e->dialogs);
            contact_unref(e->contact);
            free(e);
        }
        aor_tidy(t, a);
    }
    BUG_UNLESS(!t->heap.bytes);
    map_fini(&t->aors_by_id);
    map_fini(&t->ids);
    map_fini(&t->tied);
    settings_unref(t->settings);
    free(t->members);
    free(t);
}
