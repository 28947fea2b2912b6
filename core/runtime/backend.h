/*
 * backend.h: backends by name.
 */
#ifndef IL_CORE_RUNTIME_BACKEND_H
#define IL_CORE_RUNTIME_BACKEND_H

#include <interloop/backend.h>

const char *il__backend_flaw(const il_backend *backend); /* why it cannot be used; NULL: it can */
/* -ENOENT: the backend is NULL, perhaps because this thread's last il_backend_find found none. */
int il__refuse_no_backend(const char *function);

#endif
