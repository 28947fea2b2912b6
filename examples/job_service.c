/*
 * job_service.c: jobs by HTTP. A job counts the primes up to a number, in slices, in worker processes (or, with --machines, in
 * worker programs of a Gearman job server); its progress is told by server-sent events, and a page shows the bar.
 *
 *     job_service --port 4711 &             then open http://127.0.0.1:4711/
 *     curl -X POST 127.0.0.1:4711/jobs/5000000        {"id":1}
 *     curl -N 127.0.0.1:4711/jobs/1/events            a line for each step, until it is done
 *     curl -X DELETE 127.0.0.1:4711/jobs/1            cancels it
 *
 * A worker process that dies takes one slice with it, which is given to another.
 */
#include "example.h"
#include "http_relay.h"

#include <interloop/remote.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { JOBS = 16, SLICES = 40, AT_ONCE = 4, LIMIT = 100000000, TRIES = 3 };

#define STILL_THERE IL_SEC(15) /* between two lines of events that say nothing */

enum state { FREE, RUNNING, DONE, CANCELLED, FAILED };
static const char *const states[] = {"free", "running", "done", "cancelled", "failed"};

struct job {
	int id;
	long up_to, primes;
	int slices; /* that are done */
	enum state state;
	il_scope scope; /* in which it runs; zero is IL_SCOPE_INIT */
	struct service *service;
};

struct service {
	const char *machines; /* NULL: worker processes of this program */
	il_executor *pool;
	il_condition *changed; /* of any job */
	il_server *server;
	int last_id;
	struct job jobs[JOBS];
};

struct exchange { /* on the heap: a head is large */
	struct service *service;
	struct http_reader from;
	struct http_head request;
	char path[256];
};

/* ---- the work: in a worker ---- */

struct slice {
	long from, to, primes;
};

static int count_slice(void *arg)
{
	struct slice *s = arg;
	if (getenv("JOB_SERVICE_FRAGILE") && s->from == 2 && s->primes++ == 0)
		raise(SIGKILL); /* for the test: the first slice kills its first worker */
	s->primes = 0;
	for (long n = s->from, d; n < s->to; n++) {
		for (d = 2; d * d <= n && n % d != 0; d++)
			;
		s->primes += d * d > n;
	}
	return 0;
}

/* ---- a job ---- */

/* Waits for its turn: whoever holds the condition looks for itself only. */
static void tell(struct job *job)
{
	struct service *s = job->service;
	if (il_condition_acquire(s->changed) < 0)
		return; /* cancelled: the job's end, or the service's, tells of it */
	il_condition_notify_all(s->changed);
	il_condition_release(s->changed);
}

/* [run] */
struct task_of_slice {
	struct job *job;
	il_semaphore *places; /* AT_ONCE of a job's: the jobs share the workers */
	struct slice slice;
};

static int run_slice(void *arg)
{
	struct task_of_slice *t = arg;
	struct service *s = t->job->service;
	int rc = il_semaphore_acquire(t->places);
	if (rc < 0)
		return rc;
	rc = -EOWNERDEAD;
	for (int i = 0; i < TRIES && rc == -EOWNERDEAD; i++) {
		t->slice.primes = i;
		rc = il_executor_run(s->pool, count_slice, &t->slice, sizeof(t->slice));
	}
	il_semaphore_release(t->places);
	if (rc < 0)
		return rc;
	t->job->primes += t->slice.primes;
	t->job->slices++;
	tell(t->job);
	return 0;
}

static int run_slices(struct job *job)
{
	struct task_of_slice tasks[SLICES];
	il_semaphore *places;
	int rc = il_semaphore_create(&places, AT_ONCE, AT_ONCE);
	if (rc < 0)
		return rc;
	for (int i = 0; i < SLICES; i++) {
		int64_t up_to = job->up_to; /* a long may have 32 bits */
		long from = (long)(up_to * i / SLICES) + 1;
		long to = (long)(up_to * (i + 1) / SLICES) + 1;
		tasks[i] =
		    (struct task_of_slice){job, places, {.from = from < 2 ? 2 : from, .to = to}};
	}
	rc = il_gather(run_slice, tasks, SLICES, sizeof(tasks[0]), NULL);
	il_semaphore_destroy(places);
	return rc;
}

static int run_job(void *arg)
{
	struct job *job = arg;
	int rc = il_scope_enter(&job->scope, IL_FOREVER, 0);
	if (rc == 0)
		rc = il_scope_exit(&job->scope, run_slices(job));
	job->state = il_scope_cancelled(&job->scope) ? CANCELLED : rc < 0 ? FAILED : DONE;
	tell(job);
	return rc == -ECANCELED ? rc : 0;
}
/* [run] */

/* A place for a new one: one that nobody has had, or that of the oldest that is over. */
static struct job *find_place(struct service *s)
{
	struct job *best = NULL;
	for (struct job *j = s->jobs; j < s->jobs + JOBS; j++)
		if (j->state != RUNNING && (!best || j->id < best->id))
			best = j;
	return best;
}

