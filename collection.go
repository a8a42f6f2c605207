package berth

// DataCollection is what the router keeps of the requests to a service or a deployment, and of the answers.
type DataCollection struct {
	// Collections are CollectRequest, CollectResponse and, in lower case, those that a scoring script fills by itself: which part of the
	// requests is kept, 1 for all.
	Collections map[string]float64 `json:"collections"`
	Rolling     string             `json:"rolling"`           // which time is in one folder: Year, Month, Day, Hour or Minute
	Headers     []string           `json:"headers,omitempty"` // of requests that are kept too, in lower case
}

// Custom are the collections that a scoring script fills by itself.
func (c *DataCollection) Custom() (names []string) {
	if c == nil {
		return nil
	}
	for name := range c.Collections {
		if name != CollectRequest && name != CollectResponse {
			names = append(names, name)
		}
	}
	return names
}

// The names of the collections, and the folder of version 2 among the files of a workspace, as the original has it.
const (
	CollectFolder   = "modelDataCollector"
	CollectRequest  = "request"
	CollectResponse = "response"
)

// Collected is a file of events of the data collection, as the router of a cluster hands it over.
type Collected struct {
	Workspace string // its id, as the router was told it
	Path      string // among the files of the workspace
	Events    []byte // lines of JSON
}
