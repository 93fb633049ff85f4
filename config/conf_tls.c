/* Can STARTTLS be offered with what the file says, and will it please clients that look? */
#include "config/conf_private.h"

static const char *name_of(const struct conf *c, const struct receive_connector *x)
{
    return x->fqdn ? x->fqdn : c->hostname;
}

static void check_names(struct conf_reading *r, const struct conf *c, const struct tls_context *ctx)
{
    for (size_t i = 0; i < c->rules.receive_count; i++) {
        const struct receive_connector *x = &c->rules.receive[i];
        const char *objection = tls_context_objection(ctx, name_of(c, x));
        if (x->enabled && (x->auth_mechanism & RECEIVE_AUTH_TLS) && objection)
            conf_warn(r, x->origin, "auth_mechanism",
                      "STARTTLS is offered as %s, and clients that look at tls.certificate will "
                      "object: %s",
                      name_of(c, x), objection);
    }
}

void conf_check_tls(struct conf_reading *r, const struct conf *c)
{
    struct tls_context *ctx = NULL;
    struct err_detail why = {""};
    if (!c->tls.certificate || !c->tls.key)
        return;
    enum err e = tls_context_server(&c->tls, &ctx, &why);
    if (e == ERR_DENIED) /* who runs the relay may read more than who checks its file */
        conf_warn(r, c->file, "tls", "%s", why.text);
    else if (e != ERR_OK)
        conf_fault(r, c->file, "tls", "STARTTLS is impossible: %s", why.text);
    else
        check_names(r, c, ctx);
    tls_context_unref(&ctx);
}
