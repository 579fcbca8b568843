// Package rdb tells from the files of a server that does not run whether they
// hold data, of which lineage and how far. An election and the boot fence rest
// on it (promise data-wins), so a file that cannot be understood always counts
// as data.
//
// It reads only the head of a file, never the dataset.
package rdb
