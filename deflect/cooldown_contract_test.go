package deflect_test

import (
	"testing"

	"github.com/ivrdeflect/ivrdeflect/deflect"
	"github.com/ivrdeflect/ivrdeflect/deflect/deflecttest"
)

func TestCooldownsInMemoryKeepTheContract(t *testing.T) {
	deflecttest.TestCooldowns(t, deflect.NewMemoryCooldowns)
}
