/*
 * adapters.cpp: the adapters for other libraries are C++, too, for they are copied into programs. It is only compiled;
 * what is not installed is left out.
 */
#if __has_include(<ares.h>)
#include "../../examples/adapters/c-ares.h"
#endif
#if __has_include(<hiredis/async.h>)
#include "../../examples/adapters/hiredis.h"
#endif
#if __has_include(<curl/curl.h>)
#include "../../examples/adapters/libcurl.h"
#endif
#if __has_include(<libpq-fe.h>)
#include "../../examples/adapters/libpq.h"
#endif
