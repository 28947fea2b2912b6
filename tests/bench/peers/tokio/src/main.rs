//! The four works on tokio, on its runtime of one thread; worker threads are those of spawn_blocking.
use std::thread;
use std::time::Instant;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{spawn, spawn_blocking, yield_now};

const WARM_UP: usize = 1000;
const TRIPS: usize = 10000;
const YIELDS: usize = 200000;
const SPAWNS: usize = 100000;

fn nothing() -> i32 {
    0
}

fn tell_median(work: &str, samples: Vec<f64>) {
    let mut sorted = samples[WARM_UP..].to_vec();
    sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
    println!("{} {:.0}", work, sorted[sorted.len() / 2]);
}

fn since(begin: Instant) -> f64 {
    begin.elapsed().as_nanos() as f64
}

async fn run_in_thread() {
    let mut samples = Vec::new();
    for _ in 0..WARM_UP + TRIPS {
        let begin = Instant::now();
        spawn_blocking(nothing).await.unwrap();
        samples.push(since(begin));
    }
    tell_median("run_in_thread", samples);
}

fn call_from_thread(runtime: Handle) {
    let mut samples = Vec::new();
    for _ in 0..WARM_UP + TRIPS {
        let begin = Instant::now();
        let call = runtime.spawn(async { nothing() });
        runtime.block_on(call).unwrap();
        samples.push(since(begin));
    }
    tell_median("call_in", samples);
}

fn call_in(runtime: &Runtime) {
    let handle = runtime.handle().clone();
    let (over, wait) = tokio::sync::oneshot::channel();
    let caller = thread::spawn(move || {
        call_from_thread(handle);
        over.send(()).unwrap();
    });
    runtime.block_on(wait).unwrap();
    caller.join().unwrap();
}

async fn yield_often() {
    for _ in 0..YIELDS {
        yield_now().await;
    }
}

async fn yields() {
    let begin = Instant::now();
    let (a, b) = (spawn(yield_often()), spawn(yield_often()));
    a.await.unwrap();
    b.await.unwrap();
    println!("yield {:.1}", since(begin) / (2 * YIELDS) as f64);
}

async fn spawn_join() {
    let begin = Instant::now();
    for _ in 0..SPAWNS {
        spawn(async { nothing() }).await.unwrap();
    }
    println!("spawn_join {:.1}", since(begin) / SPAWNS as f64);
}

fn main() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(run_in_thread());
    call_in(&runtime);
    runtime.block_on(async { spawn(yields()).await.unwrap() });
    runtime.block_on(async { spawn(spawn_join()).await.unwrap() });
}
