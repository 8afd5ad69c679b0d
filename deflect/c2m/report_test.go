package c2m

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/period"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// reporter is an API with a report.
type reporter struct {
	ids     []string                                         // the transactions of a window, all alike
	most    int                                              // on a page; 0 for as many as were asked for
	count   func(onPage, all int) string                     // nil is that on the page
	answer  func(n int, r reportRequest) (int, string, bool) // false leaves it
	change  func(*http.Response)
	asked   []reportRequest
	times   []time.Time
	refuses bool // to look behind the end
}

type reportRequest struct {
	From, To string
	Offset   int
	Limit    int
	Filters  struct{ TransactionIDs []string }
}

func (r *reporter) RoundTrip(req *http.Request) (*http.Response, error) {
	q := req.URL.Query()
	asked := reportRequest{From: q.Get("attemptedStartTime"), To: q.Get("attemptedEndTime")}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		return nil, err
	}
	if req.Method != http.MethodPost || req.URL.Path != "/api/account/38856538/app/c2m/transactions/" || q.Get("v") != "2.0" || req.URL.Host != "va.cx-reporting.liveperson.net" {
		return nil, fmt.Errorf("%s %s", req.Method, req.URL)
	}
	r.asked, r.times = append(r.asked, asked), append(r.times, time.Now())
	status, text, ok := 0, "", false
	if r.answer != nil {
		status, text, ok = r.answer(len(r.asked), asked)
	}
	if !ok {
		status, text = http.StatusOK, r.page(asked)
		if r.refuses && asked.Offset >= len(r.ids) {
			status, text = http.StatusBadRequest, `{"code":0,"message":"offset"}`
		}
	}
	if status == 0 {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text)), Request: req}
	if r.change != nil {
		r.change(resp)
	}
	return resp, nil
}

func (r *reporter) page(asked reportRequest) string {
	limit := asked.Limit
	if r.most > 0 {
		limit = min(limit, r.most)
	}
	ids := r.ids[min(asked.Offset, len(r.ids)):min(asked.Offset+limit, len(r.ids))]
	var items []string
	for _, id := range ids {
		items = append(items, fmt.Sprintf(`{"transactionId":%q,"attemptedTime":"2021-02-17T22:57:13.214Z"}`, id))
	}
	count := fmt.Sprint(len(ids))
	if r.count != nil {
		count = r.count(len(ids), len(r.ids))
	}
	return fmt.Sprintf(`{"requestMetadata":{"app":"c2m"},"page":{"count":%s,"offset":%d,"limit":%d},"transactions":[%s]}`, count, asked.Offset, asked.Limit, strings.Join(items, ","))
}

func idsOf(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("id-%d", i))
	}
	return ids
}

var reportFrom = time.Date(2021, 2, 17, 0, 0, 0, 0, time.UTC)

// collect reads a report.
func collect(t testing.TB, c *Client, q TransactionQuery) (all []Transaction, errs []error) {
	t.Helper()
	for tr, err := range c.Transactions(t.Context(), q) {
		if err != nil {
			errs = append(errs, err)
		} else {
			all = append(all, tr)
		}
	}
	return all, errs
}

// However pages are cut and counted, each transaction comes once, and none is left out.
func TestTransactionsPages(t *testing.T) {
	all := func(_, all int) string { return fmt.Sprint(all) }
	for name, tt := range map[string]struct {
		r        reporter
		requests int
	}{
		"none":                 {reporter{}, 1},
		"one page":             {reporter{ids: idsOf(3)}, 2},
		"full pages":           {reporter{ids: idsOf(2000)}, 3},
		"count of all":         {reporter{ids: idsOf(2500), count: all}, 3},
		"short pages":          {reporter{ids: idsOf(250), most: 100}, 4},
		"no count":             {reporter{ids: idsOf(1500), count: func(int, int) string { return "null" }}, 3},
		"a count that is none": {reporter{ids: idsOf(1500), count: func(int, int) string { return `{"of":-1}` }}, 3},
		"refuses the end":      {reporter{ids: idsOf(1500), refuses: true}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			c := testClient(t, &tt.r, nil)
			got, errs := collect(t, c, TransactionQuery{From: reportFrom, To: reportFrom.Add(time.Hour)})
			var ids []string
			for _, tr := range got {
				ids = append(ids, tr.CallID)
			}
			if len(errs) > 0 || !slices.Equal(ids, tt.r.ids) || len(tt.r.asked) != tt.requests {
				t.Errorf("%d of %d transactions in %d requests, want %d; %v", len(ids), len(tt.r.ids), len(tt.r.asked), tt.requests, errs)
			}
		})
	}
}

