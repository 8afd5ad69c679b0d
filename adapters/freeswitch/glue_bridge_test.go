package freeswitch_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiorix/go-eventsocket/eventsocket"
	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// glueConn is a connection of a call that does as the library does, in a bubble: one
// channel for refusals and read errors, whoever receives first, few events, and
// names in lower case.
type glueConn struct {
	conn   net.Conn
	errs   chan error
	cmds   chan freeswitch.Reply
	evts   chan freeswitch.Notice
	closed chan struct{}
}

func newGlueConn(conn net.Conn) *glueConn {
	c := &glueConn{
		conn: conn, errs: make(chan error, 1), cmds: make(chan freeswitch.Reply), evts: make(chan freeswitch.Notice, 16), closed: make(chan struct{}),
	}
	go c.read()
	return c
}

func (c *glueConn) read() {
	in := bufio.NewReader(c.conn)
	for {
		head, body, err := readFrame(in)
		if err != nil {
			c.errs <- err
			return
		}
		switch text := head.Get("Reply-Text"); {
		case strings.HasPrefix(text, "-ERR"):
			c.errs <- freeswitch.Refused(strings.TrimPrefix(text, "-ERR "))
		case head.Get("Content-Type") == "command/reply":
			select {
			case c.cmds <- freeswitch.HeaderReply(lowered(head, strings.HasPrefix(text, "%"))):
			case <-c.closed:
				return
			}
		case head.Get("Content-Type") == "api/response" && strings.HasPrefix(body, "-ERR"):
			c.errs <- freeswitch.Refused(strings.TrimPrefix(body, "-ERR "))
		case head.Get("Content-Type") == "api/response":
			if len(body) < 2 {
				panic("the library reads two bytes of an answer")
			}
			select {
			case c.cmds <- freeswitch.TextReply(body):
			case <-c.closed:
				return
			}
		default:
			n := lowered(head, false)
			if head.Get("Content-Type") == "text/event-plain" {
				event, _, err := readFrame(bufio.NewReader(strings.NewReader(body)))
				if err != nil {
					c.errs <- err
					return
				}
				n = lowered(event, true)
			}
			select {
			case c.evts <- n:
			case <-c.closed:
				return
			}
		}
	}
}

func lowered(head map[string][]string, decode bool) freeswitch.Notice {
	n := freeswitch.Notice{}
	for name, values := range head {
		value := values[0]
		if v, err := url.QueryUnescape(value); decode && err == nil {
			value = v
		}
		n[strings.ToLower(name)] = value
	}
	return n
}

func (c *glueConn) Send(command string) (freeswitch.Reply, error) {
	go io.WriteString(c.conn, command+"\r\n\r\n")
	select {
	case err := <-c.errs:
		return freeswitch.Reply{}, err
	case a := <-c.cmds:
		return a, nil
	case <-time.After(time.Minute):
		return freeswitch.Reply{}, freeswitch.ErrNoReply
	}
}

func (c *glueConn) ReadEvent() (freeswitch.Notice, error) {
	select {
	case err := <-c.errs:
		return nil, err
	case n := <-c.evts:
		return n, nil
	}
}

func (c *glueConn) Close() {
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	c.conn.Close()
}

// bridged runs a call over a connection that somebody else has accepted and begun to
// use, which says what it wants first.
func (r *rig) bridged(call fst.Call, first ...string) (fst.Result, deflect.Result, error) {
	ours, theirs := net.Pipe()
	type end struct {
		res deflect.Result
		err error
	}
	ended := make(chan end, 1)
	go func() {
		c := newGlueConn(theirs)
		for _, command := range first {
			c.Send(command)
		}
		res, err := r.srv.Bridge(context.Background(), c)
		ended <- end{res, err}
	}()
	res, err := call.Run(context.Background(), ours)
	if err != nil {
		r.t.Errorf("run: %v", err)
	}
	over := time.Now()
	e := <-ended
	if took := time.Since(over); took > time.Second {
		r.t.Errorf("the bridge returned %s after the call was over", took)
	}
	return res, e.res, e.err
}

// sendsGiveUp lets those of the library's Sends end whose reply somebody else got.
func sendsGiveUp() { time.Sleep(2 * time.Minute) }

