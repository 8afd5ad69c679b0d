// Package daemon is deflectd without its flags and signals: it takes a checked
// configuration, listens, serves calls and HTTP, and drains. The command, the
// demo and the tests run the same code:
//
//	d, err := daemon.New(daemon.Options{Config: file, Logger: logger})
//	...
//	go func() { <-secondSignal; d.Cut() }()
//	err = d.Run(ctx) // until ctx ends and every call is over
//
// /readyz tells whether calls are taken. With freeswitch.inbound the daemon also
// watches callers who wait in queues; /readyz names the switches that are away, and
// /readyz?inbound is red meanwhile. With state.dir it opens the journal there, which no
// other daemon then can; /state shows and changes what is in it. / is a page for people: do
// callers get texts, and if not, why.
//
// Stopping goes in this order: /readyz turns red, no new call is accepted, live
// calls go on for at most freeswitch.outbound.drain, the rest is given back to
// the dialplan, and HTTP closes last, so that the end can still be scraped. Then the
// journal is closed, in which the next daemon finds what is not done.
//
// All methods of a [Daemon] may be called by several goroutines; Run only once.
package daemon
