package freeswitch_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

type traceKey struct{}

// steps is what the hooks heard, a line each: masked, and as it is.
type steps struct {
	mu            sync.Mutex
	masked, whole []string
}

func (s *steps) hear(ctx context.Context, masked, whole string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Value(traceKey{}) == nil {
		masked = "(not of the call) " + masked
	}
	s.masked, s.whole = append(s.masked, masked), append(s.whole, whole)
}

func (s *steps) all() (masked, whole []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.masked), slices.Clone(s.whole)
}

func (s *steps) hooks() *freeswitch.Trace {
	line := func(sign string) func(context.Context, freeswitch.TracedLine) {
		return func(ctx context.Context, l freeswitch.TracedLine) {
			s.hear(ctx, strings.TrimSpace(sign+" "+l.Name+" "+l.Masked), sign+" "+l.Name+" "+l.Args)
		}
	}
	return &freeswitch.Trace{
		Call: func(ctx context.Context) (context.Context, func(freeswitch.TracedEnd)) {
			ctx = context.WithValue(ctx, traceKey{}, "call")
			return ctx, func(e freeswitch.TracedEnd) {
				text := fmt.Sprintf("end %s %s %s", e.Outcome, e.Reason, e.Cause)
				s.hear(ctx, text, text)
			}
		},
		Known: func(ctx context.Context, c freeswitch.TracedCall) {
			s.hear(ctx, fmt.Sprintf("known %s %s %s %s waits=%t", c.UUID, c.Profile, c.Mode, c.Language, c.Waits), string(c.Call.ANI))
		},
		Command: line(">"),
		Event:   line("<"),
	}
}

// A call is heard of from its first command to its end, and what is shown of it holds
// nothing of the caller.
func TestTraceOfACall(t *testing.T) {
	s := &steps{}
	var client []string // what the Client was asked within the call
	inBubble(t, func(dc *deflect.Config, fc *freeswitch.Config) {
		fc.Trace = s.hooks()
		dc.Trace = &deflect.Trace{Deflect: func(ctx context.Context, c *deflect.Call) (context.Context, func(deflect.Result, error)) {
			client = append(client, fmt.Sprint(c.ExternalCallID, ctx.Value(traceKey{})))
			return ctx, nil
		}}
	}, func(t *testing.T, r *rig) {
		res := r.run(caller(fst.Press("7").After(time.Second), fst.Press("1").After(time.Second)))
		r.wantOutcome(res, deflect.Sent, deflect.ReasonOK)
	})
	masked, whole := s.all()
	want := []string{
		"> connect", "> linger 5", "> myevents", "> filter Event-Name DTMF", "> filter Event-Name CHANNEL_EXECUTE_COMPLETE",
		"> filter Event-Name CHANNEL_HANGUP", "> filter Application -answer", "> filter Application -break", "> filter Application -multiset",
		"< CHANNEL_DATA", "known 3e0068c6-dcda-4c96-a87d-305d62b539f6 sales offer en waits=false",
		"> answer", "> flush_dtmf", "> playback offer.wav", "< CHANNEL_EXECUTE_COMPLETE flush_dtmf flush-1",
		"< DTMF", "< DTMF", "> break",
		"> multiset deflect_outcome=uncertain deflect_reason=internal deflect_digits=*** deflect_heard= deflect_call_id= deflect_confirmed= deflect_asked=uncertain",
		"> multiset deflect_outcome=sent deflect_reason=ok deflect_digits=*** deflect_heard=false deflect_call_id=473513 deflect_confirmed= deflect_asked=sent",
		"< CHANNEL_EXECUTE_COMPLETE playback offer-1 FILE PLAYED",
		"> playback sent.wav", "< CHANNEL_EXECUTE_COMPLETE playback bye-1 FILE PLAYED",
		"> multiset deflect_outcome=sent deflect_reason=ok deflect_digits=*** deflect_heard=true deflect_call_id=473513 deflect_confirmed= deflect_asked=sent",
		"> uuid_setvar 3e0068c6-dcda-4c96-a87d-305d62b539f6 socket_resume", "> exit",
		"< API_REPLY uuid_setvar", "< DISCONNECT_NOTICE", "< END EOF", "end sent ok",
	}
	if diff := cmp.Diff(want, trimmed(masked)); diff != "" {
		t.Errorf("heard (-want +got):\n%s", diff)
	}
	for _, line := range []string{"< DTMF 7", "< DTMF 1", "+14043438646"} {
		if !slices.Contains(whole, line) {
			t.Errorf("not heard: %q of %q", line, whole)
		}
	}
	if want := []string{"3e0068c6-dcda-4c96-a87d-305d62b539f6call"}; !slices.Equal(client, want) {
		t.Errorf("the Client was asked within %q, want %q", client, want)
	}
}

