/*
 * wordcount.c: counts lines, words and bytes of real text, and how often each word occurs, in a pool of
 * threads, of processes, or of other machines, while a task of the loop shows the progress on stderr.
 *
 *     wordcount [--backend NAME] [--text FILE] [--pool threads|processes|machines] [--server SERVER]
 *     wordcount --serve SERVER      a worker program; SERVER: the HOST:PORT of a Gearman job server
 *
 * The text is split at white space; each piece goes to a worker as bytes, and what was found in it
 * comes back as bytes. A piece whose worker process or program was killed is counted once more. The first line of
 * output is that of `wc`, the others are those of `sort | uniq -c` in the C locale.
 */
#include "example.h"

#include <interloop/remote.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE_SIZE = 64 * 1024, SLICE = 32 };

struct word {
	const char *text;
	size_t length, count;
};

struct words {
	struct word *items; /* owned */
	size_t count, capacity;
};

struct text {
	const char *file, *pool, *server;
	char *bytes; /* owned */
	size_t size, lines;
	il_bytes *pieces; /* owned */
	size_t count, done;
	struct words all;
};

/* ---- counting, in a worker ---- */

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int words_add(struct words *words, struct word word)
{
	if (words->count == words->capacity) {
		size_t capacity = words->capacity ? words->capacity * 2 : 1024;
		struct word *items = realloc(words->items, capacity * sizeof(*items));
		if (!items)
			return -ENOMEM;
		words->items = items;
		words->capacity = capacity;
	}
	words->items[words->count++] = word;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct word *x = a, *y = b;
	size_t shorter = x->length < y->length ? x->length : y->length;
	int order = memcmp(x->text, y->text, shorter);
	return order ? order : (x->length > y->length) - (x->length < y->length);
}

/* Sorts the words, and makes one of those that are the same. */
static void words_fold(struct words *words)
{
	size_t kept = 0;
	if (words->count == 0)
		return;
	qsort(words->items, words->count, sizeof(words->items[0]), compare);
	for (size_t i = 1; i < words->count; i++) {
		if (compare(&words->items[kept], &words->items[i]) == 0)
			words->items[kept].count += words->items[i].count;
		else
			words->items[++kept] = words->items[i];
	}
	words->count = kept + 1;
}

/* What was found: the number of lines, and then words. */
static int found_add(il_bytes *found, size_t count, const char *text, size_t length)
{
	int rc = il_bytes_append(found, &count, sizeof(count));
	if (rc == 0)
		rc = il_bytes_append(found, &length, sizeof(length));
	return rc < 0 ? rc : il_bytes_append(found, text, length);
}

/* [count] */
static int count_piece(void *arg)
{
	il_bytes *piece = arg;
	const char *p = piece->in, *end = p + piece->in_size;
	struct words words = {NULL, 0, 0};
	size_t lines = 0;
	int rc = 0;
	while (p < end && rc == 0) {
		const char *begin = p;
		while (p < end && !is_space(*p))
			p++;
		if (p > begin)
			rc = words_add(&words, (struct word){begin, (size_t)(p - begin), 1});
		for (; p < end && is_space(*p); p++)
			lines += *p == '\n';
	}
	words_fold(&words);
	if (rc == 0)
		rc = il_bytes_append(piece, &lines, sizeof(lines));
	for (size_t i = 0; i < words.count && rc == 0; i++) {
		const struct word *word = &words.items[i];
		rc = found_add(piece, word->count, word->text, word->length);
	}
	free(words.items);
	return rc;
}
/* [count] */

/* ---- before and after, each a blocking function too ---- */

static int read_text(void *arg)
{
	struct text *text = arg;
	FILE *file = fopen(text->file, "rb");
	if (!file)
		return -errno;
	int rc = 0;
	size_t got = 0;
	do {
		char *bytes = realloc(text->bytes, text->size + PIECE_SIZE);
		if (!bytes) {
			rc = -ENOMEM;
			break;
		}
		text->bytes = bytes;
		got = fread(bytes + text->size, 1, PIECE_SIZE, file);
		text->size += got;
	} while (got > 0);
	if (ferror(file))
		rc = -EIO;
	fclose(file);
	return rc;
}

static int split_text(struct text *text)
{
	text->pieces = calloc(text->size / PIECE_SIZE + 1, sizeof(text->pieces[0]));
	if (!text->pieces)
		return -ENOMEM;
	for (size_t at = 0; at < text->size;) {
		il_bytes *piece = &text->pieces[text->count++];
		size_t begin = at;
		at = text->size - at > PIECE_SIZE ? at + PIECE_SIZE : text->size;
		while (at < text->size && !is_space(text->bytes[at]))
			at++;
		piece->in = text->bytes + begin;
		piece->in_size = at - begin;
	}
	return 0;
}

/* [found] */
static const char *take(const char *from, size_t *number)
{
	memcpy(number, from, sizeof(*number));
	return from + sizeof(*number);
}

