//go:build unix

package deflect_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
)

const pausedURL = "DEFLECT_TEST_PAUSED_URL"

// A process that is stopped for as long as its deadline lasts: what passed then is
// its own time, and the breaker stays closed.
func TestStoppedProcess(t *testing.T) {
	if url := os.Getenv(pausedURL); url != "" {
		stopped(t, url)
		return
	}
	var calls sync.WaitGroup
	calls.Add(3)
	release := make(chan struct{})
	api := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Done(); <-release }))
	defer api.Close()
	defer close(release)

	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestStoppedProcess$")
	child.Env = append(os.Environ(), pausedURL+"="+api.URL)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	calls.Wait() // all of them wait for an answer
	if err := child.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second)
	child.Process.Signal(syscall.SIGCONT)
	got := map[string]int{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if line, ok := strings.CutPrefix(lines.Text(), "child: "); ok {
			got[line]++
		}
	}
	child.Wait()
	if got["uncertain timeout"] != 3 || got["breaker closed"] != 1 {
		t.Errorf("the child says %v", got)
	}
}

func stopped(t *testing.T, url string) {
	c := newClient(t, nil, func(c *rig.Config) {
		c.Domain, c.BaseURL, c.Transport = "", url, nil
		c.Breaker.Failures, c.LiveDeadline = 2, 2500*time.Millisecond
	})
	var calls sync.WaitGroup
	for range 3 {
		calls.Go(func() {
			res, _ := c.Deflect(context.Background(), call())
			fmt.Println("child:", res.Outcome, res.Reason)
		})
	}
	calls.Wait()
	if offer, err := c.Offer(context.Background(), call()); err == nil {
		offer.Release()
		fmt.Println("child: breaker closed")
	}
}
