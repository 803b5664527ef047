// SPDX-License-Identifier: MIT
/* settings.h - pjsip.conf, extstate.conf, manager.conf (manager.h) and acl.conf as typed,
 * immutable, counted objects; extensions.conf as a dialplan.
 *
 * One struct settings is everything the SIP side runs with. A reload reads a new one and swaps the
 * pointer; running objects keep what they refer to by reference count or by id. All strings belong
 * to the settings. Threads: settings_read by its caller; a struct settings is read by any. */
#pragma once
#include <stdatomic.h>

#include "base/addr.h"
#include "base/arena.h"
#include "base/regex.h"
#include "config/conf.h"
#include "sip/digest.h"
#include "state/state.h"

enum transport_protocol {
    TRANSPORT_UDP,
    TRANSPORT_TCP,
    TRANSPORT_TLS,
    TRANSPORT_WS,
    TRANSPORT_WSS
};

struct transport_fault { /* why one cannot be had */
    const char *option;  /* which is at fault; NULL: bind */
    struct buf why;      /* empty: what the errno says */
};

struct transport_settings {
    struct str id;
    enum transport_protocol protocol;
    struct addr bind;
    struct str domain;
    struct str external_address; /* host name or address put into Contact and Via for peers outside
                                    local_net; empty: none */
    uint16_t external_port;      /* 0: the local one */
    struct addr_net *local_nets;
    size_t n_local_nets;
    uint32_t tos; /* DSCP byte, 0: default */
    uint32_t cos; /* SO_PRIORITY, 0: default */
    bool symmetric;
    bool keepalive; /* TCP's own */
    uint32_t keepalive_idle_s, keepalive_interval_s, keepalive_probes;
    struct str cert_file, key_file, password, ca_file, ca_path, cipher; /* paths are absolute, or
                                                                           empty */
    uint32_t tls_version;                                               /* enum net_tls_version */
    bool verify_server, verify_client, require_client_cert, wildcards;
    struct diag_place at;
};

struct digest_order { /* enum digest_algorithm, the preferred one first */
    uint8_t n, list[DIGEST_ALGORITHMS];
};

struct auth_settings {
    struct str id;
    struct digest_credential credential; /* as which we answer challenges */
    struct auth_server {                 /* as which who sends us requests is challenged */
        struct digest_order order;
        struct str realm;
        struct str
            a1[DIGEST_ALGORITHMS]; /* hex H(username:realm:password), of those in the order */
        uint32_t nonce_lifetime_s;
    } server;
    struct diag_place at;
};

struct aor_settings {
    struct str id;
    struct str *contacts; /* static ones */
    size_t n_contacts;
    /* Whether its contacts are there. */
    uint32_t qualify_frequency_s; /* 0: they are not asked */
    uint32_t qualify_timeout_ms;  /* 0: as long as a transaction may take */
    bool qualify_2xx_only;        /* only a success says so */
    bool authenticate_qualify;    /* a challenge is answered, with the endpoint's outbound_auth */
    struct str mailboxes, voicemail_extension;
    struct str outbound_proxy; /* of requests to its contacts; empty: the endpoint's */
    /* Of REGISTER. */
    uint32_t max_contacts; /* 0: nobody registers here */
    bool remove_existing, remove_unavailable, support_path;
    uint32_t default_expiration_s, minimum_expiration_s, maximum_expiration_s;
};

struct mailbox_group { /* what a message-summary sums */
    struct str name;   /* the AOR; of several that an endpoint has, "a,b" */
    struct str mailboxes;
    struct str account; /* user of its Message-Account; empty: none, or they have several */
};

enum identify_by {
    IDENTIFY_USERNAME = 1,
    IDENTIFY_AUTH_USERNAME = 2,
    IDENTIFY_IP = 4,
    IDENTIFY_HEADER = 8,
    IDENTIFY_REQUEST_URI = 16,
    IDENTIFY_ANONYMOUS = 32
};

/* Addresses that are permitted or denied: the last rule that matches decides, and without one it is
 * permitted. The named ones of acl.conf have to permit as well; a name that is not there denies. */
