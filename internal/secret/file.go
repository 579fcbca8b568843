package secret

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// ReadPasswordFile reads a password that an operator put into a file. One
// newline at the end is no part of it. The file must be its owner's alone.
func ReadPasswordFile(path string) (Password, error) {
	b, err := ReadPrivate(path)
	if err != nil {
		return Password{}, fmt.Errorf("password file: %w", err)
	}
	b = bytes.TrimSuffix(b, []byte("\n"))
	b = bytes.TrimSuffix(b, []byte("\r"))
	p, err := NewPassword(string(b))
	if err != nil {
		return Password{}, fmt.Errorf("password file %s: %w", path, err)
	}
	return p, nil
}

// maxFile is more than any file here needs, and keeps a wrong path (a device, a
// disk image) out of memory.
const maxFile = 64 << 10

// ReadPrivate reads a file with a secret, which only its owner may read: a key, a token,
// a password. No error holds any of its content.
func ReadPrivate(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && !handedOver(info) {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): chmod 600 %s", path, mode, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return b, nil
}

// handedOver: the file is as systemd hands a secret to a unit (LoadCredential=):
// root's, mode 0440, with an access list for the unit's own user, whose entry
// shows as the group's. It is then for that user and for root alone.
func handedOver(info fs.FileInfo) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	return ok && owner.Uid == 0 && owner.Gid == 0 && info.Mode().Perm() == 0o440
}
