/*
 * http_relay.c: see http_relay.h.
 */
#include "http_relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- bytes ---- */

int http_wait(struct http_reader *r)
{
	il_packet packet;
	if (r->at < r->end)
		return 1;
	il_time began = il_now();
	int rc = il_client_receive(r->client, &packet, r->left < r->limit ? r->left : r->limit);
	il_time waited = il_now() - began;
	if (r->left != IL_FOREVER)
		r->left = r->left > waited ? r->left - waited : 0;
	if (rc == 1) {
		r->at = packet.data;
		r->end = r->at + packet.size;
	}
	return rc;
}

/* The length of a line that ends in CR LF, without it. */
static int read_line(struct http_reader *r, char *line, size_t max)
{
	size_t size = 0;
	int rc;
	while ((rc = http_wait(r)) == 1) {
		char c = *r->at++;
		bool after_return = size > 0 && line[size - 1] == '\r';
		if (after_return != (c == '\n') || c == '\0')
			return -EBADMSG;
		if (c == '\n') {
			line[size - 1] = '\0';
			return (int)size - 1;
		}
		if (size == max - 1)
			return -EMSGSIZE;
		line[size++] = c;
	}
	return rc == 0 ? size == 0 ? -ENODATA : -EBADMSG : rc;
}

/* ---- fields ---- */

static bool is_token(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		char c = text[i];
		bool alphanumeric = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
		if (!alphanumeric && !strchr("!#$%&'*+-.^_`|~", c))
			return false;
	}
	return size > 0;
}

/* Whether a list has the word; white space and commas are between them. */
static bool lists(const char *list, const char *word)
{
	size_t length = strlen(word);
	for (const char *p = list; *p; p += strcspn(p, ", \t")) {
		p += strspn(p, ", \t");
		if (strncasecmp(p, word, length) == 0 &&
		    (p[length] == '\0' || strchr(", \t", p[length])))
			return true;
	}
	return false;
}

static int take_length(struct http_head *h, const char *value)
{
	size_t digits = strspn(value, "0123456789");
	if (digits == 0 || digits > 18 || value[digits] || h->length >= 0)
		return -EBADMSG; /* two of them: two readings */
	h->length = strtoll(value, NULL, 10);
	return 0;
}

static int take_connection(struct http_head *h, const char *value)
{
	size_t size = strlen(h->single_hop);
	if (size + strlen(value) + 2 >= sizeof(h->single_hop))
		return -EMSGSIZE;
	snprintf(h->single_hop + size, sizeof(h->single_hop) - size, ",%s", value);
	h->keep_alive =
	    (h->keep_alive || lists(value, "keep-alive")) && !lists(h->single_hop, "close");
	return 0;
}

static int take_host(struct http_head *h, const char *value)
{
	h->hosts++;
	int size = snprintf(h->host, sizeof(h->host), "%s", value);
	return size < (int)sizeof(h->host) ? 0 : -EMSGSIZE;
}

/* 1: the field is passed on; 0: it is not; negative: the message is refused. */
static int take_field(struct http_head *h, const char *name, const char *value)
{
	static const char dropped[] =
	    "keep-alive proxy-connection te trailer upgrade proxy-authenticate proxy-authorization "
	    "forwarded x-real-ip";
	if (lists(dropped, name) || strncasecmp(name, "x-forwarded-", 12) == 0)
		return 0;
	if (strcasecmp(name, "content-length") == 0)
		return take_length(h, value);
	if (strcasecmp(name, "connection") == 0)
		return take_connection(h, value);
	if (strcasecmp(name, "transfer-encoding") == 0) {
		bool known = !h->chunked && strcasecmp(value, "chunked") == 0;
		h->chunked = true;
		return known ? 0 : -EBADMSG;
	}
	if (strcasecmp(name, "expect") == 0) {
		h->expects_continue = true;
		return strcasecmp(value, "100-continue") == 0 ? 0 : -EBADMSG;
	}
	return strcasecmp(name, "host") == 0 ? take_host(h, value) : 1;
}

