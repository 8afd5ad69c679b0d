//go:build race

package donottext

// LessWork divides what tests repeat over numbers of the whole world: the race detector
// makes it ten times as slow, and finds nothing in what one goroutine does.
const LessWork = 8
