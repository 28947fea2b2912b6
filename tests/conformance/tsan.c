/*
 * tsan.c: linked into binaries under TSan only: what it must know of those that we link.
 */
int rand_r(unsigned *seed);
const char *__tsan_default_options(void);
const char *__tsan_default_suppressions(void);

/* Criterion asks rand_r where to map the memory that it shares with its children (in pages); TSan lets an
 * application have this range. */
int rand_r(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return (int)(0x350000u + (*seed >> 8) % 0x17000u);
}

/* A child that a test has forked starts threads of its own. */
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}

/* libev forgets a descriptor lazily: it stays in the kernel's set until it is closed or fires once more, and
 * may then be deleted from there while the thread that owns it by now is about to close it. libuv closes its
 * own past the C library, so whoever gets the number next races with the call that made it, or that used it.
 * OpenSSL counts who holds a context by atomics that TSan does not see, so that whoever frees it last races
 * with all before. */
const char *__tsan_default_suppressions(void)
{
	return "race_top:epoll_ctl\n"
	       "race_top:epoll_wait\n"
	       "race_top:epoll_create1\n"
	       "race_top:eventfd\n"
	       "race_top:pipe2\n"
	       "called_from_lib:libcrypto.so\n"
	       "called_from_lib:libssl.so\n";
}
