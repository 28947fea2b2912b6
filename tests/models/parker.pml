/*
 * parker.pml: core/base/parker.c: one thread waits, another wakes it once; the waiter may time out, and then waits
 * again without a limit if the wake-up is on its way (as core/executor/thread_worker.c does). It does not sleep for
 * good, and nobody touches the word after the waiter has left it.
 *
 * Orders: `word` is one variable, so all see its changes in one order whatever the orders of the accesses are. What the
 * waker wrote before is handed over by its exchange (release) and the waiter's load of 1 (acquire). The exchange of 0
 * for 2 may be relaxed: it tells the waker to call, and nothing else; the kernel compares the word with 2 once more
 * under its own lock before the thread sleeps. The system call after the exchange may find another parker, or no
 * memory, at the address: it only wakes, and every waiter on a futex looks again.
 */
byte word = 0;
bool asleep = false; /* in the kernel's queue */
bool woken = false, left = false;

/* The kernel: sleep if the word is still 2, in one step. */
inline futex_wait()
{
	if
	:: atomic { word == 2 -> asleep = true }
		if
		:: !asleep -> timed_out = false   /* woken */
		:: limited -> atomic { asleep = false; timed_out = true }
		fi
	:: atomic { word != 2 -> timed_out = false }
	fi
}

inline park()
{
	do
	:: word == 1 -> woken = true; break
	:: else ->
#ifdef PLANTED /* planted: a look and a store in place of an exchange */
		seen = word;
		if
		:: seen == 0 -> word = 2
		:: else
		fi;
#else
		atomic {
			if
			:: word == 0 -> word = 2
			:: else
			fi
		}
#endif
		futex_wait();
		if
		:: timed_out -> woken = (word == 1); break
		:: else
		fi
	od
}

active proctype waiter()
{
	bool timed_out = false, limited;
	byte seen;

	if
	:: limited = true
	:: limited = false
	fi;
	park();
	if
	:: !woken -> limited = false; park()
	:: else
	fi;
	assert(woken);
	left = true
}

active proctype waker()
{
	byte was;

	atomic { assert(!left); was = word; word = 1 }
	if
	:: was == 2 -> asleep = false /* the system call, perhaps late */
	:: else
	fi
}
