package redismodel

import "slices"

// Cut lets nothing pass from one host to another; the other direction stays.
// What is sent meanwhile arrives after Heal, as with TCP, later the longer the
// cut was.
func (w *World) Cut(from, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.path(from, to).cut = true
}

// Heal ends a Cut.
func (w *World) Heal(from, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.path(from, to).cut = false
}

// PowerOff ends all processes of a host at once, without a word to anybody. What
// was not on its disk yet is lost: at most what came in since the last fsync.
func (w *World) PowerOff(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.host(name)
	h.off, h.frozen = true, false
	h.boots++
	for _, p := range slices.Clone(w.procs) {
		if p.host == name && p.running {
			p.lose()
		}
	}
}

// PowerOn lets a host answer again; its processes are for others to start.
func (w *World) PowerOn(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.host(name).off = false
}

// Freeze stops a host with all its processes, as a paused virtual machine.
func (w *World) Freeze(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.host(name).frozen = true
}

// Thaw ends a Freeze.
func (w *World) Thaw(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.host(name).frozen = false
	for _, p := range slices.Clone(w.procs) {
		if p.host == name {
			p.resume()
		}
	}
}

// ReadOnly makes every write of an instance to a folder, and to what is in it,
// fail, or ends that.
func (w *World) ReadOnly(dir string, yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.disk.readOnly[dir] = yes
}
