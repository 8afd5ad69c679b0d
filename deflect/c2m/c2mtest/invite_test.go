package c2mtest

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestInviteRefuses(t *testing.T) {
	t.Parallel()
	type change = map[string]any
	const invalid = "Invalid request: "
	for _, tt := range []struct {
		name         string
		change       change
		status, code int
		want         string
	}{
		{"no callId", change{"callId": nil}, 400, 1000, invalid + "callId is required"},
		{"no UUID", change{"callId": "473513"}, 400, 1000, invalid + "callId must be a UUID"},
		{"another version of UUID", change{"callId": "b52403dc-b140-15cc-a9ca-d749a39b1b56"}, 400, 1000, invalid + "callId must be a UUID"},
		{"unknown callId", change{"callId": "b52403dc-b140-45cc-a9ca-d749a39b1b56"}, 404, 1004, "Not Found: there is no such callId (any more)"},
		{"unknown field", change{"skill": "a"}, 400, 1000, invalid + `unknown field "skill"`},
		{"empty", change{"overrideChannel": ""}, 400, 1000, invalid + "overrideChannel must not be empty"},
		{"long message", change{"overrideMessage": strings.Repeat("é", 1601)}, 400, 1000, invalid + "overrideMessage is longer than 1600 characters"},
		{"long skill", change{"overrideSkill": strings.Repeat("é", 256)}, 400, 1000, invalid + "overrideSkill is longer than 255 characters"},
		{"unavailable channel", change{"overrideChannel": "inapp"}, 400, 1900, "Overridden channel is not available"},
		{"unknown channel", change{"overrideChannel": "SMS"}, 400, 1900, "Overridden channel is not available"},
		{"message for WhatsApp", change{"overrideChannel": "wa", "overrideMessage": "a"}, 400, 1000, invalid + "overrideMessage is for sms only"},
		{"other skill", change{"overrideSkill": "billing"}, 400, 1901, "No engagement provided for the overridden skill"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig()
			cfg.Channels, cfg.Skills = []string{SMS, WhatsApp}, []string{"support", "sales"}
			s := New(cfg)
			id, _ := ask(t, s, testNumber)
			wantCode(t, invite(t, s, id, tt.change), tt.status, tt.code, tt.want)
			if got := s.Invites(); len(got) != 0 {
				t.Errorf("got %+v", got)
			}
			// What was refused as a whole can be put right.
			if got := invite(t, s, id, nil); got.status != 200 || len(s.Violations()) != 0 {
				t.Errorf("got %+v, %v", got, s.Violations())
			}
		})
	}
}

func TestInvites(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.Channels = []string{WhatsApp, SMS}
	s := New(cfg)
	id, _ := ask(t, s, testNumber)
	got := invite(t, s, id, map[string]any{"overrideChannel": "twilio", "overrideMessage": strings.Repeat("é", 1600), "overrideSkill": "sales"})
	if got.status != 200 || got.body != `{"callId":"`+id+`"}` {
		t.Errorf("got %+v", got)
	}
	other, _ := ask(t, s, "+14043438647")
	invite(t, s, other, nil)
	invites := s.Invites()
	if len(invites) != 2 {
		t.Fatalf("got %+v", invites)
	}
	want := Invite{
		CallID: id, Time: invites[0].Time, Account: testAccount, Number: testNumber, Skill: "sales", HandoffID: "H123456789", Channel: SMS,
		Message:         strings.Repeat("é", 1600),
		OverrideChannel: "twilio", OverrideMessage: strings.Repeat("é", 1600), OverrideSkill: "sales",
		Asked: s.Eligibilities()[0], Sent: true,
	}
	if diff := cmp.Diff(want, invites[0]); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if inv := invites[1]; inv.CallID != other || inv.Channel != WhatsApp || inv.Skill != "support" || inv.Message != "" {
		t.Errorf("got %+v", inv)
	}
	if r := s.Requests()[1]; r.Call != CallInvite || r.CallID != id || !r.Processed || r.Status != 200 {
		t.Errorf("got %+v", r)
	}
}

