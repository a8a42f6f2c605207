package berth

import "time"

// Verb is what an operation does to its resource.
type Verb string

// The verbs. Detach is a delete that leaves the cluster running. Clean removes from a cluster what Azure ML's own router has
// left there; it does not change the resource of the cluster, also when it fails.
const (
	VerbCreate Verb = "create"
	VerbUpdate Verb = "update"
	VerbDelete Verb = "delete"
	VerbDetach Verb = "detach"
	VerbClean  Verb = "clean"
)

// Removes reports whether the resource no longer exists when the operation has succeeded.
func (v Verb) Removes() bool { return v == VerbDelete || v == VerbDetach }

// OperationRetention is how long an operation can be read after it ended, also when its resource no longer exists.
const OperationRetention = 7 * 24 * time.Hour

// Step is one step of an operation, as it was reported to the user.
type Step struct {
	At      time.Time `json:"at"`
	Message string    `json:"message"`
}

// Operation is an accepted change while it is worked on, and its result afterwards. Clients poll it.
type Operation struct {
	ID         string // a GUID
	ResourceID ID
	Verb       Verb
	Location   string // canonical; operations are read under …/locations/{location}/
	Generation int64  // of the resource after the change was accepted
	State      State  // Accepted while under way, else Succeeded, Failed or Canceled
	Message    string // while under way: what is being done now
	Steps      []Step // what was being done, the latest last
	Notes      []string
	Err        *Error // why it failed
	StartedAt  time.Time
	EndedAt    time.Time // zero while under way
	Caller     string
	Origin     Origin // who requested it; of one that an older Berth accepted, empty
	// Unreadable is true when the stored record cannot be read: State is Failed, and Err is the reason.
	Unreadable bool
}
