/*
 * os_symbols.c: where a function lies: its symbol, or its object and how far from the object's begin. dladdr would wait
 * for a dlopen of another thread, constructors included, which may wait for us; so the tables of the objects are
 * read as the loader has them, under a lock that it holds for moments only. Any thread.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* dl_iterate_phdr, dladdr */
#endif
#include "base.h"
#include "os.h"

#include <dlfcn.h>

/* An object's file without its folders. */
static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

#if IL__LINUX
#include "os_dynamic.h"

/* Of the two hash tables, of which an object may have both, one tells how many symbols there are. */
struct symbols {
	const ElfW(Sym) * table;
	const char *names;
	const uint32_t *gnu_hash;
	const Elf_Symndx *hash; /* 64 bits wide on few systems */
};

struct search {
	uintptr_t address;
	struct il__os_place *place;
};

static void symbols_take(struct symbols *s, const struct dl_phdr_info *object, const ElfW(Dyn) * d)
{
	for (; d->d_tag != DT_NULL; d++) {
		const void *part = il__dynamic_part(object, d->d_un.d_ptr);
		if (d->d_tag == DT_SYMTAB)
			s->table = part;
		else if (d->d_tag == DT_STRTAB)
			s->names = part;
		else if (d->d_tag == DT_GNU_HASH)
			s->gnu_hash = part;
		else if (d->d_tag == DT_HASH)
			s->hash = part;
	}
}

/* A table does not say how long it is: the last chain of its hash table ends with it. */
static size_t symbols_count(const struct symbols *s)
{
	const uint32_t *h = s->gnu_hash, *buckets, *chains;
	size_t last = 0;

	if (!h)
		return s->hash ? s->hash[1] : 0;
	buckets = h + 4 + h[2] * (sizeof(ElfW(Addr)) / sizeof *h);
	chains = buckets + h[0];
	for (size_t i = 0; i < h[0]; i++)
		if (buckets[i] > last)
			last = buckets[i];
	if (last < h[1]) /* all chains are empty */
		return h[1];
	while (!(chains[last - h[1]] & 1))
		last++;
	return last + 1;
}

/* One that is undefined has a value only where it is a function of another object, whose address is an entry of a
 * table of this one: in programs that lie at a fixed address. Some assembler code gives its functions no type. */
static bool symbol_is_function(const ElfW(Sym) * symbol)
{
	const unsigned type = ELF32_ST_TYPE(symbol->st_info);

	return symbol->st_value != 0 && symbol->st_shndx != SHN_ABS &&
	       (type == STT_FUNC || type == STT_NOTYPE || type == STT_GNU_IFUNC);
}

static const char *symbols_name(const struct symbols *s, uintptr_t value)
{
	const size_t count = s->table && s->names ? symbols_count(s) : 0;

	for (size_t i = 0; i < count; i++) {
		const ElfW(Sym) *symbol = &s->table[i];
		if (symbol->st_value == value && symbol_is_function(symbol))
			return s->names + symbol->st_name;
	}
	return NULL;
}

static int look_into(struct dl_phdr_info *object, size_t size, void *arg)
{
	const struct search *search = arg;
	const uintptr_t value = search->address - object->dlpi_addr;
	const ElfW(Phdr) *first = NULL;
	struct symbols symbols = {.table = NULL};
	bool here = false;

	(void)size;
	for (size_t i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &object->dlpi_phdr[i];
		if (p->p_type == PT_LOAD) {
			first = first ? first : p;
			here = here || value - p->p_vaddr < p->p_memsz;
		} else if (p->p_type == PT_DYNAMIC) {
			symbols_take(&symbols, object,
				     (const void *)(object->dlpi_addr + p->p_vaddr));
		}
	}
	if (!here)
		return 0;
	search->place->symbol = symbols_name(&symbols, value);
	search->place->object =
	    last_part(object->dlpi_name[0] ? object->dlpi_name : program_invocation_short_name);
	search->place->offset = value - first->p_vaddr;
	return 1;
}

bool il__os_find_place(const void *address, struct il__os_place *place)
{
	struct search search = {(uintptr_t)address, place};

	return dl_iterate_phdr(look_into, &search) != 0;
}
#else
bool il__os_find_place(const void *address, struct il__os_place *place)
{
	Dl_info info;

	if (!dladdr(address, &info) || !info.dli_fname)
		return false;
	place->symbol = info.dli_saddr == address ? info.dli_sname : NULL;
	place->object = last_part(info.dli_fname);
	place->offset = (size_t)((const char *)address - (const char *)info.dli_fbase);
	return true;
}
#endif
