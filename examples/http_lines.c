/*
 * http_lines.c: see http_lines.h. One byte at a time, so that it makes no difference how the
 * bytes were divided when they came.
 */
#include "http_lines.h"

#include <string.h>

enum { BAD = -400, TOO_LARGE = -413, TARGET_TOO_LONG = -414, TOO_MANY_HEADERS = -431 };

static bool is_alphanumeric(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

static bool is_token(char c)
{
	return is_alphanumeric(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* A control character other than the tab. */
static bool is_control(char c)
{
	return ((unsigned char)c < ' ' && c != '\t') || c == 127;
}

/* ---- the request line ---- */

static int end_word(struct http_lines *l)
{
	if (l->word_size == 0 || l->word == 2)
		return BAD;
	l->word++;
	l->word_size = 0;
	return 0;
}

static bool is_version(const char *text)
{
	return strncmp(text, "HTTP/", 5) == 0 && text[5] >= '0' && text[5] <= '9' &&
	       text[6] == '.' && text[7] >= '0' && text[7] <= '9';
}

static int put_in_request_line(struct http_lines *l, char c)
{
	if (c == ' ')
		return end_word(l);
	if (c == '\r')
		return l->word == 2 && l->word_size == 8 && is_version(l->version) ? 0 : BAD;
	size_t at = l->word_size++;
	switch (l->word) {
	case 0:
		if (at < sizeof(l->method) - 1)
			l->method[at] = c;
		return is_token(c) && at < HTTP_TARGET_MAX ? 0 : BAD;
	case 1:
		if (at >= HTTP_TARGET_MAX)
			return TARGET_TOO_LONG;
		return c > ' ' && c < 127 ? 0 : BAD;
	default:
		if (at >= sizeof(l->version) - 1)
			return BAD;
		l->version[at] = c;
		return 0;
	}
}

/* ---- header and trailer fields; what a name and a value may hold the parser looks at ---- */

static int put_in_field(const struct http_lines *l, char c)
{
	bool continues = l->at == 0 && (c == ' ' || c == '\t');
	bool nameless = l->at == 0 && c == ':';
	return continues || nameless || (is_control(c) && c != '\r') ? BAD : 0;
}

static int put_in_head(struct http_lines *l, char c)
{
	bool in_request_line = l->part == PART_HEAD && l->line == 0;
	if (++l->size > HTTP_LINES_MAX)
		return in_request_line ? TARGET_TOO_LONG : TOO_MANY_HEADERS;
	if ((l->last == '\r') != (c == '\n'))
		return BAD;
	if (c == '\n') {
		bool empty = l->at == 0;
		l->at = 0;
		l->line += !(empty && in_request_line); /* those before a request are skipped */
		return empty && !in_request_line;
	}
	if (c == '\r' && l->at == 0)
		return 0;
	int rc = in_request_line ? put_in_request_line(l, c) : put_in_field(l, c);
	l->at++;
	return rc;
}

/* ---- the line before a chunk ---- */

enum { SIZE, GAP, NAME, REST }; /* gap: white space before a semicolon */

static int put_in_size(struct http_lines *l, char c)
{
	if (!is_hex(c))
		return BAD;
	if (l->chunk_size == 1 && l->chunk[0] == '0') {
		l->chunk_size = 0; /* a leading zero */
		l->size++;
	}
	if (l->chunk_size == 16 || l->size > HTTP_LINES_MAX)
		return TOO_LARGE;
	l->chunk[l->chunk_size++] = c;
	return 0;
}

static int put_in_extension(struct http_lines *l, char c)
{
	bool blank = c == ' ' || c == '\t';
	if (++l->size > HTTP_LINES_MAX)
		return TOO_LARGE;
	if (l->chunk_phase == REST)
		return is_control(c) ? BAD : 0;
	if (l->chunk_phase == NAME) {
		l->chunk_phase = blank ? NAME : REST;
		return blank || is_token(c) ? 0 : BAD;
	}
	l->chunk_phase = c == ';' ? NAME : GAP;
	return blank || c == ';' ? 0 : BAD;
}

static int put_in_chunk(struct http_lines *l, char c)
{
	if ((l->last == '\r') != (c == '\n'))
		return BAD;
	if (c == '\n') {
		memcpy(l->chunk + l->chunk_size, "\r\n", 2);
		l->chunk_size += 2;
		return 1;
	}
	if (c == '\r')
		return l->chunk_size > 0 && (l->chunk_phase == SIZE || l->chunk_phase == REST)
			   ? 0
			   : BAD;
	if (l->chunk_phase == SIZE && (l->chunk_size == 0 || is_hex(c)))
		return put_in_size(l, c);
	return put_in_extension(l, c);
}

/* ---- the public side ---- */

void http_lines_begin(struct http_lines *l, enum http_part part)
{
	l->part = part;
	l->line = l->at = 0;
	l->chunk_phase = SIZE;
	l->chunk_size = 0;
}

int http_lines_take(struct http_lines *l, const char **at, const char *end)
{
	int rc = 0;
	while (rc == 0 && *at < end) {
		char c = *(*at)++;
		rc = l->part == PART_CHUNK ? put_in_chunk(l, c) : put_in_head(l, c);
		l->last = c;
	}
	return rc;
}

bool http_is_authority(const char *text, size_t size)
{
	size_t i = 0;
	if (size > 0 && text[0] == '[') { /* an IPv6 address */
		for (i = 1; i < size && (is_hex(text[i]) || strchr(":.", text[i])); i++)
			;
		if (i < 3 || i == size || text[i++] != ']')
			return false;
	} else
		while (i < size && (is_alphanumeric(text[i]) || strchr("-._~%!$&'()*+;=", text[i])))
			i++;
	if (i < size && text[i] == ':')
		for (i++; i < size && text[i] >= '0' && text[i] <= '9'; i++)
			;
	return i == size;
}
