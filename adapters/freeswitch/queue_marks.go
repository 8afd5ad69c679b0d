package freeswitch

import (
	"strconv"
	"strings"
)

// mark is what a channel is to say of its offer. By it another start of ours knows whether
// the call is on offer, and so does another daemon; and the filter of the link lets its
// events through.
type mark struct {
	set  string
	on   bool
	only func(headers) bool // what has to be true of the channel; nil for nothing
}

var (
	onMark      = offerVariable + "=true;" + placeVariable + "=" // and the place
	decidedMark = placeVariable + "=0"                           // that it is not, though it may be announced
	offMark     = offerVariable + "=;" + placeVariable + "="
)

// mark sets a mark on the channel of a call. One that says that the call is not on offer is
// left out if it is again, and owed if the switch is away.
func (w *watcher) mark(l *link, key callKey, c *announced, m mark) {
	cmd, ok := setVariables(key.uuid, m.set)
	if !ok {
		return
	}
	// It may have been announced again since somebody wanted to take it off.
	still := func() bool { return m.on || !w.onOffer(key) }
	j := job{call: key.uuid, command: cmd, still: still, only: m.only}
	j.done = func(_ string, err error) {
		switch {
		case isGone(err):
			w.hungUp(l, key, nil) // before its events could come to us
		case err == nil && m.on:
			w.mu.Lock()
			c.marked = true
			w.mu.Unlock()
		case unsaid(err) && !m.on:
			c.owe(l, key, j)
		}
	}
	l.post(j)
}

// told is what the data of a channel say of its offer, as a daemon of the fleet reads them.
type told struct {
	answered uint64 // number of the key press that was answered last
	on       bool   // it is marked as on offer where it is
	offered  bool   // its events come through the filter
}

func toldBy(data headers) told {
	return told{answered: answeredOf(data), on: onOfferHere(data), offered: variableOf(data, offerVariable) == "true"}
}

// onMark is that of a call on offer at a place, after a key was answered.
func (w *watcher) onMark(at place, answered uint64) mark {
	m := mark{set: onMark + at.profile, on: true}
	if w.fleet != nil { // one that has answered the next key may be faster
		m.only = func(now headers) bool { return placeOf(now) == at && answeredOf(now) == answered }
	}
	return m
}

// unservedMark is that of a call that this daemon does not serve. In a fleet another one may,
// whose configuration is younger.
func (w *watcher) unservedMark(said told) mark {
	switch {
	case w.fleet == nil:
		return mark{set: offerVariable + "=true;" + decidedMark}
	case said.offered:
		return mark{}
	}
	return mark{set: offerVariable + "=true"}
}

// offMark is that of a call that is not on offer any more at a place. In a fleet it may be
// on offer at another one already, and what the queue has said of it stays.
func (w *watcher) offMark(at place) mark {
	m := mark{set: offMark}
	if w.fleet != nil {
		m.only = func(now headers) bool {
			return variableOf(now, offerVariable) == "true" && markedAt(now) == at.profile
		}
	}
	return m
}

// decidedMark is that of a call whose caller has got an answer.
func (h *hold) decidedMark() mark {
	return mark{set: placeVariable + "=" + decidedPrefix + h.at.profile, only: func(now headers) bool {
		return variableOf(now, placeVariable) == h.hand && answeredOf(now) == h.seq
	}}
}

// inHandHere reports whether a channel says that a daemon of a fleet deals with a key of it.
func inHandHere(data headers) bool {
	p := placeOf(data)
	profile, _, ok := inHandOf(data)
	return ok && variableOf(data, offerVariable) == "true" && profile != "" && profile == p.profile && p.leg == "" && !p.parked
}

// What deflect_offer_at says to the other daemons besides the place, and besides nothing:
// that a key is being answered there, in the round after that of another key, or was. To a
// daemon without claims, both are of no offer.
const (
	handPrefix    = "hand." // and the number of the other key, and the place
	decidedPrefix = "done." // and the place
)

func inHandAt(at place, answered uint64) string {
	return handPrefix + strconv.FormatUint(answered, 10) + "." + at.profile
}

// inHandOf returns the place and the round of a key that is being answered, by the mark.
func inHandOf(data headers) (profile string, answered uint64, ok bool) {
	rest, ok := strings.CutPrefix(variableOf(data, placeVariable), handPrefix)
	number, profile, found := strings.Cut(rest, ".")
	answered, err := strconv.ParseUint(number, 10, 64)
	return profile, answered, ok && found && err == nil
}

// answeredOf is the number of the key press of a channel that was answered last.
func answeredOf(data headers) uint64 {
	n, _ := strconv.ParseUint(variableOf(data, answeredVariable), 10, 64)
	return n
}

// markedAt is the place that the mark of a channel is of.
func markedAt(data headers) string {
	if profile, _, ok := inHandOf(data); ok {
		return profile
	}
	return strings.TrimPrefix(variableOf(data, placeVariable), decidedPrefix)
}