static struct job *find_job(struct service *s, long id)
{
	for (struct job *j = s->jobs; j < s->jobs + JOBS; j++)
		if (j->state != FREE && j->id == id)
			return j;
	return NULL;
}

static int describe(const struct job *j, char *text, size_t size)
{
	return snprintf(text, size,
			"{\"id\":%d,\"up_to\":%ld,\"state\":\"%s\",\"percent\":%d,\"primes\":%ld}",
			j->id, j->up_to, states[j->state], 100 * j->slices / SLICES, j->primes);
}

/* ---- answers ---- */

static bool is_method(const struct exchange *x, const char *method)
{
	return strcmp(x->request.method, method) == 0;
}

static int answer(struct exchange *x, const char *status, const char *type, const char *body)
{
	return il_client_printf(x->from.client,
				"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
				"Cache-Control: no-store\r\nConnection: %s\r\n\r\n%s",
				status, type, strlen(body),
				x->request.keep_alive ? "keep-alive" : "close",
				is_method(x, "HEAD") ? "" : body);
}

static int answer_job(struct exchange *x, const char *status, const struct job *job)
{
	char text[256];
	describe(job, text, sizeof(text));
	return answer(x, status, "application/json", text);
}

static int refuse(struct exchange *x, const char *status)
{
	return answer(x, status, "text/plain", status);
}

static int start_job(struct exchange *x, const char *number)
{
	struct service *s = x->service;
	char *end;
	long up_to = strtol(number, &end, 10);
	if (end == number || *end || up_to < 1 || up_to > LIMIT)
		return refuse(x, "400 Bad Request");
	struct job *job = find_place(s);
	if (!job)
		return refuse(x, "429 Too Many Requests");
	*job = (struct job){.id = ++s->last_id, .up_to = up_to, .state = RUNNING, .service = s};
	int rc = il_server_start_soon(s->server, NULL, run_job, job);
	if (rc < 0) {
		job->state = FREE;
		return refuse(x, "503 Service Unavailable");
	}
	return answer_job(x, "201 Created", job);
}

/* [events] */
struct watch {
	struct service *service;
	const struct job *job;
	int id, slices;
	enum state state;
};

static int has_changed(void *arg)
{
	const struct watch *w = arg;
	return w->job->id != w->id || w->job->slices != w->slices || w->job->state != w->state;
}

static int wait_for_change(void *arg)
{
	struct watch *w = arg;
	int rc = il_condition_acquire(w->service->changed);
	if (rc < 0)
		return rc;
	rc = il_condition_wait_for(w->service->changed, has_changed, w);
	il_condition_release(w->service->changed);
	return rc;
}

/* A line for each change; a client that reads slowly gets fewer of them, and delays nobody. */
static int send_events(struct exchange *x, const struct job *job)
{
	struct watch w = {.service = x->service, .job = job, .id = job->id};
	char text[256];
	int rc = il_client_printf(x->from.client,
				  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
				  "Cache-Control: no-store\r\nConnection: close\r\n\r\n");
	x->request.keep_alive = false;
	while (rc == 0 && job->id == w.id) {
		w.slices = job->slices;
		w.state = job->state;
		describe(job, text, sizeof(text));
		rc = il_client_printf(x->from.client, "data: %s\n\n", text);
		if (rc < 0 || w.state != RUNNING)
			break;
		while (rc == 0 && !has_changed(&w)) {
			rc = il_fail_after(STILL_THERE, wait_for_change, &w);
			if (rc == -ETIMEDOUT)
				rc = il_client_printf(x->from.client, ":\n\n");
			rc = rc > 0 ? 0 : rc;
		}
	}
	return rc;
}
/* [events] */

static const char page[] =
    "<!doctype html><meta charset=utf-8><meta name=viewport "
    "content='width=device-width'><title>Jobs</title>"
    "<style>body{font:16px sans-serif;max-width:40em;margin:1em auto;padding:0 1em}"
    "progress{width:100%;height:1.5em}li{margin:1em 0;list-style:none}ul{padding:0}"
    "@media(prefers-color-scheme:dark){body{background:#222;color:#eee}}</style>"
    "<h1>Jobs</h1><form id=form>Count the primes up to <input id=number type=number value=5000000 "
    "min=1 "
    "max=100000000> <button>Start</button></form><ul id=list></ul><script>"
    "const list=document.getElementById('list');"
    "async function start(n){const job=await(await fetch('/jobs/'+n,{method:'POST'})).json();"
    "const li=document.createElement('li'),bar=document.createElement('progress'),"
    "text=document.createElement('span'),stop=document.createElement('button');"
    "bar.max=100;stop.textContent='Cancel';stop.onclick=()=>fetch('/jobs/"
    "'+job.id,{method:'DELETE'});"
    "li.append(text,' ',stop,bar);list.prepend(li);"
    "const events=new EventSource('/jobs/'+job.id+'/events');"
    "events.onmessage=e=>{const j=JSON.parse(e.data);bar.value=j.percent;"
    "text.textContent=`Job ${j.id}: ${j.primes} primes up to ${j.up_to}, ${j.percent} %, "
    "${j.state}`;"
    "if(j.state!='running'){events.close();stop.remove()}}}"
    "document.getElementById('form').onsubmit=e=>{e.preventDefault();"
    "start(document.getElementById('number').value)};"
    "const first=new "
    "URLSearchParams(location.search).get('start');if(first)start(first)</script>\n";

