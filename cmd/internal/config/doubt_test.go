package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/ivrdeflect/ivrdeflect/deflect/liveperson"
)

// scalars calls visit for every scalar of a document, with its path and kind.
func scalars(n *yaml.Node, at string, visit func(at string, n *yaml.Node)) {
	switch n.Kind {
	case yaml.DocumentNode:
		scalars(n.Content[0], at, visit)
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			scalars(n.Content[i+1], strings.TrimPrefix(at+"."+n.Content[i].Value, "."), visit)
		}
	case yaml.SequenceNode:
		for i, c := range n.Content {
			scalars(c, fmt.Sprintf("%s[%d]", at, i), visit)
		}
	default:
		visit(at, n)
	}
}

// Every number and boolean of a configuration is what a person reads, or refused:
// YAML has ways to write them that mean something else.
func TestScalarsAreAsWritten(t *testing.T) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(load(t, "full.yaml", nothing).Effective()), &doc); err != nil {
		t.Fatal(err)
	}
	for tag, values := range map[string][]string{
		"!!int":  {"050", "0x10", "0o17", "0b11", "0_7", "1:30", "08", "-0x1", "3_", `"3"`, "3.0", ".5", "1e1", "1e400", "~", "yes", "${N}", "3 4", "[3]", "!!str 3", "!!float 3"},
		"!!bool": {"yes", "no", "on", "off", "y", "TRUE", "True", `"true"`, "1", "0", "~", "!!str true", "!!bool yes"},
	} {
		var keys []string
		scalars(&doc, "", func(at string, n *yaml.Node) {
			if n.ShortTag() == tag {
				keys = append(keys, at)
				*n = yaml.Node{Kind: yaml.ScalarNode, Value: "PLACE"}
			}
		})
		if len(keys) < 2 {
			t.Errorf("%s: %v", tag, keys)
		}
		raw, err := yaml.Marshal(&doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			_, err := Parse("x.yaml", bytes.ReplaceAll(raw, []byte("PLACE"), []byte(v)), nothing)
			for _, at := range keys {
				if err == nil || !strings.Contains(err.Error(), " "+at+": must be") {
					t.Errorf("%s: %s: %v", at, v, err)
				}
			}
		}
	}
}

// frame is a configuration with a profile of the given lines.
func frame(lines ...string) string {
	return "livedeflect: {site_id: \"1\", domain: va, consumer_key: KEY}\nprofiles:\n  - name: all\n    skill: sales\n    " +
		strings.Join(lines, "\n    ") + "\n"
}

func TestNumbersSayHow(t *testing.T) {
	for _, v := range []string{"050", "0x10", "0o17", "0b11", "0_7", "08"} {
		_, err := Parse("x.yaml", []byte(frame("percent: "+v)), consumer)
		const want = "x.yaml:5: profiles[0].percent: must be a whole number from 0 to 100 in plain decimal digits, such as 50: YAML takes 050 for 40 and 0x50 for 80"
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v", v, err)
		}
	}
	if f, err := Parse("x.yaml", []byte(frame("percent: +10")+"max_cooldowns: 1_000_000\n"), consumer); err != nil || f.Deflect.MaxCooldowns != 1_000_000 || f.FreeSWITCH.Profiles[0].Withhold != 90 {
		t.Errorf("a million: %v", err)
	}
	f, err := Parse("x.yaml", []byte(frame("percent: 0", "min_wait: 0", "cooldown: 0")), consumer)
	if p := f.FreeSWITCH.Profiles; err != nil || p[0].Withhold != 100 || p[0].MinWait != 0 || !p[0].NoCooldown {
		t.Errorf("zeros: %v, %v", p, err)
	}
}

const (
	cut     = "ends before the #, where YAML begins a comment: put the text in quotes if the rest belongs to it, else the comment on a line of its own"
	literal = "holds a reference such as ${NAME}, which nothing fills in: it counts as it stands, so write the value itself"
)

