/**
 * @file subprocess.h
 * @brief The earlier name of process.h.
 */
#ifndef INTERLOOP_SUBPROCESS_H
#define INTERLOOP_SUBPROCESS_H

#include <interloop/process.h>

#endif
