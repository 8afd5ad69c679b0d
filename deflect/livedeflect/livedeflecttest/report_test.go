package livedeflecttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// bubbleStart is when the clock of a bubble starts.
var bubbleStart = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

func ms(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// ask makes a signed request for a report, in order.
func ask(t testing.TB, s *Server, start, end string) *http.Request {
	t.Helper()
	body := fmt.Sprintf(`{"siteId":"38856538","startTime":%q,"endTime":%q}`, start, end)
	return post(t, t.Context(), s, pathReport, body)
}

// sendCall sends a text for a call that began at begin and was deflected ten
// seconds later.
func sendCall(t testing.TB, s *Server, begin time.Time, changes map[string]any) {
	t.Helper()
	all := map[string]any{"callBeginTime": ms(begin), "deflectionAcceptTime": ms(begin.Add(10 * time.Second))}
	for name, value := range changes {
		all[name] = value
	}
	if got := send(inMemory(s), request(t, t.Context(), s, testBody(t, all))); got.status != 200 {
		t.Fatalf("got %+v", got)
	}
}

// seen is a call as a report shows it, in the order of the report.
type seen struct {
	key    string
	events []map[string]any
}

// readReport reads a report in order, which a map would lose.
func readReport(t testing.TB, got result) (calls []seen) {
	t.Helper()
	if got.err != nil || got.bodyErr != nil || got.status != 200 || !json.Valid([]byte(got.body)) {
		t.Fatalf("got %+v, want a report", got)
	}
	var top struct{ Data json.RawMessage }
	if err := json.Unmarshal([]byte(got.body), &top); err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(top.Data))
	dec.Token()
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		c := seen{key: key.(string)}
		if err := dec.Decode(&c.events); err != nil {
			t.Fatal(err)
		}
		calls = append(calls, c)
	}
	return calls
}

