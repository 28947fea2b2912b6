/*
 * t_files.h: a file of a pattern, sent down one end of a connection and compared at the other.
 */
#ifndef IL_TESTS_T_FILES_H
#define IL_TESTS_T_FILES_H

#include "l_net.h"

static inline char pattern(size_t at)
{
	return (char)('a' + at % 26);
}

/* So many bytes of the pattern, in an open file without a name. */
static inline int filled(size_t size)
{
	FILE *file = tmpfile();
	int fd;

	CHECK(file != NULL);
	for (size_t i = 0; i < size; i++)
		putc(pattern(i), file);
	fflush(file);
	fd = dup(fileno(file));
	fclose(file);
	CHECK(fd >= 0);
	return fd;
}

struct receiving {
	il_stream *from;
	size_t size;
	bool right;
	int rc; /* of the last read */
};

static inline int receive_pattern(void *arg)
{
	struct receiving *r = arg;
	char data[16384];

	r->right = true;
	while ((r->rc = il_stream_read(r->from, data, sizeof data)) > 0) {
		for (int i = 0; i < r->rc; i++)
			r->right &= data[i] == pattern(r->size + (size_t)i);
		r->size += (size_t)r->rc;
	}
	return 0;
}

/* Sends, ends the stream, and has what came in r. */
static inline int sent(struct ends *e, struct receiving *r, int fd, int64_t offset, size_t size)
{
	il_group g = IL_GROUP_INIT;
	int rc;

	*r = (struct receiving){.from = e->b};
	CHECK_RC(il_group_open(&g), 0);
	CHECK_RC(il_group_start_soon(&g, NULL, receive_pattern, r), 0);
	rc = il_stream_send_file(e->a, fd, offset, size);
	CHECK_RC(il_stream_close(e->a), 0);
	CHECK_RC(il_group_close(&g, 0), 0);
	return rc;
}

#endif
