/*
 * shrink.c: leaves out what a failure does not need: a step with all inside, then steps around others, until nothing
 * more can go. The largest go first.
 */
#include "program.h"

static bool try_without(struct program *p, int i, bool whole, bool (*fails)(struct program *p))
{
	struct program smaller = *p;

	if (whole)
		smaller.steps[i].gone = true;
	else
		smaller.steps[i].hollow = true;
	if (!fails(&smaller))
		return false;
	*p = smaller;
	return true;
}

static bool shrink_pass(struct program *p, bool whole, bool (*fails)(struct program *p))
{
	bool smaller = false;

	for (int i = 0; i < p->count; i += p->steps[i].gone ? p->steps[i].size : 1) {
		const struct step *s = &p->steps[i];
		if (!s->gone && !s->hollow && (whole || s->size > 1))
			smaller |= try_without(p, i, whole, fails);
	}
	return smaller;
}

void program_shrink(struct program *p, bool (*fails)(struct program *p))
{
	bool smaller;

	do {
		smaller = shrink_pass(p, true, fails);
		smaller |= shrink_pass(p, false, fails);
	} while (smaller);
}
