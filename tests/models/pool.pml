/*
 * pool.pml: core/executor/thread_worker.c and thread_pool.c: calls are queued, workers rest and are roused one at a time
 * (`waking`), each rouses the next while there are calls, one that rests too long ends. Every call is run, by somebody; no
 * worker sleeps for good on a wake-up that went to nobody.
 *
 * Orders: all of it is under the pool's lock, except the wake-up itself, which goes to the worker's parker after the
 * lock was given back: see parker.pml for its orders. A worker that timed out and is no longer in `idle` was assigned:
 * it waits for that wake-up, which is on its way, so that the waker does not touch a parker of the next rest.
 */
#define CALLS 3
#define WORKERS 2

byte queued = 0, done = 0, submitted = 0;
bool waking = false, locked = false;
bool idle[WORKERS], parked[WORKERS], woken[WORKERS], ended[WORKERS];
byte live = WORKERS;

inline lock()   { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

/* Under the lock: someone to wake, WORKERS if there is none. */
inline rouse(who)
{
	who = WORKERS;
	if
	:: !waking && queued > 0 && idle[0] -> who = 0
	:: !waking && queued > 0 && idle[1] -> who = 1
	:: else
	fi;
	if
	:: who < WORKERS -> idle[who] = false; waking = true
	:: else
	fi
}

inline wake(who)
{
	if
	:: who < WORKERS -> assert(!woken[who]); woken[who] = true
	:: else
	fi
}

/* Its time is up now and then, but a pool keeps one worker, or its calls would wait for the next submit. */
proctype worker(byte me)
{
	byte next;
	bool timed_out;

again:	lock();
	do
	:: queued > 0 ->
		queued--;
		rouse(next);
		unlock();
		wake(next);
		done++;
		lock()
	:: else ->
		if
		:: done == CALLS -> unlock(); goto over
		:: else
		fi;
		woken[me] = false;
		idle[me] = true;
		unlock();
		timed_out = false;
		if
		:: woken[me]
		:: done == CALLS -> goto over /* the pool is shut down */
		:: me == 1 -> timed_out = true
		fi;
		lock();
		if
		:: timed_out && idle[me] ->
			idle[me] = false;
			if
#ifndef PLANTED
			:: queued > 0 -> skip
			:: queued == 0 -> ended[me] = true; unlock(); goto over
#else /* planted: it takes a wake-up that it was assigned for its own end */
			:: ended[me] = true; unlock(); goto over
#endif
			fi
		:: timed_out && !idle[me] ->
#ifndef PLANTED
			unlock();
			(woken[me]);
			lock();
			waking = false
#else
			ended[me] = true; unlock(); goto over
#endif
		:: else -> waking = false
		fi
	od;
over:	skip
}

active proctype submitter()
{
	byte who;

	do
	:: submitted < CALLS ->
		lock();
		queued++;
		submitted++;
		rouse(who);
		unlock();
		wake(who)
	:: else -> break
	od
}

init {
	atomic { run worker(0); run worker(1) }
	timeout -> assert(done == CALLS)
}
