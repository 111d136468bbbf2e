// SPDX-License-Identifier: BSL-1.0
//
// Model of runtime/core/idle.hpp, and of how runtime/sched/hub_group.cpp and hub_sharing.cpp use it:
// workers that take, steal, search and sleep, and whoever gives them work. Functions, members and
// states have the names that they have there. idle.py runs it: the numbers below vary, and every
// other macro is a mutant or a choice of what happens at the end.
//
// Each step below is one atomic access of the code, or several where it makes no difference. With it
// come ghosts: variables that are there for the assertions. Spin tries all orders of all steps.
//
// Not here: what is inside a queue, which moves by single steps, first in, first out or not; a hub's
// timers, descriptors and `sleeping_` (what is for one worker alone is given as idle.hpp asks for);
// fork and `reset`.
//
// What Spin tries is sequentially consistent. That is fair for what the protocol rests on, since
// all of that is seq_cst in the code: every access to words_ and searching_ but for `searching()`
// and `reset()`, which take no part; the stores that publish work (a queue's tail_, overflowed_);
// the loads of has_work; and who gives to one worker alone. What is weaker there is in taking:
//   - A queue's head_ is moved by acq_rel, so has_work may see a head of before: more work than
//     there is, never less. The worker searches once more than it need.
//   - pop, steal and take_overflowed load by acquire or relaxed, so they may find nothing where
//     there is something: tried here by STALE. has_work comes after that, before a park.
//   - overflowed_ is added to by loads and stores, under overflow_mutex_.
// An unpark is a system call, and comes after the bit was taken, which is seq_cst.

#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef FOREIGN // threads that are no workers
#define FOREIGN 1
#endif
#ifndef ITEMS // that each of them adds
#define ITEMS 2
#endif
#ifndef SPAWNS // items that workers add while they run others, all in all
#define SPAWNS 1
#endif
#ifndef STALE // how often taking finds nothing where there is something
#define STALE 1
#endif
#ifndef DEADLINES // how often a park ends by itself
#define DEADLINES 1
#endif
#ifndef PER_WORD // workers whose bits share a word; 64 in the code
#define PER_WORD WORKERS
#endif
#ifndef CAPACITY // of a queue
#define CAPACITY 2
#endif

#define WORDS ((WORKERS + PER_WORD - 1) / PER_WORD)
#define most WORKERS

mtype = { running, searching, sleeping, called };

// idle_workers
byte words_[WORDS];
byte searching_;
#define word_of(worker) words_[(worker) / PER_WORD]
#define bit_of(worker) (1 << ((worker) % PER_WORD))
#define sleeps(worker) ((word_of(worker) & bit_of(worker)) != 0)

// hub_group: queues are as long as a number says
byte shared[WORKERS];
byte overflowed_;
bool overflow_mutex_;

// What a worker's park looks at, of its own, and what ends it
bool inbox_[WORKERS];
bool unparked[WORKERS]; // one is remembered
#ifdef FORGETFUL_UNPARK
bool parked[WORKERS];
#endif

// Bounds, and what the end is seen by
byte spawns_left = SPAWNS;
byte stale_left = STALE;
byte deadlines_left = DEADLINES;
byte foreign_left = FOREIGN;
byte undone; // items that were added and have not been run
byte left_group;

// Ghosts
mtype state[WORKERS] = running;
byte counting_themselves; // workers in begin_search to end_search, or to sleep's fetch_sub
byte called_ones;         // `called`
byte calling;             // in work_added, between its exchange and what comes of that
byte looking;             // who has added work, or leaves the search, and still looks whom to wake

