package main

import (
	"bytes"
	"errors"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/deflecttest"
)

func TestRun(t *testing.T) {
	keys := deflecttest.Config{ConsumerKey: "k", ConsumerSecret: "s", Token: "t", TokenSecret: "ts"}
	tests := []struct {
		name  string
		fault deflecttest.Fault
		want  string
		err   error
	}{
		{"sent", deflecttest.Fault{}, "sent: text sent, callId 473513\n", nil},
		{"refused", deflecttest.Fault{Status: 400, Body: `{"error":"no such skill"}`},
			"failed: no text; the caller waits in the queue: deflect: rejected: no text was sent: HTTP 400 \"no such skill\"\n", nil},
		{"lost", deflecttest.Fault{Status: 503, Body: "{}"},
			"uncertain: a text may be on its way; do not send again: deflect: server_error: a text may have been sent, do not send again: HTTP 503\n", nil},
		{"wrong keys", deflecttest.Fault{Status: 401}, "", deflect.ErrUnauthorized},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := deflecttest.RunT(t, keys)
			api.Inject(tt.fault)
			cfg := deflect.Config{
				SiteID: "38856538", BaseURL: api.URL(),
				Auth: deflect.OAuth1{ConsumerKey: "k", ConsumerSecret: deflect.NewSecret("s"), Token: "t", TokenSecret: deflect.NewSecret("ts")},
			}
			var out bytes.Buffer
			err := run(t.Context(), &out, cfg, "+14043438646", "+18005550100")
			if out.String() != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("run printed %q and returned %v, want %q and %v", out.String(), err, tt.want, tt.err)
			}
		})
	}
	t.Run("landline", func(t *testing.T) {
		cfg := deflect.Config{SiteID: "1", Domain: "va", Auth: deflect.OAuth1{ConsumerKey: "k", ConsumerSecret: deflect.NewSecret("s")}}
		if err := run(t.Context(), &bytes.Buffer{}, cfg, "+493012345678", "+18005550100"); !errors.Is(err, deflect.ErrInvalidCall) {
			t.Errorf("run returned %v", err)
		}
	})
}
