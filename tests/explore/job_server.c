/*
 * job_server.c: see job_server.h. Each peer has a task that reads and one that writes; what goes to a peer is put into its buffer,
 * so that nobody waits for another one's link.
 */
#include "job_server.h"
#include "../remote/gearman.h"

enum { HEADER = 12, NAMES = 4, NAME = 64, WAKEUP = 2 };

struct job {
	struct job *next, **at;
	struct peer *client, *worker; /* client: NULL: it has gone */
	int lost;                     /* workers that it was lost with */
	char handle[32];
	size_t name_size, size;
	char submitted[]; /* as it came: name, unique, argument */
};

struct peer {
	struct peer *next, **at;
	struct job_server *server;
	il_stream *stream;
	il_semaphore *work; /* at most one permit: there is something to be written */
	char *out;
	size_t out_size;
	bool asleep, submits;
	char names[NAMES][NAME];
};

/* ---- to a peer ---- */

static int put_bytes(struct peer *to, const void *data, size_t size)
{
	char *out = realloc(to->out, to->out_size + size + 1);

	if (!out)
		return -ENOMEM;
	if (size)
		memcpy(out + to->out_size, data, size);
	to->out = out;
	to->out_size += size;
	il_semaphore_release(to->work);
	return 0;
}

static void put_number(char *to, size_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (char)(unsigned char)(value >> (24 - 8 * i));
}

static int put_packet(struct peer *to, unsigned type, const void *data, size_t size)
{
	char header[HEADER] = "\0RES";
	int rc;

	put_number(header + 4, type);
	put_number(header + 8, size);
	rc = put_bytes(to, header, HEADER);
	return rc < 0 ? rc : put_bytes(to, data, size);
}

static int put_text(struct peer *to, unsigned type, const char *text)
{
	return put_packet(to, type, text, strlen(text));
}

static int write_out(void *arg)
{
	struct peer *p = arg;
	int rc = 0;

	while (rc == 0) {
		char *out = p->out;
		size_t size = p->out_size;
		p->out = NULL;
		p->out_size = 0;
		rc = size ? il_stream_write_all(p->stream, out, size)
			  : il_semaphore_acquire(p->work);
		free(out);
	}
	return rc;
}

/* ---- jobs ---- */

static struct job *find_job(struct job_server *s, const char *handle)
{
	struct job *j = s->first;

	while (j && strcmp(j->handle, handle) != 0)
		j = j->next;
	return j;
}

static void remove_job(struct job_server *s, struct job *j)
{
	*j->at = j->next;
	if (j->next)
		j->next->at = j->at;
	else
		s->last = j->at;
	free(j);
}

static bool has_name(const struct peer *p, const char *name)
{
	for (int i = 0; i < NAMES; i++)
		if (strcmp(p->names[i], name) == 0)
			return true;
	return false;
}

static struct job *job_for(const struct peer *worker)
{
	struct job *j = worker->server->first;

	while (j && (j->worker || !has_name(worker, j->submitted)))
		j = j->next;
	return j;
}

/* Some who could take it, as --worker-wakeup says: the first to ask gets it. Those who came first are the first, though they may
 * have gone. */
static int wake_for(struct job_server *s, const char *name)
{
	int woken = 0, rc = 0;

	for (struct peer *p = s->peers; p && woken < WAKEUP && rc == 0; p = p->next)
		if (p->asleep && has_name(p, name)) {
			p->asleep = false;
			rc = put_text(p, NOOP, "");
			woken++;
		}
	return rc;
}

static int submit(struct peer *client, const char *data, size_t size)
{
	struct job_server *s = client->server;
	struct job *j = calloc(1, sizeof *j + size + 1);

	if (!j)
		return -ENOMEM;
	memcpy(j->submitted, data, size);
	j->size = size;
	j->name_size = strlen(j->submitted);
	j->client = client;
	client->submits = true;
	j->at = s->last;
	*s->last = j;
	s->last = &j->next;
	snprintf(j->handle, sizeof j->handle, "H:sim:%u", ++s->handles);
	MUST_DO(put_text(client, JOB_CREATED, j->handle));
	return wake_for(s, j->submitted);
}

