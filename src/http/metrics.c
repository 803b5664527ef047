// SPDX-License-Identifier: MIT
/* /metrics: the counters of `status`, of sources and of publishers, as Prometheus reads them. What
 * each one is called there is in the tables below. */
#include "body/body.h"
#include "http/http_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

struct metric {
    const char *name, *help;
    const char *section, *member; /* where `status` has it; NULL section: at the top */
};

/* Names of counters end in _total where they are printed. */
static const struct metric counters[] = {
    { "extstate_subscriptions_accepted", "SUBSCRIBEs that began a subscription.", "notifier",
      "accepted" },
    { "extstate_subscriptions_refreshed", "SUBSCRIBEs that refreshed one.", "notifier",
      "refreshed" },
    { "extstate_subscriptions_ended", "Subscriptions that have ended.", "notifier", "ended" },
    { "extstate_subscriptions_expired", "Subscriptions that ended unrefreshed.", "notifier",
      "expired" },
    { "extstate_notify_sent", "NOTIFYs sent, without retransmissions.", "notifier", "notify_sent" },
    { "extstate_notify_acknowledged", "NOTIFYs answered with success.", "notifier",
      "notify_acknowledged" },
    { "extstate_notify_retransmitted", "NOTIFYs sent again for want of an answer.", "notifier",
      "notify_retransmitted" },
    { "extstate_notify_failed", "NOTIFYs refused or undeliverable.", "notifier", "notify_failed" },
    { "extstate_notify_timeout", "NOTIFYs that nobody answered.", "notifier", "notify_timeout" },
    { "extstate_notify_coalesced", "Changes that a newer one overtook before they were told.",
      "notifier", "coalesced" },
    { "extstate_notify_swallowed", "Changes that made no difference to what a subscriber shows.",
      "notifier", "swallowed" },
    { "extstate_notices_sent", "NOTIFYs outside subscriptions sent.", "notifier",
      "unsolicited_sent" },
    { "extstate_notices_acknowledged", "NOTIFYs outside subscriptions answered with success.",
      "notifier", "unsolicited_acknowledged" },
    { "extstate_notices_failed", "NOTIFYs outside subscriptions that failed.", "notifier",
      "unsolicited_failed" },
    { "extstate_qualify_sent", "OPTIONS sent to contacts, without retransmissions.", "qualify",
      "sent" },
    { "extstate_qualify_answered", "Contacts asked that answered.", "qualify", "answered" },
    { "extstate_qualify_unanswered", "Contacts asked that did not answer.", "qualify",
      "unanswered" },
    { "extstate_contacts_lost", "Contacts that ceased to answer.", "qualify", "lost" },
    { "extstate_contacts_returned", "Contacts that answered again.", "qualify", "returned" },
    { "extstate_watch_subscribes", "SUBSCRIBEs sent to telephones, without retransmissions.",
      "watch", "subscribed" },
    { "extstate_watch_failed", "SUBSCRIBEs to telephones that were in vain.", "watch", "failed" },
    { "extstate_watch_notified", "NOTIFYs of telephones about themselves.", "watch", "notified" },
    { "extstate_watch_notify_refused", "Those of them that were refused.", "watch",
      "notify_refused" },
    { "extstate_device_reports", "States that sources have reported.", "state", "device_reports" },
    { "extstate_device_duplicates", "Reports that changed nothing.", "state", "duplicates" },
    { "extstate_snapshots", "Snapshots of resources made.", "state", "snapshots" },
    { "extstate_publish_sent", "PUBLISHes sent.", "publisher", "sent" },
    { "extstate_publish_acknowledged", "PUBLISHes answered with success.", "publisher",
      "acknowledged" },
    { "extstate_publish_failed", "PUBLISHes refused or unanswered.", "publisher", "failed" },
    { "extstate_publish_coalesced", "Changes overtaken before they were published.", "publisher",
      "coalesced" },
    { "extstate_publish_lost_tags", "PUBLISHes whose entity-tag the server did not know.",
      "publisher", "lost_tags" },
    { "extstate_compositor_requests", "PUBLISHes received.", "compositor", "requests" },
    { "extstate_compositor_accepted", "PUBLISHes received and accepted.", "compositor",
      "accepted" },
    { "extstate_compositor_composed", "Documents composed.", "publications", "composed" },
    { "extstate_compositor_unchanged", "Compositions that changed nothing.", "publications",
      "unchanged" },
    { "extstate_register_requests", "REGISTERs received.", "registrar", "requests" },
    { "extstate_register_accepted", "REGISTERs received and accepted.", "registrar", "accepted" },
    { "extstate_contacts_added", "Contacts that registered anew.", "contacts", "added" },
    { "extstate_contacts_refreshed", "Contacts that registered once more.", "contacts",
      "refreshed" },
    { "extstate_contacts_removed", "Contacts that were taken back.", "contacts", "removed" },
    { "extstate_contacts_expired", "Contacts that ended unrefreshed.", "contacts", "expired" },
    { "extstate_contacts_disconnected", "Contacts that ended with their connection.", "contacts",
      "disconnected" },
    { "extstate_contacts_displaced", "Contacts that gave way to another one.", "contacts",
      "displaced" },
    { "extstate_sip_requests", "SIP requests received.", "transactions", "requests" },
    { "extstate_sip_retransmitted_requests", "SIP requests received once more.", "transactions",
      "retransmitted_requests" },
    { "extstate_sip_malformed", "SIP messages that could not be read.", "transactions",
      "malformed" },
    { "extstate_sip_client_retransmissions", "SIP requests sent again.", "transactions",
      "client_retransmissions" },
    { "extstate_sip_client_timeouts", "SIP requests that nobody answered.", "transactions",
      "client_timeouts" },
    { "extstate_sip_overload", "SIP requests answered 503 for want of memory.", "transactions",
      "overload" },
    { "extstate_sip_challenged", "SIP requests that were challenged.", "requests", "challenged" },
    { "extstate_sip_wrong_credentials", "SIP requests with wrong credentials.", "requests",
      "wrong_credentials" },
    { "extstate_sip_broken_credentials", "SIP requests whose credentials cannot be read.",
      "requests", "broken_credentials" },
    { "extstate_sip_stale_nonces", "SIP requests challenged anew for their nonce.", "requests",
      "stale_nonces" },
    { "extstate_sip_unidentified", "SIP requests of nobody who is known.", "requests",
      "unidentified" },
    { "extstate_sip_denied", "SIP requests from addresses that are not permitted.", "requests",
      "denied" },
    { "extstate_sip_too_often", "SIP requests over a limit of rate.", "requests", "too_often" },
    { "extstate_network_received_bytes", "Bytes of SIP received.", "network", "received_bytes" },
    { "extstate_network_sent_bytes", "Bytes of SIP sent.", "network", "sent_bytes" },
    { "extstate_network_received", "SIP messages or datagrams received.", "network", "received" },
    { "extstate_network_sent", "SIP messages or datagrams sent.", "network", "sent" },
    { "extstate_network_dropped", "Datagrams dropped because a socket was full.", "network",
      "dropped_full" },
    { "extstate_connections_accepted", "Connections accepted.", "network", "accepted" },
    { "extstate_connections_refused", "Connections over a limit.", "network", "refused" },
    { "extstate_manager_actions", "Actions of the manager interface.", "manager", "actions" },
    { "extstate_manager_refused", "Logins to the manager interface that failed.", "manager",
      "refused" },
    { "extstate_manager_events", "Events of the manager interface.", "manager", "events" },
    { "extstate_store_commits", "Commits of the store.", "store", "commits" },
    { "extstate_store_records", "Records written by the store.", "store", "records" },
    { "extstate_store_failures", "Commits that failed.", "store", "failures" },
    { "extstate_feed_changes", "Changes told to the edges.", "feed", "told" },
    { "extstate_feed_lost", "Changes that were too many to be told to the edges.", "feed", "lost" },
    { "extstate_journal_rows", "Rows that the journal has written.", "journal", "written" },
    { "extstate_journal_lost", "Rows that the journal could not write.", "journal", "lost" },
    { "extstate_journal_failures", "Transactions of the journal that failed.", "journal",
      "failures" },
};

