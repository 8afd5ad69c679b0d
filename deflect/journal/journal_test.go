package journal_test

import (
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/deflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

func open(t testing.TB, dir string) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func TestContract(t *testing.T) {
	deflecttest.TestJournal(t, func(t testing.TB) deflect.Journal { return open(t, t.TempDir()) })
}

func TestContractOfCooldowns(t *testing.T) {
	deflecttest.TestCooldowns(t, func() deflect.Cooldowns { return open(t, t.TempDir()) })
}
