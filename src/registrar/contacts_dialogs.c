// SPDX-License-Identifier: MIT
/* What the telephones of an endpoint do, as they say themselves. Each says all its dialogs;
 * together they are one source of the device. Of the dialogs that go on those are handed out that
 * matter most, without what concerns nobody but the two sides. */
#include "registrar/contacts_internal.h"

#include "state/dialogs.h"

#include <stdlib.h>

enum {
    NAME_MAX_BYTES = 80,
    CALLS_MAX = 16,
    CALLS_BYTES_MAX = 32 * 1024, /* in any body, however it has to be escaped */
    ESCAPED_MOST = 6,            /* bytes of one that is, "&quot;" */
    ID_MAX = 128,
    TAG_MAX = 128,
    CALL_ID_MAX = 255,
    URI_MAX = 512,
    DISPLAY_MAX = 128,
};

static const struct es_param held_param = { { "+sip.rendering", 14 }, { "no", 2 } };

struct phones { /* of one endpoint */
    struct arena scratch;
    struct device_aggregate all;
    struct list chosen[3]; /* struct chosen, by their rank */
    size_t n_said;         /* contacts that say what they do */
    bool expected;         /* one may still say so */
    bool lost;             /* for want of memory */
};

struct chosen {
    struct list link;
    const struct es_dialog *dialog;
    uint64_t contact_id;
};

static struct str device_name(struct buf *out, char *room, size_t size, struct str endpoint)
{
    buf_init_on(out, room, size);
    buf_add(out, STR("PJSIP/"));
    buf_add(out, endpoint);
    return buf_str(out);
}

/* ---- what they say ---- */

/* Of a telephone that shows a single dialog: what can be picked up, then what it is busy with. */
static unsigned rank_of(const struct es_dialog *d)
{
    if (dialogs_device_state(d, 1) == DEVICE_RINGING)
        return 0;
    return d->state == ES_DIALOG_CONFIRMED ? 1 : 2;
}

static void add_dialogs(struct phones *p, const struct entry *e)
{
    p->n_said++;
    device_aggregate_add(&p->all, dialogs_device_state(e->dialogs->dialogs, e->dialogs->n_dialogs));
    for (size_t i = 0; i < e->dialogs->n_dialogs; i++) {
        const struct es_dialog *d = &e->dialogs->dialogs[i];
        struct chosen *c = dialog_is_live(d) ? arena_alloc(&p->scratch, sizeof(*c)) : NULL;

        p->lost |= dialog_is_live(d) && !c;
        if (!c)
            continue;
        *c = (struct chosen){ .dialog = d, .contact_id = e->contact->id };
        list_init(&c->link);
        list_append(&p->chosen[rank_of(d)], &c->link);
    }
}

static void add_entry(struct phones *p, struct entry *e)
{
    p->expected |= e->dialogs_expected;
    if (e->dialogs && e->reach != CONTACT_UNREACHED)
        add_dialogs(p, e);
}

static bool is_repeated(const struct endpoint_settings *e, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (str_equal(e->aors[k], e->aors[i]))
            return true;
    return false;
}

static void phones_each(struct contacts *t, struct str endpoint, struct phones *p,
                        void (*each)(struct phones *p, struct entry *e))
{
    const struct endpoint_settings *e = settings_endpoint(t->settings, endpoint);

    for (size_t i = 0; e && i < e->n_aors; i++) {
        const struct aor *a = is_repeated(e, i) ? NULL : aor_find(t, e->aors[i]);

        if (!a)
            continue;
        LIST_FOREACH (it, &a->entries)
            if (str_equal(entry_at(it)->contact->endpoint, endpoint))
                each(p, entry_at(it));
    }
}

static void phones_gather(struct phones *p, struct contacts *t, struct str endpoint)
{
    *p = (struct phones){ .scratch = { .block_size = 4096 } };
    device_aggregate_init(&p->all);
    for (size_t i = 0; i < ARRAY_LEN(p->chosen); i++)
        list_init(&p->chosen[i]);
    phones_each(t, endpoint, p, add_entry);
}

/* ---- their dialogs, for others ---- */

/* What is longer is nobody's any more. */
static struct es_text text_of(struct es_text t, size_t most)
{
    return t.n <= most ? t : (struct es_text){ NULL, 0 };
}

static void party_make(struct es_dialog_party *out, const struct es_dialog_party *p)
{
    out->identity = text_of(p->identity, URI_MAX);
    out->target = out->identity;
    if (out->identity.n)
        out->display = text_of(p->display, DISPLAY_MAX);
}

/* Of two telephones each may call its own the first. 0 or -ENOMEM. */
static int id_make(struct phones *p, struct es_text *out, const struct chosen *c)
{
    char room[ID_MAX + 32];
    struct str id;
    struct buf b;
    int r;

    buf_init_on(&b, room, sizeof(room));
    buf_add(&b, str_sub(es_str(c->dialog->id), 0, ID_MAX));
    buf_add_char(&b, '.');
    buf_add_u64(&b, c->contact_id);
    r = arena_str(&p->scratch, &id, buf_str(&b));
    if (!r)
        *out = es_text_from(id);
    return r;
}

static int call_make(struct phones *p, struct es_dialog *out, const struct chosen *c)
{
    const struct es_dialog *d = c->dialog;

    *out = (struct es_dialog){ .direction = d->direction, .state = d->state, .held = d->held };
    out->call_id = text_of(d->call_id, CALL_ID_MAX);
    out->local_tag = text_of(d->local_tag, TAG_MAX);
    out->remote_tag = text_of(d->remote_tag, TAG_MAX);
    party_make(&out->local, &d->local);
    party_make(&out->remote, &d->remote);
    if (d->held && out->local.identity.n) {
        out->local.params = &held_param;
        out->local.n_params = 1;
    }
    return id_make(p, &out->id, c);
}

