package livedeflect

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// manyCalls is an answer of the report that is written while it is read: events
// of the vendor's form, six a call.
type manyCalls struct {
	left, next int
	buf        []byte
	rest       []byte
	opened     bool
}

func (m *manyCalls) Read(p []byte) (int, error) {
	for len(m.rest) == 0 {
		m.buf = m.buf[:0]
		switch {
		case !m.opened:
			m.opened = true
			m.buf = append(m.buf, `{"success":"true","data":{`...)
		case m.left > 0:
			m.call()
		case m.left == 0:
			m.left = -1
			m.buf = append(m.buf, `}}`...)
		default:
			return 0, io.EOF
		}
		m.rest = m.buf
	}
	n := copy(p, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

func (m *manyCalls) call() {
	id := int64(473513 + m.next)
	if m.next > 0 {
		m.buf = append(m.buf, ',')
	}
	m.next++
	m.buf = append(strconv.AppendInt(append(m.buf, '"'), id, 10), `":[`...)
	stages := [...]EventType{EventCallStart, EventSkillChoice, EventOvrChan, EventDeflResponse, EventSendText, EventConversation}
	n := min(len(stages), m.left)
	for i, stage := range stages[:n] {
		if i > 0 {
			m.buf = append(m.buf, ',')
		}
		m.buf = strconv.AppendInt(append(m.buf, `{"callId":"`...), id, 10)
		m.buf = strconv.AppendInt(append(m.buf, `","siteId":"25508804","externalCallId":"b1c2d3e4-0000-4000-8000-`...), 100000000000+id, 10)
		// What is each caller's own differs from call to call.
		m.buf = strconv.AppendInt(append(m.buf, `","beginTimeStamp":"`...), 1528932953300+id, 10)
		m.buf = strconv.AppendInt(append(m.buf, `","skill":"sales","callerEnteredDigits":"9999","callerInfo":"{\"userdefinedvar\":`...), id, 10)
		m.buf = append(m.buf, `,\"newtestvariable\":\"variablevalue1\",\"tshirtsize\":\"Large\"}","conversationId":null,"customerCountryCode":"61","customerPhoneNumber":"0400`...)
		m.buf = strconv.AppendInt(m.buf, 100000+id%900000, 10)
		m.buf = append(m.buf, `","dialedCountryCode":"1","dialedPhoneNumber":"4049903068","eventType":"`...)
		m.buf = append(append(m.buf, stage...), `","eventInfo":"Y","eventTime":"`...)
		m.buf = append(strconv.AppendInt(m.buf, 1528932953300+id, 10), `","externalConsumerId":"123-456789112"}`...)
	}
	m.left -= n
	m.buf = append(m.buf, ']')
}

type cannedReport struct{ events int }

func (c cannedReport) RoundTrip(req *http.Request) (*http.Response, error) {
	req.Body.Close()
	return &http.Response{StatusCode: 200, Header: http.Header{}, Request: req, Body: io.NopCloser(&manyCalls{left: c.events})}, nil
}

func benchClient(b testing.TB, rt http.RoundTripper) *Client {
	b.Helper()
	c, err := New(Config{SiteID: "25508804", Domain: "va", Auth: liveperson.OAuth1{ConsumerKey: "k", ConsumerSecret: deflect.NewSecret("s")}, Transport: rt})
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// BenchmarkReport reads a report of a million events from memory, whole: the
// request, the decoding and the check for what came before. MB/s is of JSON;
// MB-growth is the most that the process grew.
func BenchmarkReport(b *testing.B) {
	const events = 1_000_000
	size, err := io.Copy(io.Discard, &manyCalls{left: events})
	if err != nil {
		b.Fatal(err)
	}
	c := benchClient(b, cannedReport{events})
	from := time.UnixMilli(1528930000000)
	b.SetBytes(size)
	b.ReportAllocs()
	grown := int64(0)
	for b.Loop() {
		runtime.GC()
		var before, now runtime.MemStats
		runtime.ReadMemStats(&before)
		n := 0
		for _, err := range c.Report(context.Background(), ReportQuery{From: from, To: from.Add(time.Hour)}) {
			if err != nil {
				b.Fatal(err)
			}
			if n++; n%50_000 == 0 {
				runtime.ReadMemStats(&now)
				grown = max(grown, int64(now.HeapInuse+now.StackInuse)-int64(before.HeapInuse+before.StackInuse))
			}
		}
		if n != events {
			b.Fatalf("%d events, want %d", n, events)
		}
	}
	b.ReportMetric(float64(grown)/1e6, "MB-growth")
	b.ReportMetric(float64(size)/events, "B/event")
}

func BenchmarkReadReport(b *testing.B) {
	text, err := io.ReadAll(&manyCalls{left: 10_000})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := readReport(bytes.NewReader(text), func(entry) bool { n++; return true }); err != nil || n != 10_000 {
			b.Fatal(fmt.Sprint(n, err))
		}
	}
}
