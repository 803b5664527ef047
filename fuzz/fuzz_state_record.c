// SPDX-License-Identifier: MIT
/* Records of states as they are read at a start: a letter for the table, the name up to a zero, the
 * bytes. What passes the check is taken, and what is taken then is kept so that it passes again. */
#include "base/keep_testing.h"
#include "publication/mailbox.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t now(void *ctx)
{
    (void)ctx;
    return 1000000;
}

static int composed(void *ctx, const struct resource_name *name,
                    const struct event_state *composite, void **kept)
{
    (void)ctx;
    (void)name;
    (void)composite;
    (void)kept;
    return 0;
}

static void ignore_counts(void *ctx, struct str mailbox, const struct mailbox_counts *counts)
{
    (void)ctx;
    (void)mailbox;
    (void)counts;
}

struct all {
    struct state_core *core;
    struct publication_store *publications;
    struct mailboxes *mailboxes;
};

static void begin(struct all *a, struct keep_testing *kept, const struct clock *clock,
                  struct rng *rng, struct wheel *wheel)
{
    struct dialplan_context *ctx;
    struct dialplan *dp;

    BUG_UNLESS(
        state_create(&a->core, &(struct state_config){ .keep = keep_testing_port(kept),
                                                       .switches = { .asterisk_autohints = true },
                                                       .clock = clock,
                                                       .rng = rng }) == 0);
    BUG_UNLESS(dialplan_create(&dp) == 0);
    BUG_UNLESS(dialplan_context_get(dp, STR("a"), &ctx) == 0);
    dialplan_autohints_set(ctx, true);
    BUG_UNLESS(state_dialplan_apply(a->core, dp) == 0);
    BUG_UNLESS(publication_store_create(
                   &a->publications, &(struct publication_config){ .port = { .composed = composed },
                                                                   .wheel = wheel,
                                                                   .clock = clock,
                                                                   .rng = rng }) == 0);
    BUG_UNLESS(mailboxes_create(&a->mailboxes, a->core, a->publications,
                                &(struct mailbox_port){ .here = ignore_counts,
                                                        .unsolicited = ignore_counts,
                                                        .keep = keep_testing_port(kept) },
                                rng) == 0);
}

static int check(const struct keep_record *r)
{
    return r->table == KEEP_MAILBOX ? mailbox_record_check(r) : state_record_check(r);
}

static void restore(struct all *a, const struct keep_record *r)
{
    int result =
        r->table == KEEP_MAILBOX ? mailbox_restore(a->mailboxes, r) : state_restore(a->core, r);

    BUG_UNLESS((check(r) == -EBADMSG) == (result == -EBADMSG));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum keep_table tables[] = { KEEP_DEVICE, KEEP_PRESENCE, KEEP_AUTOHINT,
                                              KEEP_MAILBOX };
    const struct clock clock = { now, now, NULL };
    struct str rest = { (const char *)data, size };
    struct keep_testing *kept = calloc(1, sizeof(*kept));
    struct keep_record record = { .table = tables[size ? data[0] % ARRAY_LEN(tables) : 0] };
    struct wheel wheel;
    struct all a;
    struct rng rng;

    rest = str_sub(rest, 1, rest.n);
    record.name = str_next(&rest, '\0');
    record.bytes = rest;
    if (kept && record.bytes.n && record.name.n + record.bytes.n < 1000) {
        rng_init_seeded(&rng, 1);
        wheel_init(&wheel, 0);
        begin(&a, kept, &clock, &rng, &wheel);
        restore(&a, &record);
        state_keep_all(a.core);
        mailboxes_keep_all(a.mailboxes);
        for (size_t i = 0; i < kept->n; i++)
            BUG_UNLESS(kept->kept[i].record.table == KEEP_TABLES ||
                       check(&kept->kept[i].record) == 0);
        mailboxes_destroy(a.mailboxes);
        publication_store_destroy(a.publications);
        state_destroy(a.core);
        wheel_fini(&wheel);
    }
    free(kept);
    return 0;
}
