/*
 * macros.cpp: what the headers have expanded in the program's code is as good C++ as the program's own: it is
 * compiled here with the warnings that C++ projects like to have as errors.
 */
#include <interloop.h>

#include <stdio.h>

namespace
{

constexpr il_time day = IL_SEC(86400);
static_assert(day == IL_MSEC(86400000) && day == IL_USEC(86400000000) &&
		  day == IL_NSEC(86400000000000) && day < IL_FOREVER,
	      "a time is a constant");
static_assert(IL_BYTES != IL_SHARED && IL_SHARED > 1u << 30, "sizes that no argument has");

il_local key = IL_LOCAL_INIT;

template <typename Number> bool is_a_millisecond(Number one)
{
	const il_time time = IL_MSEC(one);
	return time == 1000000 && IL_USEC(1000 * one) == time && IL_SEC(one) == 1000 * time;
}

bool is_empty(const il_scope &scope, const il_group &group)
{
	for (auto reserved : scope.reserved)
		if (reserved)
			return false;
	for (auto reserved : group.reserved)
		if (reserved)
			return false;
	return !key.name;
}

} // namespace

int main()
{
	il_scope scope = IL_SCOPE_INIT;
	il_group group = IL_GROUP_INIT;

	if (!is_a_millisecond(1) || !is_a_millisecond(1u) || !is_a_millisecond(1.0) ||
	    !is_a_millisecond(il_time{1}) || IL_SEC(0.5f) != IL_MSEC(500)) {
		fprintf(stderr, "a time is not what it says\n");
		return 1;
	}
	scope = IL_SCOPE_INIT;
	group = IL_GROUP_INIT;
	return !is_empty(scope, group);
}
