/*
 * consumer.c: a program outside the tree, as a user would write it first. Built by run.sh in every
 * way the package offers. CONSUMER_ACCESSOR, CONSUMER_HEADER: a linked backend; CONSUMER_STATIC: it
 * must be registered before it has a name. Else the backend is the one that argv[1] names. CONSUMER_TLS: with
 * interloop-tls.
 */
#include <interloop.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#ifdef CONSUMER_TLS
#include <interloop/tls.h>
#endif
#ifdef CONSUMER_HEADER
#include CONSUMER_HEADER
#endif

static int twice(void *arg)
{
	return 2 * *(int *)arg;
}

static int task(void *arg)
{
	il_time before = il_now();
	int rc = il_sleep(IL_MSEC(5));

	if (rc < 0)
		return rc;
	if (il_now() - before < IL_MSEC(5))
		return -ERANGE;
	return il_run_in_thread(twice, arg);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	const il_backend *backend;
	int value = 21, rc;

#ifdef CONSUMER_TLS
	il_tls *tls;
	rc = il_tls_create(&tls, NULL);
	if (rc < 0 || !il_tls_layer(tls))
		return 1;
	il_tls_unref(tls);
#endif
#ifdef CONSUMER_ACCESSOR
	backend = CONSUMER_ACCESSOR();
#ifdef CONSUMER_STATIC
	rc = il_backend_register(backend);
	if (rc < 0) {
		fprintf(stderr, "register: %s\n", il_error_detail());
		return 1;
	}
#endif
	if (il_backend_find(name) != backend) {
		fprintf(stderr, "found by name, %s is another copy: %s\n", name, il_error_detail());
		return 1;
	}
#else
	backend = il_backend_find(name);
#endif
	rc = il_run(backend, task, &value);
	if (rc != 42) {
		fprintf(stderr, "%s: %s: %s\n", name, il_strerror(rc), il_error_detail());
		return 1;
	}
	if (strcmp(il_backend_name(backend), name) != 0)
		return 1;
	return 0;
}
