/**
 * @file interloop.h
 * @brief All that a handler may call; names no loop.
 *
 * Write a handler once, as straight-line C; select libuv, libev or libevent when the program
 * starts.
 * To link a backend, or to adopt a loop that already runs, include its own header as well:
 * interloop/libuv.h, interloop/libev.h, interloop/libevent.h or interloop/virtual.h.
 */
#ifndef INTERLOOP_H
#define INTERLOOP_H

#include <interloop/base.h>
#include <interloop/bytes.h>
#include <interloop/channel.h>
#include <interloop/client.h>
#include <interloop/condition.h>
#include <interloop/datagram.h>
#include <interloop/event.h>
#include <interloop/executor.h>
#include <interloop/exit_stack.h>
#include <interloop/fd.h>
#include <interloop/file.h>
#include <interloop/function.h>
#include <interloop/future.h>
#include <interloop/group.h>
#include <interloop/inspect.h>
#include <interloop/layer.h>
#include <interloop/limiter.h>
#include <interloop/lock.h>
#include <interloop/loop.h>
#include <interloop/portal.h>
#include <interloop/process.h>
#include <interloop/process_pool.h>
#include <interloop/protocol.h>
#include <interloop/scope.h>
#include <interloop/select.h>
#include <interloop/semaphore.h>
#include <interloop/server.h>
#include <interloop/shared.h>
#include <interloop/signal.h>
#include <interloop/stream.h>
#include <interloop/sync.h>
#include <interloop/task.h>
#include <interloop/thread.h>
#include <interloop/thread_pool.h>
#include <interloop/trace.h>
#include <interloop/watch.h>

#endif
