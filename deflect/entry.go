package deflect

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// keptDoubt is what a Teller needs of a text that is out: Entry.Data of Sending and Doubted.
type keptDoubt struct {
	Start, Accepted, Began time.Time
	Backend                string `json:",omitempty"` // who sent it; "" of a version that had one
}

// doubtData is read by text.
func doubtData(t *Text, began time.Time, backend string) []byte {
	data, _ := json.Marshal(keptDoubt{t.Call.Start, t.Call.Accepted, began.Round(0), backend}) // times can be encoded
	return data
}

// text returns as much of the text of an entry as a [Teller] needs, when it was asked for,
// and the setup of who sent it: nil when that backend is not there any more.
func (s *setup) text(e Entry) (t *Text, began time.Time, by *setup, err error) {
	var kept keptDoubt
	if err := json.Unmarshal(e.Data, &kept); err != nil {
		return nil, time.Time{}, nil, fmt.Errorf("the journal's entry cannot be read: %w", err)
	}
	t = &Text{Call: Call{ExternalCallID: e.ExternalCallID, Start: kept.Start, Accepted: kept.Accepted}, CallID: e.CallID}
	if by = s.setups[0]; kept.Backend != "" {
		by = s.named(kept.Backend)
	}
	if by != nil {
		t.Customer, _ = by.read(phone.Number(e.Customer))
	}
	return t, kept.Began, by, nil
}

// keptCall is a Call whose text waits: Entry.Data of Waiting. Numbers are whole ones, which
// are those of no other caller in another region; phone.Number would show two digits.
type keptCall struct {
	ANI, DNIS, NumberOverride string
	Digits                    string `json:",omitempty"`
	Start, Accepted           time.Time
	Skill                     string
	Text                      string            `json:",omitempty"`
	TextTag                   string            `json:",omitempty"`
	FirstName                 string            `json:",omitempty"`
	LastName                  string            `json:",omitempty"`
	CustomerID                string            `json:",omitempty"`
	CustomerIDDescriptor      string            `json:",omitempty"`
	Wait                      *time.Duration    `json:",omitempty"`
	Consent                   bool              `json:",omitempty"`
	HandoffID                 string            `json:",omitempty"`
	TemplateVariables         map[string]string `json:",omitempty"`
	ConsumerID                string            `json:",omitempty"`
	CallerInfo                map[string]json.RawMessage
	Place                     string `json:",omitempty"` // its token in the budget
}

// callData is read by readCall.
func (s *setup) callData(t *Text, place string) ([]byte, error) {
	c := t.Call
	k := keptCall{
		ANI: string(c.ANI), DNIS: string(c.DNIS), NumberOverride: string(c.NumberOverride),
		Digits: c.Digits, Start: c.Start, Accepted: c.Accepted,
		Skill: c.Skill, Text: c.Text, TextTag: c.TextTag,
		FirstName: c.FirstName, LastName: c.LastName, CustomerID: c.CustomerID, CustomerIDDescriptor: c.CustomerIDDescriptor,
		HandoffID: c.HandoffID, TemplateVariables: c.TemplateVariables, ConsumerID: c.ConsumerID,
		Wait: c.Wait, Consent: c.Consent, Place: place,
	}
	if n, ok := s.read(c.ANI); ok && s.usable(n) {
		k.ANI = n.E164
	}
	if c.NumberOverride != "" {
		k.NumberOverride = t.Customer.E164
	}
	if t.Dialed.E164 != "" {
		k.DNIS = t.Dialed.E164
	}
	if c.CallerInfo != nil {
		k.CallerInfo = make(map[string]json.RawMessage, len(c.CallerInfo))
	}
	for name, value := range c.CallerInfo {
		data, err := json.Marshal(value)
		if err != nil {
			return nil, fmt.Errorf("caller info cannot be kept: %w", err)
		}
		k.CallerInfo[name] = data
	}
	return json.Marshal(k)
}

// readCall returns the call of a text that waits, without its Policy, and the token of the
// place in the budget that it was left with, or "".
func readCall(e Entry) (Call, string, error) {
	var k keptCall
	if err := json.Unmarshal(e.Data, &k); err != nil {
		return Call{}, "", fmt.Errorf("the journal's entry cannot be read: %w", err)
	}
	c := Call{
		ANI: phone.Number(k.ANI), DNIS: phone.Number(k.DNIS), NumberOverride: phone.Number(k.NumberOverride),
		Digits: k.Digits, Start: k.Start, Accepted: k.Accepted, ExternalCallID: e.ExternalCallID,
		Skill: k.Skill, Text: k.Text, TextTag: k.TextTag,
		FirstName: k.FirstName, LastName: k.LastName, CustomerID: k.CustomerID, CustomerIDDescriptor: k.CustomerIDDescriptor,
		HandoffID: k.HandoffID, TemplateVariables: k.TemplateVariables, ConsumerID: k.ConsumerID,
		Wait: k.Wait, Consent: k.Consent,
	}
	if k.CallerInfo != nil {
		c.CallerInfo = make(map[string]any, len(k.CallerInfo))
	}
	for name, data := range k.CallerInfo {
		c.CallerInfo[name] = data
	}
	return c, k.Place, nil
}
