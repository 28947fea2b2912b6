/*
 * adapter_libpq.c: what is kept beside a connection is found from every file of a program.
 */
#include "../../examples/adapters/libpq.h"
#include "../core/check.h"

PGEventProc event_elsewhere(void);

#ifdef ELSEWHERE

PGEventProc event_elsewhere(void)
{
	return il_pq_event;
}

#else

int main(void)
{
	CHECK(event_elsewhere() == il_pq_event);
	return 0;
}

#endif