// A second invite sends a second message, and is on record, unless the first one's answer
// said that nothing was sent.
func TestSecondInvite(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		reading   SecondInvite
		first     Fault
		status    int
		messages  int
		violation bool
	}{
		{"sends again", SendsAgain, Fault{}, 200, 2, true},
		{"refused", SecondRefused, Fault{}, 400, 1, true},
		{"after a reset", SendsAgain, Fault{ResetAfter: true}, 200, 2, true},
		{"after a reset before", SendsAgain, Fault{ResetBefore: true}, 200, 1, true},
		{"after 503", SendsAgain, Fault{Status: 503}, 200, 1, true},
		{"after 502 that sent", SecondRefused, Fault{Status: 502, StatusAfterProcessing: true}, 400, 1, true},
		{"after 200 without a message", SendsAgain, Fault{NoText: true}, 200, 2, true},
		{"after two copies", SendsAgain, Fault{DeliveredTwice: true}, 200, 2, true},
		{"after 429", SendsAgain, Fault{Status: 429}, 200, 1, false},
		{"after 401", SendsAgain, Fault{InvalidNonce: true}, 200, 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig()
			cfg.SecondInvite = tt.reading
			s := New(cfg)
			id, _ := ask(t, s, testNumber)
			s.Inject(CallInvite, tt.first)
			invite(t, s, id, nil)
			if got := invite(t, s, id, nil); got.status != tt.status {
				t.Errorf("got %+v", got)
			}
			if n := len(s.Invites()); n != tt.messages {
				t.Errorf("%d messages, want %d", n, tt.messages)
			}
			v := s.Violations()
			if (len(v) == 1) != tt.violation || tt.violation && (v[0].CallID != id || v[0].What != "a second invite with a callId") {
				t.Errorf("got %+v", v)
			}
		})
	}
}

func TestInviteOfWhoIsNotEligible(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	s.OpenConversation(testNumber)
	id, eligible := ask(t, s, testNumber)
	wantCode(t, invite(t, s, id, nil), 400, 1400, "Message cannot be sent")
	if v := s.Violations(); eligible || len(v) != 1 || v[0].What != "an invite for who was not eligible" {
		t.Errorf("got %t, %+v", eligible, v)
	}
}

// A conversation may open between the two calls, and a ticket grow old.
func TestInviteTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.TicketLife = 10 * time.Minute
		s := New(cfg)
		id, _ := ask(t, s, testNumber)
		s.OpenConversation(testNumber)
		wantCode(t, invite(t, s, id, nil), 400, 1400, "Message cannot be sent")
		s.CloseConversation(testNumber)
		time.Sleep(10*time.Minute + 1)
		wantCode(t, invite(t, s, id, nil), 404, 1004, "Not Found: there is no such callId (any more)")
		id, _ = ask(t, s, testNumber)
		time.Sleep(10 * time.Minute)
		if got := invite(t, s, id, nil); got.status != 200 || len(s.Invites()) != 1 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestOptedOut(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	s.OptOut(testNumber, true)
	id, _ := ask(t, s, testNumber)
	if got := invite(t, s, id, nil); got.status != 200 {
		t.Errorf("got %+v", got)
	}
	if got := s.Invites(); len(got) != 1 || got[0].Sent {
		t.Errorf("got %+v", got)
	}
}

func TestOtherCallID(t *testing.T) {
	t.Parallel()
	cfg := testConfig()
	cfg.OtherCallID = true
	s := New(cfg)
	id, _ := ask(t, s, testNumber)
	if got := invite(t, s, id, nil); got.status != 200 || strings.Contains(got.body, id) || s.Invites()[0].CallID != id {
		t.Errorf("got %+v", got)
	}
}

