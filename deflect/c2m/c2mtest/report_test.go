package c2mtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const pathReports = "/api/account/" + testAccount + "/app/c2m/"

// window is the query of a report around now.
func window(call string) string {
	v := ""
	if call == CallTransactions {
		v = "&v=2.0"
	}
	now := time.Now()
	return fmt.Sprintf("%s%s/?attemptedStartTime=%d&attemptedEndTime=%d%s", pathReports, call,
		now.Add(-12*time.Hour).UnixMilli(), now.Add(12*time.Hour).UnixMilli(), v)
}

// page is what a test looks at.
type page struct {
	Page         struct{ Count, Offset, Limit int }
	Transactions []map[string]any
}

func transactions(t testing.TB, s *Server, body string) page {
	t.Helper()
	got := post(t, s, window(CallTransactions), body)
	var p page
	if err := json.Unmarshal([]byte(got.body), &p); err != nil || got.status != 200 {
		t.Fatalf("got %+v", got)
	}
	return p
}

// shown is one transaction: what it says without what is null.
func shown(tr map[string]any, names ...string) string {
	var out []string
	for _, name := range names {
		if tr[name] != nil {
			out = append(out, fmt.Sprintf("%s=%v", name, tr[name]))
		}
	}
	return strings.Join(out, " ")
}

// stages are the names of a transaction that tell how far it got.
var stages = []string{
	"messageStatus", "eligibleTime", "inviteTime", "sentTime", "deliveredTime", "readTime", "conversationsCreatedTime", "conversationsClosedTime",
	"failedTime", "skippedTime", "errorSource", "errorCode",
}

func TestTransactions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Channels = []string{SMS, WhatsApp}
		cfg.Consumer = func(i Invite) Consumer {
			switch i.Number[len(i.Number)-1] {
			case '1':
				return Consumer{Replies: true, Reads: true, After: time.Minute}
			case '2':
				return Consumer{Reads: true}
			case '3':
				return Consumer{Error: "30003", ErrorSource: "twilio", Replies: true}
			}
			return Consumer{}
		}
		s := New(cfg)
		number := func(i int) string { return fmt.Sprintf("+1404343860%d", i) }
		s.OptOut(number(4), true)
		s.Landline(number(5))
		text := func(i int, more map[string]any) {
			id, _ := ask(t, s, number(i))
			invite(t, s, id, more)
			time.Sleep(time.Second)
		}
		ask(t, s, number(0)) // eligible, and no more
		text(1, nil)
		text(2, map[string]any{"overrideChannel": "wa"})
		text(3, nil)
		text(4, nil)
		text(5, nil)
		s.OpenConversation(number(6))
		text(6, map[string]any{"overrideChannel": "wa"})
		s.Inject(CallInvite, Fault{NoText: true})
		text(7, map[string]any{"overrideSkill": "sales"})
		time.Sleep(2 * time.Minute)
		s.CloseConversation(number(1))

		const at = "2000-01-01T00:00:0%d.000Z"
		times := func(i int, names ...string) string {
			var out []string
			for _, name := range names {
				out = append(out, fmt.Sprintf("%s="+at, name, i))
			}
			return strings.Join(out, " ")
		}
		want := []string{
			times(0, "eligibleTime"),
			"messageStatus=RESPONDED " + times(0, "eligibleTime", "inviteTime", "sentTime", "deliveredTime") +
				" conversationsCreatedTime=2000-01-01T00:01:00.000Z conversationsClosedTime=2000-01-01T00:02:07.000Z",
			"messageStatus=READ " + times(1, "eligibleTime", "inviteTime", "sentTime", "deliveredTime", "readTime"),
			"messageStatus=FAILED " + times(2, "eligibleTime", "inviteTime", "sentTime", "failedTime") + " errorSource=twilio errorCode=30003",
			"messageStatus=SKIPPED " + times(3, "eligibleTime", "inviteTime", "skippedTime"),
			"messageStatus=FAILED " + times(4, "eligibleTime", "inviteTime", "sentTime", "failedTime") + " errorSource=twilio errorCode=21614",
			"messageStatus=FAILED " + times(5, "eligibleTime", "failedTime") + " errorSource=c2m errorCode=1400",
			times(6, "eligibleTime", "inviteTime"),
		}
		p := transactions(t, s, "{}")
		if p.Page.Count != len(want) || p.Page.Offset != 0 || p.Page.Limit != 100 || len(p.Transactions) != len(want) {
			t.Fatalf("got %+v", p)
		}
		for i, tr := range p.Transactions {
			if got := shown(tr, stages...); got != want[i] {
				t.Errorf("%d: got  %s\nwant %s", i, got, want[i])
			}
			if id := s.Eligibilities()[i].CallID; tr["transactionId"] != id || tr["handOffId"] != "H123456789" || tr["consumerId"] != nil {
				t.Errorf("%d: got %v", i, tr)
			}
		}
		if tr := p.Transactions[7]; tr["skill"] != "sales" || tr["initialSkill"] != "support" || tr["channel"] != "sms" {
			t.Errorf("got %v", tr)
		}
		if tr := p.Transactions[1]; tr["conversationId"] == nil || tr["ivrNumber"] != "180000" {
			t.Errorf("got %v", tr)
		}

		got := get(t, s, window(CallAnalytics))
		for _, want := range []string{
			`{"channel":"sms","skill":"sales","transactionday":"01-01-2000","attempted":1,"eligible":1,"skipped":0,"sent":0,"failed":1,"delivered":0,"read":0,` +
				`"conversationscreated":0,"conversationsclosed":0,"csat":"0","error_aggregation":{}}`,
			`{"channel":"sms","skill":"support","transactionday":"01-01-2000","attempted":5,"eligible":5,"skipped":1,"sent":3,"failed":2,"delivered":1,"read":0,` +
				`"conversationscreated":1,"conversationsclosed":1,"csat":"0","error_aggregation":{"twilio_21614":1,"twilio_30003":1}}`,
			`{"channel":"wa","skill":"support","transactionday":"01-01-2000","attempted":2,"eligible":2,"skipped":0,"sent":1,"failed":1,"delivered":1,"read":1,` +
				`"conversationscreated":0,"conversationsclosed":0,"csat":"0","error_aggregation":{"c2m_1400":1}}`,
			`{"requestMetadata":{"accountId":"38856538","app":"c2m","attemptedStartTime":946641727000,"attemptedEndTime":946728127000},"analytics":[`,
		} {
			if !strings.Contains(got.body, want) {
				t.Errorf("got %s, want %s in it", got.body, want)
			}
		}
	})
}

