// SPDX-License-Identifier: BSL-1.0
//
// Model of the patch's one processor, where there is only one: whoever holds it may touch the
// machine, and there is no lock. Of patch/kernel/native.cpp, work.cpp, scheduler.cpp, monitor.cpp and
// worker.cpp, with the names that they have there. one_processor.py runs it.
//
// Threads make calls of the kernel's that last, until the others have ended or for a while. Their
// workers lose the processor by a compare-and-swap: to the monitor, which finds somebody that waits,
// or to who comes back from another such call. Who comes back without it leaves its thread in
// `returned`, and falls asleep. Who has it looks there, and in the end waits for events, with
// `polling` said before the last look. All of these are sequentially consistent in the code, but for
// `polling` made false, after which whoever has the processor looks once more.

#ifndef WORKERS
#define WORKERS 4
#endif
#ifndef THREADS
#define THREADS 3
#endif
#ifndef CALLS // of the kernel's, of each thread
#define CALLS 1
#endif
#define none 7

mtype = { running, in_native, without };               // worker_state
mtype = { executing, in_kernel, ready, returned, ended }; // a thread

byte holder = 0; // processor::holder
mtype state[WORKERS] = without;
bool holds[WORKERS]; // worker::holds, which is null or the one
bool ordered[WORKERS];
bool asleep[WORKERS];
bool spare[WORKERS];
bool started[WORKERS];
bool made[WORKERS];
mtype thread[THREADS] = ready;
byte calls[THREADS] = CALLS;
bool polling;
bool interrupted;
byte having; // ghost: workers that believe to have it

#if THREADS == 2
#define any(what) (thread[0] == what || thread[1] == what)
#define all_ended (thread[0] == ended && thread[1] == ended)
#else
#define any(what) (thread[0] == what || thread[1] == what || thread[2] == what)
#define all_ended (thread[0] == ended && thread[1] == ended && thread[2] == ended)
#endif

// Whoever runs a thread, or touches the machine.
#define check_holds(w) assert(having == 1 && holder == w && holds[w] && state[w] == running)

inline take_any_spare(w) { // under the lock of the workers' list
  w = 0;
  do
  :: w == WORKERS -> w = none; break
  :: w < WORKERS && spare[w] -> spare[w] = false; break
  :: else -> w++
  od
}
inline make_worker(w) {
  w = 0;
  do
  :: w == WORKERS -> w = none; break
  :: w < WORKERS && !made[w] -> made[w] = true; break
  :: else -> w++
  od
}
inline find_worker(w) {
  atomic {
    take_any_spare(w);
    if
    :: w == none -> make_worker(w)
    :: else
    fi
  }
}
inline give_processor(to) {
  holds[to] = true;
  holder = to;
  assert(!ordered[to]);
  ordered[to] = true;
  asleep[to] = false // futex_wake
}

proctype worker(byte self) {
  byte t = none, other = none, h = none;
  mtype was;

end_unmade:
  made[self];
  if
  :: self == 0
  :: else -> goto wait_for_processor
  fi;

work: // the processor is its
  check_holds(self);
  // gather: take_returned
  atomic {
    t = 0;
    do
    :: t < THREADS -> thread[t] = (thread[t] == returned -> ready : thread[t]); t++
    :: else -> t = none; break
    od
  };
  if // proper_worker: the home, if it sleeps
  :: self != 0 ->
     atomic {
       if
       :: spare[0] -> spare[0] = false; other = 0
       :: else
       fi
     }
  :: else
  fi;
  if
  :: other != none ->
     holds[self] = false;
     state[self] = without;
     having--;
     give_processor(other);
     other = none;
     goto wait_for_processor
  :: else
  fi;
  if
  :: any(ready)
  :: else -> goto poll_alone
  fi;
  atomic {
    if
    :: thread[0] == ready -> t = 0
    :: thread[1] == ready -> t = 1
#if THREADS == 3
    :: thread[2] == ready -> t = 2
#endif
    fi;
    thread[t] = executing
  };

program:
  check_holds(self);
  assert(thread[t] == executing);
  if
  :: calls[t] > 0 -> calls[t]--; goto native_call
  :: thread[t] = ready; t = none; goto work // yields
  :: thread[t] = ended; t = none; goto work
  fi;

poll_alone:
#ifdef LATE_POLLING
  if
  :: any(returned) -> goto work
  :: else
  fi;
  polling = true;
#else
  polling = true;
  if
  :: any(returned) -> polling = false; goto work
  :: else
  fi;
#endif
end_polling: // in epoll_wait: for ever, as nobody waits for events here
  atomic { interrupted -> interrupted = false };
  polling = false;
  goto work;

native_call:
  if
  :: any(ready) || any(returned) -> // give_away
     find_worker(other);
     if
     :: other != none ->
        thread[t] = in_kernel;
        holds[self] = false;
        state[self] = without;
        having--;
        give_processor(other);
        other = none
     :: else -> goto plainly
     fi
  :: true ->
plainly:
     thread[t] = in_kernel;
     atomic { state[self] = in_native; having-- } // may be taken from here on
  fi;
  if // in the kernel
  :: t != THREADS - 1 -> thread[THREADS - 1] == ended
  :: true
  fi;
  atomic { // interrupt_native
    was = state[self];
    if
    :: was == in_native -> state[self] = running; having++
    :: else
    fi
  };
  if
  :: was == in_native -> thread[t] = executing; goto program
  :: else
  fi;
  // find_processor
#ifndef FORGETS_EARLY
  !holds[self] || holder != self; // forget_lost
#endif
  holds[self] = false;
  // take_over
  h = holder;
#ifdef BLIND_TAKING
  if
  :: state[h] == in_native -> state[h] = without; having++; holds[self] = true
  :: else
  fi;
#else
  atomic {
    if
    :: state[h] == in_native -> state[h] = without; having++; holds[self] = true
    :: else
    fi
  };
#endif
  if
  :: holds[self] ->
     holder = self;
     state[self] = running;
     thread[t] = executing;
     goto program
  :: else
  fi;
  // wait_for_turn: give_back
  thread[t] = returned;
  t = none;
  if
#ifndef NO_INTERRUPT
  :: polling -> interrupted = true
#endif
  :: else
  fi;

wait_for_processor:
  atomic {
    if
    :: started[self] && !ordered[self] -> spare[self] = true
    :: else
    fi;
    started[self] = true
  };
sleeping:
  if
  :: ordered[self]
  :: atomic { !ordered[self] -> asleep[self] = true };
end_asleep:
     !asleep[self];
     goto sleeping
  fi;
  ordered[self] = false;
  atomic { state[self] = running; having++ };
  goto work
}

proctype monitor() {
  byte w = none, other = none;
  bool taken;
end_watching:
  do
  :: atomic { (any(ready) || any(returned)) && state[holder] == in_native -> w = holder };
     find_worker(other);
     if
     :: other == none // none can be made: the next look
     :: else ->
        atomic {
          if
          :: state[w] == in_native -> state[w] = without; taken = true
          :: else
          fi
        };
        if
        :: taken -> assert(holds[w] && holder == w); give_processor(other)
        :: else -> spare[other] = true // return_spare
        fi
     fi;
     w = none;
     other = none;
     taken = false
  od
}

proctype at_rest() {
  timeout;
  assert(all_ended)
}

init {
  byte i;
  atomic {
    made[0] = true;
    started[0] = true;
    state[0] = running;
    holds[0] = true;
    having = 1;
    do
    :: i < WORKERS -> run worker(i); i++
    :: else -> break
    od;
    run monitor();
    run at_rest()
  }
}
