package daemon

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

const (
	guessPause = 10 * time.Second // of an address after a wrong password
	guessShare = 20               // passwords that are not known yet take one part in so many of one CPU,
	guessBurst = 2 * time.Second  // and so much of it at once
	mostKnown  = 64
	mostPaused = 1024
)

// guesses stands before who checks passwords. That is slow by design, and the CPUs are
// those of the calls: so whoever guesses is not even looked at for most of the time. Who
// has been accepted is known from then on, and waits for nobody.
type guesses struct {
	secret []byte
	turn   chan struct{} // one password that is not known is checked at a time

	mu     sync.Mutex
	known  map[[sha256.Size]byte]bool
	paused map[netip.Prefix]time.Time // until when an address is not looked at
	left   time.Duration              // that guesses may take
	at     time.Time                  // when it was that
}

func newGuesses() *guesses {
	g := &guesses{
		secret: make([]byte, sha256.Size), turn: make(chan struct{}, 1),
		known: map[[sha256.Size]byte]bool{}, paused: map[netip.Prefix]time.Time{}, left: guessBurst, at: time.Now(),
	}
	rand.Read(g.secret)
	return g
}

// guess is a password that is being checked.
type guess struct {
	http.ResponseWriter // until it is accepted
	refused             bool
	accepted            func()
}

// WriteHeader notes a refusal.
func (of *guess) WriteHeader(status int) {
	of.refused = status == http.StatusUnauthorized
	of.ResponseWriter.WriteHeader(status)
}

type guessKey struct{}

// checked serves who has passed the check.
func (g *guesses) checked(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if of, ok := r.Context().Value(guessKey{}).(*guess); ok {
			of.accepted()
			w = of.ResponseWriter
		}
		next.ServeHTTP(w, r)
	})
}

// limit has those checked whose turn it is.
func (g *guesses) limit(check http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, given := r.BasicAuth()
		if !given {
			check.ServeHTTP(w, r)
			return
		}
		who, from := g.hash(user, password), network(r.RemoteAddr)
		of := &guess{ResponseWriter: w, accepted: func() {}}
		if !g.knows(who) {
			wait, ok := g.await(r.Context(), from)
			if !ok {
				w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
				answer(w, http.StatusTooManyRequests, "not looked at: too many passwords that are not known")
				return
			}
			began := time.Now()
			over := sync.OnceFunc(func() {
				g.took(time.Since(began))
				<-g.turn
			})
			defer over()
			of.accepted = func() { over(); g.learn(who) }
		}
		check.ServeHTTP(of, r.WithContext(context.WithValue(r.Context(), guessKey{}, of)))
		if of.refused {
			g.refuse(who, from)
		}
	})
}

// await waits for the turn of an address, which its owner gives back. Without one it says
// when to come again.
func (g *guesses) await(ctx context.Context, from netip.Prefix) (wait time.Duration, ok bool) {
	if wait = g.wait(from); wait > 0 {
		return wait, false
	}
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return guessPause, false
	}
	if wait = g.wait(from); wait > 0 { // because of those before it
		<-g.turn
		return wait, false
	}
	return 0, true
}

// wait says for how long a new password of an address is not looked at.
func (g *guesses) wait(from netip.Prefix) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.earn()
	return max(time.Until(g.paused[from]), -g.left*guessShare)
}

// earn adds what guesses may take by now.
func (g *guesses) earn() {
	now := time.Now()
	g.left = min(g.left+now.Sub(g.at)/guessShare, guessBurst)
	g.at = now
}

// took notes what a check has taken.
func (g *guesses) took(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.earn()
	g.left -= d
}

func (g *guesses) knows(who [sha256.Size]byte) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.known[who]
}

func (g *guesses) learn(who [sha256.Size]byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for other := range g.known {
		if len(g.known) < mostKnown {
			break
		}
		delete(g.known, other)
	}
	g.known[who] = true
}

// refuse pauses an address after a wrong password.
func (g *guesses) refuse(who [sha256.Size]byte, from netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.known, who) // it was changed
	if len(g.paused) >= mostPaused {
		maps.DeleteFunc(g.paused, func(_ netip.Prefix, until time.Time) bool { return time.Until(until) <= 0 })
	}
	for other := range g.paused {
		if len(g.paused) < mostPaused {
			break
		}
		delete(g.paused, other)
	}
	g.paused[from] = time.Now().Add(guessPause)
}

// hash is what is kept of a user and a password.
func (g *guesses) hash(user, password string) [sha256.Size]byte {
	mac := hmac.New(sha256.New, g.secret)
	fmt.Fprintf(mac, "%d:%s:%s", len(user), user, password)
	return [sha256.Size]byte(mac.Sum(nil))
}

// network is whose guesses are one's: who has an address of IPv6 has a network of them.
func network(addr string) netip.Prefix {
	peer, _ := netip.ParseAddrPort(addr)
	ip := peer.Addr().Unmap()
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.WithZone("").Prefix(bits)
	return p
}
