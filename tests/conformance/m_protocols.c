/*
 * m_protocols.c: protocols: the same bytes are the same packets, however they are cut on their way. Each
 * stream is fed to its parser alone in every chunking, then to a server in chunks of each size.
 */
#include "m_parens.h"
#include "m_server.h"

enum { LIMIT = 4, TEXT = 256 };

/* ---- the protocols and their streams ---- */

static void make_lines(il_protocol *p)
{
	*p = *il_protocol_lines();
}

static void make_lines_kept(il_protocol *p)
{
	il_protocol_lines_with(p, "--", true);
}

static void make_lines_overlapping(il_protocol *p)
{
	il_protocol_lines_with(p, "aab", false);
}

static void make_lines_default(il_protocol *p)
{
	il_protocol_lines_with(p, NULL, true);
}

static void make_length_1(il_protocol *p)
{
	il_protocol_length_prefixed_with(p, 1, 0);
}

static void make_length_3(il_protocol *p)
{
	il_protocol_length_prefixed_with(p, 3, IL_LITTLE_ENDIAN);
}

static void make_length_4(il_protocol *p)
{
	*p = *il_protocol_length_prefixed();
}

static void make_length_8(il_protocol *p)
{
	il_protocol_length_prefixed_with(p, 8, IL_BIG_ENDIAN);
}

static void make_fixed(il_protocol *p)
{
	il_protocol_fixed_with(p, 3);
}

static void make_netstring(il_protocol *p)
{
	*p = *il_protocol_netstring();
}

static void make_bytes(il_protocol *p)
{
	*p = *il_protocol_bytes();
}

#define BYTES(text) text, sizeof(text) - 1

/* With a limit of four bytes a packet. "lost": nothing more can be found. Where a packet is what has come,
 * all of them together. */
static const struct stream {
	void (*make)(il_protocol *p);
	const char *bytes;
	size_t size;
	const char *packets;
} streams[] = {
    {make_lines, BYTES("a\r\n\nbcde\r\n\rf\n"), "[a][][bcde][\rf]"},
    {make_lines, BYTES("abcd\nabcde\nx\n"), "[abcd]EMSGSIZE[x]"},
    {make_lines, BYTES("abcd\r\r\nabcdef\n"), "EMSGSIZE;EMSGSIZE"},
    {make_lines, BYTES("abcdefghijk\ny\n"), "EMSGSIZE[y]"},
    {make_lines_kept, BYTES("ab--------a--"), "[ab--][--][--][--][a--]"},
    {make_lines_kept, BYTES("abc--abcdef---"), "EMSGSIZE;EMSGSIZE"},
    {make_lines_overlapping, BYTES("aaaabaabxaab"), "[aa][][x]"},
    {make_lines_overlapping, BYTES("aaaaaaabyaab"), "EMSGSIZE[y]"},
    {make_lines_default, BYTES("ab\n\nabc\nabcd\n"), "[ab\n][\n][abc\n]EMSGSIZE"},
    {make_length_1, BYTES("\3abc\0\4defg\1h"), "[abc][][defg][h]"},
    {make_length_1, BYTES("\1a\6bcdefg\1h\5"), "[a]EMSGSIZE[h]EMSGSIZE"},
    {make_length_3, BYTES("\2\0\0ab\0\0\0\1\0\0c"), "[ab][][c]"},
    {make_length_4, BYTES("\0\0\0\2ab\0\0\0\1c"), "[ab][c]"},
    {make_length_4, BYTES("\0\0\0\5abcde\0\0\0\1x"), "EMSGSIZE[x]"},
    {make_length_8, BYTES("\0\0\0\0\0\0\0\4abcd"), "[abcd]"},
    {make_length_8, BYTES("\200\0\0\0\0\0\0\0abc"), "EMSGSIZE"},
    {make_fixed, BYTES("abcdefghijkl"), "[abc][def][ghi][jkl]"},
    {make_netstring, BYTES("3:abc,0:,2:xy,"), "[abc][][xy]"},
    {make_netstring, BYTES("4:abcd,5:abc"), "[abcd]EMSGSIZE;lost"},
    {make_netstring, BYTES("1:a,1:ab,1:c,"), "[a]EBADMSG;lost"},
    {make_netstring, BYTES("1:a,x"), "[a]EBADMSG;lost"},
    {make_netstring, BYTES("01:a,"), "EBADMSG;lost"},
    {make_netstring, BYTES(":,"), "EBADMSG;lost"},
    {make_netstring, BYTES("99999999999999"), "EMSGSIZE;lost"},
    {make_parens, BYTES("(a)(b(c))x()"), "[a][b(c)]EBADMSG[]"},
    {make_bytes, BYTES("a\n(b)\r\n3:xyz,"), "[a\n(b)\r\n3:xyz,]"},
};
enum { STREAMS = sizeof streams / sizeof streams[0] };

