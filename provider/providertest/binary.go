package providertest

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Binary is the berth-kube to test with: the one that BERTH_KUBE_BIN names, else the one below bin/. A test without it
// fails, because Berth without it is not tested.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := FindBinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// FindBinary is Binary for callers without a test, such as TestMain.
func FindBinary() (string, error) {
	path := os.Getenv("BERTH_KUBE_BIN")
	if path == "" {
		root, err := moduleRoot()
		if err != nil {
			return "", err
		}
		path = filepath.Join(root, "bin", "berth-kube")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", errors.New(path + " is not there; run make first")
	}
	return path, nil
}

// moduleRoot is the folder with go.mod above the one that a test runs in.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the working directory")
		}
	}
	return "", err
}
