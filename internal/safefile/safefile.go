// Package safefile reads and replaces files as root in a folder that belongs to
// another user, such as an instance's folder, which belongs to the user that
// runs Redis. Whoever owns the folder can put anything under any name in it: a
// symbolic link to a file of root's, or a pipe that never ends. Neither is
// followed here, and what is written belongs to the folder's owner, so that
// Redis can read it and rewrite it (hazard S2).
package safefile

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxSize is more than any configuration file of an instance has.
const maxSize = 16 << 20

// ErrNotRegular: there is something else than a regular file under the name.
var ErrNotRegular = errors.New("it is no regular file")

// Open opens a file for reading. A symbolic link, a pipe and a device are refused
// with ErrNotRegular; a file that is missing is fs.ErrNotExist.
func Open(path string) (*os.File, error) {
	// O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, &fs.PathError{Op: "read", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// Read gives a file's content, of what Open opens and no more than a
// configuration file can have.
func Read(path string) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(b) > maxSize {
		return nil, fmt.Errorf("%s has more than %d bytes, which no configuration file has", path, maxSize)
	}
	return b, err
}

// Write replaces a file as a whole, with the folder's owner and group as its
// own: after a crash there is the old one or the new one, and both are on disk.
// The folder itself must be no symbolic link.
func Write(path string, content []byte, mode fs.FileMode) error {
	dir, err := openFolder(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	temp, err := writeTemp(dir, content, mode)
	if err != nil {
		return err
	}
	at := int(dir.Fd())
	if err := unix.Renameat(at, temp, at, filepath.Base(path)); err != nil {
		_ = unix.Unlinkat(at, temp, 0)
		return &fs.PathError{Op: "replace", Path: path, Err: err}
	}
	return dir.Sync()
}

// openFolder refuses a folder that is a symbolic link.
func openFolder(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open the folder", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// writeTemp writes the content under a new name in the folder and gives the name.
func writeTemp(dir *os.File, content []byte, mode fs.FileMode) (string, error) {
	var owner unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &owner); err != nil {
		return "", &fs.PathError{Op: "look at the folder", Path: dir.Name(), Err: err}
	}
	name := ".redfleet-" + rand.Text()
	path := filepath.Join(dir.Name(), name)
	fd, err := unix.Openat(int(dir.Fd()), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return "", &fs.PathError{Op: "create", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	err = fill(f, content, mode, owner)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = unix.Unlinkat(int(dir.Fd()), name, 0)
		return "", err
	}
	return name, nil
}

func fill(f *os.File, content []byte, mode fs.FileMode, owner unix.Stat_t) error {
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	var made unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &made); err != nil {
		return err
	}
	if made.Uid != owner.Uid || made.Gid != owner.Gid {
		if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	return f.Sync()
}
