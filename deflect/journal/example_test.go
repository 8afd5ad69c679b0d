package journal_test

import (
	"log"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
)

var backend deflect.Backend // such as a livedeflect.Client

func Example() {
	state, err := journal.Open("/var/lib/menu", journal.Options{}) // who was texted, what is being sent, in doubt, or waits
	if err != nil {
		log.Fatal(err)
	}
	defer state.Close() //nolint:errcheck // after the client
	sales, err := deflect.NewPolicy("sales", deflect.Rules{Later: deflect.Later{Failed: time.Hour}})
	if err != nil {
		log.Fatal(err)
	}
	client, err := deflect.New(deflect.Config{Backend: backend, Journal: state, Policies: []*deflect.Policy{sales}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
}
