package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cleanupLimit bounds each step of the cleaning up, which runs after an
// interrupt too and so cannot use the context that was interrupted.
const cleanupLimit = 30 * time.Second

// command runs a program to its end. An interrupt reaches it as SIGTERM, and
// SIGKILL ten seconds later. On an error the end of what it wrote is in there.
func command(ctx context.Context, name string, args ...string) (stdout string, err error) {
	cmd := exec.CommandContext(ctx, name, args...)
	// Out of the terminal's group: an interrupt there must not end the cleaning up.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	// A daemon that it leaves behind may hold stderr open.
	cmd.WaitDelay = 10 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		text := errs.String() + out.String()
		return out.String(), fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, text[max(0, len(text)-3000):])
	}
	return out.String(), nil
}

// process is one entry of /proc.
type process struct {
	pid  int
	argv []string
	exe  string
	cwd  string
}

// processes lists all that this user can see. One that ends meanwhile is left out.
func processes() ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var list []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		argv, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || len(argv) == 0 {
			continue // ended, a zombie, or the kernel's own
		}
		p := process{pid: pid, argv: strings.Split(strings.TrimRight(string(argv), "\x00"), "\x00")}
		p.exe, _ = os.Readlink(filepath.Join(dir, "exe"))
		p.cwd, _ = os.Readlink(filepath.Join(dir, "cwd"))
		list = append(list, p)
	}
	return list, nil
}

// under tells whether the process works in dir or names it in its arguments.
func (p process) under(dir string) bool {
	if inside(p.cwd, dir) {
		return true
	}
	for _, arg := range p.argv {
		if _, value, ok := strings.Cut(arg, "="); ok && inside(value, dir) || inside(arg, dir) {
			return true
		}
	}
	return false
}

func inside(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// endAllUnder ends what still belongs to a folder of ours, and says so: the
// regular way should have ended it.
func endAllUnder(dir string) error {
	var left []string
	deadline := time.Now().Add(cleanupLimit)
	for {
		list, err := processes()
		if err != nil {
			return err
		}
		alive := 0
		for _, p := range list {
			if p.pid == os.Getpid() || !p.under(dir) {
				continue
			}
			alive++
			left = append(left, fmt.Sprintf("%d (%s)", p.pid, strings.Join(p.argv, " ")))
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
		if alive == 0 {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d processes of %s cannot be ended", alive, dir)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(left) > 0 {
		progress("Ended what was still there: %s", strings.Join(left, ", "))
	}
	return nil
}

// usage is what one process has used.
type processUsage struct {
	rss int64         // bytes resident now
	cpu time.Duration // user and system time since its start
}

// ticks per second of the times in /proc/<pid>/stat (USER_HZ), 100 on every Linux
// that Go runs on.
const ticks = 100

// usageOf reads /proc/<pid>/status and stat (proc(5)).
func usageOf(pid int) (processUsage, error) {
	var u processUsage
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return u, err
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				return u, fmt.Errorf("VmRSS of %d: %w", pid, err)
			}
			u.rss = kb << 10
		}
	}
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return u, err
	}
	// The name, in brackets, may hold spaces; utime and stime are fields 14, 15.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return u, fmt.Errorf("times of %d: %w", pid, err)
		}
		u.cpu += time.Duration(n) * time.Second / ticks
	}
	return u, nil
}
