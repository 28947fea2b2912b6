/* processors.c: see processors.h. The library does not show how it counts: the test has the same
 * source. */
#define _GNU_SOURCE
#include "processors.h"

#include "../../core/base/memory.h"

#include <stdlib.h>

#define il__os_cpu_quota quota_of_groups
#define il__malloc       malloc
#define il__free         free
#include "../../core/base/os_quota.c"

int il_test_processors(const cpu_set_t *cpus)
{
	int quota = quota_of_groups("");

	return CPU_COUNT(cpus) < quota ? CPU_COUNT(cpus) : quota;
}
