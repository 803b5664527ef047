// SPDX-License-Identifier: MIT
#include "publication/asterisk_local.h"

#include "base/map.h"
#include "publication/compose.h"

#include <stdlib.h>

enum { REPAIR_MS = 1000, BODY_MAX = 1024 };

/* No resource of the state core has such an id. */
#define RESOURCE_IDS (UINT64_C(1) << 63)

static const char nobody[] = "00:00:00:00:00:00";

struct local { /* a device, a mailbox, or the request for all of the others' */
    struct map_node node;
    struct asterisk_event event;
    struct str package;
    uint64_t resource_id, sequence;
    bool untold; /* for lack of memory */
    bool gone;   /* it ends when that has been told */
};

struct asterisk_locals {
    struct asterisk_locals_config cfg;
    struct map by_name;
    struct timer repair;
    uint64_t last_id;
    char eid[ASTERISK_EID_LEN + 1];
    bool wants_devices, wants_mailboxes;
    bool incomplete; /* something could not even be kept */
};

/* ---- the set ---- */

struct local_key {
    struct str package, name;
};

static struct str name_of(const struct local *o)
{
    return (struct str){ o->event.name, o->event.name_n };
}

static uint64_t key_hash(const struct asterisk_locals *l, const struct local_key *k)
{
    return map_hash_mix(map_hash(&l->by_name, k->package), map_hash(&l->by_name, k->name));
}

static bool local_is(const struct map_node *node, const void *key)
{
    const struct local *o = CONTAINER_OF(node, const struct local, node);
    const struct local_key *k = key;

    return str_equal(name_of(o), k->name) && str_equal(o->package, k->package);
}

static struct local *local_find(const struct asterisk_locals *l, const struct local_key *k)
{
    struct map_node *node = map_find(&l->by_name, key_hash(l, k), local_is, k);

    return node ? CONTAINER_OF(node, struct local, node) : NULL;
}

static void repair_later(struct asterisk_locals *l)
{
    log_error(l->cfg.log, "asterisk.untold", KV_ERR(-ENOMEM));
    if (!timer_running(&l->repair))
        timer_start(l->cfg.wheel, &l->repair, REPAIR_MS);
}

static struct local *local_make(struct asterisk_locals *l, const struct local_key *k)
{
    struct local *o = calloc(1, sizeof(*o));

    if (!o) {
        l->incomplete = true;
        repair_later(l);
        return NULL;
    }
    BUG_UNLESS(k->name.n <= ASTERISK_NAME_MAX);
    if (k->name.n)
        memcpy(o->event.name, k->name.p, k->name.n);
    o->event.name_n = k->name.n;
    o->package = k->package;
    o->resource_id = RESOURCE_IDS | ++l->last_id;
    map_add(&l->by_name, &o->node, key_hash(l, k));
    return o;
}

static void local_destroy(struct asterisk_locals *l, struct local *o)
{
    map_remove(&l->by_name, &o->node);
    free(o);
}

/* ---- telling ---- */

static int document_make(const struct local *o, struct event_state **out)
{
    struct event_state *loose;
    char room[BODY_MAX];
    struct buf body;
    int r = event_state_create(&loose);

    if (r)
        return r;
    buf_init_on(&body, room, sizeof(room));
    asterisk_event_print(&o->event, &body);
    BUG_UNLESS(!body.error);
    loose->has_opaque = true;
    loose->opaque = (struct opaque_state){ ASTERISK_EVENT_TYPE, buf_str(&body) };
    r = event_state_pack(out, loose);
    event_state_unref(loose);
    return r;
}

static int local_try(struct asterisk_locals *l, struct local *o, bool last_word)
{
    struct event_state *document = NULL;
    struct snapshot *s = NULL;
    int r = 0;

    memcpy(o->event.eid, l->eid, sizeof(l->eid));
    if (last_word || !o->gone)
        r = document_make(o, &document);
    if (r == 0)
        r = snapshot_create(
            &s, &(struct snapshot_spec){ .resource_id = o->resource_id,
                                         .sequence = o->sequence + 1,
                                         .changed_wall_ms = clock_wall_ms(l->cfg.clock),
                                         .state = o->gone ? EXTENSION_REMOVED : EXTENSION_IDLE,
                                         .published = document,
                                         .package = o->package,
                                         .extension = name_of(o) });
    event_state_unref(document);
    if (r)
        return r;
    l->cfg.port.snapshot(l->cfg.port.ctx, s);
    snapshot_unref(s);
    return 0;
}

/* May free it. */
static void local_tell(struct asterisk_locals *l, struct local *o, bool last_word)
{
    int r = local_try(l, o, last_word);

    o->untold = r != 0;
    if (r) {
        repair_later(l);
        return;
    }
    o->sequence++;
    if (o->gone)
        local_destroy(l, o);
}

static void on_repair(struct timer *t)
{
    struct asterisk_locals *l = CONTAINER_OF(t, struct asterisk_locals, repair);
    bool incomplete = l->incomplete;

    l->incomplete = false;
    MAP_FOREACH_SAFE (node, &l->by_name) {
        struct local *o = CONTAINER_OF(node, struct local, node);

        if (o->untold)
            local_tell(l, o, true);
    }
    if (incomplete)
        l->cfg.port.walk(l->cfg.port.ctx);
}

