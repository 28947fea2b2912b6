/*
 * libcurl.c: P15: tasks that fetch a page from nginx through examples/adapters/libcurl.h, against multi_socket in
 * callbacks, as libcurl's manual has it. All clients of a side share a multi handle; a client has an easy handle.
 */
#include "../../examples/adapters/libcurl.h"
#include "clients.h"
#include "native.h"

#include <signal.h>

static const char serve[] =
    "echo \"daemon off; master_process off; pid nginx.pid; events { worker_connections 256; }"
    " http { access_log off; keepalive_requests 100000000; client_body_temp_path body;"
    " proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;"
    " server { listen 127.0.0.1:$PORT; location / { return 200 hello; } } }\" >nginx.conf;"
    "exec nginx -e stderr -p \"$PWD\" -c nginx.conf";

static CURL *easy[CLIENTS_MAX];

static size_t take(char *data, size_t size, size_t items, void *arg)
{
	(void)data;
	(void)arg;
	return size * items;
}

static CURL *easy_open(size_t client)
{
	CURL *e = curl_easy_init();
	char url[64];

	snprintf(url, sizeof url, "http://127.0.0.1:%s/", clients_port);
	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(e, CURLOPT_PRIVATE, (void *)(uintptr_t)client);
	return e;
}

/* ---- tasks ---- */

static il_curl *curl;

static void open_all(size_t clients)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
	bench_must(il_curl_open(&curl));
	for (size_t i = 0; i < clients; i++)
		easy[i] = easy_open(i);
}

static void ask(size_t client)
{
	if (il_curl_perform(curl, easy[client]) != 0)
		bench_die(il_error_detail());
}

/* ---- callbacks ---- */

static CURLM *multi;
static struct native_timer timer;

static void collect(void)
{
	CURLMsg *message;
	void *client;
	int queued;

	while ((message = curl_multi_info_read(multi, &queued))) {
		CURL *e = message->easy_handle;
		if (message->msg != CURLMSG_DONE || message->data.result != CURLE_OK)
			bench_die("nginx does not answer");
		curl_easy_getinfo(e, CURLINFO_PRIVATE, &client);
		curl_multi_remove_handle(multi, e);
		clients_answered((size_t)(uintptr_t)client);
	}
}

static void on_ready(struct native_io *io, bool readable, bool writable)
{
	int running;

	curl_multi_socket_action(
	    multi, io->fd, (readable ? CURL_CSELECT_IN : 0) | (writable ? CURL_CSELECT_OUT : 0),
	    &running);
	collect();
}

static void on_due(void)
{
	int running;

	curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect();
}

static int on_socket(CURL *e, curl_socket_t fd, int what, void *arg, void *watched)
{
	struct native_io *io = watched;

	(void)e;
	(void)arg;
	if (what == CURL_POLL_REMOVE) {
		native_io_close(io);
		return 0;
	}
	if (!io) {
		io = native_io_open(fd, on_ready, NULL);
		curl_multi_assign(multi, fd, io);
	}
	native_io_set(io, what & CURL_POLL_IN, what & CURL_POLL_OUT);
	return 0;
}

static int on_timer(CURLM *m, long ms, void *arg)
{
	(void)m;
	(void)arg;
	native_timer_set(&timer, ms < 0 ? -1 : ms * 1000);
	return 0;
}

static void own_open(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
	native_timer_open(&timer, on_due);
	multi = curl_multi_init();
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
}

static void own_ask(size_t client)
{
	if (!easy[client])
		easy[client] = easy_open(client);
	curl_multi_add_handle(multi, easy[client]);
}

void bench_libcurl(void)
{
	clients_compare(&(struct client_library){.name = "libcurl",
						 .base = "callbacks",
						 .server = serve,
						 .stop = SIGKILL,
						 .n = 2500,
						 .limit = 1.1,
						 .open = open_all,
						 .ask = ask,
						 .own_open = own_open,
						 .own_ask = own_ask});
}
