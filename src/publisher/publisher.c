// SPDX-License-Identifier: MIT
/* The set of sections and resources of one worker, and what a reload does to them. */
#include <stdlib.h>

#include "publisher/publisher_internal.h"

uint64_t publisher_now(const struct publisher *p)
{
    return clock_monotonic_ms(p->cfg.clock);
}

unsigned publisher_home(struct str extension, unsigned workers)
{
    return str_part(extension, workers);
}

/* ---- publications by section and resource ---- */

struct publication_key {
    const struct section *section;
    uint64_t resource_id; /* 0: by extension */
    struct str extension;
};

static bool is_by_name(const struct section *s)
{
    return s->terms.owner->compatibility.publish_key_without_context;
}

static struct publication_key key_of(const struct section *s, const struct snapshot *snap)
{
    return (struct publication_key){ s, is_by_name(s) ? 0 : snap->resource_id, snap->extension };
}

static uint64_t key_hash(const struct publisher *p, const struct publication_key *k)
{
    const struct map *m = &p->publications;
    uint64_t part = k->resource_id ? map_hash_u64(m, k->resource_id) : map_hash(m, k->extension);

    return map_hash_mix(map_hash_u64(m, k->section->cookie), part);
}

/* A publication that is being removed is nobody's any more: when the hint comes back it gets
 * another one, with its own entity-tag. */
static bool publication_is(const struct map_node *node, const void *key)
{
    const struct publication *pub = CONTAINER_OF(node, const struct publication, node);
    const struct publication_key *k = key;

    if (pub->section != k->section || pub->removing)
        return false;
    return k->resource_id ? pub->newest->resource_id == k->resource_id
                          : str_equal(pub->newest->extension, k->extension);
}

/* Of a restored one nothing but the name of its resource is known. */
struct restored_key {
    const struct section *section;
    const struct snapshot *resource;
};

static bool publication_is_restored(const struct map_node *node, const void *key)
{
    const struct publication *pub = CONTAINER_OF(node, const struct publication, node);
    const struct restored_key *k = key;

    return pub->restored && pub->section == k->section &&
           str_equal(pub->newest->extension, k->resource->extension) &&
           (is_by_name(k->section) || str_equal(pub->newest->context, k->resource->context)) &&
           str_equal(pub->newest->package, k->resource->package);
}

static struct publication *restored_find(const struct section *s, const struct snapshot *snap)
{
    const struct publisher *p = s->publisher;
    struct publication_key by_name = { s, 0, snap->extension };
    struct restored_key k = { s, snap };
    struct map_node *node =
        map_find(&p->publications, key_hash(p, &by_name), publication_is_restored, &k);

    return node ? CONTAINER_OF(node, struct publication, node) : NULL;
}

struct publication *publication_find(const struct section *s, const struct snapshot *snap)
{
    const struct publisher *p = s->publisher;
    struct publication_key k = key_of(s, snap);
    struct map_node *node = map_find(&p->publications, key_hash(p, &k), publication_is, &k);

    return node ? CONTAINER_OF(node, struct publication, node) : NULL;
}

void publisher_file(struct publisher *p, struct publication *pub)
{
    struct publication_key k = key_of(pub->section, pub->newest);

    map_add(&p->publications, &pub->node, key_hash(p, &k));
}

/* Compositors that know one state per resource, whoever publishes it, have just taken the removal
 * for the last word on it. */
void publisher_succeed(const struct publication *gone)
{
    /* A hint that returns is another resource: it is found by name. */
    const struct snapshot *last = gone->newest;
    const struct resource *r = resource_latest(gone->section, last->extension, last->resource_id);
    struct publication *successor = publication_find(gone->section, r ? r->newest : last);

    if (successor && publication_known(successor))
        publication_refresh(successor);
}

static void publication_begin(struct section *s, const struct snapshot *snap)
{
    struct publisher *p = s->publisher;
    struct publication *pub = restored_find(s, snap);
    int r;

    if (pub) {
        map_remove(&p->publications, &pub->node);
        publication_newest_set(pub, snap);
        publisher_file(p, pub);
        return;
    }
    r = publication_create(&pub, s, snap);
    if (r) {
        log_error(p->cfg.log, "publish.create", KV("section", s->terms.settings->id),
                  KV("extension", snap->extension), KV_ERR(r));
        publisher_repair_later(p);
        return;
    }
    publisher_file(p, pub);
}

