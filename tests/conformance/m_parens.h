/*
 * m_parens.h: a protocol as a user would write one, for the tests of parsers and the fuzz targets: a packet
 * is what stands between balanced parentheses. state[0] is the depth.
 */
#ifndef IL_TESTS_M_PARENS_H
#define IL_TESTS_M_PARENS_H

#include <interloop/protocol.h>

#include <errno.h>

static inline int find_parens(const il_protocol *p, il_parse *parse)
{
	(void)p;
	for (; parse->scanned < parse->size; parse->scanned++) {
		unsigned char c = parse->data[parse->scanned];
		if (parse->scanned == 0 && c != '(') {
			parse->consumed = 1;
			return -EBADMSG;
		}
		parse->state[0] += c == '(';
		parse->state[0] -= c == ')';
		if (parse->state[0])
			continue;
		parse->consumed = parse->scanned + 1;
		if (parse->scanned - 1 > parse->limit)
			return -EMSGSIZE;
		parse->packet = (il_packet){.data = parse->data + 1, .size = parse->scanned - 1};
		return 1;
	}
	return 0;
}

static inline int frame_parens(const il_protocol *p, il_frame *frame)
{
	(void)p;
	frame->head[0] = '(';
	frame->head_size = 1;
	frame->tail = ")";
	frame->tail_size = 1;
	return 0;
}

static inline void make_parens(il_protocol *p)
{
	*p = (il_protocol){.name = "parens", .find = find_parens, .frame = frame_parens};
}

#endif
