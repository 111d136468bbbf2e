// SPDX-License-Identifier: BSL-1.0
//
// Model of the patch's processors, where there are several: of patch/kernel/worker.cpp, work.cpp,
// scheduler.cpp, help.cpp, native.cpp and monitor.cpp. Functions, members and states have the names
// that they have there. processors.py runs it: numbers and kinds of threads vary, and every other
// macro is a mutant.
//
// What happens under the lock is one step, or several where somebody who has no lock could come in
// between: a worker that comes back from a call of the kernel's, the monitor that takes a processor
// away, a worker that falls asleep or is woken, a poller, the clock. All of their accesses are
// sequentially consistent in the code, but for stores that only a look under the lock finds again.
//
// Queues have no order here: any thread of a queue may be the next. What the time-stamp counter
// decides (who computes, whom help is worth while for) may come out either way each time.
//
// Each thread does some things of those that are wanted: sleeps, waits for events, yields, waits for
// a later thread's end parked, in a call of the kernel's, or computing. The last one waits for
// nobody. So whatever is stuck is the protocol's fault: at the end, when nothing can happen any
// more, every thread has to have ended.

#ifndef WORKERS
#define WORKERS 3
#endif
#ifndef PROCESSORS
#define PROCESSORS 2
#endif
#ifndef THREADS
#define THREADS 2
#endif
#ifndef ACTS // of each thread
#define ACTS 2
#endif
#ifndef MONITOR // whether it sees to what is left undone; it makes workers in any case
#define MONITOR 1
#endif

#define none 7         // no worker, no processor
#define the_monitor 6  // as who has the lock
#define shared PROCESSORS // the queue of those that have had their share

mtype = { running, in_native, without };      // worker_state
mtype = { executing, in_kernel, ready, parked, ended }; // a thread

// The machine, under the lock
byte lock = none;
byte holder[PROCESSORS] = none;
byte queue[THREADS] = none; // in which a thread is ready
mtype thread[THREADS] = parked;
byte last[THREADS]; // the processor on which it ran
byte poller = none;
byte polls_until;
bool help_is_coming;
#ifdef BOUND // the last thread has the last worker for its own
#define is_bound(w) ((w) == WORKERS - 1)
#define bound_to(t) ((t) == THREADS - 1 -> WORKERS - 1 : none)
#else
#define is_bound(w) false
#define bound_to(t) none
#endif

// Workers
mtype state[WORKERS] = without;
byte holds[WORKERS] = none;
bool ordered[WORKERS]; // worker_order::run rather than sleep
bool asleep[WORKERS];  // in the kernel, for the futex of that
bool spare[WORKERS];
bool started[WORKERS];
bool made[WORKERS];
bool made_to_help[WORKERS];

// The monitor, and who comes from outside
bool worker_wanted;
byte helpers_to_come;
bool interrupted; // the reactor's
byte now;         // 0 to 2
byte deadline[THREADS];
bool awaits[THREADS]; // an event
byte event[THREADS];  // 1: that has come, 2 and more: that a worker has taken out of the epoll, not yet harvested
byte acts[THREADS] = ACTS;
bool single;          // the first thread goes on alone

// Ghosts
byte runs_on[THREADS] = none;

#define is_idle(p) (holder[p] == none)
#if PROCESSORS == 1
#define idle_count (is_idle(0))
#define any_in_native (is_in_native(0))
#define runs_any (runs(0))
#else
#define idle_count (is_idle(0) + is_idle(1))
#define any_in_native (is_in_native(0) || is_in_native(1))
#define runs_any (runs(0) || runs(1))
#endif
#define is_in_native(p) (holder[p] != none && state[holder[p]] == in_native)
#define runs(p) (holder[p] != none && state[holder[p]] == running)
#if THREADS == 2
#define ready_in(q) ((queue[0] == q) + (queue[1] == q))
#define anything_ready (queue[0] != none || queue[1] != none)
#define event_waits (event[0] == 1 || event[1] == 1)
#define is_due (due(0) || due(1))
#define awaits_events (awaits[0] || awaits[1])
#define all_ended (thread[0] == ended && thread[1] == ended)
#else
#define ready_in(q) ((queue[0] == q) + (queue[1] == q) + (queue[2] == q))
#define anything_ready (queue[0] != none || queue[1] != none || queue[2] != none)
#define event_waits (event[0] == 1 || event[1] == 1 || event[2] == 1)
#define is_due (due(0) || due(1) || due(2))
#define awaits_events (awaits[0] || awaits[1] || awaits[2])
#define all_ended (thread[0] == ended && thread[1] == ended && thread[2] == ended)
#endif
#if WORKERS == 3
#define anybody_called (ordered[0] || ordered[1] || ordered[2])
#else
#define anybody_called (ordered[0] || ordered[1] || ordered[2] || ordered[3])
#endif
#define due(t) (deadline[t] != 0 && deadline[t] <= now)
#define somebody_waits (anything_ready || is_due || event_waits)

