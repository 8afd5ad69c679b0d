package livedeflect

import (
	"slices"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

// meter is what makes requests of its own beside ours.
type meter interface {
	Calls() []string
	OnRequest(func(call string, r deflect.Reason))
}

func (s *setup) meters() (all []meter) {
	if m, ok := s.Auth.(meter); ok {
		all = append(all, m)
	}
	if s.root == "" {
		all = append(all, s.Domains)
	}
	return all
}

func (s *setup) onRequest(f func(call string, r deflect.Reason)) {
	for _, m := range s.meters() {
		m.OnRequest(f)
	}
}

// Calls names the requests that are made for those of the Client, such as "token".
func (c *Client) Calls() (all []string) {
	if !c.made() {
		return nil
	}
	for _, m := range c.setup.Load().meters() {
		for _, call := range m.Calls() {
			if !slices.Contains(all, call) {
				all = append(all, call)
			}
		}
	}
	return all
}

// OnRequest sets who hears of each of those requests with what it ended with, in place of
// who did before. f is called from any goroutine, and must not wait.
func (c *Client) OnRequest(f func(call string, r deflect.Reason)) {
	if !c.made() {
		return
	}
	c.reloading.Lock()
	defer c.reloading.Unlock()
	c.hook.Store(&f)
	c.setup.Load().onRequest(f)
}
