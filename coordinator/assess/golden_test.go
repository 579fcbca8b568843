package assess_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/coordinator/assess"
	at "github.com/redfleet/redfleet/coordinator/assess/assesstest"
	"github.com/redfleet/redfleet/internal/fleet"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestVerifyTable shows to a reader what operators get to read: a healthy group,
// and the same one after the machine of its master was lost.
func TestVerifyTable(t *testing.T) {
	t.Parallel()
	lost := at.Healthy(fleet.Sentinel, 3)
	at.Kill(lost, "n1")
	failedOver := at.Healthy(fleet.Sentinel, 3)
	at.Kill(failedOver, "n1")
	at.Promote(failedOver, "n2", "n1")
	for name, w := range map[string]fleet.World{
		"healthy": at.Healthy(fleet.Sentinel, 3), "replication": at.Healthy(fleet.Replication, 3),
		"master-lost": lost, "failed-over": failedOver, "fresh": at.Fresh(fleet.Sentinel, 3),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := table(t, assess.Group(w, at.Group))
			path := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("run with -update if this is right (-want +got):\n%s", diff)
			}
		})
	}
}

func table(t *testing.T, a fleet.Assessment) string {
	t.Helper()
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s\n\n", a.State, a.Reason)
	tab := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, c := range a.Checks {
		ok := "ok"
		if !c.OK {
			ok = "FAIL"
		}
		fmt.Fprintf(tab, "%s\t%s\t%gs\t%s\t| %s\n", ok, c.Name, c.AgeS, c.Seen, c.Want)
	}
	if err := tab.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
