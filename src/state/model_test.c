// SPDX-License-Identifier: MIT
/* A core against a naive model of it: whatever is reported, forgotten and reloaded in whatever
 * order, and whatever is published beside the hints or without one, each lamp shows what reckoning
 * it afresh gives, and each change of one is told once. */
#include <stdio.h>

#include "state/state.h"
#include "state/state_testing.h"

enum { DEVICES = 7, SOURCES = 3, PROVIDERS = 4, HINTS = 16, STEPS = 20000 };

static const char *const device_names[DEVICES] = { "PJSIP/a",  "PJSIP/b", "PJSIP/c", "Custom:d",
                                                   "Custom:e", "MWI:f@g", "SCCP/h" };
static const char *const provider_names[PROVIDERS] = { "CustomPresence:a", "CustomPresence:b",
                                                       "PJSIP/a", "CustomPresence:ab" };

struct lamp_model {
    enum extension_state state;
    enum presence_state presence;
    unsigned note;     /* subtype and message are made of it */
    unsigned has_hint; /* no bool: two are compared by their bytes */
    enum extension_state hint_state;
    unsigned composite; /* the one shown; 0: none */
};

struct hint_model {
    bool there;
    unsigned devices, providers; /* sets */
    unsigned composite;          /* its number; 0: nothing is published */
    enum device_state published; /* what that says */
    struct lamp_model lamp;
    uint64_t id, sequence;
    unsigned told; /* since the last step */
    bool told_removed;
};

struct model {
    struct testing t;
    struct rng rng;
    int reports[DEVICES][SOURCES]; /* -1: none */
    int defaults[DEVICES];
    enum presence_state presence[PROVIDERS];
    unsigned notes[PROVIDERS];
    struct hint_model hints[HINTS];
    enum composition_order order;
    unsigned composites;
};

/* ---- the model ---- */

static enum device_state strongest(const enum device_state *states, size_t n)
{
    static const enum device_state order[] = {
        DEVICE_RINGINUSE, DEVICE_BUSY,      DEVICE_INUSE,       DEVICE_RINGING,
        DEVICE_ONHOLD,    DEVICE_NOT_INUSE, DEVICE_UNAVAILABLE, DEVICE_UNKNOWN,
    };
    bool rings = false, talks = false;

    for (size_t i = 0; i < n; i++) {
        rings |= states[i] == DEVICE_RINGING;
        talks |=
            states[i] == DEVICE_INUSE || states[i] == DEVICE_BUSY || states[i] == DEVICE_ONHOLD;
    }
    if (rings && talks)
        return DEVICE_RINGINUSE;
    for (size_t o = 0; o < ARRAY_LEN(order); o++)
        for (size_t i = 0; i < n; i++)
            if (states[i] == order[o])
                return order[o];
    return DEVICE_INVALID;
}

static enum device_state model_device(const struct model *m, unsigned d)
{
    enum device_state states[SOURCES];
    size_t n = 0;

    for (unsigned s = 0; s < SOURCES; s++)
        if (m->reports[d][s] >= 0)
            states[n++] = (enum device_state)m->reports[d][s];
    if (n)
        return strongest(states, n);
    if (m->defaults[d] >= 0)
        return (enum device_state)m->defaults[d];
    return strncmp(device_names[d], "Custom:", 7) ? DEVICE_INVALID : DEVICE_UNKNOWN;
}

static struct lamp_model model_lamp(const struct model *m, const struct hint_model *h,
                                    const struct lamp_model *former)
{
    struct lamp_model lamp = { .presence = PRESENCE_NOT_SET };
    enum device_state states[DEVICES], both[2];
    unsigned rank = 0, providers = h->there ? h->providers : 0;
    size_t n = 0, n_both = 0;

    for (unsigned d = 0; d < DEVICES; d++)
        if (h->devices >> d & 1)
            states[n++] = model_device(m, d);
    for (unsigned p = 0; p < PROVIDERS; p++)
        if ((providers >> p & 1) && presence_state_rank(m->presence[p]) > rank) {
            rank = presence_state_rank(m->presence[p]);
            lamp.presence = m->presence[p];
            lamp.note = m->notes[p];
        }
    if (rank == 0 && providers && former) {
        lamp.presence = former->presence;
        lamp.note = former->note;
    }
    lamp.has_hint = h->there && !(h->composite && m->order == COMPOSE_PUBLICATION_FIRST);
    if (lamp.has_hint)
        both[n_both++] = strongest(states, n);
    lamp.hint_state = lamp.has_hint ? extension_state_of(both[0]) : EXTENSION_UNAVAILABLE;
    if (h->composite && !(h->there && m->order == COMPOSE_HINT_FIRST)) {
        lamp.composite = h->composite;
        both[n_both++] = h->published;
    }
    lamp.state = extension_state_of(strongest(both, n_both));
    return lamp;
}

