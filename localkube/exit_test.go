package main

import (
	"errors"
	"fmt"
	"testing"
)

// The codes are a contract with other programs: provider/local has its own copy of them.
func TestExitCodes(t *testing.T) {
	codes := []int{exitStopped, exitFailed, exitUsage, exitPortInUse, exitFolder, exitBusy}
	for i, want := range []int{0, 1, 64, 69, 74, 75} {
		if codes[i] != want {
			t.Errorf("code %d is %d; want %d", i, codes[i], want)
		}
	}
	cause := errors.New("cause")
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitStopped}, {folderFault(nil), exitStopped}, {cause, exitFailed}, {folderFault(cause), exitFolder},
		{folderFault(fmt.Errorf("lock: %w", fault{cause, exitBusy})), exitBusy},
		{fmt.Errorf("etcd: %w", folderFault(cause)), exitFolder},
	} {
		if got := exitCode(c.err); got != c.want || c.err != nil && !errors.Is(c.err, cause) {
			t.Errorf("%v: %d; want %d", c.err, got, c.want)
		}
	}
}
