/*
 * trace.c: the trace of a simulated network: a line for each thing that happens, with the time since the loop's clock
 * began, places and sizes; never what is in a packet. Loop's thread only.
 */
#include "../../../core/base/error.h"
#include "../../../core/base/os.h"
#include "hosts.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/uio.h>

static void trace_write(int fd, const char *text, size_t size)
{
	const struct iovec piece = {(void *)(uintptr_t)text, size};
	ssize_t rc = il__os_write_pieces(fd, &piece, 1);

	if (rc < 0 && rc != -EAGAIN)
		il__log(IL_LOG_WARNING, "il_virtual_network_trace: a line was not written: %s",
			il__system_words((int)rc));
}

void il__sim_trace(const struct il_virtual_network *n, const char *format, ...)
{
	const il_time now = il__sim_now(n);
	char line[240];
	va_list args;
	int size;

	if (!il__sim_is_traced(n))
		return;
	size = snprintf(line, sizeof line, "%lld.%09lld ", (long long)(now / IL_SEC(1)),
			(long long)(now % IL_SEC(1)));
	va_start(args, format);
	size += vsnprintf(line + size, sizeof line - (size_t)size, format, args);
	va_end(args);
	if (size > (int)sizeof line - 2)
		size = (int)sizeof line - 2;
	line[size++] = '\n';
	trace_write(n->trace, line, (size_t)size);
}

int il_virtual_network_trace(il_virtual_network *n, int fd)
{
	int rc = il__sim_check(n, "il_virtual_network_trace");

	if (rc < 0)
		return rc;
	if (fd >= 0 && fcntl(fd, F_GETFD) < 0)
		return il__refuse(-EBADF, "il_virtual_network_trace: %d is not an open descriptor",
				  fd);
	n->trace = fd < 0 ? -1 : fd;
	return 0;
}
