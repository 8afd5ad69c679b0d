package daemon

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// vault checks passwords as slowly as the toolkit does, one after the other, and like it
// remembers no more than the last.
type vault struct {
	turn     chan struct{}
	password string
	last     string
	took     time.Duration
	slow     time.Duration
	next     http.Handler
}

func (v *vault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, password, given := r.BasicAuth()
	v.turn <- struct{}{}
	if given && password != v.last {
		time.Sleep(v.slow)
		v.took += v.slow
		v.last = password
	}
	good := v.password
	<-v.turn
	if password == good {
		v.next.ServeHTTP(w, r)
		return
	}
	http.Error(w, "Unauthorized", http.StatusUnauthorized)
}

// setup is a limited vault, and who asks it.
func setup(slow time.Duration) (v *vault, g *guesses, ask func(from, password string) *httptest.ResponseRecorder) {
	g = newGuesses()
	v = &vault{turn: make(chan struct{}, 1), password: "opensesame", slow: slow, next: g.checked(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w, 200, "ok") }))}
	limited := g.limit(v)
	return v, g, func(from, password string) *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)
		r.RemoteAddr = from
		if password != "" {
			r.SetBasicAuth("prometheus", password)
		}
		limited.ServeHTTP(w, r)
		return w
	}
}

// However many guess from wherever, that takes no more of a CPU than it may, and keeps out
// nobody who is known.
func TestGuessesTakeLittle(t *testing.T) {
	for name, address := range map[string]func(i int) string{
		"one address":    func(i int) string { return "10.0.0.9:" + strconv.Itoa(1024+i%60000) },
		"many addresses": func(i int) string { return fmt.Sprintf("10.%d.%d.%d:1024", i>>16&255, i>>8&255, i&255) },
		"one network":    func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1024", i) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const slow, span = 160 * time.Millisecond, 5 * time.Minute
				v, g, ask := setup(slow)
				if w := ask("192.0.2.1:1", "opensesame"); w.Code != 200 {
					t.Fatalf("the first scrape: %d", w.Code)
				}
				var guessing sync.WaitGroup
				end := time.Now().Add(span)
				for worker := range 4 {
					guessing.Go(func() {
						for i := worker; time.Now().Before(end); i += 4 {
							w := ask(address(i), "guess"+strconv.Itoa(i))
							if w.Code != 401 && (w.Code != 429 || w.Header().Get("Retry-After") == "" || w.Header().Get("Retry-After") == "0") {
								t.Errorf("a guess: %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
							}
							time.Sleep(200 * time.Millisecond)
						}
					})
				}
				for time.Now().Before(end) {
					if w := ask("192.0.2.1:2", "opensesame"); w.Code != 200 {
						t.Errorf("a scrape: %d", w.Code)
					}
					time.Sleep(15 * time.Second)
				}
				guessing.Wait()
				// The scrapes were computed anew, for the toolkit had forgotten them.
				if most := span/guessShare + guessBurst + 22*slow; v.took > most || v.took < span/1000 {
					t.Errorf("passwords took %v of %v, at most %v is expected", v.took, span, most)
				}
				if len(g.paused) > mostPaused || len(g.known) > mostKnown {
					t.Errorf("%d addresses and %d passwords are kept", len(g.paused), len(g.known))
				}
			})
		})
	}
}

// Who mistypes waits, with a password of another address or a known one nobody does, and
// one that was changed is known no more.
func TestGuessesPauseAnAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, _, ask := setup(50 * time.Millisecond)
		for i, step := range []struct {
			from, password string
			want           int
		}{
			{"10.0.0.1:1", "", 401},
			{"10.0.0.1:1", "", 401},
			{"10.0.0.1:1", "opensesame", 200},
			{"10.0.0.2:1", "opensezame", 401},
			{"10.0.0.2:2", "opensezame", 429},
			{"10.0.0.2:2", "", 401},
			{"10.0.0.2:3", "opensesame", 200},
			{"[2001:db8::1]:3", "wrong", 401},
			{"[2001:db8::2]:3", "wrong again", 429},
			{"[2001:db8:0:1::2]:3", "wrong too", 401},
		} {
			if w := ask(step.from, step.password); w.Code != step.want {
				t.Errorf("step %d: %d, want %d", i, w.Code, step.want)
			}
		}
		v.password = "changed"
		if w := ask("10.0.0.1:1", "opensesame"); w.Code != 401 {
			t.Errorf("the old password: %d", w.Code)
		}
		if w := ask("10.0.0.1:1", "changed"); w.Code != 429 {
			t.Errorf("the address of an old password: %d", w.Code)
		}
		time.Sleep(guessPause)
		if w := ask("10.0.0.1:1", "changed"); w.Code != 200 {
			t.Errorf("the new password, later: %d", w.Code)
		}
	})
}

// Who leaves while waiting for a turn holds up nobody, nor does one whose answer takes
// long, or whose handler panics.
func TestGuessesTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, g, ask := setup(time.Second)
		go ask("10.0.0.1:1", "wrong")
		synctest.Wait()
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan bool)
		go func() {
			r := httptest.NewRequest("GET", "/", nil).WithContext(ctx)
			r.SetBasicAuth("prometheus", "opensesame")
			g.limit(v).ServeHTTP(httptest.NewRecorder(), r)
			close(left)
		}()
		synctest.Wait()
		leave()
		<-left
		long := make(chan bool)
		v.next = g.checked(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-long; panic(http.ErrAbortHandler) }))
		done := make(chan any)
		go func() {
			defer func() { done <- recover() }()
			ask("10.0.0.3:1", "opensesame")
		}()
		time.Sleep(5 * time.Second)
		if w := ask("10.0.0.4:1", "wrong"); w.Code != 401 {
			t.Errorf("while another is answered: %d", w.Code)
		}
		close(long)
		if <-done != http.ErrAbortHandler {
			t.Error("the panic is lost")
		}
		if len(g.turn) != 0 {
			t.Error("the turn is not given back")
		}
	})
}

// What the port's own limit or a broken file answers is no wrong password.
func TestGuessesOtherRefusals(t *testing.T) {
	g := newGuesses()
	status := http.StatusTooManyRequests
	limited := g.limit(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }))
	for _, status = range []int{429, 500} {
		for range 3 {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
			r.SetBasicAuth("prometheus", "opensesame")
			limited.ServeHTTP(w, r)
			if w.Code != status || w.Header().Get("Retry-After") != "" {
				t.Errorf("%d, want %d", w.Code, status)
			}
		}
	}
}
