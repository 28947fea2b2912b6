/*
 * usage.h: --help, and a refusal of what a program does not know, for the examples that are one
 * file. Nothing here is needed to use interloop.
 */
#ifndef USAGE_H
#define USAGE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* First in main. `arguments` is what may follow the program's name, such as "[PORT]"; "":
 * nothing. Ends the program at --help, and if there is an option or one argument too many. */
static inline void usage(int argc, char **argv, const char *arguments)
{
	int most = *arguments ? 1 : 0;
	for (const char *p = arguments; (p = strchr(p, ' ')); p++)
		most++;
	if (argc - 1 <= most && (argc == 1 || argv[1][0] != '-'))
		return;
	bool help = strcmp(argv[1], "--help") == 0;
	fprintf(help ? stdout : stderr, "usage: %s %s\n", argv[0], arguments);
	exit(help ? 0 : 2);
}

#endif
