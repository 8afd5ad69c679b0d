package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/c2m/c2mtest"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// The client of the simulator. It opens nothing.
const (
	simulatorClient       = "simulator-client"
	simulatorClientSecret = "simulator-client-secret"
)

type simulateC2MCmd struct {
	Listen      string        `default:"127.0.0.1:8091" placeholder:"ADDR" help:"Address to listen on (default: ${default})."`
	AllowRemote bool          `help:"Permit an address that other machines can reach: plain HTTP, for a test network only."`
	Account     string        `placeholder:"ID" help:"The only account that is accepted (default: any)."`
	ClientID    string        `name:"client-id" default:"simulator-client" placeholder:"ID" help:"Client id of OAuth 2.0 (default: ${default})."`
	TokenLife   time.Duration `default:"1h" placeholder:"DURATION" help:"How long a token is good (default: ${default})."`
	ConsumerKey string        `default:"simulator-key" placeholder:"KEY" help:"App key of OAuth 1.0 (default: ${default})."`
	Token       string        `default:"simulator-token" placeholder:"TOKEN" help:"Access token of OAuth 1.0 (default: ${default})."`
	Channels    []string      `default:"sms" placeholder:"CHANNEL" help:"Channels of each handoff by priority: sms, wa, or inapp alone (default: ${default})."`
	Rate        int           `default:"30" placeholder:"NUMBER" help:"Requests a second for eligibility and invites, together (default: ${default}); -1 is any number."`
	Fault       []string      `sep:"none" placeholder:"CALL:FAULT" help:"What every request of a call meets; repeat it for other calls."`
	NextFault   []string      `sep:"none" placeholder:"CALL:FAULT" help:"What the next request of a call meets; repeat it for the ones after."`

	OpenConversation []string `placeholder:"NUMBER" help:"Whoever has a conversation already."`
	OptedOut         []string `placeholder:"NUMBER" help:"Whoever wants no messages."`
	Landline         []string `placeholder:"NUMBER" help:"What cannot be texted, and is told."`
	OffShift         []string `placeholder:"SKILL-ID" help:"A skill for which nobody is on shift."`

	ReportLag         time.Duration `placeholder:"DURATION" help:"How late events get into the report (default: not at all)."`
	ConversationAfter time.Duration `placeholder:"DURATION" help:"How long after its text a conversation opens (default: never)."`
}

// Help is shown below the usage.
func (simulateC2MCmd) Help() string {
	return `Plays all that belongs to Connect to Messaging, at one address: eligibility, invite, token (OAuth 2.0), domain (the Domain
API), transactions and analytics (the report), shift_status. Checks tokens, signatures and every field of a request like the
real APIs, and prints a line for each. No text reaches anybody. The secrets are those of DEFLECT_CLIENT_SECRET,
DEFLECT_CONSUMER_SECRET and DEFLECT_TOKEN_SECRET, else "` + simulatorClientSecret + `", "` + simulatorConsumerSecret + `" and
"` + simulatorTokenSecret + `". Ends with ctrl-C.

A fault is a call, a colon, and one or more words with commas between them:
  invite:status=503 answers with an error; no text
  reset-before      the connection dies; no text
  hang              never answers; no text
  status-after=503, reset-after, hang-after
                    the same, after the text was sent
  delay=3s          answers late
  garbage, truncate an answer that cannot be read; the text was sent
  success-false     not eligible, or a refusal
  no-text           a 200 that says yes; no text
  redirect=URL      answers 307
  invalid-nonce     refuses the token, or the nonce
  delivered-twice   answers the second of two copies; the text was sent
  retry-after=2     goes with status=429
  body=TEXT         another body; must come last`
}