struct address_rules {
    struct address_rule {
        struct addr_net net;
        bool permit, negated; /* negated: it matches what is not in the network */
    } * rules;
    size_t n_rules;
    struct str *names;
    size_t n_names;
};

struct acl_settings { /* type=acl: for all requests */
    struct str id;
    struct address_rules source, contact;
    struct diag_place at;
};

struct endpoint_settings {
    struct str id;
    struct str context; /* subscribe_context, else context, else "default" */
    bool allow_subscribe;
    uint32_t sub_min_expiry_s;
    bool notify_early_inuse_ringing;
    unsigned identify_by; /* bits of enum identify_by */
    struct str *auths;    /* ids: one of these it must prove with each request; none: nothing */
    size_t n_auths;
    struct str *outbound_auths; /* ids: as whom it is answered when it challenges us */
    size_t n_outbound_auths;
    bool allow_unauthenticated_options;
    struct address_rules source,
        contact; /* from where it may send, what its Contact and routes may name */
    /* Of extension@context: what it may watch within its context, and what not; NULL: all, nothing.
     */
    struct str watch_allow_pattern, watch_deny_pattern;
    struct regex *watch_allow, *watch_deny;
    struct str *aors;
    size_t n_aors;
    struct str transport; /* id; empty: the one the request came in on */
    bool force_rport, rewrite_contact;
    struct str contact_user, callerid_name, callerid_number;
    struct str from_user, from_domain; /* of From outside a dialog; empty: none, our address */
    struct str outbound_proxy;         /* of requests outside a dialog: "sip:host;lr", or empty */
    /* Its mailboxes, see mailbox_next: their states are told to it unasked. */
    struct str mailboxes, voicemail_extension; /* the latter: user of Message-Account then */
    bool aggregate_mwi;                        /* one message with all of them, not one for each */
    bool mwi_subscribe_replaces_unsolicited;
    struct str mwi_from_user;        /* user of From of such a message; empty: from_user */
    struct str incoming_mwi_mailbox; /* whose state its NOTIFYs tell us; empty: none's */
    struct diag_place at;
};

struct identify_settings {
    struct str id, endpoint;
    struct identify_match {
        struct addr_net net;
        uint16_t port; /* 0: any */
        bool negated;
    } * matches;
    size_t n_matches;
    /* match_header and match_request_uri, empty: none. A value in slashes is a pattern, which is
     * compiled then. */
    struct str header, header_value, uri;
    struct regex *header_pattern, *uri_pattern;
    struct str *certificates; /* "example.com", "alice@example.com": whom that of the peer names */
    size_t n_certificates;
    struct diag_place at;
};

struct publish_settings { /* type=outbound-publish */
    struct str id;
    struct str server_uri, from_uri, to_uri; /* from, to: server_uri when not given */
    struct str event;
    uint32_t expiration_s;
    struct str *auths; /* ids of outbound_auth, each known to exist */
    size_t n_auths;
    struct str outbound_proxy; /* "sip:host;lr", empty: none */
    uint32_t max_auth_attempts;
    struct str transport;
    bool multi_user;
    struct str body; /* @body: "application/dialog-info+xml" */
    struct str context_pattern, exten_pattern;
    struct regex *context, *exten; /* compiled @context, @exten; NULL: everything */
    struct str state_pattern;      /* of the Asterisk packages: @device_state_filter,
                                      @mailbox_state_filter */
    struct regex *state;           /* compiled; NULL: everything */
    struct diag_place at;
};

/* What Asterisk servers publish to each other: struct asterisk_event of publication. */
#define ASTERISK_DEVICES STR("asterisk-devicestate")
#define ASTERISK_MAILBOXES STR("asterisk-mwi")
bool asterisk_package_known(struct str package);

enum { ASTERISK_PACKAGES = 2 };

struct inbound_publication_settings { /* type=inbound-publication: to whom other servers publish */
    struct str id;                    /* the user part of the Request-URI */
    struct str endpoint;              /* that may; empty: any */
    struct inbound_event {
        struct str package, publication; /* event_PACKAGE = id of an asterisk-publication */
    } events[ASTERISK_PACKAGES];
    size_t n_events;
    struct diag_place at;
};

