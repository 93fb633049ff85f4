/* mailrace-load files: what a queue of one file a message costs on this disk. Each thread makes a
 * file, writes the message, syncs and closes it, and takes the next; nothing else is done, so no
 * relay that keeps its messages so can be faster here.
 */
#include "bench/load.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/thread.h"

static const char HELP[] =
    "usage: mailrace-load files --path DIR [OPTION...]\n"
    "\n"
    "Makes one file a message (O_EXCL), writes, syncs and closes it, and prints files a second.\n"
    "The files lie in a directory of their own in DIR and are removed, which is not timed.\n"
    "\n"
    "  --files N         in all; default 10000\n"
    "  --length OCTETS   of a file; default 4096\n"
    "  --threads N       default 50\n"
    "  --json            for programs\n";

/* Files that lie there at a time: a real queue is emptied as well. */
enum { BATCH_MAX = 10000, NAME_BYTES = 32 };

struct files_args {
    const char *path;
    unsigned long files, length, threads;
    bool json;
};

struct files {
    const struct files_args *args;
    int dir;
    const char *text;
    unsigned long batch; /* files of it */
    atomic_ulong next;   /* of the batch: not begun by any thread */
    atomic_int failed;   /* errno of the first failure */
    struct thread *threads;
};

static char *name_of(unsigned long number, char to[NAME_BYTES])
{
    snprintf(to, NAME_BYTES, "%lu", number);
    return to;
}

static bool write_all(int fd, const char *text, size_t len)
{
    while (len) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

static bool make_one(const struct files *f, unsigned long number)
{
    char name[NAME_BYTES];
    int fd = openat(f->dir, name_of(number, name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool ok = write_all(fd, f->text, f->args->length) && fsync(fd) == 0;
    int errnum = errno;
    if (close(fd) != 0 && ok)
        return false;
    errno = errnum;
    return ok;
}

static void thread_run(void *arg)
{
    struct files *f = arg;
    while (atomic_load(&f->failed) == 0) {
        unsigned long number = atomic_fetch_add(&f->next, 1);
        if (number >= f->batch)
            return;
        if (!make_one(f, number)) {
            int none = 0;
            atomic_compare_exchange_strong(&f->failed, &none, errno ? errno : EIO);
        }
    }
}

/* Makes one batch; returns what it took. */
static uint64_t make_batch(struct files *f, struct err_detail *why)
{
    atomic_store(&f->next, 0);
    uint64_t started_ns = clock_mono_ns();
    for (unsigned long i = 0; i < f->args->threads; i++)
        if (thread_start(&f->threads[i], "files", thread_run, f, why) != ERR_OK)
            atomic_store(&f->failed, EAGAIN);
    for (unsigned long i = 0; i < f->args->threads; i++)
        thread_join(&f->threads[i]);
    return clock_mono_ns() - started_ns;
}

/* Synced, so that the next batch does not pay for it. */
static void remove_batch(struct files *f)
{
    char name[NAME_BYTES];
    for (unsigned long i = 0; i < f->batch; i++)
        if (unlinkat(f->dir, name_of(i, name), 0) != 0 && errno != ENOENT)
            atomic_store(&f->failed, errno);
    if (fsync(f->dir) != 0)
        atomic_store(&f->failed, errno);
}

static int measure(struct files *f)
{
    const struct files_args *args = f->args;
    struct err_detail why = {""};
    uint64_t ns = 0;
    for (unsigned long left = args->files; left && atomic_load(&f->failed) == 0;) {
        f->batch = left < BATCH_MAX ? left : BATCH_MAX;
        ns += make_batch(f, &why);
        remove_batch(f);
        left -= f->batch;
    }
    int failed = atomic_load(&f->failed);
    if (failed) {
        fprintf(stderr, "mailrace-load files: %s\n", why.text[0] ? why.text : strerror(failed));
        return LOAD_FAILED;
    }
    double seconds = (double)ns / 1e9, rate = seconds > 0 ? (double)args->files / seconds : 0;
    printf(args->json ? "{\"files\": %lu, \"length\": %lu, \"threads\": %lu, \"seconds\": %.3f, "
                        "\"per_second\": %.1f}\n"
                      : "files %lu of %lu octets, %lu threads, in %.3f s: %.1f files/s\n",
           args->files, args->length, args->threads, seconds, rate);
    return LOAD_DONE;
}

static int run(const struct files_args *args)
{
    char folder[4096];
    int n =
        snprintf(folder, sizeof folder, "%s/mailrace-load-files.%ld", args->path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof folder)
        return load_usage("files", "--path is too long");
    int dir = mkdir(folder, 0700) == 0
                  ? open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                  : -1;
    if (dir < 0) {
        fprintf(stderr, "mailrace-load files: %s: %s\n", folder, strerror(errno));
        return LOAD_FAILED;
    }
    char *text = mem_alloc(args->length);
    for (size_t i = 0; i < args->length; i++)
        text[i] = i % 80 == 79 ? '\n' : (char)('a' + i % 26);
    struct files f = {.args = args, .dir = dir, .text = text};
    f.threads = MEM_NEW_ARRAY(struct thread, args->threads);
    int exit_code = measure(&f);
    close(dir);
    if (rmdir(folder) != 0)
        fprintf(stderr, "mailrace-load files: %s stays: %s\n", folder, strerror(errno));
    mem_free(f.threads);
    mem_free(text);
    return exit_code;
}

static int take_option(struct files_args *args, int opt, const char *value)
{
    switch (opt) {
    case 'p':
        args->path = value;
        return LOAD_DONE;
    case 'f':
        if (!load_number(value, 1, 100000000, &args->files))
            return load_usage("files", "--files %s: 1 to 100000000", value);
        return LOAD_DONE;
    case 'l':
        if (!load_number(value, 1, 1ul << 26, &args->length))
            return load_usage("files", "--length %s: 1 to 67108864", value);
        return LOAD_DONE;
    case 't':
        if (!load_number(value, 1, 1024, &args->threads))
            return load_usage("files", "--threads %s: 1 to 1024", value);
        return LOAD_DONE;
    case 'j':
        args->json = true;
        return LOAD_DONE;
    default:
        return load_usage("files", "an option is wrong");
    }
}

int load_files(int argc, char **argv)
{
    static const struct option options[] = {
        {"path", required_argument, NULL, 'p'},
        {"files", required_argument, NULL, 'f'},
        {"length", required_argument, NULL, 'l'},
        {"threads", required_argument, NULL, 't'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct files_args args = {.files = 10000, .length = 4096, .threads = 50};
    int opt;
    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (opt == 'h') {
            fputs(HELP, stdout);
            return LOAD_DONE;
        }
        int bad = take_option(&args, opt, optarg);
        if (bad)
            return bad;
    }
    if (!args.path || optind != argc)
        return load_usage("files", "--path DIR is wanted");
    thread_main_init();
    int exit_code = run(&args);
    thread_main_exit();
    return exit_code;
}
