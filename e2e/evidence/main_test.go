//go:build e2e

package evidence

import (
	"os"
	"testing"

	"github.com/redfleet/redfleet/e2e/machinetest"
)

func TestMain(m *testing.M) { os.Exit(machinetest.Main(m)) }
