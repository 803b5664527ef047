// SPDX-License-Identifier: MIT
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/send_queue.h"

/* A kernel that takes `room` datagrams before it is full, and refuses those whose text says so. */
struct kernel {
    size_t room, taken, refused, calls;
    int interrupts; /* EINTR so often first */
    int last_error;
    char text[1 << 16]; /* of all taken */
    size_t text_n;
    int control_level, control_type; /* of the last one; 0: none */
    unsigned largest_batch;
};

static int kernel_write(void *ctx, struct mmsghdr *messages, unsigned n)
{
    struct kernel *k = ctx;
    int done = 0;

    k->calls++;
    if (n > k->largest_batch)
        k->largest_batch = n;
    if (k->interrupts && k->interrupts--)
        return -EINTR;
    for (unsigned i = 0; i < n; i++) {
        const struct iovec *piece = messages[i].msg_hdr.msg_iov;
        const struct cmsghdr *c;
        bool bad = piece->iov_len && *(const char *)piece->iov_base == '!';

        if (bad && !done)
            return -EPERM;
        if (bad || !k->room)
            break;
        k->room--;
        k->taken++;
        memcpy(k->text + k->text_n, piece->iov_base, piece->iov_len);
        k->text_n += piece->iov_len;
        c = CMSG_FIRSTHDR(&messages[i].msg_hdr);
        k->control_level = c ? c->cmsg_level : 0;
        k->control_type = c ? c->cmsg_type : 0;
        done++;
    }
    return done ? done : -EAGAIN;
}

static void kernel_refused(void *ctx, const struct send_entry *entry, int error)
{
    struct kernel *k = ctx;

    assert_true(addr_port(&entry->remote) == 5060);
    k->refused++;
    k->last_error = error;
}

static struct addr peer_addr(void)
{
    struct addr a;

    assert_int_equal(addr_parse(&a, STR("192.0.2.1"), 5060), 0);
    return a;
}

static int add(struct send_queue *q, const char *text)
{
    struct addr to = peer_addr();

    return send_queue_add(q, &to, NULL, str_of(text));
}

static void assert_text(const struct kernel *k, const char *want)
{
    assert_int_equal(k->text_n, strlen(want));
    assert_memory_equal(k->text, want, k->text_n);
}

static void test_order_and_batches(void **state)
{
    struct kernel k = { .room = SIZE_MAX };
    struct send_writer w = { &k, kernel_write, kernel_refused };
    struct send_queue q;
    char text[16], want[4096];
    size_t n = 0;

    (void)state;
    send_queue_init(&q, 1000);
    for (int i = 0; i < 200; i++) {
        snprintf(text, sizeof(text), "%d.", i);
        n += (size_t)snprintf(want + n, sizeof(want) - n, "%s", text);
        assert_int_equal(add(&q, text), 0);
    }
    assert_int_equal(send_queue_waiting(&q), 200);
    assert_int_equal(send_queue_write(&q, &w), 0);
    assert_text(&k, want);
    assert_int_equal(k.calls, 4);
    assert_int_equal(k.largest_batch, SEND_BATCH);
    assert_int_equal(send_queue_waiting(&q), 0);
    send_queue_fini(&q);
}

/* The kernel's buffer fills up; later it takes the rest, in order, and what came meanwhile. */
static void test_blocked(void **state)
{
    struct kernel k = { .room = 3, .interrupts = 2 };
    struct send_writer w = { &k, kernel_write, kernel_refused };
    struct send_queue q;

    (void)state;
    send_queue_init(&q, 6);
    for (int c = 'a'; c <= 'e'; c++)
        assert_int_equal(add(&q, (char[]){ (char)c, '\0' }), 0);
    assert_int_equal(send_queue_write(&q, &w), SEND_QUEUE_BLOCKED);
    assert_int_equal(send_queue_waiting(&q), 2);
    for (int c = 'f'; c <= 'i'; c++)
        assert_int_equal(add(&q, (char[]){ (char)c, '\0' }), 0);
    assert_int_equal(add(&q, "j"), -EAGAIN); /* six wait: the newest is lost */
    k.room = 100;
    assert_int_equal(send_queue_write(&q, &w), 0);
    assert_text(&k, "abcdefghi");
    send_queue_fini(&q);
}

