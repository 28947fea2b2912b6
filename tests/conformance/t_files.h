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

/* ---- cut between two pieces ---- */

enum { FILE_PIECE = 64 << 10 }; /* what a worker reads at a time */

static inline int send_two_pieces(void *arg)
{
	struct side *s = arg;

	return il_stream_send_file(s->object, *(const int *)s->bytes, 0, (size_t)2 * FILE_PIECE);
}

static inline void make_unreadable(int fd)
{
	int ends[2];

	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(dup2(ends[0], fd), fd);
	close(ends[0]);
	close(ends[1]);
}

/* Sends two pieces of a file from one end to the other, behind `before` bytes, and cuts that when the first one has
 * arrived and no worker is free to read the next one: it is cancelled, or the next one cannot be read. */
static inline void cut_between_pieces(il_stream *from, il_stream *to, size_t before, bool cancels)
{
	il_limiter *workers = il_thread_limiter();
	const size_t total = il_limiter_total(workers);
	int fd = filled((size_t)2 * FILE_PIECE);
	struct side sender = {.bytes = &fd};
	char *data = malloc(before + FILE_PIECE);

	CHECK_RC(il_limiter_set_total(workers, 1), 0);
	CHECK_RC(il_limiter_acquire(workers), 0);
	side_start(&sender, send_two_pieces, from);
	CHECK_RC(il_limiter_release(workers), 0); /* the sender has it now */
	CHECK_RC(il_limiter_set_total(workers, 0), 0);
	CHECK_RC(il_stream_receive_exactly(to, data, before + FILE_PIECE), 0);
	UNTIL(il_limiter_get_statistics(workers).waiting == 1);
	if (cancels)
		CHECK_RC(il_scope_cancel(&sender.scope), 0);
	else
		make_unreadable(fd);
	CHECK_RC(il_limiter_set_total(workers, total), 0);
	CHECK_RC(side_join(&sender), cancels ? -ECANCELED : -ESPIPE);
	close(fd);
	free(data);
}

#endif
