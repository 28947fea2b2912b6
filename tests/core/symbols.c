/*
 * symbols.c: a function has the name that its object exports, and in a program that lies at a fixed address also those of
 * shared libraries do, whose addresses are then entries of a table of the program's own.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dladdr */
#endif
#include "../../core/base/os.h"
#include "check.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

/* As assemblers leave them that are told no type. */
__asm__(".text\n.globl label_of_no_type\nlabel_of_no_type:\n.long 0\n.previous");
extern const char label_of_no_type[];
void exported(void);

void exported(void)
{
}

static void *address_of(void (*fn)(void))
{
	void *address;

	memcpy(&address, &fn, sizeof address);
	return address;
}

/* The loader's answer is to be had where nobody loads anything. A static program has none. */
static void check_name(const void *address, const char *name)
{
	struct il__os_place place = {.symbol = NULL};
	Dl_info info = {.dli_sname = NULL};

	if (!dladdr(address, &info) || !info.dli_sname || info.dli_saddr != address)
		return;
	CHECK(il__os_find_place(address, &place));
	CHECK(place.symbol && strcmp(place.symbol, name) == 0);
}

int main(void)
{
	check_name(address_of(exported), "exported");
	check_name(label_of_no_type, "label_of_no_type");
	check_name(address_of((void (*)(void))getppid), "getppid");
	return 0;
}