func TestWarnsOfWhatWasHardlyMeant(t *testing.T) {
	for _, tt := range []struct{ name, line, key, want string }{
		{"text", `text: Press #1 now #1 for you`, "text", cut},
		{"text, then a comment", `text: Reply here.   # friendly`, "text", cut},
		{"text over lines", "text: Reply\n      here #now", "text", cut},
		{"quoted text", `text: "Press #1 now"   # friendly`, "", ""},
		{"literal text", "text: | # friendly\n      Press #1 now", "", ""},
		{"no blank before", `text: Press#1`, "", ""},
		{"language", `languages: {en-GB: {text: Press #1` + "\n    }}", "languages.en-GB.text", cut},
		{"tag", `text_tag: Hotline #2`, "text_tag", cut},
		{"tag, then a comment", `text_tag: Hotline   # the second`, "", ""},
		{"tag, then a heading", `text_tag: Hotline   ## the second`, "", ""},
		{"prompt", "prompts:\n      sent: a #1.wav", "prompts.sent", cut},
		{"what cannot go on", "dialed:\n      - 1800 555 0100 #2", "", ""},
		{"number", `percent: 100 #default`, "", ""},
		{"span", `gap: 3s #default`, "", ""},
		{"choice", `confirm: off #default`, "", ""},

		{"reference", `text: "Hello from ${BRAND}"`, "text", literal},
		{"default of a reference", `text: "Hello from ${BRAND:-us}"`, "text", literal},
		{"reference without braces", `text_tag: $TAG_1`, "text_tag", literal},
		{"money", `text: "It costs $5, US$ 6 or 7$, $US50 or US$EAST."`, "", ""},
		{"reference in a name", "prompts:\n      sent: $SOUNDS/a.wav", "prompts.sent", literal},

		{"EST", `hours: {zone: EST}`, "hours.zone", fixed("-05:00")},
		{"HST", `hours: {zone: HST}`, "hours.zone", fixed("-10:00")},
		{"GMT", `hours: {zone: GMT}`, "hours.zone", fixed("+00:00")},
		{"Etc", `hours: {zone: Etc/GMT+5}`, "hours.zone", fixed("-05:00")},
		{"Etc/Greenwich", `hours: {zone: Etc/Greenwich}`, "hours.zone", fixed("+00:00")},
		{"UTC", `hours: {zone: UTC}`, "", ""},
		{"Etc/UTC", `hours: {zone: Etc/UTC}`, "", ""},
		{"place without summer time", `hours: {zone: Asia/Kolkata}`, "", ""},
		{"another one", `hours: {zone: America/Phoenix}`, "", ""},
		{"old name of a place", `hours: {zone: Japan}`, "", ""},
		{"abbreviation with summer time", `hours: {zone: EST5EDT}`, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Parse("x.yaml", []byte(frame(tt.line)), consumer)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			if tt.want != "" {
				want = []string{"profiles[0]." + tt.key + ": " + tt.want}
			}
			var got []string
			for _, w := range f.Warnings {
				got = append(got, w.String())
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func fixed(offset string) string {
	return "is no place: its clock is UTC" + offset + " all year, without summer time; write the place, such as America/New_York or Europe/London, or UTC"
}

// What is refused for a reference is not warned of as well.
func TestReferenceThatIsRefused(t *testing.T) {
	f, err := Parse("x.yaml", []byte(frame("prompts:\n      sent: ${sounds}/a.wav")), consumer)
	if err == nil || len(f.Warnings) > 0 {
		t.Errorf("%v, warnings %v", err, f.Warnings)
	}
}

// Secrets are what people copied: what is around them and means nothing is left out,
// what looks like it is warned of, and nothing is no secret. All come by the same way.
func TestSecretsAsCopied(t *testing.T) {
	const (
		missing  = "missing"
		unseenZW = "holds a character that cannot be seen (U+200B), which counts as part of it: type it in anew"
		bom      = "begins with a byte order mark, which counts as part of it: save it as UTF-8 without one"
		quotes   = "has quotes around it, which count as part of it: remove them"
		blank    = "holds a blank, which counts as part of it: is it a key or a secret and nothing else?"
		literal  = "holds a reference such as ${NAME}, which nothing fills in: it counts as it stands, so write the value itself"
		utf16    = "is not text in UTF-8: save it as that, without a byte order mark"
	)
	for i, tt := range []struct{ text, value, warning, problem string }{
		{secret, secret, "", ""},
		{" \t" + secret + " \r\n\n", secret, "", ""},
		{"\u00a0" + secret + "\u2028", secret, "", ""},
		{"'" + secret + "'", "'" + secret + "'", quotes, ""},
		{`"` + secret + "\"\n", `"` + secret + `"`, quotes, ""},
		{`"` + secret, `"` + secret, "", ""},
		{"\ufeff" + secret + "\n", "\ufeff" + secret, bom, ""},
		{secret + "\u200b", secret + "\u200b", unseenZW, ""},
		{"open sesame", "open sesame", blank, ""},
		{"open\u00a0sesame", "open\u00a0sesame", blank, ""},
		{"${OPENSESAME}", "${OPENSESAME}", literal, ""},
		{"$OPENSESAME", "$OPENSESAME", literal, ""},
		{"pa$$word$1", "pa$$word$1", "", ""},
		{"open\tsesame", "", "", "holds a tab or another control character: it must hold the secret alone"},
		{secret + "\n" + secret, "", "", "holds more than one line of text: it must hold the secret alone"},
		{"\xff\xfeo\x00p\x00", "", "", utf16},
		{"o\x00p\x00e\x00n\x00", "", "", utf16},
		{"", "", "", missing},
		{" \r\n", "", "", missing},
		{"\ufeff\n", "", "", missing},
		{"\u200b", "", "", missing},
		{`""`, "", "", missing},
	} {
		for _, from := range []string{"file", "environment"} {
			t.Run(fmt.Sprintf("%s/%d", from, i), func(t *testing.T) {
				text, getenv, intro := `livedeflect: {site_id: "1", domain: va, consumer_key: KEY, token: TOKEN}
freeswitch: {inbound: [{name: fs1, address: "127.0.0.1:8021"}]}
profiles: [{name: all, skill: sales}]
`, env(consumerSecretEnv, tt.text, tokenSecretEnv, tt.text, switchEnv("fs1"), tt.text), "is not given, and NAME "
				if from == "file" {
					name := filepath.Join(t.TempDir(), "secret")
					if err := os.WriteFile(name, []byte(tt.text), 0o600); err != nil {
						t.Fatal(err)
					}
					text = strings.Replace(text, "token:", fmt.Sprintf("consumer_secret_file: %q, token_secret_file: %[1]q, token:", name), 1)
					text = strings.Replace(text, "name: fs1", fmt.Sprintf("password_file: %q, name: fs1", name), 1)
					getenv, intro = nothing, "names a file whose text "
				}
				f, err := Parse("x.yaml", []byte(text), getenv)
				for _, w := range f.Warnings {
					if strings.Contains(w.String(), "sesame") {
						t.Errorf("a warning shows the secret: %s", w)
					}
				}
				if tt.problem != "" {
					var bad *Error
					if !errors.As(err, &bad) || len(bad.Problems) < 2 {
						t.Fatalf("%v, want a problem for each secret", err)
					}
					for _, p := range bad.Problems {
						switch {
						case tt.problem != missing && !strings.HasSuffix(p.Text, tt.problem),
							tt.problem == missing && from == "file" && p.Text != "is an empty file: write the secret into it",
							tt.problem == missing && from != "file" && !strings.HasPrefix(p.Text, "is missing: "):
							t.Errorf("%s", p)
						}
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				auth := f.LiveDeflect.Auth.(liveperson.OAuth1) //nolint:errcheck // by contract
				got := []string{auth.ConsumerSecret.Reveal(), auth.TokenSecret.Reveal(), f.FreeSWITCH.Inbound[0].Password.Reveal()}
				if diff := cmp.Diff([]string{tt.value, tt.value, tt.value}, got); diff != "" {
					t.Errorf("secrets (-want +got):\n%s", diff)
				}
				var warned []string
				for _, w := range f.Warnings {
					for _, name := range []string{consumerSecretEnv, tokenSecretEnv, switchEnv("fs1")} {
						w.Text = strings.Replace(w.Text, name, "NAME", 1)
					}
					warned = append(warned, w.String())
				}
				var want []string
				if tt.warning != "" {
					for _, key := range []string{"livedeflect.consumer_secret_file", "livedeflect.token_secret_file", "freeswitch.inbound[0].password_file"} {
						want = append(want, key+": "+intro+tt.warning)
					}
				}
				if diff := cmp.Diff(want, warned); diff != "" {
					t.Errorf("warnings (-want +got):\n%s", diff)
				}
			})
		}
	}
}

// Keys stand in the file, and are copied just so.
func TestKeysAsCopied(t *testing.T) {
	f, err := Parse("x.yaml", []byte(`livedeflect: {site_id: "1", domain: va, consumer_key: " KEY\n", token: "'TOKEN'"}
profiles: [{name: all, skill: sales}]
`), both)
	if err != nil {
		t.Fatal(err)
	}
	if f.secrets.live.consumerKey != "KEY" || f.secrets.live.token != "'TOKEN'" {
		t.Errorf("keys %q and %q", f.secrets.live.consumerKey, f.secrets.live.token)
	}
	want := []Problem{{1, "livedeflect.token", "has quotes around it, which count as part of it: remove them"}}
	if diff := cmp.Diff(want, f.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}
