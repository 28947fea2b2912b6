/*
 * http_request.c: see http_request.h. A head that is wrong is read to its end and then refused,
 * so that it makes no difference how its bytes were divided when they came.
 */
#include "http_request.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool http_request_is(const struct http_request *r, const char *method)
{
	return strcmp(r->lines.method, method) == 0;
}

/* ---- whether a request is one that this server takes ---- */

/* What is wrong; the first reason stays. For callbacks: they return this. */
static int reject(struct http_request *r, int status, const char *why)
{
	if (!r->refusal) {
		r->refusal = status;
		r->why = why;
	}
	return -1;
}

/* RFC 9112, 6.1: what this server cannot decode is 501, but where nobody could tell the end it
 * is 400. */
static int check_coding(struct http_request *r)
{
	static const char chunked[] = "chunked";
	size_t size = sizeof(chunked) - 1, all = strlen(r->coding);
	if (r->codings == 0 || strcasecmp(r->coding, chunked) == 0)
		return r->codings > 0 && r->lines.version[7] == '0'
			   ? reject(r, 400, "HTTP/1.0 has no transfer codings")
			   : 0;
	if (all > size && strcasecmp(r->coding + all - size, chunked) == 0 &&
	    strchr(", \t", r->coding[all - size - 1]))
		return reject(r, 501, "no transfer coding but \"chunked\" is known here");
	return reject(r, 400, "the last transfer coding is not \"chunked\"");
}

/* The path of a target in origin form, or in absolute form: RFC 9112, 3.2. */
static int find_path(struct http_request *r)
{
	static const char scheme[] = "http://";
	char *path = r->target;
	if (strchr(path, '#'))
		return reject(r, 400, "a target has no fragment");
	if (strncasecmp(path, scheme, sizeof(scheme) - 1) == 0) {
		char *authority = path + sizeof(scheme) - 1;
		size_t size = strcspn(authority, "/?");
		if (size == 0 || authority[0] == ':' || !http_is_authority(authority, size))
			return reject(r, 400, "the target names no host");
		path = authority + size;
	} else if (path[0] != '/')
		return reject(r, 400, "the target is no path");
	path[strcspn(path, "?")] = '\0'; /* nothing here has a query */
	r->path = *path ? path : "/";
	return 0;
}

/* When all of the head has been read, also one that the parser does not like. */
static int check_head(struct http_request *r)
{
	const char *version = r->lines.version;
	int refusal = r->refusal;
	r->refusal = 0; /* these two come first, whatever the parser thinks of them */
	if (version[5] != '1')
		return reject(r, 505, "the version must be HTTP/1.1 or HTTP/1.0");
	if (!http_request_is(r, "GET") && !http_request_is(r, "HEAD") &&
	    !http_request_is(r, "POST"))
		return reject(r, 501, "the methods here are GET, HEAD and POST");
	if ((r->refusal = refusal) != 0)
		return -1;
	if (r->hosts > 1 || (r->hosts == 0 && version[7] != '0'))
		return reject(r, 400, "a request has one Host");
	if (check_coding(r) < 0 || find_path(r) < 0)
		return -1;
	if (r->parser.flags & F_CONTENT_LENGTH && r->parser.content_length > HTTP_BODY_MAX)
		return reject(r, 413, "the body is too large");
	return 0;
}

/* ---- what the parser calls; -1: parse no further ---- */

static int on_target(llhttp_t *parser, const char *at, size_t size)
{
	struct http_request *r = parser->data;
	if (size > HTTP_TARGET_MAX - r->target_size)
		return reject(r, 414, "the target is too long");
	memcpy(r->target + r->target_size, at, size);
	r->target_size += size;
	r->target[r->target_size] = '\0';
	return 0;
}

static int on_header_name(llhttp_t *parser, const char *at, size_t size)
{
	struct http_request *r = parser->data;
	for (size_t i = 0; i < size && r->name_size < sizeof(r->name); i++)
		r->name[r->name_size++] = at[i];
	return 0;
}

static int on_header_value(llhttp_t *parser, const char *at, size_t size)
{
	struct http_request *r = parser->data;
	for (size_t i = 0; i < size; i++, r->value_size++)
		if (r->value_size < HTTP_VALUE_MAX)
			r->value[r->value_size] = at[i];
	return 0;
}

