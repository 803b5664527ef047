// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "state/state_internal.h"

/* ---- the table ---- */

static bool presence_is(const struct map_node *node, const void *key)
{
    return name_equal(CONTAINER_OF(node, struct presence, node)->name, *(const struct str *)key);
}

static struct presence *presence_find(const struct state_core *core, struct str name)
{
    struct map_node *node = map_find(&core->presences_by_name,
                                     name_hash(&core->presences_by_name, name), presence_is, &name);

    return node ? CONTAINER_OF(node, struct presence, node) : NULL;
}

/* Custom presence that was never set is not set; of another provider nothing is known at all. */
static enum presence_state unreported(struct str name)
{
    return str_starts(name, STR("CustomPresence:")) ? PRESENCE_NOT_SET : PRESENCE_INVALID;
}

/* What it has, after that has changed. */
static void presence_count(struct state_core *core, struct presence *p)
{
    tally_again(&core->heap.presences, &p->counted,
                tally_size(p) + tally_text(p->subtype) + tally_text(p->message) +
                    tally_text(p->source));
}

int presence_get(struct state_core *core, struct str name, struct presence **out)
{
    struct presence *p = presence_find(core, name);

    if (!p) {
        p = calloc(1, sizeof(*p) + name.n);
        if (!p)
            return -ENOMEM;
        memcpy(p->text, name.p, name.n);
        p->name = (struct str){ p->text, name.n };
        p->state = unreported(p->name);
        list_init(&p->followers);
        list_append(&core->presences, &p->link);
        map_add(&core->presences_by_name, &p->node, name_hash(&core->presences_by_name, name));
        presence_count(core, p);
    }
    *out = p;
    return 0;
}

void presence_destroy(struct state_core *core, struct presence *p)
{
    tally_again(&core->heap.presences, &p->counted, 0);
    str_free(&p->subtype);
    str_free(&p->message);
    str_free(&p->source);
    list_remove(&p->link);
    free(p);
}

void presence_release(struct state_core *core, struct presence *p)
{
    if (p->reported || !list_empty(&p->followers))
        return;
    map_remove(&core->presences_by_name, &p->node);
    presence_destroy(core, p);
}

/* ---- changes ---- */

struct presence_value {
    enum presence_state state;
    bool stale;
    struct str subtype, message; /* on the heap */
};

static void value_fini(struct presence_value *v)
{
    str_free(&v->subtype);
    str_free(&v->message);
}

static int value_init(struct presence_value *v, const struct presence_said *said)
{
    int r;

    *v = (struct presence_value){ .state = said->state, .stale = said->stale };
    r = str_dup(&v->subtype, said->subtype);
    if (r)
        return r;
    r = str_dup(&v->message, said->message);
    if (r)
        value_fini(v);
    return r;
}

static void value_swap(struct presence *p, struct presence_value *v)
{
    struct presence_value former = { p->state, p->stale, p->subtype, p->message };

    p->state = v->state;
    p->stale = v->stale;
    p->subtype = v->subtype;
    p->message = v->message;
    *v = former;
}

static int followers_stage(struct state_core *core, struct presence *p)
{
    LIST_FOREACH (it, &p->followers) {
        int r = hint_stage_lamp(core, CONTAINER_OF(it, struct follow, link)->sources->hint, false);

        if (r)
            return r;
    }
    return 0;
}

static bool presence_has(const struct presence *p, enum presence_state state, struct str subtype,
                         struct str message)
{
    return p->state == state && str_equal(p->subtype, subtype) && str_equal(p->message, message);
}

static int presence_change(struct state_core *core, struct presence *p, struct presence_value *v,
                           uint64_t wall_ms)
{
    int r;

    value_swap(p, v);
    r = followers_stage(core, p);
    if (r) {
        hints_rollback(core);
        value_swap(p, v);
        return r;
    }
    p->changed_wall_ms = wall_ms;
    presence_count(core, p);
    hints_commit(core);
    core->port.presence(core->port.ctx, p->name, p->state, p->subtype, p->message);
    hints_tell(core);
    return 0;
}

