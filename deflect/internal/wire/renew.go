package wire

import (
	"net/http"
	"sync"
	"time"
)

// oldestTransport is how long connections get new requests, however well they work:
// a busy one would never follow its name to another address.
const oldestTransport = 5 * time.Minute

// Renewing is a transport that begins anew with fresh connections, from time to time
// and when one of them fell silent. Requests on the old ones end as they began; the
// old transport closes each when it is idle.
type Renewing struct {
	Oldest time.Duration // how long connections get new requests; 5 min
	fresh  func() *http.Transport

	mu   sync.Mutex
	now  *http.Transport
	made time.Time
	old  []*http.Transport // the last few
}

// NewRenewing returns one whose transports come from fresh.
func NewRenewing(fresh func() *http.Transport) *Renewing {
	return &Renewing{fresh: fresh, Oldest: oldestTransport, now: fresh(), made: time.Now()}
}

// RoundTrip implements [http.RoundTripper].
func (r *Renewing) RoundTrip(req *http.Request) (*http.Response, error) {
	return r.current().RoundTrip(req)
}

func (r *Renewing) current() *http.Transport {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.made) > r.Oldest {
		r.renewLocked()
	}
	return r.now
}

// Retire takes care that no new request uses a connection that was made at that time.
func (r *Renewing) Retire(made time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !made.Before(r.made) {
		r.renewLocked()
	}
}

func (r *Renewing) renewLocked() {
	const most = 4 // what is older closes its connections by itself
	r.old = append(r.old, r.now)
	if len(r.old) > most {
		r.old = append(r.old[:0], r.old[1:]...)
	}
	r.now, r.made = r.fresh(), time.Now()
	for _, t := range r.old {
		t.CloseIdleConnections()
	}
}

// CloseIdleConnections closes what no request uses.
func (r *Renewing) CloseIdleConnections() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range append(r.old, r.now) {
		t.CloseIdleConnections()
	}
}
