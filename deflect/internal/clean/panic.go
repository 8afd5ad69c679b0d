package clean

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// Panic tells of a panic, within the deferred function that recovered it: what
// the runtime says of itself, and where. Any other value may be somebody's data.
func Panic(p any) string {
	text := fmt.Sprintf("a value of type %T", p)
	if err, ok := p.(error); ok {
		var own runtime.Error
		if errors.As(err, &own) {
			text = Text(own.Error())
		}
	}
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	panicked := false
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		switch {
		case f.Function == "runtime.gopanic":
			panicked = true
		case panicked && !strings.HasPrefix(f.Function, "runtime."):
			return fmt.Sprintf("%s at %s:%d", text, filepath.Base(f.File), f.Line)
		}
	}
	return text
}
