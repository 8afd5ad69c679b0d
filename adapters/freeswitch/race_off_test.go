//go:build !race

package freeswitch_test

const lessWork = 1
