package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ivrdeflect/ivrdeflect/cmd/internal/state"
)

// However many ask, the API is asked each five seconds at most, one at a time.
func TestAPIIsAskedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		h := newAPIHandler(func(ctx context.Context) error {
			time.Sleep(time.Second)
			if asked.Add(1) > 1 {
				return errors.New("it is another one now")
			}
			return nil
		}, "127.0.0.1:8084")
		ask := func() (told state.API) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", state.PathAPI, nil))
			if err := json.Unmarshal(w.Body.Bytes(), &told); err != nil {
				t.Error(err)
			}
			return told
		}
		var all sync.WaitGroup
		for range mostProving {
			all.Go(func() {
				if diff := cmp.Diff(state.API{Simulated: true, Outbound: "127.0.0.1:8084"}, ask()); diff != "" {
					t.Error(diff)
				}
			})
		}
		synctest.Wait()
		for range 50 { // whom the port's connections are not for
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, httptest.NewRequest("GET", state.PathAPI, nil)); w.Code != 503 || w.Header().Get("Retry-After") == "" {
				t.Errorf("one more than may wait: %d %s", w.Code, w.Body)
			}
		}
		all.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
		time.Sleep(proveEvery)
		if diff := cmp.Diff(state.API{Why: "it is another one now", Outbound: "127.0.0.1:8084"}, ask()); diff != "" {
			t.Error(diff)
		}
	})
}
