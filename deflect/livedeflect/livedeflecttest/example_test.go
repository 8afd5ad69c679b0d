package livedeflecttest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/dghubble/oauth1"

	"github.com/ivrdeflect/ivrdeflect/deflect/livedeflect/livedeflecttest"
)

const invitation = `{
	"siteId": "38856538", "skill": "sales", "externalCallId": "1231",
	"customerCountryCode": "1", "customerPhoneNumber": "4043438646", "deflectionHandle": "14043438646",
	"dialedCountryCode": "1", "dialedPhoneNumber": "4029742345",
	"callBeginTime": "1528932953100", "deflectionAcceptTime": "1528932953300",
	"isMobile": "true", "deflectionChannel": "sms", "deflectionText": "Reply here."
}`

// invite stands for the code under test.
func invite(client *http.Client, baseURL string) error {
	status, body, err := post(client, baseURL+"/api/contextAndInvite", invitation)
	if err == nil {
		fmt.Println(status, string(body))
	}
	return err
}

func post(client *http.Client, url, body string) (status int, answer []byte, err error) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// signing gives a client that signs with another implementation of OAuth.
func signing(transport http.RoundTripper) *http.Client {
	ctx := context.WithValue(context.Background(), oauth1.HTTPClient, &http.Client{Transport: transport})
	return oauth1.NewClient(ctx, oauth1.NewConfig("key", "secret"), oauth1.NewToken("token", "token secret"))
}

func Example() {
	api := livedeflecttest.New(livedeflecttest.Config{
		ConsumerKey: "key", ConsumerSecret: "secret",
		Token: "token", TokenSecret: "token secret",
	})
	unsigned := &http.Client{Transport: api}
	if err := invite(unsigned, api.URL()); err != nil {
		fmt.Println(err)
	}
	if err := invite(signing(api), api.URL()); err != nil {
		fmt.Println(err)
	}
	for _, d := range api.Sent() {
		fmt.Println(d.CallID, d.ExternalCallID, d.DeflectionText)
	}
	// Output:
	// 401 {"error":"No Authorization Header"}
	// 200 {"callId":"473513","success":"true"}
	// 473513 1231 Reply here.
}

// The answer is lost, but the text was sent: whoever tries again now sends two.
func ExampleServer_Inject() {
	api := livedeflecttest.New(livedeflecttest.Config{
		ConsumerKey: "key", ConsumerSecret: "secret",
		Token: "token", TokenSecret: "token secret",
	})
	api.Inject(livedeflecttest.Fault{ResetAfter: true})
	err := invite(signing(api), api.URL())
	fmt.Println("failed:", err != nil)
	fmt.Println("texts:", len(api.Sent()))
	// Output:
	// failed: true
	// texts: 1
}

// A fault for one call, whichever comes first: tests that run side by side can share
// a Server.
func ExampleConfig_faultFor() {
	api := livedeflecttest.New(livedeflecttest.Config{
		ConsumerKey: "key", ConsumerSecret: "secret",
		Token: "token", TokenSecret: "token secret",
		FaultFor: func(d livedeflecttest.Deflection) (livedeflecttest.Fault, bool) {
			return livedeflecttest.Fault{Status: 503}, d.ExternalCallID == "1232"
		},
	})
	for _, id := range []string{"1232", "1231"} {
		body := strings.Replace(invitation, `"1231"`, `"`+id+`"`, 1)
		status, _, err := post(signing(api), api.URL()+"/api/contextAndInvite", body)
		fmt.Println(id, status, err)
	}
	// Output:
	// 1232 503 <nil>
	// 1231 200 <nil>
}

// A socket, for code that cannot be given a transport.
func ExampleServer_Start() {
	api := livedeflecttest.New(livedeflecttest.Config{
		ConsumerKey: "key", ConsumerSecret: "secret",
		Token: "token", TokenSecret: "token secret",
	})
	if err := api.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer api.Close()
	fault, err := livedeflecttest.ParseFault("status=429,retry-after=1")
	if err != nil {
		fmt.Println(err)
		return
	}
	api.Inject(fault)
	for range 2 {
		if err := invite(signing(http.DefaultTransport), api.URL()); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// 429 {"error":"Too Many Requests"}
	// 200 {"callId":"473513","success":"true"}
}

// The report of a call whose consumer answers the text at once.
func ExampleServer_SetReport() {
	api := livedeflecttest.New(livedeflecttest.Config{
		ConsumerKey: "key", ConsumerSecret: "secret",
		Token: "token", TokenSecret: "token secret",
	})
	if err := invite(signing(api), api.URL()); err != nil {
		fmt.Println(err)
	}
	api.SetReport(livedeflecttest.Report{
		Conversation: func(livedeflecttest.Deflection) (time.Duration, bool) { return 0, true },
	})
	status, body, err := post(signing(api), api.URL()+"/api/getLiveDeflectData/v2",
		`{"siteId": "38856538", "startTime": "1528932950000", "endTime": "1528932960000"}`)
	if err != nil {
		fmt.Println(err)
	}
	var report struct {
		Data map[string][]struct{ EventType, EventInfo string }
	}
	if err := json.Unmarshal(body, &report); err != nil {
		fmt.Println(err)
	}
	fmt.Println(status, len(report.Data), "call")
	for _, e := range report.Data["473513"] {
		fmt.Println(e.EventType, e.EventInfo)
	}
	// Output:
	// 200 {"callId":"473513","success":"true"}
	// 200 1 call
	// callstart Y
	// skillchoice sales
	// ovrchan sms
	// deflresponse Y
	// sendtext Reply here.
	// conversationid 75d5ae65-2684-4065-9c2a-691401994cc2
}
