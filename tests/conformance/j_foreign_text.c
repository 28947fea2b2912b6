/*
 * j_foreign_text.c: what comes from outside is shown escaped, in il_error_detail() and in the log: nobody
 * outside writes a line of our log, or moves the cursor of who reads it.
 */
#include "harness.h"

#include <stdio.h>

static void check_shown(const char *name, const char *shown)
{
	char expected[200];

	snprintf(expected, sizeof expected, "backend \"%s\"", shown);
	CHECK(il_backend_find(name) == NULL);
	if (!strstr(il_error_detail(), expected))
		il_test_fail(__FILE__, __LINE__, "\"%s\", expected %s", il_error_detail(),
			     expected);
}

IL_TEST_CORE(J, control_characters_are_shown_escaped)
{
	check_shown("a\033[2Jb", "a\\x1B[2Jb");
	check_shown("a\r\nb\tc", "a\\x0D\\x0Ab\\x09c");
	check_shown("\001\177", "\\x01\\x7F");
	check_shown("\xc2\x9b"
		    "31m",
		    "\\xC2\\x9B"
		    "31m"); /* C1: another ESC [ */
	check_shown("\\x41", "\\x41");
}

IL_TEST_CORE(J, text_in_utf8_stays_and_nothing_else_does)
{
	check_shown("Gr\xc3\xbc\xc3\x9f"
		    "e \xe2\x82\xac \xf0\x9f\x90\x8c",
		    "Gr\xc3\xbc\xc3\x9f"
		    "e \xe2\x82\xac \xf0\x9f\x90\x8c");
	check_shown("\xc2\xa0\xed\x9f\xbf\xef\xbf\xbf", "\xc2\xa0\xed\x9f\xbf\xef\xbf\xbf");
	check_shown("\xfc x", "\\xFC x");                        /* Latin-1 */
	check_shown("\xc0\xaf", "\\xC0\\xAF");                   /* longer than need be */
	check_shown("\xe0\x9f\xbf", "\\xE0\\x9F\\xBF");          /* likewise */
	check_shown("\xed\xa0\x80", "\\xED\\xA0\\x80");          /* a surrogate */
	check_shown("\xf4\x90\x80\x80", "\\xF4\\x90\\x80\\x80"); /* beyond the last character */
	check_shown("\xe2\x82x", "\\xE2\\x82x");                 /* half a character */
	check_shown("\x80\xff", "\\x80\\xFF");
}

/* Of a text that is too long nothing is left of the character, or the escape, that does not fit. */
IL_TEST_CORE(J, a_text_is_cut_between_characters)
{
	static const char *const units[] = {"\xe2\x82\xac", "\033", "\xf0\x9f\x90\x8c"};
	static const char *const shown[] = {"\xe2\x82\xac", "\\x1B", "\xf0\x9f\x90\x8c"};

	for (size_t u = 0; u < 3; u++)
		for (size_t offset = 0; offset < 4; offset++) {
			char name[800] = "....";
			const char *rest;
			name[offset] = 0;
			while (strlen(name) < 700)
				strcat(name, units[u]);
			CHECK(il_backend_find(name) == NULL);
			rest = strstr(il_error_detail(), shown[u]);
			CHECK(rest != NULL);
			for (; rest && *rest; rest += strlen(shown[u]))
				CHECK_EQ(strncmp(rest, shown[u], strlen(shown[u])), 0);
		}
}
