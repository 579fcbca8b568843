//go:build e2e

package chaos

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/history"
	"github.com/redfleet/redfleet/internal/view"
)

// TestChaos breaks a fleet FAULTS times (12), by the schedule of SEED (1), or by the
// kinds that KINDS names, one after the other.
func TestChaos(t *testing.T) {
	seed, count := uint64(number(t, "SEED", 1)), number(t, "FAULTS", 12)
	list := schedule(rand.New(rand.NewPCG(seed, seed)), kinds(), count)
	if names := os.Getenv("KINDS"); names != "" {
		var err error
		if list, err = named(names, kinds()); err != nil {
			t.Fatal(err)
		}
	}
	faults(t, seed, "chaos", list)
}

// figures are the sums of a run: lost_planned is what was lost where nothing may be,
// dual_master_ms the longest of any fault and group, and cut_bounded_ms the longest
// that a server that was cut from its peers went on in a group that bounds its losses.
func figures(base string, seed uint64, h history.History, r history.Result, took time.Duration) string {
	var cut time.Duration
	for _, k := range r.Kinds() {
		for _, g := range groups() {
			if g.bounds() {
				cut = max(cut, k.Groups[g.name].Found.Isolated)
			}
		}
	}
	return fmt.Sprintf("%s faults=%d acked=%d lost=%d lost_planned=%d lost_waited=%d dual_master_ms=%d cut_bounded_ms=%d unasked_restarts=%d violations=%d seed=%d took_s=%.0f",
		base, len(h.Faults), r.Total.Acknowledged, r.Total.Lost, r.LostAgainstClaim(), r.Total.LostWaited, r.Total.Dual.Milliseconds(),
		cut.Milliseconds(), r.Total.Unasked, len(r.Violations), seed, took.Seconds())
}

// history ends the recording.
func (r *run) history(title string) history.History {
	h := history.History{Title: title, Faults: r.faults, Units: r.units}
	for _, n := range r.Nodes {
		h.Nodes = append(h.Nodes, n.Name)
	}
	for _, g := range r.groups {
		h.Groups = append(h.Groups, g.recorder.Stop())
	}
	h.Length = r.now()
	return h
}

// write leaves the tables with the figures, the history and the timeline in dist/.
func (r *run) write(base, figures string, h history.History, result history.Result) {
	dir := r.results()
	for name, write := range map[string]func(*bufio.Writer) error{
		base + ".json": func(w *bufio.Writer) error {
			return json.NewEncoder(w).Encode(struct {
				History history.History `json:"history"`
				Result  history.Result  `json:"result"`
			}{h, result})
		},
		base + ".svg": func(w *bufio.Writer) error { return history.SVG(w, h, result) },
		base + ".txt": func(w *bufio.Writer) error { return tables(w, figures, result) },
	} {
		if err := writeFile(filepath.Join(dir, name), write); err != nil {
			r.t.Error(err)
		}
	}
	fmt.Println()
	if err := tables(os.Stdout, figures, result); err != nil {
		r.t.Error(err)
	}
}

func tables(w io.Writer, figures string, result history.Result) error {
	if err := view.HistoryKinds(w, result, view.Style{}); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if err := view.History(w, result, view.Style{Width: 200}); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, figures)
	return err
}

// results is the folder for what a run leaves.
func (r *run) results() string { return cmp.Or(os.Getenv("CHAOS_DIR"), r.t.TempDir()) }

// journals leaves what every machine logged beside the history.
func (r *run) journals(ctx context.Context, base string) {
	for _, n := range r.Nodes {
		if !n.On() {
			continue
		}
		text, err := output(ctx, n, "journalctl", "--output=short-precise", "--no-pager")
		if err == nil {
			err = os.WriteFile(filepath.Join(r.results(), base+"."+n.Name+".journal"), []byte(text), 0o600)
		}
		if err != nil {
			r.t.Error(err)
		}
	}
}

func writeFile(path string, write func(*bufio.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	b := bufio.NewWriter(f)
	if err := write(b); err != nil {
		return err
	}
	if err := b.Flush(); err != nil {
		return err
	}
	return f.Close()
}
