// SPDX-License-Identifier: MIT
#include "state/view.h"
#include <stdlib.h>

/* ---- grants ---- */

static bool set_has(const struct view_set *set, const struct view_member *m)
{
    for (size_t i = 0; i < set->n_members; i++)
        if (set->members[i].by == m->by && str_equal(set->members[i].value, m->value))
            return true;
    return false;
}

static int set_add(struct arena *arena, struct view_set *to, const struct view_set *more)
{
    int r = 0;

    to->all |= more->all;
    if (to->all)
        to->n_members = 0;
    for (size_t i = 0; i < more->n_members && !to->all && r == 0; i++) {
        struct view_member m = more->members[i];

        if (set_has(to, &m))
            continue;
        r = arena_str(arena, &m.value, m.value);
        if (r == 0)
            r = ARRAY_GROW_IN(arena, to->members, to->n_members);
        if (r == 0)
            to->members[to->n_members++] = m;
    }
    return r;
}

static bool names_have(const struct view_grants *g, const struct view_name *name)
{
    for (size_t i = 0; i < g->n_others; i++)
        if (str_equal(g->others[i].name, name->name) &&
            str_equal(g->others[i].namespace, name->namespace))
            return true;
    return false;
}

static int name_add(struct arena *arena, struct view_grants *to, struct view_name name)
{
    int r = 0;

    if (names_have(to, &name))
        return 0;
    r = arena_str(arena, &name.namespace, name.namespace);
    if (r == 0)
        r = arena_str(arena, &name.name, name.name);
    if (r == 0)
        r = ARRAY_GROW_IN(arena, to->others, to->n_others);
    if (r == 0)
        to->others[to->n_others++] = name;
    return r;
}

static int attributes_add(struct arena *arena, struct view_grants *to,
                          const struct view_grants *more)
{
    int r = 0;

    to->all_attributes |= more->all_attributes;
    to->attributes |= to->all_attributes ? VIEW_ATTRIBUTES : more->attributes;
    if (to->all_attributes)
        to->user_input = VIEW_USER_INPUT_FULL;
    else if (more->user_input > to->user_input)
        to->user_input = more->user_input;
    if (to->all_attributes)
        to->n_others = 0;
    for (size_t i = 0; i < more->n_others && !to->all_attributes && r == 0; i++)
        r = name_add(arena, to, more->others[i]);
    return r;
}

int view_grants_add(struct arena *arena, struct view_grants *to, const struct view_grants *more)
{
    int r = set_add(arena, &to->devices, &more->devices);

    if (r == 0)
        r = set_add(arena, &to->persons, &more->persons);
    if (r == 0)
        r = set_add(arena, &to->services, &more->services);
    return r ? r : attributes_add(arena, to, more);
}

bool view_grants_all(const struct view_grants *g)
{
    return g->devices.all && g->persons.all && g->services.all && g->all_attributes;
}

static bool set_same(const struct view_set *a, const struct view_set *b)
{
    if (a->all != b->all || a->n_members != b->n_members)
        return false;
    for (size_t i = 0; i < a->n_members; i++)
        if (a->members[i].by != b->members[i].by ||
            !str_equal(a->members[i].value, b->members[i].value))
            return false;
    return true;
}

bool view_grants_same(const struct view_grants *a, const struct view_grants *b)
{
    if (!set_same(&a->devices, &b->devices) || !set_same(&a->persons, &b->persons) ||
        !set_same(&a->services, &b->services) || a->attributes != b->attributes ||
        a->user_input != b->user_input || a->all_attributes != b->all_attributes ||
        a->n_others != b->n_others)
        return false;
    for (size_t i = 0; i < a->n_others; i++)
        if (!str_equal(a->others[i].name, b->others[i].name) ||
            !str_equal(a->others[i].namespace, b->others[i].namespace))
            return false;
    return true;
}

/* ---- views ---- */

static struct view *view_create(const struct view_grants *grants)
{
    struct view *v = calloc(1, sizeof(*v));

    if (!v)
        return NULL;
    atomic_init(&v->refs, 1);
    v->arena.block_size = 512;
    if (view_grants_add(&v->arena, &v->grants, grants)) {
        view_unref(v);
        return NULL;
    }
    return v;
}

/* Among the views from `from` up to, but without, `end`. */
static struct view *view_between(struct view *from, const struct view *end,
                                 const struct view_grants *grants)
{
    for (; from != end; from = from->next)
        if (view_grants_same(&from->grants, grants))
            return from;
    return NULL;
}

struct view *view_intern(_Atomic(struct view *) *list, const struct view_grants *grants)
{
    struct view *head = atomic_load_explicit(list, memory_order_acquire), *made,
                *found = view_between(head, NULL, grants), *seen = head;

    made = found ? NULL : view_create(grants);
    if (!made)
        return found;
    made->next = head;
    while (!atomic_compare_exchange_weak_explicit(list, &head, made, memory_order_release,
                                                  memory_order_acquire)) {
        found = view_between(head, seen, grants); /* another thread was faster */
        if (found) {
            view_unref(made);
            return found;
        }
        seen = made->next = head;
    }
    return made;
}

void view_list_fini(_Atomic(struct view *) *list)
{
    struct view *next;

    for (struct view *v = atomic_load_explicit(list, memory_order_relaxed); v; v = next) {
        next = v->next;
        view_unref(v);
    }
}

struct view *view_ref(const struct view *v)
{
    struct view *shared = (struct view *)v; /* only the count changes */

    if (shared)
        atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

void view_unref(const struct view *v)
{
    struct view *shared = (struct view *)v;

    if (!shared || atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_acq_rel) != 1)
        return;
    arena_fini(&shared->arena);
    free(shared);
}
