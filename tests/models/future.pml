/*
 * future.pml: core/runtime/future.c: a producer begins and completes a future, somebody cancels it, somebody waits with a
 * time limit, all drop their references. The outcome is fixed once; who waits is woken or has left, and not woken after
 * he has left; the last one who drops a reference frees it, after which nobody touches it.
 *
 * Orders: the state is changed under the lock, except that the producer begins by an exchange (acq_rel), which competes
 * with the canceller's exchange of the same word: one of them fails. The result is written before the state, which is
 * stored with release and loaded with acquire: who sees DONE may read the result. References are dropped with release,
 * and the last one acquires: what all others wrote is visible to who frees.
 */
mtype = { PENDING, RUNNING, DONE, CANCELLED };

mtype state = PENDING;
bool locked = false, freed = false;
bool linked = false, fired = false, waiter_left = false;
byte references = 3, outcomes = 0;
mtype result = PENDING;
bool ran = false, cancel_won = false;

inline lock()   { atomic { !locked -> assert(!freed); locked = true } }
inline unlock() { atomic { assert(!freed && locked); locked = false } }

inline drop()
{
	atomic {
		references--;
		last = (references == 0)
	}
	if
	:: last -> assert(!locked); freed = true
	:: else
	fi
}

/* Under the lock: the state, then the watcher, then the lock is given back. */
inline complete(to)
{
	outcomes++;
	result = to;
	state = to;
	if
	:: linked -> linked = false; assert(!waiter_left); fired = true
	:: else
	fi;
	unlock()
}

active proctype producer()
{
	bool begun, last;

#ifdef PLANTED /* planted: it looks, and then stores */
	begun = (state == PENDING);
	if
	:: begun -> state = RUNNING
	:: else
	fi;
#else
	atomic {
		begun = (state == PENDING);
		if
		:: begun -> state = RUNNING
		:: else
		fi
	}
#endif
	if
	:: begun ->
		ran = true;
		lock();
		complete(DONE)
	:: else
	fi;
	drop()
}

active proctype canceller()
{
	bool won, last;

	lock();
	if
	:: state == PENDING -> result = CANCELLED /* before the state; another outcome replaces it */
	:: else
	fi;
	atomic {
		won = (state == PENDING);
		if
		:: won -> state = CANCELLED
		:: else
		fi
	}
	if
	:: won -> cancel_won = true; complete(CANCELLED)
	:: else -> unlock()
	fi;
	drop()
}

active proctype waiter()
{
	bool last, done;

	lock();
	done = (state == DONE || state == CANCELLED);
	linked = !done;
	unlock();
	if
	:: done
	:: !done && fired
	:: !done -> /* its time is up: it withdraws, or was fired meanwhile */
		lock();
		linked = false;
		unlock()
	fi;
	if
	:: (state == DONE || state == CANCELLED) -> assert(result == state)
	:: else
	fi;
	waiter_left = true;
	drop()
}

/* At the end, in whatever order it came. */
active proctype judge()
{
	(freed);
	assert(outcomes == 1 && !linked);
	assert(!(ran && cancel_won));
	assert(state == (ran -> DONE : CANCELLED))
}
