//go:build race

package fleet

// lessWork divides how many ask at once: the race detector makes it ten times as slow.
const lessWork = 8
