// SPDX-License-Identifier: BSL-1.0

// Command go-micro has the micro-benchmarks' cases for Go: go-micro CASE SECONDS prints one line of JSON, the
// processor time of an operation (bench/micro/program.hpp). Run with GOMAXPROCS=1.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const turns = 50_000

// A body does so many rounds and says how many operations they were.
type body func(rounds int) int

func processorTime() float64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return float64(used.Utime.Nano() + used.Stime.Nano())
}

func many() int {
	if count, err := strconv.Atoi(os.Getenv("BENCH_MANY")); err == nil {
		return count
	}
	return 1_000_000
}

func memoryInUse() float64 {
	status, _ := os.ReadFile("/proc/self/status")
	bytes := 0.0
	for _, line := range strings.Split(string(status), "\n") {
		words := strings.Fields(line)
		if len(words) > 1 && (words[0] == "VmRSS:" || words[0] == "VmPTE:") {
			kib, _ := strconv.ParseFloat(words[1], 64)
			bytes += kib * 1024
		}
	}
	return bytes
}

// together runs so many goroutines and waits for them.
func together(count int, run func(me int)) {
	var all sync.WaitGroup
	all.Add(count)
	for me := 0; me < count; me++ {
		go func(me int) {
			run(me)
			all.Done()
		}(me)
	}
	all.Wait()
}

//go:noinline
func deep(frames int) {
	if frames == 0 {
		runtime.Gosched()
	} else {
		deep(frames - 1)
	}
}

func yield(goroutines, frames int) body {
	return func(rounds int) int {
		each := 100_000 / goroutines * rounds
		together(goroutines, func(int) {
			for i := 0; i < each; i++ {
				deep(frames)
			}
		})
		return goroutines * each
	}
}

func spawnJoin(count int) body {
	return func(rounds int) int {
		for round := 0; round < rounds; round++ {
			var all sync.WaitGroup
			all.Add(count)
			for i := 0; i < count; i++ {
				go all.Done()
			}
			all.Wait()
		}
		return rounds * count
	}
}

func skynetNode(to chan int, number, size int) {
	if size == 1 {
		to <- number
		return
	}
	results := make(chan int)
	size /= 10
	for i := 0; i < 10; i++ {
		go skynetNode(results, number+i*size, size)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-results
	}
	to <- sum
}

func skynet(rounds int) int {
	for round := 0; round < rounds; round++ {
		leaves := many()
		result := make(chan int)
		go skynetNode(result, 0, leaves)
		if <-result != leaves*(leaves-1)/2 {
			panic("wrong sum")
		}
	}
	return rounds
}

func channel(rounds int) int {
	there, back := make(chan int), make(chan int)
	together(2, func(me int) {
		for i := 0; i < turns*rounds; i++ {
			if me == 0 {
				there <- i
				<-back
			} else {
				back <- <-there
			}
		}
	})
	return 2 * turns * rounds
}

func queue(rounds int) int {
	items := make(chan int, 64)
	together(2, func(me int) {
		for i := 0; i < 2*turns*rounds; i++ {
			if me == 0 {
				items <- i
			} else {
				<-items
			}
		}
	})
	return 2 * turns * rounds
}

func mutex(rounds int) int {
	var lock sync.Mutex
	for i := 0; i < 1000*rounds; i++ {
		lock.Lock()
		lock.Unlock()
	}
	return 1000 * rounds
}

func mutexHandedOver(rounds int) int {
	var lock sync.Mutex
	together(2, func(int) {
		for i := 0; i < turns*rounds; i++ {
			lock.Lock()
			runtime.Gosched() // the other one comes and waits
			lock.Unlock()
		}
	})
	return 2 * turns * rounds
}

func conditionPingPong(rounds int) int {
	var lock sync.Mutex
	changed := sync.NewCond(&lock)
	turn := 0
	together(2, func(me int) {
		for i := 0; i < turns*rounds; i++ {
			lock.Lock()
			for turn != me {
				changed.Wait()
			}
			turn = 1 - me
			changed.Signal()
			lock.Unlock()
		}
	})
	return 2 * turns * rounds
}

// Go's semaphore is a channel with a buffer.
func semaphore(rounds int) int {
	permits := make(chan struct{}, 1)
	for i := 0; i < 1000*rounds; i++ {
		permits <- struct{}{}
		<-permits
	}
	return 1000 * rounds
}

func semaphorePingPong(rounds int) int {
	permits := [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}
	permits[0] <- struct{}{}
	together(2, func(me int) {
		for i := 0; i < turns*rounds; i++ {
			<-permits[me]
			permits[1-me] <- struct{}{}
		}
	})
	return 2 * turns * rounds
}