// A worker that runs a thread, or is inside weft with a processor, alone has it.
#define check_holds(w) \
  assert(holds[w] != none && holder[holds[w]] == w && state[w] == running)

inline enter(who) { atomic { lock == none -> lock = who } }
inline release() { lock = none }

// processor_set --------------------------------------------------------------------

inline find_idle(p) {
  p = 0;
  do
  :: p == PROCESSORS -> p = none; break
  :: p < PROCESSORS && is_idle(p) -> break
  :: else -> p++
  od
}
inline occupy(p, w) {
  assert(is_idle(p) && holds[w] == none);
  holds[w] = p;
  holder[p] = w
}

// worker ---------------------------------------------------------------------------

// Into `w`.
inline take_any_spare(w) {
  w = 0;
  do
  :: w == WORKERS -> w = none; break
  :: w < WORKERS && spare[w] -> spare[w] = false; break
  :: else -> w++
  od
}
inline make_worker(w, to_help) {
  w = 0;
  do
  :: w == WORKERS -> w = none; break
  :: w < WORKERS && !made[w] -> made[w] = true; made_to_help[w] = to_help; break
  :: else -> w++
  od
}

// The first half of give_processor; the second is futex_wake.
inline give_processor(p, to) {
  assert(holds[to] == none || holds[to] == p);
  holds[to] = p;
  holder[p] = to;
  assert(!ordered[to]);
#ifndef WAKE_FIRST
  ordered[to] = true
#endif
}
inline futex_wake(to) {
  asleep[to] = false;
#ifdef WAKE_FIRST
  ordered[to] = true
#endif
}

// help -----------------------------------------------------------------------------

// Whom it woke, if it has to, comes into `who`; p is lost.
inline call_help(who, p) {
  who = none;
  if
  :: idle_count == 0
  :: else ->
     help_is_coming = true;
     if
     :: poller != none ->
#ifndef NO_INTERRUPT
        interrupted = true
#endif
     :: else ->
        take_any_spare(who);
        if
        :: who == none -> // the monitor's make_worker
           if
           :: !worker_wanted -> worker_wanted = true; helpers_to_come++
           :: else
           fi
        :: else ->
           find_idle(p);
           occupy(p, who);
           give_processor(p, who)
        fi
     fi
  fi;
  p = none
}

// Something was put into q by `self`, a worker. Whom it woke: `who`.
inline consider_help(self, q, who, p) {
  who = none;
  if
  :: idle_count == 0 || help_is_coming || single
  :: else ->
     if
     :: holder[q] == none && holds[self] == none // by the poller
     :: holder[q] == none && holds[self] != none -> call_help(who, p)
     :: holder[q] != none // it may take its turn
     :: holder[q] != none -> call_help(who, p)
     fi
  fi
}

inline queue_for(t, self, q) {
  if
  :: runs(last[t]) -> q = last[t]
  :: else ->
     if
     :: holds[self] != none -> q = holds[self]
     :: else -> q = last[t]
     fi
  fi
}

inline enqueue(t, self, q, who, p) {
  assert(thread[t] != ready && thread[t] != ended && queue[t] == none && runs_on[t] == none);
  queue_for(t, self, q);
  thread[t] = ready;
  queue[t] = q;
  consider_help(self, q, who, p);
  q = none
}

inline had_its_share(t, self, q, who, p) {
  thread[t] = ready;
  queue[t] = shared;
  queue_for(t, self, q);
  if
  :: idle_count == 0 || help_is_coming || single || holder[q] == none && holds[self] == none -> who = none
  :: else -> call_help(who, p)
  fi;
  q = none
}

// Where `unpark` could wake more than one worker each has to be told: there are so few that it is
// never more than one, since help_is_coming from the first on.
inline unpark(t, self, q, who, p) {
  deadline[t] = 0;
  awaits[t] = false;
  event[t] = 0;
  enqueue(t, self, q, who, p)
}

