package catalog

import (
	_ "embed"
	"strings"
	"sync"
)

//go:embed roles.csv
var rolesCSV string

// Role is a built-in role of Azure.
type Role struct {
	Name string // "AcrPull"
	ID   string // a GUID, lower case
}

var roles = sync.OnceValue(func() (out []Role) {
	for i, line := range strings.Split(strings.TrimSpace(rolesCSV), "\n") {
		if name, id, both := strings.Cut(strings.TrimSpace(line), ","); both && i > 0 {
			out = append(out, Role{name, id})
		}
	}
	return out
})

// Roles lists the built-in roles in the order of their names.
func Roles() []Role { return roles() }

// RoleByID finds a built-in role by its GUID in any casing.
func RoleByID(id string) (Role, bool) {
	for _, r := range roles() {
		if strings.EqualFold(r.ID, id) {
			return r, true
		}
	}
	return Role{}, false
}
