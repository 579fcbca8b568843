package rdb

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/redfleet/redfleet/internal/safefile"
)

// Aux is what the head of an RDB file says.
type Aux struct {
	// Version is the format's: 9 for Redis 5 and 6, 10 for 7.0, 11 for 7.2 and
	// Valkey 8, 80 for Valkey 9.
	Version int
	// Server is the version of the engine that wrote it, Valkey whether that was
	// a Valkey of its own format or name.
	Server string
	Valkey bool
	// ReplID is the replication id, 40 hex digits, and Offset the offset at
	// which the data stands. A master that never had a replica writes none.
	ReplID string
	Offset int64
	// Created is when the file was begun; UsedMem the memory in use then.
	Created time.Time
	UsedMem int64
	// Empty: the file ends right after its head and so holds no key.
	Empty bool
	// Complete: the file has its end mark. A file cut short has none.
	Complete bool
}

// ErrCorrupt is the error of a file that is no RDB file, or is cut short within
// its head.
var ErrCorrupt = errors.New("not a whole RDB file")

// The opcodes that matter here (rdb.h in the engine's sources).
const (
	opAux = 0xFA
	opEOF = 0xFF
	// trailer is what follows the last key: opEOF and the checksum.
	trailer = 9
)

// ReadAux reads the head of an RDB file, up to the first opcode that is no aux
// field. ErrCorrupt (by errors.Is) means that the file must be taken for data of
// unknown lineage.
func ReadAux(path string) (Aux, error) {
	f, err := safefile.Open(path) // the folder is another user's, the reader may be root
	if err != nil {
		return Aux{}, err
	}
	defer f.Close()
	a, err := readHead(bufio.NewReader(f))
	if err != nil {
		return Aux{}, fmt.Errorf("%s: %w", path, err)
	}
	if a.Complete, err = hasEnd(f); err != nil {
		return Aux{}, fmt.Errorf("%s: %w", path, err)
	}
	return a, nil
}

// hasEnd looks for the end mark in front of the checksum, which is there since
// version 5 of the format.
func hasEnd(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil || info.Size() < trailer {
		return false, err
	}
	var mark [1]byte
	if _, err := f.ReadAt(mark[:], info.Size()-trailer); err != nil {
		return false, err
	}
	return mark[0] == opEOF, nil
}

func readHead(r *bufio.Reader) (Aux, error) {
	var a Aux
	if err := a.readMagic(r); err != nil {
		return Aux{}, err
	}
	for {
		op, err := r.ReadByte()
		if err != nil {
			return Aux{}, cut(err)
		}
		if op != opAux {
			a.Empty = op == opEOF
			return a, nil
		}
		name, err := readString(r)
		if err != nil {
			return Aux{}, cut(err)
		}
		value, err := readString(r)
		if err != nil {
			return Aux{}, cut(err)
		}
		a.set(string(name), string(value))
	}
}

// readMagic reads "REDIS0011" or "VALKEY080".
func (a *Aux) readMagic(r io.Reader) error {
	var magic [9]byte
	if _, err := io.ReadFull(r, magic[:]); err != nil {
		return cut(err)
	}
	digits, ok := bytes.CutPrefix(magic[:], []byte("REDIS"))
	if !ok {
		if digits, ok = bytes.CutPrefix(magic[:], []byte("VALKEY")); !ok {
			return fmt.Errorf("%w: it does not begin as one", ErrCorrupt)
		}
		a.Valkey = true
	}
	n, err := strconv.ParseUint(string(digits), 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("%w: its version is no number", ErrCorrupt)
	}
	a.Version = int(n)
	return nil
}

// set takes one field; unknown ones and numbers that are none are left out,
// since a later engine may write what it likes there.
func (a *Aux) set(name, value string) {
	switch name {
	case "redis-ver":
		a.Server = value
	case "valkey-ver":
		a.Server, a.Valkey = value, true
	case "repl-id":
		if isReplID(value) {
			a.ReplID = value
		}
	case "repl-offset":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
			a.Offset = n
		}
	case "ctime":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			a.Created = time.Unix(n, 0)
		}
	case "used-mem":
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			a.UsedMem = n
		}
	}
}

func isReplID(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == 40
}

// cut marks the end of the file within its head as damage.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends within its head", ErrCorrupt)
	}
	return err
}
