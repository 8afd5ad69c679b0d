package freeswitch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	dialTimeout  = 10 * time.Second // for connecting, authenticating and subscribing
	replyTimeout = 5 * time.Second
	listTimeout  = 30 * time.Second // for the list of channels
	probeEvery   = 15 * time.Second
	probeTimeout = 10 * time.Second
)

// link is a connection for commands and one for events of the same switch, from
// when both are ready until either ends; it does not come back.
type link struct {
	commands, events switchConn
	broken           chan struct{} // closed at the end

	mu   sync.Mutex
	jobs []job
	wake chan struct{} // there are jobs
	err  error         // why it ended

	tasks sync.WaitGroup
}

// job is a command, or none to wait for those before it, and who wants to know the
// answer, if anybody.
type job struct {
	command command
	at      *spot                          // looked at before: where the call has to be still; nil for anywhere
	uuid    string                         // of that call
	still   func() bool                    // asked directly before; false skips the command; nil is true
	done    func(answer string, err error) // must not wait for anything
}

var (
	errAway  = errors.New("the connection to the switch is gone")
	errMoved = errors.New("the call is not any more where it was")
	errAgent = fmt.Errorf("an agent has answered: %w", errMoved)
)

// unsaid reports whether a command did not reach the switch, and may be said again.
func unsaid(err error) bool {
	return err != nil && !isRefused(err) && !errors.Is(err, errMoved) && !errors.Is(err, errUnreadable)
}

// dialer connects, on goroutines that end by themselves: the library cannot be
// interrupted. Of each kind of connection it has one attempt under way at most, so
// that a switch that takes connections and says nothing costs no more than that.
type dialer struct {
	dial              func(address, password string) (switchConn, error)
	address, password string
	commands, events  chan dialed // of the attempt under way, nil without
}

type dialed struct {
	conn switchConn
	err  error
}

// link connects, subscribes and begins to work; the caller must call end.
func (d *dialer) link(ctx context.Context, see func(*link, notice)) (*link, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, dialTimeout, fmt.Errorf("the switch did not answer within %s", dialTimeout))
	defer cancel()
	commands, err := d.connect(ctx, &d.commands)
	if err != nil {
		return nil, err
	}
	events, err := d.connect(ctx, &d.events)
	if err != nil {
		commands.Close()
		return nil, err
	}
	l := &link{commands: commands, events: events, broken: make(chan struct{}), wake: make(chan struct{}, 1)}
	// The filters first: no event may come before somebody takes it.
	for _, c := range []command{filterKeys, filterCustom, filterBridges, filterOffers, subscribe} {
		if _, err := send(ctx, events, c); err != nil {
			l.events.Close()
			l.commands.Close()
			return nil, fmt.Errorf("subscribe to events: %w", err)
		}
	}
	l.tasks.Go(l.work)
	l.tasks.Go(func() { l.listen(see) })
	return l, nil
}

// connect waits for the attempt under way, or a new one.
func (d *dialer) connect(ctx context.Context, attempt *chan dialed) (switchConn, error) {
	if *attempt == nil {
		*attempt = make(chan dialed, 1)
		to := *attempt
		go func() {
			conn, err := d.dial(d.address, d.password)
			to <- dialed{conn, err}
		}()
	}
	select {
	case r := <-*attempt:
		*attempt = nil
		return r.conn, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// close gives up what is under way.
func (d *dialer) close() {
	for _, attempt := range []chan dialed{d.commands, d.events} {
		if attempt == nil {
			continue
		}
		go func() {
			if r := <-attempt; r.conn != nil {
				r.conn.Close()
			}
		}()
	}
}

// send does what the library's Send does, but not for longer than ctx: then it
// closes the connection, which ends the library's Send as well.
func send(ctx context.Context, conn switchConn, c command) (string, error) {
	type result struct {
		answer
		err error
	}
	got := make(chan result, 1)
	go func() {
		a, err := conn.Send(string(c))
		got <- result{a, err}
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

// post has a job done after those before it, without waiting. Its done is always
// called, also when the link ends first.
func (l *link) post(j job) {
	l.mu.Lock()
	gone := l.err != nil
	if !gone {
		l.jobs = append(l.jobs, j)
	}
	l.mu.Unlock()
	switch {
	case !gone:
		select {
		case l.wake <- struct{}{}:
		default:
		}
	case j.done != nil:
		j.done("", errAway)
	}
}

// do has a command executed and waits for the answer.
func (l *link) do(ctx context.Context, c command) (string, error) {
	var text string
	var err error
	done := make(chan struct{})
	l.post(job{command: c, done: func(t string, e error) { text, err = t, e; close(done) }})
	select {
	case <-done:
		return text, err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// work executes the jobs one by one.
func (l *link) work() {
	for {
		l.mu.Lock()
		var next job
		idle := len(l.jobs) == 0
		if !idle {
			next = l.jobs[0]
			l.jobs[0] = job{}
			l.jobs = l.jobs[1:]
		} else {
			l.jobs = nil
		}
		over := l.err != nil
		l.mu.Unlock()
		switch {
		case idle && over:
			return
		case idle:
			select {
			case <-l.wake:
			case <-l.broken:
			}
			continue
		}
		text, err := "", errAway
		if !over {
			text, err = l.execute(next)
		}
		if next.done != nil {
			next.done(text, err)
		}
	}
}

// execute does a job; nothing of its call comes in between.
func (l *link) execute(j job) (string, error) {
	if j.still != nil && !j.still() {
		return "", errMoved
	}
	if j.at != nil {
		text, err := l.say(dump(j.uuid))
		if err == nil {
			err = j.at.check(text)
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
	return l.say(j.command)
}

// say sends a command; the link ends when no answer comes.
func (l *link) say(c command) (string, error) {
	limit := replyTimeout
	if c == showChannels {
		limit = listTimeout
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), limit, fmt.Errorf("no reply within %s", limit))
	defer cancel()
	text, err := send(ctx, l.commands, c)
	if err != nil && !isRefused(err) {
		l.end(err)
	}
	return text, err
}

// listen hands on the events until the connection ends.
func (l *link) listen(see func(*link, notice)) {
	for {
		n, err := l.events.ReadEvent()
		switch {
		case err != nil:
			l.end(err)
			return
		case n.name() == "":
			continue
		}
		see(l, n)
	}
}

// end ends the link; only the first reason counts.
func (l *link) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return
	}
	l.err = err
	close(l.broken)
	l.commands.Close()
	l.events.Close()
}

// wait returns why the link ended, when all its goroutines have.
func (l *link) wait() error {
	l.tasks.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// keepProbing ends the link when events do not come back that it asks the switch to
// send: a connection can be dead without anybody knowing.
func (l *link) keepProbing(p *probes) {
	ticks := time.NewTicker(probeEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
		case <-l.broken:
			return
		}
		token := rand.Text()
		back, said := p.expect(token), make(chan struct{})
		l.post(job{command: probe(token), done: func(string, error) { close(said) }})
		<-said // it may have to wait for its turn; every job comes to its end
		late := time.NewTimer(probeTimeout)
		select {
		case <-back:
		case <-late.C:
			l.end(fmt.Errorf("the switch sent no event within %s of being asked for one", probeTimeout))
		case <-l.broken:
		}
		late.Stop()
	}
}

// probes knows the probe that has to come back; others can be somebody else's.
type probes struct {
	mu    sync.Mutex
	token string
	back  chan struct{}
}

func (p *probes) expect(token string) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.token, p.back = token, make(chan struct{})
	return p.back
}

func (p *probes) came(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if token != "" && token == p.token {
		p.token = ""
		close(p.back)
	}
}
