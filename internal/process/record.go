package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/redfleet/redfleet/internal/fleet"
)

const (
	recordSuffix = ".json"
	lockSuffix   = ".lock"
)

// record is what the folder keeps of a unit's last process.
type record struct {
	Process identity `json:"process"`
	Argv    []string `json:"argv,omitempty"`
	Log     string   `json:"log,omitempty"`
	// Stopping: Stop or Kill asked the process to end.
	Stopping bool `json:"stopping,omitempty"`
	// Ended: the process was seen to have ended; Exit says how, if known, and
	// Failed whether that was an unclean end.
	Ended  bool   `json:"ended,omitempty"`
	Exit   string `json:"exit,omitempty"`
	Failed bool   `json:"failed,omitempty"`
}

// status is the unit's state once its process is gone.
func (r record) status() fleet.UnitStatus {
	failed := r.Failed
	if !r.Ended {
		failed = !r.Stopping
	}
	st := fleet.UnitStatus{State: fleet.UnitInactive, Invocation: r.Process.String(), Exit: r.Exit}
	if failed {
		st.State = fleet.UnitFailed
	}
	return st
}

func (s *Supervisor) recordPath(name fleet.InstanceID) string {
	return filepath.Join(s.dir, string(name)+recordSuffix)
}

func (s *Supervisor) lockPath(name fleet.InstanceID) string {
	return filepath.Join(s.dir, string(name)+lockSuffix)
}

// readRecord reads a record; found is false when there is none.
func readRecord(path string) (rec record, found bool, err error) {
	b, err := os.ReadFile(path) //nolint:gosec // the path is made from the supervisor's folder and a checked name
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, false, nil
	}
	if err != nil {
		return record{}, false, fmt.Errorf("read process record: %w", err)
	}
	if err := json.Unmarshal(b, &rec); err != nil {
		return record{}, false, fmt.Errorf("process record %s is damaged (%w); remove it once no process of the unit runs", path, err)
	}
	return rec, true, nil
}

// writeRecord replaces a record as a whole: a reader, or a start after a power
// loss, sees the old one or the new one.
func writeRecord(path string, rec record) error {
	b, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return fmt.Errorf("encode process record: %w", err)
	}
	if err := renameio.WriteFile(path, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("write process record: %w", err)
	}
	return nil
}
