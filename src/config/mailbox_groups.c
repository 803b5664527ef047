// SPDX-License-Identifier: MIT
/* Lists of mailboxes, and those that a subscription sums: of each AOR, and of all AORs that an
 * endpoint has. */
#include "config/pjsip.h"

#include <stdlib.h>

/* ---- lists ---- */

bool mailbox_next(struct str *rest, struct str *name)
{
    while (rest->p) {
        *name = str_next(rest, ',');
        if (name->n && name->n <= MAILBOX_NAME_MAX)
            return true;
    }
    return false;
}

bool mailboxes_have(struct str list, struct str mailbox)
{
    struct str name;

    while (mailbox_next(&list, &name))
        if (str_equal(name, mailbox))
            return true;
    return false;
}

bool mailboxes_meet(struct str a, struct str b)
{
    struct str name;

    while (mailbox_next(&a, &name))
        if (mailboxes_have(b, name))
            return true;
    return false;
}

/* ---- groups ---- */

static const struct mailbox_group *group_find(const struct settings *s, enum pjsip_kind kind,
                                              struct str id)
{
    size_t i;

    return settings_id_find(s, kind, id, &i) ? &s->mailbox_groups[i] : NULL;
}

const struct mailbox_group *settings_mailbox_group(const struct settings *s, struct str name)
{
    return group_find(s, SETTINGS_MAILBOX_GROUP, name);
}

const struct mailbox_group *settings_endpoint_group(const struct settings *s, struct str endpoint)
{
    return group_find(s, SETTINGS_ENDPOINT_GROUP, endpoint);
}

static int group_add(struct settings *s, const struct mailbox_group *g)
{
    int r = ARRAY_GROW(s->mailbox_groups, s->n_mailbox_groups);

    if (!r)
        r = settings_id_add(s, SETTINGS_MAILBOX_GROUP, g->name, s->n_mailbox_groups);
    if (!r)
        s->mailbox_groups[s->n_mailbox_groups++] = *g;
    return r;
}

static int aor_group_add(struct settings *s, const struct aor_settings *a)
{
    const struct mailbox_group g = { .name = a->id,
                                     .mailboxes = a->mailboxes,
                                     .account = a->voicemail_extension.n
                                                    ? a->voicemail_extension
                                                    : s->global.default_voicemail_extension };

    return a->mailboxes.n ? group_add(s, &g) : 0;
}

/* As of every sum: the account that those who have one have in common. */
static struct str account_of(const struct mailbox_group *const *of, size_t n)
{
    struct str account = STR_EMPTY;

    for (size_t i = 0; i < n; i++) {
        if (account.n && of[i]->account.n && !str_equal(account, of[i]->account))
            return STR_EMPTY;
        if (of[i]->account.n)
            account = of[i]->account;
    }
    return account;
}

/* "a,b", with the mailboxes of both; there may be another endpoint that has the same AORs. */
static int groups_join(struct reading *r, struct settings *s, const struct mailbox_group *const *of,
                       size_t n, size_t *index)
{
    struct mailbox_group g = { .account = account_of(of, n) };
    struct buf name, mailboxes;
    int result;

    buf_init(&name, SIZE_MAX / 2);
    buf_init(&mailboxes, SIZE_MAX / 2);
    for (size_t i = 0; i < n; i++) {
        buf_add(&name, i ? STR(",") : STR_EMPTY);
        buf_add(&name, of[i]->name);
        buf_add(&mailboxes, i ? STR(",") : STR_EMPTY);
        buf_add(&mailboxes, of[i]->mailboxes);
    }
    result = name.error ? name.error : mailboxes.error;
    if (result || settings_id_find(s, SETTINGS_MAILBOX_GROUP, buf_str(&name), index))
        goto out;
    *index = s->n_mailbox_groups;
    result = arena_str(r->arena, &g.name, buf_str(&name));
    if (!result)
        result = arena_str(r->arena, &g.mailboxes, buf_str(&mailboxes));
    if (!result)
        result = group_add(s, &g);
out:
    buf_fini(&name);
    buf_fini(&mailboxes);
    return result;
}

static bool groups_have(const struct mailbox_group *const *groups, size_t n,
                        const struct mailbox_group *g)
{
    for (size_t i = 0; i < n; i++)
        if (groups[i] == g)
            return true;
    return false;
}

static int endpoint_group_add(struct reading *r, struct settings *s,
                              const struct endpoint_settings *e)
{
    const struct mailbox_group **of = calloc(e->n_aors + 1, sizeof(*of)), *g;
    size_t n = 0, index = 0;
    int result = 0;

    if (!of)
        return -ENOMEM;
    for (size_t i = 0; i < e->n_aors; i++) {
        g = settings_mailbox_group(s, e->aors[i]);
        if (g && !groups_have(of, n, g))
            of[n++] = g;
    }
    if (n == 1)
        index = (size_t)(of[0] - s->mailbox_groups);
    else if (n)
        result = groups_join(r, s, of, n, &index);
    if (n && !result)
        result = settings_id_add(s, SETTINGS_ENDPOINT_GROUP, e->id, index);
    free(of);
    return result;
}

int mailbox_groups_make(struct reading *r, struct settings *s)
{
    int result = 0;

    for (size_t i = 0; i < s->n_aors && !result; i++)
        result = aor_group_add(s, &s->aors[i]);
    for (size_t i = 0; i < s->n_endpoints && !result; i++)
        result = endpoint_group_add(r, s, &s->endpoints[i]);
    return result;
}
