/*
 * process_pool.c: one call in a worker process: a pool, a struct there and back, an answer.
 */
#include <interloop.h>
#include <stdio.h>
#include <string.h>

struct power { /* flat: no pointers */
	int base, exponent;
	long result;
};

static int raise_power(void *arg) /* in another process: it may crash, only this call fails */
{
	struct power *p = arg;
	p->result = 1;
	for (int i = 0; i < p->exponent; i++)
		p->result *= p->base;
	return 0;
}

static int run(void *arg)
{
	(void)arg;
	struct power p = {.base = 3, .exponent = 13};
	il_executor *pool;
	int rc = il_process_pool_create(&pool, NULL); /* as many workers as processors */
	if (rc < 0)
		return rc;
	rc = il_executor_run(pool, raise_power, &p, sizeof(p)); /* parks this task */
	if (rc == 0)
		printf("%d to the power of %d is %ld\n", p.base, p.exponent, p.result);
	il_executor_destroy(pool);
	return rc;
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		printf("usage: process_pool\n");
		return strcmp(argv[1], "--help") == 0 ? 0 : 2;
	}
	int rc = il_run(il_backend_find(NULL), run, NULL);
	if (rc < 0)
		fprintf(stderr, "%s: %s\n", il_error_name(rc), il_error_detail());
	return rc < 0;
}