/* `event` without name and eid: what the resource says now. */
static void local_say(struct asterisk_locals *l, const struct local_key *k, bool reported,
                      const struct asterisk_event *event)
{
    struct local *o = local_find(l, k);
    struct asterisk_event now;

    if (!o && reported)
        o = local_make(l, k);
    if (!o)
        return;
    now = *event;
    memcpy(now.name, o->event.name, sizeof(now.name));
    memcpy(now.eid, o->event.eid, sizeof(now.eid));
    now.name_n = o->event.name_n;
    if (o->sequence && reported && !o->untold && now.state == o->event.state &&
        now.new_count == o->event.new_count && now.old_count == o->event.old_count)
        return;
    o->event = now;
    o->gone = !reported;
    local_tell(l, o, true);
}

void asterisk_local_device(struct asterisk_locals *l, struct str device, bool reported,
                           enum device_state state)
{
    if (l->wants_devices)
        local_say(l, &(struct local_key){ ASTERISK_DEVICES, device }, reported,
                  &(struct asterisk_event){ .type = ASTERISK_DEVICE_STATE,
                                            .state = reported ? state : DEVICE_UNKNOWN,
                                            .cachable = true });
}

void asterisk_local_mailbox(struct asterisk_locals *l, struct str mailbox,
                            const struct mailbox_counts *counts)
{
    if (l->wants_mailboxes)
        local_say(l, &(struct local_key){ ASTERISK_MAILBOXES, mailbox }, counts != NULL,
                  &(struct asterisk_event){ .type = ASTERISK_MAILBOX_STATE,
                                            .new_count = counts ? counts->new_count : 0,
                                            .old_count = counts ? counts->old_count : 0 });
}

/* ---- the configuration ---- */

static bool is_published(const struct settings *settings, struct str package)
{
    for (size_t i = 0; i < settings->n_publishes; i++)
        if (str_equal(settings->publishes[i].event, package))
            return true;
    return false;
}

/* The sections are gone too: their publications end without a last word. */
static void package_end(struct asterisk_locals *l, struct str package)
{
    MAP_FOREACH_SAFE (node, &l->by_name) {
        struct local *o = CONTAINER_OF(node, struct local, node);

        if (!str_equal(o->package, package))
            continue;
        o->gone = true;
        local_tell(l, o, false);
    }
}

static void package_ask(struct asterisk_locals *l, struct str package)
{
    local_say(l, &(struct local_key){ package, STR_EMPTY }, true,
              &(struct asterisk_event){ .type = ASTERISK_REFRESH });
}

/* The same states of somebody else. */
static void entity_change(struct asterisk_locals *l, struct str eid)
{
    BUG_UNLESS(eid.n == ASTERISK_EID_LEN);
    if (memcmp(l->eid, eid.p, ASTERISK_EID_LEN) == 0)
        return;
    memcpy(l->eid, eid.p, ASTERISK_EID_LEN);
    MAP_FOREACH_SAFE (node, &l->by_name)
        local_tell(l, CONTAINER_OF(node, struct local, node), true);
}

void asterisk_locals_configure(struct asterisk_locals *l, const struct settings *settings,
                               struct str eid)
{
    bool devices = is_published(settings, ASTERISK_DEVICES);
    bool mailboxes = is_published(settings, ASTERISK_MAILBOXES);

    if (str_equal(eid, str_of(nobody)))
        devices = mailboxes = false;
    if (!devices && l->wants_devices)
        package_end(l, ASTERISK_DEVICES);
    if (!mailboxes && l->wants_mailboxes)
        package_end(l, ASTERISK_MAILBOXES);
    entity_change(l, eid);
    l->wants_devices = devices;
    l->wants_mailboxes = mailboxes;
    if (devices)
        package_ask(l, ASTERISK_DEVICES);
    if (mailboxes)
        package_ask(l, ASTERISK_MAILBOXES);
    if (devices || mailboxes)
        l->cfg.port.walk(l->cfg.port.ctx);
}

/* ---- life ---- */

int asterisk_locals_create(struct asterisk_locals **out, const struct asterisk_locals_config *cfg)
{
    struct asterisk_locals *l = calloc(1, sizeof(*l));
    int r;

    if (!l)
        return -ENOMEM;
    l->cfg = *cfg;
    memcpy(l->eid, nobody, sizeof(nobody));
    timer_init(&l->repair, on_repair);
    r = map_init(&l->by_name, cfg->rng);
    if (r)
        free(l);
    else
        *out = l;
    return r;
}

void asterisk_locals_destroy(struct asterisk_locals *l)
{
    if (!l)
        return;
    timer_stop(l->cfg.wheel, &l->repair);
    MAP_FOREACH_SAFE (node, &l->by_name)
        local_destroy(l, CONTAINER_OF(node, struct local, node));
    map_fini(&l->by_name);
    free(l);
}
