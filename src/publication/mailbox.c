// SPDX-License-Identifier: MIT
#include "publication/mailbox.h"

#include "base/map.h"
#include "base/record.h"
#include "base/tally.h"

#include <stdio.h>
#include <stdlib.h>

struct report {
    struct str source; /* on the heap */
    struct mailbox_counts counts;
    uint64_t serial;          /* of all reports, in the order in which they came */
    uint64_t heard;           /* the last one that said so: 0: before the process */
    uint64_t changed_wall_ms; /* when it first said just that; 0: not known */
    bool stale;               /* the source is away for too long */
};

struct mailbox {
    struct map_node node;
    struct list groups;     /* membership.of_mailbox */
    struct report *reports; /* the newest last */
    size_t n_reports, room;
    uint64_t counted;    /* in mailboxes.heap */
    uint64_t generation; /* of the configuration in which an endpoint named it last; 0: none did */
    bool told;           /* by port.unsolicited, and what */
    struct mailbox_counts told_counts;
    struct str name;
    char text[];
};

struct membership {
    struct list of_mailbox;
    struct group *group;
    struct mailbox *mailbox;
};

struct group { /* a mailbox_group of the settings, in one context */
    struct map_node node;
    uint64_t counted;    /* in mailboxes.heap */
    uint64_t generation; /* of the configuration that named it last */
    struct str account;  /* on the heap */
    struct membership *members;
    size_t n_members;
    struct resource_name name;
    char text[];
};

struct mailboxes {
    struct state_core *core;
    struct publication_store *publications;
    struct mailbox_port port;
    struct map by_name, groups;
    struct tally heap; /* of mailboxes and groups */
    uint64_t generation;
    uint64_t last_serial;
};

/* ---- life ---- */

int mailboxes_create(struct mailboxes **out, struct state_core *core,
                     struct publication_store *publications, const struct mailbox_port *port,
                     struct rng *rng)
{
    struct mailboxes *m = calloc(1, sizeof(*m));
    int r = -ENOMEM;

    if (!m)
        return r;
    m->core = core;
    m->publications = publications;
    m->port = *port;
    r = map_init(&m->by_name, rng);
    if (r)
        goto out;
    r = map_init(&m->groups, rng);
    if (r)
        goto out;
    *out = m;
    m = NULL;
out:
    mailboxes_destroy(m);
    return r;
}

static void members_free(struct membership *members, size_t n)
{
    for (size_t i = 0; i < n; i++)
        list_remove(&members[i].of_mailbox);
    free(members);
}

static void group_free(struct mailboxes *m, struct group *g)
{
    map_remove(&m->groups, &g->node);
    tally_again(&m->heap, &g->counted, 0);
    members_free(g->members, g->n_members);
    str_free(&g->account);
    free(g);
}

static void mailbox_free(struct mailboxes *m, struct mailbox *b)
{
    map_remove(&m->by_name, &b->node);
    tally_again(&m->heap, &b->counted, 0);
    for (size_t i = 0; i < b->n_reports; i++)
        str_free(&b->reports[i].source);
    free(b->reports);
    free(b);
}

void mailboxes_destroy(struct mailboxes *m)
{
    if (!m)
        return;
    if (m->groups.buckets)
        MAP_FOREACH_SAFE (node, &m->groups)
            group_free(m, CONTAINER_OF(node, struct group, node));
    if (m->by_name.buckets)
        MAP_FOREACH_SAFE (node, &m->by_name)
            mailbox_free(m, CONTAINER_OF(node, struct mailbox, node));
    BUG_UNLESS(!m->heap.bytes);
    map_fini(&m->groups);
    map_fini(&m->by_name);
    free(m);
}

/* ---- what they have ---- */

static void mailbox_count(struct mailboxes *m, struct mailbox *b)
{
    uint64_t size = tally_size(b);

    if (b->reports) {
        size += tally_size(b->reports);
        for (size_t i = 0; i < b->n_reports; i++)
            size += tally_text(b->reports[i].source);
    }
    tally_again(&m->heap, &b->counted, size);
}

static void group_count(struct mailboxes *m, struct group *g)
{
    tally_again(&m->heap, &g->counted,
                tally_size(g) + (g->members ? tally_size(g->members) : 0) + tally_text(g->account));
}

uint64_t mailboxes_bytes(const struct mailboxes *m)
{
    return m->heap.bytes + map_bytes(&m->by_name) + map_bytes(&m->groups);
}

