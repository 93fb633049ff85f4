/* Opens and closes the sockets that workers listen on. */
#include "mailrace/bindings.h"

#include "core/log.h"
#include "core/mem.h"
#include "net/listen.h"

#include "mailrace/worker.h"

static bool bound(const struct endpoint *list, size_t count, const struct endpoint *at)
{
    for (size_t i = 0; i < count; i++)
        if (endpoint_equal(&list[i], at))
            return true;
    return false;
}

/* One socket a worker. A port that the kernel picks is picked once, and kept in AT. */
static enum err open_binding(struct bindings *b, struct endpoint *at, struct err_detail *why)
{
    for (unsigned i = 0; i < b->worker_count; i++) {
        int fd;
        enum err e = listen_open(at, &fd, why);
        if (e != ERR_OK) {
            for (unsigned k = 0; k < i; k++)
                worker_unlisten(b->workers[k], at);
            return e;
        }
        *at = listen_address(fd);
        worker_listen(b->workers[i], at, fd);
    }
    char text[ENDPOINT_TEXT_SIZE];
    LOG(LOG_INFO, "listening", LOG_STR("at", endpoint_format(at, text)),
        LOG_U64("workers", b->worker_count));
    return ERR_OK;
}

static void close_binding(struct bindings *b, const struct endpoint *at)
{
    for (unsigned i = 0; i < b->worker_count; i++)
        worker_unlisten(b->workers[i], at);
}

/* Opens what is new; on failure none of it stays open. */
static enum err open_new(struct bindings *b, struct endpoint *wanted, size_t count,
                         struct err_detail *why)
{
    const struct endpoint *old = b->list;
    enum err e = ERR_OK;
    size_t i = 0;
    /* All are looked at before the first is opened: 0.0.0.0 and an address of its own may share a
     * port among us. */
    for (size_t k = 0; k < count && e == ERR_OK && !old; k++)
        e = listen_check_free(&wanted[k], why);
    for (; i < count && e == ERR_OK; i++)
        if (!bound(old, b->count, &wanted[i]))
            e = open_binding(b, &wanted[i], why);
    for (size_t k = 0; e != ERR_OK && k + 1 < i; k++)
        if (!bound(old, b->count, &wanted[k]))
            close_binding(b, &wanted[k]);
    return e;
}

enum err bindings_follow(struct bindings *b, const struct ruleset *ruleset, struct err_detail *why)
{
    ASSERT(b->worker_count > 0);
    size_t count = ruleset_bindings(ruleset, NULL, 0);
    struct endpoint *wanted = MEM_NEW_ARRAY(struct endpoint, count);
    ruleset_bindings(ruleset, wanted, count);
    enum err e = open_new(b, wanted, count, why);
    if (e != ERR_OK) {
        mem_free(wanted);
        return e;
    }
    for (size_t i = 0; i < b->count; i++)
        if (!bound(wanted, count, &b->list[i]))
            close_binding(b, &b->list[i]);
    mem_free(b->list);
    b->list = wanted;
    b->count = count;
    return ERR_OK;
}

void bindings_free(struct bindings *b)
{
    mem_free(b->list);
    *b = (struct bindings){0};
}
