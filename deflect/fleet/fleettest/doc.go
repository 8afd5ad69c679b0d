// Package fleettest runs Redis for tests: of this module, and of programs that use its
// package fleet.
//
// [Start] starts a redis-server of the machine on a free port of the loopback, with a folder
// of its own, and ends it when the test does. What can befall a server is a method:
//
//	server := fleettest.Start(t, "--appendonly", "yes")
//	server.Do("CONFIG", "SET", "maxmemory", "1mb")
//	server.Stall(time.Second) // it stands still, and its connections stay
//	server.Kill()
//	server.Restart() // with what it had written
//
// [StartReplica] and [StartSentinels] make a replicated one. A [Proxy] is what can befall
// the network between a client and a server.
//
// Where redis-server or redis-sentinel are not installed, the test is skipped and says so.
// Debian has them in the packages of the same names; a Valkey that is installed under these
// names is as good.
//
// A Server and a Proxy are safe for concurrent use, but for Kill and Restart, which belong
// to the goroutine of the test.
package fleettest
