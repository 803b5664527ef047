// SPDX-License-Identifier: MIT
/* Contacts that do not answer survive by name, so that after a restart no lamp says otherwise for
 * the time it takes to ask them: "aor TAB target". Two telephones behind two NATs may call
 * themselves the same, but are not asked at the same place. */
#include "registrar/contacts_internal.h"

#include "base/record.h"

#include <stdlib.h>

enum { FORMAT = 1, RECORD_NAME_MAX = 4096 };

struct silence { /* of a former process, until contacts_configure */
    struct list link;
    struct str aor, target;
    char text[];
};

static int name_split(struct str *aor, struct str *target, struct str name)
{
    size_t at = str_find_char(name, '\t');

    *aor = str_sub(name, 0, at);
    *target = str_sub(name, at + 1, name.n);
    return at && target->n ? 0 : -EBADMSG;
}

int silence_record_check(const struct keep_record *record)
{
    struct record r = record_of(record->bytes);
    struct str aor, target;

    return record_u64(&r) != FORMAT || r.error ? -EBADMSG : name_split(&aor, &target, record->name);
}

/* It is not worth waiting for memory: without it the contact is asked like any other. */
static void put(const struct contacts *t, struct str aor, struct str target, bool silent)
{
    char name_room[RECORD_NAME_MAX], bytes_room[16];
    struct buf name, bytes;

    buf_init_on(&name, name_room, sizeof(name_room));
    buf_add(&name, aor);
    buf_add_char(&name, '\t');
    buf_add(&name, target);
    buf_init_on(&bytes, bytes_room, sizeof(bytes_room));
    if (silent)
        record_add_u64(&bytes, FORMAT);
    if (!name.error)
        keep_put(&t->cfg.keep, &(struct keep_record){ .table = KEEP_SILENT_CONTACT,
                                                      .name = buf_str(&name),
                                                      .bytes = buf_str(&bytes) });
}

void silence_keep(const struct entry *e)
{
    put(e->table, aor_id(e->aor), e->contact->target, true);
}

void silence_forget(const struct entry *e)
{
    put(e->table, aor_id(e->aor), e->contact->target, false);
}

int silence_restore(struct contacts *t, const struct keep_record *record)
{
    struct silence *s;
    char *at;

    if (silence_record_check(record))
        return -EBADMSG;
    s = malloc(sizeof(*s) + record->name.n);
    if (!s)
        return -ENOMEM;
    (void)!name_split(&s->aor, &s->target, record->name);
    at = s->text;
    str_keep(&s->aor, &at);
    str_keep(&s->target, &at);
    list_init(&s->link);
    list_append(&t->silences, &s->link);
    return 0;
}

static struct entry *entry_of(const struct contacts *t, const struct silence *s)
{
    const struct aor *a = aor_find(t, s->aor);

    if (a)
        LIST_FOREACH (it, &a->entries)
            if (str_equal(entry_at(it)->contact->target, s->target))
                return entry_at(it);
    return NULL;
}

/* Is it asked now? What is not counts as there. */
static bool is_qualified(const struct contacts *t, const struct contact *c)
{
    const struct aor_settings *aor = settings_aor(t->settings, c->aor);

    return aor && aor->qualify_frequency_s && c->endpoint.n;
}

void silences_apply(struct contacts *t)
{
    LIST_FOREACH_SAFE (it, &t->silences) {
        struct silence *s = CONTAINER_OF(it, struct silence, link);
        struct entry *e = entry_of(t, s);

        if (e && is_qualified(t, e->contact))
            entry_reach(e, CONTACT_UNREACHED);
        else
            put(t, s->aor, s->target, false);
        list_remove(it);
        free(s);
    }
}

void silences_drop(struct contacts *t)
{
    LIST_FOREACH_SAFE (it, &t->silences) {
        list_remove(it);
        free(CONTAINER_OF(it, struct silence, link));
    }
}
