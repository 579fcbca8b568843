// Package records reads and writes the fleet's records in Consul: their JSON,
// with the check of its format, and a whole fleet at once as a fleet.World.
//
// It decides nothing. Agent, coordinator and the command line all read through
// it, so that each of them refuses the same records with the same words.
package records

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/redfleet/redfleet/internal/fleet"
)

// The reasons why a record is refused, for errors.Is.
var (
	// ErrEmpty: the key is there without a value. Watched keys are created
	// before they are filled (hazard K4), so this means "not written yet".
	ErrEmpty = errors.New("the record is empty")
	// ErrNewer: a newer redfleet wrote the record; this one could only half
	// understand it.
	ErrNewer = errors.New("the record was written by a newer redfleet")
	// ErrGarbage: the value is no record of the kind that belongs there.
	ErrGarbage = errors.New("the record cannot be read")
)

// Encode gives the JSON of a record. It refuses a record whose Format is not
// the one that this program writes, so that none goes out unmarked.
func Encode(v any) ([]byte, error) {
	if format, has := formatOf(reflect.ValueOf(v)); has && format != fleet.Format {
		return nil, fmt.Errorf("encoding a %T: its format is %d, want %d", v, format, fleet.Format)
	}
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding a %T: %w", v, err)
	}
	return b, nil
}

// Decode reads the record at key. The error is ErrEmpty, ErrNewer or
// ErrGarbage and names the key; the value is then the zero T, never a half-read
// one. Unknown fields of the same format are left aside, so that two releases
// can work side by side during an upgrade.
//
// A record that names another node or group than its key does is garbage: it
// was copied there by hand, and acting on it would act on the wrong machine.
func Decode[T any](key string, value []byte) (T, error) {
	var zero, v T
	if len(value) == 0 {
		return zero, fmt.Errorf("%s: %w", key, ErrEmpty)
	}
	err := json.Unmarshal(value, &v)
	// A record that cannot be read may be one of a newer format, which is said first.
	if format, has := formatOf(reflect.ValueOf(&v)); has && (err != nil || format != fleet.Format) {
		if err := checkFormat(key, value); err != nil {
			return zero, err
		}
	}
	if err != nil {
		return zero, fmt.Errorf("%s: %w: %w", key, ErrGarbage, err)
	}
	if name, named := ownName(any(&v)); named && name != fleet.Base(key) {
		return zero, fmt.Errorf("%s: %w: it is the record of %q", key, ErrGarbage, name)
	}
	return v, nil
}

func checkFormat(key string, value []byte) error {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(value, &head); err != nil {
		return fmt.Errorf("%s: %w: %w", key, ErrGarbage, err)
	}
	switch {
	case head.Format > fleet.Format:
		return fmt.Errorf("%s: %w: its format is %d, this one reads up to %d; upgrade redfleet here",
			key, ErrNewer, head.Format, fleet.Format)
	case head.Format < 1:
		return fmt.Errorf("%s: %w: it says no format", key, ErrGarbage)
	}
	return nil
}

// formatOf finds the Format field that every record but an Event has.
func formatOf(v reflect.Value) (int, bool) {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return 0, false
	}
	f := v.FieldByName("Format")
	if !f.IsValid() || f.Kind() != reflect.Int {
		return 0, false
	}
	return int(f.Int()), true
}

// ownName is the name that a record repeats from its key.
func ownName(record any) (string, bool) {
	switch r := record.(type) {
	case *fleet.Goal:
		return r.Node, true
	case *fleet.Report:
		return r.Node, true
	case *fleet.Recovery:
		return r.Node, true
	case *fleet.Group:
		return r.Name, true
	case *fleet.Secret:
		return r.Group, true
	case *fleet.Request:
		return r.ID, true
	}
	return "", false
}