static const struct metric gauges[] = {
    { "extstate_subscriptions", "Subscriptions now.", "notifier", "subscriptions" },
    { "extstate_watched_resources", "Resources that somebody watches, for each worker.", "notifier",
      "resources" },
    { "extstate_dialogs", "Dialogs of subscriptions.", "notifier", "dialogs" },
    { "extstate_notice_contacts", "Contacts that are told mailboxes unasked.", "notifier",
      "unsolicited" },
    { "extstate_devices", "Devices with a state.", "state", "devices" },
    { "extstate_presences", "Presence providers with a state.", "state", "presences" },
    { "extstate_hints", "Hints, those made from patterns included.", "state", "hints" },
    { "extstate_resources", "Resources with a snapshot.", "state", "resources" },
    { "extstate_publications", "Publications sent to other servers.", "publisher", "publications" },
    { "extstate_received_publications", "Publications received that live.", "publications",
      "publications" },
    { "extstate_asterisk_servers", "Asterisk servers that tell their states.", "sources",
      "servers" },
    { "extstate_contacts_registered", "Contacts that are registered.", "contacts", "registered" },
    { "extstate_contacts_static", "Contacts of the configuration.", "contacts", "fixed" },
    { "extstate_connections", "Connections of SIP.", "network", "connections" },
    { "extstate_sip_server_transactions", "Server transactions.", "transactions", "server_live" },
    { "extstate_sip_client_transactions", "Client transactions.", "transactions", "client_live" },
    { "extstate_manager_sessions", "Connections of the manager interface.", "manager", "sessions" },
    { "extstate_manager_logged_in", "Those of them that have logged in.", "manager", "logged_in" },
    { "extstate_store_waiting_bytes", "Bytes that wait for the store.", "store", "waiting_bytes" },
    { "extstate_feed_waiting_bytes", "Bytes of changes that wait for the edges.", "feed",
      "waiting_bytes" },
    { "extstate_journal_bytes", "Bytes of the journal on disk.", "journal", "bytes" },
    { "extstate_subscriptions_limit", "How many subscriptions there may be.", NULL,
      "subscriptions_max" },
};