static int presence_change_caused(struct state_core *core, struct presence *p,
                                  struct presence_value *v, uint64_t wall_ms)
{
    int r;

    state_cause_begin(core, p->name);
    r = presence_change(core, p, v, wall_ms);
    state_cause_end(core);
    return r;
}

/* What is said is what was said, but stale, or not any more. */
static int stale_set(struct state_core *core, struct presence *p, bool stale)
{
    int r;

    if (p->stale == stale)
        return STATE_UNCHANGED;
    p->stale = stale;
    r = followers_stage(core, p);
    if (r) {
        hints_rollback(core);
        p->stale = !stale;
        return r;
    }
    hints_commit(core);
    hints_tell(core);
    return 0;
}

/* Who said it, which the record has too. 0, -ENOMEM; STATE_UNCHANGED: that one did before. */
static int source_note(struct state_core *core, struct presence *p,
                       const struct presence_said *said)
{
    struct str source = STR_EMPTY;

    p->heard = said->heard;
    if (str_equal(p->source, said->source))
        return STATE_UNCHANGED;
    if (said->source.n && str_dup(&source, said->source))
        return -ENOMEM;
    str_free(&p->source);
    p->source = source;
    presence_count(core, p);
    return 0;
}

int presence_report(struct state_core *core, struct str provider, const struct presence_said *said)
{
    struct presence_value v;
    struct presence *p;
    int r = presence_get(core, provider, &p);

    if (r)
        return r;
    r = source_note(core, p, said);
    if (r < 0) {
        presence_release(core, p);
        return r;
    }
    if (presence_has(p, said->state, said->subtype, said->message)) {
        int marked = stale_set(core, p, said->stale);

        if (marked < 0) {
            presence_release(core, p);
            return marked;
        }
        r = p->reported && marked ? r : 0; /* what was assumed is now known */
        p->reported = true;
        return r;
    }
    r = value_init(&v, said);
    if (r == 0) {
        r = presence_change_caused(core, p, &v, said->wall_ms);
        value_fini(&v);
    }
    if (r == 0)
        p->reported = true;
    else
        presence_release(core, p);
    return r;
}

int presence_forget(struct state_core *core, struct presence *p)
{
    struct presence_value v = { .state = unreported(p->name) };
    bool reported = p->reported;
    int r;

    p->reported = false; /* nor do its lamps hold on to it */
    r = presence_has(p, v.state, STR_EMPTY, STR_EMPTY)
            ? stale_set(core, p, false)
            : presence_change_caused(core, p, &v, clock_wall_ms(core->clock));
    if (r < 0) {
        p->reported = reported;
        return r;
    }
    value_fini(&v);
    str_free(&p->source);
    presence_count(core, p);
    presence_keep(core, p->name, STR_EMPTY);
    presence_release(core, p);
    return 0;
}

int state_presence_set(struct state_core *core, struct str provider, enum presence_state state,
                       struct str subtype, struct str message)
{
    return state_presence_report(
        core, &(struct presence_report){
                  .provider = provider, .subtype = subtype, .message = message, .state = state });
}

int presence_say(struct state_core *core, struct str provider, const struct presence_said *said)
{
    struct buf record;
    int r = presence_print(core, said, &record);

    r = r ? r : presence_report(core, provider, said);
    if (r == 0)
        presence_keep(core, presence_find(core, provider)->name, buf_str(&record));
    buf_fini(&record);
    return r;
}

int state_presence_report(struct state_core *core, const struct presence_report *report)
{
    struct presence_said said = { report->state, report->subtype, report->message, report->source,
                                  clock_wall_ms(core->clock) };
    struct name_room room;
    struct str provider;
    int r = name_normalise(&provider, report->provider, &room);

    BUG_UNLESS((unsigned)report->state < PRESENCE_STATES);
    if (r || report->source.n > NAME_MAX_LEN)
        return STATE_BAD_NAME;
    said.heard = ++core->reports;
    if (report->source.n)
        state_cause_begin(core, report->source);
    r = presence_say(core, provider, &said);
    if (report->source.n)
        state_cause_end(core);
    return r;
}
