package serving

import "regexp"

// validName is what a name of a Service may be.
var validName = regexp.MustCompile(`^[a-z]([-a-z0-9]*[a-z0-9])?$`)
