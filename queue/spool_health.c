/* May messages come in? A log in trouble takes nothing in, and what cannot be asked counts as bad.
 */
#include "queue/spool_health_private.h"

#include <errno.h>

#include "core/clock.h"
#include "core/kill_point.h"
#include "core/log.h"

enum { SPACE_EVERY_MS = 100, HEAL_FIRST_MS = 1000, HEAL_MAX_MS = 8000 };

bool spool_is_healthy(const struct spool_health *health)
{
    return atomic_load(&health->err) == ERR_OK;
}

void spool_health_fail(struct spool_health *health, enum err err)
{
    uint64_t wait = (uint64_t)HEAL_FIRST_MS << (health->failures < 4 ? health->failures : 4);
    ASSERT(err != ERR_OK);
    health->failures++;
    health->heal_at_ms = clock_mono_ms() + (wait < HEAL_MAX_MS ? wait : HEAL_MAX_MS);
    KILL_POINT("spool_unhealthy");
    atomic_store(&health->err, (int)err);
    LOG(LOG_ERROR, "spool_unhealthy", LOG_STR("path", health->dir->path),
        LOG_STR("error", err_name(err)));
}

void spool_health_mend(struct spool_health *health)
{
    KILL_POINT("spool_healed");
    atomic_store(&health->err, ERR_OK);
    LOG(LOG_WARNING, "spool_healthy_again", LOG_STR("path", health->dir->path));
}

/* Fails closed: what cannot be asked is taken for full. */
void spool_space_refresh(struct spool_health *health)
{
    struct statvfs vfs;
    uint64_t free_bytes = 0, now_ms = clock_mono_ms();
    struct io *io = health->dir->io;
    if (now_ms < health->space_at_ms)
        return;
    if (io->fstatvfs(io, health->dir->root_fd, &vfs) == 0)
        free_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    else
        LOG(LOG_ERROR, "spool_statvfs_failed", LOG_STR("path", health->dir->path),
            LOG_STR("error", err_name(err_from_errno(errno))));
    atomic_store_explicit(&health->disk_free_bytes, free_bytes, memory_order_relaxed);
    health->space_at_ms = now_ms + SPACE_EVERY_MS;
}
