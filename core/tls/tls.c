/*
 * tls.c: a context: making it, its references, and new files for old. Any thread; `lock` guards the
 * material, which handshakes take as it is when they begin, and the sessions, which belong to it.
 */
#include "tls.h"

static void tls_ref(void *self)
{
	il_tls_ref(self);
}

static void tls_unref(void *self)
{
	il_tls_unref(self);
}

static int tls_layer_accept(il_stream **stream, il_stream *under, void *self)
{
	return il_tls_accept(stream, under, self);
}

static int tls_layer_connect(il_stream **stream, il_stream *under, const char *host, void *self)
{
	return il_tls_connect(stream, under, self, host);
}

static void tls_free(il_tls *tls)
{
	il__tls_material_unref(tls->material);
	il__tls_sessions_drop(tls);
	il__tls_settings_free(&tls->settings);
	BIO_meth_free(tls->below);
	pthread_mutex_destroy(&tls->lock);
	OPENSSL_free(tls);
}

int il_tls_create(il_tls **tls, const il_tls_options *options)
{
	static const il_tls_options defaults = {.verify = IL_TLS_VERIFY_DEFAULT};
	il_tls *new;
	int rc;

	if (!tls)
		return il_fail(-EINVAL, "il_tls_create: there is no place for the result");
	*tls = NULL;
	new = OPENSSL_zalloc(sizeof *new);
	if (!new)
		return il_fail(-ENOMEM, "il_tls_create: no memory");
	atomic_init(&new->references, 1);
	new->layer = (struct il_layer){.accept = tls_layer_accept,
				       .connect = tls_layer_connect,
				       .self = new,
				       .ref = tls_ref,
				       .unref = tls_unref};
	pthread_mutex_init(&new->lock, NULL);
	new->below = il__tls_bio_method();
	rc = new->below ? il__tls_settings_copy(&new->settings, options ? options : &defaults)
			: il_fail(-ENOMEM, "il_tls_create: no memory");
	if (rc == 0)
		rc = il__tls_material_create(&new->material, &new->settings);
	if (rc < 0) {
		tls_free(new);
		return rc;
	}
	if (!il__tls_is_for_servers(&new->settings))
		new->layer.accept = NULL; /* so that no server begins whose handshakes all fail */
	*tls = new;
	return 0;
}

il_tls *il_tls_ref(il_tls *tls)
{
	if (tls)
		atomic_fetch_add_explicit(&tls->references, 1, memory_order_relaxed);
	return tls;
}

/* acq_rel: whoever frees it sees what the others did before they dropped theirs. */
void il_tls_unref(il_tls *tls)
{
	if (tls && atomic_fetch_sub_explicit(&tls->references, 1, memory_order_acq_rel) == 1)
		tls_free(tls);
}

const struct il_layer *il_tls_layer(il_tls *tls)
{
	return tls ? &tls->layer : NULL;
}

struct il__tls_material *il__tls_take_material(il_tls *tls)
{
	struct il__tls_material *m;

	pthread_mutex_lock(&tls->lock);
	m = tls->material;
	atomic_fetch_add_explicit(&m->references, 1, memory_order_relaxed);
	pthread_mutex_unlock(&tls->lock);
	return m;
}

int il__tls_take_trusting(struct il__tls_material **m, il_tls *tls)
{
	int rc = 0;

	*m = il__tls_take_material(tls);
	if (!il__tls_trusts_system(&tls->settings))
		return 0;
	pthread_mutex_lock(&tls->lock);
	rc = il__tls_material_trust_system(*m);
	pthread_mutex_unlock(&tls->lock);
	return rc;
}

int il_tls_reload(il_tls *tls)
{
	struct il__tls_material *new, *old;
	int rc;

	if (!tls)
		return il_fail(-EINVAL, "il_tls_reload: the context is NULL");
	rc = il__tls_material_create(&new, &tls->settings);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&tls->lock);
	old = tls->material;
	tls->material = new;
	il__tls_sessions_drop(tls);
	pthread_mutex_unlock(&tls->lock);
	il__tls_material_unref(old);
	return 0;
}