static int assign(struct peer *worker)
{
	struct job *j = job_for(worker);
	size_t skip;
	char *body;
	int rc;

	if (!j)
		return put_text(worker, NO_JOB, "");
	skip = strlen(j->handle) + 1;
	body = malloc(skip + j->size);
	if (!body)
		return -ENOMEM;
	memcpy(body, j->handle, skip);
	memcpy(body + skip, j->submitted, j->size);
	j->worker = worker;
	rc = put_packet(worker, JOB_ASSIGN_UNIQ, body, skip + j->size);
	free(body);
	return rc;
}

/* What a worker says of a job goes to its client; at its end it is forgotten. */
static int pass_on(struct peer *worker, unsigned type, const char *data, size_t size)
{
	struct job *j = find_job(worker->server, data);
	int rc = 0;

	if (!j || j->worker != worker)
		return 0;
	if (j->client)
		rc = put_packet(j->client, type, data, size);
	if (type != WORK_STATUS)
		remove_job(worker->server, j);
	return rc;
}

static int tell_status(struct peer *client, const char *handle)
{
	const struct job *j = find_job(client->server, handle);
	char body[128];
	int n = snprintf(body, sizeof body, "%s%c%d%c%d%c0%c0", handle, 0, j != NULL, 0,
			 j && j->worker, 0, 0);

	return put_packet(client, STATUS_RES, body, (size_t)n);
}

static int take_name(struct peer *worker, const char *name)
{
	int i = 0;

	while (i < NAMES - 1 && worker->names[i][0])
		i++;
	snprintf(worker->names[i], NAME, "%s", name);
	return 0;
}

static int fall_asleep(struct peer *worker)
{
	worker->asleep = !job_for(worker);
	return worker->asleep ? 0 : put_text(worker, NOOP, "");
}

/* Its worker has gone. */
static int lose_job(struct job_server *s, struct job *j)
{
	int rc = 0;

	j->worker = NULL;
	if (j->client && ++j->lost < s->retries)
		return wake_for(s, j->submitted);
	if (j->client)
		rc = put_text(j->client, WORK_FAIL, j->handle);
	remove_job(s, j);
	return rc;
}

static void forget_peer(struct peer *p)
{
	struct job *next;

	for (struct job *j = p->server->first; j; j = next) {
		next = j->next;
		if (j->client == p)
			j->client = NULL;
		if (j->worker == p)
			lose_job(p->server, j);
		else if (!j->client && !j->worker)
			remove_job(p->server, j);
	}
}

/* ---- an administrator ---- */

static int cancel(struct peer *p, const char *handle)
{
	struct job *j = find_job(p->server, handle);
	int rc = 0;

	if (!j)
		return put_bytes(p, "ERR UNKNOWN_JOB\r\n", 17);
	if (j->client)
		rc = put_text(j->client, WORK_FAIL, j->handle);
	if (!j->worker) /* one that runs goes on, and its answer comes all the same */
		remove_job(p->server, j);
	return rc < 0 ? rc : put_bytes(p, "OK\r\n", 4);
}

static int list_names(struct peer *p)
{
	char line[NAME + 16];
	int rc = 0;

	for (const struct peer *w = p->server->peers; w && rc == 0; w = w->next)
		for (int i = 0; i < NAMES && w->names[i][0] && rc == 0; i++)
			rc = put_bytes(
			    p, line,
			    (size_t)snprintf(line, sizeof line, "%s\t0\t0\t1\n", w->names[i]));
	return rc < 0 ? rc : put_bytes(p, ".\n", 2);
}

static int obey(struct peer *p, const char *line)
{
	if (p->server->mute)
		return 0;
	if (strncmp(line, "cancel job ", 11) == 0)
		return p->server->unable ? put_bytes(p, "ERR UNKNOWN_COMMAND\r\n", 21)
					 : cancel(p, line + 11);
	MUST(strcmp(line, "status") == 0);
	return list_names(p);
}

/* ---- a peer ---- */

