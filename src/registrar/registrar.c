// SPDX-License-Identifier: MIT
#include "registrar/registrar.h"

#include "registrar/bindings.h"

#include <stdlib.h>
#include <time.h>

struct registrar {
    struct registrar_config cfg;
    const struct settings *settings; /* a reference */
    bool stopping;
    struct buf headers; /* of the answer being made */
    struct buf route;   /* of the request being read */
    struct registrar_counters counters;
};

struct asked { /* a REGISTER that is on its way; nobody here holds it meanwhile */
    struct registration r;
    struct server_txn *txn;
    struct str route;
    char text[];
};

static struct asked *asked_of(struct registration *r)
{
    return CONTAINER_OF(r, struct asked, r);
}

void registration_destroy(struct registration *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        contact_unref(r->contacts[i]);
    free(r->contacts);
    free(r->keys);
    for (size_t i = 0; i < r->n_bound; i++)
        contact_unref(r->bound[i].contact);
    free(r->bound);
    free(asked_of(r));
}

/* ---- answers ---- */

static void refusal_count(struct registrar_counters *c, unsigned status)
{
    const struct {
        unsigned status;
        uint64_t *counter;
    } counters[] = {
        { 400, &c->refused_400 }, { 403, &c->refused_403 }, { 404, &c->refused_404 },
        { 420, &c->refused_420 }, { 423, &c->refused_423 }, { 500, &c->refused_500 },
        { 503, &c->refused_503 },
    };

    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        if (counters[i].status == status) {
            ++*counters[i].counter;
            return;
        }
    }
    c->refused_other++;
}

struct asker { /* for the log */
    struct str aor, endpoint, call_id;
};

/* With what the status demands in headers that are there already. */
static void refuse(struct registrar *g, struct server_txn *st, const struct asker *by,
                   unsigned status, const char *why)
{
    char source[TXN_SOURCE_MAX];

    log_info(g->cfg.log, "register.refused", KV_U("status", status), KV("why", str_of(why)),
             KV("aor", by->aor), KV("endpoint", by->endpoint), KV("call_id", by->call_id),
             KV("source", server_txn_source(st, source)));
    refusal_count(&g->counters, status);
    if (status == 503) /* spread, or all of them return at once */
        sip_print_header_u64(&g->headers, STR("Retry-After"), 5 + rng_below(g->cfg.rng, 10));
    if (status == 420)
        sip_print_header(&g->headers, STR("Unsupported"), STR("path"));
    uas_print_warning(&g->headers, g->settings->global.user_agent, why);
    server_txn_reject(st, status, buf_str(&g->headers));
}

