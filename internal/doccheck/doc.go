// Package doccheck holds README.md and docs/ to what is in the tree: a test that
// they name exists, a link leads somewhere, and no hazard is left out. It is
// tests only.
package doccheck
