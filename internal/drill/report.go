package drill

import (
	"fmt"
	"time"

	"github.com/redfleet/redfleet/internal/history"
)

// Move says whose master went where.
type Move struct {
	Fleet string `json:"fleet"`
	Group string `json:"group"`
	// MasterBefore and MasterAfter are nodes: the same one where nothing was changed;
	// MasterAfter is empty where most sentinels named none at the end.
	MasterBefore string    `json:"master_before"`
	MasterAfter  string    `json:"master_after"`
	At           time.Time `json:"at"`
	// Forced are the checks that were passed over.
	Forced []string `json:"forced"`
}

// Report is the document of `redfleet drill -o json`. Times are in milliseconds.
type Report struct {
	Move
	Kind Kind `json:"kind"`
	// Done: something was done to the group. Else there is nothing to tell but
	// CalmGapMS, and how the drill's own clients fared says nothing of the group.
	Done bool `json:"done"`
	// GapMS is the longest time in which no client got a write acknowledged, from the
	// fault on; CalmGapMS the longest before it, for comparison.
	GapMS     int64 `json:"gap_ms"`
	CalmGapMS int64 `json:"calm_gap_ms"`
	// Acknowledged and Failed are the writes from the fault on, Lost those of all
	// acknowledged ones that a server lacked once the group was whole. Waited are
	// acknowledged ones that every replica had by WAIT's answer.
	Acknowledged int `json:"acknowledged"`
	Failed       int `json:"failed"`
	Lost         int `json:"lost"`
	Waited       int `json:"waited"`
	LostWaited   int `json:"lost_waited"`
	// DualMS is for how long two servers took writes at once; AfterCutMS how long
	// after the cut had been made an isolated master took its last one.
	DualMS     int64 `json:"dual_ms"`
	AfterCutMS int64 `json:"after_cut_ms"`
	// WholeMS is from the fault until redfleet verify was good again and each server
	// had everything; 0 where that did not come in time, and Why says what was missing.
	Whole   bool   `json:"whole"`
	WholeMS int64  `json:"whole_ms"`
	Why     string `json:"why"`
	// Looked: what each server kept was compared; else Lost says nothing.
	Looked     bool     `json:"looked"`
	Violations []string `json:"violations"`
	// Cleaned: no key of the drill is left.
	Cleaned bool `json:"cleaned"`
}

// Claims are what every drill is held to: a write that every replica had is never
// lost, and no password is refused. Where the master fails, how many others may be
// lost is for the group's durability to say, and is counted; a planned failover loses
// none, and has never two servers that take writes (hazard S13).
func Claims(kind Kind, group string) []history.Claim {
	if kind == Failover {
		return []history.Claim{{Group: group, Isolated: history.Unclaimed, Gap: history.Unclaimed,
			Reason: "the old master's writes are held until it is a replica"}}
	}
	return []history.Claim{{Group: group, Lost: history.Unclaimed, Dual: history.Unclaimed, Isolated: history.Unclaimed, Gap: history.Unclaimed,
		Reason: "what every replica has, the promoted one has"}}
}

// Fill takes the figures out of a checked history with one fault.
func (r Report) Fill(h history.History, checked history.Result) Report {
	r.Violations = append([]string{}, checked.Violations...)
	if len(h.Groups) == 1 {
		r.Looked = len(h.Groups[0].Kept) > 0
	}
	if len(checked.Rows) == 0 {
		return r
	}
	calm := checked.Rows[0].All
	r.CalmGapMS, r.Done = calm.Gap.Milliseconds(), len(checked.Rows) == 2
	if !r.Done {
		return r
	}
	found, fault := checked.Rows[1].All, h.Faults[0]
	r.GapMS = found.Gap.Milliseconds()
	r.Acknowledged, r.Failed, r.Waited = found.Acknowledged, found.Failed, found.Waited
	r.Lost, r.LostWaited = calm.Lost+found.Lost, calm.LostWaited+found.LostWaited
	r.DualMS, r.AfterCutMS = found.Dual.Milliseconds(), found.Isolated.Milliseconds()
	r.Whole, r.Why = fault.Whole > 0, fault.Why
	if r.Whole {
		r.WholeMS = (fault.Whole - fault.Start).Milliseconds()
	}
	return r
}

// Summary are the report's sentences for people.
func (r Report) Summary() []string {
	if !r.Done {
		return []string{fmt.Sprintf("nothing was done to the group; its master is on %s", orNobody(r.MasterAfter))}
	}
	lost := fmt.Sprintf("%d of the acknowledged writes were lost, %d of them had reached every replica", r.Lost, r.LostWaited)
	if !r.Looked {
		lost = "what each server kept could not be compared, so nothing is known of lost writes"
	}
	out := []string{
		fmt.Sprintf("the master was on %s and is on %s", r.MasterBefore, orNobody(r.MasterAfter)),
		fmt.Sprintf("clients got no write acknowledged for %d ms (before it %d ms at the most); %d writes failed", r.GapMS, r.CalmGapMS, r.Failed),
		lost,
	}
	if r.Kind == Isolate {
		out = append(out, fmt.Sprintf("the isolated master took its last write %d ms after the cut; two servers took writes for %d ms", r.AfterCutMS, r.DualMS))
	}
	if r.Whole {
		return append(out, fmt.Sprintf("the group was whole again after %d ms", r.WholeMS))
	}
	return append(out, "the group was not whole in the time given: "+r.Why)
}

func orNobody(node string) string {
	if node == "" {
		return "no node that most sentinels name"
	}
	return node
}
