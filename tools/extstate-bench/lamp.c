// SPDX-License-Identifier: MIT
#include "lamp.h"

static const struct {
    const char *device_state, *dialog_state;
} lamps[LAMPS] = {
    [LAMP_IDLE] = { "NOT_INUSE", "terminated" },
    [LAMP_RINGING] = { "RINGING", "early" },
    [LAMP_BUSY] = { "INUSE", "confirmed" },
    [LAMP_HELD] = { "ONHOLD", "confirmed" },
};

#define RENDERING "+sip.rendering" /* RFC 4235 section 4.1.6.2: how held calls are told */

const char *lamp_device_state(enum lamp lamp)
{
    return lamps[lamp].device_state;
}

/* The content of the first <state>; the root has an attribute of that name. */
static struct str find_state(struct str document)
{
    const char *end = document.p + document.n, *p = document.n ? document.p : NULL;

    while (p && (p = memmem(p, (size_t)(end - p), "<state", 6))) {
        p += 6;
        if (p < end && (*p == '>' || *p == ' ')) {
            struct cursor c = { p, end };

            (void)cursor_until(&c, '>');
            if (cursor_char(&c, '>'))
                return str_trim(cursor_until(&c, '<'));
        }
    }
    return STR_EMPTY;
}

enum lamp lamp_read(struct str document)
{
    struct str state = find_state(document);
    bool held = document.n && memmem(document.p, document.n, RENDERING, sizeof(RENDERING) - 1);

    if (!document.n)
        return LAMP_DARK;
    if (!state.n) /* no dialog at all: that is idle as well */
        return memmem(document.p, document.n, "<dialog-info", 12) ? LAMP_IDLE : LAMP_DARK;
    for (enum lamp l = LAMP_IDLE; l < LAMPS; l++)
        if (str_equal(state, str_of(lamps[l].dialog_state)))
            return l == LAMP_BUSY && held ? LAMP_HELD : l;
    return LAMP_DARK;
}

void lamp_print(struct buf *out, enum lamp lamp, struct str entity, uint32_t version)
{
    buf_printf(out,
               "<?xml version=\"1.0\"?>\n"
               "<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"%u\" "
               "state=\"full\" entity=\"",
               version);
    buf_add_xml(out, entity);
    buf_add(out, STR("\">\n"));
    if (lamp != LAMP_IDLE)
        buf_printf(out, "<dialog id=\"bench\" direction=\"initiator\"><state>%s</state>",
                   lamps[lamp].dialog_state);
    if (lamp == LAMP_HELD) {
        buf_add(out, STR("<local><target uri=\""));
        buf_add_xml(out, entity);
        buf_add(out, STR("\"><param pname=\"" RENDERING "\" pvalue=\"no\"/></target></local>"));
    }
    if (lamp != LAMP_IDLE)
        buf_add(out, STR("</dialog>\n"));
    buf_add(out, STR("</dialog-info>\n"));
}
