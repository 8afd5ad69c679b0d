package freeswitchtest

import (
	"context"
	"io"
	"net"
	"time"
)

// Replayer plays the switch's side of a recording to a peer, whatever the
// peer answers. Its zero value is ready.
//
// A recorded frame is sent as long after the one before as it was recorded,
// and not before the peer has sent as many commands as were recorded before
// it. A recorded reply to a command that the peer does not send is left out:
// the switch never answers what nobody asked.
type Replayer struct {
	// Speed divides the recorded gaps: 2 is twice as fast. 0 means 1.
	Speed float64
	// Quiet is how long the peer may be silent before the recording goes on
	// without a command that the recorded peer sent. 0 means 1 s, negative
	// means that the recording waits for the command.
	Quiet time.Duration
	// KeepUUIDs leaves the recorded Application-UUIDs alone. Otherwise they
	// become those that the peer has given to its own executes.
	KeepUUIDs bool
}

// ReplayResult is what the peer did during a replay.
type ReplayResult struct {
	// Commands are all commands that the peer wrote, without the empty line
	// that ends them.
	Commands []string
	// Violations are those of the commands that FreeSWITCH would not accept
	// or that are dangerous.
	Violations []string
	// Sent and Of count the recorded frames that were sent and that there are.
	Sent, Of int
}

// Replay plays a recording with a zero Replayer.
func Replay(ctx context.Context, conn net.Conn, transcript io.Reader) (ReplayResult, error) {
	return Replayer{}.Replay(ctx, conn, transcript)
}

// Replay plays a recording to the peer on conn and closes conn. It ends when
// the peer closes, when the recorded switch closed, or when all was sent and
// the peer is silent. The error is for a recording that cannot be read and
// for the end of ctx.
func (r Replayer) Replay(ctx context.Context, conn net.Conn, transcript io.Reader) (ReplayResult, error) {
	rec, err := readRecording(transcript)
	if err != nil {
		_ = conn.Close()
		return ReplayResult{}, err
	}
	p := &replay{Replayer: r.withDefaults(), wire: newWire(conn), names: renamer{map[string][]string{}}}
	p.result.Of = len(rec.frames)
	err = p.play(ctx, rec)
	if err != nil {
		_ = conn.Close()
	}
	p.wire.finish(ctx.Done())
	p.receive()
	return p.result, err
}

func (r Replayer) withDefaults() Replayer {
	if r.Speed <= 0 {
		r.Speed = 1
	}
	if r.Quiet == 0 {
		r.Quiet = time.Second
	}
	return r
}

// A replay is one run of a Replayer.
type replay struct {
	Replayer
	wire     *wire
	names    renamer
	executes []execute
	replies  int
	active   time.Time // when either side last said something
	result   ReplayResult
}

func (p *replay) play(ctx context.Context, rec recording) error {
	p.active = time.Now()
	var before time.Duration
	for _, f := range rec.frames {
		if ok, err := p.wait(ctx, f.at-before, f.commands); !ok {
			return err
		}
		before = f.at
		if f.reply() {
			if p.replies >= len(p.result.Commands) {
				continue
			}
			p.replies++
		}
		data := f.data
		if !p.KeepUUIDs {
			data = p.names.rename(data, p.executes)
		}
		p.wire.send(data)
		p.active = time.Now()
		p.result.Sent++
	}
	if rec.closed {
		_, err := p.wait(ctx, rec.closedAt-before, rec.commands)
		return err
	}
	_, err := p.wait(ctx, 0, -1)
	return err
}

// wait waits for both: the gap, and the commands or silence. Fewer than no
// commands waits for silence in any case. It is false if the peer is gone.
func (p *replay) wait(ctx context.Context, gap time.Duration, commands int) (bool, error) {
	until := time.Now().Add(time.Duration(float64(gap) / p.Speed))
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		if p.receive() {
			return false, nil
		}
		now := time.Now()
		next := until
		if commands < 0 || len(p.result.Commands) < commands {
			if next = p.active.Add(p.Quiet); p.Quiet < 0 {
				next = now.Add(time.Hour)
			}
			if next.Before(until) {
				next = until
			}
		}
		if !next.After(now) {
			return true, nil
		}
		timer.Reset(next.Sub(now))
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-timer.C:
		case <-p.wire.wake:
		}
	}
}

// receive takes what the peer has written. It is true if the peer is gone.
func (p *replay) receive() bool {
	commands, err := p.wire.take()
	for _, c := range commands {
		p.active = time.Now()
		p.result.Commands = append(p.result.Commands, c)
		p.executes = appendExecute(p.executes, c)
		for _, problem := range Check(c) {
			p.result.Violations = append(p.result.Violations, violation(problem, c))
		}
	}
	return err != nil
}
