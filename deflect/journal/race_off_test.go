//go:build !race

package journal_test

const lessWork = 1