/* The resource no longer has a say in its publication; another of the same name may. */
static void publication_give_up(struct publication *pub, const struct snapshot *snap,
                                const struct snapshot *last)
{
    const struct section *s = pub->section;
    struct resource *other = NULL;

    if (pub->newest->resource_id != snap->resource_id)
        return;
    if (is_by_name(s))
        other = resource_latest(s, snap->extension, snap->resource_id);
    if (other)
        publication_newest_set(pub, other->newest);
    else
        publication_remove(pub, last);
}

/* A resource changed: what the filters say about its name is known already, as long as it has its
 * publication. False when they say no. */
static bool section_tell(struct section *s, const struct resource *r)
{
    struct publication *pub = publication_find(s, r->newest);
    bool known = pub && pub->newest->resource_id == r->newest->resource_id;

    if (s->retired || (!known && !section_matches(s, r->newest)))
        return false;
    if (pub)
        publication_newest_set(pub, r->newest);
    else
        publication_begin(s, r->newest);
    return true;
}

/* Filters know nothing of it but its name: one that all of them have refused is not asked about
 * again until there are others. */
static void resource_tell(struct publisher *p, struct resource *r)
{
    bool told = false;

    if (r->unpublished)
        return;
    LIST_FOREACH (it, &p->sections)
        told |= section_tell(CONTAINER_OF(it, struct section, link), r);
    r->unpublished = !told;
}

/* The filters, or the section, may be new; the resource has not changed. */
static void section_consider(struct section *s, const struct resource *r)
{
    struct publication *pub = publication_find(s, r->newest);

    if (s->retired)
        return;
    if (!section_matches(s, r->newest)) {
        if (pub)
            publication_give_up(pub, r->newest, NULL);
    } else if (!pub || pub->restored) {
        /* Of several who share it the last to change speaks, not the first to be walked by. */
        if (is_by_name(s))
            r = resource_latest(s, r->newest->extension, 0);
        publication_begin(s, r->newest);
    }
}

static void consider_all(struct publisher *p)
{
    MAP_FOREACH (node, &p->resources) {
        struct resource *r = CONTAINER_OF(node, struct resource, node);

        r->unpublished = false;
        LIST_FOREACH (it, &p->sections)
            section_consider(CONTAINER_OF(it, struct section, link), r);
    }
}

static void pump_all(struct publisher *p)
{
    LIST_FOREACH_SAFE (it, &p->sections)
        section_pump(CONTAINER_OF(it, struct section, link));
}

/* ---- changes ---- */

static void resource_remove(struct publisher *p, const struct snapshot *last)
{
    struct resource *r = resource_find(p, last);

    if (!r)
        return;
    LIST_FOREACH (it, &p->sections) {
        struct publication *pub =
            publication_find(CONTAINER_OF(it, struct section, link), r->newest);

        if (pub)
            publication_give_up(pub, last, last);
    }
    resource_destroy(p, r);
}

void publisher_snapshot(struct publisher *p, const struct snapshot *s)
{
    struct resource *r;

    if (p->stopping)
        return;
    if (s->state == EXTENSION_REMOVED || s->state == EXTENSION_DEACTIVATED) {
        resource_remove(p, s);
    } else {
        r = resource_get(p, s);
        if (!r)
            return;
        resource_tell(p, r);
    }
    pump_all(p);
}

/* ---- reload ---- */

bool publisher_serves(const struct publish_settings *ps)
{
    return asterisk_package_known(ps->event) ||
           (ps->body.n &&
            (str_equal(ps->event, STR("dialog")) || str_equal(ps->event, STR("presence"))));
}

static bool section_exists(const struct publisher *p, struct str id)
{
    LIST_FOREACH (it, &p->sections) {
        const struct section *s = CONTAINER_OF(it, struct section, link);

        if (!s->retired && str_equal(s->terms.settings->id, id))
            return true;
    }
    return false;
}

static void section_begin(struct publisher *p, const struct settings *settings,
                          const struct publish_settings *ps)
{
    struct section *s;
    int r = section_create(&s, p, settings, ps);

    if (r == 0) {
        list_append(&p->sections, &s->link);
        return;
    }
    log_error(p->cfg.log, "publish.section", KV("section", ps->id), KV_ERR(r));
    if (r == -ENOMEM)
        publisher_repair_later(p);
}

/* Its section may be gone, idle, or about another server by now. */
static void section_review(struct section *s, const struct settings *settings)
{
    struct publisher *p = s->publisher;
    const struct publish_settings *ps = settings_publish(settings, s->terms.settings->id);
    int r = ps && publisher_serves(ps) ? section_rebind(s, settings, ps) : SECTION_DIFFERS;

    if (r == -ENOMEM) {
        log_error(p->cfg.log, "publish.section", KV("section", ps->id), KV_ERR(r));
        publisher_repair_later(p);
    } else if (r) {
        section_retire(s);
    }
}

