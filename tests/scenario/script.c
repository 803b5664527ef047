// SPDX-License-Identifier: MIT
/* The words of a scenario that change its world, and the table of all. */
#include "scenario.h"

struct str word_next(struct str *text)
{
    struct str word;

    *text = str_trim(*text);
    word = str_sub(*text, 0, str_find_char(*text, ' '));
    *text = str_trim(str_sub(*text, word.n, text->n));
    return word;
}

struct peer *peer_named(struct script *s, struct str name)
{
    for (size_t i = 0; i < s->world.n_peers; i++)
        if (str_equal(s->world.peers[i].name, name))
            return &s->world.peers[i];
    (void)SCRIPT_FAIL(s, "there is no peer %.*s", STR_FMT(name));
    return NULL;
}

/* ---- before the start ---- */

/* file NAME: a block. Given again it is another text from the next reload on. */
static int do_file(struct script *s, struct str rest)
{
    struct str name = word_next(&rest), block = script_block(s);
    struct world *w = &s->world;
    size_t i = 0;

    while (i < w->n_files && !str_equal(w->files[i].name, name))
        i++;
    if (i == FILES_MAX)
        return SCRIPT_FAIL(s, "there are more than %d files", FILES_MAX);
    w->files[i].name = name;
    w->files[i].text = block;
    w->n_files += i == w->n_files;
    return 0;
}

static int do_set(struct script *s, struct str rest)
{
    struct world *w = &s->world;

    if (w->n_overrides == OVERRIDES_MAX)
        return SCRIPT_FAIL(s, "there are more than %d settings", OVERRIDES_MAX);
    w->overrides[w->n_overrides++] = rest;
    return 0;
}

static int do_peer(struct script *s, struct str rest)
{
    struct world *w = &s->world;
    struct peer *p = &w->peers[w->n_peers];

    if (w->n_peers == PEERS_MAX)
        return SCRIPT_FAIL(s, "there are more than %d peers", PEERS_MAX);
    *p = (struct peer){ .name = word_next(&rest) };
    if (addr_parse(&p->addr, rest, 5060))
        return SCRIPT_FAIL(s, "this is no address: %.*s", STR_FMT(rest));
    w->n_peers++;
    return 0;
}

/* ---- the configuration ---- */

/* What its sources said while nothing ran; without a store, what they said at all. */
static int say_again(struct script *s)
{
    struct world *w = &s->world;
    size_t n = w->n_said;
    int r = 0;

    w->n_said = 0;
    for (size_t i = 0; i < n && r == 0; i++)
        r = script_line(s, w->said[i]);
    return r;
}

static int do_start(struct script *s, struct str rest)
{
    struct buf problems;
    int r;

    (void)rest;
    if (s->world.started && !s->world.killed)
        return SCRIPT_FAIL(s, "it has started already");
    buf_init(&problems, 1 << 16);
    r = world_start(&s->world, &problems);
    if (r || problems.n)
        r = SCRIPT_FAIL(s, "the configuration has problems (%d):\n%.*s", r,
                        STR_FMT(buf_str(&problems)));
    buf_fini(&problems);
    if (r == 0)
        r = say_again(s);
    if (r == 0)
        r = world_restore(&s->world);
    return r;
}

/* kill; kill power: every word that was kept in memory is gone, too. */
static int do_kill(struct script *s, struct str rest)
{
    world_kill(&s->world, str_equal(rest, STR("power")));
    return 0;
}

static int do_restart(struct script *s, struct str rest)
{
    int r = do_kill(s, rest);

    return r ? r : do_start(s, STR_EMPTY);
}

/* store works, slow, or fails; without the word before `start` there is none. */
static int do_store(struct script *s, struct str rest)
{
    static const struct str names[] = { [STORE_WORKS] = STR_INIT("works"),
                                        [STORE_SLOW] = STR_INIT("slow"),
                                        [STORE_FAILS] = STR_INIT("fails") };
    struct world *w = &s->world;

    if (w->started && !w->store)
        return SCRIPT_FAIL(s, "a store comes before start");
    for (unsigned i = STORE_WORKS; i < ARRAY_LEN(names); i++) {
        if (!str_equal(names[i], rest))
            continue;
        w->store = (enum world_store)i;
        world_settle(w);
        return 0;
    }
    return SCRIPT_FAIL(s, "store works, slow or fails");
}

