// Package kubernetes_test holds the example to what deflectd needs.
package kubernetes_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// The kubelet waits for longer than the drain takes, and for longer than the offer.
func TestGraceIsLongerThanDrain(t *testing.T) {
	raw, err := os.ReadFile("deflectd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var grace, drain time.Duration
	kinds := map[string]bool{}
	for d := yaml.NewDecoder(bytes.NewReader(raw)); ; {
		var o struct {
			Kind string
			Data map[string]string
			Spec struct {
				Template struct {
					Spec struct {
						TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
					}
				}
			}
		}
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		kinds[o.Kind] = true
		switch o.Kind {
		case "StatefulSet":
			grace = time.Duration(o.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
		case "ConfigMap":
			var config struct {
				FreeSWITCH struct {
					Outbound struct{ Drain time.Duration }
				} `yaml:"freeswitch"`
			}
			if err := yaml.Unmarshal([]byte(o.Data["deflectd.yaml"]), &config); err != nil {
				t.Fatal(err)
			}
			drain = config.FreeSWITCH.Outbound.Drain
		}
	}
	if drain < 2*time.Minute || grace < drain+20*time.Second {
		t.Errorf("the drain takes %v, and the kubelet waits for %v", drain, grace)
	}
	for _, kind := range []string{"ConfigMap", "Secret", "Service", "StatefulSet", "NetworkPolicy"} {
		if !kinds[kind] {
			t.Errorf("there is no %s", kind)
		}
	}
}
