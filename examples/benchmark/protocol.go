package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"time"
)

// subjects are what a child process can be, by name: each starts to serve and returns
// its address. store is where it keeps something: a folder, or the address of Redis.
var subjects = map[string]func(ctx context.Context, api, store string) (address string, err error){
	deflectd:         serveDeflectd,
	withJournal:      serveWithJournal,
	withRedis:        serveWithRedis,
	withC2M:          serveWithC2M,
	"go-eventsocket": serveEventSocket,
	"eslgo":          serveESLGo,
	coreSubject:      serveNothing,
	floor:            serveFloor,
	echo:             serveEcho,
}

const (
	deflectd    = "deflectd"
	withJournal = "deflectd, journal"
	withRedis   = "deflectd, Redis"
	coreSubject = "core"
)

// The order of the tables: handlers is without the floor, for what it is none of.
var (
	handlers = []string{deflectd, "go-eventsocket", "eslgo"}
	serving  = append(slices.Clone(handlers), floor)
)

// question is a line to a child, answer the line that comes back. Times are in
// nanoseconds, memory is in bytes.
type question struct {
	Do    string // one of the cases of child.answer
	What  string `json:",omitempty"`
	Calls int    `json:",omitempty"`
}

type answer struct {
	Address    string        `json:",omitempty"` // once, when the child is ready
	CPU        time.Duration `json:",omitempty"` // since its start
	Took       time.Duration `json:",omitempty"`
	Resident   int64         `json:",omitempty"`
	Goroutines int           `json:",omitempty"`
	Mallocs    uint64        `json:",omitempty"`
	Bytes      uint64        `json:",omitempty"`
	Error      string        `json:",omitempty"`
}

// serveChild is the main of a child process: it serves calls, and answers questions
// until nobody asks any more.
func serveChild(ctx context.Context, subject, api, store string, in io.Reader, out io.Writer) error {
	serve, ok := subjects[subject]
	if !ok {
		return fmt.Errorf("no subject is called %s", subject)
	}
	address, err := serve(ctx, api, store)
	if err != nil {
		return err
	}
	questions, answers := json.NewDecoder(in), json.NewEncoder(out)
	if err := answers.Encode(answer{Address: address}); err != nil {
		return err
	}
	c := &childSide{api: api}
	for {
		var q question
		if err := questions.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		a, err := c.answer(ctx, q)
		if err != nil {
			a.Error = err.Error()
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}

// childSide is what a child keeps between questions.
type childSide struct {
	api     string
	core    *core
	profile *os.File
}

func (c *childSide) answer(ctx context.Context, q question) (a answer, err error) {
	switch q.Do {
	case "cpu":
		a.CPU, err = cpuTime()
	case "memory":
		a.Goroutines = settled()
		runtime.GC()         // what it finalizes the next one frees
		debug.FreeOSMemory() // collects once more
		a.Resident, err = resident()
	case "block":
		if c.core == nil {
			if c.core, err = newCore(c.api); err != nil {
				return a, err
			}
		}
		return c.core.block(ctx, q.What, q.Calls)
	case "profile":
		if c.profile, err = os.Create(q.What); err == nil {
			err = pprof.StartCPUProfile(c.profile)
		}
	case "profiled":
		pprof.StopCPUProfile()
		err = c.profile.Close()
	default:
		err = fmt.Errorf("unknown question %q", q.Do)
	}
	return a, err
}

// settled waits until no goroutine ends any more, of calls that are over, and returns how
// many are left.
func settled() int {
	const quiet = 50 * time.Millisecond
	n := runtime.NumGoroutine()
	for range 20 {
		time.Sleep(quiet)
		before := n
		if n = runtime.NumGoroutine(); n >= before {
			break
		}
	}
	return n
}

// serveNothing is for a child that only sends requests.
func serveNothing(context.Context, string, string) (string, error) { return "", nil }

// freeAddress is for libraries that take an address and do not tell which port they got.
func freeAddress() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}
