// Package machinetest is a redfleet fleet on real machines (e2e/machine), for
// end-to-end tests: machines with Consul, the package installed by dpkg, the
// nodes joined, a spec applied, and a client that writes all the time.
//
//	func TestMain(m *testing.M) { os.Exit(machinetest.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		ctx := machinetest.Context(t, 4*time.Minute)
//		f := machinetest.New(ctx, t, machinetest.Options{})
//		f.BringUp(ctx, t)
//		w := f.StartWriter(ctx, t)
//		…
//		w.Stop().NoError(t)
//	}
//
// BringUp is Install, Join, Apply and WaitServing, each of which a test may do
// alone, or for some nodes only. What fails ends the test, with the state of the
// nodes in its output.
//
// Tests in these packages have the build tag e2e and need root. Whatever happens,
// nothing of them stays on the host: Main compares.
package machinetest