static int read_field(struct http_reader *r, struct http_head *h)
{
	char line[HTTP_LINE_MAX];
	int size = read_line(r, line, sizeof(line));
	if (size <= 0)
		return size == 0 ? 1 : size; /* 1: that was the end of the head */
	char *colon = strchr(line, ':'),
	     *value = colon ? colon + 1 + strspn(colon + 1, " \t") : NULL;
	if (!colon || !is_token(line, (size_t)(colon - line)))
		return -EBADMSG; /* a blank before the colon, or at the begin: a line that goes on */
	for (char *end = line + size; end > value && strchr(" \t", end[-1]); end--)
		end[-1] = '\0';
	*colon = '\0';
	int rc = take_field(h, line, value);
	if (rc == 1) {
		size_t room = sizeof(h->fields) - h->size;
		size_t used =
		    (size_t)snprintf(h->fields + h->size, room, "%s: %s\r\n", line, value);
		if (used >= room)
			return -EMSGSIZE;
		h->size += used;
		rc = 0;
	}
	return rc;
}

/* What Connection has named is known only at the end. */
static void drop_single_hop(struct http_head *h)
{
	char *to = h->fields;
	for (char *from = h->fields, *end = from + h->size; from < end;) {
		char name[HTTP_LINE_MAX], *next = strstr(from, "\r\n") + 2;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(from, ":"), from);
		size_t size = (size_t)(next - from);
		if (!lists(h->single_hop, name)) {
			memmove(to, from, size);
			to += size;
		}
		from = next;
	}
	h->size = (size_t)(to - h->fields);
	h->fields[h->size] = '\0';
}

static int read_head(struct http_reader *r, struct http_head *h, bool is_request)
{
	r->left = IL_FOREVER;
	int rc = http_wait(r);
	if (rc <= 0)
		return rc;
	r->left = HTTP_HEAD_TIME;
	*h = (struct http_head){.length = -1};
	rc = read_line(r, h->line, sizeof(h->line));
	if (rc == 0 && is_request) /* an empty line comes before it: RFC 9112, 2.2 */
		rc = read_line(r, h->line, sizeof(h->line));
	if (rc < 0)
		return rc == -ENODATA ? 0 : rc;
	h->keep_alive =
	    strncmp(h->line, "HTTP/1.1", 8) == 0 || strstr(h->line, " HTTP/1.1") != NULL;
	while ((rc = read_field(r, h)) == 0)
		;
	if (rc < 0)
		return rc == -ENODATA ? -EBADMSG : rc;
	drop_single_hop(h);
	return h->chunked && h->length >= 0 ? -EBADMSG : 1; /* two readings of where it ends */
}

/* A target in absolute form names the host: RFC 9112, 3.2.2. */
static int take_authority(struct http_head *h, char *target)
{
	size_t scheme = strncasecmp(target, "http://", 7) == 0    ? 7
			: strncasecmp(target, "https://", 8) == 0 ? 8
								  : 0;
	char *host = target + scheme, *path = host + strcspn(host, "/? ");
	size_t size = (size_t)(path - host);
	if (scheme == 0 || size == 0 || size >= sizeof(h->host) || memchr(host, '@', size))
		return -EBADMSG;
	memcpy(h->host, host, size);
	h->host[size] = '\0';
	if (*path != '/')
		*--path = '/'; /* the host has been copied */
	memmove(target, path, strlen(path) + 1);
	return 0;
}

/* Three words with one blank between them: whoever is lenient here reads another request than the server behind. */
static int take_request_line(struct http_head *h)
{
	char *target = strchr(h->line, ' '), *version = target ? strchr(target + 1, ' ') : NULL;
	size_t size = target ? (size_t)(target - h->line) : 0;
	if (!version || size >= sizeof(h->method) || !is_token(h->line, size))
		return -EBADMSG;
	for (const char *p = target + 1; p < version; p++)
		if (*p <= ' ' || *p > '~')
			return -EBADMSG;
	memcpy(h->method, h->line, size);
	h->old = strcmp(version, " HTTP/1.0") == 0;
	if (!h->old && strcmp(version, " HTTP/1.1") != 0)
		return -EBADMSG;
	return target[1] == '/' ? 0 : take_authority(h, target + 1);
}

int http_read_request(struct http_reader *r, struct http_head *h)
{
	int rc = read_head(r, h, true);
	if (rc <= 0)
		return rc;
	if (take_request_line(h) < 0 || h->hosts > 1 || (h->hosts == 0 && !h->old) ||
	    (h->chunked && h->old))
		return -EBADMSG;
	return 1;
}

static bool has_no_body(const struct http_head *h, const struct http_head *request)
{
	return strcmp(request->method, "HEAD") == 0 || h->status == 204 || h->status == 304;
}

