//go:build e2e

package recover

import (
	"os"
	"testing"

	"github.com/redfleet/redfleet/e2e/machinetest"
)

func TestMain(m *testing.M) { os.Exit(machinetest.Main(m)) }
