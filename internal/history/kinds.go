package history

import (
	"cmp"
	"slices"
	"time"
)

// Kind is what all faults of one kind showed together, beside what is claimed of them.
type Kind struct {
	Name   string
	Faults int
	// Whole is the longest time from the start of one until everything was in order,
	// of those after which it ever was; Broken counts the others.
	Whole  time.Duration
	Broken int
	Groups map[string]Held
	// All is all groups together.
	All Held
}

// Held is what was found of a group in all windows of a kind, added up or at its
// worst (Found), and the loosest of their claims.
type Held struct {
	Found Found
	Claim Claim
}

// Kinds gives them in the order of their names.
func (r Result) Kinds() (kinds []Kind) {
	for _, row := range r.Rows {
		f := row.Fault
		if f == nil {
			continue
		}
		i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == f.Kind })
		if i < 0 {
			i = len(kinds)
			kinds = append(kinds, Kind{Name: f.Kind, Groups: map[string]Held{}})
		}
		k := &kinds[i]
		k.Faults++
		if f.Whole == 0 {
			k.Broken++
		}
		k.Whole = max(k.Whole, f.Whole-f.Start)
		for _, c := range f.Claims {
			k.Groups[c.Group] = k.Groups[c.Group].with(row.Groups[c.Group], c)
			k.All = k.All.with(row.Groups[c.Group], c)
		}
	}
	slices.SortFunc(kinds, func(a, b Kind) int { return cmp.Compare(a.Name, b.Name) })
	return kinds
}

func (h Held) with(f Found, c Claim) Held {
	h.Found.add(f)
	h.Claim = h.Claim.looser(c)
	return h
}

// LostAgainstClaim is how many acknowledged writes were lost in the windows of faults,
// and of groups, where none may be: of planned actions and of what touches no server.
func (r Result) LostAgainstClaim() (lost int) {
	for _, row := range r.Rows {
		if row.Fault == nil {
			lost += row.All.Lost
			continue
		}
		for _, c := range row.Fault.Claims {
			if c.Lost == 0 {
				lost += row.Groups[c.Group].Lost
			}
		}
	}
	return lost
}

// looser has of each bound the one that allows more.
func (c Claim) looser(o Claim) Claim {
	c.Lost, c.LostWaited = looser(c.Lost, o.Lost), looser(c.LostWaited, o.LostWaited)
	c.Dual, c.Isolated, c.Gap = looser(c.Dual, o.Dual), looser(c.Isolated, o.Isolated), looser(c.Gap, o.Gap)
	return c
}

func looser[T int | time.Duration](a, b T) T {
	if a == Unclaimed || b == Unclaimed {
		return Unclaimed
	}
	return max(a, b)
}
