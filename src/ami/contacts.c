// SPDX-License-Identifier: MIT
/* Contacts of AORs, static and registered, as Asterisk shows them. */
#include <openssl/evp.h>
#include <stdlib.h>

#include "ami/server_internal.h"

/* ---- which there are ---- */

static int by_aor(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    int order = str_compare(answer_text(x, "aor"), answer_text(y, "aor"));

    return order ? order : str_compare(answer_text(x, "contact"), answer_text(y, "contact"));
}

/* Where there is no registrar nobody asks whether they are there, and they are just configured. */
static json_t *configured(const struct settings *settings)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < settings->n_aors; i++) {
        const struct aor_settings *aor = &settings->aors[i];

        for (size_t c = 0; c < aor->n_contacts; c++) {
            json_t *row = json_pack("{s:b s:s}", "static", 1, "status", "unqualified");
            struct buf shown;

            buf_init(&shown, 4096);
            buf_add_masked(&shown, aor->contacts[c]);
            question_text(row, "aor", aor->id);
            question_text(row, "contact", buf_str(&shown));
            buf_fini(&shown);
            if (json_array_append_new(rows, row)) {
                json_decref(rows);
                return NULL;
            }
        }
    }
    return rows;
}

int contacts_begin(struct contact_rows *out, const struct ami_server *a, json_t *rows)
{
    struct contact_rows c = { .owner = a->settings->registrar.enabled ? json_incref(rows)
                                                                      : configured(a->settings) };

    c.n = json_array_size(c.owner);
    c.rows = c.owner ? malloc((c.n + 1) * sizeof(json_t *)) : NULL;
    if (!c.rows) {
        json_decref(c.owner);
        return -ENOMEM;
    }
    for (size_t i = 0; i < c.n; i++)
        c.rows[i] = json_array_get(c.owner, i);
    qsort(c.rows, c.n, sizeof(json_t *), by_aor);
    *out = c;
    return 0;
}

void contacts_end(struct contact_rows *c)
{
    free(c->rows);
    json_decref(c->owner);
}

