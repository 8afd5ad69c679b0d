package freeswitchtest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Sounds tells which files a switch finds that has its sounds in a folder on this
// machine, its sound_prefix. It is for Call.Exists. A name that is not absolute is one
// below the folder. As in FreeSWITCH a file may also be in a folder beside it that
// is named for its sampling rate, such as 8000. What plays without a file, such as a
// tone_stream://, is always there; a file_string:// is when all of its files are.
func Sounds(prefix string) func(file string) bool {
	var exists func(file string) bool
	exists = func(file string) bool {
		if strings.HasPrefix(file, "say ") {
			return true // Played.File of the application say
		}
		if strings.HasPrefix(file, "{") {
			_, file, _ = strings.Cut(file, "}")
		}
		if files, is := strings.CutPrefix(file, "file_string://"); is {
			for one := range strings.SplitSeq(files, "!") {
				if !exists(one) {
					return false
				}
			}
			return true
		}
		file, _, _ = strings.Cut(file, "@@") // where in the file it begins
		if strings.Contains(file, "://") || strings.HasPrefix(file, "say:") || strings.HasPrefix(file, "phrase:") {
			return true
		}
		if !filepath.IsAbs(file) {
			file = filepath.Join(prefix, file)
		}
		dir, name := filepath.Split(file)
		found := isFile(file)
		for _, rate := range []int{8000, 16000, 32000, 48000} {
			found = found || isFile(filepath.Join(dir, strconv.Itoa(rate), name))
		}
		return found
	}
	return exists
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}
