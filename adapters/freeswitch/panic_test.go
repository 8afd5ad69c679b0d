package freeswitch_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

type panicking struct{}

func (panicking) RoundTrip(*http.Request) (*http.Response, error) { panic("defect of a transport") }

// A defect in what an embedder brings: the call survives, with an outcome.
func TestPanicInTheRequestLosesNoCall(t *testing.T) {
	inBubble(t, func(dc *deflect.Config, _ *freeswitch.Config) { dc.Backend = backend(t, panicking{}) }, func(t *testing.T, r *rig) {
		res := r.run(caller(fst.Press("1").After(time.Second)))
		r.wantOutcome(res, deflect.Uncertain, deflect.ReasonInternal)
	})
}

// panicHandler is a log handler with a defect: one message breaks it.
type panicHandler struct {
	slog.Handler
	at string
}

func (panicHandler) Enabled(context.Context, slog.Level) bool { return true }

func (h panicHandler) Handle(ctx context.Context, rec slog.Record) error {
	if strings.HasPrefix(rec.Message, h.at) {
		panic(errors.New("defect of a log handler"))
	}
	return h.Handler.Handle(ctx, rec)
}

func TestPanicInTheSessionLosesNoCall(t *testing.T) {
	broken := func(_ *deflect.Config, c *freeswitch.Config) {
		c.Logger = slog.New(panicHandler{slog.DiscardHandler, "call ended"})
	}
	inBubble(t, broken, func(t *testing.T, r *rig) {
		res := r.run(caller(fst.Press("1").After(time.Second)))
		if !res.Continued {
			t.Errorf("the caller is stuck: %v", res.Timeline)
		}
		r.wantSum(1)
		r.wantTexts(1)
	})
}

// panicConn is a connection with a defect: it cannot write what holds some words.
type panicConn struct {
	net.Conn
	at string
}

func (c panicConn) Write(p []byte) (int, error) {
	if strings.Contains(string(p), c.at) {
		panic(errors.New("defect of a connection"))
	}
	return c.Conn.Write(p)
}

// A defect that shows while a caller is offered a text: the call goes on, is counted once,
// and its offer is over. While the breaker is half open that is the only one, and the next
// caller gets it.
func TestPanicInTheOfferLosesNoCallAndNoOffer(t *testing.T) {
	const nowhere = "what nobody says"
	for name, tt := range map[string]struct {
		message, words string
		notFull        bool
	}{
		"of a log handler":      {"the switch could not play a prompt", nowhere, false},
		"of a connection":       {nowhere, "offer.wav", false},
		"before a word is said": {"the dialplan says socket without full", nowhere, true},
	} {
		t.Run(name, func(t *testing.T) {
			broken := func(dc *deflect.Config, c *freeswitch.Config) {
				dc.Breaker.Failures = 1
				c.Logger = slog.New(panicHandler{c.Logger.Handler(), tt.message})
			}
			inBubble(t, broken, func(t *testing.T, r *rig) {
				r.api.Inject(livedeflecttest.Fault{Status: 503})
				r.run(caller(fst.Press("1").After(time.Second)))
				time.Sleep(deflect.DefaultConfig().Breaker.OpenFor)
				if got := series(t, r.reg, "deflect_breaker_state"); got["half_open"] != 1 {
					t.Fatalf("the breaker is %v", got)
				}
				before := outcomes(t, r.reg)

				c := caller()
				c.Missing, c.NotFull = []string{"offer.wav"}, tt.notFull
				ours, theirs := net.Pipe()
				r.ln.conns <- panicConn{theirs, tt.words}
				res, err := c.Run(t.Context(), ours)
				if err != nil {
					t.Fatal(err)
				}
				r.clean(res)
				if !res.Continued || res.Release != fst.Exited || res.ContinuedAfter > 5*time.Second {
					t.Errorf("the call was not given back (%v, after %s): %v", res.Release, res.ContinuedAfter, res.Timeline)
				}
				synctest.Wait() // a call is given back before it is counted
				before["failed internal"]++
				if got := outcomes(t, r.reg); !maps.Equal(got, before) {
					t.Errorf("counted %v, want %v", got, before)
				}
				if n := strings.Count(r.log.String(), "defect: a call's session panicked"); n != 1 {
					t.Errorf("the log tells of %d defects, want 1:\n%s", n, r.log.String())
				}

				if next := r.run(caller(fst.Press("1").After(time.Second))); next.Vars["deflect_outcome"] != "sent" {
					t.Errorf("the next caller's variables are %v", next.Vars)
				}
				r.wantTexts(1)
			})
		})
	}
}

// A defect after the text was sent: a program that has handed its call over is told what
// came of the text, and does not send another one.
func TestPanicAfterTheTextTellsOfTheText(t *testing.T) {
	for name, tt := range map[string]struct {
		fault livedeflecttest.Fault
		want  deflect.Outcome
	}{
		"sent":      {livedeflecttest.Fault{}, deflect.Sent},
		"uncertain": {livedeflecttest.Fault{Status: 503}, deflect.Uncertain},
	} {
		t.Run(name, func(t *testing.T) {
			broken := func(_ *deflect.Config, c *freeswitch.Config) {
				c.Logger = slog.New(panicHandler{c.Logger.Handler(), "call ended"})
			}
			inBubble(t, broken, func(t *testing.T, r *rig) {
				r.api.SetFault(&tt.fault)
				ours, theirs := net.Pipe()
				told := make(chan deflect.Result, 1)
				go func() {
					res, _ := r.srv.Bridge(context.Background(), newGlueConn(theirs))
					told <- res
				}()
				res, err := caller(fst.Press("1").After(time.Second)).Run(t.Context(), ours)
				if err != nil {
					t.Fatal(err)
				}
				r.clean(res)
				if got := <-told; got.Outcome != tt.want || res.Vars["deflect_outcome"] != string(tt.want) {
					t.Errorf("the program is told %q, the dialplan %q, want %q", got.Outcome, res.Vars["deflect_outcome"], tt.want)
				}
				r.wantSum(1)
				sendsGiveUp()
			})
		})
	}
}

// The same to a caller who waits: the place in the queue is kept.
func TestPanicAfterTheTextKeepsThePlaceInTheQueue(t *testing.T) {
	broken := func(_ *deflect.Config, c *freeswitch.Config) {
		c.Logger = slog.New(panicHandler{c.Logger.Handler(), "call ended"})
	}
	inWatchBubble(t, []string{"fs1"}, broken, func(t *testing.T, r *watchRig) {
		w := r.queued("fs1")
		w.Press("1")
		settled()
		if res := w.Result(); res.Transferred != "" || res.Vars["deflect_outcome"] != "sent" {
			t.Errorf("transferred to %q with %v", res.Transferred, res.Vars)
		}
		w.HangUp()
		r.forgotten()
		r.wantTexts(1)
		r.wantSum(1)
	})
}
