// SPDX-License-Identifier: MIT
/* pjsip.h - private to src/config: the sections of pjsip.conf as they are read, before they have
 * become settings. pjsip_tables.c and pjsip_peers.c describe them, pjsip.c selects and reads them,
 * pjsip_objects.c and pjsip_publish.c judge each, pjsip_keep.c adds it. */
#pragma once
#include "config/schema.h"

struct global_draft {
    struct global_settings g; /* without what struct system_draft has */
};

struct system_draft {
    uint32_t timer_t1_ms, timer_b_ms;
    bool compact_headers, disable_rport, disable_tcp_switch;
};

enum { TRANSPORT_FLOW = TRANSPORT_WSS + 1 }; /* a word of `protocol` that is not ours */

struct transport_draft {
    struct transport_settings t;
    struct str bind; /* the default port depends on the protocol */
    struct str external_hostname;
    uint32_t external_port;
    bool allow_reload;
};

enum auth_type { AUTH_USERPASS, AUTH_MD5, AUTH_DIGEST, AUTH_GOOGLE_OAUTH };

struct auth_draft {
    struct auth_settings a;
    uint32_t type;
    uint32_t algorithms; /* 0: the global default */
};

struct endpoint_draft {
    struct endpoint_settings e;
    struct str context, subscribe_context;
};

struct identify_draft {
    struct identify_settings i;
    bool srv_lookups; /* match_read looks at the section, since it may stand behind */
    struct str match_header, match_request_uri;
};

struct publish_draft {
    struct publish_settings p;
    struct str device_state_filter, mailbox_state_filter;
};

struct inbound_publication_draft {
    struct inbound_publication_settings p;
    struct str devices, mailboxes; /* event_... */
};

enum pjsip_kind { /* in the order of reading: what is referred to comes before what refers to it */
                  PJSIP_GLOBAL,
                  PJSIP_SYSTEM,
                  PJSIP_TRANSPORT,
                  PJSIP_ACL,
                  PJSIP_AUTH,
                  PJSIP_AOR,
                  PJSIP_ENDPOINT,
                  PJSIP_IDENTIFY,
                  PJSIP_PUBLISH,
                  PJSIP_ASTERISK_PUBLICATION,
                  PJSIP_INBOUND_PUBLICATION,
                  PJSIP_RESOURCE_LIST,
                  PJSIP_DOMAIN_ALIAS,
                  PJSIP_KINDS,
                  /* No section of pjsip.conf, but found by its id like one; the empty id is for
                     every other domain. */
                  SETTINGS_COMPOSITOR_DOMAIN,
                  SETTINGS_NAMED_RULES, /* of acl.conf */
                  SETTINGS_MAILBOX_GROUP,
                  SETTINGS_ENDPOINT_GROUP /* of mailboxes, by the endpoint's id */
};
#define PJSIP_NO_KIND PJSIP_KINDS

struct pjsip_reader {
    struct reading *r;
    struct settings *s;
    const struct conf *conf;
    struct map seen; /* struct seen_id by kind and id: all sections, refused ones too; as
                        PJSIP_NO_KIND what could be anything, for its type has not been found */
    struct schema_use uses[PJSIP_KINDS];
    size_t n_uses; /* made ready */
};

/* pjsip_tables.c: the ways of finding an endpoint, and a reader for a list of digest algorithms
 * into BIT(enum digest_algorithm), a uint32_t. A line adds to those before it, unless it is the
 * default that they replace. */
extern const struct option_word identifier_words[];
int algorithms_read(struct reading *r, const struct option *o, void *object,
                    const struct conf_entry *e, struct buf *why);
/* The same as a struct digest_order, in which a line replaces those before it. */
int algorithm_order_read(struct reading *r, const struct option *o, void *object,
                         const struct conf_entry *e, struct buf *why);

/* address_rules.c: readers of OPTION_CUSTOM for a struct address_rules, and the options that one
 * has; `prefix` is a literal, `what` says whose addresses. */
int permit_read(struct reading *r, const struct option *o, void *object, const struct conf_entry *e,
                struct buf *why);
int deny_read(struct reading *r, const struct option *o, void *object, const struct conf_entry *e,
              struct buf *why);
#define ADDRESS_RULES(prefix, type, member, what)                                             \
    { prefix "permit",                                                                        \
      OPTION_CUSTOM,                                                                          \
      AT(type, member),                                                                       \
      .read = permit_read,                                                                    \
      .type_text = "list of addresses and networks",                                          \
      .meaning = "Permitted: what " what ". `!` in front means all others." },                \
        { prefix "deny",                                                                      \
          OPTION_CUSTOM,                                                                      \
          AT(type, member),                                                                   \
          .read = deny_read,                                                                  \
          .type_text = "list of addresses and networks",                                      \
          .meaning = "Denied, likewise. Of all lines the last that matches decides." },       \
    {                                                                                         \
        prefix "acl", OPTION_LIST, ARRAY_AT(type, member.names, member.n_names),              \
            .meaning =                                                                        \
                "Sections of acl.conf that have to permit it as well; one that is not there " \
                "denies."                                                                     \
    }
/* Names that acl.conf does not have are told. */
void address_names_check(struct pjsip_reader *p, const struct conf_section *s, const char *kind,
                         const struct address_rules *r);
/* acl.conf, before pjsip.conf. 0 or a negative errno. */
NODISCARD int named_rules_read(struct reading *r, struct settings *s, const struct conf *conf);

/* Reads everything of `conf` into the settings. 0 or a negative errno. */
NODISCARD int pjsip_read(struct reading *r, struct settings *s, const struct conf *conf);
/* NULL when the object is there, or when it may be in what could not be read, which has been told;
 * else what is the matter with it. */
