// SPDX-License-Identifier: MIT
/* pidf_id.c - ids in a PIDF document, which must be of type xs:ID and differ.
 *
 * A tuple's id is the extension where that is a name in XML ("alice"). Else it is "t" and the
 * extension, in which a byte that no name has becomes "_" and two hex digits: "1000" -> "t1000",
 * "*98" -> "t_2a98". An id means nothing beyond telling tuples apart (RFC 3863 section 4.1.2). The
 * person's id is made likewise, always with "p" ("palice", "p1000"), so that it is no tuple's.
 *
 * Published ids become ids by the same rule, "d" for those of devices. Then two can be the same:
 * those of a tuple and of a device need not differ, and "1 2" and "1_202" become one. The first
 * keeps it, and the others get their number in the document behind it until nobody else has it;
 * that cannot make two equal again, because no two numbers are. */
#include "body/pidf.h"
#include <stdio.h>

static const char digium_id[] = "digium-presence";

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool name_char(char c)
{
    return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

static bool is_name(struct es_text s)
{
    if (!s.n || s.n >= PIDF_ID_MAX || (!letter(s.p[0]) && s.p[0] != '_'))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!name_char(s.p[i]))
            return false;
    return s.n != sizeof(digium_id) - 1 || memcmp(s.p, digium_id, s.n); /* that one is taken */
}

/* `prefix` and the text as a part of an xs:ID. */
static struct es_text id_print(char room[static PIDF_ID_MAX], char prefix, struct es_text text)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;

    room[n++] = prefix;
    for (size_t i = 0; i < text.n && n + 3 <= PIDF_ID_MAX; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (name_char(text.p[i])) {
            room[n++] = text.p[i];
        } else {
            room[n++] = '_';
            room[n++] = digits[c >> 4];
            room[n++] = digits[c & 15];
        }
    }
    return (struct es_text){ room, n };
}

static struct es_text id_of(char room[static PIDF_ID_MAX], char prefix, struct es_text text)
{
    return is_name(text) ? text : id_print(room, prefix, text);
}

struct es_text pidf_tuple_id(char room[static PIDF_ID_MAX], struct es_text extension)
{
    return id_of(room, 't', extension);
}

struct es_text pidf_person_id(char room[static PIDF_ID_MAX], struct es_text extension)
{
    return id_print(room, 'p', extension);
}

/* ---- the elements of a published presence ---- */

size_t pidf_device_item(const struct es_presence *p, size_t device)
{
    return p->n_tuples + device;
}

size_t pidf_person_item(const struct es_presence *p)
{
    return p->n_tuples + p->n_devices;
}

size_t pidf_resource_item(const struct es_presence *p)
{
    return pidf_person_item(p) + 1;
}

/* The id of an element as if there were no others. */
static struct es_text item_wish(char room[static PIDF_ID_MAX], const struct es_snapshot *s,
                                size_t item)
{
    const struct es_presence *p = s->published_presence;

    if (item < p->n_tuples)
        return id_of(room, 't', p->tuples[item].id);
    if (item < pidf_person_item(p))
        return id_of(room, 'd', p->devices[item - p->n_tuples].id);
    if (item == pidf_resource_item(p))
        return pidf_tuple_id(room, s->extension);
    if (p->n_persons && p->persons[0].id.n)
        return id_of(room, 'p', p->persons[0].id);
    return pidf_person_id(room, s->extension);
}

/* Is it what one of the first `n` elements wishes? */
static bool id_wished(const struct es_snapshot *s, struct es_text id, size_t n)
{
    char room[PIDF_ID_MAX];

    for (size_t i = 0; i < n; i++) {
        struct es_text wish = item_wish(room, s, i);

        if (wish.n == id.n && !memcmp(wish.p, id.p, id.n))
            return true;
    }
    return false;
}

struct es_text pidf_item_id(char room[static PIDF_ID_MAX], const struct es_snapshot *s, size_t item)
{
    struct es_text id = item_wish(room, s, item);
    char suffix[24];
    size_t n, room_for = PIDF_ID_MAX;
    bool taken = id_wished(s, id, item);

    if (!taken)
        return id;
    n = (size_t)snprintf(suffix, sizeof(suffix), "-%zu", item + 1);
    room_for -= n;
    memmove(room, id.p, id.n < room_for ? id.n : room_for);
    id = (struct es_text){ room, id.n < room_for ? id.n : room_for };
    while (taken && id.n <= room_for) {
        memcpy(room + id.n, suffix, n);
        id.n += n;
        taken = id_wished(s, id, pidf_resource_item(s->published_presence) + 1);
    }
    return id;
}
