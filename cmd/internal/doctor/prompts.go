package doctor

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch"
)

// voice is what callers of one language of a profile hear.
type voice struct {
	key      string // of the configuration, such as profiles.sales.prompts
	language string
	prompts  freeswitch.Prompts
}

func voices(p freeswitch.Profile) []voice {
	all := []voice{{"profiles." + p.Name + ".prompts", p.Language, p.Prompts}}
	for _, lang := range slices.Sorted(maps.Keys(p.Languages)) {
		all = append(all, voice{fmt.Sprintf("profiles.%s.languages.%s.prompts", p.Name, lang), lang, p.Languages[lang].Prompts})
	}
	return all
}

// prompts is about the files that callers hear, which have to be where the switch is.
func (e *exam) prompts(ctx context.Context) []Finding {
	return e.atEach(ctx, func(sw freeswitch.Switch, s *socket) (found []Finding, err error) {
		prefix, err := s.api("global_getvar sound_prefix")
		if err != nil {
			return nil, err
		}
		looked := map[string]bool{} // whether it is there
		missing := map[string][]string{}
		shipped := path.Clean(e.file.FreeSWITCH.Sounds) + "/"
		for _, p := range e.file.FreeSWITCH.Profiles {
			for _, v := range voices(p) {
				for row, value := range v.prompts.All() {
					if *value == "" || *value == freeswitch.None || !p.Plays(row) {
						continue
					}
					for _, file := range filesOf(*value) {
						there, known := looked[file]
						if !known {
							if there, err = s.sounds(prefix, file); err != nil {
								return found, err
							}
							looked[file] = there
						}
						if !there {
							missing[file] = append(missing[file], v.key+"."+row.Key)
						}
					}
				}
			}
		}
		var ours []string
		for _, file := range slices.Sorted(maps.Keys(missing)) {
			if strings.HasPrefix(file, shipped) {
				ours = append(ours, strings.TrimPrefix(file, shipped))
				continue
			}
			do := fmt.Sprintf("put it there, or name another one in %s", strings.Join(missing[file], " and "))
			found = append(found, bad(do, "%s does not have %s: callers hear nothing, and without the offer get no text", sw.Name, below(prefix, file))...)
		}
		if len(ours) > 0 {
			folder := below(prefix, strings.TrimSuffix(shipped, "/"))
			do := fmt.Sprintf("in the folder of the project, on the switch (the package has them in /usr/share/deflectd/sounds): mkdir -p %s && cp -r dialplan/sounds/. %[1]s/", folder)
			found = append(found, bad(do, "%s does not have %s of the shipped prompts in %s: %s", sw.Name, plural(len(ours), "file"), folder, strings.Join(ours, ", "))...)
		}
		if len(found) > 0 {
			return found, nil
		}
		return good("%s has all %s", sw.Name, plural(len(looked), "file")), nil
	})
}

// filesOf are the files that a prompt plays; none of what is made by the switch.
func filesOf(prompt string) (files []string) {
	if strings.HasPrefix(prompt, "{") {
		_, prompt, _ = strings.Cut(prompt, "}")
	}
	if list, is := strings.CutPrefix(prompt, "file_string://"); is {
		for one := range strings.SplitSeq(list, "!") {
			files = append(files, filesOf(one)...)
		}
		return files
	}
	prompt, _, _ = strings.Cut(prompt, "@@")
	if strings.Contains(prompt, "://") || strings.HasPrefix(prompt, "say:") || strings.HasPrefix(prompt, "phrase:") {
		return nil
	}
	return []string{prompt}
}

func below(prefix, file string) string {
	if strings.HasPrefix(file, "/") {
		return file
	}
	return prefix + "/" + file
}

// sounds reports whether a switch finds a file: as it is named, or in a folder beside it
// that is named for a sampling rate.
func (s *socket) sounds(prefix, file string) (bool, error) {
	file = below(prefix, file)
	dir, name := path.Split(file)
	for _, one := range []string{file, dir + "8000/" + name, dir + "16000/" + name, dir + "32000/" + name, dir + "48000/" + name} {
		if there, err := s.is("file_exists " + one); there || err != nil {
			return there, err
		}
	}
	return false, nil
}

// sayings is about reading numbers back, digit by digit.
func (e *exam) sayings(ctx context.Context) []Finding {
	languages := map[string]bool{}
	if e.loaded {
		for _, p := range e.file.FreeSWITCH.Profiles {
			if !p.AskNumber {
				continue
			}
			for _, v := range voices(p) {
				base, _, _ := strings.Cut(strings.ToLower(v.language), "-")
				languages[base] = true
			}
		}
		if len(languages) == 0 {
			return good("no profile reads a number back (number: ask)")
		}
	}
	return e.atEach(ctx, func(sw freeswitch.Switch, s *socket) (found []Finding, err error) {
		for _, lang := range slices.Sorted(maps.Keys(languages)) {
			more, err := saying(sw, s, lang)
			if err != nil {
				return found, err
			}
			found = append(found, more...)
		}
		if len(found) == 0 {
			return good("%s reads numbers back in %s", sw.Name, strings.Join(slices.Sorted(maps.Keys(languages)), ", ")), nil
		}
		return found, nil
	})
}

// languageXML is what a switch knows of a language.
type languageXML struct {
	Module  string `xml:"say-module,attr"`
	Prefix  string `xml:"sound-prefix,attr"`
	Path    string `xml:"sound-path,attr"`
	OldPath string `xml:"sound_path,attr"`
}

func saying(sw freeswitch.Switch, s *socket, lang string) ([]Finding, error) {
	const ends = "the offer ends without a text for who keyed in a number"
	text, err := s.api("xml_locate languages language name " + lang)
	if err != nil {
		return nil, err
	}
	var known languageXML
	if text == "" || xml.Unmarshal([]byte(text), &known) != nil {
		do := fmt.Sprintf("add the language to its conf/lang/ (as lang/en/ has it, included in freeswitch.xml), %s", afterwards)
		return bad(do, "%s knows no language %s: %s", sw.Name, lang, ends), nil
	}
	module := "mod_say_" + cmp.Or(known.Module, lang)
	if loaded, err := s.is("module_exists " + module); err != nil {
		return nil, err
	} else if !loaded {
		do := fmt.Sprintf("load it in its modules.conf.xml, then on the switch: fs_cli -x 'load %s'", module)
		return bad(do, "%s has not loaded %s: %s", sw.Name, module, ends), nil
	}
	prefix := cmp.Or(known.Prefix, known.Path, known.OldPath)
	if prefix == "" {
		if prefix, err = s.api("global_getvar sound_prefix"); err != nil {
			return nil, err
		}
	}
	var missing []string
	for digit := '0'; digit <= '9'; digit++ {
		there, err := s.sounds(prefix, "digits/"+string(digit)+".wav")
		if err != nil {
			return nil, err
		}
		if !there {
			missing = append(missing, string(digit))
		}
	}
	if len(missing) > 0 {
		do := fmt.Sprintf("install FreeSWITCH's sound package of the language, so that there is %s/digits/8000/%s.wav", prefix, missing[0])
		return bad(do, "%s cannot say %s in %s: %s", sw.Name, plural(len(missing), "digit"), lang, ends), nil
	}
	return nil, nil
}
