/* From the options to the lines that are said, the text and TLS. */
#include "bench/load_source_settings.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/rand.h"
#include "net/smtp_auth.h"

#include "bench/load_journal.h"

/* --- The envelope --- */

/* All recipients' lines, one right behind the other. */
static void make_envelope(struct source *s)
{
    const struct source_args *args = s->args;
    struct bytes local = mail_local_part(bytes_of(args->rcpt));
    struct bytes domain = mail_domain(bytes_of(args->rcpt));
    struct bytes *list = ARENA_NEW_ARRAY(&s->arena, struct bytes, args->rcpts);
    size_t line_max = strlen(args->rcpt) + 40;
    char *to = arena_alloc(&s->arena, line_max * args->rcpts);
    for (unsigned long i = 0; i < args->rcpts; i++) {
        int len = args->rcpts == 1
                      ? snprintf(to, line_max, "RCPT TO:<%s>\r\n", args->rcpt)
                      : snprintf(to, line_max, "RCPT TO:<" BYTES_FMT "%lu@" BYTES_FMT ">\r\n",
                                 BYTES_ARG(local), i + 1, BYTES_ARG(domain));
        ASSERT(len > 0 && (size_t)len < line_max);
        list[i] = bytes_make(to, (size_t)len);
        to += len;
    }
    s->client.mail = bytes_of(arena_printf(&s->arena, "MAIL FROM:<%s>", args->from));
    s->client.rcpts = list;
    s->client.rcpt_count = args->rcpts;
}

/* --- Who logs in --- */

/* The first line of the file. */
static enum err read_password(const struct source_args *args, char *to, size_t size,
                              struct err_detail *why)
{
    FILE *in = fopen(args->password_file, "re");
    if (!in)
        return err_set_errno(why, errno, "cannot read %s", args->password_file);
    bool read = fgets(to, (int)size, in);
    fclose(in);
    if (!read)
        return err_set(why, ERR_SYNTAX, "%s holds no password", args->password_file);
    to[strcspn(to, "\r\n")] = '\0';
    return ERR_OK;
}

/* PREFIX, TEXT in base64, CRLF. */
static struct bytes auth_line(struct source *s, const char *prefix, struct bytes text)
{
    char encoded[4 * (SMTP_AUTH_USER_MAX + SMTP_AUTH_PASSWORD_MAX + 4)];
    size_t len = smtp_auth_encode(text, encoded);
    return bytes_of(arena_printf(&s->arena, "%s%.*s\r\n", prefix, (int)len, encoded));
}

static enum err make_auth(struct source *s, struct err_detail *why)
{
    const struct source_args *args = s->args;
    char password[SMTP_AUTH_PASSWORD_MAX + 2], both[SMTP_AUTH_USER_MAX + sizeof password + 2];
    if (!args->user)
        return ERR_OK;
    enum err e = read_password(args, password, sizeof password, why);
    if (e != ERR_OK)
        return e;
    if (strlen(args->user) > SMTP_AUTH_USER_MAX)
        return err_set(why, ERR_LIMIT, "--user: the name is too long");
    if (args->auth_login) {
        s->client.auth[0] = BYTES("AUTH LOGIN\r\n");
        s->client.auth[1] = auth_line(s, "", bytes_of(args->user));
        s->client.auth[2] = auth_line(s, "", bytes_of(password));
        s->client.auth_count = 3;
        return ERR_OK;
    }
    int len = snprintf(both, sizeof both, "%c%s%c%s", 0, args->user, 0, password);
    ASSERT(len > 0 && (size_t)len < sizeof both);
    s->client.auth[0] = auth_line(s, "AUTH PLAIN ", bytes_make(both, (size_t)len));
    s->client.auth_count = 1;
    return ERR_OK;
}

/* --- All of it --- */

/* A session needs a descriptor; the soft limit is often 1,024. */
static enum err raise_files(const struct source_args *args, struct err_detail *why)
{
    struct rlimit limit;
    rlim_t wanted = args->sessions + 64 + args->threads * 8;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_set_errno(why, errno, "cannot read the limit of open files");
    if (limit.rlim_cur >= wanted)
        return ERR_OK;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (limit.rlim_cur < wanted || setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return err_set(why, ERR_LIMIT, "%lu sessions need more open files than are allowed here",
                       args->sessions);
    return ERR_OK;
}

static enum err make_tls(struct source *s, struct err_detail *why)
{
    if (s->args->security == LOAD_CLIENT_SECURITY_NONE)
        return ERR_OK;
    return tls_context_client(&(struct tls_settings){.minimum = "1.2"}, &s->tls, why);
}

enum err source_settings_make(struct source *s, struct err_detail *why)
{
    const struct source_args *args = s->args;
    struct load_shape_settings shape = args->shape;
    arena_init(&s->arena, 0);
    s->run = rand_u64();
    s->journal = -1;
    s->client = (struct load_client_settings){
        .to = args->to,
        .pipelining = args->pipelining,
        .security = args->security,
        .chunking = args->chunking,
        .reconnect = args->reconnect,
        .ahead = args->ahead,
    };
    make_envelope(s);
    shape.from = args->from;
    shape.rcpt = args->rcpt;
    shape.seed = args->seeded ? shape.seed : s->run >> 11; /* exact in any reader of JSON */
    enum err e = raise_files(args, why);
    if (e == ERR_OK)
        e = make_auth(s, why);
    if (e == ERR_OK)
        e = make_tls(s, why);
    if (e == ERR_OK && args->journal)
        e = load_journal_open(args->journal, &s->journal, why);
    if (e == ERR_OK)
        e = source_text_init(&s->text, &shape, !args->chunking, why);
    return e;
}

void source_settings_free(struct source *s)
{
    source_text_free(&s->text);
    tls_context_unref(&s->tls);
    arena_free(&s->arena);
    if (s->journal >= 0)
        close(s->journal);
}
