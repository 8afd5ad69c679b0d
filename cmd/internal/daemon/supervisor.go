package daemon

import (
	"context"
	"net"
	"strconv"
	"strings"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// looks is how often the watchdog of a supervisor is fed in its time: one look that takes
// long is no reason to end the calls in progress.
const looks = 4

// beforeStop is how long the end may take besides the drain.
const beforeStop = 15 * time.Second

// notify tells the supervisor, if there is one, how this process fares.
func (d *Daemon) notify(states ...string) {
	if _, err := sd.SdNotify(false, strings.Join(states, "\n")); err != nil {
		d.log.Warn("the supervisor cannot be told how deflectd fares, and may end it", "err", err)
	}
}

func (d *Daemon) notifyReloading() {
	if !d.stopping.Load() {
		d.notify(sd.SdNotifyReloading, strings.TrimSpace(sd.SdNotifyMonotonicUsec()))
	}
}

func (d *Daemon) notifyReloaded(err error) {
	status := "STATUS=Takes calls"
	if err != nil {
		status += " by the configuration before: the last one was refused, see the log"
	}
	if !d.stopping.Load() {
		d.notify(sd.SdNotifyReady, status)
	}
}

// sayElsewhere warns of an address that is the supervisor's: what else reads the
// configuration looks at the other one.
func (d *Daemon) sayElsewhere(key, configured string, ln net.Listener) {
	want, err := net.ResolveTCPAddr("tcp", configured)
	at, ok := ln.Addr().(*net.TCPAddr)
	if err != nil || !ok || want.Port == 0 {
		return
	}
	everywhere := (want.IP == nil || want.IP.IsUnspecified()) && at.IP.IsUnspecified()
	if want.Port != at.Port || !everywhere && !want.IP.Equal(at.IP) {
		d.log.Warn("the supervisor's socket has another address than the configuration, and is used: change one of them (ListenStream=)",
			"key", key, "configured", configured, "used", at.String())
	}
}

// notifyStopping also asks for the time that the calls in progress may need.
func (d *Daemon) notifyStopping() {
	d.reloader.mu.Lock()
	need := d.reloader.current.FreeSWITCH.DrainTimeout + beforeStop
	d.reloader.mu.Unlock()
	d.notify(sd.SdNotifyStopping, "STATUS=Lets the calls in progress end", "EXTEND_TIMEOUT_USEC="+strconv.FormatInt(need.Microseconds(), 10))
}

// feed tells the watchdog of the supervisor again and again, until ctx ends, that calls
// are taken up, for as long as they are. Where no look has ever succeeded, as behind
// rules that let nobody connect from this machine, the process is not restarted for that.
func (d *Daemon) feed(ctx context.Context) {
	every, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		d.log.Warn("the watchdog of the supervisor is not fed, for what it says is no time", "err", err)
	}
	if err != nil || every == 0 {
		return
	}
	tick := time.NewTicker(every / looks)
	defer tick.Stop()
	seen, said := false, false
	for {
		look, cancel := context.WithTimeout(ctx, every/looks)
		looked, err := d.server.Alive(look)
		cancel()
		seen = seen || looked
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			d.notify(sd.SdNotifyWatchdog)
		case !seen:
			d.notify(sd.SdNotifyWatchdog)
			if said {
				break
			}
			said = true
			d.log.Warn("the watchdog cannot tell whether calls are taken up: let connections from this machine itself through", "err", err)
		default:
			d.log.Error("the watchdog of the supervisor is not fed; unless that ends it restarts deflectd, and the callers go on in their dialplan", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
