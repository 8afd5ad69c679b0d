package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

// The keys of the simulator. They open nothing.
const (
	simulatorKey            = "simulator-key"
	simulatorConsumerSecret = "simulator-consumer-secret"
	simulatorToken          = "simulator-token"
	simulatorTokenSecret    = "simulator-token-secret"
)

type simulateAPICmd struct {
	Listen      string   `default:"127.0.0.1:8090" placeholder:"ADDR" help:"Address to listen on (default: ${default})."`
	AllowRemote bool     `help:"Permit an address that other machines can reach: plain HTTP, for a test network only."`
	SiteID      string   `name:"site-id" placeholder:"ID" help:"The only account that is accepted (default: any)."`
	ConsumerKey string   `default:"simulator-key" placeholder:"KEY" help:"App key (default: ${default})."`
	Token       string   `default:"simulator-token" placeholder:"TOKEN" help:"Access token (default: ${default}); an empty one is for two-legged keys."`
	Fault       string   `placeholder:"FAULT" help:"What every request for a text meets."`
	NextFault   []string `sep:"none" placeholder:"FAULT" help:"What the next request for a text meets; repeat it for the ones after."`

	ReportFault       string        `placeholder:"FAULT" help:"What every request for the report meets."`
	ReportLag         time.Duration `placeholder:"DURATION" help:"How late events get into the report (default: not at all)."`
	ConversationAfter time.Duration `placeholder:"DURATION" help:"How long after its text a conversation opens (default: never)."`
}

// Help is shown below the usage.
func (simulateAPICmd) Help() string {
	return `Checks signatures, nonces and every field of a request like the real API, and prints a line for each. No text reaches
anybody. The secrets are those of DEFLECT_CONSUMER_SECRET and DEFLECT_TOKEN_SECRET, else "` + simulatorConsumerSecret + `"
and "` + simulatorTokenSecret + `". Ends with ctrl-C.

A fault is one or more words with commas between them:
  status=503        answers with an error; no text
  reset-before      the connection dies; no text
  hang              never answers; no text
  status-after=503, reset-after, hang-after
                    the same, after the text was sent
  delay=3s          answers late
  garbage, truncate an answer that cannot be read; the text was sent
  success-false     a 200 that says no
  no-text           a 200 that says yes; no text
  success-bool      a true that is not in quotes
  redirect=URL      answers 307
  invalid-nonce     refuses the nonce; no text
  delivered-twice   refuses the nonce, after the text was sent
  retry-after=2     goes with status=429
  body=TEXT         another body; must come last`
}

