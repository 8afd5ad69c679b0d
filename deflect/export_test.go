package deflect

// NewMemoryCooldowns returns a store of a Client that is given none.
func NewMemoryCooldowns() Cooldowns { return newMemoryCooldowns(1000, func() {}) }

// NewMemoryJournal returns the journal of a Client that is given none.
func NewMemoryJournal() Journal { return newMemoryJournal(1000) }

// NewMemoryBudgets returns a store of a Client that is given none.
func NewMemoryBudgets() Budgets { return newMemoryBudgets() }
