/*
 * process_program.c: a program whose file is not where it was when it makes a pool: removed, replaced, without a
 * name from the start, in a folder that is closed to it by now, or started by the name of its loader. Its
 * workers are this build all the same, or it is told why there can be none.
 *
 *     process_program          runs itself in each of these ways
 *     process_program HOW      is such a one, copied before as "./copy"
 */
#define _GNU_SOURCE
#include "../core/check.h"

#include <interloop.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOBODY = 65534 };

extern char **environ;
#ifdef __GLIBC__
#define IS_GLIBC 1
#else
#define IS_GLIBC 0
#endif

static char loader[256], libraries[1024] = "/";

struct place {
	int pid;
	char directory[256];
};

static int look_around(void *arg)
{
	struct place *p = arg;

	p->pid = getpid();
	return getcwd(p->directory, sizeof p->directory) ? 7 : -errno;
}

/* In a worker of this build: the function would not be found by any other. */
static int call(void)
{
	il_process_pool_options options = {.max_workers = 1, .restart_budget = 1};
	struct place p = {.pid = 0};
	il_executor *ex = NULL;
	int rc = il_process_pool_create(&ex, &options);

	if (rc < 0)
		return rc;
	rc = il_executor_run(ex, look_around, &p, sizeof p);
	CHECK(rc < 0 || (p.pid > 0 && p.pid != getpid()));
	il_executor_destroy(ex);
	return rc;
}

/* Workers of workers: these know as much of the program. */
static int call_there(void *arg)
{
	(void)arg;
	return call();
}

static int call_twice(void)
{
	il_executor *ex = NULL;
	int number = 0, rc;

	CHECK(il_process_pool_create(&ex, NULL) == 0);
	rc = il_executor_run(ex, call_there, &number, sizeof number);
	il_executor_destroy(ex);
	return rc;
}

/* ---- the ways ---- */

static void be_removed(void)
{
	CHECK(unlink("copy") == 0);
	CHECK(call() == 7);
}

static void be_replaced(void)
{
	int fd;

	CHECK(unlink("copy") == 0);
	CHECK((fd = open("copy", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700)) >= 0);
	CHECK(write(fd, "#!/bin/false\n", 13) == 13);
	close(fd);
	CHECK(call() == 7);
}

/* Of root, with the rights of nobody: it is not found by its name. */
static void be_shut_out(void)
{
	CHECK(chmod("copy", 0755) == 0 && chmod(".", 0700) == 0);
	CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	CHECK(access("copy", X_OK) < 0);
	CHECK(call() == 7);
}

static void be_loaded(void)
{
	CHECK(chdir("/") == 0);
	CHECK(call() == 7);
	CHECK(call_twice() == 7);
}

static void be_loaded_and_removed(void)
{
	CHECK(unlink("copy") == 0);
	CHECK(call() == -ENOENT);
	CHECK(strstr(il_error_detail(), "loader, which was called by name"));
}

static void be_privileged(void)
{
	CHECK(call() == -ENOTSUP);
	CHECK(strstr(il_error_detail(), "set-user-ID"));
}

static const struct way {
	const char *name;
	void (*be)(void);
} ways[] = {{"removed", be_removed},      {"replaced", be_replaced},
	    {"shut_out", be_shut_out},    {"nameless", be_loaded},
	    {"loaded", be_loaded},        {"loaded_and_removed", be_loaded_and_removed},
	    {"privileged", be_privileged}};

/* ---- starting it ---- */

static int copy_to(int out)
{
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char data[65536];
	ssize_t n;

	CHECK(in >= 0 && out >= 0);
	while ((n = read(in, data, sizeof data)) > 0)
		CHECK(write(out, data, (size_t)n) == n);
	CHECK(n == 0);
	close(in);
	return out;
}

static int note_loader(struct dl_phdr_info *program, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (size_t i = 0; i < program->dlpi_phnum; i++)
		if (program->dlpi_phdr[i].p_type == PT_INTERP)
			snprintf(
			    loader, sizeof loader, "%s",
			    (const char *)(program->dlpi_addr + program->dlpi_phdr[i].p_vaddr));
	return 1;
}

/* A copy elsewhere does not find the libraries beside it. */
static void find_libraries(void)
{
	void *symbol = dlsym(RTLD_DEFAULT, "il_process_pool_create");
	Dl_info info;

	if (!symbol || !dladdr(symbol, &info) || !realpath(info.dli_fname, libraries))
		return;
	*strrchr(libraries, '/') = 0;
	CHECK(setenv("LD_LIBRARY_PATH", libraries, 1) == 0);
}

/* Whether this is root, and others find the libraries, too. */
static bool may_be_nobody(void)
{
	bool found;

	if (geteuid() != 0 || setegid(NOBODY) < 0 || seteuid(NOBODY) < 0)
		return false;
	found = faccessat(AT_FDCWD, libraries, X_OK, AT_EACCESS) == 0;
	CHECK(seteuid(0) == 0 && setegid(0) == 0);
	return found;
}

static void start(const char *how)
{
	char *argv[] = {(char *)(uintptr_t) "./copy", (char *)(uintptr_t)how, NULL};
	char *loaded[] = {loader, (char *)(uintptr_t) "--inhibit-cache",
			  (char *)(uintptr_t) "./copy", (char *)(uintptr_t)how, NULL};
	bool nameless = strcmp(how, "nameless") == 0;
	int fd = nameless ? memfd_create("program", MFD_CLOEXEC)
			  : open("copy", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);

	copy_to(fd);
	if (nameless)
		fexecve(fd, argv, environ);
	close(fd);
	if (strncmp(how, "loaded", 6) == 0)
		execv(loader, loaded);
	if (strcmp(how, "privileged") == 0) {
		CHECK(chmod("copy", 04755) == 0);
		CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
	}
	execv("./copy", argv);
	_exit(99);
}

static void run(const char *how)
{
	char folder[] = "/tmp/process_program.XXXXXX";
	int status = -1;
	pid_t pid;

	CHECK(mkdtemp(folder) != NULL);
	CHECK(chmod(folder, 0755) == 0);
	pid = fork();
	if (pid == 0) {
		CHECK(chdir(folder) == 0);
		start(how);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	if (status != 0)
		fprintf(stderr, "%s: status %#x\n", how, (unsigned)status);
	CHECK(status == 0);
	CHECK(chdir(folder) == 0);
	unlink("copy");
	CHECK(chdir("/") == 0);
	CHECK(rmdir(folder) == 0);
}

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof ways / sizeof ways[0]; i++)
		if (strcmp(argv[1], ways[i].name) == 0)
			return ways[i].be(), 0;
	find_libraries();
	dl_iterate_phdr(note_loader, NULL);
	run("removed");
	run("replaced");
	run("nameless");
	if (loader[0] && IS_GLIBC) { /* others' loaders have other options */
		run("loaded");
		run("loaded_and_removed");
	}
	if (may_be_nobody()) {
		run("shut_out");
#ifdef IL_STATIC /* the others' libraries are not found then */
		run("privileged");
#endif
	}
	return 0;
}
