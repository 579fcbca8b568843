package secret

import "testing"

// TestDigest: equal for equal passwords under one key, different otherwise, and none
// where there is no password or no private key.
func TestDigest(t *testing.T) {
	key, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	other, err := GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	one, err := NewPassword("a-password-of-the-operator")
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewPassword("another-one-of-the-operator")
	if err != nil {
		t.Fatal(err)
	}
	d := key.Digest(one)
	if d == "" || d != key.Digest(one) || d == key.Digest(two) || d == other.Digest(one) {
		t.Errorf("digests %q, %q, %q, %q", d, key.Digest(one), key.Digest(two), other.Digest(one))
	}
	if key.Digest(Password{}) != "" || (Key{}).Digest(one) != "" {
		t.Error("there is a digest without a password, or without a key")
	}
}
