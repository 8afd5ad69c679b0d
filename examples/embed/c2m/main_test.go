package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// configOf is that of the program, with the double in the place of LivePerson's hosts.
func configOf(api *c2mtest.Server) c2m.Config {
	return c2m.Config{
		Account: "38856538", HandoffID: "H123456789", BaseURL: api.URL(),
		Auth: &liveperson.OAuth2{Account: "38856538", ClientID: "id", ClientSecret: deflect.NewSecret("secret"), URL: api.URL()},
	}
}

// One key press, one text: the whole program against the API's double.
func TestOneText(t *testing.T) {
	api := c2mtest.RunT(t, c2mtest.Config{ClientID: "id", ClientSecret: "secret"})
	err := run(t.Context(), io.Discard, configOf(api), "+14043438646", "+18005550100")
	if sent := api.Invites(); err != nil || len(sent) != 1 || sent[0].Skill != "sales" {
		t.Errorf("sent %v, error %v", sent, err)
	}
}

func TestRun(t *testing.T) {
	const caller = "+14043438646"
	tests := []struct {
		name  string
		fault string // of which call, and which
		from  string
		want  string // how what is printed begins
		err   error
		texts int
	}{
		{"sent", "", caller, "sent: a text is on its way, callId ", nil, 1},
		{"not eligible", "eligibility:success-false", caller, "not offered, the caller waits on: deflect: not_eligible: ", nil, 0},
		{"nobody says whether", "eligibility:status=503", caller, "not offered, the caller waits on: deflect: eligibility_unknown: ", nil, 0},
		{"an open conversation", "invite:success-false", caller, "ineligible: no text, the caller waits on: deflect: open_conversation: ", nil, 0},
		{"refused by the API", "invite:status=400", caller, "failed: no text, the caller waits on: deflect: rejected: ", nil, 0},
		{"lost", "invite:status-after=503", caller, "uncertain: a text may be on its way, do not send again: deflect: server_error: ", nil, 1},
		{"no token", "token:status=401", caller, "not offered, the caller waits on: deflect: unauthorized: ", nil, 0},
		{"wrong token", "invite:status=403", caller, "", deflect.ErrUnauthorized, 0},
		{"refused an offer: a landline", "", "+493012345678", "not offered, the caller waits on: deflect: number_fixed_line: ", nil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := c2mtest.RunT(t, c2mtest.Config{ClientID: "id", ClientSecret: "secret"})
			if tt.fault != "" {
				call, fault, err := c2mtest.ParseFault(tt.fault)
				if err != nil {
					t.Fatal(err)
				}
				api.SetFault(call, &fault)
			}
			var out bytes.Buffer
			err := run(t.Context(), &out, configOf(api), tt.from, "+18005550100")
			if !strings.HasPrefix(out.String(), tt.want) || (tt.want == "") != (out.Len() == 0) || !errors.Is(err, tt.err) || len(api.Invites()) != tt.texts {
				t.Errorf("run printed %q and returned %v after %d texts, want %q, %v and %d", out.String(), err, len(api.Invites()), tt.want, tt.err, tt.texts)
			}
		})
	}
	t.Run("no keys", func(t *testing.T) {
		if err := run(t.Context(), &bytes.Buffer{}, c2m.Config{}, caller, caller); !errors.Is(err, deflect.ErrInvalidConfig) {
			t.Errorf("run returned %v", err)
		}
	})
}
