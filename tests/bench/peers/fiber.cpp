// fiber.cpp: the four works on Boost.Fiber: fibers of one thread, with its usual round-robin scheduler.
#include "peer.hpp"

#include <boost/fiber/all.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace fibers = boost::fibers;

// A worker thread with a queue; the fiber that asks waits for its future.
class Worker
{
	std::mutex mutex;
	std::condition_variable changed;
	std::deque<fibers::packaged_task<int()>> queue;
	bool over = false;
	std::thread thread{[this] { work(); }};

	void work()
	{
		std::unique_lock<std::mutex> lock(mutex);
		for (;;) {
			changed.wait(lock, [this] { return over || !queue.empty(); });
			if (queue.empty())
				return;
			auto task = std::move(queue.front());
			queue.pop_front();
			lock.unlock();
			task();
			lock.lock();
		}
	}

      public:
	int run(int (*function)())
	{
		fibers::packaged_task<int()> task(function);
		auto result = task.get_future();
		{
			std::lock_guard<std::mutex> lock(mutex);
			queue.push_back(std::move(task));
		}
		changed.notify_one();
		return result.get();
	}
	~Worker()
	{
		{
			std::lock_guard<std::mutex> lock(mutex);
			over = true;
		}
		changed.notify_one();
		thread.join();
	}
};

static int nothing()
{
	return 0;
}

static void run_in_thread()
{
	Worker worker;
	Samples samples;
	for (int i = -WARM_UP; i < TRIPS; i++) {
		samples.start();
		worker.run(nothing);
		samples.stop();
	}
	samples.tell("run_in_thread");
}

// A fiber takes the calls from a channel.
static void call_in()
{
	fibers::buffered_channel<fibers::packaged_task<int()> *> calls(64);
	std::thread caller([&calls] {
		Samples samples;
		for (int i = -WARM_UP; i < TRIPS; i++) {
			samples.start();
			fibers::packaged_task<int()> task(nothing);
			auto result = task.get_future();
			calls.push(&task);
			result.get();
			samples.stop();
		}
		samples.tell("call_in");
		calls.close();
	});
	for (fibers::packaged_task<int()> *call;
	     calls.pop(call) == fibers::channel_op_status::success;)
		(*call)();
	caller.join();
}

static void yield_often()
{
	for (int i = 0; i < YIELDS; i++)
		boost::this_fiber::yield();
}

static void yield()
{
	double begin = now_ns();
	fibers::fiber a(yield_often), b(yield_often);
	a.join();
	b.join();
	tell("yield", begin, 2.0 * YIELDS);
}

static void spawn_join()
{
	double begin = now_ns();
	for (int i = 0; i < SPAWNS; i++)
		fibers::fiber(nothing).join();
	tell("spawn_join", begin, SPAWNS);
}

int main()
{
	run_in_thread();
	call_in();
	yield();
	spawn_join();
}