// What came, and whose time has come. Into `woken`: whom help woke.
inline gather(self, t, q, who, p, woken) {
  woken = none;
  t = 0;
  do
  :: t < THREADS ->
     if
     :: thread[t] == parked && (due(t) || event[t] == 2 + self) ->
        unpark(t, self, q, who, p);
        if
        :: who != none -> assert(woken == none); woken = who
        :: else
        fi
     :: else
     fi;
     t++
  :: else -> t = none; break
  od
}

// epoll_wait: what came is edge-triggered, and one caller's alone.
inline take_events(self) {
  interrupted = false;
  if
  :: event[0] == 1 -> event[0] = 2 + self
  :: else
  fi;
  if
  :: event[1] == 1 -> event[1] = 2 + self
  :: else
#if THREADS == 3
  fi;
  if
  :: event[2] == 1 -> event[2] = 2 + self
  :: else
#endif
  fi
}

inline next_due() { // into polls_until
  polls_until = 3;
  if
  :: deadline[0] != 0 && deadline[0] < polls_until -> polls_until = deadline[0]
  :: else
  fi;
  if
  :: deadline[1] != 0 && deadline[1] < polls_until -> polls_until = deadline[1]
  :: else
  fi;
#if THREADS == 3
  if
  :: deadline[2] != 0 && deadline[2] < polls_until -> polls_until = deadline[2]
  :: else
  fi
#endif
}

// Makes t run on self.
inline run_thread(t, self) {
  check_holds(self);
  assert(thread[t] == ready && runs_on[t] == none);
  thread[t] = executing;
  queue[t] = none;
  runs_on[t] = self;
  last[t] = holds[self]
}
inline leave_worker(t) { runs_on[t] = none }