// Over a bridge, callers hear the same and come to the same as with our own server.
func TestBridgeIsTheSame(t *testing.T) {
	scripts := map[string][]fst.Action{
		"sent":                    {fst.Press("1").After(time.Second)},
		"sent, other keys before": {fst.Press("471").After(time.Second)},
		"in the silence":          {fst.PressAfter(1, "1", time.Second)},
		"declined":                {fst.Press("2").After(time.Second)},
		"nothing":                 nil,
		"hangs up":                {fst.HangUp().After(time.Second)},
		"hangs up after the key":  {fst.Press("1").After(time.Second), fst.HangUp().After(1100 * time.Millisecond)},
		"killed":                  {fst.Kill().After(time.Second)},
		"transferred":             {fst.Transfer("5000").After(time.Second)},
	}
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			for _, first := range [][]string{nil, {"connect", "linger 5", "myevents"}, {"connect", "event plain ALL"}} {
				synctest.Test(t, func(t *testing.T) {
					call := caller(script...)
					call.Vars = map[string]string{"deflect_info_Plan": "Gold", "deflect_digits": "9"}
					own := newRig(t, nil)
					want := own.run(call)
					r := newRig(t, nil)
					got, result, err := r.bridged(call, first...)
					if err != nil && result.Outcome == "" {
						t.Errorf("no session: %v", err)
					}
					if diff := cmp.Diff(want.Vars, got.Vars); diff != "" {
						t.Errorf("variables (-own +bridge):\n%s", diff)
					}
					if !slices.Equal(files(want.Played), files(got.Played)) || want.Continued != got.Continued || got.Lost {
						t.Errorf("played %q, continued %t, lost %t; want %q, %t", files(got.Played), got.Continued, got.Lost, files(want.Played), want.Continued)
					}
					if diff := cmp.Diff(outcomes(t, own.reg), outcomes(t, r.reg)); diff != "" {
						t.Errorf("counted (-own +bridge):\n%s", diff)
					}
					if outcomes(t, r.reg)[string(result.Outcome)+" "+string(result.Reason)] != 1 {
						t.Errorf("returned %+v", result)
					}
					for _, d := range r.api.Sent() {
						if !strings.Contains(string(d.CallerInfo), "Gold") {
							t.Errorf("caller info %v", d.CallerInfo)
						}
					}
					sendsGiveUp()
				})
			}
		})
	}
}

// A key that was pressed for the menu of the program is no answer to the offer.
func TestBridgeForgetsEarlierKeys(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		call := caller(fst.Press("111").SinceConnect(500 * time.Millisecond))
		ours, theirs := net.Pipe()
		ended := make(chan deflect.Result, 1)
		go func() {
			c := newGlueConn(theirs)
			for _, command := range []string{"connect", "myevents", "sendmsg\r\ncall-command: execute\r\nexecute-app-name: answer", "sendmsg\r\ncall-command: execute\r\nexecute-app-name: sleep\r\nexecute-app-arg: 1000"} {
				c.Send(command)
			}
			time.Sleep(2 * time.Second) // its events are not read
			res, _ := r.srv.Bridge(context.Background(), c)
			ended <- res
		}()
		if _, err := call.Run(context.Background(), ours); err != nil {
			t.Error(err)
		}
		if res := <-ended; res.Outcome != deflect.NoInput {
			t.Errorf("%+v", res)
		}
		r.wantTexts(0)
		sendsGiveUp()
	})
}

// The end of the program's context gives the call back, as does a stop of the server.
func TestBridgeGivesBackAtItsEnd(t *testing.T) {
	for _, own := range []bool{false, true} {
		inBubble(t, nil, func(t *testing.T, r *rig) {
			ours, theirs := net.Pipe()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			ended := make(chan deflect.Result, 1)
			go func() {
				res, _ := r.srv.Bridge(ctx, newGlueConn(theirs))
				ended <- res
			}()
			go func() {
				time.Sleep(time.Second)
				if own {
					r.srv.Cut()
				} else {
					cancel()
				}
			}()
			res, err := caller().Run(context.Background(), ours)
			if err != nil || !res.Continued || res.Vars["deflect_outcome"] != "failed" || res.Vars["deflect_reason"] != "shutdown" {
				t.Errorf("%v, %+v", err, res)
			}
			if e := <-ended; e.Reason != deflect.ReasonShutdown {
				t.Errorf("%+v", e)
			}
			sendsGiveUp()
		})
	}
}

// What is no call, and one too many, is no session.
func TestBridgeWithoutACallIsNoSession(t *testing.T) {
	inBubble(t, func(_ *deflect.Config, c *freeswitch.Config) { c.MaxCalls = 1 }, func(t *testing.T, r *rig) {
		ours, theirs := net.Pipe()
		ours.Close()
		if res, err := r.srv.Bridge(context.Background(), newGlueConn(theirs)); err == nil || res.Outcome != "" {
			t.Errorf("%+v, %v", res, err)
		}
		silent, theirs := net.Pipe()
		defer silent.Close()
		start := time.Now()
		if res, err := r.srv.Bridge(context.Background(), newGlueConn(theirs)); err == nil || res.Outcome != "" || time.Since(start) > 10*time.Second {
			t.Errorf("%+v, %v after %s", res, err, time.Since(start))
		}
		go r.run(caller())
		time.Sleep(time.Second)
		_, theirs = net.Pipe()
		if _, err := r.srv.Bridge(context.Background(), newGlueConn(theirs)); err == nil || !strings.Contains(err.Error(), "as many calls as allowed") {
			t.Errorf("one too many: %v", err)
		}
		sendsGiveUp()
		r.wantSum(1)
	})
}

