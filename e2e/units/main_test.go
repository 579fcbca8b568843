//go:build e2e

package units

import (
	"os"
	"testing"

	"github.com/redfleet/redfleet/e2e/machinetest"
)

// inside is set where this test binary runs on a machine, sent there by itself.
const inside = "REDFLEET_TEST_INSIDE"

func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		os.Exit(m.Run())
	}
	os.Exit(machinetest.Main(m))
}
