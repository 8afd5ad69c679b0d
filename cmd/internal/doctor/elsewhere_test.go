package doctor

import (
	"net"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
)

// far is a connection to another machine.
type far struct{ net.Conn }

func (far) LocalAddr() net.Addr  { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 40000} }
func (far) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(240, 0, 0, 7), Port: 8021} }

// A switch on another machine whose dialplan has the address that it comes with hands calls
// over to nobody.
func TestDialplanOfAnotherMachine(t *testing.T) {
	e, s := &exam{file: config.File{OutboundListen: "0.0.0.0:8084"}}, &socket{nc: far{}}
	x := extensionXML{Name: "deflect_offer"}
	plan, err := readDialplan(`<section><context name="public"><extension><condition field="destination_number" expression="^x$"/></extension></context></section>`)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ addrs, do string }{
		{"127.0.0.1:8084", "to 192.0.2.1:8084"}, {"localhost:8084", "to 192.0.2.1:8084"}, {"127.0.0.1:8084|192.0.2.1:8084", ""}, {"192.0.2.1:8084", ""},
	} {
		x.Conditions = []conditionXML{{Actions: []actionXML{{"sched_transfer", "+90 x"}, {"socket", tt.addrs + " async full"}}}}
		hands, err := e.handsOver(s, x)
		if err != nil || !hands.us {
			t.Fatalf("%s: %+v, %v", tt.addrs, hands, err)
		}
		found := e.wording(freeswitch.Switch{Name: "fs1"}, s, plan, freeswitch.Profile{}, contextXML{Name: "public"}, x, hands)
		if tt.do == "" && len(found) > 0 || tt.do != "" && (len(found) != 1 || found[0].Level != Warning || !strings.Contains(found[0].Do, tt.do)) {
			t.Errorf("%s: %+v", tt.addrs, found)
		}
	}
}