/* RFC 3261 section 20.17. */
static void print_date(struct buf *out, uint64_t wall_ms)
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;

    if (!gmtime_r(&seconds, &tm))
        return;
    buf_printf(out, "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday], tm.tm_mday,
               months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Step 8, and RFC 3327 section 5.3: the client sees who is between. */
static void request_accept(struct registrar *g, const struct asked *a, const struct asker *by)
{
    const struct registration *r = &a->r;

    for (size_t i = 0; i < r->n_bound; i++)
        bindings_print(&g->headers, &r->bound[i]);
    if (a->route.n)
        sip_print_header(&g->headers, STR("Path"), a->route);
    print_date(&g->headers, clock_wall_ms(g->cfg.clock));
    if (g->headers.error) {
        log_error(g->cfg.log, "register.failed", KV_ERR(g->headers.error), KV("aor", by->aor));
        buf_reset(&g->headers);
        refuse(g, a->txn, by, 500, "there is no memory for an answer");
        return;
    }
    g->counters.accepted++;
    log_debug(g->cfg.log, "register.accepted", KV("aor", by->aor), KV("endpoint", by->endpoint),
              KV("call_id", by->call_id), KV_U("contacts", r->n_bound));
    server_txn_respond(a->txn,
                       &(struct sip_reply){ .status = 200, .headers = buf_str(&g->headers) });
}

void registrar_answer(struct registrar *g, struct registration *r)
{
    struct asked *a = asked_of(r);
    const struct asker by = { r->aor, r->endpoint, r->call_id };

    g->counters.pending--;
    buf_reset(&g->headers);
    switch (r->result) {
    case 0:
        request_accept(g, a, &by);
        break;
    case REGISTER_NO_AOR:
        refuse(g, a->txn, &by, 404, "this AOR is not there any more");
        break;
    case REGISTER_OLD:
        refuse(g, a->txn, &by, 500, "a later request of this Call-ID has been here before");
        break;
    case REGISTER_FULL:
        refuse(g, a->txn, &by, 403, "this AOR has as many contacts as it may have");
        break;
    case REGISTER_UNKEPT:
        refuse(g, a->txn, &by, 503, "nothing new can be kept here at the moment");
        break;
    default:
        BUG_UNLESS(r->result < 0);
        log_error(g->cfg.log, "register.failed", KV_ERR(r->result), KV("aor", by.aor));
        refuse(g, a->txn, &by, 503, "there is no memory for this registration");
    }
    registration_destroy(r);
}

/* ---- questions ---- */

struct ask { /* one REGISTER */
    struct registrar *g;
    const struct uas_request *rq;
    struct asker by;
    const struct aor_settings *aor;
};

/* Always true, for the checks to return. */
static bool ask_refuse(struct ask *a, unsigned status, const char *why)
{
    refuse(a->g, a->rq->txn, &a->by, status, why);
    return true;
}

static bool check_load(struct ask *a)
{
    if (a->g->stopping)
        return ask_refuse(a, 503, "this server is about to stop");
    return a->g->counters.pending >= REGISTRAR_PENDING_MAX &&
           ask_refuse(a, 503, "there are too many requests that wait");
}

static bool check_call_id(struct ask *a)
{
    struct str id = a->rq->msg->call_id;

    if (id.n > CONTACT_CALL_ID_MAX)
        return ask_refuse(a, 400, "the Call-ID is longer than 255 bytes");
    if (!contact_text_is_line(id))
        return ask_refuse(a, 400, "the Call-ID is not one word");
    return false;
}

/* Is that the id, or the id without the domain of a multi-domain AOR? */
static bool id_names(struct str id, struct str user, struct str host)
{
    return str_equal(id, user) || (id.n == user.n + 1 + host.n && str_starts(id, user) &&
                                   id.p[user.n] == '@' && str_ends(id, host));
}

/* Steps 3 to 5: those of the endpoint are all that it may register, and of others nobody is told
 * whether they are there. */
static bool check_aor(struct ask *a)
{
    const struct endpoint_settings *e = a->rq->endpoint;
    char room[4 * LIST_ITEM_MAX];
    struct sip_uri uri;
    struct buf user;

    if (!e->n_aors)
        return ask_refuse(a, 403, "this endpoint has no AORs");
    if (sip_uri_parse(&uri, a->rq->msg->to_parts.uri) || !uri.sip)
        return ask_refuse(a, 416, "the To is not a SIP URI");
    if (a->rq->settings->global.ignore_uri_user_options)
        uri.user.n = str_find_char(uri.user, ';');
    buf_init_on(&user, room, sizeof(room));
    sip_uri_user_decode(&user, uri.user);
    for (size_t i = 0; i < e->n_aors && !user.error && user.n; i++)
        if (id_names(e->aors[i], buf_str(&user), uri.host)) {
            a->aor = settings_aor(a->rq->settings, e->aors[i]);
            if (a->aor)
                break;
        }
    if (!a->aor)
        return ask_refuse(a, 404, "the To names no AOR of this endpoint");
    a->by.aor = a->aor->id;
    return !a->aor->max_contacts && ask_refuse(a, 403, "nobody registers with this AOR");
}

/* NULL without memory. */
static struct asked *asked_create(const struct ask *a, struct str route)
{
    const struct sip_message *msg = a->rq->msg;
    struct asked *q =
        malloc(sizeof(*q) + a->by.aor.n + a->by.endpoint.n + a->by.call_id.n + route.n);
    char *at;

    if (!q)
        return NULL;
    *q = (struct asked){ .r = { .aor = a->by.aor,
                                .endpoint = a->by.endpoint,
                                .call_id = a->by.call_id,
                                .cseq = msg->cseq },
                         .txn = a->rq->txn,
                         .route = route };
    at = q->text;
    str_keep(&q->r.aor, &at);
    str_keep(&q->r.endpoint, &at);
    str_keep(&q->r.call_id, &at);
    str_keep(&q->route, &at);
    return q;
}

/* Ends the request, whatever is wrong. */
static void refuse_read(struct ask *a, int r, const struct bindings_fault *fault)
{
    if (r < 0) {
        ask_refuse(a, 503, "there is no memory for this registration");
        return;
    }
    if (fault->status == 423)
        sip_print_header_u64(&a->g->headers, STR("Min-Expires"), a->aor->minimum_expiration_s);
    ask_refuse(a, fault->status, fault->why);
}

static void ask_table(struct ask *a)
{
    struct registrar *g = a->g;
    const struct bindings_terms terms = { .settings = a->rq->settings,
                                          .endpoint = a->rq->endpoint,
                                          .aor = a->aor,
                                          .flow = a->rq->flow,
                                          .transport = g->cfg.port.transport(
                                              g->cfg.port.ctx, a->rq->flow->transport) };
    struct bindings_fault fault = { 400, "the Path is longer than 2048 bytes" };
    struct asked *q;
    int r = bindings_read_path(&g->route, a->rq->msg, a->aor, &fault);

    r = r == -EMSGSIZE ? 1 : r;
    if (r) {
        refuse_read(a, r, &fault);
        return;
    }
    q = asked_create(a, buf_str(&g->route));
    r = q ? bindings_read(&q->r, a->rq->msg, q->route, &terms, &fault) : -ENOMEM;
    if (r) {
        refuse_read(a, r, &fault);
    } else {
        r = g->cfg.port.apply(g->cfg.port.ctx, &q->r);
        if (!r) {
            g->counters.pending++;
            return;
        }
        log_warn(g->cfg.log, "register.not_asked", KV_ERR(r));
        ask_refuse(a, 503, "this registration cannot be looked at now");
    }
    registration_destroy(q ? &q->r : NULL);
}

void registrar_register(void *registrar, const struct uas_request *rq)
{
    static bool (*const checks[])(struct ask * a) = { check_load, check_call_id, check_aor };
    struct registrar *g = registrar;
    struct ask a = { .g = g,
                     .rq = rq,
                     .by = { .endpoint = rq->endpoint->id, .call_id = rq->msg->call_id } };

    g->counters.requests++;
    buf_reset(&g->headers);
    buf_reset(&g->route);
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        if (checks[i](&a))
            return;
    ask_table(&a);
}

/* ---- life ---- */

int registrar_create(struct registrar **out, const struct registrar_config *cfg)
{
    struct registrar *g = calloc(1, sizeof(*g));

    if (!g)
        return -ENOMEM;
    g->cfg = *cfg;
    g->settings = settings_ref(cfg->settings);
    buf_init(&g->headers, SIP_MESSAGE_MAX);
    buf_init(&g->route, CONTACT_ROUTE_MAX);
    *out = g;
    return 0;
}

void registrar_destroy(struct registrar *g)
{
    if (!g)
        return;
    settings_unref(g->settings);
    buf_fini(&g->headers);
    buf_fini(&g->route);
    free(g);
}

void registrar_settings_set(struct registrar *g, const struct settings *settings)
{
    const struct settings *former = g->settings;

    g->settings = settings_ref(settings);
    settings_unref(former);
}

void registrar_stop(struct registrar *g)
{
    g->stopping = true;
}

size_t registrar_unanswered(const struct registrar *g)
{
    return g->counters.pending;
}

void registrar_counters_get(const struct registrar *g, struct registrar_counters *out)
{
    *out = g->counters;
}
