/*
 * zeromq.c: a task that receives from a ZeroMQ socket. Its descriptor is edge-triggered and always "readable": what
 * there is to do ZMQ_EVENTS tells, and it has to be asked after each call. Link -lzmq.
 */
#include <interloop.h>

#include <errno.h>
#include <stdio.h>
#include <zmq.h>

/* [zeromq] */
/* Waits until the socket can be received from (ZMQ_POLLIN) or sent to (ZMQ_POLLOUT). Meanwhile no other task may use
 * the socket: each call takes the event away from the one that waits. */
static int wait_zmq(void *socket, int wanted)
{
	int fd, events;
	size_t size = sizeof(fd);
	if (zmq_getsockopt(socket, ZMQ_FD, &fd, &size) < 0)
		return -zmq_errno();
	for (;;) {
		size = sizeof(events);
		if (zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size) < 0)
			return -zmq_errno();
		if (events & wanted)
			return 0;
		int rc = il_wait_readable(fd);
		if (rc < 0)
			return rc;
	}
}

static int receive_zmq(void *socket, void *data, size_t max)
{
	int n, rc;
	while ((n = zmq_recv(socket, data, max, ZMQ_DONTWAIT)) < 0 && zmq_errno() == EAGAIN)
		if ((rc = wait_zmq(socket, ZMQ_POLLIN)) < 0)
			return rc;
	return n < 0 ? -zmq_errno() : n;
}
/* [zeromq] */

static int talk(void *context)
{
	char text[16];
	void *a = zmq_socket(context, ZMQ_PAIR), *b = zmq_socket(context, ZMQ_PAIR);
	zmq_bind(a, "inproc://recipe");
	zmq_connect(b, "inproc://recipe");
	zmq_send(b, "hello", 5, 0);
	int n = il_sleep(IL_MSEC(10)); /* ZeroMQ does not look again at once */
	zmq_send(a, "hi", 2, 0);       /* takes the event of what has come */
	if (n == 0)
		n = wait_zmq(a, ZMQ_POLLIN);
	if (n == 0)
		n = receive_zmq(a, text, sizeof(text));
	if (n > 0)
		printf("%.*s\n", n, text);
	zmq_close(a);
	zmq_close(b);
	return n;
}

int main(void)
{
	const il_backend *backend = il_backend_find(NULL);
	void *context = zmq_ctx_new();
	int rc = backend ? il_run(backend, talk, context) : -1;
	zmq_ctx_destroy(context);
	return rc < 0;
}