/* ---- a parser alone ---- */

struct feed {
	il_protocol protocol;
	il_parse parse;
	unsigned char kept[64];
	size_t size; /* bytes in kept */
	bool lost;
	char text[TEXT];
};

static void note(struct feed *f, const char *before, const void *text, size_t size,
		 const char *after)
{
	size_t used = strlen(f->text);

	snprintf(f->text + used, TEXT - used, "%s%.*s%s", before, (int)size, (const char *)text,
		 after);
}

/* One packet follows another: without boundaries they are one. */
static void note_packet(struct feed *f, const il_packet *packet)
{
	size_t used = strlen(f->text);
	bool joins = f->protocol.find == il_protocol_bytes()->find && used > 0;

	CHECK(packet->size <= LIMIT);
	if (joins)
		f->text[used - 1] = '\0';
	note(f, joins ? "" : "[", packet->data, packet->size, "]");
}

static void note_error(struct feed *f, int rc, bool lost)
{
	const char *name = il_error_name(rc);
	bool follows = f->text[0] && f->text[strlen(f->text) - 1] != ']';

	note(f, follows ? ";" : "", name, strlen(name), lost ? ";lost" : "");
	f->lost = lost;
}

/* One call, as protocol.h describes it, on memory that has these bytes and no others. */
static bool feed_once(struct feed *f)
{
	unsigned char *data = malloc(f->size);

	CHECK(data != NULL);
	memcpy(data, f->kept, f->size);
	f->parse.data = data;
	f->parse.size = f->size;
	f->parse.consumed = 0;
	f->parse.packet = (il_packet){.data = NULL};
	int rc = f->protocol.find(&f->protocol, &f->parse);
	size_t consumed = f->parse.consumed;
	CHECK(consumed <= f->size);
	if (rc == 1)
		note_packet(f, &f->parse.packet);
	else if (rc < 0)
		note_error(f, rc, consumed == 0);
	f->parse.scanned -= rc || consumed > f->parse.scanned ? f->parse.scanned : consumed;
	f->size -= consumed;
	memmove(f->kept, f->kept + consumed, f->size);
	free(data);
	return consumed > 0;
}

static void feed(struct feed *f, const char *bytes, size_t size)
{
	CHECK(f->size + size <= sizeof f->kept);
	memcpy(f->kept + f->size, bytes, size);
	f->size += size;
	while (f->size && !f->lost && feed_once(f))
		;
}

/* Bit i of `cuts`: there is a cut behind byte i. */
static void check_cut(const struct stream *s, size_t cuts)
{
	struct feed f = {.parse.limit = LIMIT};
	size_t begin = 0;

	s->make(&f.protocol);
	for (size_t i = 0; i < s->size; i++) {
		if (i + 1 < s->size && !(cuts >> i & 1))
			continue;
		feed(&f, s->bytes + begin, i + 1 - begin);
		begin = i + 1;
	}
	if (strcmp(f.text, s->packets) != 0)
		il_test_fail(__FILE__, __LINE__,
			     "stream %d, protocol %s, cuts %#zx: \"%s\", expected \"%s\"",
			     (int)(s - streams), f.protocol.name, cuts, f.text, s->packets);
}

