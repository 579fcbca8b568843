package redismodel

import (
	"testing"
	"testing/synctest"
	"time"
)

// script is one story that both grounds must tell in the same way.
type script struct {
	name string
	// hazard or promise that it stands for.
	why string
	run func(s *stage)
}

// TestConformance runs each script against the models on virtual time and
// against real redis-server and redis-sentinel processes, and compares what was
// seen.
func TestConformance(t *testing.T) {
	for _, sc := range scripts() {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			compare(t, sc)
		})
	}
}

// TestModels runs the scripts that take real servers too long for every day on
// the models alone; TestLongConformance compares them.
func TestModels(t *testing.T) {
	for _, sc := range longScripts() {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { sc.run(newStage(t, newModels(t, 1))) })
		})
	}
}

func compare(t *testing.T, sc script) {
	var model *stage
	synctest.Test(t, func(t *testing.T) {
		model = newStage(t, newModels(t, 1))
		sc.run(model)
	})
	if t.Failed() {
		return
	}
	actual := newStage(t, newReal(t))
	sc.run(actual)
	for i := range max(len(model.seen), len(actual.seen)) {
		m, r := at(model.seen, i), at(actual.seen, i)
		if m != r {
			t.Errorf("observation %d (%s):\nmodel %s\nreal  %s", i, sc.why, m, r)
		}
	}
	for what, took := range actual.took {
		d := took - model.took[what]
		if d.Abs() > actual.fits[what] {
			t.Errorf("%s took %v in the model and %v in reality, more than %v apart", what, model.took[what], took, actual.fits[what])
		}
		t.Logf("%s: model %v, real %v", what, model.took[what].Round(time.Millisecond), took.Round(time.Millisecond))
	}
}

func at(list []string, i int) string {
	if i < len(list) {
		return list[i]
	}
	return "nothing"
}