func trimmed(lines []string) (out []string) {
	for _, l := range lines {
		out = append(out, strings.TrimSpace(l))
	}
	return out
}

// A number that is keyed in and read back is not shown.
func TestTraceMasksWhatIsKeyedIn(t *testing.T) {
	s := &steps{}
	inBubble(t, func(_ *deflect.Config, fc *freeswitch.Config) {
		fc.Trace = s.hooks()
		p := &fc.Profiles[0]
		p.AskNumber = true
		p.Prompts.Number, p.Prompts.NumberConfirm, p.Prompts.NumberInvalid = "number.wav", "right.wav", "invalid.wav"
	}, func(t *testing.T, r *rig) {
		c := caller(fst.Press("1").After(time.Second), fst.Press("4043438647#").After(3*time.Second), fst.Press("1").After(15*time.Second))
		c.ANI, c.CallerName = "anonymous", "4043438647"
		r.run(c)
	})
	masked, whole := s.all()
	for _, line := range masked {
		if strings.Contains(line, "4043438647") {
			t.Errorf("shown: %q", line)
		}
	}
	said := func(l string) bool { return strings.HasPrefix(l, "> say ") && strings.HasSuffix(l, "4043438647") }
	if !slices.Contains(trimmed(masked), "> say en number iterated ***") || !slices.ContainsFunc(whole, said) {
		t.Errorf("not heard: the number read back\n%q", masked)
	}
}

