// SPDX-License-Identifier: MIT
/* What survives the process. Of a device each source's report is a record of its own, so that one
 * that changes writes no other. */
#include "state/event_record.h"
#include "state/state_internal.h"

enum {
    FORMAT = 1,       /* of all records here */
    CALLS_MAX = 4000, /* bytes: a lamp with more calls may be told once more after a restart */
    SEPARATOR = '\t',
    PRESENCE_RECORD_MAX = 1 << 20,
    KEPT_NAME_ROOM = 2 * NAME_MAX_LEN + 1,
};

static void put(const struct state_core *core, enum keep_table table, struct str name,
                struct str bytes)
{
    keep_put(&core->keep, &(struct keep_record){ .table = table, .name = name, .bytes = bytes });
}

/* Wall time may have gone back since: nothing has changed in the future. */
static uint64_t past_ms(const struct state_core *core, uint64_t wall_ms)
{
    uint64_t now_ms = clock_wall_ms(core->clock);

    return wall_ms < now_ms ? wall_ms : now_ms;
}

/* ---- devices ---- */

/* What others told is theirs to tell again: servers have records of their own, and so have
 * mailboxes. */
static bool source_lasts(struct str source)
{
    return !str_starts(source, STATE_SERVER_SOURCE) && !str_equal(source, STATE_MAILBOX_SOURCE);
}

static void calls_print(struct buf *out, const struct event_state *calls)
{
    char room[CALLS_MAX];
    struct buf b;

    buf_init_on(&b, room, sizeof(room));
    if (calls)
        event_record_add(&b, calls);
    record_add_str(out, b.error ? STR_EMPTY : buf_str(&b));
}

void device_keep(const struct state_core *core, const struct device *d, struct str source,
                 const struct state_source_view *v)
{
    char name_room[2 * NAME_MAX_LEN + 1], room[64 + CALLS_MAX];
    struct buf name, bytes;

    if (!core->keep.put || !source_lasts(source))
        return;
    buf_init_on(&name, name_room, sizeof(name_room));
    buf_add(&name, d->name);
    buf_add_char(&name, SEPARATOR);
    buf_add(&name, source);
    buf_init_on(&bytes, room, sizeof(room));
    if (v) {
        record_add_u64(&bytes, FORMAT);
        record_add_str(&bytes, device_state_name(v->state));
        record_add_u64(&bytes, v->changed_wall_ms);
        calls_print(&bytes, v->calls);
    }
    put(core, KEEP_DEVICE, buf_str(&name), buf_str(&bytes));
}

struct device_record {
    struct str device;
    struct state_source_view view; /* its calls are a reference */
};

static int calls_parse(const struct event_state **out, struct str bytes)
{
    struct record r = record_of(bytes);
    struct event_state *read, *packed;
    int result;

    if (!bytes.n)
        return 0;
    result = event_record_read(&r, &read);
    if (result)
        return result;
    result = read->has_dialogs ? event_state_pack(&packed, read) : -EBADMSG;
    event_state_unref(read);
    if (result == 0)
        *out = packed;
    return result;
}

static int device_parse(struct device_record *out, const struct keep_record *k)
{
    struct record r = record_of(k->bytes);
    size_t at = str_find_char(k->name, SEPARATOR);
    bool known = record_u64(&r) == FORMAT;
    struct str calls;

    *out = (struct device_record){ .device = str_sub(k->name, 0, at) };
    out->view.source = str_sub(k->name, at + 1, k->name.n);
    if (device_state_parse(&out->view.state, record_str(&r)))
        return -EBADMSG;
    out->view.changed_wall_ms = record_u64(&r);
    calls = record_str(&r);
    if (r.error || !known || at == k->name.n)
        return -EBADMSG;
    return calls_parse(&out->view.calls, calls);
}

/* It changed when its sources did, not now. */
static void device_date(struct device *d)
{
    d->changed_wall_ms = 0;
    for (size_t i = 0; i < d->n_sources; i++)
        if (d->sources[i].changed_wall_ms > d->changed_wall_ms)
            d->changed_wall_ms = d->sources[i].changed_wall_ms;
}

