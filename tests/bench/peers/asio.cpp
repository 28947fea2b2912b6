// asio.cpp: the four works on Boost.Asio, with C++20 coroutines on one io_context.
#include "peer.hpp"

#include <utility> // Boost 1.74 forgets it

#include <boost/asio.hpp>
#include <thread>

namespace asio = boost::asio;
using asio::awaitable;
using asio::use_awaitable;

static asio::io_context io(1);
static asio::thread_pool pool(1);

static int nothing()
{
	return 0;
}

// Runs f in the pool; the coroutine goes on in its own context.
template <class F> static awaitable<int> run_in_pool(F f)
{
	auto start = [f](auto handler) {
		asio::post(pool, [f, handler = std::move(handler)]() mutable {
			int result = f();
			asio::post(io, [result, handler = std::move(handler)]() mutable {
				handler(result);
			});
		});
	};
	return asio::async_initiate<const asio::use_awaitable_t<> &, void(int)>(start,
										use_awaitable);
}

static awaitable<void> run_in_thread()
{
	Samples samples;
	for (int i = -WARM_UP; i < TRIPS; i++) {
		samples.start();
		co_await run_in_pool(nothing);
		samples.stop();
	}
	samples.tell("run_in_thread");
}

static void call_in()
{
	auto work = asio::make_work_guard(io);
	std::thread caller([&work] {
		Samples samples;
		for (int i = -WARM_UP; i < TRIPS; i++) {
			samples.start();
			asio::post(io, asio::use_future(nothing)).get();
			samples.stop();
		}
		samples.tell("call_in");
		work.reset();
	});
	io.restart();
	io.run();
	caller.join();
}

static awaitable<void> yield_often()
{
	for (int i = 0; i < YIELDS; i++)
		co_await asio::post(io, use_awaitable);
}

static awaitable<void> child()
{
	co_return;
}

static awaitable<void> spawn_join()
{
	double begin = now_ns();
	for (int i = 0; i < SPAWNS; i++)
		co_await asio::co_spawn(io, child(), use_awaitable);
	tell("spawn_join", begin, SPAWNS);
}

// Until the work is through, which nothing in the io_context may know of while the pool has it.
static void run(awaitable<void> work)
{
	auto guard = asio::make_work_guard(io);
	asio::co_spawn(io, std::move(work), [&guard](std::exception_ptr) { guard.reset(); });
	io.restart();
	io.run();
}

static void yield()
{
	double begin = now_ns();
	asio::co_spawn(io, yield_often(), asio::detached);
	run(yield_often());
	tell("yield", begin, 2.0 * YIELDS);
}

int main()
{
	run(run_in_thread());
	call_in();
	yield();
	run(spawn_join());
}
