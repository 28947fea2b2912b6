/*
 * protocols.c: every protocol against the bytes of a stranger. The same bytes are the same packets in every
 * chunking, and those that a reference says, which was written to be simple; without framing they are the
 * same bytes. What was received and is sent again is the same packet. Each look at the bytes happens in
 * memory of its own, just large enough.
 *
 * Input: kind, parameter, limit, seed of the chunks, then the stream.
 */
#include "fuzz.h"

struct text {
	unsigned char *bytes;
	size_t size, capacity;
};

static void put(struct text *t, const void *bytes, size_t size)
{
	if (t->capacity - t->size < size) {
		t->capacity = 2 * (t->size + size);
		t->bytes = realloc(t->bytes, t->capacity);
		CHECK(t->bytes != NULL);
	}
	if (size)
		memcpy(t->bytes + t->size, bytes, size);
	t->size += size;
}

static void put_packet(struct text *t, const void *bytes, size_t size)
{
	put(t, "P", 1);
	put(t, &size, sizeof size);
	put(t, bytes, size);
}

static void put_error(struct text *t, int rc)
{
	put(t, rc == -EMSGSIZE ? "M" : "B", 1);
}

/* ---- what the parsers say ---- */

/* What was received comes back when it is sent. */
static void check_round(const il_protocol *p, const il_packet *packet, size_t limit)
{
	const unsigned char *data = packet->data;
	il_frame frame = {.data = data, .size = packet->size};
	struct text t = {.size = 0};
	il_parse parse = {.limit = limit};

	if (memcmp(p, il_protocol_lines(), sizeof *p) == 0 && packet->size &&
	    data[packet->size - 1] == '\r')
		return; /* it would be taken for the line end's */
	CHECK(!p->frame || p->frame(p, &frame) == 0);
	put(&t, frame.head, frame.head_size);
	put(&t, frame.data, frame.size);
	put(&t, frame.tail, frame.tail_size);
	parse.data = t.bytes;
	parse.size = t.size;
	CHECK(t.size && il__protocol_find(p, &parse) == 1);
	CHECK(parse.consumed == t.size && parse.packet.size == packet->size);
	CHECK(!packet->size || memcmp(parse.packet.data, data, packet->size) == 0);
	free(t.bytes);
}

struct stream {
	const il_protocol *protocol;
	const uint8_t *data;
	size_t size;  /* of all of it */
	size_t begin; /* consumed so far */
	il_parse parse;
	bool unframed; /* packets are what has come: only all of them together are the same */
	bool rounds;   /* also check_round */
	bool lost;
};

/* One look at [begin, end). False: more bytes are needed. */
static bool look(struct stream *s, size_t end, struct text *t)
{
	size_t size = end - s->begin;
	unsigned char *copy = size && !s->lost ? malloc(size) : NULL;
	int rc;

	if (!copy)
		return false;
	memcpy(copy, s->data + s->begin, size);
	s->parse.data = copy;
	s->parse.size = size;
	rc = il__protocol_find(s->protocol, &s->parse);
	CHECK(s->parse.consumed <= size && s->parse.scanned <= size);
	if (rc == 1) {
		const unsigned char *at = s->parse.packet.data;
		CHECK(s->parse.packet.size <= s->parse.limit);
		CHECK(at >= copy && at + s->parse.packet.size <= copy + s->parse.consumed);
		if (s->unframed)
			put(t, at, s->parse.packet.size);
		else
			put_packet(t, at, s->parse.packet.size);
		if (s->rounds)
			check_round(s->protocol, &s->parse.packet, s->parse.limit);
	} else if (rc < 0) {
		CHECK(rc == -EMSGSIZE || rc == -EBADMSG);
		put_error(t, rc);
		s->lost = !s->parse.consumed;
	}
	s->begin += s->parse.consumed;
	free(copy);
	return s->parse.consumed > 0;
}

static void feed(struct stream *s, unsigned seed, struct text *t)
{
	size_t end = 0;

	while (end < s->size && !s->lost) {
		size_t step = s->size;
		if (seed) {
			seed = seed * 1103515245u + 12345u;
			step = 1 + (seed >> 16) % (seed >> 24 & 1 ? 4 : 40);
		}
		end = s->size - end < step ? s->size : end + step;
		while (look(s, end, t))
			;
	}
}

/* ---- what the reference says ---- */

