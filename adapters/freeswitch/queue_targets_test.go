package freeswitch_test

import (
	"strings"
	"testing"
)

// Where callers who were texted go is looked at before the first one is sent there. What
// the switch cannot tell for sure is not said.
func TestWatchOnSentToNowhere(t *testing.T) {
	const (
		unloop = `<extension name="unloop"><condition field="${unroll_loops}" expression="^true$"/><condition field="${sip_looped_call}" expression="^true$"><action application="deflect" data="${destination_number}"/></condition></extension>`
		log    = `<extension name="log" continue="true"><condition><action application="info"/></condition></extension>`
		other  = `<extension name="x"><condition field="destination_number" expression="^(10[01][0-9])$"/></extension>`
		texted = `<extension name="texted"><condition field="destination_number" expression="^9999$"><action application="hangup"/></condition></extension>`
	)
	for _, tt := range []struct {
		name     string
		contexts map[string]string
		modules  []string
		said     bool
	}{
		{"there", map[string]string{"default": unloop + log + other + texted}, nil, false},
		{"not there", map[string]string{"default": unloop + log + other}, nil, true},
		{"in another context", map[string]string{"public": texted, "default": other}, nil, true},
		{"no such context", map[string]string{"public": texted}, nil, true},
		{"a script may have it", map[string]string{"public": texted}, []string{"mod_lua"}, false},
		{"a script does not", map[string]string{"default": other}, []string{"mod_lua"}, true},
		{"a web server may have it", map[string]string{"default": other}, []string{"mod_xml_curl"}, false},
		{"everything else", map[string]string{"default": other + `<extension name="rest"><condition><action application="park"/></condition></extension>`}, nil, false},
		{"by a variable", map[string]string{"default": `<extension name="done"><condition field="${deflect_outcome}" expression="^sent$"/></extension>`}, nil, false},
		{"by a variable and a number", map[string]string{"default": `<extension name="done"><condition field="${deflect_outcome}" expression="^sent$"/><condition field="destination_number" expression="^99[0-8]9$"/></extension>`}, nil, true},
		{"an expression of another kind", map[string]string{"default": `<extension name="x"><condition field="destination_number" expression="^(?!1)\d+$"/></extension>`}, nil, false},
		{"with flags", map[string]string{"default": `<extension name="x"><condition field="destination_number" expression="/^99/i"/></extension>`}, nil, false},
		{"any of several", map[string]string{"default": `<extension name="x"><condition regex="any"><regex field="destination_number" expression="^1$"/></condition></extension>`}, nil, false},
		{"goes on", map[string]string{"default": `<extension name="x"><condition field="destination_number" expression="^1$" break="never"/></extension>`}, nil, false},
		{"not XML", map[string]string{"default": `<extension name="x">`}, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWatchBubble(t, []string{"fs1"}, nil, func(t *testing.T, r *watchRig) {
				r.setDown("fs1", true)
				r.sw("fs1").Drop()
				settled()
				r.sw("fs1").Contexts, r.sw("fs1").Modules = tt.contexts, tt.modules
				r.setDown("fs1", false)
				settled()
				settled()
				settled()
				n := strings.Count(r.log.String(), "on_sent names an extension")
				if (n > 0) != tt.said || n > 1 {
					t.Errorf("said %d times:\n%s", n, r.log)
				}
			})
		})
	}
}