static void sections_apply(struct publisher *p)
{
    const struct settings *settings = p->settings;

    LIST_FOREACH (it, &p->sections) {
        struct section *s = CONTAINER_OF(it, struct section, link);

        if (!s->retired)
            section_review(s, settings);
    }
    for (size_t i = 0; i < settings->n_publishes; i++) {
        const struct publish_settings *ps = &settings->publishes[i];

        if (publisher_serves(ps) && !section_exists(p, ps->id))
            section_begin(p, settings, ps);
    }
}

void publisher_bodies_set(struct publisher *p, struct body_registry *bodies)
{
    struct body_registry *former = p->cfg.bodies;

    if (bodies == former)
        return;
    p->cfg.bodies = body_registry_ref(bodies);
    body_registry_unref(former);
    p->bodies_set++;
}

void publisher_settings_set(struct publisher *p, const struct settings *settings)
{
    const struct settings *former = p->settings;

    p->settings = settings_ref(settings);
    settings_unref(former);
    if (p->stopping)
        return;
    sections_apply(p);
    consider_all(p);
    pump_all(p);
}

void publisher_repair_later(struct publisher *p)
{
    if (!p->stopping && !timer_running(&p->repair))
        timer_start(p->cfg.wheel, &p->repair, REPAIR_MS);
}

static void on_repair(struct timer *t)
{
    struct publisher *p = CONTAINER_OF(t, struct publisher, repair);

    sections_apply(p);
    consider_all(p);
    pump_all(p);
}

/* Those that are under way, or waiting for their turn, are told anyway. */
void publisher_republish(struct publisher *p, struct str section)
{
    LIST_FOREACH (it, &p->sections) {
        struct section *s = CONTAINER_OF(it, struct section, link);

        if (s->retired || !str_equal(s->terms.settings->id, section))
            continue;
        LIST_FOREACH (pub, &s->publications)
            publication_refresh(CONTAINER_OF(pub, struct publication, of_section));
        section_pump(s);
        return;
    }
}

void publisher_resolved(struct publisher *p, uint64_t cookie, const struct dns_targets *found)
{
    LIST_FOREACH (it, &p->sections) {
        struct section *s = CONTAINER_OF(it, struct section, link);

        if (s->cookie != cookie)
            continue;
        section_resolved(s, found);
        return;
    }
}

/* ---- life ---- */

int publisher_create(struct publisher **out, const struct publisher_config *cfg)
{
    struct publisher *p = calloc(1, sizeof(*p));
    int r;

    if (!p)
        return -ENOMEM;
    p->cfg = *cfg;
    p->settings = settings_ref(cfg->settings);
    (void)body_registry_ref(cfg->bodies);
    list_init(&p->sections);
    timer_init(&p->repair, on_repair);
    r = map_init(&p->resources, cfg->rng);
    if (r == 0)
        r = map_init(&p->publications, cfg->rng);
    if (r) {
        publisher_destroy(p);
        return r;
    }
    sections_apply(p);
    *out = p;
    return 0;
}

void publisher_destroy(struct publisher *p)
{
    if (!p)
        return;
    p->ending = true;
    timer_stop(p->cfg.wheel, &p->repair);
    LIST_FOREACH_SAFE (it, &p->sections)
        section_destroy(CONTAINER_OF(it, struct section, link));
    MAP_FOREACH_SAFE (node, &p->resources)
        resource_destroy(p, CONTAINER_OF(node, struct resource, node));
    BUG_UNLESS(!(p->heap.publications.bytes | p->heap.resources.bytes));
    map_fini(&p->publications);
    map_fini(&p->resources);
    settings_unref(p->settings);
    body_registry_unref(p->cfg.bodies);
    free(p);
}

void publisher_leave(struct publisher *p)
{
    p->stopping = true;
    timer_stop(p->cfg.wheel, &p->repair);
    LIST_FOREACH (it, &p->sections)
        section_retire(CONTAINER_OF(it, struct section, link));
    pump_all(p);
}

void publisher_stop(struct publisher *p)
{
    if (p->stopping)
        return;
    if (!p->cfg.words.take) {
        publisher_leave(p);
        return;
    }
    p->stopping = p->quiet = true;
    timer_stop(p->cfg.wheel, &p->repair);
}

size_t publisher_busy(const struct publisher *p)
{
    size_t outstanding = 0;

    if (!p->quiet)
        return p->busy;
    LIST_FOREACH (it, &p->sections)
        outstanding += CONTAINER_OF(it, const struct section, link)->outstanding;
    return outstanding;
}
