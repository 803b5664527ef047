// SPDX-License-Identifier: MIT
/* Values by type. */
#include "config/schema.h"

#include "sip/field.h"

enum { URI_MAX = 512, USER_MAX = 255, HOST_MAX = 255 };

static void *field(const struct option *o, void *object)
{
    return (char *)object + o->at;
}

int option_bad(struct buf *why, const char *text)
{
    if (why)
        buf_add(why, str_of(text));
    return OPTION_BAD;
}

static int bad_range(struct buf *why, const struct option *o, const char *what)
{
    if (why)
        buf_printf(why, "not %s from %u to %u", what, o->min, o->max);
    return OPTION_BAD;
}

/* ---- scalars ---- */

bool value_is_no(struct str value)
{
    static const char *const no[] = { "no", "false", "n", "f", "0", "off" };

    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        if (str_equal_nocase(value, str_of(no[i])))
            return true;
    return false;
}

/* In the files of Asterisk what is not a word for yes is a no, and that must not surprise anybody.
 */
static int read_bool(struct reading *r, const struct option *o, void *object,
                     const struct conf_entry *e, struct buf *why)
{
    bool value = str_is_true(e->value), is_word = value || value_is_no(e->value);

    if (!is_word && r->exact)
        return option_bad(why, "not yes or no");
    if (!is_word)
        reading_tell(r, DIAG_WARNING, e->at, "%s = %.*s counts as no; write yes or no", o->name,
                     STR_FMT(e->value));
    memcpy(field(o, object), &value, sizeof(value));
    return 0;
}

static int store_u32(const struct option *o, void *object, uint32_t value)
{
    memcpy(field(o, object), &value, sizeof(value));
    return 0;
}

static int read_u32(const struct option *o, void *object, struct str text, struct buf *why)
{
    uint32_t value;

    if (str_to_u32(&value, text) || value < o->min || value > o->max)
        return bad_range(why, o, "a whole number");
    return store_u32(o, object, value);
}

static uint32_t unit_seconds(char unit)
{
    switch (unit) {
    case 's':
        return 1;
    case 'm':
        return 60;
    case 'h':
        return 3600;
    case 'd':
        return 86400;
    default:
        return 0;
    }
}

static int read_duration(const struct option *o, void *object, struct str text, struct buf *why)
{
    uint32_t unit = text.n ? unit_seconds(text.p[text.n - 1]) : 0, value;

    if (unit)
        text = str_trim(str_sub(text, 0, text.n - 1));
    if (str_to_u32(&value, text) || __builtin_mul_overflow(value, unit ? unit : 1, &value) ||
        value < o->min || value > o->max)
        return bad_range(why, o, "a time in seconds (or 90s, 15m, 2h, 7d)");
    return store_u32(o, object, value);
}

static bool has_control(struct str text)
{
    for (size_t i = 0; i < text.n; i++)
        if (((unsigned char)text.p[i] < ' ' && text.p[i] != '\t') || text.p[i] == 0x7f)
            return true;
    return false;
}

/* Many of these stand in header fields. */
static int read_str(struct reading *r, const struct option *o, void *object, struct str text,
                    struct buf *why)
{
    struct str value;
    int result;

    if (o->max && text.n > o->max) {
        if (why)
            buf_printf(why, "longer than %u bytes", o->max);
        return OPTION_BAD;
    }
    if (has_control(text))
        return option_bad(why, "a control character");
    result = arena_str(r->arena, &value, text);
    if (result == 0)
        memcpy(field(o, object), &value, sizeof(value));
    return result;
}

static int read_addr(struct reading *r, const struct option *o, void *object, struct str text,
                     struct buf *why)
{
    struct addr a;

    if (addr_parse(&a, text, 0))
        return option_bad(
            why, "not an IP address with or without a port (192.0.2.1:5060, [2001:db8::1]:5060)");
    return read_str(r, o, object, text, why);
}

/* ---- parts of URIs ---- */

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_label(struct str label)
{
    for (size_t i = 0; i < label.n; i++) {
        char c = label.p[i];
        bool edge = i == 0 || i == label.n - 1;

        if (!is_alphanumeric(c) && c != '_' && (c != '-' || edge))
            return false;
    }
    return label.n > 0;
}

static bool is_number(struct str label)
{
    for (size_t i = 0; i < label.n; i++)
        if (label.p[i] < '0' || label.p[i] > '9')
            return false;
    return true;
}

