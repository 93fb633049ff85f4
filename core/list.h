/* core/list.h - the one list: liburcu's ring of embedded links, doubly linked, with its head in it.
 * What is linked knows its neighbours, so that it leaves without a search. One thread.
 *
 *     struct thing { struct cds_list_head link; };     and a head of the same type, list_init()
 *     LIST_EACH(t, &things, struct thing, link) { ... }          T must stay linked
 *     LIST_EACH_SAFE(t, &things, struct thing, link) { ... }     T may leave or be freed
 */
#ifndef CORE_LIST_H
#define CORE_LIST_H

#include <stdbool.h>

#include <urcu/list.h>

#include "core/err.h"

static inline void list_init(struct cds_list_head *head)
{
    CDS_INIT_LIST_HEAD(head);
}

static inline bool list_empty(const struct cds_list_head *head)
{
    return head->next == head;
}

/* LINK must be in no list. */
static inline void list_add(struct cds_list_head *head, struct cds_list_head *link)
{
    cds_list_add_tail(link, head);
}

static inline void list_add_first(struct cds_list_head *head, struct cds_list_head *link)
{
    cds_list_add(link, head);
}

/* Afterwards it is a list of its own, so that a second removal does no harm. */
static inline void list_remove(struct cds_list_head *link)
{
    cds_list_del_init(link);
}

/* All elements of FROM into TO, which forgets its own; FROM is empty afterwards. */
static inline void list_take_all(struct cds_list_head *from, struct cds_list_head *to)
{
    list_init(to);
    cds_list_splice(from, to);
    list_init(from);
}

/* The element at the head, or NULL. */
#define LIST_FIRST(head, type, member)                                                             \
    (list_empty(head) ? NULL : CONTAINER_OF((head)->next, type, member))
/* The element behind ELEMENT, or NULL. */
#define LIST_NEXT(head, element, type, member)                                                     \
    ((element)->member.next == (head) ? NULL : CONTAINER_OF((element)->member.next, type, member))

#define LIST_EACH(element, head, type, member)                                                     \
    for (type *element = LIST_FIRST(head, type, member); element;                                  \
         element = LIST_NEXT(head, element, type, member))
#define LIST_EACH_SAFE(element, head, type, member)                                                \
    for (type *element = LIST_FIRST(head, type, member),                                           \
              *element##_next = element ? LIST_NEXT(head, element, type, member) : NULL;           \
         element; element = element##_next,                                                        \
              element##_next = element ? LIST_NEXT(head, element, type, member) : NULL)

#endif
