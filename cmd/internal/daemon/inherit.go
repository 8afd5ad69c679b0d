package daemon

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
)

// Names of the sockets that a supervisor passes on, FileDescriptorName= of systemd.
const (
	callsSocket = "calls"
	httpSocket  = "http"
)

// patience is how long callers may wait, in silence, for a start.
const patience = 2 * time.Second

// Inherited are the sockets that a supervisor listens on and passes on, nil where it does
// not. Whoever connects while the process is started anew waits for it.
type Inherited struct {
	Calls, HTTP net.Listener

	held *held // Calls
}

// Inherit takes the sockets over that systemd passes on. Those who call have waited since
// before this process began: unless a [Daemon] that was given the sockets takes calls two
// seconds from here, they are refused until one does, so that they go on in their dialplan.
func Inherit() (Inherited, error) {
	var in Inherited
	byName, err := activation.ListenersWithNames()
	if err != nil {
		return in, fmt.Errorf("daemon: take over the sockets of the supervisor: %w", err)
	}
	var problems []error
	for name, listeners := range byName {
		switch {
		case len(listeners) > 1:
			problems = append(problems, fmt.Errorf("daemon: the supervisor passes on %d sockets by the name of %s: keep one", len(listeners), name))
		case name == callsSocket:
			in.Calls = listeners[0]
		case name == httpSocket:
			in.HTTP = listeners[0]
		default:
			problems = append(problems, fmt.Errorf("daemon: the supervisor passes on a socket by the name of %q: say what it is for, FileDescriptorName=%s or %s", name, callsSocket, httpSocket))
		}
	}
	if tcp, ok := in.Calls.(*net.TCPListener); ok {
		in.held = &held{TCPListener: tcp}
		in.held.late = time.AfterFunc(patience, in.held.tooLate)
		in.Calls = in.held
	} else if in.Calls != nil {
		problems = append(problems, errors.New("daemon: the supervisor passes on a socket for calls that is not of TCP: FreeSWITCH knows no other"))
	}
	return in, errors.Join(problems...)
}

// Refuse is for a process that does not start: nobody has to wait for another one.
func (in Inherited) Refuse() {
	if in.held != nil {
		in.held.tooLate()
	}
}

// held is a socket for calls that a supervisor holds too: closing it here lets callers
// into the kernel's queue, in silence, so that it pauses instead. The pause is the
// socket's, not the descriptor's, and the supervisor's too. It has to be bound to a port
// by its number: one that the kernel has chosen is lost in a pause.
type held struct {
	*net.TCPListener

	late *time.Timer

	mu     sync.Mutex
	served bool // from here on Serve pauses it
}

// tooLate refuses callers until serve.
func (h *held) tooLate() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.served {
		h.Pause() //nolint:errcheck // then they wait for the supervisor to give up
	}
}

// serve takes callers from here on, also where the process before has been killed in a
// pause. Where it does not work out, nobody can be accepted, which is Serve's to say.
func (h *held) serve() {
	h.late.Stop()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.served = true
	h.Resume() //nolint:errcheck // as said
}

// Close leaves the socket to the supervisor. Who connects from here on waits for the next
// process.
func (h *held) Close() error {
	h.late.Stop()
	return errors.Join(h.Resume(), h.TCPListener.Close())
}
