// SPDX-License-Identifier: MIT
#include "body/sphere.h"
#include "body/inbound_internal.h"

bool element_is_sphere(const struct es_element *e)
{
    return str_equal(es_str(e->name), STR("sphere")) && str_equal(es_str(e->namespace), NS_RPID);
}

/* In `room`; empty if it has none, or several. */
static int value_of(struct str *out, const struct es_element *sphere, char room[XML_NAME_MAX])
{
    struct xml_tree tree = { .root = NULL };
    const struct xml_node *value;
    struct buf why, kept;
    int r;

    buf_init(&why, 256);
    buf_init_on(&kept, room, XML_NAME_MAX);
    r = xml_tree_parse(&tree, es_str(sphere->xml), &why);
    value = r ? NULL : xml_first(tree.root);
    if (value && !xml_next(value))
        buf_add(&kept, value->name.local);
    *out = buf_str(&kept);
    xml_tree_fini(&tree);
    buf_fini(&why);
    return r == -ENOMEM ? r : 0;
}

int spheres_agree(bool *out, const struct es_element *a, const struct es_element *b)
{
    char a_room[XML_NAME_MAX], b_room[XML_NAME_MAX];
    struct str a_value, b_value;
    int r = value_of(&a_value, a, a_room);

    if (r == 0)
        r = value_of(&b_value, b, b_room);
    if (r == 0)
        *out = a_value.n && str_equal_nocase(a_value, b_value);
    return r;
}

int sphere_of(struct str *out, const struct event_state *s, char room[XML_NAME_MAX])
{
    const struct es_person *p =
        s && s->has_presence && s->presence.n_persons ? s->presence.persons : NULL;

    *out = STR_EMPTY;
    for (size_t i = 0; p && !s->spheres_differ && i < p->n_elements; i++)
        if (element_is_sphere(&p->elements[i])) /* others say the same */
            return value_of(out, &p->elements[i], room);
    return 0;
}
