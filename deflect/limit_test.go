package deflect_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/deflecttest"
)

// More callers than connections take turns, within their deadlines, and nobody dials
// beyond the limit.
func TestMaxConnections(t *testing.T) {
	const most, callers = 3, 60
	api := deflecttest.New(keys)
	api.SetFault(&deflecttest.Fault{Delay: 5 * time.Millisecond})
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
	client := newClient(t, nil, func(c *deflect.Config) {
		c.Domain, c.BaseURL, c.Transport, c.MaxConnections, c.LiveDeadline = "", server.URL, nil, most, 30*time.Second
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