// kinds writes each call as its externalCallId and the types of its events.
func kinds(t testing.TB, got result) string {
	t.Helper()
	var lines []string
	for _, c := range readReport(t, got) {
		line := fmt.Sprint(c.events[0]["externalCallId"], ":")
		for _, e := range c.events {
			line += fmt.Sprint(" ", e["eventType"])
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

const (
	untilAccept = "callstart skillchoice ovrchan deflresponse"
	untilText   = untilAccept + " sendtext"
	untilReply  = untilText + " conversationid"
)

// The vendor's page shows this one event.
func TestReportIsTheVendorsExample(t *testing.T) {
	t.Parallel()
	const want = `{
  "success" :  "true",
  "data" :  {
    "473513" : [
      {
        "callId" :  "473513",
        "siteId" :  "25508804",
        "externalCallId" :  "1231",
        "beginTimeStamp" :  "1528932953300",
        "skill" :  "sales",
        "callerEnteredDigits" :  "9999",
        "callerInfo" :  "{\"userdefinedvar\":50,\"newtestvariable\":\"variablevalue1\",\"tshirtsize\":\"Large\"}",
        "conversationId" :  null,
        "customerCountryCode" :  "61",
        "customerPhoneNumber" :  "0400111222",
        "dialedCountryCode" :  "1",
        "dialedPhoneNumber" :  "4049903068",
        "eventType" :  "callstart",
        "eventInfo" :  "Y",
        "eventTime" :  "1528932953300",
        "externalConsumerId" :  "123-456789112"
      }
    ]
  }
}`
	cfg := testConfig()
	cfg.SiteID = "25508804"
	cfg.Report.Filter = ByEvent
	s := New(cfg)
	wantSent(t, send(inMemory(s), request(t, t.Context(), s, testBody(t, map[string]any{
		"siteId": "25508804", "callBeginTime": "1528932953300", "deflectionAcceptTime": "1528932953301",
		"callerEnteredDigits": "9999", "customerCountryCode": "61", "customerPhoneNumber": "0400111222",
		"deflectionHandle": "61400111222", "dialedPhoneNumber": "4049903068", "externalCustomerId": "123-456789112",
		"callerInfo": json.RawMessage(`{"userdefinedvar":50,"newtestvariable":"variablevalue1","tshirtsize":"Large"}`),
	}))), 473513)
	body := `{"siteId":"25508804","startTime":"1528932953300","endTime":"1528932953300"}`
	got := send(inMemory(s), post(t, t.Context(), s, pathReport, body))
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(want)); err != nil {
		t.Fatal(err)
	}
	if got.body != compact.String() || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %+v\nwant %s", got, &compact)
	}
}

func TestReportOfAWholeCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Report.Conversation = func(d Deflection) (time.Duration, bool) { return time.Minute, d.ExternalCallID == "1231" }
		s := New(cfg)
		begin := bubbleStart
		time.Sleep(12 * time.Second)
		sendCall(t, s, begin, map[string]any{"deflectionText": "Say \"hi\" \\ é\n<&>"})
		time.Sleep(time.Hour)
		calls := readReport(t, send(inMemory(s), ask(t, s, ms(begin), ms(begin))))
		if len(calls) != 1 || calls[0].key != "473513" {
			t.Fatalf("got %v", calls)
		}
		uuid := double.UUIDOf("473513")
		var want []map[string]any
		for _, e := range []struct {
			kind, info string
			after      time.Duration
		}{
			{"callstart", "Y", 0},
			{"skillchoice", "sales", 10 * time.Second},
			{"ovrchan", "sms", 10 * time.Second},
			{"deflresponse", "Y", 10 * time.Second},
			{"sendtext", "Say \"hi\" \\ é\n<&>", 12 * time.Second},
			{"conversationid", uuid, 72 * time.Second},
		} {
			want = append(want, map[string]any{
				"callId": "473513", "siteId": "38856538", "externalCallId": "1231", "beginTimeStamp": "946684800000",
				"skill": "sales", "callerEnteredDigits": "1234", "callerInfo": `{"userdefinedvar":50,"tshirtsize":"Large"}`,
				"conversationId": uuid, "customerCountryCode": "1", "customerPhoneNumber": "4043438646",
				"dialedCountryCode": "1", "dialedPhoneNumber": "4029742345", "externalConsumerId": "123456",
				"eventType": e.kind, "eventInfo": e.info, "eventTime": ms(begin.Add(e.after)),
			})
		}
		if diff := cmp.Diff(want, calls[0].events); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// What the request left out is null, but there is always a text.
func TestReportOfASparseCall(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	send(inMemory(s), request(t, t.Context(), s, testBody(t, map[string]any{
		"callerInfo": nil, "callerEnteredDigits": nil, "deflectionText": nil,
		"externalCustomerId": nil, "externalCustomerIdDescriptor": nil,
	})))
	calls := readReport(t, send(inMemory(s), ask(t, s, "1528932953100", "1528932953100")))
	e := calls[0].events[4]
	for _, name := range []string{"callerInfo", "callerEnteredDigits", "externalConsumerId", "conversationId"} {
		if value, ok := e[name]; !ok || value != nil {
			t.Errorf("got %s %v, want null", name, value)
		}
	}
	if e["eventType"] != "sendtext" || e["eventInfo"] != welcomeText {
		t.Errorf("got %v", e)
	}
}

func TestReportTimesAreMilliseconds(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.TimeUnit = Seconds
	s := New(cfg)
	send(inMemory(s), request(t, t.Context(), s, testBody(t, map[string]any{
		"callBeginTime": "1528932953", "deflectionAcceptTime": "1528932954",
	})))
	calls := readReport(t, send(inMemory(s), ask(t, s, "1528932953000", "1528932953000")))
	e := calls[0].events[1]
	if e["beginTimeStamp"] != "1528932953000" || e["eventTime"] != "1528932954000" {
		t.Errorf("got %v", e)
	}
}

func TestReportGrowsWithTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		lag     time.Duration
		replies bool
		after   time.Duration
		at      time.Duration // since the call began; the text goes out at 12s
		want    string
	}{
		{name: "at once", at: 12 * time.Second, want: "1231: " + untilText},
		{name: "nobody answers", at: time.Hour, want: "1231: " + untilText},
		{name: "just before the answer", replies: true, after: time.Minute, at: 72*time.Second - 1, want: "1231: " + untilText},
		{name: "answer", replies: true, after: time.Minute, at: 72 * time.Second, want: "1231: " + untilReply},
		{name: "answer at once", replies: true, at: 12 * time.Second, want: "1231: " + untilReply},
		{name: "answer before the text", replies: true, after: -time.Hour, at: 12 * time.Second, want: "1231: " + untilReply},
		{name: "lag hides all", lag: time.Minute, at: time.Minute - 1, want: ""},
		{name: "lag shows the start", lag: time.Minute, at: time.Minute, want: "1231: callstart"},
		{name: "lag hides the text", lag: time.Minute, at: 72*time.Second - 1, want: "1231: " + untilAccept},
		{name: "lag shows the text", lag: time.Minute, at: 72 * time.Second, want: "1231: " + untilText},
		{name: "lag hides the answer", lag: time.Minute, replies: true, after: time.Minute, at: 132*time.Second - 1, want: "1231: " + untilText},
		{name: "lag shows the answer", lag: time.Minute, replies: true, after: time.Minute, at: 132 * time.Second, want: "1231: " + untilReply},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := New(testConfig())
				time.Sleep(12 * time.Second)
				sendCall(t, s, bubbleStart, nil)
				s.SetReport(Report{Lag: tt.lag, Conversation: func(Deflection) (time.Duration, bool) { return tt.after, tt.replies }})
				time.Sleep(tt.at - 12*time.Second)
				got := send(inMemory(s), ask(t, s, ms(bubbleStart), ms(bubbleStart)))
				if kinds(t, got) != tt.want {
					t.Errorf("got %q, want %q", kinds(t, got), tt.want)
				}
				if open := strings.Contains(got.body, `"conversationId":"`); open != strings.HasSuffix(tt.want, "conversationid") {
					t.Errorf("got %s", got.body)
				}
			})
		})
	}
}

