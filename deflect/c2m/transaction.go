package c2m

import (
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

// Status is how far a transaction got, by the report's name for it. Other ones than those of
// the vendor's page are kept.
type Status string

// The statuses of the vendor's page.
const (
	StatusFailed    Status = "FAILED"
	StatusSkipped   Status = "SKIPPED" // the consumer has opted out
	StatusSent      Status = "SENT"
	StatusDelivered Status = "DELIVERED"
	StatusRead      Status = "READ" // never of SMS, which does not tell
	StatusResponded Status = "RESPONDED"
)

// Transaction is what the report (transactions, version 2.0) tells of one call: what was
// asked about it, and what became of its text. Fields hold what the API sent, and times are
// zero when it sent none: check texts before you use them in a place where a stranger's does
// harm. A transaction has no number of a person, and printing and logging it shows none.
type Transaction struct {
	// CallID is the transactionId, which is taken to be the callId of the eligibility. The
	// vendor's pages name both without saying so.
	CallID  string
	Status  Status // empty when the API tells none
	Channel Channel
	Skill   string

	InitialChannel Channel
	InitialSkill   string
	HandoffID      string
	IVRNumber      string // of the brand

	Attempted time.Time // the report filters by this one
	Eligible  time.Time // the vendor's examples have none even where a text was sent
	Invited   time.Time
	Sent      time.Time // to the gateway, such as Twilio
	Delivered time.Time
	Read      time.Time // never of SMS, which does not tell
	Failed    time.Time // to be sent, or later to be delivered
	Skipped   time.Time
	Cancelled time.Time
	OptedIn   time.Time
	OptedOut  time.Time

	ConversationID string // empty as long as there is no conversation
	Opened, Closed time.Time

	ErrorSource, ErrorCode, ErrorMessage string
}

// WasSent reports whether a text was handed to the gateway; it may have failed later.
func (t *Transaction) WasSent() bool {
	return !t.Sent.IsZero() || t.WasDelivered() || t.Status == StatusSent
}

// WasDelivered reports whether a text arrived: WhatsApp may tell only that it was read, and
// who answers has it.
func (t *Transaction) WasDelivered() bool {
	return !t.Delivered.IsZero() || t.WasRead() || t.WasAnswered() || t.Status == StatusDelivered
}

// WasRead reports whether a text is known to have been read.
func (t *Transaction) WasRead() bool { return !t.Read.IsZero() || t.Status == StatusRead }

// WasAnswered reports whether the consumer answered: a conversation was opened.
func (t *Transaction) WasAnswered() bool {
	return !t.Opened.IsZero() || clean.IsUUID(t.ConversationID) || t.Status == StatusResponded
}

// WasSkipped reports whether no text was sent because the consumer has opted out.
func (t *Transaction) WasSkipped() bool { return !t.Skipped.IsZero() || t.Status == StatusSkipped }

// HasFailed reports whether a text could not be sent or delivered.
func (t *Transaction) HasFailed() bool { return !t.Failed.IsZero() || t.Status == StatusFailed }

// Code is the error in the form of the vendor's dictionary, such as "twilio_30003"; empty
// for none. See [Meaning].
func (t *Transaction) Code() string {
	if t.ErrorSource == "" || t.ErrorCode == "" {
		return t.ErrorSource + t.ErrorCode
	}
	return t.ErrorSource + "_" + t.ErrorCode
}

// LogValue shows what may be logged of a transaction.
func (t Transaction) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("deflect_call_id", clean.CallID(t.CallID)), slog.String("status", clean.Text(string(t.Status))), slog.Time("attempted", t.Attempted),
	)
}

// String shows what LogValue shows.
func (t Transaction) String() string {
	return "transaction " + clean.CallID(t.CallID) + " " + clean.Text(string(t.Status)) + " of " + t.Attempted.Format(time.RFC3339)
}

// GoString is String for %#v.
func (t Transaction) GoString() string { return "c2m.Transaction{" + t.String() + "}" }

// TransactionError is an item of the report that is none. Those around it are not affected.
type TransactionError struct {
	CallID string // "" when it has none
	Index  int    // which item of its answer, from 0
	Err    error
}

func (e *TransactionError) Error() string {
	s := "deflect: report: skipped a malformed transaction"
	if e.CallID != "" {
		s += " of callId " + clean.CallID(e.CallID)
	}
	if e.Err == nil {
		return s
	}
	return s + ": " + e.Err.Error()
}

// Unwrap returns what is wrong with it.
func (e *TransactionError) Unwrap() error { return e.Err }

// Is makes every TransactionError a [deflect.ErrBadResponse].
func (e *TransactionError) Is(target error) bool { return target == deflect.ErrBadResponse }

