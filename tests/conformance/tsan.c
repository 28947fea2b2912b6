/*
 * tsan_arena.c: linked into binaries under TSan only. Criterion asks rand_r where to map the memory that
 * it shares with its children (in pages); TSan lets an application have this range.
 */
int rand_r(unsigned *seed);

int rand_r(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return (int)(0x350000u + (*seed >> 8) % 0x17000u);
}
