/*
 * raw_calls.c: what one writes on a native loop to have work done by threads and to be called by them: a
 * queue under a mutex and a wake-up. Everywhere the plain way: a node, a lock, a condition.
 */
#include "echo_load.h"
#include "raw.h"

#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct node {
	struct node *next;
	void *owner;
	pthread_cond_t *done; /* of a call that is waited for */
	bool finished;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct node *head, **tail;
};

static void queue_init(struct queue *q)
{
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->filled, NULL);
	q->head = NULL;
	q->tail = &q->head;
}

/* Under the lock. */
static void append(struct queue *q, struct node *node)
{
	node->next = NULL;
	*q->tail = node;
	q->tail = &node->next;
}

static struct node *take_all(struct queue *q)
{
	struct node *first;

	pthread_mutex_lock(&q->lock);
	first = q->head;
	q->head = NULL;
	q->tail = &q->head;
	pthread_mutex_unlock(&q->lock);
	return first;
}

/* ---- a pool of threads behind a mutex ---- */

struct pool {
	const struct raw *raw;
	void *loop;
	struct queue todo, done;
	const struct bench_case *c;
	void (*landed)(struct pool *pool, struct node *node);
	struct bench_samples samples;
	size_t warm_up, left, pending;
	double begin, cpu;
	struct node one;
};

static void *worker(void *arg)
{
	struct pool *pool = arg;

	for (;;) {
		struct node *node;
		pthread_mutex_lock(&pool->todo.lock);
		while (!pool->todo.head)
			pthread_cond_wait(&pool->todo.filled, &pool->todo.lock);
		node = pool->todo.head;
		pool->todo.head = node->next;
		if (!pool->todo.head)
			pool->todo.tail = &pool->todo.head;
		pthread_mutex_unlock(&pool->todo.lock);
		pthread_mutex_lock(&pool->done.lock);
		append(&pool->done, node);
		pthread_mutex_unlock(&pool->done.lock);
		pool->raw->wake(pool->loop);
	}
	return NULL;
}

static void submit(struct pool *pool, struct node *node)
{
	pthread_mutex_lock(&pool->todo.lock);
	append(&pool->todo, node);
	pthread_cond_signal(&pool->todo.filled);
	pthread_mutex_unlock(&pool->todo.lock);
}

static void on_done(void *arg)
{
	struct pool *pool = arg;
	struct node *node = take_all(&pool->done);

	while (node) {
		struct node *next = node->next;
		pool->landed(pool, node);
		node = next;
	}
}

static void pool_open(struct pool *pool, const struct raw *raw, const struct bench_case *c)
{
	pool->raw = raw;
	pool->c = c;
	queue_init(&pool->todo);
	queue_init(&pool->done);
	pool->loop = raw->open(on_done, pool);
	for (size_t i = 0; i < (c->workers ? c->workers : 1); i++)
		bench_thread(worker, pool);
}

static void next_trip(void *arg)
{
	struct pool *pool = arg;

	pool->begin = bench_ns();
	submit(pool, &pool->one);
}

static void trip_landed(struct pool *pool, struct node *node)
{
	(void)node;
	if (pool->warm_up) {
		if (--pool->warm_up == 0)
			pool->cpu = bench_cpu();
	} else {
		bench_samples_add(&pool->samples, bench_ns() - pool->begin);
		pool->left--;
	}
	if (!pool->left)
		pool->raw->stop(pool->loop);
	else if (pool->c->gap_us)
		pool->raw->after(pool->loop, (double)pool->c->gap_us / 1e6, next_trip, pool);
	else
		next_trip(pool);
}

void raw_pool_trips(const struct raw *raw, const struct bench_case *c, double *values)
{
	static struct pool pool;

	pool.landed = trip_landed;
	pool.warm_up = c->n / 10 + 1;
	pool.left = c->n;
	bench_samples_init(&pool.samples, c->n);
	pool_open(&pool, raw, c);
	next_trip(&pool);
	raw->run(pool.loop);
	values[2] = (bench_cpu() - pool.cpu) / (double)c->n;
	values[1] = bench_samples_mean(&pool.samples);
	values[0] = bench_samples_quantile(&pool.samples, 0.5);
}

static void flight_landed(struct pool *pool, struct node *node)
{
	if (pool->warm_up && --pool->warm_up == 0)
		pool->begin = bench_ns();
	if (pool->left) {
		pool->left--;
		submit(pool, node);
	} else if (--pool->pending == 0) {
		pool->raw->stop(pool->loop);
	}
}

void raw_pool_inflight(const struct raw *raw, const struct bench_case *c, double *values)
{
	static struct pool pool;
	struct node *nodes = calloc(c->inflight, sizeof *nodes);

	pool.landed = flight_landed;
	pool.warm_up = c->inflight;
	pool.left = c->n;
	pool.pending = c->inflight;
	pool_open(&pool, raw, c);
	for (size_t i = 0; nodes && i < c->inflight; i++)
		submit(&pool, &nodes[i]);
	raw->run(pool.loop);
	values[0] = (bench_ns() - pool.begin) / (double)c->n;
}

/* ---- a server ---- */

static struct pool server;
static const char *server_answer;

static void send_answer(int fd)
{
	const size_t size = strlen(server_answer);

	if (send(fd, server_answer, size, MSG_NOSIGNAL) != (ssize_t)size)
		shutdown(fd, SHUT_RDWR);
}

