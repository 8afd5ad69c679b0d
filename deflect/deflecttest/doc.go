// Package deflecttest holds the contract tests of what package deflect can be given: a
// store that passes them does what the engine relies on.
//
//	func TestStore(t *testing.T) {
//		deflecttest.TestCooldowns(t, func() deflect.Cooldowns { return newStore(t) })
//	}
//	func TestJournal(t *testing.T) {
//		deflecttest.TestJournal(t, func(t testing.TB) deflect.Journal { return newJournal(t) })
//	}
package deflecttest