// An API that refuses to look behind a page which was full has not told all.
func TestTransactionsRefusedBehindAFullPage(t *testing.T) {
	r := &reporter{ids: idsOf(1000), refuses: true}
	got, errs := collect(t, testClient(t, r, nil), TransactionQuery{From: reportFrom, To: reportFrom.Add(time.Hour)})
	if len(got) != 1000 || len(errs) != 1 || deflect.ReasonOf(errs[0]) != deflect.ReasonRejected {
		t.Errorf("%d transactions, %v", len(got), errs)
	}
}

func TestTransactionsWindows(t *testing.T) {
	r := &reporter{}
	var progress []string
	_, errs := collect(t, testClient(t, r, nil), TransactionQuery{From: reportFrom, To: reportFrom.Add(49 * time.Hour), Progress: func(done, total int) {
		progress = append(progress, fmt.Sprintf("%d/%d", done, total))
	}})
	var got []string
	for _, a := range r.asked {
		got = append(got, a.From+"-"+a.To)
	}
	want := []string{"1613520000000-1613606400000", "1613606399999-1613692799999", "1613692799998-1613696400000"}
	if len(errs) > 0 || !slices.Equal(got, want) || strings.Join(progress, " ") != "0/3 1/3 2/3 3/3" {
		t.Errorf("%v, %v, %v", got, progress, errs)
	}
}

func TestTransactionsOfCalls(t *testing.T) {
	r := &reporter{}
	ids := idsOf(250)
	_, errs := collect(t, testClient(t, r, nil), TransactionQuery{From: reportFrom, To: reportFrom.Add(25 * time.Hour), CallIDs: ids})
	var got []int
	for _, a := range r.asked {
		got = append(got, len(a.Filters.TransactionIDs))
	}
	if len(errs) > 0 || !slices.Equal(got, []int{100, 100, 50, 100, 100, 50}) || !slices.Equal(r.asked[5].Filters.TransactionIDs, ids[200:]) {
		t.Errorf("%v, %v", got, errs)
	}
}

func TestTransactionsAtTheirRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reporter{ids: idsOf(400), most: 10}
		collect(t, testClient(t, r, nil), TransactionQuery{From: reportFrom, To: reportFrom.Add(time.Hour)})
		if len(r.times) != 41 {
			t.Fatalf("%d requests", len(r.times))
		}
		for i := 10; i < len(r.times); i++ {
			if within := r.times[i].Sub(r.times[i-10]); within < time.Second {
				t.Errorf("requests %d to %d within %s", i-10, i, within)
			}
		}
	})
}

