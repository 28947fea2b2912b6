/*
 * l_arguments.c: what no socket, file or address can be asked for is refused in words, and changes nothing.
 */
#define _GNU_SOURCE
#include "l_net.h"

#include <limits.h>
#include <netinet/in.h>
#include <sys/un.h>

#define REFUSED(call) CHECK_RC(call, -EINVAL)

static char memory[16];

/* ---- addresses ---- */

static const char *text_of(const il_address *address)
{
	static char text[IL_ADDRESS_TEXT_MAX];
	int n = il_address_text(address, text, sizeof text);

	CHECK_EQ(n, (int)strlen(text));
	return text;
}

IL_TEST_CORE(L, an_address_of_any_family_has_a_text)
{
	il_address a = {.length = 0};
	struct sockaddr_un path = {.sun_family = AF_UNIX};
	struct sockaddr_in6 local = {.sin6_family = AF_INET6, .sin6_port = htons(7)};

	CHECK_STR(text_of(&a), "");
	CHECK_EQ(il_address_port(&a), 0);
	a.storage.ss_family = AF_MAX - 1;
	a.length = sizeof a.storage;
	CHECK(strncmp(text_of(&a), "family ", 7) == 0);
	CHECK_EQ(il_address_port(&a), 0);

	/* All of sun_path, without a zero at its end. */
	memset(path.sun_path, 'p', sizeof path.sun_path);
	memcpy(&a.storage, &path, sizeof path);
	a.length = sizeof path;
	CHECK_EQ(strlen(text_of(&a)), sizeof path.sun_path);

	/* Of an interface, which is named. */
	local.sin6_addr.s6_addr[0] = 0xfe;
	local.sin6_addr.s6_addr[1] = 0x80;
	local.sin6_addr.s6_addr[15] = 1;
	local.sin6_scope_id = 1;
	memcpy(&a.storage, &local, sizeof local);
	a.length = sizeof local;
	CHECK_STR(text_of(&a), "[fe80::1%lo]:7");
	CHECK_EQ(il_address_port(&a), 7);
	CHECK(il_address_text(&a, NULL, 0) > 0); /* how long it is */
	REFUSED(il_address_text(&a, NULL, 1));
}

IL_TEST_REAL(L, a_stream_takes_only_an_address_that_is_one)
{
	il_stream *a = NULL, *b = NULL;
	il_address address = {.length = 0};

	CHECK_RC(il_stream_pair(&a, &b), 0);
	REFUSED(il_stream_local_address(a, NULL));
	REFUSED(il_stream_peer_address(a, NULL));
	REFUSED(il_stream_set_peer_address(a, NULL));
	REFUSED(il_stream_set_peer_address(a, &address));
	address.length = sizeof address.storage + 1;
	REFUSED(il_stream_set_peer_address(a, &address));
	il_stream_destroy(a);
	il_stream_destroy(b);
}

/* ---- sizes ---- */

/* What a call that failed has returned, in place of a size. */
static void check_refuses_size(struct ends *e, size_t size)
{
	char bytes[2] = "xy";
	const struct iovec late[] = {{bytes, 1}, {bytes, size}};
	const struct iovec nowhere = {NULL, 1};

	REFUSED(il_stream_write_all(e->a, bytes, size));
	REFUSED(il_stream_write(e->a, bytes, size));
	REFUSED(il_stream_writev_all(e->a, late, 2));
	REFUSED(il_stream_writev_all(e->a, &nowhere, 1));
	REFUSED(il_stream_write_now(e->a, late, 2));
	REFUSED(il_stream_write_now(e->a, &nowhere, 1));
	REFUSED(il_stream_receive_exactly(e->b, bytes, size));
	REFUSED(il_stream_receive_until(e->b, bytes, 2, "\n", size));
	CHECK_EQ(il_stream_buffered(e->b), 0);
}

