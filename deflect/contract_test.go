package deflect_test

import (
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/deflecttest"
)

func TestCooldownsInMemoryKeepTheContract(t *testing.T) {
	deflecttest.TestCooldowns(t, deflect.NewMemoryCooldowns)
}

func TestBudgetsInMemoryKeepTheContract(t *testing.T) {
	deflecttest.TestBudgets(t, deflect.NewMemoryBudgets)
}

func TestJournalInMemoryKeepsTheContract(t *testing.T) {
	deflecttest.TestJournal(t, func(testing.TB) deflect.Journal { return deflect.NewMemoryJournal() })
}
