/* The block of a receive connector: a copy of its settings, and the SMTP session's settings that
 * follow from them.
 */
#include "mailrace/connector.h"

#include "core/mem.h"
#include "queue/spool_format.h"

#define TEXTS_BLOCK_BYTES 256

static unsigned extensions_of(const struct receive_connector *c,
                              struct receive_connector_offer clear,
                              struct receive_connector_offer secure)
{
    unsigned x = 0;
    x |= c->size_enabled != RECEIVE_SIZE_DISABLED ? SMTP_EXTENSION_SIZE : 0;
    x |= c->pipelining_enabled ? SMTP_EXTENSION_PIPELINING : 0;
    x |= c->delivery_status_notification_enabled ? SMTP_EXTENSION_DSN : 0;
    x |= c->enhanced_status_codes_enabled ? SMTP_EXTENSION_ENHANCEDSTATUSCODES : 0;
    x |= clear.starttls ? SMTP_EXTENSION_STARTTLS : 0;
    x |= c->eight_bit_mime_enabled ? SMTP_EXTENSION_8BITMIME : 0;
    x |= c->chunking_enabled ? SMTP_EXTENSION_CHUNKING : 0;
    x |= c->chunking_enabled && c->binary_mime_enabled ? SMTP_EXTENSION_BINARYMIME : 0;
    x |= c->smtp_utf8_enabled ? SMTP_EXTENSION_SMTPUTF8 : 0;
    x |= c->long_addresses_enabled ? SMTP_EXTENSION_XLONGADDR : 0;
    x |= c->orar_enabled ? SMTP_EXTENSION_XORAR : 0;
    x |= secure.auth ? SMTP_EXTENSION_AUTH_LOGIN | SMTP_EXTENSION_AUTH_PLAIN : 0;
    return x;
}

static void fill_smtp(struct connector *connector, rights_mask first_rights, bool certificate)
{
    const struct receive_connector *c = &connector->settings;
    struct receive_connector_offer clear = receive_connector_offer(c, certificate, false);
    struct receive_connector_offer secure = receive_connector_offer(c, certificate, true);
    connector->smtp = (struct smtp_server_settings){
        .fqdn = connector->fqdn,
        .banner = bytes_of(c->banner),
        .default_domain = bytes_of(c->default_domain),
        .extensions = extensions_of(c, clear, secure),
        .size_without_value = c->size_enabled == RECEIVE_SIZE_WITHOUT_VALUE,
        .message_size_max = connector_message_size_max(connector, first_rights),
        .rcpts_max = connector_rcpts_max(connector, first_rights),
        .protocol_errors_max = c->max_protocol_errors,
        .address_max =
            c->long_addresses_enabled ? SMTP_SERVER_LONG_ADDRESS_MAX : SMTP_SERVER_ADDRESS_MAX,
        .inactivity_timeout_ms = c->connection_inactivity_timeout_ms,
        .connection_timeout_ms = c->connection_timeout_ms,
        .min_data_rate_bytes_s = 500,
        .logon_failures_max = c->max_logon_failures,
        .auth_require_tls = secure.auth && !clear.auth,
        .require_tls = c->require_tls,
        .require_ehlo_domain = c->require_ehlo_domain,
        .normalize_bare_linefeed = !c->bare_linefeed_rejection_enabled,
    };
}

struct connector *connector_new(const struct receive_connector *settings, rights_mask first_rights,
                                const char *hostname, struct tls_context *tls,
                                struct connector_count *count)
{
    struct connector *c = MEM_NEW(struct connector);
    atomic_init(&c->references, 1);
    arena_init(&c->texts, TEXTS_BLOCK_BYTES);
    receive_connector_copy(&c->texts, settings, &c->settings);
    c->name = bytes_of(c->settings.name);
    c->fqdn =
        c->settings.fqdn ? bytes_of(c->settings.fqdn) : arena_bytes(&c->texts, bytes_of(hostname));
    c->count = count;
    fill_smtp(c, first_rights, tls);
    if (c->smtp.extensions & SMTP_EXTENSION_STARTTLS)
        c->tls = tls_context_ref(tls);
    return c;
}

struct connector *connector_ref(struct connector *c)
{
    unsigned before = atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
    ASSERT(before > 0);
    return c;
}

void connector_unref(struct connector **connector)
{
    struct connector *c = *connector;
    *connector = NULL;
    if (!c)
        return;
    unsigned before = atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before > 1)
        return;
    tls_context_unref(&c->tls);
    arena_free(&c->texts);
    mem_free(c);
}

uint64_t connector_message_size_max(const struct connector *c, rights_mask rights)
{
    return rights & RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT ? UINT64_MAX
                                                     : c->settings.max_message_size_bytes;
}

size_t connector_rcpts_max(const struct connector *c, rights_mask rights)
{
    const rights_mask trusted =
        RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT | RIGHTS_ACCEPT_HEADERS_ORGANIZATION;
    uint64_t max = c->settings.max_recipients_per_message;
    return (rights & trusted) == trusted || max > SPOOL_RCPTS_MAX ? SPOOL_RCPTS_MAX : (size_t)max;
}
