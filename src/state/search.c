// SPDX-License-Identifier: MIT
/* Finding a hint: depth first through the includes. Each context is looked into once in a search,
 * which cuts cycles and keeps diamonds of includes from costing more than they have contexts. */
#include "state/dialplan_internal.h"

struct frame {
    struct dialplan_context *context;
    struct list *include; /* the next one to follow */
    bool timed;           /* a time specification led here */
};

struct search {
    const struct dialplan_search *what;
    uint64_t number;
    struct frame frames[INCLUDE_DEPTH_MAX];
    size_t depth;
    bool stable; /* nothing was passed by that may have this extension at another time */
    bool shut;   /* an include was passed by that holds at another time */
};

/* Is the hint in this context itself? */
static bool context_has(const struct search *s, struct dialplan_context *ctx,
                        struct dialplan_match *out)
{
    const struct dialplan_search *what = s->what;
    const struct hint_entry *entry = dialplan_context_literal(ctx, what->extension);

    if (!entry && !(what->has && what->has(what->ctx, ctx, what->extension))) {
        entry = dialplan_context_pattern(ctx, what->extension);
        if (!entry)
            return false;
    }
    *out = (struct dialplan_match){
        .context = ctx,
        .hint = entry,
        .pattern = entry && entry->pattern,
        .cacheable = s->stable && !s->frames[s->depth - 1].timed,
    };
    return true;
}

static void enter(struct search *s, struct dialplan_context *ctx, bool timed)
{
    ctx->searched = s->number;
    s->frames[s->depth++] = (struct frame){ ctx, ctx->includes.next, timed };
}

static void leave(struct search *s)
{
    /* An autohint may appear where nothing has been found. */
    if (s->frames[--s->depth].context->autohints)
        s->stable = false;
}

/* Follow the next include of the innermost context. True when that led into a new one. */
static bool step(struct search *s)
{
    struct frame *f = &s->frames[s->depth - 1];
    struct dialplan_context *next;
    struct include *inc;

    if (f->include == &f->context->includes) {
        leave(s);
        return false;
    }
    inc = CONTAINER_OF(f->include, struct include, link);
    f->include = f->include->next;
    next = dialplan_context_find(s->what->dialplan, inc->name);
    if (!next || next->searched == s->number || s->depth == INCLUDE_DEPTH_MAX)
        return false;
    if (inc->timed && !time_rule_holds(&inc->rule, s->what->wall_ms)) {
        s->stable = false;
        s->shut = true;
        return false;
    }
    enter(s, next, f->timed || inc->timed);
    return true;
}

/* The mark of a search is no part of what a dialplan says. */
static uint64_t search_number(const struct dialplan *dp)
{
    return ++((struct dialplan *)dp)->searches;
}

int dialplan_search(const struct dialplan_search *what, struct dialplan_match *out)
{
    struct dialplan_context *start = dialplan_context_find(what->dialplan, what->context);
    struct search s; /* large: frames are written before they are read */
    bool entered = true;

    *out = (struct dialplan_match){ .cacheable = true };
    if (!start || what->extension.n == 0 || what->extension.n > NAME_MAX_LEN)
        return DIALPLAN_NO_HINT;
    s.what = what;
    s.number = search_number(what->dialplan);
    s.depth = 0;
    s.stable = true;
    s.shut = false;
    enter(&s, start, false);
    while (s.depth) {
        if (entered && context_has(&s, s.frames[s.depth - 1].context, out))
            return 0;
        entered = step(&s);
    }
    out->cacheable = !s.shut;
    return DIALPLAN_NO_HINT;
}

int dialplan_find(const struct dialplan *dp, struct str context, struct str extension,
                  uint64_t wall_ms, struct dialplan_match *out)
{
    const struct dialplan_search search = {
        .dialplan = dp, .context = context, .extension = extension, .wall_ms = wall_ms
    };

    return dialplan_search(&search, out);
}
