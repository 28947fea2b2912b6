/*
 * fuzz.h: what the targets share: reading their input, and protocols by number. The targets see the
 * core's insides, so they need a static build.
 */
#ifndef IL_TESTS_FUZZ_H
#define IL_TESTS_FUZZ_H

#include "../../core/net/net.h"

#include <interloop/virtual.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What libFuzzer reports: the program ends here. */
#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size;
};

/* 0 once it has ended. */
static inline unsigned take_byte(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

/* Up to count bytes. */
static inline const uint8_t *take_bytes(struct input *in, size_t *count)
{
	const uint8_t *bytes = in->data;

	if (*count > in->size)
		*count = in->size;
	in->data += *count;
	in->size -= *count;
	return bytes;
}

/* ---- protocols ---- */

enum kind { LINES, LINES_WITH, LENGTH, FIXED, NETSTRING, PARENS, KINDS };

/* Balanced parentheses, as a user would write it: state[0] is the depth. */
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

static const char *const separators[] = {"\r\n", "--", "aab", "\n", "abab", "aaaaaaa"};

static inline il_protocol make_protocol(enum kind kind, unsigned parameter)
{
	il_protocol p = {.name = "parens", .find = find_parens, .frame = frame_parens};

	if (kind == LINES)
		p = *il_protocol_lines();
	else if (kind == LINES_WITH)
		il_protocol_lines_with(&p, separators[parameter / 2 % 6], parameter % 2);
	else if (kind == LENGTH)
		il_protocol_length_prefixed_with(&p, 1 + parameter / 2 % 8,
						 parameter % 2 ? IL_BIG_ENDIAN : IL_LITTLE_ENDIAN);
	else if (kind == FIXED)
		il_protocol_fixed_with(&p, 1 + parameter % 64);
	else if (kind == NETSTRING)
		p = *il_protocol_netstring();
	return p;
}

#endif