struct asterisk_publication_settings { /* type=asterisk-publication: what becomes of that */
    struct str id;
    bool device_state, mailbox_state;                     /* accepted; what is not is ignored */
    struct str devicestate_publish, mailboxstate_publish; /* outbound-publish sections for asking,
                                                             and being asked, to begin anew */
    struct str device_pattern, mailbox_pattern;
    struct regex *device_filter, *mailbox_filter; /* compiled; NULL: everything */
    struct diag_place at;
};

enum publish_right { PUBLISH_NONE, PUBLISH_OWN, PUBLISH_ANY };

struct compositor_settings { /* extstate.conf [compositor], or any section with type = compositor */
    struct str id;
    struct str *domains; /* host parts of Request-URIs it serves; none: every one that no other
                            section names */
    size_t n_domains;
    struct str context;   /* where its resources live: those of hints of this context, too */
    struct str *packages; /* served for PUBLISH; "dialog", "presence", "message-summary" */
    size_t n_packages;
    struct str *opaques; /* packages served as they are published */
    size_t n_opaques;
    enum publish_right publish; /* whose state an endpoint may publish: nobody's, its own (the user
                                   part is its id or one of its AORs), anybody's */
    struct str *publishers;     /* endpoints that may publish; none: all */
    size_t n_publishers;
    struct str *priorities; /* endpoints that count more than others, the first the most */
    size_t n_priorities;
    uint32_t minimum_expiry_s, maximum_expiry_s, default_expiry_s;
    uint32_t expiry_grace_s; /* how much longer a publication is kept than was granted */
    uint32_t max_per_publisher, max_per_resource, max_body; /* publications, publications, bytes */
    enum composition_order order;
    bool any_user;  /* users that no AOR or endpoint is named after are served too */
    bool supersede; /* a publisher that begins anew replaces what it left behind */
    struct diag_place at;
};

enum source_protocol {             /* that another server tells its states by */
                       SOURCE_AMI, /* Asterisk Manager Interface */
                       SOURCE_ESL, /* FreeSWITCH's event socket */
};
enum source_login { SOURCE_LOGIN_AUTO, SOURCE_LOGIN_MD5, SOURCE_LOGIN_PLAIN };
enum source_stale { SOURCE_STALE_UNAVAILABLE, SOURCE_STALE_KEEP };

struct source_settings { /* extstate.conf, a section with type = source */
    struct str id;       /* of its reports in the state core, too */
    uint32_t protocol;   /* enum source_protocol */
    struct str host;     /* a name or an address */
    uint16_t port;
    bool tls, verify_server, wildcards;
    struct str ca_file, ca_path, cert_file, key_file; /* absolute, or empty */
    struct str username, secret;
    uint32_t login;      /* enum source_login; AUTO: plain by TLS, MD5 otherwise */
    struct str *devices; /* prefixes of the names that are taken; none: all */
    size_t n_devices;
    bool hints; /* its hints are ours, too */
    bool presence, mailboxes, calls;
    struct str domain; /* host part of the URIs of who calls; empty: `host` */
    uint32_t grace_s;  /* how long its states outlive the connection */
    uint32_t stale;    /* enum source_stale: what becomes of them then */
    uint32_t retry_interval_s, ping_interval_s;
    struct diag_place at;
};

/* What becomes of a watcher: the sub-handling of RFC 5025 section 3.2.1, from least to most. */
enum watcher_handling {
    WATCHER_BLOCK,
    WATCHER_CONFIRM,
    WATCHER_POLITE_BLOCK,
    WATCHER_ALLOW,
    WATCHER_UNDECIDED /* there was no memory to find out: to be asked again */
};

struct presence_rules;
struct manager_settings;

struct authorization_settings {      /* extstate.conf [authorization] */
    atomic_uint refs;                /* one that a reload refuses goes on in the next settings */
    enum watcher_handling otherwise; /* where no rule matches */
    uint32_t give_up_s;              /* how long a watcher waits to be confirmed */
    struct authorization_rule {      /* the first that matches decides */
        struct regex *watcher, *resource; /* of the endpoint's id or its URI; of extension@context;
                                             NULL: any */
        struct str package;               /* empty: any */
        bool everything;                  /* about all packages, watchers and resources */
        enum watcher_handling handling;
        struct presence_rules *document; /* decides instead of `handling`; NULL: none */
    } * rules;
    size_t n_rules;
    bool ask_spheres;     /* there are rules that depend on the sphere of who is watched */
    uint64_t fingerprint; /* of its lines and documents */
    struct arena arena;
};