/* Memory by kind of object. */
static const struct metric memories[] = {
    { "subscriptions", NULL, "notifier", "subscription_bytes" },
    { "dialogs", NULL, "notifier", "dialog_bytes" },
    { "notifies", NULL, "notifier", "notify_bytes" },
    { "watched_resources", NULL, "notifier", "resource_bytes" },
    { "interned", NULL, "notifier", "interned_bytes" },
    { "tables", NULL, "notifier", "table_bytes" },
    { "snapshots", NULL, "state", "snapshot_bytes" },
    { "bodies", NULL, "state", "body_bytes" },
    { "devices", NULL, "state", "device_bytes" },
    { "presences", NULL, "state", "presence_bytes" },
    { "hints", NULL, "state", "hint_bytes" },
    { "mailboxes", NULL, "state", "mailbox_bytes" },
    { "state_tables", NULL, "state", "table_bytes" },
    { "received_publications", NULL, "publications", "bytes" },
    { "publications", NULL, "publisher", "publication_bytes" },
    { "published_resources", NULL, "publisher", "resource_bytes" },
    { "publisher_tables", NULL, "publisher", "table_bytes" },
    { "sources", NULL, "sources", "bytes" },
    { "contacts", NULL, "contacts", "bytes" },
    { "transactions", NULL, "transactions", "server_bytes" },
    { "transaction_tables", NULL, "transactions", "table_bytes" },
    { "connections", NULL, "network", "connection_bytes" },
    { "history", NULL, "network", "history_bytes" },
};

