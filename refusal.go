package berth

import (
	"fmt"
	"time"
)

// The errors of the store are facts. rules.Explain turns them into messages for users, so that the store contains no sentences.
// Error is for the log and for tests.
type (
	// BusyError: another change of the resource is under way.
	BusyError struct {
		ID        ID
		State     State
		Operation string
		Holds     bool // it holds the cluster that the refused change wants to take over
	}
	// TakenError: another compute holds the cluster.
	TakenError struct {
		Cluster      ID
		Holder       string // the id of the compute, as it is known
		Since        time.Time
		Caller, Name string // the application that attached it: its id and, if known, its name
		Server       string // the server named by the ownership record in the cluster, if it is another one
	}
	// TakenOverError: another compute took the cluster over.
	TakenOverError struct {
		Cluster, By  ID
		At           time.Time
		Caller, Name string
	}
	// ParentError: the parent of the resource is missing or being deleted.
	ParentError struct {
		ID, Parent ID
		Deleting   bool
	}
	// SupersededError: a removal ended the operation.
	SupersededError struct {
		ID   ID
		Verb Verb
	}
	// IdleError: no operation is in progress that could be canceled.
	IdleError struct{ ID ID }
	// FullError: the disk of the database is full.
	FullError struct{}
	// UnavailableError: the database cannot be reached, or does not write at present. Nothing was changed, or the answer to a change was lost.
	UnavailableError struct{ Why error }
	// ElsewhereError: the cluster is one that the server on another host runs. GoneAt is when that server was found gone; zero when it runs.
	ElsewhereError struct {
		Cluster ID
		Host    string
		GoneAt  time.Time
	}
	// FileError: the database file cannot be used as it is. It was not changed.
	FileError struct {
		Path        string
		Fault       FileFault
		Why         string
		Schema, Own int // of a file that a newer Berth wrote: its schema, and the newest that this Berth can read
	}
	// UnreadableError: a stored record cannot be read.
	UnreadableError struct {
		Kind StoredKind
		Name string // of the resource; of an operation that is read alone, its id
		Part string // the name of a secret
		Why  error
	}
)

// FileFault is the reason why a database file cannot be used.
type FileFault int

// The faults of a database file.
const (
	FileForeign         FileFault = iota // it belongs to another program
	FileNewer                            // a newer Berth wrote it
	FileDamaged                          // it is damaged, or no database
	FileUnusable                         // it cannot be opened or written
	DatabaseUnreachable                  // a database that is not a file cannot be reached or used
)

// StoredKind is which record cannot be read.
type StoredKind int

// The kinds of records: a resource; an operation that a client reads; the operation of a change that is due; a secret.
const (
	StoredResource StoredKind = iota
	StoredOperation
	StoredChange
	StoredSecret
)

// Error implements error.
func (e *BusyError) Error() string {
	return fmt.Sprintf("%s is %s by operation %s", e.ID, e.State, e.Operation)
}

// Error implements error.
func (e *TakenError) Error() string { return fmt.Sprintf("%s is held by %s", e.Cluster, e.Holder) }

// Error implements error.
func (e *TakenOverError) Error() string {
	return fmt.Sprintf("%s was taken over by %s", e.Cluster, e.By)
}

// Error implements error.
func (e *ParentError) Error() string {
	return fmt.Sprintf("%s, the parent of %s, is missing or being deleted", e.Parent, e.ID)
}

// Error implements error.
func (e *SupersededError) Error() string {
	return fmt.Sprintf("superseded by a %s of %s", e.Verb, e.ID)
}

// Error implements error.
func (e *IdleError) Error() string { return fmt.Sprintf("nothing is under way on %s", e.ID) }

// Error implements error.
func (*FullError) Error() string { return "the disk is full" }

// Error implements error.
func (e *UnavailableError) Error() string {
	return fmt.Sprintf("the database cannot be used at present: %v", e.Why)
}

// Error implements error.
func (e *ElsewhereError) Error() string { return fmt.Sprintf("%s runs on %s", e.Cluster, e.Host) }

// Unwrap is the reason.
func (e *UnavailableError) Unwrap() error { return e.Why }

// Error implements error.
func (e *FileError) Error() string {
	return fmt.Sprintf("the database %s cannot be used: %s", e.Path, e.Why)
}

// Error implements error.
func (e *UnreadableError) Error() string {
	return fmt.Sprintf("the record of %s cannot be read: %v", e.Name, e.Why)
}

// Unwrap is the reason.
func (e *UnreadableError) Unwrap() error { return e.Why }
