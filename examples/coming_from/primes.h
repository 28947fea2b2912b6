/* primes.h: the blocking function of each program here. */
#ifndef COMING_FROM_PRIMES_H
#define COMING_FROM_PRIMES_H

static inline int count_primes(int number)
{
	int primes = 0;
	for (int n = 2, d; n <= number; n++) {
		for (d = 2; d * d <= n && n % d != 0; d++)
			;
		primes += d * d > n;
	}
	return primes;
}

#endif
