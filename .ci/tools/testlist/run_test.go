package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const whole = `{"Action":"run","Package":"m/a","Test":"TestOne"}
{"Action":"output","Package":"m/a","Test":"TestOne","Output":"hidden\n"}
{"Action":"pass","Package":"m/a","Test":"TestOne/sub"}
{"Action":"pass","Package":"m/a","Test":"TestOne"}
{"Action":"output","Package":"m/a","Output":"ok  \tm/a\t0.1s\n"}
{"Action":"pass","Package":"m/a"}
`

func TestCheck(t *testing.T) {
	cases := []struct {
		name, list, events string
		want               string // in the error; empty: none
		shows              string
	}{
		{"all ran", "# tests\n\na TestOne\n", whole, "", "ok  \tm/a"},
		{"one is missing", "a TestOne\nb TestTwo\n", whole, "missing:  b TestTwo", ""},
		{"one is not listed", "", whole, "unlisted: a TestOne", ""},
		{"one was skipped", "a TestOne\n", `{"Action":"skip","Package":"m/a","Test":"TestOne"}`, "skipped:  a TestOne", ""},
		{"a subtest was skipped", "a TestOne\n", `{"Action":"skip","Package":"m/a","Test":"TestOne/sub"}` + "\n" + whole,
			"skipped:  a TestOne (TestOne/sub)", ""},
		{"one failed", "a TestOne\n", `{"Action":"output","Package":"m/a","Test":"TestOne","Output":"why\n"}
{"Action":"fail","Package":"m/a","Test":"TestOne"}
{"Action":"fail","Package":"m/a"}`, "failed:   a", "why"},
		{"a package does not build", "a TestOne\n", `{"ImportPath":"m/a","Action":"build-output","Output":"undefined: x\n"}
{"Action":"fail","Package":"m/a"}`, "missing:  a TestOne", "undefined: x"},
		{"a test hung", "a TestOne\n", `{"Action":"output","Package":"m/a","Test":"TestOne","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"m/a"}`, "missing:  a TestOne", "timed out"},
		{"the go command did not start", "a TestOne\n", "go: no module\n", "missing:  a TestOne", "go: no module"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			list := filepath.Join(t.TempDir(), "tests.txt")
			if err := os.WriteFile(list, []byte(c.list), 0o600); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			err := check(strings.NewReader(c.events), &out, "m", list, "make it")
			text := ""
			if err != nil {
				text = err.Error()
			}
			if (c.want == "") != (err == nil) || !strings.Contains(text, c.want) {
				t.Errorf("error %q, want one with %q", text, c.want)
			}
			if !strings.Contains(out.String(), c.shows) {
				t.Errorf("shown %q, want %q in it", out.String(), c.shows)
			}
			if err == nil && strings.Contains(out.String(), "hidden") {
				t.Errorf("shown %q: what a good test prints is noise", out.String())
			}
		})
	}
}

func TestPrintList(t *testing.T) {
	in := `{"Action":"output","Package":"m/b","Output":"TestTwo\n"}
{"Action":"output","Package":"m/b","Output":"BenchmarkX\n"}
{"Action":"output","Package":"m/b","Output":"ok  \tm/b\t0.1s\n"}
{"Action":"output","Package":"m","Output":"ExampleRun\n"}
`
	var out strings.Builder
	if err := printList(strings.NewReader(in), &out, "m"); err != nil {
		t.Fatal(err)
	}
	if want := ". ExampleRun\nb TestTwo\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if err := printList(strings.NewReader(`{"Action":"fail","Package":"m"}`), &out, "m"); err == nil {
		t.Error("a list of half the packages was taken for the whole")
	}
}

func TestE2E(t *testing.T) {
	const events = `{"Action":"output","Package":"m/e","Test":"TestThree","Output":"e2e nodes=3 apply_s=1\n"}
{"Action":"pass","Package":"m/e","Test":"TestThree/failover/of_one"}
{"Action":"pass","Package":"m/e","Test":"TestThree/failover"}
{"Action":"pass","Package":"m/e","Test":"TestThree/rejoin","Elapsed":2}
{"Action":"pass","Package":"m/e","Test":"TestThree"}
{"Action":"pass","Package":"m/e","Test":"TestOther"}
{"Action":"pass","Package":"m/e","Elapsed":7.6}
`
	for _, c := range []struct{ name, events, want, shows string }{
		{"figures and cases", events, "", "e2e nodes=3 apply_s=1 cases=2\ne2e total packages=1 tests=2 cases=3 seconds=8\n"},
		{"figures of the Vagrant lab", `{"Action":"output","Package":"m/e","Test":"TestUp","Output":"vagrant nodes=3 up_s=1\n"}` + "\n" + events,
			"", "vagrant nodes=3 up_s=1 cases=0\ne2e nodes=3"},
		{"a case is shown", events, "", "pass  e TestThree/rejoin  2.0 s"},
		{"nothing ran", "", "no test ran", "cases=0"},
		{"one failed", events + `{"Action":"fail","Package":"m/f"}`, "failed:   f", "cases=3"},
		{"one was skipped", events + `{"Action":"skip","Package":"m/e","Test":"TestNo"}`, "skipped:  e TestNo", "cases=4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			err := checkE2E(strings.NewReader(c.events), &out, "m", "", "make it")
			text := ""
			if err != nil {
				text = err.Error()
			}
			if (c.want == "") != (err == nil) || !strings.Contains(text, c.want) {
				t.Errorf("error %q, want one with %q", text, c.want)
			}
			if !strings.Contains(out.String(), c.shows) {
				t.Errorf("shown %q, want %q in it", out.String(), c.shows)
			}
		})
	}
}
