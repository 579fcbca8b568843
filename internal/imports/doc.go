// Package imports holds the test that keeps the packages in their layers
// (docs/design.md, "Packages"): imports run downward only, a few libraries have
// one package that speaks to them, and the packages that decide stay pure.
//
// There is nothing here to import. The rules are in rules_test.go; each has a
// planted violation in planted_test.go, which proves that it would be found.
package imports
