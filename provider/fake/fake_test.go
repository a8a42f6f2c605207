package fake_test

import (
	"testing"

	"github.com/jonboulle/clockwork"

	"berth.dev/berth"
	"berth.dev/berth/provider/fake"
	"berth.dev/berth/provider/providertest"
)

func TestContract(t *testing.T) {
	providertest.All(t, func(t *testing.T) berth.Provider {
		p := fake.New(clockwork.NewRealClock())
		t.Cleanup(p.Close)
		return p
	})
}