/* A queue that never runs empty does not grow either. */
static void test_never_empty(void **state)
{
    struct kernel *k = calloc(1, sizeof(*k));
    struct send_writer w = { k, kernel_write, kernel_refused };
    struct send_queue q;
    char text[8];

    (void)state;
    assert_non_null(k);
    send_queue_init(&q, 10);
    for (int i = 0; i < 5; i++)
        assert_int_equal(add(&q, "start."), 0);
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(text, sizeof(text), "%05u.", i % 100000);
        assert_int_equal(add(&q, text), 0);
        k->room = 1;
        assert_int_equal(send_queue_write(&q, &w), SEND_QUEUE_BLOCKED);
        assert_int_equal(send_queue_waiting(&q), 5);
    }
    assert_true(q.room <= 64);
    assert_true(q.bytes_room <= 256);
    assert_memory_equal(k->text + k->text_n - 12, "04993.04994.", 12);
    send_queue_fini(&q);
    free(k);
}

static void test_refused_one_by_one(void **state)
{
    struct kernel k = { .room = 100 };
    struct send_writer w = { &k, kernel_write, kernel_refused };
    struct send_queue q;

    (void)state;
    send_queue_init(&q, 100);
    assert_int_equal(add(&q, "!1"), 0);
    assert_int_equal(add(&q, "a"), 0);
    assert_int_equal(add(&q, "!2"), 0);
    assert_int_equal(add(&q, "!3"), 0);
    assert_int_equal(add(&q, "b"), 0);
    assert_int_equal(add(&q, "!4"), 0);
    assert_int_equal(send_queue_write(&q, &w), 0);
    assert_text(&k, "ab");
    assert_int_equal(k.refused, 4);
    assert_int_equal(k.last_error, -EPERM);
    send_queue_fini(&q);
}

static void test_burst_is_given_back(void **state)
{
    struct kernel *k = calloc(1, sizeof(*k));
    struct send_writer w = { k, kernel_write, kernel_refused };
    struct send_queue q;

    (void)state;
    assert_non_null(k);
    k->room = SIZE_MAX;
    send_queue_init(&q, 100000);
    for (unsigned i = 0; i < 20000; i++)
        assert_int_equal(add(&q, "x"), 0);
    assert_int_equal(send_queue_write(&q, &w), 0);
    assert_int_equal(k->taken, 20000);
    assert_int_equal(q.room, 0);
    assert_int_equal(add(&q, "x"), 0);
    assert_int_equal(send_queue_write(&q, &w), 0);
    assert_true(q.room > 0); /* a small one is kept */
    send_queue_fini(&q);
    free(k);
}

static void test_pinned_source(void **state)
{
    static const struct {
        const char *local;
        int level, type;
    } cases[] = { { "192.0.2.99", IPPROTO_IP, IP_PKTINFO },
                  { "2001:db8::99", IPPROTO_IPV6, IPV6_PKTINFO } };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct kernel k = { .room = 1 };
        struct send_writer w = { &k, kernel_write, kernel_refused };
        struct send_queue q;
        struct addr to = peer_addr(), local;

        send_queue_init(&q, 10);
        assert_int_equal(addr_parse(&local, str_of(cases[i].local), 5060), 0);
        assert_int_equal(send_queue_add(&q, &to, &local, STR("hello")), 0);
        assert_int_equal(send_queue_write(&q, &w), 0);
        assert_int_equal(k.control_level, cases[i].level);
        assert_int_equal(k.control_type, cases[i].type);
        send_queue_fini(&q);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_batches),   cmocka_unit_test(test_blocked),
        cmocka_unit_test(test_never_empty),         cmocka_unit_test(test_refused_one_by_one),
        cmocka_unit_test(test_burst_is_given_back), cmocka_unit_test(test_pinned_source),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
