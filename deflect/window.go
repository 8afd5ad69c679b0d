package deflect

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/clean"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/cutoff"
)

const getLiveDeflectData = "/api/getLiveDeflectData/v2"

const (
	// How long the API may be silent within an answer. It may have to collect a
	// day's events before the first byte.
	firstByteWithin = 60 * time.Second
	nextByteWithin  = 30 * time.Second
	// A longer Retry-After is not waited for.
	maxRetryAfter = 2 * time.Minute
)

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
func (c *Client) fetch(ctx context.Context, s *setup, w period, gaveUp *atomic.Bool, emit func(entry) bool) *ReportError {
	body, err := marshal(reportBody{
		SiteID:    s.SiteID,
		StartTime: strconv.FormatInt(w.from.UnixMilli(), 10),
		EndTime:   strconv.FormatInt(w.to.UnixMilli(), 10),
	})
	if err != nil {
		return &ReportError{From: w.from, To: w.to, Reason: ReasonInternal, Err: err}
	}
	nonceRefused := false
	for n := 0; ; {
		v := s.fetchOnce(ctx, body, emit)
		if v.reason == ReasonTimeout && ctx.Err() != nil {
			v.reason = ReasonCanceled // the reader's own limit, not the API's silence
		}
		c.metrics.reports[v.reason].Inc()
		c.log.LogAttrs(ctx, slog.LevelDebug, "report request ended",
			slog.Time("from", w.from), slog.Time("to", w.to), slog.String("reason", string(v.reason)),
			slog.Int("status", v.status), slog.Any("err", v.err))
		switch {
		case v.reason == ReasonOK:
			gaveUp.Store(false)
			return nil
		case v.reason == ReasonInvalidNonce && !nonceRefused:
			nonceRefused = true
			continue
		case n < len(reportPauses) && !gaveUp.Load() && reportEnds[v.reason].again && v.retryAfter <= maxRetryAfter:
			pause := max(v.retryAfter, reportPauses[n])
			n++
			select {
			case <-time.After(pause):
				continue
			case <-ctx.Done():
				v = verdict{reason: ReasonCanceled, err: cutoff.Error(ctx, cutoff.InReport, v.err)}
			}
		}
		if reportEnds[v.reason].again {
			gaveUp.Store(true)
		}
		return &ReportError{From: w.from, To: w.to, Reason: v.reason, Err: v.err}
	}
}

func (s *setup) fetchOnce(ctx context.Context, body []byte, emit func(entry) bool) verdict {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(firstByteWithin, func() { cancel(cutoff.ErrSilent) })
	defer silence.Stop()

	resp, w, err := s.post(ctx, getLiveDeflectData, body)
	if err != nil {
		v := broken(ctx, w, err)
		if v.reason == ReasonDeadline {
			v.reason = ReasonTimeout // nobody waits for whether anything left
		}
		return v
	}
	defer resp.Body.Close()
	stop := context.AfterFunc(ctx, func() { resp.Body.Close() })
	defer stop()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		answer, err := readAnswer(plain(resp.Header, resp.Body))
		return judge(resp.StatusCode, resp.Header, answer, err)
	}
	src := &watched{r: resp.Body, silence: silence}
	err = readReport(plain(resp.Header, src), emit)
	// The decoder's errors tell where they are, with names of the answer.
	v := verdict{status: resp.StatusCode, reason: ReasonBadResponse, err: &APIError{Status: resp.StatusCode, Err: clean.Error{Err: err}}}
	var refused *refusedError
	switch {
	case err == nil:
		return verdict{status: resp.StatusCode, reason: ReasonOK}
	case ctx.Err() != nil:
		v.reason, v.err = waiting(ctx), cutoff.Error(ctx, cutoff.InReport, v.err)
	case err == errStopped:
		v.reason = ReasonCanceled
	case errors.As(err, &refused):
		v.reason = ReasonRejected
		if refused.message != "" {
			v.err = &APIError{Status: resp.StatusCode, Message: refused.message}
		}
	case src.err != nil:
		v.reason = broken(ctx, w, src.err).reason
	case errors.Is(err, io.ErrUnexpectedEOF):
		v.reason = ReasonConnectionLost
	}
	return v
}

// watched notices when the API falls silent in the middle of an answer. The time
// between two reads is the reader's own.
type watched struct {
	r       io.Reader
	silence *time.Timer
	begun   bool  // the first byte was there
	err     error // of the connection
}

func (w *watched) Read(p []byte) (int, error) {
	if w.begun {
		w.silence.Reset(nextByteWithin)
	}
	n, err := w.r.Read(p)
	if n > 0 {
		w.begun = true
	}
	if w.begun {
		w.silence.Stop()
	}
	if err != nil && err != io.EOF {
		w.err = err
	}
	return n, err
}
