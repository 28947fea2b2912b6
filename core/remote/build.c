/*
 * build.c: the name of a build: the file that a function lies in, and its build ID. Two builds of one function may differ in what
 * it takes and gives; the name says which they are when something does not match. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "envelope.h"

#include <link.h>
#include <stdio.h>
#include <string.h>

struct search {
	uintptr_t address;
	char *name;
};

static bool has_address(const struct dl_phdr_info *info, uintptr_t address)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		uintptr_t start = (uintptr_t)(info->dlpi_addr + h->p_vaddr);
		if (h->p_type == PT_LOAD && address >= start && address - start < h->p_memsz)
			return true;
	}
	return false;
}

/* The note of the linker's: 20 bytes as a rule, of which the first 8 tell builds apart. False: it is not among these. */
static bool append_build_id(const char *notes, size_t size, char *name)
{
	while (size >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *n = (const void *)notes;
		size_t name_size = (n->n_namesz + 3u) & ~3u, all;
		const unsigned char *id = (const unsigned char *)(n + 1) + name_size;
		all = sizeof *n + name_size + ((n->n_descsz + 3u) & ~3u);
		if (all > size)
			return false;
		if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 && n->n_descsz >= 8) {
			size_t at = strlen(name);
			name[at++] = '-';
			for (int i = 0; i < 8; i++)
				snprintf(name + at + 2 * i, 3, "%02x", id[i]);
			return true;
		}
		notes += all;
		size -= all;
	}
	return false;
}

static int name_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *s = arg;
	const char *path = info->dlpi_name[0] ? info->dlpi_name : program_invocation_short_name;
	const char *slash = strrchr(path, '/');
	bool found = false;

	(void)size;
	if (s->address && !has_address(info, s->address))
		return 0;
	snprintf(s->name, IL__REMOTE_BUILD_MAX - 17, "%s", slash ? slash + 1 : path);
	for (int i = 0; i < info->dlpi_phnum && !found; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		found = h->p_type == PT_NOTE &&
			append_build_id((const char *)(info->dlpi_addr + h->p_vaddr), h->p_memsz,
					s->name);
	}
	return 1;
}

/* What a thread has asked for: the search takes longer than all else that is done for a short call. */
void il__remote_name_build(char name[IL__REMOTE_BUILD_MAX + 1], il_fn *fn)
{
	static _Thread_local struct known {
		il_fn *fn;
		char name[IL__REMOTE_BUILD_MAX + 1];
	} known[8];
	struct known *k = &known[(uintptr_t)fn / 16 % 8];
	struct search s = {(uintptr_t)fn, k->name};

	if (k->fn != fn || !k->name[0]) {
		snprintf(k->name, sizeof k->name, "unknown");
		dl_iterate_phdr(name_object, &s);
		k->fn = fn;
	}
	strcpy(name, k->name);
}
