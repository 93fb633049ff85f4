/* Files of large texts that have no record, and that the disk did not remove at once. What cannot
 * be removed here the next start removes: it has no record.
 */
#include "queue/spool_orphan_private.h"

#include <errno.h>

#include "core/clock.h"
#include "core/mem.h"
#include "queue/spool_format.h"

enum { RETRY_MS = 5000 };

struct orphan {
    struct mailbox_item item;
    struct cds_list_head link;
    struct spool_orphans *orphans;
    uint64_t id;
};

void spool_orphans_init(struct spool_orphans *orphans, const struct spool_directory *dir,
                        struct mailbox *writer)
{
    *orphans = (struct spool_orphans){.dir = dir, .writer = writer};
    list_init(&orphans->list);
}

void spool_orphans_free(struct spool_orphans *orphans)
{
    LIST_EACH_SAFE (o, &orphans->list, struct orphan, link)
        mem_free(o);
    list_init(&orphans->list);
}

static bool remove_file(const struct spool_orphans *orphans, uint64_t id)
{
    char name[SPOOL_NAME_SIZE];
    struct io *io = orphans->dir->io;
    return io->unlinkat(io, orphans->dir->big_fd, spool_big_name(id, name), 0) == 0 ||
           errno == ENOENT;
}

static struct orphan *orphan_new(struct spool_orphans *orphans, uint64_t id)
{
    struct orphan *o = MEM_NEW(struct orphan);
    o->orphans = orphans;
    o->id = id;
    return o;
}

static void on_orphan(struct mailbox_item *item)
{
    struct orphan *o = CONTAINER_OF(item, struct orphan, item);
    list_add(&o->orphans->list, &o->link);
}

void spool_orphan_remove(struct spool_orphans *orphans, uint64_t id)
{
    if (remove_file(orphans, id))
        return;
    struct orphan *o = orphan_new(orphans, id);
    o->item.run = on_orphan;
    mailbox_send(orphans->writer, &o->item);
}

void spool_orphan_remove_here(struct spool_orphans *orphans, uint64_t id)
{
    if (!remove_file(orphans, id))
        on_orphan(&orphan_new(orphans, id)->item);
}

void spool_orphans_retry(struct spool_orphans *orphans)
{
    uint64_t now_ms = clock_mono_ms();
    if (now_ms < orphans->retry_at_ms)
        return;
    orphans->retry_at_ms = now_ms + RETRY_MS;
    LIST_EACH_SAFE (o, &orphans->list, struct orphan, link) {
        if (!remove_file(orphans, o->id))
            continue;
        list_remove(&o->link);
        mem_free(o);
    }
}