IL_TEST_REAL(L, a_stream_sends_nothing_of_a_size_that_was_negative)
{
	for (int kind = 0; kind < KINDS; kind++) {
		struct ends e = ends_of(kind);
		check_refuses_size(&e, (size_t)-EPIPE);
		check_refuses_size(&e, (size_t)PTRDIFF_MIN);
		say(e.a, "z");
		check_hears(e.b, "z");
		drop(&e);
	}
}

/* ---- files ---- */

IL_TEST_REAL(L, a_file_refuses_sizes_and_offsets_that_no_file_has)
{
	il_file *file = NULL;
	char byte = 0;

	CHECK_RC(il_file_open(&file, "/dev/null", O_RDWR, 0), 0);
	REFUSED(il_file_write(file, NULL, 1, 0));
	REFUSED(il_file_write(file, &byte, (size_t)INT_MAX + 1, 0));
	REFUSED(il_file_write(file, &byte, 1, -2));
	REFUSED(il_file_read(file, NULL, 1, 0));
	REFUSED(il_file_read(file, &byte, 0, 0));
	REFUSED(il_file_read(file, &byte, 1, -2));
	CHECK_RC(il_file_write(file, &byte, 1, 0), 1);
	CHECK_RC(il_file_close(file), 0);
	CHECK_RC(il_file_fd(file), -EBADF);
	il_file_destroy(file);
}

/* ---- datagrams ---- */

static int open_with(const il_datagram_options *options)
{
	il_datagram *d = NULL;
	int rc = il_datagram_open_udp(&d, "127.0.0.1", "0", options);

	il_datagram_destroy(d);
	return rc;
}

IL_TEST_REAL(L, a_datagram_socket_refuses_groups_that_are_none)
{
	const char *const none[] = {NULL}, *const empty[] = {""}, *const word[] = {"localhost"};
	const char *const nowhere[] = {"239.255.0.1%nowhere0"};
	const char *const long_one[] = {"1234:1234:1234:1234:1234:1234:1234:1234:1234:1234"};
	il_datagram *d = NULL;

	REFUSED(open_with(&(il_datagram_options){.join_count = 1}));
	REFUSED(open_with(&(il_datagram_options){.join = none, .join_count = 1}));
	REFUSED(open_with(&(il_datagram_options){.join = empty, .join_count = 1}));
	REFUSED(open_with(&(il_datagram_options){.join = word, .join_count = 1}));
	REFUSED(open_with(&(il_datagram_options){.join = long_one, .join_count = 1}));
	CHECK_RC(open_with(&(il_datagram_options){.join = nowhere, .join_count = 1}), -ENODEV);
	CHECK_RC(il_datagram_open_udp(&d, "127.0.0.1", "0", NULL), 0);
	REFUSED(il_datagram_local_address(d, NULL));
	REFUSED(il_datagram_peer_address(d, NULL));
	il_datagram_destroy(d);
}

IL_TEST_REAL(L, a_datagram_socket_sends_nothing_of_a_size_that_was_negative)
{
	il_datagram_message m = {.data = memory, .size = (size_t)-1};
	il_datagram *d = NULL;

	CHECK_RC(il_datagram_open_udp(&d, "127.0.0.1", "0", NULL), 0);
	CHECK_RC(il_datagram_local_address(d, &m.address), 0);
	REFUSED(il_datagram_send(d, memory, m.size, &m.address));
	REFUSED(il_datagram_send_many(d, &m, 1));
	il_datagram_destroy(d);
}

IL_TEST_REAL(L, a_datagram_socket_joins_a_group_of_ipv6)
{
	const char *const groups[] = {"ff02::4711%lo"};
	il_datagram *d = NULL;
	int rc = il_datagram_open_udp(&d, "::1", "0",
				      &(il_datagram_options){.join = groups, .join_count = 1});

	/* Some systems have no IPv6. */
	CHECK(rc == 0 || rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT);
	il_datagram_destroy(d);
}
