// Command reap is what a part of berth-nodes becomes when it has only to wait for the process that it has started: that part would keep
// some 20 MB. It waits for all of its children, as the first process of a namespace must, and ends with that one.
package main

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: reap PID [COMMAND LINE OF THE PART]")
		os.Exit(2)
	}
	child, err := strconv.Atoi(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "reap:", err)
		os.Exit(2)
	}
	os.Exit(reap(child))
}

// reap answers the exit code of the child; 1 for one that was killed, or that there never was.
func reap(child int) int {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR || err == nil && pid != child:
			continue
		case err == nil && status.Exited():
			return status.ExitStatus()
		}
		return 1
	}
}
