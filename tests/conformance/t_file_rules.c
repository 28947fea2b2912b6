/*
 * t_file_rules.c: who may use a file, and where; what is appended; what a call that has begun keeps.
 */
#define _GNU_SOURCE
#include "aside.h"
#include "in_child.h"
#include "t_files.h"
#include "v_dump.h"

#include <sys/stat.h>

static il_file *file_of(char path[32], int flags)
{
	il_file *f = NULL;
	int fd;

	strcpy(path, "/tmp/interloop-files-XXXXXX");
	fd = mkstemp(path);
	CHECK(fd >= 0);
	close(fd);
	CHECK_RC(il_file_open(&f, path, flags, 0600), 0);
	return f;
}

/* ---- who may call ---- */

static int call_from_elsewhere(void *file)
{
	il_file *f = NULL;
	char byte = 'x';

	CHECK_RC(il_file_open(&f, "/dev/null", O_RDWR, 0), -EPERM);
	CHECK_RC(il_file_read(file, &byte, 1, 0), -EPERM);
	CHECK_DETAIL("il_file_read");
	CHECK_RC(il_file_write(file, &byte, 1, 0), -EPERM);
	CHECK_DETAIL("il_file_write");
	CHECK_RC(il_file_sync(file), -EPERM);
	CHECK_DETAIL("il_file_sync");
	CHECK_RC(il_file_close(file), -EPERM);
	CHECK(f == NULL);
	return 0;
}

static int call_inherited(void *file)
{
	il_file *f = NULL;
	char byte = 'x';

	CHILD_CHECK(il_file_open(&f, "/dev/null", O_RDWR, 0) == -ESHUTDOWN);
	CHILD_CHECK(il_file_read(file, &byte, 1, 0) == -ESHUTDOWN);
	CHILD_CHECK(il_file_write(file, &byte, 1, 0) == -ESHUTDOWN);
	CHILD_CHECK(il_file_sync(file) == -ESHUTDOWN);
	CHILD_CHECK(il_file_close(file) == -ESHUTDOWN);
	il_file_destroy(file);
	return 0;
}

IL_TEST_REAL(T, a_file_belongs_to_its_thread_to_tasks_and_to_its_process)
{
	char path[32], byte = 0;
	il_file *f = file_of(path, O_RDWR);
	il_portal *p = il_test_portal();
	il_future *done = NULL;

	CHECK_RC(il_test_aside(call_from_elsewhere, f), 0);
	CHECK_RC(il_portal_run_sync_soon(p, &done, call_from_elsewhere, f), 0);
	CHECK_RC(il_future_join(done), 0);
	CHECK_RC(il_portal_close(p), 0);
	CHECK_IN_CHILD(call_inherited, f);
	CHECK_RC(il_file_write(f, "y", 1, 0), 1);
	CHECK_RC(il_file_read(f, &byte, 1, 0), 1);
	CHECK_EQ(byte, 'y');
	il_file_destroy(f);
	unlink(path);
}

/* ---- what is written where ---- */

IL_TEST(T, what_is_appended_goes_to_the_end_whatever_the_offset)
{
	char path[32], data[8] = "";
	il_file *f = file_of(path, O_RDWR | O_APPEND);

	CHECK_RC(il_file_write(f, "one", 3, -1), 3);
	CHECK_RC(il_file_write(f, "two", 3, 0), 3);
	CHECK_RC(il_file_read(f, data, sizeof data - 1, 0), 6);
	CHECK_STR(data, "onetwo");
	il_file_destroy(f);
	unlink(path);
}

IL_TEST(T, a_full_disk_is_said)
{
	il_file *f = NULL;

	CHECK_RC(il_file_open(&f, "/dev/full", O_WRONLY, 0), 0);
	CHECK_RC(il_file_write(f, "x", 1, -1), -ENOSPC);
	CHECK_RC(il_file_close(f), 0);
	il_file_destroy(f);
}

IL_TEST(T, a_new_file_has_its_mode_and_flags)
{
	char path[] = "/tmp/interloop-mode";
	il_file *f = NULL, *again = NULL;
	struct stat st;
	mode_t mask = umask(022);

	unlink(path);
	CHECK_RC(il_file_open(&f, path, O_RDWR | O_CREAT | O_EXCL, 0640), 0);
	CHECK_EQ(fstat(il_file_fd(f), &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0640);
	CHECK_RC(il_file_open(&again, path, O_RDWR | O_CREAT | O_EXCL, 0640), -EEXIST);
	CHECK(again == NULL);
	il_file_destroy(f);
	umask(mask);
	unlink(path);
}

/* ---- a call that has begun ---- */

static int side_read_file(void *arg)
{
	struct side *s = arg;
	int n = il_file_read(s->object, s->text, sizeof s->text - 1, -1);

	s->text[n > 0 ? n : 0] = '\0';
	return n;
}

/* Which stands for a slow disk. */
static void make_fifo(char path[32])
{
	int fd;

	strcpy(path, "/tmp/interloop-fifo-XXXXXX");
	fd = mkstemp(path);
	close(fd);
	unlink(path);
	CHECK_EQ(mkfifo(path, 0600), 0);
}

static void wait_for_begin(void)
{
	char *text = NULL;

	do {
		free(text);
		CHECK_RC(il_sleep(IL_MSEC(1)), 0);
		text = dump_loop();
	} while (!DUMP_HAS(text, "which runs it"));
	free(text);
}

IL_TEST_REAL(T, a_read_that_has_begun_is_waited_for_and_keeps_its_result)
{
	char path[32];
	struct side s = {.rc = 0};
	il_file *f = NULL;

	make_fifo(path);
	CHECK_RC(il_file_open(&f, path, O_RDWR, 0), 0);
	side_start(&s, side_read_file, f);
	wait_for_begin();
	CHECK_RC(il_file_close(f), -EBUSY);
	il_scope_cancel(&s.scope);
	CHECK_RC(il_sleep(IL_MSEC(5)), 0);
	CHECK(!s.ended);
	CHECK_EQ(write(il_file_fd(f), "late", 4), 4);
	CHECK_RC(side_join(&s), 4);
	CHECK_STR(s.text, "late");
	CHECK_RC(il_file_close(f), 0);
	il_file_destroy(f);
	unlink(path);
}

static int side_open_file(void *arg)
{
	struct side *s = arg;

	return il_file_open((il_file **)s->object, s->bytes, O_RDONLY, 0);
}

/* As other code may, by mistake. */
static void give_back_the_calls_token(void)
{
	const void *borrower = NULL;

	wait_for_begin();
	CHECK_EQ(il_limiter_borrowers(il_thread_limiter(), &borrower, 1), 1);
	CHECK_RC(il_limiter_release_on_behalf_of(il_thread_limiter(), borrower), 0);
}

IL_TEST_REAL(T, what_was_done_counts_whatever_becomes_of_the_calls_token)
{
	char path[32];
	struct side reads = {.rc = 0}, opens = {.bytes = path};
	il_file *f = NULL;
	int fd, before;

	make_fifo(path);
	before = open_descriptors();
	side_start(&opens, side_open_file, &f);
	give_back_the_calls_token();
	fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	CHECK(fd >= 0);
	CHECK_RC(side_join(&opens), 0);
	side_start(&reads, side_read_file, f);
	give_back_the_calls_token();
	CHECK_EQ(write(fd, "late", 4), 4);
	CHECK_RC(side_join(&reads), 4);
	CHECK_STR(reads.text, "late");
	close(fd);
	CHECK_RC(il_file_close(f), 0);
	il_file_destroy(f);
	CHECK_EQ(open_descriptors(), before);
	unlink(path);
}