// What the peer of a connection says is shown in our words alone, and a connection that is
// no call ends as none.
func TestTraceOfAStranger(t *testing.T) {
	s := &steps{}
	inBubble(t, func(_ *deflect.Config, fc *freeswitch.Config) { fc.Trace = s.hooks() }, func(t *testing.T, r *rig) {
		conn := r.ln.dial(t)
		go func() {
			defer conn.Close()
			buf := make([]byte, 4096)
			conn.Read(buf) //nolint:errcheck // a stranger
			fmt.Fprint(conn, "Content-Type: text/disconnect-notice\nContent-Disposition: +14043438646 \x1b[31m\nContent-Length: 0\n\n")
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
	})
	masked, _ := s.all()
	got := trimmed(masked)
	if want := []string{"< DISCONNECT_NOTICE", "end"}; len(got) < 9 || !slices.Equal(got[9:], want) { // after the commands of the beginning
		t.Errorf("heard %q", got)
	}
}

// What breaks the protocol is not quoted.
func TestTraceOfWhoBreaksTheProtocol(t *testing.T) {
	s := &steps{}
	inBubble(t, func(_ *deflect.Config, fc *freeswitch.Config) { fc.Trace = s.hooks() }, func(t *testing.T, r *rig) {
		conn := r.ln.dial(t)
		go func() {
			defer conn.Close()
			conn.Read(make([]byte, 4096)) //nolint:errcheck // a stranger
			fmt.Fprint(conn, "Content-Type: text/of-a-stranger\n\n")
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
	})
	masked, whole := s.all()
	if len(masked) < 10 || masked[9] != "< END esl: content_type" || !strings.Contains(whole[9], "stranger") {
		t.Errorf("heard %q, whole %q", masked, whole)
	}
}

// A caller who waits in a queue is heard of from the key press on, and one who does not
// want a text as well.
func TestTraceOfWhoWaits(t *testing.T) {
	for key, want := range map[string][]string{
		"1": {
			"< DTMF", "> uuid_dump U json", "< CHANNEL_DATA", "known U sales accepted en waits=true",
			"> uuid_setvar_multi U deflect_outcome=sent deflect_reason=ok deflect_digits=*** deflect_heard=true deflect_call_id=473513 deflect_confirmed= deflect_asked=sent",
			"> uuid_broadcast U sent.wav aleg", "< CHANNEL_EXECUTE_COMPLETE playback FILE PLAYED", "> uuid_transfer U 9999 XML default", "end sent ok",
		},
		"2": {"known U sales offer  waits=true", "end declined decline_key"},
		// Both while the prompt plays.
		"1, hang-up":    {"> uuid_broadcast U sent.wav aleg", "< CHANNEL_HANGUP NORMAL_CLEARING", "end sent ok"},
		"1, withdrawal": {"> uuid_broadcast U sent.wav aleg", "< CUSTOM deflect::withdraw", "end sent ok"},
	} {
		s := &steps{}
		inWatchBubble(t, []string{"fs1"}, func(_ *deflect.Config, fc *freeswitch.Config) { fc.Trace = s.hooks() }, func(t *testing.T, r *watchRig) {
			w := r.queued("fs1")
			w.Press("7")
			synctest.Wait()
			w.Press(key[:1])
			synctest.Wait()
			switch {
			case strings.HasSuffix(key, "hang-up"):
				w.HangUp()
			case strings.HasSuffix(key, "withdrawal"):
				w.Withdraw()
			}
			settled()
			masked, _ := s.all()
			var got []string
			for _, l := range masked {
				got = append(got, strings.ReplaceAll(l, caller().UUID, "U"))
			}
			for _, line := range want {
				if !slices.Contains(trimmed(got), line) {
					t.Errorf("key %s: not heard: %q of\n%s", key, line, strings.Join(got, "\n"))
				}
			}
			w.HangUp()
			r.forgotten()
		})
	}
}

// A call that nobody traces is not heard of, and a defect of a hook loses none.
func TestTraceThatPanicsLosesNoCall(t *testing.T) {
	for _, at := range []string{"begin", "later", "nobody"} {
		heard := 0
		inBubble(t, func(_ *deflect.Config, fc *freeswitch.Config) {
			hear := func() {
				heard++
				panic("of +14043438646")
			}
			fc.Trace = &freeswitch.Trace{
				Call: func(ctx context.Context) (context.Context, func(freeswitch.TracedEnd)) {
					switch at {
					case "begin":
						hear()
					case "nobody":
						return ctx, nil
					}
					return nil, func(freeswitch.TracedEnd) { hear() }
				},
				Known:   func(context.Context, freeswitch.TracedCall) { hear() },
				Command: func(context.Context, freeswitch.TracedLine) { hear() },
				Event:   func(context.Context, freeswitch.TracedLine) { hear() },
			}
		}, func(t *testing.T, r *rig) {
			res := r.run(caller(fst.Press("1").After(time.Second)))
			r.wantOutcome(res, deflect.Sent, deflect.ReasonOK)
			logged := strings.Contains(r.log.String(), "a hook of Trace")
			if (heard > 0) != (at != "nobody") || logged != (at != "nobody") || strings.Contains(r.log.String(), "of +14043438646") {
				t.Errorf("%s: %d heard, the log says\n%s", at, heard, r.log.String())
			}
		})
	}
}

// The context of a program that hands over its connection is that of the trace.
func TestTraceOfAProgramsConnection(t *testing.T) {
	s := &steps{}
	inBubble(t, func(_ *deflect.Config, fc *freeswitch.Config) {
		fc.Trace = s.hooks()
		call := fc.Trace.Call
		fc.Trace.Call = func(ctx context.Context) (context.Context, func(freeswitch.TracedEnd)) {
			if ctx.Value(traceKey{}) != "program" {
				t.Errorf("the context is not the program's")
			}
			return call(ctx)
		}
	}, func(t *testing.T, r *rig) {
		ours, theirs := net.Pipe()
		ctx := context.WithValue(t.Context(), traceKey{}, "program")
		done := make(chan struct{})
		go func() {
			defer close(done)
			r.srv.Bridge(ctx, newGlueConn(theirs)) //nolint:errcheck // what came of it is in the result
		}()
		if _, err := caller(fst.Press("1").After(time.Second)).Run(t.Context(), ours); err != nil {
			t.Error(err)
		}
		<-done
	})
	masked, _ := s.all()
	if got := trimmed(masked); !slices.Contains(got, "> playback offer.wav") || !slices.Contains(got, "end sent ok") {
		t.Errorf("heard %q", got)
	}
}
