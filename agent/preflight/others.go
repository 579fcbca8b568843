package preflight

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
)

// otherFact is a process that serves as Redis or Sentinel.
type otherFact struct {
	pid, name, dir string
}

// programs are the names of processes that hold data or vote; the longest just
// fits into comm, which is cut to 15 letters (proc(5)). Their command line
// is never looked at: a password can be in it (hazard C5).
func programs() []string {
	return []string{"redis-server", "redis-sentinel", "valkey-server", "valkey-sentinel"}
}

func gatherOthers(_ context.Context, in *Input) ([]otherFact, error) {
	var facts []otherFact
	for _, file := range in.glob("/proc/[0-9]*/comm") {
		name, err := in.read(file)
		if err != nil || !slices.Contains(programs(), name) || in.child(path.Dir(file)) { // or it ended meanwhile
			continue
		}
		dir, err := os.Readlink(in.path(path.Dir(file) + "/cwd"))
		if err != nil {
			dir = ""
		}
		facts = append(facts, otherFact{pid: path.Base(path.Dir(file)), name: name, dir: dir})
	}
	return facts, nil
}

// child: this process has started it, to ask an engine for its version.
func (in *Input) child(process string) bool {
	text, err := in.read(process + "/stat")
	// The name stands in parentheses, and can have any letter (proc(5)).
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	return err == nil && len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid())
}

func judgeOthers(in *Input, facts []otherFact) Finding {
	var own int
	var others []string
	for _, f := range facts {
		if _, _, _, ours := fleet.InstanceID(filepath.Base(f.dir)).Parts(); ours && filepath.Dir(f.dir) == filepath.Clean(in.Config.DataDir) {
			own++
			continue
		}
		where := "of another user"
		if f.dir != "" {
			where = "in " + f.dir
		}
		others = append(others, fmt.Sprintf("%s (pid %s, %s)", f.name, f.pid, where))
	}
	if len(others) > 0 {
		return warn("see whose it is (systemctl status PID); stop and disable what is not needed, after its data is saved",
			"%s", strings.Join(others, ", "))
	}
	if own > 0 {
		return ok("%d run, all of redfleet's", own)
	}
	return ok("none runs")
}