static int take_packet(struct peer *p, unsigned type, const char *data, size_t size)
{
	switch (type) {
	case CAN_DO:
		return take_name(p, data);
	case SUBMIT_JOB:
		return submit(p, data, size);
	case GRAB_JOB_UNIQ:
		return assign(p);
	case PRE_SLEEP:
		return fall_asleep(p);
	case WORK_STATUS:
	case WORK_COMPLETE:
	case WORK_FAIL:
	case WORK_EXCEPTION:
		return pass_on(p, type, data, size);
	case GET_STATUS:
		return tell_status(p, data);
	case ECHO_REQ:
		return put_packet(p, ECHO_RES, data, size);
	case OPTION_REQ:
		return put_packet(p, OPTION_RES, data, size);
	default:
		return il_fail(-EBADMSG, "a job server got a packet of type %u", type);
	}
}

static size_t number(const char *from)
{
	size_t value = 0;

	for (int i = 0; i < 4; i++)
		value = value << 8 | (unsigned char)from[i];
	return value;
}

/* Behind the NUL that it begins with. */
static int receive_packet(struct peer *p)
{
	char h[HEADER - 1], *data;
	int rc = il_stream_receive_exactly(p->stream, h, sizeof h);
	size_t size;

	if (rc < 0)
		return rc;
	MUST(memcmp(h, "REQ", 3) == 0);
	size = number(h + 7);
	data = calloc(1, size + 1);
	if (!data)
		return -ENOMEM;
	rc = size ? il_stream_receive_exactly(p->stream, data, size) : 0;
	if (rc >= 0)
		rc = take_packet(p, (unsigned)number(h + 3), data, size);
	free(data);
	return rc;
}

static int receive_line(struct peer *p, char first)
{
	char line[256] = {first};
	int rc = il_stream_receive_until(p->stream, line + 1, sizeof line - 2, "\n", 1);

	return rc < 0 ? rc : obey(p, line);
}

static int receive(void *arg)
{
	struct peer *p = arg;
	char first;
	int rc;

	do {
		rc = il_stream_receive_exactly(p->stream, &first, 1);
		if (p->server->deaf && p->submits)
			return il_sleep_forever();
		if (rc >= 0)
			rc = first ? receive_line(p, first) : receive_packet(p);
	} while (rc >= 0);
	return rc;
}

static int talk(struct peer *p)
{
	il_group group;

	MUST_DO(il_semaphore_create(&p->work, 0, 1));
	MUST_DO(il_group_open(&group));
	MUST_DO(il_group_start_soon(&group, NULL, write_out, p));
	return il_group_close(&group, receive(p));
}

/* A peer's end is no failure of the server; what it may not send is. */
static int serve_peer(void *arg)
{
	struct peer *p = arg;
	int rc = talk(p);

	*p->at = p->next;
	if (p->next)
		p->next->at = p->at;
	forget_peer(p);
	il_stream_destroy(p->stream);
	il_semaphore_destroy(p->work);
	free(p->out);
	free(p);
	return rc == -EBADMSG || rc == -ENOMEM ? rc : 0;
}

static int accept_peer(struct job_server *s, il_listener *l, il_group *group)
{
	struct peer *p = calloc(1, sizeof *p);
	int rc = p ? il_listener_accept(l, &p->stream) : -ENOMEM;

	if (rc < 0) {
		free(p);
		return rc;
	}
	p->server = s;
	p->at = &s->peers;
	while (*p->at)
		p->at = &(*p->at)->next;
	*p->at = p;
	return il_group_start_soon(group, NULL, serve_peer, p);
}

int job_server_run(void *arg)
{
	struct job_server *s = arg;
	il_listener *l;
	il_group group;
	int rc;

	s->last = &s->first;
	s->handles = 0;
	MUST_DO(il_listener_open_tcp(&l, NULL, "4730", NULL));
	MUST_DO(il_group_open(&group));
	do
		rc = accept_peer(s, l, &group);
	while (rc == 0);
	rc = il_group_close(&group, rc);
	il_listener_destroy(l);
	return rc;
}

int job_server_queued(const struct job_server *s)
{
	int count = 0;

	for (const struct job *j = s->first; j; j = j->next)
		count += !j->worker;
	return count;
}