size_t contacts_of(const struct contact_rows *c, struct str aor, json_t *const **first)
{
    size_t from = 0, to = c->n, n = 0;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (str_compare(answer_text(c->rows[middle], "aor"), aor) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    while (from + n < c->n && str_equal(answer_text(c->rows[from + n], "aor"), aor))
        n++;
    *first = c->rows + from;
    return n;
}

/* ---- how they are shown ---- */

struct str contact_hash(const json_t *row, char room[CONTACT_HASH_MAX])
{
    struct str uri = answer_text(row, "contact");
    unsigned char hash[EVP_MAX_MD_SIZE];
    struct buf hex;
    unsigned n = 0;

    buf_init_on(&hex, room, CONTACT_HASH_MAX);
    if (EVP_Digest(uri.n ? uri.p : "", uri.n, hash, &n, EVP_md5(), NULL) == 1)
        buf_add_hex(&hex, hash, n);
    return buf_str(&hex);
}

static const struct {
    const char *status, *name, *shown; /* ours, and as events and as tables have it */
} statuses[] = {
    { "reachable", "Reachable", "Avail" },
    { "unreachable", "Unreachable", "Unavail" },
    { "unknown", "Unknown", "Unknown" },
    { "unqualified", "NonQualified", "NonQual" },
};

static size_t status_of(const json_t *row)
{
    size_t i = 0;

    while (i + 1 < ARRAY_LEN(statuses) &&
           !str_equal(answer_text(row, "status"), str_of(statuses[i].status)))
        i++;
    return i;
}

static bool is_reachable(const json_t *row)
{
    return status_of(row) == 0;
}

void contact_line(struct buf *b, const json_t *row)
{
    char room[CONTACT_HASH_MAX], rtt[32] = "nan", name_room[2048];
    struct str hash = str_sub(contact_hash(row, room), 0, 10);
    struct buf name;

    buf_init_on(&name, name_room, sizeof(name_room));
    buf_printf(&name, "%.*s/%.*s", STR_FMT(answer_text(row, "aor")),
               STR_FMT(answer_text(row, "contact")));
    if (is_reachable(row))
        snprintf(rtt, sizeof(rtt), "%.3f", (double)answer_number(row, "rtt_ms"));
    buf_add(b, STR("Output:       Contact:  "));
    buf_add_column(b, buf_str(&name), 42);
    buf_printf(b, " %.*s %-7s %11s\r\n", STR_FMT(hash), statuses[status_of(row)].shown, rtt);
}

static void add_reach(struct buf *b, const char *name, const json_t *row)
{
    ami_add(b, str_of(name), str_of(statuses[status_of(row)].name));
    if (is_reachable(row))
        ami_add_u64(b, STR("RoundtripUsec"), answer_number(row, "rtt_ms") * 1000);
    else
        ami_add(b, STR("RoundtripUsec"), STR("N/A"));
}

/* ---- PJSIPShowContacts ---- */

static void add_via(struct buf *b, const json_t *row)
{
    struct addr source;
    char room[80];
    struct buf host;

    buf_init_on(&host, room, sizeof(room));
    if (addr_parse(&source, answer_text(row, "source"), 0)) {
        ami_add(b, STR("ViaAddr"), STR_EMPTY);
        ami_add_u64(b, STR("ViaPort"), 0);
        return;
    }
    addr_print_host(&host, &source);
    ami_add(b, STR("ViaAddr"), buf_str(&host));
    ami_add_u64(b, STR("ViaPort"), addr_port(&source));
}

static void contact_print(struct buf *b, const struct ami_server *a, const json_t *row)
{
    static const struct aor_settings none;
    bool fixed = json_is_true(json_object_get(row, "static"));
    const struct aor_settings *aor = settings_aor(a->settings, answer_text(row, "aor"));
    uint64_t now_s = clock_wall_ms(a->cfg.clock) / 1000;
    char room[CONTACT_HASH_MAX];

    aor = aor ? aor : &none;
    ami_add(b, STR("ObjectType"), STR("contact"));
    buf_printf(b, "ObjectName: %.*s%s%.*s\r\n", STR_FMT(answer_text(row, "aor")),
               fixed ? "@@" : ";@", STR_FMT(contact_hash(row, room)));
    add_via(b, row);
    buf_printf(b, "QualifyTimeout: %.6f\r\n", (double)aor->qualify_timeout_ms / 1000);
    ami_add(b, STR("CallID"), answer_text(row, "call_id"));
    ami_add(b, STR("RegServer"), a->settings->general.systemname);
    ami_add(b, STR("PruneOnBoot"), STR("no"));
    ami_add(b, STR("Path"), answer_text(row, "path"));
    ami_add(b, STR("Endpoint"), answer_text(row, "endpoint"));
    ami_add(b, STR("AuthenticateQualify"), aor->authenticate_qualify ? STR("yes") : STR("no"));
    ami_add(b, STR("Uri"), answer_text(row, "contact"));
    ami_add_u64(b, STR("QualifyFrequency"), aor->qualify_frequency_s);
    ami_add(b, STR("UserAgent"), answer_text(row, "user_agent"));
    ami_add_u64(b, STR("ExpirationTime"), fixed ? 0 : now_s + answer_number(row, "expires_s"));
    ami_add_masked(b, STR("OutboundProxy"), aor->outbound_proxy);
    add_reach(b, "Status", row);
    ami_end(b);
}

static void answer_contacts(struct ami_session *s, const struct ami_answer *a)
{
    struct contact_rows c;

    if (a->error) {
        session_fail(s, "%.*s", STR_FMT(a->message));
        return;
    }
    if (contacts_begin(&c, s->server, a->rows)) {
        session_fail(s, "Memory allocation failure");
        return;
    }
    if (c.n) {
        session_list_begin(s, "A listing of Contacts follows, presented as ContactList events");
        for (size_t i = 0; i < c.n; i++)
            contact_print(session_list_event(s, "ContactList"), s->server, c.rows[i]);
        session_list_end(s, "ContactListComplete", c.n);
    } else {
        session_fail(s, "No Contacts found");
    }
    contacts_end(&c);
}

void action_contacts(struct ami_session *s, const struct ami_message *m)
{
    (void)m;
    session_ask(s, question("contacts"), answer_contacts);
}
