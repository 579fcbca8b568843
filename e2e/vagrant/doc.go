// Package vagrant tests the Vagrant lab (the folder vagrant at the top) as a user
// runs it: a real `vagrant up` of three machines by the lxc provider, to a verified
// group in one command; then a halt of the master, its return, and the end.
//
// All of it happens in a bare lab of e2e/machine: a network namespace without a way
// out, and for each command a mount namespace in which lxc's folders are the lab's
// own. So nothing meets the host's containers, and nothing is left.
//
// What the other providers would get is held against their plugins' own settings,
// without a machine.
package vagrant
