package switchover

import (
	"strings"
	"testing"
)

// TestWhichReasonIsTold: of two reasons the one that explains the other, and that all
// are in step counts however late it is.
func TestWhichReasonIsTold(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		edit func(c *Course, f *Facts)
		want Action
		says string
	}{
		"in step at the last moment": {func(_ *Course, f *Facts) { f.Since = CatchUp(downAfter) }, Ask, "offset 1000"},
		"the first sentinel is asked": {func(c *Course, f *Facts) {
			c.Ask = at(1)
			f.Sentinels[2].Error = "timeout"
		}, Ask, "offset 1000"},
		"told to stop, and no master any more":      {func(_ *Course, f *Facts) { f.Stop, f.Servers[0].ReplID = true, "new" }, Back, "told to stop"},
		"no master any more, and the pause is over": {func(_ *Course, f *Facts) { f.Servers[0].ReplID, f.Left = "new", 0 }, Back, "not the master any more"},
		"the pause is over, and TILT":               {func(_ *Course, f *Facts) { f.Left, f.Sentinels[1].Report.Tilt = 0, true }, Back, "the pause"},
		"the master and the sentinel are silent": {func(_ *Course, f *Facts) {
			f.Servers[0].Error, f.Sentinels[1].Error = "timeout", "timeout"
		}, Wait, "the master on n1 does not answer"},
		"a silent replica has no priority": {func(_ *Course, f *Facts) {
			f.Servers[2] = Server{Member: at(3), Error: "timeout"}
		}, Wait, "the replica on n3 does not answer"},
	} {
		c, f := course(), inStep()
		tt.edit(&c, &f)
		if got := Next(c, f); got.Do != tt.want || !strings.Contains(got.Why, tt.says) {
			t.Errorf("%s: %+v, want %s and %q", name, got, tt.want, tt.says)
		}
	}
}
