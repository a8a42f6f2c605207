package berth

// Check is one thing that was looked at in a cluster before it is attached.
type Check struct {
	Name   string `json:"name"` // "answers", "version", …
	OK     bool   `json:"ok"`
	Detail string `json:"detail"` // what was found, and what to do about it
}
