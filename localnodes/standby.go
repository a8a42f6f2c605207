package main

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// reapProgram is what a part becomes that only waits.
const reapProgram = "reap"

// standBy makes this process the program reap, which takes much less memory, until its child ends. The goroutine must be locked to the
// thread that started the child. It returns only when that is not possible: then the caller waits itself.
func standBy(bin string, child int) {
	program := filepath.Join(bin, reapProgram)
	if !isProgram(program) {
		return
	}
	// This thread becomes the whole process; that it ends with its parent was said of the first thread, and is said of this one.
	if os.Getpid() != 1 {
		parent := os.Getppid()
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil || os.Getppid() != parent {
			return
		}
	}
	line := append([]string{reapProgram, strconv.Itoa(child)}, os.Args...) // it says whose process it is
	_ = syscall.Exec(program, line, []string{})                            // #nosec: a program of ours; an error means that the caller waits
}
