package apply

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
)

// logDir holds the instances' own logs, where agent.toml wants files. It is
// root's: systemd opens them as root and would follow a link there.
const logDir = "/var/log/redfleet"

// UnderUnits has instances run as units of systemd, by this user; logFiles: with
// log files of their own instead of the journal.
func (a *Applier) UnderUnits(user string, logFiles bool) error {
	owner, err := ownerOf(user)
	if err != nil {
		return err
	}
	a.Owner, a.UnitsFence, a.Journal = owner, true, !logFiles
	if logFiles {
		a.LogDir = logDir
	}
	return nil
}

// ownerOf finds the user that runs the instances.
func ownerOf(name string) (*Owner, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("the user %q that runs the instances cannot be found (%w); the package makes it: systemd-sysusers redfleet.conf, or name another one in agent.toml (user)", name, err)
	}
	uid, bad := strconv.Atoi(u.Uid)
	gid, worse := strconv.Atoi(u.Gid)
	return &Owner{UID: uid, GID: gid}, errors.Join(bad, worse)
}