static void note_print(unsigned note, const char *what, char out[32])
{
    out[0] = '\0';
    if (note)
        snprintf(out, 32, "%s %u", what, note);
}

/* ---- what the core says ---- */

static void on_snapshot(void *ctx, const struct snapshot *s, const struct snapshot *former,
                        uint64_t consumers)
{
    (void)former;
    struct model *m = ctx;
    struct hint_model *h;
    uint32_t i;

    (void)consumers;
    assert_int_equal(str_to_u32(&i, s->extension), 0);
    h = &m->hints[i - 1000];
    h->told++;
    h->told_removed = s->state == EXTENSION_REMOVED;
}

static bool exists(const struct hint_model *h)
{
    return h->there || h->composite;
}

static void check_lamp(const struct hint_model *h, const struct snapshot *s)
{
    char note[32];

    assert_int_equal(s->state, h->lamp.state);
    assert_int_equal(s->presence, h->lamp.presence);
    note_print(h->lamp.note, "subtype", note);
    assert_true(str_equal(s->presence_subtype, str_of(note)));
    note_print(h->lamp.note, "message", note);
    assert_true(str_equal(s->presence_message, str_of(note)));
    assert_int_equal(s->has_hint, h->lamp.has_hint);
    assert_int_equal(s->hint_state, h->lamp.hint_state);
    assert_int_equal(s->published ? s->published->version : 0, h->lamp.composite);
}

static void check_hint(struct model *m, unsigned i, const struct hint_model *before)
{
    struct hint_model *h = &m->hints[i];
    const struct snapshot *s;
    char name[16];

    if (!exists(h)) {
        /* Without a hint the last publication leaves it unavailable, until nobody watches. */
        assert_int_equal(h->told, !exists(before) ? 0 : before->there ? 1 : 2);
        assert_true(h->told_removed == exists(before));
        return;
    }
    snprintf(name, sizeof(name), "%u", 1000 + i);
    s = watch(&m->t, "a", name, 0);
    check_lamp(h, s);
    if (exists(before)) {
        bool changed = memcmp(&h->lamp, &before->lamp, sizeof(h->lamp)) != 0;

        assert_int_equal(h->told, changed);
        assert_int_equal(s->resource_id, before->id);
        assert_int_equal(s->sequence, before->sequence + changed);
    } else {
        assert_int_equal(h->told, 1);
        assert_int_equal(s->sequence, h->there ? 1 : 2);
        assert_true(s->resource_id > before->id);
    }
    h->id = s->resource_id;
    h->sequence = s->sequence;
}

/* ---- steps ---- */

static void step_report(struct model *m)
{
    unsigned d = rng_below(&m->rng, DEVICES), s = rng_below(&m->rng, SOURCES);
    int state = (int)rng_below(&m->rng, DEVICE_STATES);
    char source[8];

    snprintf(source, sizeof(source), "s%u", s);
    assert_int_equal(state_device_set(m->t.core, str_of(source), str_of(device_names[d]),
                                      (enum device_state)state),
                     m->reports[d][s] == state ? STATE_UNCHANGED : 0);
    m->reports[d][s] = state;
}

static void step_forget(struct model *m)
{
    unsigned d = rng_below(&m->rng, DEVICES), s = rng_below(&m->rng, SOURCES);
    char source[8];

    snprintf(source, sizeof(source), "s%u", s);
    assert_int_equal(state_device_forget(m->t.core, str_of(source), str_of(device_names[d])),
                     m->reports[d][s] < 0 ? STATE_UNCHANGED : 0);
    m->reports[d][s] = -1;
}

static void step_defaults(struct model *m)
{
    struct str names[DEVICES];
    enum device_state states[DEVICES];
    size_t n = 0;

    for (unsigned d = 0; d < DEVICES; d++) {
        m->defaults[d] = -1;
        if (rng_below(&m->rng, 3))
            continue;
        m->defaults[d] = (int)rng_below(&m->rng, DEVICE_STATES);
        names[n] = str_of(device_names[d]);
        states[n++] = (enum device_state)m->defaults[d];
    }
    assert_int_equal(state_device_defaults(m->t.core, names, states, n), 0);
}

static void step_presence(struct model *m)
{
    unsigned p = rng_below(&m->rng, PROVIDERS);
    char subtype[32], message[32];
    int r;

    m->presence[p] = (enum presence_state)rng_below(&m->rng, PRESENCE_STATES);
    m->notes[p] = rng_below(&m->rng, 3);
    note_print(m->notes[p], "subtype", subtype);
    note_print(m->notes[p], "message", message);
    r = state_presence_set(m->t.core, str_of(provider_names[p]), m->presence[p], str_of(subtype),
                           str_of(message));
    assert_true(r == 0 || r == STATE_UNCHANGED);
}

