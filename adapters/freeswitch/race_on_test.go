//go:build race

package freeswitch_test

// lessWork divides how many calls meet random faults: the race detector makes them ten times
// as slow.
const lessWork = 25
