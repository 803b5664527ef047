// SPDX-License-Identifier: MIT
/* shed.h - what one UDP socket still takes in when more requests come than its worker can deal
 * with.
 *
 * A socket that is full loses whatever comes next, answers among it, and an answer that is lost
 * keeps a subscriber from being told for half a second and more. So, once it is half full, or
 * another thread to which requests are handed has too much to do (net_overloaded), the kernel is
 * told to refuse requests at random, as many as it takes for the rest to need no more than a part
 * of the worker's time; answers always pass, and so does what comes from a source that sends less
 * than its fair part. RFC 7339 calls it loss-based overload control; here it is for senders who do
 * not cooperate. Sources are told apart by a hash of the address, with a key that changes, so that
 * nobody shares the fate of a flood for long. Private to the net folder. Threads: the worker that
 * reads the socket. */
#pragma once
#include "base/addr.h"
#include "base/random.h"

#define SHED_WINDOW_MS 20
#define SHED_SOURCES 256 /* that are told apart */

#define SHED_ALL UINT32_MAX

#define SHED_PARTS 16 /* of a request */

struct shed_times { /* ns */
    uint64_t clock;
    uint64_t thread;    /* of a processor, what this thread has had */
    uint64_t elsewhere; /* and others, for requests that this one has handed to them */
};

struct shed {
    bool watching;
    bool filtering;     /* the kernel has been told to refuse some */
    bool full;          /* the socket was half full in this window, or somebody overloaded */
    uint32_t share;     /* of the requests of heavy sources that pass, in parts of SHED_ALL */
    uint32_t key;       /* of the hash */
    uint32_t calm, age; /* windows since it was needed, and since the key changed */
    uint64_t capacity;  /* requests that may be let in in a window; in parts of one */
    struct shed_times begun;
    uint64_t busy_ns; /* with requests */
    uint64_t answers;
    uint32_t heavy[SHED_SOURCES / 32]; /* a bit each */
    uint32_t seen[SHED_SOURCES];       /* requests in this window */
    uint64_t sent[SHED_SOURCES];       /* in a window, with those refused, smoothed; in parts */
};

/* The socket is half full, as far as the kernel tells. */
bool shed_is_needed(int fd);
/* What the kernel has lost of this socket since it was made, for want of room or because it was
 * told to. */
uint64_t shed_lost(int fd);

void shed_begin(struct shed *s, struct rng *rng, struct shed_times now);
/* A request that was dealt with. */
void shed_count(struct shed *s, const struct sockaddr *from, uint64_t took_ns);
/* A window is over: what is let in from now on. */
void shed_step(struct shed *s, struct rng *rng, struct shed_times now);
bool shed_is_heavy(const struct shed *s, const struct sockaddr *from);
/* It has not been needed for a second. */
bool shed_is_over(const struct shed *s);

/* Have the kernel do it; nothing at all when all may pass. 0 or a negative errno. */
NODISCARD int shed_apply(struct shed *s, int fd, bool v6);
