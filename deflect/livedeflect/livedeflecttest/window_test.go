package livedeflecttest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/double"
)

func TestCheckReport(t *testing.T) {
	t.Parallel()
	const start, end = "startTime must be epoch milliseconds in digits", "endTime must be epoch milliseconds in digits"
	body := func(site, start, end string) string {
		return fmt.Sprintf(`{"siteId":%s,"startTime":%s,"endTime":%s}`, site, start, end)
	}
	const site, early, late = `"38856538"`, `"1428934391000"`, `"1428934401000"`
	for _, tt := range []struct{ name, body, want string }{
		{"in order", body(site, early, late), ""},
		{"one moment", body(site, early, early), ""},
		{"the year 2000", body(site, `"946684800000"`, late), ""},
		{"spaced", " {\n\"endTime\" : " + late + ", \"startTime\":" + early + ",\"siteId\":" + site + "}\n", ""},
		{"other account", body(`"1"`, early, late), "siteId is not the account of this key"},
		{"backwards", body(site, late, early), "endTime must not be before startTime"},
		{"seconds", body(site, `"1428934391"`, `"1428934401"`), end + "; " + start},
		{"numbers", body(site, "1428934391000", "1428934401000"), "startTime must be a string; endTime must be a string"},
		{"null", body("null", early, late), "siteId must be a string"},
		{"empty", body(`""`, `""`, `""`), "siteId is required; startTime is required; endTime is required"},
		{"nothing", `{}`, "siteId is required; startTime is required; endTime is required"},
		{"one missing", `{"siteId":` + site + `,"endTime":` + late + `}`, "startTime is required"},
		{"sign", body(site, `"-142893439100"`, late), start},
		{"leading 0", body(site, `"0428934391000"`, late), start},
		{"long", body(site, early, `"14289344010000"`), end},
		{"other digits", body(site, early, `"١٤٢٨٩٣٤٤٠١٠٠٠"`), end},
		{"old spelling", `{"siteid":` + site + `,"startTime":` + early + `,"endTime":` + late + `}`, `unknown field "siteid"`},
		{"twice", `{"siteId":` + site + `,"siteId":` + site + `,"startTime":` + early + `,"endTime":` + late + `}`, `key "siteId" comes twice`},
		{"caller info", `{"callerInfo":{}}`, `unknown field "callerInfo"`},
		{"array", `[]`, "the body is not a JSON object"},
		{"no JSON", `{"siteId"`, "the body is not JSON"},
		{"no UTF-8", "{\"siteId\":\"\xff\"}", "the body is not UTF-8"},
		{"too large", strings.Repeat(" ", double.MaxBody) + "{}", "the body is larger than 65536 bytes"},
		{"deep", strings.Repeat("[", 20_000), "the body is not JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := New(testConfig())
			got := send(inMemory(s), post(t, t.Context(), s, pathReport, tt.body))
			if tt.want != "" {
				wantRefusal(t, got, http.StatusBadRequest, tt.want)
			} else if got.status != 200 || got.body != `{"success":"true","data":{}}` {
				t.Errorf("got %+v", got)
			}
			if r := s.Requests()[0]; r.Path != pathReport || r.Reason != tt.want || r.Processed || r.CallID != "" || r.Status != got.status {
				t.Errorf("got record %+v", r)
			}
		})
	}
}

func TestCheckReportHeaders(t *testing.T) {
	t.Parallel()
	s := New(testConfig())
	req := post(t, t.Context(), s, pathReport, `{"externalCallId":"1231"}`)
	req.Header.Del("Accept")
	req.Header.Set("Content-Type", "text/plain")
	wantRefusal(t, send(inMemory(s), req), http.StatusBadRequest,
		`Content-Type must be application/json; Accept must be application/json; unknown field "externalCallId"`)
	if got := s.Requests()[0].ExternalCallID; got != "" {
		t.Errorf("got externalCallId %q for a report", got)
	}

	req = ask(t, s, "1428934391000", "1428934401000")
	again := ask(t, s, "1428934391000", "1428934401000")
	again.Header.Set("Authorization", req.Header.Get("Authorization"))
	if got := send(inMemory(s), req); got.status != 200 {
		t.Errorf("got %+v", got)
	}
	wantRefusal(t, send(inMemory(s), again), http.StatusUnauthorized, double.ReasonNonce)
	// A signature is good for one path only.
	elsewhere := request(t, t.Context(), s, testBody(t, nil))
	elsewhere.Header.Set("Authorization", ask(t, s, "1428934391000", "1428934401000").Header.Get("Authorization"))
	wantRefusal(t, send(inMemory(s), elsewhere), http.StatusUnauthorized, "Invalid oauth_signature")
}