int state_device_recall(struct state_core *core, struct str device,
                        const struct state_source_view *said)
{
    struct state_source_view v = { .source = said->source,
                                   .state = said->state,
                                   .changed_wall_ms = said->changed_wall_ms };
    struct name_room room;
    struct device *d;
    int r = name_normalise(&device, device, &room);

    if (r || v.source.n > NAME_MAX_LEN)
        return STATE_BAD_NAME;
    v.changed_wall_ms = past_ms(core, v.changed_wall_ms);
    r = device_report(core, device, &v, &d);
    if (r == 0)
        device_date(d);
    return r;
}

/* A name, which the record's begins with, has had another form when it was kept. */
static void rename_kept(const struct state_core *core, const struct keep_record *k,
                        struct str former, struct str name)
{
    char room[KEPT_NAME_ROOM];
    struct buf b;

    if (str_equal(name, former))
        return;
    buf_init_on(&b, room, sizeof(room));
    buf_add(&b, name);
    buf_add(&b, str_sub(k->name, former.n, k->name.n));
    if (b.error)
        return;
    put(core, k->table, buf_str(&b), k->bytes);
    put(core, k->table, k->name, STR_EMPTY);
}

static int device_recall(struct state_core *core, const struct keep_record *k,
                         const struct device_record *record)
{
    struct name_room room;
    struct str device;
    int r = state_device_recall(core, record->device, &record->view);

    if (r || name_normalise(&device, record->device, &room))
        return r;
    rename_kept(core, k, record->device, device);
    return record->view.calls ? device_calls_recall(core, device_find(core, device),
                                                    record->view.source, record->view.calls)
                              : 0;
}

static int device_restore(struct state_core *core, const struct keep_record *k)
{
    struct device_record record;
    int r = device_parse(&record, k);

    if (r)
        return r;
    r = device_recall(core, k, &record);
    event_state_unref(record.view.calls);
    return r;
}

/* ---- presences ---- */

int presence_print(const struct state_core *core, const struct presence_said *said, struct buf *out)
{
    buf_init(out, PRESENCE_RECORD_MAX);
    if (!core->keep.put || said->state == PRESENCE_INVALID)
        return 0;
    record_add_u64(out, FORMAT);
    record_add_str(out, presence_state_name(said->state));
    record_add_str(out, said->subtype);
    record_add_str(out, said->message);
    record_add_u64(out, said->wall_ms);
    record_add_str(out, said->source);
    return out->error;
}

void presence_keep(const struct state_core *core, struct str provider, struct str bytes)
{
    put(core, KEEP_PRESENCE, provider, bytes);
}

static int presence_parse(struct presence_said *out, const struct keep_record *k)
{
    struct record r = record_of(k->bytes);
    bool known = record_u64(&r) == FORMAT;

    *out = (struct presence_said){ .state = PRESENCE_INVALID };
    if (presence_state_parse(&out->state, record_str(&r)))
        return -EBADMSG;
    out->subtype = record_str(&r);
    out->message = record_str(&r);
    out->wall_ms = record_u64(&r);
    out->source = record_str(&r);
    return r.error || !known || out->source.n > NAME_MAX_LEN ? -EBADMSG : 0;
}

static int presence_restore(struct state_core *core, const struct keep_record *k)
{
    struct presence_said said;
    struct name_room room;
    struct str provider;
    int r = presence_parse(&said, k);

    r = r ? r : name_normalise(&provider, k->name, &room);
    if (r)
        return r;
    said.wall_ms = past_ms(core, said.wall_ms);
    rename_kept(core, k, k->name, provider);
    return presence_report(core, provider, &said);
}

/* ---- autohints ---- */

static void autohint_put(const struct state_core *core, const struct hint *h, struct str bytes)
{
    char room[2 * NAME_MAX_LEN + 256];
    struct buf name;

    buf_init_on(&name, room, sizeof(room));
    buf_add(&name, h->snapshot->extension);
    buf_add_char(&name, '@');
    buf_add(&name, h->snapshot->context);
    if (!name.error)
        put(core, KEEP_AUTOHINT, buf_str(&name), bytes);
}

