package freeswitch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	dialTimeout  = 10 * time.Second // for connecting, authenticating and subscribing
	replyTimeout = 5 * time.Second
	listTimeout  = 30 * time.Second // for the list of channels
	probeEvery   = 15 * time.Second
	probeTimeout = 10 * time.Second
)

// link is what connects us to a switch: one connection for its events, and others for our
// commands. It ends when any of them does; the next one is another link.
type link struct {
	events switchConn
	broken chan struct{} // closed at the end
	dialer *dialer

	mu       sync.Mutex
	err      error        // why it ended
	commands []switchConn // each with a goroutine that works
	lanes    map[string]*lane
	ready    []*lane       // nobody works on them
	more     *sync.Cond    // there are
	idle     int           // goroutines without work
	undone   int           // jobs
	quiet    chan struct{} // closed when there are none, if somebody waits for that

	tasks sync.WaitGroup
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

// dialer makes the connections of the links to a switch. The library's dial cannot be
// interrupted, so it runs on goroutines that end by themselves: one at most for each kind
// of connection, and maxGrowing for more commands. A switch that takes connections and
// says nothing costs no more than that.
type dialer struct {
	dial              func(address, password string) (switchConn, error)
	address, password string
	commands, events  chan dialed // of the attempt under way, nil without
	growing           atomic.Int32
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
	l := &link{events: events, broken: make(chan struct{}), dialer: d, lanes: map[string]*lane{}}
	l.more = sync.NewCond(&l.mu)
	// The filters first: no event may come before somebody takes it.
	for _, c := range []command{filterKeys, filterOffer, filterWithdraw, filterProbe, filterBridges, filterMarked, subscribe} {
		if _, err := send(ctx, events, c); err != nil {
			events.Close()
			commands.Close()
			return nil, fmt.Errorf("subscribe to events: %w", err)
		}
	}
	l.add(commands)
	l.tasks.Go(func() { l.listen(see) })
	return l, nil
}

// connect waits for the attempt that is under way, and makes one if there is none.
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

// close drops the connections of the attempts that are under way.
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
	l.more.Broadcast()
	for _, c := range l.commands {
		c.Close()
	}
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
		<-said // it may have to wait for a connection; every job comes to its end
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

// probes tells the probe that has to come back from those of other programs.
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
