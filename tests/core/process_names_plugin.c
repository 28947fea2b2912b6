/* process_names_plugin.c: a module of which there are two builds. */
int add(void *arg);

int add(void *arg)
{
	*(int *)arg += ADDED;
	return 0;
}
