/* harness_core.c: tests that need no loop. */
#include "harness.h"

const struct il_native il_native = {.name = "core"};