IL_TEST_CORE(M, n236_the_same_bytes_are_the_same_packets_in_every_chunking)
{
	for (const struct stream *s = streams; s < streams + STREAMS; s++) {
		size_t all = (size_t)1 << (s->size - 1);
		size_t step = (all / il_test_rounds(all)) | 1;
		for (size_t cuts = 0; cuts < all; cuts += step)
			check_cut(s, cuts);
	}
}

/* A million bytes that come one by one: looking at all of them each time would take minutes. */
static void check_no_byte_is_searched_again(void (*make)(il_protocol *p), const char *end)
{
	enum { MUCH = 1 << 20 };
	il_parse parse = {.limit = 2 * MUCH};
	unsigned char *data = malloc(MUCH);
	size_t length = strlen(end);
	il_protocol p;

	CHECK(data != NULL);
	make(&p);
	memset(data, end[0], MUCH);
	memcpy(data + MUCH - length, end, length);
	parse.data = data;
	for (parse.size = 1; parse.size < MUCH; parse.size++)
		CHECK_EQ(p.find(&p, &parse), 0);
	CHECK_EQ(p.find(&p, &parse), 1);
	CHECK_EQ(parse.consumed, MUCH);
	free(data);
}

static void make_lines_32(il_protocol *p)
{
	il_protocol_lines_with(p, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy", false);
}

static void make_lines_crlf(il_protocol *p)
{
	il_protocol_lines_with(p, "\r\n", true);
}

IL_TEST_CORE(M, n236_no_parser_looks_at_a_byte_again_and_again)
{
	check_no_byte_is_searched_again(make_lines, "x\n");
	check_no_byte_is_searched_again(make_lines_crlf, "\r\n");
	check_no_byte_is_searched_again(make_lines_32, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxy");
}

/* ---- framing ---- */

static size_t add(char *out, size_t at, const void *data, size_t size)
{
	if (size)
		memcpy(out + at, data, size);
	return at + size;
}

/* Appends a framed packet to out. */
static size_t frame(const il_protocol *p, const char *data, size_t size, char *out, size_t at)
{
	il_frame f = {.data = data, .size = size};

	CHECK_RC(p->frame ? p->frame(p, &f) : 0, 0);
	CHECK(f.release == NULL);
	at = add(out, at, f.head, f.head_size);
	at = add(out, at, f.data, f.size);
	return add(out, at, f.tail, f.tail_size);
}

static void check_frame(void (*make)(il_protocol *p), const char *data, size_t size,
			const char *expected, size_t expected_size)
{
	char all[64];
	il_protocol p;

	make(&p);
	CHECK_EQ(frame(&p, data, size, all, 0), expected_size);
	CHECK(memcmp(all, expected, expected_size) == 0);
}

static void check_no_frame(void (*make)(il_protocol *p), size_t size, int rc)
{
	il_frame f = {.data = "", .size = size};
	il_protocol p;

	make(&p);
	CHECK_RC(p.frame(&p, &f), rc);
}

IL_TEST_CORE(M, n236_each_protocol_frames_its_packets)
{
	check_frame(make_lines, BYTES("abc"), BYTES("abc\n"));
	check_frame(make_lines, BYTES(""), BYTES("\n"));
	check_frame(make_lines_kept, BYTES("abc"), BYTES("abc--"));
	check_frame(make_lines_kept, BYTES("abc--"), BYTES("abc--"));
	check_frame(make_lines_kept, BYTES("-"), BYTES("---"));
	check_frame(make_length_1, BYTES("abc"), BYTES("\3abc"));
	check_frame(make_length_3, BYTES("abc"), BYTES("\3\0\0abc"));
	check_frame(make_length_4, BYTES(""), BYTES("\0\0\0\0"));
	check_frame(make_length_8, BYTES("a"), BYTES("\0\0\0\0\0\0\0\1a"));
	check_frame(make_fixed, BYTES("abc"), BYTES("abc"));
	check_frame(make_netstring, BYTES("abc"), BYTES("3:abc,"));
	check_frame(make_netstring, BYTES(""), BYTES("0:,"));
	check_frame(make_bytes, BYTES("abc"), BYTES("abc"));
	check_no_frame(make_length_1, 256, -EMSGSIZE);
	check_no_frame(make_length_3, (size_t)1 << 24, -EMSGSIZE);
	check_no_frame(make_fixed, 2, -EBADMSG);
	check_no_frame(make_fixed, 4, -EBADMSG);
}

/* ---- by way of a server ---- */

struct session {
	struct feed feed;
	il_client *client;     /* NULL: not there */
	il_semaphore *changed; /* a permit each time that it comes, and that it leaves */
};

static int begin_session(il_client *client, void *data)
{
	struct session *x = data;

	x->client = client;
	return il_semaphore_release(x->changed);
}

/* Writes down what comes, and answers each packet. */
static int write_down(il_client *client, void *data)
{
	struct session *x = data;
	il_packet p;
	int rc = il_client_receive(client, &p, IL_FOREVER);

	if (rc == 1) {
		note_packet(&x->feed, &p);
		CHECK(((const char *)p.data)[p.size] == '\0');
		return il_client_send(client, p.data, p.size);
	}
	if (rc == -EBADMSG || rc == -EMSGSIZE) {
		CHECK(il_error_detail()[0]);
		note_error(&x->feed, rc, false);
	}
	return rc == 0 || rc == -ENODATA ? rc : 0;
}

static void end_session(il_client *client, void *data)
{
	struct session *x = data;

	(void)client;
	x->client = NULL;
	CHECK_RC(il_semaphore_release(x->changed), 0);
}

/* What the server has to answer: the stream's packets, framed. */
static size_t answers(const struct stream *s, char *out)
{
	const char *from = s->packets;
	size_t size = 0;
	il_protocol p;

	s->make(&p);
	while ((from = strchr(from, '['))) {
		size_t length = strcspn(++from, "]");
		size = frame(&p, from, length, out, size);
		from += length;
	}
	return size;
}

/* Each chunk is sent when the one before was taken. */
static void send_in_chunks(il_stream *c, struct session *x, const struct stream *s, size_t chunk)
{
	for (size_t at = 0; at < s->size; at += chunk) {
		size_t size = s->size - at < chunk ? s->size - at : chunk;
		int rc = il_stream_write_all(c, s->bytes + at, size);
		CHECK(rc == 0 || rc == -EPIPE || rc == -ECONNRESET); /* given up: lost */
		while (x->client && unread(x->client))
			CHECK_RC(il_yield(), 0);
	}
}

static void check_served(const struct service *service, struct session *x, const struct stream *s,
			 size_t chunk)
{
	char expected[64], got[64];
	size_t size = answers(s, expected);
	char packets[TEXT];
	char *lost;
	il_stream *c = dial(service);

	CHECK_RC(il_semaphore_acquire(x->changed), 0);
	snprintf(packets, sizeof packets, "%s", s->packets);
	lost = strstr(packets, ";lost"); /* the client is given up: it hears nothing more */
	if (lost)
		*lost = '\0';
	x->feed.text[0] = '\0';
	send_in_chunks(c, x, s, chunk);
	(void)il_stream_shutdown_write(c);
	CHECK_RC(il_stream_receive_exactly(c, got, size), 0);
	CHECK(memcmp(got, expected, size) == 0);
	check_gone(c);
	CHECK_RC(il_semaphore_acquire(x->changed), 0);
	CHECK(!x->client);
	if (strcmp(x->feed.text, packets) != 0)
		il_test_fail(__FILE__, __LINE__,
			     "stream %d in chunks of %zu: \"%s\", expected \"%s\"",
			     (int)(s - streams), chunk, x->feed.text, packets);
}

IL_TEST_REAL(M, n236_a_server_finds_the_same_packets_in_chunks_of_each_size)
{
	const il_handler h = {
	    .on_connection = begin_session, .handle = write_down, .on_disconnection = end_session};
	const il_server_options options = {.max_packet = LIMIT, .quiet = true};

	for (const struct stream *s = streams; s < streams + STREAMS; s++) {
		struct session x = {.client = NULL};
		struct service service;
		s->make(&x.feed.protocol);
		CHECK_RC(il_semaphore_create(&x.changed, 0, SIZE_MAX), 0);
		service_start(&service, &h, &x, &x.feed.protocol, &options);
		for (size_t chunk = 1; chunk <= s->size; chunk += chunk < 4 ? 1 : 3)
			check_served(&service, &x, s, chunk);
		check_served(&service, &x, s, s->size);
		service_end(&service);
		il_semaphore_destroy(x.changed);
	}
	CHECK_LOGGED(IL_LOG_ERROR, "", 0);
}

/* ---- protocols that cannot be ---- */

static void check_refused_protocol(const il_protocol *p, size_t max_packet)
{
	const il_server_options options = {.max_packet = max_packet};
	il_server *server = NULL;

	CHECK_RC(il_tcp_server_open(&server, "127.0.0.1", "0", p, &echo_handler, NULL, &options),
		 -EINVAL);
	CHECK(server == NULL);
}

IL_TEST_REAL(M, n236_a_protocol_made_with_a_bad_argument_is_refused_by_the_server)
{
	il_protocol p;

	check_refused_protocol(NULL, 0);
	il_protocol_lines_with(&p, "", false);
	check_refused_protocol(&p, 0);
	il_protocol_lines_with(&p, "123456789012345678901234567890123", false);
	check_refused_protocol(&p, 0);
	il_protocol_length_prefixed_with(&p, 0, 0);
	check_refused_protocol(&p, 0);
	il_protocol_length_prefixed_with(&p, 9, 0);
	check_refused_protocol(&p, 0);
	il_protocol_length_prefixed_with(&p, 4, 3412);
	check_refused_protocol(&p, 0);
	il_protocol_fixed_with(&p, 0);
	check_refused_protocol(&p, 0);
	il_protocol_fixed_with(&p, 301);
	check_refused_protocol(&p, 300);
	il_protocol_lines_with(&p, "12345678901234567890123456789012", false);
	CHECK(p.find != NULL);
}

/* A parser that says it took more than there was. */
static int find_too_much(const il_protocol *p, il_parse *parse)
{
	(void)p;
	parse->packet = (il_packet){.data = parse->data, .size = parse->size};
	parse->consumed = parse->size + 1;
	return 1;
}

static int find_nothing(const il_protocol *p, il_parse *parse)
{
	(void)p;
	parse->consumed = 0;
	return 0;
}

IL_TEST_REAL(M, a_protocol_that_never_finds_a_packet_meets_the_limit)
{
	il_protocol p = *il_protocol_lines();
	struct visits v = {0};
	struct service s;
	char much[8192];
	il_stream *c;

	p.find = find_nothing;
	memset(much, 'x', sizeof much);
	service_start(&s, &echo_handler, &v, &p, &(il_server_options){.max_packet = 1000});
	c = dial(&s);
	CHECK_RC(il_stream_write_all(c, much, sizeof much), 0);
	check_gone(c);
	UNTIL(v.disconnected == 1);
	CHECK_RC(v.last, -EMSGSIZE);
	CHECK(il_server_is_serving(s.server));
	service_end(&s);
}

IL_TEST_REAL(M, n236_a_wrong_protocol_costs_its_client_only)
{
	il_protocol p = *il_protocol_lines();
	struct visits v = {0};
	struct service s;
	il_stream *c;

	p.name = "wrong";
	p.find = find_too_much;
	service_start(&s, &echo_handler, &v, &p, NULL);
	c = dial(&s);
	say(c, "hello\n");
	check_gone(c);
	UNTIL(v.disconnected == 1);
	CHECK_RC(v.last, -EBADMSG);
	CHECK_LOGGED(IL_LOG_ERROR, "protocol wrong", 1);
	CHECK(il_server_is_serving(s.server));
	service_end(&s);
}
