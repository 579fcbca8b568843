//go:build e2e

package units

import (
	"os"
	"testing"

	"github.com/redfleet/redfleet/e2e/machinetest"
)

func TestMain(m *testing.M) {
	if machinetest.Inside() {
		os.Exit(m.Run())
	}
	os.Exit(machinetest.Main(m))
}