const char *pjsip_why_missing(const struct pjsip_reader *p, enum pjsip_kind kind, struct str id);
/* Warns when that is something. `option` is what refers to the object. */
void pjsip_check_reference(struct pjsip_reader *p, const struct conf_section *s, struct str option,
                           enum pjsip_kind kind, struct str id);

/* The line an option stands on, else its section. */
static inline struct diag_place pjsip_place(const struct conf_section *s, struct str option)
{
    const struct conf_entry *e = conf_entry_find(s, option);

    return e ? e->at : s->at;
}

/* pjsip_objects.c, pjsip_publish.c and pjsip_publication.c: the draft becomes part of the settings,
 * or is idle and told to be. 0; SCHEMA_REFUSED when something is wrong, which has been told then; a
 * negative errno. */
typedef int (*pjsip_finish_fn)(struct pjsip_reader *p, void *draft, const struct conf_section *s);
int global_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s);
int system_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s);
int transport_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s);
int acl_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s);
/* In the place of one that is discarded. */
int acl_refused(struct pjsip_reader *p, void *draft, const struct conf_section *s);
int auth_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s);
int aor_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s);
int endpoint_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s);
int identify_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s);
int publish_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s);
int asterisk_publication_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s);
int inbound_publication_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s);
int resource_list_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s);
int domain_alias_finish(struct pjsip_reader *p, void *draft, const struct conf_section *s);

/* What of an object points to others, when it is about to be kept: dangling references are told. */
void acl_settle(struct pjsip_reader *p, void *acl, const struct conf_section *s);
void aor_settle(struct pjsip_reader *p, void *aor, const struct conf_section *s);
void endpoint_settle(struct pjsip_reader *p, void *endpoint, const struct conf_section *s);
void identify_settle(struct pjsip_reader *p, void *identify, const struct conf_section *s);
void publish_settle(struct pjsip_reader *p, void *publish, const struct conf_section *s);
void asterisk_publication_settle(struct pjsip_reader *p, void *publication,
                                 const struct conf_section *s);
void inbound_publication_settle(struct pjsip_reader *p, void *publication,
                                const struct conf_section *s);

/* What a proxy without ;lr is most likely meant to be. */
void pjsip_check_proxy(struct pjsip_reader *p, const struct conf_section *s, const char *kind,
                       struct str proxy);
/* pjsip_publish.c: the pattern of this option compiled into *out, nothing for an empty one. 0;
 * SCHEMA_REFUSED when it is none, which has been told; -ENOMEM. */
NODISCARD int pjsip_compile(struct pjsip_reader *p, const struct conf_section *s, const char *kind,
                            struct str option, struct str pattern, struct regex **out);
void asterisk_publication_fini(struct asterisk_publication_settings *a);
void endpoint_fini(struct endpoint_settings *e);
void identify_fini(struct identify_settings *i);

/* pjsip.c: the table of a kind. */
const struct schema *pjsip_schema(enum pjsip_kind kind);

/* pjsip_keep.c: the objects of a kind that there are several of, one behind the other. */
struct pjsip_objects {
    const char *first;
    size_t n, size, id; /* `id`: where the object has its id */
};
struct pjsip_objects pjsip_objects(const struct settings *s, enum pjsip_kind kind);
/* pjsip_keep.c: a copy of the object, with its id and place, goes into the settings and their
 * index. 0 or a negative errno. */
NODISCARD int pjsip_keep(struct pjsip_reader *p, enum pjsip_kind kind, const struct conf_section *s,
                         const void *object);
/* The object of that index in the former settings goes on. 0 or a negative errno. */
NODISCARD int pjsip_keep_former(struct pjsip_reader *p, enum pjsip_kind kind,
                                const struct conf_section *s, size_t index);
/* Drafts of what there is one of, as it was in the former settings. 0 or a negative errno. */
NODISCARD int global_former(struct pjsip_reader *p, void *draft);
/* Of a transport what its sockets are; whom it takes for outside, and what it calls itself then,
 * stays as it is. */
NODISCARD int transport_socket_former(struct pjsip_reader *p, struct transport_settings *t,
                                      const struct transport_settings *former);
NODISCARD int system_former(struct pjsip_reader *p, void *draft);
/* A former compositor in memory of its own. 0 or -ENOMEM. */
NODISCARD int compositor_former(struct reading *r, struct compositor_settings *c,
                                const struct compositor_settings *former);
NODISCARD int source_former(struct reading *r, struct source_settings *c,
                            const struct source_settings *former);

/* pjsip_match.c: one element of `match` of an identify section, added to it. As option.read. */
NODISCARD int match_read(struct reading *r, struct identify_settings *i, struct str part,
                         const struct conf_entry *e, struct buf *why);
/* In the place of one with `!` that cannot be read. */
NODISCARD int match_exclude_all(struct reading *r, struct identify_settings *i);

/* pjsip_names.c: as settings_source.resolve, by what the system asks. */
NODISCARD int match_addresses(struct str host, bool srv,
                              void (*each)(void *each_ctx, const struct addr *address),
                              void *each_ctx, const char **why);

/* mailbox_groups.c: of all AORs and endpoints that there are. 0 or -ENOMEM. */
NODISCARD int mailbox_groups_make(struct reading *r, struct settings *s);

/* settings.c: ids, and their order of arrival as index. */
NODISCARD int settings_id_add(struct settings *s, enum pjsip_kind kind, struct str id,
                              size_t index);
bool settings_id_find(const struct settings *s, enum pjsip_kind kind, struct str id, size_t *index);
