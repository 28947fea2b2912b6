/*
 * late_exceptions.c: a program in C that loads a plugin in C++ while its loop runs: the C++ runtime comes with the
 * plugin.
 *
 *     embed-late_exceptions MODULE [LOOP]
 */
#include <interloop.h>
#include <interloop/virtual.h>

#include <dlfcn.h>
#include <stdio.h>

static int load_and_run(void *path)
{
	void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	il_group group;
	il_fn *fn;

	if (!module || !(*(void **)&fn = dlsym(module, "exceptions"))) {
		fprintf(stderr, "%s\n", dlerror());
		return -ENOENT;
	}
	if (il_group_open(&group) < 0)
		return -EPERM;
	return il_group_close(&group, il_group_start_soon(&group, NULL, fn, NULL));
}

int main(int argc, char **argv)
{
	int rc;

	if (argc < 2)
		return 2;
	rc = il_run(argc > 2 ? il_backend_find(argv[2]) : il_virtual(), load_and_run, argv[1]);
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", il_error_name(rc), il_error_detail());
	return rc < 0;
}
