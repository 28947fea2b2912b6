/*
 * adapter_libcurl.c BACKEND: a transfer whose socket the loop does not watch ends with the reason, and no other one
 * does: neither where memory is scarce, nor while the loop is being closed.
 */
#include "../../examples/adapters/libcurl.h"
#include "../core/check.h"

#include <interloop/backend.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

int perform_elsewhere(il_curl *curl, CURL *easy);

#ifdef ELSEWHERE

int perform_elsewhere(il_curl *curl, CURL *easy)
{
	return il_curl_perform(curl, easy);
}

#else

static const il_backend *backend;
static bool refuses;

static int watch_or_refuse(void *self, struct il_watch *w, unsigned mask)
{
	return mask && refuses ? -ENOMEM : backend->driver.watch(self, w, mask);
}

/* Of a server that never replies. */
struct page {
	il_listener *silent;
	char url[64];
	il_curl *curl;
	int rc;
};

static void open_page(struct page *p)
{
	*p = (struct page){.rc = 1};
	CHECK(il_listener_open_tcp(&p->silent, "127.0.0.1", "0", NULL) == 0);
	snprintf(p->url, sizeof(p->url), "http://127.0.0.1:%u",
		 (unsigned)il_listener_port(p->silent));
	CHECK(il_curl_open(&p->curl) == 0);
}

static void close_page(struct page *p)
{
	il_curl_close(p->curl);
	il_listener_destroy(p->silent);
}

static int fetch(void *arg)
{
	struct page *p = arg;
	CURL *easy = curl_easy_init();

	CHECK(easy);
	curl_easy_setopt(easy, CURLOPT_URL, p->url);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	p->rc = perform_elsewhere(p->curl, easy);
	curl_easy_cleanup(easy);
	return 0;
}

static int lack_a_watch(void *arg)
{
	struct page p, nobody;
	il_future *other;

	(void)arg;
	open_page(&p);
	nobody = p;
	strcpy(nobody.url, "http://127.0.0.1:1");
	CHECK(il_loop_spawn(il_loop_current(), &other, fetch, &p) == 0);
	CHECK(il_sleep(IL_MSEC(5)) == 0);
	for (int i = 0; i < 2; i++) {
		struct page refused = p;
		refuses = true;
		CHECK(fetch(&refused) == 0 && refused.rc == -ENOMEM);
		CHECK(strstr(il_error_detail(), "watched"));
		refuses = false;
		CHECK(fetch(&nobody) == 0 && nobody.rc == CURLE_COULDNT_CONNECT);
	}
	CHECK(p.rc == 1); /* it goes on */
	il_future_cancel(other);
	CHECK(il_future_join(other) == -ECANCELED && p.rc == -ECANCELED);
	close_page(&p);
	return 0;
}

static int fetch_at_the_end(void *arg)
{
	struct page *p = arg;
	il_scope shield = IL_SCOPE_INIT;

	CHECK(il_sleep_forever() == -ECANCELED);
	CHECK(il_scope_enter(&shield, IL_FOREVER, IL_SHIELD) == 0);
	CHECK(fetch(p) == 0 && p->rc == -ESHUTDOWN);
	return il_scope_exit(&shield, -ECANCELED);
}

static int leave_behind(void *arg)
{
	open_page(arg);
	CHECK(il_loop_spawn(il_loop_current(), NULL, fetch_at_the_end, arg) == 0);
	return il_sleep(IL_MSEC(5));
}

int main(int argc, char **argv)
{
	il_backend scarce;
	struct page p;
	il_loop *loop;

	backend = argc > 1 ? il_backend_find(argv[1]) : NULL;
	CHECK(backend && curl_global_init(CURL_GLOBAL_DEFAULT) == 0);
	alarm(100);
	scarce = *backend;
	scarce.driver.watch = watch_or_refuse;
	CHECK(il_run(&scarce, lack_a_watch, NULL) == 0);
	CHECK(il_loop_open(&loop, backend, NULL) == 0);
	CHECK(il_loop_run(loop, leave_behind, &p) == 0);
	CHECK(il_loop_close(loop) == 0 && p.rc == -ESHUTDOWN);
	close_page(&p);
	il_loop_destroy(loop);
	curl_global_cleanup();
	return 0;
}

#endif
