/* A spool in which something is broken: one bit in every 512 octets of every file, and every file
 * cut at every 512 octets. Every message that is whole is found; what is not is set aside and
 * reported, and never taken for a message; the spool goes on working.
 */
#include <fcntl.h>
#include <dirent.h>
#include <unistd.h>

#include "campaign.h"
#include "core/clock.h"
#include "queue/spool.h"
#include "queue/spool_format.h"
#include "spool_bed.h"

enum { COUNT = 48, EACH = 6, FILES_MAX = 64, BIG_EVERY = 12, STEP = 512 };
enum { LAST = COUNT, LATER };

struct file {
    char name[64]; /* below the spool */
    uint8_t *data;
    size_t len;
};

struct wreck {
    struct bed *bed;
    struct io io;
    struct file files[FILES_MAX];
    size_t count;
    struct spool_ref refs[COUNT + 1];
    bool lives[COUNT + 1], big[COUNT + 1];
};

static int no_sync(struct io *io, int fd)
{
    (void)io;
    (void)fd;
    return 0;
}

/* --- The spool that is to be broken --- */

static void take_folder(struct wreck *w, const char *folder)
{
    char path[TEMP_DIR_SIZE * 2];
    snprintf(path, sizeof path, "%s%s", w->bed->path, folder);
    DIR *dir = opendir(path);
    ASSERT(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        struct file *f = &w->files[w->count];
        struct stat st;
        int fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
            if (fd >= 0)
                close(fd);
            continue;
        }
        ASSERT(w->count++ < FILES_MAX);
        snprintf(f->name, sizeof f->name, "%s/%.40s", folder, e->d_name);
        f->len = (size_t)st.st_size;
        f->data = mem_alloc(f->len + 1);
        ASSERT(read(fd, f->data, f->len) == (ssize_t)f->len);
        close(fd);
    }
    closedir(dir);
}

