package freeswitch_test

import (
	"fmt"
	"net/http"
	"time"

	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// chaosCaller is one call: an id, a number, and how often it is handed over.
type chaosCaller struct {
	name, number string
	messaging    bool // by Connect to Messaging
	passes       []*chaosPass
}

// chaosPass is one time that a call is handed over.
type chaosPass struct {
	call    fst.Call
	after   time.Duration
	beside  bool // at the same time as the first one
	carries bool // with the variables that were set before

	moved  bool // or hung up, or killed: it has an end of its own
	played bool
	result fst.Result
}

func (c *chaosCaller) id() string { return c.passes[0].call.UUID }

// newCaller makes up a call: any number of keys, and anything that can happen to it, at any
// moment.
func (w *chaosWorld) newCaller(i int) *chaosCaller {
	rng := w.rng
	c := &chaosCaller{name: fmt.Sprint("n", i), number: fmt.Sprintf("+1404343%04d", 1000+i), messaging: i%6 != 0}
	if i > 6 && rng.IntN(12) == 0 { // who calls twice at once
		c.number = w.callers[i-1-rng.IntN(6)].number
	}
	c.passes = []*chaosPass{w.newPass(c, i)}
	if rng.IntN(10) == 0 {
		again := w.newPass(c, i)
		again.beside, again.carries, again.after = rng.IntN(3) == 0, rng.IntN(2) == 0, time.Duration(rng.Int64N(int64(3*time.Second)))
		c.passes = append(c.passes, again)
	}
	if c.messaging && rng.IntN(20) == 0 {
		time.AfterFunc(time.Duration(rng.Int64N(int64(5*time.Second))), func() { w.api.OpenConversation(c.number) })
	}
	if rng.IntN(40) == 0 {
		w.api.OptOut(c.number, true)
	}
	return c
}

func (w *chaosWorld) newPass(c *chaosCaller, i int) *chaosPass {
	rng := w.rng
	script, moved := w.script()
	call := fst.Call{
		UUID: nthCall(i), ANI: c.number, DNIS: "18005550100", SocketResume: true, Answered: rng.IntN(4) == 0, Script: script,
		Vars: map[string]string{"deflect_customer_id": c.name, "deflect_customer_id_descriptor": "test"},
	}
	if c.messaging {
		call.DNIS = chaosDialed
	}
	if rng.IntN(15) == 0 {
		call.Answered, call.Vars["deflect_mode"] = true, "accepted"
	}
	return &chaosPass{call: call, moved: moved}
}

func (w *chaosWorld) script() (script []fst.Action, moved bool) {
	rng := w.rng
	within := func(d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }
	for range []int{0, 1, 1, 1, 1, 1, 2, 3}[rng.IntN(8)] {
		script = append(script, fst.Press([]string{"1", "1", "1", "1", "1", "2", "5", "*", "11", "12", "21"}[rng.IntN(11)]).After(within(6*time.Second)))
	}
	ways := []fst.Action{fst.HangUp(), fst.HangUp(), fst.HangUp(), fst.Kill(), fst.Transfer("3001"), fst.TransferToPark("3002"), fst.OtherSocket(true), fst.OtherSocket(false)}
	if rng.IntN(3) == 0 {
		a := ways[rng.IntN(len(ways))]
		switch rng.IntN(4) {
		case 0:
			a = a.SinceConnect(within(time.Second)) // before the answer, for the most part
		case 1:
			a = a.SincePrompt(2, within(2*time.Second))
		default:
			a = a.After(within(12 * time.Second))
		}
		return append(script, a), true
	}
	return script, false
}

// misfortune is what the requests of a life meet, in their order: mostly nothing, sometimes
// much.
func (w *chaosWorld) misfortune() {
	for range 20 { // few are asked for
		if w.api.Inject(c2mtest.CallDomain, w.fault(c2mtest.CallDomain)); w.rng.IntN(2) == 0 {
			w.api.Inject(c2mtest.CallDomain, c2mtest.Fault{})
		}
	}
	for _, of := range []struct {
		call string
		n    int
	}{
		{c2mtest.CallToken, 40}, {c2mtest.CallEligibility, 250}, {c2mtest.CallInvite, 150}, {c2mtest.CallTransactions, 40},
	} {
		for _, bad := range w.weather(of.n) {
			var f c2mtest.Fault
			if bad {
				f = w.fault(of.call)
			}
			w.api.Inject(of.call, f)
		}
	}
	for _, bad := range w.weather(60) {
		var f livedeflecttest.Fault
		if bad {
			f = w.anyFault()
		}
		w.rig.api.Inject(f)
	}
}

// weather says which of n requests in a row meet a fault.
func (w *chaosWorld) weather(n int) []bool {
	bad := make([]bool, n)
	percent := 5
	for i := range bad {
		if w.rng.IntN(15) == 0 {
			percent = []int{2, 5, 30, 90}[w.rng.IntN(4)]
		}
		bad[i] = w.rng.IntN(100) < percent
	}
	return bad
}

// fault is what a request of one call can meet.
func (w *chaosWorld) fault(call string) c2mtest.Fault {
	own := map[string][]c2mtest.Fault{
		c2mtest.CallDomain: {
			{Body: `{"service":"connectToMessagingDomain","account":"38856538","baseURI":"va.connect-to-messaging.example.com"}`},
			{Body: `{"baseURI":"va.liveperson.net.example.com"}`},
			{Body: `{"baseURI":"127.0.0.1:8080"}`},
			{Body: `{"baseURI":"lo.some-other.liveperson.net"}`}, // believed: it is the vendor's
			{Body: `{"service":"msgHist","account":"38856538","baseURI":"va.msghist.liveperson.net"}`},
			{Body: `{"account":"1","baseURI":"va.sentinel.liveperson.net"}`},
			{Body: `{"baseURI":""}`},
			{Status: http.StatusNotFound},
		},
		c2mtest.CallToken: {
			{Status: http.StatusUnauthorized}, {Status: http.StatusBadRequest},
			{Body: `{"access_token":"","expires_in":"3600"}`}, {Body: `{"access_token":"a\nb"}`},
			{Body: `{"access_token":"stale","expires_in":"0"}`}, {Body: `{"access_token":"not ours","expires_in":-1}`},
		},
		c2mtest.CallEligibility: {
			{Delay: 690 * time.Millisecond}, {Delay: 700 * time.Millisecond}, {Delay: 710 * time.Millisecond},
			{SuccessFalse: true}, {Status: 400, Body: c2mtest.ErrorBody(1400)}, {Status: 400, Body: c2mtest.ErrorBody(1001)},
			{Body: `{"eligible":true}`}, {Body: `{"eligible":"yes","callId":7}`}, {Body: `[]`},
			{Status: http.StatusUnauthorized}, {Status: http.StatusUnauthorized, Delay: 300 * time.Millisecond},
		},
		c2mtest.CallInvite: {
			{Status: 400, Body: c2mtest.ErrorBody(1400)}, {Status: 400, Body: c2mtest.ErrorBody(5000)}, {Status: 400, Truncate: true},
			{Body: `{"callId":"someone-elses"}`}, {Body: `{"callId":null}`}, {Body: `{}`},
			{Status: http.StatusUnauthorized}, {Status: http.StatusUnauthorized, Delay: time.Second},
			{Status: http.StatusNotFound, Body: c2mtest.ErrorBody(1004)}, {DeliveredTwice: true}, {Delay: 3990 * time.Millisecond},
		},
	}[call]
	if len(own) > 0 && w.rng.IntN(2) == 0 {
		return own[w.rng.IntN(len(own))]
	}
	return w.anyFault()
}

// anyFault is what any request can meet.
func (w *chaosWorld) anyFault() c2mtest.Fault {
	all := []c2mtest.Fault{
		{ConnRefused: true}, {ResetBefore: true}, {ResetAfter: true}, {Hang: true}, {HangAfterProcessing: true}, {HangAfterProcessing: true, Truncate: true},
		{Redirect: "https://example.com/"}, {Status: 429}, {Status: 429, RetryAfter: "1"}, {Status: 429, RetryAfter: "3600"},
		{Status: 500}, {Status: 503}, {Status: 502, StatusAfterProcessing: true}, {Status: 401}, {Status: 403}, {Status: 204}, {Status: 302},
		{InvalidNonce: true}, {DeliveredTwice: true}, {Garbage: true}, {Truncate: true}, {Gzip: true}, {Gzip: true, Truncate: true}, {},
	}
	f := all[w.rng.IntN(len(all))]
	if w.rng.IntN(3) == 0 {
		f.Delay = time.Duration(w.rng.Int64N(int64(6 * time.Second)))
	}
	return f
}
