package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// checkHost says what is missing on this host, all at once.
func checkHost() error {
	if os.Geteuid() != 0 {
		return errors.New("machines under test need root (namespaces, mounts, cgroups): run this as root, for example by sudo")
	}
	var errs []error
	for _, tool := range []string{"debootstrap", "systemd-nspawn", "ip", "nft", "nsenter", "unshare", "setpriv", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			errs = append(errs, fmt.Errorf("%s is not installed; `.ci/install machines` brings it", tool))
		}
	}
	if _, err := os.Stat(archiveKeys); err != nil {
		errs = append(errs, fmt.Errorf("the Debian archive's keys are missing (%w); `.ci/install machines` brings them", err))
	}
	if len(hierarchies()) == 0 {
		errs = append(errs, errors.New("no cgroups are mounted in "+cgroupRoot+": nodes need them"))
	}
	return errors.Join(errs...)
}
