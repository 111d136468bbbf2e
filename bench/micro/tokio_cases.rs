// SPDX-License-Identifier: BSL-1.0

//! The micro-benchmarks' cases for tokio, on its runtime of one thread: `tokio-micro CASE SECONDS` prints one line of
//! JSON, the processor time of an operation (bench/micro/program.hpp).

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, Mutex, Notify, Semaphore};
use tokio::task::yield_now;

const TURNS: usize = 50_000;

fn processor_time() -> f64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now) };
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

fn many() -> usize {
    std::env::var("BENCH_MANY").ok().and_then(|count| count.parse().ok()).unwrap_or(1_000_000)
}

fn memory_in_use() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .filter(|line| line.starts_with("VmRSS:") || line.starts_with("VmPTE:"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok())
        .map(|kib| kib * 1024.0)
        .sum()
}

/// Each function on the way to the yield is a future in a box, as recursion has it.
fn deep(frames: usize) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if frames == 0 {
            yield_now().await
        } else {
            deep(frames - 1).await
        }
    })
}

async fn yields(tasks: usize, frames: usize, rounds: usize) -> usize {
    let each = 100_000 / tasks * rounds;
    let all: Vec<_> = (0..tasks)
        .map(|_| {
            tokio::spawn(async move {
                for _ in 0..each {
                    if frames == 0 {
                        yield_now().await
                    } else {
                        deep(frames).await
                    }
                }
            })
        })
        .collect();
    for task in all {
        task.await.unwrap();
    }
    tasks * each
}

async fn spawn_join(count: usize, rounds: usize) -> usize {
    let mut all = Vec::with_capacity(count);
    for _ in 0..rounds {
        for _ in 0..count {
            all.push(tokio::spawn(async {}));
        }
        for task in all.drain(..) {
            task.await.unwrap();
        }
    }
    count * rounds
}

fn skynet_node(number: usize, size: usize) -> Pin<Box<dyn Future<Output = usize> + Send>> {
    Box::pin(async move {
        if size == 1 {
            return number;
        }
        let size = size / 10;
        let children: Vec<_> = (0..10).map(|i| tokio::spawn(skynet_node(number + i * size, size))).collect();
        let mut sum = 0;
        for child in children {
            sum += child.await.unwrap();
        }
        sum
    })
}

async fn skynet(rounds: usize) -> usize {
    for _ in 0..rounds {
        let leaves = many();
        let sum = tokio::spawn(skynet_node(0, leaves)).await.unwrap();
        assert_eq!(sum, leaves * (leaves - 1) / 2);
    }
    rounds
}

/// tokio has no channel without a buffer: room for one.
async fn channel(rounds: usize) -> usize {
    let (there, mut from_there) = mpsc::channel(1);
    let (back, mut from_back) = mpsc::channel(1);
    let first = tokio::spawn(async move {
        for i in 0..TURNS * rounds {
            there.send(i).await.unwrap();
            from_back.recv().await.unwrap();
        }
    });
    let second = tokio::spawn(async move {
        for _ in 0..TURNS * rounds {
            let value = from_there.recv().await.unwrap();
            back.send(value).await.unwrap();
        }
    });
    first.await.unwrap();
    second.await.unwrap();
    2 * TURNS * rounds
}

async fn queue(rounds: usize) -> usize {
    let (put, mut get) = mpsc::channel(64);
    let count = 2 * TURNS * rounds;
    let first = tokio::spawn(async move {
        for i in 0..count {
            put.send(i).await.unwrap();
        }
    });
    let second = tokio::spawn(async move { while get.recv().await.is_some() {} });
    first.await.unwrap();
    second.await.unwrap();
    count
}

async fn mutex(rounds: usize) -> usize {
    let lock = Mutex::new(());
    for _ in 0..1000 * rounds {
        drop(lock.lock().await);
    }
    1000 * rounds
}

async fn mutex_handed_over(rounds: usize) -> usize {
    let lock = Arc::new(Mutex::new(()));
    let player = |lock: Arc<Mutex<()>>| async move {
        for _ in 0..TURNS * rounds {
            let held = lock.lock().await;
            yield_now().await; // the other one comes and waits
            drop(held);
        }
    };
    let both = [tokio::spawn(player(lock.clone())), tokio::spawn(player(lock))];
    for task in both {
        task.await.unwrap();
    }
    2 * TURNS * rounds
}

/// tokio has no condition variable; a Notify for each side is what takes its place.
async fn condition_ping_pong(rounds: usize) -> usize {
    let turn = Arc::new(Mutex::new(0));
    let changed = Arc::new([Notify::new(), Notify::new()]);
    let both: Vec<_> = (0..2usize)
        .map(|me| {
            let (turn, changed) = (turn.clone(), changed.clone());
            tokio::spawn(async move {
                for _ in 0..TURNS * rounds {
                    loop {
                        let mut whose = turn.lock().await;
                        if *whose == me {
                            *whose = 1 - me;
                            changed[1 - me].notify_one();
                            break;
                        }
                        drop(whose);
                        changed[me].notified().await;
                    }
                }
            })
        })
        .collect();
    for task in both {
        task.await.unwrap();
    }
    2 * TURNS * rounds
}

async fn semaphore(rounds: usize) -> usize {
    let permits = Semaphore::new(1);
    for _ in 0..1000 * rounds {
        drop(permits.acquire().await.unwrap());
    }
    1000 * rounds
}