struct page {
    struct buf *out;
    bool open; /* OpenMetrics: counters are named without _total where their type is told */
};

/* ---- lines ---- */

static void add_head(const struct page *p, const char *name, const char *type, const char *help)
{
    static const char *const units[] = { "seconds", "bytes" };
    const char *end = !p->open && str_equal(str_of(type), STR("counter")) ? "_total" : "";

    buf_printf(p->out, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, end, help, name, end, type);
    for (size_t i = 0; p->open && i < ARRAY_LEN(units); i++)
        if (str_ends(str_of(name), str_of(units[i])))
            buf_printf(p->out, "# UNIT %s %s\n", name, units[i]);
}

static void add_label(const struct page *p, const char *name, struct str value)
{
    buf_printf(p->out, "%s=\"", name);
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '"' || value.p[i] == '\\')
            buf_add_char(p->out, '\\');
        if (value.p[i] == '\n')
            buf_add(p->out, STR("\\n"));
        else
            buf_add_char(p->out, value.p[i]);
    }
    buf_add_char(p->out, '"');
}

static const json_t *status_member(const json_t *status, const struct metric *m)
{
    const json_t *section = m->section ? json_object_get(status, m->section) : status;

    return json_object_get(section, m->member);
}

static void add_metrics(const struct page *p, const json_t *status, const struct metric *list,
                        size_t n, const char *type)
{
    bool counter = str_equal(str_of(type), STR("counter"));

    for (size_t i = 0; i < n; i++) {
        const json_t *v = status_member(status, &list[i]);

        if (!v)
            continue;
        add_head(p, list[i].name, type, list[i].help);
        buf_printf(p->out, "%s%s %lld\n", list[i].name, counter ? "_total" : "",
                   (long long)json_integer_value(v));
    }
}

static void add_gauge(const struct page *p, const char *name, const char *help, double value)
{
    add_head(p, name, "gauge", help);
    buf_printf(p->out, "%s %.17g\n", name, value);
}

/* ---- what is no plain number of `status` ---- */

static void add_memory(const struct page *p, const json_t *status)
{
    add_head(p, "extstate_memory_bytes", "gauge",
             "What objects of a kind have on the heap, malloc's own included.");
    for (size_t i = 0; i < ARRAY_LEN(memories); i++)
        buf_printf(p->out, "extstate_memory_bytes{kind=\"%s\"} %lld\n", memories[i].name,
                   (long long)json_integer_value(status_member(status, &memories[i])));
}

/* One gauge, by a label; the status of each kind is called like it. */
static void add_kinds(const struct page *p, const json_t *section, const char *name,
                      const char *help, const char *const *kinds)
{
    add_head(p, name, "gauge", help);
    for (; *kinds; kinds++)
        buf_printf(p->out, "%s{status=\"%s\"} %lld\n", name, *kinds,
                   (long long)json_integer_value(json_object_get(section, *kinds)));
}

static void add_contacts(const struct page *p, const json_t *status)
{
    static const char *const reached[] = { "unqualified", "unknown", "reachable", "unreachable",
                                           NULL };
    static const char *const watched[] = { "watched", "trying", "refused", NULL };

    add_kinds(p, json_object_get(status, "qualify"), "extstate_contacts",
              "Contacts of AORs, by what is known of them.", reached);
    add_kinds(p, json_object_get(status, "watch"), "extstate_contacts_watched",
              "Contacts whose dialogs are watched, or would be.", watched);
}

