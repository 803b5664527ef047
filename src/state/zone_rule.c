// SPDX-License-Identifier: MIT
#include "state/zone_rule.h"

static const int64_t day_s = 86400;

/* ---- reading ---- */

static bool digits(struct cursor *c, int max_digits, int *out)
{
    int value = 0, n = 0;

    while (n < max_digits && !cursor_done(c) && *c->p >= '0' && *c->p <= '9') {
        value = value * 10 + (*c->p++ - '0');
        n++;
    }
    *out = value;
    return n > 0;
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "CET" or "<+03>". */
static bool name_skip(struct cursor *c)
{
    size_t n = 0;

    if (cursor_char(c, '<')) {
        n = cursor_until(c, '>').n;
        return n > 0 && cursor_char(c, '>');
    }
    for (; !cursor_done(c) && letter(*c->p); c->p++)
        n++;
    return n >= 3;
}

/* [+-]hh[:mm[:ss]], hours up to 167 */
static bool seconds(struct cursor *c, int64_t *out)
{
    bool negative = cursor_char(c, '-');
    int h = 0, m = 0, s = 0;

    if (!negative)
        cursor_char(c, '+');
    if (!digits(c, 3, &h) || h > 167)
        return false;
    if (cursor_char(c, ':') && (!digits(c, 2, &m) || m > 59))
        return false;
    if (cursor_char(c, ':') && (!digits(c, 2, &s) || s > 59))
        return false;
    *out = INT64_C(3600) * h + INT64_C(60) * m + s;
    if (negative)
        *out = -*out;
    return true;
}

static bool day_of_week(struct cursor *c, struct zone_day *d)
{
    d->kind = ZONE_DAY_OF_WEEK;
    return digits(c, 2, &d->month) && cursor_char(c, '.') && digits(c, 1, &d->week) &&
           cursor_char(c, '.') && digits(c, 1, &d->day) && d->month >= 1 && d->month <= 12 &&
           d->week >= 1 && d->week <= 5 && d->day <= 6;
}

/* ",M3.5.0/2", ",J60", ",59" */
static bool day(struct cursor *c, struct zone_day *d)
{
    *d = (struct zone_day){ .time_s = INT64_C(2) * 3600 };
    if (!cursor_char(c, ','))
        return false;
    if (cursor_char(c, 'M')) {
        if (!day_of_week(c, d))
            return false;
    } else {
        bool julian = cursor_char(c, 'J');

        d->kind = julian ? ZONE_DAY_JULIAN : ZONE_DAY_OF_YEAR;
        if (!digits(c, 3, &d->day) || d->day > 365 || (julian && d->day < 1))
            return false;
    }
    return !cursor_char(c, '/') || seconds(c, &d->time_s);
}

int zone_rule_parse(struct zone_rule *out, struct str text)
{
    struct zone_rule rule = { .has_summer = false };
    struct cursor c = cursor_on(text);

    if (!name_skip(&c) || !seconds(&c, &rule.standard_s))
        return -EINVAL;
    rule.standard_s = -rule.standard_s; /* POSIX counts westwards */
    if (!cursor_done(&c)) {
        rule.has_summer = true;
        if (!name_skip(&c))
            return -EINVAL;
        rule.summer_s = rule.standard_s + 3600;
        if (!cursor_done(&c) && *c.p != ',') {
            if (!seconds(&c, &rule.summer_s))
                return -EINVAL;
            rule.summer_s = -rule.summer_s;
        }
        if (!day(&c, &rule.start) || !day(&c, &rule.end) || !cursor_done(&c))
            return -EINVAL;
    }
    *out = rule;
    return 0;
}

/* ---- reckoning ---- */

static bool leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t days_to_month(int64_t year, int month)
{
    static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
    int64_t y = year - 1; /* years that are over */
    int64_t days = 365 * y + floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400);

    return days - 719162 + before[month - 1] + (month > 2 && leap(year));
}

static int64_t year_of(int64_t unix_s)
{
    int64_t days = floor_div(unix_s, day_s);
    int64_t year = 1970 + floor_div(days * 400, 146097); /* right, or one too many or too few */

    while (days_to_month(year, 1) > days)
        year--;
    while (days_to_month(year + 1, 1) <= days)
        year++;
    return year;
}

static int64_t day_in(const struct zone_day *d, int64_t year)
{
    int64_t first, next, date;

    switch (d->kind) {
    case ZONE_DAY_JULIAN: /* 1..365: the 29th of February is never counted */
        return days_to_month(year, 1) + d->day - 1 + (leap(year) && d->day > 59);
    case ZONE_DAY_OF_YEAR:
        return days_to_month(year, 1) + d->day;
    case ZONE_DAY_OF_WEEK:
        break;
    }
    first = days_to_month(year, d->month);
    next = d->month == 12 ? days_to_month(year + 1, 1) : days_to_month(year, d->month + 1);
    /* 1970-01-01 was a Thursday, day 4 */
    date = first + (d->day - (first + 4) % 7 + 14) % 7 + INT64_C(7) * (d->week - 1);
    while (date >= next)
        date -= 7; /* week 5 is the last one, whichever that is */
    return date;
}

int64_t zone_rule_offset_s(const struct zone_rule *rule, int64_t unix_s)
{
    int64_t year, start, end;
    bool summer;

    if (!rule->has_summer)
        return rule->standard_s;
    year = year_of(unix_s + rule->standard_s);
    start = day_in(&rule->start, year) * day_s + rule->start.time_s - rule->standard_s;
    end = day_in(&rule->end, year) * day_s + rule->end.time_s - rule->summer_s;
    /* South of the equator summer is what is left of the year. */
    summer = start < end ? unix_s >= start && unix_s < end : unix_s >= start || unix_s < end;
    return summer ? rule->summer_s : rule->standard_s;
}
