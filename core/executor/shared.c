/*
 * shared.c: memory that another process can map. Any thread; the struct is its owner's.
 */
#include "../base/error.h"
#include "../base/os.h"

#include <interloop/shared.h>

#include <sys/mman.h>
#include <unistd.h>

int il_shared_create(il_shared *s, size_t size)
{
	void *data;
	int fd, rc;

	if (!s || size == 0)
		return il__refuse(-EINVAL, "il_shared_create: s is NULL or size is 0");
	fd = il__os_memory_open(size);
	if (fd < 0)
		return il__refuse(fd, "il_shared_create: no shared memory of %zu bytes: %s", size,
				  il__system_words(fd));
	data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (data == MAP_FAILED) {
		rc = -errno;
		close(fd);
		return il__refuse(rc, "il_shared_create: mmap of %zu bytes: %s", size,
				  il__system_words(rc));
	}
	*s = (il_shared){.data = data, .size = size, .fd = fd};
	return 0;
}

void il_shared_destroy(il_shared *s)
{
	if (!s || !s->data)
		return;
	munmap(s->data, s->size);
	close(s->fd);
	*s = (il_shared){.fd = -1};
}
