package deflect_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// More callers than requests that may be under way take turns, within their deadlines, and
// nobody dials beyond that.
func TestMaxRequests(t *testing.T) {
	const most, callers = 3, 60
	api := livedeflecttest.New(keys)
	api.SetFault(&livedeflecttest.Fault{Delay: 5 * time.Millisecond})
	var mu sync.Mutex
	open, highest := 0, 0
	server := httptest.NewUnstartedServer(api)
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		switch s {
		case http.StateNew:
			open++
			highest = max(highest, open)
		case http.StateClosed, http.StateHijacked:
			open--
		}
	}
	server.Start()
	defer server.Close()
	client := newClient(t, nil, func(c *rig.Config) {
		c.Domain, c.BaseURL, c.Transport, c.MaxRequests, c.LiveDeadline = "", server.URL, nil, most, 30*time.Second
	})
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			if _, err := client.Deflect(t.Context(), call()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := len(api.Sent()); n != callers || highest > most || highest == 0 {
		t.Errorf("%d of %d texts over at most %d connections at a time, want at most %d", n, callers, highest, most)
	}
}

// That our own limit leaves no turn is no sign of the API's health, and nothing waits any
// longer when the callers have gone.
func TestNoTurnIsNotTheAPIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		api.SetFault(&livedeflecttest.Fault{Delay: 700 * time.Millisecond})
		client := newClient(t, api, func(c *rig.Config) { c.MaxRequests, c.LiveDeadline = 1, time.Second })
		var all sync.WaitGroup
		results := make(chan deflect.Result, 100)
		for range 100 {
			all.Go(func() {
				res, _ := client.Deflect(t.Context(), call())
				results <- res
			})
		}
		all.Wait()
		close(results)
		got := map[string]int{}
		for res := range results {
			got[string(res.Outcome)+" "+string(res.Reason)]++
		}
		if got["sent ok"] != 1 || got["failed internal"]+got["uncertain timeout"] != 99 || got["uncertain timeout"] > 1 {
			t.Errorf("came to %v", got)
		}
		if _, err := client.Offer(t.Context(), call()); err != nil {
			t.Errorf("nobody is offered a text: %v", err)
		}
	})
}
