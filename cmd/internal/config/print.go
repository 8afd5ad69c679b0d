package config

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
)

// redacted stands where a secret would be.
const redacted = "[redacted]"

// Effective returns the configuration as YAML with every default filled in. It
// can be loaded again, given the same secrets: those are not in it, only a
// comment where each one came from.
func (f File) Effective() string {
	root := newMapping()
	root.add("livedeflect", f.liveDeflect())
	root.add("breaker", newMapping().
		add("failures", number(f.Deflect.Breaker.Failures)).
		add("open_for", span(f.Deflect.Breaker.OpenFor)).node)
	report, settle := f.Deflect.Report, f.Deflect.Settle
	root.add("report", newMapping().
		add("window", span(report.Window)).
		add("parallel", number(report.Parallel)).
		add("every", span(report.Every)).
		add("lookback", span(report.Lookback)).node)
	root.add("settle", newMapping().
		add("disabled", truth(settle.Disabled)).
		add("after", span(settle.After)).
		add("limit", span(settle.Limit)).
		add("max", number(settle.Max)).node)
	root.add("max_cooldowns", number(f.Deflect.MaxCooldowns))
	root.add("default_region", str(f.Deflect.DefaultRegion))
	root.add("number_check", str(numberChecks[slices.Index(numberCheckOf, f.Deflect.NumberCheck)]))

	allow := sequence()
	for _, p := range f.FreeSWITCH.Allow {
		allow.Content = append(allow.Content, str(p.String()))
	}
	fs := newMapping().add("outbound", newMapping().
		add("listen", str(f.OutboundListen)).
		add("allow", allow).
		add("max_calls", number(f.FreeSWITCH.MaxCalls)).
		add("drain", span(f.FreeSWITCH.DrainTimeout)).
		add("first_frame", span(f.FreeSWITCH.FirstFrameTimeout)).
		add("idle", span(f.FreeSWITCH.IdleTimeout)).node)
	if len(f.FreeSWITCH.Inbound) > 0 {
		inbound := &yaml.Node{Kind: yaml.SequenceNode}
		for i, sw := range f.FreeSWITCH.Inbound {
			m := newMapping().add("name", str(sw.Name))
			m.addSecret("password", f.secrets.switches[i], switchEnv(sw.Name))
			inbound.Content = append(inbound.Content, m.add("address", str(sw.Address)).node)
		}
		fs.add("inbound", inbound)
	}
	if len(f.FreeSWITCH.Variables) > 0 {
		fs.add("variables", strs(f.FreeSWITCH.Variables))
	}
	root.add("freeswitch", fs.add("sounds", str(f.FreeSWITCH.Sounds)).node)
	root.add("http", newMapping().add("listen", str(f.HTTPListen)).node)
	root.add("log", newMapping().add("level", str(f.Log.Level)).add("format", str(f.Log.Format)).node)

	list := &yaml.Node{Kind: yaml.SequenceNode}
	for i, p := range f.FreeSWITCH.Profiles {
		list.Content = append(list.Content, profile(p, f.doNotText[i]))
	}
	root.add("profiles", list)

	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(root.node); err != nil {
		return "# cannot be shown: " + err.Error() + "\n"
	}
	return b.String()
}

func (f File) liveDeflect() *yaml.Node {
	api, s := f.Deflect, f.secrets
	m := newMapping().add("site_id", str(api.SiteID))
	if api.Domain != "" {
		m.add("domain", str(api.Domain))
	} else {
		m.add("base_url", str(api.BaseURL))
	}
	m.add("consumer_key", str(s.consumerKey))
	m.addSecret("consumer_secret", s.consumer, consumerSecretEnv)
	if s.token != "" {
		m.add("token", str(s.token))
		m.addSecret("token_secret", s.tokenSecret, tokenSecretEnv)
	}
	return m.
		add("live_deadline", span(api.LiveDeadline)).
		add("time_unit", str(timeUnits[slices.Index(timeUnitOf, api.TimeUnit)])).
		add("text_tag_field", str(tagFields[slices.Index(tagFieldOf, api.TextTagField)])).
		add("trunk_prefix", truth(api.TrunkPrefix)).
		add("max_text_length", number(api.MaxTextLength)).node
}

