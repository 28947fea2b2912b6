/*
 * work_datagrams.c: datagram sockets, of both families.
 */
#include "work.h"

#include <stdio.h>
#include <unistd.h>

#define LOST_AFTER IL_MSEC(300) /* a datagram */

static void send_some(il_datagram *from, const il_address *to)
{
	char data[2][8] = {"one", "two"};
	il_datagram_message messages[2] = {{.data = data[0], .size = 3, .address = *to},
					   {.data = data[1], .size = 3, .address = *to}};

	TRY(il_datagram_send(from, "one", 3, to));
	TRY(il_datagram_send_many(from, messages, 2));
}

static int receive_some(void *socket)
{
	char data[2][8];
	il_datagram_message messages[2] = {{.data = data[0], .max = 8},
					   {.data = data[1], .max = 8}};
	il_case cases[] = {il_case_datagram(socket)};
	int rc;

	if (TRY(il_select(cases, 1, IL_FOREVER)) < 0)
		return 0;
	rc = TRY(il_datagram_receive_many(socket, messages, 2));
	for (int i = 0; i < rc; i++)
		if (messages[i].rc == 0 && messages[i].size != 3)
			work_odd("a datagram of %zu bytes came", messages[i].size);
	return rc < 2 ? 0 : TRY(il_datagram_receive(socket, data[0], sizeof data[0], NULL));
}

static void over_datagrams(il_datagram *from, il_datagram *to)
{
	il_address address;

	if (TRY(il_datagram_local_address(to, &address)) == 0) {
		send_some(from, &address);
		TRY(il_move_on_after(LOST_AFTER, receive_some, to));
	}
}

static int datagrams_main(void *arg)
{
	il_datagram *a = NULL, *b = NULL;
	char path[64];

	(void)arg;
	if (TRY(il_datagram_open_udp(&a, "127.0.0.1", "0", NULL)) == 0 &&
	    TRY(il_datagram_open_udp(&b, "127.0.0.1", "0", NULL)) == 0)
		over_datagrams(a, b);
	il_datagram_destroy(a);
	il_datagram_destroy(b);
	a = b = NULL;
	snprintf(path, sizeof path, "faults-datagrams.%d", getpid());
	if (TRY(il_datagram_open_unix(&b, path, NULL)) == 0 &&
	    TRY(il_datagram_connect_unix(&a, path, NULL, NULL)) == 0) {
		TRY(il_datagram_send(a, "one", 3, NULL));
		TRY(il_move_on_after(LOST_AFTER, receive_some, b));
	}
	il_datagram_destroy(a);
	il_datagram_destroy(b);
	work_file_is_gone(path);
	return 0;
}

void work_datagrams(void)
{
	work_in_loop(datagrams_main);
}
