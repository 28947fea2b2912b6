/*
 * protocol_lines.c: packets that end in a separator. Each byte is searched once, but for the last
 * length - 1 ones, where a separator may have begun. A line over the limit is reported once, then
 * skipped as it comes, so that it never has to be held. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "../base/error.h"

#include <interloop/protocol.h>

/* state.bytes: the separator, state.number[0]: its length, state.number[1]: these. */
enum { KEEP = 1, STRIP_CR = 2 };

/* parse->state[0] */
enum { READING, SKIPPING };

static const unsigned char *lines_search(const il_protocol *p, const il_parse *parse)
{
	const unsigned char *from = parse->data + parse->scanned;
	size_t size = parse->size - parse->scanned;
	size_t length = (size_t)p->state.number[0];

	return length == 1 ? memchr(from, p->state.bytes[0], size)
			   : memmem(from, size, p->state.bytes, length);
}

/* No separator yet. */
static int lines_incomplete(const il_protocol *p, il_parse *parse)
{
	size_t overlap = (size_t)p->state.number[0] - 1;
	size_t kept = parse->size < overlap ? parse->size : overlap;
	size_t more = p->state.number[1] & STRIP_CR ? 1 : 0;

	if (p->state.number[1] & KEEP)
		more = 0;
	parse->scanned = parse->size - kept;
	if (parse->state[0] == SKIPPING) {
		parse->consumed = parse->scanned;
		return 0;
	}
	/* What may still turn out to be the separator's beginning does not count. */
	if (parse->scanned <= more || parse->scanned - more <= parse->limit)
		return 0;
	parse->state[0] = SKIPPING;
	parse->consumed = parse->scanned;
	return -EMSGSIZE;
}

static int find_line(const il_protocol *p, il_parse *parse)
{
	size_t length = (size_t)p->state.number[0];
	const unsigned char *end = lines_search(p, parse);
	size_t size;

	if (end && parse->state[0] == SKIPPING) {
		parse->state[0] = READING;
		parse->consumed = (size_t)(end - parse->data) + length;
		parse->scanned = parse->consumed;
		return 0;
	}
	if (!end)
		return lines_incomplete(p, parse);
	size = (size_t)(end - parse->data);
	parse->consumed = size + length;
	if (p->state.number[1] & KEEP)
		size += length;
	else if (p->state.number[1] & STRIP_CR && size && parse->data[size - 1] == '\r')
		size--;
	if (size > parse->limit)
		return -EMSGSIZE;
	parse->packet.data = parse->data;
	parse->packet.size = size;
	return 1;
}

static int frame_line(const il_protocol *p, il_frame *frame)
{
	size_t length = (size_t)p->state.number[0];

	if (p->state.number[1] & KEEP && frame->size >= length &&
	    memcmp((const char *)frame->data + frame->size - length, p->state.bytes, length) == 0)
		return 0;
	frame->tail = p->state.bytes;
	frame->tail_size = length;
	return 0;
}

static const il_protocol lines = {
    .name = "lines",
    .find = find_line,
    .frame = frame_line,
    .state = {.number = {1, STRIP_CR}, .bytes = "\n"},
};

const il_protocol *il_protocol_lines(void)
{
	return &lines;
}

void il_protocol_lines_with(il_protocol *out, const char *separator, bool keep)
{
	size_t length = separator ? strlen(separator) : 1;

	if (!out)
		return;
	*out = (il_protocol){.name = lines.name};
	if (length < 1 || length > sizeof out->state.bytes) {
		il__refuse(
		    -EINVAL,
		    "il_protocol_lines_with: the separator has %zu bytes, 1 to %zu are possible",
		    length, sizeof out->state.bytes);
		return;
	}
	*out = lines;
	if (separator)
		memcpy(out->state.bytes, separator, length);
	out->state.number[0] = length;
	out->state.number[1] = (separator ? 0u : STRIP_CR) | (keep ? KEEP : 0u);
}