static int merge(void *arg)
{
	struct text *text = arg;
	for (size_t i = 0; i < text->count; i++) {
		const char *p = text->pieces[i].out, *end = p + text->pieces[i].out_size;
		size_t lines;
		p = take(p, &lines);
		text->lines += lines;
		while (p < end) {
			struct word word;
			p = take(p, &word.count);
			p = take(p, &word.length);
			word.text = p;
			p += word.length;
			int rc = words_add(&text->all, word);
			if (rc < 0)
				return rc;
		}
	}
	words_fold(&text->all);
	return 0;
}
/* [found] */

static int print(void *arg)
{
	const struct text *text = arg;
	size_t words = 0;
	for (size_t i = 0; i < text->all.count; i++)
		words += text->all.items[i].count;
	setvbuf(stdout, NULL, _IOFBF, PIECE_SIZE);
	printf("%zu %zu %zu\n", text->lines, words, text->size);
	for (size_t i = 0; i < text->all.count; i++) {
		const struct word *word = &text->all.items[i];
		printf("%7zu ", word->count);
		fwrite(word->text, 1, word->length, stdout);
		putchar('\n');
	}
	return ferror(stdout) || fflush(stdout) == EOF ? -EIO : 0;
}

/* [free] */
static void free_text(struct text *text)
{
	for (size_t i = 0; i < text->count; i++)
		il_bytes_free(&text->pieces[i]);
	free(text->pieces);
	free(text->all.items);
	free(text->bytes);
}
/* [free] */

/* ---- the tasks ---- */

/* [progress] */
static int show_progress(void *arg)
{
	struct text *text = arg;
	int rc;
	do {
		int part = text->count ? (int)(40 * text->done / text->count) : 0;
		fprintf(stderr, "[%.*s%*s] %zu of %zu pieces\n", part,
			"########################################", 40 - part, "", text->done,
			text->count);
		rc = il_sleep(IL_MSEC(50));
	} while (rc == 0);
	return rc;
}
/* [progress] */

/* Brings those that were not counted to the front, and tells how many. */
static size_t undone_first(il_bytes *pieces, const int *results, size_t count)
{
	size_t undone = 0;
	for (size_t i = 0; i < count; i++) {
		if (results[i] >= 0)
			continue;
		il_bytes piece = pieces[i];
		pieces[i] = pieces[undone];
		pieces[undone++] = piece;
	}
	return undone;
}

/* [map] */
static int count_slice(il_executor *pool, il_bytes *pieces, size_t count)
{
	int results[SLICE], rc;
	do {
		rc = il_executor_map(pool, count_piece, pieces, count, IL_BYTES, results,
				     IL_FOREVER);
		count = undone_first(pieces, results, count);
	} while (rc == -EOWNERDEAD); /* somebody killed a worker: its piece once more */
	return rc;
}
/* [map] */

/* [group] */
static int count_words(struct text *text, il_executor *pool)
{
	il_group group;
	int rc = il_group_open(&group);
	if (rc < 0)
		return rc;
	rc = il_group_start_soon(&group, NULL, show_progress, text);
	while (rc == 0 && text->done < text->count) {
		size_t left = text->count - text->done, count = left < SLICE ? left : SLICE;
		rc = count_slice(pool, text->pieces + text->done, count);
		text->done += count;
	}
	il_scope_cancel(il_group_scope(&group)); /* ends show_progress */
	return il_group_close(&group, rc);
}
/* [group] */

static int create_pool(il_executor **pool, const struct text *text)
{
	if (strcmp(text->pool, "machines") == 0)
		return il_remote_pool_create(
		    pool, &(il_remote_pool_options){.servers = &text->server, .server_count = 1});
	if (strcmp(text->pool, "processes") == 0)
		return il_process_pool_create(pool, NULL);
	return il_thread_pool_create(pool, NULL);
}

static int run(void *arg)
{
	struct text *text = arg;
	il_executor *pool;
	int rc = create_pool(&pool, text);
	if (rc < 0)
		return rc;
	rc = il_run_in_thread(read_text, text);
	if (rc == 0)
		rc = split_text(text);
	if (rc == 0)
		rc = count_words(text, pool);
	if (rc == 0)
		rc = il_run_in_thread(merge, text);
	if (rc == 0)
		rc = il_run_in_thread(print, text);
	il_executor_destroy(pool);
	return rc;
}

/* Two at once; until SIGINT. */
static int serve(void *server)
{
	return il_remote_worker_serve(&(il_remote_worker_options){
	    .servers = (const char *const *)&server, .server_count = 1, .slots = 2});
}

int main(int argc, char **argv)
{
	example_options(argc, argv,
			"[--backend NAME] [--text FILE] [--pool threads|processes|machines] "
			"[--server SERVER] [--serve SERVER]");
	struct text text = {.file = example_option(argc, argv, "--text", "/dev/stdin"),
			    .pool = example_option(argc, argv, "--pool", "threads"),
			    .server = example_option(argc, argv, "--server", "127.0.0.1:4730")};
	const char *server = example_option(argc, argv, "--serve", NULL);
	if (il_function_register("wordcount.count_piece", count_piece) < 0)
		return 1;
	if (server)
		return example_main(argc, argv, serve, (void *)(uintptr_t)server);
	int status = example_main(argc, argv, run, &text);
	free_text(&text);
	return status;
}
