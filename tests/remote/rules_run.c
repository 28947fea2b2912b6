/*
 * rules_run.c: rules.c under a real job server.
 */
#include "support.h"

void test_all(void)
{
	struct server server;

	server_start(&server, 1);
	setenv("IL_TEST_GEARMAND", server.address, 1);
	CHECK_EQ(system(RULES " --in-process 'own_B/*'"), 0);
	CHECK_EQ(system(CORE_RULES " --in-process 'core_B/*'"), 0);
	server_stop(&server);
}
