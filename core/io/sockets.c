/*
 * sockets.c: the network that is there: an end is the entry of a socket's descriptor. What is bound, listens or was
 * handed over is owned; what is connecting is not yet, for it becomes a stream's. Loop's thread only.
 */
#include "sockets.h"
#include "../base/error.h"
#include "../base/os.h"
#include "address.h"
#include "datagram_options.h"
#include "listener.h"
#include "network.h"
#include "resolver.h"
#include "stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

/* ---- connecting ---- */

static int bind_local(int fd, const il_address *local)
{
	if (!local)
		return 0;
	if (il_address_port(local)) /* the attempts of a race share it */
		il__os_socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	return bind(fd, (const struct sockaddr *)&local->storage, local->length) < 0 ? -errno : 0;
}

/* 1: connected. TCP connects a socket to itself if both ends are the same; then nobody else listens there.
 * Its end is a reset, so that it does not keep the port for who will. */
static int check_peer(int fd)
{
	const struct linger at_once = {.l_onoff = 1};
	il_address here = {.length = sizeof here.storage}, there = here;

	if (getsockname(fd, (struct sockaddr *)&here.storage, &here.length) < 0 ||
	    getpeername(fd, (struct sockaddr *)&there.storage, &there.length) < 0 ||
	    !il__address_equal(&here, &there))
		return 1;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	return -ECONNREFUSED;
}

static int socket_connect(il_loop *loop, const il_address *to, const il_address *local,
			  const il_connect_options *options, struct il__fd **end)
{
	int fd = il__os_socket(to->storage.ss_family, SOCK_STREAM);
	int rc = fd < 0 ? fd : bind_local(fd, local), found;

	if (rc == 0 && !options->delay_small)
		rc = il__os_socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (rc == 0 && connect(fd, (const struct sockaddr *)&to->storage, to->length) < 0)
		rc = errno == EINPROGRESS || errno == EINTR ? 0 : -errno;
	else if (rc == 0)
		rc = check_peer(fd);
	if (rc >= 0) {
		il__fd_renew(loop, fd);
		found = il__fd_get(loop, fd, end);
		rc = found < 0 ? found : rc;
	}
	if (rc < 0 && fd >= 0)
		close(fd);
	return rc;
}