proctype worker(byte self) {
  byte t = none, q = none, p = none, who = none, woken = none, u = none;
  mtype was;
  bool was_interrupted;

  if
  :: self == 0 -> // the initial one, with the first thread
     t = 0;
     goto launching
  :: else
  fi;
end_unmade:
  made[self];
start_worker:
  enter(self);
  atomic {
    assert(!single); // else it came too late: nobody will end it
    if
    :: made_to_help[self] ->
#ifndef LATE_HELPER
       helpers_to_come--;
#endif
       help_is_coming = false;
       started[self] = true;
       find_idle(p);
       if
       :: p != none && !single -> occupy(p, self); state[self] = running
       :: else
       fi;
       p = none
    :: else
    fi
  };

work:
  assert(lock == self);
  if
  :: state[self] == without ->
wait_for_processor:
     atomic {
       assert(holds[self] == none || ordered[self] || holder[holds[self]] == self);
       if
       :: started[self] && !is_bound(self) && !ordered[self] -> spare[self] = true
       :: else
       fi;
       started[self] = true;
       release()
     };
sleeping:
     if
     :: ordered[self]
     :: atomic { !ordered[self] -> asleep[self] = true };
end_asleep:
        !asleep[self];
        goto sleeping
     fi;
     enter(self);
     atomic {
       ordered[self] = false;
       state[self] = running;
       help_is_coming = false;
       check_holds(self)
     }
  :: else
  fi;
  atomic {
    check_holds(self);
    gather(self, t, q, who, p, woken);
    who = woken;
    woken = none
  };
  if
  :: who != none -> futex_wake(who); who = none
  :: else
  fi;
  if // poll_beside_others
  :: poller == none && (ready_in(holds[self]) > 0 || ready_in(shared) > 0) && awaits_events ->
     release();
     atomic { was_interrupted = interrupted; take_events(self) };
     enter(self);
     atomic {
       if
       :: was_interrupted && poller != none -> interrupted = true
       :: else
       fi;
       was_interrupted = false;
       gather(self, t, q, who, p, woken);
       who = woken;
       woken = none
     };
     if
     :: who != none -> futex_wake(who); who = none
     :: else
     fi
  :: true
  fi;
  atomic { // take_shared, and steal
    if
    :: ready_in(shared) > 0 ->
       t = 0;
       do
       :: queue[t] == shared -> queue[t] = holds[self]; break
       :: queue[t] != shared -> t++
       od;
       t = none
    :: ready_in(shared) == 0 || ready_in(holds[self]) > 0
    fi;
    if
    :: ready_in(holds[self]) == 0 && !is_bound(self) ->
       t = 0;
       do
       :: t == THREADS -> break
       :: t < THREADS && queue[t] != none && queue[t] != holds[self] &&
          (bound_to(t) == none || holds[bound_to(t)] == none) ->
          queue[t] = holds[self];
          break
       :: else -> t++
       od;
       t = none
    :: else
    fi
  };
  if
  :: ready_in(holds[self]) == 0 ->
#ifdef LOOKS_BEFORE
     release();
     enter(self);
#endif
     goto rest
  :: else
  fi;
  atomic { // leave_to_another, perhaps
    p = none;
    if
#ifdef LEAVES
    :: !is_bound(self) && runs(1 - holds[self]) ->
       p = 1 - holds[self];
       t = 0;
       do
       :: t < THREADS -> queue[t] = (queue[t] == holds[self] -> p : queue[t]); t++
       :: else -> t = none; break
       od
#endif
    :: true
    fi
  };
  if
  :: p != none -> p = none; goto rest
  :: else
  fi;
  atomic { // which is the next, and whose
    if
    :: queue[0] == holds[self] -> t = 0
    :: queue[1] == holds[self] -> t = 1
#if THREADS == 3
    :: queue[2] == holds[self] -> t = 2
#endif
    fi;
    p = none;
    u = bound_to(t);
    if
    :: u != none && u != self ->
       if
#ifndef SECOND_PROCESSOR
       :: holds[u] != none -> queue[t] = holds[u]; u = none // it is on its way
#endif
       :: else ->
          find_idle(p);
          if
          :: p != none -> // give_idle
             queue[t] = p;
             occupy(p, u);
             give_processor(p, u)
          :: else -> // pass_processor
             p = holds[self];
             holds[self] = none;
             state[self] = without;
             give_processor(p, u)
          fi
       fi;
       t = none
    :: u == none && is_bound(self) -> // it runs nobody else
       take_any_spare(u);
       if
       :: u != none ->
          p = holds[self];
          holds[self] = none;
          state[self] = without;
          give_processor(p, u)
       :: else
       fi;
       t = none
    :: else -> u = none
    fi;
    p = none
  };
  if
  :: t == none && u != none -> futex_wake(u); u = none; goto work
  :: t == none && u == none && is_bound(self) -> goto rest
  :: t == none && u == none && !is_bound(self) -> goto work
  :: else
  fi;
  atomic {
    if
    :: ready_in(holds[self]) > 1 -> q = holds[self]; consider_help(self, q, who, p); q = none
    :: else
    fi;
    run_thread(t, self)
  };
  if
  :: who != none -> futex_wake(who); who = none
  :: else
  fi;
  release();
  goto program;

rest:
  atomic {
    check_holds(self);
    holder[holds[self]] = none;
    holds[self] = none;
    state[self] = without;
    if
    :: is_bound(self) && (anything_ready || (poller == none && !runs_any)) -> call_help(who, p)
    :: else
    fi
  };
  if
  :: is_bound(self) ->
     if
     :: who != none -> futex_wake(who); who = none
     :: else
     fi;
     goto work
  :: else
  fi;
poll:
  if // is_poller_needed
#ifdef TWO_POLLERS
  :: !single -> goto begin_poll
#else
  :: poller == none && !single -> goto begin_poll
#endif
  :: poller != none || single || runs_any -> goto work // somebody will look
  fi;
begin_poll:
  atomic {
    assert(poller == none && !single);
    poller = self;
    next_due();
    release()
  };
end_polling: // in epoll_wait
  atomic {
    interrupted || event_waits || polls_until <= now -> take_events(self)
  };
  enter(self);
  atomic {
    assert(poller == self);
    poller = none;
    polls_until = 0;
    help_is_coming = false;
    gather(self, t, q, who, p, woken);
    who = woken;
    woken = none
  };
  if
  :: who != none -> futex_wake(who); who = none
  :: else
  fi;
  atomic {
    if
    :: anything_ready ->
       find_idle(p);
       if
       :: p != none -> occupy(p, self); state[self] = running
       :: else
       fi
    :: else -> goto poll
    fi;
    p = none
  };
  goto work;

  // A thread -----------------------------------------------------------------------

launching: // the first one makes the others
  u = 1;
  do
  :: u < THREADS ->
     enter(self);
     atomic { enqueue(u, self, q, who, p) };
     if
     :: who != none -> futex_wake(who); who = none
     :: else
     fi;
     release();
     u++
  :: else -> u = none; break
  od;

program: // t runs, without the lock
  check_holds(self);
  assert(thread[t] == executing && runs_on[t] == self);
  if
  :: true -> goto exit_thread
#ifdef SLEEPS
  :: acts[t] > 0 -> acts[t]--; goto sleep
#endif
#ifdef EVENTS
  :: acts[t] > 0 -> acts[t]--; goto wait_for_io
#endif
#ifdef YIELDS
  :: acts[t] > 0 -> acts[t]--; goto yield
#endif
#ifdef JOINS
  :: acts[t] > 0 && t + 1 < THREADS -> acts[t]--; goto join
#endif
#ifdef NATIVE
  :: acts[t] > 0 -> acts[t]--; u = none; goto native_call // that ends by itself
  :: acts[t] > 0 && t + 1 < THREADS -> acts[t]--; u = THREADS - 1; goto native_call
#endif
#if defined(COMPUTES) && defined(NO_PREEMPT) // never two, then
  :: acts[t] > 0 && t == 0 -> acts[t]--; goto compute
#elif defined(COMPUTES)
  :: acts[t] > 0 && t + 1 < THREADS -> acts[t]--; goto compute
#endif
  fi;

sleep:
  enter(self);
  atomic {
    if
    :: now < 1 -> deadline[t] = 1
    :: deadline[t] = 2
    fi;
#ifndef LATE_TIMER
    if
    :: poller != none && deadline[t] < polls_until -> interrupted = true
    :: else
    fi;
#endif
    thread[t] = parked;
    leave_worker(t);
    t = none
  };
  goto work;

wait_for_io:
  enter(self);
  atomic { awaits[t] = true; thread[t] = parked; leave_worker(t); t = none };
  goto work;

yield:
  enter(self);
  atomic {
    leave_worker(t);
    if
    :: enqueue(t, self, q, who, p)
    :: had_its_share(t, self, q, who, p)
    fi;
    t = none
  };
  if
  :: who != none -> futex_wake(who); who = none
  :: else
  fi;
  goto work;

join: // parked until the next thread ends
  enter(self);
  atomic {
    if
    :: thread[t + 1] == ended -> release(); goto program
    :: else
    fi;
    thread[t] = parked;
    leave_worker(t);
    t = none
  };
  goto work;

compute: // until the last thread ends
  do
  :: thread[THREADS - 1] == ended -> goto program
#if MONITOR && !defined(NO_PREEMPT)
  :: atomic { somebody_waits && thread[THREADS - 1] != ended -> lock == none; lock = self };
     atomic { // preempted: give_way
       leave_worker(t);
       had_its_share(t, self, q, who, p);
       t = none
     };
     if
     :: who != none -> futex_wake(who); who = none
     :: else
     fi;
     goto work
#endif
  od;

native_call: // until thread u ends, or for a while
  enter(self);
  if // give_away
  :: atomic {
       ready_in(holds[self]) > 0;
       take_any_spare(who);
       if
       :: who == none && !is_bound(self) -> make_worker(who, false)
       :: else
       fi;
       if
       :: who != none ->
          p = holds[self];
          holds[self] = none;
          state[self] = without;
          give_processor(p, who);
          p = none
       :: else
       fi
     };
     if
     :: who != none -> futex_wake(who); who = none; thread[t] = in_kernel; release()
     :: else -> goto no_give_away
     fi
  :: true ->
no_give_away:
     thread[t] = in_kernel;
     release();
     state[self] = in_native // weft_native_call
  fi;
  u == none || thread[u] == ended; // in the kernel
  u = none;
  atomic { // interrupt_native
    was = state[self];
    if
    :: was == in_native -> state[self] = running
    :: else
    fi
  };
  enter(self); // regain_processor
  thread[t] = executing;
  if
  :: was == running -> assert(false)
  :: was == in_native
  :: was == without -> // find_processor
#ifndef FORGETS_EARLY
     holds[self] == none || holder[holds[self]] != self; // forget_lost
#endif
     holds[self] = none;
     atomic {
       find_idle(p);
       if
       :: p != none -> occupy(p, self); state[self] = running // take_idle
       :: else ->
          p = 0;
          do // take_over
          :: p == PROCESSORS -> p = none; break
          :: p < PROCESSORS && is_in_native(p) -> break
          :: else -> p++
          od;
          if
          :: p != none ->
             state[holder[p]] = without;
             holds[self] = p;
             holder[p] = self;
             state[self] = running
          :: else
          fi
       fi;
       p = none
     };
     if
     :: state[self] == without -> // wait_for_turn
        atomic {
          leave_worker(t);
          enqueue(t, self, q, who, p);
          t = none
        };
        if
        :: who != none -> futex_wake(who); who = none
        :: else
        fi;
        goto work
     :: else
     fi
  fi;
  check_holds(self);
  release();
  goto program;

exit_thread:
#ifdef ALONE
  if
  :: t == 0 -> goto become_single
  :: else
  fi;
#endif
  enter(self);
  atomic {
    thread[t] = ended;
    leave_worker(t);
    u = t;
    if
    :: u > 0 && thread[u - 1] == parked && deadline[u - 1] == 0 && !awaits[u - 1] ->
       u--;
       unpark(u, self, q, who, p)
    :: else
    fi;
    u = none;
    t = none
  };
  if
  :: who != none -> futex_wake(who); who = none
  :: else
  fi;
  goto work;

#ifdef ALONE
become_single: // the first thread, when it is left alone
  atomic {
    thread[1] == ended && lock == none &&
        (poller != none && !interrupted || // are_others_asleep
         poller == none && !help_is_coming &&
         helpers_to_come == 0 &&
         idle_count == PROCESSORS - 1) ->
    lock = self;
    if
    :: poller != none -> interrupted = true; release(); goto become_single
    :: else -> single = true; thread[0] = ended
    fi
  };
  release();
end_alone:
  false
#endif
}