// The items of the vendor's page, and of its kind.
func TestTransactionFields(t *testing.T) {
	const example = `{"page":{"count":2,"offset":0,"limit":1000},"transactions":[{
		"channel":"twilio","skill":"billing","transactionId":"0102dec8-ea9d-aca0-394b-82f6c89b2988","attemptedTime":"2021-02-17T22:57:13.214Z",
		"cancelledTime":null,"conversationId":"2a69d9c4-82ae-46ce-bb8d-f8f4f31c1e71","conversationsClosedTime":"2021-02-18T22:57:13Z","conversationsCreatedTime":"2021-02-17T23:57:13+01:00",
		"consumerId":null,"deliveredTime":"2021-02-17T23:00:18.533Z","eligibleTime":"2021-02-17T22:57:13.300Z","errorCode":21610,"errorMessage":"opted out","errorSource":"twilio",
		"failedTime":"2021-02-17T23:01:00.000Z","inviteTime":"2021-02-17T22:57:13.480Z","optInsTime":"2021-02-17T23:02:00.000Z","optOutsTime":"2021-02-17T23:03:00.000Z",
		"proactiveCampaignId":"campaign125","readTime":"","sentTime":"2021-02-17T22:57:13.586Z","initialSkill":"outbound","initialChannel":"WA","handOffId":"H000000000000000",
		"skippedTime":null,"ivrNumber":"180000","messageStatus":"failed","extra":{"a":[1]}}]}`
	r := &reporter{answer: func(n int, _ reportRequest) (int, string, bool) { return 200, example, n == 1 }}
	got, errs := collect(t, testClient(t, r, nil), TransactionQuery{From: reportFrom, To: reportFrom.Add(time.Hour)})
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	want := []Transaction{{
		CallID: "0102dec8-ea9d-aca0-394b-82f6c89b2988", Status: StatusFailed, Channel: SMS, Skill: "billing", InitialChannel: WhatsApp, InitialSkill: "outbound",
		HandoffID: "H000000000000000", IVRNumber: "180000", ConversationID: "2a69d9c4-82ae-46ce-bb8d-f8f4f31c1e71",
		Attempted: at("2021-02-17T22:57:13.214Z"), Eligible: at("2021-02-17T22:57:13.300Z"), Invited: at("2021-02-17T22:57:13.480Z"), Sent: at("2021-02-17T22:57:13.586Z"),
		Delivered: at("2021-02-17T23:00:18.533Z"), Failed: at("2021-02-17T23:01:00Z"), OptedIn: at("2021-02-17T23:02:00Z"), OptedOut: at("2021-02-17T23:03:00Z"),
		Opened: at("2021-02-17T22:57:13Z"), Closed: at("2021-02-18T22:57:13Z"), ErrorSource: "twilio", ErrorCode: "21610", ErrorMessage: "opted out",
	}}
	if len(errs) > 0 {
		t.Error(errs)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b Transaction) bool { return fmt.Sprintf("%v", plain(a)) == fmt.Sprintf("%v", plain(b)) })); diff != "" {
		t.Errorf("(-want +got):\n%s\n%v", diff, plain(got[0]))
	}
}

// plain is a Transaction that prints all it has.
type plain Transaction

