//go:build race

package journal_test

// lessWork divides what is repeated where the race detector makes it ten times as slow, and
// finds nothing in what one goroutine does.
const lessWork = 8