static void add_rejected(const struct page *p, const json_t *status)
{
    static const struct {
        const char *section, *prefix, *name, *help;
    } sets[] = {
        { "notifier", "rejected_", "extstate_subscribe_rejected", "SUBSCRIBEs that were refused." },
        { "compositor", "refused_", "extstate_compositor_refused",
          "PUBLISHes received and refused." },
        { "registrar", "refused_", "extstate_register_refused", "REGISTERs that were refused." },
    };

    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        json_t *section = json_object_get(status, sets[i].section);
        const char *member;
        json_t *value;

        add_head(p, sets[i].name, "counter", sets[i].help);
        json_object_foreach(section, member, value)
        {
            struct str name = str_of(member);

            if (str_starts(name, str_of(sets[i].prefix)))
                buf_printf(p->out, "%s_total{code=\"%s\"} %lld\n", sets[i].name,
                           member + strlen(sets[i].prefix), (long long)json_integer_value(value));
        }
    }
}

static void add_queues(const struct page *p, const json_t *status)
{
    const json_t *queues = json_object_get(status, "queues");
    const json_t *worker;
    size_t i;

    add_head(p, "extstate_queue_messages", "gauge", "Messages that wait for a thread.");
    buf_printf(p->out, "extstate_queue_messages{thread=\"state\"} %lld\n",
               (long long)json_integer_value(json_object_get(queues, "state")));
    buf_printf(p->out, "extstate_queue_messages{thread=\"edge\"} %lld\n",
               (long long)json_integer_value(json_object_get(queues, "edge")));
    json_array_foreach(json_object_get(queues, "workers"), i, worker)
    {
        buf_printf(p->out, "extstate_queue_messages{thread=\"worker-%zu\"} %lld\n", i,
                   (long long)json_integer_value(worker));
    }
}

/* OpenMetrics wants whole numbers with their point. */
static void add_bound(const struct page *p, const char *name, json_int_t bound_ms, long long sum)
{
    const char *end = p->open && bound_ms % 1000 == 0 ? ".0" : "";

    buf_printf(p->out, "%s_bucket{le=\"%g%s\"} %lld\n", name, (double)bound_ms / 1000, end, sum);
}

static void add_histogram(const struct page *p, const json_t *latency, const char *member,
                          const char *name, const char *help)
{
    const json_t *h = json_object_get(latency, member), *counts = json_object_get(h, "counts"),
                 *bounds = json_object_get(latency, "bounds_ms");
    long long sum = 0;

    add_head(p, name, "histogram", help);
    for (size_t i = 0; i < json_array_size(counts); i++) {
        sum += json_integer_value(json_array_get(counts, i));
        if (i < json_array_size(bounds))
            add_bound(p, name, json_integer_value(json_array_get(bounds, i)), sum);
        else
            buf_printf(p->out, "%s_bucket{le=\"+Inf\"} %lld\n", name, sum);
    }
    buf_printf(p->out, "%s_sum %.3f\n%s_count %lld\n", name,
               (double)json_integer_value(json_object_get(h, "sum_ms")) / 1000, name, sum);
}

static void add_build(const struct page *p, const json_t *status)
{
    const json_t *version = json_object_get(status, "version");

    add_head(p, "extstate_build_info", "gauge", "The program that runs.");
    buf_add(p->out, STR("extstate_build_info{"));
    add_label(p, "version", str_of(json_string_value(version)));
    buf_add(p->out, STR("} 1\n"));
}

static long long resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "re");
    long long size, pages = 0;

    if (f && fscanf(f, "%lld %lld", &size, &pages) != 2)
        pages = 0;
    if (f)
        fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