// Run plays the APIs until it is interrupted.
func (c *simulateC2MCmd) Run(a *app) error {
	if c.ReportLag < 0 || c.ConversationAfter < 0 || c.TokenLife <= 0 {
		return usage("--report-lag and --conversation-after must not be negative, and --token-life must be longer than 0")
	}
	if c.Rate == 0 || c.Rate < -1 {
		return usage("--rate must be a number of requests, or -1")
	}
	if !c.AllowRemote && !loopback(c.Listen) {
		return usage("--listen %s can be reached by other machines: use 127.0.0.1, or add --allow-remote", c.Listen)
	}
	for _, ch := range c.Channels {
		known := []string{c2mtest.SMS, c2mtest.WhatsApp, c2mtest.InApp}
		if !slices.Contains(known, ch) || ch == c2mtest.InApp && len(c.Channels) > 1 {
			return usage("--channels must be sms, wa, both, or inapp alone")
		}
	}
	if len(slices.Compact(slices.Sorted(slices.Values(c.Channels)))) < len(c.Channels) {
		return usage("--channels names one twice")
	}
	secret := func(name, known string) string { return cmp.Or(strings.TrimSpace(a.getenv(name)), known) }
	cfg := c2mtest.Config{
		Account: c.Account, ClientID: c.ClientID, ClientSecret: secret("DEFLECT_CLIENT_SECRET", simulatorClientSecret), TokenLife: c.TokenLife,
		ConsumerKey: c.ConsumerKey, ConsumerSecret: secret("DEFLECT_CONSUMER_SECRET", simulatorConsumerSecret), Token: c.Token,
		Channels: c.Channels, Rate: c.Rate, DeviceCheck: true, KeepLast: 20_000, Report: c2mtest.Report{Lag: c.ReportLag},
	}
	if c.Token != "" {
		cfg.TokenSecret = secret("DEFLECT_TOKEN_SECRET", simulatorTokenSecret)
	}
	if c.ConversationAfter > 0 {
		cfg.Consumer = func(c2mtest.Invite) c2mtest.Consumer {
			return c2mtest.Consumer{Replies: true, After: c.ConversationAfter}
		}
	}
	lines := &c2mLines{}
	cfg.Logger = slog.New(&requestLines{w: a.stdout, line: lines.line})
	api := c2mtest.New(cfg)
	lines.api = api
	if err := c.prepare(api); err != nil {
		return err
	}
	if err := api.StartAddr(c.Listen); err != nil {
		return err
	}
	defer api.Close()
	c.introduce(a.stdout, api.URL(), cfg)
	<-a.ctx.Done()
	return nil
}

// prepare makes faults and people.
func (c *simulateC2MCmd) prepare(api *c2mtest.Server) error {
	for _, spec := range c.Fault {
		call, f, err := c2mtest.ParseFault(spec)
		if err != nil {
			return usage("--fault: %w", err)
		}
		api.SetFault(call, &f)
	}
	for _, spec := range c.NextFault {
		call, f, err := c2mtest.ParseFault(spec)
		if err != nil {
			return usage("--next-fault: %w", err)
		}
		api.Inject(call, f)
	}
	for _, number := range c.OpenConversation {
		api.OpenConversation(number)
	}
	for _, number := range c.OptedOut {
		api.OptOut(number, true)
	}
	for _, number := range c.Landline {
		api.Landline(number)
	}
	for _, id := range c.OffShift {
		api.SetShift(id, false)
	}
	return nil
}

// introduce says what to write into a configuration.
func (c *simulateC2MCmd) introduce(w io.Writer, url string, cfg c2mtest.Config) {
	fmt.Fprintf(w, "Connect to Messaging simulator on %s, ctrl-C ends it. For deflectd's configuration:\n\n", url)
	fmt.Fprintf(w, "  c2m:\n    account: %q\n    client_id: %s\n    handoff_id: H123456789\n", cmp.Or(cfg.Account, "38856538"), cfg.ClientID)
	for _, name := range []string{"base_url", "sentinel_url", "reporting_url", "shift_status_url"} {
		fmt.Fprintf(w, "    %s: %s\n", name, url)
	}
	fmt.Fprintf(w, "\nor only domain_url: %s instead of the four URLs; and in its environment:\n\n  DEFLECT_CLIENT_SECRET=%s\n\n",
		url, shown(cfg.ClientSecret, simulatorClientSecret))
}

// c2mLines tell of requests to Connect to Messaging's double.
type c2mLines struct{ api *c2mtest.Server }

func (l *c2mLines) line(v map[string]string) string {
	return fmt.Sprintf("%-12s  %s", cmp.Or(v["call"], "?"), l.what(v))
}

// what tells of a request, without numbers.
func (l *c2mLines) what(v map[string]string) string {
	switch call := v["call"]; {
	case v["reason"] != "":
		return "refused: " + v["reason"]
	case call == c2mtest.CallEligibility:
		return l.eligibility(v["call_id"])
	case call == c2mtest.CallInvite:
		return l.invite(v["call_id"])
	case v["rows"] != "":
		return "report of " + v["rows"] + " rows"
	case call == c2mtest.CallToken && v["status"] == "200":
		return "a token"
	case v["status"] == "200":
		return "told"
	}
	return "nothing"
}

func (l *c2mLines) eligibility(callID string) string {
	e, known := l.api.Eligibility(callID)
	switch {
	case !known:
		return "nothing"
	case !e.Eligible:
		return fmt.Sprintf("%s is not eligible, callId %s", phone.Number(e.Number), callID)
	}
	return fmt.Sprintf("%s can be texted by %s, skill %s, callId %s", phone.Number(e.Number), strings.Join(e.Channels, ", "), e.Skill, callID)
}

func (l *c2mLines) invite(callID string) string {
	i, known := l.api.Invite(callID)
	switch {
	case !known:
		return "no text"
	case !i.Sent:
		return "no text, callId " + callID
	}
	return fmt.Sprintf("text sent to %s by %s, skill %s, callId %s", phone.Number(i.Number), i.Channel, i.Skill, callID)
}
