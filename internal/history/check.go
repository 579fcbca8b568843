package history

import (
	"fmt"
	"time"
)

// Result is what a history shows.
type Result struct {
	// Rows are the windows: the first is the time before the first fault, then one
	// for each fault.
	Rows  []Row `json:"rows"`
	Total Found `json:"total"`
	// Violations are the claims that do not hold, with the fault's number.
	Violations []string `json:"violations"`
}

// Row is one window.
type Row struct {
	// Fault is nil for the time before the first one.
	Fault *Fault        `json:"fault,omitempty"`
	From  time.Duration `json:"from_ns"`
	To    time.Duration `json:"to_ns"`
	// Groups has what was found for each group, All all of them together.
	Groups map[string]Found `json:"groups"`
	All    Found            `json:"all"`
	// Restarts are units that were restarted and that the fault does not touch.
	Restarts []string `json:"restarts,omitempty"`
}

// Found is what was counted in a window.
type Found struct {
	Acknowledged int `json:"acknowledged"`
	// Waited are those of them that every replica had by WAIT's answer.
	Waited int `json:"waited"`
	Failed int `json:"failed"`
	// Lost are acknowledged writes that a server lacked when it was looked at at the
	// end of this window; LostWaited are those of them that had been waited for.
	Lost       int `json:"lost"`
	LostWaited int `json:"lost_waited"`
	// Twice are numbers that were there more than once: a write that was repeated.
	Twice int `json:"twice"`
	// Dual is for how long two servers took writes at once.
	Dual time.Duration `json:"dual_ns"`
	// Gap is the longest time for which no client got a write acknowledged.
	Gap time.Duration `json:"gap_ns"`
	// Isolated is how long after the fault was made the isolated node's server took
	// its last write; 0 where it took none.
	Isolated time.Duration `json:"isolated_ns"`
	// StaleMaster is how many reads of what the sentinels called the master did not
	// show a write that had been acknowledged before the read began, Stale by how
	// much the oldest of all reads, replicas' too, was behind.
	StaleMaster int           `json:"stale_master"`
	Stale       time.Duration `json:"stale_ns"`
	// Credentials is how often a password was refused.
	Credentials int `json:"credentials"`
	// Unasked is how many units were restarted without need; it is counted in Row.All
	// and the total alone, since a unit may belong to no group.
	Unasked int `json:"unasked_restarts"`
}

// Check counts what a history shows and holds it against its claims.
func Check(h History) Result {
	var r Result
	windows := windowsOf(h)
	gone := map[string][]map[string][]Write{}
	for _, g := range h.Groups {
		gone[g.Name] = lost(g, windows)
	}
	for i, w := range windows {
		row := Row{Fault: w.fault, From: w.from, To: w.to, Groups: map[string]Found{}}
		row.Restarts = unasked(h.Units, w)
		for _, g := range h.Groups {
			var found Found
			countWrites(g, w, &found)
			countProbes(g, w, &found)
			countReads(g, w, &found)
			countLost(g, w, gone[g.Name][i], &found)
			row.Groups[g.Name] = found
			row.All.add(found)
		}
		row.All.Unasked = len(row.Restarts)
		r.Total.add(row.All)
		r.Rows = append(r.Rows, row)
		r.Violations = append(r.Violations, row.violations()...)
	}
	return r
}

// window is the time that is put down to one fault: from its start to the next
// one's.
type window struct {
	fault    *Fault
	from, to time.Duration
}

func (w window) holds(t time.Duration) bool { return t >= w.from && t < w.to }

func windowsOf(h History) []window {
	all := []window{{from: 0, to: h.Length + 1}}
	for i := range h.Faults {
		f := &h.Faults[i]
		all[len(all)-1].to = f.Start
		all = append(all, window{fault: f, from: f.Start, to: h.Length + 1})
	}
	return all
}

// add sums what can be summed and keeps the worst of the rest.
func (f *Found) add(o Found) {
	f.Acknowledged += o.Acknowledged
	f.Waited += o.Waited
	f.Failed += o.Failed
	f.Lost += o.Lost
	f.LostWaited += o.LostWaited
	f.Twice += o.Twice
	f.StaleMaster += o.StaleMaster
	f.Credentials += o.Credentials
	f.Unasked += o.Unasked
	f.Dual = max(f.Dual, o.Dual)
	f.Gap = max(f.Gap, o.Gap)
	f.Isolated = max(f.Isolated, o.Isolated)
	f.Stale = max(f.Stale, o.Stale)
}

// violations are the claims of the window that do not hold. A calm window has the
// strictest ones: nothing is lost, nothing restarted, no two masters.
func (r Row) violations() (bad []string) {
	name, claims := "before the first fault", calm(r)
	if f := r.Fault; f != nil {
		name, claims = fmt.Sprintf("fault %d (%s, %s)", f.Number, f.Kind, f.Target), f.Claims
		if f.Whole == 0 && f.Why == "" {
			bad = append(bad, name+": it was not whole again, and nobody said why")
		}
		for _, b := range f.Broken {
			bad = append(bad, name+": "+b)
		}
	}
	for _, c := range claims {
		for _, b := range c.broken(r.Groups[c.Group]) {
			bad = append(bad, fmt.Sprintf("%s: group %s: %s", name, c.Group, b))
		}
	}
	for _, u := range r.Restarts {
		bad = append(bad, name+": "+u+" was restarted, and nobody asked for it")
	}
	return bad
}

func calm(r Row) (claims []Claim) {
	for _, name := range sortedKeys(r.Groups) {
		claims = append(claims, Claim{Group: name, Isolated: Unclaimed, Gap: Unclaimed})
	}
	return claims
}

// broken says what of a claim does not hold.
func (c Claim) broken(f Found) (bad []string) {
	count := func(what string, found, most int) {
		if most != Unclaimed && found > most {
			bad = append(bad, fmt.Sprintf("%d %s, at most %d may be", found, what, most))
		}
	}
	span := func(what string, found, most time.Duration) {
		if most != Unclaimed && found > most {
			bad = append(bad, fmt.Sprintf("%s for %d ms, at most %d ms may be", what, found.Milliseconds(), most.Milliseconds()))
		}
	}
	count("acknowledged writes were lost", f.Lost, c.Lost)
	count("writes were lost that every replica had (WAIT)", f.LostWaited, c.LostWaited)
	count("numbers are there twice", f.Twice, 0)
	count("times a password was refused", f.Credentials, 0)
	span("two servers took writes at once", f.Dual, c.Dual)
	span("a server that its peers do not reach took writes", f.Isolated, c.Isolated)
	span("clients had no master", f.Gap, c.Gap)
	return bad
}
