package freeswitch_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	fst "github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// plainConn is a connection to a switch over any net.Conn, for bubbles, in which the
// library cannot be: it dials by itself.
type plainConn struct {
	conn    net.Conn
	replies chan freeswitch.Reply
	events  chan freeswitch.Notice
	done    chan struct{} // closed when the reader has ended
	err     error         // why
	closed  chan struct{}
	closing sync.Once
	sending sync.Mutex
}

// dialPlain authenticates.
func dialPlain(conn net.Conn, password string) (freeswitch.SwitchConn, error) {
	c := &plainConn{conn: conn, replies: make(chan freeswitch.Reply), events: make(chan freeswitch.Notice, 1000), done: make(chan struct{}), closed: make(chan struct{})}
	in := bufio.NewReader(conn)
	if head, _, err := readFrame(in); err != nil || head.Get("Content-Type") != "auth/request" {
		conn.Close()
		return nil, fmt.Errorf("no auth request: %v, %w", head, err)
	}
	io.WriteString(conn, "auth "+password+"\n\n")
	if head, _, err := readFrame(in); err != nil || head.Get("Reply-Text") != "+OK accepted" {
		conn.Close()
		return nil, fmt.Errorf("not accepted: %v, %w", head, err)
	}
	go c.read(in)
	return c, nil
}

func readFrame(in *bufio.Reader) (textproto.MIMEHeader, string, error) {
	head, err := textproto.NewReader(in).ReadMIMEHeader()
	if err != nil {
		return nil, "", err
	}
	n, _ := strconv.Atoi(head.Get("Content-Length"))
	body := make([]byte, n)
	_, err = io.ReadFull(in, body)
	return head, string(body), err
}

func (c *plainConn) read(in *bufio.Reader) {
	defer close(c.done)
	for {
		head, body, err := readFrame(in)
		if err != nil {
			c.err = err
			return
		}
		switch head.Get("Content-Type") {
		case "command/reply":
			c.reply(head.Get("Reply-Text"))
		case "api/response":
			c.reply(body)
		case "text/event-json":
			var headers map[string]string
			if err := json.Unmarshal([]byte(body), &headers); err != nil {
				c.err = err
				return
			}
			n := freeswitch.Notice{}
			for name, value := range headers {
				n[strings.ToLower(name)] = value
			}
			select {
			case c.events <- n:
			case <-c.closed:
			}
		}
	}
}

func (c *plainConn) reply(text string) {
	select {
	case c.replies <- freeswitch.TextReply(text):
	case <-c.closed:
	}
}

func (c *plainConn) Send(command string) (freeswitch.Reply, error) {
	c.sending.Lock()
	defer c.sending.Unlock()
	go io.WriteString(c.conn, command+"\n\n")
	select {
	case a := <-c.replies:
		if text, ok := strings.CutPrefix(freeswitch.ReplyText(a), "-ERR "); ok {
			return a, freeswitch.Refused(strings.TrimSpace(text))
		}
		return a, nil
	case <-c.done:
		return freeswitch.Reply{}, c.err
	}
}

func (c *plainConn) ReadEvent() (freeswitch.Notice, error) {
	select {
	case n := <-c.events:
		return n, nil
	case <-c.done:
	}
	select { // what came before the end
	case n := <-c.events:
		return n, nil
	default:
		return nil, c.err
	}
}

func (c *plainConn) Close() {
	c.closing.Do(func() { close(c.closed) })
	c.conn.Close()
}

// watchRig is a rig whose server watches switches.
type watchRig struct {
	*rig
	switches map[string]*fst.Switch // by address
	watched  chan error             // what Watch returned

	mu      sync.Mutex
	down    map[string]bool                                               // switches that cannot be dialled
	instead func(address, password string) (freeswitch.SwitchConn, error) // of dialling; nil does
}

func inbound(names ...string) func(*freeswitch.Config) {
	return func(c *freeswitch.Config) {
		for _, name := range names {
			c.Inbound = append(c.Inbound, freeswitch.Switch{Name: name, Address: name + ":8021", Password: deflect.NewSecret("pass-w0rd")})
		}
	}
}

// inWatchBubble runs a test with a server that watches switches of these names, in a
// bubble. In the end, everything has to be gone.
func inWatchBubble(t *testing.T, names []string, change func(*deflect.Config, *freeswitch.Config), test func(*testing.T, *watchRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newWatchRig(t, names, change)
		synctest.Wait()
		test(t, r)
		r.end()
	})
}

func newWatchRig(t *testing.T, names []string, change func(*deflect.Config, *freeswitch.Config)) *watchRig {
	t.Helper()
	return watchRigOf(t, map[string]*fst.Switch{}, names, change)
}

// watchRigOf watches switches that are there, and makes those that are not.
func watchRigOf(t *testing.T, switches map[string]*fst.Switch, names []string, change func(*deflect.Config, *freeswitch.Config)) *watchRig {
	t.Helper()
	fc, api, log := testConfig(t, func(dc *deflect.Config, fc *freeswitch.Config) {
		fc.Profiles[0].OnSent.Transfer = "9999 XML default"
		inbound(names...)(fc)
		if change != nil {
			change(dc, fc)
		}
	})
	srv, err := freeswitch.New(fc)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	reg, _ := fc.Registerer.(*prometheus.Registry)
	r := &watchRig{
		rig:      &rig{t: t, api: api, srv: srv, reg: reg, log: log, stop: stop},
		switches: switches, watched: make(chan error, 1), down: map[string]bool{},
	}
	for _, sw := range fc.Inbound {
		if r.switches[sw.Address] == nil {
			r.switches[sw.Address] = &fst.Switch{Password: "pass-w0rd"}
		}
	}
	srv.DialWith(r.dial)
	go func() { r.watched <- srv.Watch(ctx) }()
	return r
}

