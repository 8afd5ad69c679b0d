package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"
)

// child is a subject in a process of its own, seen from this one.
type child struct {
	traffic
	subject string
	process *exec.Cmd
	stdin   io.WriteCloser
	in      *json.Encoder
	out     *json.Decoder
	said    *tail // on standard error
}

// startTimeout is how long a child may take to listen, stopTimeout to end.
const (
	startTimeout = 10 * time.Second
	stopTimeout  = 5 * time.Second
)

// start runs this program as a subject with so many cores.
func start(ctx context.Context, subject string, cores int, rec *recording, a *api, store string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	a.fresh()
	c := &child{
		traffic: traffic{rec: rec, api: a},
		subject: subject, said: &tail{},
		process: exec.CommandContext(ctx, self, childCommand, subject, a.url, store),
	}
	c.process.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(cores), "GOGC=100")
	if subject != deflectd && subject != withJournal && subject != withRedis && subject != withC2M && subject != coreSubject {
		// In tests with the race detector: the races of the libraries are theirs.
		c.process.Env = append(c.process.Env, "GORACE="+os.Getenv("GORACE")+" exitcode=0")
	}
	c.process.Stderr = c.said
	if c.stdin, err = c.process.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := c.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.process.Start(); err != nil {
		return nil, err
	}
	c.in, c.out = json.NewEncoder(c.stdin), json.NewDecoder(stdout)
	var ready answer
	if err := c.out.Decode(&ready); err != nil {
		return nil, errors.Join(c.wrap(err), c.stop())
	}
	c.address = ready.Address
	if err := c.reach(); err != nil {
		return nil, errors.Join(c.wrap(err), c.stop())
	}
	return c, nil
}

// reach plays the first call as soon as somebody listens: the libraries do not say when
// they do.
func (c *child) reach() error {
	if c.address == "" || c.subject == echo {
		return nil
	}
	p := c.begin(1)
	for start := time.Now(); ; time.Sleep(time.Millisecond) {
		l, err := ring(c.rec, c.address, p.first, &p.marks[0])
		if err == nil {
			return errors.Join(l.finish(0), l.close(), p.err())
		}
		if time.Since(start) > startTimeout {
			return err
		}
	}
}

// ask asks one question.
func (c *child) ask(q question) (a answer, err error) {
	if err = c.in.Encode(q); err == nil {
		err = c.out.Decode(&a)
	}
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	return a, c.wrap(err)
}

// warmUp lets some calls through that do not count.
func (c *child) warmUp(calls int) error {
	_, err := c.closed(calls, parallel)
	return c.wrap(err)
}

// spend returns the CPU time that the child took for the calls of a phase.
func (c *child) spend(calls func() (*phase, error)) (*phase, time.Duration, error) {
	before, err := c.ask(question{Do: "cpu"})
	if err != nil {
		return nil, 0, err
	}
	p, err := calls()
	if err != nil {
		return nil, 0, c.wrap(err)
	}
	after, err := c.ask(question{Do: "cpu"})
	return p, after.CPU - before.CPU, err
}

// stop ends the child and returns what was wrong with its requests or its end.
func (c *child) stop() error {
	c.stdin.Close()
	kill := time.AfterFunc(stopTimeout, func() { c.process.Process.Kill() })
	defer kill.Stop()
	err := c.process.Wait()
	if c.next > 0 || c.subject == coreSubject {
		err = errors.Join(err, c.api.verdict())
	}
	return c.wrap(err)
}

// wrap says who failed, and what it said last.
func (c *child) wrap(err error) error {
	if err == nil {
		return nil
	}
	if said := c.said.String(); said != "" {
		return fmt.Errorf("%s: %w\nit said:\n%s", c.subject, err, said)
	}
	return fmt.Errorf("%s: %w", c.subject, err)
}

// tail keeps the last of what is written.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailBytes; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.kept))
}
