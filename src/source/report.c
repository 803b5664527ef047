// SPDX-License-Identifier: MIT
#include "source/report.h"

#include "source/heard_calls.h"
#include "state/event_record.h"

enum report_kind {
    REPORT_DEVICE = 1,
    REPORT_NO_DEVICE,
    REPORT_PRESENCE,
    REPORT_MAILBOX,
    REPORT_CALLS,
    REPORT_NO_CALLS,
    REPORT_BEGIN,
    REPORT_END,
    REPORT_STALE,
    REPORT_GONE,
    REPORT_STANDING,
};

enum { SWEEP_PORTION = 256 }; /* some milliseconds of work */

/* ---- telling ---- */

void report_device(struct buf *b, struct str device, enum device_state state)
{
    record_add_u64(b, REPORT_DEVICE);
    record_add_str(b, device);
    record_add_u64(b, state);
}

void report_no_device(struct buf *b, struct str device)
{
    record_add_u64(b, REPORT_NO_DEVICE);
    record_add_str(b, device);
}

void report_presence(struct buf *b, struct str provider, enum presence_state state,
                     struct str subtype, struct str message)
{
    record_add_u64(b, REPORT_PRESENCE);
    record_add_str(b, provider);
    record_add_u64(b, state);
    record_add_str(b, subtype);
    record_add_str(b, message);
}

void report_mailbox(struct buf *b, struct str mailbox, uint32_t new_count, uint32_t old_count)
{
    record_add_u64(b, REPORT_MAILBOX);
    record_add_str(b, mailbox);
    record_add_u64(b, new_count);
    record_add_u64(b, old_count);
}

void report_calls(struct buf *b, struct str device, const struct event_state *calls, bool listed)
{
    record_add_u64(b, calls ? REPORT_CALLS : REPORT_NO_CALLS);
    record_add_str(b, device);
    if (!calls)
        return;
    record_add_u64(b, listed);
    event_record_add(b, calls);
}

void report_begin(struct buf *b)
{
    record_add_u64(b, REPORT_BEGIN);
}

void report_end(struct buf *b, bool mailboxes)
{
    record_add_u64(b, REPORT_END);
    record_add_u64(b, mailboxes);
}

void report_stale(struct buf *b, bool keep, uint32_t grace_s)
{
    record_add_u64(b, REPORT_STALE);
    record_add_u64(b, keep);
    record_add_u64(b, grace_s);
}

void report_gone(struct buf *b)
{
    record_add_u64(b, REPORT_GONE);
}

void report_standing(struct buf *b, const struct source_standing *standing)
{
    record_add_u64(b, REPORT_STANDING);
    record_add_u64(b, standing->away_ms);
    record_add_u64(b, standing->stale);
}

/* ---- hearing ---- */

struct hearing {
    struct source_intake *intake;
    struct state_core *core;
    struct mailboxes *mailboxes;
    struct record record;
};

static int hear_device(struct hearing *h)
{
    struct str device = record_str(&h->record);
    uint32_t state = record_u32(&h->record);

    if (h->record.error || state >= DEVICE_STATES)
        return -EBADMSG;
    return state_device_set(h->core, h->intake->source, device, (enum device_state)state);
}

static int hear_no_device(struct hearing *h)
{
    struct str device = record_str(&h->record);

    return h->record.error ? -EBADMSG : state_device_forget(h->core, h->intake->source, device);
}

static int hear_presence(struct hearing *h)
{
    struct presence_report r = { .source = h->intake->source, .provider = record_str(&h->record) };
    uint32_t state = record_u32(&h->record);

    r.subtype = record_str(&h->record);
    r.message = record_str(&h->record);
    if (h->record.error || state >= PRESENCE_STATES)
        return -EBADMSG;
    r.state = (enum presence_state)state;
    return state_presence_report(h->core, &r);
}

static int hear_mailbox(struct hearing *h)
{
    struct str mailbox = record_str(&h->record);
    uint32_t new_count = record_u32(&h->record), old_count = record_u32(&h->record);

    if (h->record.error)
        return -EBADMSG;
    return mailbox_hear(h->mailboxes, h->intake->source, mailbox, new_count, old_count);
}

static int hear_no_calls(struct hearing *h)
{
    struct str device = record_str(&h->record);

    return h->record.error ? -EBADMSG
                           : state_device_calls_set(h->core, h->intake->source, device, NULL);
}

