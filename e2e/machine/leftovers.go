package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// State is what there is on the host at one moment of all that a lab makes. Each
// entry's key is what it is, for comparing; the value says it to a reader.
type State struct {
	// Processes by pid and start time.
	Processes map[string]process
	// Mounts of this mount namespace, by their id.
	Mounts map[string]string
	// Namespaces of all processes, and those that a mount holds.
	Namespaces map[string]string
	// Cgroups in the hierarchies that nodes have a group in, and labs' in all.
	Cgroups map[string]string
	// Machines are folders that nspawn keeps.
	Machines map[string]string
}

// process is one of the host's processes.
type process struct {
	pid        int
	about      string
	marked     bool // started by a lab
	below      bool // a descendant of this process
	namespaces []string
}

// Snapshot takes the host's state, to be compared with Leftovers afterwards. What
// belongs to labs of other runs that are alive is left out.
func Snapshot() (State, error) {
	s := State{
		Processes: map[string]process{}, Mounts: map[string]string{}, Namespaces: map[string]string{},
		Cgroups: map[string]string{}, Machines: map[string]string{},
	}
	o, err := otherLabs()
	if err == nil {
		err = errors.Join(s.readProcesses(o), s.readMounts(o), s.readCgroups(o), s.readMachines(o))
	}
	if err != nil {
		return State{}, fmt.Errorf("looking at what is on the host: %w", err)
	}
	return s, nil
}

// Leftovers says what there is on the host now and was not before: mounts,
// namespaces and cgroups, whoever made them, and of the processes those that a lab
// or this process started, or that live in a namespace that was not there. The
// kernel may take a moment to end a namespace: Leftovers waits for that, until ctx
// ends or at most 5 s. Empty means that nothing is left.
func Leftovers(ctx context.Context, before State) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for {
		now, err := Snapshot()
		if err != nil {
			return nil, err
		}
		left := now.since(before)
		if len(left) == 0 || sleep(ctx, 50*time.Millisecond) != nil {
			return left, nil
		}
	}
}

func (s State) since(before State) []string {
	var left []string
	for key, p := range s.Processes {
		if _, old := before.Processes[key]; old {
			continue
		}
		foreign := slices.ContainsFunc(p.namespaces, func(ns string) bool { _, old := before.Namespaces[ns]; return !old })
		if p.marked || p.below || foreign {
			left = append(left, "process "+p.about)
		}
	}
	for _, kind := range []struct {
		name        string
		now, before map[string]string
	}{
		{"mount", s.Mounts, before.Mounts}, {"namespace", s.Namespaces, before.Namespaces},
		{"cgroup", s.Cgroups, before.Cgroups}, {"machine", s.Machines, before.Machines},
	} {
		for _, key := range slices.Sorted(maps.Keys(kind.now)) {
			if _, old := kind.before[key]; !old {
				left = append(left, kind.name+" "+kind.now[key])
			}
		}
	}
	slices.Sort(left)
	return left
}

func (s State) readProcesses(o others) error {
	pids, err := processes()
	if err != nil {
		return err
	}
	parents, foreign, starts := map[int]int{}, map[int]bool{}, map[int]string{}
	for _, pid := range pids {
		if parent, start, ok := parentAndStart(pid); ok {
			parents[pid], starts[pid] = parent, start
			foreign[pid] = o.started(mark(pid))
		}
	}
	for pid, start := range starts {
		if isBelow(parents, pid, func(at int) bool { return foreign[at] }) {
			continue
		}
		p := process{
			pid: pid, marked: mark(pid) != "", about: about(pid), namespaces: namespaces(pid),
			below: pid != os.Getpid() && isBelow(parents, pid, func(at int) bool { return at == os.Getpid() }),
		}
		for _, ns := range p.namespaces {
			s.Namespaces[ns] = ns + " of process " + p.about
		}
		s.Processes[fmt.Sprintf("%d/%s", pid, start)] = p
	}
	return nil
}

func about(pid int) string {
	command, _ := os.ReadFile(proc(pid, "cmdline"))
	return fmt.Sprintf("%d: %s", pid, strings.TrimSpace(strings.ReplaceAll(string(command), "\x00", " ")))
}

// namespaces are those that the process is in; none where it has just ended.
func namespaces(pid int) []string {
	links, _ := filepath.Glob(proc(pid, "ns/*"))
	var found []string
	for _, link := range links {
		if ns, err := os.Readlink(link); err == nil && !strings.HasSuffix(link, "_for_children") {
			found = append(found, ns)
		}
	}
	return found
}

// isBelow tells whether the process or one above it is what is asked for.
func isBelow(parents map[int]int, pid int, wanted func(pid int) bool) bool {
	for at := pid; at > 1; at = parents[at] {
		if wanted(at) {
			return true
		}
	}
	return false
}

// parentAndStart are fields 4 and 22 of /proc/pid/stat. A process that is only
// waiting to be reaped is none any more.
func parentAndStart(pid int) (parent int, start string, ok bool) {
	text, err := os.ReadFile(proc(pid, "stat"))
	if err != nil {
		return 0, "", false
	}
	// The name, in brackets, may hold anything, brackets too.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" {
		return 0, "", false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, fields[19], err == nil
}

func (s State) readMounts(o others) error {
	lines, err := mountInfo()
	if err != nil {
		return err
	}
	for _, fields := range lines {
		if o.have(fields[4]) {
			continue
		}
		s.Mounts[fields[0]+" "+fields[4]] = fields[4]
		if strings.Contains(fields[3], ":[") { // a namespace held by a file
			s.Namespaces[fields[3]] = fields[3] + " held by " + fields[4]
		}
	}
	return nil
}

// readCgroups reads the groups of the hierarchies that nodes have one in, and in the
// others, where the host's own programs come and go, those of labs.
func (s State) readCgroups(o others) error {
	all, err := trees()
	if err != nil {
		return err
	}
	for _, h := range all {
		whole := slices.Contains(hierarchies(), h)
		err := filepath.WalkDir(h, func(path string, entry fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err == nil && entry.IsDir() && !o.have(path) && (whole || ofLab(path)) {
				s.Cgroups[path] = path
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ofLab tells whether a folder in the path has a lab's name.
func ofLab(path string) bool {
	return slices.ContainsFunc(strings.Split(path, "/"), labName.MatchString)
}

// readMachines reads nspawn's folders, and its locks that nobody holds: one that is
// held has a process.
func (s State) readMachines(o others) error {
	folders, err := filepath.Glob(filepath.Join(nspawnRun, "propagate", "*"))
	if err != nil {
		return err
	}
	for _, path := range folders {
		if !o.have(path) {
			s.Machines[path] = path
		}
	}
	locks, err := filepath.Glob(filepath.Join(nspawnRun, "locks", "*"))
	if err != nil {
		return err
	}
	for _, path := range locks {
		if err := withFreeLock(path, func() error { s.Machines[path] = path; return nil }); err != nil {
			return err
		}
	}
	return nil
}
