// peer.hpp: the clock, the samples and the lines of the peers in C++.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

constexpr int WARM_UP = 1000, TRIPS = 10000, YIELDS = 200000, SPAWNS = 100000;

inline double now_ns()
{
	using namespace std::chrono;
	return duration<double, std::nano>(steady_clock::now().time_since_epoch()).count();
}

class Samples
{
	std::vector<double> at;
	double begin = 0;

      public:
	Samples()
	{
		at.reserve(WARM_UP + TRIPS);
	}
	void start()
	{
		begin = now_ns();
	}
	void stop()
	{
		at.push_back(now_ns() - begin);
	}
	void tell(const char *work)
	{
		at.erase(at.begin(), at.begin() + WARM_UP);
		std::sort(at.begin(), at.end());
		std::printf("%s %.0f\n", work, at[at.size() / 2]);
	}
};

inline void tell(const char *work, double begin, double count)
{
	std::printf("%s %.1f\n", work, (now_ns() - begin) / count);
}