/* The composite is known by its version. */
static void step_publish(struct model *m)
{
    unsigned i = rng_below(&m->rng, HINTS);
    struct hint_model *h = &m->hints[i];
    struct event_state *s = NULL;
    bool ends = rng_below(&m->rng, 3) == 0, ended = ends && h->composite && !h->there;
    struct resource_name name = { .context = STR("a") };
    char extension[16];

    h->composite = 0;
    if (!ends) {
        h->composite = ++m->composites;
        h->published = (enum device_state)rng_below(&m->rng, DEVICE_STATES);
        assert_int_equal(event_state_create(&s), 0);
        s->has_dialogs = true;
        s->device = h->published;
        s->version = h->composite;
    }
    snprintf(extension, sizeof(extension), "%u", 1000 + i);
    name.extension = str_of(extension);
    assert_int_equal(state_published(m->t.core, &name, s), 0);
    event_state_unref(s);
    if (ended)
        state_unwatch(m->t.core, h->id, 0);
}

static void step_order(struct model *m)
{
    struct context_order order = { .context = STR("a") };

    m->order = (enum composition_order)rng_below(&m->rng, 3);
    order.order = m->order;
    assert_int_equal(state_orders_set(m->t.core, &order, m->order == COMPOSE_AGGREGATE ? 0 : 1), 0);
}

static void names_print(char *out, size_t room, const char *const *names, unsigned set)
{
    size_t n = 0;

    out[0] = '\0';
    for (unsigned i = 0; set >> i; i++)
        if (set >> i & 1)
            n += (size_t)snprintf(out + n, room - n, "%s%s", n ? "&" : "", names[i]);
}

/* A quarter of a set. */
static unsigned few_of(struct rng *rng, unsigned n)
{
    unsigned half = rng_below(rng, 1u << n);

    return half & rng_below(rng, 1u << n);
}

/* A new dialplan: some hints come, some go, some get other sources. */
static void step_reload(struct model *m, bool same[HINTS])
{
    char text[8192] = "[a]\n", devices[200], providers[200];
    size_t n = strlen(text);

    for (unsigned i = 0; i < HINTS; i++) {
        struct hint_model *h = &m->hints[i];

        if (rng_below(&m->rng, 3) == 0) {
            h->there = rng_below(&m->rng, 4) != 0;
            h->devices = few_of(&m->rng, DEVICES);
            h->providers = few_of(&m->rng, PROVIDERS);
            same[i] = false;
        }
        names_print(devices, sizeof(devices), device_names, h->devices);
        names_print(providers, sizeof(providers), provider_names, h->providers);
        if (h->there)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%u %s,%s\n", 1000 + i, devices,
                                  providers);
    }
    m->t.compares = rng_below(&m->rng, 4) != 0;
    apply(&m->t, text);
}

static void step(struct model *m)
{
    struct hint_model before[HINTS];
    bool same[HINTS];

    memcpy(before, m->hints, sizeof(before));
    for (unsigned i = 0; i < HINTS; i++) {
        m->hints[i].told = 0;
        m->hints[i].told_removed = false;
        same[i] = true;
    }
    switch (rng_below(&m->rng, 40)) {
    case 0:
        step_reload(m, same);
        break;
    case 1:
        step_defaults(m);
        break;
    case 2:
    case 3:
    case 4:
    case 5:
        step_presence(m);
        break;
    case 6:
        step_order(m);
        break;
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
        step_forget(m);
        break;
    case 12:
    case 13:
    case 14:
    case 15:
    case 16:
    case 17:
        step_publish(m);
        break;
    default:
        step_report(m);
    }
    for (unsigned i = 0; i < HINTS; i++) {
        struct hint_model *h = &m->hints[i];
        bool goes_on =
            before[i].there &&
            (same[i] || (h->devices == before[i].devices && h->providers == before[i].providers));

        if (exists(h))
            h->lamp = model_lamp(m, h, goes_on ? &before[i].lamp : NULL);
        check_hint(m, i, &before[i]);
    }
    for (unsigned d = 0; d < DEVICES; d++)
        assert_int_equal(state_device_get(m->t.core, str_of(device_names[d])), model_device(m, d));
}

static void test_random(void **state)
{
    static struct model m;
    struct state_config cfg;

    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        m = (struct model){ .presence = { [2] = PRESENCE_INVALID } };
        testing_init(&m.t);
        state_destroy(m.t.core);
        cfg = testing_config(&m.t);
        cfg.port = (struct state_port){ .ctx = &m, .snapshot = on_snapshot };
        assert_int_equal(state_create(&m.t.core, &cfg), 0);
        rng_init_seeded(&m.rng, seed);
        memset(m.reports, 0xff, sizeof(m.reports));
        memset(m.defaults, 0xff, sizeof(m.defaults));
        for (int i = 0; i < STEPS; i++)
            step(&m);
        testing_fini(&m.t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_random) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
