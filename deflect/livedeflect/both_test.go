package livedeflect_test

import "github.com/ivrdeflect/ivrdeflect/deflect/internal/rig"

// What tests of this package with the engine are made of.
var (
	keys      = rig.Keys
	auth      = rig.Auth
	newClient = rig.Over
	call      = rig.Call
)
