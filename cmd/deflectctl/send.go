package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/apis"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/journal"
	"github.com/ivrdeflect/ivrdeflect/deflect/phone"
)

type sendCmd struct {
	Config string `required:"" env:"DEFLECT_CONFIG" placeholder:"FILE" help:"Configuration of deflectd."`
	From   string `required:"" placeholder:"NUMBER" help:"The caller's number: it gets the text."`
	To     string `required:"" placeholder:"NUMBER" help:"The number that was dialled: it picks the profile."`

	Skill   string `placeholder:"NAME" help:"Skill of the conversation (default: the profile's)."`
	Text    string `placeholder:"TEXT" help:"Text to send (default: the profile's)."`
	TextTag string `placeholder:"TAG" help:"Tag of the text (default: the profile's)."`

	Digits               string   `placeholder:"KEYS" help:"What the caller keyed in before."`
	FirstName            string   `placeholder:"NAME" help:"The caller's first name."`
	LastName             string   `placeholder:"NAME" help:"The caller's last name."`
	CustomerID           string   `name:"customer-id" placeholder:"ID" help:"The brand's id of the customer."`
	CustomerIDDescriptor string   `name:"customer-id-descriptor" placeholder:"KIND" help:"What kind of id that is; the two go together."`
	ConsumerID           string   `name:"consumer-id" placeholder:"NAME" help:"The caller's name as a user of the brand's app (channel inapp)."`
	Info                 []string `sep:"none" placeholder:"KEY=JSON" help:"Shown to the agent; repeat it for more. What is not JSON is a text."`
	ExternalID           string   `name:"external-id" placeholder:"ID" help:"Your id of this call (default: a new one)."`

	DryRun      bool `help:"Print the requests instead of sending them."`
	ShowNumbers bool `help:"Do not mask telephone numbers in a dry run."`
}

// Help is shown below the usage.
func (sendCmd) Help() string {
	return `Sends what deflectd would send for such a call, and prints the result as JSON. Exit code 0: sent. 1: not sent, or
nobody knows ("uncertain": do not simply repeat it). 2: usage or configuration. Connect to Messaging is asked first whether
the caller can be texted. A dry run asks nobody but the Domain API, for hosts that the configuration does not name.

  deflectctl send --config deflectd.yaml --from +14043438646 --to +18005550100 --info 'vip=true' --dry-run`
}

// sendResult is what send prints.
type sendResult struct {
	Outcome    deflect.Outcome `json:"outcome"`
	Reason     deflect.Reason  `json:"reason"`
	CallID     string          `json:"call_id"`
	ExternalID string          `json:"external_id"`
	Attempts   int             `json:"attempts"`
	Status     int             `json:"status"`
	DurationMS int64           `json:"duration_ms"`
	Error      string          `json:"error"`
}

// Run sends one text.
func (c *sendCmd) Run(a *app) error {
	file, err := loadConfig(a, c.Config)
	if err != nil {
		return err
	}
	if len(file.Sets()) > 0 {
		list := func(string) deflect.DoNotText { return nil } // a dry run sends nothing
		if !c.DryRun {
			f, err := openFleet(a.ctx, file)
			if err != nil {
				return fmt.Errorf("%w; nothing was sent, for the number may be on its do-not-text list", err)
			}
			defer f.Close()
			list = lists(f)
		}
		file = file.WithOptOuts(list)
	}
	call, err := c.call(file)
	if err != nil {
		return err
	}
	file.Deflect.Settle.Disabled = true // settle is a command of its own
	file.Deflect.Policies = []*deflect.Policy{call.Policy}
	var seen *captured
	var o apis.Options
	if c.DryRun {
		seen = &captured{}
		file, o.Transport = withoutTokens(file), seen
	}
	all, file, err := openAPIs(file, o)
	if err != nil {
		return err
	}
	client, err := newClient(file, all)
	if err != nil {
		return err
	}
	defer client.Close()

	if c.DryRun {
		shown, err := client.dryRun(a, seen, call, c.ShowNumbers)
		if shown || err != nil {
			return err
		}
	}
	res, err := client.Deflect(a.ctx, call)
	out := sendResult{
		Outcome: res.Outcome, Reason: res.Reason, CallID: res.CallID, ExternalID: call.ExternalCallID,
		Attempts: res.Attempts, Status: res.Status, DurationMS: res.Duration.Milliseconds(),
	}
	if err != nil {
		out.Error = err.Error()
	}
	if err := printJSON(a.stdout, out); err != nil {
		return err
	}
	if res.Outcome != deflect.Sent {
		return &exit{code: exitFailed}
	}
	return nil
}

