package deflect_test

import (
	"testing"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

func TestPolicyTellsWhetherItIsOpen(t *testing.T) {
	p, err := deflect.NewPolicy("day", deflect.Rules{Hours: deflect.Hours{Zone: "America/New_York", Week: map[string][]string{"mon-fri": {"09:00-17:00"}}}})
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]bool{"2026-11-27T13:59:59Z": false, "2026-11-27T14:00:00Z": true, "2026-11-28T15:00:00Z": false} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Open(when); got != want {
			t.Errorf("open at %s: %t", at, got)
		}
		if !(*deflect.Policy)(nil).Open(when) || !new(deflect.Policy).Open(when) {
			t.Error("a policy without hours is closed")
		}
	}
}
