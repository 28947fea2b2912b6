/*
 * worker.c: the loop of a process pool's worker against frames that are cut short, lie about their sizes, or
 * are none. It answers what it could read, each with a frame of its own, and forgets nothing.
 *
 * Input: frames, each as flags, form, id, lengths of path, name and argument, then those; and with the
 * flag IS_RAW what is left as it is.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../../core/base/memory.h"
#include "fuzz.h"

/* What a system without much memory says, where ASan would rather stop the program. */
static void *limited_malloc(size_t size)
{
	return size < 1 << 20 ? il__malloc(size) : NULL;
}

#define il__malloc limited_malloc
#include "../../core/process/worker.c"
#undef il__malloc

enum frame_flags {
	IS_FOREIGN = 1, /* another version */
	HAS_DESCRIPTOR = 2,
	IS_KNOWN = 4,  /* names a function that there is */
	IS_LONGER = 8, /* says more bytes than there are */
	IS_ENDLESS = 16,
	IS_INIT = 32,
	IS_RAW = 64
};

static int null_function(void *arg)
{
	(void)arg;
	return 7;
}

static void send_bytes(int fd, const void *data, size_t size, int descriptor)
{
	union {
		struct cmsghdr aligned;
		char bytes[CMSG_SPACE(sizeof(int))];
	} room = {.bytes = {0}};
	struct iovec piece = {(void *)(uintptr_t)data, size};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};

	if (descriptor >= 0) {
		message.msg_control = room.bytes;
		message.msg_controllen = sizeof room.bytes;
		room.aligned.cmsg_level = SOL_SOCKET;
		room.aligned.cmsg_type = SCM_RIGHTS;
		room.aligned.cmsg_len = CMSG_LEN(sizeof descriptor);
		memcpy(CMSG_DATA(&room.aligned), &descriptor, sizeof descriptor);
	}
	if (size)
		CHECK(sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size);
}

static void send_one(int fd, struct input *in, int descriptor)
{
	unsigned flags = take_byte(in);
	struct il__wire_header h = {.version = flags & IS_FOREIGN ? 77 : IL__WIRE_VERSION,
				    .type = flags & IS_INIT ? IL__WIRE_INIT : IL__WIRE_CALL,
				    .form = take_byte(in),
				    .id = take_byte(in)};
	size_t path = take_byte(in) % 64, name = take_byte(in) % 80, size = take_byte(in);
	const uint8_t *bytes;

	if (flags & IS_RAW) {
		send_bytes(fd, in->data, in->size, -1);
		in->size = 0;
		return;
	}
	h.memory = size * 64;
	h.path = (uint32_t)path;
	h.name = flags & IS_KNOWN ? 4 : (uint32_t)name;
	h.size = size + (flags & IS_LONGER ? 1 : 0);
	if (flags & IS_ENDLESS)
		h.size = UINT64_MAX - size;
	send_bytes(fd, &h, sizeof h, flags & HAS_DESCRIPTOR ? descriptor : -1);
	bytes = take_bytes(in, &path);
	send_bytes(fd, bytes, path, -1);
	bytes = take_bytes(in, &name);
	if (flags & IS_KNOWN)
		send_bytes(fd, "null", 4, -1);
	else
		send_bytes(fd, bytes, name, -1);
	bytes = take_bytes(in, &size);
	send_bytes(fd, bytes, size, -1);
}

/* They are whole. */
static int count_answers(int fd)
{
	struct il__wire_header h;
	char bytes[65536];
	int count = 0;

	for (; recv(fd, &h, sizeof h, MSG_DONTWAIT | MSG_WAITALL) == sizeof h; count++) {
		CHECK(h.version == IL__WIRE_VERSION && h.size <= sizeof bytes);
		CHECK(h.type == IL__WIRE_REPLY ? h.rc == 7
					       : h.type == IL__WIRE_REFUSED && h.rc < 0);
		if (h.size)
			CHECK(recv(fd, bytes, (size_t)h.size, MSG_DONTWAIT | MSG_WAITALL) ==
			      (ssize_t)h.size);
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	int ends[2], served = 0, memory;

	CHECK(il_function_register("null", null_function) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	memory = memfd_create("fuzz", MFD_CLOEXEC);
	CHECK(memory >= 0 && ftruncate(memory, 4096) == 0);
	for (int frames = 0; in.size && frames < 20; frames++) /* the socket takes so many */
		send_one(ends[0], &in, memory);
	close(memory);
	CHECK(shutdown(ends[0], SHUT_WR) == 0);
	stream = ends[1];
	while (serve_one())
		served++;
	close(ends[1]);
	CHECK(count_answers(ends[0]) == served);
	close(ends[0]);
	CHECK(fcntl(memory, F_GETFD) < 0); /* the first that came took this number */
	return 0;
}
