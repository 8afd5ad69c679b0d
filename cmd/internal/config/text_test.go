package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What works but costs more than it seems, or lets nobody pass.
func TestWarningsOfRules(t *testing.T) {
	long := strings.Repeat("x", 161)
	for _, tt := range []struct{ name, keys, path, want string }{
		{"strict where nobody can tell", "line_types: strict", "line_types",
			"is strict, but numbers do not tell mobiles from landlines in US: nobody there is offered a text"},
		{"strict in several countries", "line_types: strict, countries: [DE, CA, US, CA]", "line_types",
			"is strict, but numbers do not tell mobiles from landlines in CA, US: nobody there is offered a text"},
		{"strict where it works", "line_types: strict, countries: [DE, GB]", "", ""},
		{"a text of one message", `text: "` + long[1:] + `"`, "", ""},
		{"a long text", `text: "` + long + `"`, "text", "takes 2 messages: 161 septets of GSM-7 (160 fit into one)"},
		{"an expensive text", `text: "Don’t wait ` + long[100:] + `{{.FirstName}}"`, "text",
			"takes 2 messages: 72 units of UCS-2, because of '’', its character 4 (70 fit into one), without what a call adds"},
		{"a long text of a language", `text: Hi, languages: {en-GB: {text: "` + long + `"}}`, "languages.en-GB.text",
			"takes 2 messages: 161 septets of GSM-7 (160 fit into one)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Parse("x.yaml", []byte(`
livedeflect: {site_id: "1", domain: va, consumer_key: KEY}
profiles:
  - {name: all, skill: sales, `+tt.keys+`}
`), consumer)
			if err != nil {
				t.Fatal(err)
			}
			var want []Problem
			if tt.want != "" {
				want = []Problem{{4, "profiles[0]." + tt.path, tt.want}}
			}
			if diff := cmp.Diff(want, f.Warnings); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// Every text is counted, also one that a language takes from another.
func TestEveryTextIsCounted(t *testing.T) {
	f, err := Parse("x.yaml", []byte(`
livedeflect: {site_id: "1", domain: va, consumer_key: KEY}
profiles:
  - {name: a, skill: sales, text: "Hi", languages: {en-GB: {text: "Hi {{.Profile}}!"}, en-AU: {text: ""}}}
  - {name: b, skill: sales, dialed: ["+18005550100"]}
  - {name: c, skill: sales, dialed: ["+18005550101"], text: "€"}
`), consumer)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, text := range f.Texts {
		got = append(got, text.Path+": "+text.String())
	}
	want := []string{
		"profiles[0].text: 1 message: 2 septets of GSM-7 (160 fit into one)",
		"profiles[0].languages.en-GB.text: 1 message: 5 septets of GSM-7 (160 fit into one), without what a call adds",
		"profiles[2].text: 1 message: 2 septets of GSM-7 (160 fit into one)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
}
