package machine

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// copyDir makes the folder to where it is not there, with the owner and the mode
// of the folder like, or root's and 0755 where that is not there either.
func copyDir(like, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return nil
	}
	mode, owner, group := os.FileMode(0o755), 0, 0
	info, err := os.Lstat(like)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no folder in the base image (a link, perhaps); use its real path", like)
	default:
		mode = info.Mode() & (os.ModePerm | os.ModeSticky | os.ModeSetgid)
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			owner, group = int(stat.Uid), int(stat.Gid)
		}
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	return errors.Join(os.Chown(to, owner, group), os.Chmod(to, mode))
}
