//go:build e2e

package units

import (
	"os"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/internal/process/supervisortest"
	"github.com/redfleet/redfleet/systemd"
)

// plainUnit stands for the shipped template where the conformance suite runs
// shell scripts, which tell systemd nothing and must not be started again.
const plainUnit = `[Service]
Type=exec
ExecStart=/bin/false
UMask=0077
TimeoutStopSec=1min
`

// TestSupervisor runs the conformance suite of supervisors on a machine: there
// this very binary, as root, on the machine's systemd.
func TestSupervisor(t *testing.T) {
	if os.Getenv(inside) != "" {
		supervisortest.Run(t, supervisortest.Options{
			New: func(*testing.T) func() supervisortest.Supervisor {
				return func() supervisortest.Supervisor { return systemd.New(systemd.Options{Log: logrus.New()}) }
			},
			StillRunning: systemd.ErrStillRunning,
			NoProgram:    systemd.ErrNoProgram,
		})
		return
	}
	t.Parallel()
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			ctx := limited(t)
			n := boot(ctx, t, newLab(ctx, t, machine.Options{Suite: suite}), "n1", machine.CreateOptions{
				Files: map[string]string{"/etc/systemd/system/redfleet-redis@.service": plainUnit},
			})
			out := runInside(ctx, t, n, "TestSupervisor")
			if passed := strings.Count(out, "--- PASS: TestSupervisor/"); passed < 17 {
				t.Errorf("only %d cases ran:\n%s", passed, out)
			}
		})
	}
}