struct compatibility_settings { /* extstate.conf [compatibility]; each named after the behaviour it
                                   brings back */
    bool ringing_repeat;        /* an equal state is told again while it rings */
    bool unacceptable_489;      /* no usable Accept: 489 instead of 406 */
    bool terminated_without_reason; /* Subscription-State: terminated, no reason parameter */
    bool
        removed_hint_is_idle; /* the last body of a removed hint says idle/open instead of closed */
    bool unavailable_is_silent; /* a fresh hint that is Unavailable is not announced or published */
    bool asterisk_autohints; /* autohints: every device class, only after a change, never removed */
    bool asterisk_bodies;    /* element order, ids and contacts of bodies as Asterisk writes them */
    bool publish_swaps_from_to;       /* from_uri goes into To and to_uri into From */
    bool publish_key_without_context; /* 100@a and 100@b share one publication */
    bool
        strict_objects; /* one bad option discards its object, one duplicate id discards its type */
    bool
        lapsed_states_stay; /* states of a server that is gone stay until somebody says otherwise */
    bool ari_bad_state_is_500; /* /ari/deviceStates answers a state that is none 500, not 400 */
    bool restart_notify_all;   /* after a restart every watcher is told, whatever she shows */
};

struct plugin_settings { /* extstate.conf [plugins] load = NAME, and its options in [NAME] */
    struct str name;
    const struct conf_section *options; /* NULL: none */
    struct diag_place at;
};

struct dialog_info_settings {        /* extstate.conf [dialog-info] */
    struct str single_dialog_agents; /* parts of User-Agents, comma separated */
    bool single_dialog, idle_dialog;
};

enum strangers {                 /* what becomes of requests of which nobody knows who sends them */
                 STRANGERS_AUTO, /* challenged if any endpoint is */
                 STRANGERS_CHALLENGE,
                 STRANGERS_REFUSE
};

enum durability { /* of what is acknowledged */
                  DURABILITY_NONE,
                  DURABILITY_NORMAL,
                  DURABILITY_FULL
};

struct general_settings {      /* extstate.conf [general] */
    uint32_t workers;          /* 0: one per core */
    struct str control_socket; /* path; default STATE_DIR/extstated.sock */
    struct str plugin_directory;
    struct str log_level; /* error, warn, info, debug */
    uint32_t subscription_default_expiry_s, subscription_max_expiry_s;
    uint32_t max_subscriptions;      /* per process; over it 503 */
    uint32_t max_connections;        /* per process; over it they are closed as they come */
    uint32_t connections_per_source; /* of one address, likewise; 0: any number */
    struct str nameservers;          /* "192.0.2.1:53,[2001:db8::1]:53"; empty: the system's */
    uint32_t connection_idle_s;      /* without a word for so long they are closed; 0: never */
    struct str websocket_origins;    /* comma separated; empty: any */
    /* 0: any number. Of subscriptions, for all workers together; and of requests in a second, for
     * all but retransmissions. */
    uint32_t subscriptions_per_endpoint, subscriptions_per_resource, subscriptions_per_address;
    uint32_t requests_per_source, requests_per_endpoint;
    uint32_t publish_retry_interval_s; /* longest pause before a compositor that is away is asked
                                          again */
    uint32_t stop_grace_s;             /* how long an orderly end waits for answers */
    struct str systemname;             /* ${SYSTEMNAME} of hints; empty: none */
    struct str entityid;     /* "02:00:5e:00:53:01", in lower case; empty: made by the daemon */
    uint32_t source_grace_s; /* how long the states of a server outlive its last publication */
    enum durability durability;
    uint32_t strangers; /* enum strangers */
    bool execincludes;
};

struct journal_settings { /* extstate.conf [journal] */
    bool enabled;
    uint32_t kinds; /* bits of enum change_kind */
    uint32_t keep_s, max_mib;
};
static inline bool journal_settings_equal(const struct journal_settings *a,
                                          const struct journal_settings *b)
{
    return a->enabled == b->enabled && a->kinds == b->kinds && a->keep_s == b->keep_s &&
           a->max_mib == b->max_mib;
}