static int socket_connected(struct il__fd *end)
{
	int error = 0;
	socklen_t length = sizeof error;

	if (getsockopt(end->number, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		error = errno;
	return error ? -error : check_peer(end->number);
}

static int socket_stream(struct il__fd *end, const il_address *peer, il_stream **stream)
{
	return il__stream_create(stream, end->source.watch.loop, end->number, IL__STREAM_INET,
				 peer);
}

/* ---- listening ---- */

/* Accepted sockets inherit TCP_NODELAY. */
static int listen_prepare(int fd, int family, const il_listen_options *o)
{
	int rc = il__os_socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (rc == 0 && family == AF_INET6)
		rc = il__os_socket_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !o->dual_stack);
	if (rc == 0 && o->reuse_port)
#ifdef SO_REUSEPORT
		rc = il__os_socket_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
#else
		rc = -ENOTSUP;
#endif
	if (rc == 0 && !o->delay_small)
		rc = il__os_socket_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	return rc;
}

int il__socket_own(il_loop *loop, int fd, struct il__fd **end)
{
	il__fd_renew(loop, fd);
	return il__fd_own(loop, fd, end);
}

static int socket_listen(il_loop *loop, const il_address *address, const il_listen_options *o,
			 struct il__fd **end)
{
	const int family = address->storage.ss_family;
	int fd = il__os_socket(family, SOCK_STREAM);
	int rc = fd < 0 ? fd : listen_prepare(fd, family, o);

	if (rc == 0 && (bind(fd, (const struct sockaddr *)&address->storage, address->length) < 0 ||
			listen(fd, il__listener_backlog(o)) < 0))
		rc = -errno;
	if (rc == 0)
		rc = il__socket_own(loop, fd, end);
	if (rc < 0 && fd >= 0)
		close(fd);
	return rc;
}

/* The loopback address is there wherever its family is. */
static bool has_loopback(int family)
{
	const struct sockaddr_in ipv4 = {.sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6,
					  .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	const void *address = family == AF_INET ? (const void *)&ipv4 : &ipv6;
	int fd = il__os_socket(family, SOCK_STREAM);
	bool has = fd < 0 ||
		   bind(fd, address, family == AF_INET ? sizeof ipv4 : sizeof ipv6) == 0 ||
		   errno != EADDRNOTAVAIL;

	if (fd >= 0)
		close(fd);
	return has;
}

static bool is_loopback(const il_address *address)
{
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;

	memcpy(&ipv4, &address->storage, sizeof ipv4);
	memcpy(&ipv6, &address->storage, sizeof ipv6);
	return address->storage.ss_family == AF_INET
		   ? ipv4.sin_addr.s_addr == htonl(INADDR_LOOPBACK)
		   : IN6_IS_ADDR_LOOPBACK(&ipv6.sin6_addr);
}

/* As IPv6 often is not there. That an address is not available says so only of the loopback; any other may be
 * another machine's. */
static bool socket_lacks(int rc, const il_address *address)
{
	if (rc == -EAFNOSUPPORT || rc == -EPROTONOSUPPORT)
		return true;
	return rc == -EADDRNOTAVAIL &&
	       (is_loopback(address) || !has_loopback(address->storage.ss_family));
}

/* The peer of a Unix socket may leave the address as it is. */
static int socket_accept(struct il__fd *end, il_stream **stream)
{
	il_address peer = {.storage.ss_family = AF_UNIX, .length = sizeof peer.storage};
	int fd = il__os_accept(end->number, (struct sockaddr *)&peer.storage, &peer.length);

	if (fd < 0)
		return fd;
	il__address_unmap(&peer);
	return il__stream_create(
	    stream, end->source.watch.loop, fd,
	    peer.storage.ss_family == AF_UNIX ? IL__STREAM_UNIX : IL__STREAM_INET, &peer);
}

/* ---- datagrams ---- */

static int socket_datagram(il_loop *loop, const il_address *address, bool connects,
			   const il_datagram_options *options, const char *function,
			   struct il__fd **end)
{
	const struct sockaddr *name = (const struct sockaddr *)&address->storage;
	const int family = address->storage.ss_family;
	char text[IL_ADDRESS_TEXT_MAX];
	int fd = il__os_socket(family, SOCK_DGRAM), rc;

	rc = fd < 0 ? il__refuse(fd, "%s: %s", function, il__lack_words(fd))
		    : il__datagram_set_options(fd, family, options, function);
	if (rc == 0 && (connects ? connect : bind)(fd, name, address->length) < 0) {
		rc = -errno;
		il_address_text(address, text, sizeof text);
		il__refuse(rc, "%s: %s: %s", function, text, il__system_words(rc));
	}
	if (rc == 0)
		rc = il__socket_own(loop, fd, end);
	if (rc < 0 && fd >= 0)
		close(fd);
	return rc;
}

static bool socket_dual(const struct il__fd *end)
{
	int v6only = 1;
	socklen_t length = sizeof v6only;

	return getsockopt(end->number, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, &length) == 0 && !v6only;
}

static int socket_receive(struct il__fd *end, struct il__os_message *messages, int count)
{
	return il__os_receive_messages(end->number, messages, count);
}

static int socket_send(struct il__fd *end, struct il__os_message *messages, int count)
{
	return il__os_send_messages(end->number, messages, count);
}

/* ---- of all ends ---- */

static int socket_address(const struct il__fd *end, bool peer, il_address *address)
{
	struct sockaddr *name = (struct sockaddr *)&address->storage;

	address->length = sizeof address->storage;
	if ((peer ? getpeername : getsockname)(end->number, name, &address->length) == 0)
		return 0;
	address->length = 0;
	return -errno;
}

static int socket_ready(struct il__fd *end, unsigned mask)
{
	return il__fd_poll(end->number, mask);
}

static void socket_close(struct il__fd *end, bool inherited)
{
	const int number = end->number;

	if (!inherited) /* else the native loop is the parent's, and so are our lists */
		il__fd_disown(end, -EBADF);
	close(number);
}

const struct il__network il__sockets = {
    .resolve = il__lookup,
    .connect = socket_connect,
    .connected = socket_connected,
    .stream = socket_stream,
    .listen = socket_listen,
    .lacks = socket_lacks,
    .accept = socket_accept,
    .datagram = socket_datagram,
    .dual = socket_dual,
    .receive = socket_receive,
    .send = socket_send,
    .address = socket_address,
    .ready = socket_ready,
    .close = socket_close,
};
