/*
 * gate.pml: core/portal/portal.c: callers enter the gate and their calls leave it in the loop's thread, while others stop
 * the portal. It is finished exactly once, when it is closed and empty, and after that no call runs.
 *
 * gate: 2 a call, and CLOSED. `leaving` is the loop's own: calls that have left and are not taken off the gate yet,
 * many at a time while the portal is open, at once when it is stopping, which the loop learns by a message.
 *
 * Orders: entering is relaxed, for the gate is one word and all its changes have one order; what a call brings along is
 * handed over by the inbox. Closing and taking off are seq_cst read-modify-writes of that word: of a stop and a last
 * leave the second sees the first, and the loop finishes in one of them. stop_queued is exchanged: of several stoppers
 * one posts. That the loop clears it before it looks at the gate lets a later stopper post once more.
 */
#define CLOSED 1
#define ONE_CALL 2
#define MANY 2
#define CALLERS 2
#define STOPPERS 2

byte gate = 0, leaving = 0;
bool stopping = false, stop_queued = false, finished = false;
chan inbox = [6] of { bool }; /* true: stop; false: a call that has entered */

proctype caller()
{
	bool in;

	atomic {
		in = !(gate & CLOSED);
		if
		:: in -> gate = gate + ONE_CALL
		:: else
		fi
	}
	if
	:: in -> inbox ! false
	:: else
	fi
}

proctype stopper()
{
	bool queued;

	atomic { gate = gate | CLOSED }
	atomic { queued = stop_queued; stop_queued = true }
	if
	:: !queued -> inbox ! true
	:: else
	fi
}

inline finish()
{
	if
	:: !finished -> finished = true
	:: else
	fi
}

/* Takes what has left off the gate; `last` if that was all. */
inline uncount()
{
	atomic {
		last = (leaving > 0 && gate == (CLOSED | (leaving * ONE_CALL)));
		gate = gate - leaving * ONE_CALL;
		leaving = 0
	}
	if
	:: last -> finish()
	:: else
	fi
}

active proctype loop()
{
	bool stop, last;

end:	do
	:: inbox ? stop ->
		if
		:: stop ->
			stop_queued = false;
			if
			:: !finished ->
#ifndef PLANTED /* planted: those that have left are not taken off at the stop */
				stopping = true;
				uncount();
#else
				last = false;
				stopping = true;
#endif
				if
				:: !last && gate == CLOSED -> finish()
				:: else
				fi
			:: else
			fi
		:: else ->
			assert(!finished); /* a call runs */
			leaving++;
			if
			:: leaving == MANY || stopping -> uncount()
			:: else
			fi
		fi
	:: finished && empty(inbox) && timeout -> break
	od
}

init {
	byte i;

	atomic {
		for (i : 1 .. CALLERS) { run caller() }
		for (i : 1 .. STOPPERS) { run stopper() }
	}
	/* When nothing goes on any more. */
	timeout -> assert(finished && gate == CLOSED)
}
