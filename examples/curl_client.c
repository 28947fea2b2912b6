/*
 * curl_client.c: fifty tasks fetch four pages each with libcurl, in straight lines; a page that never comes costs its
 * task a time limit, and nobody else.
 *
 *     curl_client [--backend NAME] --url http://127.0.0.1:8080
 */
#include "adapters/libcurl.h"
#include "example.h"

#include <stdio.h>
#include <string.h>

enum { TASKS = 50, PAGES = 4 };

struct fetch {
	il_curl *curl;
	const char *url;
	size_t bytes, pages;
};

static size_t count(char *data, size_t size, size_t items, void *fetch)
{
	(void)data;
	((struct fetch *)fetch)->bytes += size * items;
	return size * items;
}

/* [fetch] */
static int fetch_one(struct fetch *f, const char *page)
{
	char url[256];
	long status = 0;
	CURL *easy = curl_easy_init();
	if (!easy)
		return -ENOMEM;
	snprintf(url, sizeof(url), "%s/%s", f->url, page);
	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, count);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, f);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	int rc = il_curl_perform(f->curl, easy);
	curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(easy);
	return rc == 0 ? (int)status : rc;
}
/* [fetch] */

static int fetch_all(void *arg)
{
	struct fetch *f = arg;
	char page[16];
	for (int i = 0; i < PAGES; i++) {
		snprintf(page, sizeof(page), "%d.txt", i);
		int status = fetch_one(f, page);
		if (status < 0)
			return status;
		f->pages += status == 200;
	}
	return 0;
}

static int fetch_at_once(il_curl *curl, const char *url)
{
	struct fetch fetches[TASKS];
	size_t bytes = 0, pages = 0;
	for (int i = 0; i < TASKS; i++)
		fetches[i] = (struct fetch){curl, url, 0, 0};
	int rc = il_gather(fetch_all, fetches, TASKS, sizeof(*fetches), NULL); /* a task each */
	for (int i = 0; i < TASKS && rc == 0; i++) {
		bytes += fetches[i].bytes;
		pages += fetches[i].pages;
	}
	if (rc == 0)
		printf("%zu pages, %zu bytes\n", pages, bytes);
	return rc;
}

/* A server that accepts and never replies. */
static int run_out_of_time(il_curl *curl)
{
	il_listener *silent;
	il_scope scope = IL_SCOPE_INIT;
	char url[64];
	int rc = il_listener_open_tcp(&silent, "127.0.0.1", "0", NULL);
	if (rc < 0)
		return rc;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", il_listener_port(silent));
	struct fetch f = {curl, url, 0, 0};
	rc = il_scope_enter(&scope, il_deadline(IL_MSEC(50)), IL_FAIL_AT_DEADLINE);
	if (rc == 0)
		rc = il_scope_exit(&scope, fetch_one(&f, "never"));
	printf("a silent server: %s\n", il_error_name(rc));
	il_listener_destroy(silent);
	rc = fetch_one(&f, "never");
	printf("nobody there: %s\n", il_error_detail());
	return rc > 0 ? 0 : rc;
}

static int get(void *arg)
{
	il_curl *curl = NULL;
	int rc = il_curl_open(&curl);
	if (rc < 0)
		return rc;
	struct fetch missing = {curl, arg, 0, 0};
	rc = fetch_at_once(curl, arg);
	if (rc == 0) {
		printf("a page that is not there: %d\n", fetch_one(&missing, "missing.txt"));
		rc = run_out_of_time(curl);
	}
	il_curl_close(curl);
	return rc;
}

int main(int argc, char **argv)
{
	example_options(argc, argv, "[--backend NAME] [--url URL]");
	curl_global_init(CURL_GLOBAL_DEFAULT);
	int rc = example_main(argc, argv, get,
			      (char *)example_option(argc, argv, "--url", "http://127.0.0.1:8080"));
	curl_global_cleanup();
	return rc;
}