struct request {
	struct node node;
	int fd;
};

static void request_landed(struct pool *pool, struct node *node)
{
	(void)pool;
	send_answer(((struct request *)node)->fd);
	free(node);
}

static void submit_request(int fd)
{
	struct request *request = malloc(sizeof *request);

	if (!request)
		bench_die("no memory");
	request->fd = fd;
	submit(&server, &request->node);
}

void raw_serve(const struct raw *raw, atomic_int *port, const char *answer, size_t workers)
{
	const struct bench_case c = {.workers = workers};
	uint16_t number;
	int listener = echo_listen(&number);

	server_answer = answer;
	server.landed = request_landed;
	pool_open(&server, raw, &c);
	raw->requests(server.loop, listener, workers ? submit_request : send_answer);
	atomic_store(port, number);
	raw->run(server.loop);
}

/* ---- threads that call into the loop and wait ---- */

struct host {
	const struct raw *raw;
	void *loop;
	struct queue calls;
	const struct bench_case *c;
	struct bench_samples samples; /* the first caller's */
	size_t callers, handled;      /* callers: under the lock */
	double begin, cpu;
};

static void on_calls(void *arg)
{
	struct host *host = arg;
	struct node *node = take_all(&host->calls);
	bool last;

	while (node) {
		struct node *next = node->next; /* the caller may go as soon as it is told */
		host->handled++;
		pthread_mutex_lock(&host->calls.lock);
		node->finished = true;
		pthread_cond_signal(node->done);
		pthread_mutex_unlock(&host->calls.lock);
		node = next;
	}
	pthread_mutex_lock(&host->calls.lock);
	last = !host->callers;
	pthread_mutex_unlock(&host->calls.lock);
	if (last)
		host->raw->stop(host->loop);
}

static void call_in(struct host *host, pthread_cond_t *done)
{
	struct node node = {.done = done};

	pthread_mutex_lock(&host->calls.lock);
	append(&host->calls, &node);
	pthread_mutex_unlock(&host->calls.lock);
	host->raw->wake(host->loop);
	pthread_mutex_lock(&host->calls.lock);
	while (!node.finished)
		pthread_cond_wait(done, &host->calls.lock);
	pthread_mutex_unlock(&host->calls.lock);
}

static void *caller(void *arg)
{
	struct host *host = arg;
	const struct bench_case *c = host->c;
	pthread_cond_t done = PTHREAD_COND_INITIALIZER;

	for (size_t i = 0; i < c->n / 10 + 1; i++)
		call_in(host, &done);
	if (c->callers < 2)
		host->cpu = bench_cpu();
	for (size_t i = 0; i < c->n; i++) {
		double begin;
		if (c->gap_us)
			usleep((useconds_t)c->gap_us);
		begin = bench_ns();
		call_in(host, &done);
		if (c->callers < 2)
			bench_samples_add(&host->samples, bench_ns() - begin);
	}
	pthread_mutex_lock(&host->calls.lock);
	host->callers--;
	pthread_mutex_unlock(&host->calls.lock);
	host->raw->wake(host->loop);
	return NULL;
}

void raw_call_in(const struct raw *raw, const struct bench_case *c, double *values)
{
	static struct host host;
	size_t callers = c->callers ? c->callers : 1;
	double begin, calls;

	host.raw = raw;
	host.c = c;
	host.callers = callers;
	queue_init(&host.calls);
	bench_samples_init(&host.samples, c->n);
	host.loop = raw->open(on_calls, &host);
	begin = bench_ns();
	host.cpu = bench_cpu();
	for (size_t i = 0; i < callers; i++)
		bench_thread(caller, &host);
	raw->run(host.loop);
	calls = (double)(callers * (c->n + (callers > 1 ? c->n / 10 + 1 : 0)));
	values[2] = (bench_cpu() - host.cpu) / calls;
	values[1] = callers > 1 ? (bench_ns() - begin) / calls : bench_samples_mean(&host.samples);
	values[0] = callers > 1 ? values[1] : bench_samples_quantile(&host.samples, 0.5);
}

/* ---- threads that post and do not wait ---- */

static void on_posts(void *arg)
{
	struct host *host = arg;
	struct node *node = take_all(&host->calls);

	while (node) {
		struct node *next = node->next;
		free(node);
		host->handled++;
		node = next;
	}
	if (host->handled == host->callers * host->c->n)
		host->raw->stop(host->loop);
}

static void *poster(void *arg)
{
	struct host *host = arg;

	for (size_t i = 0; i < host->c->n; i++) {
		struct node *node = malloc(sizeof *node);
		if (!node)
			bench_die("no memory");
		pthread_mutex_lock(&host->calls.lock);
		append(&host->calls, node);
		pthread_mutex_unlock(&host->calls.lock);
		host->raw->wake(host->loop);
	}
	return NULL;
}

void raw_post(const struct raw *raw, const struct bench_case *c, double *values)
{
	static struct host host;
	double begin;

	host.raw = raw;
	host.c = c;
	host.callers = c->callers;
	queue_init(&host.calls);
	host.loop = raw->open(on_posts, &host);
	begin = bench_ns();
	for (size_t i = 0; i < c->callers; i++)
		bench_thread(poster, &host);
	raw->run(host.loop);
	values[0] = (bench_ns() - begin) / (double)(c->callers * c->n);
}