// The library itself, over TCP.
func TestHandleEventSocketServesTheLibrary(t *testing.T) {
	fc, api, _ := testConfig(t, func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles[0].Gap = 100 * time.Millisecond })
	srv, err := freeswitch.New(fc)
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan deflect.Result, 1)
	address := serveEventSocket(t, func(c *eventsocket.Connection) {
		res, err := freeswitch.HandleEventSocket(t.Context(), c, srv)
		if err != nil && res.Outcome == "" {
			return // the call that found out whether it listens
		}
		results <- res
	})
	prompts := map[string]time.Duration{"offer.wav": 300 * time.Millisecond, "sent.wav": 20 * time.Millisecond, "failed.wav": 20 * time.Millisecond}
	for i, tt := range []struct {
		name, outcome string
		fault         livedeflecttest.Fault
		script        []fst.Action
	}{
		{"sent", "sent", livedeflecttest.Fault{}, []fst.Action{fst.Press("1").After(50 * time.Millisecond)}},
		{"refused", "failed", livedeflecttest.Fault{Status: 400}, []fst.Action{fst.Press("1").After(50 * time.Millisecond)}},
		{"declined", "declined", livedeflecttest.Fault{}, []fst.Action{fst.Press("2").After(50 * time.Millisecond)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.fault.Status != 0 {
				api.Inject(tt.fault)
			}
			call := caller(tt.script...)
			call.UUID, call.Prompts = nthCall(i), prompts
			res, err := call.Dial(t.Context(), address)
			if err != nil || !res.Continued || len(res.Violations) > 0 || res.Vars["deflect_outcome"] != tt.outcome {
				t.Errorf("%v, %+v", err, res)
			}
			if got := <-results; string(got.Outcome) != tt.outcome {
				t.Errorf("returned %+v", got)
			}
		})
	}
}

// Of the library's goroutines and ours none is left, also when the program has asked for
// the events of the call itself, which the switch refuses the second time.
func TestBridgeLeavesNothing(t *testing.T) {
	fc, _, _ := testConfig(t, func(_ *deflect.Config, c *freeswitch.Config) { c.Profiles[0].Gap = 100 * time.Millisecond })
	srv, err := freeswitch.New(fc)
	if err != nil {
		t.Fatal(err)
	}
	address := serveEventSocket(t, func(c *eventsocket.Connection) {
		for _, cmd := range []string{"connect", "linger 5", "myevents"} {
			if _, err := c.Send(cmd); err != nil {
				c.Close()
				return
			}
		}
		freeswitch.HandleEventSocket(context.Background(), c, srv)
	})
	prompts := map[string]time.Duration{"offer.wav": 300 * time.Millisecond, "sent.wav": 20 * time.Millisecond}
	for range 5 {
		call := caller(fst.Press("1").After(50 * time.Millisecond))
		call.Prompts = prompts
		res, err := call.Dial(t.Context(), address)
		if err != nil || res.Vars["deflect_outcome"] == "" {
			t.Errorf("%v %+v", err, res)
		}
	}
	stacks := make([]byte, 1<<20)
	late := time.Now().Add(10 * time.Second)
	for n := 1; n > 0; runtime.Gosched() {
		n = strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "(*bridge).")
		if n > 0 && time.Now().After(late) {
			t.Fatalf("%d goroutines are left after 5 calls", n)
		}
	}
}

// The switch is gone in the middle of a call: the session does not outlive it.
func TestBridgeDoesNotOutliveTheSwitch(t *testing.T) {
	for _, first := range [][]string{nil, {"connect", "linger 5", "myevents"}} {
		t.Run(fmt.Sprint(len(first)), func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				start := time.Now()
				ours, theirs := net.Pipe()
				ended := make(chan time.Duration, 1)
				go func() {
					c := newGlueConn(theirs)
					for _, command := range first {
						c.Send(command)
					}
					r.srv.Bridge(context.Background(), c)
					ended <- time.Since(start)
				}()
				call := caller(fst.Press("5").After(500 * time.Millisecond))
				time.AfterFunc(time.Second, func() { ours.Close() }) // the switch is gone
				call.Run(context.Background(), ours)
				took := <-ended
				if took > 10*time.Second {
					t.Errorf("said before %q: the session ended %s after the connection had broken at 1s", first, took)
				}
				sendsGiveUp()
			})
		})
	}
}

// serveEventSocket serves with the library, which cannot be stopped, and waits until
// it listens.
func serveEventSocket(t *testing.T, handle func(*eventsocket.Connection)) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	go eventsocket.ListenAndServe(address, handle)
	for t.Context().Err() == nil {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			break
		}
	}
	return address
}