// What a status tells beside the times.
func TestTransactionStages(t *testing.T) {
	now := time.Now()
	for name, tt := range map[string]struct {
		t    Transaction
		want string // sent, delivered, read, answered, skipped, failed
	}{
		"asked":     {Transaction{Attempted: now}, "------"},
		"failed":    {Transaction{Status: StatusFailed}, "-----f"},
		"skipped":   {Transaction{Status: StatusSkipped}, "----k-"},
		"sent":      {Transaction{Status: StatusSent}, "s-----"},
		"sent at":   {Transaction{Sent: now, Failed: now}, "s----f"},
		"delivered": {Transaction{Status: StatusDelivered}, "sd----"},
		"read":      {Transaction{Read: now}, "sdr---"}, // WhatsApp may leave out that it arrived
		"responded": {Transaction{Status: StatusResponded}, "sd-a--"},
		"opened":    {Transaction{ConversationID: "2a69d9c4-82ae-46ce-bb8d-f8f4f31c1e71"}, "sd-a--"},
		"not open":  {Transaction{ConversationID: "null"}, "------"},
	} {
		got := []byte("------")
		for i, yes := range []bool{tt.t.WasSent(), tt.t.WasDelivered(), tt.t.WasRead(), tt.t.WasAnswered(), tt.t.WasSkipped(), tt.t.HasFailed()} {
			if yes {
				got[i] = "sdrakf"[i]
			}
		}
		if string(got) != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// A malformed item is an error, and ends nothing.
func TestTransactionsMalformed(t *testing.T) {
	for item, want := range map[string]string{
		`null`:                             "not an object",
		`"x"`:                              "not an object",
		`{}`:                               "it has no transactionId",
		`{"transactionId":null}`:           "it has no transactionId",
		`{"transactionId":["x"]}`:          "transactionId is not a text",
		`{"transactionId":"x","skill":{}}`: "callId x: skill is not a text",
		`{"transactionId":"x","sentTime":"17 Feb"}`:                      "callId x: sentTime is not a time",
		`{"transactionId":"x","sentTime":1613606400000}`:                 "sentTime is not a time",
		`{"transactionId":"x","sentTime":[]}`:                            "sentTime is not a time",
		`{"transactionId":"x","readTime":"1969-12-31T23:59:59Z"}`:        "readTime is not a time",
		`{"transactionId":"+14043438646\u001b","sentTime":"0001-01-01"}`: "callId +***46: sentTime is not a time",
	} {
		text := `{"transactions":[{"transactionId":"a"},` + item + `,{"transactionId":"b"}]}`
		r := &reporter{answer: func(n int, _ reportRequest) (int, string, bool) { return 200, text, n == 1 }}
		got, errs := collect(t, testClient(t, r, nil), TransactionQuery{From: reportFrom, To: reportFrom.Add(time.Hour)})
		var malformed *TransactionError
		if len(got) != 2 || len(errs) != 1 || !errors.As(errs[0], &malformed) || malformed.Index != 1 || !errors.Is(errs[0], deflect.ErrBadResponse) || !strings.Contains(errs[0].Error(), want) {
			t.Errorf("%s: %d transactions, %v", item, len(got), errs)
		}
		if r.asked[len(r.asked)-1].Offset != 3 {
			t.Errorf("%s: malformed items do not count: %+v", item, r.asked)
		}
	}
}

// What an answer that is no page is taken for, whether it is asked for again, and that the
// next windows are read.
func TestTransactionsErrors(t *testing.T) {
	const page = `{"transactions":[]}`
	for _, tt := range []struct {
		status   int
		body     string
		want     deflect.Reason
		text     string
		requests int // of three windows, with one answer alike for the first
	}{
		{200, `<html>`, deflect.ReasonBadResponse, "HTML page", 3},
		{200, ``, deflect.ReasonBadResponse, "the answer is empty", 3},
		{200, `[]`, deflect.ReasonBadResponse, "not a JSON object", 3},
		{200, `{}`, deflect.ReasonBadResponse, "holds no transactions", 3},
		{200, `{"transactions":{}}`, deflect.ReasonBadResponse, "are not a list", 3},
		{200, page + "x", deflect.ReasonBadResponse, "", 3},
		{200, page + page, deflect.ReasonBadResponse, "something follows", 3},
		{200, `{"page":` + strings.Repeat("[", 20000), deflect.ReasonBadResponse, "", 3},
		{200, `{"transactions":[{"skill":"` + strings.Repeat("x", 200<<10) + `"}]}`, deflect.ReasonBadResponse, "larger than 128 KiB", 3},
		{200, `{"transactions":[{"transactionId":`, deflect.ReasonConnectionLost, "unexpected EOF", 6},
		{302, "", deflect.ReasonRedirected, "is no Outbound Reporting API", 1},
		{400, `{"code":0,"requestTraceId":"x","message":"bad +14043438646"}`, deflect.ReasonRejected, `HTTP 400 "bad +***46"`, 3},
		{401, "", deflect.ReasonUnauthorized, "look at the credentials", 1},
		{401, `{"message":"Invalid Nonce"}`, deflect.ReasonInvalidNonce, "", 6},
		{403, "", deflect.ReasonUnauthorized, "", 1},
		{429, "", deflect.ReasonRateLimited, "ask again later", 6},
		{500, "<b>", deflect.ReasonServerError, "", 6},
		{503, "", deflect.ReasonServerError, "", 6},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &reporter{answer: func(n int, asked reportRequest) (int, string, bool) {
				return tt.status, tt.body, asked.From == fmt.Sprint(reportFrom.UnixMilli())
			}}
			_, errs := collect(t, testClient(t, r, nil), TransactionQuery{From: reportFrom, To: reportFrom.Add(60 * time.Hour)})
			var lost *ReportError
			if len(errs) != 1 || !errors.As(errs[0], &lost) || lost.Reason != tt.want || !strings.Contains(errs[0].Error(), tt.text) || len(r.asked) != tt.requests {
				t.Errorf("%d %.40q: %d requests, %v", tt.status, tt.body, len(r.asked), errs)
				return
			}
			to := reportFrom.Add(24 * time.Hour)
			if tt.requests == 1 {
				to = reportFrom.Add(60 * time.Hour)
			}
			if !lost.From.Equal(reportFrom) || !lost.To.Equal(to) || !errors.Is(lost, tt.want.Class()) || strings.Contains(errs[0].Error(), "4043438646") {
				t.Errorf("%d: %v", tt.status, errs[0])
			}
		})
	}
}