// A begins at 0s, B at 100s; both are deflected 10s later, and the texts go out
// at 130s and 140s.
func TestReportFilters(t *testing.T) {
	t.Parallel()
	const s = time.Second
	const beyond = 1000 * s
	for _, tt := range []struct {
		filter     Filter
		ends       Ends
		start, end time.Duration
		want       string
	}{
		{ByBegin, Inclusive, 0, beyond, "a: " + untilText + "\nb: " + untilText},
		{ByBegin, Inclusive, 0, 100 * s, "a: " + untilText + "\nb: " + untilText},
		{ByBegin, Inclusive, 0, 100*s - 1e6, "a: " + untilText},
		{ByBegin, Inclusive, 1e6, 100 * s, "b: " + untilText},
		{ByBegin, Inclusive, 100 * s, 100 * s, "b: " + untilText},
		{ByBegin, Inclusive, 1 * s, 99 * s, ""},
		{ByBegin, EndExclusive, 0, 100 * s, "a: " + untilText},
		{ByBegin, EndExclusive, 0, 100*s + 1e6, "a: " + untilText + "\nb: " + untilText},
		{ByBegin, EndExclusive, 100 * s, 100 * s, ""},
		{ByBegin, Exclusive, 0, 100 * s, ""},
		{ByBegin, Exclusive, -1e6, 100 * s, "a: " + untilText},
		{ByBegin, Exclusive, 0, 100*s + 1e6, "b: " + untilText},

		{ByEvent, Inclusive, 0, beyond, "a: " + untilText + "\nb: " + untilText},
		{ByEvent, Inclusive, 10 * s, 100 * s, "a: skillchoice ovrchan deflresponse\nb: callstart"},
		{ByEvent, Inclusive, 130 * s, 140 * s, "a: sendtext\nb: sendtext"},
		{ByEvent, Inclusive, 11 * s, 99 * s, ""},
		{ByEvent, EndExclusive, 0, 10 * s, "a: callstart"},
		{ByEvent, EndExclusive, 130 * s, 140 * s, "a: sendtext"},
		{ByEvent, Exclusive, 0, 130 * s, "a: skillchoice ovrchan deflresponse\nb: " + untilAccept},
		{ByEvent, Exclusive, 130 * s, 140 * s, ""},

		{ByActivity, Inclusive, 0, 0, "a: " + untilText},
		{ByActivity, Inclusive, 130 * s, 130 * s, "a: " + untilText},
		{ByActivity, Inclusive, 130 * s, 140 * s, "a: " + untilText + "\nb: " + untilText},
		{ByActivity, Inclusive, 11 * s, 99 * s, ""},
		{ByActivity, EndExclusive, 130 * s, 140 * s, "a: " + untilText},
		{ByActivity, Exclusive, 130 * s, 140 * s, ""},
		{ByActivity, Exclusive, 130 * s, 140*s + 1e6, "b: " + untilText},
	} {
		t.Run(fmt.Sprint(tt.filter, tt.ends, tt.start, tt.end), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begin := bubbleStart.Add(time.Minute)
				s := New(testConfig())
				s.SetReport(Report{Filter: tt.filter, Ends: tt.ends})
				time.Sleep(time.Until(begin.Add(130 * time.Second)))
				sendCall(t, s, begin, map[string]any{"externalCallId": "a"})
				time.Sleep(10 * time.Second)
				sendCall(t, s, begin.Add(100*time.Second), map[string]any{"externalCallId": "b"})
				got := send(inMemory(s), ask(t, s, ms(begin.Add(tt.start)), ms(begin.Add(tt.end))))
				if diff := cmp.Diff(tt.want, kinds(t, got)); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		})
	}
}