// item is a transaction as it stands in the answer.
type item struct {
	CallID         jsontext.Value `json:"transactionId"`
	Status         jsontext.Value `json:"messageStatus"`
	Channel        jsontext.Value `json:"channel"`
	Skill          jsontext.Value `json:"skill"`
	InitialChannel jsontext.Value `json:"initialChannel"`
	InitialSkill   jsontext.Value `json:"initialSkill"`
	HandoffID      jsontext.Value `json:"handOffId"`
	IVRNumber      jsontext.Value `json:"ivrNumber"`
	Attempted      jsontext.Value `json:"attemptedTime"`
	Eligible       jsontext.Value `json:"eligibleTime"`
	Invited        jsontext.Value `json:"inviteTime"`
	Sent           jsontext.Value `json:"sentTime"`
	Delivered      jsontext.Value `json:"deliveredTime"`
	Read           jsontext.Value `json:"readTime"`
	Failed         jsontext.Value `json:"failedTime"`
	Skipped        jsontext.Value `json:"skippedTime"`
	Cancelled      jsontext.Value `json:"cancelledTime"`
	OptedIn        jsontext.Value `json:"optInsTime"`
	OptedOut       jsontext.Value `json:"optOutsTime"`
	ConversationID jsontext.Value `json:"conversationId"`
	Opened         jsontext.Value `json:"conversationsCreatedTime"`
	Closed         jsontext.Value `json:"conversationsClosedTime"`
	ErrorSource    jsontext.Value `json:"errorSource"`
	ErrorCode      jsontext.Value `json:"errorCode"`
	ErrorMessage   jsontext.Value `json:"errorMessage"`
}

// readTransaction reads an item; wrong is what makes it none.
func readTransaction(v jsontext.Value) (t Transaction, wrong error) {
	var i item
	if v.Kind() != jsontext.KindBeginObject || json.Unmarshal(v, &i, wire.AnswerOptions) != nil {
		return t, errors.New("not an object")
	}
	for _, f := range []struct {
		name string
		from jsontext.Value
		to   *string
	}{
		{"transactionId", i.CallID, &t.CallID}, {"messageStatus", i.Status, (*string)(&t.Status)},
		{"channel", i.Channel, (*string)(&t.Channel)}, {"skill", i.Skill, &t.Skill},
		{"initialChannel", i.InitialChannel, (*string)(&t.InitialChannel)}, {"initialSkill", i.InitialSkill, &t.InitialSkill},
		{"handOffId", i.HandoffID, &t.HandoffID}, {"ivrNumber", i.IVRNumber, &t.IVRNumber},
		{"conversationId", i.ConversationID, &t.ConversationID},
		{"errorSource", i.ErrorSource, &t.ErrorSource}, {"errorCode", i.ErrorCode, &t.ErrorCode}, {"errorMessage", i.ErrorMessage, &t.ErrorMessage},
	} {
		b, ok := wire.ScalarOf(f.from)
		if !ok && wrong == nil {
			wrong = errors.New(f.name + " is not a text")
		}
		*f.to = string(b)
	}
	for _, f := range []struct {
		name string
		from jsontext.Value
		to   *time.Time
	}{
		{"attemptedTime", i.Attempted, &t.Attempted}, {"eligibleTime", i.Eligible, &t.Eligible}, {"inviteTime", i.Invited, &t.Invited},
		{"sentTime", i.Sent, &t.Sent}, {"deliveredTime", i.Delivered, &t.Delivered}, {"readTime", i.Read, &t.Read},
		{"failedTime", i.Failed, &t.Failed}, {"skippedTime", i.Skipped, &t.Skipped}, {"cancelledTime", i.Cancelled, &t.Cancelled},
		{"optInsTime", i.OptedIn, &t.OptedIn}, {"optOutsTime", i.OptedOut, &t.OptedOut},
		{"conversationsCreatedTime", i.Opened, &t.Opened}, {"conversationsClosedTime", i.Closed, &t.Closed},
	} {
		b, ok := wire.ScalarOf(f.from)
		if *f.to, ok = parseTime(string(b), ok); !ok && wrong == nil {
			wrong = errors.New(f.name + " is not a time such as 2026-11-21T09:30:00.000Z")
		}
	}
	// The report writes channels and statuses in one way each; requests have two.
	if ch := channelOf(string(t.Channel)); ch != "" {
		t.Channel = ch
	}
	if ch := channelOf(string(t.InitialChannel)); ch != "" {
		t.InitialChannel = ch
	}
	t.Status = Status(strings.ToUpper(string(t.Status)))
	if t.CallID == "" && wrong == nil {
		wrong = errors.New("it has no transactionId")
	}
	return t, wrong
}

// parseTime reads a time of the report; none is zero.
func parseTime(s string, ok bool) (time.Time, bool) {
	if !ok || s == "" {
		return time.Time{}, ok
	}
	t, err := time.Parse(time.RFC3339, s)
	// An hour of a day that nobody lives in would overflow sums.
	if err != nil || t.Year() < 1970 || t.Unix() < 0 {
		return time.Time{}, false
	}
	return t.UTC(), true
}
