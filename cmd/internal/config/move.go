package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
)

// Step is what becomes of one key of a file that moves to another API.
type Step struct {
	Path    string
	Text    string // in words that follow the path
	Missing bool   // the file cannot be used so: something is missing, or has to be mended
}

// ToC2M tells, key by key, what becomes of a file with Connect to Messaging in place of
// LiveDeflect; getenv is os.Getenv. Whatever is not named stays as it is.
func (f File) ToC2M(getenv func(string) string) ([]Step, error) {
	if !f.Speaks(LiveDeflect) {
		return nil, errors.New("there is no section livedeflect: nothing has to move")
	}
	m := moving{File: f}
	if !f.Speaks(C2M) {
		m.section(secretText(getenv(clientSecretEnv)) != "")
	}
	m.gone()
	m.profiles()
	if s := m.Deflect.Settle; !s.Disabled && s.Limit < c2mLag {
		m.is("settle.limit", "counts as %s: the report lags by up to 20 minutes, and an uncertain text stays so for as long", span(c2mLag).Value)
	}
	err := m.tried()
	return m.steps, err
}

// c2mLag is up to how much later the report of Connect to Messaging tells of a text.
const c2mLag = 25 * time.Minute

// moving is a file on its way.
type moving struct {
	File
	steps []Step
}

func (m *moving) is(path, format string, args ...any) {
	m.steps = append(m.steps, Step{Path: path, Text: fmt.Sprintf(format, args...)})
}

func (m *moving) missing(path, format string, args ...any) {
	m.steps = append(m.steps, Step{Path: path, Text: fmt.Sprintf("is missing: "+format, args...), Missing: true})
}

// section is what the new section holds.
func (m *moving) section(secret bool) {
	live := m.access(LiveDeflect)
	m.is("c2m.account", "is %s, as livedeflect.site_id", quoted(m.LiveDeflect.SiteID))
	if slices.ContainsFunc(m.FreeSWITCH.Profiles, func(p freeswitch.Profile) bool { return p.HandoffID == "" }) {
		m.missing("c2m.handoff_id", "the handoff that has the text, the channels and the skills, such as H123456789; it is made in LivePerson's pages of Connect to Messaging")
	}
	if live.bearer {
		m.is("c2m.client_id", "is %s, as livedeflect.client_id, if its app may use Connect to Messaging", quoted(live.clientID))
		m.is("c2m.client_secret_file", "is its secret, as before")
	} else {
		m.missing("c2m.client_id", "of an app for OAuth 2.0, whose tokens are used in place of API keys; as long as LivePerson takes the keys that are here, they do too, with auth: oauth1, if they have the permission IVR Engagement")
		if secret {
			m.is("c2m.client_secret_file", "is not needed: %s is set", clientSecretEnv)
		} else {
			m.missing("c2m.client_secret_file", "its secret, here or in %s", clientSecretEnv)
		}
	}
	if d := m.Deflect.LiveDeadline; d != defaults().Deflect.LiveDeadline {
		m.is("c2m.live_deadline", "is %s, as in livedeflect", span(d).Value)
	}
	m.is("c2m.eligibility_deadline", "is %s, unless you say otherwise: each caller who could be offered a text waits for an answer of the API first, at most so long", span(min(defaults().Deflect.AskDeadline, m.Deflect.LiveDeadline)).Value)
	switch n := m.Deflect.MaxTextLength; {
	case n > maxC2MText:
		m.is("c2m.max_text_length", "is %d, not %d: no longer text is taken", maxC2MText, n)
	case n != maxC2MText:
		m.is("c2m.max_text_length", "is %d, as in livedeflect", n)
	}
}

// gone is what has no place in the new section.
func (m *moving) gone() {
	api, live, usual := m.LiveDeflect, m.access(LiveDeflect), livedeflect.DefaultConfig()
	if m.Speaks(C2M) {
		m.is(LiveDeflect, "goes, with all that is in it")
		return
	}
	switch {
	case api.BaseURL != "":
		m.is("livedeflect.base_url", "goes: hosts are those that LivePerson's Domain API has for the account; where requests have to take another way, name them in c2m.base_url and c2m.sentinel_url")
	case api.Domain != "":
		m.is("livedeflect.domain", "goes: hosts are those that LivePerson's Domain API has for the account, unless c2m.base_url and c2m.sentinel_url name them")
	}
	if !live.bearer {
		m.is("livedeflect.consumer_key", "goes, with its secret and its token")
	}
	for _, k := range []struct {
		key string
		set bool
		why string
	}{
		{"time_unit", api.TimeUnit != usual.TimeUnit, "no times are sent"},
		{"text_tag_field", api.TextTagField != usual.TextTagField, "there are no tags"},
		{"trunk_prefix", api.TrunkPrefix, "numbers are sent as +61400111222"},
	} {
		if k.set {
			m.is("livedeflect."+k.key, "goes: %s", k.why)
		}
	}
}

// profiles is what becomes of their texts.
func (m *moving) profiles() {
	for i, p := range m.FreeSWITCH.Profiles {
		at := fmt.Sprintf("profiles[%d]", i)
		if m.APIs[i] == C2M {
			continue
		}
		if m.Speaks(C2M) {
			m.is(at+".api", "goes: there is one API")
		}
		m.is(at+".skill", "stays: it has to be a skill of the handoff")
		if p.Text == "" || p.Text == freeswitch.None {
			m.is(at+".text", "stays away: the text is the handoff's, not LiveDeflect's standard welcome")
		} else {
			m.is(at+".text", "stays: by SMS it is sent in place of the handoff's, and by other channels the handoff's is sent")
		}
	}
}

// tried reads the file as it will be, with something in place of what is missing.
func (m *moving) tried() error {
	text, err := m.moved()
	if err != nil {
		return err
	}
	next, err := parse(m.Name, text, source{getenv: func(string) string { return "" }, keyless: true})
	if e, ok := err.(*Error); ok {
		for _, p := range e.Problems {
			m.steps = append(m.steps, Step{Path: p.Path, Text: p.Text, Missing: true})
		}
	} else if err != nil {
		return err
	}
	for _, w := range next.Warnings {
		if !slices.ContainsFunc(m.Warnings, func(was Problem) bool { return was.Path == w.Path && was.Text == w.Text }) {
			m.is(w.Path, "%s", w.Text)
		}
	}
	return nil
}

// moved is the file with the new section in place of the old one.
func (m *moving) moved() ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(m.Effective()), &doc); err != nil {
		return nil, err
	}
	root := doc.Content[0]
	without(root, LiveDeflect)
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "profiles" {
			for _, p := range root.Content[i+1].Content {
				without(p, "api")
			}
		}
	}
	if !m.Speaks(C2M) {
		section := map[string]any{
			"account": m.LiveDeflect.SiteID, "handoff_id": "H123456789", "client_id": "CLIENT",
			"live_deadline": span(m.Deflect.LiveDeadline).Value, "max_text_length": min(m.Deflect.MaxTextLength, maxC2MText),
		}
		if m.hosts.domain != "" {
			section["domain_url"] = m.hosts.domain
		}
		var value yaml.Node
		if err := value.Encode(section); err != nil {
			return nil, err
		}
		root.Content = append(root.Content, str(C2M), &value)
	}
	return yaml.Marshal(&doc)
}

// without takes a key out of a mapping.
func without(n *yaml.Node, key string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}

func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, "") + `"` }