static void plant_file(const struct wreck *w, const struct file *f)
{
    char path[TEMP_DIR_SIZE * 2];
    snprintf(path, sizeof path, "%s%s", w->bed->path, f->name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ASSERT(fd >= 0 && write(fd, f->data, f->len) == (ssize_t)f->len);
    close(fd);
}

static void plant(const struct wreck *w)
{
    static const char *const FOLDERS[] = {"", "/segments", "/big", "/quarantine"};
    char path[TEMP_DIR_SIZE * 2];
    if (access(w->bed->path, F_OK) == 0)
        temp_dir_remove(w->bed->path);
    for (size_t i = 0; i < ARRAY_SIZE(FOLDERS); i++) {
        snprintf(path, sizeof path, "%s%s", w->bed->path, FOLDERS[i]);
        ASSERT(mkdir(path, 0700) == 0);
    }
    for (size_t i = 0; i < w->count; i++)
        plant_file(w, &w->files[i]);
}

static void settle(struct wreck *w, unsigned i)
{
    if (i % 4 == 1) {
        spool_message_done(w->bed->spool, &w->bed->messages[i].ref);
        w->lives[i] = false;
    } else if (i % 4 == 2) {
        bed_outcome(w->bed, i, i);
    }
}

static bool start(struct wreck *w)
{
    struct err_detail why = {""};
    if (!campaign_check(bed_open(w->bed, &why) == ERR_OK, "does not start: %s", why.text))
        return false;
    bed_recover(w->bed);
    return true;
}

/* Several segments, most of them sealed, with every kind of record; the last message stands in a
 * segment that still grows. */
static struct wreck *wreck_new(void)
{
    struct wreck *w = MEM_NEW(struct wreck);
    struct bed *b = w->bed = bed_new();
    w->io = *io_system;
    w->io.fsync = w->io.fdatasync = no_sync;
    b->io = &w->io;
    campaign_case("the spool that is to be broken");
    if (!start(w))
        return w;
    for (unsigned i = 0; i < COUNT; i++) {
        w->big[i] = i % BIG_EVERY == 7;
        w->lives[i] = true;
        bed_send(b, i, w->big[i] ? 9000 + 700 * i : 300 + i % 7 * 900);
        if (i % EACH != EACH - 1)
            continue;
        bed_work(b);
        for (unsigned k = i + 1 - EACH; k <= i; k++)
            settle(w, k);
        bed_work(b);
    }
    spool_stop(b->spool);
    spool_free(&b->spool);
    if (!start(w))
        return w;
    w->lives[LAST] = true;
    bed_send(b, LAST, 10);
    bed_work(b);
    for (unsigned i = 0; i <= LAST; i++)
        w->refs[i] = b->messages[i].ref;
    spool_stop(b->spool);
    spool_free(&b->spool);
    take_folder(w, "");
    take_folder(w, "/segments");
    take_folder(w, "/big");
    return w;
}

static void wreck_free(struct wreck **w)
{
    for (size_t i = 0; i < (*w)->count; i++)
        mem_free((*w)->files[i].data);
    bed_free(&(*w)->bed);
    mem_free(*w);
    *w = NULL;
}

/* --- Which messages are hit --- */

/* Do the octets from AT to END of FILE belong to message I? */
static bool hits(const struct wreck *w, const struct file *file, size_t at, size_t end, unsigned i)
{
    char name[64];
    const struct spool_ref *ref = &w->refs[i];
    snprintf(name, sizeof name, "/segments/seg-%03x",
             (unsigned)spool_generation_slot(ref->segment));
    if (strcmp(file->name, name) == 0)
        return at < (size_t)ref->offset + ref->length && end > ref->offset;
    snprintf(name, sizeof name, "/big/%016llx", (unsigned long long)ref->id);
    return w->big[i] && strcmp(file->name, name) == 0;
}

/* As for delivery: big files are looked at as a whole before the first octet goes out. */
static bool readable(struct wreck *w, unsigned i)
{
    struct bed *b = w->bed;
    struct arena arena;
    struct spool_message m;
    struct err_detail why;
    arena_init(&arena, 0);
    bool ok = spool_read(b->spool, &w->refs[i], &arena, &m, &why) == ERR_OK;
    if (ok) {
        ok = bed_text_right(&m, i);
        spool_message_close(&m);
    }
    arena_free(&arena);
    return ok;
}

static uint64_t set_aside(const struct bed *b)
{
    struct spool_stats stats;
    spool_stats_read(b->spool, &stats);
    return stats.quarantined;
}

static void check_messages(struct wreck *w, const struct file *file, size_t at, size_t end)
{
    struct bed *b = w->bed;
    unsigned gone = 0;
    for (unsigned i = 0; i <= LAST; i++) {
        bool hit = hits(w, file, at, end, i);
        if (w->lives[i] && !hit)
            campaign_check(b->messages[i].found && readable(w, i), "message %u is lost", i);
        /* One that was done may come back: the word of it was hit, which must be said. */
        if (!w->lives[i] && b->messages[i].found)
            campaign_check(set_aside(b) > 0, "message %u is back and it is not told", i);
        gone += w->lives[i] && hit && !w->big[i] && !b->messages[i].found;
    }
    if (gone > 0)
        campaign_check(set_aside(b) > 0, "%u messages are gone and it is not told", gone);
}

/* FILE is broken between AT and END: what is found of the spool, and does it go on? */
static void check_wreck(struct wreck *w, const struct file *file, size_t at, size_t end)
{
    struct bed *b = w->bed;
    plant(w);
    if (!start(w))
        return;
    bed_work(b); /* what cannot be read is set aside by the writer */
    /* A big file that changed under an intact record is found out when it is delivered. */
    bool is_big = strncmp(file->name, "/big/", 5) == 0;
    campaign_check(b->damaged <= is_big, "%zu messages are not what was put in", b->damaged);
    check_messages(w, file, at, end);
    for (unsigned i = 0; is_big && i <= LAST; i++)
        if (hits(w, file, at, end, i) && w->lives[i])
            campaign_check(!readable(w, i), "message %u is read from a broken file", i);
    bed_send(b, LATER, 1000);
    bed_work(b);
    campaign_check(b->messages[LATER].err == ERR_OK, "takes no message any more");
    spool_free(&b->spool);
}

/* --- Every place --- */

struct place {
    unsigned file;
    bool cut;
    size_t at;
};

static void flip(struct wreck *w, const struct place *p)
{
    struct file *f = &w->files[p->file];
    size_t room = f->len - p->at < STEP ? f->len - p->at : STEP;
    size_t at = p->at + (size_t)campaign_random(room);
    uint8_t bit = (uint8_t)(1U << campaign_random(8));
    campaign_case("%s: bit %u of octet %zu", f->name, bit, at);
    f->data[at] ^= bit;
    check_wreck(w, f, at, at + 1);
    f->data[at] ^= bit;
}

static void cut(struct wreck *w, const struct place *p)
{
    struct file *f = &w->files[p->file];
    size_t whole = f->len;
    campaign_case("%s: cut at %zu", f->name, p->at);
    f->len = p->at;
    check_wreck(w, f, p->at, whole);
    f->len = whole;
}

static struct place *all_places(const struct wreck *w, size_t *count)
{
    size_t capacity = 0;
    for (size_t i = 0; i < w->count; i++)
        capacity += 2 * (w->files[i].len / STEP + 1);
    struct place *places = MEM_NEW_ARRAY(struct place, capacity);
    *count = 0;
    for (unsigned i = 0; i < w->count; i++)
        for (size_t at = 0; at < w->files[i].len; at += STEP) {
            places[(*count)++] = (struct place){i, false, at};
            places[(*count)++] = (struct place){i, true, at};
        }
    for (size_t i = *count; i > 1; i--) {
        size_t k = (size_t)campaign_random(i);
        struct place p = places[i - 1];
        places[i - 1] = places[k];
        places[k] = p;
    }
    return places;
}

int main(void)
{
    campaign_begin("damage");
    clock_virtual_start(1000, 1000);
    size_t count = 0, done = 0;
    struct wreck *w = wreck_new();
    struct place *places = all_places(w, &count);
    campaign_check(w->count > 6, "only %zu files", w->count);
    for (; done < count && !campaign_time_is_up(); done++)
        (places[done].cut ? cut : flip)(w, &places[done]);
    campaign_note("%zu of %zu places in %zu files", done, count, w->count);
    mem_free(places);
    wreck_free(&w);
    clock_virtual_end();
    return campaign_end();
}