// The vendor's pauses, and that an API which is down costs them once.
func TestTransactionsSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reporter{answer: func(n int, _ reportRequest) (int, string, bool) { return 503, "", true }}
		began := time.Now()
		_, errs := collect(t, testClient(t, r, nil), TransactionQuery{From: reportFrom, To: reportFrom.Add(60 * time.Hour)})
		var at []time.Duration
		for _, x := range r.times {
			at = append(at, x.Sub(began))
		}
		if want := []time.Duration{0, 5 * time.Second, 15 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second}; len(errs) != 3 || !slices.Equal(at, want) {
			t.Errorf("%v, %v", at, errs)
		}
	})
	for after, want := range map[string]int{"20": 2, "600": 1} { // seconds; a longer one is not waited for
		synctest.Test(t, func(t *testing.T) {
			r := &reporter{answer: func(n int, _ reportRequest) (int, string, bool) { return 429, "", n == 1 }}
			r.change = func(resp *http.Response) { resp.Header.Set("Retry-After", after) }
			collect(t, testClient(t, r, nil), TransactionQuery{From: reportFrom, To: reportFrom.Add(time.Hour)})
			if len(r.times) != want || want == 2 && r.times[1].Sub(r.times[0]) != 20*time.Second {
				t.Errorf("Retry-After %s: %v", after, r.times)
			}
		})
	}
}

// A page that breaks off is asked for again, and the one after it is not left out.
func TestTransactionsGoOnWhereTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reporter{ids: idsOf(1200)}
		r.answer = func(n int, asked reportRequest) (int, string, bool) {
			text := r.page(asked)
			return 200, text[:len(text)/2], n == 2
		}
		seen := map[string]bool{}
		for tr, err := range testClient(t, r, nil).Transactions(t.Context(), TransactionQuery{From: reportFrom, To: reportFrom.Add(time.Hour)}) {
			if err != nil {
				t.Error(err)
			}
			seen[tr.CallID] = true
		}
		var offsets []int
		for _, a := range r.asked {
			offsets = append(offsets, a.Offset)
		}
		if len(seen) != 1200 || !slices.Equal(offsets, []int{0, 1000, 1000, 1200}) {
			t.Errorf("%d transactions, offsets %v", len(seen), offsets)
		}
	})
}

