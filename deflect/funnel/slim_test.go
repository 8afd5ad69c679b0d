package funnel

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ivrdeflect/ivrdeflect/deflect/c2m"
	"github.com/ivrdeflect/ivrdeflect/deflect/internal/period"
)

type answering string

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(a)))}, nil
}

// Transport makes it an authenticator that signs nothing.
func (answering) Transport(base http.RoundTripper) http.RoundTripper { return base }

// A report with long texts, each of them another one, costs a poll no memory.
func TestLiveHoldsNoTexts(t *testing.T) {
	long := strings.Repeat("x", 100<<10)
	var texts string
	for _, name := range []string{"channel", "skill", "initialChannel", "initialSkill", "handOffId", "ivrNumber", "conversationId", "messageStatus", "errorSource", "errorCode", "errorMessage"} {
		texts += fmt.Sprintf(`,%q:%q`, name, name+long[:9<<10])
	}
	now := time.Now()
	api, err := c2m.New(c2m.Config{
		Account: "38856538", BaseURL: "http://127.0.0.1:1", Auth: answering(""),
		Transport: answering(fmt.Sprintf(`{"page":{"count":3},"transactions":[
			{"transactionId":"id","attemptedTime":%[1]q,"sentTime":%[1]q%[2]s},{"transactionId":%[3]q,"attemptedTime":%[1]q}]}`, now.UTC().Format(time.RFC3339), texts, long)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	calls := collectConnect(api)(t.Context(), []period.Span{{From: now.Add(-time.Hour), To: now}}, func(err error) { t.Error(err) })
	if len(calls) != 1 || !calls[0].reached[ofC2M.text] {
		t.Fatalf("%d calls", len(calls))
	}
	want := []Journey{{CallID: "id", Begin: calls[0].Begin}}
	if diff := cmp.Diff(want, calls, cmpopts.IgnoreUnexported(Journey{})); diff != "" {
		t.Errorf("-want +got, cut:\n%.500s", diff)
	}
}
