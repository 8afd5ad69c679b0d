package freeswitchtest

import (
	"fmt"
	"strings"
	"time"
)

// transfer gives the call a new caller profile, as every transfer does.
func (ch *channel) transfer(extension, dialplan, context string) {
	ch.newProfile()
	ch.transferSource = fmt.Sprintf("%d:%s:bl_xfer:%s/%s/%s", ch.profiled.Unix(), newUUID(), extension, context, dialplan)
	ch.rdnis, ch.dnis, ch.dialplan, ch.context = ch.dnis, extension, dialplan, context
	ch.stateNumber = 2
	ch.vars.set("max_forwards", "69")
	ch.vars.set("transfer_history", ch.transferSource)
	ch.vars.set("transfer_source", ch.transferSource)
}

// bye is the end of an answered call from the caller's telephone.
func (ch *channel) bye(hangUp func()) {
	v := &ch.vars
	v.set("sip_reason", `Q.850;cause=16;text="NORMAL_CLEARING"`)
	v.set("sip_term_status", "200")
	v.set("proto_specific_hangup_cause", "sip:200")
	v.set("sip_term_cause", "16")
	hangUp()
	agent, _ := v.get("sip_user_agent", ch.fill)
	v.set("sip_user_agent", agent)
	v.set("sip_hangup_disposition", "recv_bye")
}

// hangUp marks the end of the call.
func (ch *channel) hangUp(cause string, emit func(event)) {
	ch.cause, ch.stateNumber, ch.ended = cause, 10, time.Now()
	emit(event{name: eventHangup, source: fromHangup})
}

// report takes the channel apart.
func (ch *channel) report(emit func(event)) {
	ch.state = "CS_HANGUP"
	emit(event{name: "CHANNEL_STATE", source: fromState, bare: true})
	ch.state, ch.callState, ch.stateNumber = "CS_REPORTING", "HANGUP", 11
	emit(event{name: "CHANNEL_STATE", source: fromState, bare: true})
	ch.vars.appear(groupReport)
	if _, byPeer := ch.vars.get("sip_hangup_disposition", ch.fill); !byPeer && !ch.answered.IsZero() {
		ch.vars.set("sip_hangup_disposition", "send_bye")
	}
	emit(event{name: eventReport, source: fromReport})
}

// dump gives the channel as uuid_dump does.
func (ch *channel) dump() string {
	return string(append(ch.append(make([]byte, 0, eventSize), event{name: eventData, source: fromDump}), '\n'))
}

// dumpJSON gives the channel as uuid_dump does that is asked for JSON.
func (ch *channel) dumpJSON() string {
	return string((&message{name: eventData, lines: strings.TrimSuffix(ch.dump(), "\n")}).object())
}

// newProfile is what every move of a call makes.
func (ch *channel) newProfile() {
	ch.profiled = time.Now()
	ch.profileIndex++
}
