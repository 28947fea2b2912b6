/*
 * processors.h: included first in interloop-worker and core/remote where these are compiled for program.c: a machine with more
 * processors than a thread pool has workers by default.
 */
#ifndef IL_TESTS_REMOTE_PROCESSORS_H
#define IL_TESTS_REMOTE_PROCESSORS_H

#include <interloop/base.h>

enum { PROCESSORS = 40 };

#define il_processor_count() PROCESSORS

#endif