func TestTransactionsEnd(t *testing.T) {
	day := TransactionQuery{From: reportFrom, To: reportFrom.Add(time.Hour)}
	only := func(t *testing.T, c *Client, ctx context.Context, q TransactionQuery) error {
		t.Helper()
		var errs []error
		for _, err := range c.Transactions(ctx, q) {
			errs = append(errs, err)
		}
		if len(errs) != 1 {
			t.Fatalf("%v", errs)
		}
		return errs[0]
	}
	t.Run("silent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := &reporter{answer: func(int, reportRequest) (int, string, bool) { return 0, "", true }}
			if err := only(t, testClient(t, r, nil), t.Context(), day); deflect.ReasonOf(err) != deflect.ReasonTimeout || len(r.asked) != 4 {
				t.Errorf("%v after %d requests", err, len(r.asked))
			}
		})
	})
	t.Run("canceled", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
			defer cancel()
			r := &reporter{answer: func(int, reportRequest) (int, string, bool) { return 500, "", true }}
			err := only(t, testClient(t, r, nil), ctx, day)
			if deflect.ReasonOf(err) != deflect.ReasonCanceled || !errors.Is(err, context.DeadlineExceeded) || len(r.asked) != 2 {
				t.Errorf("%v after %d requests", err, len(r.asked))
			}
		})
	})
	t.Run("the reader stops", func(t *testing.T) {
		r := &reporter{ids: idsOf(10)}
		n := 0
		for range testClient(t, r, nil).Transactions(t.Context(), day) {
			if n++; n == 3 {
				break
			}
		}
		if n != 3 || len(r.asked) != 1 {
			t.Errorf("%d transactions, %d requests", n, len(r.asked))
		}
	})
	t.Run("closed", func(t *testing.T) {
		c := testClient(t, &reporter{}, nil)
		c.Close()
		if err := only(t, c, t.Context(), day); !errors.Is(err, deflect.ErrClosed) {
			t.Error(err)
		}
	})
	t.Run("not made", func(t *testing.T) {
		if err := only(t, nil, t.Context(), day); deflect.ReasonOf(err) != deflect.ReasonInternal {
			t.Error(err)
		}
	})
	t.Run("no end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := &reporter{answer: func(int, reportRequest) (int, string, bool) {
				return 200, `{"transactions":[{"transactionId":"x"}]}`, true
			}}
			c := testClient(t, r, nil)
			var last error
			for _, err := range c.Transactions(t.Context(), day) {
				last = err
			}
			if !errors.Is(last, errNoEnd) || len(r.asked) != maxPages {
				t.Errorf("%v after %d requests", last, len(r.asked))
			}
		})
	})
	for _, q := range []TransactionQuery{
		{}, {From: reportFrom, To: reportFrom}, {From: reportFrom.Add(time.Hour), To: reportFrom}, {From: time.Unix(-1, 0), To: reportFrom},
		{From: reportFrom, To: reportFrom.Add(LongestReport + 1e6)}, {From: time.Unix(253402300799-1, 0), To: time.Unix(253402300799+1, 0)},
	} {
		if err := only(t, testClient(t, &reporter{}, nil), t.Context(), q); !errors.Is(err, period.ErrBadSpan) {
			t.Errorf("%v to %v: %v", q.From, q.To, err)
		}
	}
}

// Who meters hears of each request.
func TestTransactionsAreMetered(t *testing.T) {
	r := &reporter{}
	c := testClient(t, r, nil)
	var heard []string
	c.OnRequest(func(call string, r deflect.Reason) { heard = append(heard, call+" "+string(r)) })
	collect(t, c, TransactionQuery{From: reportFrom, To: reportFrom.Add(time.Hour)})
	if !slices.Contains(c.Calls(), "transactions") || !slices.Equal(heard, []string{"transactions ok"}) {
		t.Errorf("%v of %v", heard, c.Calls())
	}
}

// hostTeller tells a host, or fails.
type hostTeller struct {
	host string
	err  error
}

func (d hostTeller) RoundTrip(req *http.Request) (*http.Response, error) {
	service := strings.Split(req.URL.Path, "/")[5]
	body := fmt.Sprintf(`{"service":%q,"account":"38856538","baseURI":%q}`, service, d.host)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, d.err
}

// told makes Domains that are told by it.
func told(d hostTeller) func(*Config) {
	cfg := liveperson.DomainsConfig{Account: "38856538", Transport: d}
	if strings.HasPrefix(d.host, "127.") {
		cfg.URL = "http://" + d.host
	}
	domains, err := liveperson.NewDomains(cfg)
	if err != nil {
		panic(err)
	}
	return func(c *Config) { c.BaseURL, c.Domains = "", domains }
}

