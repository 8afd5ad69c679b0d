package freeswitch

import (
	"regexp"
	"slices"

	"golang.org/x/text/language"
)

// languageForm bounds what the parser of language tags is given: a channel
// variable is a stranger's text.
var languageForm = regexp.MustCompile(`^[A-Za-z0-9]{1,8}([_-][A-Za-z0-9]{1,8}){0,4}$`)

// languageChain returns a language and those that can stand in for it, nearest
// first, as CLDR has them: "es-MX", "es-419", "es". Nil for what is no language.
func languageChain(s string) []string {
	if !languageForm.MatchString(s) {
		return nil
	}
	tag, err := language.Parse(s)
	if err != nil {
		return nil
	}
	var chain []string
	for ; tag != language.Und; tag = tag.Parent() {
		chain = append(chain, tag.String())
	}
	return chain
}

// Translation is what callers of one language hear and get.
type Translation struct {
	Prompts Prompts
	Text    string // template of the text, as [Profile.Text]
}

// None as a prompt is nothing played, and as a text LiveDeflect's standard
// welcome, on purpose. A prompt that is just empty is the shipped one.
const None = "-"

// translate fills in what a translation does not say: from the languages that
// stand in for it, then from the prompts that are shipped.
func (p Profile) translate(lang, sounds string) Translation {
	chain := languageChain(lang)
	var t Translation
	for _, l := range chain {
		from, ok := p.translation(l)
		if !ok {
			continue
		}
		for row, value := range t.Prompts.All() {
			def(value, *row.of(&from.Prompts))
		}
		def(&t.Text, from.Text)
	}
	if slices.Contains(chain, shippedLanguage) {
		for row, value := range t.Prompts.All() {
			if p.saysRight(row) {
				def(value, sounds+"/"+row.shipped())
			}
		}
	}
	return t
}

// translation is what the profile itself has of a language, "" of what it lacks.
func (p Profile) translation(lang string) (Translation, bool) {
	if chain := languageChain(p.Language); len(chain) > 0 && chain[0] == lang {
		return Translation{Prompts: p.Prompts, Text: p.Text}, true
	}
	for name, t := range p.Languages {
		if chain := languageChain(name); len(chain) > 0 && chain[0] == lang {
			return t, true
		}
	}
	return Translation{}, false
}
