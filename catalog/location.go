package catalog

import "strings"

// Location is one region. It is only a name of a resource, as clients expect it: it does not say where Berth runs.
type Location struct {
	Name        string // "westeurope"
	DisplayName string // "West Europe"
	Pair        string // the name of its paired region; empty when it has none
}

var locations = []Location{
	{"eastus", "East US", "westus"},
	{"eastus2", "East US 2", "centralus"},
	{"southcentralus", "South Central US", "northcentralus"},
	{"westus2", "West US 2", "westcentralus"},
	{"westus3", "West US 3", "eastus"},
	{"australiaeast", "Australia East", "australiasoutheast"},
	{"southeastasia", "Southeast Asia", "eastasia"},
	{"northeurope", "North Europe", "westeurope"},
	{"swedencentral", "Sweden Central", "swedensouth"},
	{"uksouth", "UK South", "ukwest"},
	{"westeurope", "West Europe", "northeurope"},
	{"centralus", "Central US", "eastus2"},
	{"southafricanorth", "South Africa North", "southafricawest"},
	{"centralindia", "Central India", "southindia"},
	{"eastasia", "East Asia", "southeastasia"},
	{"japaneast", "Japan East", "japanwest"},
	{"koreacentral", "Korea Central", "koreasouth"},
	{"canadacentral", "Canada Central", "canadaeast"},
	{"francecentral", "France Central", "francesouth"},
	{"germanywestcentral", "Germany West Central", "germanynorth"},
	{"italynorth", "Italy North", ""},
	{"norwayeast", "Norway East", "norwaywest"},
	{"polandcentral", "Poland Central", ""},
	{"spaincentral", "Spain Central", ""},
	{"switzerlandnorth", "Switzerland North", "switzerlandwest"},
	{"uaenorth", "UAE North", "uaecentral"},
	{"brazilsouth", "Brazil South", "southcentralus"},
	{"israelcentral", "Israel Central", ""},
	{"qatarcentral", "Qatar Central", ""},
	{"mexicocentral", "Mexico Central", ""},
	{"newzealandnorth", "New Zealand North", ""},
	{"northcentralus", "North Central US", "southcentralus"},
	{"westus", "West US", "eastus"},
	{"westcentralus", "West Central US", "westus2"},
	{"southafricawest", "South Africa West", "southafricanorth"},
	{"australiacentral", "Australia Central", "australiacentral2"},
	{"australiacentral2", "Australia Central 2", "australiacentral"},
	{"australiasoutheast", "Australia Southeast", "australiaeast"},
	{"japanwest", "Japan West", "japaneast"},
	{"koreasouth", "Korea South", "koreacentral"},
	{"southindia", "South India", "centralindia"},
	{"westindia", "West India", "southindia"},
	{"canadaeast", "Canada East", "canadacentral"},
	{"francesouth", "France South", "francecentral"},
	{"germanynorth", "Germany North", "germanywestcentral"},
	{"norwaywest", "Norway West", "norwayeast"},
	{"swedensouth", "Sweden South", "swedencentral"},
	{"switzerlandwest", "Switzerland West", "switzerlandnorth"},
	{"ukwest", "UK West", "uksouth"},
	{"uaecentral", "UAE Central", "uaenorth"},
	{"brazilsoutheast", "Brazil Southeast", "brazilsouth"},
}

// Locations lists the regions.
func Locations() []Location { return locations }

// CanonicalLocation finds a region by its name or display name, without regard to case and spaces.
func CanonicalLocation(s string) (string, bool) {
	name := strings.ToLower(strings.ReplaceAll(s, " ", ""))
	for _, l := range locations {
		if l.Name == name {
			return name, true
		}
	}
	return "", false
}
