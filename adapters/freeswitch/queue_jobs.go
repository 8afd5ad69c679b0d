package freeswitch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	// maxCommands is how many connections for commands there are to a switch at most.
	// The library waits for each reply before the next command: over 50 ms, these take
	// 640 commands a second. Each costs 64 KiB here and a thread there.
	maxCommands = 32
	// maxGrowing is how many of them are dialled at once: a switch keeps five waiting.
	maxGrowing = 4
	growAfter  = 10 * time.Millisecond // of waiting
	growAgain  = time.Second           // after one that could not be dialled
)

// job is a command to a switch, what has to be true of its call before, and who is told
// the reply. One without a command ends when those of its call before it have.
type job struct {
	call    string // the commands of one call are executed in their order; "" for those of none
	command command
	who     identity                      // looked at before: the call that it has to be; zero for any
	at      *spot                         // looked at before: where the call has to be still; nil for anywhere
	only    func(data headers) bool       // looked at before: what has to be true of its channel; nil for nothing
	still   func() bool                   // asked directly before; false skips the command; nil is true
	done    func(reply string, err error) // must not wait for anything
}

// lane is the jobs of one call: the first of them may be under way.
type lane struct{ jobs []job }

// post queues a job behind those of its call, and does not wait. Its done is always called,
// also when the link ends first.
func (l *link) post(j job) {
	l.mu.Lock()
	gone := l.err != nil
	if !gone {
		l.undone++
		ln := l.lanes[j.call]
		switch {
		case j.call == "":
			l.ready = append(l.ready, &lane{[]job{j}})
		case ln != nil:
			ln.jobs = append(ln.jobs, j)
		default:
			ln = &lane{[]job{j}}
			l.lanes[j.call] = ln
			l.ready = append(l.ready, ln)
		}
		l.more.Signal()
		l.growLocked()
	}
	l.mu.Unlock()
	if gone && j.done != nil {
		j.done("", errAway)
	}
}

// do posts a command of a call and waits for the reply.
func (l *link) do(ctx context.Context, call string, c command) (string, error) {
	var text string
	var err error
	done := make(chan struct{})
	l.post(job{call: call, command: c, done: func(t string, e error) { text, err = t, e; close(done) }})
	select {
	case <-done:
		return text, err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// drain waits until there is no job.
func (l *link) drain(ctx context.Context) {
	l.mu.Lock()
	if l.undone == 0 {
		l.mu.Unlock()
		return
	}
	if l.quiet == nil {
		l.quiet = make(chan struct{})
	}
	quiet := l.quiet
	l.mu.Unlock()
	select {
	case <-quiet:
	case <-ctx.Done():
	}
}

// growLocked dials another connection, if jobs wait for one and do so for a while.
func (l *link) growLocked() {
	if !l.shortLocked(0) || l.dialer.growing.Load() >= maxGrowing {
		return
	}
	l.dialer.growing.Add(1)
	go func() {
		defer l.dialer.growing.Add(-1)
		select {
		case <-time.After(growAfter):
		case <-l.broken:
			return
		}
		l.mu.Lock()
		short := l.shortLocked(1)
		l.mu.Unlock()
		if !short {
			return
		}
		conn, err := l.dialer.dial(l.dialer.address, l.dialer.password)
		if err == nil {
			l.add(conn)
			return
		}
		select {
		case <-time.After(growAgain):
		case <-l.broken:
		}
	}()
}

// shortLocked reports whether jobs wait for connections, and there may be more of these.
// Those being dialled count as there, but for so many of the caller's own.
func (l *link) shortLocked(ours int) bool {
	coming := int(l.dialer.growing.Load()) - ours
	return l.err == nil && len(l.ready) > l.idle+coming && len(l.commands)+coming < maxCommands
}

// add puts a connection to work.
func (l *link) add(conn switchConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		conn.Close()
		return
	}
	l.commands = append(l.commands, conn)
	l.tasks.Go(func() { l.work(conn) })
	l.growLocked()
}

// work does jobs over a connection until the link has ended and nothing is left to do.
func (l *link) work(conn switchConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for len(l.ready) == 0 && l.err == nil {
			l.idle++
			l.more.Wait()
			l.idle--
		}
		if len(l.ready) == 0 {
			return
		}
		ln := l.ready[0]
		l.ready = slices.Delete(l.ready, 0, 1)
		j, over := ln.jobs[0], l.err != nil
		l.mu.Unlock()
		text, err := "", errAway
		if !over {
			text, err = l.execute(conn, j)
		}
		if j.done != nil {
			j.done(text, err)
		}
		l.mu.Lock()
		if ln.jobs = slices.Delete(ln.jobs, 0, 1); len(ln.jobs) > 0 {
			l.ready = append(l.ready, ln) // this goroutine takes it, or another
		} else if j.call != "" {
			delete(l.lanes, j.call)
		}
		if l.undone--; l.undone == 0 && l.quiet != nil {
			close(l.quiet)
			l.quiet = nil
		}
	}
}

// execute does a job. Its lane sees to it that no other of its call comes in between.
func (l *link) execute(conn switchConn, j job) (string, error) {
	if j.still != nil && !j.still() {
		return "", errMoved
	}
	if j.at != nil || j.only != nil || j.who != (identity{}) {
		text, err := l.say(conn, dump(j.call))
		if err == nil {
			err = j.who.check(text)
		}
		if err == nil && j.at != nil {
			err = j.at.check(text)
		}
		if err == nil && j.only != nil {
			err = onlyIf(text, j.only)
		}
		if err != nil {
			return "", err
		}
		if j.still != nil && !j.still() {
			return "", errMoved
		}
	}
	if j.command == "" {
		return "", nil
	}
	return l.say(conn, j.command)
}

// onlyIf returns an error unless something is true of a channel, by its dump.
func onlyIf(text string, only func(headers) bool) error {
	data, err := parseDump(text)
	if err == nil && !only(data) {
		err = errMoved
	}
	return err
}

// say sends a command. The link ends when no reply comes.
func (l *link) say(conn switchConn, c command) (string, error) {
	limit := replyTimeout
	if c == showChannels {
		limit = listTimeout
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, fmt.Errorf("no reply within %s", limit))
	defer cancel()
	text, err := send(ctx, conn, c)
	if err != nil && !isRefused(err) {
		l.end(err)
	}
	return text, err
}

// send does what the library's Send does, but not for longer than ctx: then it
// closes the connection, which ends the library's Send as well.
func send(ctx context.Context, conn switchConn, c command) (string, error) {
	got := make(chan replied, 1)
	go func() {
		r, err := conn.Send(string(c))
		got <- replied{r, err}
	}()
	select {
	case r := <-got:
		if r.err == nil && strings.HasPrefix(r.text, "-") { // such as -USAGE
			r.err = refusedError(strings.TrimSpace(r.text))
		}
		return r.text, r.err
	case <-ctx.Done():
		conn.Close()
		return "", context.Cause(ctx)
	}
}
