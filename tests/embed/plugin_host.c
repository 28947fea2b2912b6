/*
 * plugin_host.c PLUGIN: a host that does not know the library opens a plugin that uses it, and
 * closes it again, twice, each time in a thread that then ends; it forks; and it lives on.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *path;

static void *use(void *failed)
{
	void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void *address = plugin ? dlsym(plugin, "plugin_use") : NULL;
	int (*call)(void);
	int rc = -1;

	memcpy(&call, &address, sizeof call);
	if (address)
		rc = call();
	if (rc != 0)
		fprintf(stderr, "plugin_use: %d %s\n", rc, plugin ? "" : dlerror());
	*(int *)failed |= rc != 0;
	if (plugin)
		dlclose(plugin);
	return NULL;
}

int main(int argc, char **argv)
{
	int failed = 0, status = 0;
	pid_t child;

	path = argc > 1 ? argv[1] : "";
	for (int n = 0; n < 2; n++) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, use, &failed) != 0)
			return 1;
		pthread_join(thread, NULL);
	}
	child = fork();
	if (child == 0)
		_exit(0);
	waitpid(child, &status, 0);
	return failed || status != 0;
}
