package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// kill ends a process for which still holds. The process is held by a pidfd while
// it is looked at, so that its number cannot come to mean another one.
func kill(pid int, still func(pid int) bool) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if !still(pid) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("ending process %d: %w", pid, err)
	}
	return nil
}

// killGroup ends every process of a cgroup, frozen ones too, and waits until they
// are gone. The first process of each machine goes first: the kernel then ends the
// rest, and nspawn has the time to put its own things away.
func killGroup(ctx context.Context, name string) error {
	inGroup := func(pid int) bool { return inCgroup(pid, name) }
	for round := 0; ; round++ {
		pids, err := members(name)
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			if round < 100 && !isInit(pid) {
				continue
			}
			if err := kill(pid, inGroup); err != nil {
				return err
			}
		}
		// A frozen process dies only when it may run; it does nothing else then.
		if err := thawAll(name); err != nil {
			return err
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("processes %v of %s do not end: %w", pids, name, err)
		}
	}
}

// killMarked ends the processes that the lab started on the host, outside of all
// machines.
func killMarked(ctx context.Context, id string) error {
	marked := func(pid int) bool { return mark(pid) == id }
	for {
		pids, err := processes()
		if err != nil {
			return err
		}
		found := 0
		for _, pid := range pids {
			if pid == os.Getpid() || !marked(pid) {
				continue
			}
			found++
			if err := kill(pid, marked); err != nil {
				return err
			}
		}
		if found == 0 {
			return nil
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%d processes of lab %s do not end: %w", found, id, err)
		}
	}
}

// processes are the pids of all processes on the host.
func processes() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// mark is the lab's id in the process's environment, empty where there is none.
func mark(pid int) string {
	text, _ := os.ReadFile(proc(pid, "environ"))
	for entry := range strings.SplitSeq(string(text), "\x00") {
		if value, found := strings.CutPrefix(entry, markVariable+"="); found {
			return value
		}
	}
	return ""
}

// inCgroup tells whether the process is in the group or below it.
func inCgroup(pid int, name string) bool {
	text, _ := os.ReadFile(proc(pid, "cgroup"))
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) == 3 && strings.HasPrefix(fields[2]+"/", "/"+name+"/") {
			return true
		}
	}
	return false
}

// isInit tells whether the process is the first of a namespace below ours.
func isInit(pid int) bool {
	text, _ := os.ReadFile(proc(pid, "status"))
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, "NSpid:"); found {
			numbers := strings.Fields(rest)
			return len(numbers) > 1 && numbers[len(numbers)-1] == "1"
		}
	}
	return false
}

// initBelow finds the machine's first process among the descendants of nspawn's.
func initBelow(pid int) (int, bool) {
	text, _ := os.ReadFile(filepath.Join(proc(pid, "task"), strconv.Itoa(pid), "children"))
	for _, field := range strings.Fields(string(text)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			continue
		}
		if isInit(child) {
			return child, true
		}
		if found, ok := initBelow(child); ok {
			return found, true
		}
	}
	return 0, false
}

func proc(pid int, file string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), file)
}
