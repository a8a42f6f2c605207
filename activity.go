package berth

import (
	"cmp"
	"time"
)

// ActivityRetention is how long the activity log is kept, unless the server is configured otherwise. It is what Azure does.
const ActivityRetention = 90 * 24 * time.Hour

// Origin is who requested something, with what right and from where. It has no secret, no token and no part of a body.
type Origin struct {
	// Right is the action of Resource Manager that the request needed, such as "Microsoft.MachineLearningServices/workspaces/write", and
	// Scope is on what. Both are empty for what Berth does by itself as a part of an operation.
	Right string `json:"right,omitempty"`
	Scope string `json:"scope,omitempty"`

	Caller   string `json:"caller,omitempty"` // client id of the application; of a person the object id
	ObjectID string `json:"objectId,omitempty"`
	TenantID string `json:"tenantId,omitempty"`
	Name     string `json:"name,omitempty"`
	UPN      string `json:"upn,omitempty"` // of a person

	Address       string `json:"address,omitempty"` // of the client: an IP address without the port
	Method        string `json:"method,omitempty"`  // of HTTP
	Request       string `json:"request,omitempty"` // x-ms-request-id
	ClientRequest string `json:"clientRequest,omitempty"`
	Correlation   string `json:"correlation,omitempty"` // x-ms-correlation-request-id: common to a request and all that follows from it
	Via           string `json:"via,omitempty"`         // the id of the operation of which this is a part
	Trace         string `json:"trace,omitempty"`       // traceparent of W3C, when requests are traced
}

// Called is how the activity log names the caller: the client id or the user principal name.
func (o Origin) Called() string { return cmp.Or(o.UPN, o.Caller) }

// Of is the origin with the right that a change of a resource needs, if it does not name one.
func (o Origin) Of(id ID, verb Verb) Origin {
	if o.Right != "" {
		return o
	}
	o.Right = id.Type()
	if id.IsGroup() {
		o.Right = "Microsoft.Resources/subscriptions/resourceGroups"
	}
	if verb.Removes() {
		o.Right += "/delete"
	} else {
		o.Right += "/write"
	}
	return o
}

// Inside is the origin of what Berth does by itself as a part of an operation of this origin.
func (o Origin) Inside(operation string) Origin {
	o.Right, o.Scope = "", ""
	o.Method, o.Request = "", ""
	o.Via = operation
	return o
}

// Activity is one event of the activity log.
type Activity struct {
	ID        string    `json:"-"` // a GUID that begins with the time
	At        time.Time `json:"at"`
	Origin    Origin    `json:"origin"`
	Resource  string    `json:"resource"`            // id of what it is about, or the address of a service
	Operation string    `json:"operation,omitempty"` // id of the operation that it began or ended
	// Status is Succeeded, Failed or Canceled; Accepted when an operation has begun.
	Status  State  `json:"status"`
	Code    Code   `json:"code,omitempty"` // why it failed
	Message string `json:"message,omitempty"`
	HTTP    int    `json:"http,omitempty"` // status of the answer; 0 for the end of an operation
	// Unlogged is how many refused requests of the caller before this one are not in the log: there were too many.
	Unlogged int `json:"unlogged,omitempty"`
}
