// Package journal keeps what an engine of package deflect must not forget when its process
// ends: which callers were texted lately, and which texts are being sent, are in doubt,
// wait, or were sent. It is for one process on one machine.
//
//	j, err := journal.Open("/var/lib/deflectd", journal.Options{})
//	...
//	defer j.Close()
//	client, err := deflect.New(deflect.Config{Backend: api, Journal: j})
//
// # What is in the folder
//
//	journal.db   the journal
//	journal.wal  what was written last, and reaches journal.db within seconds; always 4 MB
//	key          32 random bytes, made at the first start: without it the journal cannot be read
//	owner        which process has the journal
//
// Copy or move the folder as a whole, while nobody has it open; another machine reads it.
// Numbers and ids of calls are in it as keyed hashes, and what has to be known later (whom to
// text, and with what) is encrypted, until the text has ended. Whoever has the key too can
// read all that: the folder is its user's alone.
//
// # What can happen to it
//
// A change is on the disk before it is told of. What was noted, and cooldowns, follow within
// a tenth of a second. After a crash or a loss of power all is as of the last commit. What is
// cut off, or damaged where it can be seen, is a [*DamagedError], never a journal with less
// in it. Where one is met in the file of a journal that is open, cooldowns go on
// from memory, and nothing else does until the next start. While it cannot be written (the
// disk is full, gone, or has not answered for a second) changes fail at once, what is noted
// stays in memory, and writing is tried again every second: see [Journal.Err].
//
// Errors hold nothing of what is kept. A [Journal] is safe for concurrent use.
package journal
