package freeswitchtest

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"
)

// connectTimeout keeps a host that swallows packets from holding the caller.
const connectTimeout = 5 * time.Second

// dialFirst connects to the first host that listens, and tells why others did
// not. No connection and no error means that none does.
func dialFirst(ctx context.Context, addrs string) (conn net.Conn, missed []Entry, why, err error) {
	dialer := net.Dialer{Timeout: connectTimeout}
	for addr := range strings.SplitSeq(addrs, "|") {
		conn, err := dialer.DialContext(ctx, "tcp", strings.TrimSpace(addr))
		if err == nil {
			return conn, missed, why, nil
		}
		if ctx.Err() != nil {
			return nil, missed, why, context.Cause(ctx)
		}
		why = errors.Join(why, err)
		missed = append(missed, Entry{Text: "no connection to " + strings.TrimSpace(addr)})
	}
	return nil, missed, why, nil
}
