// Package kubernetes_test holds the example to what deflectd needs.
package kubernetes_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// The kubelet waits for longer than the drain takes, and for longer than the offer. The
// folder of the journal is not that of a volume: with an fsGroup a volume belongs to root,
// and is open to a group, which the journal refuses.
func TestExample(t *testing.T) {
	raw, err := os.ReadFile("deflectd.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var grace, drain time.Duration
	var state string
	mounts := map[string]bool{}
	kinds := map[string]bool{}
	for d := yaml.NewDecoder(bytes.NewReader(raw)); ; {
		var o struct {
			Kind string
			Data map[string]string
			Spec struct {
				Template struct {
					Spec struct {
						TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
						Containers                    []struct {
							VolumeMounts []struct {
								MountPath string `yaml:"mountPath"`
							} `yaml:"volumeMounts"`
						}
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
			for _, m := range o.Spec.Template.Spec.Containers[0].VolumeMounts {
				mounts[m.MountPath] = true
			}
		case "ConfigMap":
			var config struct {
				State      struct{ Dir string }
				FreeSWITCH struct {
					Outbound struct{ Drain time.Duration }
				} `yaml:"freeswitch"`
			}
			if err := yaml.Unmarshal([]byte(o.Data["deflectd.yaml"]), &config); err != nil {
				t.Fatal(err)
			}
			drain, state = config.FreeSWITCH.Outbound.Drain, config.State.Dir
		}
	}
	if drain < 2*time.Minute || grace < drain+20*time.Second {
		t.Errorf("the drain takes %v, and the kubelet waits for %v", drain, grace)
	}
	if mounts[state] || !mounts[filepath.Dir(state)] {
		t.Errorf("the journal is in %s, and the volumes in %v", state, mounts)
	}
	for _, kind := range []string{"ConfigMap", "Secret", "Service", "StatefulSet", "NetworkPolicy"} {
		if !kinds[kind] {
			t.Errorf("there is no %s", kind)
		}
	}
}