// What holds at each step.
// The count is of those who search, those who are called, and those who are about to call.
// Nobody is called while another one is on its way.
// No wake-up is lost: where there is work and nobody sees to it any more, nobody sleeps. That is
// more than that not all sleep: those who run may run for ever.
#if WORKERS == 3
#define queued (overflowed_ + shared[0] + shared[1] + shared[2] > 0)
#else
#define queued (overflowed_ + shared[0] + shared[1] > 0)
#endif
#if WORDS == 1
#define somebody_sleeps (words_[0] != 0)
#elif WORDS == 2
#define somebody_sleeps (words_[0] + words_[1] != 0)
#else
#define somebody_sleeps (words_[0] + words_[1] + words_[2] != 0)
#endif
#define check() \
  assert(searching_ == counting_themselves + called_ones + calling); \
  assert(called_ones <= 1); \
  assert(!(queued && searching_ == 0 && looking == 0 && somebody_sleeps))

// idle_workers ---------------------------------------------------------------------

inline begin_search(self) {
  d_step {
    searching_++;
    counting_themselves++;
    state[self] = searching;
    check()
  }
}

// hub_group's: into `seen`. What had no place in a queue comes first, as a worker that is no
// searcher moves that into its own.
inline has_work() {
#ifdef MEMBERS_FIRST
  scan_members();
  if
  :: !seen -> seen = (overflowed_ != 0)
  :: else
  fi
#else
  seen = (overflowed_ != 0);
  if
  :: !seen -> scan_members()
  :: else
  fi
#endif
}
inline scan_members() {
  do
  :: atomic {
       seen = (shared[i] != 0);
       i++;
       if
       :: seen || i == WORKERS -> i = 0; break
       :: else
       fi
     }
  od
}

// Of another worker: into `who`, or `most`.
inline take(worker) {
  d_step {
    if
    :: sleeps(worker) ->
       word_of(worker) = word_of(worker) & ~bit_of(worker);
       assert(state[worker] == sleeping);
       state[worker] = called;
       called_ones++;
       calling--;
       who = worker;
       check()
    :: else -> who = most
    fi
  }
}

// Into `who`.
inline take_any(preferred) {
  if
  :: preferred < most -> take(preferred) // which looks whether it sleeps
  :: else -> who = most
  fi;
  do
  :: atomic {
       who == most && i < WORDS ->
       if // the load
       :: words_[i] == 0 -> i++
       :: else ->
          who = i * PER_WORD;
          do
          :: !sleeps(who) -> who++
          :: else -> break
          od
       fi
     };
     if
     :: who != most -> take(who)
     :: else
     fi
  :: atomic { who != most || i == WORDS -> i = 0; break }
  od
}

inline unpark(worker) {
#ifdef FORGETFUL_UNPARK
  if
  :: parked[worker] -> unparked[worker] = true
  :: else
  fi
#else
  unparked[worker] = true
#endif
}

// The load of searching_ before the exchange is left out: it is the same by which of the two
// another value than 0 is seen.
inline work_added(preferred) {
  do
  :: atomic { // anybody_sleeps, a word
       any = (words_[i] != 0);
       i++;
       if
       :: any -> i = 0
       :: !any && i < WORDS
       :: !any && i == WORDS -> i = 0; break
       fi
     };
     if
     :: atomic {
          any ->
          any = false;
          if // compare_exchange_strong
#ifndef CALL_BESIDE_SEARCHERS
          :: searching_ != 0 -> break
#endif
          :: else ->
#ifndef UNCOUNTED_CALL
             searching_++;
#endif
             calling++;
             check()
          fi
        };
        take_any(preferred);
        if
        :: who != most -> unpark(who); break
        :: else
        fi;
        d_step { searching_--; calling--; check() };
#ifdef NO_SECOND_LOOK
        break
#endif
     :: else
     fi
  od;
  atomic { who = 0; looking--; check() }
}

inline end_search(self) {
  d_step {
    seen = (searching_ == 1);
    searching_--;
    counting_themselves--;
    state[self] = running;
    looking++;
    check()
  };
#ifdef NO_NEXT_CALL
  seen = false;
#endif
  if
  :: seen -> seen = false; has_work()
  :: else
  fi;
  if
  :: seen -> work_added(most)
  :: else -> d_step { looking--; check() }
  fi;
  seen = false
}

