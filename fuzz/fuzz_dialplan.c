// SPDX-License-Identifier: MIT
/* Everything a line of a dialplan can hold. The lines of an input are: a pattern, another one, what
 * is dialled, a time specification, a text with variables, a hint, the value of a global; what is
 * missing is empty. */
#include "state/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct lines {
    struct str pattern, other, dialled, times, text, hint, global;
};

static struct str line_next(struct str *rest)
{
    size_t end = str_find_char(*rest, '\n');
    struct str line = str_sub(*rest, 0, end);

    *rest = str_sub(*rest, end + 1, rest->n);
    return line;
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

/* Order is total, and equal patterns match the same. */
static void patterns(const struct lines *in)
{
    int order = sign(dialplan_pattern_compare(in->pattern, in->other));
    bool one = dialplan_pattern_matches(in->pattern, in->dialled);
    bool two = dialplan_pattern_matches(in->other, in->dialled);

    BUG_UNLESS(order == -sign(dialplan_pattern_compare(in->other, in->pattern)));
    BUG_UNLESS(dialplan_pattern_compare(in->pattern, in->pattern) == 0);
    BUG_UNLESS(order || one == two || str_equal(in->pattern, in->dialled) ||
               str_equal(in->other, in->dialled));
    BUG_UNLESS(dialplan_pattern_matches(in->pattern, in->pattern));
}

static void times(const struct lines *in)
{
    bool holds;

    for (uint64_t wall_ms = 0; wall_ms < 3; wall_ms++)
        (void)!timespec_holds(in->times, wall_ms * 1000003 * 86400, &holds);
}

static void substitution(const struct dialplan *dp, const struct lines *in)
{
    struct buf b;

    buf_init(&b, 16384);
    dialplan_substitute(dp, in->text, STR("users"), in->dialled, 1700000000000, &b);
    BUG_UNLESS(b.error == -EMSGSIZE || (b.error == 0 && b.n <= 4095));
    buf_fini(&b);
}

static struct dialplan *plan(const struct lines *in)
{
    const struct str extensions[] = { in->pattern, in->other, STR("1000"), STR("_!") };
    struct dialplan_context *ctx;
    struct dialplan *dp;

    BUG_UNLESS(dialplan_create(&dp) == 0);
    BUG_UNLESS(dialplan_global_set(dp, STR("GLOBAL"), in->global) == 0);
    BUG_UNLESS(dialplan_context_get(dp, STR("users"), &ctx) == 0);
    for (size_t i = 0; i < ARRAY_LEN(extensions); i++) {
        const struct hint_spec spec = { .extension = extensions[i], .text = in->hint };

        BUG_UNLESS(dialplan_hint_add(ctx, &spec) >= 0);
    }
    BUG_UNLESS(dialplan_include_add(ctx, in->times) >= 0);
    dialplan_autohints_set(ctx, true);
    return dp;
}

static void core(struct dialplan *dp, const struct lines *in)
{
    struct rng rng;
    struct state_core *c;
    const struct snapshot *s;
    const struct resource_name dialled = { .context = STR("users"), .extension = in->dialled },
                               known = { .context = STR("users"), .extension = STR("1000") };
    const struct state_config cfg = { .clock = &clock_system, .rng = &rng };

    rng_init_seeded(&rng, 1);
    BUG_UNLESS(state_create(&c, &cfg) == 0);
    BUG_UNLESS(state_dialplan_apply(c, dp) == 0);
    (void)!state_watch(c, &dialled, false, 0, &s, NULL);
    (void)!state_device_set(c, STR("fuzz"), in->hint, DEVICE_RINGING);
    (void)!state_presence_set(c, in->hint, PRESENCE_AWAY, in->text, in->times);
    BUG_UNLESS(state_watch(c, &known, false, 0, &s, NULL) == 0);
    state_destroy(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = { (const char *)data, size };
    struct lines in = { .pattern = line_next(&rest) };
    struct dialplan *dp;

    in.other = line_next(&rest);
    in.dialled = line_next(&rest);
    in.times = line_next(&rest);
    in.text = line_next(&rest);
    in.hint = line_next(&rest);
    in.global = line_next(&rest);
    patterns(&in);
    times(&in);
    dp = plan(&in);
    substitution(dp, &in);
    core(dp, &in);
    return 0;
}
