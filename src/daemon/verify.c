// SPDX-License-Identifier: MIT
/* What only the store can say of itself, for the control socket. The main thread may go on while it
 * is read: until the process ends, which waits. */
#include <stdio.h>

#include "daemon/daemon_internal.h"

int daemon_backup(struct daemon *d, struct str file, char *why, size_t why_n)
{
    int r = -ENOTSUP;

    pthread_mutex_lock(&d->store_lock);
    if (d->store)
        r = store_backup(d->store, file, why, why_n);
    else
        snprintf(why, why_n, "nothing is kept: [general] durability is none");
    pthread_mutex_unlock(&d->store_lock);
    return r;
}

static int check(const struct keep_record *record)
{
    int r = engine_record_check(record);

    return r ? r : state_engine_record_check(record);
}

static void count(void *ctx, const struct keep_record *record)
{
    struct ctl_verification *found = ctx;
    struct ctl_table *t = &found->tables[record->table];

    t->records++;
    if (check(record) == 0 || t->wrong++)
        return;
    if (record->table < KEEP_NUMBERED)
        snprintf(t->first, sizeof(t->first), "%llu", (unsigned long long)record->number);
    else
        snprintf(t->first, sizeof(t->first), "%.*s", STR_FMT(record->name));
    for (char *p = t->first; *p; p++)
        if (*p == '\t')
            *p = ' '; /* between the parts of a name */
}

int daemon_verify(struct daemon *d, struct ctl_verification *found, char *why, size_t why_n)
{
    int r = -ENOTSUP;

    for (unsigned t = 0; t < KEEP_TABLES; t++)
        found->tables[t].name = store_table_name(t);
    pthread_mutex_lock(&d->store_lock);
    if (d->store)
        r = store_verify(d->store, count, found, why, why_n);
    else
        snprintf(why, why_n, "nothing is kept: [general] durability is none");
    pthread_mutex_unlock(&d->store_lock);
    found->n = r == 0 || r == -EUCLEAN ? KEEP_TABLES : 0;
    return r;
}
