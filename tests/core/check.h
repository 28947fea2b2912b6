/*
 * check.h: all that a program of this directory needs to say that something does not hold.
 */
#ifndef IL_TESTS_CHECK_H
#define IL_TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)       \
	((condition) ? (void)0 \
		     : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), abort()))

#endif
