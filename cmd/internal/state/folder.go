package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// Folder says how it is with the folder of a journal, without touching it: what is in
// order, or what is wrong for a deflectd that is started by this user. One is "".
func Folder(dir string) (is, wrong string) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return toBeMade(dir)
	case err != nil:
		return "", "cannot be looked at: " + err.Error()
	case !info.IsDir():
		return "", "is no folder"
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return "", fmt.Sprintf("is open to other users of this machine (mode %04o): deflectd closes it at its start if nothing but a journal is in it; else chmod 700 it", info.Mode().Perm())
	case !writable(dir):
		return "", "cannot be written by this user"
	}
	return "is there, and private", ""
}

func toBeMade(dir string) (is, wrong string) {
	for up := filepath.Dir(dir); ; up = filepath.Dir(up) {
		info, err := os.Stat(up)
		switch {
		case errors.Is(err, fs.ErrNotExist) && up != filepath.Dir(up):
			continue
		case err != nil:
			return "", "cannot be made: " + err.Error()
		case !info.IsDir():
			return "", "cannot be made: " + up + " is no folder"
		case !writable(up):
			return "", "cannot be made: " + up + " cannot be written by this user"
		}
		return "is not there yet, and can be made", ""
	}
}
