/*
 * datagram.c: the life of datagram sockets: making one of a descriptor, describing and closing it. A call in progress in
 * another task learns of a close through its il__datagram_call, which lies on that task's stack, so the socket may
 * be freed under it. Loop's thread only.
 */
#include "datagram.h"
#include "../base/base.h"
#include "../base/error.h"
#include "../base/fork.h"
#include "../base/list.h"
#include "../base/memory.h"
#include "../runtime/loop.h"
#include "../runtime/task.h"
#include "../runtime/thread_state.h"
#include "../sync/queue.h"
#include "fd.h"
#include "network.h"
#include "unix_path.h"

#include <fcntl.h>
#include <unistd.h>

/* ---- closing ---- */

/* The end may be gone before a task that was woken runs. */
static void datagram_leave(const il_datagram *d, struct il__datagram_place *place)
{
	if (!place)
		return;
	place->gone = true;
	if (place->called)
		il__container_of(place, struct il__datagram_call, place)->wait.fd =
		    il__fd_nobody(d->loop);
}

static void datagram_shut(il_datagram *d)
{
	struct il__datagram_place *receiver = d->receiver;
	struct il__datagram_call *sender = d->sender;

	d->receiver = NULL;
	d->sender = NULL;
	datagram_leave(d, receiver);
	datagram_leave(d, sender ? &sender->place : NULL);
	il__socket_file_remove(&d->file, "il_datagram_close");
	d->network->close(d->fd, false);
	if (sender) /* it may sleep instead of waiting for the descriptor */
		il__task_wake(sender->wait.task, -EBADF);
	il__queue_wake_all(&d->senders, -EBADF);
	il__list_remove(&d->owner.link);
	d->fd = NULL;
}

static void datagram_orphan(struct il__fd_owner *owner)
{
	il_datagram *d = il__container_of(owner, il_datagram, owner);

	datagram_shut(d);
	d->loop = NULL;
}

int il_datagram_close(il_datagram *d)
{
	int rc;

	if (!d)
		return il__refuse(-EINVAL, "il_datagram_close: the socket is NULL");
	if (!d->fd)
		return 0;
	rc = il__loop_check_thread(d->loop, "il_datagram_close");
	if (rc == 0)
		datagram_shut(d);
	return rc;
}

void il_datagram_destroy(il_datagram *d)
{
	if (!d)
		return;
	if (d->fd && il__inherited(d->loop->generation)) {
		/* the native loop and the path are the parent's, and so are our lists */
		d->network->close(d->fd, true);
		il__free(d->file.path);
	} else if (il_datagram_close(d) < 0) {
		il__fatal("il_datagram_destroy: called in another thread than its loop's");
	}
	il__free(d);
}

/* ---- making ---- */

int il__datagram_create(il_datagram **datagram, il_loop *loop, const struct il__network *network,
			struct il__fd *end, sa_family_t family, struct il__socket_file *file)
{
	il_datagram *d = il__calloc(1, sizeof *d);
	il_address address;

	if (!d || il__fd_prepare(loop) < 0) {
		il__free(d);
		return il__refuse(-ENOMEM, "out of memory for a datagram socket");
	}
	d->owner.orphan = datagram_orphan;
	il__fd_adopt(loop, &d->owner);
	d->loop = loop;
	d->network = network;
	d->fd = end;
	d->family = family;
	il__list_init(&d->senders);
	if (file)
		d->file = *file;
	if (network->address(end, false, &address) == 0)
		d->port = il_address_port(&address);
	d->connected = network->address(end, true, &address) == 0;
	d->dual = family == AF_INET6 && network->dual(end);
	*datagram = d;
	return 0;
}

/* The family of a datagram socket, or why it is none. */
static int datagram_family_of(int fd)
{
	struct sockaddr_storage name;
	socklen_t length = sizeof name;
	int type = 0;

	if (fcntl(fd, F_GETFD) < 0)
		return -EBADF;
	if (getsockname(fd, (struct sockaddr *)&name, &length) < 0)
		return -ENOTSUP;
	length = sizeof type;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0 || type != SOCK_DGRAM)
		return -ENOTSUP;
	return name.ss_family == AF_INET || name.ss_family == AF_INET6 || name.ss_family == AF_UNIX
		   ? name.ss_family
		   : -ENOTSUP;
}

int il_datagram_open_fd(il_datagram **d, int fd)
{
	static const char function[] = "il_datagram_open_fd";
	struct il__fd *end;
	il_loop *loop;
	int family, rc, flags;

	if (!d)
		return il__refuse(-EINVAL, "%s: NULL where the socket is to be stored", function);
	rc = il__loop_here(&loop, function);
	if (rc < 0)
		return rc;
	family = datagram_family_of(fd);
	if (family < 0)
		return il__refuse(family, "%s: descriptor %d is %s", function, fd,
				  family == -EBADF ? "not open"
						   : "no datagram socket of IPv4, IPv6 or Unix");
	rc = il__fd_own(loop, fd, &end);
	if (rc < 0)
		return rc;
	rc = il__datagram_create(d, loop, &il__sockets, end, (sa_family_t)family, NULL);
	if (rc < 0) {
		il__fd_disown(end, -EBADF);
		return rc;
	}
	flags = fcntl(fd, F_GETFL);
	end->blocking = flags >= 0 && !(flags & O_NONBLOCK);
	if (fd > STDERR_FILENO) /* those are there to be inherited */
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return 0;
}

/* ---- what one may ask ---- */

static int datagram_check(const il_datagram *d, const char *function)
{
	if (!d)
		return il__refuse(-EINVAL, "%s: the socket is NULL", function);
	if (!d->fd)
		return il__refuse(-EBADF, "%s: the socket is closed", function);
	return il__loop_check_thread(d->loop, function);
}

static int datagram_address(const il_datagram *d, bool peer, il_address *address,
			    const char *function)
{
	int rc = datagram_check(d, function);

	if (rc < 0)
		return rc;
	if (!address)
		return il__refuse(-EINVAL, "%s: the address is NULL", function);
	rc = d->network->address(d->fd, peer, address);
	if (rc < 0)
		return il__refuse(rc, "%s: %s", function, il__system_words(rc));
	il__datagram_unmap(d, address);
	return 0;
}

int il_datagram_local_address(const il_datagram *d, il_address *address)
{
	return datagram_address(d, false, address, "il_datagram_local_address");
}

int il_datagram_peer_address(const il_datagram *d, il_address *address)
{
	return datagram_address(d, true, address, "il_datagram_peer_address");
}

uint16_t il_datagram_port(const il_datagram *d)
{
	return d && d->fd ? d->port : 0;
}

int il_datagram_fd(const il_datagram *d)
{
	if (!d)
		return il__refuse(-EINVAL, "il_datagram_fd: the socket is NULL");
	if (!d->fd)
		return il__refuse(-EBADF, "il_datagram_fd: the socket is closed");
	if (il__fd_is_asked(d->fd))
		return il__refuse(-ENOTSUP, "il_datagram_fd: behind this socket is no descriptor");
	return d->fd->number;
}
