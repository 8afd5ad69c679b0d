// Command switch is a double of a FreeSWITCH for deflectctl doctor: its event socket, with
// the dialplan file that a package has, on the machine where that is installed.
//
//	switch ADDRESS PASSWORD DIALPLAN.xml SOUND_PREFIX
package main

import (
	"log"
	"net"
	"os"
	"regexp"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
)

var preprocessed = regexp.MustCompile(`<X-PRE-PROCESS cmd="set" data="([^=]+)=([^"]*)"/>`)

// queue is where the dialplan's calls go on, as its file has it.
const queue = `<extension name="queue"><condition field="destination_number" expression="^5900$"><action application="fifo" data="queue in"/></condition></extension>`

func main() {
	log.SetFlags(0)
	address, password, name, sounds := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	raw, err := os.ReadFile(name)
	if err != nil {
		log.Fatal(err)
	}
	// As the switch reads it: values are set, and filled in.
	dialplan := string(raw)
	for _, set := range preprocessed.FindAllStringSubmatch(dialplan, -1) {
		dialplan = strings.ReplaceAll(dialplan, "$${"+set[1]+"}", set[2])
	}
	dialplan = preprocessed.ReplaceAllString(dialplan, "")
	_, dialplan, _ = strings.Cut(dialplan, "<include>")
	dialplan, _, _ = strings.Cut(dialplan, "</include>")
	sw := &freeswitchtest.Switch{
		Password: password, Modules: []string{"mod_say_en"}, Contexts: map[string]string{"public": dialplan, "default": queue},
		Settings: map[string]string{"apply-inbound-acl": "loopback.auto"}, Globals: map[string]string{"sound_prefix": sounds},
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	log.Print("switch on ", address)
	for {
		conn, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go sw.ServeConn(conn)
	}
}
