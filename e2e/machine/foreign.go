package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// others are the labs of other runs on this host that are alive: what they have is
// nothing that we left.
type others map[string]bool

var labName = regexp.MustCompile(`^rf[0-9a-f]{8}$`)

// otherLabs finds them by their networks, which each lab has mounted in its folder,
// and by their locks, which their owners hold.
func otherLabs() (others, error) {
	points, err := mountPoints()
	if err != nil {
		return nil, err
	}
	found := others{}
	for _, point := range points {
		dir, file := filepath.Split(point)
		id := filepath.Base(dir)
		if file != "net" || !labName.MatchString(id) {
			continue
		}
		path := filepath.Join(dir, "lock")
		free, err := lockIsFree(path)
		if err != nil {
			return nil, fmt.Errorf("looking whose lab %s is: %w", id, err)
		}
		owner, _ := os.ReadFile(path)
		if !free && string(owner) != strconv.Itoa(os.Getpid()) {
			found[id] = true
		}
	}
	return found, nil
}

// have tells whether one of them is named in a path, in whole or, as by nspawn, at
// the beginning of a file's name.
func (o others) have(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		id, _, _ := strings.Cut(part, "-")
		if o[id] {
			return true
		}
	}
	return false
}

// baseMark is the mark of what builds a base image.
func baseMark() string { return "base-" + strconv.Itoa(os.Getpid()) }

// started tells whether one of them, or another run that builds a base image,
// started a process with this mark.
func (o others) started(mark string) bool {
	if builder, isBase := strings.CutPrefix(mark, "base-"); isBase {
		pid, err := strconv.Atoi(builder)
		return err == nil && pid != os.Getpid() && unix.Kill(pid, 0) == nil
	}
	return o[mark]
}
