// SPDX-License-Identifier: MIT
/* pidf.h - what pidf.c, pidf_id.c and pidf_published.c know of each other; private to these. */
#pragma once
#include "body/builtin.h"

enum { PIDF_ID_MAX = 256 }; /* longer ones are cut: an extension has less than 80 bytes */

struct pidf_state { /* of an extension, in the words of PIDF */
    const char *basic, *note;
    bool on_the_phone;
};
struct pidf_state pidf_state(enum es_extension_state state);

/* The tuple of an extension in this state, at the end of the document. */
struct es_node *pidf_state_tuple(const struct es_body_request *rq, struct es_node *presence,
                                 struct es_text id, const struct pidf_state *state);
/* Declare the prefixes of a person: dm and rpid. */
void pidf_declare_person(const struct es_document_api *api, struct es_node *presence);
/* All of a document while presence is published. */
void pidf_published(const struct es_body_request *rq, struct es_document *out);

/* ---- ids: each fills a room, or is the text given where that is an id already ---- */

struct es_text pidf_tuple_id(char room[static PIDF_ID_MAX], struct es_text extension);
struct es_text pidf_person_id(char room[static PIDF_ID_MAX], struct es_text extension);

/* While presence is published, all elements with an id are numbered: tuples, devices, the person,
 * the tuple of the resource itself. */
size_t pidf_device_item(const struct es_presence *p, size_t device); /* tuples have their own */
size_t pidf_person_item(const struct es_presence *p);
size_t pidf_resource_item(const struct es_presence *p);
/* The id of one that no other has: as published where that can be. */
struct es_text pidf_item_id(char room[static PIDF_ID_MAX], const struct es_snapshot *s,
                            size_t item);