/* The last label is no number, so that no address that was mistyped is a name. */
static bool is_host_name(struct str text)
{
    struct str label = STR_EMPTY;

    if (text.n > 1 && text.p[text.n - 1] == '.')
        text.n--;
    while (text.n) {
        size_t dot = str_find_char(text, '.');

        label = str_sub(text, 0, dot);
        if (!is_label(label) || dot + 1 == text.n)
            return false;
        text = str_sub(text, dot + 1, text.n);
    }
    return !is_number(label);
}

bool host_parse(struct str *host, struct str text)
{
    bool brackets = text.n > 1 && text.p[0] == '[' && text.p[text.n - 1] == ']';
    struct str bare = brackets ? str_sub(text, 1, text.n - 1) : text;
    bool ipv6 = str_find_char(bare, ':') < bare.n;
    char room[HOST_MAX + 2];
    struct addr a;
    struct buf b;

    if (text.n > HOST_MAX || (brackets && !ipv6))
        return false;
    buf_init_on(&b, room, sizeof(room));
    sip_host_print(&b, bare); /* with brackets a port could not be within */
    if (addr_parse(&a, buf_str(&b), 0) && (ipv6 || !is_host_name(bare)))
        return false;
    *host = bare;
    return true;
}

static int read_host(struct reading *r, const struct option *o, void *object, struct str text,
                     struct buf *why)
{
    if (text.n && !host_parse(&text, text)) /* none is as good as not written */
        return option_bad(why, HOST_EXPECTED);
    return read_str(r, o, object, text, why);
}

static int read_user(struct reading *r, const struct option *o, void *object, struct str text,
                     struct buf *why)
{
    char room[USER_MAX];
    struct buf user;

    if (has_control(text))
        return option_bad(why, "a control character");
    buf_init_on(&user, room, o->max);
    sip_user_print(&user, text);
    if (user.error) {
        if (why)
            buf_printf(why, "longer than %u bytes as it stands in a URI", o->max);
        return OPTION_BAD;
    }
    return read_str(r, o, object, buf_str(&user), why);
}

int uri_check(struct str value, struct str *uri, struct buf *why)
{
    struct sip_name_addr named;
    struct sip_uri parsed;

    if (value.n > URI_MAX)
        return option_bad(why, "a URI of more than 512 bytes");
    if (str_find_char(value, '<') < value.n) {
        if (sip_name_addr_parse(&named, value))
            return option_bad(why, "not a sip: or sips: URI");
        value = named.uri;
    }
    if (sip_uri_parse(&parsed, value) ||
        !parsed.sip) /* a host of more than 255 bytes is none either */
        return option_bad(why, "not a sip: or sips: URI");
    *uri = value;
    return 0;
}

static int read_uri(struct reading *r, const struct option *o, void *object, struct str text,
                    struct buf *why)
{
    struct str uri;
    int result;

    if (text.n == 0) /* as good as not written */
        return read_str(r, o, object, text, why);
    result = uri_check(text, &uri, why);
    return result ? result : read_str(r, o, object, uri, why);
}

/* ---- words ---- */

void words_print(struct buf *out, const struct option_word *words)
{
    for (const struct option_word *w = words; w->name; w++)
        buf_printf(out, "%s%s", w == words ? "" : ", ", w->name);
}

static const struct option_word *word_find(const struct option_word *words, struct str name)
{
    for (; words->name; words++)
        if (str_equal_nocase(name, str_of(words->name)))
            return words;
    return NULL;
}

static int read_word(const struct option *o, void *object, struct str text, struct buf *why)
{
    const struct option_word *w = word_find(o->words, text);

    if (w)
        return store_u32(o, object, w->value);
    if (why) {
        buf_add(why, STR("not one of "));
        words_print(why, o->words);
    }
    return OPTION_BAD;
}

struct str option_shown(const struct option *o, struct str value)
{
    size_t colon = str_find_char(value, ':'), at = value.n;

    if (o->flags & OPTION_SECRET)
        return BUF_MASK;
    if ((o->type != OPTION_URI && o->type != OPTION_URI_LIST) ||
        str_contains_nocase(value, STR("sip:")) || str_contains_nocase(value, STR("sips:")))
        return value;
    while (at && value.p[at - 1] != '@')
        at--;
    return colon < at ? str_sub(value, at - 1, value.n) : value;
}

/* ---- lists: what is bad is left out, the rest stays ---- */

