package redismodel

import "time"

// Peek is what a server holds in memory and whether it is a master, at this moment
// and without a connection, so also of one that is frozen or cut off: for those who
// judge a run. A sentinel, and a process that has ended, holds nothing.
func (p *Process) Peek(keys ...string) (holds map[string]bool, master bool) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	holds = map[string]bool{}
	s, isServer := p.body.(*server)
	if !isServer || !p.running {
		return holds, false
	}
	for _, k := range keys {
		_, holds[k] = s.data[k]
	}
	return holds, s.master.Port == 0
}

// Running: the process has not ended; well: it is not frozen either, nor its host.
func (p *Process) Running() (running, well bool) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return p.running, p.running && !p.frozen()
}

// TakesWrites: the server is a master, has loaded its data, is not paused and does not
// wait for its replicas before it ends.
func (p *Process) TakesWrites() bool {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	s, isServer := p.body.(*server)
	now := time.Now()
	return isServer && p.running && !p.frozen() && s.shutdown == nil && s.master.Port == 0 && !now.Before(s.loadingUntil) && !now.Before(s.pausedUntil)
}
