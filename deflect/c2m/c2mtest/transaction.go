package c2mtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

// transaction is a callId as the reports show it, in the order of the vendor's example.
type transaction struct {
	Channel       string          `json:"channel"`
	Skill         string          `json:"skill"`
	ID            string          `json:"transactionId"`
	Attempted     *string         `json:"attemptedTime"`
	Cancelled     *string         `json:"cancelledTime"`
	Conversation  *string         `json:"conversationId"`
	Closed        *string         `json:"conversationsClosedTime"`
	Created       *string         `json:"conversationsCreatedTime"`
	Consumer      *string         `json:"consumerId"`
	Delivered     *string         `json:"deliveredTime"`
	Eligible      *string         `json:"eligibleTime"`
	ErrorCode     json.RawMessage `json:"errorCode"`
	ErrorMessage  *string         `json:"errorMessage"`
	ErrorSource   *string         `json:"errorSource"`
	Failed        *string         `json:"failedTime"`
	Invited       *string         `json:"inviteTime"`
	OptIns        *string         `json:"optInsTime"`
	OptOuts       *string         `json:"optOutsTime"`
	Read          *string         `json:"readTime"`
	Sent          *string         `json:"sentTime"`
	InitialSkill  string          `json:"initialSkill"`
	InitialChan   string          `json:"initialChannel"`
	HandOffID     string          `json:"handOffId"`
	Skipped       *string         `json:"skippedTime"`
	IVRNumber     string          `json:"ivrNumber"`
	MessageStatus *string         `json:"messageStatus"`
	Routing       json.RawMessage `json:"routing,omitempty"`

	at  time.Time // attempted, by the API's clock
	err string    // source_code
}

const unknownField = `{"node":"lo-7","hops":[1,{"conversationId":null}]}`

// rows gives the transactions that a request selects, in order. The lock is held.
func (s *Server) rows(account string, q query, now time.Time) (rows []*transaction) {
	last := q.end
	if s.reporting.EndExclusive {
		last--
	}
	for _, t := range s.tickets.all.Items {
		at := t.Time.Add(t.ahead).UnixMilli()
		if t.Account != account || at < q.start || at > last || t.Time.Add(s.reporting.Lag).After(now) {
			continue
		}
		if row := s.reporting.row(t, now); q.selects(row) {
			rows = append(rows, row)
		}
	}
	if s.reporting.NewestFirst {
		slices.Reverse(rows)
	}
	return rows
}

func (q query) selects(t *transaction) bool {
	status := ""
	if t.MessageStatus != nil {
		status = *t.MessageStatus
	}
	for filter, value := range map[string]string{
		"channels": t.Channel, "skills": t.Skill, "handoffids": t.HandOffID, "transactionids": t.ID, "messagestatus": status, "source": "API",
	} {
		if wanted := q.filters[filter]; len(wanted) > 0 && !slices.Contains(wanted, value) {
			return false
		}
	}
	return true
}

// row is what can be seen of a ticket by now.
func (r Report) row(t *ticket, now time.Time) *transaction {
	row := &transaction{
		Channel: t.channel, Skill: t.Skill, ID: t.CallID, InitialSkill: t.Skill, InitialChan: t.channel, HandOffID: t.HandoffID,
		IVRNumber: t.IVRNumber, at: t.Time.Add(t.ahead).UTC(),
	}
	if r.OtherIDs {
		row.ID = double.UUIDOf("transaction " + t.CallID)
	}
	if r.UnknownFields {
		row.Routing = json.RawMessage(unknownField)
	}
	see := func(to **string, happened time.Time, ahead time.Duration) bool {
		if happened.IsZero() || happened.Add(r.Lag).After(now) {
			return false
		}
		text := happened.Add(ahead).UTC().Format("2006-01-02T15:04:05.000Z")
		*to = &text
		return true
	}
	status := func(is bool, word string) {
		if is {
			row.MessageStatus = &word
		}
	}
	see(&row.Attempted, t.Time, t.ahead)
	switch {
	case t.Eligibility.Eligible:
		see(&row.Eligible, t.Time, t.ahead)
	case t.skipped:
		status(see(&row.Skipped, t.Time, t.ahead), "SKIPPED")
	default:
		status(see(&row.Failed, t.Time, t.ahead), "FAILED")
		row.fail(r, t.refused)
	}
	m := t.message()
	if m == nil {
		if see(&row.Failed, t.failed, t.ahead) {
			status(true, "FAILED")
			row.fail(r, t.failure)
		}
		return row
	}
	row.Channel, row.Skill = m.Channel, m.Skill
	see(&row.Invited, m.Time, m.ahead)
	if m.skipped {
		status(see(&row.Skipped, m.Time, m.ahead), "SKIPPED")
		return row
	}
	if !m.Sent {
		return row
	}
	status(see(&row.Sent, m.Time, m.ahead), "SENT")
	if !m.taken {
		return row
	}
	if m.by.Error != "" {
		if see(&row.Failed, m.Time, m.ahead) {
			status(true, "FAILED")
			row.failAs(r, m.by.ErrorSource, m.by.Error, "Message failed to send")
		}
		return row
	}
	status(see(&row.Delivered, m.Time, m.ahead), "DELIVERED")
	status(m.by.Reads && m.Channel == WhatsApp && see(&row.Read, m.Time, m.ahead), "READ")
	if at, replies := m.replied(); replies && see(&row.Created, at, m.ahead) {
		id := double.UUIDOf("conversation " + m.CallID)
		row.Conversation = &id
		status(true, "RESPONDED")
		see(&row.Closed, m.closed, m.ahead)
	}
	return row
}

func (t *transaction) fail(r Report, c code) {
	if c != 0 {
		t.failAs(r, "c2m", strconv.Itoa(int(c)), codes[c].text)
	}
}

func (t *transaction) failAs(r Report, source, errorCode, text string) {
	t.ErrorSource, t.ErrorMessage, t.err = &source, &text, source+"_"+errorCode
	t.ErrorCode, _ = json.Marshal(errorCode) // a string
	if _, err := strconv.Atoi(errorCode); err == nil && r.Numbers {
		t.ErrorCode = json.RawMessage(errorCode)
	}
}

// metadata is what a report says of the request.
type metadata struct {
	Account string              `json:"accountId"`
	App     string              `json:"app"`
	Start   int64               `json:"attemptedStartTime"`
	End     int64               `json:"attemptedEndTime"`
	Filters map[string][]string `json:"filters,omitempty"`
}

func reported(rows int, body any) double.Answer {
	text, err := json.Marshal(body)
	if err != nil {
		panic("c2mtest: report: " + err.Error())
	}
	ans := double.JSONAnswer(http.StatusOK, string(text))
	ans.Calls = rows
	return ans
}

func (s *Server) transactions(account string, q query, rows []*transaction) double.Answer {
	page := rows[min(q.offset, len(rows)):min(q.offset+q.limit, len(rows))]
	count := len(page)
	if s.reporting.CountAll {
		count = len(rows)
	}
	if page == nil {
		page = []*transaction{} // not null
	}
	type counts struct {
		Count  int `json:"count"`
		Offset int `json:"offset"`
		Limit  int `json:"limit"`
	}
	return reported(len(page), struct {
		Metadata     metadata       `json:"requestMetadata"`
		Page         counts         `json:"page"`
		Transactions []*transaction `json:"transactions"`
	}{metadata{account, "c2m", q.start, q.end, q.filters}, counts{count, q.offset, q.limit}, page})
}
