package devconsul

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// firstIndex: a real Consul has made some entries of its own before the first
	// write of a client.
	firstIndex = 10
	// maxGraves bounds the memory of deletions, as Consul's own collection does.
	maxGraves = 4096
)

// state is all that Consul would keep in Raft. Entries are never changed in place,
// so a copy of the maps is a snapshot.
type state struct {
	index uint64
	kv    map[string]*api.KVPair
	// graves has the index at which a key was deleted: it moves the index of the
	// folders that the key was in.
	graves map[string]uint64
	// kvIndex is that of the last write to any key.
	kvIndex  uint64
	sessions map[string]*session
	// delays are the ends of running lock-delays, by key.
	delays   map[string]time.Time
	services map[string]*service
	// serviceIndex is that of the last change of any service or check.
	serviceIndex uint64
}

func newState() *state {
	return &state{
		index:    firstIndex,
		kv:       map[string]*api.KVPair{},
		graves:   map[string]uint64{},
		sessions: map[string]*session{},
		delays:   map[string]time.Time{},
		services: map[string]*service{},
	}
}

func (st *state) clone() *state {
	c := *st
	c.kv, c.graves, c.sessions = maps.Clone(st.kv), maps.Clone(st.graves), maps.Clone(st.sessions)
	c.delays, c.services = maps.Clone(st.delays), maps.Clone(st.services)
	return &c
}

// put stores p under the running index. Writing what is there already changes
// nothing, the index included; p then carries the old one.
func (st *state) put(p *api.KVPair, keepSession bool) {
	old := st.kv[p.Key]
	p.CreateIndex, p.ModifyIndex = st.index, st.index
	if keepSession {
		p.Session, p.LockIndex = "", 0
	}
	if old != nil {
		p.CreateIndex = old.CreateIndex
		if keepSession {
			p.Session, p.LockIndex = old.Session, old.LockIndex
		}
		if same(old, p) {
			p.ModifyIndex = old.ModifyIndex
			return
		}
	}
	st.kv[p.Key] = p
	st.kvIndex = st.index
}

func same(a, b *api.KVPair) bool {
	return a.LockIndex == b.LockIndex && a.Flags == b.Flags && a.Session == b.Session &&
		string(a.Value) == string(b.Value)
}

// cas puts p when the key's index is want; 0 wants no key at all (hazard K7).
func (st *state) cas(p *api.KVPair, want uint64) bool {
	var have uint64
	if old := st.kv[p.Key]; old != nil {
		have = old.ModifyIndex
	}
	if have != want {
		return false
	}
	st.put(p, true)
	return true
}

func (st *state) remove(key string) {
	if st.kv[key] == nil {
		return
	}
	delete(st.kv, key)
	st.graves[key] = st.index
	st.kvIndex = st.index
	if len(st.graves) > maxGraves {
		st.collectGraves()
	}
}

// collectGraves forgets the older half of the deletions.
func (st *state) collectGraves() {
	ages := slices.Sorted(maps.Values(st.graves))
	middle := ages[len(ages)/2]
	maps.DeleteFunc(st.graves, func(_ string, at uint64) bool { return at < middle })
}

// removeCAS follows Consul in that a key which is not there counts as removed.
func (st *state) removeCAS(key string, want uint64) bool {
	old := st.kv[key]
	if old == nil {
		return true
	}
	if old.ModifyIndex != want {
		return false
	}
	st.remove(key)
	return true
}

func (st *state) removeTree(prefix string) {
	for _, p := range st.list(prefix) {
		st.remove(p.Key)
	}
}

// list gives the entries under prefix in the order of their keys.
func (st *state) list(prefix string) []*api.KVPair {
	var out []*api.KVPair
	for key, p := range st.kv {
		if strings.HasPrefix(key, prefix) {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *api.KVPair) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// listIndex is the index of the last change under prefix, or that of the whole
// store when nothing was ever there.
func (st *state) listIndex(prefix string, entries []*api.KVPair) uint64 {
	var index uint64
	for _, p := range entries {
		index = max(index, p.ModifyIndex)
	}
	for key, at := range st.graves {
		if strings.HasPrefix(key, prefix) {
			index = max(index, at)
		}
	}
	if index == 0 || prefix == "" {
		return st.kvIndex
	}
	return index
}

// lock puts p and locks it for the session. ok is false when another holds it; the
// text is Consul's reason when the request itself is wrong.
func (st *state) lock(p *api.KVPair) (ok bool, problem string) {
	switch {
	case p.Session == "":
		return false, "missing session"
	case st.sessions[p.Session] == nil:
		return false, `invalid session "` + p.Session + `"`
	}
	p.LockIndex = 1
	if old := st.kv[p.Key]; old != nil {
		switch old.Session {
		case p.Session:
			p.LockIndex = old.LockIndex
		case "":
			p.LockIndex = old.LockIndex + 1
		default:
			return false, ""
		}
	}
	st.put(p, false)
	return true, ""
}

// unlock puts p and gives the session's lock up; false when it did not hold it.
func (st *state) unlock(p *api.KVPair) bool {
	old := st.kv[p.Key]
	if p.Session == "" || old == nil || old.Session != p.Session {
		return false
	}
	p.Session, p.LockIndex = "", old.LockIndex
	st.put(p, false)
	return true
}

// delayed tells whether a lock-delay still runs on key.
func (st *state) delayed(key string, now time.Time) bool {
	until, has := st.delays[key]
	if has && !now.Before(until) {
		delete(st.delays, key)
		return false
	}
	return has
}
