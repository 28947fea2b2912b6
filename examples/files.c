/*
 * files.c: a file is written, synced and read back while the loop goes on: each call waits in a worker thread.
 */
#include "example.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* [files] */
static int write_numbers(const char *path, int count)
{
	il_file *file;
	int rc = il_file_open(&file, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (rc < 0)
		return rc;
	char data[8 * 1024]; /* lines are gathered, for each write is a hand-over to a thread */
	size_t size = 0;
	for (int i = 1; i <= count && rc >= 0; i++) {
		size += (size_t)snprintf(data + size, sizeof(data) - size, "%d\n", i);
		if (size < sizeof(data) - 16 && i < count)
			continue;
		rc = il_file_write(file, data, size, -1); /* -1: where the file stands */
		size = 0;
	}
	if (rc >= 0)
		rc = il_file_sync(file); /* it is on the disk now */
	int closed = il_file_close(file);
	il_file_destroy(file);
	return rc < 0 ? rc : closed;
}

static int count_lines(const char *path)
{
	enum { PIECE = 64 * 1024 }; /* as large as the task's stack */
	il_file *file;
	int n, lines = 0, rc = il_file_open(&file, path, O_RDONLY, 0);
	if (rc < 0)
		return rc;
	char *data = malloc(PIECE);
	n = data ? 0 : -ENOMEM;
	while (data && (n = il_file_read(file, data, PIECE, -1)) > 0)
		for (int i = 0; i < n; i++)
			lines += data[i] == '\n';
	free(data);
	il_file_destroy(file);
	return n < 0 ? n : lines;
}
/* [files] */

static int run(void *path)
{
	int rc = write_numbers(path, 1000);
	if (rc < 0)
		return rc;
	printf("lines: %d\n", count_lines(path));
	unlink(path);
	printf("afterwards: %s\n", il_error_name(count_lines(path)));
	return 0;
}

int main(int argc, char **argv)
{
	char path[] = "/tmp/interloop-files-XXXXXX";
	int fd = mkstemp(path);
	if (fd < 0) {
		perror(path);
		return 1;
	}
	close(fd);
	return example_main(argc, argv, run, path);
}
