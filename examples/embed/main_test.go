package main

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// One key press, one text: the whole program against the API's double.
func TestOneText(t *testing.T) {
	api := livedeflecttest.RunT(t, livedeflecttest.Config{ConsumerKey: "key", ConsumerSecret: "secret"})
	cfg := livedeflect.Config{SiteID: "38856538", BaseURL: api.URL()}
	cfg.Auth = liveperson.OAuth1{ConsumerKey: "key", ConsumerSecret: deflect.NewSecret("secret")}
	err := run(t.Context(), io.Discard, cfg, "+14043438646", "+18005550100")
	if sent := api.Sent(); err != nil || len(sent) != 1 || sent[0].Skill != "sales" {
		t.Errorf("sent %v, error %v", sent, err)
	}
}

func TestRun(t *testing.T) {
	keys := livedeflecttest.Config{ConsumerKey: "k", ConsumerSecret: "s", Token: "t", TokenSecret: "ts"}
	const caller = "+14043438646"
	tests := []struct {
		name  string
		fault livedeflecttest.Fault
		from  string
		want  string
		err   error
		texts int
	}{
		{"sent", livedeflecttest.Fault{}, caller, "sent: a text is on its way, callId 473513\n", nil, 1},
		{"refused by the API", livedeflecttest.Fault{Status: 400, Body: `{"error":"no such skill"}`}, caller,
			"failed: no text, the caller waits on: deflect: rejected: no text was sent: HTTP 400 \"no such skill\"\n", nil, 0},
		{"lost", livedeflecttest.Fault{Status: 503, Body: "{}"}, caller,
			"uncertain: a text may be on its way, do not send again: deflect: server_error: a text may have been sent, do not send again: HTTP 503\n", nil, 0},
		{"delivered twice", livedeflecttest.Fault{InvalidNonce: true}, caller,
			"uncertain: a text may be on its way, do not send again: deflect: invalid_nonce: a text may have been sent, do not send again: HTTP 401 \"Invalid Nonce - Nonce has been previously used\"\n", nil, 0},
		{"wrong keys", livedeflecttest.Fault{Status: 401}, caller, "", deflect.ErrUnauthorized, 0},
		{"refused an offer: a landline", livedeflecttest.Fault{}, "+493012345678",
			"not offered, the caller waits on: deflect: number_fixed_line: no text was sent: ANI is a landline, which cannot get a text\n", nil, 0},
		{"refused an offer: hidden", livedeflecttest.Fault{}, "anonymous",
			"not offered, the caller waits on: deflect: number_hidden: no text was sent: ANI is withheld by the caller\n", nil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := livedeflecttest.RunT(t, keys)
			api.Inject(tt.fault)
			cfg := livedeflect.Config{
				SiteID: "38856538", BaseURL: api.URL(),
				Auth: liveperson.OAuth1{ConsumerKey: "k", ConsumerSecret: deflect.NewSecret("s"), Token: "t", TokenSecret: deflect.NewSecret("ts")},
			}
			var out bytes.Buffer
			err := run(t.Context(), &out, cfg, tt.from, "+18005550100")
			if out.String() != tt.want || !errors.Is(err, tt.err) || len(api.Sent()) != tt.texts {
				t.Errorf("run printed %q and returned %v after %d texts, want %q, %v and %d", out.String(), err, len(api.Sent()), tt.want, tt.err, tt.texts)
			}
		})
	}
	t.Run("no keys", func(t *testing.T) {
		if err := run(t.Context(), &bytes.Buffer{}, livedeflect.Config{}, caller, caller); !errors.Is(err, deflect.ErrInvalidConfig) {
			t.Errorf("run returned %v", err)
		}
	})
}
