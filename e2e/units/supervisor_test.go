//go:build e2e

package units

import (
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/e2e/machinetest"
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

// restartedUnit has the shipped template's restarts, and a stand-in for the boot
// fence that holds the unit as long as a file is there.
const restartedUnit = `[Unit]
StartLimitIntervalSec=0
[Service]
Type=exec
ExecStartPre=/bin/sh -c 'while [ -e /run/hold-%i ]; do sleep 0.05; done'
ExecStart=/bin/false
Restart=always
RestartSec=1s
TimeoutStartSec=infinity
[Install]
WantedBy=multi-user.target
`

// TestSupervisor runs the conformance suite of supervisors on machines, and what
// only systemd does; there it is this very binary, as root.
func TestSupervisor(t *testing.T) {
	if machinetest.Inside() {
		t.Run("conformance", conformance)
		t.Run("restarts", restarts)
		t.Run("fence", fenceHolds)
		t.Run("reloads", reloads)
		t.Run("reconnect", reconnect)
		t.Run("unreachable", unreachable)
		return
	}
	t.Parallel()
	for _, suite := range []string{"bookworm", "trixie"} {
		t.Run(suite, func(t *testing.T) {
			t.Parallel()
			ctx := machinetest.Context(t, 6*time.Minute)
			n := plain(ctx, t, suite, map[string]string{
				"/etc/systemd/system/redfleet-redis@.service":    plainUnit,
				"/etc/systemd/system/redfleet-sentinel@.service": restartedUnit,
			})
			out := machinetest.RunInside(ctx, t, n, "^TestSupervisor$")
			if passed := strings.Count(out, "--- PASS: TestSupervisor/"); passed < 6+17 {
				t.Errorf("only %d cases passed:\n%s", passed, out)
			}
		})
	}
}

func newSupervisor() *systemd.Supervisor {
	return systemd.New(systemd.Options{Log: logrus.New()})
}

func conformance(t *testing.T) {
	supervisortest.Run(t, supervisortest.Options{
		New: func(*testing.T) func() supervisortest.Supervisor {
			return func() supervisortest.Supervisor { return newSupervisor() }
		},
		StillRunning: systemd.ErrStillRunning,
		NoProgram:    systemd.ErrNoProgram,
	})
}
