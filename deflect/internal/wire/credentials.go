package wire

import (
	"context"
	"net/http"
	"time"
)

// NoCredentials is the error of an authenticator of ours that could not get what it needs for
// a request, which was not made. Whatever stood in the way, also the network, it is about
// the credentials. Err is fit to be shown.
type NoCredentials struct{ Err error }

func (e *NoCredentials) Error() string { return e.Err.Error() }

// Unwrap returns why.
func (e *NoCredentials) Unwrap() error { return e.Err }

// LeastTime is what a request needs: with less it could hardly end in anything but doubt.
const LeastTime = 200 * time.Millisecond

// Late reports whether too little time is left for a request.
func Late(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || ok && time.Until(deadline) < LeastTime
}

// Renewable notes, for an authenticator, that the request of a context was refused for its
// credentials, and that the next one will have others.
func Renewable(ctx context.Context) {
	if t, ok := ctx.Value(tripKey{}).(*Trip); ok {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.refused = true
	}
}

// renewable reports whether a request that was answered with a status is to be sent once more
// with other credentials.
func (w *Trip) renewable(ctx context.Context, status int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.refused && !w.twice && status == http.StatusUnauthorized && !Late(ctx)
}
