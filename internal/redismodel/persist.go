package redismodel

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/rdb"
)

// What the model uses of the RDB format, version 10.
const (
	rdbMagic    = "REDIS0010"
	rdbAux      = 0xFA
	rdbSelectDB = 0xFE
	rdbString   = 0
	rdbEOF      = 0xFF
)

// rdbFile writes a dataset of strings as a file that redis-server loads too. A
// checksum of zeros says that there is none.
func rdbFile(data map[string]string, aux ...string) []byte {
	b := []byte(rdbMagic)
	for i := 0; i+1 < len(aux); i += 2 {
		b = append(b, rdbAux)
		b = rdbText(rdbText(b, aux[i]), aux[i+1])
	}
	if len(data) > 0 {
		b = append(b, rdbSelectDB, 0)
	}
	for _, key := range sortedKeys(data) {
		b = append(b, rdbString)
		b = rdbText(rdbText(b, key), data[key])
	}
	b = append(b, rdbEOF)
	return append(b, make([]byte, 8)...)
}

// rdbText writes a string with a length of four bytes, which is always right.
func rdbText(b []byte, s string) []byte {
	b = append(b, 0x80)
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

var errBadRDB = errors.New("bad RDB file")

// readRDB reads back what rdbFile has written, and nothing else.
func readRDB(b []byte) (map[string]string, error) {
	r := &rdbReader{b: b}
	if string(r.take(len(rdbMagic))) != rdbMagic {
		return nil, errBadRDB
	}
	data := map[string]string{}
	for {
		op := r.take(1)
		if r.bad {
			return nil, errBadRDB
		}
		switch op[0] {
		case rdbAux:
			r.text()
			r.text()
		case rdbSelectDB:
			r.take(1)
		case rdbString:
			key := r.text()
			data[key] = r.text()
		case rdbEOF:
			return data, nil
		default:
			return nil, errBadRDB
		}
	}
}

type rdbReader struct {
	b   []byte
	bad bool
}

func (r *rdbReader) take(n int) []byte {
	if len(r.b) < n {
		r.bad, r.b = true, nil
		return make([]byte, n)
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *rdbReader) text() string {
	head := r.take(5)
	return string(r.take(int(binary.BigEndian.Uint32(head[1:]))))
}

// saveRetry is how long a server waits after a background save that failed.
const saveRetry = 5 * time.Second

func (s *server) rdbPath() string { return filepath.Join(s.set["dir"], s.set["dbfilename"]) }

// saveRDB writes the dataset, with the replication id and offset where there is a
// history that others share.
func (s *server) saveRDB() error {
	now := strconv.FormatInt(time.Now().Unix(), 10)
	aux := []string{"redis-ver", Version, "redis-bits", "64", "ctime", now, "used-mem", "1000000"}
	if s.active && (s.master == (fleet.Addr{}) || s.link.cached || s.link.full) {
		aux = append(aux, "repl-stream-db", "0", "repl-id", s.replid, "repl-offset", strconv.FormatInt(s.offset, 10))
	}
	aux = append(aux, "aof-base", "0")
	err := s.p.w.disk.replace(s.rdbPath(), rdbFile(s.data, aux...))
	if err != nil {
		return err
	}
	s.saved, s.dirty, s.saveFailed = time.Now(), 0, false
	return nil
}

// saveBehind is a save in the background; only its failure stops writes.
func (s *server) saveBehind() {
	if err := s.saveRDB(); err != nil {
		s.saveFailed, s.triedSave = true, time.Now()
	}
}

func (s *server) saveCommand(name string) value {
	if name == "BGSAVE" {
		s.saveBehind()
		return status("Background saving started")
	}
	if err := s.saveRDB(); err != nil {
		return fail("ERR")
	}
	return ok()
}

// persistCron saves by the times in "save" and syncs the AOF.
func (s *server) persistCron() {
	s.aof.cron(s)
	points := strings.Fields(s.set["save"])
	for i := 0; i+1 < len(points); i += 2 {
		every, changes := time.Duration(atoi(points[i]))*time.Second, int64(atoi(points[i+1]))
		again := !s.saveFailed || time.Since(s.triedSave) > saveRetry
		if s.dirty >= changes && time.Since(s.saved) > every && again {
			s.saveBehind()
			return
		}
	}
}

// loadData reads what is on disk. With an AOF on, an RDB file counts for nothing
// (hazard D3), and no history comes with the data.
func (s *server) loadData() error {
	if s.yes("appendonly") {
		return s.aof.load(s)
	}
	b, err := s.p.w.disk.read(s.rdbPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("fatal error loading the DB: %w", err)
	}
	if s.data, err = readRDB(b); err != nil {
		return fmt.Errorf("fatal error loading the DB, check server logs: %w", err)
	}
	return s.recall()
}

// recall takes up the history in the RDB file: a replica goes on in it, a master
// lets its replicas do so under a new id.
func (s *server) recall() error {
	aux, err := rdb.ReadAux(s.rdbPath())
	if err != nil || aux.ReplID == "" {
		return err
	}
	if s.master != (fleet.Addr{}) {
		s.replid, s.offset = aux.ReplID, aux.Offset
		s.openBacklog()
		s.link.cached = true
		return nil
	}
	s.replid2, s.second, s.offset = aux.ReplID, aux.Offset+1, aux.Offset
	s.openBacklog()
	return nil
}

// aof is the append-only file: a base in RDB format, and what came after it.
type aof struct {
	seq int
	on  bool
	// selected: the file has named the database.
	selected bool
	// pending is what could not be written; the server tries again each second.
	pending string
	failed  bool
	reason  string
}

func (s *server) aofDir() string { return filepath.Join(s.set["dir"], s.set["appenddirname"]) }

func (s *server) aofFile(kind string) string {
	return filepath.Join(s.aofDir(), fmt.Sprintf("%s.%d.%s", s.set["appendfilename"], s.aof.seq, kind))
}

func (s *server) manifest() string {
	return filepath.Join(s.aofDir(), s.set["appendfilename"]+".manifest")
}

// rewriteAOF begins a new AOF with the dataset as it is, if the AOF is on.
func (s *server) rewriteAOF() {
	if !s.yes("appendonly") {
		return
	}
	if err := s.beginAOF(); err != nil {
		s.aof.failed, s.aof.reason = true, reason(err)
		s.p.w.trace(s.p.name, "AOF: %v", err)
	}
}

func (s *server) beginAOF() error {
	old := s.aof
	d := &s.p.w.disk
	if err := d.makeDir(s.aofDir()); err != nil {
		return err
	}
	s.aof = aof{seq: old.seq + 1, on: true}
	base, incr := s.aofFile("base.rdb"), s.aofFile("incr.aof")
	now := strconv.FormatInt(time.Now().Unix(), 10)
	text := fmt.Sprintf("file %s seq %d type b\nfile %s seq %d type i\n", filepath.Base(base), s.aof.seq, filepath.Base(incr), s.aof.seq)
	err := errors.Join(
		d.replace(base, rdbFile(s.data, "redis-ver", Version, "redis-bits", "64", "ctime", now, "used-mem", "1000000", "aof-base", "1")),
		d.replace(incr, nil),
		d.replace(s.manifest(), []byte(text)))
	if err != nil {
		s.aof = old
		return err
	}
	if old.seq > 0 {
		next := s.aof
		s.aof = old
		_ = os.Remove(s.aofFile("base.rdb"))
		_ = os.Remove(s.aofFile("incr.aof"))
		d.sync(s.aofFile("incr.aof"))
		s.aof = next
	}
	return nil
}

// write appends a command before its client is answered.
func (a *aof) write(s *server, args []string) {
	if !a.on {
		return
	}
	if !a.selected {
		a.selected = true
		a.pending += wire("SELECT", "0")
	}
	a.pending += wire(args...)
	a.flush(s)
}

func (a *aof) flush(s *server) {
	if !a.on || a.pending == "" {
		return
	}
	if err := s.p.w.disk.add(s.p, s.aofFile("incr.aof"), a.pending); err != nil {
		a.failed, a.reason = true, reason(err)
		return
	}
	a.pending, a.failed = "", false
	if s.set["appendfsync"] == "always" {
		s.p.w.disk.sync(s.aofFile("incr.aof"))
	}
}

// cron tries again what failed, and syncs by everysec.
func (a *aof) cron(s *server) {
	if !a.on && s.yes("appendonly") {
		s.rewriteAOF()
		a.failed = a.failed && !a.on
	}
	a.flush(s)
	if a.on && s.set["appendfsync"] == "everysec" {
		s.p.w.disk.sync(s.aofFile("incr.aof"))
	}
}

// load reads base and increment by the manifest; a tail that was cut off is left
// out. Without a manifest the AOF begins empty.
func (a *aof) load(s *server) error {
	b, err := s.p.w.disk.read(s.manifest())
	if errors.Is(err, fs.ErrNotExist) {
		return s.beginAOF()
	}
	if err != nil {
		return err
	}
	a.on = true
	for line := range strings.Lines(string(b)) {
		var name, kind string
		if n, _ := fmt.Sscanf(line, "file %s seq %d type %s", &name, &a.seq, &kind); n != 3 {
			return fmt.Errorf("bad line in the AOF's manifest")
		}
		if err := s.loadPart(filepath.Join(s.aofDir(), name), kind); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) loadPart(path, kind string) error {
	b, err := s.p.w.disk.read(path)
	if err != nil {
		return fmt.Errorf("the AOF's manifest names a file that cannot be read: %w", err)
	}
	if kind == "b" {
		data, err := readRDB(b)
		if err != nil {
			return err
		}
		maps.Copy(s.data, data)
		return nil
	}
	source := strings.NewReader(string(b))
	r, good := bufio.NewReader(source), 0
	for {
		v, err := readValue(r)
		if err != nil {
			break
		}
		good = len(b) - source.Len() - r.Buffered()
		s.apply(v.args())
	}
	s.dirty = 0
	if good == len(b) {
		return nil
	}
	return errors.Join(os.Truncate(path, int64(good)), stamp(path))
}
