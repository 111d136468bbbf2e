// SPDX-License-Identifier: BSL-1.0
// Rust's std::thread and std::sync, whose waiting is raw futexes, with blocking sockets.
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Barrier, Condvar, Mutex, Once, RwLock};
use std::thread;
use std::time::{Duration, Instant};

fn in_threads<T: Send + 'static>(count: usize, body: impl Fn(usize) -> T + Send + Sync + 'static) -> Vec<T> {
    let body = Arc::new(body);
    let handles: Vec<_> = (0..count)
        .map(|i| {
            let body = Arc::clone(&body);
            thread::spawn(move || body(i))
        })
        .collect();
    handles.into_iter().map(|handle| handle.join().unwrap()).collect()
}

fn mutex() {
    let total = Arc::new(Mutex::new(0));
    let shared = Arc::clone(&total);
    in_threads(8, move |_| {
        for i in 0..5000 {
            let mut guard = shared.lock().unwrap();
            *guard += 1;
            if i % 500 == 0 {
                thread::yield_now();
            }
        }
    });
    println!("mutex {}", *total.lock().unwrap());
}

fn condvar() {
    let pair = Arc::new((Mutex::new(0), Condvar::new()));
    let shared = Arc::clone(&pair);
    in_threads(10, move |i| {
        let (lock, changed) = &*shared;
        let mut turn = lock.lock().unwrap();
        while *turn != i {
            turn = changed.wait(turn).unwrap();
        }
        *turn += 1;
        changed.notify_all();
    });
    let (lock, changed) = &*pair;
    let began = Instant::now();
    let (turn, timeout) = changed
        .wait_timeout_while(lock.lock().unwrap(), Duration::from_millis(50), |t| *t == 10)
        .unwrap();
    assert!(*turn == 10 && timeout.timed_out() && began.elapsed() >= Duration::from_millis(50));
    println!("condvar ok");
}

fn rwlock() {
    let value = Arc::new(RwLock::new((0, 0)));
    let shared = Arc::clone(&value);
    in_threads(8, move |i| {
        for _ in 0..200 {
            if i % 4 == 0 {
                let mut pair = shared.write().unwrap();
                pair.0 += 1;
                thread::yield_now();
                pair.1 += 1;
            } else {
                let pair = shared.read().unwrap();
                assert_eq!(pair.0, pair.1);
            }
        }
    });
    assert_eq!(*value.read().unwrap(), (400, 400));
    println!("rwlock ok");
}

fn barrier_and_once() {
    let barrier = Arc::new(Barrier::new(12));
    let leaders = in_threads(12, move |_| barrier.wait().is_leader());
    println!("barrier {} leader", leaders.iter().filter(|&&l| l).count());
    static ONCE: Once = Once::new();
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    in_threads(8, |_| {
        ONCE.call_once(|| {
            thread::sleep(Duration::from_millis(10));
            RUNS.fetch_add(1, Ordering::SeqCst);
        });
        assert_eq!(RUNS.load(Ordering::SeqCst), 1);
    });
    println!("once {}", RUNS.load(Ordering::SeqCst));
}

fn channel() {
    let (sender, receiver) = mpsc::sync_channel(3);
    let handles: Vec<_> = (0..10)
        .map(|i| {
            let sender = sender.clone();
            thread::spawn(move || (0..100).for_each(|k| sender.send(i * 100 + k).unwrap()))
        })
        .collect();
    drop(sender);
    println!("channel {}", receiver.iter().sum::<usize>());
    handles.into_iter().for_each(|handle| handle.join().unwrap());
}

fn park() {
    let woken = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&woken);
    let parked = thread::spawn(move || {
        while !flag.load(Ordering::SeqCst) {
            thread::park();
        }
    });
    thread::sleep(Duration::from_millis(20));
    woken.store(true, Ordering::SeqCst);
    parked.thread().unpark();
    parked.join().unwrap();
    let began = Instant::now();
    thread::spawn(|| thread::park_timeout(Duration::from_millis(30))).join().unwrap();
    assert!(began.elapsed() < Duration::from_secs(10));
    println!("park ok");
}

fn scoped_and_local() {
    let numbers: Vec<u32> = (0..10).collect();
    let total = AtomicUsize::new(0);
    thread::scope(|scope| {
        for n in &numbers {
            let total = &total;
            scope.spawn(move || total.fetch_add((n * n) as usize, Ordering::SeqCst));
        }
    });
    println!("scoped {}", total.load(Ordering::SeqCst));
    thread_local!(static OWN: Cell<usize> = Cell::new(7));
    in_threads(10, |i| {
        OWN.with(|own| assert_eq!(own.replace(i), 7));
        thread::sleep(Duration::from_millis(2));
        OWN.with(|own| assert_eq!(own.get(), i));
    });
    println!("thread locals ok");
}

fn panics() {
    std::panic::set_hook(Box::new(|_| {}));
    let result = thread::spawn(|| {
        thread::sleep(Duration::from_millis(1));
        panic!("expected");
    })
    .join();
    let payload = result.unwrap_err();
    assert_eq!(*payload.downcast_ref::<&str>().unwrap(), "expected");
    let _ = std::panic::take_hook();
    println!("panic caught");
}

fn sleeps() {
    let began = Instant::now();
    in_threads(50, |_| thread::sleep(Duration::from_millis(200)));
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(5), "{:?}", took);
    println!("sleeps overlap");
}

fn echo() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut buffer = [0; 1024];
                while let Ok(n @ 1..) = stream.read(&mut buffer) {
                    stream.write_all(&buffer[..n]).unwrap();
                }
            });
        }
    });
    let counts = in_threads(40, move |i| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        (0..50)
            .filter(|k| {
                let message = format!("{} {} {}", i, k, "x".repeat(k * 7));
                stream.write_all(message.as_bytes()).unwrap();
                let mut answer = vec![0; message.len()];
                stream.read_exact(&mut answer).unwrap();
                answer == message.as_bytes()
            })
            .count()
    });
    println!("echo {}", counts.iter().sum::<usize>());
}

fn process() {
    let output = in_threads(3, |i| Command::new("echo").arg(i.to_string()).output().unwrap());
    for (i, output) in output.iter().enumerate() {
        assert_eq!(output.stdout, format!("{}\n", i).as_bytes());
        assert!(output.status.success());
    }
    println!("process spawned");
}

fn main() {
    mutex();
    condvar();
    rwlock();
    barrier_and_once();
    channel();
    park();
    scoped_and_local();
    panics();
    sleeps();
    echo();
    process();
}