int http_read_response(struct http_reader *r, struct http_head *h, const struct http_head *request)
{
	int rc;
	do { /* 100 Continue and its like are for us */
		rc = read_head(r, h, false);
		if (rc == 1 && sscanf(h->line, "HTTP/1.%*1[01] %3d", &h->status) != 1)
			rc = -EBADMSG;
	} while (rc == 1 && h->status < 200);
	if (rc != 1)
		return rc == 0 ? -ENODATA : rc;
	if (has_no_body(h, request)) {
		h->chunked = false;
		h->length = 0;
	}
	h->keep_alive = h->keep_alive && !http_until_end(h);
	return 1;
}

bool http_until_end(const struct http_head *h)
{
	return h->status != 0 && h->length < 0 && !h->chunked;
}

/* ---- bodies ---- */

static int send_bytes(il_client *to, const char *data, size_t size)
{
	int rc = il_client_send(to, data, size);
	return rc == -ECANCELED || rc == 0 ? rc : -EIO;
}

static int send_piece(il_client *to, const char *data, size_t size, bool chunked)
{
	char head[24];
	int n = snprintf(head, sizeof(head), "%zx\r\n", size), rc = 0;
	if (chunked)
		rc = send_bytes(to, head, (size_t)n);
	if (rc == 0)
		rc = send_bytes(to, data, size);
	if (rc == 0 && chunked)
		rc = send_bytes(to, "\r\n", 2);
	return rc;
}

/* Bytes that have come buy time for the next ones. */
static void earn_time(struct http_reader *r, size_t size)
{
	il_time more = (il_time)size * HTTP_BODY_TIME / (1 << 20);
	if (r->left != IL_FOREVER)
		r->left = r->left + more < HTTP_BODY_TIME ? r->left + more : HTTP_BODY_TIME;
}

/* `left` bytes; -1: until the end. */
static int relay_bytes(struct http_reader *from, il_client *to, int64_t left, bool chunked)
{
	while (left != 0) {
		int rc = http_wait(from);
		if (rc == 0 && left < 0)
			return 0;
		if (rc <= 0)
			return rc == 0 || rc == -ENODATA ? -EBADMSG : rc;
		size_t size = (size_t)(from->end - from->at);
		if (left >= 0 && (int64_t)size > left)
			size = (size_t)left;
		rc = send_piece(to, from->at, size, chunked);
		if (rc < 0)
			return rc;
		from->at += size;
		earn_time(from, size);
		left -= left < 0 ? 0 : (int64_t)size;
	}
	return 0;
}

/* The size of the next chunk; extensions are dropped. */
static int64_t read_chunk_size(struct http_reader *r)
{
	char line[256];
	int rc = read_line(r, line, sizeof(line));
	size_t digits = rc < 0 ? 0 : strspn(line, "0123456789abcdefABCDEF");
	if (rc < 0)
		return rc == -ENODATA ? -EBADMSG : rc;
	if (digits == 0 || digits > 15 || (line[digits] && !strchr("; \t", line[digits])))
		return -EBADMSG;
	return strtoll(line, NULL, 16);
}

static int relay_chunks(struct http_reader *from, il_client *to, bool chunked)
{
	char line[HTTP_LINE_MAX];
	int64_t size;
	int rc;
	while ((size = read_chunk_size(from)) > 0) {
		rc = relay_bytes(from, to, size, chunked);
		if (rc == 0)
			rc = read_line(from, line, sizeof(line));
		if (rc != 0)
			return rc > 0 ? -EBADMSG : rc;
	}
	if (size < 0)
		return (int)size;
	while ((rc = read_line(from, line, sizeof(line))) > 0)
		; /* trailers are dropped */
	return rc;
}

int http_relay_body(struct http_reader *from, il_client *to, const struct http_head *h,
		    bool chunked)
{
	int rc;
	from->left = h->status == 0 ? HTTP_BODY_TIME : IL_FOREVER; /* servers may take their time */
	if (h->chunked)
		rc = relay_chunks(from, to, chunked);
	else if (http_until_end(h))
		rc = relay_bytes(from, to, -1, chunked);
	else
		return relay_bytes(from, to, h->length < 0 ? 0 : h->length, false);
	return rc == 0 && chunked ? send_bytes(to, "0\r\n\r\n", 5) : rc;
}
