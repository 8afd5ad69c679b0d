package livedeflect_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

// TestReportOddities reads the report of the same two calls, with each oddity of
// the vendor's page: the events are the same but for what the oddity is about.
func TestReportOddities(t *testing.T) {
	usual := func([]livedeflect.Event) {}
	tests := []struct {
		name   string
		report livedeflecttest.Report
		change func([]livedeflect.Event) // what is to be otherwise
	}{
		{"none", livedeflecttest.Report{}, usual},
		{"numbers", livedeflecttest.Report{Oddity: livedeflecttest.Oddity{Numbers: true}}, usual},
		{"caller info as object", livedeflecttest.Report{Oddity: livedeflecttest.Oddity{CallerInfoObject: true}}, usual},
		{"repeated", livedeflecttest.Report{Oddity: livedeflecttest.Oddity{Repeated: true}}, usual},
		{"shuffled", livedeflecttest.Report{Oddity: livedeflecttest.Oddity{Shuffled: true}}, usual},
		{"success last", livedeflecttest.Report{Oddity: livedeflecttest.Oddity{SuccessLast: true}}, usual},
		{"by event, ends left out", livedeflecttest.Report{Filter: livedeflecttest.ByEvent, Ends: livedeflecttest.Exclusive}, usual},
		{"by activity", livedeflecttest.Report{Filter: livedeflecttest.ByActivity}, usual},
		{"customer id of the table", livedeflecttest.Report{Oddity: livedeflecttest.Oddity{CustomerIDName: livedeflecttest.ExternalCustomerID}}, func(es []livedeflect.Event) {
			for i := range es {
				es[i].ExternalCustomerID, es[i].ExternalConsumerID = es[i].ExternalConsumerID, ""
			}
		}},
		{"trunk prefix", livedeflecttest.Report{Oddity: livedeflecttest.Oddity{TrunkZero: true}}, func(es []livedeflect.Event) {
			for i := range es {
				es[i].CustomerPhoneNumber = "0" + es[i].CustomerPhoneNumber
			}
		}},
		{"caller info that is no JSON", livedeflecttest.Report{Oddity: livedeflecttest.Oddity{CallerInfoBroken: true}}, func(es []livedeflect.Event) {
			for i := range es {
				es[i].CallerInfo, es[i].CallerInfoRaw = nil, `{userdefinedvar=50, "tshirtsize":`
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				api := livedeflecttest.New(keys)
				c := newClient(t, api, func(c *rig.Config) { c.Report.Window = time.Minute })
				for i := range 2 {
					k := call()
					k.ExternalCallID, k.Start = fmt.Sprint("call-", i), time.Now()
					k.CustomerID, k.CustomerIDDescriptor = "123456", "CustomerId"
					k.CallerInfo = map[string]any{"tshirtsize": "Large"}
					time.Sleep(30 * time.Second)
					if _, err := c.Deflect(t.Context(), rig.Next(k)); err != nil {
						t.Fatal(err)
					}
					time.Sleep(3 * time.Minute)
				}
				read := func(r livedeflecttest.Report) (events []livedeflect.Event) {
					api.SetReport(r)
					for e, err := range c.API.Report(t.Context(), livedeflect.ReportQuery{From: began.Add(-time.Second), To: time.Now()}) {
						if err != nil {
							t.Error(err)
						}
						events = append(events, e)
					}
					return events
				}
				want := read(livedeflecttest.Report{})
				if len(want) != 10 || want[0].CallerInfo["tshirtsize"] != "Large" || want[0].CustomerID() != "123456" {
					t.Fatalf("the usual report: %d events: %v", len(want), want)
				}
				tt.change(want)
				got := read(tt.report)
				anyOrder := cmpopts.SortSlices(func(a, b livedeflect.Event) bool {
					return a.CallID+string(a.Type) < b.CallID+string(b.Type)
				})
				if diff := cmp.Diff(want, got, anyOrder); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestReportKeepsTheUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := livedeflecttest.New(keys)
		api.SetReport(livedeflecttest.Report{Oddity: livedeflecttest.Oddity{UnknownEvents: true, UnknownFields: true}})
		c := newClient(t, api, nil)
		if _, err := c.Deflect(t.Context(), call()); err != nil {
			t.Fatal(err)
		}
		var types []livedeflect.EventType
		for e, err := range c.API.Report(t.Context(), livedeflect.ReportQuery{From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Hour)}) {
			if err != nil {
				t.Error(err)
			}
			types = append(types, e.Type)
			if string(e.Extra["routing"]) != `{"node":"lo-7","hops":[1,{"conversationId":null}]}` {
				t.Errorf("extra fields %s", e.Extra)
			}
		}
		if !slices.Contains(types, "optout") || len(types) != 6 {
			t.Errorf("types %q", types)
		}
	})
}

// TestReportMemory reads a big report over a socket: what is held at any moment
// must be far from the 60 MB that it has.
func TestReportMemory(t *testing.T) {
	const events, limit = 100_000, 32 << 20
	cfg := keys
	cfg.Report.Big = events
	api := livedeflecttest.RunT(t, cfg)
	c := newClient(t, api, func(c *rig.Config) { c.Domain, c.BaseURL, c.Transport = "", api.URL(), nil })
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	grown, n := int64(0), 0
	for _, err := range c.API.Report(t.Context(), livedeflect.ReportQuery{From: noon, To: noon.Add(time.Hour)}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%10_000 == 0 {
			runtime.ReadMemStats(&now)
			grown = max(grown, int64(now.HeapInuse)-int64(before.HeapInuse))
		}
	}
	if n != events {
		t.Errorf("%d events, want %d", n, events)
	}
	if grown > limit {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
}

// TestReportMemoryAhead lets windows of very large entries, and of entries under
// very large ids, wait for their turn.
func TestReportMemoryAhead(t *testing.T) {
	const limit = 64 << 20
	entry := `{"callId":"1","eventType":"sendtext","callerInfo":{"a":[` + strings.Repeat("0,", 8000) + `0]},"x":"` + strings.Repeat("x", 80_000) + `"}`
	id := strings.Repeat("1", 100_000)
	for name, data := range map[string]string{
		"entries":  `"1":[` + strings.Repeat(entry+",", 600) + entry + `]`,
		"ids":      strings.Repeat(`"`+id+`":[{"eventType":"sendtext"}],`, 600) + `"0":[{}]`,
		"no list":  `"0":[{}],` + strings.Repeat(`"`+id+`":5,`, 600) + `"2":[{}]`,
		"no event": `"0":[{}],` + strings.Repeat(`"`+id+`":[5],`, 600) + `"2":[{}]`,
	} {
		whole := `{"success":"true","data":{` + data + `}}`
		synctest.Test(t, func(t *testing.T) {
			r := &reporter{answer: func(_, _ time.Time, _ int) (int, string) { return 200, whole }}
			c := reportClient(t, r, nil)
			runtime.GC()
			var before, now runtime.MemStats
			runtime.ReadMemStats(&before)
			for _, err := range c.API.Report(t.Context(), livedeflect.ReportQuery{From: noon, To: noon.Add(3 * time.Hour)}) {
				if err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // every window holds what it may
				runtime.GC()
				runtime.ReadMemStats(&now)
				break
			}
			grown := int64(now.HeapInuse) - int64(before.HeapInuse)
			t.Logf("%s: three windows of %d MB hold %d MB", name, len(whole)>>20, grown>>20)
			if grown > limit {
				t.Errorf("%s: three windows of %d MB hold %d MB", name, len(whole)>>20, grown>>20)
			}
		})
	}
}