// Whoever replies has an open conversation from then on.
func TestReplies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Consumer = func(i Invite) Consumer { return Consumer{Replies: i.Number == testNumber, After: time.Minute} }
		s := New(cfg)
		for _, number := range []string{testNumber, "+14043438647"} {
			id, _ := ask(t, s, number)
			invite(t, s, id, nil)
		}
		time.Sleep(time.Minute - 1)
		if _, eligible := ask(t, s, testNumber); !eligible {
			t.Error("not eligible before the reply")
		}
		time.Sleep(time.Nanosecond)
		if _, eligible := ask(t, s, testNumber); eligible {
			t.Error("eligible after the reply")
		}
		if _, eligible := ask(t, s, "+14043438647"); !eligible {
			t.Error("not eligible without a reply")
		}
		s.CloseConversation(testNumber)
		if _, eligible := ask(t, s, testNumber); !eligible {
			t.Error("not eligible after the conversation")
		}
	})
}

func TestPathsMethodsVersions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method, path string
		status, code int
		text         string
	}{
		{"POST", "/", 404, 1004, "Not Found"},
		{"POST", "/api/account/" + testAccount + "/eligibility/?v=2.0", 404, 1004, "Not Found"},
		{"POST", "/api/account//eligibility?v=2.0", 404, 1004, "Not Found"},
		{"POST", "/api/account/" + testAccount + "/Eligibility?v=2.0", 404, 1004, "Not Found"},
		{"GET", pathAsk, 405, 1005, "Method Not Allowed"},
		{"PUT", pathInvite, 405, 1005, "Method Not Allowed"},
		{"POST", "/api/account/1/eligibility?v=2.0", 401, 1100, "Invalid Bearer token: jwt audience invalid"},
		{"POST", "/api/account/" + testAccount + "/eligibility", 400, 1002, "Invalid version: the query must be v=2.0"},
		{"POST", "/api/account/" + testAccount + "/invite?v=1.0", 400, 1002, "Invalid version: the query must be v=2.0"},
		{"POST", pathAsk + "&x=1", 400, 1002, "Invalid version: the query must be v=2.0"},
	} {
		s := New(testConfig())
		got := send(inMemory(s), request(t, t.Context(), s, tt.method, tt.path, body(t, askFields(), nil)))
		wantCode(t, got, tt.status, tt.code, tt.text)
		if allow := got.header.Get("Allow"); (allow == "POST") != (tt.status == 405) {
			t.Errorf("%s %s: got Allow %q", tt.method, tt.path, allow)
		}
	}
}

func TestContentType(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{
		"": "Content-Type must be application/json", "text/json": "Content-Type must be application/json",
		"application/json; charset=latin1": "Content-Type must be application/json",
	} {
		s := New(testConfig())
		req := request(t, t.Context(), s, http.MethodPost, pathAsk, body(t, askFields(), nil))
		req.Header.Set("Content-Type", kind)
		wantCode(t, send(inMemory(s), req), 415, 1015, "Unsupported Media Type: "+want)
	}
	s := New(testConfig())
	req := request(t, t.Context(), s, http.MethodPost, pathAsk, body(t, askFields(), nil))
	req.Header.Set("Content-Encoding", "gzip")
	wantCode(t, send(inMemory(s), req), 415, 1015, "Content-Encoding must not be set")
}

func TestRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cfg := testConfig()
		cfg.Rate = 3
		s := New(cfg)
		id, _ := ask(t, s, testNumber)
		time.Sleep(400 * time.Millisecond)
		ask(t, s, testNumber)
		ask(t, s, testNumber)
		wantCode(t, invite(t, s, id, nil), 429, 1029, "Rate limit hit")
		time.Sleep(600*time.Millisecond - 1)
		wantCode(t, invite(t, s, id, nil), 429, 1029, "Rate limit hit")
		time.Sleep(time.Nanosecond)
		if got := invite(t, s, id, nil); got.status != 200 || len(s.Violations()) != 0 {
			t.Errorf("got %+v", got)
		}
		wantCode(t, post(t, s, pathAsk, body(t, askFields(), nil)), 429, 1029, "Rate limit hit")
	})
	cfg := testConfig()
	cfg.Rate = -1
	s := New(cfg)
	for range 100 {
		ask(t, s, testNumber)
	}
}
