package config

import (
	"fmt"
	"strings"
	"testing"
)

// A listener that nobody on the allow-list can reach is warned of.
func TestWarnsOfListenerWithoutGuests(t *testing.T) {
	const here, others = "is for this machine alone", "is for other machines"
	for _, tt := range []struct{ listen, allow, want string }{
		{"127.0.0.1:8084", "", ""},
		{"[::1]:8084", "", ""},
		{"localhost:8084", "", ""},
		{"0.0.0.0:8084", "", others},
		{":8084", "", others},
		{"[::]:8084", "", others},
		{"10.0.0.1:8084", "", others},
		{"[fd00::1]:8084", "", others},
		{"switch.example:8084", "", ""}, // nobody is asked where that is
		{"0.0.0.0:8084", `"127.0.0.0/8"`, others},
		{"0.0.0.0:8084", `"127.0.0.1/32", "::1/128", "::ffff:127.0.0.0/104"`, others},
		{"0.0.0.0:8084", `"127.0.0.1/32", "10.0.0.0/8"`, ""},
		{"0.0.0.0:8084", `"::ffff:10.0.0.0/104"`, ""},
		{"0.0.0.0:8084", `"fd00::/8"`, others},
		{"[::]:8084", `"fd00::/8"`, ""},
		{"[::]:8084", `"10.0.0.0/8"`, ""},
		{"[fd00::1]:8084", `"10.0.0.0/8"`, others},
		{"0.0.0.0:8084", `"0.0.0.0/0"`, ""},
		{"127.0.0.1:8084", `"10.0.0.0/8"`, here},
		{"127.0.0.1:8084", `"::1/128"`, here},
		{"127.0.0.1:8084", `"0.0.0.0/0"`, ""},
		{"127.0.0.1:8084", `"::ffff:127.0.0.0/104"`, ""},
		{"127.0.0.1:8084", `"::ffff:0:0/96"`, ""},
		{"[::1]:8084", `"127.0.0.0/8"`, here},
		{"localhost:8084", `"::1/128"`, ""},
		{"localhost:8084", `"0.0.0.0/0"`, ""},
		{"localhost:8084", `"127.0.0.2/32"`, ""},
		{"localhost:8084", `"fd00::/8"`, here},
	} {
		allow := ""
		if tt.allow != "" {
			allow = ", allow: [" + tt.allow + "]"
		}
		f, err := Parse("x.yaml", []byte(fmt.Sprintf("freeswitch: {outbound: {listen: %q%s}}\n", tt.listen, allow)+frame("gap: 3s")), consumer)
		if err != nil {
			t.Errorf("%s, %s: %v", tt.listen, tt.allow, err)
			continue
		}
		got := fmt.Sprint(f.Warnings)
		if (tt.want == "") != (len(f.Warnings) == 0) || !strings.HasPrefix(got, "[freeswitch.outbound.listen: "+tt.want) && tt.want != "" {
			t.Errorf("%s, %s: %s, want %q", tt.listen, tt.allow, got, tt.want)
		}
	}
}
