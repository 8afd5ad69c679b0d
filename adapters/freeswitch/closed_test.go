package freeswitch_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
)

// A client that was closed too early texts nobody, and loses nobody.
func TestClosedClientLosesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fc, api, _ := testConfig(t, nil)
		fc.Client.Close()
		srv, err := freeswitch.New(fc)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		r := &rig{t: t, api: api, srv: srv, ln: newPipeListener()}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(ctx, r.ln) }()
		menu := caller()
		menu.Answered, menu.Vars = true, map[string]string{"deflect_mode": "accepted"}
		for _, c := range []freeswitchtest.Call{caller(), menu} {
			if res := r.run(c); !res.Continued || res.Vars["deflect_outcome"] != "failed" || res.Vars["deflect_reason"] != "shutdown" {
				t.Errorf("variables %v, %v", res.Vars, res.Timeline)
			}
		}
		if n := len(api.Requests()); n != 0 {
			t.Errorf("%d requests", n)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
