package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/moby/sys/capability"
	"golang.org/x/sys/unix"
)

// keepCapabilities takes all others out of what programs of this thread can ever have. A program of root has what is left, one of another
// user none.
func keepCapabilities(names []string) error {
	for _, c := range capability.ListKnown() {
		if slices.Contains(names, "CAP_"+strings.ToUpper(c.String())) {
			continue
		}
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(c), 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) { // of a newer kernel
			return fmt.Errorf("the capability %s: %w", c, err)
		}
	}
	return nil
}

// setGroups sets the groups of this thread alone.
func setGroups(groups []uint32) error {
	_, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(unsafe.Pointer(unsafe.SliceData(groups))), 0)
	if e != 0 {
		return e
	}
	return nil
}
