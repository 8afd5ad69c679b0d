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

// A longer Retry-After is not waited for.
const maxRetryAfter = 2 * time.Minute

// reportPauses is the vendor's schedule for what is not live.
var reportPauses = [...]time.Duration{5 * time.Second, 10 * time.Second, 15 * time.Second}

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
		switch {
		case v.Reason == deflect.ReasonOK:
			gaveUp.Store(false)
			return nil
		case v.Reason == deflect.ReasonInvalidNonce && !nonceRefused:
			nonceRefused = true
			continue
		case n < len(reportPauses) && !gaveUp.Load() && reportEnds[v.Reason].again && v.RetryAfter <= maxRetryAfter:
			pause := max(v.RetryAfter, reportPauses[n])
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
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(wire.FirstByteWithin, func() { cancel(cutoff.ErrSilent) })
	defer silence.Stop()

	url, err := s.at(ctx, getLiveDeflectData)
	if err != nil {
		return wire.NoAddress(ctx, err)
	}
	resp, w, err := s.link.Post(ctx, url, body)
	if err != nil {
		v := wire.Broken(ctx, w, err)
		if v.Reason == deflect.ReasonDeadline {
			v.Reason = deflect.ReasonTimeout // nobody waits for whether anything left
		}
		return v
	}
	defer resp.Body.Close()
	stop := context.AfterFunc(ctx, func() { resp.Body.Close() })
	defer stop()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		answer, err := wire.ReadAnswer(wire.Plain(resp.Header, resp.Body))
		return judge(resp.StatusCode, resp.Header, answer, err)
	}
	src := &wire.Watched{R: resp.Body, Silence: silence}
	err = readReport(wire.Plain(resp.Header, src), emit)
	// The decoder's errors tell where they are, with names of the answer.
	v := deflect.Attempt{Status: resp.StatusCode, Reason: deflect.ReasonBadResponse, Err: &APIError{Status: resp.StatusCode, Err: clean.Error{Err: err}}}
	var refused *refusedError
	switch {
	case err == nil:
		return deflect.Attempt{Status: resp.StatusCode, Reason: deflect.ReasonOK}
	case ctx.Err() != nil:
		v.Reason, v.Err = wire.Waiting(ctx), cutoff.Error(ctx, cutoff.InReport, v.Err)
	case err == errStopped:
		v.Reason = deflect.ReasonCanceled
	case errors.As(err, &refused):
		v.Reason = deflect.ReasonRejected
		if refused.message != "" {
			v.Err = &APIError{Status: resp.StatusCode, Message: refused.message}
		}
	case src.Err != nil:
		v.Reason = wire.Broken(ctx, w, src.Err).Reason
	case errors.Is(err, io.ErrUnexpectedEOF):
		v.Reason = deflect.ReasonConnectionLost
	}
	return v
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
