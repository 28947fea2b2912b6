/* harness_virtual.c: virtual time has no native loop to adopt. */
#include "harness.h"

#include <interloop/virtual.h>

const struct il_native il_native = {.name = "virtual", .virtual_time = true, .backend = il_virtual};
