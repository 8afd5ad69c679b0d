package livedeflect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/period"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/wire"
)

const getLiveDeflectData = "/api/getLiveDeflectData/v2"

// reportBody is the body of getLiveDeflectData/v2.
type reportBody struct {
	SiteID    string `json:"siteId"`
	StartTime string `json:"startTime"`
	EndTime   string `json:"endTime"`
}

// fetch gives the entries of one window to emit. Entries may come again when an
// answer breaks off and is asked for anew.
func (c *Client) fetch(ctx context.Context, s *setup, w period.Span, gaveUp *atomic.Bool, emit func(entry) bool) *ReportError {
	body, err := marshal(reportBody{
		SiteID:    s.SiteID,
		StartTime: strconv.FormatInt(w.From.UnixMilli(), 10),
		EndTime:   strconv.FormatInt(w.To.UnixMilli(), 10),
	})
	if err != nil {
		return &ReportError{From: w.From, To: w.To, Reason: deflect.ReasonInternal, Err: err}
	}
	nonceRefused := false
	for n := 0; ; {
		v := s.fetchOnce(ctx, body, emit)
		if v.Reason == deflect.ReasonTimeout && ctx.Err() != nil {
			v.Reason = deflect.ReasonCanceled // the reader's own limit, not the API's silence
		}
		c.reports[v.Reason].Inc()
		c.log.LogAttrs(ctx, slog.LevelDebug, "report request ended",
			slog.Time("from", w.From), slog.Time("to", w.To), slog.String("reason", string(v.Reason)),
			slog.Int("status", v.Status), slog.Any("err", v.Err))
		pause, again := wire.ReportPause(n, v.RetryAfter)
		switch {
		case v.Reason == deflect.ReasonOK:
			gaveUp.Store(false)
			return nil
		case v.Reason == deflect.ReasonInvalidNonce && !nonceRefused:
			nonceRefused = true
			continue
		case again && !gaveUp.Load() && reportEnds[v.Reason].again:
			n++
			select {
			case <-time.After(pause):
				continue
			case <-ctx.Done():
				v = deflect.Attempt{Reason: deflect.ReasonCanceled, Err: cutoff.Error(ctx, cutoff.InReport, v.Err)}
			}
		}
		if reportEnds[v.Reason].again {
			gaveUp.Store(true)
		}
		return &ReportError{From: w.From, To: w.To, Reason: v.Reason, Err: v.Err}
	}
}

func (s *setup) fetchOnce(ctx context.Context, body []byte, emit func(entry) bool) deflect.Attempt {
	url, err := s.at(ctx, getLiveDeflectData)
	if err != nil {
		return wire.NoAddress(ctx, err)
	}
	return s.link.Report(ctx, url, body, judge, func(r io.Reader) error { return readReport(r, emit) }, func(status int, err error) deflect.Attempt {
		// The decoder's errors tell where they are, with names of the answer.
		v := deflect.Attempt{Status: status, Reason: deflect.ReasonBadResponse, Err: &APIError{Status: status, Err: clean.Error{Err: err}}}
		if refused, is := errors.AsType[*refusedError](err); is {
			v.Reason = deflect.ReasonRejected
			if refused.message != "" {
				v.Err = &APIError{Status: status, Message: refused.message}
			}
		}
		return v
	})
}

// marshal encodes without the HTML escapes of json.Marshal: what is sent is
// what a dry run shows.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