static void leave_out(struct reading *r, const struct conf_entry *e, struct str part,
                      const struct buf *why)
{
    reading_fault(r, e, part, why->error ? STR("not valid") : buf_str(why), STR("it is left out"));
}

static bool any_word(const struct option_word *words, struct str list)
{
    while (list.n)
        if (word_find(words, str_next(&list, ',')))
            return true;
    return false;
}

static int read_words(struct reading *r, const struct option *o, void *object,
                      const struct conf_entry *e, struct buf *why)
{
    struct str rest = e->value;
    uint32_t sum = 0;
    char room[150];
    struct buf choice;

    buf_init_on(&choice, room, sizeof(room));
    buf_add(&choice, STR("not one of "));
    words_print(&choice, o->words);
    if (!any_word(o->words, e->value)) {
        if (why)
            buf_add(why, buf_str(&choice));
        return OPTION_BAD;
    }
    while (rest.n) {
        struct str part = str_next(&rest, ',');
        const struct option_word *w = word_find(o->words, part);

        if (w)
            sum |= w->value;
        else if (part.n)
            leave_out(r, e, part, &choice);
    }
    return store_u32(o, object, sum);
}

/* One more element in the array whose pointer is at o->at and whose length is at o->count. */
static int array_add(struct reading *r, const struct option *o, void *object, const void *element,
                     size_t size)
{
    char *base = object;
    void *array;
    size_t n;
    int result;

    memcpy(&array, base + o->at, sizeof(array));
    memcpy(&n, base + o->count, sizeof(n));
    result = array_grow_in(r->arena, &array, n, size);
    if (result)
        return result;
    memcpy((char *)array + n * size, element, size);
    n++;
    memcpy(base + o->at, &array, sizeof(array));
    memcpy(base + o->count, &n, sizeof(n));
    return 0;
}

static int list_add(struct reading *r, const struct option *o, void *object, struct str part,
                    struct buf *why)
{
    struct str kept;
    int result = o->type == OPTION_URI_LIST ? uri_check(part, &part, why) : 0;

    if (has_control(part))
        return option_bad(why, "a control character");
    if (result)
        return result;
    result = arena_str(r->arena, &kept, part);
    return result ? result : array_add(r, o, object, &kept, sizeof(kept));
}

static int net_add(struct reading *r, const struct option *o, void *object, struct str part,
                   struct buf *why)
{
    struct addr_net net;

    if (addr_net_parse(&net, part))
        return option_bad(why, "not an address or network (192.0.2.0/24, 2001:db8::/32)");
    return array_add(r, o, object, &net, sizeof(net));
}

static int read_list(struct reading *r, const struct option *o, void *object,
                     const struct conf_entry *e)
{
    struct str rest = e->value;

    if (o->flags & OPTION_REPLACES)
        memset((char *)object + o->count, 0, sizeof(size_t));
    while (rest.n) {
        struct str part = str_next(&rest, ',');
        char room[150];
        struct buf why;
        int result;

        if (part.n == 0)
            continue;
        buf_init_on(&why, room, sizeof(room));
        result = o->type == OPTION_NETS ? net_add(r, o, object, part, &why)
                                        : list_add(r, o, object, part, &why);
        if (result == OPTION_BAD)
            leave_out(r, e, option_shown(o, part), &why);
        else if (result)
            return result;
    }
    return 0;
}

int option_read(struct reading *r, const struct option *o, void *object, const struct conf_entry *e,
                struct buf *why)
{
    switch (o->type) {
    case OPTION_BOOL:
        return read_bool(r, o, object, e, why);
    case OPTION_U32:
        return read_u32(o, object, e->value, why);
    case OPTION_DURATION:
        return read_duration(o, object, e->value, why);
    case OPTION_STR:
        return read_str(r, o, object, e->value, why);
    case OPTION_URI:
        return read_uri(r, o, object, e->value, why);
    case OPTION_USER:
        return read_user(r, o, object, e->value, why);
    case OPTION_HOST:
        return read_host(r, o, object, e->value, why);
    case OPTION_ADDR:
        return read_addr(r, o, object, e->value, why);
    case OPTION_WORD:
        return read_word(o, object, e->value, why);
    case OPTION_WORDS:
        return read_words(r, o, object, e, why);
    case OPTION_LIST:
    case OPTION_URI_LIST:
    case OPTION_NETS:
        return read_list(r, o, object, e);
    case OPTION_CUSTOM:
        return o->read(r, o, object, e, why);
    }
    return -EINVAL;
}
