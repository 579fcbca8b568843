package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// identity names one process for good: a pid is used again after a while, a
// pid with its start time and the boot that both belong to is not.
type identity struct {
	PID int `json:"pid"`
	// Start is field 22 of /proc/<pid>/stat: clock ticks from boot to start.
	Start uint64 `json:"start"`
	Boot  string `json:"boot"`
}

// String is the unit's invocation.
func (id identity) String() string {
	return fmt.Sprintf("%s/%d/%d", id.Boot, id.PID, id.Start)
}

// errGone: there is no such process, or it has ended and waits to be reaped.
var errGone = errors.New("no such process")

// identify reads the identity of a pid as it is now; errGone when there is none.
func identify(pid int) (identity, error) {
	boot, err := bootID()
	if err != nil {
		return identity{}, err
	}
	stat, err := readStat(pid)
	if err != nil {
		return identity{}, err
	}
	return identity{PID: pid, Start: stat.start, Boot: boot}, nil
}

// bootID changes with each boot of the kernel.
func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// procStat is the part of /proc/<pid>/stat in use (proc_pid_stat(5)).
type procStat struct {
	session int
	start   uint64
}

func readStat(pid int) (procStat, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ESRCH):
		return procStat{}, errGone
	case err != nil:
		return procStat{}, fmt.Errorf("read the state of pid %d: %w", pid, err)
	}
	return parseStat(string(b))
}

// parseStat counts the fields from the last bracket, since the second field,
// the command's name, may hold blanks and brackets.
func parseStat(text string) (procStat, error) {
	end := strings.LastIndexByte(text, ')')
	if end < 0 {
		return procStat{}, fmt.Errorf("process state %q has no command name", text)
	}
	fields := strings.Fields(text[end+1:])
	const session, start = 6 - 3, 22 - 3 // fields[0] is field 3
	if len(fields) <= start {
		return procStat{}, fmt.Errorf("process state %q is too short", text)
	}
	sid, err := strconv.Atoi(fields[session])
	if err != nil {
		return procStat{}, fmt.Errorf("session in process state %q: %w", text, err)
	}
	ticks, err := strconv.ParseUint(fields[start], 10, 64)
	if err != nil {
		return procStat{}, fmt.Errorf("start time in process state %q: %w", text, err)
	}
	return procStat{session: sid, start: ticks}, nil
}
