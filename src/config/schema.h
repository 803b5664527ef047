// SPDX-License-Identifier: MIT
/* schema.h - private to src/config: typed tables of options. One table per kind of section is what
 * its sections are read by, where the defaults come from, what an unknown name is compared with,
 * and what the reference manual is printed from. */
#pragma once
#include "base/arena.h"
#include "base/map.h"
#include "config/settings.h"

enum option_type {                  /* what the option's field is */
                   OPTION_BOOL,     /* bool */
                   OPTION_U32,      /* uint32_t from `min` to `max` */
                   OPTION_DURATION, /* uint32_t seconds from `min` to `max`; "90", "90s", "15m",
                                       "2h", "7d" */
                   OPTION_STR,      /* struct str; `max` bytes when not 0 */
                   OPTION_LIST, /* struct str * and, at `count`, size_t: comma separated, and every
                                   line adds, unless OPTION_REPLACES */
                   OPTION_URI,  /* struct str: sip or sips, at most 512 bytes, its host 255; without
                                   < > and display name */
                   OPTION_URI_LIST, /* as OPTION_LIST */
                   OPTION_USER,  /* struct str: user part of a URI, escaped where it needs that, and
                                    then at most `max` bytes, which are 255 at most */
                   OPTION_HOST,  /* struct str: see host_parse */
                   OPTION_ADDR,  /* struct str that addr_parse takes: what the default port is,
                                    another option may decide */
                   OPTION_WORD,  /* uint32_t: one of `words` */
                   OPTION_WORDS, /* uint32_t: the sum of some of `words`, comma separated */
                   OPTION_NETS,  /* struct addr_net * and, at `count`, size_t */
                   OPTION_CUSTOM, /* `read` knows */
};

enum option_flag {
    OPTION_REQUIRED = 1,  /* its section is refused without it */
    OPTION_UNSERVED = 2,  /* understood, but without effect in this version although a user may rely
                             on it: told once */
    OPTION_SECRET = 4,    /* its value does not go into messages */
    OPTION_VITAL = 8,     /* a bad value refuses its section */
    OPTION_REPLACES = 16, /* of a list: a line takes the place of those before it */
    OPTION_CLOSES = 32, /* it may have taken rights away, so its reader blocks what a bad value may
                           be about */
};

enum { OPTION_BAD = 1 }; /* the value is none: `why` says so */

struct option_word {
    const char *name; /* NULL ends */
    uint32_t value;
};

struct reading;
struct option {
    const char *name;
    enum option_type type;
    size_t at, count;     /* offsets in the object */
    const char *fallback; /* the default as one would write it; NULL: none, the field is zero */
    uint32_t min, max;
    unsigned flags;
    const struct option_word *words;
    /* Into the object. 0; OPTION_BAD with `why`; or a negative errno. */
    int (*read)(struct reading *r, const struct option *o, void *object, const struct conf_entry *e,
                struct buf *why);
    const char *type_text; /* for the manual, with OPTION_CUSTOM */
    const char *meaning;
};

/* What tables are written with. */
#define AT(type, member) .at = offsetof(struct type, member)
#define ARRAY_AT(type, member, number) \
    .at = offsetof(struct type, member), .count = offsetof(struct type, number)
#define ANY_U32 .max = UINT32_MAX
#define OPTIONS(table) .options = (table), .n_options = ARRAY_LEN(table)

struct schema {
    const char *file, *section; /* headings of the manual: "pjsip.conf", "type = endpoint" */
    const char *kind;           /* "endpoint" */
    const char *meaning;
    const struct option *options;
    size_t n_options;
    const char *ignored; /* names, each followed by a blank: they mean nothing here and are skipped
                            quietly */
    size_t object_size;
    bool closed; /* every other name is a warning, not only one that looks like ours */
    bool closes; /* every other name is a fault, as of an option with OPTION_CLOSES */
};

struct schema_use { /* a schema made ready for reading many sections */
    const struct schema *schema;
    struct map names;
    void *defaults; /* an object */
};

struct reading { /* what readers of sections share while a configuration is read */
    struct diag *diag;
    struct arena *arena;  /* of the settings: what is kept */
    struct arena scratch; /* gone when reading ends */
    struct map
        reported;       /* what has been told: a template's fault is told once, not once per heir */
    struct str file[2]; /* the last name of a file given to reading_place, and its copy */
    const struct settings_source *source;
    struct rng rng;                     /* for keys of tables */
    const struct conf_section *section; /* the present one */
    bool strict;                        /* [compatibility] strict_objects */
    bool exact;      /* extstate.conf: what is no word for yes or no is a fault */
    bool partial;    /* the present section is: see conf.h */
    bool former;     /* the present section's object goes on as it was loaded before, should this
                        have a fault */
    unsigned faults; /* of the present section: bad values and, when strict, unknown options */
    unsigned vital_faults;    /* those among them that refuse it */
    unsigned override_faults; /* of --set, over all sections: what is asked for on the command line
                                 must hold */
};

NODISCARD int reading_init(struct reading *r, const struct settings_source *source,
                           struct arena *arena, struct diag *diag);
void reading_fini(struct reading *r);
/* diag_add, unless the same has been told already. */
void reading_tell(struct reading *r, enum diag_severity severity, struct diag_place at,
                  const char *format, ...) PRINTF_LIKE(4, 5);
/* For what the present section lacks: nothing is told when that may be in what was not found. */
void reading_tell_lack(struct reading *r, enum diag_severity severity, struct diag_place at,
                       const char *format, ...) PRINTF_LIKE(4, 5);
/* A bad part of a value: an error and a fault of the present section, "NAME = PART: WHY;
 * CONSEQUENCE". */
