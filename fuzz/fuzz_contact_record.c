// SPDX-License-Identifier: MIT
/* A record of a registered contact. What is read can be written, and reads as the same. And the
 * name of one that does not answer. */
#include "registrar/contacts.h"

#include "sip/field.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct contact kept, again, *copy;
    struct buf first, second;
    struct sip_uri uri;

    (void)!contact_record_check(&(struct keep_record){
        .table = KEEP_SILENT_CONTACT, .name = { (const char *)data, size }, .bytes = STR("\1") });
    if (contact_record_parse(&kept, (struct str){ (const char *)data, size }))
        return 0;
    BUG_UNLESS(sip_uri_parse(&uri, kept.uri) == 0 && sip_uri_parse(&uri, kept.target) == 0);
    if (contact_create(&copy, &kept))
        return 0;
    buf_init(&first, contact_record_size(copy));
    buf_init(&second, contact_record_size(copy));
    contact_record_print(copy, &first);
    BUG_UNLESS(first.error == 0 && contact_record_parse(&again, buf_str(&first)) == 0);
    contact_record_print(&again, &second);
    BUG_UNLESS(str_equal(buf_str(&first), buf_str(&second)));
    buf_fini(&first);
    buf_fini(&second);
    contact_unref(copy);
    return 0;
}
