/*
 * nghttp2.c: HTTP/2 over a stream. nghttp2 touches no descriptor: one task feeds it what comes, and after each step
 * what it wants to send is written. Link -lnghttp2.
 */
#include <interloop.h>

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <string.h>

/* [nghttp2] */
static int send_pending(nghttp2_session *session, il_stream *stream)
{
	const uint8_t *data;
	ssize_t n;
	int rc = 0;
	while (rc == 0 && (n = nghttp2_session_mem_send(session, &data)) > 0)
		rc = il_stream_write_all(stream, data, (size_t)n);
	return rc < 0 ? rc : n < 0 ? -EPROTO : 0;
}

/* Until the session wants nothing more. -ENODATA: the peer has left before. */
static int drive(nghttp2_session *session, il_stream *stream)
{
	uint8_t data[16384];
	int rc = send_pending(session, stream);
	while (rc == 0 && nghttp2_session_want_read(session)) {
		int n = il_stream_read(stream, data, sizeof(data));
		if (n <= 0)
			return n < 0 ? n : -ENODATA;
		if (nghttp2_session_mem_recv(session, data, (size_t)n) != n)
			return -EPROTO;
		rc = send_pending(session, stream);
	}
	return rc;
}
/* [nghttp2] */

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
		   size_t size, void *user)
{
	(void)session, (void)flags, (void)id, (void)data;
	*(size_t *)user += size;
	return 0;
}

/* The answer is whole: say goodbye. */
static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
	(void)id, (void)user;
	return code ? NGHTTP2_ERR_CALLBACK_FAILURE
		    : nghttp2_session_terminate_session(session, NGHTTP2_NO_ERROR);
}

static nghttp2_nv header(char *name, char *value)
{
	return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), 0};
}

static int get(void *arg)
{
	char **argv = arg;
	const nghttp2_nv headers[] = {header(":method", "GET"), header(":scheme", "http"),
				      header(":authority", argv[1]), header(":path", argv[3])};
	nghttp2_session_callbacks *callbacks;
	nghttp2_session *session;
	il_stream *stream;
	size_t size = 0;
	int rc = il_stream_connect_tcp(&stream, argv[1], argv[2], NULL);
	if (rc < 0)
		return rc;
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	nghttp2_session_client_new(&session, callbacks, &size);
	nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, NULL, 0);
	nghttp2_submit_request(session, NULL, headers, 4, NULL, NULL);
	rc = drive(session, stream);
	printf("%zu bytes\n", size);
	nghttp2_session_del(session);
	nghttp2_session_callbacks_del(callbacks);
	il_stream_destroy(stream);
	return rc;
}

int main(int argc, char **argv)
{
	const il_backend *backend = il_backend_find(NULL);
	if (argc < 4) {
		printf("usage: nghttp2 HOST PORT PATH\n");
		return 2;
	}
	return !backend || il_run(backend, get, argv) < 0;
}