static bool name_is(const struct http_request *r, const char *name)
{
	return r->name_size == strlen(name) && strncasecmp(r->name, name, r->name_size) == 0;
}

/* Several headers of one name are one list: RFC 9110, 5.3. */
static int add_value(struct http_request *r, char list[HTTP_VALUE_MAX], bool is_first)
{
	size_t size = strlen(list), more = is_first ? 0 : 2;
	if (size + more + r->value_size >= HTTP_VALUE_MAX)
		return reject(r, 431, "a header is too long");
	memcpy(list + size, ", ", more);
	memcpy(list + size + more, r->value, r->value_size + 1);
	return 0;
}

static void end_value(struct http_request *r)
{
	while (r->value_size > 0 && strchr(" \t", r->value[r->value_size - 1]))
		r->value_size--;
	r->value[r->value_size] = '\0';
}

/* Where a header is kept for the owner; NULL: nowhere. */
static char *place_of(struct http_request *r)
{
	static const char *const names[HTTP_KEPT] = {
	    "range",         "if-range",          "if-match",
	    "if-none-match", "if-modified-since", "if-unmodified-since"};
	for (int i = 0; i < HTTP_KEPT; i++)
		if (name_is(r, names[i]))
			return r->kept[i];
	return NULL;
}

static int take_header(struct http_request *r)
{
	bool is_host = name_is(r, "host"), is_coding = name_is(r, "transfer-encoding");
	char *kept = place_of(r);
	if (!is_host && !is_coding && !kept && !name_is(r, "expect"))
		return 0;
	if (r->value_size >= sizeof(r->value))
		return reject(r, 431, "a header is too long");
	end_value(r);
	if (kept)
		return add_value(r, kept, !*kept);
	if (is_coding)
		return add_value(r, r->coding, r->codings++ == 0);
	if (is_host) {
		r->hosts++;
		return http_is_authority(r->value, r->value_size)
			   ? 0
			   : reject(r, 400, "the Host is no host");
	}
	r->expects_continue = strcasecmp(r->value, "100-continue") == 0;
	return r->expects_continue ? 0 : reject(r, 417, "only 100-continue can be expected");
}

static int on_header_end(llhttp_t *parser)
{
	struct http_request *r = parser->data;
	int rc = r->lines.part == PART_HEAD ? take_header(r) : 0; /* trailers say nothing here */
	r->name_size = r->value_size = 0;
	return rc;
}

static int on_headers_complete(llhttp_t *parser)
{
	struct http_request *r = parser->data;
	parser->upgrade = 0; /* no other protocol is spoken here */
	if (check_head(r) < 0)
		return -1;
	bool chunked = parser->flags & F_CHUNKED;
	http_lines_begin(&r->lines, chunked ? PART_CHUNK : PART_BODY);
	if (r->expects_continue && r->lines.version[7] != '0' &&
	    (chunked || parser->content_length > 0))
		r->rc = r->calls->go_on(r);
	return r->rc < 0 ? -1 : 0;
}

static int on_chunk_begin(llhttp_t *parser)
{
	struct http_request *r = parser->data;
	if (parser->content_length > HTTP_BODY_MAX - r->body_size)
		return reject(r, 413, "the body is too large");
	http_lines_begin(&r->lines, parser->content_length > 0 ? PART_BODY : PART_TRAILERS);
	return 0;
}

static int on_chunk_end(llhttp_t *parser)
{
	struct http_request *r = parser->data;
	if (r->lines.part == PART_TRAILERS)
		return 0; /* that was the last one */
	http_lines_begin(&r->lines, PART_CHUNK);
	return HPE_PAUSED; /* what comes next is looked at first */
}

static int on_body(llhttp_t *parser, const char *at, size_t size)
{
	struct http_request *r = parser->data;
	if (size > HTTP_BODY_MAX - r->body_size)
		return reject(r, 413, "the body is too large");
	if (size > r->body_room - r->body_size) {
		size_t room = (r->body_size + size) * 2 < HTTP_BODY_MAX ? (r->body_size + size) * 2
									: HTTP_BODY_MAX;
		char *body = realloc(r->body, room);
		if (!body)
			return reject(r, 500, "out of memory");
		r->body = body;
		r->body_room = room;
	}
	memcpy(r->body + r->body_size, at, size);
	r->body_size += size;
	return 0;
}