static void add_process(const struct page *p, const json_t *status)
{
    struct rusage u = { .ru_maxrss = 0 };

    getrusage(RUSAGE_SELF, &u);
    add_head(p, "process_cpu_seconds", "counter", "CPU time, of user and system.");
    buf_printf(p->out, "process_cpu_seconds_total %.6f\n",
               (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                   (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
    add_gauge(p, "process_resident_memory_bytes", "Memory that the process has.",
              (double)resident_bytes());
    add_gauge(p, "process_start_time_seconds", "When it began, since 1970.",
              (double)json_integer_value(json_object_get(status, "started_ms")) / 1000);
}

static void add_http(const struct page *p, const struct http *h)
{
    add_head(p, "extstate_http_requests", "counter", "Requests of HTTP.");
    buf_printf(p->out, "extstate_http_requests_total %" PRIu64 "\n", h->requests);
    add_head(p, "extstate_http_denied", "counter", "Requests of HTTP without the right.");
    buf_printf(p->out, "extstate_http_denied_total %" PRIu64 "\n", h->refused);
    add_gauge(p, "extstate_http_streams", "Clients that are told changes as they happen.",
              (double)h->n_streams);
    add_gauge(p, "extstate_http_connections", "Connections of HTTP.",
              h->server ? (double)server_connections(h->server) : 0);
}

/* One family, with a line for each row of a list that has the member; a truth counts as 0 or 1. */
struct family {
    const char *name, *type, *help, *member;
};

/* What tells the rows of a list apart: the first of these members that a row has, as `label`. */
struct rows {
    const json_t *list;
    const char *label, *keys[2];
    bool worker; /* and its number */
};

static const char *row_name(const struct rows *rows, const json_t *row)
{
    for (size_t i = 0; i < ARRAY_LEN(rows->keys) && rows->keys[i]; i++)
        if (json_object_get(row, rows->keys[i]))
            return json_string_value(json_object_get(row, rows->keys[i]));
    return NULL;
}

static void add_family(const struct page *p, const struct rows *rows, const struct family *f)
{
    const char *end = str_equal(str_of(f->type), STR("counter")) ? "_total" : "";
    const json_t *row;
    bool headed = false;
    size_t i;

    json_array_foreach(rows->list, i, row)
    {
        const json_t *v = json_object_get(row, f->member);

        if (!v)
            continue;
        if (!headed)
            add_head(p, f->name, f->type, f->help);
        headed = true;
        buf_printf(p->out, "%s%s{", f->name, end);
        add_label(p, rows->label, str_of(row_name(rows, row)));
        if (rows->worker)
            buf_printf(p->out, ",worker=\"%lld\"",
                       (long long)json_integer_value(json_object_get(row, "worker")));
        buf_printf(p->out, "} %lld\n",
                   json_is_boolean(v) ? (long long)json_is_true(v)
                                      : (long long)json_integer_value(v));
    }
}

static void add_publishers(const struct page *p, const json_t *list)
{
    static const struct family families[] = {
        { "extstate_publisher_up", "gauge",
          "Whether a compositor is found and answers, or a worker has nothing for it.", "up" },
        { "extstate_publisher_publications", "gauge", "Publications for it.", "publications" },
        { "extstate_publisher_outstanding", "gauge", "PUBLISHes that it has not answered.",
          "outstanding" },
        { "extstate_publisher_failures", "gauge", "Requests in a row that it did not answer.",
          "failures" },
    };
    const struct rows rows = { list, "section", { "section" }, true };

    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        add_family(p, &rows, &families[i]);
}

/* A PBX is up while it is followed, a server that publishes while a publication of it lives. */
static int sources_judge(json_t *list)
{
    json_t *row;
    size_t i;
    int r = 0;

    json_array_foreach(list, i, row)
    {
        const char *state = json_string_value(json_object_get(row, "state"));
        bool up =
            state ? str_equal(str_of(state), STR("following")) : !json_object_get(row, "lapses_s");

        r |= json_object_set_new(row, "up", json_boolean(up));
    }
    return r;
}

static void add_sources(const struct page *p, json_t *list)
{
    static const struct family families[] = {
        { "extstate_source_up", "gauge", "Whether a PBX is followed, a server publishes.", "up" },
        { "extstate_source_stale", "gauge",
          "Whether its states count no more, or are the last known.", "stale" },
        { "extstate_source_connections", "counter", "Connections to it.", "connections" },
        { "extstate_source_events", "counter", "Events it has sent.", "events" },
        { "extstate_source_reports", "counter", "States it has reported.", "reports" },
        { "extstate_source_publications", "gauge", "Publications that it keeps alive.",
          "publications" },
        { "extstate_source_devices", "gauge", "Devices whose states it publishes.", "devices" },
        { "extstate_source_mailboxes", "gauge", "Mailboxes whose states it publishes.",
          "mailboxes" },
    };
    const struct rows rows = { list, "source", { "source", "eid" }, false };

    if (sources_judge(list))
        return;
    for (size_t i = 0; i < ARRAY_LEN(families); i++)
        add_family(p, &rows, &families[i]);
}

/* Whoever takes both alike gets the text, which every reader of metrics knows. */
static bool is_open(struct str accept)
{
    return body_type_weight(accept, STR("application/openmetrics-text")) >
           body_type_weight(accept, STR("text/plain"));
}

static void print_page(struct exchange *x, const json_t *c)
{
    struct page p = { &x->out, is_open(x->rq.accept) };
    const json_t *status = json_object_get(c, "status"),
                 *latency = json_object_get(status, "latency");

    add_build(&p, status);
    add_metrics(&p, status, counters, ARRAY_LEN(counters), "counter");
    add_metrics(&p, status, gauges, ARRAY_LEN(gauges), "gauge");
    add_rejected(&p, status);
    add_histogram(&p, latency, "sent", "extstate_notify_sent_seconds",
                  "From a change to the NOTIFY that tells it.");
    add_histogram(&p, latency, "acknowledged", "extstate_notify_acknowledged_seconds",
                  "From a change to the answer of the NOTIFY that tells it.");
    add_histogram(&p, latency, "contacts", "extstate_contact_answered_seconds",
                  "From an OPTIONS to the answer of the contact.");
    add_contacts(&p, status);
    add_memory(&p, status);
    add_queues(&p, status);
    add_gauge(&p, "extstate_store_failing", "Whether the store cannot be written.",
              json_is_true(json_object_get(json_object_get(status, "store"), "failing")));
    add_gauge(&p, "extstate_journal_failing", "Whether the journal cannot be written.",
              json_is_true(json_object_get(json_object_get(status, "journal"), "failing")));
    add_publishers(&p, json_object_get(c, "publishers"));
    add_sources(&p, json_object_get(c, "sources"));
    add_http(&p, x->http);
    add_process(&p, status);
    if (p.open)
        buf_add(p.out, STR("# EOF\n"));
    x->type = p.open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                     : "text/plain; version=0.0.4; charset=utf-8";
    exchange_answer(x, 200);
}

/* ---- one question after the other ---- */

static bool collect(struct exchange *x, const char *member, struct str open, struct str text,
                    struct str close)
{
    struct buf whole;
    json_error_t why;
    json_t *value;
    int r;

    buf_init(&whole, HTTP_ANSWER_MAX);
    buf_add(&whole, open);
    buf_add(&whole, text);
    buf_add(&whole, close);
    value = whole.error ? NULL : json_loadb(whole.p, whole.n, 0, &why);
    buf_fini(&whole);
    r = value ? json_object_set_new(x->collected, member, value) : -1;
    if (r)
        exchange_fail(x, 503, "busy", "there is no memory for it");
    return r == 0;
}

static void sources_come(struct exchange *x, const struct commands_answer *answer)
{
    if (collect(x, "sources", STR("["), answer->rows, STR("]")))
        print_page(x, x->collected);
}

static void publishers_come(struct exchange *x, const struct commands_answer *answer)
{
    if (collect(x, "publishers", STR("["), answer->rows, STR("]")))
        exchange_ask(x, json_pack("{ss}", "command", "sources"), sources_come);
}

static void status_comes(struct exchange *x, const struct commands_answer *answer)
{
    if (collect(x, "status", STR_EMPTY, answer->members, STR_EMPTY))
        exchange_ask(x, json_pack("{ss}", "command", "publishers"), publishers_come);
}

void metrics_get(struct exchange *x)
{
    x->collected = json_object();
    exchange_ask(x, json_pack("{ss}", "command", "status"), status_comes);
}