// An event of the window shows the conversation that opened after it.
func TestReportOfAnEventShowsTheCurrentStatus(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	s.SetReport(Report{Filter: ByEvent, Conversation: func(Deflection) (time.Duration, bool) { return 0, true }})
	send(inMemory(s), request(t, t.Context(), s, testBody(t, nil)))
	calls := readReport(t, send(inMemory(s), ask(t, s, "1528932953100", "1528932953100")))
	if len(calls) != 1 || len(calls[0].events) != 1 || calls[0].events[0]["conversationId"] != double.UUIDOf("473513") {
		t.Errorf("got %v", calls)
	}
}

// The order is that of sending, which is not the order of the keys' digits.
func TestReportOrderAndAccounts(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.FirstCallID, cfg.KeepLast, cfg.SiteID = 8, 4, ""
	s := New(cfg)
	for i, site := range []string{"38856538", "38856538", "38856538", "1", "38856538"} {
		send(inMemory(s), request(t, t.Context(), s, testBody(t, map[string]any{"siteId": site, "externalCallId": fmt.Sprint(i)})))
	}
	var keys []string
	for _, c := range readReport(t, send(inMemory(s), ask(t, s, "1528932953000", "1528932954000"))) {
		keys = append(keys, c.key)
	}
	if diff := cmp.Diff([]string{"9", "10", "12"}, keys); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestUUID(t *testing.T) {
	t.Parallel()
	a, b := double.UUIDOf("473513"), double.UUIDOf("473514")
	if len(a) != 36 || a[14] != '4' || !strings.Contains("89ab", a[19:20]) || a == b || a != double.UUIDOf("473513") {
		t.Errorf("got %s and %s", a, b)
	}
	for i, c := range a {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; (c == '-') != dash {
			t.Errorf("got %s", a)
		}
	}
}

func TestSetReportPanics(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		report Report
		want   string
	}{
		{Report{Lag: -1}, "Report.Lag is negative"},
		{Report{Big: -1}, "Report.Big is negative"},
		{Report{Oddity: Oddity{BadEvery: -1}}, "Report.Oddity.BadEvery is negative"},
		{Report{Filter: 3}, "Report.Filter 3 is unknown"},
		{Report{Ends: 3}, "Report.Ends 3 is unknown"},
		{Report{Oddity: Oddity{CustomerIDName: 3}}, "Report.Oddity.CustomerIDName 3 is unknown"},
	} {
		func() {
			defer func() {
				if got := recover(); got != "livedeflecttest: SetReport: "+tt.want {
					t.Errorf("got %v, want %s", got, tt.want)
				}
			}()
			New(testConfig()).SetReport(tt.report)
		}()
	}
}

// Conversation may ask the double itself: it is called without the lock. It
// gets a copy.
func TestReportsAtOnce(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	setting := Report{Conversation: func(d Deflection) (time.Duration, bool) {
		d.CallerInfo[0] = 'x'
		return 0, len(s.Sent()) > 0
	}}
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { s.SetReport(setting) })
		wg.Go(func() { send(inMemory(s), request(t, t.Context(), s, testBody(t, nil))) })
		wg.Go(func() {
			if got := send(inMemory(s), ask(t, s, "1528932953100", "1528932953100")); !json.Valid([]byte(got.body)) {
				t.Errorf("got %+v", got)
			}
		})
	}
	wg.Wait()
	calls := readReport(t, send(inMemory(s), ask(t, s, "1528932953100", "1528932953100")))
	if len(calls) != 20 || len(calls[0].events) != 6 || calls[0].events[0]["callerInfo"].(string)[0] != '{' {
		t.Errorf("got %v", calls)
	}
}