async fn semaphore_ping_pong(rounds: usize) -> usize {
    let permits = Arc::new([Semaphore::new(1), Semaphore::new(0)]);
    let both: Vec<_> = (0..2)
        .map(|me| {
            let permits = permits.clone();
            tokio::spawn(async move {
                for _ in 0..TURNS * rounds {
                    permits[me].acquire().await.unwrap().forget();
                    permits[1 - me].add_permits(1);
                }
            })
        })
        .collect();
    for task in both {
        task.await.unwrap();
    }
    2 * TURNS * rounds
}

async fn future_get(rounds: usize) -> usize {
    let wanted: Rc<RefCell<Option<oneshot::Sender<usize>>>> = Rc::default();
    let over = Rc::new(Cell::new(false));
    let local = tokio::task::LocalSet::new();
    let (asked, done) = (wanted.clone(), over.clone());
    local.spawn_local(async move {
        for _ in 0..TURNS * rounds {
            let (set, get) = oneshot::channel();
            *asked.borrow_mut() = Some(set);
            get.await.unwrap();
        }
        done.set(true);
    });
    local.spawn_local(async move {
        let mut i = 0;
        while !over.get() {
            if let Some(set) = wanted.borrow_mut().take() {
                set.send(i).unwrap();
            }
            i += 1;
            yield_now().await;
        }
    });
    local.await;
    TURNS * rounds
}

async fn timers(rounds: usize) -> usize {
    let count = many();
    let mut all = Vec::with_capacity(count);
    for _ in 0..rounds {
        let mut random = 1u32;
        for _ in 0..count {
            random = random.wrapping_mul(1664525).wrapping_add(1013904223);
            let span = Duration::from_micros(u64::from(random >> 8) % 1_000_000);
            all.push(tokio::spawn(tokio::time::sleep(span)));
        }
        for task in all.drain(..) {
            task.await.unwrap();
        }
    }
    count * rounds
}

fn report(name: &str, ns: f64, more: &str) {
    println!("{{\"case\": \"{name}\", \"ns\": {ns:.6}{more}}}");
}

async fn sleepers() {
    let count = many();
    let (before, begin) = (memory_in_use(), processor_time());
    let asleep = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let asleep = asleep.clone();
        all.push(tokio::spawn(async move {
            asleep.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }));
    }
    while asleep.load(std::sync::atomic::Ordering::Relaxed) < count {
        yield_now().await;
    }
    let each = (processor_time() - begin) / count as f64;
    report("sleepers", each, &format!(", \"bytes\": {:.6}", (memory_in_use() - before) / count as f64));
    std::process::exit(0);
}

async fn sleep_late() {
    let span = Duration::from_millis(1);
    let mut late = Vec::new();
    for _ in 0..100 {
        let begin = Instant::now();
        tokio::time::sleep(span).await;
        late.push((begin.elapsed() - span).as_nanos() as f64);
    }
    late.sort_by(|a, b| a.total_cmp(b));
    report("sleep_late", late[late.len() / 2], "");
}

/// So many rounds of a case; how many operations that was, or none if there is no such case.
async fn run(name: &str, rounds: usize) -> Option<usize> {
    Some(match name {
        "yield/2" => yields(2, 0, rounds).await,
        "yield/1000" => yields(1000, 0, rounds).await,
        "yield_2_frames/2" => yields(2, 2, rounds).await,
        "yield_6_frames/2" => yields(2, 6, rounds).await,
        "spawn_join/1000" => spawn_join(1000, rounds).await,
        "spawn_join/many" => spawn_join(many(), rounds).await,
        "skynet" => skynet(rounds).await,
        "channel" => channel(rounds).await,
        "queue" => queue(rounds).await,
        "mutex" => tokio::spawn(mutex(rounds)).await.unwrap(),
        "mutex_handed_over" => mutex_handed_over(rounds).await,
        "condition_ping_pong" => condition_ping_pong(rounds).await,
        "semaphore" => tokio::spawn(semaphore(rounds)).await.unwrap(),
        "semaphore_ping_pong" => semaphore_ping_pong(rounds).await,
        "future_get" => future_get(rounds).await,
        "timers" => timers(rounds).await,
        _ => return None,
    })
}

async fn measure(name: &str, seconds: f64) {
    // The long ones: how often, of which the best counts.
    let times = match name {
        "spawn_join/many" | "skynet" => 2,
        "timers" => 1,
        _ => 0,
    };
    let mut best: Option<f64> = None;
    let mut rounds = 1;
    for number in 1.. {
        let begin = processor_time();
        let operations = match run(name, rounds).await {
            Some(operations) => operations,
            None => return println!("{{}}"),
        };
        let taken = processor_time() - begin;
        let each = taken / operations as f64;
        if times > 0 {
            best = Some(best.map_or(each, |b| b.min(each)));
            if number == times {
                break;
            }
        } else if taken >= seconds * 1e9 {
            best = Some(each);
            break;
        } else {
            rounds *= 2;
        }
    }
    report(name, best.unwrap_or(0.0), "");
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    if words.len() != 3 {
        eprintln!("usage: tokio-micro CASE SECONDS");
        std::process::exit(2);
    }
    let seconds = words[2].parse().unwrap_or(0.2);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        match words[1].as_str() {
            "sleepers" => sleepers().await,
            "sleep_late" => sleep_late().await,
            name => measure(name, seconds).await,
        }
    });
}
