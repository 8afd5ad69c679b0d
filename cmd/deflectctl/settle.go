package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/apis"
	"github.com/ivrdeflect/ivrdeflect/cmd/internal/config"
	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
)

type settleCmd struct {
	Config     string `required:"" env:"DEFLECT_CONFIG" placeholder:"FILE" help:"Configuration of deflectd."`
	ExternalID string `required:"" name:"external-id" placeholder:"ID" help:"Your id of the call: external_id of 'deflectctl send', call_id in the log (which masks what may be a telephone number)."`
	CallID     string `name:"call-id" placeholder:"ID" help:"The API's id of the call, deflect_call_id in the log. Connect to Messaging finds a text by it alone."`
	At         string `required:"" placeholder:"TIME" help:"When the text was asked for, to some minutes: RFC 3339, or seconds or milliseconds since 1970."`
}

// Help is shown below the usage.
func (settleCmd) Help() string {
	return `Looks into the API's report for a text of which nobody knew whether it went out, and prints the result as JSON.

  sent      the report shows the text
  not_sent  the report, read without a gap, shows none, and settle.limit has passed since
            (25 minutes at least with Connect to Messaging, whose report must know the call)
  unknown   the report could not be read, or it is too early to say

Exit code 0: sent or not_sent. 1: unknown. 2: usage or configuration.

  deflectctl settle --config deflectd.yaml --external-id 3e0068c6-dcda-4c96 --at 2026-11-21T09:30:00Z
  deflectctl settle --config deflectd.yaml --external-id 3e0068c6-dcda-4c96 --call-id b52403dc-b140-45cc-a9ca-d749a39b1b56 --at 2026-11-21T09:30:00Z`
}

// settleResult is what settle prints.
type settleResult struct {
	Result     deflect.SettleResult `json:"result"`
	ExternalID string               `json:"external_id"`
	CallID     string               `json:"call_id"`
	SentAt     *time.Time           `json:"sent_at"`
	Error      string               `json:"error"`
}

// Run looks one call up.
func (c *settleCmd) Run(a *app) error {
	if err := wholeID(c.ExternalID); err != nil {
		return err
	}
	at, err := parseInstant(c.At)
	if err != nil {
		return usage("--at %w", err)
	}
	if at.After(time.Now().Add(time.Minute)) {
		return usage("--at %s is still to come", c.At)
	}
	if at.Before(time.Unix(0, 0).AddDate(0, 0, 1)) {
		return usage("--at %s is before there were texts", c.At)
	}
	file, err := loadConfig(a, c.Config)
	if err != nil {
		return err
	}
	v, err := c.look(a, file, at)
	if err != nil {
		return err
	}
	out := settleResult{Result: v.Result, ExternalID: v.ExternalCallID, CallID: v.CallID}
	if !v.SentAt.IsZero() {
		sent := v.SentAt.UTC()
		out.SentAt = &sent
	}
	if v.Err != nil {
		out.Error = v.Err.Error()
	}
	if err := printJSON(a.stdout, out); err != nil {
		return err
	}
	if v.Result == deflect.SettledUnknown {
		return &exit{code: exitFailed}
	}
	return nil
}

// look asks the API that can tell.
func (c *settleCmd) look(a *app, file config.File, at time.Time) (v deflect.Settlement, err error) {
	switch {
	case c.CallID != "" && !file.Speaks(config.C2M):
		return v, usage("--call-id is for Connect to Messaging, and the configuration has no section c2m")
	case c.CallID != "":
		return c.lookByCallID(a, file, at)
	case !file.Speaks(config.LiveDeflect):
		return v, usage("--call-id is missing: Connect to Messaging finds a text by its own callId alone, which is deflect_call_id in the log")
	}
	all, file, err := openAPIs(file, apis.Options{})
	if err != nil {
		return v, err
	}
	client, err := newClient(file, all)
	if err != nil {
		return v, err
	}
	defer client.Close()
	v = client.Settle(a.ctx, c.ExternalID, at)
	if v.Result == deflect.SettledNotSent && file.Speaks(config.C2M) {
		v.Result, v.Err = deflect.SettledUnknown, fmt.Errorf("LiveDeflect shows no text, and it may have been sent by the other API: %w", c2m.ErrNoCallID)
	}
	return v, nil
}

// lookByCallID asks Connect to Messaging.
func (c *settleCmd) lookByCallID(a *app, file config.File, at time.Time) (v deflect.Settlement, err error) {
	all, _, err := openAPIs(file, apis.Options{})
	if err != nil {
		return v, err
	}
	defer all.Close()
	client := all.C2M
	limit := max(file.Deflect.Settle.Limit, client.Lag())
	early := time.Since(at) < limit
	told := client.Find(a.ctx, c.ExternalID, c.CallID, at, limit)
	v = deflect.Settlement{ExternalCallID: c.ExternalID, Result: deflect.SettledUnknown, CallID: told.CallID, SentAt: told.SentAt, Err: told.Err}
	switch {
	case told.Sent:
		v.Result = deflect.SettledSent
	case told.Err != nil:
	case early:
		v.Err = deflect.ErrTooEarly
	default:
		v.Result = deflect.SettledNotSent
	}
	return v, nil
}

// wholeID refuses what is not the id of any call, and is easily given as one.
func wholeID(id string) error {
	if id == "" || strings.TrimSpace(id) != id {
		return usage("--external-id %q is empty or has blanks around it: no call has such an id", id)
	}
	if id == "?" || strings.Contains(id, "***") {
		return usage("--external-id %q is as the log masks it: take the id from the system that gave it", id)
	}
	return nil
}

// parseInstant reads a time: RFC 3339, or epoch seconds or milliseconds.
func parseInstant(s string) (time.Time, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		if len(s) > 11 {
			return time.UnixMilli(n), nil
		}
		return time.Unix(n, 0), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("%q is no time: write 2026-11-21T09:30:00Z, or seconds or milliseconds since 1970", s)
	}
	return t, nil
}