struct registrar_settings { /* extstate.conf [registrar] */
    bool enabled, watch_dialogs;
};

struct global_settings { /* pjsip.conf global and system */
    uint32_t max_forwards;
    struct str user_agent;
    struct str default_voicemail_extension; /* of AORs that have none: who is called for messages */
    struct str default_from_user; /* of endpoints that have none, in From outside a dialog */
    unsigned identifier_order[6]; /* each of enum identify_by, in order */
    bool disable_multi_domain, ignore_uri_user_options;
    bool debug;            /* wire trace: of everything, or of the debug_host */
    struct str debug_host; /* an address or network, empty: all */
    uint32_t timer_t1_ms, timer_b_ms;
    bool compact_headers, disable_rport;
    bool disable_tcp_switch; /* requests too long for a datagram are sent as such all the same */
    uint32_t keep_alive_interval_s;       /* of connections; 0: none */
    uint32_t max_initial_qualify_time_s;  /* until all contacts known at the start have been asked;
                                             0: their frequency */
    bool mwi_disable_initial_unsolicited; /* mailboxes are told unasked only when they change */
    uint32_t algorithms_uac; /* BIT(enum digest_algorithm), of auth sections that name none */
    struct digest_order algorithms_uas; /* likewise */
    struct str default_realm;           /* of auth sections without one, as a server */
};

enum { LIST_ITEM_MAX = 79 };    /* bytes of its name, as of any extension's */
struct resource_list_settings { /* RFC 4662 */
    struct str id, event;
    struct str *items; /* each once */
    size_t n_items;
    bool full_state, display_name;
    uint32_t batch_ms;
    struct diag_place at;
};

struct domain_alias {
    struct str alias, domain;
};

struct http_token {
    struct str name, secret;
    bool writes; /* states may be set with it */
};

struct http_settings { /* extstate.conf [http] */
    bool enabled;
    struct addr bind;
    struct str cert_file, key_file; /* absolute paths; empty: no TLS */
    struct diag_place tls_at;
    struct http_token *tokens;
    size_t n_tokens;
    struct addr_net *allow; /* who may connect; none: everybody */
    size_t n_allow;
    struct addr_net *readers; /* who may read without proving anything */
    size_t n_readers;
    struct str hosts; /* comma separated: names by which readers may ask */
    uint32_t max_connections, session_lifetime_s;
};

struct settings {
    atomic_uint refs;
    struct general_settings general;
    struct compatibility_settings compatibility;
    struct authorization_settings *authorization; /* a reference */
    struct manager_settings *manager;             /* likewise: see manager.h */
    struct dialog_info_settings dialog_info;
    struct http_settings http;
    struct journal_settings journal;
    struct registrar_settings registrar;
    struct global_settings global;
    struct transport_settings *transports;
    size_t n_transports;
    struct endpoint_settings *endpoints;
    size_t n_endpoints;
    bool endpoints_have_domains; /* some id is user@domain */
    bool limits_watching;        /* one of them has watch_allow or watch_deny */
    struct aor_settings *aors;
    size_t n_aors;
    struct mailbox_group *mailbox_groups;
    size_t n_mailbox_groups;
    struct auth_settings *auths;
    size_t n_auths;
    struct identify_settings *identifies;
    size_t n_identifies;
    bool identifies_messages; /* by a header or the Request-URI */
    struct acl_settings *acls;
    size_t n_acls;
    struct address_rules *named_rules; /* of acl.conf */
    size_t n_named_rules;
    struct publish_settings *publishes;
    size_t n_publishes;
    struct asterisk_publication_settings *asterisk_publications;
    size_t n_asterisk_publications;
    struct inbound_publication_settings *inbound_publications;
    size_t n_inbound_publications;
    struct resource_list_settings *resource_lists;
    size_t n_resource_lists;
    struct plugin_settings *plugins;
    size_t n_plugins;
    bool plugins_partial; /* more may be where it could not be read, with SETTINGS_UNUSABLE */
    struct compositor_settings *compositors;
    size_t n_compositors;
    struct source_settings *sources;
    size_t n_sources;
    struct domain_alias *aliases;
    size_t n_aliases;
    /* Of all that was read for them, overrides and addresses looked up among it: those with the
     * same fingerprint are the same. */
    uint64_t fingerprint;
    void *owned; /* indexes by id and the files' texts: see settings.c */
};

