package config

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// openLists reads the do-not-text lists, each file once.
func (f *File) openLists(d *decoder, src source) {
	open := map[string]*deflect.DoNotTextFile{}
	for i, name := range f.doNotText {
		at := fmt.Sprintf("profiles[%d].do_not_text_file", i)
		if name == "" || d.blames("default_region") {
			continue
		}
		name = src.path(name)
		f.doNotText[i] = name
		list, seen := open[name]
		if !seen {
			var err error
			if list, err = deflect.OpenDoNotText(name, f.Deflect.DefaultRegion); err != nil {
				text := strings.TrimPrefix(err.Error(), "do-not-text list: "+name+": ")
				var path *fs.PathError
				if errors.As(err, &path) {
					text = "cannot be read: " + path.Err.Error()
				}
				d.badAt(at, "%s", text)
			} else {
				f.Lists = append(f.Lists, list)
			}
			open[name] = list
		}
		if list != nil {
			f.FreeSWITCH.Profiles[i].DoNotText = list
		}
	}
}