static int hear_calls(struct hearing *h)
{
    struct str source = h->intake->source, device = record_str(&h->record);
    bool listed = record_u64(&h->record);
    struct event_state *said = NULL, *calls = NULL;
    int r = event_record_read(&h->record, &said);

    if (r == 0 && h->record.error)
        r = -EBADMSG;
    if (r == 0)
        r = heard_calls_complete(&calls, said,
                                 listed ? state_device_calls(h->core, source, device) : NULL,
                                 h->intake->whole);
    if (r == 0)
        r = state_device_calls_set(h->core, source, device, calls);
    event_state_unref(calls);
    event_state_unref(said);
    return r;
}

/* What is stale stays so until it is told again, or has not been when all has. */
static int hear_begin(struct hearing *h)
{
    h->intake->whole = true;
    h->intake->gone = false;
    h->intake->begun = state_reports(h->core);
    h->intake->mailboxes_begun = mailboxes_reports(h->mailboxes);
    return 0;
}

static int hear_end(struct hearing *h)
{
    struct source_intake *f = h->intake;
    bool mailboxes = record_u64(&h->record);

    if (f->whole)
        f->sweep = (struct source_sweep){ .states = true,
                                          .mailboxes = mailboxes,
                                          .how = SOURCE_END_FORGOTTEN,
                                          .until = f->begun,
                                          .mailboxes_until = f->mailboxes_begun };
    f->whole = false;
    return 0;
}

static int hear_loss(struct hearing *h, enum source_end how)
{
    h->intake->whole = false;
    h->intake->sweep = (struct source_sweep){ .states = true,
                                              .mailboxes = true,
                                              .how = how,
                                              .until = state_reports(h->core),
                                              .mailboxes_until = mailboxes_reports(h->mailboxes) };
    return 0;
}

static int hear_stale(struct hearing *h)
{
    bool keep = record_u64(&h->record);
    uint32_t grace_s = record_u32(&h->record);
    int r;

    if (h->record.error)
        return -EBADMSG;
    r = hear_loss(h, keep ? SOURCE_END_KEPT : SOURCE_END_UNAVAILABLE);
    h->intake->sweep.grace_s = grace_s;
    return r;
}

static int hear_gone(struct hearing *h)
{
    h->intake->gone = true;
    h->intake->standing = (struct source_standing){ .stale = false };
    return hear_loss(h, SOURCE_END_FORGOTTEN);
}

static int hear_standing(struct hearing *h)
{
    uint64_t away_ms = record_u64(&h->record);
    bool stale = record_u64(&h->record);

    if (h->record.error)
        return -EBADMSG;
    h->intake->standing = (struct source_standing){ away_ms, stale };
    return 0;
}

static int hear(struct hearing *h)
{
    switch (record_u64(&h->record)) {
    case REPORT_DEVICE:
        return hear_device(h);
    case REPORT_NO_DEVICE:
        return hear_no_device(h);
    case REPORT_PRESENCE:
        return hear_presence(h);
    case REPORT_MAILBOX:
        return hear_mailbox(h);
    case REPORT_CALLS:
        return hear_calls(h);
    case REPORT_NO_CALLS:
        return hear_no_calls(h);
    case REPORT_BEGIN:
        return hear_begin(h);
    case REPORT_END:
        return hear_end(h);
    case REPORT_STALE:
        return hear_stale(h);
    case REPORT_GONE:
        return hear_gone(h);
    case REPORT_STANDING:
        return hear_standing(h);
    }
    return -EBADMSG;
}

static bool sweeps(const struct source_intake *f)
{
    return f->sweep.states || f->sweep.mailboxes;
}

int source_intake_apply(struct source_intake *f, struct state_core *core,
                        struct mailboxes *mailboxes, struct str reports)
{
    struct hearing h = { f, core, mailboxes, record_of(reports) };
    bool lost = false;

    while (!cursor_done(&h.record.at)) {
        int r = hear(&h); /* names that are too long, and what is nothing new, are no matter */

        if (r == -EBADMSG)
            return r;
        lost |= r < 0;
    }
    if (lost) {
        f->whole = false; /* what was lost must not be taken for gone */
        return -ENOMEM;
    }
    return sweeps(f) ? INTAKE_SWEEPS : 0;
}

int source_intake_sweep(struct source_intake *f, struct state_core *core,
                        struct mailboxes *mailboxes)
{
    struct source_sweep *s = &f->sweep;
    struct source_ending end = { f->source, s->until, s->how, s->grace_s };
    int r = 0;

    if (s->states)
        r = state_source_end(core, &end, SWEEP_PORTION);
    if (r < 0)
        return r;
    s->states = s->states && r == STATE_MORE;
    if (!s->states && s->mailboxes) {
        end.until = s->mailboxes_until;
        r = mailboxes_source_end(mailboxes, &end, SWEEP_PORTION);
        if (r < 0)
            return r;
        s->mailboxes = r == MAILBOX_MORE;
    }
    return sweeps(f) ? INTAKE_SWEEPS : 0;
}