// Into `woke`.
inline sleep(self) {
#ifdef LATE_ANNOUNCEMENT
  has_work();
#endif
  atomic { word_of(self) = word_of(self) | bit_of(self); state[self] = sleeping };
#ifdef LATE_DECREMENT
  has_work();
#endif
  atomic { searching_--; counting_themselves--; looking++; check() };
#if !defined(NO_RECHECK) && !defined(LATE_ANNOUNCEMENT) && !defined(LATE_DECREMENT)
  has_work();
#endif
  if
  :: !seen -> park(self)
  :: else
  fi;
  d_step { // take, of itself
    if
    :: sleeps(self) ->
       word_of(self) = word_of(self) & ~bit_of(self);
       assert(state[self] == sleeping);
       state[self] = running;
       woke = (seen -> searching : running)
    :: else ->
#ifdef BLIND_RETURN
       woke = (seen -> searching : running);
#else
       assert(state[self] == called);
       called_ones--;
       counting_themselves++;
       state[self] = searching;
       woke = called;
       looking = looking - seen;
#endif
    fi;
    check()
  };
  if
  :: woke == searching ->
     begin_search(self);
     d_step { looking--; check() }
  :: else
  fi;
  d_step { seen = false; woke = (woke == called -> searching : woke) }
}

// hub_group ------------------------------------------------------------------------

inline push(self) {
  d_step { assert(shared[self] < CAPACITY); shared[self]++ }
}

inline share(self) {
#ifdef LATE_PUBLISHING
  looking++;
  work_added(most);
  d_step { shared[self]++; undone++; check() }
#else
  if
  :: d_step { shared[self] < CAPACITY -> shared[self]++; undone++; looking++ }
  :: shared[self] == CAPACITY -> // overflow
     d_step { n = shared[self] - shared[self] / 2; shared[self] = shared[self] - n; looking++ };
     d_step { !overflow_mutex_ -> overflowed_ = overflowed_ + n; n = 0; check() };
     d_step { push(self); undone++ }
  fi;
  work_added(most)
#endif
}

// Into `found`. Its own queue first, which nobody else fills: that it is empty is seen no sooner
// than the next thing. How much comes along with what had no place is hub_group's choice: none here,
// or one.
inline take_shared(self) {
  if
  :: d_step { shared[self] > 0 -> shared[self]--; found = true }
  :: shared[self] == 0 && overflowed_ == 0
  :: d_step { shared[self] == 0 && overflowed_ != 0 && stale_left > 0 -> stale_left-- }
  :: atomic {
       shared[self] == 0 && overflowed_ != 0 && !overflow_mutex_ ->
       overflow_mutex_ = true;
       n = 1
     };
     if
     :: overflowed_ > 1 -> push(self); n++
     :: true
     fi;
     d_step { overflowed_ = overflowed_ - n; overflow_mutex_ = false; n = 0; found = true }
  fi
}

// Into `found`. The code remembers where to begin: anywhere. Half of a queue or, as queues are short
// here, all of it: so something goes to the thief's own.
inline steal(self) {
  take_shared(self);
  if
  :: !found ->
     if
     :: step = 1
#if WORKERS == 3
     :: step = 2
#endif
     fi;
     i = step;
     do
     :: atomic {
          if
          :: shared[(self + i) % WORKERS] > 0 ->
             n = shared[(self + i) % WORKERS];
             if
             :: true
             :: n > 1 -> n = n - n / 2
             fi;
             shared[(self + i) % WORKERS] = shared[(self + i) % WORKERS] - n;
             n--;
             found = true
          :: shared[(self + i) % WORKERS] > 0 && stale_left > 0 -> stale_left--
          :: shared[(self + i) % WORKERS] == 0
          fi;
          i = (i + step) % WORKERS;
          if
          :: found || i == 0 -> i = 0; step = 0; break
          :: else
          fi
        }
     od;
     do
     :: n > 0 -> push(self); n--
     :: else -> break
     od
  :: else
  fi
}