void reading_fault(struct reading *r, const struct conf_entry *e, struct str part, struct str why,
                   struct str consequence);
/* The consequence of what may have taken rights away. */
const char *reading_closed(const struct reading *r);
/* The place with a file name that lives as long as the arena. */
NODISCARD int reading_place(struct reading *r, struct diag_place at, struct diag_place *out);

/* A path from the configuration directory, made absolute; an empty one stays. What a file holds is
 * part of what is read: a certificate that is renewed is another one. */
NODISCARD int reading_path(struct reading *r, struct str *path, bool is_file);

/* Where entries that come from --set stand. */
extern const struct diag_place override_place;
bool is_override(struct diag_place at);

NODISCARD int schema_use_init(struct reading *r, struct schema_use *use,
                              const struct schema *schema);
void schema_use_fini(struct schema_use *use);
/* One entry into the object. Problems are told and counted in r->faults. 0 or a negative errno. */
NODISCARD int schema_apply(struct reading *r, const struct schema_use *use, void *object,
                           const struct conf_entry *e);
/* All entries into an object that begins with the defaults; then what is required. */
enum {
    SCHEMA_REFUSED = 1
}; /* something vital is missing or bad, or there are faults and r->strict: told */
NODISCARD int schema_read(struct reading *r, const struct schema_use *use, void *object,
                          const struct conf_section *s);
const struct option *schema_option(const struct schema_use *use, struct str name);

/* The name that `name` probably stands for, out of `names`; NULL when none is near. */
const char *nearest_name(struct str name, const char *const *names, size_t n);
/* The option of ours that `name` probably stands for; NULL also when it is nearer to an ignored
 * one. */
const char *schema_nearest(const struct schema *schema, struct str name);

/* schema_values.c: one value into the field. As option.read. */
NODISCARD int option_read(struct reading *r, const struct option *o, void *object,
                          const struct conf_entry *e, struct buf *why);
/* OPTION_BAD; `why` is NULL while defaults are applied, which never fail. */
int option_bad(struct buf *why, const char *text);
/* The counterpart of str_is_true, which leaves words that are neither. */
bool value_is_no(struct str value);
/* The host of RFC 3261 section 25.1, at most 255 bytes: a name (`_` may be in it, as in those of
 * containers), or an address, of IPv6 with or without brackets. `*host` is a part of the text,
 * without brackets. */
bool host_parse(struct str *host, struct str text);
#define HOST_EXPECTED "not a host name or an address without a port"
/* A sip or sips URI as OPTION_URI takes it. */
NODISCARD int uri_check(struct str value, struct str *uri, struct buf *why);
/* What may be shown of a value that is none: not what stands in front of the host, with a colon, in
 * what should be a URI, which may be a password. */
struct str option_shown(const struct option *o, struct str value);
void words_print(struct buf *out, const struct option_word *words);

/* schema_print.c */
void schema_print(struct buf *out, const struct schema *schema);

/* extstate_conf.c: general, compatibility and plugins of the settings. Plugins' options point into
 * `conf`. 0 or a negative errno. */
NODISCARD int extstate_conf_read(struct reading *r, struct settings *s, struct conf *conf);

/* authorization_conf.c */
NODISCARD int authorization_conf_read(struct reading *r, struct settings *s,
                                      const struct conf *conf);
void authorization_unref(struct authorization_settings *a);
/* Is this section none of ours, but probably a misspelt [authorization]? That has been told. */
bool authorization_conf_is_meant(const struct conf_section *s);

/* manager_conf.c: manager.conf. */
NODISCARD int manager_conf_read(struct reading *r, struct settings *s, const struct conf *conf);
enum {
    SECTIONS_STAY = 1, /* what was loaded before goes on */
};
/* extstate_conf.c: all entries of all sections of that name, in order, into an object that begins
 * with the defaults. One bad line, and at a reload all stays as it was. 0, SECTIONS_STAY or a
 * negative errno. */
NODISCARD int conf_sections_read(struct reading *r, const struct schema_use *use, void *object,
                                 const struct conf *conf, struct str name);

/* http_conf.c */
NODISCARD int http_conf_read(struct reading *r, struct settings *s, const struct conf *conf);

/* compositor_conf.c: is this section one? */
bool compositor_conf_is(const struct conf_section *s);
/* At a reload: it was one, and its type says something else now. Once the plugins are read. */
bool compositor_conf_was(const struct reading *r, const struct settings *s,
                         const struct conf_section *section);
/* All of them; then, when pjsip.conf has been read, what depends on it. 0 or a negative errno. */
NODISCARD int compositor_conf_read(struct reading *r, struct settings *s, const struct conf *conf);
NODISCARD int compositor_conf_settle(struct reading *r, struct settings *s);

/* source_conf.c: is this section one, or was it before a reload? All of them. */
bool source_conf_is(const struct conf_section *s);
bool source_conf_was(const struct reading *r, const struct settings *s,
                     const struct conf_section *section);
NODISCARD int source_conf_read(struct reading *r, struct settings *s, const struct conf *conf);

/* The tables: extstate_conf.c, authorization_conf.c, compositor_conf.c, http_conf.c,
 * manager_conf.c, source_conf.c, pjsip_tables.c, address_rules.c and pjsip_publication.c. */
extern const struct schema general_schema, compatibility_schema, plugins_schema,
    authorization_schema, compositor_schema, source_schema, dialog_info_schema, http_schema,
    journal_schema, registrar_schema, manager_schema, manager_user_schema;
extern const struct schema global_schema, system_schema, transport_schema, acl_schema, auth_schema,
    aor_schema, endpoint_schema, named_rules_schema, identify_schema, publish_schema,
    asterisk_publication_schema, inbound_publication_schema, resource_list_schema,
    domain_alias_schema;
