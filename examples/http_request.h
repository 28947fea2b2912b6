/*
 * http_request.h: receives HTTP/1.1 requests. llhttp parses; http_lines.c stands in front of it,
 * and what RFC 9112 and 9110 want beyond both is checked when the head has come. The functions of
 * the owner are called in the middle of that, and may wait.
 */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "http_lines.h"

#include <interloop.h>
#include <llhttp.h>

enum { HTTP_VALUE_MAX = 256, HTTP_BODY_MAX = 1 << 20 };

/* Headers that are kept for the owner. */
enum http_kept {
	HTTP_RANGE,
	HTTP_IF_RANGE,
	HTTP_IF_MATCH,
	HTTP_IF_NONE_MATCH,
	HTTP_IF_MODIFIED_SINCE,
	HTTP_IF_UNMODIFIED_SINCE,
	HTTP_KEPT
};

struct http_request;

/* Negative results end the parsing, and are what http_request_parse returns. */
struct http_calls {
	int (*answer)(struct http_request *r);                              /* it is complete */
	int (*refuse)(struct http_request *r, int status, const char *why); /* nothing follows */
	int (*go_on)(struct http_request *r); /* the client waits for 100 Continue */
};

struct http_request { /* those that are pipelined come one after the other in one of these */
	const struct http_calls *calls;
	void *data;    /* the owner's */
	bool open;     /* it has begun and is not complete */
	bool over;     /* the owner sets it: nothing more is parsed */
	il_time began; /* when its first byte came */

	/* When it is complete. */
	const char *path; /* without a query */
	bool keep_alive;  /* the connection, afterwards */
	char *body;       /* freed by http_request_end */
	size_t body_size;
	char kept[HTTP_KEPT][HTTP_VALUE_MAX]; /* "": it was not there; a list, if it came twice */

	/* What follows is http_request.c's. */
	struct http_lines lines;
	llhttp_t parser;
	int refusal; /* the status, once something is wrong with it */
	const char *why;
	int rc;
	char target[HTTP_TARGET_MAX + 1];
	char name[32], value[HTTP_VALUE_MAX], coding[HTTP_VALUE_MAX]; /* of headers that count */
	size_t target_size, name_size, value_size, body_room;
	int hosts, codings;
	bool expects_continue;
};

void http_request_init(struct http_request *r, const struct http_calls *calls, void *data);

/* Parses bytes that have come. 0: all of them, or `over` was set; negative: see struct
 * http_calls. */
int http_request_parse(struct http_request *r, const char *at, const char *end);

void http_request_end(struct http_request *r);

/* Whether that is its method. */
bool http_request_is(const struct http_request *r, const char *method);

#endif