/* ---- finding ---- */

static bool mailbox_is(const struct map_node *node, const void *name)
{
    return str_equal(CONTAINER_OF(node, const struct mailbox, node)->name,
                     *(const struct str *)name);
}

static struct mailbox *mailbox_find(const struct mailboxes *m, struct str name)
{
    struct map_node *node = map_find(&m->by_name, map_hash(&m->by_name, name), mailbox_is, &name);

    return node ? CONTAINER_OF(node, struct mailbox, node) : NULL;
}

static int mailbox_get(struct mailboxes *m, struct str name, struct mailbox **out)
{
    struct mailbox *b = mailbox_find(m, name);
    char *at;

    if (!b) {
        b = calloc(1, sizeof(*b) + name.n);
        if (!b)
            return -ENOMEM;
        at = b->text;
        b->name = name;
        str_keep(&b->name, &at);
        list_init(&b->groups);
        map_add(&m->by_name, &b->node, map_hash(&m->by_name, b->name));
        mailbox_count(m, b);
    }
    *out = b;
    return 0;
}

/* Nobody reports it, and nobody is to see it. */
static void mailbox_release(struct mailboxes *m, struct mailbox *b)
{
    if (b->n_reports || b->told || !list_empty(&b->groups))
        return;
    mailbox_free(m, b);
}

static const struct report *mailbox_newest(const struct mailbox *b)
{
    return b->n_reports ? &b->reports[b->n_reports - 1] : NULL;
}

static bool is_here(const struct report *report)
{
    return !str_starts(report->source, STATE_SERVER_SOURCE);
}

static const struct mailbox_counts *counts_here(const struct mailbox *b)
{
    for (size_t i = b->n_reports; i > 0; i--)
        if (is_here(&b->reports[i - 1]))
            return &b->reports[i - 1].counts;
    return NULL;
}

/* ---- telling ---- */

