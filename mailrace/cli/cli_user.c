/* mailrace user: keeps the users file. A running relay takes a change over at `reload` (SIGHUP). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "core/mem.h"
#include "net/smtp_auth.h"

#include "mailrace/cli/cli.h"
#include "mailrace/cli/users_file.h"

static const char HELP[] =
    "usage: mailrace user add -f FILE NAME [--groups G1,G2] [--senders A,B]\n"
    "       mailrace user passwd -f FILE NAME [--groups G1,G2] [--senders A,B]\n"
    "       mailrace user remove -f FILE NAME\n"
    "       mailrace user list -f FILE [--json]\n"
    "\n"
    "Keeps the file that `users = { file = \"FILE\"; };` names. The password is asked for\n"
    "twice on a terminal, else read from the first line of standard input; the file\n"
    "holds its hash (yescrypt). A running relay takes changes over at SIGHUP.\n"
    "\n"
    "  -f, --file FILE  the users file; made (mode 0640) if it is not there\n"
    "  --groups LIST    for permissions entries \"group:NAME\"\n"
    "  --senders LIST   senders that the user may use: addresses, @domain, *@domain, *\n"
    "  --json           for programs\n";

struct user_args {
    const char *file, *groups, *senders;
    bool json, help;
};

/* --- The password --- */

static bool read_line(char *to, size_t size)
{
    char line[SMTP_AUTH_PASSWORD_MAX + 3];
    bool ok = fgets(line, sizeof line, stdin);
    struct bytes text = bytes_of(ok ? line : "");
    while (text.len && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
        text.len--;
    ok = ok && bytes_to_cstr(text, to, size);
    explicit_bzero(line, sizeof line);
    return ok;
}

static bool ask_hidden(const char *prompt, char *to, size_t size)
{
    struct termios before, hidden;
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return false;
    hidden = before;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) != 0)
        return false;
    fputs(prompt, stderr);
    bool ok = read_line(to, size);
    fputc('\n', stderr);
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &before) == 0 && ok;
}

static bool read_password(char to[SMTP_AUTH_PASSWORD_MAX + 1])
{
    char again[SMTP_AUTH_PASSWORD_MAX + 1] = "";
    if (!isatty(STDIN_FILENO)) {
        if (read_line(to, SMTP_AUTH_PASSWORD_MAX + 1))
            return true;
        fprintf(stderr,
                "mailrace user: a password of at most %d octets is wanted on standard "
                "input\n",
                SMTP_AUTH_PASSWORD_MAX);
        return false;
    }
    bool same = ask_hidden("Password: ", to, SMTP_AUTH_PASSWORD_MAX + 1) &&
                ask_hidden("Again: ", again, sizeof again) && strcmp(to, again) == 0;
    explicit_bzero(again, sizeof again);
    if (!same)
        fputs("mailrace user: the two are not the same\n", stderr);
    return same;
}

/* Reads a password and hashes it. */
static bool make_hash(struct bytes name, char to[ACCOUNT_HASH_SIZE])
{
    char password[SMTP_AUTH_PASSWORD_MAX + 1] = "";
    bool ok = read_password(password);
    struct smtp_auth_credentials c = {name, bytes_of(password)};
    if (ok && !smtp_auth_usable(&c)) {
        fputs("mailrace user: a password is not empty and has no control characters\n", stderr);
        ok = false;
    } else if (ok && account_hash(password, to) != ERR_OK) {
        fputs("mailrace user: this system's crypt(3) does not know yescrypt\n", stderr);
        ok = false;
    }
    explicit_bzero(password, sizeof password);
    return ok;
}

/* --- The file --- */

static void print_fault(void *owner, const char *where, bool is_warning, const char *text)
{
    (void)owner;
    fprintf(stderr, "%s: %s%s\n", where, is_warning ? "warning: " : "", text);
}

static struct account_set *parse(const struct users_file *f)
{
    struct account_set *set;
    if (account_set_parse(buf_bytes(&f->text), f->path, print_fault, NULL, &set) != ERR_OK)
        return NULL;
    return set;
}

static int fail(const struct err_detail *why)
{
    fprintf(stderr, "mailrace user: %s\n", why->text);
    return CLI_FAILED;
}

/* Nothing is written that could not be read. */
static int finish(struct users_file *f, struct bytes name, const char *done)
{
    struct err_detail why = {""};
    char shown[512];
    struct account_set *set = parse(f);
    if (!set)
        return CLI_FAILED;
    account_set_unref(&set);
    if (users_file_write(f, &why) != ERR_OK)
        return fail(&why);
    printf("%s: user \"%s\" %s\n", f->path, bytes_escape(name, shown, sizeof shown), done);
    return CLI_DONE;
}

static void add_list(struct buf *line, const char *const *elements, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        enum err e = buf_printf(line, "%s%s", i ? "," : "", elements[i]);
        ASSERT(e == ERR_OK); /* of a file that was read: shorter than its maximum */
    }
}