func profile(p freeswitch.Profile, doNotText string) *yaml.Node {
	m := newMapping().add("name", str(p.Name))
	if len(p.Dialed) > 0 {
		m.add("dialed", strs(p.Dialed))
	}
	m.add("skill", str(p.Skill)).
		add("text", orNone(p.Text)).
		add("text_tag", str(p.TextTag))

	if len(p.Countries) > 0 {
		m.add("countries", strs(p.Countries))
	}
	m.add("line_types", str(lineTypes[slices.Index(lineTypeOf, p.LineTypes)]))
	if p.Hours.Zone != "" {
		hours := newMapping().add("zone", str(p.Hours.Zone))
		if len(p.Hours.Week) > 0 {
			week := newMapping()
			for _, days := range slices.Sorted(maps.Keys(p.Hours.Week)) {
				week.add(days, strs(p.Hours.Week[days]))
			}
			hours.add("week", week.node)
		}
		if len(p.Hours.Holidays) > 0 {
			hours.add("holidays", strs(p.Hours.Holidays))
		}
		m.add("hours", hours.node)
	}
	m.add("min_wait", span(p.MinWait)).
		add("percent", number(100-p.Withhold))
	if doNotText != "" {
		m.add("do_not_text_file", str(doNotText))
	}
	if p.NoCooldown {
		p.Cooldown = 0
	}
	if p.OnSent.Transfer != "" {
		m.add("on_sent", newMapping().add("transfer", str(p.OnSent.Transfer)).node)
	}
	m.add("cooldown", span(p.Cooldown)).
		add("consent", str(consents[slices.Index(consentOf, p.Consent)])).
		add("accept_digit", str(p.AcceptDigit)).
		add("decline_digit", str(p.DeclineDigit)).
		add("repeat", number(p.Repeat)).
		add("gap", span(p.Gap)).
		add("confirm", str(word(confirms, p.Confirm))).
		add("confirm_gap", span(p.ConfirmGap)).
		add("number", str(word(numbersFrom, p.AskNumber))).
		add("number_entry", newMapping().
			add("min_digits", number(p.NumberEntry.MinDigits)).
			add("max_digits", number(p.NumberEntry.MaxDigits)).
			add("terminator", str(p.NumberEntry.Terminator)).
			add("gap", span(p.NumberEntry.Gap)).
			add("tries", number(p.NumberEntry.Tries)).node).
		add("language", str(p.Language)).
		add("prompts", promptSet(p.Prompts))
	if len(p.Languages) > 0 {
		languages := newMapping()
		for _, lang := range slices.Sorted(maps.Keys(p.Languages)) {
			t := p.Languages[lang]
			languages.add(lang, newMapping().add("prompts", promptSet(t.Prompts)).add("text", orNone(t.Text)).node)
		}
		m.add("languages", languages.node)
	}
	return m.node
}

// word is the first word for false, the second one for true.
func word(words []string, v bool) string {
	if v {
		return words[1]
	}
	return words[0]
}

// promptSet leaves out what nobody can come to hear and has no default.
func promptSet(p freeswitch.Prompts) *yaml.Node {
	m := newMapping()
	for _, f := range []struct{ key, value string }{
		{"offer", p.Offer}, {"wait", p.Wait}, {"sent", p.Sent}, {"failed", p.Failed}, {"uncertain", p.Uncertain},
		{"already_sent", p.AlreadySent}, {"confirm", p.Confirm}, {"number", p.Number},
		{"number_confirm", p.NumberConfirm}, {"number_invalid", p.NumberInvalid},
	} {
		if f.value != "" {
			m.add(f.key, orNone(f.value))
		}
	}
	return m.node
}

func orNone(s string) *yaml.Node {
	if s == freeswitch.None {
		s = ""
	}
	return str(s)
}

func strs(list []string) *yaml.Node {
	n := sequence()
	for _, s := range list {
		n.Content = append(n.Content, str(s))
	}
	return n
}

// mapper builds a mapping key by key.
type mapper struct {
	node    *yaml.Node
	comment string // goes above the next key
}

func newMapping() *mapper { return &mapper{node: &yaml.Node{Kind: yaml.MappingNode}} }

func (m *mapper) add(key string, value *yaml.Node) *mapper {
	k := str(key)
	k.HeadComment, m.comment = m.comment, ""
	m.node.Content = append(m.node.Content, k, value)
	return m
}

// addSecret names the file of a secret, or leaves a comment in its place.
func (m *mapper) addSecret(key string, o origin, env string) {
	if o.file != "" {
		value := str(o.file)
		value.LineComment = "# " + redacted
		m.add(key+"_file", value)
		return
	}
	m.comment = "# " + key + ": " + redacted + " (from " + env + ")"
}

func sequence() *yaml.Node { return &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle} }

var plainForm = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*$`)

// str writes plain words plainly and everything else in quotes, so that no text
// can be read back as anything but itself.
func str(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if !plainForm.MatchString(s) {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

func number(n int) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(n)}
}

func truth(b bool) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(b)}
}

// span writes 30s and 2m for what time.Duration calls 30s and 2m0s.
func span(d time.Duration) *yaml.Node {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}
