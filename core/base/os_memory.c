/*
 * os_memory.c: memory behind a descriptor, for another process to map, and large memory. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "os.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Too large for it, or why else it could not be made as large as that. */
static int close_failed(int fd)
{
	int rc = errno == EFBIG || errno == EINVAL ? -ENOMEM : -errno;

	close(fd);
	return rc;
}

#if defined(MFD_ALLOW_SEALING) && defined(F_ADD_SEALS) && !defined(IL_PORTABLE)
static int open_memory(size_t size)
{
	int fd = memfd_create("interloop", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	/* Sealed, so that a worker cannot cut it and have us die of SIGBUS. */
	if (fd < 0 || (ftruncate(fd, (off_t)size) == 0 &&
		       fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0))
		return fd < 0 ? -errno : fd;
	return close_failed(fd);
}
#else
static int open_memory(size_t size)
{
	(void)size;
	return -ENOSYS;
}
#endif

/* A file without a name: in memory where there is such a directory. */
static int open_file(size_t size)
{
	const char *places[] = {"/dev/shm", secure_getenv("TMPDIR"), "/tmp"};
	int fd = -1;

	for (int i = 0; i < 3 && fd < 0; i++) {
		char path[4096];
		if (!places[i] || strlen(places[i]) > sizeof path - 32)
			continue;
		strcpy(path, places[i]);
		strcat(path, "/interloop-XXXXXX");
		fd = mkostemp(path, O_CLOEXEC);
		if (fd >= 0)
			unlink(path);
	}
	if (fd < 0 || ftruncate(fd, (off_t)size) == 0)
		return fd < 0 ? -errno : fd;
	return close_failed(fd);
}

int il__os_memory_open(size_t size)
{
	const off_t length = (off_t)size;
	int fd;

	if (length < 0)
		return -ENOMEM;
	fd = open_memory(size);
	if (fd < 0 && il__os_is_refused(-fd))
		fd = open_file(size);
	if (fd < 0)
		errno = -fd;
	return il__os_made(fd < 0 ? -1 : fd);
}

/* A page fault for every 4 KiB would cost more than the copy that follows. */
void il__os_memory_is_large(void *memory, size_t size)
{
#if defined(MADV_HUGEPAGE) && !defined(IL_PORTABLE)
	enum { LARGE = 4 << 20 };
	uintptr_t page = il__os_page_size(), begin = (uintptr_t)memory, skip;

	if (!memory || size < LARGE)
		return;
	skip = (page - begin % page) % page;
	madvise((char *)memory + skip, (size - skip) / page * page, MADV_HUGEPAGE);
#else
	(void)memory;
	(void)size;
#endif
}
