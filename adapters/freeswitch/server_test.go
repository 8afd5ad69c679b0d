package freeswitch_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// runMany runs calls at the same time; pick makes the i-th.
func (r *rig) runMany(n int, pick func(i int) fst.Call) []fst.Result {
	results := make([]fst.Result, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			c := pick(i)
			c.UUID = nthCall(i)
			results[i], _ = c.Run(context.Background(), r.ln.dial(r.t))
		})
	}
	wg.Wait()
	for _, res := range results {
		r.clean(res)
	}
	return results
}

func (r *rig) wantSum(want int) {
	r.t.Helper()
	sum := 0
	for _, n := range outcomes(r.t, r.reg) {
		sum += n
	}
	if sum != want {
		r.t.Errorf("%d outcomes for %d calls: %v", sum, want, outcomes(r.t, r.reg))
	}
}

// A shutdown with 100 calls in progress, at every point of a call: each ends with
// an outcome, and each caller is in the dialplan or has hung up.
func TestShutdownLosesNoCall(t *testing.T) {
	for _, api := range []string{"", "delay=2s", "hang-after"} {
		for _, drain := range []time.Duration{time.Millisecond, 2 * time.Second, time.Minute} {
			t.Run(fmt.Sprintf("%s drain %s", api, drain), func(t *testing.T) {
				shutdown := func(dc *deflect.Config, c *freeswitch.Config) {
					c.DrainTimeout = drain
					dc.Breaker.Failures = 1000
				}
				inBubble(t, shutdown, func(t *testing.T, r *rig) {
					if api != "" {
						f, err := livedeflecttest.ParseFault(api)
						if err != nil {
							t.Fatal(err)
						}
						r.api.SetFault(&f)
					}
					time.AfterFunc(5*time.Second, r.stop)
					results := r.runMany(100, func(i int) fst.Call {
						// The calls are spread: some are about to be offered a
						// text, some hear the offer, some wait for the API.
						c := caller()
						c.Script = []fst.Action{fst.Press("1").After(time.Duration(i) * 80 * time.Millisecond)}
						c.Prompts = map[string]time.Duration{"offer.wav": 4 * time.Second}
						return c
					})
					r.drain()
					for i, res := range results {
						if !res.Continued || res.Vars["deflect_outcome"] == "" {
							t.Errorf("call %d: %v\n%v", i, res.Vars, res.Timeline)
						}
						if limit := 5*time.Second + drain + time.Second; drain < time.Minute && res.ContinuedAfter > limit {
							t.Errorf("call %d went on after %s", i, res.ContinuedAfter)
						}
					}
					r.wantSum(100)
				})
			})
		}
	}
}

// The second signal: every call ends now.
func TestCutEndsEveryCall(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		r.api.SetFault(&livedeflecttest.Fault{HangAfterProcessing: true})
		time.AfterFunc(2*time.Second, func() { r.stop(); r.srv.Cut() })
		results := r.runMany(20, func(i int) fst.Call {
			if i%2 == 0 {
				return caller()
			}
			return caller(fst.Press("1").After(time.Second))
		})
		want := []string{"failed shutdown", "uncertain canceled"}
		for i, res := range results {
			if got := res.Vars["deflect_outcome"] + " " + res.Vars["deflect_reason"]; got != want[i%2] {
				t.Errorf("call %d: %s, want %s", i, got, want[i%2])
			}
			if res.ContinuedAfter > 2100*time.Millisecond {
				t.Errorf("call %d went on after %s", i, res.ContinuedAfter)
			}
		}
		r.wantSum(20)
	})
}

// The process dies: the switch goes on. That is a property of the dialplan, which
// the double has.
func TestKillLosesNoCall(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		ours, theirs := net.Pipe()
		go func() { // a process that is killed after the hello
			io.CopyN(io.Discard, theirs, 20)
			theirs.Close()
		}()
		res, err := caller().Run(context.Background(), ours)
		if err != nil || !res.Continued || res.Lost {
			t.Errorf("%+v, %v", res, err)
		}
	})
}

func TestCallsOverTheLimitGoOn(t *testing.T) {
	inBubble(t, func(_ *deflect.Config, c *freeswitch.Config) { c.MaxCalls = 10 }, func(t *testing.T, r *rig) {
		served := 0
		for _, res := range r.runMany(30, func(int) fst.Call { return caller() }) {
			if res.Vars["deflect_outcome"] == "no_input" {
				served++
			} else if !res.Continued || res.ContinuedAfter > 100*time.Millisecond {
				t.Errorf("a call over the cap: %v", res.Timeline)
			}
		}
		if got := series(t, r.reg, "deflect_freeswitch_rejected_connections_total"); served != 10 || got["max_calls"] != 20 {
			t.Errorf("%d served, rejected %v", served, got)
		}
		// The places are free again.
		if res := r.run(caller()); res.Vars["deflect_outcome"] != "no_input" {
			t.Errorf("later call: %v", res.Vars)
		}
	})
}

