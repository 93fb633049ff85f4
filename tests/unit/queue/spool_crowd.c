/* A spool with several logs, and as many homes as a machine has workers. */
#include "spool_crowd.h"

#include <sys/stat.h>

struct crowd crowd_new(unsigned logs)
{
    struct crowd c = {.bed = bed_new()};
    c.bed->logs = logs;
    c.disk = faulty_io_new(c.bed->path);
    c.bed->io = faulty_io_of(c.disk);
    CHECK(bed_open(c.bed, NULL) == ERR_OK);
    for (size_t i = 0; i < HOMES; i++)
        c.homes[i] = mailbox_new();
    return c;
}

void crowd_free(struct crowd *c)
{
    bed_free(&c->bed);
    faulty_io_free(&c->disk);
    for (size_t i = 0; i < HOMES; i++)
        mailbox_free(&c->homes[i]);
}

void answers_take(struct crowd *c)
{
    for (size_t i = 0; i < HOMES; i++)
        (void)mailbox_run(c->homes[i]);
}

void send_from(struct crowd *c, unsigned number, size_t octets)
{
    struct mailbox *own = c->bed->home;
    c->bed->home = c->homes[number % HOMES];
    bed_send(c->bed, number, octets);
    c->bed->home = own;
}

void send_all(struct crowd *c)
{
    for (unsigned i = 0; i < MESSAGES; i++)
        send_from(c, i, i % 7 == 3 ? 20000 : 700);
    bed_work(c->bed);
    answers_take(c);
}

unsigned log_of(const struct crowd *c, unsigned number)
{
    return spool_log_of(c->bed->messages[number].ref.id);
}

bool there(const struct bed *b, const char *sub)
{
    char path[TEMP_DIR_SIZE * 2];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", b->path, sub);
    return stat(path, &st) == 0;
}