// hub ------------------------------------------------------------------------------

// The inbox is looked at before it blocks, not while.
inline park(self) {
  if
#ifdef BLIND_PARK
  :: atomic {
#else
  :: d_step { inbox_[self] -> looking--; check() }
  :: atomic {
       !inbox_[self];
#endif
       looking--;
       check()
     };
#ifdef FORGETFUL_UNPARK
     parked[self] = true;
#endif
     if
     :: d_step { unparked[self] -> unparked[self] = false }
     :: d_step { deadlines_left > 0 -> deadlines_left-- }
     fi;
#ifdef FORGETFUL_UNPARK
     parked[self] = false
#endif
  fi
}

proctype worker(byte self) {
  byte i, n, who, step;
  bool seen, found, any;
  mtype woke;
loop:
  if
  :: inbox_[self] -> goto leave_group
  :: atomic { !inbox_[self] && unparked[self] -> unparked[self] = false } // by a poll between fibers
  :: !inbox_[self]
  fi;
  take_shared(self);
  if
  :: found -> goto taken
  :: else
  fi;
search_and_sleep:
  begin_search(self);
search:
  steal(self);
  if
  :: found -> end_search(self); goto taken
  :: else
  fi;
  sleep(self);
  if
  :: woke == searching -> woke = 0; goto search
  :: else -> woke = 0; goto loop
  fi;
taken:
  do
  :: d_step { spawns_left > 0 -> spawns_left--; found = false } -> share(self)
  :: atomic { undone--; found = false; goto loop }
  od;
leave_group:
  left_group++
}

// Who gives them work, and the end ------------------------------------------------

proctype foreign() {
  byte i, who, items = ITEMS;
  bool any;
  do
  :: items > 0 ->
#ifdef FOR_EVER
     undone == 0;
#else
     items--;
#endif
     d_step { !overflow_mutex_ -> overflowed_++; undone++; looking++ };
     work_added(WORKERS - 1)
  :: else -> break
  od;
  foreign_left--
}

// worker_hubs::end: an order for each worker, in its inbox; when all is done, or in the midst of it.
proctype end_of_run() {
  byte i;
#ifdef LATE_GIVING
  bool slept;
#endif
#ifndef EARLY_END
  undone == 0 && foreign_left == 0;
#endif
  do
  :: i < WORKERS ->
#ifdef LATE_GIVING
     slept = sleeps(i);
     inbox_[i] = true;
     if
     :: slept -> unpark(i)
#else
     inbox_[i] = true;
     if
     :: sleeps(i) -> unpark(i)
#endif
     :: else
     fi;
     i++
  :: else -> break
  od;
  left_group == WORKERS && foreign_left == 0;
  assert(searching_ == 0 && !somebody_sleeps);
#ifndef EARLY_END
  assert(undone == 0 && !queued)
#endif
}

// Without that end: when nothing can happen any more.
proctype at_rest() {
  timeout;
  assert(searching_ == 0 && undone == 0 && foreign_left == 0)
}

init {
  byte i;
  atomic {
    do
    :: i < WORKERS -> run worker(i); i++
    :: else -> break
    od;
    i = 0;
    do
    :: i < FOREIGN -> run foreign(); i++
    :: else -> break
    od;
    i = 0;
#if defined(AT_REST)
    run at_rest()
#elif !defined(FOR_EVER)
    run end_of_run()
#endif
  }
}

// Of weakly fair runs: each process that can go on does so some time.
#ifdef FOR_EVER
ltl all_is_done { [] <> (undone == 0) }
#endif
#ifdef EVENTUALLY
ltl all_end { <> (left_group == WORKERS) }
#endif
