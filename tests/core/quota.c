/*
 * quota.c: the processors that control groups allow, told by the files of a system of our own: the
 * smallest of all groups around, rounded up, of either version and both.
 */
#define _GNU_SOURCE
#include "../../core/base/os_origin.h"
#include "check.h"

#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>

static char root[64];

static void write_file(const char *path, const char *text)
{
	char whole[512];
	FILE *file;

	snprintf(whole, sizeof whole, "%s%s", root, path);
	for (char *at = whole + strlen(root) + 1; (at = strchr(at, '/')); at++) {
		*at = 0;
		mkdir(whole, 0700);
		*at = '/';
	}
	CHECK((file = fopen(whole, "we")) != NULL);
	CHECK(fputs(text, file) >= 0);
	CHECK(fclose(file) == 0);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	(void)place;
	return remove(path);
}

/* A system of that kind, with nothing in its groups. */
static void begin(const char *groups, const char *mounts)
{
	snprintf(root, sizeof root, "/tmp/quota.XXXXXX");
	CHECK(mkdtemp(root) != NULL);
	if (groups)
		write_file("/proc/self/cgroup", groups);
	if (mounts)
		write_file("/proc/self/mountinfo", mounts);
}

static void end(int expected)
{
	CHECK(il__os_cpu_quota(root) == expected);
	CHECK(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0);
}

#define V2 "25 20 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1                                                                        \
	"20 1 0:4 / /proc rw - proc proc rw\n"                                    \
	"32 31 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"       \
	"33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw," \
	"cpu,cpuacct\n"

static void check_second(void)
{
	begin("0::/a/b\n", V2);
	end(INT_MAX);

	begin("0::/a/b\n", V2);
	write_file("/sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	end(INT_MAX);

	begin("0::/a/b\n", V2);
	write_file("/sys/fs/cgroup/a/b/cpu.max", "150000 100000\n");
	end(2);

	begin("0::/a/b\n", V2);
	write_file("/sys/fs/cgroup/a/b/cpu.max", "1000 100000\n");
	end(1);

	begin("0::/a/b\n", V2); /* the one around it */
	write_file("/sys/fs/cgroup/a/b/cpu.max", "800000 100000\n");
	write_file("/sys/fs/cgroup/a/cpu.max", "300000 100000\n");
	end(3);

	begin("0::/a/b\n", V2); /* and beside it */
	write_file("/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
	write_file("/sys/fs/cgroup/a/c/cpu.max", "100000 100000\n");
	end(4);

	begin("0::/\n", V2); /* a namespace of its own, as in a container */
	write_file("/sys/fs/cgroup/cpu.max", "250000 100000\n");
	end(3);
}

static void check_first(void)
{
	const char *groups = "4:cpuset:/x\n3:cpu,cpuacct:/a/b\n1:name=systemd:/\n";

	begin(groups, V1);
	end(INT_MAX);

	begin(groups, V1);
	write_file("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
	write_file("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
	write_file("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "120000\n");
	write_file("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "50000\n");
	end(3);

	begin(groups, V1); /* another controller's */
	write_file("/sys/fs/cgroup/cpuset/x/cpu.cfs_quota_us", "100000\n");
	write_file("/sys/fs/cgroup/cpuset/x/cpu.cfs_period_us", "100000\n");
	end(INT_MAX);
}

/* A container without a namespace sees its own part of the hierarchy only, by the host's names. */
static void check_part(void)
{
	const char *mounts = "25 20 0:22 /docker/7f /sys/fs/cgroup ro - cgroup2 cgroup2 rw\n";

	begin("0::/docker/7f/app\n", mounts);
	write_file("/sys/fs/cgroup/app/cpu.max", "600000 100000\n");
	write_file("/sys/fs/cgroup/cpu.max", "500000 100000\n");
	end(5);

	begin("0::/docker/7f\n", mounts);
	write_file("/sys/fs/cgroup/cpu.max", "500000 100000\n");
	end(5);

	begin("0::/docker/7f0\n", mounts); /* another group: what is mounted counts */
	write_file("/sys/fs/cgroup/cpu.max", "500000 100000\n");
	write_file("/sys/fs/cgroup/0/cpu.max", "100000 100000\n");
	end(5);

	begin("0::/../elsewhere\n", V2);
	write_file("/sys/fs/cgroup/cpu.max", "500000 100000\n");
	end(5);
}

static void check_both(void)
{
	begin("3:cpu,cpuacct:/a\n0::/b\n", V1 V2);
	write_file("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "200000\n");
	write_file("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
	write_file("/sys/fs/cgroup/b/cpu.max", "100000 100000\n");
	end(1);
}

/* Files that are cut short, or say nothing that we know. */
static void check_strange(void)
{
	begin(NULL, NULL);
	end(INT_MAX);
	begin("0::/a", "25 20 0:22 / /sys/fs/cgroup rw - cgroup2");
	end(INT_MAX);
	begin("::\n0\n0::/a\n", V2);
	write_file("/sys/fs/cgroup/a/cpu.max", "100000\n");
	write_file("/sys/fs/cgroup/cpu.max", "0 0\n");
	end(INT_MAX);
	begin("0::/a\n", V2);
	write_file("/sys/fs/cgroup/a/cpu.max", "9223372036854775807 1\n");
	end(INT_MAX);
}

/* Of this program, by what it was started with. */
static void check_all(void)
{
	int quota = il__os_cpu_quota("");
	cpu_set_t set;

	CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
	CHECK(il_processor_count() == (CPU_COUNT(&set) < quota ? CPU_COUNT(&set) : quota));
}

int main(void)
{
	check_second();
	check_first();
	check_part();
	check_both();
	check_strange();
	check_all();
	return 0;
}
