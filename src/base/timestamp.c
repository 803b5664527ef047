// SPDX-License-Identifier: MIT
#include "base/timestamp.h"
#include <time.h>

/* `digits` decimal digits, then `end` unless that is NUL. */
static bool number_take(struct cursor *c, int digits, char end, int *out)
{
    for (*out = 0; digits; digits--, c->p++) {
        if (cursor_done(c) || *c->p < '0' || *c->p > '9')
            return false;
        *out = *out * 10 + (*c->p - '0');
    }
    return !end || cursor_char(c, end);
}

/* ".123": to the millisecond. */
static bool fraction_take(struct cursor *c, int *ms)
{
    int digit;

    *ms = 0;
    if (!cursor_char(c, '.'))
        return true;
    if (!number_take(c, 1, '\0', &digit))
        return false;
    *ms = 100 * digit;
    for (int worth = 10; number_take(c, 1, '\0', &digit); worth /= 10)
        *ms += worth * digit;
    return true;
}

/* "Z", "+01:00", or nothing: seconds east of UTC. */
static bool zone_take(struct cursor *c, bool *zoned, int *zone_s)
{
    bool west = cursor_char(c, '-');
    int hours, minutes;

    *zone_s = 0;
    *zoned = west || !cursor_done(c);
    if (!*zoned || (!west && cursor_char(c, 'Z')))
        return true;
    if ((!west && !cursor_char(c, '+')) || !number_take(c, 2, ':', &hours) ||
        !number_take(c, 2, '\0', &minutes) || minutes > 59 || hours * 60 + minutes > 14 * 60)
        return false;
    *zone_s = (west ? -1 : 1) * (hours * 60 + minutes) * 60;
    return true;
}

/* Is there such a day, and such a moment of it? A leap second is one, and so is the end of a day,
 * 24:00:00. */
static bool exists(const struct tm *t, int ms)
{
    struct tm day = { .tm_year = t->tm_year, .tm_mon = t->tm_mon, .tm_mday = t->tm_mday };
    bool end_of_day = t->tm_hour == 24 && !t->tm_min && !t->tm_sec && !ms;

    (void)timegm(&day);
    return day.tm_mon == t->tm_mon && day.tm_mday == t->tm_mday &&
           (t->tm_hour < 24 || end_of_day) && t->tm_min < 60 && t->tm_sec <= 60;
}

bool timestamp_parse(struct timestamp *out, struct str text)
{
    struct cursor c = cursor_on(str_trim(text));
    struct tm t = { .tm_year = 0 };
    int ms, zone_s;
    bool zoned;

    if (!number_take(&c, 4, '-', &t.tm_year) || !number_take(&c, 2, '-', &t.tm_mon) ||
        !number_take(&c, 2, 'T', &t.tm_mday) || !number_take(&c, 2, ':', &t.tm_hour) ||
        !number_take(&c, 2, ':', &t.tm_min) || !number_take(&c, 2, '\0', &t.tm_sec) ||
        !fraction_take(&c, &ms) || !zone_take(&c, &zoned, &zone_s) || !cursor_done(&c))
        return false;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    if (!exists(&t, ms))
        return false;
    *out = (struct timestamp){ ((int64_t)timegm(&t) - zone_s) * 1000 + ms, zoned };
    return true;
}
