// SPDX-License-Identifier: MIT
/* "times,weekdays,mdays,months[,timezone]", where '|' separates as well as ','. Each but the last
 * is '*', empty, or values and ranges joined by '&'. Ranges include both ends and may run over the
 * end: 22:00-6:00, fri-mon. */
#include "state/timespec.h"
#include <time.h>

#include "state/dialplan.h"

enum { DAY_MINUTES = 24 * 60 };

static const char *const weekday_names[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };
static const char *const month_names[] = { "jan", "feb", "mar", "apr", "may", "jun",
                                           "jul", "aug", "sep", "oct", "nov", "dec" };

struct unit { /* one field of a specification */
    unsigned count;
    /* 0..count-1, or -1 when `text` is no value of this unit. */
    int (*value)(const struct unit *u, struct str text, bool end);
    const char *const *names; /* NULL: numbers only */
};

/* "9:05"; as an end also "24:00", which is the last minute. */
static int minute_value(const struct unit *u, struct str text, bool end)
{
    size_t colon = str_find_char(text, ':');
    struct str minutes = str_sub(text, colon + 1, text.n);
    uint32_t h, m;

    if (colon > 2 || minutes.n != 2 || str_to_u32(&h, str_sub(text, 0, colon)) ||
        str_to_u32(&m, minutes))
        return -1;
    if (end && h == 24 && m == 0)
        return (int)u->count - 1;
    return h > 23 || m > 59 ? -1 : (int)(h * 60 + m);
}

/* A name, or a number counted from 1. */
static int named_value(const struct unit *u, struct str text, bool end)
{
    uint32_t number;

    (void)end;
    for (unsigned i = 0; u->names && i < u->count; i++)
        if (str_equal_nocase(text, str_of(u->names[i])))
            return (int)i;
    if (text.n > 2 || str_to_u32(&number, text) || number < 1 || number > u->count)
        return -1;
    return (int)number - 1;
}

static const struct unit minutes_unit = { DAY_MINUTES, minute_value, NULL };
static const struct unit weekdays_unit = { 7, named_value, weekday_names };
static const struct unit monthdays_unit = { 31, named_value, NULL };
static const struct unit months_unit = { 12, named_value, month_names };

static void bit_set(uint32_t *bits, unsigned i)
{
    bits[i / 32] |= 1u << (i % 32);
}

static bool bit_has(const uint32_t *bits, unsigned i)
{
    return bits[i / 32] >> (i % 32) & 1;
}

static bool range_read(const struct unit *u, struct str text, uint32_t *bits)
{
    struct str rest = text, first = str_next(&rest, '-');
    int from = u->value(u, first, false);
    int to = rest.p ? u->value(u, str_trim(rest), true) : from;

    if (from < 0 || to < 0)
        return false;
    for (unsigned i = (unsigned)from; i != (unsigned)to; i = (i + 1) % u->count)
        bit_set(bits, i);
    bit_set(bits, (unsigned)to);
    return true;
}

static bool field_read(const struct unit *u, struct str text, uint32_t *bits)
{
    struct str rest = text;

    if (text.n == 0 || str_equal(text, STR("*"))) {
        for (unsigned i = 0; i < u->count; i++)
            bit_set(bits, i);
        return true;
    }
    while (rest.p)
        if (!range_read(u, str_next(&rest, '&'), bits))
            return false;
    return true;
}

static struct str field_next(struct str *rest)
{
    size_t comma = str_find_char(*rest, ','), bar = str_find_char(*rest, '|');

    return str_next(rest, bar < comma ? '|' : ',');
}

int time_rule_parse(struct time_rule *out, struct str spec, struct str *zone)
{
    struct time_rule rule = { .zone = NULL };
    struct str rest = str_trim(spec), name;

    if (!field_read(&minutes_unit, field_next(&rest), rule.minutes) ||
        !field_read(&weekdays_unit, field_next(&rest), &rule.weekdays) ||
        !field_read(&monthdays_unit, field_next(&rest), &rule.monthdays) ||
        !field_read(&months_unit, field_next(&rest), &rule.months))
        return DIALPLAN_BAD_TIME;
    name = field_next(&rest);
    if (rest.p)
        return DIALPLAN_BAD_TIME;
    *zone = name;
    *out = rule;
    return 0;
}

bool time_rule_holds(const struct time_rule *rule, uint64_t wall_ms)
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;

    if (rule->zone) {
        t += (time_t)zone_offset_s(rule->zone, t);
        if (!gmtime_r(&t, &tm))
            return false;
    } else if (!localtime_r(&t, &tm)) {
        return false;
    }
    return bit_has(rule->minutes, (unsigned)(tm.tm_hour * 60 + tm.tm_min)) &&
           bit_has(&rule->weekdays, (unsigned)tm.tm_wday) &&
           bit_has(&rule->monthdays, (unsigned)tm.tm_mday - 1) &&
           bit_has(&rule->months, (unsigned)tm.tm_mon);
}

int timespec_holds(struct str spec, uint64_t wall_ms, bool *holds)
{
    struct zone *zone = NULL;
    struct time_rule rule;
    struct str name;
    int r = time_rule_parse(&rule, spec, &name);

    if (r)
        return r;
    if (name.n) {
        r = zone_create(&zone, name);
        if (r)
            return r < 0 ? r : DIALPLAN_BAD_TIME;
    }
    rule.zone = zone;
    *holds = time_rule_holds(&rule, wall_ms);
    zone_destroy(zone);
    return 0;
}
