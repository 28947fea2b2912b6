/* slow_plugin.c: a plugin whose constructor takes as long as slow_plugin_host.c, which loads it, wants. */
void plugin_constructs(void);

__attribute__((constructor)) static void construct(void)
{
	plugin_constructs();
}
