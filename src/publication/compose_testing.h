// SPDX-License-Identifier: MIT
/* compose_testing.h - event state as a line of text, both ways. For tests only.
 *
 *     dialogs:7 1000=early|r b=confirmed|call=c:l:r|held|local=sip:a|remote=sip:b|event=rejected
 *     presence tuple:t=open|c=sip:a|x=<caps/>|n=en:Hi|at=2026-01-02T03:04:05Z note:en:Hi ext:<x/>
 *     person:p|a=busy|e=mood:<m/>|n=:Hi|a@1000-2000=meal|e@2000-=mood:<n/> spheres:differ
 * device:d|d=urn:1|e=class:<c/> messages:yes|account=sip:a|voice=1/2/0/0  opaque:text/plain:body
 *
 * Words are separated by a blank, their parts by a bar. `dialogs` alone has version 0; `partial:7`
 * stands for a partial document. What is told for a time, behind `@`, is read and not written. */
#pragma once
#include "base/buf.h"
#include "publication/compose.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h> /* after what it needs: setjmp, stdarg, stddef, stdint */

/* One reference. Asserts that the text can be read. */
struct event_state *event_state_of(const char *text);
void event_state_print(struct buf *b, const struct event_state *s); /* "-" for NULL */
void assert_event_state(const struct event_state *s, const char *expected);

/* Some documents and what they make, in whatever order they are given. */
enum { COMPOSITION_INPUTS = 4 };
struct composition_case {
    const char *what;
    struct {
        const char *document;
        uint64_t serial, changed; /* 0: as they stand here */
        uint32_t priority;
        const char *former;
        bool scoped;
    } inputs[COMPOSITION_INPUTS];
    const char *composite;
    enum device_state device;
    uint64_t wall_ms;
};
void assert_compositions(const struct composition_case *cases, size_t n);
