package berth

import "time"

// Verb is what an operation does to its resource.
type Verb string

// The verbs. Detach is a delete that leaves the cluster running. Clean removes from a cluster what Azure ML's own router has
// left there; the cluster's resource stays as it is, whatever comes of it.
const (
	VerbCreate Verb = "create"
	VerbUpdate Verb = "update"
	VerbDelete Verb = "delete"
	VerbDetach Verb = "detach"
	VerbClean  Verb = "clean"
)

// Removes says whether the resource is gone once the operation has succeeded.
func (v Verb) Removes() bool { return v == VerbDelete || v == VerbDetach }

// OperationRetention is how long an operation can be read after it ended, the resource being gone or not.
const OperationRetention = 7 * 24 * time.Hour

// Step is a part of an operation's way, as the user was told of it.
type Step struct {
	At      time.Time `json:"at"`
	Message string    `json:"message"`
}

// Operation is what a client polls: one accepted wish on its way.
type Operation struct {
	ID         string // a GUID
	ResourceID ID
	Verb       Verb
	Location   string // canonical; operations are read under …/locations/{location}/
	Generation int64  // of the resource, as this wish made it
	State      State  // Accepted while under way, else Succeeded, Failed or Canceled
	Message    string // while under way: what is being done now
	Steps      []Step // what was being done, the latest last
	Notes      []string
	Err        *Error // why it failed
	StartedAt  time.Time
	EndedAt    time.Time // zero while under way
	Caller     string
	// Unreadable says that the stored record cannot be read: State is Failed, and Err says why.
	Unreadable bool
}
