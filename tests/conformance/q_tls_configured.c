/*
 * q_tls_configured.c: what `configure` has set on the context and TLS itself sets, too: neither is lost.
 */
#include "q_tls.h"

/* ---- 300: a check of the program's own ---- */

static int steps;

static int agree(int ok, X509_STORE_CTX *store)
{
	(void)store;
	steps++;
	return ok;
}

static int distrust(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
	return 0;
}

static int check_by_agree(void *ctx, void *arg)
{
	(void)arg;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, agree);
	return 0;
}

static int check_by_distrust(void *ctx, void *arg)
{
	(void)arg;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, distrust);
	return 0;
}

/* One side checks the other's certificate, and its handshake ends so. */
static void check_own(int side, int (*configure)(void *, void *), enum identity other, int expected)
{
	il_tls_options o[2] = {serving(side ? other : CLIENT), serving(side ? SERVER : other)};
	il_tls *tls[2];
	struct shake k;

	o[1].verify = IL_TLS_VERIFY_REQUIRED;
	o[side].configure = configure;
	for (int i = 0; i < 2; i++)
		tls[i] = trusting(CA, o[i]);
	shake_try(&k, TCP, tls[0], tls[1], "localhost");
	CHECK_RC(k.rc[side], expected);
	if (expected < 0)
		CHECK(strstr(k.why[side], "the certificate was refused") != NULL);
	shake_drop(&k);
	il_tls_unref(tls[0]);
	il_tls_unref(tls[1]);
}

IL_TEST_REAL(Q, n300_a_check_of_the_programs_own_has_the_last_word)
{
	for (int side = 0; side < 2; side++) {
		const enum identity other = side ? CLIENT : SERVER;
		check_own(side, check_by_distrust, other, -EACCES);
		steps = 0;
		check_own(side, check_by_agree, other, 0);
		CHECK(steps > 0);
		check_own(side, check_by_agree, STRANGER, -EACCES);
		check_own(side, check_by_agree, side ? SERVER : CLIENT, -EACCES); /* the purpose */
	}
}

/* ---- an error of its own ---- */

static int say_why(void *ctx, void *arg)
{
	(void)ctx;
	return arg ? il_fail(-ERANGE, "curve %s is unknown", (const char *)arg) : -ERANGE;
}

IL_TEST_REAL(Q, what_configure_says_of_its_error_is_the_detail)
{
	char curve[] = "P-0";
	il_tls *tls = NULL;

	for (int i = 0; i < 2; i++) { /* the second time it says nothing, and nothing old is told */
		const il_tls_options o = {.configure = say_why, .arg = i ? NULL : curve};
		CHECK_RC(il_tls_create(&tls, &o), -ERANGE);
		CHECK_DETAIL("configure");
		CHECK_EQ(strstr(il_error_detail(), "curve P-0 is unknown") != NULL, i == 0);
	}
	CHECK(!tls);
}