// Over TCP: the allow-list, and the whole way once.
func TestAllowListOverTCP(t *testing.T) {
	tests := []struct {
		name    string
		listen  string
		allow   []netip.Prefix
		outcome string // empty: refused
	}{
		{"loopback by default", "127.0.0.1:0", nil, "sent"},
		{"IPv6 loopback by default", "[::1]:0", nil, "sent"},
		{"on the list", "127.0.0.1:0", []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, "sent"},
		{"IPv4 through an IPv6 socket", "[::]:0", []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, "sent"},
		{"IPv4-mapped network", "127.0.0.1:0", []netip.Prefix{netip.MustParsePrefix("::ffff:127.0.0.0/104")}, "sent"},
		{"IPv4-mapped network through an IPv6 socket", "[::]:0", []netip.Prefix{netip.MustParsePrefix("::ffff:127.0.0.1/128")}, "sent"},
		{"every IPv4 address, mapped", "127.0.0.1:0", []netip.Prefix{netip.MustParsePrefix("::ffff:0:0/96")}, "sent"},
		{"not on the IPv4-mapped list", "[::]:0", []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}, ""},
		{"IPv6 alone", "[::]:0", []netip.Prefix{netip.MustParsePrefix("::/0")}, ""},
		{"not on the list", "127.0.0.1:0", []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fc, api, _ := testConfig(t, func(_ *deflect.Config, c *freeswitch.Config) {
				c.Allow = tt.allow
				c.Profiles[0].Gap = time.Millisecond
			})
			srv, err := freeswitch.New(fc)
			if err != nil {
				t.Fatal(err)
			}
			ln, err := net.Listen("tcp", tt.listen)
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(context.Background())
			done := make(chan error)
			go func() { done <- srv.Serve(ctx, ln) }()
			_, port, _ := net.SplitHostPort(ln.Addr().String())
			host := "127.0.0.1"
			if strings.HasPrefix(tt.listen, "[::1]") {
				host = "::1"
			}
			c := caller(fst.Press("1"))
			c.Prompts = map[string]time.Duration{"offer.wav": time.Second, "sent.wav": time.Millisecond}
			res, err := c.Dial(context.Background(), net.JoinHostPort(host, port))
			if err != nil || res.Vars["deflect_outcome"] != tt.outcome || !res.Continued {
				t.Errorf("%v, %v", res, err)
			}
			if got := series(t, fc.Registerer.(*prometheus.Registry), "deflect_freeswitch_rejected_connections_total"); (got["not_allowed"] == 1) != (tt.outcome == "") {
				t.Errorf("rejected %v", got)
			}
			if tt.outcome == "sent" && len(api.Sent()) != 1 {
				t.Error("no text")
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// What strangers send ends their connection and counts; a call beside it does not
// notice.
func TestStrangersHarmNoCall(t *testing.T) {
	const data = "Event-Name: CHANNEL_DATA\nUnique-ID: u-1\nContent-Type: command/reply\nReply-Text: %2BOK%0A\n\n"
	ok := strings.Repeat("Content-Type: command/reply\nReply-Text: +OK\n\n", 5)
	tests := []struct {
		name string
		kind string // "" for a clean end
		say  func(c net.Conn)
	}{
		{"nothing", "first_frame", func(c net.Conn) { time.Sleep(time.Minute) }},
		{"a byte a second", "slow_frame", func(c net.Conn) {
			for _, b := range []byte(data) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}},
		{"unknown content type", "content_type", func(c net.Conn) { io.WriteString(c, "Content-Type: text/html\n\n") }},
		{"no content type", "content_type", func(c net.Conn) { io.WriteString(c, "Reply-Text: +OK\n\n") }},
		{"negative length", "content_length", func(c net.Conn) {
			io.WriteString(c, "Content-Type: text/event-plain\nContent-Length: -5\n\n")
		}},
		{"huge length", "body_size", func(c net.Conn) {
			io.WriteString(c, "Content-Type: text/event-plain\nContent-Length: 2147483647\n\n")
		}},
		{"a length that lies", "malformed", func(c net.Conn) {
			io.WriteString(c, data+ok+"Content-Type: text/event-plain\nContent-Length: 3\n\nEvent-Name: DTMF\n\n")
		}},
		{"100 MB header", "header_size", func(c net.Conn) {
			chunk := []byte(strings.Repeat("x", 1<<16))
			for range 100 << 4 {
				if _, err := c.Write(chunk); err != nil {
					return
				}
			}
		}},
		{"many header lines", "header_lines", func(c net.Conn) {
			io.WriteString(c, strings.Repeat("A: b\n", 5000))
		}},
		{"one-byte reply", "reply", func(c net.Conn) {
			io.WriteString(c, data+"Content-Type: command/reply\nReply-Text: 1\n\n")
		}},
		{"replies that nobody asked for", "unexpected_reply", func(c net.Conn) {
			io.WriteString(c, data+strings.Repeat(ok, 10))
		}},
		{"HTTP", "malformed", func(c net.Conn) { io.WriteString(c, "GET / HTTP/1.1\n\n") }},
		{"silence after the hello", "idle", func(c net.Conn) {
			io.WriteString(c, strings.Replace(data, "Unique-ID: u-1", "Unique-ID: u-1\nCaller-Caller-ID-Number: %2B14043438646\nCaller-Destination-Number: 18005550100", 1)+ok)
			time.Sleep(10 * time.Minute)
		}},
		{"data without a name", "", func(c net.Conn) {
			io.WriteString(c, "Content-Type: command/reply\nReply-Text: %2BOK%0A\n\n"+ok)
		}},
		{"goodbye", "", func(c net.Conn) {}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, r *rig) {
				beside := make(chan fst.Result, 1)
				go func() {
					res, _ := caller(fst.Press("1").After(time.Second)).Run(context.Background(), r.ln.dial(t))
					beside <- res
				}()
				c := r.ln.dial(t)
				heard := make(chan struct{})
				go func() { defer close(heard); io.Copy(io.Discard, c) }()
				synctest.Wait() // the hello is out
				tt.say(c)
				if tt.kind == "" {
					time.Sleep(time.Second)
					c.Close()
				}
				<-heard // the server closed
				c.Close()
				synctest.Wait()
				got := series(t, r.reg, "deflect_freeswitch_protocol_errors_total")
				if tt.kind == "" && len(got) > 0 || tt.kind != "" && (got[tt.kind] != 1 || len(got) != 1) {
					t.Errorf("protocol errors %v, want one %q", got, tt.kind)
				}
				if res := <-beside; res.Vars["deflect_outcome"] != "sent" {
					t.Errorf("the call beside it: %v", res.Timeline)
				}
			})
		})
	}
}

