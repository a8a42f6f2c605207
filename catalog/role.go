package catalog

import (
	_ "embed"
	"encoding/json"
	"strings"
	"sync"
)

//go:embed roles.csv
var rolesCSV string

//go:embed role-permissions.json
var rolePermissions []byte

// Role is a built-in role of Azure.
type Role struct {
	Name string // "AcrPull"
	ID   string // a GUID, lower case
	// Permissions are what the role permits, as Azure documents it; nil for a role whose permissions Berth does not know.
	Permissions *Permissions
}

// Permissions are one entry of a role's permissions. Actions concern Resource Manager, data actions what is inside a resource, such as
// the objects of a cluster. In each, * stands for any text, also with slashes.
type Permissions struct {
	Actions        []string `json:"actions"`
	NotActions     []string `json:"notActions"`
	DataActions    []string `json:"dataActions"`
	NotDataActions []string `json:"notDataActions"`
}

var roles = sync.OnceValue(func() (out []Role) {
	var permissions map[string]*Permissions
	if err := json.Unmarshal(rolePermissions, &permissions); err != nil {
		panic("role-permissions.json: " + err.Error()) // a test reads it
	}
	for i, line := range strings.Split(strings.TrimSpace(rolesCSV), "\n") {
		if name, id, both := strings.Cut(strings.TrimSpace(line), ","); both && i > 0 {
			out = append(out, Role{name, id, permissions[id]})
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