// What was refused at eligibility is there too.
func TestTransactionsNotEligible(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		change func(*Config)
		state  func(*Server)
		want   string
	}{
		{func(c *Config) { c.DeviceCheck = true }, func(s *Server) { s.Landline(testNumber) }, "messageStatus=FAILED errorSource=c2m errorCode=1001"},
		{func(c *Config) { c.Open = OpenRefused }, func(s *Server) { s.OpenConversation(testNumber) }, "messageStatus=FAILED errorSource=c2m errorCode=1400"},
		{func(c *Config) {}, func(s *Server) { s.OpenConversation(testNumber) }, "messageStatus=FAILED errorSource=c2m errorCode=1400"},
		{func(c *Config) { c.OptOutsKnown = true }, func(s *Server) { s.OptOut(testNumber, true) }, "messageStatus=SKIPPED"},
		{func(c *Config) {}, func(s *Server) { s.Inject(CallEligibility, Fault{SuccessFalse: true}) }, "messageStatus=FAILED"},
	} {
		cfg := testConfig()
		tt.change(&cfg)
		s := New(cfg)
		tt.state(s)
		post(t, s, pathAsk, body(t, askFields(), nil))
		p := transactions(t, s, "{}")
		if len(p.Transactions) != 1 || shown(p.Transactions[0], "messageStatus", "sentTime", "errorSource", "errorCode") != tt.want {
			t.Errorf("got %+v, want %s", p, tt.want)
		}
	}
}

func TestTransactionPages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Rate, cfg.ReportRate, cfg.Report.CountAll = -1, -1, true
		s := New(cfg)
		var ids []any
		for range 250 {
			id, _ := ask(t, s, testNumber)
			ids = append(ids, id)
			time.Sleep(time.Millisecond)
		}
		var seen []any
		for offset := 0; ; {
			p := transactions(t, s, fmt.Sprintf(`{"offset":%d}`, offset))
			if p.Page.Count != 250 || p.Page.Offset != offset || len(p.Transactions) > 100 {
				t.Fatalf("got %+v", p.Page)
			}
			if len(p.Transactions) == 0 {
				break
			}
			for _, tr := range p.Transactions {
				seen = append(seen, tr["transactionId"])
			}
			offset += len(p.Transactions)
		}
		if fmt.Sprint(seen) != fmt.Sprint(ids) {
			t.Errorf("got %d transactions, want %d", len(seen), len(ids))
		}
		s.SetReport(Report{NewestFirst: true})
		if p := transactions(t, s, `{"offset":240,"limit":5000}`); p.Page.Count != 10 || len(p.Transactions) != 10 || p.Transactions[9]["transactionId"] != ids[0] {
			t.Errorf("got %+v", p)
		}
	})
}