/* ---- requests ---- */

static int answer_about_job(struct exchange *x, const char *rest)
{
	char *end;
	struct job *job = find_job(x->service, strtol(rest, &end, 10));
	if (end == rest || !job)
		return refuse(x, "404 Not Found");
	if (is_method(x, "GET") && strcmp(end, "/events") == 0)
		return send_events(x, job);
	if (*end)
		return refuse(x, "404 Not Found");
	if (is_method(x, "GET") || is_method(x, "HEAD"))
		return answer_job(x, "200 OK", job);
	if (!is_method(x, "DELETE"))
		return refuse(x, "405 Method Not Allowed");
	if (job->state == RUNNING)
		il_scope_cancel(&job->scope);
	return answer_job(x, "202 Accepted", job);
}

static int answer_request(struct exchange *x)
{
	static const char jobs[] = "/jobs/";
	if (x->request.length > 0 || x->request.chunked) {
		x->request.keep_alive = false; /* no request here has a body */
		return refuse(x, "413 Content Too Large");
	}
	if (sscanf(x->request.line, "%*s %255[^ ?]", x->path) != 1)
		return refuse(x, "400 Bad Request");
	if (strcmp(x->path, "/") == 0)
		return answer(x, "200 OK", "text/html; charset=utf-8", page);
	if (strncmp(x->path, jobs, sizeof(jobs) - 1) != 0)
		return refuse(x, "404 Not Found");
	const char *rest = x->path + sizeof(jobs) - 1;
	return is_method(x, "POST") ? start_job(x, rest) : answer_about_job(x, rest);
}

static int handle(il_client *client, void *data)
{
	struct exchange *x = calloc(1, sizeof(*x));
	int rc;
	if (!x)
		return -ENOMEM;
	x->service = data;
	x->from = (struct http_reader){.client = client,
				       .limit = IL_FOREVER}; /* the server's idle_timeout */
	do {
		rc = http_read_request(&x->from, &x->request);
		if (rc == 1)
			rc = answer_request(x);
		else
			x->request.keep_alive = false;
		if (rc == -EBADMSG || rc == -EMSGSIZE)
			rc = refuse(x, "400 Bad Request");
		else if (rc == -ETIMEDOUT)
			rc = refuse(x, "408 Request Timeout");
	} while (rc == 0 && x->request.keep_alive);
	free(x);
	if (rc == 0)
		return il_client_finish(client, IL_SEC(2));
	il_client_close(client);
	return rc;
}

/* ---- the program ---- */

static int open_pool(struct service *s)
{
	const il_remote_pool_options remote = {.servers = &s->machines, .server_count = 1};
	const il_process_pool_options processes = {.kill_on_cancel = true};
	return s->machines ? il_remote_pool_create(&s->pool, &remote)
			   : il_process_pool_create(&s->pool, &processes);
}

static int service_init(il_exit_stack *stack, il_server *server, void *data)
{
	struct service *s = data;
	s->server = server;
	int rc = open_pool(s);
	if (rc == 0)
		rc = il_exit_stack_executor(stack, s->pool);
	return rc;
}

struct arguments {
	const char *port, *machines;
};

static int serve(void *arg)
{
	const struct arguments *a = arg;
	const struct il_handler handler = {.service_init = service_init, .handle = handle};
	const il_server_options options = {
	    .limits = IL_LIMITS_PUBLIC, .request_timeout = IL_FOREVER, .stop_at_signals = true};
	static struct service s;
	il_server *server;
	s.machines = a->machines;
	int rc = il_condition_create(&s.changed, NULL);
	if (rc == 0)
		rc = il_tcp_server_open(&server, "127.0.0.1", a->port, il_protocol_bytes(),
					&handler, &s, &options);
	if (rc == 0)
		rc = example_serve(server);
	il_condition_destroy(s.changed);
	return rc;
}

static int work(void *machines)
{
	const char *const server = machines, *const names[] = {"count_slice"};
	return il_remote_worker_serve(&(il_remote_worker_options){
	    .servers = &server, .server_count = 1, .names = names, .name_count = 1});
}

int main(int argc, char **argv)
{
	int rc = il_function_register("count_slice", count_slice);
	il_process_worker_main_if_needed();
	example_options(
	    argc, argv,
	    "[--backend NAME] [--port NUMBER] [--machines HOST:PORT] [--work HOST:PORT]");
	struct arguments a = {.port = example_option(argc, argv, "--port", "0"),
			      .machines = example_option(argc, argv, "--machines", NULL)};
	const char *for_server = example_option(argc, argv, "--work", NULL);
	if (rc < 0)
		return example_exit(rc);
	if (for_server)
		return example_main(argc, argv, work, (void *)for_server);
	return example_main(argc, argv, serve, &a);
}