static size_t find_separator(const uint8_t *data, size_t size, const char *separator, size_t length)
{
	for (size_t i = 0; i + length <= size; i++)
		if (memcmp(data + i, separator, length) == 0)
			return i;
	return size;
}

static void refer_lines(const char *separator, bool keep, bool strip, size_t limit, struct input in,
			struct text *t)
{
	size_t length = strlen(separator);

	for (;;) {
		size_t end = find_separator(in.data, in.size, separator, length), size = end;
		if (end == in.size)
			break;
		if (keep)
			size += length;
		else if (strip && size && in.data[size - 1] == '\r')
			size--;
		if (size > limit)
			put_error(t, -EMSGSIZE);
		else
			put_packet(t, in.data, size);
		end += length;
		take_bytes(&in, &end);
	}
	/* As soon as it is certain, and no sooner. */
	if (in.size > limit + (length - 1) + (strip && !keep))
		put_error(t, -EMSGSIZE);
}

static void refer_length(unsigned width, bool big, size_t limit, struct input in, struct text *t)
{
	while (in.size >= width) {
		uint64_t size = 0;
		size_t count = width;
		const uint8_t *digits = take_bytes(&in, &count);
		for (unsigned i = 0; i < width; i++)
			size = size << 8 | digits[big ? i : width - 1 - i];
		if (size > limit)
			put_error(t, -EMSGSIZE);
		else if (size > in.size)
			return;
		else
			put_packet(t, in.data, (size_t)size);
		count = size < in.size ? (size_t)size : in.size;
		take_bytes(&in, &count);
	}
}

static void refer_fixed(size_t size, struct input in, struct text *t)
{
	while (in.size >= size) {
		put_packet(t, in.data, size);
		take_bytes(&in, &size);
	}
}

static void refer_netstring(size_t limit, struct input in, struct text *t)
{
	for (;;) {
		uint64_t size = 0;
		size_t digits = 0;
		for (; digits < in.size && in.data[digits] != ':'; digits++) {
			unsigned char c = in.data[digits];
			if (c < '0' || c > '9' || (digits == 1 && in.data[0] == '0')) {
				put_error(t, -EBADMSG);
				return;
			}
			size = size * 10 + (c - '0');
			if (size > limit) {
				put_error(t, -EMSGSIZE);
				return;
			}
		}
		if (digits == in.size)
			return;
		if (!digits) {
			put_error(t, -EBADMSG);
			return;
		}
		digits++;
		take_bytes(&in, &digits);
		if (in.size < size + 1)
			return;
		if (in.data[size] != ',') {
			put_error(t, -EBADMSG);
			return;
		}
		put_packet(t, in.data, (size_t)size);
		size++;
		take_bytes(&in, &(size_t){(size_t)size});
	}
}

static bool refer(enum kind kind, unsigned parameter, size_t limit, struct input in, struct text *t)
{
	if (kind == LINES)
		refer_lines("\n", false, true, limit, in, t);
	else if (kind == LINES_WITH)
		refer_lines(separators[parameter / 2 % 6], parameter % 2, false, limit, in, t);
	else if (kind == LENGTH)
		refer_length(1 + parameter / 2 % 8, parameter % 2, limit, in, t);
	else if (kind == FIXED)
		refer_fixed(1 + parameter % 64, in, t);
	else if (kind == NETSTRING)
		refer_netstring(limit, in, t);
	else if (kind == BYTES)
		put(t, in.data, in.size);
	else
		return false;
	return true;
}

/* ---- the target ---- */

static bool same(const struct text *a, const struct text *b)
{
	return a->size == b->size && (!a->size || memcmp(a->bytes, b->bytes, a->size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	enum kind kind = (enum kind)(take_byte(&in) % KINDS);
	unsigned parameter = take_byte(&in), limit = take_byte(&in), seed = take_byte(&in);
	il_protocol p = make_protocol(kind, parameter);
	struct text whole = {.size = 0}, cut = whole, said = whole;
	struct stream all = {
	    .protocol = &p, .data = in.data, .size = in.size, .unframed = kind == BYTES};
	struct stream s;

	all.parse.limit = limit < p.least ? p.least : limit;
	s = all;
	s.rounds = true;
	feed(&s, 0, &whole);
	s = all;
	feed(&s, 1 + seed, &cut);
	CHECK(same(&whole, &cut));
	if (refer(kind, parameter, all.parse.limit, in, &said))
		CHECK(same(&whole, &said));
	free(whole.bytes);
	free(cut.bytes);
	free(said.bytes);
	return 0;
}
