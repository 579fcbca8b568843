package agent

import (
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/redfleet/redfleet/agent/apply"
	"github.com/redfleet/redfleet/internal/process"
	"github.com/redfleet/redfleet/internal/specfile"
	"github.com/redfleet/redfleet/systemd"
)

// logDir holds the instances' own logs, where agent.toml wants files. It is
// root's: systemd opens them as root and would follow a link there.
const logDir = "/var/log/redfleet"

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
	owner, err := ownerOf(a.cfg.User)
	if err != nil {
		return err
	}
	a.applier.Owner, a.applier.UnitsFence, a.applier.Journal = owner, true, true
	if a.cfg.InstanceLog == specfile.LogFile {
		a.applier.Journal, a.applier.LogDir = false, logDir
	}
	if configFile != "" {
		if configFile, err = filepath.Abs(configFile); err != nil {
			return err
		}
	}
	a.units = systemd.New(systemd.Options{User: a.cfg.User, Config: configFile, Log: a.log})
	return nil
}

// ownerOf finds the user that runs the instances.
func ownerOf(name string) (*apply.Owner, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("the user %q that runs the instances cannot be found (%w); the package makes it: systemd-sysusers redfleet.conf, or name another one in agent.toml (user)", name, err)
	}
	uid, bad := strconv.Atoi(u.Uid)
	gid, worse := strconv.Atoi(u.Gid)
	return &apply.Owner{UID: uid, GID: gid}, errors.Join(bad, worse)
}

// unwritable adds the way on where the agent's own unit keeps it out of a folder.
func unwritable(err error, dir string) error {
	if errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w; the agent's unit does not let it write there: systemctl edit redfleet-agent, and under [Service] add the line ReadWritePaths=%s", err, dir)
	}
	return err
}