/* NULL in ARGS: as it was. */
static int put(struct users_file *f, struct bytes name, const struct account *old,
               const struct user_args *args)
{
    char hash[ACCOUNT_HASH_SIZE];
    struct buf line;
    if (!make_hash(name, hash))
        return CLI_FAILED;
    buf_init(&line, SIZE_MAX);
    enum err e = buf_printf(&line, BYTES_FMT ":%s:%s", BYTES_ARG(name), hash,
                            args->groups ? args->groups : "");
    if (old && !args->groups)
        add_list(&line, old->groups, old->group_count);
    if (e == ERR_OK)
        e = buf_printf(&line, ":%s", args->senders ? args->senders : "");
    if (old && !args->senders)
        add_list(&line, old->senders, old->sender_count);
    ASSERT(e == ERR_OK); /* a buffer without a maximum */
    users_file_replace(f, name, buf_bytes(&line));
    buf_free(&line);
    return finish(f, name, old ? "has a new password" : "added");
}

static int change(const char *action, struct bytes name, const struct user_args *args)
{
    struct users_file f;
    struct err_detail why = {""};
    int result = CLI_FAILED;
    if (users_file_open(args->file, &f, &why) != ERR_OK)
        return fail(&why);
    struct account_set *set = parse(&f);
    const struct account *old = set ? account_find(set, name) : NULL;
    bool add = strcmp(action, "add") == 0;
    if (set && add == !!old) {
        fprintf(stderr, add ? "mailrace user: there is a user of that name already\n"
                            : "mailrace user: there is no user of that name\n");
    } else if (set && strcmp(action, "remove") == 0) {
        users_file_replace(&f, name, BYTES_EMPTY);
        result = finish(&f, name, "removed");
    } else if (set) {
        result = put(&f, old ? bytes_of(old->name) : name, old, args);
    }
    account_set_unref(&set);
    users_file_close(&f);
    return result;
}

/* --- list --- */

/* RFC 8259 7; the file was checked to hold no control characters. */
static void write_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar(*text);
    }
    putchar('"');
}

static void write_list(const char *key, const char *const *elements, size_t count)
{
    printf(", \"%s\": [", key);
    for (size_t i = 0; i < count; i++) {
        if (i)
            fputs(", ", stdout);
        write_text(elements[i]);
    }
    putchar(']');
}

static void print_elements(const char *const *elements, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%s%s", i ? "," : "", elements[i]);
    if (!count)
        putchar('-');
}

static void print_account(const struct account *a, bool json, bool first)
{
    if (json) {
        fputs(first ? "\n  {\"name\": " : ",\n  {\"name\": ", stdout);
        write_text(a->name);
        printf(", \"locked\": %s", a->locked ? "true" : "false");
        write_list("groups", a->groups, a->group_count);
        write_list("senders", a->senders, a->sender_count);
        putchar('}');
        return;
    }
    printf("%-24s %-7s ", a->name, a->locked ? "locked" : "active");
    print_elements(a->groups, a->group_count);
    putchar(' ');
    print_elements(a->senders, a->sender_count);
    putchar('\n');
}

static int list(const struct user_args *args)
{
    struct users_file f;
    struct err_detail why = {""};
    if (users_file_open(args->file, &f, &why) != ERR_OK)
        return fail(&why);
    struct account_set *set = f.exists ? parse(&f) : NULL;
    if (!f.exists)
        fprintf(stderr, "mailrace user: there is no file %s\n", args->file);
    users_file_close(&f);
    if (!set)
        return CLI_FAILED;
    fputs(args->json ? "[" : "USER                     STATE   GROUPS SENDERS\n", stdout);
    for (size_t i = 0; i < account_set_count(set); i++)
        print_account(account_set_at(set, i), args->json, i == 0);
    if (args->json)
        puts("\n]");
    account_set_unref(&set);
    return CLI_DONE;
}

/* --- The command line --- */

static bool parse_options(int argc, char **argv, struct user_args *args)
{
    static const struct option options[] = {
        {"file", required_argument, NULL, 'f'},    {"groups", required_argument, NULL, 'g'},
        {"senders", required_argument, NULL, 's'}, {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},          {0},
    };
    int opt;
    while ((opt = getopt_long(argc, argv, "f:h", options, NULL)) != -1) {
        switch (opt) {
        case 'f':
            args->file = optarg;
            break;
        case 'g':
            args->groups = optarg;
            break;
        case 's':
            args->senders = optarg;
            break;
        case 'j':
            args->json = true;
            break;
        case 'h':
            args->help = true;
            break;
        default:
            return false;
        }
    }
    return true;
}

int cli_user(int argc, char **argv)
{
    static const char *const actions[] = {"add", "passwd", "remove", "list"};
    struct user_args args = {0};
    size_t action = 0;
    if (!parse_options(argc, argv, &args))
        return cli_usage("user", "an option is wrong");
    if (args.help) {
        fputs(HELP, stdout);
        return CLI_DONE;
    }
    while (optind < argc && action < ARRAY_SIZE(actions) &&
           strcmp(argv[optind], actions[action]) != 0)
        action++;
    if (optind == argc || action == ARRAY_SIZE(actions))
        return cli_usage("user", "say what to do: add, passwd, remove or list");
    if (!args.file)
        return cli_usage("user", "name the users file with -f");
    bool is_list = strcmp(actions[action], "list") == 0;
    if (argc - optind != (is_list ? 1 : 2))
        return cli_usage("user", is_list ? "list takes no name" : "name one user");
    if (is_list)
        return list(&args);
    struct bytes name = bytes_of(argv[optind + 1]);
    if (!account_name_valid(name))
        return cli_usage("user", "a name has 1 to %d printable characters, no colon",
                         ACCOUNT_NAME_MAX);
    return change(actions[action], name, &args);
}
