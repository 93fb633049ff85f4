/* The order of a list, and leaving it from within a walk. */
#include "core/list.h"

#include "unit.h"

struct thing {
    unsigned number;
    struct cds_list_head link;
};

static void check_order(struct cds_list_head *head, const char *wanted)
{
    size_t at = 0;
    LIST_EACH (t, head, struct thing, link)
        CHECK_U64(t->number, (unsigned)(wanted[at++] - '0'));
    CHECK_U64(wanted[at], '\0');
}

static void test_order(void)
{
    struct cds_list_head head;
    struct thing t[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    list_init(&head);
    CHECK(list_empty(&head));
    CHECK(!LIST_FIRST(&head, struct thing, link));
    check_order(&head, "");
    list_add(&head, &t[1].link);
    list_add(&head, &t[2].link);
    list_add_first(&head, &t[0].link);
    list_add(&head, &t[3].link);
    check_order(&head, "0123");
    list_remove(&t[2].link);
    list_remove(&t[2].link);
    check_order(&head, "013");
    CHECK(LIST_NEXT(&head, &t[1], struct thing, link) == &t[3]);
    CHECK(!LIST_NEXT(&head, &t[3], struct thing, link));
    LIST_EACH_SAFE (each, &head, struct thing, link)
        if (each->number != 1)
            list_remove(&each->link);
    check_order(&head, "1");
}

UNIT_MAIN("core/list", {"order", test_order})