static size_t call_bytes(const struct es_dialog *d)
{
    size_t n = d->id.n + d->call_id.n + d->local_tag.n + d->remote_tag.n + d->local.display.n +
               d->remote.display.n + 2 * d->local.identity.n + 2 * d->remote.identity.n;

    return n * ESCAPED_MOST;
}

/* NULL: there are none, or no memory. */
static struct event_state *calls_make(struct phones *p)
{
    struct es_dialog calls[CALLS_MAX];
    struct event_state view = { .has_dialogs = true, .dialogs = calls }, *packed = NULL;
    size_t bytes = 0;

    for (size_t rank = 0; rank < ARRAY_LEN(p->chosen); rank++)
        LIST_FOREACH (it, &p->chosen[rank]) {
            struct es_dialog *d = &calls[view.n_dialogs];

            if (view.n_dialogs == CALLS_MAX)
                break;
            if (call_make(p, d, CONTAINER_OF(it, struct chosen, link))) {
                p->lost = true;
                return NULL;
            }
            bytes += call_bytes(d);
            if (bytes <= CALLS_BYTES_MAX)
                view.n_dialogs++;
        }
    if (view.n_dialogs && event_state_pack(&packed, &view))
        p->lost = true;
    return packed;
}

/* ---- telling ---- */

/* Calls count for a device whose state is that of a call: they come before it, and go behind it. */
static int phone_report(struct contacts *t, struct str device, struct phones *p)
{
    struct event_state *calls = calls_make(p);
    struct state_core *core = t->cfg.core;
    int r = calls ? state_device_calls_set(core, STATE_PHONE_SOURCE, device, calls) : 0;

    if (r >= 0)
        r = state_device_set(core, STATE_PHONE_SOURCE, device, device_aggregate_result(&p->all));
    if (r >= 0)
        r = state_device_calls_set(core, STATE_PHONE_SOURCE, device, calls);
    event_state_unref(calls);
    return r < 0 || !p->lost ? r : -ENOMEM;
}

void phone_tell(struct contacts *t, struct str endpoint)
{
    char room[NAME_MAX_BYTES + 8];
    struct phones p;
    struct str device;
    struct buf b;
    int r = 0;

    device = device_name(&b, room, sizeof(room), endpoint);
    if (b.error || !endpoint.n)
        return; /* no device has such a name */
    phones_gather(&p, t, endpoint);
    if (p.n_said)
        r = phone_report(t, device, &p);
    else if (!p.expected)
        r = state_device_forget(t->cfg.core, STATE_PHONE_SOURCE, device);
    arena_fini(&p.scratch);
    if (r < 0) {
        log_error(t->cfg.log, "registrar.phone", KV("endpoint", endpoint), KV_ERR(r));
        contacts_repair(t);
    }
}

static void expect_nothing(struct phones *p, struct entry *e)
{
    (void)p;
    e->dialogs_expected = false;
}

void contacts_dialogs_set(struct contacts *t, uint64_t id, const struct event_state *dialogs)
{
    struct entry *e = entry_find(t, id);
    char room[128];
    struct buf cause;

    if (!e)
        return;
    event_state_unref(e->dialogs);
    e->dialogs = event_state_ref(dialogs);
    e->dialogs_expected = false;
    if (dialogs) /* what a former process was told is over by that */
        phones_each(t, e->contact->endpoint, NULL, expect_nothing);
    buf_init_on(&cause, room, sizeof(room));
    buf_add(&cause, STR("notify:"));
    buf_add(&cause, e->contact->endpoint);
    state_cause_begin(t->cfg.core,
                      dialogs && !cause.error ? buf_str(&cause) : STATE_CAUSE_REGISTRATION);
    phone_tell(t, e->contact->endpoint);
    state_cause_end(t->cfg.core);
}

/* ---- a former process ---- */

struct told { /* endpoints that a telephone is said to do something of */
    struct arena scratch;
    struct list endpoints; /* struct told_endpoint */
};

struct told_endpoint {
    struct list link;
    struct str id;
};

static void each_device(void *ctx, const struct state_device_view *v)
{
    struct told *all = ctx;
    struct told_endpoint *e = NULL;

    for (size_t i = 0; i < v->n_sources && !e; i++)
        if (str_equal(v->sources[i].source, STATE_PHONE_SOURCE))
            e = arena_alloc(&all->scratch, sizeof(*e));
    if (!e || arena_str(&all->scratch, &e->id, str_sub(v->device, STR("PJSIP/").n, v->device.n)))
        return;
    list_init(&e->link);
    list_append(&all->endpoints, &e->link);
}

void phones_tell_again(struct contacts *t)
{
    struct told all = { .scratch = { .block_size = 0 } };

    for (size_t i = 0; i < t->settings->n_endpoints; i++)
        phone_tell(t, t->settings->endpoints[i].id);
    list_init(&all.endpoints);
    state_devices_each(t->cfg.core, each_device, &all);
    LIST_FOREACH (it, &all.endpoints)
        phone_tell(t, CONTAINER_OF(it, struct told_endpoint, link)->id);
    arena_fini(&all.scratch);
}

void phones_expect(struct contacts *t)
{
    LIST_FOREACH (link, &t->aors)
        LIST_FOREACH (it, &aor_at(link)->entries)
            entry_at(it)->dialogs_expected = t->settings->registrar.watch_dialogs;
    phones_tell_again(t);
}
