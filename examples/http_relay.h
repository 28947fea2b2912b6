/*
 * http_relay.h: HTTP/1.1 messages that are passed on: the head is read, checked and written anew, the body goes
 * through in pieces. What has two readings is refused (RFC 9112, 11.2: smuggling). Fields that are for one connection only
 * are dropped (RFC 9110, 7.6.1), and so is what a sender claims about where it comes from: Forwarded, X-Forwarded-*, X-Real-IP.
 */
#ifndef HTTP_RELAY_H
#define HTTP_RELAY_H

#include <interloop.h>

enum { HTTP_LINE_MAX = 4096, HTTP_HEAD_MAX = 16 * 1024 };

/* With il_protocol_bytes() the server's request_timeout does not know requests. So the times are limited here: whoever sends
 * a byte now and then is not to hold a place. */
#define HTTP_HEAD_TIME IL_SEC(10) /* from its first byte on */
#define HTTP_BODY_TIME IL_SEC(20) /* of a request, for each MiB */

/* Bytes that a client has sent, whatever side it is on. Set client and limit; zero the rest. */
struct http_reader {
	il_client *client;
	il_time limit; /* for each wait */
	il_time left;  /* for all waits for the head or body under way */
	const char *at, *end;
};

struct http_head {
	char line[HTTP_LINE_MAX];   /* the request's, or the status line */
	char fields[HTTP_HEAD_MAX]; /* those that are passed on, each with its CR LF */
	size_t size;                /* of fields */
	int64_t length;             /* of the body; -1: nobody says */
	bool chunked;
	bool keep_alive; /* the connection, afterwards */
	bool expects_continue;
	int hosts;
	char host[256];       /* of a request, not in fields; "": it names none */
	int status;           /* of a response */
	char method[16];      /* of a request */
	bool old;             /* it is one of HTTP/1.0 */
	char single_hop[512]; /* names that Connection lists */
};

/* Whether bytes are there, or come in time: 1, 0: the end, or negative. */
int http_wait(struct http_reader *r);

/* 1: a whole head, which makes sense; 0: the end, before it; -EBADMSG, -EMSGSIZE: no head of HTTP/1.1; else as
 * il_client_receive. */
int http_read_request(struct http_reader *r, struct http_head *h);
int http_read_response(struct http_reader *r, struct http_head *h, const struct http_head *request);

/* Whether the body goes on until the connection ends. */
bool http_until_end(const struct http_head *h);

/* Passes the body on, in chunks if `chunked`. 0; -EBADMSG: it is cut or no body; -EIO: it cannot be sent; else as
 * il_client_receive. */
int http_relay_body(struct http_reader *from, il_client *to, const struct http_head *h,
		    bool chunked);

#endif