// dialBy makes the server reach its switches by a function; nil is the usual one.
func (r *watchRig) dialBy(dial func(address, password string) (freeswitch.SwitchConn, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.instead = dial
}

func (r *watchRig) dial(address, password string) (freeswitch.SwitchConn, error) {
	r.mu.Lock()
	instead := r.instead
	r.mu.Unlock()
	if instead != nil {
		return instead(address, password)
	}
	return r.connect(address, password)
}

func (r *watchRig) connect(address, password string) (freeswitch.SwitchConn, error) {
	r.mu.Lock()
	sw, down := r.switches[address], r.down[address]
	r.mu.Unlock()
	if sw == nil || down {
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	go sw.ServeConn(theirs)
	return dialPlain(ours, password)
}

func (r *watchRig) setDown(name string, down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down[name+":8021"] = down
}

// sw is the switch of a name.
func (r *watchRig) sw(name string) *fst.Switch { return r.switches[name+":8021"] }

// ask has fs1 do something that somebody else wants.
func (r *watchRig) ask(command string) {
	r.t.Helper()
	c, err := r.connect("fs1:8021", "pass-w0rd")
	if err != nil {
		r.t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Send(command); err != nil {
		r.t.Errorf("%s: %v", command, err)
	}
	time.Sleep(time.Second)
	synctest.Wait()
}

// end stops the server and says what is left behind.
func (r *watchRig) end() {
	r.t.Helper()
	r.stop()
	if err := <-r.watched; err != nil {
		r.t.Errorf("Watch: %v", err)
	}
	if n := r.srv.Calls(); n != 0 {
		r.t.Errorf("%d sessions are left", n)
	}
	delete(r.switches, "same:8021") // which is fs1
	for name, sw := range r.switches {
		bad := append(sw.Violations(), sw.Expansions()...)
		bad = slices.DeleteFunc(bad, func(s string) bool { return strings.Contains(s, `"auth ***"`) }) // a wrong password
		if len(bad) > 0 {
			r.t.Errorf("%s: %q", name, bad)
		}
		sw.Stop()
	}
	synctest.Wait()
}

// through has the server talk to fs1 over connections of another kind from now on.
func (r *watchRig) through(wrap func(freeswitch.SwitchConn) freeswitch.SwitchConn) {
	r.dialBy(func(address, password string) (freeswitch.SwitchConn, error) {
		c, err := r.connect(address, password)
		return wrap(c), err
	})
	r.sw("fs1").Drop()
	time.Sleep(2 * time.Second)
}

// watchedTwice makes the switch "same" another way to fs1, whose events come later.
func (r *watchRig) watchedTwice(later time.Duration) {
	r.mu.Lock()
	other := r.switches["same:8021"]
	r.switches["same:8021"] = r.switches["fs1:8021"]
	r.mu.Unlock()
	n := 0
	r.dialBy(func(address, password string) (freeswitch.SwitchConn, error) {
		c, err := r.connect(address, password)
		if err == nil && address == "same:8021" {
			if n++; n == 2 && later > 0 { // the one for events
				return newLate(c, later), nil
			}
		}
		return c, err
	})
	other.Stop()
	settled()
}

type lateEvent struct {
	n   freeswitch.Notice
	err error
	at  time.Time
}

func newLate(c freeswitch.SwitchConn, by time.Duration) lateConn {
	l := lateConn{c, by, make(chan lateEvent, 1000)}
	go func() {
		for {
			n, err := c.ReadEvent()
			l.ch <- lateEvent{n, err, time.Now().Add(by)}
			if err != nil {
				return
			}
		}
	}()
	return l
}

func (l lateConn) ReadEvent() (freeswitch.Notice, error) {
	e := <-l.ch
	if e.err == nil {
		time.Sleep(time.Until(e.at))
	}
	return e.n, e.err
}

// queued is a caller who waits on a switch and was announced.
func (r *watchRig) queued(name string, change ...func(*fst.Call)) *fst.Waiting {
	call := fst.Call{UUID: "3e0068c6-dcda-4c96-a87d-305d62b539f6", ANI: "+14043438646", DNIS: "18005550100", CallerName: "Jane Doe"}
	for _, c := range change {
		c(&call)
	}
	w := r.sw(name).Park(call)
	w.Announce()
	synctest.Wait()
	return w
}

// forgotten fails unless nothing is known of any call any more.
func (r *watchRig) forgotten() {
	r.t.Helper()
	synctest.Wait()
	calls, owed := r.srv.Announced()
	if on := series(r.t, r.reg, "deflect_freeswitch_offers")[""]; calls+owed+on != 0 {
		r.t.Errorf("%d calls, %d debts and %d offers are left", calls, owed, on)
	}
}
