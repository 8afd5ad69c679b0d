package freeswitchtest

import (
	"strconv"
	"strings"
	"time"
)

// A channel is the call as the switch knows it.
type channel struct {
	uuid, name, ani string // raw
	called          string // first of all
	dnis, rdnis     string
	dialplan        string
	context         string
	hidden          bool
	socket          string // the argument of the socket application
	socketUUID      string
	async, full     bool // words of it

	state, callState string
	stateNumber      int
	cause            string // of the hang-up
	appName, appArg  string // the last application that began
	digits           string // that were pressed

	created, profiled, answered, ended time.Time
	profileIndex                       int
	transferSource                     string

	core     string // the id of the switch
	vars     variables
	sequence int
	agent    *agent // who talks with the caller
}

func newChannel(c Call, address string, now time.Time) *channel {
	ch := &channel{
		uuid: c.UUID, name: c.CallerName, ani: c.ANI, hidden: c.HideNumber,
		called: c.DNIS, dnis: c.DNIS, dialplan: "XML", context: "public",
		socket: address + pick(c.NotAsync, "", " async") + pick(c.NotFull, "", " full"), socketUUID: newUUID(),
		async: !c.NotAsync, full: !c.NotFull,
		state: "CS_EXECUTE", callState: "RINGING", stateNumber: 4,
		created: now, profiled: now, profileIndex: 1, core: recordedCore, sequence: 1000,
	}
	if ch.uuid == "" {
		ch.uuid = newUUID()
	}
	if ch.hidden {
		ch.name, ch.ani = "Anonymous", "anonymous"
	}
	ch.vars.appear(groupChannel)
	return ch
}

// recordedCore is the id of the switch of the recordings.
const recordedCore = "12ac9d6c-8a66-4256-adef-05b1783d4f9a"

// answer marks the call as answered.
func (ch *channel) answer() {
	ch.answered, ch.callState = time.Now(), "ACTIVE"
	ch.vars.appear(groupAnswer)
}

// up tells whether nobody has ended the call.
func (ch *channel) up() bool { return ch.cause == "" }

// sipName is the name of the channel as the disconnect notice has it, which
// is the only place where a value is not encoded.
func (ch *channel) sipName() string {
	return "sofia/internal/" + strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, ch.ani) + "@127.0.0.1"
}

// fill writes a field of the template.
func (ch *channel) fill(dst []byte, field string) []byte {
	switch field {
	case "uuid":
		return appendEncoded(dst, ch.uuid)
	case "ani":
		return appendEncoded(dst, ch.ani)
	case "stripped":
		return appendEncoded(dst, strings.TrimPrefix(ch.ani, "+"))
	case "name":
		return appendEncoded(dst, ch.name)
	case "dnis":
		return appendEncoded(dst, ch.called)
	case "dialed":
		return appendEncoded(dst, ch.dnis)
	case "dialplan":
		return appendEncoded(dst, ch.dialplan)
	case "context":
		return appendEncoded(dst, ch.context)
	case "rdnis":
		return appendEncoded(dst, ch.rdnis)
	case "transfer":
		return appendEncoded(dst, ch.transferSource)
	case "index":
		return strconv.AppendInt(dst, int64(ch.profileIndex), 10)
	case "shown":
		return strconv.AppendBool(dst, !ch.hidden)
	case "hidden":
		return strconv.AppendBool(dst, ch.hidden)
	case "screen":
		return append(dst, pick(ch.hidden, "no", "yes")...)
	case "privacy":
		return append(dst, pick(ch.hidden, "full", "off")...)
	case "state":
		return append(dst, ch.state...)
	case "callstate":
		return append(dst, ch.callState...)
	case "statenumber":
		return strconv.AppendInt(dst, int64(ch.stateNumber), 10)
	case "answerstate":
		return append(dst, pick(!ch.up(), "hangup", pick(ch.answered.IsZero(), "ringing", "answered"))...)
	case "cause":
		return append(dst, ch.cause...)
	case "q850":
		return strconv.AppendInt(dst, int64(q850[ch.cause]), 10)
	case "digits":
		return append(dst, pick(ch.digits == "", "none", ch.digits)...)
	case "app":
		return appendEncoded(dst, ch.appName)
	case "arg":
		return appendEncoded(dst, ch.appArg)
	}
	if value, ok := ch.talk(field); ok {
		return appendEncoded(dst, value)
	}
	return ch.fillTime(dst, field)
}

func (ch *channel) fillTime(dst []byte, field string) []byte {
	end := ch.ended
	if end.IsZero() {
		end = time.Now()
	}
	moment, unit, _ := strings.Cut(field, ".")
	switch moment {
	case "created", "start":
		return appendMoment(dst, ch.created, unit)
	case "profiled":
		return appendMoment(dst, ch.profiled, unit)
	case "answered", "answer":
		return appendMoment(dst, ch.answered, unit)
	case "hungup":
		if ch.callState != "HANGUP" {
			return append(dst, '0')
		}
		return appendMoment(dst, end, unit)
	case "bridged":
		if ch.agent == nil {
			return append(dst, '0')
		}
		return appendMoment(dst, ch.agent.bridged, unit)
	case "agentcreated":
		return appendMoment(dst, ch.agent.created, unit)
	case "end":
		return appendMoment(dst, end, unit)
	case "total":
		return appendLength(dst, ch.created, end, unit)
	}
	if ch.answered.IsZero() {
		return append(dst, '0')
	}
	switch moment {
	case "billed":
		return appendLength(dst, ch.answered, end, unit)
	case "ring":
		return appendLength(dst, ch.created, ch.answered, unit)
	}
	panic("freeswitchtest: template: no field " + field)
}

func appendMoment(dst []byte, t time.Time, unit string) []byte {
	switch {
	case unit == "stamp" && t.IsZero():
		return dst
	case unit == "stamp":
		return appendEncoded(dst, t.UTC().Format("2006-01-02 15:04:05"))
	case t.IsZero():
		return append(dst, '0')
	case unit == "s":
		return strconv.AppendInt(dst, t.Unix(), 10)
	}
	return strconv.AppendInt(dst, t.UnixMicro(), 10)
}

func appendLength(dst []byte, from, to time.Time, unit string) []byte {
	switch unit {
	case "s": // the switch subtracts whole seconds
		return strconv.AppendInt(dst, to.Unix()-from.Unix(), 10)
	case "ms":
		return strconv.AppendInt(dst, to.Sub(from).Milliseconds(), 10)
	}
	return strconv.AppendInt(dst, to.Sub(from).Microseconds(), 10)
}

var q850 = map[string]int{"NORMAL_CLEARING": 16, "DESTINATION_OUT_OF_ORDER": 27}

func pick(cond bool, yes, no string) string {
	if cond {
		return yes
	}
	return no
}
