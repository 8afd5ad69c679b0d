// Package deflecttest holds the contract tests of what package deflect can be given: a
// store that passes them does what the engine relies on.
//
//	func TestStore(t *testing.T) {
//		deflecttest.TestCooldowns(t, func() deflect.Cooldowns { return newStore(t) })
//	}
//	func TestBudgets(t *testing.T) {
//		deflecttest.TestBudgets(t, func() deflect.Budgets { return newStore(t) })
//	}
//	func TestWarnings(t *testing.T) {
//		deflecttest.TestWarnings(t, func() (one, other deflect.Warnings) { return newStore(t), newStore(t) })
//	}
//	func TestJournal(t *testing.T) {
//		deflecttest.TestJournal(t, func(t testing.TB) deflect.Journal { return newJournal(t) })
//	}
package deflecttest
