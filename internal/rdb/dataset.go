package rdb

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
)

// Names are the names of the data files in a server's folder, as its
// configuration sets them.
type Names struct {
	RDB    string // dbfilename
	AOFDir string // appenddirname, Redis 7.0 and later
	AOF    string // appendfilename
}

// DefaultNames are the engine's own, which redfleet uses too.
func DefaultNames() Names {
	return Names{RDB: "dump.rdb", AOFDir: "appendonlydir", AOF: "appendonly.aof"}
}

// Files is what the data files of one server are.
type Files struct {
	// RDB and AOF: a file of the sort is there and holds data, or may.
	RDB, AOF bool
	// AOFExists: the server would load an AOF, be it an empty one.
	AOFExists bool
	// Aux is the head of the RDB file; zero where it cannot be trusted.
	Aux Aux
	// RDBTime and AOFTime are the newest files' times of change; zero without.
	RDBTime, AOFTime time.Time
	// Problems say what could not be read and was taken for data.
	Problems []string
}

// OnlyRDB: there is data in an RDB file and no AOF. Redis 7.0 and later started
// with appendonly yes would ignore the file and be empty (hazard D3).
func (f Files) OnlyRDB() bool { return f.RDB && !f.AOFExists }

// Dataset is the verdict on the files.
//
// ReplID comes from the RDB file, also from one without a key, as a replica of a
// group that began empty has it; an AOF carries none. A full sync replaces the
// RDB file too, so that the id is the data's own or that of an ancestor of it.
// Offset is 0 (unknown) where the AOF is newer than the RDB file: the data then
// stands further than the RDB file says.
func (f Files) Dataset() fleet.Dataset {
	d := fleet.Dataset{Present: f.RDB || f.AOF}
	if !d.Present {
		return d
	}
	d.Newest = f.RDBTime
	if f.AOFTime.After(d.Newest) {
		d.Newest = f.AOFTime
	}
	d.ReplID = f.Aux.ReplID
	if f.RDB && (!f.AOF || !f.AOFTime.After(f.RDBTime)) {
		d.Offset = f.Aux.Offset
	}
	return d
}

// Dataset looks at the data files in a server's folder by their default names.
// No folder, or no data file in it, is a dataset that is not present. Damage is
// no error: it counts as data of unknown lineage (promise data-wins). An error
// means that the folder could not be looked at; Present is then true.
func Dataset(dir string) (fleet.Dataset, error) {
	files, err := Inspect(dir, DefaultNames())
	return files.Dataset(), err
}

// Inspect looks at the data files in a server's folder. With an error Files
// says that there is data.
func Inspect(dir string, names Names) (Files, error) {
	var f Files
	if err := errors.Join(f.inspectRDB(filepath.Join(dir, names.RDB)), f.inspectAOF(dir, names)); err != nil {
		return Files{RDB: true, AOF: true, AOFExists: true},
			fmt.Errorf("look for data files; until they can be read the node counts as one with data: %w", err)
	}
	return f, nil
}

func (f *Files) inspectRDB(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f.RDB, f.RDBTime = true, info.ModTime()
	aux, err := ReadAux(path)
	switch {
	case errors.Is(err, ErrCorrupt):
		f.problem(err)
	case err != nil:
		return err
	case !aux.Complete:
		f.problem(fmt.Errorf("%s: %w: it has no end mark", path, ErrCorrupt))
	default:
		f.Aux, f.RDB = aux, !aux.Empty
	}
	return nil
}

func (f *Files) problem(err error) { f.Problems = append(f.Problems, err.Error()) }