static int on_complete(llhttp_t *parser) /* is answered, and only then the next one is parsed */
{
	struct http_request *r = parser->data;
	r->open = false;
	r->keep_alive = llhttp_should_keep_alive(parser);
	r->rc = r->calls->answer(r);
	return r->rc < 0 ? -1 : HPE_PAUSED;
}

/* ---- parsing ---- */

static void begin_request(struct http_request *r)
{
	r->open = true;
	r->began = il_now();
	r->lines = (struct http_lines){.part = PART_HEAD};
	r->refusal = r->hosts = r->codings = 0;
	r->target_size = r->name_size = r->value_size = r->body_size = 0;
	r->coding[0] = '\0';
	memset(r->kept, 0, sizeof(r->kept));
	r->expects_continue = false;
}

/* Has bytes parsed; returns where the parser paused, or the end. */
static const char *feed(struct http_request *r, const char *from, const char *end)
{
	if (r->refusal)
		return end;
	llhttp_errno_t error = llhttp_execute(&r->parser, from, (size_t)(end - from));
	if (error == HPE_PAUSED) {
		llhttp_resume(&r->parser);
		return llhttp_get_error_pos(&r->parser);
	}
	const char *reason = llhttp_get_error_reason(&r->parser);
	if (error != HPE_OK && strstr(reason, "overflow")) /* of a number that has a limit */
		reject(r, 413, "the body is too large");
	else if (error != HPE_OK)
		reject(r, 400, reason);
	return end;
}

/* Looks at the lines, then has the parser parse them; it gets each part of a request for
 * itself. 1: the part may have come to its end, negative: a status. */
static int parse_part(struct http_request *r, const char **at, const char *end)
{
	const char *from = *at;
	enum http_part part = r->lines.part;
	if (part == PART_BODY) {
		*at = feed(r, from, end);
		return 1;
	}
	int whole = http_lines_take(&r->lines, at, end);
	if (whole >= 0 && part != PART_CHUNK)
		feed(r, from, *at);
	else if (whole == 1)
		feed(r, r->lines.chunk, r->lines.chunk + r->lines.chunk_size);
	if (whole == 1 && part == PART_HEAD && r->open && r->lines.part == PART_HEAD)
		return check_head(r) < 0 ? 1 : -400; /* the parser has seen no end of it */
	return whole < 0 || part == PART_HEAD ? whole : 1;
}

static const char *why_of(int status)
{
	return status == 413   ? "the chunk extensions are too large"
	       : status == 414 ? "the target is too long"
	       : status == 431 ? "the header fields are too large"
			       : "a line is no line of HTTP/1.1";
}

int http_request_parse(struct http_request *r, const char *at, const char *end)
{
	while (at < end && r->rc == 0 && !r->over) {
		if (!r->open)
			begin_request(r);
		int rc = parse_part(r, &at, end);
		if (rc < 0) {
			r->refusal = -rc;
			r->why = why_of(-rc);
		}
		if (rc != 0 && r->refusal && r->open && r->rc == 0) {
			r->over = true;
			r->rc = r->calls->refuse(r, r->refusal, r->why);
		}
	}
	return r->rc;
}

void http_request_init(struct http_request *r, const struct http_calls *calls, void *data)
{
	static const llhttp_settings_t settings = {
	    .on_url = on_target,
	    .on_header_field = on_header_name,
	    .on_header_value = on_header_value,
	    .on_header_value_complete = on_header_end,
	    .on_headers_complete = on_headers_complete,
	    .on_body = on_body,
	    .on_chunk_header = on_chunk_begin,
	    .on_chunk_complete = on_chunk_end,
	    .on_message_complete = on_complete,
	};
	*r = (struct http_request){.calls = calls, .data = data};
	llhttp_init(&r->parser, HTTP_REQUEST, &settings);
	r->parser.data = r;
	r->parser.lenient_flags |= LENIENT_VERSION; /* check_head looks at it */
}

void http_request_end(struct http_request *r)
{
	free(r->body);
}
