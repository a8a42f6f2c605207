package main

import "errors"

// Exit codes, those of sysexits.h where it has a fitting one. They are what a program that starts this one may act on; the words
// on standard error are for people. provider/local has its own copy of the codes that it acts on: the two modules meet only as
// processes. Change one with the other.
const (
	exitStopped   = 0  // in order, by a signal
	exitFailed    = 1  // a component failed, or the stop was forced
	exitUsage     = 64 // the command line is wrong; nothing was touched
	exitPortInUse = 69 // another program has the API port; nothing was started
	exitFolder    = 74 // the folder cannot be read or written, or what is in it is damaged
	exitBusy      = 75 // another berth-kube works in the folder
)

// fault is an error with the exit code that it ends the process with.
type fault struct {
	error
	code int
}

func (f fault) Unwrap() error { return f.error }

// folderFault marks an error as one of the folder, unless it says more already; nil stays nil.
func folderFault(err error) error {
	if _, marked := errors.AsType[fault](err); err == nil || marked {
		return err
	}
	return fault{err, exitFolder}
}

// exitCode is the code for the error that serve ended with.
func exitCode(err error) int {
	if err == nil {
		return exitStopped
	}
	if f, marked := errors.AsType[fault](err); marked {
		return f.code
	}
	return exitFailed
}
