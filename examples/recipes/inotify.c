/*
 * inotify.c: a task that is told of changes in a folder, until it is removed; another one makes them.
 */
#include <interloop.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

/* [inotify] */
static int watch_folder(void *folder)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), rc = fd < 0 ? -errno : 0;
	if (rc == 0 && inotify_add_watch(fd, folder, IN_CLOSE_WRITE | IN_DELETE) < 0)
		rc = -errno;
	while (rc == 0 && (rc = il_wait_readable(fd)) == 0) {
		ssize_t n = read(fd, buffer, sizeof(buffer)); /* whole events only */
		for (char *at = buffer; at < buffer + n;) {
			const struct inotify_event *event = (const void *)at;
			if (event->mask & IN_IGNORED)
				rc = -ENOENT; /* the folder is gone */
			else if (event->mask & IN_Q_OVERFLOW)
				printf("too many changes: some are not told\n");
			else
				printf("%s %s\n", event->mask & IN_DELETE ? "deleted" : "written",
				       event->name);
			at += sizeof(*event) + event->len;
		}
	}
	if (fd >= 0)
		close(fd);
	return rc;
}
/* [inotify] */

static int change(void *folder)
{
	il_group group = IL_GROUP_INIT;
	char path[64];
	int rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&group, NULL, watch_folder, folder);
	for (int i = 0; i < 2 && rc == 0; i++) {
		snprintf(path, sizeof(path), "%s/%d", (char *)folder, i);
		il_sleep(IL_MSEC(20));
		FILE *file = fopen(path, "w");
		if (file)
			fclose(file);
		unlink(path);
	}
	rmdir(folder);
	rc = il_group_close(&group, rc);
	printf("the watch ends: %s\n", il_error_name(rc));
	return rc == -ENOENT ? 0 : rc;
}

int main(void)
{
	char folder[] = "/tmp/interloop-XXXXXX";
	const il_backend *backend = il_backend_find(NULL);
	if (!backend || !mkdtemp(folder))
		return 1;
	return il_run(backend, change, folder) < 0;
}
