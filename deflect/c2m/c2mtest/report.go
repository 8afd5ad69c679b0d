package c2mtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// Report says how transactions and analytics are answered. The zero value answers like the
// vendor's examples.
type Report struct {
	// Lag is how long after it happened something is first shown: up to 20 minutes, says
	// the vendor.
	Lag time.Duration

	// CountAll lets the count of a page be that of all transactions, not of those on the
	// page; the vendor's example has only one page.
	CountAll bool

	// EndExclusive says that attemptedEndTime itself is not in the window.
	EndExclusive bool

	// NewestFirst turns the order around; the vendor names none.
	NewestFirst bool

	// OtherIDs lets a transactionId be another one than the callId: no page says that they
	// are the same.
	OtherIDs bool

	// Numbers lets errorCode and csat be numbers: both are to be seen.
	Numbers bool

	// UnknownFields: each transaction has one more field, which holds an object.
	UnknownFields bool
}

func (r Report) validate() error {
	if r.Lag < 0 {
		return fmt.Errorf("Report.Lag is negative")
	}
	return nil
}

// SetReport replaces Config.Report. It takes effect with the next report that
// is asked for. It panics if r makes no sense, as New does.
func (s *Server) SetReport(r Report) {
	if err := r.validate(); err != nil {
		panic("c2mtest: SetReport: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reporting = r
}

// The documented limits of a request.
const (
	longestTransactions = 24 * time.Hour
	longestAnalytics    = 60 * 24 * time.Hour
	defaultLimit        = 100
	maxLimit            = 5000
)

// statuses are those of a message.
var statuses = []string{"FAILED", "SKIPPED", "SENT", "DELIVERED", "READ", "RESPONDED"}

// query is what a report is asked for.
type query struct {
	start, end    int64 // epoch milliseconds
	offset, limit int
	filters       map[string][]string
}

func badReport(text string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: invalidRequest, text: text}
}

func (s *Server) examineReport(a *double.Arrival, r route) verdict {
	q, no := readQuery(a, r.call)
	if no != nil {
		return verdict{refusal: no}
	}
	return verdict{process: func(rec *Received, _ Fault) (double.Answer, *message) {
		rec.Processed = true
		rows := s.rows(r.account, q, rec.Time)
		if r.call == CallAnalytics {
			return s.analytics(r.account, q, rows), nil
		}
		return s.transactions(r.account, q, rows), nil
	}}
}

func readQuery(a *double.Arrival, call string) (q query, no *refusal) {
	asked, err := url.ParseQuery(a.RawQuery)
	if err != nil {
		return q, badReport("the query cannot be decoded")
	}
	want, longest := []string{"attemptedStartTime", "attemptedEndTime"}, longestAnalytics
	if call == CallTransactions {
		want, longest = append(want, "v"), longestTransactions
	}
	for _, name := range want {
		if len(asked[name]) != 1 {
			return q, badReport(name + " must come once in the query")
		}
	}
	switch {
	case len(asked) > len(want):
		return q, badReport("unknown parameter in the query")
	case call == CallTransactions && asked.Get("v") != "2.0":
		return q, badReport("v must be 2.0")
	}
	for name, to := range map[string]*int64{"attemptedStartTime": &q.start, "attemptedEndTime": &q.end} {
		digits := asked.Get(name)
		// 13 digits today; the clock of a testing/synctest bubble begins in the year 2000.
		if !double.DigitsOnly(digits) || digits[0] == '0' || len(digits) != 12 && len(digits) != 13 {
			return q, badReport(name + " must be epoch milliseconds")
		}
		*to, _ = strconv.ParseInt(digits, 10, 64) // 13 digits fit
	}
	switch {
	case q.end < q.start:
		return q, badReport("attemptedEndTime must not be before attemptedStartTime")
	case time.Duration(q.end-q.start)*time.Millisecond > longest:
		return q, badReport(fmt.Sprintf("the time interval must not exceed %d hours", longest/time.Hour))
	case a.Method == http.MethodGet && len(a.Body) > 0:
		return q, badReport("a GET has no body")
	case a.Method == http.MethodGet:
		return q, nil
	}
	return readReportBody(a, call, q)
}

func readReportBody(a *double.Arrival, call string, q query) (query, *refusal) {
	if kind, _, err := mime.ParseMediaType(a.Header.Get("Content-Type")); err != nil || kind != double.JSONType {
		return q, badReport("Content-Type must be application/json")
	}
	members, problems := double.Object(a)
	if len(problems) > 0 {
		return q, badReport(strings.Join(problems, "; "))
	}
	if call == CallAnalytics {
		q.filters, problems = readFilters(members, "channels", "skills", "handoffids", "source")
	} else {
		q.limit = defaultLimit
		problems = append(problems, readNumber(members, "offset", &q.offset, 0, 1<<31-1)...)
		problems = append(problems, readNumber(members, "limit", &q.limit, 1, maxLimit)...)
		if raw, there := members["filters"]; there {
			var inner map[string]json.RawMessage
			if json.Unmarshal(raw, &inner) != nil || inner == nil {
				return q, badReport("filters must be an object")
			}
			var more []string
			q.filters, more = readFilters(inner, "channels", "skills", "messagestatus", "transactionids")
			problems = append(problems, more...)
			delete(members, "filters")
		}
		problems = append(problems, double.Unknown(members)...)
	}
	for _, status := range q.filters["messagestatus"] {
		if !slices.Contains(statuses, status) {
			problems = append(problems, "messagestatus is not one of "+strings.Join(statuses, ", "))
		}
	}
	if len(problems) > 0 {
		return q, badReport(strings.Join(problems, "; "))
	}
	return q, nil
}

func readNumber(members map[string]json.RawMessage, name string, to *int, least, most int) []string {
	raw, there := members[name]
	delete(members, name)
	if there && (json.Unmarshal(raw, to) != nil || string(raw) == "null" || *to < least || *to > most) {
		return []string{fmt.Sprintf("%s must be a number from %d to %d", name, least, most)}
	}
	return nil
}

// readFilters reads lists of strings under the names that there are.
func readFilters(members map[string]json.RawMessage, names ...string) (filters map[string][]string, problems []string) {
	filters = map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		var list []*string
		switch {
		case !slices.Contains(names, name):
			problems = append(problems, fmt.Sprintf("unknown filter %s", double.Quote(name)))
			continue
		case json.Unmarshal(members[name], &list) != nil || list == nil || slices.Contains(list, nil):
			problems = append(problems, name+" must be an array of strings")
			continue
		}
		values := make([]string, len(list))
		for i, value := range list {
			values[i] = *value
		}
		filters[name] = values
	}
	return filters, problems
}
