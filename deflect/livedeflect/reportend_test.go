package livedeflect

import (
	"errors"
	"slices"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// classes are those of all reasons.
var classes = []error{
	deflect.ErrInvalidCall, deflect.ErrIneligible, deflect.ErrBreakerOpen, deflect.ErrUnauthorized, deflect.ErrRateLimited,
	deflect.ErrRejected, deflect.ErrUnavailable, deflect.ErrBadResponse, deflect.ErrCanceled, deflect.ErrJournal, deflect.ErrSwitch,
	deflect.ErrInternal, deflect.ErrClosed,
}

// Every reason that a window of the report can be missing for has one class, and the
// error that says so matches that one alone.
func TestEveryReportErrorHasAClass(t *testing.T) {
	check := func(reason deflect.Reason) {
		err := &ReportError{Reason: reason}
		if got := deflect.ReasonOf(err); got != reason {
			t.Errorf("ReasonOf(%v) = %s", err, got)
		}
		for _, class := range classes {
			if errors.Is(err, class) != (class == reason.Class()) {
				t.Errorf("a report that ended with %s is %q: %t", reason, class, errors.Is(err, class))
			}
		}
		if reason.Class() != nil && !slices.Contains(classes, reason.Class()) {
			t.Errorf("%s is of the class %q, which this test does not know", reason, reason.Class())
		}
	}
	for _, outcome := range deflect.Outcomes() {
		for _, reason := range deflect.Reasons(outcome) {
			check(reason)
		}
	}
	for reason := range reportEnds {
		if (reason.Class() == nil) != (reason == deflect.ReasonOK) {
			t.Errorf("a request for the report can end with %s, of the class %v", reason, reason.Class())
		}
	}
	if errors.Is(&ReportError{}, nil) {
		t.Error("a ReportError is nil")
	}
}