// call is the call that the flags describe, completed by the profile that
// serves the number dialled.
func (c *sendCmd) call(file config.File) (deflect.Call, error) {
	info, err := parseInfo(c.Info)
	if err != nil {
		return deflect.Call{}, err
	}
	id := cmp.Or(c.ExternalID, "send-"+rand.Text())
	profile, served := file.Profile(phone.Number(c.To), id)
	if !served && c.Skill == "" {
		return deflect.Call{}, usage("no profile serves the number of --to: give --skill, or a profile")
	}
	now := time.Now()
	call := deflect.Call{
		ANI: phone.Number(c.From), DNIS: phone.Number(c.To),
		Start: now, Accepted: now, Digits: c.Digits,
		ExternalCallID: id,
		Skill:          cmp.Or(c.Skill, profile.Skill), Text: c.Text, TextTag: cmp.Or(c.TextTag, profile.TextTag),
		FirstName: c.FirstName, LastName: c.LastName,
		CustomerID: c.CustomerID, CustomerIDDescriptor: c.CustomerIDDescriptor,
		CallerInfo: info,
		HandoffID:  profile.HandoffID, TemplateVariables: profile.TemplateVariables,
	}
	// Who opted out is not texted by hand either; hours and shares are for callers.
	rules := deflect.Rules{DoNotText: profile.DoNotText, NoCooldown: true}
	if call.Policy, err = deflect.NewPolicy(profile.Name, rules); err != nil {
		return deflect.Call{}, err
	}
	if call.Text == "" {
		if call.Text, err = profile.RenderText(call); err != nil {
			return deflect.Call{}, usage("the text of profile %s %w", profile.Name, err)
		}
	}
	return call, nil
}

// parseInfo reads key=value pairs. A value that is not JSON is a text.
func parseInfo(pairs []string) (map[string]any, error) {
	info := map[string]any{}
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, usage("--info must be KEY=JSON, such as vip=true or 'size=\"Large\"'")
		}
		if _, twice := info[key]; twice {
			return nil, usage("--info %s is given twice", key)
		}
		info[key] = parseValue(value)
	}
	return info, nil
}

// parseValue keeps numbers as they are written: an id is not a float.
func parseValue(s string) any {
	dec := json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return s
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return s
	}
	return v
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(escaping{w})
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// escaping is the writer of JSON that may be read on a terminal: what cannot be seen there,
// or does something to it, is escaped. Package json leaves most of that as it is.
type escaping struct{ io.Writer }

func (e escaping) Write(p []byte) (int, error) {
	hidden := func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }
	if bytes.IndexFunc(p, hidden) < 0 {
		return e.Writer.Write(p)
	}
	out := make([]byte, 0, 2*len(p))
	for _, r := range string(p) {
		if !hidden(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, u := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, `\u%04x`, u)
		}
	}
	if _, err := e.Writer.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// client is a client and its APIs, which it closes too.
type client struct {
	*deflect.Client
	apis *apis.APIs
	file config.File
}

func (c *client) Close() {
	c.Client.Close()
	c.apis.Close()
}

// openAPIs returns the APIs of a configuration, for one run of a command, and the
// configuration with them. What deflectd was told of hosts is known, and kept by nobody.
func openAPIs(file config.File, o apis.Options) (*apis.APIs, config.File, error) {
	if file.StateDir != "" {
		o.Store = keptHosts(file.StateDir)
	}
	return apis.Open(file, o)
}

// keptHosts are those beside the journal in a folder.
type keptHosts string

func (keptHosts) Save([]byte) error { return nil }

func (dir keptHosts) Load() []byte {
	content, err := journal.LoadHosts(string(dir))
	if err != nil {
		return nil // they are asked for
	}
	return content
}

// newClient returns a client of a configuration, for one run of a command. It has the
// backends of the policies that are set.
func newClient(file config.File, all *apis.APIs) (*client, error) {
	engine := file.Deflect
	engine.Backend, engine.Backends = all.Backend(), all.Backends(file)
	maps.DeleteFunc(engine.Backends, func(policy string, _ deflect.Backend) bool {
		return !slices.ContainsFunc(engine.Policies, func(p *deflect.Policy) bool { return p.Name() == policy })
	})
	c, err := deflect.New(engine)
	if err != nil {
		all.Close()
		return nil, err
	}
	return &client{c, all, file}, nil
}
