/* tests/support/faulty_io_private.h - what faulty_io.c remembers and faulty_cut.c writes down. */
#ifndef TESTS_FAULTY_IO_PRIVATE_H
#define TESTS_FAULTY_IO_PRIVATE_H

#include "faulty_io.h"

enum { FDS_MAX = 1024 };

struct file {
    struct file *next;
    ino_t ino;
    int fd; /* our own: outlives unlink and the owner's close */
    bool failed;
    uint8_t *synced;
    size_t synced_len;
};

struct name {
    struct name *next;
    char text[64];
    struct file *file;
};

struct dir {
    struct dir *next;
    ino_t ino;
    char path[TEMP_DIR_SIZE * 2]; /* below the root; "" is the root */
    struct name *synced;
};

struct faulty_io {
    struct io io;
    char root[TEMP_DIR_SIZE * 2];
    struct file *files;
    struct dir *dirs;
    struct file *file_of[FDS_MAX];
    struct dir *dir_of[FDS_MAX];
    uint64_t calls, syncs, free_bytes, second_tries;
    /* What is to fail: of the calls of these kinds the n-th, 0: none. */
    unsigned kinds;
    uint64_t fail_at, seen;
    int errnum;
    enum faulty_mode mode;
    bool free_set;
    const char *failed_call; /* the last one, since told to */
    void (*before_sync)(void *owner);
    void *before_sync_owner;
};

/* All of a file; the caller's. */
uint8_t *faulty_content(int fd, size_t *len);
/* The names of plain files that are there now. */
struct name *faulty_names_now(struct faulty_io *f, int fd);
void faulty_names_free(struct name **names);

#endif
