package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
)

const (
	hintSpacing = 100 * time.Millisecond // least time between two that are told, and that are heard
	hintAgain   = time.Second            // until Redis is asked again that did not answer
	hintBytes   = 64                     // what is longer is none
	hintLongest = 24 * time.Hour
	hintSilence = 3 * time.Second // after so long without a word it is asked whether the server is still there
)

// Warnings are the warnings of the fleet: what the others warn of is heard by subscription
// and, because that misses what is sent while it is away, read when it stands again. The
// hint that lives when a process starts is heard too.
//
// Each call returns one of its own. It listens from the first OnWarned on, until Close. Its
// method Of returns those of one API.
func (f *Fleet) Warnings() deflect.Warnings { return f.warnings("") }

// Of returns the warnings of one API, see [deflect.Warnings].
func (w *warnings) Of(api string) deflect.Warnings { return w.f.warnings(" " + api) }

func (f *Fleet) warnings(of string) *warnings {
	w := &warnings{
		f: f, self: f.self(),
		// All databases of a server share their channels.
		key:   f.key("w", strconv.Itoa(f.cfg.DB)+of),
		warns: make(chan struct{}, 1), heard: make(chan struct{}, 1), listens: make(chan struct{}),
	}
	f.tasks.Go(w.tell)
	f.tasks.Go(w.listen)
	f.tasks.Go(w.deliver)
	return w
}

// warnings keeps the hint in a key, and sends it through a channel of the same name: who
// warned, "#", and a text that no other hint has.
type warnings struct {
	f         *Fleet
	self, key string

	warns   chan struct{} // holds one while a hint is to be told
	heard   chan struct{} // holds one while a hint was heard and not delivered
	listens chan struct{} // closed by the first OnWarned
	listen1 sync.Once

	last  string // hint that was heard, of the goroutine that listens
	muted bool   // it was told that nothing is heard

	mu       sync.Mutex
	until    time.Time // when the hint that is to be told is over
	onWarned func()
}

// Warn implements [deflect.Warnings].
func (w *warnings) Warn(lasts time.Duration) {
	if lasts <= 0 {
		return
	}
	until := time.Now().Add(min(lasts, hintLongest))
	w.mu.Lock()
	if until.After(w.until) {
		w.until = until
	}
	poke(w.warns)
	w.mu.Unlock()
}

// OnWarned implements [deflect.Warnings].
func (w *warnings) OnWarned(do func()) {
	w.mu.Lock()
	w.onWarned = do
	w.mu.Unlock()
	w.listen1.Do(func() { close(w.listens) })
}

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // it is about to be looked at
	}
}

// tell tells hints, for as long as they last when Redis is away.
func (w *warnings) tell() {
	for w.waitFor(w.warns) {
		for w.publish() != nil && w.pause(hintAgain) {
		}
		w.pause(hintSpacing)
	}
}

// publish returns nil when nothing is left to tell.
func (w *warnings) publish() error {
	w.mu.Lock()
	left := time.Until(w.until)
	select {
	case <-w.warns: // this one is for it, too
	default:
	}
	w.mu.Unlock()
	if left <= 0 {
		return nil
	}
	hint := w.self + "#" + rand.Text()[:8]
	return w.f.do(w.f.ctx, "warn", func(ctx context.Context) error {
		_, err := w.f.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.Set(ctx, w.key, hint, max(left, time.Millisecond))
			p.Publish(ctx, w.key, hint)
			return nil
		})
		return err
	})
}

// deliver calls who wants to hear.
func (w *warnings) deliver() {
	for w.waitFor(w.heard) {
		w.mu.Lock()
		do := w.onWarned
		w.mu.Unlock()
		if do != nil {
			do()
		}
		w.pause(hintSpacing)
	}
}

// listen subscribes, again and again: a subscription that had an error is not trusted any
// more, as it may have stopped within a message.
func (w *warnings) listen() {
	if !w.waitFor(w.listens) {
		return
	}
	for {
		err := w.subscribe()
		if !w.pause(hintAgain) {
			return
		}
		var said redis.Error
		if errors.As(err, &said) && !w.muted {
			w.muted = true
			w.f.cfg.Logger.Warn("warnings of the fleet are not heard: Redis refuses them; give the user the rights that the check of the configuration names",
				slog.String("err", clean.Text(err.Error())))
		}
	}
}

// subscribe listens until something goes wrong.
func (w *warnings) subscribe() (err error) {
	ctx, cancel := context.WithCancel(w.f.ctx)
	defer cancel()
	sub := w.f.rdb.Subscribe(ctx, w.key)
	defer sub.Close()
	// The library takes what comes for what a Redis sends.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("what is no Redis answers: %s", clean.Panic(p))
		}
	}()
	said := make(chan struct{}, 1)
	var watch sync.WaitGroup
	defer watch.Wait()
	defer cancel()
	watch.Go(func() { w.watch(ctx, sub, said) })
	for {
		message, err := sub.Receive(ctx)
		if err != nil {
			return err
		}
		poke(said)
		switch m := message.(type) {
		case *redis.Subscription:
			if err := w.look(ctx); err != nil {
				return err
			}
			w.muted = false
		case *redis.Message:
			w.hear(m.Payload)
			// Strangers may send any number; a server ends those that do not keep up.
			w.pause(time.Millisecond)
		}
	}
}

// watch closes a subscription that has ended or has nobody on the other side any more.
func (w *warnings) watch(ctx context.Context, sub *redis.PubSub, said <-chan struct{}) {
	defer sub.Close()
	for asked := false; ; {
		select {
		case <-ctx.Done():
			return
		case <-said:
			asked = false
		case <-time.After(hintSilence):
			within, cancel := context.WithTimeout(ctx, hintSilence)
			err := sub.Ping(within)
			cancel()
			if asked || err != nil {
				return
			}
			asked = true
		}
	}
}

// look reads the hint that lives.
func (w *warnings) look(ctx context.Context) error {
	hint := ""
	err := w.f.do(ctx, "warned", func(ctx context.Context) (err error) {
		hint, err = w.f.rdb.GetRange(ctx, w.key, 0, hintBytes).Result()
		if redis.HasErrorPrefix(err, "WRONGTYPE") {
			return nil // of somebody else; the next hint takes its place
		}
		return err
	})
	w.hear(hint)
	return err
}

// hear hears a hint of another one, once.
func (w *warnings) hear(hint string) {
	from, id, ok := strings.Cut(hint, "#")
	if !ok || id == "" || from == "" || from == w.self || len(hint) > hintBytes || hint == w.last {
		return
	}
	w.last = hint
	poke(w.heard)
}

// waitFor reports whether c had something, or was closed, before the end of the Fleet.
func (w *warnings) waitFor(c <-chan struct{}) bool {
	select {
	case <-w.f.ctx.Done():
		return false
	case <-c:
		return w.f.ctx.Err() == nil
	}
}

// pause reports whether it passed before the end of the Fleet.
func (w *warnings) pause(d time.Duration) bool {
	select {
	case <-w.f.ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
