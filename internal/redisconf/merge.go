package redisconf

import (
	"crypto/sha256"
	"fmt"
	"slices"
)

// Merge brings a file that the engine has rewritten up to a newly rendered one:
// what redfleet owns comes from rendered, all else stays as it is on disk
// (promise sentinel-state-kept, hazard S3). Neither argument is changed. The
// second result names what is different from disk now, in rendered's order;
// where it is empty the merged file is onDisk byte for byte.
//
//   - owned says which directives redfleet may write over, by canonical name. A
//     directive that is owned, on disk and no longer rendered is taken out.
//   - What is rendered but not owned is a seed for the first start and ignored
//     here. Only a missing `sentinel myid` is put back (hazard S4).
//   - A `sentinel monitor` line keeps the address that Sentinel wrote (promise
//     sentinel-owns-master); owning it means owning the quorum.
//   - A master that only rendered names comes with all its lines. A master that
//     only the disk names stays with all its lines: to stop watching it is
//     SENTINEL REMOVE, not a render.
//   - Where requirepass changes, the `user default` line that CONFIG REWRITE
//     made of the old one goes: it would win over the new one. A line that holds
//     anything else is an ACL of its own and stays (hazard C4).
//   - A directive that Sentinel leaves out because it has its default value, or
//     that CONFIG REWRITE put into other words (64mb, 67108864), is no change.
//   - With nil or no directive on disk the result is rendered.
func Merge(onDisk, rendered *File, owned func(directive string) bool) (*File, []string) {
	if onDisk == nil || onDisk.Empty() {
		return rendered.clone(), rendered.Names()
	}
	m := merger{out: onDisk.clone(), disk: onDisk, rendered: rendered, owned: owned}
	for _, k := range rendered.keys() {
		m.bring(k)
	}
	for _, k := range onDisk.keys() {
		m.drop(k)
	}
	m.dropMirror()
	return m.out, m.changed
}

// key identifies lines that belong together: those of one directive, and of one
// master where Sentinel watches several.
type key struct{ name, master string }

func (l line) key() key {
	if sub, ok := cutSentinel(l.name); ok && perMaster(sub) && len(l.args) > 0 {
		return key{l.name, l.args[0]}
	}
	return key{name: l.name}
}

type merger struct {
	out, disk, rendered *File
	owned               func(string) bool
	changed             []string
}

// bring takes one directive from rendered, if it is ours to write.
func (m *merger) bring(k key) {
	onDisk, want := m.disk.linesOf(k), m.rendered.linesOf(k)
	newMaster := k.master != "" && !m.disk.monitors(k.master)
	switch {
	case newMaster:
	case k.name == "sentinel myid":
		if len(onDisk) > 0 {
			return
		}
	case !m.owned(k.name):
		return
	case k.name == "sentinel monitor":
		want = keepAddress(onDisk, want)
	}
	if sameLines(k.name, onDisk, want) {
		return
	}
	m.out.replace(func(l line) bool { return l.key() == k }, want)
	m.change(k.name)
}

// drop takes out what is owned, on disk and no longer rendered.
func (m *merger) drop(k key) {
	foreign := k.master != "" && !m.rendered.monitors(k.master)
	if foreign || !m.owned(k.name) || len(m.rendered.linesOf(k)) > 0 || k.name == "sentinel myid" {
		return
	}
	m.out.replace(func(l line) bool { return l.key() == k }, nil)
	m.change(k.name)
}

// dropMirror takes out the engine's copy of a requirepass that has changed.
func (m *merger) dropMirror() {
	old := m.disk.linesOf(key{name: "requirepass"})
	if !slices.Contains(m.changed, "requirepass") || len(old) != 1 || len(old[0].args) != 1 {
		return
	}
	mirror := fmt.Sprintf("#%x", sha256.Sum256([]byte(old[0].args[0])))
	for _, l := range m.disk.linesOf(key{name: "user"}) {
		if len(l.args) < 2 || l.args[0] != "default" || !slices.Contains(l.args, mirror) || passwords(l.args) != 1 {
			continue
		}
		m.out.replace(func(other line) bool { return other.equal(l) }, nil)
		m.change("user")
	}
}

// passwords counts the passwords of a user line, in clear or hashed.
func passwords(rules []string) int {
	n := 0
	for _, rule := range rules {
		if rule != "" && (rule[0] == '#' || rule[0] == '>') {
			n++
		}
	}
	return n
}

func (m *merger) change(name string) {
	if !slices.Contains(m.changed, name) {
		m.changed = append(m.changed, name)
	}
}

// keepAddress gives the rendered monitor line with the address that is on disk.
func keepAddress(onDisk, want []line) []line {
	if len(onDisk) == 0 || len(want) == 0 || len(onDisk[0].args) < 4 || len(want[0].args) < 4 {
		return want
	}
	args := slices.Clone(onDisk[0].args[:4])
	args[3] = want[0].args[3]
	return []line{newLine(want[0].name, args)}
}

// monitors tells whether a sentinel.conf watches a master of this name.
func (f *File) monitors(master string) bool {
	return len(f.linesOf(key{"sentinel monitor", master})) > 0
}

func (f *File) linesOf(k key) []line {
	var found []line
	for _, l := range f.lines {
		if l.name != "" && l.key() == k {
			found = append(found, l)
		}
	}
	return found
}

// keys are the keys of all lines, each once, in order.
func (f *File) keys() []key {
	var keys []key
	for _, l := range f.lines {
		if k := l.key(); l.name != "" && !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys
}

func (f *File) clone() *File { return &File{lines: slices.Clone(f.lines)} }
