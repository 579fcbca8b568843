package systemd

import (
	"context"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
)

// Job is work for a unit that exists only as long as it takes: it is no child of
// the command that asked for it, so it keeps none of that one's sandbox and goes on
// when that one ends (hazard M5).
type Job struct {
	// Unit is its name, as in redfleet-engine-install.service: two of one name are
	// one, so that whoever asks again waits for the first. Its journal is under it.
	Unit, Description string
	// Argv is the program, by its whole path, and its arguments. Every user can read
	// them.
	Argv []string
}

// JobError is a job that ended in failure.
type JobError struct {
	Unit string
	// Result is systemd's word for it, as in exit-code or timeout; Status the exit
	// status of the command that failed, where there is one.
	Result string
	Status int
}

// Error says where its output is.
func (e *JobError) Error() string {
	return fmt.Sprintf("%s failed (%s, exit status %d); its output: journalctl -u %s", e.Unit, e.Result, e.Status, e.Unit)
}

// RunJob starts a job, or finds it running, and waits for its end, which ctx may cut
// short: the job then goes on. tick is called about once a second with the time that
// it has taken. A job that failed is a *JobError.
func (m *Manager) RunJob(ctx context.Context, j Job, tick func(time.Duration)) error {
	began := time.Now()
	running, err := m.Daemon(ctx, j.Unit)
	if err != nil {
		return err
	}
	if running.Active == "inactive" || running.Active == "failed" {
		if err := m.submitJob(ctx, j, running.Active == "failed"); err != nil {
			return err
		}
	}
	beat := time.NewTicker(time.Second)
	look := time.NewTicker(100 * time.Millisecond)
	defer beat.Stop()
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s goes on by itself (journalctl -fu %s shows it): %w", j.Unit, j.Unit, ctx.Err())
		case <-beat.C:
			tick(time.Since(began))
		case <-look.C:
			ended, err := m.jobEnded(ctx, j.Unit)
			if ended || err != nil {
				return err
			}
		}
	}
}

func (m *Manager) submitJob(ctx context.Context, j Job, failedBefore bool) error {
	call, cancel := bounded(ctx, callTimeout)
	defer cancel()
	if failedBefore {
		if err := m.conn.ResetFailedUnitContext(call, j.Unit); err != nil {
			return fmt.Errorf("systemd keeps the failure of an earlier %s: %w", j.Unit, err)
		}
	}
	_, err := m.conn.StartTransientUnitContext(call, j.Unit, "fail", []dbus.Property{
		dbus.PropDescription(j.Description),
		dbus.PropType("oneshot"),
		dbus.PropExecStart(j.Argv, false),
	}, nil)
	if err != nil {
		return fmt.Errorf("systemd refuses to run %s: %w", j.Unit, err)
	}
	return nil
}

// jobEnded looks at a oneshot: it is activating while it runs, inactive (and soon
// forgotten) after success, failed otherwise.
func (m *Manager) jobEnded(ctx context.Context, unit string) (bool, error) {
	call, cancel := bounded(ctx, callTimeout)
	defer cancel()
	p, err := m.conn.GetAllPropertiesContext(call, unit)
	if err != nil {
		return false, fmt.Errorf("asking systemd about %s: %w", unit, err)
	}
	st := stateOf(p)
	switch {
	case st.job, st.active == "activating", st.active == "deactivating":
		return false, nil
	case st.active == "failed":
		return true, &JobError{Unit: unit, Result: st.result, Status: int(st.exitStatus)}
	default:
		return true, nil
	}
}
