package freeswitchtest_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/ivrdeflect/ivrdeflect/adapters/freeswitch/freeswitchtest"
)

func ExampleCall_Run() {
	call := freeswitchtest.Call{
		ANI:          "+14045550123",
		DNIS:         "18005550100",
		SocketResume: true,
		Vars:         map[string]string{"deflect_skill": "sales"},
	}
	program, conn := net.Pipe()
	go func() {
		// The smallest program: it marks the call and lets it go on.
		go func() { _, _ = io.Copy(io.Discard, program) }()
		_, _ = io.WriteString(program, "connect\n\n"+
			"sendmsg\ncall-command: execute\nexecute-app-name: set\nexecute-app-arg: seen=yes\n\n"+
			"resume\n\nexit\n\n")
	}()
	result, err := call.Run(context.Background(), conn)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("goes on:", result.Continued)
	fmt.Println("seen:", result.Vars["seen"])
	fmt.Println("violations:", len(result.Violations))
	for _, e := range result.Timeline {
		fmt.Println("-", e.Text)
	}
	// Output:
	// goes on: true
	// seen: yes
	// violations: 0
	// - the call reaches the socket
	// - asked to let the dialplan go on
	// - the call was given back
	// - sets seen=yes
	// - the dialplan goes on
}

func ExampleSwitch() {
	s := &freeswitchtest.Switch{}
	if err := s.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer s.Stop()
	call := s.Park(freeswitchtest.Call{UUID: "c-1", ANI: "+14045550123"})

	// The smallest program: it marks one call.
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		fmt.Println(err)
		return
	}
	_, _ = io.WriteString(conn, "auth ClueCon\n\napi uuid_setvar_multi c-1 seen=yes\n\nexit\n\n")
	answers, _ := io.ReadAll(conn)
	_ = conn.Close()

	fmt.Println("bye:", strings.Contains(string(answers), "+OK bye"))
	fmt.Println("seen:", call.Result().Vars["seen"])
	fmt.Println("violations:", len(s.Violations()))
	for _, c := range s.Commands() {
		fmt.Println("-", c)
	}
	// Output:
	// bye: true
	// seen: yes
	// violations: 0
	// - auth ***
	// - api uuid_setvar_multi c-1 seen=yes
	// - exit
}

func ExampleCheckInbound() {
	for _, problem := range freeswitchtest.CheckInbound("api uuid_setvar c-1 name ${system(id)}") {
		fmt.Println(problem)
	}
	// Output:
	// the switch would expand ${system(id)}
}

func ExampleCheck() {
	for _, problem := range freeswitchtest.Check("sendmsg\ncall-command: execute\n" +
		"execute-app-name: playback\nexecute-app-arg: ${system(id)}.wav") {
		fmt.Println(problem)
	}
	// Output:
	// the switch would expand ${system(id)}
}
