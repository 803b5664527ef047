// SPDX-License-Identifier: MIT
#include "state/names.h"
#include "state/state.h"

#include <limits.h>

struct str name_label(struct str name)
{
    size_t colon = str_find_char(name, ':'), slash = str_find_char(name, '/');

    return colon < name.n && colon < slash ? str_sub(name, 0, colon) : STR_EMPTY;
}

/* In one look, since every report comes by here. */
static void name_look(struct str name, bool *controls, bool *ascii)
{
    unsigned char bits = 0, least = UCHAR_MAX;

    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];

        bits |= c;
        least = c < least ? c : least;
    }
    *controls = least < ' ';
    *ascii = !(bits & 0x80);
}

static int name_keep(struct str *name, bool ascii, struct name_room *room)
{
    struct buf b;

    if (ascii && name->n <= sizeof(room->text)) {
        memcpy(room->text, name->p, name->n);
        name->p = room->text;
        return 0;
    }
    buf_init_on(&b, room->text, sizeof(room->text));
    buf_add_utf8(&b, *name);
    *name = buf_str(&b);
    return b.error;
}

int name_normalise(struct str *out, struct str name, struct name_room *room)
{
    static const struct str labels[] = { STR_INIT("Custom"), STR_INIT("CustomPresence") };
    bool controls, ascii;
    struct str label;

    name = str_trim(name);
    name_look(name, &controls, &ascii);
    if (name.n == 0 || controls || name_keep(&name, ascii, room))
        return STATE_BAD_NAME;
    label = name_label(name);
    for (size_t i = 0; i < ARRAY_LEN(labels); i++)
        if (label.n && str_equal_nocase(label, labels[i])) {
            if (name.n == label.n + 1)
                return STATE_BAD_NAME;
            memcpy(room->text, labels[i].p, labels[i].n);
        }
    *out = name;
    return 0;
}

int state_name_print(struct buf *out, struct str name)
{
    struct name_room room;
    int r = name_normalise(&name, name, &room);

    if (r == 0)
        buf_add(out, name);
    return r;
}

bool name_equal(struct str a, struct str b)
{
    size_t label;

    if (a.n != b.n)
        return false;
    if (str_equal(a, b))
        return true;
    label = name_label(a).n;
    if (label != name_label(b).n)
        return false;
    return str_equal_nocase(str_sub(a, 0, label), str_sub(b, 0, label)) &&
           str_equal(str_sub(a, label, a.n), str_sub(b, label, b.n));
}

bool state_names_equal(struct str a, struct str b)
{
    return name_equal(a, b);
}

uint64_t name_hash(const struct map *m, struct str name)
{
    return map_hash_nocase(m, name); /* whatever its label is; few names differ by case alone */
}

struct str name_autohint(struct str device)
{
    size_t label = name_label(device).n;
    size_t at = label ? label : str_find_char(device, '/');

    return str_sub(device, at + 1, device.n);
}

bool name_is_phone(struct str device)
{
    static const struct str others[] = {
        STR_INIT("MWI:"),      STR_INIT("Queue:"),      STR_INIT("Local/"),
        STR_INIT("Park:"),     STR_INIT("ConfBridge:"), STR_INIT("MeetMe:"),
        STR_INIT("Calendar:"), STR_INIT("ccss:"),       STR_INIT("Agent:"),
    };

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (str_starts_nocase(device, others[i]))
            return false;
    return true;
}
