package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const floodClients = 1000

// flood is a process of 1,000 clients who log in again and again, and wait as long as Retry-After says when they are turned away.
// It runs at a low priority: what it takes from the server's cores is to be as little as one machine allows.
type flood struct {
	cmd *exec.Cmd
	in  io.Closer
	out *bufio.Reader
}

// TestFloodProcess is the body of that process.
func TestFloodProcess(t *testing.T) {
	url := os.Getenv("PLATCTL_TEST_FLOOD")
	if url == "" {
		t.Skip("runs only for BenchmarkLoginFlood")
	}
	ctx, stop := context.WithCancel(t.Context())
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: floodClients}}
	var mu sync.Mutex
	answers := map[int]int{}
	var wg sync.WaitGroup
	for i := range floodClients {
		wg.Go(func() {
			for ctx.Err() == nil {
				code, wait := logIn(ctx, c, url, i)
				mu.Lock()
				answers[code]++
				mu.Unlock()
				select {
				case <-time.After(wait):
				case <-ctx.Done():
				}
			}
		})
	}
	_, _ = io.ReadAll(os.Stdin) // until its maker closes it, or dies
	stop()
	wg.Wait()
	delete(answers, 0) // cut off by stop
	line, err := json.Marshal(answers)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("answers %s\n", line)
}

// logIn returns the status and how long to wait before the next try; 0 when there was no answer.
func logIn(ctx context.Context, c *http.Client, url string, i int) (int, time.Duration) {
	body := fmt.Sprintf(`{"handle":"nobody%d","password":"correct horse"}`, i)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/api/v1/auth/login", strings.NewReader(body))
	if err != nil {
		return 0, 0
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.Do(req)
	if err != nil {
		return 0, time.Second
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	seconds, _ := strconv.Atoi(res.Header.Get("Retry-After"))
	return res.StatusCode, time.Duration(seconds)*time.Second + rand.N(time.Second) // no thousand people are in step
}

func startFlood(b *testing.B, url string) *flood {
	b.Helper()
	f := &flood{cmd: exec.Command(os.Args[0], "-test.run=^TestFloodProcess$")}
	f.cmd.Env, f.cmd.Stderr = append(os.Environ(), "PLATCTL_TEST_FLOOD="+url), os.Stderr
	in, err := f.cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	f.in, f.out = in, bufio.NewReader(out)
	raw, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0) // the system call answers 20-nice
	if err == nil {
		err = syscall.Setpriority(syscall.PRIO_PROCESS, f.cmd.Process.Pid, min(20-raw+15, 19))
	}
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// stop ends the flood and adds its answers by status to sum.
func (f *flood) stop(b *testing.B, sum map[int]int) {
	b.Helper()
	_ = f.in.Close()
	var line []byte
	for {
		var err error
		if line, err = f.out.ReadBytes('\n'); err != nil {
			b.Fatalf("the flood ended with %v", err)
		}
		if rest, ok := strings.CutPrefix(string(line), "answers "); ok {
			line = []byte(rest)
			break
		}
	}
	var answers map[int]int
	if err := json.Unmarshal(line, &answers); err != nil {
		b.Fatal(err)
	}
	for code, n := range answers {
		sum[code] += n
	}
	if err := f.cmd.Wait(); err != nil {
		b.Fatal(err)
	}
}
