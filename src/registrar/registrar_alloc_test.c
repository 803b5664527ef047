// SPDX-License-Identifier: MIT
/* Each allocation fails in turn: a registration is applied wholly or not at all, and nothing leaks.
 */
#include "base/memory_testing.h"
#include "registrar/contacts_fixture.h"

static const char conf[] = "[alice]\ntype=endpoint\naors=alice\n[alice]\ntype=aor\nmax_contacts=3\n"
                           "remove_existing=yes\ncontact=sip:s@192.0.2.9\n[bob]\ntype=endpoint\n"
                           "aors=alice\n[desk]\ntype=aor\nmax_contacts=1\n";
static const char enabled[] = "[registrar]\nenabled=yes\n";

static void end(struct fixture *f)
{
    memory.left = -1;
    memory.armed = false;
    f->settings = NULL;
    fixture_destroy(f);
}

static void test_apply(void **state)
{
    struct settings *s = settings_fixture_with(conf, enabled);
    unsigned nth = 0;
    int r;

    (void)state;
    do {
        struct fixture *f = fixture_create();
        struct registration *q;

        assert_int_equal(contacts_configure(f->contacts, s), 0);
        assert_int_equal(fixture_register(f, "one", 1, "sip:a@h=60 sip:b@h=60 sip:c@h=60"), 0);
        buf_reset(&f->told);
        q = fixture_registration("alice", "one", 2, "sip:a@h=90 sip:b@h=0 sip:x@h=60 sip:y@h=60");
        f->kept.fails = false;
        memory.left = nth++;
        memory.armed = true;
        r = contacts_apply(f->contacts, q);
        memory.armed = false;
        assert_int_equal(r, q->result);
        if (r) {
            assert_int_equal(r, -ENOMEM);
            expect_told(f, "");
            assert_int_equal(f->contacts->counters.registered, 3);
        } else {
            expect_told(f, "-sip:c@h ~sip:a@h -sip:b@h +sip:x@h +sip:y@h ");
        }
        registration_destroy(q);
        end(f);
    } while (r);
    assert_in_range(nth, 4, 20);
    settings_unref(s);
}

static void test_configure(void **state)
{
    struct settings *s = settings_fixture_with(conf, enabled);
    unsigned nth = 0;
    int r;

    (void)state;
    do {
        struct fixture *f = fixture_create();

        memory.left = nth++;
        memory.armed = true;
        r = contacts_configure(f->contacts, s);
        memory.armed = false;
        assert_true(r == 0 || r == -ENOMEM);
        memory.left = -1;
        assert_int_equal(contacts_configure(f->contacts, s), 0); /* once more */
        expect_told(f, "+sip:s@192.0.2.9 ");
        end(f);
    } while (r);
    assert_in_range(nth, 3, 20);
    settings_unref(s);
}

static void test_restore(void **state)
{
    struct settings *s = settings_fixture_with(conf, enabled);
    unsigned nth = 0;
    int r;

    (void)state;
    do {
        struct fixture *f = fixture_create();
        struct keep_record record;

        assert_int_equal(contacts_configure(f->contacts, s), 0);
        assert_int_equal(fixture_register(f, "one", 1, "sip:a@h=60"), 0);
        record = f->kept.kept[0].record;
        fixture_end(f);
        fixture_begin(f);
        memory.left = nth++;
        memory.armed = true;
        r = contacts_restore(f->contacts, &record);
        memory.armed = false;
        assert_true(r == 0 || r == -ENOMEM);
        assert_int_equal(f->contacts->counters.registered, r == 0);
        end(f);
    } while (r);
    assert_in_range(nth, 3, 20);
    settings_unref(s);
}

static void test_create(void **state)
{
    struct fixture *f = fixture_create();
    struct contacts_config cfg = f->contacts->cfg;
    unsigned nth = 0;
    int r;

    (void)state;
    do {
        struct contacts *t = NULL;

        memory.left = nth++;
        memory.armed = true;
        r = contacts_create(&t, &cfg);
        memory.armed = false;
        assert_true(r ? r == -ENOMEM && !t : t != NULL);
        contacts_destroy(t);
    } while (r);
    assert_in_range(nth, 3, 5);
    end(f);
}

/* The core has no memory for what a device is: it is told a second later. */
static void test_repair(void **state)
{
    bool missed = false;

    (void)state;
    for (unsigned nth = 0; nth < 12; nth++) {
        struct fixture *f = fixture_create();
        struct registration *q = fixture_registration("alice", "one", 1, "sip:a@h=600");
        int r;

        fixture_configure(
            f, "[alice]\ntype=endpoint\naors=alice\n[alice]\ntype=aor\nmax_contacts=3\n", enabled);
        buf_reset(&f->told);
        memory.left = nth;
        memory.armed = true;
        r = contacts_apply(f->contacts, q);
        memory.armed = false;
        memory.left = -1;
        if (r == 0) {
            missed |= timer_running(&f->contacts->repair);
            fixture_advance(f, 1010);
            assert_int_equal(state_device_get(f->core, STR("PJSIP/alice")), DEVICE_NOT_INUSE);
        }
        registration_destroy(q);
        settings_unref(f->settings);
        end(f);
    }
    assert_true(missed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply),   cmocka_unit_test(test_configure),
        cmocka_unit_test(test_restore), cmocka_unit_test(test_create),
        cmocka_unit_test(test_repair),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
