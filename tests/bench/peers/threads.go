// threads.go: the four works on Go: goroutines locked to threads stand for worker and foreign threads;
// yields and goroutines are those of one processor.
package main

import (
	"fmt"
	"runtime"
	"sort"
	"time"
)

const (
	warmUp = 1000
	trips  = 10000
	yields = 200000
	spawns = 100000
)

type call struct {
	function func() int
	result   chan int
}

func nothing() int {
	return 0
}

func serve(calls chan call) {
	for c := range calls {
		c.result <- c.function()
	}
}

// measure makes calls and tells their median.
func measure(work string, calls chan call) {
	var samples []float64
	result := make(chan int)
	for i := -warmUp; i < trips; i++ {
		begin := time.Now()
		calls <- call{nothing, result}
		<-result
		if i >= 0 {
			samples = append(samples, float64(time.Since(begin)))
		}
	}
	sort.Float64s(samples)
	fmt.Printf("%s %.0f\n", work, samples[trips/2])
}

func runInThread() {
	calls := make(chan call)
	go func() {
		runtime.LockOSThread()
		serve(calls)
	}()
	measure("run_in_thread", calls)
	close(calls)
}

func callIn() {
	calls := make(chan call)
	go func() {
		runtime.LockOSThread()
		measure("call_in", calls)
		close(calls)
	}()
	serve(calls)
}

func yield() {
	over := make(chan int)
	often := func() {
		for i := 0; i < yields; i++ {
			runtime.Gosched()
		}
		over <- 0
	}
	begin := time.Now()
	go often()
	go often()
	<-over
	<-over
	fmt.Printf("yield %.1f\n", float64(time.Since(begin))/(2*yields))
}

func spawnJoin() {
	over := make(chan int)
	begin := time.Now()
	for i := 0; i < spawns; i++ {
		go func() { over <- nothing() }()
		<-over
	}
	fmt.Printf("spawn_join %.1f\n", float64(time.Since(begin))/spawns)
}

func main() {
	runInThread()
	callIn()
	runtime.GOMAXPROCS(1)
	yield()
	spawnJoin()
}