func TestTransactionFilters(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Channels, cfg.ReportRate = []string{SMS, WhatsApp}, -1
	s := New(cfg)
	first, _ := ask(t, s, testNumber)
	second, _ := ask(t, s, testNumber)
	invite(t, s, second, map[string]any{"overrideChannel": "wa", "overrideSkill": "sales"})
	for filters, want := range map[string]string{
		`{}`:                                        first + " " + second,
		`{"channels":["wa"]}`:                       second,
		`{"channels":["sms","wa"]}`:                 first + " " + second,
		`{"channels":[]}`:                           first + " " + second,
		`{"skills":["support"]}`:                    first,
		`{"messagestatus":["DELIVERED","READ"]}`:    second,
		`{"messagestatus":["SENT"]}`:                "",
		`{"transactionids":["` + first + `"]}`:      first,
		`{"skills":["sales"],"channels":["sms"]}`:   "",
		`{"transactionids":["` + first + `","x"]}`:  first,
		`{"skills":["sales"],"messagestatus":[]}  `: second,
	} {
		var got []string
		for _, tr := range transactions(t, s, `{"filters":`+filters+`}`).Transactions {
			got = append(got, fmt.Sprint(tr["transactionId"]))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %s, want %s", filters, got, want)
		}
	}
	got := post(t, s, window(CallAnalytics), `{"handoffids":["H123456789"],"source":["API","UI"],"channels":["sms"]}`)
	if !strings.Contains(got.body, `"filters":{"channels":["sms"],"handoffids":["H123456789"],"source":["API","UI"]}`) ||
		!strings.Contains(got.body, `"handoffid":"H123456789","source":"API","attempted":1`) {
		t.Errorf("got %+v", got)
	}
	if got := post(t, s, window(CallAnalytics), `{"source":["UI"]}`); !strings.HasSuffix(got.body, `"analytics":[]}`) {
		t.Errorf("got %+v", got)
	}
}

func TestReportLag(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Report.Lag = 20 * time.Minute
		s := New(cfg)
		id, _ := ask(t, s, testNumber)
		time.Sleep(time.Minute)
		invite(t, s, id, nil)
		for _, tt := range []struct {
			wait time.Duration
			want string
		}{
			{19*time.Minute - 1, "none"}, {time.Nanosecond, ""}, {time.Minute - 1, ""}, {time.Nanosecond, "DELIVERED"},
		} {
			time.Sleep(tt.wait)
			got := "none"
			for _, tr := range transactions(t, s, "{}").Transactions {
				got, _ = tr["messageStatus"].(string)
			}
			if got != tt.want {
				t.Errorf("after %v: got %q, want %q", tt.wait, got, tt.want)
			}
		}
	})
}

func TestReportOddities(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Consumer = func(Invite) Consumer { return Consumer{Error: "30003", ErrorSource: "twilio"} }
	cfg.Report = Report{Numbers: true, UnknownFields: true, OtherIDs: true}
	s := New(cfg)
	id, _ := ask(t, s, testNumber)
	invite(t, s, id, nil)
	if tr := transactions(t, s, "{}").Transactions[0]; tr["errorCode"] != 30003.0 || tr["routing"] == nil || tr["transactionId"] == id {
		t.Errorf("got %+v", tr)
	}
	if got := get(t, s, window(CallAnalytics)); !strings.Contains(got.body, `"csat":0,`) {
		t.Errorf("got %s", got.body)
	}
}

func TestReportWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.ReportRate = -1
		s := New(cfg)
		s.SetClock(time.Hour)
		ask(t, s, testNumber)
		at := time.Now().Add(time.Hour).UnixMilli()
		for _, tt := range []struct {
			start, end int64
			exclusive  bool
			want       int
		}{
			{at, at, false, 1}, {at, at, true, 0}, {at, at + 1, true, 1}, {at + 1, at + 1, false, 0}, {at - 2, at - 1, false, 0}, {at - 86_399_999, at + 1, false, 1},
		} {
			s.SetReport(Report{EndExclusive: tt.exclusive})
			got := post(t, s, fmt.Sprintf("%stransactions/?v=2.0&attemptedEndTime=%d&attemptedStartTime=%d", pathReports, tt.end, tt.start), "{}")
			if n := strings.Count(got.body, "transactionId"); got.status != 200 || n != tt.want {
				t.Errorf("%+v: got %+v", tt, got)
			}
		}
	})
}