struct settings_source {
    struct str directory;        /* --config-dir */
    struct str state_directory;  /* --state-dir */
    const struct str *overrides; /* "SECTION.OPTION=VALUE" of --set, for extstate.conf */
    size_t n_overrides;
    /* What a reload replaces; NULL at the start and for a mere check. Borrowed for the call. An
     * object that is refused goes on as it was there, with a message that says so; one that is
     * not written any more is gone. */
    const struct settings *former;
    struct dialplan *former_dialplan; /* likewise, for extensions_read */
    struct conf_source
        files; /* read hooks for tests; directory and file are filled in by settings_read */
    /* For tests and fuzzing: how a host name of `match` is looked up, with `srv` for its servers
     * first; NULL: getaddrinfo(3), res_nquery(3). Calls `each` for every address and returns 0, or
     * says why there is none and returns -ENOENT. */
    int (*resolve)(void *ctx, struct str host, bool srv,
                   void (*each)(void *each_ctx, const struct addr *address), void *each_ctx,
                   const char **why);
    /* [plugins] has been read, and `s` has nothing of what stands in other files yet. 0, or a
     * negative errno that ends the reading. NULL: they are loaded later. */
    int (*plugins)(void *ctx, const struct settings *s);
    /* Is there something that makes bodies of this type? NULL while nobody knows. */
    bool (*body_known)(void *ctx, struct str event, struct str type);
    void *ctx;
    /* Make sure that this transport can be had: 0, or a negative errno that
     * refuses it, with the fault. NULL: nobody listens. */
    int (*listen)(void *listen_ctx, const struct transport_settings *t,
                  struct transport_fault *fault);
    void *listen_ctx;
};

enum {
    SETTINGS_UNUSABLE = 1, /* a file that does not parse, a --set that is none: *out has what could
                              be read, for finding more problems and nothing else */
};

/* Read pjsip.conf, extstate.conf, manager.conf and acl.conf (which may be missing) from the
 * directory, with one reference: to the former settings when nothing in the files is different. 0
 * or SETTINGS_UNUSABLE, or a negative errno. A section that lacks what it needs is an error in
 * `diag`, left out (see `former`), and does not make the rest unusable. */
NODISCARD int settings_read(struct settings **out, const struct settings_source *source,
                            struct diag *diag);
struct settings *settings_ref(const struct settings *s);
void settings_unref(const struct settings *s);
/* Do they say the same, wherever they stand? */
bool settings_source_equal(const struct source_settings *a, const struct source_settings *b);

bool address_rules_permit(const struct settings *s, const struct address_rules *r,
                          const struct addr *a);

/* The one that is configured, or else that which the daemon has made. */
static inline struct str settings_entity_id(const struct settings *s, struct str made)
{
    return s->general.entityid.n ? s->general.entityid : made;
}

const struct endpoint_settings *settings_endpoint(const struct settings *s, struct str id);
const struct auth_settings *settings_auth(const struct settings *s, struct str id);
const struct aor_settings *settings_aor(const struct settings *s, struct str id);
/* The list of this name for this event package (in any case); NULL: none. */
const struct resource_list_settings *settings_resource_list(const struct settings *s, struct str id,
                                                            struct str event);
const struct transport_settings *settings_transport(const struct settings *s, struct str id);
const struct publish_settings *settings_publish(const struct settings *s, struct str id);
const struct inbound_publication_settings *settings_inbound_publication(const struct settings *s,
                                                                        struct str id);
/* The asterisk-publication that an inbound-publication names for this package, or NULL. */
const struct asterisk_publication_settings *settings_asterisk_publication(
    const struct settings *s, const struct inbound_publication_settings *p, struct str package);
