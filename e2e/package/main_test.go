//go:build e2e

package debian

import (
	"os"
	"testing"

	"github.com/redfleet/redfleet/e2e/machinetest"
)

func TestMain(m *testing.M) { os.Exit(machinetest.Main(m)) }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
