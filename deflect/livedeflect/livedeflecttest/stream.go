package livedeflecttest

import (
	"encoding/json"
	"io"
	"strconv"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

const (
	eventsPerCall = 6
	chunk         = 64 << 10 // bytes that are made at a time
)

// madeUpInfo stands for what an IVR knows about a caller.
var madeUpInfo = json.RawMessage(`{"userdefinedvar":50,"language":"en-US","tshirtsize":"Large"}`)

var (
	madeUpSkills  = [...]string{"sales", "service", "billing", "returns"}
	madeUpNumbers = [...]string{"4029742345", "4049903068", "2125550142"}
)

// stream is the body of a big report. It makes the calls while it is read.
type stream struct {
	page   *page
	window window
	first  int64 // callId of the first call
	total  int   // events
	calls  int
	half   bool // ends in the middle

	next  int // the call to make next
	ended bool
	buf   []byte
	off   int // what of buf was read
}

func newStream(p *page, w window, first int64, events int) *stream {
	return &stream{page: p, window: w, first: first, total: events, calls: (events-1)/eventsPerCall + 1}
}

func (g *stream) Read(p []byte) (int, error) {
	if g.off == len(g.buf) {
		if g.ended {
			return 0, io.EOF
		}
		g.fill()
	}
	n := copy(p, g.buf[g.off:])
	g.off += n
	return n, nil
}

// Halve lets it end in the middle.
func (g *stream) Halve() { g.half = true }

func (g *stream) fill() {
	g.buf, g.off = g.buf[:0], 0
	for len(g.buf) < chunk && !g.ended {
		start := len(g.buf)
		g.buf = g.page.appendEntry(g.buf, g.call(g.next))
		switch {
		case g.half && g.next == g.calls/2:
			g.buf = g.buf[:start+(len(g.buf)-start)/2]
			g.ended = true
		case g.next == g.calls-1:
			g.buf = g.page.appendEnd(g.buf)
			g.ended = true
		}
		g.next++
	}
}

// call makes up call i. The last one has the events that are left.
func (g *stream) call(i int) entry {
	id := strconv.FormatInt(g.first+int64(i), 10)
	span := float64(g.window.end - g.window.start)
	begin := g.window.start + int64(span*(float64(i)+0.5)/float64(g.calls))
	accept := begin + 9000 + int64(i)*7919%30_000
	text := accept + 350
	e := entry{
		Deflection: Deflection{
			CallID:              id,
			SiteID:              g.window.siteID,
			ExternalCallID:      double.UUIDOf("call " + id),
			Skill:               madeUpSkills[i%len(madeUpSkills)],
			CallerEnteredDigits: "9999",
			CallerInfo:          madeUpInfo,
			CustomerCountryCode: "1",
			CustomerPhoneNumber: madeUpNumber(i),
			DialedCountryCode:   "1",
			DialedPhoneNumber:   madeUpNumbers[i%len(madeUpNumbers)],
			ExternalCustomerID:  "123-" + id,
		},
		begin:        begin,
		conversation: double.UUIDOf(id),
	}
	e.events = []event{
		{"callstart", "Y", begin},
		{"skillchoice", e.Skill, accept},
		{"ovrchan", "sms", accept},
		{"deflresponse", "Y", accept},
		{"sendtext", welcomeText, text},
		{"conversationid", e.conversation, text + 20_000 + int64(i)*104_729%600_000},
	}
	e.events = e.events[:min(eventsPerCall, g.total-i*eventsPerCall)]
	if len(e.events) < eventsPerCall {
		e.conversation = ""
	}
	return e
}

// madeUpNumber gives one of the numbers that are kept for fiction.
func madeUpNumber(i int) string {
	b := strconv.AppendInt(make([]byte, 0, 16), int64(201+i/100%700), 10)
	b = append(b, "55501"...)
	return string(append(b, byte('0'+i/10%10), byte('0'+i%10)))
}
