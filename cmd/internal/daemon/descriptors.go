package daemon

import (
	"fmt"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
)

// Descriptors says how the file descriptors of the process are shared out, so that no
// kind of connection takes those of another: what a call needs in its middle is held
// back when it is let in.
type Descriptors struct {
	Limit    int // open files of the process; 0 is unknown or none
	Calls    int // in progress: max_calls, or what fits
	Requests int // connections to the API at a time, 0 is as many as there are calls
	HTTP     int // connections to the HTTP port

	wanted int // max_calls
	free   int // for calls and requests
	fresh  int // Calls after a restart
}

const (
	// ownDescriptors are for standard streams, the poller, the addresses that are
	// listened on, files that are read, name look-ups, connections that are being
	// made or closed.
	ownDescriptors  = 64
	perSwitch       = 36 // connections for commands and events, and some of those before that are ending
	mostHTTP        = 64
	requestsAtATime = 256 // connections that the API is worth, as long as calls have as many
)

// ShareDescriptors shares out the descriptors of this process, as the daemon does it
// with a configuration. On Unix the limit is the hard one: the Go runtime raises the
// soft one to it at start.
func ShareDescriptors(f config.File) Descriptors { return share(openFiles(), f) }

// DescriptorsOf is ShareDescriptors of a process that may have so many files open; 0 is
// any number.
func DescriptorsOf(limit int, f config.File) Descriptors { return share(limit, f) }

func share(limit int, f config.File) Descriptors {
	d := Descriptors{Limit: limit, Calls: f.FreeSWITCH.MaxCalls, HTTP: mostHTTP, wanted: f.FreeSWITCH.MaxCalls}
	if limit == 0 {
		return d
	}
	d.HTTP = min(mostHTTP, max(4, limit/16))
	free := limit - ownDescriptors - d.HTTP - perSwitch*len(f.FreeSWITCH.Inbound) - len(f.Lists)
	// Not all callers press the key at the same moment: a request that has to wait for
	// a connection has its whole deadline for it.
	d.free = free
	d.Requests = max(free-d.wanted, min(requestsAtATime, d.wanted, free/4), 1)
	d.Calls = max(1, min(d.wanted, free-d.Requests))
	d.fresh = d.Calls
	return d
}

// keeping is what is left for calls when as many requests as before are allowed: their
// limit is fixed at the start.
func (d Descriptors) keeping(requests int) Descriptors {
	if d.Limit > 0 {
		d.Requests = requests
		d.Calls = max(1, min(d.wanted, d.free-requests))
	}
	return d
}

// Short says that fewer calls fit than the configuration allows, and "" if all do.
func (d Descriptors) Short() string {
	if d.Calls >= d.wanted {
		return ""
	}
	return fmt.Sprintf("%d calls at a time instead of %d: more do not fit into the limit of %d open files; raise it (ulimit -n, LimitNOFILE=)",
		d.Calls, d.wanted, d.Limit)
}
