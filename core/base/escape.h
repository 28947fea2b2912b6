/*
 * escape.h: text for people. Any thread.
 */
#ifndef IL_CORE_BASE_ESCAPE_H
#define IL_CORE_BASE_ESCAPE_H

#include "base.h"

#include <stdarg.h>

/* Cuts between characters, and shows control characters and what is no UTF-8 as \xNN. Once more changes
 * nothing. */
void il__text_escape(char *to, size_t size, const char *from, size_t length);
/* vsnprintf, escaped: every text that leaves the library is made so, for any may name something foreign. */
void il__text_format(char *to, size_t size, const char *format, va_list args);
/* For "%.*s" of something that may be long: its bytes up to `most`, without half a character at the end. */
int il__text_within(const char *text, size_t most);
/* Where something was cut off behind, or before: `length` without the half character that it ends with, and
 * the bytes of the one that it begins with. */
size_t il__text_cut(const char *text, size_t length);
size_t il__text_rest(const char *text, size_t length);

#endif