// Run plays the API until it is interrupted.
func (c *simulateAPICmd) Run(a *app) error {
	if c.ReportLag < 0 || c.ConversationAfter < 0 {
		return usage("--report-lag and --conversation-after must not be negative")
	}
	if !c.AllowRemote && !loopback(c.Listen) {
		return usage("--listen %s can be reached by other machines: use 127.0.0.1, or add --allow-remote", c.Listen)
	}
	// Without what is around them when they were copied.
	cfg := livedeflecttest.Config{
		SiteID: c.SiteID, ConsumerKey: c.ConsumerKey, Token: c.Token, KeepLast: 1000,
		ConsumerSecret: cmp.Or(strings.TrimSpace(a.getenv("DEFLECT_CONSUMER_SECRET")), simulatorConsumerSecret),
	}
	if c.Token != "" {
		cfg.TokenSecret = cmp.Or(strings.TrimSpace(a.getenv("DEFLECT_TOKEN_SECRET")), simulatorTokenSecret)
	}
	cfg.Report.Lag = c.ReportLag
	if c.ConversationAfter > 0 {
		cfg.Report.Conversation = func(livedeflecttest.Deflection) (time.Duration, bool) { return c.ConversationAfter, true }
	}
	lines := &liveLines{}
	cfg.Logger = slog.New(&requestLines{w: a.stdout, line: lines.line})
	api := livedeflecttest.New(cfg)
	lines.api = api
	if err := c.faults(api); err != nil {
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

func (c *simulateAPICmd) faults(api *livedeflecttest.Server) error {
	for _, standing := range []struct {
		flag, spec string
		set        func(*livedeflecttest.Fault)
	}{
		{"--fault", c.Fault, api.SetFault},
		{"--report-fault", c.ReportFault, api.SetReportFault},
	} {
		if standing.spec == "" {
			continue
		}
		f, err := livedeflecttest.ParseFault(standing.spec)
		if err != nil {
			return usage("%s: %w", standing.flag, err)
		}
		standing.set(&f)
	}
	for _, s := range c.NextFault {
		f, err := livedeflecttest.ParseFault(s)
		if err != nil {
			return usage("--next-fault: %w", err)
		}
		api.Inject(f)
	}
	return nil
}

// introduce says what to write into a configuration.
func (c *simulateAPICmd) introduce(w io.Writer, url string, cfg livedeflecttest.Config) {
	fmt.Fprintf(w, "LiveDeflect simulator on %s, ctrl-C ends it. For deflectd's configuration (examples/freeswitch/starter.yaml has it):\n\n", url)
	fmt.Fprintf(w, "  livedeflect:\n    site_id: %q\n    base_url: %s\n    consumer_key: %s\n", cmp.Or(cfg.SiteID, "38856538"), url, cfg.ConsumerKey)
	if cfg.Token != "" {
		fmt.Fprintf(w, "    token: %s\n", cfg.Token)
	}
	fmt.Fprintf(w, "\nand in its environment:\n\n  DEFLECT_CONSUMER_SECRET=%s\n", shown(cfg.ConsumerSecret, simulatorConsumerSecret))
	if cfg.Token != "" {
		fmt.Fprintf(w, "  DEFLECT_TOKEN_SECRET=%s\n", shown(cfg.TokenSecret, simulatorTokenSecret))
	}
	fmt.Fprintln(w)
}

// shown shows a secret only if it is the one of this source code.
func shown(secret, known string) string {
	if secret == known {
		return secret
	}
	return "(the one given here)"
}

func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil || host == "localhost" {
		return err == nil
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// requestLines turns the log of a double into lines for people.
type requestLines struct {
	line func(attrs map[string]string) string // of a request, without its time and what the client got

	mu sync.Mutex // guards w
	w  io.Writer
}

// Enabled takes everything: doubles log good requests at debug level.
func (*requestLines) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs is not used by doubles.
func (l *requestLines) WithAttrs([]slog.Attr) slog.Handler { return l }

// WithGroup is not used by doubles.
func (l *requestLines) WithGroup(string) slog.Handler { return l }

// Handle prints a line for a request.
func (l *requestLines) Handle(_ context.Context, r slog.Record) error {
	if r.Message != "request answered" {
		return nil
	}
	v := attrs(r)
	what := l.line(v)
	if v["fault"] != "" {
		what += "; fault " + v["fault"]
	}
	status := v["status"]
	if status == "0" {
		status = "---" // the client gets no answer
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := fmt.Fprintf(l.w, "%s  %s  %s\n", r.Time.Format(time.TimeOnly), status, what)
	return err
}

// liveLines tell of requests to LiveDeflect's double.
type liveLines struct{ api *livedeflecttest.Server }

func (l *liveLines) line(v map[string]string) string {
	switch {
	case v["calls"] != "":
		return fmt.Sprintf("report of %s calls, %s events", v["calls"], v["events"])
	case v["call_id"] != "":
		return l.text(v["call_id"])
	case v["reason"] != "":
		return "refused: " + v["reason"]
	}
	return "no text"
}

// text describes a text that was sent, without the number. A request with a
// callId and no text met the fault no-text.
func (l *liveLines) text(callID string) string {
	sent := l.api.Sent()
	for i := len(sent) - 1; i >= 0; i-- {
		if sent[i].CallID == callID {
			return fmt.Sprintf("text sent to %s, skill %s, callId %s", phone.Number(sent[i].DeflectionHandle), sent[i].Skill, callID)
		}
	}
	return "no text, callId " + callID
}