/* reload; reload tells TEXT: TEXT is among the problems; reload fails TEXT: it is refused, too. */
static int do_reload(struct script *s, struct str rest)
{
    struct str how = word_next(&rest);
    bool fails = str_equal(how, STR("fails")), tells = fails || str_equal(how, STR("tells"));
    struct buf problems;
    int r;

    buf_init(&problems, 1 << 16);
    r = world_reload(&s->world, &problems);
    if (r == (fails ? -EINVAL : 0) &&
        (tells ? str_contains_nocase(buf_str(&problems), rest) : problems.n == 0))
        r = 0;
    else
        r = SCRIPT_FAIL(s, "the reload has gone another way (%d):\n%.*s", r,
                        STR_FMT(buf_str(&problems)));
    buf_fini(&problems);
    return r;
}

/* ---- states ---- */

/* device NAME STATE [SOURCE]; with "-" the source no longer says anything. */
static int do_device(struct script *s, struct str rest)
{
    SUBJECT;
    struct str device = word_next(&rest), name = word_next(&rest), source = word_next(&rest);
    enum device_state state;
    int r;

    if (!source.n)
        source = STR("test");
    if (str_equal(name, STR("-")))
        r = state_device_forget(s->world.state.core, source, device);
    else if (device_state_parse(&state, name))
        return SCRIPT_FAIL(s, "there is no device state %.*s", STR_FMT(name));
    else
        r = state_device_set(s->world.state.core, source, device, state);
    world_settle(&s->world);
    if (r == 0 || r == STATE_UNCHANGED)
        return 0;
    return SCRIPT_FAIL(s, "this state was not taken (%d)", r);
}

/* presence PROVIDER STATE[,SUBTYPE[,MESSAGE]] */
static int do_presence(struct script *s, struct str rest)
{
    SUBJECT;
    struct str provider = word_next(&rest), name = str_next(&rest, ',');
    struct str subtype = str_next(&rest, ',');
    enum presence_state state;
    int r;

    if (presence_state_parse(&state, name))
        return SCRIPT_FAIL(s, "there is no presence state %.*s", STR_FMT(name));
    r = state_presence_set(s->world.state.core, provider, state, subtype, str_trim(rest));
    world_settle(&s->world);
    if (r == 0 || r == STATE_UNCHANGED)
        return 0;
    return SCRIPT_FAIL(s, "this state was not taken (%d)", r);
}

/* mailbox NAME NEW OLD */
static int do_mailbox(struct script *s, struct str rest)
{
    SUBJECT;
    struct str name = word_next(&rest), new_text = word_next(&rest), old_text = word_next(&rest);
    uint32_t new_count, old_count;
    int r;

    if (str_to_u32(&new_count, new_text) || str_to_u32(&old_count, old_text))
        return SCRIPT_FAIL(s, "mailbox NAME NEW OLD");
    r = mailbox_set(s->world.state.mailboxes, STR("test"), name, new_count, old_count);
    world_settle(&s->world);
    return r ? SCRIPT_FAIL(s, "these counts were not taken (%d)", r) : 0;
}

/* drain REASON RETRY_AFTER RATE; drain off */
static int do_drain(struct script *s, struct str rest)
{
    SUBJECT;
    struct str reason = word_next(&rest), after = word_next(&rest), per_second = word_next(&rest);
    struct notifier *n = s->world.engine.notifier;
    struct notifier_drain how = { .reason = str_equal(reason, STR("probation"))
                                                ? NOTIFIER_DRAIN_PROBATION
                                                : NOTIFIER_DRAIN_DEACTIVATED,
                                  .workers = 1 };

    if (str_equal(reason, STR("off"))) {
        notifier_resume(n);
        return 0;
    }
    if (str_to_u32(&how.retry_after_s, after) || str_to_u32(&how.rate_per_s, per_second))
        return SCRIPT_FAIL(s, "drain REASON RETRY_AFTER RATE");
    notifier_drain(n, &how);
    return 0;
}

/* ---- time, network, the end ---- */

/* "500ms", "90s", "10m", "2h" */
static int duration_parse(struct script *s, struct str text, uint64_t *ms)
{
    static const struct {
        struct str unit;
        uint64_t ms;
    } units[] = {
        { STR_INIT("ms"), 1 },
        { STR_INIT("s"), 1000 },
        { STR_INIT("m"), 60000 },
        { STR_INIT("h"), 3600000 },
    };

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        uint64_t n;

        if (!str_ends(text, units[i].unit) ||
            str_to_u64(&n, str_sub(text, 0, text.n - units[i].unit.n)))
            continue;
        *ms = n * units[i].ms;
        return 0;
    }
    return SCRIPT_FAIL(s, "this is no duration: %.*s", STR_FMT(text));
}

static int do_advance(struct script *s, struct str rest)
{
    uint64_t ms;
    int r = duration_parse(s, rest, &ms);

    if (r == 0)
        world_advance(&s->world, ms);
    return r;
}

