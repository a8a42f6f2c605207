package rules

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"berth.dev/berth"
)

var (
	computeName   = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$`)
	endsInNumber  = regexp.MustCompile(`-\d+$`)
	workspaceName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}$`)
	groupName     = regexp.MustCompile(`^[-\w.()]{0,89}[-\w()]$`)
	clusterName   = regexp.MustCompile(`^[a-zA-Z0-9]$|^[a-zA-Z0-9][-_a-zA-Z0-9]{0,61}[a-zA-Z0-9]$`)
	poolName      = regexp.MustCompile(`^[a-z][a-z0-9]{0,11}$`)
	dnsLabel      = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	reserved      = []string{"amlcompute", "local", "containerinstance"}
)

// name checks a compute's name: 3 to 24 characters, letters, digits and dashes, first a letter (the service's document);
// last a letter or digit (its 2025 edition). A trailing -<digits> is refused by the REST pattern but was accepted for years, so
// it only causes a warning. Reserved names are azureml-core's.
func name(n string) []Violation {
	switch {
	case slices.Contains(reserved, strings.ToLower(n)):
		return violation(berth.CodeInvalidName, "name", "'%s' is a reserved name. Choose another.", n)
	case !computeName.MatchString(n):
		return violation(berth.CodeInvalidName, "name", "The compute name '%.60s' is not possible: it must have 3 to 24 characters, only "+
			"letters, digits and '-', begin with a letter and end with a letter or digit.", n)
	case endsInNumber.MatchString(n):
		return warning("name", "The compute name '%s' ends in a dash and a number, which newer versions of the service refuse.", n)
	}
	return nil
}

// WorkspaceName checks a workspace's name (the REST API's pattern).
func WorkspaceName(n string) []Violation {
	if workspaceName.MatchString(n) {
		return nil
	}
	return violation(berth.CodeInvalidName, "name", "The workspace name '%.60s' is not possible: it must have 3 to 33 characters, only "+
		"letters, digits, '-' and '_', and begin with a letter or digit.", n)
}

// GroupName checks a resource group's name (the ARM RPC).
func GroupName(n string) []Violation {
	if groupName.MatchString(n) {
		return nil
	}
	return violation(berth.CodeInvalidName, "name", "The resource group name '%.100s' is not possible: it must have 1 to 90 letters, "+
		"digits, '-', '_', '.', '(' or ')', and not end in a period.", n)
}

// Tags checks the map of tags (ARM's limits: 50 tags, 512 and 256 characters). Characters that are not seen but act are refused: programs
// print tags on terminals.
func Tags(tags map[string]string) []Violation {
	var out []Violation
	if len(tags) > 50 {
		out = append(out, invalid("tags", "There are %d tags; at most 50 are possible.", len(tags))...)
	}
	for k, v := range tags {
		if k == berth.TagNodes {
			out = append(out, nodesTag(v)...)
			continue
		}
		if strings.ContainsFunc(k+v, berth.Invisible) {
			out = append(out, invalid("tags", "The tag %.60q has a control character, or one that changes the direction of text, in its name or "+
				"its value. Leave it out.", k)...)
			continue
		}
		if k == "" || utf8.RuneCountInString(k) > 512 || strings.ContainsAny(k, `<>%&\?/`) {
			out = append(out, invalid("tags", "The tag name '%.60s' is not possible: it must have 1 to 512 characters and none of <>%%&\\?/.", k)...)
		}
		if n := utf8.RuneCountInString(v); n > 256 {
			out = append(out, invalid("tags."+k, "The value of the tag '%s' has %d characters; at most 256 are possible.", k, n)...)
		}
	}
	return out
}

// nodesTag checks the value of berth.TagNodes.
func nodesTag(value string) []Violation {
	if value == berth.NodesReal || value == berth.NodesSimulated {
		return nil
	}
	return invalid("tags."+berth.TagNodes, "The tag %s chooses what runs the nodes: %s or %s, not '%.60s'.", berth.TagNodes, berth.NodesReal,
		berth.NodesSimulated, value)
}
