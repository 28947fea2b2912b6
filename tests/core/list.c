/* list.c: intrusive lists keep their order, and an unlinked node points to itself. */
#include "../../core/base/list.h"
#include "check.h"

struct item {
	int n;
	struct il__list link;
};

static int sum_in_order(struct il__list *list)
{
	int sum = 0;

	il__list_each (node, list)
		sum = 10 * sum + il__container_of(node, struct item, link)->n;
	return sum;
}

int main(void)
{
	struct il__list a, b;
	struct item items[4] = {{.n = 1}, {.n = 2}, {.n = 3}, {.n = 4}};

	il__list_init(&a);
	il__list_init(&b);
	CHECK(il__list_empty(&a) && !il__list_pop(&a));
	il__list_push(&a, &items[1].link);
	il__list_push(&a, &items[2].link);
	il__list_push_front(&a, &items[0].link);
	il__list_push(&b, &items[3].link);
	CHECK(sum_in_order(&a) == 123);
	il__list_splice(&a, &b);
	CHECK(sum_in_order(&a) == 1234 && il__list_empty(&b));
	il__list_splice(&a, &b);
	il__list_remove(&items[2].link);
	il__list_remove(&items[2].link);
	CHECK(il__list_empty(&items[2].link) && sum_in_order(&a) == 124);
	il__list_each_safe (node, &a)
		il__list_remove(node);
	CHECK(il__list_empty(&a));
	return 0;
}
