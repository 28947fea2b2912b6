/* plugin.c: what plugin_host.c loads, uses and closes. It leaves behind what it can. */
#include <interloop.h>
#include <interloop/virtual.h>

int plugin_use(void);

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

/* A value of the calling thread; calls that were posted by it; a thread that ends by itself, later.
 */
int plugin_use(void)
{
	static il_local key = IL_LOCAL_INIT;
	il_executor *pool;
	il_portal *portal;
	int rc;

	if (il_local_set(&key, "value") < 0 || il_thread_pool_create(&pool, NULL) < 0)
		return 1;
	rc = il_executor_run(pool, nothing, NULL, 0);
	il_executor_unref(pool);
	if (rc < 0 || il_function_register("nothing", nothing) < 0)
		return 2;
	if (il_backend_register(il_virtual()) < 0 ||
	    il_blocking_portal_start(&portal, il_backend_find("virtual"), NULL) < 0)
		return 3;
	for (int i = 0; i < 100; i++)
		if (il_portal_run_sync_soon(portal, NULL, nothing, NULL) < 0)
			return 4;
	if (il_blocking_portal_stop(portal) < 0)
		return 5;
	return 0;
}
