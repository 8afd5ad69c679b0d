package livedeflect

import (
	"slices"

	"github.com/ivrdeflect/ivrdeflect/deflect"
)

func (s *setup) meters() (all []deflect.Meter) {
	if m, ok := s.Auth.(deflect.Meter); ok {
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

// Calls implements [deflect.Meter]: the requests that are made for those of the Client, such
// as "token".
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

// OnRequest implements [deflect.Meter].
func (c *Client) OnRequest(f func(call string, r deflect.Reason)) {
	if !c.made() {
		return
	}
	c.reloading.Lock()
	defer c.reloading.Unlock()
	c.hook.Store(&f)
	c.setup.Load().onRequest(f)
}
