/*
 * fuzz.h: what the targets share: reading their input, and protocols by number. The targets see the
 * core's insides, so they need a static build.
 */
#ifndef IL_TESTS_FUZZ_H
#define IL_TESTS_FUZZ_H

#include "../../core/server/protocol.h"
#include "../conformance/m_parens.h"

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

enum kind { LINES, LINES_WITH, LENGTH, FIXED, NETSTRING, PARENS, BYTES, KINDS };

static const char *const separators[] = {"\r\n", "--", "aab", "\n", "abab", "aaaaaaa"};

static inline il_protocol make_protocol(enum kind kind, unsigned parameter)
{
	il_protocol p;

	make_parens(&p);
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
	else if (kind == BYTES)
		p = *il_protocol_bytes();
	return p;
}

#endif
