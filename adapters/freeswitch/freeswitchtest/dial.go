package freeswitchtest

import (
	"context"
	"net"
	"strings"
	"time"
)

// connectTimeout keeps a host that swallows packets from holding the caller.
const connectTimeout = 5 * time.Second

// dialFirst connects to the first host that listens. No connection and no
// error means that none does.
func dialFirst(ctx context.Context, addrs string) (net.Conn, []Entry, error) {
	var missed []Entry
	dialer := net.Dialer{Timeout: connectTimeout}
	for addr := range strings.SplitSeq(addrs, "|") {
		conn, err := dialer.DialContext(ctx, "tcp", strings.TrimSpace(addr))
		if err == nil {
			return conn, missed, nil
		}
		if ctx.Err() != nil {
			return nil, missed, context.Cause(ctx)
		}
		missed = append(missed, Entry{Text: "no connection to " + strings.TrimSpace(addr)})
	}
	return nil, missed, nil
}
