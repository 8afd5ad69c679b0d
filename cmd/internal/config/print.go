package config

import (
	"bytes"
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
	root := mapping()
	root.add("livedeflect", f.liveDeflect())
	root.add("breaker", mapping().
		add("failures", number(f.Deflect.Breaker.Failures)).
		add("open_for", span(f.Deflect.Breaker.OpenFor)).node)
	report, settle := f.Deflect.Report, f.Deflect.Settle
	root.add("report", mapping().
		add("window", span(report.Window)).
		add("parallel", number(report.Parallel)).
		add("every", span(report.Every)).
		add("lookback", span(report.Lookback)).node)
	root.add("settle", mapping().
		add("disabled", truth(settle.Disabled)).
		add("after", span(settle.After)).
		add("limit", span(settle.Limit)).
		add("max", number(settle.Max)).node)
	root.add("max_cooldowns", number(f.Deflect.MaxCooldowns))
	root.add("default_region", str(f.Deflect.DefaultRegion))

	allow := sequence()
	for _, p := range f.FreeSWITCH.Allow {
		allow.Content = append(allow.Content, str(p.String()))
	}
	root.add("freeswitch", mapping().add("outbound", mapping().
		add("listen", str(f.OutboundListen)).
		add("allow", allow).
		add("max_calls", number(f.FreeSWITCH.MaxCalls)).
		add("drain", span(f.FreeSWITCH.DrainTimeout)).
		add("first_frame", span(f.FreeSWITCH.FirstFrameTimeout)).
		add("idle", span(f.FreeSWITCH.IdleTimeout)).node).node)
	root.add("http", mapping().add("listen", str(f.HTTPListen)).node)
	root.add("log", mapping().add("level", str(f.Log.Level)).add("format", str(f.Log.Format)).node)

	list := &yaml.Node{Kind: yaml.SequenceNode}
	for _, p := range f.FreeSWITCH.Profiles {
		list.Content = append(list.Content, profile(p))
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
	m := mapping().add("site_id", str(api.SiteID))
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

func profile(p freeswitch.Profile) *yaml.Node {
	m := mapping().add("name", str(p.Name))
	if len(p.Dialed) > 0 {
		dialed := sequence()
		for _, d := range p.Dialed {
			dialed.Content = append(dialed.Content, str(d))
		}
		m.add("dialed", dialed)
	}
	return m.
		add("skill", str(p.Skill)).
		add("text", str(p.Text)).
		add("text_tag", str(p.TextTag)).
		add("accept_digit", str(p.AcceptDigit)).
		add("decline_digit", str(p.DeclineDigit)).
		add("repeat", number(p.Repeat)).
		add("gap", span(p.Gap)).
		add("prompts", mapping().
			add("offer", str(p.Prompts.Offer)).
			add("wait", str(p.Prompts.Wait)).
			add("sent", str(p.Prompts.Sent)).
			add("failed", str(p.Prompts.Failed)).
			add("uncertain", str(p.Prompts.Uncertain)).node).node
}

// mapper builds a mapping key by key.
type mapper struct {
	node    *yaml.Node
	comment string // goes above the next key
}

func mapping() *mapper { return &mapper{node: &yaml.Node{Kind: yaml.MappingNode}} }

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
