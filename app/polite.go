package app

import "runtime"

// politely does work beside a server that runs on the same machine, on a thread of its own that gives way to everybody else. The thread
// ends with the work.
func politely(do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		giveWay()
		done <- do()
	}()
	return <-done
}
