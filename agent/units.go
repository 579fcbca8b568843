package agent

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	"github.com/redfleet/redfleet/internal/process"
	"github.com/redfleet/redfleet/internal/specfile"
	"github.com/redfleet/redfleet/systemd"
)

// supervise opens what runs the instances, and tells the applier what it needs.
func (a *agent) supervise(configFile string) error {
	if a.outside.Supervisor != nil {
		a.units = a.outside.Supervisor
		a.applier.UnitsFence = a.cfg.Supervisor == specfile.SupervisorSystemd
		return nil
	}
	if a.cfg.Supervisor == specfile.SupervisorProcess {
		a.units = process.New(a.store.RunDir(), a.log)
		return nil
	}
	err := a.applier.UnderUnits(a.cfg.User, a.cfg.InstanceLog == specfile.LogFile)
	if err != nil {
		return err
	}
	if configFile != "" {
		if configFile, err = filepath.Abs(configFile); err != nil {
			return err
		}
	}
	units := systemd.New(systemd.Options{User: a.cfg.User, Config: configFile, Log: a.log})
	a.units, a.applier.Adopter = units, units
	return nil
}

// unwritable adds the way on where the agent's own unit keeps it out of a folder.
func unwritable(err error, dir string) error {
	if errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w; the agent's unit does not let it write there: systemctl edit redfleet-agent, and under [Service] add the line ReadWritePaths=%s", err, dir)
	}
	return err
}