// The hostile values of a caller, a dialplan and an API: none gets into a command
// or a log, and the caller who only has a hostile name still gets the text.
func TestHostileValuesGetIntoNoCommand(t *testing.T) {
	const evil = "${system(touch /var/pwned)}\nexit\n\n~deflect_outcome=sent'\x00\xff"
	inBubble(t, nil, func(t *testing.T, r *rig) {
		r.api.Inject(livedeflecttest.Fault{Body: `{"success":"true","callId":"1~x=${system(id)}"}`})
		c := caller(fst.Press("1").After(time.Second))
		c.CallerName = "Zoë ${system(touch /var/pwned2)} A+\nexit\n\n"
		c.Vars = map[string]string{}
		for _, v := range []string{"text_tag", "first_name", "last_name", "info_evil", "info_${x}", "language", "wait_seconds", "external_id"} {
			c.Vars["deflect_"+v] = evil
		}
		c.Vars["deflect_digits"] = "12~deflect_outcome=sent"
		res := r.run(c)
		r.wantOutcome(res, deflect.Sent, deflect.ReasonOK)
		want := map[string]string{"deflect_outcome": "sent", "deflect_reason": "ok", "deflect_digits": "12", "deflect_heard": "true", "deflect_asked": "sent"}
		for k, v := range res.Vars {
			if want[k] != v && !strings.HasPrefix(k, "deflect_info") {
				t.Errorf("variable %s = %q", k, v)
			}
		}
		for _, cmd := range res.Commands {
			if strings.Contains(cmd, "system") || strings.Contains(cmd, "pwned") || strings.Contains(cmd, "${") {
				t.Errorf("command %q", cmd)
			}
		}
		if strings.Contains(r.log.String(), "pwned") {
			t.Errorf("log:\n%s", r.log.String())
		}
	})
	// Values that are needed as they are make the call ineligible, not unsafe.
	for _, v := range []string{"deflect_number", "deflect_mode", "deflect_profile", "deflect_customer_id"} {
		inBubble(t, nil, func(t *testing.T, r *rig) {
			c := caller(fst.Press("1").After(time.Second))
			c.Vars = map[string]string{v: evil}
			if res := r.run(c); res.Vars["deflect_outcome"] != "ineligible" {
				t.Errorf("%s: %v", v, res.Vars)
			}
		})
	}
}

// Nothing logged, counted or in a variable holds a full number or a secret.
func TestNothingLeaks(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, r *rig) {
		for i, f := range []string{"success-bool", "status=400,body={\"error\":\"14043438646 (404) 343-8646 refused\"}", "reset-after", "hang", "status=401", "garbage"} {
			fault, err := livedeflecttest.ParseFault(f)
			if err != nil {
				t.Fatal(err)
			}
			r.api.Inject(fault)
			c := caller(fst.Press("9").After(time.Second/2), fst.Press("1").After(time.Second))
			c.Vars = map[string]string{"deflect_number": []string{"", "+4915112345678"}[i%2], "deflect_first_name": "Jane", "deflect_digits": "4111222"}
			r.run(c)
		}
		c := caller()
		c.ANI = "14043438646123456"
		r.run(c)
		families, err := r.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		all.WriteString(r.log.String())
		for _, f := range families {
			all.WriteString(f.String())
		}
		for _, s := range []string{"4043438646", "3438646", "343-8646", "15112345678", "8005550100", "s3cret", "Jane", "4111222", "oauth_"} {
			if strings.Contains(all.String(), s) {
				t.Errorf("%q shows in\n%s", s, all.String())
			}
		}
		if problems, err := testutil.GatherAndLint(r.reg); err != nil || len(problems) > 0 {
			t.Errorf("promlint: %v, %v", problems, err)
		}
	})
}
