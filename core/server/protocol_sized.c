/*
 * protocol_sized.c: packets whose size is known before their bytes: after a length in binary
 * (length-prefixed) or in decimal (netstrings), or because it is always the same (fixed). Nothing is
 * searched. Any thread.
 */
#include "../base/error.h"

#include <interloop/protocol.h>

#include <stdio.h>

/* The packet of size bytes that begins at `head`, and `tail` bytes after it. */
static int sized_take(il_parse *parse, size_t head, size_t size, size_t tail)
{
	if (parse->size - head < size + tail)
		return 0;
	parse->packet.data = parse->data + head;
	parse->packet.size = size;
	parse->consumed = head + size + tail;
	return 1;
}

/*
 * ---- length-prefixed: state.number[0] is the width, number[1] the order; parse->state[0] is how many
 * bytes of a packet over the limit are still to be skipped ----
 */

static size_t index_of(const il_protocol *p, size_t digit)
{
	return p->state.number[1] == IL_LITTLE_ENDIAN ? digit
						      : (size_t)p->state.number[0] - 1 - digit;
}

static int find_length_prefixed(const il_protocol *p, il_parse *parse)
{
	size_t width = (size_t)p->state.number[0];
	uint64_t size = 0;

	if (parse->state[0]) {
		parse->consumed =
		    parse->state[0] < parse->size ? (size_t)parse->state[0] : parse->size;
		parse->state[0] -= parse->consumed;
		return 0;
	}
	if (parse->size < width)
		return 0;
	for (size_t digit = 0; digit < width; digit++)
		size |= (uint64_t)parse->data[index_of(p, digit)] << (8 * digit);
	if (size <= parse->limit)
		return sized_take(parse, width, (size_t)size, 0);
	parse->state[0] = size;
	parse->consumed = width;
	return -EMSGSIZE;
}

static int frame_length_prefixed(const il_protocol *p, il_frame *frame)
{
	size_t width = (size_t)p->state.number[0];
	uint64_t size = frame->size;

	if (width < 8 && size >> (8 * width))
		return il__refuse(
		    -EMSGSIZE, "il_client_send: %zu bytes are too many for a length of %zu bytes",
		    frame->size, width);
	for (size_t digit = 0; digit < width; digit++)
		frame->head[index_of(p, digit)] = (unsigned char)(size >> (8 * digit));
	frame->head_size = width;
	return 0;
}

static const il_protocol length_prefixed = {
    .name = "length-prefixed",
    .find = find_length_prefixed,
    .frame = frame_length_prefixed,
    .state = {.number = {4, IL_BIG_ENDIAN}},
};

const il_protocol *il_protocol_length_prefixed(void)
{
	return &length_prefixed;
}

void il_protocol_length_prefixed_with(il_protocol *out, unsigned width, int order)
{
	if (!out)
		return;
	*out = (il_protocol){.name = length_prefixed.name};
	if (width < 1 || width > 8 ||
	    (order && order != IL_BIG_ENDIAN && order != IL_LITTLE_ENDIAN)) {
		il__refuse(-EINVAL,
			   "il_protocol_length_prefixed_with: width %u and order %d; a width is 1 "
			   "to 8, an "
			   "order IL_BIG_ENDIAN or IL_LITTLE_ENDIAN",
			   width, order);
		return;
	}
	*out = length_prefixed;
	out->state.number[0] = width;
	out->state.number[1] = (uint64_t)(order ? order : IL_BIG_ENDIAN);
}

/* ---- fixed: state.number[0] is the size ---- */

static int find_fixed(const il_protocol *p, il_parse *parse)
{
	return sized_take(parse, 0, (size_t)p->state.number[0], 0);
}

static int frame_fixed(const il_protocol *p, il_frame *frame)
{
	if (frame->size == p->state.number[0])
		return 0;
	return il__refuse(-EBADMSG,
			  "il_client_send: a packet of %zu bytes, the protocol's have %zu",
			  frame->size, (size_t)p->state.number[0]);
}

void il_protocol_fixed_with(il_protocol *out, size_t size)
{
	if (!out)
		return;
	*out = (il_protocol){.name = "fixed", .state = {.number = {size}}};
	if (!size) {
		il__refuse(-EINVAL, "il_protocol_fixed_with: a packet has at least one byte");
		return;
	}
	out->find = find_fixed;
	out->frame = frame_fixed;
	out->least = size;
}

/* ---- netstrings: scanned counts the digits read, state[0] is their value ---- */

static int find_netstring(const il_protocol *p, il_parse *parse)
{
	size_t at = parse->scanned;

	(void)p;
	if (at == 0)
		parse->state[0] = 0;
	for (;; at++) {
		unsigned char c;
		if (at == parse->size) {
			parse->scanned = at;
			return 0;
		}
		c = parse->data[at];
		if (c == ':' && at)
			break;
		if (c < '0' || c > '9' || (at == 1 && parse->data[0] == '0'))
			return -EBADMSG;
		if (parse->state[0] > (parse->limit - (c - '0')) / 10 ||
		    parse->limit < (size_t)(c - '0'))
			return -EMSGSIZE;
		parse->state[0] = parse->state[0] * 10 + (c - '0');
	}
	parse->scanned = at;
	if (sized_take(parse, at + 1, (size_t)parse->state[0], 1) == 0)
		return 0;
	return parse->data[parse->consumed - 1] == ',' ? 1 : (parse->consumed = 0, -EBADMSG);
}

static int frame_netstring(const il_protocol *p, il_frame *frame)
{
	(void)p;
	frame->head_size =
	    (size_t)snprintf((char *)frame->head, sizeof frame->head, "%zu:", frame->size);
	frame->tail = ",";
	frame->tail_size = 1;
	return 0;
}

static const il_protocol netstring = {
    .name = "netstring",
    .find = find_netstring,
    .frame = frame_netstring,
};

const il_protocol *il_protocol_netstring(void)
{
	return &netstring;
}
