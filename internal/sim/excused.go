package sim

import (
	"time"
)

// lost: a node does not hold any more what it held.
func (j *judge) lost(n *node) {
	j.w.clients.lost(n.name, time.Hour)
}

func (j *judge) rolledBack() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lostConsul = true
}

func (j *judge) wiped(n *node) {
	var members []string
	for _, m := range j.w.members() {
		members = append(members, m.name)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lostDisk[n.name], j.wipedEver[n.name] = true, true
	delete(j.epochs, n.name)
	delete(j.keeps, n.name)
	j.acted.wiped(n.name)
	j.seats.wiped(n.name, members)
}

// twins: a second agent ran under a node's name.
func (j *judge) twins() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.duplicates) > 0
}

// lostForming: Consul lost a group that was not whole; nothing but an operator can
// make it whole from there.
func (j *judge) lostForming() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.halfFormed = true
}

// isBack: Consul was set back to a snapshot now.
func (j *judge) isBack() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.backAt = j.w.now()
}

// setBack is when Consul was last set back to a snapshot; 0 where it never was.
func (j *judge) setBack() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.backAt
}

// keepsSecret: a node has the password of its group on disk now.
func (j *judge) keepsSecret(n *node) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.keeps[n.name] = true
}

// untold: Consul was set back to before the group was decided. Where one of its members
// was not told by then, or not of its password (seed 2614), nobody but an operator tells
// it (seed 6180).
func (j *judge) untold(members []*node) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, n := range members {
		if _, told := j.epochs[n.name]; !told || !j.keeps[n.name] {
			j.halfFormed = true
		}
	}
}

// beyond: what is left of the fleet does not say any more what a node was for: Consul
// lost it, and so did the node's disk, or the node was not told yet. Only an operator
// brings that back.
func (j *judge) beyond() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.lostConsul && len(j.lostDisk) > 0 || j.halfFormed
}
