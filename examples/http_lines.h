/*
 * http_lines.h: the lines of an HTTP/1.1 request, as strictly as RFC 9112 wants them, in front of
 * a parser that is more lenient. Where two readers of the same bytes disagree on where a line or
 * a request ends, a request can be smuggled past one of them; so what has two readings is refused
 * here.
 *
 * Lines end in CR LF; a CR or LF alone, a NUL, a line that goes on in the next one and white
 * space before a colon are refused. Chunk extensions are checked and dropped. The sum of what is
 * no content is limited.
 */
#ifndef HTTP_LINES_H
#define HTTP_LINES_H

#include <stdbool.h>
#include <stddef.h>

enum http_part { PART_HEAD, PART_CHUNK, PART_TRAILERS, PART_BODY };

enum { HTTP_LINES_MAX = 16 * 1024, HTTP_TARGET_MAX = 1024 };

/* Zero it before a request. */
struct http_lines {
	enum http_part part;
	size_t size; /* of all lines so far, but for the sizes of chunks */
	size_t line; /* of the head, or of the trailers: which one */
	size_t at;   /* which byte of it */
	char last;   /* the byte before */

	int word; /* of the request line: method, target, version */
	size_t word_size;
	char method[16]; /* a longer one is cut, and so equals none that is known */
	char version[9]; /* "HTTP/1.1" */

	int chunk_phase;
	char chunk[20]; /* the line before a chunk, without what was dropped */
	size_t chunk_size;
};

/*
 * Looks at the bytes from *at to `end`, moves *at behind those that it has taken: at most to the
 * end of the part. 1: there it is; 0: more must come; negative: why the request is refused, as
 * -400 for "Bad Request".
 */
int http_lines_take(struct http_lines *lines, const char **at, const char *end);

/* The parser tells that another part begins. */
void http_lines_begin(struct http_lines *lines, enum http_part part);

/* Whether it is a host, and perhaps a colon and a port: RFC 3986, without "user@". */
bool http_is_authority(const char *text, size_t size);

#endif