/* Counts stop at what a message-summary can carry. */
static uint32_t count_add(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static void group_sum(const struct group *g, struct es_messages *out)
{
    struct es_message_count *voice = &out->counts[ES_MESSAGES_VOICE];

    *out = (struct es_messages){ .counts[ES_MESSAGES_VOICE].given = true };
    for (size_t i = 0; i < g->n_members; i++) {
        const struct report *newest = mailbox_newest(g->members[i].mailbox);

        if (!newest)
            continue;
        voice->new_count = count_add(voice->new_count, newest->counts.new_count);
        voice->old_count = count_add(voice->old_count, newest->counts.old_count);
    }
    out->waiting = voice->new_count > 0;
}

static int group_tell(struct mailboxes *m, const struct group *g)
{
    struct event_state *document;
    int r = event_state_create(&document);

    if (r)
        return r;
    group_sum(g, &document->messages);
    document->has_messages = true;
    r = event_state_text(document, &document->messages.account, g->account);
    if (!r)
        r = publication_internal_set(m->publications, &g->name, g->name.package, STR("mailboxes"),
                                     document);
    event_state_unref(document);
    return r;
}

/* One report counts, ours or that of another server, and the device has a source for each. */
static int device_tell(struct mailboxes *m, const struct mailbox *b)
{
    const struct report *newest = mailbox_newest(b);
    bool here = !newest || is_here(newest);
    struct str source = here ? STATE_MAILBOX_SOURCE : STR("eid:mwi");
    struct str other = here ? STR("eid:mwi") : STATE_MAILBOX_SOURCE;
    char room[MAILBOX_NAME_MAX + sizeof("MWI:")];
    struct str device = { room, 0 };
    int r;

    if (b->name.n + 4 > MAILBOX_NAME_MAX) /* more than a device's name can have */
        return 0;
    device.n = (size_t)snprintf(room, sizeof(room), "MWI:%.*s", STR_FMT(b->name));
    if (newest) {
        r = state_device_say(m->core, &(struct state_device_word){ .source = source,
                                                                   .instead_of = other,
                                                                   .device = device,
                                                                   .state = newest->counts.new_count
                                                                                ? DEVICE_INUSE
                                                                                : DEVICE_NOT_INUSE,
                                                                   .stale = newest->stale });
    } else {
        r = state_device_forget(m->core, source, device);
        if (r >= 0)
            r = state_device_forget(m->core, other, device);
    }
    return r < 0 ? r : 0;
}

static void unsolicited_tell(struct mailboxes *m, struct mailbox *b)
{
    const struct report *newest = mailbox_newest(b);
    struct mailbox_counts counts = newest ? newest->counts : (struct mailbox_counts){ 0 };
    bool same = b->told && counts.new_count == b->told_counts.new_count &&
                counts.old_count == b->told_counts.old_count;

    if (same || !b->generation)
        return;
    b->told = true;
    b->told_counts = counts;
    m->port.unsolicited(m->port.ctx, b->name, &counts);
}

static int told_all(struct mailboxes *m, struct mailbox *b)
{
    int r = device_tell(m, b);

    m->port.here(m->port.ctx, b->name, counts_here(b));
    unsolicited_tell(m, b);
    LIST_FOREACH (it, &b->groups) {
        int told = group_tell(m, CONTAINER_OF(it, struct membership, of_mailbox)->group);

        r = r ? r : told;
    }
    return r;
}

/* `source` has said something, or says nothing any more. */
static int mailbox_tell(struct mailboxes *m, struct mailbox *b, struct str source, bool news)
{
    const struct report *newest = mailbox_newest(b);
    int r;

    state_cause_begin(m->core, source);
    if (news && m->port.changed)
        m->port.changed(m->port.ctx, b->name, newest ? newest->source : source,
                        newest ? &newest->counts : NULL);
    r = told_all(m, b);
    state_cause_end(m->core);
    return r;
}

/* ---- what survives ---- */

enum {
    FORMAT = 1,
    SEPARATOR = '\t', /* between mailbox and source */
};

/* `report` NULL: the source says nothing any more. */
static void report_keep(const struct mailboxes *m, const struct mailbox *b, struct str source,
                        const struct report *report)
{
    char name_room[2 * MAILBOX_NAME_MAX + 1], room[64];
    struct buf name, bytes;

    if (!m->port.keep.put || str_starts(source, STATE_SERVER_SOURCE))
        return;
    buf_init_on(&name, name_room, sizeof(name_room));
    buf_add(&name, b->name);
    buf_add_char(&name, SEPARATOR);
    buf_add(&name, source);
    buf_init_on(&bytes, room, sizeof(room));
    if (report) {
        record_add_u64(&bytes, FORMAT);
        record_add_u64(&bytes, report->counts.new_count);
        record_add_u64(&bytes, report->counts.old_count);
        record_add_u64(&bytes, report->serial);
        record_add_u64(&bytes, report->changed_wall_ms);
    }
    keep_put(&m->port.keep, &(struct keep_record){ .table = KEEP_MAILBOX,
                                                   .name = buf_str(&name),
                                                   .bytes = buf_str(&bytes) });
}

static int record_parse(struct str *mailbox, struct report *out, const struct keep_record *k)
{
    struct record r = record_of(k->bytes);
    size_t at = str_find_char(k->name, SEPARATOR);
    bool known = record_u64(&r) == FORMAT;

    *mailbox = str_sub(k->name, 0, at);
    *out = (struct report){ .source = str_sub(k->name, at + 1, k->name.n) };
    out->counts.new_count = record_u32(&r);
    out->counts.old_count = record_u32(&r);
    out->serial = record_u64(&r);
    out->changed_wall_ms = record_u64(&r);
    return r.error || !known || at == k->name.n ? -EBADMSG : 0;
}

int mailbox_record_check(const struct keep_record *k)
{
    struct report report;
    struct str mailbox;

    return record_parse(&mailbox, &report, k);
}

void mailboxes_keep_all(const struct mailboxes *m)
{
    MAP_FOREACH (node, &m->by_name) {
        const struct mailbox *b = CONTAINER_OF(node, const struct mailbox, node);

        for (size_t i = 0; i < b->n_reports; i++)
            report_keep(m, b, b->reports[i].source, &b->reports[i]);
    }
}

/* ---- reports ---- */

static size_t report_find(const struct mailbox *b, struct str source)
{
    size_t i = 0;

    while (i < b->n_reports && !str_equal(b->reports[i].source, source))
        i++;
    return i;
}

static void report_remove(struct mailbox *b, size_t i)
{
    b->n_reports--;
    memmove(&b->reports[i], &b->reports[i + 1], (b->n_reports - i) * sizeof(b->reports[0]));
}

/* Its place is behind all that came before; usually the last. */
static int report_put(struct mailbox *b, const struct report *from)
{
    size_t i = report_find(b, from->source);
    struct report report = *from;

    if (i < b->n_reports) {
        report.source = b->reports[i].source;
        if (report.counts.new_count == b->reports[i].counts.new_count &&
            report.counts.old_count == b->reports[i].counts.old_count)
            report.changed_wall_ms = b->reports[i].changed_wall_ms;
        report_remove(b, i);
    } else {
        if (b->n_reports == b->room) {
            size_t room = b->room ? 2 * b->room : 1;
            struct report *grown = reallocarray(b->reports, room, sizeof(*grown));

            if (!grown)
                return -ENOMEM;
            b->reports = grown;
            b->room = room;
        }
        if (str_dup(&report.source, from->source))
            return -ENOMEM;
    }
    for (i = b->n_reports++; i > 0 && b->reports[i - 1].serial > report.serial; i--)
        b->reports[i] = b->reports[i - 1];
    b->reports[i] = report;
    return 0;
}

static bool length_is_bad(struct str name)
{
    return name.n == 0 || name.n > MAILBOX_NAME_MAX;
}

static bool name_is_bad(struct str name)
{
    return length_is_bad(name) || str_has_controls(name);
}

/* Just what was said last is no news to whoever reads the records. */
static bool is_said(const struct mailbox *b, const struct report *report)
{
    const struct report *newest = mailbox_newest(b);

    return newest && str_equal(newest->source, report->source) &&
           newest->counts.new_count == report->counts.new_count &&
           newest->counts.old_count == report->counts.old_count;
}

static int mailbox_report(struct mailboxes *m, struct str mailbox, const struct report *report,
                          bool keeps)
{
    struct mailbox *b;
    bool said;
    int r;

    if (name_is_bad(mailbox) || length_is_bad(report->source))
        return MAILBOX_BAD_NAME;
    r = mailbox_get(m, mailbox, &b);
    if (r)
        return r;
    said = is_said(b, report);
    r = report_put(b, report);
    mailbox_count(m, b);
    if (r) {
        mailbox_release(m, b);
        return r;
    }
    if (keeps && !said)
        report_keep(m, b, report->source, &b->reports[report_find(b, report->source)]);
    return mailbox_tell(m, b, report->source, !said);
}

int mailbox_set(struct mailboxes *m, struct str source, struct str mailbox, uint32_t new_count,
                uint32_t old_count)
{
    uint64_t serial = ++m->last_serial;
    uint64_t now_ms = m->port.clock ? clock_wall_ms(m->port.clock) : 0;

    return mailbox_report(
        m, mailbox, &(struct report){ source, { new_count, old_count }, serial, serial, now_ms },
        true);
}

int mailbox_hear(struct mailboxes *m, struct str source, struct str mailbox, uint32_t new_count,
                 uint32_t old_count)
{
    struct mailbox *b = mailbox_find(m, mailbox);
    size_t i = b ? report_find(b, source) : 0;

    if (!b || i == b->n_reports || b->reports[i].counts.new_count != new_count ||
        b->reports[i].counts.old_count != old_count)
        return mailbox_set(m, source, mailbox, new_count, old_count);
    b->reports[i].heard = ++m->last_serial;
    if (!b->reports[i].stale)
        return 0;
    b->reports[i].stale = false;
    return mailbox_tell(m, b, source, false);
}

uint64_t mailboxes_reports(const struct mailboxes *m)
{
    return m->last_serial;
}

int mailbox_restore(struct mailboxes *m, const struct keep_record *k)
{
    struct report report;
    struct str mailbox;
    int r = record_parse(&mailbox, &report, k);

    if (r)
        return r;
    if (report.serial > m->last_serial)
        m->last_serial = report.serial;
    return mailbox_report(m, mailbox, &report, false);
}

int mailbox_forget(struct mailboxes *m, struct str source, struct str mailbox)
{
    struct mailbox *b = mailbox_find(m, mailbox);
    size_t i = b ? report_find(b, source) : 0;
    int r;

    if (name_is_bad(mailbox) || length_is_bad(source))
        return MAILBOX_BAD_NAME;
    if (!b || i == b->n_reports)
        return MAILBOX_UNCHANGED;
    report_keep(m, b, source, NULL);
    str_free(&b->reports[i].source);
    report_remove(b, i);
    mailbox_count(m, b);
    r = mailbox_tell(m, b, source, true);
    mailbox_release(m, b);
    return r;
}

static int report_end(struct mailboxes *m, struct mailbox *b, struct report *report,
                      const struct source_ending *end)
{
    int r;

    if (end->how == SOURCE_END_FORGOTTEN)
        return mailbox_forget(m, end->source, b->name);
    state_cause_begin_away(m->core, end->source, end->grace_s);
    if (end->how == SOURCE_END_KEPT) {
        report->stale = true;
        r = mailbox_tell(m, b, end->source, false);
        if (r < 0)
            report->stale = false; /* it is to be tried again */
    } else {
        r = mailbox_forget(m, end->source, b->name);
    }
    state_cause_end(m->core);
    return r;
}

int mailboxes_source_end(struct mailboxes *m, const struct source_ending *end, size_t limit)
{
    MAP_FOREACH_SAFE (node, &m->by_name) {
        struct mailbox *b = CONTAINER_OF(node, struct mailbox, node);
        size_t i = report_find(b, end->source);
        int r;

        if (i == b->n_reports || b->reports[i].heard > end->until ||
            (end->how == SOURCE_END_KEPT && b->reports[i].stale))
            continue;
        if (!limit)
            return MAILBOX_MORE;
        limit--;
        r = report_end(m, b, &b->reports[i], end);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- the configuration ---- */

static uint64_t group_hash(const struct mailboxes *m, const struct resource_name *name)
{
    return map_hash_mix(map_hash(&m->groups, name->context), map_hash(&m->groups, name->extension));
}

static bool group_is(const struct map_node *node, const void *key)
{
    const struct resource_name *mine = &CONTAINER_OF(node, const struct group, node)->name;
    const struct resource_name *name = key;

    return str_equal(mine->extension, name->extension) && str_equal(mine->context, name->context);
}

static int group_get(struct mailboxes *m, const struct resource_name *name, struct group **out)
{
    struct map_node *node = map_find(&m->groups, group_hash(m, name), group_is, name);
    struct group *g;
    char *at;

    if (node) {
        *out = CONTAINER_OF(node, struct group, node);
        return 0;
    }
    g = calloc(1, sizeof(*g) + name->context.n + name->extension.n);
    if (!g)
        return -ENOMEM;
    g->name = *name;
    at = g->text;
    str_keep(&g->name.context, &at);
    str_keep(&g->name.extension, &at);
    map_add(&m->groups, &g->node, group_hash(m, &g->name));
    group_count(m, g);
    *out = g;
    return 0;
}

static size_t names_count(struct str list)
{
    size_t n = 1;

    for (size_t i = 0; i < list.n; i++)
        n += list.p[i] == ',';
    return n;
}

static bool is_member(const struct membership *members, size_t n, const struct mailbox *b)
{
    for (size_t i = 0; i < n; i++)
        if (members[i].mailbox == b)
            return true;
    return false;
}

/* A mailbox that is named twice counts once. */
static int members_add(struct mailboxes *m, struct group *g, struct membership *members, size_t *n,
                       struct str list)
{
    struct str name;

    while (mailbox_next(&list, &name)) {
        struct mailbox *b;
        int r = mailbox_get(m, name, &b);

        if (r)
            return r;
        if (is_member(members, *n, b))
            continue;
        members[*n] = (struct membership){ .group = g, .mailbox = b };
        list_init(&members[*n].of_mailbox);
        list_append(&b->groups, &members[(*n)++].of_mailbox);
    }
    return 0;
}

static int group_configure(struct mailboxes *m, const struct resource_name *name,
                           const struct mailbox_group *of)
{
    struct membership *members = calloc(names_count(of->mailboxes), sizeof(*members)), *former;
    struct str kept = STR_EMPTY;
    size_t n = 0, n_former;
    struct group *g;
    int r = -ENOMEM;

    if (!members)
        return r;
    r = group_get(m, name, &g);
    if (r)
        goto out;
    r = members_add(m, g, members, &n, of->mailboxes);
    if (r)
        goto out;
    r = str_dup(&kept, of->account);
    if (r)
        goto out;
    former = g->members;
    n_former = g->n_members;
    g->members = members;
    g->n_members = n;
    members = former;
    n = n_former;
    str_free(&g->account);
    g->account = kept;
    group_count(m, g);
    g->generation = m->generation;
    r = group_tell(m, g);
out:
    members_free(members, n);
    return r;
}

/* What is not in the configuration any more. Watchers look elsewhere before they would be told that
 * there are no messages: an endpoint may have others of its AORs now. */
static int groups_sweep(struct mailboxes *m)
{
    int r = 0;

    MAP_FOREACH_SAFE (node, &m->groups) {
        struct group *g = CONTAINER_OF(node, struct group, node);

        if (g->generation == m->generation)
            continue;
        r = state_resource_end(m->core, &g->name);
        if (!r)
            r = publication_internal_set(m->publications, &g->name, g->name.package,
                                         STR("mailboxes"), NULL);
        if (r)
            return r;
        group_free(m, g);
    }
    return 0;
}

/* Whoever asks without a compositor's domain finds them under no context at all, the others where
 * the compositor has its resources. */
static int contexts_configure(struct mailboxes *m, const struct settings *s,
                              const struct mailbox_group *of)
{
    struct resource_name name = { .package = STR("message-summary"), .extension = of->name };
    int r = group_configure(m, &name, of);

    for (size_t i = 0; i < s->n_compositors && !r; i++) {
        name.context = s->compositors[i].context;
        r = group_configure(m, &name, of);
    }
    return r;
}

static int endpoint_configure(struct mailboxes *m, const struct endpoint_settings *e)
{
    struct str rest = e->mailboxes, name;
    struct mailbox *b;
    int r = 0;

    while (!r && mailbox_next(&rest, &name)) {
        r = mailbox_get(m, name, &b);
        if (r)
            break;
        b->generation = m->generation;
        unsolicited_tell(m, b);
    }
    return r;
}

static void mailboxes_sweep(struct mailboxes *m)
{
    MAP_FOREACH_SAFE (node, &m->by_name) {
        struct mailbox *b = CONTAINER_OF(node, struct mailbox, node);

        if (b->told && b->generation != m->generation) {
            m->port.unsolicited(m->port.ctx, b->name, NULL);
            b->told = false;
            b->generation = 0;
        }
        mailbox_release(m, b);
    }
}

int mailboxes_configure(struct mailboxes *m, const struct settings *settings)
{
    int r = 0;

    m->generation++;
    for (size_t i = 0; i < settings->n_mailbox_groups && !r; i++)
        r = contexts_configure(m, settings, &settings->mailbox_groups[i]);
    for (size_t i = 0; i < settings->n_endpoints && !r; i++)
        r = endpoint_configure(m, &settings->endpoints[i]);
    if (!r)
        r = groups_sweep(m);
    if (!r)
        mailboxes_sweep(m);
    return r;
}

/* ---- listings ---- */

int mailbox_explain(const struct mailboxes *m, struct str name,
                    void (*report)(void *ctx, const struct mailbox_report *r),
                    void (*shown)(void *ctx, const struct resource_name *name), void *ctx)
{
    const struct mailbox *b = mailbox_find(m, name);

    if (!b)
        return MAILBOX_UNKNOWN;
    for (size_t i = b->n_reports; i > 0; i--) {
        const struct report *said = &b->reports[i - 1];

        report(ctx, &(struct mailbox_report){ said->source, said->counts, said->changed_wall_ms,
                                              said->stale });
    }
    LIST_FOREACH (it, &b->groups)
        shown(ctx, &CONTAINER_OF(it, const struct membership, of_mailbox)->group->name);
    return 0;
}

int mailbox_group_each(const struct mailboxes *m, const struct resource_name *name,
                       void (*each)(void *ctx, struct str mailbox), void *ctx)
{
    struct map_node *node = map_find(&m->groups, group_hash(m, name), group_is, name);
    const struct group *g = node ? CONTAINER_OF(node, const struct group, node) : NULL;

    if (!g)
        return MAILBOX_UNKNOWN;
    for (size_t i = 0; i < g->n_members; i++)
        each(ctx, g->members[i].mailbox->name);
    return 0;
}

void mailboxes_each(const struct mailboxes *m,
                    void (*each)(void *ctx, const struct mailbox_view *v), void *ctx)
{
    MAP_FOREACH (node, &m->by_name) {
        const struct mailbox *b = CONTAINER_OF(node, const struct mailbox, node);
        const struct report *newest = mailbox_newest(b);
        struct mailbox_view v = { .mailbox = b->name,
                                  .n_sources = b->n_reports,
                                  .here = counts_here(b) };

        if (newest) {
            v.source = newest->source;
            v.new_count = newest->counts.new_count;
            v.old_count = newest->counts.old_count;
            v.stale = newest->stale;
        }
        each(ctx, &v);
    }
}
