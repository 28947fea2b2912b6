/*
 * escape.c: text that people read, which may hold bytes that came from outside: names, addresses, paths, what
 * a worker process wrote. A terminal obeys control characters, and a newline forges a line of the log, so
 * they are shown and not passed on. Every text of the log and of il_error_detail() passes through here once
 * it is put together, and our own text has nothing to escape: so no caller has to think of it.
 */
#include "escape.h"

#include <stdarg.h>
#include <stdio.h>

static bool text_continues(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/* Whether it is the shortest form, no surrogate, and not beyond the last character. */
static bool second_fits(const unsigned char *s)
{
	switch (s[0]) {
	case 0xe0:
		return s[1] >= 0xa0;
	case 0xed:
		return s[1] < 0xa0;
	case 0xf0:
		return s[1] >= 0x90;
	case 0xf4:
		return s[1] < 0x90;
	default:
		return true;
	}
}

/* Bytes that a character of UTF-8 beginning with this one has; 0: none begins so. */
static size_t length_from(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
}

/* Bytes of the character at s that can be shown as it is; 0: its first byte cannot. */
static size_t text_printable(const unsigned char *s, size_t left)
{
	size_t length = length_from(s[0]);

	if (length == 0 || length > left)
		return 0;
	if (length == 1)
		return s[0] < 0x20 || s[0] == 0x7f ? 0 : 1;
	for (size_t i = 1; i < length; i++)
		if (!text_continues(s[i]))
			return 0;
	if (!second_fits(s) || (s[0] == 0xc2 && s[1] < 0xa0)) /* C1 controls */
		return 0;
	return length;
}

size_t il__text_cut(const char *text, size_t length)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t begin = length;

	while (begin > 0 && length - begin < 3 && text_continues(s[begin - 1]))
		begin--;
	if (begin == 0 || length_from(s[begin - 1]) <= length - begin + 1)
		return length;
	return begin - 1;
}

size_t il__text_rest(const char *text, size_t length)
{
	size_t begin = 0;

	while (begin < length && begin < 3 && text_continues((unsigned char)text[begin]))
		begin++;
	return begin;
}

int il__text_within(const char *text, size_t most)
{
	size_t length = strnlen(text, most);

	return (int)(length < most ? length : il__text_cut(text, length));
}

void il__text_escape(char *to, size_t size, const char *from, size_t length)
{
	static const char digits[] = "0123456789ABCDEF";
	const unsigned char *s = (const unsigned char *)from;
	size_t n = 0, as_is;

	for (size_t i = 0; i < length; i += as_is ? as_is : 1) {
		as_is = text_printable(s + i, length - i);
		if (n + (as_is ? as_is : 4) >= size)
			break;
		if (as_is) {
			memcpy(to + n, s + i, as_is);
			n += as_is;
		} else {
			to[n++] = '\\';
			to[n++] = 'x';
			to[n++] = digits[s[i] >> 4];
			to[n++] = digits[s[i] & 15];
		}
	}
	to[n] = '\0';
}

void il__text_format(char *to, size_t size, const char *format, va_list args)
{
	char raw[512];
	int whole = vsnprintf(raw, sizeof raw, format, args);
	size_t length = whole > 0 ? (size_t)whole : 0;

	if (length >= sizeof raw)
		length = il__text_cut(raw, sizeof raw - 1);
	il__text_escape(to, size, raw, length);
}