/* wall 3h, wall -3h: it is set forward, or back. */
static int do_wall(struct script *s, struct str rest)
{
    bool back = str_starts(rest, STR("-"));
    uint64_t ms;
    int r = duration_parse(s, str_sub(rest, back, rest.n), &ms);

    if (r == 0)
        s->world.wrong_ms += back ? -(int64_t)ms : (int64_t)ms;
    return r;
}

/* await 90s: until something is on its way, which must be before that. */
static int do_await(struct script *s, struct str rest)
{
    uint64_t left;
    int r = duration_parse(s, rest, &left);

    if (r)
        return r;
    for (; list_empty(&s->world.sent) && left; left -= left < WHEEL_TICK_MS ? left : WHEEL_TICK_MS)
        world_advance(&s->world, left < WHEEL_TICK_MS ? left : WHEEL_TICK_MS);
    return list_empty(&s->world.sent) ? SCRIPT_FAIL(s, "nothing was sent all the time") : 0;
}

static int do_network(struct script *s, struct str rest)
{
    bool down = str_equal(rest, STR("down"));

    if (!down && !str_equal(rest, STR("up")))
        return SCRIPT_FAIL(s, "network down, or up");
    s->world.networkless = down;
    return 0;
}

static int do_stop(struct script *s, struct str rest)
{
    SUBJECT;
    (void)rest;
    engine_stop(&s->world.engine);
    world_settle(&s->world);
    return 0;
}

/* busy yes, or no: is there something unanswered or still to be sent? */
static int do_busy(struct script *s, struct str rest)
{
    size_t n = engine_busy(&s->world.engine);

    if (str_equal(rest, n ? STR("yes") : STR("no")))
        return 0;
    return SCRIPT_FAIL(s, "%zu things are unfinished", n);
}

/* ---- all words ---- */

enum word_when { ANY_TIME, STARTED, RUNNING };

static const struct {
    struct str name;
    int (*run)(struct script *s, struct str rest);
    enum word_when when;
} words[] = {
    { STR_INIT("file"), do_file, ANY_TIME },
    { STR_INIT("set"), do_set, ANY_TIME },
    { STR_INIT("peer"), do_peer, ANY_TIME },
    { STR_INIT("let"), script_let, ANY_TIME },
    { STR_INIT("start"), do_start, ANY_TIME },
    { STR_INIT("store"), do_store, ANY_TIME },
    { STR_INIT("kill"), do_kill, RUNNING },
    { STR_INIT("restart"), do_restart, RUNNING },
    { STR_INIT("reload"), do_reload, RUNNING },
    { STR_INIT("device"), do_device, STARTED },
    { STR_INIT("presence"), do_presence, STARTED },
    { STR_INIT("mailbox"), do_mailbox, STARTED },
    { STR_INIT("drain"), do_drain, RUNNING },
    { STR_INIT("advance"), do_advance, STARTED },
    { STR_INIT("await"), do_await, STARTED },
    { STR_INIT("wall"), do_wall, STARTED },
    { STR_INIT("network"), do_network, STARTED },
    { STR_INIT("stop"), do_stop, RUNNING },
    { STR_INIT("busy"), do_busy, RUNNING },
    { STR_INIT("send"), script_send, STARTED },
    { STR_INIT("resend"), script_resend, STARTED },
    { STR_INIT("answer"), script_answer, STARTED },
    { STR_INIT("expect"), script_expect, STARTED },
    { STR_INIT("again"), script_again, STARTED },
    { STR_INIT("authorized"), script_authorized, STARTED },
    { STR_INIT("drop"), script_drop, STARTED },
    { STR_INIT("nothing"), script_nothing, STARTED },
};

/* Kept is what the process heard; while nothing runs the sources remember it themselves. */
static int said(struct script *s, struct str line)
{
    struct world *w = &s->world;

    if (w->n_said == SAID_MAX)
        return SCRIPT_FAIL(s, "there are more than %d states", SAID_MAX);
    w->said[w->n_said++] = line;
    return 0;
}

static bool is_said(struct str word)
{
    return str_equal(word, STR("device")) || str_equal(word, STR("presence")) ||
           str_equal(word, STR("mailbox"));
}

int script_line(struct script *s, struct str line)
{
    struct str rest = line, name = word_next(&rest);
    bool remembered = s->world.killed || !s->world.store;
    int r = is_said(name) && s->world.started && remembered ? said(s, line) : 0;

    if (r || (is_said(name) && s->world.killed))
        return r;

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!str_equal(words[i].name, name))
            continue;
        if ((words[i].when && !s->world.started) || (words[i].when == RUNNING && s->world.killed))
            return SCRIPT_FAIL(s, "%.*s comes after start", STR_FMT(name));
        return words[i].run(s, rest);
    }
    return SCRIPT_FAIL(s, "there is no word %.*s", STR_FMT(name));
}