/* Is there any inbound-publication for it? */
bool settings_takes_package(const struct settings *s, struct str package);
/* Does an asterisk-publication name this section for asking other servers to begin anew? */
bool settings_publish_asks(const struct settings *s, const struct publish_settings *p);
/* Adds the packages that compositors serve as they are published to a list, "dialog, presence". */
void settings_add_opaques(const struct settings *s, struct buf *list);
/* The compositor that serves this domain (any case; domain aliases are followed), or NULL. */
const struct compositor_settings *settings_compositor(const struct settings *s, struct str domain);
struct watcher_question {     /* may this one watch that? Everything is borrowed */
    struct str endpoint, uri; /* who: the endpoint's id, and the URI of its From */
    struct str package, context, extension;
    struct str sphere; /* of who is watched: RFC 5025 section 3.1.2; empty: undefined */
    uint64_t wall_ms;  /* when */
};
struct view;
/* What the endpoint's own watch_allow and watch_deny forbid is blocked, whatever rules say.
 * Of watcher information (`presence.winfo`): what the rules that name the package say, else its
 * owner may see it and nobody else. Of presence one who is allowed may be shown a part: then *view
 * is a reference, otherwise it is untouched. `view` may be NULL: granted a part is then blocked
 * politely, as with other packages, and nothing is undecided. */
enum watcher_handling settings_authorize(const struct settings *s, const struct watcher_question *q,
                                         struct view **view);
enum { RULES_LOOK_MS = 10000 }; /* how often somebody who waits for that looks at the clock */
/* When the answers may change next by themselves, after `wall_ms`; UINT64_MAX: never. */
uint64_t settings_authorization_next_ms(const struct settings *s, uint64_t wall_ms);
/* Is this user the endpoint itself: its id, or that of one of its AORs? */
bool settings_owns(const struct endpoint_settings *e, struct str user);
enum { MAILBOX_NAME_MAX = 79 };
/* Names of `mailboxes` one by one: call until false. What can be none (empty, or too long) is
 * skipped. */
bool mailbox_next(struct str *rest, struct str *name);
bool mailboxes_have(struct str list, struct str mailbox);
/* Is there a mailbox in both? */
bool mailboxes_meet(struct str a, struct str b);
/* Of an AOR with mailboxes, or several joined; NULL: it has none. */
const struct mailbox_group *settings_mailbox_group(const struct settings *s, struct str name);
/* The mailboxes of all AORs of an endpoint, each once. NULL: there are none. */
const struct mailbox_group *settings_endpoint_group(const struct settings *s, struct str endpoint);
/* Can whoever has this User-Agent show one dialog only? */
bool settings_one_dialog(const struct settings *s, struct str user_agent);
/* True when the endpoint has at least one AOR with a static contact. */
bool settings_endpoint_reachable(const struct settings *s, const struct endpoint_settings *e);

/* What is different between two settings, one by one: sections there is one of, then compositors,
 * then the objects of pjsip.conf. What a reload keeps for a fault is the same. */
enum settings_change_what { SETTINGS_ADDED, SETTINGS_REMOVED, SETTINGS_CHANGED };
struct settings_change { /* borrowed for the call */
    const char *kind;    /* "endpoint", "[general]" */
    struct str id;       /* empty: there is one of it */
    enum settings_change_what what;
    struct str options; /* of one that is changed: their names, "context, aors"; empty: unknown */
};
typedef void (*settings_change_fn)(void *ctx, const struct settings_change *change);
void settings_compare(const struct settings *from, const struct settings *to,
                      settings_change_fn each, void *ctx);
/* Plugins likewise: those that are in force need not be those of the last settings. */
void settings_compare_plugins(const struct settings *from, const struct settings *to,
                              settings_change_fn each, void *ctx);
/* The same plugins with the same options, from the same directory? */
bool settings_same_plugins(const struct settings *a, const struct settings *b);

/* Read extensions.conf into a dialplan the caller owns, compared with the former one; of `general`
 * it takes execincludes and the variables. 0; -EINVAL when the file does not parse, what is wrong
 * with the rest of it has been told too; another negative errno. A missing file is an empty
 * dialplan and a warning. */
NODISCARD int extensions_read(struct dialplan **out, const struct settings_source *source,
                              const struct general_settings *general, struct diag *diag);

/* Everything the schemas know, as a Markdown reference: doc/configuration.md is made from it. */
void settings_print_reference(struct buf *out);
