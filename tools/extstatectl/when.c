// SPDX-License-Identifier: MIT
#include "when.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* 0, or -EINVAL when there is no such day: mktime takes the 31st of February for a day of March. */
static int date_make(struct tm *date, bool has_zone, long long *ms)
{
    struct tm wanted = *date;
    time_t then;

    date->tm_isdst = -1;
    then = has_zone ? timegm(date) - wanted.tm_gmtoff : mktime(date);
    if (then < 0 || date->tm_mday != wanted.tm_mday || date->tm_mon != wanted.tm_mon ||
        date->tm_year != wanted.tm_year)
        return -EINVAL;
    *ms = (long long)then * 1000;
    return 0;
}

static int date_parse(const char *text, long long *ms)
{
    static const struct {
        const char *format;
        bool has_zone;
    } ways[] = {
        { "%Y-%m-%d %H:%M:%S", false }, { "%Y-%m-%d %H:%M", false },
        { "%Y-%m-%dT%H:%M:%S", false }, { "%Y-%m-%dT%H:%M", false },
        { "%Y-%m-%d", false },          { "%Y-%m-%d %H:%M:%S%z", true },
        { "%Y-%m-%d %H:%M%z", true },   { "%Y-%m-%dT%H:%M:%S%z", true },
        { "%Y-%m-%dT%H:%M%z", true },
    };

    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct tm date = { 0 };
        const char *end = strptime(text, ways[i].format, &date);

        if (end && !*end)
            return date_make(&date, ways[i].has_zone, ms);
    }
    return -EINVAL;
}

/* So many days before today. */
static int of_day_make(const struct tm *given, time_t now, int days, long long *ms)
{
    struct tm local;

    if (!localtime_r(&now, &local))
        return -EINVAL;
    local.tm_mday -= days;
    local.tm_hour = given->tm_hour;
    local.tm_min = given->tm_min;
    local.tm_sec = given->tm_sec;
    local.tm_isdst = -1;
    *ms = (long long)mktime(&local) * 1000;
    return *ms >= 0 ? 0 : -EINVAL;
}

/* Who asks at two in the morning for 23:00 means yesterday's. */
static int of_day_parse(const char *text, time_t now, long long *ms)
{
    static const char *const formats[] = { "%H:%M:%S", "%H:%M" };

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        struct tm given = { 0 };
        const char *end = strptime(text, formats[i], &given);
        int r;

        if (!end || *end)
            continue;
        r = of_day_make(&given, now, 0, ms);
        return r == 0 && *ms > (long long)now * 1000 ? of_day_make(&given, now, 1, ms) : r;
    }
    return -EINVAL;
}

static int ago_parse(const char *text, time_t now, long long *ms)
{
    static const struct {
        char unit;
        long long s;
    } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
    char *end;
    long long n;

    errno = 0;
    n = strtoll(text, &end, 10);
    if (errno || end == text || n < 0 || n > 1000000000 || !*end || end[1])
        return -EINVAL;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].unit != *end)
            continue;
        *ms = ((long long)now - n * units[i].s) * 1000;
        return *ms >= 0 ? 0 : -EINVAL;
    }
    return -EINVAL;
}

int when_parse(const char *text, time_t now, long long *ms)
{
    if (date_parse(text, ms) == 0)
        return WHEN_DATE;
    if (of_day_parse(text, now, ms) == 0)
        return WHEN_OF_DAY;
    return ago_parse(text, now, ms) == 0 ? WHEN_AGO : -EINVAL;
}

long long when_next_day(long long ms)
{
    time_t s = (time_t)(ms / 1000);
    struct tm local;

    if (!localtime_r(&s, &local))
        return ms;
    local.tm_mday++;
    local.tm_isdst = -1;
    return (long long)mktime(&local) * 1000;
}

void when_print(long long ms, enum when_parts parts, char *out, size_t room)
{
    time_t s = (time_t)(ms / 1000);
    struct tm local;

    *out = '\0';
    if (!localtime_r(&s, &local))
        return;
    if (parts == WHEN_DAY)
        (void)!strftime(out, room, "%Y-%m-%d", &local);
    else if (parts == WHEN_TIME)
        (void)!strftime(out, room, "%H:%M:%S", &local);
    else
        (void)!strftime(out, room, "%Y-%m-%d %H:%M:%S", &local);
}
