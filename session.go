package berth

import "time"

// Session is the sign-in of a browser at the studio.
type Session struct {
	Key     string    // what the browser has; only its hash is stored
	Token   string    // for Resource Manager, of the application or the person that signed in
	Name    string    // of the application or the person
	Expires time.Time // when it ends unless it is used before
	Renewed bool      // Expires is later than it was
}