/* Only Asterisk's come with a change and stay for ever. Ours are there while their devices are
 * known, which survives by itself. */
void autohint_keep(const struct state_core *core, struct hint *h)
{
    char room[2 * NAME_MAX_LEN + 512];
    struct buf bytes;

    if (!core->keep.put || !core->switches.asterisk_autohints || h->kept)
        return;
    buf_init_on(&bytes, room, sizeof(room));
    record_add_u64(&bytes, FORMAT);
    record_add_str(&bytes, h->snapshot->context);
    record_add_str(&bytes, h->sources->follows[0].device->name);
    if (bytes.error)
        return; /* a context with so long a name is found by nobody */
    autohint_put(core, h, buf_str(&bytes));
    h->kept = true;
}

void autohint_forget(const struct state_core *core, struct hint *h)
{
    if (h->kept)
        autohint_put(core, h, STR_EMPTY);
    h->kept = false;
}

struct autohint_record {
    struct str context, device;
};

static int autohint_parse(struct autohint_record *out, const struct keep_record *k)
{
    struct record r = record_of(k->bytes);
    bool known = record_u64(&r) == FORMAT;

    out->context = record_str(&r);
    out->device = record_str(&r);
    return r.error || !known || !out->device.n || out->device.n > NAME_MAX_LEN ? -EBADMSG : 0;
}

static int autohint_restore(struct state_core *core, const struct keep_record *k)
{
    struct autohint_record record;
    int r = autohint_parse(&record, k);

    if (r)
        return r;
    r = autohint_make(core, record.context, record.device);
    if (r == STATE_UNCHANGED) /* the configuration has no place for it any more */
        put(core, k->table, k->name, STR_EMPTY);
    return r;
}

/* ---- all ---- */

int state_record_check(const struct keep_record *k)
{
    struct presence_said presence;
    struct autohint_record autohint;
    struct device_record device;
    int r;

    switch (k->table) {
    case KEEP_DEVICE:
        r = device_parse(&device, k);
        if (r == 0)
            event_state_unref(device.view.calls);
        return r;
    case KEEP_PRESENCE:
        return presence_parse(&presence, k);
    case KEEP_AUTOHINT:
        return autohint_parse(&autohint, k);
    default:
        return -EBADMSG;
    }
}

static int restore(struct state_core *core, const struct keep_record *k)
{
    switch (k->table) {
    case KEEP_DEVICE:
        return device_restore(core, k);
    case KEEP_PRESENCE:
        return presence_restore(core, k);
    case KEEP_AUTOHINT:
        return autohint_restore(core, k);
    default:
        return -EBADMSG;
    }
}

int state_restore(struct state_core *core, const struct keep_record *k)
{
    int r;

    state_cause_begin(core, STATE_CAUSE_RESTART);
    r = restore(core, k);
    state_cause_end(core);
    return r;
}

static void presence_keep_again(const struct state_core *core, const struct presence *p)
{
    const struct presence_said said = { p->state, p->subtype, p->message, p->source,
                                        p->changed_wall_ms };
    struct buf bytes;

    if (presence_print(core, &said, &bytes) == 0)
        presence_keep(core, p->name, buf_str(&bytes));
    else
        log_error(core->log, "presence.not_kept", KV("provider", p->name), KV_ERR(bytes.error));
    buf_fini(&bytes);
}

void state_keep_all(struct state_core *core)
{
    LIST_FOREACH (it, &core->devices) {
        const struct device *d = CONTAINER_OF(it, struct device, link);

        for (size_t i = 0; i < d->n_sources; i++)
            device_keep(core, d, d->sources[i].source, &d->sources[i]);
    }
    LIST_FOREACH (it, &core->presences) {
        const struct presence *p = CONTAINER_OF(it, struct presence, link);

        if (p->reported)
            presence_keep_again(core, p);
    }
    LIST_FOREACH (it, &core->hints) {
        struct hint *h = CONTAINER_OF(it, struct hint, link);

        h->kept = false;
        if (h->origin == HINT_AUTO)
            autohint_keep(core, h);
    }
}