proctype monitor() {
  byte w = none, p = none, other = none, q = none;
end_watching:
  do
  :: atomic { worker_wanted -> worker_wanted = false };
     atomic {
       make_worker(other, true);
       if
       :: other == none -> help_is_coming = false; helpers_to_come--
       :: else
       fi;
#ifdef LATE_HELPER
       if
       :: other != none -> helpers_to_come--
       :: else
       fi;
#endif
       other = none
     }
#if MONITOR
  :: atomic { // hand_over
       somebody_waits && any_in_native;
       if
       :: is_in_native(0) -> w = holder[0]
#if PROCESSORS > 1
       :: is_in_native(1) -> w = holder[1]
#endif
       fi;
       take_any_spare(other);
       if
       :: other == none -> make_worker(other, false)
       :: else
       fi;
       assert(other != none) // there are enough
     };
#ifdef BLIND_TAKING
     if
     :: state[w] == in_native -> state[w] = without; p = 0
     :: else
     fi;
#else
     atomic {
       if
       :: state[w] == in_native -> state[w] = without; p = 0
       :: else
       fi
     };
#endif
     if
     :: p == 0 ->
        p = holds[w];
        atomic {
          assert(p != none && holder[p] == w);
          give_processor(p, other)
        };
        futex_wake(other)
     :: else -> spare[other] = true // return_spare
     fi;
     w = none;
     p = none;
     other = none
#ifndef NO_SPREAD
  :: atomic { // spread
       lock == none && idle_count > 0 && !help_is_coming && !single &&
           (anything_ready || poller == none && (is_due || event_waits)) ->
       lock = the_monitor;
       call_help(other, p)
     };
     if
     :: other != none -> futex_wake(other); other = none
     :: else
     fi;
     release()
#endif
#endif
  od
}

proctype clock() {
end_of_time:
  do
  :: now < 2 -> now++
  od
}

proctype outside() { // events come for whoever waits for some
  byte t;
end_outside:
  do
  :: atomic { awaits[0] && event[0] == 0 -> event[0] = 1 }
  :: atomic { awaits[1] && event[1] == 0 -> event[1] = 1 }
#if THREADS == 3
  :: atomic { awaits[2] && event[2] == 0 -> event[2] = 1 }
#endif
  od
}

proctype at_rest() {
  timeout;
  assert(all_ended); // and nothing is stuck
  assert(lock == none && !anybody_called && !worker_wanted)
}

init {
  byte i = 0;
  atomic {
    made[0] = true;
    started[0] = true;
    state[0] = running;
    holds[0] = 0;
    holder[0] = 0;
    thread[0] = executing;
    runs_on[0] = 0;
#ifdef BOUND
    made[WORKERS - 1] = true;
#endif
    do
    :: i < WORKERS -> run worker(i); i++
    :: else -> break
    od;
    run monitor();
#ifdef SLEEPS
    run clock();
#endif
#ifdef EVENTS
    run outside();
#endif
    run at_rest()
  }
}