func TestReportRefuses(t *testing.T) {
	t.Parallel()
	const from, to = "attemptedStartTime=1602007811000", "attemptedEndTime=1602008344000"
	path := func(call string, query ...string) string { return pathReports + call + "/?" + strings.Join(query, "&") }
	good := path("transactions", from, to, "v=2.0")
	for _, tt := range []struct{ name, path, body, want string }{
		{"no version", path("transactions", from, to), "{}", "v must come once in the query"},
		{"the old version", path("transactions", from, to, "v=1.0"), "{}", "v must be 2.0"},
		{"no start", path("transactions", to, "v=2.0"), "{}", "attemptedStartTime must come once in the query"},
		{"two ends", path("transactions", from, to, to, "v=2.0"), "{}", "attemptedEndTime must come once in the query"},
		{"more", path("transactions", from, to, "v=2.0", "x=1"), "{}", "unknown parameter in the query"},
		{"a version of analytics", path("analytics", from, to, "v=2.0"), "{}", "unknown parameter in the query"},
		{"no query", path("transactions", "%zz"), "{}", "the query cannot be decoded"},
		{"seconds", path("transactions", "attemptedStartTime=1602007811", to, "v=2.0"), "{}", "attemptedStartTime must be epoch milliseconds"},
		{"backwards", path("transactions", "attemptedStartTime=1602008344001", to, "v=2.0"), "{}", "attemptedEndTime must not be before attemptedStartTime"},
		{"over 24 hours", path("transactions", "attemptedStartTime=1602007811000", "attemptedEndTime=1602094211001", "v=2.0"), "{}", "the time interval must not exceed 24 hours"},
		{"over 60 days", path("analytics", "attemptedStartTime=1602007811000", "attemptedEndTime=1607191811001"), "{}", "the time interval must not exceed 1440 hours"},
		{"no body", good, "", "Content-Type must be application/json"},
		{"a list", good, "[]", "the body is not a JSON object"},
		{"unknown field", good, `{"page":{}}`, `unknown field "page"`},
		{"offset", good, `{"offset":-1}`, "offset must be a number from 0 to 2147483647"},
		{"offset of text", good, `{"offset":"1"}`, "offset must be a number from 0 to 2147483647"},
		{"offset of null", good, `{"offset":null}`, "offset must be a number from 0 to 2147483647"},
		{"large limit", good, `{"limit":5001}`, "limit must be a number from 1 to 5000"},
		{"no limit", good, `{"limit":0}`, "limit must be a number from 1 to 5000"},
		{"filters of a list", good, `{"filters":[]}`, "filters must be an object"},
		{"unknown filter", good, `{"filters":{"handoffids":["H1"]}}`, `unknown filter "handoffids"`},
		{"filter of a text", good, `{"filters":{"skills":"a"}}`, "skills must be an array of strings"},
		{"filter of null", good, `{"filters":{"skills":[null]}}`, "skills must be an array of strings"},
		{"another status", good, `{"filters":{"messagestatus":["sent"]}}`, "messagestatus is not one of FAILED, SKIPPED, SENT, DELIVERED, READ, RESPONDED"},
		{"filter of transactions", path("analytics", from, to), `{"messagestatus":["SENT"]}`, `unknown filter "messagestatus"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := New(testConfig())
			got := post(t, s, tt.path, tt.body)
			var b struct {
				Code    *int
				Trace   string `json:"requestTraceId"`
				Message string
			}
			if err := json.Unmarshal([]byte(got.body), &b); err != nil || got.status != 400 || b.Message != tt.want || b.Code == nil || b.Trace == "" {
				t.Errorf("got %+v, want %s", got, tt.want)
			}
		})
	}
	s := New(testConfig())
	if got := get(t, s, good); got.status != 405 {
		t.Errorf("got %+v for a GET of transactions", got)
	}
	if got := post(t, s, strings.Replace(good, "transactions/", "transactions", 1), "{}"); got.status != 404 {
		t.Errorf("got %+v without the slash at the end", got)
	}
	if got := send(inMemory(s), request(t, t.Context(), s, http.MethodGet, path("analytics", from, to), "{}")); got.status != 400 {
		t.Errorf("got %+v for a GET with a body", got)
	}
}

func TestReportRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(testConfig())
		for range 10 {
			transactions(t, s, "{}")
			get(t, s, window(CallAnalytics))
		}
		for _, got := range []result{post(t, s, window(CallTransactions), "{}"), get(t, s, window(CallAnalytics))} {
			if got.status != 429 || !strings.Contains(got.body, `"message":"Rate limit hit"`) {
				t.Errorf("got %+v", got)
			}
		}
		ask(t, s, testNumber) // has a limit of its own
		time.Sleep(time.Second)
		transactions(t, s, "{}")
	})
}
