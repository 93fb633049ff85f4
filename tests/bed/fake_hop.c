/* A next hop: server sessions of net/smtp_service over connections in memory. */
#include "fake_hop.h"

#include "core/mem.h"
#include "net/smtp_service.h"

#include "fake_net.h"

struct hop_session {
    struct cds_list_head link;
    struct fake_hop *hop;
    struct smtp_service *service;
    struct buf text;
};

static enum smtp_server_verdict on_mail(void *owner, const struct mail_envelope *envelope,
                                        struct mail_status *status)
{
    (void)owner;
    (void)envelope;
    (void)status;
    return SMTP_SERVER_ANSWERED;
}

static enum smtp_server_verdict on_rcpt(void *owner, const struct mail_rcpt *rcpt,
                                        struct bytes path_domain, struct mail_status *status)
{
    struct hop_session *s = owner;
    (void)path_domain;
    if (s->hop->on_rcpt)
        s->hop->on_rcpt(s->hop->owner, rcpt->address, status);
    return SMTP_SERVER_ANSWERED;
}

static enum smtp_server_verdict on_message_begin(void *owner, struct mail_status *status)
{
    struct hop_session *s = owner;
    (void)status;
    buf_clear(&s->text);
    return SMTP_SERVER_ANSWERED;
}

static bool on_message_text(void *owner, struct bytes text, struct mail_status *status)
{
    struct hop_session *s = owner;
    (void)status;
    return buf_append(&s->text, text) == ERR_OK;
}

static enum smtp_server_verdict on_message_end(void *owner, struct mail_status *status)
{
    struct hop_session *s = owner;
    const struct smtp_server_facts *facts = smtp_server_facts(smtp_service_session(s->service));
    if (s->hop->on_message)
        s->hop->on_message(s->hop->owner, facts->envelope, buf_bytes(&s->text), status);
    return SMTP_SERVER_ANSWERED;
}

static void on_message_abort(void *owner)
{
    struct hop_session *s = owner;
    buf_clear(&s->text);
}

static const struct smtp_server_ops session_ops = {
    .on_mail = on_mail,
    .on_rcpt = on_rcpt,
    .on_message_begin = on_message_begin,
    .on_message_text = on_message_text,
    .on_message_end = on_message_end,
    .on_message_abort = on_message_abort,
};

static void on_closed(void *owner, enum err reason, const char *text)
{
    struct hop_session *s = owner;
    (void)reason;
    (void)text;
    list_remove(&s->link);
    buf_free(&s->text);
    mem_free(s);
}

static void on_accept(void *owner, int fd, const struct endpoint *peer,
                      const struct endpoint *local)
{
    struct fake_hop *hop = owner;
    struct hop_session *s = MEM_NEW(struct hop_session);
    struct smtp_server_facts facts = {
        .session_id = ++hop->connections, .client = *peer, .local = *local};
    s->hop = hop;
    buf_init(&s->text, SIZE_MAX);
    list_add(&hop->sessions, &s->link);
    s->service = smtp_service_start(hop->loop, fd, &hop->settings, &facts, NULL, NULL, &session_ops,
                                    s, on_closed);
}

void fake_hop_open(struct fake_hop *hop, struct loop *loop, const char *at)
{
    enum err e = endpoint_parse(bytes_of(at), &hop->at);
    ASSERT(e == ERR_OK);
    hop->loop = loop;
    hop->settings = (struct smtp_server_settings){
        .fqdn = BYTES("hop.test"),
        .extensions = hop->extensions,
        .message_size_max = UINT64_MAX,
        .rcpts_max = 1000,
        .protocol_errors_max = SIZE_MAX,
        .address_max = SMTP_SERVER_ADDRESS_MAX,
        .inactivity_timeout_ms = 300000,
        .connection_timeout_ms = 3600000,
    };
    list_init(&hop->sessions);
    fake_net_listen(&hop->at, on_accept, hop);
}

void fake_hop_close(struct fake_hop *hop)
{
    fake_net_unlisten(&hop->at);
    LIST_EACH_SAFE (s, &hop->sessions, struct hop_session, link)
        smtp_service_abort(s->service);
}
