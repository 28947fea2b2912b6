/*
 * exceptions.cpp: C++ tasks that are parked while they handle an exception, or while one passes through them. Each has
 * its own, as each thread has.
 *
 *     embed-exceptions [LOOP]        virtual time without LOOP
 *
 * As a module (EXCEPTIONS_MODULE) it is loaded by late_exceptions.c.
 */
#include <interloop.h>

#include <exception>
#include <stdexcept>
#include <stdio.h>
#include <string>

namespace
{

struct part {
	int number;
	bool correct; /* it has met no other's exception */
};

struct scene {
	part *parts;
	int count;
	il_fn *fn;
};

/* Parks, so that the others have come as far before it goes on; in the order that the numbers give. */
void park(const part *p)
{
	il_sleep(IL_MSEC(10 - p->number));
}

bool names(const std::exception &e, const part *p)
{
	return std::to_string(p->number) == e.what();
}

/* `throw;` and what() after a wait in a handler. */
int park_in_a_handler(void *arg)
{
	part *p = static_cast<part *>(arg);
	bool first = false;

	try {
		try {
			throw std::runtime_error(std::to_string(p->number));
		} catch (const std::exception &e) {
			park(p);
			first = names(e, p);
			throw;
		}
	} catch (const std::exception &e) {
		park(p);
		p->correct = first && names(e, p) && std::current_exception();
	}
	p->correct = p->correct && !std::current_exception();
	return 0;
}

/* A handler in a handler, both parked. */
int park_in_nested_handlers(void *arg)
{
	part *p = static_cast<part *>(arg);
	part inner = {p->number + 100, false};

	try {
		throw std::runtime_error(std::to_string(p->number));
	} catch (const std::exception &outer) {
		try {
			park(p);
			throw std::logic_error(std::to_string(inner.number));
		} catch (const std::exception &e) {
			park(p);
			inner.correct = names(e, &inner);
		}
		park(p);
		p->correct = inner.correct && names(outer, p);
	}
	return 0;
}

struct parks_in_its_destructor {
	part *p;
	bool *unwinding;
	~parks_in_its_destructor()
	{
		park(p);
		*unwinding = std::uncaught_exception();
	}
};

/* An exception is on its way while the task is parked; others do not see it. */
int park_while_unwinding(void *arg)
{
	part *p = static_cast<part *>(arg);
	bool unwinding = false;

	if (p->number % 2) {
		park(p);
		park(p);
		p->correct = !std::uncaught_exception() && !std::current_exception();
		return 0;
	}
	try {
		parks_in_its_destructor guard = {p, &unwinding};
		throw std::runtime_error(std::to_string(p->number));
	} catch (const std::exception &e) {
		p->correct = unwinding && names(e, p) && !std::uncaught_exception();
	}
	return 0;
}

int play(const scene *s)
{
	il_group group;
	int rc = il_group_open(&group);

	if (rc < 0)
		return rc;
	for (int i = 0; i < s->count && rc == 0; i++)
		rc = il_group_start_soon(&group, nullptr, s->fn, &s->parts[i]);
	return il_group_close(&group, rc);
}

} // namespace

/* A task; also called by the host of the module. */
extern "C" __attribute__((visibility("default"))) int exceptions(void *arg)
{
	il_fn *const fns[] = {park_in_a_handler, park_in_nested_handlers, park_while_unwinding};
	int failed = 0;

	for (il_fn *fn : fns) {
		part parts[6] = {};
		for (int i = 0; i < 6; i++)
			parts[i].number = i;
		const scene s = {parts, 6, fn};
		int rc = play(&s);
		if (rc < 0)
			return rc;
		for (const part &p : parts)
			failed += !p.correct;
	}
	if (failed)
		fprintf(stderr, "%d tasks met the exception of another\n", failed);
	return failed || arg ? -EPROTO : 0;
}

#ifndef EXCEPTIONS_MODULE
#include <interloop/virtual.h>

int main(int argc, char **argv)
{
	int rc = il_run(argc > 1 ? il_backend_find(argv[1]) : il_virtual(), exceptions, nullptr);

	if (rc < 0)
		fprintf(stderr, "%s: %s\n", il_error_name(rc), il_error_detail());
	return rc < 0;
}
#endif
