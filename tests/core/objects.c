/*
 * objects.c: an object is found by the name that it gives itself, whatever its file is called.
 *
 *     core-objects FILE
 */
#include "../../core/base/os.h"
#include "check.h"

#include <dlfcn.h>

int main(int argc, char **argv)
{
	CHECK(argc > 1);
	CHECK(!il__os_loaded_symbol("libcore_renamed.so.1", "add"));
	void *object = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	CHECK(object && dlsym(object, "add"));
	CHECK(il__os_loaded_symbol("libcore_renamed.so.1", "add") == dlsym(object, "add"));
	CHECK(!il__os_loaded_symbol("libcore_renamed.so.2", "add"));
	return dlclose(object);
}
