package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/donottext"
)

// openLists reads the do-not-text lists, each file once.
func (f *File) openLists(d *decoder, src source) {
	open := map[string]*donottext.File{}
	for i, name := range f.doNotText {
		at := fmt.Sprintf("profiles[%d].do_not_text_file", i)
		if name == "" || d.blames("default_region") {
			continue
		}
		where := ""
		if !filepath.IsAbs(name) {
			where = besides
		}
		name = src.path(name)
		f.doNotText[i] = name
		list, seen := open[name]
		if !seen {
			var err error
			if list, err = openList(name, f.Deflect.DefaultRegion); err != nil {
				text := strings.TrimPrefix(err.Error(), "do-not-text list: "+name+": ")
				var path *fs.PathError
				if errors.As(err, &path) {
					text = "cannot be read: " + path.Err.Error() + where
				}
				d.badAt(at, "%s", text)
			} else {
				f.Lists = append(f.Lists, list)
				for _, w := range list.Warnings() {
					d.warn(at, "%s", w)
				}
			}
			open[name] = list
		}
		if list != nil {
			f.FreeSWITCH.Profiles[i].DoNotText = list
		}
	}
}

const (
	rewriting    = 2 * time.Second // a list that changed so lately may be in the middle of being written
	rewriteLimit = 6 * time.Second // for so long it is read again
	rewritePause = 200 * time.Millisecond
)

// openList reads a list. One that cannot be read while it is being written in its
// place is read again: whoever reloads after changing a list must not have to wait.
func openList(name, region string) (*donottext.File, error) {
	for begin := time.Now(); ; time.Sleep(rewritePause) {
		list, err := donottext.Open(name, region)
		if err == nil || time.Since(begin) > rewriteLimit || !beingWritten(name) {
			return list, err
		}
	}
}

func beingWritten(name string) bool {
	info, err := os.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	age := time.Since(info.ModTime())
	return age > -rewriting && age < rewriting // a file server's clock may be a little ahead
}
