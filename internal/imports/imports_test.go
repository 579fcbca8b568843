package imports

import (
	"os"
	"testing"
)

// TestImportsRunDownward holds the module to its layout.
func TestImportsRunDownward(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	m, err := readModule(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) { report(t, m, r) })
	}
	files, own, others := 0, 0, 0
	for _, p := range m.sorted() {
		files += p.files
		own += len(p.own)
		others += len(p.others)
		t.Logf("%-36s %2d files, imports %2d packages of the module and %2d others", p.dir, p.files, len(p.own), len(p.others))
	}
	t.Logf("checked %d rules on %d packages: %d files, %d imports within the module, %d of others",
		len(rules()), len(m), files, own, others)
	if len(m) < 10 {
		t.Errorf("only %d packages were found: the test looks at the wrong folder", len(m))
	}
}