// Go's future is a channel that takes one value.
func futureGet(rounds int) int {
	asked := make(chan chan int, 1)
	together(2, func(me int) {
		for i := 0; i < turns*rounds; i++ {
			if me == 0 {
				future := make(chan int, 1)
				asked <- future
				<-future
			} else {
				future := <-asked
				future <- i
			}
		}
	})
	return turns * rounds
}

//go:noinline
func yieldAndPanic() {
	runtime.Gosched()
	panic(1)
}

func exception(rounds int) int {
	attempt := func() {
		defer func() { _ = recover() }()
		yieldAndPanic()
	}
	together(2, func(int) {
		for i := 0; i < turns*rounds; i++ {
			attempt()
		}
	})
	return 2 * turns * rounds
}

func exceptionHeld(rounds int) int {
	attempt := func() {
		defer func() {
			runtime.Gosched()
			_ = recover()
		}()
		panic(1)
	}
	together(2, func(int) {
		for i := 0; i < turns*rounds; i++ {
			attempt()
		}
	})
	return 2 * turns * rounds
}

//go:noinline
func touchStack() byte {
	var memory [16 << 10]byte
	for at := 0; at < len(memory); at += 4096 {
		memory[at] = byte(at)
	}
	return memory[turns%len(memory)]
}

func stack(rounds int) int {
	for i := 0; i < rounds; i++ {
		together(100, func(int) { touchStack() })
	}
	return 100 * rounds
}

func timers(rounds int) int {
	count := many()
	for round := 0; round < rounds; round++ {
		random := uint32(1)
		var all sync.WaitGroup
		all.Add(count)
		for i := 0; i < count; i++ {
			random = random*1664525 + 1013904223
			span := time.Duration((random>>8)%1_000_000) * time.Microsecond
			go func() {
				time.Sleep(span)
				all.Done()
			}()
		}
		all.Wait()
	}
	return count * rounds
}

func report(name string, ns float64, more string) {
	fmt.Printf("{\"case\": %q, \"ns\": %f%s}\n", name, ns, more)
}

func sleepers() {
	count := many()
	before := memoryInUse()
	begin := processorTime()
	asleep := 0
	for i := 0; i < count; i++ {
		go func() {
			asleep++ // on one processor, and not preempted in between
			for {
				time.Sleep(time.Hour)
			}
		}()
	}
	for asleep < count {
		runtime.Gosched()
	}
	taken := processorTime() - begin
	report("sleepers", taken/float64(count), fmt.Sprintf(", \"bytes\": %f", (memoryInUse()-before)/float64(count)))
}

func sleepLate() {
	var late []float64
	for i := 0; i < 100; i++ {
		begin := time.Now()
		time.Sleep(time.Millisecond)
		late = append(late, float64(time.Since(begin)-time.Millisecond))
	}
	sort.Float64s(late)
	report("sleep_late", late[len(late)/2], "")
}

var cases = map[string]body{
	"yield/2":             yield(2, 0),
	"yield/1000":          yield(1000, 0),
	"yield_2_frames/2":    yield(2, 2),
	"yield_6_frames/2":    yield(2, 6),
	"spawn_join/1000":     spawnJoin(1000),
	"stack":               stack,
	"channel":             channel,
	"queue":               queue,
	"mutex":               mutex,
	"mutex_handed_over":   mutexHandedOver,
	"condition_ping_pong": conditionPingPong,
	"semaphore":           semaphore,
	"semaphore_ping_pong": semaphorePingPong,
	"future_get":          futureGet,
	"exception":           exception,
	"exception_held":      exceptionHeld,
}

// Those that take long: how often in one process, of which the best counts.
var long = map[string]struct {
	run   body
	times int
}{
	"spawn_join/many": {func(rounds int) int { return spawnJoin(many())(rounds) }, 2},
	"skynet":          {skynet, 2},
	"timers":          {timers, 1},
}

func timed(run body, rounds int) (each, taken float64) {
	begin := processorTime()
	operations := run(rounds)
	taken = processorTime() - begin
	return taken / float64(operations), taken
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: go-micro CASE SECONDS")
		os.Exit(2)
	}
	name := os.Args[1]
	seconds, _ := strconv.ParseFloat(os.Args[2], 64)
	if name == "sleepers" {
		sleepers()
	} else if name == "sleep_late" {
		sleepLate()
	} else if each, ok := long[name]; ok {
		best, _ := timed(each.run, 1)
		for i := 1; i < each.times; i++ {
			if again, _ := timed(each.run, 1); again < best {
				best = again
			}
		}
		report(name, best, "")
	} else if run, ok := cases[name]; ok {
		// As many rounds as it takes to last that long.
		for rounds := 1; ; rounds *= 2 {
			each, taken := timed(run, rounds)
			if taken >= seconds*1e9 {
				report(name, each, "")
				break
			}
		}
	} else {
		fmt.Println("{}")
	}
}
