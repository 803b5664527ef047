// SPDX-License-Identifier: MIT
/* What ${...} means: ${branch}, ${lastbranch}, ${alice.response.To}, ${alice.request.CSeq+1}, and
 * what `let` has named. */
#include "scenario.h"

#include <stdlib.h>

#include "sip/digest.h"

static const struct str branch_prefix = STR_INIT("z9hG4bKscn");

/* A header field by name, the URI of Contact ("uri"), or the body. */
static struct str part_of(struct str bytes, struct str name)
{
    const struct sip_header *h;
    struct sip_name_addr contact;
    struct sip_message m;

    if (!bytes.n || sip_message_parse(&m, bytes, NULL))
        return STR_EMPTY;
    if (str_equal(name, STR("uri")))
        return sip_name_addr_parse(&contact, sip_header_value(&m, SIP_H_CONTACT)) ? STR_EMPTY
                                                                                  : contact.uri;
    if (str_equal(name, STR("body")))
        return m.body;
    h = sip_header_named(&m, name);
    return h ? h->value : STR_EMPTY;
}

/* "4711 NOTIFY" and 1 give "4712 NOTIFY". */
static int add_number(struct script *s, struct str value, struct str more, struct buf *out)
{
    size_t digits = 0;
    uint64_t number, n;

    while (digits < value.n && value.p[digits] >= '0' && value.p[digits] <= '9')
        digits++;
    if (str_to_u64(&number, str_sub(value, 0, digits)) || str_to_u64(&n, more))
        return SCRIPT_FAIL(s, "no number to add to: %.*s", STR_FMT(value));
    buf_add_u64(out, number + n);
    buf_add(out, str_sub(value, digits, value.n));
    return 0;
}

static int message_part_print(struct script *s, struct str name, struct buf *out)
{
    struct str part = name, owner = str_next(&part, '.'), which = str_next(&part, '.');
    size_t plus = str_find_char(part, '+');
    const struct peer *p = peer_named(s, owner);
    struct str value;

    if (!p)
        return -EINVAL;
    value = part_of(str_equal(which, STR("response")) ? p->response : p->request,
                    str_sub(part, 0, plus));
    if (!value.n)
        return SCRIPT_FAIL(s, "there is no ${%.*s}", STR_FMT(name));
    if (plus < part.n)
        return add_number(s, value, str_sub(part, plus + 1, part.n), out);
    buf_add(out, value);
    return 0;
}

static const struct str *variable_find(const struct script *s, struct str name)
{
    for (size_t i = 0; i < s->n_variables; i++)
        if (str_equal(s->variables[i].name, name))
            return &s->variables[i].value;
    return NULL;
}

/* credentials VARIABLE METHOD URI USER PASSWORD NC: the value of an Authorization that answers the
 * challenge in the variable. */
static int credentials_print(struct script *s, struct str words, struct buf *out)
{
    struct str name = word_next(&words), method = word_next(&words), uri = word_next(&words);
    struct str user = word_next(&words), password = word_next(&words), count = word_next(&words);
    const struct str *challenge = variable_find(s, name);
    struct digest_question q = { .method = method, .uri = uri };
    struct digest_hex a1, response;
    struct sip_challenge ch;

    if (!challenge || sip_challenge_parse(&ch, *challenge) ||
        digest_algorithm_parse(&q.algorithm, ch.algorithm) || !count.n)
        return SCRIPT_FAIL(s, "credentials VARIABLE METHOD URI USER PASSWORD NC");
    q.nonce = ch.nonce;
    if (!str_equal(count, STR("-"))) {
        q.nc = count;
        q.cnonce = STR("0a4f113b");
    }
    if (digest_a1(&a1, q.algorithm, user, ch.realm, password))
        return SCRIPT_FAIL(s, "no digest");
    q.a1 = digest_hex_str(&a1);
    if (digest_response(&response, &q))
        return SCRIPT_FAIL(s, "no digest");
    buf_printf(out,
               "Digest username=\"%.*s\", realm=\"%.*s\", nonce=\"%.*s\", uri=\"%.*s\", "
               "response=\"%.*s\", algorithm=%.*s",
               STR_FMT(user), STR_FMT(ch.realm), STR_FMT(ch.nonce), STR_FMT(uri),
               STR_FMT(digest_hex_str(&response)), STR_FMT(digest_algorithm_name(q.algorithm)));
    if (q.nc.n)
        buf_printf(out, ", qop=auth, nc=%.*s, cnonce=\"%.*s\"", STR_FMT(q.nc), STR_FMT(q.cnonce));
    return 0;
}

static int variable_print(struct script *s, struct str name, struct buf *out)
{
    const struct str *value = variable_find(s, name);

    if (value) {
        buf_add(out, *value);
        return 0;
    }
    if (str_starts(name, STR("credentials ")))
        return credentials_print(s, str_sub(name, sizeof("credentials"), name.n), out);
    if (str_equal(name, STR("branch")) || str_equal(name, STR("lastbranch"))) {
        s->branches += str_equal(name, STR("branch"));
        buf_add(out, branch_prefix);
        buf_add_u64(out, s->branches);
        return 0;
    }
    if (str_find_char(name, '.') == name.n)
        return SCRIPT_FAIL(s, "there is no ${%.*s}", STR_FMT(name));
    return message_part_print(s, name, out);
}

int variables_print(struct script *s, struct str text, struct buf *out)
{
    while (text.n) {
        size_t at = str_find_char(text, '$');
        struct str behind;
        size_t end;

        buf_add(out, str_sub(text, 0, at));
        text = str_sub(text, at, text.n);
        if (!str_starts(text, STR("${"))) {
            buf_add(out, str_sub(text, 0, 1));
            text = str_sub(text, 1, text.n);
            continue;
        }
        behind = str_sub(text, 2, text.n);
        end = str_find_char(behind, '}');
        if (variable_print(s, str_sub(behind, 0, end), out))
            return -EINVAL;
        text = str_sub(behind, end + 1, behind.n);
    }
    return out->error;
}

/* let NAME = TEXT */
int script_let(struct script *s, struct str rest)
{
    struct str name = word_next(&rest), equals = word_next(&rest), value;
    size_t i = 0;
    struct buf b;
    int r;

    if (!str_equal(equals, STR("=")))
        return SCRIPT_FAIL(s, "let NAME = TEXT");
    while (i < s->n_variables && !str_equal(s->variables[i].name, name))
        i++;
    if (i == VARIABLES_MAX)
        return SCRIPT_FAIL(s, "there are more than %d variables", VARIABLES_MAX);
    buf_init(&b, SIP_MESSAGE_MAX);
    r = variables_print(s, rest, &b);
    if (r == 0)
        r = buf_take(&b, &value);
    buf_fini(&b);
    if (r)
        return r;
    if (i == s->n_variables)
        s->n_variables++;
    else
        str_free(&s->variables[i].value);
    s->variables[i].name = name;
    s->variables[i].value = value;
    return 0;
}
