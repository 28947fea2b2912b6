/*
 * program.c: makes a program of a seed.
 */
#include "program.h"

struct maker {
	struct program *p;
	uint64_t state;
	int budget;
};

static unsigned draw(struct maker *m, unsigned n)
{
	m->state ^= m->state << 13;
	m->state ^= m->state >> 7;
	m->state ^= m->state << 17;
	return (unsigned)(m->state >> 32) % n;
}

static const il_time times[] = {0, 1, 2, 10, 100, IL_USEC(50), IL_MSEC(1), IL_SEC(1)};

il_time step_time(const struct step *s)
{
	return times[s->time];
}

/* How many steps fit inside one of a kind, at most; 0: none. */
static unsigned room_inside(enum step_kind kind)
{
	switch (kind) {
	case LOCK:
	case TRY_LOCK:
	case PERMIT:
	case TOKEN:
		return 3;
	case SCOPE:
		return 4;
	case GROUP:
	case TASK:
		return 5;
	default:
		return 0;
	}
}

static void make_step(struct maker *m, enum step_kind kind, int depth);

static void make_inside(struct maker *m, enum step_kind kind, int depth)
{
	unsigned n = depth < 6 ? draw(m, room_inside(kind) + 1) : 0;

	for (unsigned i = 0; i < n && m->budget > 0; i++) {
		enum step_kind inner = draw(m, STEP_KINDS);
		if (kind == GROUP && draw(m, 2) == 0)
			inner = TASK;
		else if (inner == TASK)
			inner = SLEEP;
		make_step(m, inner, depth + 1);
	}
}

static void make_step(struct maker *m, enum step_kind kind, int depth)
{
	int at = m->p->count;

	if (at == STEPS_MAX)
		return;
	m->p->count++;
	m->budget--;
	m->p->steps[at] = (struct step){.kind = (uint8_t)kind,
					.a = (uint8_t)draw(m, 256),
					.b = (uint8_t)draw(m, 256),
					.time = (uint8_t)draw(m, sizeof times / sizeof times[0])};
	if (room_inside(kind))
		make_inside(m, kind, depth);
	m->p->steps[at].size = (uint16_t)(m->p->count - at);
}

/* Few steps most of the time: what fails is then small from the start, and many are run in a second. */
struct program program_make(uint64_t seed)
{
	struct program p = {.seed = seed, .schedule = seed};
	struct maker m = {.p = &p, .state = seed * 0x9E3779B97F4A7C15u + 1};

	draw(&m, 2);
	m.budget = 10 + (int)draw(&m, STEPS_MAX / (draw(&m, 4) ? 4u : 1u));
	p.permits = (uint8_t)(1 + draw(&m, 3));
	p.tokens = (uint8_t)(1 + draw(&m, 3));
	p.capacity = (uint8_t)draw(&m, 4);
	p.fast = draw(&m, 2);
	for (unsigned n = 2 + draw(&m, 7); n > 0; n--)
		make_step(&m, TASK, 0);
	while (m.budget > 0 && p.count < STEPS_MAX)
		make_step(&m, TASK, 0);
	return p;
}

int program_length(const struct program *p)
{
	int n = 0;

	for (int i = 0; i < p->count; i += p->steps[i].gone ? p->steps[i].size : 1)
		n += !p->steps[i].gone && !p->steps[i].hollow;
	return n;
}
