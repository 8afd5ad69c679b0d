package deflect

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone/numberplan"
)

// stub is a backend that says that all it is asked for was sent.
type stub struct{}

func (stub) Name() string { return "stub" }

func (stub) ReadNumber(n phone.Number, region string) (phone.Parsed, bool) {
	return numberplan.Parse(n, region)
}

func (stub) Read(*Text) []*ValidationError { return nil }

func (stub) Send(context.Context, *Text) Attempt { return Attempt{Outcome: Sent, Reason: ReasonOK} }

func validConfig() Config { return Config{Backend: stub{}} }

func validCall() Call {
	return Call{
		ANI: "+14043438646", DNIS: "+18005550100", Digits: "1234",
		Start:          time.Now().Add(-time.Minute),
		ExternalCallID: "1231", Skill: "sales", Text: "Welcome",
	}
}

func testClient(t testing.TB, change func(*Config)) *Client {
	t.Helper()
	cfg := validConfig()
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// phoneOf is the number of one of many callers.
func phoneOf(n int) phone.Number { return phone.Number(fmt.Sprintf("+1404343%04d", 8600+n)) }
