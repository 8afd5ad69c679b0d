package freeswitchtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// shows are the lists that are played.
var shows = map[string]bool{"channels as json": true, "channels count": true}

// The switch writes its table of calls a while after the calls themselves.
const showLag = 150 * time.Millisecond

// listedLocked are the calls that the table has.
func (s *Switch) listedLocked() []*Waiting {
	return slices.DeleteFunc(slices.Clone(s.order), func(w *Waiting) bool { return time.Since(w.start) < showLag })
}

// showLocked lists the calls.
func (s *Switch) showLocked(args string) string {
	calls := s.listedLocked()
	switch strings.ToLower(strings.Join(strings.Fields(args), " ")) {
	case "channels as json":
	case "channels count":
		return fmt.Sprintf("\n%d total.\n", len(calls))
	default:
		return usageOf("show")
	}
	if len(calls) == 0 {
		return `{"row_count": 0}` + "\n"
	}
	dst := append([]byte(`{"row_count":`), strconv.Itoa(len(calls))...)
	dst = append(dst, `,"rows":[`...)
	for i, w := range calls {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendRow(dst, w.ch)
	}
	return string(append(dst, "]}"...))
}

// appendRow writes a call as a row of the switch's own table.
func appendRow(dst []byte, ch *channel) []byte {
	dst = append(dst, '{')
	for i, h := range channelRow {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, h.name), ':')
		var value []byte
		for _, p := range h.parts {
			if value = append(value, p.text...); p.field != "" {
				value = ch.fill(value, p.field)
			}
		}
		dst = appendString(dst, decoded(string(value)))
	}
	return append(dst, '}')
}

var channelRow = parseSections(`[row]
uuid: {uuid}
direction: inbound
created: {created.stamp}
created_epoch: {created.s}
name: sofia/internal/{ani}%40127.0.0.1
state: {state}
cid_name: {cidname}
cid_num: {cidnumber}
ip_addr: 127.0.0.1
dest: {dialed}
application: {app}
application_data: {arg}
dialplan: {dialplan}
context: {context}
read_codec: PCMU
read_rate: 8000
read_bit_rate: 64000
write_codec: PCMU
write_rate: 8000
write_bit_rate: 64000
secure: 
hostname: vm
presence_id: 
presence_data: 
accountcode: 
callstate: {callstate}
callee_name: {calleename}
callee_num: {calleenumber}
callee_direction: 
call_uuid: 
sent_callee_name: 
sent_callee_num: 
initial_cid_name: {name}
initial_cid_num: {ani}
initial_ip_addr: 127.0.0.1
initial_dest: {dnis}
initial_dialplan: XML
initial_context: public
`)["row"]
