/*
 * inject.c: decides which call fails. Any thread; an order is given before threads begin.
 */
#include "shim.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OTHER, OUR_CODE, NATIVE_CODE, MODULES_MAX = 16, CHAOS_ONE_IN = 24 };

static struct {
	uintptr_t begin, end;
	int whose;
} modules[MODULES_MAX];
static int module_count;

static struct fault_order order = {.kind = FAULT_COUNT};
static atomic_bool armed;
static atomic_long drawn; /* chaos: calls so far */
static struct fault_report local, *report = &local;

/* ---- whose code calls ---- */

static int whose_module(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	if (strncmp(name, "libinterloop", 12) == 0)
		return OUR_CODE;
	return strncmp(name, "libuv", 5) == 0 || strncmp(name, "libev", 5) == 0 ? NATIVE_CODE
										: OTHER;
}

static int note_module(struct dl_phdr_info *info, size_t size, void *arg)
{
	int whose = whose_module(info->dlpi_name);

	(void)size;
	(void)arg;
	for (int i = 0; whose && i < info->dlpi_phnum && module_count < MODULES_MAX; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
			continue;
		modules[module_count].begin = info->dlpi_addr + p->p_vaddr;
		modules[module_count].end = info->dlpi_addr + p->p_vaddr + p->p_memsz;
		modules[module_count++].whose = whose;
	}
	return 0;
}

static int whose_call(const void *caller)
{
	for (int i = 0; i < module_count; i++)
		if ((uintptr_t)caller >= modules[i].begin && (uintptr_t)caller < modules[i].end)
			return modules[i].whose;
	return OTHER;
}

bool fault_is_ours(const void *caller)
{
	return whose_call(caller) == OUR_CODE;
}

/* ---- which fails ---- */

static void print_injected(const struct fault_entry *e, const void *caller)
{
	Dl_info info;
	char line[300];
	int n;

	if (!getenv(FAULT_TRACE) || !dladdr(caller, &info))
		return;
	n = snprintf(line, sizeof line, "fault: %s at %s+%#zx\n", e->kind.name, info.dli_fname,
		     (size_t)((const char *)caller - (const char *)info.dli_fbase));
	(void)!syscall(SYS_write, STDERR_FILENO, line, (size_t)n);
}

static int fail(const struct fault_entry *e, const void *caller)
{
	if (__atomic_fetch_add(&report->injected, 1, __ATOMIC_RELAXED) == 0)
		report->where = caller;
	print_injected(e, caller);
	if (e->error > 0)
		errno = e->error;
	return e->error;
}

/* A number that looks like chance, of the seed and the call's turn. */
static uint64_t chance(long turn)
{
	uint64_t x = ((uint64_t)turn + (uint64_t)order.n * 1000003u) * 0x9E3779B97F4A7C15u;

	x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9u;
	return x ^ (x >> 32);
}

/* One of the kinds of a call of ours, or none. */
static int hit_by_chance(enum fault_call call, const void *caller)
{
	const struct fault_entry *of_call[8];
	unsigned n = 0;
	uint64_t x;

	if (whose_call(caller) != OUR_CODE)
		return 0;
	x = chance(atomic_fetch_add(&drawn, 1));
	for (int i = 0; i < fault_entry_count && n < 8; i++)
		if (fault_entries[i].call == call && !fault_entries[i].kind.native)
			of_call[n++] = &fault_entries[i];
	return n && x % CHAOS_ONE_IN == 0 ? fail(of_call[(x >> 40) % n], caller) : 0;
}

/* Counts for every kind of the call: so one run tells how often each can fail. */
static int hit_in_turn(enum fault_call call, const void *caller, int whose)
{
	int error = 0;

	for (int i = 0; i < fault_entry_count; i++) {
		const struct fault_entry *e = &fault_entries[i];
		long n;
		if (e->call != call || whose != (e->kind.native ? NATIVE_CODE : OUR_CODE))
			continue;
		n = __atomic_add_fetch(&report->calls[i], 1, __ATOMIC_RELAXED);
		if (i == order.kind && (n == order.n || (order.forever && n > order.n)))
			error = fail(e, caller);
	}
	return error;
}

int fault_hit(enum fault_call call, const void *caller)
{
	int whose;

	if (!atomic_load_explicit(&armed, memory_order_acquire))
		return 0;
	if (order.kind == FAULT_CHAOS)
		return hit_by_chance(call, caller);
	whose = whose_call(caller);
	return whose == OTHER ? 0 : hit_in_turn(call, caller, whose);
}

/* ---- orders ---- */

int fault_kinds(const struct fault_kind **kinds)
{
	static struct fault_kind all[FAULT_KINDS_MAX];

	for (int i = 0; i < fault_entry_count; i++)
		all[i] = fault_entries[i].kind;
	*kinds = all;
	return fault_entry_count;
}

static void arm(const struct fault_order *o)
{
	module_count = 0;
	dl_iterate_phdr(note_module, NULL);
	drawn = 0;
	order = *o;
	fault_live_watch(true);
	atomic_store_explicit(&armed, true, memory_order_release);
}

void fault_arm(const struct fault_order *o)
{
	memset(report, 0, sizeof *report);
	arm(o);
}

void fault_disarm(void)
{
	atomic_store_explicit(&armed, false, memory_order_release);
}

void fault_get_report(struct fault_report *r)
{
	*r = *report;
	r->live = fault_live_count();
}

/* ---- workers ---- */

static void share_report(const char *path)
{
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *shared;

	if (fd < 0)
		return;
	shared = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (shared != MAP_FAILED)
		report = shared;
}

static const char *value_of(const char *name, char **environment)
{
	size_t length = strlen(name);

	for (; *environment; environment++)
		if (strncmp(*environment, name, length) == 0 && (*environment)[length] == '=')
			return *environment + length + 1;
	return NULL;
}

/* Of all workers together it is the n-th call: they count in one report. This comes before all other constructors (-z
 * initfirst), of which the library's serves calls and does not return. */
__attribute__((constructor)) static void begin(int argc, char **argv, char **environment)
{
	const char *words = value_of(FAULT_WORKER_ORDER, environment);
	struct fault_order o = {.kind = FAULT_COUNT};

	if (!words || argc < 2 || strncmp(argv[1], "--interloop-worker=", 19) != 0)
		return;
	o.kind = atoi(words);
	o.n = atol(strchr(words, ' '));
	share_report(value_of(FAULT_WORKER_REPORT, environment));
	arm(&o);
}
