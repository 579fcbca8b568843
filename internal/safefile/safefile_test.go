package safefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const stranger = 54321 // a user id that runs nothing here

// instanceFolder is a folder that belongs to another user, where the test may
// give one away.
func instanceFolder(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "redis-main-6379")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, stranger, stranger); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestWriteKeepsTheFoldersOwner(t *testing.T) {
	dir := instanceFolder(t)
	path := filepath.Join(dir, "redis.conf")
	for _, text := range []string{"port 1\n", "port 2\n"} {
		if err := Write(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Read(path)
		if err != nil || string(got) != text {
			t.Fatalf("read %q, %v; want %q", got, err, text)
		}
	}
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	got, want := info.Sys().(*syscall.Stat_t), folder.Sys().(*syscall.Stat_t)
	if got.Uid != want.Uid || got.Gid != want.Gid || info.Mode() != 0o600 {
		t.Errorf("the file belongs to %d:%d with mode %v, the folder to %d:%d", got.Uid, got.Gid, info.Mode(), want.Uid, want.Gid)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("there are %d files in the folder, want the one", len(entries))
	}
}

// TestNothingPlantedIsFollowed: what the folder's owner can put under the name
// is neither read nor written through.
func TestNothingPlantedIsFollowed(t *testing.T) {
	for name, plant := range map[string]func(path, secret string) error{
		"a symbolic link": func(path, secret string) error { return os.Symlink(secret, path) },
		"a pipe":          func(path, _ string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			secret := filepath.Join(t.TempDir(), "shadow")
			if err := os.WriteFile(secret, []byte("root's own"), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(instanceFolder(t), "redis.conf")
			if err := plant(path, secret); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() {
				_, err := Read(path)
				done <- err
			}()
			select {
			case err := <-done:
				if !errors.Is(err, ErrNotRegular) {
					t.Errorf("Read gave %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("Read waits for a pipe")
			}
			if err := Write(path, []byte("new"), 0o600); err != nil {
				t.Fatal(err)
			}
			if b, _ := os.ReadFile(secret); string(b) != "root's own" {
				t.Errorf("the file behind it now holds %q", b)
			}
			if b, err := Read(path); err != nil || string(b) != "new" {
				t.Errorf("the file itself holds %q, %v", b, err)
			}
		})
	}
}

func TestFolderThatIsALink(t *testing.T) {
	dir := instanceFolder(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(link, "redis.conf"), nil, 0o600); err == nil {
		t.Error("a folder that is a symbolic link was written to")
	}
	if _, err := Read(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file gave %v", err)
	}
}
