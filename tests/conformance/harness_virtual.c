/* harness_virtual.c: virtual time has no native loop to adopt. */
#include "harness.h"

#include <interloop/virtual.h>

const struct il_native il_native = {.backend = il_virtual};