func TestReportRoot(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"beside the API":    {func(c *Config) { c.BaseURL = "https://lo.connect-to-messaging.liveperson.net/" }, "https://lo.cx-reporting.liveperson.net"},
		"a double":          {func(c *Config) { c.BaseURL = "http://127.0.0.1:8091/x" }, "http://127.0.0.1:8091/x"},
		"configured":        {func(c *Config) { c.ReportingURL = "https://reports.example:444/x/" }, "https://reports.example:444/x"},
		"elsewhere":         {func(c *Config) { c.BaseURL = "https://c2m.example" }, "the host of the report is not known: set ReportingURL"},
		"another service":   {func(c *Config) { c.BaseURL = "https://va.sentinel.liveperson.net" }, "is not known"},
		"a longer label":    {func(c *Config) { c.BaseURL = "https://evil.va.connect-to-messaging.liveperson.net" }, "is not known"},
		"by domain":         {told(hostTeller{host: "z1.connect-to-messaging.liveperson.net"}), "https://va.cx-reporting.liveperson.net"},
		"domain fails":      {told(hostTeller{err: errors.New("+14043438646")}), "the host of the report is not known"},
		"by host":           {told(hostTeller{host: "sy.connect-to-messaging.liveperson.net"}), "https://sy.cx-reporting.liveperson.net"},
		"by host, a double": {told(hostTeller{host: "127.0.0.1:8091"}), "http://127.0.0.1:8091"},
	} {
		got, err := testClient(t, &reporter{}, tt.change).setup.Load().reportRoot(t.Context())
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != tt.want || err != nil && !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	for _, bad := range []string{"http://reports.example", "reports", "https://a@b"} {
		cfg := testConfig(nil)
		cfg.ReportingURL = bad
		var problem *deflect.ConfigError
		if err := cfg.Validate(); !errors.As(err, &problem) || problem.Field != "ReportingURL" {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestMeaning(t *testing.T) {
	for code, want := range map[string]string{
		"twilio_21610": "the consumer has opted out", "outbound_twilio_21610": "the consumer has opted out", "outbound_21610": "the consumer has opted out",
		"outbound_wa_470": dictionary["wa_470"], "outbound_470": dictionary["wa_470"], "c2m_1400": "the consumer has an open conversation",
		"twilio_5008": dictionary["twilio_5008"], "c2m_9999": "", "": "", "outbound_": "",
	} {
		if got := Meaning(code); got != want {
			t.Errorf("%q: %q, want %q", code, got, want)
		}
	}
	for _, tt := range []struct{ source, code, want string }{{"c2m", "1400", "c2m_1400"}, {"", "1400", "1400"}, {"c2m", "", "c2m"}, {}} {
		if got := (&Transaction{ErrorSource: tt.source, ErrorCode: tt.code}).Code(); got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

func FuzzReadPage(f *testing.F) {
	r := &reporter{ids: idsOf(2)}
	f.Add([]byte(r.page(reportRequest{Limit: 2})))
	f.Add([]byte(`{"page":{"count":"7"},"transactions":[{"transactionId":7,"sentTime":"2021-02-17T22:57:13+23:59"},null,{"transactionId":"x","errorCode":{}}]}`))
	f.Add([]byte(`{"transactions":null}`))
	f.Add([]byte(`<html>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		n := 0
		p, err := readPage(strings.NewReader(string(text)), func(tr Transaction, err error) bool {
			n++
			if (err == nil) != (tr.CallID != "") {
				t.Errorf("%+v with the error %v", plain(tr), err)
			}
			for _, at := range []time.Time{tr.Attempted, tr.Sent, tr.Closed} {
				if !at.IsZero() && at.Unix() < 0 {
					t.Errorf("the time %s", at)
				}
			}
			if tr.WasRead() && !tr.WasDelivered() || tr.WasDelivered() && !tr.WasSent() {
				t.Errorf("%+v skips a stage", plain(tr))
			}
			return true
		})
		if n != p.items || p.count < 0 || err == nil && !json.Valid([]byte(strings.ToValidUTF8(string(text), ""))) {
			t.Errorf("%d items of %+v, %v", n, p, err)
		}
		if _, err := readPage(strings.NewReader(string(text)), func(Transaction, error) bool { return false }); n > 0 && err != wire.ErrStopped {
			t.Errorf("stopped: %v", err)
		}
	})
}
