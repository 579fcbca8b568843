package records

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

func TestDecode(t *testing.T) {
	const key = "redfleet/shop/goal/n1"
	tests := map[string]struct {
		value string
		want  error
		text  string
	}{
		"good":                {`{"format":1,"node":"n1","epoch":7}`, nil, ""},
		"unknown field":       {`{"format":1,"node":"n1","epoch":7,"later":true}`, nil, ""},
		"not written yet":     {``, ErrEmpty, "empty"},
		"newer":               {`{"format":2,"node":"n1"}`, ErrNewer, "its format is 2"},
		"no format":           {`{"node":"n1"}`, ErrGarbage, "no format"},
		"no JSON":             {`hello`, ErrGarbage, "cannot be read"},
		"cut short":           {`{"format":1,"node":"n`, ErrGarbage, "cannot be read"},
		"two in one":          {`{"format":1,"node":"n1"}{}`, ErrGarbage, "cannot be read"},
		"wrong type":          {`{"format":1,"node":"n1","epoch":"x"}`, ErrGarbage, "epoch"},
		"list":                {`[]`, ErrGarbage, "cannot be read"},
		"another node's goal": {`{"format":1,"node":"n2"}`, ErrGarbage, `record of "n2"`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Decode[fleet.Goal](key, []byte(tc.value))
			if !errors.Is(err, tc.want) {
				t.Fatalf("error %v, want %v", err, tc.want)
			}
			if tc.want == nil {
				if diff := cmp.Diff(fleet.Goal{Format: 1, Node: "n1", Epoch: 7}, got); diff != "" {
					t.Fatal(diff)
				}
				return
			}
			if !strings.Contains(err.Error(), key) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("error %q does not name the key and %q", err, tc.text)
			}
			if got.Node != "" {
				t.Errorf("a refused record gave %+v", got)
			}
		})
	}
}

func TestDecodeEventHasNoFormat(t *testing.T) {
	ev, err := Decode[fleet.Event]("redfleet/shop/event/01", []byte(`{"what":"elected"}`))
	if err != nil || ev.What != "elected" {
		t.Fatalf("got %+v, %v", ev, err)
	}
}

func TestEncode(t *testing.T) {
	if _, err := Encode(fleet.Goal{Node: "n1"}); err == nil {
		t.Error("a goal without its format was encoded")
	}
	if _, err := Encode(&fleet.Goal{Node: "n1"}); err == nil {
		t.Error("a pointer to a goal without its format was encoded")
	}
	if _, err := Encode(fleet.Event{What: "elected"}); err != nil {
		t.Errorf("an event has no format: %v", err)
	}
	want := fleet.Goal{Format: fleet.Format, Node: "n1", Epoch: 3}
	b, err := Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode[fleet.Goal]("goal/n1", b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
