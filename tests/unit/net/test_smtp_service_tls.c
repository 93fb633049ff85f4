/* STARTTLS of a session on a real socket: what may come before, behind and within the handshake. */
#include "smtp_service_rig.h"

#include <poll.h>
#include <stdio.h>

#include "tls_rig.h"

static struct tls_files files;

/* Drives OpenSSL's side while the loop turns; false: it failed. */
static bool shake(struct raw_tls *raw)
{
    for (unsigned i = 0; i < 500; i++) {
        int rc = SSL_do_handshake(raw->ssl);
        if (rc == 1)
            return true;
        int e = SSL_get_error(raw->ssl, rc);
        if (e != SSL_ERROR_WANT_READ && e != SSL_ERROR_WANT_WRITE)
            return false;
        while (loop_turn(rig.loop, 0))
            continue;
        (void)poll(&(struct pollfd){.fd = raw->fd, .events = POLLIN}, 1, 5);
    }
    return false;
}

static void say_tls(struct raw_tls *raw, const char *text, unsigned lines, const char *starts)
{
    char got[4096] = "";
    size_t len = 0;
    CHECK(SSL_write(raw->ssl, text, (int)strlen(text)) == (int)strlen(text));
    for (unsigned i = 0; i < 500; i++) {
        unsigned seen = 0;
        while (loop_turn(rig.loop, 0))
            continue;
        int n = SSL_read(raw->ssl, got + len, (int)(sizeof got - 1 - len));
        len += n > 0 ? (size_t)n : 0;
        got[len] = '\0';
        for (size_t j = 0; j < len; j++)
            seen += got[j] == '\n';
        if (seen >= lines)
            break;
        (void)poll(&(struct pollfd){.fd = raw->fd, .events = POLLIN}, 1, 5);
    }
    if (!CHECK(bytes_starts_nocase(bytes_of(got), bytes_of(starts))))
        fprintf(stderr, "  got: %s\n", got);
    CHECK(!strstr(got, "STARTTLS"));
}

static void rig_tls(void)
{
    service_new();
    tls_files_make(&files);
    rig.tls = tls_rig_server(&files, "1.2");
    service_start(NULL);
}

static void rig_tls_done(void)
{
    service_done();
    tls_files_remove(&files);
}

static void test_starttls(void)
{
    struct raw_tls raw;
    rig_tls();
    service_ehlo();
    CHECK(strstr(rig.got, "250-STARTTLS\r\n"));
    service_say("STARTTLS\r\n", 1, "220 2.0.0 SMTP server ready");
    raw_tls_open(&raw, rig.client, NULL);
    CHECK(shake(&raw));
    say_tls(&raw, "MAIL FROM:<a@b>\r\n", 1, "503 5.5.2");
    CHECK_U64(rig.tls_started, 1);
    say_tls(&raw, "EHLO client.example\r\n", 8, "250-relay.example");
    say_tls(&raw, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", 3, "250 2.1.0");
    say_tls(&raw, "x\r\n.\r\n", 1, "250 2.6.0");
    say_tls(&raw, "QUIT\r\n", 1, "221");
    raw_tls_close(&raw);
    rig.client = -1;
    service_turn(0);
    CHECK_U64(rig.closed, 1);
    rig_tls_done();
}

static void test_starttls_injection(void)
{
    unit_row("T-01 in one segment");
    rig_tls();
    service_ehlo();
    service_forget();
    service_send("STARTTLS\r\nRSET\r\n");
    service_turn(0);
    CHECK(bytes_starts_nocase(bytes_of(rig.got), BYTES("554 5.5.0")));
    CHECK(rig.eof && rig.closed == 1 && rig.tls_started == 0);
    rig_tls_done();

    unit_row("T-02 behind our 220");
    rig_tls();
    service_ehlo();
    service_say("STARTTLS\r\n", 1, "220");
    service_forget();
    service_send("EHLO x\r\nMAIL FROM:<a@b>\r\n");
    service_turn(0);
    CHECK(!strstr(rig.got, "250")); /* at most a TLS alert */
    CHECK(rig.closed == 1 && rig.tls_started == 0);
    CHECK_U64(rig.mails, 0);
    rig_tls_done();
}

static void test_handshake_timeout(void)
{
    rig_tls();
    service_ehlo();
    service_say("STARTTLS\r\n", 1, "220");
    service_forget();
    clock_virtual_advance(29999);
    service_turn(0);
    CHECK_U64(rig.closed, 0);
    clock_virtual_advance(2);
    service_turn(0);
    CHECK(!strstr(rig.got, "451")); /* nothing in clear */
    clock_virtual_advance(10000);
    service_turn(0);
    CHECK_U64(rig.closed, 1);
    rig_tls_done();
}

static void test_without_certificate(void)
{
    service_new();
    service_start(NULL);
    service_ehlo();
    CHECK(!strstr(rig.got, "STARTTLS"));
    service_say("STARTTLS\r\n", 1, "502 5.5.1");
    service_done();
}

UNIT_MAIN("net/smtp_service TLS", {"STARTTLS", test_starttls},
          {"T-01 T-02 bytes that come before TLS", test_starttls_injection},
          {"T-08 a handshake that never ends", test_handshake_timeout},
          {"no certificate, no STARTTLS", test_without_certificate})
